"""HTTPS with the clients that people use: curl, wget, OpenSSL, Node, Python; and what a scanner says of it."""

from __future__ import annotations

import os
import re
import subprocess
import urllib.request
from collections.abc import Iterator

import pytest
from support.certificates import Pair, make_pair
from support.programs import require_program
from support.serverprocess import TIMEOUT_S, ServerProcess

LARGE = bytes(range(256)) * 8192


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Pair:
    return make_pair(tmp_path_factory.mktemp("certificate"), is_authority=True)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, pair: Pair) -> Iterator[ServerProcess]:
    root = tmp_path_factory.mktemp("clients")
    (root / "large.bin").write_bytes(LARGE)
    (root / "page.txt").write_bytes(b"hello\n")
    with ServerProcess([str(root), "--workers", "2", *pair.options()]) as running:
        yield running


def run(*command: str, **environ: str) -> bytes:
    """Return what a command prints."""
    done = subprocess.run(
        command, capture_output=True, env={**os.environ, **environ}, input=b"", timeout=TIMEOUT_S, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("options", [["--tls-max", "1.2"], ["--http1.1"], []], ids=["TLS 1.2", "HTTP/1.1", "default"])
def test_curl_downloads(options: list[str], server: ServerProcess, pair: Pair) -> None:
    url = f"https://localhost:{server.port}/large.bin"
    assert run(require_program("curl"), "-sS", *options, "--cacert", pair.certificate_path, url) == LARGE


def test_wget_downloads(server: ServerProcess, pair: Pair) -> None:
    url = f"https://localhost:{server.port}/large.bin"
    assert run(require_program("wget"), "-qO-", f"--ca-certificate={pair.certificate_path}", url) == LARGE


def test_node_fetches(server: ServerProcess, pair: Pair) -> None:
    script = f"fetch('https://localhost:{server.port}/page.txt').then(r => r.text()).then(t => process.stdout.write(t))"
    assert run(require_program("node"), "-e", script, NODE_EXTRA_CA_CERTS=pair.certificate_path) == b"hello\n"


def test_python_fetches(server: ServerProcess, pair: Pair) -> None:
    with urllib.request.urlopen(f"https://localhost:{server.port}/large.bin", context=pair.client()) as response:
        assert response.read() == LARGE


@pytest.mark.parametrize("name", ["httpx", "requests"])
def test_a_library_of_python_fetches(name: str, server: ServerProcess, pair: Pair) -> None:
    library = pytest.importorskip(name)
    verify = pair.client() if name == "httpx" else pair.certificate_path
    assert library.get(f"https://localhost:{server.port}/large.bin", verify=verify).content == LARGE


def test_openssl_resumes_its_session(server: ServerProcess, pair: Pair) -> None:
    where = ["-connect", f"127.0.0.1:{server.port}", "-servername", "localhost", "-CAfile", pair.certificate_path]
    said = run(require_program("openssl"), "s_client", *where, "-reconnect", "-tls1_2").decode()
    assert said.count("Reused, TLSv1.2") == 5
    assert "Verify return code: 0 (ok)" in said


def test_a_scanner_finds_nothing_weak(server: ServerProcess) -> None:
    said = run(require_program("sslscan"), "--no-colour", f"127.0.0.1:{server.port}").decode()
    for version in ("SSLv2", "SSLv3", "TLSv1.0", "TLSv1.1"):
        assert re.search(rf"{version}\s+disabled", said), said
    for version in ("TLSv1.2", "TLSv1.3"):
        assert re.search(rf"{version}\s+enabled", said), said
    assert "Session renegotiation not supported" in said
    assert said.count("not vulnerable to heartbleed") == 2
    ciphers = set(re.findall(r"(?:Preferred|Accepted)\s+(TLSv1\.\d)\s+\d+ bits\s+(\S+)", said))
    assert {cipher for version, cipher in ciphers if version == "TLSv1.2"} == {
        "ECDHE-ECDSA-AES128-GCM-SHA256",
        "ECDHE-ECDSA-AES256-GCM-SHA384",
        "ECDHE-ECDSA-CHACHA20-POLY1305",
    }
    assert {cipher for version, cipher in ciphers if version == "TLSv1.3"} == {
        "TLS_AES_128_GCM_SHA256",
        "TLS_AES_256_GCM_SHA384",
        "TLS_CHACHA20_POLY1305_SHA256",
    }
