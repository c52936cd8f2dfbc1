"""Logits and labels of a batch, checked."""

import torch
from torch import Tensor

from hardest_metrics.functional.ids import NO_ID


def checked_logits(preds: object) -> Tensor:
    """The logits of a batch, if they can be used.

    Args:
        preds: ``(N, K)`` floating point.

    Raises:
        TypeError: if they are no tensor of floating point.
        ValueError: if the shape is another one, K is below 2, or a number is NaN or infinite.
    """
    logits = shaped_logits(preds)
    require_finite(logits)
    return logits


def shaped_logits(preds: object) -> Tensor:
    """The logits of a batch, if type and shape are right."""
    if not isinstance(preds, Tensor) or not preds.is_floating_point():
        found = f"{preds.dtype}" if isinstance(preds, Tensor) else f"a {type(preds).__name__}"
        raise TypeError(f"`preds` must be a floating-point tensor of logits, but is {found}.")
    if preds.ndim != 2:
        raise ValueError(f"`preds` must have shape (N, K), logits over K classes, but has {tuple(preds.shape)}.")
    if preds.shape[1] < 2:
        raise ValueError(
            f"`preds` must be logits over K >= 2 classes, but has shape {tuple(preds.shape)}. Give both classes of a"
            " binary problem a column: torch.cat((-logit, logit), 1) / 2."
        )
    return preds.detach()


def require_finite(logits: Tensor, image_ids: Tensor | None = None) -> None:
    """Refuse logits that are NaN or infinite.

    Args:
        logits: ``(N, K)``.
        image_ids: ``(N,)`` int64, to name an image by.
    """
    # the extremes tell, NaN of all, in a third of the time
    if not logits.numel() or torch.stack(logits.aminmax()).isfinite().all():
        return
    finite = logits.isfinite()
    place = int((~finite.all(1)).nonzero()[0])
    worst = float(logits[place][~finite[place]][0])
    raise ValueError(
        f"`preds` of {_name(place, image_ids)} holds {worst}, but logits are finite: look at what the model gave for"
        " it. For classes that are out of the question give a large negative number."
    )


def checked_target(target: object, preds: Tensor, image_ids: Tensor | None = None) -> Tensor:
    """The labels of a batch, if they can be used, on the device of its logits.

    Args:
        target: ``(N,)`` integers in [0, K), or multi-label ``(N, K)`` integers or bool, 0 and 1.
        preds: ``(N, K)``.
        image_ids: ``(N,)`` int64, to name an image by.

    Returns:
        int64, of the same shape.

    Raises:
        TypeError: if they are no tensor of integers.
        ValueError: if they are of another shape, or a label is out of range.
    """
    if not isinstance(target, Tensor):
        raise TypeError(f"`target` must be a tensor of labels, but is a {type(target).__name__}.")
    number, classes = preds.shape
    if target.is_floating_point() or target.is_complex() or (target.dtype == torch.bool and target.ndim == 1):
        raise TypeError(
            f"`target` must be integer labels, but is {target.dtype}. Convert it: `target.long()` of class numbers, or"
            " of 0 and 1; of probabilities over classes `target.argmax(1)`."
        )
    if target.shape not in ((number,), (number, classes)):
        raise ValueError(
            f"`target` must have shape ({number},), or ({number}, {classes}) for several labels an image, as `preds`"
            f" has {tuple(preds.shape)}, but it has {tuple(target.shape)}: give one row an image, in the same order."
        )
    most = classes if target.ndim == 1 else 2
    target = target.to(preds.device, torch.int64)
    outside = (target < 0) | (target >= most)
    if outside.any():
        place = int(outside.reshape(number, -1).any(1).nonzero()[0])
        wrong = int(target[place][outside[place]].reshape(-1)[0])
        allowed = f"in 0 to {classes - 1}" if target.ndim == 1 else "0 or 1 in every class"
        raise ValueError(
            f"`target` of {_name(place, image_ids)} is {wrong}, but must be {allowed}. Leave out images without"
            " a label."
        )
    return target


def checked_temperature(temperature: float) -> float:
    """A temperature to divide logits by, if it is one."""
    if not 0 < temperature < float("inf"):
        raise ValueError(f"`temperature` must be above 0 and finite, but is {temperature!r}.")
    return float(temperature)


def _name(place: int, image_ids: Tensor | None) -> str:
    if image_ids is None or int(image_ids[place]) == NO_ID:
        return f"image {place} of the batch"
    return f"image {int(image_ids[place])} (number {place} of the batch)"
