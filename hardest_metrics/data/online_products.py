"""Stanford Online Products: products of twelve kinds, several photographs each."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import torch
from PIL import Image

from hardest_metrics.data.hierarchical import HierarchicalImages
from hardest_metrics.data.json_file import PathLike
from hardest_metrics.data.table import Table


class OnlineProducts(HierarchicalImages):
    r"""Stanford Online Products (SOP): 59,551 images to learn from, 60,502 to be judged by, of other products.

    Two levels: product, and kind of product. Labels are the numbers in ``Ebay_<split>.txt``.

    Args:
        folder: with ``Ebay_train.txt``, ``Ebay_test.txt`` and the folders of images in it.
        split: which of the two files.
        transform: see :class:`HierarchicalImages`.

    Raises:
        OSError: when the file is missing.
        ValueError: when it is not as it should be; the message names it, the line and the remedy.

    `Deep Metric Learning via Lifted Structured Feature Embedding <https://arxiv.org/abs/1511.06452>`_, CVPR 2016.

    Example:
        >>> import tempfile
        >>> folder = Path(tempfile.mkdtemp())
        >>> written = (folder / "Ebay_train.txt").write_text(
        ...     "image_id class_id super_class_id path\n1 1 1 bicycle_final/111085122871_0.JPG\n"
        ... )
        >>> images = OnlineProducts(folder, "train")
        >>> images.labels, images.class_names[1]
        (tensor([[1, 1]]), {1: 'bicycle'})
    """

    def __init__(
        self, folder: PathLike, split: Literal["train", "test"], transform: Callable[[Image.Image], Any] | None = None
    ) -> None:
        if split not in ("train", "test"):
            raise ValueError(f"split={split!r}: choose train or test.")
        table = Table(Path(folder, f"Ebay_{split}.txt"), delimiter=" ")
        paths = table.texts("path")
        labels = torch.tensor([table.integers("class_id"), table.integers("super_class_id")]).T
        kinds = {
            kind: Path(path).parent.name.removesuffix("_final")
            for kind, path in zip(labels[:, 1].tolist(), paths, strict=True)
        }
        products = {product: str(product) for product in labels[:, 0].unique().tolist()}
        super().__init__([Path(folder, path) for path in paths], labels.contiguous(), transform, [products, kinds])
