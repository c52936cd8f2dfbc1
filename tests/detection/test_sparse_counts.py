"""Which labels are taken for which, and what goes wrong with each, whatever the batches and processes."""

import copy
import pickle
from collections import Counter
from typing import Any

import matplotlib.pyplot as plt
import pytest
import torch

from hardest_metrics import ConfusionPairs
from hardest_metrics.detection import Confusion, KindsByLabel
from hardest_metrics.functional import Kind, Query, error_kinds, match, pack
from tests.scenes import Batch, detected, epoch, labelled

OBJECT = (0.0, 0.0, 10.0, 10.0)


def by_hand(batches: list[Batch], query: Query = Query()) -> tuple[Counter[Any], Counter[Any]]:  # noqa: B008
    """Confusions by (detected, true), and errors by (label, kind)."""
    confused: Counter[Any] = Counter()
    kinds_of: Counter[Any] = Counter()
    for batch in batches:
        packed = pack(*batch)
        kinds = error_kinds(packed, match(packed.detections, packed.ground_truth, query), query)
        for boxes, side in ((packed.detections, kinds.detections), (packed.ground_truth, kinds.ground_truth)):
            kinds_of.update(zip(boxes.labels.tolist(), map(Kind, side.tolist()), strict=True))
        for det in (kinds.detections == Kind.CLASSIFICATION).nonzero().flatten().tolist():
            true = packed.ground_truth.labels[kinds.meant[det]]
            confused[int(packed.detections.labels[det]), int(true)] += 1
    return confused, kinds_of


def fed(metric: Any, batches: list[Batch]) -> Any:
    for batch in batches:
        metric.update(*batch)
    return metric


def pairs(confusion: Confusion) -> dict[tuple[int, int], int]:
    detected_, true, counts = (column.tolist() for column in confusion)
    return dict(zip(zip(detected_, true, strict=True), counts, strict=True))


@pytest.mark.parametrize("settings", [{}, {"score_threshold": 0.1}, {"labels": [2], "score_threshold": 0.3}])
def test_confusions_and_kinds_by_label_are_those_of_every_error(settings: dict[str, Any]) -> None:
    batches = epoch((9, 8, 0, 7))
    confused, kinds_of = by_hand(batches, Query(**settings))
    confusion = fed(ConfusionPairs(**settings), batches).compute()
    assert pairs(confusion) == confused
    assert confusion.counts.tolist() == sorted(confused.values(), reverse=True)
    labels, counts = fed(KindsByLabel(**settings), batches).compute()
    found = {
        (label, Kind(place + 1)): number
        for label, row in zip(labels.tolist(), counts.tolist(), strict=True)
        for place, number in enumerate(row)
        if number
    }
    assert found == {key: n for key, n in kinds_of.items() if key[1] not in (Kind.NONE, Kind.EXPLAINED)}


def test_an_image_that_comes_again_counts_once() -> None:
    batches = epoch((5, 5))
    assert pairs(fed(ConfusionPairs(), [*batches, batches[0]]).compute()) == by_hand(batches)[0]


def test_images_without_ids_are_all_different() -> None:
    image = [detected(OBJECT, label=2)], [labelled(OBJECT, label=1)]
    assert pairs(fed(ConfusionPairs(), [image, image, image]).compute()) == {(2, 1): 3}


def test_images_of_which_only_some_have_ids_are_refused_and_nothing_is_kept() -> None:
    metric = fed(ConfusionPairs(), [([detected(OBJECT, label=2)], [labelled(OBJECT)])])
    with pytest.raises(ValueError, match="1 images came without 'image_id', 1 with one"):
        metric.update([detected(OBJECT, label=2)], [labelled(OBJECT, image_id=5)])
    assert pairs(metric.compute()) == {(2, 1): 1}


def test_of_nothing_and_of_one_pair_it_gives_vectors() -> None:
    metric = ConfusionPairs()
    metric.update([], [])
    assert [len(column) for column in metric.compute()] == [0, 0, 0]
    metric.update([detected(OBJECT, label=2)], [labelled(OBJECT)])
    assert [column.shape for column in metric.compute()] == [(1,)] * 3
    metric.reset()
    metric.update([], [])
    assert len(metric.compute().counts) == 0


def test_forward_gives_the_batch_and_copies_go_their_own_way() -> None:
    batches = epoch((6, 6))
    assert repr(ConfusionPairs(background_threshold=0.2)) == "ConfusionPairs(background_threshold=0.2)"
    metric = ConfusionPairs(score_threshold=0.2)
    for batch in batches:
        assert pairs(metric(*batch)) == by_hand([batch], Query(score_threshold=0.2))[0]
    for other in (copy.deepcopy(metric), pickle.loads(pickle.dumps(metric))):
        assert pairs(other.compute()) == by_hand(batches, Query(score_threshold=0.2))[0]
    before = copy.deepcopy(metric)
    before.merge_state(fed(ConfusionPairs(score_threshold=0.2), batches))
    assert pairs(before.compute()) == pairs(metric.compute())


def test_they_draw_themselves() -> None:
    batches = epoch((9, 8))
    figure, axes = fed(ConfusionPairs(), batches).plot(class_names={1: "cat"})
    assert "cat" in [label.get_text() for label in axes.get_xticklabels()]
    figure, axes = fed(KindsByLabel(), batches).plot(most=2)
    assert len(axes.get_yticklabels()) == 2
    plt.close("all")
    assert figure is axes.figure


@pytest.mark.parametrize("settings", [{"background_threshold": 0.7}, {"box_format": "yxyx"}, {"score_threshold": 2}])
def test_settings_that_make_no_sense_are_refused(settings: Any) -> None:
    with pytest.raises(ValueError, match=next(iter(settings))):
        ConfusionPairs(**settings)


def test_the_state_follows_the_device_and_not_the_dtype() -> None:
    metric = fed(ConfusionPairs(), epoch((4,))).to(torch.float16)
    assert all(chunk.dtype == torch.int64 for chunk in metric.rows)
