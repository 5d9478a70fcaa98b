"""Which file systems report changes by other machines, hosts or programs: by type, from mountinfo."""

from __future__ import annotations

import os
from collections.abc import Iterable

# Network and shared file systems: changes on the other side raise no event here.
_SILENT = frozenset(("9p", "drvfs", "virtiofs", "nfs", "nfs4", "cifs", "smb3", "smbfs", "vboxsf", "prl_fs", "vmhgfs"))
_SILENT_FAMILIES = ("fuse",)  # fuse, fuse.sshfs, fuse.grpcfuse: Docker Desktop's among them
_MOUNTS = "/proc/self/mountinfo"


def find_silent(paths: Iterable[bytes], mounts: str = _MOUNTS) -> str:
    """Return the type of a file system beneath one of ``paths`` that reports no changes; empty if all do."""
    try:
        with open(mounts, "rb") as lines:
            types = dict(_read_mount(line) for line in lines)
    except OSError:  # no Linux
        return ""
    for path in paths:
        folder = os.path.realpath(path)
        while folder not in types and len(folder) > 1:
            folder = os.path.dirname(folder)
        kind = types.get(folder, "")
        if kind in _SILENT or kind.split(".")[0] in _SILENT_FAMILIES:
            return kind
    return ""


def _read_mount(line: bytes) -> tuple[bytes, str]:
    """Return the mount point and type of one line (proc_pid_mountinfo(5)); octal escapes stand for white space."""
    fields, _, rest = line.partition(b" - ")
    point = fields.split(b" ")[4]
    for escape, character in ((b"\\040", b" "), (b"\\011", b"\t"), (b"\\012", b"\n"), (b"\\134", b"\\")):
        point = point.replace(escape, character)
    return point, rest.split(b" ")[0].decode()
