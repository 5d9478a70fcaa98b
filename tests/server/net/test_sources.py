"""Bodies of unknown size, and sources without data: chunks, the end of the connection, and an idle loop."""

from __future__ import annotations

import http.client
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from support.channel import Channel
from support.inprocess import TIMEOUT_S, InProcess, serve_files
from support.rawclient import RawClient, make_request
from support.serverprocess import LOOPS

from fastfile.clock import Clock
from fastfile.errors import HTTPError
from fastfile.message import UNKNOWN_SIZE, FileSlice, RequestHead, Response, ResponseHead
from fastfile.responder import Responder
from fastfile.site.representation import NO_CACHE, NO_SNIFFING, make_bodiless

TEXT = bytes(range(256)) * 1000
STATE_PENDING = 8
FIELDS = (NO_CACHE, NO_SNIFFING, (b"Content-Type", b"text/plain"))
RESET = struct.pack("ii", 1, 0)


class Bodies(Responder):
    def __init__(self, folder: Path, clock: Clock, log_failure: Callable[[BaseException], None]) -> None:
        self._pages = serve_files(folder, clock, log_failure)
        (folder / "file").write_bytes(TEXT)
        self.file = (folder / "file").open("rb")
        self.channels: list[Channel] = []

    def refuse(self, error: HTTPError, head: RequestHead | None) -> Response:
        return self._pages.refuse(error, head)

    def respond(self, head: RequestHead) -> Response:
        kind = head.target.decode().strip("/")
        if kind == "now":
            return Response(ResponseHead(200, (*FIELDS, (b"Content-Length", b"3"))), (b"now",), 3)
        if kind == "pending" or kind == "promised":
            channel = Channel()
            self.channels.append(channel)
            fields, size = FIELDS, UNKNOWN_SIZE
            if kind == "promised":
                fields, size = (*FIELDS, (b"Content-Length", b"6")), 6
            return Response(ResponseHead(200, fields), (), size, False, channel)
        source = getattr(self, kind)()
        response = Response(
            ResponseHead(200, FIELDS), (b"first",) if kind == "first" else (), UNKNOWN_SIZE, False, source
        )
        return make_bodiless(response) if head.method == b"HEAD" else response

    def nothing(self) -> Iterator[bytes]:
        yield from ()

    def bytes(self) -> Iterator[bytes]:
        for start in range(0, len(TEXT), 10_000):
            yield TEXT[start : start + 10_000]

    def crumbs(self) -> Iterator[bytes]:
        for start in range(0, len(TEXT), 100):
            yield TEXT[start : start + 100]
            yield b""

    def first(self) -> Iterator[bytes]:
        yield TEXT

    def files(self) -> Iterator[bytes | FileSlice]:
        yield b"head"
        yield FileSlice(self.file, self.file.fileno(), 0, len(TEXT))
        yield b"tail"

    def failing(self) -> Iterator[bytes]:
        yield TEXT
        raise OSError(5, "a disk that fails")


EXPECTED = {"nothing": b"", "bytes": TEXT, "crumbs": TEXT, "first": b"first" + TEXT, "files": b"head" + TEXT + b"tail"}


@pytest.fixture(scope="module", params=LOOPS)
def shared(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[InProcess]:
    folder = tmp_path_factory.mktemp("sources")
    server = InProcess(folder, request.param, lambda clock, log: Bodies(folder, clock, log))
    try:
        yield server
    finally:
        server.stop()
        server.handler.file.close()


@pytest.fixture
def server(shared: InProcess) -> Iterator[InProcess]:
    shared.log_lines()
    shared.handler.channels.clear()
    yield shared
    shared.wait_until_closed()
    assert all(channel.closed.is_set() for channel in shared.handler.channels)
    assert shared.failures == []


def receive(connection: socket.socket, method: str = "GET") -> tuple[http.client.HTTPResponse, bytes]:
    response = http.client.HTTPResponse(connection, method=method)
    response.begin()
    return response, response.read()


@pytest.mark.parametrize("kind", EXPECTED)
def test_a_body_of_unknown_size_is_chunked_and_the_connection_goes_on(server: InProcess, kind: str) -> None:
    with server.connect() as client:
        for _ in range(2):
            client.connection.sendall(make_request(f"/{kind}"))
            response, body = receive(client.connection)
            assert (response.status, body) == (200, EXPECTED[kind])
            assert response.headers["Transfer-Encoding"] == "chunked"
            assert "Content-Length" not in response.headers


def test_the_log_has_the_size_that_the_body_came_to(server: InProcess) -> None:
    with server.connect() as client:
        client.connection.sendall(make_request("/first"))
        assert receive(client.connection)[1] == EXPECTED["first"]
    server.wait_until_closed()
    (line,) = server.log_lines()
    assert line["size"] == len(EXPECTED["first"])


@pytest.mark.parametrize("kind", EXPECTED)
def test_a_client_of_http_1_0_gets_no_chunks_but_the_end_of_the_connection(server: InProcess, kind: str) -> None:
    with server.connect() as client:
        client.connection.sendall(make_request(f"/{kind}", "GET", "Connection: keep-alive", version="1.0"))
        response, body = receive(client.connection)
        assert body == EXPECTED[kind]
        assert response.headers["Connection"] == "close"
        assert "Transfer-Encoding" not in response.headers
        assert client.connection.recv(1) == b""


def receive_until(client: RawClient, end: bytes, times: int) -> bytes:
    received = b""
    while received.count(end) < times:
        more = client.connection.recv(1 << 20)
        assert more
        received += more
    return received


def test_head_has_no_body_whatever_its_size_would_be(server: InProcess) -> None:
    with server.connect() as client:
        client.connection.sendall(make_request("/bytes", "HEAD") + make_request("/now"))
        heads, _, body = receive_until(client, b"\r\n\r\nnow", 1).rpartition(b"\r\n\r\n")
        assert (heads.count(b"\r\n\r\n"), body) == (1, b"now")


@pytest.mark.parametrize("version", ["1.1", "1.0"])
def test_a_body_of_unknown_size_that_fails_is_cut_by_a_reset(server: InProcess, version: str) -> None:
    """Without one, a client of HTTP/1.0 would take what it has for the whole."""
    with server.connect() as client:
        client.connection.sendall(make_request("/failing", version=version))
        with pytest.raises((ConnectionResetError, http.client.IncompleteRead)):
            receive(client.connection)


def test_a_pipeline_goes_on_behind_chunks(server: InProcess) -> None:
    with server.connect() as client:
        client.connection.sendall(make_request("/now") + make_request("/files") + make_request("/now"))
        received = receive_until(client, b"\r\n\r\nnow", 2)
        assert b"\r\n4\r\ntail\r\n0\r\n\r\nHTTP/1.1 200" in received


def pending(server: InProcess, kind: str = "pending") -> tuple[RawClient, Channel]:
    """Request a body whose source has no data yet, and wait until the connection waits for it."""
    client = server.connect()
    client.connection.sendall(make_request(f"/{kind}"))
    server.wait_until(lambda: STATE_PENDING in server.states(), "its source is waited for")
    return client, server.handler.channels[-1]


@pytest.mark.parametrize("kind", ["pending", "promised"])
def test_a_source_that_has_nothing_yet_is_waited_for_and_asked_no_more(server: InProcess, kind: str) -> None:
    client, channel = pending(server, kind)
    with client:
        assert (channel.asked, channel.waits) == (1, 1)
        server.ask(lambda: channel.give(b"abc"))
        server.wait_until(lambda: channel.waits == 2, "it is waited for again")
        assert channel.asked == 3
        server.ask(lambda: channel.give(b"def", None))
        assert receive(client.connection)[1] == b"abcdef"
        client.connection.sendall(make_request("/now"))
        assert client.receive().body == b"now"


def test_what_came_before_is_sent_while_the_source_has_nothing(server: InProcess) -> None:
    client, channel = pending(server)
    with client:
        response = http.client.HTTPResponse(client.connection)
        response.begin()
        server.ask(lambda: channel.give(b"event"))
        assert response.read(5) == b"event"
        server.ask(lambda: channel.give(None))
        assert response.read() == b""


def test_the_loop_is_idle_while_a_source_has_nothing(server: InProcess) -> None:
    client, channel = pending(server)
    with client:
        spent_s = server.ask(time.thread_time)
        woken = threading.Event()

        def give() -> None:
            channel.give(b"later", None)
            woken.set()

        server.call_later(1.0, give)
        assert woken.wait(TIMEOUT_S)
        assert server.ask(time.thread_time) - spent_s < 0.3  # of a second, in which the test's own tick runs too
        assert channel.asked <= 4
        assert receive(client.connection)[1] == b"later"


def test_a_wake_that_comes_twice_or_late_does_nothing(server: InProcess) -> None:
    client, channel = pending(server)
    with client:
        first = channel.wake
        assert first is not None
        server.ask(lambda: channel.give(b"abc"))
        server.wait_until(lambda: channel.waits == 2, "it is waited for again")
        server.ask(first)
        assert channel.asked == 3
        last = channel.wake
        assert last is not None
    client.connection.close()
    server.ask(lambda: channel.give(b"more"))
    server.wait_until_closed()
    server.ask(last)


def test_a_client_that_resets_the_connection_meanwhile_is_noticed(server: InProcess) -> None:
    client, channel = pending(server)
    client.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
    client.connection.close()
    assert channel.closed.wait(TIMEOUT_S)


def test_others_are_served_while_a_source_has_nothing(server: InProcess) -> None:
    client, channel = pending(server)
    with client, server.connect() as other:
        assert other.request("/now").body == b"now"
        server.ask(lambda: channel.give(None))
