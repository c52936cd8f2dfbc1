"""How well scores, and baselines, choose among candidates, going by what each reached once it was trained."""

from collections.abc import Callable, Iterable, Mapping, Sequence

import pandas as pd
import torch
from torch import Tensor

from hardest_metrics.functional.agreement import kendall, spearman
from hardest_metrics.functional.transferability.selection import (
    bootstrap_interval,
    pearson,
    regret,
    weighted_kendall,
)
from hardest_metrics.names import SELECTION_MEASURES

#: Measures of how well scores choose, the higher the better but for regret.
MEASURES: dict[str, Callable[[Tensor, Tensor], Tensor]] = dict(
    zip(SELECTION_MEASURES, (pearson, spearman, kendall, weighted_kendall, regret), strict=True)
)

#: Stands for the layer and the pooling of what needs no features.
BASELINE = "–"


def judged(
    scores: pd.DataFrame, performance: Mapping[str, float], baselines: Mapping[str, Mapping[str, float]]
) -> pd.DataFrame:
    """How well each score of each layer, and each baseline, chooses a candidate.

    Args:
        scores: a row a candidate, pooling, layer and score, as :func:`~hardest_metrics.transfer.score_candidates` gives
            them.
        performance: what each candidate reached, such as mAP, the higher the better.
        baselines: what else candidates may be chosen by, such as the mAP of each on its own data: by name, of each
            candidate.

    Returns:
        A row a score and place, then a row a baseline: ``pooling``, ``layer``, ``score``, the name of the ``chosen``
        candidate and, for each of :data:`MEASURES`, its value and, as ``<measure>_low`` and ``<measure>_high``, the
        ends of its bootstrap interval of 95 %. NaN where it is undefined, as of a score that is so for any candidate.

    Example:
        >>> columns = ["candidate", "pooling", "layer", "score", "value"]
        >>> rows = [("a", "local", "neck", "logme", 0.5), ("b", "local", "neck", "logme", 0.25)]
        >>> table = judged(pd.DataFrame(rows, columns=columns), {"a": 0.4, "b": 0.3}, {"images": {"a": 10, "b": 20}})
        >>> table[["score", "chosen", "pearson", "regret"]]
            score chosen  pearson  regret
        0   logme      a      1.0     0.0
        1  images      b     -1.0     0.1
    """
    names = list(performance)
    reached = torch.tensor([performance[name] for name in names], dtype=torch.float64)
    rows = []
    for place, values in _by_place(scores, names, baselines):
        row: dict[str, object] = dict(zip(("pooling", "layer", "score"), place, strict=True))
        defined = bool(values.isfinite().all())
        row["chosen"] = names[int(values.argmax())] if defined else ""
        for name, measure in MEASURES.items():
            low = high = value = float("nan")
            if defined:
                value = float(measure(values, reached))
                low, high = bootstrap_interval(measure, values, reached)
            row |= {name: value, f"{name}_low": low, f"{name}_high": high}
        rows.append(row)
    return pd.DataFrame(rows)


def _by_place(
    scores: pd.DataFrame, names: Sequence[str], baselines: Mapping[str, Mapping[str, float]]
) -> Iterable[tuple[tuple[str, str, str], Tensor]]:
    for place, part in scores.groupby(["pooling", "layer", "score"], sort=False):
        value_of = part.set_index("candidate")["value"]
        yield place, torch.tensor([value_of[name] for name in names], dtype=torch.float64)
    for name, values in baselines.items():
        place = (BASELINE, BASELINE, name)
        yield place, torch.tensor([values[candidate] for candidate in names], dtype=torch.float64)
