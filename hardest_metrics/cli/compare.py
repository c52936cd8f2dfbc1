"""``hardest-metrics compare``: how far rankings without labels can be trusted."""

import itertools
import json
import sys
from collections.abc import Callable, Mapping, Sequence
from hashlib import sha256
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from jsonargparse import ArgumentParser, Namespace
from rich.progress import Progress

from hardest_metrics import __version__
from hardest_metrics.cli.files import (
    Output,
    check_images_folder,
    check_inputs,
    check_out_folder,
    check_outputs,
    say_waiting,
    write_into,
)
from hardest_metrics.cli.images import ImageSet, has_objects, with_sizes
from hardest_metrics.cli.options import (
    ALL,
    PROGRAM,
    add_box_options,
    add_ignore_options,
    add_split_option,
    add_spreadsheet_option,
    as_options,
    boxes_in_words,
    check_n_samples,
    check_names,
    ignored,
    labels_of,
    new_parser,
    query_settings,
    require_given,
)
from hardest_metrics.cli.terminal import noted, printable, progress_bar, results_console
from hardest_metrics.comparison.detectors import detector_names
from hardest_metrics.comparison.estimates import ESTIMATES, estimate_named
from hardest_metrics.names import DEFINITIONS, WEIGHTINGS

if TYPE_CHECKING:
    from hardest_metrics.comparison import Comparison
    from hardest_metrics.comparison.store import Store

_ALL_DEFINITIONS = tuple(f"{kind}/{weighting}" for kind in DEFINITIONS for weighting in WEIGHTINGS)

#: Written to the folder of the comparison, besides plots.
_TABLES = ("agreement.csv", "agreement.md")

_UNWATCHED_WIDTH = 120  # characters of a table where no terminal says how many fit

#: Of the options, those that say which boxes count.
_BOX_OPTIONS = ("score_threshold", "iou_threshold", "labels", "area_range", "max_detections")


def parser() -> ArgumentParser:
    """Its options."""
    compare = new_parser(
        usage=f"{PROGRAM} compare --annotations FILE|FOLDER --detections FILE [FILE ...] --out FOLDER [options]",
        description="Rank labelled images by their labels and by every estimate that needs none, for one or several"
        " detectors, and say how well they agree: as a table, CSV, Markdown and plots. What was computed is kept in"
        " FOLDER/.store, so that the next run computes only what changed.",
    )
    data = compare.add_argument_group("data")
    data.add_argument(
        "--annotations", metavar="FILE|FOLDER",
        help="labels: a COCO JSON file, plain or gzipped, a Pascal VOC folder, Open Images' or Global Wheat's CSV, or"
        " a folder of digit scenes (required)",
    )  # fmt: skip
    data.add_argument(
        "--detections", nargs="+", metavar="FILE",
        help="detections of each detector, down to low scores: COCO results JSON, or what `hardest` exports; plain or"
        " gzipped. Detectors are called by their files; each is judged by all others, too (required)",
    )  # fmt: skip
    add_split_option(data)
    data.add_argument(
        "--images", metavar="FOLDER",
        help="where the image files are, to show the hardest, and for sizes that pixel weighting needs and"
        " --annotations lack",
    )  # fmt: skip

    add_ignore_options(data)

    compared = compare.add_argument_group("what is compared")
    compared.add_argument(
        "--definitions", nargs="+", metavar="NAME",
        help="of hardness: false_positives, false_negatives or total_false, and how errors are weighted, such as"
        " total_false/pixel (default: all, which is nine)",
    )  # fmt: skip
    compared.add_argument(
        "--estimators", nargs="+", metavar="NAME",
        help=f"ways to estimate hardness without labels (default: all, which is {', '.join(ESTIMATES)}). +platt,"
        " +temperature and +isotonic: with scores calibrated on other images, by 5-fold cross-validation; +all: of"
        " detections below the score threshold, too",
    )  # fmt: skip
    compared.add_argument(
        "--n-samples", type=int, default=10, metavar="N",
        help="that estimators which draw samples draw (default: %(default)s)",
    )  # fmt: skip

    add_box_options(compare.add_argument_group("query", "Which boxes count."))

    output = compare.add_argument_group("output", "A table of means over the definitions is always printed.")
    output.add_argument(
        "--out", metavar="FOLDER", help="write agreement.csv, agreement.md and plots/ there; made if absent (required)"
    )
    add_spreadsheet_option(output)
    output.add_argument("--report", metavar="FILE.html", help="write a page to look through images and rankings")
    return compare


def run(options: Namespace) -> None:
    """Compare, print and write; what was written before and would be the same now is only printed."""
    detectors = _check(options)

    from hardest_metrics.comparison.store import Store

    out = Path(options.out)
    out.mkdir(exist_ok=True)
    store = Store(out / ".store")
    with progress_bar() as progress, store.locked(lambda: say_waiting(out)):
        progress.add_task("reading", total=None)
        digests = _Digests.of(options, detectors)
        key = _run_key(options, digests)
        finished = _Finished.kept(store, key, out)
        news = [f"Nothing has changed: {out} is as it was"]
        if finished is None:
            finished, digests = _compare(options, detectors, digests, store, progress)
            store.put(_run_key(options, digests), finished.encoded())
            news = [f"Wrote {out / name}" for name in finished.outputs]
    if store.damaged:
        number = len(store.damaged)
        what, happened = (
            ("1 entry", "was damaged and is") if number == 1 else (f"{number} entries", "were damaged and are")
        )
        _warn(f"{what} of {store.folder} {happened} computed again")
    _show(finished, list(detectors), news)


class _Digests(NamedTuple):
    """What tells the data of a run from others: hashes of their content."""

    annotations: str
    detections: dict[str, str]
    images: str | None

    @classmethod
    def of(cls, options: Namespace, detectors: Mapping[str, str]) -> "_Digests":
        from hardest_metrics.data.digest import content_digest

        detections = {name: content_digest(path) for name, path in detectors.items()}
        images = _listing_digest(options.images) if options.images else None
        labels = [content_digest(path) for path in _label_files(options.annotations, options.split)]
        return cls(" ".join(labels), detections, images)

    def as_read(self, options: Namespace, detectors: Mapping[str, str], known: Mapping[Path, str]) -> "_Digests":
        """Those of the very bytes that were read, which may have changed since these were taken.

        Raises:
            ValueError: if that cannot be told: files of a folder changed while others were read.
        """
        from hardest_metrics.data.digest import content_digest
        from hardest_metrics.data.voc import xml_files

        files = _label_files(options.annotations, options.split)
        labels = " ".join(content_digest(path, known) for path in files)
        changed = labels != self.annotations
        if Path(options.annotations).is_dir() and (changed or set(xml_files(files[0]).values()) - known.keys()):
            raise ValueError(
                f"{options.annotations}: was changed while it was being read. Run this again once it stays as it is."
            )
        return self._replace(
            annotations=labels, detections={name: known[Path(path)] for name, path in detectors.items()}
        )


def _label_files(annotations: str, split: str | None) -> list[Path]:
    """The files and folders that labels come from: of a Pascal VOC data set not the images, which may be many."""
    path = Path(annotations)
    if not path.is_dir():
        return [path]
    folder = path / "Annotations" if (path / "Annotations").is_dir() else path
    listed = folder.resolve().parent / "ImageSets" / "Main" / f"{split}.txt"
    return [folder, listed] if split and listed.is_file() else [folder]


def _listing_digest(folder: str) -> str:
    """Names, sizes and times of change of all files in a folder: their content would take too long."""
    listing = sha256()
    for path in sorted(Path(folder).rglob("*")):
        status = path.stat() if path.exists() else path.lstat()  # a link may lead nowhere
        listing.update(f"{path}\0{status.st_size}\0{status.st_mtime_ns}\n".encode(errors="surrogatepass"))
    return listing.hexdigest()


def _run_key(options: Namespace, digests: _Digests) -> str:
    """Of everything that what a run writes depends on."""
    from hardest_metrics.comparison.store import content_key

    chosen = {name: options[name] for name in (*_BOX_OPTIONS, "split", "n_samples", "for_spreadsheets")}
    return content_key(
        "run",
        annotations=[Path(options.annotations).name, digests.annotations],
        detections=list(digests.detections.items()),
        images=digests.images,
        ignored=ignored(options),
        report=options.report and str(Path(options.report).absolute()),
        definitions=_chosen(options.definitions),
        estimators=_chosen(options.estimators),
        libraries=[find_spec(name) is not None for name in ("matplotlib", "sklearn")],
        **chosen,
    )


class _Finished(NamedTuple):
    """What a run that came to its end has to show.

    Attributes:
        agreement: see :class:`~hardest_metrics.comparison.Comparison`, column by column.
        n_images: how many images were ranked.
        notes: what a reader should know.
        outputs: a hash of the content of each file and folder that was written, by its path, as seen from the folder of
            the comparison or absolute.
    """

    agreement: dict[str, list[Any]]
    n_images: int
    notes: list[str]
    outputs: dict[str, str]

    @classmethod
    def kept(cls, store: "Store", key: str, out: Path) -> "_Finished | None":
        """That of an earlier run, if all that it wrote is still there as it was."""
        from hardest_metrics.data.digest import content_digest

        content = store.get(key)
        if content is None:
            return None
        finished = cls(**json.loads(content))
        paths = {out / name: digest for name, digest in finished.outputs.items()}
        same = all(path.exists() and content_digest(path) == digest for path, digest in paths.items())
        return finished if same else None

    def encoded(self) -> bytes:
        return json.dumps(self._asdict()).encode()


def _compare(
    options: Namespace, detectors: Mapping[str, str], digests: _Digests, store: "Store", progress: Progress
) -> tuple[_Finished, _Digests]:
    """What there is to show, and the digests of what it was made from."""
    settings = query_settings(options)

    from hardest_metrics.comparison import Kept, compare
    from hardest_metrics.comparison.budgets import in_words
    from hardest_metrics.comparison.documents import as_csv, as_markdown
    from hardest_metrics.comparison.figures import plots
    from hardest_metrics.comparison.judged import Labelled, intervals_in_words
    from hardest_metrics.data import read_annotations, read_detections
    from hardest_metrics.data.digest import noted_digests
    from hardest_metrics.functional import Query

    (bar,) = progress.task_ids

    def show(what: str, done: int, total: int | None) -> None:
        progress.update(bar, description=printable(what), completed=done, total=total)

    show("reading annotations", 0, None)
    with noted() as warned, noted_digests() as labels_read:
        annotations = read_annotations(options.annotations, options.split, ignored(options))
    if not annotations.image_ids:
        raise ValueError(f"{options.annotations}: holds no images, so there is nothing to compare.")
    query = Query(**settings, labels=labels_of(options, annotations))
    if not has_objects(annotations, query):
        raise ValueError(
            f"{options.annotations}: no image has an object that counts, so there is nothing to compare with. Give"
            " labels, or let the query count objects that there are."
        )
    definitions = _chosen(options.definitions)
    unsized = None in annotations.image_sizes
    by_pixels = any(name.endswith("/pixel") for name in definitions or _ALL_DEFINITIONS)
    if unsized and by_pixels and (options.images or definitions):  # by default what needs sizes can be left out
        images = ImageSet(annotations, True, "")
        annotations = with_sizes(images, options, options.annotations, "other `definitions`").annotations
    show("reading detections", 0, None)
    with noted() as of_detections, noted_digests() as detections_read:
        detections = {name: read_detections(path, annotations, ignored(options)) for name, path in detectors.items()}
    digests = digests.as_read(options, detectors, labels_read | detections_read)
    sizes_of = digests.images if unsized else None
    read_as = " ".join(ignored(options))
    kept = Kept(store, f"{digests.annotations} {options.split} {sizes_of} {read_as}".rstrip(), digests.detections)
    with noted() as of_boxes:
        comparison = compare(
            annotations, detections, query, definitions, _chosen(options.estimators), options.n_samples, kept=kept,
            on_progress=show,
        )  # fmt: skip
    if comparison.agreement.empty:
        raise ValueError(f"`estimators` leave nothing to compare: {' '.join(comparison.notes)}")
    setting = {
        "annotations": Path(options.annotations).name + (f", split {options.split}" if options.split else ""),
        "images": str(len(annotations.image_ids)),
        "detections": ", ".join(Path(path).name for path in detectors.values()),
        "boxes that count": boxes_in_words(options, query, annotations.categories),
        "samples": str(options.n_samples),
        "made with": f"hardest_metrics {__version__}",
    }
    show("judging intervals", 0, None)
    worth = []
    compared = comparison.agreement.groupby("detector", sort=False)["estimator"].unique()
    for name, preds in detections.items():
        others = [detections[other] for other in detections if other != name]
        labelled = Labelled(preds, annotations.target, query, others)
        worth += in_words(comparison, name)
        try:
            worth += intervals_in_words(name, list(compared.get(name, [])), labelled)
        except ModuleNotFoundError as error:
            worth.append(str(error))
    notes = [*worth, *comparison.notes, *(as_options(note, options) for note in warned + of_detections + of_boxes)]
    if unsized and definitions is None and not options.images:
        notes.append(
            "widths and heights that annotations lack are taken from the files in --images, where it is given."
        )
    files: dict[str, bytes] = {}
    links: dict[str, list[tuple[str, str]]] = {}
    drawn = list(plots(comparison, options.images))
    for number, plot in enumerate(drawn):
        show(f"drawing {plot.name} of {plot.detector}", number, len(drawn))
        try:
            files[plot.path] = store.kept(plot.key, plot.png)
        except ModuleNotFoundError as error:
            notes.append(str(error))
        else:
            links.setdefault(plot.detector, []).append((plot.title, plot.path))
    notes = list(dict.fromkeys(notes))
    files["agreement.csv"] = as_csv(comparison, options.for_spreadsheets)
    files["agreement.md"] = as_markdown(comparison, setting, notes, links)
    show("writing", 0, None)
    outputs = write_into(Path(options.out), files)
    if options.report:
        inputs = {options.annotations: digests.annotations}
        inputs |= {path: digests.detections[name] for name, path in detectors.items()}
        outputs |= _report(options, comparison, setting, inputs, notes, show)
    columns = {name: comparison.agreement[name].tolist() for name in comparison.agreement.columns}
    return _Finished(columns, len(annotations.image_ids), notes, outputs), digests


def _report(
    options: Namespace,
    comparison: "Comparison",
    setting: Mapping[str, str],
    inputs: Mapping[str, str],
    notes: list[str],
    show: Callable[[str, int, int | None], None],
) -> dict[str, str]:
    """Write the page, and add to the notes which images it cannot show; a hash of each file and folder by its path."""
    from hardest_metrics.data.digest import content_digest
    from hardest_metrics.report import write_report

    n_images, done = len(comparison.annotations.image_ids), itertools.count(1)
    written = write_report(
        comparison, options.report, options.images, setting, inputs,
        lambda number: show("writing the report", next(done), n_images), say_waiting,
    )  # fmt: skip
    notes += [as_options(problem, options) for problem in written.problems]
    return {str(path.absolute()): content_digest(path) for path in (written.page, written.folder) if path}


def _show(finished: _Finished, detectors: Sequence[str], news: Sequence[str]) -> None:
    import pandas as pd

    from hardest_metrics.comparison.tables import terminal_tables, verdict

    console = results_console()
    agreement = pd.DataFrame(finished.agreement)
    agreement["detector"] = agreement["detector"].map(printable)
    for table in terminal_tables(
        agreement, min(console.width, _UNWATCHED_WIDTH) if not console.is_terminal else console.width
    ):
        console.print(table)
    console.print("Can the images be ranked without labels?")
    verdicts = [verdict(agreement, printable(detector), finished.n_images) for detector in detectors]
    for line in [*verdicts, *(f"Note: {note}" for note in finished.notes), *news]:
        console.print(printable(line), soft_wrap=True)


def _check(options: Namespace) -> dict[str, str]:
    """Refuse options that make no sense, before anything is done; the file of each detector by its name."""
    require_given(options, "compare", ("annotations", "detections", "out"))
    inputs = [options.annotations, *options.detections]
    check_inputs(inputs)
    check_names(options.estimators or (), "estimators", estimate_named)
    check_names(options.definitions or (), "definitions", _check_definition)
    check_n_samples(options.n_samples)
    check_images_folder(options.images)
    check_out_folder(options.out)
    out = Path(options.out)
    outputs = [Output(str(out / name), "out", (Path(name).suffix,)) for name in _TABLES] if out.is_dir() else []
    outputs += [Output(options.report, "report", (".html",))] if options.report else []
    check_outputs(outputs, inputs, made=[options.out])
    names = detector_names(options.detections)
    return dict(zip(names, options.detections, strict=True))


def _check_definition(name: str) -> None:
    if name not in _ALL_DEFINITIONS:
        raise ValueError(f"`definitions` has no {name!r}. Choose from {', '.join(_ALL_DEFINITIONS)}.")


def _chosen(names: Sequence[str] | None) -> Sequence[str] | None:
    """What an option names; None for all."""
    return None if names == [ALL] else names


def _warn(message: str) -> None:
    print(f"{PROGRAM}: {printable(message)}", file=sys.stderr)
