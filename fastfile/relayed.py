"""The vocabulary of forwarded requests, in addition to message.py: bodies that are read, and relayed responses."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from fastfile.message import FileSlice, Pending, RequestHead, Response, ResponseHead, Source


class ClientGone(OSError):
    """The client has left within the content of its request."""


class RequestBody(Protocol):
    """The content of a request that a responder reads, on the event loop: as a Source is read, but for its end.

    ``size`` is its length, or UNKNOWN_SIZE.
    """

    size: int

    def read(self) -> bytes | Pending:
        """Return a piece; b"" at the end. Raises HTTPError if it is malformed, and ClientGone."""

    def wait(self, wake: Callable[[], None]) -> None:
        """Have ``wake`` called once read() would not return PENDING."""

    def invite(self) -> None:
        """Tell a client that expects it to send its content (RFC 9110 §10.1.1)."""


class Uploads(Protocol):
    """Knows which requests are forwarded with their bodies."""

    def takes(self, head: RequestHead) -> bool:
        """Tell whether a request's body must be left to the responder, as an Upload."""


class Upload(RequestHead):
    """A head with a body that has not been read: the responder may read ``body``, or respond without it."""

    __slots__ = ("body",)

    def __init__(self, head: RequestHead, body: RequestBody) -> None:
        super().__init__(
            head.method,
            head.target,
            head.minor_version,
            head.size,
            head.field_lines,
            head.keep_alive,
            head.content_length,
            head.chunked,
            head.authority,
            head.expect,
            head.accept_encoding,
            head.range,
            head.if_range,
            head.if_match,
            head.if_none_match,
            head.if_modified_since,
            head.if_unmodified_since,
        )
        self.peer = head.peer
        self.is_secure = head.is_secure
        self.body = body


class Relayed(Response):
    """The response of another server, or the lack of one; ``upstream`` names the server, for the log."""

    __slots__ = ("upstream",)

    def __init__(
        self,
        head: ResponseHead,
        upstream: bytes,
        parts: tuple[bytes | FileSlice, ...] = (),
        body_size: int = 0,
        close: bool = False,
        source: Source | None = None,
        user: bytes | None = None,
    ) -> None:
        super().__init__(head, parts, body_size, close, source, user)
        self.upstream = upstream
