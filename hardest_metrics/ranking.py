"""The ranking: the one value that crosses from how hardness is computed to what is done with it."""

from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor

from hardest_metrics.functional.order import ascending_order, descending_order

if TYPE_CHECKING:
    import pandas as pd


class _Ranking(NamedTuple):
    image_ids: Tensor
    hardness: Tensor


class Ranking(_Ranking):
    """Images and their hardness, hardest first; images of equal hardness by ascending id.

    A named tuple of two tensors of equal length, so that it passes through everything that maps over
    tensors in (named) tuples, such as ``.to(device)`` of a metric. Being a tuple of two fields, its
    ``len()`` is 2 and slicing takes fields: use :meth:`top` for the first ``k`` images.

    Args:
        image_ids: ``(N,)`` int64, each image once.
        hardness: ``(N,)`` float32, finite, in no unit but its query's: a count of errors, a sum of their weights, a
            loss, a margin below 0.

    Example:
        >>> import torch
        >>> from hardest_metrics import Ranking
        >>> ranking = Ranking(torch.tensor([7, 3, 5]), torch.tensor([2.5, 1.0, 0.0]))
        >>> ranking
        Ranking(3 images, hardest first: 7 (2.5), 3 (1), 5 (0))
        >>> ranking.top(1).image_ids
        tensor([7])
        >>> ids, hardness = ranking
    """

    __slots__ = ()

    def __new__(cls, image_ids: Tensor, hardness: Tensor) -> "Ranking":
        """Restore ``(1,)``, which torchmetrics squeezes to ``()`` in all that `compute` returns."""
        if image_ids.ndim == 1 == hardness.ndim:
            return super().__new__(cls, image_ids, hardness)
        return super().__new__(cls, image_ids.reshape(-1), hardness.reshape(-1))

    @classmethod
    def of(cls, image_ids: Tensor, hardness: Tensor) -> "Ranking":
        """Rank images given in any order.

        Args:
            image_ids: ``(N,)`` int64, each image once.
            hardness: ``(N,)`` floating point.

        Example:
            >>> Ranking.of(torch.tensor([4, 2, 9]), torch.tensor([1.0, 1.0, 3.0]))
            Ranking(3 images, hardest first: 9 (3), 2 (1), 4 (1))
        """
        by_id = ascending_order(image_ids)
        image_ids, hardness = image_ids.index_select(0, by_id), hardness.index_select(0, by_id)
        (ranking,) = cls.of_ascending(image_ids, hardness[None])
        return ranking

    @classmethod
    def of_ascending(cls, image_ids: Tensor, hardness: Tensor) -> "list[Ranking]":
        """Rank images, given by ascending id, in several ways at once.

        Args:
            image_ids: ``(N,)`` int64, each image once, ascending.
            hardness: ``(M, N)`` floating point, finite.
        """
        hardest_first = descending_order(hardness)
        ids = image_ids.expand_as(hardest_first).gather(1, hardest_first)
        return list(map(cls, ids.unbind(), hardness.gather(1, hardest_first).unbind()))

    def top(self, k: int) -> "Ranking":
        """The ``k`` hardest images (all of them where there are fewer)."""
        if k < 0:
            raise ValueError(f"`k` is a number of images, at least 0, but is {k}.")
        return Ranking(self.image_ids[:k], self.hardness[:k])

    def to_pandas(self) -> "pd.DataFrame":
        """A data frame with columns ``rank`` (from 1), ``image_id`` and ``hardness``."""
        import pandas as pd  # here: half a second that most runs never need

        ids = self.image_ids.cpu().numpy()
        columns = {"rank": range(1, len(ids) + 1), "image_id": ids, "hardness": self.hardness.cpu().numpy()}
        return pd.DataFrame(columns)

    def __eq__(self, other: object) -> bool:
        """Whether both hold the same images in the same order with exactly the same hardness."""
        if not isinstance(other, Ranking):
            return False
        return all(torch.equal(ours, theirs) for ours, theirs in zip(self, other, strict=True))

    def __ne__(self, other: object) -> bool:
        return not self == other

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        shown = 3
        head = zip(self.image_ids[:shown].tolist(), self.hardness[:shown].tolist(), strict=True)
        images = ", ".join(f"{image_id} ({hardness:.4g})" for image_id, hardness in head)
        number = len(self.image_ids)
        more = ", ..." if number > shown else ""
        return f"Ranking({number} images, hardest first: {images}{more})" if number else "Ranking(0 images)"
