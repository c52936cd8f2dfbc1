"""DyML: vehicles, animals and products, each labelled at a fine, a middle and a coarse level."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import torch
from PIL import Image
from torch import Tensor

from hardest_metrics.data.hierarchical import HierarchicalImages
from hardest_metrics.data.json_file import PathLike
from hardest_metrics.data.table import Table

_LEVELS = ("fine_id", "middle_id", "coarse_id")


class DyML(HierarchicalImages):
    """A data set of dynamic metric learning: DyML-Vehicle, DyML-Animal or DyML-Product.

    ``"train"``, three levels, lies in ``train/label.csv`` and ``train/imgs/``. Vehicle and Animal are judged by three
    sets of one level each, ``"fine"``, ``"middle"`` and ``"coarse"``: queries and their gallery, ``query.csv``,
    ``gallery.csv`` and the folders ``query/`` and ``gallery/`` in ``bmk_<part>/``; here queries come first, see
    ``n_queries``. Product is judged by one set of three levels, ``"all"``, in ``mini-bmk_all_in_one/``, of which each
    image is looked up among the others. Labels are the files' numbers.

    Args:
        folder: the data set.
        part: which part of it.
        transform: see :class:`HierarchicalImages`.

    Raises:
        OSError: when a file is missing.
        ValueError: when it is not as it should be; the message names it, the line and the remedy.

    `Dynamic Metric Learning: Towards a Scalable Metric Space to Accommodate Multiple Semantic Scales
    <https://arxiv.org/abs/2103.11781>`_, CVPR 2021.
    """

    def __init__(
        self,
        folder: PathLike,
        part: Literal["train", "fine", "middle", "coarse", "all"],
        transform: Callable[[Image.Image], Any] | None = None,
    ) -> None:
        root = Path(folder)
        if part in ("fine", "middle", "coarse"):
            benchmark = root / f"bmk_{part}"
            sides = [_read(benchmark / f"{side}.csv", benchmark / side, ("labels",)) for side in ("query", "gallery")]
            (queries, _), _ = sides
            files = [file for side, _ in sides for file in side]
            super().__init__(files, torch.cat([labels for _, labels in sides]), transform, n_queries=len(queries))
        elif part in ("train", "all"):
            inner = root / ("train" if part == "train" else "mini-bmk_all_in_one")
            super().__init__(*_read(inner / "label.csv", inner / "imgs", _LEVELS), transform)
        else:
            raise ValueError(f"part={part!r}: choose train, fine, middle, coarse or all.")


def _read(path: Path, images: Path, columns: tuple[str, ...]) -> tuple[list[Path], Tensor]:
    table = Table(path)
    # The first column of labels is called "fine_id0.jpg" or "labels0.jpg" in the files as they were published.
    by_start = [next((name for name in table.header if name.startswith(column)), column) for column in columns]
    labels = torch.tensor([table.integers(name) for name in by_start]).T
    return [images / name for name in table.texts("fname")], labels.contiguous()
