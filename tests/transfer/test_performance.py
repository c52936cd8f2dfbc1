"""Tables of what candidates reached."""

from pathlib import Path

import pytest

from hardest_metrics.transfer.performance import Performance, read_performance

CANDIDATES = {"a": "runs/a.pth", "b": "runs/b.pth"}


def read(tmp_path: Path, text: str) -> Performance:
    path = tmp_path / "map.csv"
    path.write_text(text)
    return read_performance(path, CANDIDATES)


def test_candidates_go_by_name_file_or_path(tmp_path: Path) -> None:
    for first, second in (("a", "b.pth"), ("runs/a.pth", "b")):
        found = read(tmp_path, f"weights,map,note,source map\n{second},0.25,x,0.5\n{first},0.5,7,0.75\n")
        assert found.reached == {"a": 0.5, "b": 0.25}
        assert found.baselines == {"source map": {"a": 0.75, "b": 0.5}}


def test_lines_of_other_weights_are_told(tmp_path: Path) -> None:
    found = read(tmp_path, "weights,map\na,0.5\nb,0.25\nc,0.75\n")
    assert found.reached == {"a": 0.5, "b": 0.25}
    assert found.notes == [f"{tmp_path / 'map.csv'}: 1 line is of other weights"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("weights,map\na,0.5\n", "map.csv: has no line for 'b'"),
        ("weights,map\na,0.5\nb,0.3\na,0.4\n", "map.csv: line 4: candidate 'a' has a line already"),
        ("weights,map\na,0.5\nb,high\n", "map.csv: line 3: 'map' is 'high', but must be a finite number"),
        ("weights,map\na,0.5\nb,nan\n", "line 3: 'map' is 'nan'"),
        ("weights,ap\na,0.5\nb,0.2\n", "no column 'map'"),
        ("name,map\na,0.5\nb,0.2\n", "no column 'weights'"),
        ("weights,map,size\na,0.5,3\nb,0.2,\n", "line 3: 'size' is empty"),
        ("", "the file is empty"),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        read(tmp_path, text)


def test_a_name_that_two_may_have_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "map.csv"
    path.write_text("weights,map\nweights.pt,0.5\n")
    with pytest.raises(ValueError, match="which may be 'weights' or 'weights-2'"):
        read_performance(path, {"weights": "a/weights.pt", "weights-2": "b/weights.pt"})
