"""Measure everything, each as a ratio in one run, and write tables, a plot and raw numbers.

    python -m benchmarks             # all of it, about half an hour on two cores
    python -m benchmarks --quick     # small sets and few repetitions: does it run?
    python -m benchmarks nine memory # some parts

Nothing is timed before its results equal pycocotools' for every image, or those of what it is compared with.
"""

import argparse
import os
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # a busy neighbour costs less; read when torch is imported

from benchmarks import (
    agreement_speed,
    arrow,
    callback,
    classification,
    definitions,
    estimators,
    evaluators,
    floor,
    kinds,
    losses,
    masks,
    memory,
    report,
    retrieval,
    startup,
    transferability,
)
from benchmarks.timing import Section

PARTS: dict[str, Callable[[bool], Section]] = {
    "one": definitions.one_definition,
    "nine": definitions.nine_definitions,
    "streaming": definitions.streaming,
    "growth": definitions.growth,
    "shapes": definitions.shapes,
    "kinds": kinds.kinds,
    "masks": masks.masks,
    "estimates": estimators.estimates,
    "witnesses": estimators.witnesses,
    "agreement": agreement_speed.measures,
    "transferability": transferability.scores,
    "memory": memory.peak_memory,
    "startup": startup.start_up,
    "stored": arrow.stored_detections,
    "floor": floor.cost_model,
    "callback": callback.validation,
    "retrieval": retrieval.scores,
    "losses": losses.losses,
    "classification": classification.columns,
    "evaluators": evaluators.by_key,
}


def main() -> None:
    """Run the parts asked for, one after the other."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", metavar="part", help=f"of {', '.join(PARTS)}; none for all")
    parser.add_argument("--quick", action="store_true", help="small sets and few repetitions")
    parser.add_argument(
        "--output", type=Path, help="folder to write to (default: out/benchmarks; all parts in full: benchmarks)"
    )
    parser.add_argument(
        "--happier",
        type=Path,
        metavar="PATH",
        help="a checkout of HAPPIER, whose evaluation and loss are then compared with",
    )
    parser.add_argument("--tllib", type=Path, help="a checkout of the Transfer-Learning-Library to compare with")
    options = parser.parse_args()
    if unknown := set(options.parts) - set(PARTS):
        parser.error(f"no part is called {', '.join(sorted(unknown))}; there are {', '.join(PARTS)}")
    complete = not options.parts and not options.quick
    folder = options.output or Path(__file__).parent if complete else options.output or Path("out/benchmarks")

    with_happier = {"retrieval": retrieval.scores, "losses": losses.losses}
    parts = PARTS | {name: partial(measure, happier=options.happier) for name, measure in with_happier.items()}
    parts["transferability"] = partial(transferability.scores, tllib=options.tllib)
    folder.mkdir(parents=True, exist_ok=True)
    on, sections, text = report.machine(), list[Section](), ""
    for name, measure in parts.items():
        if not options.parts or name in options.parts:
            print(f"{name} ...", file=sys.stderr, flush=True)
            sections.append(measure(options.quick))
            text = report.write(folder, sections, on, options.quick)  # as far as it is: the whole takes minutes
    report.draw(sections, folder / report.PICTURE)
    print(text)


if __name__ == "__main__":
    main()
