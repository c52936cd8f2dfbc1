"""What differs from domain to domain where images are collected and shown, and all that a callback must know of it."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from torch import Tensor

if TYPE_CHECKING:
    from PIL.Image import Image


class Examples(NamedTuple):
    """A batch as the metrics of a domain take it, and what there is to show of it.

    Attributes:
        number: how many images.
        args: what the metrics' `update` takes.
        kwargs: likewise, by name; a metric is given those that it takes.
        labelled: whether there are labels; None if the images have none, but those of other batches may.
        images: one ``(C, H, W)`` tensor an image, or one ``(N, C, H, W)`` tensor; None for no pictures.
        keep: gives what is drawn on the image at a place of the batch: on the CPU, of its own memory, to be pickled.
        shown_ids: what the images are called, where that is not the number that the metrics keep, by that number.
        file_names: of the images, by the number that the metrics keep.
        truth: of each image, whatever its labels are; None without.
    """

    number: int
    args: tuple[Any, ...]
    kwargs: Mapping[str, Any]
    labelled: bool | None
    images: Sequence[Tensor] | Tensor | None
    keep: Callable[[int], Any]
    shown_ids: Mapping[int, str] = {}
    file_names: Mapping[int, str] = {}
    truth: Sequence[Any] | Tensor | None = None


class Kept(NamedTuple):
    """One of the hardest images, to be drawn.

    Attributes:
        image: ``(3, H, W)`` or ``(1, H, W)`` uint8 on the CPU.
        about: what :attr:`Examples.keep` gave.
        caption: what to write above it.
    """

    image: Tensor
    about: Any
    caption: str


class Adapter(ABC):
    """How images of a domain are understood, kept and drawn; a metric names its own as ``metric.adapter``."""

    @abstractmethod
    def inputs(self, outputs: Any, batch: Any) -> Any:
        """Find what :meth:`examples` needs where users of Lightning put it.

        Args:
            outputs: what a validation, test or prediction step returned.
            batch: what it was given.

        Raises:
            ValueError: if it is not to be found, naming what there is.
        """

    @abstractmethod
    def examples(self, inputs: Any) -> Examples:
        """A batch as metrics take it.

        Args:
            inputs: what :meth:`inputs` gave, or a user's function in its place.

        Raises:
            TypeError, ValueError: if it makes no sense.
        """

    @abstractmethod
    def without_labels(self, name: str, metric: Any, outputs: Any, batch: Any) -> Exception:
        """The error to raise where a metric needs labels and there are none.

        Args:
            name: of the metric.
            metric: itself.
            outputs: what the step returned.
            batch: what it was given.
        """

    @abstractmethod
    def tiles(self, metric: Any, kept: Sequence[Kept], class_names: Mapping[int, str] | None) -> "list[Image]":
        """A picture of each of the hardest images, made to stand together in :meth:`grid`.

        Args:
            metric: that they are hard for.
            kept: these images, hardest first.
            class_names: the name of each label; None for numbers.
        """

    @abstractmethod
    def grid(self, metric: Any, tiles: "Sequence[Image]", title: str) -> "Image":
        """The pictures in one, under a title and a legend.

        Args:
            metric: as in :meth:`tiles`.
            tiles: what that gave.
            title: text of any number of lines.
        """
