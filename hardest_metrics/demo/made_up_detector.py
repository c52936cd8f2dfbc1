"""A detector that nobody trained: digit scenes as COCO files, and detections with all the errors that detectors make.

What it finds follows from the labels and a seed, so that data for a guide are there in a second. It misses small digits
most, takes 3 for 8, places boxes loosely, finds some twice and some where there is nothing.
"""

import json
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from hardest_metrics.demo.digits import DigitScenes

#: Digits that are taken for each other.
LOOK_ALIKES = {0: 6, 1: 7, 2: 3, 3: 8, 4: 9, 5: 6, 6: 0, 7: 1, 8: 3, 9: 4}


class Files(NamedTuple):
    """What :func:`write_coco` wrote.

    Attributes:
        images: the folder of pictures.
        annotations: COCO annotations.
        detections: COCO results of the detector.
        older: those of an older one, which errs more.
    """

    images: Path
    annotations: Path
    detections: Path
    older: Path


def write_coco(folder: Path, n_scenes: int = 60) -> Files:
    """Write scenes as PNG, their labels as COCO annotations, and what two detectors make of them.

    Args:
        folder: where to, made if absent.
        n_scenes: how many images.

    Example:
        >>> import tempfile
        >>> files = write_coco(Path(tempfile.mkdtemp()), n_scenes=2)
        >>> len(json.loads(files.annotations.read_text())["images"])
        2
    """
    scenes = DigitScenes("val", n_scenes, seed=7)
    files = Files(folder / "images", folder / "instances.json", folder / "detections.json", folder / "older.json")
    files.images.mkdir(parents=True, exist_ok=True)
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    found: list[dict[str, Any]] = []
    found_before: list[dict[str, Any]] = []
    for number in range(n_scenes):
        picture, target = scenes[number]
        id_, name = number + 1, f"{number + 1:03}.png"
        Image.fromarray(picture.permute(1, 2, 0).numpy()).save(files.images / name)
        height, width = target["image_size"]
        images.append({"id": id_, "file_name": name, "width": width, "height": height})
        boxes, labels = target["boxes"].numpy().astype(float), target["labels"].numpy()
        for (x1, y1, x2, y2), label in zip(boxes.tolist(), labels.tolist(), strict=True):
            about = {"id": len(annotations) + 1, "image_id": id_, "category_id": label + 1, "iscrowd": 0}
            annotations.append(about | {"bbox": [x1, y1, x2 - x1, y2 - y1], "area": (x2 - x1) * (y2 - y1)})
        found += results(id_, boxes, labels, skill=1.0, size=(height, width))
        found_before += results(id_, boxes, labels, skill=0.6, size=(height, width))
    categories = [{"id": digit + 1, "name": str(digit)} for digit in range(10)]
    document = {"images": images, "annotations": annotations, "categories": categories}
    for path, content in ((files.annotations, document), (files.detections, found), (files.older, found_before)):
        path.write_text(json.dumps(content))
    return files


def results(
    image_id: int, boxes: NDArray[np.float64], labels: NDArray[np.int64], skill: float, size: tuple[int, int]
) -> list[dict[str, Any]]:
    """COCO results on one image.

    Args:
        image_id: of the image, from which all chances follow.
        boxes: ``(n, 4)`` corners of its objects.
        labels: ``(n,)`` digits.
        skill: 1 for a fair detector, less for a worse one.
        size: height and width of the image.
    """
    random = np.random.default_rng((image_id, round(100 * skill)))
    found: list[tuple[NDArray[np.float64], int, float]] = []
    for box, label in zip(boxes, labels.tolist(), strict=True):
        extent = np.tile(box[2:] - box[:2], 2)
        clarity = skill * min(extent.max() / 24, 1)  # small digits are hard
        score = float(np.clip(random.normal(0.35 + 0.55 * clarity, 0.15), 0.05, 0.99))
        loose = random.normal(0, 0.05 + 0.1 * (1 - clarity), 4) * extent
        wrong = random.random() < 0.05 + 0.2 * (1 - clarity)
        found.append((box + loose, LOOK_ALIKES[label] if wrong else label, score))
        if random.random() < 0.1 * (2 - skill):
            found.append((box + random.normal(0, 0.1, 4) * extent, label, 0.8 * score))
    for _ in range(random.poisson(0.8 * (2 - skill))):
        side = random.uniform(10, 40)
        corner = random.uniform(0, min(size) - side, 2)
        ghost = np.concatenate([corner, corner + side])
        found.append((ghost, int(random.integers(10)), float(random.beta(2, 3))))
    return [
        {
            "image_id": image_id,
            "category_id": label + 1,
            "bbox": [round(float(n), 2) for n in (box[0], box[1], *np.maximum(box[2:] - box[:2], 1))],
            "score": round(score, 4),
        }
        for box, label, score in found
    ]
