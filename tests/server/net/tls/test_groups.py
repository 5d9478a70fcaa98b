"""The groups of key exchange: curves that clients have, and none by which a handshake costs a worker much."""

from __future__ import annotations

import ssl
import subprocess
from collections.abc import Iterator

import pytest
from support.certificates import Pair, make_pair
from support.programs import require_program
from support.serverprocess import TIMEOUT_S, ServerProcess

from fastfile.server.net.tls import groups

ACCEPTED = ["X25519", "P-256", "P-384", "ffdhe8192:X25519"]
REFUSED = ["ffdhe2048", "ffdhe3072", "ffdhe4096", "ffdhe6144", "ffdhe8192", "ffdhe8192:ffdhe2048"]


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Pair:
    return make_pair(tmp_path_factory.mktemp("pair"))


@pytest.fixture(scope="module")
def server(pair: Pair, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    with ServerProcess([*pair.options(), str(tmp_path_factory.mktemp("site"))]) as running:
        yield running


def shake(server: ServerProcess, offered: str) -> subprocess.CompletedProcess[bytes]:
    command = [require_program("openssl"), "s_client", "-connect", f"127.0.0.1:{server.port}", "-groups", offered]
    return subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, timeout=TIMEOUT_S)


@pytest.mark.parametrize("offered", ACCEPTED)
def test_a_curve_is_accepted(offered: str, server: ServerProcess) -> None:
    done = shake(server, offered)
    assert done.returncode == 0, done.stderr
    assert b"Cipher is TLS_" in done.stdout


@pytest.mark.parametrize("offered", REFUSED)
def test_a_finite_field_is_refused_because_a_handshake_in_it_is_dear(offered: str, server: ServerProcess) -> None:
    done = shake(server, offered)
    assert done.returncode != 0
    assert b"handshake failure" in done.stderr


def test_where_openssl_cannot_be_called_a_curve_of_every_client_is_left(pair: Pair, monkeypatch) -> None:
    monkeypatch.setattr(groups, "_limit_by_openssl", lambda context, names: False)
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    groups.limit_groups(server)
    server.load_cert_chain(pair.certificate_path, pair.key_path)
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    ends = [pair.client().wrap_bio(to_client, to_server, server_hostname="localhost")]
    ends.append(server.wrap_bio(to_server, to_client, server_side=True))
    done = set()
    for step in range(8):
        try:
            ends[step % 2].do_handshake()
            done.add(step % 2)
        except ssl.SSLWantReadError:
            continue
    assert done == {0, 1}
