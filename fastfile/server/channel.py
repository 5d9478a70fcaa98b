"""The channel between the supervisor and a worker: a Unix socket pair, its messages, and what silence means.

A worker reports that it serves, that it is alive, or why it cannot start. The supervisor sends descriptors of reopened
log files, which a worker in its sandbox could not open.
"""

from __future__ import annotations

import contextlib
import socket
import time

# The messages of a worker, a line each; any other line is the reason why it cannot start.
READY = b"+"  # followed by the sandbox that is in force
RENEW = b"~"  # the sandbox does not let this worker open what it needs: a new worker could
ALIVE = b"."
# The message of the supervisor: the descriptor of the reopened access log comes with it.
REOPENED_LOG = b"L"
# Time after the timeout, counted from when the supervisor notices the silence. A worker that was suspended together
# with the supervisor (a suspended machine, a paused container) sends its next message within it.
LAST_CHANCE_S = 2.5


class WorkerChannel:
    """The worker's end. ``socket`` is readable when a message has come; ``supervisor_fd`` when the supervisor ended."""

    def __init__(self, supervisor_fd: int, end: socket.socket) -> None:
        self.supervisor_fd = supervisor_fd
        self.socket = end

    def send(self, line: bytes) -> None:
        """Send a line. It is lost when the supervisor has read nothing for so long that the socket is full."""
        with contextlib.suppress(BlockingIOError, BrokenPipeError, ConnectionResetError):
            self.socket.send(line + b"\n")

    def receive_logs(self) -> list[int]:
        """Return the descriptors of reopened logs that have come; the caller owns them."""
        try:
            _, received, _, _ = socket.recv_fds(self.socket, 1024, 16)
        except (BlockingIOError, ConnectionResetError):
            return []
        return received


class Child:
    """The supervisor's view of a worker process. ``fd`` is -1 once the worker has closed its end of the channel."""

    def __init__(self, pid: int, index: int, generation: int, end: socket.socket) -> None:
        self.pid = pid
        self.index = index
        self.generation = generation
        self.fd = end.fileno()
        self.is_ready = False
        self.page = 0  # of its counters, if any (metrics/endpoint.py)
        self.log_path: str | None = None  # of the access log that it writes
        self.message = ""  # why it ends, if that is known better than from its exit status
        self.born_s = self._heard_s = time.monotonic()
        self._suspected_s = float("inf")
        self._socket = end

    def receive(self) -> list[bytes]:
        """Return the lines that have come; any of them shows that the worker is alive."""
        try:
            data = self._socket.recv(4096)
        except BlockingIOError:
            return []
        except ConnectionResetError:  # it ended before it read what was sent to it
            data = b""
        if not data:
            self.close()
        self.note_alive()
        return data.splitlines()

    def send_log(self, log_fd: int) -> None:
        """Send the descriptor of a reopened log. A worker that reads nothing any more keeps the old one."""
        if self.fd >= 0:
            with contextlib.suppress(BlockingIOError, BrokenPipeError, ConnectionResetError):
                socket.send_fds(self._socket, [REOPENED_LOG], [log_fd])

    def close(self) -> None:
        self._socket.close()
        self.fd = -1

    def note_alive(self) -> None:
        """Begin its time again."""
        self._heard_s = time.monotonic()
        self._suspected_s = float("inf")

    def due_s(self, timeout_s: float) -> float:
        """Return when to check whether it hangs."""
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


def make_channel() -> tuple[socket.socket, socket.socket]:
    """Return the ends of the supervisor and of the worker. Raises OSError."""
    ends = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
    for end in ends:
        end.setblocking(False)
    return ends


def is_traced(pid: int) -> bool:
    """Tell whether a debugger holds a process, which is then silent for that reason."""
    try:
        with open(f"/proc/{pid}/status", "rb") as status:
            return any(line.startswith(b"TracerPid:") and line.split()[1] != b"0" for line in status)
    except OSError:
        return False
