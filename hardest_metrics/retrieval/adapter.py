"""How a callback understands batches of embeddings, and draws queries with what they retrieve."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from torch import Tensor

from hardest_metrics.adapter import Adapter, Examples, Kept
from hardest_metrics.finding import are_rows, described, found, ids_of, labels_of
from hardest_metrics.ids import ImageIds, numbered
from hardest_metrics.plot.neighbours import Retrieved, arrange_queries, draw_query
from hardest_metrics.retrieval.base import Role

if TYPE_CHECKING:
    from PIL.Image import Image

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
    image_ids: ImageIds = None
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
        embeddings = outputs if are_rows(outputs) else found(outputs, None, _EMBEDDINGS, are_rows)
        if embeddings is None:
            raise ValueError(
                f"HardestQueries finds no embeddings: the step returned {described(outputs)} for a batch that is"
                f" {described(batch)}. Return {{'embeddings': ..., 'labels': ..., 'image_id': ...}} from it, (N, D)"
                " floats beside (N, L) integers, or pass `to_inputs=` a function (outputs, batch) -> RetrievalInputs."
            )
        role: Any = found(outputs, batch, ("role",), _is_text) or "both"
        return RetrievalInputs(embeddings, labels_of(outputs, batch, _LABELS), ids_of(outputs, batch), role)

    def examples(self, inputs: Any) -> Examples:
        """The batch, with numbers for ids."""
        if not isinstance(inputs, tuple) or not 2 <= len(inputs) <= 4:
            raise TypeError(
                "`to_inputs` must give RetrievalInputs(embeddings, labels, image_ids, role), but gave a"
                f" {type(inputs).__name__}."
            )
        given = RetrievalInputs(*inputs)
        ids, names = numbered(given.image_ids)
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
        """A query a picture, in front of its nearest items: of each `about` holds their images, levels and names."""
        return [draw_query(Retrieved(one.image, one.caption, *one.about), metric.num_levels) for one in kept]

    def grid(self, metric: Any, tiles: "Sequence[Image]", title: str) -> "Image":
        """The queries below each other, with the legend of frames."""
        return arrange_queries(tiles, metric.num_levels, title)


def _nothing(place: int) -> None:
    return None


def _is_text(value: Any) -> bool:
    return isinstance(value, str)
