"""The base of scores of retrieval: embeddings and labels of every image, and a formula over what follows from them."""

import warnings
from abc import abstractmethod
from collections.abc import Callable, Hashable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar, Literal, NamedTuple, cast, get_args

import torch
import torch.distributed as dist
from torch import Tensor
from torchmetrics.utilities.distributed import gather_all_tensors
from typing_extensions import TypeVar

from hardest_metrics.functional.ids import NO_ID
from hardest_metrics.functional.retrieval import QueryScores, Similarity, check_labels, nearest_neighbours
from hardest_metrics.functional.retrieval.distances import check_embeddings, check_metric
from hardest_metrics.functional.retrieval.labels import TREE_REMEDY, torn_rows
from hardest_metrics.ids import ImageIds, checked_ids
from hardest_metrics.image_rows import Column, ImageRows, Reading, Rows, read_together
from hardest_metrics.metric import Columns, HardnessMetric
from hardest_metrics.promises import require_equal_settings
from hardest_metrics.ranking import Ranking
from hardest_metrics.retrieval.evaluation import Score, Scored, Sharing, chosen_rows, evaluate, itself_in
from hardest_metrics.retrieval.together import compute_together, same_chunks

if TYPE_CHECKING:
    from hardest_metrics.retrieval.adapter import RetrievalAdapter

#: What an image is for: a query, an item of the gallery that queries are looked up in, or both.
Role = Literal["both", "query", "gallery"]

#: By role: whether an image is a query, and whether it is in the gallery.
_ROLES = {"both": (1, 1), "query": (1, 0), "gallery": (0, 1)}

#: What a metric was given as `reduction`.
MeanT = TypeVar("MeanT", bound=Literal["mean"] | None, covariant=True, default=None)


class NearestItems(NamedTuple):
    """What Q queries retrieve first.

    Attributes:
        query_ids: ``(Q,)`` int64.
        item_ids: ``(Q, k)`` int64, of their nearest items of the gallery, nearest first.
        level: ``(Q, k)`` int64, how many levels each item shares with its query.
        similarity: ``(Q, k)`` float32: cosine, inner product, or minus the Euclidean distance.
        num_levels: L, how many levels there are.
    """

    query_ids: Tensor
    item_ids: Tensor
    level: Tensor
    similarity: Tensor
    num_levels: int

    def of(self, query_ids: Tensor) -> "NearestItems":
        """The same of some of the queries, in their order."""
        order = self.query_ids.argsort()
        rows = order[torch.searchsorted(self.query_ids[order], query_ids)]
        return NearestItems(query_ids, self.item_ids[rows], self.level[rows], self.similarity[rows], self.num_levels)


class _Batch(Reading):
    """A batch, and what the state of the first metric became by it, which others of a collection take over.

    What the batch tells never changes; :attr:`taken` is set once.
    """

    def __init__(self, image_ids: Tensor, columns: Mapping[Hashable, Tensor]) -> None:
        super().__init__(image_ids, columns)
        self.taken: tuple[dict[str, list[Tensor]], dict[str, list[Tensor]]] | None = None


class RetrievalMetric(HardnessMetric[MeanT]):
    """Ranks queries by how badly they retrieve their relatives from a gallery: hardness is 1 - score.

    A subclass is a formula over the scores of all queries, :meth:`score`; :attr:`asked` says what that needs.

    - Each query ranks the gallery but itself, told by its id. An image that is given as a query once and as an item of
      the gallery another time is both.
    - Queries without a positive take no part in ranking and mean; `without_positives` tells how many.
    - On several processes embeddings are gathered once and each image counts once, by the row of the lowest rank
      that saw it; then queries are shared out. The result is that of one process, to the last bit on the CPU.
    - All metrics of retrieval keep the same. In a :class:`~hardest_metrics.HardnessCollection` they hold it once, are
      gathered once, and the queries are scored once for all of them; in a plain MetricCollection once for each.

    Args:
        reduction: None for the ranking of queries by hardness; ``"mean"`` for the mean *score*, the higher the better,
            as a scalar for ``self.log``. Of no queries it is NaN.
        metric: how embeddings are compared: ``"cosine"``, for which they are brought to unit length;
            ``"inner_product"``, which takes them as they are; ``"l2"``, Euclidean distance.
        kwargs: see :class:`torchmetrics.Metric`.

    Attributes:
        without_positives: how many queries the last `compute` or `summary` left out; None before.
    """

    columns: ClassVar[Mapping[str, Column]] = {
        "embeddings": Column(None, torch.float32, "lowest_rank"),
        "labels": Column(None, torch.int64, "lowest_rank"),
        "role": Column((2,), torch.uint8, "larger"),
    }

    higher_is_better = True
    plot_upper_bound = 1.0

    without_positives: int | None = None
    _sharing: Sharing | None = None

    def __init__(
        self,
        *,
        reduction: MeanT = None,  # type: ignore[assignment]
        metric: Similarity = "cosine",
        **kwargs: Any,
    ) -> None:
        if reduction not in (None, "mean"):
            raise ValueError(
                f"`reduction` must be 'mean' or None, but is {reduction!r}: scores of queries are neither added up, nor"
                " is the largest of interest."
            )
        check_metric(metric)
        super().__init__("retrieval()", reduction, **kwargs)
        self.metric = metric

    @property
    def adapter(self) -> "RetrievalAdapter":
        """How a callback understands batches, and draws queries with what they retrieve."""
        from hardest_metrics.retrieval.adapter import RetrievalAdapter  # needs Pillow, which a metric does not

        return RetrievalAdapter()

    @property
    def num_levels(self) -> int:
        """L, how many levels the labels so far have; 0 without any."""
        chunks = vars(self)["labels"]
        return chunks[0].shape[1] if chunks else 0

    @property
    def asked(self) -> Score:
        """What must be known of the queries; whole rankings, unless a class says otherwise."""
        return Score(self.metric)

    @abstractmethod
    def score(self, scores: QueryScores) -> Tensor:
        """The score of each query, ``(Q,)``, of all there are; NaN where it has no positive."""

    def update(self, embeddings: Tensor, labels: Tensor, image_ids: ImageIds = None, role: Role = "both") -> None:
        """Add a batch of images.

        Args:
            embeddings: ``(N, D)`` floating point. Kept as float32.
            labels: ``(N, L)`` integers, finest level first; a tree: images that are equal at a level are equal at all
                coarser ones.
            image_ids: ``(N,)`` integers, or N numbers or texts; None to number images by position, which one process
                alone can do.
            role: of all images of the batch: ``"query"``, ``"gallery"``, or ``"both"``.

        Raises:
            TypeError: if embeddings are no floating-point, or labels or ids no integer tensors.
            ValueError: if shapes do not go together, or differ from those before; embeddings are not finite; labels
                are no tree; or it is another role. The metric is as it was before.
        """
        self._take(read_together([self], embeddings, labels, image_ids, role))

    def _read(
        self,
        asked: Sequence[Hashable],
        embeddings: Tensor,
        labels: Tensor,
        image_ids: ImageIds = None,
        role: Role = "both",
    ) -> Reading:
        check_labels(labels)
        check_embeddings("embeddings", embeddings, labels)
        if role not in get_args(Role):
            raise ValueError(f"`role` must be one of {', '.join(map(repr, get_args(Role)))}, but is {role!r}.")
        device = embeddings.device
        columns: dict[Hashable, Tensor] = {
            "embeddings": embeddings.detach().to(torch.float32, copy=True),  # the caller may change it later
            "labels": labels.to(device, torch.int64, copy=True),
            "role": torch.tensor([_ROLES[role]], dtype=torch.uint8, device=device).repeat(len(labels), 1),
        }
        return _Batch(checked_ids(image_ids, len(labels)).to(device), {name: columns[name] for name in asked})

    def _take(self, reading: Reading) -> None:
        self._check_widths({name: [reading.measured[name]] for name in ("embeddings", "labels")})
        before = self._chunks()
        taken = reading.taken if isinstance(reading, _Batch) else None
        if taken is not None and same_chunks(taken[0], before):
            vars(self).update({name: list(chunks) for name, chunks in taken[1].items()})
            return
        super()._take(reading)
        if isinstance(reading, _Batch):
            reading.taken = before, self._chunks()

    def _chunks(self) -> dict[str, list[Tensor]]:
        return {name: vars(self)[name] for name in ("image_ids", *self.columns)}

    def _check_widths(self, others: Mapping[str, Sequence[Tensor]]) -> None:
        """Refuse embeddings of other dimensions, or labels of other levels, than those that are kept."""
        for name, chunks in others.items():
            _check_alike(name, [*vars(self)[name], *chunks])

    def _images(self, state: Mapping[str, Any] | None = None) -> Rows:
        rows = super()._images(state)
        if state is not None:
            self._check_widths({name: [rows.columns[name]] for name in ("embeddings", "labels")})
        return rows._replace(columns={**rows.columns, "role": _joined_roles(rows)})

    def _images_once(self) -> Rows:
        rows = super()._images_once()
        if (torn := torn_rows(rows.columns["labels"])) is not None:
            *two, level = torn
            first, second = (
                f"image {int(rows.image_ids[row])} has {rows.columns['labels'][row].tolist()}" for row in two
            )
            raise ValueError(
                f"`labels` are no tree: {first} and {second}, equal at level {level}, but not at the coarser level"
                f" {level + 1}. {TREE_REMEDY}"
            )
        return rows

    # What `compute` and others give

    def _value(self, rows: Rows) -> Ranking | Tensor:
        (scored,) = evaluate([self], rows.columns, self._sharing)
        return self._result(rows, self._accepted(scored))

    def _values(self, members: Sequence[ImageRows], rows: Rows) -> list[Any]:
        """For `forward`: a batch alone may well hold no two images of a class, or fewer than k. That is no error."""
        each = cast("Sequence[RetrievalMetric[Any]]", members)
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "`k`: ")
            found = evaluate(each, rows.columns)
        return [member._result(rows, scored) for member, scored in zip(each, found, strict=True)]

    def _compute_together(self, members: Sequence[ImageRows]) -> list[Any] | None:
        return compute_together(cast("Sequence[RetrievalMetric[Any]]", members))

    def _hardness(self, columns: Columns) -> tuple[Tensor, Tensor]:
        (scored,) = evaluate([self], columns, self._sharing)
        return self._accepted(scored).rows, _hardness(scored)

    def _accepted(self, scored: Scored) -> Scored:
        """The same; refused if nothing is left."""
        if scored.without_positives and not len(scored.rows):
            raise ValueError(
                f"{self!r}: none of {scored.without_positives} queries has a positive in the gallery: give images that"
                " share a class, as queries and as gallery. Lightning's sanity check sees two batches, which may share"
                " none: `Trainer(num_sanity_val_steps=0)`, or -1 for all."
            )
        self.without_positives = scored.without_positives
        return scored

    def _result(self, rows: Rows, scored: Scored) -> Ranking | Tensor:
        if self.reduction == "mean":
            return scored.scores.mean().float()
        (ranking,) = Ranking.of_ascending(rows.image_ids.index_select(0, scored.rows), _hardness(scored)[None])
        return ranking

    def neighbours(self, query_ids: Tensor | Sequence[int], k: int = 10) -> NearestItems:
        """What some queries retrieve first, such as the hardest; nothing is computed of the others.

        Gathers from all processes, as `compute` does: all must call it, for the same queries.

        Args:
            query_ids: ``(Q,)`` integers.
            k: how many neighbours of each, clipped to the number of items that are ranked, with a warning.

        Raises:
            ValueError: if one of them is no query, or what `compute` raises.

        Example:
            >>> import torch
            >>> from hardest_metrics.retrieval import AveragePrecision
            >>> metric = AveragePrecision()
            >>> embeddings = torch.tensor([[1.0, 0.0], [0.9, 0.1], [0.6, 0.4]])
            >>> metric.update(embeddings, torch.tensor([[0, 0], [1, 0], [0, 0]]), torch.tensor([7, 8, 9]))
            >>> found = metric.neighbours(metric.compute().top(1).image_ids, k=2)
            >>> found.query_ids, found.item_ids, found.level
            (tensor([7]), tensor([[8, 9]]), tensor([[1, 2]]))
        """
        with torch.no_grad(), self.sync_context(dist_sync_fn=self.dist_sync_fn, should_sync=self._to_sync):
            rows = self._images_once()
        is_query, in_gallery = rows.columns["role"].bool().unbind(1)
        wanted = torch.as_tensor(query_ids, dtype=torch.int64, device=rows.image_ids.device)
        queries = rows.image_ids[is_query]
        strange = wanted[~torch.isin(wanted, queries)]
        if len(strange):
            raise ValueError(f"`query_ids`: image {int(strange[0])} is no query: give ids of the ranking.")
        place = torch.searchsorted(rows.image_ids, wanted)
        gallery = in_gallery.nonzero().squeeze(1)
        embeddings, labels = (rows.columns[name] for name in ("embeddings", "labels"))
        found = nearest_neighbours(
            embeddings[place],
            labels[place],
            gallery=chosen_rows(embeddings, gallery),
            gallery_labels=chosen_rows(labels, gallery),
            itself=itself_in(gallery, in_gallery, place),
            k=k,
            metric=self.metric,
        )
        item_ids = rows.image_ids[gallery][found.items]
        return NearestItems(wanted, item_ids, found.level, found.similarity, labels.shape[1])

    def reset(self) -> None:
        """Forget all images."""
        super().reset()
        self.without_positives = None

    # Several processes

    def _sync_dist(
        self, dist_sync_fn: Callable[..., list[Tensor]] = gather_all_tensors, process_group: Any | None = None
    ) -> None:
        def gather(values: Tensor, group: Any) -> list[Tensor]:
            parts = dist_sync_fn(values, group=group)
            if values.ndim == 2:
                _check_alike("embeddings" if values.is_floating_point() else "labels", parts, "in process {}")
            return parts

        # each metric keeps the same, so what it keeps does not tell it from others
        group = process_group or self.process_group
        require_equal_settings(repr(self), partial(dist_sync_fn, group=group), self.device)
        super()._sync_dist(gather, process_group)
        if dist.is_available() and dist.is_initialized():
            self._sharing = Sharing(
                partial(dist_sync_fn, group=group), dist.get_rank(group), dist.get_world_size(group)
            )

    def unsync(self, should_unsync: bool = True) -> None:
        """As :meth:`torchmetrics.Metric.unsync`."""
        super().unsync(should_unsync)
        if not self._is_synced:
            self._sharing = None


def _hardness(scored: Scored) -> Tensor:
    # what float32 does not tell from a perfect score is one
    return 1 - scored.scores.float()


def _check_alike(name: str, parts: Sequence[Tensor], where: str = "") -> None:
    """Refuse parts of which the rows are not of one length."""
    filled = [(number, part.shape[1]) for number, part in enumerate(parts) if len(part)]
    for number, width in filled:
        if width != filled[0][1]:
            what = "dimensions" if name == "embeddings" else "levels"
            now, before = (f" {where.format(at)}" if where else "" for at in (number, filled[0][0]))
            raise ValueError(
                f"`{name}` have {width} {what}{now}, but {filled[0][1]}{before or ' before'}: give all of them from one"
                f" {'network' if name == 'embeddings' else 'tree'}, and `reset()` before another."
            )


def _joined_roles(rows: Rows) -> Tensor:
    """The roles of images, those that came in several having all of them wherever they stand."""
    ids, role = rows.image_ids, rows.columns["role"]
    if not len(ids) or bool((role == role[0]).all()):
        return role
    unique, position = ids.unique(return_inverse=True)
    if len(unique) == len(ids) or bool(unique[0] == NO_ID):
        return role
    counts = torch.zeros(len(unique), 2, dtype=torch.int64, device=ids.device).index_add_(0, position, role.long())
    return (counts > 0).to(role.dtype).index_select(0, position)
