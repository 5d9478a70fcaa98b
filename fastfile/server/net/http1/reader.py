"""The request reader: the bytes of one connection in, its requests out, one after the other (RFC 9112).

A worker has one reader for all connections whose requests arrive whole. A connection takes it over when it keeps
something: a part of a request, or requests that have to wait (connection.py).
"""

from __future__ import annotations

from fastfile.message import RequestHead, Response, close_source
from fastfile.parser import BodyParser, HeadParser
from fastfile.parser_limits import ParserLimits

TLS_HANDSHAKE = 22  # the content type of its records
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"  # of HTTP/2


class RequestReader:
    """Not usable after BadRequest."""

    __slots__ = ("_body", "_data", "_end", "_is_own", "_limits", "_parser", "_start", "early", "head", "took_all")

    def __init__(self, limits: ParserLimits) -> None:
        self._limits = limits
        self._parser = HeadParser(limits)
        self._body: BodyParser | None = None
        self.head: RequestHead | None = None  # the request whose body is being read
        self.early: Response | None = None  # the response to that request, which expected 100-continue
        self._data = bytearray()
        self._start = 0  # start of the unread input in _data
        self._end = 0
        self._is_own = False  # _data is private, not the shared buffer
        self.took_all = False  # the last read took all available input

    def feed(self, data: bytearray, count: int, took_all: bool) -> None:
        """Continue reading in ``data[:count]``, after the kept input.

        The caller owns ``data`` and calls keep() at the end.
        """
        self.took_all = took_all
        if self._is_own:
            del self._data[: self._start]
            self._data += data[:count]
            self._start = 0
            self._end = len(self._data)
        else:
            self._data = data
            self._start = 0
            self._end = count

    def keep(self) -> None:
        """Copy the unread input, because other connections use its buffer."""
        self.took_all = False
        if not self._is_own:
            self._data = self._data[self._start : self._end]
            self._start, self._end = 0, len(self._data)
            self._is_own = True

    def drop(self) -> None:
        """Drop unread input and a partly read body."""
        self._end = self._start = 0
        self._body = self.head = None

    def has_more(self) -> bool:
        """Tell whether there is unread input."""
        return self._start < self._end

    def is_empty(self) -> bool:
        """Tell whether there are neither bytes nor a part of a request."""
        return self._start == self._end and self._body is None

    def is_in_body(self) -> bool:
        return self._body is not None

    def is_in_head(self) -> bool:
        """Tell whether there is a part of a request head; empty lines before it do not count (RFC 9112 §2.2)."""
        return self._parser.started

    def is_at_head_request(self) -> bool:
        """Tell whether the unread input begins with a HEAD request, which gets no body (RFC 9110 §9.3.2)."""
        start = self._start
        return bytes(self._data[start : min(self._end, start + 64)]).lstrip(b"\r\n").startswith(b"HEAD ")

    def is_at_http2(self) -> bool:
        """Tell whether what is unread begins as HTTP/2 does (RFC 9113 §3.4); the parser refuses its version."""
        unread = bytes(self.unread()[: len(PREFACE)])
        return unread.startswith(b"PRI * HTTP/2.0\r") and PREFACE.startswith(unread)

    def unread(self) -> bytearray:
        """Return a copy of what is unread."""
        return self._data[self._start : self._end]

    def is_at_tls(self) -> bool:
        """Tell whether the unread input begins with a TLS handshake (RFC 8446 §5.1), by its first byte."""
        return self._start < self._end and self._data[self._start] == TLS_HANDSHAKE

    def read_head(self) -> RequestHead | None:
        """Return the head of the next request; None if more input is needed. Raises BadRequest."""
        if self._start == self._end:
            return None
        head = self._parser.parse(self._data, self._start, self._end)
        if head is not None:
            self._start += head.size
        return head

    def begin_body(self, head: RequestHead) -> None:
        """Read the body of a request next."""
        self.head = head
        self._body = BodyParser(self._limits, head.content_length, head.chunked)

    def take_early(self) -> Response | None:
        """Return the prepared response for the request whose body was read; None if there is none yet."""
        early, self.early = self.early, None
        return early

    def drop_early(self) -> None:
        """Drop a response that will not be sent."""
        early, self.early = self.early, None
        if early is not None:
            close_source(early.source)

    def read_body(self) -> RequestHead | None:
        """Return the request when its body is read to the end; None if more input is needed. Raises BadRequest."""
        body = self._body
        assert body is not None
        self._start = body.feed(self._data, self._start, self._end)
        if not body.complete:
            return None
        head, self.head, self._body = self.head, None, None
        return head
