"""Each metric is a column of scores, and the authors' code gives the same."""

from typing import Any

import pytest
import torch

from hardest_metrics import HardnessCollection, HardnessMetric, Ranking
from hardest_metrics.retrieval import (
    ASI,
    NDCG,
    AveragePrecision,
    HierarchicalAP,
    LevelAP,
    MAPAtR,
    PrecisionAt,
    RecallAt,
)
from tests.functional.retrieval.trees import golden_inputs
from tests.retrieval.examples import METRICS, examples, expected_scores


@pytest.mark.parametrize("name", METRICS)
def test_queries_are_ranked_by_what_their_score_lacks(name: str) -> None:
    make, column = METRICS[name]
    given = examples()
    image_ids, scores = expected_scores(given)
    expected = column(scores)
    tells = ~expected.isnan()
    metric, mean = make(), make(reduction="mean")
    for batch in given.batches():
        metric.update(*batch)
        mean.update(*batch)
    assert metric.compute() == Ranking.of(image_ids[tells], 1 - expected[tells].float())
    value: Any = mean.compute()
    assert float(value) == pytest.approx(float(expected.nanmean()), abs=1e-7)
    assert metric.without_positives == mean.without_positives == int((~tells).sum()) > 0
    assert metric.higher_is_better
    assert mean.higher_is_better


def test_scores_are_those_of_the_authors_code(goldens: dict[str, Any]) -> None:
    golden = goldens["query_gallery"][0]
    embeddings, labels = golden_inputs(**golden["inputs"])
    queries = golden["queries"]
    assert not golden["queries_of_equal_relevances"]
    members: dict[str, Any] = {
        "H-AP": HierarchicalAP(alpha=golden["alpha"]),
        "AP_level0": AveragePrecision(), "mAP@R_level1": MAPAtR(1), "P@5_level0": PrecisionAt(5),
        "R@5_level1": RecallAt(5, level=1), "NDCG": NDCG(), "ASI": ASI(), "AP#1": LevelAP(1),
    }  # fmt: skip
    metrics = HardnessCollection(members)
    image_ids = torch.arange(len(labels))
    metrics.update(embeddings[:queries], labels[:queries], image_ids[:queries], role="query")
    metrics.update(embeddings[queries:], labels[queries:], image_ids[queries:], role="gallery")
    for name, ranking in metrics.compute().items():
        values = golden["per_query"][name]
        known = {query: 1 - value for query, value in enumerate(values) if value is not None}
        found = dict(zip(ranking.image_ids.tolist(), ranking.hardness.tolist(), strict=True))
        assert found == pytest.approx(known, abs=1e-5), name


@pytest.mark.parametrize("settings", [{"relevance": (0.2, 0.3, 0.5)}, {"alpha": 2.0}, {"metric": "l2"}])
def test_settings_are_those_of_the_function(settings: dict[str, Any]) -> None:
    given = examples()
    image_ids, scores = expected_scores(given, **settings)
    metric = HierarchicalAP(**settings)
    metric.update(*given)
    tells = ~scores.hierarchical_ap.isnan()
    assert metric.compute() == Ranking.of(image_ids[tells], 1 - scores.hierarchical_ap[tells].float())


def test_a_perfect_network_is_not_in_error() -> None:
    labels = torch.arange(40)[:, None] // torch.tensor([2, 10, 20])
    embeddings = torch.cat([torch.nn.functional.one_hot(column).float() for column in labels.T], dim=1)
    for name, (make, _) in METRICS.items():
        if name in ("PrecisionAt", "LevelAP"):
            continue
        metric = make()
        metric.update(embeddings, labels, torch.arange(40))
        summary = metric.summary()
        assert not summary.ranking.hardness.any(), name
        assert summary.share_in_error == 0


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: AveragePrecision(-1), "`level` must be an integer of at least 0, but is -1"),
        (lambda: MAPAtR(1.0), "`level` must be an integer"),  # type: ignore[arg-type]
        (lambda: PrecisionAt(0), "`k` must be an integer of at least 1, but is 0"),
        (lambda: RecallAt(True), "`k` must be an integer"),
        (lambda: LevelAP(0), "`t` must be an integer of at least 1"),
        (lambda: HierarchicalAP("map"), "`relevance` must be 'pop' or a weight"),  # type: ignore[arg-type]
        (lambda: HierarchicalAP(alpha=-1), "`alpha` must be a finite number"),
        (lambda: NDCG(metric="dot"), "`metric` must be one of 'cosine'"),  # type: ignore[arg-type]
        (lambda: NDCG(reduction="sum"), "`reduction` must be 'mean' or None, but is 'sum'"),  # type: ignore[type-var]
        (lambda: ASI(reduction="max"), "`reduction` must be 'mean' or None, but is 'max'"),  # type: ignore[type-var]
    ],
)
def test_settings_that_make_no_sense_are_refused_at_once(make: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()


@pytest.mark.parametrize(
    ("metric", "message"),
    [
        (AveragePrecision(3), r"AveragePrecision\(level=3\) needs labels of at least 4 levels, but they have 3"),
        (LevelAP(4), r"LevelAP\(4\) needs labels of at least 4 levels"),
        (HierarchicalAP((1, 1)), "`relevance` has 2 weights, but there are 3 levels"),
    ],
)
def test_labels_of_too_few_levels_are_refused(metric: HardnessMetric[Any], message: str) -> None:
    metric.update(*examples())
    with pytest.raises(ValueError, match=message):
        metric.compute()


def test_k_beyond_the_gallery_is_clipped_with_a_warning() -> None:
    given = examples(8)
    metric, clipped = PrecisionAt(100), PrecisionAt(7)
    metric.update(*given)
    clipped.update(*given)
    with pytest.warns(UserWarning, match="`k`: 100 is more than the 7 items"):
        ranking = metric.compute()
    assert ranking == clipped.compute()


def test_repr_shows_settings() -> None:
    assert repr(HierarchicalAP()) == "HierarchicalAP()"
    assert repr(PrecisionAt(10, level=1)) == "PrecisionAt(10, level=1)"
