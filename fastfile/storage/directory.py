"""The entries of a directory: what a listing may show, and in which order.

Owns which entries count: regular files and directories that a request could reach. Knows nothing of pages or HTTP.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterable
from typing import Literal, NamedTuple

from fastfile.http.target import join
from fastfile.sendfile import read_folder
from fastfile.storage.metadata import modified_s
from fastfile.storage.root import Root

_DIGITS = re.compile(rb"\d+")
_WIDTHS = tuple(b"%03d" % width for width in range(256))


class DirectoryEntry(NamedTuple):
    """One line of a listing. ``size`` of a directory is 0: what a file system says there means nothing to a reader."""

    name: bytes
    is_directory: bool
    size: int
    mtime_s: int


Column = Literal["name", "size", "modified"]
COLUMNS: tuple[Column, ...] = ("name", "size", "modified")


class Order(NamedTuple):
    """What entries are sorted by; directories come first in any order."""

    column: Column = "name"
    descending: bool = False


def list_directory(root: Root, folder: bytes, show_hidden: bool) -> list[DirectoryEntry]:
    """Return the files and directories of a directory, in no order.

    A symlink is what it leads to, and left out where that is outside the root or nothing. So are FIFOs, sockets and
    devices, what vanishes while it is being listed, and what may not be looked at. A file without read permission is
    listed: its name is no secret, its 403 says more than its absence.

    Raises OSError when the directory itself cannot be read, and when the system has too little left for a look at an
    entry.
    """
    fd = root.open(folder)
    try:
        found = read_folder(fd)
    finally:
        os.close(fd)
    entries = []
    for name, mode, size, mtime_s in found:
        if name.startswith(b".") and not show_hidden:
            continue
        kind = stat.S_IFMT(mode)
        if kind == stat.S_IFREG:
            entries.append(DirectoryEntry(name, False, size, mtime_s))
        elif kind == stat.S_IFDIR:
            entries.append(DirectoryEntry(name, True, 0, mtime_s))
        elif kind == stat.S_IFLNK:
            status = root.maybe_stat(join(folder, name))
            if status is not None and stat.S_ISREG(status.st_mode):
                entries.append(DirectoryEntry(name, False, status.st_size, modified_s(status)))
            elif status is not None and stat.S_ISDIR(status.st_mode):
                entries.append(DirectoryEntry(name, True, 0, modified_s(status)))
    return entries


def sort_entries(entries: Iterable[DirectoryEntry], order: Order) -> list[DirectoryEntry]:
    """Return directories, then files, each by the column that is asked for; those that are equal there by name.

    Names are in natural order, "a2" before "a10", without regard to ASCII case. Directories have no size.
    """
    column, descending = order
    named = sorted(entries, key=_natural)
    directories = [entry for entry in named if entry.is_directory]
    files = [entry for entry in named if not entry.is_directory]
    if column == "name":
        if descending:
            directories.reverse()
            files.reverse()
    elif column == "size":
        files.sort(key=lambda entry: entry.size, reverse=descending)
    else:
        directories.sort(key=lambda entry: entry.mtime_s, reverse=descending)
        files.sort(key=lambda entry: entry.mtime_s, reverse=descending)
    return directories + files


def _natural(entry: DirectoryEntry) -> str:
    # Text, as Python compares that twice as fast as bytes, and no other thread runs while it does. NUL is in no
    # name, and before all that is.
    name = entry.name
    return (_DIGITS.sub(_comparable_number, name.lower()) + b"\0" + name).decode("latin-1")


def _comparable_number(match: re.Match[bytes]) -> bytes:
    # Of two numbers the one with more digits is the greater; a name has no more than 255 of them.
    digits = match[0].lstrip(b"0")
    return _WIDTHS[len(digits)] + digits


def read_beginning(root: Root, path: bytes, limit: int) -> tuple[bytes, bool]:
    """Return the first ``limit`` bytes of a file, and whether there are more. Raises OSError."""
    fd = root.open(path)
    try:
        content = os.pread(fd, limit + 1, 0)
    finally:
        os.close(fd)
    return content[:limit], len(content) > limit
