"""What to give :class:`HardestImages` as `to_inputs` for detectors of other packages.

Each adapter gives boxes, areas and pictures in the pixels of the image as it was before it was resized and padded for
the network: an object's area decides what counts as small.
"""

import inspect
from collections.abc import Callable, Mapping, Sequence
from pathlib import PurePosixPath
from types import SimpleNamespace
from typing import Any, NamedTuple, Protocol

import torch
from torch import Tensor
from torchvision.ops import box_convert, clip_boxes_to_image
from torchvision.transforms.functional import InterpolationMode, resize

from hardest_metrics.data.identity import posix
from hardest_metrics.detection.inputs import Inputs, ToInputs
from hardest_metrics.functional.detection.geometry import IouType
from hardest_metrics.functional.detection.packing import check_iou_type
from hardest_metrics.numbering import image_number

_Size = tuple[float, float]  # height, width


class ImageProcessor(Protocol):
    """The part of an image processor of `transformers` that reads a detector's outputs."""

    def post_process_object_detection(self, outputs: Any, threshold: float, target_sizes: Any) -> Any:
        """One dict an image: ``scores``, ``labels``, and ``boxes`` as corners in pixels of the target sizes."""


class SegmentationProcessor(Protocol):
    """Likewise of a model for instance segmentation, such as Mask2Former, MaskFormer or DETR with masks."""

    @property
    def post_process_instance_segmentation(self) -> Callable[..., Any]:
        """One dict an image: a map of ids, or masks, as ``segmentation``, and what each is in ``segments_info``."""


def from_transformers(processor: "ImageProcessor | SegmentationProcessor", iou_type: IouType = "bbox") -> ToInputs:
    """For detectors of `transformers`, where the step returns the model's outputs.

    Scores and labels are those of the processor, which knows whether the head is a softmax with a class for nothing or
    a sigmoid for each class. Detections of every score are kept: metrics have a threshold of their own.

    - What the step returns: the model's outputs, or a dict with their ``logits`` and ``pred_boxes``.
    - The batch: a dict with ``pixel_values``, with ``pixel_mask`` where images are padded, and with ``labels`` as the
      processor makes them: one dict an image with ``class_labels``, ``boxes``, ``orig_size``, ``size``, ``image_id``,
      ``area`` and ``iscrowd``, and where it makes them ``masks``. To predict, these may hold ``image_id`` and
      ``orig_size`` alone.

    With ``iou_type="segm"`` detections have masks, of the size of the picture as it was, by the processor's
    ``post_process_instance_segmentation``. Where it makes maps of ids alone, as DETR's does, masks do not overlap,
    those that others cover are left out, and each pixel is some object's: such a model has to know backgrounds too.
    The step returns all that the model does, or a dict of it. Labels may stand in the batch as ``mask_labels`` and
    ``class_labels`` too, as Mask2Former's and MaskFormer's processors make them; ids and sizes these do not make: put
    them into ``labels``, one dict an image.

    Args:
        processor: the model's, such as ``AutoImageProcessor.from_pretrained(name)``.
        iou_type: ``"bbox"`` for boxes, ``"segm"`` for masks.

    Raises:
        ValueError: for keypoints.

    Example:
        >>> class Softmax:  # stands for a processor
        ...     def post_process_object_detection(self, outputs, threshold, target_sizes):
        ...         scores, labels = outputs.logits.softmax(-1)[..., :-1].max(-1)
        ...         boxes = (
        ...             box_convert(outputs.pred_boxes, "cxcywh", "xyxy") * target_sizes.flip(1).repeat(1, 2)[:, None]
        ...         )
        ...         columns = zip(scores, labels, boxes)
        ...         return [{"scores": s, "labels": c, "boxes": b} for s, c, b in columns]
        >>> outputs = {"logits": torch.tensor([[[9.0, 0]]]), "pred_boxes": torch.tensor([[[0.5, 0.5, 1, 1]]])}
        >>> batch = {"pixel_values": torch.rand(1, 3, 16, 16), "labels": [{"image_id": 7, "orig_size": (30, 40)}]}
        >>> inputs = from_transformers(Softmax())(outputs, batch)
        >>> inputs.preds[0]["boxes"], inputs.images[0].shape
        (tensor([[ 0.,  0., 40., 30.]]), torch.Size([3, 30, 40]))
    """
    check_iou_type(iou_type)
    if iou_type == "keypoints":
        raise ValueError("`iou_type` is 'keypoints', which this does not read: give a `to_inputs` of your own.")

    def to_inputs(outputs: Any, batch: Any) -> Inputs:
        if isinstance(outputs, Mapping):  # what models return is one, too
            outputs = SimpleNamespace(**outputs)
        pixels, mask = batch["pixel_values"], batch.get("pixel_mask")
        labels = _labels_of_batch(batch, len(pixels))
        frames = _frames(labels, pixels, None if mask is None else mask == 0)
        reader: Any = processor
        if iou_type == "segm":
            found = _segments(reader, outputs, frames, (int(pixels.shape[-2]), int(pixels.shape[-1])))
        else:
            units = torch.tensor([frame.unit for frame in frames], dtype=torch.float32)
            found = reader.post_process_object_detection(outputs, threshold=0.0, target_sizes=units)
        target = [_labelled(*pair, "class_labels") for pair in zip(labels, frames, strict=True)]
        return Inputs(found, target, _Pictures(pixels, frames))

    return to_inputs


def _labels_of_batch(batch: Mapping[str, Any], number: int) -> list[Mapping[str, Any]]:
    """One dict an image, with the masks and classes that stand beside ``labels``."""
    labels: list[Mapping[str, Any]] = list(batch["labels"]) if "labels" in batch else [{}] * number
    if "mask_labels" not in batch:
        return labels
    columns = zip(labels, batch["mask_labels"], batch["class_labels"], strict=True)
    return [{**one, "masks": masks, "class_labels": classes} for one, masks, classes in columns]


def _segments(
    processor: SegmentationProcessor, outputs: Any, frames: "Sequence[_Frame]", whole: tuple[int, int]
) -> list[dict[str, Tensor]]:
    """Masks, scores and labels of each image, in pixels of the picture as it was: masks are of the padded image."""
    read = processor.post_process_instance_segmentation
    more = {"return_binary_maps": True} if "return_binary_maps" in inspect.signature(read).parameters else {}
    sizes = [(round(whole[0] * frame.scale[0]), round(whole[1] * frame.scale[1])) for frame in frames]
    found = []
    for one, frame in zip(read(outputs, threshold=0.0, target_sizes=sizes, **more), frames, strict=True):
        segments, masks = one["segments_info"], one["segmentation"]
        if not segments:  # then there is a map whatever one asks for
            masks = torch.zeros((0, *masks.shape[-2:]), dtype=torch.bool, device=masks.device)
        elif masks.ndim == 2:
            ids = masks.new_tensor([segment["id"] for segment in segments])
            masks = masks == ids[:, None, None]
        height, width = frame.original
        found.append({
            "masks": masks[:, :height, :width] > 0.5,
            "scores": torch.tensor([segment["score"] for segment in segments], dtype=torch.float32),
            "labels": torch.tensor([segment["label_id"] for segment in segments], dtype=torch.int64),
        })  # fmt: skip
    return found


def from_rfdetr() -> ToInputs:
    """For the Lightning module of `rfdetr`, when it validates, tests and predicts.

    - What its steps return: ``{"results": ..., "targets": ...}``, or the results alone.
    - The batch: nested tensors, and one dict an image with ``labels``, ``boxes``, ``orig_size``, ``image_id``, ...
      Of a model for segmentation, ``masks`` in pixels of the network's image are put back into the picture as it was,
      of which those in the results are.

    Example:
        >>> found = {
        ...     "boxes": torch.tensor([[0.0, 0, 9, 9]]),
        ...     "scores": torch.tensor([0.9]),
        ...     "labels": torch.tensor([1]),
        ... }
        >>> samples = SimpleNamespace(tensors=torch.rand(1, 3, 8, 8), mask=None)
        >>> target = {"boxes": torch.tensor([[0.5, 0.5, 1, 1]]), "labels": torch.tensor([1]), "image_id": 7}
        >>> batch = samples, [{**target, "orig_size": torch.tensor([30, 40])}]
        >>> from_rfdetr()([found], batch).target[0]["boxes"]
        tensor([[ 0.,  0., 40., 30.]])
    """

    def to_inputs(outputs: Any, batch: Any) -> Inputs:
        samples, targets = batch
        found = outputs["results"] if isinstance(outputs, Mapping) else outputs
        # the unit of its boxes is the whole picture, whatever its targets say of padding
        frames = [frame._replace(unit=frame.original) for frame in _frames(targets, samples.tensors, samples.mask)]
        target = [_labelled(*pair, "labels") for pair in zip(targets, frames, strict=True)]
        return Inputs(found, target, _Pictures(samples.tensors, frames))

    return to_inputs


def from_rows(image_id: Callable[[str], int] | None = None) -> ToInputs:
    """For detectors that give one tensor an image, a row a detection, as `ultralytics` after suppression.

    - What the step returns: a list of ``(n, 6)`` tensors, or a dict with it as ``"preds"``: left, top, right, bottom in
      pixels of the network's image, score, class; further columns are left alone.
    - The batch: the dict that `ultralytics` loads, with ``img``, ``batch_idx``, ``cls`` and ``bboxes`` (center and
      size, as a share of the network's image), and where it has them ``im_file``, ``ori_shape`` and ``ratio_pad``,
      by which boxes are put back into the image as it was, and cut there. Without labels ``img`` and ``im_file`` will
      do.

    Args:
        image_id: gives the id of an image by its file name, without folder; by default
            :func:`~hardest_metrics.data.image_number`.

    Example:
        >>> batch = {"img": torch.zeros(1, 3, 64, 64), "im_file": ["set/0001.jpg"]}
        >>> batch |= {
        ...     "batch_idx": torch.zeros(1),
        ...     "cls": torch.ones(1, 1),
        ...     "bboxes": torch.tensor([[0.5, 0.5, 1, 0.5]]),
        ... }
        >>> rows = [torch.tensor([[0.0, 16, 64, 48, 0.9, 1]])]
        >>> inputs = from_rows(lambda name: int(name.removesuffix(".jpg")))(rows, batch)
        >>> inputs.target[0]["boxes"], inputs.target[0]["image_id"]
        (tensor([[ 0., 16., 64., 48.]]), 1)
    """
    number = image_id or image_number

    def to_inputs(outputs: Any, batch: Any) -> Inputs:
        rows = outputs["preds"] if isinstance(outputs, Mapping) else outputs
        images = batch["img"]
        height, width = images.shape[-2:]
        frames = _letterboxes(batch, images)
        preds = [
            {"boxes": frame.restored(found[:, :4]), "scores": found[:, 4], "labels": found[:, 5].long()}
            for found, frame in zip(rows, frames, strict=True)
        ]
        target: list[dict[str, Any]] = [{"image_size": frame.original} for frame in frames]
        for one, path in zip(target, batch.get("im_file", ()), strict=False):
            one["image_id"] = number(PurePosixPath(posix(str(path))).name)
        if "bboxes" in batch:
            boxes = box_convert(batch["bboxes"], "cxcywh", "xyxy")
            boxes = boxes * boxes.new_tensor([width, height, width, height])
            labels, of_image = batch["cls"].reshape(-1).long(), batch["batch_idx"].reshape(-1)
            for index, (one, frame) in enumerate(zip(target, frames, strict=True)):
                own = of_image == index
                one |= {"boxes": frame.restored(boxes[own]), "labels": labels[own]}
        return Inputs(preds, target, _Pictures(images, frames))

    return to_inputs


class _Frame(NamedTuple):
    """Where a picture is in the network's image, and what it was before.

    Attributes:
        original: height and width of the picture before it was resized.
        filled: of the part of the network's image that it fills.
        corner: top and left of that part.
        unit: height and width, in pixels of the original, of what boxes are a share of.
    """

    original: tuple[int, int]
    filled: _Size
    corner: _Size = (0, 0)
    unit: _Size = (1, 1)

    @property
    def scale(self) -> _Size:
        """Pixels of the original in one of the network's image, down and across."""
        return self.original[0] / self.filled[0], self.original[1] / self.filled[1]

    def restored(self, xyxy: Tensor) -> Tensor:
        """Boxes in pixels of the network's image, in those of the original, and cut at its edges."""
        (top, left), (down, across) = self.corner, self.scale
        boxes = (xyxy - xyxy.new_tensor([left, top, left, top])) * xyxy.new_tensor([across, down, across, down])
        return clip_boxes_to_image(boxes, self.original)

    def restored_masks(self, masks: Tensor) -> Tensor:
        """``(n, H, W)`` masks of the network's image as masks of the original, the nearest pixel of each."""
        if tuple(masks.shape[-2:]) == self.original:
            return masks
        rows, columns = self.part
        return resize(masks[:, rows, columns].byte(), list(self.original), InterpolationMode.NEAREST_EXACT).bool()

    @property
    def part(self) -> tuple[slice, slice]:
        """Rows and columns of the network's image that the picture fills."""
        (top, left), (height, width) = self.corner, self.filled
        return slice(round(top), round(top + height)), slice(round(left), round(left + width))


def _frames(labels: Sequence[Mapping[str, Any]], pixels: Tensor, padding: Tensor | None) -> list[_Frame]:
    """Of images that lie in the top left corner of the network's, boxes being a share of what labels call ``size``.

    A processor that pads a whole batch makes boxes a share of the padded image, and says so by ``size``; one that is
    asked for single images, to be padded later, of the picture alone.
    """
    number, whole = len(pixels), list(pixels.shape[-2:])
    filled = [whole] * number
    if padding is not None:
        inside = ~padding.bool()
        filled = torch.stack((inside.any(2).sum(1), inside.any(1).sum(1)), 1).tolist()
    originals, sizes = _sizes(labels, "orig_size", filled), _sizes(labels, "size", filled)
    frames = []
    for original, size, extent in zip(originals, sizes, filled, strict=True):
        frame = _Frame((int(original[0]), int(original[1])), (extent[0], extent[1]))
        down, across = frame.scale
        frames.append(frame._replace(unit=(size[0] * down, size[1] * across)))
    return frames


def _sizes(labels: Sequence[Mapping[str, Any]], key: str, default: list[list[int]]) -> list[list[int]]:
    if not all(key in one for one in labels):
        return default
    # in one transfer to the host
    found: list[list[int]] = torch.stack([torch.as_tensor(one[key]).reshape(2) for one in labels]).tolist()
    return found


def _labelled(given: Mapping[str, Any], frame: _Frame, labels_key: str) -> dict[str, Any]:
    """Labels in pixels of the original, or of images without labels their ids and sizes."""
    target = {"image_size": frame.original} | {key: given[key] for key in ("image_id", "iscrowd") if key in given}
    if "boxes" not in given and "masks" not in given:
        return target
    target["labels"] = given[labels_key]
    if "boxes" in given:
        height, width = frame.unit
        boxes = box_convert(given["boxes"], "cxcywh", "xyxy")
        target["boxes"] = boxes * boxes.new_tensor([width, height, width, height])
    if "masks" in given:
        target["masks"] = frame.restored_masks(given["masks"])
    if "area" in given:  # it was resized with the picture
        down, across = frame.scale
        target["area"] = given["area"] * (down * across)
    return target


def _letterboxes(batch: Mapping[str, Any], images: Tensor) -> list[_Frame]:
    """Of images that lie somewhere in the network's, as `ultralytics` resizes and pads them."""
    height, width = images.shape[-2:]
    if "ori_shape" not in batch or "ratio_pad" not in batch:
        return [_Frame((height, width), (height, width))] * len(images)
    frames = []
    for shape, ((gain_down, gain_across), (left, top)) in zip(batch["ori_shape"], batch["ratio_pad"], strict=True):
        original = int(shape[0]), int(shape[1])
        frames.append(_Frame(original, (original[0] * gain_down, original[1] * gain_across), (top, left)))
    return frames


class _Pictures(Sequence[Tensor]):
    """The images of a batch as they were, each restored when it is asked for: few are ever shown."""

    def __init__(self, pixels: Tensor, frames: Sequence[_Frame]) -> None:
        self.pixels, self.frames = pixels, frames

    def __len__(self) -> int:
        return len(self.frames)

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, slice):
            return _Pictures(self.pixels[index], self.frames[index])
        frame = self.frames[index]
        rows, columns = frame.part
        part = self.pixels[index][:, rows, columns]
        return part if tuple(part.shape[-2:]) == frame.original else resize(part, list(frame.original), antialias=True)
