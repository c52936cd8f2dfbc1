import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from hardest_metrics.input_warning import InputWarning
from hardest_metrics.results import RunStore, disk
from tests.keyed import saved

MOUNTS = """\
22 1 254:0 / / rw,relatime - ext4 /dev/vda rw
30 22 0:40 / /mnt/team\\040share rw,relatime shared:1 - nfs4 server:/export rw
31 22 0:41 / /mnt/team rw - cifs //server/team rw
32 30 0:42 / /mnt/team\\040share/local rw - ext4 /dev/vdb rw
"""


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/home/me/runs.db", None),
        ("/mnt/team share/runs.db", "nfs4"),
        ("/mnt/team/deep/runs.db", "cifs"),
        ("/mnt/teams/runs.db", None),
        ("/mnt/team share/local/runs.db", None),
    ],
)
def test_the_innermost_mount_tells(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, path: str, kind: str | None
) -> None:
    mounts = tmp_path / "mountinfo"
    mounts.write_text(MOUNTS)
    monkeypatch.setattr(disk, "_MOUNTS", mounts)
    assert disk.network_disk(Path(path)) == kind


def test_where_nothing_tells_it_is_a_disk_of_this_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(disk, "_MOUNTS", tmp_path / "absent")
    assert disk.network_disk(tmp_path / "runs.db") is None


def test_on_a_network_disk_a_rollback_journal_is_kept_and_that_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = RunStore(tmp_path / "runs.db")
    saved(store, [0.5])
    with closing(sqlite3.connect(store.path)) as connection:
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    monkeypatch.setattr("hardest_metrics.results.database.network_disk", lambda path: "nfs4")
    with pytest.warns(InputWarning, match=r"lies on a network disk \(nfs4\)"):
        saved(store, [0.5])
    with closing(sqlite3.connect(store.path)) as connection:
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("delete",)
        assert connection.execute("SELECT count(*) FROM run").fetchone() == (2,)
