"""How a callback understands, keeps and draws images of classifiers."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
import torch.distributed as dist
from torch import Tensor

from hardest_metrics.adapter import Adapter, Examples, Kept, are_ids, are_labels, described, found
from hardest_metrics.data.identity import Identifier, named_numbers
from hardest_metrics.data.indexed import ID_KEYS
from hardest_metrics.functional.classification.inputs import checked_target, shaped_logits
from hardest_metrics.plot import tile_size
from hardest_metrics.plot.classified import arrange_classified, classified_tile

if TYPE_CHECKING:
    from PIL.Image import Image

_LOGITS = ("logits", "preds", "predictions")
_TARGETS = ("target", "targets", "labels", "label", "y")
_IMAGES = ("images", "image", "imgs", "img", "pixel_values", "inputs", "x")


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
    image_ids: Tensor | Sequence[Identifier] | None = None
    images: Sequence[Tensor] | Tensor | None = None


class _Said(NamedTuple):
    """What is drawn of an image: its label, what was said, and the probability of each."""

    label: int | None
    said: int
    probabilities: tuple[float, float]


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

    Several labels an image: shown are the label of lowest probability that it has, as its label, and that of highest
    probability that it has not, as what was said.
    """

    def inputs(self, outputs: Any, batch: Any) -> ClassifiedInputs:
        """Find logits, labels, ids and images where users of Lightning put them."""
        places = (outputs, batch)
        parts = batch if isinstance(batch, list | tuple) else ()
        logits = outputs if _is_logits(outputs) else found(places[:1], _LOGITS, _is_logits)
        if logits is None:
            raise ValueError(
                f"HardestImages finds no logits: the step returned {described(outputs)} for a batch that is"
                f" {described(batch)}. Return {{'logits': ...}} from it, (N, K) floats, beside 'target', (N,) integers,"
                " or pass `to_inputs=` a function (outputs, batch) -> ClassifiedInputs."
            )
        target = found(places, _TARGETS, are_labels)
        if target is None and len(parts) > 1 and are_labels(parts[1]):
            target = parts[1]
        image_ids = found(places, ID_KEYS, are_ids)
        if image_ids is None and len(parts) > 2 and are_ids(parts[2]):
            image_ids = parts[2]
        images = found(places, _IMAGES, _are_images)
        if images is None:
            images = next((place for place in (*parts[:1], batch) if _are_images(place)), None)
        return ClassifiedInputs(logits, target, image_ids, images)

    def examples(self, inputs: Any) -> Examples:
        """The batch, with numbers for ids."""
        if not isinstance(inputs, tuple) or not 1 <= len(inputs) <= 4:
            raise TypeError(
                "`to_inputs` must give ClassifiedInputs(logits, target, image_ids, images), but gave a"
                f" {type(inputs).__name__}."
            )
        given = ClassifiedInputs(*inputs)
        logits = shaped_logits(given.logits)
        target = None if given.target is None else checked_target(given.target, logits)
        if given.images is not None and len(given.images) != len(logits):
            raise ValueError(f"HardestImages got {len(given.images)} images, but logits of {len(logits)}.")
        if given.image_ids is None and dist.is_available() and dist.is_initialized() and dist.get_world_size() > 1:
            raise ValueError(
                "HardestImages finds no ids of the images, by which several processes know them: wrap the data set, as"
                " `hardest_metrics.data.Indexed(dataset)`, or give 'image_id' in the batch."
            )
        ids, names = _numbered(given.image_ids)

        def keep(place: int) -> _Said:
            return _said(logits[place], None if target is None else target[place])

        kwargs = {"target": target, "image_ids": ids}
        return Examples(len(logits), (logits,), kwargs, target is not None, given.images, keep, names)

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
        return [
            classified_tile(
                one.image, one.about.label if metric.needs_labels else None, one.about.said, one.about.probabilities,
                class_names, one.caption, size,
            )
            for one in kept
        ]  # fmt: skip

    def grid(self, metric: Any, tiles: "Sequence[Image]", title: str) -> "Image":
        """With the legend of frames."""
        return arrange_classified(tiles, title, judged=metric.needs_labels)


def _is_logits(value: Any) -> bool:
    return isinstance(value, Tensor) and value.ndim == 2 and value.is_floating_point()


def _are_images(value: Any) -> bool:
    if isinstance(value, Tensor):
        return value.ndim == 4
    return isinstance(value, list | tuple) and all(isinstance(one, Tensor) and one.ndim == 3 for one in value)


def _numbered(image_ids: Tensor | Sequence[Identifier] | None) -> tuple[Tensor | None, dict[int, str]]:
    """Ids as metrics keep them, and what those that are text are called."""
    if image_ids is None or isinstance(image_ids, Tensor):
        return image_ids, {}
    numbers, names = named_numbers(image_ids)
    return torch.tensor(numbers), names


def _said(logits: Tensor, target: Tensor | None) -> _Said:
    if target is not None and target.ndim:
        probabilities = logits.double().sigmoid()
        has = target.bool()
        missed = int(probabilities.masked_fill(~has, torch.inf).argmin())
        said = int(probabilities.masked_fill(has, -torch.inf).argmax())
        label = missed if bool(has.any()) else None
        return _Said(label, said, (float(probabilities[missed]), float(probabilities[said])))
    probabilities = logits.double().softmax(0)
    said = int(probabilities.argmax())
    label = None if target is None else int(target)
    return _Said(label, said, (float(probabilities[label or 0]), float(probabilities[said])))
