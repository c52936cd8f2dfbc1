"""Every definition by every estimator for every detector: each ranking made once, and judged by the labels."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from typing import Any, cast

import torch

from hardest_metrics.alignment import join
from hardest_metrics.calibration import Method, WitnessModel
from hardest_metrics.collection import HardnessCollection
from hardest_metrics.comparison.comparison import LABELS, Comparison, RankedBy
from hardest_metrics.comparison.encoding import decode, encode, ranking_hash
from hardest_metrics.comparison.estimates import ESTIMATES, Estimate, estimate_named
from hardest_metrics.comparison.folds import Calibration, Fold, Hearing, cross_validate, cross_validate_witnesses
from hardest_metrics.comparison.store import Store, content_key
from hardest_metrics.data.annotations import Annotations
from hardest_metrics.detection.box_errors import BoxErrors
from hardest_metrics.detection.naming import DEFINITIONS, make_estimator
from hardest_metrics.functional.agreement import MEASURES
from hardest_metrics.functional.detection.geometry import IouType
from hardest_metrics.functional.detection.keypoint_packing import Sigmas
from hardest_metrics.functional.detection.matching import Query
from hardest_metrics.functional.detection.packing import ImageDict
from hardest_metrics.functional.detection.shape_format import ShapeFormat
from hardest_metrics.input_warning import quietly
from hardest_metrics.metric import HardnessMetric
from hardest_metrics.names import WEIGHTINGS
from hardest_metrics.ranking import Ranking

ALL_DEFINITIONS = tuple(f"{kind}/{weighting}" for kind in DEFINITIONS for weighting in WEIGHTINGS)

_BY_PIXELS = "/pixel"

_BATCH_SIZE = 256  # images at a time: samples of more would take much memory


@dataclass(frozen=True)
class Kept:
    """Where rankings are kept from one run to the next, and what the data are recognised by.

    Args:
        store: where.
        annotations: a hash of the annotations' content.
        detections: by detector, a hash of its detections' content.
    """

    store: Store
    annotations: str
    detections: Mapping[str, str]


def compare(
    annotations: Annotations,
    detections: Mapping[str, Sequence[ImageDict]],
    query: Query | None = None,
    definitions: Sequence[str] | None = None,
    estimators: Sequence[str] | None = None,
    n_samples: int = 10,
    seed: int = 0,
    kept: Kept | None = None,
    on_progress: Callable[[str, int, int], None] = lambda what, done, total: None,
    iou_type: IouType = "bbox",
    sigmas: Sigmas | None = None,
) -> Comparison:
    """Rank images by their labels and by estimates that need none, and say how far the estimates can be trusted.

    Calibrated estimates are cross-validated: images are ranked with a calibration fitted to others. The committee that
    judges a detector is all other detectors.

    Args:
        annotations: the set, with or without labels.
        detections: by detector, one dict an image in the order of the annotations, boxes as (x, y, width, height), kept
            down to low scores, which estimates need.
        query: which boxes count; None for the defaults.
        definitions: of hardness, ``"kind/weighting"``; None for all nine, those weighted by pixels only where all
            images have a size.
        estimators: see :func:`~hardest_metrics.comparison.estimates.estimate_named`; None for
            :data:`~hardest_metrics.comparison.estimates.ESTIMATES`. Those that the data do not allow are left out, and
            the notes say why.
        n_samples: of estimators that draw samples.
        seed: of estimators that draw samples.
        kept: where rankings of earlier calls are, and where those of this one go; None to keep none.
        on_progress: told what is done next, how many steps are done and how many there are.
        iou_type: what is compared: ``"bbox"``, ``"segm"`` or ``"keypoints"``, see :class:`~hardest_metrics.TotalFalse`.
            Estimates are of boxes alone.
        sigmas: of keypoints.

    Raises:
        TypeError, ValueError: if an argument makes no sense.

    Example:
        >>> boxes = torch.tensor([[0.0, 0, 10, 10]])
        >>> labels = [
        ...     {"boxes": boxes, "labels": torch.tensor([1]), "image_id": i, "image_size": (20, 20)} for i in (1, 2)
        ... ]
        >>> annotations = Annotations([1, 2], ["a.jpg", "b.jpg"], [(20, 20)] * 2, {1: "cat", 2: "dog"}, labels)
        >>> found = [
        ...     {"boxes": boxes, "scores": torch.tensor([s]), "labels": torch.tensor([c])}
        ...     for s, c in ((0.9, 1), (0.6, 2))
        ... ]
        >>> compared = compare(annotations, {"mine": found}, None, ["total_false/none"], ["expected_hardness"])
        >>> compared.rankings[1].ranking
        Ranking(2 images, hardest first: 2 (0.4), 1 (0.1))
        >>> compared.agreement[["estimator", "spearman"]]
                   estimator  spearman
        0  expected_hardness       1.0
    """
    if query is not None and isinstance(query.score_threshold, Mapping):
        raise ValueError("`query` has a score threshold for each label, but a comparison takes one for all.")
    notes = []
    if definitions is None:
        definitions, unsized = ALL_DEFINITIONS, annotations.image_sizes.count(None)
        if unsized:
            definitions = [name for name in definitions if not name.endswith(_BY_PIXELS)]
            images = "1 image has" if unsized == 1 else f"{unsized} images have"
            notes.append(f"pixel weighting: left out, as {images} no width and height.")
    shapes = ShapeFormat("xywh", iou_type, sigmas)
    query = query or Query(max_detections=shapes.most_detections(None))
    run = _Run(annotations, dict(detections), query, tuple(dict.fromkeys(definitions)), n_samples, seed, kept, shapes)
    wanted = [estimate_named(name) for name in dict.fromkeys(ESTIMATES if estimators is None else estimators)]
    by_labels: list[Estimate | None] = [None] if run.labelled else []
    steps = [(detector, estimate) for detector in run.detections for estimate in (*by_labels, *wanted)]
    left_out: dict[str, list[str]] = {}
    rankings: list[RankedBy] = []
    for number, (detector, chosen) in enumerate(steps):
        name = chosen.name if chosen else LABELS
        on_progress(f"{detector}: {name}", number, len(steps))
        ranked = run.rankings(detector, chosen)
        if isinstance(ranked, str):
            left_out.setdefault(ranked, []).append(name)
        else:
            rankings += [RankedBy(detector, definition, name, ranked[definition]) for definition in run.definitions]
    on_progress("measuring agreement", len(steps), len(steps))
    return Comparison(
        annotations,
        {detector: list(preds) for detector, preds in detections.items()},
        run.query,
        rankings,
        _agreement(rankings, kept),
        (
            *notes,
            *(f"{', '.join(dict.fromkeys(of))}: left out, as {why}" for why, of in left_out.items()),
            *run.warnings(),
        ),
        shapes,
    )


class _CalibrationError(Exception):
    """Labels and detections do not make a calibration."""


@dataclass(frozen=True, eq=False)
class _Run:
    annotations: Annotations
    detections: dict[str, Sequence[ImageDict]]
    query: Query
    definitions: tuple[str, ...]
    n_samples: int
    seed: int
    kept: Kept | None
    shapes: ShapeFormat
    folds: dict[tuple[str, str], list[Fold]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        unknown = next((name for name in self.definitions if name not in ALL_DEFINITIONS), None)
        if unknown is not None or not self.definitions:
            given = "is empty" if unknown is None else f"has no {unknown!r}"
            raise ValueError(f"`definitions` {given}. Choose from {', '.join(ALL_DEFINITIONS)}.")
        number = len(self.annotations.image_ids)
        for detector, preds in self.detections.items():
            if len(preds) != number:
                raise ValueError(
                    f"`detections` {detector!r} holds {len(preds)} images, but `annotations` {number}: give those of"
                    " the same images in the same order."
                )
        unsized = [i for i, size in enumerate(self.annotations.image_sizes) if size is None]
        weighted = [definition for definition in self.definitions if definition.endswith(_BY_PIXELS)]
        if unsized and weighted:
            image_id, name = self.annotations.image_ids[unsized[0]], self.annotations.file_names[unsized[0]]
            raise ValueError(
                f"`definitions` holds {weighted[0]}, but image {image_id} ({name}) has no width and height, which pixel"
                " weighting needs. Add them, or choose other `definitions`."
            )

    @cached_property
    def labelled(self) -> bool:
        return all(image.get("boxes") is not None for image in self.annotations.target)

    def _obstacle(self, detector: str, estimate: Estimate) -> str | None:
        """Why the data do not allow an estimate, None if they do."""
        if self.shapes.iou_type != "bbox":
            return f"estimates are of boxes, but {self.shapes.iou_type} are compared."
        if estimate.of_committee and len(self.detections) < 2:
            return "the committee that judges a detector is all others, and there is but one."
        if estimate.of_logits and any("logits" not in image for image in self.detections[detector]):
            return (
                f"the detections of {detector} have no logits: export them as `hardest` does, or with detect --logits."
            )
        if estimate.calibration is not None and not self.labelled:
            return "calibration needs labels."
        return None

    def warnings(self) -> Iterator[str]:
        """Of data that estimates make little of."""
        for detector, preds in self.detections.items():
            scores = torch.cat([image["scores"] for image in preds]) if preds else torch.empty(0)
            lowest = float(scores.min()) if len(scores) else 1.0
            if lowest >= self.query.lowest_score:
                yield (
                    f"{detector}: no detection scores below {self.query.lowest_score:g}, so that estimates of missed"
                    " objects say nothing. Export detections down to low scores."
                )

    def rankings(self, detector: str, estimate: Estimate | None) -> dict[str, Ranking] | str:
        """By definition; by the labels where there is no estimate. Why not, where the data do not allow it."""
        obstacle = None if estimate is None else self._obstacle(detector, estimate)
        if obstacle is not None:
            return obstacle
        try:
            return self._rankings(detector, estimate)
        except _CalibrationError as error:
            return str(error)

    def _rankings(self, detector: str, estimate: Estimate | None) -> dict[str, Ranking]:
        """Made together where they are not kept yet."""
        if self.kept is None:
            return self._make(detector, estimate, self.definitions)
        keys = {definition: self._key(detector, estimate, definition) for definition in self.definitions}
        found: dict[str, Ranking] = {}
        for definition, key in keys.items():
            content = self.kept.store.get(key)
            if content is not None:
                found[definition] = decode(content)
        missing = [definition for definition in self.definitions if definition not in found]
        if missing:
            for definition, ranking in self._make(detector, estimate, missing).items():
                self.kept.store.put(keys[definition], encode(ranking))
                found[definition] = ranking
        return found

    def _key(self, detector: str, estimate: Estimate | None, definition: str) -> str:
        """Of everything that a ranking depends on, and of nothing else."""
        assert self.kept is not None
        parts: dict[str, Any] = {
            "annotations": self.kept.annotations,
            "detections": self.kept.detections[detector],
            "query": asdict(self.query),
            "estimate": estimate.name if estimate else LABELS,
        }
        if self.shapes.iou_type != "bbox":
            parts["shapes"] = self.shapes.settings
        if estimate is None or not estimate.of_any_query:
            parts["definition"] = definition
        if estimate is not None and estimate.of_committee:
            parts["members"] = [self.kept.detections[member] for member in self._others(detector)]
        if estimate is not None and estimate.sampled:
            parts |= {"n_samples": self.n_samples, "seed": self.seed}
        return content_key("ranking", **parts)

    def _make(self, detector: str, estimate: Estimate | None, definitions: Sequence[str]) -> dict[str, Ranking]:
        if estimate is None:
            return self._measured(detector, {name: self._definition(name) for name in definitions})
        if estimate.of_any_query:
            one = self._measured(detector, {"any": self._estimator(estimate, definitions[0])})["any"]
            return dict.fromkeys(definitions, one)
        if estimate.calibration is None:
            return self._measured(detector, {name: self._estimator(estimate, name) for name in definitions})
        parts = []
        if estimate.of_witnesses:
            for images, model in self._hearings(detector):
                metrics = {name: self._estimator(estimate, name, model=model) for name in definitions}
                parts.append(self._measured(detector, metrics, images))
            return {name: _joined([part[name] for part in parts]) for name in definitions}
        folds = [self._folds(judge, cast(Method, estimate.calibration)) for judge in self._judges(detector, estimate)]
        for of_judges in zip(*folds, strict=True):
            calibrations = [fold.calibration for fold in of_judges]
            metrics = {name: self._estimator(estimate, name, calibrations) for name in definitions}
            parts.append(self._measured(detector, metrics, of_judges[0].images))
        return {name: _joined([part[name] for part in parts]) for name in definitions}

    def _measured(
        self, detector: str, metrics: dict[str, HardnessMetric[Any]], images: Sequence[int] | None = None
    ) -> dict[str, Ranking]:
        """Rankings of some images, or all, by metrics that share what they can."""
        collection = HardnessCollection(metrics)
        images = range(len(self.annotations.image_ids)) if images is None else images
        preds, target = self.detections[detector], self.annotations.target
        members = [self.detections[other] for other in self._others(detector)]
        for start in range(0, len(images), _BATCH_SIZE):
            batch = images[start : start + _BATCH_SIZE]
            others = [[member[i] for i in batch] for member in members]
            collection.update([preds[i] for i in batch], [target[i] for i in batch], members=others, witnesses=others)
        return cast(dict[str, Ranking], collection.compute())

    def _definition(self, name: str, query: Query | None = None) -> BoxErrors:
        kind, weighting = name.split("/")
        query = query or self.query
        return DEFINITIONS[kind](
            cast(Any, weighting), query.score_threshold, query.iou_threshold, query.labels, query.area_range,
            query.max_detections, box_format="xywh", iou_type=self.shapes.iou_type, sigmas=self.shapes.sigmas,
        )  # fmt: skip

    def _estimator(
        self,
        estimate: Estimate,
        definition: str,
        calibrations: Sequence[Calibration] = (),
        model: WitnessModel | None = None,
    ) -> HardnessMetric[Any]:
        query = replace(self.query, score_threshold=0.0) if estimate.all_scores else self.query
        arguments: dict[str, Any] = {"n_samples": self.n_samples, "seed": self.seed} if estimate.sampled else {}
        if model is not None:
            arguments["witness_model"] = model
        elif estimate.of_committee and calibrations:
            arguments["member_calibrations"] = calibrations
        elif calibrations:
            (arguments["calibration"],) = calibrations
        return make_estimator(estimate.estimator, self._definition(definition, query), **arguments)

    def _others(self, detector: str) -> list[str]:
        return [other for other in self.detections if other != detector]

    def _judges(self, detector: str, estimate: Estimate) -> list[str]:
        """Whose scores an estimate takes for probabilities."""
        return self._others(detector) if estimate.of_committee else [detector]

    def _hearings(self, detector: str) -> list[Hearing]:
        witnesses = [self.detections[other] for other in self._others(detector)]
        try:
            with quietly():  # of few images the verdict says so
                return cross_validate_witnesses(
                    self.detections[detector], witnesses, self.annotations.target, self.query
                )
        except (ModuleNotFoundError, ValueError) as error:
            why = str(error).replace("`preds`", detector)
            raise _CalibrationError(f"no model of {detector} and its witnesses can be fitted: {why}") from error

    def _folds(self, detector: str, method: Method) -> list[Fold]:
        known = (detector, method)
        if known not in self.folds:
            preds, target = self.detections[detector], self.annotations.target
            try:
                self.folds[known] = cross_validate(preds, target, method, self.query)
            except (ModuleNotFoundError, ValueError) as error:
                # the detector is known by its name here, not as an argument
                why = str(error).replace("`preds`", detector)
                raise _CalibrationError(f"the scores of {detector} cannot be calibrated: {why}") from error
        return self.folds[known]


def _joined(parts: Sequence[Ranking]) -> Ranking:
    return Ranking.of(*(torch.cat(columns) for columns in zip(*parts, strict=True)))


def _agreement(rankings: Sequence[RankedBy], kept: Kept | None) -> Any:
    import pandas as pd  # here: half a second that most runs of the package never need

    rows = list(_agreement_rows(rankings, kept))
    return pd.DataFrame(rows, columns=["detector", "definition", "estimator", *MEASURES])


def _agreement_rows(rankings: Sequence[RankedBy], kept: Kept | None) -> Iterator[dict[str, Any]]:
    truth = {(ranked.detector, ranked.definition): ranked.ranking for ranked in rankings if ranked.estimator == LABELS}
    for ranked in rankings:
        true = truth.get((ranked.detector, ranked.definition))
        if true is None or ranked.estimator == LABELS:
            continue

        def measured(estimated: Ranking = ranked.ranking, true: Ranking = true) -> bytes:
            aligned = join(estimated, true)
            return json.dumps({name: float(measure(*aligned)) for name, measure in MEASURES.items()}).encode()

        if kept is None:
            content = measured()
        else:
            hashes = [ranking_hash(one) for one in (ranked.ranking, true)]
            key = content_key("agreement", rankings=hashes, measures=list(MEASURES))
            content = kept.store.kept(key, measured)
        yield {
            "detector": ranked.detector,
            "definition": ranked.definition,
            "estimator": ranked.estimator,
            **json.loads(content),
        }
