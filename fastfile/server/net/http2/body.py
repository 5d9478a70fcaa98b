"""The body of an HTTP/2 request that a responder reads while it arrives (relayed.Upload)."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from fastfile.message import PENDING, UNKNOWN_SIZE, Pending
from fastfile.protocol.http2.stream import Stream
from fastfile.relayed import ClientGone, Upload
from fastfile.server.net.http2.connection import Http2Connection
from fastfile.server.net.http2.transfer import Transfer

# Bytes to pass on before the client may send more: half of a stream's window, which bounds what is kept here.
WIDEN_SIZE = 32 * 1024


class Http2Body:
    """A RequestBody, and the sink of its stream."""

    def __init__(self, connection: Http2Connection, stream: Stream) -> None:
        self._connection = connection
        self._stream = stream
        self.size = UNKNOWN_SIZE if stream.head.field(b"content-length") is None else stream.head.content_length
        self._pieces: deque[bytes] = deque()
        self._passed_on = 0  # bytes for which the window is still closed
        self._wake: Callable[[], None] | None = None
        self._is_lost = False

    def feed(self, data: bytes) -> None:
        self._pieces.append(data)

    def read(self) -> bytes | Pending:
        if self._is_lost:
            raise ClientGone
        if not self._pieces:
            return b"" if self._stream.is_complete else PENDING
        piece = self._pieces.popleft()
        self._passed_on += len(piece)
        if self._passed_on >= WIDEN_SIZE:
            size, self._passed_on = self._passed_on, 0
            self._connection.widen(self._stream, size)
        return piece

    def wait(self, wake: Callable[[], None]) -> None:
        self._wake = wake

    def call_wake(self) -> None:
        """Wake the responder that waits: there is more, or the end."""
        wake, self._wake = self._wake, None
        if wake is not None:
            wake()

    def invite(self) -> None:
        self._connection.invite(self._stream)

    def lose(self) -> None:
        """Note that no more comes."""
        self._is_lost = True
        self._wake = None


def begin_upload(connection: Http2Connection, transfer: Transfer) -> None:
    """Respond to a request with a body, and let the responder read that."""
    stream = transfer.stream
    stream.sink = transfer.body = Http2Body(connection, stream)
    connection.respond_to(transfer, Upload(stream.head, transfer.body))
