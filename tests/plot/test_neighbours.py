"""Hard queries with their nearest neighbours."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from hardest_metrics.plot import MAX_TILES, Retrieved, draw_neighbours
from hardest_metrics.plot.neighbours import level_colors


def grey(height: int = 60, width: int = 80) -> Tensor:
    return torch.full((3, height, width), 128, dtype=torch.uint8)


def framed(picture: Image.Image, color: tuple[int, int, int]) -> int:
    """How many pixels of a picture are of a colour."""
    return int((np.asarray(picture) == color).all(-1).sum())


def test_the_frame_of_a_neighbour_tells_how_many_levels_it_shares() -> None:
    colors = level_colors(3)
    for level in range(4):
        alone = draw_neighbours([Retrieved(grey(), "q", [grey()], [level])], 3, size=100)
        others = [framed(alone, color) for color in colors]
        legend = 22 * 14  # a swatch of each
        assert [count > 2 * legend for count in others] == [other == level for other in range(4)]


@pytest.mark.parametrize("levels", range(1, 8))
def test_frames_are_told_apart_without_colour(levels: int) -> None:
    tiles = [
        np.asarray(draw_neighbours([Retrieved(grey(), "", [grey()], [level])], levels, size=64).convert("L"))
        for level in range(levels + 1)
    ]
    for one in range(len(tiles)):
        for other in range(one):
            assert (np.abs(tiles[one].astype(int) - tiles[other]) > 20).sum() > 10, (
                "the figures differ, if not the grey"
            )


def test_images_of_any_shape_stand_in_equal_tiles() -> None:
    shapes = [(1, 1), (3, 500), (500, 3), (60, 80)]
    sizes = {
        draw_neighbours([Retrieved(grey(*shape), "q", [grey(*other)], [0])], 1, size=50).size
        for shape in shapes
        for other in shapes
    }
    assert len(sizes) == 1


def test_a_row_a_query_and_a_column_a_neighbour() -> None:
    one = Retrieved(grey(), "q", [grey()] * 3, [0, 1, 2])
    width, height = draw_neighbours([one], 2, size=50).size
    wider, same = draw_neighbours([one._replace(neighbours=[grey()] * 4, levels=[0] * 4)], 2, size=50).size
    assert (wider - width, same) == (50 + 12 + 10, height)
    again, higher = draw_neighbours([one, one._replace(neighbours=[], levels=[])], 2, size=50).size
    assert (again, higher - height) == (width, 18 + 50 + 12 + 10)


def test_pictures_may_be_files(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    Image.new("RGB", (80, 60), (1, 2, 3)).save(path)
    drawn = draw_neighbours([Retrieved(str(path), "", [path, grey()], [1, 0])], 1, size=40)
    assert framed(drawn, (1, 2, 3)) > 0.85 * 2 * 40 * 30
    (tmp_path / "b.png").write_text("no picture")
    with pytest.raises(ValueError, match=r"b\.png: not a picture"):
        draw_neighbours([Retrieved(grey(), "", [tmp_path / "b.png"], [0])], 1)


def test_text_stands_where_it_is_put() -> None:
    plain = np.asarray(draw_neighbours([Retrieved(grey(), "", [grey()], [0])], 1, size=100))
    for change in ({"caption": "1. id 7"}, {"captions": ["cat / animal"]}, {"caption": "long " * 100}):
        drawn = np.asarray(draw_neighbours([Retrieved(grey(), "", [grey()], [0])._replace(**change)], 1, size=100))
        assert drawn.shape == plain.shape
        changed = (drawn != plain).any(-1)
        left = "caption" in change
        assert changed[:, :122].any() == left
        assert changed[:, 122:].any() != left
    titled = draw_neighbours([Retrieved(grey(), "", [grey()], [0])], 1, title="hardest\nof 100", size=100)
    assert titled.height == plain.shape[0] + 2 * 24


@pytest.mark.parametrize(
    ("queries", "levels", "message"),
    [
        ([], 1, f"A picture holds 1 to {MAX_TILES} images, but 0"),
        ([Retrieved(grey(), "", [grey()] * 400, [0] * 400)], 1, "but 401 were given"),
        ([Retrieved(grey(), "id 7", [grey()], [])], 1, r"query 0 \(id 7\) has 1 neighbours, but 0 levels"),
        (
            [Retrieved(grey(), "", [grey()], [0], ["a", "b"])],
            1,
            "query 0 has 1 neighbours, but 1 levels and 2 captions",
        ),
        ([Retrieved(grey(), "", [grey()], [3])], 2, "query 0 has a neighbour that shares 3 levels, but there are 2"),
        ([Retrieved(grey(), "", [], [])], 0, "`num_levels` must be at least 1"),
        ([Retrieved(grey()[0], "", [], [])], 1, "`image` must have shape"),
    ],
)
def test_what_cannot_be_drawn_is_refused(queries: Any, levels: int, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        draw_neighbours(queries, levels)
