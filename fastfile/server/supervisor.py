"""The supervisor: it owns the listening sockets, keeps the workers alive, and acts on signals.

It has no event loop and serves no request: it only waits for signals and its workers' messages, so little can go wrong
in it.
"""

from __future__ import annotations

import gc
import select
import signal
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING

from fastfile.config.config import Config, Endpoint
from fastfile.errors import ConfigError, StartError
from fastfile.server.backoff import Restarts
from fastfile.server.channel import ALIVE, ASK, READY, RENEW, Child, kill_hung, signal_children
from fastfile.server.fork import Forker, await_ends, describe_end, reap, reopen_logs
from fastfile.server.generations import Generations
from fastfile.server.https.certificates import CertificateWatch, renew
from fastfile.server.log.error import ErrorLog
from fastfile.server.net.bind import Listening
from fastfile.server.resources import Plan, folders_of
from fastfile.server.signals import SignalPipe, Stopping, ends_on_hangup
from fastfile.server.systemd import Manager
from fastfile.server.worker import RETIRE
from fastfile.storage.mount_table import MountWatch

if TYPE_CHECKING:
    from fastfile.server.following.follower import FollowerProcess
    from fastfile.server.metrics.endpoint import Metering

MAX_FAILED_STARTS = 3  # failures of one worker before the server, or a reload, counts as failed
SPAWN_RETRY_S = 1.0  # delay after the system had no process or descriptor for a worker
LONGEST_SLEEP_S = 86400.0  # poll(2) takes an int of milliseconds
MAX_DRAINING = 8  # generations that finish their transfers: each uses the memory of all its workers

# Called once, when all workers are ready, with the endpoints, the notices, and the sandbox in force.
OnReady = Callable[[Sequence[Endpoint], Sequence[str], str], None]


class Supervisor:
    """Runs the workers of ``plan`` on the sockets of ``listening``; run() returns when all have ended.

    ``reread`` makes a new plan from the current settings; it raises ConfigError or StartError.
    """

    def __init__(
        self,
        plan: Plan,
        reread: Callable[[Plan], Plan],
        listening: Listening,
        errors: ErrorLog,
        manager: Manager,
        metering: Metering | None,
        on_ready: OnReady,
        redirecting: Listening | None = None,
        follower: FollowerProcess | None = None,
    ) -> None:
        self._reread = reread
        self._errors = errors
        self._manager = manager
        self._metering = metering
        self._on_ready = on_ready
        self._generations = Generations(plan)
        self._children: dict[int, Child] = {}
        self._followers = () if follower is None else (follower,)
        for each in self._followers:
            each.workers = self._children
        self._restarts = Restarts()
        self._stopping = Stopping()
        self._watch = CertificateWatch()
        self._mounts = MountWatch()
        self._mounts.begin(folders_of(plan))
        self._forker = Forker(listening, errors, metering, redirecting)
        self._signals = SignalPipe()
        self._ends_on_hangup = ends_on_hangup()

    def run(self) -> int:
        """Start the workers, supervise them until they have ended, and return the exit status. Raises StartError."""
        self._signals.open()
        gc.freeze()  # workers share these objects: keep the collector from touching them
        try:
            self._spawn_missing()
            while self._children or self._restarts.planned:
                self._wait()
        finally:
            self._signals.ignore()
            self._mounts.close()
            self._kill_all()
        return 0

    @property
    def _config(self) -> Config:
        return self._generations.current.plan.config

    @property
    def _silence_s(self) -> float:
        return self._config.heartbeat_timeout or float("inf")

    def _is_current(self, child: Child) -> bool:
        return child.generation == self._generations.current.number

    def _spawn_missing(self) -> None:
        there = {child.index for child in self._children.values() if self._is_current(child)}
        for index in range(self._config.workers):
            if index not in there:
                self._spawn(index)

    def _spawn(self, index: int) -> None:
        """Start a worker; if the system has no process or descriptor for it, try again later."""
        try:
            child = self._forker.start_worker(index, self._generations.current, [each.last for each in self._followers])
        except OSError as error:
            self._on_failed_spawn(index, error)
        else:
            self._children[child.pid] = child

    def _on_failed_spawn(self, index: int, error: OSError) -> None:
        if self._generations.settled is None:
            raise StartError(f"cannot start a worker: {error.strerror}") from error
        self._errors.say(f"cannot start a worker: {error.strerror}; trying again in {SPAWN_RETRY_S:.0f} s")
        self._restarts.plan(index, SPAWN_RETRY_S)

    def _wait(self) -> None:
        """Sleep until something happens, and handle it."""
        connected = {end.fd: end for end in (*self._children.values(), *self._followers) if end.fd >= 0}
        poll = select.poll()
        for fd in (self._signals.fd, *connected):
            poll.register(fd, select.POLLIN)
        if self._mounts.fd >= 0:
            poll.register(self._mounts.fd, select.POLLPRI)
        for fd, _ in poll.poll(self._sleep_ms()):
            if fd == self._mounts.fd and self._mounts.has_changed() and not self._stopping.has_begun:
                self._replace_by(self._renew)
            end = connected.get(fd)
            if isinstance(end, Child):
                self._receive(end)
            elif end is not None:
                end.receive()
        dead = reap(self._children, self._followers)
        # Last, because a SIGTERM to the whole group that ended a worker is among the signals: then it was no crash.
        for number in self._signals.take():
            self._on_signal(number)
        for child, status in dead:
            self._on_end(child, status)
        kill_hung(self._children.values(), self._silence_s)
        for index in self._restarts.take_due():
            self._spawn(index)
        for follower in self._followers:
            follower.kill_hung(self._silence_s)
            follower.start_due()
        plan = self._generations.current.plan
        reason = self._watch.maybe_due(plan.contexts, plan.config.tls_ticket_key_life)
        if reason and not self._stopping.has_begun:
            self._replace_by(partial(self._renew_certificates, reason))
        self._errors.flush()
        self._manager.beat()
        if self._stopping.is_notice_due():
            self._errors.say(f"requests in flight get {self._config.grace:g} s; press Ctrl+C again to stop now")
        if self._stopping.is_over():
            self._kill_all()

    def _sleep_ms(self) -> int | None:
        late = (child.due_s(self._silence_s) for child in self._children.values())
        starts = (follower.due_s(self._silence_s) for follower in self._followers)
        due_s = min(self._stopping.due_s, self._manager.due_s, self._restarts.due_s, *late, *starts)
        sleep_s = min(max(0.0, due_s - time.monotonic()), LONGEST_SLEEP_S)
        return None if due_s == float("inf") else int(sleep_s * 1000) + 1

    def _on_signal(self, number: int) -> None:
        has_begun = self._stopping.has_begun
        if number == signal.SIGINT and has_begun:
            self._kill_all()
        elif number in (signal.SIGTERM, signal.SIGINT) and not has_begun:
            self._stop(number == signal.SIGINT and self._ends_on_hangup)
        elif number == signal.SIGHUP and not has_begun:
            if self._ends_on_hangup:
                self._errors.say("the terminal was closed (SIGHUP): stopping")
                self._stop(False)
            else:
                self._replace_by(self._reload)
        elif number == signal.SIGUSR1:
            reopen_logs(self._children.values(), self._errors)
        elif number == signal.SIGUSR2:
            self._ask_follower()

    def _stop(self, in_terminal: bool) -> None:
        """Let the workers finish requests in flight, within the grace period."""
        self._stopping.begin(self._config.grace, in_terminal)
        self._manager.stopping()
        self._restarts.clear()
        for follower in self._followers:
            follower.stop()
        signal_children(signal.SIGTERM, self._children.values())
        # Each worker accepts the clients in its queue, then closes it: later ones are refused instead of left waiting.
        self._forker.close_sockets()

    def _replace_by(self, replace: Callable[[], None]) -> None:
        """Replace the workers now, or after the starting generation is ready or has failed.

        So however many signals arrive, only one generation is starting, with at most one replacement after it.
        """
        generations = self._generations
        if not generations.is_starting:
            replace()
        elif generations.pending != self._reload:  # which includes the other kinds of replacement
            generations.pending = replace

    def _reload(self) -> None:
        """Replace all workers by ones with the current settings; if those are wrong, nothing changes."""
        self._manager.reloading()
        try:
            plan = self._reread(self._generations.current.plan)
        except (ConfigError, StartError, OSError) as error:
            self._refuse_reload(str(error))
            return
        self._forker.listening.widen(plan.config)
        self._mounts.begin(folders_of(plan))
        self._begin_generation(plan, True)

    def _refuse_reload(self, cause: str) -> None:
        if self._metering is not None:
            self._metering.board.note_reload(False)
        self._errors.say(f"the old settings stay in force: {cause}")
        self._manager.ready()

    def _renew(self) -> None:
        """Replace all workers by ones with the same settings, which look at the roots and their disks again."""
        self._begin_generation(self._generations.current.plan, False)

    def _renew_certificates(self, reason: str) -> None:
        """Replace all workers by ones with the current certificates; if those are wrong, nothing changes."""
        plan = renew(self._generations.current.plan, reason, self._errors.say)
        if plan is not None:
            self._begin_generation(plan, False)

    def _begin_generation(self, plan: Plan, is_reload: bool) -> None:
        self._generations.begin(plan, is_reload)
        self._restarts.clear()
        self._spawn_missing()

    def _roll_back(self, cause: str) -> None:
        """Continue with the settled workers: no worker can serve with the new settings."""
        self._generations.roll_back()
        self._retire_others()
        self._restarts.forget()
        self._refuse_reload(cause)
        self._spawn_missing()
        self._generations.begin_pending()

    def _retire_others(self) -> None:
        """Let the workers of other generations finish their transfers, and stop the oldest if there are too many."""
        others = [child for child in self._children.values() if not self._is_current(child)]
        signal_children(RETIRE, others)
        too_old = sorted({child.generation for child in others})[:-MAX_DRAINING]
        signal_children(signal.SIGTERM, [child for child in others if child.generation in too_old])

    def _receive(self, child: Child) -> None:
        for line in child.receive():
            if line.startswith(READY):
                child.is_ready = True
                for follower in self._followers:
                    child.send(follower.last)
                self._settle(line.removeprefix(READY).decode(errors="replace"))
            elif line == RENEW:
                # The first request of a generation: the other workers need it too.
                if not self._stopping.has_begun and self._is_current(child):
                    self._replace_by(self._renew)
            elif line == ASK:
                self._ask_follower()
            elif line != ALIVE:
                child.message += line.decode(errors="replace")

    def _settle(self, sandbox: str) -> None:
        """When the last worker of a generation is ready, report it, and retire the previous generation."""
        ready = [child for child in self._children.values() if self._is_current(child) and child.is_ready]
        generations = self._generations
        if self._stopping.has_begun or not generations.is_starting or len(ready) < self._config.workers:
            return
        is_first = generations.settled is None
        generations.settle()
        self._retire_others()
        self._manager.ready()
        if is_first:
            listening = self._forker.listening
            self._on_ready(listening.endpoints, listening.notices, sandbox)
        elif generations.current.is_reload:
            if self._metering is not None:
                self._metering.board.note_reload(True)
            count = self._config.workers
            self._errors.say(f"reloaded the settings; {count} {'worker serves' if count == 1 else 'workers serve'}")
        self._generations.begin_pending()

    def _on_end(self, child: Child, status: int) -> None:
        while child.fd >= 0:
            self._receive(child)
        self._forker.retire(child.page)
        if not self._stopping.has_begun and self._is_current(child):
            self._on_death(child, status)
        elif child.message and child.is_ready:
            self._errors.say(f"worker {child.pid} ended: {child.message}")

    def _on_death(self, child: Child, status: int) -> None:
        """Log why a worker ended and replace it; raise StartError if the server has not yet begun to serve."""
        cause = child.message or describe_end(status)
        if self._metering is not None:
            self._metering.board.count_restart()
        failures = self._restarts.count(child.index, time.monotonic() - child.born_s)
        if child.message or failures >= MAX_FAILED_STARTS:
            if self._generations.settled is None:
                raise StartError(cause)
            if self._generations.current.plan != self._generations.settled.plan:
                self._roll_back(cause)
                return
        delay_s = self._restarts.delay_s(child.index)
        self._restarts.plan(child.index, delay_s)
        self._errors.say(
            f"worker {child.pid} ended: {cause}; "
            + (f"the next starts in {delay_s:.1f} s" if delay_s else "the next starts now")
        )

    def _ask_follower(self) -> None:
        for follower in self._followers:
            follower.ask()

    def _kill_all(self) -> None:
        """Kill all workers and wait for their ends, except for those that wait for a disk."""
        self._stopping.has_begun = True
        signal_children(signal.SIGKILL, self._children.values())
        for pid in await_ends(self._children):
            self._errors.say(f"worker {pid} waits for a disk that does not respond; it ends when the disk responds")
        self._children.clear()
