"""The fork that makes a worker: the signals and descriptors that the new process inherits from the supervisor.

It does not know when a worker is needed or what happens to it; the supervisor does.
"""

from __future__ import annotations

import gc
import os
import signal
import socket
import time
from collections.abc import Collection, Iterable, Sequence
from typing import TYPE_CHECKING, NoReturn

from fastfile.server.channel import Child, WorkerChannel, make_channel
from fastfile.server.generations import Generation
from fastfile.server.log.access import open_log
from fastfile.server.log.error import ErrorLog
from fastfile.server.net.bind import Listening
from fastfile.server.resources import Plan, Sockets, log_path
from fastfile.server.signals import HANDLED
from fastfile.server.worker import RETIRE, run_worker

if TYPE_CHECKING:
    from fastfile.server.following.follower import FollowerProcess
    from fastfile.server.metrics.endpoint import Metering

ENDS_WITHIN_S = 2.0  # for a killed process, unless its system call waits for a disk
LOOK_S = 0.005


class Forker:
    """Forks the workers for the sockets of ``listening``. Owns the pipe that shows them the end of the supervisor."""

    def __init__(
        self, listening: Listening, errors: ErrorLog, metering: Metering | None, redirecting: Listening | None = None
    ) -> None:
        self.listening = listening
        self._redirecting = redirecting
        self._errors = errors
        self._metering = metering
        # The workers hold the reading end, which reaches its end when this process ends for any reason.
        self._alive_r, self._alive_w = os.pipe()

    def start_worker(self, index: int, generation: Generation, told: Sequence[bytes] = ()) -> Child:
        """Fork the worker of an index, which finds the lines of ``told`` in its channel.

        Raises OSError if there is no process or descriptor for it.
        """
        ours, its = make_channel()
        ours.sendall(b"".join(line + b"\n" for line in told))
        page = 0 if self._metering is None else self._metering.board.take()
        # Until the child has its own handlers, a signal to it must neither be lost nor run the supervisor's.
        signal.pthread_sigmask(signal.SIG_BLOCK, HANDLED)
        try:
            pid = os.fork()
            if pid == 0:
                self._run_worker(index, generation.plan, its, page)
        except OSError:
            ours.close()
            self.retire(page)
            raise
        finally:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, HANDLED)
            its.close()
        child = Child(pid, index, generation.number, ours)
        child.page = page
        child.log_path = log_path(generation.plan.config)
        return child

    def close_sockets(self) -> None:
        """Close the listening sockets of this process."""
        self.listening.close()
        if self._metering is not None:
            self._metering.listening.close()
        if self._redirecting is not None:
            self._redirecting.close()

    def retire(self, page: int) -> None:
        """Keep the counters of a worker that has ended."""
        if self._metering is not None:
            self._metering.board.retire(page)

    def _run_worker(self, index: int, plan: Plan, end: socket.socket, page: int) -> NoReturn:
        status = 1
        try:
            signal.set_wakeup_fd(-1)
            for number in (signal.SIGCHLD, signal.SIGTERM, RETIRE):
                signal.signal(number, signal.SIG_DFL)
            # A terminal and `kill` of the whole group send these to workers too; only the supervisor acts on them.
            for number in (signal.SIGINT, signal.SIGHUP, signal.SIGUSR1):
                signal.signal(number, signal.SIG_IGN)
            signal.pthread_sigmask(signal.SIG_UNBLOCK, HANDLED)
            self._errors.begin_worker(index)
            sockets = self.listening.take(index, plan.config.workers)
            meter = None if self._metering is None else self._metering.make_meter(page)
            redirecting = [] if self._redirecting is None else self._redirecting.take(0, 1)
            port = self.listening.endpoints[0].port
            gc.freeze()  # an owner of one of the descriptors below must not be collected and close its number again
            kept = {
                self._alive_r,
                end.fileno(),
                self._errors.fileno(),
                *(each.fileno() for each in [*sockets, *redirecting]),
            }
            close_descriptors(kept if meter is None else {*kept, meter.listening.fileno()})
            channel = WorkerChannel(self._alive_r, end)
            status = run_worker(plan, Sockets(sockets, redirecting, port), channel, self._errors, meter)
        except BaseException as error:
            self._errors.report_failure(error)
        finally:
            os._exit(status)


def reopen_logs(children: Collection[Child], errors: ErrorLog) -> None:
    """Open the access logs again after their files were renamed, and send them to the workers that write them."""
    for path in {child.log_path for child in children if child.log_path is not None}:
        try:
            fd = open_log(path)
        except OSError as error:
            errors.say(f"cannot open the log again: {error.strerror}; the workers keep the old file")
            continue
        for child in children:
            if child.log_path == path:
                child.send_log(fd)
        os.close(fd)


def close_descriptors(kept: Iterable[int]) -> None:
    """Close all descriptors except the standard ones and ``kept``.

    They belong to the supervisor, or were inherited by it. Their owners must not be collected afterwards: they would
    close a descriptor that reuses the number.
    """
    remaining = {0, 1, 2, *kept}
    try:
        found = {int(name) for name in os.listdir("/dev/fd")}
    except OSError:  # without /proc, try each number
        found = set(range(os.sysconf("SC_OPEN_MAX")))
    for fd in found - remaining:
        os.closerange(fd, fd + 1)  # ignores a descriptor that is already closed, such as that of listdir()


def describe_end(status: int) -> str:
    """Describe how a process ended, from its wait status."""
    if os.WIFSIGNALED(status):
        return f"killed by {signal.Signals(os.WTERMSIG(status)).name}"
    return f"exit status {os.waitstatus_to_exitcode(status)}"


def reap(children: dict[int, Child], followers: Iterable[FollowerProcess]) -> list[tuple[Child, int]]:
    """Remove ended workers from the children, and return them with their exit statuses."""
    dead = []
    while children:
        pid, status = os.waitpid(-1, os.WNOHANG)
        if pid == 0:
            break
        child = children.pop(pid, None)
        if child is not None:  # otherwise an orphan of another process, if this one is PID 1
            dead.append((child, status))
        for follower in followers:
            follower.note_end(pid, status)
    return dead


def await_ends(pids: Iterable[int]) -> list[int]:
    """Wait for killed children; return those that have not ended in time, which nothing can end."""
    left = list(pids)
    deadline_s = time.monotonic() + ENDS_WITHIN_S
    while True:
        left = [pid for pid in left if not _has_ended(pid)]
        if not left or time.monotonic() > deadline_s:
            return left
        time.sleep(LOOK_S)


def _has_ended(pid: int) -> bool:
    try:
        return os.waitpid(pid, os.WNOHANG)[0] != 0
    except ChildProcessError:
        return True
