"""Detections of torchvision models, with the logits they were scored from."""

from collections.abc import Sequence
from typing import Any, Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torchvision.models.detection import FCOS, RetinaNet
from torchvision.models.detection.generalized_rcnn import GeneralizedRCNN
from torchvision.models.detection.ssd import SSD

from hardest_metrics.detectors.traced import Traced, trace

Activation = Literal["softmax", "sigmoid"]


class WithLogits(nn.Module):
    """A torchvision detector that gives with each detection the logits it was scored from.

    The detector runs as always: its own code turns logits into detections, while each score is followed back to
    the row of logits it was computed from. Boxes, labels, scores and whatever else it gives are the same to the
    bit; nothing is computed twice. In training mode it gives its losses as without the wrapper.

    Each image's dict gains ``logits``, ``(n, K)``, in the dtype of the scores. K is the ``num_classes`` that the
    detector was made with, background included, and **the column of a label is the label**:
    ``activation(logits)[i, labels[i]] == scores[i]``.

    ========================================= =============== ====================================================
    detector                                  ``activation``  logits
    ========================================= =============== ====================================================
    Faster, Mask and Keypoint R-CNN           ``"softmax"``   of the proposal; column 0 is background
    SSD, SSDLite                              ``"softmax"``   of the anchor; column 0 is background
    RetinaNet                                 ``"sigmoid"``   of the anchor
    FCOS                                      ``"sigmoid"``   of the location, centerness included, see below
    ========================================= =============== ====================================================

    Detectors with ``"sigmoid"`` judge each class by itself. They have no background: if classes were numbered from
    1, as in COCO, column 0 is a class that never occurred in training.

    FCOS scores a class by the square root of its probability times that of centerness. Its logits are the log-odds
    of this score, log(s / (1 - s)), for every class.

    Args:
        model: a ``FasterRCNN``, ``MaskRCNN``, ``KeypointRCNN``, ``RetinaNet``, ``FCOS`` or ``SSD`` (which SSDLite
            is), or of a class derived from one of them. It is held as ``.model``, so that keys of ``state_dict``
            start with ``model.``; weights of the bare detector are loaded into ``.model``.

    Attributes:
        activation: ``"softmax"`` or ``"sigmoid"``, what makes scores of logits.

    Raises:
        TypeError: for another model.
        RuntimeError: from a forward pass, when a derived class computes scores in a way that cannot be followed.

    Example:
        >>> from torchvision.models.detection import ssdlite320_mobilenet_v3_large
        >>> model = ssdlite320_mobilenet_v3_large(weights_backbone=None, num_classes=3, score_thresh=0.3)
        >>> detector = WithLogits(model).eval()
        >>> with torch.inference_mode():
        ...     (detections,) = detector([torch.rand(3, 60, 80)])
        >>> probabilities = detections["logits"].softmax(1)
        >>> probabilities.shape[1]
        3
        >>> bool((probabilities.gather(1, detections["labels"][:, None])[:, 0] == detections["scores"]).all())
        True
    """

    activation: Activation

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        if not isinstance(model, GeneralizedRCNN | SSD | RetinaNet | FCOS):
            raise TypeError(
                "`model` must be a torchvision FasterRCNN, MaskRCNN, KeypointRCNN, RetinaNet, FCOS or SSD, but is"
                f" {type(model).__name__}. Wrap the detector itself, not what holds it."
            )
        self.model = model
        self.activation = "sigmoid" if isinstance(model, RetinaNet | FCOS) else "softmax"
        self.train(model.training)

    def forward(self, images: Sequence[Tensor], targets: Sequence[dict[str, Tensor]] | None = None) -> Any:
        """What the detector gives for these arguments; in evaluation mode each dict with ``logits``.

        Args:
            images: ``(3, H, W)`` float in [0, 1] each, of any sizes.
            targets: for training.
        """
        if self.model.training:
            return self.model(images, targets)
        with self._head.register_forward_hook(_traced_output):
            detections = self.model(images, targets)
        for image in detections:
            scores = image["scores"]
            if not isinstance(scores, Traced):
                raise RuntimeError(
                    f"{type(self.model).__name__} computes scores in a way that cannot be followed back to logits."
                    " Use one of torchvision's own detectors, or leave its `postprocess_detections` as it is."
                )
            image["scores"] = scores.as_subclass(Tensor)
            image["logits"] = scores.logits_of(scores.rows).to(scores.dtype)
        return detections

    @property
    def _head(self) -> nn.Module:
        """What gives the logits."""
        model: Any = self.model
        head: nn.Module = model.roi_heads.box_predictor if isinstance(self.model, GeneralizedRCNN) else model.head
        return head


def _traced_output(head: nn.Module, inputs: Any, outputs: Any) -> Any:
    """The output of a head, the logits in it traced."""
    if isinstance(outputs, tuple):  # two-stage
        logits, *others = outputs
        return trace(logits, logits.__getitem__), *others
    logits = outputs["cls_logits"]
    table = logits.flatten(0, -2)
    if "bbox_ctrness" not in outputs:
        return {**outputs, "cls_logits": trace(logits, table.__getitem__)}
    centerness = outputs["bbox_ctrness"].flatten(0, -2)
    traced = trace(logits, lambda rows: _log_odds_of_geometric_mean(table[rows], centerness[rows]))
    return {**outputs, "cls_logits": traced}


def _log_odds_of_geometric_mean(first: Tensor, second: Tensor) -> Tensor:
    """log(s / (1 - s)) of s, the root of the product of two probabilities given as log-odds; exact near 0 and 1."""
    log_score = (F.logsigmoid(first) + F.logsigmoid(second)) / 2
    return log_score - torch.log(-torch.expm1(log_score))
