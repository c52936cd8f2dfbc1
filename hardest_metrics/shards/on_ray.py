"""Shards ranked by a cluster, through Ray Data."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from hardest_metrics.shards.shard import Shard, Task, is_ranked
from hardest_metrics.shards.workers import Failed, attempt


def rank_all_on_ray(
    shards: Sequence[Shard], task: Task, address: str | None = None, advance: Callable[[int], None] = lambda _: None
) -> list[Failed]:
    """As :func:`~hardest_metrics.shards.workers.rank_all`, by the machines of a cluster.

    Ray bundles files, and what it does again after a machine was lost it does by block: so what it is given is not the
    images but the shards, a row each with its paths, and each is read, ranked and written where it is worked on. All
    machines see shards and rows under the same paths.

    Args:
        shards: to rank.
        task: what to do with each.
        address: of the cluster; None for that of the environment, or else one of this machine alone.
        advance: called with the number of shards that are done.

    Raises:
        ConnectionError, RuntimeError: if there is no such cluster, or it gives up on a shard.
    """
    import ray

    waiting = [shard._asdict() for shard in shards if not is_ranked(shard, task)]
    advance(len(shards) - len(waiting))
    if not waiting:
        return []
    started = not ray.is_initialized()
    if started:
        ray.init(address=address, include_dashboard=False if address is None else None, log_to_driver=False)
    try:
        ray.data.DataContext.get_current().enable_progress_bars = False
        rows = ray.data.from_items(waiting, override_num_blocks=len(waiting)).map(partial(_attempted, task))
        failed = []
        for row in rows.iter_rows():
            advance(1)
            if row["problem"]:
                failed.append(Failed(row["path"], row["problem"]))
    finally:
        if started:
            ray.shutdown()
    return sorted(failed)


def _attempted(task: Task, row: dict[str, Any]) -> dict[str, Any]:
    """Rank the shard of a row, on one thread: others work on the same machine."""
    import torch

    torch.set_num_threads(1)
    shard = Shard(**row)
    failed = attempt(shard, task)
    return {**row, "problem": failed.problem if failed else ""}
