"""The supervisor: it owns the listening sockets, keeps the workers alive, and hears the signals.

It holds no event loop and serves nobody: it waits for signals and for its workers' pipes, so little can go wrong in it.
"""

from __future__ import annotations

import contextlib
import gc
import os
import select
import signal
import socket
import time
from collections.abc import Callable, Iterable, Sequence
from typing import NoReturn

from fastfile.config import Address, Config
from fastfile.errors import StartError
from fastfile.server.errorlog import ErrorLog
from fastfile.server.lifeline import BEAT, READY, RENEW, Child, Lifeline, is_traced
from fastfile.server.listener import Listening, listen
from fastfile.server.privileges import drop_privileges
from fastfile.server.sandbox import enter_sandbox, rehearse
from fastfile.server.worker import RETIRE, Worker, make_log

HANDLED = (signal.SIGCHLD, signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
# A worker that dies is replaced at once; one that keeps dying, more and more slowly (HARDENING 20).
FIRST_DELAY_S = 0.1
MAX_DELAY_S = 5.0
PROVEN_S = 10.0  # a worker that lived so long is no part of a crash loop
MAX_FAILED_STARTS = 3  # of one worker, before the server has begun to serve
SPAWN_RETRY_S = 1.0  # after the system had no process or descriptor for a worker
KILL_MARGIN_S = 1.0  # beyond the grace, in which a worker should have ended by itself

# Told once, when all workers serve: the addresses, the notices, and what --sandbox came to.
OnReady = Callable[[Sequence[Address], Sequence[str], str], None]


def serve(config: Config, root_path: str, on_ready: OnReady) -> int:
    """Serve until told to stop: the exit status. Raises StartError when it cannot begin."""
    preload(config.loop)
    rehearse()
    errors = ErrorLog()
    listening = listen(config)
    try:
        drop_privileges(config, root_path)
        return Supervisor(config, os.fsencode(root_path), listening, errors, on_ready).run()
    finally:
        listening.close()
        errors.close()


def preload(loop: str) -> None:
    """Import the event loop once, before the forks. Raises StartError when --loop names what is not there."""
    if loop != "asyncio":
        try:
            import uvloop  # noqa: F401
        except ImportError:
            if loop == "uvloop":
                raise StartError(
                    "--loop uvloop: uvloop is not installed; pip install uvloop, or --loop asyncio"
                ) from None


class Supervisor:
    """Runs ``config.workers`` workers on the sockets of ``listening``; run() returns when all have ended."""

    def __init__(
        self, config: Config, root_path: bytes, listening: Listening, errors: ErrorLog, on_ready: OnReady
    ) -> None:
        self._config = config
        self._root_path = root_path
        self._listening = listening
        self._errors = errors
        self._heartbeat_s = config.heartbeat_timeout or float("inf")
        self._on_ready: OnReady | None = on_ready
        self._children: dict[int, Child] = {}
        self._restarts: list[tuple[float, int]] = []  # at what time which worker
        self._failures = [0] * config.workers  # in a row
        self._generation = 0
        self._stopping = False
        self._kill_at_s = float("inf")
        # The workers hold the reading end: it ends when we do, however we die.
        self._lifeline_r, self._lifeline_w = os.pipe()
        self._signals_r, self._signals_w = os.pipe()
        os.set_blocking(self._signals_w, False)

    def run(self) -> int:
        for number in HANDLED:
            signal.signal(number, _ignore)
        signal.set_wakeup_fd(self._signals_w, warn_on_full_buffer=False)
        gc.freeze()  # what is here now is shared with the workers: let no collection touch it
        try:
            self._start_generation()
            while self._children or self._restarts:
                self._wait()
        finally:
            # One more SIGTERM while the interpreter winds up must not turn a clean end into a death by signal.
            for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
                signal.signal(number, signal.SIG_IGN)
            self._kill_all()
        return 0

    def _start_generation(self) -> None:
        for index in range(self._config.workers):
            self._spawn(index)

    def _spawn(self, index: int) -> None:
        """Start a worker; where the system has no process or descriptor for it, try again later."""
        try:
            speech_r, speech_w = os.pipe()
        except OSError as error:
            self._on_failed_spawn(index, error)
            return
        # Until the child has its own, a signal to it must neither be lost nor run our handlers.
        signal.pthread_sigmask(signal.SIG_BLOCK, HANDLED)
        try:
            pid = os.fork()
            if pid == 0:
                os.close(speech_r)
                self._be_worker(index, speech_w)
            self._children[pid] = Child(pid, index, self._generation, speech_r)
        except OSError as error:
            os.close(speech_r)
            self._on_failed_spawn(index, error)
        finally:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, HANDLED)
            os.close(speech_w)

    def _on_failed_spawn(self, index: int, error: OSError) -> None:
        if self._on_ready is not None:
            raise StartError(f"cannot start a worker: {error.strerror}") from error
        self._errors.say(f"cannot start a worker: {error.strerror}; it is tried again in {SPAWN_RETRY_S:.0f} s")
        self._restarts.append((time.monotonic() + SPAWN_RETRY_S, index))

    def _be_worker(self, index: int, speech_w: int) -> NoReturn:
        status = 1
        try:
            signal.set_wakeup_fd(-1)
            for number in (signal.SIGCHLD, signal.SIGTERM):
                signal.signal(number, signal.SIG_DFL)
            for number in (signal.SIGINT, signal.SIGHUP):  # a terminal sends them to us too; the supervisor decides
                signal.signal(number, signal.SIG_IGN)
            signal.pthread_sigmask(signal.SIG_UNBLOCK, HANDLED)
            siblings = [child.speech_fd for child in self._children.values() if child.speech_fd >= 0]
            for fd in (self._lifeline_w, self._signals_r, self._signals_w, *siblings):
                os.close(fd)
            self._listening.close_others(index)
            self._errors.begin_worker()
            lifeline = Lifeline(self._lifeline_r, speech_w)
            status = run_worker(
                self._config, self._root_path, self._listening.socket_for(index), lifeline, self._errors
            )
        except BaseException as error:
            self._errors.report_failure(error)
        finally:
            os._exit(status)

    def _wait(self) -> None:
        """Sleep until something happens, and see to it."""
        poll = select.poll()
        poll.register(self._signals_r, select.POLLIN)
        speaking = {child.speech_fd: child for child in self._children.values() if child.speech_fd >= 0}
        for fd in speaking:
            poll.register(fd, select.POLLIN)
        for fd, _ in poll.poll(self._sleep_ms()):
            if fd in speaking:
                self._hear(speaking[fd])
            else:
                for number in os.read(fd, 512):
                    self._on_signal(number)
        self._reap()
        self._kill_hung()
        self._restart_due()
        self._errors.flush()
        if time.monotonic() > self._kill_at_s:
            self._kill_all()

    def _sleep_ms(self) -> int | None:
        late = (child.due_s(self._heartbeat_s) for child in self._children.values())
        due_s = min([self._kill_at_s, *late, *(when for when, _ in self._restarts)])
        return None if due_s == float("inf") else max(0, int((due_s - time.monotonic()) * 1000) + 1)

    def _on_signal(self, number: int) -> None:
        if number == signal.SIGINT and self._stopping:
            self._kill_all()
        elif number in (signal.SIGTERM, signal.SIGINT) and not self._stopping:
            self._stopping = True
            self._restarts.clear()
            self._kill_at_s = time.monotonic() + self._config.grace + KILL_MARGIN_S
            self._signal_children(signal.SIGTERM, self._children.values())
            # Each worker takes up who waits on its socket and closes it: who comes later is refused, not left hanging.
            self._listening.close()
        elif number == signal.SIGHUP and not self._stopping:
            self._generation += 1
            self._restarts.clear()
            self._start_generation()

    def _hear(self, child: Child) -> None:
        for line in child.listen():
            if line == BEAT:
                continue
            if line.startswith(READY):
                child.is_ready = True
                self._greet(line.removeprefix(READY).decode(errors="replace"))
            elif line == RENEW:
                self._renew(child)
            else:
                child.message += line.decode(errors="replace")

    def _renew(self, child: Child) -> None:
        """Replace all workers when one asks for it, once: the others of its generation need it as well."""
        if not self._stopping and child.generation == self._generation and self._on_ready is None:
            self._on_signal(signal.SIGHUP)

    def _greet(self, sandbox: str) -> None:
        """When the last worker of a generation serves: tell the world, and retire the generation before."""
        current = [child for child in self._children.values() if child.generation == self._generation]
        if sum(child.is_ready for child in current) < self._config.workers:
            return
        old = [child for child in self._children.values() if child.generation != self._generation]
        self._signal_children(RETIRE, old)
        if self._on_ready is not None:
            self._on_ready([self._listening.address], self._listening.notices, sandbox)
            self._on_ready = None

    def _reap(self) -> None:
        while self._children:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if pid == 0:
                return
            child = self._children.pop(pid, None)
            if child is None:  # somebody else's orphan, when we are PID 1
                continue
            while child.speech_fd >= 0:
                self._hear(child)
            if not self._stopping and child.generation == self._generation:
                self._on_death(child, status)
            elif child.message:
                self._errors.say(f"worker {child.pid} ended: {child.message}")

    def _kill_hung(self) -> None:
        """End the workers that have said nothing for too long: they serve nobody. Their end is as any other's."""
        for child in self._children.values():
            if child.message or not child.is_hung(self._heartbeat_s):
                continue
            if is_traced(child.pid):
                child.excuse()
                continue
            child.message = f"no sign of life for {self._heartbeat_s:g} s, so it was killed"
            self._signal_children(signal.SIGKILL, [child])

    def _on_death(self, child: Child, status: int) -> None:
        """Log why a worker ended and have it replaced; give up when the server has not yet begun to serve."""
        cause = child.message or _say_status(status)
        lived_s = time.monotonic() - child.born_s
        failures = self._failures[child.index] = 1 if lived_s > PROVEN_S else self._failures[child.index] + 1
        if self._on_ready is not None and (child.message or failures >= MAX_FAILED_STARTS):
            raise StartError(cause)
        delay_s = 0.0 if failures == 1 else min(FIRST_DELAY_S * 2 ** (failures - 2), MAX_DELAY_S)
        self._errors.say(
            f"worker {child.pid} ended: {cause}; "
            + (f"the next starts in {delay_s:.1f} s" if delay_s else "the next starts now")
        )
        self._restarts.append((time.monotonic() + delay_s, child.index))

    def _restart_due(self) -> None:
        now_s = time.monotonic()
        due = [index for when, index in self._restarts if when <= now_s]
        self._restarts = [restart for restart in self._restarts if restart[0] > now_s]
        for index in due:
            self._spawn(index)

    @staticmethod
    def _signal_children(number: int, children: Iterable[Child]) -> None:
        for child in children:
            with contextlib.suppress(ProcessLookupError):
                os.kill(child.pid, number)

    def _kill_all(self) -> None:
        """Leave no worker behind, nor its zombie."""
        self._stopping = True
        self._signal_children(signal.SIGKILL, self._children.values())
        for pid in self._children:
            with contextlib.suppress(ChildProcessError):
                os.waitpid(pid, 0)
        self._children.clear()


def run_worker(config: Config, root_path: bytes, listening: socket.socket, lifeline: Lifeline, errors: ErrorLog) -> int:
    """Be a worker until told to stop: the exit status. Says that it serves, or why it cannot start."""
    try:
        worker = Worker(config, root_path, listening, make_log(config), lifeline, errors)
        sandbox = enter_sandbox(config, worker.root)
    except (OSError, StartError) as error:
        lifeline.say(str(error).encode())
        return 1
    worker.run(sandbox)
    return 0


def _ignore(*_: object) -> None:
    """Python-level handler: the wake-up descriptor carries the news."""


def _say_status(status: int) -> str:
    if os.WIFSIGNALED(status):
        return f"killed by {signal.Signals(os.WTERMSIG(status)).name}"
    return f"exit status {os.waitstatus_to_exitcode(status)}"
