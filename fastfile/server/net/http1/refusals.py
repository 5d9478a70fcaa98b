"""What an HTTP/1 connection says where it does not go on with a request: each is the last response, but for 503."""

from __future__ import annotations

from fastfile.errors import BadRequest, HTTPError, make_busy
from fastfile.message import RequestHead, Response
from fastfile.server.net.clients import format_address
from fastfile.server.net.http1.output import Output
from fastfile.server.net.http1.reader import RequestReader
from fastfile.server.net.states import MORE


class Refusals(Output):
    """Queues refusals."""

    __slots__ = ()

    def _refuse_body(self, head: RequestHead, response: Response, began_s: float) -> None:
        self._closing = True
        self._rest = MORE
        self._put(head, response, began_s)

    def _refusal_for_now(self, head: RequestHead) -> Response:
        return self._service.handler.refuse(make_busy(), head)

    def _refuse(self, error: HTTPError, reader: RequestReader, is_head: bool) -> None:
        """Queue the one response to a message that cannot be read on, and close after it.

        ``is_head``: what could be read of it says that it is a HEAD, so that no body may follow (RFC 9110 §9.3.2).
        """
        self._closing = True
        self._rest = MORE
        reader.drop_early()
        head = reader.head  # None: it could not be read
        response = self._service.handler.refuse(error, head)
        if is_head and head is None:
            response = Response(response.head, (), 0, True)
        self._put(head, response, self._service.clock.monotonic_s)

    def _refuse_unreadable(self, error: BadRequest, reader: RequestReader) -> None:
        if reader.is_at_tls():
            error = BadRequest(400, "This is a TLS handshake, and this port speaks plain HTTP: use http://.")
            peer = format_address(self._transport.peer)
            text = f"got a TLS handshake on a plain HTTP port from {peer}: use http:// there, or start with --https"
            self._service.observers.complaints.complain("tls", text)
        self._refuse(error, reader, reader.is_at_head_request())
