"""What training did to images, exact whatever the batches and processes."""

import copy
import csv
import json
import math
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from hardest_metrics import Dynamics, functional
from hardest_metrics.dynamics import TrainingDynamics
from tests.functional.classification.test_hardness import inputs_of_goldens
from tests.test_distributed import Processes
from tests.test_distributed import processes as processes

NUMBER, EPOCHS = 23, 6


def told(epoch: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    rng = torch.Generator().manual_seed(epoch)
    ids = torch.randperm(NUMBER, generator=torch.Generator().manual_seed(9)) * 5
    confidence = torch.rand(NUMBER, generator=rng).double()
    return ids, 100 + torch.randn(NUMBER, generator=rng).double(), confidence < 0.4, confidence


def whole(epochs: int = EPOCHS) -> TrainingDynamics:
    dynamics = Dynamics()
    for epoch in range(epochs):
        dynamics.update(epoch, *told(epoch))
    return dynamics.compute()


def same(one: TrainingDynamics, other: TrainingDynamics) -> bool:
    return all(torch.equal(a, b) for a, b in zip(one, other, strict=True))


def test_values_are_those_of_the_golden_file(shared_data: Path) -> None:
    golden = json.loads((shared_data / "goldens" / "evaluators.json").read_text())["dynamics"]
    given, made = golden["inputs"], inputs_of_goldens(shared_data)
    seed, n, k, epochs = (given[name] for name in ("seed", "n", "classes", "epochs"))
    start = made.logits(seed, n, k)
    labels = torch.tensor(made.labels(seed + 1, start, 0.7))
    dynamics, of_el2n = Dynamics(), Dynamics()
    for epoch in range(epochs):
        rows = made.mixed(start, made.logits(seed + 10 + epoch, n, k), (epoch + 1) / (epochs + 1))
        logits = torch.tensor(rows)
        wrong = functional.topk_miss(logits, labels).bool()
        confidence = 1 - functional.confidence(logits, labels)
        ids = torch.arange(n)
        dynamics.update(epoch, ids, functional.logit_margin(logits, labels), wrong, confidence)
        of_el2n.update(epoch, ids, functional.el2n(logits, labels), wrong)
    found = dynamics.compute()

    def expected(start_of_name: str) -> Tensor:
        (values,) = (values for name, values in golden.items() if name.startswith(start_of_name))
        return torch.tensor(values)

    close: Any = lambda a, b: torch.testing.assert_close(a, b.double(), rtol=0, atol=1e-6)  # noqa: E731
    close(found.aum, expected("aum"))
    close(found.confidence, expected("cartography confidence"))
    close(found.variability, expected("cartography variability"))
    close(of_el2n.compute().hardness, expected("el2n averaged"))
    assert found.correctness.tolist() == expected("cartography correctness").tolist()
    assert found.forgetting.tolist() == expected("forgetting events").tolist()
    assert found.forgetting_score.tolist() == expected("forgetting score").tolist()
    assert found.first_right.tolist() == expected("learnt_at").tolist()


def test_values_are_those_of_the_whole_history() -> None:
    found = whole()
    by_epoch = [told(epoch) for epoch in range(EPOCHS)]
    order = by_epoch[0][0].argsort()
    hardness, wrong, confidence = (torch.stack([values[place][order] for values in by_epoch]) for place in (1, 2, 3))
    right = ~wrong
    torch.testing.assert_close(found.hardness, hardness.mean(0))
    torch.testing.assert_close(found.confidence, confidence.mean(0))
    torch.testing.assert_close(found.variability, confidence.std(0, correction=0))
    assert torch.equal(found.correctness, right.sum(0))
    assert torch.equal(found.forgetting, (right[:-1] & wrong[1:]).sum(0))
    first = torch.where(right.any(0), right.int().argmax(0), -1)
    assert torch.equal(found.first_right, first)


def test_batches_and_images_that_come_later_or_stay_away_make_no_difference() -> None:
    dynamics = Dynamics()
    for epoch in range(EPOCHS):
        ids, *values = told(epoch)
        for part in torch.randperm(NUMBER).split(3):
            dynamics.update(epoch, ids[part], *(value[part] for value in values))
    assert same(dynamics.compute(), whole())

    dynamics = Dynamics()
    dynamics.update(3, torch.tensor([7]), torch.tensor([2.0]), torch.tensor([False]))
    dynamics.update(8, torch.tensor([9]), torch.tensor([4.0]), torch.tensor([True]))
    dynamics.update(9, torch.tensor([7]), torch.tensor([4.0]), torch.tensor([True]))
    found = dynamics.compute()
    assert found.epochs.tolist() == [2, 1]
    assert found.hardness.tolist() == [3, 4]
    assert found.variability.tolist() == [1, 0]
    assert found.forgetting.tolist() == [1, 0]
    assert found.first_right.tolist() == [3, -1]
    assert found.confidence.isnan().all()


def test_hardness_that_hardly_varies_keeps_its_digits() -> None:
    dynamics = Dynamics()
    for epoch in range(4):
        hardness = torch.tensor([1e8 + epoch % 2], dtype=torch.float64)
        dynamics.update(epoch, torch.tensor([0]), hardness, torch.tensor([True]))
    assert float(dynamics.compute().variability) == pytest.approx(0.5)


@pytest.mark.parametrize("epochs", [0, 1, 3])
def test_a_state_is_gone_on_from(epochs: int, tmp_path: Path) -> None:
    dynamics = Dynamics()
    for epoch in range(epochs):
        dynamics.update(epoch, *told(epoch))
    if epochs:  # in the middle of one
        dynamics.update(epochs, *(values[:5] for values in told(epochs)))
    torch.save(dynamics.state_dict(), tmp_path / "state.pt")
    again = Dynamics()
    again.load_state_dict(torch.load(tmp_path / "state.pt", weights_only=True))
    for epoch in range(epochs, EPOCHS):
        again.update(epoch, *told(epoch))
    assert same(again.compute(), whole())


@pytest.mark.parametrize("number", [2, 3])
def test_processes_with_padded_duplicates_equal_one(processes: Processes[Any], number: int) -> None:
    def work(rank: int) -> Any:
        dynamics = Dynamics()
        for epoch in range(EPOCHS):
            ids, *values = told(epoch)
            shuffled = torch.randperm(NUMBER, generator=torch.Generator().manual_seed(epoch))
            indices = torch.cat((shuffled, shuffled))[: -(-NUMBER // number) * number]
            for part in indices[rank::number].split(4):
                dynamics.update(epoch, ids[part], *(value[part] for value in values))
            dynamics.gather()
        return tuple(dynamics.compute())

    expected = whole()
    for found in processes(number, work):
        assert same(TrainingDynamics(*found), expected)


def test_a_process_that_sees_nothing_knows_everything(processes: Processes[Any]) -> None:
    def work(rank: int) -> Any:
        dynamics = Dynamics()
        for epoch in range(EPOCHS):
            if rank == epoch % 2:
                dynamics.update(epoch, *told(epoch))
            dynamics.gather()
        return tuple(dynamics.compute())

    for found in processes(2, work):
        assert same(TrainingDynamics(*found), whole())


def test_of_two_that_saw_an_image_the_harder_counts() -> None:
    one, other = Dynamics(), Dynamics()
    ids = torch.tensor([4])
    one.update(0, ids, torch.tensor([1.0]), torch.tensor([False]), torch.tensor([0.9]))
    other.update(0, ids, torch.tensor([2.0]), torch.tensor([True]), torch.tensor([0.4]))
    merged = copy.deepcopy(one)
    merged.merge(other)
    other.merge(one)
    assert same(merged.compute(), other.compute())
    found = merged.compute()
    assert (found.hardness.item(), found.correctness.item(), found.epochs.item()) == (2, 0, 1)
    assert found.confidence.item() == pytest.approx(0.4)


def test_parts_that_know_different_pasts_are_refused(processes: Processes[Any]) -> None:
    def work(rank: int) -> bool:
        dynamics = Dynamics()
        for epoch in range(2):
            dynamics.update(epoch, *(values[rank::2] for values in told(epoch)))
        with pytest.raises(ValueError, match="call `gather` in all processes at the end"):
            dynamics.gather()
        return True

    assert processes(2, work) == [True, True]


def test_a_table_is_written_hardest_first(tmp_path: Path) -> None:
    dynamics = Dynamics()
    for epoch in range(EPOCHS):
        dynamics.update(epoch, *told(epoch))
    dynamics.write(tmp_path / "dynamics.csv")
    with (tmp_path / "dynamics.csv").open() as file:
        rows = list(csv.DictReader(file))
    found = dynamics.compute()
    assert list(rows[0]) == ["rank", "image_id", "hardness", "epochs", "aum", "confidence", "variability",
                             "correctness", "forgetting", "first_right"]  # fmt: skip
    assert [float(row["hardness"]) for row in rows] == sorted((float(row["hardness"]) for row in rows), reverse=True)
    by_id = {int(row["image_id"]): row for row in rows}
    for place, image_id in enumerate(found.image_ids.tolist()):
        assert float(by_id[image_id]["aum"]) == float(found.aum[place])
        assert int(by_id[image_id]["first_right"]) == int(found.first_right[place])


@pytest.mark.parametrize(
    ("given", "error", "message"),
    [
        ({"epoch": -1}, ValueError, "`epoch` must be a whole number"),
        ({"epoch": 0}, ValueError, "`epoch` is 0, but 1 began already"),
        ({"image_ids": torch.tensor([1.0])}, TypeError, "`image_ids` must be"),
        ({"hardness": torch.tensor([math.nan])}, ValueError, "`hardness` of image 4 is nan"),
        ({"hardness": torch.tensor([1.0, 2.0])}, ValueError, "`hardness` must have shape"),
        ({"wrong": torch.tensor([1])}, TypeError, "`wrong` must be bool"),
        ({"confidence": torch.tensor([1.5])}, ValueError, "`confidence` of image 4 is 1.5"),
        ({"confidence": None}, ValueError, "in every update or in none"),
        ({"epoch": 1, "hardness": torch.tensor([9.0])}, ValueError, "Image 4 came twice in epoch 1"),
    ],
)
def test_what_makes_no_sense_is_refused_and_changes_nothing(given: Any, error: Any, message: str) -> None:
    fine: dict[str, Any] = {
        "epoch": 1,
        "image_ids": torch.tensor([4]),
        "hardness": torch.tensor([1.0]),
        "wrong": torch.tensor([True]),
        "confidence": torch.tensor([0.3]),
    }
    dynamics = Dynamics()
    dynamics.update(**fine)
    before = dynamics.compute()
    with pytest.raises(error, match=message):
        dynamics.update(**(fine | {"epoch": 2} | given))
    assert same(dynamics.compute(), before)


def test_what_contradicts_an_earlier_batch_is_refused_before_it_is_taken() -> None:
    dynamics = Dynamics()
    ids = torch.arange(100)
    dynamics.update(0, ids, torch.ones(100), torch.zeros(100).bool())
    for _ in range(2):
        with pytest.raises(ValueError, match="Image 7 came twice in epoch 0, with different results"):
            dynamics.update(0, torch.tensor([7, 500]), torch.tensor([2.0, 1.0]), torch.zeros(2).bool())
    assert dynamics.compute().image_ids.tolist() == ids.tolist()
    dynamics.update(0, torch.tensor([7]), torch.ones(1), torch.zeros(1).bool())
    dynamics.update(1, ids, torch.ones(100), torch.zeros(100).bool())
    assert dynamics.compute().epochs.tolist() == [2] * 100
