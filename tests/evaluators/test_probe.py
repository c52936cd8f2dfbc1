import random

import numpy as np
import pytest
import torch
from torch import nn

from hardest_metrics.evaluators.probe import agree, fingerprint_of, probe_keys


def test_the_probe_follows_from_keys_alone() -> None:
    keys = [f"image-{number}" for number in range(1000)]
    probe = probe_keys(keys)
    assert len(set(probe)) == 64
    random.Random(0).shuffle(keys)
    assert probe_keys(keys) == probe
    assert set(probe_keys([*keys, "more"])) >= set(probe) - {probe[-1]}
    assert set(probe_keys([3, 1, 2])) == {1, 2, 3}


def test_rows_agree_in_any_order_within_a_thousandth() -> None:
    rng = np.random.default_rng(0)
    rows = rng.standard_normal((40, 6))
    assert agree(rows, rows[rng.permutation(40)] + rng.uniform(-9e-4, 9e-4, (40, 6)))
    moved = rows.copy()
    moved[7, 3] += 2e-3
    assert not agree(rows, moved)
    assert not agree(rows, rows[:-1])
    assert not agree(rows[:-1], rows)
    assert not agree(rows, rows[:, :5])
    assert not agree(rows, None)
    # one row for two is not enough
    assert not agree(np.array([[1.0], [1.0]]), np.array([[1.0], [2.0]]))
    assert agree(np.zeros((0, 0)), np.zeros((0, 6)))


def test_fingerprints_are_of_names_types_shapes_and_values() -> None:
    model = nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3))
    known = fingerprint_of(model)
    assert known == fingerprint_of(nn.DataParallel(model)) == fingerprint_of(model.requires_grad_(False))
    other = nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3))
    other.load_state_dict(model.state_dict())
    assert fingerprint_of(other) == known
    other.get_buffer("1.running_mean").add_(1e-7)
    assert fingerprint_of(other) != known
    assert fingerprint_of(model.to(torch.bfloat16)) != known
    assert fingerprint_of(None) is None
    with pytest.raises(TypeError, match="must be a module or bytes, but is a str"):
        fingerprint_of("weights.pt")  # type: ignore[arg-type]
