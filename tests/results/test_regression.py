from pathlib import Path

import numpy as np
import pytest

from hardest_metrics.evaluators import ImageNetEvaluator
from hardest_metrics.numbering import image_number
from hardest_metrics.results import DataSet, Hardness, NotComparableError, Result, Run, RunStore, regress
from tests.keyed import Golden, saved, small_run


@pytest.fixture
def store(tmp_path: Path) -> RunStore:
    return RunStore(tmp_path / "runs.db")


def test_flips_are_those_of_the_goldens(shared_data: Path, store: RunStore) -> None:
    golden = Golden(shared_data)
    golden.save_both(store.path)
    found, known = regress(store), golden.known["flips"]
    assert found.flips is not None
    assert found.ranking is not None
    assert found.flips.became_wrong == known["became_wrong"]
    assert found.flips.became_right == known["became_right"]
    assert found.flips.p == pytest.approx(known["mcnemar_exact_p (scipy binomtest(b, b + c))"], rel=1e-14)
    assert [(one.name, one.before, one.now) for one in found.changes] == [
        (name, golden.known["imagenet"]["results"][name], golden.known["imagenet"]["results_after"][name])
        for name in ("Top 1 Accuracy", "Top 5 Accuracy")
    ]
    hardest = known["hardest_regressions (rise of cross-entropy, first 10)"]
    assert found.ranking.top(10).image_ids.tolist() == [image_number(key) for key, _ in hardest]
    np.testing.assert_allclose(found.ranking.top(10).hardness, [rise for _, rise in hardest], rtol=1e-5)
    assert found.is_worse
    assert found.columns["became"].count("wrong") == 19
    assert len(found.columns["said_now"]) == 120


def test_nothing_changed_is_not_worse(store: RunStore) -> None:
    for _ in range(2):
        saved(store, [0.5, 2.0, 3.0])
    found = regress(store, max_worse=0)
    assert not found.is_worse
    assert found.flips == ([], [], 1.0)
    assert found.ranking is not None
    assert found.ranking.hardness.tolist() == [0, 0, 0]


def test_other_labels_are_never_a_pass(store: RunStore) -> None:
    labels = {"a": 0, "b": 1}
    for given in (labels, {**labels, "b": 0}):
        evaluator = ImageNetEvaluator(given, store=store)
        evaluator.add({"a": [1.0, 0.0], "b": [0.0, 1.0]})
        evaluator.save()
    with pytest.raises(NotComparableError, match=r"is over other images or labels\. Keep a run of the older model"):
        regress(store)
    with pytest.raises(NotComparableError, match="is over other images or labels"):
        regress(store, against=store.runs()[0].id)


def test_other_settings_and_kinds_and_a_first_run_are_never_a_pass(store: RunStore) -> None:
    saved(store, [0.5])
    with pytest.raises(NotComparableError, match="is the first run"):
        regress(store)
    saved(store, [0.5], settings={"resize": 256})
    with pytest.raises(NotComparableError, match="has other settings"):
        regress(store)
    _, data, hardness = small_run([0.5])
    store.save(Run("theirs", {"accuracy": Result(1, True)}, 1), data, hardness)
    with pytest.raises(NotComparableError, match=r"has other settings|was evaluated by mine, not theirs"):
        regress(store)
    with pytest.raises(NotComparableError, match="was evaluated by mine, not theirs"):
        regress(store, against=store.runs()[0].id)


def test_the_previous_run_is_the_last_one_of_the_same_data(store: RunStore) -> None:
    first = saved(store, [0.5, 2.0])
    saved(store, [0.5])
    saved(store, [2.0, 2.0], settings={"resize": 256})
    last = saved(store, [2.0, 2.0])
    found = regress(store)
    assert (found.against.id, found.run.id) == (first.id, last.id)
    assert found.flips is not None
    assert found.flips.became_wrong == ["a"]


def test_images_are_joined_by_key_whatever_the_order_given(store: RunStore) -> None:
    for losses in ({"a": 0.1, "b": 2.0, "c": 0.3}, {"c": 0.3, "a": 2.0, "b": 0.1}):
        data = DataSet(dict.fromkeys(losses, "0"))
        values = np.array([losses[str(key)] for key in data.keys], np.float32)
        store.save(Run("mine", {"accuracy": Result(2 / 3, True)}, 3), data, {"loss": Hardness(values, values >= 1)})
    found = regress(store)
    assert found.flips is not None
    assert (found.flips.became_wrong, found.flips.became_right) == (["a"], ["b"])


def test_tolerance_allows_a_fall_of_so_much_and_no_more(store: RunStore) -> None:
    saved(store, [0.5] * 10)
    saved(store, [0.5] * 9 + [2.0])
    assert regress(store).reasons == ["accuracy is 0.9, 0.1 worse than 1, which is more than 0"]
    assert not regress(store, tolerance={"accuracy": 0.1}).is_worse  # 1 - 0.9 is above 0.1 by rounding
    assert regress(store, tolerance={"accuracy": 0.0999}).is_worse
    assert regress(store, tolerance={"accuracy": 1.0}, max_worse=0).reasons == [
        "1 image became wrong, which is more than 0"
    ]
    assert not regress(store, tolerance={"accuracy": 1.0}, max_worse=1).is_worse


def kept(store: RunStore, value: float, higher_is_better: bool | None) -> None:
    _, data, hardness = small_run([0.5])
    store.save(Run("mine", {"result": Result(value, higher_is_better)}, 1), data, hardness)


@pytest.mark.parametrize(
    ("higher_is_better", "before", "now", "tolerance", "worse"),
    [
        (True, 0.5, 0.6, {}, False),
        (False, 0.5, 0.6, {}, True),
        (False, 0.5, 0.4, {}, False),
        (None, 0.5, 0.1, {}, False),
        (None, 0.5, 0.1, {"result": 0.1}, True),
        (None, 0.5, 0.9, {"result": 0.1}, True),
        (None, 0.5, 0.55, {"result": 0.1}, False),
        (True, 0.5, float("nan"), {}, True),
        (True, float("nan"), float("nan"), {}, False),
    ],
)
def test_worse_is_what_the_result_says(
    store: RunStore, higher_is_better: bool | None, before: float, now: float, tolerance: dict[str, float], worse: bool
) -> None:
    kept(store, before, higher_is_better)
    kept(store, now, higher_is_better)
    assert regress(store, tolerance=tolerance).is_worse == worse


def test_a_paper_is_compared_with_by_its_claims(store: RunStore) -> None:
    saved(store, [0.5, 2.0], paper_results={"accuracy": 0.6})
    found = regress(store, against="paper")
    assert found.reasons == ["accuracy is 0.5, 0.1 worse than 0.6, which is more than 0"]
    assert (found.paper, found.flips, found.ranking) == (True, None, None)
    assert not regress(store, against="paper", tolerance={"accuracy": 0.1}).is_worse
    with pytest.raises(ValueError, match="`max_worse` counts images"):
        regress(store, against="paper", max_worse=3)
    saved(store, [0.5, 2.0])
    with pytest.raises(NotComparableError, match="knows no paper's results"):
        regress(store, against="paper")


def test_arguments_that_make_no_sense_are_refused(store: RunStore) -> None:
    for _ in range(2):
        saved(store, [0.5])
    for arguments, message in (
        ({"tolerance": {"accuracy": -1.0}}, "`tolerance` of 'accuracy' must be at least 0"),
        ({"tolerance": {"accuracy": float("nan")}}, "`tolerance` of 'accuracy' must be"),
        ({"tolerance": {"F1": 0.1}}, "`tolerance` names 'F1', but results of both are: accuracy."),
        ({"max_worse": -1}, "`max_worse` is a number of images"),
        ({"by": "margin"}, "no hardness 'margin'. Choose from: loss."),
        ({"run": "nothing"}, "no run has the id"),
    ):
        with pytest.raises(ValueError, match=message):
            regress(store, **arguments)
