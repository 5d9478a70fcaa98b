"""The open pages: how many there may be, and what a page that gives no sign of life gets."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import pytest

from fastfile.clock import Clock
from fastfile.dev import pages as module
from fastfile.dev.pages import Pages
from fastfile.dev.watcher import Watching
from fastfile.protocol.websocket import PING, TRY_LATER, make_close, make_frame
from fastfile.site.handler import Handler


class Wire:
    """The connection of a page: what it was sent, and whether it is closed."""

    def __init__(self) -> None:
        self.sent: list[bytes] = []
        self.is_closed = False

    def send(self, data: bytes) -> None:
        self.sent.append(data)

    def close(self) -> None:
        self.is_closed = True


class Log:
    def say(self, text: str) -> None:
        raise AssertionError(text)

    def report_failure(self, error: BaseException) -> None:
        raise error


class Loop(asyncio.SelectorEventLoop):
    """An event loop whose clock is moved on by the test."""

    ahead_s = 0.0

    def time(self) -> float:
        return super().time() + self.ahead_s

    def pass_time(self, seconds: float) -> None:
        """Move the clock on, and do what is due then."""
        self.ahead_s += seconds
        self.run_until_complete(asyncio.sleep(0))


@pytest.fixture
def loop() -> Iterator[Loop]:
    loop = Loop()
    yield loop
    loop.close()


@pytest.fixture
def pages(tmp_path: Path, loop: Loop) -> Iterator[Pages]:
    watching = Watching((bytes(tmp_path),), False, True)
    found = Pages(cast(Handler, None), loop, Clock(), cast(Any, None), watching, Log())
    yield found
    found.close()


def test_one_page_too_many_is_told_to_try_later(pages: Pages, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_PAGES", 2)
    wires = [Wire() for _ in range(3)]
    for wire in wires:
        pages.open().begin(wire)
    assert [wire.is_closed for wire in wires] == [False, False, True]
    assert wires[2].sent == [make_close(TRY_LATER)]


def test_a_page_that_does_not_answer_a_ping_is_closed_at_the_next(pages: Pages) -> None:
    silent, answering = Wire(), Wire()
    pages.open().begin(silent)
    session = pages.open()
    session.begin(answering)
    for _ in range(2):
        pages._ping()
        session.receive(b"\x8a\x80abcd")  # a pong
    assert silent.sent == [make_frame(PING)]
    assert silent.is_closed
    assert answering.sent == [make_frame(PING), make_frame(PING)]
    assert not answering.is_closed


def test_the_watcher_ends_half_a_minute_after_the_last_page_and_starts_with_the_next(pages: Pages, loop: Loop) -> None:
    assert not pages._watcher.is_running
    first, second = pages.open(), pages.open()
    first.begin(Wire())
    second.begin(Wire())
    first.end()
    loop.pass_time(100)
    assert pages._watcher.is_running, "a page is open"
    second.end()
    loop.pass_time(20)
    third = pages.open()
    third.begin(Wire())
    loop.pass_time(20)
    assert pages._watcher.is_running, "the last page was another"
    third.end()
    loop.pass_time(29)
    assert pages._watcher.is_running
    loop.pass_time(2)
    assert not pages._watcher.is_running
    pages.open().begin(Wire())
    assert pages._watcher.is_running
