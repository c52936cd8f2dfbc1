"""What all metrics of retrieval keep, and what becomes of it."""

import copy
import pickle
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor
from torchmetrics import MetricCollection

from hardest_metrics import HardnessCollection, Ranking
from hardest_metrics.functional.retrieval import nearest_neighbours, score_queries
from hardest_metrics.retrieval import NDCG, AveragePrecision, HierarchicalAP, PrecisionAt, RetrievalMetric, evaluation
from tests.retrieval.examples import METRICS, Examples, examples
from tests.test_modes import MODES


def fed(metric: Any, given: Examples, **kwargs: Any) -> Any:
    for batch in given.batches():
        metric.update(*batch, **kwargs)
    return metric


def ranked(given: Examples) -> Ranking:
    ranking: Ranking = fed(HierarchicalAP(), given).compute()
    return ranking


# Roles


def test_queries_are_looked_up_in_the_gallery() -> None:
    given = examples()
    queries, gallery = given[:20], given[20:]
    metric = HierarchicalAP()
    fed(metric, gallery, role="gallery")
    fed(metric, queries, role="query")
    scores = score_queries(
        queries.embeddings, queries.labels, gallery=gallery.embeddings, gallery_labels=gallery.labels
    ).hierarchical_ap
    tells = ~scores.isnan()
    assert metric.compute() == Ranking.of(queries.image_ids[tells], 1 - scores[tells].float())


def test_an_image_that_is_a_query_and_in_the_gallery_does_not_find_itself() -> None:
    given = examples()
    apart = HierarchicalAP()
    fed(apart, given, role="gallery")
    fed(apart, given, role="query")
    assert apart.compute() == ranked(given)


def test_images_without_ids_are_numbered_by_position() -> None:
    given = examples()
    metric = HierarchicalAP()
    for batch in given.batches():
        metric.update(batch.embeddings, batch.labels)
    assert metric.compute() == ranked(given.but(image_ids=torch.arange(len(given.labels))))


def test_so_they_are_where_queries_and_gallery_are_apart() -> None:
    given = examples()
    metric = AveragePrecision(2)
    metric.update(given.embeddings[:20], given.labels[:20], role="query")
    metric.update(given.embeddings[20:], given.labels[20:], role="gallery")
    assert metric.compute().image_ids.max() < 20


def test_queries_without_a_positive_are_left_out_and_counted() -> None:
    embeddings = torch.eye(4)
    metric = AveragePrecision()
    assert metric.without_positives is None
    metric.update(embeddings, torch.tensor([[0], [0], [1], [2]]), torch.tensor([9, 8, 7, 6]))
    assert metric.compute().image_ids.tolist() == [8, 9]
    assert metric.without_positives == 2
    assert metric.summary().ranking == metric.compute()
    metric.reset()
    assert metric.without_positives is None


def test_where_no_query_has_a_positive_it_is_refused() -> None:
    for reduction in (None, "mean"):
        metric = AveragePrecision(reduction=reduction)
        metric.update(torch.eye(3), torch.arange(3)[:, None], torch.arange(3))
        with pytest.raises(ValueError, match=r"AveragePrecision\(.*\): none of 3 queries has a positive"):
            metric.compute()
        with pytest.raises(ValueError, match="none of 3 queries has a positive"):
            metric.summary()


def test_without_a_gallery_no_query_has_a_positive() -> None:
    metric = NDCG()
    metric.update(torch.eye(3), torch.zeros(3, 1).long(), role="query")
    with pytest.raises(ValueError, match="none of 3 queries has a positive in the gallery"):
        metric.compute()


@pytest.mark.parametrize("make", [NDCG, lambda: NDCG(reduction="mean")])
@pytest.mark.filterwarnings("ignore:The ``compute`` method of metric")
def test_of_no_queries_there_is_an_empty_ranking_and_no_mean(make: Callable[[], RetrievalMetric[Any]]) -> None:
    for metric in (make(), fed(make(), examples(), role="gallery")):
        value = metric.compute()
        assert not len(value.image_ids) if isinstance(value, Ranking) else value.isnan()


def test_a_batch_alone_may_have_no_positives() -> None:
    metric, mean = NDCG(), NDCG(reduction="mean")
    for role in ("both", "query", "gallery"):
        assert not len(metric(torch.eye(3), torch.arange(3)[:, None], role=role).image_ids)
        assert mean(torch.eye(3), torch.arange(3)[:, None], role=role).isnan()
    assert not len(metric(torch.empty(0, 3), torch.empty(0, 1).long()).image_ids)


# What is refused


@pytest.mark.parametrize(
    ("changed", "error", "message"),
    [
        ({"embeddings": torch.eye(3, dtype=torch.int64)}, TypeError, "`embeddings` must be floating-point"),
        ({"embeddings": torch.eye(3)[:2]}, ValueError, "`embeddings` has 2 rows, but there are labels of 3"),
        ({"embeddings": torch.full((3, 3), torch.nan)}, ValueError, "`embeddings`: row 0 holds NaN"),
        ({"embeddings": torch.eye(3, 4)}, ValueError, "`embeddings` have 4 dimensions, but 3 before"),
        ({"labels": torch.zeros(3, 1)}, TypeError, "`labels` must be integers"),
        ({"labels": torch.zeros(3).long()}, ValueError, "`labels` must have shape"),
        ({"labels": torch.zeros(3, 2).long()}, ValueError, "`labels` have 2 levels, but 1 before"),
        ({"image_ids": torch.zeros(3)}, TypeError, "`image_ids` must be integers, but are torch.float32"),
        ({"image_ids": [1, 2.5, 3]}, TypeError, "`image_ids` must be integers or text, but one is 2.5"),
        ({"image_ids": torch.arange(2)}, ValueError, r"`image_ids` must have shape \(3,\)"),
        ({"image_ids": torch.full((3,), torch.iinfo(torch.int64).min)}, ValueError, "stands for an image without id"),
        ({"role": "probe"}, ValueError, "`role` must be one of 'both', 'query', 'gallery', but is 'probe'"),
    ],
)
@pytest.mark.parametrize("method", ["update", "forward"])
def test_what_makes_no_sense_is_refused_and_leaves_the_metric_as_it_was(
    changed: dict[str, Any], error: type[Exception], message: str, method: str
) -> None:
    given = {"embeddings": torch.eye(3), "labels": torch.zeros(3, 1).long(), "image_ids": torch.arange(3)}
    metrics = HardnessCollection([NDCG(), AveragePrecision()])
    metrics.update(**given)
    before = metrics.compute()
    with pytest.raises(error, match=message):
        getattr(metrics, method)(**{**given, **changed})
    assert metrics.compute() == before
    assert metrics["NDCG"].update_count == 1


def test_labels_that_are_no_tree_are_refused_naming_two_images() -> None:
    metric = NDCG()
    with pytest.raises(ValueError, match=r"row 0 of `labels` is \[1, 2\] and row 1 of `labels` is \[1, 3\]"):
        metric.update(torch.eye(2), torch.tensor([[1, 2], [1, 3]]))
    metric.update(torch.eye(2), torch.tensor([[1, 2], [4, 2]]), torch.tensor([50, 70]))
    metric.update(torch.eye(2), torch.tensor([[5, 5], [4, 3]]), torch.tensor([90, 60]))
    with pytest.raises(
        ValueError, match=r"no tree: image 60 has \[4, 3\] and image 70 has \[4, 2\], equal at level 0, .* level 1"
    ):
        metric.compute()


def test_an_id_that_comes_twice_with_other_embeddings_is_refused() -> None:
    given = examples()
    metric = fed(NDCG(), given)
    fed(metric, given)  # the same is no error
    metric.update(given.embeddings[:1] + 1, given.labels[:1], given.image_ids[:1])
    with pytest.raises(ValueError, match=f"Image {int(given.image_ids[0])} came twice, with different results"):
        metric.compute()


def test_only_some_with_ids_are_refused() -> None:
    metric = NDCG()
    metric.update(torch.eye(2), torch.zeros(2, 1).long())
    metric.update(torch.eye(2), torch.zeros(2, 1).long(), torch.arange(2))
    with pytest.raises(ValueError, match="2 of 4 images came without"):
        metric.compute()


# What torchmetrics' own survive


def test_forward_gives_the_batch_alone_and_adds_it() -> None:
    given = examples()
    metric = HierarchicalAP()
    for batch in (given[:20], given[20:40], given[40:]):
        assert metric(*batch) == ranked(batch)
    assert metric.compute() == ranked(given)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_embeddings_of_any_precision_are_kept_in_single(dtype: torch.dtype) -> None:
    given = examples()
    given = given.but(embeddings=given.embeddings.to(dtype).requires_grad_())
    metric = fed(HierarchicalAP(), given)
    assert metric.embeddings[0].dtype == torch.float32
    assert not metric.embeddings[0].requires_grad
    assert metric.compute() == ranked(given.but(embeddings=given.embeddings.detach().float()))


@pytest.mark.parametrize("change", [lambda metric: metric.half(), lambda metric: metric.to(torch.bfloat16)])
def test_another_dtype_of_the_module_changes_no_embedding(change: Callable[[Any], Any]) -> None:
    given = examples()
    metric = change(fed(HierarchicalAP(), given[:30]))
    change(fed(metric, given[30:]))
    assert metric.compute() == ranked(given)


def test_the_metric_keeps_a_copy() -> None:
    given = examples()
    expected = ranked(given)
    embeddings = given.embeddings.clone()
    metric = HierarchicalAP()
    metric.update(embeddings, given.labels, given.image_ids)
    embeddings.zero_()
    assert metric.compute() == expected


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda metric: pickle.loads(pickle.dumps(metric))])
@pytest.mark.parametrize("make", [HierarchicalAP, lambda: HardnessCollection([NDCG(), HierarchicalAP()])])
def test_a_copy_goes_on_by_itself(make: Callable[[], Any], copied: Callable[[Any], Any]) -> None:
    given = examples()
    first = fed(make(), given[:30])
    second = fed(copied(first), given[30:])
    assert second.compute() == fed(make(), given).compute()
    assert first.compute() == fed(make(), given[:30]).compute()


def test_state_is_saved_and_restored() -> None:
    given = examples()
    metric = fed(HierarchicalAP(), given)
    metric.persistent(True)
    other = HierarchicalAP()
    other.persistent(True)
    other.load_state_dict(metric.state_dict())
    assert other.compute() == ranked(given)


def test_reset_forgets() -> None:
    given = examples()
    metric = fed(HierarchicalAP(), given)
    metric.reset()
    assert fed(metric, given[:30]).compute() == ranked(given[:30])
    metric.reset()
    metric.update(torch.eye(3), torch.zeros(3, 1).long())  # of other dimensions
    assert len(metric.compute().image_ids) == 3


def test_merged_metrics_are_as_one() -> None:
    given = examples()
    first, second = fed(HierarchicalAP(), given[:40]), fed(HierarchicalAP(), given[30:])
    second.merge_state(first)
    assert second.compute() == ranked(given)
    third = HierarchicalAP()
    third.update(torch.eye(3), torch.zeros(3, 3).long(), torch.arange(3))
    with pytest.raises(ValueError, match="`embeddings` have 6 dimensions, but 3 before"):
        third.merge_state(first)


def test_merging_keeps_the_role_of_both() -> None:
    given = examples()
    first, second = fed(HierarchicalAP(), given, role="query"), fed(HierarchicalAP(), given, role="gallery")
    first.merge_state(second)
    assert first.compute() == ranked(given)


# Collections


def all_metrics() -> dict[str, RetrievalMetric[Any]]:
    return {name: make() for name, (make, _) in METRICS.items()}


@pytest.mark.parametrize("collection", [HardnessCollection, MetricCollection])
@pytest.mark.parametrize("method", ["update", "forward", "__call__"])
def test_members_of_a_collection_give_what_each_gives_alone(collection: Any, method: str) -> None:
    given = examples()
    metrics = collection(all_metrics())
    for batch in given.batches(20):
        value = getattr(metrics, method)(*batch)
    if method != "update":
        assert value == {name: metric(*batch) for name, metric in all_metrics().items()}
    assert metrics.compute() == {name: fed(metric, given).compute() for name, metric in all_metrics().items()}
    assert metrics["HierarchicalAP"].without_positives == 1
    metrics.reset()
    fed(metrics, given[:30])
    assert metrics.compute() == {name: fed(metric, given[:30]).compute() for name, metric in all_metrics().items()}


@pytest.fixture
def searches(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The name of each function that scored queries, in order."""
    called: list[str] = []

    def counted(name: str, function: Any) -> Any:
        def scored(*args: Any, **kwargs: Any) -> Any:
            called.append(name)
            return function(*args, **kwargs)

        return scored

    for name in ("score_queries", "topk_scores"):
        monkeypatch.setattr(evaluation, name, counted(name, getattr(evaluation, name)))
    return called


def test_all_members_of_a_hardness_collection_are_evaluated_once(searches: list[str]) -> None:
    metrics = fed(HardnessCollection(all_metrics()), examples())
    first, *others = metrics.values()
    metrics.compute()
    metrics.compute()
    assert searches == ["score_queries"]
    assert all(member.embeddings[0] is first.embeddings[0] for member in others)
    searches.clear()
    metrics(*examples(20))
    assert searches == ["score_queries"]


def test_of_the_first_k_alone_nothing_else_is_computed(searches: list[str]) -> None:
    fed(HardnessCollection({"1": PrecisionAt(1), "5": PrecisionAt(5, level=2)}), examples()).compute()
    assert searches == ["topk_scores"]


def test_relevances_and_comparisons_of_their_own_are_searched_for_apart(searches: list[str]) -> None:
    metrics = {"1": HierarchicalAP(), "2": HierarchicalAP(alpha=2), "l2": NDCG(metric="l2"), "p": PrecisionAt(2)}
    found = fed(HardnessCollection(metrics), examples()).compute()
    assert searches == ["score_queries"] * 3
    alone: dict[str, Any] = {"1": HierarchicalAP(), "2": HierarchicalAP(alpha=2), "l2": NDCG(metric="l2")}
    alone["p"] = PrecisionAt(2)
    assert found == {name: fed(metric, examples()).compute() for name, metric in alone.items()}


def test_members_that_hold_different_images_are_evaluated_apart() -> None:
    given = examples()
    metrics = HardnessCollection([NDCG(), HierarchicalAP()])
    fed(metrics["NDCG"], given[:30])
    fed(metrics, given[30:])
    assert metrics.compute() == {"NDCG": fed(NDCG(), given).compute(), "HierarchicalAP": ranked(given[30:])}


# Neighbours


def test_neighbours_are_those_of_the_function() -> None:
    given = examples()
    queries, gallery = given[:20], given[10:]  # some are both
    metric = HierarchicalAP()
    fed(metric, queries, role="query")
    fed(metric, gallery, role="gallery")
    hard = torch.tensor([4, 15, 9])
    found = metric.neighbours(given.image_ids[hard], k=5)
    gallery = gallery[gallery.image_ids.argsort()]
    itself = torch.tensor([-1, int((gallery.image_ids == given.image_ids[15]).nonzero()), -1])
    expected = nearest_neighbours(
        given.embeddings[hard], given.labels[hard], gallery=gallery.embeddings, gallery_labels=gallery.labels,
        itself=itself, k=5,
    )  # fmt: skip
    assert torch.equal(found.item_ids, gallery.image_ids[expected.items])
    assert torch.equal(found.level, expected.level)
    assert torch.equal(found.similarity, expected.similarity)
    assert torch.equal(found.query_ids, given.image_ids[hard])
    assert found.num_levels == 3
    assert not (found.item_ids == found.query_ids[:, None]).any()


@pytest.mark.parametrize("image_id", [1, 2**62, -5])
def test_neighbours_are_of_queries_only(image_id: int) -> None:
    metric = fed(NDCG(), examples())
    with pytest.raises(ValueError, match=f"`query_ids`: image {image_id} is no query"):
        metric.neighbours([image_id])
    fed(metric, examples().but(image_ids=torch.arange(61)), role="gallery")
    with pytest.raises(ValueError, match="image 7 is no query"):
        metric.neighbours(torch.tensor([7]))


@pytest.mark.gpu
def test_a_gpu_ranks_alike() -> None:
    given = examples()
    there = fed(HierarchicalAP(reduction="mean").cuda(), Examples(*(column.cuda() for column in given)))
    here: Tensor = fed(HierarchicalAP(reduction="mean"), given).compute()
    assert float(there.compute()) == pytest.approx(float(here), abs=1e-4)
    assert there.neighbours(given.image_ids[:2].cuda(), k=3).item_ids.shape == (2, 3)


@pytest.mark.parametrize("mode", MODES.values(), ids=MODES)
@pytest.mark.parametrize("method", ["update", "forward"])
def test_a_mode_changes_no_bit(mode: Callable[[], Any], method: str) -> None:
    given = examples()
    metrics = HardnessCollection(all_metrics())
    with mode():
        for batch in given.batches(20):
            getattr(metrics, method)(*batch)
    with mode():
        found = metrics.compute()
    assert found == fed(HardnessCollection(all_metrics()), given).compute()
    fed(metrics, given.but(image_ids=torch.arange(61)))  # what was made in a mode goes on outside of it
    assert len(metrics.compute()["NDCG"].image_ids) > len(found["NDCG"].image_ids)
