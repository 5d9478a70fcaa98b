"""The origin of fastfile: a blog's plain-socket server, in three layers, for html, css, js and images.

Everything that it did works here; its known faults are rows too.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Iterator

import pytest
from support.checkout import CHECKOUT
from support.rawclient import RawClient
from support.serverprocess import LOOPS, ServerProcess

LARGE = os.urandom(1024) * (16 * 1024)  # 16 MiB: more than all buffers on the way to a client that does not read
PNG = b"\x89PNG\r\n\x1a\n" + bytes(range(256))
FILES = {
    "index.html": b"<!doctype html><title>seed</title>",
    "style.css": b"body { color: black }",
    "app.js": b"document.title = 'seed'",
    "photo.jpg": b"\xff\xd8\xff" + bytes(range(256)),
    "icon.png": PNG,
    "large.bin": LARGE,
}


@pytest.fixture(scope="module", params=LOOPS)
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    parent = tmp_path_factory.mktemp("seed")
    (parent / "secret.txt").write_bytes(b"outside the root")
    root = parent / "site"
    root.mkdir()
    for name, content in FILES.items():
        (root / name).write_bytes(content)
    with ServerProcess(["--loop", request.param, str(root)]) as running:
        yield running


SERVED = [
    pytest.param("/", "index.html", "text/html; charset=utf-8", id="the root is its index.html"),
    pytest.param("/index.html", "index.html", "text/html; charset=utf-8", id="html"),
    pytest.param("/style.css", "style.css", "text/css; charset=utf-8", id="css"),
    pytest.param("/app.js", "app.js", "text/javascript; charset=utf-8", id="js"),
    pytest.param("/photo.jpg", "photo.jpg", "image/jpeg", id="a jpeg image"),
    pytest.param("/icon.png", "icon.png", "image/png", id="a png image"),
    pytest.param("/app.js?v=1", "app.js", "text/javascript; charset=utf-8", id="a query does not take part"),
]


@pytest.mark.parametrize(("target", "name", "content_type"), SERVED)
def test_a_file_is_served_with_its_type(client: RawClient, target: str, name: str, content_type: str) -> None:
    response = client.request(target)
    assert (response.status, response.body) == (200, FILES[name])
    assert response.fields["content-type"] == content_type


@pytest.mark.parametrize(("target", "name", "content_type"), SERVED)
def test_head_says_what_get_would_and_sends_no_body(
    client: RawClient, target: str, name: str, content_type: str
) -> None:
    response = client.request(target, "HEAD")
    assert (response.status, response.fields["content-length"]) == (200, str(len(FILES[name])))
    assert response.fields["content-type"] == content_type
    assert client.request("/app.js").body == FILES["app.js"]  # the next response starts where it should


@pytest.mark.parametrize(
    ("method", "target", "status"),
    [
        pytest.param("GET", "/missing.html", 404, id="a missing file is 404"),
        pytest.param("HEAD", "/missing.html", 404, id="HEAD of a missing file is 404, not 200"),
        pytest.param("GET", "/missing/", 404, id="a missing folder is 404"),
        pytest.param("POST", "/index.html", 405, id="POST is 405"),
        pytest.param("PUT", "/index.html", 405, id="PUT is 405"),
        pytest.param("DELETE", "/index.html", 405, id="DELETE is 405"),
        pytest.param("GET", "/../secret.txt", 400, id="a traversal is refused"),
        pytest.param("GET", "/%2e%2e/secret.txt", 400, id="an encoded traversal is refused"),
        pytest.param("GET", "/..%2fsecret.txt", 400, id="a traversal with an encoded slash is refused"),
        pytest.param("HEAD", "/a/../../secret.txt", 400, id="a traversal from below is refused"),
        pytest.param("GET", "//../secret.txt", 400, id="a traversal after an empty segment is refused"),
    ],
)
def test_what_is_not_served_is_answered_with(client: RawClient, method: str, target: str, status: int) -> None:
    response = client.request(target, method)
    assert response.status == status
    assert b"outside the root" not in response.body
    assert ("allow" in response.fields) == (status == 405)


def test_nothing_above_the_root_is_served_through_dot_segments_inside_it(client: RawClient) -> None:
    assert client.request("/x/../app.js").body == FILES["app.js"]


def test_a_large_body_reaches_a_slow_reader_whole(server: ServerProcess) -> None:
    connection = socket.socket()
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)  # many partial sends on the other side
    connection.settimeout(60)
    connection.connect(("127.0.0.1", server.port))
    with RawClient(connection) as slow:
        slow.send("/large.bin")
        with RawClient(server.connect()) as other:  # served while the first does not read
            assert other.request("/app.js").body == FILES["app.js"]
        response = slow.receive()
    assert response.fields["content-length"] == str(len(LARGE))
    assert response.body == LARGE


def test_the_wire_example_shows_a_request_and_its_response(server: ServerProcess) -> None:
    example = CHECKOUT / "examples/wire.py"
    command = [sys.executable, str(example), "-X", "HEAD", f"http://localhost:{server.port}/icon.png"]
    shown = subprocess.run(command, capture_output=True, check=True, timeout=60).stdout.decode().splitlines()
    assert shown[0] == r"> HEAD /icon.png HTTP/1.1\r\n"
    assert r"< HTTP/1.1 200 OK\r\n" in shown
    assert rf"< Content-Length: {len(PNG)}\r\n" in shown
