"""Shards ranked one after the other, or by several processes of one machine."""

import os
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import connection, get_context, parent_process
from typing import NamedTuple

from hardest_metrics.shards.shard import Shard, Task, is_ranked, rank_shard

#: What a bad shard raises; of all else the whole run ends.
BAD = (OSError, ValueError)


class Failed(NamedTuple):
    """A shard that could not be ranked.

    Attributes:
        path: the file.
        problem: names it, where in it, and the remedy.
    """

    path: str
    problem: str


def rank_all(
    shards: Sequence[Shard], task: Task, workers: int = 1, advance: Callable[[int], None] = lambda _: None
) -> list[Failed]:
    """Write the rows of all shards that lack them; those that could not be ranked, by path.

    Args:
        shards: to rank.
        task: what to do with each.
        workers: how many processes share them; with 1 it is this one.
        advance: called with the number of shards that are done.

    Raises:
        ValueError: if a process was killed.
    """
    waiting = [shard for shard in shards if not is_ranked(shard, task)]
    advance(len(shards) - len(waiting))
    failed = []
    done = map(attempt, waiting, [task] * len(waiting)) if workers == 1 else _shared(waiting, task, workers)
    for problem in done:
        advance(1)
        if problem is not None:
            failed.append(problem)
    return sorted(failed)


def attempt(shard: Shard, task: Task) -> Failed | None:
    """Rank one; what is wrong with it, if anything."""
    try:
        rank_shard(shard, task)
    except BAD as error:
        return Failed(shard.path, str(error))
    return None


def _shared(shards: Sequence[Shard], task: Task, workers: int) -> Iterator[Failed | None]:
    # neither fork, which threads do not survive, nor spawn, which imports torch anew in each
    context = get_context("forkserver" if os.name == "posix" else "spawn")
    if os.name == "posix":
        context.set_forkserver_preload([__name__, "hardest_metrics.data.arrow"])
    with ProcessPoolExecutor(min(workers, len(shards)) or 1, context, _begin) as pool:
        try:
            for future in as_completed([pool.submit(attempt, shard, task) for shard in shards]):
                yield future.result()
        except BrokenProcessPool:
            raise ValueError(
                f"One of {workers} worker processes was killed, perhaps for want of memory. Run the command again: it"
                " goes on where it was; with fewer `workers` if need be."
            ) from None
        finally:
            pool.shutdown(cancel_futures=True)


def _begin() -> None:
    """One thread for each worker, which ends when the process that started it does, however that ends."""
    import torch

    torch.set_num_threads(1)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = parent_process()
    if parent is not None:
        connection.wait([parent.sentinel])
        os._exit(1)
