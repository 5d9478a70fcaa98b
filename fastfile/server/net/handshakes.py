"""TCP_DEFER_ACCEPT: the Linux kernel keeps a connection to itself until the client has sent a byte.

A connection then arrives together with its request, which saves a wake-up and an empty recv; a silent one arrives a
second later. httpd and h2o do so by default. Closing the listening socket would reset the connections that the kernel
holds, so this module also tells whether there are any.
"""

from __future__ import annotations

import contextlib
import socket
import struct
import sys

DEFER_S = 1  # the minimum: the kernel then repeats its SYN-ACK, and the ACK completes silent connections
LONGEST_S = 1.5  # that second and a round trip: earlier connections have arrived by then, or their packets are lost
LOOK_S = 0.1  # between queries, each of which takes the kernel about 5 ms
# sock_diag(7): a dump of the sockets in SYN_RECV on one port, for any peer.
_SOCK_DIAG = 4
_BY_FAMILY, _DUMP = 20, 0x301
_IN_SYN_RECV = 1 << 3
_ANYWHERE = struct.pack("!H32xI", 0, 0) + b"\xff" * 8
_DONE = 3  # the type of the first message when there are no sockets


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


def are_pending(listening: socket.socket) -> bool:
    """Tell whether the kernel holds connections or is in a handshake; True if the kernel does not say."""
    try:
        with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, _SOCK_DIAG) as kernel:
            port = struct.pack("!H", listening.getsockname()[1])
            request = struct.pack("=BBBBI", listening.family, socket.IPPROTO_TCP, 0, 0, _IN_SYN_RECV)
            request += port + _ANYWHERE
            kernel.sendall(struct.pack("=IHHII", 16 + len(request), _BY_FAMILY, _DUMP, 0, 0) + request)
            answer = kernel.recv(4096)
    except OSError:  # this kernel lacks the module, or a sandbox forbids it
        return True
    return struct.unpack_from("=H", answer, 4) != (_DONE,)
