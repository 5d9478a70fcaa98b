"""The request parser, both twins, rule by rule (RFC 9112, BEHAVIOUR.md "Reading a request")."""

from __future__ import annotations

import ctypes
import mmap
import re
from collections.abc import Callable
from types import ModuleType

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.kernels import KERNEL_KINDS, load_kernel
from support.parser_inputs import (
    LIMITS,
    MORE,
    Outcome,
    bodies,
    cut_lists,
    heads,
    message,
    mutated,
    part,
    read_body,
    read_head,
)

from fastfile import parser as facade
from fastfile._parser_rules import CHUNK_OVERHEAD, FAULTS
from fastfile.errors import BadRequest
from fastfile.parser_limits import ParserLimits

GET = b"GET / HTTP/1.1"
HOST = b"Host: h"

# The sentence, the input, what the head says.
ACCEPTED: list[tuple[str, bytes, dict[str, object]]] = [
    (
        "a plain request",
        message(b"GET /index.html HTTP/1.1", b"Host: example.org"),
        {
            "method": b"GET",
            "target": b"/index.html",
            "minor_version": 1,
            "authority": b"example.org",
            "size": 47,
            "plain": True,
        },
    ),
    ("the keep-alive of HTTP/1.1 needs no word", message(GET, HOST), {"keep_alive": True, "chunked": False}),
    ("the section of fields is kept raw", message(GET, HOST, b"X:  y "), {"field_lines": b"Host: h\r\nX:  y \r\n"}),
    (
        "HTTP/1.0 needs no Host and closes",
        message(b"GET / HTTP/1.0"),
        {"authority": None, "keep_alive": False, "field_lines": b""},
    ),
    (
        "HTTP/1.0 stays open when it asks for it",
        message(b"GET / HTTP/1.0", b"Connection: Keep-Alive"),
        {"keep_alive": True},
    ),
    ("HTTP/1.0 may leave Host empty", message(b"GET / HTTP/1.0", b"Host:"), {"authority": b""}),
    ("a higher minor version is read as 1", message(b"GET / HTTP/1.7", HOST), {"minor_version": 1}),
    (
        "empty lines before the request are skipped and counted in its size",
        b"\r\n\r\n" + message(GET, HOST),
        {"size": 31},
    ),
    (
        "any token is a method",
        message(b"M-S!E#A$R%C&H'*+.^_`|~0 / HTTP/1.1", HOST),
        {"method": b"M-S!E#A$R%C&H'*+.^_`|~0"},
    ),
    ("methods are case-sensitive", message(b"get / HTTP/1.1", HOST), {"method": b"get"}),
    ("the HEAD method", message(b"HEAD / HTTP/1.1", HOST), {"method": b"HEAD"}),
    (
        "the form of the target is not the parser's business",
        message(b'GET h:1#"<>\\^`{|} HTTP/1.1', HOST),
        {"target": b'h:1#"<>\\^`{|}'},
    ),
    (
        "field names ignore case",
        message(GET, b"hOSt: a", b"aCCEPT-eNCODING: br"),
        {"authority": b"a", "accept_encoding": b"br"},
    ),
    ("white space around a value is dropped", message(GET, b"Host:\t  a b \t"), {"authority": b"a b"}),
    ("a value need not have white space before it", message(GET, b"Host:a"), {"authority": b"a"}),
    ("a value of white space is empty", message(GET, HOST, b"Expect: \t "), {"expect": b""}),
    ("a target may hold obs-text", message(b"GET /?\xc3\xa9\xff HTTP/1.1", HOST), {"target": b"/?\xc3\xa9\xff"}),
    (
        "a value may hold HTAB and obs-text",
        message(GET, HOST, b"If-Match: a\tb\x80\xff~!"),
        {"if_match": b"a\tb\x80\xff~!"},
    ),
    ("any token is a field name", message(GET, HOST, b"!#$%&'*+-.^_`|~09aZ: x"), {"plain": True}),
    (
        "close wins over keep-alive, in any line and case",
        message(GET, HOST, b"Connection: keep-alive", b"Connection: x,CLOSE"),
        {"keep_alive": False},
    ),
    (
        "a Connection list may have empty elements",
        message(GET, HOST, b"Connection: ,, \t,close ,"),
        {"keep_alive": False},
    ),
    (
        "an option that only begins with close is another",
        message(GET, HOST, b"Connection: closed, close x"),
        {"keep_alive": True},
    ),
    ("an empty Connection says nothing", message(GET, HOST, b"Connection:"), {"keep_alive": True}),
    ("Content-Length is read", message(GET, HOST, b"Content-Length: 1234567890"), {"content_length": 1234567890}),
    ("Content-Length may be 0", message(GET, HOST, b"Content-Length: 0"), {"content_length": 0}),
    (
        "Content-Length may have 18 digits",
        message(GET, HOST, b"Content-Length: 999999999999999999"),
        {"content_length": 10**18 - 1},
    ),
    (
        "zeros in front of Content-Length do not count",
        message(GET, HOST, b"Content-Length: 000000000000000000042"),
        {"content_length": 42},
    ),
    ("a chunked body", message(GET, HOST, b"Transfer-Encoding: chunked"), {"chunked": True, "content_length": 0}),
    ("coding names ignore case", message(GET, HOST, b"Transfer-Encoding: \tChUnKeD "), {"chunked": True}),
    ("Expect", message(GET, HOST, b"Expect: 100-continue"), {"expect": b"100-continue", "plain": True}),
    (
        "Accept-Encoding alone leaves a request plain",
        message(GET, HOST, b"Accept-Encoding: gzip"),
        {"accept_encoding": b"gzip", "plain": True},
    ),
    (
        "If-Range alone leaves a request plain",
        message(GET, HOST, b'If-Range: "x"'),
        {"if_range": b'"x"', "plain": True},
    ),
    ("Range", message(GET, HOST, b"Range: bytes=0-1"), {"range": b"bytes=0-1", "plain": False}),
    ("If-Match", message(GET, HOST, b"If-Match: *"), {"if_match": b"*", "plain": False}),
    ("If-None-Match", message(GET, HOST, b"If-None-Match: *"), {"if_none_match": b"*", "plain": False}),
    ("If-Modified-Since", message(GET, HOST, b"If-Modified-Since: x"), {"if_modified_since": b"x", "plain": False}),
    (
        "If-Unmodified-Since",
        message(GET, HOST, b"If-Unmodified-Since: x"),
        {"if_unmodified_since": b"x", "plain": False},
    ),
    (
        "repeated lines of a field are one list in their order",
        message(
            GET,
            b"If-None-Match:  a ",
            HOST,
            b"Accept-Encoding: x",
            b"if-none-match:",
            b"Accept-Encoding: y",
            b"If-None-Match: c",
        ),
        {"if_none_match": b"a, , c", "accept_encoding": b"x, y", "authority": b"h"},
    ),
    (
        "fields that are not read may repeat",
        message(GET, HOST, b"X: 1", b"X: 2"),
        {"field_lines": b"Host: h\r\nX: 1\r\nX: 2\r\n"},
    ),
]

PROT_NONE = 0  # mmap has the other two
CHUNKED = b"Transfer-Encoding: chunked"

# The sentence, the input, the status.
REFUSED: list[tuple[str, bytes, int]] = [
    ("the first byte of TLS", b"\x16", 400),
    ("a NUL instead of a request", b"\x00", 400),
    ("a bare LF before the request", b"\n", 400),
    ("a bare CR before the request", b"\rG", 400),
    ("white space before the method", b" ", 400),
    ("a method that is not a token", b"G(", 400),
    ("a method with obs-text", b"GET\x80", 400),
    ("an empty line in place of a target", b"GET\r", 400),
    ("two spaces after the method", b"GET  ", 400),
    ("HTAB after the method", b"GET\t", 400),
    ("an HTTP/0.9 request", b"GET /\r", 400),
    ("a target with a control byte", b"GET /\x01", 400),
    ("a target with DEL", b"GET /\x7f", 400),
    ("a target with HTAB", b"GET /\t", 400),
    ("a target with NUL", b"GET /\x00", 400),
    ("two spaces after the target", b"GET /  HTTP/1.1\r\n", 400),
    ("a space in the target", b"GET /a b HTTP/1.1\r\n", 400),
    ("a space after the version", b"GET / HTTP/1.1 \r\n", 400),
    ("a version in lower case", b"GET / http/1.1\r\n", 400),
    ("a minor version of two digits", b"GET / HTTP/1.10\r\n", 400),
    ("a version without minor", b"GET / HTTP/1\r\n", 400),
    ("a version without its point", b"GET / HTTP/1-1\r\n", 400),
    ("a version without digits", b"GET / HTTP/a.1\r\n", 400),
    ("a minor version without digits", b"GET / HTTP/1.a\r\n", 400),
    ("a version of another protocol", b"GET / ICAP/1.0\r\n", 400),
    ("no version after the space", b"GET / \r\n", 400),
    ("a version with obs-text", b"GET / HTTP/1.\xb2", 400),
    ("HTTP/2.0", b"GET / HTTP/2.0\r\n", 505),
    ("the preface of HTTP/2", b"PRI * HTTP/2.0\r\n", 505),
    ("HTTP/0.9 by name", b"GET / HTTP/0.9\r\n", 505),
    ("a request-line that ends with a bare LF", b"GET / HTTP/1.1\n", 400),
    ("a request-line that ends with a bare CR", b"GET / HTTP/1.1\rX", 400),
    ("a request-line that ends with CR CR LF", b"GET / HTTP/1.1\r\r", 400),
    ("white space before the first field", b"GET / HTTP/1.1\r\n ", 400),
    ("HTAB before the first field", b"GET / HTTP/1.1\r\n\t", 400),
    ("a folded line", b"GET / HTTP/1.1\r\nHost: h\r\n ", 400),
    ("a line folded with HTAB", b"GET / HTTP/1.1\r\nHost: h\r\n\t", 400),
    ("a space before the colon", b"GET / HTTP/1.1\r\nHost ", 400),
    ("HTAB before the colon", b"GET / HTTP/1.1\r\nHost\t", 400),
    ("an empty field name", b"GET / HTTP/1.1\r\n:", 400),
    ("a field line without colon", b"GET / HTTP/1.1\r\nHost\r", 400),
    ("a field name with obs-text", b"GET / HTTP/1.1\r\nH\xf6", 400),
    ("a field name with a control byte", b"GET / HTTP/1.1\r\nHo\x00", 400),
    ("a bare LF after a field", b"GET / HTTP/1.1\r\nHost: h\n", 400),
    ("a bare CR in a value", b"GET / HTTP/1.1\r\nHost: h\rX", 400),
    ("CR CR LF after a field", b"GET / HTTP/1.1\r\nHost: h\r\r", 400),
    ("a bare LF as the empty line", b"GET / HTTP/1.1\r\nHost: h\r\n\n", 400),
    ("a bare CR as the empty line", b"GET / HTTP/1.1\r\nHost: h\r\n\rX", 400),
    *(
        (f"byte {byte:#04x} in a value", b"GET / HTTP/1.1\r\nX: abcdefghij" + bytes([byte]), 400)
        for byte in (*range(9), 0x0B, 0x0C, *range(0x0E, 0x20), 0x7F)
    ),
    ("HTTP/1.1 without Host", message(GET), 400),
    ("a higher minor version without Host", message(b"GET / HTTP/1.9"), 400),
    ("an empty Host in HTTP/1.1", message(GET, b"Host:  "), 400),
    ("two Hosts", part(GET, HOST, HOST), 400),
    ("two Hosts in HTTP/1.0, one of them empty", part(b"GET / HTTP/1.0", b"Host:", HOST), 400),
    *(
        (f"Content-Length: {value!r}", part(GET, HOST, b"Content-Length: " + value), 400)
        for value in (
            b"",
            b"+5",
            b"-5",
            b"5 5",
            b"5,5",
            b"5, 5",
            b"0x5",
            b"5_0",
            b"\xb25",
            b"5.0",
            b"5;",
            b"a",
            b",",
            b"9" * 30 + b"x",
        )
    ),
    ("two equal Content-Lengths", part(GET, HOST, b"Content-Length: 5", b"Content-Length: 5"), 400),
    ("two Content-Lengths of zero", part(GET, HOST, b"Content-Length: 0", b"Content-Length: 0"), 400),
    ("two Content-Lengths", part(GET, HOST, b"Content-Length: 5", b"Content-Length: 6"), 400),
    ("a Content-Length of 19 digits", part(GET, HOST, b"Content-Length: 1" + b"0" * 18), 413),
    ("a Content-Length of 2 to the 64th", part(GET, HOST, b"Content-Length: 18446744073709551616"), 413),
    ("Transfer-Encoding after Content-Length", message(GET, HOST, b"Content-Length: 5", CHUNKED), 400),
    ("Content-Length after Transfer-Encoding", message(GET, HOST, CHUNKED, b"Content-Length: 0"), 400),
    ("an unknown coding beside Content-Length", message(GET, HOST, b"Transfer-Encoding: x", b"Content-Length: 0"), 400),
    ("Transfer-Encoding in HTTP/1.0", message(b"GET / HTTP/1.0", CHUNKED), 400),
    *(
        (f"Transfer-Encoding: {value!r}", part(GET, HOST, b"Transfer-Encoding: " + value), 400)
        for value in (
            b"",
            b",",
            b"chunked,",
            b",chunked",
            b"chunked,,chunked",
            b"chunked;q=1",
            b'"chunked"',
            b"chunked x",
            b"chunked\xa0",
            b"gzip;q=1, chunked",
        )
    ),
    *(
        (f"Transfer-Encoding: {value!r}", message(GET, HOST, b"Transfer-Encoding: " + value), status)
        for value, status in (
            (b"chunked, chunked", 400),
            (b"gzip", 400),
            (b"chunked, gzip", 400),
            (b"identity", 400),
            (b"chunked, identity", 400),
            (b"identity, chunked", 501),
            (b"gzip, chunked", 501),
            (b"X-Gzip , Chunked", 501),
            (b"foo", 501),
            (b"foo, chunked", 501),
            (b"chunked, foo", 501),
            (b"chunked, chunked, foo", 400),
            (b"xchunked", 501),
            (b"chunke", 501),
            (b"chunkedx", 501),
        )
    ),
    ("chunked in two lines", message(GET, HOST, CHUNKED, CHUNKED), 400),
    ("codings in two lines are one list", message(GET, HOST, b"Transfer-Encoding: gzip", CHUNKED), 501),
    ("codings in two lines in the wrong order", message(GET, HOST, CHUNKED, b"Transfer-Encoding: gzip"), 400),
]

INCOMPLETE: list[tuple[str, bytes, bool]] = [
    ("nothing", b"", False),
    ("a CR", b"\r", False),
    ("an empty line", b"\r\n", False),
    ("one byte", b"G", True),
    ("one byte after an empty line", b"\r\nG", True),
    ("a request-line without LF", b"GET / HTTP/1.1\r", True),
    ("a request-line", b"GET / HTTP/1.1\r\n", True),
    ("a field line", b"GET / HTTP/1.1\r\nHost: h\r\n", True),
    ("the CR of the empty line", b"GET / HTTP/1.1\r\nHost: h\r\n\r", True),
]

# The sentence, the chunked body, the status; None: the body is complete at its end.
CHUNKED_BODIES: list[tuple[str, bytes, int | None]] = [
    ("no chunk but the last", b"0\r\n\r\n", None),
    ("one chunk", b"5\r\nhello\r\n0\r\n\r\n", None),
    ("sizes are hexadecimal in either case", b"a\r\n0123456789\r\nB\r\n0123456789a\r\n0\r\n\r\n", None),
    ("content that looks like framing", b"5\r\n0\r\n\r\n\r\n0\r\n\r\n", None),
    ("zeros before a size", b"0000000000000000000000005\r\nhello\r\n000\r\n\r\n", None),
    ("extensions", b'1;a\r\nx\r\n1;a=b;c=d\r\nx\r\n1;a="b"\r\nx\r\n0;z\r\n\r\n', None),
    ("white space around extensions", b'1 ; a = b \t;\tc = "d" ; e\r\nx\r\n0\r\n\r\n', None),
    ("quoted pairs and obs-text in a quoted extension", b'0;a="\\"\\\\ \t\x80\xff;=,"\r\n\r\n', None),
    ("trailer fields", b"0\r\nX: y\r\nExpires: z\t \r\n\r\n", None),
    (
        "fields that have no place in a trailer are dropped",
        b"0\r\nContent-Length: 5\r\nTransfer-Encoding: x\r\nHost:\r\n\r\n",
        None,
    ),
    ("no size", b"\r", 400),
    ("an extension without size", b";", 400),
    ("a sign before the size", b"+", 400),
    ("white space before the size", b" ", 400),
    ("0x before the size", b"0x", 400),
    ("a letter that is no digit", b"1g", 400),
    ("an underscore in the size", b"1_", 400),
    ("a size in obs-text", b"\xb2", 400),
    ("white space after the size", b"1 \r", 400),
    ("a size that ends with a bare LF", b"1\n", 400),
    ("a size that ends with a bare CR", b"1\rx", 400),
    ("a size that ends with CR CR LF", b"1\r\r", 400),
    ("a NUL after the size", b"1\x00", 400),
    ("16 digits of size", b"1000000000000000", 400),
    ("a semicolon without extension", b"1;\r", 400),
    ("two semicolons", b"1;;", 400),
    ("an extension without value after =", b"1;a=\r", 400),
    ("white space after an extension", b"1;a \r", 400),
    ("white space after an extension's value", b"1;a=b \r", 400),
    ("two values of an extension", b"1;a=b=", 400),
    ("an extension of two words", b"1;a b", 400),
    ("an extension with a bare LF", b"1;a\n", 400),
    ("an extension with obs-text outside quotes", b"1;a=\x80", 400),
    ("a quoted value that the line cuts", b'1;a="b\r', 400),
    ("a bare LF in a quoted value", b'1;a="b\n', 400),
    ("a control byte in a quoted pair", b'1;a="\\\x01', 400),
    ("text after a quoted value", b'1;a="b"c', 400),
    ("content longer than its size", b"1\r\nxy", 400),
    ("content that ends with a bare LF", b"1\r\nx\n", 400),
    ("content that ends with a bare CR", b"1\r\nx\rx", 400),
    ("a folded trailer", b"0\r\nX: y\r\n ", 400),
    ("a trailer section that begins with white space", b"0\r\n ", 400),
    ("a space before the colon of a trailer", b"0\r\nX ", 400),
    ("a trailer without colon", b"0\r\nX\r", 400),
    ("a bare LF after a trailer", b"0\r\nX: y\n", 400),
    ("a bare LF at the end", b"0\r\n\n", 400),
    ("a bare CR at the end", b"0\r\n\rx", 400),
    ("a control byte in a trailer", b"0\r\nX: \x01", 400),
]

GET_1_0 = b"GET / HTTP/1.0"
SMALL = ParserLimits(request_line=20, field_line=10, head=50, fields=3, empty_lines=2, body=40, chunk_line=8)

# The limit, a head at it, an input one beyond it, the status.
LIMITED_HEADS: list[tuple[str, bytes, bytes, int]] = [
    ("the request-line", message(b"GET /234567 HTTP/1.0"), b"GET /2345678 HTTP/1.0", 414),
    ("the request-line, when all of it is method", message(b"GET /234567 HTTP/1.0"), b"G" * 21, 414),
    ("the request-line, when it ends in the target", message(b"GET /234567 HTTP/1.0"), b"GET /" + b"x" * 16, 414),
    ("a field line", message(GET_1_0, b"X:34567890"), b"GET / HTTP/1.0\r\nX:345678901", 431),
    ("a field line, when all of it is name", message(GET_1_0, b"X23456789:"), b"GET / HTTP/1.0\r\nX2345678901", 431),
    (
        "the head without the empty lines before it",
        b"\r\n" + message(GET_1_0, b"A:34567890", b"B:34567890", b"C:3456"),
        b"\r\n" + message(GET_1_0, b"A:34567890", b"B:34567890", b"C:34567"),
        431,
    ),
    (
        "the head, when it ends in a value",
        message(GET_1_0, b"A:34567890", b"B:34567890", b"C:3456"),
        part(GET_1_0, b"A:34567890", b"B:34567890") + b"C:34567890",
        431,
    ),
    (
        "the head, when it ends in a name",
        message(GET_1_0, b"A:34567890", b"B:34567890", b"C:3456"),
        part(GET_1_0, b"A:34567890", b"B:34567890") + b"C234567890",
        431,
    ),
    ("the number of fields", message(GET_1_0, b"A:", b"B:", b"C:"), message(GET_1_0, b"A:", b"B:", b"C:", b"D:"), 431),
    ("the empty lines", b"\r\n\r\n" + message(GET_1_0), b"\r\n\r\n\r\n", 400),
]

# The same for chunked bodies.
LIMITED_BODIES: list[tuple[str, bytes, bytes, int]] = [
    ("the content of one chunk", b"28\r\n" + b"x" * 40 + b"\r\n0\r\n\r\n", b"29\r\n", 413),
    ("the content of all chunks", b"1\r\nx\r\n27\r\n" + b"x" * 39 + b"\r\n0\r\n\r\n", b"1\r\nx\r\n28\r\n", 413),
    ("the largest size that fits", b"0\r\n\r\n", b"fffffff\r\n", 413),
    ("a chunk line", b"0;34567a\r\n\r\n", b"0;34567ab", 400),
    ("a chunk line of zeros", b"00000000\r\n\r\n", b"000000000", 400),
    ("a trailer line", b"0\r\nX:34567890\r\n\r\n", b"0\r\nX:345678901", 431),
    ("the number of trailers", b"0\r\nA:\r\nB:\r\nC:\r\n\r\n", b"0\r\nA:\r\nB:\r\nC:\r\nD:\r\n", 431),
]


def ways(size: int) -> list[tuple[int, ...]]:
    """Return the splits of every input: none, each single one, and all of them."""
    return [(), *((cut,) for cut in range(size + 1)), tuple(range(size + 1))]


def ids(table: list) -> list[str]:
    return [row[0] for row in table]


def check_head(
    kernel: ModuleType, data: bytes, check: Callable[[Outcome], bool], limits: ParserLimits = LIMITS
) -> None:
    """Read the input whole, cut everywhere, with more after it, and from other kinds of buffer at an offset."""
    for cuts in ways(len(data)):
        assert check(read_head(kernel, data, cuts, limits)), cuts
    for more in (b"\x00", b"\r\n", b"GET / HTTP/1.1\r\n\r\n"):
        assert check(read_head(kernel, data + more, (), limits)), more
    for buffer in (bytearray(b"\x00" + data + b"\x00"), memoryview(b"\x00" + data + b"\x00")):
        assert check(read_head(kernel, buffer, (), limits, start=1, stop=1 + len(data)))


@pytest.mark.parametrize(("sentence", "data", "expected"), ACCEPTED, ids=ids(ACCEPTED))
def test_head_is_accepted(parser_kernel, sentence, data, expected):
    def check(outcome: Outcome) -> bool:
        return isinstance(outcome, dict) and outcome["size"] == len(data) and outcome.items() >= expected.items()

    check_head(parser_kernel, data, check)


@pytest.mark.parametrize(("sentence", "data", "status"), REFUSED, ids=ids(REFUSED))
def test_head_is_refused_at_the_byte_that_is_wrong(parser_kernel, sentence, data, status):
    check_head(parser_kernel, data, lambda outcome: outcome[0] == status)
    assert read_head(parser_kernel, data[:-1]) == MORE


@pytest.mark.parametrize(("sentence", "data", "started"), INCOMPLETE, ids=ids(INCOMPLETE))
def test_incomplete_head_needs_more(parser_kernel, sentence, data, started):
    parser = parser_kernel.HeadParser(LIMITS)
    for end in range(len(data) + 1):
        assert parser.parse(data, 0, end) is None
    assert parser.started is started


@pytest.mark.parametrize(("limit", "at_limit", "beyond", "status"), LIMITED_HEADS, ids=ids(LIMITED_HEADS))
def test_head_is_accepted_at_the_limit_and_refused_beyond(parser_kernel, limit, at_limit, beyond, status):
    check_head(parser_kernel, at_limit, lambda outcome: isinstance(outcome, dict), SMALL)
    check_head(parser_kernel, beyond, lambda outcome: outcome[0] == status, SMALL)


def test_default_limits_hold_for_whole_and_single_bytes(parser_kernel):
    rows = [
        (b"GET /" + b"x" * 8178 + b" HTTP/1.0\r\n\r\n", b"GET /" + b"x" * 8179 + b" HTTP/1.0", 414),
        (message(GET_1_0, b"X:" + b"y" * 16382), b"GET / HTTP/1.0\r\nX:" + b"y" * 16383, 431),
        (message(GET_1_0, *[b"X:y"] * 100), message(GET_1_0, *[b"X:y"] * 101), 431),
        (b"\r\n" * 8 + message(GET_1_0), b"\r\n" * 9, 400),
    ]
    for at_limit, beyond, status in rows:
        for cuts in ((), range(len(at_limit))):
            assert isinstance(read_head(parser_kernel, at_limit, cuts), dict)
            assert read_head(parser_kernel, beyond, cuts)[0] == status


@pytest.mark.parametrize("data", [b"GET", b"GET /", b"GET / HTTP/1.0", b"GET / HTTP/1.0\r", b"GET / HTTP/1.0\r\n"])
def test_head_may_end_in_the_request_line(parser_kernel, data):
    check_head(parser_kernel, data, lambda outcome: outcome[0] == 431, ParserLimits(head=len(data)))


def test_limits_beyond_every_index_are_no_limits(parser_kernel):
    limits = ParserLimits(*[1 << 62] * len(ParserLimits._fields))
    assert isinstance(read_head(parser_kernel, message(GET, HOST), (3, 9), limits), dict)
    assert read_body(parser_kernel, b"1\r\nx\r\n0\r\nX:\r\n\r\n", (3, 9), limits) == 15


def test_pipelined_requests_are_read_one_after_the_other(parser_kernel):
    first, second = b"\r\n" + message(b"POST /1 HTTP/1.1", HOST, b"Content-Length: 0"), message(b"GET /2 HTTP/1.0")
    data = first + second
    for cut in range(len(data) + 1):
        parser = parser_kernel.HeadParser(LIMITS)
        start, targets = 0, []
        for end in (cut, len(data)):
            while (head := parser.parse(data, start, end)) is not None:
                assert not parser.started
                targets.append((head.target, head.authority, head.size))
                start += head.size
        assert targets == [(b"/1", b"h", len(first)), (b"/2", None, len(second))]


RARE = [
    (b"Range", "range"),
    (b"If-Range", "if_range"),
    (b"If-Match", "if_match"),
    (b"If-None-Match", "if_none_match"),
    (b"If-Modified-Since", "if_modified_since"),
    (b"If-Unmodified-Since", "if_unmodified_since"),
    (b"Expect", "expect"),
    (b"Accept-Encoding", "accept_encoding"),
    (b"Host", "authority"),
]


@pytest.mark.parametrize(("name", "attribute"), RARE, ids=[attribute for _, attribute in RARE])
@pytest.mark.parametrize("is_kept", [False, True], ids=["dropped", "kept"])
def test_a_head_has_nothing_of_the_one_before(parser_kernel, name, attribute, is_kept):
    parser = parser_kernel.HeadParser(LIMITS)
    full = message(b"GET /1 HTTP/1.0", b"%b: value" % name)
    bare = message(b"GET /2 HTTP/1.0")
    kept = []
    for data, target, value in ((bare, b"/2", None), (full, b"/1", b"value"), (bare, b"/2", None), (bare, b"/2", None)):
        head = parser.parse(data, 0, len(data))
        assert (head.target, getattr(head, attribute), head.plain) == (
            target,
            value,
            value is None or name in (b"If-Range", b"Expect", b"Accept-Encoding", b"Host"),
        )
        if is_kept:
            kept.append(head)
    assert [head.target for head in kept] == [b"/2", b"/1", b"/2", b"/2"] * is_kept
    assert [getattr(head, attribute) for head in kept] == [None, b"value", None, None] * is_kept


@pytest.mark.parametrize(("sentence", "data", "expected"), ACCEPTED, ids=ids(ACCEPTED))
def test_the_head_before_does_not_matter(parser_kernel, sentence, data, expected):
    """A parser may reuse what it read of the same field lines."""
    request_line, _, fields = data.lstrip(b"\r\n").partition(b"\r\n")
    for line in (request_line, b"GET /longer/than/that HTTP/1.1", b"GET / HTTP/1.0", b"GET / HTTP/1.1 "):
        for rest in (fields, fields[:-2], b"X" + fields, fields[:-2] + b"X: y\r\n\r\n", fields[:-2] + b"\rX", b"\r\n"):
            following = b"%b\r\n%b" % (line, rest)
            outcome = read_head(parser_kernel, following)
            for cuts in ((), (len(line) + 2,), (len(following) - 1,)):
                assert read_head(parser_kernel, following, cuts, before=data) == outcome


def test_limits_of_a_head_hold_after_one_with_the_same_fields(parser_kernel):
    before = message(GET, HOST, b"X: y")
    limits = ParserLimits(head=len(before) + 1)
    for target, outcome in ((b"/2", dict), (b"/23", tuple)):
        following = message(b"GET %b HTTP/1.1" % target, HOST, b"X: y")
        assert type(read_head(parser_kernel, following, limits=limits, before=before)) is outcome


def test_input_may_move_between_the_calls(parser_kernel):
    data = message(GET, HOST, b"Range: bytes=0-1", b"If-Match: x")
    parser = parser_kernel.HeadParser(LIMITS)
    for end in range(len(data)):
        assert parser.parse(b"?" * (end % 7) + data[:end], end % 7, end % 7 + end) is None
    head = parser.parse(bytearray(data), 0, len(data))
    assert (head.method, head.target, head.authority, head.range, head.if_match) == (
        b"GET",
        b"/",
        b"h",
        b"bytes=0-1",
        b"x",
    )


def test_parser_does_not_look_twice_at_a_byte(parser_kernel):
    # The earlier input is overwritten with invalid bytes; only the values of fields that are read are looked up.
    data = message(b"GET /" + b"x" * 5000 + b" HTTP/1.0", *[b"X-Field: " + b"y" * 3000] * 8)
    parser = parser_kernel.HeadParser(LIMITS)
    buffer = bytearray(len(data))
    for index, byte in enumerate(data[:-1]):
        buffer[index] = byte
        assert parser.parse(buffer, 0, index + 1) is None
        if not data.find(b" HTTP/") <= index < data.find(b"\r\n") + 2:
            buffer[index] = 0
    buffer[-1] = 0x0A
    assert parser.parse(buffer, 0, len(buffer)).size == len(data)


def test_buffer_is_free_after_the_call(parser_kernel):
    buffer = bytearray(b"GET / HTTP/1.1\r\n\x00")
    try:
        parser_kernel.HeadParser(LIMITS).parse(buffer, 0, len(buffer))
    except BadRequest:
        buffer.append(0)  # a buffer that is still held raises BufferError
    assert len(buffer) == 18
    parser_kernel.HeadParser(LIMITS).parse(buffer, 0, 4)
    parser_kernel.BodyParser(LIMITS, 5, chunked=False).feed(buffer, 0, 4)
    buffer.append(0)


@pytest.mark.parametrize(("start", "end"), [(-1, 3), (0, 4), (3, 2), (4, 4), (0, 1 << 62), (1, 3)])
def test_indices_outside_the_data_are_an_error(parser_kernel, start, end):
    head = parser_kernel.HeadParser(LIMITS)
    head.parse(b"GET", 0, 3)
    with pytest.raises(ValueError, match="do not fit"):
        head.parse(b"GET", start, end)
    if (start, end) != (1, 3):
        with pytest.raises(ValueError, match="do not fit"):
            parser_kernel.BodyParser(LIMITS, 5, chunked=True).feed(b"GET", start, end)


def test_data_must_be_bytes(parser_kernel):
    with pytest.raises(TypeError):
        parser_kernel.HeadParser(LIMITS).parse("GET", 0, 3)


def check_body(kernel: ModuleType, data: bytes, expected: int | None, limits: ParserLimits = LIMITS) -> None:
    for cuts in ways(len(data)):
        for more in (b"", b"\x00", b"GET "):
            outcome = read_body(kernel, data + more, cuts, limits)
            assert (outcome if expected is None else outcome[0]) == (expected or len(data)), (cuts, more)


@pytest.mark.parametrize(("sentence", "data", "status"), CHUNKED_BODIES, ids=ids(CHUNKED_BODIES))
def test_chunked_body(parser_kernel, sentence, data, status):
    check_body(parser_kernel, data, status)
    assert read_body(parser_kernel, data[:-1]) == MORE, "it is complete, or refused, at its last byte and not before"


@pytest.mark.parametrize(("limit", "at_limit", "beyond", "status"), LIMITED_BODIES, ids=ids(LIMITED_BODIES))
def test_chunked_body_is_accepted_at_the_limit_and_refused_beyond(parser_kernel, limit, at_limit, beyond, status):
    check_body(parser_kernel, at_limit, None, SMALL)
    check_body(parser_kernel, beyond, status, SMALL)


# RFC 9110 §5.6.2, §5.6.4 and RFC 9112 §7.1, written down a second time: the twins share the tables of _parser_rules.
TCHAR = rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]"
QUOTED = rb'"(?:[\t !#-\[\]-~\x80-\xff]|\\[\t -~\x80-\xff])*"'
BWS = rb"[ \t]*"
EXTENSION = BWS + rb";" + BWS + TCHAR + rb"+(?:" + BWS + rb"=" + BWS + rb"(?:" + TCHAR + rb"+|" + QUOTED + rb"))?"
CHUNK_LINE = re.compile(rb"[0-9A-Fa-f]+(?:" + EXTENSION + rb")*\r\n")


@settings(max_examples=300)
@given(st.text('1g;= \t"\\\xe9\r\n', max_size=12).filter(lambda text: "\r\n" not in text))
def test_chunk_line_follows_the_grammar(text):
    line = b"1" + text.encode("latin-1") + b"\r\n"
    limits = ParserLimits(body=1 << 60)
    for kernel in all_kernels():
        assert (read_body(kernel, line, (), limits) == MORE) is bool(CHUNK_LINE.fullmatch(line))


@pytest.mark.parametrize(
    ("place", "allowed"),
    [
        (b"G%cT", TCHAR + rb"| "),
        (b"GET /%cx HTTP/1.1\r\n", rb"[!-~\x80-\xff]"),
        (b"GET / HTTP/1.1\r\nX%cY:", TCHAR + rb"|:"),
        (b"GET / HTTP/1.1\r\nX: a%cb", rb"[\t -~\x80-\xff]"),
        (b"GET / HTTP/1.1\r\nX: aaaaaaa%cbbbbbbbb", rb"[\t -~\x80-\xff]"),
        (b"GET / HTTP/1.1\r\nX: aaaa\xff\xff%c\x7e\xffbbbbbbb", rb"[\t -~\x80-\xff]"),
    ],
)
def test_every_byte_is_of_its_class(parser_kernel, place, allowed):
    for byte in range(256):
        accepted = read_head(parser_kernel, place % byte) == MORE
        assert accepted is bool(re.fullmatch(allowed, bytes([byte]))), byte


def test_trailer_section_is_bounded(parser_kernel):
    limits = ParserLimits(head=20)
    assert read_body(parser_kernel, b"0\r\nX: 456789\r\nY:456\r\n\r\n", (), limits) == 23
    check_body(parser_kernel, b"0\r\nX: 456789\r\nY:4567\r\n\r\n", 431, limits)


def test_size_of_15_digits_is_too_large_and_not_malformed(parser_kernel):
    check_body(parser_kernel, b"f" * 15 + b"\r\n", 413)
    check_body(parser_kernel, b"f" * 16, 400)


def test_a_body_may_come_one_byte_a_chunk(parser_kernel):
    count = CHUNK_OVERHEAD
    assert read_body(parser_kernel, b"1\r\nx\r\n" * count + b"0\r\n\r\n") == 6 * count + 5


def test_chunks_with_more_framing_than_they_need_are_refused(parser_kernel):
    chunk = b"1;extension=value\r\nx\r\n"  # 21 bytes of framing, 1 of content, 5 of waste
    least = CHUNK_OVERHEAD // 5 - 10
    most = least + least // 10
    assert read_body(parser_kernel, chunk * least) == MORE
    assert read_body(parser_kernel, chunk * most)[0] == 400
    assert read_body(parser_kernel, chunk * most, range(len(chunk * most)))[0] == 400
    assert read_body(parser_kernel, (b"1000\r\n" + b"x" * 4096 + b"\r\n") * 64 + b"0\r\n\r\n") == 64 * 4104 + 5


@pytest.mark.parametrize("cuts", [(), (3,), (5,), (0, 1, 2, 3, 4, 5, 6)])
def test_body_of_known_length_ends_after_it(parser_kernel, cuts):
    assert read_body(parser_kernel, b"helloGET", cuts, content_length=5, chunked=False) == 5
    assert read_body(parser_kernel, b"hell", (2,), content_length=5, chunked=False) == MORE


def test_body_of_no_length_is_complete_at_once(parser_kernel):
    body = parser_kernel.BodyParser(LIMITS, 0, chunked=False)
    assert body.complete
    assert body.feed(b"GET", 1, 3) == 1


def test_known_length_beyond_the_limit_is_refused_before_its_content(parser_kernel):
    limit = LIMITS.body
    assert read_body(parser_kernel, b"x" * limit, (), content_length=limit, chunked=False) == limit
    assert read_body(parser_kernel, b"", (), content_length=limit + 1, chunked=False)[0] == 413


def test_input_may_end_where_memory_does(parser_kernel):
    """An unreadable page follows the input: reading one byte beyond it ends the process."""
    size = mmap.PAGESIZE
    # Released in this order: the page must be readable again before the mapping goes.
    with mmap.mmap(-1, 2 * size) as pages:
        page = ctypes.c_char.from_buffer(pages)
        libc = ctypes.CDLL(None, use_errno=True)
        second = ctypes.c_void_p(ctypes.addressof(page) + size)
        assert libc.mprotect(second, size, PROT_NONE) == 0
        try:
            with memoryview(pages) as view:
                for row in (*ACCEPTED, *REFUSED, *INCOMPLETE, *CHUNKED_BODIES):
                    for stop in range(len(row[1]) + 1):
                        data = row[1][:stop]
                        view[size - stop : size] = data
                        with view[size - stop : size] as end_of_page:
                            assert read_head(parser_kernel, end_of_page) == read_head(parser_kernel, data)
                            assert read_body(parser_kernel, end_of_page) == read_body(parser_kernel, data)
        finally:
            libc.mprotect(second, size, mmap.PROT_READ | mmap.PROT_WRITE)
            del page


@given(mutated(heads), cut_lists)
def test_twins_agree_on_heads_and_cuts_do_not_matter(data, cuts):
    twins = all_kernels()
    cuts = [cut for cut in cuts if cut <= len(data)]
    outcomes = [read_head(kernel, data, way) for kernel in twins for way in ((), cuts, range(len(data)))]
    outcomes += [read_head(kernel, data, way, before=data) for kernel in twins for way in ((), cuts)]
    assert all(outcome == outcomes[0] for outcome in outcomes)


@given(mutated(bodies), cut_lists)
def test_twins_agree_on_bodies_and_cuts_do_not_matter(data, cuts):
    twins = all_kernels()
    cuts = [cut for cut in cuts if cut <= len(data)]
    limits = ParserLimits(head=30, body=12, fields=2, chunk_line=20)
    outcomes = [read_body(kernel, data, way, limits) for kernel in twins for way in ((), cuts, range(len(data)))]
    assert all(outcome == outcomes[0] for outcome in outcomes)


@given(mutated(heads), cut_lists)
def test_twins_agree_at_small_limits(data, cuts):
    twins = all_kernels()
    cuts = [cut for cut in cuts if cut <= len(data)]
    outcomes = [read_head(kernel, data, way, SMALL) for kernel in twins for way in ((), cuts, range(len(data)))]
    assert all(outcome == outcomes[0] for outcome in outcomes)


def test_every_fault_is_reached_and_the_twins_name_it_alike():
    reached = set()
    for _, data, *_ in (*REFUSED, *CHUNKED_BODIES):
        for read in (read_head, read_body):
            outcomes = {read(kernel, data) for kernel in all_kernels() if not isinstance(read(kernel, data), dict)}
            assert len(outcomes) <= 1
            reached |= outcomes
    for _, _, data, _ in (*LIMITED_HEADS, *LIMITED_BODIES):
        for read in (read_head, read_body):
            outcomes = {read(kernel, data, (), SMALL) for kernel in all_kernels()}
            assert len(outcomes) == 1
            reached |= outcomes
    reached |= {read_body(kernel, b"1;extension=value\r\nx\r\n" * 9999) for kernel in all_kernels()}
    assert {tuple(fault) for fault in FAULTS} <= reached


def all_kernels() -> list[ModuleType]:
    return [load_kernel("_parser", kind) for kind in KERNEL_KINDS]


def test_facade_gives_the_best_kernel():
    kernel = all_kernels()[0]
    assert facade.HeadParser is kernel.HeadParser
    assert facade.BodyParser is kernel.BodyParser
