"""From what a validation step returns, and the batch, to what hardness is measured from."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from torch import Tensor

from hardest_metrics.functional.packing import ImageDict


class Inputs(NamedTuple):
    """A batch as metrics take it, and its images.

    Attributes:
        preds: one dict an image: ``boxes``, ``scores``, ``labels``.
        target: one dict an image: ``boxes``, ``labels`` and what else a metric understands.
        images: one ``(C, H, W)`` tensor an image, or one ``(N, C, H, W)`` tensor; None for no pictures.
    """

    preds: Sequence[ImageDict]
    target: Sequence[ImageDict]
    images: Sequence[Tensor] | Tensor | None = None


#: A function ``(outputs, batch) -> Inputs``; `outputs` is what the step returned.
ToInputs = Callable[[Any, Any], Inputs]

_PREDS = ("preds", "predictions", "detections")
_TARGETS = ("target", "targets", "labels", "annotations")
_IMAGES = ("images", "image", "imgs", "img", "pixel_values", "inputs", "x")


def inputs_of(outputs: Any, batch: Any) -> Inputs:
    """Find predictions, labels and images where Lightning users put them.

    - Predictions: what the step returned, if it is a list of dicts, or its entry ``"preds"`` (also
      ``"predictions"``, ``"detections"``).
    - Labels: the entry ``"target"`` (also ``"targets"``, ``"labels"``, ``"annotations"``) of what the step
      returned, or else of the batch; or the second of a batch ``(images, targets)``.
    - Images: the entry ``"images"`` (also ``"image"``, ``"pixel_values"``, ...) of what the step returned, or
      else of the batch; or the first of a batch ``(images, targets)``. Without images there are no pictures.

    Args:
        outputs: what `validation_step` or `test_step` returned.
        batch: what it was given.

    Raises:
        ValueError: if there are no predictions or no labels to be found.

    Example:
        >>> import torch
        >>> empty = {"boxes": torch.empty(0, 4), "labels": torch.empty(0).long(), "scores": torch.empty(0)}
        >>> inputs = inputs_of([empty], (torch.zeros(1, 3, 8, 8), [{"image_id": 7, **empty}]))
        >>> inputs.target[0]["image_id"], inputs.images.shape
        (7, torch.Size([1, 3, 8, 8]))
    """
    preds = outputs if _is_dicts(outputs) else _entry(outputs, _PREDS, _is_dicts)
    pair = batch if isinstance(batch, list | tuple) and len(batch) >= 2 else (None, None)
    places = (outputs, batch)
    target = _first(_entry(place, _TARGETS, _is_dicts) for place in places)
    if target is None and _is_dicts(pair[1]):
        target = pair[1]
    if preds is None or target is None:
        missing = "predictions" if preds is None else "labels"
        raise ValueError(
            f"HardestImages finds no {missing}: the step returned {_shape_of(outputs)} for a batch that is"
            f" {_shape_of(batch)}. Return {{'preds': [...], 'target': [...]}} from it, with one dict an image"
            " ('boxes', 'labels', and 'scores' in 'preds'), or pass `to_inputs=` a function (outputs, batch) -> Inputs."
        )
    images = _first(_entry(place, _IMAGES, _is_images) for place in places)
    if images is None and _is_images(pair[0]):
        images = pair[0]
    return Inputs(preds, target, images)


def _entry(place: Any, names: Sequence[str], fits: Callable[[Any], bool]) -> Any:
    if not isinstance(place, Mapping):
        return None
    return next((place[name] for name in names if name in place and fits(place[name])), None)


def _first(values: Any) -> Any:
    return next((value for value in values if value is not None), None)


def _is_dicts(value: Any) -> bool:
    return isinstance(value, list | tuple) and all(isinstance(item, Mapping) and "boxes" in item for item in value)


def _is_images(value: Any) -> bool:
    if isinstance(value, Tensor):
        return value.ndim == 4
    return isinstance(value, list | tuple) and all(isinstance(item, Tensor) and item.ndim == 3 for item in value)


def _shape_of(value: Any) -> str:
    """What a value looks like, in a few words."""
    if isinstance(value, Mapping):
        return f"a dict with {sorted(map(str, value))}"
    if isinstance(value, list | tuple):
        kinds = ", ".join(type(item).__name__ for item in value[:4]) + (", ..." if len(value) > 4 else "")
        return f"a {type(value).__name__} of {len(value)} ({kinds})"
    if isinstance(value, Tensor):
        return f"a tensor of shape {tuple(value.shape)}"
    return "nothing" if value is None else f"a {type(value).__name__}"
