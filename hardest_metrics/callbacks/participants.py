"""Which processes take part in an evaluation or prediction.

A process whose loaders have no batch skips the evaluation, and with it all its hooks. The others must not wait
for it when they gather: they gather among themselves. It must wait for them, though: it may be the one that holds the
store by which they find each other, and a process that has left the evaluation may end at any time.
"""

import functools
from typing import TYPE_CHECKING, Any

import torch
import torch.distributed as dist

if TYPE_CHECKING:
    from lightning.pytorch import Trainer


class Participants:
    """The processes that have batches in the evaluation under way; all of them until something else is known."""

    def __init__(self) -> None:
        self.group: Any | None = None
        self.all_present = True
        self.is_first = True
        self._groups: dict[tuple[int, ...], Any] = {}  # torch keeps groups for good: make each only once

    def watch(self, trainer: "Trainer") -> None:
        """Find out anew at the start of every evaluation.

        There is no hook that all processes run by then. What all of them do run is the loop's `setup_data`, which
        itself asks the others for the lengths of their loaders; right after it, they tell each other who has any.
        """
        self.group, self.all_present, self.is_first = None, True, trainer.is_global_zero
        self._groups = {}
        if trainer.world_size == 1:
            return
        evaluations = (trainer.fit_loop.epoch_loop.val_loop, trainer.validate_loop, trainer.test_loop)
        for loop in (*evaluations, trainer.predict_loop):
            watchers = getattr(loop.setup_data, "watchers", None)
            if watchers is None:
                watchers = []
                loop.setup_data = _telling(loop, trainer, watchers)  # type: ignore[method-assign]
                loop.run = _waiting(loop, trainer, watchers)  # type: ignore[method-assign]
            if self not in watchers:
                watchers.append(self)

    def agree(self, present: bool, trainer: "Trainer") -> None:
        """Tell the other processes whether this one takes part, and hear who does."""
        mine = torch.tensor([present], dtype=torch.int64, device=trainer.strategy.root_device)
        parts = [torch.zeros_like(mine) for _ in range(dist.get_world_size())]
        dist.all_gather(parts, mine)
        ranks = [rank for rank, part in enumerate(parts) if int(part)]
        self.all_present = len(ranks) in (0, len(parts))
        self.is_first = dist.get_rank() == (ranks[0] if ranks else 0)
        self.group = None
        if not self.all_present:
            if tuple(ranks) not in self._groups:
                self._groups[tuple(ranks)] = dist.new_group(ranks)  # by all processes, those outside it too
            self.group = self._groups[tuple(ranks)] if present else None

    def leave(self, trainer: "Trainer") -> None:
        """Wait, at the end of an evaluation that some process skipped, until all processes are done with it."""
        if not self.all_present:
            trainer.strategy.barrier()

    def any(self, flag: bool, trainer: "Trainer") -> bool:
        """Whether any of the processes that take part says so."""
        if trainer.world_size == 1:
            return flag
        flags = torch.tensor([flag], dtype=torch.int64, device=trainer.strategy.root_device)
        dist.all_reduce(flags, dist.ReduceOp.MAX, group=self.group)
        return bool(flags)


def _telling(loop: Any, trainer: "Trainer", watchers: list[Participants]) -> Any:
    setup_data = loop.setup_data

    @functools.wraps(setup_data)
    def setup_data_and_tell() -> None:
        setup_data()
        for watcher in watchers:
            watcher.agree(not loop.skip, trainer)

    setup_data_and_tell.watchers = watchers  # type: ignore[attr-defined]
    return setup_data_and_tell


def _waiting(loop: Any, trainer: "Trainer", watchers: list[Participants]) -> Any:
    run = loop.run

    @functools.wraps(run)
    def run_and_wait() -> Any:
        results = run()
        if loop.skip:  # where it runs, the last hooks of the callbacks do this
            for watcher in watchers:
                watcher.leave(trainer)
        return results

    return run_and_wait
