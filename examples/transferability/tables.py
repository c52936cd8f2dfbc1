"""Which score, of which layer and pooling, chooses best: from all transfers to tables with intervals."""

from typing import Any, Literal

import pandas as pd
import torch

from examples.ablation import table
from hardest_metrics.functional.transferability.selection import bootstrap_mean_interval
from hardest_metrics.names import SELECTION_MEASURES
from hardest_metrics.transfer import BASELINE, MEASURES

By = Literal["target", "source"]

PLACE = ["pooling", "layer", "score"]
SHOWN = ("local", "neck")
"""The place whose table has all measures: chosen before anything was measured, as the best of many is lucky too."""


def choices(scores: pd.DataFrame, reached: pd.DataFrame, by: By = "target") -> pd.DataFrame:
    """How well each score chooses a source for each target, or a target for each source.

    Args:
        scores: ``seed``, ``source``, ``target``, ``pooling``, ``layer``, ``score`` and ``value``.
        reached: ``seed``, ``source``, ``target`` and ``map``.
        by: what is given.

    Returns:
        A row a seed, target (or source), pooling, layer and score, a column for each of :data:`MEASURES`; NaN where one
        is undefined.
    """
    joined = scores.merge(reached, on=["seed", "source", "target"])
    rows = []
    for key, part in joined.groupby(["seed", by, *PLACE], sort=False):
        values, maps = (torch.tensor(part[name].to_numpy(), dtype=torch.float64) for name in ("value", "map"))
        defined = bool(values.isfinite().all())
        measured = {name: float(of(values, maps)) if defined else float("nan") for name, of in MEASURES.items()}
        rows.append(dict(zip(["seed", by, *PLACE], key, strict=True)) | measured)
    return pd.DataFrame(rows)


def baselines(reached: pd.DataFrame, sources: pd.DataFrame) -> pd.DataFrame:
    """What needs no features: how good each source is on its own data, and how much data that is.

    Args:
        reached: of transfers, as :func:`choices` takes it.
        sources: ``seed``, ``source``, ``map`` and ``images``.
    """
    known = reached[["seed", "source", "target"]].merge(sources, on=["seed", "source"])
    names = {"map": "mAP of the source", "images": "images of the source"}
    parts = [
        known[["seed", "source", "target"]].assign(pooling=BASELINE, layer=BASELINE, score=text, value=known[name])
        for name, text in names.items()
    ]
    return pd.concat(parts, ignore_index=True)


def by_score(found: pd.DataFrame, place: tuple[str, str] = SHOWN) -> str:
    """All measures of the scores of one place, of the head and of baselines: means over the groups, with intervals."""
    shown = found[(found[["pooling", "layer"]] == list(place)).all(axis=1) | (found["pooling"] == BASELINE)]
    groups = shown.groupby(PLACE, sort=False)
    order = groups["pearson"].mean().sort_values(ascending=False, kind="stable").index
    rows = []
    for key in order:
        part = groups.get_group(key)
        rows.append([str(key[-1]), *(_with_interval(part[name]) for name in MEASURES)])
    return table(["score", *(SELECTION_MEASURES[name] for name in MEASURES)], rows)


def by_place(found: pd.DataFrame, measure: str = "pearson") -> dict[str, dict[str, float]]:
    """The mean of a measure by score, of each layer and pooling."""
    of_features = found[found["layer"] != BASELINE]
    of_features = of_features[of_features["layer"] != "head"]
    means = of_features.groupby(PLACE, sort=False)[measure].mean()
    result: dict[str, dict[str, float]] = {}
    for (pooling, layer, score), value in means.items():
        result.setdefault(score, {})[f"{layer}, {pooling}"] = float(value)
    return result


def as_table(values: dict[str, dict[str, float]]) -> str:
    """The same as Markdown, the highest in bold."""
    places = list(dict.fromkeys(place for row in values.values() for place in row))
    best = max((value for row in values.values() for value in row.values() if value == value), default=None)
    rows = [
        [score, *(f"**{row[place]:.2f}**" if row[place] == best else _number(row[place]) for place in places)]
        for score, row in values.items()
    ]
    return table(["score", *places], rows)


def local_against_global(found: pd.DataFrame, by: By = "target", measure: str = "pearson") -> str:
    """By how much features of boxes choose better than those of whole images, over all scores and layers with both."""
    keys = ["seed", by, "layer", "score"]
    sides = {pooling: found[found["pooling"] == pooling].set_index(keys)[measure] for pooling in ("local", "global")}
    difference = (sides["local"] - sides["global"]).dropna()
    groups = torch.tensor(difference.groupby(["seed", by]).mean().to_numpy())
    low, high = bootstrap_mean_interval(groups)
    better = difference.groupby(["layer", "score"]).mean() > 0
    return (
        f"Features of boxes against those of whole images: {float(groups.mean()):+.2f} of {SELECTION_MEASURES[measure]}"
        f" [{low:+.2f}, {high:+.2f}], mean over {len(better)} pairs of score and layer, better in {int(better.sum())}"
    )


def trainings(reached: pd.DataFrame, sources: pd.DataFrame) -> str:
    """MAP of each transfer, and of each source on its own data: means over the seeds."""
    of_transfer = reached.groupby(["source", "target"], sort=False)["map"].mean()
    own = sources.groupby("source", sort=False)["map"].mean()
    targets = sorted(set(reached["target"]), key=list(dict.fromkeys([*own.index, *reached["target"]])).index)
    rows = [
        [
            source,
            f"{own[source]:.3f}",
            *(_number(of_transfer.get((source, target), float("nan")), 3) for target in targets),
        ]
        for source in own.index
    ]
    return table(["source", "on its own data", *(f"→ {target}" for target in targets)], rows)


def best(found: pd.DataFrame) -> str:
    """The score, layer and pooling of the highest mean Pearson, in words."""
    means = found.groupby(PLACE, sort=False)["pearson"].mean().dropna()
    if means.empty:
        return "Nothing can be told from so few candidates"
    key: Any = means.idxmax()
    part = found[(found[PLACE] == list(key)).all(axis=1)]
    where = "" if key[1] == BASELINE else f" of {key[1]}" if key[0] == BASELINE else f" of {key[1]}, {key[0]}"
    return (
        f"Highest Pearson of {len(means)}: {key[2]}{where}, {_with_interval(part['pearson'])}, regret"
        f" {_with_interval(part['regret'])}; the best of so many is so by luck too"
    )


def _with_interval(values: "pd.Series[float]") -> str:
    of_groups = torch.tensor(values.to_numpy(), dtype=torch.float64)
    if of_groups.isnan().all():
        return "–"
    low, high = bootstrap_mean_interval(of_groups)
    digits = 3 if values.name == "regret" else 2
    return f"{float(of_groups.nanmean()):.{digits}f} [{low:.{digits}f}, {high:.{digits}f}]"


def _number(value: float, digits: int = 2) -> str:
    return "–" if value != value else f"{value:.{digits}f}"
