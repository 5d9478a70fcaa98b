"""Listening sockets: made and bound by the supervisor, accepted from by the workers."""

from __future__ import annotations

import contextlib
import errno
import os
import socket
import stat
from collections.abc import Callable

from fastfile.config import Address, Config
from fastfile.errors import StartError
from fastfile.sendfile import accept
from fastfile.server.clients import Clients
from fastfile.server.complaints import Complaints
from fastfile.server.connection import Connection
from fastfile.server.poller import READ
from fastfile.server.service import Service

MAX_PORT_TRIES = 100  # ports after the one asked for that are tried when it is busy
ACCEPTS = 64  # connections taken up before those that are there already have their turn
IN_USE = 1 / 15  # of the idle timeout (5 of 75 s, all that httpd and uvicorn give): so long nobody is shed
PROBE_S = 1.0  # for an answer from whoever may listen on a Unix socket


def _deadline(connection: Connection) -> float:
    return connection.deadline_s


class Listening:
    """The sockets of one server, one per worker where the system shares a port among them (SO_REUSEPORT)."""

    def __init__(self, sockets: list[socket.socket], address: Address, notices: list[str]) -> None:
        self.sockets = sockets
        self.address = address
        self.notices = notices

    def socket_for(self, worker: int) -> socket.socket:
        return self.sockets[worker % len(self.sockets)]

    def close_others(self, worker: int) -> None:
        """In a worker: keep only its own socket, so that each is closed when its worker and the supervisor let go."""
        own = self.socket_for(worker)
        for listening in self.sockets:
            if listening is not own:
                listening.close()

    def close(self) -> None:
        """Close the sockets of this process; from then on a second close does nothing."""
        if self.address.path and self.sockets:
            with contextlib.suppress(OSError):
                os.unlink(self.address.path)
        for listening in self.sockets:
            listening.close()
        self.sockets.clear()


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
                raise StartError(f"cannot listen on {_show(host, port)}: {error.strerror}") from None
            if config.strict_port or port == 0 or port >= min(config.port + MAX_PORT_TRIES, 65535):
                raise StartError(
                    f"port {config.port} of {host} is in use; choose another with --port, or --port 0 for any free one"
                ) from None
            port += 1
    if port != config.port and config.port:
        notices.append(f"port {config.port} is in use; serving on {port}")
    port = first.getsockname()[1]
    sockets = [first]
    if config.workers > 1 and os.uname().sysname == "Linux":
        first.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        sockets += [_bind(family, host, port, True) for _ in range(config.workers - 1)]
        for listening in sockets[1:]:
            listening.listen(config.backlog)
    return Listening(sockets, Address(host, port, ""), notices)


def _resolve(config: Config) -> tuple[socket.AddressFamily, str]:
    if config.host:
        return (socket.AF_INET6, "::") if socket.has_dualstack_ipv6() else (socket.AF_INET, "0.0.0.0")
    host = config.bind.strip("[]")
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except (OSError, UnicodeError):
        raise StartError(f"cannot listen on {host}: it is neither an address nor a name of this machine") from None
    family, _, _, _, address = found[0]
    return family, str(address[0])


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
        listening.listen(config.backlog)
    except OSError as error:
        listening.close()
        raise StartError(f"cannot listen on {path}: {error.strerror}") from None
    return Listening([listening], Address("", 0, path), [])


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


class Listener:
    """Accepts connections for one worker, up to ``max_connections`` at a time. Owns the socket until stop().

    ``on_exhausted`` is told when the system has no descriptor or memory for one more (or a firewall or the network
    fails an accept, accept(2)); accepting then pauses until resume().
    """

    def __init__(
        self,
        service: Service,
        listening: socket.socket,
        max_connections: int,
        clients: Clients,
        complaints: Complaints,
        on_exhausted: Callable[[OSError], None],
    ) -> None:
        self._service = service
        self._socket = listening
        self._fd = listening.fileno()
        self._max_connections = max_connections
        self._crowded = max_connections - max_connections // 10  # HARDENING 12: shed above 90 %
        self._shed_after_s = 0.0
        self._clients = clients
        self._complaints = complaints
        self._on_exhausted = on_exhausted
        self._paused = False
        self._stopped = False
        service.poller.watch(self._fd, self, READ)

    def on_ready(self) -> None:
        self._accept(ACCEPTS)

    def _accept(self, most: int) -> None:
        for _ in range(most):
            self.shed_idle()
            if len(self._service.poller.watchers) > self._max_connections:
                self.pause()
                return
            try:
                accepted = accept(self._fd)
            except OSError as error:
                self.pause()
                self._on_exhausted(error)
                return
            if accepted is None:
                return
            # What it asks may have been sent after the checks of this pass: they do not hold for it.
            self._service.clock.begin_pass()
            self._take_up(*accepted)

    def _take_up(self, fd: int, peer: str) -> None:
        if self._clients.admit(peer):
            Connection(self._service, fd, peer).start()
            return
        os.close(fd)
        self._complaints.complain("client", f"refuses {peer}, which has as many connections as one client may have")

    def shed_idle(self) -> None:
        """Make room for who asks now where it is scarce: close the connections that have been idle the longest.

        A twentieth of all at once, since finding them is a look at all; and no more than once a second where few are
        idle. Who has been idle for a moment is somebody reading a page, not hoarding.
        """
        now_s = self._service.clock.monotonic_s
        watchers = self._service.poller.watchers
        if len(watchers) <= self._crowded or now_s < self._shed_after_s:
            return
        latest_s = now_s + self._service.idle_timeout_s * (1 - IN_USE)
        idle = [
            watcher
            for watcher in watchers.values()
            if isinstance(watcher, Connection) and watcher.is_quiet(False) and watcher.deadline_s <= latest_s
        ]
        idle.sort(key=_deadline)
        wanted = max(1, self._max_connections // 20)
        if len(idle) < wanted:
            self._shed_after_s = now_s + 1.0
        for connection in idle[:wanted]:
            connection.on_ready()  # what has arrived already gets its answer
            if connection.is_quiet(False):
                connection.close()

    def pause(self) -> None:
        """Leave new clients in the kernel's queue instead of spinning on them."""
        self._paused = True
        self._service.poller.change(self._fd, 0)

    def resume(self) -> None:
        if self._paused and not self._stopped:
            self._paused = False
            self._service.poller.change(self._fd, READ)

    def stop(self, waiting: int) -> None:
        """Take up as many as ``waiting`` who wait already, then close the socket and accept nobody more."""
        self._accept(waiting)
        self._stopped = True
        self._service.poller.change(self._fd, 0)
        self._service.poller.forget(self._fd)
        self._socket.close()
