"""Connections over TLS in process: plain HTTP and garbage on the port, deadlines, slow clients, cut bodies."""

from __future__ import annotations

import contextlib
import os
import ssl
import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.certificates import Pair, make_pair
from support.inprocess import InProcess, serve_files
from support.rawclient import RawClient
from support.serverprocess import LOOPS
from support.tlschannels import load_channels

from fastfile.config.config import Config
from fastfile.server.net.tls.channels import Channels

LARGE = os.urandom(2_000_000)
HUGE_SIZE = 64 * 1024 * 1024  # more than the buffers of both ends take


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Pair:
    return make_pair(tmp_path_factory.mktemp("certificate"))


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    (folder / "index.html").write_text("home")
    (folder / "large").write_bytes(LARGE)
    with (folder / "huge").open("wb") as file:
        file.truncate(HUGE_SIZE)
    return folder


@contextlib.contextmanager
def serving(
    folder: Path, loop: str, site: Path, pair: Pair, channels: Channels | None = None, **options: float
) -> Iterator[InProcess]:
    running = InProcess(folder, loop, lambda *shared: serve_files(site, *shared), Config(**options), pair, channels)
    yield running
    running.stop()
    assert not running.failures


# With each loop the channel of the server, and that of the standard library with one of them.
@pytest.fixture(scope="module", params=[(loop, "") for loop in LOOPS] + [(LOOPS[-1], "memory")], ids=str)
def server(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, site: Path, pair: Pair
) -> Iterator[InProcess]:
    loop, kind = request.param
    channels = load_channels(kind) if kind else None
    with serving(tmp_path_factory.mktemp("server"), loop, site, pair, channels) as running:
        yield running


def test_a_pipeline_is_answered_in_order(server: InProcess) -> None:
    with server.connect() as client:
        for target in ("/", "/large", "/none", "/"):
            client.send(target)
        assert [client.receive().status for _ in range(4)] == [200, 200, 404, 200]


def test_a_large_file_arrives_whole(server: InProcess) -> None:
    with server.connect() as client:
        assert client.request("/large").body == LARGE
        assert client.request("/large", "GET", "Range: bytes=70000-1500000").body == LARGE[70000:1500001]


def test_plain_http_gets_400_with_a_link_and_the_connection_ends(server: InProcess) -> None:
    server.log_lines()
    with RawClient(server.connect_plainly()) as client:
        port = client.connection.getpeername()[1]
        client.connection.sendall(f"GET /a?b HTTP/1.1\r\nHost: localhost:{port}\r\nAccept: text/html\r\n\r\n".encode())
        response = client.receive()
        assert response.status == 400
        assert f'<a href="https://localhost:{port}/a?b"' in response.body.decode()
        assert response.fields["connection"] == "close"
        assert client.at_end()
    server.wait_until_closed()
    assert [line["status"] for line in server.log_lines()] == [400]


@pytest.mark.parametrize("method", ["HEAD", "POST", "OPTIONS"])
def test_plain_http_of_any_method_gets_400(method: str, server: InProcess) -> None:
    with RawClient(server.connect_plainly()) as client:
        client.send("/", method, "Content-Length: 2")
        assert client.receive(method).status == 400


GARBAGE = (b"\x16\x03\x01\xff\xff" + bytes(100), b"\r\n\r\n", bytes(100), b"get / http/1.1\r\n\r\n")


@pytest.mark.parametrize("garbage", GARBAGE)
def test_garbage_ends_the_connection_without_a_word_of_http(garbage: bytes, server: InProcess) -> None:
    server.log_lines()
    with server.connect_plainly() as connection:
        connection.sendall(garbage)
        heard = b""
        try:
            while more := connection.recv(1000):
                heard += more
        except ConnectionResetError:
            pass
        assert b"HTTP" not in heard
    server.wait_until_closed()
    assert not server.log_lines()


@pytest.mark.parametrize("loop", LOOPS)
def test_a_handshake_that_takes_too_long_is_given_up(loop: str, tmp_path: Path, site: Path, pair: Pair) -> None:
    with serving(tmp_path, loop, site, pair, head_timeout=0.2) as server, server.connect_plainly() as connection:
        connection.sendall(b"\x16\x03\x01\x02")
        assert connection.recv(100) == b""


@pytest.mark.parametrize("loop", LOOPS)
def test_a_connection_that_is_idle_after_its_handshake_is_closed_with_notice(
    loop: str, tmp_path: Path, site: Path, pair: Pair
) -> None:
    with serving(tmp_path, loop, site, pair, idle_timeout=0.2) as server, server.connect() as client:
        client.request("/")
        assert client.connection.recv(1) == b""  # SSLEOFError where close_notify is missing


@pytest.mark.parametrize("loop", LOOPS)
def test_a_client_that_stops_reading_is_reset_so_that_it_sees_a_cut_body(
    loop: str, tmp_path: Path, site: Path, pair: Pair
) -> None:
    with serving(tmp_path, loop, site, pair, write_timeout=0.2) as server:
        with server.connect() as client:
            client.send("/huge")
            server.wait_until_closed()
            with pytest.raises((ConnectionResetError, ssl.SSLError)):
                client.receive()
        line = server.log_lines()[-1]
        assert 0 < line["size"] < HUGE_SIZE


def test_a_client_of_an_old_version_is_refused(server: InProcess, pair: Pair) -> None:
    context = pair.client()
    context.set_ciphers("ALL:@SECLEVEL=0")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        context.minimum_version, context.maximum_version = ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1
    with pytest.raises((ssl.SSLError, ConnectionResetError)):
        server.connect_securely(context)


WEAK = ("AES128-SHA", "ECDHE-ECDSA-AES128-SHA", "ECDHE-ECDSA-AES256-SHA384", "DHE-RSA-AES128-GCM-SHA256")


@pytest.mark.parametrize("cipher", WEAK)
def test_ciphers_without_forward_secrecy_or_authentication_are_refused(
    cipher: str, server: InProcess, pair: Pair
) -> None:
    context = pair.client()
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(f"{cipher}:@SECLEVEL=0")
    with pytest.raises((ssl.SSLError, ConnectionResetError)):
        server.connect_securely(context)


def test_unix_sockets_beside_it_stay_plain(server: InProcess) -> None:
    with server.connect_to_unix_socket() as client:
        assert client.request("/").body == b"home"
