"""A fastfile server as a real process: started on a free port, watched, stopped, and checked for survivors.

with ServerProcess(["--workers", "4", str(folder)]) as server:
    connection = server.connect()

Leaving the block stops the server by SIGTERM; it fails the test unless the exit status is 0 and nothing survived.
"""

from __future__ import annotations

import contextlib
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from types import TracebackType
from typing import NamedTuple

import fastfile

TIMEOUT_S = 60.0  # far more than any step takes, so reaching it is a failure, not a slow machine
# The banner's line of the address: a URL with its port, or the path of a Unix socket.
ADDRESS_LINE = re.compile(rb"https?://\S*:(\d+)/|Socket:")
SOURCE_ROOT = os.path.dirname(os.path.dirname(os.path.abspath(fastfile.__file__)))
# The loops to test under: both, unless the environment picks one.
LOOPS = [os.environ["FASTFILE_TEST_LOOP"]] if os.environ.get("FASTFILE_TEST_LOOP") else ["uvloop", "asyncio"]
# For tests whose subject knows no loop, such as the supervisor or the rules of HTTP. .ci/run repeats them on asyncio.
ONE_LOOP = LOOPS[:1]


class Process(NamedTuple):
    pid: int
    parent: int
    group: int
    state: str  # one letter, as ps prints it; Z is dead and unreaped


def processes() -> list[Process]:
    """Return every process of this machine, from one run of ps if there is no /proc."""
    if not os.path.exists("/proc/self/stat"):
        lines = subprocess.run(["ps", "-A", "-o", "pid=,ppid=,pgid=,stat="], capture_output=True, check=True).stdout
        rows = [line.split() for line in lines.decode().splitlines()]
        return [Process(int(pid), int(parent), int(group), state[:1]) for pid, parent, group, state in rows]
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/stat", "rb") as stat:
                state, parent, group = stat.read().rpartition(b")")[2].split()[:3]
        except (FileNotFoundError, ProcessLookupError):
            continue  # it ended while we looked
        found.append(Process(int(pid), int(parent), int(group), state.decode()))
    return found


def clean_environment() -> dict[str, str]:
    """Return this process's environment without options of fastfile; a child imports the same package.

    Variables of the tests and of CI are removed too: the command line refuses an unknown FASTFILE_ name.
    """
    kept = {name: value for name, value in os.environ.items() if not name.startswith("FASTFILE_")}
    pure = os.environ.get("FASTFILE_NO_EXTENSIONS", "")
    return {**kept, "FASTFILE_NO_EXTENSIONS": pure, "PYTHONPATH": SOURCE_ROOT}


class ServerProcess:
    """`python -m fastfile --port 0 ARGS`, ready when the constructor returns.

    ``args`` are the command line but for ``--port``; ``--loop`` is added from FASTFILE_TEST_LOOP unless it is there.
    ``env`` is laid over `clean_environment`. ``port`` is 0 for a Unix socket. ``stdout`` and ``stderr``
    hold what was printed so far.
    """

    def __init__(
        self,
        args: list[str],
        env: dict[str, str] | None = None,
        cwd: str | None = None,
        interpreter_args: Sequence[str] = ("-m", "fastfile"),
        pass_fds: Sequence[int] = (),
    ) -> None:
        loop = os.environ.get("FASTFILE_TEST_LOOP")
        command = [sys.executable, *interpreter_args]
        command += [] if "--port" in args else ["--port", "0"]
        command += ["--loop", loop] if loop and "--loop" not in args else []
        self.port = 0
        self._printed = bytearray()
        self._started = False
        self._started_or_ended = threading.Event()
        self._stderr_file = tempfile.TemporaryFile()  # noqa: SIM115 - closed when the server has stopped
        self._final_stderr: str | None = None
        self._process = subprocess.Popen(
            [*command, *args],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=self._stderr_file,
            env={**clean_environment(), **(env or {})},
            cwd=cwd,
            pass_fds=pass_fds,
            start_new_session=True,  # its group is how survivors are found
        )
        # Reads to the end, so that a server that logs to stdout never waits for the test.
        self._reader = threading.Thread(target=self._read_stdout, daemon=True)
        self._reader.start()
        self._started_or_ended.wait(TIMEOUT_S)
        if not self._started:
            self.kill()
            raise AssertionError(f"no address was printed\nstdout: {self.stdout}\nstderr: {self.stderr}")

    def _read_stdout(self) -> None:
        assert self._process.stdout is not None
        with self._process.stdout as pipe:
            for line in pipe:
                self._printed += line
                address = ADDRESS_LINE.search(line)
                if address and not self._started:
                    self.port = int(address.group(1) or 0)
                    self._started = True
                    self._started_or_ended.set()
        self._started_or_ended.set()

    @property
    def pid(self) -> int:
        """The process that was started: the supervisor."""
        return self._process.pid

    @property
    def stdout(self) -> str:
        return bytes(self._printed).decode(errors="replace")

    @property
    def stderr(self) -> str:
        if self._final_stderr is not None:
            return self._final_stderr
        size = os.fstat(self._stderr_file.fileno()).st_size
        return os.pread(self._stderr_file.fileno(), size, 0).decode(errors="replace")

    def connect(self) -> socket.socket:
        """Return a connection to the server, which the caller closes."""
        return socket.create_connection(("127.0.0.1", self.port), timeout=TIMEOUT_S)

    def worker_pids(self) -> list[int]:
        """Return the live children of the supervisor, in order of their ids."""
        return sorted(p.pid for p in processes() if p.parent == self.pid and p.state != "Z")

    def wait_for_workers(self, count: int) -> list[int]:
        """Wait until there are this many workers, and return their ids."""
        deadline = time.monotonic() + TIMEOUT_S
        while len(pids := self.worker_pids()) != count:
            assert time.monotonic() < deadline, f"{len(pids)} workers where {count} should be\nstderr: {self.stderr}"
            time.sleep(0.01)  # nothing tells a bystander of another's child: look again
        return pids

    def survivors(self) -> list[int]:
        """Return the live processes of the server, the supervisor included while it runs."""
        return sorted(p.pid for p in processes() if p.group == self.pid and p.state != "Z")

    def has_ended(self) -> bool:
        """Tell whether the supervisor has ended."""
        return self._process.poll() is not None

    def signal(self, number: signal.Signals) -> None:
        self._process.send_signal(number)

    def wait(self) -> int:
        """Wait for the end of the server and return its exit status; fail if one of its processes outlives it."""
        try:
            status = self._process.wait(TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(f"the server did not stop\nstderr: {self.stderr}") from None
        self._reader.join(TIMEOUT_S)  # ends when the last process that holds stdout is gone
        survivors = self.survivors()
        self.kill()
        assert not survivors, f"processes {survivors} outlived their supervisor"
        return status

    def stop(self) -> int:
        """Send SIGTERM, then as `wait`."""
        self.signal(signal.SIGTERM)
        return self.wait()

    def kill(self) -> None:
        """End every process of the server at once and close what this object holds; harmless after the end."""
        if self._final_stderr is not None:
            return
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)
        self._process.wait(TIMEOUT_S)
        self._reader.join(TIMEOUT_S)
        self._final_stderr = self.stderr
        self._stderr_file.close()

    def __enter__(self) -> ServerProcess:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self._final_stderr is not None:
            return
        if kind is not None:
            sys.stderr.write(f"stderr of the server:\n{self.stderr}\n")
            self.kill()
            return
        status = self.stop()
        assert status == 0, f"exit status {status}\nstderr: {self.stderr}"
