"""What the access log and the metrics have yet to hear of the responses of one connection."""

from __future__ import annotations

from time import monotonic

from fastfile.message import RequestHead, Response
from fastfile.server.log.lines import Client, Exchange
from fastfile.server.net.clients import format_address
from fastfile.server.net.service import Service


class Journal:
    """Made for a connection that is logged or measured. ``unsent`` are the bytes of a response that is being sent."""

    __slots__ = ("_began_s", "_client", "_peer", "_service", "_unlogged", "_unmeasured", "unsent")

    def __init__(self, service: Service) -> None:
        self._service = service
        self._client: Client | None = None  # what the log remembers of the last client; behind a proxy there are more
        self._peer = b""  # its address
        self._unlogged: list[Exchange] = []
        self._unmeasured = 0  # responses of which --metrics counts the time, once they have left
        self._began_s = 0.0  # when the first of them was asked for
        self.unsent = 0

    def note(self, head: RequestHead | None, response: Response, began_s: float) -> None:
        """Note a response that is to be sent."""
        service = self._service
        if service.log is not None:
            self._unlogged.append((head, response, began_s))
        if service.metrics is not None:
            service.metrics.count(head, response)
            if self._unmeasured == 0:
                self._began_s = began_s
            self._unmeasured += 1

    def note_all_sent(self, peer: bytes) -> None:
        """Report what was noted: all of it has left."""
        self.unsent = 0
        if self._unlogged:
            self.report(peer, 0)
        metrics = self._service.metrics
        if metrics is not None and self._unmeasured:
            metrics.measure(monotonic() - self._began_s, self._unmeasured)
            self._unmeasured = 0

    def report(self, peer: bytes, unsent: int) -> None:
        """Log the responses that were noted; the last ``unsent`` bytes of them have not left."""
        log = self._service.log
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

    def _sent_sizes(self, unsent: int) -> list[int]:
        """Return how much of each body has left: what is unsent is the end of what was to be sent."""
        sizes = []
        for _, response, _ in reversed(self._unlogged):
            missing = min(unsent, response.body_size)
            unsent -= missing
            sizes.append(response.body_size - missing)
        return sizes[::-1]
