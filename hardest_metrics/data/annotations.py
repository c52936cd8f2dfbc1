"""The labels of a data set, whichever format they were read from."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any


@dataclass(frozen=True, eq=False, repr=False)
class Annotations:
    """Images, categories and ground-truth boxes of a labelled data set.

    All lists are in the order of the data set, one item per image.

    Args:
        image_ids: the id of each image, an int64.
        file_names: the file name of each image, as the source gives it; its id where the source gives none.
        image_sizes: (height, width) of each image in pixels, None where the source gives none.
        categories: the name of each label.
        target: the ground truth of each image, as the metrics take it:

            - ``boxes``: ``(n, 4)`` float64, (x, y, width, height) in pixels.
            - ``labels``: ``(n,)`` int64.
            - ``iscrowd``: ``(n,)`` int64, 1 for boxes that are ignored and may be found many times.
            - ``area``: ``(n,)`` float64, square pixels; only where the source gives areas.
            - ``image_id``: int.
            - ``image_size``: (height, width), only where it is known.

            Of images without labels only these last two.
        split: the name of the part of a larger data set that these are, None of all of it.
        source_ids: the id of each image as the source gives it, where some are text; ``image_ids`` are then the numbers
            that stand for them, see :func:`~hardest_metrics.data.image_number`.

    Example:
        >>> annotations = Annotations([], [], [], {1: "person", 3: "car"}, [])
        >>> annotations
        Annotations(0 images, 0 boxes, 2 categories)
        >>> annotations.labels_named(["car"])
        [3]
    """

    image_ids: list[int]
    file_names: list[str]
    image_sizes: list[tuple[int, int] | None]
    categories: dict[int, str]
    target: list[dict[str, Any]]
    split: str | None = None
    source_ids: list[int | str] | None = None

    @property
    def shown_ids(self) -> list[int | str]:
        """The id of each image as people know it."""
        return list(self.image_ids) if self.source_ids is None else self.source_ids

    def __repr__(self) -> str:
        n_boxes = sum(len(image.get("labels", ())) for image in self.target)
        counts = f"{len(self.image_ids)} images, {n_boxes} boxes, {len(self.categories)} categories"
        return f"Annotations({counts})"

    def without_labels(self) -> "Annotations":
        """The same images, their `target` with no more than ids and sizes."""
        sizes: list[dict[str, Any]] = [{} if size is None else {"image_size": size} for size in self.image_sizes]
        ids = [{"image_id": image_id} for image_id in self.image_ids]
        return replace(self, target=[one | size for one, size in zip(ids, sizes, strict=True)])

    def labels_named(self, names: Sequence[str]) -> list[int]:
        """The labels of the categories with these names, in the order of ``names``.

        A name that several categories share stands for all of them.

        Raises:
            ValueError: when no category has one of the names; the message lists those there are.
        """
        labels = []
        for name in names:
            found = [label for label, known in self.categories.items() if known == name]
            if not found:
                known_names = ", ".join(repr(known) for known in self.categories.values())
                raise ValueError(f"No category is named {name!r}. Choose from: {known_names}.")
            labels += found
        return labels
