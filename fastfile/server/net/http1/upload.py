"""An HTTP/1 connection while it passes on the body of a request to a responder that reads it (relayed.Upload).

Request and response may flow at the same time. Input is read only when the responder asks for it. Once the exchange is
over, it is a connection like any other.
"""

from __future__ import annotations

from collections.abc import Callable

from fastfile.errors import BadRequest
from fastfile.message import PENDING, UNKNOWN_SIZE, Deferred, Pending, RequestHead, Response
from fastfile.parser_limits import ParserLimits
from fastfile.protocol.chunks import ChunkDecoder, ChunkError
from fastfile.protocol.http1 import CONTINUE
from fastfile.relayed import ClientGone, Upload
from fastfile.server.net.http1.connection import Http1Connection
from fastfile.server.net.poller import READ, WRITE
from fastfile.server.net.states import CLOSED, MORE, WAITING
from fastfile.server.net.transport import WOULD_BLOCK_WRITE

READ_SIZE = 64 * 1024


class Http1Upload(Http1Connection):
    """Begins with one request whose body has not been read."""

    __slots__ = ("_base", "_body")

    _body: UploadBody | None

    def begin(self, head: RequestHead, data: bytes) -> None:
        """Respond to a request; ``data`` follows its head."""
        service = self._service
        body = self._body = UploadBody(self, head, data, service.limits.parser)
        answer = service.handler.respond(Upload(head, body))
        began_s = service.clock.monotonic_s
        if isinstance(answer, Deferred):
            self._advance(head, answer, began_s, False)
        else:
            self._refuse_body(head, answer, began_s)  # it is not forwarded
        if self._queue is not None and self._queue.has_any() and (self.state == WAITING or self._takes_requests()):
            self._send()
        if self._takes_requests():
            self._settle(True)
        elif self.state == WAITING:
            self._wait()

    def watch_input(self) -> None:
        """Watch for input, because the body is waited for."""
        if self.state != CLOSED:
            self._wait_for(self._base)

    def receive_into(self, buffer: bytearray) -> int:
        """Read input, as Transport.recv_into() does."""
        return self._transport.recv_into(buffer) if self.state != CLOSED else 0

    def invite(self) -> None:
        """Send 100 Continue."""
        if self.state != CLOSED:
            self._send_queue().put_bytes(CONTINUE)
            self._send()
            if self.state == WAITING:
                self._wait()

    def lose(self) -> None:
        """Close: the client has gone within the body."""
        if self.state != CLOSED:
            self._let_go(self._is_sending())

    def _go_on(self) -> None:
        body = self._body
        if body is not None:
            body.call_wake()
            if self.state == CLOSED:
                return
        Http1Connection._go_on(self)
        if self._body is not None and self.state != CLOSED:
            self._wait_for(self._base)  # READ may have been dropped, or be needed

    def _wait_for(self, interest: int) -> None:
        self._base = interest
        body = self._body
        if body is not None and body.is_awaited():
            interest |= WRITE if body.needs_write else READ
        Http1Connection._wait_for(self, interest)

    def _put(self, head: RequestHead | None, response: Response, began_s: float) -> None:
        if self._body is not None and not self._body.is_complete and response.source is None:
            self._closing = True  # what is left of the body cannot be skipped
            self._rest = MORE
        Http1Connection._put(self, head, response, began_s)

    def _settle(self, responded: bool) -> None:
        body, self._body = self._body, None
        if body is not None:
            data = body.end()
            if not body.is_complete:
                self._closing = True
                self._rest = MORE
            elif data and self._closing:
                self._rest = MORE
            elif data:
                self._process(bytearray(data), len(data))
                return
        Http1Connection._settle(self, responded)

    def _drop_work(self) -> None:
        body, self._body = self._body, None
        if body is not None:
            body.end()
        Http1Connection._drop_work(self)


class UploadBody:
    """A RequestBody: read from the connection as it is asked for."""

    def __init__(self, connection: Http1Upload, head: RequestHead, data: bytes, limits: ParserLimits) -> None:
        self._connection: Http1Upload | None = connection
        self._chunks = ChunkDecoder(limits) if head.chunked else None
        self.size = UNKNOWN_SIZE if head.chunked else head.content_length
        self._left = head.content_length
        self._data = data  # read but not decoded
        self._buffer = bytearray(READ_SIZE)
        self._wake: Callable[[], None] | None = None
        self.is_complete = False
        self.needs_write = False  # TLS has to write before it can read

    def read(self) -> bytes | Pending:
        while not self.is_complete:
            data, self._data = self._data, b""
            if not data:
                connection = self._connection
                count = 0
                try:
                    if connection is not None:
                        count = connection.receive_into(self._buffer)
                except OSError:
                    count = 0
                if count == 0:
                    if connection is not None:
                        connection.lose()
                    raise ClientGone
                self.needs_write = count == WOULD_BLOCK_WRITE
                if count < 0:
                    return PENDING
                data = bytes(memoryview(self._buffer)[:count])
            piece = self._take(data)
            if piece:
                return piece
        return b""

    def _take(self, data: bytes) -> bytes:
        if self._chunks is not None:
            try:
                piece = self._chunks.decode(data)
            except ChunkError as error:
                raise BadRequest(*error.fault) from None
            if self._chunks.is_complete:
                self.is_complete = True
                self._data = self._chunks.rest
            return piece
        piece = data[: self._left]
        self._left -= len(piece)
        if self._left == 0:
            self.is_complete = True
            self._data = data[len(piece) :]
        return piece

    def wait(self, wake: Callable[[], None]) -> None:
        self._wake = wake
        if self._connection is not None:
            self._connection.watch_input()

    def is_awaited(self) -> bool:
        """Tell whether a responder waits for more of it."""
        return self._wake is not None

    def call_wake(self) -> None:
        """Wake the responder that waits."""
        wake, self._wake = self._wake, None
        if wake is not None:
            wake()

    def invite(self) -> None:
        if self._connection is not None and not self._data:
            self._connection.invite()

    def end(self) -> bytes:
        """Return what was read beyond a complete body; what is left of another is lost."""
        self._connection = self._wake = None
        return self._data


def take_over(connection: Http1Connection, head: RequestHead, data: bytes) -> None:
    """Continue a connection that stops at a request with a body, of which ``data`` has arrived."""
    upload = Http1Upload.__new__(Http1Upload)
    upload._set_up_http1(connection._service, connection._transport)
    upload._opening = None
    upload._body = None
    upload._base = 0
    upload._queue, connection._queue = connection._queue, None
    upload._journal, connection._journal = connection._journal, None
    upload._requests = connection._requests
    upload._interest = connection._interest
    if upload._interest >= 0:
        connection._service.poller.replace(connection._transport.fd, upload)
    upload.begin(head, data)
