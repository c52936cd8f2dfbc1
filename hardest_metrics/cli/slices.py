"""``hardest-metrics rank --slices``: how hard images are by what is known of them."""

import io
import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from jsonargparse import Namespace
from rich.table import Table
from rich.text import Text

from hardest_metrics.cli.images import ImageSet
from hardest_metrics.cli.terminal import add_columns, printable
from hardest_metrics.cli.why import ATTRIBUTES

if TYPE_CHECKING:
    from hardest_metrics.comparison.slices import Sliced
    from hardest_metrics.functional import Query
    from hardest_metrics.ranking import Ranking

#: Columns of a table that say which image a row is of.
_NAMES = ("image_id", "id", "index", "idx", "file_name", "file", "filename", "path")


def attributes(options: Namespace, query: "Query", images: ImageSet) -> "dict[str, Sequence[float] | Sequence[str]]":
    """What ``--slices`` names, of each image in the order of the set.

    Raises:
        ValueError: if it is not to be had.
    """
    from hardest_metrics.comparison.attributes import object_attributes

    found: dict[str, Sequence[float] | Sequence[str]] = {}
    of_objects: Mapping[str, Sequence[float]] = {}
    for name in options.slices:
        if name == "brightness":
            found[name] = _brightness(options.images, images)
        elif name in ATTRIBUTES:
            if options.estimator:
                raise ValueError(
                    f"`slices` by {name} needs labels, which an `estimator` does not look at: leave it out."
                )
            of_objects = of_objects or object_attributes(images.annotations.target, query, "xywh")
            found[name] = of_objects[name]
        else:
            for column, values in _columns(name, images).items():
                if column in found:
                    raise ValueError(f"{name}: column {column!r} is there twice among `slices`: rename one.")
                found[column] = values
    return found


def sliced(options: Namespace, query: "Query", ranking: "Ranking", images: ImageSet) -> "Sliced":
    """Hardness by what ``--slices`` names.

    Raises:
        ValueError: as :func:`attributes`.
    """
    import torch

    from hardest_metrics.comparison.slices import slice_hardness

    known = attributes(options, query, images)
    hardness = dict(zip(*(column.tolist() for column in ranking), strict=True))
    values = [hardness[image_id] for image_id in images.annotations.image_ids]
    return slice_hardness(torch.tensor(values), known)


def table(found: "Sliced") -> Table:
    """A row a slice, and what goes with hardness how closely."""
    shown = Table()
    add_columns(shown, ("slice", "images", "mean hardness", "95% interval"), texts=("slice",), left=("slice",))
    last = None
    for one in found.slices:
        if one.attribute != last:
            shown.add_section()
            shown.add_row(Text(printable(f"{one.attribute} ({_together(found, one.attribute)})"), style="bold"))
            last = one.attribute
        interval = "–" if math.isnan(one.low) else f"{one.low:.4g} to {one.high:.4g}"
        shown.add_row(Text(f"  {printable(one.value)}"), str(one.images), f"{one.mean:.4g}", interval)
    return shown


def picture(found: "Sliced", overall: float) -> bytes:
    """The content of a PNG file: a panel an attribute."""
    from matplotlib.figure import Figure

    from hardest_metrics.plot import plot_slices

    names = list(dict.fromkeys(one.attribute for one in found.slices))
    rows = {name: [(s.value, s.mean, s.low, s.high) for s in found.slices if s.attribute == name] for name in names}
    heights = [1.2 + 0.3 * len(rows[name]) for name in names]
    figure = Figure(figsize=(7, sum(heights) + 0.4), layout="constrained")
    panels = figure.subplots(len(names), 1, sharex=True, height_ratios=heights, squeeze=False)[:, 0]
    for name, axes in zip(names, panels, strict=True):
        plot_slices(rows[name], overall, f"{name} ({_together(found, name)})", axes)
        axes.label_outer()
    content = io.BytesIO()
    figure.savefig(content, format="png", dpi=100)
    return content.getvalue()


def _together(found: "Sliced", attribute: str) -> str:
    if attribute in found.explained:
        share = found.explained[attribute]
        return "explains –" if math.isnan(share) else f"explains {share:.0%} of the variance"
    correlation = found.correlations[attribute]
    return "correlation –" if math.isnan(correlation) else f"correlation {correlation:.2f}"


def _brightness(folder: str, images: ImageSet) -> list[float]:
    """The mean grey of each image, in [0, 1]."""
    import numpy as np
    from PIL import Image

    from hardest_metrics.detectors.image_files import find_image

    annotations = images.annotations
    found = []
    for name, shown in zip(annotations.file_names, annotations.shown_ids, strict=True):
        path = find_image(folder, name, shown)
        try:
            with Image.open(path) as file:
                file.draft("L", (256, 256))
                found.append(float(np.asarray(file.convert("L"), dtype=np.float64).mean()) / 255)
        except Exception as error:  # Pillow's decoders meet damaged files with errors of every kind
            raise ValueError(f"{path}: not a picture that can be read ({error}).") from error
    return found


def _columns(path: str, images: ImageSet) -> "dict[str, Sequence[float] | Sequence[str]]":
    """The columns of a table, of each image in the order of the set: numbers where all are, else text.

    Raises:
        ValueError: if the file says of no image of the set anything, or not which.
    """
    from hardest_metrics.data.identity import KnownImages
    from hardest_metrics.data.table import Table as TextTable
    from hardest_metrics.data.table import number_of

    rows = TextTable(path)
    ids, files = rows.identifiers(), rows.file_names()
    if ids is None and files is None:
        raise ValueError(f"{path}: has no column image_id or file_name, so that nothing tells which image a row is of.")
    annotations = images.annotations
    known = KnownImages(annotations.shown_ids, annotations.file_names)
    place_of: list[int] = []
    for row in range(len(rows)):
        place = known.place(None if ids is None else ids[row], None if files is None else files[row])
        if place in (KnownImages.CONTRADICTORY, KnownImages.AMBIGUOUS):
            raise rows.error(row, "the image that it is of cannot be told: its id and file name mean several.")
        if place >= 0 and place in place_of:
            raise rows.error(row, f"is of the same image as line {rows.lines[place_of.index(place)]}.")
        place_of.append(place)
    if all(place < 0 for place in place_of):
        raise ValueError(f"{path}: none of its {len(rows)} rows is of an image of the set. Is it of another one?")
    found: dict[str, Sequence[float] | Sequence[str]] = {}
    for column in rows.header:
        if column in _NAMES:
            continue
        texts = [""] * len(annotations.image_ids)
        for place, text in zip(place_of, rows.values(column), strict=True):
            if place >= 0:
                texts[place] = text
        numbers = [number_of(text) for text in texts]
        is_number = all(not text or math.isfinite(number) for text, number in zip(texts, numbers, strict=True))
        found[column] = numbers if is_number and any(texts) else texts
    if not found:
        raise ValueError(f"{path}: has no column beside those that name images. Add what is known of them.")
    return found
