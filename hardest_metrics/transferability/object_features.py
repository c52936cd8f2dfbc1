"""What a model's layers make of the objects of an image."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from functools import partial
from typing import Any, NamedTuple, get_args

import torch
from torch import Tensor, nn
from torchvision.models.detection import FCOS, RetinaNet
from torchvision.models.detection.generalized_rcnn import GeneralizedRCNN
from torchvision.models.detection.ssd import SSD
from torchvision.models.detection.transform import GeneralizedRCNNTransform

from hardest_metrics.functional.transferability.projection import check_size, gaussian_projection
from hardest_metrics.transferability.pooling import PlacedBoxes, Pooling, features_of_boxes, features_of_images

_ROI_BRANCH = "roi_heads.box_"
"""What the names of modules start with that a two-stage detector applies to boxes, not to images."""


class LabelledFeatures(NamedTuple):
    """The objects of a batch of images, in their order.

    Attributes:
        features: of each layer, by its name, ``(N, D)`` in the model's dtype.
        target: ``(N,)`` int64 labels.
        boxes: ``(N, 4)`` corners as shares of the width and height of the image as it was given.
    """

    features: dict[str, Tensor]
    target: Tensor
    boxes: Tensor


class ObjectFeatures:
    """Features of labelled objects in some layers of a model, for the scores of transferability.

    After `Transferability Metrics for Object Detection <https://arxiv.org/abs/2306.15306>`_ (Fouquet et al., 2023): a
    local feature is what RoIAlign (7 x 7 bins, 2 x 2 samples each) finds in the object's box, averaged; a global one
    is the average of the object's whole image, without what it was padded by.

    A layer is the name of a module, as in ``model.named_modules()``, whose output is a ``(B, D, h, w)`` map. Where it
    is a dict or a list of them, ``"backbone.fpn.0"`` is its map ``"0"``, and ``"backbone.fpn"`` the whole pyramid: each
    box is then pooled from the level that suits its size (torchvision's ``MultiScaleRoIAlign``; the level ``"pool"``,
    which repeats the one before, is left out). For global features a ``(B, D)`` output will do.

    Of a two-stage detector of torchvision ``"roi_heads.box_roi_pool"`` is its own pooling of several scales, and
    ``"roi_heads.box_head"``, or a module of it, its features before the last layer: both are given the objects' boxes
    in place of proposals.

    Args:
        model: in evaluation mode: a torchvision Faster, Mask or Keypoint R-CNN, RetinaNet, FCOS or SSD, of which only
            the backbone and what is asked for is run; or any module that takes ``(B, C, H, W)`` images, such as a plain
            backbone.
        layers: names of modules.
        pooling: ``"local"`` or ``"global"``.
        projection: how many features to project those of each layer to, by
            :func:`~hardest_metrics.functional.transferability.gaussian_projection`; None to leave them.

    Raises:
        TypeError: if `model` wraps a torchvision detector.
        ValueError: if an argument is out of its range, or the model has no such layer.

    Example:
        >>> import torch
        >>> from torch import nn
        >>> from hardest_metrics.transferability import LogME, ObjectFeatures
        >>> backbone = nn.Sequential(nn.Conv2d(3, 8, 3, 2, 1), nn.ReLU(), nn.Conv2d(8, 4, 3, 2, 1)).eval()
        >>> extract = ObjectFeatures(backbone, ["1", "2"])
        >>> targets = [{"boxes": torch.tensor([[4.0, 4, 20, 28], [8, 0, 32, 16]]), "labels": torch.tensor([1, 2])}]
        >>> objects = extract(torch.rand(1, 3, 32, 32), targets)
        >>> {layer: features.shape for layer, features in objects.features.items()}
        {'1': torch.Size([2, 8]), '2': torch.Size([2, 4])}
        >>> metric = LogME()
        >>> metric.update(objects.features["2"], objects.target, objects.boxes)
    """

    def __init__(
        self,
        model: nn.Module,
        layers: Sequence[str],
        pooling: Pooling = "local",
        projection: int | None = None,
    ) -> None:
        if pooling not in get_args(Pooling):
            raise ValueError(f"`pooling` must be 'local' or 'global', but is {pooling!r}.")
        if projection is not None:
            check_size(projection, "projection")
        if isinstance(layers, str) or not layers:
            raise ValueError(f"`layers` must be a list of at least one name of a module, but is {layers!r}.")
        self._detector = isinstance(model, GeneralizedRCNN | RetinaNet | FCOS | SSD)
        if not self._detector and any(isinstance(part, GeneralizedRCNNTransform) for part in model.modules()):
            raise TypeError(
                f"`model` is a {type(model).__name__} that holds a torchvision detector, which resizes images: give the"
                " detector itself, so that boxes are resized with them."
            )
        self.model = model
        self.pooling = pooling
        self.projection = projection
        self._places = {name: self._place(name) for name in layers}

    @property
    def layers(self) -> tuple[str, ...]:
        """Names of the layers."""
        return tuple(self._places)

    def __call__(self, images: Tensor | Sequence[Tensor], targets: Sequence[Mapping[str, Tensor]]) -> LabelledFeatures:
        """Features, labels and boxes of all objects in some images.

        Args:
            images: as the model takes them, ``(B, C, H, W)`` or a sequence of ``(C, H, W)``; of several sizes for
                torchvision's detectors only.
            targets: a dict an image: ``boxes`` ``(n, 4)``, xyxy in pixels of the image as it is given, and ``labels``
                ``(n,)``.

        Raises:
            ValueError: if the model is in training mode, a target does not fit its image, or a layer's output cannot be
                pooled.
        """
        if self.model.training:
            raise ValueError("`model` must be in evaluation mode, in which features follow from the image: `.eval()`.")
        images = list(images)
        _check(images, targets)
        boxes = [target["boxes"].to(image.device, torch.float32) for image, target in zip(images, targets, strict=True)]
        with torch.no_grad():
            found = (self._of_detector if self._detector else self._of_module)(images, boxes)
            if self.projection is not None:
                found = {name: gaussian_projection(features, self.projection) for name, features in found.items()}
        return LabelledFeatures(
            {name: found[name] for name in self.layers},
            torch.cat(
                [target["labels"].long().to(image.device) for image, target in zip(images, targets, strict=True)]
            ),
            torch.cat([_shares(image, target["boxes"]) for image, target in zip(images, targets, strict=True)]),
        )

    def __repr__(self) -> str:
        return (
            f"ObjectFeatures({type(self.model).__name__}, {list(self.layers)}, pooling={self.pooling!r},"
            f" projection={self.projection})"
        )

    def _place(self, name: str) -> tuple[str, str | None]:
        """The module of a layer, and which of its maps is meant; None for the only one, or for all of them."""
        place: tuple[str, str | None] = (name, None)
        modules = dict(self.model.named_modules())
        if name not in modules:
            module, _, level = name.rpartition(".")
            if module not in modules or not (module or level.isdigit()):
                raise ValueError(
                    f"`layers` holds {name!r}, but the model has no such module: look through"
                    " `dict(model.named_modules())`."
                )
            place = module, level
        if not self._detector:
            return place
        if _of_boxes(name) and isinstance(self.model, GeneralizedRCNN):
            if self.pooling == "global":
                raise ValueError(f"`layers` holds {name!r}, which sees boxes, not images: it has no global features.")
        elif name.split(".")[0] != "backbone":
            raise ValueError(
                f"`layers` holds {name!r}, but only the backbone of a torchvision detector is run, and"
                f" `{_ROI_BRANCH}roi_pool` and `{_ROI_BRANCH}head` of a two-stage one: name one of their modules."
            )
        return place

    def _of_module(self, images: list[Tensor], boxes: list[Tensor]) -> dict[str, Tensor]:
        if len({image.shape for image in images}) > 1:
            raise ValueError(
                f"`images` must be of one size for a {type(self.model).__name__}, but are of"
                f" {sorted({(*image.shape,) for image in images})}: resize them and their boxes before."
            )
        batch = torch.stack(images)
        size = int(batch.shape[2]), int(batch.shape[3])
        pool = partial(features_of_images, pooling=self.pooling, placed=PlacedBoxes(boxes, [size] * len(images), size))
        return self._hooked(self.layers, pool, lambda: self.model(batch))

    def _of_detector(self, images: list[Tensor], boxes: list[Tensor]) -> dict[str, Tensor]:
        model: Any = self.model
        batch, targets = model.transform(images, [{"boxes": box} for box in boxes])
        boxes = [target["boxes"] for target in targets]
        size = int(batch.tensors.shape[2]), int(batch.tensors.shape[3])
        maps: dict[str, Tensor] = {}

        def backbone() -> None:
            given = model.backbone(batch.tensors)
            maps.update({"0": given} if isinstance(given, Tensor) else given)

        def box_branch() -> None:
            heads = model.roi_heads
            heads.box_head(heads.box_roi_pool(maps, boxes, batch.image_sizes))

        pool = partial(features_of_images, pooling=self.pooling, placed=PlacedBoxes(boxes, batch.image_sizes, size))
        of_boxes = [name for name in self.layers if _of_boxes(name)]
        found = self._hooked([name for name in self.layers if not _of_boxes(name)], pool, backbone)
        return found | self._hooked(of_boxes, features_of_boxes, box_branch) if of_boxes else found

    def _hooked(
        self, names: Sequence[str], pool: Callable[[Any, str | None], Tensor], forward: Callable[[], object]
    ) -> dict[str, Tensor]:
        """What layers give in a forward pass, each pooled at once: no map is kept, nor changed in place before."""
        found: dict[str, Tensor] = {}

        def hook(module: nn.Module, inputs: Any, output: Any, name: str) -> None:
            if name in found:
                raise ValueError(f"Layer {name!r} is run more than once in a forward pass: name what holds it.")
            try:
                found[name] = pool(output, self._places[name][1])
            except ValueError as error:
                raise ValueError(f"Layer {name!r} {error}") from None

        with ExitStack() as hooks:
            for name in names:
                module = self.model.get_submodule(self._places[name][0])
                hooks.callback(module.register_forward_hook(partial(hook, name=name)).remove)
            forward()
        if missing := [name for name in names if name not in found]:
            raise ValueError(f"Layer {missing[0]!r} was not run in the forward pass: name one that is.")
        return found


def _of_boxes(name: str) -> bool:
    """Whether a layer of a two-stage detector sees boxes, not images."""
    return name.startswith(_ROI_BRANCH)


def _check(images: Sequence[Tensor], targets: Sequence[Mapping[str, Tensor]]) -> None:
    if not images or len(images) != len(targets):
        raise ValueError(f"There are {len(images)} images and {len(targets)} targets: give a target for each image.")
    for place, target in enumerate(targets):
        boxes, labels = target["boxes"], target["labels"]
        if boxes.ndim != 2 or boxes.shape[1] != 4 or labels.shape != boxes.shape[:1]:
            raise ValueError(
                f"Target {place} has boxes of shape {(*boxes.shape,)} and labels of shape {(*labels.shape,)}, which"
                " must be (n, 4) and (n,): give torch.zeros(0, 4) for no boxes."
            )
        wrong = ~(boxes.isfinite().all(1) & (boxes[:, 2:] > boxes[:, :2]).all(1))
        if wrong.any():
            raise ValueError(
                f"Target {place} has the box {boxes[wrong][0].tolist()}, which is not x1 < x2, y1 < y2 in finite"
                " pixels: mend it or leave it out."
            )


def _shares(image: Tensor, boxes: Tensor) -> Tensor:
    """``(n, 4)`` float64 corners as shares of the image's width and height."""
    height, width = image.shape[-2:]
    boxes = boxes.to(image.device, torch.float64)
    return boxes / boxes.new_tensor([width, height, width, height])
