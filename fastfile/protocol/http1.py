"""HTTP/1.1 on the wire: the bytes of a response (RFC 9112). No other module writes them.

Knows messages, not how they are made (site/) or sent (server/). The parser of requests is a kernel (parser.py).
"""

from __future__ import annotations

from fastfile.http.date import make_httpdate
from fastfile.http.status import REASONS
from fastfile.message import Field, FileHead, PartialHead, ResponseHead
from fastfile.sendfile import concatenate

CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
# RFC 9112 §7.1: a chunk is start_chunk(), its bytes and END_OF_CHUNK; after the last one comes END_OF_CHUNKS.
END_OF_CHUNK = b"\r\n"
END_OF_CHUNKS = b"0\r\n\r\n"

_STATUS_LINES = {status: f"HTTP/1.1 {status} {reason}\r\n".encode() for status, reason in REASONS.items()}


def head_of(head: ResponseHead) -> bytes:
    """Return the status line and the field lines of a head, each with its CRLF; make_tail() makes the rest."""
    if head.http1 is None:
        if isinstance(head, FileHead):
            head.http1 = _serialize_file(head)
        else:
            head.http1 = _serialize_partial(head) if isinstance(head, PartialHead) else _serialize(head)
    return head.http1


def make_tail(date_s: int, is_persistent: bool, is_current: bool, is_chunked: bool = False) -> bytes:
    """Return the end of a head: Date, the fields of the connection and the framing, and the empty line.

    ``is_current``: the request was HTTP/1.1. A 1.0 client must be told that the connection persists (§9.3), and gets no
    chunks (§6.1): the end of a body of unknown size is the end of its connection.
    """
    fields: list[Field] = [(b"Date", make_httpdate(date_s))]
    if not is_persistent:
        fields.append((b"Connection", b"close"))
    elif not is_current:
        fields.append((b"Connection", b"keep-alive"))
    if is_chunked:
        fields.append((b"Transfer-Encoding", b"chunked"))
    return _make_field_lines(tuple(fields)) + b"\r\n"


def start_chunk(size: int) -> bytes:
    """Return what precedes a chunk (§7.1); ``size`` is not 0, which would end the body."""
    return b"%x\r\n" % size


def _serialize(head: ResponseHead) -> bytes:
    line = _STATUS_LINES.get(head.status) or b"HTTP/1.1 %d \r\n" % head.status  # §4: the reason may be empty
    return line + _make_field_lines(head.fields)


def _serialize_file(head: FileHead) -> bytes:
    if head.last_modified is None or head.length is None:
        return concatenate((head_of(head.base), b"ETag: ", head.etag, b"\r\n"))
    return concatenate(
        (
            head_of(head.base),
            b"ETag: ",
            head.etag,
            b"\r\nLast-Modified: ",
            head.last_modified,
            b"\r\nContent-Length: ",
            head.length,
            b"\r\n",
        )
    )


def _serialize_partial(head: PartialHead) -> bytes:
    start, stop, size = head.start, head.stop, head.size
    # Text, because compiled it takes a fifth of the instructions of bytes and %d.
    lines = f"Content-Range: bytes {start}-{stop - 1}/{size}\r\nContent-Length: {stop - start}\r\n"
    return head_of(head.base) + lines.encode("ascii")


def _make_field_lines(fields: tuple[Field, ...]) -> bytes:
    return b"".join([b"%b: %b\r\n" % field for field in fields])
