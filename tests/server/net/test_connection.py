"""The connection as a state machine: the effect of each event in each state, over real sockets.

A row of the table is a state, the input that leads to it, and the state after each event; None is a closed connection.
The states are those of states.py, which are no module attributes when compiled.
"""

from __future__ import annotations

import os
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from support.inprocess import TIMEOUT_S, InProcess, serve_files
from support.rawclient import RawClient, make_request

from fastfile.clock import Clock
from fastfile.config.config import Config
from fastfile.errors import HTTPError
from fastfile.message import PENDING, UNKNOWN_SIZE, Deferred, FileSlice, RequestHead, Response, ResponseHead
from fastfile.message import Pending as Nothing
from fastfile.responder import Responder
from fastfile.server.net.http1 import send_queue
from fastfile.site.representation import NO_CACHE, NO_SNIFFING

IDLE, HEAD, BODY, WAITING, SENDING, READING, LINGERING, CLOSED, STARVED = range(9)
RESET = struct.pack("ii", 1, 0)
FIELDS = (NO_CACHE, NO_SNIFFING, (b"Content-Type", b"text/plain"))
LARGE = 32 << 20  # more than the buffers of both ends hold


class Endless:
    """A source without data until it is told to end."""

    def __init__(self) -> None:
        self.ended = False
        self.wake: Callable[[], None] | None = None

    def __next__(self) -> bytes | FileSlice | Nothing:
        if self.ended:
            raise StopIteration
        return PENDING

    def wait(self, wake: Callable[[], None]) -> None:
        self.wake = wake

    def end(self) -> None:
        self.ended = True
        assert self.wake is not None
        self.wake()


class Machine(Responder):
    def __init__(self, folder: Path, clock: Clock, log_failure: Callable[[BaseException], None]) -> None:
        self._pages = serve_files(folder, clock, log_failure)
        with (folder / "large").open("wb") as file:
            file.truncate(LARGE)
        self.file = (folder / "large").open("rb")
        self.gate = threading.Event()
        self.source = Endless()

    def refuse(self, error: HTTPError, head: RequestHead | None) -> Response:
        return self._pages.refuse(error, head)

    def respond(self, head: RequestHead) -> Response | Deferred:
        small = Response(ResponseHead(200, (*FIELDS, (b"Content-Length", b"2"))), (b"ok",), 2)
        if head.target == b"/later":
            return Deferred(lambda: self.gate.wait(TIMEOUT_S), lambda _: small)
        if head.target == b"/large":
            part = FileSlice(self.file, self.file.fileno(), 0, LARGE)
            return Response(ResponseHead(200, (*FIELDS, (b"Content-Length", b"%d" % LARGE))), (part,), LARGE)
        if head.target == b"/source":
            return Response(ResponseHead(200, FIELDS), (), UNKNOWN_SIZE, False, self.source)
        return small


class Row(NamedTuple):
    name: str
    state: int
    said: bytes  # the input that leads to the state
    readable: int | None  # after one more whole request has arrived
    result: int | None  # after the awaited event: a job, the disk, the source, the client's room
    deadline: int | None
    half_close: int | None  # after the client has sent the end of its stream
    # A reset by the client closes the connection in every state.


BODY_HEAD = make_request("/", "POST", "Content-Length: 2")
ROWS = (
    Row("silent", HEAD, b"", IDLE, HEAD, None, None),
    Row("idle", IDLE, make_request("/"), IDLE, IDLE, None, None),
    Row("in a head", HEAD, b"GET / HT", LINGERING, HEAD, LINGERING, None),
    Row("in a body", BODY, BODY_HEAD + b"x", HEAD, BODY, LINGERING, None),
    Row("waiting", WAITING, make_request("/later"), WAITING, IDLE, IDLE, WAITING),
    Row("sending", SENDING, make_request("/large"), SENDING, IDLE, None, SENDING),
    Row("reading", READING, make_request("/large"), READING, IDLE, None, READING),
    Row("starved", STARVED, make_request("/source"), STARVED, IDLE, STARVED, STARVED),
    Row("lingering", LINGERING, b"POST / HTTP/1.1\r\n\r\nmore", LINGERING, LINGERING, None, None),
)
by_row = pytest.mark.parametrize("row", ROWS, ids=[row.name for row in ROWS])


class Disk:
    """Decides what is in memory, and blocks reads from the disk until it is released."""

    def __init__(self) -> None:
        self.is_cold = False
        self.go = threading.Event()

    def is_cached(self, *_: int) -> bool:
        return not self.is_cold

    def read_ahead(self, *_: int) -> None:
        assert self.go.wait(TIMEOUT_S)
        self.is_cold = False


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> Disk:
    disk = Disk()
    monkeypatch.setattr(send_queue, "is_cached", disk.is_cached)
    monkeypatch.setattr(send_queue, "read_ahead", disk.read_ahead)
    return disk


@pytest.fixture
def server(tmp_path: Path, disk: Disk) -> Iterator[InProcess]:
    server = InProcess(tmp_path, "asyncio", lambda clock, log: Machine(tmp_path, clock, log), Config())
    before = len(os.listdir("/proc/self/fd"))
    yield server
    server.handler.gate.set()
    disk.go.set()
    for connection in server.ask(server.open_connections):
        server.ask(connection.close)
    server.wait_until(lambda: server.offload.jobs == server.disk.jobs == 0, "the jobs have ended")
    assert len(os.listdir("/proc/self/fd")) <= before
    assert server.failures == []
    server.stop()
    server.handler.file.close()


def reach(server: InProcess, disk: Disk, row: Row) -> RawClient:
    """Return a client whose connection is in the state of a row."""
    disk.is_cold = row.state == READING
    client = server.connect_to_unix_socket()
    client.connection.sendall(row.said)
    server.wait_until(lambda: server.states() == [row.state] and is_settled(server, row), f"it is {row.name}")
    return client


def is_settled(server: InProcess, row: Row) -> bool:
    """Tell whether the input has been read: a new connection is in the same state as one in a head."""
    (connection,) = server.open_connections()
    return row.name == "silent" or not connection.is_quiet(True) or row.state == IDLE


def after(server: InProcess, state: int | None, what: str) -> None:
    wanted = [] if state is None else [state]
    server.wait_until(lambda: server.states() == wanted, f"{what}: {wanted}")


@by_row
def test_readable(server: InProcess, disk: Disk, row: Row) -> None:
    with reach(server, disk, row) as client:
        client.connection.sendall(b"x" + make_request("/") if row.state == BODY else make_request("/"))
        if row.state == BODY:
            after(server, IDLE, "the body has ended, and one more request is responded to")
        else:
            after(server, row.readable, "one more request")


@by_row
def test_result(server: InProcess, disk: Disk, row: Row) -> None:
    with reach(server, disk, row) as client:
        server.handler.gate.set()
        disk.go.set()
        if row.state == STARVED:
            server.ask(server.handler.source.end)
        if row.state in (SENDING, READING):
            taken, buffer = 0, bytearray(1 << 20)
            while taken < LARGE:
                taken += client.connection.recv_into(buffer)
        after(server, row.result, "what it waits for")


@by_row
def test_deadline(server: InProcess, disk: Disk, row: Row) -> None:
    with reach(server, disk, row):
        server.ask(
            lambda: [connection.on_deadline() for connection in server.open_connections() if row.state != STARVED]
        )
        after(server, row.deadline, "its deadline")


@by_row
def test_half_close(server: InProcess, disk: Disk, row: Row) -> None:
    with reach(server, disk, row) as client:
        client.connection.shutdown(socket.SHUT_WR)
        after(server, row.half_close, "the end of what the client sends")


@by_row
def test_hang_up(server: InProcess, disk: Disk, row: Row) -> None:
    reach(server, disk, row).connection.close()
    after(server, None, "the client has gone")


@by_row
def test_reset(server: InProcess, disk: Disk, row: Row) -> None:
    client = reach(server, disk, row)
    client.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
    client.connection.close()
    after(server, None, "the client has reset it")


@by_row
def test_a_result_that_comes_after_the_end_changes_nothing(server: InProcess, disk: Disk, row: Row) -> None:
    with reach(server, disk, row):
        (connection,) = server.ask(server.open_connections)
        server.ask(connection.close)
        server.handler.gate.set()
        disk.go.set()
        server.wait_until(lambda: server.offload.jobs == server.disk.jobs == 0, "the jobs have ended")
        for event in (connection.on_ready, connection.on_deadline, connection.close):
            server.ask(event)
        assert connection.state == CLOSED


def test_a_tls_handshake_is_named_to_the_client_and_to_the_operator(server: InProcess) -> None:
    with server.connect() as client:
        client.connection.sendall(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(100))
        received = client.connection.recv(65536)
        assert received.startswith(b"HTTP/1.1 400 ")
        assert b"TLS handshake" in received
    expected = "got a TLS handshake on a plain HTTP port from 127.0.0.1: use http:// there, or start with --https"
    assert any(text.endswith(expected) for text in server.said)


@pytest.mark.parametrize(
    ("fields", "option"),
    [
        ((f"Cookie: {'x' * 17000}",), b"--limit-field-line"),
        ((f"Cookie: {'x' * 15000}",) * 3, b"--limit-head"),
    ],
)
def test_the_error_for_large_cookies_names_the_cookies(
    server: InProcess, fields: tuple[str, ...], option: bytes
) -> None:
    with server.connect() as client:
        client.send("/", "GET", *fields)
        response = client.receive()
        assert response.status == 431
        assert b"cookies" in response.body
        assert option in response.body
