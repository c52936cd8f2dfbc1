"""What a user may write, for the type checkers: they know a ranking from a scalar by `reduction`."""

import torch
from torch import Tensor

from hardest_metrics import (
    ExpectedHardness,
    FalseNegatives,
    FalsePositives,
    Ranking,
    ScoreSampling,
    TotalFalse,
    Uncertainty,
)

box = {"boxes": torch.tensor([[0.0, 0, 10, 10]]), "labels": torch.tensor([1])}

metric = TotalFalse(weighting="pixel")
metric.update([{**box, "scores": torch.tensor([0.9])}], [{**box, "image_size": (20, 20), "image_id": 3}])
ranking = metric.compute()
hardest: Tensor = ranking.top(1).image_ids
whole: Ranking = metric.summary().ranking

mean = FalseNegatives(reduction="mean")
mean.update([{**box, "scores": torch.tensor([0.9])}], [box])
value: float = mean.compute().item()
maximum = FalsePositives(lambda errors, _: errors.box_area, reduction="max")
maximum.update([{**box, "scores": torch.tensor([0.9])}], [box])
largest: Tensor = maximum.compute()

estimate = ExpectedHardness(TotalFalse("overlap"))
estimate.update([{**box, "scores": torch.tensor([0.9]), "image_id": 3}])
estimated: Ranking = estimate.compute()

sampled = ScoreSampling(mean, reduction="sum")
sampled.update([{**box, "scores": torch.tensor([0.9])}])
total: Tensor = sampled.compute()

uncertainty = Uncertainty("max_uncertainty")
uncertainty.update([{**box, "scores": torch.tensor([0.9])}])
unsure: Ranking = uncertainty.compute()
