"""The client behind proxies: X-Forwarded-For and Forwarded (RFC 7239), read from the end that a trusted proxy wrote.

Addresses are bytes, 4 of IPv4 or 16 of IPv6, and empty for a Unix socket. An address counts only if the proxy that gave
it is trusted, because a client may write anything into these fields.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Sequence

from fastfile.http.fields import split_list

Network = ipaddress.IPv4Network | ipaddress.IPv6Network

MAX_HOPS = 32  # the longest chain of proxies
UNIX = "unix"  # of --trusted-proxy: all peers on a Unix socket


class TrustedProxies:
    """The networks of trusted proxies; ``unix``: proxies on a Unix socket are trusted too."""

    def __init__(self, networks: Iterable[str]) -> None:
        names = set(networks)
        self._unix = UNIX in names
        self._networks: tuple[Network, ...] = tuple(ipaddress.ip_network(name) for name in sorted(names - {UNIX}))

    def are_trusted(self, peer: bytes) -> bool:
        """Tell whether the proxy at an address is trusted."""
        if not peer:
            return self._unix
        address = ipaddress.ip_address(peer)
        if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
            address = address.ipv4_mapped
        return any(address in network for network in self._networks)

    def find_client(self, peer: bytes, x_forwarded_for: bytes | None, forwarded: bytes | None) -> bytes:
        """Return the address of the client: the last one before those of trusted proxies.

        If both fields are present and disagree, the client made up one of them: then the result is ``peer``.
        """
        found = [
            self._follow(peer, parse(value))
            for parse, value in ((parse_x_forwarded_for, x_forwarded_for), (parse_forwarded, forwarded))
            if value is not None
        ]
        return found[0] if found and found.count(found[0]) == len(found) else peer

    def _follow(self, peer: bytes, addresses: Sequence[bytes | None]) -> bytes:
        for address in list(reversed(addresses))[:MAX_HOPS]:
            if address is None or not self.are_trusted(peer):
                break
            peer = address
        return peer


def parse_x_forwarded_for(value: bytes) -> list[bytes | None]:
    """Return the addresses of a list, with None for an element that is not an address."""
    return [parse_node(element) for element in split_list(value)]


def parse_forwarded(value: bytes) -> list[bytes | None]:
    """Return the address of ``for`` in each element (RFC 7239 §4), None if it has none."""
    return [_parse_element(element) for element in split_list(value)]


def _parse_element(element: bytes) -> bytes | None:
    nodes = []
    for pair in split_list(element, b";"):
        name, _, node = pair.partition(b"=")
        if name.lower() == b"for":
            is_quoted = len(node) > 1 and node[:1] == node[-1:] == b'"'
            nodes.append(node[1:-1] if is_quoted else node)
    return parse_node(nodes[0]) if len(nodes) == 1 else None


def parse_node(node: bytes) -> bytes | None:
    """Return the address of a node, with or without a port, IPv6 in brackets or bare; None if unknown, or a name."""
    try:
        text = node.decode("ascii")
        if text.startswith("["):
            text, _, port = text[1:].partition("]")
            if port and not (port[0] == ":" and _is_port(port[1:])):
                return None
            return ipaddress.IPv6Address(text).packed
        host, colon, port = text.partition(":")
        if colon and ":" not in port:
            return ipaddress.IPv4Address(host).packed if _is_port(port) else None
        return ipaddress.ip_address(text).packed
    except ValueError:
        return None


def _is_port(text: str) -> bool:
    return 1 <= len(text) <= 5 and text.isdigit()
