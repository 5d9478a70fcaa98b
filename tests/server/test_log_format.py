"""The lines of the access log: golden ones, and forgery attempts."""

import gc
import json
import time
import tracemalloc
from collections.abc import Iterator
from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastfile.message import RequestHead, Response, ResponseHead
from fastfile.server.log.format import LINE_LIMIT, escape, make_lines
from fastfile.server.log.lines import Client, Exchange, Lines

MOMENT = 1_795_381_200.25  # 2026-11-22 21:00:00.25 UTC
FORMATS = ("pretty", "common", "combined", "json")


@pytest.fixture(autouse=True)
def zone(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A time zone that is neither ours nor a whole hour, without a table to look it up in."""
    with monkeypatch.context() as patch:
        patch.setenv("TZ", "NST+03:30")
        time.tzset()
        yield
    time.tzset()


def head(
    method: bytes = b"GET",
    target: bytes = b"/a?b=%20",
    field_lines: bytes = b"",
    minor_version: int = 1,
    authority: bytes | None = None,
) -> RequestHead:
    return RequestHead(method, target, minor_version, 0, field_lines, authority=authority)


class Logged(NamedTuple):
    """The input of a log for an exchange."""

    exchange: Exchange
    body_size: int
    peer: str
    time_s: float = MOMENT
    duration_s: float = 0.0012346


def exchange(
    request: RequestHead | None,
    status: int = 200,
    body_size: int = 123,
    peer: str = "127.0.0.1",
    user: bytes | None = None,
) -> Logged:
    return Logged((request, Response(ResponseHead(status, ()), user=user), 0.0), body_size, peer)


def add(lines: Lines, what: Logged, client: Client | None = None) -> bytes:
    client = client or Client(lines.make_peer(what.peer))
    lines.add(client, what.exchange, what.body_size, what.time_s, what.duration_s)
    return lines.take()


def line(name: str, what: Logged, colour: bool = False) -> str:
    return add(make_lines(name, colour), what).decode("ascii")


FIELDS = b'Host: x\r\nreferer:  http://x/"q" \r\nUSER-AGENT: curl/8.0\r\n'

GOLDEN = {
    "common: host, time with its zone, request line, status, size": (
        "common",
        exchange(head(field_lines=FIELDS)),
        '127.0.0.1 - - [22/Nov/2026:17:30:00 -0330] "GET /a?b=%20 HTTP/1.1" 200 123\n',
    ),
    "common: no bytes are a dash": (
        "common",
        exchange(head(b"HEAD", minor_version=0), 304, 0),
        '127.0.0.1 - - [22/Nov/2026:17:30:00 -0330] "HEAD /a?b=%20 HTTP/1.0" 304 -\n',
    ),
    "common: a head that could not be parsed is a dash": (
        "common",
        exchange(None, 400, 9, "::1"),
        '::1 - - [22/Nov/2026:17:30:00 -0330] "-" 400 9\n',
    ),
    "common: a user who was let in, whose name may have spaces": (
        "common",
        exchange(head(), user=b"ann b"),
        '127.0.0.1 - ann\\x20b [22/Nov/2026:17:30:00 -0330] "GET /a?b=%20 HTTP/1.1" 200 123\n',
    ),
    "common: a peer without a name is a dash": (
        "common",
        exchange(None, 400, 9, ""),
        '- - - [22/Nov/2026:17:30:00 -0330] "-" 400 9\n',
    ),
    "combined: referer and user agent, escaped": (
        "combined",
        exchange(head(field_lines=FIELDS)),
        '127.0.0.1 - - [22/Nov/2026:17:30:00 -0330] "GET /a?b=%20 HTTP/1.1" 200 123'
        ' "http://x/\\x22q\\x22" "curl/8.0"\n',
    ),
    "combined: missing fields are dashes": (
        "combined",
        exchange(head(field_lines=b"X-Referer: no\r\n")),
        '127.0.0.1 - - [22/Nov/2026:17:30:00 -0330] "GET /a?b=%20 HTTP/1.1" 200 123 "-" "-"\n',
    ),
    "combined: a head that could not be parsed has none of them": (
        "combined",
        exchange(None, 400),
        '127.0.0.1 - - [22/Nov/2026:17:30:00 -0330] "-" 400 123 "-" "-"\n',
    ),
    "json: every member, in one order": (
        "json",
        exchange(head(field_lines=FIELDS), user=b"ann"),
        '{"time":"2026-11-22T21:00:00.250Z","peer":"127.0.0.1","user":"ann","host":null,"method":"GET",'
        '"target":"/a?b=%20",'
        '"version":"HTTP/1.1","status":200,"size":123,"seconds":0.001235,"referer":"http://x/\\"q\\"",'
        '"user_agent":"curl/8.0"}\n',
    ),
    "json: the host, as it was sent": (
        "json",
        exchange(head(authority=b'Example.com:80"\xff')),
        '{"time":"2026-11-22T21:00:00.250Z","peer":"127.0.0.1","user":null,"host":"Example.com:80\\"\\\\xff",'
        '"method":"GET","target":"/a?b=%20","version":"HTTP/1.1","status":200,"size":123,"seconds":0.001235,'
        '"referer":null,"user_agent":null}\n',
    ),
    "json: what is not there is null": (
        "json",
        exchange(None, 400, 0, ""),
        '{"time":"2026-11-22T21:00:00.250Z","peer":null,"user":null,"host":null,"method":null,"target":null,'
        '"version":null,"status":400,"size":0,"seconds":0.001235,"referer":null,"user_agent":null}\n',
    ),
    "pretty: columns, and the target last": (
        "pretty",
        exchange(head()),
        "17:30:00  200     123 B   1.2 ms  GET  /a?b=%20\n",
    ),
    "pretty: no bytes, and a head that could not be parsed, are dashes": (
        "pretty",
        exchange(None, 408, 0),
        "17:30:00  408         -   1.2 ms  -\n",
    ),
}


@pytest.mark.parametrize(("name", "what", "expected"), GOLDEN.values(), ids=GOLDEN)
def test_a_line_is(name: str, what: Logged, expected: str) -> None:
    assert line(name, what) == expected


@pytest.mark.parametrize(("status", "colour"), [(101, "2"), (206, "32"), (304, "36"), (404, "33"), (503, "31")])
def test_pretty_colours_the_status_by_its_class(status: int, colour: str) -> None:
    assert f"\x1b[{colour}m{status}\x1b[0m" in line("pretty", exchange(head(), status), colour=True)
    assert "\x1b" not in line("pretty", exchange(head(), status))


@pytest.mark.parametrize(
    ("duration_s", "text"),
    [
        (0.0, "0.0 ms"),
        (0.00994, "9.9 ms"),
        (0.00996, "10 ms"),
        (0.9994, "999 ms"),
        (0.9996, "1.0 s"),
        (3600.0, "3600.0 s"),
    ],
)
def test_pretty_durations_are_short(duration_s: float, text: str) -> None:
    what = exchange(head(), body_size=0)._replace(duration_s=duration_s)
    assert f"-  {text:>7}  GET" in line("pretty", what)


@pytest.mark.parametrize(
    ("offset", "text"), [("UTC0", "+0000"), ("XYZ-05:45", "+0545"), ("XYZ+00:30", "-0030"), ("XYZ+12", "-1200")]
)
def test_common_has_the_zone_of_the_machine(monkeypatch: pytest.MonkeyPatch, offset: str, text: str) -> None:
    monkeypatch.setenv("TZ", offset)
    time.tzset()
    assert f" {text}] " in line("common", exchange(head()))


HOSTILE = {
    "line ends": b'/\r\n127.0.0.1 - - [22/Nov/2026:17:30:00 -0330] "GET /secret HTTP/1.1" 200 1',
    "a quote": b'/" 200 1 "-" "-',
    "a backslash before the quote": b"/\\",
    "a terminal escape": b"/\x1b[2J\x1b]0;owned\x07",
    "C1 controls": b"/\x9b2J\x85",
    "C1 controls in UTF-8": "/\x9b2J\x85\u2028".encode(),
    "NUL and DEL": b"/\0\x7f",
    "UTF-8": "/é\N{SNOWMAN}\U0001f600".encode(),
    "every byte": bytes(range(256)),
    "8 KiB of text": b"/" + b"a" * 8191,
    "8 KiB of quotes": b'"' * 8192,
    "8 KiB of bytes that are not UTF-8": b"\xff" * 8192,
    "8 KiB of controls": b"\x1b" * 8192,
    "8 KiB of astral text": "\U0001f600".encode() * 2048,
    "as much as fits, and a cut UTF-8 sequence": b"a" * 2047 + "é".encode(),
}


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("value", HOSTILE.values(), ids=HOSTILE)
def test_a_line_is_one_line_of_printable_ascii_and_bounded(name: str, value: bytes) -> None:
    field = value.replace(b"\r", b"\n")
    fields = b"Referer: " + field + b"\r\nUser-Agent: " + field + b"\r\n"
    text = line(name, exchange(head(value, value, fields), peer=value.decode("latin-1"), user=value))
    assert text.endswith("\n")
    assert all(" " <= character <= "~" for character in text[:-1])
    assert len(text) <= LINE_LIMIT
    if name == "json":
        json.loads(text)


@pytest.mark.parametrize("value", HOSTILE.values(), ids=HOSTILE)
def test_combined_splits_at_its_quotes_whatever_a_client_sends(value: bytes) -> None:
    field = value.replace(b"\r", b"\n")
    fields = b"Referer: " + field + b"\r\nUser-Agent: " + field + b"\r\n"
    text = line("combined", exchange(head(value, value, fields), peer=value.decode("latin-1")))
    parts = text.split('"')
    assert len(parts) == 7
    assert len(parts[0].split(" ")) == 6
    assert parts[2] == " 200 123 "


@pytest.mark.parametrize(
    ("value", "limit", "expected"),
    [
        (b"plain", 8, b"plain"),
        (b"12345678", 8, b"12345678"),
        (b"123456789", 8, b"12345..."),
        (b'"\x80', 8, b"\\x22\\x80"),
        (b'"\x80a', 12, b"\\x22\\x80a"),
        (b'"\x80ab', 8, b"\\x22..."),
        (b"", 8, b""),
    ],
)
def test_escapes_are_hexadecimal_and_never_cut_in_half(value: bytes, limit: int, expected: bytes) -> None:
    assert escape(value, limit) == expected


class Texts(NamedTuple):
    """Values that a client may vary from request to request: few each, so that exchanges share some."""

    methods: tuple[bytes, ...] = (b"GET", b"HEAD", b'G"T')
    targets: tuple[bytes, ...] = (b"/", b"/a", b'/"\\', b"/" + b"a" * 300, b"/\xc3\xa9\x80")
    field_lines: tuple[bytes, ...] = (
        b"",
        b"Host: x\r\n",
        b"Referer: a\r\n",
        b"User-Agent: a\r\n",
        b'user-agent: "a\\\t\x80\r\nREFERER: \xc3\xa9\r\n',
        b"User-Agent: " + b"a" * 1100 + b"\r\n",
    )
    users: tuple[bytes | None, ...] = (None, b"ann", b'a n"n')
    peers: tuple[str, ...] = ("", "127.0.0.1", 'a "b')


TEXTS = Texts()
heads = st.none() | st.builds(
    RequestHead,
    method=st.sampled_from(TEXTS.methods),
    target=st.sampled_from(TEXTS.targets),
    minor_version=st.integers(0, 1),
    size=st.just(0),
    field_lines=st.sampled_from(TEXTS.field_lines),
)
response_heads = st.builds(ResponseHead, st.sampled_from((200, 304, 404)), st.just(()))
responses = st.builds(Response, response_heads, user=st.sampled_from(TEXTS.users))
logged = st.builds(
    Logged,
    exchange=st.tuples(heads, responses, st.just(0.0)),
    body_size=st.sampled_from((0, 1, 5_000_000_000)),
    peer=st.sampled_from(TEXTS.peers),
    time_s=st.sampled_from((MOMENT, MOMENT + 0.5, MOMENT + 1, MOMENT - 3600)),
    duration_s=st.sampled_from((0.0, 0.0012346, 12.5)),
)


@pytest.mark.parametrize("name", FORMATS)
@given(st.lists(logged, max_size=30))
def test_what_is_remembered_changes_no_line(name: str, many: list[Logged]) -> None:
    lines = make_lines(name, True)
    clients = {peer: Client(lines.make_peer(peer)) for peer in TEXTS.peers}
    for what in many:
        assert add(lines, what, clients[what.peer]) == add(make_lines(name, True), what)


def test_what_is_remembered_is_bounded() -> None:
    lines = make_lines("combined", False)
    client = Client(lines.make_peer("::1"))
    gc.collect()
    tracemalloc.start()
    try:
        for number in range(10_000):
            add(lines, exchange(head(target=b"/%0200d" % number, field_lines=b"Referer: %01000d\r\n" % number)), client)
        assert tracemalloc.get_traced_memory()[1] < 2 << 20  # each of the texts is longer than 200 bytes
    finally:
        tracemalloc.stop()


@given(st.binary(max_size=40), st.integers(8, 40))
def test_escaping_is_byte_by_byte(value: bytes, limit: int) -> None:
    plain = b"".join(
        bytes((byte,)) if 0x20 <= byte < 0x7F and byte not in b'"\\' else b"\\x%02x" % byte for byte in value
    )
    escaped = escape(value, limit)
    if len(plain) <= limit:
        assert escaped == plain
    else:
        assert len(escaped) <= limit
        assert escaped.endswith(b"...")
        assert plain.startswith(escaped[:-3])


def test_json_holds_what_the_client_sent() -> None:
    target = 'a"\\\t/é\U0001f600'.encode() + b"\xff"
    member = json.loads(line("json", exchange(head(target=target))))["target"]
    assert member == 'a"\\\t/é\U0001f600\\xff'


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("pretty", "17:30:00  ---  7 lines of this log were dropped\n"),
        ("common", '- - - [22/Nov/2026:17:30:00 -0330] "7 lines of this log were dropped" 000 -\n'),
        ("combined", '- - - [22/Nov/2026:17:30:00 -0330] "7 lines of this log were dropped" 000 - "-" "-"\n'),
        ("json", '{"time":"2026-11-22T21:00:00.000Z","dropped":7}\n'),
    ],
)
def test_dropped_lines_are_owned_up_to_in_the_grammar_of_the_format(name: str, expected: str) -> None:
    lines = make_lines(name, False)
    lines.add_gap(7, MOMENT)
    assert lines.take().decode() == expected


def test_an_unknown_format_is_refused() -> None:
    with pytest.raises(ValueError, match="xml"):
        make_lines("xml", False)
