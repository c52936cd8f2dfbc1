from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torchmetrics.functional.retrieval import (
    retrieval_average_precision,
    retrieval_hit_rate,
    retrieval_normalized_dcg,
    retrieval_precision,
)

from hardest_metrics.functional.retrieval import (
    QueryScores,
    overall_accuracy,
    score_queries,
    shared_levels,
    topk_scores,
)
from tests.functional.retrieval.trees import (
    Case,
    direct_relevance,
    direct_scores,
    golden_divided,
    golden_inputs,
    golden_labels,
    random_case,
    random_labels,
    ranked_levels,
)

KS = (1, 5, 10)


def named(scores: QueryScores) -> dict[str, Tensor]:
    """Each of the scores under the name that the golden values have for it."""
    found = {"H-AP": scores.hierarchical_ap, "NDCG": scores.ndcg, "ASI": scores.asi}
    for level in range(scores.average_precision.shape[1]):
        found[f"AP_level{level}"] = scores.average_precision[:, level]
        found[f"mAP@R_level{level}"] = scores.map_at_r[:, level]
        found[f"ASI_level{level}"] = scores.asi_by_level[:, level]
        found[f"AP#{level + 1}"] = scores.level_ap[:, level]
        for k in scores.precision_at:
            found[f"P@{k}_level{level}"] = scores.precision_at[k][:, level]
            found[f"R@{k}_level{level}"] = scores.recall_at[k][:, level]
    return found


def check(golden: dict[str, list[float | None]], scores: QueryScores, equal_relevances: list[int]) -> None:
    """That all scores are those of the authors' code, H-AP where that follows its own definition."""
    found = named(scores)
    for name, values in golden.items():
        if name == "NDCG@10":  # over the ideal order of the items retrieved, which is another number
            continue
        expected = torch.tensor([torch.nan if value is None else value for value in values], dtype=torch.float64)
        mine = found["H-AP" if name.startswith("H-AP") else name]
        if name == "H-AP":
            # there, these are counted twice
            counted = torch.isin(torch.arange(len(mine)), torch.tensor(equal_relevances, dtype=torch.int64))
            mine, expected = mine[~counted], expected[~counted]
        assert torch.allclose(mine, expected, rtol=0, atol=1e-5, equal_nan=True), name


# The authors' code


@pytest.mark.parametrize("case", range(4))
def test_all_scores_are_those_of_the_authors_code(goldens: dict[str, Any], case: int) -> None:
    golden = goldens["same"][case]
    embeddings, labels = golden_inputs(**golden["inputs"])
    scores = score_queries(embeddings, labels, k=range(1, 25), alpha=golden["alpha"])
    check(golden["per_query"], scores, golden["queries_of_equal_relevances"])


@pytest.mark.parametrize("case", range(2))
def test_so_they_are_of_queries_that_are_not_in_the_gallery(goldens: dict[str, Any], case: int) -> None:
    golden = goldens["query_gallery"][case]
    embeddings, labels = golden_inputs(**golden["inputs"])
    queries = golden["queries"]
    scores = score_queries(
        embeddings[:queries],
        labels[:queries],
        gallery=embeddings[queries:],
        gallery_labels=labels[queries:],
        k=KS,
        alpha=golden["alpha"],
    )
    check(golden["per_query"], scores, golden["queries_of_equal_relevances"])


@pytest.mark.parametrize("case", range(2))
def test_of_equal_distances_the_lower_level_comes_first(goldens: dict[str, Any], case: int) -> None:
    golden = goldens["ties"][case]
    inputs = golden["inputs"]
    rng = np.random.default_rng(inputs["seed"])
    labels = torch.from_numpy(golden_labels(rng, inputs["n"], inputs["fan"]))
    embeddings = torch.from_numpy(rng.integers(-2, 3, size=(inputs["n"], 4))).float()
    scores = score_queries(embeddings, labels, k=KS, metric="inner_product")
    check(golden["worst"], scores, golden["queries_of_equal_relevances"])


@pytest.mark.parametrize("case", range(2))
def test_means_and_overall_accuracies_are_those_of_the_authors_code(goldens: dict[str, Any], case: int) -> None:
    golden = goldens["means"][case]
    embeddings, labels = golden_divided(**golden["inputs"])
    scores = score_queries(embeddings, labels, alpha=golden["alpha"])
    found = {f"{name}_multi": scores for name, scores in named(scores).items() if name in ("H-AP", "NDCG", "ASI")}
    found |= {name if "level" in name else f"{name}_exclude": scores for name, scores in named(scores).items()}
    for name, value in golden["means"].items():
        assert float(found[name].nanmean()) == pytest.approx(value, abs=1e-5), name
    by_level = {
        "AP": scores.average_precision,
        "mAP@R": scores.map_at_r,
        "ASI": scores.asi_by_level,
        **{f"P@{k}": column for k, column in scores.precision_at.items()},
        **{f"R@{k}": column for k, column in scores.recall_at.items()},
    }
    for name, value in golden["overall (mean over levels, without ASI_multi)"].items():
        assert float(overall_accuracy(by_level[name])) == pytest.approx(value, abs=1e-5), name


# The definitions


def direct(case: Case, relevance: Any, alpha: float) -> Iterator[dict[str, float | list[float]]]:
    number = case.labels.shape[1]
    for query in range(len(case.labels)):
        levels = ranked_levels(case, query)
        counts = [levels.count(t) for t in range(number + 1)]
        counts[-1] += case.gallery is None
        yield direct_scores(levels, number, direct_relevance(counts, relevance, alpha), KS)


@pytest.mark.filterwarnings("ignore:`k`")
@pytest.mark.parametrize("start", range(0, 520, 52))
def test_every_score_of_small_trees_is_what_its_definition_says(start: int) -> None:
    for seed in range(start, start + 52):
        case = random_case(seed)
        relevance: Any = ("pop", [1 + seed % 3] * case.labels.shape[1])[seed % 4 == 3]
        found = score_queries(
            **case.arguments, k=KS, relevance=relevance, alpha=(1, 0.5, 2)[seed % 3], metric="inner_product"
        )
        for query, expected in enumerate(direct(case, relevance, (1, 0.5, 2)[seed % 3])):
            for name, value in expected.items():
                field, _, k = name.partition(" ")
                scores = getattr(found, field)
                one = (scores[int(k)] if k else scores)[query]
                wanted = torch.tensor(value, dtype=torch.float64)
                assert torch.allclose(one, wanted, rtol=0, atol=1e-9, equal_nan=True), (seed, query, name, one, value)


def test_a_collapsed_network_scores_as_badly_as_can_be() -> None:
    labels = torch.arange(6).repeat_interleave(5)[:, None]
    found = score_queries(torch.ones(30, 4), labels, k=[1, 25])
    assert not found.precision_at[25].any()
    assert found.average_precision[:, 0].tolist() == pytest.approx([sum(j / (25 + j) for j in range(1, 5)) / 4] * 30)


# Other programs


def random_embeddings(n: int, dim: int, levels: int, seed: int = 0) -> tuple[Tensor, Tensor]:
    rng = torch.Generator().manual_seed(seed)
    return torch.randn(n, dim, generator=rng), random_labels(n, levels, rng)


def test_scores_are_those_of_torchmetrics() -> None:
    embeddings, labels = random_embeddings(80, 6, 3)
    found = score_queries(embeddings, labels, k=[5], metric="inner_product")
    for query in range(80):
        others = torch.arange(80) != query
        score = (embeddings @ embeddings[query])[others]
        level = shared_levels(labels[others], labels[query])
        assert float(found.ndcg[query]) == pytest.approx(float(retrieval_normalized_dcg(score, 2**level - 1)), abs=1e-5)
        assert float(found.ndcg_at[5][query]) == pytest.approx(
            float(retrieval_normalized_dcg(score, 2**level - 1, top_k=5)), abs=1e-5
        )
        for column in range(3):
            hits = level >= 3 - column
            if not hits.any():
                assert found.average_precision[query, column].isnan()
                continue
            for mine, theirs in (
                (found.average_precision, retrieval_average_precision(score, hits)),
                (found.precision_at[5], retrieval_precision(score, hits, top_k=5)),
                (found.recall_at[5], retrieval_hit_rate(score, hits, top_k=5)),
            ):
                assert float(mine[query, column]) == pytest.approx(float(theirs), abs=1e-6)


def test_means_are_those_of_pytorch_metric_learning() -> None:
    from pytorch_metric_learning.distances import CosineSimilarity
    from pytorch_metric_learning.utils.accuracy_calculator import AccuracyCalculator
    from pytorch_metric_learning.utils.inference import CustomKNN

    embeddings, labels = random_embeddings(120, 6, 3)
    found = score_queries(embeddings, labels, k=[1])
    names = ("mean_average_precision", "mean_average_precision_at_r", "precision_at_1")
    theirs = AccuracyCalculator(
        include=names, k=119, device=torch.device("cpu"), knn_func=CustomKNN(CosineSimilarity())
    )
    for level in range(3):
        expected = theirs.get_accuracy(embeddings, labels[:, level])
        mine = (found.average_precision, found.map_at_r, found.precision_at[1])
        for name, scores in zip(names, mine, strict=True):
            assert float(scores[:, level].nanmean()) == pytest.approx(expected[name], abs=1e-6), (name, level)


# Blocks, parts, devices


@pytest.mark.parametrize("function", [score_queries, topk_scores])
def test_a_query_scores_the_same_whoever_is_scored_with_it(function: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    embeddings, labels = random_embeddings(300, 32, 3)
    embeddings[200:] = embeddings[:100]  # duplicates
    whole = function(embeddings, labels)
    monkeypatch.setattr("hardest_metrics.functional.retrieval.distances._HELD", {"cpu": 1})
    monkeypatch.setattr("hardest_metrics.functional.retrieval.search._BLOCK", {"cpu": 2000})
    parts = [
        function(embeddings[part], labels[part], gallery=embeddings, gallery_labels=labels, itself=part)
        for part in torch.randperm(300, generator=torch.Generator().manual_seed(0)).tensor_split(7)
    ]
    order = torch.randperm(300, generator=torch.Generator().manual_seed(0)).argsort()
    for name, scores in whole._asdict().items():
        for k in scores if isinstance(scores, dict) else (None,):
            expected = scores if k is None else scores[k]
            pieces = [getattr(part, name) if k is None else getattr(part, name)[k] for part in parts]
            torch.testing.assert_close(torch.cat(pieces)[order], expected, rtol=0, atol=0, equal_nan=True)


@pytest.mark.filterwarnings("ignore:`k`")
@pytest.mark.parametrize("seed", range(40))
def test_the_first_k_alone_have_the_same_scores(seed: int) -> None:
    case = random_case(seed)
    whole = score_queries(**case.arguments, k=KS, metric="inner_product")
    alone = topk_scores(**case.arguments, k=KS, metric="inner_product")
    for name, scores in alone._asdict().items():
        for k in KS:
            assert torch.equal(scores[k].nan_to_num(-1), getattr(whole, name)[k].nan_to_num(-1))


def test_a_query_is_left_out_by_place_and_not_by_distance() -> None:
    embeddings = torch.tensor([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0]])
    labels = torch.tensor([[0], [1], [0]])
    # the first one's duplicate is of another class, and ranks before the item of its own
    assert score_queries(embeddings, labels, k=[1]).average_precision[:, 0].tolist()[0] == 0.5


def test_unit_length_is_for_the_cosine_alone() -> None:
    embeddings = torch.tensor([[1.0, 0.0], [0.9, 0.1], [5.0, 5.0]])
    labels = torch.tensor([[0], [0], [1]])
    assert score_queries(embeddings, labels, k=[1]).recall_at[1][0] == 1
    assert score_queries(embeddings, labels, k=[1], metric="inner_product").recall_at[1][0] == 0
    assert score_queries(embeddings, labels, k=[1], metric="l2").recall_at[1][0] == 1


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_embeddings_of_any_precision_are_scored_in_single(dtype: torch.dtype) -> None:
    embeddings, labels = random_embeddings(60, 8, 2)
    embeddings = embeddings.to(dtype).requires_grad_()
    found = score_queries(embeddings, labels)
    assert torch.equal(found.ndcg.nan_to_num(), score_queries(embeddings.detach().float(), labels).ndcg.nan_to_num())
    assert not found.ndcg.requires_grad


def test_no_queries_have_no_scores() -> None:
    embeddings, labels = random_embeddings(10, 4, 2)
    found = score_queries(embeddings[:0], labels[:0], gallery=embeddings, gallery_labels=labels)
    assert found.average_precision.shape == (0, 2)
    assert found.hierarchical_ap.shape == (0,)


def test_k_beyond_the_gallery_is_clipped_with_a_warning() -> None:
    embeddings, labels = random_embeddings(8, 4, 1)
    with pytest.warns(UserWarning, match="`k`: 100 is more than the 7 items that are ranked") as caught:
        found = score_queries(embeddings, labels, k=[7, 100])
    assert caught[0].filename == __file__
    for scores in (found.precision_at, found.recall_at, found.ndcg_at):
        assert torch.equal(scores[7].nan_to_num(), scores[100].nan_to_num())


@pytest.mark.gpu
def test_a_gpu_finds_the_same() -> None:
    embeddings, labels = random_embeddings(500, 32, 3)
    there = score_queries(embeddings.cuda(), labels.cuda())
    for name, scores in score_queries(embeddings, labels)._asdict().items():
        pairs = [(scores, getattr(there, name))]
        if isinstance(scores, dict):
            pairs = [(scores[k], getattr(there, name)[k]) for k in scores]
        for here, other in pairs:
            torch.testing.assert_close(other.cpu().nanmean(0), here.nanmean(0), rtol=0, atol=1e-4)
