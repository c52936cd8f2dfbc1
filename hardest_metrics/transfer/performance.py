"""What candidates reached once they were trained on the target set, from a file."""

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from hardest_metrics.data.json_file import PathLike
from hardest_metrics.data.table import Table, number_of

_NAME, _REACHED = "weights", "map"


class Performance(NamedTuple):
    """Of some candidates.

    Attributes:
        reached: the mAP of each, by name, once it was trained on the target set.
        baselines: what else it may be chosen by: by name, of each candidate.
        notes: what was left out.
    """

    reached: dict[str, float]
    baselines: dict[str, dict[str, float]]
    notes: list[str]


def read_performance(path: PathLike, candidates: Mapping[str, str]) -> Performance:
    r"""Read a table of what candidates reached.

    Args:
        path: a CSV file with the columns ``weights``, which names each candidate by its file, with folder and suffix
            or without, and ``map``. Any further column of numbers is a baseline; one with any text is a remark,
            and makes no difference.
        candidates: the files, by the name of each.

    Raises:
        OSError: when the file cannot be read.
        ValueError: when it is not as it should be, or lacks a candidate; the message names the line and the remedy.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp(), "map.csv")
        >>> written = path.write_text("weights,map,images\na.pth,0.5,700\nb,0.25,900\n")
        >>> read_performance(path, {"a": "runs/a.pth", "b": "runs/b.pth"})
        Performance(reached={'a': 0.5, 'b': 0.25}, baselines={'images': {'a': 700.0, 'b': 900.0}}, notes=[])
    """
    table = Table(path)
    rows: dict[str, int] = {}
    others = 0
    for row, text in enumerate(table.texts(_NAME)):
        meant = [name for name, file in candidates.items() if text in (name, file, Path(file).name)]
        if len(meant) > 1:
            raise table.error(row, f"{_NAME!r} is {text!r}, which may be {meant[0]!r} or {meant[1]!r}.")
        others += not meant
        for name in meant:
            if name in rows:
                raise table.error(row, f"candidate {name!r} has a line already.")
            rows[name] = row
    if missing := [name for name in candidates if name not in rows]:
        raise ValueError(
            f"{path}: has no line for {missing[0]!r}. Give in {_NAME!r} the file of each of `weights`, or leave out"
            " those that were not trained."
        )
    baselines = [name for name in table.header if name not in (_NAME, _REACHED) and _holds_numbers(table, name)]
    reached, *columns = (table.numbers(name) for name in (_REACHED, *baselines))
    of_candidates = [{name: float(column[rows[name]]) for name in candidates} for column in (reached, *columns)]
    lines = "1 line is" if others == 1 else f"{others} lines are"
    notes = [f"{path}: {lines} of other weights"] if others else []
    return Performance(of_candidates[0], dict(zip(baselines, of_candidates[1:], strict=True)), notes)


def _holds_numbers(table: Table, name: str) -> bool:
    """Whether all values of a column are numbers; of text it may be a remark."""
    return all(number_of(text) == number_of(text) for text in table.texts(name))
