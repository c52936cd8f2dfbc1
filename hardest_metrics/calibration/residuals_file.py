"""Residuals in JSON files, beside the calibration or model whose estimates they are of."""

import reprlib
from typing import Any

from hardest_metrics.data.json_file import PathLike, is_number, kind, load_json
from hardest_metrics.functional.detection.residuals import Residual, Residuals

#: Where they stand in a file.
KEY = "residuals"

_REMEDY = "Write it with `hardest-metrics calibrate`, or with `write_calibration` or `write_witness_model` of Python."


def as_json(residuals: Residuals | None) -> dict[str, Any]:
    """What to add to the object that is written; nothing where there are none."""
    if residuals is None:
        return {}
    by_definition = {name: {**vars(one), "scaled": list(one.scaled)} for name, one in residuals.by_definition.items()}
    return {KEY: {"estimator": residuals.estimator, "query": residuals.query, "by_definition": by_definition}}


def read_residuals(path: PathLike) -> Residuals | None:
    """Read the residuals in a file of a calibration or of a model of witnesses; None if it holds none.

    Args:
        path: the file.

    Raises:
        OSError: when the file cannot be read.
        ValueError: when it is not such a file; the message names the place in it and the remedy.

    Example:
        >>> import tempfile
        >>> from pathlib import Path
        >>> from hardest_metrics.calibration import Platt, write_calibration
        >>> path = Path(tempfile.mkdtemp(), "calibration.json")
        >>> residuals = Residuals(
        ...     "expected_hardness", "Query()", {"total_false/none": Residual((-1.0, 2.0), 1, 0.5, 1)}
        ... )
        >>> write_calibration(Platt(0.8), path, residuals)
        >>> read_residuals(path)
        Residuals(expected_hardness, 1 definitions, 2 images)
    """
    document = load_json(path)
    if not isinstance(document, dict):
        raise ValueError(f"{path}: must be an object, but is {kind(document)}. {_REMEDY}")
    found = document.get(KEY)
    if found is None:
        return None
    if not isinstance(found, dict) or not isinstance(found.get("by_definition"), dict):
        raise ValueError(
            f"{path}: {KEY!r} must hold an object 'by_definition', but is {reprlib.repr(found)}. {_REMEDY}"
        )
    for key in ("estimator", "query"):
        if not isinstance(found.get(key), str):
            raise ValueError(f"{path}: {key!r} of {KEY!r} must be text, but is {found.get(key)!r}. {_REMEDY}")
    by_definition = {name: _residual(path, name, one) for name, one in found["by_definition"].items()}
    return Residuals(found["estimator"], found["query"], by_definition)


def _residual(path: PathLike, name: str, found: Any) -> Residual:
    where = f"{path}: {KEY!r} of {reprlib.repr(name)}"
    if not isinstance(found, dict):
        raise ValueError(f"{where} must be an object, but is {kind(found)}. {_REMEDY}")
    for key in ("floor", "mean", "deviation"):
        if not is_number(found.get(key)):
            raise ValueError(f"{where}: {key!r} must be a number, but is {reprlib.repr(found.get(key))}. {_REMEDY}")
    scaled = found.get("scaled")
    if not isinstance(scaled, list) or not all(map(is_number, scaled)):
        raise ValueError(f"{where}: 'scaled' must be a list of numbers, but is {reprlib.repr(scaled)}. {_REMEDY}")
    try:
        return Residual(tuple(scaled), found["floor"], found["mean"], found["deviation"])
    except ValueError as error:
        raise ValueError(f"{where}: {error} {_REMEDY}") from error
