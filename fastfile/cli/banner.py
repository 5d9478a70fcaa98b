"""The banner: what is served, and at which URLs.

``make_banner`` is a pure function of ``Facts``.
"""

from __future__ import annotations

from collections.abc import Sequence

from fastfile import __version__
from fastfile.cli.layout import fit
from fastfile.config.config import Endpoint
from fastfile.records import NamedTuple
from fastfile.terminal import BOLD, CYAN, DIM, GREEN, YELLOW, paint, printable

_LABEL_WIDTH = 9
_MARGIN = 2


class Facts(NamedTuple):
    """The content of the banner.

    ``lan`` has the addresses behind a wildcard; ``path`` is the path of the content; ``proxies`` are forwarded paths
    and the URLs of their upstreams.
    """

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
    proxies: Sequence[tuple[str, str]] = ()


def make_banner(facts: Facts, colour: bool, width: int = 0) -> str:
    """Return the text of the banner. Lines that are longer than a terminal are broken; ``width`` 0 is any."""
    width = max(width - _MARGIN, 0)
    name = paint("fastfile", colour, BOLD, GREEN)
    title = f"{name} {__version__}  serving {paint(printable(facts.root_path), colour, BOLD)}"
    lines = ["", title, ""]
    for notice in facts.notices:
        lines += [paint(line, colour, YELLOW) for line in fit(printable(notice), width).split("\n")]
    urls = _locations(facts.endpoints, facts.lan, facts.path)
    lines += [f"{label:<{_LABEL_WIDTH}} {paint(url, colour, CYAN)}" for label, url in urls]
    # After the URLs of the site: programs take the first URL of the banner for that of the site.
    lines += [f"{'Proxy:':<{_LABEL_WIDTH}} {printable(path)} -> {printable(url)}" for path, url in facts.proxies]
    if facts.files:
        lines.append(f"{'Settings:':<{_LABEL_WIDTH}} {printable(', '.join(facts.files))}")
    workers = "1 worker" if facts.workers == 1 else f"{facts.workers} workers"
    running = " · ".join(filter(None, (workers, facts.loop, facts.kernels, facts.sandbox)))
    lines += [paint(line, colour, DIM) for line in fit(running, width).split("\n")]
    lines += [paint("Press Ctrl+C to stop", colour, DIM), ""]
    return "".join(f"{' ' * _MARGIN}{line}".rstrip() + "\n" for line in lines)


def network_url(facts: Facts) -> str:
    """Return the URL for other devices on the network; empty if there is none."""
    urls = _locations(facts.endpoints, facts.lan, facts.path)
    return next((url for label, url in urls if label == "Network:"), "")


def make_url(host: str, port: int, path: str = "/", is_secure: bool = False) -> str:
    """Return the URL of a path at a host; the default port is left out."""
    name = f"[{host}]" if ":" in host else host
    scheme, default = ("https", 443) if is_secure else ("http", 80)
    return f"{scheme}://{name}{path}" if port == default else f"{scheme}://{name}:{port}{path}"


def _locations(endpoints: Sequence[Endpoint], lan: Sequence[str], path: str) -> list[tuple[str, str]]:
    """Return the lines of URLs as (label, text), local ones first, without duplicates. Each leads to this server."""
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
