"""What a file is that was taken for another."""

from collections.abc import Callable
from typing import Any

#: Of files that are no JSON, by how they begin.
_BEGINNINGS = {
    b"PK\x03\x04": "a zip archive, such as torch.save writes",
    b"\x80": "a Python pickle",
    b"\x89PNG": "a picture",
    b"\xff\xd8\xff": "a picture",
    b"PAR1": "a Parquet file",
    b"\x89HDF": "an HDF5 file",
    b"<": "XML or HTML",
}


def not_json(content: bytes) -> str | None:
    """What a file is that is not JSON, by how its content begins; None where that does not tell."""
    begins = content[:64].lstrip()
    return next((kind for beginning, kind in _BEGINNINGS.items() if begins.startswith(beginning)), None)


def kind_of(document: Any) -> str | None:
    """Which of the field's formats a JSON file is in, by its content; None where that does not tell.

    Example:
        >>> kind_of({"images": [], "detection_categories": {"1": "animal"}})
        "MegaDetector's output"
        >>> kind_of([{"image_id": 1, "category_id": 1, "bbox": [0, 0, 9, 9], "score": 0.5}])
        'COCO results'
    """
    if isinstance(document, dict):
        return next((kind for kind, holds in _OBJECTS.items() if holds(document)), None)
    if isinstance(document, list) and document and isinstance(document[0], dict):
        return next((kind for kind, keys in _LISTS.items() if keys <= document[0].keys()), None)
    return None


#: Of an object, the first that holds.
_OBJECTS: dict[str, Callable[[dict[str, Any]], bool]] = {
    "MegaDetector's output": lambda document: {"images", "detection_categories"} <= document.keys(),
    "COCO annotations": lambda document: "images" in document,
    "a calibration": lambda document: "calibration" in document,
    "a LabelMe file": lambda document: "shapes" in document,
    "GeoJSON": lambda document: document.get("type") == "FeatureCollection",
    "VGG Image Annotator's output": lambda document: (
        "_via_img_metadata" in document
        or (bool(document) and all(isinstance(value, dict) and "regions" in value for value in document.values()))
    ),
}

#: Of a list, the first whose keys are all in its first object.
_LISTS: dict[str, set[str]] = {
    "what `hardest` exports": {"boxes", "labels", "scores"},
    "COCO results": {"image_id", "score"},
    "a list of COCO annotations without their images": {"image_id", "category_id", "bbox"},
    "a ranking": {"rank", "image_id", "hardness"},
    "Label Studio's output": {"data", "annotations"},
    "CreateML annotations": {"image", "annotations"},
    "Scalabel (BDD100K) labels": {"name", "labels"},
}
