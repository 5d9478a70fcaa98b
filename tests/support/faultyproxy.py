"""A proxy in front of an S3 server that spoils a share of the exchanges, by a counter and not by chance.

It keeps the Host field, so that signatures stay valid, and serves each connection in a thread.
"""

from __future__ import annotations

import re
import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Literal, NamedTuple

Fault = Literal["slow down", "forbidden", "reset", "reset after", "truncate", "flip", "flip request", "hang", "skewed"]
_LENGTH = re.compile(rb"\r\ncontent-length: *([0-9]+)", re.IGNORECASE)
_GOLDEN = 0.6180339887498949  # the multiples of an irrational number fill 0 to 1 evenly
_ERROR = "<Error><Code>{}</Code><Message>no</Message></Error>"
_TIMEOUT_S = 30.0


class Exchange(NamedTuple):
    """A request as ``faulty`` sees it; ``number`` counts all requests, from 0."""

    number: int
    method: str
    target: str


class FaultyProxy:
    """Listens on a free port of this machine. ``fault`` spoils each exchange that ``faulty`` is true for."""

    def __init__(self, port: int) -> None:
        self._upstream = ("127.0.0.1", port)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._lock = threading.Lock()
        self._closing = threading.Event()
        self.fault: Fault = "reset"
        self.faulty: Callable[[Exchange], bool] = lambda exchange: False
        self.requests: list[str] = []
        self.spoiled = 0
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        """The endpoint."""
        return f"http://127.0.0.1:{self._listener.getsockname()[1]}"

    def spoil(self, fault: Fault, share: float, seed: int = 0) -> None:
        """Spoil a share of all exchanges from now on."""
        self.fault = fault
        self.faulty = lambda exchange: (exchange.number + 1 + seed) * _GOLDEN % 1 < share

    def heal(self) -> None:
        """Spoil nothing from now on."""
        self.faulty = lambda exchange: False

    def close(self) -> None:
        """Stop listening; connections end by themselves."""
        self._closing.set()
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        client.settimeout(_TIMEOUT_S)
        with client, suppress(OSError):
            while request := _read_message(client):
                method, target = request.split(b" ", 2)[:2]
                with self._lock:
                    exchange = Exchange(len(self.requests), method.decode(), target.decode())
                    self.requests.append(f"{exchange.method} {exchange.target}")
                    is_faulty = self.faulty(exchange)
                    fault = self.fault
                    self.spoiled += is_faulty
                if is_faulty and not self._spoil(client, request, fault):
                    return
                if not is_faulty:
                    client.sendall(self._exchange(request))

    def _spoil(self, client: socket.socket, request: bytes, fault: Fault) -> bool:
        """Spoil an exchange; tell whether the connection can go on."""
        if fault in ("slow down", "forbidden", "skewed"):
            status, code = {
                "slow down": ("503 Slow Down", "SlowDown"),
                "forbidden": ("403 Forbidden", "AccessDenied"),
                "skewed": ("403 Forbidden", "RequestTimeTooSkewed"),
            }[fault]
            body = _ERROR.format(code)
            client.sendall(f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\n\r\n{body}".encode())
            return True
        if fault == "hang":
            self._closing.wait(_TIMEOUT_S)
            return False
        if fault == "flip request":
            client.sendall(self._exchange(_flip(request)))
            return True
        if fault != "reset":
            response = self._exchange(request)
            if fault == "flip":
                client.sendall(_flip(response))
                return True
            if fault == "truncate":
                head = response.find(b"\r\n\r\n") + 4
                client.sendall(response[: head + (len(response) - head) // 2])
        # With a linger time of 0, close() sends a reset.
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        return False

    def _exchange(self, request: bytes) -> bytes:
        head, _, body = request.partition(b"\r\n\r\n")
        with socket.create_connection(self._upstream, _TIMEOUT_S) as upstream:
            upstream.sendall(head + b"\r\nConnection: close\r\n\r\n" + body)
            response = b"".join(iter(lambda: upstream.recv(1 << 20), b""))
        return re.sub(rb"(?i)\r\nconnection: close", b"", response, count=1)


def _read_message(connection: socket.socket) -> bytes:
    """Return a whole request with a Content-Length; b"" at the end."""
    message = b""
    while b"\r\n\r\n" not in message:
        part = connection.recv(1 << 16)
        if not part:
            return b""
        message += part
    head = message.index(b"\r\n\r\n") + 4
    length = int(match[1]) if (match := _LENGTH.search(message, 0, head)) else 0
    parts, left = [message], head + length - len(message)
    while left > 0:
        part = connection.recv(min(left, 1 << 20))
        if not part:
            return b""
        parts.append(part)
        left -= len(part)
    return b"".join(parts)


def _flip(message: bytes) -> bytes:
    """Change the byte in the middle of the body, if there is one."""
    head = message.find(b"\r\n\r\n") + 4
    if head == len(message):
        return message
    middle = head + (len(message) - head) // 2
    return message[:middle] + bytes([message[middle] ^ 1]) + message[middle + 1 :]
