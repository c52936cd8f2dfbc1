import base64
from dataclasses import replace

import pytest

from hardest_metrics.comparison import Comparison
from hardest_metrics.report import plots as module
from hardest_metrics.report.plots import plots


def test_estimates_are_judged_in_the_same_plots_as_by_compare(compared: Comparison) -> None:
    drawn = plots(compared)
    assert [plot["detector"] for plot in drawn] == sorted(plot["detector"] for plot in drawn)
    assert {plot["detector"] for plot in drawn} == {"first", "second"}
    assert all(base64.b64decode(plot["src"].partition(",")[2]).startswith(b"\x89PNG") for plot in drawn)


def test_without_estimates_the_distribution_of_each_ranking_is_drawn(few: Comparison) -> None:
    rankings = [few.rankings[0], replace(few.rankings[0], detector="$x^{$ \\frac <b>")]
    first, second = plots(replace(few, rankings=rankings))
    assert (first["definition"], first["estimator"]) == ("total_false/none", "labels")
    assert second["title"] == "$x^{$ \\frac <b>: total_false/none by labels", "a name, no formula"
    assert b"<svg" in base64.b64decode(second["src"].partition(",")[2])


def test_without_matplotlib_there_are_none(few: Comparison, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "find_spec", lambda name: None)
    assert plots(few) == []
