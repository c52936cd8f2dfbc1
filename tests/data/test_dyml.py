from pathlib import Path

import pytest

from hardest_metrics.data import DyML


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Both kinds of the set in one, headers as they were published."""
    tables = {
        "train/label.csv": "fname, fine_id0.jpg, middle_id, coarse_id\n0.jpg, 4,2,0\n1.jpg, 5,2,0\n2.jpg, 9,3,1\n",
        "mini-bmk_all_in_one/label.csv": "fname, fine_id, middle_id, coarse_id\n0.jpg,1,1,1\n1.jpg,1,1,1\n",
    }
    for level in ("fine", "middle", "coarse"):
        tables[f"bmk_{level}/query.csv"] = "fname, labels0.jpg\n0.jpg,3\n"
        tables[f"bmk_{level}/gallery.csv"] = "fname, labels0.jpg\n0.jpg,8\n1.jpg,3\n"
    for name, content in tables.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(content)
    return tmp_path


def test_training_images_have_three_levels(folder: Path) -> None:
    images = DyML(folder, "train")
    assert images.files[2] == folder / "train" / "imgs" / "2.jpg"
    assert images.labels.tolist() == [[4, 2, 0], [5, 2, 0], [9, 3, 1]]
    assert images.n_queries is None


@pytest.mark.parametrize("part", ["fine", "middle", "coarse"])
def test_a_benchmark_is_queries_and_their_gallery(folder: Path, part: str) -> None:
    images = DyML(folder, part)  # type: ignore[arg-type]
    assert images.n_queries == 1
    assert images.labels.tolist() == [[3], [8], [3]]
    inner = folder / f"bmk_{part}"
    assert images.files == [inner / "query" / "0.jpg", inner / "gallery" / "0.jpg", inner / "gallery" / "1.jpg"]


def test_products_are_looked_up_among_each_other(folder: Path) -> None:
    images = DyML(folder, "all")
    assert images.files[0] == folder / "mini-bmk_all_in_one" / "imgs" / "0.jpg"
    assert images.labels.tolist() == [[1, 1, 1]] * 2
    assert images.n_queries is None


def test_what_is_wrong_is_refused(folder: Path) -> None:
    with pytest.raises(ValueError, match="part='test'"):
        DyML(folder, "test")  # type: ignore[arg-type]
    (folder / "bmk_fine" / "gallery.csv").unlink()
    with pytest.raises(FileNotFoundError, match=r"gallery\.csv"):
        DyML(folder, "fine")
    (folder / "train" / "label.csv").write_text("fname, fine_id, coarse_id\n0.jpg, 1, 1\n")
    with pytest.raises(ValueError, match=r"label\.csv: no column 'middle_id'"):
        DyML(folder, "train")
