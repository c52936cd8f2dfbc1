"""Hardness against epoch, from what Lightning's CSV logger wrote."""

from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import pandas as pd
import pytest
from lightning.pytorch.loggers import CSVLogger

from hardest_metrics import HardestImages, TotalFalse
from hardest_metrics.plot import plot_history
from tests.callbacks.runs import Module, scenes, trainer
from tests.plot.pictures import in_grey, looks, texts


def log(epochs: int = 3, tag: str = "val/TotalFalse/{}") -> pd.DataFrame:
    rows: list[dict[str, Any]] = []
    for epoch in range(epochs):
        rows.append({"epoch": epoch, "step": epoch, "train_loss": 1.0})
        rows.append(
            {"epoch": epoch, tag.format("mean"): 4.0 - epoch, tag.format("p95"): 9.0 - epoch}
            | {tag.format("share_in_error"): 0.5 - epoch / 10}
        )
    return pd.DataFrame(rows)


def lines(ax: Any) -> dict[str, tuple[list[float], list[float]]]:
    every = [line for one in ax.figure.axes for line in one.lines]
    return {line.get_label(): (list(line.get_xdata()), list(line.get_ydata())) for line in every}


def test_mean_and_percentile_are_drawn_on_one_axis_and_the_share_on_another() -> None:
    figure, ax = plot_history(log(), "val/TotalFalse")
    assert lines(ax) == {
        "mean": ([0, 1, 2], [4, 3, 2]),
        "95th percentile": ([0, 1, 2], [9, 8, 7]),
        "images in error (right)": ([0, 1, 2], [50, 40, 30]),
    }
    left, right = figure.axes
    assert "Hardness of an image (TotalFalse)" in texts(left)
    assert "Epoch" in texts(left)
    assert right.get_ylabel() == "Images in error (%)"
    assert len({str(look) for look in [*looks(left), *looks(right)]}) == 3
    in_grey(figure)


def test_of_several_validations_in_an_epoch_the_last_counts() -> None:
    again = log(2)
    again["val/TotalFalse/mean"] += 1
    twice = pd.concat([log(2), again])
    _, ax = plot_history(twice, "val/TotalFalse")
    assert lines(ax)["mean"] == ([0, 1], [5, 4])


def test_a_loader_of_several_is_named_as_the_callback_names_it() -> None:
    table = log(tag="val/TotalFalse/{}").merge(log(tag="val/TotalFalse/{}/1") * 2, left_index=True, right_index=True)
    table["epoch"] = table.pop("epoch_x")
    _, ax = plot_history(table, "val/TotalFalse/1")
    assert lines(ax)["mean"][1] == [8, 6, 4]
    assert "Hardness of an image (TotalFalse)" in texts(ax)


def test_what_the_log_lacks_is_named() -> None:
    message = r"`log` has no column 'val/Other/mean': `tag` must be one of \['val/TotalFalse'\], but is 'val/Other'"
    with pytest.raises(ValueError, match=message):
        plot_history(log(), "val/Other")
    with pytest.raises(ValueError, match="`log` has no column 'epoch'"):
        plot_history(log().drop(columns="epoch"), "val/TotalFalse")
    with pytest.raises(FileNotFoundError):
        plot_history("absent.csv", "val/TotalFalse")
    assert not plt.get_fignums()


@pytest.mark.filterwarnings("default")  # Lightning's own
def test_what_a_training_run_logged_is_drawn(tmp_path: Path) -> None:
    run = trainer(tmp_path, HardestImages(TotalFalse()), max_epochs=3, logger=CSVLogger(tmp_path))
    run.fit(Module(), scenes(), scenes())
    _, ax = plot_history(Path(str(run.log_dir)) / "metrics.csv", "val/TotalFalse")
    epochs, mean = lines(ax)["mean"]
    assert epochs == [0, 1, 2]
    assert mean[-1] == pytest.approx(run.callback_metrics["val/TotalFalse/mean"].item(), rel=1e-5)
