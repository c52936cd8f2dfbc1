"""Finding what metrics need where users of Lightning put it: in what a step returned, and in the batch it was given."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from torch import Tensor

from hardest_metrics.data.indexed import ID_KEYS

_IMAGE_KEYS = ("images", "image", "imgs", "img", "pixel_values", "inputs", "x")

Fits = Callable[[Any], bool]


def found(outputs: Any, batch: Any, names: Sequence[str], fits: Fits, part: int | None = None) -> Any:
    """The first entry of some names that fits: of what the step returned, else of the batch; None without.

    Args:
        outputs: what the step returned.
        batch: what it was given.
        names: of the entry; the first that is there and fits is taken.
        fits: whether a value can be what is meant.
        part: where it stands in a batch that is a tuple; None for nowhere.
    """
    for place in (outputs, batch):
        if isinstance(place, Mapping):
            for name in names:
                if name in place and fits(place[name]):
                    return place[name]
    if part is not None and isinstance(batch, list | tuple) and len(batch) > part and fits(batch[part]):
        return batch[part]
    return None


def images_of(outputs: Any, batch: Any) -> Any:
    """Images: an entry ``"images"`` or the like, the first part of a tuple, or the batch itself; None without."""
    images = found(outputs, batch, _IMAGE_KEYS, _are_images, part=0)
    return batch if images is None and _are_images(batch) else images


def labels_of(outputs: Any, batch: Any, names: Sequence[str]) -> Any:
    """Labels, integers of one or several an image: an entry of these names, or the second part of a tuple."""
    return found(outputs, batch, names, _are_labels, part=1)


def ids_of(outputs: Any, batch: Any) -> Any:
    """Ids: an entry ``"image_id"`` (also ``"index"``, ``"idx"``), or the third part of a tuple."""
    return found(outputs, batch, ID_KEYS, _are_ids, part=2)


def are_rows(value: Any) -> bool:
    """Whether a value can be a vector of numbers an image, such as logits or embeddings."""
    return isinstance(value, Tensor) and value.ndim == 2 and value.is_floating_point()


def described(value: Any) -> str:
    """What a value looks like, in a few words, for messages on what a step returned and was given."""
    if isinstance(value, Mapping):
        return f"a dict with {sorted(map(str, value))}"
    if isinstance(value, list | tuple):
        kinds = ", ".join(type(item).__name__ for item in value[:4]) + (", ..." if len(value) > 4 else "")
        return f"a {type(value).__name__} of {len(value)} ({kinds})"
    if isinstance(value, Tensor):
        return f"a tensor of shape {tuple(value.shape)}"
    return "nothing" if value is None else f"a {type(value).__name__}"


def _are_images(value: Any) -> bool:
    if isinstance(value, Tensor):
        return value.ndim == 4
    return isinstance(value, list | tuple) and all(isinstance(item, Tensor) and item.ndim == 3 for item in value)


def _are_labels(value: Any) -> bool:
    return isinstance(value, Tensor) and value.ndim in (1, 2) and not value.is_floating_point()


def _are_ids(value: Any) -> bool:
    if isinstance(value, Tensor):
        return value.ndim == 1 and not value.is_floating_point()
    return isinstance(value, list | tuple) and all(isinstance(one, int | str) for one in value)
