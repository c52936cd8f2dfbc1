"""From the field's lists of dicts to a ragged batch of flat tensors, checked once."""

import math
import operator
import sys
import warnings
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import cache, cached_property
from itertools import chain, compress, repeat
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, get_args

import numpy as np
import torch
from torch import Tensor

from hardest_metrics.functional.detection.boxes import (
    SCORE_DTYPES,
    Batch,
    Detections,
    GroundTruth,
    at_least_as_given,
    group_numbers,
)
from hardest_metrics.functional.detection.geometry import IouType
from hardest_metrics.functional.eager import eager
from hardest_metrics.functional.ids import NO_ID
from hardest_metrics.functional.order import as_array, as_tensor, first_places, repeated, rows_at
from hardest_metrics.input_warning import InputWarning

if TYPE_CHECKING:
    from hardest_metrics.functional.detection.keypoint_packing import Sigmas

BoxFormat = Literal["xyxy", "xywh", "cxcywh"]

#: What one image's predictions or labels look like: `boxes`, `labels`, `scores`, ...
ImageDict = Mapping[str, Any]

#: The entries of the dicts of `preds` and `target` that :func:`pack` looks at.
READS = frozenset(
    ("boxes", "masks", "keypoints", "num_keypoints", "scores", "labels", "iscrowd", "area", "image_id", "image_size")
)

#: Widths and heights are at most this, so that areas and their sums are finite in float64.
_MOST_EXTENT = 1e100
_ABOVE_0, _FINITE = math.ulp(0.0), sys.float_info.max

_INTEGERS = {torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64}
_FLOATS = {torch.float16, torch.bfloat16, torch.float32, torch.float64}
_NUMBERS = _INTEGERS | _FLOATS
_PARTS_OF_COMPLEX = {torch.float32, torch.float64}

_OF_NUMPY = {torch.int64: np.int64, torch.float64: np.float64}

_DTYPE = operator.attrgetter("dtype")

_DTYPE_REMEDY = {
    "labels": "integers, signed or uint8: convert them with `.long()`",
    "scores": "floating point: divide them by their largest possible value",
}


#: Labels of an image of which nothing is known.
_NOTHING: ImageDict = {"boxes": torch.empty(0, 4), "labels": torch.empty(0, dtype=torch.int64)}


def no_labels(number: int) -> list[ImageDict]:
    """A `target` for so many images of which nothing is known."""
    return [_NOTHING] * number


def ids_alone(number: int, target: Sequence[ImageDict] | None) -> Sequence[ImageDict]:
    """A `target` that says of each image its id and size at most, as far as the one given does."""
    if target is None:
        return no_labels(number)
    return [
        {**_NOTHING, **{key: image[key] for key in ("image_id", "image_size") if key in image}, **canvas_of(image)}
        for image in target
    ]


def canvas_of(image: ImageDict) -> ImageDict:
    """The size of an image that gives it with its boxes alone."""
    size = getattr(image.get("boxes"), "canvas_size", None)
    return {} if size is None or "image_size" in image else {"image_size": size}


def check_box_format(box_format: str) -> None:
    """Refuse an unknown format of boxes."""
    if box_format not in get_args(BoxFormat):
        raise ValueError(f"`box_format` must be one of {get_args(BoxFormat)}, but is {box_format!r}.")


def check_iou_type(iou_type: str) -> None:
    """Refuse an unknown kind of shapes."""
    if iou_type not in get_args(IouType):
        raise ValueError(f"`iou_type` must be one of {get_args(IouType)}, but is {iou_type!r}.")


@eager
@torch.no_grad()
def pack(
    preds: Sequence[ImageDict],
    target: Sequence[ImageDict],
    box_format: BoxFormat = "xyxy",
    min_score: float = 0.0,
    iou_type: IouType = "bbox",
    sigmas: "Sigmas | None" = None,
) -> Batch:
    """Check one batch of predictions and labels and lay it out in flat tensors.

    Everything ends on the device of the detections' boxes. Boxes given as ``xywh`` are used as they are, others
    are converted first in their own dtype if that is float32 or float64, then widened to float64, as pycocotools sees
    them; of other dtypes they are widened first. What becomes of an image does not depend on the dtypes of others.

    On a GPU the host waits twice: for the least and greatest values, all in one transfer, without which nothing can be
    refused; and with `min_score` for how many detections are kept.

    Args:
        preds: one dict an image: ``boxes (n, 4)``, ``scores (n,)`` in [0, 1], ``labels (n,)`` integer.
        target: one dict an image: ``boxes (m, 4)``, ``labels (m,)``; optional ``iscrowd (m,)``,
            ``area (m,)`` in square pixels, ``image_id`` (int) and ``image_size`` (height, width).
            Id and size may stand in ``preds`` instead; the size may also come with boxes that are
            ``torchvision.tv_tensors.BoundingBoxes``. Where there are no labels, see :func:`no_labels`.
        box_format: of all boxes: ``"xyxy"``, ``"xywh"`` or ``"cxcywh"``, in pixels.
        min_score: detections of a lower score are checked like all others, then left out.
        iou_type: what is compared: ``"bbox"``, or ``"segm"`` or ``"keypoints"``, where boxes are not needed:

            - ``masks``: ``(n, H, W)`` or ``(n, 1, H, W)``, bool, integers (not 0 is inside) or in [0, 1] (above 0.5 is
              inside), or a list of COCO's RLEs or polygons, for which `image_size` is needed. All of an image are of
              one size. ``area`` is their number of pixels where it is not given, and may be given in ``preds`` too.
            - ``keypoints``: ``(n, K, 2)`` or ``(n, K, 3)`` x, y and visibility; an object's ``area`` is needed, and
              ``num_keypoints`` may be given. Boxes are those around all points where none are given.
        sigmas: of each keypoint, or that by label; None for those of COCO's 17.

    Raises:
        TypeError: if a container, an id or a dtype is of the wrong type.
        ValueError: if lengths differ, a key is missing, or a box, score, area or size makes no sense.
            The message names the image.

    Example:
        >>> import torch
        >>> from hardest_metrics.functional import pack
        >>> preds = [
        ...     {"boxes": torch.tensor([[0.0, 0, 10, 10]]), "scores": torch.tensor([0.9]), "labels": torch.tensor([1])}
        ... ]
        >>> target = [{"boxes": torch.empty(0, 4), "labels": torch.empty(0, dtype=torch.long), "image_id": 7}]
        >>> batch = pack(preds, target)
        >>> len(batch), len(batch.detections), len(batch.ground_truth), batch.image_ids
        (1, 1, 0, tensor([7]))
    """
    check_box_format(box_format)
    check_iou_type(iou_type)
    if iou_type == "segm":
        from hardest_metrics.functional.detection.mask_packing import pack_masks  # which packs stand-ins here

        return pack_masks(preds, target, min_score)
    if iou_type == "keypoints":
        from hardest_metrics.functional.detection.keypoint_packing import pack_keypoints

        return pack_keypoints(preds, target, box_format, min_score, sigmas)
    return pack_boxes(preds, target, box_format, min_score)


class Things(NamedTuple):
    """What messages call that of which an image has some."""

    one: str
    several: str


_BOXES = Things("box", "boxes")


def pack_boxes(
    preds: Sequence[ImageDict],
    target: Sequence[ImageDict],
    box_format: BoxFormat,
    min_score: float = 0.0,
    things: Things = _BOXES,
) -> Batch:
    """What :func:`pack` does with boxes: those of detections and objects, or what stands in for masks."""
    detected = _Side("preds", preds, things)
    labelled = _Side("target", target, things)
    if len(preds) != len(target):
        raise ValueError(
            f"`preds` holds {len(preds)} images and `target` {len(target)}: pass one dict an image in both,"
            f" with empty tensors for an image without {things.several}."
        )
    image_ids = _image_ids(labelled, detected)
    labelled.image_ids = detected.image_ids = image_ids

    (d_boxes, d_format), d_labels = detected.boxes(box_format), detected.labels()
    scores, given_as = detected.scores()
    device = d_boxes.device
    (g_boxes, g_format), g_labels = labelled.boxes(box_format), labelled.labels()
    g_xywh = _to_xywh(g_boxes, g_format)
    area = labelled.column("area", _NUMBERS, default=g_xywh[:, 2] * g_xywh[:, 3]).to(device, torch.float64)
    crowd = labelled.column(
        "iscrowd", _NUMBERS | {torch.bool}, default=torch.zeros_like(g_labels, dtype=torch.bool)
    ).to(device)
    g_boxes, g_xywh, g_labels = g_boxes.to(device), g_xywh.to(device), g_labels.to(device)
    image_sizes, sized = _image_sizes(labelled, detected, device)

    bounds = [
        (_extent(d_boxes, d_format), 0.0, _MOST_EXTENT),
        (_extent(g_boxes, g_format), 0.0, _MOST_EXTENT),
        (scores, 0.0, 1.0),
        (area, 0.0, _FINITE),
        (torch.where(image_sizes.isnan(), 1.0, image_sizes), _ABOVE_0, _FINITE),
    ]
    # corners are finite if what lies between them is
    bounds += [(b, -_FINITE, _FINITE) for b, form in ((d_boxes, d_format), (g_boxes, g_format)) if form != "xyxy"]
    if crowd.dtype != torch.bool:
        bounds.append((crowd.double(), 0.0, 1.0))
    kept = None
    if min_score > 0:  # most detections of a detector score low: all but the checks is spared them
        kept = at_least_as_given(scores, given_as, min_score)
        d_labels = d_labels.index_select(0, kept)
    limits, (lowest, highest) = _limits([values for values, _, _ in bounds], [d_labels, g_labels])
    # a NaN is within no bounds
    if not all(least <= low and high <= most for (low, high), (_, least, most) in zip(limits, bounds, strict=True)):
        _refuse(detected, labelled, d_boxes, g_boxes, scores, area, crowd, image_sizes, box_format,
                (d_format, g_format))  # fmt: skip
    (_, widest), (_, widest_labelled) = limits[:2]
    if len(d_boxes) and len(g_boxes) and min(widest, widest_labelled) <= 1 < max(widest, widest_labelled):
        _check_units((detected, d_boxes), (labelled, g_boxes))  # seldom: here all boxes are looked at
    crowd = crowd.bool()

    if kept is not None:
        d_boxes, scores = rows_at(d_boxes, kept), scores.index_select(0, kept)
        given_as = None if given_as is None else given_as.index_select(0, kept)
    d_image, g_image = detected.image_index(device, kept), labelled.image_index(device)
    d_group, g_group = group_numbers((d_labels, g_labels), (d_image, g_image), (lowest, highest), len(preds))
    return Batch(
        Detections(_to_xywh(d_boxes, d_format), d_labels, d_image, scores, d_group, given_as),
        GroundTruth(g_xywh, g_labels, g_image, crowd, area, g_group),
        image_ids,
        image_sizes,
        (lowest, highest),
        sized,
    )


class _Side:
    """One of the two arguments on its way into flat tensors."""

    def __init__(self, name: str, images: Sequence[ImageDict], things: Things) -> None:
        if isinstance(images, Mapping | str) or not isinstance(images, Sequence):
            raise TypeError(f"`{name}` must be a list with one dict an image, but is a {type(images).__name__}.")
        self.name = name
        self.images = images
        self.things = things
        self.image_ids: Tensor | None = None
        if set(map(type, images)) - {dict}:
            for index, image in enumerate(images):
                if not isinstance(image, Mapping):
                    raise TypeError(f"`{name}[{index}]` must be a dict, but is a {type(image).__name__}.")

    @cached_property
    def _boxes(self) -> list[Any]:
        return self._values("boxes")

    @cached_property
    def _box_sizes(self) -> list[int]:
        return self._sizes("boxes", self._boxes)

    @cached_property
    def counts(self) -> list[int]:
        """How many boxes each image has."""
        return [size // 4 for size in self._box_sizes]

    def at(self, index: int, key: str | None = None) -> str:
        """How a message names an image, or one of its entries."""
        name = f"`{self.name}[{index}]" + ("`" if key is None else f"['{key}']`")
        image_id = self.image_ids[index] if self.image_ids is not None else self.images[index].get("image_id")
        if isinstance(image_id, Tensor) and image_id.numel() == 1:
            image_id = image_id.item()
        known = isinstance(image_id, int) and image_id != NO_ID
        return f"{name} (image_id {image_id})" if known else name

    def plain_ids(self) -> list[Any]:
        """What stands under `image_id`; Python's integers where it is one, in memory of the host, of any type."""
        values = _optional(self.images, "image_id")
        return values if set(map(type, values)) == {int} else list(map(_plain_id, values))

    def image_index(self, device: torch.device, kept: Tensor | None = None) -> Tensor:
        """``(n,)`` int64: the position of each box's image; of those at the places `kept` only, if given."""
        counts = host_tensor(self.counts, torch.int64).to(device)
        size = sum(self.counts)
        if kept is not None:
            counts, size = first_places(kept, counts.cumsum(0)), len(kept)
            counts[1:] -= counts[:-1].clone()
        return as_tensor(repeated(as_array(counts), size))

    def boxes(self, box_format: BoxFormat) -> tuple[Tensor, BoxFormat]:
        """``(n, 4)`` float32 or float64 boxes, and their format: as given, unless a batch mixes dtypes.

        float32 and float64 are converted in their own dtype, as pycocotools sees them; other dtypes in float64. What an
        image's boxes become must not depend on its neighbours, so a mixture is converted image by image.
        """
        if set(map(type, self._boxes)) - {Tensor}:
            for index, boxes in enumerate(self._boxes):
                own = getattr(boxes, "format", None)  # torchvision's BoundingBoxes know theirs
                if isinstance(boxes, Tensor) and own is not None and own.value.lower() != box_format:
                    raise ValueError(
                        f"{self.at(index, 'boxes')} are in {own.value.lower()} format, but `box_format` is"
                        f" {box_format!r}: pass box_format={own.value.lower()!r} or convert them."
                    )
        boxes = self._cat("boxes", self._boxes, (4,), _NUMBERS)
        if len(set(map(_DTYPE, self._boxes))) > 1 and box_format != "xywh":
            own = [
                _to_xywh(_exact(b), box_format) for b, size in zip(self._boxes, self._box_sizes, strict=True) if size
            ]
            return torch.cat(own) if own else boxes, "xywh"
        return _exact(boxes), box_format

    def scores(self) -> tuple[Tensor, Tensor | None]:
        """``(n,)`` floating point and, where a batch mixes dtypes, that of each, see :class:`Detections`."""
        scores = self.column("scores", _FLOATS)
        dtypes = list(map(_DTYPE, self._values("scores")))
        if len({dtype for dtype, number in zip(dtypes, self.counts, strict=True) if number}) < 2:
            return scores, None
        # joined in float64: float16 and bfloat16 have no common dtype but by rounding none of them in a wider one
        places = [SCORE_DTYPES.index(dtype) if number else 0 for dtype, number in zip(dtypes, self.counts, strict=True)]
        exact = torch.cat(
            [s.double().reshape(-1) for s, number in zip(self._values("scores"), self.counts, strict=True) if number]
        )
        return exact, host_tensor(places, torch.int64).to(scores.device).index_select(
            0, self.image_index(scores.device)
        )

    def labels(self) -> Tensor:
        """``(n,)`` int64."""
        return self.column("labels", _INTEGERS).long()

    def column(self, key: str, dtypes: set[torch.dtype], default: Tensor | None = None) -> Tensor:
        """``(n,)``: what stands under `key`, one value a box; `default` for images that don't have the key."""
        given = [True] if default is None else list(map(operator.contains, self.images, repeat(key)))
        if default is None or all(given):
            values = self._values(key)
        elif any(given):
            parts = default.split(self.counts)
            values = [image.get(key, part) for image, part in zip(self.images, parts, strict=True)]
        else:
            return default
        if default is not None and list in set(map(type, values)):  # as torchvision's COCO sets give them
            values = [self._from_list(key, index, value, default.device) for index, value in enumerate(values)]
        return self._cat(key, values, (), dtypes)

    def _from_list(self, key: str, index: int, value: Any, device: torch.device) -> Any:
        try:
            return torch.tensor(value, device=device) if isinstance(value, list) else value
        except (RuntimeError, TypeError, ValueError):
            raise TypeError(
                f"{self.at(index, key)} must hold one number for each {self.things.one}, but is {str(value)[:60]}."
            ) from None

    def _values(self, key: str) -> list[Any]:
        try:
            return list(map(operator.itemgetter(key), self.images))
        except KeyError:
            index = next(i for i, image in enumerate(self.images) if key not in image)
            raise ValueError(
                f"{self.at(index)} lacks the key '{key}': add it, with an empty tensor if the image has no"
                f" {self.things.several}."
            ) from None

    def _sizes(self, key: str, values: list[Any]) -> list[int]:
        """How many numbers each tensor holds."""
        try:
            return list(map(Tensor.numel, values))
        except TypeError:
            index = next(i for i, value in enumerate(values) if not isinstance(value, Tensor))
            remedy = "leave the key out" if values[index] is None else "convert it with torch.as_tensor"
            kind = type(values[index]).__name__
            raise TypeError(f"{self.at(index, key)} must be a tensor, but is a {kind}: {remedy}.") from None

    def _cat(self, key: str, values: list[Tensor], width: tuple[int, ...], dtypes: set[torch.dtype]) -> Tensor:
        """``(n, *width)``, of tensors that hold one value, or row, a box."""
        sizes = self._box_sizes if values is self._boxes else self._sizes(key, values)
        # Empty tensors are left out: torch.tensor([]) is float32 and would turn integer labels into floats
        filled = list(compress(values, sizes)) if 0 in sizes else values
        if not filled:
            dtype = torch.int64 if key == "labels" else torch.float32
            joined = torch.empty(0, *width, dtype=dtype, device=values[0].device if values else "cpu")
        else:
            try:
                joined = join(filled).as_subclass(Tensor)
            except RuntimeError:
                self._refuse_shapes_and_devices(key, values, width)
                raise
        # What torch.cat joins differs in the first dimension only; so this looks at every shape
        if joined.shape[1:] != width or (not width and sizes != self.counts):
            self._refuse_shapes_and_devices(key, values, width)
        # joining a few of another kind hides them; that matters where it changes what a number means
        if joined.dtype not in dtypes or (key in _DTYPE_REMEDY and {value.dtype for value in filled} - dtypes):
            index = next(i for i, value in enumerate(values) if sizes[i] and value.dtype not in dtypes)
            remedy = _DTYPE_REMEDY.get(key, "numbers")
            raise TypeError(f"{self.at(index, key)} are {values[index].dtype}, but must be {remedy}.")
        return joined

    def _refuse_shapes_and_devices(self, key: str, values: list[Tensor], width: tuple[int, ...]) -> None:
        """Name the first tensor that does not fit the others."""
        for index, value in enumerate(values):
            shape = (self.counts[index], *width) if key != "boxes" else (len(value) if value.ndim else 0, *width)
            if value.shape != shape and not (value.numel() == 0 and shape[0] == 0):
                wanted = f"({'n' if key == 'boxes' else shape[0]}, {'4' if width else ''})".replace(", )", ",)")
                raise ValueError(
                    f"{self.at(index, key)} must have shape {wanted}, one {'row' if width else 'value'} for each"
                    f" {self.things.one}, but has {tuple(value.shape)}."
                )
        devices = sorted({str(value.device) for value in values})
        if len(devices) > 1:
            raise ValueError(
                f"`{self.name}[...]['{key}']` lie on several devices ({', '.join(devices)}): move them to one."
            )


def host_tensor(numbers: list[Any], dtype: torch.dtype) -> Tensor:
    """Python's numbers as a tensor in the host's memory: numpy reads them in a fifth of the time that torch takes."""
    return torch.from_numpy(np.array(numbers, dtype=_OF_NUMPY[dtype]))


def join(tensors: list[Tensor]) -> Tensor:
    """Many small tensors as one."""
    # Above its grain size torch.cat works in parallel, input by input, which for thousands of tiny inputs takes several
    # times as long as copying them one after the other: so first in pieces that stay below
    if len(tensors) > 64 and tensors[0].numel() + tensors[-1].numel() < 200 and torch.get_num_threads() > 1:
        pieces = [torch.cat(tensors[start : start + 64]) for start in range(0, len(tensors), 64)]
        if len({piece.dtype for piece in pieces}) == 1:  # else some numbers would be rounded to a dtype of less range
            return torch.cat(pieces)
    return torch.cat(tensors)


def _image_ids(*sides: _Side) -> Tensor:
    """``(N,)`` int64 from the first side that has ids; :data:`NO_ID` everywhere where neither has."""
    given = [side for side in sides if any(map(operator.contains, side.images, repeat("image_id")))]
    if not given:
        return torch.full((len(sides[0].images),), NO_ID, dtype=torch.int64, device="cpu")
    side = given[0]
    values = side.plain_ids()
    if len(given) > 1 and given[1].plain_ids() != values:
        index = next(i for i, other in enumerate(given[1].plain_ids()) if other != values[i])
        raise ValueError(
            f"{side.at(index, 'image_id')} is another image than {given[1].at(index, 'image_id')}:"
            " give predictions and labels in the same order."
        )
    if set(map(type, values)) - {int}:
        parts = [_image_id(side, index, value) for index, value in enumerate(values)]
        return torch.stack([part.to(parts[0].device) for part in parts])
    if values and not NO_ID < min(values) <= max(values) < 2**63:
        index = next(i for i, value in enumerate(values) if not NO_ID < value < 2**63)
        raise ValueError(f"{side.at(index, 'image_id')} is no 64-bit integer: number the images differently.")
    return host_tensor(values, torch.int64)


def _optional(images: Sequence[ImageDict], key: str) -> list[Any]:
    """What stands under a key; None for images that do not have it."""
    if set(map(type, images)) == {dict}:  # others may make up what they lack
        with suppress(KeyError):
            return list(map(operator.itemgetter(key), images))  # a fifth of the time
    return [image.get(key) for image in images]


def _plain_id(value: Any) -> Any:
    if isinstance(value, Tensor):
        on_host = value.is_cpu and value.dtype in _INTEGERS and value.numel() == 1
        return value.item() if on_host else value
    if hasattr(value, "__index__") and not isinstance(value, bool):
        with suppress(TypeError):  # a numpy array of several
            return operator.index(value)
    return value


def _image_id(side: _Side, index: int, value: Any) -> Tensor:
    if value is None:
        raise ValueError(
            f"{side.at(index)} lacks the key 'image_id', which other images of the batch have:"
            " give it to every image or to none."
        )
    if isinstance(value, Tensor) and value.numel() == 1 and value.dtype in _INTEGERS:
        return value.reshape(()).long()
    if type(value) is int:
        return torch.tensor(value)
    tensor = f"{value.dtype} tensor of shape {tuple(value.shape)}" if isinstance(value, Tensor) else ""
    raise TypeError(
        f"{side.at(index, 'image_id')} must be one integer, but is a {tensor or f'{type(value).__name__} {value!r}'}:"
        " floats lose ids above 2^53, and names can be numbered, by their place in a list that is the same in every"
        " process and run, or by hardest_metrics.data.image_number(name)."
    )


def _image_sizes(labelled: _Side, detected: _Side, device: torch.device) -> tuple[Tensor, bool]:
    """``(N, 2)`` float64, height and width, NaN where none is given; and whether all are."""
    sizes = _optional(labelled.images, "image_size")
    types = set(map(type, sizes))
    for side in (labelled, detected):
        if type(None) in types:
            sizes = [_image_size(side, index) if size is None else size for index, size in enumerate(sizes)]
            types = set(map(type, sizes))
    if types == {Tensor} and all(size.shape == (2,) for size in sizes):
        # values are looked at with all others; here NaN is no absent size, and 0 will be refused
        return torch.stack(sizes).to(device, torch.float64).nan_to_num(nan=0.0), True
    if types == {tuple} and set(map(len, sizes)) == {2}:
        with suppress(TypeError, ValueError, RuntimeError):
            flat = list(chain.from_iterable(sizes))  # read in a third of the time that pairs take
            if not math.isnan(sum(flat)):  # nor anything else than numbers
                return host_tensor(flat, torch.float64).reshape(-1, 2).to(device), True
    rows = [(math.nan, math.nan)] * len(sizes)
    for index, size in enumerate(sizes):
        if size is not None:
            try:
                height, width = (math.nan if isinstance(extent, str) else float(extent) for extent in size)
            except (TypeError, ValueError):
                height = width = math.nan
            if not (0 < height < math.inf and 0 < width < math.inf):
                raise ValueError(
                    f"{_sized(labelled, detected, index).at(index, 'image_size')} must be (height, width) in pixels,"
                    f" both above 0, but is {size!r}."
                )
            rows[index] = height, width
    return torch.tensor(rows, dtype=torch.float64, device=device).reshape(-1, 2), type(None) not in types


def _image_size(side: _Side, index: int) -> Any:
    size = side.images[index].get("image_size")
    return getattr(side._boxes[index], "canvas_size", None) if size is None else size


def _sized(labelled: _Side, detected: _Side, index: int) -> _Side:
    """The side that gives the size of an image."""
    return detected if labelled.images[index].get("image_size") is None else labelled


def _exact(boxes: Tensor) -> Tensor:
    """Boxes in a dtype in which their differences are as good as pycocotools': float32 and float64 as they are."""
    return boxes if boxes.dtype in _PARTS_OF_COMPLEX else boxes.double()


def _to_xywh(boxes: Tensor, box_format: BoxFormat) -> Tensor:
    """``(n, 4)`` float64 xywh, converted in the boxes' own dtype first."""
    if box_format == "xyxy":
        boxes = boxes.clone(memory_format=torch.contiguous_format)
        first, second = _corners(boxes)
        second -= first  # writes widths and heights over it
    elif box_format == "cxcywh":
        from torchvision.ops import box_convert  # here: the other formats do not need torchvision

        boxes = box_convert(boxes, box_format, "xywh")
    return boxes.double()


def _extent(boxes: Tensor, box_format: BoxFormat) -> Tensor:
    """``(n, 2)`` widths and heights."""
    if box_format != "xyxy":
        return boxes[:, 2:]
    first, second = _corners(boxes)
    return _as_real(second - first)


def _corners(boxes: Tensor) -> tuple[Tensor, ...]:
    """The two corners of ``(n, 4)`` xyxy boxes, ``(n,)`` complex: with one number a corner they take half the time.

    Of half precision, of which there are no complex numbers to speak of, ``(n, 2)``.
    """
    corners = boxes.view(len(boxes), 2, 2)
    return (torch.view_as_complex(corners) if boxes.dtype in _PARTS_OF_COMPLEX else corners).unbind(1)


def _as_real(corners: Tensor) -> Tensor:
    return torch.view_as_real(corners) if corners.is_complex() else corners


def _limits(floats: Sequence[Tensor], integers: Sequence[Tensor]) -> tuple[list[tuple[float, float]], tuple[int, int]]:
    """The lowest and highest of each column of floats, and of all int64 together, in one transfer to the host.

    1 and 1 of an empty column; a NaN among values makes both NaN.
    """
    float_limits, integer_limits = (
        [limit for column in columns for limit in (column.aminmax() if column.numel() else [column.new_ones(())] * 2)]
        for columns in (floats, integers)
    )
    bits = torch.stack(float_limits).double().view(torch.int64)
    host = torch.cat((bits, torch.stack(integer_limits))).cpu()
    limits, found = host[: len(bits)].view(torch.float64).tolist(), host[len(bits) :].tolist()
    return list(zip(limits[::2], limits[1::2], strict=True)), (min(found), max(found))


def _check_units(*sides: tuple[_Side, Tensor]) -> None:
    """Say so where the boxes of one side look like shares of the image, and those of the other like pixels."""
    shares = [_look_normalised(boxes) for _, boxes in sides]
    if any(shares) and not all(shares):
        _warn_of_units(sides[shares.index(True)][0].name)


def _look_normalised(boxes: Tensor) -> bool:
    """Whether all lie in [0, 1], and not only in the corners of it, where boxes that are none are put."""
    within = bool(len(boxes)) and bool(((boxes >= 0) & (boxes <= 1)).all())
    return within and bool((boxes != boxes.round()).any())


@cache
def _warn_of_units(side: str) -> None:
    other = "target" if side == "preds" else "preds"
    warnings.warn(
        f"The boxes of `{side}` all lie in [0, 1], those of `{other}` do not: these look normalised. Give both in"
        " pixels: multiply the boxes by the width and height of the image.",
        InputWarning,
        stacklevel=2,
    )


def _refuse(
    detected: _Side, labelled: _Side, d_boxes: Tensor, g_boxes: Tensor, scores: Tensor, area: Tensor, crowd: Tensor,
    image_sizes: Tensor, box_format: BoxFormat, formats: tuple[BoxFormat, BoxFormat],
) -> None:  # fmt: skip
    """Name the first value that makes no sense, its image and the remedy."""

    def sound_boxes(boxes: Tensor, box_format: BoxFormat) -> Tensor:
        extent = _extent(boxes, box_format)
        return boxes.isfinite().all(1) & ((extent >= 0) & (extent.double() <= _MOST_EXTENT)).all(1)

    def box(boxes: Tensor) -> str:
        order = "x1 <= x2 and y1 <= y2" if box_format == "xyxy" else "a width and height of at least 0"
        most = min(_MOST_EXTENT, torch.finfo(boxes.dtype).max)
        return f"a box in {box_format} format has finite numbers, {order}, and is at most {most:g} wide and high"

    score = "a score lies in [0, 1]; pass logits through a sigmoid or softmax first"
    checks = [
        (detected, "boxes", sound_boxes(d_boxes, formats[0]), box(d_boxes)),
        (labelled, "boxes", sound_boxes(g_boxes, formats[1]), box(g_boxes)),
        (detected, "scores", (scores >= 0) & (scores <= 1), score),
        (labelled, "iscrowd", (crowd == 0) | (crowd == 1), "an object is a crowd (1) or not (0)"),
        (labelled, "area", (area >= 0) & area.isfinite(), "an area is finite and at least 0, in square pixels"),
    ]
    for side, key, sound, remedy in checks:
        if not sound.all():
            position = int((~sound).nonzero()[0])
            index = int(side.image_index(torch.device("cpu"))[position])
            value = side.images[index][key][position - sum(side.counts[:index])].tolist()
            if key == "boxes" and _look_normalised(d_boxes if side is detected else g_boxes):
                remedy += (
                    ". All of them lie in [0, 1]: if they are normalised, check their format, and multiply them by"
                )
                remedy += " the width and height of the image"
            raise ValueError(f"{side.at(index, key)} holds {value}: {remedy}.")
    index = int(((image_sizes <= 0) | image_sizes.isinf()).any(1).nonzero()[0])
    side = _sized(labelled, detected, index)
    raise ValueError(
        f"{side.at(index, 'image_size')} must be (height, width) in pixels, both above 0, but is"
        f" {side.images[index]['image_size']}."
    )
