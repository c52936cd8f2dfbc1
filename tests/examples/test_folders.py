"""The same data set read from each of the formats."""

import json
from io import BytesIO
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from PIL import Image

from examples.detector.data import DetectionData
from examples.detector.folders import COCOData, ParquetData, VOCData

NAMES = ["cat", "dog"]
# One image a row: width, height, boxes (x, y, width, height) and classes.
IMAGES = [
    (40, 20, [[10, 5, 20, 10], [0, 0, 4, 8]], [1, 0]),
    (20, 40, [], []),
    (32, 32, [[8, 8, 16, 16]], [0]),
]


def picture(width: int, height: int) -> bytes:
    pixels = np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)
    buffer = BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


def voc(folder: Path) -> DetectionData:
    for name in ("Annotations", "JPEGImages", "ImageSets/Main"):
        (folder / name).mkdir(parents=True)
    for i, (width, height, boxes, classes) in enumerate(IMAGES):
        (folder / f"JPEGImages/{i}.png").write_bytes(picture(width, height))
        objects = "".join(
            f"<object><name>{NAMES[k]}</name><bndbox><xmin>{x}</xmin><ymin>{y}</ymin>"
            f"<xmax>{x + w}</xmax><ymax>{y + h}</ymax></bndbox></object>"
            for (x, y, w, h), k in zip(boxes, classes, strict=True)
        )
        (folder / f"Annotations/{i}.xml").write_text(
            f"<annotation><filename>{i}.png</filename><size><width>{width}</width>"
            f"<height>{height}</height></size>{objects}</annotation>"
        )
    for split in ("train", "val"):
        (folder / f"ImageSets/Main/{split}.txt").write_text("0\n1\n2\n")
    return VOCData(folder, (16, 16), batch_size=2)


def coco(folder: Path) -> DetectionData:
    for i, (width, height, _, _) in enumerate(IMAGES):
        (folder / f"{i}.png").write_bytes(picture(width, height))
    document = {
        "images": [
            {"id": i + 1, "file_name": f"{i}.png", "width": width, "height": height}
            for i, (width, height, _, _) in enumerate(IMAGES)
        ],
        "categories": [{"id": 10 * k + 3, "name": name} for k, name in enumerate(NAMES)],
        "annotations": [
            {"id": 100 * i + j, "image_id": i + 1, "category_id": 10 * k + 3, "bbox": box}
            for i, (_, _, boxes, classes) in enumerate(IMAGES)
            for j, (box, k) in enumerate(zip(boxes, classes, strict=True))
        ],
    }
    file = folder / "instances.json"
    file.write_text(json.dumps(document))
    return COCOData(file, folder, file, folder, (16, 16), batch_size=2)


def parquet(folder: Path) -> DetectionData:
    rows = [
        {
            "image_id": i + 1,
            "image": {"bytes": picture(width, height), "path": f"{i}.png"},
            "objects": {"bbox": boxes, "category": classes},
        }
        for i, (width, height, boxes, classes) in enumerate(IMAGES)
    ]
    file = folder / "set.parquet"
    pq.write_table(pa.Table.from_pylist(rows), file)
    return ParquetData(file, file, NAMES, (16, 16), batch_size=2)


@pytest.mark.parametrize("make", [voc, coco, parquet])
def test_every_format_gives_the_same_samples(make: "type[DetectionData]", tmp_path: Path) -> None:
    data = make(tmp_path)  # type: ignore[arg-type, call-arg]
    assert data.class_names == tuple(NAMES)
    batches = list(data.val_dataloader())
    assert [len(targets) for _, targets in batches] == [2, 1]
    targets = [target for _, batch in batches for target in batch]
    assert [target["image_id"] for target in targets] == [1, 2, 3]
    for (width, height, boxes, classes), target in zip(IMAGES, targets, strict=True):
        expected = [
            [x * 16 / width, y * 16 / height, (x + w) * 16 / width, (y + h) * 16 / height] for x, y, w, h in boxes
        ]
        torch.testing.assert_close(target["boxes"], torch.tensor(expected).reshape(-1, 4))
        assert target["labels"].tolist() == classes
        assert target["labels"].dtype == torch.int64
        assert target["image_size"] == (16, 16)
    assert batches[0][0].shape == (2, 3, 16, 16)


def test_coco_sets_of_different_categories_are_refused(tmp_path: Path) -> None:
    coco(tmp_path)
    other = json.loads((tmp_path / "instances.json").read_text())
    other["categories"][0]["name"] = "cow"
    (tmp_path / "other.json").write_text(json.dumps(other))
    with pytest.raises(ValueError, match=r"other.json: its categories are \['cow', 'dog'\]"):
        COCOData(tmp_path / "instances.json", tmp_path, tmp_path / "other.json", tmp_path, (16, 16))


@pytest.mark.parametrize("which", ["test", "test_images"])
def test_half_of_a_coco_test_set_is_refused(which: str, tmp_path: Path) -> None:
    coco(tmp_path)
    file = tmp_path / "instances.json"
    with pytest.raises(ValueError, match="test and test_images belong together"):
        COCOData(file, tmp_path, file, tmp_path, (16, 16), **{which: tmp_path})  # type: ignore[arg-type]


def test_test_splits_are_loaded_when_they_are_named(tmp_path: Path) -> None:
    for make in (voc, coco, parquet):
        (tmp_path / make.__name__).mkdir()
        with pytest.raises(ValueError, match="there is no test split; name one"):
            make(tmp_path / make.__name__).test_dataloader()
    file = tmp_path / "coco" / "instances.json"
    shard = tmp_path / "parquet" / "set.parquet"
    for data in (
        VOCData(tmp_path / "voc", (16, 16), test="val"),
        COCOData(file, file.parent, file, file.parent, (16, 16), test=file, test_images=file.parent),
        ParquetData(shard, shard, NAMES, (16, 16), test=shard),
    ):
        ((images, targets),) = data.test_dataloader()
        assert [target["image_id"] for target in targets] == [1, 2, 3]
        assert images.shape == (3, 3, 16, 16)


def test_bccd_is_read(shared_data: Path) -> None:
    data = VOCData(shared_data / "bccd", (48, 64))
    assert data.class_names == ("Platelets", "RBC", "WBC")
    assert (len(data.train), len(data.val)) == (205, 87)
    images, targets = next(iter(data.val_dataloader()))
    assert images.shape == (16, 3, 48, 64)
    assert all((t["boxes"][:, 2:] > t["boxes"][:, :2]).all() for t in targets)
