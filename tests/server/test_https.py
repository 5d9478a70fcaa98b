"""HTTPS in a whole server: certificates at the start and after a reload, names, tickets, redirects."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support.activation import activate, serve_given
from support.certificates import DAY, Pair, make_pair
from support.rawclient import RawClient
from support.serverprocess import TIMEOUT_S, ServerProcess, clean_environment
from support.watching import until


@pytest.fixture
def site(tmp_path: Path) -> Path:
    folder = tmp_path / "site"
    challenges = folder / ".well-known" / "acme-challenge"
    challenges.mkdir(parents=True)
    (challenges / "token").write_text("proof")
    (folder / "index.html").write_text("<title>home</title>")
    (folder / "large").write_bytes(bytes(range(256)) * 4096)
    return folder


@pytest.fixture
def pair(tmp_path: Path) -> Pair:
    return make_pair(tmp_path)


def connect(server: ServerProcess, client: ssl.SSLContext, name: str = "localhost", **arguments: object) -> RawClient:
    return RawClient(client.wrap_socket(server.connect(), server_hostname=name, **arguments))  # type: ignore[arg-type]


def serial(client: RawClient) -> bytes:
    """Return the certificate that a server has shown."""
    assert isinstance(client.connection, ssl.SSLSocket)
    shown = client.connection.getpeercert(binary_form=True)
    assert shown
    return shown


def server_certificate(client: RawClient) -> dict[str, Any]:
    """Return the fields of the certificate that a server has shown."""
    assert isinstance(client.connection, ssl.SSLSocket)
    return dict(client.connection.getpeercert() or {})


def der(pair: Pair) -> bytes:
    return ssl.PEM_cert_to_DER_cert(pair.pem.decode())


def copy_over(source: Pair, target: Pair) -> None:
    """Replace the files of a certificate one after the other, as a renewal does."""
    for old, new in ((target.certificate_path, source.certificate_path), (target.key_path, source.key_path)):
        shutil.copy(new, old + ".new")
        os.replace(old + ".new", old)


def wait_for(server: ServerProcess, text: str) -> None:
    """Wait until the server has printed something to its operator."""
    deadline = time.monotonic() + TIMEOUT_S
    while text not in server.stderr:
        assert time.monotonic() < deadline, f"{text!r} is not in {server.stderr!r}"
        time.sleep(0.01)  # there is no event for more data in a file: poll


def wait_for_certificate(server: ServerProcess, pair: Pair) -> None:
    """Wait until new clients are shown it: workers are replaced one after the other."""
    deadline = time.monotonic() + TIMEOUT_S
    trusting = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    trusting.check_hostname, trusting.verify_mode = False, ssl.CERT_NONE
    while True:
        with contextlib.suppress(ConnectionError, ssl.SSLError), connect(server, trusting) as client:
            if serial(client) == der(pair):
                return
        assert time.monotonic() < deadline, server.stderr
        time.sleep(0.02)  # there is no event for another worker: poll


def test_files_are_served_and_urls_say_https(site: Path, pair: Pair) -> None:
    with ServerProcess([str(site), *pair.options()]) as server, connect(server, pair.client()) as client:
        assert client.request("/").body == b"<title>home</title>"
        assert client.request("/large").body == (site / "large").read_bytes()
        assert f"https://localhost:{server.port}/" in server.stdout
        assert "http://" not in server.stdout


def test_the_key_may_be_in_the_file_of_the_certificate(site: Path, pair: Pair, tmp_path: Path) -> None:
    both = tmp_path / "both.pem"
    both.touch(mode=0o600)
    both.write_bytes(Path(pair.certificate_path).read_bytes() + Path(pair.key_path).read_bytes())
    with (
        ServerProcess([str(site), "--tls-cert", str(both)]) as server,
        connect(server, pair.client()) as client,
    ):
        assert client.request("/").body == b"<title>home</title>"


def test_clients_get_the_certificate_of_the_name_that_they_ask_for(site: Path, tmp_path: Path) -> None:
    pairs = [make_pair(tmp_path, [name], stem=name.replace("*", "any")) for name in ("localhost", "*.b.test", "c.test")]
    options = [option for pair in pairs for option in pair.options()]
    with ServerProcess([str(site), "--allowed-host", "*", *options]) as server:
        for name, expected in (("localhost", 0), ("x.b.test", 1), ("c.test", 2)):
            with connect(server, pairs[expected].client(), name) as client:
                assert client.request("/").status == 200
        anyone = pairs[0].client()
        anyone.check_hostname = False
        with RawClient(anyone.wrap_socket(server.connect())) as client:
            assert serial(client) == der(pairs[0])


def test_a_name_that_is_no_name_ends_the_handshake_and_prints_nothing(site: Path, tmp_path: Path) -> None:
    pairs = [make_pair(tmp_path, (name,), stem=name) for name in ("a.test", "b.test")]
    placeholder = "name"
    hello = ssl.MemoryBIO()
    client = ssl.create_default_context().wrap_bio(ssl.MemoryBIO(), hello, server_hostname=placeholder)
    with contextlib.suppress(ssl.SSLWantReadError):
        client.do_handshake()
    data = hello.read()
    assert data.count(placeholder.encode()) == 1
    with ServerProcess([str(site), "--allowed-host", "*", *pairs[0].options(), *pairs[1].options()]) as server:
        for name in (b"\xff\xfe\xfd\xfc", b"\xc3\xa4.x"):
            with server.connect() as connection:
                connection.sendall(data.replace(placeholder.encode(), name))
                connection.settimeout(TIMEOUT_S)
                assert connection.recv(100)[:1] == b"\x15"  # an alert
                assert connection.recv(100) == b""
        with connect(server, pairs[1].client(), "b.test") as client_of_b:
            assert client_of_b.request("/").status == 200
    assert server.stderr == ""


WRONG: list[tuple[str, Callable[[Path], Pair], str]] = [
    (
        "an expired certificate",
        lambda folder: make_pair(folder, end=-DAY, begin=-2 * DAY),
        "the certificate expired on",
    ),
    ("a key for all to read", lambda folder: make_pair(folder, mode=0o604), "any user may read the key (mode 0604)"),
]


@pytest.mark.parametrize(("make", "problem"), [row[1:] for row in WRONG], ids=[row[0] for row in WRONG])
def test_a_wrong_certificate_is_one_line_before_anything_listens(
    make: Callable[[Path], Pair], problem: str, site: Path, tmp_path: Path
) -> None:
    command = [sys.executable, "-m", "fastfile", str(site), *make(tmp_path).options(), "--port", "0"]
    done = subprocess.run(command, env=clean_environment(), capture_output=True, text=True, timeout=TIMEOUT_S)
    assert done.returncode == 1
    assert problem in done.stderr
    assert (done.stderr.count("\n"), done.stdout) == (1, "")


def test_a_renewed_certificate_is_used_and_no_connection_is_dropped(site: Path, pair: Pair, tmp_path: Path) -> None:
    renewed = make_pair(tmp_path, stem="renewed")
    with ServerProcess([str(site), *pair.options()]) as server, connect(server, pair.client()) as before:
        before.request("/")
        copy_over(renewed, pair)
        wait_for(server, "the files of the certificates have changed")
        wait_for_certificate(server, renewed)
        assert before.request("/").status == 200  # its response says close, since its worker is being replaced


def test_a_renewed_certificate_that_is_wrong_leaves_the_old_one_in_use(site: Path, pair: Pair, tmp_path: Path) -> None:
    other = make_pair(tmp_path, stem="other")
    with ServerProcess([str(site), *pair.options()]) as server:
        shutil.copy(other.certificate_path, pair.certificate_path)
        wait_for(server, "the old certificates stay in use: --tls-key")
        with connect(server, pair.client()) as client:
            assert client.request("/").status == 200
        server.signal(signal.SIGHUP)
        wait_for(server, "the old settings stay in force: --tls-key")
        shutil.copy(other.key_path, pair.key_path)
        wait_for_certificate(server, other)


def test_sighup_reads_the_certificates_again(site: Path, pair: Pair, tmp_path: Path) -> None:
    renewed = make_pair(tmp_path, stem="renewed")
    with ServerProcess([str(site), *pair.options()]) as server:
        copy_over(renewed, pair)
        server.signal(signal.SIGHUP)
        wait_for(server, "reloaded the settings")
        server.wait_for_workers(1)  # the one before may take a client while it learns that it is replaced
        with connect(server, renewed.client()) as client:
            assert client.request("/").status == 200


def test_https_cannot_be_switched_off_by_a_reload(site: Path, pair: Pair, tmp_path: Path) -> None:
    settings = tmp_path / "fastfile.toml"
    settings.write_text(f'tls-cert = "{pair.certificate_path}"\ntls-key = "{pair.key_path}"\n')
    with ServerProcess([str(site), "--config", str(settings)]) as server:
        settings.write_text("")
        server.signal(signal.SIGHUP)
        wait_for(server, "HTTPS cannot be switched on or off")
        with connect(server, pair.client()) as client:
            assert client.request("/").status == 200


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_a_session_is_resumed_by_another_worker(version: ssl.TLSVersion, site: Path, pair: Pair) -> None:
    with ServerProcess([str(site), "--workers", "4", *pair.options()]) as server:
        context = pair.client()
        context.maximum_version = version
        session, resumed = None, []
        for _ in range(40):
            with connect(server, context, session=session) as client:
                client.request("/")  # in TLS 1.3 the ticket comes with the response
                assert isinstance(client.connection, ssl.SSLSocket)
                resumed.append(client.connection.session_reused)
                session = client.connection.session
        assert resumed == [False] + 39 * [True]


def test_an_old_session_is_not_resumed_when_tickets_have_new_keys(site: Path, pair: Pair) -> None:
    arguments = [str(site), "--tls-ticket-key-life", "1s", *pair.options()]
    with ServerProcess(arguments) as server, connect(server, pair.client()) as before:
        before.request("/")
        assert isinstance(before.connection, ssl.SSLSocket)
        session = before.connection.session
        wait_for(server, "session tickets get new keys")

        def is_forgotten() -> bool:
            with connect(server, before.connection.context, session=session) as client:
                assert client.request("/").status == 200
                return not client.connection.session_reused

        until(is_forgotten, "workers with new keys take over")


@pytest.mark.parametrize(("minimum", "client_version", "is_served"), [("1.2", "1.2", True), ("1.3", "1.2", False)])
def test_older_versions_than_tls_min_are_refused(
    minimum: str, client_version: str, is_served: bool, site: Path, pair: Pair
) -> None:
    assert client_version == "1.2"
    context = pair.client()
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    with ServerProcess([str(site), "--tls-min", minimum, *pair.options()]) as server:
        if is_served:
            with connect(server, context) as client:
                assert client.request("/").status == 200
        else:
            with pytest.raises(ssl.SSLError, match="PROTOCOL_VERSION"):
                connect(server, context)


def test_plain_http_is_redirected_from_its_own_port(site: Path, pair: Pair) -> None:
    options = ["--redirect-http", "0", "--hsts", "--workers", "2", *pair.options()]
    with ServerProcess([str(site), *options]) as server:
        found = re.search(r"plain HTTP at localhost:(\d+) is redirected", server.stdout)
        assert found
        port = int(found[1])
        with plainly(port) as client:
            client.connection.sendall(b"GET /a%20b?c=%26\xc3\xa9 HTTP/1.1\r\nHost: localhost\r\n\r\n")
            response = client.receive()
            assert response.status == 308
            assert response.fields["location"] == f"https://localhost:{server.port}/a%20b?c=%26%C3%A9"
            assert "strict-transport-security" not in response.fields  # RFC 6797 §7.2
            response = client.request("/.well-known/acme-challenge/token")
            assert (response.status, response.body) == (200, b"proof")
            assert "strict-transport-security" not in response.fields
            assert client.request("/.well-known/acme-challenge/../../index.html").status == 308
            assert client.request("/.well-known/acme-challenge/none").status == 404
            client.connection.sendall(b"GET / HTTP/1.1\r\nHost: rebound.example\r\n\r\n")
            assert client.receive().status == 421
            client.connection.sendall(b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n\r\nhi")
            assert client.receive().status == 308
        with connect(server, pair.client()) as client:
            assert client.request("/").fields["strict-transport-security"] == "max-age=31536000"
            assert client.request("/none").fields["strict-transport-security"] == "max-age=31536000"


def test_a_socket_of_the_service_manager_redirects_plain_http(site: Path, pair: Pair) -> None:
    """In the order of a socket unit: port 80, then 443. A process without privileges could not open port 80."""
    with socket.create_server(("127.0.0.1", 0)) as plain, socket.create_server(("127.0.0.1", 0)) as secure:
        port = plain.getsockname()[1]
        options = ["--redirect-http", str(port), "--workers", "2", *pair.options()]
        with activate([str(site), *options], plain, secure) as server:
            assert server.port == secure.getsockname()[1]
            for _ in range(2):
                with plainly(port) as client:
                    location = client.request("/a").fields["location"]
                    assert location == f"https://localhost:{server.port}/a"
                    assert client.request("/.well-known/acme-challenge/token").body == b"proof"
                with connect(server, pair.client()) as client:
                    assert client.request("/").status == 200
                server.signal(signal.SIGHUP)
                wait_for(server, "reloaded the settings; 2 workers serve")
        with pytest.raises(AssertionError, match=f"--redirect-http {port}: the service manager passed no socket for"):
            activate([str(site), *options], plain)


def plainly(port: int) -> RawClient:
    return RawClient(socket.create_connection(("127.0.0.1", port), timeout=TIMEOUT_S), checks=())


def test_metrics_and_unix_sockets_stay_plain(site: Path, pair: Pair, tmp_path: Path) -> None:
    options = ["--metrics", "127.0.0.1:0", *pair.options()]
    with ServerProcess([str(site), *options]) as server, connect(server, pair.client()) as client:
        client.request("/")
        found = re.search(r"metrics: /metrics at 127.0.0.1:(\d+)", server.stdout)
        assert found
        with plainly(int(found[1])) as scraper:
            text = scraper.request("/metrics").body.decode()
            assert "fastfile_requests_total" in text
            (expires,) = re.findall(r"^fastfile_certificate_expiry_timestamp_seconds (\d+)$", text, re.MULTILINE)
            shown = server_certificate(client)["notAfter"]
            assert int(expires) == ssl.cert_time_to_seconds(shown)
    path = os.fspath(tmp_path / "socket")
    with ServerProcess([str(site), "--bind", f"unix:{path}", *pair.options()]) as server:
        assert "--tls-cert has no effect: a Unix socket speaks plain HTTP" in server.stdout
        with socket.socket(socket.AF_UNIX) as connection:
            connection.connect(path)
            assert RawClient(connection).request("/").status == 200


def test_a_proxy_names_the_client_before_tls(site: Path, pair: Pair) -> None:
    options = ["--trusted-proxy", "127.0.0.1", "--proxy-protocol", "--log-format", "common", *pair.options()]
    with ServerProcess([str(site), *options]) as server:
        connection = server.connect()
        connection.sendall(b"PROXY TCP4 192.0.2.7 192.0.2.1 5555 443\r\n")
        with RawClient(pair.client().wrap_socket(connection, server_hostname="localhost")) as client:
            assert client.request("/").status == 200
        server.stop()
        assert "192.0.2.7 - - " in server.stdout


def test_absolute_targets_may_be_https_over_tls_alone(site: Path, pair: Pair) -> None:
    with ServerProcess([str(site), *pair.options()]) as server, connect(server, pair.client()) as client:
        client.connection.sendall(b"GET https://localhost/ HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert client.receive().status == 200
    with ServerProcess([str(site)]) as server, RawClient(server.connect()) as client:
        client.connection.sendall(b"GET https://localhost/ HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert client.receive().status == 421


def test_of_the_sockets_of_a_service_manager_those_of_tcp_speak_tls(site: Path, pair: Pair, tmp_path: Path) -> None:
    path = os.fspath(tmp_path / "socket")
    with serve_given([str(site), *pair.options()], path) as server:
        with RawClient(server.connect()) as client:
            client.send("/")
            assert client.receive().status == 400
        renewed = make_pair(tmp_path, stem="renewed")
        copy_over(renewed, pair)
        wait_for_certificate(server, renewed)
        with socket.socket(socket.AF_UNIX) as connection:
            connection.connect(path)
            assert RawClient(connection).request("/").status == 200
