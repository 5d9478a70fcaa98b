"""The threads of a disk that can hang, separate from all others (site/remote.py)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import Future
from functools import partial
from typing import Any

from fastfile.clock import Clock
from fastfile.server.disk.deadline import Deadline
from fastfile.server.threads import Offload, OnDone

MAX_LOOKUPS = 256  # queued or running lookups; more get 503 at once
NICENESS = 10  # of the encoding thread
RETRY_S = 0.1  # after the queue was full


class WorkerDiskThreads:
    """Threads of one disk, started on demand: DiskThreads of site/remote.py."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        clock: Clock,
        on_failure: Callable[[BaseException], None],
        timeout_s: float,
        max_reads: int,
    ) -> None:
        self._loop = loop
        self._queue = Offload(loop, clock, on_failure, max_threads=1, max_jobs=MAX_LOOKUPS)
        self._lookups = Deadline(self._queue, loop, clock, timeout_s)
        self._reads = Deadline(Offload(loop, clock, on_failure, max_jobs=max_reads), loop, clock, timeout_s)
        self._background = Offload(loop, clock, on_failure, max_threads=1, niceness=NICENESS)
        self.look_up = self._lookups.submit
        self.read = self._reads.submit

    @property
    def is_stuck(self) -> bool:
        return self._lookups.is_stuck

    def call(self, function: Callable[[Any], None], argument: Any) -> None:
        """Call a function on the event loop soon."""
        self._loop.call_soon_threadsafe(function, argument)

    def encode(self, work: Callable[[], Any], on_done: OnDone) -> Future[Any]:
        """Run ``work`` in the background, and ``on_done`` in the thread that looks up, which calls this."""
        job: Future[Any] = Future()
        self._loop.call_soon_threadsafe(self._insist, self._background, work, partial(self._pass_on, on_done))
        return job

    def _pass_on(self, on_done: OnDone, job: Future[Any]) -> None:
        self._insist(self._queue, partial(on_done, job), _ignore)

    def _insist(self, offload: Offload, work: Callable[[], Any], on_done: OnDone) -> None:
        if offload.submit(work, on_done) is None:
            self._loop.call_later(RETRY_S, self._insist, offload, work, on_done)


def _ignore(job: Future[Any]) -> None:
    """Ignore the result of a report."""
