"""The channel between the supervisor and a worker: a Unix socket pair, its messages, and the rule for silence.

A worker reports that it is ready, that it is alive, or why it cannot start. The supervisor sends descriptors of
reopened log files, which a sandboxed worker cannot open.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import time
from collections.abc import Iterable

# The messages of a worker, a line each; any other line is the reason why it cannot start.
READY = b"+"  # followed by a description of the sandbox
RENEW = b"~"  # the sandbox keeps this worker from opening a file that a new worker could open
ALIVE = b"."
ASK = b"?"  # for the follower, if there is one: read the pointer now (following/status.py)
# The message of the supervisor, together with the descriptor of the reopened access log. There are those of the
# follower too (following/status.py).
REOPENED_LOG = b"L"
# Extra time after the timeout, counted from when the supervisor notices the silence. A worker that was suspended
# together with the supervisor (a suspended machine, a paused container) sends its next message in that time.
LAST_CHANCE_S = 2.5


class WorkerChannel:
    """The worker's end. ``socket`` is readable when a message arrives; ``supervisor_fd`` when the supervisor ends."""

    def __init__(self, supervisor_fd: int, end: socket.socket) -> None:
        self.supervisor_fd = supervisor_fd
        self.socket = end
        self._received = b""  # the begin of a line

    def send(self, line: bytes) -> None:
        """Send a line. It is lost if the supervisor has read nothing for so long that the socket is full."""
        with contextlib.suppress(BlockingIOError, BrokenPipeError, ConnectionResetError):
            self.socket.send(line + b"\n")

    def receive(self) -> tuple[list[bytes], list[int]]:
        """Return the received lines, and the descriptors of reopened logs, which the caller owns."""
        try:
            data, logs, _, _ = socket.recv_fds(self.socket, 65536, 16)
        except (BlockingIOError, ConnectionResetError):
            return [], []
        *lines, self._received = (self._received + data).split(b"\n")
        return lines, logs


class Silence:
    """How long a process has sent nothing, and whether that is too long. It may announce ``announced_s``."""

    def __init__(self, announced_s: float = 0.0) -> None:
        self.announced_s = announced_s
        self.note_alive()

    def note_alive(self) -> None:
        """Restart its heartbeat timeout."""
        self._heard_s = time.monotonic()
        self._suspected_s = float("inf")

    def due_s(self, timeout_s: float) -> float:
        """Return when to check whether it hangs."""
        is_suspected = self._suspected_s < float("inf")
        return self._suspected_s + LAST_CHANCE_S if is_suspected else self._heard_s + max(timeout_s, self.announced_s)

    def is_hung(self, timeout_s: float) -> bool:
        """Tell whether it was silent for the timeout, or for what it announced, and the extra time after it."""
        now_s = time.monotonic()
        if now_s - self._heard_s < max(timeout_s, self.announced_s):
            return False
        if self._suspected_s == float("inf"):
            self._suspected_s = now_s
        return now_s - self._suspected_s >= LAST_CHANCE_S


class Child(Silence):
    """The supervisor's view of a worker process. ``fd`` is -1 once the worker has closed its end of the channel."""

    def __init__(self, pid: int, index: int, generation: int, end: socket.socket) -> None:
        super().__init__()
        self.pid = pid
        self.index = index
        self.generation = generation
        self.fd = end.fileno()
        self.is_ready = False
        self.page = 0  # page of its counters, if any (metrics/endpoint.py)
        self.log_path: str | None = None  # path of its access log
        self.message = ""  # why it ends, if more is known than its exit status
        self.born_s = time.monotonic()
        self._socket = end

    def receive(self) -> list[bytes]:
        """Return the received lines; any line shows that the worker is alive."""
        try:
            data = self._socket.recv(4096)
        except BlockingIOError:
            return []
        except ConnectionResetError:  # it ended before it read all messages
            data = b""
        if not data:
            self.close()
        self.note_alive()
        return data.splitlines()

    def send_log(self, log_fd: int) -> None:
        """Send the descriptor of a reopened log. A worker that no longer reads keeps the old one."""
        if self.fd >= 0:
            with contextlib.suppress(BlockingIOError, BrokenPipeError, ConnectionResetError):
                socket.send_fds(self._socket, [REOPENED_LOG + b"\n"], [log_fd])

    def send(self, line: bytes) -> None:
        """Send a line. It is lost if the worker has read nothing for so long that the socket is full."""
        if self.fd >= 0:
            with contextlib.suppress(BlockingIOError, BrokenPipeError, ConnectionResetError):
                self._socket.send(line + b"\n")

    def close(self) -> None:
        self._socket.close()
        self.fd = -1


def make_channel() -> tuple[socket.socket, socket.socket]:
    """Return the ends of the supervisor and of the worker. Raises OSError."""
    ends = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
    for end in ends:
        end.setblocking(False)
    return ends


def signal_children(number: int, children: Iterable[Child]) -> None:
    """Send a signal to workers, some of which may have ended."""
    for child in children:
        with contextlib.suppress(ProcessLookupError):
            os.kill(child.pid, number)


def kill_hung(children: Iterable[Child], silence_s: float) -> None:
    """Kill workers that were silent for too long; they are replaced like any worker that ends."""
    for child in children:
        if child.message or not child.is_hung(silence_s):
            continue
        child.note_alive()  # one that waits for a disk does not end at once
        if not is_traced(child.pid):
            child.message = f"no heartbeat for {silence_s:g} s, so it was killed"
            signal_children(signal.SIGKILL, [child])


def is_traced(pid: int) -> bool:
    """Tell whether a debugger stops a process, which explains its silence."""
    try:
        with open(f"/proc/{pid}/status", "rb") as status:
            return any(line.startswith(b"TracerPid:") and line.split()[1] != b"0" for line in status)
    except OSError:
        return False
