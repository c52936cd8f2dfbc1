"""Retrieval: the queries that find the wrong things, by labels of two levels."""

import csv
from pathlib import Path

import numpy as np

from hardest_metrics.demo.chapter import Chapter
from hardest_metrics.demo.classification import picture_of
from hardest_metrics.demo.digits import glyphs


def chapter(folder: Path) -> Chapter:
    """Digits as embeddings, which are their pixels, with labels and pictures, in ``folder``; files are replaced."""
    images = folder / "images"
    images.mkdir(parents=True, exist_ok=True)
    opacity, labels = glyphs("val")
    np.save(folder / "embeddings.npy", opacity.flatten(1).numpy())
    rows = [("file_name", "digit", "parity")]
    for number, (glyph, digit) in enumerate(zip(opacity, labels.tolist(), strict=True)):
        name = f"digit{number:03}.png"
        picture_of(glyph).save(images / name)
        rows.append((name, str(digit), "odd" if digit % 2 else "even"))
    with (folder / "labels.csv").open("w", newline="") as file:
        csv.writer(file).writerows(rows)
    grid = folder / "queries.png"
    return Chapter(
        "Which queries find the wrong things?",
        f"{len(labels)} digits, each looked up among the others by its pixels; labels are digits, odd or even",
        [
            (
                "retrieve", "--embeddings", folder / "embeddings.npy", "--labels", folder / "labels.csv",
                "--images", images, "--top-k", 4, "--neighbours", 6, "--grid", grid,
            ),
        ],
        {grid: "the hardest queries and what they find, framed by how many levels are shared"},
    )  # fmt: skip
