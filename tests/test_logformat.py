"""The lines of the access log: golden ones, and ones that a client tries to forge."""

import json
import time
from collections.abc import Iterator

import pytest

from fastfile.server.logformat import LINE_LIMIT, Exchange, escape, make_format
from fastfile.types import RequestHead

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
    method: bytes = b"GET", target: bytes = b"/a?b=%20", field_lines: bytes = b"", minor_version: int = 1
) -> RequestHead:
    return RequestHead(method, target, minor_version, 0, field_lines)


def exchange(
    request: RequestHead | None,
    status: int = 200,
    body_size: int = 123,
    peer: str = "127.0.0.1",
    user: bytes | None = None,
) -> Exchange:
    return (MOMENT, peer, request, status, body_size, 0.0012346, user)


def line(name: str, what: Exchange, colour: bool = False) -> str:
    chosen = make_format(name, colour)
    return chosen.line(what, chosen.stamp(int(what[0]))).decode("ascii")


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
        '{"time":"2026-11-22T21:00:00.250Z","peer":"127.0.0.1","user":"ann","method":"GET",'
        '"target":"/a?b=%20",'
        '"version":"HTTP/1.1","status":200,"size":123,"seconds":0.001235,"referer":"http://x/\\"q\\"",'
        '"user_agent":"curl/8.0"}\n',
    ),
    "json: what is not there is null": (
        "json",
        exchange(None, 400, 0, ""),
        '{"time":"2026-11-22T21:00:00.250Z","peer":null,"user":null,"method":null,"target":null,'
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
def test_a_line_is(name: str, what: Exchange, expected: str) -> None:
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
    what = (MOMENT, "", head(), 200, 0, duration_s, None)
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
    chosen = make_format(name, False)
    assert chosen.dropped(7, chosen.stamp(int(MOMENT))).decode() == expected


def test_an_unknown_format_is_refused() -> None:
    with pytest.raises(ValueError, match="xml"):
        make_format("xml", False)
