"""Which requests are forwarded, and with which target."""

from __future__ import annotations

import pytest

from fastfile.config.config import Config
from fastfile.config.proxy_values import parse_upstream
from fastfile.message import RequestHead
from fastfile.middleware.proxy import find_route, has_dot_segments, make_routes, make_target

CONFIG = Config(
    proxy=tuple(
        map(
            parse_upstream,
            (
                "/api=http://a:1",
                "/api/v2=http://b:2/base",
                "/plain=http://c:3,strip=1",
                "/deep=http://d:4/x/y,strip=1",
            ),
        )
    ),
    mount=(("/api/docs", "docs"),),
)
ROUTES = make_routes(CONFIG)

# A target, and where it goes: the authority of the upstream, and the target there. None: to the files.
TARGETS = [
    (b"/api", "a:1", b"/api"),
    (b"/api/", "a:1", b"/api/"),
    (b"/api?x=/y", "a:1", b"/api?x=/y"),
    (b"/api/x/?q=1&r=%20", "a:1", b"/api/x/?q=1&r=%20"),
    (b"/api/x%2Fy", "a:1", b"/api/x%2Fy"),
    (b"/api?q=\xc3\xa9", "a:1", b"/api?q=%C3%A9"),
    (b"/api/x//y", "a:1", b"/api/x//y"),
    (b"/api/x#fragment", "a:1", b"/api/x"),
    (b"/%61pi/x", "a:1", b"/api/x"),
    (b"//api/x", "a:1", b"/api/x"),
    (b"/./api/x", "a:1", b"/api/x"),
    (b"/api//x", "a:1", b"/api//x"),
    (b"http://localhost/api/x?y", "a:1", b"/api/x?y"),
    (b"/api/v2", "b:2", b"/base/api/v2"),
    (b"/api/v2/x", "b:2", b"/base/api/v2/x"),
    (b"/api/v20", "a:1", b"/api/v20"),
    (b"/api/docs", None, b""),
    (b"/api/docs/x", None, b""),
    (b"/api/docsx", "a:1", b"/api/docsx"),
    (b"/plain", "c:3", b"/"),
    (b"/plain?q", "c:3", b"/?q"),
    (b"/plain/x", "c:3", b"/x"),
    (b"/plain//evil.example/x", "c:3", b"/evil.example/x"),
    (b"/deep/z?q", "d:4", b"/x/y/z?q"),
    (b"/apix", None, b""),
    (b"/API", None, b""),
    (b"/", None, b""),
    (b"/x/api", None, b""),
    (b"/api%2fx", None, b""),
    (b"/x/../api", None, b""),
    (b"*", None, b""),
    (b"http://localhost", None, b""),
    (b"http://localhost#/api/x", None, b""),
]


@pytest.mark.parametrize(("target", "authority", "there"), TARGETS)
def test_the_longest_path_that_matches_gets_a_request(target: bytes, authority: str | None, there: bytes) -> None:
    route = find_route(RequestHead(b"GET", target, 1, 0), ROUTES)
    if authority is None:
        assert route is None
        return
    assert route is not None
    upstream = CONFIG.proxy[route[0]]
    assert upstream.authority == authority
    assert make_target(upstream, route[1]) == there


@pytest.mark.parametrize("method", [b"CONNECT", b"TRACE"])
def test_methods_without_a_resource_are_not_forwarded(method: bytes) -> None:
    assert find_route(RequestHead(method, b"/api/x", 1, 0), ROUTES) is None


@pytest.mark.parametrize(
    ("suffix", "has_dots"),
    [
        (b"/..", True),
        (b"/%2e%2E/x", True),
        (b"/x/.%2e", True),
        (b"/..%2fx", True),
        (b"/x%2f..", True),
        (b"/..%5cx", True),
        (b"/..\\x", True),
        (b"/..;a=b/x", True),
        (b"/%252e%252e/", True),
        (b"/.", True),
        (b"/...", False),
        (b"/..x", False),
        (b"/.well-known/x", False),
        (b"/x?../y", False),
        (b"/a.b/c..d", False),
        (b"", False),
    ],
)
def test_dot_segments_are_found_as_any_reader_may_read_them(suffix: bytes, has_dots: bool) -> None:
    assert has_dot_segments(suffix) is has_dots
