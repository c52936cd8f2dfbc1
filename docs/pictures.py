"""Pictures of the site, made when it is built from digits that scikit-learn brings, by the commands that guides show.

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

import numpy as np
import torch
from PIL import Image
from sklearn.datasets import load_digits
from torch import Tensor, nn

from examples.made_up_detector import Files, write_coco
from hardest_metrics import CrossEntropy, Dynamics
from hardest_metrics.cli import main as hardest_metrics
from hardest_metrics.plot import draw_classified, plot_data_map

NAMES = (
    "hardest", "kinds", "slices", "diff", "regret", "correlation", "reliability", "classified", "data_map", "queries"
)  # fmt: skip


def make_all(folder: Path) -> None:
    """Make all pictures, unless they are there already: what they show changes with this file and the package alone."""
    folder.mkdir(exist_ok=True)
    if all((folder / f"{name}.png").exists() for name in NAMES):
        return
    torch.set_num_threads(1)
    with TemporaryDirectory() as temporary:
        work = Path(temporary)
        files = write_coco(work / "digits", 40)
        of_detectors(files, work)
        of_trust(files, work)
        of_a_classifier(work)
        of_queries(work)
        for name in NAMES:
            shrunk(work / f"{name}.png", 1100).save(folder / f"{name}.png", optimize=True)


def of_detectors(files: Files, work: Path) -> None:
    """The hardest images, kinds of errors, slices, and what became worse."""
    data = ("--annotations", files.annotations, "--images", files.images)
    run(
        *("rank", *data, "--detections", files.detections, "--top-k", 6, "--grid", work / "hardest.png"),
        *("--kinds", "--kinds-plot", work / "kinds.png"),
        *("--slices", "object_size", "objects", "--slices-plot", work / "slices.png"),
    )
    run("diff", *data, "--detections", files.older, files.detections, "--top-k", 3, "--grid", work / "diff.png")


def of_trust(files: Files, work: Path) -> None:
    """How well estimates agree with the labels."""
    run(
        *("compare", "--annotations", files.annotations, "--detections", files.detections, files.older),
        *("--definitions", "total_false/none", "total_false/pixel", "false_negatives/none", "--out", work / "compared"),
        *("--estimators", "expected_hardness", "expected_hardness+platt", "witness", "max_uncertainty"),
    )
    for name in ("regret", "correlation", "reliability"):
        (work / "compared" / "plots" / "detections" / f"{name}.png").rename(work / f"{name}.png")


def of_a_classifier(work: Path) -> None:
    """Digits that a linear classifier gets wrong, and what training did to each."""
    digits = load_digits()
    pixels = torch.from_numpy(digits.data).float() / 16
    labels = torch.from_numpy(digits.target).long()
    ids = torch.arange(len(labels))
    torch.manual_seed(0)
    model = nn.Linear(64, 10)
    optimiser = torch.optim.Adam(model.parameters(), lr=0.01)
    dynamics, logits = Dynamics(), torch.empty(0)
    for epoch in range(12):
        for batch in torch.randperm(len(ids)).split(128):
            optimiser.zero_grad()
            nn.functional.cross_entropy(model(pixels[batch]), labels[batch]).backward()
            optimiser.step()
        logits = model(pixels).detach()
        probability = logits.softmax(1)[ids, labels]
        dynamics.update(
            epoch, ids, hardness=-probability.log(), wrong=logits.argmax(1) != labels, confidence=probability
        )
    metric = CrossEntropy()
    metric.update(logits, labels, image_ids=ids)
    hardest = metric.compute().top(12).image_ids
    probabilities = logits.softmax(1)[hardest]
    said = probabilities.argmax(1)
    of_label = probabilities.gather(1, labels[hardest, None])[:, 0]
    pairs = list(zip(of_label.tolist(), probabilities.amax(1).tolist(), strict=True))
    draw_classified(
        [_large(pixels[place]) for place in hardest], labels[hardest].tolist(), said.tolist(), pairs,
        title="The twelve hardest digits of a linear classifier", size=180,
    ).save(work / "classified.png")  # fmt: skip
    told = dynamics.compute()
    figure, _ = plot_data_map(told.confidence, told.variability, told.correctness, told.epochs)
    figure.savefig(work / "data_map.png", dpi=110)


def of_queries(work: Path) -> None:
    """Digits looked up by their pixels, among all others."""
    digits = load_digits()
    chosen = np.random.default_rng(0).permutation(len(digits.target))[:400]
    np.save(work / "embeddings.npy", digits.data[chosen].astype(np.float32))
    lines = ["file_name,digit,parity"]
    for place in chosen:
        digit = digits.target[place]
        picture = _large(torch.from_numpy(digits.data[place]).float() / 16)
        Image.fromarray(picture[0].numpy()).save(work / f"digit{place}.png")
        lines.append(f"digit{place}.png,{digit},{'odd' if digit % 2 else 'even'}")
    (work / "labels.csv").write_text("\n".join(lines))
    run(
        *("retrieve", "--embeddings", work / "embeddings.npy", "--labels", work / "labels.csv", "--images", work),
        *("--top-k", 4, "--neighbours", 6, "--grid", work / "queries.png"),
    )


def run(*arguments: object) -> None:
    """Run a command, and be told if it failed."""
    said = io.StringIO()
    with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
        code = hardest_metrics([str(argument) for argument in arguments])
    if code:
        raise RuntimeError(f"hardest-metrics {arguments}: {said.getvalue()}")


def _large(pixels: Tensor) -> Tensor:
    """A digit of 8×8 in [0, 1] as ``(1, 96, 96)`` uint8, dark on light."""
    picture = nn.functional.interpolate(pixels.reshape(1, 1, 8, 8), (96, 96), mode="bicubic")[0].clamp(0, 1)
    return (255 * (1 - picture)).round().to(torch.uint8)


def shrunk(path: Path, width: int) -> Image.Image:
    """A picture at most so wide."""
    with Image.open(path) as file:
        picture: Image.Image = file.convert("RGB")
    if picture.width > width:
        size = (width, round(picture.height * width / picture.width))
        picture = picture.resize(size, Image.Resampling.LANCZOS)
    return picture


def for_readme(path: Path) -> None:
    """The hardest images with what became of each box, as JPEG: small enough to be kept."""
    with TemporaryDirectory() as temporary:
        work = Path(temporary)
        files = write_coco(work / "digits", 40)
        run(
            *("rank", "--annotations", files.annotations, "--detections", files.detections, "--images", files.images),
            *("--top-k", 6, "--kinds", "--grid", work / "hardest.png"),
        )
        shrunk(work / "hardest.png", 800).save(path, quality=65, optimize=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--readme", type=Path, required=True, metavar="FILE.jpg")
    for_readme(parser.parse_args().readme)
