"""Which image is meant where files call it by number, text or file name."""

import itertools
import json
from pathlib import Path
from typing import Any

import pytest
import torch

from hardest_metrics.data import (
    Annotations,
    image_number,
    read_coco_annotations,
    read_coco_results,
    read_image_list,
    write_coco_subset,
    write_ranking,
)
from hardest_metrics.data.identity import KnownImages
from hardest_metrics.ranking import Ranking


def annotations_of(tmp_path: Path, images: list[dict[str, Any]], **sections: Any) -> Annotations:
    document = {"images": images, "annotations": [], "categories": [{"id": 1, "name": "car"}]} | sections
    (tmp_path / "instances.json").write_text(json.dumps(document))
    return read_coco_annotations(tmp_path / "instances.json")


def counts(tmp_path: Path, annotations: Annotations, *keys: dict[str, Any]) -> list[int]:
    """Detections an image, of results that call their images so."""
    results = [{"category_id": 1, "bbox": [0, 0, 9, 9], "score": 0.5} | key for key in keys]
    (tmp_path / "results.json").write_text(json.dumps(results))
    return [len(image["scores"]) for image in read_coco_results(tmp_path / "results.json", annotations)]


# File names are identity


def test_results_numbered_by_their_stems_go_to_the_image_of_their_name(tmp_path: Path) -> None:
    """ultralytics writes image_id 1 for 0001.jpg, whatever the annotations call it."""
    images = [{"id": 1, "file_name": "0002.jpg"}, {"id": 2, "file_name": "0001.jpg"}, {"id": 3, "file_name": "x.jpg"}]
    annotations = annotations_of(tmp_path, images)
    keys: list[dict[str, Any]] = [{"image_id": 1, "file_name": "0001.jpg"}, {"image_id": "x", "file_name": "x.jpg"}]
    assert counts(tmp_path, annotations, *keys) == [0, 1, 1]


def test_a_name_that_is_not_that_of_the_id_is_refused_with_both(tmp_path: Path) -> None:
    annotations = annotations_of(tmp_path, [{"id": 1, "file_name": "0002.jpg"}, {"id": 2, "file_name": "y.jpg"}])
    key = {"image_id": 1, "file_name": "0007.jpg"}
    with pytest.raises(ValueError, match=r"'image_id' is that of '0002\.jpg' .*'0007\.jpg' \(and 1 more of 3"):
        counts(tmp_path, annotations, key, {"image_id": 2}, key)


def test_a_name_of_several_images_tells_nothing_and_neither_does_an_id_made_of_it(tmp_path: Path) -> None:
    images = [{"id": 1, "file_name": "a/0001.jpg"}, {"id": 501, "file_name": "b/0001.jpg"}]
    annotations = annotations_of(tmp_path, images)
    assert counts(tmp_path, annotations, {"image_id": 501, "file_name": "0001.jpg"}) == [0, 1]
    assert counts(tmp_path, annotations, {"image_id": 1, "file_name": "b/0001.jpg"}) == [0, 1]
    with pytest.raises(ValueError, match=r"'0001\.jpg' is that of several images .* Give file names with their fol"):
        counts(tmp_path, annotations, {"image_id": 1, "file_name": "0001.jpg"})


def test_an_image_without_a_name_contradicts_none(tmp_path: Path) -> None:
    annotations = annotations_of(tmp_path, [{"id": 1}, {"id": 2, "file_name": "b.png"}])
    assert counts(tmp_path, annotations, {"image_id": 1, "file_name": "a.jpg"}) == [1, 0]
    assert counts(tmp_path, annotations, {"image_id": 2, "file_name": "b.jpg"}) == [0, 1], "converted to another format"


@pytest.mark.parametrize("own", [r"images\x.png", "images/x.png", r".\images\x.png"])
@pytest.mark.parametrize("key", ["images/x.png", r"images\x.png", "x.png", "x", "images/x", "data/images/x.png"])
def test_slashes_lean_either_way(tmp_path: Path, own: str, key: str) -> None:
    annotations = annotations_of(tmp_path, [{"id": 1, "file_name": "y.png"}, {"id": 2, "file_name": own}])
    assert counts(tmp_path, annotations, {"image_id": key}) == [0, 1]


def test_the_image_that_a_name_means_is_the_one_found_by_trying_all() -> None:
    """A plain twin: of the images that a name may mean in the nearest way, there must be one."""
    parts = ["a", "b", "a.png", "b.jpg", "b.png"]
    names = ["/".join(path) for length in (1, 2) for path in itertools.product(parts, repeat=length)]

    def ends(long: str, short: str) -> bool:
        return f"/{long}".endswith(f"/{short}")

    def bare(name: str) -> str:
        return name.removesuffix(".png").removesuffix(".jpg")

    def ways(name: str, key: str) -> list[bool]:
        pairs = (name, key), (bare(name), key), (name, bare(key))
        return [
            way
            for one, other in pairs
            for way in (
                one == other,
                ends(one, other),
                *(other.split("/", folders)[folders:] == [one] for folders in (1, 2)),
            )
        ]

    for start, step in itertools.product(range(5), (1, 3, 7)):
        known = names[start::step]
        images = KnownImages(list(range(len(known))), known)
        for key in [*names, "c/a/b.png", "c"]:
            table = [ways(name, key) for name in known]
            nearest = ([place for place, row in enumerate(table) if row[way]] for way in range(12))
            found = next((places for places in nearest if places), [])
            assert images.place(key) == (found[0] if len(found) == 1 else -1), key


# Ids that are text, or whole floats


def test_text_for_ids_is_taken_everywhere_and_given_back(tmp_path: Path) -> None:
    images = [{"id": "b", "file_name": "2.jpg"}, {"id": "a", "file_name": "1.jpg"}]
    boxes = [{"image_id": "b", "category_id": "car", "bbox": [0, 0, 9, 9]}]
    annotations = annotations_of(tmp_path, images, annotations=boxes, categories=[{"id": "car", "name": "car"}])
    assert annotations.image_ids == [image_number("b"), image_number("a")]
    assert annotations.shown_ids == ["b", "a"]
    assert annotations.target[0]["labels"].tolist() == annotations.labels_named(["car"])
    assert read_image_list(tmp_path / "instances.json").shown_ids == ["b", "a"]
    key = {"image_id": "a", "category_id": "car"}
    assert counts(tmp_path, annotations, key, key, key | {"image_id": "2"}) == [1, 2]

    ids = torch.tensor(annotations.image_ids)
    write_ranking(Ranking(ids, ids / ids.max()), tmp_path / "ranking.csv", annotations)
    assert [line.split(",")[1:4:2] for line in (tmp_path / "ranking.csv").read_text().split()[1:]] == [
        ["b", "2.jpg"],
        ["a", "1.jpg"],
    ]
    write_coco_subset(tmp_path / "instances.json", ids[:1], tmp_path / "subset.json")
    subset = json.loads((tmp_path / "subset.json").read_text())
    assert (subset["images"], subset["annotations"]) == (images[:1], boxes)


def test_an_id_of_half_a_character_is_one_like_any_other() -> None:
    assert image_number("\ud800") != image_number("\udcff")


def test_floats_that_are_whole_are_integers(tmp_path: Path) -> None:
    """pandas makes them where a column has gaps."""
    images = [{"id": 7.0, "file_name": "a.jpg", "height": 48.0, "width": 64.0}]
    boxes = [{"image_id": 7, "category_id": 1.0, "bbox": [0, 0, 9, 9]}]
    annotations = annotations_of(tmp_path, images, annotations=boxes)
    assert (annotations.image_ids, annotations.image_sizes) == ([7], [(48, 64)])
    assert len(annotations.target[0]["labels"]) == 1
    assert counts(tmp_path, annotations, {"image_id": 7.0, "category_id": 1.0}) == [1]


def test_images_without_file_names_are_called_by_their_address_or_their_id(tmp_path: Path) -> None:
    """LVIS has addresses only."""
    url = "http://images.cocodataset.org/val2017/000000397133.jpg"
    annotations = annotations_of(tmp_path, [{"id": 397133, "coco_url": url}, {"id": 5}, {"id": "x", "file_name": None}])
    assert annotations.file_names == ["val2017/000000397133.jpg", "5", "x"]
    assert counts(tmp_path, annotations, {"image_id": "000000397133.jpg"}) == [1, 0, 0]
