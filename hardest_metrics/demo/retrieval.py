"""Retrieval: the queries that find the wrong things, by labels of two levels."""

from pathlib import Path

import numpy as np

from hardest_metrics.demo.chapter import Chapter
from hardest_metrics.demo.digits import glyphs
from hardest_metrics.demo.pictures import write_labels, write_pictures


def chapter(folder: Path) -> Chapter:
    """Digits as embeddings, which are their pixels, with labels and pictures, in ``folder``; files are replaced."""
    images = folder / "images"
    opacity, labels = glyphs("val")
    names = write_pictures(images, opacity)
    np.save(folder / "embeddings.npy", opacity.flatten(1).numpy())
    parity = ["odd" if digit % 2 else "even" for digit in labels.tolist()]
    write_labels(folder / "labels.csv", names, digit=labels.tolist(), parity=parity)
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
