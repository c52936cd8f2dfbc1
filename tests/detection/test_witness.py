"""Witnesses heard by metrics: in any batch, together, and with the figures of real detectors."""

import itertools
import pickle
from pathlib import Path
from typing import Any

import pytest
import torch
from torchmetrics import MetricCollection

from hardest_metrics import FalseNegatives, FalsePositives, HardnessCollection, Ranking, TotalFalse
from hardest_metrics.calibration import fit_witness_model
from hardest_metrics.data import read_annotations, read_detections
from hardest_metrics.detection import BoxErrors, ExpectedHardness, WitnessHardness, witness
from hardest_metrics.functional import Batch, Proposals, Query, WitnessModel, propose
from hardest_metrics.functional.agreement import spearman
from hardest_metrics.functional.detection.weighting import WEIGHTINGS
from tests.scenes import Image, Scenery, detected

DEFINITIONS: tuple[type[BoxErrors], ...] = (FalsePositives, FalseNegatives, TotalFalse)
NINE = list(itertools.product(DEFINITIONS, WEIGHTINGS))


def unlabelled(seed: int = 0, number: int = 12) -> list[Image]:
    """One detector's predictions, with ids and sizes."""
    preds, target = Scenery().draw(number, seed)
    return [
        {**pred, "image_id": image["image_id"], "image_size": image["image_size"]}
        for pred, image in zip(preds, target, strict=True)
    ]


def ranking(metric: WitnessHardness, *batches: tuple[list[Image], list[list[Image]]]) -> Ranking:
    for preds, witnesses in batches:
        metric.update(preds, witnesses=witnesses)
    result = metric.compute()
    assert isinstance(result, Ranking)
    return result


def test_an_image_gets_the_same_estimate_in_any_batch() -> None:
    preds, first, second = (unlabelled(seed) for seed in range(3))
    at_once = ranking(WitnessHardness(TotalFalse("overlap")), (preds, [first, second]))
    order = torch.randperm(len(preds)).tolist()
    batches = [
        ([preds[i] for i in part], [[other[i] for i in part] for other in (first, second)])
        for part in (order[:5], order[5:6], order[6:])
    ]
    assert ranking(WitnessHardness(TotalFalse("overlap")), *batches) == at_once


@pytest.mark.parametrize("collection", [HardnessCollection, MetricCollection])
def test_nine_definitions_together_are_those_alone(collection: Any) -> None:
    preds, other = unlabelled(0), unlabelled(1)
    model = WitnessModel(own=(1.0, 0.4, -0.2))
    made = {f"{one.__name__}/{w}": WitnessHardness(one(w), model) for one, w in NINE}
    together = collection({name: metric.clone() for name, metric in made.items()})
    together.update(preds, witnesses=[other])
    found = together.compute()
    for name, metric in made.items():
        assert found[name] == ranking(metric, (preds, [other])), name


def test_a_collection_hears_witnesses_once_a_model(monkeypatch: pytest.MonkeyPatch) -> None:
    heard: list[Query] = []

    def listening(batch: Batch, witnesses: Any, query: Query) -> Proposals:
        heard.append(query)
        return propose(batch, witnesses, query)

    monkeypatch.setattr(witness, "propose", listening)
    models = (None, WitnessModel(own=(1.0, 0.4, -0.2)))
    together = HardnessCollection({
        f"{one.__name__}/{w}/{n}": WitnessHardness(one(w), model) for one, w in NINE for n, model in enumerate(models)
    })  # fmt: skip
    together.update(unlabelled(0), witnesses=[unlabelled(1)])
    assert len(heard) == len(models)


def test_estimates_differ_by_model() -> None:
    preds, other = unlabelled(0), unlabelled(1)
    together = MetricCollection(
        {"a": WitnessHardness(TotalFalse()), "b": WitnessHardness(TotalFalse(), WitnessModel((2, 0, 0)))}
    )
    together.update(preds, witnesses=[other])
    found = together.compute()
    assert found["a"] != found["b"]


def test_it_survives_pickling_and_shows_its_model() -> None:
    metric = WitnessHardness(TotalFalse(), WitnessModel(own=(1.0, 0.4, -0.2)))
    metric.update(unlabelled(0), witnesses=[unlabelled(1)])
    copy = pickle.loads(pickle.dumps(metric))
    assert copy.compute() == metric.compute()
    assert "own=(1.0, 0.4, -0.2)" in repr(metric)
    assert repr(WitnessHardness(TotalFalse())) == "WitnessHardness(TotalFalse())"


def test_forward_gives_the_batch_s_own_value() -> None:
    metric = WitnessHardness(TotalFalse(), reduction="mean")
    first, second = (metric(unlabelled(seed)[:6], witnesses=[unlabelled(seed + 5)[:6]]) for seed in (0, 1))
    assert first != second


@pytest.mark.parametrize(
    ("witnesses", "message"),
    [
        ([], "`witnesses` must be a list with the predictions of each witness"),
        ([unlabelled(1)[:3]], r"`witnesses\[0\]` holds 3 images, but `preds` 12"),
        ([unlabelled(1), unlabelled(2)[::-1]], r"`witnesses\[1\]\[0\]` is of image \d+, but `preds\[0\]` of image \d+"),
        ([[{**detected(), "image_id": 3}] * 12], r"`witnesses\[0\]\[0\]` is of image 3"),
        ([[detected((5, 5, 1, 1))] * 12], r"`witnesses\[0\]\[0\]\['boxes'\]` holds"),
    ],
)
def test_witnesses_that_do_not_fit_are_refused(witnesses: Any, message: str) -> None:
    metric = WitnessHardness(TotalFalse())
    with pytest.raises(ValueError, match=message):
        metric.update(unlabelled(0), witnesses=witnesses)
    assert len(metric.summary().ranking.image_ids) == 0


def test_definitions_need_a_closed_form_and_a_model_that_knows_them() -> None:
    with pytest.raises(ValueError, match="no closed form"):
        WitnessHardness(TotalFalse(lambda errors, _: errors.box_area))
    with pytest.raises(ValueError, match="`model` knows nothing of weighting 'pixel'"):
        WitnessHardness(TotalFalse("pixel"), WitnessModel(unseen={"none": (0.0, 0.0)}))


# Real detectors


@pytest.fixture(scope="module")
def voc100(shared_data: Path) -> Any:
    annotations = read_annotations(shared_data / "voc100/instances.json")
    names = ("fastestdet", "yolo_fastestv2")
    return annotations, {n: read_detections(shared_data / f"voc100/{n}_results.json", annotations) for n in names}


def agreement(voc100: Any, own: str, other: str, model: WitnessModel | None, images: list[int]) -> float:
    """Spearman's correlation with the labels, mean over nine definitions."""
    annotations, found = voc100
    preds, target, beside = ([side[i] for i in images] for side in (found[own], annotations.target, found[other]))
    truth = HardnessCollection({f"{one.__name__}/{w}": one(w, box_format="xywh") for one, w in NINE})
    truth.update(preds, target)
    metrics = {
        f"{one.__name__}/{w}": ExpectedHardness(one(w, box_format="xywh"))
        if model is None
        else WitnessHardness(one(w, box_format="xywh"), model)
        for one, w in NINE
    }
    together = HardnessCollection(metrics)
    together.update(preds, target, witnesses=[beside])
    true, estimated = truth.compute(), together.compute()
    by_id = {name: [r.hardness[r.image_ids.argsort()] for r in (estimated[name], true[name])] for name in metrics}
    return sum(float(spearman(*both)) for both in by_id.values()) / len(by_id)


@pytest.mark.parametrize(
    ("own", "other", "alone", "heard", "taught"),
    [("fastestdet", "yolo_fastestv2", 0.588, 0.625, 0.64), ("yolo_fastestv2", "fastestdet", 0.510, 0.52, 0.54)],
)
def test_a_witness_helps_and_twenty_labelled_images_help_more(
    voc100: Any, own: str, other: str, alone: float, heard: float, taught: float
) -> None:
    images = list(range(100))
    assert agreement(voc100, own, other, None, images) == pytest.approx(alone, abs=0.001)
    assert agreement(voc100, own, other, WitnessModel(), images) > heard
    annotations, found = voc100
    correlations = []
    for seed in range(20):
        order = torch.randperm(100, generator=torch.Generator().manual_seed(100 + seed)).tolist()
        preds, target, beside = (
            [side[i] for i in order[:20]] for side in (found[own], annotations.target, found[other])
        )
        model = fit_witness_model(preds, [beside], target, box_format="xywh")
        correlations.append(agreement(voc100, own, other, model, order[20:]))
    assert sum(correlations) / len(correlations) > taught
