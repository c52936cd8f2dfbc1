"""Files of rankings: CSV, JSON and Parquet."""

import csv
import io
import json
import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from hardest_metrics.data.annotations import Annotations
from hardest_metrics.data.atomic import atomic_write
from hardest_metrics.data.json_file import PathLike
from hardest_metrics.data.spreadsheet import inert
from hardest_metrics.ranking import Ranking


class ImageNames(NamedTuple):
    """What images are called.

    Attributes:
        image_ids: the numbers by which metrics know them.
        shown_ids: what a file shows for each, a number or text.
        file_names: likewise; None for no such column.
    """

    image_ids: Sequence[int]
    shown_ids: Sequence[int | str]
    file_names: Sequence[str] | None = None

    @classmethod
    def of(
        cls, image_ids: Sequence[int], names: Mapping[int, str], file_names: Mapping[int, str]
    ) -> "ImageNames | None":
        """What some images are called; None if all are called by their number.

        Args:
            image_ids: of the images.
            names: of those that are called otherwise, by number.
            file_names: likewise.
        """
        if not names and not file_names:
            return None
        files = [file_names.get(image_id, "") for image_id in image_ids] if file_names else None
        return cls(image_ids, [names.get(image_id, image_id) for image_id in image_ids], files)


def write_ranking(
    ranking: Ranking,
    path: PathLike,
    annotations: Annotations | ImageNames | None = None,
    columns: Mapping[str, Sequence[Any]] | None = None,
    for_spreadsheets: bool = False,
) -> None:
    """Write a ranking as CSV, JSON or Parquet, told by the suffix of the file.

    One row (in JSON: one object of a list) per image, hardest first, with ``rank`` from 1,
    ``image_id``, ``hardness`` and, where annotations are given, ``file_name``. Ids are exact, and those of the source
    where it has text for some.
    CSV and JSON give hardness with as few digits as tell it from all other float32 numbers: read
    as float32 it is exactly the same. The file is written as a whole or not at all.

    Names are written exactly as they are. A spreadsheet that opens a CSV runs a name such as ``=cmd|...`` as a formula:
    of names that you did not choose yourself write files `for_spreadsheets`.

    Args:
        ranking: what to write.
        path: file ending in ``.csv``, ``.json`` or ``.parquet`` (which needs ``pyarrow``).
        annotations: where file names, and ids that are text, come from; or these alone.
        columns: further columns by name, one value an image in the order of the ranking.
        for_spreadsheets: in CSV, write an apostrophe before text that a spreadsheet would take for a formula.

    Raises:
        ModuleNotFoundError: for Parquet when ``pyarrow`` is not installed.
        OSError: when the file cannot be written.
        ValueError: when the suffix is another one, ``annotations`` lack an image of the ranking, a column
            is of another length, hardness is not finite in JSON, or a name is no text that CSV or Parquet
            can hold.

    Example:
        >>> import tempfile, torch
        >>> path = Path(tempfile.mkdtemp(), "ranking.csv")
        >>> write_ranking(Ranking(torch.tensor([7, 3]), torch.tensor([2.5, 0.1])), path)
        >>> print(path.read_text().strip())
        rank,image_id,hardness
        1,7,2.5
        2,3,0.1
    """
    _written(path, lambda suffix: encode_ranking(ranking, suffix, annotations, columns, for_spreadsheets))


def encode_ranking(
    ranking: Ranking,
    suffix: str,
    names: ImageNames | Annotations | None = None,
    columns: Mapping[str, Sequence[Any]] | None = None,
    for_spreadsheets: bool = False,
) -> bytes:
    """The content of the file that :func:`write_ranking` writes.

    Args:
        ranking: what to write.
        suffix: ``.csv``, ``.json`` or ``.parquet``.
        names: where file names, and ids that are text, come from.
        columns: as there.
        for_spreadsheets: as there.

    Raises:
        ModuleNotFoundError, ValueError: as there; UnicodeEncodeError for a name that the format cannot hold.
    """
    table = _table(ranking, names)
    number = len(table["rank"])
    for name, values in (columns or {}).items():
        if len(values) != number or name in table:
            raise ValueError(
                f"`columns` {name!r} must be a new one with {number} values, one an image, but has {len(values)}."
            )
        table[name] = list(values)
    return _encoded(table, suffix, for_spreadsheets)


def write_rankings(
    rankings: Mapping[str, Ranking],
    path: PathLike,
    of: str,
    names: ImageNames | Annotations | None = None,
    for_spreadsheets: bool = False,
) -> None:
    """Write several rankings into one file, as :func:`write_ranking` does one, below each other.

    Args:
        rankings: what to write, by what they are called.
        path: file ending in ``.csv``, ``.json`` or ``.parquet`` (which needs ``pyarrow``).
        of: name of the first column, which holds what the ranking of each row is called.
        names: where file names, and ids that are text, come from.
        for_spreadsheets: as there.

    Raises:
        ModuleNotFoundError, OSError, ValueError: as there.

    Example:
        >>> import tempfile, torch
        >>> path = Path(tempfile.mkdtemp(), "hardest.csv")
        >>> rankings = {"car": Ranking(torch.tensor([7, 3]), torch.tensor([2.0, 1.0]))}
        >>> write_rankings(rankings, path, "category")
        >>> print(path.read_text().strip())
        category,rank,image_id,hardness
        car,1,7,2.0
        car,2,3,1.0
    """
    table: dict[str, list[Any]] = {of: []}
    for name, ranking in rankings.items():
        for column, values in {of: [name] * len(ranking.image_ids), **_table(ranking, names)}.items():
            table.setdefault(column, []).extend(values)
    if any(isinstance(image_id, str) for image_id in table.get("image_id", ())):
        table["image_id"] = list(map(str, table["image_id"]))  # a column is of one type
    _written(path, lambda suffix: _encoded(table, suffix, for_spreadsheets))


def _written(path: PathLike, encode: Callable[[str], bytes]) -> None:
    """Write what a suffix's encoder gives, whole or not at all."""
    suffix = Path(path).suffix.lower()
    if suffix not in _ENCODERS:
        raise ValueError(f"{path}: a ranking is written as {', '.join(_ENCODERS)}. Use one of these suffixes.")
    try:
        content = encode(suffix)
    except UnicodeEncodeError as error:
        raise ValueError(
            f"{path}: {error.object[:200]!r} holds half a character, which {suffix[1:]} cannot hold. Rename the image,"
            " or write JSON."
        ) from error
    with atomic_write(path) as file:
        file.write(content)


def _encoded(table: dict[str, list[Any]], suffix: str, for_spreadsheets: bool) -> bytes:
    if for_spreadsheets and suffix == ".csv":
        table = {inert(name): list(map(inert, values)) for name, values in table.items()}
    return _ENCODERS[suffix](table)


def _table(ranking: Ranking, names: ImageNames | Annotations | None) -> dict[str, list[Any]]:
    """The columns of a ranking's file."""
    image_ids = ranking.image_ids.tolist()
    table: dict[str, list[Any]] = {
        "rank": list(range(1, len(image_ids) + 1)),
        "image_id": image_ids,
        # numpy prints the fewest digits for the dtype at hand
        "hardness": [float(str(hardness)) for hardness in ranking.hardness.cpu().numpy()],
    }
    if names is not None:
        places = _places(image_ids, names)
        shown = names.shown_ids
        table["image_id"] = [shown[place] for place in places]
        if any(isinstance(image_id, str) for image_id in table["image_id"]):
            table["image_id"] = list(map(str, table["image_id"]))  # a column is of one type
        if names.file_names is not None:
            table["file_name"] = [names.file_names[place] for place in places]
    return table


def _places(image_ids: list[int], annotations: ImageNames | Annotations) -> list[int]:
    place = {image_id: place for place, image_id in enumerate(annotations.image_ids)}
    unknown = next((image_id for image_id in image_ids if image_id not in place), None)
    if unknown is not None:
        raise ValueError(
            f"`annotations` have no image {unknown}, which is in the ranking. "
            "Give the annotations of the data set that was ranked."
        )
    return [place[image_id] for image_id in image_ids]


def _csv(columns: dict[str, list[Any]]) -> bytes:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(zip(*columns.values(), strict=True))
    for name in columns.get("file_name", ()):
        name.encode()  # an error then holds this name alone
    return text.getvalue().encode()


def _json(columns: dict[str, list[Any]]) -> bytes:
    for image_id, hardness in zip(columns["image_id"], columns["hardness"], strict=True):
        if not math.isfinite(hardness):
            raise ValueError(
                f"The hardness of image {image_id} is {hardness}, which JSON cannot hold. Write CSV or Parquet instead."
            )
    rows = [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
    return ("[\n" + ",\n".join(map(json.dumps, rows)) + "\n]\n").encode()


def _parquet(columns: dict[str, list[Any]]) -> bytes:
    try:
        import pyarrow as pa
        from pyarrow import parquet
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            'Parquet needs pyarrow: pip install "hardest_metrics[parquet]", or write CSV or JSON.'
        ) from error
    types = {
        "rank": pa.int64(),
        "image_id": pa.string() if isinstance(next(iter(columns["image_id"]), 0), str) else pa.int64(),
        "hardness": pa.float32(),
        "file_name": pa.string(),
    }
    arrays = {name: pa.array(values, types.get(name)) for name, values in columns.items()}
    content = io.BytesIO()
    parquet.write_table(pa.table(arrays), content)
    return content.getvalue()


_ENCODERS = {".csv": _csv, ".json": _json, ".parquet": _parquet}
