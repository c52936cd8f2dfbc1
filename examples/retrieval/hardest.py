"""The queries that are answered worst, in a picture with what is found in their place."""

from pathlib import Path

import torch
from torch import Tensor

from examples.retrieval.evaluation import Embedded
from hardest_metrics.data import atomic_write
from hardest_metrics.functional.retrieval import nearest_neighbours
from hardest_metrics.plot import Retrieved, draw_neighbours


def draw_hardest(embedded: Embedded, path: Path, title: str, queries: int = 10, k: int = 8) -> list[str]:
    """Draw the queries of lowest H-AP, one of a class, each with its nearest neighbours.

    Args:
        embedded: of images that are all both queries and gallery, ``(1, H, W)`` or ``(3, H, W)`` in [0, 1].
        path: of the picture.
        title: above it.
        queries: how many.
        k: neighbours of each.

    Returns:
        Of each query its class, and in brackets those of its nearest neighbours.
    """
    images, embeddings, ids = embedded.images, embedded.embeddings(), embedded.image_ids
    labels = images.labels[ids]
    hardness = 1 - embedded.scores().hierarchical_ap
    first: dict[int, int] = {}  # a class's hardest query
    for place in hardness.nan_to_num(-1).argsort(descending=True).tolist():
        first.setdefault(int(labels[place, 0]), place)
    hard = torch.tensor([*first.values()][:queries])
    found = nearest_neighbours(
        embeddings[hard], labels[hard], gallery=embeddings, gallery_labels=labels, itself=hard, k=k
    )

    def pixels(place: int) -> Tensor:
        image: Tensor = images[int(ids[place])].image
        return (image * 255).round().to(torch.uint8)

    def name(place: int) -> str:
        return images.class_names[0][int(labels[place, 0])]

    rows = [
        Retrieved(
            pixels(query),
            f"{name(query)}  {hardness[query]:.2f}",
            [pixels(item) for item in items],
            levels,
            [name(item) for item in items],
        )
        for query, items, levels in zip(hard.tolist(), found.items.tolist(), found.level.tolist(), strict=True)
    ]
    with atomic_write(path) as file:
        draw_neighbours(rows, labels.shape[1], title, size=96).save(file, "PNG")
    return [f"{name(query)} ({' '.join(row.captions)})" for query, row in zip(hard.tolist(), rows, strict=True)]
