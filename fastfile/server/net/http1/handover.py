"""How an HTTP/1 connection ends without its socket: HTTP/2 or the session of a 101 goes on with it."""

from __future__ import annotations

from fastfile.message import RequestHead
from fastfile.server.net.http1.refusals import Refusals
from fastfile.server.net.states import CLOSED
from fastfile.server.net.transport import PLAIN


class Handover(Refusals):
    """Leaves the socket to another watcher; the connection itself is closed then."""

    __slots__ = ()

    def _may_be_http2(self) -> bool:
        """Tell whether the client may begin as HTTP/2 does without TLS, which negotiates it (RFC 9113 §3.3)."""
        return self._requests == 0 and self._service.http2 is not None and self._transport.kind == PLAIN

    def _become_http2(self, data: bytearray) -> None:
        """Let an HTTP/2 connection go on with the socket and with what has arrived."""
        assert self._service.http2 is not None
        self.state = CLOSED
        self._service.http2.take_over(self._service, self._transport, self._interest, self.deadline_s, data)

    def _hand_over(self) -> None:
        """Give the connection to the session of a 101."""
        assert self._session is not None
        self.state = CLOSED
        take_over = getattr(self._session, "take_over", None)
        if take_over is not None:  # it relays between sockets
            take_over(self._service, self._transport, self._interest >= 0)
            return
        # Imported here (and by serve.preload()), because only --live needs it.
        from fastfile.server.net.upgraded import hand_over

        hand_over(self._service, self._transport, self._session, self._interest >= 0)

    def _become_upload(self, head: RequestHead, data: bytearray) -> None:
        """Let another connection go on with the socket, which passes on the body of this request."""
        # Imported here (and by serve.preload()), because only --proxy needs it.
        from fastfile.server.net.http1.upload import take_over

        self.state = CLOSED
        take_over(self, head, bytes(data))  # type: ignore[arg-type]  # a Handover is a base of the connection
