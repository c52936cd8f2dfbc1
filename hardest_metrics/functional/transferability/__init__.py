"""Which model to start from: scores of pretrained models for a target set, without training on it.

Each is a scalar, the higher the better, to be compared between models on the same objects. Features, labels and boxes
are those of the training split of the target set. Beside a score look at what `shuffled` labels score.
"""

from hardest_metrics.functional.transferability.gaussian_overlap import gaussian_overlap
from hardest_metrics.functional.transferability.h_score import h_score, regularized_h_score
from hardest_metrics.functional.transferability.logme import box_logme, logme, regression_score, total_logme
from hardest_metrics.functional.transferability.projection import gaussian_projection
from hardest_metrics.functional.transferability.source_model import energy_score, leep, nce
from hardest_metrics.functional.transferability.transrate import transrate

__all__ = [
    "box_logme",
    "energy_score",
    "gaussian_overlap",
    "gaussian_projection",
    "h_score",
    "leep",
    "logme",
    "nce",
    "regression_score",
    "regularized_h_score",
    "total_logme",
    "transrate",
]
