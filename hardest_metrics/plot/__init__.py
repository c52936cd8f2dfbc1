"""Pictures: of rankings with matplotlib, of images with Pillow."""

from hardest_metrics.plot.distribution import plot_hardness
from hardest_metrics.plot.grid import (
    MAX_TILES,
    UNJUDGED,
    OutcomeBoxes,
    detection_boxes,
    draw_grid,
    draw_image,
    encode_png,
    outcome_boxes,
    tile_size,
)

__all__ = [
    "MAX_TILES",
    "UNJUDGED",
    "OutcomeBoxes",
    "detection_boxes",
    "draw_grid",
    "draw_image",
    "encode_png",
    "outcome_boxes",
    "plot_hardness",
    "tile_size",
]
