"""Files of calibrations: JSON."""

import json
import reprlib
from collections.abc import Callable
from typing import Any

from hardest_metrics.calibration import residuals_file
from hardest_metrics.calibration.curves import Isotonic, Platt
from hardest_metrics.data.atomic import atomic_write
from hardest_metrics.data.json_file import PathLike, is_number, kind, load_json
from hardest_metrics.functional.detection.residuals import Residuals

_REMEDY = "Write it with `hardest-metrics calibrate`, or with `write_calibration` of Python."


def write_calibration(calibration: Platt | Isotonic, path: PathLike, residuals: Residuals | None = None) -> None:
    """Write a calibration as JSON, from which it is read back exactly. The file is written whole or not at all.

    Args:
        calibration: what to write.
        path: the file.
        residuals: of estimates by it, for intervals, to write into the same file; see
            :func:`~hardest_metrics.calibration.read_residuals`.

    Raises:
        OSError: when the file cannot be written.
    """
    name = next(name for name, (curve, _) in _CURVES.items() if isinstance(calibration, curve))
    parameters = {key: getattr(calibration, key) for key in _CURVES[name][1]}
    with atomic_write(path) as file:
        document = {"calibration": name} | parameters | residuals_file.as_json(residuals)
        file.write(json.dumps(document, indent=1).encode() + b"\n")


def read_calibration(path: PathLike) -> Platt | Isotonic:
    """Read what :func:`write_calibration` wrote.

    Args:
        path: the file.

    Raises:
        OSError: when the file cannot be read.
        ValueError: when it is not such a file; the message names the place in it and the remedy.

    Example:
        >>> import tempfile
        >>> from pathlib import Path
        >>> path = Path(tempfile.mkdtemp(), "calibration.json")
        >>> write_calibration(Platt(0.8, offset=-1.5), path)
        >>> read_calibration(path)
        Platt(slope=0.8, offset=-1.5)
    """
    document = load_json(path)
    if not isinstance(document, dict):
        raise ValueError(f"{path}: must be an object, but is {kind(document)}. {_REMEDY}")
    name = document.get("calibration")
    if not isinstance(name, str) or name not in _CURVES:
        raise ValueError(
            f"{path}: 'calibration' must be one of {tuple(_CURVES)}, but is {reprlib.repr(name)}. {_REMEDY}"
        )
    curve, parameters = _CURVES[name]
    for key, (valid, expected) in parameters.items():
        if not valid(document.get(key)):
            raise ValueError(f"{path}: {key!r} must be {expected}, but is {reprlib.repr(document.get(key))}. {_REMEDY}")
    try:
        return curve(**{key: document[key] for key in parameters})
    except ValueError as error:
        raise ValueError(f"{path}: {error} {_REMEDY}") from error


def _are_numbers(value: Any) -> bool:
    return isinstance(value, list) and all(map(is_number, value))


_Parameter = tuple[Callable[[Any], bool], str]
_NUMBER: _Parameter = (is_number, "a number")
_NUMBERS: _Parameter = (_are_numbers, "a list of numbers")

#: The name of each family of curves in files, and the arguments that make one.
_CURVES: dict[str, tuple[type[Platt] | type[Isotonic], dict[str, _Parameter]]] = {
    "platt": (Platt, {"slope": _NUMBER, "offset": _NUMBER}),
    "isotonic": (Isotonic, {"scores": _NUMBERS, "probabilities": _NUMBERS}),
}
