from pathlib import Path

import pytest

from hardest_metrics.data import OnlineProducts

TEST = """image_id class_id super_class_id path
1 11319 1 bicycle_final/251952414262_0.JPG
2 11319 1 bicycle_final/251952414262_1.JPG
3 11320 2 coffee_maker_final/261952414262_0.JPG
"""


def test_the_file_is_read_as_it_is_published(tmp_path: Path) -> None:
    (tmp_path / "Ebay_test.txt").write_text(TEST)
    images = OnlineProducts(tmp_path, "test")
    assert images.files[2] == tmp_path / "coffee_maker_final" / "261952414262_0.JPG"
    assert images.labels.tolist() == [[11319, 1], [11319, 1], [11320, 2]]
    assert images.class_names == [{11319: "11319", 11320: "11320"}, {1: "bicycle", 2: "coffee_maker"}]
    assert images.renumber().labels.tolist() == [[0, 0], [0, 0], [1, 1]]


def test_what_is_wrong_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"Ebay_train\.txt"):
        OnlineProducts(tmp_path, "train")
    with pytest.raises(ValueError, match="split='val'"):
        OnlineProducts(tmp_path, "val")  # type: ignore[arg-type]
    (tmp_path / "Ebay_test.txt").write_text(TEST.replace("11320", "x"))
    with pytest.raises(ValueError, match=r"Ebay_test\.txt: line 4: 'class_id' is 'x'"):
        OnlineProducts(tmp_path, "test")
    (tmp_path / "Ebay_test.txt").write_text(TEST.split("\n")[0])
    with pytest.raises(ValueError, match="a header, but no rows"):
        OnlineProducts(tmp_path, "test")
