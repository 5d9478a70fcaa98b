"""The authority of a request (RFC 9110 §7.2, RFC 3986 §3.2.2): its grammar, and whether it names this server.

No name is resolved. The check keeps a page of another site from reading a local server by DNS rebinding.
"""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address

from fastfile.errors import HTTPError

# RFC 3986 §3.2.2: reg-name = *( unreserved / pct-encoded / sub-delims )
_NAME_BYTES = b"-._~!$&'()*+,;=%0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
_HEX_DIGITS = b"0123456789abcdefABCDEF"
_MAPPED_IPV4 = 0xFFFF  # the upper 96 bits of ::ffff:a.b.c.d (RFC 4291 §2.5.5.2)


def parse_host(value: bytes) -> tuple[bytes, int | None]:
    """Return the host in lower case, an IPv6 address with its brackets, and the port; None if there is no port.

    Raises HTTPError 400 if it is not ``uri-host [":" port]``, or if the host is empty (RFC 9110 §4.2.1).
    """
    if value.startswith(b"["):
        literal, bracket, rest = value[1:].partition(b"]")
        # IPvFuture is refused too: no version of it exists.
        valid = bracket != b"" and maybe_ipv6(literal) is not None and rest[:1] in (b"", b":")
        host, port = b"[" + literal + b"]", rest[1:]
    else:
        host, _, port = value.partition(b":")
        valid = _is_name(host)
    port = port.lstrip(b"0") or port[:1]  # RFC 3986 §3.2.3: port = *DIGIT, so leading zeros are allowed
    if not valid or not _is_port(port):
        raise HTTPError(400, "The host is not valid.")
    return host.lower(), int(port) if port else None


def check_host(value: bytes, allowed: tuple[bytes, ...]) -> bool:
    """Tell whether a Host field or authority names this server; its port is ignored.

    Patterns are in lower case: ``example.com``, ``.example.com`` (itself and every name below it), ``[::1]``, ``*`` for
    all. Loopback names always match, and so do IP addresses: unlike a name, a page cannot point an address at another
    machine (DNS rebinding). Raises HTTPError 400 if the value is malformed.
    """
    host = parse_host(value)[0]
    if b"*" in allowed or is_loopback_host(host) or is_address(host):
        return True
    name = host.removesuffix(b".")
    for pattern in allowed:
        if name == pattern.removeprefix(b".") or (pattern.startswith(b".") and name.endswith(pattern)):
            return True
    return False


def is_address(host: bytes) -> bool:
    """Tell whether a valid host is an IP address rather than a name to resolve.

    URL Standard §3.5: a host that ends in a number is an IPv4 address, so ``127.1`` and ``0`` are addresses too.
    """
    return host.startswith(b"[") or (host.count(b".") <= 3 and host.replace(b".", b"").isdigit())


def is_loopback_host(host: bytes) -> bool:
    """Tell whether a host, in lower case and without port, can only be this machine.

    ``localhost`` and the names below it never leave the machine (RFC 6761 §6.3); 127.0.0.0/8 and ::1 are loopback.
    """
    if host.startswith(b"["):
        address = maybe_ipv6(host[1:-1])
        return address is not None and (address == 1 or address >> 24 == _MAPPED_IPV4 << 8 | 127)
    name = host.removesuffix(b".")
    if name == b"localhost" or name.endswith(b".localhost"):
        return True
    address = maybe_ipv4(host)  # a trailing dot is not allowed here: an address has none
    return address is not None and address >> 24 == 127


def maybe_ipv4(text: bytes) -> int | None:
    """Return an IPv4 address in its strict dotted form (RFC 3986 §3.2.2); None for anything else."""
    try:
        return int(IPv4Address(text.decode("ascii")))
    except ValueError:
        return None


def maybe_ipv6(text: bytes) -> int | None:
    """Return an IPv6 address without brackets and zone (RFC 3986 §3.2.2); None for anything else."""
    if b"%" in text:
        return None
    try:
        return int(IPv6Address(text.decode("ascii")))
    except ValueError:
        return None


def _is_name(host: bytes) -> bool:
    if not host or host.translate(None, _NAME_BYTES):
        return False
    escapes = host.split(b"%")[1:]
    return all(len(escape) >= 2 and not escape[:2].translate(None, _HEX_DIGITS) for escape in escapes)


def _is_port(port: bytes) -> bool:
    # The length is bounded before int() reads it.
    return not port or (port.isdigit() and len(port) <= 5 and int(port) <= 65535)
