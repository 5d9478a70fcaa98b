"""A page that listens to --live, as far as the server can tell: a WebSocket without a browser."""

from __future__ import annotations

from support.serverprocess import ServerProcess

from fastfile.protocol.websocket import make_frame

HANDSHAKE = (
    "GET /.fastfile/live HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)
TEXT, PING, PONG = 0x81, 0x89, 10
MAX_PINGS = 4  # one each 30 s: then nothing more is said


class Listener:
    """A page, as far as the server can tell."""

    def __init__(self, server: ServerProcess, *lines: str) -> None:
        self._socket = server.connect()
        self._socket.sendall(HANDSHAKE.encode())
        self._file = self._socket.makefile("rb")
        assert self._file.readline().startswith(b"HTTP/1.1 101 ")
        while self._file.readline() != b"\r\n":
            pass
        self.say(*lines)

    def say(self, *lines: str) -> None:
        self._send(1, "\n".join(lines).encode())

    def _send(self, kind: int, payload: bytes) -> None:
        frame = bytearray(make_frame(kind, payload))
        frame[1] |= 0x80
        frame[2 if frame[1] < 0xFE else 4 : 2 if frame[1] < 0xFE else 4] = bytes(4)  # a mask that changes nothing
        self._socket.sendall(frame)

    def hear(self) -> str | None:
        """Return the next message; None at the end. Pings, which come where a machine is slow, are answered."""
        pings = 0
        while head := self._file.read(2):
            size = head[1] if head[1] < 126 else int.from_bytes(self._file.read(2), "big")
            payload = self._file.read(size)
            if head[0] != PING:
                return payload.decode() if head[0] == TEXT else None
            pings += 1
            assert pings <= MAX_PINGS, "the server says nothing"
            self._send(PONG, payload)
        return None

    def close(self) -> None:
        self._file.close()
        self._socket.close()
