"""Pictures of the site, made when it is built: those of ``hardest-metrics demo``, and by its commands.

``python docs/pictures.py --readme docs/hardest.jpg`` makes the one picture that is kept, for the README.
"""

import argparse
import contextlib
import io
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[1]))

from PIL import Image

from hardest_metrics.cli import main as hardest_metrics
from hardest_metrics.demo import detection

#: Where the demonstration has the pictures that guides show, by the names that these have here.
SHOWN = {
    "hardest": "detection/hardest.png",
    "kinds": "detection/kinds.png",
    "slices": "detection/slices.png",
    "diff": "detection/worse.png",
    "regret": "trust/compared/plots/detections/regret.png",
    "correlation": "trust/compared/plots/detections/correlation.png",
    "reliability": "trust/compared/plots/detections/reliability.png",
    "classified": "classification/hardest.png",
    "data_map": "classification/data_map.png",
    "queries": "retrieval/queries.png",
}


def make_all(folder: Path) -> None:
    """Make all pictures, unless they are there already: what they show changes with the package alone."""
    folder.mkdir(exist_ok=True)
    if all((folder / f"{name}.png").exists() for name in SHOWN):
        return
    with TemporaryDirectory() as work:
        run("demo", "--out", work)
        for name, path in SHOWN.items():
            shrunk(Path(work, path), 1100).save(folder / f"{name}.png", optimize=True)


def for_readme(path: Path) -> None:
    """The hardest images with what became of each box, as JPEG: small enough to be kept."""
    with TemporaryDirectory() as work:
        chapter = detection.chapter(Path(work))
        run(*chapter.commands[0])
        shrunk(Path(work, "hardest.png"), 800).save(path, quality=65, optimize=True)


def run(*arguments: object) -> None:
    """Run a command, and be told if it failed."""
    said = io.StringIO()
    with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
        code = hardest_metrics([str(argument) for argument in arguments])
    if code:
        raise RuntimeError(f"hardest-metrics {arguments}: {said.getvalue()}")


def shrunk(path: Path, width: int) -> Image.Image:
    """A picture at most so wide."""
    with Image.open(path) as file:
        picture: Image.Image = file.convert("RGB")
    if picture.width > width:
        size = (width, round(picture.height * width / picture.width))
        picture = picture.resize(size, Image.Resampling.LANCZOS)
    return picture


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--readme", type=Path, required=True, metavar="FILE.jpg")
    for_readme(parser.parse_args().readme)
