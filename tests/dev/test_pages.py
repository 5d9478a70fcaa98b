"""The open pages: how many there may be, what a silent one gets, and changes in the moments while a page connects."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from pathlib import Path
from typing import Any, cast

import pytest
from support.livepage import frame_of_client

from fastfile.application import make_application, open_roots
from fastfile.clock import Clock
from fastfile.config.config import Config
from fastfile.dev import pages as module
from fastfile.dev.pages import Pages
from fastfile.dev.watcher import Watching
from fastfile.message import Deferred, RequestHead
from fastfile.protocol.websocket import PING, TEXT, TRY_LATER, make_close, make_frame
from fastfile.site.handler import Handler

TIMEOUT_S = 60


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


class Unwatched:
    """Takes the place of the watcher's thread: the test says when everything is watched."""

    def __init__(self, watching: Watching, report: Callable[[tuple[()]], None], say: object) -> None:
        self.report = report

    def start(self) -> None:
        pass

    stop = start


class Slow:
    """A handler whose responses need a thread, as those for files on a disk that can hang."""

    def __init__(self, handler: Handler) -> None:
        self._handler = handler

    def find(self, head: RequestHead) -> Deferred:
        return Deferred(lambda: self._handler.find(head), lambda future: future.result())


@pytest.fixture
def files(tmp_path: Path) -> Iterator[Callable[[Path], Handler]]:
    """Return the handler of a server of a folder."""
    roots = []

    def serve(folder: Path) -> Handler:
        config = Config(etag="mtime")
        roots.extend(open_roots(config, os.fsencode(folder)))
        return make_application(config, roots, Clock(), lambda error: None)

    yield serve
    for mount in roots:
        mount.root.close()


def replace(path: Path, text: str) -> None:
    """Give a file new content, and return when the clock of file times is well past the change."""
    path.write_text(text)
    while time.time_ns() < path.stat().st_ctime_ns + 50_000_000:
        time.sleep(0.005)  # it is the clock that has to move on


def run_until(loop: Loop, holds: Callable[[], object]) -> None:
    async def wait() -> None:
        while not holds():
            await asyncio.sleep(0.001)

    loop.run_until_complete(asyncio.wait_for(wait(), TIMEOUT_S))


def run_at_once(work: Callable[[], Any], report: Callable[[Future[Any]], None]) -> Future[Any]:
    future: Future[Any] = Future()
    future.set_result(work())
    report(future)
    return future


@pytest.fixture
def style(tmp_path: Path) -> Path:
    (tmp_path / "index.html").write_text("<!doctype html><link rel=stylesheet href=/style.css>")
    replace(tmp_path / "style.css", "1")
    return tmp_path / "style.css"


def test_a_change_between_the_101_and_the_begin_of_the_session_is_told(
    style: Path, loop: Loop, files: Callable[[Path], Handler], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "Watcher", Unwatched)
    watching = Watching((bytes(style.parent),), False, True)
    pages = Pages(files(style.parent), loop, Clock(), run_at_once, watching, Log())
    session, wire = pages.open(), Wire()  # the response is on its way, and the page is as old as its load
    replace(style, "2")
    session.begin(wire)
    session.receive(frame_of_client(TEXT, b"0 /\n0 /style.css"))
    run_until(loop, lambda: wire.sent)
    assert wire.sent == [make_frame(TEXT, b"swap /style.css")]
    pages.close()


def test_a_change_while_a_page_is_looked_at_and_not_everything_is_watched_yet_is_told(
    style: Path, loop: Loop, files: Callable[[Path], Handler], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "Watcher", Unwatched)
    looks: list[Callable[[], None]] = []

    def submit(work: Callable[[], Any], report: Callable[[Future[Any]], None]) -> Future[Any]:
        future: Future[Any] = Future()
        future.set_result(work())
        looks.append(lambda: report(future))
        return future

    watching = Watching((bytes(style.parent),), False, True)
    pages = Pages(cast(Handler, Slow(files(style.parent))), loop, Clock(), submit, watching, Log())
    session, wire = pages.open(), Wire()
    session.begin(wire)
    session.receive(frame_of_client(TEXT, b"0 /\n0 /style.css"))
    run_until(loop, lambda: looks)
    looks.pop()()
    run_until(loop, lambda: looks)
    style_is_seen = looks.pop()
    replace(style, "2")
    pages._watcher.report(())
    for _ in range(10):  # its turn has come, and the look goes on
        loop.run_until_complete(asyncio.sleep(0))
    style_is_seen()

    def goes_on() -> bool:
        while looks:
            looks.pop()()
        return pages._task is None and bool(wire.sent)

    run_until(loop, goes_on)
    assert wire.sent == [make_frame(TEXT, b"swap /style.css")]
    pages.close()
