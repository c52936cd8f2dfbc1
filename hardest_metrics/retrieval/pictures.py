"""Hard queries and what they retrieved, as a picture takes them."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from hardest_metrics.ranking import Ranking
from hardest_metrics.retrieval.base import NearestItems

if TYPE_CHECKING:
    from hardest_metrics.plot import Retrieved
    from hardest_metrics.plot.grid import ImageSource


def retrieved(
    hardest: Ranking,
    found: NearestItems,
    image_of: "Callable[[int], ImageSource]",
    name_of: Callable[[int], str] = str,
) -> "list[Retrieved]":
    """Queries with their nearest items, for :func:`hardest_metrics.plot.draw_neighbours`.

    Args:
        hardest: the queries and their hardness.
        found: their neighbours, in the same order.
        image_of: the image of an id: ``(3, H, W)`` or ``(1, H, W)`` uint8, or the path of a picture. Asked once an id.
        name_of: what stands above it.

    Example:
        >>> import torch
        >>> from hardest_metrics.plot import draw_neighbours
        >>> from hardest_metrics.retrieval import AveragePrecision
        >>> metric = AveragePrecision()
        >>> embeddings = torch.tensor([[1.0, 0.0], [0.9, 0.1], [0.6, 0.4]])
        >>> metric.update(embeddings, torch.tensor([[0, 0], [1, 0], [0, 0]]), torch.tensor([7, 8, 9]))
        >>> hardest = metric.compute().top(1)
        >>> images = {image_id: torch.zeros(3, 60, 80, dtype=torch.uint8) for image_id in (7, 8, 9)}
        >>> rows = retrieved(hardest, metric.neighbours(hardest.image_ids, k=2), images.__getitem__)
        >>> rows[0].caption, rows[0].levels, rows[0].captions
        ('1. 7, hardness 0.5', [1, 2], ['8', '9'])
        >>> draw_neighbours(rows, num_levels=2, size=80).width
        326
    """
    from hardest_metrics.plot import Retrieved

    images: dict[int, ImageSource] = {}
    for image_id in [*found.query_ids.tolist(), *found.item_ids.flatten().tolist()]:
        if image_id not in images:
            images[image_id] = image_of(image_id)
    queries = zip(*(column.tolist() for column in (*hardest, found.item_ids, found.level)), strict=True)
    return [
        Retrieved(
            images[query],
            f"{rank}. {name_of(query)}, hardness {hardness:.4g}",
            [images[item] for item in items],
            levels,
            [name_of(item) for item in items],
        )
        for rank, (query, hardness, items, levels) in enumerate(queries, start=1)
    ]
