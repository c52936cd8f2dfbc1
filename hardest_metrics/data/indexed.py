"""A data set that tells which of its examples each is."""

from collections.abc import Mapping, Sequence
from typing import Any

from torch.utils.data import Dataset

#: What examples may call their id.
ID_KEYS = ("image_id", "index", "idx")


class Indexed(Dataset[Any]):
    """Gives every example of a data set its index as ``image_id``, by which processes know images.

    - A dict gains the key ``"image_id"``.
    - Of a tuple or list whose second part is a dict, as in detection, that dict gains it: ``(image, {"boxes": ...,
      "image_id": 7})``.
    - Any other tuple or list becomes a tuple with the index at its end: of ``(image, label)`` it is ``(image, label,
      7)``, so that a step begins with ``image, label, image_id = batch``.

    Wrap the whole data set, and take parts of the wrapped one: an index is then the same in every part.

    Args:
        dataset: of map style, with a length and examples that are dicts or tuples.

    Raises:
        TypeError: if `dataset` has no length or no examples by index; when an example is neither a dict nor a tuple.
        ValueError: when an example has an id already.

    Example:
        >>> dataset = Indexed([("a.jpg", 0), ("b.jpg", 3)])
        >>> dataset[1], len(dataset)
        (('b.jpg', 3, 1), 2)
        >>> Indexed([{"image": "a.jpg", "label": 0}])[0]
        {'image': 'a.jpg', 'label': 0, 'image_id': 0}
    """

    def __init__(self, dataset: Any) -> None:
        lacking = [name for name in ("__len__", "__getitem__") if not hasattr(dataset, name)]
        if lacking:
            raise TypeError(
                f"`dataset` must have a length and give examples by index, but {type(dataset).__name__} has no"
                f" {lacking[0]}. Of a stream have the source number its examples, under the key 'image_id'."
            )
        self.dataset = dataset

    def __len__(self) -> int:
        return len(self.dataset)

    def __getitem__(self, index: int) -> Any:
        place = self._place(index)
        return _with_id(self.dataset[place], place)

    def __getitems__(self, indices: Sequence[int]) -> list[Any]:
        """Several examples at once, as loaders ask for a batch, in one call where the data set can give them so."""
        places = [self._place(index) for index in indices]
        many = getattr(self.dataset, "__getitems__", None)
        examples = [self.dataset[place] for place in places] if many is None else many(places)
        return [_with_id(example, place) for example, place in zip(examples, places, strict=True)]

    def _place(self, index: int) -> int:
        """Where an index stands, counted from the start."""
        place = int(index)
        if place < 0:
            place += len(self)
        if not 0 <= place < len(self):  # Python's loops over sequences end by this error
            raise IndexError(f"`index` must be in 0 to {len(self) - 1}, but is {index}.")
        return place


def _with_id(example: Any, index: int) -> Any:
    if isinstance(example, Mapping):
        return _dict_with_id(example, index)
    if not isinstance(example, tuple | list):
        raise TypeError(
            f"`dataset` gives for index {index} a {type(example).__name__}, but examples must be dicts or tuples to"
            " gain an id: have it give {'image': ...}."
        )
    if len(example) > 1 and isinstance(example[1], Mapping):
        return (example[0], _dict_with_id(example[1], index), *example[2:])
    return (*example, index)


def _dict_with_id(example: Mapping[Any, Any], index: int) -> dict[Any, Any]:
    for key in ID_KEYS:
        if key in example:
            raise ValueError(f"`dataset` gives for index {index} a {key!r} of its own: use it as it is.")
    return {**example, "image_id": index}
