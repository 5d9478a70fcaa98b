"""Greedy clients: many connections, slow ones, and a system without free descriptors."""

from __future__ import annotations

import contextlib
import os
import resource
import select
import signal
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.rawclient import RawClient, make_request
from support.retrying import retried
from support.serverprocess import TIMEOUT_S, ServerProcess
from support.usage import cpu_s, pss_bytes

from fastfile.server.net.clients import DEFAULT_LIMIT, Clients, format_address

GET = b"GET %b HTTP/1.1\r\nHost: localhost\r\n\r\n"
LARGE = 64 << 20
GREEDY = 50
PIPELINED = 1000  # requests, fewer than 64 KiB, which are read at once


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "index.html").write_text("home")
    (tmp_path / "other.html").write_text("other")
    with open(tmp_path / "large.bin", "wb") as large:
        large.truncate(LARGE)
    return tmp_path


@contextlib.contextmanager
def connections(server: ServerProcess, count: int, said: bytes) -> Iterator[list[socket.socket]]:
    """Open connections that have sent something and read nothing."""
    with contextlib.ExitStack() as stack:
        opened = [stack.enter_context(server.connect()) for _ in range(count)]
        for connection in opened:
            connection.sendall(said)
        yield opened


def is_served(server: ServerProcess) -> bool:
    with RawClient(server.connect()) as client:
        return client.request("/").body == b"home"


def is_closed(connection: socket.socket) -> bool:
    """Wait for the end of a connection, past what it still has to read."""
    try:
        while connection.recv(1 << 20):
            pass
    except ConnectionResetError:
        pass
    except TimeoutError:
        return False
    return True


# What counts as one client

CLIENTS = [
    pytest.param(0, ["127.0.0.1"], None, id="this machine has no limit by itself"),
    pytest.param(0, ["::1"], None, id="nor over IPv6"),
    pytest.param(0, ["::ffff:127.0.0.1"], None, id="nor on a socket for both"),
    pytest.param(0, ["unix"], None, id="a Unix socket has no limit"),
    pytest.param(2, ["unix"], None, id="a Unix socket never has one"),
    pytest.param(0, ["192.0.2.1"], DEFAULT_LIMIT, id="another address has the default"),
    pytest.param(2, ["127.0.0.1"], 2, id="a limit that was asked for holds for this machine"),
    pytest.param(2, ["192.0.2.1", "::ffff:192.0.2.1"], 2, id="an IPv4 address is itself on a socket for both"),
    pytest.param(2, ["2001:db8::1", "2001:db8::2"], 2, id="a /64 is one client"),
    pytest.param(2, ["fe80::1", "fe80::2"], 2, id="so is a link"),
]


def pack(name: str) -> bytes:
    """Return an address as sendfile.accept() does."""
    if name == "unix":
        return b""
    return socket.inet_pton(socket.AF_INET6 if ":" in name else socket.AF_INET, name)


@pytest.mark.parametrize(("limit", "names", "admitted"), CLIENTS)
def test_a_client_has_so_many_connections(limit: int, names: list[str], admitted: int | None) -> None:
    clients = Clients(limit)
    peers = [pack(name) for name in names]
    count = 0
    while count <= DEFAULT_LIMIT and clients.admit(peers[count % len(peers)]):
        count += 1
    assert count == (DEFAULT_LIMIT + 1 if admitted is None else admitted)
    clients.release(peers[0])
    assert clients.admit(peers[-1])


def test_other_clients_are_admitted_beside_one_that_has_enough() -> None:
    clients = Clients(1)
    assert clients.admit(pack("192.0.2.1"))
    assert clients.admit(pack("192.0.2.2"))
    assert clients.admit(pack("2001:db8::1"))
    assert clients.admit(pack("2001:db8:0:1::1"))
    assert not clients.admit(pack("192.0.2.1"))


@pytest.mark.parametrize("name", [name for row in CLIENTS for name in row.values[1]])  # type: ignore[attr-defined]
def test_an_address_is_shown_as_it_was_and_ipv4_as_such(name: str) -> None:
    """Also on a socket for both families, as nginx and httpd do: tools that read logs know one form of an address."""
    assert format_address(pack(name)) == name.removeprefix("::ffff:")


def test_a_waiter_for_room_is_called_once_when_a_connection_ends() -> None:
    clients = Clients(0)
    called = []

    def callback() -> None:
        called.append(len(called))

    clients.release(pack("127.0.0.1"))
    clients.call_when_left(callback)
    clients.call_when_left(callback)
    clients.release(pack("127.0.0.1"))
    clients.release(pack("127.0.0.1"))
    assert called == [0]


def test_a_connection_beyond_a_clients_limit_is_closed_and_its_place_is_given_back(folder: Path) -> None:
    with ServerProcess(["--max-per-client", "3", str(folder)]) as server:
        with connections(server, 3, GET % b"/") as held:
            for connection in held:
                assert connection.recv(1 << 16).endswith(b"home")
            for _ in range(3):
                with server.connect() as refused:
                    assert is_closed(refused)
        assert wait_until(lambda: is_served(server))
    assert server.stderr.count("refuses 127.0.0.1: ") == 1
    assert server.stderr.count("\n") == 1


def wait_until(holds: object) -> bool:
    """Poll for a state without an event: that the server has noticed a closed client."""
    deadline = time.monotonic() + TIMEOUT_S
    while time.monotonic() < deadline:
        with contextlib.suppress(AssertionError, ConnectionError):
            if holds():  # type: ignore[operator]
                return True
    return False


@retried
def test_the_connections_that_were_idle_longest_make_room(folder: Path) -> None:
    args = ["--max-connections", "20", "--idle-timeout", "3"]
    with ServerProcess([*args, str(folder)]) as server, contextlib.ExitStack() as stack:
        idle = []
        for _ in range(40):
            client = stack.enter_context(RawClient(server.connect()))
            assert client.request("/").body == b"home"
            idle.append(client)
        assert idle[-1].request("/").body == b"home"
        assert idle[-10].request("/").body == b"home"
        for client in idle[:15]:
            client.connection.settimeout(0.1)  # long before the idle timeout
            assert is_closed(client.connection)


@retried
def test_a_connection_that_was_idle_only_for_a_moment_is_not_closed_for_a_crowd(folder: Path) -> None:
    with ServerProcess(["--max-connections", "20", str(folder)]) as server, contextlib.ExitStack() as stack:
        client = stack.enter_context(RawClient(server.connect()))
        assert client.request("/").body == b"home"
        begun = stack.enter_context(connections(server, 40, b"GET / "))
        assert not select.select(begun, [], [], 1.2)[0]
        assert client.request("/").body == b"home"


def test_silent_connections_are_closed_for_new_requests(folder: Path) -> None:
    args = ["--max-connections", "20", "--head-timeout", "60"]
    with ServerProcess([*args, str(folder)]) as server, connections(server, 25, b"") as silent:
        assert is_served(server)
        assert select.select(silent, [], [], TIMEOUT_S)[0]


@retried
def test_a_connection_at_work_is_not_closed_for_others(folder: Path) -> None:
    server = ServerProcess(["--max-connections", "10", "--idle-timeout", "3", str(folder)])
    with server, connections(server, 3, GET % b"/large.bin") as readers:
        for _ in range(30):
            assert is_served(server)
        with connections(server, 20, GET % b"/") as idle:
            assert idle[-1].recv(1 << 16).endswith(b"home")
            for reader in readers:
                received = 0
                while received < LARGE:
                    received += len(reader.recv(1 << 20))


# Senders

TRICKLES = [
    pytest.param("--head-timeout", b"GET / HTTP/1.1\r\nHost: localhost\r\nX-A: ", id="a head"),
    pytest.param("--head-timeout", b"", id="a request line"),
    pytest.param("--body-timeout", GET[:-2] % b"/" + b"Content-Length: 100000\r\n\r\n", id="a body"),
    pytest.param(
        "--body-timeout", GET[:-2] % b"/" + b"Transfer-Encoding: chunked\r\n\r\nffff\r\n", id="a chunk of a body"
    ),
]


@pytest.mark.parametrize(("option", "start"), TRICKLES)
def test_bytes_now_and_then_do_not_put_off_the_deadline_of(folder: Path, option: str, start: bytes) -> None:
    with ServerProcess([option, "1", str(folder)]) as server, server.connect() as slow:
        slow.sendall(start)
        started = time.monotonic()
        answer = b""
        while not answer:
            slow.sendall(b"a")
            if select.select([slow], [], [], 0.05)[0]:
                answer = slow.recv(1 << 16)
            assert time.monotonic() - started < TIMEOUT_S
        assert answer.startswith(b"HTTP/1.1 408 ")
        assert b"\r\nConnection: close\r\n" in answer
        assert is_served(server)


# Readers


@pytest.mark.parametrize("sip", [0, 1], ids=["nothing", "a byte now and then"])
def test_a_client_that_reads_too_slowly_is_reset_after_the_write_timeout(folder: Path, sip: int) -> None:
    with ServerProcess(["--write-timeout", "1", "--write-rate", "100K", str(folder)]) as server:
        with server.connect() as connection:
            connection.sendall(GET % b"/large.bin")
            started = time.monotonic()
            poll = select.poll()
            poll.register(connection, select.POLLERR | select.POLLHUP)
            while not poll.poll(100):
                assert time.monotonic() - started < TIMEOUT_S
                if sip:
                    connection.recv(sip)
        assert is_served(server)


@retried
def test_a_client_that_reads_above_the_least_rate_gets_everything(folder: Path) -> None:
    with ServerProcess(["--write-timeout", "1", "--write-rate", "100K", str(folder)]) as server:
        with socket.socket() as connection:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
            connection.settimeout(TIMEOUT_S)
            connection.connect(("127.0.0.1", server.port))
            connection.sendall(GET % b"/large.bin")
            received, started = 0, time.monotonic()
            # Held back for three times the timeout; the rest as fast as possible.
            while received < LARGE:
                received += len(connection.recv(1 << 16))
                if time.monotonic() - started < 3.0:
                    select.select([], [], [], 0.02)
        assert is_served(server)


@retried
def test_a_crowd_of_slow_clients_costs_little_and_delays_no_other_client(folder: Path) -> None:
    """The large run of this, 300 and 300 and 100, is in SECURITY.md."""
    with ServerProcess([str(folder)]) as server:
        (worker,) = server.worker_pids()
        before, alone_s = measure(server, worker)
        with (
            connections(server, 60, b"GET /index.html HT"),
            connections(server, 60, GET % b"/"),
            connections(server, 20, GET % b"/large.bin"),
        ):
            during, crowded_s = measure(server, worker)
        assert during - before < 6 << 20
        assert crowded_s < max(0.25, 20 * alone_s)  # on a machine that runs other tests as well


def measure(server: ServerProcess, worker: int) -> tuple[int, float]:
    """Return the memory of a worker and the time below which 99 of 100 requests are answered."""
    times = []
    with RawClient(server.connect()) as client:
        for _ in range(400):
            started = time.perf_counter()
            assert client.request("/").body == b"home"
            times.append(time.perf_counter() - started)
    return pss_bytes(worker), sorted(times)[395]


# Descriptors run out


def test_a_long_pipeline_lets_others_have_their_turn(folder: Path) -> None:
    with ServerProcess(["--log-format", "common", str(folder)]) as server:
        (worker,) = server.worker_pids()
        with RawClient(server.connect()) as greedy, RawClient(server.connect()) as other:
            for client in (greedy, other):
                assert client.request("/").status == 200
            os.kill(worker, signal.SIGSTOP)
            # Each for another name, which needs the disk: together they take many turns.
            greedy.connection.sendall(b"".join(make_request(f"/g{n}", "HEAD") for n in range(PIPELINED)))
            other.send("/absent", "HEAD")
            os.kill(worker, signal.SIGCONT)
            assert other.receive("HEAD").status == 404
            for _ in range(PIPELINED):
                assert greedy.receive("HEAD").status == 404
    lines = [line for line in server.stdout.splitlines() if "HEAD" in line]
    assert len(lines) == PIPELINED + 1
    assert "/absent" in "".join(lines[: PIPELINED // 2])


@pytest.mark.skipif(not os.path.exists("/proc/self/schedstat"), reason="reads /proc")
@retried
def test_many_long_pipelines_that_come_at_once_let_others_have_their_turn(folder: Path) -> None:
    """The first turn of each is short, since they share a batch: together they took 50 times 2 ms."""
    with ServerProcess([str(folder)]) as server, contextlib.ExitStack() as stack:
        (worker,) = server.worker_pids()
        os.kill(worker, signal.SIGSTOP)
        for _ in range(GREEDY):
            greedy = stack.enter_context(server.connect())
            greedy.sendall(make_request("/", "HEAD") * PIPELINED)
        with RawClient(server.connect()) as other:
            other.send("/absent", "HEAD")
            before_s = ran_s(worker)
            os.kill(worker, signal.SIGCONT)
            assert other.receive("HEAD").status == 404
            assert ran_s(worker) - before_s < 0.06  # of processor time: a fifth is usual, interpreted


def ran_s(pid: int) -> float:
    with open(f"/proc/{pid}/schedstat") as schedstat:
        return int(schedstat.read().split()[0]) / 1e9


def test_without_descriptors_a_worker_does_not_spin_and_serves_its_clients(folder: Path) -> None:
    with ServerProcess([str(folder)]) as server, RawClient(server.connect()) as client:
        (worker,) = server.worker_pids()
        assert client.request("/index.html").body == b"home"
        before = resource.prlimit(worker, resource.RLIMIT_NOFILE, (3, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
        with server.connect() as waiting:
            waiting.sendall(GET % b"/")
            busy = cpu_s(worker)
            assert not select.select([waiting], [], [], 2.0)[0]  # two seconds without an answer, and
            assert cpu_s(worker) - busy < 0.1  # without work
            assert client.request("/index.html").body == b"home"
            response = client.request("/other.html")
            assert (response.status, response.fields["retry-after"]) == (503, "1")
            resource.prlimit(worker, resource.RLIMIT_NOFILE, before)
            assert RawClient(waiting).receive().body == b"home"
        assert client.request("/other.html").body == b"other"
    assert server.stderr.count("cannot accept: ") == server.stderr.count("\n") == 1


def test_the_soft_limit_of_descriptors_is_raised_to_the_hard_one(folder: Path) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    # Other tests of this process may have left descriptors open, and starting a server takes some.
    resource.setrlimit(resource.RLIMIT_NOFILE, (len(os.listdir("/proc/self/fd")) + 128, hard))
    try:
        with ServerProcess([str(folder)]) as server:
            assert resource.prlimit(server.worker_pids()[0], resource.RLIMIT_NOFILE) == (hard, hard)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
