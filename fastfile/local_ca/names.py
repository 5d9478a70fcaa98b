"""The names of a local certificate: host names and addresses of this machine and of private networks.

Knows nothing about certificates.
"""

from __future__ import annotations

import socket
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

# Host names that are never names on the internet: RFC 6761 (localhost, test), RFC 6762 (local), RFC 8375 (home.arpa),
# and internal, which ICANN reserved in 2024. Names below them count too.
LOCAL_DOMAINS = ("localhost", "local", "test", "internal", "home.arpa")
# Addresses that no router of the internet forwards, by IANA's registries of special-purpose addresses: loopback,
# private (RFC 1918), link-local, shared (RFC 6598, which Tailscale uses), benchmarking (RFC 2544), documentation, and
# unique local (RFC 4193).
LOCAL_NETWORKS: tuple[IPv4Network | IPv6Network, ...] = tuple(
    ip_network(text)
    for text in (
        *("127.0.0.0/8", "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "169.254.0.0/16"),
        *("100.64.0.0/10", "198.18.0.0/15", "192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24"),
        *("::1/128", "fc00::/7", "fe80::/10", "2001:db8::/32"),
    )
)
LOOPBACK_NAMES = ("localhost", "*.localhost", "127.0.0.1", "::1")
_MAX_NAME = 253  # RFC 1035 §2.3.4, without the final dot
_MAX_LABEL = 63

Address = IPv4Address | IPv6Address
Name = str | Address


def parse_name(text: str) -> Name:
    """Return a host name in lower case, as a certificate has it, or an address. Raises ValueError for anything else."""
    try:
        return ip_address(text.strip("[]"))
    except ValueError:
        name = text.rstrip(".").lower()
    if not name.isascii():
        name = name.encode("idna").decode()  # a UnicodeError is a ValueError
    labels = name.removeprefix("*.").split(".")
    if len(name) > _MAX_NAME or not all(map(_is_label, labels)) or labels[-1].isdecimal():
        raise ValueError(text)
    return name


def is_beneath(name: str, domain: str) -> bool:
    """Tell whether a host name is the domain, or a name below it (RFC 5280 §4.2.1.10)."""
    return name == domain or name.endswith(f".{domain.removeprefix('.')}")


def is_local(name: Name) -> bool:
    """Tell whether a name can never be a name on the internet."""
    if isinstance(name, str):
        return any(is_beneath(name, domain) for domain in LOCAL_DOMAINS)
    return any(name in network for network in LOCAL_NETWORKS)


def host_names() -> list[str]:
    """Return this machine's host name, and its name in the local network (multicast DNS); empty without one."""
    try:
        name = parse_name(socket.gethostname())
    except ValueError:
        return []
    if not isinstance(name, str):
        return []
    return list(dict.fromkeys((name, f"{name.partition('.')[0]}.local")))


def _is_label(label: str) -> bool:
    plain = label.replace("-", "").replace("_", "")
    return 0 < len(label) <= _MAX_LABEL and plain.isalnum() and label[0] != "-" != label[-1]
