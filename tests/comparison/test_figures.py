import io
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from hardest_metrics.comparison import LABELS, Comparison, compare
from hardest_metrics.comparison.figures import Plot, best_of_families, plots
from hardest_metrics.data import read_annotations, read_detections
from tests.comparison.conftest import Make

DEFINITIONS = ["total_false/none", "false_positives/pixel"]
NAMES = ["score_sampling", "expected_hardness", "expected_hardness+platt", "committee", "binary_entropy"]


@pytest.fixture
def compared(make: Make) -> Comparison:
    return compare(*make(12), None, DEFINITIONS, NAMES)


def keys(comparison: Comparison, **more: Path) -> dict[tuple[str, str], str]:
    return {(plot.detector, plot.name): plot.key for plot in plots(comparison, **more)}


def size(plot: Plot) -> tuple[int, int]:
    return Image.open(io.BytesIO(plot.png())).size


def test_every_detector_has_its_plots(compared: Comparison) -> None:
    drawn = list(plots(compared))
    assert [(plot.detector, plot.name) for plot in drawn] == [
        (detector, name)
        for detector in compared.detections
        for name in ("regret", "correlation", "distribution", "reliability")
    ]
    assert all(min(size(plot)) > 300 for plot in drawn[:4])
    assert drawn[0].png() == drawn[0].png(), "the same every time, so that it can be told whether it changed"


@pytest.mark.parametrize("number", [1, 4])
def test_nothing_is_cut_off_at_the_edges(make: Make, number: int) -> None:
    drawn = compare(
        *make(12, 1), None, [*list(DEFINITIONS), "total_false/overlap", "false_positives/none"][:number], NAMES
    )
    for plot in plots(drawn):
        pixels = np.asarray(Image.open(io.BytesIO(plot.png())).convert("L"))
        edges = [*pixels[[0, -1]], *pixels[:, [0, -1]].T]
        assert min(map(np.min, edges)) == 255, plot.name


def test_the_name_of_a_detector_is_no_formula(make: Make) -> None:
    annotations, detections = make(12, 1)
    named = compare(annotations, {"cost$^$": detections["detector 0"]}, None, DEFINITIONS, NAMES[:3])
    drawn = list(plots(named))
    assert len(drawn) == 4
    assert all(plot.title.startswith("cost$^$: ") and min(size(plot)) > 300 for plot in drawn)


def test_of_each_family_the_best_is_shown(compared: Comparison) -> None:
    shown = best_of_families(compared, "detector 0")
    assert {"expected_hardness+platt", "committee", "binary_entropy"} < set(shown)
    assert len(shown) == 4
    of_detector = compared.agreement[compared.agreement["detector"] == "detector 0"]
    mean = of_detector.groupby("estimator")["spearman"].mean()
    assert max(mean["score_sampling"], mean["expected_hardness"]) == max(
        mean[name] for name in shown if name in NAMES[:2]
    )


def test_without_calibrated_estimates_there_is_no_reliability(make: Make) -> None:
    names = [plot.name for plot in plots(compare(*make(12, 1), None, DEFINITIONS, ["expected_hardness"]))]
    assert names == ["regret", "correlation", "distribution"]


def test_without_labels_there_is_nothing_to_draw(make: Make) -> None:
    annotations, detections = make(12)
    bare = replace(annotations, target=[{"image_id": image["image_id"]} for image in annotations.target])
    assert not list(plots(compare(bare, detections, None, ["total_false/none"], ["committee"])))


def test_no_error_at_all_can_be_drawn(make: Make) -> None:
    annotations, detections = make(12, 1)
    nothing = [
        {**image, **{key: image[key][:0] for key in ("boxes", "scores", "labels")}}
        for image in detections["detector 0"]
    ]
    compared = compare(annotations, {"mine": nothing}, None, ["false_positives/none"], ["expected_hardness"])
    assert all(min(size(plot)) > 100 for plot in plots(compared))


def test_a_plot_is_drawn_again_only_if_it_changed(compared: Comparison, make: Make) -> None:
    before = keys(compared)
    assert keys(compare(*make(12), None, DEFINITIONS, NAMES)) == before
    annotations, detections = make(12)
    changed = detections | {
        "detector 1": [{**image, "scores": image["scores"] / 2} for image in detections["detector 1"]]
    }
    after = keys(compare(annotations, changed, None, DEFINITIONS, NAMES))
    differ = {name for name in before if before[name] != after[name]}
    assert {(detector, name) for detector, name in differ if detector == "detector 0"} == {("detector 0", "regret")}, (
        "the other is its committee"
    )
    assert len([name for detector, name in differ if detector == "detector 1"]) == 4


def test_the_hardest_images_are_shown_side_by_side(shared_data: Path, tmp_path: Path) -> None:
    folder = shared_data / "voc100"
    annotations = read_annotations(folder / "instances.json")
    preds = read_detections(folder / "yolo_fastestv2_results.json", annotations)
    compared = compare(
        annotations, {"yolo": preds}, None, ["total_false/none"], ["expected_hardness", "binary_entropy"]
    )
    *_, hardest = plots(compared, folder / "images")
    assert hardest.name == "hardest"
    width, height = size(hardest)
    assert width > 3 * 300
    assert height > 5 * 200
    shown = {
        image_id for ranked in compared.rankings for image_id in ranked.ranking.top(5).image_ids.tolist()
        if ranked.estimator in (LABELS, *best_of_families(compared, "yolo"))
    }  # fmt: skip
    (tmp_path / "images").mkdir()
    for image_id, name in zip(annotations.image_ids, annotations.file_names, strict=True):
        if image_id in shown:
            (tmp_path / "images" / name).write_bytes((folder / "images" / name).read_bytes())
    *_, again = plots(compared, tmp_path / "images")
    assert again.key == hardest.key, "what is shown does not depend on where it lies"
    (tmp_path / "images" / name_of(annotations, shown)).unlink()
    with pytest.raises(ValueError, match="no such file"):
        list(plots(compared, tmp_path / "images"))


def name_of(annotations: object, shown: set[int]) -> str:
    names = dict(zip(annotations.image_ids, annotations.file_names, strict=True))  # type: ignore[attr-defined]
    return str(names[min(shown)])
