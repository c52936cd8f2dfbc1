"""Uncertainty as a metric."""

import json
import math
import pickle
from pathlib import Path
from typing import Any

import pytest
import torch
from torchmetrics import MetricCollection

from hardest_metrics import Ranking
from hardest_metrics.calibration import Isotonic, Platt
from hardest_metrics.data import read_coco_annotations, read_hardest_detections
from hardest_metrics.detection import Uncertainty
from tests.scenes import BIG_ID, Image, detected

MEASURES = ("entropy", "binary_entropy", "evidential", "binary_evidential", "max_uncertainty")


def unsure(number: int = 6, seed: int = 0) -> list[Image]:
    """Images with logits, the first of them without detections."""
    rng = torch.Generator().manual_seed(seed)
    images = []
    for index in range(number):
        scores = torch.rand(3 * index, generator=rng)
        boxes = torch.rand(3 * index, 4, generator=rng).cumsum(1)
        labels = torch.arange(3 * index) % 4
        logits = torch.randn(3 * index, 7, generator=rng)
        images.append(
            {"boxes": boxes, "scores": scores, "labels": labels, "logits": logits, "image_id": BIG_ID + index}
        )
    return images


def ranking(metric: Uncertainty, *batches: list[Image]) -> Ranking:
    for batch in batches:
        metric.update(batch)
    result = metric.compute()
    assert isinstance(result, Ranking)
    return result


@pytest.mark.parametrize("measure", MEASURES)
def test_images_are_ranked_whatever_the_batches(measure: Any) -> None:
    images = unsure()
    at_once = ranking(Uncertainty(measure), images)
    assert at_once == ranking(Uncertainty(measure), images[3:], images[:3])
    assert at_once.image_ids[-1] == BIG_ID
    assert at_once.hardness[-1] == 0  # of the image without detections
    assert at_once.hardness[-2] > 0


@pytest.mark.parametrize("measure", MEASURES)
def test_an_image_has_the_habitual_reduction_unless_told(measure: Any) -> None:
    images = unsure()
    habit = "max" if measure == "max_uncertainty" else "sum"
    assert ranking(Uncertainty(measure), images) == ranking(Uncertainty(measure, habit), images)  # type: ignore[arg-type]
    by_id = {r: ranking(Uncertainty(measure, r), images).to_pandas().set_index("image_id") for r in ("sum", "mean")}
    confident = {image["image_id"]: int((image["scores"] >= 0.5).sum()) for image in images}
    for image_id, number in confident.items():
        total, mean = (by_id[r].hardness[image_id] for r in ("sum", "mean"))
        assert mean == pytest.approx(total / max(number, 1))


def test_only_detections_that_count_are_unsure() -> None:
    image = detected((0, 0, 1, 1), (0, 0, 2, 2), (0, 0, 3, 3), image_id=5)
    image |= {"scores": torch.tensor([0.9, 0.75, 0.4]), "labels": torch.tensor([1, 2, 1])}
    for settings, expected in (
        ({}, 0.35),
        ({"score_threshold": 0.0}, 0.95),
        ({"labels": [1]}, 0.1),
        ({"score_threshold": 0.8, "labels": [2]}, 0.0),
        ({"area_range": (2, 4)}, 0.25),
        ({"score_threshold": 0.0, "max_detections": 1}, 0.35),
    ):
        metric = Uncertainty("max_uncertainty", "sum", **settings)
        assert ranking(metric, [image]).hardness.item() == pytest.approx(expected)


@pytest.mark.parametrize("threshold", [0.0, 0.5])
@pytest.mark.parametrize("measure", MEASURES)
def test_recorded_values_are_reproduced(shared_data: Path, measure: Any, threshold: float) -> None:
    folder = shared_data / "voc100"
    annotations = read_coco_annotations(folder / "instances.json")
    preds = read_hardest_detections(folder / "fastestdet_torchvision.json.gz", annotations)
    metric = Uncertainty(measure, score_threshold=threshold, box_format="xywh")
    found = ranking(metric, preds[:33], preds[33:]).to_pandas().set_index("image_id").hardness
    reference = json.loads((folder / "reference_fastestdet.json").read_text())
    expected = reference["uncertainty"][f"score_threshold={threshold}"][measure]
    assert found[reference["image_ids"]].tolist() == pytest.approx(expected, rel=1e-5, abs=1e-5)


@pytest.mark.parametrize("measure", ["binary_entropy", "binary_evidential", "max_uncertainty"])
def test_a_calibration_gives_the_probabilities_of_measures_of_scores(measure: Any) -> None:
    half = Isotonic([0.0, 1.0], [0.0, 0.5])
    images = [detected((0, 0, 1, 1), score=0.8, image_id=1), detected((0, 0, 1, 1), score=0.4, image_id=2)]
    found = ranking(Uncertainty(measure, calibration=half), images).hardness
    plain = ranking(Uncertainty(measure, score_threshold=0.0), images).hardness
    (expected,) = ranking(Uncertainty(measure, score_threshold=0.0), images[1:]).hardness.tolist()
    assert found.tolist() == pytest.approx([expected, 0])  # 0.8 is a probability of 0.4; the threshold is of scores
    assert plain.max() == pytest.approx(expected)


@pytest.mark.parametrize("measure", ["entropy", "evidential"])
def test_measures_of_logits_take_no_calibration(measure: Any) -> None:
    with pytest.raises(ValueError, match=f"`calibration` turns scores into probabilities, but {measure} goes by"):
        Uncertainty(measure, calibration=Platt(1.0))


def test_other_calibrations_are_other_settings() -> None:
    metrics: Any = {name: Uncertainty(calibration=Platt(slope)) for name, slope in (("flat", 0.5), ("same", 1.0))}
    collection = MetricCollection(metrics)
    for images in (unsure()[:1], unsure()[1:]):
        collection.update(images)
    assert len(collection.compute_groups) == 2


def test_ids_may_come_with_the_target() -> None:
    images = [{key: value for key, value in image.items() if key != "image_id"} for image in unsure()]
    metric = Uncertainty()
    metric.update(images, [{"boxes": torch.empty(0, 4), "labels": torch.empty(0).long(), "image_id": 7}] * 1 + [
        {"boxes": torch.empty(0, 4), "labels": torch.empty(0).long(), "image_id": 8 + index} for index in range(5)
    ])  # fmt: skip
    assert sorted(metric.compute().image_ids.tolist()) == list(range(7, 13))


def test_a_collection_gives_what_its_metrics_give_alone() -> None:
    def metrics() -> dict[str, Any]:
        alone = {measure: Uncertainty(measure) for measure in MEASURES}  # type: ignore[arg-type]
        return alone | {"all": Uncertainty(score_threshold=0.0), "again": Uncertainty()}

    images = unsure()
    # on the first batch, of images without detections, all measures agree
    batches = [[images[0], {**images[0], "image_id": 3}], images[1:3], images[3:]]
    collection = MetricCollection(metrics())
    for batch in batches:
        collection.update(batch)
    assert collection.compute() == {name: ranking(metric, *batches) for name, metric in metrics().items()}


def test_a_metric_survives_pickling() -> None:
    metric = Uncertainty("evidential", reduction="mean")
    metric.update(unsure()[:3])
    copy = pickle.loads(pickle.dumps(metric))
    for each in (metric, copy):
        each.update(unsure()[3:])
    assert copy.compute() == metric.compute()
    assert float(metric.compute()) > 0


@pytest.mark.parametrize("measure", MEASURES)
def test_certain_scores_are_finite(measure: Any) -> None:
    image = detected(*[(0, 0, 1, 1)] * 2, image_id=1, logits=torch.tensor([[math.inf, 0], [0, -math.inf]]))
    image["scores"] = torch.tensor([1.0, 0.0])
    assert ranking(Uncertainty(measure, score_threshold=0.0), [image]).hardness.isfinite().all()


# What makes no sense


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"measure": "doubt"}, "`measure` must be one of"),
        ({"image_reduction": "median"}, "`image_reduction` must be one of"),
        ({"score_threshold": 2}, "`score_threshold` must be a number in"),
        ({"labels": ["cat"]}, "`labels` must be integers"),
        ({"area_range": "tiny"}, "`area_range` must be one of"),
        ({"max_detections": 0}, "`max_detections` must be an integer of at least 1"),
        ({"reduction": "median"}, "`reduction` must be one of"),
    ],
)
def test_an_argument_that_makes_no_sense_is_refused_at_once(settings: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Uncertainty(**settings)


@pytest.mark.parametrize("measure", ["entropy", "evidential"])
@pytest.mark.parametrize(
    ("logits", "message"),
    [
        (None, "lacks the key 'logits', but .* needs"),
        (torch.zeros(2, 7), r"has 'logits' of shape \(2, 7\), but .* needs \(9, 7\)"),
        (torch.zeros(9, 6), r"has 'logits' of shape \(9, 6\), but .* needs \(9, 7\)"),
        (torch.zeros(9), r"has 'logits' of shape \(9,\)"),
        (torch.full((9, 7), math.nan), "holds NaN"),
        ([[0.0] * 7] * 9, "has 'logits'"),
    ],
)
def test_logits_that_are_missing_or_do_not_fit_are_refused(measure: Any, logits: Any, message: str) -> None:
    images = unsure()
    metric = Uncertainty(measure)
    before = ranking(metric, images[:3])
    wrong = {key: value for key, value in images[3].items() if key != "logits"}
    if logits is not None:
        wrong["logits"] = logits
    with pytest.raises(ValueError, match=r"`preds\[1\]" + ".*" + message):
        metric.update([images[4], wrong])
    assert metric.compute() == before


@pytest.mark.parametrize("score", [-0.1, 1.1, math.nan])
def test_scores_outside_their_range_are_refused(score: float) -> None:
    with pytest.raises(ValueError, match=r"`preds\[0\]\['scores'\]` \(image_id 4\) holds .*: a score lies in \[0, 1\]"):
        Uncertainty().update([detected((0, 0, 1, 1), score=score, image_id=4)])


@pytest.mark.parametrize("measure", ["binary_entropy", "binary_evidential", "max_uncertainty"])
def test_measures_of_scores_do_without_logits(measure: Any) -> None:
    assert ranking(Uncertainty(measure), [detected((0, 0, 1, 1), score=0.75)]).hardness > 0
