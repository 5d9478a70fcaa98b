"""HTTP/2 by a whole server, over TLS and without it, as clients of others see it."""

from __future__ import annotations

import signal
import ssl
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support import http2peer
from support.certificates import Name, Pair, make_pair, name_subject
from support.programs import require_program
from support.rawclient import RawClient
from support.serverprocess import TIMEOUT_S, ServerProcess

LARGE = bytes(range(256)) * 8000


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    (folder / "index.html").write_text("<title>home</title><script src=a.js></script>")
    (folder / "a.js").write_text(
        "document.title += ' by ' + performance.getEntriesByType('navigation')[0].nextHopProtocol"
    )
    (folder / "large").write_bytes(LARGE)
    return folder


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Pair:
    return make_pair(tmp_path_factory.mktemp("tls"), ("localhost", "127.0.0.1", "example.test", "*.wild.test"))


@pytest.fixture(scope="module")
def secure(site: Path, pair: Pair) -> Iterator[ServerProcess]:
    with ServerProcess([str(site), *pair.options(), "--allowed-host", "*"]) as server:
        yield server


def connect(server: ServerProcess, pair: Pair | None = None) -> Any:
    connection = server.connect()
    if pair is not None:
        connection = pair.client(("h2",)).wrap_socket(connection, server_hostname="localhost")
    return http2peer.Peer(connection)


def run(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, timeout=TIMEOUT_S, check=False)
    assert done.returncode == 0, done
    return done.stdout.decode("latin-1")


def test_tls_negotiates_http_2(secure: ServerProcess, pair: Pair) -> None:
    for offered, chosen in ((("h2", "http/1.1"), "h2"), (("http/1.1",), "http/1.1"), ((), None)):
        with pair.client(offered).wrap_socket(secure.connect(), server_hostname="localhost") as connection:
            assert connection.selected_alpn_protocol() == chosen
            if chosen != "h2":
                assert RawClient(connection).request("/").status == 200


def test_responses_over_tls_are_those_of_http_1(secure: ServerProcess, pair: Pair, site: Path) -> None:
    with connect(secure, pair) as peer:
        index = peer.get(1)
        assert (index.status, index.body) == (200, (site / "index.html").read_bytes())
        assert peer.get(3, b"/large").body == LARGE
        assert peer.get(5, b"/large", (b"range", b"bytes=1000-1999")).body == LARGE[1000:2000]
        several = peer.get(7, b"/large", (b"range", b"bytes=0-9,100000-100009"))
        assert (several.status, several.body.count(b"Content-Range")) == (206, 2)
        assert peer.get(9, b"/", (b"if-none-match", index.fields["etag"].encode())).status == 304
        assert peer.get(11, b"/", method=b"HEAD").fields["content-length"] == str(len(index.body))
        assert peer.get(13, b"/missing").status == 404
        assert peer.get(15, method=b"DELETE").fields["allow"] == "GET, HEAD, OPTIONS"


def test_an_authority_that_the_certificate_does_not_cover_is_421(secure: ServerProcess, pair: Pair) -> None:
    rows = (
        (b"example.test", 200),
        (b"example.test.", 200),
        (b"a.wild.test:443", 200),
        (b"example.com", 421),
        (b"a.b.wild.test", 421),
    )
    with connect(secure, pair) as peer:
        for number, (authority, status) in enumerate((*rows, (b"localhost:1", 200), (b"10.0.0.1", 200))):
            stream_id = 1 + 2 * number
            peer.send(peer.headers(stream_id, (*http2peer.GET[:3], (b":authority", authority))))
            assert peer.wait(stream_id).status == status, authority


@pytest.mark.parametrize(
    ("subject", "statuses"),
    [(name_subject("old.test"), (200, 421)), (name_subject(), (200, 200))],
    ids=["common name", "no name"],
)
def test_a_certificate_without_alternative_names_is_used_with_a_notice(
    subject: Name, statuses: tuple[int, int], site: Path, tmp_path: Path
) -> None:
    pair = make_pair(tmp_path, [], subject=subject)
    client = pair.client(("h2",))
    client.check_hostname = False
    with ServerProcess([str(site), *pair.options(), "--allowed-host", "*"]) as server:
        assert "server.pem: browsers do not accept it, because it has no subjectAltName" in server.stdout
        with http2peer.Peer(client.wrap_socket(server.connect(), server_hostname="old.test")) as peer:
            for stream_id, authority, status in ((1, b"old.test", statuses[0]), (3, b"other.test", statuses[1])):
                peer.send(peer.headers(stream_id, (*http2peer.GET[:3], (b":authority", authority))))
                assert peer.wait(stream_id).status == status


def test_http_2_over_tls_needs_alpn(secure: ServerProcess, pair: Pair) -> None:
    with pair.client().wrap_socket(secure.connect(), server_hostname="localhost") as connection:
        connection.sendall(http2peer.PREFACE)
        assert connection.recv(100).startswith(b"HTTP/1.1 505 ")


def test_http_1_where_http_2_was_negotiated_is_an_error(secure: ServerProcess, pair: Pair) -> None:
    with connect(secure, pair) as peer:
        assert peer.get(1).status == 200
    connection = pair.client(("h2",)).wrap_socket(secure.connect(), server_hostname="localhost")
    with http2peer.Peer(connection, greet=False) as peer:
        peer.send_raw(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        peer.wait_end()
        assert peer.goaway == 1  # PROTOCOL_ERROR


@pytest.mark.parametrize("protocol", ["http/1.1", "h2"])
def test_a_request_with_close_notify_is_answered_and_the_connection_ends(
    secure: ServerProcess, pair: Pair, protocol: str
) -> None:
    """The socket itself stays open; without an end of the stream the server would wait for --idle-timeout."""
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = pair.client((protocol,)).wrap_bio(incoming, outgoing, server_hostname="localhost")
    with secure.connect() as connection:
        while True:
            try:
                tls.do_handshake()
                break
            except ssl.SSLWantReadError:
                connection.sendall(outgoing.read())
                incoming.write(connection.recv(65536))
        if protocol == "h2":
            encoder = http2peer.hpack.Encoder()
            block = encoder.encode([*http2peer.GET[:2], (b":path", b"/large"), http2peer.GET[3]])
            settings = http2peer.make_frame(4, 0, 0, b"\0\4\0\x7f\xff\xff")
            widening = http2peer.make_frame(8, 0, 0, (1 << 24).to_bytes(4, "big"))
            tls.write(http2peer.PREFACE + settings + widening + http2peer.make_frame(1, 5, 1, block))
        else:
            tls.write(b"GET /large HTTP/1.1\r\nHost: localhost\r\n\r\n")
        with pytest.raises(ssl.SSLWantReadError):
            tls.unwrap()  # writes close_notify
        connection.sendall(outgoing.read())
        received = 0
        while data := connection.recv(262144):
            received += len(data)
    assert received > len(LARGE)


def test_http_2_alone_refuses_http_1(site: Path) -> None:
    with ServerProcess([str(site), "--http", "2"]) as server:
        with RawClient(server.connect()) as client:
            assert client.request("/").status == 505
        with connect(server) as peer:
            assert peer.get(1).status == 200


def test_curl_gets_the_same_over_both(secure: ServerProcess, pair: Pair, tmp_path: Path) -> None:
    curl = require_program("curl")
    if "HTTP2" not in run(curl, "--version"):
        pytest.skip("this curl has no HTTP/2")
    url = f"https://localhost:{secure.port}/large"
    for version in ("--http2", "--http1.1"):
        path = tmp_path / version
        said = run(
            curl, "-sS", "--cacert", pair.certificate_path, version, "-o", str(path), "-w", "%{http_version}", url
        )
        assert said == ("2" if version == "--http2" else "1.1")
        assert path.read_bytes() == LARGE


def test_nghttp_reads_a_page_and_its_parts_by_prior_knowledge(site: Path) -> None:
    nghttp = require_program("nghttp")
    with ServerProcess([str(site)]) as server:
        said = run(nghttp, "-nas", f"http://localhost:{server.port}/", f"http://localhost:{server.port}/large")
    assert said.count(" 200 ") >= 3


def test_h2load_fails_no_request(secure: ServerProcess) -> None:
    said = run(require_program("h2load"), "-n", "600", "-c", "3", "-m", "50", f"https://localhost:{secure.port}/a.js")
    assert "600 succeeded, 0 failed" in said


def test_node_reads_over_http_2(secure: ServerProcess, pair: Pair) -> None:
    script = f"""
        const ca = require('fs').readFileSync('{pair.certificate_path}');
        const session = require('http2').connect('https://localhost:{secure.port}', {{ca}});
        let open = 20;
        for (let number = 0; number < 20; number++) {{
            const request = session.request({{':path': '/large'}});
            let size = 0;
            request.on('data', chunk => size += chunk.length);
            request.on('end', () => {{
                if (size !== {len(LARGE)}) process.exit(1);
                if (--open === 0) session.close();
            }});
        }}
    """
    run(require_program("node"), "-e", script)


def test_httpx_reads_over_http_2(secure: ServerProcess, pair: Pair) -> None:
    httpx = pytest.importorskip("httpx")
    pytest.importorskip("h2")
    with httpx.Client(http2=True, verify=pair.client()) as client:
        for _ in range(3):
            response = client.get(f"https://localhost:{secure.port}/large")
            assert (response.http_version, response.content) == ("HTTP/2", LARGE)


def test_a_server_that_stops_completes_its_streams(site: Path) -> None:
    with ServerProcess([str(site)]) as server, connect(server) as peer:
        peer.widens = False
        peer.ask(1, b"/large")
        peer.wait_alive()
        server.signal(signal.SIGTERM)
        while peer.goaway is None:
            peer.read()
        peer.widens = True
        peer.send(
            http2peer.frames.WindowUpdateFrame(0, window_increment=1 << 22),
            http2peer.frames.WindowUpdateFrame(1, window_increment=1 << 22),
        )
        assert peer.wait(1).body == LARGE
        peer.wait_end()
        assert server.wait() == 0
