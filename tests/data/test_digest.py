import hashlib
from pathlib import Path

import pytest

from hardest_metrics.data import read_annotations
from hardest_metrics.data.digest import content_digest, noted_digests, read_bytes


def test_a_file_has_the_digest_that_sha256sum_gives(tmp_path: Path) -> None:
    content = bytes(range(256)) * 10_000  # more than is read at once
    (tmp_path / "file").write_bytes(content)
    assert content_digest(tmp_path / "file") == hashlib.sha256(content).hexdigest()


def test_a_folder_is_known_by_names_and_contents_wherever_it_lies(tmp_path: Path) -> None:
    def folder(name: str, files: dict[str, str]) -> str:
        for file, content in files.items():
            path = tmp_path / name / file
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(content)
        return content_digest(tmp_path / name)

    first = folder("first", {"a.xml": "1", "below/b.xml": "2"})
    assert folder("second", {"below/b.xml": "2", "a.xml": "1"}) == first
    others = [{"a.xml": "1", "below/b.xml": "3"}, {"a.xml": "1", "b.xml": "2"}, {"a.xml": "1"}, {"a.xml": "12"}]
    digests = {folder(f"other{number}", files) for number, files in enumerate(others)}
    assert len(digests | {first}) == 5


def test_what_is_missing_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="absent"):
        content_digest(tmp_path / "absent")


def test_what_is_read_is_noted_as_it_was_then(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"old")
    old = content_digest(path)
    with noted_digests() as noted:
        assert read_bytes(path) == b"old"
        path.write_bytes(b"new")
        with noted_digests() as inner:
            pass
    read_bytes(path)
    assert noted == {path: old}
    assert inner == {}
    assert content_digest(path, noted) == old != content_digest(path)


def test_every_file_of_a_voc_folder_is_noted(tmp_path: Path) -> None:
    (tmp_path / "Annotations").mkdir()
    (tmp_path / "ImageSets" / "Main").mkdir(parents=True)
    for name in "ab":
        (tmp_path / "Annotations" / f"{name}.xml").write_text("<annotation/>")
    (tmp_path / "ImageSets" / "Main" / "val.txt").write_text("a\n")
    with noted_digests() as noted:
        read_annotations(tmp_path, "val")
    assert sorted(path.name for path in noted) == ["a.xml", "b.xml", "val.txt"]
    before = content_digest(tmp_path / "Annotations")
    (tmp_path / "Annotations" / "a.xml").unlink()
    (tmp_path / "Annotations" / "a.xml").write_text("<other/>")
    assert content_digest(tmp_path / "Annotations", noted) == before != content_digest(tmp_path / "Annotations")
