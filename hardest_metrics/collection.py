"""Several metrics as one, each batch measured once."""

import operator
from collections.abc import Sequence
from typing import Any, cast

from torchmetrics import Metric, MetricCollection

from hardest_metrics.image_rows import ImageRows, forward_together, share_state


class HardnessCollection(MetricCollection):
    """A :class:`~torchmetrics.MetricCollection` that knows from the start which members share their state.

    A MetricCollection feeds its first batch to every member and compares their states to find out, and in `forward`
    feeds every batch to every member. Hardness metrics of equal `settings` are known to share theirs: here one of them
    measures each batch for all, in `forward` too. That is one which refuses whatever another would, so that a batch
    that it refuses leaves all of these as they were.

    Everything else, arguments and results included, is as in a MetricCollection. Metrics of other kinds may be members;
    then `forward` feeds every member. Metrics that hold images already share from now on only if they hold the same.
    Where `compute_groups` are given, those are split whose members cannot share.

    Example:
        >>> import torch
        >>> from hardest_metrics import FalseNegatives, FalsePositives, HardnessCollection
        >>> metrics = HardnessCollection([FalseNegatives(reduction="sum"), FalsePositives(reduction="sum")])
        >>> metrics.compute_groups
        {0: ['FalseNegatives', 'FalsePositives']}
        >>> box = {"boxes": torch.tensor([[0.0, 0, 10, 10]]), "labels": torch.tensor([1])}
        >>> metrics([{**box, "scores": torch.tensor([0.9])}], [{**box, "labels": torch.tensor([2])}])
        {'FalseNegatives': tensor(1.), 'FalsePositives': tensor(1.)}
    """

    #: the members of each group and their names, once they are needed
    _fed: list[tuple[list[str], list[ImageRows]]] | None = None
    _known: Sequence[Metric] = ()

    def update(self, *args: Any, **kwargs: Any) -> None:
        """Add a batch to all members."""
        groups = self._ready_groups()
        if groups is None:
            super().update(*args, **kwargs)
            return
        for _, members in groups:
            members[0].update(*args, **(members[0]._filter_kwargs(**kwargs) if kwargs else kwargs))
            share_state(members)
            for member in members:
                vars(member)["_computed"] = None
        self._state_is_copy = False

    def forward(self, *args: Any, **kwargs: Any) -> dict[str, Any]:
        """Add a batch to all members and give its value under each of them."""
        groups = self._ready_groups()
        if groups is None:
            return super().forward(*args, **kwargs)
        values: dict[str, Any] = {}
        for names, members in groups:
            given = members[0]._filter_kwargs(**kwargs) if kwargs else kwargs
            batch_values = forward_together(members, *args, **given)
            values.update(zip(names, batch_values, strict=True))
        self._state_is_copy = False
        return {self._set_name(name): values[name] for name in self._modules}

    def compute(self) -> dict[str, Any]:
        """The result of each member."""
        groups = self._ready_groups()
        if groups is not None and not self._state_is_copy:
            for _, members in groups:
                members[0]._settle()  # once for all, as they are given its state next
        return super().compute()

    def _ready_groups(self) -> list[tuple[list[str], list[ImageRows]]] | None:
        """The members of each group and their names, if we know how to feed them all."""
        if len(self._known) != len(self._modules) or not all(map(operator.is_, self._known, self._modules.values())):
            self._init_compute_groups()  # members were replaced, added or removed one by one
        if self._fed is None and self._groups_checked:
            groups = [(names, [self._modules[name] for name in names]) for names in self._groups.values()]
            if all(isinstance(member, ImageRows) for _, members in groups for member in members):
                self._fed = cast(list[tuple[list[str], list[ImageRows]]], groups)
        return self._fed

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Of a copy, or of a collection that was pickled."""
        super().__setstate__(state)  # type: ignore[no-untyped-call]
        self._fed, self._known = None, list(self._modules.values())
        self._leave_measuring_to_first()

    def _init_compute_groups(self) -> None:
        self._fed, self._known = None, list(self._modules.values())
        super()._init_compute_groups()
        if self._enable_compute_groups is True:
            others = [name for name, member in self._modules.items() if not isinstance(member, ImageRows)]
            groups = [*_sharing(self._modules), *([name] for name in others)]
            self._groups = dict(enumerate(groups))
            self._groups_checked = len(others) < 2  # if there are several, whether they share is yet to be seen
        elif self._enable_compute_groups:
            self._groups = dict(enumerate(part for names in self._groups.values() for part in self._parts_of(names)))
        self._leave_measuring_to_first()

    def _compute_groups_create_state_ref(self, copy: bool = False) -> None:
        groups = self._ready_groups()
        if groups is None:
            super()._compute_groups_create_state_ref(copy)
            return
        if not self._state_is_copy:  # else each member may have gone its own way
            for _, members in groups:
                share_state(members)
        self._state_is_copy = copy

    def _parts_of(self, names: list[str]) -> list[list[str]]:
        """A group as given, split where its members cannot share."""
        members = {name: self._modules[name] for name in names}
        others = [name for name, member in members.items() if not isinstance(member, ImageRows)]
        return [*_sharing(members), *([others] if others else [])]

    def _leave_measuring_to_first(self) -> None:
        for _, *rest in self._groups.values():
            for name in rest:
                if isinstance(member := self._modules[name], ImageRows):
                    member.leave_measuring()


def _sharing(members: dict[str, Metric]) -> list[list[str]]:
    """Names of the members that share their state, of each group first one that refuses whatever another would."""
    alike: dict[Any, dict[str, list[str]]] = {}
    for name, member in members.items():
        if isinstance(member, ImageRows):
            held = tuple(id(part) for name in member._defaults for part in getattr(member, name))
            alike.setdefault((member.settings, held), {}).setdefault(member.group, []).append(name)
    groups = []
    for by_group in alike.values():
        undemanding = by_group.pop("", [])
        first, *rest = by_group.values() if by_group else [[]]
        groups += [[*first, *undemanding], *rest]
    return groups
