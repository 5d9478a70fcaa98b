"""Authentication: which requests need a password, its cost, and the responses without one."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from support.chromium import exchanges
from support.rawclient import RawClient, make_request
from support.retrying import retried
from support.serverprocess import LOOPS, TIMEOUT_S, ServerProcess, clean_environment

from fastfile.cli.main import main
from fastfile.clock import Clock
from fastfile.config.config import Config
from fastfile.config.load import load
from fastfile.config.passwords import USER, make_hash, parse_hash, verify
from fastfile.config.users import with_users
from fastfile.config.values import Unusable
from fastfile.errors import ConfigError, HTTPError
from fastfile.http.credentials import maybe_basic
from fastfile.message import Deferred, RequestHead, Response
from fastfile.responder import Responder
from fastfile.server.confinement.seccomp import why_unavailable
from fastfile.site.representation import make_response

if TYPE_CHECKING:
    from selenium import webdriver
from fastfile.middleware import auth
from fastfile.middleware.auth import MAX_CHECKS, MAX_CHECKS_OF_CLIENT, Auth, make_private

PASSWORD = "correct horse: battery ü"
# A cheap hash, for tests that are not about costs.
CHEAP = "$scrypt$ln=1,r=1,p=1$c2FsdHNhbHQ$LZ7WiB/OQIQ6YUhJW7GKnXBmEAvchBZ2Rj8JHqW8yKo"
DEAR = f"$scrypt$ln=14,r=8,p=5$c2FsdHNhbHQ${'A' * 43}"  # as costly as those of hash-password; its password is unknown
TEXT = b"0123456789" * 20
CHALLENGE = 'Basic realm="Restricted", charset="UTF-8"'


def make_quick_hash(password: str) -> str:
    """Return a hash that costs a fifth of hash-password's: enough to be noticed."""
    digest = hashlib.scrypt(password.encode(), salt=b"salt of 16 bytes", n=1 << 14, r=8, p=1, dklen=32)
    salt_text, digest_text = (base64.b64encode(part).decode().rstrip("=") for part in (b"salt of 16 bytes", digest))
    return f"$scrypt$ln=14,r=8,p=1${salt_text}${digest_text}"


def basic(user: str, password: str, scheme: str = "Basic") -> str:
    token = base64.b64encode(f"{user}:{password}".encode()).decode()
    return f"Authorization: {scheme} {token}"


@pytest.fixture(scope="module")
def line() -> str:
    return f"ann:{make_quick_hash(PASSWORD)}"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("site")
    (root / "a.txt").write_bytes(TEXT)
    (root / ".hidden").write_bytes(TEXT)
    (root / "folder").mkdir()
    return root


@pytest.fixture(scope="module", params=LOOPS)
def server(request: pytest.FixtureRequest, site: Path, line: str) -> Iterator[ServerProcess]:
    options = ["--loop", request.param, "--health", "/up", "--header", "Vary: Save-Data"]
    with ServerProcess([*options, "--auth", line, str(site)]) as server:
        yield server


# Refused requests

WITHOUT = {
    "nothing": [],
    "a wrong password": [basic("ann", "wrong")],
    "no password": [basic("ann", "")],
    "an unknown user": [basic("bob", PASSWORD)],
    "no user": [basic("", PASSWORD)],
    "a password in other case": [basic("ann", PASSWORD.upper())],
    "a user in other case": [basic("Ann", PASSWORD)],
    "another scheme": [basic("ann", PASSWORD, "Bearer")],
    "no colon": ["Authorization: Basic YW5u"],
    "what is not base64": ["Authorization: Basic !!!!"],
    "base64 with something behind it": [basic("ann", PASSWORD) + "="],
    "a scheme alone": ["Authorization: Basic"],
    "control characters": [basic("ann", PASSWORD + "\0")],
    "right credentials, twice": [basic("ann", PASSWORD)] * 2,
    "a proxy's credentials": [basic("ann", PASSWORD).replace("Authorization", "Proxy-Authorization")],
}


@pytest.mark.parametrize("fields", WITHOUT.values(), ids=WITHOUT)
def test_it_is_not_let_in(server: ServerProcess, fields: list[str]) -> None:
    with RawClient(server.connect()) as client:
        for method in ("GET", "HEAD"):
            response = client.request("/a.txt", method, *fields)
            assert (response.status, response.fields["www-authenticate"]) == (401, CHALLENGE)
            assert "a.txt" not in response.body.decode()


@pytest.mark.parametrize("fields", [[], [basic("ann", "wrong")]], ids=["without credentials", "with wrong ones"])
def test_nothing_tells_what_is_there(server: ServerProcess, fields: list[str]) -> None:
    targets = ("/a.txt", "/nothing", "/", "/folder", "/folder/", "/.hidden", "/%zz", "/../x", "*", "/up/x")
    answers = set()
    with RawClient(server.connect()) as client:
        for target in targets:
            asked = [*fields, "Range: bytes=0-1", "If-None-Match: *"]
            response = client.request(target, "GET", *asked)
            answers.add((response.status, response.body, tuple(response.lasting().items())))
        for method in ("OPTIONS", "POST", "DELETE"):
            assert client.request("/a.txt", method, *fields).status == 401
    assert len(answers) == 1


def test_a_probe_is_answered_and_nothing_beside_it(server: ServerProcess) -> None:
    with RawClient(server.connect()) as client:
        assert client.request("/up").body == b"ok\n"
        assert client.request("/up?x").status == 200
        assert client.request("/up/../a.txt").status == 401


@pytest.mark.parametrize(("method", "status"), [("HEAD", 200), ("OPTIONS", 204), ("POST", 405), ("BREW", 501)])
def test_the_path_of_a_probe_needs_no_password_by_any_method(server: ServerProcess, method: str, status: int) -> None:
    with RawClient(server.connect()) as client:
        response = client.request("/up", method)
        assert (response.status, "www-authenticate" in response.fields) == (status, False)
        if status != 200:
            assert response.fields["allow"] == "GET, HEAD, OPTIONS"


# Accepted requests

WITH = {
    "a file": ("/a.txt", [], 200),
    "a part": ("/a.txt", ["Range: bytes=0-4"], 206),
    "several parts": ("/a.txt", ["Range: bytes=0-4,100-104"], 206),
    "a file that is known": ("/a.txt", ["If-None-Match: *"], 304),
    "nothing": ("/nothing", [], 404),
    "a folder without its slash": ("/folder", [], 301),
    "a listing": ("/folder/", [], 200),
}


@pytest.mark.parametrize(("target", "fields", "status"), WITH.values(), ids=WITH)
def test_a_user_gets_what_is_there_and_no_shared_cache_keeps_it(
    server: ServerProcess, target: str, fields: list[str], status: int
) -> None:
    for scheme in ("Basic", "basic"):
        response = ask(server, target, basic("ann", PASSWORD, scheme), *fields)
        assert response.startswith(b"HTTP/1.1 %d " % status)
        caching = b"no-store" if status == 404 else b"private, no-cache"
        assert response.count(b"Cache-Control: %b\r\n" % caching) == 1
        assert b"\r\nCross-Origin-Resource-Policy: same-origin\r\n" in response
        assert b"Save-Data" in response


def ask(server: ServerProcess, target: str, *fields: str) -> bytes:
    """Return all that comes back for one request."""
    with server.connect() as connection:
        connection.sendall(make_request(target, "GET", "Connection: close", *fields))
        received = bytearray()
        while chunk := connection.recv(65536):
            received += chunk
    return bytes(received)


def test_what_may_be_kept_for_a_year_may_be_kept_by_the_user_alone(server: ServerProcess, site: Path) -> None:
    (site / "assets").mkdir(exist_ok=True)
    (site / "assets" / "index-BvXs3m9q.js").write_bytes(b"1")
    answer = ask(server, "/assets/index-BvXs3m9q.js", basic("ann", PASSWORD))
    assert b"\r\nCache-Control: private, max-age=31536000, immutable\r\n" in answer


PRIVATE = {
    "no-cache": (b"no-cache", b"private, no-cache"),
    "public is taken back": (b"public, max-age=60", b"private, max-age=60"),
    "public in capitals": (b"max-age=60, Public", b"private, max-age=60"),
    "private already": (b"max-age=60, private", b"max-age=60, private"),
    "no-store is stricter": (b"no-store", b"no-store"),
    "what only looks like it": (b"community=public", b"private, community=public"),
}


@pytest.mark.parametrize(("before", "after"), PRIVATE.values(), ids=PRIVATE)
@pytest.mark.parametrize("name", [b"Cache-Control", b"cache-control"])
def test_caching_is_made_private(name: bytes, before: bytes, after: bytes) -> None:
    around = ((b"X-A", b"1"),), ((b"ETag", b"x"),)
    assert make_private((*around[0], (name, before), *around[1])) == (*around[0], (name, after), *around[1])


def test_several_lines_of_caching_are_one_when_private() -> None:
    lines = ((b"Cache-Control", b"public"), (b"X-A", b"1"), (b"Cache-Control", b"max-age=60"))
    assert make_private(lines) == ((b"Cache-Control", b"private, max-age=60"), (b"X-A", b"1"))


def test_a_head_without_caching_is_made_private() -> None:
    assert make_private(()) == ((b"Cache-Control", b"private"),)


# Costs


def cpu_s(server: ServerProcess) -> float:
    """Return the CPU time of the workers so far, if there is a /proc."""
    if not os.path.exists("/proc/self/stat"):
        pytest.skip("no /proc")
    ticks = 0
    for pid in server.worker_pids():
        with open(f"/proc/{pid}/stat", "rb") as stat:
            user, system = stat.read().rpartition(b")")[2].split()[11:13]
        ticks += int(user) + int(system)
    return ticks / os.sysconf("SC_CLK_TCK")


def ask_at_once(server: ServerProcess, requests: list[bytes]) -> list[int]:
    """Send each request on its own connection, all before reading a response; return the statuses."""
    clients = [RawClient(server.connect()) for _ in requests]
    for client, request in zip(clients, requests, strict=True):
        client.connection.sendall(request)
    statuses = []
    for client in clients:
        received = client.connection.recv(65536)
        statuses.append(int(received[9:12]))
        client.connection.close()
    return statuses


def hash_cost_s(server: ServerProcess) -> float:
    """Return the server's cost of checking one password that it has not cached."""
    before = cpu_s(server)
    count = 5
    for _ in range(count):
        assert b" 401 " in ask(server, "/a.txt", basic("ann", os.urandom(9).hex()))
    return (cpu_s(server) - before) / count


@retried
def test_a_hundred_requests_at_once_are_one_hash(site: Path, line: str) -> None:
    with ServerProcess(["--auth", line, str(site)]) as server:
        cost_s = hash_cost_s(server)
        before = cpu_s(server)
        requests = [make_request("/a.txt", "GET", basic("ann", PASSWORD))] * 100
        assert ask_at_once(server, requests) == [200] * 100
        assert cpu_s(server) - before < 10 * cost_s + 0.2


@retried
def test_a_page_of_many_files_is_one_hash(site: Path, line: str) -> None:
    with ServerProcess(["--auth", line, str(site)]) as server:
        cost_s = hash_cost_s(server)
        before = cpu_s(server)
        for password, status in ((PASSWORD, b" 200 "), ("wrong", b" 401 ")):
            for _ in range(50):
                assert status in ask(server, "/a.txt", basic("ann", password))
        assert cpu_s(server) - before < 10 * cost_s + 0.2


@retried
def test_a_user_that_is_not_there_costs_as_much_as_one_that_is(site: Path, line: str) -> None:
    with ServerProcess(["--auth", line, str(site)]) as server:
        known_s = hash_cost_s(server)
        before = cpu_s(server)
        for number in range(5):
            assert b" 401 " in ask(server, "/a.txt", basic(f"user{number}", PASSWORD))
        unknown_s = (cpu_s(server) - before) / 5
    assert known_s > 0.004
    assert 0.5 < unknown_s / known_s < 2


def test_a_flood_of_guesses_is_bounded_and_logged_in_users_stay_logged_in(site: Path, line: str) -> None:
    with ServerProcess(["--auth", line, str(site)]) as server:
        assert b" 200 " in ask(server, "/a.txt", basic("ann", PASSWORD))
        flood = [make_request("/a.txt", "GET", basic("ann", f"guess {number}")) for number in range(3 * MAX_CHECKS)]
        statuses: list[int] = []
        guessing = threading.Thread(target=lambda: statuses.extend(ask_at_once(server, flood)))
        guessing.start()
        for _ in range(20):
            assert b" 200 " in ask(server, "/a.txt", basic("ann", PASSWORD))
        guessing.join(TIMEOUT_S)
    assert set(statuses) == {401, 503}
    assert statuses.count(401) >= MAX_CHECKS


# Guesses and lockouts


class Everything(Responder):
    """A handler that lets every request succeed."""

    def respond(self, head: RequestHead) -> Response:
        return make_response(200, (), b"in")

    def refuse(self, error: HTTPError, head: RequestHead | None) -> Response:
        return make_response(error.status, (), b"")


class Door:
    """The middleware without a server: the test decides when its checks are done."""

    def __init__(self, *users: str) -> None:
        self._auth = Auth(Everything(), Config(auth=users), Clock(), print)
        self.pending: list[Deferred] = []

    def ask(self, peer: bytes, user: str, password: str) -> int:
        """Return the status, or 0 while the password waits to be checked."""
        value = basic(user, password).encode()
        head = RequestHead(b"GET", b"/", 1, 0, field_lines=value + b"\r\n")
        head.peer = peer
        response = self._auth.respond(head)
        if isinstance(response, Deferred):
            self.pending.append(response)
            return 0
        return response.status

    def check_all(self) -> list[int]:
        statuses = []
        while self.pending:
            deferred = self.pending.pop(0)
            future: Future[bool] = Future()
            future.set_result(deferred.work())
            response = deferred.finish(future)
            assert isinstance(response, Response)
            statuses.append(response.status)
        return statuses


def flood(door: Door, peer: bytes, count: int) -> list[int]:
    return [door.ask(peer, "ann", os.urandom(9).hex()) for _ in range(count)]


V4, OTHER_V4 = bytes([192, 0, 2, 1]), bytes([192, 0, 2, 2])
V6, SAME_NET, OTHER_V6 = (socket.inet_pton(socket.AF_INET6, f"2001:db8:0:{end}") for end in ("1::1", "1::2", "2::1"))


@pytest.mark.parametrize(
    ("guesser", "user"),
    [(V4, OTHER_V4), (V6, OTHER_V6), (bytes(10) + b"\xff\xff" + V4, bytes(10) + b"\xff\xff" + OTHER_V4)],
    ids=["IPv4", "IPv6", "IPv4 in IPv6"],
)
def test_guesses_of_one_client_do_not_lock_out_others(guesser: bytes, user: bytes) -> None:
    door = Door(f"ann:{CHEAP}")
    assert flood(door, guesser, 40) == [0] * MAX_CHECKS_OF_CLIENT + [503] * (40 - MAX_CHECKS_OF_CLIENT)
    assert door.ask(user, "ann", "hunter2") == 0
    door.check_all()
    assert door.ask(guesser, "ann", "another") == 0, "what is done makes room"


def test_a_network_of_ipv6_is_one_client() -> None:
    door = Door(f"ann:{CHEAP}")
    flood(door, V6, MAX_CHECKS_OF_CLIENT)
    assert door.ask(SAME_NET, "ann", "hunter2") == 503


@pytest.mark.parametrize("proxy", [b"", bytes([127, 0, 0, 1]), bytes(15) + b"\x01"], ids=["Unix", "IPv4", "IPv6"])
def test_a_proxy_on_this_machine_is_not_taken_for_one_client(proxy: bytes) -> None:
    assert flood(Door(f"ann:{CHEAP}"), proxy, MAX_CHECKS + 1) == [0] * MAX_CHECKS + [503]


def test_users_who_logged_in_before_have_room_during_a_flood_of_guesses(
    line: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(auth, "ADMITTED_S", 0.0)  # so that right credentials expire at once
    door = Door(line)
    assert door.ask(V4, "ann", PASSWORD) == 0
    assert door.check_all() == [200]
    for number in range(MAX_CHECKS):
        assert door.ask(bytes([198, 51, 100, number]), "ann", f"guess {number}") == 0
    assert door.ask(OTHER_V4, "ann", "guess") == 503
    assert door.ask(OTHER_V4, "ann", PASSWORD) == 0
    assert door.check_all()[-1] == 200


def test_names_that_are_no_users_cost_what_users_cost(line: str) -> None:
    """If costs differ, unknown names have different costs too, and each always the same one, in all workers."""
    users = (line, f"bob:{CHEAP}", f"eve:{DEAR}")
    costs = []
    for door in (Door(*users), Door(*users)):
        for number in range(60):
            door.ask(b"", f"user{number}", "x")
            if len(door.pending) == MAX_CHECKS:
                costs += take_costs(door)
        costs += take_costs(door)
    assert costs[:60] == costs[60:]
    assert {each: costs[:60].count(each) > 8 for each in set(costs)} == {(14, 1): True, (1, 1): True, (14, 5): True}


def take_costs(door: Door) -> list[tuple[int, int]]:
    """Forget waiting checks, and return their costs."""
    hashes = [deferred.work.hashed for deferred in door.pending]
    door.pending.clear()
    return [(hashed.log_n, hashed.parallel) for hashed in hashes]


# The service manager of a hardened unit refuses setpriority(2) like this.
NO_PRIORITIES = """
import runpy, sys
import fastfile.server.confinement.seccomp as filter
tables = filter.DENIED, filter.UNKNOWN, filter.RESTRICTED
filter.DENIED, filter.UNKNOWN, filter.RESTRICTED = {"setpriority": filter.RESTRICTED["setpriority"][0]}, {}, {}
filter.deny_calls()
filter.DENIED, filter.UNKNOWN, filter.RESTRICTED = tables
sys.argv[0] = "fastfile"
runpy.run_module("fastfile", run_name="__main__")
"""


@pytest.mark.skipif(bool(why_unavailable()), reason="this system has no seccomp")
def test_a_system_that_refuses_other_priorities_lets_users_log_in(site: Path, line: str) -> None:
    with ServerProcess(["--auth", line, str(site)], interpreter_args=["-c", NO_PRIORITIES]) as server:
        assert b" 200 " in ask(server, "/a.txt", basic("ann", PASSWORD))


def test_responses_come_in_order_while_a_password_is_checked(server: ServerProcess) -> None:
    with RawClient(server.connect()) as client:
        client.connection.sendall(
            make_request("/up")
            + make_request("/a.txt", "HEAD", basic("ann", "another"))
            + make_request("/up")
            + make_request("/nothing", "GET", basic("ann", PASSWORD))
        )
        statuses = [client.receive(method).status for method in ("GET", "HEAD", "GET", "GET")]
    assert statuses == [200, 401, 200, 404]


# Logs and messages


def test_no_log_no_error_and_no_setting_shows_a_password_or_a_hash(site: Path, tmp_path: Path, line: str) -> None:
    log = tmp_path / "log"
    options = ["--auth", line, "--log-file", str(log), str(site)]
    with ServerProcess([*options, "--log-format", "json"]) as server:
        for password in (PASSWORD, "wrong"):
            ask(server, "/a.txt", basic("ann", password))
        if os.path.exists("/proc/self/stat"):
            command = Path(f"/proc/{server.pid}/cmdline").read_bytes()
            worker = Path(f"/proc/{server.worker_pids()[0]}/cmdline").read_bytes()
            for shown in (command, worker):
                assert b"scrypt" not in shown
                assert b"--auth\0ann:***" in shown
                assert str(site).encode() in shown
    printed = subprocess.run(
        [sys.executable, "-m", "fastfile", *options, "--print-config"],
        capture_output=True,
        text=True,
        env=clean_environment(),
        check=True,
    ).stdout
    assert "ann:(hidden)" in printed
    for text in (log.read_text(), server.stdout, server.stderr, printed):
        for secret in ("scrypt", "wrong", "horse", "Basic", base64.b64encode(PASSWORD.encode()).decode()):
            assert secret not in text
    let_in, refused = map(json.loads, log.read_text().splitlines())
    assert (let_in["user"], let_in["status"]) == ("ann", 200)
    assert (refused["user"], refused["status"]) == (None, 401)  # a name that is only claimed is not logged


@pytest.mark.parametrize(
    ("bind", "warned"), [("127.0.0.1", False), ("0.0.0.0", True)], ids=["this machine alone", "the network"]
)
def test_passwords_on_the_network_are_warned_about(site: Path, bind: str, warned: bool) -> None:
    with ServerProcess(["--bind", bind, "--auth", f"ann:{CHEAP}", str(site)]) as server:
        pass
    assert ("passwords cross the network unencrypted" in server.stdout) is warned


# Files of users


def test_a_file_of_users_is_read_again_at_sighup_and_a_wrong_one_changes_nothing(site: Path, tmp_path: Path) -> None:
    users = tmp_path / "users"

    def reload(text: str) -> None:
        users.write_text(text)
        before = server.wait_for_workers(1)
        server.signal(signal.SIGHUP)
        deadline = time.monotonic() + TIMEOUT_S
        while server.wait_for_workers(1) == before:
            assert time.monotonic() < deadline

    users.write_text(f"# who may come in\n\nann:{make_quick_hash('first')}\n")
    with ServerProcess(["--auth-file", str(users), "--auth", f"cy:{make_quick_hash('third')}", str(site)]) as server:
        assert b" 200 " in ask(server, "/a.txt", basic("ann", "first"))
        assert b" 200 " in ask(server, "/a.txt", basic("cy", "third"))
        assert b" 401 " in ask(server, "/a.txt", basic("bob", "second"))
        reload(f"bob:{make_quick_hash('second')}\n")
        assert b" 401 " in ask(server, "/a.txt", basic("ann", "first"))
        assert b" 200 " in ask(server, "/a.txt", basic("bob", "second"))
        users.write_text("bob:{SHA}W6ph5Mm5Pz8GgiULbPgzG37mj9g=\n")
        server.signal(signal.SIGHUP)
        deadline = time.monotonic() + TIMEOUT_S
        while "the old settings stay in force" not in server.stderr:
            assert time.monotonic() < deadline
            time.sleep(0.01)  # there is no event for another process's stderr: poll
        assert "line 1: SHA-1 hashes are not accepted" in server.stderr
        assert b" 200 " in ask(server, "/a.txt", basic("bob", "second"))


FILES = {
    "a weak hash": (f"ann:{CHEAP}\nbob:$apr1$a$b\n", "line 2: MD5 hashes are not accepted"),
    "a password": ("ann:secret\n", "line 1: expected a scrypt or bcrypt hash"),
    "no hash": ("ann\n", "line 1: expected USER:HASH"),
    "nobody": ("# nobody\n", "names no user"),
    "one twice": (f"ann:{CHEAP}\nann:{CHEAP}\n", "the user ann is listed twice"),
}


def refusal(*users: str, **arguments: str) -> str:
    """Return the error for contradictory settings of the file of users and the served folder."""
    texts = {name: [text] for name, text in arguments.items()}
    with pytest.raises(ConfigError) as refused:
        with_users(load({"auth_file": list(users), **texts}, {}), arguments["directory"])
    return str(refused.value)


@pytest.mark.parametrize(("text", "problem"), FILES.values(), ids=FILES)
def test_a_file_of_users_that_cannot_be_used_is_refused(site: Path, tmp_path: Path, text: str, problem: str) -> None:
    users = tmp_path / "users"
    users.write_text(text)
    said = refusal(str(users), directory=str(site))
    assert said.startswith("--auth-file (from the command line): ")
    assert problem in said
    assert "secret" not in said
    assert "$" not in said


def test_a_server_with_a_wrong_file_of_users_does_not_start(site: Path, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "fastfile", "--port", "0", "--auth-file", str(tmp_path / "none"), str(site)],
        capture_output=True,
        text=True,
        env=clean_environment(),
        timeout=TIMEOUT_S,
    )
    assert done.returncode == 2
    assert "cannot be read: No such file" in done.stderr


def test_a_file_of_users_is_not_served(site: Path, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    mounted = {"mount": f"/other={site}", "directory": str(tmp_path / "other")}
    here = {"directory": str(site)}
    for name, arguments in (("users", here), (".users", {**here, "dotfiles": "true"}), ("users", mounted)):
        users = site / name
        users.write_text(f"ann:{CHEAP}\n")
        said = refusal(str(users), **arguments)
        users.unlink()
        assert "served folder" in said


def test_a_file_of_users_may_be_in_the_folder_if_no_client_can_request_it(site: Path) -> None:
    users = site / ".users"
    users.write_text(f"ann:{make_quick_hash('x')}\n")
    with ServerProcess(["--auth-file", str(users), str(site)]) as server:
        assert b" 404 " in ask(server, "/.users", basic("ann", "x"))
    users.unlink()


# Hashes

HASHES = {
    "that passlib's documentation shows": (
        "$scrypt$ln=16,r=8,p=1$aM15713r3Xsvxbi31lqr1Q$nFNh2CVHVjNldFVKDHDlm4CbdRSCdEBsjjJxD+iCs5E",
        b"password",
    ),
    "as we make them": (make_hash(b"password"), b"password"),
}


@pytest.mark.parametrize(("text", "password"), HASHES.values(), ids=HASHES)
def test_a_hash_is_of_one_password(text: str, password: bytes) -> None:
    hashed = parse_hash(text)
    assert verify(hashed, password)
    assert not verify(hashed.make_decoy(), password)


def test_two_hashes_of_a_password_differ() -> None:
    assert make_hash(b"a") != make_hash(b"a")


def test_a_bcrypt_hash_of_htpasswd_is_taken_where_the_package_is() -> None:
    bcrypt = pytest.importorskip("bcrypt")
    long = b"x" * 100
    for password, other in ((b"password", b"passwort"), (long, long[:71])):
        text = bcrypt.hashpw(password[:72], bcrypt.gensalt(4)).decode()
        for prefix in ("$2b$", "$2y$", "$2a$"):
            hashed = parse_hash(prefix + text[4:])
            assert verify(hashed, password)
            assert not verify(hashed, other)
            assert not verify(hashed.make_decoy(), password)


BAD_HASHES = {
    "htpasswd's default": ("$apr1$salt$1ZnZ8Ej0c6QpGjHTdyq6Z.", "MD5"),
    "htpasswd -s": ("{SHA}W6ph5Mm5Pz8GgiULbPgzG37mj9g=", "SHA-1"),
    "htpasswd -d": ("rqXexS6ZhobKA", "scrypt or bcrypt"),
    "htpasswd -p": ("secret", "scrypt or bcrypt"),
    "crypt's": ("$6$salt$hash", "SHA-512"),
    "one without salt": ("$scrypt$ln=14,r=8,p=1$$AAAAAAAAAAAAAAAAAAAAAAAAAAA", r"\$SALT"),
    "one without costs": ("$scrypt$c2FsdHNhbHQ$AAAAAAAAAAAAAAAAAAAAAAAAAAA", r"\$SALT"),
    "one that takes a gigabyte": ("$scrypt$ln=20,r=8,p=1$c2FsdHNhbHQ$AAAAAAAAAAAAAAAAAAAAAAAAAAA", "160 MiB"),
    "one that takes an hour": ("$scrypt$ln=14,r=8,p=9999$c2FsdHNhbHQ$AAAAAAAAAAAAAAAAAAAAAAAAAAA", "160 MiB"),
    "one that is cut": ("$scrypt$ln=14,r=8,p=1$c2FsdHNhbHQ$AAAA", r"\$SALT"),
    "a bcrypt that is cut": ("$2y$10$abcdef", "60 characters"),
    "a bcrypt whose salt is none": ("$2y$10$" + "!" * 53, "alphabet"),
    "a bcrypt that takes minutes": ("$2y$31$" + "a" * 53, "cost"),
}


@pytest.mark.parametrize(("text", "problem"), BAD_HASHES.values(), ids=BAD_HASHES)
def test_a_hash_is_refused_with_a_word_on_what_to_do(text: str, problem: str) -> None:
    with pytest.raises(Unusable, match=problem):
        parse_hash(text)
    with pytest.raises(ConfigError, match=r"^--auth \(from the command line\)") as refused:
        load({"auth": [f"ann:{text}"]}, {})
    assert text not in str(refused.value)


def test_a_user_without_a_hash_is_refused_and_not_repeated() -> None:
    for text in ("secret", ":secret", "ann:", "a\nb:secret"):
        with pytest.raises(ConfigError) as refused:
            load({"auth": [text]}, {})
        assert "secret" not in str(refused.value)


def test_credentials_are_read_as_the_rfc_has_them() -> None:
    assert maybe_basic(b"Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==") == (b"Aladdin", b"open sesame")  # RFC 7617 §2
    assert maybe_basic(b"Basic dGVzdDoxMjPCow==") == (b"test", "123£".encode())  # §2.1
    assert maybe_basic(b"Basic YTpiOmM=") == (b"a", b"b:c")


# fastfile hash-password


def hash_password(*args: str, text: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "fastfile", "hash-password", *args],
        input=text,
        capture_output=True,
        text=True,
        env=clean_environment(),
        timeout=TIMEOUT_S,
    )


def test_a_password_is_hashed_from_a_pipe() -> None:
    done = hash_password("ann", text=f"{PASSWORD}\n")
    user, _, hashed = done.stdout.rstrip("\n").partition(":")
    assert (done.returncode, user, done.stderr) == (0, "ann", "")
    assert verify(parse_hash(hashed), PASSWORD.encode())
    assert USER.parse(done.stdout.rstrip("\n"))
    assert hash_password(text=PASSWORD).stdout.startswith("$scrypt$")


@pytest.mark.parametrize(
    ("args", "text", "status"),
    [(("ann",), "", 1), (("ann",), "\n", 1), (("ann",), "a\tb\n", 1), (("a:b",), "x\n", 2), (("a", "b"), "x\n", 2)],
    ids=["nothing", "an empty line", "a control character", "a colon in the name", "two names"],
)
def test_what_cannot_be_a_password_or_a_user_is_one_line(
    args: tuple[str, ...],
    text: str,
    status: int,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO(text))
    assert main(["hash-password", *args]) == status
    output, errors = capsys.readouterr()
    assert (output, errors.count("\n")) == ("", 1)


# The child makes the terminal its own, as a shell does: then getpass finds it.
ON_TERMINAL = """
import fcntl, os, runpy, sys, termios
os.setsid()
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
sys.argv = ["fastfile", "hash-password", "ann"]
runpy.run_module("fastfile", run_name="__main__", alter_sys=True)
"""


@pytest.mark.parametrize("second", [PASSWORD, "another"], ids=["typed twice", "typed wrong"])
def test_a_password_is_typed_without_being_seen(second: str) -> None:
    ours, theirs = os.openpty()
    process = subprocess.Popen(
        [sys.executable, "-c", ON_TERMINAL],
        stdin=theirs,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=clean_environment(),
    )
    os.close(theirs)
    seen = b""
    for prompt, text in ((b"Password: ", PASSWORD), (b"Password again: ", second)):
        while not seen.endswith(prompt):
            seen += os.read(ours, 1024)
        os.write(ours, text.encode() + b"\n")
    output, errors = process.communicate(timeout=TIMEOUT_S)
    os.close(ours)
    assert PASSWORD.encode() not in seen
    if second == PASSWORD:
        assert verify(parse_hash(output.decode().rstrip("\n").partition(":")[2]), PASSWORD.encode())
    else:
        assert (process.returncode, output, errors) == (1, b"", b"fastfile: the two passwords differ\n")


# Pages of other origins, and a browser

# Each origin loads the image of the other, which every page may do without reading it.
EMBED = """
const [url, done] = arguments;
const picture = new Image();
picture.onload = () => done('shown');
picture.onerror = () => done('refused');
picture.src = url;
"""


def test_a_page_of_another_origin_may_ask_before_it_logs_in(site: Path) -> None:
    origin = "Origin: https://app.example"
    preflight = (origin, "Access-Control-Request-Method: GET", "Access-Control-Request-Headers: authorization")
    for option in ("--cors", "--cors=https://app.example"):
        with (
            ServerProcess([option, "--auth", f"ann:{make_quick_hash('x')}", str(site)]) as server,
            RawClient(server.connect()) as client,
        ):
            allowed = client.request("/a.txt", "OPTIONS", *preflight)
            assert allowed.status == 204
            assert "authorization" in allowed.fields["access-control-allow-headers"].lower()
            refused = client.request("/a.txt", "GET", origin)
            assert refused.status == 401
            assert "access-control-allow-origin" in refused.fields
            assert b"\r\nAccess-Control-Allow-Origin: " in ask(server, "/a.txt", origin, basic("ann", "x"))
            assert client.request("/a.txt", "OPTIONS", origin).status == 401


def test_a_browser_that_knows_the_password_loads_a_page_with_all_its_files(
    chrome: webdriver.Chrome, tmp_path: Path
) -> None:
    root = tmp_path / "site"
    root.mkdir()
    count = 40
    for number in range(count):
        (root / f"{number}.svg").write_bytes(b"<svg xmlns='http://www.w3.org/2000/svg' width='1' height='1'/>")
    images = "".join(f"<img src={number}.svg>" for number in range(count))
    (root / "index.html").write_text(f"<!DOCTYPE html><title>Page</title><link rel=icon href=data:,>{images}")
    with ServerProcess(["--auth", f"ann:{make_quick_hash('secret')}", str(root)]) as server:
        origin = f"http://localhost:{server.port}"
        chrome.get(f"{origin}/")
        assert [exchange.status for exchange in exchanges(chrome, origin)] == [401]
        origin = f"http://ann:secret@localhost:{server.port}"
        chrome.get(f"{origin}/")
        loaded = chrome.execute_script("return [...document.images].filter(image => image.naturalWidth).length")
        statuses = [exchange.status for exchange in exchanges(chrome, origin) if exchange.url.endswith(".svg")]
    assert (loaded, statuses) == (count, [200] * count)


def test_a_page_of_another_site_cannot_use_the_password_that_a_browser_remembers(
    chrome: webdriver.Chrome, tmp_path: Path
) -> None:
    root = tmp_path / "site"
    root.mkdir()
    (root / "a.svg").write_bytes(b"<svg xmlns='http://www.w3.org/2000/svg' width='1' height='1'/>")
    (root / "index.html").write_bytes(b"<!DOCTYPE html><title>Page</title><link rel=icon href=data:,>")
    options = ["--auth", f"ann:{make_quick_hash('secret')}"]
    embeddable = ["--header", "Cross-Origin-Resource-Policy: cross-origin"]
    with (
        ServerProcess([str(root)]) as other,
        ServerProcess([*options, str(root)]) as server,
        ServerProcess([*options, *embeddable, str(root)]) as told_otherwise,
    ):
        found = []
        for protected in (server, told_otherwise):
            chrome.get(f"http://ann:secret@localhost:{protected.port}/")
            chrome.get(f"http://localhost:{other.port}/")
            found.append(chrome.execute_async_script(EMBED, f"http://localhost:{protected.port}/a.svg"))
    assert found == ["refused", "shown"]


def test_a_client_that_goes_away_in_between_does_not_affect_others(site: Path, line: str) -> None:
    with ServerProcess(["--auth", line, str(site)]) as server:
        request = make_request("/a.txt", "GET", basic("ann", PASSWORD))
        for _ in range(3):
            gone: socket.socket = server.connect()
            gone.sendall(request)
            gone.close()
        assert ask_at_once(server, [request] * 5) == [200] * 5
