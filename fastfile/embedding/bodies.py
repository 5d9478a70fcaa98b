"""Bodies in pieces, for hosts that take bytes: from memory, or from the disk after a read in a thread."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from functools import partial

from fastfile.message import FileSlice, Pending, Response, Source
from fastfile.sendfile import read_ahead, read_cached

PIECE = 64 * 1024  # small enough for many clients that are slow: a host holds several
# A client that takes pieces quickly gets larger ones after 1 MiB; what a host holds for a slow one stays small. In
# granian they save a sixth of the processor time of 10 MiB (python -m benchmarks.embedding).
LARGE_PIECE = 256 * 1024
LARGE_AFTER = 1024 * 1024
QUICK_S = 0.05  # for a piece: 5 MB/s
# On a page-cache miss, read 1 MiB in a thread and ask the kernel to prefetch 7 MiB more, as the server does.
READ_SIZE = 1024 * 1024
AHEAD_SIZE = 7 * 1024 * 1024


class BrokenBody(Exception):
    """A body shorter than its Content-Length: the file was truncated, or can no longer be read."""


class Pace:
    """The size of the next piece of a body."""

    def __init__(self) -> None:
        self.piece = PIECE
        self._sent = 0

    def note(self, size: int, took_s: float) -> None:
        """Note that the host has taken a piece."""
        self._sent += size
        self.piece = LARGE_PIECE if self._sent >= LARGE_AFTER and took_s < QUICK_S else PIECE


class ColdRead:
    """The next piece of a file is not in memory: ``work`` reads it, in a thread."""

    def __init__(self, part: FileSlice, offset: int, count: int, left: int) -> None:
        self.work: Callable[[], bytes] = partial(_read_cold, part, offset, count, left)


class OpenFile:
    """A part of a file as a file object: ``fileno()`` for sendfile, or reads at its own position.

    Responses share the descriptor, so the descriptor's own position never moves.
    """

    mode = "rb"

    def __init__(self, part: FileSlice) -> None:
        self._part = part  # keeps the descriptor open
        self._position = part.offset

    def fileno(self) -> int:
        """Return the descriptor."""
        return self._part.fd

    def seek(self, position: int, whence: int = os.SEEK_SET) -> int:
        """Move to a position of the file; its end is that of the part."""
        start = {os.SEEK_SET: 0, os.SEEK_CUR: self._position, os.SEEK_END: self._part.offset + self._part.count}
        self._position = start[whence] + position
        return self._position

    def tell(self) -> int:
        """Return the position."""
        return self._position

    def read(self, count: int = -1) -> bytes:
        """Return up to ``count`` bytes, or all that is left of the part. Raises BrokenBody."""
        left = max(0, self._part.offset + self._part.count - self._position)
        wanted = left if count < 0 else min(count, left)
        piece = os.pread(self._part.fd, wanted, self._position)
        if not piece and wanted:
            raise BrokenBody("the file is shorter than it was")
        self._position += len(piece)
        return piece

    def close(self) -> None:
        """Do nothing: the descriptor is closed with the last response that holds it."""


class Pause:
    """The source has no data yet: call its ``wait``."""

    def __init__(self, source: Source) -> None:
        self.wait: Callable[[Callable[[], None]], None] = source.wait  # type: ignore[attr-defined]


Step = bytes | ColdRead | Pause


def read_body(response: Response, pace: Pace) -> Iterator[Step]:
    """Yield the body of a response, in pieces of the size of ``pace`` if it comes from files; never waits.

    The caller does the work of a ColdRead and waits for a Pause before it takes the next piece. Raises BrokenBody.
    """
    for part in response.parts:
        yield from _read_part(part, pace)
    source = response.source
    if source is None:
        return
    while True:
        try:
            part_or_pending = next(source)
        except StopIteration:
            return
        except OSError as error:
            raise BrokenBody("the rest of the body cannot be read") from error
        if isinstance(part_or_pending, Pending):
            yield Pause(source)
        else:
            yield from _read_part(part_or_pending, pace)


def read_body_waiting(response: Response) -> Iterator[bytes]:
    """Yield the body of a response; wait for the disk if necessary. Raises BrokenBody."""
    steps = read_body(response, Pace())
    for step in steps:
        assert not isinstance(step, Pause), "a source pends only where it was given threads"
        yield step.work() if isinstance(step, ColdRead) else step


def _read_part(part: bytes | FileSlice, pace: Pace) -> Iterator[Step]:
    if isinstance(part, bytes):
        if part:
            yield part
        return
    offset, end = part.offset, part.offset + part.count
    while offset < end:
        count = min(pace.piece, end - offset)
        piece = read_cached(part.fd, offset, count)
        if piece is None:
            yield ColdRead(part, offset, count, end - offset)
            offset += count  # its work reads so much, or fails
            continue
        if not piece:
            raise BrokenBody("the file is shorter than it was")
        yield piece
        offset += len(piece)


def _read_cold(part: FileSlice, offset: int, count: int, left: int) -> bytes:
    """Read a piece of a file, and have the system read on behind it. ``part`` keeps the file open."""
    try:
        near = min(left, READ_SIZE)
        read_ahead(part.fd, offset, near, min(left - near, AHEAD_SIZE))
        piece = os.pread(part.fd, count, offset)
    except OSError as error:
        raise BrokenBody("the file cannot be read") from error
    if len(piece) != count:
        raise BrokenBody("the file is shorter than it was")
    return piece
