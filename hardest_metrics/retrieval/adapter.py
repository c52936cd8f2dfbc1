"""How a callback understands batches of embeddings, and draws queries with what they retrieve."""

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from torch import Tensor

from hardest_metrics.adapter import Adapter, Examples, Kept, are_ids, are_labels, described, found
from hardest_metrics.data.identity import Identifier, named_numbers
from hardest_metrics.data.indexed import ID_KEYS
from hardest_metrics.plot.neighbours import draw_neighbours
from hardest_metrics.ranking import Ranking
from hardest_metrics.retrieval.base import NearestItems, Role
from hardest_metrics.retrieval.pictures import retrieved

if TYPE_CHECKING:
    from PIL.Image import Image

    from hardest_metrics.plot.grid import ImageSource

_EMBEDDINGS = ("embeddings", "embedding", "features")
_LABELS = ("labels", "label", "target", "targets")


class RetrievalInputs(NamedTuple):
    """A batch as metrics of retrieval take it.

    Attributes:
        embeddings: ``(N, D)``.
        labels: ``(N, L)`` or ``(N,)`` integers, finest level first.
        image_ids: N integers or texts; None to number images by position.
        role: ``"query"``, ``"gallery"`` or ``"both"``.
    """

    embeddings: Tensor
    labels: Tensor | None
    image_ids: Tensor | Sequence[Identifier] | None = None
    role: Role = "both"


class RetrievalAdapter(Adapter):
    """Of embeddings beside labels of a tree; a query stands in front of what it retrieves.

    - Embeddings: what the step returned, if it is an ``(N, D)`` tensor, or its entry ``"embeddings"``.
    - Labels: the entry ``"labels"`` (also ``"target"``) of what the step returned, or else of the batch; or the second
      of a batch ``(images, labels, ...)``.
    - Ids: the entry ``"image_id"`` (also ``"index"``, ``"idx"``) of either; or the third of a batch.
    - The entry ``"role"`` of either.
    """

    def inputs(self, outputs: Any, batch: Any) -> RetrievalInputs:
        """Find embeddings, labels and ids where users of Lightning put them."""
        places = (outputs, batch)
        parts = batch if isinstance(batch, list | tuple) else ()
        embeddings = outputs if _are_embeddings(outputs) else found(places[:1], _EMBEDDINGS, _are_embeddings)
        if embeddings is None:
            raise ValueError(
                f"HardestQueries finds no embeddings: the step returned {described(outputs)} for a batch that is"
                f" {described(batch)}. Return {{'embeddings': ..., 'labels': ..., 'image_id': ...}} from it, (N, D)"
                " floats beside (N, L) integers, or pass `to_inputs=` a function (outputs, batch) -> RetrievalInputs."
            )
        labels = found(places, _LABELS, are_labels)
        if labels is None and len(parts) > 1 and are_labels(parts[1]):
            labels = parts[1]
        image_ids = found(places, ID_KEYS, are_ids)
        if image_ids is None and len(parts) > 2 and are_ids(parts[2]):
            image_ids = parts[2]
        return RetrievalInputs(embeddings, labels, image_ids, found(places, ("role",), _is_text) or "both")

    def examples(self, inputs: Any) -> Examples:
        """The batch, with numbers for ids."""
        if not isinstance(inputs, tuple) or not 2 <= len(inputs) <= 4:
            raise TypeError(
                "`to_inputs` must give RetrievalInputs(embeddings, labels, image_ids, role), but gave a"
                f" {type(inputs).__name__}."
            )
        given = RetrievalInputs(*inputs)
        names: dict[int, str] = {}
        ids: Any = given.image_ids
        if ids is not None and not isinstance(ids, Tensor):
            numbers, names = named_numbers(ids)
            ids = torch.tensor(numbers)
        labels = given.labels[:, None] if given.labels is not None and given.labels.ndim == 1 else given.labels
        kwargs = {"image_ids": ids, "role": given.role}
        return Examples(
            len(given.embeddings), (given.embeddings, labels), kwargs, labels is not None, None, _nothing, names
        )

    def without_labels(self, name: str, metric: Any, outputs: Any, batch: Any) -> Exception:
        """Says where they are looked for."""
        return ValueError(
            f"HardestQueries finds no labels: the step returned {described(outputs)} for a batch that is"
            f" {described(batch)}. {name!r} needs them: return {{'embeddings': ..., 'labels': ...}}, (N, L) integers,"
            " or pass `to_inputs=` a function (outputs, batch) -> RetrievalInputs."
        )

    def tiles(self, metric: Any, kept: Sequence[Kept], class_names: Mapping[int, str] | None) -> "list[Image]":
        """None: a query is drawn with what it retrieves, see :meth:`draw`."""
        return []

    def grid(self, metric: Any, tiles: "Sequence[Image]", title: str) -> "Image":
        """The pictures below each other."""
        raise NotImplementedError("Queries are drawn with what they retrieve: use `draw`.")

    def draw(
        self,
        hardest: Ranking,
        found: NearestItems,
        image_of: "Callable[[int], ImageSource]",
        name_of: Callable[[int], str],
        title: str = "",
    ) -> "Image":
        """Queries, one a row, each in front of its nearest items.

        Args:
            hardest: the queries and their hardness.
            found: their neighbours, in the same order.
            image_of: the image of an id.
            name_of: what stands above it.
            title: text of any number of lines.
        """
        return draw_neighbours(retrieved(hardest, found, image_of, name_of), found.num_levels, title)


def _nothing(place: int) -> None:
    return None


def _are_embeddings(value: Any) -> bool:
    return isinstance(value, Tensor) and value.ndim == 2 and value.is_floating_point()


def _is_text(value: Any) -> bool:
    return isinstance(value, str)
