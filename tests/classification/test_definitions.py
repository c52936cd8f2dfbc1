"""Metrics of classifiers rank images, together and in several processes."""

import itertools
from typing import Any

import pytest
import torch
from torch import Tensor
from torchmetrics import MetricCollection
from torchmetrics.classification import MulticlassAccuracy

import hardest_metrics
from hardest_metrics import HardnessCollection, functional
from hardest_metrics.calibration import Temperature
from hardest_metrics.classification import (
    EL2N,
    ClassificationMetric,
    Confidence,
    CrossEntropy,
    Entropy,
    LeastConfidence,
    LogitMargin,
    Margin,
    TopKMiss,
    TwoBestGap,
    WrongLabels,
    classification_metric,
)
from hardest_metrics.functional.classification.measures import measure
from tests.test_distributed import Processes
from tests.test_distributed import processes as processes

NUMBER, CLASSES = 29, 7


def of_labels() -> dict[str, ClassificationMetric[Any]]:
    return {
        "cross_entropy": CrossEntropy(),
        "margin": Margin(),
        "logit_margin": LogitMargin(),
        "confidence": Confidence(),
        "el2n": EL2N(),
        "topk_miss": TopKMiss(),
    }


def without_labels() -> dict[str, ClassificationMetric[Any]]:
    return {"entropy": Entropy(), "least_confidence": LeastConfidence(), "two_best_gap": TwoBestGap()}


def everything() -> dict[str, Any]:
    return of_labels() | without_labels() | {"calibrated": CrossEntropy(Temperature(2.0)), "top3": TopKMiss(3)}


def examples() -> tuple[Tensor, Tensor, Tensor]:
    rng = torch.Generator().manual_seed(1)
    logits, target = torch.randn(NUMBER, CLASSES, generator=rng), torch.randint(0, CLASSES, (NUMBER,), generator=rng)
    return logits, target, torch.randperm(NUMBER, generator=rng) * 3 + 2


@pytest.mark.parametrize("collection", [HardnessCollection, MetricCollection])
@pytest.mark.parametrize("method", ["update", "forward"])
def test_all_definitions_fit_one_collection_and_equal_their_functions(collection: Any, method: str) -> None:
    metrics = collection(everything())
    logits, target, ids = examples()
    for start in range(0, NUMBER, 8):
        part = slice(start, start + 8)
        getattr(metrics, method)(logits[part], target[part], ids[part])
    rankings = metrics.compute()
    for name, ranking in rankings.items():
        by_id = dict(zip(ranking.image_ids.tolist(), ranking.hardness.tolist(), strict=True))
        if name == "calibrated":
            expected = functional.cross_entropy(logits, target, 2.0)
        elif name == "top3":
            expected = functional.topk_miss(logits, target, 3)
        else:
            expected = getattr(functional, name)(*((logits, target) if name in of_labels() else (logits,)))
        assert [by_id[image_id] for image_id in ids.tolist()] == expected.float().tolist(), name


def test_a_collection_measures_each_batch_once_and_only_what_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[list[str]] = []

    def counted(asked: Any, *args: Any) -> Any:
        calls.append([one.name for one in asked])
        return measure(asked, *args)

    monkeypatch.setattr(classification_metric, "measure", counted)
    logits, target, ids = examples()
    HardnessCollection(everything()).update(logits, target, ids)
    assert len(calls) == 1
    assert len(calls[0]) == len(everything()), "mistakes once; both TopKMiss share a measure"
    HardnessCollection(without_labels()).update(logits, image_ids=ids)
    assert sorted(calls[1]) == sorted(without_labels())


def test_those_without_labels_ignore_them() -> None:
    logits, _, ids = examples()
    metrics = HardnessCollection(without_labels())
    metrics.update(logits, torch.full((3,), 0.5), ids)  # no labels at all
    alone = HardnessCollection(without_labels())
    alone.update(logits, image_ids=ids)
    assert all(alone.compute()[name] == ranking for name, ranking in metrics.compute().items())


@pytest.mark.parametrize("k", [1, 2, 5])
def test_one_minus_the_mean_of_topk_miss_is_the_accuracy_of_torchmetrics(k: int) -> None:
    logits, target, ids = examples()
    missed = TopKMiss(k, reduction="mean")
    accuracy = MulticlassAccuracy(CLASSES, top_k=k, average="micro")
    for part in torch.arange(NUMBER).split(10):
        missed.update(logits[part], target[part], ids[part])
        accuracy.update(logits[part], target[part])
    assert float(accuracy.compute()) == pytest.approx(1 - float(missed.compute()))


def test_images_are_in_error_where_another_class_has_a_larger_logit() -> None:
    logits, target, ids = examples()
    expected = float((logits.argmax(1) != target).double().mean())
    for metric in of_labels().values():
        metric.update(logits, target, ids)
        assert metric.summary().share_in_error == pytest.approx(expected)


@pytest.mark.parametrize("number", [2, 3])
def test_processes_with_padded_duplicates_equal_one(processes: Processes[Any], number: int) -> None:
    logits, target, ids = examples()
    whole = HardnessCollection(everything())
    whole.update(logits, target, ids)
    accuracy = MulticlassAccuracy(CLASSES, average="micro")

    def work(rank: int) -> Any:
        indices = torch.arange(-(-NUMBER // number) * number) % NUMBER  # as a DistributedSampler pads
        metrics = HardnessCollection(everything())
        for part in indices[rank::number].split(4):
            metrics.update(logits[part], target[part], ids[part])
        missed: Any = metrics["topk_miss"]
        return metrics.compute(), missed.summary().mean

    for rankings, missed in processes(number, work):
        assert all(rankings[name] == ranking for name, ranking in whole.compute().items())
        assert 1 - missed == pytest.approx(float(accuracy(logits, target)))


def test_several_processes_need_ids(processes: Processes[Any]) -> None:
    logits, target, _ = examples()

    def work(_: int) -> bool:
        metric = CrossEntropy()
        metric.update(logits, target)
        with pytest.raises(ValueError, match="give every image its id"):
            metric.compute()
        return True

    assert processes(2, work) == [True, True]


def test_several_labels_an_image() -> None:
    logits, target = torch.randn(9, 4), torch.randint(0, 2, (9, 4))
    metrics = HardnessCollection({"loss": CrossEntropy(), "wrong": WrongLabels(), "entropy": Entropy()})
    metrics.update(logits, target)
    wrong = functional.wrong_labels(logits, target)
    for name, hardness in {"loss": functional.cross_entropy(logits, target), "wrong": wrong}.items():
        ranking = metrics.compute()[name]
        assert ranking.hardness.tolist() == hardness.float().sort(descending=True).values.tolist()
        metric: Any = metrics[name]
        assert metric.summary().share_in_error == pytest.approx(float((wrong > 0).double().mean()))


@pytest.mark.parametrize("ids", [torch.tensor([5, 2, 9]), [5, 2, 9], ["a.jpg", "b.jpg", "c.jpg"], None])
def test_ids_are_integers_or_text_or_positions(ids: Any) -> None:
    metric = CrossEntropy()
    metric.update(torch.randn(3, 4), torch.tensor([0, 1, 2]), ids)
    from hardest_metrics.data import image_number

    expected = [0, 1, 2] if ids is None else [image_number(i) if isinstance(i, str) else int(i) for i in ids]
    assert sorted(metric.compute().image_ids.tolist()) == sorted(expected)


@pytest.mark.parametrize(
    ("given", "error", "message"),
    [
        ({"image_ids": torch.tensor([1.0, 2, 3])}, TypeError, "`image_ids` must be integers"),
        ({"image_ids": [1, 2]}, ValueError, r"`image_ids` must have shape \(3,\)"),
        ({"image_ids": [1, 2, None]}, TypeError, "one is None"),
        ({"target": None}, ValueError, "`target` is missing, but cross_entropy goes by labels"),
        ({"target": torch.tensor([0, 1, 4]), "image_ids": [5, 6, 7]}, ValueError, "image 7 .* is 4"),
        ({"preds": torch.full((3, 4), torch.nan), "image_ids": [5, 6, 7]}, ValueError, "image 5 .* holds nan"),
        ({"preds": torch.zeros(3, 1)}, ValueError, "K >= 2"),
        ({"preds": "none"}, TypeError, "but is a str"),
        ({"target": torch.tensor([0.0, 1, 2])}, TypeError, "integer labels"),
    ],
)
def test_what_makes_no_sense_is_refused_and_changes_nothing(given: Any, error: Any, message: str) -> None:
    metric = CrossEntropy()
    batch: dict[str, Any] = {"preds": torch.zeros(3, 4), "target": torch.tensor([0, 1, 2])}
    metric.update(**(batch | ({"image_ids": [1, 2, 3]} if "image_ids" in given else {})))
    before = metric.compute()
    with pytest.raises(error, match=message):
        metric.update(**(batch | given))
    assert metric.compute() == before


def test_calibration_is_of_logits() -> None:
    with pytest.raises(TypeError, match="must be a Temperature"):
        CrossEntropy(calibration="warm")  # type: ignore[arg-type]
    assert CrossEntropy(Temperature(2.0)).settings != CrossEntropy().settings


def test_newest_gives_the_last_batch_in_its_order() -> None:
    logits, target, ids = examples()
    metrics = everything()
    for metric in metrics.values():
        for part in torch.arange(NUMBER).split(10):
            metric.update(logits[part], target[part], ids[part])
        found, hardness = metric.newest(9)
        assert found.tolist() == ids[20:].tolist()
        by_id = dict(zip(*(column.tolist() for column in metric.compute()), strict=True))
        assert hardness.tolist() == [by_id[one] for one in found.tolist()]


def test_names_are_importable_from_the_top() -> None:
    for metric in itertools.chain(of_labels().values(), without_labels().values()):
        assert getattr(hardest_metrics, type(metric).__name__) is type(metric)
