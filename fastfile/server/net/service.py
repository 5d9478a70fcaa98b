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
from fastfile.server.threads import Offload

if TYPE_CHECKING:
    from fastfile.relayed import Uploads
    from fastfile.server.net.http2.shared import Http2

# The most that one read takes; the rest of a longer pipeline waits in the kernel.
BUFFER_SIZE = 64 * 1024


class Limits:
    """The limits of a connection: those of the parser, timeouts in seconds, and how many bytes a client must read."""

    __slots__ = (
        "body_timeout_s",
        "head_timeout_s",
        "idle_timeout_s",
        "least_progress",
        "parser",
        "write_timeout_s",
    )

    def __init__(self, config: Config) -> None:
        self.parser = config.parser_limits
        self.head_timeout_s = config.head_timeout
        self.body_timeout_s = config.body_timeout
        self.idle_timeout_s = config.idle_timeout
        self.write_timeout_s = config.write_timeout
        self.least_progress = max(1, int(config.write_rate * config.write_timeout))  # bytes within that time


class Observers:
    """The messages to the operator, and the access log and the metrics, if there are any.

    ``see_responses``: the log or the metrics record each response.
    """

    __slots__ = ("complaints", "log", "metrics", "see_responses")

    def __init__(self, complaints: Complaints, log: AccessLog | None = None, metrics: Metrics | None = None) -> None:
        self.complaints = complaints
        self.log = log
        self.metrics = metrics
        self.see_responses = log is not None or metrics is not None


class Tails:
    """The ends of HTTP/1.1 heads: Date, Connection if it is needed, and the empty line. Made once a second."""

    __slots__ = ("_clock", "_closing", "_date_s", "_persistent", "_persistent_1_0")

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._renew()

    def choose(self, close: bool, is_current: bool) -> bytes:
        """Return the end of a head. ``is_current``: the request was HTTP/1.1.

        A client of HTTP/1.0 must be told that the connection persists (RFC 9112 §9.3).
        """
        if self._date_s != self._clock.wall_s:
            self._renew()
        if close:
            return self._closing
        return self._persistent if is_current else self._persistent_1_0

    def _renew(self) -> None:
        self._date_s = self._clock.wall_s
        self._persistent = make_tail(self._date_s, True, True)
        self._persistent_1_0 = make_tail(self._date_s, True, False)
        self._closing = make_tail(self._date_s, False, True)


class Service:
    """``clients`` counts the connections.

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
        clients: Clients,
        observers: Observers,
        offload: Offload | None = None,
        disk: Offload | None = None,
        insecure: Responder | None = None,
    ) -> None:
        self.handler = handler
        self.clock = clock
        self.poller = poller
        self.clients = clients
        self.observers = observers
        self.offload = offload
        self.disk = disk
        self.insecure = insecure
        self.http2: Http2 | None = None  # where --http allows it
        self.uploads: Uploads | None = None  # of --proxy
        self.limits = Limits(config)
        self.tails = Tails(clock)
        self.draining = False
        self.buffer = bytearray(BUFFER_SIZE)
        self.reader: RequestReader | None = None

    def drain(self, idle_timeout_s: float, head_timeout_s: float) -> None:
        """Send Connection: close from now on. Idle clients get a short grace period, in case a request is in flight."""
        self.draining = True
        limits = self.limits
        limits.idle_timeout_s = idle_timeout_s
        limits.head_timeout_s = min(limits.head_timeout_s, head_timeout_s)

    def shared_reader(self) -> RequestReader:
        """Return the reader of connections without their own; a connection that keeps it sets ``reader`` to None."""
        reader = self.reader
        if reader is None:
            reader = self.reader = RequestReader(self.limits.parser)
        return reader
