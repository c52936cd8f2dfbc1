"""Metrics that know something of every image: how they read batches, alone or several at once."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import Any, cast

import torch
from torch import Tensor
from torchmetrics.utilities.exceptions import TorchMetricsUserError

from hardest_metrics.functional.eager import eager, without_autocast
from hardest_metrics.kept_rows import KeptRows
from hardest_metrics.rows import Column as Column
from hardest_metrics.rows import Reading as Reading
from hardest_metrics.rows import Rows as Rows
from hardest_metrics.rows import numbered_once


class ImageRows(KeptRows, ABC):
    """A metric that reads batches of images, and keeps of every image its id and some named values.

    A subclass declares :attr:`columns`, has an `update` of its own that ends in ``self._take(self._read(...))``, says
    in :meth:`_read` what a batch tells of its images, and in :meth:`_value` what `compute` gives. What is kept follows
    the rules of :class:`~hardest_metrics.kept_rows.KeptRows`.

    - A batch that is refused leaves the metric as it was, in `update` and in `forward`.
    - One metric is for one thread; several metrics may be fed by several.

    Args:
        settings: see :class:`~hardest_metrics.kept_rows.KeptRows`.
        reads: names everything that :meth:`_read` depends on besides what it is asked for. Metrics that read alike are
            measured together in a :class:`~hardest_metrics.HardnessCollection`. None for `settings`.
        kwargs: see :class:`torchmetrics.Metric`.
    """

    is_differentiable = False
    full_state_update = False
    plot_lower_bound: float | None = 0.0

    def __init__(self, settings: str, reads: str | None = None, **kwargs: Any) -> None:
        super().__init__(settings, **kwargs)
        self.reads = settings if reads is None else reads

    @property
    def needs(self) -> Mapping[str, Hashable]:
        """What to ask :meth:`_read` for, by the column that keeps it."""
        return {name: name for name in self.columns}

    @abstractmethod
    def update(self, *args: Any, **kwargs: Any) -> None:
        """Add a batch."""

    @abstractmethod
    def _read(self, asked: Sequence[Hashable], *args: Any, **kwargs: Any) -> Reading:
        """What a batch tells of its images, or an error that says why it can't be used.

        Args:
            asked: what to measure: :attr:`needs` of this metric, and of others that read alike.
            args: what `update` takes.
            kwargs: likewise.
        """

    @abstractmethod
    def _value(self, rows: Rows) -> Any:
        """What `compute` gives for these images, each once."""

    def _values(self, members: "Sequence[ImageRows]", rows: Rows) -> list[Any]:
        """What `compute` of each of several metrics that read alike gives for images of which all they need is known.

        A class may override it to spare what it would do several times.
        """
        return [member._value(member._own(rows)) for member in members]

    def _compute_together(self, members: "Sequence[ImageRows]") -> list[Any] | None:
        """What `compute` of several metrics that read alike gives, of which this is the first; None to ask each.

        A class may override it to gather and evaluate once for several.
        """
        return None

    def compute(self) -> Any:
        """The value of all images so far."""
        return self._value(self._images_once())

    @torch.jit.unused
    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """Add a batch and give the value of that batch alone.

        `update` alone is cheaper where the batch's own value is not needed.
        """
        reading = read_together([self], *args, **kwargs)
        (value,) = values_of([self], reading)
        self.add(reading)
        self._forward_cache = value
        return value

    def add(self, reading: Reading) -> None:
        """As `update`, with a batch that was read already, by a metric that reads as this one does."""
        if self._is_synced:
            raise TorchMetricsUserError("The metric is synced: call `unsync` before adding batches.")
        self._take(reading)
        # `vars`, not `setattr`: this runs for each member of a collection and batch, and a module looks at every
        # attribute that is set
        vars(self).update(_computed=None, _update_count=self._update_count + 1)
        if self.compute_on_cpu:
            self._move_list_states_to_cpu()

    def _wrap_update(self, update: Callable[..., Any]) -> Callable[..., Any]:
        return eager(super()._wrap_update(update))

    def _take(self, reading: Reading) -> None:
        """Keep what a batch told."""
        self._append(self._own(reading))

    def _own(self, known: "Reading | Rows") -> Rows:
        """The part of what is known of some images that this metric keeps."""
        measured = known.measured if isinstance(known, Reading) else known.columns
        return Rows(known.image_ids, {name: measured[asked] for name, asked in self.needs.items()})  # type: ignore[index]


@eager
def read_together(members: Sequence[ImageRows], /, *args: Any, **kwargs: Any) -> Reading:
    """What a batch tells metrics that read alike, measured once for all of them.

    Args:
        members: at least one, all of equal `reads` and :meth:`ImageRows._read`.
        args: what their `update` takes.
        kwargs: likewise.
    """
    asked = members[0].needs.values() if len(members) == 1 else (a for each in members for a in each.needs.values())
    with torch.no_grad(), without_autocast():
        return members[0]._read(list(dict.fromkeys(asked)), *args, **kwargs)


def alike(members: Mapping[str, Any]) -> list[dict[str, ImageRows]]:
    """Those of some metrics that know something of every image, those that read a batch alike together."""
    found: dict[Hashable, dict[str, ImageRows]] = {}
    for name, member in members.items():
        if isinstance(member, ImageRows):
            found.setdefault((type(member)._read, member.reads), {})[name] = member
    return list(found.values())


@eager
def values_of(members: Sequence[ImageRows], reading: Reading) -> list[Any]:
    """What `forward` of metrics that read alike gives for a batch; it is not added."""
    with torch.no_grad(), without_autocast():
        rows = numbered_once(Rows(reading.image_ids, cast(Mapping[str, Tensor], reading.measured)))
        values = members[0]._values(members, rows)
    for index, member in enumerate(members):
        if member.dist_sync_on_step:
            values[index] = _on_step(member, reading)
    return values


def _on_step(member: ImageRows, reading: Reading) -> Any:
    """The value of a batch of all processes."""
    state = vars(member)
    before = dict(state)
    try:
        member._forget()
        member.add(reading)
        member._to_sync = True
        return member.compute()
    finally:
        state.update(before)
