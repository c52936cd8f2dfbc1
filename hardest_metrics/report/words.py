"""What definitions, estimators and measures are called where people read."""

import re
from collections.abc import Iterable

_ERRORS = {
    "false_positives": "False positives",
    "false_negatives": "False negatives",
    "total_false": "All errors",
}

_WEIGHTED = {"none": "unweighted", "pixel": "weighted by area", "overlap": "weighted by overlap"}

_VARIANTS = {
    "platt": "Platt-calibrated",
    "temperature": "temperature-calibrated",
    "isotonic": "isotonically calibrated",
    "fitted": "fitted",
    "all": "of all scores",
}

_ABBREVIATIONS = {"ndcg": "nDCG", "auroc": "AUROC"}


def readable(name: str) -> str:
    """What a definition, an estimator or a measure is called for people; a name nobody knows is spelled out.

    Example:
        >>> [readable(name) for name in ("false_positives/none", "expected_hardness+platt", "ndcg@10", "auroc@5%")]
        ['False positives, unweighted', 'Expected hardness, Platt-calibrated', 'nDCG@10', 'AUROC@5 %']
    """
    errors, _, weighting = name.partition("/")
    if errors in _ERRORS and weighting in _WEIGHTED:
        return f"{_ERRORS[errors]}, {_WEIGHTED[weighting]}"
    stem, _, variant = name.partition("+")
    if variant in _VARIANTS:
        return f"{readable(stem)}, {_VARIANTS[variant]}"
    measure, at, share = name.partition("@")
    if measure in _ABBREVIATIONS:
        return f"{_ABBREVIATIONS[measure]}{at}{share.replace('%', ' %')}"
    if not re.fullmatch(r"[a-z][a-z0-9_@%]*", name):
        return name
    words = name.replace("_", " ").replace("%", " %")
    return words[0].upper() + words[1:]


def words_for(names: Iterable[str]) -> dict[str, str]:
    """:func:`readable` of each name."""
    return {name: readable(name) for name in names}
