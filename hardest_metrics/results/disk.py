"""Where a file lies: on a disk of this machine, or of another one."""

import os
import re
from pathlib import Path

#: Kinds of file systems that several machines may share.
_NETWORK = {
    "9p", "afs", "beegfs", "ceph", "cifs", "fuse.ceph", "fuse.glusterfs", "fuse.s3fs", "fuse.sshfs", "glusterfs",
    "gpfs", "lustre", "ncpfs", "nfs", "nfs4", "ocfs2", "orangefs", "panfs", "smb3", "smbfs", "virtiofs",
}  # fmt: skip

_MOUNTS = Path("/proc/self/mountinfo")


def network_disk(path: Path) -> str | None:
    """The kind of the network disk that a file lies on; None on a disk of this machine, or where nothing tells.

    Args:
        path: of the file, which need not exist.
    """
    try:
        lines = _MOUNTS.read_text(errors="surrogateescape").splitlines()
    except OSError:  # not Linux
        return None
    folder = os.path.realpath(path.parent)
    found, kind = -1, None
    for line in lines:
        before, _, after = line.partition(" - ")
        mounted = re.sub(r"\\([0-7]{3})", lambda code: chr(int(code[1], 8)), before.split(" ")[4])
        inside = folder == mounted or folder.startswith(mounted.rstrip("/") + "/")
        if inside and len(mounted) >= found:  # the last of several on one place hides the others
            found, kind = len(mounted), after.split(" ")[0]
    return kind if kind in _NETWORK else None
