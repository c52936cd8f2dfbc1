"""State of metrics that know something of every image: gathered from all processes, held once an image."""

import functools
from abc import ABC, abstractmethod
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from typing import Any, ClassVar, cast

import torch
from torch import Tensor
from torchmetrics import Metric
from torchmetrics.utilities.distributed import gather_all_tensors
from torchmetrics.utilities.exceptions import TorchMetricsUserError

from hardest_metrics.functional.boxes import NO_ID
from hardest_metrics.functional.eager import eager
from hardest_metrics.functional.order import ascending_order
from hardest_metrics.functional.reduction import scatter_extreme_


class ImageRows(Metric, ABC):
    """A metric whose state is a row of numbers an image.

    Metrics of equal `settings` keep the same rows and share them in a :class:`~torchmetrics.MetricCollection`;
    metrics of different settings never do.

    - Across processes images need ids. A sampler that pads by repeating images shows some images to several
      processes, in different batches, so with results that may differ in the last digits: of each number
      the larger counts. In one process two different results for one id are an error.
    - Images without ids are numbered by position: 0, 1, 2, ...
    - A batch that is refused leaves the metric as it was, in `update` and in `forward`.
    - The state follows the metric's device, never its dtype.

    Args:
        settings: names everything that the rows depend on, as a call: ``"box_errors(labels=None)"``.
            After a ``#`` it may hold a tag that keeps metrics from sharing although they look alike.
        row_shape: shape of what is known of one image.
        group: metrics of equal `settings` share rows with those of equal `group` only: one that refuses what
            others take must see every batch for itself.
        kwargs: see :class:`torchmetrics.Metric`.
    """

    is_differentiable = False
    full_state_update = False
    plot_lower_bound = 0.0

    #: parts of the state that are empty whenever it is saved
    _unsaved: ClassVar[tuple[str, ...]] = ()

    #: what a row holds in place of a number that was not measured: less than any that was
    unknown: ClassVar[float | None] = None

    image_ids: list[Tensor]
    rows: list[Tensor]

    def __init__(self, settings: str, row_shape: tuple[int, ...], group: str = "", **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if not settings.endswith(")"):
            raise ValueError(
                f"`settings` must be written as a call, such as 'mine(threshold=0.5)', but is {settings!r}."
            )
        self.settings = settings
        self.group = group
        self._row_shape = row_shape
        # Chunks of rows, `image_ids` and `rows` alike. Members of a MetricCollection share these lists:
        # they are replaced, never changed in place.
        self.add_state("image_ids", [], dist_reduce_fx="cat")
        self.add_state("rows", [], dist_reduce_fx="cat")
        # MetricCollection merges metrics for good whose states have equal names and, after one batch, equal
        # values. This state, always empty, gives metrics of different settings different names.
        self._state_name = f"{settings[:-1]}, {group})" if group else settings
        self.add_state(self._state_name, [], dist_reduce_fx=None)

    def leave_measuring(self) -> None:
        """Know that a metric of equal settings measures for this one, too, from now on."""

    @abstractmethod
    def _value(self, image_ids: Tensor, rows: Tensor) -> Any:
        """What `compute` gives for these images, each once."""

    def _values(self, members: "Sequence[ImageRows]", image_ids: Tensor, rows: Tensor) -> list[Any]:
        """What `compute` of each of several metrics of these settings gives for these images, each once."""
        return [member._value(image_ids, rows) for member in members]

    def _check(self, image_ids: Tensor, rows: Tensor) -> None:
        """Refuse rows that this metric can make nothing of. Rows may be measured by another member."""

    def _settle(self) -> None:
        """Bring all images that were added into the state. Whatever reads the state does this first."""

    def _add(self, image_ids: Tensor, rows: Tensor) -> None:
        """Add images that were checked.

        Args:
            image_ids: ``(N,)`` int64, :data:`~hardest_metrics.functional.boxes.NO_ID` for images without.
            rows: ``(N, *row_shape)`` float32.
        """
        # where the state lies: on the CPU if `compute_on_cpu` moved it there
        device = self.rows[-1].device if self.rows else self.device
        image_ids, rows = image_ids.to(device), rows.to(device)
        self.image_ids, self.rows = _with_chunk(self.image_ids, image_ids), _with_chunk(self.rows, rows)

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """Add a batch of images and give the value of that batch alone.

        `update` alone is cheaper where the batch's own value is not needed.
        """
        return forward_together([self], *args, **kwargs)[0]

    def reset(self) -> None:
        """Forget all images."""
        for name in self._defaults:
            setattr(self, name, [])  # the base class would empty lists that other metrics share
        super().reset()

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
        names = sorted(map(_without_tag, {*state, *self._unsaved})) if isinstance(state, dict) else type(state).__name__
        if names != sorted(map(_without_tag, self._defaults)):
            raise ValueError(
                f"`incoming_state` must have the states {list(self._defaults)}, but has {names}:"
                " only metrics of equal settings can be merged."
            )
        theirs = (
            self._joined(state["image_ids"], torch.int64, ()).to(self.device),
            self._joined(state["rows"], torch.float32, self._row_shape).to(self.device),
        )
        image_ids, rows = _joint([self._images(), theirs])
        if len(image_ids) and not _without_ids(image_ids):
            parts = [_each_once(*part, self.unknown) for part in (self._images(), theirs)]
            image_ids, rows, _ = _larger(*_joint(parts))
        self.image_ids, self.rows = [image_ids], [rows]
        self._update_count += 1
        self._computed = None

    def _checked_images(self) -> tuple[Tensor, Tensor]:
        """Ids, ascending, and rows of all images, each once, none of them one that this metric can make nothing of."""
        image_ids, rows = self._images_once()
        self._check(image_ids, rows)
        return image_ids, rows

    def _images_once(self) -> tuple[Tensor, Tensor]:
        """Ids, ascending, and rows of all images, each once."""
        image_ids, rows = self._images()
        if len(image_ids) and _without_ids(image_ids):
            image_ids = torch.arange(len(image_ids), device=image_ids.device)
        return _each_once(image_ids, rows, self.unknown)

    def _images(self) -> tuple[Tensor, Tensor]:
        """Ids and rows of all images so far, of the right dtype and shape also where there are none."""
        self._settle()
        return (
            self._joined(self.image_ids, torch.int64, ()),
            self._joined(self.rows, torch.float32, self._row_shape),
        )

    def _joined(self, chunks: list[Tensor] | Tensor, dtype: torch.dtype, shape: tuple[int, ...]) -> Tensor:
        if isinstance(chunks, Tensor):
            return chunks
        if not chunks:
            return torch.empty((0, *shape), dtype=dtype, device=self.device)
        return chunks[0] if len(chunks) == 1 else torch.cat(chunks)

    # What follows makes torchmetrics' machinery keep the promises of the class docstring

    @property
    def metric_state(self) -> dict[str, list[Tensor] | Tensor]:
        """The state, by the names of its parts."""
        self._settle()
        return super().metric_state

    def __getstate__(self) -> dict[str, Any]:
        self._settle()
        return super().__getstate__()

    def state_dict(self, *args: Any, **kwargs: Any) -> Any:
        """As :meth:`torchmetrics.Metric.state_dict`."""
        self._settle()
        return super().state_dict(*args, **kwargs)

    def sync(self, *args: Any, **kwargs: Any) -> None:
        """As :meth:`torchmetrics.Metric.sync`."""
        self._settle()
        super().sync(*args, **kwargs)

    def _wrap_update(self, update: Callable[..., Any]) -> Callable[..., Any]:
        return eager(whole_or_not_at_all(self, super()._wrap_update(update)))

    @contextmanager
    def sync_context(
        self,
        dist_sync_fn: Callable[..., Any] | None = None,
        process_group: Any | None = None,
        should_sync: bool = True,
        should_unsync: bool = True,
        distributed_available: Callable[..., bool] | None = None,
    ) -> Generator[None, None, None]:
        """As :meth:`torchmetrics.Metric.sync_context`, but also an error leaves the metric unsynced."""
        self.sync(dist_sync_fn, process_group, should_sync, distributed_available)
        try:
            yield
        finally:
            self.unsync(should_unsync=self._is_synced and should_unsync)

    def _sync_dist(
        self, dist_sync_fn: Callable[..., list[Tensor]] = gather_all_tensors, process_group: Any | None = None
    ) -> None:
        image_ids, rows = (part.to(self.device) for part in self._images())
        group = process_group or self.process_group
        # Every process gathers first and checks all parts then: all raise, or none, and none is left waiting
        gathered = list(zip(dist_sync_fn(image_ids, group=group), dist_sync_fn(rows, group=group), strict=True))
        processes = [(number, *part) for number, part in enumerate(gathered) if len(part[0])]
        if len(gathered) > 1:
            for number, ids, _ in processes:
                if _without_ids(ids):
                    raise ValueError(
                        f"Process {number} saw images without 'image_id', but {len(gathered)} processes run:"
                        " give every image its id, in `target` or in `preds`, so that they can be ranked together."
                    )
            parts = [_each_once(ids, rows, self.unknown, f" in process {number}") for number, ids, rows in processes]
            if parts:
                image_ids, rows, _ = _larger(*_joint(parts))
        self.image_ids, self.rows = [image_ids], [rows]

    def _apply(self, fn: Callable[[Tensor], Tensor], *args: Any, **kwargs: Any) -> "ImageRows":
        self._settle()
        return cast("ImageRows", super()._apply(following_device(fn), *args, **kwargs))

    def _load_from_state_dict(
        self, state_dict: dict[str, Any], prefix: str, local_metadata: Any, strict: bool,
        missing_keys: list[str], unexpected_keys: list[str], error_msgs: list[str],
    ) -> None:  # fmt: skip
        for name in [name for name in state_dict if name.startswith(prefix) and name.endswith(")")]:
            saved = name.removeprefix(prefix)
            state_dict.pop(name)
            if _without_tag(saved) != _without_tag(self._state_name):
                error_msgs.append(f"The saved state was measured with {saved}, this metric has {self._state_name}.")
                return
        replaced = f"{prefix}image_ids" in state_dict
        super()._load_from_state_dict(
            state_dict, prefix, local_metadata, strict, missing_keys, unexpected_keys, error_msgs
        )
        if replaced:
            vars(self).update({name: [] for name in self._unsaved})
        self.image_ids = [chunk.to(self.device) for chunk in self.image_ids]
        self.rows = [chunk.to(self.device, torch.float32) for chunk in self.rows]
        self._computed = None
        if self.image_ids:
            self._update_count = max(self._update_count, 1)


def forward_together(members: Sequence[ImageRows], *args: Any, **kwargs: Any) -> list[Any]:
    """`forward` of metrics that share their state, each with its own value: the first measures the batch for all.

    Args:
        members: of equal settings, the first of them one that refuses whatever another would.
        args: what its `update` takes.
        kwargs: likewise.
    """
    # `vars`, not `setattr`: this runs for each member of a collection and batch, and a module looks at every attribute
    # that is set
    states = [vars(member) for member in members]
    if any(state["_is_synced"] for state in states):
        raise TorchMetricsUserError("The metric is synced: call `unsync` before adding batches.")
    leader = members[0]
    leader._settle()
    shared = [name for name in leader._defaults if name != leader._state_name]
    before = {name: states[0][name] for name in shared}
    on_step = [index for index, state in enumerate(states) if state["dist_sync_on_step"]]
    touched = [states[index] for index in {0, *on_step}]  # the others get their new state when all went well
    known = [{name: state[name] for name in (*shared, "_update_count", "_computed", "_to_sync")} for state in touched]
    try:
        states[0].update({name: [] for name in shared})
        leader.update(*args, **kwargs)
        batch = {name: states[0][name] for name in shared}
        values = leader._values(members, *leader._images_once())
        for index in on_step:
            states[index].update(batch, _update_count=states[0]["_update_count"], _to_sync=True, _computed=None)
            values[index] = members[index].compute()
            states[index]["_to_sync"] = members[index].sync_on_compute
    except BaseException:
        for state, was in zip(touched, known, strict=True):
            state.update(was)
        raise
    after = {name: functools.reduce(_with_chunk, batch[name], before[name]) for name in ("image_ids", "rows")}
    states[0].update(before | after)
    share_state(members)
    for state, value in zip(states, values, strict=True):
        state.update(_forward_cache=value, _computed=None)
    return values


def share_state(members: Sequence[ImageRows]) -> None:
    """Give metrics of equal settings the state of the first of them: it is replaced, never changed in place."""
    leader = members[0]
    state = vars(leader)
    shared = {name: state[name] for name in (*leader._defaults, "_update_count") if name != leader._state_name}
    for member in members:  # `vars`, not `setattr`, as above
        vars(member).update(shared)


def whole_or_not_at_all(metric: Metric, update: Callable[..., Any]) -> Callable[..., Any]:
    """A metric's update that also leaves torchmetrics' bookkeeping as it was where it refuses a batch."""

    @functools.wraps(update)
    def updated(*args: Any, **kwargs: Any) -> None:
        bookkeeping = metric._update_count, metric._computed
        try:
            update(*args, **kwargs)
        except BaseException:
            metric._update_count, metric._computed = bookkeeping
            raise

    return updated


def following_device(fn: Callable[[Tensor], Tensor]) -> Callable[[Tensor], Tensor]:
    """What a module applies to its tensors, without its change of dtype: ids and sums must stay exact."""

    def moved_only(tensor: Tensor) -> Tensor:
        moved = fn(tensor)
        return moved if moved.dtype == tensor.dtype else tensor.to(moved.device)

    return moved_only


def _with_chunk(chunks: list[Tensor], new: Tensor) -> list[Tensor]:
    """A new list with `new` at its end, chunks joined so that their sizes at least halve from one to the next.

    A small tensor of its own for every batch would cost over 1,000 bytes; this way there are only about
    log2 of the number of images, at the cost of copying each row about as often.
    """
    if chunks and not len(new):
        return chunks  # without any, an empty one stands for itself: MetricCollection takes no chunks for equal to all
    chunks = list(chunks)
    while chunks and len(chunks[-1]) <= len(new):
        new = torch.cat((chunks.pop(), new))
    return [*chunks, new]


def _joint(parts: Sequence[tuple[Tensor, Tensor]]) -> tuple[Tensor, Tensor]:
    image_ids, rows = zip(*parts, strict=True)
    return torch.cat(image_ids), torch.cat(rows)


def _without_ids(image_ids: Tensor) -> bool:
    """Whether the images have no ids; an error if only some have."""
    without = image_ids == NO_ID
    if not without.any():
        return False
    if not without.all():
        raise ValueError(
            f"{int(without.sum())} of {len(without)} images came without 'image_id', others with one,"
            f" such as {int(image_ids[~without][0])}: give it to every image or to none, then `reset()`."
        )
    return True


def _each_once(image_ids: Tensor, rows: Tensor, unknown: float | None, where: str = "") -> tuple[Tensor, Tensor]:
    """Images of one process by their ids, each once; an error if an id came with different results."""
    order = ascending_order(image_ids)
    in_order, rows = image_ids.index_select(0, order), rows.index_select(0, order)
    if not (in_order[1:] == in_order[:-1]).any():
        return in_order, rows
    unique, largest, position = _larger(in_order, rows)
    differs = rows != largest.index_select(0, position)
    if unknown is not None:
        differs &= rows != unknown
    if differs.any():
        image_id = int(in_order[differs.flatten(1).any(1)][0])
        raise ValueError(
            f"Image {image_id} came twice{where}, with different results: `reset()` the metric between epochs,"
            " and give different images different ids."
        )
    return unique, largest


def _larger(image_ids: Tensor, rows: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Hold each image once, with the larger of each number; also where in the result each image stands."""
    unique, position = image_ids.unique(return_inverse=True)
    largest = rows.new_full((len(unique), *rows.shape[1:]), -torch.inf)
    index = position.reshape(-1, *[1] * (rows.ndim - 1)).expand_as(rows)
    return unique, scatter_extreme_(largest, index, rows, "amax"), position


def _without_tag(name: str) -> str:
    return name.split("#")[0]
