"""Accepts the connections of one worker, up to its limit."""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import TYPE_CHECKING

from fastfile.sendfile import accept, close
from fastfile.server.net.clients import format_address
from fastfile.server.net.connection import Connection
from fastfile.server.net.handshakes import kept_s
from fastfile.server.net.http1.connection import make_connection
from fastfile.server.net.poller import READ, Watcher
from fastfile.server.net.service import Service
from fastfile.server.net.transport import Copying, Transport, make_plain_transport

if TYPE_CHECKING:
    from fastfile.server.net.tls.transport import TlsEndpoint

ACCEPTS = 64  # connections to accept before existing ones have their turn
SECURE_ACCEPTS = 4  # the same for connections that begin with a handshake: OpenSSL does half of it at once, 0.3 ms
TOGETHER = 16  # of them share a batch, and so the checks of the requested files; each holds its input
SILENT_S = 0.5  # a silent connection is closed only after this time: a few round trips of a slow network
IN_USE = 1 / 15  # share of the idle timeout before an idle connection may be closed: 5 of 75 s, the whole of httpd's


def _deadline(connection: Connection) -> float:
    return connection.deadline_s


class Listener(Watcher):
    """Accepts connections for one worker, up to ``max_connections`` at a time. Owns the socket until stop().

    ``on_exhausted`` is called when the system has no descriptor or memory for another connection, or when a firewall or
    the network fails an accept (accept(2)); accepting then pauses until resume(). ``tls`` is the state that connections
    of an HTTPS port share.
    """

    def __init__(
        self,
        service: Service,
        listening: socket.socket,
        max_connections: int,
        on_exhausted: Callable[[OSError], None],
        tls: TlsEndpoint | None = None,
    ) -> None:
        self._service = service
        self.listening = listening
        self._fd = listening.fileno()
        self._kept_s = kept_s(listening)
        self._max_connections = max_connections
        self._crowded = max_connections - max_connections // 10  # above it, long-idle connections are closed
        self._shed_after_s = 0.0
        self._copying = Copying()
        self._tls = tls
        self._on_exhausted = on_exhausted
        self._paused = False
        self._stopped = False
        service.poller.watch(self._fd, self, READ)

    def on_ready(self) -> None:
        self._accept(ACCEPTS if self._tls is None else SECURE_ACCEPTS)

    def _accept(self, most: int) -> None:
        failed: Exception | None = None
        more = True
        while more and most > 0:
            fresh: list[Connection] = []
            said: list[bytearray] = []
            try:
                more = self._gather(fresh, said, min(most, TOGETHER))
            except Exception as error:  # connections accepted before it are still served
                failed = error
                more = False
            most -= TOGETHER
            # Their requests may have been sent after the file checks of this batch. They are read by now, so the checks
            # of a batch that begins now are valid for all of them.
            is_checked = False
            for connection in fresh:
                try:
                    if not is_checked:
                        self._service.clock.divide_batch()
                        is_checked = True
                    self._service.poller.begin_turn()
                    connection.start(said.pop(0))
                    self._service.poller.end_turn()
                except Exception as error:
                    failed = error
                    connection.close()
        if failed is not None:
            try:
                raise failed
            finally:
                failed = None  # its frames hold descriptors, and this one would hold it

    def _gather(self, fresh: list[Connection], said: list[bytearray], most: int) -> bool:
        """Accept up to ``most`` clients and read their input; False if no other waits, or none may be accepted."""
        service = self._service
        for _ in range(most):
            self.shed_idle()
            if service.poller.count + len(fresh) > self._max_connections:
                self.pause()
                return False
            try:
                accepted = accept(self._fd)
            except OSError as error:
                self.pause()
                self._on_exhausted(error)
                return False
            if accepted is None:
                return False
            fd, address = accepted
            try:
                is_admitted = service.clients.admit(address)
            except BaseException:  # no memory
                close(fd)
                raise
            if not is_admitted:
                close(fd)
                peer = format_address(address)
                service.observers.complaints.complain("client", f"refuses {peer}: it has reached --max-per-client")
                continue
            connection: Connection | None = None
            try:
                connection = make_connection(service, self._make_transport(fd, address))
                data = connection.read_first(self._kept_s)
                if data is not None:
                    said.append(data)
                    fresh.append(connection)
            except BaseException:
                del said[len(fresh) :]
                self._drop(connection, fd, address)
                raise
        return True

    def _make_transport(self, fd: int, address: bytes) -> Transport:
        if self._tls is None:
            return make_plain_transport(fd, address, self._copying)
        return self._tls.make_transport(fd, address, self._service.clients.send_preface(address))

    def _drop(self, connection: Connection | None, fd: int, address: bytes) -> None:
        """Close a connection that could not be set up or kept."""
        if connection is not None:
            connection.close()
            return
        try:
            close(fd)
        finally:
            self._service.clients.release(address)

    def shed_idle(self) -> None:
        """Close the connections that have been idle longest, so that a nearly full worker has room for new ones.

        Connections that never sent a byte go first: a client sends its request as soon as it is connected, or can
        connect again (a browser that connected early, for example). The sweep closes a twentieth of all connections at
        once, because finding them takes a look at each, and runs at most once a second while few are idle. A connection
        that has been idle for a moment belongs to a reader of a page, and stays.
        """
        service = self._service
        now_s = service.clock.monotonic_s
        poller = service.poller
        if poller.count <= self._crowded or now_s < self._shed_after_s:
            return
        silent_s = now_s + service.limits.head_timeout_s - SILENT_S
        idle_s = now_s + service.limits.idle_timeout_s * (1 - IN_USE)
        idle = [
            watcher
            for watcher in poller.watchers()
            if isinstance(watcher, Connection)
            and watcher.is_quiet(True)
            and watcher.deadline_s <= (idle_s if watcher.is_quiet(False) else silent_s)
        ]
        idle.sort(key=_deadline)
        wanted = max(1, self._max_connections // 20)
        if len(idle) < wanted:
            self._shed_after_s = now_s + 1.0
        for connection in idle[:wanted]:
            connection.on_ready()  # a request that has already arrived gets its response
            if connection.is_quiet(True):
                connection.close()

    def pause(self) -> None:
        """Leave new clients in the kernel's queue until a connection ends, instead of spinning."""
        self._paused = True
        self._service.clients.call_when_left(self.resume)
        self._service.poller.change(self._fd, 0)

    def resume(self) -> None:
        if self._paused and not self._stopped:
            self._paused = False
            self._service.poller.change(self._fd, READ)

    def stop(self, waiting: int) -> None:
        """Accept up to ``waiting`` clients that already wait, then close the socket."""
        self._accept(waiting)
        self._stopped = True
        self._service.poller.change(self._fd, 0)
        self._service.poller.forget(self._fd)
        self.listening.close()
