"""Deferred responses on an HTTP/2 connection: the jobs of its streams, and the limit on heavy work."""

from __future__ import annotations

from concurrent.futures import Future
from functools import partial
from math import inf
from typing import Any

from fastfile.errors import HTTPError, make_busy, make_too_large
from fastfile.message import Deferred, Response, ResponseHead, close_source
from fastfile.protocol.http2.budget import MAX_HEAVY
from fastfile.protocol.http2.constants import ConnectionFailure
from fastfile.server.net.http2.output import Http2Output
from fastfile.server.net.http2.shared import Http2
from fastfile.server.net.http2.transfer import Transfer
from fastfile.server.net.poller import READ, WRITE
from fastfile.server.net.service import Service
from fastfile.server.net.states import BODY, CLOSED, LINGERING, WAITING
from fastfile.server.net.transport import Transport


class Http2Deferral(Http2Output):
    """Takes each request from its head to the start of its response, also if a thread has to work first.

    While MAX_HEAVY heavy jobs are in progress the connection is "holding": its next requests wait.
    """

    __slots__ = ("_heavy", "_is_holding")

    def __init__(self, service: Service, transport: Transport, shared: Http2) -> None:
        super().__init__(service, transport, shared)
        self._heavy = 0  # heavy jobs that have not ended, also those of ended streams
        self._is_holding = False  # requests wait until there is less heavy work: they are WAITING without a job

    def _end_turn(self) -> None:
        """Send as much as possible, and decide what to wait for."""
        raise NotImplementedError

    def on_result(self, transfer: Transfer, deferred: Deferred, job: Future[Any]) -> None:
        """Continue with the result of a job for a response; an ended stream ignores it, and is charged for it."""
        if deferred.is_heavy():
            self._end_heavy()
        if transfer.job is not job or transfer.state != WAITING:
            self._charge(getattr(job, "cost_s", 0.0))
            return
        transfer.job = None
        self._service.poller.begin_turn()
        head = transfer.stream.head
        try:
            try:
                answer = deferred.finish(job)
            except HTTPError as error:
                answer = self._service.handler.refuse(error, head)
            self._advance(transfer, answer)
            self._end_turn()
        except OSError:
            self._fail()
        except BaseException:
            self._fail()
            raise

    def _charge(self, cost_s: float) -> None:
        """Charge work that was done in vain."""
        if cost_s and self.state not in (LINGERING, CLOSED):
            try:
                self._session.budget.spend_time(cost_s)
            except ConnectionFailure as failure:
                self._service.poller.begin_turn()
                self._end(failure.code, failure.detail)
                self._end_own_turn()

    def _end_heavy(self) -> None:
        """Count the end of heavy work; requests that wait for it go on in the next turn."""
        self._heavy -= 1
        if self._is_holding and self.state != CLOSED and not self._session.has_ended():
            self._is_behind = True
            self._wait_for(READ | WRITE)

    def _end_own_turn(self) -> None:
        """End a turn that no event of the socket began: if the socket fails, only this connection ends."""
        try:
            self._end_turn()
        except OSError:
            self._fail()
        except BaseException:
            self._fail()
            raise

    def _answer(self, transfer: Transfer) -> None:
        """Respond to the request of a transfer, or let it wait."""
        service = self._service
        if self._is_holding:
            transfer.state = WAITING
            transfer.deadline_s = service.clock.monotonic_s + service.limits.write_timeout_s
        else:
            self._advance(transfer, service.handler.respond(transfer.stream.head))

    def _resume(self) -> None:
        """Respond to requests that wait, in order, until there is too much heavy work or the turn is over."""
        service = self._service
        for transfer in [each for each in self._transfers if each.state == WAITING and each.job is None]:
            if self._heavy >= MAX_HEAVY:
                return
            if service.poller.is_turn_over():
                self._is_behind = True
                return
            if transfer.state == WAITING:  # the connection may end meanwhile
                self._advance(transfer, service.handler.respond(transfer.stream.head))
        self._is_holding = self._heavy >= MAX_HEAVY

    def _advance(self, transfer: Transfer, answer: Response | Deferred) -> None:
        """Take the next step with a request whose response may be deferred."""
        head = transfer.stream.head
        if isinstance(answer, Deferred):
            service = self._service
            transfer.state = WAITING
            if service.offload is not None:
                transfer.job = service.offload.submit(answer.work, partial(self.on_result, transfer, answer))
            if transfer.job is not None:
                transfer.is_heavy = answer.is_heavy()
                if transfer.is_heavy:
                    self._heavy += 1
                    self._is_holding = self._is_holding or self._heavy >= MAX_HEAVY
                is_timed = getattr(transfer.job, "is_timed", False)  # the job has deadlines of its own
                if is_timed:
                    transfer.job.on_interim = partial(self.put_interim, transfer)  # type: ignore[attr-defined]
                transfer.deadline_s = inf if is_timed else service.clock.monotonic_s + service.limits.write_timeout_s
                return
            answer = service.handler.refuse(make_busy(), head)
        if transfer.stream.is_complete or transfer.body is not None:
            self._begin(transfer, answer)
        else:
            self._decide_on_body(transfer, answer)

    def put_interim(self, transfer: Transfer, head: ResponseHead) -> None:
        """Send an interim response to a request that waits for its response (RFC 9110 §15.2)."""
        if self.state != CLOSED and transfer.state == WAITING:
            self._session.put_head(transfer.stream.id, head, b"", False)
            self._wait_for(READ | WRITE)

    def _decide_on_body(self, transfer: Transfer, response: Response) -> None:
        """Refuse a body before it is sent, or request it and keep the response until the body is read."""
        service, head = self._service, transfer.stream.head
        if response.status >= 400:
            self._begin(transfer, response)
        elif head.content_length > service.limits.parser.body:
            close_source(response.source)
            self._refuse(transfer, make_too_large())
        else:
            transfer.response = response
            transfer.state = BODY
            transfer.deadline_s = service.clock.monotonic_s + service.limits.body_timeout_s
            if head.expect is not None:
                self._session.put_continue(transfer.stream)
