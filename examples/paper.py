"""The experiments of the paper: how well can hard images be found without labels?

    python -m examples.paper --coco datasets/coco --coco-detections detections/coco/*.json \
        --nuimages datasets/nuimages --nuimages-detections detections/nuimages/*.json --out results

*Query-based Hard-Image Retrieval for Object Detection at Test Time*, Ayers, Sadeghi et al., AAAI 2023, ranks the images
of COCO val2017 and of nuImages v1.0-val by nine definitions of hardness and by estimates of each, and asks how well
these agree. So does this program, with `hardest-metrics compare`; a small set of one's own goes in as it is:

    python -m examples.paper --annotations instances.json --detections fastestdet.json yolo.json --out results

Data sets lie in their usual folders: `annotations/instances_val2017.json` in COCO's, the tables `v1.0-val/*.json` in
nuImages'. Detections are COCO results, or what `hardest` exports; of nuImages with the ten classes of `CLASSES`,
numbered from 0, images numbered from 0 in the order of `sample.json` or named by their files.

nuImages is remapped to two classes, as in the paper: vehicle (car, truck, trailer, bus, construction vehicle, bicycle
and motorcycle) and pedestrian. Traffic cones and barriers are neither: both as objects and as detections they are left
out, so that they are no errors and cost nothing. Objects outside the ten classes, such as animals, ambulances and
strollers, are not labelled at all then: what a detector sees there is a false positive. How many boxes each of these
leaves out is printed.
"""

import argparse
import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hardest_metrics import cli
from hardest_metrics.comparison.detectors import detector_names
from hardest_metrics.data import atomic_write
from hardest_metrics.data.json_file import Entries, load_json

CLASSES = (
    "car", "truck", "trailer", "bus", "construction_vehicle", "bicycle", "motorcycle", "pedestrian", "traffic_cone",
    "barrier",
)  # fmt: skip

#: The class of each of nuImages' categories that has one.
CLASS_OF_CATEGORY = {
    "vehicle.car": "car",
    "vehicle.truck": "truck",
    "vehicle.trailer": "trailer",
    "vehicle.bus.bendy": "bus",
    "vehicle.bus.rigid": "bus",
    "vehicle.construction": "construction_vehicle",
    "vehicle.bicycle": "bicycle",
    "vehicle.motorcycle": "motorcycle",
    "human.pedestrian.adult": "pedestrian",
    "human.pedestrian.child": "pedestrian",
    "human.pedestrian.construction_worker": "pedestrian",
    "human.pedestrian.police_officer": "pedestrian",
    "movable_object.trafficcone": "traffic_cone",
    "movable_object.barrier": "barrier",
}

REMAPPED = ("vehicle", "pedestrian")
NEITHER = ("traffic_cone", "barrier")


def main(argv: Sequence[str] | None = None) -> int:
    """Compare on every data set that is given; the exit code of `hardest-metrics`."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.epilog = "Other options are those of hardest-metrics compare, such as --n-samples."
    parser.add_argument("--coco", type=Path, metavar="FOLDER")
    parser.add_argument("--coco-detections", nargs="+", metavar="FILE")
    parser.add_argument("--nuimages", type=Path, metavar="FOLDER")
    parser.add_argument("--nuimages-detections", nargs="+", metavar="FILE")
    parser.add_argument("--annotations", type=Path, metavar="FILE|FOLDER")
    parser.add_argument("--detections", nargs="+", metavar="FILE")
    parser.add_argument("--out", type=Path, required=True, metavar="FOLDER")
    args, passed_on = parser.parse_known_args(argv)
    pairs = ("coco", "coco_detections"), ("nuimages", "nuimages_detections"), ("annotations", "detections")
    for data, detections in pairs:
        if bool(getattr(args, data)) != bool(getattr(args, detections)):
            parser.error(f"--{data} and --{detections.replace('_', '-')} belong together: give both, or neither")
    if not (args.coco or args.nuimages or args.annotations):
        parser.error("give --coco, --nuimages or --annotations")

    args.out.mkdir(parents=True, exist_ok=True)
    code = 0
    if args.annotations:
        code |= compare(args.annotations, args.detections, args.out / "own", passed_on)
    if args.coco:
        labels = args.coco / "annotations" / "instances_val2017.json"
        code |= compare(labels, args.coco_detections, args.out / "coco", passed_on)
    if args.nuimages:
        try:
            labels, files = remap(args.nuimages, args.nuimages_detections, args.out / "nuimages-remapped")
        except (OSError, ValueError) as error:
            parser.error(str(error))
        code |= compare(labels, files, args.out / "nuimages", passed_on)
    return code


def compare(annotations: Path, detections: Sequence[str | Path], out: Path, passed_on: Sequence[str]) -> int:
    """All nine definitions, every estimator and every measure of agreement; options of `compare` are passed on."""
    print(f"\n{annotations}", flush=True)
    data = ["--annotations", str(annotations), "--detections", *map(str, detections)]
    return cli.main(["compare", *data, "--out", str(out), *passed_on])


def remap(nuimages: Path, detections: Sequence[str], folder: Path) -> tuple[Path, list[Path]]:
    """Write nuImages' labels and detections on it with two classes.

    Args:
        nuimages: the folder of the data set.
        detections: files of detections with ten classes.
        folder: where to write.

    Returns:
        The file of COCO annotations, and those of detections.

    Raises:
        OSError: when a file cannot be read or written.
        ValueError: when a file is not as it should be.
    """
    folder.mkdir(exist_ok=True)
    annotations = folder / "annotations.json"
    document, left_out = remapped_annotations(nuimages / "v1.0-val")
    _write(annotations, document)
    _print_left_out("labels", left_out)
    files = []
    for path, name in zip(detections, detector_names(detections), strict=True):
        remapped, left_out = remapped_detections(load_json(path), path)
        files.append(folder / f"{name}.json")
        _write(files[-1], remapped)
        _print_left_out(path, left_out)
    return annotations, files


def remapped_annotations(tables: Path) -> tuple[dict[str, Any], Counter[str]]:
    """The tables of nuImages as COCO annotations with two classes, and how many objects of each category are not in."""
    categories = _table(tables, "category")
    samples = _table(tables, "sample")
    images = _table(tables, "sample_data")
    objects = _table(tables, "object_ann")

    # a sample is annotated in one of its images, the key frame of its camera
    image_of_token = {token: index for index, token in enumerate(images.strings("token"))}
    keys = samples.strings("key_camera_token")
    samples.require([key in image_of_token for key in keys], "key_camera_token", "the token of one of sample_data.json")
    shown = [image_of_token[key] for key in keys]
    names, widths, heights = images.strings("filename"), images.integers("width"), images.integers("height")
    documents = [
        {"id": number, "file_name": names[index], "width": int(widths[index]), "height": int(heights[index])}
        for number, index in enumerate(shown)
    ]

    category_of_token = dict(zip(categories.strings("token"), categories.strings("name"), strict=True))
    tokens = objects.strings("category_token")
    objects.require([t in category_of_token for t in tokens], "category_token", "the token of one of category.json")
    image_of_key = {key: number for number, key in enumerate(keys)}
    annotations: list[dict[str, Any]] = []
    left_out: Counter[str] = Counter()
    corners = objects.checked("bbox", _is_corners, "four numbers xmin, ymin, xmax, ymax")
    of_images = objects.strings("sample_data_token")
    objects.require([key in image_of_key for key in of_images], "sample_data_token", "the key camera's of a sample")
    for token, key, (xmin, ymin, xmax, ymax) in zip(tokens, of_images, corners, strict=True):
        category = category_of_token[token]
        name = CLASS_OF_CATEGORY.get(category)
        label = None if name is None else remapped_label(CLASSES.index(name))
        if label is None:
            left_out[category] += 1
            continue
        box = [xmin, ymin, xmax - xmin, ymax - ymin]
        entry = {"id": len(annotations), "image_id": image_of_key[key], "category_id": label, "bbox": box}
        annotations.append(entry)
    named = [{"id": label, "name": name} for label, name in enumerate(REMAPPED)]
    return {"images": documents, "annotations": annotations, "categories": named}, left_out


def remapped_detections(document: Any, path: str) -> tuple[Any, Counter[str]]:
    """Detections with two classes instead of ten, and how many of each class were left out."""
    left_out: Counter[str] = Counter()

    def label_of(label: Any, where: str) -> int | None:
        if label not in range(len(CLASSES)):
            raise ValueError(f"{path}: {where}: label {label!r} must be one of 0 to 9, see `CLASSES`. Export it so.")
        remapped = remapped_label(int(label))
        if remapped is None:
            left_out[CLASSES[int(label)]] += 1
        return remapped

    if not isinstance(document, list) or not all(isinstance(entry, dict) for entry in document):
        raise ValueError(f"{path}: must be a list of objects. Export it as COCO results, or as `hardest` does.")
    if document and "boxes" in document[0]:  # what `hardest` exports: an object an image
        images = []
        for index, image in enumerate(document):
            labels = [label_of(label, f"image {index}") for label in image.get("labels", [])]
            kept = [place for place, label in enumerate(labels) if label is not None]
            columns = {name: [values[place] for place in kept] for name, values in image.items() if name != "labels"}
            images.append(columns | {"labels": [labels[place] for place in kept]})
        return images, left_out
    results = []
    for index, result in enumerate(document):
        label = label_of(result.get("category_id"), f"results[{index}]")
        if label is not None:
            results.append({**result, "category_id": label})
    return results, left_out


def remapped_label(label: int) -> int | None:
    """The place in `REMAPPED` of what is at this place in `CLASSES`; None if it is neither."""
    name = CLASSES[label]
    return None if name in NEITHER else REMAPPED.index("pedestrian" if name == "pedestrian" else "vehicle")


def _table(folder: Path, name: str) -> Entries:
    path = folder / f"{name}.json"
    return Entries(path, name, load_json(path), id_key="token")


def _is_corners(value: Any) -> bool:
    return isinstance(value, list) and len(value) == 4 and all(isinstance(corner, int | float) for corner in value)


def _write(path: Path, document: Any) -> None:
    with atomic_write(path) as file:
        file.write(json.dumps(document).encode())


def _print_left_out(what: str, left_out: Counter[str]) -> None:
    counts = ", ".join(f"{number} {name}" for name, number in left_out.most_common())
    print(f"{what}: left out, being neither vehicle nor pedestrian: {counts or 'nothing'}")


if __name__ == "__main__":
    raise SystemExit(main())
