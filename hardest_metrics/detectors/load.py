"""torchvision's detectors by name, with weights from a file."""

import hashlib
import io
import pickle
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torchvision.models import detection, get_model, list_models
from torchvision.models.detection.generalized_rcnn import GeneralizedRCNN

from hardest_metrics.data.json_file import PathLike
from hardest_metrics.functional.detection.geometry import IouType
from hardest_metrics.functional.detection.packing import check_iou_type

# The files of COCO weights, named as torchvision names them by the start of their SHA-256, that come from a time when
# batch normalisation in detectors had no epsilon. torchvision takes it away when it downloads them itself.
_WITHOUT_EPSILON = {"258fb6c6", "bf2d0c1e", "eeacb38b", "fc266e95"}

_MOST_CLASSES = 100_000  # more would fill the memory before the weights tell that they are not for so many


class Weights(NamedTuple):
    """What a file of weights holds.

    Attributes:
        path: the file.
        sha256: of its content, in hexadecimal.
        state_dict: tensors by name.
    """

    path: Path
    sha256: str
    state_dict: dict[str, Tensor]


def read_weights(path: PathLike) -> Weights:
    """Read a file that ``torch.save(model.state_dict(), path)`` wrote.

    Code in it is not run: it is loaded with ``weights_only=True``.

    Raises:
        OSError: when the file cannot be read.
        ValueError: when it holds something else, or numbers that are not finite.
    """
    content = Path(path).read_bytes()
    try:
        state_dict = torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
    except Exception as error:  # what torch raises depends on how far it got
        # of what holds code torch says how to run it all the same, which is no advice for a file of unknown content
        holds_code = isinstance(error, pickle.UnpicklingError)
        first_line = str(error).strip().partition("\n")[0]
        reason = "" if holds_code else f" ({first_line})"
        raise ValueError(
            f"{path}: no weights that can be loaded without running code in the file{reason}. Save them with"
            " torch.save(model.state_dict(), path)."
        ) from error
    if not isinstance(state_dict, Mapping) or not all(isinstance(value, Tensor) for value in state_dict.values()):
        held = f"{_some(list(state_dict))}" if isinstance(state_dict, Mapping) else f"a {type(state_dict).__name__}"
        raise ValueError(
            f"{path}: holds {held} where tensors by name are expected. Save the weights of the detector alone, with"
            " torch.save(model.state_dict(), path)."
        )
    for name, value in state_dict.items():
        if not value.isfinite().all():
            raise ValueError(
                f"{path}: {name} has values that are not finite. Give weights from before training failed."
            )
    return Weights(Path(path), hashlib.sha256(content).hexdigest(), dict(state_dict))


def load_detector(
    name: str,
    weights: Weights,
    num_classes: int | None = None,
    score_threshold: float = 0.05,
    iou_type: IouType = "bbox",
) -> nn.Module:
    """A torchvision detector in evaluation mode, for its boxes, labels and scores.

    Masks and keypoints, which take most of the time of detectors that have them, are left out unless asked for.

    Args:
        name: one of ``torchvision.models.list_models(module=torchvision.models.detection)``.
        weights: of this detector.
        num_classes: the classes it was made with, background included; by default :func:`default_num_classes`.
        score_threshold: only detections of a score above it are given, in [0, 1].
        iou_type: ``"segm"`` for masks, ``"keypoints"`` for these as well.

    Raises:
        ValueError: when torchvision has no such detector, it gives no masks or keypoints, or the weights are not for
            it; the message names those that differ.
    """
    if not 0 <= score_threshold <= 1:
        raise ValueError(f"`score_threshold` must be in [0, 1], but is {score_threshold}.")
    check_iou_type(iou_type)
    model = _build(name, default_num_classes(name) if num_classes is None else num_classes)
    heads: Any = getattr(model, "roi_heads", None)
    gives = {"bbox": True, "segm": heads and heads.has_mask(), "keypoints": heads and heads.has_keypoint()}
    if not gives[iou_type]:
        raise ValueError(
            f"`iou_type` is {iou_type!r}, which {name} does not give: Mask R-CNN gives masks, and Keypoint R-CNN"
            " keypoints."
        )
    _load(model, name, weights)
    if weights.sha256[:8] in _WITHOUT_EPSILON:
        for module in model.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.eps = 0
    postprocessing: Any = model
    if isinstance(model, GeneralizedRCNN):
        postprocessing = model.roi_heads
        if iou_type != "segm":
            postprocessing.mask_predictor = None
        if iou_type != "keypoints":
            postprocessing.keypoint_predictor = None
    postprocessing.score_thresh = score_threshold
    return model.eval()


def default_num_classes(name: str) -> int:
    """How many classes, background included, torchvision's own weights of a detector tell apart."""
    return 2 if name.startswith("keypointrcnn") else 91


def device_named(name: str | None) -> torch.device:
    """A device by its name, such as ``"cuda:1"``; by default the GPU, if there is one.

    Raises:
        ValueError: if there is none of that name, or it cannot be used.
    """
    try:
        device = torch.device(name or ("cuda" if torch.cuda.is_available() else "cpu"))
        torch.empty(0, device=device)
    except (AssertionError, NotImplementedError, RuntimeError) as error:
        reason = str(error).strip().split("\n")[0]
        raise ValueError(f"`device` is {name!r}, which cannot be used ({reason}). Try cpu.") from error
    return device


def _build(name: str, num_classes: int) -> nn.Module:
    names = list_models(module=detection)
    if name not in names:
        raise ValueError(f"`model` is {name!r}, which is no detector of torchvision. Choose from: {', '.join(names)}.")
    if num_classes < 2:
        raise ValueError(f"`num_classes` must be at least 2, background included, but is {num_classes}.")
    if num_classes > _MOST_CLASSES:
        raise ValueError(f"`num_classes` must be at most {_MOST_CLASSES}, but is {num_classes}.")
    model: nn.Module = get_model(name, weights=None, weights_backbone=None, num_classes=num_classes)
    return model


def _load(model: nn.Module, name: str, weights: Weights) -> None:
    own = model.state_dict()
    reshaped = [
        f"{key} is {tuple(value.shape)}, not {tuple(own[key].shape)}"
        for key, value in weights.state_dict.items()
        if key in own and value.shape != own[key].shape
    ]
    fitting = {key: value for key, value in weights.state_dict.items() if key in own and value.shape == own[key].shape}
    # Not strictly, and yet by this method: older weights lack counters of batches, which it adds
    missing = [
        key for key in model.load_state_dict(fitting, strict=False).missing_keys if key not in weights.state_dict
    ]
    unexpected = [key for key in weights.state_dict if key not in own]
    problems = [
        f"{len(keys)} {what} ({_some(keys)})"
        for what, keys in (("missing", missing), ("unexpected", unexpected), ("of another shape", reshaped))
        if keys
    ]
    if problems:
        raise ValueError(
            f"{weights.path}: does not fit {name}: {'; '.join(problems)}. Give the `model` and the `num_classes`"
            " (background included) that the weights were trained with."
        )


def _some(keys: Collection[object], shown: int = 3) -> str:
    text = ", ".join(str(key) for key in list(keys)[:shown])
    return text if len(keys) <= shown else f"{text}, ..."
