"""The folder that is published: its files, as the server would serve them, and their digests.

Hidden names are left out, and so are links that lead outside of the folder, FIFOs, sockets and devices.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Collection
from hashlib import sha256
from typing import BinaryIO

from fastfile.errors import StartError, describe
from fastfile.http.target import is_hidden, join
from fastfile.records import NamedTuple
from fastfile.releases.manifest import MAX_FILES
from fastfile.releases.store import MIB
from fastfile.storage.root import PinnedRoot
from fastfile.terminal import printable

_State = tuple[int, int, int]


class Changed(StartError):
    """A file of the build changed while it was published."""


class BuildFile(NamedTuple):
    """One file, by its relative path."""

    path: bytes
    sha256: str
    size: int
    mtime_ns: int


class Build:
    """A folder as it was when it was read. ``skipped`` are the entries that are no files of the site."""

    def __init__(self, root: PinnedRoot, dotfiles: bool = False, dotfile: Collection[bytes] = ()) -> None:
        self._root = root
        self._dotfiles = dotfiles
        self._dotfile = dotfile
        self.skipped: list[bytes] = []
        self._states = self._walk()
        self.files: list[BuildFile] = []

    @property
    def size(self) -> int:
        """The size of all files."""
        return sum(state[1] for state in self._states.values())

    def read(self, advance: Callable[[int], None]) -> None:
        """Digest all files. Raises StartError for a file that cannot be read, Changed for one that changes."""
        for path, state in self._states.items():
            fd = self._open(path)
            try:
                digest = _digest(fd, state[1], advance)
                if _state_of(os.fstat(fd)) != state:
                    raise _changed(path)
            finally:
                os.close(fd)
            self.files.append(BuildFile(path, digest, state[1], state[2]))

    def open(self, file: BuildFile, advance: Callable[[int], None] = lambda count: None) -> Checked:
        """Open a file again; reading it to its end raises Changed if it has other bytes now."""
        return Checked(open(self._open(file.path), "rb", buffering=0), file, advance)

    def check(self) -> None:
        """Raise Changed if the folder is not as it was when it was read."""
        states = self._walk()
        if states != self._states:
            raise _changed(min(path for path, _ in states.items() ^ self._states.items()))

    def _open(self, path: bytes) -> int:
        try:
            return self._root.open(path)
        except FileNotFoundError:
            raise _changed(path) from None
        except OSError as error:
            raise StartError(f"{printable(os.fsdecode(path))}: {error.strerror}") from None

    def _walk(self) -> dict[bytes, _State]:
        states: dict[bytes, _State] = {}
        self.skipped.clear()
        status = self._root.stat(b"")
        todo = [(b"", frozenset([(status.st_dev, status.st_ino)]))]
        while todo:
            folder, parents = todo.pop()
            for path, status in self._read_folder(folder):
                if stat.S_ISREG(status.st_mode):
                    states[path] = _state_of(status)
                elif stat.S_ISDIR(status.st_mode) and (status.st_dev, status.st_ino) not in parents:
                    todo.append((path, parents | {(status.st_dev, status.st_ino)}))
                else:
                    self.skipped.append(path)
                if len(states) > MAX_FILES:
                    raise StartError(f"more than {MAX_FILES} files, which is the limit of a release")
        return dict(sorted(states.items()))

    def _read_folder(self, folder: bytes) -> list[tuple[bytes, os.stat_result]]:
        found = []
        try:
            with os.scandir(self._root.absolute(folder)) as entries:
                for entry in entries:
                    path = join(folder, entry.name)
                    if not self._dotfiles and is_hidden(path, self._dotfile):
                        continue
                    status: os.stat_result | None = entry.stat(follow_symlinks=False)
                    if status is not None and stat.S_ISLNK(status.st_mode):
                        status = self._root.maybe_stat(path)
                    if status is None:
                        self.skipped.append(path)
                    else:
                        found.append((path, status))
        except FileNotFoundError:
            raise _changed(folder) from None
        except OSError as error:
            raise StartError(printable(describe(error))) from None
        return found


class Checked:
    """A file that is read from its beginning, once or more. If the file has changed, no reader gets its last bytes."""

    def __init__(self, file: BinaryIO, expected: BuildFile, advance: Callable[[int], None]) -> None:
        self._file = file
        self._advance = advance
        self._expected = expected
        self.size = expected.size
        self._digest = sha256()
        self._left = expected.size

    def read(self, size: int = -1, /) -> bytes:
        """Return the next bytes. Raises Changed instead of the last ones."""
        parts = []
        wanted = self._left if size < 0 else min(size, self._left)
        while wanted:
            part = self._file.read(wanted)
            if not part:
                raise _changed(self._expected.path)
            self._digest.update(part)
            self._left -= len(part)
            self._advance(len(part))
            wanted -= len(part)
            parts.append(part)
        if self._left == 0 and self._digest.hexdigest() != self._expected.sha256:
            raise _changed(self._expected.path)
        return b"".join(parts)

    def rewind(self) -> None:
        """Begin again."""
        self._advance(self._left - self.size)
        self._file.seek(0)
        self._digest = sha256()
        self._left = self._expected.size

    def __enter__(self) -> Checked:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()


def _digest(fd: int, size: int, advance: Callable[[int], None]) -> str:
    """Return the digest of a file that should have this size; one byte more shows that it has not."""
    digest = sha256()
    left = size
    while True:
        wanted = min(MIB, left + 1)
        part = os.read(fd, wanted)
        digest.update(part)
        advance(len(part))
        left -= len(part)
        if len(part) < wanted or left < 0:
            return digest.hexdigest()


def _state_of(status: os.stat_result) -> _State:
    return status.st_ino, status.st_size, status.st_mtime_ns


def _changed(path: bytes) -> Changed:
    name = printable(os.fsdecode(path)) or "the folder"
    return Changed(f"{name} changed while it was published, and nothing was: publish again when the build is complete")
