"""Signals, by how the server was started: in a terminal, behind nohup, as a service, and during the start."""

from __future__ import annotations

import contextlib
import fcntl
import os
import pty
import re
import signal
import socket
import subprocess
import sys
import termios
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.serverprocess import TIMEOUT_S, ServerProcess, clean_environment, processes
from support.watching import SMALL, ask, until

RELOADED = "fastfile: reloaded the settings; "
NOHUP = ("sh", "-c", 'trap "" HUP; exec "$0" "$@"')  # nohup(1) without its file for standard output


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    root = tmp_path / "dist"
    root.mkdir()
    (root / "index.html").write_bytes(SMALL)
    return root


class InTerminal:
    """A server whose controlling terminal is a pseudo-terminal of the test; its errors go to a file."""

    def __init__(self, folder: Path, *before: str, terminal: bool = True) -> None:
        self._errors = folder.parent / "errors"
        self.master, slave = pty.openpty()
        command = [
            *before,
            sys.executable,
            "-m",
            "fastfile",
            "--port",
            "0",
            "--workers",
            "2",
            "--grace",
            "60",
            str(folder),
        ]

        def take_terminal() -> None:
            os.setsid()
            if terminal:
                fcntl.ioctl(slave, termios.TIOCSCTTY, 0)

        with self._errors.open("wb") as errors:
            self.process = subprocess.Popen(
                command, stdin=slave, stdout=slave, stderr=errors, env=clean_environment(), preexec_fn=take_terminal
            )
        os.close(slave)
        self._wait_for_banner()

    def _wait_for_banner(self) -> None:
        printed = b""
        while not (found := re.search(rb"http://localhost:(\d+)/", printed)):
            printed += os.read(self.master, 4096)
        self.port = int(found[1])

    @property
    def errors(self) -> str:
        return self._errors.read_text()

    def close_window(self) -> None:
        os.close(self.master)
        self.master = -1

    def survivors(self) -> list[int]:
        return [each.pid for each in processes() if each.group == self.process.pid and each.state != "Z"]

    def close(self) -> None:
        if self.master >= 0:
            os.close(self.master)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(TIMEOUT_S)


@contextlib.contextmanager
def in_terminal(folder: Path, *before: str, terminal: bool = True) -> Iterator[InTerminal]:
    with contextlib.closing(InTerminal(folder, *before, terminal=terminal)) as server:
        yield server


def test_a_server_ends_when_its_terminal_is_closed(folder: Path) -> None:
    with in_terminal(folder) as server:
        server.close_window()
        assert server.process.wait(TIMEOUT_S) == 0
        until(lambda: not server.survivors(), "no worker is left")
        assert server.errors == "fastfile: the terminal was closed (SIGHUP): stopping\n"


def test_a_hangup_ends_a_server_that_has_a_terminal(folder: Path) -> None:
    with in_terminal(folder) as server:
        server.process.send_signal(signal.SIGHUP)
        assert server.process.wait(TIMEOUT_S) == 0


def test_an_interrupt_that_waits_for_a_download_says_how_to_stop_at_once(folder: Path) -> None:
    (folder / "huge.bin").write_bytes(bytes(32 << 20))
    with in_terminal(folder) as server, socket.create_connection(("127.0.0.1", server.port)) as client:
        client.sendall(b"GET /huge.bin HTTP/1.1\r\nHost: localhost\r\n\r\n")
        client.recv(1000, socket.MSG_PEEK)
        server.process.send_signal(signal.SIGINT)
        until(lambda: "fastfile: requests in flight get 60 s; press Ctrl+C again" in server.errors, "it says so")
        server.process.send_signal(signal.SIGINT)
        assert server.process.wait(TIMEOUT_S) == 0


def test_a_server_behind_nohup_outlives_its_terminal_and_still_stops(folder: Path) -> None:
    with in_terminal(folder, *NOHUP) as server:
        server.close_window()
        server.process.send_signal(signal.SIGHUP)
        until(lambda: RELOADED in server.errors, "it reloads")
        server.process.send_signal(signal.SIGTERM)
        assert server.process.wait(TIMEOUT_S) == 0


def test_a_server_without_a_controlling_terminal_outlives_the_one_that_it_prints_to(folder: Path) -> None:
    with in_terminal(folder, terminal=False) as server:
        server.close_window()
        server.process.send_signal(signal.SIGHUP)
        until(lambda: RELOADED in server.errors, "it reloads")
        server.process.send_signal(signal.SIGTERM)
        server.process.wait(TIMEOUT_S)


# While it starts

# Sends itself a signal when a module is imported, at that moment of its start.
EARLY = """
import os, runpy, sys
class Sender:
    def find_spec(self, name, path=None, target=None):
        if name == os.environ["WHEN"]:
            os.kill(os.getpid(), int(os.environ["NUMBER"]))
sys.meta_path.insert(0, Sender())
sys.argv[0] = "fastfile"
runpy.run_module("fastfile", run_name="__main__")
"""
MOMENTS = ["fastfile.cli.main", "fastfile.config.load", "fastfile.server.serve", "fastfile.server.worker"]


@pytest.mark.parametrize("moment", MOMENTS)
def test_a_hangup_during_the_start_of_a_service_is_a_reload_once_it_serves(folder: Path, moment: str) -> None:
    environ = {"WHEN": moment, "NUMBER": str(int(signal.SIGHUP))}
    with ServerProcess([str(folder)], environ, interpreter_args=["-c", EARLY]) as server:
        until(lambda: RELOADED in server.stderr, "it is reloaded")
        assert ask(server) == 200


@pytest.mark.parametrize("moment", MOMENTS)
def test_a_rotation_during_the_start_ends_nothing(folder: Path, moment: str) -> None:
    environ = {"WHEN": moment, "NUMBER": str(int(signal.SIGUSR1))}
    with ServerProcess([str(folder)], environ, interpreter_args=["-c", EARLY]) as server:
        assert ask(server) == 200
        assert server.stderr == ""


@pytest.mark.parametrize("moment", MOMENTS[:2])
def test_an_interrupt_during_the_imports_is_silent(folder: Path, moment: str) -> None:
    environ = {**clean_environment(), "WHEN": moment, "NUMBER": str(int(signal.SIGINT))}
    command = [sys.executable, "-c", EARLY, "--port", "0", str(folder)]
    done = subprocess.run(command, env=environ, capture_output=True, timeout=TIMEOUT_S)
    assert (done.returncode, done.stdout, done.stderr) == (130, b"", b"")


def test_a_hangup_ends_a_command_that_serves_nothing(folder: Path) -> None:
    command = [sys.executable, "-m", "fastfile", "hash-password"]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, env=clean_environment()
    ) as process:
        until(lambda: is_waiting(process.pid), "it reads the password")
        process.send_signal(signal.SIGHUP)
        assert process.wait(TIMEOUT_S) == -signal.SIGHUP


def is_waiting(pid: int) -> bool:
    return b"pipe" in Path(f"/proc/{pid}/wchan").read_bytes()
