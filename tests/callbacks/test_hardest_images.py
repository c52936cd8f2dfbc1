"""A run of Lightning with `HardestImages`: what it logs, writes and shows, and when."""

import json
import os
import re
import warnings
from pathlib import Path
from typing import Any

import pytest
import torch
from lightning.pytorch.callbacks import EarlyStopping, ModelCheckpoint, ProgressBar, RichProgressBar, TQDMProgressBar
from PIL import Image
from torch import Tensor
from torchmetrics import MetricCollection
from torchmetrics.detection import MeanAveragePrecision

from hardest_metrics import CrossEntropy, ErrorsOfKind, FalseNegatives, FalsePositives, HardestImages, TotalFalse, cli
from hardest_metrics.callbacks import Inputs
from hardest_metrics.callbacks.top_images import TopImages
from hardest_metrics.detection import adapter as source
from hardest_metrics.detection.errors_of_kind import KINDS
from hardest_metrics.plot import draw_image
from tests.callbacks.runs import SIZE, Module, Scenes, detections, files, ranked, rows, scenes, trainer

# Lightning warns of few workers and of its own and torch's deprecations.
pytestmark = pytest.mark.filterwarnings("default")


def ranking(number: int = 12, first_id: int = 0, epoch: int = 0, metric: Any = None) -> list[tuple[int, float]]:
    """Ids and hardness as one metric gives them that sees all scenes at once."""
    metric = metric or TotalFalse()
    target = [{**target, "image_size": SIZE} for _, target in Scenes(number, first_id)]  # type: ignore[attr-defined]
    metric.update([detections(image, epoch) for image in target], target)
    return list(zip(*(column.tolist() for column in metric.compute()), strict=True))


# When


def test_fit_validate_and_test_rank_every_image(tmp_path: Path) -> None:
    run = trainer(tmp_path, HardestImages(TotalFalse(), top_k=2))
    run.fit(Module(), scenes(), scenes())
    assert files(tmp_path) == ["val-TotalFalse-epoch=000-step=000001"]
    assert ranked(tmp_path / "hardest_images/val-TotalFalse-epoch=000-step=000001.csv") == ranking()

    run.validate(Module(), scenes(10, first_id=50), verbose=False)
    run.test(Module(), scenes(9, first_id=70), verbose=False)
    assert (
        files(tmp_path)
        == files(tmp_path, "png")
        == [
            "test-TotalFalse-epoch=001-step=000002",
            "val-TotalFalse-epoch=000-step=000001",
            "val-TotalFalse-epoch=001-step=000002",
        ]
    )
    folder = tmp_path / "hardest_images"
    assert ranked(folder / "val-TotalFalse-epoch=001-step=000002.csv") == ranking(10, 50, epoch=1)
    assert ranked(folder / "test-TotalFalse-epoch=001-step=000002.csv") == ranking(9, 70, epoch=1)


def test_the_sanity_check_is_no_validation(tmp_path: Path) -> None:
    callback = HardestImages(TotalFalse(), top_k=2)
    run = trainer(tmp_path, callback, num_sanity_val_steps=-1, limit_val_batches=1)
    run.fit(Module(), scenes(), scenes())
    assert files(tmp_path) == ["val-TotalFalse-epoch=000-step=000001"]
    assert [len(history) for history in callback.state_dict().values()] == [1]
    assert len(ranked(tmp_path / "hardest_images/val-TotalFalse-epoch=000-step=000001.csv")) == 4


def test_what_is_wrong_with_a_batch_shows_in_the_sanity_check(tmp_path: Path) -> None:
    class Silent(Module):
        def validation_step(self, batch: Any, batch_idx: int, dataloader_idx: int = 0) -> Any:
            return None

    run = trainer(tmp_path, HardestImages(TotalFalse(), top_k=2))
    with pytest.raises(ValueError, match="finds no predictions"):
        run.fit(Silent(), scenes(), scenes())
    assert run.global_step == 0


def test_each_loader_is_ranked_by_itself(tmp_path: Path) -> None:
    run = trainer(tmp_path, HardestImages(TotalFalse(), top_k=2))
    loaders = [scenes(), scenes(8), scenes(10, first_id=40)]  # the second holds images of the first
    (logged, *_) = run.validate(Module(), loaders, verbose=False)
    tags = ["", "/loader_1", "/loader_2"]
    for tag, expected in zip(tags, [ranking(), ranking(8), ranking(10, 40)], strict=True):
        name = "val-TotalFalse" + tag.replace("/", "-")
        assert ranked(tmp_path / f"hardest_images/{name}-epoch=000-step=000000.csv") == expected
        mean = sum(hardness for _, hardness in expected) / len(expected)
        assert logged[f"val/TotalFalse/mean{tag}"] == pytest.approx(mean)


def test_pictures_and_files_come_every_n_epochs_and_scalars_every_time(tmp_path: Path) -> None:
    means = []

    class Listening(Module):
        def on_train_epoch_end(self) -> None:
            means.append(float(self.trainer.callback_metrics["val/TotalFalse/mean"]))

    run = trainer(tmp_path, HardestImages(TotalFalse(), top_k=2, every_n_epochs=2), max_epochs=5)
    run.fit(Listening(), scenes(), scenes())
    expected = [sum(hardness for _, hardness in ranking(epoch=epoch)) / 12 for epoch in range(5)]
    assert means == pytest.approx(expected)
    assert files(tmp_path) == files(tmp_path, "png")
    assert files(tmp_path) == ["val-TotalFalse-epoch=001-step=000003", "val-TotalFalse-epoch=003-step=000007"]
    run.validate(Module(), scenes(), verbose=False)  # asked for by hand: always due
    assert "val-TotalFalse-epoch=005-step=000010" in files(tmp_path)


def test_an_epoch_that_draws_nothing_keeps_no_images(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kept = []
    add = TopImages.add

    def adding(self: TopImages, *batch: Any) -> None:
        kept.append("sanity check" if run.sanity_checking else run.current_epoch)
        add(self, *batch)

    monkeypatch.setattr(TopImages, "add", adding)
    run = trainer(tmp_path, HardestImages(TotalFalse(), every_n_epochs=2), max_epochs=5, num_sanity_val_steps=1)
    run.fit(Module(), scenes(), scenes())
    assert set(kept) == {"sanity check", 1, 3}


def test_a_second_run_starts_from_nothing(tmp_path: Path) -> None:
    run = trainer(tmp_path, HardestImages(TotalFalse(), top_k=2))
    run.validate(Module(), scenes(), verbose=False)
    run.validate(Module(), scenes(), verbose=False)  # would meet every image again
    assert ranked(tmp_path / "hardest_images/val-TotalFalse-epoch=000-step=000000.csv") == ranking()


# Scalars


def test_scalars_are_mean_p95_and_share_in_error(tmp_path: Path) -> None:
    run = trainer(tmp_path, HardestImages(TotalFalse(weighting="pixel")))
    run.validate(Module(), scenes(), verbose=False)
    hardness = torch.tensor([value for _, value in ranking(metric=TotalFalse(weighting="pixel"))])
    assert run.callback_metrics["val/TotalFalse/mean"] == pytest.approx(float(hardness.mean()))
    assert run.callback_metrics["val/TotalFalse/p95"] == pytest.approx(float(hardness.quantile(0.95)))
    assert run.callback_metrics["val/TotalFalse/share_in_error"] == pytest.approx(float((hardness > 0).float().mean()))


def test_a_checkpoint_is_kept_of_the_epoch_of_least_hardness(tmp_path: Path) -> None:
    best = ModelCheckpoint(tmp_path, monitor="val/TotalFalse/mean", mode="min", filename="{epoch}")
    run = trainer(
        tmp_path, HardestImages(TotalFalse(), top_k=2, every_n_epochs=10), best, max_epochs=4, enable_checkpointing=True
    )
    run.fit(Module(), scenes(), scenes())
    means = [sum(hardness for _, hardness in ranking(epoch=epoch)) for epoch in range(4)]
    assert Path(best.best_model_path).name == f"epoch={means.index(min(means))}.ckpt"


def test_training_stops_when_hardness_no_longer_falls(tmp_path: Path) -> None:
    class Constant(Module):
        def validation_step(self, batch: Any, batch_idx: int, dataloader_idx: int = 0) -> Any:
            return [detections(target) for target in batch[1]]

    stopping = EarlyStopping("val/TotalFalse/share_in_error", patience=1)
    run = trainer(tmp_path, stopping, HardestImages(TotalFalse(), top_k=2), max_epochs=9)
    run.fit(Constant(), scenes(), scenes())
    assert run.current_epoch == 2


# Rankings and pictures


def test_the_file_equals_what_the_command_ranks_from_saved_detections(tmp_path: Path) -> None:
    metrics = {
        "total_false": TotalFalse(weighting="pixel", score_threshold=0.6),
        "false_negatives": FalseNegatives(weighting="overlap", score_threshold=0.6),
    }
    run = trainer(tmp_path, HardestImages(metrics, top_k=2))
    run.validate(Module(), scenes(40, batch_size=7), verbose=False)

    def xywh(boxes: Tensor) -> list[list[float]]:
        return torch.cat((boxes[:, :2], boxes[:, 2:] - boxes[:, :2]), 1).tolist()

    targets = [target for _, target in Scenes(40)]  # type: ignore[attr-defined]
    objects = [
        {"image_id": target["image_id"], "category_id": label, "bbox": box, "area": box[2] * box[3], "iscrowd": 0}
        for target in targets
        for box, label in zip(xywh(target["boxes"]), target["labels"].tolist(), strict=True)
    ]
    document = {
        "images": [
            {"id": target["image_id"], "file_name": f"{target['image_id']}.png", "height": SIZE[0], "width": SIZE[1]}
            for target in targets
        ],
        "annotations": [{"id": number, **entry} for number, entry in enumerate(objects, 1)],
        "categories": [{"id": label, "name": str(label)} for label in (1, 2, 3)],
    }
    results = [
        {"image_id": target["image_id"], "category_id": label, "bbox": box, "score": score}
        for target in targets
        for found in [detections(target)]
        for box, label, score in zip(
            xywh(found["boxes"]), found["labels"].tolist(), found["scores"].tolist(), strict=True
        )
    ]
    (tmp_path / "labels.json").write_text(json.dumps(document))
    (tmp_path / "detections.json").write_text(json.dumps(results))
    for query, weighting in (("total_false", "pixel"), ("false_negatives", "overlap")):
        out = tmp_path / f"{query}.csv"
        files_ = ["--annotations", str(tmp_path / "labels.json"), "--detections", str(tmp_path / "detections.json")]
        options = ["--query", query, "--weighting", weighting, "--score-threshold", "0.6", "--out", str(out)]
        assert cli.main(["rank", *files_, *options]) == 0
        ours = tmp_path / f"hardest_images/val-{query}-epoch=000-step=000000.csv"
        for mine, theirs in zip(rows(ours), rows(out), strict=True):
            assert {**mine, **theirs} == {**theirs, **mine}  # rank, id and hardness, to the last digit


def test_several_metrics_are_ranked_each_with_its_own_picture(tmp_path: Path) -> None:
    metrics = MetricCollection([FalsePositives(), FalseNegatives()])
    trainer(tmp_path, HardestImages(metrics, top_k=2)).validate(Module(), scenes(), verbose=False)
    folder = tmp_path / "hardest_images"
    for name, metric in (("FalsePositives", FalsePositives()), ("FalseNegatives", FalseNegatives())):
        assert ranked(folder / f"val-{name}-epoch=000-step=000000.csv") == ranking(metric=metric)
        assert (folder / f"val-{name}-epoch=000-step=000000.png").is_file()


def test_the_metric_given_is_left_as_it_is(tmp_path: Path) -> None:
    metric = TotalFalse()
    metric.update([detections(Scenes(1)[0][1])], [Scenes(1)[0][1]])
    trainer(tmp_path, HardestImages(metric)).validate(Module(), scenes(), verbose=False)
    assert metric.compute().image_ids.tolist() == [0]


def test_images_without_ids_are_numbered_in_their_order(tmp_path: Path) -> None:
    class Nameless(Module):
        def validation_step(self, batch: Any, batch_idx: int, dataloader_idx: int = 0) -> Any:
            preds = [detections(target) for target in batch[1]]
            return {"preds": preds, "target": [{k: v for k, v in t.items() if k != "image_id"} for t in batch[1]]}

    trainer(tmp_path, HardestImages(TotalFalse(), top_k=5)).validate(Nameless(), scenes(), verbose=False)
    file = tmp_path / "hardest_images/val-TotalFalse-epoch=000-step=000000.csv"
    assert ranked(file) == ranking()  # as the ids are 0, 1, 2, ... in this order
    with Image.open(file.with_suffix(".png")) as picture:
        assert picture.width > 3 * 320


@pytest.mark.parametrize("precision", ["bf16-mixed", "bf16-true", "16-true"])
@pytest.mark.parametrize("as_tensor", [False, True])
def test_ids_are_exact_in_any_precision(tmp_path: Path, precision: Any, as_tensor: bool) -> None:
    first = 2**53 + 1

    class Half(Module):
        def validation_step(self, batch: Any, batch_idx: int, dataloader_idx: int = 0) -> Any:
            preds = [detections(target, self.current_epoch) for target in batch[1]]
            if as_tensor:
                batch = batch[0], [{**t, "image_id": torch.tensor(t["image_id"], dtype=torch.int64)} for t in batch[1]]
            return {"preds": preds, "target": batch[1], "images": batch[0]}

    run = trainer(tmp_path, HardestImages({"hardness": TotalFalse(weighting="pixel")}, top_k=2), precision=precision)
    run.fit(Half(), scenes(), scenes(first_id=first))
    file = tmp_path / "hardest_images/val-hardness-epoch=000-step=000001.csv"
    assert ranked(file) == ranking(first_id=first, metric=TotalFalse(weighting="pixel"))
    assert file.with_suffix(".png").is_file()


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> dict[int, Tensor]:
    """The images that were drawn, by id."""
    images = {}

    def spy(image: Tensor, boxes: Any, caption: str, *arguments: Any) -> Any:
        images[int(re.findall(r"id (\d+)", caption)[0])] = image
        return draw_image(image, boxes, caption, *arguments)

    monkeypatch.setattr(source, "draw_image", spy)
    return images


MEAN, STD = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]


def normalised(image: Tensor) -> Tensor:
    return (image - image.new_tensor(MEAN).reshape(3, 1, 1)) / image.new_tensor(STD).reshape(3, 1, 1)


@pytest.mark.parametrize(
    ("prepare", "arguments"),
    [
        (lambda image: image, {}),
        (normalised, {"mean": MEAN, "std": STD}),
        (lambda image: normalised(image).half(), {"mean": MEAN, "std": STD}),
        (lambda image: image * 2 - 1, {"mean": [0.5], "std": [0.5]}),
        (lambda image: image * 255, {"unnormalize": lambda image: image / 255}),
        (lambda image: image.flip(0), {"unnormalize": lambda image: (image.flip(0) * 255).round().to(torch.uint8)}),
        (lambda image: image.mul(255).round().to(torch.uint8), {}),
        (lambda image: image.mul(255).round().to(torch.uint8), {"mean": MEAN, "std": STD}),  # has not been normalised
    ],
)
@pytest.mark.parametrize("stacked", [True, False])
def test_images_are_shown_as_the_user_saw_them(
    tmp_path: Path, drawn: dict[int, Tensor], prepare: Any, arguments: dict[str, Any], stacked: bool
) -> None:
    class Prepared(Module):
        def validation_step(self, batch: Any, batch_idx: int, dataloader_idx: int = 0) -> Any:
            images = [prepare(image) for image in batch[0]]
            preds = [detections(target) for target in batch[1]]
            return {"preds": preds, "images": torch.stack(images) if stacked else images}

    with warnings.catch_warnings():
        warnings.filterwarnings("error", message="HardestImages")
        callback = HardestImages(TotalFalse(), top_k=3, **arguments)
        trainer(tmp_path, callback).validate(Prepared(), scenes(), verbose=False)
    assert list(drawn) == [image_id for image_id, _ in ranking()[:3]]
    for image_id, image in drawn.items():
        assert (image - Scenes(12)[image_id][0] * 255).abs().max() <= 1


def test_grey_images_are_drawn(tmp_path: Path, drawn: dict[int, Tensor]) -> None:
    def grey(outputs: Any, batch: Any) -> Inputs:
        return Inputs(outputs, batch[1], batch[0][:, :1])

    trainer(tmp_path, HardestImages(TotalFalse(), top_k=2, to_inputs=grey)).validate(Module(), scenes(), verbose=False)
    assert {tuple(image.shape) for image in drawn.values()} == {(1, *SIZE)}


def test_images_that_look_normalised_are_warned_of_once(tmp_path: Path) -> None:
    def bright(outputs: Any, batch: Any) -> Inputs:
        return Inputs(outputs, batch[1], batch[0] * 3)

    with pytest.warns(UserWarning, match="leave .0, 1.* `mean`") as record:
        trainer(tmp_path, HardestImages(TotalFalse(), top_k=2, to_inputs=bright)).validate(
            Module(), scenes(), verbose=False
        )
    assert sum("leave [0, 1]" in str(warning.message) for warning in record) == 1


def test_without_images_there_are_rankings_and_one_warning(tmp_path: Path) -> None:
    def blind(outputs: Any, batch: Any) -> Inputs:
        return Inputs(outputs, batch[1])

    run = trainer(tmp_path, HardestImages(TotalFalse(), top_k=2, to_inputs=blind), max_epochs=2)
    with pytest.warns(UserWarning, match="no images in the batch") as record:
        run.fit(Module(), scenes(), scenes())
    assert sum("no images" in str(warning.message) for warning in record) == 1
    assert files(tmp_path, "png") == []
    assert ranked(tmp_path / "hardest_images/val-TotalFalse-epoch=001-step=000003.csv") == ranking(epoch=1)


# The terminal


class _PlainBar(ProgressBar):
    def disable(self) -> None:
        pass


@pytest.mark.parametrize("bar", [TQDMProgressBar, RichProgressBar, _PlainBar])
def test_a_table_is_printed_beside_a_progress_bar(
    tmp_path: Path, bar: type[ProgressBar], capsys: pytest.CaptureFixture[str]
) -> None:
    run = trainer(tmp_path, HardestImages(TotalFalse(), top_k=4), bar(), max_epochs=2, enable_progress_bar=True)
    run.fit(Module(), scenes(), scenes())
    printed = capsys.readouterr().out
    before, after = ({image_id for image_id, _ in ranking(epoch=epoch)[:4]} for epoch in (0, 1))
    table = printed[printed.index("val/TotalFalse, epoch 1: mean") :]
    assert {int(image_id) for image_id in re.findall(r"│ +\d+ │ +(\d+) │", table)} == after
    solved = re.findall(r"solved: ([\d, ]+)", table)[0].split(", ")
    assert set(map(int, solved)) == before - after


def test_without_a_progress_bar_nothing_is_printed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    trainer(tmp_path, HardestImages(TotalFalse(), top_k=2)).fit(Module(), scenes(), scenes())
    assert capsys.readouterr().out == ""


# Where and what goes wrong


def test_files_go_where_they_are_told_to(tmp_path: Path) -> None:
    run = trainer(tmp_path, HardestImages(TotalFalse(), dirpath=tmp_path / "a/b"))
    run.validate(Module(), scenes(), verbose=False)
    assert [path.suffix for path in sorted((tmp_path / "a/b").iterdir())] == [".csv", ".png"]
    assert not (tmp_path / "hardest_images").exists()


def test_a_fast_development_run_passes(tmp_path: Path) -> None:
    run = trainer(tmp_path, HardestImages(TotalFalse(), top_k=2), fast_dev_run=True)
    run.fit(Module(), scenes(), scenes())


def test_a_full_disk_warns_once_and_training_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Filling(Module):
        def on_train_start(self) -> None:
            def full(file: int) -> None:
                raise OSError(28, "No space left on device")

            monkeypatch.setattr(os, "fsync", full)

    run = trainer(tmp_path, HardestImages(TotalFalse(), top_k=2), max_epochs=3)
    with pytest.warns(UserWarning, match=r"could not write .*csv: OSError: .*No space left.*goes on") as record:
        run.fit(Filling(), scenes(), scenes())
    assert sum("HardestImages" in str(warning.message) for warning in record) == 1
    assert run.current_epoch == 3
    assert list((tmp_path / "hardest_images").iterdir()) == []


def test_a_folder_that_goes_away_warns_once_and_training_goes_on(tmp_path: Path) -> None:
    class Removing(Module):
        def on_train_start(self) -> None:
            (tmp_path / "hardest_images").rmdir()

    run = trainer(tmp_path, HardestImages(TotalFalse(), top_k=2), max_epochs=2)
    with pytest.warns(UserWarning, match="could not write") as record:
        run.fit(Removing(), scenes(), scenes())
    assert sum("HardestImages" in str(warning.message) for warning in record) == 1
    assert run.callback_metrics["val/TotalFalse/mean"] > 0


def test_pictures_that_cannot_be_drawn_warn_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*arguments: Any) -> Any:
        raise OSError("no font")

    monkeypatch.setattr(source, "draw_image", broken)
    with pytest.warns(UserWarning, match="could not draw .*no font"):
        trainer(tmp_path, HardestImages(TotalFalse(), top_k=2)).fit(Module(), scenes(), scenes())
    assert len(files(tmp_path)) == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"top_k": 0}, "`top_k` must be an integer of at least 1, but is 0"),
        ({"top_k": 2.5}, "`top_k` must be"),
        ({"top_k": 1000}, "`top_k` must be at most 400"),
        ({"every_n_epochs": 0}, "`every_n_epochs` must be"),
        ({"window": -1}, "`window` must be"),
        ({"class_names": "cat"}, "`class_names` must be a list or a dict"),
        ({"mean": [0.5]}, "`mean` and `std` belong together"),
        ({"mean": [0.5], "std": [0.5, 0.5, 0.5]}, "`mean` and `std` must be"),
        ({"mean": [0.5], "std": [0.0]}, "`std` above 0"),
        ({"mean": [0.5], "std": [0.5], "unnormalize": torch.sigmoid}, "give one or the other"),
        ({"metrics": [TotalFalse(), TotalFalse("pixel")]}, "several of one class"),
        ({"metrics": "TotalFalse"}, "must be hardness metrics, but is a str"),
        ({"metrics": MeanAveragePrecision()}, "must be hardness metrics"),
    ],
)
def test_a_wrong_argument_is_refused_at_once(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises((TypeError, ValueError), match=message):
        HardestImages(**({"metrics": TotalFalse()} | arguments))


def test_a_folder_that_cannot_be_written_to_is_refused_at_setup(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    run = trainer(tmp_path, HardestImages(TotalFalse(), dirpath=tmp_path / "file/below"))
    with pytest.raises(ValueError, match=r"`dirpath` .*below cannot be written to: .*Choose another one"):
        run.fit(Module(), scenes(), scenes())


def test_two_callbacks_of_different_metrics_live_side_by_side(tmp_path: Path) -> None:
    strict = HardestImages({"strict": TotalFalse(iou_threshold=0.9)}, top_k=3)
    lax = HardestImages({"lax": TotalFalse(iou_threshold=0.1)}, top_k=3)
    assert strict.state_key != lax.state_key
    trainer(tmp_path, strict, lax).fit(Module(), scenes(), scenes())
    folder = tmp_path / "hardest_images"
    for name, threshold in (("strict", 0.9), ("lax", 0.1)):
        expected = ranking(metric=TotalFalse(iou_threshold=threshold))
        assert ranked(folder / f"val-{name}-epoch=000-step=000001.csv") == expected


def test_two_callbacks_that_call_metrics_the_same_are_refused_at_setup(tmp_path: Path) -> None:
    callbacks = [HardestImages(TotalFalse(score_threshold=threshold)) for threshold in (0.3, 0.5)]
    with pytest.raises(ValueError, match=r"Two HardestImages have a metric 'TotalFalse'.* in a dict"):
        trainer(tmp_path, *callbacks).fit(Module(), scenes(), scenes())


@pytest.mark.parametrize(
    ("to_inputs", "message"),
    [
        (lambda outputs, batch: {"preds": outputs}, "`to_inputs` must give Inputs.*gave a dict"),
        (lambda outputs, batch: Inputs(outputs, batch[1], batch[0][:1]), "1 images, but predictions for 4"),
        (lambda outputs, batch: Inputs(outputs, batch[1], batch[0][:, :2]), "3 channels or 1, but .*`unnormalize`"),
        (lambda outputs, batch: Inputs(outputs[:1], batch[1][:2]), "`preds` holds 1 images and `target` 2"),
    ],
)
def test_inputs_that_do_not_fit_are_refused(tmp_path: Path, to_inputs: Any, message: str) -> None:
    run = trainer(tmp_path, HardestImages(TotalFalse(), top_k=2, to_inputs=to_inputs))
    with pytest.raises((TypeError, ValueError), match=message):
        run.fit(Module(), scenes(), scenes())


# Why


def test_kinds_say_why_in_file_captions_scalars_and_table(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    captions: list[str] = []

    def noted(image: Any, boxes: Any, caption: str = "", *further: Any) -> Image.Image:
        captions.append(caption)
        return draw_image(image, boxes, caption, *further)

    monkeypatch.setattr(source, "draw_image", noted)
    metrics = {"all": TotalFalse("pixel"), "missed": FalseNegatives()}
    run = trainer(tmp_path, HardestImages(metrics, top_k=2, kinds=True), enable_progress_bar=True)
    run.fit(Module(), scenes(), scenes())
    expected = {kind: dict(ranking(metric=ErrorsOfKind(kind))) for kind in KINDS}
    folder = tmp_path / "hardest_images"
    for name, kinds in (("all", KINDS), ("missed", ("missed",))):
        found = rows(folder / f"val-{name}-epoch=000-step=000001.csv")
        assert list(found[0]) == ["rank", "image_id", "hardness", "hard_for", "status", *kinds]
        for row in found:
            assert {kind: float(row[kind]) for kind in kinds} == {
                kind: expected[kind][int(row["image_id"])] for kind in kinds
            }
        for kind in kinds:
            mean = sum(expected[kind].values()) / len(expected[kind])
            assert float(run.callback_metrics[f"val/{name}/{kind}"]) == pytest.approx(mean)
    assert "val/missed/both" not in run.callback_metrics
    hardest = rows(folder / "val-all-epoch=000-step=000001.csv")[0]
    most = max(KINDS, key=lambda kind: int(hardest[kind]))
    assert captions[0].splitlines()[1].startswith(f"{hardest[most]} {most}")
    assert re.search(r"│ +errors *│", capsys.readouterr().out.replace("┃", "│"))


def test_without_kinds_nothing_says_why(tmp_path: Path) -> None:
    run = trainer(tmp_path, HardestImages(TotalFalse(), top_k=2))
    run.fit(Module(), scenes(), scenes())
    assert list(rows(tmp_path / "hardest_images/val-TotalFalse-epoch=000-step=000001.csv")[0])[-1] == "status"
    assert not [name for name in run.callback_metrics if name.endswith(KINDS)]


def test_kinds_of_metrics_that_have_none_are_refused() -> None:
    with pytest.raises(ValueError, match=r"`kinds` tells errors apart, but 'CrossEntropy' have none to tell"):
        HardestImages(CrossEntropy(), kinds=True)
