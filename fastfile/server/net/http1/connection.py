"""An HTTP/1 connection: reads requests and responds to them in order (RFC 9112).

Bytes move through its transport, become requests in the reader, and responses in the Service's handler; data that the
socket does not take at once waits in the send queue. Nothing here knows files or HTTP semantics.

The path of a request: on_ready → _receive → _process → _take_request → _respond, which sends at once or queues → _send
→ _settle (what comes next). It can stop in two places: at a deferred response (_advance, on_result), which its pipeline
waits for while input stays in the kernel; and at the end of a turn, after which it is writable at once.
"""

from __future__ import annotations

from concurrent.futures import Future
from typing import Any

from fastfile.errors import BadRequest, HTTPError, make_too_large, make_too_slow, make_unexpected
from fastfile.message import Deferred, RequestHead, Response, close_source
from fastfile.protocol.http1 import CONTINUE
from fastfile.server.net.http1.deferral import Deferral, is_continue
from fastfile.server.net.http1.handover import Handover
from fastfile.server.net.http1.opening import Opening
from fastfile.server.net.http1.reader import RequestReader
from fastfile.server.net.poller import READ
from fastfile.server.net.service import Service
from fastfile.server.net.states import BODY, CLOSED, HEAD, IDLE, LINGERING, MORE, NOTHING, SENDING, WAITING
from fastfile.server.net.transport import PLAIN, SECURE, Transport

# After this many requests of a pipeline the time is checked: each check costs a fiftieth of a request.
LOOK_EACH = 4


class Http1Connection(Handover):
    """Reads requests and responds to them, in order."""

    __slots__ = ("_opening", "_reader")

    def __init__(self, service: Service, transport: Transport) -> None:
        self._set_up_http1(service, transport)

    def _set_up_http1(self, service: Service, transport: Transport) -> None:
        self._set_up_output(service, transport)
        self._reader: RequestReader | None = None  # once it keeps input; otherwise the service's shared one
        self._opening: Opening | None = None  # input before the first request
        if service.clients.send_preface(transport.peer):
            self._opening = Opening()

    def on_result(self, job: Future[Any]) -> None:
        """Continue with the result of a job; a connection that has closed or given it up ignores it."""
        deferral = self._deferral
        if deferral is None or job is not deferral.job:
            return
        self._service.poller.begin_turn()
        try:
            try:
                answer = deferral.deferred.finish(job)
            except HTTPError as error:
                answer = self._service.handler.refuse(error, deferral.head)
            self._resume(answer)
        except OSError:
            self._fail()
        except BaseException:
            self._fail()
            raise

    def is_quiet(self, silent_too: bool) -> bool:
        """Tell whether no request is in progress; ``silent_too``: a client that never sent a byte counts as quiet."""
        return self.state == IDLE or (silent_too and self.state == HEAD and self._reader is None)

    def _go_on(self) -> None:
        if self.state == SENDING:
            self._send()
            if self._takes_requests():
                self._process(self._service.buffer, 0)
            elif self.state == WAITING:
                self._wait()
        elif self._takes_requests():
            self._receive()
        elif self.state == LINGERING:
            self._linger()
        elif self.state != CLOSED:
            self._look_at_client()

    def _process(self, data: bytearray, count: int) -> None:
        service = self._service
        if self._opening is not None:
            data = self._open(data, count)
            count = len(data)
            if self._opening is None and self._transport.end_preface(data):
                self._receive()
                return
            if count == 0:
                return
        if self._transport.kind == SECURE and self._transport.alpn == b"h2":  # RFC 9113 §3.2: nothing else may follow
            self._become_http2(data[:count])
            return
        reader = self._reader
        before = self._requests
        if count or reader is not None:
            if reader is None:
                reader = service.shared_reader()
            if count:
                reader.feed(data, count, count < len(service.buffer))
            try:
                self._take_requests(reader)
            except BadRequest as error:
                service.reader = None
                if self._may_be_http2() and reader.is_at_http2():
                    self._reader = None
                    self._become_http2(reader.unread())
                    return
                self._refuse_unreadable(error, reader)
            if reader.is_empty() and not self._closing:
                self._reader = None
            else:
                self._keep(reader)
        if self._queue is not None and self._queue.has_any() and (self.state == WAITING or self._takes_requests()):
            self._send()
        if self._takes_requests():
            self._settle(self._requests != before)
        elif self.state == WAITING:
            self._wait()

    def _open(self, data: bytearray, count: int) -> bytearray:
        """Return the input after the opening; empty while that is incomplete."""
        assert self._opening is not None
        rest = self._opening.read(data[:count], self._service, self._transport)
        if rest is None:
            return bytearray()
        self._opening = None
        return rest

    def _take_requests(self, reader: RequestReader) -> None:
        """Respond to one request after the other, until one blocks or no whole one is left."""
        while reader.has_more() and not self._closing and self._takes_requests():
            if self._queue is not None and self._queue.is_full():
                self._send()
                continue
            if not self._take_request(reader) or not reader.has_more():
                return
            if self._requests % LOOK_EACH == 0 and self._service.poller.is_turn_over():
                self._wait_to_send()  # the socket is writable at once: then it continues
                return

    def _take_request(self, reader: RequestReader) -> bool:
        """Consume the next request or the next bytes of its body; False if more input is needed."""
        if reader.is_in_body():
            head = reader.read_body()
            if head is not None:
                early = reader.take_early()
                if early is None:
                    self._respond(head, reader)
                else:
                    self._deliver(head, early, reader, self._service.clock.monotonic_s)
            return head is not None
        head = reader.read_head()
        if head is None:
            return False
        head.peer = self._transport.peer
        proxies = self._service.clients.proxies
        if proxies is not None:
            head.peer = proxies.find_client(head.peer, head.field(b"x-forwarded-for"), head.field(b"forwarded"))
        if self._transport.kind != PLAIN and not self._is_secure(head):
            return True
        if head.chunked or head.content_length or head.expect is not None:
            self._begin_body(head, reader)
            return self.state != CLOSED  # another connection goes on with the socket
        self._respond(head, reader)
        return True

    def _is_secure(self, head: RequestHead) -> bool:
        """Note that a request arrived over TLS; refuse plain HTTP on a port for TLS."""
        service = self._service
        if self._transport.kind == SECURE:
            head.is_secure = True
            return True
        assert service.insecure is not None
        self._advance(head, service.insecure.respond(head), service.clock.monotonic_s, True)
        return False

    def _keep(self, reader: RequestReader) -> None:
        """Keep unread input for later."""
        if self._closing:
            if reader.has_more():
                self._rest = MORE
            self._reader = None
            reader.drop()
        elif self.state == CLOSED:
            reader.drop()
            self._service.reader = None
        else:
            reader.keep()
            if self._reader is None:
                self._reader, self._service.reader = reader, None

    def _begin_body(self, head: RequestHead, reader: RequestReader) -> None:
        """Read a body before the response, so that a message with broken framing gets only one response: 400."""
        service = self._service
        refusal = None
        has_body = head.chunked or head.content_length != 0
        if head.expect is not None and not is_continue(head.expect):
            refusal = service.handler.refuse(make_unexpected(), head)
            if not has_body and head.keep_alive and not service.draining:
                self._put(head, refusal, service.clock.monotonic_s)
                return
        elif not has_body:
            self._respond(head, reader)
            return
        elif service.uploads is not None and service.uploads.takes(head):
            self._become_upload(head, reader.unread())
            return
        elif head.content_length > service.limits.parser.body or (
            head.expect and head.minor_version and not reader.has_more()
        ):
            # RFC 9110 §10.1.1: a request that will be refused gets its error now, so the client need not send the body.
            self._advance(head, service.handler.respond(head), service.clock.monotonic_s, True)
            return
        if refusal is not None:
            self._refuse_body(head, refusal, service.clock.monotonic_s)
            return
        reader.begin_body(head)

    def _decide_on_body(self, head: RequestHead, response: Response, began_s: float) -> None:
        """Refuse a body before it is sent, or request it and keep the response until the body is read."""
        service = self._service
        if response.status >= 400:
            self._refuse_body(head, response, began_s)
            return
        if head.content_length > service.limits.parser.body:
            close_source(response.source)
            self._refuse_body(head, service.handler.refuse(make_too_large(), head), began_s)
            return
        self._send_queue().put_bytes(CONTINUE)
        reader = self._reader
        if reader is None:
            reader = service.shared_reader()
        reader.begin_body(head)
        reader.early = response
        if self._reader is None:
            self._reader, service.reader = reader, None

    def _respond(self, head: RequestHead, reader: RequestReader) -> None:
        """Respond to a request; if no other input has arrived, its response does not wait for others."""
        service = self._service
        answer = service.handler.respond(head)
        began_s = service.clock.monotonic_s
        if isinstance(answer, Response):
            self._deliver(head, answer, reader, began_s)
        else:
            self._advance(head, answer, began_s, False)

    def _deliver(self, head: RequestHead, response: Response, reader: RequestReader, began_s: float) -> None:
        if response.close or not head.keep_alive or self._service.draining:
            self._closing = True
            if reader.took_all and not head.keep_alive and head.minor_version != 0:
                self._rest = NOTHING
        if reader.has_more() or response.source is not None or (self._queue is not None and self._queue.has_any()):
            self._put(head, response, began_s)
        else:
            self._send_at_once(head, response, began_s)

    def _advance(self, head: RequestHead, answer: Response | Deferred, began_s: float, is_early: bool) -> None:
        """Take the next step with a possibly deferred response to a request that arrived at ``began_s``."""
        if isinstance(answer, Deferred):
            offload = self._service.offload
            job = None if offload is None else offload.submit(answer.work, self.on_result)
            if job is not None:
                self._deferral = Deferral(head, answer, job, began_s, is_early)
                if self._takes_requests():
                    self.state = WAITING
                return
            response = self._refusal_for_now(head)
        else:
            response = answer
        if is_early:
            self._decide_on_body(head, response, began_s)
            return
        if response.close or not head.keep_alive or self._service.draining:
            self._closing = True
        self._put(head, response, began_s)

    def _resume(self, answer: Response | Deferred) -> None:
        """Continue the pipeline if it waits for this response."""
        deferral = self._deferral
        assert deferral is not None
        self._drop_deferral()
        if self.state == WAITING:
            self.state = IDLE
        self._advance(deferral.head, answer, deferral.began_s, deferral.is_early)
        if self._takes_requests():
            self._process(self._service.buffer, 0)
        elif self.state == WAITING:
            self._wait()

    def _give_up(self) -> None:
        """Give up what took too long: with 408 if a request had begun, with a reset if a response is stuck."""
        if self.state == BODY or (self.state == HEAD and self._reader is not None and self._reader.is_in_head()):
            assert self._reader is not None
            self._refuse(make_too_slow(), self._reader, False)
            self._reader = None
            self._process(self._service.buffer, 0)
        elif self.state == WAITING and self._deferral is not None and not self._deferral.is_timed:
            self._resume(self._refusal_for_now(self._deferral.head))
        elif self.state != CLOSED:
            self._let_go(self._is_sending())

    def _settle(self, responded: bool) -> None:
        """Everything is sent: decide what to wait for, and until when (RFC 9112 §9.5)."""
        if self._closing:
            if self._session is not None and self._rest != MORE:
                self._hand_over()
            else:
                self._finish()
            return
        service = self._service
        now_s = service.clock.monotonic_s
        before = self.state
        reader = self._reader
        if reader is None:
            if responded or before != HEAD:
                self.state = IDLE
                self.deadline_s = now_s + service.limits.idle_timeout_s
        elif reader.is_in_body():
            if before != BODY:
                self.state = BODY
                self.deadline_s = now_s + service.limits.body_timeout_s
        elif responded or before != HEAD:
            is_in_head = reader.is_in_head()
            self.state = HEAD if is_in_head else IDLE
            self.deadline_s = now_s + (service.limits.head_timeout_s if is_in_head else service.limits.idle_timeout_s)
        self._wait_for(READ)

    def _drop_work(self) -> None:
        reader, self._reader = self._reader, None
        try:
            if reader is not None:
                reader.drop_early()
            if self._deferral is not None:
                self._drop_deferral()
        finally:
            Handover._drop_work(self)


def make_connection(service: Service, transport: Transport) -> Http1Connection:
    """Return a new connection."""
    # Without __init__: compiled, its call costs more than all that it does.
    connection = Http1Connection.__new__(Http1Connection)
    connection._set_up_http1(service, transport)
    return connection
