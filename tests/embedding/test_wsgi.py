"""The WSGI application: what it does around the files, and how bodies end."""

from __future__ import annotations

import os
import wsgiref.util
import wsgiref.validate
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from support.hosted import WsgiHost

from fastfile.embedding.bodies import BrokenBody, OpenFile
from fastfile.wsgi import StaticFiles, StaticFilesMiddleware

BIG = os.urandom(300_000)
NAVIGATION = "Sec-Fetch-Mode: navigate"
DATA = "Sec-Fetch-Mode: cors"


@pytest.fixture
def site(tmp_path: Path) -> Path:
    site = tmp_path / "site"
    (site / "docs").mkdir(parents=True)
    (site / "api").mkdir()
    (site / "index.html").write_text("home")
    (site / "docs" / "index.html").write_text("docs")
    (site / "app.js").write_text("app" * 1000)
    (site / "big.bin").write_bytes(BIG)
    return site


class Api:
    """An application: /api/found and POST answer, the rest is its 404. It counts the bodies that were closed."""

    def __init__(self, is_lazy: bool = False) -> None:
        self.closed = 0
        self._is_lazy = is_lazy

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        status = "200 OK" if environ["PATH_INFO"] == "/api/found" or environ["REQUEST_METHOD"] == "POST" else "404 Nope"

        def start() -> None:
            start_response(status, [("Content-Length", "2")])

        if not self._is_lazy:
            start()
        return Body(self, start if self._is_lazy else None)


class Body:
    def __init__(self, api: Api, start: Any) -> None:
        self._api = api
        self._start = start

    def __iter__(self) -> Iterator[bytes]:
        if self._start is not None:
            self._start()
        yield b"{"
        yield b"}"

    def close(self) -> None:
        self._api.closed += 1


BEHIND = [
    pytest.param("/app.js", "GET", DATA, 200, b"app" * 1000, id="a file"),
    pytest.param("/docs", "GET", DATA, 301, None, id="a folder with a page is redirected to"),
    pytest.param("/api", "GET", DATA, 404, b"{}", id="a folder without a page is the app's path"),
    pytest.param("/api/found", "GET", NAVIGATION, 200, b"{}", id="the app for what is no file"),
    pytest.param("/api/missing", "GET", DATA, 404, b"{}", id="its 404 for data is its own"),
    pytest.param("/api/missing", "GET", "Accept: */*", 404, b"{}", id="so is its 404 for clients of an API"),
    pytest.param("/users/7", "GET", "Accept: text/html", 200, b"home", id="a client that names HTML gets the page"),
    pytest.param("/app.js", "POST", DATA, 200, b"{}", id="POST is the app's, even to a file"),
    pytest.param("/users/7", "DELETE", NAVIGATION, 404, b"{}", id="so are all other methods"),
    pytest.param("/users/7", "GET", NAVIGATION, 200, b"home", id="its 404 for a navigation is the page of the app"),
]


@pytest.mark.parametrize("is_lazy", [False, True])
@pytest.mark.parametrize(("target", "method", "field", "status", "body"), BEHIND)
def test_files_come_first_then_the_app(
    site: Path, target: str, method: str, field: str, status: int, body: bytes | None, is_lazy: bool
) -> None:
    api = Api(is_lazy)
    response = WsgiHost(StaticFilesMiddleware(api, site, spa=True)).request(target, method, field)
    assert response.status == status
    assert body is None or response.body == body
    assert api.closed == (not target.startswith(("/app.js", "/docs")) or method == "POST")


def test_a_prefix_is_the_path_of_the_folder(site: Path) -> None:
    host = WsgiHost(StaticFiles(site, app=Api(), prefix="/static"))
    assert host.request("/static/docs/").body == b"docs"
    assert host.request("/docs/").body == b"{}"
    assert host.request("/static/docs").fields["location"] == "/static/docs/"
    below = WsgiHost(StaticFiles(site, prefix="static"), "/outer")
    assert below.request("/outer/static/docs").fields["location"] == "/outer/static/docs/"


def test_a_file_wrapper_gets_whole_files_and_nothing_else(site: Path) -> None:
    host = WsgiHost(StaticFiles(site), file_wrapper=wsgiref.util.FileWrapper)
    assert host.request("/big.bin").body == BIG
    assert isinstance(host.iterable, wsgiref.util.FileWrapper)
    assert isinstance(host.iterable.filelike, OpenFile)
    assert os.pread(host.iterable.filelike.fileno(), 10, 0) == BIG[:10]
    for target, fields in (("/big.bin", ["Range: bytes=1-200000"]), ("/app.js", []), ("/missing", [])):
        host.request(target, "GET", *fields)
        assert not isinstance(host.iterable, wsgiref.util.FileWrapper)
    assert host.request("/big.bin", "GET", "Range: bytes=1-200000").body == BIG[1:200_001]


def test_a_file_that_is_cut_while_it_is_sent_breaks_the_body(site: Path) -> None:
    app = StaticFiles(site)
    environ = {"REQUEST_METHOD": "GET", "PATH_INFO": "/big.bin", "HTTP_HOST": "localhost"}
    body = iter(app(environ, lambda *_: lambda _: None))
    assert next(body) == BIG[:65536]
    os.truncate(site / "big.bin", 70_000)
    with pytest.raises(BrokenBody):
        list(body)


def test_it_keeps_to_the_letter_of_pep_3333(site: Path) -> None:
    app = wsgiref.validate.validator(StaticFiles(site, app=wsgiref.validate.validator(Api()), spa=True))
    environ: dict[str, Any] = {}
    wsgiref.util.setup_testing_defaults(environ)
    environ["wsgi.input"].close()
    for target in ("/", "/big.bin"):
        started: list[str] = []

        def start_response(status: str, headers: object, exc_info: object = None) -> Any:
            started.append(status)  # noqa: B023
            return lambda _: None

        body = app({**environ, "PATH_INFO": target, "QUERY_STRING": ""}, start_response)
        assert b"".join(body) in (b"home", BIG)
        body.close()
        assert started == ["200 OK"]


def test_it_works_in_many_threads_at_once(site: Path) -> None:
    host_of = StaticFiles(site, compress=True)

    def ask(_: int) -> list[bytes]:
        return [WsgiHost(host_of).request(target).body for target in ("/docs/", "/big.bin", "/app.js") * 5]

    with ThreadPoolExecutor(8) as threads:
        for bodies in threads.map(ask, range(16)):
            assert bodies == [b"docs", BIG, b"app" * 1000] * 5


def test_a_compressed_variant_comes_once_it_is_made(site: Path) -> None:
    host = WsgiHost(StaticFiles(site, compress=True))
    for _ in range(100_000):
        response = host.request("/app.js", "GET", "Accept-Encoding: gzip")
        if "content-encoding" in response.fields:
            break
    assert response.fields["content-encoding"] == "gzip"
    assert len(response.body) < 1000


def test_a_listing_and_an_archive_come_when_they_are_asked_for(site: Path) -> None:
    (site / "index.html").unlink()
    host = WsgiHost(StaticFiles(site, listing=True))
    assert b"app.js" in host.request("/").body
    assert host.request("/?archive=zip").body.startswith(b"PK")
