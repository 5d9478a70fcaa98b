"""The access log: makes each line at once, writes lines later, and never waits for their reader.

If a pipe has no reader, a terminal is stopped by Ctrl-S or the disk is full, the server keeps running: the queue is
bounded, and whole lines beyond it are dropped and counted. O_NONBLOCK is never set on an inherited descriptor, because
other processes, such as the shell, share its file description.
"""

from __future__ import annotations

import errno
import os
import select
import socket
import stat
import time
from collections.abc import Callable

from fastfile.server.log.format import make_lines
from fastfile.server.log.lines import Client, Exchange

QUEUE_LIMIT = 1 << 20  # bytes of queued lines: about 10 000 lines
# Lines per write. A write of 128 lines costs each 15 ns, and the longest lines still fit into half a queue.
_BATCH = 128
_NOBODY_READS = (errno.EAGAIN, errno.EPIPE)  # a pipe or socket whose reader is slow, stopped or gone: no failure


def open_log(path: str) -> int:
    """Open a log file for appending, creating it if needed, and return its descriptor, which the caller closes.

    A named pipe works while a process reads it; without a reader this raises OSError instead of waiting.
    """
    flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOCTTY | os.O_NONBLOCK
    try:
        return os.open(path, flags, 0o644)
    except OSError as error:
        reason = "No process reads this pipe or socket" if error.errno == errno.ENXIO else error.strerror
        raise OSError(error.errno, reason, f"--log-file {path}") from None


class AccessLog:
    """The log of one worker.

    The caller keeps ``fd``: the log writes through its own descriptor, which close() closes. ``now`` returns seconds
    since the epoch.
    """

    def __init__(self, format: str, fd: int, colour: bool, now: Callable[[], float]) -> None:
        self.dropped = 0  # number of lines since the start
        self._lines = make_lines(format, colour)
        self._count = 0  # number of pending lines
        self._now = now
        self._sink = Sink(fd)
        self._queue = bytearray()
        self._unreported = 0

    def make_client(self, peer: str) -> Client:
        """Return the object that a connection passes with its exchanges; ``peer`` is its address."""
        return Client(self._lines.make_peer(peer))

    def record(self, client: Client, exchange: Exchange, body_size: int, second: int) -> None:
        """Make the line of a finished exchange; ``body_size`` is the number of body bytes sent.

        ``second`` is the time as far as it is known without a call, which is enough for some formats and saves two
        calls.
        """
        lines = self._lines
        if lines.timed:
            lines.add(client, exchange, body_size, self._now(), time.monotonic() - exchange[2])
        else:
            lines.add(client, exchange, body_size, second, 0.0)
        self._count += 1
        if self._count >= _BATCH:
            self.flush()

    def flush(self) -> None:
        """Write as much as the descriptor takes now and keep the rest; called about ten times a second."""
        if self._count:
            self._queue_lines()
        self._sink.write(self._queue)
        if self._unreported and not self._queue:
            self._report_dropped()
            self._sink.write(self._queue)

    def replace(self, fd: int) -> None:
        """Write to the file of ``fd`` from now on, after a log rotation. The caller keeps ``fd``."""
        self.flush()
        sink = Sink(fd)
        self._sink.close()
        self._sink = sink

    def take_problem(self) -> str:
        """Return why lines cannot be written, such as a full disk; once for each reason, and empty otherwise."""
        problem: str = self._sink.take_problem()
        return problem

    def close(self) -> None:
        """Write what can be written at once and close the descriptor."""
        self.flush()
        self._sink.close()

    def _queue_lines(self) -> None:
        lines, count = self._lines.take(), self._count
        self._count = 0
        size = len(self._queue)
        # A full queue takes no lines until it is half empty: one report for each gap instead of one for each batch.
        if size + len(lines) > QUEUE_LIMIT or (self._unreported and size > QUEUE_LIMIT // 2):
            self.dropped += count
            self._unreported += count
            return
        if self._unreported:
            self._report_dropped()
        self._queue += lines

    def _report_dropped(self) -> None:
        self._lines.add_gap(self._unreported, self._now())
        self._queue += self._lines.take()
        self._unreported = 0


class Sink:
    """A private descriptor for the file behind another descriptor, written without waiting.

    * A pipe, terminal or device is opened again, through /proc or the terminal's name, for a private, non-blocking file
      description.
    * For a socket (systemd's journal), a flag makes each send non-blocking.
    * A file is written directly; a disk takes no longer than for any other access.
    * Otherwise (a pipe on another system, another user's terminal), each piece waits for poll() first.
    """

    def __init__(self, fd: int) -> None:
        """Duplicate ``fd``, which the caller keeps. Raises OSError if it is not open."""
        mode = os.fstat(fd).st_mode
        self._poll: select.poll | None = None
        self._socket: socket.socket | None = None
        self._problem = ""  # why the last write failed
        self._told = ""
        # Pieces of PIPE_BUF are written whole or not at all, so lines of several workers do not mix.
        self._piece = QUEUE_LIMIT if stat.S_ISREG(mode) else select.PIPE_BUF
        if stat.S_ISSOCK(mode):
            self._socket = socket.socket(fileno=os.dup(fd))
            self._fd = self._socket.fileno()
        elif stat.S_ISREG(mode):
            self._fd = os.dup(fd)
        else:
            self._fd = self._own_description(fd)

    def write(self, queue: bytearray) -> None:
        """Write as much of the queue as possible without waiting, and remove it from the queue."""
        while queue:
            try:
                count = self._write_piece(queue if len(queue) <= self._piece else self._cut(queue))
            except OSError as error:
                # EAGAIN, but also ENOSPC, EPIPE, EIO, EBADF or EFBIG: keep the queue and try again later; lines
                # beyond its limit are counted as dropped.
                if error.errno not in _NOBODY_READS:
                    self._problem = error.strerror or str(error)
                return
            if count == 0:
                return
            self._problem = ""
            del queue[:count]

    def take_problem(self) -> str:
        """Return why writes fail, once for each reason; empty otherwise."""
        new, self._told = self._problem if self._problem != self._told else "", self._problem
        return new

    def fileno(self) -> int:
        return self._fd

    def close(self) -> None:
        if self._socket is not None:
            self._socket.close()
        else:
            os.close(self._fd)

    def _cut(self, queue: bytearray) -> bytearray:
        """Return the next piece of a longer queue: whole lines, if one fits."""
        return queue[: queue.rfind(b"\n", 0, self._piece) + 1 or self._piece]

    def _write_piece(self, piece: bytearray) -> int:
        if self._socket is not None:
            return self._socket.send(piece, socket.MSG_DONTWAIT)
        if self._poll is not None and not self._poll.poll(0):
            return 0
        return os.write(self._fd, piece)

    def _own_description(self, fd: int) -> int:
        try:
            return _open_again(fd)
        except OSError:
            own = os.dup(fd)
            # Another worker may fill the pipe between poll and write, and then the write waits.
            self._poll = select.poll()
            self._poll.register(own, select.POLLOUT)
            return own


def _open_again(fd: int) -> int:
    flags = os.O_WRONLY | os.O_APPEND | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY
    try:
        return os.open(f"/proc/self/fd/{fd}", flags)
    except OSError:
        return os.open(os.ttyname(fd), flags)
