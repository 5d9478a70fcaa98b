"""Deadlines for jobs in threads, so that a hanging disk does not make clients wait forever."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

from fastfile.clock import Clock
from fastfile.server.threads import Offload, OnDone, Waiter, copy_result


class Deadline:
    """Submits jobs to ``offload``. A job that takes longer than ``timeout_s`` fails with TimeoutError.

    Its thread is not stopped, because nothing can stop a system call. ``is_stuck``: no job has ended since one was
    late.
    """

    def __init__(self, offload: Offload, loop: asyncio.AbstractEventLoop, clock: Clock, timeout_s: float) -> None:
        self._offload = offload
        self.loop = loop
        self.clock = clock
        self._timeout_s = timeout_s
        self.is_stuck = False

    def submit(self, work: Callable[[], Any], on_done: OnDone) -> Future[Any] | None:
        """Run ``work`` and then ``on_done`` as Offload.submit() does, but within the deadline."""
        race = _Race(self, on_done)
        job = self._offload.submit(work, race.end)
        if job is None:
            return None
        race.job, race.timer = job, self.loop.call_later(self._timeout_s, race.give_up)
        return race.future


class _Race:
    """One job and its deadline; ``on_done`` is called for whichever comes first."""

    __slots__ = ("_on_done", "_owner", "future", "has_ended", "job", "timer")

    def __init__(self, owner: Deadline, on_done: OnDone) -> None:
        self._owner = owner
        self._on_done = on_done
        self.future = Waiter(self._leave)
        self.has_ended = False
        self.job: Future[Any] | None = None
        self.timer: asyncio.TimerHandle | None = None

    def end(self, job: Future[Any]) -> None:
        self._owner.is_stuck = False
        if self.has_ended:
            return
        self.has_ended = True
        if self.timer is not None:
            self.timer.cancel()
        if job.cancelled():
            self.future.cancel()
        elif not self.future.done():
            copy_result(job, self.future)
        self._on_done(self.future)

    def give_up(self) -> None:
        self.has_ended = self._owner.is_stuck = True
        self._owner.clock.begin_batch()
        if not self.future.done():
            self.future.set_exception(TimeoutError("the disk does not respond"))
        self._on_done(self.future)

    def _leave(self) -> None:
        if self.job is not None:
            self.job.cancel()
