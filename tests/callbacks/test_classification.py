"""Classifiers in the callback that detectors use: nothing changes but what a step returns."""

import csv
from pathlib import Path
from typing import Any

import pytest
import torch
from lightning.pytorch import LightningModule
from torch import Tensor
from torch.utils.data import DataLoader, TensorDataset

from hardest_metrics import CrossEntropy, Entropy, HardestImages, TopKMiss, TotalFalse, WrongLabels
from hardest_metrics.classification import adapter
from hardest_metrics.data import Indexed
from hardest_metrics.functional import cross_entropy
from hardest_metrics.plot import classified
from tests.callbacks.runs import files, ranked, rows, trainer

# Lightning warns of few workers and of its own and torch's deprecations.
pytestmark = pytest.mark.filterwarnings("default")

NUMBER, CLASSES = 22, 3


def examples() -> tuple[Tensor, Tensor, Tensor]:
    """Images, labels, and the logits that the module gives."""
    rng = torch.Generator().manual_seed(0)
    return (
        torch.rand(NUMBER, 3, 12, 16, generator=rng),
        torch.randint(CLASSES, (NUMBER,), generator=rng),
        3 * torch.randn(NUMBER, CLASSES, generator=rng),
    )


def logits_of(images: Tensor, epoch: int = 0) -> Tensor:
    known, _, logits = examples()
    places = [(known == image).flatten(1).all(1).nonzero().item() for image in images.cpu()]
    return logits[places].roll(epoch, 1)


class Classifier(LightningModule):
    """Gives the logits that belong to an image, of other classes in other epochs."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.ones(1))

    def training_step(self, batch: Any, batch_idx: int) -> Tensor:
        loss: Tensor = self.weight.square().sum()
        return loss

    def validation_step(self, batch: Any, batch_idx: int) -> Any:
        images = batch["image"] if isinstance(batch, dict) else batch[0]
        return {"logits": logits_of(images, self.current_epoch)}

    def predict_step(self, batch: Any, batch_idx: int) -> Any:
        return logits_of(batch[0])

    def configure_optimizers(self) -> Any:
        return torch.optim.SGD(self.parameters(), lr=0.1)


class Dicts(TensorDataset):
    """As Hugging Face's data sets give examples."""

    def __getitem__(self, index: int) -> Any:
        image, label = (tensor[index] for tensor in self.tensors)
        return {"image": image, "label": label, "image_id": f"{index:02}.jpg"}


def loader(kind: str = "tuples") -> DataLoader[Any]:
    images, labels, _ = examples()
    made: Any = {"tuples": TensorDataset, "indexed": TensorDataset, "dicts": Dicts}[kind](images, labels)
    return DataLoader(Indexed(made) if kind == "indexed" else made, 4)


def expected() -> dict[int, float]:
    _, labels, logits = examples()
    return dict(enumerate(cross_entropy(logits, labels).tolist()))


@pytest.mark.parametrize("kind", ["tuples", "indexed", "dicts"])
def test_images_of_a_classifier_are_ranked_and_drawn(tmp_path: Path, kind: str) -> None:
    callback = HardestImages([CrossEntropy(), TopKMiss(1), Entropy()], top_k=4, class_names=["cat", "dog", "cow"])
    run = trainer(tmp_path, callback)
    run.validate(Classifier(), loader(kind), verbose=False)
    table = tmp_path / "hardest_images/val-CrossEntropy-epoch=000-step=000000.csv"
    with table.open(newline="") as lines:
        found = {row["image_id"]: float(row["hardness"]) for row in csv.DictReader(lines)}
    named = {f"{index:02}.jpg" if kind == "dicts" else str(index): value for index, value in expected().items()}
    assert found == pytest.approx(named, abs=2e-5)
    assert len(files(tmp_path, "png")) == 3
    _, labels, logits = examples()
    accuracy = (logits.argmax(1) == labels).double().mean()
    assert run.callback_metrics["val/TopKMiss/mean"] == pytest.approx(1 - accuracy)
    assert run.callback_metrics["val/CrossEntropy/share_in_error"] == pytest.approx(1 - accuracy)


def test_without_labels_those_that_need_none_rank_a_prediction(tmp_path: Path) -> None:
    images, _, _ = examples()
    callback = HardestImages([CrossEntropy(), Entropy()])
    with pytest.warns(UserWarning, match="leaves CrossEntropy out of this prediction"):
        trainer(tmp_path, callback).predict(Classifier(), DataLoader(TensorDataset(images), 4))
    assert files(tmp_path) == files(tmp_path, "png") == ["predict-Entropy-epoch=000-step=000000"]


def test_without_labels_a_validation_says_what_to_return(tmp_path: Path) -> None:
    images, _, _ = examples()
    with pytest.raises(ValueError, match="'CrossEntropy' needs them; where there are none, rank by Entropy"):
        trainer(tmp_path, HardestImages(CrossEntropy())).validate(
            Classifier(), DataLoader(TensorDataset(images), 4), verbose=False
        )


def test_a_step_without_logits_is_told_what_to_return(tmp_path: Path) -> None:
    class Silent(Classifier):
        def validation_step(self, batch: Any, batch_idx: int) -> Any:
            return None

    with pytest.raises(ValueError, match=r"finds no logits: the step returned nothing .* Return {'logits': ...}"):
        trainer(tmp_path, HardestImages(CrossEntropy())).validate(Silent(), loader(), verbose=False)


def test_domains_do_not_mix_in_a_callback() -> None:
    with pytest.raises(TypeError, match="'a' and 'b', which are of different domains: give each domain a callback"):
        HardestImages({"a": CrossEntropy(), "b": TotalFalse()})


def test_training_dynamics_are_kept_beside_the_history(tmp_path: Path) -> None:
    callback = HardestImages(CrossEntropy(), dynamics=True)
    run = trainer(tmp_path, callback, max_epochs=3)
    run.fit(Classifier(), loader(), loader())
    found = rows(tmp_path / "hardest_images/val-CrossEntropy-epoch=002-step=000005-dynamics.csv")
    _, labels, logits = examples()
    epochs = torch.stack([logits.roll(epoch, 1) for epoch in range(3)])
    probability = epochs.softmax(2)[:, torch.arange(NUMBER), labels]
    right = (epochs.argmax(2) == labels).sum(0)
    for row in found:
        image_id = int(row["image_id"])
        assert float(row["confidence"]) == pytest.approx(float(probability[:, image_id].mean()), abs=1e-5)
        assert int(row["correctness"]) == int(right[image_id])
        assert row["epochs"] == "3"
    assert len(list((tmp_path / "hardest_images").glob("*-data-map.png"))) == 3
    run.save_checkpoint(tmp_path / "last.ckpt")
    torch.load(tmp_path / "last.ckpt", weights_only=True)
    again = HardestImages(CrossEntropy(), dynamics=True)
    run = trainer(tmp_path / "again", again, max_epochs=4)
    run.fit(Classifier(), loader(), loader(), ckpt_path=str(tmp_path / "last.ckpt"))
    (table,) = (tmp_path / "again/hardest_images").glob("*-dynamics.csv")
    assert {row["epochs"] for row in rows(table)} == {"4"}


@pytest.mark.parametrize("indexed", [True, False])
def test_processes_know_images_by_index(tmp_path: Path, indexed: bool) -> None:
    def run() -> None:
        callback = HardestImages(CrossEntropy(), dynamics=True, top_k=3)
        quiet: dict[str, Any] = {"strategy": "ddp_fork", "devices": 2}
        trainer(tmp_path, callback, **quiet).fit(
            Classifier(), loader("indexed" if indexed else "tuples"), loader("indexed" if indexed else "tuples")
        )

    if not indexed:
        with pytest.raises(Exception, match=r"wrap the data set, as `hardest_metrics\.data\.Indexed\(dataset\)`"):
            run()
        return
    run()
    (table,) = [tmp_path / f"hardest_images/{n}.csv" for n in files(tmp_path) if not n.endswith("-dynamics")]
    assert dict(ranked(table)) == pytest.approx(expected(), abs=2e-5)
    assert table.with_suffix(".png").is_file()
    assert len(rows(table.with_name(f"{table.stem}-dynamics.csv"))) == NUMBER


class Several(Classifier):
    """Labels that each image may have or not, all of them found, but for the first image's."""

    def validation_step(self, batch: Any, batch_idx: int) -> Any:
        _, target, image_ids = batch
        logits = target * 4.0 - 2
        logits[image_ids == 0] *= -1
        return {"logits": logits, "target": target}


def test_an_image_is_right_if_all_its_labels_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: dict[str, bool] = {}
    tile = classified.classified_tile

    def spy(image: Tensor, label: int | None, said: int, *arguments: Any) -> Any:
        drawn[arguments[2].split(",")[0]] = label == said
        return tile(image, label, said, *arguments)

    monkeypatch.setattr(adapter, "classified_tile", spy)
    images, _, _ = examples()
    target = torch.tensor([[1, 0, 1], [0, 1, 0], [1, 1, 1], [1, 0, 0]])
    given = DataLoader(Indexed(TensorDataset(images[:4], target)), 2)
    trainer(tmp_path, HardestImages([WrongLabels()])).validate(Several(), given, verbose=False)
    assert drawn == {"1. id 0": False, "2. id 1": True, "3. id 2": True, "4. id 3": True}


def test_metrics_without_labels_ignore_them_whatever_they_are(tmp_path: Path) -> None:
    images, labels, _ = examples()
    given = DataLoader(TensorDataset(images, torch.full_like(labels, -100)), 4)
    trainer(tmp_path, HardestImages(Entropy())).validate(Classifier(), given, verbose=False)
    assert len(files(tmp_path, "png")) == 1
    with pytest.raises(ValueError, match="`target` of image 0 of the batch is -100"):
        trainer(tmp_path, HardestImages([Entropy(), CrossEntropy()])).validate(Classifier(), given, verbose=False)


def test_dynamics_name_images_and_keep_no_figures_open(tmp_path: Path) -> None:
    from matplotlib import pyplot

    before = pyplot.get_fignums()
    run = trainer(tmp_path, HardestImages([CrossEntropy(), Entropy()], dynamics=True), max_epochs=2)
    run.fit(Classifier(), loader("dicts"), loader("dicts"))
    tables = sorted((tmp_path / "hardest_images").glob("*-dynamics.csv"))
    assert [table.name.split("-")[1] for table in tables] == ["CrossEntropy"] * 2, "what needs no labels is never wrong"
    assert {row["image_id"] for row in rows(tables[0])} == {f"{index:02}.jpg" for index in range(NUMBER)}
    assert pyplot.get_fignums() == before
