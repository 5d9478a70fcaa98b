"""Listening sockets: bound by the supervisor or opened for it, and shared out among the workers."""

from __future__ import annotations

import contextlib
import errno
import os
import socket
import stat

from fastfile.config.config import Config, Endpoint
from fastfile.errors import StartError
from fastfile.server.net.handshakes import defer

MAX_PORT_TRIES = 100  # ports after the one asked for that are tried when it is busy
PROBE_S = 1.0  # for an answer from whoever may listen on a Unix socket


class Listening:
    """The sockets of one server. ``addresses`` is what the banner says.

    ``family`` is that of TCP sockets of our own: one per worker, where the system shares a port among them
    (SO_REUSEPORT). Those that somebody else opened for us are for all workers.
    """

    def __init__(
        self,
        sockets: list[socket.socket],
        endpoints: list[Endpoint],
        notices: list[str],
        family: socket.AddressFamily | None = None,
    ) -> None:
        self.endpoints = endpoints
        self.notices = notices
        self.sockets = sockets
        self._family = family
        self._is_adopted = False

    def adopt(self) -> None:
        """Be sockets of somebody else, who opened them for us."""
        self._is_adopted = True

    def adapt(self, config: Config) -> Config:
        """Return the settings with the address that is really listened on, as sockets that were given to us say it."""
        if not self._is_adopted:
            return config
        names = [f"unix:{path}" if path else host for host, _, path in self.endpoints]
        public = [name for name in names if not name.startswith("127.") and name != "::1"]
        return config.replace(bind=[*public, *names][0], host=False)

    def shown(self) -> str:
        """Return the first address as a person would write it."""
        host, port, path = self.endpoints[0]
        return f"unix:{path}" if path else _show(host, port)

    def widen(self, config: Config) -> None:
        """Have a socket for each worker. Where one more cannot be had (a low port, as another user), they share."""
        host, port, _ = self.endpoints[0]
        if self._family is None or os.uname().sysname != "Linux" or config.workers == 1:
            return
        with contextlib.suppress(OSError):
            self.sockets[0].setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            while len(self.sockets) < config.workers:
                added = _bind(self._family, host, port, True)
                added.listen(config.backlog)
                self.sockets.append(added)

    def take(self, worker: int, workers: int) -> list[socket.socket]:
        """In a worker: return its own sockets and close the others, so that each ends with those who serve it.

        Where there are fewer sockets than workers some share one; where there are more (there were more workers), a
        worker has several: nobody's connection waits on one without a server.
        """
        count = len(self.sockets)
        own = self.sockets[worker::workers] if count >= workers else [self.sockets[worker % count]]
        if self._is_adopted:
            own = self.sockets
        for listening in self.sockets:
            if listening not in own:
                listening.close()
            elif not self._is_adopted:
                defer(listening)
        return own

    def close(self) -> None:
        """Close the sockets of this process; from then on a second close does nothing."""
        if self.sockets and not self._is_adopted:
            for endpoint in self.endpoints:
                if endpoint.path:
                    with contextlib.suppress(OSError):
                        os.unlink(endpoint.path)
        for listening in self.sockets:
            listening.close()
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
    """Bind what the configuration asks for. Raises StartError, in one line, when that cannot be had."""
    if config.bind.startswith("unix:"):
        return _listen_unix(config)
    family, host = _resolve(config)
    notices = []
    port = config.port
    while True:
        try:
            first = _bind(family, host, port, False)
            _claim(first, config.backlog)
            break
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                hint = "; a port from 1024 on needs none" if error.errno == errno.EACCES and port < 1024 else ""
                raise StartError(f"cannot listen on {_show(host, port)}: {error.strerror}{hint}") from None
            if config.strict_port or port == 0 or port >= min(config.port + MAX_PORT_TRIES, 65535):
                raise StartError(
                    f"port {config.port} of {host} is in use; choose another with --port, or --port 0 for any free one"
                ) from None
            port += 1
    if port != config.port and config.port:
        notices.append(f"port {config.port} is in use; serving on {port}")
    port = first.getsockname()[1]
    listening = Listening([first], [Endpoint(host, port)], notices, family)
    listening.widen(config)
    return listening


def _resolve(config: Config) -> tuple[socket.AddressFamily, str]:
    if config.host:
        return (socket.AF_INET6, "::") if socket.has_dualstack_ipv6() else (socket.AF_INET, "0.0.0.0")
    host = config.bind.strip("[]")
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except (OSError, UnicodeError):
        raise StartError(f"cannot listen on {host}: it is neither an address nor a name of this machine") from None
    family, _, _, _, endpoint = found[0]
    return family, str(endpoint[0])


def _claim(first: socket.socket, backlog: int) -> None:
    """Listen as the only one on the port, or raise EADDRINUSE.

    SO_REUSEPORT alone would let two servers share a port. Without it the kernel lets one socket listen, however many
    start at once; only then is the port opened to the sockets of our other workers.
    """
    try:
        first.listen(backlog)
    except OSError:
        first.close()
        raise


def _bind(family: socket.AddressFamily, host: str, port: int, shared: bool) -> socket.socket:
    listening = socket.socket(family, socket.SOCK_STREAM)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if shared:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    if family == socket.AF_INET6:
        listening.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, host != "::")
    # Accepted sockets inherit it: without it the end of a file could wait for an acknowledgement (Nagle).
    listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    listening.setblocking(False)
    try:
        listening.bind((host, port))
    except OSError:
        listening.close()
        raise
    return listening


def _listen_unix(config: Config) -> Listening:
    path = config.bind.removeprefix("unix:")
    listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listening.setblocking(False)
    try:
        _remove_stale(path)
        listening.bind(path)
        if config.socket_mode is not None:
            os.chmod(path, int(config.socket_mode, 8))  # until it listens, nobody can connect
        listening.listen(config.backlog)
    except OSError as error:
        listening.close()
        raise StartError(f"cannot listen on {path}: {error.strerror}") from None
    return Listening([listening], [Endpoint("", 0, path)], [])


def _remove_stale(path: str) -> None:
    """Remove a socket that nobody listens on any more, and nothing else."""
    # A connection to a file that is no socket is refused as well.
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
