"""Lightning callbacks."""

from hardest_metrics.callbacks.hardest_images import HardestImages
from hardest_metrics.callbacks.inputs import Inputs, inputs_of

__all__ = ["HardestImages", "Inputs", "inputs_of"]
