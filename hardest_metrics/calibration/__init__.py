"""Scores into probabilities of being right: fitted where there are labels, applied where there are none.

Estimates of hardness take a score for the probability that its detection is right. Few detectors' scores are that.
"""

from hardest_metrics.calibration.curves import Isotonic, Platt
from hardest_metrics.calibration.file import read_calibration, write_calibration
from hardest_metrics.calibration.fit import Method, fit_calibration, right_or_wrong
from hardest_metrics.calibration.reliability import DetectionCalibration, Reliability, reliability
from hardest_metrics.calibration.residuals_file import read_residuals
from hardest_metrics.calibration.temperature import fit_temperature
from hardest_metrics.calibration.witness_file import read_witness_model, write_witness_model
from hardest_metrics.calibration.witnesses import fit_witness_model
from hardest_metrics.functional.classification.temperature import Temperature
from hardest_metrics.functional.detection.estimation import Calibration
from hardest_metrics.functional.detection.residuals import Residuals
from hardest_metrics.functional.detection.witnesses import WitnessModel
from hardest_metrics.plot.reliability import plot_reliability

__all__ = [
    "Calibration",
    "DetectionCalibration",
    "Isotonic",
    "Method",
    "Platt",
    "Reliability",
    "Residuals",
    "Temperature",
    "WitnessModel",
    "fit_calibration",
    "fit_temperature",
    "fit_witness_model",
    "plot_reliability",
    "read_calibration",
    "read_residuals",
    "read_witness_model",
    "reliability",
    "right_or_wrong",
    "write_calibration",
    "write_witness_model",
]
