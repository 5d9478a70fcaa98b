"""One client's connection: it owns its socket, reads requests, sends responses, and knows when to give up.

A run reads what has arrived, answers every whole request in it in order, and sends all answers together. It stops
where the socket would block, and goes on from there when the poller says so. Nothing here knows files or HTTP
semantics: bytes become heads in the parser, heads become responses in the handler that the Service carries.

The way through: on_ready → _receive → _process → _take (one request) → _answer_at_once, or _answer where more is to
leave with it → _send → _settle (what comes next).
Two things make it stop there and go on later: an answer that is deferred (_advance, on_result), which its pipeline
waits for while what arrives stays in the kernel; and a body that is made while it is sent (_pull).
"""

from __future__ import annotations

import select
import socket
import struct
from concurrent.futures import Future
from functools import partial
from time import monotonic
from typing import Any

from fastfile.errors import BadRequest, HTTPError, make_unavailable
from fastfile.http.fields import split_list
from fastfile.message import Deferred, FileSlice, Pending, RequestHead, Response, Source, close_source
from fastfile.parser import BodyParser, HeadParser
from fastfile.protocol.http1 import CONTINUE, head_of
from fastfile.sendfile import (
    READ_AHEAD_STEP,
    WOULD_BLOCK,
    close,
    copy_of,
    is_cached,
    read_ahead,
    recv_into,
    send_file,
    send_parts,
    send_response,
)
from fastfile.server.log.lines import Client, Exchange
from fastfile.server.net.clients import format_address
from fastfile.server.net.poller import READ, WRITE, Watcher
from fastfile.server.net.service import Service

# What a connection waits for, and so what its deadline means. Below WAITING a request may be taken up.
IDLE = 0  # the first byte of the next request
HEAD = 1  # the rest of a head (RFC 9112 §9.5 lets us choose how long)
BODY = 2  # the rest of a request body
WAITING = 3  # an answer that is deferred; all answers before it are sent
SENDING = 4  # the client to take more
READING = 5  # the disk, for more of what is to be sent
LINGERING = 6  # the client to see our last answer and close
CLOSED = 7

# A pipeline is answered in batches of about this many bytes or parts, so that nobody can make us hold more.
BATCH_SIZE = 256 * 1024
BATCH_PARTS = 48
# One connection sends this much of a file before the others have their turn.
TURN_SIZE = 1024 * 1024
# One connection has so many requests answered before the others have their turn: of a pipeline 64 KiB are read at once,
# 1500 requests, and 50 such clients kept another waiting for 1.1 s, in pure Python for 6.6.
TURN_REQUESTS = 128
# Of a body that is made while it is sent, this much is in memory at a time, and one part of it.
PULL_SIZE = 64 * 1024
# A part costs its maker something however small it is: a file of a few bytes is opened and closed, which takes as long
# as the copy of some ten KiB. So each counts as this much at least, and there are only so many pulls in a turn: an
# archive of 20 000 small files held up others by 200 ms, and does by 2.
PART_SIZE = 4 * 1024
TURN_PULLS = 8
# Whether a file that is sent is in memory is asked for so much at a time, by its ends: two calls of 0.25 us, 0.1 %.
CHECK_SIZE = 4 * 1024 * 1024
CHECK_S = 1.0  # a file that is no larger is asked about no more often: what is in use is not dropped sooner
# Of what is not in memory so much is waited for, and so much more asked for: the disk goes on while that is sent.
READ_SIZE = 1024 * 1024
AHEAD_SIZE = 7 * 1024 * 1024
# Lingering close: what a client may still send after our last answer before we hang up. It is what the buffers of both
# ends hold at most (6 MiB and 4 MiB on Linux), and more: who sends a body before looking gets to look.
LINGER_SIZE = 16 * 1024 * 1024
LINGER_S = 2.0
RESET = struct.pack("ii", 1, 0)  # SO_LINGER on, 0 s: close with RST, so that nobody takes a cut body for a whole one


class Connection(Watcher):
    """Owns ``fd`` from construction to _close(). ``deadline_s`` is on the clock's monotonic scale."""

    __slots__ = (
        "_address",
        "_asked_s",
        "_at_once",
        "_began_s",
        "_body",
        "_cached",
        "_client",
        "_closing",
        "_deferred",
        "_early",
        "_head",
        "_input",
        "_interest",
        "_is_cold",
        "_is_last",
        "_job",
        "_lingered",
        "_parser",
        "_parts",
        "_progress",
        "_queued",
        "_reading",
        "_requests",
        "_service",
        "_skip",
        "_source",
        "_unlogged",
        "_unmeasured",
        "_unpulled",
        "_unread",
        "deadline_s",
        "fd",
        "state",
    )

    def __init__(self, service: Service, fd: int, address: bytes) -> None:
        self._service = service
        self.fd = fd
        self._address = address  # as accept() returned it
        self._client: Client | None = None  # what the log remembers of it
        self.state = HEAD
        self.deadline_s = self._service.clock.monotonic_s + self._service.head_timeout_s
        self._interest = -1  # what the poller watches for; -1: it does not know us yet
        self._input: bytearray | None = None  # what was read and not yet used
        self._parser: HeadParser | None = None  # its position in _input, once a head came in pieces
        self._head: RequestHead | None = None  # the request whose body is being read, or whose answer is deferred
        self._body: BodyParser | None = None
        self._parts: list[bytes | FileSlice] = []  # what is to be sent
        self._source: Source | None = None  # where more of it comes from
        self._unpulled = 0  # bytes that are to come from there
        self._queued = 0  # bytes of all that, which are not sent yet
        self._skip = 0  # how much of the first part is sent
        self._cached = 0  # how much of it is in memory, as far as was looked
        self._is_cold = False  # some of it was not
        self._reading: Future[Any] | None = None  # what brings more of it there
        self._progress = 0  # bytes that the client took since the deadline was set, while it keeps us waiting
        self._closing = False  # after what is in _parts
        self._is_last = False  # the client said ``close``
        self._at_once = False  # all that had come was just read, and is being answered without a wait
        self._unread = False  # the client may still be sending something that nobody will read
        self._lingered = 0
        self._requests = 0
        self._unmeasured = 0  # answers of which --metrics counts the time, once they have left
        self._began_s = 0.0  # when the first of them was asked for
        self._deferred: Deferred | None = None
        self._job: Future[Any] | None = None  # what it waits for
        self._early = False  # what is deferred says only whether the body of the request is to be sent at all
        self._asked_s = 0.0  # when it was deferred first
        self._unlogged: list[Exchange] = []

    def read_first(self, kept_s: float) -> bool:
        """Take in what a new client has sent, which is usually there already; False where it has gone.

        start() then answers it: between the two the pass can begin whose checks of files hold for it. Who has sent
        nothing was silent for ``kept_s`` already (handshakes.py).
        """
        buffer = self._service.buffer
        try:
            count = recv_into(self.fd, buffer)
        except OSError:
            count = 0
        if count > 0:
            self._input = copy_of(buffer, count)
        elif count == WOULD_BLOCK:
            self.deadline_s -= kept_s
        else:
            self.close()
            return False
        return True

    def start(self) -> None:
        """Answer what read_first() took in: who is answered and closed at once is never shown to the poller."""
        try:
            if self._input is not None:
                self._at_once = len(self._input) < len(self._service.buffer)
                self._process(self._service.buffer, 0)
                self._at_once = False
            if self.state != CLOSED and self._interest < 0:
                self._wait_for(READ)
        except OSError:  # the client has gone, or the poller has no room for it
            self.close()
        except BaseException:
            self.close()
            raise

    def on_ready(self) -> None:
        """Go on where the socket stopped us. Called by the poller; a failing socket ends the connection, silently."""
        try:
            if self.state == SENDING:
                self._send()
                if self.state < SENDING:
                    self._process(self._service.buffer, 0)
            elif self.state < WAITING:
                self._receive()
            elif self.state == LINGERING:
                self._linger()
            elif self.state != CLOSED and self._has_hung_up():
                self.close()
        except OSError:
            self.close()
        except BaseException:
            self.close()
            raise

    def on_deadline(self) -> None:
        """Give up what took too long: with 408 where a request had begun, by reset where a response is stuck."""
        if self.state == BODY or (self.state == HEAD and self._has_begun()):
            self._refuse(HTTPError(408, "The request took too long to arrive."))
            self._input = None
            self._process(self._service.buffer, 0)
        elif self.state == SENDING or self.state == READING:
            self._abort()
        elif self.state == WAITING:
            self._resume(self._refusal_for_now(self._head))
        else:
            self.close()

    def on_result(self, job: Future[Any]) -> None:
        """Go on with what a job found; a connection that has closed or given it up ignores it."""
        if job is not self._job:
            return
        deferred = self._deferred
        assert deferred is not None
        try:
            try:
                answer = deferred.finish(job)
            except HTTPError as error:
                answer = self._service.handler.refuse(error, self._head)
            self._resume(answer)
        except OSError:
            self.close()
        except BaseException:
            self.close()
            raise

    def on_read(self, job: Future[None]) -> None:
        """Go on sending: what was missing is in memory now. A disk that failed says so again to who sends from it."""
        if job is self._reading:
            self._reading = None
            self.state = SENDING
            self.on_ready()

    def is_quiet(self, silent_too: bool) -> bool:
        """Tell whether no request is under way; ``silent_too``: a client that never sent a byte counts as quiet."""
        return self.state == IDLE or (silent_too and self.state == HEAD and not self._input)

    def close(self) -> None:
        if self.state == CLOSED:
            return
        self.state = CLOSED
        self._log_sent()
        if self._parts:
            self._parts.clear()
        if self._job is not None:
            self._drop_job()
        if self._reading is not None:
            self._reading.cancel()
            self._reading = None
        self._service.poller.forget(self.fd)
        self._service.clients.release(self._address)
        close(self.fd)
        if self._source is not None:
            self._drop_source()

    def _receive(self) -> None:
        buffer = self._service.buffer
        count = recv_into(self.fd, buffer)
        if count > 0:
            self._at_once = count < len(buffer)
            self._process(buffer, count)
            self._at_once = False
        elif count != WOULD_BLOCK:
            self.close()  # the end of the stream: what was asked is answered, and half a request is none

    def _process(self, data: bytearray, count: int) -> None:
        """Answer every whole request in what was left over and ``data[:count]``; keep the rest."""
        start = 0
        if self._input is not None:
            if count:
                self._input += data[:count]
            data, count, self._input = self._input, len(self._input), None
        answered = self._requests
        try:
            while start < count and not self._closing and self.state < WAITING:
                if self._queued > BATCH_SIZE or len(self._parts) > BATCH_PARTS or self._source is not None:
                    self._send()
                    if self._requests - answered >= TURN_REQUESTS and self.state < WAITING:
                        self._wait_to_send(0)  # it can be sent to at once: that is when it goes on
                    continue
                consumed = self._take(data, start, count)
                if consumed < 0:
                    break
                start = consumed
        except BadRequest as error:
            self._service.renew_parser()
            self._refuse(error, bytes(data[start : min(count, start + 64)]).lstrip(b"\r\n").startswith(b"HEAD "))
        if start < count:
            if self._closing:
                self._unread = True
            else:
                self._input = bytearray(data[start:count])
        if self._parts and self.state < SENDING:
            self._send()
        if self.state < WAITING:
            self._settle(self._requests != answered)
        elif self.state == WAITING:
            self._wait()

    def _take(self, data: bytearray, start: int, end: int) -> int:
        """Use up the next request or the next bytes of its body: the index after it, or -1 when more has to come."""
        if self._body is not None:
            start = self._body.feed(data, start, end)
            if self._body.complete:
                head = self._head
                assert head is not None
                self._head = self._body = None
                self._respond(head, start == end)
            return start
        parser = self._parser
        if parser is None:
            parser = self._service.parser
        head = parser.parse(data, start, end)
        if head is None:
            if self._parser is None:  # it goes with the connection from here on: it knows how far it has read
                self._parser = parser
                self._service.renew_parser()
            return -1
        self._parser = None
        start += head.size
        if head.chunked or head.content_length or head.expect is not None:
            self._begin_body(head, start < end)
        else:
            self._respond(head, start == end)
        return start

    def _begin_body(self, head: RequestHead, has_begun: bool) -> None:
        """Read a body before the answer, so that a message with broken framing gets one answer: 400."""
        service = self._service
        refusal = None
        has_body = head.chunked or head.content_length != 0
        if head.expect is not None and not _is_continue(head.expect):
            refusal = service.handler.refuse(HTTPError(417, "Only 100-continue can be expected."), head)
            if not has_body and head.keep_alive and not service.draining:
                self._answer(head, refusal, service.clock.monotonic_s)
                return
        elif not has_body:
            self._respond(head, not has_begun)
            return
        elif head.content_length > service.limits.body or (head.expect and head.minor_version and not has_begun):
            # RFC 9110 §10.1.1: who will be refused hears so now, and need not send the body.
            self._early = True
            self._advance(head, service.handler.respond(head), service.clock.monotonic_s)
            return
        if refusal is not None:
            self._refuse_body(head, refusal, service.clock.monotonic_s)
            return
        self._head = head
        self._body = BodyParser(service.limits, head.content_length, head.chunked)

    def _judge(self, head: RequestHead, response: Response, began_s: float) -> None:
        """Refuse a body before it is sent, or ask for it; ``response`` is what the request gets without its body."""
        service = self._service
        self._early = False
        if response.status >= 400:
            self._refuse_body(head, response, began_s)
            return
        close_source(response.source)
        if head.content_length > service.limits.body:
            too_large = HTTPError(413, "The request body is too large.")
            self._refuse_body(head, service.handler.refuse(too_large, head), began_s)
            return
        self._parts.append(CONTINUE)
        self._queued += len(CONTINUE)
        self._head = head
        self._body = BodyParser(service.limits, head.content_length, head.chunked)

    def _refuse_body(self, head: RequestHead, response: Response, began_s: float) -> None:
        self._closing = self._unread = True
        self._answer(head, response, began_s)

    def _respond(self, head: RequestHead, is_last: bool) -> None:
        """Answer a request; ``is_last``: of what has arrived, so that its answer need not wait for others."""
        service = self._service
        answer = service.handler.respond(head)
        if isinstance(answer, Deferred):
            self._advance(head, answer, service.clock.monotonic_s)
            return
        response = answer
        if response.close or not head.keep_alive or service.draining:
            self._closing = True
        if is_last and not self._parts and response.source is None:
            self._answer_at_once(head, response, service.clock.monotonic_s)
        else:
            self._answer(head, response, service.clock.monotonic_s)

    def _advance(self, head: RequestHead, answer: Response | Deferred, began_s: float) -> None:
        """Take the next step with a request whose answer may be deferred; it was asked at ``began_s``."""
        if isinstance(answer, Deferred):
            offload = self._service.offload
            job = None if offload is None else offload.submit(answer.work, self.on_result)
            if job is not None:
                self._head, self._deferred, self._job, self._asked_s = head, answer, job, began_s
                if self.state < SENDING:
                    self.state = WAITING
                return
            response = self._refusal_for_now(head)
        else:
            response = answer
        if self._early:
            self._judge(head, response, began_s)
            return
        if response.close or not head.keep_alive or self._service.draining:
            self._closing = True
        self._answer(head, response, began_s)

    def _refusal_for_now(self, head: RequestHead | None) -> Response:
        busy = make_unavailable("The server has too much to do; try again in a moment.")
        return self._service.handler.refuse(busy, head)

    def _wait(self) -> None:
        """All answers before it are sent: wait for the job, as long as for a client that takes nothing."""
        service = self._service
        self.deadline_s = service.clock.monotonic_s + service.write_timeout_s
        if self._interest != 0:
            self._wait_for(0)

    def _has_hung_up(self) -> bool:
        """Tell whether the client is gone; what it sends stays in the kernel while its answer is awaited."""
        poll = select.poll()
        poll.register(self.fd, 0)
        return bool(poll.poll(0))

    def _resume(self, answer: Response | Deferred) -> None:
        """Take up the pipeline again where it waits for this answer."""
        head = self._head
        assert head is not None
        self._drop_job()
        if self.state == WAITING:
            self.state = IDLE
        self._advance(head, answer, self._asked_s)
        if self.state < SENDING:
            self._process(self._service.buffer, 0)

    def _drop_job(self) -> None:
        job, self._job, self._deferred, self._head = self._job, None, None, None
        assert job is not None
        job.cancel()

    def _refuse(self, error: HTTPError, is_head: bool = False) -> None:
        """Queue the one answer to a message that cannot be read on, and close after it.

        ``is_head``: what could be read of it says that it is a HEAD, so that no body may follow (RFC 9110 §9.3.2).
        """
        head, self._head, self._body = self._head, None, None
        self._closing = self._unread = True
        response = self._service.handler.refuse(error, head)
        if is_head and head is None:
            response = Response(response.head, (), 0, True)
        self._answer(head, response, self._service.clock.monotonic_s)

    def _answer(self, head: RequestHead | None, response: Response, began_s: float) -> None:
        """Queue a response; ``head`` is None where the request could not be read."""
        tail = self._note(head, response, began_s)
        self._queue(response, tail)
        if response.source is not None:
            self._begin_source(response)

    def _answer_at_once(self, head: RequestHead, response: Response, began_s: float) -> None:
        """Send a response when nothing is queued; only what the socket does not take of it is."""
        tail = self._note(head, response, began_s)
        sent = send_response(self.fd, head_of(response.head), tail, response.parts)
        if sent != self._queued:
            self._queue(response, tail)
        if sent != WOULD_BLOCK:
            self._drop_sent(sent)
        if self._queued == 0:
            self._note_sent()

    def _note(self, head: RequestHead | None, response: Response, began_s: float) -> bytes:
        """Count a response that is to be sent, and its bytes as unsent, and return the end of its head."""
        service = self._service
        self._requests += 1
        self._is_last = head is not None and not head.keep_alive and head.minor_version != 0
        if service.log is not None:
            self._unlogged.append((head, response, began_s))
        if service.metrics is not None:
            service.metrics.count(head, response)
            if self._unmeasured == 0:
                self._began_s = began_s
            self._unmeasured += 1
        tail = service.tail(self._closing, head is None or head.minor_version != 0)
        self._queued += len(head_of(response.head)) + len(tail) + response.body_size
        return tail

    def _queue(self, response: Response, tail: bytes) -> None:
        parts = self._parts
        parts.append(head_of(response.head))
        parts.append(tail)
        for part in response.parts:
            parts.append(part)

    def _begin_source(self, response: Response) -> None:
        self._source = response.source
        self._unpulled = response.body_size
        for part in response.parts:
            self._unpulled -= part.count if isinstance(part, FileSlice) else len(part)

    def _pull(self) -> bool:
        """Queue the next parts of a body that is made while it is sent; False when it has ended or failed.

        It fails by a reset where it is not as long as was promised, or the disk fails: not one byte of padding.
        """
        source = self._source
        assert source is not None
        pulled = 0
        try:
            while self._unpulled and (pulled < PULL_SIZE or not self._parts):
                part = next(source)
                pulled += max(self._queue_part(part), PART_SIZE)
                if isinstance(part, FileSlice):
                    break
            if not self._unpulled:
                self._drop_source()
        except (OSError, StopIteration):
            self._abort()
        except BaseException:
            self._abort()
            raise
        return len(self._parts) != 0

    def _queue_part(self, part: bytes | FileSlice | Pending) -> int:
        assert not isinstance(part, Pending), "a pending source is for later"
        size = part.count if isinstance(part, FileSlice) else len(part)
        if size > self._unpulled:
            raise ValueError("a body is longer than its Content-Length")
        if size:
            self._parts.append(part)
            self._unpulled -= size
        return size

    def _drop_source(self) -> None:
        source, self._source = self._source, None
        close_source(source)

    def _send(self) -> None:
        """Send what is queued until the socket is full or the turn is over; then wait to go on."""
        budget = TURN_SIZE
        pulls = 0
        while self._parts or (self._source is not None and self._pull()):
            part = self._parts[0]
            if isinstance(part, FileSlice):
                if self._skip >= self._cached and not self._is_cached(part):
                    return
                count = min(part.count, self._cached) - self._skip
                sent = send_file(self.fd, part.fd, part.offset + self._skip, min(count, budget))
                if sent == 0:  # it was cut since its length was promised: not one byte of padding
                    self._abort()
                    return
            else:
                sent = send_parts(self.fd, self._parts, self._skip)
            if sent != WOULD_BLOCK:
                self._drop_sent(sent)
                budget -= sent
            if self._source is not None:
                pulls += 1
            if sent == WOULD_BLOCK or ((budget <= 0 or pulls == TURN_PULLS) and self._queued):
                self._wait_to_send(TURN_SIZE - budget)
                return
        if self.state == SENDING:
            self.state = IDLE if self._job is None else WAITING
        self._note_sent()

    def _note_sent(self) -> None:
        """All that was answered has left."""
        service = self._service
        if self._unlogged:
            self._log_sent()
        if service.metrics is not None and self._unmeasured:
            service.metrics.measure(monotonic() - self._began_s, self._unmeasured)
            self._unmeasured = 0

    def _is_cached(self, part: FileSlice) -> bool:
        """Tell whether the next of a file is in memory; else have it read, and go on when it is (on_read)."""
        service = self._service
        now_s = service.clock.monotonic_s
        if now_s - part.cached_s < CHECK_S:
            self._cached = part.count
            return True
        start = self._skip
        if start == 0:
            self._is_cold = False
        # Where the disk had to be waited for it is asked closely: parts of what was asked for come in any order.
        count = min(part.count - start, READ_SIZE if self._is_cold else CHECK_SIZE)
        self._cached = start + count
        if is_cached(part.fd, part.offset + start, count, READ_AHEAD_STEP if self._is_cold else CHECK_SIZE):
            if count == part.count:
                part.cached_s = now_s
            return True
        if service.disk is None:
            return True
        self._is_cold = True
        count = min(count, READ_SIZE)
        more = min(part.count - start - count, AHEAD_SIZE)
        # The part goes with the job: it keeps the file open.
        self._reading = service.disk.submit(partial(_read_ahead, part, part.offset + start, count, more), self.on_read)
        if self._reading is None:
            return True
        self._cached = start + count
        self.state = READING
        self.deadline_s = now_s + service.write_timeout_s
        self._wait_for(0)
        return False

    def _drop_sent(self, sent: int) -> None:
        """Take what was sent off the queue."""
        service = self._service
        if service.metrics is not None:
            service.metrics.add_sent(sent)
        self._queued -= sent
        parts = self._parts
        if self._queued == 0:
            parts.clear()
            self._skip = self._cached = 0
            return
        sent += self._skip
        done = 0
        for part in parts:
            size = part.count if isinstance(part, FileSlice) else len(part)
            if sent < size:
                break
            sent -= size
            done += 1
        if done:
            del parts[:done]
            self._cached = 0
        self._skip = sent

    def _wait_to_send(self, sent: int) -> None:
        """Wait for the client; its time begins anew only when it has taken what the least rate makes of that time."""
        service = self._service
        self._progress += sent
        if self.state != SENDING or self._progress >= service.least_progress:
            self._progress = 0
            self.deadline_s = service.clock.monotonic_s + service.write_timeout_s
        self.state = SENDING
        self._wait_for(WRITE)

    def _settle(self, answered: bool) -> None:
        """Everything is sent: say what comes next, and until when (RFC 9112 §9.5)."""
        if self._closing:
            self._finish()
            return
        service = self._service
        now_s = service.clock.monotonic_s
        before = self.state
        if self._body is not None:
            if before != BODY:
                self.state = BODY
                self.deadline_s = now_s + service.body_timeout_s
        elif self._has_begun():
            if answered or before != HEAD:
                self.state = HEAD
                self.deadline_s = now_s + service.head_timeout_s
        elif answered or before != HEAD:
            self.state = IDLE
            self.deadline_s = now_s + service.idle_timeout_s
        if self._interest != READ:
            self._wait_for(READ)

    def _has_begun(self) -> bool:
        """Tell whether a part of a request head is there; empty lines before it are none (RFC 9112 §2.2)."""
        return self._parser is not None and self._parser.started

    def _finish(self) -> None:
        """Close; where the client may still be sending, let it see our answer first (RFC 9112 §9.6).

        Closing a socket with something unread in it is a reset, which takes what the client has not read yet. It needs
        no look where ``close`` was asked for and answered at once: nothing may follow it.
        """
        if not self._unread and ((self._is_last and self._at_once) or recv_into(self.fd, self._service.buffer) <= 0):
            self.close()
            return
        borrowed = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM, 0, fileno=self.fd)
        try:
            borrowed.shutdown(socket.SHUT_WR)
        finally:
            borrowed.detach()  # or it would close the descriptor too
        self.state = LINGERING
        self.deadline_s = self._service.clock.monotonic_s + LINGER_S
        self._wait_for(READ)

    def _linger(self) -> None:
        count = recv_into(self.fd, self._service.buffer)
        if count != WOULD_BLOCK:
            self._lingered += count
            if count == 0 or self._lingered > LINGER_SIZE:
                self.close()

    def _abort(self) -> None:
        """Close with a reset: the client must not take what it has for the whole."""
        self._unmeasured = 0
        borrowed = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM, 0, fileno=self.fd)
        try:
            borrowed.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        finally:
            borrowed.detach()
        self.close()

    def _wait_for(self, interest: int) -> None:
        before, self._interest = self._interest, interest
        if before < 0:
            self._service.poller.watch(self.fd, self, interest)
        elif before != interest:
            self._service.poller.change(self.fd, interest)

    def _log_sent(self) -> None:
        """Log the responses that have left; what is still queued belongs to the last of them."""
        service = self._service
        log = service.log
        if log is None or not self._unlogged:
            return
        if self._client is None:
            self._client = log.make_client(format_address(self._address))
        sizes = self._sent_sizes() if self._queued else None
        unlogged, self._unlogged = self._unlogged, []
        for index, exchange in enumerate(unlogged):
            response = exchange[1]
            body_size = response.body_size if sizes is None else sizes[index]
            log.record(self._client, exchange, body_size, service.clock.wall_s)

    def _sent_sizes(self) -> list[int]:
        """Return how much of each body has left: what is still queued is the end of what was to be sent."""
        unsent = self._queued
        sizes = []
        for _, response, _ in reversed(self._unlogged):
            missing = min(unsent, response.body_size)
            unsent -= missing
            sizes.append(response.body_size - missing)
        return sizes[::-1]


def _read_ahead(part: FileSlice, offset: int, count: int, more: int) -> None:
    read_ahead(part.fd, offset, count, more)


def _is_continue(expect: bytes) -> bool:
    """Tell whether every expectation of the list is 100-continue, the only one that there is (RFC 9110 §10.1.1)."""
    return all(element.lower() == b"100-continue" for element in split_list(expect))
