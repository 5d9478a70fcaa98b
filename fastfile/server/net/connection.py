"""The common part of a connection, in any protocol: what it waits for, its deadline, and its end. Knows no requests.

http1/ and http2/ extend it. Closing must never fail half-way: whatever is raised, the descriptor and the client's place
are released.
"""

from __future__ import annotations

import select

from fastfile.sendfile import copy_of
from fastfile.server.net.poller import READ, WRITE, Watcher
from fastfile.server.net.service import Service
from fastfile.server.net.states import BODY, CLOSED, HEAD, IDLE, LINGERING, MORE, NOTHING, UNKNOWN
from fastfile.server.net.transport import WOULD_BLOCK_READ, Transport

# Lingering close: the input that is read after the last response before the close. It is more than the buffers of both
# ends (6 MiB and 4 MiB on Linux), so a client that sends a body before it reads still gets the response.
LINGER_SIZE = 16 * 1024 * 1024
LINGER_S = 2.0


class Connection(Watcher):
    """Owns ``transport`` until close(). ``deadline_s`` is on the clock's monotonic scale."""

    __slots__ = ("_interest", "_lingered", "_rest", "_service", "_transport", "deadline_s", "state")

    def __init__(self, service: Service, transport: Transport) -> None:
        self._set_up(service, transport)

    def _set_up(self, service: Service, transport: Transport) -> None:
        """Set the first values. Subclasses call it instead of super().__init__(), which costs 600 instructions."""
        self._service = service
        self._transport = transport
        self.state = HEAD
        self.deadline_s = service.clock.monotonic_s + service.limits.head_timeout_s
        self._interest = -1  # the event that the poller watches for; -1: not registered yet
        self._rest = UNKNOWN
        self._lingered = 0  # bytes read since the last response

    @property
    def fd(self) -> int:
        return self._transport.fd

    def read_first(self, kept_s: float) -> bytearray | None:
        """Return a copy of a new client's input, which has usually arrived already; None if the client has gone.

        start() then responds to it: in between, a batch can begin whose file checks are valid for it. A client without
        input was silent for ``kept_s`` already (handshakes.py).
        """
        buffer = self._service.buffer
        try:
            count = self._transport.recv_into(buffer)
        except OSError:
            count = 0
        if count > 0:
            return copy_of(buffer, count)
        if count == 0:
            self.close()
            return None
        if count != WOULD_BLOCK_READ:
            self._wait_for(WRITE)
        self.deadline_s -= kept_s
        return bytearray()

    def start(self, data: bytearray) -> None:
        """Respond to the result of read_first(); a connection that ends at once never costs a poller entry."""
        try:
            if data:
                self._process(data, len(data))
            if self.state != CLOSED and self._interest < 0:
                self._wait_for(READ)
        except OSError:  # the client has gone, or the poller has no room for it
            self._fail()
        except BaseException:
            self._fail()
            raise

    def on_ready(self) -> None:
        """Continue where the socket blocked. Called by the poller; a failing socket ends the connection, silently."""
        try:
            self._go_on()
        except OSError:
            self._fail()
        except BaseException:
            self._fail()
            raise

    def on_deadline(self) -> None:
        """Give up a request or response that took too long."""
        try:
            self._give_up()
        except OSError:
            self._fail()
        except BaseException:
            self._fail()
            raise

    def is_quiet(self, silent_too: bool) -> bool:
        """Tell whether no request is in progress; ``silent_too``: a client that never sent a byte counts as quiet."""
        raise NotImplementedError

    def drain(self) -> None:
        """Shorten the time of a request head, and tell the client, where the protocol has words for it."""
        if self.state == HEAD:
            service = self._service
            self.deadline_s = min(self.deadline_s, service.clock.monotonic_s + service.limits.head_timeout_s)

    def leave(self) -> None:
        """Close, since the server stops; no request is under way."""
        self.close()

    def close(self) -> None:
        """Close the socket and release everything, whatever fails on the way."""
        if self.state != CLOSED:
            self._let_go(False)

    def _let_go(self, by_reset: bool) -> None:
        self.state = CLOSED
        service, transport = self._service, self._transport
        try:
            service.poller.forget(transport.fd)
        finally:
            try:
                if by_reset:
                    transport.reset()
                else:
                    transport.close()
            finally:
                try:
                    service.clients.release(transport.peer)
                finally:
                    self._drop_work()

    def _abort(self) -> None:
        """Close with a reset, so that the client does not mistake a part for the whole."""
        self._let_go(True)

    def _takes_requests(self) -> bool:
        return self.state in (IDLE, HEAD, BODY)

    def _has_hung_up(self) -> bool:
        """Tell whether the client has gone; its input stays in the kernel while its response is pending."""
        poll = select.poll()
        poll.register(self._transport.fd, 0)
        return bool(poll.poll(0))

    def _finish(self) -> None:
        """Close; if the client may still be sending, let it read the response first (RFC 9112 §9.6).

        Closing a socket with unread input is a reset, which destroys data that the client has not read yet. A client
        that sent ``close`` and has its response needs no check: nothing may follow it.
        """
        service = self._service
        if self._rest != MORE and (self._rest == NOTHING or self._transport.recv_into(service.buffer) <= 0):
            self.close()
            return
        self._transport.shutdown_write()
        self.state = LINGERING
        self.deadline_s = service.clock.monotonic_s + LINGER_S
        self._wait_for(READ)

    def _linger(self) -> None:
        count = self._transport.recv_into(self._service.buffer)
        if count >= 0:
            self._lingered += count
            if count == 0 or self._lingered > LINGER_SIZE:
                self.close()

    def _wait_for(self, interest: int) -> None:
        if self._rest == NOTHING:
            self._rest = UNKNOWN  # what arrives during a wait must be looked for
        before, self._interest = self._interest, interest
        if before < 0:
            self._service.poller.watch(self._transport.fd, self, interest)
        elif before != interest:
            self._service.poller.change(self._transport.fd, interest)

    def _receive(self) -> None:
        buffer = self._service.buffer
        count = self._transport.recv_into(buffer)
        if count > 0:
            self._process(buffer, count)
        elif count < 0:
            self._wait_for(READ if count == WOULD_BLOCK_READ else WRITE)
        else:
            self.close()  # the end of the stream: all requests have responses, and half a request is ignored

    def _fail(self) -> None:
        """Close after a failure; what all connections share is made again, since it may have stopped half-way."""
        self._service.reader = None
        if self.state != CLOSED:
            self._let_go(self._is_sending())

    def _process(self, data: bytearray, count: int) -> None:
        """Respond to every whole request in the kept input and ``data[:count]``; keep the rest."""
        raise NotImplementedError

    def _go_on(self) -> None:
        """Continue where the socket blocked."""
        raise NotImplementedError

    def _give_up(self) -> None:
        """Give up a request or response that took too long."""
        raise NotImplementedError

    def _is_sending(self) -> bool:
        """Tell whether responses are in flight, so that a close must not look like their end."""
        raise NotImplementedError

    def _drop_work(self) -> None:
        """Release the work in progress; the descriptor is already closed."""
        raise NotImplementedError
