"""The ranking: the one value that crosses from how hardness is computed to what is done with it."""

from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from torch import Tensor

from hardest_metrics.functional.order import ascending_order, descending_order
from hardest_metrics.presentation import ranking_table, ranking_text

if TYPE_CHECKING:
    import pandas as pd


def unsqueezed(values: Any) -> Any:
    """``(1,)`` where torchmetrics squeezed it to ``()``, as in all that `compute` returns; anything else as it is."""
    return values.reshape(1) if isinstance(values, Tensor) and not values.ndim else values


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
        """Restore vectors of one image, and take whatever a function that maps over tensors made of them."""
        return super().__new__(cls, unsqueezed(image_ids), unsqueezed(hardness))

    @classmethod
    def of(cls, image_ids: Tensor, hardness: Tensor) -> "Ranking":
        """Rank images given in any order.

        Args:
            image_ids: ``(N,)`` int64, each image once.
            hardness: ``(N,)`` floating point.

        Raises:
            ValueError: if a hardness is not finite.

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
            hardness: ``(M, N)`` floating point.

        Raises:
            ValueError: if a hardness is not finite.
        """
        finite = hardness.isfinite()
        if not finite.all():
            place = int((~finite).any(0).nonzero()[0])
            raise ValueError(
                f"Image {int(image_ids[place])} has hardness {hardness[:, place].tolist()}, but hardness is finite:"
                " look at what was predicted for it."
            )
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
        return all(map(_equal, self, other))

    def __ne__(self, other: object) -> bool:
        return not self == other

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return ranking_text(*self) if self._of_tensors else super().__repr__()

    def _repr_html_(self) -> str | None:
        """The hardest images as a table, for notebooks."""
        return ranking_table(*self) if self._of_tensors else None

    @property
    def _of_tensors(self) -> bool:
        parts: tuple[Any, ...] = self
        return all(isinstance(part, Tensor) and part.ndim == 1 for part in parts)


def _equal(ours: object, theirs: object) -> bool:
    if isinstance(ours, Tensor) and isinstance(theirs, Tensor):
        return torch.equal(ours, theirs)
    return type(ours) is type(theirs) and ours == theirs
