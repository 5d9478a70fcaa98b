"""The service manager: sockets that it opened (sd_listen_fds(3)), and messages to it (sd_notify(3)).

The protocols are a few lines of environment and datagrams, so libsystemd is not needed.
"""

from __future__ import annotations

import contextlib
import os
import socket
import time
from collections.abc import MutableMapping

from fastfile.errors import StartError

FIRST_FD = 3  # SD_LISTEN_FDS_START
MAX_DIGITS = 5  # digits of LISTEN_FDS: no process has more descriptors
LONGEST_WATCHDOG_US = 10**12  # 11 days: a longer time counts as none
_LISTEN_VARIABLES = ("LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES")


def take_sockets(environ: MutableMapping[str, str]) -> list[socket.socket]:
    """Return the sockets that were opened for this process, and remove their variables from the environment.

    Raises StartError if one of them is not a listening stream socket.
    """
    pid, count, _ = (environ.pop(name, "") for name in _LISTEN_VARIABLES)
    if pid != str(os.getpid()):
        return []
    if not (count.isascii() and count.isdecimal() and len(count) <= MAX_DIGITS):
        raise StartError(f"LISTEN_FDS: expected a number of descriptors, got {count!r}")
    return [_take(fd) for fd in range(FIRST_FD, FIRST_FD + int(count))]


def _take(fd: int) -> socket.socket:
    try:
        taken = socket.socket(fileno=fd)
        is_listening = taken.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN) != 0
    except OSError as error:
        raise StartError(f"LISTEN_FDS: descriptor {fd}: {error.strerror}") from None
    if taken.family not in (socket.AF_INET, socket.AF_INET6, socket.AF_UNIX):
        raise StartError(f"LISTEN_FDS: descriptor {fd} is neither a TCP nor a Unix socket (ListenStream=)")
    if taken.type != socket.SOCK_STREAM or not is_listening:
        raise StartError(f"LISTEN_FDS: descriptor {fd} is not a stream socket that listens (Accept=no?)")
    os.set_inheritable(fd, False)
    taken.setblocking(False)
    if taken.family in (socket.AF_INET, socket.AF_INET6):
        taken.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # accepted sockets inherit it
    return taken


class Manager:
    """Sends the state of the server to the service manager; without NOTIFY_SOCKET it does nothing."""

    def __init__(self, environ: MutableMapping[str, str]) -> None:
        address = environ.get("NOTIFY_SOCKET", "")
        self._address = "\0" + address[1:] if address.startswith("@") else address
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) if address else None
        self._is_ready = False
        self._interval_s = _watchdog_s(environ) / 2 if address else float("inf")
        self.due_s = time.monotonic() + self._interval_s  # time of the next WATCHDOG=1

    def ready(self) -> None:
        """Report that all workers are ready: at the start, and after each reloading()."""
        if not self._is_ready:
            self._is_ready = True
            self._tell(f"READY=1\nMAINPID={os.getpid()}")

    def reloading(self) -> None:
        """Report a reload, which lasts until ready()."""
        self._is_ready = False
        self._tell(f"RELOADING=1\nMONOTONIC_USEC={time.monotonic_ns() // 1000}")

    def stopping(self) -> None:
        """Report that the server stops."""
        self._tell("STOPPING=1")

    def beat(self) -> None:
        """Report that the server is alive, when half of the watchdog's time is over."""
        if time.monotonic() >= self.due_s:
            self.due_s = time.monotonic() + self._interval_s
            self._tell("WATCHDOG=1")

    def close(self) -> None:
        if self._socket is not None:
            self._socket.close()

    def _tell(self, state: str) -> None:
        if self._socket is None:
            return
        with contextlib.suppress(OSError):  # never wait for a manager that does not read
            self._socket.sendto(state.encode(), socket.MSG_DONTWAIT, self._address)


def _watchdog_s(environ: MutableMapping[str, str]) -> float:
    """Return the time within which the manager expects WATCHDOG=1; infinite if it expects none."""
    wanted = environ.get("WATCHDOG_USEC", "")
    if environ.get("WATCHDOG_PID", str(os.getpid())) != str(os.getpid()):
        return float("inf")
    if not (wanted.isascii() and wanted.isdecimal()) or len(wanted) > len(str(LONGEST_WATCHDOG_US)):
        return float("inf")
    return int(wanted) / 1e6 or float("inf")
