"""The body of an archive, read in a thread: never on the loop, one piece ahead, and closed whenever a client leaves."""

from __future__ import annotations

from collections.abc import Callable, Generator
from concurrent.futures import Future
from typing import Any

import pytest

from fastfile.message import PENDING
from fastfile.site.listing.feed import PIECE_SIZE, Feed


class Threads:
    """Keeps each job until the test runs it, like a worker's threads, with its end reported on the loop."""

    def __init__(self) -> None:
        self.jobs: list[tuple[Callable[[], Any], Callable[[Future[Any]], None]]] = []
        self.is_full = False

    def submit(self, work: Callable[[], Any], on_done: Callable[[Future[Any]], None]) -> Future[Any] | None:
        if self.is_full:
            return None
        self.jobs.append((work, on_done))
        return Future()

    def run(self) -> None:
        work, on_done = self.jobs.pop()
        done: Future[Any] = Future()
        try:
            done.set_result(work())
        except Exception as error:
            done.set_exception(error)
        on_done(done)


class Parts:
    """A generator that records what happens to it."""

    def __init__(self, parts: list[bytes], error: Exception | None = None) -> None:
        self.taken = 0
        self.is_closed = False
        self._parts = parts
        self._error = error

    def generate(self) -> Generator[bytes, None, None]:
        try:
            for part in self._parts:
                self.taken += 1
                yield part
            if self._error is not None:
                raise self._error
        finally:
            self.is_closed = True


def take(feed: Feed, threads: Threads) -> bytes:
    """Take the whole body like a connection."""
    body = b""
    woken = []
    for piece in feed:
        if isinstance(piece, bytes):
            body += piece
            continue
        feed.wait(lambda: woken.append(len(woken)))
        before = len(woken)
        threads.run()
        assert len(woken) == before + 1
    return body


@pytest.mark.parametrize("parts", [[], [b"a"], [b"a", b"b"], [b"x" * 60_000] * 20, [bytes(PIECE_SIZE)] * 3], ids=len)
def test_a_body_is_all_parts_in_order(parts: list[bytes]) -> None:
    source, threads = Parts(parts), Threads()
    assert take(Feed(source.generate(), threads.submit), threads) == b"".join(parts)
    assert source.is_closed


def test_nothing_is_read_but_by_a_job_and_no_more_than_a_piece_ahead() -> None:
    source, threads = Parts([bytes(PIECE_SIZE)] * 10), Threads()
    feed = Feed(source.generate(), threads.submit)
    assert next(feed) is PENDING
    assert (source.taken, len(threads.jobs)) == (0, 1)
    assert next(feed) is PENDING
    assert len(threads.jobs) == 1
    threads.run()
    assert source.taken == 1
    assert next(feed) == bytes(PIECE_SIZE)
    assert (source.taken, len(threads.jobs)) == (1, 1)  # the next piece is being read while this one is sent


def test_a_failure_ends_the_body_after_what_was_read_before_it() -> None:
    source, threads = Parts([bytes(PIECE_SIZE)], OSError("it changed")), Threads()
    feed = Feed(source.generate(), threads.submit)
    with pytest.raises(OSError, match="it changed"):
        take(feed, threads)
    assert source.is_closed


def test_a_body_ends_if_no_thread_is_available() -> None:
    source, threads = Parts([b"a"]), Threads()
    threads.is_full = True
    with pytest.raises(BlockingIOError):
        next(Feed(source.generate(), threads.submit))


@pytest.mark.parametrize("is_reading", [False, True])
def test_a_body_that_is_given_up_closes_its_file(is_reading: bool) -> None:
    source, threads = Parts([bytes(PIECE_SIZE)] * 3), Threads()
    feed = Feed(source.generate(), threads.submit)
    next(feed)
    feed.wait(lambda: pytest.fail("nobody waits"))
    if is_reading:
        feed.close()
        assert not source.is_closed  # a thread may be in it
        threads.run()
    else:
        feed.wait(lambda: None)
        threads.run()
        feed.close()
    assert source.is_closed
