"""The mount table: which folders are on file systems that can hang, since a network or another process answers."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable

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


class MountWatch:
    """Notices in the supervisor that a folder has come to be on such a file system, or is no longer.

    The paths are resolved in begin(), so no change waits for a disk. ``fd`` gets POLLPRI when the mount table changes;
    it is -1 if there is none, or no folder.
    """

    def __init__(self) -> None:
        self.fd = -1
        self._folders: list[bytes] = []
        self._found: list[bool] = []

    def begin(self, folders: Iterable[bytes]) -> None:
        """Watch these folders from now on."""
        self.close()
        self._folders = [os.path.realpath(folder) for folder in folders]
        if self._folders:
            try:
                self.fd = os.open(MOUNT_TABLE, os.O_RDONLY | os.O_CLOEXEC)
                self._found = self._look()
            except OSError:
                self.close()

    def close(self) -> None:
        fd, self.fd = self.fd, -1
        if fd >= 0:
            os.close(fd)

    def has_changed(self) -> bool:
        """Tell whether it has for a folder since the last call."""
        try:
            before, self._found = self._found, self._look()
        except OSError:
            return False
        return self._found != before

    def _look(self) -> list[bool]:
        with open(MOUNT_TABLE, "rb") as lines:
            table = lines.read()
        return [has_remote(table, folder) for folder in self._folders]
