"""The fields of forwarded messages: a table for each rule."""

from __future__ import annotations

import pytest

from fastfile.http.intermediaries.relay import (
    MAX_PASSES,
    Names,
    is_last_recipient,
    is_looping,
    is_websocket,
    make_request_fields,
    make_response_fields,
    make_upgrade_fields,
    rewrite_cookie,
    rewrite_location,
)
from fastfile.message import HTTP_2, Field, RequestHead

NAMES = Names(b"/api", b"", False, b"localhost:3000", b"localhost:8000", False)
STRIPPED = NAMES._replace(strips=True)
BASED = NAMES._replace(strips=True, base=b"/v1")
NAMED = NAMES._replace(upstream=b"api.example", client=b"www.site.example")


def make_head(*lines: str, method: bytes = b"GET", minor_version: int = 1, authority: bytes = b"here") -> RequestHead:
    section = "".join(line + "\r\n" for line in lines).encode("latin-1")
    head = RequestHead(method, b"/api/x", minor_version, 0, section, authority=authority)
    head.peer = b"\x7f\0\0\1"
    return head


def forward(*lines: str, **options: object) -> dict[str, str]:
    """Return the forwarded fields, without those that are always added."""
    fields = make_request_fields(make_head(*lines), b"up", b"here", False, bool(options.get("hides")))
    always = {"Host", "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto", "Via", "Connection"}
    return {name.decode(): value.decode("latin-1") for name, value in fields if name.decode() not in always}


DROPPED = [
    "Connection: keep-alive",
    "Keep-Alive: timeout=5",
    "Proxy-Connection: keep-alive",
    "Proxy-Authorization: Basic x",
    "TE: trailers",
    "Trailer: X",
    "Transfer-Encoding: chunked",
    "Content-Length: 3",
    "Upgrade: h2c",
    "HTTP2-Settings: x",
    "Expect: 100-continue",
    "Host: elsewhere",
    "Forwarded: for=1.2.3.4",
    "X-Forwarded-For: 1.2.3.4",
    "X_Forwarded_For: 1.2.3.4",
    "x-forwarded-proto: https",
    "X-Forwarded-Host: elsewhere",
    "X-Forwarded-Port: 1",
    "X-Real-IP: 1.2.3.4",
    "Max-Forwards: 5",
]


@pytest.mark.parametrize("line", DROPPED)
def test_a_field_of_the_connection_or_of_a_claimed_client_does_not_pass(line: str) -> None:
    assert forward(line, "X-A: b") == {"X-A": "b"}


@pytest.mark.parametrize("options", ["x-a", "X-A", "close, x-a", "x-a,,close"])
def test_a_field_that_connection_names_does_not_pass(options: str) -> None:
    assert forward("X-A: b", f"Connection: {options}", "X-B: c") == {"X-B": "c"}


def test_other_fields_pass_with_their_values_and_repeats() -> None:
    lines = ("Cookie: a=b", "Accept: x", "Accept: y", "Authorization: Bearer z", "Range: bytes=0-1")
    fields = make_request_fields(make_head(*lines), b"up", b"here", False, False)
    assert [field for field in fields if field[0] == b"Accept"] == [(b"Accept", b"x"), (b"Accept", b"y")]
    assert forward("Authorization: Bearer z") == {"Authorization": "Bearer z"}
    assert forward("Authorization: Basic z", hides=True) == {}


def test_the_client_and_the_way_are_named() -> None:
    fields = dict(make_request_fields(make_head("Via: 1.0 other"), b"up", b"here", False, False))
    assert fields[b"Host"] == b"up"
    assert fields[b"X-Forwarded-For"] == b"127.0.0.1"
    assert fields[b"X-Forwarded-Host"] == b"here"
    assert fields[b"X-Forwarded-Proto"] == b"http"
    assert fields[b"Via"] == b"1.0 other, 1.1 fastfile"
    assert fields[b"Connection"] == b"close"
    head = make_head(minor_version=HTTP_2)
    head.peer = bytes(10) + b"\xff\xff\x01\x02\x03\x04"
    head.is_secure = True
    fields = dict(make_request_fields(head, b"up", b"here", True, False))
    assert fields[b"X-Forwarded-For"] == b"1.2.3.4"
    assert fields[b"X-Forwarded-Proto"] == b"https"
    assert fields[b"Via"] == b"2.0 fastfile"
    assert (fields[b"Connection"], fields[b"Upgrade"]) == (b"Upgrade", b"websocket")


def test_max_forwards_counts_down() -> None:
    head = make_head("Max-Forwards: 2", method=b"OPTIONS")
    assert (b"Max-Forwards", b"1") in make_request_fields(head, b"up", b"here", False, False)
    assert not is_last_recipient(head)
    assert is_last_recipient(make_head("Max-Forwards: 0", method=b"OPTIONS"))
    assert not is_last_recipient(make_head("Max-Forwards: 0"))


def test_a_loop_is_seen_by_via() -> None:
    passed = ", ".join(["1.1 fastfile"] * MAX_PASSES)
    assert is_looping(make_head(f"Via: {passed}"))
    assert not is_looping(make_head(f"Via: {passed.removesuffix(', 1.1 fastfile')}, 1.1 another"))


@pytest.mark.parametrize(
    ("lines", "opens"),
    [
        (("Upgrade: websocket", "Connection: Upgrade"), True),
        (("Upgrade: WebSocket", "Connection: keep-alive, upgrade"), True),
        (("Upgrade: h2c", "Connection: Upgrade"), False),
        (("Upgrade: websocket",), False),
        (("Connection: Upgrade",), False),
    ],
)
def test_only_websockets_are_upgraded(lines: tuple[str, ...], opens: bool) -> None:
    assert is_websocket(make_head(*lines)) is opens
    assert not is_websocket(make_head(*lines, minor_version=0))
    assert not is_websocket(make_head(*lines, method=b"POST"))


LOCATIONS = [
    (NAMES, b"http://localhost:3000/api/y", b"/api/y"),
    (NAMES, b"http://LOCALHOST:3000/api/y?q#f", b"/api/y?q#f"),
    (NAMES, b"http://127.0.0.1:3000/login", b"/login"),
    (NAMES, b"https://localhost:3000/login", b"/login"),
    (NAMES, b"http://localhost:8000/x", b"/x"),
    (NAMES, b"//localhost:3000/x", b"/x"),
    (NAMES, b"http://localhost:3000", b"/"),
    (NAMES, b"http://localhost:3000?q", b"/?q"),
    (NAMES, b"http://localhost:3000//evil.example", b"/evil.example"),
    (NAMES, b"http://localhost:3000/\\evil.example", b"/evil.example"),
    (NAMES, b"/x", b"/x"),
    (NAMES, b"x", b"x"),
    (NAMES, b"?x", b"?x"),
    (NAMES, b"http://localhost:4000/x", b"http://localhost:4000/x"),
    (NAMES, b"http://localhost/x", b"http://localhost/x"),
    (NAMES, b"https://other.example/x", b"https://other.example/x"),
    (NAMES, b"//other.example/x", b"//other.example/x"),
    (NAMES, b"http://user@localhost:3000/x", b"http://user@localhost:3000/x"),
    (NAMES, b"mailto:a@b", b"mailto:a@b"),
    (NAMES, b"", b""),
    (STRIPPED, b"/login", b"/api/login"),
    (STRIPPED, b"/", b"/api/"),
    (STRIPPED, b"http://localhost:3000/login?q", b"/api/login?q"),
    (STRIPPED, b"http://localhost:3000", b"/api/"),
    (STRIPPED, b"http://localhost:8000/login", b"/api/login"),
    (BASED, b"/v1/login", b"/api/login"),
    (BASED, b"/v1", b"/api"),
    (BASED, b"/v1?q", b"/api?q"),
    (BASED, b"/v10/login", b"/v10/login"),
    (NAMED, b"https://api.example/x", b"/x"),
    (NAMED, b"https://api.example:443/x", b"/x"),
    (NAMED, b"https://api.example:8443/x", b"https://api.example:8443/x"),
]


@pytest.mark.parametrize(("names", "value", "rewritten"), LOCATIONS)
def test_a_location_on_the_upstream_is_a_path_here(names: Names, value: bytes, rewritten: bytes) -> None:
    assert rewrite_location(value, names) == rewritten


COOKIES = [
    (NAMES, b"a=b", b"a=b"),
    (NAMES, b"a=b; Domain=api.example; HttpOnly", b"a=b; HttpOnly"),
    (NAMES, b"a=b; Domain=localhost", b"a=b; Domain=localhost"),
    (NAMES, b"a=b;domain=.example", b"a=b"),
    (NAMED, b"a=b; Domain=site.example", b"a=b; Domain=site.example"),
    (NAMED, b"a=b; Domain=.site.example", b"a=b; Domain=.site.example"),
    (NAMED, b"a=b; Domain=osite.example", b"a=b"),
    (NAMES, b"a=b; Secure; Path=/", b"a=b; Path=/"),
    (NAMES, b"a=b; SameSite=None; Secure; Partitioned", b"a=b"),
    (NAMES, b"a=b; SameSite=Lax; Secure", b"a=b; SameSite=Lax"),
    (NAMES, b"__Secure-a=b; Secure", b"__Secure-a=b; Secure"),
    (NAMES._replace(is_secure=True), b"a=b; SameSite=None; Secure", b"a=b; SameSite=None; Secure"),
    (STRIPPED, b"a=b; Path=/", b"a=b; Path=/api"),
    (STRIPPED, b"a=b; path=/x/", b"a=b; Path=/api/x"),
    (STRIPPED, b"__Host-a=b; Path=/; Secure", b"__Host-a=b; Path=/; Secure"),
    (BASED, b"a=b; Path=/v1/x", b"a=b; Path=/api/x"),
    (NAMES, b"a=b; Expires=Wed, 09 Jun 2027 10:18:14 GMT", b"a=b; Expires=Wed, 09 Jun 2027 10:18:14 GMT"),
]


@pytest.mark.parametrize(("names", "value", "rewritten"), COOKIES)
def test_a_cookie_is_one_that_browsers_accept_from_here(names: Names, value: bytes, rewritten: bytes) -> None:
    assert rewrite_cookie(value, names) == rewritten


def test_a_response_keeps_its_fields_but_for_those_of_the_connection() -> None:
    fields: list[Field] = [
        (b"Content-Type", b"text/html"),
        (b"Set-Cookie", b"a=b"),
        (b"Set-Cookie", b"c=d; Secure"),
        (b"Connection", b"close, X-Gone"),
        (b"X-Gone", b"x"),
        (b"Keep-Alive", b"timeout=5"),
        (b"Transfer-Encoding", b"chunked"),
        (b"Content-Length", b"3"),
        (b"Trailer", b"X"),
        (b"Date", b"Mon, 01 Jan 2024 00:00:00 GMT"),
        (b"Location", b"http://localhost:3000/x"),
        (b"Content-Encoding", b"br"),
    ]
    assert make_response_fields(fields, NAMES) == (
        (b"Content-Type", b"text/html"),
        (b"Set-Cookie", b"a=b"),
        (b"Set-Cookie", b"c=d"),
        (b"Location", b"/x"),
        (b"Content-Encoding", b"br"),
    )


def test_a_101_has_the_fields_of_the_websocket() -> None:
    fields = [(b"Upgrade", b"websocket"), (b"Connection", b"upgrade"), (b"Sec-WebSocket-Accept", b"x"), (b"Date", b"y")]
    assert make_upgrade_fields(fields) == (
        (b"Upgrade", b"websocket"),
        (b"Connection", b"Upgrade"),
        (b"Sec-WebSocket-Accept", b"x"),
    )
