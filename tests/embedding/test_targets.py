"""Where a request leads, from what hosts and frameworks say about its path."""

from __future__ import annotations

import pytest

from fastfile.embedding.targets import find_place, find_stripped_place, find_wsgi_place

ASGI = [
    pytest.param(b"/a", "/a", "", ("", b"/a"), id="no mount"),
    pytest.param(b"/%61%2fb", "/a/b", "", ("", b"/%61%2fb"), id="the raw path goes first"),
    pytest.param("/é".encode(), "/é", "", ("", "/é".encode()), id="raw bytes that are UTF-8"),
    pytest.param(b"/\xff", "/\N{REPLACEMENT CHARACTER}", "", ("", b"/\xff"), id="raw bytes that are not UTF-8"),
    pytest.param(b"/%ff", "/\N{REPLACEMENT CHARACTER}", "", ("", b"/%ff"), id="an escape that is not UTF-8"),
    pytest.param(None, "/a b", "", ("", b"/a%20b"), id="no raw path"),
    pytest.param(b"/old", "/new", "", ("", b"/new"), id="a middleware has chosen another path"),
    pytest.param(b"/mnt/a", "/mnt/a", "/mnt", ("/mnt", b"/mnt/a"), id="the path has the mount in it"),
    pytest.param(b"/mnt/a", "/mnt/a", "/mnt/", ("/mnt", b"/mnt/a"), id="the mount has a slash"),
    pytest.param(b"/mnt", "/mnt", "/mnt", ("/mnt", b"/mnt"), id="the mount itself"),
    pytest.param(b"/m%6et/a", "/mnt/a", "/mnt", ("/mnt", b"/m%6et/a"), id="the mount is escaped"),
    pytest.param(b"/mnt/a", "/a", "/mnt", ("/mnt", b"/mnt/a"), id="the path is without the mount, the raw one has it"),
    pytest.param(b"/a", "/a", "/mnt", ("/mnt", b"/mnt/a"), id="neither has it: a proxy took it off"),
    pytest.param(b"/a%20b", "/a b", "/m t", ("/m t", b"/m%20t/a%20b"), id="a mount with a space"),
    pytest.param(b"/mntx", "/mntx", "/mnt", ("/mnt", b"/mnt/mntx"), id="a path that only begins like the mount"),
    pytest.param(None, "/mnt/a", "/mnt", ("/mnt", b"/mnt/a"), id="a mount and no raw path"),
    pytest.param(b"*", "*", "", ("", b"*"), id="the asterisk"),
]


@pytest.mark.parametrize(("raw", "path", "mount", "expected"), ASGI)
def test_the_place_of_an_asgi_request(raw: bytes | None, path: str, mount: str, expected: tuple[str, bytes]) -> None:
    assert find_place(raw, path, mount) == expected


LITESTAR = [
    pytest.param(b"/static/a.txt", "/a.txt/", ("/static", b"/static/a.txt"), id="a slash was added"),
    pytest.param(b"/static/a%2etxt", "/a.txt/", ("/static", b"/static/a%2etxt"), id="the raw path goes first"),
    pytest.param(b"/static/sub/", "/sub/", ("/static", b"/static/sub/"), id="a slash that was there"),
    pytest.param(b"/static", "/", ("/static", b"/static"), id="the mount itself"),
    pytest.param(b"/static/", "/", ("/static", b"/static/"), id="the mount with its slash"),
    pytest.param(b"/", "/", ("", b"/"), id="mounted at the root"),
    pytest.param(b"//x///static//a", "/a", ("/x/static", b"//x///static//a"), id="empty segments make no other mount"),
    pytest.param(b"/other", "/new/", ("", b"/new"), id="another path"),
    pytest.param(b"/static/sub//a", "/sub/a/", ("/static", b"/static/sub//a"), id="empty segments within"),
    pytest.param(None, "/a", ("", b"/a"), id="no raw path"),
]


@pytest.mark.parametrize(("raw", "path", "expected"), LITESTAR)
def test_the_place_of_a_request_of_litestar(raw: bytes | None, path: str, expected: tuple[str, bytes]) -> None:
    assert find_stripped_place(raw, path) == expected


WSGI = [
    pytest.param("/a?b", "/a", "", ("", b"/a"), id="no mount"),
    pytest.param("/%61%2fb", "/a/b", "", ("", b"/%61%2fb"), id="the raw path goes first"),
    pytest.param("/%c3%a9", "/\xc3\xa9", "", ("", b"/%c3%a9"), id="bytes as Latin-1"),
    pytest.param("/mnt/a", "/a", "/mnt", ("/mnt", b"/mnt/a"), id="a mount"),
    pytest.param("/a", "/a", "/mnt", ("/mnt", b"/mnt/a"), id="a mount that the request does not have"),
    pytest.param("/mnt", "", "/mnt", ("/mnt", b"/mnt"), id="the mount itself"),
    pytest.param("http://localhost/a?b", "/a", "", ("", b"/a"), id="absolute-form"),
    pytest.param("/other", "/a b", "", ("", b"/a%20b"), id="a middleware has chosen another path"),
    pytest.param(None, "/\xff%", "/\xc3\xa9", ("/é", b"/%C3%A9/%FF%25"), id="no raw target"),
]


@pytest.mark.parametrize(("raw", "path", "mount", "expected"), WSGI)
def test_the_place_of_a_wsgi_request(raw: str | None, path: str, mount: str, expected: tuple[str, bytes]) -> None:
    assert find_wsgi_place(raw, path, mount) == expected
