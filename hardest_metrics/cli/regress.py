"""``hardest-metrics regress``: what got worse from one run to another, as a gate."""

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from jsonargparse import ArgumentParser, Namespace
from rich.table import Table
from rich.text import Text

from hardest_metrics.cli.files import (
    Output,
    check_images_folder,
    check_inputs,
    check_outputs,
    ranking_outputs,
    write_ranked,
)
from hardest_metrics.cli.options import PROGRAM, add_ranking_options, new_parser
from hardest_metrics.cli.stores import add_store_option, listed, shown
from hardest_metrics.cli.terminal import counted, noted, printable, results_console

if TYPE_CHECKING:
    from hardest_metrics.results import Regression

#: The exit code of what is worse than allowed.
WORSE = 3


def parser() -> ArgumentParser:
    """Its options."""
    regress = new_parser(
        usage=f"{PROGRAM} regress [--store FILE] [--against previous|RUN|paper] [options]",
        description="Compare a run with an earlier one over the same images and labels: results, images that became"
        " wrong or right, and images by the rise of their hardness. Exit code 0 if nothing is worse than allowed, 3 if"
        " something is, 2 if the runs cannot be compared, as with other labels.",
    )
    runs = regress.add_argument_group("runs")
    add_store_option(runs)
    runs.add_argument(
        "--run", default="newest", metavar="RUN",
        help="the run to judge: how its id begins, or newest, the one saved or recognised last (default: %(default)s)",
    )  # fmt: skip
    runs.add_argument(
        "--against", default="previous", metavar="RUN",
        help="what to compare with: how the id of a run begins; previous, the last one before over the same images and"
        " labels; or paper, what its paper claims (default: %(default)s)",
    )  # fmt: skip

    allowed = regress.add_argument_group("what is allowed")
    allowed.add_argument(
        "--tolerance", nargs="+", action="extend", default=[], metavar="NAME=NUMBER",
        help='by how much a result may be worse, such as "Top 1 Accuracy=0.002" (default: 0 for each whose better'
        " direction is known)",
    )  # fmt: skip
    allowed.add_argument(
        "--max-worse", type=int, metavar="N", help="how many images may have become wrong (default: any number)"
    )
    allowed.add_argument("--by", metavar="NAME", help="the hardness to compare images by (default: the run's first)")

    output = regress.add_argument_group("output", "Results and all images that flipped are always printed.")
    add_ranking_options(output, "images", "table, subset and grid")
    output.add_argument(
        "--subset", metavar="FILE.json",
        help="write the K images whose hardness rose most as COCO annotations; needs --annotations",
    )  # fmt: skip
    output.add_argument(
        "--annotations", metavar="FILE",
        help="COCO annotations of the images: for --subset, and for --grid of images that are known by numbers",
    )  # fmt: skip
    output.add_argument(
        "--grid", metavar="FILE.png",
        help="draw the K images whose hardness rose most, with what became of them; needs --images",
    )  # fmt: skip
    output.add_argument("--images", metavar="FOLDER", help="where the image files are, for --grid")
    return regress


def run(options: Namespace) -> int:
    """Compare, print and write; the exit code."""
    _check(options)
    tolerance = _tolerance(options.tolerance)

    from hardest_metrics.results import RunStore, regress

    store = RunStore(options.store or None)
    with noted() as notes:
        found = regress(store, options.run, options.against, tolerance, options.max_worse, options.by or None)
        wanted = [*options.out, *filter(None, (options.subset, options.grid))]
        if found.paper and wanted:
            raise ValueError(f"{wanted[0]}: a paper says nothing of images. Compare with a run to rank these.")
        pictures = {options.grid: _grid(options, found)} if options.grid else {}
        subset = {options.subset: partial(_write_subset, options, found)} if options.subset else {}
        written = write_ranked(options, partial(_write, options, found), pictures, subset)

    console = results_console()
    console.print(_results(found))
    lines = []
    if found.flips is not None:
        console.print(_images(found, options.top_k))
        wrong, right, p = found.flips
        lines.append(f"{counted(len(wrong), 'image')} became wrong, {len(right)} right; McNemar's exact p = {p:.4g}")
        lines.append(f"Became wrong: {listed(wrong)}")
        lines.append(f"Became right: {listed(right)}")
    lines += [f"Note: {note}" for note in notes] + [f"Wrote {path}" for path in written]
    lines += [f"Worse: {reason}" for reason in found.reasons] or ["Not worse than allowed"]
    for line in lines:
        console.print(printable(line), soft_wrap=True)
    return WORSE if found.is_worse else 0


def _check(options: Namespace) -> None:
    """Refuse what makes no sense before anything is done."""
    if not 1 <= options.top_k < 1 << 31:
        raise ValueError(f"`top_k` must be at least 1 and below 2^31, but is {options.top_k}.")
    if options.subset and not options.annotations:
        raise ValueError("`subset` needs `annotations` to be taken from: give both, or neither.")
    if options.annotations and not (options.subset or options.grid):
        raise ValueError("`annotations` are of use to `subset` and `grid` only: leave them out, or give one of these.")
    if bool(options.grid) != bool(options.images):
        raise ValueError("`grid` and `images` belong together: give both, or neither.")
    for name in ("run", "against"):
        if not options[name]:
            raise ValueError(f"`{name}` must name a run. Leave it out for the default.")
    inputs = [*filter(None, (options.store, options.annotations))]
    check_inputs(inputs)
    check_images_folder(options.images)
    subset = [Output(options.subset, "subset", (".json",))] if options.subset else []
    check_outputs([*ranking_outputs(options), *subset], inputs)


def _tolerance(given: Sequence[str]) -> dict[str, float]:
    tolerance = {}
    for text in given:
        name, equals, number = text.rpartition("=")
        try:
            tolerance[name] = float(number)
        except ValueError:
            equals = ""
        if not equals or not name:
            raise ValueError(f'`tolerance` must be NAME=NUMBER, such as "Top 1 Accuracy=0.002", but is {text!r}.')
    return tolerance


def _results(found: "Regression") -> Table:
    table = Table()
    before = "paper" if found.paper else f"before ({found.against.id[:8]})"
    for column in ("result", before, f"now ({found.run.id[:8]})", "difference", "allowed", ""):
        table.add_column(column, justify="left" if column in ("result", "") else "right", overflow="fold")
    for one in found.changes:
        allowed = "-" if one.tolerance is None else f"{one.tolerance:g}"
        numbers = shown(one.before), shown(one.now), f"{one.difference:+.4g}", allowed
        table.add_row(Text(printable(one.name)), *numbers, "worse" if one.is_worse else "")
    return table


def _images(found: "Regression", top_k: int) -> Table:
    """Those whose hardness rose most."""
    assert found.ranking is not None
    table = Table()
    further = [name for name in found.columns if name not in ("before", "now")]
    shown_ids = _shown_ids(found)
    for column in ("rank", "image", f"{found.by} before", "now", "rise", *(name.replace("_", " ") for name in further)):
        table.add_column(column, justify="left" if column in ("image", "became") else "right", overflow="fold")
    rises = found.ranking.top(top_k).hardness.tolist()
    for place, rise in enumerate(rises):
        numbers = [f"{found.columns[name][place]:.5g}" for name in ("before", "now")]
        others = [Text(printable(str(found.columns[name][place]))) for name in further]
        table.add_row(str(place + 1), Text(printable(str(shown_ids[place]))), *numbers, f"{rise:.5g}", *others)
    return table


def _shown_ids(found: "Regression") -> list[Any]:
    """What images are called, in the order of the ranking."""
    assert found.ranking is not None
    assert found.names is not None
    called = dict(zip(found.names.image_ids, found.names.shown_ids, strict=True))
    return [called[number] for number in found.ranking.image_ids.tolist()]


def _write(options: Namespace, found: "Regression", path: str) -> None:
    from hardest_metrics.data import write_ranking

    assert found.ranking is not None
    write_ranking(found.ranking, path, found.names, found.columns, options.for_spreadsheets)


def _write_subset(options: Namespace, found: "Regression", path: str) -> None:
    from hardest_metrics.data import write_coco_subset

    assert found.ranking is not None
    write_coco_subset(options.annotations, found.ranking.top(options.top_k).image_ids, path)


def _grid(options: Namespace, found: "Regression") -> bytes:
    """The content of a PNG file that shows the images whose hardness rose most."""
    from hardest_metrics.detectors.image_files import find_image
    from hardest_metrics.plot import MAX_TILES, draw_flips, encode_png

    assert found.ranking is not None
    hardness, shown_ids = found.ranking.top(options.top_k).hardness.tolist(), _shown_ids(found)
    if len(hardness) > MAX_TILES:
        raise ValueError(f"`grid` draws at most {MAX_TILES} images, but `top_k` is {options.top_k}.")
    names = _file_names(options.annotations) if options.annotations else {}
    files = [find_image(options.images, names.get(key, str(key)), key) for key in shown_ids[: len(hardness)]]
    captions = []
    for place, rise in enumerate(hardness):
        column = {name: values[place] for name, values in found.columns.items()}
        said = ""
        if "said_now" in column:
            said = f"\nlabel {column['label']}: said {column['said_before']}, now {column['said_now']}"
        numbers = f"{column['before']:.4g} to {column['now']:.4g}, rise {rise:.4g}"
        captions.append(f"{place + 1}. {shown_ids[place]}\n{found.by} {numbers}{said}")
    title = f"Images whose {found.by} rose most\n{found.against} to {found.run}"
    return encode_png(draw_flips(files, found.columns["became"][: len(hardness)], captions, title))


def _file_names(annotations: str) -> dict[Any, str]:
    """By the id of an image, the name of its file."""
    from hardest_metrics.data import read_annotations

    known = read_annotations(annotations)
    return dict(zip(known.shown_ids, known.file_names, strict=True))
