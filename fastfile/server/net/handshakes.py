"""Clients who have connected and not sent a byte yet: on Linux the kernel keeps them to itself (TCP_DEFER_ACCEPT).

So a connection comes up together with what it asks, which saves a wake-up and a recv that finds nothing; one that
stays silent comes up a second later. httpd and h2o do so by default. To close the listening socket meanwhile would
reset them, so whoever is about to do that asks here whether there are any.
"""

from __future__ import annotations

import contextlib
import socket
import struct
import sys

DEFER_S = 1  # the least: until the kernel repeats its SYN-ACK for the first time, whose answer brings the silent up
LONGEST_S = 1.5  # that second and a round trip: whoever had connected before has come up, or his packets are lost
LOOK_S = 0.1  # between looks, which take the kernel some 5 ms each
# sock_diag(7): a dump of the sockets in SYN_RECV on one port, whoever the peer is.
_SOCK_DIAG = 4
_BY_FAMILY, _DUMP = 20, 0x301
_IN_SYN_RECV = 1 << 3
_ANYWHERE = struct.pack("!H32xI", 0, 0) + b"\xff" * 8
_DONE = 3  # the first message of an answer that names nobody


def defer(listening: socket.socket) -> None:
    """Have the kernel keep who is silent; where it cannot, everybody comes up at once."""
    if sys.platform == "linux" and listening.family != socket.AF_UNIX:
        with contextlib.suppress(OSError):
            listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_DEFER_ACCEPT, DEFER_S)


def undefer(listening: socket.socket) -> bool:
    """Have everybody who connects from now on come up at once; True where some may have been kept until now."""
    if sys.platform != "linux" or not kept_s(listening):
        return False
    listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_DEFER_ACCEPT, 0)
    return True


def kept_s(listening: socket.socket) -> float:
    """Return for how long the kernel has kept those who come up without a byte."""
    if sys.platform != "linux" or listening.family == socket.AF_UNIX:
        return 0.0
    return float(listening.getsockopt(socket.IPPROTO_TCP, socket.TCP_DEFER_ACCEPT))


def are_pending(listening: socket.socket) -> bool:
    """Tell whether the kernel keeps somebody, or is in the midst of a handshake; True where it does not say."""
    try:
        with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, _SOCK_DIAG) as kernel:
            port = struct.pack("!H", listening.getsockname()[1])
            request = struct.pack("=BBBBI", listening.family, socket.IPPROTO_TCP, 0, 0, _IN_SYN_RECV)
            request += port + _ANYWHERE
            kernel.sendall(struct.pack("=IHHII", 16 + len(request), _BY_FAMILY, _DUMP, 0, 0) + request)
            answer = kernel.recv(4096)
    except OSError:  # no such module in this kernel, or a sandbox around us
        return True
    return struct.unpack_from("=H", answer, 4) != (_DONE,)
