"""Real upstreams, Node and uvicorn, behind a real server: bodies, events, WebSockets, over HTTP/1.1, HTTP/2 and TLS."""

from __future__ import annotations

import base64
import contextlib
import http.client
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.rawclient import RawClient
from support.serverprocess import TIMEOUT_S, ServerProcess, processes
from support.upstream import RawUpstream, respond_with

from fastfile.server.confinement.sandbox import landlock_abi

DATA = Path(__file__).parents[2] / "data"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


@contextlib.contextmanager
def running_node() -> Iterator[int]:
    node = shutil.which("node")
    if node is None:
        pytest.skip("node is not installed")
    process = subprocess.Popen([node, str(DATA / "upstream.js")], stdout=subprocess.PIPE)
    assert process.stdout is not None
    try:
        yield int(process.stdout.readline())
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


@contextlib.contextmanager
def running_uvicorn() -> Iterator[int]:
    pytest.importorskip("uvicorn")
    pytest.importorskip("wsproto")
    with socket.create_server(("127.0.0.1", 0)) as listening:
        command = [sys.executable, "-m", "uvicorn", "support.asgi_upstream:application", "--ws", "wsproto"]
        process = subprocess.Popen(
            [*command, "--log-level", "warning", "--fd", str(listening.fileno())],
            pass_fds=[listening.fileno()],
            env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
        )
        try:
            yield listening.getsockname()[1]
        finally:
            process.kill()
            process.wait()


@pytest.fixture(scope="module", params=["node", "uvicorn"])
def upstream(request: pytest.FixtureRequest) -> Iterator[int]:
    with running_node() if request.param == "node" else running_uvicorn() as port:
        yield port


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    (folder / "index.html").write_text("app")
    return folder


@pytest.fixture(scope="module")
def front(upstream: int, site: Path) -> Iterator[ServerProcess]:
    with ServerProcess([str(site), "--spa", "--proxy", f"/api=http://127.0.0.1:{upstream}"]) as server:
        yield server


def test_names_cookies_and_locations(front: ServerProcess, upstream: int) -> None:
    connection = http.client.HTTPConnection("localhost", front.port, timeout=TIMEOUT_S)
    connection.request("GET", "/api/x%20y?a=b", headers={"X-Forwarded-For": "1.2.3.4", "X-A": "b"})
    response = connection.getresponse()
    seen = json.loads(response.read())
    assert seen["url"] == "/api/x%20y?a=b"
    headers = seen["headers"]
    assert headers["host"] == f"localhost:{front.port}"
    assert headers["x-forwarded-for"] in ("127.0.0.1", "::1")
    assert headers["x-forwarded-host"] == f"localhost:{front.port}"
    assert (headers["x-forwarded-proto"], headers["via"], headers["x-a"]) == ("http", "1.1 fastfile", "b")
    assert response.headers.get_all("Set-Cookie") == ["a=b", "c=d; Path=/"]
    assert response.headers["Location"] == "/api/there"
    connection.close()


@pytest.mark.parametrize("is_chunked", [False, True])
def test_bodies_go_there_and_back(front: ServerProcess, is_chunked: bool) -> None:
    content = os.urandom(3_000_000)
    connection = http.client.HTTPConnection("localhost", front.port, timeout=TIMEOUT_S)
    pieces = [content[start : start + 100_000] for start in range(0, len(content), 100_000)]
    for _ in range(2):  # on one connection
        body = iter(pieces) if is_chunked else content
        connection.request("PUT", "/api/echo", body, encode_chunked=is_chunked)
        response = connection.getresponse()
        assert response.headers["X-Method"] == "PUT"
        assert response.read() == content
    connection.close()


def test_events_come_as_they_are_sent(front: ServerProcess) -> None:
    connection = http.client.HTTPConnection("localhost", front.port, timeout=TIMEOUT_S)
    connection.request("GET", "/api/events")
    response = connection.getresponse()
    assert response.headers["Content-Type"] == "text/event-stream"
    lines = [response.readline() for _ in range(7)]
    assert lines[:3] == [b"data: first\n", b"\n", b"data: next\n"]
    connection.close()


def test_a_websocket_echoes(front: ServerProcess) -> None:
    with front.connect() as connection:
        key = base64.b64encode(bytes(16)).decode()
        lines = ("GET /api/ws HTTP/1.1", "Host: localhost", "Upgrade: websocket", "Connection: Upgrade")
        more = ("Sec-WebSocket-Version: 13", f"Sec-WebSocket-Key: {key}", "", "")
        connection.sendall("\r\n".join((*lines, *more)).encode())
        received = b""
        while b"\r\n\r\n" not in received:
            received += connection.recv(4096)
        head, _, received = received.partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 101 ")
        assert b"sec-websocket-accept: ICX+Yqv66kxgM0FcWaLWlFLwTAI=" in head.lower().replace(
            b"icx+yqv66kxgm0fcwalwlflwtai=", b"ICX+Yqv66kxgM0FcWaLWlFLwTAI="
        )
        for number in range(20):
            payload = b"message %d" % number
            connection.sendall(bytes((0x81, 0x80 | len(payload), 0, 0, 0, 0)) + payload)
            while len(received) < 2 + len(payload):
                received += connection.recv(4096)
            assert received[:2] == bytes((0x81, len(payload)))
            assert received[2 : 2 + len(payload)] == payload
            received = received[2 + len(payload) :]


def test_http_2_requests_share_a_connection(front: ServerProcess) -> None:
    from support.http2peer import POST, Peer, frames  # skips without its libraries

    content = os.urandom(300_000)
    with Peer(front.connect()) as peer:
        for stream_id in (1, 3):
            fields = [*POST[:2], (b":path", b"/api/echo"), POST[3]]
            if stream_id == 3:
                fields.append((b"content-length", b"%d" % len(content)))
            peer.send(peer.headers(stream_id, fields, end=False))
        left = {1: content, 3: content}
        window, sent = {0: 65535, 1: 65535, 3: 65535}, 0
        take = peer._take

        def note(frame: object) -> None:
            if isinstance(frame, frames.WindowUpdateFrame):
                window[frame.stream_id] += frame.window_increment
            take(frame)

        peer._take = note  # type: ignore[method-assign]
        while any(left.values()):
            for stream_id in (1, 3):
                size = min(16384, window[0], window[stream_id], len(left[stream_id]))
                if size <= 0:
                    continue
                piece, left[stream_id] = left[stream_id][:size], left[stream_id][size:]
                window[0] -= size
                window[stream_id] -= size
                sent += size
                frame = frames.DataFrame(stream_id, piece)
                if not left[stream_id]:
                    frame.flags.add("END_STREAM")
                peer.send(frame)
            if min(window[0], *(window[each] for each in (1, 3) if left[each]), 1 << 20) <= 0:
                peer.read()
        for stream_id in (1, 3):
            response = peer.wait(stream_id)
            assert response.status == 200
            assert response.body == content
        assert peer.get(5, b"/api/nothing").status == 200
        assert peer.get(7, b"/").body == b"app"


def test_the_fallback_page_never_stands_for_the_upstream(front: ServerProcess) -> None:
    with RawClient(front.connect(), ()) as client:
        assert client.request("/elsewhere", "GET", "Accept: text/html", "Sec-Fetch-Mode: navigate").body == b"app"
        found = client.request("/api/nothing", "GET", "Accept: text/html", "Sec-Fetch-Mode: navigate")
        assert b"/api/nothing" in found.body


CONNECT = """
import socket, sys
for family, address in ((socket.AF_INET, ("127.0.0.1", {port})), (socket.AF_UNIX, {path!r})):
    try:
        socket.socket(family).connect(address)
        print("connected")
    except OSError as error:
        print(error.errno)
"""


def helpers_of(server: ServerProcess) -> list[int]:
    workers = server.worker_pids()
    return [process.pid for process in processes() if process.parent in workers and process.state != "Z"]


def test_the_helper_ends_with_its_worker_and_a_lost_one_is_replaced(site: Path) -> None:
    with (
        RawUpstream(respond_with(OK)) as upstream,
        ServerProcess([str(site), "--proxy", f"/api={upstream.url}"]) as server,
    ):
        first = server.wait_for_workers(1)
        helper = helpers_of(server)
        assert len(helper) == 1
        os.kill(helper[0], signal.SIGKILL)
        deadline = time.monotonic() + TIMEOUT_S
        while server.worker_pids() == first or not helpers_of(server) or helpers_of(server) == helper:
            assert time.monotonic() < deadline, server.stderr
            time.sleep(0.02)  # nothing tells a bystander of another's child: look again
        server.wait_for_workers(1)
        with RawClient(server.connect(), ()) as client:
            assert client.request("/api/x", "GET", "Connection: close").body == b"ok"


def test_a_stop_ends_websockets_and_waits_for_responses(site: Path) -> None:
    def serve(visit: object) -> None:
        head = visit.read_head()  # type: ignore[attr-defined]
        if b"websocket" in head:
            visit.send(b"HTTP/1.1 101 Switching\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n")  # type: ignore[attr-defined]
            visit.is_closed()  # type: ignore[attr-defined]
        elif head:
            visit.send(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nab")  # type: ignore[attr-defined]
            time.sleep(0.5)
            visit.send(b"cd")  # type: ignore[attr-defined]

    with RawUpstream(serve) as upstream:
        server = ServerProcess([str(site), "--proxy", f"/api={upstream.url}"])
        with server.connect() as tunnel, server.connect() as download:
            lines = "GET /api/ws HTTP/1.1", "Host: localhost", "Upgrade: websocket", "Connection: Upgrade", "", ""
            tunnel.sendall("\r\n".join(lines).encode())
            assert tunnel.recv(13) == b"HTTP/1.1 101 "
            download.sendall(b"GET /api/x HTTP/1.1\r\nHost: localhost\r\n\r\n")
            assert download.recv(13) == b"HTTP/1.1 200 "
            server.signal(signal.SIGTERM)
            received = b""
            while not received.endswith(b"cd"):
                data = download.recv(4096)
                assert data
                received += data
            while tunnel.recv(4096):
                pass
        assert server.wait() == 0


@pytest.mark.skipif(landlock_abi() == 0, reason="this kernel has no Landlock")
def test_a_worker_connects_nowhere_itself(site: Path, tmp_path: Path) -> None:
    """A bug that runs code in a worker reaches the servers that were named, and no others."""
    with RawUpstream(respond_with(OK)) as upstream, RawUpstream(respond_with(OK)) as other:
        # Loaded into each process of the server; a worker runs it when its first forwarded request has a response.
        (tmp_path / "sitecustomize.py").write_text(
            "import socket, sys\n"
            "def attempt():\n"
            f"    for port in ({upstream.port}, {other.port}):\n"
            "        try:\n"
            "            socket.socket().connect(('127.0.0.1', port))\n"
            "            sys.stderr.write('reached\\n')\n"
            "        except OSError as error:\n"
            "            sys.stderr.write(f'refused {error.errno}\\n')\n"
            "class Finder:\n"
            "    def find_spec(self, name, path=None, target=None):\n"
            "        if name == 'fastfile.server.proxying.upstreams':\n"
            "            import fastfile.server.proxying.exchange as exchange\n"
            "            report = exchange.Exchange._report\n"
            "            def reporting(self, job):\n"
            "                attempt()\n"
            "                report(self, job)\n"
            "            exchange.Exchange._report = reporting\n"
            "sys.meta_path.insert(0, Finder())\n"
        )
        args = [str(site), "--proxy", f"/api={upstream.url}", "--sandbox", "require"]
        from support.serverprocess import SOURCE_ROOT

        with ServerProcess(args, env={"PYTHONPATH": f"{tmp_path}:{SOURCE_ROOT}"}) as server:
            with RawClient(server.connect(), ()) as client:
                assert client.request("/api/x", "GET", "Connection: close").body == b"ok"
            deadline = time.monotonic() + TIMEOUT_S
            while server.stderr.count("\n") < 2:
                assert time.monotonic() < deadline
                time.sleep(0.01)
            assert "reached" not in server.stderr
            assert server.stderr.count("refused") == 2
        assert not other.visits


def test_auth_comes_before_the_upstream_which_sees_no_password(site: Path) -> None:
    from fastfile.config.passwords import make_hash

    heads: list[bytes] = []

    def serve(visit: object) -> None:
        heads.append(visit.read_head())  # type: ignore[attr-defined]
        visit.send(OK)  # type: ignore[attr-defined]

    user = f"me:{make_hash(b'secret')}"
    with (
        RawUpstream(serve) as upstream,
        ServerProcess([str(site), "--proxy", f"/api={upstream.url}", "--auth", user]) as server,
        RawClient(server.connect(), ()) as client,
    ):
        assert client.request("/api/x").status == 401
        assert not heads
        right = "Authorization: Basic " + base64.b64encode(b"me:secret").decode()
        for _ in range(2):
            found = client.request("/api/x", "GET", right)
            assert (found.status, found.body) == (200, b"ok")
            assert "private" in found.fields["cache-control"]
    assert all(b"authorization" not in head.lower() for head in heads)


def test_an_https_upstream_must_have_a_valid_certificate(site: Path) -> None:
    pytest.importorskip("cryptography")
    import ssl

    from support.certificates import make_pair

    pair = make_pair(site.parent)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pair.certificate_path, pair.key_path)

    def serve(visit: object) -> None:
        with contextlib.suppress(OSError):
            secure = context.wrap_socket(visit.connection, server_side=True)  # type: ignore[attr-defined]
            with secure:
                secure.recv(65536)
                secure.sendall(OK)
                secure.unwrap()

    with RawUpstream(serve) as upstream:
        for trusted, status in ((False, 502), (True, 200)):
            env = {"SSL_CERT_FILE": str(pair.certificate_path)} if trusted else {}
            args = [str(site), "--proxy", f"/api=https://localhost:{upstream.port}"]
            with ServerProcess(args, env=env) as server, RawClient(server.connect(), ()) as client:
                found = client.request("/api/x", "GET", "Connection: close")
                assert found.status == status, found
                if not trusted:
                    assert b"certificate that cannot be verified" in found.body
