"""What packing masks and packing keypoints have in common: boxes stand in for them while all else is checked."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from hardest_metrics.functional.detection.boxes import Batch, Detections
from hardest_metrics.functional.detection.geometry import Geometry
from hardest_metrics.functional.detection.packing import ImageDict, canvas_of
from hardest_metrics.functional.ids import NO_ID

#: What is checked as for boxes.
_CHECKED = ("scores", "labels", "iscrowd", "area", "image_id", "image_size")


class Side:
    """One of the two arguments: of each image its masks, or its keypoints.

    Args:
        name: ``"preds"`` or ``"target"``.
        images: one dict an image.
        key: of what is compared.

    Raises:
        TypeError: if it is no list of dicts.
    """

    def __init__(self, name: str, images: Sequence[ImageDict], key: str) -> None:
        self.name, self.images, self.key = name, images, key
        kinds = set(map(type, images))
        if isinstance(images, Mapping | str) or not all(issubclass(kind, Mapping) for kind in kinds):
            raise TypeError(f"`{name}` must be a list with one dict an image, but is a {type(images).__name__}.")

    def value(self, index: int) -> Any:
        """What an image has under the key.

        Raises:
            ValueError: if it lacks it.
        """
        if self.key not in self.images[index]:
            raise ValueError(
                f"{self.at(index)} lacks the key '{self.key}': add it, with an empty tensor if the image has none."
            )
        return self.images[index][self.key]

    def at(self, index: int, key: str | None = None) -> str:
        """How a message names an image, or one of its entries."""
        name = f"`{self.name}[{index}]" + ("`" if key is None else f"['{key}']`")
        image_id = self.images[index].get("image_id")
        if isinstance(image_id, Tensor) and image_id.numel() == 1:
            image_id = image_id.item()
        return f"{name} (image_id {image_id})" if isinstance(image_id, int) and image_id != NO_ID else name

    def with_boxes(self, boxes: Sequence[Tensor]) -> list[ImageDict]:
        """The dicts with other boxes, and all that is checked in the host's memory."""
        return [
            {**canvas_of(image), **_on_host(image), "boxes": each}
            for image, each in zip(self.images, boxes, strict=True)
        ]


def _on_host(image: ImageDict) -> ImageDict:
    """What is checked as for boxes, in the host's memory; the image itself where all of it is there already."""
    if all(value.is_cpu for value in image.values() if isinstance(value, Tensor)):
        return image
    checked = {key: image[key] for key in _CHECKED if key in image}
    return {key: value.cpu() if isinstance(value, Tensor) else value for key, value in checked.items()}


def of_lowest_score(batch: Batch, min_score: float) -> tuple[Detections, Tensor]:
    """The detections of at least this score, and ``(k,)`` int64 which of all detections these are."""
    detections = batch.detections
    kept = detections.scored(min_score)
    return detections if len(kept) == len(detections) else detections.take(kept), kept


def own_places(batch: Batch, kept: Tensor) -> list[Tensor]:
    """Of each image ``(k,)`` int64 which of its own detections are among those that are kept of all."""
    detections = batch.detections
    counts = detections.image.bincount(minlength=len(batch))
    image = detections.image.index_select(0, kept)
    own = kept - (counts.cumsum(0) - counts).index_select(0, image)
    return list(own.split(image.bincount(minlength=len(batch)).tolist()))


def areas_of(side: Side, batch: Batch, kept: Tensor, shapes: Geometry) -> Tensor | None:
    """``(n,)`` float64 areas that predictions give themselves, the shapes' own where they do not; None if none does.

    Raises:
        ValueError: if they give others than one area a detection.
    """
    if not any("area" in image for image in side.images):
        return None
    places, parts = own_places(batch, kept), []
    for index, (image, own, area) in enumerate(
        zip(side.images, places, shapes.area.split([len(own) for own in places]), strict=True)
    ):
        if "area" in image:
            number = len(image["scores"])
            given = torch.as_tensor(image["area"]).cpu().double()
            if given.shape != (number,) or not bool(((given >= 0) & given.isfinite()).all()):
                raise ValueError(
                    f"{side.at(index, 'area')} must hold {number} finite numbers of at least 0, the area of each"
                    f" detection in square pixels, but is {str(image['area'])[:60]}."
                )
            area = given.index_select(0, own)
        parts.append(area)
    return torch.cat(parts)
