"""Files that are not in memory: their connections wait for the disk, the others do not.

A fake decides what is in memory, and blocks reads from the disk, so that a test sees which requests wait: a real disk
reads a small file too quickly. The last tests use a real disk.
"""

from __future__ import annotations

import errno
import gzip
import os
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from support.colddisk import drop, is_seen_once_dropped
from support.inprocess import READING, SENDING, TIMEOUT_S, WAITING, InProcess, serve_files
from support.rawclient import make_request
from support.serverprocess import ONE_LOOP

from fastfile.clock import Clock
from fastfile.config.config import Config
from fastfile.errors import HTTPError
from fastfile.message import Deferred, RequestHead, Response
from fastfile.responder import Responder
from fastfile.sendfile import read_ahead, read_cached
from fastfile.server.net.http1 import send_queue
from fastfile.site import plain_files
from fastfile.site.representation import NO_CACHE, NO_SNIFFING, make_response
from fastfile.storage import resource
from fastfile.storage.metadata import is_settled

LARGE = os.urandom(12 << 20)  # more than is read ahead at once
SMALL = os.urandom(10_000)
RESET = struct.pack("ii", 1, 0)


class Disk:
    """Replaces the calls of the kernel: all files are only on disk, until they are read ahead.

    While it is closed it blocks read-ahead.
    """

    def __init__(self) -> None:
        self._in_memory: dict[int, list[tuple[int, int]]] = {}
        self.calls = 0  # of read_ahead
        self.waiting = threading.Event()
        self.open = threading.Event()
        self.open.set()
        self.error: OSError | None = None
        self._lock = threading.Lock()

    def close(self) -> None:
        with self._lock:
            self.open.clear()
            self.waiting.clear()

    def drop(self) -> None:
        self._in_memory.clear()

    def is_cached(self, fd: int, offset: int, count: int, step: int) -> bool:
        end = offset
        for first, last in sorted(self._in_memory.get(os.fstat(fd).st_ino, [])):
            if first <= end:
                end = max(end, last)
        return end >= offset + count

    def read_cached(self, fd: int, offset: int, count: int) -> bytes | None:
        return os.pread(fd, count, offset) if self.is_cached(fd, offset, count, 1) else None

    def read_ahead(self, fd: int, offset: int, count: int, more: int) -> None:
        self.calls += 1
        with self._lock:  # a read that began before it was closed is not blocked, and does not count as waiting
            self.waiting.set()
            is_held_up = not self.open.is_set()
        assert not is_held_up or self.open.wait(TIMEOUT_S)
        if self.error is not None:
            raise self.error
        self._in_memory.setdefault(os.fstat(fd).st_ino, []).append((offset, offset + count))


class Files(Responder):
    """A real handler; and `/later`, which is deferred."""

    def __init__(self, folder: Path, clock: Clock, log_failure: Callable[[BaseException], None]) -> None:
        self._files = serve_files(folder, clock, log_failure)
        self.gate = threading.Event()

    @property
    def hits(self) -> int:
        return self._files.hits

    def refuse(self, error: HTTPError, head: RequestHead | None) -> Response:
        return self._files.refuse(error, head)

    def respond(self, head: RequestHead) -> Response | Deferred:
        if head.target != b"/later":
            return self._files.respond(head)
        fields = (NO_CACHE, NO_SNIFFING, (b"Content-Type", b"text/plain"))
        return Deferred(lambda: self.gate.wait(TIMEOUT_S), lambda _: make_response(200, fields, b"later"))


def settle(folder: Path) -> None:
    """Wait until a change of a file would be noticed: nothing is cached before."""
    while not all(is_settled(path.stat(), time.time_ns()) for path in (folder, *folder.iterdir())):
        os.sched_yield()


@pytest.fixture(scope="module", params=ONE_LOOP)
def shared(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[InProcess]:
    folder = tmp_path_factory.mktemp("cold")
    (folder / "large.bin").write_bytes(LARGE)
    (folder / "small.txt").write_bytes(SMALL)
    (folder / "page.css").write_bytes(b"body {}")
    (folder / "page.css.gz").write_bytes(gzip.compress(b"body {}"))
    server = InProcess(folder, request.param, lambda clock, log: Files(folder, clock, log))
    server.folder = folder
    try:
        yield server
    finally:
        server.stop()


@pytest.fixture
def server(shared: InProcess, disk: Disk) -> Iterator[InProcess]:
    """One server for many tests: its files are not cached, and each test leaves no connection, descriptor or job."""
    shared.handler.gate.clear()
    for path in shared.folder.glob("*.*"):
        os.utime(path)
    settle(shared.folder)
    with shared.connect() as client:  # so that the same is open before and after
        assert client.request("/large.bin", "HEAD").status == 200
    shared.wait_until_closed()
    before = len(os.listdir("/dev/fd"))
    yield shared
    shared.wait_until_closed()
    shared.wait_until(lambda: shared.disk.jobs == shared.offload.jobs == 0, "no job is left")
    assert shared.failures == []
    assert len(os.listdir("/dev/fd")) <= before


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> Iterator[Disk]:
    disk = Disk()
    monkeypatch.setattr(send_queue, "read_ahead", disk.read_ahead)
    monkeypatch.setattr(send_queue, "is_cached", disk.is_cached)
    monkeypatch.setattr(resource, "read_cached", disk.read_cached)
    monkeypatch.setattr(plain_files, "read_beneath", lambda *_: None)
    yield disk
    disk.open.set()


def test_a_large_file_is_whole(server: InProcess, disk: Disk) -> None:
    with server.connect() as client:
        assert client.request("/large.bin").body == LARGE
        calls = disk.calls
        assert client.request("/large.bin").body == LARGE
        assert calls == disk.calls == len(LARGE) >> 20  # then it is in memory


def test_a_part_of_a_file_is_what_it_should_be(server: InProcess, disk: Disk) -> None:
    with server.connect() as client:
        assert client.request("/large.bin", "GET", "Range: bytes=5000000-5100000").body == LARGE[5_000_000:5_100_001]
        assert disk.calls == 1
        disk.drop()
        assert client.request("/large.bin", "GET", "Range: bytes=-1000").body == LARGE[-1000:]
        assert disk.calls == 2
        disk.drop()
        parts = client.request("/large.bin", "GET", "Range: bytes=0-9,9000000-9000009").parts()
        assert [content for _, content in parts] == [LARGE[:10], LARGE[9_000_000:9_000_010]]
        assert disk.calls > 2


def test_others_are_served_while_one_waits_for_the_disk(server: InProcess, disk: Disk) -> None:
    disk.close()
    with server.connect() as waiting, server.connect() as other:
        waiting.connection.sendall(make_request("/large.bin") + make_request("/missing") + make_request("/large.bin"))
        assert disk.waiting.wait(TIMEOUT_S)
        assert READING in server.connections().values()
        assert [other.request("/missing").status for _ in range(3)] == [404] * 3
        disk.open.set()
        assert waiting.receive().body == LARGE
        assert waiting.receive().status == 404
        assert waiting.receive().body == LARGE


def test_a_small_file_is_kept_in_memory_from_the_second_response_on(server: InProcess, disk: Disk) -> None:
    with server.connect() as client:
        assert client.request("/small.txt").body == SMALL
        assert disk.calls == 1
        hits = server.handler.hits
        assert [client.request("/small.txt").body for _ in range(2)] == [SMALL] * 2
        assert (server.handler.hits, disk.calls) == (hits + 1, 1)


def test_a_small_file_delays_no_other_client(server: InProcess, disk: Disk) -> None:
    disk.close()
    with server.connect() as waiting, server.connect() as other:
        waiting.send("/small.txt")
        assert disk.waiting.wait(TIMEOUT_S)
        assert other.request("/missing").status == 404
        disk.open.set()
        assert waiting.receive().body == SMALL


def test_a_variant_is_sent_as_it_is_on_the_disk(server: InProcess, disk: Disk) -> None:
    with server.connect() as client:
        for _ in range(3):
            response = client.request("/page.css", "GET", "Accept-Encoding: gzip")
            assert gzip.decompress(response.body) == b"body {}"
            assert response.fields["content-encoding"] == "gzip"
        assert disk.calls == 1


def test_its_validators_are_those_of_the_file_in_memory(server: InProcess, disk: Disk) -> None:
    with server.connect() as client:
        cold = client.request("/small.txt")
        assert client.request("/small.txt").lasting() == cold.lasting()
        os.utime(server.folder / "small.txt")
        tag = client.request("/small.txt", "HEAD").fields["etag"]
        assert tag != cold.fields["etag"]
        assert client.request("/small.txt", "GET", f"If-None-Match: {tag}").status == 304
        assert client.request("/small.txt").fields["etag"] == tag


def test_a_client_that_resets_is_let_go_at_once(server: InProcess, disk: Disk) -> None:
    disk.close()
    client = server.connect()
    client.send("/large.bin")
    assert disk.waiting.wait(TIMEOUT_S)
    client.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
    client.connection.close()
    server.wait_until_closed()
    disk.open.set()


@pytest.mark.parametrize("first", ["the disk", "the job"])
def test_a_deferred_response_behind_it_comes_in_its_turn(server: InProcess, disk: Disk, first: str) -> None:
    with server.connect() as client:
        disk.close()
        client.connection.sendall(make_request("/small.txt") + make_request("/later") + make_request("/missing"))
        assert disk.waiting.wait(TIMEOUT_S)
        assert server.ask(lambda: (server.states(), server.offload.jobs)) == ([READING], 1)
        if first == "the disk":
            disk.open.set()
            assert client.receive().body == SMALL
            server.wait_until(lambda: server.states() == [WAITING], "it waits for the job alone")
            server.handler.gate.set()
        else:
            server.handler.gate.set()
            server.wait_until(lambda: server.offload.jobs == 0, "the job is done")
            assert server.ask(server.states) == [READING]
            disk.open.set()
            assert client.receive().body == SMALL
        assert [client.receive().body[:5], client.receive().status] == [b"later", 404]


def test_a_client_that_reads_nothing_differs_from_one_that_waits_for_the_disk(server: InProcess, disk: Disk) -> None:
    with server.connect_to_unix_socket() as client:
        client.send("/large.bin")
        server.wait_until(lambda: server.states() == [SENDING], "its socket is full")
        disk.close()
        disk.drop()
        client.take_until(disk.waiting.is_set)
        disk.open.set()
        assert client.receive().body == LARGE


def test_a_disk_that_fails_ahead_is_read_again_by_the_sender(server: InProcess, disk: Disk) -> None:
    disk.error = OSError(errno.EIO, "the disk failed, this time")
    with server.connect() as client:
        assert client.request("/large.bin").body == LARGE


def test_a_file_that_is_cut_meanwhile_resets_the_connection(server: InProcess, disk: Disk) -> None:
    path = server.folder / "cut.bin"
    path.write_bytes(LARGE)
    disk.close()
    with server.connect() as client:
        client.send("/cut.bin")
        assert disk.waiting.wait(TIMEOUT_S)
        os.truncate(path, 100)
        disk.open.set()
        with pytest.raises(ConnectionResetError):
            client.receive()
    path.unlink()
    with server.connect() as client:
        assert client.request("/cut.bin").status == 404  # nor is it kept open


def test_a_disk_that_never_answers_resets_the_connection(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, disk: Disk
) -> None:
    (tmp_path / "large.bin").write_bytes(LARGE)
    disk.close()
    config = Config(write_timeout=0.2)
    server = InProcess(tmp_path, ONE_LOOP[0], lambda clock, log: Files(tmp_path, clock, log), config)
    try:
        with server.connect() as client:
            client.send("/large.bin")
            with pytest.raises(ConnectionResetError):
                client.receive()
        server.wait_until_closed()
    finally:
        disk.open.set()
        server.stop()
    assert server.failures == []


# A real disk


@pytest.mark.parametrize("loop", ONE_LOOP)
def test_what_is_on_a_real_disk_alone_is_sent_as_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, loop: str
) -> None:
    asked: list[tuple[int, ...]] = []
    monkeypatch.setattr(send_queue, "read_ahead", lambda *what: (asked.append(what), read_ahead(*what)))
    files = {"large.bin": LARGE, "small.txt": SMALL}
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)
        with (tmp_path / name).open("rb") as file:
            drop(file.fileno())
    # With another file: asking for a page makes the kernel read it, and much of the rest.
    (tmp_path / "other").write_bytes(SMALL)
    with (tmp_path / "other").open("rb") as file:
        other_fd = file.fileno()
        can_tell = is_seen_once_dropped(other_fd, lambda: read_cached(other_fd, 0, 1) is None)
    server = InProcess(tmp_path, loop, lambda clock, log: Files(tmp_path, clock, log))
    try:
        with server.connect() as client:
            for name, content in files.items():
                assert [client.request(f"/{name}").body for _ in range(3)] == [content] * 3
    finally:
        server.stop()
    assert bool(asked) is can_tell
    assert server.failures == []
