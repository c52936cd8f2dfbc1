"""Several processes rank queries as one does, to the last bit, and all of them tell what is wrong."""

from typing import Any

import pytest
import torch
from torchmetrics import MetricCollection

from hardest_metrics import HardnessCollection
from hardest_metrics.functional.retrieval import score_queries
from hardest_metrics.retrieval import NDCG, HierarchicalAP, PrecisionAt, RetrievalMetric, evaluation
from tests.retrieval.examples import METRICS, Examples, examples
from tests.retrieval.test_base import all_metrics, fed
from tests.test_distributed import Processes


def part(given: Examples, rank: int, number: int) -> Examples:
    """Of a process, as a DistributedSampler pads."""
    size = len(given.labels)
    return given[(torch.arange(-(-size // number) * number) % size)[rank::number]]


@pytest.mark.parametrize("collection", [HardnessCollection, MetricCollection])
@pytest.mark.parametrize("number", [2, 3])
def test_processes_with_padded_duplicates_rank_as_one_does(
    processes: Processes[Any], number: int, collection: Any
) -> None:
    given = examples()

    def work(rank: int) -> Any:
        metrics = fed(collection(all_metrics()), part(given, rank, number))
        found = metrics.compute()
        local = [len(column) for column in metrics["NDCG"].embeddings]
        return found, metrics["LevelAP"].without_positives, sum(local)

    alone = fed(HardnessCollection(all_metrics()), given)
    expected = alone.compute()
    for found, without, held in processes(number, work):
        assert found == expected
        assert without == alone["LevelAP"].without_positives
        assert held == -(-61 // number)  # what it saw itself


@pytest.mark.parametrize("name", METRICS)
def test_so_does_each_metric_alone(processes: Processes[Any], name: str) -> None:
    given = examples()
    make, _ = METRICS[name]

    def work(rank: int) -> Any:
        metric = fed(make(), part(given, rank, 3))
        return metric.compute(), metric.summary()

    alone = fed(make(), given)
    assert processes(3, work) == [(alone.compute(), alone.summary())] * 3


def test_queries_are_shared_out(processes: Processes[Any]) -> None:
    given = examples()

    def work(rank: int) -> Any:
        scored: list[int] = []

        def score(*args: Any, **kwargs: Any) -> Any:
            scored.append(len(args[0]))
            return score_queries(*args, **kwargs)

        vars(evaluation)["score_queries"] = score
        fed(HardnessCollection(all_metrics()), part(given, rank, 3)).compute()
        return scored

    assert processes(3, work) == [[21], [20], [20]]


@pytest.mark.parametrize("collection", [False, True])
def test_a_process_that_saw_nothing_takes_part(processes: Processes[Any], collection: bool) -> None:
    given = examples()

    def work(rank: int) -> Any:
        metrics: Any = HardnessCollection([NDCG(), HierarchicalAP()]) if collection else HierarchicalAP()
        if rank != 1:
            fed(metrics, part(given, rank // 2, 2))
        found = metrics.compute()
        hardest = (metrics["HierarchicalAP"] if collection else metrics).neighbours(given.image_ids[:2], k=3)
        return (found["HierarchicalAP"] if collection else found), hardest

    alone = fed(HierarchicalAP(), given)
    for ranking, hardest in processes(3, work):
        assert ranking == alone.compute()
        assert torch.equal(hardest.item_ids, alone.neighbours(given.image_ids[:2], k=3).item_ids)


def test_fewer_queries_than_processes_are_no_trouble(processes: Processes[Any]) -> None:
    given = examples(4, levels=1)
    given = given.but(labels=torch.zeros(4, 1).long())

    def work(rank: int) -> Any:
        metric = NDCG()
        fed(metric, given[:1], role="query")
        fed(metric, given[1:], role="gallery")
        return metric.compute().image_ids.tolist()

    assert processes(3, work) == [given.image_ids[:1].tolist()] * 3


def test_of_embeddings_that_differ_the_lowest_rank_s_count(processes: Processes[Any]) -> None:
    given = examples()

    def work(rank: int) -> Any:
        noise = rank * torch.randn(given.embeddings.shape, generator=torch.Generator().manual_seed(1))
        return fed(NDCG(), given.but(embeddings=given.embeddings + noise)).compute()

    assert processes(2, work) == [fed(NDCG(), given).compute()] * 2


def test_roles_of_all_processes_count(processes: Processes[Any]) -> None:
    given = examples()

    def work(rank: int) -> Any:
        return fed(NDCG(), given, role=("query", "gallery")[rank]).compute()

    assert processes(2, work) == [fed(NDCG(), given).compute()] * 2


def test_members_that_only_some_processes_fed_apart_are_gathered_apart_on_all(processes: Processes[Any]) -> None:
    given = examples()

    def work(rank: int) -> Any:
        metrics = HardnessCollection([NDCG(), HierarchicalAP()])
        if rank == 1:
            fed(metrics["NDCG"], given[:30])
        fed(metrics, given[30:])
        return metrics.compute()

    expected = {"NDCG": fed(NDCG(), given).compute(), "HierarchicalAP": fed(HierarchicalAP(), given[30:]).compute()}
    assert processes(2, work) == [expected] * 2


def test_dist_sync_on_step_gives_the_batches_of_all_processes(processes: Processes[Any]) -> None:
    given = examples(20)

    def work(rank: int) -> Any:
        metric = NDCG(dist_sync_on_step=True)
        value = metric(*part(given, rank, 2))
        return value, metric.compute()

    expected = fed(NDCG(), given).compute()
    assert processes(2, work) == [(expected, expected)] * 2


def other_dimensions(metric: RetrievalMetric[Any], rank: int) -> None:
    metric.update(torch.eye(4, 4 + rank), torch.zeros(4, 1).long(), torch.arange(4))


def other_levels(metric: RetrievalMetric[Any], rank: int) -> None:
    metric.update(torch.eye(4), torch.zeros(4, 1 + rank).long(), torch.arange(4))


def no_tree(metric: RetrievalMetric[Any], rank: int) -> None:
    metric.update(torch.eye(2), torch.tensor([[0, rank], [1, 1]]), torch.arange(2) + 10 * rank)


def twice(metric: RetrievalMetric[Any], rank: int) -> None:
    for times in range(1 + rank):
        metric.update(torch.eye(4) + times, torch.zeros(4, 1).long(), torch.arange(4))


def no_positives(metric: RetrievalMetric[Any], rank: int) -> None:
    metric.update(torch.eye(4), 4 * rank + torch.arange(4)[:, None], 4 * rank + torch.arange(4))


def without_ids(metric: RetrievalMetric[Any], rank: int) -> None:
    metric.update(torch.eye(4), torch.zeros(4, 1).long())


@pytest.mark.parametrize("together", [False, True])
@pytest.mark.parametrize(
    ("feed", "message"),
    [
        (other_dimensions, "`embeddings` have 5 dimensions in process 1, but 4 in process 0"),
        (other_levels, "`labels` have 2 levels in process 1, but 1 in process 0"),
        (no_tree, r"no tree: image 0 has \[0, 0\] and image 10 has \[0, 1\]"),
        (twice, "Image 0 came twice in process 1"),
        (no_positives, "none of 8 queries has a positive"),
        (without_ids, "Process 0 saw images without"),
    ],
)
def test_what_is_wrong_is_told_by_all_processes(
    processes: Processes[Any], feed: Any, message: str, together: bool
) -> None:
    def work(rank: int) -> Any:
        metric: Any = HardnessCollection([NDCG(), PrecisionAt(1)]) if together else NDCG()
        feed(metric, rank)
        with pytest.raises(ValueError, match=message):
            metric.compute()
        if together:
            metric = metric["NDCG"]
        assert not metric._is_synced
        assert len(metric.embeddings)
        metric.reset()
        fed(metric, part(examples(), rank, 2))
        return metric.compute()

    assert processes(2, work) == [fed(NDCG(), examples()).compute()] * 2


def test_processes_that_compute_other_metrics_are_refused_on_all(processes: Processes[Any]) -> None:
    from tests.test_domains import Margin

    def work(rank: int) -> Any:
        members: Any = {"ndcg": NDCG(), "precision": PrecisionAt(1)}
        first: Any = HardnessCollection(members) if rank == 0 else Margin()
        if rank == 0:
            first.update(*examples())
        else:
            first.update(torch.eye(3), torch.arange(3), torch.arange(3))
        with pytest.raises(
            ValueError, match=r"Process 1 ranks by margin\(\), but process 0 by NDCG\(\) and PrecisionAt\(1\)"
        ):
            first.compute()
        return True

    assert processes(2, work) == [True, True]


def test_metrics_that_keep_the_same_are_not_mixed_either(processes: Processes[Any]) -> None:
    def work(rank: int) -> Any:
        for metric in (
            (NDCG(), PrecisionAt(1))[rank],
            HardnessCollection([(NDCG(), PrecisionAt(2))[rank], HierarchicalAP()]),
        ):
            fed(metric, part(examples(), rank, 2))
            with pytest.raises(ValueError, match=r"Process 1 ranks by .*PrecisionAt.*, but process 0 by .*NDCG"):
                metric.compute()
        return True

    assert processes(2, work) == [True, True]
