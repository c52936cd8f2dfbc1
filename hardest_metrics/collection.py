"""Several metrics as one, each batch measured once."""

from collections.abc import Mapping
from typing import Any

import torch
from torchmetrics import Metric
from typing_extensions import Self

from hardest_metrics.image_rows import ImageRows, Reading, alike, read_together, values_of
from hardest_metrics.promises import DependableCollection


class HardnessCollection(DependableCollection):
    """A :class:`~torchmetrics.MetricCollection` that measures each batch once for all members that read it alike.

    Members that read batches alike (in detection those of one query) are measured together, in `update`, in `forward`
    and in a single call: the work that all share is done once, and of the rest what some member needs. Their states
    stay apart. Nine definitions cost little more than one; in a plain MetricCollection they give the same numbers, at
    the cost of nine by `forward` and in a single call, and by `update` of three in large batches (those of equal
    weighting share a state) and of eight in small ones: it reads all states after every batch, so that none can wait.

    Members may have any name, also one that other modules keep for themselves, such as ``"train"``.

    A batch that one member refuses leaves all hardness metrics as they were. Metrics of other kinds may be members,
    each of them fed for itself; then `forward` feeds every member for itself, too.

    Args:
        metrics: one metric, a list or a dict of them, or a MetricCollection.
        additional_metrics: further metrics, if the first argument is one.
        prefix: of the names in results.
        postfix: of the names in results.

    Example:
        >>> import torch
        >>> from hardest_metrics import HardnessCollection, LogitMargin, TopKMiss
        >>> metrics = HardnessCollection([LogitMargin(reduction="max"), TopKMiss(k=1, reduction="sum")])
        >>> metrics(torch.tensor([[9.0, 0.0], [9.0, 0.0]]), torch.tensor([0, 1]))
        {'LogitMargin': tensor(9.), 'TopKMiss': tensor(1.)}
    """

    def __init__(
        self, metrics: Any, *additional_metrics: Metric, prefix: str | None = None, postfix: str | None = None
    ) -> None:
        super().__init__(metrics, *additional_metrics, prefix=prefix, postfix=postfix, compute_groups=False)

    @classmethod
    def by_label(cls, metric: Metric, labels: Mapping[int, str]) -> Self:
        """A definition once for every label, each batch measured once for all of them.

        Each member ranks by its part of the errors, those of one label: what was detected as that, or is that and was
        missed. The parts of all labels add up to the definition.

        Args:
            metric: the definition, of all these labels; itself it is not used any further.
            labels: what the member of each is called, by label.

        Raises:
            TypeError: if the metric is of no labels.
            ValueError: if there are no labels, or a name is none that a member can have.

        Example:
            >>> import torch
            >>> from hardest_metrics import HardnessCollection, TotalFalse
            >>> boxes = torch.tensor([[0.0, 0, 9, 9], [50, 50, 60, 60]])
            >>> preds = [{"boxes": boxes, "scores": torch.tensor([0.9, 0.7]), "labels": torch.tensor([1, 1])}]
            >>> target = [{"boxes": torch.tensor([[80.0, 80, 90, 90]]), "labels": torch.tensor([3]), "image_id": 7}]
            >>> metrics = HardnessCollection.by_label(TotalFalse(), labels={1: "person", 3: "car"})
            >>> metrics.update(preds, target)
            >>> metrics.compute()
            {'car': Ranking(1 image, hardest first: 7 (1)), 'person': Ranking(1 image, hardest first: 7 (2))}
        """
        of_labels = getattr(metric, "of_labels", None)
        if of_labels is None:
            raise TypeError(f"`metric` must be of labels that count, such as TotalFalse(), but is {metric!r}.")
        return cls(of_labels(labels))

    def update(self, *args: Any, **kwargs: Any) -> None:
        """Add a batch to all members."""
        readings = self._read(args, kwargs)
        for member in self._modules.values():
            if not isinstance(member, ImageRows):
                member.update(*args, **member._filter_kwargs(**kwargs))
        for members, reading in readings:
            for member in members.values():
                member.add(reading)

    @torch.jit.unused
    def forward(self, *args: Any, **kwargs: Any) -> dict[str, Any]:
        """Add a batch to all members and give its value under each of them."""
        if not all(isinstance(member, ImageRows) for member in self._modules.values()):
            return super().forward(*args, **kwargs)
        readings = self._read(args, kwargs)
        values: dict[str, Any] = {}
        for members, reading in readings:
            values.update(zip(members, values_of(list(members.values()), reading), strict=True))
        for members, reading in readings:
            for name, member in members.items():
                member.add(reading)
                vars(member)["_forward_cache"] = values[name]  # a module looks at every attribute that is set
        return {self._set_name(name): values[name] for name in self._modules}

    @torch.jit.unused
    def compute(self) -> dict[str, Any]:
        """The value under each member."""
        if not all(isinstance(member, ImageRows) for member in self._modules.values()):
            return super().compute()  # which knows what to call the parts of a value that is a dict
        values: dict[str, Any] = {}
        for members in self._alike():
            first, *_ = members.values()
            together = first._compute_together(list(members.values()))
            for name, value in zip(members, together or (), strict=False):
                values[name] = members[name]._computed = value
        if not values:
            return super().compute()
        return {
            self._set_name(name): values[name] if name in values else member.compute()
            for name, member in self._modules.items()
        }

    def _read(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> list[tuple[dict[str, ImageRows], Reading]]:
        """Hardness metrics, those that read a batch alike together, and what the batch tells them."""
        readings = []
        for members in self._alike():
            first = next(iter(members.values()))
            given = first._filter_kwargs(**kwargs) if kwargs else kwargs
            readings.append((members, read_together(list(members.values()), *args, **given)))
        return readings

    def _alike(self) -> list[dict[str, ImageRows]]:
        """Hardness metrics, those that read a batch alike together."""
        return alike(self._modules)
