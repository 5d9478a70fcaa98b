"""An HTTP/2 connection: requests and responses on streams that share it (RFC 9113).

The path of a request: on_ready → _go_on → _take_events, which calls the handler → _deliver, at once or by a transfer
(output.py) → _pump → _settle (what comes next). A wait of a stream, for a deferred response, a disk, a source or a
window, blocks only that stream.
"""

from __future__ import annotations

from math import inf

from fastfile.errors import HTTPError, make_too_large, make_unexpected
from fastfile.message import Deferred, RequestHead
from fastfile.protocol.http2.constants import ENHANCE_YOUR_CALM, NO_ERROR, ConnectionFailure
from fastfile.protocol.http2.control import BODY as BODY_EVENT
from fastfile.protocol.http2.control import MORE, PAUSE, REQUEST, RESET, TOO_LARGE
from fastfile.protocol.http2.stream import Stream
from fastfile.server.net.http1.deferral import is_continue
from fastfile.server.net.http2.deferral import Http2Deferral
from fastfile.server.net.http2.output import FULL
from fastfile.server.net.http2.shared import Http2
from fastfile.server.net.http2.transfer import Transfer
from fastfile.server.net.poller import READ, WRITE
from fastfile.server.net.service import Service
from fastfile.server.net.states import BODY, CLOSED, HEAD, IDLE, LINGERING, SENDING
from fastfile.server.net.states import MORE as MORE_FOLLOWS
from fastfile.server.net.transport import SECURE, WOULD_BLOCK_READ, Transport

# After this many requests of a batch the time is checked.
LOOK_EACH = 4


class Http2Connection(Http2Deferral):
    """Takes over from HTTP/1 once the preface of a client has begun to arrive."""

    __slots__ = ("_answered_id", "_covered", "_is_deaf", "_sending_until_s")

    def __init__(self, service: Service, transport: Transport, shared: Http2) -> None:
        super().__init__(service, transport, shared)
        self._answered_id = 0  # the last stream when it was idle
        self._covered: bytes | None = None  # the last authority that the certificate is for
        self._is_deaf = False  # the client has ended its side, and the responses in progress are the last ones
        self._sending_until_s = inf  # the deadline of written but unsent frames

    def take_over(self, interest: int, deadline_s: float) -> None:
        """Take the socket from the previous connection; ``interest`` is that connection's."""
        self.deadline_s = deadline_s
        self._interest = interest
        if interest >= 0:
            self._service.poller.replace(self._transport.fd, self)

    def is_quiet(self, silent_too: bool) -> bool:
        return self.state == IDLE or (silent_too and self.state == HEAD and self._session.last_id == 0)

    def drain(self) -> None:
        """Tell the client to open a new connection for its next requests; those in flight are served."""
        if self.state not in (LINGERING, CLOSED) and not self._session.has_ended():
            self._session.put_goaway(NO_ERROR, "", False)
            self._end_own_turn()

    def leave(self) -> None:
        if self.state not in (LINGERING, CLOSED):
            self._end(NO_ERROR, "")
            self._end_own_turn()

    def _process(self, data: bytearray, count: int) -> None:
        self._session.receive(data, count, self._service.clock.monotonic_s)
        self._take_events()
        self._end_turn()

    def _go_on(self) -> None:
        if self.state == LINGERING:
            self._linger()
            return
        if self.state == CLOSED:
            return
        if self._is_deaf and self._has_hung_up():
            self.close()
            return
        if self._session.writer.size > FULL and not self._flush():
            self._settle()
            return
        if self._is_behind:
            self._take_events()
        elif not self._session.has_ended() and not self._is_deaf:
            buffer = self._service.buffer
            count = self._transport.recv_into(buffer)
            if count == 0:
                self._is_deaf = True
            elif count > 0:
                self._session.receive(buffer, count, self._service.clock.monotonic_s)
                self._take_events()
            elif count != WOULD_BLOCK_READ:
                self._is_behind = True  # it has to write before it can read
        self._end_turn()

    def _end_turn(self) -> None:
        """Send as much as possible, and decide what to wait for."""
        if self._pump():
            self._is_behind = True
        if self.state != CLOSED:
            self._settle()

    def _take_events(self) -> None:
        """Respond to the requests that have arrived, until too much output is pending or the turn is over."""
        session, poller = self._session, self._service.poller
        self._is_behind = False
        try:
            event = session.next_event()
            while event != MORE:
                if event == REQUEST:
                    self._respond()
                elif event == PAUSE:
                    self._is_behind = True
                    break
                elif event == RESET:
                    self._on_reset(session.stream)
                else:
                    self._on_body(event)
                if session.writer.size > FULL and not self._flush():
                    self._is_behind = True
                    break
                if session.stream_id % (2 * LOOK_EACH) == 1 and poller.is_turn_over():
                    self._is_behind = True
                    break
                event = session.next_event()
            if self._is_holding and not self._is_behind:
                self._resume()
        except ConnectionFailure as failure:
            self._end(failure.code, failure.detail)
        session.end_batch()

    def _respond(self) -> None:
        """Respond to the request of the current event."""
        session, service = self._session, self._service
        head = session.head
        assert head is not None
        refusal = self._check(head)
        if refusal is not None:
            self._deliver(head, service.handler.refuse(refusal, head), service.clock.monotonic_s)
            return
        if self._is_holding:
            self._answer(self._transfer(service.clock.monotonic_s))
            return
        answer = service.handler.respond(head)
        if isinstance(answer, Deferred):
            self._advance(self._transfer(service.clock.monotonic_s), answer)
        else:
            self._deliver(head, answer, service.clock.monotonic_s)

    def _check(self, head: RequestHead) -> HTTPError | None:
        """Return the error of a head, and record who sent it, and how."""
        transport = self._transport
        head.peer = transport.peer
        head.is_secure = transport.kind == SECURE
        proxies = self._service.clients.proxies
        if proxies is not None:
            head.peer = proxies.find_client(head.peer, head.field(b"x-forwarded-for"), head.field(b"forwarded"))
        refusal: HTTPError | None = self._session.heads.refusal
        if refusal is None and head.is_secure and head.authority is not self._covered:
            if not transport.covers(head.authority):  # RFC 9110 §7.4, RFC 9113 §9.1.2
                return HTTPError(421, "The certificate of this connection is not for that host: open another one.")
            self._covered = head.authority
        if refusal is None and head.expect is not None and not is_continue(head.expect):
            return make_unexpected()
        return refusal

    def respond_to(self, transfer: Transfer, head: RequestHead) -> None:
        """Respond to an upload."""
        self._advance(transfer, self._service.handler.respond(head))

    def widen(self, stream: Stream, size: int) -> None:
        """Let the client send ``size`` more bytes of a body: as many were passed on."""
        if self.state != CLOSED and not self._session.has_ended():
            self._session.widen(stream, size)
            self._wait_for(READ | WRITE)

    def invite(self, stream: Stream) -> None:
        """Send 100 Continue on a stream."""
        if self.state != CLOSED and not stream.is_closed:
            self._session.put_continue(stream)
            self._wait_for(READ | WRITE)

    def _on_reset(self, stream: Stream | None) -> None:
        if stream is None or stream.transfer is None:
            return
        transfer: Transfer = stream.transfer  # type: ignore[assignment]
        price = transfer.reset_price()
        self._forget(transfer)
        self._session.budget.spend(price)

    def _on_body(self, event: int) -> None:
        """Read a body before the response, so that a malformed request gets no response."""
        stream = self._session.stream
        assert stream is not None
        if event == BODY_EVENT:
            self._begin_body(stream)
            return
        transfer: Transfer = stream.transfer  # type: ignore[assignment]
        body = transfer.body
        if body is not None:
            body.call_wake()
            return
        if transfer.state != BODY:
            return  # the response has begun, or will, without the body
        if event == TOO_LARGE:
            self._refuse(transfer, make_too_large())
        elif transfer.response is not None:
            self._begin(transfer, transfer.response)
        else:
            self._answer(transfer)

    def _begin_body(self, stream: Stream) -> None:
        service, head = self._service, stream.head
        now_s = service.clock.monotonic_s
        transfer = stream.transfer = Transfer(stream, BODY, now_s, now_s + service.limits.body_timeout_s)
        self._transfers.append(transfer)
        refusal = self._check(head)
        if refusal is not None:
            self._refuse(transfer, refusal)
        elif service.uploads is not None and service.uploads.takes(head):
            # Imported here (and by serve.preload()), because only --proxy needs it.
            from fastfile.server.net.http2.body import begin_upload

            begin_upload(self, transfer)
        elif head.expect is not None or head.content_length > service.limits.parser.body:
            # RFC 9110 §10.1.1: a request that will be refused gets its error now, so the client need not send the body.
            self._answer(transfer)

    def _settle(self) -> None:
        """Decide what to wait for, and until when."""
        session, service = self._session, self._service
        size = session.writer.size
        if self._is_deaf and not self._is_behind and not self._is_sending():
            self.close()
            return
        now_s = service.clock.monotonic_s
        if size == 0:
            self._sending_until_s = inf
            if session.has_ended():
                self._rest = MORE_FOLLOWS  # a client that gets a reset does not read the GOAWAY
                self._finish()
                return
        elif self._sending_until_s == inf or session.writer.progress >= service.limits.least_progress:
            self._sending_until_s = now_s + service.limits.write_timeout_s
            session.writer.progress = 0
        self._set_deadline(now_s)
        interest = WRITE if size or self._is_behind else 0
        if size <= FULL and not session.has_ended() and not self._is_deaf:
            interest |= READ
        if interest != self._interest:
            self._wait_for(interest)

    def _set_deadline(self, now_s: float) -> None:
        session, service = self._session, self._service
        if self._transfers or session.writer.size:
            self.state = SENDING
            deadline_s = self._sending_until_s
            for transfer in self._transfers:
                deadline_s = min(deadline_s, transfer.deadline_s)
            self.deadline_s = deadline_s
        elif not session.is_between():
            if self.state != HEAD:
                self.state = HEAD
                self.deadline_s = now_s + service.limits.head_timeout_s
        elif self.state != IDLE or self._answered_id != session.last_id:
            self.state = IDLE
            self._answered_id = session.last_id
            self.deadline_s = now_s + service.limits.idle_timeout_s

    def _give_up(self) -> None:
        """Give up what took too long: single streams, or all if none makes progress."""
        now_s = self._service.clock.monotonic_s
        if self.state == LINGERING or self.state == CLOSED:
            self.close()
            return
        if self._session.writer.size and self._sending_until_s < now_s:
            self._abort()
            return
        if not self._transfers and not self._session.writer.size:
            self._end(NO_ERROR, "")
        if self._give_up_streams(now_s) and not self._transfers:
            self._end(ENHANCE_YOUR_CALM, "no window was opened in time")
        self._end_turn()
