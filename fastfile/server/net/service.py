"""State that the connections of one worker share: handler, clock, poller, limits, and the current Date."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fastfile.clock import Clock
from fastfile.config.config import Config
from fastfile.protocol.http1 import make_tail
from fastfile.responder import Responder
from fastfile.server.log.access import AccessLog
from fastfile.server.log.complaints import Complaints
from fastfile.server.metrics.counters import Metrics
from fastfile.server.net.clients import Clients
from fastfile.server.net.http1.reader import RequestReader
from fastfile.server.net.poller import Poller
from fastfile.server.net.transport import Copying
from fastfile.server.threads import Offload

if TYPE_CHECKING:
    from fastfile.http.intermediaries.forwarded import TrustedProxies
    from fastfile.relayed import Uploads
    from fastfile.server.net.http2.shared import Http2

# The most that one read takes; the rest of a longer pipeline waits in the kernel.
BUFFER_SIZE = 64 * 1024


class Service:
    """``clients`` counts the connections. Times are in seconds.

    ``offload`` does what a handler defers; without it such a request gets 503. ``disk`` waits for files that are not in
    memory; without it everybody waits. They are two, so that neither a slow disk nor slow hashes are in the way of the
    other. ``insecure`` responds to plain HTTP on a port for TLS.
    """

    def __init__(
        self,
        config: Config,
        handler: Responder,
        clock: Clock,
        poller: Poller,
        log: AccessLog | None,
        clients: Clients,
        metrics: Metrics | None = None,
        offload: Offload | None = None,
        disk: Offload | None = None,
        complaints: Complaints | None = None,
        proxies: TrustedProxies | None = None,
        insecure: Responder | None = None,
    ) -> None:
        self.handler = handler
        self.clock = clock
        self.poller = poller
        self.clients = clients
        self.log = log
        self.metrics = metrics
        self.offload = offload
        self.disk = disk
        self.complaints = complaints
        self.proxies = proxies
        self.insecure = insecure
        self.http2: Http2 | None = None  # where --http allows it
        self.uploads: Uploads | None = None  # of --proxy
        self.has_prefaces = proxies is not None and config.proxy_protocol
        self.limits = config.parser_limits
        self.head_timeout_s = config.head_timeout
        self.body_timeout_s = config.body_timeout
        self.idle_timeout_s = config.idle_timeout
        self.write_timeout_s = config.write_timeout
        self.least_progress = max(1, int(config.write_rate * config.write_timeout))  # bytes within that time
        self.draining = False
        self.is_observed = log is not None or metrics is not None
        self.buffer = bytearray(BUFFER_SIZE)
        self.copying = Copying()
        self.reader: RequestReader | None = None
        self._renew_tails()

    def drain(self, idle_timeout_s: float, head_timeout_s: float) -> None:
        """Send Connection: close from now on. Idle clients get a short grace period, in case a request is in flight."""
        self.draining = True
        self.idle_timeout_s = idle_timeout_s
        self.head_timeout_s = min(self.head_timeout_s, head_timeout_s)

    def shared_reader(self) -> RequestReader:
        """Return the reader of connections without their own; a connection that keeps it sets ``reader`` to None."""
        reader = self.reader
        if reader is None:
            reader = self.reader = RequestReader(self.limits)
        return reader

    def tail(self, close: bool, is_current: bool) -> bytes:
        """Return the end of a head: Date, Connection if it is needed, and the empty line.

        ``is_current``: the request was HTTP/1.1. A 1.0 client must be told that the connection persists (RFC 9112
        §9.3).
        """
        if self._date_s != self.clock.wall_s:
            self._renew_tails()
        if close:
            return self._closing
        return self._persistent if is_current else self._persistent_1_0

    def _renew_tails(self) -> None:
        self._date_s = self.clock.wall_s
        self._persistent = make_tail(self._date_s, True, True)
        self._persistent_1_0 = make_tail(self._date_s, True, False)
        self._closing = make_tail(self._date_s, False, True)
