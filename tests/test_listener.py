"""Listening sockets: whose a port is, when several servers ask for it at once."""

from __future__ import annotations

import socket
import threading

import pytest

from fastfile.config import Config
from fastfile.errors import StartError
from fastfile.server.listening import Listening, listen

SERVERS = 8
ROUNDS = 30


def free_port() -> int:
    with socket.socket() as chosen:
        chosen.bind(("127.0.0.1", 0))
        return int(chosen.getsockname()[1])


@pytest.mark.parametrize("workers", [1, 2])
def test_of_servers_that_claim_a_port_at_once_one_has_it(workers: int) -> None:
    config = Config(port=free_port(), workers=workers, strict_port=True)
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
def test_a_port_of_somebody_who_would_share_it_is_busy(workers: int) -> None:
    with socket.socket() as stranger:
        stranger.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        stranger.bind(("127.0.0.1", 0))
        stranger.listen()
        with pytest.raises(StartError, match="in use"):
            listen(Config(port=stranger.getsockname()[1], workers=workers, strict_port=True))


def test_a_port_that_was_just_let_go_is_free() -> None:
    """Connections of the server before linger in TIME_WAIT: a restart does not wait for them."""
    first = listen(Config(port=0, workers=2))
    port = first.addresses[0].port
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
    assert second.addresses[0].port == port
    second.close()
