"""Pictures: of rankings with matplotlib, of images with Pillow."""

from hardest_metrics.plot.arrangement import MAX_TILES, LegendEntry, arrange, tile_size
from hardest_metrics.plot.classified import draw_classified
from hardest_metrics.plot.correlation import plot_correlation
from hardest_metrics.plot.data_map import plot_data_map
from hardest_metrics.plot.distribution import plot_distribution
from hardest_metrics.plot.flips import draw_flips
from hardest_metrics.plot.grid import (
    UNJUDGED,
    OutcomeBoxes,
    detection_boxes,
    draw_grid,
    draw_image,
    draw_side_by_side,
    encode_png,
    outcome_boxes,
)
from hardest_metrics.plot.history import plot_history
from hardest_metrics.plot.kinds import plot_confusion, plot_kinds
from hardest_metrics.plot.neighbours import Retrieved, draw_neighbours
from hardest_metrics.plot.regret import plot_regret
from hardest_metrics.plot.reliability import plot_reliability
from hardest_metrics.plot.runs import plot_runs
from hardest_metrics.plot.slices import plot_slices
from hardest_metrics.plot.transfer import plot_layers, plot_transfer, plot_transfer_panels

__all__ = [
    "MAX_TILES",
    "UNJUDGED",
    "LegendEntry",
    "OutcomeBoxes",
    "Retrieved",
    "arrange",
    "detection_boxes",
    "draw_classified",
    "draw_flips",
    "draw_grid",
    "draw_image",
    "draw_neighbours",
    "draw_side_by_side",
    "encode_png",
    "outcome_boxes",
    "plot_confusion",
    "plot_correlation",
    "plot_data_map",
    "plot_distribution",
    "plot_history",
    "plot_kinds",
    "plot_layers",
    "plot_regret",
    "plot_reliability",
    "plot_runs",
    "plot_slices",
    "plot_transfer",
    "plot_transfer_panels",
    "tile_size",
]
