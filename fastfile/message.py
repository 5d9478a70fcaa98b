"""The values that pass between the layers: a request head in, a response out.

Compiled with types.pxd where extensions are built; the same source runs interpreted. Imports nothing of fastfile.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from concurrent.futures import Future


class ParserLimits(NamedTuple):
    """What the parser accepts, in bytes or counts; options.py has the reasons and the peers' values."""

    request_line: int = 8192  # more: 414
    field_line: int = 8192  # one line; more: 431
    head: int = 32768  # all of the head, and the trailer section of a chunked body; more: 431
    fields: int = 100  # lines in the head, and in the trailer section; more: 431
    empty_lines: int = 8  # before the request-line; more: 400
    body: int = 262144  # bytes of content that are read and dropped; more: 413
    chunk_line: int = 256  # a chunk-size line with its extensions; more: 400


class RequestHead:
    """The head of one request as the parser read it (RFC 9112 §3 and §5): valid in syntax, not yet in meaning.

    Values are the bytes of the wire, trimmed of white space. Field lines of one name are joined by ``", "`` (RFC 9110
    §5.3); ``None`` means that no such line came.
    """

    __slots__ = (
        "accept_encoding",
        "chunked",
        "content_length",
        "expect",
        "field_lines",
        "host",
        "if_match",
        "if_modified_since",
        "if_none_match",
        "if_range",
        "if_unmodified_since",
        "keep_alive",
        "method",
        "minor_version",
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
        host: bytes | None = None,
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
        self.minor_version = minor_version  # 0 or 1; a higher minor version is read as 1 (RFC 9110 §2.5)
        self.size = size  # bytes from the start of the input (leading empty lines too) to the end of the head
        self.field_lines = field_lines  # the raw section, each line with its CRLF, without the empty line
        self.keep_alive = keep_alive  # what the client wants after the response (RFC 9112 §9.3)
        self.content_length = content_length  # 0 when there is none, and when the body is chunked
        self.chunked = chunked
        self.host = host
        self.expect = expect
        self.accept_encoding = accept_encoding
        self.range = range
        self.if_range = if_range
        self.if_match = if_match
        self.if_none_match = if_none_match
        self.if_modified_since = if_modified_since
        self.if_unmodified_since = if_unmodified_since
        # No precondition and no range: the answer depends on the target and Accept-Encoding alone.
        self.plain = (
            range is None
            and if_match is None
            and if_none_match is None
            and if_modified_since is None
            and if_unmodified_since is None
        )

    def field(self, name: bytes) -> bytes | None:
        """Return the value of any field, or None; ``name`` is in lower case (RFC 9110 §5.3).

        It searches the raw lines, so it is for the fields that few requests need.
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

    ``owner`` is the object that closes ``fd``; holding the slice keeps it open. ``cached_s`` is when all of it was last
    seen to be in memory, on the clock's monotonic scale: whoever sends it keeps that here.
    """

    __slots__ = ("cached_s", "count", "fd", "offset", "owner")

    def __init__(self, owner: object, fd: int, offset: int, count: int) -> None:
        self.owner = owner
        self.fd = fd
        self.offset = offset
        self.count = count
        self.cached_s = 0.0


class Response:
    """What goes back: ready to send but for Date, Connection and the empty line, which the connection adds.

    ``head`` is the status line and the field lines, each with its CRLF. ``parts`` is the body in order: bytes and
    FileSlices; empty where there is no body. ``source`` goes on where they end: each part is asked for when what came
    before it is sent. It serves one exchange, on the event loop, and must not block; its ``close()``, if it has one, is
    called when no more is wanted. ``body_size`` is the sum of the lengths of all. ``close``: the connection must not go
    on after it. ``user`` is who was let in, for the log; None where nobody was asked.
    """

    __slots__ = ("body_size", "close", "head", "parts", "source", "status", "user")

    def __init__(
        self,
        status: int,
        head: bytes,
        parts: tuple[bytes | FileSlice, ...] = (),
        body_size: int = 0,
        close: bool = False,
        source: Iterator[bytes | FileSlice] | None = None,
        user: bytes | None = None,
    ) -> None:
        self.status = status
        self.head = head
        self.parts = parts
        self.body_size = body_size
        self.close = close
        self.source = source
        self.user = user


class Deferred:
    """What a handler returns instead of a Response while it cannot know it yet: the connection waits, others do not.

    ``work`` runs in a thread of the worker's pool (server/offload.py) and touches nothing that others use. ``finish``
    then runs on the event loop with its done future, and returns the response or defers again; it may raise HTTPError
    or OSError. When the client has gone before, it is never called, and what ``work`` returned is dropped.
    """

    __slots__ = ("finish", "work")

    def __init__(self, work: Callable[[], Any], finish: Callable[[Future[Any]], Response | Deferred]) -> None:
        self.work = work
        self.finish = finish


def close_source(source: Iterator[bytes | FileSlice] | None) -> None:
    """Let go of the rest of a body that nobody will get."""
    close = getattr(source, "close", None)
    if close is not None:
        close()
