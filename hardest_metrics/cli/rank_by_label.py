"""``hardest-metrics rank --by-label``: the hardest images of every class."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, NamedTuple

from jsonargparse import Namespace
from rich.table import Table
from rich.text import Text

from hardest_metrics.cli.files import written_alone
from hardest_metrics.cli.images import ImageSet
from hardest_metrics.cli.ranked import by_label
from hardest_metrics.cli.terminal import add_columns, counted, printable

if TYPE_CHECKING:
    from hardest_metrics.functional import Query
    from hardest_metrics.functional.detection.packing import ImageDict
    from hardest_metrics.ranking import Ranking

_NAMED = 3  # hardest images of a class that the table names


class OfClass(NamedTuple):
    """What came of one class.

    Attributes:
        name: of the class.
        hardest: its hardest images, of hardness above 0.
        mean: hardness of all images.
        in_error: how many images have any error of it.
    """

    name: str
    hardest: "Ranking"
    mean: float
    in_error: int


def ranked(
    options: Namespace, query: "Query", preds: Sequence["ImageDict"], images: ImageSet, advance: Callable[[int], None]
) -> list[OfClass]:
    """Every class that counts, the one of highest mean hardness first.

    Raises:
        ValueError: if there is none.
    """
    annotations = images.annotations
    labels = sorted(annotations.categories if query.labels is None else query.labels)
    if not labels:
        raise ValueError(f"{options.annotations}: has no categories, so that there is nothing to rank by `by_label`.")
    found = by_label(options, query, labels, preds, annotations.target, advance)
    classes = []
    for label, summary in found.items():
        hard = summary.ranking.top(int((summary.ranking.hardness > 0).sum())).top(options.top_k)
        in_error = round(summary.share_in_error * len(preds))
        name = annotations.categories.get(label, str(label))
        if list(annotations.categories.values()).count(name) > 1:
            name = f"{name} ({label})"
        classes.append(OfClass(name, hard, summary.mean, in_error))
    return sorted(classes, key=lambda one: -one.mean)


def write(options: Namespace, classes: Sequence[OfClass], images: ImageSet) -> list[str]:
    """Write the hardest images of all classes; the paths of all files written."""
    from hardest_metrics.data import write_rankings

    rankings = {one.name: one.hardest for one in classes}
    names = images.annotations if images.named else None
    with written_alone(options.out):
        for path in options.out:
            write_rankings(rankings, path, "category", names, options.for_spreadsheets)
    return list(options.out)


def table(classes: Sequence[OfClass], images: ImageSet) -> Table:
    """A row a class."""
    annotations = images.annotations
    shown = dict(zip(annotations.image_ids, annotations.shown_ids, strict=True))
    found = Table()
    texts = ("category", "hardest images (hardness)")
    add_columns(found, ("category", "mean hardness", "images in error", texts[1]), texts, left=texts)
    for one in classes:
        hardest = zip(*(column.tolist() for column in one.hardest.top(_NAMED)), strict=True)
        named = ", ".join(f"{printable(str(shown[image_id]))} ({value:.4g})" for image_id, value in hardest)
        found.add_row(Text(printable(one.name)), f"{one.mean:.4g}", str(one.in_error), Text(named))
    return found


def in_words(classes: Sequence[OfClass], number: int) -> str:
    """What was found, in a few words."""
    wrong = sum(one.in_error > 0 for one in classes)
    which = "class" if len(classes) == 1 else "classes"
    return f"{counted(number, 'image')}, {len(classes)} {which}, {wrong} of them with an error"
