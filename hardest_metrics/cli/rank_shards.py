"""``hardest-metrics rank --rows``: the images of a data set in shards, of any number, hardest first."""

import dataclasses
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jsonargparse import ArgumentParser, Namespace
from rich.table import Table
from rich.text import Text

from hardest_metrics.cli.estimator import check_estimator, estimator_in_words, estimator_settings
from hardest_metrics.cli.files import check_out_folder, require_package, say_waiting
from hardest_metrics.cli.options import boxes_in_words, option, query_settings, require_given
from hardest_metrics.cli.ranked import definition, errors_in_words
from hardest_metrics.cli.terminal import add_columns, counted, noted, printable, progress_bar, results_console
from hardest_metrics.data.atomic import remove_unfinished
from hardest_metrics.data.lock import alone
from hardest_metrics.names import OF_LOGITS, OF_OTHERS, UNCERTAINTIES

if TYPE_CHECKING:
    from hardest_metrics.functional import Query
    from hardest_metrics.shards.reduction import Total
    from hardest_metrics.shards.shard import Shard, Task
    from hardest_metrics.shards.workers import Failed

#: Options of the command that shards have.
_UNDERSTOOD = {
    "detections", "rows", "workers", "engine", "address", "query", "weighting", "score_threshold", "max_detections",
    "iou_threshold", "labels", "area_range", "top_k", "estimator", "n_samples", "seed", "statistic", "c",
}  # fmt: skip

_MOST_WORKERS = 1024


def add_shard_options(group: Any) -> None:
    """Those of data sets in shards."""
    group.add_argument(
        "--rows", metavar="FOLDER",
        help="--detections are shards: a folder or a pattern, such as 'shards/*.parquet', of Parquet or JSON lines"
        " (.jsonl) with columns image_id, boxes (x, y, width, height), scores, labels, gt_boxes, gt_labels, and if"
        " wished gt_iscrowd, gt_area, height, width, a row an image. Each is ranked by itself, and its rows are written"
        " here under its name, unless they are there already: a run that was stopped goes on",
    )  # fmt: skip
    group.add_argument(
        "--workers", type=int, default=1, metavar="N", help="processes that share the shards (default: %(default)s)"
    )
    group.add_argument(
        "--engine", choices=["ray"],
        help="let a cluster share them, all of whose machines see the shards and --rows under the same paths",
    )  # fmt: skip
    group.add_argument(
        "--address", metavar="ADDRESS",
        help="of the cluster (default: that of the environment, or else this machine alone)",
    )  # fmt: skip


def run(options: Namespace, parser: ArgumentParser) -> None:
    """Rank, reduce, print and write."""
    _check(options, parser)
    from hardest_metrics.functional import Query
    from hardest_metrics.shards.reduction import total
    from hardest_metrics.shards.shard import shards_of

    shards = shards_of(options.detections, options.rows)
    query = Query(**query_settings(options), labels=_labels(options))
    task, what = _task(options, query)
    with alone([options.rows], say_waiting), noted(), progress_bar() as progress:
        bar = progress.add_task("ranking", total=len(shards))
        failed = _ranked(options, shards, task, partial(progress.advance, bar))
        _tidy(shards)
        if failed:
            raise ValueError(_failures(options, failed, len(shards)))
        progress.reset(bar, description="adding up", total=None)
        found = total(shards, options.top_k, "hardness", "errors" if "errors" in task.metrics else "hardness")

    names = {label: str(label) for label in query.labels or ()}
    console = results_console()
    console.print(_table(found))
    lines = [f"{what}; {boxes_in_words(options, query, names, options.estimator not in UNCERTAINTIES)}"]
    summary = f"{counted(found.images, 'image')} in {counted(len(shards), 'shard')}, mean hardness {found.mean:.5g}"
    summary += f", 95th percentile {found.p95:.5g}"
    if not options.estimator:
        number = round(found.share_in_error * found.images) if found.images else 0
        summary += f", {number} ({found.share_in_error:.1%}) {errors_in_words(options.query)}"
    for line in (*lines, summary, f"Wrote rows to {options.rows}"):
        console.print(printable(line), soft_wrap=True)


def refuse_without_rows(options: Namespace) -> None:
    """Refuse options that are of shards alone."""
    given = {"workers": options.workers != 1, "engine": options.engine, "address": options.address is not None}
    for name in given:
        if given[name]:
            raise ValueError(f"`{name}` is of shards: give `rows` too, or leave it out.")


def _check(options: Namespace, parser: ArgumentParser) -> None:
    """Refuse what makes no sense before anything is done."""
    for name, default in vars(parser.get_defaults()).items():
        if name not in _UNDERSTOOD and options[name] != default:
            raise ValueError(f"{option(name)} is of no use to shards: leave it out, or leave out `rows`.")
    require_given(options, "rank", ("detections",))
    require_package("pyarrow", "parquet", "`rows`")
    if options.top_k < 1:
        raise ValueError(f"`top_k` must be at least 1, but is {options.top_k}.")
    if not 1 <= options.workers <= _MOST_WORKERS:
        raise ValueError(f"`workers` must be from 1 to {_MOST_WORKERS}, but is {options.workers}.")
    if options.engine:
        require_package("ray", "ray", "`engine` ray")
        if options.workers != 1:
            raise ValueError("`workers` are of this machine, and `engine` shares shards by itself: give one of them.")
    elif options.address is not None:
        raise ValueError("`address` is of the cluster of an `engine`: give both, or neither.")
    check_estimator(options)
    if options.estimator in (*OF_LOGITS, *OF_OTHERS):
        raise ValueError(f"`estimator` {options.estimator} goes by more than shards hold: choose another one.")
    try:
        check_out_folder(options.rows)
    except ValueError as error:
        raise ValueError(str(error).replace("`out`", "`rows`")) from None


def _labels(options: Namespace) -> list[int] | None:
    if options.labels is None:
        return None
    texts = [part.strip() for name in options.labels for part in name.split(",")]
    try:
        return [int(text) for text in texts]
    except ValueError:
        raise ValueError(f"`labels` of shards are numbers, as they hold no names, but are {texts}.") from None


def _task(options: Namespace, query: "Query") -> "tuple[Task, str]":
    """What to do with each shard, and that in words."""
    from hardest_metrics.detection.naming import make_estimator
    from hardest_metrics.shards.shard import Task

    wanted = definition(options.query, options.weighting, query)
    if options.estimator:
        settings = estimator_settings(options)
        metric: Any = make_estimator(options.estimator, wanted, **settings)
        words = f"Estimate: {estimator_in_words(options, settings)}"
        return Task({"hardness": metric}, f"{words}; {wanted.settings}; {metric!r}"), words
    metrics = {
        "hardness": wanted,
        "errors": definition(options.query, "none", query),
        "false_positives": definition("false_positives", "none", query),
        "false_negatives": definition("false_negatives", "none", query),
    }
    words = f"Query: {options.query}, weighting {options.weighting}"
    return Task(metrics, f"{words}; {dataclasses.asdict(query)}"), words


def _ranked(options: Namespace, shards: "list[Shard]", task: "Task", advance: Any) -> "list[Failed]":
    if options.engine:
        from hardest_metrics.shards.on_ray import rank_all_on_ray

        try:
            return rank_all_on_ray(shards, task, options.address, advance)
        except (ConnectionError, RuntimeError) as error:
            raise ValueError(f"Ray: {str(error).splitlines()[0]}") from error
    from hardest_metrics.shards.workers import rank_all

    return rank_all(shards, task, options.workers, advance)


def _tidy(shards: "list[Shard]") -> None:
    """Remove what was begun by processes that were killed."""
    for folder in {Path(shard.rows).parent for shard in shards}:
        remove_unfinished(folder)


def _failures(options: Namespace, failed: "list[Failed]", number: int) -> str:
    others = f"the rows of the other {number - len(failed)} are in {options.rows}" if number > len(failed) else ""
    rest = f" ({others}; mended, run the command again)" if others else ""
    return f"{len(failed)} of {counted(number, 'shard')} could not be ranked{rest}: " + " | ".join(
        problem for _, problem in failed
    )


def _table(found: "Total") -> Table:
    """The hardest images."""
    table = Table()
    counts = [name for name in ("false_positives", "false_negatives") if found.hardest and name in found.hardest[0]]
    texts = ("image id", "shard")
    add_columns(table, ("rank", "image id", "shard", "hardness", *counts), texts, left=texts)
    for rank, row in enumerate(found.hardest, start=1):
        names = (Text(printable(str(row[key]))) for key in ("image_id", "shard"))
        table.add_row(str(rank), *names, f"{row['hardness']:.5g}", *(f"{row[name]:.0f}" for name in counts))
    return table
