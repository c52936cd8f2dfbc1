"""One pass gives what the functions give of all features at once."""

import io
from typing import Any

import pytest
import torch
from torch import Tensor

from hardest_metrics.functional import transferability
from hardest_metrics.transfer import SCORES, Scoring
from hardest_metrics.transfer.target_set import shuffled_objects
from hardest_metrics.transferability import ObjectFeatures
from tests.transfer.small import LAYERS, Small

SIZE = (32, 48)


def objects(n_images: int, seed: int = 0) -> tuple[list[Tensor], list[dict[str, Tensor]]]:
    random = torch.Generator().manual_seed(seed)
    images, targets = [], []
    for number in range(n_images):
        images.append(torch.rand(3, *SIZE, generator=random))
        low = torch.rand(number % 4, 2, generator=random, dtype=torch.float64) * 16
        sides = torch.rand(number % 4, 2, generator=random, dtype=torch.float64) * 12 + 3
        labels = torch.randint(3, (number % 4,), generator=random)
        targets.append({"boxes": torch.cat((low, low + sides), dim=1), "labels": labels})
    return images, targets


def expected(features: Tensor, target: Tensor, boxes: Tensor) -> dict[str, float]:
    of = transferability
    scores = {
        "logme": of.logme(features, target),
        "box_logme": of.box_logme(features, boxes),
        "total_logme": of.total_logme(features, target, boxes),
        "h_score": of.h_score(features, target),
        "regularized_h_score": of.regularized_h_score(features, target),
        "transrate": of.transrate(features, target),
        "gaussian_overlap": of.gaussian_overlap(features, target),
        "regression_score": of.regression_score(features, boxes),
    }
    return {name: float(value) for name, value in scores.items()}


@pytest.mark.parametrize("batch_size", [1, 7, 40])
def test_batches_give_what_all_features_give(batch_size: int) -> None:
    model = Small().eval()
    images, targets = objects(40)
    reference = shuffled_objects(targets, [SIZE] * len(images))
    scoring = Scoring(model, {"local": LAYERS, "global": ["second"]}, reference)
    for start in range(0, len(images), batch_size):
        batch = slice(start, start + batch_size)
        scoring.update(images[batch], targets[batch])
    found = scoring.compute()
    assert [tuple(one.place) for one in found] == [("local", "first"), ("local", "second"), ("global", "second")]
    for one in found:
        extracted = ObjectFeatures(model, [one.place.layer], one.place.pooling)(images, targets)
        features = extracted.features[one.place.layer]
        assert one.width == features.shape[1]
        assert set(one.values) == set(SCORES)
        of_all = expected(features, extracted.target, extracted.boxes)
        assert one.values == pytest.approx(of_all, rel=1e-5)
        assert one.shuffled == pytest.approx(expected(features, *reference), rel=1e-5)


def test_what_is_known_can_be_written_down_and_taken_up() -> None:
    model = Small().eval()
    images, targets = objects(20)
    reference = shuffled_objects(targets, [SIZE] * len(images))

    def scoring() -> Scoring:
        return Scoring(model, {"local": LAYERS}, reference)

    whole, first, second = scoring(), scoring(), scoring()
    whole.update(images[:9], targets[:9])
    first.update(images[:9], targets[:9])
    file = io.BytesIO()
    torch.save(first.state(), file)
    file.seek(0)
    second.load_state(torch.load(file, weights_only=True))
    for one in (whole, second):
        one.update(images[9:], targets[9:])
    assert second.compute() == whole.compute()
    assert second.number == whole.number == sum(len(target["labels"]) for target in targets)


def test_images_without_objects_change_nothing() -> None:
    scoring = Scoring(Small().eval(), {"local": LAYERS})
    images, targets = objects(8)
    scoring.update(images, targets)
    before = scoring.compute()
    scoring.update(images[:1], targets[:1])
    assert scoring.compute() == before
    assert all(one.shuffled == {} for one in before)


def test_a_batch_that_fails_in_one_layer_counts_in_none() -> None:
    class Failing(Small):
        fails = False

        def forward(self, images: Tensor) -> Any:
            return self.first(images) if self.fails else super().forward(images)

    model = Failing().eval()
    scoring = Scoring(model, {"local": LAYERS})
    images, targets = objects(8)
    scoring.update(images, targets)
    before = scoring.compute()
    model.fails = True
    with pytest.raises(ValueError, match="'second' was not run"):
        scoring.update(images, targets)
    assert (scoring.compute(), scoring.number) == (before, 12)


def test_shuffled_objects_are_the_same_objects() -> None:
    _, targets = objects(30)
    labels, boxes = shuffled_objects(targets, [SIZE] * 30)
    height, width = SIZE
    own = torch.cat([target["boxes"] for target in targets]) / torch.tensor([width, height] * 2)
    rows = torch.cat((torch.cat([target["labels"] for target in targets])[:, None].double(), own), dim=1)
    shuffled = torch.cat((labels[:, None].double(), boxes), dim=1)
    assert sorted(shuffled.tolist()) == sorted(rows.tolist())
    assert not shuffled.equal(rows)
