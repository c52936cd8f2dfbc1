"""Runs of `validate` and `test` go to the store, with the labels of every image."""

from pathlib import Path
from typing import Any

import pytest
import torch
from torch.utils.data import DataLoader, TensorDataset

from hardest_metrics import CrossEntropy, FalsePositives, HardestImages, TopKMiss, TotalFalse
from hardest_metrics.callbacks.keeping import label_text
from hardest_metrics.data import Indexed
from hardest_metrics.evaluators import ImageNetEvaluator
from hardest_metrics.results import NotComparableError, RunStore, regress
from tests.callbacks.runs import Module, scenes, trainer
from tests.callbacks.test_classification import Classifier, examples

# Lightning warns of few workers and of its own and torch's deprecations.
pytestmark = pytest.mark.filterwarnings("default")


class Judged(Classifier):
    """Logs an accuracy in `test`."""

    def test_step(self, batch: Any, batch_idx: int) -> Any:
        outputs = self.validation_step(batch, batch_idx)
        self.log("test/accuracy", (outputs["logits"].argmax(1) == batch[1]).float().mean())
        return outputs


def classified(labels: torch.Tensor | None = None) -> DataLoader[Any]:
    images, known, _ = examples()
    return DataLoader(Indexed(TensorDataset(images, known if labels is None else labels)), batch_size=5)


def test_a_test_is_kept_with_its_scalars_and_compares_with_the_next(tmp_path: Path) -> None:
    store = RunStore(tmp_path / "runs.db")
    for _ in range(2):
        callback = HardestImages([CrossEntropy(), TopKMiss()], store=store)
        logged = trainer(tmp_path, callback).test(Judged(), classified())[0]
    first, _ = store.runs()
    assert (first.kind, first.model_name, first.images) == ("HardestImages", "Judged", 22)
    for name in ("test/accuracy", "test/CrossEntropy/mean", "test/CrossEntropy/share_in_error"):
        assert first.results[name].value == pytest.approx(logged[name])
    assert first.results["test/accuracy"].higher_is_better is None
    assert first.results["test/CrossEntropy/mean"].higher_is_better is False
    assert first.seconds is not None
    metric = CrossEntropy()
    _, labels, logits = examples()
    metric.update(logits, labels)
    assert store.ranking(first) == metric.compute()
    found = regress(store, max_worse=0)
    assert not found.is_worse
    assert found.by == "CrossEntropy"


def test_its_data_set_is_that_of_an_evaluator_of_the_same_keys(tmp_path: Path) -> None:
    store = RunStore(tmp_path / "runs.db")
    trainer(tmp_path, HardestImages(CrossEntropy(), store=store)).test(Judged(), classified())
    _, labels, _ = examples()
    evaluator = ImageNetEvaluator(dict(enumerate(labels.tolist())))
    assert store.runs()[0].dataset == evaluator.dataset.digest


def test_other_labels_are_never_a_pass(tmp_path: Path) -> None:
    store = RunStore(tmp_path / "runs.db")
    _, labels, _ = examples()
    for given in (labels, (labels + 1) % 3):
        trainer(tmp_path, HardestImages(CrossEntropy(), store=store)).test(Judged(), classified(given))
    with pytest.raises(NotComparableError, match="is over other images or labels"):
        regress(store)


def test_validations_of_a_training_are_not_kept_but_those_by_themselves(tmp_path: Path) -> None:
    store = RunStore(tmp_path / "runs.db")
    callback, module = HardestImages([TotalFalse(), FalsePositives()], store=store.path), Module()
    runner = trainer(tmp_path, callback)
    runner.fit(module, scenes(), scenes())
    assert not store.path.exists()
    runner.validate(module, scenes())
    (run,) = store.runs()
    assert list(store.hardness(run)) == ["TotalFalse", "FalsePositives"]
    assert run.settings["stage"] == "val"


def test_each_loader_is_a_run_of_its_own(tmp_path: Path) -> None:
    store = RunStore(tmp_path / "runs.db")
    callback = HardestImages(TotalFalse(), store=store)
    trainer(tmp_path, callback).test(Module(), [scenes(8), scenes(4, first_id=100)])
    first, second = store.runs()
    assert (first.images, second.images) == (8, 4)
    assert "test/TotalFalse/mean/loader_1" in second.results
    assert store.dataset(second).keys == [100, 101, 102, 103]


def test_processes_keep_a_run_together_as_one_does(tmp_path: Path) -> None:
    stores = {name: RunStore(tmp_path / f"{name}.db") for name in ("one", "several")}
    trainer(tmp_path, HardestImages(CrossEntropy(), store=stores["one"])).test(Judged(), classified())
    several = trainer(tmp_path, HardestImages(CrossEntropy(), store=stores["several"]), strategy="ddp_fork", devices=2)
    several.test(Judged(), classified())
    (one,), (together,) = (store.runs() for store in stores.values())
    assert (together.dataset, together.images) == (one.dataset, 22)
    for run, store in ((one, stores["one"]), (together, stores["several"])):
        assert store.ranking(run).image_ids.tolist() == stores["one"].ranking(one).image_ids.tolist()


def test_a_store_that_cannot_be_used_is_said_and_stops_nothing(tmp_path: Path) -> None:
    (tmp_path / "runs.db").write_text("nonsense" * 1000)
    callback = HardestImages(TotalFalse(), store=tmp_path / "runs.db")
    with pytest.warns(UserWarning, match="could not keep the run in .*is no database"):
        trainer(tmp_path, callback).test(Module(), scenes())


def test_labels_are_told_apart_by_what_they_are_not_by_dtype_or_device() -> None:
    boxes = {"boxes": torch.ones(2, 4), "labels": torch.tensor([1, 2]), "image_id": 3}
    same = {"labels": torch.tensor([1, 2], dtype=torch.int32), "boxes": torch.ones(2, 4).double(), "image_id": 4}
    assert label_text(boxes) == label_text(same)
    assert label_text(boxes) != label_text({**boxes, "labels": torch.tensor([1, 3])})
    assert label_text(boxes) != label_text({**boxes, "boxes": torch.ones(2, 4) * 2})
    assert label_text(torch.tensor([0, 1, 1])) != label_text(torch.tensor([0, 1, 0]))
