"""Commands that the README shows, run in a folder that holds what they name."""

import re
import shlex
from pathlib import Path

import pytest

from hardest_metrics.cli import program
from hardest_metrics.results import RunStore
from tests.cli.commands import Run
from tests.keyed import saved

README = Path(__file__).parents[2] / "README.md"

#: They take longer, and are run by tests of their own: here they are understood.
LONG = {"compare", "demo", "transfer"}


def test_commands_that_are_shown_run(coco: Path, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(coco)
    for name in ("old.json", "new.json"):
        Path(name).write_text(Path("results.json").read_text())
    Path("instances.json").rename("instances_val.json")
    Path("images").rename("val")
    for hardness in (0.5, 0.5):
        saved(RunStore("runs.db"), [hardness, 2.0])
    blocks = re.findall(r"^```console\n(.*?)^```", README.read_text(), re.DOTALL | re.MULTILINE)
    lines = [
        line for block in blocks for line in block.replace("\\\n", " ").splitlines() if line.startswith("hardest-")
    ]
    done = set()
    for line in lines:
        _, *arguments = shlex.split(line, comments=True)
        if arguments[0] in LONG:
            program.parse(arguments)
        else:
            code, _, err = run(*arguments)
            assert (code, err) == (0, ""), (line, err)
        done.add(arguments[0])
    assert done >= {"rank", "report", "calibrate", "compare", "diff", "regress", "transfer"}
