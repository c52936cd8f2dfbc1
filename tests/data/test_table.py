from pathlib import Path

import pytest

from hardest_metrics.data.table import Table


def write(folder: Path, content: str) -> Path:
    path = folder / "table.csv"
    path.write_bytes(content.encode())
    return path


@pytest.mark.parametrize("line", ["\n", "\r\n"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_blanks_marks_and_empty_lines_do_not_count(tmp_path: Path, line: str, mark: str) -> None:
    table = Table(write(tmp_path, mark + line.join(["name, id", "", '"a, b" , 1', "c,-2", ""])))
    assert table.header == ["name", "id"]
    assert table.texts("name") == ["a, b", "c"]
    assert table.integers("id") == [1, -2]
    assert len(table) == 2


@pytest.mark.parametrize(
    ("content", "column", "message"),
    [
        ("", "id", r"table\.csv: the file is empty"),
        ("name,id\n", "id", r"table\.csv: a header, but no rows"),
        ("name,id\na,1\n\nb\n", "id", r"table\.csv: line 4: 1 values, but the header has 2 columns"),
        ("name,id\na,1\n", "class", r"table\.csv: no column 'class', but 'name', 'id'"),
        ("name,id\na,1\nb,\n", "id", r"table\.csv: line 3: 'id' is empty"),
        ("name,id\na,1\nb,2.0\n", "id", r"table\.csv: line 3: 'id' is '2\.0', but must be an integer"),
    ],
)
def test_what_is_wrong_is_refused_naming_the_line(tmp_path: Path, content: str, column: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Table(write(tmp_path, content)).integers(column)


def test_other_encodings_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    path.write_bytes("name\nMüller\n".encode("latin-1"))
    with pytest.raises(ValueError, match="in UTF-8"):
        Table(path)


def test_numbers_are_finite(tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    path.write_text("a,b\n1.5,nan\n2,1e3\n")
    assert Table(path).numbers("a").tolist() == [1.5, 2.0]
    with pytest.raises(ValueError, match=r"table\.csv: line 2: 'b' is 'nan', but must be a finite number"):
        Table(path).numbers("b")
