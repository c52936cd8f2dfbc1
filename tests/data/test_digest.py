import hashlib
from pathlib import Path

import pytest

from hardest_metrics.data.digest import content_digest


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
