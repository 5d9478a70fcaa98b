"""Accepts the connections of one worker, as many as it may have."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable

from fastfile.sendfile import accept
from fastfile.server.clients import Clients
from fastfile.server.complaints import Complaints
from fastfile.server.connection import Connection
from fastfile.server.poller import READ
from fastfile.server.service import Service

ACCEPTS = 64  # connections taken up before those that are there already have their turn
IN_USE = 1 / 15  # of the idle timeout (5 of 75 s, all that httpd and uvicorn give): so long nobody is shed


def _deadline(connection: Connection) -> float:
    return connection.deadline_s


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
