"""Listening sockets: bound by the supervisor or passed by a service manager, and distributed to the workers."""

from __future__ import annotations

import contextlib
import errno
import os
import socket
import stat
from collections.abc import Sequence

from fastfile.config.config import Config, Endpoint
from fastfile.errors import StartError
from fastfile.records import NamedTuple
from fastfile.server.net.handshakes import defer

MAX_PORT_TRIES = 100  # ports to try after the configured one, when that is in use
PROBE_S = 1.0  # time for a server to respond on a Unix socket
# Errors of socket() and bind() when IPv6 is off, or loopback has no such address.
_NO_SUCH_ADDRESS = (errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL, errno.EPROTONOSUPPORT)


class Address(NamedTuple):
    """An address to bind, without its port."""

    family: socket.AddressFamily
    host: str


LOOPBACK = (Address(socket.AF_INET, "127.0.0.1"), Address(socket.AF_INET6, "::1"))


class Listening:
    """The sockets of one server. ``endpoints`` is what the banner shows.

    ``addresses`` are those of the TCP sockets that fastfile binds: one socket per worker and address if the system can
    share a port among them (SO_REUSEPORT). Sockets that a service manager opened serve all workers.
    """

    def __init__(
        self,
        sockets: list[socket.socket],
        endpoints: list[Endpoint],
        notices: list[str],
        addresses: Sequence[Address] = (),
    ) -> None:
        self.endpoints = endpoints
        self.notices = notices
        self.sockets = sockets
        self._addresses = addresses
        self._is_adopted = False
        # The device and inode of this server's Unix socket: another server may have replaced the socket at that path.
        self.file: tuple[int, int] | None = None

    def adopt(self) -> None:
        """Mark the sockets as opened by a service manager."""
        self._is_adopted = True

    def split(self, port: int) -> Listening | None:
        """Give away the sockets of a port that a service manager opened; None if it opened none there."""
        if not self._is_adopted or port not in [endpoint.port for endpoint in self.endpoints if not endpoint.path]:
            return None
        pairs = list(zip(self.sockets, self.endpoints, strict=True))
        given = [pair for pair in pairs if not pair[1].path and pair[1].port == port]
        kept = [pair for pair in pairs if pair not in given]
        self.sockets, self.endpoints = [pair[0] for pair in kept], [pair[1] for pair in kept]
        apart = Listening([pair[0] for pair in given], [pair[1] for pair in given], [])
        apart.adopt()
        return apart

    def secure(self) -> None:
        """Note that the TCP sockets speak TLS."""
        self.endpoints = [endpoint._replace(is_secure=not endpoint.path) for endpoint in self.endpoints]

    def adapt(self, config: Config) -> Config:
        """Return the settings with the real address, taken from sockets that a service manager passed."""
        if not self._is_adopted:
            return config
        names = [f"unix:{path}" if path else host for host, _, path, _ in self.endpoints]
        public = [name for name in names if not name.startswith("127.") and name != "::1"]
        return config.replace(bind=[*public, *names][0], host=False)

    def shown(self) -> str:
        """Return the first endpoint as a user would write it."""
        host, port, path, _ = self.endpoints[0]
        return f"unix:{path}" if path else _show(host, port)

    def widen(self, config: Config) -> None:
        """Open a socket for each address and worker. If the system refuses another one (a low port), workers share."""
        if not self._addresses or os.uname().sysname != "Linux" or config.workers == 1:
            return
        port = self.endpoints[0].port
        with contextlib.suppress(OSError):
            for first in self.sockets[: len(self._addresses)]:
                first.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            while len(self.sockets) < config.workers * len(self._addresses):
                added: list[socket.socket] = []
                try:
                    for address in self._addresses:
                        added.append(_bind(address, port, True))
                        added[-1].listen(config.backlog)
                except OSError:
                    _close_all(added)
                    raise
                self.sockets += added

    def take(self, worker: int, workers: int) -> list[socket.socket]:
        """In a worker: return its own sockets and close the others, so that each ends with the workers that serve it.

        With fewer sockets than workers, some workers share one. With more (after the number of workers was reduced), a
        worker gets several, so no connection waits on a socket without a worker.
        """
        width = max(len(self._addresses), 1)
        sets = [self.sockets[start : start + width] for start in range(0, len(self.sockets), width)]
        own = self.sockets
        if not self._is_adopted:
            taken = sets[worker::workers] if len(sets) >= workers else [sets[worker % len(sets)]]
            own = [listening for one in taken for listening in one]
        for listening in self.sockets:
            if listening not in own:
                listening.close()
            elif not self._is_adopted:
                defer(listening)
        return own

    def close(self) -> None:
        """Close the sockets of this process; a second call does nothing."""
        if self.sockets and not self._is_adopted:
            for endpoint in self.endpoints:
                with contextlib.suppress(OSError):
                    if endpoint.path and _identify(endpoint.path) == self.file:
                        os.unlink(endpoint.path)
        _close_all(self.sockets)
        self.sockets.clear()


def adopt(sockets: list[socket.socket]) -> Listening:
    """Make a Listening of sockets that a service manager has opened and listens on."""
    endpoints = []
    for given in sockets:
        name = given.getsockname()
        if given.family == socket.AF_UNIX:
            endpoints.append(Endpoint("", 0, os.fsdecode(name).replace("\0", "@") or "(unnamed)"))
        else:
            endpoints.append(Endpoint(name[0], name[1]))
    listening = Listening(sockets, endpoints, [])
    listening.adopt()
    return listening


def listen(config: Config) -> Listening:
    """Bind the configured addresses. Raises StartError with one line that says why that fails."""
    if config.bind.startswith("unix:"):
        return _listen_unix(config)
    addresses, name = _resolve(config)
    notices = []
    port = config.port
    tries = 0
    while True:
        try:
            sockets, addresses = _claim(addresses, port, config.backlog)
            break
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                hint = "; ports from 1024 on need no permission" if error.errno == errno.EACCES and port < 1024 else ""
                raise StartError(f"cannot listen on {_show(name, port)}: {error.strerror}{hint}") from None
            tries += 1
            if tries > MAX_PORT_TRIES or (port and (config.strict_port or port == 65535)):
                raise StartError(
                    f"port {config.port} of {name} is in use; choose another with --port, or --port 0 for any free one"
                ) from None
            port += 1 if port else 0
    if port != config.port:
        notices.append(f"port {config.port} is in use; serving on {port}")
    port = sockets[0].getsockname()[1]
    listening = Listening(sockets, [Endpoint(name, port)], notices, addresses)
    listening.widen(config)
    return listening


def _resolve(config: Config) -> tuple[Sequence[Address], str]:
    """Return the addresses to bind, and their names for messages.

    ``localhost`` stands for both of its addresses: a client may try either first, and only that one, so a port counts
    as free if it is free on both.
    """
    if config.host:
        wildcard = Address(socket.AF_INET6, "::") if socket.has_dualstack_ipv6() else Address(socket.AF_INET, "0.0.0.0")
        return [wildcard], wildcard.host
    host = config.bind.strip("[]")
    if host.lower() == "localhost":
        return LOOPBACK, "localhost"
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except (OSError, UnicodeError):
        raise StartError(f"cannot listen on {host}: it is neither an address nor a name of this machine") from None
    family, _, _, _, endpoint = found[0]
    address = Address(family, str(endpoint[0]))
    return [address], address.host


def _claim(addresses: Sequence[Address], port: int, backlog: int) -> tuple[list[socket.socket], list[Address]]:
    """Listen on each address as the only server on the port. Raises OSError: EADDRINUSE if an address is in use.

    Returns the sockets and their addresses. Of several addresses, those of a family that this machine lacks are left
    out. SO_REUSEPORT alone would let two servers share a port. Without it the kernel lets only one socket listen,
    however many servers start at once; only then does the port accept the sockets of the other workers.
    """
    sockets: list[socket.socket] = []
    bound: list[Address] = []
    missing: OSError | None = None
    for address in addresses:
        try:
            claimed = _bind(address, sockets[0].getsockname()[1] if sockets else port, False)
        except OSError as error:
            if error.errno in _NO_SUCH_ADDRESS and len(addresses) > 1:
                missing = error
                continue
            _close_all(sockets)
            raise
        sockets.append(claimed)
        bound.append(address)
        try:
            claimed.listen(backlog)
        except OSError:
            _close_all(sockets)
            raise
    if missing is not None and not sockets:
        raise missing
    return sockets, bound


def _bind(address: Address, port: int, shared: bool) -> socket.socket:
    listening = socket.socket(address.family, socket.SOCK_STREAM)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if shared:
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        if address.family == socket.AF_INET6:
            listening.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, address.host != "::")
        # Accepted sockets inherit it. Without it, the end of a file could wait for an acknowledgement (Nagle).
        listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        listening.setblocking(False)
        listening.bind((address.host, port))
    except OSError:
        listening.close()
        raise
    return listening


def _close_all(sockets: Sequence[socket.socket]) -> None:
    for listening in sockets:
        listening.close()


def _listen_unix(config: Config) -> Listening:
    path = config.bind.removeprefix("unix:")
    listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listening.setblocking(False)
    try:
        _remove_stale(path)
        listening.bind(path)
        if config.socket_mode is not None:
            os.chmod(path, int(config.socket_mode, 8))  # before it listens, no client can connect
        listening.listen(config.backlog)
        file = _identify(path)
    except OSError as error:
        listening.close()
        raise StartError(f"cannot listen on {path}: {error.strerror}") from None
    bound = Listening([listening], [Endpoint("", 0, path)], [])
    bound.file = file
    return bound


def _identify(path: str) -> tuple[int, int]:
    status = os.lstat(path)
    return status.st_dev, status.st_ino


def _remove_stale(path: str) -> None:
    """Remove a Unix socket if no server listens on it any more; remove nothing else."""
    # A connection to a file that is not a socket is refused too.
    if not os.path.lexists(path) or not stat.S_ISSOCK(os.lstat(path).st_mode):
        return
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(PROBE_S)
        try:
            probe.connect(path)
        except ConnectionRefusedError:
            os.unlink(path)
        except OSError:
            return


def _show(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
