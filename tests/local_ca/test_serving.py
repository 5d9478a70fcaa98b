"""``--https``: the names of the certificate, the notices, the download for phones, and what real clients make of it."""

from __future__ import annotations

import contextlib
import http.client
import os
import re
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import pytest
from support.pagereader import hashes_of
from support.programs import require_program
from support.serverprocess import TIMEOUT_S, ServerProcess, clean_environment

pytest.importorskip("cryptography", reason="comes with the extra https")

from cryptography import x509

from fastfile.config.config import Config
from fastfile.config.passwords import make_hash
from fastfile.local_ca.authority import Authority
from fastfile.local_ca.leaf import make_leaf
from fastfile.local_ca.library import Library, find_authority, open_library
from fastfile.local_ca.names import host_names, parse_name
from fastfile.server.https import local_certificate
from fastfile.server.https.certificates import CertificateWatch, load_contexts, renew
from fastfile.server.https.local_certificate import LocalCertificate, find_local_certificate
from fastfile.server.resources import Plan

TEXT = "served over TLS"
DAY_S = 86400.0
NOT_TRUSTED = "browsers do not trust the local CA yet: fastfile cert install"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("site")
    (root / "index.html").write_text(f"<!DOCTYPE html><title>{TEXT}</title><link rel=icon href=data:,>")
    return root


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("home")


@pytest.fixture(scope="module")
def library(home: Path) -> Library:
    return open_library({"HOME": str(home)})


@pytest.fixture(scope="module")
def authority(library: Library) -> Authority:
    return find_authority(library, datetime.now(UTC))


def at_home(home: Path) -> dict[str, str]:
    return {"HOME": str(home), "XDG_DATA_HOME": "", "CAROOT": "", "SUDO_UID": ""}


@pytest.fixture(scope="module")
def server(site: Path, home: Path, authority: Authority) -> Iterator[ServerProcess]:
    with ServerProcess(["--https", str(site)], env=at_home(home)) as running:
        yield running


@pytest.fixture(scope="module")
def foreign(site: Path, authority: Authority, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """A server whose certificate the local CA made for a name that it may not certify, beside localhost."""
    certificate, key = make_leaf(authority, [parse_name("example.com"), parse_name("localhost")], datetime.now(UTC))
    path = tmp_path_factory.mktemp("foreign") / "leaf.pem"
    path.write_bytes(certificate + key)
    path.chmod(0o600)
    arguments = ["--tls-cert", str(path), "--tls-key", str(path), "--allowed-host", "example.com"]
    with ServerProcess([*arguments, str(site)]) as running:
        yield running


NODE = """
fetch(process.argv[1]).then(response => response.text()).then(
    text => console.log(text), error => { console.error(error.cause.code); process.exit(1); })
"""
PYTHON = """
import sys, urllib.request
print(urllib.request.urlopen(sys.argv[1]).read().decode())
"""
HTTPX = "import sys, httpx; print(httpx.get(sys.argv[1]).text)"
REQUESTS = "import sys, requests; print(requests.get(sys.argv[1]).text)"
AIOHTTP = """
import asyncio, sys, aiohttp
async def main():
    async with aiohttp.ClientSession() as session, session.get(sys.argv[1]) as response:
        print(await response.text())
asyncio.run(main())
"""
# How a client is started, and how it is told of the CA.
CLIENTS = {
    "curl": (["curl", "--silent", "--show-error"], ["--cacert", "{ca}"], ""),
    "wget": (["wget", "--quiet", "-O", "-"], ["--ca-certificate={ca}"], ""),
    "node": (["node", "-e", NODE], [], "NODE_EXTRA_CA_CERTS"),
    "python": ([sys.executable, "-c", PYTHON], [], "SSL_CERT_FILE"),
    "httpx": ([sys.executable, "-c", HTTPX], [], "SSL_CERT_FILE"),
    "requests": ([sys.executable, "-c", REQUESTS], [], "REQUESTS_CA_BUNDLE"),
    "aiohttp": ([sys.executable, "-c", AIOHTTP], [], "SSL_CERT_FILE"),
}
HOSTS = ["localhost", "127.0.0.1"]
by_client = pytest.mark.parametrize("client", CLIENTS)


def fetch(client: str, url: str, ca: str) -> subprocess.CompletedProcess[str]:
    """Fetch a URL by a client, which trusts the CA in a file and no other; without one, what it trusts by itself."""
    start, options, variable = CLIENTS[client]
    program = start[0] if start[0] == sys.executable else require_program(start[0])
    if client in ("httpx", "requests", "aiohttp"):
        pytest.importorskip(client, reason="comes with the extra `test`, and not with test-basics")
    given = [option.format(ca=ca) for option in options] if ca else []
    command = [program, *start[1:], *given, url]
    environment = {**clean_environment(), **({variable: ca} if variable and ca else {})}
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=TIMEOUT_S)


@by_client
@pytest.mark.parametrize("host", HOSTS)
def test_a_client_that_is_told_of_the_ca_gets_the_page(
    client: str, host: str, server: ServerProcess, authority: Authority
) -> None:
    done = fetch(client, f"https://{host}:{server.port}/", authority.path)
    assert done.returncode == 0, done.stderr
    assert TEXT in done.stdout


@by_client
def test_a_client_that_is_not_refuses_it(client: str, server: ServerProcess) -> None:
    done = fetch(client, f"https://localhost:{server.port}/", "")
    assert done.returncode != 0
    assert TEXT not in done.stdout


@by_client
def test_a_client_refuses_a_certificate_of_the_ca_for_a_name_that_it_may_not_certify(
    client: str, foreign: ServerProcess, authority: Authority
) -> None:
    # Although localhost is in it too: a certificate is refused for any name outside of the constraints.
    done = fetch(client, f"https://localhost:{foreign.port}/", authority.path)
    assert done.returncode != 0, done.stdout
    assert TEXT not in done.stdout


def certificate_of(server: ServerProcess, host: str, authority: Authority) -> dict[str, list[str]]:
    """Return the names of the certificate that a client gets, which trusts the CA, by their kind."""
    context = ssl.create_default_context(cadata=authority.pem.decode())
    with (
        socket.create_connection((host, server.port), TIMEOUT_S) as plain,
        context.wrap_socket(plain, server_hostname=host) as secure,
    ):
        found = secure.getpeercert()
    assert found is not None
    names: dict[str, list[str]] = {}
    for kind, value in found["subjectAltName"]:
        names.setdefault(kind, []).append(value)
    return names


def test_the_certificate_is_for_this_machine(server: ServerProcess, authority: Authority) -> None:
    names = certificate_of(server, "localhost", authority)
    assert names["DNS"][:2] == ["localhost", "*.localhost"]
    assert {name for name in host_names() if authority.may_certify(name)} <= set(names["DNS"])
    assert names["IP Address"] == ["127.0.0.1", "0:0:0:0:0:0:0:1"]


def test_the_banner_has_https_urls_and_how_to_trust_the_ca(server: ServerProcess) -> None:
    assert f"https://localhost:{server.port}/" in server.stdout
    assert f"  {NOT_TRUSTED}\n" in server.stdout


def test_serving_trusts_nothing(server: ServerProcess, home: Path) -> None:
    assert sorted(path.name for path in home.iterdir()) == [".local"]
    assert not (home / ".local/share/fastfile/installed").exists()


def test_a_server_of_this_machine_alone_offers_no_download(server: ServerProcess, authority: Authority) -> None:
    assert get(server, "localhost", authority).status == 404


def get(
    server: ServerProcess,
    host: str,
    authority: Authority,
    method: str = "GET",
    path: str = "/.well-known/fastfile-ca.crt",
) -> http.client.HTTPResponse:
    context = ssl.create_default_context(cadata=authority.pem.decode())
    with contextlib.closing(http.client.HTTPSConnection(host, server.port, timeout=TIMEOUT_S, context=context)) as to:
        to.request(method, path)
        response = to.getresponse()
        response.body = response.read()  # type: ignore[attr-defined]
        return response


@pytest.fixture(scope="module")
def shared(site: Path, home: Path, authority: Authority) -> Iterator[ServerProcess]:
    """A server of the network, with a password."""
    arguments = ["--https", "--host", "--auth", "ada:" + make_hash(b"secret"), "--hsts", str(site)]
    with ServerProcess(arguments, env=at_home(home)) as running:
        yield running


def test_a_phone_gets_the_ca_without_a_password(shared: ServerProcess, authority: Authority) -> None:
    response = get(shared, "127.0.0.1", authority)
    assert response.status == 200
    assert response.headers["Content-Type"] == "application/x-x509-ca-cert"
    assert response.headers["Content-Disposition"] is None
    assert response.body == authority.pem
    head = get(shared, "127.0.0.1", authority, "HEAD")
    assert (head.status, head.body, head.headers["Content-Length"]) == (200, b"", str(len(authority.pem)))


def test_a_phone_gets_the_steps_to_install_the_ca(shared: ServerProcess, authority: Authority) -> None:
    response = get(shared, "127.0.0.1", authority, path="/.well-known/fastfile-ca")
    assert (response.status, response.headers["Content-Type"]) == (200, "text/html; charset=utf-8")
    page = response.body.decode()
    assert authority.fingerprint in page
    assert 'href="fastfile-ca.crt"' in page
    (style,) = hashes_of(response.body, "style")
    assert response.headers["Content-Security-Policy"] == (
        f"default-src 'none'; style-src {style}; base-uri 'none'; form-action 'none'"
    )


def test_a_local_certificate_never_comes_with_hsts(shared: ServerProcess, authority: Authority) -> None:
    assert get(shared, "127.0.0.1", authority).headers["Strict-Transport-Security"] is None
    assert "--hsts has no effect with --https" in shared.stdout


def test_the_certificate_has_each_address_that_the_banner_shows(shared: ServerProcess, authority: Authority) -> None:
    shown = re.findall(r"Network: +https://\[?([^/\]]+?)\]?:\d+/", shared.stdout)
    covered = {ip_address(text) for text in certificate_of(shared, "127.0.0.1", authority)["IP Address"]}
    for text in shown:
        assert ip_address(text) in covered or f"the local certificate is not for {text}" in shared.stdout


def find(config: Config, home: Path, monkeypatch: pytest.MonkeyPatch) -> LocalCertificate:
    for name, value in at_home(home).items():
        monkeypatch.setenv(name, value)
    return find_local_certificate(config)


def names_in(certificate: LocalCertificate) -> set[str]:
    found = x509.load_pem_x509_certificate(Path(certificate.path).read_bytes())
    names = found.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    return {str(name.value) for name in names}


LAN = ["192.168.7.7", "8.8.8.8", "fd00::7"]
SETTINGS = [
    ({}, set(), {"192.168.7.7"}, False),
    ({"host": True}, {"192.168.7.7", "fd00::7"}, {"8.8.8.8"}, True),
    ({"bind": "0.0.0.0"}, {"192.168.7.7", "fd00::7"}, {"8.8.8.8"}, True),
    ({"bind": "10.1.1.1"}, {"10.1.1.1"}, {"192.168.7.7"}, True),
    ({"bind": "[fd00::9]"}, {"fd00::9"}, {"192.168.7.7"}, True),
    ({"bind": "127.0.0.1"}, {"localhost"}, {"192.168.7.7"}, False),
    ({"allowed_host": ("shop.test", ".all.test", "*", "www.example.com")}, {"shop.test"}, {"www.example.com"}, False),
]


@pytest.mark.parametrize(("options", "there", "missing", "is_offered"), SETTINGS)
def test_the_settings_say_which_names_are_in_it(
    options, there: set[str], missing: set[str], is_offered: bool, home: Path, authority: Authority, monkeypatch
) -> None:
    monkeypatch.setattr(local_certificate, "lan_addresses", lambda: LAN)
    found = find(Config(https=True, **options), home, monkeypatch)
    names = names_in(found)
    assert there | {"localhost", "*.localhost", "127.0.0.1", "::1"} <= names
    assert not missing & names
    assert found.authority == (authority.pem if is_offered else b"")
    said = "the local certificate is not for 8.8.8.8: the CA is limited to local names"
    assert (said in found.notices) == ("8.8.8.8" in missing)
    said = "phones get the local CA at /.well-known/fastfile-ca, with the steps to install it"
    assert (said in found.notices) == is_offered


def test_it_is_renewed_thirty_days_before_its_end(home: Path, authority: Authority, monkeypatch) -> None:
    found = find(Config(https=True), home, monkeypatch)
    certificate = x509.load_pem_x509_certificate(Path(found.path).read_bytes())
    assert found.renew_at_s == (certificate.not_valid_after_utc - timedelta(days=30)).timestamp()


def test_nothing_is_said_where_the_ca_is_trusted(
    home: Path, library: Library, authority: Authority, monkeypatch
) -> None:
    assert NOT_TRUSTED in find(Config(https=True), home, monkeypatch).notices
    Path(library.mark).write_text(authority.fingerprint)
    assert find(Config(https=True), home, monkeypatch).notices == ()
    Path(library.mark).write_text("of another CA")
    assert NOT_TRUSTED in find(Config(https=True), home, monkeypatch).notices
    os.unlink(library.mark)


FAILURES: list[tuple[Sequence[str], dict[str, str], int, str]] = [
    (
        ["--https", "--tls-cert", "a.pem", "--tls-key", "a.pem"],
        {},
        2,
        "--https (from the command line): cannot be used",
    ),
    (["--https"], {"HOME": __file__}, 1, f"cannot keep the local CA: {__file__}/.local: Not a directory; "),
]


@pytest.mark.parametrize(("arguments", "environment", "status", "problem"), FAILURES)
def test_what_cannot_be_is_one_line(
    arguments: Sequence[str], environment: dict[str, str], status: int, problem: str, site: Path, home: Path
) -> None:
    command = [sys.executable, "-m", "fastfile", *arguments, "--port", "0", str(site)]
    there = {**clean_environment(), **at_home(home), **environment}
    done = subprocess.run(command, env=there, capture_output=True, text=True, timeout=TIMEOUT_S)
    assert done.returncode == status
    assert done.stderr.startswith(f"fastfile: {problem}")
    assert done.stderr.count("\n") == 1


def make_plan(config: Config) -> Plan:
    return Plan(config, b"", load_contexts(config))


def test_a_certificate_is_renewed_while_it_is_served(tmp_path: Path, monkeypatch) -> None:
    config = Config(https=True)
    path = Path(find(config, tmp_path, monkeypatch).path)
    authority = find_authority(open_library(at_home(tmp_path)), datetime.now(UTC))
    plan = make_plan(config)
    watch = CertificateWatch()
    assert not watch.maybe_due(plan.contexts, DAY_S), "it lasts for 90 days"
    # A server that has been running for 60 days: the certificate has 30 left.
    names = [parse_name(text) for text in names_in(LocalCertificate(str(path), 0, b"", ()))]
    certificate, key = make_leaf(authority, names, datetime.now(UTC) - timedelta(days=60))
    path.write_bytes(certificate + key)
    contexts = plan.contexts
    assert contexts is not None
    assert contexts.local is not None
    old = replace(contexts, local=replace(contexts.local, renew_at_s=time.time() - 1))
    reason = CertificateWatch().maybe_due(old, DAY_S)
    assert reason == "the local certificate expires soon"
    said: list[str] = []
    renewed = renew(plan._replace(contexts=old), reason, said.append)
    assert renewed is not None
    assert said == [f"{reason}: reloading the certificates"]
    assert renewed.contexts is not None
    assert renewed.contexts.certificates[0].expires_s > (datetime.now(UTC) + timedelta(days=89)).timestamp()
    assert not CertificateWatch().maybe_due(renewed.contexts, DAY_S)


def test_a_renewal_that_fails_is_tried_again_an_hour_later(tmp_path: Path, monkeypatch) -> None:
    config = Config(https=True)
    find(config, tmp_path, monkeypatch)
    contexts = make_plan(config).contexts
    assert contexts is not None
    assert contexts.local is not None
    old = replace(contexts, local=replace(contexts.local, renew_at_s=time.time() - 1))
    watch = CertificateWatch()
    now_s = time.monotonic()
    looks = {0: True, 5: False, 3000: False, 3700: True}
    for later_s, is_due in looks.items():
        monkeypatch.setattr(time, "monotonic", lambda later_s=later_s: now_s + later_s)
        assert bool(watch.maybe_due(old, DAY_S)) == is_due, later_s


def test_session_tickets_get_new_keys_once_they_are_old(tmp_path: Path, monkeypatch) -> None:
    config = Config(https=True)
    find(config, tmp_path, monkeypatch)
    contexts, later = make_plan(config).contexts, make_plan(config).contexts
    assert contexts is not None
    watch = CertificateWatch()
    now_s = time.monotonic()
    # Each look: its time, the contexts in use, the life of their keys, and whether they are to be made again.
    looks = (
        (0, contexts, DAY_S, False),
        (DAY_S - 5, contexts, DAY_S, False),
        (DAY_S + 5, contexts, 0.0, False),  # without end
        (DAY_S + 10, contexts, DAY_S, True),
        (DAY_S + 15, contexts, DAY_S, False),  # the files could not be read: tried again a day later
        (DAY_S + 20, later, DAY_S, False),
        (2 * DAY_S + 15, later, DAY_S, False),
        (2 * DAY_S + 25, later, DAY_S, True),
    )
    for later_s, current, life_s, is_due in looks:
        monkeypatch.setattr(time, "monotonic", lambda later_s=later_s: now_s + later_s)
        assert watch.maybe_due(current, life_s) == ("session tickets get new keys" if is_due else None), later_s


@contextlib.contextmanager
def public_folder() -> Iterator[str]:
    """Make a folder that every user may read: those of pytest are for their user alone."""
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)
        yield folder


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_another_user_keeps_the_certificate_that_it_cannot_read_again(tmp_path: Path) -> None:
    # Root reads the files before it becomes the user, and a reload happens as the user.
    with (
        public_folder() as public,
        ServerProcess(["--https", "--user", "nobody", public], env=at_home(tmp_path)) as server,
    ):
        server.signal(signal.SIGHUP)
        wait_for(server, "reloaded the settings")
        assert "Permission denied" in server.stderr
        assert "the old certificates stay in use\n" in server.stderr
        authority = find_authority(open_library(at_home(tmp_path)), datetime.now(UTC))
        assert certificate_of(server, "localhost", authority)


def wait_for(server: ServerProcess, text: str) -> None:
    """Wait until the server has printed something to its operator."""
    deadline_s = time.monotonic() + TIMEOUT_S
    while text not in server.stderr:
        assert time.monotonic() < deadline_s, f"{text!r} is not in {server.stderr!r}"
        time.sleep(0.01)  # nothing tells a reader of a file of more: look again
