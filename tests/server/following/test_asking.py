"""The questions of a worker to the follower: what the answer says, and what happens when none comes."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator

import pytest

from fastfile.clock import Clock
from fastfile.server.channel import ASK
from fastfile.server.following import asking
from fastfile.server.following.asking import Asker
from fastfile.server.following.status import Status

CURRENT = Status("one", "current", 1.0)


class Channel:
    """Keeps what a worker sends."""

    def __init__(self) -> None:
        self.sent: list[bytes] = []

    def send(self, line: bytes) -> None:
        self.sent.append(line)


class Worker:
    """An Asker on an event loop, and the answers that its questions got."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self.channel = Channel()
        self.failures: list[BaseException] = []
        self.answers: list[bool] = []
        self.asker = Asker(self.channel, self.loop, Clock(), self.failures.append, is_fixed=False)  # type: ignore[arg-type]

    def ask(self, on_answer: Callable[[bool], None] | None = None) -> None:
        self.asker.ask(on_answer or self.answers.append)

    def report(self, status: Status) -> None:
        self.asker.receive([status.to_line()])


@pytest.fixture
def worker() -> Iterator[Worker]:
    worker = Worker()
    worker.report(CURRENT)
    yield worker
    worker.loop.close()


def test_a_read_of_the_pointer_that_began_later_confirms(worker: Worker) -> None:
    worker.ask()
    worker.ask()
    assert worker.channel.sent == [ASK]
    worker.report(CURRENT._replace(confirmed_s=time.monotonic()))
    assert worker.answers == [True, True]


def test_a_read_that_began_before_does_not_and_the_follower_is_asked_again(worker: Worker) -> None:
    began_s = time.monotonic()
    while time.monotonic() == began_s:
        pass
    worker.ask()
    worker.report(CURRENT._replace(confirmed_s=began_s))
    assert worker.answers == []
    assert worker.channel.sent == [ASK, ASK]


def test_a_store_that_fails_answers_at_once_and_confirms_nothing(worker: Worker) -> None:
    worker.ask()
    worker.report(CURRENT._replace(state="failing"))
    assert worker.answers == [False]
    assert not worker.asker.is_useful


def test_a_follower_that_stands_still_is_not_waited_for_twice(worker: Worker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asking, "PATIENCE_S", 0.001)
    worker.ask(lambda is_confirmed: (worker.answers.append(is_confirmed), worker.loop.stop()))  # type: ignore[arg-type]
    worker.loop.run_forever()
    assert worker.answers == [False]
    assert not worker.asker.is_useful
    worker.report(CURRENT._replace(confirmed_s=time.monotonic()))
    assert worker.asker.is_useful


def test_one_failing_callback_does_not_stop_the_others(worker: Worker) -> None:
    def fail(is_confirmed: bool) -> None:
        raise ValueError

    worker.ask(fail)
    worker.ask()
    worker.report(CURRENT._replace(state="failing"))
    assert worker.answers == [False]
    assert [type(failure) for failure in worker.failures] == [ValueError]
