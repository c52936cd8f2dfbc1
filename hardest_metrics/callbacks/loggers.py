"""Pictures, rankings and distributions to the loggers of a run; scalars go there by themselves."""

import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from PIL import Image

from hardest_metrics.ranking import Ranking


class Report(NamedTuple):
    """What there is to show of one metric after a validation.

    Attributes:
        tag: what it is called, such as ``"val/TotalFalse"``.
        step: of the scalars logged beside it.
        ranking: of all images.
        rows: of the hardest images, by column, as in the file of the ranking.
        grid: the picture of the hardest images; None for none.
        pictures: of the hardest images, a picture a row; None where there is none.
        files: what was written to disk.
        folder: what that of artifacts is called.
    """

    tag: str
    step: int
    ranking: Ranking
    rows: Mapping[str, Sequence[Any]]
    grid: Image.Image | None
    pictures: Sequence[Image.Image | None]
    files: Sequence[Path]
    folder: str


def show(logger: Any, report: Report) -> None:
    """Show a report in a logger, as far as the logger can.

    TensorBoard gets the grid and a histogram, Weights & Biases a table with a picture an image, MLflow the files
    as artifacts. The loggers of `lightning.pytorch` and `pytorch_lightning` are told by name, being alike.
    """
    for class_ in type(logger).__mro__:
        if class_.__name__ in _SHOW:
            _SHOW[class_.__name__](logger, report)
            return


def _tensorboard(logger: Any, report: Report) -> None:
    writer = logger.experiment
    if len(report.ranking.hardness):
        writer.add_histogram(f"{report.tag}/hardness", report.ranking.hardness, report.step)
    if report.grid is not None:
        try:
            from tensorboard.compat.proto.summary_pb2 import Summary
        except ModuleNotFoundError:  # Lightning's logger then writes through tensorboardX
            from tensorboardX.proto.summary_pb2 import Summary

        # Not as `add_image` has it, PNG: the writer checks its bytes in Python, which takes a second for some MB,
        # and the pictures of all epochs stay in one file
        encoded = io.BytesIO()
        report.grid.save(encoded, format="JPEG", quality=80, subsampling=0)
        width, height = report.grid.size
        image = Summary.Image(height=height, width=width, colorspace=3, encoded_image_string=encoded.getvalue())
        value = Summary.Value(tag=f"{report.tag}/hardest", image=image)
        writer._get_file_writer().add_summary(Summary(value=[value]), report.step)
    writer.flush()


def _wandb(logger: Any, report: Report) -> None:
    import wandb

    pictures = [None if picture is None else wandb.Image(picture) for picture in report.pictures]
    columns = {**report.rows, "image": pictures}
    table = wandb.Table(columns=list(columns), data=[list(row) for row in zip(*columns.values(), strict=True)])
    logger.experiment.log({f"{report.tag}/hardest": table, "trainer/global_step": report.step})


def _mlflow(logger: Any, report: Report) -> None:
    for file in report.files:
        logger.experiment.log_artifact(logger.run_id, str(file), artifact_path=f"{report.folder}/{report.tag}")


_SHOW = {"TensorBoardLogger": _tensorboard, "WandbLogger": _wandb, "MLFlowLogger": _mlflow}
