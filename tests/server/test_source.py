"""Bodies that are made while they are sent: taken part by part, bounded in memory, reset if they fail.

The handler belongs to the test; a target selects the body: `/KIND/SIZE`.
"""

from __future__ import annotations

import os
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from support.inprocess import SENDING, TIMEOUT_S, InProcess, serve_files
from support.rawclient import make_request
from support.serverprocess import LOOPS

from fastfile.clock import Clock
from fastfile.errors import HTTPError
from fastfile.message import Deferred, FileSlice, RequestHead, Response, ResponseHead
from fastfile.responder import Responder
from fastfile.site.representation import NO_CACHE, NO_SNIFFING, make_bodiless

FILE = os.urandom(3_000_000)
PIECE = 10_000
NOW = make_request("/bytes/1")


def content(size: int) -> bytes:
    return (FILE * (size // len(FILE) + 1))[:size]


def piece(start: int, size: int) -> bytes:
    start, count = start % len(FILE), min(PIECE, size - start)
    return FILE[start : start + count]


class Body:
    """A source that records what happens to it."""

    def __init__(self, parts: Iterator[bytes | FileSlice], clock: Clock) -> None:
        self._parts = parts
        self._clock = clock
        self.asked = 0
        self.asked_in_pass: Counter[int] = Counter()
        self.closed = threading.Event()

    def __iter__(self) -> Body:
        return self

    def __next__(self) -> bytes | FileSlice:
        self.asked += 1
        self.asked_in_pass[self._clock.batch_number] += 1
        return next(self._parts)

    def close(self) -> None:
        assert not self.closed.is_set()
        self.closed.set()


class Sources(Responder):
    def __init__(self, folder: Path, clock: Clock, log_failure: Callable[[BaseException], None]) -> None:
        self._pages = serve_files(folder, clock, log_failure)
        (folder / "file").write_bytes(FILE)
        self.file = (folder / "file").open("rb")
        self.bodies: list[Body] = []
        self._clock = clock

    def refuse(self, error: HTTPError, head: RequestHead | None) -> Response:
        return self._pages.refuse(error, head)

    def respond(self, head: RequestHead) -> Response | Deferred:
        _, kind, size, *later = head.target.decode().split("/")
        body = Body(getattr(self, kind)(int(size)), self._clock)
        self.bodies.append(body)
        fields = (NO_CACHE, NO_SNIFFING, (b"Content-Type", b"text/plain"), (b"Content-Length", size.encode()))
        first = (b"first:",) if kind == "continued" else ()
        response = Response(ResponseHead(200, fields), first, int(size), False, body)
        if head.method == b"HEAD":
            response = make_bodiless(response)
        return Deferred(lambda: None, lambda _: response) if later else response

    def bytes(self, size: int) -> Iterator[bytes]:
        for start in range(0, size, PIECE):
            yield piece(start, size)

    def crumbs(self, size: int) -> Iterator[bytes]:
        for start in range(0, size, 10):
            yield content(size)[start : start + 10]

    def slow(self, size: int) -> Iterator[bytes]:
        for part in self.crumbs(size):
            end_s = time.monotonic() + 0.001
            while time.monotonic() < end_s:
                pass
            yield part

    def whole(self, size: int) -> Iterator[bytes]:
        yield content(size)

    def empties(self, size: int) -> Iterator[bytes]:
        yield from [b""] * 1000
        for part in self.bytes(size):
            yield part
            yield b""

    def continued(self, size: int) -> Iterator[bytes]:
        yield from self.bytes(size - len(b"first:"))

    def files(self, size: int) -> Iterator[FileSlice]:
        while size:
            count = min(size, len(FILE))
            yield FileSlice(self.file, self.file.fileno(), 0, count)
            size -= count

    def archive(self, size: int) -> Iterator[bytes | FileSlice]:
        """Heads, slices of files, tails: as an archive of a folder is."""
        for start in range(0, size, PIECE):
            part = piece(start, size)
            yield part[:30]
            if len(part) > 60:
                yield FileSlice(self.file, self.file.fileno(), (start + 30) % len(FILE), len(part) - 60)
                yield part[-30:]
            else:
                yield part[30:]

    def short(self, size: int) -> Iterator[bytes]:
        yield from self.bytes(size - 1)

    def unreadable(self, size: int) -> Iterator[bytes]:
        yield content(size)[:PIECE]
        raise OSError(5, "a disk that fails")

    def buggy(self, size: int) -> Iterator[bytes]:
        yield content(size)[:PIECE]
        raise RuntimeError("a bug in a source")

    def long(self, size: int) -> Iterator[bytes]:
        yield content(size + 1)

    def cut(self, size: int) -> Iterator[FileSlice]:
        yield FileSlice(self.file, self.file.fileno(), len(FILE) - 1, size)


@pytest.fixture(scope="module", params=LOOPS)
def shared(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[InProcess]:
    folder = tmp_path_factory.mktemp("sources")
    server = InProcess(folder, request.param, lambda clock, log: Sources(folder, clock, log))
    try:
        yield server
    finally:
        server.stop()
        server.handler.file.close()


@pytest.fixture
def server(shared: InProcess) -> Iterator[InProcess]:
    """One server for many tests: each leaves no connection, no open source and no failure."""
    shared.log_lines()
    shared.handler.bodies.clear()
    yield shared
    shared.wait_until_closed()
    assert all(body.closed.is_set() for body in shared.handler.bodies)
    assert shared.failures == []


@pytest.mark.parametrize("later", ["", "/later"], ids=["at once", "deferred"])
@pytest.mark.parametrize("size", [0, 1, 59, 100_000, 3_000_000])
@pytest.mark.parametrize("kind", ["bytes", "whole", "empties", "files", "archive"])
def test_the_body_is_what_the_source_gives(server: InProcess, kind: str, size: int, later: str) -> None:
    with server.connect() as client:
        assert client.request(f"/{kind}/{size}{later}").body == content(size)
        assert client.request(f"/{kind}/{size}{later}", "HEAD").fields["content-length"] == str(size)
        assert client.request(f"/{kind}/{size}{later}").body == content(size)


def test_a_source_goes_on_where_the_parts_end(server: InProcess) -> None:
    with server.connect() as client:
        assert client.request("/continued/100006").body == b"first:" + content(100_000)


@pytest.mark.parametrize("size", [1, 100_000, 2_000_000])
def test_a_pipeline_is_answered_in_order(server: InProcess, size: int) -> None:
    kinds = ["archive", "bytes", "files", "empties", "whole"] * 2
    wire = b"".join(make_request(f"/{kind}/{size}") + NOW for kind in kinds)
    for connect in (server.connect, server.connect_to_unix_socket):
        with connect() as client:
            client.connection.sendall(wire)
            for _ in kinds:
                assert [client.receive().body, client.receive().body] == [content(size), content(1)]


def test_a_pipeline_is_answered_in_order_however_it_is_cut(server: InProcess) -> None:
    wire = make_request("/archive/50000") + make_request("/bytes/5", "HEAD") + make_request("/whole/5/later") + NOW
    for cut in range(1, len(wire)):
        with server.connect_to_unix_socket() as client:
            client.send_in_pieces(wire, cut)
            assert client.receive().body == content(50_000)
            client.receive("HEAD")
            assert [client.receive().body, client.receive().body] == [content(5), content(1)]


@pytest.mark.parametrize(("version", "field"), [("1.0", "Accept: */*"), ("1.1", "Connection: close")])
def test_the_connection_closes_after_it_where_it_must(server: InProcess, version: str, field: str) -> None:
    with server.connect() as client:
        client.connection.sendall(make_request("/archive/3000000", "GET", field, version=version) + NOW)
        assert client.receive().body == content(3_000_000)
        assert client.at_end()


FAILURES = [
    pytest.param("short", None, id="it ends early"),
    pytest.param("unreadable", None, id="the disk fails"),
    pytest.param("cut", None, id="a file was cut"),
    pytest.param("buggy", "a bug in a source", id="it has a bug"),
    pytest.param("long", "a body is longer than its Content-Length", id="it gives more than was promised"),
]


@pytest.mark.parametrize("size", [20_000, 1_000_000])
@pytest.mark.parametrize(("kind", "bug"), FAILURES)
def test_a_body_that_fails_is_cut_by_a_reset(server: InProcess, kind: str, bug: str | None, size: int) -> None:
    with server.connect() as client:
        client.connection.sendall(make_request(f"/{kind}/{size}") + NOW)
        received = bytearray()
        with pytest.raises(ConnectionResetError):
            receive_until_reset(client.connection, received)
        body = received.partition(b"\r\n\r\n")[2]
        assert len(body) < size
        assert content(size).startswith(body) or kind == "cut"
    if bug is not None:
        server.wait_until(lambda: bool(server.failures), "it is reported")
        assert [str(failure) for failure in server.failures] == [bug]
        server.failures.clear()


def receive_until_reset(connection: socket.socket, received: bytearray) -> None:
    while more := connection.recv(1 << 20):
        received += more


def test_no_more_is_asked_for_than_the_client_takes(server: InProcess) -> None:
    with server.connect_to_unix_socket() as client:
        client.send("/bytes/3000000")
        server.wait_until(lambda: server.states() == [SENDING], "its socket is full")
        (body,) = server.handler.bodies
        assert body.asked * PIECE < 800_000  # what both ends of the socket hold, and one pull
        assert client.receive().body == content(3_000_000)


@pytest.mark.parametrize("kind", ["bytes", "files"])
def test_a_client_that_goes_in_the_middle_closes_it(server: InProcess, kind: str) -> None:
    client = server.connect()
    client.send(f"/{kind}/30000000")
    received = 0
    while received < 1000:  # the head, and some of the body
        received += len(client.connection.recv(1000))
    (body,) = server.handler.bodies
    client.connection.close()
    assert body.closed.wait(TIMEOUT_S)
    server.wait_until_closed()
    (line,) = server.log_lines()
    assert 0 < line["size"] < 30_000_000


def test_others_are_served_while_one_is_sent(server: InProcess) -> None:
    """A client that takes as fast as it can, so that its socket is never full: each turn must end by itself."""
    with server.connect() as greedy, server.connect() as other:
        taken = bytearray(1 << 20)
        stop = threading.Event()

        def take() -> None:
            while not stop.is_set() and greedy.connection.recv_into(taken):
                pass

        greedy.send("/bytes/100000000000")
        assert greedy.connection.recv(1)
        thread = threading.Thread(target=take)
        thread.start()
        try:
            assert [other.request("/bytes/1").body for _ in range(20)] == [content(1)] * 20
            assert not server.handler.bodies[0].closed.is_set()
        finally:
            stop.set()
            thread.join()


def test_a_turn_is_short_however_small_the_parts_are(server: InProcess) -> None:
    """A part may have cost the opening of a file: here each costs a millisecond, of the two that a turn has."""
    with server.connect() as client:
        assert client.request("/slow/200").body == content(200)
    passes = server.handler.bodies[0].asked_in_pass
    assert sum(passes.values()) == 20
    assert max(passes.values()) <= 4


EXPECT = ("Content-Length: 4", "Expect: 100-continue")


@pytest.mark.parametrize("later", ["", "/later"])
def test_a_request_that_expects_100_is_handled_once_and_its_response_waits_for_the_body(
    server: InProcess, later: str
) -> None:
    with server.connect() as client:
        client.send(f"/bytes/5{later}", "GET", *EXPECT)
        assert client.receive().status == 100
        assert not server.handler.bodies[0].closed.is_set()
        client.connection.sendall(b"body" + NOW)
        assert [client.receive().body for _ in range(2)] == [content(5), content(1)]
    assert [body.asked for body in server.handler.bodies] == [1, 1]


def test_a_response_that_waits_for_a_body_is_dropped_with_its_connection(server: InProcess) -> None:
    with server.connect() as client:
        client.send("/bytes/5", "GET", *EXPECT)
        assert client.receive().status == 100
    assert server.handler.bodies[0].closed.wait(TIMEOUT_S)


def test_a_response_that_waits_for_a_body_is_dropped_when_that_is_malformed(server: InProcess) -> None:
    with server.connect() as client:
        client.send("/bytes/5", "GET", "Transfer-Encoding: chunked", "Expect: 100-continue")
        assert client.receive().status == 100
        client.connection.sendall(b"no chunk\r\n")
        assert client.receive().status == 400
        assert client.at_end()
    assert server.handler.bodies[0].closed.is_set()


def test_it_is_logged_with_its_size(server: InProcess) -> None:
    with server.connect() as client:
        client.connection.sendall(NOW + make_request("/archive/1000000") + NOW)
        assert [len(client.receive().body) for _ in range(3)] == [1, 1_000_000, 1]
        assert [line["size"] for line in server.log_lines()] == [1, 1_000_000, 1]
