"""Servers that a Python program starts and stops: in a thread, and as processes."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import resource
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from support.rawclient import RawClient
from support.serverprocess import clean_environment, processes

import fastfile
from fastfile import ConfigError, ProcessServer, Server, StartError

TIMEOUT_S = 60
KINDS = [Server, ProcessServer]


@pytest.fixture
def site(tmp_path: Path) -> Path:
    site = tmp_path / "site"
    (site / "docs").mkdir(parents=True)
    (site / "index.html").write_text("home")
    (site / "docs" / "index.html").write_text("docs")
    (site / "a b.txt").write_text("a and b")
    (site / "big.bin").write_bytes(bytes(1 << 20))
    return site


def fetch(url: str) -> bytes:
    with urllib.request.urlopen(url, timeout=TIMEOUT_S) as response:
        body: bytes = response.read()
        return body


def is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def wait_until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + TIMEOUT_S
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.01)


@pytest.mark.parametrize("kind", KINDS)
def test_a_server_serves_within_a_with_statement(kind: type[Server], site: Path) -> None:
    with kind(site, clean_urls=True) as server:
        port = server.port
        assert server.url == f"http://127.0.0.1:{port}/"
        assert server.url_for("/a b.txt") == f"{server.url}a%20b.txt"
        assert fetch(server.url) == b"home"
        assert fetch(server.url_for("a b.txt")) == b"a and b"
        assert len(fetch(server.url_for("big.bin"))) == 1 << 20
        assert server.start() is server
        assert str(site) in repr(server)
        with RawClient(socket.create_connection(("127.0.0.1", port), timeout=TIMEOUT_S)) as client:
            assert client.request("/").body == b"home"
    assert is_free(port)
    server.stop()
    with pytest.raises(RuntimeError, match="does not run"):
        server.url  # noqa: B018


@pytest.mark.parametrize("kind", KINDS)
def test_a_server_starts_again_at_its_port(kind: type[Server], site: Path) -> None:
    server = kind(site).start()
    port = server.port
    server.stop()
    again = kind(site, port=port, host="localhost")
    for _ in range(2):
        with again:
            assert again.url == f"http://localhost:{port}/"
            assert fetch(again.url) == b"home"
            with pytest.raises(StartError, match=r"^port \d+ of 127.0.0.1 is in use; "):
                kind(site, port=port).start()


@pytest.mark.parametrize("kind", KINDS)
def test_a_server_serves_within_a_running_event_loop(kind: type[Server], site: Path) -> None:
    async def run() -> None:
        async with kind(site) as server:
            assert await asyncio.to_thread(fetch, server.url) == b"home"
        with kind(site) as server:
            assert await asyncio.to_thread(fetch, server.url) == b"home"

    asyncio.run(run())


@pytest.mark.parametrize("kind", KINDS)
def test_the_url_has_the_base_or_the_name_of_the_file(kind: type[Server], site: Path) -> None:
    with kind(site, base="/app") as server:
        assert server.url.endswith("/app/")
        assert fetch(server.url_for("docs/")) == b"docs"
    with kind(site / "a b.txt") as server:
        assert server.url.endswith("/a%20b.txt")
        assert fetch(server.url) == b"a and b"


def test_serve_chooses_processes_by_the_options(site: Path) -> None:
    with fastfile.serve(site) as server:
        assert isinstance(server, Server)
        assert fetch(server.url) == b"home"
    server = fastfile.serve(site, workers=2, sandbox="auto")
    assert isinstance(server, ProcessServer)
    assert fetch(server.url) == b"home"
    server.stop()


def test_every_request_is_in_the_log_before_its_response_arrives(site: Path) -> None:
    with Server(site) as server:
        for number in range(200):
            with contextlib.suppress(urllib.error.HTTPError):
                fetch(server.url_for(f"missing%20{number}?q=1"))
            assert server.requests[-1].path == f"/missing {number}"
        request = server.requests.assert_requested("/missing 7", method="GET", status=404, count=1)
        assert request.query == "q=1"
        assert server.requests.find("missing 7") == server.requests.find("missing%207?q=1") == [request]
        with pytest.raises(AssertionError, match="missing 7 was requested"):
            server.requests.assert_not_requested("missing 7")
        assert request.headers["host"] == f"127.0.0.1:{server.port}"
        assert len(server.requests) == 200
        with pytest.raises(AssertionError, match="GET /missing%207"):
            server.requests.assert_no_errors()
        server.requests.clear()
        fetch(server.url)
        server.requests.assert_no_errors()
        server.requests.assert_not_requested("/missing 7")


def test_a_request_is_waited_for(site: Path) -> None:
    with Server(site) as server:
        thread = threading.Thread(target=lambda: fetch(server.url_for("docs/")))
        with ThreadPoolExecutor(1) as threads:
            waiting = threads.submit(server.requests.wait_for, "/docs/", timeout=TIMEOUT_S)
            thread.start()
            assert waiting.result(TIMEOUT_S).status == 200
        thread.join()
        with pytest.raises(AssertionError, match=r"/never did not come within 0\.01 s"):
            server.requests.wait_for("/never", timeout=0.01)


def test_the_requests_of_processes_come_from_their_log(site: Path) -> None:
    with ProcessServer(site, workers=2) as server:
        for _ in range(10):
            fetch(server.url_for("a b.txt"))
        wait_until(lambda: len(server.requests) == 10)
        assert server.requests.assert_requested("/a b.txt", count=10).headers["user-agent"].startswith("Python")


def test_an_option_for_https_and_forwarding_makes_a_server_of_processes(site: Path, tmp_path: Path) -> None:
    certificates = pytest.importorskip("support.certificates")
    pair = certificates.make_pair(tmp_path)
    trust = ssl.create_default_context(cafile=pair.certificate_path)
    with (
        fastfile.serve(site / "docs") as api,
        fastfile.serve(
            site,
            tls_cert=pair.certificate_path,
            tls_key=[Path(pair.key_path)],
            proxy={"/api": f"{api.url},strip=1"},
        ) as server,
    ):
        assert server.url == f"https://127.0.0.1:{server.port}/"
        for target, body in (("", b"home"), ("api/", b"docs")):
            with urllib.request.urlopen(server.url_for(target), timeout=TIMEOUT_S, context=trust) as response:
                assert response.read() == body
        wait_until(lambda: len(server.requests) == 2)
        server.requests.assert_requested("/api/", status=200)
        api.requests.assert_requested("/", count=1)


@pytest.mark.parametrize(
    ("kind", "options", "text"),
    [
        (Server, {"workers": 2}, "--workers (from Server()): has no effect here: it is for fastfile.ProcessServer "),
        (Server, {"log_file": "x"}, "--log-file (from Server()): has no effect here: it is for fastfile.run"),
        (Server, {"trusted_proxy": ["10.0.0.0/8"]}, "--trusted-proxy (from Server()): has no effect here"),
        (Server, {"host": "unix:/x"}, "--bind (from Server()): "),
        (Server, {"port": None}, "--port (from Server()): expected a number from 0 to 65535, got an object of type"),
        (Server, {"port": 70000}, "--port (from Server()): expected a number from 0 to 65535"),
        (ProcessServer, {"open": True}, "--open (from ProcessServer()): has no effect here"),
        (ProcessServer, {"workers": "many"}, "--workers (from ProcessServer()): expected auto or a number"),
        (ProcessServer, {"spelled_wrong": 1}, "spelled_wrong (from ProcessServer()): no such option"),
    ],
)
def test_a_wrong_option_is_refused_by_its_name(kind: Any, options: dict[str, Any], text: str, site: Path) -> None:
    with pytest.raises(ConfigError) as raised:
        kind(site, **options)
    assert text in str(raised.value)


@pytest.mark.parametrize("kind", KINDS)
def test_an_endpoint_that_cannot_be_used_is_one_line(kind: type[Server], site: Path) -> None:
    server = kind(site, host="192.0.2.1")
    with pytest.raises(StartError, match=r"192\.0\.2\.1"):
        server.start()
    assert not server.is_running


def test_a_server_in_a_thread_changes_nothing_of_the_process(site: Path) -> None:
    def state() -> tuple[object, ...]:
        handlers = tuple(signal.getsignal(number) for number in sorted(signal.valid_signals()))
        limits = resource.getrlimit(resource.RLIMIT_NOFILE)
        collector = gc.isenabled(), gc.get_threshold(), gc.get_freeze_count()
        return handlers, limits, collector, sys.getswitchinterval(), signal.pthread_sigmask(signal.SIG_BLOCK, ())

    before, threads = state(), threading.active_count()
    with Server(site, compress=True, listing=True) as server:
        fetch(server.url_for("docs/"))
        fetch(server.url_for("big.bin"))
        assert state() == before
    assert threading.active_count() == threads


def test_servers_leave_no_descriptors(site: Path) -> None:
    def descriptors() -> int:
        gc.collect()  # what the cache keeps open goes with its cycle
        return len(os.listdir("/proc/self/fd" if os.path.exists("/proc/self/fd") else "/dev/fd"))

    with Server(site) as server:
        fetch(server.url)
    before = descriptors()
    for _ in range(5):
        with Server(site) as server:
            fetch(server.url_for("big.bin"))
            connection = socket.create_connection(("127.0.0.1", server.port), timeout=TIMEOUT_S)
        assert connection.recv(1) == b""
        connection.close()
    assert descriptors() <= before


def test_many_threads_start_and_stop_servers_at_once(site: Path) -> None:
    def serve(_: int) -> bytes:
        with Server(site) as server:
            return fetch(server.url)

    with ThreadPoolExecutor(8) as threads:
        assert set(threads.map(serve, range(32))) == {b"home"}


def run_script(script: str, site: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-W", "error", "-c", script, str(site), *arguments]
    return subprocess.run(
        command, env=clean_environment(), capture_output=True, text=True, timeout=TIMEOUT_S, check=False
    )


FORK = """
import os, socket, sys, urllib.request, warnings
warnings.simplefilter("ignore", DeprecationWarning)  # Python 3.12 warns of any fork beside a thread
import fastfile
server = fastfile.Server(sys.argv[1]).start()
other = fastfile.ProcessServer(sys.argv[1]).start()
kept = socket.create_connection(("127.0.0.1", server.port))
kept.sendall(b"GET / HTTP/1.1\\r\\nHost: localhost\\r\\n\\r\\n")
kept.recv(65536)
pid = os.fork()
if pid == 0:
    assert not server.is_running and not other.is_running
    server.stop()
    other.stop()
    with fastfile.Server(sys.argv[1]) as own:
        assert urllib.request.urlopen(own.url).read() == b"home"
    os._exit(7)
assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 7
kept.sendall(b"GET / HTTP/1.1\\r\\nHost: localhost\\r\\n\\r\\n")
assert kept.recv(65536).startswith(b"HTTP/1.1 200")
for one in (server, other):
    assert urllib.request.urlopen(one.url).read() == b"home"
port = server.port
reader, writer = os.pipe()
pid = os.fork()
if pid == 0:  # a child that outlives the server must not keep its port
    os.read(reader, 1)
    os._exit(0)
server.stop()
other.stop()
assert kept.recv(1) == b""
kept.close()
with socket.create_server(("127.0.0.1", port)):
    pass
os.write(writer, b".")
os.waitpid(pid, 0)
print("well")
"""


def test_a_forked_program_goes_on_in_both_processes(site: Path) -> None:
    process = run_script(FORK, site)
    assert (process.stdout, process.stderr, process.returncode) == ("well\n", "", 0)


CRASH = """
import os, signal, sys
import fastfile
server = fastfile.ProcessServer(sys.argv[1], workers=2).start()
print(server.pid, server.port, flush=True)
if sys.argv[2] == "kill":
    os.kill(os.getpid(), signal.SIGKILL)
if sys.argv[2] == "raise":
    raise SystemExit(3)
if sys.argv[2] == "exit":
    os._exit(4)
"""


@pytest.mark.parametrize(("way", "status"), [("kill", -signal.SIGKILL), ("raise", 3), ("exit", 4), ("end", 0)])
def test_processes_end_with_the_program_however_it_ends(site: Path, way: str, status: int) -> None:
    process = run_script(CRASH, site, way)
    assert process.returncode == status, process.stderr
    pid, port = map(int, process.stdout.split())
    wait_until(lambda: not [p for p in processes() if p.group == pid and p.state != "Z"])
    assert is_free(port)


THREAD = """
import sys, threading
import fastfile
server = fastfile.Server(sys.argv[1]).start()
other = threading.Thread(target=lambda: fastfile.Server(sys.argv[1]).start())
other.start()
other.join()  # Python 3.12 starts no thread once the main one has ended
print(server.port)
"""


def test_a_program_ends_while_its_servers_run(site: Path) -> None:
    process = run_script(THREAD, site)
    assert (process.stderr, process.returncode) == ("", 0)
    assert is_free(int(process.stdout))


RUN = """
import gc, os, signal, sys, threading
import fastfile
def state():
    return [signal.getsignal(n) for n in sorted(signal.valid_signals())], signal.pthread_sigmask(signal.SIG_BLOCK, ())
before = state()
print(fastfile.run(sys.argv[1], port=0, workers=2, host="127.0.0.1", grace=0))
assert state() == before and gc.get_freeze_count() == 0
try:
    fastfile.run(sys.argv[1], workers="none")
except fastfile.ConfigError as error:
    print(error)
thread = threading.Thread(target=lambda: print(catch()))
def catch():
    try:
        fastfile.run(sys.argv[1])
    except RuntimeError as error:
        return error
thread.start()
thread.join()
"""


def test_run_serves_as_the_command_does_until_it_is_told_to_stop(site: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-u", "-c", RUN, str(site)], env=clean_environment(), stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        url = next(word for line in process.stdout for word in line.split() if word.startswith("http://"))
        assert url.startswith("http://127.0.0.1:")
        assert fetch(url) == b"home"
        process.send_signal(signal.SIGINT)
        rest = process.stdout.read().splitlines()
    assert rest[-3:] == [
        "0",
        '--workers (from run()): expected auto or a number from 1 to 1024, got "none"',
        "fastfile.run() handles signals: call it in the main thread, or use fastfile.serve()",
    ]
