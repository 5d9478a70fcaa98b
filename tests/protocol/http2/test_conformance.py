"""RFC 9113 and 7541, a row per rule: the cases of h2spec 2.6 and more, over a socket, with another library as the peer.

A row is what a client sends, and what must come of it: the error code of GOAWAY, that of RST_STREAM, or a status.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from support.http2peer import GET, POST, PREFACE, Peer, frames, make_frame
from support.inprocess import InProcess, serve_files

PROTOCOL, FLOW, CLOSED, SIZE, REFUSED, COMPRESSION, CALM = 1, 3, 5, 6, 7, 9, 11
DATA, HEADERS, PRIORITY, RST, SETTINGS, PUSH, PING, GOAWAY, WINDOW, CONTINUATION = range(10)
END_STREAM, END_HEADERS, PADDED, HAS_PRIORITY = 1, 4, 8, 32

Act = Callable[[Any], object]
GOAWAY_OF = "goaway"
RESET_OF = "reset"
STATUS = "status"


def raw(kind: int, flags: int, stream_id: int, payload: bytes = b"") -> Act:
    return lambda peer: peer.frame(kind, flags, stream_id, payload)


def headers(stream_id: int = 1, *fields: tuple[bytes, bytes], end: bool = True, base: Any = GET, **others: Any) -> Act:
    return lambda peer: peer.send(peer.headers(stream_id, (*base, *fields), end, **others))


def only(*fields: tuple[bytes, bytes]) -> Act:
    return headers(1, *fields, base=())


def block(flags: int, stream_id: int = 1, fields: Any = GET, cut: slice = slice(None), kind: int = HEADERS) -> Act:
    return lambda peer: peer.frame(kind, flags, stream_id, peer.encoder.encode(list(fields))[cut])


def data(stream_id: int = 1, payload: bytes = b"x", end: bool = True) -> Act:
    return raw(DATA, END_STREAM if end else 0, stream_id, payload)


def setting(key: int, value: int) -> Act:
    return raw(SETTINGS, 0, 0, key.to_bytes(2, "big") + value.to_bytes(4, "big"))


def number(value: int, size: int = 4) -> bytes:
    return value.to_bytes(size, "big")


def wait(stream_id: int = 1) -> Act:
    return lambda peer: peer.wait(stream_id)


def limit_table(size: int) -> Act:
    """Limit the table of response headers (SETTINGS_HEADER_TABLE_SIZE); the decoder insists on it."""

    def act(peer: Any) -> None:
        peer.wait_alive()  # the limit must not apply to what was sent before
        setting(1, size)(peer)
        peer.decoder.max_allowed_table_size = size

    return act


UPLOAD = headers(1, end=False, base=POST)
PSEUDO = dict(GET)

# RFC 9113, or the RFC that is named: what is sent, and what comes of it.
ROWS: dict[str, tuple[tuple[Act, ...], str, int]] = {
    # §4.1 frames
    "4.1 an unknown frame type is ignored": ((raw(22, 0, 0, b"12345678"), headers()), STATUS, 200),
    "4.1 undefined flags are ignored": ((raw(PING, 0x16, 0, b"12345678"), headers()), STATUS, 200),
    "4.1 the reserved bit of a stream is ignored": ((raw(PING, 0, 1 << 31, b"12345678"), headers()), STATUS, 200),
    # §4.2 sizes
    "4.2 DATA of 2^14 bytes is taken": ((UPLOAD, data(payload=b"x" * 16384)), STATUS, 405),
    "4.2 a larger DATA is too large": ((UPLOAD, data(payload=b"x" * 16385)), GOAWAY_OF, SIZE),
    "4.2 a larger HEADERS is too large": ((raw(HEADERS, 5, 1, b"x" * 16385),), GOAWAY_OF, SIZE),
    # §4.3 header compression
    "4.3 a malformed block ends the connection": (
        (raw(HEADERS, 5, 1, b"\xff\xff\xff\xff\xff"),),
        GOAWAY_OF,
        COMPRESSION,
    ),
    "4.3 PRIORITY within a block": ((block(1), raw(PRIORITY, 0, 1, number(0) + b"\0")), GOAWAY_OF, PROTOCOL),
    "4.3 HEADERS of another stream within a block": ((block(1), block(5, 3)), GOAWAY_OF, PROTOCOL),
    "4.3.1 a table of responses that is smaller than the default": ((limit_table(0), headers()), STATUS, 200),
    "4.3.1 a table that is smaller for a moment": ((limit_table(0), limit_table(4096), headers()), STATUS, 200),
    "4.3.1 a table that is larger": ((limit_table(8192), headers()), STATUS, 200),
    "4.3.1 a smaller table, and 100 Continue": (
        (
            limit_table(100),
            headers(1, (b"expect", b"100-continue"), end=False, base=POST),
            lambda peer: peer.wait_alive(),
            data(),
        ),
        STATUS,
        405,
    ),
    # §5.1 states
    "5.1 idle: DATA": ((data(),), GOAWAY_OF, PROTOCOL),
    "5.1 idle: RST_STREAM": ((raw(RST, 0, 1, number(8)),), GOAWAY_OF, PROTOCOL),
    "5.1 idle: WINDOW_UPDATE": ((raw(WINDOW, 0, 1, number(100)),), GOAWAY_OF, PROTOCOL),
    "5.1 idle: CONTINUATION": ((raw(CONTINUATION, 4, 1),), GOAWAY_OF, PROTOCOL),
    "5.1 idle: DATA on an even stream": ((headers(3), wait(3), data(2)), GOAWAY_OF, PROTOCOL),
    "5.1 idle: RST_STREAM on an even stream": ((headers(3), wait(3), raw(RST, 0, 2, number(8))), GOAWAY_OF, PROTOCOL),
    "5.1 idle: WINDOW_UPDATE on an even stream": (
        (headers(3), wait(3), raw(WINDOW, 0, 2, number(1))),
        GOAWAY_OF,
        PROTOCOL,
    ),
    "5.1 half closed: DATA": ((headers(1, base=GET), wait(), data()), RESET_OF, CLOSED),
    "5.1 half closed: HEADERS": ((headers(), wait(), headers()), GOAWAY_OF, CLOSED),
    "5.1 half closed: CONTINUATION": ((headers(), raw(CONTINUATION, 4, 1)), GOAWAY_OF, PROTOCOL),
    "5.1 after RST_STREAM: DATA": ((UPLOAD, raw(RST, 0, 1, number(8)), data()), RESET_OF, CLOSED),
    "5.1 after RST_STREAM: HEADERS": ((UPLOAD, raw(RST, 0, 1, number(8)), headers()), GOAWAY_OF, CLOSED),
    "5.1 after RST_STREAM: CONTINUATION": ((UPLOAD, raw(RST, 0, 1, number(8)), raw(9, 4, 1)), GOAWAY_OF, PROTOCOL),
    "5.1.1 an even stream": ((headers(2),), GOAWAY_OF, PROTOCOL),
    "5.1.1 stream 0": ((raw(HEADERS, 5, 0, b"\x82"),), GOAWAY_OF, PROTOCOL),
    "5.1.1 a stream below the last": ((headers(5), wait(5), headers(3)), GOAWAY_OF, CLOSED),
    "5.3.1 (RFC 7540) HEADERS that depend on themselves": (
        (headers(1, depends_on=1, flags=["PRIORITY"]),),
        RESET_OF,
        PROTOCOL,
    ),
    "5.3.1 (RFC 7540) PRIORITY that depends on itself": (
        (UPLOAD, raw(PRIORITY, 0, 1, number(1) + b"\0")),
        RESET_OF,
        PROTOCOL,
    ),
    "5.5 an unknown frame within a block": ((block(1), raw(22, 0, 0)), GOAWAY_OF, PROTOCOL),
    # §6.1 DATA
    "6.1 DATA on stream 0": ((data(0),), GOAWAY_OF, PROTOCOL),
    "6.1 padding as long as the frame": ((UPLOAD, raw(DATA, 9, 1, b"\x06Test!")), GOAWAY_OF, PROTOCOL),
    "6.1 a padded frame without its length": ((UPLOAD, raw(DATA, 9, 1)), GOAWAY_OF, SIZE),
    "6.1 padded DATA": ((UPLOAD, raw(DATA, 9, 1, b"\x02a\0\0")), STATUS, 405),
    # §6.2 HEADERS
    "6.2 padding longer than the frame": ((raw(HEADERS, 13, 1, b"\x10\x82"),), GOAWAY_OF, PROTOCOL),
    "6.2 a priority that is cut": ((raw(HEADERS, 37, 1, b"\0\0"),), GOAWAY_OF, SIZE),
    "6.2 padded HEADERS with a priority": (
        (
            lambda peer: peer.frame(
                HEADERS, 45, 1, b"\x03" + number(0) + b"\x0f" + peer.encoder.encode(list(GET)) + bytes(3)
            ),
        ),
        STATUS,
        200,
    ),
    # §6.3 PRIORITY
    "6.3 PRIORITY is taken, though it means nothing": (
        (raw(PRIORITY, 0, 1, number(0) + b"\x0f"), headers()),
        STATUS,
        200,
    ),
    "6.3 PRIORITY on stream 0": ((raw(PRIORITY, 0, 0, bytes(5)),), GOAWAY_OF, PROTOCOL),
    "6.3 PRIORITY of another size": ((UPLOAD, raw(PRIORITY, 0, 1, bytes(4))), RESET_OF, SIZE),
    # §6.4 RST_STREAM
    "6.4 RST_STREAM on stream 0": ((raw(RST, 0, 0, number(8)),), GOAWAY_OF, PROTOCOL),
    "6.4 RST_STREAM of another size": ((headers(), raw(RST, 0, 1, b"\0\0\0")), GOAWAY_OF, SIZE),
    # §6.5 SETTINGS
    "6.5 an acknowledgement with settings": ((raw(SETTINGS, 1, 0, b"\0"),), GOAWAY_OF, SIZE),
    "6.5 SETTINGS on a stream": ((raw(SETTINGS, 0, 1, b""),), GOAWAY_OF, PROTOCOL),
    "6.5 SETTINGS of another size": ((raw(SETTINGS, 0, 0, b"\0\3\0"),), GOAWAY_OF, SIZE),
    "6.5.2 ENABLE_PUSH of 2": ((setting(2, 2),), GOAWAY_OF, PROTOCOL),
    "6.5.2 ENABLE_PUSH of 1": ((setting(2, 1), headers()), STATUS, 200),
    "6.5.2 INITIAL_WINDOW_SIZE of 2^31": ((setting(4, 1 << 31),), GOAWAY_OF, FLOW),
    "6.5.2 MAX_FRAME_SIZE below 2^14": ((setting(5, 16383),), GOAWAY_OF, PROTOCOL),
    "6.5.2 MAX_FRAME_SIZE of 2^24": ((setting(5, 1 << 24),), GOAWAY_OF, PROTOCOL),
    "6.5.2 an unknown setting is ignored": ((setting(255, 1), headers()), STATUS, 200),
    "6.5.3 settings are processed in their order": (
        (raw(SETTINGS, 0, 0, b"\0\4\0\0\0\0" + b"\0\4\0\0\xff\xff"), headers()),
        STATUS,
        200,
    ),
    "6.5.2 MAX_HEADER_LIST_SIZE of 0 is advice": ((setting(6, 0), headers()), STATUS, 200),
    "6.5.2 MAX_CONCURRENT_STREAMS of 0 limits pushes alone": ((setting(3, 0), headers()), STATUS, 200),
    # §6.6 PUSH_PROMISE
    "6.6 a client that pushes": ((raw(PUSH, 4, 1, number(2)),), GOAWAY_OF, PROTOCOL),
    # §6.7 PING
    "6.7 PING with ACK is not answered": ((raw(PING, 1, 0, b"12345678"), headers()), STATUS, 200),
    "6.7 PING on a stream": ((raw(PING, 0, 1, b"12345678"),), GOAWAY_OF, PROTOCOL),
    "6.7 PING of another size": ((raw(PING, 0, 0, b"123456"),), GOAWAY_OF, SIZE),
    # §6.8 GOAWAY
    "6.8 GOAWAY on a stream": ((raw(GOAWAY, 0, 1, bytes(8)),), GOAWAY_OF, PROTOCOL),
    "6.8 GOAWAY that is cut": ((raw(GOAWAY, 0, 0, bytes(7)),), GOAWAY_OF, SIZE),
    "6.8 after GOAWAY of the client its requests are served": ((headers(), raw(GOAWAY, 0, 0, bytes(8))), STATUS, 200),
    # §6.9 WINDOW_UPDATE
    "6.9 an increment of 0": ((raw(WINDOW, 0, 0, number(0)),), GOAWAY_OF, PROTOCOL),
    "6.9 an increment of 0 on a stream": ((UPLOAD, raw(WINDOW, 0, 1, number(0))), RESET_OF, PROTOCOL),
    "6.9 WINDOW_UPDATE of another size": ((raw(WINDOW, 0, 0, b"\0\0\1"),), GOAWAY_OF, SIZE),
    "6.9.1 a window beyond 2^31": ((raw(WINDOW, 0, 0, number((1 << 31) - 1)),) * 2, GOAWAY_OF, FLOW),
    "6.9.1 a stream's window beyond 2^31": (
        (UPLOAD, *(raw(WINDOW, 0, 1, number((1 << 31) - 1)),) * 2),
        RESET_OF,
        FLOW,
    ),
    "6.9.2 a stream's window beyond 2^31 by a setting": (
        (UPLOAD, raw(WINDOW, 0, 1, number((1 << 31) - 65536)), setting(4, 70000)),
        GOAWAY_OF,
        FLOW,
    ),
    # §6.10 CONTINUATION
    "6.10 CONTINUATION on stream 0": ((block(1), raw(CONTINUATION, 4, 0)), GOAWAY_OF, PROTOCOL),
    "6.10 CONTINUATION on another stream": ((block(1), raw(CONTINUATION, 4, 3)), GOAWAY_OF, PROTOCOL),
    "6.10 CONTINUATION behind a whole block": ((headers(), raw(CONTINUATION, 4, 1)), GOAWAY_OF, PROTOCOL),
    "6.10 CONTINUATION behind DATA": ((UPLOAD, data(end=False), raw(CONTINUATION, 4, 1)), GOAWAY_OF, PROTOCOL),
    # §8.1 messages
    "8.1 trailers that do not end the stream": (
        (UPLOAD, data(end=False), headers(1, base=(), end=False)),
        RESET_OF,
        PROTOCOL,
    ),
    "8.1 trailers": ((UPLOAD, data(end=False), headers(1, (b"x-sum", b"1"), base=())), STATUS, 405),
    "8.1 trailers of an upper-case name": ((UPLOAD, headers(1, (b"X-Sum", b"1"), base=())), RESET_OF, PROTOCOL),
    "8.1 trailers of a connection": ((UPLOAD, headers(1, (b"connection", b"x"), base=())), RESET_OF, PROTOCOL),
    "8.1 trailers behind a response that did not wait for the body": (
        (headers(1, (b"expect", b"x"), end=False, base=POST), wait(), headers(1, (b"x-sum", b"1"), base=())),
        STATUS,
        417,
    ),
    "8.1 trailers with a pseudo-header": ((UPLOAD, headers(1, (b":path", b"/"), base=())), RESET_OF, PROTOCOL),
    "8.1.1 Content-Length larger than the body": (
        (headers(1, (b"content-length", b"2"), end=False, base=POST), data(payload=b"x")),
        RESET_OF,
        PROTOCOL,
    ),
    "8.1.1 Content-Length smaller than the body": (
        (headers(1, (b"content-length", b"1"), end=False, base=POST), data(end=False), data()),
        RESET_OF,
        PROTOCOL,
    ),
    "8.1.1 Content-Length smaller than one frame": (
        (headers(1, (b"content-length", b"1"), end=False, base=POST), data(payload=b"xy")),
        RESET_OF,
        PROTOCOL,
    ),
    "8.1.1 Content-Length without a body": ((headers(1, (b"content-length", b"1")),), RESET_OF, PROTOCOL),
    "8.1.1 Content-Length of 0 and DATA": (
        (headers(1, (b"content-length", b"0"), end=False, base=POST), data(payload=b"x")),
        RESET_OF,
        PROTOCOL,
    ),
    "8.1.1 Content-Length, and trailers before the end of the body": (
        (
            headers(1, (b"content-length", b"2"), end=False, base=POST),
            data(end=False),
            headers(1, (b"x-sum", b"1"), base=()),
        ),
        RESET_OF,
        PROTOCOL,
    ),
    "8.1.1 Content-Length, and its body in padded frames": (
        (
            headers(1, (b"content-length", b"2"), end=False, base=POST),
            raw(DATA, 8, 1, b"\1x\0"),
            raw(DATA, 9, 1, b"\1y\0"),
        ),
        STATUS,
        405,
    ),
    "8.1.1 Content-Length of 0 without a body": ((headers(1, (b"content-length", b"0")),), STATUS, 200),
    "8.1.1 Content-Length that is no number": ((headers(1, (b"content-length", b"1x")),), RESET_OF, PROTOCOL),
    "8.1.1 Content-Length twice": ((headers(1, *((b"content-length", b"0"),) * 2),), RESET_OF, PROTOCOL),
    # §8.2 fields
    "8.2.1 an upper-case name": ((headers(1, (b"X-Test", b"ok")),), RESET_OF, PROTOCOL),
    "8.2.1 an empty name": ((headers(1, (b"", b"ok")),), RESET_OF, PROTOCOL),
    "8.2.1 a space in a name": ((headers(1, (b"x test", b"ok")),), RESET_OF, PROTOCOL),
    "8.2.1 a colon in a name": ((headers(1, (b"x:test", b"ok")),), RESET_OF, PROTOCOL),
    "8.2.1 a line feed in a value": ((headers(1, (b"x-test", b"a\nb")),), RESET_OF, PROTOCOL),
    "8.2.1 a carriage return in a value": ((headers(1, (b"x-test", b"a\rb")),), RESET_OF, PROTOCOL),
    "8.2.1 NUL in a value": ((headers(1, (b"x-test", b"a\0b")),), RESET_OF, PROTOCOL),
    "8.2.1 a value that begins with a space": ((headers(1, (b"x-test", b" a")),), RESET_OF, PROTOCOL),
    "8.2.1 a value that ends with a tab": ((headers(1, (b"x-test", b"a\t")),), RESET_OF, PROTOCOL),
    "8.2.1 obs-text in a value": ((headers(1, (b"x-test", b"\xe4")),), STATUS, 200),
    **{
        f"8.2.2 {name.decode()}": ((headers(1, (name, b"x")),), RESET_OF, PROTOCOL)
        for name in (b"connection", b"keep-alive", b"proxy-connection", b"transfer-encoding", b"upgrade")
    },
    "8.2.2 TE other than trailers": ((headers(1, (b"te", b"gzip")),), RESET_OF, PROTOCOL),
    "8.2.2 TE of trailers": ((headers(1, (b"te", b"trailers")),), STATUS, 200),
    # §8.3 pseudo-headers
    "8.3 an unknown one": ((headers(1, base=(*GET, (b":test", b"x"))),), RESET_OF, PROTOCOL),
    "8.3 one of responses": ((headers(1, base=(*GET, (b":status", b"200"))),), RESET_OF, PROTOCOL),
    "8.3 one behind a field": ((only(*GET[:3], (b"x-test", b"ok"), GET[3]),), RESET_OF, PROTOCOL),
    **{
        f"8.3.1 {name.decode()} twice": ((headers(1, base=(*GET, (name, value))),), RESET_OF, PROTOCOL)
        for name, value in GET
    },
    **{
        f"8.3.1 without {name.decode()}": ((only(*(field for field in GET if field[0] != name)),), RESET_OF, PROTOCOL)
        for name in (b":method", b":scheme", b":path")
    },
    "8.3.1 without authority and Host": ((only(*GET[:3]),), STATUS, 400),
    "8.3.1 Host in its stead": ((only(*GET[:3], (b"host", b"localhost")),), STATUS, 200),
    "8.3.1 Host beside it": ((headers(1, (b"host", b"LOCALHOST")),), STATUS, 200),
    "8.3.1 Host that differs": ((headers(1, (b"host", b"example.com")),), RESET_OF, PROTOCOL),
    "8.3.1 Host twice": ((headers(1, *((b"host", b"localhost"),) * 2),), RESET_OF, PROTOCOL),
    "8.3.1 an empty path": ((only(*GET[:2], (b":path", b""), GET[3]),), RESET_OF, PROTOCOL),
    "8.3.1 a path without a slash": ((only(*GET[:2], (b":path", b"x"), GET[3]),), RESET_OF, PROTOCOL),
    "8.3.1 a path with a space": ((only(*GET[:2], (b":path", b"/a b"), GET[3]),), RESET_OF, PROTOCOL),
    "8.3.1 * for OPTIONS": ((only((b":method", b"OPTIONS"), GET[1], (b":path", b"*"), GET[3]),), STATUS, 204),
    "8.3.1 * for GET": ((only(*GET[:2], (b":path", b"*"), GET[3]),), RESET_OF, PROTOCOL),
    "8.3.1 an asterisk with a query": (
        (only((b":method", b"OPTIONS"), GET[1], (b":path", b"*?x"), GET[3]),),
        RESET_OF,
        PROTOCOL,
    ),
    "8.3.1 a URI as the path": ((only(*GET[:2], (b":path", b"http://localhost/"), GET[3]),), RESET_OF, PROTOCOL),
    "8.3.1 an empty authority": ((only(*GET[:3], (b":authority", b"")),), STATUS, 400),
    "8.3.1 an empty scheme": ((only(GET[0], (b":scheme", b""), *GET[2:]),), RESET_OF, PROTOCOL),
    "8.3.1 an empty method": ((only((b":method", b""), *GET[1:]),), RESET_OF, PROTOCOL),
    "8.3.1 the scheme https without TLS": ((only(GET[0], (b":scheme", b"https"), *GET[2:]),), STATUS, 200),
    "8.3.1 a method that is no token": ((only((b":method", b"G T"), *GET[1:]),), RESET_OF, PROTOCOL),
    "8.3.1 another scheme": ((only(GET[0], (b":scheme", b"ftp"), *GET[2:]),), STATUS, 400),
    "8.3.1 an authority with a user": ((only(*GET[:3], (b":authority", b"u@localhost")),), STATUS, 400),
    "8.3.1 an authority that is not ours": ((only(*GET[:3], (b":authority", b"example.com")),), STATUS, 421),
    "8.5 CONNECT": ((only((b":method", b"CONNECT"), (b":authority", b"localhost:80")),), STATUS, 405),
    "8.5 CONNECT without an authority": ((only((b":method", b"CONNECT")),), RESET_OF, PROTOCOL),
    "8441 CONNECT with a protocol was not offered": (
        (only((b":method", b"CONNECT"), (b":protocol", b"websocket"), *GET[1:]),),
        RESET_OF,
        PROTOCOL,
    ),
    "8.5 CONNECT with a path": ((only((b":method", b"CONNECT"), *GET[1:]),), RESET_OF, PROTOCOL),
    # RFC 9218 §7.1
    "9218 PRIORITY_UPDATE on a stream": ((raw(16, 0, 1, number(1) + b"u=1"),), GOAWAY_OF, PROTOCOL),
    "9218 PRIORITY_UPDATE for no request": ((raw(16, 0, 0, number(0) + b"u=1"),), GOAWAY_OF, PROTOCOL),
    "9218 PRIORITY_UPDATE that is cut": ((raw(16, 0, 0, b"\0\0\1"),), GOAWAY_OF, SIZE),
    "9218 PRIORITY_UPDATE before its request": ((raw(16, 0, 0, number(1) + b"u=1, i"), headers()), STATUS, 200),
    "9218 PRIORITY_UPDATE for more streams than the limit": (
        tuple(raw(16, 0, 0, number(1 + 2 * n) + b"u=1") for n in range(129)),
        GOAWAY_OF,
        PROTOCOL,
    ),
    "9218 PRIORITY_UPDATE for a stream that was skipped": (
        (
            *(raw(16, 0, 0, number(1 + 2 * n) + b"u=1") for n in range(128)),
            headers(301),
            wait(301),
            raw(16, 0, 0, number(303) + b"u=1"),
            headers(303),
            wait(303),
            headers(1),
        ),
        GOAWAY_OF,
        CLOSED,
    ),
}
ROWS["6.10 a block in pieces"] = (
    (
        lambda peer: peer.send_raw(
            b"".join(
                make_frame(HEADERS if place == 0 else CONTINUATION, 4 * (place == 3) + (place == 0), 1, piece)
                for place, piece in enumerate(cut(peer.encoder.encode(list(GET)), 4))
            )
        ),
    ),
    STATUS,
    200,
)


def cut(data: bytes, count: int) -> list[bytes]:
    size = len(data) // count
    return [*(data[place * size : (place + 1) * size] for place in range(count - 1)), data[(count - 1) * size :]]


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[InProcess]:
    folder = tmp_path_factory.mktemp("site")
    (folder / "index.html").write_text("<p>hello")
    server = InProcess(tmp_path_factory.mktemp("run"), "asyncio", lambda clock, log: serve_files(folder, clock, log))
    yield server
    server.stop()
    assert not server.failures


def connect(served: InProcess, **options: Any) -> Any:
    return Peer(served.connect().connection, **options)


@pytest.mark.parametrize(("acts", "kind", "code"), ROWS.values(), ids=ROWS)
def test_a_rule_of_http_2_holds(served: InProcess, acts: tuple[Act, ...], kind: str, code: int) -> None:
    with connect(served) as peer:
        for act in acts:
            act(peer)
        if kind == GOAWAY_OF:
            peer.wait_end()
            assert peer.goaway == code
            return
        peer.wait_alive()
        assert peer.goaway is None
        response = peer.wait(1)
        assert (response.reset if kind == RESET_OF else response.status) == code
        assert peer.get(99).status == 200  # the connection goes on


@pytest.mark.parametrize(
    "start", [b"INVALID CONNECTION PREFACE\r\n\r\n", PREFACE[:-1] + b"x" + make_frame(SETTINGS, 0, 0, b"")]
)
def test_another_preface_is_no_http_2(served: InProcess, start: bytes) -> None:
    with connect(served, greet=False) as peer:
        peer.send_raw(start)
        data = b""
        while chunk := peer.connection.recv(65536):
            data += chunk
        assert data.startswith((b"HTTP/1.1 400 ", b"HTTP/1.1 505 ")) or b"no connection preface" in data


def test_the_first_frame_must_be_settings(served: InProcess) -> None:
    with connect(served, greet=False) as peer:
        peer.send_raw(PREFACE + make_frame(PING, 0, 0, bytes(8)))
        peer.wait_end()
        assert peer.goaway == PROTOCOL


def test_the_preface_may_come_in_pieces(served: InProcess) -> None:
    wire = PREFACE + make_frame(SETTINGS, 0, 0, b"")
    for size in (1, 7, 16, 20, 25):
        client = served.connect_to_unix_socket()
        with Peer(client.connection, greet=False) as peer:
            client.send_in_pieces(wire, size)
            peer._unread = bytes(client._unread)
            assert peer.get(1).status == 200


def test_a_request_may_come_in_pieces(served: InProcess) -> None:
    client = served.connect_to_unix_socket()
    with Peer(client.connection) as peer:
        peer.wait_alive()
        client.send_in_pieces(peer.headers(1).serialize(), 1)
        peer._unread = bytes(client._unread)
        while not peer.responses.get(1) or not peer.responses[1].ended:
            peer._unread and [peer._take(frame) for frame in peer._frames()]
            if not peer.responses.get(1) or not peer.responses[1].ended:
                peer.read()
        assert peer.responses[1].status == 200


def test_settings_and_pings_are_acknowledged(served: InProcess) -> None:
    with connect(served) as peer:
        peer.send(frames.PingFrame(0, opaque_data=b"12345678"))
        peer.wait_alive()
        assert (peer.pings[0], peer.acknowledged) == (b"12345678", 1)
        assert peer.settings[3] == 128


def test_streams_beyond_the_limit_are_refused(served: InProcess) -> None:
    with connect(served) as peer:
        peer.send(*(peer.headers(1 + 2 * number, POST, False) for number in range(129)))
        assert peer.wait(257).reset == REFUSED
        peer.frame(DATA, END_STREAM, 1, b"")
        assert peer.wait(1).status == 405


def test_an_initial_window_that_shrinks_may_be_negative(served: InProcess, tmp_path: Path) -> None:
    with connect(served, settings={4: 3}) as peer:
        peer.widens = False
        peer.ask(1)
        peer.wait_alive()
        assert peer.responses[1].body == b"<p>"
        peer.send(frames.SettingsFrame(0, settings={4: 2}))
        peer.wait_alive()
        peer.send(frames.WindowUpdateFrame(1, window_increment=1))
        peer.wait_alive()
        assert peer.responses[1].body == b"<p>"
        peer.send(frames.WindowUpdateFrame(1, window_increment=1))
        peer.wait_alive()
        assert peer.responses[1].body == b"<p>h"
        peer.send(frames.SettingsFrame(0, settings={4: 100}))
        assert peer.wait(1).body == b"<p>hello"
