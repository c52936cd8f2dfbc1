"""Two rankings of the same images, brought into one order."""

import torch
from torch import Tensor

from hardest_metrics.ranking import Ranking

_SHOWN = 3


def join(estimated: Ranking, true: Ranking) -> tuple[Tensor, Tensor]:
    """Align two rankings of the same images.

    Args:
        estimated: of any order.
        true: of any order.

    Returns:
        ``(N,)`` estimated and ``(N,)`` true hardness, both by ascending image id, on the device of `estimated`.

    Raises:
        TypeError: if an argument is not a :class:`~hardest_metrics.Ranking`, or its ids are not integers.
        ValueError: if a ranking holds an image twice or a hardness that is not finite, or if one of them lacks images
            of the other. An image that is missing has no rank: leaving it out, or putting it last, would change what
            is measured, so that is for the caller to do.

    Example:
        >>> estimated = Ranking(torch.tensor([7, 3, 5]), torch.tensor([0.9, 0.5, 0.1]))
        >>> true = Ranking(torch.tensor([3, 7, 5]), torch.tensor([2.0, 1.0, 0.0]))
        >>> join(estimated, true)
        (tensor([0.5000, 0.1000, 0.9000]), tensor([2., 0., 1.]))
    """
    estimated_ids, estimated_hardness = _by_id(estimated, "estimated")
    true_ids, true_hardness = (part.to(estimated_ids.device) for part in _by_id(true, "true"))
    for name, ids, other, others_ids in (
        ("true", true_ids, "estimated", estimated_ids),
        ("estimated", estimated_ids, "true", true_ids),
    ):
        missing = others_ids[~torch.isin(others_ids, ids, assume_unique=True)]
        if len(missing):
            raise ValueError(
                f"`{name}` lacks {_images(missing)} of the {len(others_ids)} images that `{other}` ranks:"
                " rank the same images in both, or leave these out of the other."
            )
    return estimated_hardness, true_hardness


def _by_id(ranking: Ranking, name: str) -> tuple[Tensor, Tensor]:
    """Ids, ascending, and hardness of a ranking whose images are each there once."""
    if not isinstance(ranking, Ranking):
        raise TypeError(f"`{name}` must be a `Ranking`, but is {type(ranking).__name__}: make one with `Ranking.of`.")
    ids = ranking.image_ids
    if ids.is_floating_point() or ids.is_complex() or ids.dtype == torch.bool:
        raise TypeError(f"`{name}` has ids of {ids.dtype}, but ids must be integers: give int64, which holds them all.")
    ids, order = ids.long().sort()
    hardness = ranking.hardness[order]
    again = ids[1:][ids[1:] == ids[:-1]].unique()
    if len(again):
        raise ValueError(f"`{name}` ranks {_images(again)} more than once: give different images different ids.")
    wrong = ids[~hardness.isfinite()]
    if len(wrong):
        raise ValueError(
            f"`{name}` has no finite hardness for {_images(wrong)}: leave out of both rankings what could not be"
            " measured."
        )
    return ids, hardness


def _images(ids: Tensor) -> str:
    """``image 3``, or ``5 images (3, 4, 8, ...)``."""
    if len(ids) == 1:
        return f"image {int(ids)}"
    return f"{len(ids)} images ({', '.join(map(str, ids[:_SHOWN].tolist()))}{', ...' if len(ids) > _SHOWN else ''})"
