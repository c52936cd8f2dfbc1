import copy
import json
import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from hardest_metrics import TotalFalse
from hardest_metrics.data import read_annotations, read_detections
from hardest_metrics.evaluators import COCOEvaluator
from hardest_metrics.results import RunStore
from tests.keyed import Golden


@pytest.fixture
def golden(shared_data: Path) -> Golden:
    return Golden(shared_data)


def scene(images: int, seed: int = 0) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Annotations with an object or two an image, and one result near each, image by image."""
    rng = random.Random(seed)
    annotations, results = [], []
    for image in range(1, images + 1):
        for _ in range(rng.randint(1, 2)):
            box = [rng.random() * 50, rng.random() * 50, 20 + 20 * rng.random(), 20 + 20 * rng.random()]
            label = rng.choice([1, 2])
            annotations.append({"image_id": image, "category_id": label, "bbox": box})
            near = [number + rng.random() for number in box]
            results.append({"image_id": image, "category_id": label, "bbox": near, "score": rng.random()})
    listed = [{"id": image, "width": 100, "height": 100} for image in range(1, images + 1)]
    return {"images": listed, "annotations": annotations, "categories": _categories()}, results


def _categories() -> list[dict[str, Any]]:
    return [{"id": 1, "name": "cat"}, {"id": 2, "name": "dog"}]


def evaluated(
    annotations: Any, results: Sequence[dict[str, Any]], store: Path, batch: int = 5, **known: Any
) -> COCOEvaluator:
    """The original's loop."""
    evaluator = COCOEvaluator(annotations, store=store, **known)
    for start in range(0, len(results), batch):
        evaluator.add(results[start : start + batch])
        if evaluator.cache_exists:
            break
    return evaluator


def test_average_precision_is_that_of_pycocotools(golden: Golden, tmp_path: Path) -> None:
    for known in golden.known["coco"]:
        annotations, results = golden.make["coco_set"](known["inputs"]["seed"])
        assert golden.make["digest"](results) == known["inputs"]["results_digest"]
        evaluator = evaluated(annotations, results, tmp_path / "runs.db")
        assert evaluator.get_results() == pytest.approx(known["results"], abs=1e-6)


def test_hardness_of_images_is_that_of_their_errors(golden: Golden, tmp_path: Path) -> None:
    annotations, results = golden.make["coco_set"](1200)
    (tmp_path / "a.json").write_text(json.dumps(annotations))
    (tmp_path / "r.json").write_text(json.dumps(results))
    read = read_annotations(tmp_path / "a.json")
    metric = TotalFalse(box_format="xywh")
    metric.update(read_detections(tmp_path / "r.json", read), read.target)
    evaluator = evaluated(tmp_path / "a.json", results, tmp_path / "runs.db")
    assert evaluator.ranking() == evaluator.ranking("TotalFalse") == metric.compute()
    run = evaluator.save()
    assert RunStore(tmp_path / "runs.db").ranking(run) == metric.compute()


def test_results_come_in_any_batches_and_count_once(tmp_path: Path) -> None:
    annotations, results = scene(30)
    shuffled = results * 2
    random.Random(0).shuffle(shuffled)
    given = copy.deepcopy(shuffled)
    one, other = (
        evaluated(annotations, these, tmp_path / f"{batch}.db", batch) for these, batch in ((results, 7), (given, 1))
    )
    assert given == shuffled
    assert one.get_results() == other.get_results()
    assert one.ranking() == other.ranking()
    assert one.save().outputs == other.save().outputs


def test_numbers_of_numpy_and_torch_are_taken(tmp_path: Path) -> None:
    annotations, results = scene(10)
    given = [
        {
            "image_id": np.int64(one["image_id"]), "category_id": torch.tensor(one["category_id"]),
            "bbox": np.array(one["bbox"]), "score": torch.tensor(one["score"], dtype=torch.float64), "segmentation": [],
        }
        for one in results
    ]  # fmt: skip
    one, other = (evaluated(annotations, these, tmp_path / "runs.db", fingerprint=b"") for these in (results, given))
    assert one.get_results() == other.get_results()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"image_id": 99}, r"1 images that `annotations` lack \(99\)"),
        ({"category_id": 7}, r"\(image_id 2\): 'category_id' is 7, but must be a category"),
        ({"score": float("nan")}, r"\(image_id 2\): 'score' is nan"),
        ({"score": 1.5}, r"\(image_id 2\): 'score' is 1.5"),
        ({"bbox": [1, 2, float("nan"), 4]}, r"\(image_id 2\): 'bbox' is"),
        ({"bbox": [1, 2, 3]}, r"\(image_id 2\): 'bbox' is"),
    ],
)
def test_what_makes_no_sense_is_refused_by_image_and_changes_nothing(
    tmp_path: Path, change: dict[str, Any], message: str
) -> None:
    annotations, results = scene(5)
    evaluator = COCOEvaluator(annotations, store=tmp_path / "runs.db")
    evaluator.add(results)
    before = evaluator.get_results()
    sound = {"image_id": 2, "category_id": 1, "bbox": [0, 0, 90, 90], "score": 0.99}
    with pytest.raises(ValueError, match=message):
        evaluator.add([sound, {**sound, **change}])
    assert evaluator.get_results() == before


def test_nothing_added_is_refused_but_an_image_without_results_counts(tmp_path: Path) -> None:
    annotations, results = scene(5)
    evaluator = COCOEvaluator(annotations, store=tmp_path / "runs.db")
    with pytest.raises(ValueError, match="No results were added"):
        evaluator.get_results()
    evaluator.add([])
    with pytest.raises(ValueError, match="No results were added"):
        evaluator.save()
    evaluator.add([one for one in results if one["image_id"] == 1])
    assert evaluator.save().images == 5


def test_a_part_on_purpose_is_of_the_images_with_results(tmp_path: Path) -> None:
    annotations, results = scene(5)
    evaluator = COCOEvaluator(annotations, store=tmp_path / "runs.db", partial=True)
    evaluator.add([one for one in results if one["image_id"] <= 3])
    run = evaluator.save()
    assert (run.images, run.partial) == (3, True)


def test_the_second_run_stops_after_the_probe(tmp_path: Path) -> None:
    annotations, results = scene(300)
    first = evaluated(annotations, results, tmp_path / "runs.db")
    assert not first.cache_exists
    kept = first.save()
    second, batches = COCOEvaluator(annotations, store=tmp_path / "runs.db"), 0
    for start in range(0, len(results), 5):
        second.add(results[start : start + 5])
        batches += 1
        if second.cache_exists:
            break
    assert 3 < batches < len(results) // 10
    assert second.get_results() == first.get_results()
    assert second.ranking() == first.ranking()
    again = second.save()
    assert (again.kept, again.id, again.seconds) == (True, kept.id, kept.seconds)


def test_an_image_is_judged_once_a_later_one_has_begun(tmp_path: Path) -> None:
    annotations, results = scene(3)
    of_image = {image: [one for one in results if one["image_id"] == image] for image in (1, 2, 3)}
    of_image[1].append({**of_image[1][0], "score": 0.125})
    everything = [one for image in (1, 2, 3) for one in of_image[image]]
    evaluated(annotations, everything, tmp_path / "runs.db", batch=100).save()
    evaluator = COCOEvaluator(annotations, store=tmp_path / "runs.db")
    evaluator.add(of_image[1][:1])
    assert not evaluator.cache_exists  # nor is it taken for different: more may come
    evaluator.add(of_image[1][1:])
    evaluator.add(of_image[2])
    assert not evaluator.cache_exists
    evaluator.add(of_image[3])
    assert evaluator.cache_exists  # all is in


def test_noise_is_not_noticed_but_changes_are(tmp_path: Path) -> None:
    annotations, results = scene(20)
    evaluated(annotations, results, tmp_path / "runs.db").save()
    rng = np.random.default_rng(0)

    def is_known(annotations: Any = annotations, results: list[dict[str, Any]] = results) -> bool:
        return evaluated(annotations, results, tmp_path / "runs.db", 100).cache_exists

    assert is_known(
        results=[{**one, "bbox": (one["bbox"] + 1e-6 * rng.standard_normal(4)).tolist()} for one in results]
    )
    assert is_known(results=results[::-1])
    moved = copy.deepcopy(results)
    moved[4]["bbox"][2] += 0.01
    assert not is_known(results=moved)
    assert not is_known(results=[*results, {**results[0], "score": 0.125}])
    relabelled = copy.deepcopy(annotations)
    relabelled["annotations"][3]["category_id"] = 3 - relabelled["annotations"][3]["category_id"]
    assert not is_known(annotations=relabelled)
    reordered = copy.deepcopy(annotations)
    reordered["annotations"].reverse()
    reordered["images"].reverse()
    assert is_known(annotations=reordered)


def test_the_originals_folder_is_found(tmp_path: Path) -> None:
    annotations, results = scene(3)
    (tmp_path / "annotations").mkdir()
    (tmp_path / "annotations" / "instances_val2017.json").write_text(json.dumps(annotations))
    for evaluator in (COCOEvaluator(root=tmp_path), COCOEvaluator(tmp_path), COCOEvaluator(annotations)):
        evaluator.add(results)
        assert len(evaluator.ranking().image_ids) == 3


def test_without_images_it_is_refused() -> None:
    with pytest.raises(ValueError, match="`annotations` holds no images"):
        COCOEvaluator({"images": [], "annotations": [], "categories": []})
