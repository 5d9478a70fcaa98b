"""An open HTTP/2 stream: a request whose body is being read, or a response that did not leave at once."""

from __future__ import annotations

from typing import Protocol

from fastfile.message import RequestHead
from fastfile.protocol.http2.constants import PROTOCOL_ERROR, WINDOW_SIZE, StreamFailure
from fastfile.protocol.http2.priority import URGENCY, parse_priority


class Sink(Protocol):
    """Takes the content of a request. The window shrinks by its size, until Sender.widen()."""

    def feed(self, data: bytes) -> None:
        """Take content; more may follow."""


class Stream:
    """``window`` is what the server may send, ``left`` the client. ``transfer`` is the server's, with the response.

    ``is_ranked``: the client has given a priority. ``is_complete``: the request has been read to its end. ``sink``
    takes the content of the request; without one, content is dropped.
    """

    __slots__ = (
        "_expected",
        "head",
        "id",
        "is_closed",
        "is_complete",
        "is_incremental",
        "is_ranked",
        "left",
        "received",
        "sink",
        "transfer",
        "urgency",
        "window",
    )

    def __init__(self, id: int, head: RequestHead, window: int, is_complete: bool) -> None:
        self.id = id
        self.head = head
        self.window = window
        self.is_complete = is_complete
        self.is_closed = False
        self.transfer: object = None
        self.sink: Sink | None = None
        self.left = WINDOW_SIZE
        self.received = 0  # bytes of the body
        # A complete request has no body to compare with. Searching for a field costs more than all the rest.
        self._expected = -1 if is_complete or head.field(b"content-length") is None else head.content_length
        self.urgency = URGENCY
        self.is_incremental = self.is_ranked = False
        # find(): for bytes in bytes, CPython first makes and drops a TypeError, 2,000 instructions.
        priority = head.field(b"priority") if head.field_lines.find(b"priority:") >= 0 else None
        if priority is not None:
            urgency, is_incremental = parse_priority(priority)
            self.rank(urgency, is_incremental)

    def rank(self, urgency: int, is_incremental: bool) -> None:
        """Set a priority (RFC 9218 §4)."""
        self.urgency = urgency
        self.is_incremental = is_incremental
        self.is_ranked = True

    def take(self, size: int, is_end: bool) -> None:
        """Count bytes of the body. Raises StreamFailure if they do not match Content-Length (RFC 9113 §8.1.1)."""
        self.received += size
        if self._expected >= 0 and (self.received > self._expected or (is_end and self.received < self._expected)):
            raise StreamFailure(PROTOCOL_ERROR)
