"""How an HTTP/1 connection ends without its socket: HTTP/2 or the session of a 101 goes on with it."""

from __future__ import annotations

from fastfile.server.net.http1.refusals import Refusals
from fastfile.server.net.states import CLOSED
from fastfile.server.net.transport import PLAIN


class Handover(Refusals):
    """Leaves the socket to another watcher; the connection itself is closed then."""

    __slots__ = ()

    def _may_be_http2(self) -> bool:
        """Tell whether the client may begin as HTTP/2 does; over TLS that was negotiated (RFC 9113 §3.3)."""
        is_allowed = self._transport.kind == PLAIN or self._transport.alpn == b"h2"
        return self._requests == 0 and self._service.http2 is not None and is_allowed

    def _become_http2(self, data: bytearray) -> None:
        """Let an HTTP/2 connection go on with the socket and with what has arrived."""
        assert self._service.http2 is not None
        self.state = CLOSED
        self._service.http2.take_over(self._service, self._transport, self._interest, self.deadline_s, data)

    def _hand_over(self) -> None:
        """Give the connection to the session of a 101."""
        # Imported here (and by serve.preload()), because only --live needs it.
        from fastfile.server.net.upgraded import hand_over

        assert self._session is not None
        self.state = CLOSED
        hand_over(self._service, self._transport, self._session, self._interest >= 0)
