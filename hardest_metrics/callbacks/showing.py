"""A finished ranking, shown: file, picture, loggers, terminal, and for how long images have been hard."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from PIL.Image import Image

from hardest_metrics.callbacks.history import Histories, History, Validation
from hardest_metrics.callbacks.loggers import Report, show
from hardest_metrics.callbacks.once import Once
from hardest_metrics.callbacks.run_folder import folder_of_run, require_writable, unused
from hardest_metrics.callbacks.terminal import in_words
from hardest_metrics.data import ImageNames, atomic_write, encode_ranking
from hardest_metrics.metric import Summary
from hardest_metrics.plot import arrange, encode_png
from hardest_metrics.presentation import counts_in_words

if TYPE_CHECKING:
    from lightning.pytorch import Trainer


class Finished(NamedTuple):
    """A ranking, and what is drawn of it.

    Attributes:
        tag: names it, such as ``"val/TotalFalse"``.
        summary: the ranking, and what it says of the set.
        tiles: a function from captions by id, hardest first, to pictures by id, of those that there are pictures of.
        grid: puts these together, under a title.
        some: what the share of images in error is of.
        names: what the images are called, by id; those that are called by their id are left out.
        file_names: likewise.
        files: a function that gives further files to write, by what follows the name of the ranking's.
        counts: of each kind of errors how many each image has, by its id; a column each.
    """

    tag: str
    summary: Summary
    tiles: Callable[[Mapping[int, str]], Mapping[int, Image]]
    grid: Callable[[Sequence[Image], str], Image] = arrange
    some: str = "in error"
    names: Mapping[int, str] = {}
    file_names: Mapping[int, str] = {}
    files: Callable[[], Mapping[str, bytes]] = dict
    counts: Mapping[str, Mapping[int, int]] = {}


class Showing:
    """Shows finished rankings, whatever they are of.

    Args:
        dirpath: where to write; None for a folder of that name in the folder of the run.
        name: of the folder, and of that of the artifacts.
        top_k: how many images are shown.
        window: for how many evaluations ``hard_for`` looks back.
        once: says what goes wrong.
        things: what is ranked.
    """

    def __init__(
        self, dirpath: str | Path | None, name: str, top_k: int, window: int, once: Once, things: str = "images"
    ) -> None:
        self.dirpath = None if dirpath is None else Path(dirpath)
        self.name, self.top_k, self.things = name, top_k, things
        self.folder = Path()
        self.histories = Histories(window)
        self._once = once

    def setup(self, trainer: "Trainer") -> None:
        """Find the folder to write to; all processes must come here together.

        Raises:
            ValueError: if it cannot be written to.
        """
        self.folder = self.dirpath or folder_of_run(trainer, self.name)
        require_writable(self.folder, trainer)

    def remember(self, trainer: "Trainer", finished: Finished) -> History:
        """Add an evaluation to the history of its images."""
        ranking = finished.summary.ranking
        top = ranking.top(self.top_k)
        hard = Validation(trainer.current_epoch, trainer.global_step, top.image_ids[top.hardness > 0].cpu())
        history, others = self.histories.add(finished.tag, ranking.image_ids, hard)
        if others:
            self._once.warn(
                f"anew {finished.tag}", f"finds other {self.things} under {finished.tag} than before: for how long they"
                " have been hard is counted anew."
            )  # fmt: skip
        return history

    def show(self, trainer: "Trainer", finished: Finished, history: History | None) -> None:
        """Write, draw, log and print; what fails is said once and stops nothing.

        Args:
            trainer: of the run.
            finished: what to show.
            history: of the images; None if none is kept.
        """
        tag, summary, once = finished.tag, finished.summary, self._once
        step = trainer.fit_loop.epoch_loop._batches_that_stepped  # that of the scalars
        stem = f"{tag.replace('/', '-')}-epoch={trainer.current_epoch:03d}-step={step:06d}"
        image_ids = summary.ranking.image_ids.tolist()
        further: dict[str, Sequence[Any]] = {}
        if history is not None:
            further = {"hard_for": history.counts(image_ids), "status": history.statuses(image_ids)}
        further |= {kind: [of[image_id] for image_id in image_ids] for kind, of in finished.counts.items()}
        names = ImageNames.of(image_ids, finished.names, finished.file_names)
        columns = _columns(finished, image_ids, names, further)
        rows = {column: list(values[: self.top_k]) for column, values in columns.items()}
        told = _told(rows, finished.counts)
        files: list[Path] = []
        with once.going_on("files", f"write {self.folder / stem}.csv"):
            content = encode_ranking(summary.ranking, ".csv", names, further)
            stem = unused(self.folder, stem, ".csv", content)
            files.append(_written(self.folder / f"{stem}.csv", content))
        tiles: Mapping[int, Image] = {}
        grid: Image | None = None
        with once.going_on("pictures", f"draw {stem}.png"):
            tiles = finished.tiles(_captions(image_ids, told))
            if tiles:
                title = f"{tag}: the {len(tiles)} hardest of {len(image_ids)} {self.things}\n"
                title += f"epoch {trainer.current_epoch}, step {step}, mean hardness {summary.mean:.4g}"
                grid = finished.grid(list(tiles.values()), title)
        if grid is not None:
            with once.going_on("files", f"write {self.folder / stem}.png"):
                files.append(_written(self.folder / f"{stem}.png", encode_png(grid)))
        with once.going_on("further files", f"write what belongs to {self.folder / stem}.csv"):
            files += [_written(self.folder / f"{stem}{end}", content) for end, content in finished.files().items()]
        pictures = [tiles.get(image_id) for image_id in image_ids[: self.top_k]]
        report = Report(tag, step, summary.ranking, rows, grid, pictures, files, self.name)
        for logger in trainer.loggers:
            name = type(logger).__name__
            with once.going_on(name, f"write to {name}"):
                show(logger, report)
        bar = trainer.progress_bar_callback
        if bar is not None and getattr(bar, "is_enabled", True):
            with once.going_on("terminal", "print to the terminal"):
                some = f"{self.things} {finished.some}"
                bar.print(in_words(tag, trainer.current_epoch, summary, some, told, columns))


def _written(path: Path, content: bytes) -> Path:
    with atomic_write(path) as file:
        file.write(content)
    return path


def _columns(
    finished: Finished, image_ids: Sequence[int], names: ImageNames | None, further: Mapping[str, Sequence[Any]]
) -> dict[str, Sequence[Any]]:
    """The columns of a ranking's file."""
    columns: dict[str, Sequence[Any]] = {
        "rank": range(1, len(image_ids) + 1),
        "image_id": image_ids if names is None else names.shown_ids,
        "hardness": finished.summary.ranking.hardness.tolist(),
    }
    if names is not None and names.file_names is not None:
        columns["file_name"] = names.file_names
    return {**columns, **further}


def _told(rows: Mapping[str, Sequence[Any]], kinds: Iterable[str]) -> dict[str, Sequence[Any]]:
    """The rows for those who read them: kinds of errors in words, in one column for all."""
    counts = {kind: rows[kind] for kind in kinds}
    told = {name: values for name, values in rows.items() if name not in counts}
    if counts:
        told["errors"] = [
            counts_in_words(dict(zip(counts, row, strict=True))) for row in zip(*counts.values(), strict=True)
        ]
    return told


def _captions(image_ids: Sequence[int], rows: Mapping[str, Sequence[Any]]) -> dict[int, str]:
    """What to write above the picture of each of the hardest images, by the number that metrics keep."""
    captions = {}
    for place, image_id in enumerate(image_ids[: len(rows["rank"])]):
        caption = f"{rows['rank'][place]}. id {rows['image_id'][place]}, hardness {rows['hardness'][place]:.5g}"
        if "file_name" in rows:
            caption += f"\n{rows['file_name'][place]}"
        if "errors" in rows:
            caption += f"\n{rows['errors'][place] or 'no errors'}"
        if "hard_for" in rows:
            caption += f"\nhard in {rows['hard_for'][place]} of the last validations"
        captions[image_id] = caption
    return captions
