"""Files of models of witnesses: JSON."""

import json
import reprlib

from hardest_metrics.calibration import residuals_file
from hardest_metrics.data.atomic import atomic_write
from hardest_metrics.data.json_file import PathLike, is_number, kind, load_json
from hardest_metrics.functional.detection.residuals import Residuals
from hardest_metrics.functional.detection.witnesses import WitnessModel

#: Marks such a file, and says which form it has.
_KEY, _FORM = "witness_model", 1

_REMEDY = "Write it with `hardest-metrics calibrate --witnesses`, or with `write_witness_model` of Python."


def write_witness_model(model: WitnessModel, path: PathLike, residuals: Residuals | None = None) -> None:
    """Write a model as JSON, from which it is read back exactly. The file is written whole or not at all.

    Args:
        model: what to write.
        path: the file.
        residuals: of its estimates, for intervals, to write into the same file; see
            :func:`~hardest_metrics.calibration.read_residuals`.

    Raises:
        OSError: when the file cannot be written.
    """
    numbers = {"own": model.own, "alone": model.alone, "unseen": dict(model.unseen)}
    document = {_KEY: _FORM} | numbers | residuals_file.as_json(residuals)
    with atomic_write(path) as file:
        file.write(json.dumps(document, indent=1).encode() + b"\n")


def read_witness_model(path: PathLike) -> WitnessModel:
    """Read what :func:`write_witness_model` wrote.

    Args:
        path: the file.

    Raises:
        OSError: when the file cannot be read.
        ValueError: when it is not such a file; the message names the place in it and the remedy.

    Example:
        >>> import tempfile
        >>> from pathlib import Path
        >>> path = Path(tempfile.mkdtemp(), "witnesses.json")
        >>> write_witness_model(WitnessModel(own=(1.5, 0.25, -1.0)), path)
        >>> read_witness_model(path).own
        (1.5, 0.25, -1.0)
    """
    document = load_json(path)
    if not isinstance(document, dict):
        raise ValueError(f"{path}: must be an object, but is {kind(document)}. {_REMEDY}")
    if document.get(_KEY) != _FORM:
        raise ValueError(f"{path}: {_KEY!r} must be {_FORM}, but is {reprlib.repr(document.get(_KEY))}. {_REMEDY}")
    unseen = document.get("unseen")
    if not isinstance(unseen, dict):
        raise ValueError(f"{path}: 'unseen' must be an object, but is {kind(unseen)}. {_REMEDY}")
    numbers = {"'own'": document.get("own"), "'alone'": document.get("alone")}
    for name, values in (numbers | {f"'unseen' of {key}": value for key, value in unseen.items()}).items():
        if not isinstance(values, list) or not all(map(is_number, values)):
            raise ValueError(f"{path}: {name} must be a list of numbers, but is {reprlib.repr(values)}. {_REMEDY}")
    try:
        return WitnessModel(document["own"], document["alone"], unseen)
    except ValueError as error:
        raise ValueError(f"{path}: {error} {_REMEDY}") from error
