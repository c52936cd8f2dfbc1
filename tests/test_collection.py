"""A collection that knows who shares."""

import copy
import pickle
from collections.abc import Callable, Iterator
from typing import Any

import matplotlib.pyplot as plt
import pytest
import torch
from torch import Tensor
from torchmetrics import MetricCollection
from torchmetrics.detection import MeanAveragePrecision
from torchmetrics.functional import spearman_corrcoef

from hardest_metrics import (
    CrossEntropy,
    ErrorsOfKind,
    ExpectedHardness,
    FalseNegatives,
    FalsePositives,
    HardnessCollection,
    Ranking,
    TotalFalse,
)
from hardest_metrics.agreement import Kendall, Spearman
from hardest_metrics.detection.errors_of_kind import KINDS as ERROR_KINDS
from hardest_metrics.functional import Query
from tests.scenes import Batch, Scenery, epoch, false_alarms

KINDS = (FalsePositives, FalseNegatives, TotalFalse)


def nine(**settings: Any) -> dict[str, Any]:
    return {f"{kind.__name__}_{w}": kind(w, **settings) for kind in KINDS for w in ("none", "pixel", "overlap")}


def alone(batches: list[Batch], **settings: Any) -> dict[str, Ranking]:
    metrics = nine(**settings)
    for metric in metrics.values():
        for batch in batches:
            metric.update(*batch)
    return {name: metric.compute() for name, metric in sorted(metrics.items())}


@pytest.fixture
def measurements(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many images are packed, each time."""
    sizes: list[int] = []
    packed = TotalFalse._packed

    def counted(self: TotalFalse, asked: Any, preds: Any, target: Any) -> Any:
        sizes.append(len(preds))
        return packed(self, asked, preds, target)

    for kind in KINDS:
        monkeypatch.setattr(kind, "_packed", counted)
    return sizes


@pytest.mark.parametrize("methods", ["uuuuuu", "ffffff", "ufufcu", "fuucuf"])
def test_it_gives_what_its_members_give_alone_and_measures_once(methods: str, measurements: list[int]) -> None:
    batches = epoch()
    expected = [alone([batch]) for batch in batches], alone(batches)
    measurements.clear()
    metrics = HardnessCollection(nine())
    for index, (method, batch) in enumerate(zip(methods, batches, strict=True)):
        if method == "f":
            assert metrics(*batch) == expected[0][index]
        else:
            metrics.update(*batch)
        if method == "c":
            assert metrics.compute() == alone(batches[: index + 1])
            del measurements[index + 1 :]
    assert metrics.compute() == expected[1]
    assert measurements == [len(preds) for preds, _ in batches]
    metrics.reset()
    metrics.update(*batches[1])
    assert metrics.compute() == expected[0][1]


def test_of_several_settings_each_measures_for_itself() -> None:
    metrics = HardnessCollection({
        "strict": TotalFalse(iou_threshold=0.9),
        "missed": FalseNegatives(),
        "sized": FalsePositives("pixel"),
        "mine": TotalFalse(lambda errors, _: errors.box_area),
        "expected": ExpectedHardness(TotalFalse()),
    })  # fmt: skip
    reference = metrics.clone()
    for batch in epoch():
        metrics(*batch)
        for member in reference.values(copy_state=False):
            member.update(*batch)
    for name, member in reference.items():
        assert metrics.compute()[name] == member.compute()


@pytest.mark.parametrize("method", ["update", "forward"])
def test_a_refused_batch_leaves_all_members_as_they_were(method: str) -> None:
    batches = epoch()
    metrics = HardnessCollection(nine())
    for batch in batches[:2]:
        metrics.update(*batch)
    preds, target = false_alarms(1)
    del target[0]["image_size"]  # which pixel weighting alone refuses
    with pytest.raises(ValueError, match="no size"):
        getattr(metrics, method)(preds, target)
    assert {member.update_count for member in metrics.values()} == {2}
    for batch in batches[2:]:
        getattr(metrics, method)(*batch)
    assert metrics.compute() == alone(batches)


@pytest.mark.parametrize("through", [copy.deepcopy, MetricCollection.clone, lambda m: pickle.loads(pickle.dumps(m))])
def test_a_copy_goes_its_own_way(through: Callable[[Any], Any], measurements: list[int]) -> None:
    batches = epoch()
    metrics = HardnessCollection(nine())
    for batch in batches[:2]:
        metrics.update(*batch)
    other = through(metrics)
    del measurements[:]
    other.update(*batches[2])
    metrics.update(*batches[3])
    assert measurements == [len(batches[2][0]), len(batches[3][0])]
    assert other.compute() == alone(batches[:3])
    assert metrics.compute() == alone([*batches[:2], batches[3]])


def test_members_that_hold_other_images_keep_them() -> None:
    batches = epoch()
    full, empty, twin = TotalFalse(), FalsePositives(), FalseNegatives()
    full.update(*batches[0])
    full.update(*batches[1])
    metrics = HardnessCollection({"full": full, "empty": empty, "twin": twin})
    metrics.update(*batches[3])
    assert metrics.compute()["full"] == alone([*batches[:2], batches[3]])["TotalFalse_none"]
    assert metrics.compute()["empty"] == alone([batches[3]])["FalsePositives_none"]


def test_members_may_come_later() -> None:
    batches = epoch()
    metrics = HardnessCollection({"first": TotalFalse()})
    metrics.update(*batches[0])
    metrics.add_metrics({"second": FalsePositives("pixel")})
    metrics(*batches[1])
    metrics.update(*batches[3])
    assert metrics.compute()["first"] == alone([*batches[:2], batches[3]])["TotalFalse_none"]
    assert metrics.compute()["second"] == alone([batches[1], batches[3]])["FalsePositives_pixel"]


def test_a_member_taken_out_may_go_its_own_way() -> None:
    batches = epoch()
    metrics = HardnessCollection(nine())
    metrics.update(*batches[0])
    metrics.update(*batches[1])
    member = metrics["TotalFalse_none"]
    member.update(*batches[3])
    assert member.compute() == alone([*batches[:2], batches[3]])["TotalFalse_none"]
    assert metrics["FalsePositives_none"].compute() == alone(batches[:2])["FalsePositives_none"]


def mean_average_precision() -> MeanAveragePrecision:
    metric = MeanAveragePrecision(iou_thresholds=[0.5])
    metric.warn_on_many_detections = False
    return metric


@pytest.mark.parametrize("others", [1, 2])
def test_metrics_of_other_kinds_may_be_members(others: int) -> None:
    batches = [batch for batch in epoch() if batch[0]]
    extra: dict[str, Any] = {f"map{n}": mean_average_precision() for n in range(others)}
    for preds, target in batches:
        for image in (*preds, *target):
            for key in ("area", "iscrowd"):
                image.pop(key, None)
    metrics = HardnessCollection({"missed": FalseNegatives("pixel"), "all": TotalFalse(), **extra})
    metrics(*batches[0])
    for batch in batches[1:]:
        metrics.update(*batch)
    result = metrics.compute()
    assert result["missed"] == alone(batches)["FalseNegatives_pixel"]
    assert result["all"] == alone(batches)["TotalFalse_none"]
    reference = mean_average_precision()
    for batch in batches:
        reference.update(*batch)
    assert any(torch.equal(value, reference.compute()["map"]) for key, value in result.items() if key.endswith("map"))


def test_names_prefixes_and_scalars_are_those_of_a_metric_collection() -> None:
    batch = false_alarms(1, 3)
    for kind in (MetricCollection, HardnessCollection):
        metrics = kind([FalsePositives(reduction="max"), TotalFalse(reduction="sum")], prefix="val/", postfix="_x")
        assert metrics(*batch) == {"val/FalsePositives_x": 3, "val/TotalFalse_x": 6}
        assert list(metrics(*false_alarms(2, first_id=9))) == ["val/FalsePositives_x", "val/TotalFalse_x"]
        nested = kind({"a": kind([FalsePositives(reduction="max")]), "b": TotalFalse(reduction="sum")})
        assert nested(*batch) == {"a_FalsePositives": 3, "b": 6}


def test_measures_of_agreement_are_read_together_too() -> None:
    true, estimated = (Ranking.of(torch.arange(9), torch.rand(9)) for _ in range(2))
    metrics = HardnessCollection([Spearman(), Kendall()])
    values = metrics(estimated, true)
    torch.testing.assert_close(values["Spearman"], Spearman()(estimated, true))
    reference = spearman_corrcoef(*(r.hardness[r.image_ids.argsort()] for r in (estimated, true)))
    torch.testing.assert_close(values["Spearman"], reference)


def test_an_image_without_boxes_or_no_image_at_all_is_fine() -> None:
    metrics = HardnessCollection(nine())
    assert all(len(ranking.image_ids) == 0 for ranking in metrics([], []).values())
    preds, target = Scenery().draw(3, seed=0)
    metrics.update(preds, [{**image, "image_size": (480, 640)} for image in target])
    assert all(len(ranking.image_ids) == 3 for ranking in metrics.compute().values())


def test_members_may_be_replaced_added_and_removed_one_by_one() -> None:
    batches = epoch()
    metrics = HardnessCollection({"a": FalsePositives(), "b": FalseNegatives()})
    metrics.update(*batches[0])
    metrics["a"] = FalsePositives("overlap")
    metrics["c"] = TotalFalse(iou_threshold=0.9)
    for index, batch in enumerate(batches[1:]):
        (metrics if index % 2 else metrics.update)(*batch)
    result = metrics.compute()
    assert result["a"] == alone(batches[1:])["FalsePositives_overlap"]
    assert result["b"] == alone(batches)["FalseNegatives_none"]
    assert result["c"] == alone(batches[1:], iou_threshold=0.9)["TotalFalse_none"]
    del metrics["b"]
    metrics.reset()
    metrics(*batches[0])
    assert list(metrics.compute()) == ["a", "c"]


@pytest.mark.filterwarnings("error")
def test_a_member_that_synchronises_every_step_gives_its_first_value_too() -> None:
    metrics = HardnessCollection({"a": FalsePositives(), "b": FalseNegatives(dist_sync_on_step=True)})
    batch = epoch()[0]
    assert metrics(*batch)["b"] == alone([batch])["FalseNegatives_none"]


def test_values_of_a_batch_are_of_that_batch() -> None:
    metrics = HardnessCollection({"a": FalsePositives(), "b": FalseNegatives(dist_sync_on_step=True)})
    batches = epoch()
    metrics.update(*batches[0])
    metrics.compute()
    assert metrics(*batches[3])["b"] == alone([batches[3]])["FalseNegatives_none"]


@pytest.mark.parametrize("method", ["update", "forward"])
def test_a_batch_that_a_member_of_other_settings_refuses_is_added_to_none(method: str) -> None:
    metrics = HardnessCollection({"a": FalsePositives(), "b": TotalFalse("pixel", iou_threshold=0.9)})
    with pytest.raises(ValueError, match="no size"):
        getattr(metrics, method)(*false_alarms(1, size=None))
    assert {member.update_count for member in metrics.values()} == {0}


class Twice(TotalFalse):
    def _hardness(self, columns: Any) -> Tensor:
        return 2 * super()._hardness(columns)


def test_members_may_have_a_hardness_of_their_own() -> None:
    batch = epoch()[0]
    metrics = HardnessCollection({"once": TotalFalse(), "twice": Twice()})
    value = metrics(*batch)
    assert torch.equal(value["twice"].hardness, 2 * value["once"].hardness)
    assert metrics.compute() == value


def test_members_of_a_plain_collection_may_go_on_in_this_one() -> None:
    batches = epoch()
    plain = MetricCollection(nine())
    for batch in batches[:3]:
        plain.update(*batch)
    assert sorted(map(len, plain.compute_groups.values())) == [3, 3, 3]  # those of equal weighting
    metrics = HardnessCollection(dict(plain.items(copy_state=False)))
    metrics.update(*batches[3])
    assert metrics.compute() == alone(batches[:4])


#: Names of classes of data sets, each also that of something a module or collection has.
RESERVED = ["train", "eval", "type", "forward", "update", "compute", "prefix", "postfix", "training", "half", "reset"]


@pytest.mark.parametrize("name", RESERVED)
def test_a_member_may_have_a_name_that_torch_keeps_for_itself(name: str) -> None:
    def built() -> HardnessCollection:
        return HardnessCollection({name: TotalFalse(), "bus": FalsePositives("pixel")})

    metrics = built()
    assert set(metrics) == {name, "bus"}
    for batch in epoch((3, 2)):
        metrics.update(*batch)
        metrics(*batch)
    expected: Any = TotalFalse()
    for batch in epoch((3, 2)):
        expected.update(*batch)
    assert metrics.compute()[name] == expected.compute()
    assert repr(metrics).splitlines()[1:-1] == [f"  ({n}): {metrics[n]}" for n in sorted({name, "bus"})]

    metrics.persistent(True)
    saved = metrics.state_dict()
    loaded = built()
    loaded.load_state_dict(saved)
    for each in (loaded, copy.deepcopy(metrics), pickle.loads(pickle.dumps(metrics)), metrics.clone()):
        assert each.compute() == metrics.compute()

    prefixed = metrics.clone(prefix="val_", postfix="_x")
    assert set(prefixed.compute()) == {f"val_{name}_x", "val_bus_x"}
    assert metrics.train().training
    assert not metrics.eval().training
    assert metrics.to("cpu") is metrics
    assert set(dict(metrics.named_children())) == {name, "bus"}
    metrics.reset()
    assert not metrics[name].update_called
    metrics[name] = FalsePositives()
    del metrics[name]
    assert set(metrics) == {"bus"}


def test_a_model_may_hold_members_of_such_names() -> None:
    model: Any = torch.nn.Module()
    model.metrics = HardnessCollection([TotalFalse()])
    model.metrics.add_metrics({"train": FalsePositives()})
    assert not model.eval().metrics["train"].training
    assert sum("train" in name.split(".") for name, _ in model.named_modules()) == 1


@pytest.fixture
def _no_figures() -> Iterator[None]:
    yield
    plt.close("all")


@pytest.mark.usefixtures("_no_figures")
def test_rankings_of_several_epochs_are_drawn_together_or_each_for_itself() -> None:
    metrics = HardnessCollection({"all": TotalFalse(), "mean": TotalFalse(reduction="mean")}, prefix="v_")
    values = [metrics(*false_alarms(*counts)) for counts in ((0, 2), (4, 8), (1, 1))]
    for _, axes in (metrics.plot(values, together=True), metrics.plot(values, together=True, ax=plt.subplots()[1])):
        drawn = {line.get_label(): line.get_ydata().tolist() for line in axes.get_lines()}
        assert drawn["v_all"] == drawn["v_mean"] == [2, 7, 2]  # one missed object an image besides
    first, second = metrics.plot(values)
    assert len(first[1].patches) == 3
    assert second[1].get_lines()[0].get_ydata().tolist() == [2, 7, 2]


@pytest.mark.usefixtures("_no_figures")
def test_one_epoch_is_drawn_together_or_each_for_itself() -> None:
    metrics = HardnessCollection({"all": TotalFalse(), "mean": TotalFalse(reduction="mean")})
    metrics.update(*false_alarms(0, 2))
    _, axes = metrics.plot(together=True)
    assert {line.get_label(): line.get_ydata()[0] for line in axes.get_lines()} == {"all": 2, "mean": 2}
    assert len(metrics.plot()) == 2


# By label


LABELS = {3: "car", 1: "person", 99: "nowhere"}


def definitions() -> dict[str, Any]:
    return {
        "counted": TotalFalse(),
        "weighted": FalsePositives("pixel", score_threshold=0.3),
        "in range": FalseNegatives("pixel", area_range="medium", max_detections=3),
        "of some": TotalFalse(labels=[1, 3, 99]),
        "by function": TotalFalse(lambda errors, _: errors.box_area),
        **{kind: ErrorsOfKind(kind, "pixel", score_threshold=0.1) for kind in ERROR_KINDS},
    }


@pytest.mark.parametrize("name", list(definitions()))
@pytest.mark.parametrize("method", ["update", "forward"])
def test_by_label_each_member_is_the_definition_of_that_label_alone(name: str, method: str) -> None:
    definition = definitions()[name]
    metrics = HardnessCollection.by_label(definition, LABELS)
    each = {called: definition.anew(labels=[label]) for label, called in LABELS.items()}
    for batch in epoch():
        given = getattr(metrics, method)(*batch)
        expected = {called: metric(*batch) for called, metric in each.items()}
        assert method == "update" or given == expected
    assert metrics.compute() == {called: metric.compute() for called, metric in each.items()}


@pytest.mark.parametrize("weighting", ["none", "overlap"])
def test_by_label_parts_add_up_and_are_measured_with_the_whole(weighting: Any, measurements: list[int]) -> None:
    metrics = HardnessCollection.by_label(TotalFalse(weighting), {1: "1", 2: "2", 3: "3"})
    metrics.add_metrics({"all": TotalFalse(weighting), "kind": ErrorsOfKind("missed")})
    batches = epoch()
    for batch in batches:
        metrics.update(*batch)
    assert measurements == [len(preds) for preds, _ in batches]
    of_labels = [dict(zip(*map(Tensor.tolist, metrics[label].compute()), strict=True)) for label in "123"]
    for image_id, hardness in zip(*map(Tensor.tolist, metrics["all"].compute()), strict=True):
        assert sum(of_label[image_id] for of_label in of_labels) == pytest.approx(hardness, rel=1e-5)


def test_by_label_large_batches_are_measured_in_pieces_alike() -> None:
    preds, target = Scenery().draw(30, seed=5)
    many = [{**image, "image_id": 30 * turn + place} for turn in range(100) for place, image in enumerate(target)]
    metrics = HardnessCollection.by_label(ErrorsOfKind("missed", "overlap"), LABELS)
    metrics.update(preds * 100, many)
    for label, called in LABELS.items():
        alone = ErrorsOfKind("missed", "overlap", labels=[label], part_of=Query())
        alone.update(preds * 100, many)
        assert metrics[called].compute() == alone.compute()


@pytest.mark.parametrize("through", [copy.deepcopy, MetricCollection.clone, lambda m: pickle.loads(pickle.dumps(m))])
def test_by_label_a_copy_still_measures_together(through: Callable[[Any], Any], measurements: list[int]) -> None:
    metrics = HardnessCollection.by_label(TotalFalse(compute_on_cpu=True, reduction="sum"), LABELS)
    batches = epoch()
    metrics.update(*batches[0])
    assert repr(metrics["car"]).startswith("TotalFalse(labels=(3,), reduction='sum', part_of=Query(")
    other = through(metrics)
    other.update(*batches[1])
    assert measurements == [len(batches[0][0]), len(batches[1][0])]
    assert all(member.compute_on_cpu and member.reduction == "sum" for member in other.values())


def test_by_label_refuses_what_makes_no_sense() -> None:
    with pytest.raises(TypeError, match=r"`metric` must be of labels that count, such as TotalFalse\(\), but is Cross"):
        HardnessCollection.by_label(CrossEntropy(), {1: "person"})
    refused: list[Any] = [{}, [1, 2], None]
    for labels in refused:
        with pytest.raises(ValueError, match="`labels` must be names by label, at least one"):
            HardnessCollection.by_label(TotalFalse(), labels)
    for names in ({1: "a", 2: "a"}, {1: ""}, {1: "St. Bernard"}, {1: 1}):
        with pytest.raises(ValueError, match="each name must be a text of its own, and without a dot"):
            HardnessCollection.by_label(TotalFalse(), names)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"`labels` asks for 3, but the definition counts \(1, 2\) only"):
        HardnessCollection.by_label(TotalFalse(labels=[1, 2]), {3: "car"})
    with pytest.raises(ValueError, match="`labels` must be integers"):
        HardnessCollection.by_label(TotalFalse(), {"car": "car"})  # type: ignore[dict-item]
    with pytest.raises(ValueError, match="`part_of` is of a definition of one label, but `labels` is None"):
        TotalFalse(part_of=Query())
