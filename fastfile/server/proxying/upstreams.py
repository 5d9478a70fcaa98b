"""What all forwarded requests of a worker share: the connector, the limit of connections, and their end."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Callable
from typing import Any

from fastfile.clock import Clock
from fastfile.config.config import Config
from fastfile.config.proxy_values import Upstream
from fastfile.message import RequestHead
from fastfile.middleware.proxy import Forward, Proxy
from fastfile.responder import Responder
from fastfile.server.log.complaints import Complaints
from fastfile.server.metrics.counters import Metrics
from fastfile.server.net.clients import Clients
from fastfile.server.net.poller import Poller
from fastfile.server.proxying.connector import Connector
from fastfile.server.proxying.exchange import Exchange
from fastfile.server.proxying.streams import Stream, make_context, make_stream
from fastfile.server.proxying.tunnel import TunnelSession


class Upstreams:
    """Made before the sandbox, because it reads the certificates of authorities. ``end`` is a socket to a helper."""

    def __init__(
        self,
        end: socket.socket,
        config: Config,
        loop: asyncio.AbstractEventLoop,
        clock: Clock,
        poller: Poller,
        clients: Clients,
        complaints: Complaints,
        metrics: Metrics | None,
        on_failure: Callable[[BaseException], None],
        on_lost: Callable[[], None],
    ) -> None:
        self.config = config
        self.loop = loop
        self.clock = clock
        self.poller = poller
        self.connector = Connector(end, loop, on_lost)
        self._clients = clients
        self._complaints = complaints
        self._metrics = metrics
        self._on_failure = on_failure
        self._context: ssl.SSLContext | None = None
        if any(upstream.is_secure for upstream in config.proxy):
            self._context = make_context()
        self._proxy: Proxy | None = None
        self._open: set[Exchange | TunnelSession] = set()

    def wrap(self, handler: Responder) -> Proxy:
        """Return the middleware of --proxy around a handler."""
        self._proxy = proxy = Proxy(handler, self.config, self.send)
        return proxy

    def takes(self, head: RequestHead) -> bool:
        """Tell whether a request is forwarded with its body (relayed.Uploads)."""
        return self._proxy is not None and self._proxy.takes(head)

    def send(self, forward: Forward) -> Exchange:
        """Return the work that forwards a request."""
        return Exchange(self, forward)

    def admit(self, exchange: Exchange) -> bool:
        """Give a connection to an exchange; False if all are in use."""
        if len(self._open) >= self.config.proxy_connections:
            return False
        self._open.add(exchange)
        return True

    def replace(self, exchange: Exchange, session: TunnelSession) -> None:
        """Give the connection of an exchange to a tunnel."""
        self._open.discard(exchange)
        self._open.add(session)

    def release(self, user: Exchange | TunnelSession) -> None:
        """Note that a connection is closed, for a stop that waits: the poller counted it as a client's."""
        self._open.discard(user)
        self._clients.release(b"")

    def close(self) -> None:
        """Close all WebSockets, which never end on their own; pages connect again, to another worker."""
        for user in list(self._open):
            if isinstance(user, TunnelSession):
                user.close()

    def make_stream(self, connected: socket.socket, upstream: Upstream) -> Stream:
        return make_stream(connected, upstream, self._context)

    def count(self, has_failed: bool) -> None:
        """Count a request that was forwarded."""
        if self._metrics is not None:
            self._metrics.count_forwarded(has_failed)

    def complain(self, upstream: Upstream, text: str) -> None:
        """Tell the operator of an upstream that fails."""
        self._complaints.complain(upstream.url, text)

    def call(self, function: Callable[..., Any], argument: object) -> None:
        """Call a function; a failure is reported, and ends nothing else."""
        try:
            function(argument)
        except Exception as error:
            self._on_failure(error)
