"""The threads of one worker: what would hold up its event loop - a hash that is slow on purpose, a disk that has to
be waited for - runs here, and its result comes back in a pass of the loop.
"""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from queue import SimpleQueue
from typing import Any

from fastfile.clock import Clock

# Enough for a disk to be asked several things at once; what computes has one core of its worker's anyway.
THREADS = 4
# Jobs that wait or run: of a password check's 50 ms each, the last of them is a second away.
MAX_JOBS = 64

OnDone = Callable[[Future[Any]], None]
Job = tuple[Callable[[], Any], Future[Any], OnDone]


class Offload:
    """Runs jobs in threads, which are started one by one as they are needed: after the fork, in the sandbox.

    They are daemons: a worker that ends waits for no disk.
    """

    def __init__(
        self, loop: asyncio.AbstractEventLoop, clock: Clock, on_failure: Callable[[BaseException], None]
    ) -> None:
        self._loop = loop
        self._clock = clock
        self._on_failure = on_failure
        self._waiting: SimpleQueue[Job] = SimpleQueue()
        self._done: deque[Job] = deque()
        self.jobs = 0  # that wait, run, or are done and not yet reported
        self._threads = 0

    def submit(self, work: Callable[[], Any], on_done: OnDone) -> Future[Any] | None:
        """Run ``work`` in a thread, then ``on_done`` with its future on the loop; None when there is too much to do.

        Cancelling the future takes it back: ``work`` is not begun any more. ``on_done`` is called all the same.
        """
        if self.jobs >= MAX_JOBS or not self._has_thread():
            return None
        self.jobs += 1
        future: Future[Any] = Future()
        self._waiting.put((work, future, on_done))
        return future

    def _has_thread(self) -> bool:
        """Start one more where all may be busy; tell whether there is any."""
        if self._threads <= self.jobs and self._threads < THREADS:
            try:
                threading.Thread(target=self._run, name="offload", daemon=True).start()
            except RuntimeError:  # the system has no room for one more (pthread_create(3): EAGAIN)
                return self._threads > 0
            self._threads += 1
        return True

    def _run(self) -> None:
        while True:
            self._work(self._waiting.get())
            try:
                self._loop.call_soon_threadsafe(self._report)
            except RuntimeError:  # the loop is closed
                return

    def _work(self, job: Job) -> None:
        # A function of its own: a thread that waits for its next job keeps nothing of the last one alive.
        work, future, _ = job
        if future.set_running_or_notify_cancel():
            try:
                future.set_result(work())
            except BaseException as error:
                future.set_exception(error)
        self._done.append(job)

    def _report(self) -> None:
        """Tell of what is done; each batch is a pass of its own, since time went by for it."""
        if self._done:
            self._clock.begin_pass()
        while self._done:
            _, future, on_done = self._done.popleft()
            self.jobs -= 1
            try:
                on_done(future)
            except Exception as error:
                self._on_failure(error)
