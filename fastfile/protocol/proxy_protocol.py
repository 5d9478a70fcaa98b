"""The PROXY protocol, versions 1 and 2: a proxy sends the client's address before the first byte of a request.

By haproxy's proxy-protocol.txt. Strict: any other input closes the connection.
"""

from __future__ import annotations

import ipaddress

from fastfile.records import NamedTuple

SIGNATURE = b"\r\n\r\n\x00\r\nQUIT\n"  # of version 2
MAX_LINE = 107  # of version 1, with its CRLF
MAX_SIZE = 4096  # of version 2: the addresses and extensions (TLS details, 256 bytes in practice)
_SIZES = {0x11: 4, 0x12: 4, 0x21: 16, 0x22: 16}  # by family and transport: TCP and UDP over IPv4, over IPv6


class Preface(NamedTuple):
    """``client`` is None if the proxy speaks for itself: its own health check, or an address of another kind."""

    size: int
    client: bytes | None


def maybe_preface(data: bytes) -> Preface | None:
    """Read the preface of a proxy; None if more input is needed. Raises ValueError if it is malformed."""
    if SIGNATURE.startswith(data[: len(SIGNATURE)]):
        return _maybe_version_2(data) if len(data) >= 16 else None
    if b"PROXY ".startswith(data[:6]):
        return _maybe_version_1(data)
    raise ValueError("the connection begins with other bytes")


def _maybe_version_1(data: bytes) -> Preface | None:
    end = data.find(b"\r\n", 0, MAX_LINE)
    if end < 0:
        if len(data) >= MAX_LINE or b"\n" in data:
            raise ValueError("the line is too long")
        return None
    words = data[:end].decode("ascii").split(" ")
    if words[1] == "UNKNOWN":
        return Preface(end + 2, None)
    if len(words) != 6 or words[1] not in ("TCP4", "TCP6"):
        raise ValueError("the line is malformed")
    make = ipaddress.IPv4Address if words[1] == "TCP4" else ipaddress.IPv6Address
    client = make(words[2]).packed
    make(words[3])
    for port in words[4:]:
        if not port.isdigit() or str(int(port[:6])) != port or int(port) > 65535:
            raise ValueError("a port is malformed")
    return Preface(end + 2, client)


def _maybe_version_2(data: bytes) -> Preface | None:
    version, command = data[12] >> 4, data[12] & 15
    size = int.from_bytes(data[14:16], "big")
    if version != 2 or command > 1 or size > MAX_SIZE:
        raise ValueError("the version, the command or the size is unknown")
    if len(data) < 16 + size:
        return None
    length = _SIZES.get(data[13])
    if command == 0 or length is None:  # LOCAL; a Unix socket, or no address
        return Preface(16 + size, None)
    if size < 2 * length + 4:
        raise ValueError("the addresses are incomplete")
    return Preface(16 + size, data[16 : 16 + length])
