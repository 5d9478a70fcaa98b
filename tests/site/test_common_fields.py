"""Fields of the user: on every response, in place of the defaults, and never breaking the message."""

from __future__ import annotations

import gzip
import http.client
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.chromium import open_browser
from support.rawclient import RawClient
from support.serverprocess import LOOPS, TIMEOUT_S, ServerProcess

from fastfile.site.listing.page import LISTING_POLICY

TEXT = b"0123456789" * 20
POLICY = "default-src 'self'; img-src *"
OPTIONS = (
    *("--header", "X-Frame-Options: DENY"),
    *("--header", "Link: </a>; rel=next"),
    *("--header", "link: </b>; rel=prev"),
    *("--header", "Vary: Save-Data"),
    *("--header", "server: mine"),
    *("--referrer-policy", "no-referrer"),
    *("--csp", POLICY),
    *("--health", "/up"),
    "--coi",
)
EVERYWHERE = {
    "x-frame-options": "DENY",
    "link": "</a>; rel=next, </b>; rel=prev",
    "server": "mine",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-embedder-policy": "require-corp",
    "cross-origin-resource-policy": "same-origin",
}
# The request: target, method, fields; the status; and whether the response is the site's own, so that --csp applies.
ANSWERS = {
    "a file": ("/a.txt", "GET", [], 200, True),
    "its head": ("/a.txt", "HEAD", [], 200, True),
    "an encoded variant": ("/b.txt", "GET", ["Accept-Encoding: gzip"], 200, True),
    "a part": ("/a.txt", "GET", ["Range: bytes=0-4"], 206, True),
    "several parts": ("/a.txt", "GET", ["Range: bytes=0-4,100-104"], 206, True),
    "a file that is known": ("/a.txt", "GET", ["If-None-Match: *"], 304, True),
    "a failed precondition": ("/a.txt", "GET", ['If-Match: "x"'], 412, False),
    "a part that is not there": ("/a.txt", "GET", ["Range: bytes=900-"], 416, False),
    "nothing": ("/nothing", "GET", [], 404, False),
    "a hidden name": ("/.git/config", "GET", [], 404, False),
    "a folder without its slash": ("/folder", "GET", [], 301, False),
    "a listing": ("/folder/", "GET", [], 200, False),
    "a probe": ("/up", "GET", [], 200, False),
    "the methods": ("/a.txt", "OPTIONS", [], 204, True),
    "a method that is not for files": ("/a.txt", "POST", ["Content-Length: 0"], 405, False),
    "a target that is none": ("/%zz", "GET", [], 400, False),
    "an expectation that cannot be met": ("/a.txt", "GET", ["Expect: x"], 417, False),
    "a request that cannot be read": ("/a.txt", "GET", ["Bad Field: x"], 400, False),
}


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("site")
    (root / "a.txt").write_bytes(TEXT)
    (root / "b.txt").write_bytes(TEXT)
    (root / "b.txt.gz").write_bytes(gzip.compress(TEXT))
    (root / "folder").mkdir()
    (root / "folder" / "c.txt").write_bytes(TEXT)
    return root


@pytest.fixture(scope="module", params=LOOPS)
def server(request: pytest.FixtureRequest, site: Path) -> Iterator[ServerProcess]:
    with ServerProcess(["--loop", request.param, *OPTIONS, str(site)]) as server:
        yield server


@pytest.mark.parametrize(("target", "method", "fields", "status", "is_own"), ANSWERS.values(), ids=ANSWERS)
def test_every_response_has_them(
    server: ServerProcess, target: str, method: str, fields: list[str], status: int, is_own: bool
) -> None:
    with RawClient(server.connect()) as client:
        for _ in range(1 if status in (400, 417) else 2):  # from the disk, then from the cache
            response = client.request(target, method, *fields)
            assert response.status == status
            assert response.fields.items() >= EVERYWHERE.items()
            assert "save-data" in response.fields["vary"].lower().split(", ")
            assert (response.fields.get("content-security-policy") == POLICY) is is_own


def test_fastfiles_own_pages_keep_their_stricter_policy(server: ServerProcess) -> None:
    with RawClient(server.connect()) as client:
        listing = client.request("/folder/")
        known = client.request("/folder/", "GET", f"If-None-Match: {listing.fields['etag']}")
    assert listing.fields["content-security-policy"] == LISTING_POLICY.decode()
    # The fields of a 304 replace those in a cache (RFC 9111 §3.2).
    assert (known.status, known.fields.get("content-security-policy")) == (304, None)


def test_what_a_response_depends_on_stays_in_vary(server: ServerProcess) -> None:
    with RawClient(server.connect()) as client:
        assert client.request("/b.txt").fields["vary"] == "Accept-Encoding, Save-Data"
        assert client.request("/nothing").fields["vary"] == "Accept, Save-Data"


def ask(server: ServerProcess, target: str, **fields: str) -> http.client.HTTPResponse:
    """Return a response with non-default caching, which RawClient would refuse."""
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=TIMEOUT_S)
    connection.request("GET", target, headers={name.replace("_", "-"): value for name, value in fields.items()})
    response = connection.getresponse()
    response.read()
    connection.close()
    return response


def test_caching_is_as_the_user_says_and_an_error_is_never_kept(site: Path) -> None:
    options = ["--header", "Cache-Control: max-age=60", "--header", "Set-Cookie: a=1", "--header", "Set-Cookie: b=2"]
    with ServerProcess([*options, "--no-server-header", str(site)]) as server:
        file = ask(server, "/a.txt")
        part = ask(server, "/a.txt", Range="bytes=0-1")
        known = ask(server, "/a.txt", If_None_Match=str(file.headers["ETag"]))
        nothing = ask(server, "/nothing")
    assert [r.status for r in (file, part, known, nothing)] == [200, 206, 304, 404]
    for response in (file, part, known):
        assert response.headers.get_all("Cache-Control") == ["max-age=60"]
        assert response.headers.get_all("Set-Cookie") == ["a=1", "b=2"]
        assert "Server" not in response.headers
    assert nothing.headers.get_all("Cache-Control") == ["no-store"]


def test_a_type_for_an_extension_overrides_the_built_in_table(site: Path) -> None:
    (site / "shader.GLSL").write_bytes(TEXT)
    (site / "module.ts").write_bytes(TEXT)
    (site / "latin.txt").write_bytes(TEXT)
    types = ("glsl=text/plain", ".ts=application/x-typescript", "txt=text/plain;charset=latin1")
    options = [f"--mime={text}" for text in types]
    with ServerProcess([*options, str(site)]) as server, RawClient(server.connect()) as client:
        targets = ("/shader.GLSL", "/module.ts", "/latin.txt", "/b.txt")
        found = [client.request(target).fields["content-type"] for target in targets]
    latin = "text/plain; charset=latin1"
    assert found == ["text/plain; charset=utf-8", "application/x-typescript", latin, latin]


ISOLATED_PAGE = b"""<!DOCTYPE html><title>Page</title><link rel=icon href=data:,>
<script src=part.js></script>
<img src=dot.svg onload="window.pictured = true">"""
# A worker adds to memory that it shares with the page.
SHARE = """
const [done] = arguments;
if (typeof SharedArrayBuffer === 'undefined') { done({isolated: crossOriginIsolated}); return; }
const memory = new Int32Array(new SharedArrayBuffer(4));
const worker = new Worker('worker.js');
worker.onerror = event => done({error: event.message || 'the worker did not load'});
worker.onmessage = ({data}) => done({
    isolated: crossOriginIsolated, inWorker: data, sum: Atomics.load(memory, 0), part, pictured: window.pictured,
});
worker.postMessage(memory);
"""


def test_pages_and_their_workers_share_memory_in_a_browser(tmp_path: Path) -> None:
    root = tmp_path / "site"
    root.mkdir()
    (root / "index.html").write_bytes(ISOLATED_PAGE)
    (root / "part.js").write_bytes(b"window.part = 'loaded'")
    (root / "dot.svg").write_bytes(b"<svg xmlns='http://www.w3.org/2000/svg' width='1' height='1'/>")
    (root / "worker.js").write_bytes(
        b"onmessage = ({data}) => { Atomics.add(data, 0, 42); postMessage(self.crossOriginIsolated); }"
    )
    found = []
    with (
        ServerProcess(["--coi", str(root)]) as server,
        ServerProcess([str(root)]) as without,
        open_browser(tmp_path / "profile") as browser,
    ):
        for port in (server.port, without.port):
            browser.get(f"http://localhost:{port}/")
            found.append(browser.execute_async_script(SHARE))
    together = {"isolated": True, "inWorker": True, "sum": 42, "part": "loaded", "pictured": True}
    assert found == [together, {"isolated": False}]
