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


@pytest.fixture
def pages(tmp_path: Path) -> Iterator[Pages]:
    loop = asyncio.new_event_loop()
    watching = Watching((bytes(tmp_path),), False, True)
    found = Pages(cast(Handler, None), loop, Clock(), cast(Any, None), watching, Log())
    yield found
    found.close()
    loop.close()


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
