"""A server in operation: hangs, rotated logs, new settings, probes."""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from inspect import getsource
from pathlib import Path

import pytest
from support.hanging import HANGING
from support.ports import find_free_port
from support.rawclient import RawClient
from support.retrying import retried
from support.serverprocess import ONE_LOOP, TIMEOUT_S, ServerProcess, clean_environment, processes
from support.watching import Load, ask, is_listening, is_refused, until

from fastfile.server.following.asking import Asker

PAGE = b"<h1>home</h1>"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    root = tmp_path / "dist"
    root.mkdir()
    (root / "index.html").write_bytes(PAGE)
    return root


# A worker hangs


@pytest.mark.parametrize("loop", ONE_LOOP)
@retried
def test_a_stopped_worker_is_killed_replaced_and_logged_once(folder: Path, loop: str) -> None:
    with ServerProcess(["--workers", "2", "--heartbeat-timeout", "1", "--loop", loop, str(folder)]) as server:
        victim, other = server.wait_for_workers(2)
        os.kill(victim, signal.SIGSTOP)
        until(lambda: victim not in server.worker_pids(), "it is killed")
        assert other in server.wait_for_workers(2)
        assert all(ask(server) == 200 for _ in range(20))
        wanted = f"fastfile: worker {victim} ended: no heartbeat for 1 s, so it was killed; the next starts now\n"
        assert server.stderr == wanted


def test_a_worker_that_never_comes_back_from_a_request_is_killed_and_replaced(folder: Path) -> None:
    with ServerProcess(["--heartbeat-timeout", "1", str(folder)], interpreter_args=["-c", HANGING]) as server:
        (victim,) = server.wait_for_workers(1)
        with RawClient(server.connect()) as client:
            client.send("/hang")
            until(lambda: "it hangs" in server.stderr, "it hangs")
            with server.connect() as waiting:
                waiting.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
                assert waiting.recv(1000).startswith(b"HTTP/1.1 200"), "who waits is served by the successor"
        assert victim not in server.wait_for_workers(1)
        assert server.stderr.count("\n") == 2


@pytest.mark.parametrize("whole", [True, False], ids=["with its workers", "alone"])
@retried
def test_a_server_that_was_suspended_kills_no_worker(folder: Path, whole: bool) -> None:
    with ServerProcess(["--workers", "2", "--heartbeat-timeout", "1", str(folder)]) as server:
        workers = server.wait_for_workers(2)
        for number, seconds in ((signal.SIGSTOP, 4.5), (signal.SIGCONT, 4)):
            if whole:
                os.killpg(server.pid, number)
            else:
                os.kill(server.pid, number)
            pause(seconds)  # more than the timeout and the 2.5 s after it
        assert server.wait_for_workers(2) == workers
        assert server.stderr == ""


@pytest.mark.skipif(sys.platform != "linux" or os.geteuid() != 0, reason="needs ptrace")
@retried
def test_a_worker_under_a_debugger_does_not_count_as_hung(folder: Path) -> None:
    ptrace = ctypes.CDLL(None).ptrace
    seize, detach = 0x4206, 17
    with ServerProcess(["--heartbeat-timeout", "1", str(folder)]) as server:
        (worker,) = server.wait_for_workers(1)
        assert ptrace(seize, worker, None, None) == 0
        os.kill(worker, signal.SIGSTOP)
        os.waitpid(worker, 0)
        pause(4.5)  # more than the timeout and the 2.5 s after it
        assert server.worker_pids() == [worker]
        assert ptrace(detach, worker, None, None) == 0
        assert ask(server) == 200
        assert server.wait_for_workers(1) == [worker]
        assert server.stderr == ""


def pause(seconds: float) -> None:
    signal.sigtimedwait([], seconds)


def fill(writer: int) -> None:
    os.set_blocking(writer, False)
    with contextlib.suppress(BlockingIOError):
        while True:
            os.write(writer, b"x" * 4096)
    os.set_blocking(writer, True)


def test_a_full_pipe_of_errors_without_a_reader_does_not_stop_the_server(folder: Path, tmp_path: Path) -> None:
    """Standard error is a pipe that is full: deaths are said into it, and the next worker starts all the same."""
    reader, writer = os.pipe()
    fill(writer)
    redirect = f"import os; os.dup2({writer}, 2); import runpy; runpy.run_module('fastfile', run_name='__main__')"
    try:
        with ServerProcess([str(folder)], interpreter_args=["-c", redirect], pass_fds=[writer]) as server:
            for _ in range(3):
                (victim,) = server.wait_for_workers(1)
                os.kill(victim, signal.SIGKILL)
                until(lambda victim=victim: victim not in server.worker_pids(), "it is dead")
                assert ask(server) == 200
    finally:
        os.close(reader)
        os.close(writer)


# Logs are rotated


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no device that is always full")
def test_a_log_on_a_full_disk_is_said_and_stops_no_request(folder: Path) -> None:
    with ServerProcess(["--log-file", "/dev/full", str(folder)]) as server:
        assert ask(server) == 200
        until(lambda: "cannot write the access log: No space left on device" in server.stderr, "it is said")
        assert ask(server) == 200


def log_lines(path: Path) -> int:
    return path.read_bytes().count(b"\n") if path.exists() else 0


@pytest.mark.parametrize("sandbox", ["off", "auto"])
def test_a_rotated_log_is_opened_again_and_no_line_is_lost(folder: Path, tmp_path: Path, sandbox: str) -> None:
    """In a sandbox a worker cannot open it: the supervisor does, and sends it the descriptor."""
    log, old = tmp_path / "log", tmp_path / "log.1"
    arguments = ["--workers", "2", "--log-file", str(log), "--sandbox", sandbox, str(folder)]
    with ServerProcess(arguments) as server:
        workers = server.wait_for_workers(2)
        with Load(server) as load:
            for _ in range(2):
                log.rename(old)
                server.signal(signal.SIGUSR1)
                until(lambda: log_lines(log) > 0, "lines come into the new file")
                until(lambda: not workers_that_hold(server, old), "nobody holds the old one")
                load.wait_for(100)
        assert load.failed == []
        assert server.stderr == ""
        assert server.wait_for_workers(2) == workers
    assert log_lines(log) > 50


def workers_that_hold(server: ServerProcess, path: Path) -> list[int]:
    number = path.stat().st_ino
    return [pid for pid in server.worker_pids() if number in {status.st_ino for status in open_files(pid)}]


def open_files(pid: int) -> Iterator[os.stat_result]:
    with contextlib.suppress(FileNotFoundError):
        for name in os.listdir(f"/proc/{pid}/fd"):
            with contextlib.suppress(FileNotFoundError):
                yield os.stat(f"/proc/{pid}/fd/{name}")


def test_a_log_that_cannot_be_opened_again_goes_on_in_the_old_file(folder: Path, tmp_path: Path) -> None:
    logs = tmp_path / "logs"
    logs.mkdir()
    with ServerProcess(["--log-file", str(logs / "log"), "--sandbox", "off", str(folder)]) as server:
        moved = tmp_path / "moved"
        logs.rename(moved)
        server.signal(signal.SIGUSR1)
        until(lambda: "cannot open the log again" in server.stderr, "it says so")
        assert ask(server) == 200
        until(lambda: log_lines(moved / "log") == 1, "the line is in the old file")
        assert server.stderr.count("\n") == 1


# The settings change


class Configured:
    """A server with its settings in a file. ``say`` writes other ones there."""

    def __init__(self, folder: Path, settings: str, *args: str) -> None:
        self.path = folder.parent / "fastfile.toml"
        self.say(settings)
        self.server = ServerProcess(list(args), cwd=str(folder.parent))

    def say(self, settings: str) -> None:
        self.path.write_text(settings)

    def reload(self, settings: str) -> None:
        self.say(settings)
        self.server.signal(signal.SIGHUP)

    def refused(self, settings: str) -> str:
        """Reload refused settings; return the error message."""
        before, workers = self.server.stderr, self.server.worker_pids()
        self.reload(settings)
        until(lambda: self.server.stderr.endswith("\n") and self.server.stderr != before, "it says so")
        said = self.server.stderr.removeprefix(before)
        until(lambda: self.server.worker_pids() == workers, "the workers are those of before")
        assert ask(self.server) == 200
        return said


@pytest.mark.parametrize("loop", ONE_LOOP)
def test_other_settings_hold_after_a_reload_and_no_request_is_lost(folder: Path, loop: str) -> None:
    other = folder.parent / "other"
    other.mkdir()
    (other / "index.html").write_bytes(PAGE)
    (other / "new.html").write_bytes(b"new")
    log = folder.parent / "log"
    configured = Configured(folder, f"directory = '{folder}'\n", "--loop", loop, "--grace", "2")
    with configured.server as server:
        for workers, settings in (
            (4, f"directory = '{other}'\nworkers = 4\nserver-header = false\n"),
            (1, f"directory = '{other}'\nworkers = 1\nserver-header = false\nlog-file = '{log}'\n"),
            (3, f"directory = '{other}'\nworkers = 3\nserver-header = false\nlimit-request-line = 100\n"),
        ):
            before = server.worker_pids()
            with Load(server) as load, Load(server, keep_alive=False) as coming_and_going:
                configured.reload(settings)
                until(lambda before=before: not set(before) & set(server.worker_pids()), "the old workers go")
                server.wait_for_workers(workers)
                load.wait_for(100)
                coming_and_going.wait_for(200)
            assert load.failed == coming_and_going.failed == []
            with RawClient(server.connect()) as client:
                response = client.request("/new.html")
                assert (response.status, response.body) == (200, b"new")
                assert "server" not in response.fields
        with RawClient(server.connect()) as client:
            assert client.request("/" + "x" * 100).status == 414
        assert log_lines(log) > 100
        assert server.stderr == "".join(
            f"fastfile: reloaded the settings; {count}\n"
            for count in ("4 workers serve", "1 worker serves", "3 workers serve")
        )


REFUSALS = [
    ("grace = 'long'", "--grace (from fastfile.toml): expected a time"),
    ("not TOML", "configuration (from fastfile.toml): not TOML: "),
    ("directory = 'missing'", "missing: no such folder or file"),
    ("bind = '::1'", "--bind cannot change while the server runs: restart it for that"),
    ("host = true", "--host cannot change while the server runs: restart it for that"),
    ("user = 'nobody'", "--user cannot change while the server runs: restart it for that"),
    ("log-file = 'missing/log'", "--log-file missing/log: No such file or directory"),
]


@pytest.mark.parametrize(("settings", "cause"), REFUSALS, ids=[settings for settings, _ in REFUSALS])
def test_settings_that_cannot_be_are_refused_and_the_old_ones_stay(folder: Path, settings: str, cause: str) -> None:
    configured = Configured(folder, "workers = 2\n")
    with configured.server as server:
        server.wait_for_workers(2)
        for _ in range(2):
            said = configured.refused(f"workers = 2\n{settings}\n")
            assert said.startswith(f"fastfile: the old settings stay in force: {cause}")
            assert said.count("\n") == 1
        before = server.worker_pids()
        configured.reload("workers = 3\n")
        until(lambda: not set(before) & set(server.worker_pids()), "better ones are taken")
        server.wait_for_workers(3)


def test_the_command_line_and_the_environment_go_before_the_file_at_a_reload_too(folder: Path) -> None:
    configured = Configured(folder, "", "--workers", "2", str(folder))
    with configured.server as server:
        before = server.wait_for_workers(2)
        configured.reload("workers = 5\n")
        until(lambda: not set(before) & set(server.worker_pids()), "the old workers go")
        server.wait_for_workers(2)


# Under a service manager


class Manager:
    """The parent process, like systemd: the notifications that it received, and its sockets."""

    def __init__(self, path: Path) -> None:
        self.environ = {"NOTIFY_SOCKET": str(path)}
        path.unlink(missing_ok=True)  # of an attempt before
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(str(path))
        self._socket.settimeout(TIMEOUT_S)

    def heard(self) -> dict[str, str]:
        return dict(line.split("=", 1) for line in self._socket.recv(4096).decode().split("\n"))

    def __enter__(self) -> Manager:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()


def test_a_service_manager_is_notified_of_start_reload_refused_reload_and_stop(folder: Path, tmp_path: Path) -> None:
    with (
        Manager(tmp_path / "notify") as manager,
        ServerProcess(["--workers", "2", str(folder)], manager.environ, str(tmp_path)) as server,
    ):
        assert manager.heard() == {"READY": "1", "MAINPID": str(server.pid)}
        for settings in ("workers = 2", "workers = 'many'"):
            (tmp_path / "fastfile.toml").write_text(settings)
            began_us = time.monotonic_ns() // 1000
            server.signal(signal.SIGHUP)
            heard = manager.heard()
            assert heard["RELOADING"] == "1"
            assert began_us <= int(heard["MONOTONIC_USEC"]) <= time.monotonic_ns() // 1000
            assert manager.heard() == {"READY": "1", "MAINPID": str(server.pid)}
        os.kill(server.wait_for_workers(2)[0], signal.SIGKILL)
        server.wait_for_workers(2)
        server.signal(signal.SIGTERM)
        assert manager.heard() == {"STOPPING": "1"}
        assert server.wait() == 0


@retried
def test_the_watchdog_is_notified_twice_within_its_time(folder: Path, tmp_path: Path) -> None:
    with Manager(tmp_path / "notify") as manager:
        environ = {**manager.environ, "WATCHDOG_USEC": "1000000"}
        with ServerProcess([str(folder)], environ):
            assert "READY" in manager.heard()
            began_s = time.monotonic()
            for _ in range(4):
                assert manager.heard() == {"WATCHDOG": "1"}
            assert 1.4 < time.monotonic() - began_s < 3.5


def test_a_missing_service_manager_does_not_stop_the_server(folder: Path, tmp_path: Path) -> None:
    with Manager(tmp_path / "notify") as manager:
        server = ServerProcess([str(folder)], manager.environ)
    with server:
        server.signal(signal.SIGHUP)
        assert ask(server) == 200


# Passes descriptors as systemd does: numbered from 3, with the process's own pid.
ACTIVATED = """
import os, runpy, sys
given = [int(fd) for fd in os.environ.pop("GIVEN").split()]
for target, fd in enumerate([os.dup(fd) for fd in given], 3):
    os.dup2(fd, target)
os.environ |= {"LISTEN_PID": str(os.getpid()), "LISTEN_FDS": str(len(given)), "LISTEN_FDNAMES": "web"}
sys.argv[0] = "fastfile"
runpy.run_module("fastfile", run_name="__main__")
"""


def activate(folder: Path, given: list[socket.socket], *args: str) -> ServerProcess:
    fds = [each.fileno() for each in given]
    environ = {"GIVEN": " ".join(map(str, fds))}
    return ServerProcess([*args, str(folder)], environ, interpreter_args=["-c", ACTIVATED], pass_fds=fds)


def test_sockets_that_the_manager_opened_are_served_by_all_workers(folder: Path, tmp_path: Path) -> None:
    path = tmp_path / "web.sock"
    with socket.socket() as tcp, socket.socket(socket.AF_UNIX) as unix:
        tcp.bind(("0.0.0.0", 0))
        unix.bind(str(path))
        for listening in (tcp, unix):
            listening.listen()
        with activate(folder, [tcp, unix], "--workers", "3") as server:
            assert server.port == tcp.getsockname()[1]
            server.wait_for_workers(3)
            with RawClient(server.connect()) as client:
                client.connection.sendall(b"GET / HTTP/1.1\r\nHost: example.com\r\n\r\n")
                assert client.receive().status == 200, "a public address: any name is ours"
            with RawClient(socket.socket(socket.AF_UNIX)) as client:
                client.connection.connect(str(path))
                assert client.request("/").status == 200
            before = server.worker_pids()
            with Load(server, keep_alive=False) as load:
                server.signal(signal.SIGHUP)
                until(lambda: not set(before) & set(server.worker_pids()), "the old workers go")
                load.wait_for(100)
            assert load.failed == []
            assert server.stderr == "fastfile: reloaded the settings; 3 workers serve\n"
        assert path.exists(), "it is the manager's"
        # A client that connects between two servers waits in the manager's queue.
        with RawClient(socket.create_connection(tcp.getsockname(), TIMEOUT_S)) as client:
            client.send("/")
            with activate(folder, [tcp, unix]):
                assert client.receive().status == 200


def test_a_descriptor_that_does_not_listen_is_one_line_and_status_1(folder: Path) -> None:
    with socket.socket() as idle, pytest.raises(AssertionError, match="LISTEN_FDS: descriptor 3 is not a stream"):
        activate(folder, [idle])


def test_sockets_of_another_process_are_left_alone(folder: Path) -> None:
    with ServerProcess([str(folder)], {"LISTEN_PID": "1", "LISTEN_FDS": "3"}) as server:
        assert ask(server) == 200


@pytest.mark.parametrize(("mode", "wanted"), [("0600", 0o600), ("666", 0o666)])
def test_a_unix_socket_has_the_mode_that_was_asked_for(folder: Path, tmp_path: Path, mode: str, wanted: int) -> None:
    path = tmp_path / "web.sock"
    with ServerProcess(["--bind", f"unix:{path}", "--socket-mode", mode, str(folder)]):
        assert path.stat().st_mode & 0o7777 == wanted


# Probes


@pytest.mark.parametrize("loop", ONE_LOOP)
def test_a_probe_is_answered_whatever_file_is_there_and_whatever_authority_it_names(folder: Path, loop: str) -> None:
    (folder / "healthz").write_bytes(b"a file")
    arguments = ["--health", "/healthz", "--loop", loop, str(folder)]
    with ServerProcess(arguments) as server, RawClient(server.connect()) as client:
        for target in ("/healthz", "/healthz?verbose", "/x/../healthz", "/%68ealthz"):
            for _ in range(2):
                response = client.request(target)
                assert (response.status, response.body) == (200, b"ok\n")
        assert client.request("/healthz", "HEAD").body == b""
        assert client.request("/healthz", "POST").status == 405
        assert client.request("/healthz/x").status == 404
        assert client.request("/").body == PAGE
        client.connection.sendall(b"GET /healthz HTTP/1.1\r\nHost: evil.example\r\n\r\n")
        assert client.receive().status == 200
        client.connection.sendall(b"GET / HTTP/1.1\r\nHost: evil.example\r\n\r\n")
        assert client.receive().status == 421


def test_a_probe_gets_503_once_the_server_is_told_to_stop_but_not_at_a_reload(folder: Path) -> None:
    with (folder / "huge.bin").open("wb") as file:
        file.truncate(64 << 20)
    with ServerProcess(["--health", "/healthz", str(folder)]) as server:
        for number, wanted in ((signal.SIGHUP, 200), (signal.SIGTERM, 503)):
            (worker,) = server.wait_for_workers(1)
            with RawClient(server.connect()) as client:
                client.send("/huge.bin")
                client.send("/healthz")
                client.connection.recv(1000, socket.MSG_PEEK)
                server.signal(number)
                if number == signal.SIGTERM:
                    until(lambda: is_refused(server), "it stops")
                else:
                    until(lambda: len(server.worker_pids()) == 2, "the successor is there")
                assert len(client.receive().body) == 64 << 20
                assert client.receive().status == wanted
            if number == signal.SIGHUP:
                until(lambda worker=worker: worker not in server.worker_pids(), "the old worker goes")
        assert server.wait() == 0


def test_without_the_option_no_path_is_a_probe_s(folder: Path) -> None:
    with ServerProcess([str(folder)]) as server, RawClient(server.connect()) as client:
        assert client.request("/healthz").status == 404


# Counts


class Scraper:
    """A reader of the metrics of a server on a Unix socket."""

    def __init__(self, tmp_path: Path) -> None:
        self.path = tmp_path / "metrics.sock"
        self.args = ["--metrics", f"unix:{self.path}"]

    def scrape(self) -> dict[str, float]:
        with RawClient(socket.socket(socket.AF_UNIX)) as client:
            client.connection.settimeout(TIMEOUT_S)
            client.connection.connect(str(self.path))
            response = client.request("/metrics")
        assert response.status == 200
        assert response.fields["content-type"].startswith("text/plain; version=0.0.4")
        lines = response.body.decode().splitlines()
        return {line.rsplit(" ", 1)[0]: float(line.rsplit(" ", 1)[1]) for line in lines if line[0] != "#"}

    def requests(self, method: str, status: str) -> float:
        return self.scrape()[f'fastfile_requests_total{{method="{method}",status="{status}"}}']


def test_responses_are_counted_by_the_protocol_of_their_requests(folder: Path, tmp_path: Path) -> None:
    peers = pytest.importorskip("support.http2peer")
    scraper = Scraper(tmp_path)
    with ServerProcess([*scraper.args, str(folder)]) as server:
        with RawClient(server.connect()) as client:
            assert [client.request("/").status for _ in range(2)] == [200, 200]
        with peers.Peer(server.connect()) as peer:
            assert [peer.get(number).status for number in (1, 3, 5)] == [200, 200, 200]
        counts = scraper.scrape()
    by_protocol = [counts[f'fastfile_protocol_requests_total{{protocol="HTTP/{number}"}}'] for number in (1, 2)]
    assert by_protocol == [2, 3]


@pytest.mark.parametrize("loop", ONE_LOOP)
def test_any_worker_returns_the_counts_of_all_workers(folder: Path, tmp_path: Path, loop: str) -> None:
    scraper = Scraper(tmp_path)
    log = tmp_path / "log"
    arguments = [*scraper.args, "--workers", "3", "--log-file", str(log), "--loop", loop, str(folder)]
    with ServerProcess(arguments) as server:
        server.wait_for_workers(3)
        body = 0
        for number in range(30):
            with RawClient(server.connect()) as client:
                body += len(client.request("/").body)
                assert client.request("/", "HEAD").status == 200
                assert client.request(f"/missing-{number}").status == 404
                assert client.request("/", "OPTIONS").status == 204
                client.connection.sendall(b"nonsense\r\n\r\n")
                assert client.receive().status == 400
        name = "fastfile_request_duration_seconds"
        until(lambda: scraper.scrape()[f"{name}_count"] == 150, "a duration is counted after the last byte is sent")
        for _ in range(10):
            counts = scraper.scrape()
            for method, status in (("GET", 2), ("HEAD", 2), ("GET", 4), ("other", 2), ("unreadable", 4)):
                assert counts[f'fastfile_requests_total{{method="{method}",status="{status}xx"}}'] == 30
            assert counts[f"{name}_count"] == counts[f'{name}_bucket{{le="+Inf"}}'] == 150
            assert 0 < counts[f"{name}_sum"] < 10
            assert body + 150 * 100 < counts["fastfile_sent_bytes_total"] < body + 150 * 2000
        until(lambda: scraper.scrape()["fastfile_cache_hits_total"] >= 50, "hits are told within a second")
        with server.connect():
            until(lambda: scraper.scrape()["fastfile_open_connections"] >= 1, "the idle one")
        until(lambda: scraper.scrape()["fastfile_open_connections"] == 0, "nobody is there")
        assert "Traceback" not in server.stderr


def test_the_counts_are_right_after_restarts_and_reloads(folder: Path, tmp_path: Path) -> None:
    scraper = Scraper(tmp_path)
    with ServerProcess([*scraper.args, "--workers", "2", str(folder)]) as server:
        asked = 0
        for deed in ("kill", "reload", "kill"):
            for _ in range(20):
                assert ask(server) == 200
                asked += 1
            before = server.wait_for_workers(2)
            if deed == "kill":
                os.kill(before[0], signal.SIGKILL)
                until(lambda before=before: before[0] not in server.worker_pids(), "it is dead")
            else:
                server.signal(signal.SIGHUP)
                until(lambda before=before: not set(before) & set(server.worker_pids()), "the old workers go")
            server.wait_for_workers(2)
            assert scraper.requests("GET", "2xx") == asked
        assert scraper.scrape()["fastfile_worker_restarts_total"] == 2


def test_a_count_never_goes_back_while_workers_come_and_go_under_load(folder: Path, tmp_path: Path) -> None:
    scraper = Scraper(tmp_path)
    with ServerProcess([*scraper.args, "--workers", "2", str(folder)]) as server:
        last = 0.0
        with Load(server, clients=3) as load:
            for _ in range(4):
                before = server.wait_for_workers(2)
                server.signal(signal.SIGHUP)
                while set(before) & set(server.worker_pids()):
                    count = scraper.requests("GET", "2xx")
                    assert count >= last
                    last = count
        assert load.failed == []
        assert scraper.requests("GET", "2xx") == load.answered


def test_metrics_tell_of_hits_processes_limits_and_reloads(folder: Path, tmp_path: Path) -> None:
    scraper = Scraper(tmp_path)
    settings = tmp_path / "fastfile.toml"
    settings.write_text("workers = 1\n")
    began_s = time.time()
    with ServerProcess([*scraper.args, str(folder)], cwd=str(tmp_path)) as server:
        (worker,) = server.wait_for_workers(1)
        with RawClient(server.connect()) as client:
            until(lambda: client.request("/").status == 200 and scraper.scrape()["fastfile_cache_hits_total"], "cached")
            before = scraper.scrape()["fastfile_cache_hits_total"]
            for _ in range(40):
                client.request("/")
            until(lambda: scraper.scrape()["fastfile_cache_hits_total"] == before + 40, "hits are counted")
        counts = scraper.scrape()
        assert (counts["fastfile_workers"], counts["fastfile_max_connections"]) == (1, 4096)
        assert 0 < counts["process_cpu_seconds_total"] < 60
        assert abs(counts["process_start_time_seconds"] - began_s) < TIMEOUT_S
        assert counts["fastfile_config_last_reload_successful"] == 1
        if sys.platform == "linux":
            assert 1 << 20 < counts["process_resident_memory_bytes"] < 1 << 30
            assert abs(counts["process_open_fds"] - len(os.listdir(f"/proc/{worker}/fd"))) <= 3
        assert [name for name in counts if name.startswith("fastfile_build_info{")]
        settings.write_text("workers = 'many'\n")
        server.signal(signal.SIGHUP)
        until(lambda: scraper.scrape()["fastfile_config_last_reload_successful"] == 0, "it was refused")
        settings.write_text("workers = 2\n")
        server.signal(signal.SIGHUP)
        until(lambda: scraper.scrape()["fastfile_config_last_reload_successful"] == 1, "it worked")
        until(lambda: scraper.scrape()["fastfile_workers"] == 2, "the old worker is gone")
        later = scraper.scrape()
        for name in ("process_cpu_seconds_total", "fastfile_config_last_reload_success_timestamp_seconds"):
            assert later[name] >= counts[name]


def test_each_metric_is_in_its_page_of_the_docs_and_each_of_the_page_exists(folder: Path, tmp_path: Path) -> None:
    scraper = Scraper(tmp_path)
    page = (Path(__file__).parents[2] / "docs" / "metrics.md").read_text()
    with ServerProcess([*scraper.args, str(folder)]):
        sent = {re.sub(r"(_bucket|_sum|_count)?(\{.*)?$", "", name) for name in scraper.scrape()}
    # Those of a server of releases, which has a store (tests/server/following).
    sent.add("fastfile_certificate_expiry_timestamp_seconds")  # of HTTPS: tests/server/test_https.py
    sent |= {f"fastfile_{name}" for name in re.findall(r'"((?:release|store)_\w+)"', getsource(Asker.make_metrics))}
    assert set(re.findall(r"^\| `(\w+)`", page, re.MULTILINE)) == sent
    dashboard = json.loads((Path(__file__).parents[2] / "deploy" / "grafana.json").read_text())
    queries = " ".join(target["expr"] for panel in dashboard["panels"] for target in panel["targets"])
    assert {re.sub(r"_bucket$", "", name) for name in re.findall(r"(?:fastfile|process)_\w+", queries)} < sent
    mentioned = set(re.findall(r"\b(?:fastfile|process)_\w+", page))
    assert {re.sub(r"(_bucket|_sum|_count)$", "", name) for name in mentioned} == sent


def test_metrics_on_loopback_are_not_for_a_name_that_was_rebound(folder: Path) -> None:
    port = find_free_port()
    statuses = {"localhost": 200, f"127.0.0.1:{port}": 200, "ours.test": 200, "evil.test": 421}
    with (
        ServerProcess(["--metrics", f"127.0.0.1:{port}", "--allowed-host", "ours.test", str(folder)]),
        RawClient(socket.create_connection(("127.0.0.1", port), TIMEOUT_S)) as client,
    ):
        for host, status in statuses.items():
            client.connection.sendall(f"GET /metrics HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
            assert (host, client.receive().status) == (host, status)


def test_metrics_are_on_their_own_listener_alone(folder: Path) -> None:
    port = find_free_port()
    with ServerProcess(["--metrics", f"127.0.0.1:{port}", str(folder)]) as server:
        assert f"metrics: /metrics at 127.0.0.1:{port}" in server.stdout
        with RawClient(server.connect()) as client:
            assert client.request("/metrics").status == 404
        with RawClient(socket.create_connection(("127.0.0.1", port), TIMEOUT_S)) as client:
            assert client.request("/metrics").status == 200
            assert client.request("/index.html").status == 404
            assert client.request("/metrics", "POST").status == 405
            assert client.request("/metrics", "HEAD").body == b""
        busy = f"--metrics: port {port} of 127.0.0.1 is in use; choose another with --metrics\n"
        with pytest.raises(AssertionError, match=busy):
            ServerProcess(["--metrics", f"127.0.0.1:{port}", str(folder)])


# PID 1


@pytest.mark.skipif(os.geteuid() != 0 or not shutil.which("unshare"), reason="needs a PID namespace")
def test_as_pid_1_it_reaps_the_orphans_of_others_and_ends_with_0(folder: Path, tmp_path: Path) -> None:
    path = tmp_path / "web.sock"
    command = ["unshare", "--pid", "--fork", "--kill-child", "--mount-proc", sys.executable, "-m", "fastfile"]
    process = subprocess.Popen(
        [*command, "--bind", f"unix:{path}", "--workers", "2", str(folder)],
        env=clean_environment(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    try:
        until(lambda: is_listening(path), "it listens")
        first = next(each.pid for each in processes() if each.parent == process.pid)
        workers = until(lambda: pids if len(pids := children(first)) == 2 else [], "the workers are there")
        # A process in its namespace whose parent ends: the kernel gives it to PID 1.
        orphan = ["nsenter", "--target", str(first), "--pid", "--mount", "sh", "-c", "sh -c 'exec sleep 600' & exit 0"]
        subprocess.run(orphan, check=True, timeout=TIMEOUT_S)
        (adopted,) = until(lambda: set(children(first)) - set(workers), "the orphan is there")
        os.kill(adopted, signal.SIGKILL)
        until(lambda: children(first) == workers, "the orphan is reaped")
        os.kill(first, signal.SIGTERM)
        assert process.wait(TIMEOUT_S) == 0
        assert process.stderr is not None
        assert process.stderr.read() == b""
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait(TIMEOUT_S)
        process.stderr.close()


def children(pid: int) -> list[int]:
    return [each.pid for each in processes() if each.parent == pid]
