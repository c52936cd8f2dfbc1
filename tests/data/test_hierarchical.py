"""Images whose classes form a tree, from folders, tables and arrays."""

from pathlib import Path

import pytest
import torch
from PIL import Image
from torch import Tensor
from torch.utils.data import DataLoader
from torchvision.transforms.v2.functional import pil_to_tensor

from hardest_metrics.data import HierarchicalCSV, HierarchicalFolder, HierarchicalImages


def save(folder: Path, *names: str, mode: str = "RGB") -> None:
    for number, name in enumerate(names):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new(mode, (6, 4), color=40 * number).save(folder / name)


def labels(*rows: list[int]) -> Tensor:
    return torch.tensor(rows)


def test_a_loader_stacks_images_labels_and_ids(tmp_path: Path) -> None:
    save(tmp_path, "0.png", "1.png", "2.png", mode="L")
    files = [tmp_path / f"{n}.png" for n in range(3)]
    images = HierarchicalImages(files, labels([5, 1], [7, 1], [6, 2]), transform=pil_to_tensor)
    (batch,) = DataLoader(images, batch_size=3)
    assert batch.image.shape == (3, 3, 4, 6)
    assert batch.image[:, 0, 0, 0].tolist() == [0, 40, 80]
    assert batch.labels.equal(images.labels)
    assert batch.image_id.tolist() == [0, 1, 2]
    assert images[-1].image_id == 2
    with pytest.raises(IndexError):
        images[3]


def test_a_missing_image_is_named_when_it_is_read(tmp_path: Path) -> None:
    images = HierarchicalImages([tmp_path / "gone.png"], labels([0]))
    with pytest.raises(FileNotFoundError, match=r"gone\.png"):
        images[0]


def test_classes_are_numbered_level_by_level() -> None:
    images = HierarchicalImages(list("abcd"), labels([9, 4], [3, 2], [9, 4], [5, 4]))
    assert images.class_labels.tolist() == [[3, 2], [5, 4], [9, 4]]
    assert images.num_classes == 3
    assert images.renumber() is images
    assert images.labels.tolist() == [[2, 1], [0, 0], [2, 1], [1, 1]]
    assert images.class_names == [{0: "3", 1: "5", 2: "9"}, {0: "2", 1: "4"}]


def test_labels_that_are_no_tree_are_refused_naming_two_files() -> None:
    with pytest.raises(ValueError, match=r"b has \[3, 2\] and d \[3, 4\], equal at level 0"):
        HierarchicalImages(list("abcd"), labels([9, 4], [3, 2], [9, 4], [3, 4]))


@pytest.mark.parametrize(
    ("given", "error", "message"),
    [
        (torch.zeros(2, 1), TypeError, "labels must be int64"),
        (torch.zeros(3, 1, dtype=torch.int64), ValueError, r"labels must be \(2, L\)"),
        (torch.zeros(2, 0, dtype=torch.int64), ValueError, "labels must be"),
        (torch.zeros(2, dtype=torch.int64), ValueError, "labels must be"),
    ],
)
def test_wrong_labels_are_refused(given: Tensor, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        HierarchicalImages(["a", "b"], given)


@pytest.mark.parametrize("n_queries", [0, 2])
def test_queries_and_gallery_are_both_some(n_queries: int) -> None:
    with pytest.raises(ValueError, match=f"n_queries={n_queries}"):
        HierarchicalImages(["a", "b"], labels([0], [1]), n_queries=n_queries)


def test_folders_of_one_name_are_classes_of_their_own(tmp_path: Path) -> None:
    save(tmp_path, "x/a/1.png", "x/b/1.png", "y/a/1.JPG", "y/a/0.png")
    (tmp_path / "x/a/notes.txt").write_text("")
    (tmp_path / "x/._hidden.png").write_text("")
    images = HierarchicalFolder(tmp_path)
    assert [file.relative_to(tmp_path).as_posix() for file in images.files] == [
        "x/a/1.png", "x/b/1.png", "y/a/0.png", "y/a/1.JPG",
    ]  # fmt: skip
    assert images.labels.tolist() == [[0, 0], [1, 0], [2, 1], [2, 1]]
    assert images.class_names == [{0: "a", 1: "b", 2: "a"}, {0: "x", 1: "y"}]


def test_images_at_several_depths_are_refused(tmp_path: Path) -> None:
    save(tmp_path, "x/a/1.png", "y/2.png")
    with pytest.raises(ValueError, match=r"2\.png: lies in 1 folders .* in 2"):
        HierarchicalFolder(tmp_path)
    save(tmp_path / "flat", "1.png")
    with pytest.raises(ValueError, match="at least one"):
        HierarchicalFolder(tmp_path / "flat")
    (tmp_path / "empty").mkdir()
    with pytest.raises(ValueError, match="no images"):
        HierarchicalFolder(tmp_path / "empty")
    with pytest.raises(NotADirectoryError, match="gone"):
        HierarchicalFolder(tmp_path / "gone")


def table(folder: Path, content: str) -> Path:
    path = folder / "labels.csv"
    path.write_text(content)
    return path


def test_a_table_keeps_integers_and_numbers_names(tmp_path: Path) -> None:
    path = table(tmp_path, "kind,image,id\ntool,a.png,70\nanimal,sub/b.png,8\n")
    images = HierarchicalCSV(path, file_column="image", level_columns=["id", "kind"])
    assert images.files == [tmp_path / "a.png", tmp_path / "sub/b.png"]
    assert images.labels.tolist() == [[70, 1], [8, 0]]
    assert images.class_names == [{70: "70", 8: "8"}, {0: "animal", 1: "tool"}]
    elsewhere = HierarchicalCSV(path, folder="/images", file_column="image", level_columns=["kind"])
    assert elsewhere.files[0] == Path("/images/a.png")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("file,fine,coarse\n", "a header, but no rows"),
        ("file\na.png\n", "no levels"),
        ("path,fine\na.png,1\n", "no column 'file'"),
        ("file,fine,coarse\na.png,1,1\nb.png,1,2\n", r"no tree: .*a\.png has"),
    ],
)
def test_wrong_tables_are_refused(tmp_path: Path, content: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        HierarchicalCSV(table(tmp_path, content))
