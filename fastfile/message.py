"""The values that the layers exchange: request heads and responses. They know no protocol's bytes.

Compiled with message.pxd if extensions are built; the same source runs interpreted. Imports nothing of fastfile.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum
from typing import TYPE_CHECKING, Any, Final, Protocol

if TYPE_CHECKING:
    from concurrent.futures import Future

Field = tuple[bytes, bytes]

# The size of a body that is known only at the end of its source.
UNKNOWN_SIZE: Final = -1
HTTP_2: Final = 2  # the minor_version of a request of HTTP/2


class RequestHead:
    """The head of one request as parsed (RFC 9112 §3 and §5): its syntax is valid, its meaning not yet checked.

    Values are bytes from the wire, without white space at either end. Field lines of one name are joined by ``", "``
    (RFC 9110 §5.3); ``None`` means that there is no such line.
    """

    __slots__ = (
        "accept_encoding",
        "authority",
        "chunked",
        "content_length",
        "expect",
        "field_lines",
        "if_match",
        "if_modified_since",
        "if_none_match",
        "if_range",
        "if_unmodified_since",
        "is_secure",
        "keep_alive",
        "method",
        "minor_version",
        "peer",
        "plain",
        "range",
        "size",
        "target",
    )

    def __init__(
        self,
        method: bytes,
        target: bytes,
        minor_version: int,
        size: int,
        field_lines: bytes = b"",
        keep_alive: bool = True,
        content_length: int = 0,
        chunked: bool = False,
        authority: bytes | None = None,
        expect: bytes | None = None,
        accept_encoding: bytes | None = None,
        range: bytes | None = None,
        if_range: bytes | None = None,
        if_match: bytes | None = None,
        if_none_match: bytes | None = None,
        if_modified_since: bytes | None = None,
        if_unmodified_since: bytes | None = None,
    ) -> None:
        self.method = method
        self.target = target
        self.minor_version = minor_version  # 0 or 1 (a higher one counts as 1, RFC 9110 §2.5), or HTTP_2
        self.size = size  # bytes from the start of the input (leading empty lines too) to the end of the head
        self.field_lines = field_lines  # the raw section, each line with its CRLF, without the empty line
        self.keep_alive = keep_alive  # the connection persists after the response (RFC 9112 §9.3)
        self.content_length = content_length  # 0 if there is none, or if the body is chunked
        self.chunked = chunked
        self.authority = authority  # of the Host field: a host, and a port if it is not the default one
        self.expect = expect
        self.accept_encoding = accept_encoding
        self.range = range
        self.if_range = if_range
        self.if_match = if_match
        self.if_none_match = if_none_match
        self.if_modified_since = if_modified_since
        self.if_unmodified_since = if_unmodified_since
        self.peer = b""  # the client's address, 4 or 16 bytes, set by the connection; empty on a Unix socket
        self.is_secure = False  # it arrived over TLS; set by the connection
        # No precondition and no range: the response depends on the target and Accept-Encoding alone.
        self.plain = (
            range is None
            and if_match is None
            and if_none_match is None
            and if_modified_since is None
            and if_unmodified_since is None
        )

    def field(self, name: bytes) -> bytes | None:
        """Return the value of any field, or None; ``name`` is in lower case (RFC 9110 §5.3).

        It searches the raw lines: use it for fields that few requests need.
        """
        lines = b"\r\n" + self.field_lines
        lowered = lines.lower()
        key = b"\r\n%b:" % name
        found = lowered.find(key)
        if found < 0:
            return None
        values = []
        while found >= 0:
            start = found + len(key)
            end = lines.find(b"\r\n", start)
            values.append(lines[start:end].strip(b" \t"))
            found = lowered.find(key, end)
        return b", ".join(values)


class FileSlice:
    """A part of a body that is sent from an open file: ``count`` bytes from ``offset``.

    ``owner`` is the object that closes ``fd``; a reference to the slice keeps it open. ``cached_s`` is the monotonic
    time at which all of it was last found in the page cache; the send queue sets it.
    """

    __slots__ = ("cached_s", "count", "fd", "offset", "owner")

    def __init__(self, owner: object, fd: int, offset: int, count: int) -> None:
        self.owner = owner
        self.fd = fd
        self.offset = offset
        self.count = count
        self.cached_s = 0.0


class Pending(Enum):
    """The type of PENDING, which a source yields when it has no data yet."""

    PENDING = 0


PENDING: Final = Pending.PENDING


class Source(Protocol):
    """The rest of a body that is made while it is sent. A source serves one exchange, on the event loop.

    The connection takes each part when all before it is sent. A part is not empty, and making it must not block. The
    end is StopIteration; a source that raises, or that is shorter than promised, resets the connection. Its
    ``close()``, if it has one, is called once, at the end or when the client has gone.

    A source without data yields PENDING. It then has a method ``wait(wake)``, which the connection calls once for each
    PENDING: the source keeps ``wake`` and calls it, on the event loop and not within ``wait``, as soon as ``next()``
    would return a part, end or raise. Until then the connection neither calls the source nor watches its socket for
    room. A ``wake`` after ``close()``, or a second one, does nothing. The connection sets no deadline for a pending
    source: the source must end itself if it takes too long.
    """

    def __next__(self) -> bytes | FileSlice | Pending: ...


class ResponseHead:
    """A status and its fields, independent of the protocol: name and value pairs, with the letter case of HTTP/1.1.

    Heads are shared between responses and never changed. ``http1`` and ``http2`` cache the bytes that protocol/ makes
    of the head; None until then.
    """

    __slots__ = ("_fields", "http1", "http2", "status")

    def __init__(self, status: int, fields: tuple[Field, ...]) -> None:
        self.status = status
        self._fields: tuple[Field, ...] | None = fields
        self.http1: bytes | None = None
        self.http2: bytes | None = None

    @property
    def fields(self) -> tuple[Field, ...]:
        """The fields, including Content-Length, but without those of the connection, which a protocol adds."""
        if self._fields is None:
            self._fields = self._make_fields()
        return self._fields

    def _make_fields(self) -> tuple[Field, ...]:
        raise NotImplementedError


class FileHead(ResponseHead):
    """The head of a file: the fields of ``base``, which the files of a kind share, and then its own.

    These are ``etag``, and in a 200 also ``last_modified`` and ``length``; a 304 has None there.
    """

    __slots__ = ("base", "etag", "last_modified", "length")

    def __init__(
        self, base: ResponseHead, etag: bytes, last_modified: bytes | None = None, length: bytes | None = None
    ) -> None:
        self.status = base.status
        self._fields = None
        self.http1 = self.http2 = None
        self.base = base
        self.etag = etag
        self.last_modified = last_modified
        self.length = length

    def _make_fields(self) -> tuple[Field, ...]:
        fields = (*self.base.fields, (b"ETag", self.etag))
        if self.last_modified is None or self.length is None:
            return fields
        return (*fields, (b"Last-Modified", self.last_modified), (b"Content-Length", self.length))


class PartialHead(ResponseHead):
    """The head of a 206 for the bytes from ``start`` up to ``stop`` of ``size``: Content-Range and shared fields.

    ``base`` has the fields that are the same for each range of a file. Most of these heads are sent and dropped, so the
    fields are made only for code that reads them.
    """

    __slots__ = ("base", "size", "start", "stop")

    def __init__(self, base: ResponseHead, start: int, stop: int, size: int) -> None:
        self.status = base.status
        self._fields = None
        self.http1 = self.http2 = None
        self.base = base
        self.start = start
        self.stop = stop
        self.size = size

    def _make_fields(self) -> tuple[Field, ...]:
        content_range = b"bytes %d-%d/%d" % (self.start, self.stop - 1, self.size)
        length = b"%d" % (self.stop - self.start)
        return (*self.base.fields, (b"Content-Range", content_range), (b"Content-Length", length))


class Response:
    """A response: a head and a body.

    ``parts`` is the body in order: bytes and FileSlices; empty if there is no body. ``source`` (a Source) continues
    after them. ``body_size`` is the total length, or UNKNOWN_SIZE: then the fields have no Content-Length, and the
    protocol marks the end of the body. ``close``: the connection must close after the response. ``user`` is the
    logged-in user, for the log; None without --auth.
    """

    __slots__ = ("body_size", "close", "head", "parts", "source", "status", "user")

    def __init__(
        self,
        head: ResponseHead,
        parts: tuple[bytes | FileSlice, ...] = (),
        body_size: int = 0,
        close: bool = False,
        source: Source | None = None,
        user: bytes | None = None,
    ) -> None:
        self.head = head
        self.status = head.status
        self.parts = parts
        self.body_size = body_size
        self.close = close
        self.source = source
        self.user = user

    @property
    def fields(self) -> tuple[Field, ...]:
        """The fields of its head."""
        return self.head.fields


def make_partial(base: ResponseHead, start: int, stop: int, size: int, part: bytes | FileSlice) -> Response:
    """Return the 206 whose body is ``part``, the bytes from ``start`` up to ``stop`` of ``size``."""
    # Without __init__: compiled, its call with boxed numbers costs more than all the rest.
    head = PartialHead.__new__(PartialHead)
    head.status = base.status
    head._fields = None
    head.http1 = head.http2 = None
    head.base = base
    head.start = start
    head.stop = stop
    head.size = size
    return make_whole(head, (part,), stop - start)


def make_whole(head: ResponseHead, parts: tuple[bytes | FileSlice, ...], size: int) -> Response:
    """Return a response with a body of known size, where the cost of Response.__init__ counts."""
    response = Response.__new__(Response)
    response.head = head
    response.status = head.status
    response.parts = parts
    response.body_size = size
    response.close = False
    response.source = None
    response.user = None
    return response


class Deferred:
    """A response that needs work off the event loop: its connection waits, the others continue.

    ``work`` runs in a thread of the worker's pool (server/threads.py) and touches no shared state. ``finish`` then runs
    on the event loop with its done future, and returns the response or another Deferred; it may raise HTTPError or
    OSError. If the client has gone, ``finish`` is not called, and the result of ``work`` is dropped. A connection has
    few heavy works at once: those with an attribute ``is_heavy``, for which the lookup is expensive, too.
    """

    __slots__ = ("finish", "work")

    def __init__(self, work: Callable[[], Any], finish: Callable[[Future[Any]], Response | Deferred]) -> None:
        self.work = work
        self.finish = finish

    def is_heavy(self) -> bool:
        """Tell whether a connection should have little of this work at once."""
        return getattr(self.work, "is_heavy", False)

    def map(
        self,
        change: Callable[[Response], Response | Deferred],
        recover: Callable[[Exception], Response] | None = None,
    ) -> Deferred:
        """Return the same work, with ``change`` applied to the final response.

        ``recover`` turns an exception of ``finish`` into a response, to which ``change`` is applied too.
        """
        finish = self.finish

        def finish_and_change(future: Future[Any]) -> Response | Deferred:
            try:
                response = finish(future)
            except Exception as error:
                if recover is None:
                    raise
                response = recover(error)
            if isinstance(response, Deferred):
                return response.map(change, recover)
            return change(response)

        return Deferred(self.work, finish_and_change)


def close_source(source: object) -> None:
    """Drop a Source whose body will not be sent, or a Session that will not begin; None is neither."""
    close = getattr(source, "close", None)
    if close is not None:
        close()
