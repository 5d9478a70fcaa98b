"""What the server has to say to whoever runs it: lines on standard error, written without waiting for a reader."""

from __future__ import annotations

import os
import traceback

from fastfile.server.log.access import Sink

QUEUE_LIMIT = 64 * 1024  # of lines that nobody takes; more are lost: there is nobody to tell


class ErrorLog:
    """Made before the first fork, since a worker in its sandbox can open nothing; each process has its own queue.

    ``fd`` stays the caller's.
    """

    def __init__(self, fd: int = 2) -> None:
        self._sink = Sink(fd)
        self._queue = bytearray()
        self._index = 0

    def say(self, text: str) -> None:
        """Write a line, now or when it can be taken; that nobody reads it is no reason to fail or to wait."""
        if len(self._queue) < QUEUE_LIMIT:
            self._queue += f"fastfile: {text}\n".encode(errors="backslashreplace")
        self.flush()

    def say_once(self, text: str) -> None:
        """Write a line that every worker has to say: the first of them does."""
        if self._index == 0:
            self.say(text)

    def report_failure(self, error: BaseException) -> None:
        """Say what only a bug can cause; the server goes on."""
        self.say(f"worker {os.getpid()}: {''.join(traceback.format_exception(error)).rstrip()}")

    def flush(self) -> None:
        """Try again with what could not be written; to be called now and then."""
        if self._queue:
            self._sink.write(self._queue)

    def begin_worker(self, index: int) -> None:
        """In a new worker, one of several: what still waits is the supervisor's to say."""
        self._index = index
        self._queue.clear()

    def fileno(self) -> int:
        """Return the descriptor that it writes to."""
        return self._sink.fileno()

    def close(self) -> None:
        """Write what can be written at once and let go of the descriptor."""
        self.flush()
        self._sink.close()
