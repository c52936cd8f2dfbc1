"""A metric shows what it was built with, wherever it is looked at."""

import copy
import pickle
import pydoc
from collections.abc import Callable
from typing import Any, ClassVar

import pytest
import torch
from torch import Tensor

from hardest_metrics import (
    CommitteeHardness,
    CrossEntropy,
    Entropy,
    ExpectedHardness,
    FalseNegatives,
    FalsePositives,
    FastScoreSampling,
    HardnessCollection,
    HardnessMetric,
    Ranking,
    ScoreSampling,
    TopKMiss,
    TotalFalse,
    Uncertainty,
    WitnessHardness,
)
from hardest_metrics.agreement import NDCG, BudgetRecall, HardestAUROC, Spearman
from hardest_metrics.calibration import DetectionCalibration, Isotonic, Platt, Temperature, WitnessModel
from hardest_metrics.detection import BoxErrors, DetectionMetric
from hardest_metrics.functional import Errors, Query, ScoreSampler, TruePositives
from hardest_metrics.functional.detection.estimation import Uncalibrated
from hardest_metrics.image_rows import Column, Reading
from hardest_metrics.metric import Columns
from hardest_metrics.presentation import number_of_images, ranking_table, ranking_text
from hardest_metrics.retrieval import HierarchicalAP, PrecisionAt
from hardest_metrics.transferability import HScore, LogME, TransRate
from tests.scenes import false_alarms


def by_score(errors: Errors, true_positives: TruePositives) -> Tensor:
    return errors.scores


class Loss(HardnessMetric[Any]):
    """How large a loss is."""

    columns: ClassVar = {"loss": Column()}

    def __init__(self, scale: float = 1.0, *, names: tuple[str, ...] = (), **kwargs: Any) -> None:
        super().__init__(f"loss({scale})", **kwargs)
        self.scale = scale
        self._names = names  # not kept as it was given: not shown

    def update(self, loss: Tensor, image_ids: Tensor) -> None:
        self._take(self._read(["loss"], loss, image_ids))

    def _read(self, asked: Any, loss: Tensor, image_ids: Tensor) -> Reading:
        return Reading(image_ids, {"loss": loss})

    def _hardness(self, columns: Columns) -> Tensor:
        return columns["loss"] * self.scale


class Squared(Loss):
    """How large the square of a loss is.

    Example:
        >>> Squared(scale=2)
        Squared(scale=2)
    """

    def _hardness(self, columns: Columns) -> Tensor:
        return super()._hardness(columns) ** 2


SHOWN: dict[str, Callable[[], Any]] = {
    "TotalFalse()": TotalFalse,
    "FalseNegatives(weighting='pixel')": lambda: FalseNegatives("pixel"),
    "TotalFalse(score_threshold=0.1, iou_threshold=0.75, labels=(1, 3), area_range='small', max_detections=10)": (
        lambda: TotalFalse(
            score_threshold=0.1, iou_threshold=0.75, labels=[3, 1], area_range="small", max_detections=10
        )
    ),
    "FalsePositives(box_format='xywh', reduction='mean')": lambda: FalsePositives(box_format="xywh", reduction="mean"),
    "TotalFalse(weighting=by_score)": lambda: TotalFalse(by_score),
    "ExpectedHardness(TotalFalse(weighting='pixel'))": lambda: ExpectedHardness(TotalFalse("pixel")),
    "ExpectedHardness(TotalFalse(), calibration=Platt(slope=0.5, offset=0), statistic='bound', c=2.0)": (
        lambda: ExpectedHardness(TotalFalse(), Platt(0.5), "bound", 2.0)
    ),
    "ExpectedHardness(TotalFalse(), calibration=Uncalibrated(...))": (
        lambda: ExpectedHardness(TotalFalse(), Uncalibrated())
    ),
    "ScoreSampling(FalseNegatives(reduction='sum'), n_samples=3, seed=4)": (
        lambda: ScoreSampling(FalseNegatives(reduction="sum"), n_samples=3, seed=4)
    ),
    "ScoreSampling(TotalFalse(), sampler=ScoreSampler(...))": (
        lambda: ScoreSampling(TotalFalse(), sampler=ScoreSampler(3))
    ),
    "FastScoreSampling(TotalFalse())": lambda: FastScoreSampling(TotalFalse(), seed=0),
    "CommitteeHardness(TotalFalse(), weights=[1, 2], n_samples=5)": (
        lambda: CommitteeHardness(TotalFalse(), [1, 2], n_samples=5)
    ),
    "WitnessHardness(TotalFalse(), model=WitnessModel(own=(1.0, 0.3333, 0.0), alone=(0.5, -1.946)))": (
        lambda: WitnessHardness(TotalFalse(), WitnessModel((1.0, 1 / 3, 0.0)))
    ),
    "Uncertainty()": Uncertainty,
    "Uncertainty(measure='max_uncertainty', image_reduction='sum', labels=(2,), calibration=Isotonic(1 knots))": (
        lambda: Uncertainty("max_uncertainty", "sum", labels=[2], calibration=Isotonic([0.5], [0.5]))
    ),
    "DetectionCalibration()": DetectionCalibration,
    "DetectionCalibration(box_format='xywh', bins=5)": lambda: DetectionCalibration(box_format="xywh", bins=5),
    "Spearman()": Spearman,
    "NDCG(k=3)": lambda: NDCG(3),
    "HardestAUROC(share=0.25)": lambda: HardestAUROC(0.25),
    "BudgetRecall(budget=2)": lambda: BudgetRecall(2),
    "CrossEntropy()": CrossEntropy,
    "Entropy(calibration=Temperature(2), reduction='mean')": lambda: Entropy(Temperature(2.0), "mean"),
    "TopKMiss(k=5)": lambda: TopKMiss(5),
    "HierarchicalAP()": HierarchicalAP,
    "HierarchicalAP(relevance=(1.0, 2.0), metric='l2')": lambda: HierarchicalAP([1.0, 2.0], metric="l2"),
    "PrecisionAt(10, level=1)": lambda: PrecisionAt(10, level=1),
    "LogME()": LogME,
    "HScore(shrinkage=True)": lambda: HScore(shrinkage=True),
    "TransRate(projection=3)": lambda: TransRate(projection=3),
    "Loss()": lambda: Loss(1, names=("a",)),
    "Squared(scale=2.5, reduction='max')": lambda: Squared(2.5, reduction="max"),
}


@pytest.mark.parametrize("shown", SHOWN)
def test_a_metric_shows_the_settings_that_differ_from_the_defaults(shown: str) -> None:
    metric = SHOWN[shown]()
    assert repr(metric) == str(metric) == shown


@pytest.mark.parametrize("shown", SHOWN)
def test_copies_show_the_same(shown: str) -> None:
    metric = SHOWN[shown]()
    for copied in (copy.deepcopy(metric), metric.clone(), pickle.loads(pickle.dumps(metric))):
        assert repr(copied) == shown


def test_a_query_is_shown_in_full() -> None:
    query = Query(iou_threshold=0.75)
    assert repr(DetectionCalibration(query=query)) == f"DetectionCalibration(query={query})"


def test_a_metric_that_was_used_shows_the_same() -> None:
    metric = ExpectedHardness(TotalFalse("pixel"))
    preds, target = false_alarms(1, 2)
    metric(preds, target)
    metric.compute()
    assert repr(metric) == "ExpectedHardness(TotalFalse(weighting='pixel'))"


def test_settings_that_are_changed_later_are_shown() -> None:
    metric = ExpectedHardness(TotalFalse(), statistic="bound")
    metric.c = -1.0
    assert repr(metric) == "ExpectedHardness(TotalFalse(), statistic='bound', c=-1.0)"


def test_what_a_subclass_says_of_itself_is_shown() -> None:
    class Own(TotalFalse):
        def extra_repr(self) -> str:
            return "mine"

    assert repr(Own()) == "Own(mine)"


def test_settings_without_a_truth_value_are_shown() -> None:
    class Scaled(DetectionMetric[Any]):
        columns: ClassVar = {"found": Column()}

        def __init__(self, scale: Any = None, **kwargs: Any) -> None:
            super().__init__("scaled()", **kwargs)
            self.scale = scale

        def _measure(self, asked: Any, preds: Any, target: Any) -> Any:
            raise NotImplementedError

        def _hardness(self, columns: Columns) -> Tensor:
            return columns["found"]

    assert repr(Scaled(torch.tensor([1, 2]))) == "Scaled(scale=tensor([1, 2]))"
    assert repr(Scaled(reduction="mean")) == "Scaled(reduction='mean')"


def test_a_collection_shows_its_members_settings_line_by_line() -> None:
    metrics = HardnessCollection({"all": TotalFalse("pixel"), "guess": ExpectedHardness(FalseNegatives())}, prefix="v_")
    assert repr(metrics).splitlines() == [
        "HardnessCollection(",
        "  (all): TotalFalse(weighting='pixel')",
        "  (guess): ExpectedHardness(FalseNegatives()),",
        "  prefix=v_",
        ")",
    ]


@pytest.mark.parametrize("kind", [FalsePositives, FalseNegatives, TotalFalse, FastScoreSampling])
def test_help_explains_every_argument(kind: type) -> None:
    shown = pydoc.plain(pydoc.render_doc(kind)).split("Method resolution order")[0]
    base = ScoreSampling if kind is FastScoreSampling else BoxErrors
    arguments = pydoc.inspect.signature(base).parameters  # type: ignore[attr-defined]
    for name in arguments:
        assert f"|      {name}: " in shown
    assert shown.count("Args:") == shown.count("Raises:") == shown.count("Example:") == 1
    assert shown.index("Args:") < shown.index("Raises:") < shown.index("Example:")


def test_help_on_a_users_definition_explains_what_it_inherits() -> None:
    class Mine(TotalFalse):
        """Rank images as I do."""

    class Documented(TotalFalse):
        """Rank images as I do.

        Args:
            weighting: my own words.
        """

    class Built(TotalFalse):
        """Rank images as I do."""

        def __init__(self) -> None:
            super().__init__("pixel")

    assert str(Mine.__doc__).startswith("Rank images as I do.\n\nArgs:\n    weighting: ``")
    assert "iou_threshold: least" in str(Mine.__doc__)
    assert "iou_threshold" not in str(Documented.__doc__)
    assert Built.__doc__ == "Rank images as I do."


def test_a_ranking_of_any_length_is_a_line() -> None:
    ids, hardness = torch.tensor([7, 3, 5, 1]), torch.tensor([2.5, 1.0, 0.0, -1.0])
    assert ranking_text(ids[:0], hardness[:0]) == "Ranking(0 images)"
    assert ranking_text(ids[:1], hardness[:1]) == "Ranking(1 image, hardest first: 7 (2.5))"
    assert ranking_text(ids, hardness) == "Ranking(4 images, hardest first: 7 (2.5), 3 (1), 5 (0), ...)"
    assert [number_of_images(number) for number in (0, 1, 2)] == ["0 images", "1 image", "2 images"]


def test_a_notebook_shows_the_hardest_images_and_how_many_more_there_are() -> None:
    ranking = Ranking.of(torch.arange(1012), torch.arange(1012) / 4)
    shown = ranking._repr_html_()
    assert shown is not None
    assert shown.count("<tr>") == 1 + 10
    assert "<caption>1012 images, hardest first</caption>" in shown
    assert "<tr><td>1</td><td>1011</td><td>252.75</td></tr>" in shown
    assert shown.endswith("<p>and 1,002 more</p>")
    assert "more" not in ranking_table(*ranking.top(10))
    assert "<caption>1 image, hardest first</caption>" in ranking_table(*ranking.top(1))
    assert "<caption>0 images, hardest first</caption>" in ranking_table(*ranking.top(0))


def test_what_a_table_holds_is_text_whatever_it_holds() -> None:
    class Odd:
        """Values of no ranking that there is, but markup if they were put in as they are."""

        def __getitem__(self, part: slice) -> "Odd":
            return self

        def __len__(self) -> int:
            return 1

        def tolist(self) -> list[str]:
            return ["<script>alert('&')</script>"]

    shown = ranking_table(Odd(), torch.ones(1))  # type: ignore[arg-type]
    assert "<script>" not in shown
    assert "&lt;script&gt;alert(&#x27;&amp;&#x27;)&lt;/script&gt;" in shown
