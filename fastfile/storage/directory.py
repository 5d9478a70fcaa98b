"""The entries of a directory, in order and up to a limit: what a listing may show.

Owns which entries count: regular files and directories that a request could reach. Knows nothing of pages or HTTP.
For use in a thread: it holds the GIL for no more than a millisecond at a time, and keeps a bounded number of entries.
"""

from __future__ import annotations

import heapq
import os
import re
import stat
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import Any, Literal, NamedTuple

from fastfile.http.target import join
from fastfile.storage.metadata import modified_s
from fastfile.storage.root import Root

# Entries that one call sorts: sort() holds the GIL, half a millisecond for this many.
RUN = 1024

_DIGITS = re.compile(rb"\d+")
_WIDTHS = tuple(b"%03d" % width for width in range(256))


class DirectoryEntry(NamedTuple):
    """One line of a listing. ``size`` of a directory is 0: what file systems report there is of no use to a reader."""

    name: bytes
    is_directory: bool
    size: int
    mtime_s: int


Column = Literal["name", "size", "modified"]
COLUMNS: tuple[Column, ...] = ("name", "size", "modified")


class Order(NamedTuple):
    """The sort order of entries; directories always come first."""

    column: Column = "name"
    descending: bool = False


class Entries(NamedTuple):
    """The first entries of a directory in an order, and how many it has in all."""

    entries: list[DirectoryEntry]
    total: int


# A unique sort key, a name, and the entry, or None if it is stat'd at the end. Plain tuples, because the garbage
# collector untracks them; it would stop all threads to go through as many instances of a class.
_Candidate = tuple[Any, bytes, DirectoryEntry | None]


def list_directory(
    root: Root,
    folder: bytes,
    order: Order,
    limit: int,
    shows: Callable[[bytes], bool],
    check: Callable[[], None] = lambda: None,
) -> Entries:
    """Return the first files and directories of a directory, at most ``limit``, those whose path ``shows`` allows.

    Directories come first, then files, each by the column of the order; those that are equal there by name. Names are
    in natural order, "a2" before "a10", without regard to ASCII case. Directories have no size.

    A symlink is what it leads to, and left out where that is outside the root or nothing. So are FIFOs, sockets and
    devices, what vanishes while it is being listed, and what may not be looked at. A file without read permission is
    listed: its name is no secret, its 403 says more than its absence.

    ``check`` is called now and then, and may raise to end it. Raises OSError when the directory itself cannot be read,
    and when the system has too little left for a look at an entry.
    """
    fd = root.open(folder)
    try:
        first = _First(order, limit)
        total = 0
        for candidate in _candidates(root, fd, folder, order, shows):
            total += 1
            first.add(candidate)
            if total % RUN == 0:
                check()
        entries = []
        for index, candidate in enumerate(first.sorted()):
            if index % RUN == 0:
                check()
            entry = candidate[2] or _look(fd, candidate[1])
            if entry is not None:
                entries.append(entry)
    finally:
        os.close(fd)
    return Entries(entries, total if total > limit else len(entries))


def sort_in_runs(names: Iterable[bytes]) -> list[bytes]:
    """Return the names in order; other threads can run meanwhile, as they cannot while sort() has many."""
    left = iter(names)
    runs = []
    while run := sorted(islice(left, RUN)):
        runs.append(run)
    return runs[0] if len(runs) == 1 else list(heapq.merge(*runs))


class _First:
    """The first candidates in an order: at most twice ``limit`` are kept."""

    def __init__(self, order: Order, limit: int) -> None:
        self._reverse = order.column == "name" and order.descending
        self._limit = limit
        self._runs: list[list[_Candidate]] = []  # each sorted
        self._run: list[_Candidate] = []
        self._kept = 0  # in the runs
        self._last: Any = None  # the key of the last that can still be among the first; None while all can

    def add(self, candidate: _Candidate) -> None:
        if self._last is not None and (candidate[0] > self._last) != self._reverse:
            return
        self._run.append(candidate)
        if len(self._run) == RUN:
            self._end_run()
            if self._kept >= 2 * self._limit + RUN:
                self._runs = [list(self.sorted())]
                self._kept = self._limit
                self._last = self._runs[0][-1][0]

    def sorted(self) -> Iterator[_Candidate]:
        """Return the first, in order."""
        self._end_run()
        if len(self._runs) == 1:
            return islice(self._runs[0], self._limit)
        return islice(heapq.merge(*self._runs, reverse=self._reverse), self._limit)

    def _end_run(self) -> None:
        self._run.sort(reverse=self._reverse)  # no two keys are equal, so nothing behind them is compared
        if self._run:
            self._runs.append(self._run)
        self._kept += len(self._run)
        self._run = []


def _candidates(
    root: Root, fd: int, folder: bytes, order: Order, shows: Callable[[bytes], bool]
) -> Iterator[_Candidate]:
    """Return what counts in the directory ``fd``, in no order. By name, nothing but links has to be looked at."""
    by_name = order.column == "name"
    with os.scandir(fd) as found:
        for scanned in found:
            name = os.fsencode(scanned.name)
            path = join(folder, name)
            if not shows(path):
                continue
            if scanned.is_symlink():
                status = root.maybe_stat(path)
                entry = None if status is None else _make_entry(name, status)
            elif by_name and (is_directory := _is_directory(scanned)) is not None:
                yield _key(order, name, is_directory, 0), name, None
                continue
            else:
                entry = _look(fd, name)
            if entry is not None:
                number = entry.size if order.column == "size" else entry.mtime_s
                yield _key(order, name, entry.is_directory, number), name, entry


def _is_directory(scanned: os.DirEntry[str]) -> bool | None:
    """Tell whether an entry that is no link is a directory, and not a file; None where it is neither."""
    try:
        if scanned.is_dir(follow_symlinks=False):
            return True
        return False if scanned.is_file(follow_symlinks=False) else None
    except PermissionError:  # a file system that does not say it with the name, where the entry may not be looked at
        return None


def _look(fd: int, name: bytes) -> DirectoryEntry | None:
    """Return an entry of the directory ``fd`` that is no link; None where it is gone, or may not be looked at."""
    try:
        return _make_entry(name, os.stat(name, dir_fd=fd, follow_symlinks=False))
    except (FileNotFoundError, PermissionError):
        return None


def _make_entry(name: bytes, status: os.stat_result) -> DirectoryEntry | None:
    if stat.S_ISREG(status.st_mode):
        return DirectoryEntry(name, False, status.st_size, modified_s(status))
    if stat.S_ISDIR(status.st_mode):
        return DirectoryEntry(name, True, 0, modified_s(status))
    return None


def _key(order: Order, name: bytes, is_directory: bool, number: int) -> Any:
    """Return what an entry is sorted by, no two alike; ``number`` is what the column holds, unless it is the name."""
    natural = _natural(name)
    if order.column == "name":
        # By name the order is reversed as a whole, and directories come first all the same.
        return ("0" if is_directory != order.descending else "1") + natural
    return (not is_directory, -number if order.descending else number, natural)


def _natural(name: bytes) -> str:
    # str, because Python compares it twice as fast as bytes. No name contains NUL, which sorts before everything else.
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
