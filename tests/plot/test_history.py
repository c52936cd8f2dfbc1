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


@pytest.mark.filterwarnings("default")  # Lightning's own
def test_each_loader_is_drawn_by_the_name_that_the_callback_gives_it(tmp_path: Path) -> None:
    callback = HardestImages({"TotalFalse": TotalFalse(), "loader_7": TotalFalse("pixel")})
    run = trainer(tmp_path, callback, max_epochs=2, logger=CSVLogger(tmp_path))
    run.fit(Module(), scenes(), [scenes(), scenes(8, first_id=40)])
    file = Path(str(run.log_dir)) / "metrics.csv"
    tags = ["val/TotalFalse", "val/TotalFalse/loader_1", "val/loader_7", "val/loader_7/loader_1"]
    assert sorted(callback.state_dict()) == tags, "files and histories are named so too"
    columns = [
        "val/TotalFalse/mean", "val/TotalFalse/mean/loader_1", "val/loader_7/mean", "val/loader_7/mean/loader_1",
    ]  # fmt: skip
    drawn = []
    for tag, column in zip(tags, columns, strict=True):
        _, ax = plot_history(file, tag)
        drawn.append(lines(ax)["mean"][1])
        assert drawn[-1][-1] == pytest.approx(run.callback_metrics[column].item(), rel=1e-5)
        assert f"Hardness of an image ({tag.split('/')[1]})" in texts(ax)
    assert len(set(map(tuple, drawn))) == 4
    with pytest.raises(ValueError, match="`tag` must be one of") as refused:
        plot_history(file, "val/TotalFalse/1")
    assert all(repr(tag) in str(refused.value) for tag in tags)


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
