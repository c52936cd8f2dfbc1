"""A domain of its own is a few lines: a definition over logits, and one whose hardness needs all examples at once."""

import warnings
from typing import Any, ClassVar

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor
from torchmetrics import MetricCollection

from hardest_metrics import HardnessCollection, HardnessMetric, Ranking
from hardest_metrics.image_rows import Column, Reading
from hardest_metrics.metric import Columns
from tests.test_distributed import Processes
from tests.test_distributed import processes as processes

NUMBER, CLASSES = 21, 4


class Margin(HardnessMetric[Any]):
    """How far the best other class is above the labelled one: below 0 where the label wins."""

    columns: ClassVar = {"margin": Column()}

    def __init__(self, **kwargs: Any) -> None:
        super().__init__("margin()", **kwargs)

    def update(self, logits: Tensor, target: Tensor, image_ids: Tensor) -> None:
        self._take(self._read(["margin"], logits, target, image_ids))

    def _read(self, asked: Any, logits: Tensor, target: Tensor, image_ids: Tensor) -> Reading:
        others = logits.scatter(1, target[:, None], -torch.inf).amax(1)
        return Reading(image_ids, {"margin": others - logits.gather(1, target[:, None]).squeeze(1)})

    def _hardness(self, columns: Columns) -> Tensor:
        return columns["margin"]


class Strange(HardnessMetric[Any]):
    """How far the nearest example of the same label is; examples that are alone with their label take no part."""

    columns: ClassVar = {
        "logits": Column(None, rule="lowest_rank"),
        "target": Column((), torch.int64, "lowest_rank"),
    }

    def __init__(self, **kwargs: Any) -> None:
        super().__init__("strange()", **kwargs)

    def update(self, logits: Tensor, target: Tensor, image_ids: Tensor) -> None:
        self._take(self._read(["logits", "target"], logits, target, image_ids))

    def _read(self, asked: Any, logits: Tensor, target: Tensor, image_ids: Tensor) -> Reading:
        return Reading(image_ids, {"logits": logits, "target": target})

    def _hardness(self, columns: Columns) -> tuple[Tensor, Tensor]:
        embeddings, labels = F.normalize(columns["logits"], dim=-1), columns["target"]
        alike = (labels[:, None] == labels).fill_diagonal_(False)
        distance = (1 - embeddings @ embeddings.T).where(alike, 9.0)
        taking_part = alike.any(1).nonzero().squeeze(1)
        return taking_part, distance.amin(1)[taking_part] if len(taking_part) else embeddings.new_empty(0)


def examples() -> tuple[Tensor, Tensor, Tensor]:
    rng = torch.Generator().manual_seed(0)
    target = torch.randint(0, CLASSES - 1, (NUMBER,), generator=rng)
    target[3] = CLASSES - 1  # the only one
    return torch.randn(NUMBER, CLASSES, generator=rng), target, torch.randperm(NUMBER, generator=rng)


def batches(indices: Tensor) -> list[tuple[Tensor, ...]]:
    return [tuple(column[part] for column in examples()) for part in indices.split(4)]


def whole(kind: type[Margin | Strange]) -> Ranking:
    metric = kind()
    metric.update(*examples())
    return metric.compute()


@pytest.mark.parametrize("kind", [Margin, Strange])
def test_a_domain_ranks_its_examples(kind: type[Margin | Strange]) -> None:
    logits, target, ids = examples()
    ranking = whole(kind)
    if kind is Margin:
        wrong = logits.argmax(1) != target
        assert set(ranking.image_ids[ranking.hardness > 0].tolist()) == set(ids[wrong].tolist())
        assert (ranking.hardness < 0).any()
        metric = Margin()
        metric.update(logits, target, ids)
        assert metric.summary().share_in_error == pytest.approx(float(wrong.double().mean()))
    else:
        assert len(ranking.image_ids) == NUMBER - 1
        assert ids[3] not in ranking.image_ids


@pytest.mark.parametrize("collection", [HardnessCollection, MetricCollection])
@pytest.mark.parametrize("method", ["update", "forward"])
def test_domains_work_in_collections_and_in_forward(collection: Any, method: str) -> None:
    metrics = collection({"margin": Margin(), "strange": Strange(), "mean": Margin(reduction="mean")})
    given = batches(torch.arange(NUMBER))
    for batch in given:
        value = getattr(metrics, method)(*batch)
    result = metrics.compute()
    assert result["margin"] == whole(Margin)
    assert result["strange"].image_ids.tolist() == whole(Strange).image_ids.tolist()
    assert result["mean"] == pytest.approx(float(whole(Margin).hardness.mean()))
    if method == "forward":
        alone = Margin()
        alone.update(*given[-1])
        assert value["margin"] == alone.compute()


@pytest.mark.parametrize("number", [1, 2, 3])
def test_processes_with_padded_duplicates_rank_as_one_does(processes: Processes[Any], number: int) -> None:
    def work(rank: int) -> Any:
        indices = torch.arange(-(-NUMBER // number) * number) % NUMBER  # as a DistributedSampler pads
        metrics = HardnessCollection({"margin": Margin(), "strange": Strange()})
        for batch in batches(indices[rank::number]):
            metrics.update(*batch)
        return metrics.compute()

    for result in processes(number, work):
        assert result["margin"] == whole(Margin)
        assert result["strange"].image_ids.tolist() == whole(Strange).image_ids.tolist()
        torch.testing.assert_close(result["strange"].hardness, whole(Strange).hardness)


def test_of_embeddings_that_differ_between_processes_the_lowest_rank_s_count(processes: Processes[Any]) -> None:
    logits, target, ids = examples()

    def work(rank: int) -> Any:
        metric = Strange()
        if rank != 1:  # one that saw nothing
            metric.update(logits + rank, target, ids)
        return metric.compute()

    assert processes(3, work) == [whole(Strange)] * 3


@pytest.mark.parametrize("order", ["settings", "sequence"])
def test_processes_that_compute_different_metrics_are_refused_on_all(processes: Processes[Any], order: str) -> None:
    def work(rank: int) -> Any:
        class Other(Margin):
            pass

        first, second = Margin(), Other()
        second.settings = "other()"
        metrics = [first, second] if rank == 0 or order == "settings" else [second, first]
        if order == "settings" and rank == 1:
            metrics = [second]
        metrics[0].update(*examples())
        with pytest.raises(ValueError, match=r"Process 1 ranks by other\(\), but process 0 by margin\(\)"):
            metrics[0].compute()
        return True

    assert processes(2, work) == [True, True]


def test_hardness_that_is_no_number_is_refused_and_says_of_which_image() -> None:
    metric = Margin()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        metric.update(torch.tensor([[1.0, 2.0], [torch.nan, 0.0]]), torch.tensor([0, 0]), torch.tensor([4, 7]))
        with pytest.raises(ValueError, match="Image 7 has hardness"):
            metric.compute()


def test_an_example_that_comes_twice_with_other_values_is_refused() -> None:
    metric = Strange()
    logits, target, ids = examples()
    metric.update(logits, target, ids)
    metric.update(logits[:1] + 1, target[:1], ids[:1])
    with pytest.raises(ValueError, match=f"Image {int(ids[0])} came twice"):
        metric.compute()
