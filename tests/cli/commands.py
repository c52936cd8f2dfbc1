"""Commands that the tests run, and what they give."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np

from hardest_metrics.cli import program

#: Runs the command in this process; gives exit code, stdout and stderr.
Run = Callable[..., tuple[int, str, str]]

#: Those that take data of one's own. `demo` makes its own and calls these, which takes too long to be tried everywhere.
COMMANDS = [command for command in program.COMMANDS if command != "demo"]


def rank(folder: Path) -> list[object]:
    return ["rank", "--annotations", folder / "instances.json", "--detections", folder / "results.json"]


def ranking_of(path: Path) -> list[tuple[int, float]]:
    return [(row["image_id"], row["hardness"]) for row in json.loads(path.read_text())]


#: Those of the data set of the fixture `coco`.
FILES = {1: "one.png", 2: "two.png", 3: "deep/folder/[three].png", 2**60: "four.png"}


def save_embeddings(folder: Path, files: Mapping[int, str] = FILES) -> None:
    """Of four images: embeddings and labels of three levels, for `retrieve`."""
    np.save(folder / "embeddings.npy", np.array([[1.0, 0.0], [0.9, 0.2], [0.1, 0.9], [0.8, 0.3]]))
    classes = ("pug,dog,animal", "pug,dog,animal", "beagle,dog,animal", "saw,tool,thing")
    lines = [f"{image},{name},{labels}" for (image, name), labels in zip(files.items(), classes, strict=True)]
    (folder / "labels.csv").write_text("\n".join(["image_id,file_name,breed,species,kind", *lines]))
