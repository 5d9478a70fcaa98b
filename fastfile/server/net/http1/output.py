"""The output of an HTTP/1 connection: responses are sent at once, or through its send queue, and recorded."""

from __future__ import annotations

from concurrent.futures import Future
from functools import partial
from math import inf

from fastfile.message import UNKNOWN_SIZE, RequestHead, Response, close_source
from fastfile.protocol.http1 import head_of, make_tail
from fastfile.server.net.connection import Connection
from fastfile.server.net.http1.deferral import Deferral
from fastfile.server.net.http1.send_queue import BROKEN, COLD, DRAINED, STARVED, SendQueue
from fastfile.server.net.journal import Journal
from fastfile.server.net.poller import HANG_UP, WRITE
from fastfile.server.net.service import Service
from fastfile.server.net.states import IDLE, PENDING, READING, SENDING, WAITING
from fastfile.server.net.transport import Transport
from fastfile.upgrade import Session, Upgrade

# A client that has ended its side while its response waits for another server has usually gone; one that only finished
# writing gets what comes within this time. nginx gives it none.
HALF_CLOSED_S = 1.0


class Output(Connection):
    """Queue and journal are made when they are needed: most responses leave at once, without a log."""

    __slots__ = ("_closing", "_deferral", "_journal", "_queue", "_reading", "_requests", "_session")

    def _set_up_output(self, service: Service, transport: Transport) -> None:
        self._set_up(service, transport)
        self._queue: SendQueue | None = None  # made when the socket blocks for the first time
        self._journal: Journal | None = None  # made if there is a log or metrics
        self._reading: Future[None] | None = None  # the job that reads the next part from the disk
        self._requests = 0  # requests that have responses
        self._closing = False  # closes after the queue is sent
        self._session: Session | None = None  # takes over once all is sent
        self._deferral: Deferral | None = None  # a response after the queued ones

    def on_read(self, job: Future[None]) -> None:
        """Continue sending: the missing part is in memory now. A failed disk fails again in the call that sends."""
        if job is self._reading:
            self._reading = None
            self.state = SENDING
            self._service.poller.begin_turn()
            self.on_ready()

    def on_wake(self, number: int) -> None:
        """Continue, in the next turn, with a source that had no data for the ``number``th time.

        Not at once: the caller may be in another connection's turn, which uses the shared buffer.
        """
        if self.state == PENDING and self._queue is not None and self._queue.pends == number:
            self._wait_to_send()

    def _drop_work(self) -> None:
        """Log what was sent, and drop the rest, the source and the jobs."""
        journal, queue = self._journal, self._queue
        reading, self._reading = self._reading, None
        if reading is not None:
            reading.cancel()
        try:
            if journal is not None:
                journal.report(self._transport.peer, journal.unsent if queue is None else queue.unsent)
        finally:
            if queue is not None:
                queue.drop()
            if self._session is not None:
                close_source(self._session)  # it has not begun, and may hold something already

    def _drop_deferral(self) -> None:
        deferral, self._deferral = self._deferral, None
        assert deferral is not None
        deferral.job.cancel()

    def _put(self, head: RequestHead | None, response: Response, began_s: float) -> None:
        """Queue a response; ``head`` is None if the request could not be read.

        A body of unknown size is chunked, or ends with the connection for a client of HTTP/1.0 (RFC 9112 §6.3).
        """
        is_unknown = response.body_size == UNKNOWN_SIZE
        is_current = head is None or head.minor_version != 0
        if is_unknown and not is_current:
            self._closing = True
        tail = self._note(head, response, began_s)
        if is_unknown and is_current:
            tail = make_tail(self._service.clock.wall_s, not self._closing, True, True)
        self._send_queue().put(response, head_of(response.head), tail, is_unknown and is_current)

    def _send_at_once(self, head: RequestHead, response: Response, began_s: float) -> None:
        """Send a response when nothing is queued; only the part that the socket does not take is queued."""
        tail = self._note(head, response, began_s)
        wire_head = head_of(response.head)
        size = len(wire_head) + len(tail) + response.body_size
        journal = self._journal
        if journal is not None:
            journal.unsent = size
        if self._closing and self._session is None:
            self._transport.note_last(size)
        sent = self._transport.send_response(wire_head, tail, response.parts)
        if sent == size:
            if self._service.observers.see_responses:
                self._note_sent(sent)
                self._note_all_sent()
            return
        queue = self._send_queue()
        queue.put(response, wire_head, tail, False)
        if sent > 0:
            queue.drop_sent(sent)
            self._note_sent(sent)

    def _send_queue(self) -> SendQueue:
        queue = self._queue
        if queue is None:
            queue = self._queue = SendQueue()
        return queue

    def _note(self, head: RequestHead | None, response: Response, began_s: float) -> bytes:
        """Count a response that is about to be sent, and return the end of its head."""
        service = self._service
        self._requests += 1
        if service.observers.see_responses:
            if self._journal is None:
                self._journal = Journal(service)
            self._journal.note(head, response, began_s)
        if response.status == 101:
            assert isinstance(response, Upgrade)
            self._session = response.session
            return service.tails.choose(False, True)
        return service.tails.choose(self._closing, head is None or head.minor_version != 0)

    def _note_sent(self, sent: int) -> None:
        metrics = self._service.observers.metrics
        if metrics is not None:
            metrics.add_sent(sent)

    def _note_all_sent(self) -> None:
        if self._journal is not None:
            self._journal.note_all_sent(self._transport.peer)

    def _send(self) -> None:
        """Send the queue until it must wait."""
        service, queue = self._service, self._queue
        if queue is None:
            self._end_sending()
            return
        before = queue.sent
        outcome = queue.pump(self._transport, service.poller, service.clock)
        while outcome == COLD and not self._read_from_disk(queue):
            queue.trust_cache()
            outcome = queue.pump(self._transport, service.poller, service.clock)
        self._note_sent(queue.sent - before)
        if outcome == DRAINED:
            self._end_sending()
        elif outcome == BROKEN:
            self._abort()
        elif outcome == STARVED:
            self._wait_for_source(queue)
        elif outcome != COLD:
            self._wait_to_send()

    def _end_sending(self) -> None:
        if self.state == SENDING:
            self.state = IDLE if self._deferral is None else WAITING
        self._note_all_sent()

    def _read_from_disk(self, queue: SendQueue) -> bool:
        """Have a thread read the part that the queue needs, and continue then (on_read); False if none can."""
        service = self._service
        if service.disk is None:
            return False
        self._reading = service.disk.submit(queue.reading(), self.on_read)
        if self._reading is None:
            return False
        self.state = READING
        self.deadline_s = service.clock.monotonic_s + service.limits.write_timeout_s
        self._wait_for(0)
        return True

    def _wait_for_source(self, queue: SendQueue) -> None:
        """Wait until the source wakes the connection, or the client hangs up; the source decides how long."""
        self.state = PENDING
        self.deadline_s = inf
        self._wait_for(HANG_UP)
        queue.call_when_ready(partial(self.on_wake, queue.pends))

    def _wait_to_send(self) -> None:
        """Wait for the client; the timeout restarts only when it has read as much as the least rate requires."""
        service, queue = self._service, self._queue
        if self.state != SENDING or queue is None or queue.progress >= service.limits.least_progress:
            self.deadline_s = service.clock.monotonic_s + service.limits.write_timeout_s
            if queue is not None:
                queue.progress = 0
        self.state = SENDING
        self._wait_for(WRITE)

    def _is_sending(self) -> bool:
        return self._queue is not None and self._queue.has_any()

    def _wait(self) -> None:
        """Wait for the job, as long as for a client that reads nothing: all earlier responses are sent."""
        service, deferral = self._service, self._deferral
        if deferral is not None and deferral.is_timed:
            self.deadline_s = inf
            self._wait_for(HANG_UP)
            return
        self.deadline_s = service.clock.monotonic_s + service.limits.write_timeout_s
        self._wait_for(0)

    def _look_at_client(self) -> None:
        """Close if the client has gone while its response is not there yet."""
        if self._has_hung_up():
            self.close()
        elif self._interest == HANG_UP:
            self.deadline_s = self._service.clock.monotonic_s + HALF_CLOSED_S
            self._wait_for(0)
