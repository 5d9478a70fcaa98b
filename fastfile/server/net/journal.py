"""Responses of one connection that the access log and the metrics have not recorded yet."""

from __future__ import annotations

from time import monotonic

from fastfile.message import RequestHead, Response
from fastfile.server.log.lines import Client, Exchange
from fastfile.server.net.clients import format_address
from fastfile.server.net.service import Service


class Journal:
    """Exists only if a connection is logged or measured. ``unsent`` are the bytes of a response that is being sent."""

    __slots__ = ("_began_s", "_client", "_peer", "_service", "_unlogged", "_unmeasured", "unsent")

    def __init__(self, service: Service) -> None:
        self._service = service
        self._client: Client | None = None  # the log's cache for the last client; behind a proxy there are several
        self._peer = b""  # its address
        self._unlogged: list[Exchange] = []
        self._unmeasured = 0  # responses whose time --metrics counts when they are sent
        self._began_s = 0.0  # when the first of them was requested
        self.unsent = 0

    def note(self, head: RequestHead | None, response: Response, began_s: float) -> None:
        """Note a response that is about to be sent."""
        observers = self._service.observers
        if observers.log is not None:
            self._unlogged.append((head, response, began_s))
        if observers.metrics is not None:
            observers.metrics.count(head, response)
            if self._unmeasured == 0:
                self._began_s = began_s
            self._unmeasured += 1

    def note_all_sent(self, peer: bytes) -> None:
        """Record the noted responses: all of them were sent."""
        self.unsent = 0
        if self._unlogged:
            self.report(peer, 0)
        metrics = self._service.observers.metrics
        if metrics is not None and self._unmeasured:
            metrics.measure(monotonic() - self._began_s, self._unmeasured)
            self._unmeasured = 0

    def report(self, peer: bytes, unsent: int) -> None:
        """Log the noted responses, of which the last ``unsent`` bytes were not sent."""
        log = self._service.observers.log
        if log is None or not self._unlogged:
            return
        sizes = self._sent_sizes(unsent) if unsent else None
        unlogged, self._unlogged = self._unlogged, []
        for index, exchange in enumerate(unlogged):
            head, response = exchange[0], exchange[1]
            client = peer if head is None else head.peer
            if self._client is None or client != self._peer:
                self._client, self._peer = log.make_client(format_address(client)), client
            body_size = response.body_size if sizes is None else sizes[index]
            log.record(self._client, exchange, body_size, self._service.clock.wall_s)

    def record(self, head: RequestHead, response: Response, began_s: float, body_size: int) -> None:
        """Report a response that is over, apart from those that were noted; note() did not count it."""
        observers = self._service.observers
        if observers.log is not None:
            if self._client is None or head.peer != self._peer:
                self._client, self._peer = observers.log.make_client(format_address(head.peer)), head.peer
            observers.log.record(self._client, (head, response, began_s), body_size, self._service.clock.wall_s)
        if observers.metrics is not None:
            observers.metrics.measure(monotonic() - began_s, 1)

    def _sent_sizes(self, unsent: int) -> list[int]:
        """Return how many bytes of each body were sent, given the unsent bytes at the end."""
        sizes = []
        for _, response, _ in reversed(self._unlogged):
            missing = min(unsent, response.body_size)
            unsent -= missing
            sizes.append(response.body_size - missing)
        return sizes[::-1]
