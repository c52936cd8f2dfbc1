import pytest

from hardest_metrics.comparison.engine import ALL_DEFINITIONS
from hardest_metrics.comparison.estimates import ESTIMATES
from hardest_metrics.functional.agreement import MEASURES
from hardest_metrics.report.words import readable
from tests.report.conftest import HOSTILE


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("false_positives/none", "False positives, unweighted"),
        ("total_false/pixel", "All errors, weighted by area"),
        ("score_sampling+platt", "Score sampling, Platt-calibrated"),
        ("binary_entropy+all", "Binary entropy, of all scores"),
        ("ndcg", "nDCG"),
        ("ndcg@10", "nDCG@10"),
        ("auroc@1%", "AUROC@1 %"),
        ("average_precision@1%", "Average precision@1 %"),
        (HOSTILE, HOSTILE),
        ("", ""),
    ],
)
def test_names_read_as_people_write_them(name: str, words: str) -> None:
    assert readable(name) == words


def test_no_two_names_read_alike() -> None:
    for names in (ALL_DEFINITIONS, ESTIMATES, MEASURES):
        words = [readable(name) for name in names]
        assert len(set(words)) == len(words)
        assert not any("_" in word or "/" in word or "+" in word for word in words)
