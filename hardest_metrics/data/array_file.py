"""Arrays as ``numpy.save`` writes them."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hardest_metrics.data.json_file import PathLike


def read_array(path: PathLike, what: str) -> NDArray[Any]:
    """Read ``(N, M)`` floating-point numbers, a row an image.

    Args:
        path: the file.
        what: the numbers are, such as ``"embeddings"``.

    Raises:
        OSError: when it cannot be read.
        ValueError: when it holds something else; the message names the remedy.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp(), "logits.npy")
        >>> np.save(path, np.zeros((5, 3), dtype=np.float32))
        >>> read_array(path, "logits").shape
        (5, 3)
    """
    try:
        with Path(path).open("rb") as file:
            array = np.lib.format.read_array(file, allow_pickle=False)
    except (EOFError, ValueError) as error:
        raise ValueError(
            f"{path}: is no array of numbers ({error}). Write it with `numpy.save(path, {what})`."
        ) from error
    if array.dtype.kind != "f" or array.ndim != 2:
        raise ValueError(
            f"{path}: must hold floating-point {what}, one row an image, but holds {array.dtype} of {array.shape}."
            " Write those of all images as one array."
        )
    return array
