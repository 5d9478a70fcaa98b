"""TCP_DEFER_ACCEPT: the Linux kernel keeps a connection to itself until the client has sent a byte.

A connection then arrives together with its request, which saves a wake-up and an empty recv; a silent one arrives a
second later. httpd and h2o do so by default. Closing the listening socket would reset the connections that the kernel
holds, so this module also tells whether there are any.
"""

from __future__ import annotations

import contextlib
import os
import socket
import sys

DEFER_S = 1  # the minimum: the kernel then repeats its SYN-ACK, and the ACK completes silent connections
LONGEST_S = 1.5  # that second and a round trip: earlier connections have arrived by then, or their packets are lost
LOOK_S = 0.1  # between queries, each of which takes the kernel about 5 ms
_TABLES = ("/proc/self/net/tcp", "/proc/self/net/tcp6")  # proc_pid_net(5); systemd can hide /proc/net
_SYN_RECV = b"03"
_PART = 1 << 16  # the kernel gives a page at a time


def defer(listening: socket.socket) -> None:
    """Make the kernel hold silent connections; without support, all connections arrive at once."""
    if sys.platform == "linux" and listening.family != socket.AF_UNIX:
        with contextlib.suppress(OSError):
            listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_DEFER_ACCEPT, DEFER_S)


def undefer(listening: socket.socket) -> bool:
    """Make new connections arrive at once from now on; return True if the kernel may hold earlier ones."""
    if sys.platform != "linux" or not kept_s(listening):
        return False
    listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_DEFER_ACCEPT, 0)
    return True


def kept_s(listening: socket.socket) -> float:
    """Return how long the kernel holds connections without a byte."""
    if sys.platform != "linux" or listening.family == socket.AF_UNIX:
        return 0.0
    return float(listening.getsockopt(socket.IPPROTO_TCP, socket.TCP_DEFER_ACCEPT))


class Handshakes:
    """Tells whether the kernel holds connections. Make it before the sandbox, in which no netlink can be asked."""

    def __init__(self) -> None:
        self._tables: list[int] = []
        for path in _TABLES:
            with contextlib.suppress(OSError):  # another system, without IPv6, or without /proc
                self._tables.append(os.open(path, os.O_RDONLY | os.O_CLOEXEC))

    def are_pending(self, listening: socket.socket) -> bool:
        """Tell whether the kernel holds connections or is in a handshake; True if the kernel does not say."""
        port = b":%04X" % listening.getsockname()[1]
        try:
            return not self._tables or any(_has_handshakes(_read(table), port) for table in self._tables)
        except OSError:
            return True

    def close(self) -> None:
        while self._tables:
            os.close(self._tables.pop())


def _read(table: int) -> bytes:
    parts: list[bytes] = []
    size = 0
    while part := os.pread(table, _PART, size):
        parts.append(part)
        size += len(part)
    return b"".join(parts)


def _has_handshakes(table: bytes, port: bytes) -> bool:
    """Tell whether a table of sockets has one in SYN_RECV at a local port."""
    rows = (row.split(maxsplit=4) for row in table.splitlines()[1:] if port in row)
    return any(row[1].endswith(port) and row[3] == _SYN_RECV for row in rows)
