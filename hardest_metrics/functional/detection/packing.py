"""From the field's lists of dicts to a ragged batch of flat tensors, checked once."""

import math
import operator
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import cached_property
from itertools import chain, compress, repeat
from typing import TYPE_CHECKING, Any, NamedTuple, get_args

import numpy as np
import torch
from torch import Tensor

from hardest_metrics.functional.detection.boxes import SCORE_DTYPES, Batch
from hardest_metrics.functional.detection.checking import (
    BoxFormat,
    Detected,
    Images,
    Labelled,
    Side,
    check_box_format,
    checked_batch,
    exact,
    sized_by,
    to_xywh,
)
from hardest_metrics.functional.detection.geometry import IouType
from hardest_metrics.functional.eager import eager
from hardest_metrics.functional.ids import NO_ID

if TYPE_CHECKING:
    from hardest_metrics.functional.detection.keypoint_packing import Sigmas

#: What one image's predictions or labels look like: `boxes`, `labels`, `scores`, ...
ImageDict = Mapping[str, Any]

#: The entries of the dicts of `preds` and `target` that :func:`pack` looks at.
READS = frozenset(
    ("boxes", "masks", "keypoints", "num_keypoints", "scores", "labels", "iscrowd", "area", "image_id", "image_size")
)

_INTEGERS = {torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64}
_FLOATS = {torch.float16, torch.bfloat16, torch.float32, torch.float64}
_NUMBERS = _INTEGERS | _FLOATS

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
    g_xywh = to_xywh(g_boxes, g_format)
    area = labelled.column("area", _NUMBERS, default=g_xywh[:, 2] * g_xywh[:, 3]).to(device, torch.float64)
    crowd = labelled.column(
        "iscrowd", _NUMBERS | {torch.bool}, default=torch.zeros_like(g_labels, dtype=torch.bool)
    ).to(device)
    g_boxes, g_xywh, g_labels = g_boxes.to(device), g_xywh.to(device), g_labels.to(device)
    image_sizes, sized = _image_sizes(labelled, detected, device)

    return checked_batch(
        Detected(detected, d_boxes, d_format, d_labels, scores, given_as),
        Labelled(labelled, g_boxes, g_format, g_xywh, g_labels, crowd, area),
        Images(image_ids, image_sizes, sized),
        box_format,
        min_score,
    )


class _Side(Side):
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

    def given(self, index: int, key: str, place: int) -> Any:
        """The value, or row, of one box."""
        return self.images[index][key][place].tolist()

    def size_given(self, index: int) -> Any:
        """What stands under `image_size`."""
        return self.images[index].get("image_size")

    def plain_ids(self) -> list[Any]:
        """What stands under `image_id`; Python's integers where it is one, in memory of the host, of any type."""
        values = _optional(self.images, "image_id")
        return values if set(map(type, values)) == {int} else list(map(_plain_id, values))

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
            own = [to_xywh(exact(b), box_format) for b, size in zip(self._boxes, self._box_sizes, strict=True) if size]
            return torch.cat(own) if own else boxes, "xywh"
        return exact(boxes), box_format

    def scores(self) -> tuple[Tensor, Tensor | None]:
        """``(n,)`` floating point and, where a batch mixes dtypes, that of each, see :class:`Detections`."""
        scores = self.column("scores", _FLOATS)
        dtypes = list(map(_DTYPE, self._values("scores")))
        if len({dtype for dtype, number in zip(dtypes, self.counts, strict=True) if number}) < 2:
            return scores, None
        # joined in float64: float16 and bfloat16 have no common dtype but by rounding none of them in a wider one
        places = [SCORE_DTYPES.index(dtype) if number else 0 for dtype, number in zip(dtypes, self.counts, strict=True)]
        exact_scores = torch.cat(
            [s.double().reshape(-1) for s, number in zip(self._values("scores"), self.counts, strict=True) if number]
        )
        return exact_scores, host_tensor(places, torch.int64).to(scores.device).index_select(
            0, self.image_index(scores.device, len(exact_scores))
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
                    f"{sized_by(labelled, detected, index).at(index, 'image_size')} must be (height, width) in pixels,"
                    f" both above 0, but is {size!r}."
                )
            rows[index] = height, width
    return torch.tensor(rows, dtype=torch.float64, device=device).reshape(-1, 2), type(None) not in types


def _image_size(side: _Side, index: int) -> Any:
    size = side.images[index].get("image_size")
    return getattr(side._boxes[index], "canvas_size", None) if size is None else size
