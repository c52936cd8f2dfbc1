"""Evaluators that take what a model says of images by their key, keep every run, and recognise one that is kept."""

from hardest_metrics.evaluators.coco import COCOEvaluator
from hardest_metrics.evaluators.imagenet import ImageNetEvaluator

__all__ = ["COCOEvaluator", "ImageNetEvaluator"]
