"""``hardest-metrics transfer``: which pretrained model to start from for a target set."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jsonargparse import ArgumentParser, Namespace
from rich.progress import Progress, TaskID
from rich.table import Table
from rich.text import Text

from hardest_metrics.cli.files import (
    Output,
    check_images_folder,
    check_inputs,
    check_out_folder,
    check_outputs,
    require_package,
    say_waiting,
    write_into,
)
from hardest_metrics.cli.options import (
    PROGRAM,
    add_split_option,
    add_spreadsheet_option,
    as_options,
    new_parser,
    require_given,
)
from hardest_metrics.cli.terminal import counted, noted, printable, progress_bar, results_console
from hardest_metrics.comparison.detectors import detector_names
from hardest_metrics.names import SELECTION_MEASURES

if TYPE_CHECKING:
    import pandas as pd

_TABLES = ("scores.csv", "selection.csv")

_FEW = 8  # candidates: from here on chance alone seldom orders them well

_MOST = 1 << 16  # pixels of a side, features or images at a time: more is a slip of the finger


def parser() -> ArgumentParser:
    """Its options."""
    transfer = new_parser(
        usage=f"{PROGRAM} transfer --model NAME --weights FILE [FILE ...] --images FOLDER --annotations FILE|FOLDER"
        " --out FOLDER [options]",
        description="Score pretrained models for a target set without training on it: the higher the score of their"
        " features, the more, it is hoped, training will make of them. Give the training split of the target set: what"
        " models are judged by later must not choose them. Features are scored as they are, as a new head on a frozen"
        " backbone finds them; fine-tuning all of a model may change the order. With --performance, say also how well"
        " each score would have chosen. Scores are kept in FOLDER/.store: killed, the same command goes on.",
    )
    models = transfer.add_argument_group("candidates")
    models.add_argument(
        "--model", metavar="NAME",
        help="what they are: torchvision's name of a detector, such as fasterrcnn_resnet50_fpn; or module:function,"
        " which takes the path of a file of weights and gives a torch.nn.Module (required)",
    )  # fmt: skip
    models.add_argument(
        "--weights", nargs="+", metavar="FILE",
        help="of each candidate, which is called by its file, or by its folder where all files are called alike;"
        " torchvision's as torch.save(model.state_dict(), FILE) writes them (required)",
    )  # fmt: skip
    models.add_argument(
        "--num-classes", type=int, metavar="N",
        help="of torchvision's detectors: classes they were made with, background included (default: 91; 2 for Keypoint"
        " R-CNN)",
    )  # fmt: skip
    models.add_argument(
        "--layers", nargs="+", default=["backbone"], metavar="NAME",
        help="modules whose features are scored; of a pyramid NAME is each box's level, NAME.0 the first of its maps"
        " (default: backbone)",
    )  # fmt: skip
    models.add_argument(
        "--pooling", nargs="+", choices=["local", "global"], default=["local"],
        help="features of an object's box, or of its whole image; both are possible (default: local)",
    )  # fmt: skip
    models.add_argument(
        "--projection", type=int, metavar="D",
        help="project the features of each layer to so many, at random; for layers of thousands (default: leave them)",
    )  # fmt: skip
    models.add_argument("--device", metavar="NAME", help="where they run: cpu, cuda, cuda:1 (default: a GPU, or cpu)")
    models.add_argument(
        "--batch-size", type=int, default=4, metavar="N", help="images at a time (default: %(default)s)"
    )

    data = transfer.add_argument_group("target set", "Its training split.")
    data.add_argument("--images", metavar="FOLDER", help="where the image files are (required)")
    data.add_argument(
        "--annotations", metavar="FILE|FOLDER",
        help="labels: a COCO JSON file, plain or gzipped, a Pascal VOC folder, Open Images' or Global Wheat's CSV, or"
        " a folder of digit scenes (required)",
    )  # fmt: skip
    add_split_option(data)
    data.add_argument(
        "--size", type=int, nargs=2, metavar=("HEIGHT", "WIDTH"),
        help="bring all images to this size, which models other than torchvision's detectors need where sizes differ"
        " (default: leave them)",
    )  # fmt: skip

    output = transfer.add_argument_group("output", "Scores are always printed, the best of each in front.")
    output.add_argument("--out", metavar="FOLDER", help="write scores.csv there; made if absent (required)")
    output.add_argument(
        "--performance", metavar="FILE.csv",
        help="columns weights and map, and a line for each candidate: what it reached once it was trained on the target"
        " set. Further columns, such as the mAP on its own data or how many images these are, are baselines. Writes"
        " selection.csv and plots/: how well each score and baseline chooses, with intervals",
    )  # fmt: skip
    add_spreadsheet_option(output)
    return transfer


def run(options: Namespace) -> None:
    """Score, judge, print and write."""
    _check(options)
    names = _names(options.weights)

    from hardest_metrics.comparison.store import Store
    from hardest_metrics.transfer import judged, read_target_set, score_candidates
    from hardest_metrics.transfer.figures import selection_plots
    from hardest_metrics.transfer.performance import read_performance

    performance = None
    if options.performance:
        performance = read_performance(options.performance, dict(zip(names, options.weights, strict=True)))
    out = Path(options.out)
    with noted() as notes:
        target = read_target_set(options.annotations, options.images, options.split)
    out.mkdir(exist_ok=True)
    store = Store(out / ".store")
    with progress_bar() as progress, store.locked(lambda: say_waiting(out)):
        bars = _Bars(progress, names)
        scored = score_candidates(
            options.model, dict(zip(names, options.weights, strict=True)), target, options.layers,
            list(dict.fromkeys(options.pooling)), store, num_classes=options.num_classes,
            projection=options.projection, size=options.size and tuple(options.size), batch_size=options.batch_size,
            device=options.device, on_progress=bars.show,
        )  # fmt: skip
        files = {"scores.csv": _csv(scored.table, options.for_spreadsheets)}
        selection = None
        if performance is not None:
            selection = judged(scored.table, performance.reached, performance.baselines)
            files["selection.csv"] = _csv(selection, options.for_spreadsheets)
            try:
                files |= selection_plots(scored.table, selection, performance.reached, Path(options.annotations).stem)
            except ModuleNotFoundError as error:
                notes.append(str(error))
            notes += [*performance.notes, *_of_few(len(names))]
        write_into(out, files)
    if store.damaged:
        notes.append(f"what {store.folder} kept was damaged in part, and is computed again")
    lines = _said(options, target.number, len(target.files), scored.table)
    lines += [
        f"{name}: went on after {counted(number, 'image')} done before" for name, number in scored.resumed.items()
    ]
    lines += [f"Note: {as_options(note, options)}" for note in dict.fromkeys([*notes, *target.notes, *scored.notes])]
    lines += [f"Wrote {out / name}" for name in files]
    _show(scored.table, selection, lines)


def _show(scores: "pd.DataFrame", selection: "pd.DataFrame | None", lines: Sequence[str]) -> None:
    console = results_console()
    for place, part in scores.groupby(["layer", "pooling"], sort=False):
        console.print(_scores_table(", ".join(place), part))
    if selection is not None:
        console.print(_selection_table(selection))
    for line in lines:
        console.print(printable(line), soft_wrap=True)


def _names(weights: Sequence[str]) -> list[str]:
    """A name for each candidate: its file's or, where all files are called alike, its folder's."""
    if len(weights) > 1 and len({Path(file).name.casefold() for file in weights}) == 1:
        weights = [f"{Path(file).absolute().parent.name}.pt" for file in weights]
    return detector_names(weights)


class _Bars:
    """Progress, a bar a candidate."""

    def __init__(self, progress: Progress, names: Sequence[str]) -> None:
        self._progress = progress
        self._bars: dict[str, TaskID] = {name: progress.add_task(printable(name), total=None) for name in names}

    def show(self, name: str, done: int, total: int) -> None:
        self._progress.update(self._bars[name], completed=done, total=total)


def _check(options: Namespace) -> None:
    """Refuse options that make no sense, before anything is done."""
    require_given(options, "transfer", ("model", "weights", "images", "annotations", "out"))
    inputs = [*options.weights, options.annotations, *filter(None, (options.performance,))]
    check_inputs(inputs)
    check_images_folder(options.images)
    check_out_folder(options.out)
    out = Path(options.out)
    if out.is_dir():
        check_outputs([Output(str(out / name), "out", (Path(name).suffix,)) for name in _TABLES], inputs)
    numbers: dict[str, Sequence[int | None]] = {
        "batch_size": [options.batch_size], "projection": [options.projection], "size": options.size or []
    }  # fmt: skip
    for name, values in numbers.items():
        for value in values:
            if value is not None and not 1 <= value <= _MOST:
                raise ValueError(f"`{name}` must be at least 1 and at most {_MOST}, but is {value}.")
    if options.performance:
        require_package("scipy", "calibration", "--performance")


def _csv(table: "pd.DataFrame", for_spreadsheets: bool) -> bytes:
    from hardest_metrics.data.spreadsheet import inert

    if for_spreadsheets:
        table = table.apply(lambda column: column.map(inert))
    return bytes(table.to_csv(index=False, lineterminator="\n").encode(errors="surrogateescape"))


def _scores_table(title: str, part: "pd.DataFrame") -> Table:
    """A row a score, a column a candidate; the candidate of highest score first, as most scores see it."""
    values = part.pivot(index="score", columns="candidate", values="value").reindex(part["score"].unique())
    shuffled = part.pivot(index="score", columns="candidate", values="shuffled")
    order = values.rank(axis=1).mean().sort_values(ascending=False, kind="stable").index
    table = Table(
        title=Text(f"{printable(title)} (in brackets: if features told nothing)"), title_justify="left", title_style=""
    )
    table.add_column("score", no_wrap=True)
    for name in order:
        table.add_column(Text(printable(name)), justify="right", overflow="fold")
    for score, row in values.iterrows():
        best = row.max()
        cells = [
            Text(
                f"{_number(row[name])}{'*' if row[name] == best else ' '} ({_number(shuffled.loc[score, name])})",
                "bold" if row[name] == best else "",
            )
            for name in order
        ]
        table.add_row(str(score), *cells)
    return table


def _selection_table(selection: "pd.DataFrame") -> Table:
    """How well scores and baselines choose, the best first."""
    table = Table(title=Text("How well they choose, with 95 % intervals"), title_justify="left", title_style="")
    for column in ("score", "layer", "pooling", "chosen"):
        table.add_column(column, overflow="fold")
    for title in SELECTION_MEASURES.values():
        table.add_column(title, justify="right")
    for row in selection.sort_values("pearson", ascending=False, kind="stable").to_dict("records"):
        named = (Text(printable(str(row[column]))) for column in ("score", "layer", "pooling", "chosen"))
        table.add_row(*named, *(_interval(row, name) for name in SELECTION_MEASURES))
    return table


def _interval(row: Mapping[Any, Any], name: str) -> str:
    value, low, high = (row[f"{name}{end}"] for end in ("", "_low", "_high"))
    if value != value:
        return "–"
    return f"{value:.2f} [{low:.2f}, {high:.2f}]" if low == low else f"{value:.2f} [–]"


def _of_few(number: int) -> list[str]:
    """What intervals of few candidates hide: these are drawn anew, but a lucky order stays one in all draws."""
    if number >= _FEW:
        return []
    orders = math.factorial(number)
    return [
        f"of {counted(number, 'candidate')} a perfect order comes by chance once in {counted(orders, 'time')}, and"
        " intervals are narrower than they should be"
    ]


def _number(value: float) -> str:
    return "–" if value != value else f"{value:.4g}"


def _said(options: Namespace, n_objects: int, n_images: int, scores: "pd.DataFrame") -> list[str]:
    """What the scores come to, and what they are of."""
    best = scores.loc[scores.groupby(["layer", "pooling", "score"])["value"].transform("max") == scores["value"]]
    counts = best["candidate"].value_counts()
    number = len(scores.drop_duplicates(["layer", "pooling", "score"]))
    lines = []
    if len(counts):
        lines.append(f"Highest by most scores: {counts.index[0]}, by {counts.iloc[0]} of {number}")
    of = f"{options.annotations}" + (f", split {options.split}" if options.split else "")
    lines.append(
        f"By {counted(n_objects, 'object')} on {counted(n_images, 'image')} of {of}, which should be the training split"
        " of the target set"
    )
    return lines
