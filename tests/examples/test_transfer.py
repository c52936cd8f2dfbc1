"""The experiment from end to end on a few small images; it goes on where it was stopped."""

import json
from pathlib import Path

import pytest
import torch

from examples import transfer
from examples.detector.module import DetectorModule
from examples.transferability import training
from examples.transferability.scores import LAYERS, load
from examples.transferability.sets import LabelledSet, Sizes, family_sets
from examples.transferability.training import OverMaps, Schedule
from hardest_metrics.transfer import SCORES
from tests.transfer.small import save_set

pytestmark = pytest.mark.filterwarnings("default")  # Lightning warns of few workers, Pearson of constants

FEW = ["--seeds", "1", "--source-steps", "4", "--transfer-steps", "2", "--train-images", "16", "--target-images", "16",
       "--val-images", "3", "--threads", str(torch.get_num_threads())]  # fmt: skip


@pytest.fixture(autouse=True)
def few_families(monkeypatch: pytest.MonkeyPatch) -> None:
    def three(sizes: Sizes, seed: int) -> list[LabelledSet]:
        return list(family_sets(sizes, seed))[:3]

    monkeypatch.setattr(transfer, "family_sets", three)


class StopError(Exception):
    """A run was killed."""


def test_it_goes_on_where_it_was_stopped_and_leaves_what_it_promises(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    done: list[str] = []
    fitted = training._fitted

    def noting(*given: object) -> dict[str, float]:
        done.append(str(given[-1]))
        return fitted(*given)  # type: ignore[arg-type]

    def stopping(*given: object) -> dict[str, float]:
        if len(done) == 5:
            raise StopError
        return noting(*given)

    monkeypatch.setattr(training, "_fitted", stopping)
    with pytest.raises(StopError):
        transfer.main([*FEW, "--out", str(tmp_path)])
    monkeypatch.setattr(training, "_fitted", noting)
    transfer.main([*FEW, "--out", str(tmp_path)])
    assert len(done) == len(set(done)) == 3 + 6
    said = capsys.readouterr().out
    for folder in [tmp_path / "seed0" / name for name in ("hand", "print", "segment")]:
        assert (folder / "weights.pt").exists()
        for place in (folder, *folder.glob("to-*")):
            assert {"result.json", "metrics.csv", "curve.png"} <= {path.name for path in place.iterdir()}
            result = json.loads((place / "result.json").read_text())
            assert result.keys() >= {"map", "map_50", "mar_1", "mar_10", "processor_seconds"}
    assert len(list(tmp_path.glob("seed0/*/to-*"))) == 6
    rows = json.loads((tmp_path / "seed0" / "hand" / "to-print" / "scores.json").read_text())["scores"]
    assert len(rows) == sum(map(len, LAYERS.values())) * len(SCORES) + 3
    for name in (
        "tables.md",
        "sources.csv",
        "transfers.csv",
        "scores.csv",
        "choices.csv",
        "pearson.png",
        "transfers.png",
    ):
        assert (tmp_path / name).exists()
    assert "Features of boxes against those of whole images" in said
    assert "| mAP of the source |" in said


def test_sets_on_disk_go_through_the_same(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    given: list[object] = []
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        given += ["--set", name, save_set(tmp_path / name, 10), tmp_path / name / "images"]
    transfer.main([*map(str, given), *FEW, "--size", "64", "64", "--out", str(tmp_path / "out")])
    assert "| source | on its own data | → one | → two |" in capsys.readouterr().out


def test_sets_drawn_from_a_collection_go_through_the_same(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    given = [
        "--collection",
        save_set(tmp_path, 12),
        tmp_path / "images",
        "--n-sets",
        3,
        "--n-classes",
        2,
        "--sources",
        2,
    ]
    transfer.main([*map(str, given), *FEW, "--size", "64", "64", "--out", str(tmp_path / "out")])
    lines = capsys.readouterr().out.splitlines()
    assert "| source | on its own data | → set01 | → set02 | → set03 |" in lines
    assert sum(line.startswith(("| set01 |", "| set02 |", "| set03 |")) for line in lines) == 2


def test_sets_are_given_in_one_way(capsys: pytest.CaptureFixture[str]) -> None:
    for wrong in (["--set", "a", "x", "y"], ["--set", "a", "x", "y", "--collection", "x", "y"]):
        with pytest.raises(SystemExit):
            transfer.main(wrong)
        assert "give" in capsys.readouterr().err


def test_over_maps_the_detector_gives_what_it_gives_over_images() -> None:
    (data, *_) = family_sets(Sizes(train=3, target=3, val=2), seed=0)
    torch.manual_seed(0)
    module = OverMaps(10, data.image_size, 1e-3).eval()
    images = torch.stack([data.val[place][0] for place in range(2)])
    with torch.no_grad():
        expected = DetectorModule.forward(module, images)
        _, val = module.freeze_backbone(data.target, data.val)
        found = module(torch.stack([val[place][0] for place in range(2)]))
    for one, other in zip(found, expected, strict=True):
        for name in one:
            torch.testing.assert_close(one[name], other[name])
    assert not any(name.startswith("detector.backbone") for name, _ in module.named_parameters())


def test_a_transfer_begins_with_the_source_but_for_its_classes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (data, *_) = family_sets(Sizes(train=16, target=3, val=2), seed=0)
    own = DetectorModule(10).detector.state_dict()
    known = {name: torch.rand(value.shape).add(1).to(value.dtype) for name, value in own.items()}
    torch.save(known, tmp_path / "weights.pt")
    begun: list[dict[str, torch.Tensor]] = []

    def fitted(module: DetectorModule, *_: object) -> dict[str, float]:
        begun.append(module.detector.state_dict())
        return {}

    monkeypatch.setattr(training, "_fitted", fitted)
    training.train_transfer("hand", tmp_path / "weights.pt", data, Schedule(steps=1), 1, tmp_path)
    for name, value in begun[0].items():
        assert (value == known[name]).all() == (".classes." not in name), name
    assert {name for name in known if name not in begun[0]} == {n for n in known if n.startswith("backbone")}


def test_the_head_of_a_source_says_what_the_detector_says(tmp_path: Path) -> None:
    torch.manual_seed(0)
    detector = DetectorModule(7).detector.eval()
    torch.save(detector.state_dict(), tmp_path / "weights.pt")
    images = torch.randint(256, (2, 3, 64, 64), dtype=torch.uint8)
    with torch.no_grad():
        maps = load(str(tmp_path / "weights.pt"))(images / 255)
        expected = detector(images).class_logits
    found = torch.cat([level.flatten(2).mT for level in maps], dim=1)
    torch.testing.assert_close(found, expected, rtol=1e-3, atol=1e-4)
