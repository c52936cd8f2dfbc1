"""Every option of every command is given every kind of bad value."""

import random
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from hardest_metrics.cli import program
from hardest_metrics.results import RunStore
from tests.cli.commands import COMMANDS, Run, save_embeddings
from tests.detectors.small import MODEL, N_CLASSES, save_weights
from tests.keyed import saved

#: What somebody may type, or a script insert, where something else is expected.
VALUES = [
    "", " ", "--", "-", "-1", "0", "nan", "inf", "-inf", "1e400", "9" * 30, "2000000000", "9" * 5000, "1.5", "1_0",
    "0x10", "٣", "x" * 5000, "x" * 300, "\ud800", "a\0b", "null", "true", "[]", "{}", "[1,2]", "{a: b}",
    "!!python/object:os.system", "&a [*a]", "é", "=cmd|'/c calc'!A0", "/dev/null", "/etc/passwd", "..", "${HOME}",
    "%(prog)s", "@file", ",", "1,2,3", "0,1e400", "nan,nan", "images", "results.json", "weights.pt",
]  # fmt: skip


def options_of(command: str) -> list[str]:
    actions = program._module(command).parser()._actions
    return [action.option_strings[0] for action in actions if action.option_strings and action.dest != "help"]


def base(command: str, option: str) -> list[str]:
    """A command that is right but for what is added to it."""
    files = ["--annotations", "instances.json", "--detections", "results.json"]
    few = ["--definitions", "total_false/none", "--estimators", "score_sampling"]
    if command == "rank" and option in ("--member-weights", "--member-calibrations", "--members"):
        return [command, *files, "--estimator", "sampled_committee", "--members", "results.json"]
    if command == "rank" and option in ("--n-samples", "--seed", "--statistic", "--c", "--calibration"):
        return [command, *files, "--estimator", "score_sampling"]
    if command == "rank" and option in ("--witness-model", "--coverage"):
        return [command, *files, "--estimator", "witness", "--members", "results.json"]
    return {
        "rank": [command, *files],
        "compare": [command, *files, *few, "--out", "compared"],
        "calibrate": [command, *files, "--out", "calibration.json"],
        "detect": [command, "--model", MODEL, "--weights", "weights.pt", "--num-classes", str(N_CLASSES),
                   "--images", "images", "--out", "detected.json", "--device", "cpu"],
        "retrieve": [command, "--embeddings", "embeddings.npy", "--labels", "labels.csv"],
        "transfer": [command, "--model", MODEL, "--weights", "weights.pt", "--num-classes", str(N_CLASSES),
                     "--layers", "backbone.features.0.0", "--annotations", "instances.json", "--images", "images",
                     "--device", "cpu", "--out", "transferred"],
        "report": [command, *files, "--estimators", "score_sampling", "--out", "report.html"],
        "history": [command, "--store", "runs.db"],
        "regress": [command, "--store", "runs.db"],
        "diff": [command, *files, "results.json"],
    }[command]  # fmt: skip


def bad_commands(command: str, number: int | None) -> Iterator[list[str]]:
    """With so many values for each option, chosen at random but always the same; with all of them for None."""
    for option in options_of(command):
        values = VALUES if number is None else random.Random(command + option).sample(VALUES, number)
        for value in values:
            yield [*base(command, option), f"{option}={value}"]
            if number is None:
                yield [*base(command, option), option, value]


@pytest.fixture
def inputs(coco: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    save_weights(coco / "weights.pt")
    save_embeddings(coco)
    for _ in range(2):
        saved(RunStore(coco / "runs.db"), [0.5, 2.0], paper_results={"accuracy": 0.5})
    monkeypatch.chdir(coco)
    return coco


def check(run: Run, arguments: list[str]) -> None:
    code, out, err = run(*arguments)
    said = [line for line in err.splitlines() if not line.startswith("hardest-metrics: warning: no picture")]
    if code == 0:
        assert said == [], arguments
    else:
        assert (code, out, len(said)) == (2, "", 1), (arguments, err)
        assert re.match(r"hardest-metrics: error: \S.{8,1050}$", said[0]), (arguments, said[0])
        assert "Traceback" not in err
        assert "[Errno" not in err, "numbers say nothing to most"


@pytest.mark.parametrize("command", COMMANDS)
def test_every_option_with_bad_values_is_one_line_or_works(inputs: Path, run: Run, command: str) -> None:
    for arguments in bad_commands(command, 2):
        check(run, arguments)


@pytest.mark.long
@pytest.mark.parametrize("command", COMMANDS)
def test_every_option_with_every_bad_value_is_one_line_or_works(inputs: Path, run: Run, command: str) -> None:
    number = 0
    for arguments in bad_commands(command, None):
        check(run, arguments)
        number += 1
    assert number > 700


@pytest.mark.parametrize(
    ("command", "addition", "message"),
    [
        ("rank", ["--area-range=--"], "--area-range must be given a value, but '--' is none."),
        ("report", ["--images=--"], "--images must be given a value, but '--' is none."),
        ("compare", ["--n-samples", "9" * 30], f"--n-samples must be at most 1000000, but is {'9' * 30}."),
        ("report", ["--n-samples", "2000000000"], "--n-samples must be at most 1000000, but is 2000000000."),
        ("detect", ["--num-classes", "2000000000"], "--num-classes must be at most 100000, but is 2000000000."),
    ],
)
def test_what_used_to_end_in_a_traceback(
    inputs: Path, run: Run, command: str, addition: list[str], message: str
) -> None:
    assert run(*base(command, ""), *addition) == (2, "", f"hardest-metrics: error: {message}\n")


def test_samples_without_end_are_refused_by_rank_too(inputs: Path, run: Run) -> None:
    code, out, err = run(*base("rank", "--n-samples"), "--n-samples", "2000000000")
    assert (code, out) == (2, "")
    assert err == "hardest-metrics: error: --n-samples must be at most 1000000, but is 2000000000.\n"
