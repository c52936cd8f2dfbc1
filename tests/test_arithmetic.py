"""Scalars can be calculated with as in torchmetrics; rankings can't, which is said when it is tried."""

import operator
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torchmetrics import Metric, MetricCollection

from hardest_metrics import ExpectedHardness, FalseNegatives, FalsePositives, HardnessCollection, TotalFalse
from hardest_metrics.arithmetic import OPERATORS
from tests.scenes import false_alarms

EXPRESSIONS: dict[str, Callable[[Any, Any], Any]] = {
    "a + 1": lambda a, b: a + 1,
    "1 + a": lambda a, b: 1 + a,
    "a + b": operator.add,
    "2 * a - b / 3": lambda a, b: 2 * a - b / 3,
    "abs(a)": lambda a, b: abs(a),
    "-a": lambda a, b: -a,
    "a ** 2": lambda a, b: a**2,
    "a % b": operator.mod,
    "a > b": operator.gt,
    "(a > 1) & (b > 1)": lambda a, b: (a > 1) & (b > 1),
    "a // 2": lambda a, b: a // 2,
}


@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_arithmetic_on_rankings_names_reduction(expression: str) -> None:
    with pytest.raises(TypeError, match=r"FalsePositives\(weighting='pixel'\) gives a ranking.*`reduction`"):
        EXPRESSIONS[expression](FalsePositives("pixel"), FalseNegatives(reduction="sum"))


def test_either_side_may_be_the_one_that_ranks() -> None:
    with pytest.raises(TypeError, match=r"ExpectedHardness\(TotalFalse\(reduction='sum'\)\) gives a ranking"):
        FalseNegatives(reduction="sum") + ExpectedHardness(TotalFalse(reduction="sum"))


@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_arithmetic_on_scalars_is_that_of_their_values(expression: str) -> None:
    a, b = FalsePositives(reduction="sum"), FalseNegatives(reduction="mean")
    composed = EXPRESSIONS[expression](a, b)
    composed.update(*false_alarms(2, 3))
    composed.update(*false_alarms(4, first_id=2))
    assert composed.compute() == EXPRESSIONS[expression](torch.tensor(9.0), torch.tensor(1.0))
    composed.reset()
    batch = composed(*false_alarms(1))
    assert batch == EXPRESSIONS[expression](torch.tensor(1.0), torch.tensor(1.0))


def test_compositions_are_members_of_collections() -> None:
    for collection in (HardnessCollection, MetricCollection):
        metrics = collection({"twice": 2 * TotalFalse(reduction="sum"), "all": TotalFalse()})
        metrics.update(*false_alarms(2, 3))
        assert metrics.compute()["twice"] == 2 * (3 + 4)


def test_all_operators_of_torchmetrics_are_looked_after() -> None:
    composing = {
        name
        for name, member in vars(Metric).items()
        if name.startswith("__") and getattr(member, "__annotations__", {}).get("return") == "CompositionalMetric"
    }
    assert {*composing, "__rfloordiv__"} - {"__eq__", "__ne__", "__getitem__"} == set(OPERATORS)


def test_the_parts_of_a_ranking_are_tensors() -> None:
    hardness = FalsePositives()[1]
    hardness.update(*false_alarms(2, 3))
    assert hardness.compute().tolist() == [3, 2]
