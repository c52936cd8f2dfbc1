"""The runs of a store as a table: results, and what papers claim beside them."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from hardest_metrics.data.json_file import PathLike
from hardest_metrics.results.run import Run
from hardest_metrics.results.store import RunStore

if TYPE_CHECKING:
    import pandas as pd

#: What stands after the name of a result in the columns of a paper's claim and of the difference to it.
PAPER, DIFFERENCE = " (paper)", " - paper"

_SHOWN_DIGEST = 12  # digits


def history(
    store: RunStore | PathLike | None = None, dataset: str | None = None, model_name: str | None = None
) -> "pd.DataFrame":
    """What is kept of runs, a row each, in the order in which they were saved.

    Args:
        store: of the runs, or its path; None for the default one, see :class:`RunStore`.
        dataset: the digest of a data set, or how that begins; None for all.
        model_name: of the runs; None for all.

    Returns:
        Columns ``run``, ``time``, ``kind``, ``model``, ``dataset`` (the first digits of its digest), ``images``,
        ``images_per_second``, ``peak_bytes``, one for each result by its name and, where papers claim any, ``<name>
        (paper)`` and ``<name> - paper``. What a run does not have is NaN.

    Raises:
        OSError, ValueError: if the store is not as it should be, see :class:`RunStore`.

    Example:
        >>> import tempfile
        >>> import numpy as np
        >>> from pathlib import Path
        >>> from hardest_metrics.results import DataSet, Hardness, Result, Run
        >>> store = RunStore(Path(tempfile.mkdtemp(), "runs.db"))
        >>> loss = Hardness(np.zeros(1, np.float32), np.zeros(1, bool))
        >>> run = Run("mine", {"accuracy": Result(1.0, True)}, 1, paper_results={"accuracy": 0.75})
        >>> _ = store.save(run, DataSet({"a.jpg": "0"}), {"loss": loss})
        >>> history(store)[["images", "accuracy", "accuracy (paper)", "accuracy - paper"]]
           images  accuracy  accuracy (paper)  accuracy - paper
        0       1       1.0              0.75              0.25
    """
    return runs_table(runs_of(store, dataset, model_name))


def runs_of(
    store: RunStore | PathLike | None = None, dataset: str | None = None, model_name: str | None = None
) -> list[Run]:
    """The runs that :func:`history` tells of."""
    store = store if isinstance(store, RunStore) else RunStore(store)
    return [
        run
        for run in store.runs()
        if (dataset is None or run.dataset.startswith(dataset)) and model_name in (None, run.model_name)
    ]


def runs_table(runs: Sequence[Run]) -> "pd.DataFrame":
    """Runs as the table of :func:`history`."""
    import pandas as pd  # here: half a second that most runs never need

    names = dict.fromkeys(name for run in runs for name in run.results)
    claimed = dict.fromkeys(name for run in runs for name in run.paper_results)
    table = pd.DataFrame({
        "run": [run.id for run in runs],
        "time": pd.to_datetime([run.time for run in runs], utc=True),
        "kind": [run.kind for run in runs],
        "model": [run.model_name or "" for run in runs],
        "dataset": [run.dataset[:_SHOWN_DIGEST] for run in runs],
        "images": [run.images for run in runs],
        "images_per_second": pd.array([run.images_per_second for run in runs], dtype="Float64"),
        "peak_bytes": pd.array([run.peak_bytes for run in runs], dtype="Int64"),
    })  # fmt: skip
    for name in names | claimed:
        table[name] = [_result(run, name) for run in runs]
        if name in claimed:
            table[name + PAPER] = [run.paper_results.get(name, float("nan")) for run in runs]
            table[name + DIFFERENCE] = [run.against_paper.get(name, float("nan")) for run in runs]
    return table


def _result(run: Run, name: str) -> float:
    return run.results[name].value if name in run.results else float("nan")
