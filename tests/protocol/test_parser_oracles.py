"""Two other parsers as oracles: h11 and httptools read each accepted message in the same way, or refuse it.

If they refuse a message that fastfile accepts, DIFFERENCES says why; a row that is no longer true fails.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from types import ModuleType
from typing import NamedTuple

import h11
import httptools
import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st
from support.parser_inputs import CHUNKS, FIELDS, LIMITS, TARGETS, message, mutated

from fastfile import _parser_py, parser
from fastfile.errors import BadRequest


class Reading(NamedTuple):
    """A parser's result for one message; ``size`` counts from its first byte to the end of its body."""

    method: bytes
    target: bytes
    minor_version: int
    fields: list[tuple[bytes, bytes]]
    size: int


def read_ours(kernel: ModuleType, data: bytes) -> Reading | None:
    """Return None for a message that is refused or not complete."""
    try:
        head = kernel.HeadParser(LIMITS).parse(data, 0, len(data))
        if head is None:
            return None
        body = kernel.BodyParser(LIMITS, head.content_length, head.chunked)
        size = body.feed(data, head.size, len(data))
    except BadRequest:
        return None
    if not body.complete:
        return None
    lines = [line.partition(b":") for line in head.field_lines.split(b"\r\n")[:-1]]
    fields = [(name.lower(), value.strip(b" \t")) for name, _, value in lines]
    return Reading(head.method, head.target, head.minor_version, fields, size)


def read_h11(data: bytes, size: int) -> Reading | None:
    connection = h11.Connection(h11.SERVER, max_incomplete_event_size=65536)
    try:
        connection.receive_data(data[: size - 1])
        early = read_events(connection)
        assert not any(type(item) is h11.EndOfMessage for item in early), "the message ends too early"
        connection.receive_data(data[size - 1 : size])
        events = early + read_events(connection)
    except h11.RemoteProtocolError:
        return None
    assert type(events[-1]) is h11.EndOfMessage, "the message does not end"
    request = events[0]
    minor_version = min(int(request.http_version[2:]), 1)
    return Reading(request.method, request.target, minor_version, list(request.headers), size)


def read_events(connection: h11.Connection) -> list[object]:
    events = []
    while (item := connection.next_event()) not in (h11.NEED_DATA, h11.PAUSED):
        events.append(item)
        if type(item) is h11.EndOfMessage:
            break
    return events


class Recorder:
    def __init__(self) -> None:
        self.target = b""
        self.fields: list[tuple[bytes, bytes]] = []
        self.head_complete = self.complete = False

    def on_url(self, target: bytes) -> None:
        self.target += target

    def on_header(self, name: bytes, value: bytes) -> None:
        if not self.head_complete:  # then come trailers
            self.fields.append((name.lower(), value.rstrip(b" \t")))

    def on_headers_complete(self) -> None:
        self.head_complete = True

    def on_message_complete(self) -> None:
        self.complete = True


def read_httptools(data: bytes, size: int) -> Reading | None:
    recorder = Recorder()
    reader = httptools.HttpRequestParser(recorder)
    try:
        reader.feed_data(data[: size - 1])
        assert not recorder.complete, "the message ends too early"
        reader.feed_data(data[size - 1 : size])
    except httptools.HttpParserError:
        return None
    assert recorder.complete, "the message does not end"
    minor_version = int(reader.get_http_version()[2:])
    return Reading(reader.get_method(), recorder.target, minor_version, recorder.fields, size)


class Difference(NamedTuple):
    """Messages that fastfile accepts and an oracle refuses: which, why, and one of them."""

    sentence: str
    oracle: Callable[[bytes, int], Reading | None]
    holds: Callable[[bytes, Reading], bool]
    example: bytes


def has_empty_line(data: bytes, ours: Reading) -> bool:
    return data.startswith(b"\r\n")


def has_chunk_white_space(data: bytes, ours: Reading) -> bool:
    head, _, body = data.lstrip(b"\r\n").partition(b"\r\n\r\n")
    chunked = b"chunked" in head.lower()
    return chunked and re.search(rb"(^|\n)[0-9A-Fa-f][^\r\n]*[ \t]", body) is not None


def has_other_method(data: bytes, ours: Reading) -> bool:
    return ours.method not in (b"GET", b"HEAD", b"POST")


def has_other_minor_version(data: bytes, ours: Reading) -> bool:
    return re.search(rb" HTTP/1[.][2-9]\r\n", data) is not None


def has_target_above_ascii(data: bytes, ours: Reading) -> bool:
    return not ours.target.isascii()


def has_odd_target(data: bytes, ours: Reading) -> bool:
    return ours.target[:1] not in (b"/", b"*")


CHUNKED = message(b"POST / HTTP/1.1", b"Host: h", b"Transfer-Encoding: chunked")
DIFFERENCES = [
    Difference(
        "RFC 9112 §2.2: a server should ignore at least one empty line before the request-line; h11 ignores none",
        read_h11,
        has_empty_line,
        b"\r\n" + message(b"GET / HTTP/1.0"),
    ),
    Difference(
        "RFC 9112 §7.1.1: bad white space around a chunk extension must be parsed; h11 refuses it",
        read_h11,
        has_chunk_white_space,
        CHUNKED + b"1 ; a = b\r\nx\r\n0\r\n\r\n",
    ),
    Difference(
        "RFC 9112 §7.1.1: bad white space around a chunk extension must be parsed; httptools refuses it",
        read_httptools,
        has_chunk_white_space,
        CHUNKED + b"1 ; a = b\r\nx\r\n0\r\n\r\n",
    ),
    Difference(
        "RFC 9110 §9.1: any token may be a method, 501 is for the handler to say; httptools has a closed list",
        read_httptools,
        has_other_method,
        message(b"FOO / HTTP/1.0"),
    ),
    Difference(
        "RFC 9110 §2.5: a minor version above ours is read as ours; httptools knows 0 and 1",
        read_httptools,
        has_other_minor_version,
        message(b"GET / HTTP/1.2", b"Host: h"),
    ),
    Difference(
        "RFC 9112 §3.2: curl sends a query as it was typed, and the handler refuses such a path; h11 refuses it",
        read_h11,
        has_target_above_ascii,
        message(b"GET /?\xe9 HTTP/1.0"),
    ),
    Difference(
        "RFC 9112 §3.2: curl sends a query as it was typed, and the handler refuses such a path; httptools refuses it",
        read_httptools,
        has_target_above_ascii,
        message(b"GET /?\xe9 HTTP/1.0"),
    ),
    Difference(
        "RFC 9112 §3.2: the form of the target is judged with the method, by the handler; httptools wants a URL",
        read_httptools,
        has_odd_target,
        message(b"GET %zz HTTP/1.0"),
    ),
]


@pytest.mark.parametrize("row", DIFFERENCES, ids=[row.sentence for row in DIFFERENCES])
def test_difference_holds(parser_kernel, row):
    ours = read_ours(parser_kernel, row.example)
    assert ours is not None
    assert row.holds(row.example, ours)
    assert row.oracle(row.example, ours.size) is None


GOOD_FIELDS = [
    line
    for line in FIELDS
    if read_ours(_parser_py, message(b"GET / HTTP/1.0", line) + b"hello")
    or read_ours(_parser_py, message(b"GET / HTTP/1.1", b"Host: h", line) + b"0\r\n\r\n")
]


def join_message(
    empty_line: bytes, words: tuple[bytes, bytes, bytes], fields: list[bytes], chunks: list[bytes]
) -> bytes:
    chunked = any(line.startswith(b"Transfer") for line in fields)
    return (
        empty_line + message(b" ".join(words), *fields) + (b"".join([*chunks, b"0\r\n\r\n"]) if chunked else b"hello")
    )


messages = st.builds(
    join_message,
    st.sampled_from((b"", b"", b"\r\n")),
    st.tuples(
        st.sampled_from((b"GET", b"HEAD", b"POST", b"FOO")),
        st.sampled_from([target for target in TARGETS if target]),
        st.sampled_from((b"HTTP/1.1", b"HTTP/1.1", b"HTTP/1.0", b"HTTP/1.9")),
    ),
    st.lists(st.sampled_from(GOOD_FIELDS), max_size=3).map(lambda fields: [*fields, b"Host: a"]),
    st.lists(st.sampled_from(CHUNKS), max_size=3),
)


@pytest.mark.parametrize("oracle", [read_h11, read_httptools], ids=["h11", "httptools"])
@settings(max_examples=250)
@given(data=mutated(messages))
def test_what_is_accepted_is_read_alike(oracle, data):
    ours = read_ours(parser, data)
    event("accepted" if ours else "refused")
    if ours is None:
        return
    theirs = oracle(data, ours.size)
    if theirs is None:
        assert any(row.oracle is oracle and row.holds(data, ours) for row in DIFFERENCES)
    else:
        assert theirs == ours
