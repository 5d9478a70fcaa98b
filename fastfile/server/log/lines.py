"""The queued lines of an access log, as the pieces that form them.

Most pieces are reused for the same second, target or client. A piece is reused only for the same bytes, and the caches
are bounded. format.py makes the texts.
"""

from __future__ import annotations

from fastfile.message import RequestHead, Response

# A request (None if it was unreadable), its response, and the monotonic time of the request. A plain tuple, because one
# is made per request, and a NamedTuple costs four times as much.
Exchange = tuple[RequestHead | None, Response, float]

# The number of cached targets, and the longest one: half a MiB.
_TARGETS = 1024
_TARGET_SIZE = 256
# The largest cached header of a connection's last request; a browser's has about 700 bytes.
_FIELDS_SIZE = 1024


class Client:
    """The cache for one connection: its peer, and the texts of its last request's fields."""

    __slots__ = ("field_lines", "fields", "peer")

    def __init__(self, peer: bytes) -> None:
        self.peer = peer
        self.field_lines: bytes | None = None
        self.fields = b""


class Answered:
    """The cache for a target: its last request and response."""

    __slots__ = ("body_size", "method", "minor_version", "request", "status", "text")

    def __init__(self, method: bytes, minor_version: int, request: bytes) -> None:
        self.method = method
        self.minor_version = minor_version
        self.request = request  # the texts of these three
        self.status = 0
        self.body_size = 0
        self.text = b""  # the text of all five


class Lines:
    """The lines of one format: add() queues exchanges, take() returns the queue.

    ``timed``: a line has the time to the millisecond and the duration; otherwise ``time_s`` may be in whole seconds,
    and ``duration_s`` is ignored.
    """

    def __init__(self, timed: bool) -> None:
        self.timed = timed
        self._pieces: list[bytes] = []
        self._answered: dict[bytes, Answered] = {}
        self._second = -1
        self._stamp = b""

    def add(self, client: Client, exchange: Exchange, body_size: int, time_s: float, duration_s: float) -> None:
        """Add the line of an exchange; ``body_size`` is the number of body bytes sent."""
        raise NotImplementedError

    def add_gap(self, count: int, time_s: float) -> None:
        """Add the line that reports up to ``count`` dropped lines."""
        raise NotImplementedError

    def take(self) -> bytes:
        """Return the queued lines and empty the queue."""
        lines = b"".join(self._pieces)
        self._pieces.clear()
        return lines

    def make_peer(self, peer: str) -> bytes:
        """Return the text for the address of a client; empty for a client without an address."""
        raise NotImplementedError

    def _make_stamp(self, second: int) -> bytes:
        raise NotImplementedError

    def _make_request(self, head: RequestHead | None) -> bytes:
        raise NotImplementedError

    def _make_outcome(self, status: int, body_size: int) -> bytes:
        raise NotImplementedError

    def _make_fields(self, field_lines: bytes) -> bytes:
        raise NotImplementedError

    def _stamp_at(self, time_s: float) -> bytes:
        second = int(time_s)
        if second != self._second:
            self._second = second
            self._stamp = self._make_stamp(second)
        return self._stamp

    def _text(self, head: RequestHead | None, status: int, body_size: int) -> bytes:
        """Return the text of a request and its response."""
        if head is None:
            return self._make_request(None) + self._make_outcome(status, body_size)
        answered = self._answered.get(head.target)
        if answered is None or answered.method != head.method or answered.minor_version != head.minor_version:
            answered = self._remember(head)
        if answered.status != status or answered.body_size != body_size:
            answered.status = status
            answered.body_size = body_size
            answered.text = answered.request + self._make_outcome(status, body_size)
        return answered.text

    def _remember(self, head: RequestHead) -> Answered:
        answered = Answered(head.method, head.minor_version, self._make_request(head))
        if len(head.method) + len(head.target) <= _TARGET_SIZE:
            if len(self._answered) >= _TARGETS:
                self._answered.clear()
            self._answered[head.target] = answered
        return answered

    def _fields(self, client: Client, head: RequestHead | None) -> bytes:
        """Return the text of a request's fields."""
        if head is None:
            return self._make_fields(b"")
        if client.field_lines != head.field_lines:
            client.fields = self._make_fields(head.field_lines)
            client.field_lines = head.field_lines if len(head.field_lines) <= _FIELDS_SIZE else None
        return client.fields
