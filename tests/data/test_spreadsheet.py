import pytest

from hardest_metrics.data.spreadsheet import inert


@pytest.mark.parametrize(
    "text", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", " =1", "\uff1d1", "a;=1", "a\n+1", "a,@b"]
)
def test_what_looks_like_a_formula_gets_an_apostrophe(text: str) -> None:
    assert "'" in inert(text)
    assert inert(text).replace("'", "") == text, "and nothing else"
    assert inert(inert(text)) == inert(text)


@pytest.mark.parametrize("value", ["a.jpg", "a=b.jpg", "2024-05-01.png", "a/-b.png", "", "'=1", -1.5, 7, None])
def test_all_else_stays_as_it_is(value: object) -> None:
    assert inert(value) == value
