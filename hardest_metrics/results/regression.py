"""What got worse from one run to another, and whether that is more than is allowed."""

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch

from hardest_metrics.data.json_file import PathLike
from hardest_metrics.data.ranking_file import ImageNames
from hardest_metrics.numbering import named_numbers
from hardest_metrics.ranking import Ranking
from hardest_metrics.results.flips import Flips, flips
from hardest_metrics.results.run import DataSet, Result, Run, canonical
from hardest_metrics.results.store import RunStore, chosen

#: What a run may be compared with, besides others by their id.
PREVIOUS, PAPER, NEWEST = "previous", "paper", "newest"

_ROUNDING = 1e-12  # of differences of results that are equal to the last digit


class NotComparableError(ValueError):
    """Runs that say nothing of each other, such as those of different labels."""


class Change(NamedTuple):
    """A result, then and now.

    Attributes:
        name: of the result.
        before: of the older run, or as the paper has it.
        now: of the newer run.
        tolerance: by how much it may be worse; None if that is not judged.
        is_worse: whether it is by more.
    """

    name: str
    before: float
    now: float
    tolerance: float | None
    is_worse: bool

    @property
    def difference(self) -> float:
        """By how much the result rose."""
        return self.now - self.before


class Regression(NamedTuple):
    """What differs between a run and what it is compared with.

    Attributes:
        run: the newer one.
        against: the older one; the newer again where a paper is compared with.
        paper: whether that is so; then no image is known to have changed.
        changes: of results.
        by: the hardness that images are compared by; None of a paper.
        flips: images that became wrong or right by it; None of a paper.
        ranking: all images by the rise of their hardness, those whose keys are text by their number; None of a paper.
        names: what these are called.
        columns: more on the images, in the order of the ranking: hardness ``before`` and ``now``, ``became``
            (``wrong``, ``right`` or nothing), ``label``, and of classifiers ``said_before`` and ``said_now``.
        reasons: why this is worse than allowed, in words; none if it is not.
    """

    run: Run
    against: Run
    paper: bool
    changes: list[Change]
    by: str | None
    flips: Flips | None
    ranking: Ranking | None
    names: ImageNames | None
    columns: Mapping[str, Sequence[Any]]
    reasons: list[str]

    @property
    def is_worse(self) -> bool:
        """Whether it is worse than allowed."""
        return bool(self.reasons)


def regress(
    store: RunStore | PathLike | None = None,
    run: str = NEWEST,
    against: str = PREVIOUS,
    tolerance: Mapping[str, float] | None = None,
    max_worse: int | None = None,
    by: str | None = None,
) -> Regression:
    """Compare a run with an earlier one of the same images and labels, or with its paper.

    A result is worse if it fell, or rose where lower is better, by more than its tolerance, which is 0 unless it is
    given. Results of which nobody said which direction is better are judged only if they are given a tolerance: then
    they may change by it either way.

    Args:
        store: of the runs, or its path; None for the default one, see :class:`RunStore`.
        run: the id of the run to judge, or how that begins; ``"newest"`` for the one saved or recognised last.
        against: the id of the run to compare with; ``"previous"`` for the last one before with the same data set,
            settings and kind, which may be this very run if it was recognised; ``"paper"`` for what its paper claims.
        tolerance: by name of a result, by how much it may be worse.
        max_worse: how many images may have become wrong; None for any number.
        by: the hardness to compare images by; None for the run's first.

    Raises:
        NotComparableError: if the runs are over other images or labels, or settings, or there is nothing to compare
            with. That is never a pass.
        OSError, ValueError: if the store or an argument is not as it should be, see :class:`RunStore`.

    Example:
        >>> import tempfile
        >>> from pathlib import Path
        >>> from hardest_metrics.results import Hardness
        >>> store = RunStore(Path(tempfile.mkdtemp(), "runs.db"))
        >>> data = DataSet({"a.jpg": "0", "b.jpg": "3"})
        >>> for losses in ([0.1, 0.2], [0.1, 2.5]):
        ...     loss = np.array(losses, np.float32)
        ...     accuracy = Result(float((loss < 1).mean()), True)
        ...     _ = store.save(Run("mine", {"accuracy": accuracy}, 2), data, {"loss": Hardness(loss, loss >= 1)})
        >>> found = regress(store)
        >>> found.flips.became_wrong, found.reasons
        (['b.jpg'], ['accuracy is 0.5, 0.5 worse than 1, which is more than 0'])
    """
    store = store if isinstance(store, RunStore) else RunStore(store)
    _check(tolerance or {}, max_worse)
    new = store.run(run)
    if against == PAPER:
        if not new.paper_results:
            raise NotComparableError(
                f"{store.path}: run {new} knows no paper's results. Give `paper_results` to its evaluator."
            )
        claims = {name: Result(value, _direction(new, name)) for name, value in new.paper_results.items()}
        changes = _changes(claims, new.results, tolerance or {})
        return Regression(new, new, True, changes, None, None, None, None, {}, _reasons(changes, None, max_worse))
    old = _previous(store, new) if against == PREVIOUS else store.run(against)
    _require_comparable(store, old, new)
    changes = _changes(old.results, new.results, tolerance or {})
    before, now = store.hardness(old), store.hardness(new)
    by, _ = chosen(now, by)
    _, then = chosen(before, by)
    dataset = store.dataset(new)
    found = flips(dataset.keys, then.in_error, now[by].in_error)
    columns = {"before": then.values, "now": now[by].values}
    ranking, names, ordered = _ranked(dataset, columns, found, (store.predictions(old), store.predictions(new)))
    reasons = _reasons(changes, found, max_worse)
    return Regression(new, old, False, changes, by, found, ranking, names, ordered, reasons)


def _check(tolerance: Mapping[str, float], max_worse: int | None) -> None:
    for name, value in tolerance.items():
        if not 0 <= value < math.inf:
            raise ValueError(f"`tolerance` of {name!r} must be at least 0 and finite, but is {value}.")
    if max_worse is not None and max_worse < 0:
        raise ValueError(f"`max_worse` is a number of images, at least 0, but is {max_worse}.")


def _direction(run: Run, name: str) -> bool | None:
    return run.results[name].higher_is_better if name in run.results else None


def _previous(store: RunStore, run: Run) -> Run:
    """The last run before, of the same images, labels and settings."""
    made = store.occasions()
    earlier = made[: max(place for place, one in enumerate(made) if one.id == run.id)]
    if not earlier:
        raise NotComparableError(f"{store.path}: {run} is the first run, so there is nothing to compare it with.")
    alike = [one for one in earlier if _differs(one, run) is None]
    if not alike:
        raise NotComparableError(
            f"{store.path}: no run before {run} can be compared with it; the last one, {earlier[-1]},"
            f" {_differs(earlier[-1], run)}. Keep a run of the older model on these images and labels first."
        )
    return alike[-1]


def _require_comparable(store: RunStore, old: Run, new: Run) -> None:
    differs = _differs(old, new)
    if differs is not None:
        raise NotComparableError(
            f"{store.path}: runs {old} and {new} cannot be compared: the older one {differs}. Keep a run of the older"
            " model on these images and labels first."
        )


def _differs(old: Run, new: Run) -> str | None:
    """In what a run differs from another, so that neither says anything of the other; None if they compare."""
    if old.dataset != new.dataset:
        return "is over other images or labels"
    if old.kind != new.kind:
        return f"was evaluated by {old.kind}, not {new.kind}"
    if canonical(old.settings) != canonical(new.settings):
        return "has other settings"
    return None


def _changes(before: Mapping[str, Result], now: Mapping[str, Result], tolerance: Mapping[str, float]) -> list[Change]:
    known = [name for name in now if name in before]
    if not known:
        raise NotComparableError(
            f"No result has the same name in both: there are {', '.join(before) or 'none'}, and now {', '.join(now)}."
        )
    for name in tolerance:
        if name not in known:
            raise ValueError(f"`tolerance` names {name!r}, but results of both are: {', '.join(known)}.")
    changes = []
    for name in known:
        old, new, better = before[name].value, now[name].value, now[name].higher_is_better
        allowed = tolerance.get(name, None if better is None else 0.0)
        fall = abs(new - old) if better is None else old - new if better else new - old
        # NaN, which nobody can judge, is worse than any number
        worse = allowed is not None and not fall <= allowed + _ROUNDING and not (math.isnan(old) and math.isnan(new))
        changes.append(Change(name, old, new, allowed, worse))
    return changes


def _reasons(changes: Sequence[Change], found: Flips | None, max_worse: int | None) -> list[str]:
    reasons = [
        f"{one.name} is {one.now:.6g}, {abs(one.difference):.3g} worse than {one.before:.6g}, which is more than"
        f" {one.tolerance:.6g}"
        for one in changes
        if one.is_worse
    ]
    if max_worse is not None and found is None:
        raise ValueError("`max_worse` counts images, of which a paper says nothing: leave it out.")
    if max_worse is not None and found is not None and len(found.became_wrong) > max_worse:
        number = len(found.became_wrong)
        reasons.append(f"{number} image{'' if number == 1 else 's'} became wrong, which is more than {max_worse}")
    return reasons


def _ranked(
    dataset: DataSet, hardness: Mapping[str, Any], found: Flips, said: Sequence[Any]
) -> tuple[Ranking, ImageNames, dict[str, list[Any]]]:
    """Images by the rise of their hardness, what they are called, and in that order what else is known of them."""
    numbers, _ = named_numbers(dataset.keys)
    rise = hardness["now"].astype(np.float64) - hardness["before"]
    ranking = Ranking.of(torch.tensor(numbers, dtype=torch.int64), torch.from_numpy(rise.astype(np.float32)))
    place = {number: place for place, number in enumerate(numbers)}
    order = [place[number] for number in ranking.image_ids.tolist()]
    became = dict.fromkeys(found.became_wrong, "wrong") | dict.fromkeys(found.became_right, "right")
    columns: dict[str, list[Any]] = {name: values[order].tolist() for name, values in hardness.items()}
    columns["became"] = [became.get(dataset.keys[index], "") for index in order]
    columns["label"] = [dataset.labels[index] for index in order]
    if said[0] is not None and said[1] is not None:
        columns |= {f"said_{when}": one[order].tolist() for when, one in zip(("before", "now"), said, strict=True)}
    return ranking, ImageNames(numbers, dataset.keys), columns
