"""Lightning callbacks."""

from hardest_metrics.callbacks.evaluation import EvaluationCallback
from hardest_metrics.callbacks.hardest_images import HardestImages
from hardest_metrics.callbacks.hardest_queries import HardestQueries
from hardest_metrics.callbacks.showing import Finished, Showing
from hardest_metrics.classification.adapter import ClassifiedInputs
from hardest_metrics.detection.inputs import Inputs, inputs_of
from hardest_metrics.retrieval.adapter import RetrievalInputs

__all__ = [
    "ClassifiedInputs",
    "EvaluationCallback",
    "Finished",
    "HardestImages",
    "HardestQueries",
    "Inputs",
    "RetrievalInputs",
    "Showing",
    "inputs_of",
]
