"""What witnesses say of boxes: heard once each, of one object each, and never taken for detections."""

import math
import pickle
from collections.abc import Sequence
from typing import Any

import pytest
import torch
from torch import Tensor
from torchvision.ops import box_iou, nms

from hardest_metrics.functional import Batch, Outcome, Query, WitnessModel, match, no_labels, pack, propose
from hardest_metrics.functional.detection.boxes import GroundTruth
from hardest_metrics.functional.detection.estimation import Calibration, expected_moments
from hardest_metrics.functional.detection.weighting import WEIGHTINGS
from hardest_metrics.functional.detection.witnesses import ABSENT, log_odds, witness_moments
from tests.scenes import Image, Scenery, detected

FLOOR = math.log(ABSENT / (1 - ABSENT))


def packed(images: list[Image], box_format: Any = "xyxy") -> Batch:
    return pack(images, no_labels(len(images)), box_format)


def drawn(seed: int, number: int = 25) -> list[Image]:
    return Scenery().draw(number, seed)[0]


def of_image(batch: Batch, image: int) -> tuple[Tensor, Tensor, Tensor]:
    boxes = batch.detections
    there = boxes.image == image
    return boxes.xyxy[there], boxes.labels[there], boxes.scores[there].double()


def plainly(own: Batch, witnesses: Sequence[Batch], image: int, query: Query) -> list[tuple[list[float], float, bool]]:
    """The proposals of one image, box by box, by torchvision's suppression and `match` alone."""
    boxes, labels, scores = of_image(own, image)
    found = [
        (box.tolist(), int(label), float(s), 0.0, True) for box, label, s in zip(boxes, labels, scores, strict=True)
    ]
    for heard, witness in enumerate(witnesses):
        seen, seen_labels, said = of_image(witness, image)
        kept = []
        for label in seen_labels.unique().tolist():
            places = (seen_labels == label).nonzero().squeeze(1)
            # torchvision suppresses above a threshold only, matching starts at it
            kept += places[nms(seen[places], said[places], math.nextafter(query.iou_threshold, 0))].tolist()
        kept.sort()
        so_far = torch.tensor([box for box, *_ in found], dtype=torch.float64).reshape(-1, 4)
        preds = {"boxes": so_far, "scores": torch.tensor([s for _, _, s, _, _ in found], dtype=torch.float64),
                 "labels": torch.tensor([label for _, label, *_ in found], dtype=torch.int64)}  # fmt: skip
        both = pack([preds], [{"boxes": seen[kept], "labels": seen_labels[kept]}])
        matches = match(both.detections, both.ground_truth, query.of_any_score())
        overlap = box_iou(so_far, seen[kept])
        odds = log_odds(said[kept])
        for place, taken in enumerate(matches.detection_match.tolist()):
            box, label, score, total, is_own = found[place]
            found[place] = (box, label, score, total + (float(odds[taken]) if taken >= 0 else FLOOR), is_own)
        alike = preds["labels"][:, None] == seen_labels[kept]
        on_one = ((overlap >= query.iou_threshold) & alike).any(0).tolist()
        for place, (taken, covered) in enumerate(zip(matches.ground_truth_match.tolist(), on_one, strict=True)):
            if taken < 0 and not covered:
                box, label = seen[kept][place].tolist(), int(seen_labels[kept][place])
                found.append((box, label, 0.0, heard * FLOOR + float(odds[place]), False))
    return [(box, total / len(witnesses), is_own) for box, _, _, total, is_own in found]


@pytest.mark.parametrize("iou_threshold", [0.3, 0.5, 0.75])
@pytest.mark.parametrize("number", [1, 2, 3])
def test_proposals_are_those_of_a_plain_loop_over_images(iou_threshold: float, number: int) -> None:
    query = Query(iou_threshold=iou_threshold)
    own, *witnesses = (packed(drawn(seed)) for seed in range(number + 1))
    found = propose(own, witnesses, query)
    boxes = found.batch.detections
    added = 0
    for image in range(len(own)):
        there = boxes.image == image
        expected = plainly(own, witnesses, image, query)
        assert boxes.xyxy[there].flatten().tolist() == pytest.approx([edge for box, _, _ in expected for edge in box])
        assert found.witness[there].tolist() == pytest.approx([odds for _, odds, _ in expected])
        assert found.own[there].tolist() == [is_own for _, _, is_own in expected]
        added += sum(not is_own for _, _, is_own in expected)
    assert added > 20


def test_a_witness_is_heard_once_of_one_object() -> None:
    own = packed([detected((0, 0, 10, 10), (0, 0, 10, 9))])
    witness = detected((0, 0, 10, 10), (0, 0, 9, 10), (1, 0, 10, 10))
    witness["scores"] = torch.tensor([0.5, 0.9, 0.8])
    found = propose(own, [packed([witness])], Query())
    # all three show one object, of which the surest counts; it is one of the detector's two boxes
    assert sorted(found.witness.tolist()) == pytest.approx([FLOOR, math.log(9)])
    assert found.own.all()


def test_another_label_is_another_object() -> None:
    own, witness = packed([detected((0, 0, 10, 10), label=1)]), packed([detected((0, 0, 10, 10), label=900)])
    found = propose(own, [witness], Query())
    assert found.own.tolist() == [True, False]
    assert found.witness.tolist() == pytest.approx([FLOOR, math.log(9)])
    assert found.batch.detections.labels.tolist() == [1, 900]


def test_labels_that_do_not_count_are_not_proposed() -> None:
    own, witness = packed([detected((0, 0, 10, 10))]), packed([detected((50, 50, 60, 60), label=2)])
    assert len(propose(own, [witness], Query(labels=[1])).own) == 1


@pytest.mark.parametrize("threshold", [0.0, 0.5])
def test_what_only_a_witness_has_is_never_a_detection(threshold: float) -> None:
    query = Query(score_threshold=threshold, max_detections=2)
    own, witness = packed(drawn(0)), packed(drawn(1))
    found = propose(own, [witness], query)
    sure = WitnessModel(own=(0.0, 0.0, 50.0), alone=(0.0, -50.0))  # the detector is right, the witness is not
    assert witness_moments(found, query, "none", sure)[:, 0, 0].abs().max() < 1e-9
    sure = WitnessModel(own=(0.0, 0.0, -50.0), alone=(0.0, 50.0))
    moments = witness_moments(found, query, "none", sure)
    nobody_s = torch.bincount(found.batch.detections.image[~found.own], minlength=len(own))
    assert torch.allclose(moments[:, 1, 0], nobody_s.double())
    alone = expected_moments(own, query, "none", _Never())
    assert torch.allclose(moments[:, 0, 0], alone[:, 0, 0])


class _Never(Calibration):
    settings = "never()"

    def __call__(self, scores: Tensor) -> Tensor:
        return torch.zeros_like(scores, dtype=torch.float64)


@pytest.mark.parametrize("weighting", WEIGHTINGS)
def test_a_witness_that_is_not_listened_to_changes_nothing(weighting: Any) -> None:
    own = Scenery().draw(25, 0)
    batch, witness = pack(*own), packed(drawn(1))
    near = WitnessModel(own=(1.0, 0.0, 0.0), alone=(0.0, -700.0))
    moments = witness_moments(propose(batch, [witness], Query()), Query(), weighting, near)
    expected = expected_moments(batch, Query(), weighting)
    assert torch.allclose(moments[..., 0], expected[..., 0], atol=0.05)  # log-odds have an end
    assert torch.allclose(moments[..., 1], expected[..., 1], atol=0.05)


@pytest.mark.parametrize("weighting", WEIGHTINGS)
def test_what_nobody_proposes_adds_to_what_is_missed(weighting: Any) -> None:
    batch, witness = pack(*Scenery().draw(9, 0)), packed(drawn(1, 9))
    found = propose(batch, [witness], Query())
    without = witness_moments(found, Query(), weighting, WitnessModel())
    moments = witness_moments(found, Query(), weighting, WitnessModel(unseen={weighting: (2.0, 9.0)}))
    assert torch.equal(moments[:, 0], without[:, 0])
    assert torch.allclose(moments[:, 1:, 0], without[:, 1:, 0] + 2)
    assert torch.allclose(moments[:, 1:, 1].square(), without[:, 1:, 1].square() + 9)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_scores_may_be_of_any_dtype(dtype: torch.dtype) -> None:
    own = [{**image, "scores": image["scores"].to(dtype)} for image in drawn(0)]
    found = propose(packed(own), [packed(drawn(1))], Query())
    assert found.batch.detections.scores.dtype == dtype
    mixed = propose(packed([own[0], *drawn(0)[1:]]), [packed(drawn(1))], Query())
    assert torch.equal(mixed.own, propose(packed(drawn(0)), [packed(drawn(1))], Query()).own)


def test_images_without_boxes_are_asked_too() -> None:
    own, witness = [detected(), detected((0, 0, 9, 9)), detected()], [detected(), detected(), detected((0, 0, 9, 9))]
    found = propose(packed(own), [packed(witness)], Query())
    assert found.batch.detections.image.tolist() == [1, 2]
    assert found.own.tolist() == [True, False]
    assert len(propose(packed([]), [packed([])], Query()).own) == 0


def test_proposals_share_groups_with_labels() -> None:
    images, target = Scenery(crowds=False, areas=False).draw(20, 3)
    batch, witness = (
        pack(images, target),
        packed([{**image, "labels": image["labels"] + 900} for image in drawn(4, 20)]),
    )
    found = propose(batch, [witness], Query())
    own = match(batch.detections, batch.ground_truth, Query())
    together = match(found.batch.detections, found.batch.ground_truth, Query())
    assert torch.equal(together.detections[found.own], own.detections)
    assert torch.equal(together.ground_truth == Outcome.TRUE_POSITIVE, own.ground_truth == Outcome.TRUE_POSITIVE)
    assert isinstance(found.batch.ground_truth, GroundTruth)


# The model


def test_without_labels_log_odds_are_the_mean() -> None:
    both, none = WitnessModel().probabilities(
        torch.tensor([0.9, 0.0]), log_odds(torch.tensor([0.6, 0.6])), torch.tensor([True, False])
    )
    assert float(both.logit()) == pytest.approx((math.log(9) + math.log(1.5)) / 2)
    assert float(none.logit()) == pytest.approx((FLOOR + math.log(1.5)) / 2)


def test_models_are_equal_by_their_numbers_and_survive_pickling() -> None:
    model = WitnessModel((1, 2, 3), (4, 5), {"overlap": (1, 2), "none": (0, 1)})
    assert pickle.loads(pickle.dumps(model)) == model
    assert hash(pickle.loads(pickle.dumps(model))) == hash(model)
    assert model.settings == WitnessModel((1.0, 2, 3), (4, 5), {"none": (0, 1), "overlap": (1, 2)}).settings
    assert model != WitnessModel()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"own": (1.0, 2.0)}, "`own` must hold 3 finite numbers"),
        ({"own": (1.0, 2.0, math.nan)}, "`own` must hold 3 finite numbers"),
        ({"alone": 3}, "`alone` must hold 2 finite numbers"),
        ({"unseen": {"size": (0, 0)}}, "`unseen` must give a mean and variance to some of"),
        ({"unseen": {"none": (0.0, -1.0)}}, "`unseen` of none must be at least 0"),
        ({"unseen": {"none": "x"}}, "`unseen` of none must hold 2 finite numbers"),
    ],
)
def test_numbers_that_make_no_sense_are_refused(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        WitnessModel(**arguments)
