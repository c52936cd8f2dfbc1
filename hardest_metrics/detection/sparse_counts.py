"""Counts of errors that are no number an image: which labels are taken for which, and what goes wrong with each."""

from abc import abstractmethod
from collections.abc import Collection, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from torch import Tensor
from torchmetrics.utilities.distributed import gather_all_tensors

from hardest_metrics.detection.errors_of_kind import KINDS
from hardest_metrics.functional.detection.boxes import Batch
from hardest_metrics.functional.detection.checking import BoxFormat
from hardest_metrics.functional.detection.geometry import IouType
from hardest_metrics.functional.detection.keypoint_packing import Sigmas
from hardest_metrics.functional.detection.kinds import (
    ErrorKinds,
    Kind,
    check_background_threshold,
    confusions,
    error_kinds,
)
from hardest_metrics.functional.detection.matching import AreaName, Query, ScoreThreshold, match
from hardest_metrics.functional.detection.packing import ImageDict
from hardest_metrics.functional.detection.shape_format import ShapeFormat
from hardest_metrics.functional.eager import without_autocast
from hardest_metrics.functional.ids import NO_ID
from hardest_metrics.functional.order import positions
from hardest_metrics.promises import DependableMetric, require_equal_settings
from hardest_metrics.ranking import unsqueezed
from hardest_metrics.rows import with_chunk

if TYPE_CHECKING:
    from collections.abc import Mapping

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


class _Confusion(NamedTuple):
    detected: Tensor
    true: Tensor
    counts: Tensor


class Confusion(_Confusion):
    """Labels taken for others, the most frequent confusion first; a sparse matrix.

    Args:
        detected: ``(P,)`` int64, the label of the detections.
        true: ``(P,)`` int64, the label of the objects.
        counts: ``(P,)`` int64, how many there are.
    """

    __slots__ = ()

    def __new__(cls, detected: Tensor, true: Tensor, counts: Tensor) -> "Confusion":
        """Restore vectors of one pair, which torchmetrics squeezes."""
        return super().__new__(cls, unsqueezed(detected), unsqueezed(true), unsqueezed(counts))


class _LabelKinds(NamedTuple):
    labels: Tensor
    counts: Tensor


class LabelKinds(_LabelKinds):
    """How many errors of each kind each label has.

    Args:
        labels: ``(L,)`` int64, ascending.
        counts: ``(L, 6)`` int64, by kind in the order of localisation, classification, duplicate, background, both,
            missed.
    """

    __slots__ = ()

    def __new__(cls, labels: Tensor, counts: Tensor) -> "LabelKinds":
        """Restore the vector of one label, which torchmetrics squeezes."""
        return super().__new__(cls, unsqueezed(labels), counts)


class _SparseCounts(DependableMetric):
    """Base of metrics that count what images hold any number of: a row ``(image, a, b, count)`` for what occurs.

    Each image counts once: of rows for the same image, ``a`` and ``b``, in whatever process, the largest counts.

    Arguments are those of :class:`ConfusionPairs`.
    """

    is_differentiable = False
    full_state_update = False
    higher_is_better = False

    rows: list[Tensor]
    numbered: Tensor

    def __init__(
        self,
        score_threshold: ScoreThreshold = 0.5,
        iou_threshold: float = 0.5,
        labels: Collection[int] | None = None,
        area_range: AreaName | tuple[float, float] | None = None,
        max_detections: int | None = None,
        box_format: BoxFormat = "xyxy",
        background_threshold: float = 0.1,
        iou_type: IouType = "bbox",
        sigmas: Sigmas | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        given_as = ShapeFormat(box_format, iou_type, sigmas)
        most = given_as.most_detections(max_detections)
        query = Query(score_threshold, iou_threshold, labels, area_range, most)
        check_background_threshold(background_threshold, query.iou_threshold)
        self.query = query
        self.max_detections = max_detections
        self.box_format = box_format
        self.iou_type = iou_type
        self.sigmas = sigmas
        self._given_as = given_as
        self.background_threshold = background_threshold
        self.add_state("rows", [], dist_reduce_fx="cat")
        # how many images came without id, which are numbered by position; and with one
        self.add_state("numbered", torch.zeros(2, dtype=torch.int64), dist_reduce_fx="sum")

    def _setting(self, name: str) -> object:
        return getattr(self if hasattr(self, name) else self.query, name)

    @abstractmethod
    def _counted(self, batch: Batch, kinds: ErrorKinds) -> tuple[Tensor, Tensor, Tensor]:
        """What to count: ``(k,)`` int64 position of the image, and two numbers, of each of `k` errors."""

    def update(self, preds: Sequence[ImageDict], target: Sequence[ImageDict]) -> None:
        """Add a batch of images.

        Args:
            preds: one dict an image, see :func:`hardest_metrics.functional.pack`.
            target: one dict an image, in the same order.

        Raises:
            TypeError, ValueError: on input that makes no sense, or if only some images have ids.
        """
        with torch.no_grad(), without_autocast():
            batch = self._given_as.pack(preds, target, self.query.lowest_score)
            matches = match(batch.detections, batch.ground_truth, self.query)
            kinds = error_kinds(batch, matches, self.query, self.background_threshold)
            image, *numbers = self._counted(batch, kinds)
            without = batch.image_ids == NO_ID
            numbered = self.numbered + torch.stack((without.sum(), (~without).sum())).to(self.numbered.device)
            if bool((numbered > 0).all()):
                raise ValueError(
                    f"{int(numbered[0])} images came without 'image_id', {int(numbered[1])} with one: give it to every"
                    " image or to none, then `reset()`."
                )
            places = torch.arange(len(batch), device=without.device) + self.numbered[0].to(without.device)
            ids = torch.where(without, places, batch.image_ids).to(image.device)
            rows, count = torch.stack((ids.index_select(0, image), *numbers), 1).unique(dim=0, return_counts=True)
            self.rows = with_chunk(self.rows, torch.cat((rows, count[:, None]), 1).to(self.device))
            self.numbered = numbered

    def _sums(self) -> tuple[Tensor, Tensor, Tensor]:
        """The two numbers that occur together, ascending, and how often in all images."""
        rows: Any = self.rows
        joined = torch.cat(rows) if isinstance(rows, list) and rows else rows
        if not isinstance(joined, Tensor):
            joined = torch.empty(0, 4, dtype=torch.int64, device=self.device)
        keys, place = joined[:, :3].unique(dim=0, return_inverse=True)
        largest = torch.zeros(len(keys), dtype=torch.int64, device=keys.device)
        largest.scatter_reduce_(0, place, joined[:, 3], "amax")
        pairs, place = keys[:, 1:].unique(dim=0, return_inverse=True)
        sums = torch.zeros(len(pairs), dtype=torch.int64, device=keys.device).index_add_(0, place, largest)
        return pairs[:, 0], pairs[:, 1], sums

    def _sync_dist(self, dist_sync_fn: Any = gather_all_tensors, process_group: Any | None = None) -> None:
        gather = partial(dist_sync_fn, group=process_group or self.process_group)
        require_equal_settings(repr(self), gather, self.device)
        if not self.rows:  # a process that saw nothing
            self.rows = [torch.empty(0, 4, dtype=torch.int64, device=self.device)]
        super()._sync_dist(dist_sync_fn, process_group)
        without, _ = self.numbered.tolist()
        if without:
            raise ValueError(
                f"{without} images came without 'image_id', but several processes run: give every image its id, so that"
                " each counts once."
            )


class ConfusionPairs(_SparseCounts):
    """Which labels are taken for which: how many errors of classification there are, by label detected and true.

    An error of classification is a false positive on an object of another label, see
    :func:`hardest_metrics.functional.error_kinds`, which tells them apart image by image. Only confusions that occur
    are kept: 32 bytes for each of an image. Its input is that of :class:`~hardest_metrics.TotalFalse`. As output
    ``compute`` gives ``detected``, ``true`` and ``counts``, each ``(P,)`` int64, the most frequent first.

    Args:
        score_threshold: detections of a lower score take no part, in [0, 1]; or one for each label that counts.
        iou_threshold: least intersection over union of a match, in (0, 1].
        labels: the labels whose detections count; None for all.
        area_range: ``"small"``, ``"medium"``, ``"large"`` or ``(low, high)`` in square pixels; None for all.
        max_detections: only this many detections of highest score take part, per image and label; None for 100, or
            20 of keypoints, as COCO has it.
        box_format: of all boxes: ``"xyxy"``, ``"xywh"`` or ``"cxcywh"``, in pixels.
        background_threshold: see :class:`~hardest_metrics.ErrorsOfKind`.
        iou_type: what is compared: ``"bbox"``, ``"segm"`` or ``"keypoints"``, see :class:`~hardest_metrics.TotalFalse`.
        sigmas: of keypoints, likewise.
        kwargs: see :class:`torchmetrics.Metric`.

    Raises:
        ValueError: if an argument is out of its range.

    Example:
        >>> import torch
        >>> from hardest_metrics.detection import ConfusionPairs
        >>> box = {"boxes": torch.tensor([[0.0, 0, 10, 10]]), "labels": torch.tensor([3])}
        >>> metric = ConfusionPairs()
        >>> metric.update([{**box, "scores": torch.tensor([0.9])}], [{**box, "labels": torch.tensor([5])}])
        >>> metric.compute()
        Confusion(detected=tensor([3]), true=tensor([5]), counts=tensor([1]))
    """

    def _counted(self, batch: Batch, kinds: ErrorKinds) -> tuple[Tensor, Tensor, Tensor]:
        return confusions(batch, kinds)

    def compute(self) -> Confusion:
        """The confusions of all images so far; of equally frequent ones in the order of labels."""
        detected, true, count = self._sums()
        order = count.argsort(descending=True, stable=True)
        return Confusion(*(column.index_select(0, order) for column in (detected, true, count)))

    def plot(
        self,
        val: Confusion | None = None,
        ax: "Axes | None" = None,
        class_names: "Mapping[int, str] | None" = None,
        most: int = 12,
    ) -> "tuple[Figure, Axes]":
        """Draw the most confused labels, see :func:`hardest_metrics.plot.plot_confusion`.

        Args:
            val: what `compute` gave; None for what it gives now.
            ax: what to draw on; None for a new figure.
            class_names: the name of each label; None for numbers.
            most: how many labels to draw.
        """
        from hardest_metrics.plot import plot_confusion

        detected, true, count = (column.tolist() for column in (val or self.compute()))
        pairs = dict(zip(zip(detected, true, strict=True), count, strict=True))
        return plot_confusion(pairs, class_names, most, ax)


class KindsByLabel(_SparseCounts):
    """How many errors of each kind each label has; that of an error is its box's.

    Input is that of :class:`~hardest_metrics.TotalFalse`, as are rules for several processes. As output ``compute``
    gives ``labels (L,)``, those with any error, and ``counts (L, 6)``.

    Args:
        score_threshold: detections of a lower score take no part, in [0, 1]; or one for each label that counts.
        iou_threshold: least intersection over union of a match, in (0, 1].
        labels: the labels whose errors count; None for all.
        area_range: ``"small"``, ``"medium"``, ``"large"`` or ``(low, high)`` in square pixels; None for all.
        max_detections: only this many detections of highest score take part, per image and label; None for 100, or
            20 of keypoints, as COCO has it.
        box_format: of all boxes: ``"xyxy"``, ``"xywh"`` or ``"cxcywh"``, in pixels.
        background_threshold: see :class:`~hardest_metrics.ErrorsOfKind`.
        iou_type: what is compared: ``"bbox"``, ``"segm"`` or ``"keypoints"``, see :class:`~hardest_metrics.TotalFalse`.
        sigmas: of keypoints, likewise.
        kwargs: see :class:`torchmetrics.Metric`.

    Raises:
        ValueError: if an argument is out of its range.

    Example:
        >>> import torch
        >>> from hardest_metrics.detection import KindsByLabel
        >>> box = {"boxes": torch.tensor([[0.0, 0, 10, 10]]), "labels": torch.tensor([3])}
        >>> metric = KindsByLabel()
        >>> metric.update([{**box, "scores": torch.tensor([0.9])}], [{**box, "labels": torch.tensor([5])}])
        >>> metric.compute()  # an error of classification; the object that it is of has no error of its own
        LabelKinds(labels=tensor([3]), counts=tensor([[0, 1, 0, 0, 0, 0]]))
    """

    def _counted(self, batch: Batch, kinds: ErrorKinds) -> tuple[Tensor, Tensor, Tensor]:
        sides = (batch.detections, kinds.detections), (batch.ground_truth, kinds.ground_truth)
        columns = []
        for boxes, kind in sides:
            chosen = positions((kind >= Kind.LOCALISATION) & (kind <= Kind.MISSED))
            columns.append([column.index_select(0, chosen) for column in (boxes.image, boxes.labels, kind.long())])
        image, labels, kind = (torch.cat(pair) for pair in zip(*columns, strict=True))
        return image, labels, kind

    def compute(self) -> LabelKinds:
        """The errors of all images so far."""
        labels, kinds, count = self._sums()
        own, place = labels.unique(return_inverse=True)
        counts = torch.zeros(len(own), len(KINDS), dtype=torch.int64, device=own.device)
        counts[place, kinds - Kind.LOCALISATION] = count
        return LabelKinds(own, counts)

    def plot(
        self,
        val: LabelKinds | None = None,
        ax: "Axes | None" = None,
        class_names: "Mapping[int, str] | None" = None,
        most: int = 20,
    ) -> "tuple[Figure, Axes]":
        """Draw the labels of most errors, see :func:`hardest_metrics.plot.plot_kinds`.

        Args:
            val: what `compute` gave; None for what it gives now.
            ax: what to draw on; None for a new figure.
            class_names: the name of each label; None for numbers.
            most: how many labels to draw.
        """
        from hardest_metrics.plot import plot_kinds

        labels, counts = val or self.compute()
        rows = zip(labels.tolist(), counts.tolist(), strict=True)
        return plot_kinds({label: dict(zip(KINDS, row, strict=True)) for label, row in rows}, class_names, most, ax)
