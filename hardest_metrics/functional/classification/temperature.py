"""Temperature scaling of a classifier's logits."""

from torch import Tensor

from hardest_metrics.functional.classification.inputs import checked_temperature


class Temperature:
    """Divides logits before they become probabilities, so that these are neither too sure nor too unsure.

    After Guo et al., *On Calibration of Modern Neural Networks*, ICML 2017. The order of classes stays as it is.

    Args:
        temperature: above 0; above 1 for a classifier that is too sure.

    Raises:
        ValueError: if `temperature` is not above 0 and finite.

    Example:
        >>> import torch
        >>> Temperature(2.0)(torch.tensor([[2.0, 0.0]]))
        tensor([[0.7311, 0.2689]], dtype=torch.float64)
    """

    def __init__(self, temperature: float) -> None:
        self.temperature = checked_temperature(temperature)
        self.settings = f"temperature({self.temperature!r})"

    def __call__(self, logits: Tensor) -> Tensor:
        """``(N, K)`` float64 probabilities over classes, for ``(N, K)`` logits."""
        return (logits.double() / self.temperature).softmax(-1)

    def __repr__(self) -> str:
        return f"Temperature({self.temperature:.4g})"
