"""``--run``: a command that runs beside the server, and ends with it, even if the server is killed.

A small keeper process prefixes the command's output, and ends it once the supervisor has ended. The command has its own
process group, so its child processes end with it.
"""

from __future__ import annotations

import contextlib
import mmap
import os
import select
import signal
import struct
import subprocess
import time
import traceback
from collections import deque

from fastfile.records import NamedTuple
from fastfile.server.fork import close_descriptors
from fastfile.terminal import DIM, paint, wants_colour

PATIENCE_S = 3.0  # time for the command to end by itself
LOOK_S = 0.1  # how often to check whether it has ended, while another process holds its output open
TAIL_LINES = 12  # last lines of its output, for the notice in the pages
MAX_LINE = 4096  # bytes; a longer one is cut
_SIZE = 8192
_HEAD = struct.Struct("=iiI")  # whether it has ended, its exit status, the length of the tail
_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1)


class End(NamedTuple):
    """How a command ended. ``status`` is as in subprocess: negative for a signal. ``tail`` is its last output."""

    status: int
    tail: bytes


class Report:
    """Written by the keeper and read by workers: one page of shared memory."""

    def __init__(self, command: str) -> None:
        self.command = command
        self._memory = mmap.mmap(-1, _SIZE)

    def end(self) -> End | None:
        """Return how the command ended; None while it runs."""
        has_ended, status, size = _HEAD.unpack_from(self._memory)
        return End(status, self._memory[_HEAD.size : _HEAD.size + size]) if has_ended else None

    def note_end(self, status: int, tail: bytes) -> None:
        """Record the end; the flag that it exists is written last."""
        tail = tail[-(_SIZE - _HEAD.size) :]
        self._memory[_HEAD.size : _HEAD.size + len(tail)] = tail
        _HEAD.pack_into(self._memory, 0, 0, status, len(tail))
        _HEAD.pack_into(self._memory, 0, 1, status, len(tail))


class Command:
    """Runs from start() to stop(), in the process that starts it."""

    def __init__(self, text: str) -> None:
        self.report = Report(text)
        self._pid = 0
        self._alive_w = -1  # its other end tells the keeper that the server has ended

    def start(self) -> None:
        """Fork the keeper, which starts the command. Raises OSError."""
        alive_r, self._alive_w = os.pipe()
        self._pid = os.fork()
        if self._pid == 0:
            try:
                close_descriptors({alive_r})
                Keeper(self.report, alive_r).run()
            except BaseException:
                _print(traceback.format_exc().encode())
            finally:
                os._exit(0)
        os.close(alive_r)

    def stop(self) -> None:
        """End the command, and wait for it."""
        if not self._pid:
            return
        os.close(self._alive_w)
        with contextlib.suppress(ChildProcessError):  # the supervisor has reaped it
            os.waitpid(self._pid, 0)
        self._pid = 0


class Keeper:
    """The process that keeps the command; ``alive_fd`` reaches its end when the server ends."""

    def __init__(self, report: Report, alive_fd: int) -> None:
        self._report = report
        self._alive_fd = alive_fd
        self._prefix = paint("run |", wants_colour(os.isatty(2)), DIM).encode() + b" "
        self._line = b""
        self._tail: deque[bytes] = deque(maxlen=TAIL_LINES)

    def run(self) -> None:
        """Start the command, pass its output on, and end it with the server."""
        signal.set_wakeup_fd(-1)
        signal.pthread_sigmask(signal.SIG_SETMASK, ())
        for number in _SIGNALS:  # they are for the supervisor, which ends this process
            signal.signal(number, signal.SIG_IGN)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        environment = dict(os.environ)
        if wants_colour(os.isatty(2)):
            environment.setdefault("FORCE_COLOR", "1")
        # Its input stays open, because many watch modes end with it.
        process = subprocess.Popen(
            self._report.command,
            shell=True,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            process_group=0,
            env=environment,
            preexec_fn=_restore_signals,
        )
        try:
            self._watch(process)
        finally:
            end_group(process)

    def _watch(self, process: subprocess.Popen[bytes]) -> None:
        """Pass the output on until the server has ended."""
        assert process.stdout is not None
        poll = select.poll()
        poll.register(self._alive_fd, 0)
        poll.register(process.stdout, select.POLLIN)
        has_ended = is_closed = False
        while True:
            ready = [fd for fd, _ in poll.poll(None if has_ended and is_closed else LOOK_S * 1000)]
            if self._alive_fd in ready:
                return
            if ready:
                data = os.read(process.stdout.fileno(), 65536)
                self._pass_on(data)
                if not data:
                    is_closed = True
                    poll.unregister(process.stdout)
            elif not has_ended and process.poll() is not None:
                has_ended = True
                self._pass_on(b"")
                self._tell_end(process.returncode)

    def _pass_on(self, data: bytes) -> None:
        """Print whole lines, each with the prefix; ``data`` is empty at the end."""
        *lines, self._line = (self._line + data).split(b"\n")
        if (not data and self._line) or len(self._line) > MAX_LINE:
            lines.append(self._line)
            self._line = b""
        for line in lines:
            self._tail.append(line.rpartition(b"\r")[2][:MAX_LINE])
        _print(b"".join(self._prefix + line + b"\n" for line in lines))

    def _tell_end(self, status: int) -> None:
        how = f"was killed by {signal.Signals(-status).name}" if status < 0 else f"ended with exit status {status}"
        _print(f"fastfile: --run: {self._report.command} {how}\n".encode(errors="backslashreplace"))
        self._report.note_end(status, b"\n".join(self._tail))


def end_group(process: subprocess.Popen[bytes]) -> None:
    """End a command and all its child processes: by SIGTERM, and then by SIGKILL."""
    until_s = time.monotonic() + PATIENCE_S
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGTERM)
        while time.monotonic() < until_s:
            process.poll()  # reaped, or its group would never be gone
            os.killpg(process.pid, 0)
            time.sleep(0.02)
        os.killpg(process.pid, signal.SIGKILL)
    process.poll()


def _restore_signals() -> None:
    for number in _SIGNALS:
        signal.signal(number, signal.SIG_DFL)


def _print(text: bytes) -> None:
    """Write to standard error; a closed terminal is not a reason to end."""
    while text:
        try:
            text = text[os.write(2, text) :]
        except BlockingIOError:
            time.sleep(0.01)
        except OSError:
            return
