"""Pictures: of rankings with matplotlib, of images with torchvision and Pillow."""

from hardest_metrics.plot.distribution import plot_hardness

__all__ = ["plot_hardness"]
