"""The state of metrics that know something of every image: gathered, merged and saved, held once an image."""

import functools
from collections.abc import Callable, Mapping
from typing import Any, ClassVar

import torch
from torch import Tensor
from torchmetrics import Metric
from torchmetrics.utilities.distributed import gather_all_tensors

from hardest_metrics.promises import DependableMetric, require_equal_settings
from hardest_metrics.rows import (
    Column,
    Rows,
    each_of_several,
    each_once,
    gathered,
    joint,
    numbered_once,
    with_chunk,
    without_ids,
)


class _State:
    """A part of the state: what waits to be measured is measured before anybody reads it."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __get__(self, metric: "KeptRows | None", owner: type) -> Any:
        if metric is None:
            return self
        metric._settle()
        return vars(metric)[self._name]

    def __set__(self, metric: "KeptRows", value: list[Tensor] | Tensor) -> None:
        vars(metric)[self._name] = value


class KeptRows(DependableMetric):
    """A metric that keeps of every image its id and some named values, and exchanges them with other processes.

    - Across processes images need ids, and settings must be equal. A sampler that pads by repeating images shows some
      to several processes, in different batches, so with results that may differ in the last digits: a column's rule
      says which counts. In one process two different results for one id are an error.
    - Images without ids are numbered by position: 0, 1, 2, ...
    - The state follows the metric's device, never its dtype.

    Args:
        settings: names everything that the state depends on, as a call: ``"box_errors(weighting='pixel')"``. Metrics of
            equal settings share their state in a :class:`~torchmetrics.MetricCollection`, others never do. After
            a ``#`` it may hold a tag that keeps metrics from sharing although they look alike.
        kwargs: see :class:`torchmetrics.Metric`.
    """

    #: what is kept of every image
    columns: ClassVar[Mapping[str, Column]] = {}

    image_ids: list[Tensor]

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        for name in ("image_ids", *cls.columns):
            setattr(cls, name, _State(name))

    def __init__(self, settings: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if not settings.endswith(")"):
            raise ValueError(
                f"`settings` must be written as a call, such as 'mine(threshold=0.5)', but is {settings!r}."
            )
        self.settings = settings
        # Chunks of rows, alike in all parts. Members of a MetricCollection share these lists: they are replaced,
        # never changed in place.
        for name in ("image_ids", *self.columns):
            self.add_state(name, [], dist_reduce_fx="cat")
        # MetricCollection merges metrics for good whose states have equal names and, after one batch, equal
        # values. This state, always empty, gives metrics of different settings different names.
        self.add_state(settings, [], dist_reduce_fx=None)

    def _settle(self) -> None:
        """Measure what waits, where a domain lets batches wait. Whoever reads a part of the state comes here first."""

    def _append(self, rows: Rows) -> None:
        # to where the state lies: on the CPU if `compute_on_cpu` moved it there
        state = vars(self)
        chunks = state["image_ids"]
        device = chunks[-1].device if chunks else self.device
        new = {
            name: with_chunk(state[name], values.to(device, dtype))
            for name, dtype, values in (
                ("image_ids", torch.int64, rows.image_ids),
                *((name, self.columns[name].dtype, values) for name, values in rows.columns.items()),
            )
        }
        state.update(new)

    def reset(self) -> None:
        """Forget all images."""
        self._forget()
        super().reset()

    def _forget(self) -> None:
        for name in self._defaults:
            vars(self)[name] = []  # the base class would empty lists that other metrics share

    def _images_once(self) -> Rows:
        """All images so far, by ascending id, each once."""
        return numbered_once(self._images())

    def merge_state(self, incoming_state: "dict[str, Any] | Metric") -> None:
        """Add the images of another metric, as if of another process; those without ids follow this one's.

        Args:
            incoming_state: a metric of the same class and settings, or its ``metric_state``.

        Raises:
            ValueError: if it was measured with other settings, or an id came twice with different results
                within one of the two.
        """
        state: Any = incoming_state
        if isinstance(state, Metric):
            if not isinstance(state, type(self)):
                raise ValueError(f"`incoming_state` must be a {type(self).__name__}, but is a {type(state).__name__}.")
            state = state.metric_state
        names = sorted(map(_without_tag, state)) if isinstance(state, dict) else type(state).__name__
        if names != sorted(map(_without_tag, self._defaults)):
            raise ValueError(
                f"`incoming_state` must have the states {list(self._defaults)}, but has {names}:"
                " only metrics of equal settings can be merged."
            )
        parts = [self._images(), self._images(state)]
        rows = joint(parts)
        if len(rows.image_ids) and not without_ids(rows.image_ids):
            rows = each_of_several([each_once(part) for part in parts], self.columns)
        self._replace(rows)
        self._update_count += 1
        self._computed = None

    def _images(self, state: Mapping[str, Any] | None = None) -> Rows:
        """All images so far, or those of another state, of the right dtype and shape also where there are none."""
        if state is None:
            state = self.metric_state
        ids = self._joined(state["image_ids"], Column((), torch.int64))
        return Rows(ids, {name: self._joined(state[name], column) for name, column in self.columns.items()})

    def _joined(self, chunks: list[Tensor] | Tensor, column: Column) -> Tensor:
        if isinstance(chunks, Tensor):
            return chunks.to(self.device)
        if not chunks:
            shape = (0,) if column.shape is None else column.shape
            return torch.empty((0, *shape), dtype=column.dtype, device=self.device)
        joined = chunks[0] if len(chunks) == 1 else torch.cat(chunks)
        return joined.to(self.device)

    def _replace(self, rows: Rows) -> None:
        for name, values in (("image_ids", rows.image_ids), *rows.columns.items()):
            setattr(self, name, [values])

    # What follows makes torchmetrics' machinery keep the promises of the class docstring

    def _sync_dist(
        self, dist_sync_fn: Callable[..., list[Tensor]] = gather_all_tensors, process_group: Any | None = None
    ) -> None:
        group = process_group or self.process_group
        gather = functools.partial(dist_sync_fn, group=group)
        # Every process gathers first and checks all parts then: all raise, or none, and none is left waiting
        require_equal_settings(_without_tag(self.settings), gather, self.device)
        self._replace(gathered(self._images(), gather, self.columns))

    def _load_from_state_dict(
        self, state_dict: dict[str, Any], prefix: str, local_metadata: Any, strict: bool,
        missing_keys: list[str], unexpected_keys: list[str], error_msgs: list[str],
    ) -> None:  # fmt: skip
        for name in [name for name in state_dict if name.startswith(prefix) and name.endswith(")")]:
            saved = name.removeprefix(prefix)
            state_dict.pop(name)
            if _without_tag(saved) != _without_tag(self.settings):
                error_msgs.append(f"The saved state was measured with {saved}, this metric has {self.settings}.")
                return
        if f"{prefix}image_ids" in state_dict:
            self._forget()
        super()._load_from_state_dict(
            state_dict, prefix, local_metadata, strict, missing_keys, unexpected_keys, error_msgs
        )
        for name, dtype in (("image_ids", torch.int64), *((name, c.dtype) for name, c in self.columns.items())):
            setattr(self, name, [chunk.to(self.device, dtype) for chunk in getattr(self, name)])
        self._computed = None
        if self.image_ids:
            self._update_count = max(self._update_count, 1)


def _without_tag(name: str) -> str:
    return name.split("#")[0]
