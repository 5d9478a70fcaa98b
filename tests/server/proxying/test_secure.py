"""Forwarded requests of HTTPS clients: bodies in both directions at once, and WebSockets, through TLS."""

from __future__ import annotations

import contextlib
import os
import select
import ssl
from collections.abc import Callable, Iterator

import pytest
from support.inprocess import InProcess, serve_files
from support.rawclient import RawClient
from support.serverprocess import LOOPS, TIMEOUT_S
from support.upstream import RawUpstream, Visit

from fastfile.config.config import Config
from fastfile.config.proxy_values import parse_upstream

pytest.importorskip("cryptography")

from support.certificates import make_pair

SIZE = 3_000_000
PIECE = 65536
SWITCHED = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n"


def serve(visit: Visit) -> None:
    """Send content back as it comes, or relay what a WebSocket sends."""
    head = visit.read_head()
    if b"X-Forwarded-Proto: https" not in head:
        return
    if b"websocket" in head:
        visit.send(SWITCHED)
        while data := visit.connection.recv(65536):
            visit.send(data)
        return
    visit.send(b"HTTP/1.1 200 OK\r\nSet-Cookie: a=b; Secure\r\nContent-Length: %d\r\n\r\n" % SIZE)
    left = SIZE
    while left:
        piece = visit.read_exactly(min(left, 10_000))
        left -= len(piece)
        visit.send(piece)


@pytest.fixture(scope="module", params=LOOPS)
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[InProcess]:
    folder = tmp_path_factory.mktemp("secure")
    with RawUpstream(serve) as upstream:
        config = Config(proxy=(parse_upstream(f"/api={upstream.url}"),))
        running = InProcess(folder, request.param, lambda *both: serve_files(folder, *both), config, make_pair(folder))
        yield running
        running.stop()
    assert not running.failures


def exchange(client: RawClient, content: bytes, has_all: Callable[[bytes], bool]) -> bytes:
    """Send content while the response is read, in one thread: OpenSSL's connection is not for two. Return it all."""
    connection, left, received = client.connection, memoryview(content), b""
    connection.setblocking(False)
    while not has_all(received):
        with contextlib.suppress(ssl.SSLWantReadError, ssl.SSLWantWriteError):
            if left:
                left = left[connection.send(left[:PIECE]) :]
        try:
            data = connection.recv(PIECE)
        except ssl.SSLWantReadError:
            assert any(select.select([connection], [connection] if left else [], [], TIMEOUT_S))
        else:
            assert data
            received += data
    return received


def test_a_body_goes_there_and_back_at_once(server: InProcess) -> None:
    content = os.urandom(SIZE)
    request = f"POST /api/echo HTTP/1.1\r\nHost: localhost\r\nContent-Length: {SIZE}\r\n\r\n"
    with server.connect_securely() as client:
        client.connection.sendall(request.encode())
        received = exchange(client, content, lambda received: len(received.partition(b"\r\n\r\n")[2]) >= SIZE)
    fields, _, back = received.partition(b"\r\n\r\n")
    assert fields.startswith(b"HTTP/1.1 200 ")
    assert b"Set-Cookie: a=b; Secure\r\n" in fields
    assert back == content


def test_a_websocket_goes_through(server: InProcess) -> None:
    content = os.urandom(SIZE)
    lines = ("GET /api/ws HTTP/1.1", "Host: localhost", "Upgrade: websocket", "Connection: Upgrade", "", "")
    # What a client sends before the 101 does not belong to the WebSocket yet.
    with server.connect_securely() as client:
        client.connection.sendall("\r\n".join(lines).encode())
        received = b""
        while b"\r\n\r\n" not in received:
            received += client.connection.recv(65536)
        assert received.startswith(b"HTTP/1.1 101 ")
        received = received.partition(b"\r\n\r\n")[2]
        received += exchange(client, content, lambda more: len(received) + len(more) >= SIZE)
    assert received == content
    server.wait_until(lambda: not server.upstreams._open, "the tunnel is closed")
