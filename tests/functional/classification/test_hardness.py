"""Hardness of classified images equals what the field's programs and plain formulas give."""

import importlib.util
import json
import math
import random
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from hardest_metrics import functional
from hardest_metrics.functional import classification
from hardest_metrics.functional.classification import measures

BY_LABELS = ("cross_entropy", "margin", "logit_margin", "confidence", "el2n", "label_rank", "topk_miss")
WITHOUT = ("entropy", "least_confidence", "two_best_gap")


def inputs_of_goldens(shared_data: Path) -> Any:
    spec = importlib.util.spec_from_file_location("inputs", shared_data / "goldens" / "evaluators_inputs.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def golden_images(shared_data: Path) -> tuple[Tensor, Tensor, dict[str, Any]]:
    golden = json.loads((shared_data / "goldens" / "evaluators.json").read_text())
    given, made = golden["imagenet"]["inputs"], inputs_of_goldens(shared_data)
    seed, n, k = given["seed"], given["n"], given["classes"]
    one, two = made.logits(seed, n, k), made.logits(seed + 2, n, k)
    rows = made.mixed(one, two, 0.6)
    assert made.digest(rows) == given["logits_digest"]
    for mixed in (0.5, 1.0):
        labels = made.labels(seed + 1, made.mixed(one, two, mixed), 0.75)
        if made.digest(labels) == given["labels_digest"]:
            break
    else:
        pytest.fail("the labels are not those of the golden values")
    return torch.tensor(rows), torch.tensor(labels), golden


def test_values_are_those_of_the_golden_file(shared_data: Path) -> None:
    logits, labels, golden = golden_images(shared_data)
    assert logits.dtype == torch.float32
    expected = {name.split(" ")[0]: values for name, values in golden["hardness"].items()}
    expected["margin"] = expected["normalized_margin"]
    expected["label_rank"] = expected["rank_of_label"]
    for name in ("cross_entropy", "confidence", "margin", "logit_margin", "el2n", "label_rank"):
        found = getattr(classification, name)(logits, labels)
        torch.testing.assert_close(found.double(), torch.tensor(expected[name]).double(), rtol=0, atol=2e-5)
    for name in WITHOUT:
        found = getattr(classification, name)(logits)
        torch.testing.assert_close(found, torch.tensor(expected[name]).double(), rtol=0, atol=2e-5)
    for k in (1, 5):
        missed = classification.topk_miss(logits, labels, k)
        assert missed.tolist() == expected[f"top_{k}_miss"]
        assert 1 - float(missed.mean()) == pytest.approx(golden["imagenet"]["results"][f"Top {k} Accuracy"])


def plain(name: str, row: list[float], label: int) -> float:
    """One image in plain Python."""
    exponentials = [math.exp(z - max(row)) for z in row]
    p = [e / sum(exponentials) for e in exponentials]
    others = [j for j in range(len(row)) if j != label]
    first, second = sorted(p)[-1], sorted(p)[-2]
    return {
        "cross_entropy": -math.log(p[label]),
        "margin": (1 + max(p[j] for j in others) - p[label]) / 2,
        "logit_margin": max(row[j] for j in others) - row[label],
        "confidence": 1 - p[label],
        "el2n": math.sqrt(sum((p[j] - (j == label)) ** 2 for j in range(len(row)))),
        "label_rank": sum(z > row[label] for z in row),
        "topk_miss": float(max(row) > row[label]),
        "entropy": -sum(q * math.log(q) for q in p if q),
        "least_confidence": 1 - max(p),
        "two_best_gap": 1 - (first - second),
    }[name]


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_values_are_those_of_the_plain_formulas(dtype: torch.dtype, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(measures, "_PIECE", 40)  # many pieces
    rng = random.Random(0)
    for classes in (2, 3, 11, 50):
        rows = [[rng.choice([1, 1, 10]) * rng.gauss(0, 2) for _ in range(classes)] for _ in range(23)]
        rows[0] = [0.5] * classes  # all alike
        logits = torch.tensor(rows, dtype=dtype)
        labels = torch.tensor([rng.randrange(classes) for _ in rows])
        for name in (*BY_LABELS, *WITHOUT):
            given = (logits, labels) if name in BY_LABELS else (logits,)
            found = getattr(functional, name)(*given).double()
            expected = [plain(name, row, label) for row, label in zip(logits.tolist(), labels.tolist(), strict=True)]
            torch.testing.assert_close(found, torch.tensor(expected, dtype=torch.float64), rtol=1e-9, atol=1e-9)


def test_several_labels_an_image_are_judged_each_for_itself() -> None:
    logits, target = torch.randn(9, 4), torch.randint(0, 2, (9, 4))
    p = logits.double().sigmoid()
    loss = torch.where(target.bool(), -p.log(), -(1 - p).log()).mean(1)
    torch.testing.assert_close(functional.cross_entropy(logits, target), loss)
    torch.testing.assert_close(functional.cross_entropy(logits, target.bool()), loss)
    assert functional.wrong_labels(logits, target).tolist() == ((p > 0.5) != target.bool()).sum(1).tolist()


def test_a_temperature_divides_logits() -> None:
    logits, labels = torch.randn(9, 4).double(), torch.randint(0, 4, (9,))
    for name in ("cross_entropy", "margin", "confidence", "el2n"):
        function = getattr(functional, name)
        torch.testing.assert_close(function(logits, labels, temperature=2.5), function(logits / 2.5, labels))
    for name in WITHOUT:
        function = getattr(functional, name)
        torch.testing.assert_close(function(logits, temperature=2.5), function(logits / 2.5))


def test_logits_far_apart_give_finite_hardness() -> None:
    logits = torch.tensor([[3e38, -3e38], [1e4, -1e4], [-1e30, 0.0]])
    for name in (*BY_LABELS, *WITHOUT):
        for label in (0, 1):
            given = (logits, torch.full((3,), label)) if name in BY_LABELS else (logits,)
            assert getattr(functional, name)(*given).isfinite().all(), name


def test_no_images_have_no_hardness() -> None:
    for name in (*BY_LABELS, *WITHOUT):
        given = (torch.empty(0, 5), torch.empty(0).long())[: 2 if name in BY_LABELS else 1]
        assert getattr(functional, name)(*given).shape == (0,)


FINE = torch.randn(3, 4)


@pytest.mark.parametrize(
    ("preds", "target", "error", "message"),
    [
        (FINE.clone().fill_diagonal_(math.nan), [0, 1, 2], ValueError, "`preds` of image 0 of the batch holds nan"),
        (FINE.clone().index_fill_(0, torch.tensor([1]), -math.inf), [0, 1, 2], ValueError, "image 1 .* holds -inf"),
        (FINE, [0, 4, 2], ValueError, "`target` of image 1 of the batch is 4, but must be in 0 to 3"),
        (FINE, [0, 1, -1], ValueError, "`target` of image 2 of the batch is -1"),
        (FINE[:, :1], [0, 0, 0], ValueError, "K >= 2"),
        (FINE, [0.0, 1.0, 2.0], TypeError, "`target` must be integer labels, but is torch.float32"),
        (FINE, [True, False, True], TypeError, "but is torch.bool"),
        (FINE, [0, 1], ValueError, r"`target` must have shape \(3,\)"),
        (FINE.long(), [0, 1, 2], TypeError, "`preds` must be a floating-point tensor"),
        (FINE[0], [0, 1, 2], ValueError, r"`preds` must have shape \(N, K\)"),
        (FINE, [[0, 1, 2, 0]] * 3, ValueError, "is 2, but must be 0 or 1 in every class"),
    ],
)
def test_what_makes_no_sense_is_refused_by_name(preds: Any, target: Any, error: Any, message: str) -> None:
    with pytest.raises(error, match=message):
        functional.cross_entropy(preds, torch.tensor(target))


def test_a_measure_that_is_not_of_such_labels_is_refused() -> None:
    with pytest.raises(ValueError, match=r"margin goes by \(N,\)"):
        functional.margin(FINE, torch.zeros(3, 4).long())
    with pytest.raises(ValueError, match=r"wrong_labels goes by \(N, K\)"):
        functional.wrong_labels(FINE, torch.zeros(3).long())
    with pytest.raises(ValueError, match="`k` is a number of classes"):
        functional.topk_miss(FINE, torch.zeros(3).long(), k=0)
    with pytest.raises(ValueError, match="`temperature` must be above 0"):
        functional.entropy(FINE, temperature=0.0)
    with pytest.raises(TypeError, match="but is a list"):
        functional.cross_entropy(FINE, [0, 1, 2])  # type: ignore[arg-type]
