"""How a callback understands, keeps and draws images of classifiers."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import torch.distributed as dist
from torch import Tensor

from hardest_metrics.adapter import Adapter, Examples, Kept
from hardest_metrics.finding import are_rows, described, found, ids_of, images_of, labels_of
from hardest_metrics.functional.classification.inputs import shaped_logits
from hardest_metrics.functional.classification.said import Said, said_of
from hardest_metrics.ids import ImageIds, numbered
from hardest_metrics.plot import tile_size
from hardest_metrics.plot.classified import arrange_classified, classified_tile

if TYPE_CHECKING:
    from PIL.Image import Image

_LOGITS = ("logits", "preds", "predictions")
_TARGETS = ("target", "targets", "labels", "label", "y")


class ClassifiedInputs(NamedTuple):
    """A batch as metrics of classifiers take it, and its images.

    Attributes:
        logits: ``(N, K)``.
        target: ``(N,)`` integer labels, or ``(N, K)`` of 0 and 1; None without labels.
        image_ids: N integers or texts; None to number images by position.
        images: ``(N, C, H, W)``, or N ``(C, H, W)``; None for no pictures.
    """

    logits: Tensor
    target: Tensor | None = None
    image_ids: ImageIds = None
    images: Sequence[Tensor] | Tensor | None = None


class ClassificationAdapter(Adapter):
    """Of logits beside integer labels; a frame says right or wrong, a caption what was said.

    - Logits: what the step returned, if it is an ``(N, K)`` tensor, or its entry ``"logits"`` (also ``"preds"``).
    - Labels: the entry ``"target"`` (also ``"labels"``, ``"label"``, ``"y"``) of what the step returned, or else of the
      batch; or the second of a batch ``(images, labels, ...)``.
    - Images: the entry ``"images"`` (also ``"image"``, ``"pixel_values"``, ``"x"``) of either; or the first of a batch
      ``(images, labels, ...)``; or the batch itself.
    - Ids: the entry ``"image_id"`` (also ``"index"``, ``"idx"``) of either; or the third of a batch ``(images, labels,
      ids)``, as :class:`~hardest_metrics.data.Indexed` gives them. Without, images are numbered by position, which one
      process alone can do.

    What a picture shows of its labels is told by :func:`~hardest_metrics.functional.classification.said.said_of`.
    """

    def inputs(self, outputs: Any, batch: Any) -> ClassifiedInputs:
        """Find logits, labels, ids and images where users of Lightning put them."""
        logits = outputs if are_rows(outputs) else found(outputs, None, _LOGITS, are_rows)
        if logits is None:
            raise ValueError(
                f"HardestImages finds no logits: the step returned {described(outputs)} for a batch that is"
                f" {described(batch)}. Return {{'logits': ...}} from it, (N, K) floats, beside 'target', (N,) integers,"
                " or pass `to_inputs=` a function (outputs, batch) -> ClassifiedInputs."
            )
        target = labels_of(outputs, batch, _TARGETS)
        return ClassifiedInputs(logits, target, ids_of(outputs, batch), images_of(outputs, batch))

    def examples(self, inputs: Any) -> Examples:
        """The batch, with numbers for ids."""
        if not isinstance(inputs, tuple) or not 1 <= len(inputs) <= 4:
            raise TypeError(
                "`to_inputs` must give ClassifiedInputs(logits, target, image_ids, images), but gave a"
                f" {type(inputs).__name__}."
            )
        given = ClassifiedInputs(*inputs)
        logits = shaped_logits(given.logits)
        target = given.target  # looked at by the metrics that need it
        if given.images is not None and len(given.images) != len(logits):
            raise ValueError(f"HardestImages got {len(given.images)} images, but logits of {len(logits)}.")
        if given.image_ids is None and dist.is_available() and dist.is_initialized() and dist.get_world_size() > 1:
            raise ValueError(
                "HardestImages finds no ids of the images, by which several processes know them: wrap the data set, as"
                " `hardest_metrics.data.Indexed(dataset)`, or give 'image_id' in the batch."
            )
        ids, names = numbered(given.image_ids)

        def keep(place: int) -> tuple[Said, Said]:
            row = logits[place : place + 1].cpu()
            return said_of(row, None if target is None else target[place : place + 1].cpu()), said_of(row)

        kwargs = {"target": target, "image_ids": ids}
        return Examples(len(logits), (logits,), kwargs, target is not None, given.images, keep, names, truth=target)

    def without_labels(self, name: str, metric: Any, outputs: Any, batch: Any) -> Exception:
        """Names the definitions that do without."""
        return ValueError(
            f"HardestImages finds no labels: the step returned {described(outputs)} for a batch that is"
            f" {described(batch)}. {name!r} needs them; where there are none, rank by Entropy, LeastConfidence or"
            " TwoBestGap. Return {'logits': ..., 'target': ...} from it, or pass `to_inputs=` a function (outputs,"
            " batch) -> ClassifiedInputs."
        )

    def tiles(self, metric: Any, kept: Sequence[Kept], class_names: Mapping[int, str] | None) -> "list[Image]":
        """Each image in a frame, under what was said."""
        size = min(tile_size(len(kept)), 480)
        tiles = []
        for one in kept:
            judged, alone = one.about
            (label,), (said,), *probabilities = map(Tensor.tolist, judged if metric.needs_labels else alone)
            of_label, of_said = (value for (value,) in probabilities)
            shown = None if label < 0 else label
            tiles.append(classified_tile(one.image, shown, said, (of_label, of_said), class_names, one.caption, size))
        return tiles

    def grid(self, metric: Any, tiles: "Sequence[Image]", title: str) -> "Image":
        """With the legend of frames."""
        return arrange_classified(tiles, title, judged=metric.needs_labels)
