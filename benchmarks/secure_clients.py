"""The clients of instructions.py for TLS and HTTP/2: with a number of streams at a time, and also without TLS."""

from __future__ import annotations

import re
import socket
import ssl
from collections.abc import Callable
from typing import Any, NamedTuple

from benchmarks.load import unverified

TIMEOUT_S = 180.0  # under valgrind, on a busy machine
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, SETTINGS, WINDOW_UPDATE = 0, 1, 4, 8
END_STREAM, ACK = 1, 1
END_OF_REQUEST = 5  # END_HEADERS and END_STREAM
INITIAL_WINDOW_SIZE, MAX_WINDOW, WINDOW = 4, 2**31 - 1, 65535


def connect(port: int, protocol: str) -> ssl.SSLSocket:
    return make_context(protocol).wrap_socket(connect_plainly(port))


def make_context(protocol: str) -> ssl.SSLContext:
    context = unverified()
    context.set_alpn_protocols([protocol])
    return context


def connect_plainly(port: int) -> socket.socket:
    return socket.create_connection(("127.0.0.1", port), timeout=TIMEOUT_S)


class SecureClient:
    """Sends one request of HTTP/1.1 at a time."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._kept = connect(port, "http/1.1")
        self._context = make_context("http/1.1")
        self._session: ssl.SSLSession | None = None

    def close(self) -> None:
        self._kept.close()

    def ask(self, target: bytes, size: int) -> None:
        exchange(self._kept, target, size)

    def handshake(self, target: bytes, size: int) -> None:
        with connect(self._port, "http/1.1") as once:
            exchange(once, target, size)

    def resume(self, target: bytes, size: int) -> None:
        """Make a connection with the session of the previous one, for one request."""
        with self._context.wrap_socket(connect_plainly(self._port), session=self._session) as once:
            assert once.session_reused == (self._session is not None)
            exchange(once, target, size, b"Connection: close\r\n")
            assert once.recv(1) == b""
            self._session = once.session


def exchange(connection: ssl.SSLSocket, target: bytes, size: int, lines: bytes = b"") -> None:
    connection.sendall(b"GET %b HTTP/1.1\r\nHost: localhost\r\n%b\r\n" % (target, lines))
    received = b""
    while b"\r\n\r\n" not in received:
        received += receive(connection)
    head, _, body = received.partition(b"\r\n\r\n")
    assert b" 200 " in head
    assert re.search(rb"(?i)\r\ncontent-length: %d\b" % size, head)
    missing = size - len(body)
    while missing > 0:
        missing -= len(receive(connection))


def receive(connection: socket.socket) -> bytes:
    data = connection.recv(1 << 18)
    assert data, "the server closed the connection"
    return data


class Http2Client:
    """Sends a number of requests at a time, and reads all responses before the next ones."""

    def __init__(self, port: int, is_secure: bool = True) -> None:
        self._connection = connect(port, "h2") if is_secure else connect_plainly(port)
        self._received = b""
        self._next_id = 1
        settings = INITIAL_WINDOW_SIZE.to_bytes(2, "big") + MAX_WINDOW.to_bytes(4, "big")
        widening = (MAX_WINDOW - WINDOW).to_bytes(4, "big")
        self._connection.sendall(PREFACE + frame(SETTINGS, 0, 0, settings) + frame(WINDOW_UPDATE, 0, 0, widening))
        self._window = MAX_WINDOW

    def close(self) -> None:
        self._connection.close()

    def ask(self, target: bytes, size: int, streams: int) -> None:
        # GET, https (or http), and the target and authority as literals that no table keeps.
        block = b"\x82\x87\x04%c%b\x01\x09localhost" % (len(target), target)
        requests = []
        for _ in range(streams):
            requests.append(frame(HEADERS, END_OF_REQUEST, self._next_id, block))
            self._next_id += 2
        self._connection.sendall(b"".join(requests))
        open_streams, body = streams, 0
        while open_streams:
            kind, flags, payload = self._read_frame()
            if kind == SETTINGS and not flags & ACK:
                self._connection.sendall(frame(SETTINGS, ACK, 0, b""))
            elif kind == DATA:
                body += payload
                open_streams -= flags & END_STREAM
        assert body == streams * size, f"{body} bytes"
        self._window -= body
        if self._window < MAX_WINDOW // 2:
            self._connection.sendall(frame(WINDOW_UPDATE, 0, 0, (MAX_WINDOW - self._window).to_bytes(4, "big")))
            self._window = MAX_WINDOW

    def _read_frame(self) -> tuple[int, int, int]:
        """Return kind, flags and the length of the payload."""
        while len(self._received) < 9 or len(self._received) < 9 + int.from_bytes(self._received[:3], "big"):
            self._received += receive(self._connection)
        size = int.from_bytes(self._received[:3], "big")
        kind, flags = self._received[3:5]
        self._received = self._received[9 + size :]
        return kind, flags, size


def frame(kind: int, flags: int, stream_id: int, payload: bytes) -> bytes:
    return len(payload).to_bytes(3, "big") + bytes((kind, flags)) + stream_id.to_bytes(4, "big") + payload


SMALL, LARGE = 1024, 100 * 1024


class SecureCase(NamedTuple):
    """A kind of client, and how it sends ``streams`` requests."""

    make_client: Callable[[int], Any]
    streams: int
    exchange: Callable[[Any], None]

    def send(self, client: Any, count: int) -> None:
        for _ in range(0, count, self.streams):
            self.exchange(client)


SECURE_CASES = {
    "tls": SecureCase(SecureClient, 1, lambda client: client.ask(b"/small", SMALL)),
    "tls-100k": SecureCase(SecureClient, 1, lambda client: client.ask(b"/100k", LARGE)),
    "handshake": SecureCase(SecureClient, 1, lambda client: client.handshake(b"/small", SMALL)),
    "resumed": SecureCase(SecureClient, 1, lambda client: client.resume(b"/small", SMALL)),
    "h2-1": SecureCase(Http2Client, 1, lambda client: client.ask(b"/small", SMALL, 1)),
    "h2-10": SecureCase(Http2Client, 10, lambda client: client.ask(b"/small", SMALL, 10)),
    "h2-100": SecureCase(Http2Client, 100, lambda client: client.ask(b"/small", SMALL, 100)),
    "h2-100k": SecureCase(Http2Client, 10, lambda client: client.ask(b"/100k", LARGE, 10)),
}
# Without TLS, by prior knowledge.
PLAIN_HTTP2_CASES = {
    f"h2c{name[2:]}": case._replace(make_client=lambda port: Http2Client(port, False))
    for name, case in SECURE_CASES.items()
    if name.startswith("h2-")
}
