"""One request to an upstream and its response: the work of a Deferred first, then the source of the response's body.

It has its own connection, and reads from it only when the client has taken what came before, so memory is bounded in
both directions. Request and response may flow at the same time.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any

from fastfile.errors import HTTPError, make_failure, make_too_slow, make_unavailable
from fastfile.http.intermediaries.relay import make_response_fields
from fastfile.message import Pending, ResponseHead
from fastfile.middleware.proxy import Forward, Received
from fastfile.protocol.upstream import NoResponse, UpstreamError, UpstreamHead
from fastfile.relayed import ClientGone
from fastfile.server.net.poller import READ, WRITE, Watcher
from fastfile.server.proxying.connector import describe
from fastfile.server.proxying.incoming import Incoming
from fastfile.server.proxying.outgoing import Outgoing
from fastfile.server.proxying.streams import Stream
from fastfile.server.proxying.tunnel import TunnelSession, has_hung_up

if TYPE_CHECKING:
    from fastfile.server.proxying.upstreams import Upstreams

RETRY_FOR_S = 3.0  # while an upstream restarts: a watching tool takes a second or two
RETRY_EACH_S = 0.1
MAX_TRIES = 3  # of a request that the upstream accepted and did not respond to: it may be the cause
# A body may pause so long: event streams are silent for long, and a dead peer is found by TCP's keepalive.
IDLE_S = 3600.0
_RETRIED = (b"GET", b"HEAD", b"OPTIONS")


class Job(Future[Any]):
    """The handle of a connection on an exchange. ``is_timed``: the exchange has deadlines of its own.

    ``on_interim`` gets the interim responses but 100, if the connection has set it.
    """

    is_timed = True

    def __init__(self, exchange: Exchange) -> None:
        super().__init__()
        self._exchange = exchange
        self.on_interim: Callable[[ResponseHead], None] | None = None

    def cancel(self) -> bool:
        """Cancel it, unless its result was reported: then the response owns the exchange."""
        if not self._exchange.is_reported:
            self._exchange.close()
        return super().cancel()


class Attempts:
    """Decides whether an exchange may connect once more.

    ``number`` is that of the request to the connector, or 0; ``refusal`` is why the last one failed, "" if none did.
    """

    def __init__(self, began_s: float) -> None:
        self.number = 0
        self.refusal = ""
        self._began_s = began_s
        self._unanswered = 0  # connections that ended without a response

    def may_connect(self, now_s: float) -> bool:
        """Tell whether the upstream may still be restarting."""
        return now_s + RETRY_EACH_S <= self._began_s + RETRY_FOR_S

    def may_repeat(self) -> bool:
        """Note that a connection ended without a response, and tell whether to send the request again."""
        self._unanswered += 1
        return self._unanswered <= MAX_TRIES


class Exchange(Watcher):
    """Sends ``forward``, and results in a Received, or an HTTPError that names the upstream."""

    def __init__(self, upstreams: Upstreams, forward: Forward) -> None:
        self._upstreams = upstreams
        self._forward = forward
        self._upstream = upstreams.config.proxy[forward.place]
        self._stream: Stream | None = None
        self._incoming = Incoming(forward)
        self._outgoing = Outgoing(forward, upstreams.loop, self.on_ready)
        self._attempts = Attempts(upstreams.loop.time())
        self._job: Job | None = None
        self._on_done: Callable[[Future[Any]], None] | None = None
        self._wake: Callable[[], None] | None = None
        self._interest = -1
        self._timer: asyncio.TimerHandle | None = None
        self._is_open = False
        self.is_reported = False
        self._session: TunnelSession | None = None

    def __call__(self) -> Received:
        raise NotImplementedError("it is submitted")

    def submit(self, on_done: Callable[[Future[Any]], None]) -> Future[Any]:
        """Begin; Offload.submit() calls it."""
        self._job = job = Job(self)
        self._on_done = on_done
        upstreams = self._upstreams
        if not upstreams.admit(self):
            self._finish(make_unavailable("There are too many requests to upstream servers; try again in a moment."))
            return job
        self._is_open = True
        self._connect()
        return job

    def _connect(self) -> None:
        upstreams = self._upstreams
        self._set_timer(
            self._outgoing.active_s + upstreams.config.proxy_timeout - upstreams.loop.time(), self._time_out
        )
        self._attempts.number = upstreams.connector.connect(self._forward.place, self._on_connected, self._on_refused)

    def _on_refused(self, code: int, text: str) -> None:
        self._attempts.number = 0
        self._attempts.refusal = describe(code, text)
        if not self._maybe_retry():
            self._fail(self._attempts.refusal)

    def _maybe_retry(self) -> bool:
        """Connect again in a moment, if the upstream may be restarting."""
        if not self._attempts.may_connect(self._upstreams.loop.time()):
            return False
        self._drop_stream()
        self._set_timer(RETRY_EACH_S, self._connect)
        return True

    def _on_connected(self, connected: socket.socket) -> None:
        self._attempts.number = 0
        self._attempts.refusal = ""
        upstreams = self._upstreams
        upstreams.clock.begin_batch()
        try:
            self._stream = upstreams.make_stream(connected, self._upstream)
            upstreams.poller.watch(self._stream.fd, self, READ | WRITE)
        except Exception:
            connected.close()
            self._give_back(make_failure())
            raise
        self._interest = READ | WRITE
        self._outgoing.begin()
        self.on_ready()

    def on_ready(self) -> None:
        """Continue as far as possible. Whatever fails ends the exchange, and nothing else."""
        try:
            self._go_on()
        except HTTPError as error:  # the content of the client is malformed
            self._give_back(error)
        except OSError as error:
            self._on_error(error)
        except Exception:
            self._give_back(make_failure())
            raise

    def _go_on(self) -> None:
        if self._stream is None:
            return
        self._outgoing.send(self._stream)
        if self._job is not None:
            self._receive_head()
        elif self._wake is not None:
            self._call_wake()
        elif self._interest & READ == 0 and self._stream is not None and has_hung_up(self._stream.fd):
            self._incoming.drain(self._stream)
            self._drop_stream()
        self._update_interest()

    def _on_error(self, error: OSError) -> None:
        if isinstance(error, ClientGone):
            self.close()
            return
        if self._job is None:  # the response has begun: its reader sees the failure
            self._incoming.failure = error
            self._drop_stream()
            if self._wake is not None:
                self._call_wake()
            return
        is_repeatable = self._forward.body is None and self._forward.method in _RETRIED
        is_unanswered = isinstance(error, NoResponse | ConnectionError) and not self._incoming.reader.has_begun
        if is_repeatable and is_unanswered and self._attempts.may_repeat() and self._maybe_retry():
            return
        self._fail(str(error) if isinstance(error, UpstreamError) else describe(error.errno or 0, "failed"))

    def _update_interest(self) -> None:
        stream = self._stream
        if stream is None or not self._is_open:
            return
        interest = READ if self._job is not None or self._wake is not None else 0
        if stream.wants_write or self._outgoing.is_blocked:
            interest |= WRITE
        if interest != self._interest:
            self._interest = interest
            self._upstreams.poller.change(stream.fd, interest)

    def _receive_head(self) -> None:
        stream, reader = self._stream, self._incoming.reader
        while self._job is not None and stream is not None and self._is_open:
            head = reader.take_head()
            if head is None:
                data = stream.receive()
                if data is None:
                    return
                reader.feed(data)
            elif head.status == 101:
                self._switch(head)
            elif head.status >= 200:
                self._begin_body(head)
            elif head.status == 100:
                self._outgoing.invite()
            elif self._job.on_interim is not None:
                fields = make_response_fields(head.fields, self._forward.names)
                self._job.on_interim(ResponseHead(head.status, fields))

    def _begin_body(self, head: UpstreamHead) -> None:
        self._set_timer(None)
        if self._incoming.begin_body():
            self._finish(Received(head.status, head.fields, head.size, self, None))
            return
        self.close_stream()
        size = head.size if self._forward.method == b"HEAD" else 0
        self._finish(Received(head.status, head.fields, size, None, None))

    def _switch(self, head: UpstreamHead) -> None:
        """Hand the connection to a tunnel."""
        self._set_timer(None)
        stream, self._stream = self._stream, None
        assert stream is not None
        upstreams = self._upstreams
        upstreams.poller.forget(stream.fd)
        self._session = session = TunnelSession(upstreams, stream, self._incoming.reader.rest)
        self._is_open = False
        upstreams.replace(self, session)
        self._finish(Received(101, head.fields, 0, None, session))

    def __next__(self) -> bytes | Pending:
        """Return content of the response; see Source. Raises OSError if it is cut."""
        part = self._incoming.read(self._stream)
        if part == b"":
            self.close()
            raise StopIteration
        return part

    def wait(self, wake: Callable[[], None]) -> None:
        self._wake = wake
        if self._stream is None:
            self._upstreams.loop.call_soon(self._call_wake)
            return
        self._set_timer(IDLE_S, self._time_out)
        self._update_interest()

    def _call_wake(self) -> None:
        wake, self._wake = self._wake, None
        self._set_timer(None)
        if wake is not None:
            wake()

    def _time_out(self) -> None:
        self._upstreams.clock.begin_batch()
        if self._job is not None:
            timeout_s = self._upstreams.config.proxy_timeout
            left_s = self._outgoing.active_s + timeout_s - self._upstreams.loop.time()
            if left_s > 0:
                self._set_timer(left_s, self._time_out)
            elif self._outgoing.awaits_client:
                self._give_back(make_too_slow())
            elif self._attempts.refusal:  # the deadline came before the last attempt
                self._fail(self._attempts.refusal)
            else:
                self._give_back(self._make_error(504, f"did not respond within {timeout_s:g} s"))
            return
        self._incoming.failure = UpstreamError("sent nothing for too long")
        self._drop_stream()
        self._call_wake()

    def _fail(self, reason: str) -> None:
        self._give_back(self._make_error(502, reason))

    def _make_error(self, status: int, reason: str) -> HTTPError:
        upstream = self._upstream
        self._upstreams.complain(upstream, f"forwards {upstream.prefix} to {upstream.url}, which {reason}")
        return HTTPError(status, f"The upstream {upstream.url} {reason}{'' if reason.endswith('?') else '.'}")

    def _give_back(self, error: HTTPError) -> None:
        """End with an error response, or cut the response that has begun."""
        if self._job is None:
            self._on_error(UpstreamError(str(error.detail)))
            return
        self.close_stream()
        self._finish(error)

    def _finish(self, result: Received | HTTPError) -> None:
        """Report the result, in a turn of its own."""
        job, self._job = self._job, None
        if job is None or job.cancelled():
            return
        self._upstreams.count(isinstance(result, HTTPError))
        if isinstance(result, HTTPError):
            job.set_exception(result)
        else:
            job.set_result(result)
        self._upstreams.loop.call_soon(self._report, job)

    def _report(self, job: Job) -> None:
        on_done, self._on_done = self._on_done, None
        if on_done is not None:
            self.is_reported = True
            self._upstreams.clock.begin_batch()
            self._upstreams.call(on_done, job)

    def close(self) -> None:
        """Drop everything: the client has gone, or has the whole response."""
        self._job = self._on_done = self._wake = None
        if self._session is not None and not self.is_reported:
            self._session.close()
        self.close_stream()

    def close_stream(self) -> None:
        """Close the connection, and give its place to another request."""
        self._set_timer(None)
        self._outgoing.drop()
        if self._attempts.number:
            self._upstreams.connector.cancel(self._attempts.number)
            self._attempts.number = 0
        self._drop_stream()
        if self._is_open:
            self._is_open = False
            self._upstreams.release(self)

    def _drop_stream(self) -> None:
        stream, self._stream = self._stream, None
        if stream is not None:
            self._upstreams.poller.forget(stream.fd)
            stream.close()

    def _set_timer(self, delay_s: float | None, call: Callable[[], None] | None = None) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if delay_s is not None and call is not None:
            self._timer = self._upstreams.loop.call_later(delay_s, call)
