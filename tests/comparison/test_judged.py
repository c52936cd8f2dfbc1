"""How often intervals hold labelled images, by estimates that were fitted to others of them."""

import re
from pathlib import Path
from typing import Any

import pytest

from hardest_metrics.calibration import fit_witness_model
from hardest_metrics.comparison.folds import cross_validate_witnesses
from hardest_metrics.comparison.judged import Labelled, held, held_as_stated, intervals_in_words
from hardest_metrics.data import read_annotations, read_detections
from hardest_metrics.functional import Query


@pytest.fixture(scope="module")
def voc100(shared_data: Path) -> tuple[Any, Any, Any]:
    annotations = read_annotations(shared_data / "voc100/instances.json")
    names = ("fastestdet", "yolo_fastestv2")
    own, other = (read_detections(shared_data / f"voc100/{name}_results.json", annotations) for name in names)
    return own, other, annotations.target


def test_intervals_hold_what_they_say_where_the_model_s_own_do_not(voc100: tuple[Any, Any, Any]) -> None:
    own, other, target = voc100
    labelled = Labelled(own, target, Query(), [other])
    by_scores = labelled.by_scores()
    assert held_as_stated(by_scores) == pytest.approx(0.51, abs=0.01)
    for judged in (by_scores, labelled.calibrated("platt"), labelled.untaught(), labelled.heard()):
        assert held(judged) == pytest.approx(0.8, abs=0.04)


def test_it_is_said_of_every_estimate_in_closed_form(voc100: tuple[Any, Any, Any]) -> None:
    own, other, target = voc100
    labelled = Labelled(own, target, Query(), [other])
    held_words, mean_words = intervals_in_words("mine", ["expected_hardness", "committee", "witness"], labelled)
    assert re.search(r"hold 8\d% around expected_hardness \(51%\), 8\d% around witness \(\d\d%\)", held_words)
    assert "2.99 by the labels, 7.64 by expected_hardness (corrected ± 0.56)" in mean_words
    assert intervals_in_words("mine", ["committee"], labelled) == []
    assert intervals_in_words("mine", ["witness"], Labelled(own[:1], target[:1], Query(), [other[:1]])) == []


def test_models_of_folds_are_fitted_to_the_others_but_for_what_ranks_nothing(voc100: tuple[Any, Any, Any]) -> None:
    own, other, target = voc100
    folds = cross_validate_witnesses(own, [other], target)
    assert sorted(image for fold in folds for image in fold.images) == list(range(100))
    images, model = folds[0]
    rest = [i for i in range(100) if i not in set(images)]
    alone = fit_witness_model(
        [own[i] for i in rest], [[other[i] for i in rest]], [target[i] for i in rest], None, "xywh"
    )
    assert (model.own, model.alone) == (alone.own, alone.alone)
    assert len({fold.model.settings.partition("unseen")[2] for fold in folds}) == 1
