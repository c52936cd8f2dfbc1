import gzip
import json
import re
from pathlib import Path

import pytest

from hardest_metrics.data import json_file
from hardest_metrics.data.json_file import Entries, load_json
from hardest_metrics.functional.detection import checking

CONTENT = '[{"id": 9007199254740993, "name": "caf\\u00e9 é", "ok": true, "x": -1.5e-3}, null, []]\n'


def written(path: Path, content: bytes | str) -> Path:
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def test_plain_and_gzipped_are_told_apart_by_content(tmp_path: Path) -> None:
    expected = json.loads(CONTENT)
    assert load_json(written(tmp_path / "plain.json.gz", CONTENT)) == expected
    assert load_json(written(tmp_path / "packed.json", gzip.compress(CONTENT.encode()))) == expected


def test_a_byte_order_mark_is_understood(tmp_path: Path) -> None:
    assert load_json(written(tmp_path / "a.json", "\ufeff[1]")) == [1]


def test_every_cut_of_a_file_is_said_to_look_truncated(tmp_path: Path) -> None:
    content = CONTENT.strip().encode()
    for length in range(1, len(content)):
        with pytest.raises(ValueError, match=r"cut\.json: JSON looks truncated at .*Copy or export"):
            load_json(written(tmp_path / "cut.json", content[:length]))


def test_every_cut_of_a_gzipped_file_is_refused(tmp_path: Path) -> None:
    content = gzip.compress(CONTENT.encode())
    for length in range(2, len(content)):
        with pytest.raises(ValueError, match=r"cut\.gz: truncated or damaged gzip file"):
            load_json(written(tmp_path / "cut.gz", content[:length]))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "the file is empty"),
        (" \n", "the file is empty"),
        ("results", r"is malformed at line 1, column 1: Expecting value"),
        ('[{"id": 1},\n{"id" 2}]', r"is malformed at line 2, column 7: Expecting ':'"),
        ("[1, 2]]", "is malformed at line 1, column 7: Extra data"),
        (b'["\xff"]', "is malformed at byte 2: not utf-8"),
        ("[" * 100_000, "JSON "),
        ("[" + "1" * 5000 + "]", "JSON cannot be read"),
    ],
)
def test_what_is_no_json_is_refused_with_its_place(tmp_path: Path, content: bytes | str, message: str) -> None:
    with pytest.raises(ValueError, match=rf"bad\.json: .*{message}"):
        load_json(written(tmp_path / "bad.json", content))


def test_a_file_that_unpacks_without_end_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(json_file, "_MOST_UNPACKED", 10_000)
    path = written(tmp_path / "bomb.json", gzip.compress(b"[" + b"0," * 500_000 + b"0]"))
    with pytest.raises(ValueError, match=r"bomb\.json: unpacks to more than 100 times its \d+ bytes"):
        load_json(path)
    content = b"[" + b"0," * 4_000 + b"0]"
    assert len(load_json(written(path, gzip.compress(content)))) == 4_001, "what is small may be packed tightly"


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(_: Path) -> bytes:
        raise OSError(5, "Input/output error")

    path = written(tmp_path / "a.json", "[]")
    monkeypatch.setattr(Path, "read_bytes", fails)
    with pytest.raises(OSError, match=r"Input/output error: '.*a\.json'"):
        load_json(path)


def test_boxes_are_as_large_as_metrics_take_them() -> None:
    entries = Entries("a.json", "results", [{"bbox": [0, 0, 1e100, 1e100]}, {"bbox": [0, 0, 1e101, 1]}], "image_id")
    with pytest.raises(
        ValueError, match=r"results\[1\]: 'bbox' is .* with width and height of at least 0 and at most 1e\+100\."
    ):
        entries.boxes("bbox")
    assert checking.MOST_EXTENT == json_file.MOST_EXTENT


def test_a_missing_file_and_a_folder_are_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"none\.json: no such file"):
        load_json(tmp_path / "none.json")
    with pytest.raises(IsADirectoryError, match=rf"{re.escape(str(tmp_path))}: is a folder"):
        load_json(str(tmp_path))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ('{"images": [], "annotations": [{"id": 1}], "annotations": []}', "an object in which 'annotations' stands tw"),
        ('[{"image_id": 7, "score": 0.1, "score": 0.9}]', "an object with 'image_id' 7 in which 'score' stands twice"),
    ],
)
def test_a_key_that_stands_twice_is_refused_not_read_once(tmp_path: Path, content: str, message: str) -> None:
    with pytest.raises(ValueError, match=rf"twice\.json: JSON has {message}.* Remove all but one"):
        load_json(written(tmp_path / "twice.json", content))


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (b"PK\x03\x04\x00\x00", "a zip archive, such as torch.save writes"),
        (b"\x89PNG\r\n\x1a\n", "a picture"),
        (b"PAR1\x15", "a Parquet file"),
        (b"\x80\x04\x95", "a Python pickle"),
        ("\n<annotation/>", "XML or HTML"),
    ],
)
def test_a_file_that_is_no_json_is_named_as_what_it_is(tmp_path: Path, content: bytes | str, kind: str) -> None:
    with pytest.raises(ValueError, match=rf"other\.json: is {kind}, not JSON"):
        load_json(written(tmp_path / "other.json", content))


def test_a_refusal_says_how_many_entries_are_like_it() -> None:
    entries = Entries("a.json", "results", [{"score": score} for score in (0.5, 60, 70, 80)], "image_id")
    with pytest.raises(ValueError, match=r"results\[1\]: 'score' is 60, .* \(and 2 more of 4 like it\)\."):
        entries.scores("score")
    with pytest.raises(ValueError, match=r"results\[0\]: has no 'bbox' \(and 3 more of 4 like it\)\. Add"):
        entries.boxes("bbox")


def test_entries_that_are_no_list_of_objects_are_refused() -> None:
    with pytest.raises(ValueError, match=r"a\.json: results must be a list, but is an object"):
        Entries("a.json", "results", {}, "image_id")
    for value, kind in [([], "list"), ("x", "string"), (None, "null"), (2, "number"), (True, "boolean")]:
        with pytest.raises(ValueError, match=rf"a\.json: results\[1\] must be an object, but is .*{kind}"):
            Entries("a.json", "results", [{}, value], "image_id")


def test_integers_are_exact_to_64_bits() -> None:
    ids = [2**53 + 1, 2**63 - 1, -(2**63)]
    entries = Entries("a.json", "images", [{"id": value} for value in ids], "id")
    assert entries.integers("id").tolist() == ids


def test_whole_floats_are_integers_as_far_as_floats_are_exact() -> None:
    entries = Entries("a.json", "images", [{"id": value} for value in (3.0, 2**53 + 1, -1.0)], "id")
    assert entries.integers("id").tolist() == [3, 2**53 + 1, -1]


@pytest.mark.parametrize("value", [2.0**53, 1.5, True, "1", None, [1], 2**63, float("nan")])
def test_what_is_no_integer_is_refused(value: object) -> None:
    entries = Entries("a.json", "images", [{"id": 1}, {"id": value}], "id")
    with pytest.raises(ValueError, match=r"images\[1\] \(id .*\): 'id' is .*, but must be an integer"):
        entries.integers("id")


def test_a_missing_key_is_refused() -> None:
    entries = Entries("a.json", "images", [{"id": 1, "file_name": "a"}, {"id": 2}], "id")
    with pytest.raises(ValueError, match=r"images\[1\] \(id 2\): has no 'file_name'\. Add 'file_name'"):
        entries.strings("file_name")


def test_long_values_are_shortened_in_messages() -> None:
    entries = Entries("a.json", "results", [{"bbox": list(range(10_000))}], "image_id")
    with pytest.raises(ValueError, match=r"results\[0\]: 'bbox' is \[0, 1, 2, 3, 4, 5, \.\.\.\]"):
        entries.boxes("bbox")
