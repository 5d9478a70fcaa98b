"""The texts of the access log in each format: printable ASCII, whatever a client sent.

Pure except for the time zone. Client values are escaped and cut, so that no request can forge a line, send escapes to a
terminal or make a line longer than LINE_LIMIT. lines.py decides which texts are reused.
"""

from __future__ import annotations

import time
from functools import lru_cache
from json.encoder import encode_basestring_ascii

from fastfile.message import RequestHead
from fastfile.relayed import Relayed
from fastfile.server.log.lines import Client, Exchange, Lines
from fastfile.site.pages import readable_size

# The longest line: PIPE_BUF of Linux, up to which a write to a pipe is atomic (pipe(7)).
LINE_LIMIT = 4096
# The most bytes of each part, escaped; together with the text around them they stay below LINE_LIMIT.
_PEER_LIMIT = 128
_METHOD_LIMIT = 32
_TARGET_LIMIT = 2048
_HOST_LIMIT = 253  # the longest name of DNS
_REFERER_LIMIT = 768
_USER_AGENT_LIMIT = 512
_USER_LIMIT = 128

# The size of the caches of formatted fields. Each key may be as long as a request head, so there are few.
_REMEMBERED = 128

_MONTHS = (b"Jan", b"Feb", b"Mar", b"Apr", b"May", b"Jun", b"Jul", b"Aug", b"Sep", b"Oct", b"Nov", b"Dec")

_COLOURS = (b"", b"\x1b[2m", b"\x1b[32m", b"\x1b[36m", b"\x1b[33m", b"\x1b[31m")  # by status class

# Printable ASCII without the quote, which ends a part, and the backslash, which begins an escape.
_PLAIN = bytes(byte for byte in range(0x20, 0x7F) if byte not in b'"\\')
_ESCAPES = tuple(bytes((byte,)) if byte in _PLAIN else b"\\x%02x" % byte for byte in range(256))


_VERSIONS = (b"1.0", b"1.1", b"2.0")  # by minor_version
_NOBODY = b" - -"  # between peer and time, if there is no user


class ApacheLines(Lines):
    """common and combined: Apache's formats, to the byte (mod_log_config; "%h %l %u %t "%r" %>s %b")."""

    def __init__(self, combined: bool) -> None:
        super().__init__(False)
        self._combined = combined

    def add(self, client: Client, exchange: Exchange, body_size: int, time_s: float, duration_s: float) -> None:
        head, response, _ = exchange
        stamp = self._stamp_at(time_s)
        if response.user is not None:
            stamp = _name_user(stamp, response.user)
        text = self._text(head, response.status, body_size)
        fields = self._fields(client, head) if self._combined else b"\n"
        pieces = self._pieces  # last, so that a failure above leaves no half line
        pieces.append(client.peer)
        pieces.append(stamp)
        pieces.append(text)
        pieces.append(fields)

    def add_gap(self, count: int, time_s: float) -> None:
        text = b'-%b%d lines of this log were dropped" 000 -' % (self._stamp_at(time_s), count)
        self._pieces.append(text + (b' "-" "-"\n' if self._combined else b"\n"))

    def make_peer(self, peer: str) -> bytes:
        # A peer without a name (a Unix socket) has a dash.
        return _escape_name(_encode(peer), _PEER_LIMIT) if peer else b"-"

    def _make_stamp(self, second: int) -> bytes:
        local = time.localtime(second)
        minutes = local.tm_gmtoff // 60
        sign = b"-" if minutes < 0 else b"+"
        return b'%b [%02d/%b/%04d:%02d:%02d:%02d %b%02d%02d] "' % (
            _NOBODY,
            local.tm_mday,
            _MONTHS[local.tm_mon - 1],
            *(local.tm_year, local.tm_hour, local.tm_min, local.tm_sec),
            sign,
            *divmod(abs(minutes), 60),
        )

    def _make_request(self, head: RequestHead | None) -> bytes:
        if head is None:
            return b"-"
        method, target = escape(head.method, _METHOD_LIMIT), escape(head.target, _TARGET_LIMIT)
        return b"%b %b HTTP/%b" % (method, target, _VERSIONS[head.minor_version])

    def _make_outcome(self, status: int, body_size: int) -> bytes:
        return b'" %d %d' % (status, body_size) if body_size else b'" %d -' % status

    def _make_fields(self, field_lines: bytes) -> bytes:
        return _combined_fields(field_lines)


class JsonLines(Lines):
    """One object per line."""

    def __init__(self) -> None:
        super().__init__(True)

    def add(self, client: Client, exchange: Exchange, body_size: int, time_s: float, duration_s: float) -> None:
        head, response, _ = exchange
        stamp = self._stamp_at(time_s)
        user = _string(response.user, _USER_LIMIT)
        host = b"null" if head is None else _string(head.authority, _HOST_LIMIT)
        text = self._text(head, response.status, body_size)
        fields = self._fields(client, head)
        pieces = self._pieces
        pieces.append(stamp)
        pieces.append(b'.%03dZ","peer":' % (int(time_s * 1000) % 1000))
        pieces.append(client.peer)
        pieces.append(b',"user":%b,"host":%b,' % (user, host))
        pieces.append(text)
        pieces.append(b"%.6f" % duration_s)
        if isinstance(response, Relayed):
            pieces.append(b',"upstream":%b' % _string(response.upstream, _HOST_LIMIT))
        pieces.append(fields)

    def add_gap(self, count: int, time_s: float) -> None:
        self._pieces.append(b'%b.000Z","dropped":%d}\n' % (self._stamp_at(time_s), count))

    def make_peer(self, peer: str) -> bytes:
        return _string(_encode(peer) or None, _PEER_LIMIT)

    def _make_stamp(self, second: int) -> bytes:
        return b'{"time":"%04d-%02d-%02dT%02d:%02d:%02d' % time.gmtime(second)[:6]

    def _make_request(self, head: RequestHead | None) -> bytes:
        if head is None:
            return b'"method":null,"target":null,"version":null'
        method, target = _string(head.method, _METHOD_LIMIT), _string(head.target, _TARGET_LIMIT)
        return b'"method":%b,"target":%b,"version":"HTTP/%b"' % (method, target, _VERSIONS[head.minor_version])

    def _make_outcome(self, status: int, body_size: int) -> bytes:
        return b',"status":%d,"size":%d,"seconds":' % (status, body_size)

    def _make_fields(self, field_lines: bytes) -> bytes:
        return _json_fields(field_lines)


class PrettyLines(Lines):
    """For a person beside an editor. Parts of varying width come last, so that the others are in columns."""

    def __init__(self, colour: bool) -> None:
        super().__init__(True)
        self._colour = colour

    def add(self, client: Client, exchange: Exchange, body_size: int, time_s: float, duration_s: float) -> None:
        head, response, _ = exchange
        stamp, request = self._stamp_at(time_s), self._make_request(head)
        if isinstance(response, Relayed):
            request += b"  -> " + escape(response.upstream, _HOST_LIMIT)
        measures = _measures(body_size, duration_s)
        if self._colour:
            colour = _COLOURS[response.status // 100]
            parts = (stamp, colour, response.status, measures, request)
            line = b"\x1b[2m%b\x1b[0m  %b%d\x1b[0m  \x1b[2m%b\x1b[0m  %b\n" % parts
        else:
            line = b"%b  %d  %b  %b\n" % (stamp, response.status, measures, request)
        self._pieces.append(line)

    def add_gap(self, count: int, time_s: float) -> None:
        self._pieces.append(b"%b  ---  %d lines of this log were dropped\n" % (self._stamp_at(time_s), count))

    def make_peer(self, peer: str) -> bytes:
        return b""

    def _make_stamp(self, second: int) -> bytes:
        return b"%02d:%02d:%02d" % time.localtime(second)[3:6]

    def _make_request(self, head: RequestHead | None) -> bytes:
        if head is None:
            return b"-"
        return b"%-4b %b" % (escape(head.method, _METHOD_LIMIT), escape(head.target, _TARGET_LIMIT))


def make_lines(name: str, colour: bool) -> Lines:
    """Return the lines of a format by its name: pretty, common, combined or json; only pretty uses ``colour``."""
    if name == "common" or name == "combined":
        return ApacheLines(name == "combined")
    if name == "json":
        return JsonLines()
    if name == "pretty":
        return PrettyLines(colour)
    raise ValueError(f"no log format {name!r}")


def escape(value: bytes, limit: int) -> bytes:
    """Write control bytes, quotes, backslashes and non-ASCII bytes as \\xHH; cut to ``limit`` bytes with ``...``."""
    if value.translate(None, _PLAIN):
        escaped = b"".join([_ESCAPES[byte] for byte in value[:limit]])
        if len(value) <= limit and len(escaped) <= limit:
            return escaped
        # Cutting at a quarter is enough for all bytes, and leaves no half escape.
        return b"".join([_ESCAPES[byte] for byte in value[: limit // 4 - 1]]) + b"..."
    return value if len(value) <= limit else value[: limit - 3] + b"..."


def _escape_name(name: bytes, limit: int) -> bytes:
    """Escape spaces too: one would end its part of the line."""
    return escape(name, limit).replace(b" ", b"\\x20")


def _name_user(stamp: bytes, user: bytes) -> bytes:
    return b" - " + _escape_name(user, _USER_LIMIT) + stamp[len(_NOBODY) :]


def _encode(peer: str) -> bytes:
    return peer.encode("utf-8", "surrogateescape")


@lru_cache(maxsize=_REMEMBERED)
def _combined_fields(field_lines: bytes) -> bytes:
    referer, user_agent = _referer_and_user_agent(field_lines)
    return b' "%b" "%b"\n' % (
        b"-" if referer is None else escape(referer, _REFERER_LIMIT),
        b"-" if user_agent is None else escape(user_agent, _USER_AGENT_LIMIT),
    )


@lru_cache(maxsize=_REMEMBERED)
def _json_fields(field_lines: bytes) -> bytes:
    referer, user_agent = _referer_and_user_agent(field_lines)
    return b',"referer":%b,"user_agent":%b}\n' % (
        _string(referer, _REFERER_LIMIT),
        _string(user_agent, _USER_AGENT_LIMIT),
    )


def _referer_and_user_agent(field_lines: bytes) -> tuple[bytes | None, bytes | None]:
    # Searching the lower-case section costs a tenth of reading it line by line.
    lines = b"\r\n" + field_lines
    lowered = lines.lower()
    return _value(lines, lowered, b"\r\nreferer:"), _value(lines, lowered, b"\r\nuser-agent:")


def _value(lines: bytes, lowered: bytes, key: bytes) -> bytes | None:
    start = lowered.find(key)
    if start < 0:
        return None
    start += len(key)
    return lines[start : lines.find(b"\r\n", start)].strip(b" \t")


def _string(value: bytes | None, limit: int) -> bytes:
    """Write a JSON string of ASCII, or null; bytes that are not UTF-8 as \\xHH, as in the other formats."""
    if value is None:
        return b"null"
    text = encode_basestring_ascii(value[:limit].decode("utf-8", "backslashreplace"))
    if len(value) > limit or len(text) > limit + 2:
        # An escape has at most six bytes.
        kept = value[: limit // 6 - 1] if len(text) > limit + 2 else value[: limit - 3]
        text = encode_basestring_ascii(kept.decode("utf-8", "backslashreplace") + "...")
    return text.encode("ascii")


def _measures(body_size: int, duration_s: float) -> bytes:
    size = readable_size(body_size) if body_size else "-"
    return f"{size:>8}  {_readable_duration(duration_s):>7}".encode("ascii")


def _readable_duration(duration_s: float) -> str:
    if duration_s < 0.00995:
        return f"{duration_s * 1000:.1f} ms"
    return f"{duration_s * 1000:.0f} ms" if duration_s < 0.9995 else f"{duration_s:.1f} s"
