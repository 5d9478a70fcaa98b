"""Messages to the operator: lines on standard error, written without waiting for a reader."""

from __future__ import annotations

import os
import traceback

from fastfile.server.log.access import Sink

QUEUE_LIMIT = 64 * 1024  # bytes of queued lines; more are dropped


class ErrorLog:
    """Writes messages. Made before the first fork, because a sandbox cannot open it; each process has its own queue.

    The caller keeps ``fd``.
    """

    def __init__(self, fd: int = 2) -> None:
        self._sink = Sink(fd)
        self._queue = bytearray()
        self._index = 0

    def say(self, text: str) -> None:
        """Write a message as a line, now or as soon as the descriptor takes it; never wait or fail."""
        self.write(f"fastfile: {text}")

    def write(self, line: str) -> None:
        """Write a line that has a form of its own, as say() does."""
        if len(self._queue) < QUEUE_LIMIT:
            self._queue += f"{line}\n".encode(errors="backslashreplace")
        self.flush()

    def say_once(self, text: str) -> None:
        """Write a line that every worker would write; only the first worker writes it."""
        if self._index == 0:
            self.say(text)

    def report_failure(self, error: BaseException) -> None:
        """Write the traceback of a bug; the server keeps running."""
        self.say(f"worker {os.getpid()}: {''.join(traceback.format_exception(error)).rstrip()}")

    def flush(self) -> None:
        """Retry writing the queued lines; called about once a second."""
        if self._queue:
            self._sink.write(self._queue)

    def begin_worker(self, index: int) -> None:
        """Prepare for a new worker: the supervisor writes the lines that are still queued."""
        self._index = index
        self._queue.clear()

    def fileno(self) -> int:
        """Return the descriptor that it writes to."""
        return self._sink.fileno()

    def close(self) -> None:
        """Write what can be written at once and close the descriptor."""
        self.flush()
        self._sink.close()
