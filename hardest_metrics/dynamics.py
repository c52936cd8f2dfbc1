"""What training did to every image: its hardness over the epochs, in a few numbers an image.

Of each image count, mean and spread of what was told of it are kept, not every epoch's values. That is exact over
processes if all of them know the whole of an epoch before the next one begins: the epoch under way is kept as it came,
so that :meth:`Dynamics.merge` and :meth:`Dynamics.gather` can join it, and an image that several processes saw counts
once.
"""

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
import torch.distributed as dist
from torch import Tensor

from hardest_metrics.ranking import Ranking
from hardest_metrics.rows import Column, Rows, each_of_several, each_once, joint

if TYPE_CHECKING:
    from hardest_metrics.data import Annotations

#: What is told of an image in an epoch. Of several processes that which is harder counts.
_TOLD = {"hardness": Column((), torch.float64), "doubt": Column((), torch.float64), "wrong": Column((), torch.bool)}

#: What is kept of an image of the epochs that are over, and of an image that nothing is known of.
_NEVER = -1
_NOTHING: dict[str, tuple[torch.dtype, float]] = {
    "epochs": (torch.int64, 0),
    "hardness": (torch.float64, 0),  # mean so far
    "hardness_squares": (torch.float64, 0),  # sum of squared differences from it
    "confidence": (torch.float64, 0),
    "confidence_squares": (torch.float64, 0),
    "right": (torch.int64, 0),
    "falls": (torch.int64, 0),
    "was_right": (torch.bool, 0),
    "first_right": (torch.int64, _NEVER),
}


class TrainingDynamics(NamedTuple):
    """What the epochs so far tell of every image. Each field is ``(N,)``.

    Attributes:
        image_ids: int64, ascending.
        epochs: int64, in how many the image was seen.
        hardness: float64, its mean over these.
        aum: float64, the same negated: of :class:`~hardest_metrics.LogitMargin` the area under the margin (Pleiss et
            al., *Identifying Mislabeled Data using the Area Under the Margin Ranking*, NeurIPS 2020).
        confidence: float64, the mean probability of the label (Swayamdipta et al., *Dataset Cartography*, EMNLP 2020);
            NaN if it was not told.
        variability: float64, its standard deviation over epochs (ddof 0); of hardness if no confidence was told.
        correctness: int64, in how many epochs the image was right.
        forgetting: int64, how often it was right and, the next time, wrong (Toneva et al., *An Empirical Study of
            Example Forgetting*, ICLR 2019).
        first_right: int64, the first epoch in which it was right; -1 if it never was.
    """

    image_ids: Tensor
    epochs: Tensor
    hardness: Tensor
    aum: Tensor
    confidence: Tensor
    variability: Tensor
    correctness: Tensor
    forgetting: Tensor
    first_right: Tensor

    @property
    def forgetting_score(self) -> Tensor:
        """Toneva's order: forgetting events, of images that were never right the number of epochs instead."""
        return torch.where(self.first_right == _NEVER, self.epochs, self.forgetting)

    def ranking(self) -> Ranking:
        """Images by their mean hardness over the epochs, the hardest first: those of lowest AUM, for one."""
        return Ranking.of(self.image_ids, self.hardness.float())

    def table(self) -> tuple[Ranking, dict[str, Sequence[Any]]]:
        """The ranking, and in its order the columns of all other numbers; without confidence if it was not told."""
        ranking = self.ranking()
        place = torch.searchsorted(self.image_ids, ranking.image_ids)
        names = [name for name in self._fields if name not in ("image_ids", "hardness")]
        if self.confidence.isnan().all():
            names.remove("confidence")
        return ranking, {name: getattr(self, name)[place].tolist() for name in names}


class _Part(NamedTuple):
    """What one of several tells the others: of the epochs that are over only that it knows the same."""

    epoch: int | None
    has_confidence: bool | None
    past: str
    past_and_present: str
    present: Rows | None


class Dynamics:
    """Gathers what happens to images while a model is trained; for any hardness, that of detectors too.

    It is told of images in each epoch, in any number of batches, by :meth:`update`; :meth:`compute` says what came of
    it. The state is a row an image, some 75 bytes. In several processes call :meth:`gather` at the end of each epoch,
    or tell every process of all images, as a ranking of a gathered metric does.

    Example:
        >>> dynamics = Dynamics()
        >>> ids = torch.tensor([7, 9])
        >>> for epoch, wrong in enumerate([[True, True], [False, True], [True, True]]):
        ...     dynamics.update(epoch, ids, hardness=torch.tensor([1.0, 2.0]), wrong=torch.tensor(wrong))
        >>> told = dynamics.compute()
        >>> told.aum, told.forgetting, told.forgetting_score, told.first_right
        (tensor([-1., -2.], dtype=torch.float64), tensor([1, 0]), tensor([1, 3]), tensor([ 1, -1]))
    """

    def __init__(self) -> None:
        self._past = Rows(torch.empty(0, dtype=torch.int64), _unknown(0))
        self._epoch: int | None = None
        self._present: list[Rows] = []
        self._has_confidence: bool | None = None

    def update(
        self, epoch: int, image_ids: Tensor, hardness: Tensor, wrong: Tensor, confidence: Tensor | None = None
    ) -> None:
        """Tell of some images in an epoch.

        Args:
            epoch: its number, at least 0; those of a higher one end all before. Of several validations in an epoch give
                the step.
            image_ids: ``(N,)`` integers.
            hardness: ``(N,)`` floating point, finite.
            wrong: ``(N,)`` bool.
            confidence: ``(N,)`` probability of the label, in [0, 1]; in every update or in none.

        Raises:
            TypeError, ValueError: on input that makes no sense, and of an epoch that is over; nothing is changed then.

        Note:
            An image that comes twice in an epoch counts once, and must be told the same of.
        """
        if epoch < 0 or epoch != int(epoch):
            raise ValueError(f"`epoch` must be a whole number of at least 0, but is {epoch!r}.")
        if self._epoch is not None and epoch < self._epoch:
            raise ValueError(
                f"`epoch` is {epoch}, but {self._epoch} began already: give epochs in order. After a restart load the"
                " state of the checkpoint that training goes on from."
            )
        told = _checked(image_ids, hardness, wrong, confidence)
        with_confidence = confidence is not None
        if self._has_confidence not in (None, with_confidence):
            raise ValueError("`confidence` must be given in every update or in none.")
        told = each_once(told, f" in epoch {epoch}")
        if epoch == self._epoch:
            for chunk in self._present:
                _check_alike(chunk, told, f" in epoch {epoch}")
            present = [*self._present, told]
            # joined at geometric sizes: each row is copied a few times only, however small the batches
            while len(present) > 1 and len(present[-2].image_ids) <= len(present[-1].image_ids):
                present[-2:] = [each_once(joint(present[-2:]))]
            self._present = present
        else:
            self._past, self._present = self._all(), [told]
        self._epoch, self._has_confidence = epoch, with_confidence

    def compute(self) -> TrainingDynamics:
        """What the epochs so far tell of every image, the one under way included."""
        ids, kept = self._all()
        told = bool(self._has_confidence)
        epochs = kept["epochs"].clamp(min=1)
        spread = kept["confidence_squares" if told else "hardness_squares"] / epochs
        return TrainingDynamics(
            image_ids=ids.clone(),
            epochs=kept["epochs"].clone(),
            hardness=kept["hardness"].clone(),
            aum=-kept["hardness"],
            confidence=kept["confidence"].clone() if told else torch.full_like(kept["confidence"], torch.nan),
            variability=spread.clamp(min=0).sqrt(),
            correctness=kept["right"].clone(),
            forgetting=kept["falls"].clone(),
            first_right=kept["first_right"].clone(),
        )

    def merge(self, other: "Dynamics") -> None:
        """Add what another one was told of in the epoch under way, as if by another process.

        Of images that both were told of, that which is harder counts.

        Raises:
            ValueError: if the two know different things of the epochs that are over, or different epochs are under way.
        """
        self._merge([self._part(), other._part()])

    def gather(self, group: Any = None) -> None:
        """Let all processes know what each was told of in the epoch under way; of one process it does nothing.

        All of them must call it, once each epoch, before they are told of the next.

        Args:
            group: of processes; None for all.

        Raises:
            ValueError: on all of them, if they know different things of the epochs that are over.
        """
        if not (dist.is_available() and dist.is_initialized()) or dist.get_world_size(group) == 1:
            return
        parts: list[Any] = [None] * dist.get_world_size(group)
        dist.all_gather_object(parts, self._part(), group=group)
        self._merge(parts)

    def ranking(self) -> Ranking:
        """Images by their mean hardness over the epochs, the hardest first: those of lowest AUM, for one."""
        return self.compute().ranking()

    def write(
        self,
        path: str | Path,
        annotations: "Annotations | None" = None,
        for_spreadsheets: bool = False,
    ) -> None:
        """Write a table, one row an image, of highest mean hardness first; ``hardness`` is that mean.

        Args:
            path: a file ending in ``.csv``, ``.json`` or ``.parquet``.
            annotations: where file names, and ids that are text, come from.
            for_spreadsheets: see :func:`~hardest_metrics.data.write_ranking`.

        Raises:
            OSError, ValueError: as :func:`~hardest_metrics.data.write_ranking`.
        """
        from hardest_metrics.data import write_ranking

        ranking, columns = self.compute().table()
        write_ranking(ranking, path, annotations, columns, for_spreadsheets)

    @property
    def epoch(self) -> int | None:
        """The epoch that was told of last; None before the first."""
        return self._epoch

    def state_dict(self) -> dict[str, Any]:
        """Everything that is known, as plain numbers, tensors and dicts of these."""
        return {
            "epoch": self._epoch,
            "has_confidence": self._has_confidence,
            "past": {"image_ids": self._past.image_ids, **self._past.columns},
            "present": [{"image_ids": rows.image_ids, **rows.columns} for rows in self._present],
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from where :meth:`state_dict` was taken; what was known before is forgotten."""
        past, *present = (
            Rows(rows["image_ids"].cpu(), {name: values.cpu() for name, values in rows.items() if name != "image_ids"})
            for rows in (state["past"], *state["present"])
        )
        self._past, self._present = past, present
        self._epoch, self._has_confidence = state["epoch"], state["has_confidence"]

    def _part(self) -> "_Part":
        return _Part(
            self._epoch, self._has_confidence, _digest(self._past), _digest(self._all()), self._told_at_present()
        )

    def _merge(self, parts: Sequence["_Part"]) -> None:
        # one that was told of nothing in this epoch may not know yet that the one before is over
        epochs = [part.epoch for part in parts if part.epoch is not None]
        if not epochs:
            return
        epoch = max(epochs)
        pasts = {part.past if part.epoch == epoch else part.past_and_present for part in parts}
        if len(pasts) > 1:
            raise ValueError(
                f"The parts know different things of the epochs before {epoch}: call `gather` in all processes at the"
                " end of every epoch, before they are told of the next."
            )
        told = {part.has_confidence for part in parts if part.has_confidence is not None}
        if len(told) > 1:
            raise ValueError("`confidence` must be given in every process or in none.")
        if self._epoch != epoch:
            self._past = self._all()
        present = [part.present for part in parts if part.epoch == epoch and part.present is not None]
        self._epoch, (self._has_confidence,) = epoch, told
        self._present = [each_of_several(present, _TOLD)]

    def _told_at_present(self) -> Rows | None:
        """What was told of in the epoch under way, each image once."""
        return each_once(joint(self._present), f" in epoch {self._epoch}") if self._present else None

    def _all(self) -> Rows:
        """What is known once the epoch under way is over."""
        told = self._told_at_present()
        if told is None or self._epoch is None:
            return self._past
        ids = torch.cat((self._past.image_ids, told.image_ids)).unique()
        kept = _unknown(len(ids))
        known = torch.searchsorted(ids, self._past.image_ids)
        for name, values in self._past.columns.items():
            kept[name][known] = values

        place = torch.searchsorted(ids, told.image_ids)
        before = {name: values[place] for name, values in kept.items()}
        epochs = before["epochs"] + 1
        right = ~told.columns["wrong"]
        kept["epochs"][place] = epochs
        for name, values in (("hardness", told.columns["hardness"]), ("confidence", 1 - told.columns["doubt"])):
            # Welford's: sums of squares themselves would lose the digits in which large numbers differ
            difference = values - before[name]
            mean = before[name] + difference / epochs
            kept[name][place] = mean
            kept[f"{name}_squares"][place] = before[f"{name}_squares"] + difference * (values - mean)
        kept["right"][place] = before["right"] + right
        kept["falls"][place] = before["falls"] + (before["was_right"] & ~right)
        kept["was_right"][place] = right
        first = torch.where(right, self._epoch, _NEVER)
        kept["first_right"][place] = torch.where(before["first_right"] == _NEVER, first, before["first_right"])
        return Rows(ids, kept)


def _check_alike(known: Rows, told: Rows, where: str) -> None:
    """Refuse rows of images, each once by ascending id, of which something else is known."""
    if not len(known.image_ids):
        return
    place = torch.searchsorted(known.image_ids, told.image_ids).clamp(max=len(known.image_ids) - 1)
    again = (known.image_ids[place] == told.image_ids).nonzero().squeeze(1)
    if len(again):
        parts = [
            Rows(rows.image_ids[rows_at], {name: values[rows_at] for name, values in rows.columns.items()})
            for rows, rows_at in ((known, place[again]), (told, again))
        ]
        each_once(joint(parts), where)


def _unknown(number: int) -> dict[str, Tensor]:
    return {name: torch.full((number,), value, dtype=dtype) for name, (dtype, value) in _NOTHING.items()}


def _digest(rows: Rows) -> str:
    digest = hashlib.sha256(rows.image_ids.numpy().tobytes())
    for values in rows.columns.values():
        digest.update(values.numpy().tobytes())
    return digest.hexdigest()


def _checked(image_ids: Tensor, hardness: Tensor, wrong: Tensor, confidence: Tensor | None) -> Rows:
    """What was told, on the CPU, if it can be used; nothing told of confidence counts as certainty."""
    if image_ids.dtype == torch.bool or image_ids.is_floating_point() or image_ids.ndim != 1:
        raise TypeError(
            f"`image_ids` must be (N,) integers, but are {image_ids.dtype} of shape {tuple(image_ids.shape)}."
        )
    if wrong.dtype != torch.bool:
        raise TypeError(f"`wrong` must be bool, but is {wrong.dtype}.")
    given = {"hardness": hardness, "wrong": wrong} | ({} if confidence is None else {"confidence": confidence})
    for name, values in given.items():
        if values.shape != image_ids.shape:
            raise ValueError(
                f"`{name}` must have shape {tuple(image_ids.shape)}, as `image_ids`, but has {tuple(values.shape)}."
            )
        if not values.isfinite().all():
            place = int((~values.isfinite()).nonzero()[0])
            raise ValueError(
                f"`{name}` of image {int(image_ids[place])} is {float(values[place])}, but must be finite."
            )
    ids = image_ids.detach().cpu().long()
    doubt = torch.zeros(len(ids)) if confidence is None else 1 - confidence.detach().cpu().double()
    outside = (doubt < 0) | (doubt > 1)
    if outside.any():
        place = int(outside.nonzero()[0])
        raise ValueError(
            f"`confidence` of image {int(ids[place])} is {1 - float(doubt[place]):g}, but is a probability, in [0, 1]."
        )
    columns = {"hardness": hardness.detach().cpu().double(), "doubt": doubt.double(), "wrong": wrong.detach().cpu()}
    return Rows(ids, columns)
