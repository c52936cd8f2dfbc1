"""After every validation or test: which queries retrieve worst, and what they retrieve."""

from collections.abc import Callable, Mapping, Sequence
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, cast

import torch
from PIL.Image import Image
from torch import Tensor
from torchmetrics import MetricCollection

from hardest_metrics.adapter import Kept
from hardest_metrics.callbacks.collecting import Collecting, items, known_together
from hardest_metrics.callbacks.evaluation import Stage, loader_suffixes
from hardest_metrics.callbacks.once import Once
from hardest_metrics.callbacks.pixels import Pixels
from hardest_metrics.callbacks.ranking_callback import RankingCallback, require_counts
from hardest_metrics.callbacks.showing import Finished, Showing
from hardest_metrics.metric import AnyHardnessMetric
from hardest_metrics.plot import MAX_TILES
from hardest_metrics.ranking import Ranking
from hardest_metrics.summary import Summary

if TYPE_CHECKING:
    from lightning.pytorch import LightningModule, Trainer
else:
    LightningModule = Trainer = Any


class HardestQueries(RankingCallback):
    """Ranks the queries of every validation and test by how badly they retrieve, and shows the hardest.

    At the end of each epoch, for each metric: the mean score is logged as ``val/<metric>/score``, and how many queries
    have no positive as ``val/<metric>/without_positives``; the ranking is written as CSV; and the hardest queries are
    drawn in front of their nearest neighbours, framed by how many levels of the tree they share. File, picture,
    loggers, terminal and history are those of :class:`~hardest_metrics.HardestImages`.

    Steps return ``{"embeddings": ..., "labels": ..., "image_id": ...}``, or embeddings for a batch ``(images, labels,
    ids)``. All queries of all processes are scored once for all metrics; only of those shown are neighbours looked up.

    Args:
        metrics: one metric of :mod:`hardest_metrics.retrieval`, a list, a dict or a MetricCollection of them.
        images: where pictures come from: a data set that gives an image, or a tuple or dict that holds one, for an id;
            or a function from an id to an image or path. None for no pictures.
        roles: of each loader: ``"query"``, ``"gallery"`` or ``"both"``; all of them make one set then. None where each
            loader is a set by itself.
        top_k: how many queries are shown.
        neighbours: how many neighbours of each.
        every_n_epochs: how often pictures and files are made in `fit`; scalars are logged at every validation.
        dirpath: where to write; None for ``hardest_queries`` in the folder of the run.
        mean: of each channel, if images were normalised with ``(image - mean) / std``; needs `std`.
        std: of each channel, likewise.
        unnormalize: a function from an image of `images` to one with values in [0, 1], or uint8.
        to_inputs: a function ``(outputs, batch)`` to :class:`~hardest_metrics.callbacks.RetrievalInputs`.
        window: for how many validations `hard_for` looks back.

    Raises:
        TypeError, ValueError: if an argument makes no sense; in `setup` if `dirpath` cannot be written to.

    Example:
        >>> from hardest_metrics import HardestQueries
        >>> from hardest_metrics.retrieval import NDCG, HierarchicalAP
        >>> callback = HardestQueries([HierarchicalAP(), NDCG()], top_k=8, neighbours=6)
    """

    def __init__(
        self,
        metrics: AnyHardnessMetric | MetricCollection | Sequence[AnyHardnessMetric] | Mapping[str, AnyHardnessMetric],
        images: Any = None,
        roles: Sequence[Literal["query", "gallery", "both"]] | None = None,
        top_k: int = 8,
        neighbours: int = 8,
        every_n_epochs: int = 1,
        dirpath: str | Path | None = None,
        mean: list[float] | None = None,
        std: list[float] | None = None,
        unnormalize: Callable[[Tensor], Tensor] | None = None,
        to_inputs: Callable[[Any, Any], Any] | None = None,
        window: int = 10,
    ) -> None:
        require_counts(top_k=top_k, neighbours=neighbours, every_n_epochs=every_n_epochs, window=window)
        if images is not None and not callable(images) and not hasattr(images, "__getitem__"):
            raise TypeError(f"`images` must be a data set or a function from an id, but is a {type(images).__name__}.")
        if images is not None and top_k * (1 + neighbours) > MAX_TILES:
            raise ValueError(
                f"`top_k` of {top_k} with {neighbours} `neighbours` each are {top_k * (1 + neighbours)} images, but a"
                f" picture shows at most {MAX_TILES}."
            )
        once = Once(type(self).__name__)
        self._pixels = Pixels(mean, std, unnormalize, once)
        showing = Showing(dirpath, "hardest_queries", top_k, window, once, "queries")
        super().__init__(Collecting(metrics, to_inputs, top_k, self._pixels, once), showing, every_n_epochs)
        self.images, self.roles, self.neighbours = images, roles, neighbours
        for name, metric in items(self.metrics):
            if not hasattr(metric, "neighbours"):
                raise TypeError(f"`metrics` must be of retrieval, but {name!r} is a {type(metric).__name__}.")
            metric.reduction = None

    def add(
        self, trainer: Trainer, pl_module: LightningModule, stage: Stage, outputs: Any, batch: Any, loader: int
    ) -> None:
        """Keep the embeddings of a batch; nothing in `predict`, where there are no labels."""
        if stage == "predict":
            return
        further = {}
        if self.roles is not None:
            if loader >= len(self.roles):
                raise ValueError(f"`roles` are of {len(self.roles)} loaders, but there are more: give one a loader.")
            further, loader = {"role": self.roles[loader]}, 0
        group = self._participants.group
        self._collecting.add(stage, outputs, batch, loader, pl_module.device, group, keep_images=False, **further)

    def finish(self, trainer: Trainer, pl_module: LightningModule, stage: Stage) -> None:
        """Score, log, write and show."""
        if stage == "predict":
            return
        suffixes = loader_suffixes(trainer, stage) if self.roles is None else [""]
        due = self._is_due(trainer)
        found: list[tuple[str, str, _Queries]] = []
        for place, suffix in enumerate(suffixes):
            of_loader = self._collecting.of(place, pl_module.device, self._participants.group)
            rankings: dict[str, Ranking] = of_loader.metrics.compute()
            if not any(len(ranking.image_ids) for ranking in rankings.values()):
                continue
            names = known_together(of_loader.names, self._participants, trainer)
            # all processes ask
            nearest = self._nearest(of_loader.metrics, rankings) if due and self.images is not None else {}
            image_of = cache(partial(self._image_of, names))
            for name, metric in items(of_loader.metrics):
                found.append((name, suffix, _Queries(metric, rankings[name], nearest.get(name), names, image_of)))
        self.begin()
        for name, suffix, queries in found:
            summary = Summary.of(queries.ranking, queries.ranking.hardness > 0)
            tag = f"{stage}/{name}"
            self.log_equal(f"{tag}/score{suffix}", 1 - summary.mean)
            self.log_equal(f"{tag}/without_positives{suffix}", float(queries.metric.without_positives))
            grid = partial(self._collecting.adapter.grid, queries.metric)
            drawn = partial(self._tiles, queries)
            finished = Finished(f"{tag}{suffix}", summary, drawn, grid, "of hardness above 0", queries.names)
            history = self._showing.remember(trainer, finished)
            if due and self._participants.is_first:
                self._showing.show(trainer, finished, history)

    def _nearest(self, metrics: MetricCollection, rankings: Mapping[str, Ranking]) -> dict[str, Any]:
        """What the hardest queries under each metric retrieve first, looked up once for all that compare alike."""
        alike: dict[str, list[tuple[str, Any]]] = {}
        for name, metric in items(metrics):
            alike.setdefault(cast("Any", metric).metric, []).append((name, metric))
        nearest: dict[str, Any] = {}
        for members in alike.values():
            hardest = {name: rankings[name].top(self.top_k).image_ids for name, _ in members}
            found = members[0][1].neighbours(torch.cat(list(hardest.values())).unique(), self.neighbours)
            nearest.update({name: found.of(image_ids) for name, image_ids in hardest.items()})
        return nearest

    def _tiles(self, queries: "_Queries", captions: Mapping[int, str]) -> dict[int, Image]:
        """A picture of each of the hardest queries with what it retrieves."""
        if queries.nearest is None:
            return {}
        kept = []
        nearest = zip(queries.nearest.item_ids.tolist(), queries.nearest.level.tolist(), strict=True)
        for (image_id, caption), (retrieved, levels) in zip(captions.items(), nearest, strict=True):
            names = [queries.names.get(item, str(item)) for item in retrieved]
            about = (list(map(queries.image_of, retrieved)), levels, names)
            kept.append(Kept(queries.image_of(image_id), about, caption))
        return dict(zip(captions, self._collecting.adapter.tiles(queries.metric, kept, None), strict=True))

    def _image_of(self, names: Mapping[int, str], image_id: int) -> Any:
        called = names.get(image_id, image_id)  # as the user's steps call it
        given = self.images(called) if callable(self.images) else self.images[called]
        if isinstance(given, Mapping):
            given = next(given[key] for key in ("image", "images", "pixel_values") if key in given)
        elif isinstance(given, tuple | list):
            given = given[0]
        return self._pixels(given) if isinstance(given, torch.Tensor) else given


class _Queries(NamedTuple):
    """What came of one metric and set.

    Attributes:
        metric: itself.
        ranking: of its queries.
        nearest: what the hardest retrieve first; None if they are not drawn.
        names: what images are called, by id, where that is another.
        image_of: the image of an id, fetched once.
    """

    metric: Any
    ranking: Ranking
    nearest: Any
    names: Mapping[int, str]
    image_of: Callable[[int], Any]
