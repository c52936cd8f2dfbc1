"""What is compared, and the form in which it is given: all that reading a batch depends on besides its scores."""

from collections.abc import Sequence
from dataclasses import dataclass

from hardest_metrics.functional.detection.boxes import Batch
from hardest_metrics.functional.detection.checking import BoxFormat, check_box_format
from hardest_metrics.functional.detection.geometry import IouType
from hardest_metrics.functional.detection.keypoint_packing import Sigmas, checked_sigmas
from hardest_metrics.functional.detection.packing import ImageDict, check_iou_type, pack

#: COCO's number of detections that count, per image and label.
_MOST, _MOST_OF_KEYPOINTS = 100, 20


@dataclass(frozen=True)
class ShapeFormat:
    """How lists of dicts are read.

    Args:
        box_format: of all boxes: ``"xyxy"``, ``"xywh"`` or ``"cxcywh"``, in pixels.
        iou_type: what is compared: ``"bbox"``, ``"segm"`` or ``"keypoints"``.
        sigmas: of each keypoint, or that by label; None for those of COCO's 17.

    Raises:
        ValueError: if one makes no sense.
    """

    box_format: BoxFormat = "xyxy"
    iou_type: IouType = "bbox"
    sigmas: Sigmas | None = None

    def __post_init__(self) -> None:
        check_box_format(self.box_format)
        check_iou_type(self.iou_type)
        if self.iou_type == "keypoints":
            checked_sigmas(self.sigmas)
        elif self.sigmas is not None:
            raise ValueError(
                f"`sigmas` are of keypoints, but `iou_type` is {self.iou_type!r}: leave them out, or give 'keypoints'."
            )

    def pack(self, preds: Sequence[ImageDict], target: Sequence[ImageDict], min_score: float = 0.0) -> Batch:
        """As :func:`~hardest_metrics.functional.pack`."""
        return pack(preds, target, self.box_format, min_score, self.iou_type, self.sigmas)

    def most_detections(self, given: int | None) -> int:
        """How many detections count per image and label: as COCO has it, where it is not given."""
        if given is not None:
            return given
        return _MOST_OF_KEYPOINTS if self.iou_type == "keypoints" else _MOST

    @property
    def settings(self) -> str:
        """All that it is, as arguments of a call."""
        text = f"box_format={self.box_format!r}"
        if self.iou_type != "bbox":
            text += f", iou_type={self.iou_type!r}"
        return f"{text}, sigmas={checked_sigmas(self.sigmas)}" if self.iou_type == "keypoints" else text
