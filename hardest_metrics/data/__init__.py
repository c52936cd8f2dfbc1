"""Readers and writers of the field's file formats.

All readers of boxes give them as float64 (x, y, width, height): ``box_format="xywh"``. Readers of hierarchical image
sets are data sets, whose labels are int64 ``(L,)``, finest level first.
"""

from typing import TYPE_CHECKING

from hardest_metrics._lazy import lazy

if TYPE_CHECKING:
    from hardest_metrics.data.annotations import Annotations
    from hardest_metrics.data.arrow import hardness_rows
    from hardest_metrics.data.atomic import atomic_write
    from hardest_metrics.data.coco import read_coco_annotations
    from hardest_metrics.data.coco_results import read_coco_results
    from hardest_metrics.data.coco_subset import write_coco_subset, write_image_list
    from hardest_metrics.data.digit_scenes import read_digit_scenes
    from hardest_metrics.data.dyml import DyML
    from hardest_metrics.data.formats import read_annotations, read_detections
    from hardest_metrics.data.global_wheat import read_global_wheat_annotations
    from hardest_metrics.data.hardest_json import read_hardest_detections
    from hardest_metrics.data.hierarchical import (
        HierarchicalCSV,
        HierarchicalFolder,
        HierarchicalImage,
        HierarchicalImages,
    )
    from hardest_metrics.data.identity import image_number
    from hardest_metrics.data.image_list import read_image_list
    from hardest_metrics.data.inaturalist import INaturalist2018
    from hardest_metrics.data.indexed import Indexed
    from hardest_metrics.data.labelling_tasks import LabellingTask, TaskBox, write_labelling_tasks
    from hardest_metrics.data.online_products import OnlineProducts
    from hardest_metrics.data.open_images import read_open_images_annotations
    from hardest_metrics.data.ranking_file import ImageNames, encode_ranking, write_ranking, write_rankings
    from hardest_metrics.data.voc import read_voc_annotations

__all__ = [
    "Annotations",
    "DyML",
    "HierarchicalCSV",
    "HierarchicalFolder",
    "HierarchicalImage",
    "HierarchicalImages",
    "INaturalist2018",
    "ImageNames",
    "Indexed",
    "LabellingTask",
    "OnlineProducts",
    "TaskBox",
    "atomic_write",
    "encode_ranking",
    "hardness_rows",
    "image_number",
    "read_annotations",
    "read_coco_annotations",
    "read_coco_results",
    "read_detections",
    "read_digit_scenes",
    "read_global_wheat_annotations",
    "read_hardest_detections",
    "read_image_list",
    "read_open_images_annotations",
    "read_voc_annotations",
    "write_coco_subset",
    "write_image_list",
    "write_labelling_tasks",
    "write_ranking",
    "write_rankings",
]

_HOMES = {
    "Annotations": "annotations",
    "DyML": "dyml",
    "HierarchicalCSV": "hierarchical",
    "HierarchicalFolder": "hierarchical",
    "HierarchicalImage": "hierarchical",
    "HierarchicalImages": "hierarchical",
    "INaturalist2018": "inaturalist",
    "Indexed": "indexed",
    "LabellingTask": "labelling_tasks",
    "TaskBox": "labelling_tasks",
    "write_labelling_tasks": "labelling_tasks",
    "OnlineProducts": "online_products",
    "atomic_write": "atomic",
    "hardness_rows": "arrow",
    "image_number": "identity",
    "read_annotations": "formats",
    "read_coco_annotations": "coco",
    "read_coco_results": "coco_results",
    "read_detections": "formats",
    "read_digit_scenes": "digit_scenes",
    "read_global_wheat_annotations": "global_wheat",
    "read_hardest_detections": "hardest_json",
    "read_image_list": "image_list",
    "read_open_images_annotations": "open_images",
    "read_voc_annotations": "voc",
    "write_coco_subset": "coco_subset",
    "write_image_list": "coco_subset",
    "ImageNames": "ranking_file",
    "encode_ranking": "ranking_file",
    "write_ranking": "ranking_file",
    "write_rankings": "ranking_file",
}

__getattr__ = lazy(__name__, _HOMES)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
