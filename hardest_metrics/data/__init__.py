"""Readers and writers of the field's file formats.

All readers give boxes as float64 (x, y, width, height): ``box_format="xywh"``.
"""

from hardest_metrics.data.annotations import Annotations
from hardest_metrics.data.atomic import atomic_write
from hardest_metrics.data.coco import read_coco_annotations, read_coco_results
from hardest_metrics.data.coco_subset import write_coco_subset
from hardest_metrics.data.formats import read_annotations, read_detections
from hardest_metrics.data.hardest_json import read_hardest_detections
from hardest_metrics.data.ranking_file import write_ranking
from hardest_metrics.data.voc import read_voc_annotations

__all__ = [
    "Annotations",
    "atomic_write",
    "read_annotations",
    "read_coco_annotations",
    "read_coco_results",
    "read_detections",
    "read_hardest_detections",
    "read_voc_annotations",
    "write_coco_subset",
    "write_ranking",
]
