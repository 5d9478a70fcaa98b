"""A body that a thread reads from the disk while it is sent, one piece ahead of the client."""

from __future__ import annotations

import errno
from collections.abc import Callable, Generator
from concurrent.futures import Future
from typing import TYPE_CHECKING

from fastfile.message import PENDING, Pending
from fastfile.storage.root import os_error

if TYPE_CHECKING:
    from fastfile.site.compression import Submit

# Read by one job, and in memory at most twice. A job costs 0.1 ms; this much is read, warm, in 0.3 ms.
PIECE_SIZE = 256 * 1024


class Feed:
    """A source (message.py) of the pieces of a generator, which may block and runs in a thread.

    Small pieces are joined. An exception of the generator ends the body.
    """

    def __init__(self, parts: Generator[bytes, None, None], submit: Submit) -> None:
        self._parts = parts
        self._submit = submit
        self._ready = b""
        self._is_reading = False
        self._has_ended = False
        self._is_closed = False
        self._is_late = False  # a thread that took too long may still run the generator, and then drops it
        self._error: BaseException | None = None
        self._wake: Callable[[], None] | None = None

    def __iter__(self) -> Feed:
        return self

    def __next__(self) -> bytes | Pending:
        piece, self._ready = self._ready, b""
        if not piece and self._error is not None:
            raise self._error
        if not piece and self._has_ended:
            raise StopIteration
        if not self._is_reading and not self._has_ended and self._error is None:
            self._begin()
        return piece or PENDING

    def wait(self, wake: Callable[[], None]) -> None:
        self._wake = wake

    def close(self) -> None:
        """Close the generator, and with it the file that it has open; when a thread runs it, after that."""
        self._is_closed = True
        self._wake = None
        if not self._is_reading and not self._is_late:
            self._parts.close()

    def _begin(self) -> None:
        self._is_reading = self._submit(self._read, self._on_read) is not None
        if not self._is_reading:
            raise os_error(errno.EAGAIN)

    def _read(self) -> tuple[bytes, bool]:
        """Return the next piece, and whether the generator has ended. Runs in a thread."""
        parts = []
        size = 0
        for part in self._parts:
            parts.append(part)
            size += len(part)
            if size >= PIECE_SIZE:
                return b"".join(parts), False
        return b"".join(parts), True

    def _on_read(self, job: Future[tuple[bytes, bool]]) -> None:
        self._is_reading = False
        self._error = job.exception()
        self._is_late = isinstance(self._error, TimeoutError)
        if self._is_closed:
            if not self._is_late:
                self._parts.close()
            return
        if self._error is None:
            self._ready, self._has_ended = job.result()
        wake, self._wake = self._wake, None
        if wake is not None:
            wake()
