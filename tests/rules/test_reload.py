"""When rule files are read: whole before the server serves, and later in a thread."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import pytest
from support.colddisk import drop
from support.rawclient import RawClient
from support.serverprocess import ServerProcess

from fastfile.clock import Clock
from fastfile.errors import HTTPError
from fastfile.rules.clean_urls import PagePath
from fastfile.rules.reload import SiteRules
from fastfile.storage.root import Root

OLD_S = 1_000_000_000  # when a settled file was written


class Worker:
    """Runs submitted work in its own thread when the test says so."""

    def __init__(self) -> None:
        self.jobs: list[tuple[Callable[[], Any], Callable[[Future[Any]], None]]] = []

    def submit(self, work: Callable[[], Any], on_done: Callable[[Future[Any]], None]) -> Future[Any]:
        self.jobs.append((work, on_done))
        return Future()

    def run(self) -> None:
        work, on_done = self.jobs.pop(0)
        future: Future[Any] = Future()
        thread = threading.Thread(target=lambda: future.set_result(work()))
        thread.start()
        thread.join()
        on_done(future)


@pytest.fixture
def root(tmp_path: Path) -> Iterator[Root]:
    root = Root(os.fsencode(tmp_path))
    yield root
    root.close()


def write(folder: Path, content: bytes, mtime_s: int = OLD_S) -> None:
    """Write rules that have settled: their time is long ago."""
    path = folder / "_redirects"
    path.write_bytes(content)
    os.utime(path, (mtime_s, mtime_s))


def settle(rules: SiteRules, clock: Clock, worker: Worker) -> None:
    """Let time go by until the change of a file begins to be read, as a worker's clock would."""
    while not worker.jobs:
        clock.begin_batch()
        rules.refresh()


def location(rules: SiteRules, path: bytes) -> bytes | None:
    outcome = rules.match(PagePath(path, False), None, None)
    return b"covered" if outcome.is_covered else None


def test_rules_that_are_not_in_memory_at_the_start_hold_from_the_first_request(tmp_path: Path) -> None:
    (tmp_path / "secret.txt").write_bytes(b"secret")
    write(tmp_path, b"/secret.txt /404.html 404!\n")
    (tmp_path / "_headers").write_bytes(b"/*\n  X-A: 1\n")
    for _ in range(3):
        for name in ("_redirects", "_headers"):
            fd = os.open(tmp_path / name, os.O_RDONLY)
            drop(fd)
            os.close(fd)
        with ServerProcess([str(tmp_path)]) as server, RawClient(server.connect()) as client:
            response = client.request("/secret.txt")
            assert response.status == 404
            assert response.body != b"secret"
        assert "_redirects" not in server.stderr


def test_old_rules_hold_until_the_new_ones_are_made(root: Root, tmp_path: Path) -> None:
    write(tmp_path, b"/old /x\n")
    clock, worker = Clock(), Worker()
    rules = SiteRules(root, clock, lambda text: None, submit=worker.submit)
    assert location(rules, b"old") is not None
    write(tmp_path, b"/new /x\n", OLD_S + 1)
    settle(rules, clock, worker)
    assert not rules.refresh()
    assert location(rules, b"old") is not None
    assert len(worker.jobs) == 1, "one reading at a time"
    worker.run()
    assert rules.refresh()
    assert (location(rules, b"old"), location(rules, b"new")) == (None, b"covered")
    assert not rules.refresh()


def test_a_file_that_is_being_written_is_not_read_at_each_request(root: Root, tmp_path: Path) -> None:
    write(tmp_path, b"/a /x\n")
    clock, worker = Clock(), Worker()
    rules = SiteRules(root, clock, lambda text: None, submit=worker.submit)
    with (tmp_path / "_redirects").open("ab") as file:
        for number in range(100):
            file.write(b"/%d /x\n" % number)
            file.flush()
            clock.begin_batch()
            rules.refresh()
        assert len(worker.jobs) <= 1
    while location(rules, b"99") is None:
        settle(rules, clock, worker)
        worker.run()
    assert location(rules, b"99") is not None


def test_a_file_that_cannot_be_read_for_now_is_503_and_never_served_without(
    root: Root, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path, b"/secret.txt /404.html 404!\n")
    fails = True
    pread = os.pread

    def fail_once(fd: int, size: int, offset: int) -> bytes:
        if fails:
            raise OSError(5, "Input/output error")
        return pread(fd, size, offset)

    monkeypatch.setattr(os, "pread", fail_once)
    clock = Clock()
    rules = SiteRules(root, clock, lambda text: None)
    with pytest.raises(HTTPError) as refused:
        rules.match(PagePath(b"secret.txt", False))
    assert refused.value.status == 503
    assert rules.stamps() is None
    fails = False
    while not rules.refresh():
        clock.begin_batch()
    assert location(rules, b"secret.txt") is not None


def test_a_reading_that_fails_later_leaves_the_old_rules_in_force(
    root: Root, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path, b"/old /x\n")
    clock = Clock()
    rules = SiteRules(root, clock, lambda text: None)
    monkeypatch.setattr(os, "pread", lambda *_: (_ for _ in ()).throw(OSError(5, "Input/output error")))
    write(tmp_path, b"/new /x\n", OLD_S + 1)
    clock.begin_batch()
    assert not rules.refresh()
    assert location(rules, b"old") is not None
    monkeypatch.undo()
    while not rules.refresh():
        clock.begin_batch()
    assert (location(rules, b"old"), location(rules, b"new")) == (None, b"covered")


AT_THE_LIMITS = {
    "990 rules for any first segment": b"".join(b"/:a/%d/:b/* /x\n" % number for number in range(990)),
    "990 rules below one folder": b"".join(b"/a/:b/%d /x\n" % number for number in range(990)),
    "lines of 900 bytes": b"".join(b"/:p%d" % n + b"/q" * 420 + b"/%d /x\n" % n for n in range(1000)),
    "conditions for one path": b"".join(b"/* /x 301 Cookie=c%d\n" % number for number in range(1000)),
    "lines for one path": b"/a /b 301!\n" * 90_000,
    "splats in the middle": b"".join(b"/a/*/%d /x\n" % number for number in range(990)),
}


@pytest.mark.parametrize("content", AT_THE_LIMITS.values(), ids=AT_THE_LIMITS)
def test_rules_at_the_limits_and_a_long_path_are_no_failure(tmp_path: Path, content: bytes) -> None:
    write(tmp_path, content)
    (tmp_path / "x.txt").write_bytes(b"x")
    with ServerProcess([str(tmp_path)]) as server, RawClient(server.connect()) as client:
        for path in ("/a" * 4000, "/" + "a" * 8000, "/a/b/" + "c" * 4000 + "/989"):
            assert client.request(path).status in (301, 404, 414, 431)
        assert client.request("/x.txt").status == 200


def test_problems_are_reported_when_the_rules_are_made(root: Root, tmp_path: Path) -> None:
    said: list[str] = []
    write(tmp_path, b"wrong\n")
    SiteRules(root, Clock(), said.append)
    assert said == ["_redirects:1: wrong does not begin with a slash"]
