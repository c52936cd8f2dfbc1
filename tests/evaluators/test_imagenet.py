import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from hardest_metrics.evaluators import ImageNetEvaluator
from hardest_metrics.results import RunStore, regress
from tests.keyed import Golden, labels_of, logits_of


@pytest.fixture
def golden(shared_data: Path) -> Golden:
    return Golden(shared_data)


def evaluated(labels: Any, logits: dict[str, Any], store: Path, batch: int = 32, **known: Any) -> ImageNetEvaluator:
    """The original's loop."""
    evaluator = ImageNetEvaluator(labels, store=store, **known)
    keys = list(logits)
    for start in range(0, len(keys), batch):
        evaluator.add({key: logits[key] for key in keys[start : start + batch]})
        if evaluator.cache_exists:
            break
    return evaluator


def test_accuracies_are_those_of_sotabencheval(golden: Golden, tmp_path: Path) -> None:
    for logits, expected in ((golden.before, "results"), (golden.after, "results_after")):
        evaluator = evaluated(golden.labels, logits, tmp_path / f"{expected}.db")
        assert evaluator.get_results() == golden.known["imagenet"][expected]


def test_hardness_of_every_image_is_its_cross_entropy(golden: Golden, tmp_path: Path) -> None:
    evaluator = evaluated(golden.labels, golden.before, tmp_path / "runs.db")
    run = evaluator.save()
    hardness = RunStore(tmp_path / "runs.db").hardness(run)
    np.testing.assert_allclose(hardness["CrossEntropy"].values, golden.known["hardness"]["cross_entropy"], rtol=1e-6)
    assert (~hardness["CrossEntropy"].in_error).astype(int).tolist() == golden.known["imagenet"]["top_1_right"]
    assert (1 - hardness["TopKMiss(k=5)"].values).tolist() == golden.known["imagenet"]["top_5_right"]


def test_order_batches_and_kinds_of_values_do_not_matter(tmp_path: Path) -> None:
    labels, logits = labels_of(50), logits_of(50)
    shuffled = list(logits.items())
    random.Random(0).shuffle(shuffled)
    kinds: list[Callable[[Any], Any]] = [np.ndarray.tolist, torch.from_numpy, np.asarray, np.float64]
    mixed = {key: kinds[place % 4](row) for place, (key, row) in enumerate(shuffled)}
    one, other = (
        evaluated(labels, given, tmp_path / f"{batch}.db", batch) for given, batch in ((logits, 7), (mixed, 50))
    )
    assert one.get_results() == other.get_results()
    assert one.ranking() == other.ranking()
    assert one.save().outputs == other.save().outputs


def test_ties_count_for_the_label(tmp_path: Path) -> None:
    evaluator = ImageNetEvaluator({"a": 1, "b": 0}, store=tmp_path / "runs.db")
    evaluator.add({"a": [1.0, 1.0, 0.0], "b": [0.0, 0.0, 0.0]})
    assert evaluator.get_results() == {"Top 1 Accuracy": 1.0, "Top 5 Accuracy": 1.0}


def test_a_key_again_replaces_and_nothing_given_is_changed(tmp_path: Path) -> None:
    evaluator = ImageNetEvaluator({"a": 1, "b": 0}, store=tmp_path / "runs.db")
    first = {"a": np.array([1.0, 0.0]), "b": np.array([1.0, 0.0])}
    kept = {key: row.copy() for key, row in first.items()}
    evaluator.add(first)
    assert evaluator.get_results()["Top 1 Accuracy"] == 0.5
    evaluator.add({"a": [0.0, 1.0]})
    assert evaluator.get_results()["Top 1 Accuracy"] == 1
    assert first.keys() == kept.keys()
    assert all(np.array_equal(first[key], kept[key]) for key in kept)
    first["a"][:] = 7  # nor is what was given looked at again
    assert evaluator.get_results()["Top 1 Accuracy"] == 1


@pytest.mark.parametrize(
    ("batch", "message"),
    [
        ({"c": [1.0, 2.0]}, "`output_dict` has 1 keys that `labels` lack .'c'"),
        ({"b": [1.0, 2.0, 3.0]}, "`output_dict` of 'b' has 3 logits, but others 2"),
        ({"b": [float("nan"), 2.0]}, "'b' holds NaN or infinity"),
        ({"b": [float("inf"), 2.0]}, "'b' holds NaN or infinity"),
        ({"b": [[1.0, 2.0]]}, r"'b' must have shape \(K,\), but has \(1, 2\)"),
        ({"b": 1.0}, r"'b' must have shape \(K,\)"),
    ],
)
def test_what_makes_no_sense_is_refused_by_key_and_changes_nothing(
    tmp_path: Path, batch: dict[str, Any], message: str
) -> None:
    evaluator = ImageNetEvaluator({"a": 1, "b": 0}, store=tmp_path / "runs.db")
    evaluator.add({"a": [0.0, 1.0]})
    with pytest.raises(ValueError, match=message):
        evaluator.add({"a": [1.0, 0.0], **batch})
    evaluator.add({"b": [1.0, 0.0]})
    assert evaluator.get_results()["Top 1 Accuracy"] == 1


@pytest.mark.parametrize("value", ["text", None, [True, False], [1j, 2j], object()])
def test_what_is_not_of_numbers_is_refused(tmp_path: Path, value: Any) -> None:
    evaluator = ImageNetEvaluator({"a": 1}, store=tmp_path / "runs.db")
    with pytest.raises(TypeError, match="'a' must be logits"):
        evaluator.add({"a": value})


def test_fewer_classes_than_labels_name_are_refused(tmp_path: Path) -> None:
    evaluator = ImageNetEvaluator({"a": 1, "b": 7}, store=tmp_path / "runs.db")
    with pytest.raises(ValueError, match="has 2 logits, but `labels` have class 7"):
        evaluator.add({"a": [0.0, 1.0]})


def test_missing_images_are_counted_and_named(tmp_path: Path) -> None:
    labels, logits = labels_of(40), logits_of(40)
    evaluator = ImageNetEvaluator(labels, store=tmp_path / "runs.db")
    evaluator.add(dict(list(logits.items())[:25]))
    with pytest.raises(
        ValueError, match=r"15 of 40 images are missing .'image-0025', .*'image-0034', \.\.\.\).*partial"
    ):
        evaluator.save()
    assert not (tmp_path / "runs.db").exists()


def test_a_part_on_purpose_says_so_and_is_another_data_set(tmp_path: Path) -> None:
    labels, logits = labels_of(40), logits_of(40)
    whole = evaluated(labels, logits, tmp_path / "runs.db").save()
    evaluator = ImageNetEvaluator(labels, store=tmp_path / "runs.db", partial=True)
    evaluator.add(dict(list(logits.items())[:25]))
    assert not evaluator.cache_exists
    part = evaluator.save()
    assert (part.partial, part.images, whole.partial) == (True, 25, False)
    assert part.dataset != whole.dataset
    assert not evaluated(labels, logits, tmp_path / "runs.db", fingerprint=b"other").cache_exists


def test_the_second_run_stops_after_the_probe_with_what_the_first_one_kept(tmp_path: Path) -> None:
    labels, logits = labels_of(400), logits_of(400)
    first = evaluated(labels, logits, tmp_path / "runs.db", model_name="mine")
    assert not first.cache_exists
    kept = first.save()
    assert (kept.kept, kept.model_name) == (False, "mine")
    second = ImageNetEvaluator(labels, store=tmp_path / "runs.db")
    keys, seen = list(logits), 0
    random.Random(1).shuffle(keys)
    for start in range(0, 400, 8):
        second.add({key: logits[key] for key in keys[start : start + 8]})
        seen += 8
        if second.cache_exists:
            break
    assert 16 <= seen < 250
    assert second.get_results() == first.get_results()
    assert second.ranking() == first.ranking()
    again = second.save()
    assert again.kept
    assert (again.id, again.seconds, again.peak_bytes) == (kept.id, kept.seconds, kept.peak_bytes)
    assert [run.id for run in RunStore(tmp_path / "runs.db").runs()] == [kept.id]


def test_a_run_that_was_recognised_is_the_one_that_a_gate_judges(tmp_path: Path) -> None:
    labels, store = labels_of(60), RunStore(tmp_path / "runs.db")
    good = {key: np.eye(10, dtype=np.float32)[label] for key, label in labels.items()}
    bad = {key: -row for key, row in good.items()}
    one = evaluated(labels, good, store.path).save()
    assert evaluated(labels, good, store.path).save().kept
    found = regress(store, max_worse=0)  # nothing changed
    assert (found.run.id, found.against.id, found.is_worse, found.flips) == (one.id, one.id, False, ([], [], 1.0))
    two = evaluated(labels, bad, store.path).save()
    evaluated(labels, good, store.path).save()
    assert evaluated(labels, bad, store.path).save().kept  # worse than what came last, whoever has seen it before
    found = regress(store)
    assert (found.run.id, found.against.id, found.is_worse) == (two.id, one.id, True)
    assert [run.id for run in store.runs()] == [one.id, two.id]


def test_noise_of_rounding_is_not_noticed(tmp_path: Path) -> None:
    labels, logits = labels_of(100), logits_of(100)
    evaluated(labels, logits, tmp_path / "runs.db").save()
    rng = np.random.default_rng(0)
    noisy = {key: row + 1e-6 * rng.standard_normal(10) for key, row in logits.items()}
    assert evaluated(labels, noisy, tmp_path / "runs.db").cache_exists


def test_a_changed_image_label_setting_or_weight_is_noticed(tmp_path: Path) -> None:
    labels, logits = labels_of(60), logits_of(60)  # all images are of the probe
    model = nn.Linear(3, 2)
    evaluated(labels, logits, tmp_path / "runs.db", settings={"resize": 256}, fingerprint=model).save()

    def is_known(
        labels: dict[str, int] = labels, logits: dict[str, Any] = logits, settings: dict[str, Any] | None = None,
        fingerprint: nn.Module | None = None,
    ) -> bool:  # fmt: skip
        settings = {"resize": 256} if settings is None else settings
        return evaluated(
            labels, logits, tmp_path / "runs.db", 60, settings=settings, fingerprint=fingerprint
        ).cache_exists

    assert is_known()
    assert is_known(fingerprint=model)
    changed = nn.Linear(3, 2)
    changed.load_state_dict(model.state_dict())
    assert is_known(fingerprint=changed)
    with torch.no_grad():
        changed.weight[0, 0] += 1e-6
    assert not is_known(fingerprint=changed)
    first = next(iter(labels))
    assert not is_known(labels={**labels, first: (labels[first] + 1) % 10})
    assert not is_known(settings={"resize": 224})
    assert not is_known(settings={})
    row = logits[first].copy()
    row[3] += 0.01
    assert not is_known(logits={**logits, first: row})
    fewer = dict(list(labels.items())[1:])
    assert not is_known(labels=fewer, logits={key: logits[key] for key in fewer})


def test_nothing_is_known_until_sixteen_images_of_the_probe_were_seen(tmp_path: Path) -> None:
    labels, logits = labels_of(60), logits_of(60)
    evaluated(labels, logits, tmp_path / "runs.db").save()
    evaluator = ImageNetEvaluator(labels, store=tmp_path / "runs.db")
    assert not evaluator.cache_exists
    for number, (key, row) in enumerate(logits.items(), start=1):
        evaluator.add({key: row})
        assert evaluator.cache_exists == (number >= 16)


def test_of_few_images_all_must_have_been_seen(tmp_path: Path) -> None:
    labels, logits = labels_of(5), logits_of(5)
    evaluated(labels, logits, tmp_path / "runs.db").save()
    assert [evaluated(labels, dict(list(logits.items())[:n]), tmp_path / "runs.db").cache_exists for n in (4, 5)] == [
        False,
        True,
    ]


def test_what_is_added_or_replaced_after_a_hit_is_looked_at_again(tmp_path: Path) -> None:
    labels, logits = labels_of(60), logits_of(60)
    evaluated(labels, logits, tmp_path / "runs.db").save()
    evaluator = ImageNetEvaluator(labels, store=tmp_path / "runs.db")
    evaluator.add(dict(list(logits.items())[:30]))
    assert evaluator.cache_exists
    evaluator.add({"image-0031": logits["image-0031"] + np.float32(0.5)})
    assert not evaluator.cache_exists
    evaluator.add({"image-0031": logits["image-0031"]})
    assert evaluator.cache_exists
    evaluator.add({"image-0000": -logits["image-0000"]})
    assert not evaluator.cache_exists
    evaluator.add(logits)
    assert evaluator.cache_exists


def test_claims_of_a_paper_stand_beside_results_also_when_given_later(tmp_path: Path) -> None:
    labels, logits = labels_of(20), logits_of(20)
    evaluated(labels, logits, tmp_path / "runs.db").save()
    later = evaluated(labels, logits, tmp_path / "runs.db", paper_results={"Top 1 Accuracy": 0.5})
    run = later.save()
    assert run.kept
    (known,) = RunStore(tmp_path / "runs.db").runs()
    assert known.paper_results == run.paper_results == {"Top 1 Accuracy": 0.5}
    assert known.against_paper == {"Top 1 Accuracy": later.get_results()["Top 1 Accuracy"] - 0.5}


def test_speed_is_that_of_the_images_since_the_clock_was_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    now = iter(range(100, 200, 10))
    monkeypatch.setattr("time.perf_counter", lambda: float(next(now)))
    labels, logits = labels_of(40), logits_of(40)
    evaluator = ImageNetEvaluator(labels, store=tmp_path / "runs.db")  # at 100
    keys = list(logits)
    evaluator.add({key: logits[key] for key in keys[:30]})  # until 110
    evaluator.reset_time()  # at 120
    evaluator.add({key: logits[key] for key in keys[30:]})  # until 130
    assert evaluator.save().images_per_second == 1


def test_the_originals_arguments_are_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HARDEST_METRICS_STORE", str(tmp_path / "default.db"))
    labels = tmp_path / "labels.json"
    labels.write_text('{"a": 0}')
    evaluator = ImageNetEvaluator(
        labels, model_name="net", paper_arxiv_id="1906.06423", paper_pwc_id="net", paper_results={"Top 1 Accuracy": 1},
        model_description="small",
    )  # fmt: skip
    evaluator.add(output_dict={"a": [1.0, 0.0]})
    run = evaluator.save()
    assert (run.model_name, run.paper_arxiv_id, run.paper_pwc_id) == ("net", "1906.06423", "net")
    assert RunStore().runs() == [run]
    assert ImageNetEvaluator(labels, paper_model_name="alias").model_name == "alias"
    with pytest.raises(ValueError, match="`model_name` is 'a', but `paper_model_name`"):
        ImageNetEvaluator(labels, model_name="a", paper_model_name="b")


def test_arguments_that_make_no_sense_are_refused() -> None:
    with pytest.raises(ValueError, match="`labels` holds no images"):
        ImageNetEvaluator({})
    with pytest.raises(ValueError, match="`paper_results` must be finite"):
        ImageNetEvaluator({"a": 0}, paper_results={"Top 1 Accuracy": float("nan")})
    with pytest.raises(TypeError, match="`settings` must hold what JSON knows"):
        ImageNetEvaluator({"a": 0}, settings={"transform": object()})
    with pytest.raises(TypeError, match="`fingerprint` must be a module or bytes"):
        ImageNetEvaluator({"a": 0}, fingerprint="weights")  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="Keys of images"):
        ImageNetEvaluator({1.5: 0})
