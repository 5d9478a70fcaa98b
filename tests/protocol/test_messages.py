"""Message syntax, framing, pipelining and connection management (RFC 9112), tested with raw bytes.

A row is the input of a client and the expected responses: ``"200 H404 400 close"`` is three responses in order, the
second to a HEAD, and then the end of the connection; without ``close`` the connection must accept another request.
Every row is sent whole, in two pieces split at several places, and byte by byte if it is short.
"""

from __future__ import annotations

import contextlib
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.rawclient import RawClient, Received
from support.servedsite import PROBE, TLS, ServedSite, serve_twice
from support.serverprocess import ONE_LOOP

PAGE = b"<!doctype html><title>home</title>"
LARGE = bytes(range(256)) * 4096 * 8  # 8 MiB: more than the buffers of both ends
SHORT = 400  # a message of so many bytes is also sent byte by byte
HOST = b"Host: localhost\r\n"
GET = b"GET /probe.txt HTTP/1.1\r\n" + HOST + b"\r\n"
HEAD = b"HEAD /probe.txt HTTP/1.1\r\n" + HOST + b"\r\n"
MISSING = b"GET /missing HTTP/1.1\r\n" + HOST + b"\r\n"


def make_site(folder: Path) -> Path:
    root = folder / "site"
    root.mkdir()
    (root / "index.html").write_bytes(PAGE)
    (root / "large.bin").write_bytes(LARGE)
    return root


@pytest.fixture(scope="module", params=[*ONE_LOOP, TLS])
def site(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServedSite]:
    with serve_twice(make_site(tmp_path_factory.mktemp("messages")), request.param) as served:
        yield served


@pytest.fixture(scope="module", params=ONE_LOOP)
def impatient_site(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServedSite]:
    options = ("--head-timeout", "1", "--body-timeout", "1", "--idle-timeout", "2")
    with serve_twice(make_site(tmp_path_factory.mktemp("impatient")), request.param, *options) as served:
        yield served


def receive_all(site: ServedSite, client: RawClient, expected: str, refused: bool = False) -> list[Received]:
    """Read the responses of a row, and check that the connection then ends or persists.

    ``refused``: the server closed before all was sent, so its end may be a reset.
    """
    received = []
    answers = expected.split()
    closes = answers[-1] == "close"
    for answer in answers[: -1 if closes else None]:
        response = client.receive("HEAD" if answer.startswith("H") else "GET")
        assert response.status == int(answer.removeprefix("H")), response
        received.append(response)
    if closes:
        with contextlib.suppress(*[ConnectionResetError] if refused else []):
            assert client.at_end(), "something came after the last answer"
        assert received[-1].fields.get("connection") == "close"
    else:
        assert "close" not in [response.fields.get("connection") for response in received]
        assert site.is_alive(client)
    return received


def agree(one: list[Received], other: list[Received]) -> bool:
    return [(r.status, r.lasting(), r.body) for r in one] == [(r.status, r.lasting(), r.body) for r in other]


def check_row(site: ServedSite, wire: bytes, expected: str) -> None:
    with site.connect() as client:
        with contextlib.suppress(ConnectionError):  # it may be refused before it was all sent
            client.connection.sendall(wire)
        whole = receive_all(site, client, expected)
    sizes = {-(-len(wire) // parts) for parts in (2, 3, 7)} | {max(1, len(wire) - 1)}
    if len(wire) <= SHORT:
        sizes.add(1)
    for size in sizes:
        with site.connect_to_unix_socket() as client:
            refused = True
            with contextlib.suppress(ConnectionError):
                client.send_in_pieces(wire, size)
                refused = False
            assert agree(receive_all(site, client, expected, refused), whole), f"another answer in pieces of {size}"


def line(request_line: bytes) -> bytes:
    return request_line + b"\r\n" + HOST + b"\r\n"


def fields(*lines: bytes, method: bytes = b"GET") -> bytes:
    return method + b" /probe.txt HTTP/1.1\r\n" + HOST + b"".join(field + b"\r\n" for field in lines) + b"\r\n"


def hosted(*hosts: bytes, version: bytes = b"1.1", target: bytes = b"/probe.txt") -> bytes:
    return b"GET " + target + b" HTTP/" + version + b"\r\n" + b"".join(b"Host:" + h + b"\r\n" for h in hosts) + b"\r\n"


REQUEST_LINES = [
    pytest.param(line(b"GET /probe.txt HTTP/1.1"), "200", id="§3 method SP target SP version"),
    pytest.param(line(b"GET  /probe.txt HTTP/1.1"), "400 close", id="§3 two spaces before the target"),
    pytest.param(line(b"GET /probe.txt  HTTP/1.1"), "400 close", id="§3 two spaces before the version"),
    pytest.param(line(b"GET\t/probe.txt HTTP/1.1"), "400 close", id="§3 a tab is no space"),
    pytest.param(line(b"GET /probe.txt\x0bHTTP/1.1"), "400 close", id="§3 a vertical tab is no space"),
    pytest.param(line(b"GET /probe.txt HTTP/1.1 "), "400 close", id="§3 a space after the version"),
    pytest.param(line(b" GET /probe.txt HTTP/1.1"), "400 close", id="§3 a space before the method"),
    pytest.param(line(b"GET /probe .txt HTTP/1.1"), "400 close", id="§3.2 a space in the target"),
    pytest.param(line(b"GET /probe.txt"), "400 close", id="§3 no version (HTTP/0.9)"),
    pytest.param(line(b"GET"), "400 close", id="§3 a method alone"),
    pytest.param(b"\r\n" + GET, "200", id="§2.2 an empty line before the request"),
    pytest.param(b"\r\n" * 8 + GET, "200", id="§2.2 eight empty lines before the request"),
    pytest.param(b"\r\n" * 9 + GET, "400 close", id="§2.2 nine empty lines"),
    pytest.param(b"\n" + GET, "400 close", id="§2.2 a bare LF before the request"),
    pytest.param(b" \r\n" + GET, "400 close", id="§2.2 white space before the request"),
    pytest.param(line(b"GET /probe.txt HTTP/1.0"), "200 close", id="§2.3 HTTP/1.0"),
    pytest.param(line(b"GET /probe.txt HTTP/1.2"), "200", id="§2.3 a higher minor version is ours"),
    pytest.param(line(b"GET /probe.txt HTTP/1.9"), "200", id="§2.3 1.9 is no 2"),
    pytest.param(line(b"GET /probe.txt HTTP/2.0"), "505 close", id="RFC 9110 §15.6.6 HTTP/2.0"),
    pytest.param(line(b"GET /probe.txt HTTP/0.9"), "505 close", id="RFC 9110 §15.6.6 HTTP/0.9"),
    pytest.param(line(b"GET /probe.txt HTTP/9.9"), "505 close", id="RFC 9110 §15.6.6 HTTP/9.9"),
    pytest.param(line(b"GET /probe.txt http/1.1"), "400 close", id="§2.3 the name is case-sensitive"),
    pytest.param(line(b"GET /probe.txt HTTP/1"), "400 close", id="§2.3 no minor version"),
    pytest.param(line(b"GET /probe.txt HTTP/1.10"), "400 close", id="§2.3 two digits"),
    pytest.param(line(b"GET /probe.txt HTTP/01.1"), "400 close", id="§2.3 a zero in front"),
    pytest.param(line(b"GET /probe.txt HTTP/1.x"), "400 close", id="§2.3 no digit"),
    pytest.param(line(b"GET /probe.txt HTTPS/1.1"), "400 close", id="§2.3 another name"),
    pytest.param(line(b"GE(T /probe.txt HTTP/1.1"), "400 close", id="RFC 9110 §9.1 a method is a token"),
    pytest.param(line(b"GET\x00 /probe.txt HTTP/1.1"), "400 close", id="§2.2 NUL in the method"),
    pytest.param(line(b"GET /probe\x00.txt HTTP/1.1"), "400 close", id="§2.2 NUL in the target"),
    pytest.param(line(b"GET /probe\x01.txt HTTP/1.1"), "400 close", id="§2.2 a control byte in the target"),
    pytest.param(line(b"GET /probe\x7f.txt HTTP/1.1"), "400 close", id="§2.2 DEL in the target"),
    pytest.param(line(b"GET /prob\xc3\xa9 HTTP/1.1"), "400", id="§3.2 a byte above ASCII in the path"),
    pytest.param(
        line(b"GET /probe.txt?q=\xc3\xa9 HTTP/1.1"), "200", id="§3.2 a byte above ASCII in the query, as curl sends it"
    ),
    pytest.param(b"GET /probe.txt HTTP/1.1\n" + HOST + b"\r\n", "400 close", id="§2.2 a request-line ended by LF"),
    pytest.param(b"GET /probe.txt HTTP/1.1\rHost: localhost\r\n\r\n", "400 close", id="§2.2 a bare CR"),
    pytest.param(b"GET /probe.txt HTTP/1.1\r\r\n" + HOST + b"\r\n", "400 close", id="§2.2 CR CR LF"),
    pytest.param(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(40), "400 close", id="a TLS client hello"),
    pytest.param(b"FOO\r\n\r\n", "400 close", id="§3 no request at all"),
]

FIELD_LINES = [
    pytest.param(fields(b"X-A: b"), "200", id="§5 name, colon, value"),
    pytest.param(fields(b"X-A:b"), "200", id="§5.1 no space before the value"),
    pytest.param(fields(b"X-A:\t  b \t"), "200", id="§5.1 white space around the value"),
    pytest.param(fields(b"X-A:"), "200", id="§5 an empty value"),
    pytest.param(fields(b"X-A: b:c"), "200", id="§5 a colon in the value"),
    pytest.param(fields(b"X-A: \xe9\xff"), "200", id="RFC 9110 §5.5 obs-text in a value"),
    pytest.param(fields(b"x!#$%&'*+-.^_`|~9: b"), "200", id="RFC 9110 §5.6.2 every byte of a token"),
    pytest.param(fields(b"X-A : b"), "400 close", id="§5.1 white space before the colon"),
    pytest.param(fields(b"X-A\t: b"), "400 close", id="§5.1 a tab before the colon"),
    pytest.param(fields(b" X-A: b"), "400 close", id="§5.2 a line that begins with white space"),
    pytest.param(fields(b"X-A: b", b" c"), "400 close", id="§5.2 obs-fold"),
    pytest.param(fields(b"X-A: b", b"\tc"), "400 close", id="§5.2 obs-fold by a tab"),
    pytest.param(b"GET / HTTP/1.1\r\n Host: localhost\r\n\r\n", "400 close", id="§2.2 white space before the first"),
    pytest.param(fields(b"X-A"), "400 close", id="§5 no colon"),
    pytest.param(fields(b": b"), "400 close", id="§5 no name"),
    pytest.param(fields(b"X A: b"), "400 close", id="§5.1 a space in the name"),
    pytest.param(fields(b"X(A): b"), "400 close", id="§5.1 a delimiter in the name"),
    pytest.param(fields(b"X-\xe9: b"), "400 close", id="§5.1 a byte above ASCII in the name"),
    pytest.param(fields(b"X-A: b\x00c"), "400 close", id="RFC 9110 §5.5 NUL in a value"),
    pytest.param(fields(b"X-A: b\x0bc"), "400 close", id="RFC 9110 §5.5 a control byte in a value"),
    pytest.param(fields(b"X-A: b\x7fc"), "400 close", id="RFC 9110 §5.5 DEL in a value"),
    pytest.param(fields(b"X-A: b\rc"), "400 close", id="§2.2 a bare CR in a value"),
    pytest.param(fields(b"X-A: b\r"), "400 close", id="§2.2 CR CR LF at the end of a line"),
    pytest.param(b"GET / HTTP/1.1\r\n" + HOST + b"X-A: b\n\r\n", "400 close", id="§2.2 a line ended by a bare LF"),
    pytest.param(b"GET / HTTP/1.1\r\n" + HOST + b"\n", "400 close", id="§2.2 the empty line is a bare LF"),
    pytest.param(b"GET / HTTP/1.1\nHost: localhost\n\n", "400 close", id="§2.2 LF throughout"),
]

PROVIDERS = [
    pytest.param(hosted(b" localhost"), "200", id="RFC 9110 §7.2 a name"),
    pytest.param(hosted(b" localhost:1"), "200", id="RFC 9110 §7.2 any port"),
    pytest.param(hosted(b" localhost:"), "200", id="RFC 3986 §3.2.3 an empty port"),
    pytest.param(hosted(b" LOCALHOST"), "200", id="RFC 9110 §4.2.3 names are case-insensitive"),
    pytest.param(hosted(b" 127.0.0.1"), "200", id="RFC 3986 §3.2.2 an IPv4 address"),
    pytest.param(hosted(b" [::1]:8000"), "200", id="RFC 3986 §3.2.2 an IPv6 address"),
    pytest.param(hosted(b" app.localhost"), "200", id="RFC 6761 §6.3 a name below localhost"),
    pytest.param(hosted(), "400 close", id="§3.2 HTTP/1.1 without Host"),
    pytest.param(hosted(version=b"1.2"), "400 close", id="§3.2 HTTP/1.2 without Host"),
    pytest.param(hosted(version=b"1.0"), "200 close", id="§3.2 HTTP/1.0 without Host"),
    pytest.param(hosted(b" localhost", b" localhost"), "400 close", id="§3.2 Host twice"),
    pytest.param(hosted(b" localhost", b" other"), "400 close", id="§3.2 two Hosts"),
    pytest.param(hosted(b" localhost", b" b", version=b"1.0"), "400 close", id="§3.2 two Hosts in HTTP/1.0"),
    pytest.param(hosted(b" "), "400 close", id="§3.2 an empty Host"),
    pytest.param(hosted(b" a b"), "400", id="§3.2 a space in Host"),
    pytest.param(hosted(b" a,b"), "421", id="RFC 3986 §3.2.2 a comma may be in a name"),
    pytest.param(hosted(b" a/b"), "400", id="§3.2 a slash in Host"),
    pytest.param(hosted(b" a?b"), "400", id="§3.2 a question mark in Host"),
    pytest.param(hosted(b" user@localhost"), "400", id="RFC 9110 §7.2 userinfo in Host"),
    pytest.param(hosted(b" http://localhost"), "400", id="§3.2 a URI in Host"),
    pytest.param(hosted(b" localhost:x"), "400", id="RFC 3986 §3.2.3 a port that is no number"),
    pytest.param(hosted(b" localhost:65536"), "400", id="RFC 9110 §7.2 a port above all"),
    pytest.param(hosted(b" localhost:1:2"), "400", id="RFC 3986 §3.2.3 two ports"),
    pytest.param(hosted(b" [::1"), "400", id="RFC 3986 §3.2.2 an address that does not end"),
    pytest.param(hosted(b" ::1"), "400", id="RFC 3986 §3.2.2 IPv6 without brackets"),
    pytest.param(hosted(b" local%zzhost"), "400", id="RFC 3986 §2.1 a bad escape in Host"),
    pytest.param(hosted(b" localhost", target=b"http://localhost/probe.txt"), "200", id="§3.2.2 absolute-form"),
    pytest.param(hosted(target=b"http://localhost/probe.txt"), "400 close", id="§3.2 absolute-form without Host"),
    pytest.param(hosted(b" a b", target=b"http://localhost/probe.txt"), "400", id="§3.2 absolute-form, invalid Host"),
]

EVIL = [
    pytest.param(hosted(b" evil.example"), 421, id="RFC 9110 §7.4 a host that is not ours"),
    pytest.param(hosted(b" localhost.evil.example"), 421, id="a name that only begins like ours"),
    pytest.param(hosted(b" evil-localhost"), 421, id="a name that only ends like ours"),
    pytest.param(hosted(b" 10.0.0.1"), 200, id="an address cannot be rebound"),
    pytest.param(hosted(b" 10.0.0.1.evil.example"), 421, id="a name that begins with an address"),
    pytest.param(hosted(b" localhost", target=b"http://evil.example/"), 421, id="§3.2.2 absolute-form replaces Host"),
    pytest.param(hosted(b" evil.example", target=b"http://localhost/probe.txt"), 200, id="§3.2.2 also to our name"),
    pytest.param(hosted(b" localhost"), 200, id="the next request, for a host that is ours"),
]


def body(*framing: bytes, content: bytes = b"", method: bytes = b"POST", after: bytes = GET) -> bytes:
    return fields(*framing, method=method) + content + after


def chunked(content: bytes, after: bytes = GET, method: bytes = b"GET") -> bytes:
    return body(b"Transfer-Encoding: chunked", content=content, method=method, after=after)


SMUGGLED = b"GET /missing HTTP/1.1\r\nHost: localhost\r\n\r\n"
BODIES = [
    pytest.param(body(b"Content-Length: 5", content=b"hello"), "405 200", id="§6.3 a body of POST is dropped"),
    pytest.param(body(b"Content-Length: 5", content=b"hello", method=b"GET"), "200 200", id="§6.3 a body of GET"),
    pytest.param(body(b"Content-Length: 5", content=b"hello", method=b"HEAD"), "H200 200", id="§6.3 a body of HEAD"),
    pytest.param(body(b"Content-Length: 5", content=b"hello", method=b"OPTIONS"), "204 200", id="§6.3 one of OPTIONS"),
    pytest.param(body(b"Content-Length: 5", content=b"hello", method=b"FROB"), "501 200", id="§6.3 one of no method"),
    pytest.param(body(b"Content-Length: 0"), "405 200", id="§6.3 an empty body"),
    pytest.param(body(b"Content-Length: 000"), "405 200", id="§6.3 zeros are a number"),
    pytest.param(body(), "405 200", id="§6.3 a POST without framing has no body"),
    pytest.param(
        body(b"Content-Length: %d" % len(SMUGGLED), content=SMUGGLED),
        "405 200",
        id="§6.3 a request within a body is no request",
    ),
    pytest.param(body(b"Content-Length: 262144", content=b"x" * 262144), "405 200", id="a body at the limit"),
    pytest.param(fields(b"Content-Length: 262145"), "413 close", id="a body above the limit is not awaited"),
    pytest.param(
        fields(b"Content-Length: 2000000") + b"x" * 2000000, "413 close", id="one who sends it all sees the answer"
    ),
    pytest.param(fields(b"Content-Length: 9" + b"0" * 17), "413 close", id="§8.6 a length of 18 digits"),
    pytest.param(fields(b"Content-Length: 1" + b"0" * 40), "413 close", id="§8.6 a length beyond all integers"),
    pytest.param(body(b"Content-Length: 5", b"Content-Length: 5"), "400 close", id="§6.3 Content-Length twice"),
    pytest.param(body(b"Content-Length: 5", b"Content-Length: 6"), "400 close", id="§6.3 two Content-Lengths"),
    pytest.param(body(b"Content-Length: 5, 5"), "400 close", id="§6.3 a list of lengths"),
    pytest.param(body(b"Content-Length: +5"), "400 close", id="§6.3 a sign"),
    pytest.param(body(b"Content-Length: -5"), "400 close", id="§6.3 a negative length"),
    pytest.param(body(b"Content-Length: 0x5"), "400 close", id="§6.3 hexadecimal"),
    pytest.param(body(b"Content-Length: 5 5"), "400 close", id="§6.3 two numbers"),
    pytest.param(body(b"Content-Length: 5;"), "400 close", id="§6.3 something after the number"),
    pytest.param(body(b"Content-Length: 1_0"), "400 close", id="§6.3 an underscore"),
    pytest.param(body(b"Content-Length: \xb2"), "400 close", id="§6.3 a digit of another script"),
    pytest.param(body(b"Content-Length: 5.0"), "400 close", id="§6.3 a fraction"),
    pytest.param(body(b"Content-Length:"), "400 close", id="§6.3 an empty length"),
    pytest.param(body(b"Content-Length: five"), "400 close", id="§6.3 a word"),
    pytest.param(body(b"Content-Length : 5"), "400 close", id="§5.1 a space before its colon"),
]

CHUNKED = [
    pytest.param(chunked(b"0\r\n\r\n"), "200 200", id="§7.1 no chunk"),
    pytest.param(chunked(b"5\r\nhello\r\n0\r\n\r\n"), "200 200", id="§7.1 one chunk"),
    pytest.param(chunked(b"5\r\nhello\r\n0\r\n\r\n", method=b"POST"), "405 200", id="§7.1 one chunk of POST"),
    pytest.param(chunked(b"5\r\nhello\r\n0\r\n\r\n", method=b"HEAD"), "H200 200", id="§7.1 one chunk of HEAD"),
    pytest.param(chunked(b"A\r\n0123456789\r\na\r\n0123456789\r\n0\r\n\r\n"), "200 200", id="§7.1 hex in either case"),
    pytest.param(chunked(b"0005\r\nhello\r\n000\r\n\r\n"), "200 200", id="§7.1 zeros in front"),
    pytest.param(chunked(b"5;a=b;c\r\nhello\r\n0;d\r\n\r\n"), "200 200", id="§7.1.1 extensions are ignored"),
    pytest.param(
        chunked(b'5 ; a = "b;\\"\r"'.replace(b"\r", b"") + b"\r\nhello\r\n0\r\n\r\n"),
        "200 200",
        id="§7.1.1 a quoted extension",
    ),
    pytest.param(chunked(b"0\r\nX-T: 1\r\nY: 2\r\n\r\n"), "200 200", id="§7.1.2 trailers are dropped"),
    pytest.param(chunked(b"0\r\nContent-Length: 9\r\nHost: x\r\n\r\n"), "200 200", id="§6.5.1 trailers change nothing"),
    pytest.param(
        chunked(b"%x\r\n" % len(SMUGGLED) + SMUGGLED + b"\r\n0\r\n\r\n"), "200 200", id="a request within a chunk"
    ),
    pytest.param(chunked(b"1\r\na\r\n" * 500 + b"0\r\n\r\n"), "200 200", id="§7.1 many small chunks"),
    pytest.param(chunked(b"20000\r\n" + b"x" * 131072 + b"\r\n0\r\n\r\n"), "200 200", id="§7.1 a large chunk"),
    pytest.param(chunked(b"40001\r\n" + b"x" * 100), "413 close", id="more content than the limit"),
    pytest.param(chunked(b"FFFFFFFFFFFFFFF\r\n"), "413 close", id="§7.1 the largest size of 15 digits"),
    pytest.param(chunked(b"1" + b"0" * 15 + b"\r\n"), "400 close", id="§7.1 a size of 16 digits"),
    pytest.param(chunked(b"10000000000000005\r\nhello\r\n0\r\n\r\n"), "400 close", id="§7.1 a size beyond 64 bits"),
    pytest.param(chunked(b"5\nhello\r\n0\r\n\r\n"), "400 close", id="§7.1 a size ended by a bare LF"),
    pytest.param(chunked(b"5\r\nhello\n0\r\n\r\n"), "400 close", id="§7.1 data ended by a bare LF"),
    pytest.param(chunked(b"5\r\nhello0\r\n\r\n"), "400 close", id="§7.1 data that is not ended"),
    pytest.param(chunked(b"5\r\nhello!\r\n0\r\n\r\n"), "400 close", id="§7.1 more data than its size"),
    pytest.param(chunked(b"6\r\nhello\r\n0\r\n\r\n"), "400 close", id="§7.1 less data than its size"),
    pytest.param(chunked(b"g\r\n"), "400 close", id="§7.1 a size that is not hex"),
    pytest.param(chunked(b"0x5\r\nhello\r\n0\r\n\r\n"), "400 close", id="§7.1 a size with 0x"),
    pytest.param(chunked(b"-5\r\nhello\r\n0\r\n\r\n"), "400 close", id="§7.1 a negative size"),
    pytest.param(chunked(b"+5\r\nhello\r\n0\r\n\r\n"), "400 close", id="§7.1 a signed size"),
    pytest.param(chunked(b" 5\r\nhello\r\n0\r\n\r\n"), "400 close", id="§7.1 a space before the size"),
    pytest.param(chunked(b"5 \r\nhello\r\n0\r\n\r\n"), "400 close", id="§7.1 a space after the size"),
    pytest.param(chunked(b"\r\n"), "400 close", id="§7.1 no size"),
    pytest.param(chunked(b";a\r\n"), "400 close", id="§7.1 an extension without a size"),
    pytest.param(chunked(b"5;\x00\r\nhello\r\n0\r\n\r\n"), "400 close", id="§7.1.1 a control byte in an extension"),
    pytest.param(chunked(b"5;a\nb\r\nhello\r\n0\r\n\r\n"), "400 close", id="§7.1.1 a bare LF in an extension"),
    pytest.param(chunked(b"5;" + b"a" * 300 + b"\r\n"), "400 close", id="§7.1.1 a long extension"),
    pytest.param(chunked(b"0\r\nX-T : 1\r\n\r\n"), "400 close", id="§7.1.2 a malformed trailer"),
    pytest.param(chunked(b"0\r\nX-T: 1\n\r\n"), "400 close", id="§7.1.2 a trailer ended by a bare LF"),
    pytest.param(chunked(b"0\r\nX-T: 1\r\n 2\r\n\r\n"), "400 close", id="§7.1.2 a folded trailer"),
    pytest.param(
        chunked(b"0\r\n" + b"X: y\r\n" * 101 + b"\r\n"), "431 close", id="§7.1.2 more trailers than the limit"
    ),
    pytest.param(
        chunked(b"0\r\n\r\n", method=b"HEAD") + chunked(b"zz\r\n", after=b""),
        "H200 200 400 close",
        id="after good ones",
    ),
]


def coded(*lines: bytes, version: bytes = b"1.1") -> bytes:
    return (
        b"POST / HTTP/" + version + b"\r\n" + HOST + b"".join(field + b"\r\n" for field in lines) + b"\r\n"
        b"0\r\n\r\n" + GET
    )


CODINGS = [
    pytest.param(coded(b"Transfer-Encoding: chunked"), "405 200", id="§6.1 chunked"),
    pytest.param(coded(b"Transfer-Encoding: Chunked"), "405 200", id="§7 codings are case-insensitive"),
    pytest.param(coded(b"Transfer-Encoding: \t chunked \t"), "405 200", id="§5.1 white space around it"),
    pytest.param(
        coded(b"Transfer-Encoding: chunked", b"Content-Length: 5"), "400 close", id="§6.1 with Content-Length"
    ),
    pytest.param(coded(b"Content-Length: 5", b"Transfer-Encoding: chunked"), "400 close", id="§6.1 in either order"),
    pytest.param(coded(b"Content-Length: 0", b"Transfer-Encoding: chunked"), "400 close", id="§6.1 also with 0"),
    pytest.param(coded(b"Transfer-Encoding: chunked", version=b"1.0"), "400 close", id="§6.1 in HTTP/1.0"),
    pytest.param(coded(b"Transfer-Encoding: gzip, chunked"), "501 close", id="§6.1 a coding that we do not have"),
    pytest.param(coded(b"Transfer-Encoding: frob"), "501 close", id="§6.1 a coding that nobody knows"),
    pytest.param(coded(b"Transfer-Encoding: gzip"), "400 close", id="§6.3 the last is not chunked"),
    pytest.param(coded(b"Transfer-Encoding: chunked, gzip"), "400 close", id="§6.3 chunked is not the last"),
    pytest.param(coded(b"Transfer-Encoding: identity"), "400 close", id="§7 identity is no coding any more"),
    pytest.param(coded(b"Transfer-Encoding: chunked, chunked"), "400 close", id="§6.1 chunked twice"),
    pytest.param(coded(b"Transfer-Encoding: chunked", b"Transfer-Encoding: chunked"), "400 close", id="§6.1 two lines"),
    pytest.param(coded(b"Transfer-Encoding: chunked", b"Transfer-Encoding: x"), "501 close", id="§6.1 hidden in two"),
    pytest.param(coded(b"Transfer-Encoding: x, identity"), "501 close", id="§6.1 an unknown one before identity"),
    pytest.param(coded(b"Transfer-Encoding:"), "400 close", id="§6.1 an empty value"),
    pytest.param(coded(b"Transfer-Encoding: chunked,"), "400 close", id="§6.1 an empty element"),
    pytest.param(coded(b"Transfer-Encoding: chunked;q=1"), "400 close", id="§7.1 chunked has no parameters"),
    pytest.param(coded(b'Transfer-Encoding: "chunked"'), "400 close", id="§7 a quoted coding"),
    pytest.param(coded(b"Transfer-Encoding: \x0bchunked"), "400 close", id="RFC 9110 §5.5 hidden by a control byte"),
    pytest.param(coded(b"Transfer-Encoding : chunked"), "400 close", id="§5.1 hidden by a space"),
    pytest.param(coded(b"Transfer-Encoding:\r\n chunked"), "400 close", id="§5.2 hidden by a fold"),
    pytest.param(coded(b"TE: trailers", b"Content-Length: 5"), "405 200", id="RFC 9110 §10.1.4 TE is another field"),
]


def sized_target(size: int) -> bytes:
    return line(b"GET /%b HTTP/1.1" % (b"?" + b"a" * (size - len(b"GET /? HTTP/1.1"))))


def sized_field(size: int) -> bytes:
    return fields(b"X: " + b"a" * (size - len(b"X: ")))


def sized_head(size: int) -> bytes:
    """Return a request whose head has this size, in lines of 4000 bytes."""
    start = b"GET /probe.txt HTTP/1.1\r\n" + HOST
    left = size - len(start) - 2
    lines = [b"X: " + b"a" * 3995 + b"\r\n"] * (left // 4000)
    rest = left % 4000
    return start + b"".join(lines) + b"Y: " + b"a" * (rest - 5) + b"\r\n\r\n"


LIMITS = [
    pytest.param(sized_target(8192), "200", id="a request line of 8192 bytes"),
    pytest.param(sized_target(8193), "414 close", id="a request line of 8193 bytes"),
    pytest.param(b"GET /" + b"a" * 70000, "414 close", id="a request line without end"),
    pytest.param(b"A" * 70000, "414 close", id="a method without end"),
    pytest.param(sized_field(16384), "200", id="a field line of 16384 bytes"),
    pytest.param(sized_field(16385), "431 close", id="a field line of 16385 bytes"),
    pytest.param(fields(b"X: " + b"a" * 70000), "431 close", id="a field line without end"),
    pytest.param(fields(b"a" * 70000), "431 close", id="a name without end"),
    pytest.param(sized_head(32768), "200", id="a head of 32768 bytes"),
    pytest.param(sized_head(32769), "431 close", id="a head of 32769 bytes"),
    pytest.param(fields(*[b"X: y"] * 99), "200", id="100 fields"),
    pytest.param(fields(*[b"X: y"] * 100), "431 close", id="101 fields"),
]


def connected(*lines: bytes, version: bytes = b"1.1") -> bytes:
    return b"GET /probe.txt HTTP/" + version + b"\r\n" + HOST + b"".join(f + b"\r\n" for f in lines) + b"\r\n"


PERSISTENCE = [
    pytest.param(connected(), "200", id="§9.3 1.1 persists"),
    pytest.param(connected(b"Connection: keep-alive"), "200", id="§9.3 1.1 with keep-alive"),
    pytest.param(connected(b"Connection: close") + GET, "200 close", id="§9.6 nothing is answered after close"),
    pytest.param(connected(b"Connection: CLOSE"), "200 close", id="RFC 9110 §7.6.1 options are case-insensitive"),
    pytest.param(connected(b"Connection: foo, close ,bar"), "200 close", id="RFC 9110 §7.6.1 close in a list"),
    pytest.param(connected(b"Connection: foo", b"Connection: close"), "200 close", id="RFC 9110 §5.3 in another line"),
    pytest.param(connected(b"Connection: ,, close"), "200 close", id="RFC 9110 §5.6.1 after empty elements"),
    pytest.param(connected(b"Connection: keep-alive, close"), "200 close", id="§9.3 close wins"),
    pytest.param(connected(b"Connection: closed"), "200", id="RFC 9110 §7.6.1 closed is not close"),
    pytest.param(connected(b"Connection: x-close, close-x"), "200", id="RFC 9110 §7.6.1 nor is part of a token"),
    pytest.param(connected(b"Proxy-Connection: close"), "200", id="Proxy-Connection is another field"),
    pytest.param(connected(b"Keep-Alive: timeout=1"), "200", id="Keep-Alive is another field"),
    pytest.param(connected(b"Connection: Upgrade", b"Upgrade: h2c"), "200", id="RFC 9110 §7.8 Upgrade may be ignored"),
    pytest.param(connected(version=b"1.0"), "200 close", id="§9.3 1.0 ends"),
    pytest.param(connected(b"Connection: keep-alive", version=b"1.0"), "200", id="§9.3 1.0 with keep-alive persists"),
    pytest.param(connected(b"Connection: Keep-Alive", version=b"1.0"), "200", id="§9.3 in any case"),
    pytest.param(connected(b"Connection: x, keep-alive", version=b"1.0"), "200", id="§9.3 in a list"),
    pytest.param(connected(b"Connection: keep-alive, close", version=b"1.0"), "200 close", id="§9.3 close wins in 1.0"),
]

PIPELINES = [
    pytest.param(GET * 3, "200 " * 3, id="§9.3.2 in order"),
    pytest.param(GET * 500, "200 " * 500, id="§9.3.2 five hundred in one segment"),
    pytest.param((GET + HEAD + MISSING) * 150, "200 H200 404 " * 150, id="§9.3.2 mixed methods and errors"),
    pytest.param(
        fields(b"Content-Length: 3", method=b"POST") + b"abc" + HEAD + chunked(b"3\r\nabc\r\n0\r\n\r\n") + MISSING,
        "405 H200 200 200 404",
        id="§9.3.2 with bodies between",
    ),
    pytest.param(GET + b"\r\n" + GET + b"\r\n\r\n" + GET, "200 200 200", id="§2.2 with empty lines between"),
    pytest.param(GET * 20 + b"BAD\r\n\r\n" + GET, "200 " * 20 + "400 close", id="one that is broken ends it"),
    pytest.param(GET + b"HEAD /probe.txt HTTP/1.1\r\n\r\n", "200 H400 close", id="RFC 9110 §9.3.2 HEAD without Host"),
    pytest.param(HEAD * 300, "H200 " * 300, id="§9.3.2 HEAD only"),
    pytest.param((fields(method=b"OPTIONS") + fields(method=b"FROB")) * 40, "204 501 " * 40, id="OPTIONS and others"),
    pytest.param(connected(version=b"1.0") + GET, "200 close", id="§9.3 a 1.0 request ends it"),
    pytest.param(
        connected(b"Connection: keep-alive", version=b"1.0") + GET, "200 200", id="§9.3 a 1.0 request that persists"
    ),
]


@pytest.mark.parametrize(("wire", "expected"), REQUEST_LINES)
def test_request_line(site: ServedSite, wire: bytes, expected: str) -> None:
    check_row(site, wire, expected)


@pytest.mark.parametrize(("wire", "expected"), FIELD_LINES)
def test_field_line(site: ServedSite, wire: bytes, expected: str) -> None:
    check_row(site, wire, expected)


@pytest.mark.parametrize(("wire", "expected"), [row for row in PROVIDERS if "421" not in row.values])
def test_host(site: ServedSite, wire: bytes, expected: str) -> None:
    check_row(site, wire, expected)


@pytest.mark.parametrize(("wire", "status"), EVIL)
def test_a_loopback_server_answers_for_its_own_names_only(site: ServedSite, wire: bytes, status: int) -> None:
    with site.connect() as client:
        client.connection.sendall(wire)
        response = client.receive()
        assert response.status == status
        assert status == 200 or b"--allowed-host" in response.body
        assert site.is_alive(client)


@pytest.mark.parametrize(("wire", "expected"), BODIES)
def test_body_by_content_length(site: ServedSite, wire: bytes, expected: str) -> None:
    check_row(site, wire, expected)


@pytest.mark.parametrize(("wire", "expected"), CHUNKED)
def test_chunked_body(site: ServedSite, wire: bytes, expected: str) -> None:
    check_row(site, wire, expected)


@pytest.mark.parametrize(("wire", "expected"), CODINGS)
def test_transfer_encoding(site: ServedSite, wire: bytes, expected: str) -> None:
    check_row(site, wire, expected)


@pytest.mark.parametrize(("wire", "expected"), LIMITS)
def test_limit(site: ServedSite, wire: bytes, expected: str) -> None:
    check_row(site, wire, expected)


@pytest.mark.parametrize(("wire", "expected"), PERSISTENCE)
def test_persistence(site: ServedSite, wire: bytes, expected: str) -> None:
    check_row(site, wire, expected)


@pytest.mark.parametrize(("wire", "expected"), PIPELINES)
def test_pipeline(site: ServedSite, wire: bytes, expected: str) -> None:
    check_row(site, wire, expected)


def test_http_1_0_gets_connection_keep_alive(site: ServedSite) -> None:
    with site.connect() as client:
        client.connection.sendall(connected(b"Connection: keep-alive", version=b"1.0"))
        assert client.receive().fields["connection"] == "keep-alive"  # §9.3


def expecting(method: bytes = b"GET", *lines: bytes, version: bytes = b"1.1", target: bytes = b"/probe.txt") -> bytes:
    head = method + b" " + target + b" HTTP/" + version + b"\r\n" + HOST
    return head + b"".join(f + b"\r\n" for f in lines) + b"\r\n"


EXPECT = b"Expect: 100-continue"
EXPECTATIONS = [
    pytest.param(
        expecting(b"GET", EXPECT, EXPECT, b"Content-Length: 3"), b"abc", "100", "200", id="§10.1.1 it is a list"
    ),
    pytest.param(
        expecting(b"GET", b"Expect: 100-continue, frob", b"Content-Length: 3"), b"", "", "417 close",
        id="§10.1.1 a list with another",
    ),
    pytest.param(expecting(b"GET", EXPECT, b"Content-Length: 3"), b"abc", "100", "200", id="§10.1.1 100, then a body"),
    pytest.param(
        expecting(b"GET", EXPECT, b"Transfer-Encoding: chunked"), b"0\r\n\r\n", "100", "200", id="§10.1.1 also chunked"
    ),
    pytest.param(
        expecting(b"GET", b"Expect: 100-Continue", b"Content-Length: 3"), b"abc", "100", "200", id="§10.1.1 in any case"
    ),
    pytest.param(expecting(b"HEAD", EXPECT, b"Content-Length: 3"), b"abc", "100", "H200", id="§10.1.1 for HEAD"),
    pytest.param(
        expecting(b"OPTIONS", EXPECT, b"Content-Length: 3"), b"abc", "100", "204", id="§10.1.1 for OPTIONS"
    ),
    pytest.param(expecting(b"GET", EXPECT), b"", "", "200", id="§10.1.1 no body, no 100"),
    pytest.param(expecting(b"GET", EXPECT, b"Content-Length: 0"), b"", "", "200", id="§10.1.1 no content, no 100"),
    pytest.param(expecting(b"GET", EXPECT, b"Content-Length: 3") + b"abc", b"", "", "200", id="§10.1.1 it is there"),
    pytest.param(expecting(b"POST", EXPECT, b"Content-Length: 3"), b"", "", "405 close", id="§10.1.1 405, not 100"),
    pytest.param(
        expecting(b"GET", EXPECT, b"Content-Length: 3", target=b"/no"), b"", "", "404 close", id="§10.1.1 404, not 100"
    ),
    pytest.param(expecting(b"FROB", EXPECT, b"Content-Length: 3"), b"", "", "501 close", id="§10.1.1 501, not 100"),
    pytest.param(
        expecting(b"GET", EXPECT, b"Content-Length: 300000"), b"", "", "413 close", id="§10.1.1 413, not 100"
    ),
    pytest.param(
        expecting(b"GET", b"Expect: frob", b"Content-Length: 3"), b"", "", "417 close", id="§10.1.1 another expectation"
    ),
    pytest.param(expecting(b"GET", b"Expect: frob"), b"", "", "417", id="§10.1.1 another one without a body"),
    pytest.param(expecting(b"GET", b"Expect:"), b"", "", "200", id="§5.6.1.2 an empty list expects nothing"),
    pytest.param(
        expecting(b"GET", b"Expect: , 100-continue,,", b"Content-Length: 3"), b"abc", "100", "200",
        id="§5.6.1.2 empty elements are left out",
    ),
    pytest.param(
        expecting(b"GET", EXPECT, b"Content-Length: 3", b"Connection: keep-alive", version=b"1.0"), b"abc", "", "200",
        id="§10.1.1 ignored in HTTP/1.0",
    ),
    pytest.param(
        expecting(b"GET", EXPECT, b"Content-Length: 3", b"Transfer-Encoding: chunked"), b"", "", "400 close",
        id="§6.3 broken framing comes first",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("head", "content", "interim", "final"), EXPECTATIONS)
def test_expectation(site: ServedSite, head: bytes, content: bytes, interim: str, final: str) -> None:
    for connect, size in ((site.connect, len(head)), (site.connect_to_unix_socket, 7)):
        with connect() as client:
            client.send_in_pieces(head, size)
            if interim:
                assert client.receive().status == 100
            client.connection.sendall(content)
            receive_all(site, client, final)


@pytest.mark.parametrize(
    ("wire", "expected"),
    [
        pytest.param(GET, [PROBE], id="one request"),
        pytest.param(GET * 200, [PROBE] * 200, id="a pipeline"),
        pytest.param(fields(b"Content-Length: 3") + b"abc", [PROBE], id="one with a body"),
        pytest.param(b"GET /large.bin HTTP/1.1\r\n" + HOST + b"\r\n", [LARGE], id="a large file"),
        pytest.param(b"GET /large.bin HTTP/1.1\r\n" + HOST + b"\r\n" + GET * 3, [LARGE] + [PROBE] * 3, id="and more"),
    ],
)
def test_a_client_that_has_ended_its_side_gets_all_responses(
    site: ServedSite, wire: bytes, expected: list[bytes]
) -> None:
    with site.connect() as client:
        client.connection.sendall(wire)
        client.end_writing()
        assert [client.receive().body for _ in expected] == expected
        assert client.at_end()


@pytest.mark.parametrize(
    "wire",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(GET[:-1], id="half a head"),
        pytest.param(fields(b"Content-Length: 3") + b"ab", id="half a body"),
    ],
)
def test_half_a_request_is_none(site: ServedSite, wire: bytes) -> None:
    with site.connect() as client:
        client.connection.sendall(wire)
        client.end_writing()
        assert client.at_end()


def test_a_slow_reader_gets_a_pipeline_of_large_files_whole(site: ServedSite) -> None:
    connection = socket.socket()
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    connection.settimeout(60)
    connection.connect(("127.0.0.1", site.server.port))
    with site.begin(connection) as client:
        client.connection.sendall((b"GET /large.bin HTTP/1.1\r\n" + HOST + b"\r\n" + HEAD) * 2)
        with site.connect() as other:  # nobody waits for the one who does not read
            assert site.is_alive(other)
        for _ in range(2):
            assert client.receive().body == LARGE
            assert client.receive("HEAD").status == 200
        assert site.is_alive(client)


def test_a_client_that_does_not_read_is_not_read_from(site: ServedSite) -> None:
    """A pipeline without end must stop at the buffers of the kernel."""
    with site.connect_to_unix_socket() as client:
        client.connection.settimeout(0.5)
        with pytest.raises(TimeoutError):
            client.connection.sendall(GET * 200_000)


def test_a_client_that_sends_on_after_the_last_response_gets_it(site: ServedSite) -> None:
    """Lingering close (§9.6): a reset would take the answer from a client that has not read it yet."""
    with site.connect() as client:
        client.connection.sendall(fields(b"Content-Length: 9" + b"0" * 9))
        for _ in range(64):
            client.connection.sendall(b"x" * 16384)
        assert client.receive().status == 413
        assert client.at_end()


def test_a_client_that_sends_during_the_last_response_gets_it_whole(site: ServedSite) -> None:
    with site.connect() as client:
        client.connection.sendall(b"GET /large.bin HTTP/1.1\r\n" + HOST + b"Connection: close\r\n\r\n")
        client.connection.sendall(b"x" * 1000)  # while the answer is on its way: it is never read
        assert client.receive().body == LARGE
        assert client.at_end()


LATE = [
    pytest.param(GET[:10], "408 close", id="half a request line"),
    pytest.param(GET[:-2], "408 close", id="a head without its end"),
    pytest.param(fields(b"Content-Length: 3") + b"ab", "408 close", id="a body without its end"),
    pytest.param(fields(b"Content-Length: 3", method=b"HEAD") + b"ab", "H408 close", id="a body of HEAD"),
    pytest.param(chunked(b"3\r\nab", after=b""), "408 close", id="a chunk without its end"),
    pytest.param(GET + GET[:10], "200 408 close", id="half a request after a whole one"),
    pytest.param(expecting(b"GET", EXPECT, b"Content-Length: 3"), "100 408 close", id="no body after 100"),
]
QUIET = [
    pytest.param(b"", 0, id="no request"),
    pytest.param(GET, 1, id="one request"),
    pytest.param(GET * 3, 3, id="three requests"),
    pytest.param(GET + b"\r\n", 1, id="§2.2 one request and an empty line, which is no request"),
    pytest.param(b"\r\n", 0, id="§2.2 an empty line alone"),
]


@pytest.fixture(scope="module")
def waiting(impatient_site: ServedSite) -> Iterator[dict[bytes, RawClient]]:
    """A connection for each row above, all opened at once: so they time out together."""
    wires = [row.values[0] for row in (*LATE, *QUIET)]
    with contextlib.ExitStack() as stack:
        clients = {}
        for wire in wires:
            clients[wire] = stack.enter_context(impatient_site.connect())
            clients[wire].connection.sendall(wire)
        yield clients


@pytest.mark.parametrize(("wire", "expected"), LATE)
def test_a_request_that_does_not_arrive_is_timed_out(
    impatient_site: ServedSite, waiting: dict[bytes, RawClient], wire: bytes, expected: str
) -> None:
    receive_all(impatient_site, waiting[wire], expected)


@pytest.mark.parametrize(("wire", "answers"), QUIET)
def test_an_idle_connection_is_closed_without_a_word(
    waiting: dict[bytes, RawClient], wire: bytes, answers: int
) -> None:
    for _ in range(answers):
        assert waiting[wire].receive().status == 200
    assert waiting[wire].at_end()


def test_a_head_that_comes_by_the_byte_is_timed_out_all_the_same(impatient_site: ServedSite) -> None:
    with impatient_site.connect() as client:
        began_s = time.monotonic()
        while not client.hears(0.1):
            assert time.monotonic() - began_s < 60
            client.connection.sendall(b"a")
        assert client.receive().status == 408
