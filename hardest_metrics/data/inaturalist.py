"""iNaturalist 2018: species, and the tree of life above them."""

from collections.abc import Callable
from pathlib import Path, PurePosixPath
from typing import Any, Literal

import torch
from PIL import Image

from hardest_metrics.data.hierarchical import HierarchicalImages, number_classes
from hardest_metrics.data.json_file import Entries, PathLike, load_json

_ABOVE_SPECIES = ("genus", "family", "order", "class", "phylum", "kingdom")


class INaturalist2018(HierarchicalImages):
    """iNaturalist 2018 in the split for retrieval: 5,690 species to learn from, 2,452 others to be judged by.

    ``"base"`` has two levels: species, and the group of animals, plants or others that its folder lies in. ``"full"``
    has seven: species, genus, family, order, class, phylum, kingdom. A group is known by all that it belongs to: of
    names that occur twice, such as *Morus*, a mulberry and a gannet, the groups are told apart, where labels by name
    would be no tree.

    Labels of the finest level are the category ids; others number all groups there are, so that they mean the same in
    both splits.

    Args:
        folder: with ``Inat_dataset_splits/Inaturalist_<split>_set1.txt``, the categories, and the images in it.
        split: which of the two lists.
        levels: which levels.
        transform: see :class:`HierarchicalImages`.
        categories: the file in the folder that knows the categories: one of the competition's annotations, or a list of
            categories.

    Raises:
        OSError: when a file is missing.
        ValueError: when a file is not as it should be; the message names it, the place and the remedy.

    `The iNaturalist Species Classification and Detection Dataset <https://arxiv.org/abs/1707.06642>`_, CVPR 2018; the
    split is that of `Smooth-AP <https://arxiv.org/abs/2007.12163>`_, ECCV 2020.
    """

    def __init__(
        self,
        folder: PathLike,
        split: Literal["train", "test"],
        levels: Literal["base", "full"] = "full",
        transform: Callable[[Image.Image], Any] | None = None,
        categories: str = "train2018.json",
    ) -> None:
        if split not in ("train", "test"):
            raise ValueError(f"split={split!r}: choose train or test.")
        if levels not in ("base", "full"):
            raise ValueError(f"levels={levels!r}: choose base or full.")
        listed = Path(folder, "Inat_dataset_splits", f"Inaturalist_{split}_set1.txt")
        lines = [(n, line.strip()) for n, line in enumerate(listed.read_text(encoding="utf-8").splitlines(), start=1)]
        paths = [(n, PurePosixPath(line)) for n, line in lines if line]
        if not paths:
            raise ValueError(f"{listed}: the file is empty. Copy it again.")
        known = Path(folder, categories)
        parents, names = _groups(known, levels)
        rows = []
        for n, path in paths:
            species = path.parts[-2] if len(path.parts) > 2 else ""
            if not species.isdecimal() or int(species) not in parents:
                raise ValueError(
                    f"{listed}: line {n}: {str(path)!r} lies in the folder {species!r}, which is no category id of "
                    f"{known}. Correct the line or give the right categories."
                )
            rows.append((int(species), *parents[int(species)]))
        super().__init__([Path(folder, path) for _, path in paths], torch.tensor(rows), transform, names)


def _groups(path: Path, levels: Literal["base", "full"]) -> tuple[dict[int, list[int]], list[dict[int, str]]]:
    """The labels above each species, by its id; and the names of all labels, by level."""
    document = load_json(path)
    if isinstance(document, dict):
        if "categories" not in document:
            raise ValueError(
                f"{path}: has no 'categories'. Give the annotations or the categories of iNaturalist 2018."
            )
        document = document["categories"]
    entries = Entries(path, "categories", document, "id")
    ids = entries.integers("id").tolist()
    above = ("supercategory",) if levels == "base" else _ABOVE_SPECIES
    columns = [entries.strings(name) for name in above]
    # a group by all that it belongs to, from the kingdom down to itself
    lineages = [
        tuple(tuple(reversed(row[level:])) for level in range(len(above))) for row in zip(*columns, strict=True)
    ]
    labels, keys = number_classes(lineages)
    named = [{label: lineage[-1] for label, lineage in level.items()} for level in keys]
    return dict(zip(ids, labels.tolist(), strict=True)), [dict(zip(ids, entries.strings("name"), strict=True)), *named]
