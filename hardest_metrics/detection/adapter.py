"""How a callback understands, keeps and draws images of detectors."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from torch import Tensor

from hardest_metrics.adapter import Adapter, Examples, Kept
from hardest_metrics.detection.inputs import Inputs, has_shapes, inputs_of, not_found
from hardest_metrics.functional.detection.mask_packing import EncodedMasks
from hardest_metrics.functional.detection.matching import Query
from hardest_metrics.functional.detection.packing import ImageDict
from hardest_metrics.numbering import image_number, named_numbers
from hardest_metrics.plot import detection_boxes, draw_grid, draw_image, outcome_boxes, tile_size

if TYPE_CHECKING:
    from PIL.Image import Image

    from hardest_metrics.metric import AnyHardnessMetric

#: The labels of an image without objects.
_NOTHING = {
    "boxes": torch.empty(0, 4),
    "masks": torch.empty(0, 1, 1, dtype=torch.bool),
    "keypoints": torch.empty(0),
    "area": torch.empty(0),
    "labels": torch.empty(0, dtype=torch.int64),
}

_BOX_KEYS = ("boxes", "scores", "labels", "iscrowd", "area", "keypoints", "num_keypoints")


class DetectionAdapter(Adapter):
    """Of lists of dicts, one an image; drawn are the boxes that the metric's query counts, by what became of them."""

    def inputs(self, outputs: Any, batch: Any) -> Inputs:
        """As :func:`~hardest_metrics.callbacks.inputs_of`."""
        return inputs_of(outputs, batch)

    def examples(self, inputs: Any) -> Examples:
        """Images and labels, these with the images' sizes; one without boxes among labelled ones has no objects."""
        if not isinstance(inputs, tuple) or not 2 <= len(inputs) <= 5:
            raise TypeError(f"`to_inputs` must give Inputs(preds, target, images), but gave a {type(inputs).__name__}.")
        given = Inputs(*inputs)
        number = len(given.preds)
        if given.images is not None and len(given.images) != number:
            raise ValueError(f"HardestImages got {len(given.images)} images, but predictions for {number}.")
        names: dict[int, str] = {}
        files: dict[int, str] = {}
        preds = _numbered(given.preds, names, files)
        others = {"members": given.members, "witnesses": given.witnesses}
        beside = {name: [_numbered(other, names, files) for other in each] for name, each in others.items()}
        labelled: bool | None = False
        target: Sequence[ImageDict] = [{} for _ in preds]
        if given.target is not None:
            target = _numbered(given.target, names, files)
            labelled = any(map(has_shapes, target)) or None
        target = _with_sizes(preds, target, given.images)
        if labelled is not False:
            # torchvision's COCO sets give nothing but the id of an image without annotations
            target = [image if has_shapes(image) else {**_NOTHING, **image} for image in target]

        def keep(place: int) -> _Boxes:
            return _Boxes(_boxes_of("preds", preds, place), _boxes_of("target", target, place))

        truth = None if labelled is False else target
        return Examples(number, (preds, target), beside, labelled, given.images, keep, names, files, truth)

    def without_labels(self, name: str, metric: "AnyHardnessMetric", outputs: Any, batch: Any) -> Exception:
        """Names the estimate that does without."""
        remedy = (
            f"{name!r} needs them; where there are none, estimate it: ExpectedHardness({type(metric).__name__}()). "
        )
        return not_found("labels", outputs, batch, remedy)

    def tiles(
        self, metric: "AnyHardnessMetric", kept: Sequence[Kept], class_names: Mapping[int, str] | None
    ) -> "list[Image]":
        """Each image with its boxes: judged by its labels, or all alike where the metric needs none."""
        preds, target = [one.about.preds for one in kept], [one.about.target for one in kept]
        query: Query = getattr(metric, "query", Query())
        box_format: Any = getattr(metric, "box_format", "xyxy")
        if metric.needs_labels:
            shapes: Any = getattr(metric, "iou_type", "bbox"), getattr(metric, "sigmas", None)
            boxes = outcome_boxes(preds, target, query, box_format, *shapes)
        else:
            boxes = detection_boxes(preds, query, box_format)
        size = tile_size(len(kept))
        return [
            draw_image(one.image, drawn, one.caption, class_names, size) for one, drawn in zip(kept, boxes, strict=True)
        ]

    def grid(self, metric: "AnyHardnessMetric", tiles: "Sequence[Image]", title: str) -> "Image":
        """With the legend of outcomes, or of detections that no labels judge."""
        return draw_grid(tiles, title, judged=metric.needs_labels)


class _Boxes(NamedTuple):
    """The boxes of an image, on the CPU; of labels none where there are none."""

    preds: dict[str, Any]
    target: dict[str, Any]


def _boxes_of(side: str, images: Sequence[ImageDict], place: int) -> dict[str, Any]:
    # clones: a view would keep the whole batch alive
    image = images[place]
    given = {key: torch.as_tensor(image[key]) for key in _BOX_KEYS if key in image}
    kept: dict[str, Any] = {key: values.clone().cpu().as_subclass(Tensor) for key, values in given.items()}
    if isinstance(image.get("masks"), Tensor):
        kept["masks"] = EncodedMasks.of(images, place, side)
    elif "masks" in image:  # RLEs and polygons are small, and of their own memory
        kept |= {key: image[key] for key in ("masks", "image_size") if key in image}
    return kept


def _numbered(images: Sequence[ImageDict], names: dict[int, str], files: dict[int, str]) -> Sequence[ImageDict]:
    """The images with numbers for ids that are text; what they are called goes to `names` and `files`."""
    called = [image["image_id"] for image in images if isinstance(image.get("image_id"), str)]
    if called:
        names.update(named_numbers(called)[1])
        images = [
            {**image, "image_id": image_number(image["image_id"])} if isinstance(image.get("image_id"), str) else image
            for image in images
        ]
    for image in images:
        if isinstance(image.get("file_name"), str) and image.get("image_id") is not None:
            files[int(image["image_id"])] = image["file_name"]
    return images


def _with_sizes(
    preds: Sequence[ImageDict], target: Sequence[ImageDict], images: Sequence[Tensor] | Tensor | None
) -> Sequence[ImageDict]:
    """Labels with the size of each image, where neither side gives one: that of its tensor, padding included."""
    if images is None or len(images) != len(target):
        return target
    return [
        labels if _has_size(labels) or _has_size(pred) else {**labels, "image_size": tuple(images[place].shape[-2:])}
        for place, (pred, labels) in enumerate(zip(preds, target, strict=False))
    ]


def _has_size(image: ImageDict) -> bool:
    return "image_size" in image or hasattr(image.get("boxes"), "canvas_size")
