"""Commands that the tests run, and what they give."""

import json
from collections.abc import Callable
from pathlib import Path

#: Runs the command in this process; gives exit code, stdout and stderr.
Run = Callable[..., tuple[int, str, str]]


def rank(folder: Path) -> list[object]:
    return ["rank", "--annotations", folder / "instances.json", "--detections", folder / "results.json"]


def ranking_of(path: Path) -> list[tuple[int, float]]:
    return [(row["image_id"], row["hardness"]) for row in json.loads(path.read_text())]
