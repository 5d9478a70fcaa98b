"""Each semantic function on a typical input, grouped with the equivalents of other packages."""

import importlib
import mimetypes
from collections.abc import Callable
from email.utils import formatdate, parsedate_to_datetime
from typing import Any, NamedTuple
from urllib.parse import quote, unquote

import pytest

from fastfile.http.authority import check_host
from fastfile.http.conditional import Precondition, check_preconditions, if_range_matches
from fastfile.http.content.media_types import media_type
from fastfile.http.date import make_httpdate, maybe_httpdate
from fastfile.http.negotiation import preferred_codings, preferred_type
from fastfile.http.ranges import parse_range
from fastfile.http.target import encode_path, make_location, parse_target
from fastfile.message import RequestHead

NOW_S = 1_700_000_000
DATE = b"Sun, 06 Nov 1994 08:49:37 GMT"
DATE_S = 784_111_777
ETAG = b'"17a3b5c7d9e1f000-400"'
OTHER_TAG = b'"17a3b5c7d9e1f001-400"'
CODINGS = (b"br", b"zstd", b"gzip")
TYPES = (b"text/html", b"text/plain", b"application/json")
BROWSER_ACCEPT = b"text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8"


def conditional(**fields: bytes) -> RequestHead:
    return RequestHead(b"GET", b"/", 1, 100, **fields)


class Row(NamedTuple):
    group: str
    name: str
    call: Callable[..., Any]
    arguments: tuple[Any, ...]
    result: Any


ROWS = (
    Row(
        "target",
        "plain",
        parse_target,
        (b"/assets/index-4f6b2c1e.js",),
        lambda t: t.path == b"assets/index-4f6b2c1e.js",
    ),
    Row("target", "escapes", parse_target, (b"/a%20b/%C3%BC.js?v=1",), lambda t: t.path == "a b/ü.js".encode()),
    Row("target", "dot segments", parse_target, (b"/a/../b/./c.js",), lambda t: t.path == b"b/c.js"),
    Row("path encoding", "escapes", encode_path, ("a b/ü.js".encode(),), b"a%20b/%C3%BC.js"),
    Row("path encoding", "location", make_location, (b"docs", b"v=1", True), b"/docs/?v=1"),
    Row("host", "loopback", check_host, (b"127.0.0.1:8000", ()), True),
    Row("host", "allowed", check_host, (b"www.example.com", (b"example.org", b".example.com")), True),
    Row("date writing", "IMF-fixdate", make_httpdate, (DATE_S,), DATE),
    Row("date reading", "IMF-fixdate", maybe_httpdate, (DATE, NOW_S), DATE_S),
    Row("date reading", "rfc850", maybe_httpdate, (b"Sunday, 06-Nov-94 08:49:37 GMT", NOW_S), DATE_S),
    Row("date reading", "asctime", maybe_httpdate, (b"Sun Nov  6 08:49:37 1994", NOW_S), DATE_S),
    Row(
        "preconditions",
        "If-None-Match, one tag",
        check_preconditions,
        (conditional(if_none_match=ETAG), ETAG, DATE_S, NOW_S),
        Precondition.NOT_MODIFIED,
    ),
    Row(
        "preconditions",
        "If-None-Match, a list",
        check_preconditions,
        (conditional(if_none_match=b", ".join([OTHER_TAG] * 4 + [b"W/" + ETAG])), ETAG, DATE_S, NOW_S),
        Precondition.NOT_MODIFIED,
    ),
    Row(
        "preconditions",
        "If-Modified-Since",
        check_preconditions,
        (conditional(if_modified_since=DATE), ETAG, DATE_S, NOW_S),
        Precondition.NOT_MODIFIED,
    ),
    Row("preconditions", "If-Range", if_range_matches, (ETAG, ETAG, DATE_S, NOW_S), True),
    Row("ranges", "one", parse_range, (b"bytes=1024-2047", 1 << 20, 16), lambda ranges: len(ranges) == 1),
    Row("ranges", "suffix", parse_range, (b"bytes=-1024", 1 << 20, 16), lambda ranges: len(ranges) == 1),
    Row("ranges", "three", parse_range, (b"bytes=0-0, 9-10, -5", 1 << 20, 16), lambda ranges: len(ranges) == 3),
    Row(
        "Accept-Encoding",
        "browser",
        preferred_codings,
        (b"gzip, deflate, br, zstd", CODINGS),
        lambda codings: codings[0] == b"br",
    ),
    Row(
        "Accept-Encoding",
        "weights",
        preferred_codings,
        (b"gzip;q=1.0, br;q=0.5, *;q=0", CODINGS),
        lambda codings: codings[0] == b"gzip",
    ),
    Row("Accept", "browser", preferred_type, (BROWSER_ACCEPT, TYPES), b"text/html"),
    Row("media type", "known", media_type, (b"index-4f6b2c1e.css",), b"text/css; charset=utf-8"),
)

# (group, name, module, how to call its function): skipped if the module is not installed.
REFERENCES = (
    ("target", "urllib.parse.unquote", "urllib.parse", lambda _: lambda: unquote("/a%20b/%C3%BC.js")),
    ("path encoding", "urllib.parse.quote", "urllib.parse", lambda _: lambda: quote("a b/ü.js")),
    ("date writing", "email.utils.formatdate", "email.utils", lambda _: lambda: formatdate(DATE_S, usegmt=True)),
    ("date writing", "werkzeug.http.http_date", "werkzeug.http", lambda http: lambda: http.http_date(DATE_S)),
    (
        "date reading",
        "email.utils.parsedate_to_datetime",
        "email.utils",
        lambda _: lambda: parsedate_to_datetime(DATE.decode()),
    ),
    ("date reading", "werkzeug.http.parse_date", "werkzeug.http", lambda http: lambda: http.parse_date(DATE.decode())),
    (
        "preconditions",
        "werkzeug.http.parse_etags",
        "werkzeug.http",
        lambda http: lambda: http.parse_etags(ETAG.decode()),
    ),
    (
        "ranges",
        "werkzeug.http.parse_range_header",
        "werkzeug.http",
        lambda http: lambda: http.parse_range_header("bytes=1024-2047"),
    ),
    (
        "Accept-Encoding",
        "werkzeug.http.parse_accept_header",
        "werkzeug.http",
        lambda http: lambda: http.parse_accept_header("gzip, deflate, br, zstd"),
    ),
    ("media type", "mimetypes.guess_type", "mimetypes", lambda _: lambda: mimetypes.guess_type("index-4f6b2c1e.css")),
)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row.group}: {row.name}")
def test_function(benchmark, row):
    benchmark.group = row.group
    result = benchmark(row.call, *row.arguments)
    assert row.result(result) if callable(row.result) else result == row.result


@pytest.mark.parametrize(("group", "name", "module", "make"), REFERENCES, ids=[row[1] for row in REFERENCES])
def test_reference(benchmark, group, name, module, make):
    benchmark.group = group
    try:
        call = make(importlib.import_module(module))
    except ModuleNotFoundError:
        pytest.skip(f"{name} is not installed")
    assert benchmark(call) is not None
