"""The entries of a directory: what a listing may show, in the order in which it shows it.

Owns which entries count: regular files and directories that a request could reach. Knows nothing of pages or HTTP.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from typing import NamedTuple

from fastfile.files.root import make_error


class Entry(NamedTuple):
    """One line of a listing. ``size`` of a directory is 0: what a file system says there means nothing to a reader."""

    name: bytes
    is_directory: bool
    size: int
    mtime_s: int


def list_directory(
    directory_fd: int, show_hidden: bool, follows: Callable[[bytes], os.stat_result | None]
) -> list[Entry]:
    """Return the files and directories of a directory: directories first, then by name without regard to ASCII case.

    ``follows`` gives the stat of what the symlink of that name leads to, or None where it leads out of the root or
    nowhere. FIFOs, sockets and devices are left out, and so is what vanishes while it is being listed or may not be
    looked at. A file without read permission is listed: its name is no secret, its 403 says more than its absence.

    ``directory_fd`` is open for reading (not O_PATH) and stays the caller's. Its read offset is moved, so two threads
    must not list through one descriptor at a time. Raises OSError when the directory itself cannot be read, and when
    the system has too little left for a look at an entry.
    """
    # scandir reads from wherever the description stands: someone may have read it before us.
    os.lseek(directory_fd, 0, os.SEEK_SET)
    entries = []
    with os.scandir(directory_fd) as scan:
        for item in scan:
            name = os.fsencode(item.name)
            if name.startswith(b".") and not show_hidden:
                continue
            status = _status(item, name, follows)
            if status is None:
                continue
            if stat.S_ISDIR(status.st_mode):
                entries.append(Entry(name, True, 0, status.st_mtime_ns // 1_000_000_000))
            elif stat.S_ISREG(status.st_mode):
                entries.append(Entry(name, False, status.st_size, status.st_mtime_ns // 1_000_000_000))
    entries.sort(key=_order)
    return entries


def _status(
    item: os.DirEntry[str], name: bytes, follows: Callable[[bytes], os.stat_result | None]
) -> os.stat_result | None:
    try:
        return follows(name) if item.is_symlink() else item.stat(follow_symlinks=False)
    except OSError as error:
        if make_error(error).status in (404, 403):
            return None
        raise  # out of descriptors, say: what is there must not seem to be gone


def _order(entry: Entry) -> tuple[bool, bytes, bytes]:
    return (not entry.is_directory, entry.name.lower(), entry.name)
