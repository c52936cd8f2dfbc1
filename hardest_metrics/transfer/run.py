"""Several candidates scored for one target set: what is done is kept, so that a run that was killed goes on."""

import io
import json
import time
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import pandas as pd
import torch
from torch import Tensor
from torchvision.transforms.v2.functional import resize

from hardest_metrics.comparison.store import Store, content_key
from hardest_metrics.data.json_file import PathLike
from hardest_metrics.detectors.image_files import ImageFile, read_ahead
from hardest_metrics.detectors.load import device_named
from hardest_metrics.transfer.candidates import Candidate, candidate
from hardest_metrics.transfer.scoring import Place, Scores, Scoring
from hardest_metrics.transfer.target_set import TargetSet, shuffled_objects
from hardest_metrics.transferability.pooling import Pooling

#: Seconds of work that a run may lose that is killed.
EVERY = 10.0

#: Told what is done of a candidate: its name, how many images, and of how many.
OnProgress = Callable[[str, int, int], None]


class Scored(NamedTuple):
    """What :func:`score_candidates` found.

    Attributes:
        table: a row a candidate, pooling, layer and score: ``candidate``, ``pooling``, ``layer``, ``score``, ``value``
            and ``shuffled``, what it would be if features told nothing of the objects.
        resumed: how many images of each candidate had been done before, where any had.
        notes: what a reader should know.
    """

    table: pd.DataFrame
    resumed: dict[str, int]
    notes: list[str]


def score_candidates(
    model: str,
    weights: Mapping[str, PathLike],
    target: TargetSet,
    layers: Sequence[str],
    poolings: Sequence[Pooling],
    store: Store,
    *,
    num_classes: int | None = None,
    projection: int | None = None,
    size: tuple[int, int] | None = None,
    batch_size: int = 4,
    device: str | None = None,
    on_progress: OnProgress = lambda name, done, total: None,
) -> Scored:
    """Score each candidate for a target set, without training on it.

    Args:
        model: what all candidates are, see :func:`~hardest_metrics.transfer.candidates.candidate`.
        weights: the file of each candidate, by its name.
        target: the training split of the target set.
        layers: whose features are scored, see :class:`~hardest_metrics.transferability.ObjectFeatures`.
        poolings: ``"local"``, ``"global"`` or both.
        store: where scores are kept, and every few seconds what is known so far.
        num_classes: of torchvision's detectors, background included.
        projection: how many features to project those of each layer to; None to leave them.
        size: height and width to which images are brought, whatever their proportions; None to leave them.
        batch_size: images at a time.
        device: where to run, such as ``"cuda:1"``; by default the GPU, if there is one.
        on_progress: told how far it is.

    Raises:
        OSError: when a file cannot be read or written.
        ValueError: when an argument or a file is not as it should be. What is done is kept.
    """
    if batch_size < 1:
        raise ValueError(f"`batch_size` must be at least 1, but is {batch_size}.")
    place = device_named(device)
    candidates = {name: candidate(model, path, num_classes) for name, path in weights.items()}
    contents = target.contents()
    settings = {
        "target": target.digest(contents),
        "layers": list(layers),
        "poolings": list(poolings),
        "projection": projection,
        "size": size,
        "device": place.type,
    }
    run = _Run(target, contents, tuple(layers), tuple(poolings), projection, size, batch_size, place, store)
    found, resumed = dict[str, list[Scores]](), dict[str, int]()
    for name, one in candidates.items():
        keys = [content_key(kind, **settings, **one.settings) for kind in ("transfer", "transfer so far")]
        kept = store.get(keys[0])
        if kept is not None:
            resumed[name] = len(target.files)
            found[name] = _decoded(kept)
            on_progress(name, len(target.files), len(target.files))
            continue
        found[name], before = run.scores(name, one, keys[1], on_progress)
        if before:
            resumed[name] = before
        store.put(keys[0], _encoded(found[name]))
        store.drop(keys[1])
    return Scored(_table(found), resumed, _few(found, target.number))


class _Run(NamedTuple):
    target: TargetSet
    contents: list[str]
    layers: tuple[str, ...]
    poolings: tuple[Pooling, ...]
    projection: int | None
    size: tuple[int, int] | None
    batch_size: int
    device: torch.device
    store: Store

    def scores(self, name: str, one: Candidate, key: str, on_progress: OnProgress) -> tuple[list[Scores], int]:
        """Of one candidate, and how many images of it had been done before."""
        files, targets, sizes, _ = self.target
        layers = dict.fromkeys(self.poolings, self.layers)
        model = one.load().to(self.device)
        scoring = Scoring(model, layers, shuffled_objects(targets, sizes), self.projection)
        done = before = self._take_up(scoring, key)
        kept_at = time.monotonic()
        on_progress(name, done, len(files))
        starts = range(done, len(files), self.batch_size)
        for batch, read in read_ahead(files[start : start + self.batch_size] for start in starts):
            now = slice(done, done + len(batch))
            try:
                pixels, digests = zip(*read, strict=True)
                if list(digests) != self.contents[now]:
                    raise ValueError(f"{batch[0].path}: or one after it was changed meanwhile. Run this again.")
                scoring.update(*self._fitted(pixels, targets[now]))
            except torch.cuda.OutOfMemoryError as error:
                raise ValueError(f"{len(batch)} images do not fit into the GPU. Lower `batch_size`.") from error
            except ValueError as error:
                self._keep(scoring, done, key)
                raise ValueError(f"{one.weights}: {error}{self._remedy(batch)}") from error
            done += len(batch)
            on_progress(name, done, len(files))
            if time.monotonic() - kept_at >= EVERY:
                self._keep(scoring, done, key)
                kept_at = time.monotonic()
        return scoring.compute(), before

    def _fitted(
        self, pixels: Sequence[Tensor], targets: Sequence[dict[str, Tensor]]
    ) -> tuple[list[Tensor], list[dict[str, Tensor]]]:
        """Images on the device, of the size that was asked for, and their boxes with them."""
        images = [image.to(self.device).float().div(255) for image in pixels]
        if self.size is None:
            return images, list(targets)
        height, width = self.size
        scales = [torch.tensor([width / image.shape[2], height / image.shape[1]] * 2) for image in images]
        return [resize(image, [height, width], antialias=True) for image in images], [
            {**target, "boxes": target["boxes"] * scale} for target, scale in zip(targets, scales, strict=True)
        ]

    def _remedy(self, batch: Sequence[ImageFile]) -> str:
        """What helps where sizes of images may be the trouble."""
        sizes = dict(zip((file.image_id for file in self.target.files), self.target.sizes, strict=True))
        several = len({sizes[file.image_id] for file in batch}) > 1
        return " `size` brings all images to one." if several and self.size is None else ""

    def _keep(self, scoring: Scoring, done: int, key: str) -> None:
        content = io.BytesIO()
        torch.save({"images": done, "state": scoring.state()}, content)
        self.store.put(key, content.getvalue())

    def _take_up(self, scoring: Scoring, key: str) -> int:
        """What was known when a run was killed; of how many images."""
        kept = self.store.get(key)
        if kept is None:
            return 0
        known = torch.load(io.BytesIO(kept), map_location=self.device, weights_only=True)
        scoring.load_state(known["state"])
        return int(known["images"])


def _encoded(scores: Sequence[Scores]) -> bytes:
    return json.dumps(scores).encode()


def _decoded(content: bytes) -> list[Scores]:
    return [Scores(Place(*place), *others) for place, *others in json.loads(content)]


def _table(found: Mapping[str, Sequence[Scores]]) -> pd.DataFrame:
    rows = [
        (name, *one.place, score, value, one.shuffled[score])
        for name, scores in found.items()
        for one in scores
        for score, value in one.values.items()
    ]
    return pd.DataFrame(rows, columns=["candidate", "pooling", "layer", "score", "value", "shuffled"])


def _few(found: Mapping[str, Sequence[Scores]], number: int) -> list[str]:
    """Notes on layers of too many features."""
    wide = {f"{one.place.layer}, {one.place.pooling}": one.width for scores in found.values() for one in scores}
    return [
        f"{place}: {width} features of {number} objects say little: a linear map fits any labels of them. Give more"
        " objects, or project the features with `projection`"
        for place, width in wide.items()
        if width >= number
    ]
