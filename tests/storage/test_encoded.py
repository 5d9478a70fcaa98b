"""Compressed responses over real connections: variants of `fastfile compress`, and variants made on the fly."""

from __future__ import annotations

import os
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.chromium import exchanges, open_browser
from support.encoded import NO_LIBRARIES, TEXT, decode, require_all_codings
from support.programs import require_program
from support.rawclient import Received
from support.servedsite import ServedSite, serve_twice
from support.serverprocess import ONE_LOOP, TIMEOUT_S, ServerProcess, clean_environment

from fastfile.errors import tell_missing

ALL = "Accept-Encoding: gzip, deflate, br, zstd"
SIZES = {"small.js": 2, "middle.css": 40, "large.json": 50}  # times the text: from memory, from memory, by sendfile
PAGE = b"<!doctype html><title>t</title><script src=small.js></script><p>" + b"some words of a page " * 200


def write_site(root: Path) -> None:
    require_all_codings()
    for name, times in SIZES.items():
        (root / name).write_bytes(TEXT * times)
    (root / "index.html").write_bytes(PAGE)


def read(response: Received) -> bytes:
    coding = response.fields.get("content-encoding")
    return decode(coding, response.body) if coding else response.body


def curl(port: int, target: str, *options: str) -> tuple[bytes, int]:
    """Return curl's output, and how many bytes came over the wire."""
    program = require_program("curl")
    url = f"http://127.0.0.1:{port}{target}"
    command = [program, "-q", "--silent", "--fail", "--noproxy", "*", "--compressed", *options, url]
    done = subprocess.run([*command, "--write-out", "%{stderr}%{size_download}"], capture_output=True, check=True)
    return done.stdout, int(done.stderr)


# Ahead of time


@pytest.fixture(scope="module", params=ONE_LOOP)
def compressed(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServedSite]:
    root = tmp_path_factory.mktemp("served") / "site"
    root.mkdir()
    write_site(root)
    command = [sys.executable, "-m", "fastfile", "compress", "--br-level", "5", os.fspath(root)]
    subprocess.run(command, env=clean_environment(), check=True, stdout=subprocess.DEVNULL, timeout=TIMEOUT_S)
    with serve_twice(root, request.param) as site:
        yield site


@pytest.mark.parametrize("coding", ["br", "zstd", "gzip"])
@pytest.mark.parametrize("name", SIZES)
def test_what_was_compressed_is_served(name: str, coding: str, compressed: ServedSite) -> None:
    for client in (compressed.connect(), compressed.connect_to_unix_socket()):
        with client:
            response = client.request(f"/{name}", "GET", f"Accept-Encoding: {coding}")
            assert (response.status, response.fields["content-encoding"]) == (200, coding)
            assert decode(coding, response.body) == (compressed.root / name).read_bytes()
            assert client.request(f"/{name}").body == (compressed.root / name).read_bytes()


def test_curl_decodes_what_was_compressed(compressed: ServedSite) -> None:
    for name in SIZES:
        content = (compressed.root / name).read_bytes()
        for coding in ("gzip", "br", "zstd"):
            body, size = curl(compressed.server.port, f"/{name}", "--header", f"Accept-Encoding: {coding}")
            assert body == content
            assert size < len(content) / 3


# On the fly


@pytest.fixture(params=ONE_LOOP)
def served(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[ServedSite]:
    root = tmp_path / "site"
    root.mkdir()
    write_site(root)
    with serve_twice(root, request.param, "--compress") as site:
        yield site


def ask_until_encoded(site: ServedSite, target: str, accepted: str) -> Received:
    """Repeat a request until the response is encoded; each response until then must be right too."""
    content = (site.root / (target.strip("/") or "index.html")).read_bytes()
    deadline = time.monotonic() + TIMEOUT_S
    with site.connect() as client:
        while True:
            response = client.request(target, "GET", accepted)
            assert (response.status, response.fields["vary"], read(response)) == (200, "Accept-Encoding", content)
            if "content-encoding" in response.fields:
                return response
            assert time.monotonic() < deadline, "it was never encoded"
            time.sleep(0.01)  # there is no event for background work: poll


def test_a_hundred_clients_at_once_get_the_right_bytes_and_later_all_the_same_variant(served: ServedSite) -> None:
    clients = [served.connect() for _ in range(100)]
    names = [*SIZES, ""]
    for number, client in enumerate(clients):
        client.send(f"/{names[number % 4]}", "GET", ALL)
    for number, client in enumerate(clients):
        content = (served.root / (names[number % 4] or "index.html")).read_bytes()
        response = client.receive()
        assert (response.status, read(response)) == (200, content)
    for name in names:
        kept = ask_until_encoded(served, f"/{name}", ALL)
        assert kept.fields["content-encoding"] == "br"
        assert {client.request(f"/{name}", "GET", ALL).body for client in clients} == {kept.body}
    for client in clients:
        client.connection.close()


def test_each_client_gets_what_it_takes_and_ranges_are_of_the_file(served: ServedSite) -> None:
    content = (served.root / "middle.css").read_bytes()
    with served.connect() as client:
        for coding in ("gzip", "zstd", "br"):
            encoded = ask_until_encoded(served, "/middle.css", f"Accept-Encoding: {coding}")
            assert encoded.fields["content-encoding"] == coding
            tag = encoded.fields["etag"]
            again = client.request("/middle.css", "GET", f"Accept-Encoding: {coding}", f"If-None-Match: {tag}")
            assert (again.status, again.fields["etag"]) == (304, tag)
            head = client.request("/middle.css", "HEAD", f"Accept-Encoding: {coding}")
            assert head.lasting() == encoded.lasting()
        part = client.request("/middle.css", "GET", ALL, "Range: bytes=10-19")
        assert (part.status, part.body) == (206, content[10:20])
        assert client.request("/middle.css").body == content


def test_a_file_that_was_written_again_is_encoded_again(served: ServedSite) -> None:
    old = ask_until_encoded(served, "/small.js", ALL)
    (served.root / "small.js").write_bytes(TEXT * 3)
    new = ask_until_encoded(served, "/small.js", ALL)
    assert new.fields["etag"] != old.fields["etag"]


def test_curl_and_python_read_what_is_made_on_the_fly(served: ServedSite) -> None:
    for name in SIZES:
        content = (served.root / name).read_bytes()
        for coding in ("gzip", "br", "zstd"):
            ask_until_encoded(served, f"/{name}", f"Accept-Encoding: {coding}")
            body, size = curl(served.server.port, f"/{name}", "--header", f"Accept-Encoding: {coding}")
            assert body == content
            assert size < len(content) / 3
        url = f"http://127.0.0.1:{served.server.port}/{name}"
        with urllib.request.urlopen(urllib.request.Request(url, headers={"Accept-Encoding": "gzip"})) as response:
            assert response.headers["Content-Encoding"] == "gzip"
            assert decode("gzip", response.read()) == content


def test_others_are_served_while_much_is_encoded(served: ServedSite) -> None:
    """Brotli takes a second for these; other clients do not notice."""
    for number in range(3):
        (served.root / f"{number}.js").write_bytes(os.urandom(200_000).hex().encode())
    with served.connect() as client, served.connect() as other:
        for number in range(3):
            client.request(f"/{number}.js", "GET", "Accept-Encoding: br")
        asked = 0
        while "content-encoding" not in client.request("/2.js", "GET", "Accept-Encoding: br").fields:
            assert served.is_alive(other)
            asked += 1
        assert asked > 10, "requests waited for the encoder"


def test_without_libraries_gzip_alone_is_made_and_the_banner_says_so(tmp_path: Path) -> None:
    write_site(tmp_path)
    code = f"{NO_LIBRARIES}; from fastfile.cli.main import main; raise SystemExit(main(sys.argv[1:]))"
    with ServerProcess(["--compress", str(tmp_path)], interpreter_args=("-c", code)) as server:
        deadline = time.monotonic() + TIMEOUT_S
        size = len(TEXT) * SIZES["small.js"]
        while curl(server.port, "/small.js")[1] == size:
            assert time.monotonic() < deadline
        assert f"only gzip is made: {tell_missing('Brotli', 'backports.zstd')}" in server.stdout


def test_a_server_stops_at_once_while_it_encodes(tmp_path: Path) -> None:
    require_all_codings()
    (tmp_path / "long.js").write_bytes(os.urandom(500_000).hex().encode())
    with ServerProcess(["--compress", str(tmp_path)]) as server, server.connect() as connection:
        connection.sendall(b"GET /long.js HTTP/1.1\r\nHost: localhost\r\nAccept-Encoding: br\r\n\r\n")
        assert connection.recv(1)


def test_the_browser_decodes_what_is_made_on_the_fly(tmp_path: Path) -> None:
    site = tmp_path / "site"
    site.mkdir()
    write_site(site)
    (site / "small.js").write_bytes(TEXT.replace(b"export ", b"") + b"document.title = 'it ran';")
    with ServerProcess(["--compress", str(site)]) as server, open_browser(tmp_path / "profile") as browser:
        origin = f"http://localhost:{server.port}/"
        deadline = time.monotonic() + TIMEOUT_S
        codings: set[str | None] = set()
        while codings != {"br"}:
            assert time.monotonic() < deadline, codings
            browser.get(origin)
            assert browser.title == "it ran"
            found = [exchange for exchange in exchanges(browser, origin) if exchange.status == 200]
            codings = {exchange.fields.get("content-encoding") for exchange in found} or codings
