"""``hardest-metrics history``: the runs of a store, and what papers claim beside them."""

import io
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from jsonargparse import ArgumentParser, Namespace
from rich.table import Table
from rich.text import Text

from hardest_metrics.cli.files import Output, check_inputs, check_outputs, require_package, written_alone
from hardest_metrics.cli.options import PROGRAM, new_parser
from hardest_metrics.cli.stores import add_store_option, shown
from hardest_metrics.cli.terminal import counted, noted, printable, results_console

if TYPE_CHECKING:
    import pandas as pd

    from hardest_metrics.results import Run


def parser() -> ArgumentParser:
    """Its options."""
    history = new_parser(
        usage=f"{PROGRAM} history [--store FILE] [options]",
        description="List the runs that were kept, oldest first, with their results, what their papers claim, speed and"
        " memory.",
    )
    which = history.add_argument_group("which runs")
    add_store_option(which)
    which.add_argument("--dataset", metavar="DIGEST", help="of these images and labels, told by first digits of digest")
    which.add_argument("--model", metavar="NAME", help="of the model of this name")
    output = history.add_argument_group("output", "A table is always printed.")
    output.add_argument(
        "--export", nargs="+", action="extend", default=[], metavar="FILE",
        help="write the table: FILE.csv or FILE.parquet, for programs that keep runs of many machines",
    )  # fmt: skip
    output.add_argument("--plot", metavar="FILE.png", help="draw results over the runs")
    return history


def run(options: Namespace) -> None:
    """List, print and write."""
    outputs = [Output(path, "export", (".csv", ".parquet")) for path in options.export]
    if options.plot:
        outputs.append(Output(options.plot, "plot", (".png", ".svg", ".pdf")))
        require_package("matplotlib", "plot", "`plot`")
    check_inputs([options.store] if options.store else [])

    from hardest_metrics.results import RunStore
    from hardest_metrics.results.history import runs_of, runs_table

    store = RunStore(options.store or None)
    check_outputs(outputs, [str(store.path)])
    with noted() as notes:
        runs = runs_of(store, options.dataset, options.model)
        if not runs:
            raise ValueError(f"{store.path}: holds no such runs. Leave out `dataset` and `model`, or keep a run first.")
        written = [*options.export, *filter(None, (options.plot,))]
        plot = _plot(options.plot, runs) if options.plot else b""
        with written_alone(written):
            _write(options, runs_table(runs), plot)

    console = results_console()
    console.print(_table(runs))
    sets = len({run.dataset for run in runs})
    lines = [f"{counted(len(runs), 'run')} over {counted(sets, 'data set')}", *(f"Note: {note}" for note in notes)]
    for line in (*lines, *(f"Wrote {path}" for path in written)):
        console.print(printable(line), soft_wrap=True)


def _table(runs: "Sequence[Run]") -> Table:
    table = Table()
    names = list(dict.fromkeys(name for run in runs for name in run.results))
    claimed = {name for run in runs for name in run.paper_results}
    for column in ("run", "time (UTC)", "model", "data", "images", "images/s", *names):
        left = column in ("run", "time (UTC)", "model", "data")
        table.add_column(Text(printable(column)), justify="left" if left else "right", overflow="fold")
        if column in claimed:
            table.add_column("paper", justify="right")
    for run in runs:
        speed = "-" if run.images_per_second is None else f"{run.images_per_second:.4g}"
        part = " (part)" if run.partial else ""
        cells = [run.id[:8], run.time[:16].replace("T", " "), run.model_name or run.kind, run.dataset[:8]]
        cells += [f"{run.images}{part}", speed]
        for name in names:
            cells.append(shown(run.results[name].value) if name in run.results else "-")
            if name in claimed:
                claim = run.paper_results.get(name)
                cells.append("-" if claim is None else f"{shown(claim)} ({run.against_paper.get(name, 0):+.2g})")
        table.add_row(*(Text(printable(cell)) for cell in cells))
    return table


def _plot(path: str, runs: "Sequence[Run]") -> bytes:
    """The content of a picture, in the format that the path asks for."""
    from matplotlib.figure import Figure

    from hardest_metrics.plot import plot_runs

    nothing = float("nan")
    names = list(dict.fromkeys(name for run in runs for name in run.results))
    results = {name: [run.results[name].value if name in run.results else nothing for run in runs] for name in names}
    claims = {
        name: [run.paper_results.get(name, nothing) for run in runs]
        for name in names
        if any(name in run.paper_results for run in runs)
    }
    labels = [f"{run.id[:8]}\n{printable(run.model_name or run.kind)}\n{run.time[:10]}" for run in runs]
    figure, _ = plot_runs(results, labels, claims, Figure(figsize=(9, 5), layout="constrained").subplots())
    content = io.BytesIO()
    figure.savefig(content, format=Path(path).suffix[1:].lower(), dpi=150)
    return content.getvalue()


def _write(options: Namespace, table: "pd.DataFrame", plot: bytes) -> None:
    from hardest_metrics.data import atomic_write

    for path in options.export:
        with atomic_write(path) as file:
            if Path(path).suffix.lower() == ".csv":
                file.write(table.to_csv(index=False).encode())
            else:
                table.to_parquet(file, index=False)
    if options.plot:
        with atomic_write(options.plot) as file:
            file.write(plot)
