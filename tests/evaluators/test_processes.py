"""Several processes evaluate together as one would."""

from pathlib import Path
from typing import Any

import torch

from hardest_metrics.evaluators import COCOEvaluator, ImageNetEvaluator
from hardest_metrics.results import RunStore
from tests.evaluators.test_coco import scene
from tests.keyed import labels_of, logits_of
from tests.test_distributed import Processes
from tests.test_distributed import processes as processes

Said = tuple[dict[str, float], str, bool, int]


def loop(evaluator: Any, batches: list[Any]) -> Said:
    asked = 0
    for batch in batches:
        evaluator.add(batch)
        asked += 1
        if evaluator.cache_exists:
            break
    results = evaluator.get_results()
    run = evaluator.save()
    return results, run.id, run.kept, asked


def test_classifiers(processes: Processes[Said], tmp_path: Path) -> None:
    labels, logits = labels_of(101), logits_of(101)
    keys = list(logits)

    def act(rank: int, store: str) -> Said:
        mine = range(
            rank, 102, 3
        )  # as a DistributedSampler has it: image 0 comes twice, in batches that round otherwise
        given = [(keys[place % 101], logits[keys[place % 101]] + (1e-6 if place == 101 else 0)) for place in mine]
        batches = [dict(given[start : start + 6]) for start in range(0, 34, 6)]
        return loop(ImageNetEvaluator(labels, store=tmp_path / store, fingerprint=b"weights"), batches)

    alone = ImageNetEvaluator(labels, store=tmp_path / "alone.db")
    alone.add(logits)
    first = processes(3, lambda rank: act(rank, "runs.db"))
    assert [results for results, *_ in first] == [alone.get_results()] * 3
    assert len({said[1] for said in first}) == 1
    store = RunStore(tmp_path / "runs.db")
    (run,) = store.runs()
    assert (run.id, run.images) == (first[0][1], 101)
    assert store.ranking(run).image_ids.tolist() == alone.ranking().image_ids.tolist()
    torch.testing.assert_close(store.ranking(run).hardness, alone.ranking().hardness, rtol=0, atol=1e-5)
    second = processes(3, lambda rank: act(rank, "runs.db"))
    assert [said[:3] for said in second] == [(alone.get_results(), run.id, True)] * 3
    assert {said[3] for said in second} == {second[0][3]}
    assert second[0][3] < first[0][3] == 6
    assert len(store.runs()) == 1


def test_a_change_that_one_process_sees_is_heard_by_all(processes: Processes[Said], tmp_path: Path) -> None:
    labels, logits = labels_of(40), logits_of(40)
    alone = ImageNetEvaluator(labels, store=tmp_path / "runs.db")
    alone.add(logits)
    alone.save()

    def act(rank: int) -> Said:
        mine = {key: row for place, (key, row) in enumerate(logits.items()) if place % 2 == rank}
        if rank == 1:
            last = list(mine)[-1]
            mine[last] = -mine[last]
        return loop(ImageNetEvaluator(labels, store=tmp_path / "runs.db"), [mine])

    said = processes(2, act)
    assert [kept for _, _, kept, _ in said] == [False, False]
    assert len(RunStore(tmp_path / "runs.db").runs()) == 2


def test_missing_images_are_refused_on_all(processes: Processes[str], tmp_path: Path) -> None:
    labels, logits = labels_of(10), logits_of(10)

    def act(rank: int) -> str:
        evaluator = ImageNetEvaluator(labels, store=tmp_path / "runs.db")
        if rank == 0:
            evaluator.add(dict(list(logits.items())[:7]))
        try:
            evaluator.save()
        except ValueError as error:
            return str(error)
        return "saved"

    assert all(said.startswith("3 of 10 images are missing") for said in processes(2, act))


def test_a_store_that_is_no_store_is_refused_on_all(processes: Processes[str], tmp_path: Path) -> None:
    (tmp_path / "runs.db").write_text("nonsense" * 1000)

    def act(rank: int) -> str:
        evaluator = ImageNetEvaluator(labels_of(10), store=tmp_path / "runs.db")
        try:
            return str(evaluator.cache_exists)
        except ValueError as error:
            return str(error)

    assert all("is no database" in said for said in processes(2, act))


def test_detectors(processes: Processes[Said], tmp_path: Path) -> None:
    annotations, results = scene(41)
    alone = COCOEvaluator(annotations, store=tmp_path / "alone.db")
    alone.add(results)

    def act(rank: int) -> Said:
        images = [place % 41 + 1 for place in range(rank, 42, 2)]
        batches = [
            [one for one in results if one["image_id"] in images[start : start + 5]] for start in range(0, 21, 5)
        ]
        return loop(COCOEvaluator(annotations, store=tmp_path / "runs.db"), batches)

    first, second = processes(2, act), processes(2, act)
    assert [said[0] for said in first + second] == [alone.get_results()] * 4
    assert [said[2] for said in first + second] == [False, False, True, True]
    assert second[0][3] < first[0][3]
