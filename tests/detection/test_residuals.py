"""Intervals of estimators, from residuals of labelled images."""

from pathlib import Path
from typing import Any

import pytest
import torch

from hardest_metrics import FalseNegatives, FalsePositives, TotalFalse
from hardest_metrics.calibration import fit_calibration
from hardest_metrics.data import read_annotations, read_detections
from hardest_metrics.detection import (
    CommitteeHardness,
    Estimator,
    ExpectedHardness,
    FastScoreSampling,
    ScoreSampling,
    WitnessHardness,
    fit_residuals,
)
from hardest_metrics.input_warning import InputWarning
from tests.scenes import Scenery

PREDS, TARGET = Scenery().draw(30, 0)
OTHERS = Scenery().draw(30, 1)[0]
MAKE: dict[str, Any] = {
    "expected_hardness": ExpectedHardness,
    "score_sampling": ScoreSampling,
    "fast_score_sampling": FastScoreSampling,
    "committee": CommitteeHardness,
    "witness": WitnessHardness,
}


def beside(name: str, other: Any = OTHERS) -> dict[str, Any]:
    return {"committee": {"members": [other]}, "witness": {"witnesses": [other]}}.get(name, {})


@pytest.mark.parametrize("name", MAKE)
def test_every_estimator_with_a_deviation_has_intervals(name: str) -> None:
    residuals = fit_residuals([MAKE[name](TotalFalse(w)) for w in ("none", "overlap")], PREDS, TARGET, **beside(name))
    assert repr(residuals) == f"Residuals({name}, 6 definitions, 30 images)"
    truth = FalseNegatives("overlap")
    metric = MAKE[name](truth, residuals=residuals, coverage=0.9)
    metric.update(PREDS, TARGET, **beside(name))
    truth.update(PREDS, TARGET)
    found, ranking = metric.intervals(), truth.compute()
    order = ranking.image_ids.argsort()
    assert torch.equal(found.image_ids, ranking.image_ids[order])
    inside = (ranking.hardness[order] >= found.lower - 1e-5) & (ranking.hardness[order] <= found.upper + 1e-5)
    assert inside.double().mean() >= 0.9  # of the images that it was fitted to, exactly so
    mean = metric.mean_interval()
    assert mean.mean == pytest.approx(float(ranking.hardness.double().mean()), rel=1e-4)
    assert mean.lower < mean.mean < mean.upper


def test_images_may_be_ranked_by_the_upper_end() -> None:
    residuals = fit_residuals([ExpectedHardness(TotalFalse())], PREDS, TARGET)
    metric = ExpectedHardness(TotalFalse(), statistic="interval", residuals=residuals, coverage=0.9)
    metric.update(PREDS, TARGET)
    found, ranking = metric.intervals(), metric.compute()
    order = ranking.image_ids.argsort()
    assert torch.equal(ranking.hardness[order], found.upper)
    assert not torch.equal(found.upper, ExpectedHardness(TotalFalse(), residuals=residuals)(PREDS, TARGET).hardness)


def test_what_was_fitted_is_judged_by_other_images() -> None:
    asked: list[set[int]] = []

    def fitted(images: Any) -> list[Estimator[Any]]:
        asked.append(set(images))
        calibration = fit_calibration([PREDS[i] for i in images], [TARGET[i] for i in images])
        return [ExpectedHardness(TotalFalse(), calibration)]

    out_of_fold = fit_residuals(fitted, PREDS, TARGET)
    assert [len(images) for images in asked] == [24] * 5
    assert set.union(*(set(range(30)) - images for images in asked)) == set(range(30))
    in_sample = fit_residuals(fitted(range(30)), PREDS, TARGET)
    one, other = (each.by_definition["total_false/none"] for each in (out_of_fold, in_sample))
    assert one.deviation > other.deviation


def test_residuals_belong_to_an_estimator_a_query_and_a_definition() -> None:
    residuals = fit_residuals([ExpectedHardness(FalsePositives())], PREDS, TARGET)
    ExpectedHardness(FalseNegatives(), residuals=residuals)  # each tells of all kinds
    with pytest.raises(ValueError, match="of the estimator expected_hardness, but this one is score_sampling"):
        ScoreSampling(TotalFalse(), residuals=residuals)
    with pytest.raises(ValueError, match="of the query Query"):
        ExpectedHardness(TotalFalse(iou_threshold=0.7), residuals=residuals)
    with pytest.raises(ValueError, match="know nothing of total_false/pixel"):
        ExpectedHardness(TotalFalse("pixel"), residuals=residuals)
    with pytest.raises(ValueError, match="`residuals` are missing"):
        ExpectedHardness(TotalFalse(), statistic="interval")
    with pytest.raises(ValueError, match="`residuals` are missing"):
        ExpectedHardness(TotalFalse()).intervals()
    with pytest.raises(ValueError, match="`coverage` must be"):
        ExpectedHardness(TotalFalse(), coverage=1.0)
    with pytest.raises(ValueError, match="No images were added"):
        ExpectedHardness(TotalFalse(), residuals=residuals).mean_interval()


def test_few_images_are_said() -> None:
    residuals = fit_residuals([ExpectedHardness(TotalFalse())], PREDS[:5], TARGET[:5])
    with pytest.warns(InputWarning, match="5 labelled images cover 67% at the most"):
        metric = ExpectedHardness(TotalFalse(), residuals=residuals)
    metric.update(PREDS, TARGET)
    assert metric.intervals().upper.isfinite().all()


def test_what_cannot_be_fitted_is_refused() -> None:
    with pytest.raises(ValueError, match="`preds` holds 3 images and `target` 2"):
        fit_residuals([ExpectedHardness(TotalFalse())], PREDS[:3], TARGET[:2])
    with pytest.raises(ValueError, match="`preds` holds no images"):
        fit_residuals([ExpectedHardness(TotalFalse())], [], [])
    with pytest.raises(ValueError, match="needs 2 or more"):
        fit_residuals(lambda images: [ExpectedHardness(TotalFalse())], PREDS[:1], TARGET[:1])
    with pytest.raises(ValueError, match="of one kind and query"):
        fit_residuals([ExpectedHardness(TotalFalse()), ScoreSampling(TotalFalse("pixel"))], PREDS, TARGET)


def test_intervals_of_real_detectors_hold_what_they_say(shared_data: Path) -> None:
    annotations = read_annotations(shared_data / "voc100/instances.json")
    preds = read_detections(shared_data / "voc100/fastestdet_results.json", annotations)
    inside: list[float] = []
    for seed in range(10):
        order = torch.randperm(100, generator=torch.Generator().manual_seed(seed)).tolist()
        (some, labels), (rest, truth) = (
            ([preds[i] for i in part], [annotations.target[i] for i in part]) for part in (order[:40], order[40:])
        )
        definition = TotalFalse(box_format="xywh")
        metric = ExpectedHardness(definition, residuals=fit_residuals([ExpectedHardness(definition)], some, labels))
        metric.update(rest, truth)
        definition.update(rest, truth)
        ranking, found = definition.compute(), metric.intervals()
        true = ranking.hardness[ranking.image_ids.argsort()]
        inside.append(float(((true >= found.lower) & (true <= found.upper)).double().mean()))
    assert 0.76 < sum(inside) / len(inside) < 0.86
