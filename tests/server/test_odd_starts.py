"""Starts in unusual environments end in one line and status 1 or 2, or in a working server: never in a traceback."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
from support.serverprocess import ServerProcess, clean_environment
from support.watching import SMALL, ask, is_listening, until

from fastfile.errors import StartError
from fastfile.server.systemd import Manager, take_sockets

TIMEOUT_S = 60
START = "\nfrom fastfile.cli.main import main\nraise SystemExit(main())"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    root = tmp_path / "dist"
    root.mkdir()
    (root / "index.html").write_bytes(SMALL)
    return root


def run(
    *args: str, environ: dict[str, str] | None = None, code: str = "", pass_fds: Sequence[int] = ()
) -> tuple[int, str]:
    """Run a command that ends by itself, after some code; return its exit status and its standard error."""
    done = subprocess.run(
        [sys.executable, "-c", code + START, "--port", "0", *args],
        env={**clean_environment(), **(environ or {})},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        pass_fds=pass_fds,
        timeout=TIMEOUT_S,
    )
    return done.returncode, done.stderr


# Named pipes


def test_a_pipe_as_the_file_of_users_is_refused(folder: Path, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "users")
    status, errors = run("--auth-file", str(tmp_path / "users"), str(folder))
    assert (status, errors.count("\n")) == (2, 1)
    assert errors.endswith("users is not a regular file\n")


def test_a_pipe_without_a_reader_is_refused_as_a_log(folder: Path, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "log")
    status, errors = run("--log-file", str(tmp_path / "log"), str(folder))
    assert (status, errors.count("\n")) == (1, 1)
    assert errors.endswith("log: No process reads this pipe or socket\n")


def test_a_pipe_that_a_process_reads_is_a_log(folder: Path, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "log")
    reader = os.open(tmp_path / "log", os.O_RDONLY | os.O_NONBLOCK)
    try:
        with ServerProcess(["--log-file", str(tmp_path / "log"), str(folder)]) as server:
            assert ask(server) == 200
            until(lambda: b"GET / HTTP/1.1" in read(reader), "the line comes")
    finally:
        os.close(reader)


def read(reader: int) -> bytes:
    try:
        return os.read(reader, 65536)
    except BlockingIOError:
        return b""


# What a service manager says

ACTIVATED = """
import os
given = int(os.environ.pop("GIVEN"))
copy = os.dup(given)
os.dup2(copy, 3)
os.environ |= {"LISTEN_PID": str(os.getpid()), "LISTEN_FDS": "1"}
"""


@pytest.mark.skipif(not hasattr(socket, "AF_VSOCK"), reason="this system has no vsock")
def test_a_vsock_socket_is_refused(folder: Path) -> None:
    try:
        vsock = socket.socket(socket.AF_VSOCK, socket.SOCK_STREAM)
        vsock.bind((socket.VMADDR_CID_ANY, socket.VMADDR_PORT_ANY))
        vsock.listen()
    except OSError as error:
        pytest.skip(f"vsock: {error.strerror}")
    with vsock:
        given = {"GIVEN": str(vsock.fileno())}
        status, errors = run(str(folder), environ=given, code=ACTIVATED, pass_fds=[vsock.fileno()])
    assert status == 1
    assert errors == "fastfile: LISTEN_FDS: descriptor 3 is neither a TCP nor a Unix socket (ListenStream=)\n"


@pytest.mark.parametrize("count", ["", "x", "-1", "²", "٣", "9" * 6, "9" * 5000])
def test_a_number_of_sockets_that_is_none_is_refused(count: str) -> None:
    with pytest.raises(StartError, match="LISTEN_FDS: expected a number of descriptors"):
        take_sockets({"LISTEN_PID": str(os.getpid()), "LISTEN_FDS": count})


def test_a_number_of_sockets_that_is_none_is_one_line(folder: Path) -> None:
    code = "import os; os.environ |= {'LISTEN_PID': str(os.getpid()), 'LISTEN_FDS': '²'}"
    status, errors = run(str(folder), code=code)
    assert (status, errors.count("\n")) == (1, 1)
    assert errors.startswith("fastfile: LISTEN_FDS: expected a number of descriptors")


@pytest.mark.parametrize("time_us", ["", "0", "x", "-1", "²", "٣", "1e6", "9" * 14, "9" * 400, "9" * 5000])
def test_a_watchdog_time_that_is_none_is_never_due(tmp_path: Path, time_us: str) -> None:
    manager = Manager({"NOTIFY_SOCKET": str(tmp_path / "nowhere"), "WATCHDOG_USEC": time_us})
    manager.close()
    assert manager.due_s == float("inf")


@pytest.mark.parametrize("time_us", ["1", "9" * 13, "9" * 5000])
def test_a_watchdog_time_of_any_kind_stops_nothing(folder: Path, tmp_path: Path, time_us: str) -> None:
    environ = {"NOTIFY_SOCKET": str(tmp_path / "nowhere"), "WATCHDOG_USEC": time_us}
    with ServerProcess(["--heartbeat-timeout", "0", str(folder)], environ) as server:
        assert ask(server) == 200
        assert server.stderr == ""


# A Unix socket


def test_a_server_that_stops_leaves_the_socket_of_its_successor(folder: Path, tmp_path: Path) -> None:
    path = tmp_path / "web.sock"
    with ServerProcess(["--bind", f"unix:{path}", str(folder)]) as old:
        path.unlink()
        with ServerProcess(["--bind", f"unix:{path}", str(folder)]):
            assert old.stop() == 0
            assert is_listening(path)
        assert not path.exists()


# Other users, and few descriptors


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
@pytest.mark.parametrize("option", ["--user", "--group"])
@pytest.mark.parametrize("number", ["9" * 20, "9" * 5000, "4294967295", "4294967296", "²"])
def test_a_number_that_is_no_user_or_group_is_one_line(folder: Path, option: str, number: str) -> None:
    status, errors = run(option, number, str(folder))
    assert (status, errors.count("\n")) == (1, 1)
    assert errors.endswith(f": there is no such {option[2:]}\n")


# Limits itself once Python has started; a start that never ends is told to stop.
FEW = """
import resource, signal
resource.setrlimit(resource.RLIMIT_NOFILE, ({0}, {0}))
signal.signal(signal.SIGALRM, lambda *_: signal.raise_signal(signal.SIGTERM))
signal.alarm(30)
"""


@pytest.mark.parametrize("count", [4, 6, 8, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 22, 24, 26])
def test_few_descriptors_are_one_line_or_a_server(folder: Path, count: int) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", FEW.format(count) + START, "--port", "0", "--strict-port", str(folder)],
        env=clean_environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    for line in process.stdout:
        if "http://" in line:
            process.terminate()
            break
    errors = process.communicate(timeout=TIMEOUT_S)[1]
    assert "Traceback" not in errors
    own = errors.replace("deallocating an open event loop\n", "")  # uvloop's, if it runs out in the middle
    assert (process.returncode, own.count("\n")) == (1, 1) or process.returncode in (0, -signal.SIGTERM), errors
