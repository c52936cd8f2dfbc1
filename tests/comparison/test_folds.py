import pytest
import torch

from hardest_metrics.calibration import fit_calibration
from hardest_metrics.comparison.folds import N_FOLDS, calibrated, cross_validate
from tests.comparison.conftest import Make


@pytest.mark.parametrize("number", [2, 3, 5, 6, 7, 8, 11, 12, 16, 23])
def test_every_image_is_in_one_fold(make: Make, number: int) -> None:
    annotations, detections = make(number)
    folds = cross_validate(detections["detector 0"], annotations.target)
    assert sorted(image for fold in folds for image in fold.images) == list(range(number))
    assert len(folds) == min(number, N_FOLDS)
    sizes = [len(fold.images) for fold in folds]
    assert max(sizes) - min(sizes) <= 1


def test_no_calibration_sees_the_images_of_its_fold(make: Make) -> None:
    annotations, detections = make(30)
    preds, target = detections["detector 0"], annotations.target
    for fold in cross_validate(preds, target):
        others = [image for image in range(30) if image not in fold.images]
        expected = fit_calibration([preds[i] for i in others], [target[i] for i in others], box_format="xywh")
        assert fold.calibration.settings == expected.settings
        unlike = [
            {**image, "labels": image["labels"] + 100} if place in fold.images else image
            for place, image in enumerate(target)
        ]
        (again,) = [one for one in cross_validate(preds, unlike) if one.images == fold.images]
        assert again.calibration.settings == fold.calibration.settings


def test_each_image_has_the_probabilities_of_its_fold(make: Make) -> None:
    annotations, detections = make(30)
    preds = detections["detector 0"]
    folds = cross_validate(preds, annotations.target, "isotonic")
    stated = calibrated(preds, folds)
    for fold in folds:
        for image in fold.images:
            assert torch.equal(stated[image]["scores"], fold.calibration(preds[image]["scores"]))
            assert stated[image]["boxes"] is preds[image]["boxes"]


def test_one_image_is_too_few(make: Make) -> None:
    annotations, detections = make(1)
    with pytest.raises(ValueError, match="holds 1 images: cross-validation needs 2 or more"):
        cross_validate(detections["detector 0"], annotations.target)
