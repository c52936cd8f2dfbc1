"""Masks are taken in every form of the field, and what is none is refused by name."""

from typing import Any

import pytest
import torch
from pycocotools import mask as coco
from torch import Tensor

from hardest_metrics.functional import Batch, Query, false_positives, match, pack
from hardest_metrics.functional.detection.mask_packing import EncodedMasks
from hardest_metrics.functional.detection.masks import Masks
from tests.functional.detection.shape_scenes import Images, mask_scenes, rle_of


def packed(preds: Images, target: Images, min_score: float = 0.0) -> Batch:
    return pack(preds, target, min_score=min_score, iou_type="segm")


def with_masks(images: Images, form: Any) -> Images:
    return [{**image, "masks": form(image["masks"])} for image in images]


FORMS = {
    "four dimensions": lambda masks: masks[:, None],
    "bytes of 255": lambda masks: masks.byte() * 255,
    "integers": lambda masks: -7 * masks.long(),
    "shares": lambda masks: torch.where(masks, 0.51, 0.5)[:, None],
    "half precision": lambda masks: masks.half(),
    "strings": lambda masks: [rle_of(mask) for mask in masks],
    "counts": lambda masks: [rle_of(mask, compressed=False) for mask in masks],
    "both": lambda masks: [rle_of(mask, compressed=place % 2 == 0) for place, mask in enumerate(masks)],
    "not next to each other": lambda masks: masks.transpose(1, 2).contiguous().transpose(1, 2),
}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("side", ["preds", "target"])
def test_every_form_says_the_same(form: str, side: str) -> None:
    preds, target = mask_scenes(20, seed=1)
    usual = packed(preds, target, min_score=0.3)
    if side == "preds":
        preds = with_masks(preds, FORMS[form])
    else:
        target = with_masks(target, FORMS[form])
    other = packed(preds, target, min_score=0.3)
    for half in ("detections", "ground_truth"):
        one, same = (vars(getattr(batch, half).geometry) for batch in (usual, other))
        assert all(torch.equal(one[name], same[name]) for name in ("pixels", "xywh"))
    matches = [match(batch.detections, batch.ground_truth, Query()) for batch in (usual, other)]
    assert all(map(torch.equal, *matches))


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # of pycocotools under numpy 2
def test_polygons_are_drawn_as_pycocotools_does() -> None:
    generator = torch.Generator().manual_seed(0)
    for _ in range(20):
        polygons = [
            [(torch.rand(6 + 2 * part, generator=generator) * 60 - 10).tolist() for part in range(1 + place)]
            for place in range(3)
        ]
        masks = [coco.decode(coco.merge(coco.frPyObjects(polygon, 40, 30))) for polygon in polygons]
        labels = torch.ones(4).long()
        dense = torch.stack([*map(torch.from_numpy, masks), torch.zeros(40, 30, dtype=torch.uint8)])
        listed: list[Any] = [*polygons, rle_of(dense[3])]
        batch = packed(
            [{"masks": dense, "labels": labels, "scores": torch.ones(4)}],
            [{"masks": listed, "labels": labels, "image_size": (40, 30)}],
        )
        found, drawn = batch.detections.shapes, batch.ground_truth.shapes
        assert isinstance(found, Masks)
        assert isinstance(drawn, Masks)
        for place in range(4):
            assert torch.equal(found.dense((40, 30), place), drawn.dense((40, 30), place))


def test_masks_below_the_threshold_are_not_looked_at() -> None:
    masks = torch.stack((torch.full((4, 4), 7.0), torch.ones(4, 4)))
    preds = [{"masks": masks, "scores": torch.tensor([0.2, 0.9]), "labels": torch.ones(2).long()}]
    target = [{"masks": masks[1:] > 0, "labels": torch.ones(1).long()}]
    assert false_positives(preds, target, iou_type="segm").tolist() == [0]


def test_areas_are_numbers_of_pixels_where_none_are_given() -> None:
    preds, target = mask_scenes(10, seed=2)
    given = packed(preds, target).ground_truth.area
    for image in target[1:]:
        image.pop("area")
    batch = packed(preds, target)
    first = batch.ground_truth.image == 0
    assert torch.equal(batch.ground_truth.area[first], given[first])
    assert torch.equal(batch.ground_truth.area[~first], batch.ground_truth.geometry.area[~first])


def test_areas_of_detections_may_be_given() -> None:
    mask = torch.ones(2, 10, 10, dtype=torch.bool)
    pred = {"masks": mask, "scores": torch.tensor([0.9, 0.8]), "labels": torch.ones(2).long()}
    nothing = {"masks": mask[:0], "labels": torch.ones(0).long()}
    query = Query(area_range=(0, 50))
    for areas, outcomes in ((None, [3, 3]), (torch.tensor([20.0, 200]), [1, 3])):
        batch = packed([pred if areas is None else {**pred, "area": areas}], [nothing])
        assert match(batch.detections, batch.ground_truth, query).detections.tolist() == outcomes


def test_the_size_of_an_image_is_that_of_its_masks() -> None:
    preds, target = mask_scenes(5, seed=3)
    batch = packed(preds, target)
    assert batch.sized
    sizes = [tuple(image["masks"].shape[1:]) for image in preds]
    known = [bool(len(pred["masks"]) + len(image["masks"])) for pred, image in zip(preds, target, strict=True)]
    for size, is_known, found in zip(sizes, known, batch.image_sizes.tolist(), strict=True):
        assert not is_known or tuple(found) == size


def test_encoded_masks_are_taken_in_place_of_dense_ones() -> None:
    preds, target = mask_scenes(8, seed=4)
    encoded = [{**image, "masks": EncodedMasks.of(preds, place, "preds")} for place, image in enumerate(preds)]
    one, other = (packed(each, target, min_score=0.4).detections.geometry for each in (preds, encoded))
    assert all(torch.equal(value, vars(other)[name]) for name, value in vars(one).items())


def _one(masks: Any, number: int = 1, **more: Any) -> dict[str, Any]:
    return {"masks": masks, "scores": torch.ones(number), "labels": torch.ones(number).long(), **more}


DENSE = torch.ones(1, 4, 5)
SQUARE = [0.0, 0, 3, 0, 3, 3]

REFUSED: dict[str, tuple[Any, type[Exception], str]] = {
    "another size": (torch.ones(1, 5, 5), ValueError, "are 4 x 5 pixels, but .* 5 x 5.*Resize"),
    "a map": (torch.ones(4, 5), ValueError, r"must have shape \(n, H, W\).*a map of ids"),
    "three channels": (torch.ones(1, 3, 4, 5), ValueError, "must have shape"),
    "no pixels": (torch.ones(1, 0, 5), ValueError, "must have shape"),
    "logits": (DENSE * 3, ValueError, r"from 3 to 3, but .* sigmoid"),
    "nan": (DENSE * torch.nan, ValueError, "hold numbers from nan"),
    "complex": (DENSE * 1j, TypeError, "complex64"),
    "text": ("masks", TypeError, "must be a tensor, or a list"),
    "a list of tensors": ([DENSE[0]], TypeError, "holds a Tensor at 0"),
    "no size": ([{"counts": "04"}], ValueError, "at 0 no RLE"),
    "no counts": ([{"size": [4, 5]}], ValueError, "at 0 no RLE"),
    "too few counts": ([{"size": [4, 5], "counts": [3, 4]}], ValueError, "do not add up to its size, 4 x 5"),
    "counts below 0": ([{"size": [4, 5], "counts": [30, -10]}], ValueError, "do not add up"),
    "counts of text": ([{"size": [4, 5], "counts": ["a"]}], ValueError, "no integers"),
    "a broken string": ([{"size": [4, 5], "counts": "~~~~"}], ValueError, "do not add up"),
    "two sizes": ([{"size": [4, 5], "counts": [20]}, {"size": [5, 4], "counts": [20]}], ValueError, "Resize"),
    "a box": ([[[0.0, 0, 3, 3]]], ValueError, "three corners or more"),
    "an odd number": ([[[0.0, 0, 3, 0, 3, 3, 1]]], ValueError, "three corners or more"),
    "a later part too short": ([[SQUARE, [0.0, 0, 3, 3]]], ValueError, "three corners or more"),
    "no parts": ([[]], ValueError, "without parts"),
    "a corner at infinity": ([[[*SQUARE, torch.inf, 0]]], ValueError, "not finite"),
    "a corner far away": ([[[*SQUARE, 1e9, 0]]], ValueError, "beyond 1e[+]06"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_no_mask_is_refused(name: str) -> None:
    masks, error, message = REFUSED[name]
    number = len(masks) if isinstance(masks, list | Tensor) else 1
    pred = _one(masks, number, image_id=7, image_size=(4, 5))
    with pytest.raises(error, match=rf"preds\[0\]\['masks'\]` \(image_id 7\).*{message}|{message}"):
        packed([pred], [{**_one(DENSE > 0), "image_id": 7}])


def test_images_without_masks_or_sizes_are_refused() -> None:
    with pytest.raises(ValueError, match=r"`preds\[0\]` lacks the key 'masks'"):
        packed([{"boxes": torch.ones(1, 4)}], [_one(DENSE > 0)])
    with pytest.raises(ValueError, match="holds polygons, but the image's size is not known"):
        packed([_one([[SQUARE]])], [_one([[SQUARE]])])
    with pytest.raises(ValueError, match=r"'scores'\]` must have shape \(1,\)"):
        packed([{**_one(DENSE), "scores": torch.ones(2)}], [_one(DENSE > 0)])
    with pytest.raises(ValueError, match=r"\['area'\].*must hold 1 finite numbers"):
        packed([{**_one(DENSE), "area": torch.ones(2)}], [_one(DENSE > 0)])
    with pytest.raises(TypeError, match="must be a list"):
        packed({}, [])  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="must be one of"):
        pack([], [], iou_type="masks")  # type: ignore[arg-type]


def test_no_images_and_empty_ones_are_fine() -> None:
    assert len(packed([], [])) == 0
    nothing = {"masks": torch.empty(0, 28, 28), "scores": torch.empty(0), "labels": torch.empty(0).long()}
    batch = packed([nothing, {**nothing, "masks": []}], [_one(DENSE > 0), {**nothing, "masks": torch.empty(0)}])
    assert match(batch.detections, batch.ground_truth, Query()).ground_truth.tolist() == [2]


def test_messages_about_what_goes_with_masks_speak_of_masks() -> None:
    (pred, *_), (image, *_) = mask_scenes(2, seed=0)
    few = {**pred, "scores": torch.ones(len(pred["scores"]) + 1)}
    with pytest.raises(ValueError, match=r"\['scores'\].* one value for each mask, but"):
        packed([few], [image])
    with pytest.raises(ValueError, match="without masks"):
        packed([pred], [])
    with pytest.raises(ValueError, match="if the image has no masks"):
        packed([{key: pred[key] for key in ("masks", "scores")}], [image])
