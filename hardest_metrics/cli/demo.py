"""``hardest-metrics demo``: what the package does, shown on data that it makes itself."""

import shlex
from pathlib import Path

from jsonargparse import ArgumentParser, Namespace
from rich.text import Text

from hardest_metrics.cli.files import check_out_folder, require_package
from hardest_metrics.cli.options import PROGRAM, new_parser, require_given
from hardest_metrics.cli.regress import WORSE
from hardest_metrics.cli.terminal import printable, results_console


def parser() -> ArgumentParser:
    """Its options."""
    demo = new_parser(
        usage=f"{PROGRAM} demo [--out FOLDER]",
        description="Show what the package does, in about a minute: detectors, estimates without labels, classifiers,"
        " retrieval, and which weights to start from, each by the commands that do the same with data of your own. The"
        " data are handwritten digits that scikit-learn brings; detectors are made up, small classifiers trained.",
    )
    demo.add_argument(
        "--out", default="hardest-metrics-demo", metavar="FOLDER",
        help="where data and results are written; made if absent, files of an earlier demo are replaced (default:"
        " %(default)s)",
    )  # fmt: skip
    return demo


def run(options: Namespace) -> int:
    """Make data, run commands, say where to look; the exit code of a command that failed, else 0."""
    require_given(options, "demo", ("out",))
    check_out_folder(options.out)
    require_package("sklearn", "calibration", "the demo")
    require_package("matplotlib", "plot", "the demo")

    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # all is small: threads would wait for each other, longer than they work
    try:
        return _show(options.out)
    finally:
        torch.set_num_threads(threads)


def _show(out: str) -> int:
    from hardest_metrics.cli.program import main
    from hardest_metrics.demo.chapters import CHAPTERS

    console = results_console()
    look_at: dict[Path, str] = {}
    for number, (name, make) in enumerate(CHAPTERS.items(), start=1):
        folder = Path(out, name)
        folder.mkdir(parents=True, exist_ok=True)
        chapter = make(folder)
        console.print(Text(f"\n{number}. {chapter.question}", style="bold"))
        console.print(f"   ({printable(chapter.data)})", soft_wrap=True)
        for command in chapter.commands:
            arguments = [str(argument) for argument in command]
            console.print(Text(f"\n$ {PROGRAM} {printable(shlex.join(arguments))}", style="cyan"), soft_wrap=True)
            code = main(arguments)
            if code not in (0, WORSE):
                return code
        look_at |= chapter.look_at
    console.print(Text("\nLook at:", style="bold"))
    for path, shown in look_at.items():
        console.print(printable(f"{path}  {shown}"), soft_wrap=True)
    return 0
