"""After every validation, test or prediction: which images are hardest, and why."""

import io
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from lightning_utilities.core.rank_zero import rank_zero_warn
from PIL.Image import Image
from rich.console import Console
from rich.table import Table
from torch import Tensor
from torchmetrics import Metric, MetricCollection

from hardest_metrics.callbacks.history import History, Validation
from hardest_metrics.callbacks.inputs import Inputs, ToInputs, inputs_of, not_found
from hardest_metrics.callbacks.loggers import Report, show
from hardest_metrics.callbacks.participants import Participants
from hardest_metrics.callbacks.top_images import Snapshot, TopImages
from hardest_metrics.collection import HardnessCollection
from hardest_metrics.data import atomic_write, write_ranking
from hardest_metrics.functional.detection.matching import Query
from hardest_metrics.functional.detection.packing import ImageDict
from hardest_metrics.metric import AnyHardnessMetric, HardnessMetric, Summary
from hardest_metrics.plot import (
    MAX_TILES,
    detection_boxes,
    draw_grid,
    draw_image,
    encode_png,
    outcome_boxes,
    tile_size,
)

if TYPE_CHECKING:
    from lightning.pytorch import Callback, LightningModule, Trainer
else:
    from hardest_metrics.callbacks.base import Callback

    LightningModule = Trainer = Any


class HardestImages(Callback):
    """Ranks the images of every validation, test or prediction by hardness, and shows the hardest.

    At the end of each validation and test epoch, for each metric and each loader by itself:

    - scalars are logged: ``val/<metric>/mean``, ``val/<metric>/p95`` (their 95th percentile) and
      ``val/<metric>/share_in_error`` (of images with any error), which ModelCheckpoint and EarlyStopping can monitor;
      ``test/...`` in `test`, and ``.../loader_1`` and so on for further loaders;
    - every `every_n_epochs`, the ranking of all images is written as CSV and the hardest images are drawn as PNG
      (true positives green, false positives red, missed objects blue and dashed), in `dirpath`;
    - the picture, the distribution and the files also go to the run's loggers, as far as those take them
      (TensorBoard, Weights & Biases, MLflow), and a table to the terminal if a progress bar is in use.

    In `predict`, where there are no labels, metrics that estimate hardness without them
    (:mod:`hardest_metrics.detection`) rank what `predict_step` returns: ranking, picture and table are made at the end,
    named ``predict/<metric>``; nothing is logged as a scalar, as Lightning has it, and no history is kept. Pictures of
    estimates show detections in one colour, whether there are labels or not.

    The ranking and the table say for how many of the last validations an image has been among the hardest
    (``hard_for``), and whether that is ``new``, ``still`` so, or ``solved``. This is saved in checkpoints.

    Works with `lightning.pytorch` and `pytorch_lightning`, on one process or many; with several, images need their
    ``image_id``, in the labels or in the predictions; with one, images without are numbered by position. Only
    snapshots of the hardest images are kept, `top_k` a metric, and none in epochs that draw nothing.

    Args:
        metrics: one metric, a list, a dict or a :class:`~torchmetrics.MetricCollection` of them.
        top_k: how many images are shown.
        every_n_epochs: how often pictures and files are made in `fit`; scalars are logged at every validation.
        class_names: the name of each label, as a dict, or as a list for labels from 0; None for numbers.
        dirpath: where to write; None for ``hardest_images`` in the trainer's log folder.
        mean: of each channel, if images were normalised with ``(image - mean) / std``; needs `std`.
        std: of each channel, likewise.
        unnormalize: a function from an image of a batch to one with values in [0, 1], or uint8, where `mean` and
            `std` do not say it.
        to_inputs: a function ``(outputs, batch) -> Inputs`` for a step that does not return what
            :func:`~hardest_metrics.callbacks.inputs_of` understands.
        window: for how many validations `hard_for` looks back.

    Raises:
        TypeError, ValueError: if an argument makes no sense; in `setup` if `dirpath` cannot be written to; at the first
            batch if a metric needs labels and there are none. In `predict` such a metric is left out, with a warning.

    Example:
        >>> from lightning.pytorch import Trainer
        >>> from hardest_metrics import HardestImages, TotalFalse
        >>> trainer = Trainer(
        ...     callbacks=[HardestImages(TotalFalse(weighting="pixel"), top_k=9)], logger=False, accelerator="cpu"
        ... )
        >>> from hardest_metrics.detection import ExpectedHardness
        >>> to_label = HardestImages(ExpectedHardness(TotalFalse()), top_k=100)  # for `trainer.predict`
    """

    log: Callable[..., None]  # set by the trainer

    def __init__(
        self,
        metrics: AnyHardnessMetric | MetricCollection | Sequence[AnyHardnessMetric] | Mapping[str, AnyHardnessMetric],
        top_k: int = 16,
        every_n_epochs: int = 1,
        class_names: list[str] | dict[int, str] | None = None,
        dirpath: str | Path | None = None,
        mean: list[float] | None = None,
        std: list[float] | None = None,
        unnormalize: Callable[[Tensor], Tensor] | None = None,
        to_inputs: ToInputs = inputs_of,
        window: int = 10,
    ) -> None:
        super().__init__()
        for name, number in (("top_k", top_k), ("every_n_epochs", every_n_epochs), ("window", window)):
            if type(number) is not int or number < 1:
                raise ValueError(f"`{name}` must be an integer of at least 1, but is {number!r}.")
        if top_k > MAX_TILES:
            raise ValueError(f"`top_k` must be at most {MAX_TILES}, as many as a picture shows, but is {top_k}.")
        if class_names is not None and not isinstance(class_names, list | tuple | Mapping):
            raise TypeError(f"`class_names` must be a list or a dict, but is a {type(class_names).__name__}.")
        if (mean is None) != (std is None):
            raise ValueError("`mean` and `std` belong together: give both or neither.")
        if mean is not None and std is not None and (len(mean) not in (1, 3) or len(std) != len(mean) or min(std) <= 0):
            raise ValueError(f"`mean` and `std` must be one or three numbers each, `std` above 0: {mean}, {std}.")
        if mean is not None and unnormalize is not None:
            raise ValueError("`unnormalize` already says what `mean` and `std` say: give one or the other.")
        self.metrics = _collection(metrics)
        self.top_k = top_k
        self.every_n_epochs = every_n_epochs
        self.class_names = dict(enumerate(class_names)) if isinstance(class_names, list | tuple) else class_names
        self.dirpath = None if dirpath is None else Path(dirpath)
        self.mean, self.std, self.unnormalize = mean, std, unnormalize
        self.to_inputs = to_inputs
        self.window = window
        self._histories: dict[str, History] = {}
        self._participants = Participants()
        self._loaders: dict[int, _Loader] = {}
        self._folder = Path()
        self._left_out: set[str] = set()  # of a prediction, for want of labels
        self._warned: set[str] = set()

    @property
    def state_key(self) -> str:
        """Tells callbacks of different configuration apart in a checkpoint."""
        settings = {name: metric.settings.split("#")[0] for name, metric in _items(self.metrics)}
        # of estimates that of their definition
        definitions = {name: getattr(metric, "definition", metric) for name, metric in _items(self.metrics)}
        weightings = {name: str(getattr(of, "weighting", "")) for name, of in definitions.items()}
        weightings = {name: weighting.split(" at 0x")[0] for name, weighting in weightings.items()}
        return self._generate_state_key(metrics=settings, weightings=weightings, top_k=self.top_k)

    def state_dict(self) -> dict[str, Any]:
        """For how long images have been hard, in plain ints and tensors."""
        return {tag: history.state_dict() for tag, history in self._histories.items()}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on from where the checkpoint was saved."""
        for tag, state in state_dict.items():
            self._history(tag).load_state_dict(state)

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Find the folder to write to; refuse one that can't be, and metrics of one name in two of these callbacks."""
        callbacks = trainer.callbacks  # type: ignore[attr-defined]  # one of the trainer's connectors sets it
        names = list(chain.from_iterable(map(str, c.metrics) for c in callbacks if isinstance(c, HardestImages)))
        for name in names:
            if names.count(name) > 1:
                raise ValueError(f"Two HardestImages have a metric {name!r}: name them differently, in a dict.")
        log_dir = trainer.log_dir  # asks the other processes: all of them come here
        self._folder = self.dirpath or Path(log_dir or trainer.default_root_dir) / "hardest_images"
        self._participants.watch(trainer)
        problem = None
        if trainer.is_global_zero:
            try:
                self._folder.mkdir(parents=True, exist_ok=True)
                with atomic_write(self._folder / ".writable"):
                    pass
                (self._folder / ".writable").unlink()
            except OSError as error:
                problem = f"`dirpath` {self._folder} cannot be written to: {error}. Choose another one."
        problem = trainer.strategy.broadcast(problem)  # all processes stop, or none
        if problem is not None:
            raise ValueError(problem)

    def on_validation_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Forget the last epoch."""
        self._begin()

    def on_test_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Forget the last epoch."""
        self._begin()

    def on_predict_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Forget the last epoch."""
        self._begin()

    def on_validation_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:  # fmt: skip
        """Measure a batch, in the sanity check too: what is wrong with it shows before the training."""
        self._add(trainer, pl_module, self._inputs(outputs, batch), dataloader_idx)

    def on_test_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:  # fmt: skip
        """Measure a batch."""
        self._add(trainer, pl_module, self._inputs(outputs, batch), dataloader_idx)

    def on_predict_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:  # fmt: skip
        """Measure a batch; without labels, by the metrics that need none."""
        if len(self._left_out) == len(self.metrics):
            return
        try:
            inputs = self._inputs(outputs, batch)
        except Exception as error:
            needing = {name for name, metric in _items(self.metrics) if metric.needs_labels}
            if self._left_out or self._loaders or not needing:
                raise
            # these are here for the training: that should not keep the same trainer from predicting
            self._left_out = needing
            names = ", ".join(sorted(needing))
            self._warn("predict", f"HardestImages leaves {names} out of this prediction. {error}")
            if len(needing) == len(self.metrics):
                return
            inputs = self._inputs(outputs, batch)
        self._add(trainer, pl_module, inputs, dataloader_idx)

    def on_validation_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Rank, log, write and show."""
        if trainer.sanity_checking:
            self._begin()
        else:
            self._finish(trainer, pl_module, "val", len(trainer.num_val_batches))

    def on_test_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Rank, log, write and show."""
        self._finish(trainer, pl_module, "test", len(trainer.num_test_batches))

    def on_predict_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Rank, write and show."""
        self._finish(trainer, pl_module, "predict", len(trainer.num_predict_batches))

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Let processes go on that had nothing to validate."""
        self._participants.leave(trainer)

    def on_test_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Let processes go on that had nothing to test."""
        self._participants.leave(trainer)

    def on_predict_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Let processes go on that had nothing to predict."""
        self._participants.leave(trainer)

    def _begin(self) -> None:
        self._loaders, self._left_out = {}, set()

    def _inputs(self, outputs: Any, batch: Any) -> Inputs:
        given: Any = self.to_inputs(outputs, batch)
        if not isinstance(given, tuple) or not 2 <= len(given) <= 4:
            raise TypeError(f"`to_inputs` must give Inputs(preds, target, images), but gave a {type(given).__name__}.")
        inputs = Inputs(*given)
        if inputs.target is None or not all("boxes" in image for image in inputs.target):
            for name, metric in _items(self.metrics):
                if metric.needs_labels and name not in self._left_out:
                    kind = type(metric).__name__
                    remedy = f"{name!r} needs them; where there are none, estimate it: ExpectedHardness({kind}()). "
                    raise not_found("labels", outputs, batch, remedy)
        return inputs

    def _add(self, trainer: Trainer, pl_module: LightningModule, inputs: Inputs, index: int) -> None:
        if inputs.images is not None and len(inputs.images) != len(inputs.preds):
            raise ValueError(f"HardestImages got {len(inputs.images)} images, but predictions for {len(inputs.preds)}.")
        target = _with_sizes(inputs)
        loader = self._loader(index, pl_module)
        loader.metrics.update(inputs.preds, target, members=inputs.members)  # given to those metrics that take it
        if inputs.images is not None:
            # of an epoch that draws nothing none is kept: that would not let batches wait to be measured together
            if trainer.sanity_checking or self._is_due(trainer):
                loader.top.add(dict(_items(loader.metrics)), inputs.preds, target, inputs.images)
        elif "images" not in self._warned:
            self._warn(
                "images", "HardestImages found no images in the batch: it ranks, but draws no pictures. Return them"
                " as 'images' from the step, or pass `to_inputs`."
            )  # fmt: skip

    def _loader(self, index: int, pl_module: LightningModule) -> "_Loader":
        if index not in self._loaders:
            members: Any = {name: metric for name, metric in _items(self.metrics) if name not in self._left_out}
            metrics = (HardnessCollection(members) if self._left_out else self.metrics).clone().to(pl_module.device)
            for _, metric in _items(metrics):
                metric.process_group = self._participants.group
            self._loaders[index] = _Loader(metrics, TopImages(self.top_k, self._to_uint8))
        return self._loaders[index]

    def _finish(self, trainer: Trainer, pl_module: LightningModule, stage: str, num_loaders: int) -> None:
        """Everything that asks other processes comes first: a write that fails must not leave them waiting."""
        found = []
        if stage == "predict" and self._participants.any(bool(self._left_out), trainer):
            # then all processes leave the same metrics out
            self._left_out = {name for name, metric in _items(self.metrics) if metric.needs_labels}
            if len(self._left_out) == len(self.metrics):
                self._warn("predict", "HardestImages ranks nothing: another process finds no labels, which it needs.")
                return
        for index in range(max(num_loaders, 1)):
            loader = self._loader(index, pl_module)
            metrics = {name: metric for name, metric in _items(loader.metrics) if name not in self._left_out}
            summaries = {name: metric.summary() for name, metric in metrics.items()}
            if all(len(summary.ranking.image_ids) == 0 for summary in summaries.values()):
                continue
            snapshots = {}
            if self._is_due(trainer):
                rankings = [summary.ranking for summary in summaries.values()]
                snapshots = loader.top.gather(rankings, self._participants.group)
            suffix = f"/loader_{index}" if index else ""
            for name, summary in summaries.items():
                if stage != "predict":  # where Lightning logs nothing
                    self._log_scalars(f"{stage}/{name}", suffix, summary)
                found.append((f"{stage}/{name}{suffix}", metrics[name], summary, snapshots))
        self._begin()
        for tag, metric, summary, snapshots in found:
            history = None
            if stage != "predict":
                history = self._history(tag)
                top = summary.ranking.top(self.top_k)
                hard = top.image_ids[top.hardness > 0].cpu()
                history.add(Validation(trainer.current_epoch, trainer.global_step, hard))
            if self._is_due(trainer) and self._participants.is_first:
                self._show(trainer, tag, metric, summary, snapshots, history)

    def _is_due(self, trainer: Trainer) -> bool:
        fitting = trainer.state.fn == "fit"
        return not fitting or (trainer.current_epoch + 1) % self.every_n_epochs == 0

    def _log_scalars(self, tag: str, suffix: str, summary: Summary) -> None:
        for name in ("mean", "p95", "share_in_error"):
            # equal on all processes already; the largest of equal values is exact, their mean may not be
            self.log(
                f"{tag}/{name}{suffix}", getattr(summary, name), add_dataloader_idx=False, batch_size=1,
                sync_dist=self._participants.all_present, reduce_fx="max",
            )  # fmt: skip

    def _show(
        self, trainer: Trainer, tag: str, metric: AnyHardnessMetric, summary: Summary,
        snapshots: Mapping[int, Snapshot], history: History | None,
    ) -> None:  # fmt: skip
        step = trainer.fit_loop.epoch_loop._batches_that_stepped  # that of the scalars
        name = tag.replace("/", "-")
        stem = f"{name}-epoch={trainer.current_epoch:03d}-step={step:06d}"
        columns = _columns(summary, history)
        rows = {column: list(values[: self.top_k]) for column, values in columns.items()}
        table, picture = self._folder / f"{stem}.csv", self._folder / f"{stem}.png"
        files: list[Path] = []
        tiles: dict[int, Image] = {}
        grid: Image | None = None
        with self._going_on("files", f"write {table}"):
            further = {name: values for name, values in columns.items() if name in ("hard_for", "status")}
            write_ranking(summary.ranking, table, columns=further)
            files.append(table)
        with self._going_on("pictures", f"draw {picture.name}"):
            tiles = self._tiles(metric, summary, snapshots, rows)
            if tiles:
                title = f"{tag}: the {len(tiles)} hardest of {len(summary.ranking.image_ids)} images\n"
                title += f"epoch {trainer.current_epoch}, step {step}, mean hardness {summary.mean:.4g}"
                grid = draw_grid(list(tiles.values()), title, judged=metric.needs_labels)
        if grid is not None:
            with self._going_on("files", f"write {picture}"):
                with atomic_write(picture) as file:
                    file.write(encode_png(grid))
                files.append(picture)
        report = Report(tag, step, summary.ranking, rows, grid, tiles, files)
        for logger in trainer.loggers:
            name = type(logger).__name__
            with self._going_on(name, f"write to {name}"):
                show(logger, report)
        bar = trainer.progress_bar_callback
        if bar is not None and getattr(bar, "is_enabled", True):
            with self._going_on("terminal", "print to the terminal"):
                bar.print(_in_terminal(tag, trainer, metric, summary, rows, columns))

    def _tiles(
        self, metric: AnyHardnessMetric, summary: Summary, snapshots: Mapping[int, Snapshot], rows: Mapping[str, Any]
    ) -> dict[int, Image]:
        """A picture of each of the hardest images, hardest first."""
        shown = [place for place, image_id in enumerate(rows["image_id"]) if image_id in snapshots]
        if not shown:
            return {}
        kept = [snapshots[rows["image_id"][place]] for place in shown]
        preds, target = [s.preds for s in kept], [s.target for s in kept]
        query: Query = getattr(metric, "query", Query())
        box_format: Any = getattr(metric, "box_format", "xyxy")
        if metric.needs_labels:
            boxes = outcome_boxes(preds, target, query, box_format)
        else:
            boxes = detection_boxes(preds, query, box_format)
        tiles = {}
        for place, snapshot, drawn in zip(shown, kept, boxes, strict=True):
            rank, image_id, hardness = (rows[column][place] for column in ("rank", "image_id", "hardness"))
            caption = f"{rank}. id {image_id}, hardness {hardness:.5g}"
            if "hard_for" in rows:
                caption += f"\nhard in {rows['hard_for'][place]} of the last validations"
            tiles[image_id] = draw_image(snapshot.image, drawn, caption, self.class_names, tile_size(len(shown)))
        return tiles

    def _to_uint8(self, image: Tensor) -> Tensor:
        """``(3, H, W)`` or ``(1, H, W)`` uint8 on the CPU, of its own memory."""
        image = image.detach().as_subclass(Tensor)
        if self.unnormalize is not None:
            image = self.unnormalize(image)
        if image.ndim != 3 or image.shape[0] not in (1, 3):
            raise ValueError(
                f"HardestImages draws images of 3 channels or 1, but got one of shape {tuple(image.shape)}: pass a"
                " function `unnormalize` that makes it so."
            )
        if image.dtype != torch.uint8:
            image = image.float()
            if self.mean is not None and self.std is not None:
                mean, std = (image.new_tensor(values).reshape(-1, 1, 1) for values in (self.mean, self.std))
                image = image * std + mean
            if "range" not in self._warned and (image.amin() < -0.05 or image.amax() > 1.05):
                self._warn(
                    "range", "HardestImages draws images whose values leave [0, 1], as if normalised: pass `mean` and"
                    " `std`, or `unnormalize`."
                )  # fmt: skip
            image = image.clamp(0, 1).mul(255).round().to(torch.uint8)
        return image.cpu().clone()

    def _history(self, tag: str) -> History:
        return self._histories.setdefault(tag, History(self.window))

    @contextmanager
    def _going_on(self, what: str, doing: str) -> Iterator[None]:
        """Where what is done inside fails, say so once and let the training go on."""
        try:
            yield
        except Exception as error:  # loggers raise whatever their services do
            self._warn(what, f"HardestImages could not {doing}: {type(error).__name__}: {error}. The run goes on.")

    def _warn(self, what: str, message: str) -> None:
        if what not in self._warned:
            self._warned.add(what)
            rank_zero_warn(message)


class _Loader(NamedTuple):
    """What is known of one loader's images so far."""

    metrics: MetricCollection
    top: TopImages


def _collection(metrics: Any) -> MetricCollection:
    if isinstance(metrics, MetricCollection):
        collection = metrics
    elif isinstance(metrics, Metric):
        collection = HardnessCollection([metrics])
    elif isinstance(metrics, Mapping):
        collection = HardnessCollection(dict(metrics))
    elif isinstance(metrics, Sequence) and not isinstance(metrics, str):
        names = [type(metric).__name__ for metric in metrics]
        if len(set(names)) < len(names):
            raise ValueError(f"`metrics` holds several of one class ({', '.join(names)}): name them in a dict.")
        collection = HardnessCollection(list(metrics))
    else:
        raise TypeError(f"`metrics` must be hardness metrics, but is a {type(metrics).__name__}.")
    for name, metric in _items(collection):
        if not isinstance(metric, HardnessMetric):
            raise TypeError(f"`metrics` must be hardness metrics, but {name!r} is a {type(metric).__name__}.")
    collection = collection.clone()  # the user's own may be in use elsewhere
    collection.reset()
    return collection


def _items(metrics: MetricCollection) -> list[tuple[str, AnyHardnessMetric]]:
    # `items()` would copy the states that members share
    return list(metrics.items(copy_state=False))  # type: ignore[arg-type]


def _with_sizes(inputs: Inputs) -> Sequence[ImageDict]:
    """Labels with the size of each image, where neither side gives one: that of its tensor, padding included.

    Without labels, the sizes alone.
    """
    target = [{} for _ in inputs.preds] if inputs.target is None else inputs.target
    if inputs.images is None or len(inputs.images) != len(target):
        return target
    sized = zip(inputs.preds, target, inputs.images, strict=False)
    return [
        labels if _has_size(labels) or _has_size(pred) else {**labels, "image_size": tuple(image.shape[-2:])}
        for pred, labels, image in sized
    ]


def _has_size(image: ImageDict) -> bool:
    return "image_size" in image or hasattr(image.get("boxes"), "canvas_size")


def _columns(summary: Summary, history: History | None) -> dict[str, Sequence[Any]]:
    """The columns of a ranking's file."""
    ranking = summary.ranking
    image_ids = ranking.image_ids.tolist()
    columns: dict[str, Sequence[Any]] = {
        "rank": range(1, len(image_ids) + 1),
        "image_id": image_ids,
        "hardness": ranking.hardness.tolist(),
    }
    if history is None:
        return columns
    return {**columns, "hard_for": history.counts(image_ids), "status": history.statuses(image_ids)}


def _in_terminal(
    tag: str, trainer: Trainer, metric: AnyHardnessMetric, summary: Summary,
    rows: Mapping[str, Sequence[Any]], columns: Mapping[str, Sequence[Any]],
) -> str:  # fmt: skip
    """A table of the hardest images, `rows`, and what the ranking, `columns`, says of all."""
    table = Table()
    for column in rows:
        table.add_column(column.replace("_", " "), justify="left" if column == "status" else "right")
    for row in zip(*({**rows, "hardness": [f"{value:.5g}" for value in rows["hardness"]]}.values()), strict=True):
        table.add_row(*map(str, row))
    text = io.StringIO()
    Console(file=text, width=100).print(table)
    some = "in error" if metric.needs_labels else "of hardness above 0"
    lines = (
        f"{tag}, epoch {trainer.current_epoch}: mean {summary.mean:.4g}, p95 {summary.p95:.4g},"
        f" {summary.share_in_error:.1%} of images {some}\n{text.getvalue()}"
    )
    if "status" in columns:
        solved = [id_ for id_, status in zip(columns["image_id"], columns["status"], strict=True) if status == "solved"]
        lines += f"solved: {', '.join(map(str, solved)) or 'none'}\n"
    return lines
