"""The lines of the access log: one exchange in, one line of printable ASCII out, in each format.

Pure but for the time zone. What a client sent is escaped and cut, so that no request can forge a line, send escapes to
a terminal or make a line longer than LINE_LIMIT. Knows nothing of descriptors and queues.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import lru_cache
from json.encoder import encode_basestring_ascii
from typing import NamedTuple

from fastfile.pages import readable_size
from fastfile.types import RequestHead

# time_s, peer, head (None: it could not be parsed), status, body_size, duration_s, user. A plain tuple: one is made
# per request, and a NamedTuple costs four times as much to make.
Exchange = tuple[float, str, RequestHead | None, int, int, float, bytes | None]

# Longest line that is made: PIPE_BUF of Linux, up to which a pipe takes a write whole or not at all (pipe(7)).
LINE_LIMIT = 4096
# Bytes of a line that each part may have, escaped; with what stands around them they stay below LINE_LIMIT.
_PEER_LIMIT = 128
_METHOD_LIMIT = 32
_TARGET_LIMIT = 2048
_REFERER_LIMIT = 1024
_USER_AGENT_LIMIT = 512
_USER_LIMIT = 128

# What was escaped is remembered, most recent first: targets, peers and the fields of a client come again and again.
# Each may be as long as a head, so few.
_REMEMBERED = 128

_MONTHS = (b"Jan", b"Feb", b"Mar", b"Apr", b"May", b"Jun", b"Jul", b"Aug", b"Sep", b"Oct", b"Nov", b"Dec")

# Printable ASCII but for the quote, which ends a part, and the backslash, which begins an escape.
_PLAIN = bytes(byte for byte in range(0x20, 0x7F) if byte not in b'"\\')
_ESCAPES = tuple(bytes((byte,)) if byte in _PLAIN else b"\\x%02x" % byte for byte in range(256))


class Format(NamedTuple):
    """How a log is written: the text of a second, the line of an exchange, the line that owns up to dropped lines."""

    stamp: Callable[[int], bytes]
    line: Callable[[Exchange, bytes], bytes]
    dropped: Callable[[int, bytes], bytes]


def make_format(name: str, colour: bool) -> Format:
    """Return the format of a name: pretty, common, combined or json; ``colour`` is for pretty alone."""
    if name == "common":
        return Format(_apache_stamp, _common_line, _common_dropped)
    if name == "combined":
        return Format(_apache_stamp, _combined_line, _combined_dropped)
    if name == "json":
        return Format(_json_stamp, _json_line, _json_dropped)
    if name == "pretty":
        return Format(_pretty_stamp, _coloured_line if colour else _pretty_line, _pretty_dropped)
    raise ValueError(f"no log format {name!r}")


def escape(value: bytes, limit: int) -> bytes:
    """Write control bytes, quotes, backslashes and what is not ASCII as \\xHH; cut to ``limit`` bytes with ``...``."""
    if value.translate(None, _PLAIN):
        escaped = b"".join([_ESCAPES[byte] for byte in value[:limit]])
        if len(value) <= limit and len(escaped) <= limit:
            return escaped
        # A cut at a quarter holds whatever the bytes are, and leaves no half escape.
        return b"".join([_ESCAPES[byte] for byte in value[: limit // 4 - 1]]) + b"..."
    return value if len(value) <= limit else value[: limit - 3] + b"..."


def _request_line(head: RequestHead | None) -> bytes:
    return b"-" if head is None else _make_request_line(head.method, head.target, head.minor_version)


@lru_cache(maxsize=_REMEMBERED)
def _make_request_line(method: bytes, target: bytes, minor_version: int) -> bytes:
    return b"%b %b HTTP/1.%d" % (escape(method, _METHOD_LIMIT), escape(target, _TARGET_LIMIT), minor_version)


# common and combined: Apache's, to the byte (mod_log_config; "%h %l %u %t \"%r\" %>s %b").


def _apache_stamp(second: int) -> bytes:
    local = time.localtime(second)
    minutes = local.tm_gmtoff // 60
    sign = b"-" if minutes < 0 else b"+"
    return b"%02d/%b/%04d:%02d:%02d:%02d %b%02d%02d" % (
        local.tm_mday,
        _MONTHS[local.tm_mon - 1],
        *(local.tm_year, local.tm_hour, local.tm_min, local.tm_sec),
        sign,
        *divmod(abs(minutes), 60),
    )


def _common(exchange: Exchange, stamp: bytes) -> bytes:
    _, peer, head, status, body_size, _, user = exchange
    size = b"%d" % body_size if body_size else b"-"
    name = b"-" if user is None else _user(user)
    return b'%b - %b [%b] "%b" %d %b' % (_peer(peer), name, stamp, _request_line(head), status, size)


def _common_line(exchange: Exchange, stamp: bytes) -> bytes:
    return _common(exchange, stamp) + b"\n"


def _combined_line(exchange: Exchange, stamp: bytes) -> bytes:
    head = exchange[2]
    return _common(exchange, stamp) + _combined_fields(b"" if head is None else head.field_lines)


@lru_cache(maxsize=_REMEMBERED)
def _combined_fields(field_lines: bytes) -> bytes:
    referer, user_agent = _referer_and_user_agent(field_lines)
    return b' "%b" "%b"\n' % (
        b"-" if referer is None else escape(referer, _REFERER_LIMIT),
        b"-" if user_agent is None else escape(user_agent, _USER_AGENT_LIMIT),
    )


def _common_dropped(count: int, stamp: bytes) -> bytes:
    return b'- - - [%b] "%d lines of this log were dropped" 000 -\n' % (stamp, count)


def _combined_dropped(count: int, stamp: bytes) -> bytes:
    return b'%b "-" "-"\n' % _common_dropped(count, stamp)[:-1]


@lru_cache(maxsize=_REMEMBERED)
def _peer(peer: str) -> bytes:
    # A space would end the first part; a peer without a name (a Unix socket) has a dash.
    return escape(peer.encode("utf-8", "surrogateescape"), _PEER_LIMIT).replace(b" ", b"\\x20") if peer else b"-"


def _user(user: bytes) -> bytes:
    return escape(user, _USER_LIMIT).replace(b" ", b"\\x20")


def _referer_and_user_agent(field_lines: bytes) -> tuple[bytes | None, bytes | None]:
    # A search of the lowered section costs a tenth of reading it line by line.
    lines = b"\r\n" + field_lines
    lowered = lines.lower()
    return _value(lines, lowered, b"\r\nreferer:"), _value(lines, lowered, b"\r\nuser-agent:")


def _value(lines: bytes, lowered: bytes, key: bytes) -> bytes | None:
    start = lowered.find(key)
    if start < 0:
        return None
    start += len(key)
    return lines[start : lines.find(b"\r\n", start)].strip(b" \t")


# json: one object per line.


def _json_stamp(second: int) -> bytes:
    return b"%04d-%02d-%02dT%02d:%02d:%02d" % time.gmtime(second)[:6]


def _json_line(exchange: Exchange, stamp: bytes) -> bytes:
    time_s, peer, head, status, body_size, duration_s, user = exchange
    if head is None:
        request, fields = '"method":null,"target":null,"version":null', _json_fields(b"")
    else:
        request = _json_request(head.method, head.target, head.minor_version)
        fields = _json_fields(head.field_lines)
    line = (
        f'{{"time":"{stamp.decode("ascii")}.{int(time_s * 1000) % 1000:03d}Z","peer":{_json_peer(peer)},'
        f'"user":{_string(user, _USER_LIMIT)},{request},'
        f'"status":{status},"size":{body_size},"seconds":{duration_s:.6f},{fields}}}\n'
    )
    return line.encode("ascii")


@lru_cache(maxsize=_REMEMBERED)
def _json_peer(peer: str) -> str:
    return _string(peer.encode("utf-8", "surrogateescape") or None, _PEER_LIMIT)


@lru_cache(maxsize=_REMEMBERED)
def _json_request(method: bytes, target: bytes, minor_version: int) -> str:
    return (
        f'"method":{_string(method, _METHOD_LIMIT)},"target":{_string(target, _TARGET_LIMIT)},'
        f'"version":"HTTP/1.{minor_version}"'
    )


@lru_cache(maxsize=_REMEMBERED)
def _json_fields(field_lines: bytes) -> str:
    referer, user_agent = _referer_and_user_agent(field_lines)
    return f'"referer":{_string(referer, _REFERER_LIMIT)},"user_agent":{_string(user_agent, _USER_AGENT_LIMIT)}'


def _json_dropped(count: int, stamp: bytes) -> bytes:
    return b'{"time":"%b.000Z","dropped":%d}\n' % (stamp, count)


def _string(value: bytes | None, limit: int) -> str:
    """Write a JSON string of ASCII, or null; bytes that are not UTF-8 as \\xHH, as the other formats have them."""
    if value is None:
        return "null"
    text = encode_basestring_ascii(value[:limit].decode("utf-8", "backslashreplace"))
    if len(value) <= limit and len(text) <= limit + 2:
        return text
    # Six for one is the most that escapes make of a byte.
    kept = value[: limit // 6 - 1] if len(text) > limit + 2 else value[: limit - 3]
    return encode_basestring_ascii(kept.decode("utf-8", "backslashreplace") + "...")


# pretty: for a person beside an editor. What varies in width comes last, so that the rest stands in columns.

_COLOURS = (b"", b"\x1b[2m", b"\x1b[32m", b"\x1b[36m", b"\x1b[33m", b"\x1b[31m")


def _pretty_stamp(second: int) -> bytes:
    return b"%02d:%02d:%02d" % time.localtime(second)[3:6]


def _pretty_line(exchange: Exchange, stamp: bytes) -> bytes:
    return b"%b  %d  %b  %b\n" % (stamp, exchange[3], _measures(exchange), _pretty_request(exchange[2]))


def _coloured_line(exchange: Exchange, stamp: bytes) -> bytes:
    colour = _COLOURS[exchange[3] // 100]
    return b"\x1b[2m%b\x1b[0m  %b%d\x1b[0m  \x1b[2m%b\x1b[0m  %b\n" % (
        *(stamp, colour, exchange[3]),
        *(_measures(exchange), _pretty_request(exchange[2])),
    )


def _measures(exchange: Exchange) -> bytes:
    size = readable_size(exchange[4]) if exchange[4] else "-"
    return f"{size:>8}  {_readable_duration(exchange[5]):>7}".encode("ascii")


def _readable_duration(duration_s: float) -> str:
    if duration_s < 0.00995:
        return f"{duration_s * 1000:.1f} ms"
    return f"{duration_s * 1000:.0f} ms" if duration_s < 0.9995 else f"{duration_s:.1f} s"


def _pretty_request(head: RequestHead | None) -> bytes:
    return b"-" if head is None else _make_pretty_request(head.method, head.target)


@lru_cache(maxsize=_REMEMBERED)
def _make_pretty_request(method: bytes, target: bytes) -> bytes:
    return b"%-4b %b" % (escape(method, _METHOD_LIMIT), escape(target, _TARGET_LIMIT))


def _pretty_dropped(count: int, stamp: bytes) -> bytes:
    return b"%b  ---  %d lines of this log were dropped\n" % (stamp, count)
