"""The objects of a target set that candidates are scored by."""

import hashlib
import json
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import torch
from torch import Tensor
from torchvision.ops import box_convert

from hardest_metrics.data import read_annotations
from hardest_metrics.data.digest import content_digest
from hardest_metrics.data.json_file import PathLike
from hardest_metrics.detectors.image_files import ImageFile, find_image, image_size


class TargetSet(NamedTuple):
    """Images with objects, and these.

    Attributes:
        files: of the images.
        targets: of each, ``boxes`` ``(n, 4)`` float64, xyxy in pixels, and ``labels`` ``(n,)`` int64.
        sizes: of each, height and width in pixels.
        notes: what was left out, and what else a reader should know.
    """

    files: list[ImageFile]
    targets: list[dict[str, Tensor]]
    sizes: list[tuple[int, int]]
    notes: list[str]

    @property
    def number(self) -> int:
        """Of objects."""
        return sum(len(target["labels"]) for target in self.targets)

    def contents(self) -> list[str]:
        """A digest of what is in each file."""
        with ThreadPoolExecutor() as pool:
            return list(pool.map(content_digest, [file.path for file in self.files]))

    def digest(self, contents: Sequence[str]) -> str:
        """What tells this set from others: its images, by what is in them, and all objects."""
        objects = [[target[name].tolist() for name in ("boxes", "labels")] for target in self.targets]
        return hashlib.sha256(json.dumps([contents, objects]).encode()).hexdigest()


def read_target_set(annotations: PathLike, images: PathLike, split: str | None = None) -> TargetSet:
    """Read labelled images, in any format of :func:`~hardest_metrics.data.read_annotations`.

    Crowds, which are no single objects, boxes without area, in which there is nothing to pool, and images without
    objects are left out; the notes say how many.

    Args:
        annotations: of the training split of the target set.
        images: the folder of the image files.
        split: of a Pascal VOC folder, the split to read.

    Raises:
        OSError: when a file cannot be read.
        ValueError: when a file is not as it should be, or there is no object left.
    """
    known = read_annotations(annotations, split)
    files, targets, sizes = list[ImageFile](), list[dict[str, Tensor]](), list[tuple[int, int]]()
    crowds = flat = 0
    for target, name, shown, size in zip(
        known.target, known.file_names, known.shown_ids, known.image_sizes, strict=True
    ):
        single, extended = target["iscrowd"] == 0, (target["boxes"][:, 2:] > 0).all(1)
        crowds, flat = crowds + int((~single).sum()), flat + int((single & ~extended).sum())
        kept = single & extended
        if kept.any():
            path = find_image(images, name, shown)
            files.append(ImageFile(shown, name, path, size))
            sizes.append(size or image_size(path))
            targets.append(
                {"boxes": box_convert(target["boxes"][kept], "xywh", "xyxy"), "labels": target["labels"][kept]}
            )
    if not files:
        raise ValueError(f"{annotations}: holds no objects, so there is nothing to score by. Give a labelled set.")
    left_out = {
        ("crowd", "crowds"): crowds,
        ("box without area", "boxes without area"): flat,
        ("image without objects", "images without objects"): len(known.target) - len(files),
    }
    notes = [f"{number} {what[number > 1]} left out" for what, number in left_out.items() if number]
    if len(torch.cat([target["labels"] for target in targets]).unique()) < 2:
        notes.append("all objects are of one class: scores that tell classes apart are undefined")
    return TargetSet(files, targets, sizes, notes)


def shuffled_objects(
    targets: Sequence[dict[str, Tensor]], sizes: Sequence[tuple[int, int]], seed: int = 0
) -> tuple[Tensor, Tensor]:
    """Labels ``(N,)`` and boxes ``(N, 4)``, as shares of width and height, of all objects in an order of chance.

    Each label keeps its box, so that these are the same objects, and features tell nothing of them.
    """
    labels = torch.cat([target["labels"] for target in targets])
    scales = [torch.tensor([width, height, width, height], dtype=torch.float64) for height, width in sizes]
    boxes = torch.cat([target["boxes"].double() / scale for target, scale in zip(targets, scales, strict=True)])
    order = torch.randperm(len(labels), generator=torch.Generator().manual_seed(seed))
    return labels[order], boxes[order]
