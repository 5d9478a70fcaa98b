"""Work with several waiters: done once, and its end reported to each, whoever leaves in between."""

from __future__ import annotations

import asyncio
import errno
import os
import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future

import pytest

from fastfile.clock import Clock
from fastfile.server.threads import REPORT_S, THREADS, Offload, insist

TIMEOUT_S = 60


class Work:
    """Ends when told to, and counts how often it was begun."""

    def __init__(self, error: Exception | None = None) -> None:
        self.runs = 0
        self.may_end = threading.Event()
        self._error = error

    def __call__(self) -> int:
        self.runs += 1
        assert self.may_end.wait(TIMEOUT_S)
        if self._error is not None:
            raise self._error
        return self.runs


class Stoppable(Work):
    """Ends when it is stopped too."""

    def __init__(self) -> None:
        super().__init__()
        self.began = threading.Event()
        self.stops = 0

    def __call__(self) -> int:
        self.began.set()
        return super().__call__()

    def stop(self) -> None:
        self.stops += 1
        self.may_end.set()


class Bench:
    """An Offload on a loop that runs until a number of ends were reported."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self.failures: list[BaseException] = []
        self.offload = Offload(loop, Clock(), self.failures.append)
        self.told: list[Future[int]] = []
        self._wanted = 0

    def submit(self, work: Work) -> Future[int]:
        future = self.offload.submit(work, self._on_done)
        assert future is not None
        return future

    def run_until_told(self, count: int) -> list[Future[int]]:
        self._wanted = count
        timeout = self._loop.call_later(TIMEOUT_S, self._loop.stop)
        self._loop.run_forever()
        timeout.cancel()
        assert len(self.told) == count
        return self.told

    def _on_done(self, future: Future[int]) -> None:
        self.told.append(future)
        if len(self.told) == self._wanted:
            self._loop.stop()


@pytest.fixture
def bench() -> Iterator[Bench]:
    loop = asyncio.new_event_loop()
    yield Bench(loop)
    loop.close()


def test_work_is_done_once_for_simultaneous_waiters_and_again_for_later_ones(bench: Bench) -> None:
    work = Work()
    futures = [bench.submit(work) for _ in range(100)]
    work.may_end.set()
    assert bench.run_until_told(100) == futures
    assert {future.result() for future in futures} == {1}
    bench.submit(work)
    assert bench.run_until_told(101)[-1].result() == 2


@pytest.mark.parametrize("works", [1, 8])
def test_others_have_their_turn_while_many_are_told(works: int) -> None:
    loop = asyncio.new_event_loop()
    offload = Offload(loop, Clock(), pytest.fail)
    order: list[str] = []

    def on_done(_: Future[int]) -> None:
        order.append("told")
        loop.call_soon(order.append, "another")
        began_s = time.monotonic()
        while time.monotonic() <= began_s + REPORT_S:
            pass
        if order.count("told") == 8:
            loop.call_soon(loop.stop)

    each = [Work() for _ in range(works)]
    for number in range(8):
        offload.submit(each[number % works], on_done)
        each[number % works].may_end.set()
    loop.call_later(TIMEOUT_S, loop.stop)
    loop.run_forever()
    loop.close()
    assert order == ["told", "another"] * 8


def test_two_works_are_two(bench: Bench) -> None:
    works = [Work(), Work()]
    for work in works:
        work.may_end.set()
        bench.submit(work)
    bench.run_until_told(2)
    assert [work.runs for work in works] == [1, 1]


def test_all_hear_of_its_failure(bench: Bench) -> None:
    work = Work(ValueError("it failed"))
    for _ in range(3):
        bench.submit(work)
    work.may_end.set()
    for future in bench.run_until_told(3):
        with pytest.raises(ValueError, match="it failed"):
            future.result()


def test_a_client_that_leaves_while_work_runs_does_not_stop_it_for_others(bench: Bench) -> None:
    work = Work()
    first, second, third = (bench.submit(work) for _ in range(3))
    assert second.cancel()
    work.may_end.set()
    bench.run_until_told(3)
    assert (first.result(), second.cancelled(), third.result(), work.runs) == (1, True, 1, 1)


def test_work_continues_for_other_waiters_if_the_first_one_leaves(bench: Bench) -> None:
    busy = [Work() for _ in range(THREADS)]
    for work in busy:
        bench.submit(work)
    work = Work()
    first, second, third, fourth = (bench.submit(work) for _ in range(4))
    assert first.cancel()
    assert second.cancel()
    for each in (*busy, work):
        each.may_end.set()
    bench.run_until_told(THREADS + 4)
    assert (third.result(), fourth.result(), work.runs) == (1, 1, 1)
    assert (bench.offload.jobs, bench.failures) == (0, [])


def test_it_is_not_begun_when_all_have_gone_before(bench: Bench) -> None:
    busy = [Work() for _ in range(THREADS)]
    for each in busy:
        bench.submit(each)
    work = Work()
    for future in [bench.submit(work) for _ in range(3)]:
        assert future.cancel()
    for each in busy:
        each.may_end.set()
    bench.run_until_told(THREADS + 3)
    assert (work.runs, bench.offload.jobs) == (0, 0)


def test_it_is_stopped_when_all_have_gone_while_it_runs(bench: Bench) -> None:
    work = Stoppable()
    futures = [bench.submit(work) for _ in range(3)]
    assert work.began.wait(TIMEOUT_S)
    for future in futures:
        assert work.stops == 0
        future.cancel()
        future.cancel()
    assert work.stops == 1
    bench.run_until_told(3)
    assert (work.runs, bench.offload.jobs, bench.failures) == (1, 0, [])


def test_work_is_not_stopped_for_a_waiter_that_comes_after_the_others_left(bench: Bench) -> None:
    busy = [Work() for _ in range(THREADS)]
    for each in busy:
        bench.submit(each)
    work = Stoppable()
    first = bench.submit(work)
    first.cancel()
    second = bench.submit(work)
    for each in (*busy, work):
        each.may_end.set()
    bench.run_until_told(THREADS + 2)
    assert (second.result(), work.stops) == (1, 0)


def test_a_thread_that_may_not_be_nice_does_its_work(monkeypatch: pytest.MonkeyPatch) -> None:
    """A sandbox may refuse setpriority(2): log-ins hung."""

    def refuse(increment: int) -> int:
        raise PermissionError(errno.EPERM, "setpriority")

    monkeypatch.setattr(os, "nice", refuse)
    loop = asyncio.new_event_loop()
    try:
        offload = Offload(loop, Clock(), lambda error: None, niceness=5)
        done: list[int] = []

        def finish(job: Future[int]) -> None:
            done.append(job.result())
            loop.stop()

        assert offload.submit(lambda: 7, finish) is not None
        loop.call_later(TIMEOUT_S, loop.stop)
        loop.run_forever()
        assert done == [7]
    finally:
        loop.close()


def test_a_thread_without_memory_for_a_moment_reports_all_the_same() -> None:
    calls = iter([MemoryError(), MemoryError(), None])
    made: list[int] = []

    def call(number: int) -> None:
        made.append(number)
        error = next(calls)
        if error is not None:
            raise error

    insist(call, 3)
    assert made == [3, 3, 3]
