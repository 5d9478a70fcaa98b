"""The threads of one worker: what would hold up its event loop - a hash that is slow on purpose, a disk that has to
be waited for - runs here, and its result comes back in a pass of the loop.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from functools import partial
from queue import SimpleQueue
from typing import Any

from fastfile.clock import Clock

# Enough for a disk to be asked several things at once; what computes has one core of its worker's anyway.
THREADS = 4
# Of what a handler defers, so many jobs wait or run: of a password check's 50 ms each, the last is a second away.
MAX_JOBS = 64
# How long a job that computes in Python, the page of a large folder say, keeps the interpreter when the loop wants it
# back. Python's own 5 ms are what others would wait at every pass of the loop; this costs such a job some percent.
SWITCH_S = 0.0005

RETRY_S = 0.01  # after a thread had no memory to report what it did

OnDone = Callable[[Future[Any]], None]
Job = tuple[Callable[[], Any], "Waiter", OnDone]


class Waiter(Future[Any]):
    """What a connection holds of a job. ``has_left``: it was cancelled, whether or not the work had begun by then."""

    def __init__(self, on_leave: Callable[[], None]) -> None:
        super().__init__()
        self._on_leave = on_leave
        self.has_left = False

    def cancel(self) -> bool:
        """Take it back. Returns False if the work has begun."""
        is_cancelled = super().cancel()
        if not self.has_left:
            self.has_left = True
            self._on_leave()
        return is_cancelled


class Offload:
    """Runs up to ``max_jobs`` in threads, which are started one by one as they are needed: in the sandbox.

    They are daemons: a worker that ends waits for no disk. ``switch_s`` is set for the whole process; 0 leaves the
    process of an embedding program as it is.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        clock: Clock,
        on_failure: Callable[[BaseException], None],
        max_threads: int = THREADS,
        niceness: int = 0,
        max_jobs: int = MAX_JOBS,
        switch_s: float = SWITCH_S,
    ) -> None:
        self._loop = loop
        self._clock = clock
        self._on_failure = on_failure
        self._max_jobs = max_jobs
        self._waiting: SimpleQueue[Job] = SimpleQueue()
        self._done: deque[Job] = deque()
        # By the id of a work that is under way: the one that it was begun for, and those that came later.
        self._leaders: dict[int, Waiter] = {}
        self._followers: dict[int, list[tuple[Waiter, OnDone]]] = {}
        self.jobs = 0  # that wait, run, or are done and not yet reported
        self._threads = 0
        self._max_threads = max_threads
        self._niceness = niceness
        self._switch_s = switch_s

    def submit(self, work: Callable[[], Any], on_done: OnDone) -> Future[Any] | None:
        """Run ``work`` in a thread, then ``on_done`` with its future on the loop; None when there is too much to do.

        A work that has threads of its own, and so a method ``submit``, runs there.

        Cancelling the future takes it back: ``work`` is not begun any more. If it has begun, its ``stop()`` is called,
        if it has one, once all that wait for it have cancelled. ``on_done`` is called all the same.
        The same object, submitted again while it is under way, is run once for all.
        """
        submit: Callable[[OnDone], Future[Any] | None] | None = getattr(work, "submit", None)
        if submit is not None:
            return submit(on_done)
        waiter = Waiter(partial(self._leave, work))
        followers = self._followers.get(id(work))
        if followers is not None:
            followers.append((waiter, on_done))
            return waiter
        if self.jobs >= self._max_jobs or not self._has_thread():
            return None
        self._begin(work, waiter, on_done)
        return waiter

    def _begin(self, work: Callable[[], Any], waiter: Waiter, on_done: OnDone) -> None:
        self.jobs += 1
        self._leaders[id(work)] = waiter
        self._followers[id(work)] = []
        self._waiting.put((work, waiter, on_done))

    def _leave(self, work: Callable[[], Any]) -> None:
        """Stop a work that runs for none any more."""
        leader = self._leaders.get(id(work))
        if leader is None or not leader.has_left or not leader.running():
            return
        if all(follower.has_left for follower, _ in self._followers[id(work)]):
            stop = getattr(work, "stop", None)
            if stop is not None:
                stop()

    def _has_thread(self) -> bool:
        """Start one more where all may be busy; tell whether there is any."""
        if self._threads <= self.jobs and self._threads < self._max_threads:
            if self._switch_s:
                sys.setswitchinterval(self._switch_s)
            try:
                threading.Thread(target=self._run, name="offload", daemon=True).start()
            except RuntimeError:  # the system has no room for one more (pthread_create(3): EAGAIN)
                return self._threads > 0
            self._threads += 1
        return True

    def _run(self) -> None:
        if self._niceness and sys.platform == "linux":  # elsewhere it would be the whole process
            with contextlib.suppress(OSError):  # a sandbox may refuse it: then the work is done as fast as any other
                os.nice(self._niceness)
        while True:
            insist(self._work, self._waiting.get())
            try:
                insist(self._loop.call_soon_threadsafe, self._report)
            except RuntimeError:  # the loop is closed
                return

    def _work(self, job: Job) -> None:
        # A function of its own: a thread that waits for its next job keeps nothing of the last one alive.
        work, future, _ = job
        if not future.done() and (future.running() or future.set_running_or_notify_cancel()):
            try:
                future.set_result(work())
            except BaseException as error:
                future.set_exception(error)
        self._done.append(job)

    def _report(self) -> None:
        """Tell of what is done; each batch is a pass of its own, since time went by for it."""
        if self._done:
            self._clock.begin_batch()
        while self._done:
            work, future, on_done = self._done.popleft()
            self.jobs -= 1
            del self._leaders[id(work)]
            followers = self._followers.pop(id(work))
            self._tell(future, on_done)
            for followed, on_followed in followers:
                if future.cancelled() and not followed.cancelled():  # who began it has gone, who follows has not
                    self._follow(work, followed, on_followed)
                    continue
                if followed.set_running_or_notify_cancel():
                    copy_result(future, followed)
                self._tell(followed, on_followed)

    def _follow(self, work: Callable[[], Any], waiter: Waiter, on_done: OnDone) -> None:
        """Begin the work for the first of those who follow; the others follow this one."""
        if id(work) in self._followers:
            self._followers[id(work)].append((waiter, on_done))
            return
        self._begin(work, waiter, on_done)

    def _tell(self, future: Future[Any], on_done: OnDone) -> None:
        try:
            on_done(future)
        except Exception as error:
            self._on_failure(error)


def insist(call: Callable[..., Any], *arguments: Any) -> None:
    """Call until there is memory for it: a thread that ended without it would leave its connections waiting."""
    while True:
        try:
            call(*arguments)
        except MemoryError:
            time.sleep(RETRY_S)
        else:
            return


def copy_result(source: Future[Any], target: Future[Any]) -> None:
    """Settle one future as another, which is done, was settled."""
    error = source.exception()
    if error is None:
        target.set_result(source.result())
    else:
        target.set_exception(error)
