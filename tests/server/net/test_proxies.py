"""The client's address behind trusted proxies: in the log, per request or per connection, and forged ones."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.rawclient import RawClient, make_request
from support.serverprocess import ServerProcess

LINE = b"PROXY TCP4 192.0.2.1 127.0.0.1 5000 80\r\n"
LOG = ("--log-format", "json")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "index.html").write_text("home")
    return tmp_path


def peers(server: ServerProcess) -> list[str]:
    """Return the clients in the log; the server has stopped."""
    return [json.loads(line)["peer"] for line in server.stdout.splitlines() if line.startswith("{")]


def test_the_log_names_the_client_of_each_request(folder: Path) -> None:
    arguments = [*LOG, "--trusted-proxy", "127.0.0.0/8", str(folder)]
    with ServerProcess(arguments) as server, RawClient(server.connect()) as proxy:
        proxy.request("/", "GET", "X-Forwarded-For: 192.0.2.1")
        proxy.request("/", "GET", 'Forwarded: for="[2001:db8::1]:99"')
        proxy.request("/")
        proxy.request("/", "GET", "X-Forwarded-For: 198.51.100.9, 192.0.2.2")
    assert peers(server) == ["192.0.2.1", "2001:db8::1", "127.0.0.1", "192.0.2.2"]


@pytest.mark.parametrize("trusted", [(), ("--trusted-proxy", "192.0.2.0/24")], ids=["none", "another"])
def test_what_a_stranger_says_is_not_believed(folder: Path, trusted: tuple[str, ...]) -> None:
    with ServerProcess([*LOG, *trusted, str(folder)]) as server, RawClient(server.connect()) as client:
        client.request("/", "GET", "X-Forwarded-For: 192.0.2.1")
    assert peers(server) == ["127.0.0.1"]


@pytest.fixture
def behind(folder: Path) -> Iterator[ServerProcess]:
    options = ("--trusted-proxy", "127.0.0.0/8", "--proxy-protocol", "--max-per-client", "2")
    with ServerProcess([*LOG, *options, str(folder)]) as server:
        yield server


@pytest.mark.parametrize("size", [1, 7, 1000])
def test_the_proxy_protocol_names_the_client_however_it_is_cut(behind: ServerProcess, size: int) -> None:
    wire = LINE + make_request("/")
    with RawClient(behind.connect()) as client:
        for start in range(0, len(wire), size):
            client.connection.sendall(wire[start : start + size])
        assert client.receive().body == b"home"
        assert client.request("/").body == b"home"
    behind.stop()
    assert peers(behind) == ["192.0.2.1", "192.0.2.1"]


def test_a_proxy_that_does_not_speak_it_is_closed_without_a_response(behind: ServerProcess) -> None:
    with behind.connect() as connection:
        connection.sendall(make_request("/"))
        assert receive(connection) == b""
    behind.stop()
    assert "closes a connection of a proxy, 127.0.0.1: not the PROXY protocol" in behind.stderr


def test_the_connections_of_a_client_are_counted_not_those_of_its_proxy(behind: ServerProcess) -> None:
    held = []
    for client in ("192.0.2.1", "192.0.2.1", "192.0.2.2", "192.0.2.2"):
        held.append(RawClient(behind.connect()))
        held[-1].connection.sendall(LINE.replace(b"192.0.2.1", client.encode()) + make_request("/"))
        assert held[-1].receive().status == 200
    with behind.connect() as connection:
        connection.sendall(LINE + make_request("/"))
        assert receive(connection) == b""
    held.pop(0).connection.close()
    for _ in range(1000):
        with behind.connect() as connection:
            connection.sendall(LINE + make_request("/", "GET", "Connection: close"))
            if receive(connection).startswith(b"HTTP/1.1 200"):
                break
    else:
        raise AssertionError("its place was not given back")
    for client_ in held:
        client_.connection.close()


def receive(connection: socket.socket) -> bytes:
    received = b""
    try:
        while more := connection.recv(65536):
            received += more
    except ConnectionResetError:
        pass
    return received


def test_the_proxy_protocol_needs_a_proxy_to_be_trusted(folder: Path) -> None:
    with pytest.raises(AssertionError, match="--proxy-protocol"), ServerProcess(["--proxy-protocol", str(folder)]):
        pass
