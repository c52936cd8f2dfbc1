"""What labelling budgets find, and which gains are noise."""

import math

import pytest
import torch

from hardest_metrics.comparison import compare
from hardest_metrics.comparison.budgets import found_with, in_words, spearman_parts
from hardest_metrics.data import Annotations
from hardest_metrics.functional.agreement import spearman
from tests.scenes import Scenery


def test_random_finds_its_share_and_the_truth_finds_most() -> None:
    rng = torch.Generator().manual_seed(0)
    true = torch.rand(50, generator=rng).double() ** 3
    for share in (0.1, 0.2, 0.3):
        number = int(50 * share + 1e-9)
        assert found_with(torch.zeros(50), true, share) == pytest.approx(share)
        assert found_with(true, true, share) == pytest.approx(float(true.topk(number).values.sum() / true.sum()))
    assert math.isnan(found_with(torch.rand(5), torch.zeros(5), 0.1))


@pytest.mark.parametrize("noise", [0.2, 1.0])
def test_standard_errors_are_those_of_the_bootstrap(noise: float) -> None:
    rng = torch.Generator().manual_seed(1)
    true = torch.poisson(torch.full((120,), 2.0), rng).double()
    one, other = (true + scale * torch.randn(120, generator=rng).double() for scale in (noise, 2 * noise))
    parts = spearman_parts(one, true) - spearman_parts(other, true)
    stated = float(parts.std(correction=0)) / math.sqrt(120)
    drawn = []
    for _ in range(300):
        images = torch.randint(120, (120,), generator=rng)
        drawn.append(float(spearman(one[images], true[images]) - spearman(other[images], true[images])))
    assert stated == pytest.approx(float(torch.tensor(drawn).std()), rel=0.2)
    assert float(spearman_parts(one, true).mean()) == pytest.approx(0, abs=1e-9)


def test_a_comparison_in_words() -> None:
    preds, target = Scenery(box_format="xywh").draw(40, 0)
    others = Scenery(box_format="xywh").draw(40, 1)[0]
    for number, image in enumerate(target):
        image["image_id"] = number
    names, sizes = [f"{n}.jpg" for n in range(40)], [image["image_size"] for image in target]
    annotations = Annotations(list(range(40)), names, sizes, {1: "a", 2: "b", 3: "c"}, target)
    names_of = ["expected_hardness", "committee", "binary_entropy", "witness", "witness+fitted"]
    compared = compare(annotations, {"mine": preds, "other": others}, None, ["total_false/none"], names_of)
    found, gained = in_words(compared, "mine")
    assert "at random 10, 20, 30 %" in found
    assert "± " in gained
    assert gained.count(" on ") >= 3
