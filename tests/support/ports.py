"""Free ports that no other process gets by chance before the test uses them."""

from __future__ import annotations

import contextlib
import random
import socket

# Below the range from which systems take the ports of clients, and of servers that ask for any (from 32768 on Linux,
# from 49152 elsewhere): other tests take thousands of those meanwhile.
_CANDIDATES = range(10_000, 32_000)


def find_free_port() -> int:
    """Return a port that is free at every IPv4 address of this machine."""
    while True:
        port = random.SystemRandom().choice(_CANDIDATES)
        with contextlib.suppress(OSError):
            socket.create_server(("", port)).close()
            return port
