"""Data modules of the field's formats: VOC-XML folders, COCO folders, parquet files.

Labels are read with `hardest_metrics.data`. Images are brought to one size, and boxes with them; the
IoU of two boxes does not change when an axis is scaled.
"""

from collections.abc import Sequence
from io import BytesIO
from pathlib import Path

import torch
from PIL import Image
from torchvision.ops import box_convert
from torchvision.transforms.v2.functional import pil_to_tensor

from examples.detector.augment import Augment
from examples.detector.data import DetectionData, Sample
from hardest_metrics.data.annotations import Annotations
from hardest_metrics.data.coco import read_coco_annotations
from hardest_metrics.data.voc import read_voc_annotations


class LabelledImages:
    """A sequence of samples from image files and their annotations.

    Args:
        images: files, or bytes of such, in the order of ``annotations``.
        annotations: the labels.
        image_size: height and width in pixels to which every image is brought.
    """

    def __init__(self, images: Sequence[Path | bytes], annotations: Annotations, image_size: tuple[int, int]) -> None:
        self.images = images
        self.annotations = annotations
        self.image_size = image_size
        self.class_of = {label: k for k, label in enumerate(sorted(annotations.categories))}
        self.class_names = [annotations.categories[label] for label in self.class_of]

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> Sample:
        """Image ``(3, H, W)`` uint8 and its target, boxes float32 xyxy in its pixels."""
        source = self.images[index]
        height, width = self.image_size
        with Image.open(BytesIO(source) if isinstance(source, bytes) else source) as file:
            scale_x, scale_y = width / file.width, height / file.height
            image = file.convert("RGB").resize((width, height), Image.Resampling.BILINEAR)
        truth = self.annotations.target[index]
        boxes = box_convert(truth["boxes"], "xywh", "xyxy")
        target = truth | {
            "boxes": (boxes * boxes.new_tensor([scale_x, scale_y] * 2)).float(),
            "labels": torch.tensor([self.class_of[k] for k in truth["labels"].tolist()]).long(),
            "image_size": self.image_size,
        }
        if "area" in truth:
            target["area"] = truth["area"] * (scale_x * scale_y)
        return pil_to_tensor(image), target


def read_parquet(path: Path, class_names: Sequence[str]) -> tuple[list[bytes], Annotations]:
    """Image bytes and annotations of a parquet file; see :class:`ParquetData` for its columns.

    Raises:
        ValueError: when a column or an image's bytes are missing, or a category has no name.
    """
    import pyarrow.parquet as pq  # which the other formats do without

    table = pq.read_table(path)
    for column in ("image", "objects"):
        if column not in table.column_names:
            raise ValueError(f"{path}: has no column {column!r} but {table.column_names}; rename one")
    images = [row if isinstance(row, bytes) else row["bytes"] for row in table["image"].to_pylist()]
    if None in images:
        raise ValueError(f"{path}, row {images.index(None)}: no image bytes; write them into the file")
    image_ids = range(len(images))
    if "image_id" in table.column_names:
        image_ids = table["image_id"].to_pylist()
    target = []
    for image_id, objects in zip(image_ids, table["objects"].to_pylist(), strict=True):
        boxes = torch.tensor(objects["bbox"], dtype=torch.float64).reshape(-1, 4)
        labels = torch.tensor(objects["category"], dtype=torch.int64)
        if ((labels < 0) | (labels >= len(class_names))).any():
            raise ValueError(
                f"{path}, image {image_id}: categories {labels.tolist()}, but class_names has "
                f"{len(class_names)}; name every category"
            )
        target.append({"boxes": boxes, "labels": labels, "image_id": image_id})
    annotations = Annotations(
        image_ids=list(image_ids),
        file_names=[""] * len(images),
        image_sizes=[None] * len(images),
        categories=dict(enumerate(class_names)),
        target=target,
    )
    return images, annotations


class VOCData(DetectionData):
    """A folder of Pascal VOC: ``Annotations``, ``ImageSets/Main`` and ``JPEGImages``.

    Args:
        folder: such as BCCD's.
        image_size: height and width in pixels to which images are brought.
        train: name of the training split in ``ImageSets/Main``.
        val: name of the validation split.
        batch_size: images in a batch.
        augment: augmentation of the training images; None for none.
    """

    def __init__(
        self,
        folder: Path,
        image_size: tuple[int, int],
        train: str = "train",
        val: str = "val",
        batch_size: int = 16,
        augment: Augment | None = None,
    ) -> None:
        def samples(split: str) -> LabelledImages:
            annotations = read_voc_annotations(folder, split)
            files = [folder / "JPEGImages" / name for name in annotations.file_names]
            return LabelledImages(files, annotations, image_size)

        learn, judge = samples(train), samples(val)
        super().__init__(learn, judge, learn.class_names, batch_size, augment)


class COCOData(DetectionData):
    """COCO annotation files, each beside a folder of images.

    Args:
        train: annotation file of the training set.
        train_images: folder of its images.
        val: annotation file of the validation set.
        val_images: folder of its images.
        image_size: height and width in pixels to which images are brought.
        batch_size: images in a batch.
        augment: augmentation of the training images; None for none.

    Raises:
        ValueError: when the two files do not have the same categories.
    """

    def __init__(
        self,
        train: Path,
        train_images: Path,
        val: Path,
        val_images: Path,
        image_size: tuple[int, int],
        batch_size: int = 16,
        augment: Augment | None = None,
    ) -> None:
        def samples(file: Path, folder: Path) -> LabelledImages:
            annotations = read_coco_annotations(file)
            files = [folder / name for name in annotations.file_names]
            return LabelledImages(files, annotations, image_size)

        learn, judge = samples(train, train_images), samples(val, val_images)
        if learn.class_names != judge.class_names:
            raise ValueError(
                f"val={val}: its categories are {judge.class_names}, those of {train} are "
                f"{learn.class_names}; give both the same"
            )
        super().__init__(learn, judge, learn.class_names, batch_size, augment)


class ParquetData(DetectionData):
    """Parquet files with a row an image: its bytes, and its boxes as COCO writes them.

    The columns are those of detection sets on the Hugging Face hub: ``image`` (the bytes of an image
    file, or a struct with such ``bytes``), ``objects`` (a struct of lists: ``bbox``, x, y, width and
    height in pixels, and ``category``, an integer) and, where there is one, ``image_id``.

    Args:
        train: parquet file of the training set.
        val: parquet file of the validation set.
        class_names: of categories 0, 1, ...
        image_size: height and width in pixels to which images are brought.
        batch_size: images in a batch.
        augment: augmentation of the training images; None for none.
    """

    def __init__(
        self,
        train: Path,
        val: Path,
        class_names: Sequence[str],
        image_size: tuple[int, int],
        batch_size: int = 16,
        augment: Augment | None = None,
    ) -> None:
        learn, judge = (LabelledImages(*read_parquet(path, class_names), image_size) for path in (train, val))
        super().__init__(learn, judge, class_names, batch_size, augment)
