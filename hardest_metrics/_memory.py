"""What was just measured, so that metrics fed the same batch one after the other measure it once."""

import operator
import weakref
from collections.abc import Callable, Sequence
from itertools import chain
from typing import Any, TypeVar, cast

import torch
from torch import Tensor

from hardest_metrics.functional.packing import ImageDict, join

_ABSENT, _TENSOR = (), object()
_PLAIN = (int, float, str, tuple, list, type(None))
_VERSION = operator.attrgetter("_version")


class _Remembered:
    """A batch, recognised by what its dicts hold under the keys that matter, and what it was read as.

    That is the same tensor objects, unchanged since, and the same plain values. Tensors are held weakly, so that a
    remembered batch does not stay alive. A change in place shows in a tensor's version counter; tensors made in
    inference mode have none, so their values are compared.

    Each metric may take a reading once: the members of a collection ask for a batch once each, and a metric that asks
    again has a new one, also where its tensors were refilled in a way that torch does not count.
    """

    def __init__(
        self,
        preds: Sequence[ImageDict],
        target: Sequence[ImageDict],
        reads: frozenset[str] | None,
        extent: frozenset[str],
    ) -> None:
        self.extent = extent
        self.known = True  # whether we can tell if what it holds has changed
        self.names: list[tuple[int, str, int]] = []
        self.plain: list[Any] = []
        columns: list[list[Tensor]] = []
        for side, images in enumerate((preds, target)):
            for key in set(chain.from_iterable(images)):
                if reads is not None and key not in reads:
                    continue
                values = _entries(images, key)
                types = set(map(type, values))
                self.names.append((side, key, len(values)))
                if types == {Tensor}:
                    columns.append(values)
                elif types <= {int, tuple}:
                    self.plain += values
                else:
                    self.known = self.known and all(issubclass(type_, (Tensor, *_PLAIN)) for type_ in types)
                    columns.append([value for value in values if isinstance(value, Tensor)])
                    self.plain += map(_frozen, values)
        tensors = list(chain.from_iterable(columns))
        self.refs = list(map(weakref.ref, tensors))
        self.versions: list[int] = []
        self.contents: list[Tensor] = []
        try:
            made_in_inference_mode = bool(tensors) and tensors[0].is_inference()
            self.versions = [] if made_in_inference_mode else list(map(_VERSION, tensors))
        except RuntimeError:  # others were
            made_in_inference_mode = True
        if made_in_inference_mode:
            self.contents = [_content(column) for column in columns if column]
        self._takers: dict[int, weakref.ref[Any]] = {}  # by identity: hashing a metric hashes its states
        self.reading: Any = None

    def note(self, taker: object) -> None:
        """Remember who took the reading."""
        if taker is not None:
            self._takers[id(taker)] = weakref.ref(taker)

    def taken_by(self, asker: object) -> bool:
        """Whether `asker` took the reading; not somebody whose address it got since."""
        taker = self._takers.get(id(asker))
        return taker is not None and taker() is asker

    def same_as(self, other: "_Remembered") -> bool:
        return (
            self.known
            and self.extent <= other.extent
            and self.names == other.names
            and self.plain == other.plain
            and len(self.refs) == len(other.refs)
            and all(map(operator.is_, self.refs, other.refs))  # a live tensor has one weak reference object
            and self.versions == other.versions
            and len(self.contents) == len(other.contents)
            and all(map(torch.equal, self.contents, other.contents))
        )


def _entries(images: Sequence[ImageDict], key: str) -> list[Any]:
    try:
        return list(map(operator.itemgetter(key), images))
    except KeyError:
        return [image.get(key, _ABSENT) for image in images]


def _content(column: list[Tensor]) -> Tensor:
    return join(column if all(map(Tensor.dim, column)) else [tensor.reshape(-1) for tensor in column])


def _frozen(value: Any) -> Any:
    if isinstance(value, Tensor):
        return _TENSOR
    return tuple(value) if isinstance(value, list) else value


_Reading = TypeVar("_Reading")


class Living:
    """Which objects of each kind are alive: by their addresses, as hashing a metric hashes its states."""

    def __init__(self) -> None:
        self._addresses: dict[str, set[int]] = {}

    def add(self, thing: object, kind: str) -> None:
        """Know of an object as long as it lives."""
        self._addresses.setdefault(kind, set()).add(id(thing))
        weakref.finalize(thing, self._leave, id(thing), kind).atexit = False

    def _leave(self, address: int, kind: str) -> None:
        self._addresses.get(kind, set()).discard(address)
        if not self._addresses.get(kind):
            self._addresses.pop(kind, None)

    def remove(self, thing: object, kind: str) -> None:
        """Forget an object."""
        self._leave(id(thing), kind)

    def any(self, kind: str) -> bool:
        """Whether one of a kind is alive."""
        return kind in self._addresses

    def only(self, thing: object, kind: str) -> bool:
        """Whether `thing` is the only one of its kind."""
        return self._addresses.get(kind) == {id(thing)}


class BatchMemory:
    """What the last batch was read as, by the settings that it was read with.

    In a :class:`~torchmetrics.MetricCollection` every member sees every batch in `forward`, and the first one
    in `update`. Members of equal settings then share one reading, at the cost of a look at the inputs: about a tenth of
    what reading takes. A metric is spared it while it is the only one of its settings.

    Args:
        size: how many settings to remember a batch for.
    """

    def __init__(self, size: int = 8) -> None:
        self._size = size
        self._batches: dict[str, _Remembered] = {}
        self._askers = Living()

    def introduce(self, asker: object, settings: str) -> None:
        """Know who may ask with these settings, as long as it lives."""
        self._askers.add(asker, settings)

    def excuse(self, asker: object, settings: str) -> None:
        """Know that somebody will not ask any more: another one asks for both."""
        self._askers.remove(asker, settings)

    def get(
        self,
        settings: str,
        preds: Sequence[ImageDict],
        target: Sequence[ImageDict],
        read: Callable[[Sequence[ImageDict], Sequence[ImageDict]], _Reading],
        asker: object = None,
        reads: frozenset[str] | None = None,
        extent: frozenset[str] = frozenset(),
    ) -> _Reading:
        """What ``read(preds, target)`` gives, read only if nobody else of these settings just did.

        Args:
            settings: all that a reading depends on besides the batch.
            preds: one dict an image.
            target: one dict an image.
            read: gives anything but None.
            asker: who may take the reading of a batch once; None for anybody, as often as they like.
            reads: the entries of the dicts that `read` looks at; None for all.
            extent: how much of what `settings` allow is measured just now.
        """
        try:
            if self._askers.only(asker, settings):
                return read(preds, target)
            batch = _Remembered(preds, target, reads, extent)
        except (AttributeError, TypeError, RuntimeError):
            return read(preds, target)  # not a batch at all; this says why
        known = self._batches.get(settings)
        if known is not None and known.reading is not None and not known.taken_by(asker) and batch.same_as(known):
            known.note(asker)
            return cast(_Reading, known.reading)
        reading = batch.reading = read(preds, target)
        batch.note(asker)
        self._batches.pop(settings, None)
        self._batches[settings] = batch
        while len(self._batches) > self._size:
            self._batches.pop(next(iter(self._batches)), None)
        return reading
