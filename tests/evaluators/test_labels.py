from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scipy.io import savemat

from hardest_metrics.evaluators.labels import class_labels
from hardest_metrics.input_warning import InputWarning

GROUND_TRUTH = "ILSVRC2012_validation_ground_truth.txt"


def save_meta(path: Path, wordnet: list[tuple[str, int, int]]) -> None:
    kinds = [("ILSVRC2012_ID", "O"), ("WNID", "O"), ("num_children", "O")]
    synsets = np.zeros((len(wordnet), 1), dtype=kinds)
    for place, (wnid, number, children) in enumerate(wordnet):
        synsets[place, 0] = (number, wnid, children)
    savemat(path, {"synsets": synsets})


def test_csv_and_json_and_mappings_are_read(tmp_path: Path) -> None:
    expected = {"a.jpg": 3, "b.jpg": 0}
    (tmp_path / "labels.csv").write_text("file_name,label\na.jpg,3\nb.jpg,0\n")
    (tmp_path / "labels.json").write_text('{"a.jpg": 3, "b.jpg": 0.0}')
    assert class_labels(tmp_path / "labels.csv") == class_labels(tmp_path / "labels.json") == expected
    assert class_labels({np.str_("a.jpg"): np.int64(3), "b.jpg": np.array(0)}) == expected  # type: ignore[dict-item]


def test_line_n_of_the_ground_truth_is_image_n_and_that_its_order_is_another_is_said(tmp_path: Path) -> None:
    (tmp_path / GROUND_TRUTH).write_text("490\n1\n171\n")
    with pytest.warns(InputWarning, match="numbered in the order of the development kit"):
        labels = class_labels(tmp_path / GROUND_TRUTH)
    assert labels == {"ILSVRC2012_val_00000001": 489, "ILSVRC2012_val_00000002": 0, "ILSVRC2012_val_00000003": 170}


def test_beside_meta_classes_are_numbered_by_synset_as_torchvision_has_it(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / GROUND_TRUTH).write_text("1\n2\n3\n")
    synsets = [("n02119789", 1, 0), ("n01440764", 2, 0), ("n03000000", 3, 0), ("n00001740", 4, 2)]
    save_meta(tmp_path / "data" / "meta.mat", synsets)
    labels = class_labels(tmp_path)
    assert list(labels.values()) == [1, 0, 2]
    (tmp_path / "data" / GROUND_TRUTH).write_text("1\n4\n")
    with pytest.raises(ValueError, match=r"has class 4, which .*meta\.mat does not list"):
        class_labels(tmp_path)
    (tmp_path / "data" / "meta.mat").write_bytes(b"nonsense")
    with pytest.raises(ValueError, match=r"meta\.mat: cannot be read"):
        class_labels(tmp_path)


def test_a_folder_of_images_a_class_gives_labels_by_file_name(tmp_path: Path) -> None:
    for name in ("n01/ILSVRC2012_val_00000007.JPEG", "n02/ILSVRC2012_val_00000001.JPEG"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        Image.new("RGB", (4, 4)).save(tmp_path / name)
    assert class_labels(tmp_path) == {"ILSVRC2012_val_00000007": 0, "ILSVRC2012_val_00000001": 1}
    Image.new("RGB", (4, 4)).save(tmp_path / "n01" / "ILSVRC2012_val_00000001.JPEG")
    with pytest.raises(ValueError, match="image 'ILSVRC2012_val_00000001' is there 2 times"):
        class_labels(tmp_path)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("labels.json", "[1, 2]", "is a list, but must be an object"),
        ("labels.json", '{"a": -1}', "the label of 'a' must be a class number from 0, but is -1"),
        ("labels.json", '{"a": "cat"}', "the label of 'a' must be a class number"),
        ("labels.json", '{"a": true}', "the label of 'a' must be a class number"),
        ("labels.csv", "label\n3\n", "has no column 'image_id' or 'file_name'"),
        ("labels.csv", "file_name,label\na,3\na,4\n", "image 'a' is there 2 times"),
        ("labels.txt", "", "the file is empty"),
        ("labels.txt", "1\n0\n", "line 2 is '0'"),
        ("labels.txt", "cat\n", "line 1 is 'cat'"),
        ("labels.yaml", "", "labels are read from .csv, .json"),
    ],
)
def test_what_is_not_labels_is_refused(tmp_path: Path, name: str, content: str, message: str) -> None:
    (tmp_path / name).write_text(content)
    with pytest.raises(ValueError, match=message):
        class_labels(tmp_path / name)


def test_a_mapping_of_what_is_no_class_is_refused() -> None:
    with pytest.raises(ValueError, match=r"`labels` of 'a' must be a class number from 0, but is 1\.5"):
        class_labels({"a": 1.5})  # type: ignore[dict-item]
