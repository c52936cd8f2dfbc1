"""After every validation, test or prediction: which images are hardest, and why."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PIL.Image import Image
from torch import Tensor
from torchmetrics import MetricCollection

from hardest_metrics.adapter import Kept
from hardest_metrics.callbacks.collecting import Collected, Collecting
from hardest_metrics.callbacks.evaluation import Stage, loader_suffixes
from hardest_metrics.callbacks.keeping import Keeping, label_text
from hardest_metrics.callbacks.learning import Learning
from hardest_metrics.callbacks.once import Once
from hardest_metrics.callbacks.pixels import Pixels
from hardest_metrics.callbacks.ranking_callback import RankingCallback, require_counts
from hardest_metrics.callbacks.showing import Finished, Showing
from hardest_metrics.metric import AnyHardnessMetric
from hardest_metrics.plot import MAX_TILES
from hardest_metrics.results import RunStore

if TYPE_CHECKING:
    from lightning.pytorch import LightningModule, Trainer
else:
    LightningModule = Trainer = Any

#: Where a state holds dynamics, beside histories by tag.
_DYNAMICS = "dynamics"


class HardestImages(RankingCallback):
    """Ranks the images of every validation, test or prediction by hardness, and shows the hardest.

    At the end of each validation and test epoch, for each metric and each loader by itself:

    - scalars are logged: ``val/<metric>/mean``, ``val/<metric>/p95`` (their 95th percentile) and
      ``val/<metric>/share_in_error`` (of images with any error), which ModelCheckpoint and EarlyStopping can monitor;
      ``test/...`` in `test`, and ``.../loader_1`` and so on for further loaders, or their names in a dict;
    - every `every_n_epochs`, the ranking of all images is written as CSV and the hardest images are drawn as PNG, in
      `dirpath`: of detectors true positives green, false positives red, missed objects blue and dashed; of classifiers
      in a frame that says right or wrong, under what was said;
    - the picture, the distribution and the files also go to the run's loggers, as far as those take them
      (TensorBoard, Weights & Biases, MLflow), and a table to the terminal if a progress bar is in use.

    In `predict`, where there are no labels, metrics that need none (estimates of :mod:`hardest_metrics.detection`,
    :class:`~hardest_metrics.Entropy` and the like of :mod:`hardest_metrics.classification`) rank what `predict_step`
    returns: ranking, picture and table are made at the end, named ``predict/<metric>``; nothing is logged as a scalar,
    as Lightning has it, and no history is kept. Pictures of estimates show detections in one colour, whether there are
    labels or not.

    The ranking and the table say for how many of the last validations an image has been among the hardest
    (``hard_for``), and whether that is ``new``, ``still`` so, or ``solved``; of each set of images by itself. This is
    saved in checkpoints.

    Works with `lightning.pytorch` and `pytorch_lightning`, on one process or many; with several, images need their
    ``image_id``, in the labels or in the predictions; with one, images without are numbered by position. Only
    snapshots of the hardest images are kept, `top_k` a metric, and none in epochs that draw nothing.

    Args:
        metrics: one metric, a list, a dict or a :class:`~torchmetrics.MetricCollection` of them.
        top_k: how many images are shown.
        every_n_epochs: how often pictures and files are made in `fit`; scalars are logged at every validation.
        class_names: the name of each label, as a dict, or as a list for labels from 0; None for numbers.
        dirpath: where to write; None for ``hardest_images`` in the folder of the run, beside ModelCheckpoint's
            ``checkpoints``. Nothing is overwritten: a second file of a name gets ``-v1`` at its end.
        mean: of each channel, if images were normalised with ``(image - mean) / std``; needs `std`.
        std: of each channel, likewise.
        unnormalize: a function from an image of a batch to one with values in [0, 1], or uint8, where `mean` and
            `std` do not say it.
        to_inputs: a function ``(outputs, batch)`` for a step that does not return what is understood: of detectors to
            :class:`~hardest_metrics.callbacks.Inputs` (see :func:`~hardest_metrics.callbacks.inputs_of` and
            :mod:`hardest_metrics.callbacks.adapters`), of classifiers to
            :class:`~hardest_metrics.callbacks.ClassifiedInputs`.
        window: for how many validations `hard_for` looks back.
        dynamics: whether to keep what the training does to every image, see :class:`~hardest_metrics.Dynamics`, an
            entry, in place of an epoch, a validation of `fit`: in checkpoints, beside each ranking as
            ``...-dynamics.csv`` and, of metrics that know the probability of the label, as a data map.
        store: where to keep a run for each loader of every `validate` and `test`, with the hardness of all images and
            the scalars that were logged, see :class:`~hardest_metrics.results.RunStore`: it, or the path of its file.
            ``hardest-metrics regress`` then tells which images got worse. None to keep none.
        kinds: whether to say why images are hard: how many errors of each kind they have, see
            :class:`~hardest_metrics.ErrorsOfKind`. In the ranking's file a column a kind, above pictures and in tables
            in words, and as scalars ``val/<metric>/<kind>``, their number in a mean image. Of
            :class:`~hardest_metrics.TotalFalse`, :class:`~hardest_metrics.FalsePositives` and
            :class:`~hardest_metrics.FalseNegatives`.

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
        to_inputs: Callable[[Any, Any], Any] | None = None,
        window: int = 10,
        dynamics: bool = False,
        store: RunStore | str | Path | None = None,
        kinds: bool = False,
    ) -> None:
        require_counts(top_k=top_k, every_n_epochs=every_n_epochs, window=window)
        if top_k > MAX_TILES:
            raise ValueError(f"`top_k` must be at most {MAX_TILES}, as many as a picture shows, but is {top_k}.")
        if not isinstance(class_names, list | tuple | Mapping | None):
            raise TypeError(f"`class_names` must be a list or a dict, but is a {type(class_names).__name__}.")
        once = Once(type(self).__name__)
        pixels = Pixels(mean, std, unnormalize, once)
        showing = Showing(dirpath, "hardest_images", top_k, window, once)
        self._keeping: Keeping | None = None
        if store is not None:
            self._keeping = Keeping(store if isinstance(store, RunStore) else RunStore(store), once)
        label = None if store is None else label_text
        super().__init__(Collecting(metrics, to_inputs, top_k, pixels, once, label, kinds), showing, every_n_epochs)
        self.class_names = dict(enumerate(class_names)) if isinstance(class_names, list | tuple) else class_names
        self._learning = Learning() if dynamics else None

    def state_dict(self) -> dict[str, Any]:
        """For how long images have been hard, and what training did to them, in plain numbers and tensors."""
        state = super().state_dict()
        return state if self._learning is None else {**state, _DYNAMICS: self._learning.state_dict()}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on from where the checkpoint was saved."""
        if self._learning is not None:
            self._learning.load_state_dict(state_dict.get(_DYNAMICS, {}))
        super().load_state_dict({tag: of for tag, of in state_dict.items() if tag != _DYNAMICS})

    def add(
        self, trainer: Trainer, pl_module: LightningModule, stage: Stage, outputs: Any, batch: Any, loader: int
    ) -> None:
        """Measure a batch."""
        # of an epoch that draws nothing no image is kept: that would not let batches wait to be measured together
        keep = trainer.sanity_checking or self._is_due(trainer)
        self._collecting.add(stage, outputs, batch, loader, pl_module.device, self._participants.group, keep)

    def finish(self, trainer: Trainer, pl_module: LightningModule, stage: Stage) -> None:
        """Rank, log, write and show."""
        due, suffixes = self._is_due(trainer), loader_suffixes(trainer, stage)
        found = list(
            self._collecting.finished(trainer, self._participants, stage, len(suffixes), pl_module.device, due)
        )
        self._collecting.begin()
        if stage != "predict":  # where Lightning logs nothing
            for one in found:
                for name in ("mean", "p95", "share_in_error"):
                    value = getattr(one.details.summary, name)
                    self.log_equal(f"{stage}/{one.name}/{name}{suffixes[one.loader]}", value)
                for kind, details in one.kinds.items():
                    self.log_equal(f"{stage}/{one.name}/{kind}{suffixes[one.loader]}", details.summary.mean)
        if self._keeping is not None and trainer.state.fn in ("validate", "test") and self._participants.is_first:
            self._keeping.take(stage, found, suffixes)
        for one in found:
            if self._learning is not None and trainer.state.fn == "fit" and one.metric.needs_labels:
                self._learning.add(f"{stage}/{one.name}{suffixes[one.loader]}", one.metric, one.details)
            finished = self._finished(one, f"{stage}/{one.name}{suffixes[one.loader]}")
            history = None if stage == "predict" else self._showing.remember(trainer, finished)
            if due and self._participants.is_first:
                self._showing.show(trainer, finished, history)

    def begin(self) -> None:
        """Forget the last epoch."""
        super().begin()
        if self._keeping is not None:
            self._keeping.begin()

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Keep the runs, once all scalars are known."""
        self._keep(trainer, pl_module)
        super().on_validation_end(trainer, pl_module)

    def on_test_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Keep the runs, once all scalars are known."""
        self._keep(trainer, pl_module)
        super().on_test_end(trainer, pl_module)

    def _keep(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if self._keeping is not None:
            self._keeping.save(trainer, pl_module)

    def _finished(self, one: Collected, tag: str) -> Finished:
        some = "in error" if one.metric.needs_labels else "of hardness above 0"
        grid = partial(self._collecting.adapter.grid, one.metric)
        files = dict if self._learning is None else partial(self._learning.files, tag, one.names, one.file_names)
        tiles, summary = partial(self._tiles, one), one.details.summary
        counts = {
            kind: dict(zip(details.image_ids.tolist(), details.hardness.int().tolist(), strict=True))
            for kind, details in one.kinds.items()
        }
        return Finished(tag, summary, tiles, grid, some, one.names, one.file_names, files, counts)

    def _tiles(self, one: Collected, captions: Mapping[int, str]) -> dict[int, Image]:
        """A picture of each of the hardest images that there is a snapshot of, hardest first."""
        shown = {image_id: one.snapshots[image_id] for image_id in captions if image_id in one.snapshots}
        kept = [Kept(*snapshot, captions[image_id]) for image_id, snapshot in shown.items()]
        tiles = self._collecting.adapter.tiles(one.metric, kept, self.class_names) if kept else []
        return dict(zip(shown, tiles, strict=True))
