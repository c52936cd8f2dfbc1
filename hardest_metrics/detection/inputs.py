"""From what a validation step returns, and the batch, to what hardness is measured from."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from torch import Tensor

from hardest_metrics.finding import described, found, images_of
from hardest_metrics.functional.detection.packing import ImageDict


class Inputs(NamedTuple):
    """A batch as metrics take it, and its images.

    Attributes:
        preds: one dict an image: ``boxes``, ``scores``, ``labels``; without labels also ``image_id``.
        target: one dict an image: ``boxes``, ``labels`` and what else a metric understands; None without labels.
        images: one ``(C, H, W)`` tensor an image, or one ``(N, C, H, W)`` tensor; None for no pictures.
        members: of each member of a committee, one dict an image like `preds`; for
            :class:`~hardest_metrics.detection.CommitteeHardness`.
        witnesses: of each witness, likewise; for :class:`~hardest_metrics.detection.WitnessHardness`.
    """

    preds: Sequence[ImageDict]
    target: Sequence[ImageDict] | None
    images: Sequence[Tensor] | Tensor | None = None
    members: Sequence[Sequence[ImageDict]] = ()
    witnesses: Sequence[Sequence[ImageDict]] = ()


#: A function ``(outputs, batch) -> Inputs``; `outputs` is what the step returned.
ToInputs = Callable[[Any, Any], Inputs]

_SHAPES = ("boxes", "masks", "keypoints")
_PREDS = ("preds", "predictions", "detections")
_TARGETS = ("target", "targets", "labels", "annotations")
_MEMBERS = ("members",)
_WITNESSES = ("witnesses",)


def inputs_of(outputs: Any, batch: Any) -> Inputs:
    """Find predictions, labels and images where Lightning users put them.

    - Predictions: what the step returned, if it is a list of dicts with boxes, masks or keypoints, or its entry
      ``"preds"`` (also ``"predictions"``, ``"detections"``).
    - Labels: the entry ``"target"`` (also ``"targets"``, ``"labels"``, ``"annotations"``) of what the step
      returned, or else of the batch; or the second of a batch ``(images, targets)``. Estimates need none; of images
      without labels the dicts may hold ``image_id`` and ``image_size`` alone, or these stand in the predictions.
    - Images: the entry ``"images"`` (also ``"image"``, ``"pixel_values"``, ...) of what the step returned, or
      else of the batch; or the first of a batch ``(images, targets)``; or the batch itself. Without images there are
      no pictures.
    - Members of a committee, and witnesses: the entries ``"members"`` and ``"witnesses"`` of what the step returned.

    torchvision's ``wrap_dataset_for_transforms_v2`` gives boxes and labels alone unless asked for more: without
    ``target_keys=("boxes", "labels", "image_id", "iscrowd", "area")`` crowds count as objects that were missed. An
    image without annotations, of which it gives the id alone, has no objects where other images are labelled.

    Args:
        outputs: what `validation_step`, `test_step` or `predict_step` returned.
        batch: what it was given.

    Raises:
        ValueError: if there are no predictions to be found.

    Example:
        >>> import torch
        >>> empty = {"boxes": torch.empty(0, 4), "labels": torch.empty(0).long(), "scores": torch.empty(0)}
        >>> inputs = inputs_of([empty], (torch.zeros(1, 3, 8, 8), [{"image_id": 7, **empty}]))
        >>> inputs.target[0]["image_id"], inputs.images.shape
        (7, torch.Size([1, 3, 8, 8]))
    """
    preds = outputs if _is_dicts(outputs) else found(outputs, None, _PREDS, _is_dicts)
    if preds is None:
        raise not_found("predictions", outputs, batch)
    target = found(outputs, batch, _TARGETS, _is_targets, part=1)
    members = found(outputs, None, _MEMBERS, _are_members) or ()
    witnesses = found(outputs, None, _WITNESSES, _are_members) or ()
    return Inputs(preds, target, images_of(outputs, batch), members, witnesses)


def not_found(missing: str, outputs: Any, batch: Any, remedy: str = "") -> ValueError:
    """The error to raise where predictions or labels are missing."""
    return ValueError(
        f"HardestImages finds no {missing}: the step returned {described(outputs)} for a batch that is"
        f" {described(batch)}. {remedy}Return {{'preds': [...], 'target': [...]}} from it, with one dict an image"
        " ('boxes', 'labels', and 'scores' in 'preds'), or pass `to_inputs=` a function (outputs, batch) -> Inputs."
    )


def has_shapes(image: ImageDict) -> bool:
    """Whether an image's predictions or labels say where anything is."""
    return any(key in image for key in _SHAPES)


def _is_dicts(value: Any) -> bool:
    return isinstance(value, list | tuple) and all(isinstance(item, Mapping) and has_shapes(item) for item in value)


def _is_targets(value: Any) -> bool:
    keys = (*_SHAPES, "image_id", "image_size")
    return isinstance(value, list | tuple) and all(
        isinstance(item, Mapping) and any(key in item for key in keys) for item in value
    )


def _are_members(value: Any) -> bool:
    return isinstance(value, list | tuple) and all(map(_is_dicts, value))
