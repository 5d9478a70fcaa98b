"""The entries of a directory, in order and up to a limit, for a listing.

Owns which entries count: regular files and directories that a request could reach. Knows nothing about pages or HTTP.
For use in a thread: it holds the GIL for no more than a millisecond at a time, and keeps a bounded number of entries.
"""

from __future__ import annotations

import heapq
import os
import re
import stat
import unicodedata
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import Any, Literal

from fastfile.http.target import join
from fastfile.records import NamedTuple
from fastfile.storage.metadata import modified_s
from fastfile.storage.root import Root

# Entries per call of sort(), which holds the GIL: half a millisecond for this many.
RUN = 1024

_DIGITS = re.compile(rb"\d+")
_NUMBER = re.compile(r"\d+")
_ABOVE = 200  # combining classes from here on are accents, around a letter (Unicode §4.3)
_BREVE = "\u0306"
_LETTERS = str.maketrans(
    {_BREVE: "\uffff", "\u0131": "i", "ł": "l", "ø": "o", "đ": "d", "æ": "ae", "œ": "oe"}
)  # the rest do not decompose
_WIDTHS = tuple(b"%03d" % width for width in range(256))


class DirectoryEntry(NamedTuple):
    """One line of a listing. ``size`` of a directory is 0, because file systems report no useful number."""

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
    """The first entries of a directory in an order, and the total number."""

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
    counts_all: bool = True,
) -> Entries:
    """Return the first files and directories of a directory, at most ``limit``, whose paths ``shows`` allows.

    Directories come first, then files, each by the column of the order and then by name. Names are in natural order,
    "a2" before "a10", without regard to case and accents. Directories have no size.

    A symlink counts as its target, and is left out if that is outside the root or does not exist. FIFOs, sockets and
    devices, files that disappear during the listing, and entries without search permission are left out too. A file
    without read permission is listed: its name is no secret, and its 403 says more than its absence.

    ``check`` is called now and then, and may raise to stop. Without ``counts_all`` the listing stops at the first entry
    beyond ``limit``: the total is one more, and the entries are any. Raises OSError if the directory itself cannot be
    read, or if the system has too few resources to look at an entry.
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
            if total > limit and not counts_all:
                break
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
    """Return the names in order, letting other threads run in between, which sort() on many names does not."""
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
        self._last: Any = None  # the largest key that can still be among the first; None while all can

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
        """Return the first candidates, in order."""
        self._end_run()
        if len(self._runs) == 1:
            return islice(self._runs[0], self._limit)
        return islice(heapq.merge(*self._runs, reverse=self._reverse), self._limit)

    def _end_run(self) -> None:
        self._run.sort(reverse=self._reverse)  # no two keys are equal, so the rest of the tuples is never compared
        if self._run:
            self._runs.append(self._run)
        self._kept += len(self._run)
        self._run = []


def _candidates(
    root: Root, fd: int, folder: bytes, order: Order, shows: Callable[[bytes], bool]
) -> Iterator[_Candidate]:
    """Return the entries of the directory ``fd`` that count, in no order. By name, only links need a stat."""
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
    """Tell whether an entry that is not a link is a directory or a file; None if it is neither."""
    try:
        if scanned.is_dir(follow_symlinks=False):
            return True
        return False if scanned.is_file(follow_symlinks=False) else None
    except PermissionError:  # the file system gives no type with the name, and the entry may not be looked at
        return None


def _look(fd: int, name: bytes) -> DirectoryEntry | None:
    """Return an entry of the directory ``fd`` that is not a link; None if it is gone, or may not be looked at."""
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
    """Return a unique sort key for an entry; ``number`` is the value of the column, unless that is the name."""
    natural = _natural(name)
    if order.column == "name":
        # By name the whole order is reversed, but directories still come first.
        return ("0" if is_directory != order.descending else "1") + natural
    return (not is_directory, -number if order.descending else number, natural)


def _natural(name: bytes) -> str:
    # str, because Python compares it twice as fast as bytes. No name contains NUL, which sorts before everything else.
    if name.isascii():
        return (_DIGITS.sub(_comparable_number, name.lower()) + b"\0" + name).decode("ascii")
    text = name.decode("utf-8", "surrogateescape")
    return _NUMBER.sub(_comparable_text, _fold(text)) + "\0" + text


def _fold(text: str) -> str:
    """Return a text without case and accents: "Ärger" is beside "Arger", as in a dictionary.

    A breve counts, since a letter with one is another letter, the next one, in most alphabets: й, ă, ğ. So do the
    vowel signs of Indic scripts, whose combining class is 0.
    """
    decomposed = unicodedata.normalize("NFKD", text).casefold()
    bare = "".join(char for char in decomposed if unicodedata.combining(char) < _ABOVE or char == _BREVE)
    return bare.translate(_LETTERS)


def _comparable_number(match: re.Match[bytes]) -> bytes:
    # The number with more digits is the greater one; a name has at most 255 digits.
    digits = match[0].lstrip(b"0")
    return _WIDTHS[len(digits)] + digits


def _comparable_text(match: re.Match[str]) -> str:
    digits = str(int(match[0])).lstrip("0")  # of any script
    return f"{len(digits):03d}{digits}"


def read_beginning(root: Root, path: bytes, limit: int) -> tuple[bytes, bool]:
    """Return the first ``limit`` bytes of a file, and whether it has more. Raises OSError."""
    fd = root.open(path)
    try:
        content = os.pread(fd, limit + 1, 0)
    finally:
        os.close(fd)
    return content[:limit], len(content) > limit
