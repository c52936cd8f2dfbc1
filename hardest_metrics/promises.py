"""What every metric and collection here promises beyond what torchmetrics does."""

import functools
import inspect
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Any, ClassVar, cast

import torch
from lightning_utilities.core.apply_func import apply_to_collection
from torch import Tensor, nn
from torchmetrics import Metric, MetricCollection
from typing_extensions import Self

from hardest_metrics.presentation import arguments, settings_text, with_inherited_arguments
from hardest_metrics.ranking import Ranking

#: What :class:`torchmetrics.Metric` takes by name, and keeps under it.
_OF_TORCHMETRICS = (
    "compute_on_cpu", "dist_sync_on_step", "process_group", "dist_sync_fn", "distributed_available_fn",
    "sync_on_compute", "compute_with_cache",
)  # fmt: skip


class DependableMetric(Metric):
    """A metric that keeps what every metric here promises.

    - It shows the arguments that it was built with, and `help()` of a class that takes its base's explains them. For
      that every argument is kept as it was given, as an attribute of its name.
    - A refused batch leaves torchmetrics' bookkeeping as it was, an error while processes exchange leaves it unsynced.
    - The state follows the metric's device, never its dtype.
    - On several processes each `compute` gathers from all of them, so all of them call it equally often.
    - A model that holds it goes through TorchScript.

    Args:
        kwargs: see :class:`torchmetrics.Metric`.
    """

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        cls.__doc__ = with_inherited_arguments(cls)
        # TorchScript compiles all properties of a model's parts but these
        properties = inspect.getmembers(cls, lambda member: isinstance(member, property))
        cls.__jit_unused_properties__ = [name for name, _ in properties]

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.extra_repr()})"

    def extra_repr(self) -> str:
        """The settings that differ from the defaults."""
        return settings_text(type(self), self._setting)

    def _setting(self, name: str) -> object:
        """What an argument was; AttributeError if that is not known."""
        return getattr(self, name)

    def anew(self, **changed: Any) -> Self:
        """A metric of the same settings but those given, that has seen nothing."""
        return type(self)(**{**self._given(), **changed})

    def _given(self) -> dict[str, Any]:
        """The arguments that it was built with."""
        given = {parameter.name: self._setting(parameter.name) for parameter in arguments(type(self))}
        return given | {name: getattr(self, name) for name in _OF_TORCHMETRICS}

    def _wrap_update(self, update: Callable[..., Any]) -> Callable[..., Any]:
        return whole_or_not_at_all(self, super()._wrap_update(update))

    def _wrap_compute(self, compute: Callable[..., Any]) -> Callable[..., Any]:
        return gathered_anew(self, super()._wrap_compute(compute))

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

    def _apply(self, fn: Callable[[Tensor], Tensor], *args: Any, **kwargs: Any) -> Self:
        return cast(Self, super()._apply(following_device(fn), *args, **kwargs))


class DependableCollection(MetricCollection):
    """A collection whose members may have any name and give rankings.

    torch refuses names of a module's own attributes, such as ``"train"``. Here members are asked for by key and never
    as attributes, so both may have one name.
    """

    __jit_unused_properties__: ClassVar[list[str]] = [*MetricCollection.__jit_unused_properties__, "compute_groups"]

    def add_module(self, name: str, module: nn.Module | None) -> None:
        """Add a member, see :meth:`torch.nn.Module.add_module`."""
        if hasattr(self, name):
            cast(dict[str, Any], self._modules)[name] = module
        else:
            super().add_module(name, module)

    def __setattr__(self, name: str, value: Any) -> None:
        if name in vars(self):
            vars(self)[name] = value
        else:
            super().__setattr__(name, value)

    def plot(self, val: Any = None, ax: Any = None, together: bool = False) -> Any:
        """As :meth:`torchmetrics.MetricCollection.plot`; drawn together, rankings stand for the mean of their hardness.

        Args:
            val: what `compute` or `forward` gave, or a list of these; None for what `compute` gives now.
            ax: one to draw on if drawn together, otherwise one a member; None for new figures.
            together: whether all members are drawn into one figure.
        """
        if together:
            val = apply_to_collection(val or self.compute(), Ranking, lambda ranking: ranking.hardness.double().mean())
        return super().plot(val, ax, together)


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


def gathered_anew(metric: Metric, compute: Callable[..., Any]) -> Callable[..., Any]:
    """A metric's compute that on several processes never gives what it gave before.

    What torchmetrics keeps would let a process to which no batch came since go on, while the others wait for it.
    """

    @functools.wraps(compute)
    def computed(*args: Any, **kwargs: Any) -> Any:
        if metric._to_sync and metric.distributed_available_fn():
            metric._computed = None
        return compute(*args, **kwargs)

    return computed


def following_device(fn: Callable[[Tensor], Tensor]) -> Callable[[Tensor], Tensor]:
    """What a module applies to its tensors, without its change of dtype: ids and sums must stay exact."""

    def moved_only(tensor: Tensor) -> Tensor:
        moved = fn(tensor)
        return moved if moved.dtype == tensor.dtype else tensor.to(moved.device)

    return moved_only


def require_equal_settings(settings: str, gather: Callable[[Tensor], list[Tensor]], device: torch.device) -> None:
    """Refuse, on all processes, to put together what was measured by different settings.

    Args:
        settings: of this process.
        gather: gives a tensor of each process.
        device: on which processes exchange tensors.

    Raises:
        ValueError: naming the settings of two processes.
    """
    here = torch.tensor(list(settings.encode()), dtype=torch.uint8, device=device)
    first, *others = (bytes(part.tolist()).decode() for part in gather(here))
    for number, other in enumerate(others, 1):
        if other != first:
            raise ValueError(
                f"Process {number} ranks by {other}, but process 0 by {first}: compute metrics of equal settings"
                " on all processes, in the same order."
            )
