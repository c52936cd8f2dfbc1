"""What the scores are computed from, checked: features, labels and boxes of the same objects."""

import torch
from torch import Tensor
from torchmetrics.utilities import rank_zero_warn


def checked_features(features: Tensor, name: str = "features") -> Tensor:
    """``(N, D)`` finite numbers of a floating dtype, without their graph.

    Raises:
        TypeError: if they are no tensor of a floating dtype.
        ValueError: if they have another shape, or a number is not finite.
    """
    kind = _kind(features)
    if not (isinstance(kind, torch.dtype) and kind.is_floating_point):
        raise TypeError(f"`{name}` must be a tensor of a floating dtype, but is {kind}: convert it with `.float()`.")
    if features.ndim != 2 or not features.shape[1]:
        raise ValueError(
            f"`{name}` must be of shape (N, D), a row an object and at least one column, but is {(*features.shape,)}:"
            " pool maps to vectors before."
        )
    return _finite(features.detach(), name)


def checked_labels(target: Tensor, number: int, name: str = "target") -> Tensor:
    """``(N,)`` integers, as int64.

    Raises:
        TypeError: if they are no tensor of integers.
        ValueError: if there are not `number` of them.
    """
    kind = _kind(target)
    if not isinstance(kind, torch.dtype) or kind.is_floating_point or kind.is_complex or kind == torch.bool:
        raise TypeError(f"`{name}` must be a tensor of integer labels, but is {kind}: convert it with `.long()`.")
    if target.shape != (number,):
        raise ValueError(
            f"`{name}` must be of shape ({number},), a label an object, but is {(*target.shape,)}: give labels and"
            " features of the same objects in the same order."
        )
    return target.long()


def checked_boxes(boxes: Tensor, number: int) -> Tensor:
    """``(N, 4)`` finite coordinates, as float64.

    Raises:
        TypeError: if they are no tensor of real numbers.
        ValueError: if they have another shape, or a number is not finite.
    """
    kind = _kind(boxes)
    if not isinstance(kind, torch.dtype) or kind.is_complex or kind == torch.bool:
        raise TypeError(f"`boxes` must be a tensor of coordinates, but is {kind}.")
    if boxes.shape != (number, 4):
        raise ValueError(
            f"`boxes` must be of shape ({number}, 4), a box an object, but is {(*boxes.shape,)}: give boxes and"
            " features of the same objects in the same order."
        )
    return _finite(boxes.detach(), "boxes").double()


def _finite(rows: Tensor, name: str) -> Tensor:
    """The same; raise ValueError if a number is not finite, and name the first such row."""
    # the sum of finite numbers is finite but where it overflows; looking at each takes several times as long
    if not rows.sum(dtype=torch.float64).isfinite():
        refuse_rows(~rows.isfinite().all(1), f"`{name}` must be finite", "mend or leave out that object.")
    return rows


def refuse_rows(wrong: Tensor, rule: str, remedy: str) -> None:
    """Raise ValueError if any row is wrong, and name the first one."""
    if wrong.any():
        row = int(wrong.nonzero()[0])
        raise ValueError(f"{rule}, but row {row} is not ({int(wrong.sum())} of {len(wrong)} rows): {remedy}")


def permuted(number: int, seed: int | None) -> Tensor | slice:
    """An index that shuffles that many rows, or leaves them as they are without a seed."""
    if seed is None:
        return slice(None)
    return torch.randperm(number, generator=torch.Generator("cpu").manual_seed(seed), device="cpu")


def warn_of_few(score: str, number: int, features: int) -> None:
    """Warn where there are no more objects than features: a linear map then fits whatever labels they have."""
    if number <= features:
        rank_zero_warn(
            f"{score} of {number} objects with {features} features each says little: with no more objects than"
            " features, a linear map fits any labels (the H-score is then the number of classes minus one, whatever the"
            " features). Give more objects, or fewer features by `gaussian_projection`.",
            UserWarning,
        )


def _kind(value: object) -> torch.dtype | str:
    """The dtype of a tensor, the type of anything else."""
    return value.dtype if isinstance(value, Tensor) else type(value).__name__


def undefined(like: Tensor) -> Tensor:
    """NaN, where there is nothing to tell apart: a number would seem to say something."""
    return torch.full((), torch.nan, dtype=torch.float64, device=like.device)
