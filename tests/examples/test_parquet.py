"""Parquet as it is found in the wild: shards, URLs, integers for lists."""

from io import BytesIO
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from PIL import Image

from examples.detector.folders import LabelledImages
from examples.detector.parquet import read_parquet, shards
from examples.detector.train import main

NAMES = ["cat", "dog"]
BOXES = [[1, 2, 3, 4], [0, 0, 4, 4]]


def picture() -> bytes:
    buffer = BytesIO()
    Image.new("RGB", (8, 8), (10, 20, 30)).save(buffer, "PNG")
    return buffer.getvalue()


def write(path: Path, *rows: dict[str, Any]) -> Path:
    """A file of these rows, each with a picture and two boxes unless it says otherwise."""
    usual = {"image": picture(), "objects": {"bbox": BOXES, "category": [0, 1]}}
    pq.write_table(pa.Table.from_pylist([usual | row for row in rows]), path)
    return path


@pytest.mark.parametrize(
    "objects",
    [
        {"bbox": BOXES, "category": [1, 1]},
        {"bbox": BOXES, "category": 1},  # for all boxes of the image
        [{"bbox": box, "category": 1} for box in BOXES],
    ],
)
def test_categories_are_integers_each_or_one_for_all(objects: Any, tmp_path: Path) -> None:
    _, annotations = read_parquet(write(tmp_path / "set.parquet", {"objects": objects}), NAMES)
    (target,) = annotations.target
    assert target["labels"].tolist() == [1, 1]
    assert target["labels"].dtype == torch.int64
    assert target["boxes"].tolist() == BOXES


def test_one_box_and_one_integer_are_one_object(tmp_path: Path) -> None:
    file = write(tmp_path / "set.parquet", {"objects": {"bbox": BOXES[0], "category": 1}})
    sample = LabelledImages(*read_parquet(file, NAMES), (8, 8))[0][1]
    assert sample["boxes"].tolist() == [[1, 2, 4, 6]]
    assert sample["labels"].tolist() == [1]


def test_an_image_without_objects_is_kept(tmp_path: Path) -> None:
    rows: list[dict[str, Any]] = [{}, {"objects": {"bbox": [], "category": []}}]
    _, annotations = read_parquet(write(tmp_path / "set.parquet", *rows), NAMES)
    assert annotations.target[1]["boxes"].shape == (0, 4)


def test_shards_are_one_set(tmp_path: Path) -> None:
    files = [
        write(tmp_path / f"train-{i:02}.parquet", *[{"objects": {"bbox": BOXES, "category": i}}] * 2) for i in (0, 1)
    ]
    for which in (
        files,
        [str(file) for file in files],
        str(tmp_path / "train-*.parquet"),
        tmp_path / "train-*.parquet",
    ):
        images, annotations = read_parquet(which, NAMES)
        assert len(images) == 4
        assert annotations.image_ids == [0, 1, 2, 3]
        assert [target["labels"][0].item() for target in annotations.target] == [0, 0, 1, 1]


def test_ids_are_those_of_the_files_and_each_is_there_once(tmp_path: Path) -> None:
    one, two = write(tmp_path / "1.parquet", {"image_id": 7}), write(tmp_path / "2.parquet", {"image_id": 3})
    assert read_parquet([one, two], NAMES)[1].image_ids == [7, 3]
    with pytest.raises(ValueError, match="image_id 7 is there twice"):
        read_parquet([one, two, one], NAMES)
    with pytest.raises(ValueError, match=r"3.parquet: 'image_id' is in some of the files only"):
        read_parquet([one, write(tmp_path / "3.parquet", {})], NAMES)


def test_urls_are_left_as_they_are(tmp_path: Path) -> None:
    assert shards(["https://host/a.parquet", "hf://datasets/b.parquet"]) == [
        "https://host/a.parquet",
        "hf://datasets/b.parquet",
    ]
    url = "https://host/pictures/1.png?size=8"
    images, annotations = read_parquet(write(tmp_path / "set.parquet", {"image": url}), NAMES)
    assert images == annotations.file_names == [url]


def test_files_and_images_are_opened_by_url(tmp_path: Path) -> None:
    (tmp_path / "1.png").write_bytes(picture())
    image = (tmp_path / "1.png").as_uri()
    assert image.startswith("file:///")
    write(tmp_path / "a-0.parquet", {"image": image})
    write(tmp_path / "a-1.parquet", {"image": {"bytes": None, "path": image}})
    folder = tmp_path.as_uri()
    for files in (f"{folder}/a-*.parquet", [f"{folder}/a-0.parquet", f"{folder}/a-1.parquet"]):
        samples = LabelledImages(*read_parquet(files, NAMES), (4, 4))
        for index in (0, 1):
            pixels, target = samples[index]
            assert pixels[:, 0, 0].tolist() == [10, 20, 30]
            assert target["boxes"][1].tolist() == [0, 0, 2, 2]


def test_bytes_go_before_a_path(tmp_path: Path) -> None:
    file = write(tmp_path / "set.parquet", {"image": {"bytes": picture(), "path": "gone.png"}})
    assert read_parquet(file, NAMES)[0] == [picture()]


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"objects": {"bbox": BOXES, "category": [0, 2]}}, r"image 1: categories \[0, 2\].* name every category"),
        ({"objects": {"bbox": BOXES, "category": [0]}}, "image 1: 2 boxes, but 1 categories"),
        ({"objects": {"bbox": BOXES, "category": ["cat", "dog"]}}, r"image 1: category .*'cat'.* must be integers"),
        ({"objects": {"bbox": BOXES, "category": "dog"}}, "image 1: category 'dog' must be integers"),
        ({"objects": {"bbox": BOXES, "category": None}}, "image 1: objects must have 'bbox' and 'category'"),
        ({"objects": None}, "image 1: objects must have 'bbox' and 'category'"),
        ({"objects": {"bbox": [[1, 2, 3]], "category": [0]}}, "image 1: bbox must hold x, y, width and height"),
        ({"image": None}, "image 1: no image bytes, path or URL"),
    ],
)
def test_what_is_wrong_names_its_file_and_image(row: dict[str, Any], message: str, tmp_path: Path) -> None:
    file = tmp_path / "set.parquet"
    write(file, {**row, "image_id": 1})
    with pytest.raises(ValueError, match=rf"set.parquet, {message}"):
        read_parquet(file, NAMES)


def test_missing_columns_and_files_are_named(tmp_path: Path) -> None:
    file = tmp_path / "set.parquet"
    pq.write_table(pa.table({"image": [picture()]}), file)
    with pytest.raises(ValueError, match=r"set.parquet: has no column 'objects' but \['image'\]"):
        read_parquet(file, NAMES)
    with pytest.raises(ValueError, match=r"other-\*.parquet: fits no file"):
        read_parquet(tmp_path / "other-*.parquet", NAMES)
    with pytest.raises(ValueError, match="no parquet file is named"):
        read_parquet([], NAMES)
    with pytest.raises(FileNotFoundError):
        read_parquet(tmp_path / "gone.parquet", NAMES)


# Lightning and its command line warn of each other's and torch's deprecations, and of few workers.
@pytest.mark.filterwarnings("default")
def test_the_command_line_takes_urls_and_shards(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    url = write(tmp_path / "a.parquet", {}).as_uri()
    config = tmp_path / "config.yaml"
    config.write_text(
        f"""
data:
  class_path: examples.detector.folders.ParquetData
  init_args:
    train: ["{url}", {tmp_path / "a.parquet"}]
    val: {url}
    test: {tmp_path / "a*.parquet"}
    class_names: [cat, dog]
    image_size: [64, 64]
model: {{backbone: test_resnet, channels: 16}}
trainer: {{accelerator: cpu, logger: false, enable_checkpointing: false}}
"""
    )
    monkeypatch.setattr("sys.argv", ["train", f"--config={config}"])
    data = main(run=False).datamodule
    assert [len(split) for split in (data.train, data.val, data.test)] == [2, 1, 1]
    monkeypatch.setattr("sys.argv", ["train", f"--config={config}", f'--data.train=["{url}"]', f"--data.val={url}"])
    assert len(main(run=False).datamodule.train) == 1
