"""The mount table: which folders are on file systems that can hang, since a network or another process answers."""

from __future__ import annotations

import os
import re

MOUNT_TABLE = "/proc/self/mountinfo"  # proc_pid_mountinfo(5); Linux alone has it
# Network file systems, those that a hypervisor or a process answers, and automounts, which become one of them.
_NAMES = (
    *("9p", "afpfs", "afs", "autofs", "beegfs", "ceph", "cifs", "coda", "davfs", "fuse", "fuseblk", "gfs2"),
    *("glusterfs", "gpfs", "lustre", "ncpfs", "nfs", "nfs4", "ocfs2", "orangefs", "prl_fs", "smb3", "smbfs"),
    *("vboxsf", "virtiofs", "vmhgfs"),
)
_REMOTE = frozenset(_NAMES)


def is_on_remote_disk(folder: bytes) -> bool:
    """Tell whether a folder, or one below it, is on such a file system now."""
    try:
        with open(MOUNT_TABLE, "rb") as lines:
            table = lines.read()
    except OSError:
        return False
    return has_remote(table, os.path.realpath(folder))


def has_remote(table: bytes, folder: bytes) -> bool:
    """Tell the same by the text of a mount table. Of two mounts at one place the later one is seen."""
    own_point, is_own_remote, is_remote_below = b"", False, False
    for line in table.splitlines():
        mount, _, source = line.partition(b" - ")
        fields = mount.split(b" ")
        if len(fields) < 5 or not source:
            continue
        point = re.sub(rb"\\([0-7]{3})", lambda octal: bytes([int(octal[1], 8)]), fields[4])
        type_ = source.split(b" ", 1)[0].decode(errors="replace")
        is_remote = type_ in _REMOTE or type_.startswith("fuse.")
        inner = point.rstrip(b"/") + b"/"
        if (folder + b"/").startswith(inner) and len(point) >= len(own_point):
            own_point, is_own_remote = point, is_remote
        elif inner.startswith(folder.rstrip(b"/") + b"/"):
            is_remote_below = is_remote_below or is_remote
    return is_own_remote or is_remote_below
