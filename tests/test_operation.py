"""What an operator does to a running server, and what happens to it: hangs, rotated logs, new settings, probes."""

from __future__ import annotations

import contextlib
import os
import signal
from pathlib import Path

import pytest
from rawclient import RawClient
from serverprocess import LOOPS, ServerProcess
from test_supervisor import ask, until

PAGE = b"<h1>home</h1>"
# A worker that is asked for /hang never comes back from it.
HANGING = """
import runpy, sys
from fastfile.site import Site
find = Site.find
def find_or_hang(self, target, head):
    while b"hang" in target.path:
        pass
    return find(self, target, head)
Site.find = find_or_hang
sys.argv[0] = "fastfile"
runpy.run_module("fastfile", run_name="__main__")
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    root = tmp_path / "dist"
    root.mkdir()
    (root / "index.html").write_bytes(PAGE)
    return root


# A worker hangs


@pytest.mark.parametrize("loop", LOOPS)
def test_a_worker_that_is_stopped_is_killed_and_replaced_and_that_is_said_once(folder: Path, loop: str) -> None:
    with ServerProcess(["--workers", "2", "--heartbeat-timeout", "1", "--loop", loop, str(folder)]) as server:
        victim, other = server.wait_for_workers(2)
        os.kill(victim, signal.SIGSTOP)
        until(lambda: victim not in server.worker_pids(), "it is killed")
        assert other in server.wait_for_workers(2)
        assert all(ask(server) == 200 for _ in range(20))
        wanted = f"fastfile: worker {victim} ended: no sign of life for 1 s, so it was killed; the next starts now\n"
        assert server.stderr == wanted


def test_a_worker_that_never_comes_back_from_a_request_is_killed_and_replaced(folder: Path) -> None:
    with ServerProcess(["--heartbeat-timeout", "1", str(folder)], interpreter_args=["-c", HANGING]) as server:
        (victim,) = server.wait_for_workers(1)
        with RawClient(server.connect()) as client:
            client.send("/hang")
            with server.connect() as waiting:
                waiting.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
                assert waiting.recv(1000).startswith(b"HTTP/1.1 200"), "who waits is served by the successor"
        assert victim not in server.wait_for_workers(1)
        assert server.stderr.count("\n") == 1


@pytest.mark.parametrize("whole", [True, False], ids=["with its workers", "alone"])
def test_a_server_that_was_stopped_for_a_while_kills_nobody(folder: Path, whole: bool) -> None:
    with ServerProcess(["--workers", "2", "--heartbeat-timeout", "1", str(folder)]) as server:
        workers = server.wait_for_workers(2)
        for number in (signal.SIGSTOP, signal.SIGCONT):
            if whole:
                os.killpg(server.pid, number)
            else:
                os.kill(server.pid, number)
            pause(5)
        assert server.wait_for_workers(2) == workers
        assert server.stderr == ""


def pause(seconds: float) -> None:
    signal.sigtimedwait([], seconds)


def fill(writer: int) -> None:
    os.set_blocking(writer, False)
    with contextlib.suppress(BlockingIOError):
        while True:
            os.write(writer, b"x" * 4096)
    os.set_blocking(writer, True)


def test_a_full_pipe_of_errors_that_nobody_reads_stops_nobody(folder: Path, tmp_path: Path) -> None:
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
