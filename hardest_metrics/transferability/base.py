"""The base of the scores of transferability: statistics that merge, and a formula over them."""

from abc import abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import fields
from functools import reduce
from typing import TYPE_CHECKING, Any, ClassVar, Generic, Protocol, TypeVar, cast

import torch
from torch import Tensor
from torchmetrics import Metric
from torchmetrics.utilities.distributed import gather_all_tensors

from hardest_metrics.functional.transferability.inputs import checked_boxes, checked_features, checked_labels
from hardest_metrics.functional.transferability.statistics import FeatureStatistics
from hardest_metrics.promises import DependableMetric

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


class Statistics(Protocol):
    """A frozen dataclass of tensors, and lists of tensors, that says all a score needs to know of some objects."""

    __dataclass_fields__: ClassVar[dict[str, Any]]

    @classmethod
    def empty(cls) -> "Statistics":
        """Of no objects; lists hold one tensor of no rows."""

    def merge(self, other: Any) -> Any:
        """Of the objects of both; exact, and neither is changed."""


S = TypeVar("S", bound=Statistics)


class TransferabilityMetric(DependableMetric, Generic[S]):
    """A score of a pretrained model for a target set: a scalar, the higher the better.

    A subclass is a class of statistics and a formula over them, :meth:`_score`. The statistics' fields are the
    metric's states, in float64 whatever the dtype of the model; batches, processes and merged metrics are joined by
    the statistics' own `merge`, so that all together give what one call gives.

    An object that is shown twice counts twice. A sampler that pads, as torch's ``DistributedSampler`` does, repeats
    objects so that all processes have as many; use Lightning's ``UnrepeatedDistributedSampler``.

    Args:
        statistics: the class of statistics.
        kwargs: see :class:`torchmetrics.Metric`.
    """

    is_differentiable = False
    higher_is_better = True
    full_state_update = False

    def __init__(self, statistics: type[S], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._kind = statistics
        self._fields = [field.name for field in fields(statistics)]
        empty = statistics.empty()
        for name in self._fields:
            value = getattr(empty, name)
            self.add_state(name, [] if isinstance(value, list) else value, dist_reduce_fx=None)

    @abstractmethod
    def _score(self, statistics: S) -> Tensor:
        """The score of the objects that `statistics` are of."""

    def compute(self) -> Tensor:
        """The score of all objects so far, a float64 scalar; NaN where there is nothing to tell apart."""
        return self._score(self._statistics)

    @torch.jit.unused
    def forward(self, *args: Any, **kwargs: Any) -> Tensor:
        """Add a batch, and give the score of that batch alone.

        Raises:
            TypeError, ValueError: on input that makes no sense; the metric is as it was before.
        """
        # The base class resets, scores the batch and adds what it had before; what it sets aside it forgets on an error
        before = dict(vars(self))
        try:
            return cast("Tensor", super().forward(*args, **kwargs))
        except BaseException:
            vars(self).update(before)
            raise

    def reset(self) -> None:
        """Forget all objects."""
        for name in self._fields:
            value = getattr(self, name)
            if isinstance(value, list):
                setattr(self, name, list(value))  # torchmetrics empties the list itself, which others may hold
        super().reset()

    def merge_state(self, incoming_state: "dict[str, Any] | Metric") -> None:
        """Add the objects of another metric.

        Args:
            incoming_state: a metric that keeps the same of its objects, or its ``metric_state``.

        Raises:
            ValueError: if it keeps something else.
        """
        state: Any = incoming_state.metric_state if isinstance(incoming_state, Metric) else incoming_state
        if not isinstance(state, dict) or set(state) != set(self._defaults):
            raise ValueError(
                f"`incoming_state` must hold what {self!r} keeps, {', '.join(self._defaults)}: merge metrics of one"
                " kind and settings."
            )
        self._reduce_states(state)
        self._update_count += 1
        self._computed = None

    def plot(self, val: Tensor | Sequence[Tensor] | None = None, ax: "Axes | None" = None) -> "tuple[Figure, Axes]":
        """Draw one or several scores.

        Args:
            val: what `compute` or `forward` gave, once or several times; None for what `compute` gives now.
            ax: what to draw on; None for a new figure.

        Raises:
            ModuleNotFoundError: if matplotlib is not installed.
        """
        return cast("tuple[Figure, Axes]", self._plot(val, ax))

    def _add(self, statistics: S) -> None:
        """Add the objects of a batch."""
        self._set(self._statistics.merge(statistics))

    @property
    def _statistics(self) -> S:
        return self._of_state({name: getattr(self, name) for name in self._fields})

    def _of_state(self, state: dict[str, Any]) -> S:
        """What a state says; an empty list stands for no rows."""
        empty = self._kind.empty()
        return self._kind(
            **{
                name: _on(self.device, getattr(empty, name))
                if isinstance(state[name], list) and not state[name]
                else state[name]
                for name in self._fields
            }
        )

    def _set(self, statistics: S) -> None:
        for name in self._fields:
            setattr(self, name, getattr(statistics, name))

    # What follows makes torchmetrics' machinery join statistics, and keep the promises of the docstrings

    def _reduce_states(self, incoming_state: dict[str, Any]) -> None:
        incoming = {name: _on(self.device, incoming_state[name]) for name in self._fields}
        self._set(self._of_state(incoming).merge(self._statistics))

    def _sync_dist(
        self,
        dist_sync_fn: Callable[..., list[Tensor]] = gather_all_tensors,
        process_group: Any | None = None,
    ) -> None:
        group = process_group or self.process_group
        own, of_each = self._statistics, {}
        for name in self._fields:
            value = getattr(own, name)
            in_list = isinstance(value, list)
            gathered = dist_sync_fn(_joined(value) if in_list else value, group=group)
            of_each[name] = [[part] for part in gathered] if in_list else gathered
        parts = [dict(zip(of_each, values, strict=True)) for values in zip(*of_each.values(), strict=True)]
        self._set(reduce(self._kind.merge, map(self._of_state, parts)))

    def _load_from_state_dict(self, state_dict: dict[str, Any], prefix: str, *args: Any, **kwargs: Any) -> None:
        loaded = prefix + self._fields[0] in state_dict
        super()._load_from_state_dict(state_dict, prefix, *args, **kwargs)
        if loaded:
            for name in self._fields:
                setattr(self, name, _on(self.device, getattr(self, name)))
            self._computed = None
            self._update_count = max(self._update_count, 1)


class FeatureMetric(TransferabilityMetric[FeatureStatistics]):
    """A score of features by their moments, which take the same space for any number of objects.

    All of these keep the same, and share it in a :class:`~torchmetrics.MetricCollection`.

    Args:
        kwargs: see :class:`torchmetrics.Metric`.
    """

    #: Whether boxes are scored.
    _needs_boxes = False

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(FeatureStatistics, **kwargs)

    def update(self, features: Tensor, target: Tensor, boxes: Tensor | None = None) -> None:
        """Add a batch of objects.

        Args:
            features: ``(N, D)`` of any floating dtype, an object each.
            target: ``(N,)`` integer labels.
            boxes: ``(N, 4)`` coordinates, taken as given; in every update or in none.

        Raises:
            TypeError, ValueError: on input that makes no sense; the metric is as it was before.
        """
        if boxes is None and self._needs_boxes:
            raise ValueError(f"{type(self).__name__} scores `boxes`, but none are given: call `update` with them.")
        self._add(FeatureStatistics.of(*checked_objects(self.device, features, target, boxes)))


def checked_objects(
    device: torch.device, features: Tensor, target: Tensor, boxes: Tensor | None
) -> tuple[Tensor, Tensor, Tensor | None]:
    """Features, labels and boxes of the same objects, checked and brought to a device.

    Raises:
        TypeError, ValueError: on input that makes no sense.
    """
    features = checked_features(features)
    target = checked_labels(target, len(features))
    if boxes is not None:
        boxes = checked_boxes(boxes, len(features)).to(device)
    return features.to(device), target.to(device), boxes


def _joined(chunks: list[Tensor]) -> Tensor:
    """One tensor of all rows; chunks of no rows may have another width."""
    filled = [chunk for chunk in chunks if len(chunk)]
    return torch.cat(filled) if filled else chunks[0]


def _on(device: torch.device, value: Tensor | list[Tensor]) -> Tensor | list[Tensor]:
    return [chunk.to(device) for chunk in value] if isinstance(value, list) else value.to(device)
