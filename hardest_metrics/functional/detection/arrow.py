"""From Arrow's columns to a batch: offsets and values are laid into it as they are, with no Python object an image."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hardest_metrics.functional.detection.boxes import Batch
from hardest_metrics.functional.detection.checking import (
    BoxFormat,
    Detected,
    Images,
    Labelled,
    Side,
    check_box_format,
    checked_batch,
    exact,
    to_xywh,
)
from hardest_metrics.functional.eager import eager
from hardest_metrics.functional.ids import NO_ID
from hardest_metrics.numbering import named_numbers

if TYPE_CHECKING:
    import pyarrow as pa

#: The columns that :func:`batch_from_arrow` looks at.
DETECTED, LABELLED = ("boxes", "scores", "labels"), ("gt_boxes", "gt_labels")
OPTIONAL = ("gt_iscrowd", "gt_area", "height", "width")
COLUMNS = ("image_id", *DETECTED, *LABELLED, *OPTIONAL)

#: What the fields of a box may be called where it is a struct.
_FIELDS: Mapping[str, tuple[tuple[str, ...], ...]] = {
    "xywh": (("x", "y", "w", "h"), ("x", "y", "width", "height"), ("left", "top", "width", "height")),
    "xyxy": (("x1", "y1", "x2", "y2"), ("xmin", "ymin", "xmax", "ymax"), ("left", "top", "right", "bottom")),
    "cxcywh": (("cx", "cy", "w", "h"), ("cx", "cy", "width", "height")),
}


def batch_from_arrow(
    table: "pa.Table | pa.RecordBatch", box_format: BoxFormat = "xywh", min_score: float = 0.0
) -> Batch:
    """Check a table of images, their detections and labels, and lay it out in flat tensors, as `pack` does dicts.

    A row is an image:

    - ``image_id``: an integer, or text, of which :func:`~hardest_metrics.data.image_number` makes one.
    - ``boxes``: a list of boxes. A box is a list or fixed-size list of four numbers, or a struct of four, which are
      called ``x y w h`` or ``x y width height``; ``x1 y1 x2 y2`` or ``xmin ymin xmax ymax``; ``cx cy w h``.
    - ``scores`` in [0, 1] and ``labels``, integers: a list each, one value a box.
    - ``gt_boxes`` and ``gt_labels``: likewise what really is there.
    - optional: ``gt_iscrowd``, ``gt_area`` (square pixels), a list each; ``height``, ``width``: numbers, in pixels.

    Other columns are not looked at. Lists may be large or of fixed size, columns in chunks or slices of others. An
    image without boxes has empty lists; nothing may be null.

    Args:
        table: a ``pyarrow.Table`` or ``RecordBatch``; of JSON lines ``pyarrow.json.read_json`` makes one.
        box_format: of all boxes: ``"xywh"``, ``"xyxy"`` or ``"cxcywh"``, in pixels.
        min_score: detections of a lower score are checked like all others, then left out.

    Returns:
        Exactly what :func:`pack` makes of the same numbers as dicts of tensors, on the CPU.

    Raises:
        TypeError: if a column is of a wrong type, or the table is none.
        ValueError: if a column is missing, something in it is null, lengths differ, or a box, score, area or size
            makes no sense. The message names the column and the image.

    Example:
        >>> import pyarrow as pa
        >>> from hardest_metrics.functional import batch_from_arrow
        >>> table = pa.table(
        ...     {
        ...         "image_id": ["a.jpg", "b.jpg"],
        ...         "boxes": [[[0.0, 0.0, 9.0, 9.0]], []],
        ...         "scores": [[0.9], []],
        ...         "labels": [[1], []],
        ...         "gt_boxes": [[], [[5.0, 5.0, 9.0, 9.0]]],
        ...         "gt_labels": [[], [1]],
        ...     }
        ... )
        >>> batch = batch_from_arrow(table)
        >>> len(batch), len(batch.detections), batch.ground_truth.image
        (2, 1, tensor([1]))
    """
    return gathered(table, box_format, min_score)


@eager
@torch.no_grad()
def gathered(
    table: "pa.Table | pa.RecordBatch", box_format: BoxFormat = "xywh", min_score: float = 0.0, labelled: bool = True
) -> Batch:
    """What :func:`batch_from_arrow` makes of a table; of labels, if not asked for, nothing is looked at."""
    check_box_format(box_format)
    columns = _Columns(table)
    detected = _Side(columns, "boxes", "")
    boxes, scores, labels = columns.boxes("boxes", box_format), columns.floats("scores"), columns.integers("labels")
    found = Detected(detected, exact(boxes), box_format, labels, scores)
    if labelled:
        side = _Side(columns, "gt_boxes", "gt_")
        boxes, labels = columns.boxes("gt_boxes", box_format), columns.integers("gt_labels")
    else:
        side = _Side(columns, None, "gt_")
        boxes, labels = torch.empty(0, 4), torch.empty(0, dtype=torch.int64)
    xywh = to_xywh(exact(boxes), box_format)
    crowd, area = torch.zeros(len(xywh), dtype=torch.bool), xywh[:, 2] * xywh[:, 3]
    if labelled and "gt_iscrowd" in columns:
        crowd = columns.values("gt_iscrowd", "gt_boxes", "numbers")
    if labelled and "gt_area" in columns:
        area = columns.values("gt_area", "gt_boxes", "numbers").double()
    return checked_batch(
        found,
        Labelled(side, exact(boxes), box_format, xywh, labels, crowd, area),
        Images(columns.image_ids, *columns.sizes()),
        box_format,
        min_score,
    )


class _Columns:
    """The columns of a table as flat tensors."""

    def __init__(self, table: Any) -> None:
        import pyarrow as pa  # here: most runs never need it

        self._pa = pa
        if not isinstance(table, pa.Table | pa.RecordBatch):
            raise TypeError(
                f"`table` must be a pyarrow.Table or RecordBatch, but is a {type(table).__name__}: see"
                " pyarrow.Table.from_pandas, pyarrow.parquet.read_table and pyarrow.json.read_json."
            )
        self.table = table
        self.names = table.schema.names
        self._counts: dict[str, NDArray[np.int64]] = {}
        self.given_ids = self._whole("image_id")
        self.image_ids = self._ids()

    def __contains__(self, name: str) -> bool:
        return name in self.names

    def at(self, name: str, index: int) -> str:
        """How a message names what an image has in a column."""
        return f"column {name!r} of image {self.given_ids[index].as_py()!r}"

    def value(self, name: str, index: int) -> Any:
        """What an image has in a column, in Python."""
        return self.table.column(name)[index].as_py()

    def counts(self, name: str) -> NDArray[np.int64]:
        """``(N,)``: how long the list of each image is."""
        if name not in self._counts:
            self._lists(name)
        return self._counts[name]

    def boxes(self, name: str, box_format: BoxFormat) -> Tensor:
        """``(n, 4)``, of the dtype that the column has."""
        types, values = self._pa.types, self._lists(name)
        self._refuse_null(name, values)
        if types.is_null(values.type):
            return torch.empty(0, 4)
        if types.is_struct(values.type):
            fields = [field.name for field in values.type]
            order = next((names for names in _FIELDS[box_format] if set(names) == set(fields)), None)
            if order is None:
                known = " or ".join(" ".join(names) for names in _FIELDS[box_format])
                raise TypeError(
                    f"column {name!r} has structs of {' '.join(fields)}, but a box in {box_format} format is {known}."
                )
            numbers = dict(zip(fields, values.flatten(), strict=True))
            return torch.stack([self._numbers(name, numbers[field]) for field in order], 1)
        if types.is_fixed_size_list(values.type):
            if values.type.list_size != 4:
                raise TypeError(f"column {name!r} holds boxes of {values.type.list_size} numbers, but a box has four.")
            return self._numbers(name, values.flatten(), 4).reshape(-1, 4)
        if not (types.is_list(values.type) or types.is_large_list(values.type)):
            raise TypeError(f"column {name!r} holds lists of {values.type}, but must hold lists of boxes of 4 numbers.")
        lengths, numbers = _flat(values)
        if (lengths != 4).any():
            place = int((lengths != 4).argmax())
            raise ValueError(
                f"{self.at(name, self._image(name, place))} has a box of {lengths[place]} numbers, but a box has four."
            )
        return self._numbers(name, numbers, 4).reshape(-1, 4)

    def floats(self, name: str) -> Tensor:
        """``(n,)`` scores; integers, as JSON may have them, as float64."""
        scores = self.values(name, "boxes", "numbers in [0, 1]")
        return scores if scores.is_floating_point() else scores.double()

    def integers(self, name: str) -> Tensor:
        """``(n,)`` int64 labels."""
        labels = self.values(name, "gt_boxes" if name.startswith("gt_") else "boxes", "integers")
        if labels.is_floating_point() or labels.dtype == torch.bool:
            raise TypeError(f"column {name!r} holds lists of {labels.dtype}, but must hold lists of integers.")
        return labels.long()

    def values(self, name: str, boxes: str, expected: str) -> Tensor:
        """``(n,)``: one value a box of another column."""
        values, counts, wanted = self._lists(name), self.counts(name), self.counts(boxes)
        if not np.array_equal(counts, wanted):
            index = int((counts != wanted).argmax())
            raise ValueError(
                f"{self.at(name, index)} has {counts[index]} values, but column {boxes!r} has {wanted[index]} boxes:"
                " give one value a box."
            )
        self._refuse_null(name, values)
        if self._pa.types.is_null(values.type):
            return torch.empty(0, dtype=torch.int64 if expected == "integers" else torch.float32)
        return self._numbers(name, values, expected=expected)

    def sizes(self) -> tuple[Tensor, bool]:
        """``(N, 2)`` float64, height and width, NaN where the table has none; and whether it has them."""
        given = [name for name in ("height", "width") if name in self]
        if not given:
            return torch.full((len(self.image_ids), 2), torch.nan, dtype=torch.float64), False
        extents = [self._numbers(name, self._whole(name, nulls=False)).double() for name in ("height", "width")]
        # values are looked at with all others; here NaN is no absent size, and 0 will be refused
        return torch.stack(extents, 1).nan_to_num(nan=0.0), True

    def _ids(self) -> Tensor:
        """``(N,)`` int64."""
        given, types = self.given_ids, self._pa.types
        if types.is_dictionary(given.type):
            given = given.dictionary_decode()
        if given.null_count:
            row = given.is_null().index(True).as_py()
            raise ValueError(f"column 'image_id' is null in row {row}: give every image an id.")
        if types.is_string(given.type) or types.is_large_string(given.type):
            return torch.tensor(named_numbers(given.to_pylist())[0], dtype=torch.int64)
        if types.is_null(given.type):
            return torch.empty(0, dtype=torch.int64)
        if not types.is_integer(given.type):
            raise TypeError(f"column 'image_id' is {given.type}, but must be integers or text.")
        ids = self._numbers("image_id", given)
        if (ids == NO_ID).any():
            raise ValueError(f"column 'image_id' holds {NO_ID}, which stands for an image without id: number it else.")
        return ids

    def _whole(self, name: str, nulls: bool = True) -> Any:
        """A column as one array."""
        if self.names.count(name) != 1:
            problem = "lacks the column" if name not in self else "has several columns"
            raise ValueError(f"`table` {problem} {name!r}: it has {', '.join(map(str, self.names)) or 'none'}.")
        column = self.table.column(name)
        if isinstance(column, self._pa.ChunkedArray):
            column = column.chunk(0) if column.num_chunks == 1 else column.combine_chunks()
        if isinstance(column, self._pa.ChunkedArray):  # of more values than its offsets can count
            raise ValueError(f"column {name!r} holds too much for one batch: give fewer rows at a time.")
        if not nulls:
            self._refuse_null(name, column, by_row=True)
        return column

    def _lists(self, name: str) -> Any:
        """The values of all lists of a column, one after the other."""
        column, types = self._whole(name, nulls=False), self._pa.types
        if types.is_fixed_size_list(column.type):
            self._counts[name] = np.full(len(column), column.type.list_size, dtype=np.int64)
            return column.flatten()
        if types.is_null(column.type) and not len(column):
            self._counts[name] = np.zeros(0, dtype=np.int64)
            return column
        if not (types.is_list(column.type) or types.is_large_list(column.type)):
            raise TypeError(f"column {name!r} is {column.type}, but must be a list an image.")
        self._counts[name], values = _flat(column)
        return values

    def _refuse_null(self, name: str, values: Any, each: int = 1, by_row: bool = False) -> None:
        if values.null_count:
            place = values.is_null().index(True).as_py() // each
            if by_row:
                remedy = "give its size, or leave both columns out" if name in OPTIONAL else "give an empty list"
                raise ValueError(f"{self.at(name, place)} is null: {remedy}.")
            raise ValueError(f"{self.at(name, self._image(name, place))} holds a null: leave the box out, or mend it.")

    def _image(self, name: str, place: int) -> int:
        """The image that a value of a list belongs to."""
        return int(np.searchsorted(self.counts(name).cumsum(), place, side="right"))

    def _numbers(self, name: str, values: Any, each: int = 1, expected: str = "numbers") -> Tensor:
        """The same numbers in memory of their own: Arrow's must not be written to."""
        types = self._pa.types
        if values.null_count:
            self._refuse_null(name, values, each)
        if types.is_integer(values.type):
            try:
                values = values.cast(self._pa.int64())
            except self._pa.ArrowInvalid as error:
                raise ValueError(f"column {name!r} holds a number beyond 64 bits with a sign: {error}.") from None
        elif not (types.is_floating(values.type) or types.is_boolean(values.type)):
            raise TypeError(f"column {name!r} holds {values.type}, but must hold {expected}.")
        return torch.from_numpy(np.array(values.to_numpy(zero_copy_only=False)))


def _flat(lists: Any) -> tuple[NDArray[np.int64], Any]:
    """``(n,)`` lengths of lists, and their values one after the other."""
    offsets = lists.offsets.to_numpy()  # of a slice they count from where the whole begins
    return np.diff(offsets).astype(np.int64), lists.values.slice(offsets[0], offsets[-1] - offsets[0])


class _Side(Side):
    """One half of the columns; of none where nothing is known."""

    def __init__(self, columns: _Columns, boxes: str | None, prefix: str) -> None:
        self.name = prefix or "boxes"
        self._columns, self._boxes, self._prefix = columns, boxes, prefix

    @property
    def counts(self) -> NDArray[np.int64]:
        if self._boxes is None:
            return np.zeros(len(self._columns.image_ids), dtype=np.int64)
        return self._columns.counts(self._boxes)

    def at(self, index: int, key: str | None = None) -> str:
        if key == "image_size":
            return self._columns.at("height", index).replace("column 'height'", "columns 'height' and 'width'")
        return self._columns.at(f"{self._prefix}{key}", index)

    def given(self, index: int, key: str, place: int) -> Any:
        return self._columns.value(f"{self._prefix}{key}", index)[place]

    def size_given(self, index: int) -> Any:
        return tuple(self._columns.value(name, index) for name in ("height", "width"))
