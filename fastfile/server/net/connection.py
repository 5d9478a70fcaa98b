"""A connection of whatever protocol: what it waits for, until when, and how it ends. It knows no requests.

http1/ and http2/ extend it. Closing is the one thing that must not fail half-way: whatever is raised, the descriptor
and the client's place are given back.
"""

from __future__ import annotations

import select

from fastfile.sendfile import copy_of
from fastfile.server.net.poller import READ, WRITE, Watcher
from fastfile.server.net.service import Service
from fastfile.server.net.states import BODY, CLOSED, HEAD, IDLE, LINGERING, MORE, NOTHING, UNKNOWN
from fastfile.server.net.transport import WOULD_BLOCK_READ, Transport

# Lingering close: what a client may still send after our last response before we hang up. It is what the buffers of
# both ends hold at most (6 MiB and 4 MiB on Linux), and more: a client that sends a body before it looks gets to look.
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
        self.deadline_s = service.clock.monotonic_s + service.head_timeout_s
        self._interest = -1  # what the poller watches for; -1: it does not know us yet
        self._rest = UNKNOWN
        self._lingered = 0  # bytes read since the last response

    @property
    def fd(self) -> int:
        return self._transport.fd

    def read_first(self, kept_s: float) -> bytearray | None:
        """Return a copy of what a new client has sent, which is usually there already; None if it has gone.

        start() then responds to it: between the two a batch can begin whose checks of files hold for it. A client that
        has sent nothing was silent for ``kept_s`` already (handshakes.py).
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
        """Respond to what read_first() returned; a client whose connection is over then never costs a poller entry."""
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
        """Go on where the socket stopped us. Called by the poller; a failing socket ends the connection, silently."""
        try:
            self._go_on()
        except OSError:
            self._fail()
        except BaseException:
            self._fail()
            raise

    def on_deadline(self) -> None:
        """Give up what took too long."""
        try:
            self._give_up()
        except OSError:
            self._fail()
        except BaseException:
            self._fail()
            raise

    def is_quiet(self, silent_too: bool) -> bool:
        """Tell whether no request is under way; ``silent_too``: a client that never sent a byte counts as quiet."""
        raise NotImplementedError

    def close(self) -> None:
        """Close the socket and let go of everything, whatever fails on the way."""
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
        """Close with a reset: the client must not take what it has for the whole."""
        self._let_go(True)

    def _takes_requests(self) -> bool:
        return self.state == IDLE or self.state == HEAD or self.state == BODY

    def _has_hung_up(self) -> bool:
        """Tell whether the client is gone; what it sends stays in the kernel while its response is awaited."""
        poll = select.poll()
        poll.register(self._transport.fd, 0)
        return bool(poll.poll(0))

    def _finish(self) -> None:
        """Close; if the client may still be sending, let it see our response first (RFC 9112 §9.6).

        Closing a socket with something unread in it is a reset, which takes what the client has not read yet. It needs
        no look where ``close`` was asked for and responded to at once: nothing may follow it.
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
            self.close()  # the end of the stream: what was asked is answered, and half a request is none

    def _fail(self) -> None:
        """Close after a failure; what all connections share is made again, since it may have stopped half-way."""
        self._service.reader = None
        if self.state != CLOSED:
            self._let_go(self._is_sending())

    def _process(self, data: bytearray, count: int) -> None:
        """Respond to every whole request in what was kept and ``data[:count]``; keep the rest."""
        raise NotImplementedError

    def _go_on(self) -> None:
        """Go on where the socket stopped us."""
        raise NotImplementedError

    def _give_up(self) -> None:
        """Give up what took too long."""
        raise NotImplementedError

    def _is_sending(self) -> bool:
        """Tell whether responses are under way, so that a client must not take a close for their end."""
        raise NotImplementedError

    def _drop_work(self) -> None:
        """Let go of what is under way; the descriptor is closed already."""
        raise NotImplementedError
