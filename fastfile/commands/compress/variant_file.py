"""One variant file: check whether it is up to date, and write it so that it is complete or absent.

A variant is written under a hidden name beside its original and renamed when it is complete. It is locked until then,
so that another run can distinguish it from the leftover of a killed run.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import stat
import threading
import time
from collections.abc import Callable, Iterator
from enum import Enum

from fastfile.commands.compress.survey import Original
from fastfile.http.content.stored_coding import SUFFIXES
from fastfile.records import NamedTuple
from fastfile.sendfile import make_signature
from fastfile.storage.encoders import Encoder, make_decoder, make_encoder
from fastfile.storage.metadata import SETTLING_NS, has_no_date, is_settled
from fastfile.storage.root import Root

# Large enough for full speed, small enough to stop within a second at Brotli's 0.5 MB/s.
PIECE = 256 * 1024
# A variant that saves less is not worth a file, or the client's time to decode it.
LEAST_SAVING = 0.05
MAX_TRIES = 3  # attempts for a file that changes while it is read
_ENCODED_PIECE = 16 * 1024  # the decoded piece may be a thousand times larger
_CHANGED = -1

_SUFFIX_BY_CODING = dict(SUFFIXES)


class Stopped(Exception):
    """The run was interrupted; unfinished work is dropped."""


class Task(NamedTuple):
    """A variant to be made, or to be removed if it saves too little."""

    original: Original
    coding: bytes
    exists: bool

    @property
    def path(self) -> bytes:
        """The path of the variant."""
        return self.original.path + _SUFFIX_BY_CODING[self.coding]


class State(Enum):
    """The state of a variant's path."""

    ABSENT = "absent"
    FRESH = "fresh"
    STALE = "stale"
    BLOCKED = "blocked"  # something that is not a file, and belongs to the user


def judge(root: Root, original: Original, coding: bytes) -> State:
    """Return the state of a variant: whether it has the content of its original. Raises OSError.

    The server accepts any variant that is not older. That is not enough here: an original that was restored to an older
    state, or a build that gives all files one time, would keep a variant with other content. So a variant with another
    time is decoded and compared.
    """
    path = root.absolute(original.path + _SUFFIX_BY_CODING[coding])
    try:
        status = os.lstat(path)
    except FileNotFoundError:
        return State.ABSENT
    if not stat.S_ISREG(status.st_mode):
        return State.BLOCKED
    is_dated = not has_no_date(original.status)
    if status.st_size and is_dated and status.st_mtime_ns == original.status.st_mtime_ns:
        return State.FRESH
    if status.st_mtime_ns < original.status.st_mtime_ns:
        return State.STALE
    return State.FRESH if holds(path, root.absolute(original.path), coding) else State.STALE


class Writer:
    """Makes variants, in several threads. ``advance`` is called with the size of each finished piece."""

    def __init__(self, root: Root, levels: dict[bytes, int], least: int, advance: Callable[[int], None]) -> None:
        self._root = root
        self._opening = threading.Lock()  # Root belongs to one thread
        self._levels = levels
        self._least = least
        self._advance = advance
        self._stopped = threading.Event()

    def stop(self) -> None:
        """Stop all threads soon; they raise Stopped."""
        self._stopped.set()

    def write(self, task: Task) -> int | None:
        """Write a variant and return its size; None if it saves too little: then an existing one is removed.

        Raises OSError, and Stopped.
        """
        if self._stopped.is_set():
            raise Stopped
        with self._open(os.path.dirname(task.original.path)) as folder:
            for _ in range(MAX_TRIES):
                with self._open(task.original.path) as source:
                    status = self._wait_until_settled(source)
                    size = None if status.st_size < self._least else self._write(task, folder, source, status)
                if size != _CHANGED:
                    break
            else:
                raise OSError(errno.EBUSY, "it changes while it is read")
        if size is None and task.exists:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(self._root.absolute(task.path))
        return size

    @contextlib.contextmanager
    def _open(self, path: bytes) -> Iterator[int]:
        with self._opening:
            fd = self._root.open(path)
        try:
            yield fd
        finally:
            os.close(fd)

    def _wait_until_settled(self, source: int) -> os.stat_result:
        status = os.fstat(source)
        while not is_settled(status, time.time_ns()):
            time.sleep(SETTLING_NS / 1e9)
            status = os.fstat(source)
        return status

    def _write(self, task: Task, folder: int, source: int, status: os.stat_result) -> int | None:
        """Return the size of the variant, None if it saves too little, or _CHANGED."""
        name, target = _make_temporary(folder)
        try:
            with open(target, "wb") as file:
                encoder = make_encoder(task.coding, self._levels[task.coding], status.st_size)
                if not self._encode(encoder, source, status.st_size, file.write):
                    return _CHANGED
                size = file.tell()
                if size > status.st_size * (1 - LEAST_SAVING):
                    return None
                file.flush()
                os.fsync(target)  # a crash must not leave an empty file, and NFS reports a full disk here
                if make_signature(os.fstat(source)) != make_signature(status):
                    return _CHANGED
                _make_alike(target, status)
                os.rename(name, os.path.basename(task.path), src_dir_fd=folder, dst_dir_fd=folder)
                name = b""
            return size
        finally:
            if name:
                with contextlib.suppress(FileNotFoundError):
                    os.unlink(name, dir_fd=folder)

    def _encode(self, encoder: Encoder, source: int, size: int, write: Callable[[bytes], object]) -> bool:
        """Encode ``size`` bytes; return False if there are fewer."""
        done = 0
        while done < size:
            if self._stopped.is_set():
                raise Stopped
            piece = os.pread(source, min(PIECE, size - done), done)
            if not piece:
                return False
            write(encoder.encode(piece))
            done += len(piece)
            self._advance(len(piece))
        write(encoder.finish())
        return True


def remove_leftover(path: bytes) -> bool:
    """Remove a temporary file unless another run is writing it; tell whether it is gone. Raises OSError."""
    try:
        fd = os.open(path, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
    except FileNotFoundError:
        return True
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.unlink(path)
    except BlockingIOError:
        return False
    finally:
        os.close(fd)
    return True


def _make_temporary(folder: int) -> tuple[bytes, int]:
    """Create a temporary file, lock it, and return its name and descriptor."""
    while True:
        name = b".fastfile-%b.tmp" % os.urandom(8).hex().encode()
        flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW
        fd = os.open(name, flags, 0o600, dir_fd=folder)
        with contextlib.suppress(OSError):  # a file system without locks: other runs may remove it
            fcntl.flock(fd, fcntl.LOCK_EX)
        if os.fstat(fd).st_nlink:
            return name, fd
        os.close(fd)  # another run removed it before it was locked


def _make_alike(fd: int, status: os.stat_result) -> None:
    """Give a variant the permissions, the time and, if allowed, the owner of its original."""
    with contextlib.suppress(PermissionError):
        os.fchown(fd, status.st_uid, status.st_gid)
    os.fchmod(fd, stat.S_IMODE(status.st_mode) & 0o777)
    os.utime(fd, ns=(status.st_mtime_ns, status.st_mtime_ns))


def holds(variant: bytes, original: bytes, coding: bytes) -> bool:
    """Tell whether a variant decodes to its original. Raises OSError, and ImportError without a library."""
    decode = make_decoder(coding)
    with open(variant, "rb") as encoded, open(original, "rb") as plain:
        while piece := encoded.read(_ENCODED_PIECE):
            try:
                decoded = decode(piece)
            except Exception:  # each library has its own exceptions, without a common base class
                return False
            if plain.read(len(decoded)) != decoded:
                return False
        return not plain.read(1)
