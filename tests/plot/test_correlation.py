"""The matrix of correlations."""

import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch
from scipy.stats import spearmanr

from hardest_metrics import Ranking
from hardest_metrics.plot import plot_correlation
from tests.plot.pictures import in_grey, texts


def rankings(number: int, images: int = 20) -> dict[str, Ranking]:
    hardness = torch.randint(0, 5, (number, images), generator=torch.Generator().manual_seed(number)).float()
    return {f"definition {index}": Ranking.of(torch.arange(images), row) for index, row in enumerate(hardness)}


@pytest.mark.parametrize("number", [1, 2, 9])
def test_every_pair_has_a_cell_that_says_its_number(number: int) -> None:
    given = rankings(number)
    figure, ax = plot_correlation(given)
    by_id = [ranking.hardness[ranking.image_ids.argsort()].numpy() for ranking in given.values()]
    expected = [f"{1.0 if a is b else spearmanr(a, b).statistic:.2f}" for a in by_id for b in by_id]
    assert [text.get_text() for text in ax.texts] == expected
    assert [label.get_text() for label in ax.get_xticklabels()] == list(given)
    assert [label.get_text() for label in ax.get_yticklabels()] == list(given)
    assert figure.axes[1].get_ylabel() == "Spearman's rank correlation (no unit)"
    in_grey(figure)


def test_a_cell_is_the_brighter_the_more_its_rankings_agree() -> None:
    first = Ranking.of(torch.arange(9), torch.arange(9.0))
    other = Ranking.of(torch.arange(9), torch.tensor([0.0, 5, 1, 6, 2, 7, 3, 8, 4]))
    last = Ranking.of(torch.arange(9), -torch.arange(9.0))
    _, ax = plot_correlation({"first": first, "other": other, "last": last})
    (image,) = ax.images
    values = np.array([float(text.get_text()) for text in ax.texts])
    assert set(values) == {-1.0, 0.5, -0.5, 1.0}
    brightness = np.asarray(image.to_rgba(values))[:, :3] @ np.array([0.299, 0.587, 0.114])
    by_value = [brightness[values == value].mean() for value in (-1.0, -0.5, 0.5, 1.0)]
    assert (np.diff(by_value) > 0.1).all()
    # and every number is told from its cell
    is_white = np.array([text.get_color() == "white" for text in ax.texts])
    assert (abs(brightness - is_white) > 0.3).all()


def test_a_constant_has_no_correlation() -> None:
    figure, ax = plot_correlation(rankings(1) | {"constant": Ranking.of(torch.arange(20), torch.ones(20))})
    assert [text.get_text() for text in ax.texts] == ["1.00", "–", "–", "–"]
    assert "–" in texts(ax)
    in_grey(figure)


def test_no_rankings_and_those_of_other_images_are_refused() -> None:
    with pytest.raises(ValueError, match="`rankings` is empty"):
        plot_correlation({})
    with pytest.raises(ValueError, match="lacks image 20"):
        plot_correlation(rankings(1) | {"more": next(iter(rankings(1, 21).values()))})
    assert not plt.get_fignums()
