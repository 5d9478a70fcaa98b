"""Who holds how many connections, so that one client cannot take them all. Clients are the bytes of their addresses."""

from __future__ import annotations

import socket
from collections.abc import Callable

# A quarter of --max-connections: a building behind one address fits, and three quarters are left to the others.
DEFAULT_LIMIT = 1024
MAPPED = bytes(10) + b"\xff\xff"  # before an IPv4 address: a client of a socket for both (RFC 4291 §2.5.5.2)
LOOPBACK = 127  # the first byte of all its addresses
LOOPBACK_6 = bytes(15) + b"\x01"


def format_address(address: bytes) -> str:
    """Return an address of sendfile.accept() as text."""
    if not address:
        return "unix"
    return socket.inet_ntop(socket.AF_INET if len(address) == 4 else socket.AF_INET6, address)


class Clients:
    """Counts the connections of each client address; ``limit`` 0 is DEFAULT_LIMIT, and none for this machine's own.

    Who comes over loopback or a Unix socket is a proxy as often as a client: all the world in one address. A limit
    that was asked for holds for loopback too. An IPv6 client has a /64 at the least: it counts as one.
    """

    __slots__ = ("_counts", "_counts_own", "_is_proxy", "_limit", "_waiting")

    def __init__(self, limit: int, is_proxy: Callable[[bytes], bool] | None = None) -> None:
        self._is_proxy = is_proxy  # whether an address is that of a trusted proxy, which counts as no client
        self._limit = limit or DEFAULT_LIMIT
        self._counts_own = limit != 0
        self._counts: dict[bytes, int] = {}
        self._waiting: list[Callable[[], None]] = []

    def admit(self, address: bytes) -> bool:
        """Count one more connection of a client, unless it has too many already."""
        client = self._client(address)
        if client is None:
            return True
        count = self._counts.get(client, 0)
        if count >= self._limit:
            return False
        self._counts[client] = count + 1
        return True

    def release(self, address: bytes) -> None:
        """Count one connection less; every admit() that was granted has its release()."""
        client = self._client(address)
        if client is not None:
            count = self._counts[client] - 1
            if count:
                self._counts[client] = count
            else:
                del self._counts[client]
        if self._waiting:
            waiting, self._waiting = self._waiting, []
            for callback in waiting:
                callback()

    def call_when_left(self, callback: Callable[[], None]) -> None:
        """Call back once, when the next connection has ended: most of them end with nobody waiting for it."""
        if callback not in self._waiting:
            self._waiting.append(callback)

    def _client(self, address: bytes) -> bytes | None:
        """Return what counts as one client, None for who is not counted."""
        if self._is_proxy is not None and self._is_proxy(address):
            return None
        if len(address) == 16:
            if not address.startswith(MAPPED):
                return None if address == LOOPBACK_6 and not self._counts_own else address[:8]
            address = address[12:]
        if not address or (address[0] == LOOPBACK and not self._counts_own):
            return None
        return address
