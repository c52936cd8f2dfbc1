"""After every validation or test: which queries retrieve worst, and what they retrieve."""

from collections.abc import Callable, Mapping, Sequence
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, cast

import torch
from PIL.Image import Image
from torch import Tensor
from torchmetrics import MetricCollection

from hardest_metrics.callbacks.collecting import Collecting, items, known_together
from hardest_metrics.callbacks.evaluation import EvaluationCallback, Stage, is_due, loader_suffixes
from hardest_metrics.callbacks.once import Once
from hardest_metrics.callbacks.pixels import Pixels
from hardest_metrics.callbacks.showing import Finished, Showing
from hardest_metrics.metric import AnyHardnessMetric
from hardest_metrics.ranking import Ranking
from hardest_metrics.summary import Summary

if TYPE_CHECKING:
    from lightning.pytorch import LightningModule, Trainer
else:
    LightningModule = Trainer = Any


class HardestQueries(EvaluationCallback):
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
        to_inputs: a function ``(outputs, batch)`` to :class:`~hardest_metrics.retrieval.adapter.RetrievalInputs`.
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
        super().__init__()
        numbers = {"top_k": top_k, "neighbours": neighbours, "every_n_epochs": every_n_epochs, "window": window}
        for name, number in numbers.items():
            if type(number) is not int or number < 1:
                raise ValueError(f"`{name}` must be an integer of at least 1, but is {number!r}.")
        if images is not None and not callable(images) and not hasattr(images, "__getitem__"):
            raise TypeError(f"`images` must be a data set or a function from an id, but is a {type(images).__name__}.")
        self.images, self.roles, self.top_k, self.neighbours = images, roles, top_k, neighbours
        self.every_n_epochs = every_n_epochs
        once = Once(type(self).__name__)
        self._pixels = Pixels(mean, std, unnormalize, once)
        self._collecting = Collecting(metrics, to_inputs, top_k, self._pixels, once)
        for name, metric in items(self.metrics):
            if not hasattr(metric, "neighbours"):
                raise TypeError(f"`metrics` must be of retrieval, but {name!r} is a {type(metric).__name__}.")
            metric.reduction = None
        self._showing = Showing(dirpath, "hardest_queries", top_k, window, once, "queries")

    @property
    def metrics(self) -> MetricCollection:
        """What queries are ranked by; nothing is added to these, but to copies, one a set."""
        return self._collecting.metrics

    @property
    def state_key(self) -> str:
        """Tells callbacks of different configuration apart in a checkpoint."""
        return self._generate_state_key(metrics=list(map(str, self.metrics)), top_k=self.top_k)

    def state_dict(self) -> dict[str, Any]:
        """For how long queries have been hard, in plain ints and tensors."""
        return self._showing.histories.state_dict()

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on from where the checkpoint was saved."""
        self._showing.histories.load_state_dict(state_dict)

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Find the folder to write to."""
        super().setup(trainer, pl_module, stage)
        self._showing.setup(trainer)

    def begin(self) -> None:
        """Forget the last epoch."""
        self._collecting.begin()

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
        due = is_due(trainer, self.every_n_epochs)
        found: list[tuple[str, str, _Queries]] = []
        for place, suffix in enumerate(suffixes):
            of_loader = self._collecting.of(place, pl_module.device, self._participants.group)
            rankings = of_loader.metrics.compute()
            names = known_together(of_loader.names, self._participants, trainer)
            for name, metric in items(of_loader.metrics):
                ranking = rankings[of_loader.metrics._set_name(name)]
                nearest, of_retrieval = None, cast("Any", metric)
                if due and self.images is not None:  # all processes ask
                    nearest = of_retrieval.neighbours(ranking.top(self.top_k).image_ids, self.neighbours)
                found.append((name, suffix, _Queries(metric, ranking, nearest, names)))
        self.begin()
        for name, suffix, queries in found:
            summary = Summary.of(queries.ranking, queries.ranking.hardness > 0)
            tag = f"{stage}/{name}"
            self.log_equal(f"{tag}/score{suffix}", 1 - summary.mean)
            self.log_equal(f"{tag}/without_positives{suffix}", float(getattr(queries.metric, "without_positives", 0)))
            drawn = partial(self._rows, queries), partial(self._picture, queries)
            finished = Finished(f"{tag}{suffix}", summary, *drawn, "of hardness above 0", queries.names)
            history = self._showing.remember(trainer, finished)
            if due and self._participants.is_first:
                self._showing.show(trainer, finished, history)

    def _rows(self, queries: "_Queries", captions: Mapping[int, str]) -> dict[int, Image]:
        """A picture of each of the hardest queries with its neighbours."""
        if queries.nearest is None:
            return {}
        image_of = cache(self._image_of)
        hardest = queries.ranking.top(len(captions))
        rows = {}
        for place, image_id in enumerate(captions):
            one = slice(place, place + 1)
            parts = {name: getattr(queries.nearest, name)[one] for name in ("query_ids", "item_ids", "level")}
            nearest = queries.nearest._replace(**parts)
            part = Ranking(hardest.image_ids[one], hardest.hardness[one])
            rows[image_id] = self._collecting.adapter.draw(part, nearest, image_of, queries.name_of)  # type: ignore[attr-defined]
        return rows

    def _picture(self, queries: "_Queries", rows: Sequence[Image], title: str) -> Image:
        hardest = queries.ranking.top(len(rows))
        picture: Image = self._collecting.adapter.draw(  # type: ignore[attr-defined]
            hardest, queries.nearest, cache(self._image_of), queries.name_of, title
        )
        return picture

    def _image_of(self, image_id: int) -> Any:
        given = self.images(image_id) if callable(self.images) else self.images[image_id]
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
        nearest: neighbours of the hardest; None if they are not drawn.
        names: what images are called, by id, where that is another.
    """

    metric: AnyHardnessMetric
    ranking: Ranking
    nearest: Any
    names: Mapping[int, str]

    def name_of(self, image_id: int) -> str:
        """What an image is called."""
        return self.names.get(image_id, str(image_id))
