"""Counts connections per client address, so that one client cannot take them all. Addresses are bytes."""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fastfile.http.intermediaries.forwarded import TrustedProxies

# A quarter of --max-connections: enough for a building behind one address, and three quarters are left for others.
DEFAULT_LIMIT = 1024
MAPPED = bytes(10) + b"\xff\xff"  # prefix of an IPv4 address on a socket for both families (RFC 4291 §2.5.5.2)
LOOPBACK = 127  # the first byte of every loopback address
LOOPBACK_6 = bytes(15) + b"\x01"


def format_address(address: bytes) -> str:
    """Return an address of sendfile.accept() as text; IPv4 as such, also on a socket for both families."""
    if not address:
        return "unix"
    if address.startswith(MAPPED) and len(address) == 16:
        address = address[12:]
    return socket.inet_ntop(socket.AF_INET if len(address) == 4 else socket.AF_INET6, address)


class Clients:
    """Counts the connections of each client address. ``limit`` 0 means DEFAULT_LIMIT, and no limit for this machine.

    A peer on loopback or a Unix socket is often a proxy, with all clients behind one address. An explicit limit applies
    to loopback too. An IPv6 client has at least a /64, so each /64 counts as one client. ``proxies`` are not counted;
    ``have_prefaces``: their connections begin with the PROXY protocol.
    """

    __slots__ = ("_counts", "_counts_own", "_have_prefaces", "_limit", "_waiting", "proxies")

    def __init__(self, limit: int, proxies: TrustedProxies | None = None, have_prefaces: bool = False) -> None:
        self.proxies = proxies
        self._have_prefaces = have_prefaces
        self._limit = limit or DEFAULT_LIMIT
        self._counts_own = limit != 0
        self._counts: dict[bytes, int] = {}
        self._waiting: list[Callable[[], None]] = []

    def admit(self, address: bytes) -> bool:
        """Count one more connection of a client; return False if it has too many."""
        client = self._client(address)
        if client is None:
            return True
        count = self._counts.get(client, 0)
        if count >= self._limit:
            return False
        self._counts[client] = count + 1
        return True

    def release(self, address: bytes) -> None:
        """Count one connection less. Each successful admit() needs one release()."""
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

    def send_preface(self, address: bytes) -> bool:
        """Tell whether connections from an address begin with the PROXY protocol."""
        return self._have_prefaces and self.proxies is not None and self.proxies.are_trusted(address)

    def call_when_left(self, callback: Callable[[], None]) -> None:
        """Call back once, when the next connection ends: most end while no caller waits for it."""
        if callback not in self._waiting:
            self._waiting.append(callback)

    def _client(self, address: bytes) -> bytes | None:
        """Return the bytes that count as one client; None for a client that is not counted."""
        if self.proxies is not None and self.proxies.are_trusted(address):
            return None
        if len(address) == 16:
            if not address.startswith(MAPPED):
                return None if address == LOOPBACK_6 and not self._counts_own else address[:8]
            address = address[12:]
        if not address or (address[0] == LOOPBACK and not self._counts_own):
            return None
        return address
