"""Learning the temperature of a classifier's logits."""

import math

from torch import Tensor

from hardest_metrics.functional.classification.inputs import checked_logits, checked_target
from hardest_metrics.functional.classification.temperature import Temperature

#: Temperatures that are tried, as powers of e: outside nothing tells logits from no logits, or from certainty.
_LOGARITHMS = (-10.0, 10.0)


def fit_temperature(preds: Tensor, target: Tensor) -> Temperature:
    """Learn the temperature under which labelled images are likeliest.

    The result is what metrics of :mod:`hardest_metrics.classification` take as ``calibration``. Fit it on other images
    than those to be ranked, but with the same classifier.

    Args:
        preds: ``(N, K)`` logits, K at least 2.
        target: ``(N,)`` integer labels, or ``(N, K)`` integers 0 and 1 where an image may have several.

    Raises:
        ModuleNotFoundError: if scipy is not installed.
        TypeError, ValueError: on input that makes no sense, and if no temperature is the likeliest: all images are
            right, or logits say no more than chance.

    Example:
        >>> import torch
        >>> logits = torch.tensor([[4.0, 0.0]]).expand(4, 2)
        >>> fit_temperature(logits, torch.tensor([0, 0, 0, 1]))  # sure of 0.98, right in 3 of 4
        Temperature(3.641)
    """
    try:
        from scipy.optimize import brentq
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            'Fitting a temperature needs scipy: pip install "hardest_metrics[calibration]".'
        ) from error
    logits = checked_logits(preds).double()
    labels = checked_target(target, logits)
    if not len(logits):
        raise ValueError("`preds` holds no images: calibrate on labelled ones.")
    several = labels.ndim == 2
    of_truth = (logits * labels).sum(1) if several else logits.gather(1, labels[:, None]).squeeze(1)

    def slope(logarithm: float) -> float:
        """How fast the likelihood falls as logits are scaled up, which it does ever faster: it is concave."""
        scaled = logits * math.exp(-logarithm)
        probabilities = scaled.sigmoid() if several else scaled.softmax(1)
        return float(((logits * probabilities).sum(1) - of_truth).mean())

    if not slope(_LOGARITHMS[0]) > 0 > slope(_LOGARITHMS[1]):
        raise ValueError(
            f"`preds`: no temperature from e^{_LOGARITHMS[0]:g} to e^{_LOGARITHMS[1]:g} is the likeliest for its"
            f" {len(logits)} images, as all are right, or logits tell no more than chance. Calibrate on more images,"
            " which the classifier was not trained on."
        )
    return Temperature(math.exp(brentq(slope, *_LOGARITHMS)))
