"""A client that reads one response at a time from a bare socket and checks its framing (RFC 9112 §6.3)."""

from __future__ import annotations

import socket
from typing import NamedTuple

RECEIVE_SIZE = 262144


class Received(NamedTuple):
    status: int
    fields: dict[str, str]  # names in lower case
    body: bytes


class RawClient:
    """Speaks HTTP over a connected socket, which it owns; ``with`` closes it."""

    def __init__(self, connection: socket.socket) -> None:
        self.connection = connection
        self._unread = bytearray()

    def send(self, target: str, method: str = "GET", *fields: str) -> None:
        """Send one request; field lines are given whole, `Host: localhost` is added."""
        lines = [f"{method} {target} HTTP/1.1", "Host: localhost", *fields, "", ""]
        self.connection.sendall("\r\n".join(lines).encode("latin-1"))

    def receive(self, method: str = "GET") -> Received:
        """Read the response to a request of this method, and not a byte more."""
        while (end := self._unread.find(b"\r\n\r\n")) < 0:
            self._fill()
        status_line, *lines = bytes(self._unread[:end]).decode("latin-1").split("\r\n")
        del self._unread[: end + 4]
        version, code, _ = status_line.split(" ", 2)
        assert version == "HTTP/1.1"
        fields = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        assert len(fields) == len(lines), f"a field came twice: {lines}"
        bodiless = method == "HEAD" or code in ("204", "304") or code.startswith("1")
        size = 0 if bodiless else int(fields["content-length"])
        while len(self._unread) < size:
            self._fill()
        body = bytes(self._unread[:size])
        del self._unread[:size]
        return Received(int(code), fields, body)

    def request(self, target: str, method: str = "GET", *fields: str) -> Received:
        self.send(target, method, *fields)
        return self.receive(method)

    def at_end(self) -> bool:
        """Wait for the server to close, and return whether nothing was left to read."""
        return not self._unread and not self.connection.recv(1)

    def _fill(self) -> None:
        chunk = self.connection.recv(RECEIVE_SIZE)
        assert chunk, f"closed within a response, after {bytes(self._unread[:200])!r}"
        self._unread += chunk

    def __enter__(self) -> RawClient:
        return self

    def __exit__(self, *_: object) -> None:
        self.connection.close()
