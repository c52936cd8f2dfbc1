"""Parquet files of detection sets, as they lie on the Hugging Face hub: a row an image."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import fsspec
import torch

from hardest_metrics.data.annotations import Annotations

Shards = str | Path | Sequence[str | Path]
"""A file, a pattern such as ``train-*.parquet``, or several of either; strings may be URLs."""


def shards(files: Shards) -> list[str]:
    """The files meant, those of a pattern in the order of their names.

    URLs are left as they are: a `Path` would make one slash of two.

    Raises:
        ValueError: when no file is named, or a pattern fits none.

    Example:
        >>> shards("https://example.org/train.parquet")
        ['https://example.org/train.parquet']
    """
    several = [files] if isinstance(files, str | Path) else list(files)
    found = []
    for name in map(str, several):
        if "*" in name:
            system, _, _ = fsspec.get_fs_token_paths(name)
            matches = sorted(system.unstrip_protocol(match) if "://" in name else match for match in system.glob(name))
            if not matches:
                raise ValueError(f"{name}: fits no file; name shards that are there")
            found += matches
        else:
            found.append(name)
    if not found:
        raise ValueError("no parquet file is named; name at least one")
    return found


def read_parquet(files: Shards, class_names: Sequence[str]) -> tuple[list[bytes | str], Annotations]:
    """Images, as bytes or as strings that name them, and annotations; see ``ParquetData`` for the columns.

    Args:
        files: one or several, read as one set.
        class_names: of categories 0, 1, ...

    Raises:
        ValueError: when a column, an image, a box or a category is not as it should be, a category has no name, or two
            images have one id; the message names the file and the image.
    """
    images: list[bytes | str] = []
    image_ids: list[int] = []
    target: list[dict[str, Any]] = []
    numbered = None  # whether the files have a column of ids
    for file in shards(files):
        table = _table(file)
        if numbered not in (None, "image_id" in table):
            raise ValueError(f"{file}: 'image_id' is in some of the files only; give all of them ids, or none")
        numbered = "image_id" in table
        ids = table.get("image_id", range(len(images), len(images) + len(table["image"])))
        for image_id, image, objects in zip(ids, table["image"], table["objects"], strict=True):
            where = f"{file}, image {image_id}"
            images.append(_image(image, where))
            image_ids.append(image_id)
            boxes, labels = _boxes(objects, where)
            if ((labels < 0) | (labels >= len(class_names))).any():
                raise ValueError(
                    f"{where}: categories {labels.tolist()}, but class_names has {len(class_names)}; "
                    "name every category"
                )
            target.append({"boxes": boxes, "labels": labels, "image_id": image_id})
    if len(set(image_ids)) < len(image_ids):
        twice = next(image_id for place, image_id in enumerate(image_ids) if image_id in image_ids[:place])
        raise ValueError(f"{files}: image_id {twice} is there twice; name each file once, and number images apart")
    annotations = Annotations(
        image_ids=image_ids,
        file_names=[image if isinstance(image, str) else "" for image in images],
        image_sizes=[None] * len(images),
        categories=dict(enumerate(class_names)),
        target=target,
    )
    return images, annotations


def _table(file: str) -> dict[str, list[Any]]:
    """The columns that are needed, as lists."""
    import pyarrow.parquet as pq  # which the other formats do without

    with fsspec.open(file, "rb") as opened:
        parquet = pq.ParquetFile(opened)
        names = parquet.schema_arrow.names
        for column in ("image", "objects"):
            if column not in names:
                raise ValueError(f"{file}: has no column {column!r} but {names}; rename one")
        columns = [column for column in ("image", "objects", "image_id") if column in names]
        table = parquet.read(columns=columns)
    return {column: table[column].to_pylist() for column in columns}


def _image(value: Any, where: str) -> bytes | str:
    """Bytes where there are any, else what names the image, as it stands there."""
    for found in (value.get("bytes"), value.get("path")) if isinstance(value, dict) else (value,):
        if isinstance(found, bytes | str):
            return found
    raise ValueError(f"{where}: no image bytes, path or URL; write one into the file")


def _boxes(objects: Any, where: str) -> tuple[torch.Tensor, torch.Tensor]:
    """Boxes ``(n, 4)`` float64 and labels ``(n,)`` int64 of a struct of lists, or of a list of structs."""
    if isinstance(objects, list):
        objects = {name: [one.get(name) for one in objects] for name in ("bbox", "category")}
    if not isinstance(objects, dict) or objects.get("bbox") is None or objects.get("category") is None:
        raise ValueError(f"{where}: objects must have 'bbox' and 'category', empty lists where there is nothing")
    try:
        boxes = torch.tensor(objects["bbox"], dtype=torch.float64).reshape(-1, 4)
    except (TypeError, ValueError, RuntimeError):
        raise ValueError(f"{where}: bbox must hold x, y, width and height of every box") from None
    categories = objects["category"]
    if _is_integer(categories):  # one for all boxes of the image
        categories = [categories] * len(boxes)
    if not isinstance(categories, Iterable) or not all(map(_is_integer, categories)):
        raise ValueError(f"{where}: category {categories!r} must be integers; write the places in class_names")
    labels = torch.tensor(categories, dtype=torch.int64)
    if len(labels) != len(boxes):
        raise ValueError(f"{where}: {len(boxes)} boxes, but {len(labels)} categories; give each box one")
    return boxes, labels


def _is_integer(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)
