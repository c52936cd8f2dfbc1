"""Pictures of how well scores choose."""

import io
import math

import pandas as pd
from PIL import Image

from hardest_metrics.transfer import judged
from hardest_metrics.transfer.figures import selection_plots

COLUMNS = ["candidate", "pooling", "layer", "score", "value"]


def table(value_of: dict[str, float], layers: tuple[str, ...]) -> pd.DataFrame:
    rows = [
        (name, "local", layer, score, value)
        for layer in layers
        for score in ("logme", "h_score")
        for name, value in value_of.items()
    ]
    return pd.DataFrame(rows, columns=COLUMNS)


def test_every_layer_has_a_picture() -> None:
    reached = {"$a$": 0.25, "b": 0.5, "c": 0.3}
    scores = table({"$a$": -1.0, "b": 2.0, "c": 0.5}, ("neck/fine", "backbone.0"))
    files = selection_plots(scores, judged(scores, reached, {"images": reached}), reached, "target")
    assert list(files) == ["plots/pearson.png", "plots/neck_fine_local.png", "plots/backbone.0_local.png"]
    for content in files.values():
        with Image.open(io.BytesIO(content)) as picture:
            assert picture.format == "PNG"


def test_what_is_undefined_is_left_out() -> None:
    reached = {"a": 0.25, "b": 0.5}
    scores = table({"a": math.nan, "b": 2.0}, ("neck",))
    files = selection_plots(scores, judged(scores, reached, {}), reached, "target")
    assert list(files) == ["plots/neck_local.png"]
