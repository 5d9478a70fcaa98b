"""The end of a worker: it stops accepting, and what its clients have begun is finished (--grace, --drain-timeout)."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterable, Sequence
from typing import Protocol

from fastfile.clock import Clock
from fastfile.config.config import Config
from fastfile.server.net.clients import Clients
from fastfile.server.net.handshakes import LONGEST_S, LOOK_S, Handshakes, undefer
from fastfile.server.net.listener import Listener
from fastfile.server.net.poller import Poller
from fastfile.server.net.service import Service
from fastfile.server.net.sweep import connections_of

# The first request of a connected, silent client may be in flight.
SILENT_GRACE_S = 0.7
# The rest of a request head may be, and one lost packet delays it by a second. --head-timeout can be above --grace.
HEAD_GRACE_S = 2.0


class Unending(Protocol):
    """Connections that do not end by themselves: the pages of --live, the WebSockets of --proxy."""

    def close(self) -> None: ...


class Draining:
    """Ends ``loop`` when the last connection has ended, or when its time is over."""

    def __init__(
        self,
        config: Config,
        loop: asyncio.AbstractEventLoop,
        clock: Clock,
        poller: Poller,
        clients: Clients,
        services: Sequence[Service],
        listeners: Sequence[Listener],
        unending: Iterable[Unending],
    ) -> None:
        self._config = config
        self._loop = loop
        self._clock = clock
        self._poller = poller
        self._clients = clients
        self._services = services
        self._listeners = listeners
        self._unending = unending
        self._handshakes = Handshakes()
        self._begun_s: float | None = None

    def stop(self) -> None:
        """Accept the clients that wait, then no more; finish requests in flight within ``grace``."""
        self._loop.call_later(self._config.grace, self._loop.stop)
        if self._begun_s is None:
            self._begun_s = self._begin(HEAD_GRACE_S)
            sockets = [listener.listening for listener in self._listeners]
            self._take_up([each for each in sockets if undefer(each)], self._begun_s + LONGEST_S)
        self._close_quiet(False)

    def retire(self) -> None:
        """Stop accepting because a successor serves, and finish all transfers within ``drain_timeout``.

        Idle clients have as long as silent ones to send their next request; its response has Connection: close.
        """
        if self._begun_s is None:
            self._loop.call_later(self._config.drain_timeout, self._loop.stop)
            self._begun_s = self._begin(self._config.head_timeout)
            self._stop_listening(0)

    def _begin(self, head_grace_s: float) -> float:
        """Tell clients that the end is near, and return the time."""
        self._clock.begin_batch()
        for service in self._services:
            service.drain(SILENT_GRACE_S, head_grace_s)
        for connection in connections_of(self._poller):
            connection.drain()
        for each in self._unending:
            each.close()
        return self._loop.time()

    def _take_up(self, deferring: Sequence[socket.socket], until_s: float) -> None:
        """Accept the clients that have connected, and keep listening while the kernel holds some of them back."""
        if self._loop.time() < until_s and any(map(self._handshakes.are_pending, deferring)):
            self._loop.call_later(LOOK_S, self._take_up, deferring, until_s)
        else:
            self._clock.begin_batch()
            self._stop_listening(self._config.backlog)

    def _stop_listening(self, waiting: int) -> None:
        assert self._begun_s is not None
        for listener in self._listeners:
            listener.stop(waiting)
        self._loop.call_at(self._begun_s + SILENT_GRACE_S, self._close_quiet, True)
        self._end_if_drained()

    def _end_if_drained(self) -> None:
        if self._poller.count:
            self._clients.call_when_left(self._end_if_drained)
        else:
            self._loop.stop()

    def _close_quiet(self, silent_too: bool) -> None:
        self._clock.begin_batch()
        for connection in connections_of(self._poller):
            if connection.is_quiet(silent_too):
                connection.on_ready()  # a request that has already arrived gets its response
                if connection.is_quiet(silent_too):
                    connection.leave()
