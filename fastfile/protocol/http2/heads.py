"""From header blocks to request heads (RFC 9113 §8.3). A repeated block is parsed only once.

A head has the form of HTTP/1.1, so that the handler sees no difference: only ``minor_version`` is HTTP_2.
"""

from __future__ import annotations

from fastfile._parser_rules import (
    CONTENT_LENGTH_DIGITS,
    DIGIT,
    FIELD_COUNT,
    FIELD_LINE_SIZE,
    HEAD_SIZE,
    REQUEST_LINE_SIZE,
    TARGET,
    TOKEN,
)
from fastfile.errors import HTTPError
from fastfile.message import HTTP_2, RequestHead
from fastfile.parser_limits import ParserLimits
from fastfile.protocol.http2.constants import PROTOCOL_ERROR, StreamFailure
from fastfile.protocol.http2.hpack import (
    ACCEPT_ENCODING,
    AUTHORITY,
    CONNECTION_SPECIFIC,
    CONTENT_LENGTH,
    COOKIE,
    EXPECT,
    FIELD_KINDS,
    HOST,
    IF_MATCH,
    IF_MODIFIED_SINCE,
    IF_NONE_MATCH,
    IF_RANGE,
    IF_UNMODIFIED_SINCE,
    METHOD,
    OTHER,
    OVERHEAD,
    PATH,
    RANGE,
    SCHEME,
    TE,
    UNKNOWN_PSEUDO,
    HeaderDecoder,
    HeaderField,
)

# A list beyond this multiple of a head's limits ends the connection; a shorter one is decoded, and refused with 431.
LISTS_PER_HEAD = 4
PSEUDO_FIELDS = 4  # they do not count in the limit of fields
MAX_REMEMBERED = 32  # blocks
MAX_BLOCK = 1024  # the largest cached block
SCHEMES = (b"https", b"http")


class HeadReader:
    """Reads the header blocks of one connection.

    ``refusal`` is the error for the last head, or None. ``list_size`` is that of its list; 0 if it was remembered.
    """

    __slots__ = ("_changes", "_decoder", "_limits", "_remembered", "list_size", "refusal")

    def __init__(self, limits: ParserLimits) -> None:
        self._limits = limits
        self._decoder = HeaderDecoder(LISTS_PER_HEAD * limits.head, LISTS_PER_HEAD * (limits.fields + PSEUDO_FIELDS))
        self._remembered: dict[bytes, RequestHead] = {}
        self._changes = 0  # changes of the dynamic table for which the cache is valid
        self.list_size = 0
        self.refusal: HTTPError | None = None

    def read(self, block: bytes) -> RequestHead:
        """Return the head of a request. Raises ConnectionFailure, and StreamFailure for a malformed request."""
        self.refusal = None
        self.list_size = 0
        head = self._remembered.get(block)
        if head is not None:
            return head
        fields = self._decoder.decode(block)
        self.list_size = self._decoder.list_size
        is_lasting = self._decoder.changes == self._changes
        if not is_lasting:  # the block must be decoded again, because it changes the table
            self._changes = self._decoder.changes
            self._remembered.clear()
        head = self._make_head(fields, len(block))
        if is_lasting and self.refusal is None and len(block) <= MAX_BLOCK:
            if len(self._remembered) >= MAX_REMEMBERED:
                self._remembered.clear()
            self._remembered[block] = head
        return head

    def read_trailers(self, block: bytes) -> None:
        """Read a trailer section, and drop it, as RFC 9110 §6.5.1 allows. Raises as read() does."""
        fields = self._decoder.decode(block)
        self.list_size = self._decoder.list_size
        if self._decoder.changes != self._changes:
            self._changes = self._decoder.changes
            self._remembered.clear()
        for field in fields:
            if not field.is_valid or field.name.startswith(b":") or field.kind == CONNECTION_SPECIFIC:
                raise StreamFailure(PROTOCOL_ERROR)

    def _make_head(self, fields: list[HeaderField], size: int) -> RequestHead:
        values: list[bytes | None] = [None] * FIELD_KINDS
        lines: list[bytes] = []
        crumbs: list[bytes] = []
        is_behind_pseudo = False
        longest = 0
        for field in fields:
            if not field.is_valid:
                raise StreamFailure(PROTOCOL_ERROR)
            kind = field.kind
            longest = max(longest, field.size)
            if OTHER < kind <= UNKNOWN_PSEUDO:
                if is_behind_pseudo or kind == UNKNOWN_PSEUDO or values[kind] is not None:
                    raise StreamFailure(PROTOCOL_ERROR)
                values[kind] = field.value
                continue
            is_behind_pseudo = True
            if kind == COOKIE:
                crumbs.append(field.value)
                continue
            if kind != OTHER:
                if kind == CONNECTION_SPECIFIC or (kind == TE and field.value.lower() != b"trailers"):
                    raise StreamFailure(PROTOCOL_ERROR)
                values[kind] = _join(kind, values[kind], field.value)
            lines.append(field.line)
        count = len(fields)
        if crumbs:  # RFC 9113 §8.2.3: clients send each cookie as a field of its own
            lines.append(b"cookie: %b\r\n" % b"; ".join(crumbs))
            count -= len(crumbs) - 1
        method, target, authority = _check(values)
        self._find_refusal(values, authority, len(method) + len(target), longest - OVERHEAD, count)
        return RequestHead(
            method,
            target,
            HTTP_2,
            size,
            b"".join(lines),
            True,
            _read_length(values[CONTENT_LENGTH]),
            False,
            authority,
            values[EXPECT],
            values[ACCEPT_ENCODING],
            values[RANGE],
            values[IF_RANGE],
            values[IF_MATCH],
            values[IF_NONE_MATCH],
            values[IF_MODIFIED_SINCE],
            values[IF_UNMODIFIED_SINCE],
        )

    def _find_refusal(
        self, values: list[bytes | None], authority: bytes | None, line: int, longest: int, count: int
    ) -> None:
        """Note the error of a well-formed head: the limits are those of HTTP/1.1."""
        limits = self._limits
        if line + len(b"  HTTP/1.1\r\n") > limits.request_line:
            self.refusal = HTTPError(*REQUEST_LINE_SIZE)
        elif longest + len(b": \r\n") > limits.field_line:
            self.refusal = HTTPError(*FIELD_LINE_SIZE)
        elif self._decoder.list_size > limits.head:
            self.refusal = HTTPError(*HEAD_SIZE)
        elif count > limits.fields + PSEUDO_FIELDS:
            self.refusal = HTTPError(*FIELD_COUNT)
        elif not authority:
            self.refusal = HTTPError(400, "The field :authority is missing.")
        elif values[SCHEME] is not None and values[SCHEME] not in SCHEMES:
            self.refusal = HTTPError(400, "The scheme is neither http nor https.")


def _join(kind: int, before: bytes | None, value: bytes) -> bytes:
    """Join the values of fields of one name (RFC 9110 §5.3)."""
    if before is None:
        return value
    if kind in (HOST, CONTENT_LENGTH):
        raise StreamFailure(PROTOCOL_ERROR)
    return b"%b, %b" % (before, value)


def _check(values: list[bytes | None]) -> tuple[bytes, bytes, bytes | None]:
    """Return method, target and authority (RFC 9113 §8.3.1); the target of CONNECT is its authority (§8.5)."""
    method, path, authority, host = values[METHOD], values[PATH], values[AUTHORITY], values[HOST]
    if not method or method.translate(None, TOKEN):
        raise StreamFailure(PROTOCOL_ERROR)
    if authority is None:
        authority = host
    elif host is not None and host != authority and host.lower() != authority.lower():
        raise StreamFailure(PROTOCOL_ERROR)
    if method == b"CONNECT":
        if path is not None or values[SCHEME] is not None or not authority:
            raise StreamFailure(PROTOCOL_ERROR)
        return method, authority, authority
    if not path or not values[SCHEME] or path.translate(None, TARGET):
        raise StreamFailure(PROTOCOL_ERROR)
    if not path.startswith(b"/") and not (path == b"*" and method == b"OPTIONS"):
        raise StreamFailure(PROTOCOL_ERROR)
    return method, path, authority


def _read_length(value: bytes | None) -> int:
    """Read Content-Length (RFC 9110 §8.6)."""
    if value is None:
        return 0
    if not value or value.strip(DIGIT) or len(value.lstrip(b"0")) > CONTENT_LENGTH_DIGITS:
        raise StreamFailure(PROTOCOL_ERROR)
    return int(value)
