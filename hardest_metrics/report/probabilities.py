"""How far scores are from probabilities, before and after calibration, for the plots of a page."""

from collections.abc import Iterator
from typing import Any, cast

import torch

from hardest_metrics.calibration import Method, reliability
from hardest_metrics.comparison import Comparison
from hardest_metrics.comparison.estimates import estimate_named
from hardest_metrics.comparison.folds import calibrated, cross_validate
from hardest_metrics.names import CALIBRATIONS
from hardest_metrics.plot.reliability import interval


def reliabilities(comparison: Comparison) -> Iterator[dict[str, Any]]:
    """Of each detector with scores as they are, and with each calibration that its estimates use, cross-validated.

    Yields:
        The place of the ``detector``, ``method`` of calibration (empty for none), ``error``, the expected calibration
        error, and ``bins``: stated probability, share of detections that are right, and the 95 % interval of that.
    """
    target, query = comparison.annotations.target, comparison.query
    for place, (detector, preds) in enumerate(comparison.detections.items()):
        # what agreement lists are estimates, beside labels
        agreement = comparison.agreement
        names = [] if agreement.empty else agreement[agreement["detector"] == detector]["estimator"].tolist()
        if not names:
            continue
        methods = dict.fromkeys(estimate_named(name).calibration for name in names)
        stated = {"": preds}
        for method in CALIBRATIONS:
            if method in methods:
                stated[method] = calibrated(preds, cross_validate(preds, target, cast(Method, method), query))
        for method, probabilities in stated.items():
            found = reliability(probabilities, target, query=query, box_format="xywh")
            some = found.number > 0
            right = found.precision[some]
            columns = (found.probability[some], right, *interval(right, found.number[some].double()))
            yield {
                "detector": place,
                "method": method,
                "error": found.error if bool(some.any()) else None,
                "bins": torch.stack(columns, 1).tolist(),
            }
