import json
from pathlib import Path
from typing import Any

import pytest

from hardest_metrics.data import INaturalist2018

#: id: name, genus, family, order, class, phylum, kingdom, supercategory; the genus Morus is a bird's and a plant's.
SPECIES = {
    7: ("Morus bassanus", "Morus", "Sulidae", "Suliformes", "Aves", "Chordata", "Animalia", "Aves"),
    30: ("Morus alba", "Morus", "Moraceae", "Rosales", "Magnoliopsida", "Tracheophyta", "Plantae", "Plantae"),
    31: ("Morus rubra", "Morus", "Moraceae", "Rosales", "Magnoliopsida", "Tracheophyta", "Plantae", "Plantae"),
    9: ("Sula sula", "Sula", "Sulidae", "Suliformes", "Aves", "Chordata", "Animalia", "Aves"),
}
RANKS = ("name", "genus", "family", "order", "class", "phylum", "kingdom", "supercategory")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The set as it lies on disk: two species to learn from, two to be judged by."""
    categories: list[dict[str, Any]] = [{"id": n, **dict(zip(RANKS, row, strict=True))} for n, row in SPECIES.items()]
    (tmp_path / "train2018.json").write_text(json.dumps({"info": {}, "categories": categories, "images": []}))
    (tmp_path / "categories.json").write_text(json.dumps(categories))
    splits = {
        "train": ["Aves/7/a.jpg", "Plantae/30/b.jpg", "Plantae/30/c.jpg"],
        "test": ["Aves/9/d.jpg", "Plantae/31/e.jpg"],
    }
    (tmp_path / "Inat_dataset_splits").mkdir()
    for split, names in splits.items():
        lines = "".join(f"train_val2018/{name}\n" for name in names)
        (tmp_path / "Inat_dataset_splits" / f"Inaturalist_{split}_set1.txt").write_text(lines)
    return tmp_path


def test_groups_of_one_name_are_told_apart(folder: Path) -> None:
    images = INaturalist2018(folder, "train")
    assert images.files[1] == folder / "train_val2018" / "Plantae" / "30" / "b.jpg"
    assert images.labels.shape == (3, 7)
    assert images.labels[:, 0].tolist() == [7, 30, 30]
    assert images.labels[0, 1] != images.labels[1, 1]
    named = [
        [names[label] for names, label in zip(images.class_names, row, strict=True)] for row in images.labels.tolist()
    ]
    assert named == [list(SPECIES[species][:7]) for species in (7, 30, 30)]


@pytest.mark.parametrize("levels", ["base", "full"])
def test_labels_mean_the_same_in_both_splits(folder: Path, levels: Any) -> None:
    train, test = (INaturalist2018(folder, split, levels) for split in ("train", "test"))
    assert train.class_names == test.class_names
    assert (train.labels[0, 1:] == test.labels[0, 1:]).tolist() == (
        [False] + 5 * [True] if levels == "full" else [True]
    )
    assert train.labels[1, 1:].equal(test.labels[1, 1:])


def test_base_has_two_levels(folder: Path) -> None:
    images = INaturalist2018(folder, "train", "base", categories="categories.json")
    assert images.labels.tolist() == [[7, 0], [30, 1], [30, 1]]
    assert images.class_names[1] == {0: "Aves", 1: "Plantae"}


def test_what_is_wrong_is_refused(folder: Path) -> None:
    with pytest.raises(ValueError, match="split='val'"):
        INaturalist2018(folder, "val")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="levels='some'"):
        INaturalist2018(folder, "test", "some")  # type: ignore[arg-type]
    with pytest.raises(FileNotFoundError, match=r"val2018\.json"):
        INaturalist2018(folder, "test", categories="val2018.json")
    (folder / "none.json").write_text("{}")
    with pytest.raises(ValueError, match="has no 'categories'"):
        INaturalist2018(folder, "test", categories="none.json")
    categories = json.loads((folder / "categories.json").read_text())
    del categories[2]["genus"]
    (folder / "categories.json").write_text(json.dumps(categories))
    with pytest.raises(ValueError, match=r"categories\[2\] \(id 31\): has no 'genus'"):
        INaturalist2018(folder, "test", categories="categories.json")
    listed = folder / "Inat_dataset_splits" / "Inaturalist_test_set1.txt"
    for wrong in ("train_val2018/Aves/8/x.jpg", "train_val2018/Aves/x.jpg", "x.jpg"):
        listed.write_text(f"train_val2018/Aves/9/d.jpg\n{wrong}\n")
        with pytest.raises(ValueError, match=r"set1\.txt: line 2: .* is no category id"):
            INaturalist2018(folder, "test")
    listed.write_text("")
    with pytest.raises(ValueError, match=r"set1\.txt: the file is empty"):
        INaturalist2018(folder, "test")
