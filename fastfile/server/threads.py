"""The threads of one worker, for work that would block its event loop: slow hashes, and waits for the disk.

The result returns in a batch of the loop.
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

# Enough for several concurrent disk reads; computations share the worker's one core anyway.
THREADS = 4
# Deferred jobs that wait or run: with password checks of 50 ms each, the last one is a second away.
MAX_JOBS = 64
# How long a job that computes in Python (the page of a large folder) keeps the interpreter when the loop needs it. With
# Python's default of 5 ms, others would wait that long in every batch; this costs such a job a few per cent.
SWITCH_S = 0.0005

# Reports take at most this time before others have their turn: 128 streams that wait for one listing took 12 ms.
REPORT_S = 0.002
RETRY_S = 0.01  # delay after a thread had no memory to report its result

OnDone = Callable[[Future[Any]], None]
Job = tuple[Callable[[], Any], "Waiter", OnDone]


class Waiter(Future[Any]):
    """A connection's handle on a job. ``has_left``: it was cancelled, whether or not the work had begun.

    ``cost_s`` is the CPU time of work that was begun for it.
    """

    def __init__(self, on_leave: Callable[[], None]) -> None:
        super().__init__()
        self._on_leave = on_leave
        self.has_left = False
        self.cost_s = 0.0

    def cancel(self) -> bool:
        """Cancel it. Returns False if the work has begun."""
        is_cancelled = super().cancel()
        if not self.has_left:
            self.has_left = True
            self._on_leave()
        return is_cancelled


class Offload:
    """Runs up to ``max_jobs`` in threads, which are started one by one on demand, in the sandbox.

    They are daemon threads, so a worker that ends does not wait for a disk. ``switch_s`` is set for the whole process;
    0 leaves the process of an embedding program unchanged.
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
        self._untold: deque[tuple[Waiter, OnDone]] = deque()  # waiters of ended jobs
        self._is_behind = False  # the rest of a report is scheduled
        # By the id of running work: the waiter that it was begun for, and those that came later.
        self._leaders: dict[int, Waiter] = {}
        self._followers: dict[int, list[tuple[Waiter, OnDone]]] = {}
        self.jobs = 0  # jobs that wait, run, or are done but not yet reported
        self._threads = 0
        self._max_threads = max_threads
        self._niceness = niceness
        self._switch_s = switch_s

    def submit(self, work: Callable[[], Any], on_done: OnDone) -> Future[Any] | None:
        """Run ``work`` in a thread, then ``on_done`` with its future on the loop; None if there is too much to do.

        Work with its own threads, and so a method ``submit``, runs there.

        Cancelling the future cancels it: ``work`` does not begin. If it has begun, its ``stop()``, if it has one, is
        called once all its waiters have cancelled. ``on_done`` is still called. The same object, submitted again while
        it is running, runs once for all.
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
        """Stop work that has no waiters left."""
        leader = self._leaders.get(id(work))
        if leader is None or not leader.has_left or not leader.running():
            return
        if all(follower.has_left for follower, _ in self._followers[id(work)]):
            stop = getattr(work, "stop", None)
            if stop is not None:
                stop()

    def _has_thread(self) -> bool:
        """Start another thread if all may be busy; tell whether there is any."""
        if self._threads <= self.jobs and self._threads < self._max_threads:
            if self._switch_s:
                sys.setswitchinterval(self._switch_s)
            try:
                threading.Thread(target=self._run, name="offload", daemon=True).start()
            except RuntimeError:  # the system allows no more threads (pthread_create(3): EAGAIN)
                return self._threads > 0
            self._threads += 1
        return True

    def _run(self) -> None:
        if self._niceness and sys.platform == "linux":  # on other systems it would apply to the whole process
            with contextlib.suppress(OSError):  # a sandbox may refuse it: then the work has normal priority
                os.nice(self._niceness)
        while True:
            insist(self._work, self._waiting.get())
            try:
                insist(self._loop.call_soon_threadsafe, self._report)
            except RuntimeError:  # the loop is closed
                return

    def _work(self, job: Job) -> None:
        # A separate function, so that a thread that waits for its next job keeps no object of the last one alive.
        work, future, _ = job
        if not future.done() and (future.running() or future.set_running_or_notify_cancel()):
            began_s = time.thread_time()
            try:
                result = work()
            except BaseException as error:
                future.cost_s = time.thread_time() - began_s
                future.set_exception(error)
            else:
                future.cost_s = time.thread_time() - began_s
                future.set_result(result)
        self._done.append(job)

    def _report(self, is_rest: bool = False) -> None:
        """Report finished jobs in a batch of their own, because time has passed; many take several turns."""
        if self._is_behind and not is_rest:
            return
        self._is_behind = False
        if self._done or self._untold:
            self._clock.begin_batch()
        until_s = time.monotonic() + REPORT_S
        while self._untold or self._done:
            if time.monotonic() > until_s:
                self._loop.call_soon(self._report, True)
                self._is_behind = True
                return
            if not self._untold:
                self._end(*self._done.popleft())
            self._tell(*self._untold.popleft())

    def _end(self, work: Callable[[], Any], waiter: Waiter, on_done: OnDone) -> None:
        """End a job, and let its waiters be told."""
        self.jobs -= 1
        del self._leaders[id(work)]
        self._untold.append((waiter, on_done))
        for follower in self._followers.pop(id(work)):
            if waiter.cancelled() and not follower[0].cancelled():  # the first waiter has gone, the other has not
                self._follow(work, follower)
                continue
            if follower[0].set_running_or_notify_cancel():
                copy_result(waiter, follower[0])
            self._untold.append(follower)

    def _follow(self, work: Callable[[], Any], follower: tuple[Waiter, OnDone]) -> None:
        """Begin the work for the first follower; the others follow this one."""
        if id(work) in self._followers:
            self._followers[id(work)].append(follower)
            return
        self._begin(work, *follower)

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
    """Settle a future like another one, which is done."""
    error = source.exception()
    if error is None:
        target.set_result(source.result())
    else:
        target.set_exception(error)
