"""How estimates that were fitted to labelled images do on others of them, and how often intervals hold these."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import fields, replace
from typing import Any, cast

import torch
from torch import Tensor

from hardest_metrics.calibration import Method, WitnessModel, fit_calibration, fit_witness_model
from hardest_metrics.detection import Estimator, ExpectedHardness, TotalFalse, WitnessHardness
from hardest_metrics.detection.residuals import Judged, judge, residuals_of
from hardest_metrics.functional.agreement import spearman
from hardest_metrics.functional.detection.matching import Query
from hardest_metrics.functional.detection.packing import ImageDict
from hardest_metrics.functional.detection.residuals import Residual, Residuals
from hardest_metrics.input_warning import quietly
from hardest_metrics.names import WEIGHTINGS

#: Of intervals that are spoken of.
COVERAGE = 0.8

#: Of numbers in float32.
_ROUNDING = 1e-5

#: Makes estimators, given the positions of the images that they may be fitted to.
Make = Callable[[Sequence[int]], Sequence[Estimator[Any]]]


class Labelled:
    """Detections and labels of the same images, and what can be made of some of them.

    Args:
        preds: one dict an image, boxes as (x, y, width, height).
        target: their labels, in the same order.
        query: which boxes count and when they match.
        witnesses: of each, one dict an image likewise.
    """

    def __init__(
        self,
        preds: Sequence[ImageDict],
        target: Sequence[ImageDict],
        query: Query,
        witnesses: Sequence[Sequence[ImageDict]] = (),
    ) -> None:
        self.preds, self.target, self.query, self.witnesses = preds, target, query, witnesses
        sized = all("image_size" in image for image in target)
        settings = {field.name: getattr(query, field.name) for field in fields(query)}
        weightings = [name for name in WEIGHTINGS if sized or name != "pixel"]
        self._definitions = [TotalFalse(cast(Any, name), **settings, box_format="xywh") for name in weightings]
        self._models: dict[tuple[int, ...], WitnessModel] = {}

    def by_scores(self) -> dict[str, Judged]:
        """Estimates by scores alone."""
        return judge([ExpectedHardness(definition) for definition in self._definitions], self.preds, self.target)

    def calibrated(self, method: Method) -> dict[str, Judged]:
        """Estimates of each image by a calibration that is fitted to others."""

        def make(images: Sequence[int]) -> list[ExpectedHardness]:
            calibration = fit_calibration(*self._of(images), method, self.query, "xywh")
            return [ExpectedHardness(definition, calibration) for definition in self._definitions]

        return judge(make, self.preds, self.target)

    def heard(self, unseen: WitnessModel | None = None) -> dict[str, Judged]:
        """Estimates of each image by a model of witnesses that is fitted to others.

        Args:
            unseen: whose numbers of what nobody proposes to take: those that are fitted differ by fold, but not by
                image, and rank nothing. None for those that are fitted.
        """

        def make(images: Sequence[int]) -> list[WitnessHardness]:
            model = self._model(images)
            model = model if unseen is None else replace(model, unseen=unseen.unseen)
            return [WitnessHardness(definition, model) for definition in self._definitions]

        return judge(make, self.preds, self.target, witnesses=self.witnesses)

    def untaught(self) -> dict[str, Judged]:
        """Estimates with witnesses, by no labels."""
        estimators = [WitnessHardness(definition) for definition in self._definitions]
        return judge(estimators, self.preds, self.target, witnesses=self.witnesses)

    def _model(self, images: Sequence[int]) -> WitnessModel:
        if tuple(images) not in self._models:
            preds, target = self._of(images)
            beside = [[witness[i] for i in images] for witness in self.witnesses]
            with quietly():  # what there is to say is said of all images
                self._models[tuple(images)] = fit_witness_model(preds, beside, target, self.query, "xywh")
        return self._models[tuple(images)]

    def _of(self, images: Sequence[int]) -> tuple[list[ImageDict], list[ImageDict]]:
        return [self.preds[i] for i in images], [self.target[i] for i in images]


def in_words(
    scores: Mapping[str, Judged],
    fitted: Mapping[str, Judged],
    residuals: Residuals,
    ranked: Mapping[str, Judged] | None = None,
) -> list[str]:
    """How estimates agree with the labels, how often intervals hold them, and what estimates say of the set.

    Args:
        scores: by scores alone.
        fitted: of each image by a fit to others.
        residuals: of these.
        ranked: likewise, where those of several fits do not compare; None for the same.
    """
    before, after, number = _correlation(scores), _correlation(ranked or fitted), 3 * len(fitted)
    by_scores, by_fit = (float(judged["none"].moments[:, 2, 0].double().mean()) for judged in (scores, fitted))
    truth = float(fitted["none"].errors[:, 2].double().mean())
    _, lower, upper = residuals.by_definition["total_false/none"].of_set(by_fit, len(fitted["none"].errors), COVERAGE)
    return [
        f"Estimates, each image by a fit to others: Spearman with the labels {after:.3f}, by scores alone {before:.3f},"
        f" mean over {number} definitions",
        f"Intervals of {COVERAGE:.0%}: from residuals of others they hold {held(fitted):.0%} of the images; by the"
        f" deviation that the model states they would hold {held_as_stated(fitted):.0%}",
        f"Errors an image: {truth:.3g} by the labels, {by_fit:.3g} estimated, by scores alone {by_scores:.3g}; of"
        f" as many images without labels, {COVERAGE:.0%} of estimates are off by {(upper - lower) / 2:.2g} or less,"
        " corrected by what they were off here",
    ]


def _each(judged: Mapping[str, Judged]) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
    """Of each definition ``(N,)`` hardness, estimates and their deviations."""
    for one in judged.values():
        for kind in range(one.errors.shape[1]):
            mean, deviation = one.moments[:, kind].unbind(1)
            yield one.errors[:, kind], mean, deviation


def _correlation(judged: Mapping[str, Judged]) -> float:
    """Spearman's, mean over definitions for which it is defined; NaN where it is for none."""
    return float(torch.stack([spearman(mean, truth) for truth, mean, _ in _each(judged)]).nanmean())


def held(judged: Mapping[str, Judged]) -> float:
    """The share of images that intervals hold, each fifth by the residuals of the others; mean over definitions."""
    inside = []
    for columns in _each(judged):
        fold = torch.arange(len(columns[0])) % 5
        for number in fold.unique():
            truth, mean, deviation = (column[fold == number] for column in columns)
            others = Residual.of(*(column[fold != number] for column in columns))
            lower, upper = others.ends(mean, deviation, COVERAGE)
            inside.append((truth >= lower - _ROUNDING) & (truth <= upper + _ROUNDING))
    return float(torch.cat(inside).double().mean())


def held_as_stated(judged: Mapping[str, Judged]) -> float:
    """The share of images within the deviations that would hold :data:`COVERAGE` of a normal distribution."""
    quantile = torch.special.ndtri(torch.tensor((1 + COVERAGE) / 2, dtype=torch.float64))
    inside = [(truth - mean).abs() <= quantile * deviation + _ROUNDING for truth, mean, deviation in _each(judged)]
    return float(torch.cat(inside).double().mean())


def intervals_in_words(detector: str, estimators: Sequence[str], labelled: Labelled) -> list[str]:
    """How often intervals around estimates hold the images of a set, and how often the models' own deviations would.

    Args:
        detector: what it is called.
        estimators: those compared, of which those in closed form are spoken of.
        labelled: its detections and labels.
    """
    if len(labelled.preds) < 2:
        return []
    said, means = [], []
    for name in estimators:
        estimator, _, variant = name.partition("+")
        if estimator == "expected_hardness":
            judged = labelled.calibrated(cast(Method, variant)) if variant else labelled.by_scores()
        elif estimator == "witness":
            judged = labelled.heard() if variant else labelled.untaught()
        else:
            continue
        said.append(f"{held(judged):.0%} around {name} ({held_as_stated(judged):.0%})")
        number = len(judged["none"].errors)
        mean = float(judged["none"].moments[:, 2, 0].double().mean())
        _, lower, upper = residuals_of(judged).by_definition["total_false/none"].of_set(mean, number, COVERAGE)
        means.append(f"{mean:.3g} by {name} (corrected ± {(upper - lower) / 2:.2g})")
        truth = float(judged["none"].errors[:, 2].double().mean())
    if not said:
        return []
    return [
        f"{detector}: of the images, intervals of {COVERAGE:.0%} from residuals of others hold {', '.join(said)}; in"
        " brackets, what the deviation that the model states would hold.",
        f"{detector}: errors an image: {truth:.3g} by the labels, {', '.join(means)}; corrected by what it was off"
        f" here, {COVERAGE:.0%} of sets of as many images lie as near.",
    ]
