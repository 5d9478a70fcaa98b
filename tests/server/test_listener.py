"""Listening sockets: busy ports, several servers that start at once, and clients that the kernel holds back."""

from __future__ import annotations

import socket
import sys
import threading
from collections.abc import Callable

import pytest
from support.ports import find_free_port
from support.retrying import retried

from fastfile.config.config import Config
from fastfile.errors import StartError
from fastfile.server.net.bind import Address, Listening, adopt, listen
from fastfile.server.net.handshakes import Handshakes, kept_s, undefer

SERVERS = 8
ROUNDS = 30


@pytest.mark.parametrize("workers", [1, 2])
def test_of_servers_that_claim_a_port_at_once_one_has_it(workers: int) -> None:
    config = Config(port=find_free_port(), workers=workers, strict_port=True)
    for _ in range(ROUNDS):
        together = threading.Barrier(SERVERS)
        claimed: list[Listening] = []
        refused: list[StartError] = []

        def claim(together=together, claimed=claimed, refused=refused) -> None:  # type: ignore[no-untyped-def]
            together.wait()
            try:
                claimed.append(listen(config))
            except StartError as error:
                refused.append(error)

        threads = [threading.Thread(target=claim) for _ in range(SERVERS)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        for listening in claimed:
            listening.close()
        assert len(claimed) == 1
        assert len(refused) == SERVERS - 1


@pytest.mark.parametrize("workers", [1, 2])
def test_a_port_of_a_server_that_would_share_it_is_busy(workers: int) -> None:
    with socket.socket() as stranger:
        stranger.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        stranger.bind(("127.0.0.1", 0))
        stranger.listen()
        with pytest.raises(StartError, match="in use"):
            listen(Config(port=stranger.getsockname()[1], workers=workers, strict_port=True))


def test_a_port_that_was_just_let_go_is_free() -> None:
    """Connections of the server before linger in TIME_WAIT: a restart does not wait for them."""
    first = listen(Config(port=0, workers=2))
    port = first.endpoints[0].port
    with socket.create_connection(("127.0.0.1", port)) as client:
        for listening in first.sockets:
            try:
                accepted, _ = listening.accept()
            except BlockingIOError:
                continue
            accepted.close()
        assert client.recv(1) == b""
    first.close()
    second = listen(Config(port=port, workers=2, strict_port=True))
    assert second.endpoints[0].port == port
    second.close()


# localhost is both loopback addresses

ipv6 = pytest.mark.skipif(not socket.has_ipv6, reason="no IPv6 here")


@ipv6
@pytest.mark.parametrize("workers", [1, 3])
def test_localhost_is_listened_on_at_both_addresses_by_each_worker(workers: int) -> None:
    listening = listen(Config(port=0, workers=workers))
    port = listening.endpoints[0].port
    assert [tuple(endpoint) for endpoint in listening.endpoints] == [("localhost", port, "", False)]
    names = [each.getsockname()[:2] for each in listening.sockets]
    assert names == [("127.0.0.1", port), ("::1", port)] * workers
    own = listening.take(workers - 1, workers)
    assert sorted(each.getsockname()[0] for each in own) == ["127.0.0.1", "::1"]
    listening.close()


@ipv6
@pytest.mark.parametrize(("family", "host"), [(socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")])
@pytest.mark.parametrize("bind", ["localhost", "::"])
def test_a_port_that_is_taken_at_either_address_is_busy(family: socket.AddressFamily, host: str, bind: str) -> None:
    with socket.create_server((host, 0), family=family) as stranger:
        port = stranger.getsockname()[1]
        config = Config(bind=bind, port=port)
        with pytest.raises(StartError, match=f"port {port} of {bind} is in use"):
            listen(config.replace(strict_port=True))
        listening = listen(config)
        assert listening.endpoints[0].port > port
        assert len({each.getsockname()[1] for each in listening.sockets}) == 1
        listening.close()


def test_localhost_is_the_other_address_where_one_family_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine without IPv6: socket() or bind() refuses it."""
    there = [Address(socket.AF_INET, "127.0.0.1"), Address(socket.AF_INET6, "2001:db8::7")]
    monkeypatch.setattr("fastfile.server.net.bind.LOOPBACK", there)
    listening = listen(Config(port=0, workers=2))
    assert {each.getsockname()[0] for each in listening.sockets} == {"127.0.0.1"}
    assert len(listening.sockets) == 2
    listening.close()


# Clients that the kernel holds back


linux = pytest.mark.skipif(sys.platform != "linux", reason="elsewhere everybody comes up at once")


@linux
@pytest.mark.parametrize(
    ("act", "is_kept"),
    [
        pytest.param(lambda client: None, True, id="who is silent is kept"),
        pytest.param(lambda client: client.sendall(b"G"), False, id="who sends a byte comes up"),
        pytest.param(lambda client: client.shutdown(socket.SHUT_WR), False, id="who ends comes up"),
    ],
)
@pytest.mark.parametrize(("bind", "host"), [("127.0.0.1", "127.0.0.1"), ("::1", "::1"), ("::", "127.0.0.1")])
@retried
def test_a_pending_client_is_kept_or_closed(
    bind: str, host: str, act: Callable[[socket.socket], object], is_kept: bool
) -> None:
    listening = listen(Config(bind=bind, port=0))
    (own,) = listening.take(0, 1)
    own.settimeout(60)
    handshakes = Handshakes()
    assert not handshakes.are_pending(own)
    with socket.create_connection((host, listening.endpoints[0].port)) as client:
        act(client)
        assert handshakes.are_pending(own) is is_kept
        own.accept()[0].close()  # the silent too, a second later
        assert not handshakes.are_pending(own)
    handshakes.close()
    assert handshakes.are_pending(own), "without the kernel's tables nothing is known"
    listening.close()


@linux
def test_no_client_that_connects_after_the_last_look_is_kept() -> None:
    listening = listen(Config(bind="127.0.0.1", port=0))
    (own,) = listening.take(0, 1)
    assert kept_s(own) == 1
    assert undefer(own)
    assert kept_s(own) == 0
    assert not undefer(own), "said once: whoever shares the socket has nobody to wait for"
    with socket.create_connection(("127.0.0.1", listening.endpoints[0].port)):
        own.accept()[0].close()
    listening.take(0, 1)
    assert undefer(own), "a worker that starts defers again"
    listening.close()


@linux
def test_sockets_of_other_owners_keep_their_setting() -> None:
    with socket.create_server(("127.0.0.1", 0)) as theirs:
        (own,) = adopt([theirs]).take(0, 1)
        assert not undefer(own)
