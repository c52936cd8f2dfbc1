"""What a callback collects in an epoch: metrics fed batch by batch, and snapshots of the hardest images."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import torch.distributed as dist
from torchmetrics import Metric, MetricCollection

from hardest_metrics.adapter import Adapter, Examples
from hardest_metrics.callbacks.evaluation import Stage
from hardest_metrics.callbacks.once import Once
from hardest_metrics.callbacks.participants import Participants
from hardest_metrics.callbacks.pixels import Pixels
from hardest_metrics.callbacks.top_images import Snapshot, TopImages
from hardest_metrics.collection import HardnessCollection
from hardest_metrics.finding import described
from hardest_metrics.functional.ids import NO_ID
from hardest_metrics.metric import AnyHardnessMetric, HardnessMetric
from hardest_metrics.summary import Details

if TYPE_CHECKING:
    from lightning.pytorch import Trainer


class Collected(NamedTuple):
    """What came of one metric and loader.

    Attributes:
        loader: its place.
        name: of the metric.
        metric: itself.
        details: of all images of all processes.
        snapshots: of the hardest images, by id; only on the first process that takes part.
        names: what images are called, by id, where that is another; only there, and of all images.
        file_names: likewise.
        labels: what tells whether their labels are the same, by id; only there, and where it was asked for.
        kinds: what there is of each kind of errors, where these are told apart.
    """

    loader: int
    name: str
    metric: AnyHardnessMetric
    details: Details
    snapshots: Mapping[int, Snapshot]
    names: Mapping[int, str]
    file_names: Mapping[int, str]
    labels: Mapping[int, str]
    kinds: Mapping[str, Details]


class Collecting:
    """Feeds metrics with what steps return, a copy of them for each loader, and keeps what is to be drawn.

    Args:
        metrics: see :func:`collection_of`.
        to_inputs: finds what the metrics' domain needs; None for the domain's own way.
        top_k: of how many images a metric a snapshot is kept.
        pixels: turns images into ones that can be drawn.
        once: says what goes wrong.
        label_text: tells whether the labels of an image are the same; None where nobody asks.
        kinds: whether to tell kinds of errors apart.

    Raises:
        ValueError: if there are none to tell apart.
    """

    def __init__(
        self, metrics: Any, to_inputs: Callable[[Any, Any], Any] | None, top_k: int, pixels: Pixels, once: Once,
        label_text: Callable[[Any], str] | None = None,
        kinds: bool = False,
    ) -> None:  # fmt: skip
        self.metrics = collection_of(metrics)
        self.adapter = _adapter_of(self.metrics)
        self.to_inputs, self.top_k = to_inputs, top_k
        self._pixels, self._once, self._label_text = pixels, once, label_text
        self._kinds = {name: metric.kinds for name, metric in items(self.metrics) if kinds and metric.kinds}
        if kinds and not self._kinds:
            raise ValueError(
                f"`kinds` tells errors apart, but {', '.join(map(repr, self.metrics))} have none to tell: leave it out,"
                " or give a metric such as TotalFalse()."
            )
        self._needing = {name for name, metric in items(self.metrics) if metric.needs_labels}
        self.begin()

    def begin(self) -> None:
        """Forget the last epoch."""
        self._loaders: dict[int, OfLoader] = {}
        self._left_out: set[str] = set()  # of a prediction, for want of labels
        self._labelled = False
        self._missing: Exception | None = None

    def add(
        self, stage: Stage, outputs: Any, batch: Any, loader: int, device: Any, group: Any, keep_images: bool,
        **further: Any,
    ) -> None:  # fmt: skip
        """Measure a batch; in `predict`, without labels, by the metrics that need none; `further` goes to `update`.

        Raises:
            TypeError, ValueError: if it cannot be understood, or lacks labels that a metric needs.
        """
        if len(self._left_out) == len(self.metrics):
            return
        try:
            examples = self._examples(stage, outputs, batch)
        except Exception as error:
            if stage != "predict" or self._left_out or self._loaders or not self._needing:
                raise
            # these are here for the training: that should not keep the same trainer from predicting
            self._left_out = self._needing
            self._once.warn("predict", f"leaves {', '.join(sorted(self._needing))} out of this prediction. {error}")
            if len(self._needing) == len(self.metrics):
                return
            examples = self._examples(stage, outputs, batch)
        of_loader = self.of(loader, device, group)
        of_loader.metrics.update(*examples.args, **{**examples.kwargs, **further})
        of_loader.names.update(examples.shown_ids)
        of_loader.file_names.update(examples.file_names)
        if self._label_text is not None and examples.truth is not None:
            first = items(of_loader.metrics)[0][1]
            ids = first.newest(examples.number)[0].tolist()
            of_loader.labels.update(
                (len(of_loader.labels) if image_id == NO_ID else image_id, self._label_text(label))
                for image_id, label in zip(ids, examples.truth, strict=True)
            )
        if keep_images and examples.images is not None:
            of_loader.top.add(of_loader.shown(self.metrics), examples)
        elif keep_images:
            self._once.warn(
                "images", "found no images in the batch: it ranks, but draws no pictures. Return them as 'images' from"
                " the step, or pass `to_inputs`."
            )  # fmt: skip

    def _examples(self, stage: Stage, outputs: Any, batch: Any) -> Examples:
        try:
            inputs = (self.to_inputs or self.adapter.inputs)(outputs, batch)
        except Exception as error:
            if self.to_inputs is None:
                raise
            raise ValueError(
                f"`to_inputs` failed in `{stage}` ({type(error).__name__}: {error}): the step returned"
                f" {described(outputs)} for a batch that is {described(batch)}. It must fit what each stage gives."
            ) from error
        examples = self.adapter.examples(inputs)
        self._labelled |= examples.labelled is True
        needing = self._needing - self._left_out
        if needing and not examples.labelled:
            name, metric = next(item for item in items(self.metrics) if item[0] in needing)
            missing = self.adapter.without_labels(name, metric, outputs, batch)
            if examples.labelled is False or (stage == "predict" and not self._labelled):
                raise missing
            self._missing = missing  # unless other images of the set have labels
        return examples

    def of(self, loader: int, device: Any, group: Any) -> "OfLoader":
        """What is known of a loader's images so far."""
        if loader not in self._loaders:
            wanted: Any = {name: metric for name, metric in items(self.metrics) if name not in self._left_out}
            for name in wanted.keys() & self._kinds.keys():
                wanted |= {_part(name, kind): metric for kind, metric in self._kinds[name].items()}
            asked = HardnessCollection(wanted) if self._left_out or self._kinds else self.metrics
            metrics = asked.clone().to(device)
            for _, metric in items(metrics):
                metric.process_group = group
            self._loaders[loader] = OfLoader(metrics, TopImages(self.top_k, self._pixels), {}, {}, {})
        return self._loaders[loader]

    def finished(
        self, trainer: "Trainer", participants: Participants, stage: Stage, loaders: int, device: Any, pictures: bool
    ) -> Iterator[Collected]:
        """What came of each loader and metric, and the snapshots; all processes ask together, to the end.

        Raises:
            ValueError: if a metric needs labels, and no image of any process has any.
        """
        if participants.any(self._missing is not None, trainer) and not participants.any(self._labelled, trainer):
            raise self._missing or ValueError(f"{self._once.who} finds no labels in any process, which it needs.")
        if stage == "predict" and participants.any(bool(self._left_out), trainer):
            self._left_out = self._needing  # then all processes leave the same metrics out
            if len(self._left_out) == len(self.metrics):
                self._once.warn("predict", "ranks nothing: another process finds no labels, which it needs.")
                return
        for loader in range(loaders):
            of_loader = self.of(loader, device, participants.group)
            fed = dict(items(of_loader.metrics))
            # in the order of all processes, whichever of them left metrics out
            metrics = {name: fed[name] for name, _ in items(self.metrics) if name not in self._left_out}
            details = {name: metric.details() for name, metric in metrics.items()}
            kinds = {
                name: {kind: fed[_part(name, kind)].details() for kind in self._kinds.get(name, ())} for name in metrics
            }
            if all(len(each.image_ids) == 0 for each in details.values()):
                continue
            snapshots: Mapping[int, Snapshot] = {}
            if pictures:
                rankings = [each.summary.ranking for each in details.values()]
                snapshots = of_loader.top.gather(rankings, participants.group)
            names, file_names, labels = (
                known_together(known, participants, trainer)
                for known in (of_loader.names, of_loader.file_names, of_loader.labels)
            )
            for name, each in details.items():
                yield Collected(loader, name, metrics[name], each, snapshots, names, file_names, labels, kinds[name])


class OfLoader(NamedTuple):
    """What is known of one loader's images so far."""

    metrics: MetricCollection
    top: TopImages
    names: dict[int, str]
    file_names: dict[int, str]
    labels: dict[int, str]

    def shown(self, metrics: MetricCollection) -> dict[str, AnyHardnessMetric]:
        """Those of the metrics that are ranked by."""
        names = {name for name, _ in items(metrics)}
        return {name: metric for name, metric in items(self.metrics) if name in names}


def _part(name: str, kind: str) -> str:
    """What is called, in a collection, the metric that counts one kind of errors of another."""
    return f"{name}/{kind}"


def known_together(known: Mapping[int, str], participants: Participants, trainer: "Trainer") -> Mapping[int, str]:
    """What processes know of images, on the first that takes part."""
    if not participants.any(bool(known), trainer) or trainer.world_size == 1:
        return known
    group = participants.group
    parts: list[Any] = [None] * dist.get_world_size(group)
    dist.all_gather_object(parts, dict(known), group=group)
    return {image_id: name for part in reversed(parts) for image_id, name in part.items()}


def collection_of(metrics: Any) -> MetricCollection:
    """A collection of hardness metrics of its own: those that were given may be in use elsewhere.

    Args:
        metrics: one metric, a list, a dict or a :class:`~torchmetrics.MetricCollection` of them.

    Raises:
        TypeError, ValueError: if it is none of that.
    """
    if isinstance(metrics, MetricCollection):
        collection = metrics
    elif isinstance(metrics, Metric):
        collection = HardnessCollection([metrics])
    elif isinstance(metrics, Mapping):
        collection = HardnessCollection(dict(metrics))
    elif isinstance(metrics, Sequence) and not isinstance(metrics, str):
        names = [type(metric).__name__ for metric in metrics]
        if len(set(names)) < len(names):
            raise ValueError(f"`metrics` holds several of one class ({', '.join(names)}): name them in a dict.")
        collection = HardnessCollection(list(metrics))
    else:
        raise TypeError(f"`metrics` must be hardness metrics, but is a {type(metrics).__name__}.")
    for name, metric in items(collection):
        if not isinstance(metric, HardnessMetric):
            raise TypeError(f"`metrics` must be hardness metrics, but {name!r} is a {type(metric).__name__}.")
    collection = collection.clone()
    collection.reset()
    return collection


def items(metrics: MetricCollection) -> list[tuple[str, AnyHardnessMetric]]:
    """Names and metrics; `items()` of the collection would copy the states that members share."""
    return list(metrics.items(copy_state=False))  # type: ignore[arg-type]


def _adapter_of(metrics: MetricCollection) -> Adapter:
    """The adapter of all the metrics."""
    adapters = {name: getattr(metric, "adapter", None) for name, metric in items(metrics)}
    for name, adapter in adapters.items():
        if not isinstance(adapter, Adapter):
            raise TypeError(
                f"{name!r} has no `adapter`, which says how its images are understood and drawn: give its class one, a"
                " `hardest_metrics.adapter.Adapter`."
            )
    first = next(iter(adapters))
    for name, adapter in adapters.items():
        if type(adapter) is not type(adapters[first]):
            raise TypeError(
                f"`metrics` holds {first!r} and {name!r}, which are of different domains: give each domain a callback"
                " of its own."
            )
    return adapters[first]  # type: ignore[return-value]
