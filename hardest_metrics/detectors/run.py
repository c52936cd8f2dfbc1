"""A torchvision detector, run over a data set."""

import hashlib
import json
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple, NoReturn

import torch
from rich.progress import Progress
from torch import Tensor, nn
from torchvision.ops import box_convert

from hardest_metrics.data.atomic import atomic_write, remove_unfinished
from hardest_metrics.data.coco_shapes import rles_of
from hardest_metrics.data.digest import content_digest
from hardest_metrics.data.json_file import PathLike
from hardest_metrics.data.lock import alone
from hardest_metrics.detectors.image_files import ImageFile, coco_images, folder_images, read_ahead
from hardest_metrics.detectors.load import default_num_classes, device_named, load_detector, read_weights
from hardest_metrics.detectors.part_file import PartFile
from hardest_metrics.detectors.with_logits import WithLogits
from hardest_metrics.functional.detection.geometry import IouType

_EXPORTED = ("boxes", "labels", "scores", "logits")


class Detected(NamedTuple):
    """What :func:`detect` did.

    Attributes:
        n_images: how many images there are.
        n_detections: how many detections on them.
        n_resumed: how many of the images had been done before.
        written: the files written.
    """

    n_images: int
    n_detections: int
    n_resumed: int
    written: list[Path]


def detect(
    model: str,
    weights: PathLike,
    images: PathLike,
    out: PathLike,
    *,
    annotations: PathLike | None = None,
    logits: PathLike | None = None,
    num_classes: int | None = None,
    score_threshold: float = 0.05,
    iou_type: IouType = "bbox",
    batch_size: int = 4,
    device: str | None = None,
    progress: Progress | None = None,
) -> Detected:
    """Run a torchvision detector over images and write its detections.

    Each finished batch is kept in ``<out>.part`` until all are done. Where the run is killed or fails, the same call
    goes on with the batch after the last one kept, and ends with the same files; ``batch_size`` may then be another
    one (but the images that share a batch have a small influence on each other through padding). Images that are done
    are known by their content. Only one run at a time may write to a file.

    Args:
        model: one of ``torchvision.models.list_models(module=torchvision.models.detection)``.
        weights: file of its ``state_dict``, see :func:`read_weights`.
        images: folder of the images, see :func:`folder_images` and :func:`coco_images`.
        out: COCO results JSON to write, in the order of the images. Numbers are exactly those that the detector gave,
            boxes made (x, y, width, height) in float32.
        annotations: COCO file that lists the images and gives their ids. By default all images of the folder are
            taken, numbered 1, 2, ... by name, and ``<out without suffix>.images.json`` is written: the list of images
            as a COCO file without annotations, to be given wherever annotations are asked for.
        logits: JSON file to write as `hardest` does: one object per image, with the ``logits`` of
            :class:`WithLogits` besides boxes (corners), labels and scores.
        num_classes: the classes the detector was made with, background included; by default 91, 2 for Keypoint R-CNN.
        score_threshold: only detections of a score above it are kept, in [0, 1].
        iou_type: ``"segm"`` for Mask R-CNN's masks in `out` as well, as RLEs of what lies above 0.5; ``"keypoints"``
            for Keypoint R-CNN's, x, y and 1 each.
        batch_size: images at a time.
        device: where to run, such as ``"cuda:1"``; by default the GPU, if there is one.
        progress: shows how far it is.

    Raises:
        OSError: when a file cannot be read or written.
        ValueError: when an argument or a file is not as it should be, or another run writes to one of the files; the
            message names it. What is done is kept.
    """
    written = [Path(path) for path in (out, logits, None if annotations else list_path(out)) if path]
    if len({path.resolve() for path in written}) < len(written):
        raise ValueError(f"{logits}: would take the place of another file of this run. Give `logits` another name.")
    if batch_size < 1:
        raise ValueError(f"`batch_size` must be at least 1, but is {batch_size}.")
    place = device_named(device)
    files = folder_images(images) if annotations is None else coco_images(annotations, images)
    if num_classes is None:
        num_classes = default_num_classes(model)
    loaded = read_weights(weights)
    detector = load_detector(model, loaded, num_classes, score_threshold, iou_type).to(place)
    settings = {
        "model": model,
        "weights": f"sha256:{loaded.sha256}",
        "num_classes": num_classes,
        "score_threshold": score_threshold,
        "device": place.type,
        "logits": "yes" if logits else "no",
    }
    if iou_type != "bbox":
        settings["iou_type"] = iou_type
    with alone(written, _refuse), PartFile(f"{out}.part", settings) as part:
        for folder in {path.parent for path in written}:
            remove_unfinished(folder)
        n_resumed = n_done = _count_done(part, files)
        bar = progress.add_task("detecting", total=len(files), completed=n_resumed) if progress else None
        runner = WithLogits(detector) if logits else detector
        batches = (files[start : start + batch_size] for start in range(n_resumed, len(files), batch_size))
        for batch, read in read_ahead(batches):
            try:
                pixels, digests = zip(*read, strict=True)
                detections = _detect_batch(runner, pixels, place)
            except ValueError as error:
                raise ValueError(f"{error} The same command then goes on after the {n_done} images done.") from error
            part.append({"files": _digest(batch, digests), "images": detections})
            n_done += len(batch)
            if progress and bar is not None:
                progress.update(bar, completed=n_done)

        if annotations is None:
            _write_list_of_images(list_path(out), part, files, num_classes)
        if logits:
            _write_array(logits, ({key: image[key] for key in _EXPORTED} for image in _images(part)))
        results = (
            entry for file, image in zip(files, _images(part), strict=True) for entry in _coco_results(file, image)
        )
        n_detections = _write_array(out, results)
        part.remove()
    return Detected(len(files), n_detections, n_resumed, written)


def list_path(out: PathLike) -> Path:
    """Where :func:`detect` writes the list of images that it numbered itself."""
    return Path(out).with_suffix(".images.json")


def _refuse(path: Path) -> NoReturn:
    raise ValueError(f"{path}: another run is writing to it. Wait for its end, or choose another file.")


def _count_done(part: PartFile, files: Sequence[ImageFile]) -> int:
    """The number of images that are done, provided that they are the first of these."""
    n_done = 0
    with ThreadPoolExecutor() as pool:
        for record in part.records():
            batch = files[n_done : n_done + len(record["images"])]
            n_done += len(record["images"])
            if record["files"] != _digest(batch, list(pool.map(content_digest, [file.path for file in batch]))):
                where = f"up to image {batch[-1].image_id} ({batch[-1].name})" if batch else "which are fewer"
                raise ValueError(
                    f"{part.path}: was begun with other `images` than those given now, {where}: ids, names or contents"
                    " of files differ. Give the same ones to go on, or delete the file to start anew."
                )
    return n_done


def _digest(files: Sequence[ImageFile], contents: Sequence[str]) -> str:
    """What tells image files from others, given the digest of what is in each."""
    named = [(file.image_id, file.name, content) for file, content in zip(files, contents, strict=True)]
    return hashlib.sha256(json.dumps(named).encode()).hexdigest()


@torch.inference_mode()
def _detect_batch(detector: nn.Module, pixels: Sequence[Tensor], device: torch.device) -> list[dict[str, Any]]:
    """The detections on each image of a batch, as they are kept."""
    try:
        detections = detector([image.to(device).float().div(255) for image in pixels])
    except torch.cuda.OutOfMemoryError as error:
        raise ValueError(f"{len(pixels)} images do not fit into the GPU. Lower `batch_size`.") from error
    return [
        {"size": image.shape[-2:]} | {key: _numbers(found[key]) for key in _EXPORTED if key in found} | _shapes(found)
        for image, found in zip(pixels, detections, strict=True)
    ]


def _shapes(found: dict[str, Tensor]) -> dict[str, Any]:
    """Masks and keypoints, where there are some, as COCO's results have them."""
    shapes: dict[str, Any] = {}
    if "masks" in found:
        shapes["segmentation"] = rles_of(found["masks"][:, 0] > 0.5)
    if "keypoints" in found:
        shapes["keypoints"] = _numbers(found["keypoints"].flatten(1))
    return shapes


def _numbers(values: Tensor) -> list[Any]:
    """A tensor as nested lists, float32 with nine digits: as many as tell all of them apart."""
    numbers: list[Any] = values.tolist()
    if values.ndim == 2:
        return [[float(f"{number:.9g}") for number in row] for row in numbers]
    return [float(f"{number:.9g}") for number in numbers] if values.is_floating_point() else numbers


def _images(part: PartFile) -> Iterator[dict[str, Any]]:
    return (image for record in part.records() for image in record["images"])


def _coco_results(file: ImageFile, image: dict[str, Any]) -> Iterator[dict[str, Any]]:
    boxes = box_convert(torch.tensor(image["boxes"], dtype=torch.float32).reshape(-1, 4), "xyxy", "xywh").tolist()
    scores = torch.tensor(image["scores"], dtype=torch.float32).tolist()
    shapes = {key: image[key] for key in ("segmentation", "keypoints") if key in image}
    if "keypoints" in shapes:
        shapes["keypoints"] = torch.tensor(shapes["keypoints"], dtype=torch.float32).tolist()
    for place, (label, box, score) in enumerate(zip(image["labels"], boxes, scores, strict=True)):
        entry = {"image_id": file.image_id, "category_id": label, "bbox": box, "score": score}
        yield entry | {key: of[place] for key, of in shapes.items()}


def _write_array(path: PathLike, entries: Iterable[Any]) -> int:
    """Write a JSON array, an entry at a time; how many there were."""
    number = 0
    with atomic_write(path) as file:
        for number, entry in enumerate(entries, start=1):
            file.write(b"[\n" if number == 1 else b",\n")
            file.write(json.dumps(entry).encode())
        file.write(b"\n]\n" if number else b"[]\n")
    return number


def _write_list_of_images(path: Path, part: PartFile, files: Sequence[ImageFile], num_classes: int) -> None:
    images = [
        {"id": file.image_id, "file_name": file.name, "height": image["size"][0], "width": image["size"][1]}
        for file, image in zip(files, _images(part), strict=True)
    ]
    categories = [{"id": label, "name": str(label)} for label in range(num_classes)]
    with atomic_write(path) as output:
        output.write(json.dumps({"images": images, "annotations": [], "categories": categories}).encode())
