"""Data modules of the field's formats: VOC-XML folders, COCO folders, parquet files.

Labels are read with `hardest_metrics.data`. Images are brought to one size, and boxes with them; the
IoU of two boxes does not change when an axis is scaled.
"""

from collections.abc import Sequence
from io import BytesIO
from pathlib import Path

import fsspec
import torch
from PIL import Image
from torchvision.ops import box_convert
from torchvision.transforms.v2.functional import pil_to_tensor

from examples.detector.augment import Augment
from examples.detector.data import DetectionData, Sample
from examples.detector.parquet import Shards, read_parquet
from hardest_metrics.data.annotations import Annotations
from hardest_metrics.data.coco import read_coco_annotations
from hardest_metrics.data.voc import read_voc_annotations


class LabelledImages:
    """A sequence of samples from image files and their annotations.

    Args:
        images: files, or bytes of such, in the order of ``annotations``. Strings are paths or URLs, as fsspec opens
            them; what the URL's protocol asks for must be installed.
        annotations: the labels.
        image_size: height and width in pixels to which every image is brought.
    """

    def __init__(
        self, images: Sequence[Path | bytes | str], annotations: Annotations, image_size: tuple[int, int]
    ) -> None:
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
        opened = BytesIO(source) if isinstance(source, bytes) else fsspec.open(str(source), "rb").open()
        with opened, Image.open(opened) as file:
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


class VOCData(DetectionData):
    """A folder of Pascal VOC: ``Annotations``, ``ImageSets/Main`` and ``JPEGImages``.

    Args:
        folder: such as BCCD's.
        image_size: height and width in pixels to which images are brought.
        train: name of the training split in ``ImageSets/Main``.
        val: name of the validation split.
        batch_size: images in a batch.
        augment: augmentation of the training images; None for none.
        test: name of the test split; None for none.
    """

    def __init__(
        self,
        folder: Path,
        image_size: tuple[int, int],
        train: str = "train",
        val: str = "val",
        batch_size: int = 16,
        augment: Augment | None = None,
        test: str | None = None,
    ) -> None:
        def samples(split: str) -> LabelledImages:
            annotations = read_voc_annotations(folder, split)
            files = [folder / "JPEGImages" / name for name in annotations.file_names]
            return LabelledImages(files, annotations, image_size)

        learn, judge = samples(train), samples(val)
        last = None if test is None else samples(test)
        super().__init__(learn, judge, learn.class_names, batch_size, augment, last)


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
        test: annotation file of the test set; None for none.
        test_images: folder of its images.

    Raises:
        ValueError: when the files do not have the same categories, or only one of ``test`` and ``test_images`` is
            given.
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
        test: Path | None = None,
        test_images: Path | None = None,
    ) -> None:
        def samples(file: Path, folder: Path) -> LabelledImages:
            annotations = read_coco_annotations(file)
            files = [folder / name for name in annotations.file_names]
            return LabelledImages(files, annotations, image_size)

        if (test is None) != (test_images is None):
            raise ValueError("test and test_images belong together; give both, or neither")
        learn, judge = samples(train, train_images), samples(val, val_images)
        last = None if test is None or test_images is None else samples(test, test_images)
        for name, file, other in (("val", val, judge), ("test", test, last)):
            if other is not None and other.class_names != learn.class_names:
                raise ValueError(
                    f"{name}={file}: its categories are {other.class_names}, those of {train} are "
                    f"{learn.class_names}; give both the same"
                )
        super().__init__(learn, judge, learn.class_names, batch_size, augment, last)


class ParquetData(DetectionData):
    """Parquet files with a row an image, and its boxes as COCO writes them.

    The columns are those of detection sets on the Hugging Face hub:

    - ``image``: the bytes of an image file; a string that names one, a path or a URL, left as it is and opened when
      the image is asked for; or a struct of ``bytes`` and ``path``, of which the bytes go first.
    - ``objects``: a struct of lists, or a list of structs, of ``bbox`` (x, y, width and height in pixels) and
      ``category`` (an integer). A struct may have one plain integer for all boxes of its image.
    - ``image_id``, where there is one; else images are numbered through the files.

    Each split is a file, a pattern such as ``data/train-*.parquet``, or a list of either; a string may be a URL.

    Args:
        train: of the training set.
        val: of the validation set.
        class_names: of categories 0, 1, ...
        image_size: height and width in pixels to which images are brought.
        batch_size: images in a batch.
        augment: augmentation of the training images; None for none.
        test: of the test set; None for none.
    """

    def __init__(
        self,
        train: Shards,
        val: Shards,
        class_names: Sequence[str],
        image_size: tuple[int, int],
        batch_size: int = 16,
        augment: Augment | None = None,
        test: Shards | None = None,
    ) -> None:
        def samples(files: Shards) -> LabelledImages:
            return LabelledImages(*read_parquet(files, class_names), image_size)

        learn, judge = samples(train), samples(val)
        last = None if test is None else samples(test)
        super().__init__(learn, judge, class_names, batch_size, augment, last)
