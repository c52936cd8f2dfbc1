r"""Which model to start from: sources are trained, transferred, and scored before; which score chooses best?

    python -m examples.transfer

trains a detector on each of five families of glyphs and transfers each to the other four, with two seeds; then it tells
how well scores of transferability, in each layer and pooling, would have chosen the source for each target, beside
baselines. Takes some 20 minutes on two cores. Every training leaves a folder in `--out`, with its mAP, mAP50, AR1 and
AR10, its log and a plot of it, and what is there already is not trained again: a run that was killed goes on where it
stopped. Remove the folder after a change to the detector or to the data. The tables in `examples/README.md` are its
output.

The same with sets on disk, in any format that hardest_metrics reads, each of which is a source and a target:

    python -m examples.transfer --set cells bccd bccd/JPEGImages --set voc voc100/instances.json voc100/images \
        --size 120 160 --out out/transfer-own

and with sets that are drawn from a large collection, such as Open Images' validation split, five classes each that
occur together:

    python -m examples.transfer --collection validation-annotations-bbox.csv validation --n-sets 20 \
        --train-images 1000 --target-images 1000 --val-images 200 --sources 3 --size 256 256 --out out/open-images

After *Transferability Metrics for Object Detection* (Fouquet et al., 2023, arXiv 2306.15306): its synthetic sets, its
Real 1 and its Real 2, with a detector that two cores train in a minute.
"""

import argparse
import json
import logging
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from functools import partial
from itertools import chain
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import pandas as pd
import torch

from examples.transferability import tables
from examples.transferability.scores import scores_of
from examples.transferability.sets import LabelledSet, Sizes, drawn_sets, family_sets, set_on_disk
from examples.transferability.training import MEASURES, Schedule, train_source, train_transfer
from hardest_metrics.data import atomic_write
from hardest_metrics.plot import plot_layers, plot_transfer_panels
from hardest_metrics.plot.axes import encode_figure


@dataclass(frozen=True)
class Plan:
    """What is trained, how long, and where results are kept.

    Attributes:
        sets: gives the sets of a seed; what it is called; the first so many are sources, None for all.
        source: how sources are trained.
        transfer: how they are transferred.
        sizes: of the sets.
        out: the folder.
    """

    sets: Callable[[int], Iterator[LabelledSet]]
    called: str
    n_sources: int | None
    source: Schedule
    transfer: Schedule
    sizes: Sizes
    out: Path


@dataclass
class Found:
    """What all trainings reached, and all scores."""

    sources: list[dict[str, Any]]
    transfers: list[dict[str, Any]]
    scores: list[dict[str, Any]]


def kept(path: Path, settings: dict[str, Any], make: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """A result from its file, if it was made with these settings; else made now, its processor time noted."""
    settings = json.loads(json.dumps(settings))
    if path.exists():
        known: dict[str, Any] = json.loads(path.read_bytes())
        if known["settings"] == settings:
            return known
    started = time.process_time()
    result = {"settings": settings, **make()}
    result["processor_seconds"] = time.process_time() - started
    with atomic_write(path) as file:
        file.write(json.dumps(result).encode())
    return result


def run(plan: Plan, seeds: Sequence[int]) -> Found:
    """Train what is not trained yet, and score what is not scored yet."""
    found = Found([], [], [])
    for seed in seeds:
        sets = list(plan.sets(seed))
        sources = sets[: plan.n_sources]
        folder = plan.out / f"seed{seed}"
        common = {"seed": seed, "sets": plan.called, "sizes": asdict(plan.sizes), "source": asdict(plan.source)}
        for data in sources:
            place = folder / data.name
            place.mkdir(parents=True, exist_ok=True)
            result = kept(place / "result.json", common, partial(train_source, data, plan.source, seed, place))
            say(f"seed {seed}: {data.name}", result)
            found.sources.append(
                {"seed": seed, "source": data.name, "images": len(data.train), **{n: result[n] for n in MEASURES}}
            )
        for source in sources:
            for target in sets:
                if target is not source:
                    _transfer(plan, found, source.name, target, seed, folder, common)
    return found


def _transfer(
    plan: Plan, found: Found, source: str, target: LabelledSet, seed: int, folder: Path, common: dict[str, Any]
) -> None:
    weights, place = folder / source / "weights.pt", folder / source / f"to-{target.name}"
    place.mkdir(parents=True, exist_ok=True)
    settings = common | {"transfer": asdict(plan.transfer)}
    pair = {"seed": seed, "source": source, "target": target.name}
    scored = kept(place / "scores.json", common, lambda: {"scores": scores_of(weights, target.target)})
    found.scores += [pair | row for row in scored["scores"]]
    result = kept(
        place / "result.json", settings, lambda: train_transfer(source, weights, target, plan.transfer, seed, place)
    )
    say(f"seed {seed}: {source} → {target.name}", result)
    found.transfers.append(pair | {name: result[name] for name in MEASURES})


def say(what: str, result: dict[str, Any]) -> None:
    """What a training reached."""
    measures = ", ".join(f"{text} {result[name]:.3f}" for name, text in MEASURES.items())
    print(f"{what}: {measures}, {result['processor_seconds']:.0f} s", flush=True)


def report(found: Found, out: Path) -> None:
    """Print tables and write them, all numbers and plots."""
    sources, reached, scores = (pd.DataFrame(rows) for rows in (found.sources, found.transfers, found.scores))
    scores = pd.concat([scores, tables.baselines(reached, sources)], ignore_index=True)
    choosing = tables.choices(scores, reached)
    by_place = tables.by_place(choosing)
    shown = ", ".join(reversed(tables.SHOWN))
    parts = [
        tables.trainings(reached, sources),
        f"Choosing a source, features of {shown}:",
        tables.by_score(choosing),
        "Pearson, by layer and pooling:",
        tables.as_table(by_place),
        tables.local_against_global(choosing),
        tables.best(choosing),
        f"Choosing a target, features of {shown}:",
        tables.by_score(tables.choices(scores, reached, by="source")),
    ]
    text = "\n\n".join(parts) + "\n"
    print(f"\n{text}")
    pair = ["source", "target"]
    score = scores[
        (scores[["pooling", "layer"]] == list(tables.SHOWN)).all(axis=1) & (scores["score"] == "regularized_h_score")
    ]
    of_score, of_map = (
        table.groupby(pair)[name].mean().to_dict() for table, name in ((score, "value"), (reached, "map"))
    )
    files = {
        "tables.md": text.encode(),
        "sources.csv": sources.to_csv(index=False).encode(),
        "transfers.csv": reached.to_csv(index=False).encode(),
        "scores.csv": scores.to_csv(index=False).encode(),
        "choices.csv": choosing.to_csv(index=False).encode(),
        "transfers.png": encode_figure(
            plot_transfer_panels(of_score, of_map, score=f"regularised H-score, {shown} (no unit)")[0]
        ),
    }
    if choosing["pearson"].notna().any():
        files["pearson.png"] = encode_figure(plot_layers(by_place)[0])
    for name, content in files.items():
        with atomic_write(out / name) as file:
            file.write(content)


def main(argv: Sequence[str] | None = None) -> None:
    """Train and score what is not there yet, then tell which score chooses best."""
    options = _options(argv)
    options.out.mkdir(parents=True, exist_ok=True)
    seeds = range(options.seeds)
    if len(seeds) == 1 or options.processes == 1:
        parts = [_of_seed(options, seed) for seed in seeds]
    else:
        with ProcessPoolExecutor(options.processes, get_context("spawn")) as pool:
            parts = list(pool.map(partial(_of_seed, options), seeds))
    report(Found(*(list(chain(*lists)) for lists in zip(*map(_lists, parts), strict=True))), options.out)
    results = [json.loads(path.read_bytes()) for path in options.out.rglob("*.json")]
    seconds = sum(result["processor_seconds"] for result in results)
    print(f"{seconds:.0f} s of processor time in all trainings and scores; results are in {options.out}")


def _of_seed(options: argparse.Namespace, seed: int) -> Found:
    """What there is of one seed, in a process of its own or in this one."""
    sizes = Sizes(options.train_images, options.target_images, options.val_images, tuple(options.size))
    sets, called = _sets(options, sizes)
    plan = Plan(
        sets, called, options.sources, Schedule(options.source_steps), Schedule(options.transfer_steps, validations=2),
        sizes, options.out,
    )  # fmt: skip
    torch.set_num_threads(options.threads)  # the order of sums, and with it every figure, follows from it
    warnings.filterwarnings("ignore")
    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
    return run(plan, [seed])


def _lists(found: Found) -> tuple[list[dict[str, Any]], ...]:
    return found.sources, found.transfers, found.scores


def _sets(options: argparse.Namespace, sizes: Sizes) -> tuple[Callable[[int], Iterator[LabelledSet]], str]:
    """What gives the sets of a seed, and what tells them from others."""
    if options.set:
        given = [(name, Path(annotations), Path(images)) for name, annotations, images in options.set]
        return lambda seed: (set_on_disk(*one, sizes, seed) for one in given), str(options.set)
    if options.collection:
        annotations, images = map(Path, options.collection)
        number = options.n_sets, options.n_classes
        return lambda seed: drawn_sets(annotations, images, *number, sizes, seed), str((options.collection, number))
    return lambda seed: family_sets(sizes, seed), "glyphs"


def _options(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--set", nargs=3, action="append", metavar=("NAME", "ANNOTATIONS", "IMAGES"))
    parser.add_argument("--collection", nargs=2, metavar=("ANNOTATIONS", "IMAGES"), help="to draw sets from")
    parser.add_argument("--n-sets", type=int, default=20, help="drawn from the collection (default: 20)")
    parser.add_argument("--n-classes", type=int, default=5, help="of each of these (default: 5)")
    parser.add_argument("--sources", type=int, help="the first so many sets are sources (default: all)")
    parser.add_argument("--seeds", type=int, default=2, help="how often all is done (default: 2)")
    parser.add_argument("--source-steps", type=int, default=500, help="batches of 16 (default: 500)")
    parser.add_argument("--transfer-steps", type=int, default=200, help="batches of 16 (default: 200)")
    parser.add_argument("--train-images", type=int, default=700, help="that sources learn from, at most (default: 700)")
    parser.add_argument("--target-images", type=int, default=300, help="that transfers learn from (default: 300)")
    parser.add_argument("--val-images", type=int, default=150, help="that both are judged by (default: 150)")
    parser.add_argument("--size", type=int, nargs=2, default=(96, 96), metavar=("HEIGHT", "WIDTH"))
    parser.add_argument("--threads", type=int, default=1, help="of torch (default: 1)")
    parser.add_argument("--processes", type=int, default=2, help="each trains for a seed (default: 2)")
    parser.add_argument("--out", type=Path, default=Path("out/transfer"), help="(default: out/transfer)")
    options = parser.parse_args(argv)
    if options.set and options.collection:
        parser.error("give --set or --collection, not both")
    names = [name for name, _, _ in options.set or ()]
    if options.set and (len(set(names)) < len(names) or len(names) < 2):
        parser.error("give at least two of --set, each with a name of its own")
    return options


if __name__ == "__main__":
    main()
