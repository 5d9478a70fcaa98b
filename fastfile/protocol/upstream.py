"""The other side of HTTP/1.1: requests to an upstream on the wire, and its responses read strictly. No I/O.

A response whose framing is ambiguous is refused, so that no client sees a part of it as a whole (RFC 9112 §6.3, §11.1).
One connection carries one exchange, so that what follows a response belongs to nothing.
"""

from __future__ import annotations

from fastfile._parser_rules import CONTENT_LENGTH_DIGITS, DIGIT, FIELD_VALUE, TOKEN, WHITESPACE
from fastfile.message import UNKNOWN_SIZE, Field
from fastfile.protocol.chunks import ChunkDecoder, ChunkError
from fastfile.records import NamedTuple

MAX_HEAD = 64 * 1024  # bytes of a head, in which an upstream sends cookies and policies; nginx has 4 to 32 KiB
MAX_FIELDS = 256
MAX_INFORMATIONAL = 16  # responses of 1xx before the final one
_BODILESS = (204, 205, 304)


class UpstreamError(OSError):
    """The upstream broke the protocol; the text completes the sentence "The upstream …"."""


class NoResponse(UpstreamError):
    """The upstream closed the connection before it sent a byte."""


class UpstreamHead(NamedTuple):
    """The head of a response; ``size`` is that of its body, UNKNOWN_SIZE if only its end will tell."""

    status: int
    fields: list[Field]
    size: int


def make_request(method: bytes, target: bytes, fields: list[Field], size: int | None) -> bytes:
    """Return the head of a request; ``size`` is that of its content, UNKNOWN_SIZE for chunks, None without any."""
    lines = [b"%b %b HTTP/1.1\r\n" % (method, target), *(b"%b: %b\r\n" % field for field in fields)]
    if size is None:
        # RFC 9110 §8.6: a method that anticipates content says so.
        framing = b"Content-Length: 0\r\n" if method in (b"POST", b"PUT", b"PATCH") else b""
    elif size == UNKNOWN_SIZE:
        framing = b"Transfer-Encoding: chunked\r\n"
    else:
        framing = b"Content-Length: %d\r\n" % size
    return b"".join([*lines, framing, b"\r\n"])


class ResponseReader:
    """Reads the response to one request of a method. Call take_head(), then take() until ``is_complete``."""

    def __init__(self, method: bytes, upgrades: bool) -> None:
        self._method = method
        self._upgrades = upgrades
        self._buffer = bytearray()
        self._informational = 0
        self._left = 0  # bytes of the body; UNKNOWN_SIZE: until the end of the stream
        self._chunks: ChunkDecoder | None = None
        self.has_begun = False
        self.is_complete = False

    @property
    def rest(self) -> bytes:
        """The bytes that were read after the head of a 101."""
        return bytes(self._buffer)

    def feed(self, data: bytes) -> None:
        """Take bytes of the head; b"" is the end of the stream, which is an error here. Raises UpstreamError."""
        if not data and not self.has_begun:
            raise NoResponse("closed the connection without a response")
        if not data:
            raise UpstreamError("closed the connection within the head of its response")
        self.has_begun = True
        self._buffer += data

    def take_head(self) -> UpstreamHead | None:
        """Return the next head, also one of 1xx; None if more input is needed. Raises UpstreamError."""
        buffer = self._buffer
        end = buffer.find(b"\r\n\r\n")
        if end < 0 or end > MAX_HEAD:
            # Known from its first bytes, so that no client waits for a head that cannot be one.
            if not b"HTTP/1.".startswith(buffer[:7]) and not buffer.startswith(b"HTTP/1."):
                raise UpstreamError("does not speak HTTP/1.1")
            line_end = buffer.find(b"\n")
            if line_end >= 0 and buffer[line_end - 1 : line_end] != b"\r":
                raise UpstreamError("ended a line without a carriage return")
            if len(buffer) > MAX_HEAD:
                raise UpstreamError(f"sent a head of more than {MAX_HEAD // 1024} KiB")
            return None
        lines = bytes(buffer[:end]).split(b"\r\n")
        del buffer[: end + 4]
        minor, status = _parse_status_line(lines[0])
        if len(lines) > MAX_FIELDS + 1:
            raise UpstreamError(f"sent more than {MAX_FIELDS} header lines")
        fields = [_parse_field(line) for line in lines[1:]]
        if status == 101 and not self._upgrades:
            raise UpstreamError("switched to a protocol that was not requested")
        if status < 200:
            self._informational += 1
            if self._informational > MAX_INFORMATIONAL:
                raise UpstreamError(f"sent more than {MAX_INFORMATIONAL} interim responses")
            return UpstreamHead(status, fields, 0)
        return UpstreamHead(status, fields, self._begin_body(minor, status, fields))

    def _begin_body(self, minor: int, status: int, fields: list[Field]) -> int:
        """Return the size of the body (RFC 9112 §6.3)."""
        lengths = [value for name, value in fields if name.lower() == b"content-length"]
        codings = [value for name, value in fields if name.lower() == b"transfer-encoding"]
        if codings and lengths:
            raise UpstreamError("sent both Content-Length and Transfer-Encoding")
        if len(lengths) > 1:
            raise UpstreamError("sent Content-Length more than once")
        if codings and (minor == 0 or [coding.lower() for coding in codings] != [b"chunked"]):
            raise UpstreamError("sent a Transfer-Encoding other than chunked")
        size = _parse_length(lengths[0]) if lengths else UNKNOWN_SIZE
        if self._method == b"HEAD" or status in _BODILESS:
            self.is_complete = True
        elif codings:
            self._chunks = ChunkDecoder()
        else:
            self._left = size
            self.is_complete = size == 0
        return 0 if status == 205 else size  # RFC 9110 §15.3.6: it has no content, whatever its framing says

    def take(self, data: bytes | None) -> bytes:
        """Return content of ``data``, or of what was read with the head (None); b"" is the end of the stream.

        Raises UpstreamError if the body is cut or malformed.
        """
        if data is None:
            data = bytes(self._buffer)
            self._buffer.clear()
            if not data:
                return b""
        elif not data:
            if self._chunks is not None or self._left != UNKNOWN_SIZE:
                raise UpstreamError("closed the connection within the body of its response")
            self.is_complete = True
            return b""
        if self._chunks is not None:
            try:
                content = self._chunks.decode(data)
            except ChunkError as error:
                raise UpstreamError(f"sent a malformed chunk ({error})") from None
            self.is_complete = self._chunks.is_complete
            return content
        if self._left == UNKNOWN_SIZE:
            return data
        content = data[: self._left]  # what is beyond it is not part of the response
        self._left -= len(content)
        self.is_complete = self._left == 0
        return content


def _parse_status_line(line: bytes) -> tuple[int, int]:
    """Return the minor version and the status (RFC 9112 §4)."""
    version, _, rest = line.partition(b" ")
    if version not in (b"HTTP/1.1", b"HTTP/1.0"):
        raise UpstreamError("does not speak HTTP/1.1")
    status = rest[:3]
    if len(status) < 3 or status.strip(DIGIT) or rest[3:4] not in (b"", b" ") or rest.translate(None, FIELD_VALUE):
        raise UpstreamError("sent a malformed status line")
    if not 100 <= int(status) <= 599:
        raise UpstreamError("sent a status that HTTP does not have")
    return version[-1] - 0x30, int(status)


def _parse_field(line: bytes) -> Field:
    """Return the field of a line: no folding, no white space before the colon, no control bytes (RFC 9112 §5)."""
    name, colon, value = line.partition(b":")
    if line[:1] in (b" ", b"\t"):
        raise UpstreamError("sent a folded header line")
    if not colon or not name or name.translate(None, TOKEN):
        raise UpstreamError("sent a malformed header line")
    if value.translate(None, FIELD_VALUE):
        raise UpstreamError("sent a header line with a control byte")
    return name, value.strip(WHITESPACE)


def _parse_length(value: bytes) -> int:
    if not value or value.strip(DIGIT) or len(value.lstrip(b"0")) > CONTENT_LENGTH_DIGITS:
        raise UpstreamError("sent a Content-Length that is not a number")
    return int(value)
