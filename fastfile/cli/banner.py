"""The banner: what is served, at which URLs, and by what.

``make_banner`` is a pure function of ``Facts``; the only question to the system here is which addresses this machine
has.
"""

from __future__ import annotations

import fcntl
import os
import socket
import struct
import sys
from collections.abc import Sequence
from typing import NamedTuple

from fastfile import __version__
from fastfile.config.config import Endpoint
from fastfile.terminal import BOLD, CYAN, DIM, GREEN, YELLOW, paint, printable

_SIOCGIFADDR = 0x8915  # Linux: the IPv4 address of an interface, netdevice(7)
_LABEL_WIDTH = 9


class Facts(NamedTuple):
    """The content of the banner. ``lan`` is the addresses behind a wildcard, ``path`` is where the content begins."""

    root_path: str
    endpoints: Sequence[Endpoint]
    lan: Sequence[str]
    workers: int
    loop: str
    kernels: str
    notices: Sequence[str] = ()
    files: Sequence[str] = ()
    sandbox: str = ""
    path: str = "/"


def make_banner(facts: Facts, colour: bool) -> str:
    """Return the text of the banner."""

    name = paint("fastfile", colour, BOLD, GREEN)
    title = f"{name} {__version__}  serving {paint(printable(facts.root_path), colour, BOLD)}"
    lines = ["", title, ""]
    lines += [paint(printable(notice), colour, YELLOW) for notice in facts.notices]
    urls = _locations(facts.endpoints, facts.lan, facts.path)
    lines += [f"{label:<{_LABEL_WIDTH}} {paint(url, colour, CYAN)}" for label, url in urls]
    if facts.files:
        lines.append(f"{'Settings:':<{_LABEL_WIDTH}} {printable(', '.join(facts.files))}")
    workers = "1 worker" if facts.workers == 1 else f"{facts.workers} workers"
    running = " · ".join(filter(None, (workers, facts.loop, facts.kernels, facts.sandbox)))
    lines.append(paint(running, colour, DIM))
    lines += [paint("Press Ctrl+C to stop", colour, DIM), ""]
    return "".join(f"  {line}".rstrip() + "\n" for line in lines)


def lan_addresses() -> list[str]:
    """Return this machine's addresses for its network: the default route's first, without link-local ones."""
    found = [_source_address(socket.AF_INET, "192.0.2.1"), _source_address(socket.AF_INET6, "2001:db8::1")]
    if sys.platform == "linux":
        found += [_interface_address(name) for _, name in socket.if_nameindex()]
    return [endpoint for endpoint in dict.fromkeys(found) if endpoint and not _is_local(endpoint)]


def make_url(host: str, port: int, path: str = "/", is_secure: bool = False) -> str:
    """Return the URL of a path at a host; the default port is left out."""
    name = f"[{host}]" if ":" in host else host
    scheme, default = ("https", 443) if is_secure else ("http", 80)
    return f"{scheme}://{name}{path}" if port == default else f"{scheme}://{name}:{port}{path}"


def _locations(endpoints: Sequence[Endpoint], lan: Sequence[str], path: str) -> list[tuple[str, str]]:
    """Return the lines of URLs as (label, text), local ones first, none twice. Each leads to this server."""
    local, network, sockets = [], [], []
    for endpoint in endpoints:
        if endpoint.path:
            name = printable(endpoint.path)
            sockets.append(("Socket:", f"{name}  (curl --unix-socket {name} http://localhost{path})"))
            continue
        if endpoint.is_near or endpoint.is_wildcard:
            local.append(("Local:", make_url(endpoint.local_host, endpoint.port, path, endpoint.is_secure)))
        else:
            network.append(("Network:", make_url(endpoint.host, endpoint.port, path, endpoint.is_secure)))
        if endpoint.is_wildcard:
            # A socket on :: accepts IPv4 too (server/net/bind.py); one on 0.0.0.0 accepts nothing else.
            reachable = [address for address in lan if endpoint.host != "0.0.0.0" or ":" not in address]
            network += [
                ("Network:", make_url(address, endpoint.port, path, endpoint.is_secure)) for address in reachable
            ]
    return list(dict.fromkeys(local + network + sockets))


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


def _is_local(endpoint: str) -> bool:
    return endpoint.startswith(("127.", "169.254.", "fe80:", "0.")) or endpoint in ("::1", "::")
