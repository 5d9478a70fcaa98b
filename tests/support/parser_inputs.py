"""Common code of the parser tests: running a kernel on an input split anywhere, and random inputs."""

from __future__ import annotations

from collections.abc import Iterable
from types import ModuleType

from hypothesis import strategies as st

from fastfile.errors import BadRequest
from fastfile.message import RequestHead
from fastfile.parser_limits import ParserLimits

LIMITS = ParserLimits()
MORE = "need more"
ATTRIBUTES = (
    "method",
    "target",
    "minor_version",
    "size",
    "field_lines",
    "keep_alive",
    "content_length",
    "chunked",
    "authority",
    "expect",
    "accept_encoding",
    "range",
    "if_range",
    "if_match",
    "if_none_match",
    "if_modified_since",
    "if_unmodified_since",
    "plain",
)

Outcome = str | tuple[int, str] | dict[str, object]


def part(*lines: bytes) -> bytes:
    """Return the lines as an incomplete head: each with its CRLF."""
    return b"".join(line + b"\r\n" for line in lines)


def message(*lines: bytes) -> bytes:
    """Return the lines as a head: each with its CRLF, and the empty line after them."""
    return part(*lines) + b"\r\n"


def attributes(head: RequestHead) -> dict[str, object]:
    return {name: getattr(head, name) for name in ATTRIBUTES}


def read_head(
    kernel: ModuleType,
    data: bytes | bytearray | memoryview,
    cuts: Iterable[int] = (),
    limits: ParserLimits = LIMITS,
    start: int = 0,
    stop: int | None = None,
    before: bytes = b"",
) -> Outcome:
    """Parse data[start:stop], given up to each cut and then whole: the head, MORE, or (status, detail).

    If ``before`` is a whole head, the same parser reads it first.
    """
    parser = kernel.HeadParser(limits)
    try:
        is_before = parser.parse(before, 0, len(before)) is not None
    except BadRequest:
        is_before = False
    if not is_before:
        parser = kernel.HeadParser(limits)
    for end in (*cuts, len(data) if stop is None else stop):
        try:
            head = parser.parse(data, start, end)
        except BadRequest as refusal:
            return refusal.status, refusal.detail
        if head is not None:
            return attributes(head)
    return MORE


def read_body(
    kernel: ModuleType,
    data: bytes | bytearray | memoryview,
    cuts: Iterable[int] = (),
    limits: ParserLimits = LIMITS,
    content_length: int = 0,
    chunked: bool = True,
) -> int | str | tuple[int, str]:
    """Feed the input in the pieces between the cuts: the size of the body, MORE, or (status, detail)."""
    parser = kernel.BodyParser(limits, content_length, chunked)
    start = 0
    for end in (*cuts, len(data)):
        try:
            stop = parser.feed(data, start, end)
        except BadRequest as refusal:
            return refusal.status, refusal.detail
        if parser.complete:
            return stop
        assert stop == end, "all input belongs to the body until it is complete"
        start = end
    return MORE


METHODS = [b"GET", b"HEAD", b"POST", b"get", b"M-SEARCH", b"G(T", b""]
TARGETS = [b"/", b"/index.html?a=b", b"*", b"http://h/x", b"/%zz", b"/\xe9", b"", b"/a b"]
VERSIONS = [b"HTTP/1.1"] * 4 + [b"HTTP/1.0", b"HTTP/1.9", b"HTTP/2.0", b"http/1.1", b"HTTP/1.10", b""]
FIELDS = [
    b"Host: example.org",
    b"hOsT:h",
    b"Host:",
    b"Connection: close",
    b"Connection: keep-alive, , x",
    b"Content-Length: 5",
    b"Content-Length: 05",
    b"Content-Length: 5, 5",
    b"Content-Length: " + b"9" * 19,
    b"Transfer-Encoding: chunked",
    b"Transfer-Encoding: gzip, chunked",
    b"Transfer-Encoding: foo",
    b"Transfer-Encoding: chunked;q=1",
    b"Accept-Encoding: gzip",
    b"Accept-Encoding: br;q=0",
    b"Range: bytes=0-1",
    b'If-Range: "x"',
    b"If-Match: *",
    b'If-None-Match: "a"',
    b'if-none-match:\t"b"  ',
    b"If-Modified-Since: Sun, 06 Nov 1994 08:49:37 GMT",
    b"If-Unmodified-Since: x",
    b"Expect: 100-continue",
    b"X-Long: " + b"a" * 70,
    b"X-Text: \xff\xfe~",
    b"X:",
    b"X : y",
    b" folded",
    b"no colon",
    b": no name",
    b"X: a\x00b",
]
CHUNKS = [
    b"5\r\nhello\r\n",
    b"0\r\n",
    b"\r\n",
    b"1;a=b\r\nx\r\n",
    b'1 ; a = "q\\"" ;b\r\ny\r\n',
    b"X: y\r\n",
    b"00A\r\n",
    b"g",
]

# Bytes with a meaning somewhere, to be inserted where they do not belong.
ODD_BYTES = b'\r\n\t :;,="\\\x00\x7f\x80\xff0aAgG/'


def mutated(inputs: st.SearchStrategy[bytes]) -> st.SearchStrategy[bytes]:
    """Return the inputs with up to three bytes of each replaced, removed or put in."""

    def mutate(data: bytes, edits: list[tuple[int, int, int]]) -> bytes:
        result = bytearray(data)
        for place, kind, byte in edits:
            at = place % (len(result) + 1)
            result[at : at + (kind > 0)] = bytes([byte]) if kind < 2 else b""
        return bytes(result)

    edit = st.tuples(st.integers(0, 1 << 16), st.integers(0, 2), st.sampled_from(ODD_BYTES))
    return st.builds(mutate, inputs, st.lists(edit, max_size=3))


def _join_head(empty_lines: int, words: tuple[bytes, bytes, bytes], fields: list[bytes]) -> bytes:
    return b"\r\n" * empty_lines + message(b" ".join(words), *fields)


heads = st.builds(
    _join_head,
    st.sampled_from((0, 0, 0, 1, 9)),
    st.tuples(st.sampled_from(METHODS), st.sampled_from(TARGETS), st.sampled_from(VERSIONS)),
    st.lists(st.sampled_from(FIELDS), max_size=6).map(lambda fields: [b"Host: a", *fields])
    | st.lists(st.sampled_from(FIELDS), max_size=6),
)
bodies = st.lists(st.sampled_from(CHUNKS), max_size=8).map(b"".join)
cut_lists = st.lists(st.integers(0, 400), max_size=6).map(sorted)
