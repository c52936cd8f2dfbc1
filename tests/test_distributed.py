"""Several processes rank images together as one would, and none waits for another that has failed."""

import datetime
import itertools
import multiprocessing
import pickle
import warnings
from collections.abc import Callable, Iterator
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, TypeVar

import pytest
import torch
import torch.distributed as dist
from torch import Tensor
from torchmetrics import MetricCollection

from hardest_metrics import (
    ConfusionPairs,
    ErrorsOfKind,
    FalseNegatives,
    FalsePositives,
    HardnessCollection,
    HardnessMetric,
    Ranking,
    TotalFalse,
)
from tests.functional.detection.shape_scenes import keypoint_scenes, mask_scenes
from tests.scenes import BIG_ID, Batch, Scenery, false_alarms

Result = TypeVar("Result")

#: Runs a function of the rank in that many processes and gives what each returns.
Processes = Callable[[int, Callable[[int], Result]], list[Result]]

#: What a process waits for another, and the test for all of them.
PATIENCE = datetime.timedelta(seconds=30)


@pytest.fixture
def processes(tmp_path: Path) -> Iterator[Any]:
    """Forked processes that talk by gloo. The test fails if one fails or hangs."""
    context = multiprocessing.get_context("fork")
    started: list[multiprocessing.process.BaseProcess] = []

    def run(world_size: int, work: Callable[[int], Any]) -> list[Any]:
        store = tmp_path / f"store_{len(started)}"
        connections = []
        for rank in range(world_size):
            receiver, sender = context.Pipe(duplex=False)
            process = context.Process(target=_work, args=(work, rank, world_size, store, sender))
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", DeprecationWarning)  # of forking beside idle threads
                process.start()
            sender.close()
            connections.append(receiver)
            started.append(process)
        return [_result(rank, receiver) for rank, receiver in enumerate(connections)]

    yield run
    for process in started:
        process.kill()
        process.join()


def _work(work: Callable[[int], Any], rank: int, world_size: int, store: Path, sender: Connection) -> None:
    warnings.simplefilter("ignore")  # a process that saw no image is warned of it
    torch.set_num_threads(1)  # threads do not survive a fork
    try:
        dist.init_process_group("gloo", f"file://{store}", rank=rank, world_size=world_size, timeout=PATIENCE)
        result = work(rank)
    except BaseException as error:
        sender.send_bytes(pickle.dumps((False, f"{type(error).__name__}: {error}")))
    else:
        # pickled here: a process would share memory for its tensors, which ends with it
        sender.send_bytes(pickle.dumps((True, result)))
        dist.destroy_process_group()  # last: of torch 2.4 it may wait for its own threads for ever


def _result(rank: int, receiver: Connection) -> Any:
    if not receiver.poll(2 * PATIENCE.total_seconds()):
        pytest.fail(f"process {rank} hangs")
    succeeded, result = pickle.loads(receiver.recv_bytes())
    if not succeeded:
        pytest.fail(f"process {rank} failed: {result}")
    return result


def shard(batches: list[Batch], rank: int, sizes: tuple[int, ...]) -> list[Batch]:
    """The batches of one rank where rank `r` has ``sizes[r]`` of them."""
    first = sum(sizes[:rank])
    return batches[first : first + sizes[rank]]


def epoch(number: int) -> list[Batch]:
    batches = [Scenery().draw(6, seed) for seed in range(number)]
    for index, (_, target) in enumerate(batches):
        for image in target:
            image["image_id"] += 6 * index
    return batches


def measured(metric: Any, batches: list[Batch]) -> Any:
    for batch in batches:
        metric.update(*batch)
    return metric


# Processes


@pytest.mark.parametrize("sizes", [(2, 3), (5, 0), (0, 5), (1, 3, 1), (4, 0, 1), (0, 0, 5)])
def test_processes_rank_images_as_one_does(processes: Processes[Any], sizes: tuple[int, ...]) -> None:
    batches = epoch(5)

    def work(rank: int) -> Any:
        return measured(TotalFalse("pixel"), shard(batches, rank, sizes)).compute()

    expected = measured(TotalFalse("pixel"), batches).compute()
    assert processes(len(sizes), work) == [expected] * len(sizes)
    assert expected.image_ids.max() > 2**53


@pytest.mark.parametrize("sizes", [(3, 1), (0, 4), (2, 0, 2)])
def test_kinds_labels_and_confusions_are_those_of_one_process(
    processes: Processes[Any], sizes: tuple[int, ...]
) -> None:
    batches = epoch(4)

    def collection() -> HardnessCollection:
        metrics = HardnessCollection.by_label(TotalFalse("pixel"), {1: "1", 2: "2"})
        metrics.add_metrics({"kind": ErrorsOfKind("background"), "confusion": ConfusionPairs()})
        return metrics

    def work(rank: int) -> Any:
        # the last batch comes to every process that sees any, as samplers repeat images: they count once
        own = shard(batches, rank, sizes)
        found = measured(collection(), [*own, batches[-1]] if own else own).compute()
        return {**found, "confusion": [column.tolist() for column in found["confusion"]]}

    expected = measured(collection(), batches).compute()
    expected = {**expected, "confusion": [column.tolist() for column in expected["confusion"]]}
    assert expected["confusion"][2][0] > 1
    assert processes(len(sizes), work) == [expected] * len(sizes)


@pytest.mark.parametrize("iou_type", ["segm", "keypoints"])
@pytest.mark.parametrize("sizes", [(6, 4), (10, 0)])
def test_processes_rank_masks_and_keypoints_as_one_does(
    processes: Processes[Any], sizes: tuple[int, ...], iou_type: Any
) -> None:
    preds, target = mask_scenes(10, seed=5) if iou_type == "segm" else keypoint_scenes(10, seed=5)
    expected = TotalFalse("overlap", iou_type=iou_type, box_format="xywh")
    expected.update(preds, target)

    def work(rank: int) -> Any:
        metric = TotalFalse("overlap", iou_type=iou_type, box_format="xywh")
        start = sum(sizes[:rank])
        for first in range(start, start + sizes[rank], 3):
            batch = slice(first, min(first + 3, start + sizes[rank]))
            metric.update(preds[batch], target[batch])
        return [column.tolist() for column in metric.compute()]

    assert processes(len(sizes), work) == [[column.tolist() for column in expected.compute()]] * len(sizes)


def test_confusions_of_images_without_ids_are_refused_by_all_processes(processes: Processes[Any]) -> None:
    def work(rank: int) -> str:
        metric = ConfusionPairs()
        if rank == 0:
            metric.update(*false_alarms(1, first_id=None))
        with pytest.raises(ValueError, match="1 images came without 'image_id', but several processes run"):
            metric.compute()
        return "refused"

    assert processes(2, work) == ["refused"] * 2


@pytest.mark.parametrize("sizes", [(3, 1), (0, 4), (2, 0, 2)])
@pytest.mark.parametrize("method", ["update", "forward"])
def test_a_collection_of_definitions_is_ranked_as_in_one_process(
    processes: Processes[Any], sizes: tuple[int, ...], method: str
) -> None:
    batches = epoch(4)

    def collection() -> MetricCollection:
        definitions: list[Any] = [FalsePositives, FalseNegatives, TotalFalse]
        metrics = {
            f"{definition.__name__}_{weighting}": definition(weighting=weighting)
            for definition in definitions
            for weighting in ("none", "pixel", "overlap")
        }
        return MetricCollection({**metrics, "mean": TotalFalse(reduction="mean")})

    def work(rank: int) -> Any:
        metrics = collection()
        for batch in shard(batches, rank, sizes):
            getattr(metrics, method)(*batch)
        first, again = metrics.compute(), metrics.compute()
        assert first == again
        return first

    assert processes(len(sizes), work) == [measured(collection(), batches).compute()] * len(sizes)


def test_no_process_saw_an_image(processes: Processes[Any]) -> None:
    def work(rank: int) -> Any:
        metric = TotalFalse()
        if rank:
            metric.update([], [])
        return repr(metric.compute()), measured(TotalFalse(reduction="sum"), []).compute()

    assert processes(3, work) == [("Ranking(0 images)", 0)] * 3


@pytest.mark.parametrize("reduction", ["mean", "sum", "max"])
def test_a_reduction_counts_repeated_images_once(processes: Processes[Any], reduction: Any) -> None:
    shards = [false_alarms(4, 1, 3), false_alarms(4, 6, first_id=2)]  # image 2 with 3 and with 4

    def work(rank: int) -> Any:
        return measured(FalsePositives(reduction=reduction), [shards[rank]]).compute()

    expected = {"mean": 15 / 4, "sum": 15, "max": 6}[reduction]
    assert processes(2, work) == [expected] * 2


@pytest.mark.parametrize("order", [*itertools.permutations(range(3))], ids=str)
def test_of_a_repeated_image_the_larger_result_counts(processes: Processes[Any], order: tuple[int, ...]) -> None:
    def work(rank: int) -> Any:
        # the last images of a sampler that pads: the same images, larger by a rounding error or two
        size = (100, 200 - 1e-4 * order[rank])
        batches = [false_alarms(1 + rank, first_id=rank), false_alarms(4, 0, 2, first_id=BIG_ID, size=size)]
        return measured(FalsePositives("pixel"), batches).compute()

    alone = [false_alarms(1, 2, 3), false_alarms(4, 0, 2, first_id=BIG_ID, size=(100, 200 - 2e-4))]
    expected = measured(FalsePositives("pixel"), alone).compute()
    smaller = measured(FalsePositives("pixel"), [false_alarms(4, first_id=BIG_ID)]).compute()
    assert expected.hardness[0] > smaller.hardness[0]
    assert processes(3, work) == [expected] * 3


def test_an_epoch_goes_on_after_it_was_computed(processes: Processes[Any]) -> None:
    batches = epoch(6)

    def work(rank: int) -> Any:
        metric, results = TotalFalse(), []
        for index in range(3):
            metric.update(*batches[2 * index + rank])
            results.append(metric.compute())
        metric.reset()
        metric.update(*batches[rank])
        return [*results, metric.compute()]

    expected = [measured(TotalFalse(), batches[:stop]).compute() for stop in (2, 4, 6, 2)]
    assert processes(2, work) == [expected] * 2


def test_a_step_may_be_ranked_by_all_processes_at_once(processes: Processes[Any]) -> None:
    batches = epoch(4)

    def work(rank: int) -> Any:
        metric = TotalFalse(dist_sync_on_step=True)
        steps = [metric(*batches[2 * index + rank]) for index in range(2)]
        seen = sum(len(chunk) for chunk in metric.image_ids)
        return [*steps, seen, metric.compute()]

    steps = [measured(TotalFalse(), batches[start : start + 2]).compute() for start in (0, 2)]
    whole = measured(TotalFalse(), batches).compute()
    assert processes(2, work) == [[*steps, 12, whole]] * 2


def test_a_step_is_ranked_by_its_own_process_otherwise(processes: Processes[Any]) -> None:
    batches = epoch(4)

    def work(rank: int) -> Any:
        metric = TotalFalse()
        return [metric(*batch) for batch in shard(batches, rank, (1, 3))]

    found = processes(2, work)
    expected = [measured(TotalFalse(), [batch]).compute() for batch in batches]
    assert [*found[0], *found[1]] == expected


def test_a_process_may_rank_its_own_images_alone(processes: Processes[Any]) -> None:
    def work(rank: int) -> Any:
        batch = false_alarms(*range(rank + 1), first_id=None)
        metric = measured(FalsePositives(sync_on_compute=False), [batch])
        return metric.compute().image_ids.tolist()

    assert processes(3, work) == [[0], [1, 0], [2, 1, 0]]


def test_a_group_of_processes_may_rank_its_images(processes: Processes[Any]) -> None:
    def work(rank: int) -> Any:
        group = dist.new_group([0, 2])
        metric = measured(FalsePositives(process_group=group), [false_alarms(rank, first_id=rank)])
        return metric.compute().image_ids.tolist() if rank != 1 else None

    assert processes(3, work) == [[2, 0], None, [2, 0]]


def test_a_state_can_be_synced_by_hand_and_back(processes: Processes[Any]) -> None:
    batches = epoch(3)

    def work(rank: int) -> Any:
        metric = measured(TotalFalse(), shard(batches, rank, (1, 2)))
        metric.sync()
        together = sum(len(chunk) for chunk in metric.image_ids)
        with pytest.raises(Exception, match=r"sync"):
            metric(*batches[0])
        metric.unsync()
        return together, sum(len(chunk) for chunk in metric.image_ids), metric.compute()

    whole = measured(TotalFalse(), batches).compute()
    assert processes(2, work) == [(18, 6, whole), (18, 12, whole)]


def test_a_plot_shows_the_images_of_all_processes(processes: Processes[Any]) -> None:
    def work(rank: int) -> Any:
        metric = measured(FalsePositives(), [false_alarms(1, 2, first_id=2 * rank)])
        _, axes = metric.plot()
        seen = sum(len(chunk) for chunk in metric.image_ids)
        return sum(bar.get_height() for bar in axes.patches), seen

    assert processes(2, work) == [(4, 2)] * 2


def test_a_batch_refused_in_one_process_does_not_stop_the_others(processes: Processes[Any]) -> None:
    batches = epoch(2)

    def work(rank: int) -> Any:
        metric = TotalFalse()
        for method in (metric.update, metric):
            if rank == 1:
                preds, target = false_alarms(1)
                preds[0]["scores"] += 1
                with pytest.raises(ValueError, match="scores"):
                    method(preds, target)
        return measured(metric, [batches[rank]]).compute()

    assert processes(2, work) == [measured(TotalFalse(), batches).compute()] * 2


#: Batches of three processes that cannot be ranked, and what each says of them.
UNRANKABLE: dict[str, tuple[list[list[Batch]], str]] = {
    "no ids at all": (
        [[false_alarms(1, first_id=None)]] * 3,
        "'image_id', but 3 processes run: give every image its id",
    ),
    "no ids in one process": (
        [[false_alarms(1)], [false_alarms(1, first_id=None)], [false_alarms(1, first_id=1)]],
        "Process 1 saw images without 'image_id', but 3 processes run: give",
    ),
    "no ids in one process, no images in another": (
        [[], [false_alarms(1, first_id=None)], [false_alarms(1)]],
        "Process 1 saw images without 'image_id', but 3 processes run: give",
    ),
    "ids of some images of one process": (
        [[false_alarms(1)], [], [false_alarms(1, first_id=7), false_alarms(2, 3, first_id=None)]],
        "2 of 3 images came without 'image_id'.* such as 7: give",
    ),
    "an image twice in one process, with different results": (
        [[false_alarms(1)], [false_alarms(1, first_id=BIG_ID), false_alarms(2, first_id=BIG_ID)], []],
        f"Image {BIG_ID} came twice in process 1, with different results: `reset",
    ),
}


@pytest.mark.parametrize("name", UNRANKABLE)
def test_what_one_process_cannot_rank_all_refuse_and_go_on(processes: Processes[Any], name: str) -> None:
    shards, says = UNRANKABLE[name]

    def work(rank: int) -> Any:
        metrics = MetricCollection({"a": FalsePositives(), "b": FalsePositives("pixel")})
        metrics.update([], [])
        for batch in shards[rank]:
            metrics.update(*batch)
        metric: Any = metrics["b"]
        for _ in range(2):
            with pytest.raises(ValueError, match=says):
                metric.compute()
        metric.update(*false_alarms(2, first_id=10 + rank))  # it takes batches ...
        with pytest.raises(ValueError, match=r"'image_id'|came twice|has no size"):
            metric.compute()
        metric.reset()  # ... starts anew ...
        metric.update(*false_alarms(2, first_id=10 + rank))
        first = metric.compute().image_ids.tolist()
        metric(*false_alarms(3, first_id=20 + rank))  # ... and goes on
        return first, metric.compute().image_ids.tolist()

    expected = [10, 11, 12], [20, 21, 22, 10, 11, 12]
    assert processes(3, work) == [expected] * 3


def test_a_refused_step_keeps_the_epoch_of_every_process(processes: Processes[Any]) -> None:
    def work(rank: int) -> Any:
        metric = measured(FalsePositives(dist_sync_on_step=True), [false_alarms(5, first_id=rank)])
        with pytest.raises(ValueError, match="Process 1 saw images without 'image_id'"):
            metric(*false_alarms(1, first_id=None if rank == 1 else 7))
        metric(*false_alarms(4, first_id=10 + rank))
        return metric.compute().image_ids.tolist()

    assert processes(2, work) == [[0, 1, 10, 11]] * 2


# Processes that are only simulated, to try more of them


def together(metrics: list[Any]) -> None:
    """Make each metric believe that it runs in a process of its own, beside the others."""

    def gather(tensor: Tensor, group: Any = None) -> list[Tensor]:
        # each metric's own in turn: settings, ids, then its columns
        part = next(parts)
        if part == "settings":
            return [tensor] * len(metrics)
        return [
            metric._images().image_ids if part == "image_ids" else metric._images().columns[part] for metric in metrics
        ]

    parts = itertools.cycle(["settings", "image_ids", *metrics[0].columns])
    for metric in metrics:
        metric.dist_sync_fn = gather
        metric.distributed_available_fn = lambda: True


@pytest.mark.parametrize("seed", range(5))
def test_images_are_ranked_alike_however_they_are_sharded_and_padded(seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    ids = torch.randperm(40, generator=generator)
    number = int(torch.randint(1, 9, (), generator=generator))
    metrics: list[Any] = [FalsePositives("overlap") for _ in range(number)]
    for rank, metric in enumerate(metrics):
        # every process sees some of its images twice, and some of the next one's
        own = ids[rank::number]
        seen = torch.cat((own, own[:2], ids[(rank + 1) % number :: number][:3]))
        for image_id in seen.tolist():
            metric.update(*false_alarms(image_id % 7, first_id=image_id))
    together(metrics)
    alone = measured(FalsePositives("overlap"), [false_alarms(i % 7, first_id=i) for i in range(40)])
    assert [metric.compute() for metric in metrics] == [alone.compute()] * number


def test_larger_results_count_in_any_order_of_processes() -> None:
    shards = [false_alarms(1, 5, 3), false_alarms(4, 2, 3), false_alarms(2, 2, 2)]
    for order in itertools.permutations(shards):
        metrics = [measured(FalsePositives(), [batch]) for batch in order]
        together(metrics)
        expected = Ranking(torch.tensor([1, 0, 2]), torch.tensor([5.0, 4, 3]))
        assert [metric.compute() for metric in metrics] == [expected] * 3


def test_one_process_alone_needs_no_ids() -> None:
    metrics = [measured(FalsePositives(), [false_alarms(1, 2, first_id=None)])]
    together(metrics)
    assert metrics[0].compute().image_ids.tolist() == [1, 0]


@pytest.mark.parametrize("fails_at", [0, 1, 2, 3])
def test_a_connection_that_breaks_leaves_the_metric_as_it_was(fails_at: int) -> None:
    metric: HardnessMetric[Any] = measured(FalsePositives(), [false_alarms(1, 2)])
    gathered: list[Tensor] = []

    def broken(tensor: Tensor, group: Any = None) -> list[Tensor]:
        gathered.append(tensor)
        if len(gathered) > fails_at:
            raise ConnectionError("closed by peer")
        return [tensor, tensor]

    metric.dist_sync_fn = broken
    metric.distributed_available_fn = lambda: True
    for _ in range(2):
        with pytest.raises(ConnectionError):
            metric.compute()
    metric.distributed_available_fn = lambda: False
    metric.update(*false_alarms(3, first_id=2))
    result = metric.compute()
    assert isinstance(result, Ranking)
    assert result.image_ids.tolist() == [2, 1, 0]
