"""What `pack` makes of the field's lists of dicts, and what it refuses."""

import sys
from collections import defaultdict
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torchvision.ops import box_convert
from torchvision.tv_tensors import BoundingBoxes

from hardest_metrics.functional import pack, total_false
from hardest_metrics.functional.ids import NO_ID
from tests.scenes import BIG_ID, Image, Scenery, detected, labelled

Change = Callable[[list[Image], list[Image]], None]


def test_boxes_lie_image_by_image_in_the_order_given() -> None:
    preds, target = Scenery().draw(30, seed=0)
    batch = pack(preds, target)
    assert len(batch) == 30
    for side, images in ((batch.detections, preds), (batch.ground_truth, target)):
        assert torch.equal(side.labels, torch.cat([image["labels"] for image in images]))
        counts = torch.tensor([len(image["labels"]) for image in images])
        assert torch.equal(side.image, torch.arange(30).repeat_interleave(counts))
    assert torch.equal(batch.detections.scores, torch.cat([image["scores"] for image in preds]))
    assert batch.image_ids.tolist() == [image["image_id"] for image in target]
    assert batch.image_sizes.tolist() == [list(image["image_size"]) for image in target]


def test_groups_are_equal_for_boxes_of_one_image_and_label_only() -> None:
    for labels in ((1, 2, 3), (-(2**62), -5, 0, 3 * 2**40, 2**62)):
        batch = pack(*Scenery(labels=labels).draw(50, seed=1))
        sides = batch.detections, batch.ground_truth
        image_and_label = [
            pair for side in sides for pair in zip(side.image.tolist(), side.labels.tolist(), strict=True)
        ]
        groups = [group for side in sides for group in side.group.tolist()]
        assert len(set(groups)) == len(set(image_and_label)) == len({*zip(groups, image_and_label, strict=True)})


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
@pytest.mark.parametrize("box_format", ["xyxy", "cxcywh", "xywh"])
def test_boxes_are_converted_in_their_own_dtype_first_or_exactly_if_that_is_of_half_precision(
    box_format: Any, dtype: torch.dtype
) -> None:
    preds, target = Scenery(box_format=box_format, dtype=dtype).draw(40, seed=2)
    given = torch.cat([image["boxes"] for image in preds])
    given = given if dtype in (torch.float32, torch.float64) else given.double()
    expected = given if box_format == "xywh" else box_convert(given, box_format, "xywh")
    found = pack(preds, target, box_format).detections
    assert found.xywh.dtype == torch.float64
    assert torch.equal(found.xywh, expected.double())


@pytest.mark.parametrize("threads", [1, 2])
def test_boxes_of_many_dtypes_are_converted_each_in_its_own(threads: int) -> None:
    preds, target = [detected((0, 0, 4099, 9)) for _ in range(128)], [labelled() for _ in range(128)]
    for index, dtype in enumerate([torch.int64, torch.float16] * 32):
        preds[index]["boxes"] = preds[index]["boxes"].to(dtype)
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        widths = pack(preds, target).detections.xywh[:, 2].tolist()
    finally:
        torch.set_num_threads(before)
    assert widths == [4099.0, 4100.0] * 32 + [4099.0] * 64, "float16 rounds 4099 to 4100"


@pytest.mark.parametrize("box_format", ["xyxy", "xywh"])
def test_integer_boxes_are_boxes(box_format: Any) -> None:
    preds, target = [detected((1, 2, 3, 5))], [labelled((1, 2, 3, 5))]
    preds[0]["boxes"] = preds[0]["boxes"].long()
    batch = pack(preds, target, box_format)
    assert torch.equal(batch.detections.xywh, batch.ground_truth.xywh)


def test_corners_and_areas_follow_from_boxes() -> None:
    found = pack([detected((1, 2, 4, 8))], [labelled()]).detections
    assert found.xywh.tolist() == [[1, 2, 3, 6]]
    assert found.xyxy.tolist() == [[1, 2, 4, 8]]
    assert found.box_area.tolist() == [18]


def test_the_area_is_the_labelled_one_where_given_and_the_box_s_elsewhere() -> None:
    target = [labelled((0, 0, 4, 5), area=torch.tensor([7])), labelled((0, 0, 4, 5)), labelled()]
    batch = pack([detected()] * 3, target)
    assert batch.ground_truth.area.tolist() == [7, 20]


def test_only_some_images_may_have_crowds() -> None:
    target = [labelled((0, 0, 4, 5)), labelled((0, 0, 4, 5), iscrowd=torch.tensor([1]))]
    assert pack([detected()] * 2, target).ground_truth.crowd.tolist() == [False, True]


@pytest.mark.parametrize("empty", [torch.empty(0, 4), torch.tensor([]), torch.empty(0, 4).half()])
def test_an_empty_image_does_not_change_the_dtype_of_others(empty: Tensor) -> None:
    nothing = {"boxes": empty, "scores": torch.tensor([]), "labels": torch.tensor([])}
    preds = [nothing, {**detected((0, 0, 1, 1)), "scores": torch.tensor([0.7], dtype=torch.float64)}]
    batch = pack(preds, [nothing, labelled((0, 0, 1, 1))])
    assert batch.detections.scores.dtype == torch.float64
    assert batch.detections.labels.dtype == batch.ground_truth.labels.dtype == torch.int64
    assert batch.detections.image.tolist() == [1]


@pytest.mark.parametrize(
    "image_id",
    [
        BIG_ID,
        torch.tensor(BIG_ID),
        torch.tensor([BIG_ID]),
        np.int64(BIG_ID),
        np.array(BIG_ID),
    ],
    ids=["int", "0-d tensor", "1-d tensor", "numpy scalar", "numpy array"],
)
@pytest.mark.parametrize("side", [0, 1])
def test_an_id_is_an_integer_of_any_kind_in_target_or_in_preds(image_id: Any, side: int) -> None:
    batch = [detected()], [labelled()]
    batch[side][0]["image_id"] = image_id
    assert pack(*batch).image_ids.tolist() == [BIG_ID]


def test_images_without_ids_have_none() -> None:
    assert pack([detected()] * 2, [labelled()] * 2).image_ids.tolist() == [NO_ID, NO_ID]


@pytest.mark.parametrize(
    "size",
    [
        (480, 640),
        [480, 640],
        torch.Size((480, 640)),
        torch.tensor([480, 640]),
        torch.tensor([480.0, 640.0]),
        (torch.tensor(480), torch.tensor(640)),
        np.array([480, 640]),
    ],
    ids=["tuple", "list", "Size", "tensor", "float tensor", "tensors", "array"],
)
@pytest.mark.parametrize("side", [0, 1])
def test_a_size_is_height_and_width_in_target_or_in_preds(size: Any, side: int) -> None:
    batch = [detected(), detected()], [labelled(), labelled()]
    batch[side][0]["image_size"] = size
    first, second = pack(*batch).image_sizes
    assert first.tolist() == [480, 640]
    assert second.isnan().all()
    for image in batch[side]:
        image["image_size"] = size
    assert pack(*batch).image_sizes.tolist() == [[480, 640]] * 2


@pytest.mark.parametrize("side", [0, 1])
def test_torchvision_boxes_bring_the_size_of_their_image(side: int) -> None:
    batch = [detected((0, 0, 1, 1))], [labelled((0, 0, 1, 1))]
    image = batch[side][0]
    image["boxes"] = BoundingBoxes(image["boxes"], format="XYXY", canvas_size=(480, 640))
    packed = pack(*batch)
    assert packed.image_sizes.tolist() == [[480, 640]]
    assert type(packed.detections.xywh) is type(packed.ground_truth.xywh) is Tensor


def test_a_given_size_goes_before_that_of_torchvision_boxes() -> None:
    given = BoundingBoxes([[0, 0, 1, 1]], format="XYXY", canvas_size=(480, 640))
    target = {**labelled((0, 0, 1, 1)), "boxes": given, "image_size": (10, 20)}
    assert pack([detected()], [target]).image_sizes.tolist() == [[10, 20]]


@pytest.mark.parametrize(("tv_format", "box_format"), [("XYWH", "xyxy"), ("XYXY", "cxcywh")])
def test_torchvision_boxes_of_another_format_are_refused(tv_format: str, box_format: Any) -> None:
    given = BoundingBoxes([[0, 0, 1, 1]], format=tv_format, canvas_size=(480, 640))
    preds = [{**detected((0, 0, 1, 1)), "boxes": given, "image_id": 7}]
    with pytest.raises(ValueError, match=rf"preds\[0\].*image_id 7.*box_format='{tv_format.lower()}'"):
        pack(preds, [labelled()], box_format)
    assert len(pack(preds, [labelled()], tv_format.lower())) == 1  # type: ignore[arg-type]


def test_xywh_boxes_need_no_torchvision(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torchvision.ops", None)
    assert len(pack([detected((0, 0, 1, 1))], [labelled()], "xywh").detections) == 1


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float64])
def test_the_default_dtype_changes_nothing(dtype: torch.dtype) -> None:
    preds, target = Scenery().draw(20, seed=3)
    usual = pack(preds, target)
    before = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        unusual = pack(preds, target)
    finally:
        torch.set_default_dtype(before)
    for side in ("detections", "ground_truth"):
        for name, values in vars(getattr(usual, side)).items():
            other = getattr(getattr(unusual, side), name)
            assert values is other is None or torch.equal(values, other)
    assert torch.equal(usual.image_sizes, unusual.image_sizes)


def test_what_an_image_lacks_is_not_made_up() -> None:
    preds, target = _image()
    made_up = defaultdict(list, {key: value for key, value in target.items() if key in ("boxes", "labels")})
    batch = pack([preds], [made_up])
    assert sorted(made_up) == ["boxes", "labels"]
    assert batch.image_ids.tolist() == [NO_ID]


# What makes no sense is refused by a message that names the image and the cure


def _image() -> tuple[Image, Image]:
    box = (0, 0, 10, 10)
    entries: Image = {"iscrowd": torch.tensor([0]), "area": torch.tensor([50.0]), "image_size": (20, 40)}
    return detected(box), labelled(box, **entries)


def _put(side: int, key: str, value: Any) -> Change:
    def change(*batch: list[Image]) -> None:
        batch[side][1][key] = value

    return change


def _leave_out(side: int, key: str) -> Change:
    def change(*batch: list[Image]) -> None:
        del batch[side][1][key]

    return change


PREDS, TARGET = 0, 1
NAN, INF = float("nan"), float("inf")

#: What is wrong with the second of three images, and what the message says of it.
REFUSED: dict[str, tuple[Change, str, str]] = {
    "no boxes in preds": (_leave_out(PREDS, "boxes"), "preds", "'boxes': add it"),
    "no scores": (_leave_out(PREDS, "scores"), "preds", "'scores': add it"),
    "no labels in preds": (_leave_out(PREDS, "labels"), "preds", "'labels': add it"),
    "no boxes in target": (_leave_out(TARGET, "boxes"), "target", "'boxes': add it"),
    "no labels in target": (_leave_out(TARGET, "labels"), "target", "'labels': add it"),
    "too few scores": (_put(PREDS, "scores", torch.empty(0)), "preds", r"'scores'.*shape \(1,\)"),
    "too many labels": (_put(PREDS, "labels", torch.ones(2).long()), "preds", r"'labels'.*\(1,\)"),
    "label per box": (_put(TARGET, "labels", torch.ones(1, 1).long()), "target", r"'labels'.*\(1,\)"),
    "too many areas": (_put(TARGET, "area", torch.ones(2)), "target", r"'area'.*shape \(1,\)"),
    "too few crowds": (_put(TARGET, "iscrowd", torch.ones(0)), "target", r"'iscrowd'.*\(1,\)"),
    "one box flat": (_put(PREDS, "boxes", torch.ones(4)), "preds", r"'boxes'.*shape \(n, 4\)"),
    "a number as boxes": (_put(PREDS, "boxes", torch.tensor(1.0)), "preds", r"shape \(n, 4\)"),
    "five numbers a box": (_put(TARGET, "boxes", torch.ones(1, 5)), "target", r"shape \(n, 4\)"),
    "boxes in a list": (_put(PREDS, "boxes", [[0, 0, 1, 1]]), "preds", "'boxes'.*a tensor.*a list"),
    "scores of numpy": (_put(PREDS, "scores", np.ones(1)), "preds", "'scores'.*a tensor.*ndarray"),
    "labels None": (_put(TARGET, "labels", None), "target", "'labels'.*a tensor.*NoneType"),
    "NaN box": (_put(PREDS, "boxes", torch.tensor([[0, 0, NAN, 1]])), "preds", "finite"),
    "infinite box": (_put(PREDS, "boxes", torch.tensor([[0, 0, INF, 1]])), "preds", "finite"),
    "box all infinite": (_put(PREDS, "boxes", torch.full((1, 4), INF)), "preds", "finite"),
    "NaN box in target": (_put(TARGET, "boxes", torch.full((1, 4), NAN)), "target", "finite"),
    "infinite target": (_put(TARGET, "boxes", torch.tensor([[-INF, 0, 1, 1]])), "target", "finite"),
    "x2 < x1": (_put(PREDS, "boxes", torch.tensor([[2.0, 0, 1, 1]])), "preds", "x1 <= x2"),
    "y2 < y1": (_put(TARGET, "boxes", torch.tensor([[0, 2.0, 1, 1]])), "target", "y1 <= y2"),
    "score above 1": (_put(PREDS, "scores", torch.tensor([1.5])), "preds", "'scores'.*1.5.*sigmoid"),
    "score below 0": (_put(PREDS, "scores", torch.tensor([-2.0])), "preds", r"'scores'.*-2.0.*\[0, 1\]"),
    "NaN score": (_put(PREDS, "scores", torch.tensor([NAN])), "preds", r"'scores'.*nan.*\[0, 1\]"),
    "infinite score": (_put(PREDS, "scores", torch.tensor([INF])), "preds", r"'scores'.*inf"),
    "integer scores": (_put(PREDS, "scores", torch.ones(1).long()), "preds", "'scores'.*floating"),
    "float labels": (_put(PREDS, "labels", torch.ones(1)), "preds", "'labels'.*integers.*long"),
    "bool labels": (_put(TARGET, "labels", torch.ones(1).bool()), "target", "'labels'.*integers"),
    "negative area": (_put(TARGET, "area", torch.tensor([-1.0])), "target", "'area'.*-1.0.*at least 0"),
    "NaN area": (_put(TARGET, "area", torch.tensor([NAN])), "target", "'area'.*nan.*finite"),
    "infinite area": (_put(TARGET, "area", torch.tensor([INF])), "target", "'area'.*inf.*finite"),
    "size of one number": (_put(TARGET, "image_size", 20), "target", r"'image_size'.*\(height, width"),
    "size of three": (_put(TARGET, "image_size", (3, 20, 40)), "target", r"\(height, width\)"),
    "size of three in a tensor": (_put(TARGET, "image_size", torch.ones(3)), "target", r"\(height"),
    "size of no pixels": (_put(TARGET, "image_size", (0, 40)), "target", "above 0"),
    "negative height": (_put(TARGET, "image_size", (-1, 40)), "target", "above 0"),
    "negative width": (_put(TARGET, "image_size", (20, -1)), "target", "above 0"),
    "infinite size": (_put(TARGET, "image_size", (20, INF)), "target", "above 0"),
    "width not a number": (_put(TARGET, "image_size", (20, NAN)), "target", "above 0"),
    "size in words": (_put(TARGET, "image_size", ("high", "wide")), "target", r"\(height, width\)"),
    "size in preds": (_put(PREDS, "image_size", (20, 40, 3)), "preds", r"\(height, width\)"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_makes_no_sense_is_refused_by_image_and_remedy(name: str) -> None:
    change, side, says = REFUSED[name]
    preds, target = map(list, zip(*(_image() for _ in range(3)), strict=True))
    if name == "size in preds":
        del target[1]["image_size"]
    for index, image in enumerate(target):
        image["image_id"] = BIG_ID + index
    change(preds, target)
    with pytest.raises((ValueError, TypeError), match=says) as refusal:
        pack(preds, target)
    assert f"`{side}[1]" in str(refusal.value)
    assert f"image_id {BIG_ID + 1}" in str(refusal.value)


@pytest.mark.parametrize(
    ("image_id", "says"),
    [
        (1.0, "integer.*float"),
        (torch.tensor(1.0), "integer.*float32"),
        (np.float64(1), "integer.*float64"),
        (torch.tensor([1, 2]), r"one integer.*\(2,\)"),
        (True, "integer.*bool"),
        ("7", "integer.*'7'.*numbered"),
        ("000123.jpg", "integer.*numbered"),
        (2**63, "64-bit"),
        (-(2**63), "64-bit|reserved|id"),
        (None, "every image or to none"),
    ],
)
def test_an_id_that_is_no_integer_is_refused(image_id: Any, says: str) -> None:
    target = [labelled(image_id=3), labelled(image_id=image_id)]
    with pytest.raises((ValueError, TypeError), match=rf"`target\[1\].*{says}"):
        pack([detected(), detected()], target)


def test_an_id_is_given_to_every_image_or_to_none() -> None:
    with pytest.raises(ValueError, match=r"`target\[1\]` lacks the key 'image_id'.*or to none"):
        pack([detected()] * 2, [labelled(image_id=3), labelled()])


@pytest.mark.parametrize("box_format", ["xywh", "cxcywh"])
def test_a_negative_width_is_refused(box_format: Any) -> None:
    preds = [detected((5, 5, -1, 2))]
    with pytest.raises(ValueError, match=rf"preds\[0\].*\[5.0, 5.0, -1.0, 2.0\].*{box_format}.*width"):
        pack(preds, [labelled()], box_format)


@pytest.mark.parametrize(
    ("box", "box_format", "dtype", "most"),
    [
        ((0, 0, 1e200, 5), "xyxy", torch.float64, r"1e\+100"),
        ((0, 0, 5, 1e200), "xywh", torch.float64, r"1e\+100"),
        ((-3e38, 0, 3e38, 5), "xyxy", torch.float32, r"3\.40282e\+38"),
    ],
)
def test_a_box_too_large_is_refused_for_that(box: Any, box_format: Any, dtype: torch.dtype, most: str) -> None:
    preds = [{**detected((0, 0, 1, 1)), "boxes": torch.tensor([box], dtype=dtype)}]
    with pytest.raises(ValueError, match=rf"finite numbers, .*, and is at most {most} wide and high"):
        pack(preds, [labelled()], box_format)


def test_batches_of_different_lengths_are_refused() -> None:
    with pytest.raises(ValueError, match=r"`preds` holds 1 images and `target` 2: .* empty tensors"):
        pack([detected()], [labelled()] * 2)


@pytest.mark.parametrize("wrong", [{"boxes": []}, None, 3, torch.ones(2), "images", iter(())])
def test_what_is_no_list_is_refused(wrong: Any) -> None:
    with pytest.raises(TypeError, match="`preds` must be a list with one dict an image"):
        pack(wrong, [labelled()])
    with pytest.raises(TypeError, match="`target` must be a list with one dict an image"):
        pack([detected()], wrong)


@pytest.mark.parametrize("wrong", [None, torch.ones(4), "image", [detected()]])
def test_what_is_no_dict_is_refused(wrong: Any) -> None:
    with pytest.raises(TypeError, match=r"`preds\[1\]` must be a dict"):
        pack([detected(), wrong], [labelled()] * 2)


def test_an_unknown_format_is_refused() -> None:
    with pytest.raises(ValueError, match=r"`box_format` must be one of.*xyxy.*but is 'yxyx'"):
        pack([], [], "yxyx")  # type: ignore[arg-type]


def test_what_becomes_of_an_image_does_not_depend_on_the_dtypes_of_its_neighbours() -> None:
    box, scores = torch.tensor([[300.0, 300, 10, 10]]), torch.tensor([0.8])
    one = torch.tensor([1])
    for dtype in (torch.float16, torch.bfloat16, torch.float32, torch.float64):
        image = {"boxes": box.to(dtype), "scores": scores.to(dtype), "labels": one}, {"boxes": box, "labels": one}
        alone = total_false([image[0]], [image[1]], box_format="cxcywh", iou_threshold=0.75, score_threshold=0.8)
        assert alone.tolist() == [0]  # exact in all of them, and at the threshold in its own dtype
        for other in (torch.float16, torch.bfloat16, torch.float32, torch.float64):
            beside = {**image[0], "boxes": box.to(other), "scores": scores.to(other)}
            together = total_false(
                [image[0], beside], [image[1]] * 2, box_format="cxcywh", iou_threshold=0.75, score_threshold=0.8
            )
            assert together.tolist() == [0, 0]


def test_scores_of_several_dtypes_are_ranked_as_numbers_and_each_held_against_the_threshold_in_its_own() -> None:
    rng = torch.Generator().manual_seed(0)
    dtypes = [torch.float16, torch.bfloat16, torch.float32, torch.float64]
    preds, target = Scenery().draw(40, seed=5)
    for index, image in enumerate(preds):
        choice = int(torch.randint(0, 4, (1,), generator=rng))
        image["scores"] = (image["scores"] * 20).round().div(20).to(dtypes[choice])
        image["boxes"] = image["boxes"].to(dtypes[(choice + index) % 4 if index % 2 else 2])
    for box_format in ("xyxy", "cxcywh"):
        for threshold in (0.3, 0.55, 0.7):
            given = {"box_format": box_format, "score_threshold": threshold, "max_detections": 5}
            if box_format == "cxcywh":
                preds = [{**image, "boxes": image["boxes"].abs()} for image in preds]
            alone = [total_false([p], [t], **given) for p, t in zip(preds, target, strict=True)]  # type: ignore[arg-type]
            assert torch.equal(total_false(preds, target, **given), torch.cat(alone))  # type: ignore[arg-type]


def test_boxes_of_half_precision_may_be_wider_than_it_can_tell() -> None:
    preds = [{**detected((0, 0, 1, 1)), "boxes": torch.tensor([[-60000, 0, 60000, 5]], dtype=torch.float16)}]
    assert pack(preds, [labelled()]).detections.xywh.tolist() == [[-60000, 0, 120000, 5]]
