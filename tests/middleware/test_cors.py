"""Reading from other origins: the CORS fields, by origin and response; and a browser's use of them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from support.rawclient import RawClient
from support.serverprocess import LOOPS, ServerProcess

from fastfile.site.common_fields import EXPOSED

if TYPE_CHECKING:
    from selenium import webdriver


TEXT = b"0123456789" * 20
ORIGIN = "https://app.example"
OTHER = "http://localhost:5173"
STRANGER = "https://evil.example"
CORS = "access-control-"
PREFLIGHT = (
    "Access-Control-Request-Method: GET",
    "Access-Control-Request-Headers: x-a,authorization",
    "Access-Control-Request-Private-Network: true",
)
ANSWERS = {
    "a file": ("/a.txt", "GET", [], 200),
    "its head": ("/a.txt", "HEAD", [], 200),
    "a part": ("/a.txt", "GET", ["Range: bytes=0-4"], 206),
    "several parts": ("/a.txt", "GET", ["Range: bytes=0-4,100-104"], 206),
    "a file that is known": ("/a.txt", "GET", ["If-None-Match: *"], 304),
    "a part that is not there": ("/a.txt", "GET", ["Range: bytes=900-"], 416),
    "nothing": ("/nothing", "GET", [], 404),
    "a folder without its slash": ("/folder", "GET", [], 301),
    "a listing": ("/folder/", "GET", [], 200),
    "a method that is not for files": ("/a.txt", "POST", ["Content-Length: 0"], 405),
    "an expectation that cannot be met": ("/a.txt", "GET", ["Expect: x"], 417),
}
by_answer = pytest.mark.parametrize(("target", "method", "fields", "status"), ANSWERS.values(), ids=ANSWERS)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("site")
    (root / "a.txt").write_bytes(TEXT)
    (root / "index.html").write_bytes(b"<!DOCTYPE html><title>Page</title><link rel=icon href=data:,>")
    (root / "folder").mkdir()
    return root


@pytest.fixture(scope="module", params=LOOPS)
def named(request: pytest.FixtureRequest, site: Path) -> Iterator[ServerProcess]:
    options = ["--loop", request.param, f"--cors={ORIGIN}", f"--cors={OTHER}", "--header", "X-Build: 7"]
    with ServerProcess([*options, str(site)]) as server:
        yield server


@pytest.fixture(scope="module")
def for_any(site: Path) -> Iterator[ServerProcess]:
    with ServerProcess(["--cors", str(site)]) as server:
        yield server


def cors_fields(response: Any) -> dict[str, str]:
    return {name.removeprefix(CORS): text for name, text in response.fields.items() if name.startswith(CORS)}


@by_answer
def test_a_named_origin_may_read_every_response(
    named: ServerProcess, target: str, method: str, fields: list[str], status: int
) -> None:
    exposed = ", ".join(name.decode() for name in (*EXPOSED, b"X-Build"))
    for origin in (ORIGIN, OTHER):
        with RawClient(named.connect()) as client:
            response = client.request(target, method, f"Origin: {origin}", *fields)
        assert response.status == status
        assert cors_fields(response) == {
            "allow-origin": origin,
            "allow-credentials": "true",
            "expose-headers": exposed,
        }
        assert "origin" in response.fields["vary"].lower().split(", ")


@by_answer
def test_other_origins_and_requests_without_one_get_no_cors_fields(
    named: ServerProcess, target: str, method: str, fields: list[str], status: int
) -> None:
    strangers = (STRANGER, "null", ORIGIN + ".evil.example", "http://app.example", ORIGIN.upper(), f"{ORIGIN}, {OTHER}")
    for asked in (*([f"Origin: {origin}"] for origin in strangers), []):
        with RawClient(named.connect()) as client:
            response = client.request(target, method, *asked, *fields)
        assert (response.status, cors_fields(response)) == (status, {})
        # A cache that stores this response must not give it to the allowed page.
        assert "origin" in response.fields["vary"].lower().split(", ")


def test_a_rule_of_the_site_for_a_path_goes_before_the_option(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes(TEXT)
    (tmp_path / "_headers").write_text("/a.txt\n  access-control-allow-origin: *\n")
    for option in (f"--cors={ORIGIN}", "--cors"):
        with ServerProcess([option, str(tmp_path)]) as server, RawClient(server.connect()) as client:
            fields = cors_fields(client.request("/a.txt", "GET", f"Origin: {ORIGIN}"))
            assert fields["allow-origin"] == "*"
            assert "allow-credentials" not in fields


def test_a_preflight_of_a_named_origin_gets_the_allowed_fields(named: ServerProcess) -> None:
    with RawClient(named.connect()) as client:
        response = client.request("/nothing", "OPTIONS", f"Origin: {ORIGIN}", *PREFLIGHT)
        assert response.status == 204
        fields = cors_fields(response)
        assert (fields["allow-origin"], fields["allow-credentials"]) == (ORIGIN, "true")
        assert fields["allow-methods"] == "GET, HEAD, OPTIONS"
        assert fields["allow-headers"] == "x-a, authorization"
        assert fields["allow-private-network"] == "true"
        assert fields["max-age"] == "7200"
        assert cors_fields(client.request("/a.txt", "OPTIONS", f"Origin: {STRANGER}", *PREFLIGHT)) == {}
        # Without Access-Control-Request-Method it is an ordinary OPTIONS request.
        assert "allow-methods" not in cors_fields(client.request("/a.txt", "OPTIONS", f"Origin: {ORIGIN}"))


def test_a_preflight_cannot_forge_fields(named: ServerProcess) -> None:
    asked = ("Access-Control-Request-Method: GET", 'Access-Control-Request-Headers: x-a, b c, "d", x: y, z')
    with RawClient(named.connect()) as client:
        response = client.request("/a.txt", "OPTIONS", f"Origin: {ORIGIN}", *asked)
    assert cors_fields(response)["allow-headers"] == "x-a, z"


@by_answer
def test_any_origin_may_read_every_response_without_credentials(
    for_any: ServerProcess, target: str, method: str, fields: list[str], status: int
) -> None:
    for asked in ([f"Origin: {STRANGER}"], []):
        with RawClient(for_any.connect()) as client:
            response = client.request(target, method, *asked, *fields)
        exposed = b", ".join(EXPOSED).decode()
        assert (response.status, cors_fields(response)) == (status, {"allow-origin": "*", "expose-headers": exposed})
        assert "origin" not in response.fields.get("vary", "").lower()


def test_a_request_that_cannot_be_read_may_be_read_about_by_any_origin(for_any: ServerProcess) -> None:
    with RawClient(for_any.connect()) as client:
        assert cors_fields(client.request("/a.txt", "GET", "Bad Field: x"))["allow-origin"] == "*"


def test_a_preflight_of_any_origin_may_send_all(for_any: ServerProcess) -> None:
    with RawClient(for_any.connect()) as client:
        fields = cors_fields(client.request("/a.txt", "OPTIONS", f"Origin: {STRANGER}", *PREFLIGHT))
    assert fields["allow-origin"] == "*"
    assert "allow-credentials" not in fields
    assert fields["allow-headers"] == "*, Authorization"
    assert fields["allow-private-network"] == "true"


def test_without_the_option_nothing_is_said(site: Path) -> None:
    with ServerProcess([str(site)]) as server, RawClient(server.connect()) as client:
        for method in ("GET", "OPTIONS"):
            response = client.request("/a.txt", method, f"Origin: {ORIGIN}", *PREFLIGHT)
            assert cors_fields(response) == {}
            assert "vary" not in response.fields


# In a browser. A page is at localhost or at 127.0.0.1: to a browser these are two origins, of one server.

FETCH = """
const [url, options, done] = arguments;
fetch(url, {cache: 'no-store', ...options}).then(async response => done({
    status: response.status, range: response.headers.get('content-range'), tag: response.headers.get('etag'),
    text: await response.text(),
}), () => done({status: 0}));
"""


def test_a_browser_lets_the_page_of_a_named_origin_read_and_no_other(chrome: webdriver.Chrome, site: Path) -> None:
    with ServerProcess([str(site)]) as page:
        allowed = f"http://localhost:{page.port}"
        with ServerProcess([f"--cors={allowed}", str(site)]) as server:

            def fetch(path: str, **options: Any) -> dict[str, Any]:
                return chrome.execute_async_script(FETCH, f"http://localhost:{server.port}{path}", options)

            chrome.get(f"{allowed}/")
            whole = fetch("/a.txt")
            assert (whole["status"], whole["text"]) == (200, TEXT.decode())
            # The next two need a preflight: a browser sends neither field to another origin without one.
            known = fetch("/a.txt", headers={"If-None-Match": whole["tag"]})
            assert (known["status"], known["tag"]) == (304, whole["tag"])
            part = fetch("/a.txt", headers={"Range": "bytes=2-4", "X-A": "1"})
            assert (part["status"], part["range"], part["text"]) == (206, f"bytes 2-4/{len(TEXT)}", "234")
            assert fetch("/nothing")["status"] == 404
            assert fetch("/folder")["status"] == 200  # after a redirect
            assert fetch("/a.txt", credentials="include")["status"] == 200
            chrome.get(f"http://127.0.0.1:{page.port}/")
            for options in ({}, {"headers": {"X-A": "1"}}, {"credentials": "include"}):
                assert fetch("/a.txt", **options) == {"status": 0}


def test_a_browser_lets_any_page_read_where_all_may(chrome: webdriver.Chrome, for_any: ServerProcess) -> None:
    url = f"http://localhost:{for_any.port}/a.txt"
    chrome.get(f"http://127.0.0.1:{for_any.port}/")
    fields = {"Range": "bytes=2-4", "X-A": "1", "Authorization": "Basic YTpi"}
    part = chrome.execute_async_script(FETCH, url, {"headers": fields})
    assert (part["status"], part["text"]) == (206, "234")
    assert chrome.execute_async_script(FETCH, url, {"credentials": "include"}) == {"status": 0}
