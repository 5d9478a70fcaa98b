"""The line between a supervisor and a worker: two pipes, what is said over them, and what silence means.

A worker holds the reading end of one pipe whose other end is the supervisor's: it ends when the supervisor does,
however that dies. Over the other the worker says that it serves, that it lives, or why it cannot start.
"""

from __future__ import annotations

import contextlib
import os
import time

# What a worker says, a line each; anything else is the reason why it cannot start.
READY = b"+"  # followed by the sandbox that is in force
RENEW = b"~"  # my sandbox does not let me open what I need: a successor can
BEAT = b"."  # I live
# After the timeout, and counted from when the supervisor notices: who was frozen together with it (a suspended
# machine, a paused container) is late through no fault of its own, and speaks within two of its ticks.
LAST_CHANCE_S = 2.5


class Lifeline:
    """The worker's end. ``fd`` is readable when the supervisor is gone."""

    def __init__(self, fd: int, speech_fd: int) -> None:
        self.fd = fd
        self._speech_fd = speech_fd
        os.set_blocking(speech_fd, False)

    def say(self, line: bytes) -> None:
        """Say a line; a supervisor that has been stopped for so long that the pipe is full misses it."""
        with contextlib.suppress(BlockingIOError, BrokenPipeError):
            os.write(self._speech_fd, line + b"\n")


class Child:
    """The supervisor's view of a worker process. ``speech_fd`` is -1 once the worker has closed its end."""

    def __init__(self, pid: int, index: int, generation: int, speech_fd: int) -> None:
        self.pid = pid
        self.index = index
        self.generation = generation
        self.speech_fd = speech_fd
        self.is_ready = False
        self.page = 0  # of its counts, if any (metering.py)
        self.message = ""  # why it ends, where that is known better than from its exit status
        self.born_s = self._heard_s = time.monotonic()
        self._suspected_s = float("inf")

    def listen(self) -> list[bytes]:
        """Return the lines that it has said since; whatever it says shows that it lives."""
        said = os.read(self.speech_fd, 4096)
        if not said:
            os.close(self.speech_fd)
            self.speech_fd = -1
        self.excuse()
        return said.splitlines()

    def excuse(self) -> None:
        """Let its time begin anew."""
        self._heard_s = time.monotonic()
        self._suspected_s = float("inf")

    def due_s(self, timeout_s: float) -> float:
        """Return when to look whether it hangs."""
        is_suspected = self._suspected_s < float("inf")
        return self._suspected_s + LAST_CHANCE_S if is_suspected else self._heard_s + timeout_s

    def is_hung(self, timeout_s: float) -> bool:
        """Tell whether it was silent for the timeout and for its last chance after it."""
        now_s = time.monotonic()
        if now_s - self._heard_s < timeout_s:
            return False
        if self._suspected_s == float("inf"):
            self._suspected_s = now_s
        return now_s - self._suspected_s >= LAST_CHANCE_S


def is_traced(pid: int) -> bool:
    """Tell whether a debugger holds a process: then it is silent because somebody looks at it."""
    try:
        with open(f"/proc/{pid}/status", "rb") as status:
            return any(line.startswith(b"TracerPid:") and line.split()[1] != b"0" for line in status)
    except OSError:
        return False
