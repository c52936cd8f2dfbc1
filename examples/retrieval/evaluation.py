"""What embeddings are worth: their scores as queries, and the means of these."""

from collections.abc import Sequence

import torch
from torch import Tensor

from hardest_metrics.data import HierarchicalImage, HierarchicalImages
from hardest_metrics.functional.retrieval import QueryScores, score_queries


class Embedded:
    """The embeddings of a set of images, gathered batch by batch.

    Args:
        images: the set.
    """

    def __init__(self, images: HierarchicalImages) -> None:
        self.images = images
        self._embeddings: list[Tensor] = []
        self._ids: list[Tensor] = []

    def add(self, embeddings: Tensor, batch: HierarchicalImage) -> None:
        """Take the embeddings ``(B, D)`` of a batch."""
        self._embeddings.append(embeddings.detach().float())
        self._ids.append(torch.as_tensor(batch.image_id))

    def embeddings(self) -> Tensor:
        """Those of all images that were seen ``(N, D)``, in order of :attr:`image_ids`."""
        return torch.cat(self._embeddings)[torch.cat(self._ids).argsort()]

    @property
    def image_ids(self) -> Tensor:
        """The images that were seen ``(N,)``, in ascending order."""
        return torch.cat(self._ids).sort().values

    def scores(self, k: Sequence[int] = (1, 10, 20)) -> QueryScores:
        """The scores of all queries, as the set says which images are some."""
        embeddings, ids = self.embeddings(), self.image_ids
        labels = self.images.labels.to(embeddings.device)[ids]
        if self.images.n_queries is None:
            return score_queries(embeddings, labels, k=_up_to(k, len(ids) - 1))
        query = ids < self.images.n_queries
        return score_queries(
            embeddings[query],
            labels[query],
            gallery=embeddings[~query],
            gallery_labels=labels[~query],
            k=_up_to(k, int((~query).sum())),
        )


def means(scores: QueryScores) -> dict[str, float]:
    """The field's numbers: means over queries, those without a positive left out; by level where there are several.

    The finest level is 0.
    """
    found = {"H-AP": scores.hierarchical_ap, "NDCG": scores.ndcg, "ASI": scores.asi}
    by_level = {"mAP": scores.average_precision, "mAP@R": scores.map_at_r}
    by_level |= {f"R@{k}": recall for k, recall in scores.recall_at.items()}
    for name, columns in by_level.items():
        found |= {f"{name}_level{level}": column for level, column in enumerate(columns.unbind(1))}
    return {name: column.nanmean().item() for name, column in found.items()}


def _up_to(k: Sequence[int], items: int) -> list[int]:
    """Of numbers of first items, those that there are so many of, and at least one."""
    return [each for each in k if each <= items] or [1]
