"""Detectors, evaluated by key."""

import hashlib
import json
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, cast

import numpy as np
import torch
from torch import Tensor, nn

from hardest_metrics.collection import HardnessCollection
from hardest_metrics.data.annotations import Annotations
from hardest_metrics.data.coco import parse_coco_annotations
from hardest_metrics.data.formats import read_annotations
from hardest_metrics.data.json_file import Entries, PathLike
from hardest_metrics.detection import FalseNegatives, FalsePositives, TotalFalse
from hardest_metrics.evaluators.base import Evaluated, Evaluator, some
from hardest_metrics.evaluators.probe import Values
from hardest_metrics.numbering import Identifier, numbers_of
from hardest_metrics.results import DataSet, Hardness, Result, RunStore

if TYPE_CHECKING:
    from hardest_metrics.metric import AnyHardnessMetric

#: What torchmetrics calls the results.
_RESULTS = {
    "box AP": "map",
    "AP50": "map_50",
    "AP75": "map_75",
    "APS": "map_small",
    "APM": "map_medium",
    "APL": "map_large",
}

_IMAGES_AT_ONCE = 1024

#: Numbers of a result: category, box and score.
_NUMBERS = 6

#: Of an image, its results in the order in which they came, each once.
_Found = dict[tuple[float, ...], None]


class _Rows(NamedTuple):
    """What a process knows: the results of each image that has any, by its position."""

    found: dict[int, _Found]


class COCOEvaluator(Evaluator):
    """COCO's average precision of a detector.

    Takes the arguments of ``sotabencheval``'s evaluator, and gives its results, locally: scripts written for that run
    with a changed import, once they say where annotations are. Nothing is downloaded. Results are those of pycocotools,
    by torchmetrics: ``box AP``, ``AP50``, ``AP75``, ``APS``, ``APM`` and ``APL`` in [0, 1], -1 where there is no object
    of that size.

    Results of an image may come in several calls, and add up; one that is given twice counts once. An image without any
    is one without detections. Of an image of which several processes have results, those of the lowest rank count. What
    is given is never changed.

    Args:
        annotations: COCO's file, or whatever else :func:`~hardest_metrics.data.read_annotations` reads; the content of
            the first as a dict; or :class:`~hardest_metrics.data.Annotations`. In a folder
            ``annotations/instances_<split><year>.json`` is looked for first. None for the folder `root`.
        model_name: as people call the model.
        paper_arxiv_id: of its paper, such as ``"1703.06870"``.
        paper_pwc_id: of its paper on Papers with Code.
        paper_results: what the paper claims: ``{"box AP": 0.398}``.
        model_description: further words on the model.
        store: where runs are kept, or the path of the file; None for ``HARDEST_METRICS_STORE``, else
            ``hardest_metrics.db``.
        settings: what results depend on besides model and data; runs of other settings are not taken for the same, nor
            compared.
        partial: evaluate the images that have results alone, on purpose; the run says so.
        fingerprint: the model, or bytes, by which weights are told apart.
        paper_model_name: another name of `model_name`.
        root: the folder of annotations where `annotations` is None.
        split: of that file.
        dataset_year: of that file.

    Raises:
        OSError, TypeError, ValueError: if annotations cannot be read or make no sense, or arguments don't.

    Example:
        >>> import tempfile
        >>> coco = {
        ...     "images": [{"id": 7, "width": 64, "height": 48}],
        ...     "categories": [{"id": 1, "name": "cat"}],
        ...     "annotations": [{"id": 1, "image_id": 7, "category_id": 1, "bbox": [5, 5, 20, 20], "area": 400}],
        ... }
        >>> evaluator = COCOEvaluator(coco, model_name="tiny", store=Path(tempfile.mkdtemp(), "runs.db"))
        >>> evaluator.add([{"image_id": 7, "category_id": 1, "bbox": [5, 5, 20, 19], "score": 0.9}])
        >>> evaluator.get_results()["AP50"]
        1.0
    """

    source = "annotations"

    def __init__(
        self,
        annotations: PathLike | Mapping[str, Any] | Annotations | None = None,
        model_name: str | None = None,
        paper_arxiv_id: str | None = None,
        paper_pwc_id: str | None = None,
        paper_results: Mapping[str, float] | None = None,
        model_description: str | None = None,
        store: RunStore | PathLike | None = None,
        *,
        settings: Mapping[str, Any] | None = None,
        partial: bool = False,
        fingerprint: nn.Module | bytes | None = None,
        paper_model_name: str | None = None,
        root: PathLike = ".",
        split: str = "val",
        dataset_year: str = "2017",
    ) -> None:
        known = _annotations(root if annotations is None else annotations, f"instances_{split}{dataset_year}.json")
        super().__init__(
            DataSet(dict(zip(known.shown_ids, map(_label, known.target), strict=True))), model_name, paper_arxiv_id,
            paper_pwc_id, paper_results, model_description, store, settings, partial, fingerprint, paper_model_name,
        )  # fmt: skip
        places = {key: place for place, key in enumerate(known.shown_ids)}
        self._target = [known.target[places[key]] for key in self.dataset.keys]
        self._categories = known.categories
        self._found: dict[int, _Found] = {}
        self._begun_last: int | None = None

    def add(self, detections: Sequence[Mapping[str, Any]]) -> None:
        """Add results on some images.

        Args:
            detections: COCO results: dicts with ``image_id``, ``category_id``, ``bbox`` (x, y, width, height in pixels)
                and ``score`` in [0, 1]; whatever else they hold is not looked at.

        Raises:
            ValueError: if an image or category is unknown, or a number is not finite or out of range; the message names
                the image. Nothing is added then.
        """
        entries = Entries("`detections`", "results", [_plain(one) for one in detections], "image_id")
        keys = entries.identifiers("image_id")
        known = self.dataset.position
        unknown = dict.fromkeys(key for key in keys if key not in known)
        if unknown:
            raise ValueError(
                f"`detections` are of {len(unknown)} images that `annotations` lack ({some(unknown)}): give the id"
                f" of one, such as {self.dataset.keys[0]!r}."
            )
        labels = numbers_of(entries.identifiers("category_id"))
        entries.require([label in self._categories for label in labels], "category_id", "a category of the annotations")
        numbers = np.column_stack((labels, entries.boxes("bbox"), entries.scores("score"))).tolist()

        changed = set()
        for key, row in zip(keys, map(tuple, numbers), strict=True):
            position = known[key]
            found = self._found.get(position)
            if found is None:
                found = self._found[position] = {}
                self._begun_last = position
            if row not in found:
                found[row] = None
                changed.add(key)
        self._took_in(changed)

    def _number_in(self) -> int:
        return len(self._found)

    def _seen(self, keys: Collection[Identifier]) -> dict[Identifier, Values]:
        whole = len(self._found) == len(self.dataset)  # nothing tells otherwise whether the last image is complete
        seen = {}
        for key in keys:
            position = self.dataset.position[key]
            if position in self._found and (whole or position != self._begun_last):
                seen[key] = _array(self._found[position])
        return seen

    def _rows(self) -> _Rows:
        return _Rows(self._found)

    def _evaluated(self, parts: list[_Rows]) -> Evaluated:
        found: dict[int, _Found] = {}
        for part in reversed(parts):
            found |= part.found
        if not found:
            raise ValueError(
                "No results were added, of no image: of a detector that finds nothing there is nothing to measure. Add"
                " its results first."
            )
        positions = sorted(found) if self.partial else range(len(self.dataset))
        keys = [self.dataset.keys[position] for position in positions]
        target = [self._target[position] for position in positions]
        arrays = [_array(found.get(position, {})) for position in positions]
        preds = [_prediction(array) for array in arrays]
        digest = hashlib.sha256()
        for key, array in zip(keys, arrays, strict=True):
            digest.update(repr((key, len(array))).encode(errors="surrogateescape"))
            digest.update(array[np.lexsort(array.T)].tobytes())
        of_key = dict(zip(keys, arrays, strict=True))
        return Evaluated(
            self.dataset.part(keys) if self.partial else self.dataset,
            _average_precision(preds, target),
            _hardness(preds, target),
            None,
            digest.hexdigest(),
            {} if self.partial else {key: of_key[key] for key in self._recognition.keys},
        )


def _annotations(source: PathLike | Mapping[str, Any] | Annotations, name: str) -> Annotations:
    if isinstance(source, Annotations):
        return source
    if isinstance(source, Mapping):
        return parse_coco_annotations(dict(source), "`annotations`")
    for file in (Path(source, name), Path(source, "annotations", name)):
        if file.is_file():
            return read_annotations(file)
    return read_annotations(source)


def _label(target: Mapping[str, Any]) -> str:
    """What tells whether an image's labels are the same, in whatever order."""
    columns = {name: target[name] for name in ("labels", "boxes", "iscrowd", "area") if name in target}
    rows = sorted(zip(*(column.tolist() for column in columns.values()), strict=True))
    return hashlib.sha256(json.dumps([list(columns), rows]).encode()).hexdigest()[:32]


def _plain(result: Any) -> Any:
    """A result with numbers as JSON has them, in place of those of numpy and torch."""
    if not isinstance(result, Mapping):
        return result
    return {key: _number(result[key]) for key in ("image_id", "category_id", "bbox", "score") if key in result}


def _number(value: Any) -> Any:
    if hasattr(value, "tolist"):
        return value.tolist()
    if isinstance(value, list | tuple):
        return [one.item() if hasattr(one, "item") else one for one in value]
    return value


def _array(found: _Found) -> Values:
    """``(n, 6)`` float64."""
    return np.array(list(found), dtype=np.float64).reshape(-1, _NUMBERS)


def _prediction(array: Values) -> dict[str, Tensor]:
    rows = torch.from_numpy(array)
    return {"boxes": rows[:, 1:5], "scores": rows[:, 5], "labels": rows[:, 0].long()}


def _average_precision(preds: Sequence[dict[str, Tensor]], target: Sequence[dict[str, Any]]) -> dict[str, Result]:
    from torchmetrics.detection import MeanAveragePrecision

    # torchmetrics' own thresholds are float32, by which its results differ from pycocotools' by up to 0.0025
    metric = MeanAveragePrecision(
        box_format="xywh",
        iou_thresholds=np.linspace(0.5, 0.95, 10).tolist(),
        rec_thresholds=np.linspace(0, 1, 101).tolist(),
    )
    metric.warn_on_many_detections = False  # COCO counts the 100 of highest score
    names: tuple[str, ...] = ("boxes", "labels", "iscrowd", "area")
    boxes = [{name: one[name] for name in names if name in one} for one in target]
    metric.update(list(preds), boxes)
    computed = metric.compute()
    return {name: Result(float(computed[theirs]), higher_is_better=True) for name, theirs in _RESULTS.items()}


def _hardness(preds: Sequence[dict[str, Tensor]], target: Sequence[dict[str, Any]]) -> dict[str, Hardness]:
    """Errors of each image, in order."""
    kinds = (TotalFalse, FalsePositives, FalseNegatives)
    metrics = {kind.__name__: kind(box_format="xywh") for kind in kinds}
    together = HardnessCollection(dict(metrics))
    for start in range(0, len(preds), _IMAGES_AT_ONCE):
        batch = slice(start, start + _IMAGES_AT_ONCE)
        numbered = [{**one, "image_id": start + place} for place, one in enumerate(target[batch])]
        together.update(preds[batch], numbered)
    found = {}
    for name in metrics:
        details = cast("AnyHardnessMetric", together[name]).details()
        found[name] = Hardness(details.hardness.numpy(), details.in_error.numpy())
    return found
