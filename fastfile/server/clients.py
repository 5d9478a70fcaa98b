"""Who holds how many connections, so that one client cannot take them all."""

from __future__ import annotations

import socket

# A quarter of --max-connections: a building behind one address fits, and three quarters are left to the others.
DEFAULT_LIMIT = 1024


class Clients:
    """Counts the connections of each client address; ``limit`` 0 is DEFAULT_LIMIT, and none for this machine's own.

    Who comes over loopback or a Unix socket is a proxy as often as a client: all the world in one address. A limit
    that was asked for holds for loopback too. An IPv6 client has a /64 at the least: it counts as one.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit or DEFAULT_LIMIT
        self._counts_own = limit != 0
        self._counts: dict[str | bytes, int] = {}

    def admit(self, peer: str) -> bool:
        """Count one more connection of a client, unless it has too many already."""
        client = self._client(peer)
        if client is None:
            return True
        count = self._counts.get(client, 0)
        if count >= self._limit:
            return False
        self._counts[client] = count + 1
        return True

    def release(self, peer: str) -> None:
        """Count one connection less; every admit() that was granted has its release()."""
        client = self._client(peer)
        if client is None:
            return
        count = self._counts[client] - 1
        if count:
            self._counts[client] = count
        else:
            del self._counts[client]

    def _client(self, peer: str) -> str | bytes | None:
        """Return what counts as one client, None for who is not counted."""
        if peer == "unix":
            return None
        address = peer.removeprefix("::ffff:")  # an IPv4 client of a socket for both
        if not self._counts_own and (address.startswith("127.") or address == "::1"):
            return None
        if ":" in address:
            return socket.inet_pton(socket.AF_INET6, address.partition("%")[0])[:8]
        return address
