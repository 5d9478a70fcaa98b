"""A page that listens to --live, as far as the server can tell: a WebSocket without a browser."""

from __future__ import annotations

from pathlib import Path

from support.serverprocess import ServerProcess

from fastfile.protocol.websocket import make_frame

HANDSHAKE = (
    "GET /.fastfile/live HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)
TEXT, PING, PONG = 0x81, 0x89, 10
MAX_PINGS = 4  # one each 30 s: then nothing more is said


def put(path: Path, text: str) -> None:
    """Give a file of a root new content in one step: a test that stands still cannot leave it half-written."""
    beside = path.parent.parent / f"{path.name}.new"
    beside.write_text(text)
    beside.replace(path)


def frame_of_client(kind: int, payload: bytes) -> bytes:
    """Return a frame as a client sends it: with a mask, which changes nothing."""
    frame = bytearray(make_frame(kind, payload))
    frame[1] |= 0x80
    start = 2 if frame[1] < 0xFE else 4
    frame[start:start] = bytes(4)
    return bytes(frame)


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
        self._socket.sendall(frame_of_client(1, "\n".join(lines).encode()))

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
            self._socket.sendall(frame_of_client(PONG, payload))
        return None

    def close(self) -> None:
        self._file.close()
        self._socket.close()
