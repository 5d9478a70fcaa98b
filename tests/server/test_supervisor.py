"""Supervisor and workers as real processes: deaths, drains, reloads, ports, and descriptors that run out."""

from __future__ import annotations

import contextlib
import os
import re
import resource
import select
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import pytest
from support.ports import find_free_port
from support.rawclient import RawClient
from support.retrying import retried
from support.serverprocess import ONE_LOOP, TIMEOUT_S, ServerProcess, clean_environment, processes
from support.watching import SMALL, Load, ask, descriptors, is_listening, is_refused, until

HUGE = 64 * 1024 * 1024
LONG_GRACE = ("--grace", "600")  # longer than TIMEOUT_S: a test that waits for it fails
linux = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("served")
    (root / "index.html").write_bytes(SMALL)
    with (root / "huge.bin").open("wb") as file:
        for number in range(HUGE // 1024):
            file.write(number.to_bytes(4, "big") * 256)
    return root


def cpu_s(pid: int) -> float:
    with open(f"/proc/{pid}/stat", "rb") as stat:
        fields = stat.read().rpartition(b")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@linux
def test_a_worker_that_heard_of_the_stop_before_its_supervisor_is_no_news(folder: Path) -> None:
    for _ in range(3):  # two of three runs failed before
        with ServerProcess([str(folder)]) as server:
            for pid in server.survivors():
                os.sched_setaffinity(pid, {min(os.sched_getaffinity(0))})
            os.sched_setscheduler(server.pid, os.SCHED_IDLE, os.sched_param(0))  # the worker goes first
            os.killpg(server.pid, signal.SIGTERM)
            assert server.wait() == 0
            assert server.stderr == ""


# A worker dies


@pytest.mark.parametrize(
    ("number", "cause"),
    [
        (signal.SIGKILL, "killed by SIGKILL"),
        (signal.SIGSEGV, "killed by SIGSEGV"),
        (signal.SIGABRT, "killed by SIGABRT"),
        (signal.SIGTERM, "exit status 0"),
    ],
    ids=["SIGKILL", "SIGSEGV", "SIGABRT", "SIGTERM from somebody else"],
)
def test_a_worker_that_dies_is_replaced_and_its_cause_is_logged_once(
    folder: Path, number: signal.Signals, cause: str
) -> None:
    with ServerProcess(["--workers", "2", str(folder)]) as server:
        victim, other = server.wait_for_workers(2)
        os.kill(victim, number)
        until(lambda: victim not in server.worker_pids(), "it is dead")
        assert all(ask(server) == 200 for _ in range(20))  # whichever worker gets them, the queue is kept
        assert other in server.wait_for_workers(2)
        lines = server.stderr.splitlines()
        assert len(lines) == 1, lines
        assert f"worker {victim} ended: {cause}" in lines[0]


def test_no_connection_is_refused_while_workers_die_under_load(folder: Path) -> None:
    """Only what the victims had in flight is lost: some clients per kill, never a refused connection."""
    clients, kills = 6, 5
    with ServerProcess(["--workers", "2", str(folder)]) as server:
        with Load(server, clients, tolerant=True) as load:
            for _ in range(kills):
                with contextlib.suppress(ProcessLookupError):  # the one before, which the list still had
                    os.kill(server.wait_for_workers(2)[0], signal.SIGKILL)
                load.wait_for(100)
            server.wait_for_workers(2)
            load.wait_for(100)
        assert not [failure for failure in load.failed if "Refused" in failure]
        assert len(load.failed) <= clients * kills


def test_a_worker_that_keeps_dying_is_restarted_more_slowly_and_never_given_up(folder: Path) -> None:
    with ServerProcess([str(folder)]) as server:
        for _ in range(4):
            victim = server.wait_for_workers(1)[0]
            os.kill(victim, signal.SIGKILL)
            until(lambda victim=victim: victim not in server.worker_pids(), "it is dead")
        assert ask(server) == 200
        assert [line.rpartition("; ")[2] for line in server.stderr.splitlines()] == [
            "the next starts now",
            "the next starts in 0.1 s",
            "the next starts in 0.2 s",
            "the next starts in 0.4 s",
        ]


@linux
def test_no_process_and_no_descriptor_is_left_of_the_dead(folder: Path) -> None:
    with ServerProcess(["--workers", "2", str(folder)]) as server:
        server.wait_for_workers(2)
        ask(server)
        before = descriptors(server.pid)
        for _ in range(3):
            victim = server.wait_for_workers(2)[0]
            os.kill(victim, signal.SIGKILL)
            until(lambda victim=victim: victim not in server.worker_pids(), "it is dead")
        workers = server.wait_for_workers(2)
        assert ask(server) == 200
        until(lambda: descriptors(server.pid) <= before, "the supervisor has no more descriptors than before")
        assert not [process for process in processes() if process.parent == server.pid and process.state == "Z"]
        # A successor holds no more than the worker that was there from the start.
        until(lambda: len({descriptors(pid) for pid in workers}) == 1, "the workers hold the same")


@linux
def test_a_supervisor_without_descriptors_starts_the_successor_later(folder: Path) -> None:
    with ServerProcess([str(folder)]) as server:
        victim = server.wait_for_workers(1)[0]
        limits = resource.prlimit(server.pid, resource.RLIMIT_NOFILE)
        resource.prlimit(server.pid, resource.RLIMIT_NOFILE, (3, limits[1]))
        os.kill(victim, signal.SIGKILL)
        until(lambda: "cannot start a worker" in server.stderr, "it says so")
        resource.prlimit(server.pid, resource.RLIMIT_NOFILE, limits)
        assert ask(server) == 200


# The supervisor dies


@pytest.mark.parametrize("loop", ONE_LOOP)
def test_workers_end_when_their_supervisor_is_killed(folder: Path, loop: str) -> None:
    command = ["--workers", "3", "--loop", loop, *LONG_GRACE, str(folder)]
    with contextlib.closing(Killed(ServerProcess(command))) as killed:
        killed.server.wait_for_workers(3)
        with killed.server.connect():  # a silent one
            os.kill(killed.server.pid, signal.SIGKILL)
            until(lambda: not killed.server.survivors(), "every worker ends")
        with pytest.raises(ConnectionRefusedError):
            killed.server.connect()


class Killed:
    def __init__(self, server: ServerProcess) -> None:
        self.server = server

    def close(self) -> None:
        self.server.kill()


# Stopping


@pytest.mark.parametrize("loop", ONE_LOOP)
def test_a_slow_download_is_finished_during_a_stop_and_new_clients_are_refused(folder: Path, loop: str) -> None:
    with ServerProcess(["--loop", loop, *LONG_GRACE, str(folder)]) as server, RawClient(server.connect()) as client:
        client.connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
        client.send("/huge.bin")
        client.connection.recv(1000, socket.MSG_PEEK)
        server.signal(signal.SIGTERM)
        until(lambda: is_refused(server), "new connections are refused")
        response = client.receive()
        assert response.body == (folder / "huge.bin").read_bytes()
        assert client.at_end()
        assert server.wait() == 0, "nothing to wait for once the download is there"


@pytest.mark.parametrize("loop", ONE_LOOP)
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=lambda number: number.name)
def test_an_idle_server_stops_without_waiting_for_its_grace(folder: Path, loop: str, number: signal.Signals) -> None:
    with ServerProcess(["--workers", "2", "--loop", loop, *LONG_GRACE, str(folder)]) as server:
        with RawClient(server.connect()) as idle:
            assert idle.request("/").status == 200
            server.signal(number)
            assert idle.at_end()
            assert server.wait() == 0
        assert server.stderr == ""


def test_clients_in_the_queue_are_served_before_the_end(folder: Path) -> None:
    with ServerProcess([str(folder)]) as server:
        (worker,) = server.wait_for_workers(1)
        os.kill(worker, signal.SIGSTOP)
        clients = [RawClient(server.connect()) for _ in range(200)]
        for client in clients:
            client.send("/")
        server.signal(signal.SIGTERM)
        os.kill(worker, signal.SIGCONT)
        for client in clients:
            with client:
                assert client.receive().status == 200
        assert server.wait() == 0


@pytest.mark.parametrize("loop", ONE_LOOP)
@retried
def test_a_client_that_connected_before_a_stop_is_served_if_it_sends_a_request_soon(folder: Path, loop: str) -> None:
    """On Linux such a client is the kernel's alone (TCP_DEFER_ACCEPT), and would be reset with the listening socket."""
    with ServerProcess(["--workers", "2", "--loop", loop, str(folder)]) as server:
        with RawClient(server.connect()) as idle, contextlib.ExitStack() as stack:
            assert idle.request("/").status == 200
            clients = [stack.enter_context(RawClient(server.connect())) for _ in range(8)]
            server.signal(signal.SIGTERM)
            assert idle.at_end(), "it stops"
            for client in clients:
                assert client.request("/").status == 200
        assert server.wait() == 0


@pytest.mark.parametrize("loop", ONE_LOOP)
def test_a_silent_client_delays_a_stop_only_for_a_moment_and_is_closed(folder: Path, loop: str) -> None:
    with ServerProcess(["--loop", loop, *LONG_GRACE, str(folder)]) as server, RawClient(server.connect()) as idle:
        assert idle.request("/").status == 200
        with server.connect() as before:
            server.signal(signal.SIGTERM)
            assert idle.at_end(), "it stops, and listens on for the other"
            with server.connect() as after:
                assert not before.recv(1)
                assert not after.recv(1)
        assert server.wait() == 0


@pytest.mark.parametrize("loop", ONE_LOOP)
@pytest.mark.parametrize("is_second", [False, True])
def test_half_a_request_head_delays_a_stop_only_for_a_moment(folder: Path, loop: str, is_second: bool) -> None:
    options = ["--loop", loop, *LONG_GRACE, "--head-timeout", "600", str(folder)]
    with ServerProcess(options) as server, RawClient(server.connect()) as client:
        if is_second:
            assert client.request("/").status == 200
        client.connection.sendall(b"GET / HTTP/1.1\r\nHo")
        with RawClient(server.connect()) as other:  # accepted later, so the half head has been read
            assert other.request("/").status == 200
            server.signal(signal.SIGTERM)
        assert client.receive().status == 408
        assert client.at_end()
        assert server.wait() == 0


def test_a_silent_client_is_served_after_a_reload(folder: Path) -> None:
    with ServerProcess(["--workers", "2", str(folder)]) as server:
        before = set(server.wait_for_workers(2))
        with contextlib.ExitStack() as stack:
            clients = [stack.enter_context(RawClient(server.connect())) for _ in range(8)]
            server.signal(signal.SIGHUP)
            until(lambda: len(pids := set(server.worker_pids())) == 2 and not pids & before, "all are new")
            for client in clients:
                assert client.request("/").status == 200


def test_a_second_interrupt_stops_at_once(folder: Path) -> None:
    with ServerProcess(["--workers", "2", *LONG_GRACE, str(folder)]) as server, RawClient(server.connect()) as client:
        client.send("/huge.bin")
        client.connection.recv(1000, socket.MSG_PEEK)
        server.signal(signal.SIGINT)
        until(lambda: is_refused(server), "the first one was heard")
        server.signal(signal.SIGINT)
        assert server.wait() == 0


@retried
def test_a_download_without_a_reader_ends_with_the_grace_period(folder: Path) -> None:
    with ServerProcess(["--grace", "0.5", str(folder)]) as server, RawClient(server.connect()) as client:
        client.send("/huge.bin")
        client.connection.recv(1000, socket.MSG_PEEK)
        began_s = time.monotonic()
        assert server.stop() == 0
        assert time.monotonic() - began_s < 7, "without the option it would be 8 s"


def test_a_stopped_worker_does_not_keep_the_server_from_stopping(folder: Path) -> None:
    with ServerProcess(["--workers", "2", "--grace", "0.5", str(folder)]) as server:
        os.kill(server.wait_for_workers(2)[0], signal.SIGSTOP)
        assert server.stop() == 0


@linux
def test_a_drain_does_not_spin(folder: Path) -> None:
    """Also when accepting was paused for want of descriptors as it began."""
    with ServerProcess([*LONG_GRACE, str(folder)]) as server, RawClient(server.connect()) as client:
        (worker,) = server.wait_for_workers(1)
        client.send("/huge.bin")
        client.connection.recv(1000, socket.MSG_PEEK)
        limits = resource.prlimit(worker, resource.RLIMIT_NOFILE)
        resource.prlimit(worker, resource.RLIMIT_NOFILE, (3, limits[1]))
        with server.connect():
            until(lambda: "cannot accept" in server.stderr, "it has noticed")
            server.signal(signal.SIGTERM)
            until(lambda: is_refused(server), "it drains")
            began_s = cpu_s(worker)
            select.select([], [], [], 1)
            assert cpu_s(worker) - began_s < 0.3
        client.connection.close()


# Reloading


@pytest.mark.parametrize("keep_alive", [True, False], ids=["keep-alive", "a connection each"])
@pytest.mark.parametrize("loop", ONE_LOOP)
def test_a_reload_under_load_loses_no_request(folder: Path, loop: str, keep_alive: bool) -> None:
    with ServerProcess(["--workers", "2", "--loop", loop, str(folder)]) as server:
        before = server.wait_for_workers(2)
        with Load(server, keep_alive=keep_alive) as load:
            for _ in range(2):
                server.signal(signal.SIGHUP)
                until(lambda old=before: not set(old) & set(server.worker_pids()), "the old workers go")
                before = server.wait_for_workers(2)
                load.wait_for(100)
        assert load.failed == []
        assert server.stderr == "fastfile: reloaded the settings; 2 workers serve\n" * 2


def test_an_idle_connection_is_closed_after_its_next_response_when_workers_are_replaced(folder: Path) -> None:
    with ServerProcess(["--workers", "2", str(folder)]) as server, RawClient(server.connect()) as client:
        assert client.request("/").status == 200
        server.signal(signal.SIGHUP)
        until(lambda: "reloaded" in server.stderr, "it is said")
        # A request may overtake the signal to its worker.
        until(lambda: client.request("/").fields.get("connection") == "close", "the worker is replaced")


# Starting


def run(*args: str, cwd: Path | None = None) -> tuple[int, str]:
    """Run a command that ends by itself: return its exit status and its stderr."""
    done = subprocess.run(
        [sys.executable, "-m", "fastfile", *args],
        capture_output=True,
        text=True,
        env=clean_environment(),
        cwd=cwd,
        timeout=TIMEOUT_S,
    )
    assert done.stdout == ""
    return done.returncode, done.stderr


def test_a_missing_root_is_one_line_and_status_1(tmp_path: Path) -> None:
    status, errors = run("--port", "0", str(tmp_path / "missing"))
    assert (status, errors.count("\n")) == (1, 1)
    assert "missing" in errors


def test_a_worker_that_cannot_start_is_one_line_and_status_1(folder: Path, tmp_path: Path) -> None:
    status, errors = run("--workers", "3", "--port", "0", "--log-file", str(tmp_path / "no" / "log"), str(folder))
    assert (status, errors.count("\n")) == (1, 1)
    assert errors.startswith("fastfile: ")


@pytest.mark.parametrize("workers", ["1", "3"])
def test_servers_that_start_at_once_never_share_a_port(folder: Path, workers: str) -> None:
    port = find_free_port()
    command = ["--port", str(port), "--workers", workers, str(folder)]
    servers: list[ServerProcess] = []
    starting = [threading.Thread(target=lambda: servers.append(ServerProcess(command))) for _ in range(4)]
    for thread in starting:
        thread.start()
    for thread in starting:
        thread.join(TIMEOUT_S)
    with contextlib.ExitStack() as stack:
        for server in servers:
            stack.enter_context(server)
        assert len({server.port for server in servers}) == 4
        for server in servers:
            assert (f"port {port} is in use" in server.stdout) is (server.port != port)
            assert ask(server) == 200


@linux
def test_the_workers_share_the_clients_of_one_port(folder: Path) -> None:
    with ServerProcess(["--workers", "4", str(folder)]) as server:
        workers = server.wait_for_workers(4)
        before = {pid: descriptors(pid) for pid in workers}
        with contextlib.ExitStack() as clients:
            for _ in range(80):  # spread by the kernel's hash of their ports
                assert clients.enter_context(RawClient(server.connect())).request("/").status == 200
            assert all(descriptors(pid) > before[pid] for pid in workers)


def test_a_stale_unix_socket_is_replaced_and_removed_at_the_end(folder: Path, tmp_path: Path) -> None:
    path = tmp_path / "web.sock"
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))
    with ServerProcess(["--workers", "2", "--bind", f"unix:{path}", str(folder)]):
        with RawClient(socket.socket(socket.AF_UNIX)) as client:
            client.connection.connect(str(path))
            assert client.request("/").status == 200
        status, errors = run("--bind", f"unix:{path}", str(folder))
        assert (status, errors.count("\n")) == (1, 1)
        with RawClient(socket.socket(socket.AF_UNIX)) as client:
            client.connection.connect(str(path))
            assert client.request("/").status == 200
    assert not path.exists()


def test_a_file_that_is_no_socket_is_not_removed_for_one(folder: Path, tmp_path: Path) -> None:
    path = tmp_path / "precious"
    path.write_bytes(b"data")
    status, errors = run("--bind", f"unix:{path}", str(folder))
    assert (status, errors.count("\n")) == (1, 1)
    assert path.read_bytes() == b"data"


def test_no_log_text_reaches_a_client_when_the_standard_descriptors_are_closed(folder: Path, tmp_path: Path) -> None:
    path = tmp_path / "web.sock"
    closed = 'exec "$0" -m fastfile --workers 2 --log-format common --bind "unix:$1" "$2" 0<&- 1>&- 2>&-'
    command = ["sh", "-c", closed, sys.executable, str(path), str(folder)]
    process = subprocess.Popen(command, env=clean_environment(), start_new_session=True)
    try:
        until(lambda: process.poll() is not None or is_listening(path), "it listens")
        for _ in range(20):
            with RawClient(socket.socket(socket.AF_UNIX)) as client:
                client.connection.settimeout(TIMEOUT_S)
                client.connection.connect(str(path))
                for _ in range(10):
                    response = client.request("/")
                    assert (response.status, response.body) == (200, SMALL)
        process.terminate()
        assert process.wait(TIMEOUT_S) == 0
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait(TIMEOUT_S)


# Descriptors run out


@pytest.fixture(params=[64, 256])
def crowded(request: pytest.FixtureRequest, folder: Path) -> Iterator[ServerProcess]:
    """A server whose limit of descriptors is low from the start."""
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    limited = (
        "import resource, runpy, sys;"
        f"resource.setrlimit(resource.RLIMIT_NOFILE, ({request.param}, {request.param}));"
        "sys.argv[0] = 'fastfile'; runpy.run_module('fastfile', run_name='__main__')"
    )
    assert limits[1] >= 1000
    with ServerProcess([str(folder)], interpreter_args=["-c", limited]) as server:
        yield server


@linux
def test_a_full_worker_pauses_serves_its_clients_and_recovers(crowded: ServerProcess) -> None:
    assert re.search(r"a worker takes (12|84) connections, because it may open only (64|256) files", crowded.stdout)
    (worker,) = crowded.wait_for_workers(1)
    with RawClient(crowded.connect()) as first:
        assert first.request("/").status == 200
        assert first.request("/huge.bin", "HEAD").status == 200  # held open from here on
        before = descriptors(worker)
        crowd = [RawClient(crowded.connect()) for _ in range(300)]
        until(lambda: descriptors(worker) > before + 8, "it takes up some of them")
        began_s = cpu_s(worker)
        select.select([], [], [], 1)
        assert cpu_s(worker) - began_s < 0.2, "it spins"
        assert first.request("/").status == 200
        others = [RawClient(crowded.connect()) for _ in range(100)]
        for client in others:
            client.send("/", "GET", "Connection: close")
        for client in crowd:
            client.connection.close()
        for client in others:
            with client:
                assert client.receive().status == 200
        until(lambda: descriptors(worker) <= before, "it lets go of all of them")
        assert "Traceback" not in crowded.stderr


@linux
@pytest.mark.parametrize("loop", ONE_LOOP)
def test_a_worker_whose_descriptors_run_out_waits_and_recovers(folder: Path, loop: str) -> None:
    """The limit falls below what the worker had reckoned with: accept itself fails."""
    with ServerProcess(["--loop", loop, str(folder)]) as server, RawClient(server.connect()) as first:
        (worker,) = server.wait_for_workers(1)
        assert first.request("/").status == 200
        limits = resource.prlimit(worker, resource.RLIMIT_NOFILE)
        resource.prlimit(worker, resource.RLIMIT_NOFILE, (descriptors(worker) + 6, limits[1]))
        crowd = [RawClient(server.connect()) for _ in range(30)]
        until(lambda: "cannot accept" in server.stderr, "it has noticed")
        began_s = cpu_s(worker)
        select.select([], [], [], 1)
        assert cpu_s(worker) - began_s < 0.2, "it spins"
        assert first.request("/").status == 200
        resource.prlimit(worker, resource.RLIMIT_NOFILE, limits)
        for client in crowd:
            with client:
                assert client.request("/").status == 200
        assert server.stderr.count("\n") == 1, server.stderr


# Nothing grows


@linux
@pytest.mark.parametrize("loop", ONE_LOOP)
def test_descriptors_and_memory_come_back_to_what_they_were(folder: Path, loop: str) -> None:
    with ServerProcess(["--loop", loop, str(folder)]) as server:
        (worker,) = server.wait_for_workers(1)
        churn(server, 300)
        before = descriptors(worker)
        rss = resident(worker)
        churn(server, 3000)
        with RawClient(server.connect()) as client:
            for _ in range(200):
                client.connection.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n" * 100)
                for _ in range(100):
                    assert client.receive().status == 200
        until(lambda: descriptors(worker) <= before, "every descriptor is closed")
        assert resident(worker) - rss < 2 * 1024 * 1024
        assert server.stderr == ""


def churn(server: ServerProcess, connections: int) -> None:
    """Connect and leave as clients do: politely, silently, halfway through a request, with a reset."""
    for number in range(connections // 4):
        with RawClient(server.connect()) as client:
            assert client.request(f"/missing-{number}").status == 404
        server.connect().close()
        with server.connect() as halfway:
            halfway.sendall(b"GET / HTTP/1.1\r\nHo")
        with server.connect() as rude:
            rude.sendall(b"nonsense\r\n\r\n")
            rude.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")


def resident(pid: int) -> int:
    with open(f"/proc/{pid}/statm", "rb") as statm:
        return int(statm.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


# Without epoll


@pytest.mark.parametrize("loop", ONE_LOOP)
def test_where_there_is_no_epoll_the_loop_watches_the_sockets(folder: Path, loop: str) -> None:
    """macOS and the BSDs: the same serving, pausing, reloading and draining."""
    command = "import runpy, select, sys; vars(select).pop('epoll', None); sys.argv[0] = 'fastfile'; "
    command += "runpy.run_module('fastfile', run_name='__main__')"
    arguments = ["--workers", "2", "--max-connections", "20", "--loop", loop, str(folder)]
    with ServerProcess(arguments, interpreter_args=["-c", command]) as server:
        before = server.wait_for_workers(2)
        with Load(server, keep_alive=False) as load:
            churn(server, 100)
            crowd = [RawClient(server.connect()) for _ in range(100)]
            for client in crowd:
                client.send("/")
            server.signal(signal.SIGHUP)
            for client in crowd:
                with client:
                    assert client.receive().status == 200
            until(lambda: not set(before) & set(server.worker_pids()), "the old workers go")
            load.wait_for(100)
        assert load.failed == []
        with RawClient(server.connect()) as client:
            client.send("/huge.bin")
            client.connection.recv(1000, socket.MSG_PEEK)
            server.signal(signal.SIGTERM)
            assert client.receive().body == (folder / "huge.bin").read_bytes()
        assert server.wait() == 0
        assert server.stderr == "fastfile: reloaded the settings; 2 workers serve\n"


@pytest.mark.parametrize("loop", ONE_LOOP)
def test_a_stop_during_the_start_is_a_stop(folder: Path, loop: str) -> None:
    """Whenever it comes: before the signal is handled, between two forks, in a worker that has no handler yet."""
    command = [sys.executable, "-m", "fastfile", "--port", "0", "--workers", "3", "--loop", loop, str(folder)]
    ends = set()
    for delay_s in (0.0, 0.05, 0.1, 0.12, 0.14, 0.16, 0.18, 0.2, 0.25, 0.3):
        process = subprocess.Popen(
            command, env=clean_environment(), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, start_new_session=True
        )
        select.select([], [], [], delay_s)
        process.terminate()
        _, errors = process.communicate(timeout=TIMEOUT_S)
        assert errors == b""
        ends.add(process.returncode)
        assert not [survivor for survivor in processes() if survivor.group == process.pid and survivor.state != "Z"]
    assert ends <= {0, -signal.SIGTERM}


def test_a_stop_that_is_asked_for_again_and_again_ends_with_0(folder: Path) -> None:
    """Also while the interpreter winds up, when Python has given its handlers back."""
    with ServerProcess([str(folder)]) as server:
        server.wait_for_workers(1)
        while not server.has_ended():
            server.signal(signal.SIGTERM)
        assert server.wait() == 0


def test_a_stop_of_the_whole_group_is_no_death_of_its_workers(folder: Path, tmp_path: Path) -> None:
    """Also if they have ended before the supervisor comes to its own signal: it waits for a file of settings."""
    settings = tmp_path / "fastfile.toml"
    settings.touch()
    with ServerProcess(["--workers", "2", str(folder)], cwd=str(tmp_path)) as server:
        server.wait_for_workers(2)
        settings.unlink()
        os.mkfifo(settings)
        server.signal(signal.SIGHUP)
        pipe = until(lambda: writing_end(settings), "it reads")
        os.killpg(server.pid, signal.SIGTERM)
        until(lambda: not server.worker_pids(), "the workers have ended")
        with pipe:
            pipe.write(b"no settings")
        assert server.wait() == 0
        assert [line.split(":")[1] for line in server.stderr.splitlines()] == [" the old settings stay in force"]


def writing_end(pipe: Path) -> BinaryIO | None:
    """Open a named pipe for writing, if it has a reader."""
    try:
        return os.fdopen(os.open(pipe, os.O_WRONLY | os.O_NONBLOCK), "wb")
    except OSError:
        return None
