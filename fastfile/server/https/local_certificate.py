"""The certificate of --https: its names, whether this machine trusts it, and its renewal.

Only the supervisor uses it: a worker's sandbox hides the files, and a worker never has the key of the CA.
"""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import dataclass
from ipaddress import ip_address

from fastfile.config.config import Config, Endpoint
from fastfile.local_ca.library import find_authority, find_leaf, open_library, utc_now
from fastfile.local_ca.names import LOOPBACK_NAMES, Name, host_names, is_local, parse_name
from fastfile.middleware.ca_download import PAGE_PATH
from fastfile.server.lan import lan_addresses

INSTALL = "fastfile cert install"


@dataclass(frozen=True, slots=True)
class LocalCertificate:
    """A certificate of the local CA, in one file with its key. ``renew_at_s`` is a time of the system's clock.

    ``authority`` is the certificate of the CA, for phones; empty if only this machine is served.
    """

    path: str
    renew_at_s: float
    authority: bytes
    notices: tuple[str, ...]


def find_local_certificate(config: Config) -> LocalCertificate:
    """Return the certificate for what the settings serve; make it if there is none. Raises StartError."""
    now = utc_now()
    library = open_library(os.environ)
    authority = find_authority(library, now)  # says so if the package cryptography is missing
    from fastfile.local_ca.leaf import RENEWAL

    is_near = not config.host and Endpoint(config.bind.strip("[]"), 0).is_near
    lan = [] if is_near else _network_names(config)
    leaf = find_leaf(library, authority, [*_own_names(config), *lan], now)
    notices = [] if library.is_trusted(authority) else [f"browsers do not trust the local CA yet: {INSTALL}"]
    if not is_near:
        notices.append(f"phones get the local CA at {PAGE_PATH.decode()}, with the steps to install it")
    # The host name may have changed since the CA was made; the user asked for the other names.
    missing = [str(name) for name in leaf.left_out if name not in host_names()]
    if missing:
        notices.append(f"the local certificate is not for {', '.join(missing)}: the CA is limited to local names")
    renew_at_s = (leaf.expires - RENEWAL).timestamp()
    return LocalCertificate(leaf.path, renew_at_s, b"" if is_near else authority.pem, tuple(notices))


def _own_names(config: Config) -> list[Name]:
    """Return the names of this machine, and the local ones of --allowed-host."""
    names = [parse_name(text) for text in (*LOOPBACK_NAMES, *host_names())]
    for text in config.allowed_host:
        with suppress(ValueError):  # * and .NAME are not names
            name = parse_name(text)
            names += [name] if is_local(name) else []
    return names


def _network_names(config: Config) -> list[Name]:
    """Return the addresses at which other machines reach this server: those of --bind or --host."""
    host = config.bind.strip("[]")
    if config.host or Endpoint(host, 0).is_wildcard:
        return [ip_address(text) for text in lan_addresses()]
    try:
        return [parse_name(host)]
    except ValueError:
        return []
