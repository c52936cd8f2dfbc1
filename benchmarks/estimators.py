"""How fast hardness is estimated without labels: ratios to `hardest`, and the memory that takes.

    python -m benchmarks.estimators

Times are of one core, in processor seconds, so that a busy machine matters less; what carries over are the ratios.
"""

import argparse
import contextlib
import io
import os
import platform
import resource
import statistics
import subprocess
import sys
import time
import warnings
from collections.abc import Callable

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # a busy neighbour costs less; read when torch is imported

import torch

from benchmarks.coco_sized import Scenes, coco_sized
from hardest_metrics import TotalFalse
from hardest_metrics.detection import Estimator, ExpectedHardness, FastScoreSampling, ScoreSampling

N_SAMPLES = 10

_ESTIMATORS: dict[str, Callable[[TotalFalse], Estimator]] = {
    "ScoreSampling": lambda definition: ScoreSampling(definition, N_SAMPLES),
    "FastScoreSampling": lambda definition: FastScoreSampling(definition, N_SAMPLES),
    "ExpectedHardness": ExpectedHardness,
}
_WEIGHTINGS = ("none", "pixel", "overlap")


def main() -> None:
    """Measure and print a Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=5000, help="images in the set (default: 5000)")
    parser.add_argument("--peer-images", type=int, default=100, help="of these, how many `hardest` gets (default: 100)")
    parser.add_argument("--repetitions", type=int, default=3, help="timings of each, the median counts (default: 3)")
    parser.add_argument("--memory-of", choices=["nothing", *_ESTIMATORS], help=argparse.SUPPRESS)
    args = parser.parse_args()

    torch.set_num_threads(1)
    scenes = coco_sized(args.images)
    if args.memory_of:
        if args.memory_of != "nothing":
            _estimate(_ESTIMATORS[args.memory_of](TotalFalse(weighting="overlap")), scenes)
        print(_peak_mb())
        return

    print(
        f"{platform.machine()}, {os.cpu_count()} cores, torch {torch.__version__}, Python {platform.python_version()}"
    )
    print(f"{args.images} images, {100 * args.images} detections, {N_SAMPLES} samples, definition `TotalFalse`\n")
    peer = _hardest_seconds(scenes, min(args.peer_images, args.images))
    print(f"`hardest`, score sampling, no weighting: {peer:.0f} s ({args.peer_images} images scaled up)\n")
    bare = _memory_of("nothing", args.images)
    print("| estimate | weighting | time | than `hardest` | than `ScoreSampling` | peak memory |")
    print("| --- | --- | ---: | ---: | ---: | ---: |")
    sampling: dict[str, float] = {}
    for name, make in _ESTIMATORS.items():
        memory = _memory_of(name, args.images)
        for weighting in _WEIGHTINGS:
            seconds = _median_seconds(make, weighting, scenes, args.repetitions)
            sampling.setdefault(weighting, seconds)
            faster = f"{peer / seconds:.0f}× faster" if weighting == "none" else ""
            peak = f"{memory:.0f} MB" if weighting == "overlap" else ""
            print(
                f"| `{name}` | {weighting} | {seconds:.2f} s | {faster} | {sampling[weighting] / seconds:.1f}× faster"
                f" | {peak} |",
                flush=True,
            )
    print(f"\nPeak memory is the whole process's; with the set loaded and nothing estimated it is {bare:.0f} MB.")


def _estimate(metric: Estimator, scenes: Scenes) -> None:
    metric.update(scenes.preds, scenes.target)
    metric.compute()


def _median_seconds(make: Callable[[TotalFalse], Estimator], weighting: str, scenes: Scenes, repetitions: int) -> float:
    seconds = []
    for _ in range(repetitions):
        metric = make(TotalFalse(weighting=weighting))  # type: ignore[arg-type]
        # of a batch of the same tensors the result would be remembered
        fresh = Scenes([pred | {"scores": pred["scores"].clone()} for pred in scenes.preds], scenes.target)
        start = time.process_time()
        _estimate(metric, fresh)
        seconds.append(time.process_time() - start)
    return statistics.median(seconds)


def _hardest_seconds(scenes: Scenes, number: int) -> float:
    """Seconds that the package `hardest` would take for the whole set, from its first images."""
    try:
        from hardest.hardness_strategies import ScoreSamplingHardnessCalculation
        from hardest.pycocotools import TotalFalse as TheirTotalFalse
    except ModuleNotFoundError as error:
        sys.exit(f"{error}: `make bench` installs the peers.")
    preds = scenes.preds[:number]
    image = torch.empty(1).expand(3, 480, 640)
    strategy = ScoreSamplingHardnessCalculation(TheirTotalFalse(), N_SAMPLES)
    with contextlib.redirect_stderr(io.StringIO()), warnings.catch_warnings():  # its progress bar
        warnings.simplefilter("ignore")
        strategy.eval_dataset(preds[:5], [image] * 5)
        start = time.process_time()
        strategy.eval_dataset(preds, [image] * number)
        return (time.process_time() - start) / number * len(scenes.preds)


def _memory_of(name: str, images: int) -> float:
    """Peak memory in MB of a process of its own."""
    command = [sys.executable, "-m", "benchmarks.estimators", "--images", str(images), "--memory-of", name]
    return float(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


def _peak_mb() -> float:
    kilobytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return kilobytes / 1000 / (1024 if sys.platform == "darwin" else 1)  # there it is bytes


if __name__ == "__main__":
    main()
