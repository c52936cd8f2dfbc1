"""A page for the browser: images and their boxes, by any of the rankings of a comparison."""

from hardest_metrics.report.write import Written, write_report

__all__ = ["Written", "write_report"]
