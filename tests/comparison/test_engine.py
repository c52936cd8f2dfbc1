import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from hardest_metrics import Ranking
from hardest_metrics.alignment import join
from hardest_metrics.comparison import LABELS, Comparison, Kept, compare, engine
from hardest_metrics.comparison.engine import ALL_DEFINITIONS
from hardest_metrics.comparison.estimates import ESTIMATES
from hardest_metrics.comparison.folds import cross_validate
from hardest_metrics.comparison.store import Store
from hardest_metrics.data import Annotations, read_annotations, read_detections
from hardest_metrics.detection import CommitteeHardness, ExpectedHardness, ScoreSampling, TotalFalse, Uncertainty
from hardest_metrics.functional import Query
from hardest_metrics.functional.agreement import MEASURES, spearman
from tests.comparison.conftest import Make
from tests.scenes import Image

DETECTORS = ("fastestdet", "yolo_fastestv2")


@pytest.fixture(scope="module")
def voc(shared_data: Path) -> tuple[Annotations, dict[str, list[Image]]]:
    annotations = read_annotations(shared_data / "voc100" / "instances.json")
    files = {name: shared_data / "voc100" / f"{name}_torchvision.json.gz" for name in DETECTORS}
    return annotations, {name: read_detections(path, annotations) for name, path in files.items()}


@pytest.fixture(scope="module")
def compared(voc: tuple[Annotations, dict[str, list[Image]]]) -> Comparison:
    estimators = ["score_sampling", "expected_hardness+platt", "committee", "sampled_committee+platt", "binary_entropy",
                  "binary_entropy+all", "entropy"]  # fmt: skip
    return compare(*voc, estimators=estimators)


def ranking(comparison: Comparison, detector: str, estimator: str, definition: str) -> Ranking:
    (found,) = [
        ranked.ranking
        for ranked in comparison.rankings
        if (ranked.detector, ranked.estimator, ranked.definition) == (detector, estimator, definition)
    ]
    return found


def computed(metric: Any, preds: list[Image], target: list[Image], **more: Any) -> Ranking:
    metric.update(preds, target, **more)
    result: Ranking = metric.compute()
    return result


# What is ranked


@pytest.mark.parametrize("weighting", ["none", "pixel", "overlap"])
def test_rankings_are_those_of_the_metrics(
    voc: tuple[Annotations, dict[str, list[Image]]], compared: Comparison, weighting: Any
) -> None:
    annotations, detections = voc
    preds, others, target = detections["fastestdet"], detections["yolo_fastestv2"], annotations.target
    definition = TotalFalse(weighting, box_format="xywh")

    def found(estimator: str) -> Ranking:
        return ranking(compared, "fastestdet", estimator, f"total_false/{weighting}")

    assert found(LABELS) == computed(definition, preds, target)
    assert found("score_sampling") == computed(ScoreSampling(definition, 10), preds, target)
    assert found("committee") == computed(CommitteeHardness(definition), preds, target, members=[others])
    assert found("binary_entropy") == computed(Uncertainty("binary_entropy", box_format="xywh"), preds, target)
    of_all = Uncertainty("binary_entropy", score_threshold=0, box_format="xywh")
    assert found("binary_entropy+all") == computed(of_all, preds, target)


def test_the_references_are_met(shared_data: Path, compared: Comparison) -> None:
    reference = json.loads((shared_data / "voc100" / "reference_fastestdet.json").read_text())
    kinds = {"false_positives": "fp", "false_negatives": "fn", "total_false": "total_false"}
    for definition in ALL_DEFINITIONS:
        kind, weighting = definition.split("/")
        expected = dict(zip(reference["image_ids"], reference["supervised"][f"{kinds[kind]}/{weighting}"], strict=True))
        found = ranking(compared, "fastestdet", LABELS, definition)
        assert dict(zip(*(column.tolist() for column in found), strict=True)) == pytest.approx(expected, rel=1e-5)


def test_calibration_helps_and_going_by_others_beats_uncertainty(compared: Comparison) -> None:
    mean = compared.agreement.groupby(["detector", "estimator"])["spearman"].mean()["fastestdet"]
    assert mean["expected_hardness+platt"] == pytest.approx(0.635, abs=5e-4)
    assert mean["committee"] == pytest.approx(0.468, abs=5e-4)
    assert mean["binary_entropy"] == pytest.approx(0.489, abs=5e-4)
    assert mean["score_sampling"] > mean["binary_entropy"]


def test_calibrated_estimates_use_the_calibration_of_other_images(
    voc: tuple[Annotations, dict[str, list[Image]]], compared: Comparison
) -> None:
    annotations, detections = voc
    target = annotations.target
    own, others = detections["fastestdet"], detections["yolo_fastestv2"]
    definition = TotalFalse(box_format="xywh")
    by_own: dict[int, float] = {}
    by_others: dict[int, float] = {}
    for fold in cross_validate(own, target):
        part, of_part = [own[i] for i in fold.images], [target[i] for i in fold.images]
        result = computed(ExpectedHardness(definition, fold.calibration), part, of_part)
        by_own |= dict(zip(*(column.tolist() for column in result), strict=True))
    for fold in cross_validate(others, target):
        part, of_part = [own[i] for i in fold.images], [target[i] for i in fold.images]
        metric = CommitteeHardness(definition, n_samples=10, calibration=fold.calibration)
        result = computed(metric, part, of_part, members=[[others[i] for i in fold.images]])
        by_others |= dict(zip(*(column.tolist() for column in result), strict=True))
    for estimator, expected in (("expected_hardness+platt", by_own), ("sampled_committee+platt", by_others)):
        found = ranking(compared, "fastestdet", estimator, "total_false/none")
        assert dict(zip(*(column.tolist() for column in found), strict=True)) == expected


def test_agreement_is_with_the_labels_of_the_same_detector_and_definition(compared: Comparison) -> None:
    assert list(compared.agreement.columns) == ["detector", "definition", "estimator", *MEASURES]
    assert len(compared.agreement) == 2 * 7 * 9
    for row in compared.agreement.to_dict("records")[::13]:
        estimated = ranking(compared, row["detector"], row["estimator"], row["definition"])
        true = ranking(compared, row["detector"], LABELS, row["definition"])
        assert row["spearman"] == pytest.approx(float(spearman(*join(estimated, true))))


def test_rankings_come_by_detector_then_estimator_then_definition(compared: Comparison) -> None:
    order = [(ranked.detector, ranked.estimator, ranked.definition) for ranked in compared.rankings]
    estimators = [LABELS, *dict.fromkeys(compared.agreement["estimator"])]
    assert order == [(d, e, definition) for d in DETECTORS for e in estimators for definition in ALL_DEFINITIONS]
    estimated = [key for key in order if key[1] != LABELS]
    rows = compared.agreement[["detector", "estimator", "definition"]].itertuples(index=False, name=None)
    assert list(rows) == estimated


def test_the_query_decides_which_boxes_count(make: Make) -> None:
    annotations, detections = make(detectors=1)
    query = Query(score_threshold=0.7, iou_threshold=0.4, labels=[2], area_range=(0, 2000), max_detections=3)
    (ranked, _) = compare(annotations, detections, query, ["total_false/none"], ["expected_hardness"]).rankings
    definition = TotalFalse("none", 0.7, 0.4, [2], (0, 2000), 3, box_format="xywh")
    assert ranked.ranking == computed(definition, detections["detector 0"], annotations.target)


def test_samples_follow_number_and_seed(make: Make) -> None:
    data = *make(detectors=1), None, ["total_false/none"], ["score_sampling"]
    few, other, many = compare(*data, n_samples=2), compare(*data, n_samples=2, seed=1), compare(*data, n_samples=50)
    assert few.rankings[1].ranking == compare(*data, n_samples=2).rankings[1].ranking
    assert few.rankings[1].ranking != other.rankings[1].ranking
    assert set((few.rankings[1].ranking.hardness * 2).tolist()) <= set(map(float, range(100))), "means of two samples"
    assert many.rankings[1].ranking != few.rankings[1].ranking


def test_each_detector_is_judged_by_all_others(make: Make) -> None:
    annotations, detections = make(detectors=3)
    compared = compare(annotations, detections, None, ["total_false/none"], ["committee"])
    members = [detections["detector 0"], detections["detector 2"]]
    metric = CommitteeHardness(TotalFalse(box_format="xywh"))
    expected = computed(metric, detections["detector 1"], annotations.target, members=members)
    assert ranking(compared, "detector 1", "committee", "total_false/none") == expected


# What the data do not allow


def test_one_detector_has_no_committee_and_without_logits_there_is_no_entropy(make: Make) -> None:
    compared = compare(*make(detectors=1), definitions=["total_false/none"])
    made = list(compared.agreement["estimator"])
    missing = [name for name in ESTIMATES if name not in made]
    assert missing == ["committee", "sampled_committee", "sampled_committee+platt", "witness",
                       "witness+fitted", "entropy", "evidential", "entropy+all", "evidential+all"]  # fmt: skip
    committee, logits = compared.notes
    assert "sampled_committee+platt, witness, witness+fitted: left out, as the committee" in committee
    assert "detector 0 have no logits" in logits


def test_without_labels_there_are_estimates_but_no_agreement(make: Make) -> None:
    annotations, detections = make()
    bare = [{"image_id": image["image_id"], "image_size": image["image_size"]} for image in annotations.target]
    names = ["expected_hardness", "expected_hardness+platt", "committee"]
    compared = compare(replace(annotations, target=bare), detections, None, None, names)
    assert {ranked.estimator for ranked in compared.rankings} == {"expected_hardness", "committee"}
    assert compared.agreement.empty
    assert list(compared.agreement.columns) == ["detector", "definition", "estimator", *MEASURES]
    assert compared.notes == ("expected_hardness+platt: left out, as calibration needs labels.",)
    labelled = compare(annotations, detections, None, None, ["expected_hardness"])
    for definition in ALL_DEFINITIONS:
        of_both = [ranking(one, "detector 1", "expected_hardness", definition) for one in (compared, labelled)]
        assert of_both[0] == of_both[1]


def test_without_sizes_pixel_weighting_is_left_out_unless_asked_for(make: Make) -> None:
    annotations, detections = make(detectors=1)
    sizes = [None, *annotations.image_sizes[1:]]
    target = [{key: image[key] for key in image if key != "image_size"} for image in annotations.target]
    unsized = replace(annotations, image_sizes=sizes, target=target)
    compared = compare(unsized, detections, None, None, ["expected_hardness"])
    assert {ranked.definition for ranked in compared.rankings} == {
        name for name in ALL_DEFINITIONS if "pixel" not in name
    }
    assert compared.notes == ("pixel weighting: left out, as 1 image has no width and height.",)
    with pytest.raises(ValueError, match=rf"total_false/pixel, but image {annotations.image_ids[0]} \("):
        compare(unsized, detections, None, ["total_false/none", "total_false/pixel"])


@pytest.mark.parametrize("number", [1, 2])
def test_what_cannot_be_calibrated_is_left_out(make: Make, number: int) -> None:
    annotations, detections = make(number, detectors=1)
    nothing = [{key: value[:0] for key, value in image.items()} for image in detections["detector 0"]]
    compared = compare(annotations, {"detector 0": nothing}, None, ["total_false/none"], ["expected_hardness+platt"])
    assert [ranked.estimator for ranked in compared.rankings] == [LABELS]
    assert compared.notes[0].startswith("expected_hardness+platt: left out, as the scores of detector 0 cannot be")


def test_detections_without_low_scores_are_remarked_on(make: Make) -> None:
    annotations, detections = make(detectors=1)
    high = [{**image, "scores": image["scores"] / 2 + 0.5} for image in detections["detector 0"]]
    compared = compare(annotations, {"mine": high}, None, ["total_false/none"], ["expected_hardness"])
    assert compared.notes[0].startswith("mine: no detection scores below 0.5")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"definitions": ["total_false"]}, "`definitions` has no 'total_false'. Choose from false_positives/none"),
        ({"definitions": []}, "`definitions` is empty"),
        ({"estimators": ["guess"]}, "`estimators` has no 'guess'"),
        ({"n_samples": 0}, "`n_samples` must be"),
    ],
)
def test_what_makes_no_sense_is_refused(make: Make, arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        compare(*make(), **{"estimators": ["score_sampling"], **arguments})


def test_detections_of_other_images_are_refused(make: Make) -> None:
    annotations, detections = make()
    detections["detector 1"].pop()
    with pytest.raises(ValueError, match="`detections` 'detector 1' holds 39 images, but `annotations` 40"):
        compare(annotations, detections)


# What is kept


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str, tuple[str, ...]]]:
    """What is computed: detector, estimate, definitions."""
    calls: list[tuple[str, str, tuple[str, ...]]] = []
    original = engine._Run._make

    def spy(self: Any, detector: str, estimate: Any, definitions: Any) -> dict[str, Ranking]:
        calls.append((detector, estimate.name if estimate else LABELS, tuple(definitions)))
        return original(self, detector, estimate, definitions)

    monkeypatch.setattr(engine._Run, "_make", spy)
    return calls


NAMES = ["score_sampling", "expected_hardness", "expected_hardness+platt", "committee", "binary_entropy"]
DEFINED = ["total_false/none", "false_positives/pixel"]


def kept(folder: Path, **hashes: str) -> Kept:
    return Kept(Store(folder), hashes.get("annotations", "a"), {"detector 0": "0", "detector 1": "1"} | hashes)


def assert_same(one: Comparison, other: Comparison) -> None:
    pd.testing.assert_frame_equal(one.agreement, other.agreement)
    assert [ranked.ranking for ranked in one.rankings] == [ranked.ranking for ranked in other.rankings]


def test_nothing_is_computed_twice(make: Make, tmp_path: Path, made: list[Any]) -> None:
    data = *make(12), None, DEFINED, NAMES
    first = compare(*data, kept=kept(tmp_path))
    assert len(made) == 2 * 6
    made.clear()
    again = compare(*data, kept=kept(tmp_path))
    assert made == []
    assert_same(again, first)
    assert_same(compare(*data), first)


def test_only_what_changed_is_computed(make: Make, tmp_path: Path, made: list[Any]) -> None:
    annotations, detections = make(12)
    compare(annotations, detections, None, DEFINED, NAMES, kept=kept(tmp_path))

    def computed_now(*arguments: Any, hashes: dict[str, str] | None = None, **more: Any) -> set[tuple[str, str]]:
        made.clear()
        now = compare(*arguments, **more | {"kept": kept(tmp_path, **(hashes or {}))})
        assert_same(now, compare(*arguments, **more))
        return {(detector, name) for detector, name, _ in made[: len(made) - 2 * 6]}

    everything = {(detector, name) for detector in detections for name in [LABELS, *NAMES]}
    changed = detections | {"detector 1": detections["detector 0"]}
    data = annotations, changed, None, DEFINED, NAMES
    of_changed = {("detector 1", name) for name in [LABELS, *NAMES]} | {("detector 0", "committee")}
    assert computed_now(*data, hashes={"detector 1": "new"}) == of_changed
    sampled = {(detector, "score_sampling") for detector in detections}
    data = annotations, detections, None, DEFINED, NAMES
    assert computed_now(*data, n_samples=11) == computed_now(*data, seed=1) == sampled
    assert computed_now(annotations, detections, Query(0.6), DEFINED, NAMES) == everything
    assert computed_now(*data, hashes={"annotations": "new"}) == everything


def test_a_new_definition_adds_only_itself(make: Make, tmp_path: Path, made: list[Any]) -> None:
    annotations, detections = make(detectors=1)
    names = ["expected_hardness", "binary_entropy"]
    compare(annotations, detections, None, ["total_false/none"], names, kept=kept(tmp_path))
    made.clear()
    compare(annotations, detections, None, ["total_false/none", "total_false/pixel"], names, kept=kept(tmp_path))
    assert made == [("detector 0", name, ("total_false/pixel",)) for name in (LABELS, "expected_hardness")]


def test_damage_is_made_good(make: Make, tmp_path: Path) -> None:
    data = *make(12), None, DEFINED, NAMES
    first = compare(*data, kept=kept(tmp_path))
    entries = sorted(tmp_path.iterdir())
    for number, entry in enumerate(entries):
        content = bytearray(entry.read_bytes())
        content[number % len(content)] ^= 0xFF
        entry.write_bytes(content[: len(content) - number % 3])
    now = kept(tmp_path)
    assert_same(compare(*data, kept=now), first)
    assert set(now.store.damaged) == set(entries)
    assert compare(*data, kept=(sound := kept(tmp_path))) is not None
    assert not sound.store.damaged
