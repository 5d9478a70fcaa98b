"""The supervisor's follower: starts the process, passes questions and reports on, and starts it again if it ends."""

from __future__ import annotations

import contextlib
import hashlib
import os
import pwd
import select
import signal
import socket
import sys
import time
from collections.abc import Callable, Mapping

from fastfile.config.config import Config
from fastfile.errors import StartError
from fastfile.server.backoff import Restarts
from fastfile.server.channel import ASK, Child, Silence, is_traced
from fastfile.server.following.environment import PREFIX, Environment, hide_credentials
from fastfile.server.following.status import ALIVE, FATAL, STATUS, Settings, Status, parse_status
from fastfile.server.fork import close_descriptors, describe_end
from fastfile.terminal import printable

# A terminal, and a signal to the whole group, send these to the follower too.
IGNORED = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2)

START_S = 30.0  # until the first message: Python and the library of the store are loaded before
END_S = 3.0  # for the end of a killed process
LONGEST_SLEEP_S = 3600.0  # select() takes no infinite time


class FollowerProcess:
    """The follower of a location. ``fd`` is -1 while it does not run, ``link`` leads to the current release.

    ``workers`` get each report, and a new one gets ``last``. ``say`` gets messages for the operator.
    """

    def __init__(self, config: Config, location: str, say: Callable[[str], None]) -> None:
        folder = find_folder(config, location)
        self.link = os.fsencode(f"{folder}/current")
        self.fd = -1
        self.pid = 0
        self.workers: Mapping[int, Child] = {}
        self.last = Status().to_line()
        is_quiet = config.quiet or config.log_format == "none"
        as_json = config.log_format == "json"
        self._settings = Settings(location, folder, config.store_poll, config.release, as_json, is_quiet)
        self._say = say
        self._environment = Environment(os.environ)
        hide_credentials(os.environ)
        self._restarts = Restarts()
        self._socket: socket.socket | None = None
        self._received = b""
        self._born_s = 0.0
        self._problem = ""
        self._has_ended = False
        self._silence = Silence()

    def due_s(self, timeout_s: float) -> float:
        """Return when the next start is due, or a look whether it hangs; infinite if neither is."""
        hung_s = self._silence.due_s(timeout_s) if self.fd >= 0 else float("inf")
        return min(self._restarts.due_s, hung_s)

    def start(self) -> None:
        """Start the process. Raises OSError."""
        ours, its = socket.socketpair()
        self._received = b""
        ours.sendall(self._settings.to_line() + b"\n")
        ours.setblocking(False)
        try:
            pid = os.fork()
            if pid == 0:
                self._become_follower(its)
        except OSError:
            ours.close()
            raise
        finally:
            its.close()
        self.pid, self.fd, self._socket, self._born_s = pid, ours.fileno(), ours, time.monotonic()
        self._silence = Silence(START_S)

    def await_release(self, timeout_s: float) -> None:
        """Wait until there is a release to serve. Raises StartError if there will be none."""
        while not self.has_release:
            if self.fd < 0:
                status = os.waitpid(self.pid, 0)[1]
                self.pid = 0
                self._has_ended = True
                if status == 0:  # it has fetched the release of --release
                    continue
                raise StartError(self._problem or f"the follower ended: {describe_end(status)}")
            wait_s = self.due_s(timeout_s) - time.monotonic()
            if select.select([self.fd], [], [], min(max(0.0, wait_s), LONGEST_SLEEP_S))[0]:
                self.receive()
            self.kill_hung(timeout_s)

    @property
    def has_release(self) -> bool:
        """Whether there is a release to serve, which the process has confirmed to be whole."""
        return parse_status(self.last).release != ""

    def receive(self) -> None:
        """Take the reports that have arrived."""
        assert self._socket is not None
        try:
            data = self._socket.recv(65536)
        except BlockingIOError:
            return
        except ConnectionResetError:
            data = b""
        if not data:
            self._close()
        self._silence.note_alive()
        *lines, self._received = (self._received + data).split(b"\n")
        for line in lines:
            if line.startswith(STATUS):
                self._silence.announced_s = 0.0
                self._report(line)
            elif line.startswith(ALIVE):
                self._silence.announced_s = float(line.removeprefix(ALIVE))
            elif line.startswith(FATAL):
                self._problem = line.removeprefix(FATAL).decode(errors="replace")

    def ask(self) -> None:
        """Have the pointer read now."""
        if self._socket is not None:
            with contextlib.suppress(BlockingIOError, BrokenPipeError, ConnectionResetError):
                self._socket.send(ASK)

    def kill_hung(self, timeout_s: float) -> None:
        """Kill the process if it sent nothing for ``timeout_s``, or for the longer time that it announced."""
        if self.fd < 0 or self._problem or not self._silence.is_hung(timeout_s):
            return
        self._silence.note_alive()  # a process that waits for a disk does not end at once
        if not is_traced(self.pid):
            longest_s = max(timeout_s, self._silence.announced_s)
            self._problem = f"no heartbeat of the follower for {longest_s:g} s, so it was killed"
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGKILL)

    def note_end(self, pid: int, status: int) -> None:
        """If this process has ended, plan another start of it, unless it has done all of its work."""
        if pid != self.pid:
            return
        while self.fd >= 0:
            self.receive()
        self.pid = 0
        if self._has_ended or status == 0:
            return
        self._report(parse_status(self.last)._replace(state="failing").to_line())
        self._restarts.count(0, time.monotonic() - self._born_s)
        delay_s = self._restarts.delay_s(0)
        self._restarts.plan(0, delay_s)
        cause, self._problem = self._problem or describe_end(status), ""
        self._say(
            f"the follower ended: {printable(cause)}; the release is still served, and the next follower starts in "
            f"{delay_s:.1f} s"
        )

    def start_due(self) -> None:
        """Start the process again if it is time for that."""
        for _ in self._restarts.take_due():
            try:
                self.start()
            except OSError as error:
                self._say(f"cannot start the follower: {error.strerror}")
                self._restarts.plan(0, 1.0)

    def stop(self) -> None:
        """End the process, and wait for that."""
        if not self._has_ended:
            self._report(parse_status(self.last)._replace(state="failing").to_line())
        self._has_ended = True
        self._restarts.clear()
        self._close()
        if self.pid:
            with contextlib.suppress(ProcessLookupError, ChildProcessError):
                os.kill(self.pid, signal.SIGKILL)  # each of its steps can be interrupted
                _await_end(self.pid)
            self.pid = 0

    def _report(self, line: bytes) -> None:
        self.last = line
        for child in self.workers.values():
            if child.is_ready:
                child.send(line)

    def _close(self) -> None:
        if self._socket is not None:
            self._socket.close()
        self._socket, self.fd = None, -1

    def _become_follower(self, end: socket.socket) -> None:
        """Run the follower in this forked process, with the same modules, and with the credentials."""
        try:
            signal.set_wakeup_fd(-1)
            for number in IGNORED:
                signal.signal(number, signal.SIG_IGN)
            signal.pthread_sigmask(signal.SIG_SETMASK, ())
            environment = self._environment.read()
            if self._settings.location.startswith("file:"):  # a folder needs no credentials
                environment = {name: text for name, text in environment.items() if not name.startswith(PREFIX)}
            environment["MALLOC_ARENA_MAX"] = "2"  # glibc keeps freed memory for each thread otherwise
            environment["PYTHONPATH"] = os.pathsep.join(filter(None, sys.path))
            os.set_inheritable(end.fileno(), True)
            close_descriptors({end.fileno()})
            program = [sys.executable, "-P", "-m", "fastfile.follower", self._settings.location, str(end.fileno())]
            os.execve(sys.executable, program, environment)
        except OSError as error:  # --user may have no right to this Python
            end.sendall(FATAL + f"cannot run {sys.executable}: {error.strerror}\n".encode())
        finally:
            os._exit(127)


def _await_end(pid: int) -> None:
    """Reap a killed process, unless it waits for a disk that does not answer. Raises ChildProcessError."""
    due_s = time.monotonic() + END_S
    while os.waitpid(pid, os.WNOHANG)[0] == 0 and time.monotonic() < due_s:
        time.sleep(0.005)


def find_folder(config: Config, location: str) -> str:
    """Return the cache folder of a location, which is the same at the next start. Raises StartError."""
    base = config.store_cache
    if base is None:
        base = os.path.join(_cache_home(config.user is not None), "fastfile", "releases")
    name = "".join(c if c.isascii() and c.isalnum() else "-" for c in location.partition("://")[2]).strip("-")[-40:]
    key = location.rstrip("/") if config.release is None else f"{location.rstrip('/')}\0{config.release}"
    return os.path.join(os.path.abspath(base), f"{name}-{hashlib.sha256(key.encode()).hexdigest()[:12]}")


def _cache_home(is_other: bool) -> str:
    """Return the user's cache folder, by the XDG Base Directory Specification or macOS's rules.

    ``is_other``: the variables are those of root, which started the server for this user.
    """
    given = os.environ.get("XDG_CACHE_HOME", "")
    if os.path.isabs(given) and not is_other:
        return given
    try:
        home = pwd.getpwuid(os.geteuid()).pw_dir
    except KeyError:  # a number without a name, in a container
        home = ""
    if not is_other and os.path.isabs(os.environ.get("HOME", "")):
        home = os.environ["HOME"]
    if not os.path.isabs(home):
        raise StartError("there is no cache folder: this user has no home; give a folder with --store-cache")
    return os.path.join(home, *(("Library", "Caches") if sys.platform == "darwin" else (".cache",)))


def start_follower(config: Config, location: str, say: Callable[[str], None]) -> FollowerProcess:
    """Start the follower, and wait until there is a release to serve. Raises StartError."""
    follower = FollowerProcess(config, location, say)
    try:
        follower.start()
        follower.await_release(config.heartbeat_timeout or float("inf"))
    except BaseException:
        follower.stop()
        raise
    return follower
