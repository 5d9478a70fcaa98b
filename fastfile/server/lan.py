"""The addresses of this machine in the local network."""

from __future__ import annotations

import fcntl
import os
import socket
import struct
import sys

_SIOCGIFADDR = 0x8915  # Linux: the IPv4 address of an interface, netdevice(7)


def lan_addresses() -> list[str]:
    """Return this machine's addresses for its network: the default route's first, without link-local ones."""
    found = [_source_address(socket.AF_INET, "192.0.2.1"), _source_address(socket.AF_INET6, "2001:db8::1")]
    if sys.platform == "linux":
        found += [_interface_address(name) for _, name in socket.if_nameindex()]
    return [address for address in dict.fromkeys(found) if address and not _is_local(address)]


def _source_address(family: socket.AddressFamily, destination: str) -> str:
    """Return the address that this machine would send from, or an empty string: connect() on UDP sends nothing."""
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.connect((destination, 9))
            return str(probe.getsockname()[0])
    except OSError:
        return ""


def _interface_address(name: str) -> str:
    request = struct.pack("256s", os.fsencode(name)[:15])
    try:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            answer = fcntl.ioctl(probe.fileno(), _SIOCGIFADDR, request)
    except OSError:
        return ""
    return socket.inet_ntoa(answer[20:24])


def _is_local(address: str) -> bool:
    return address.startswith(("127.", "169.254.", "fe80:", "0.")) or address in ("::1", "::")
