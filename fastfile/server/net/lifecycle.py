"""The lifecycle of a connection: what it waits for, until when, and how it ends. It knows no requests.

Closing is the one thing that must not fail half-way: whatever is raised, the descriptor and the client's place are
given back.
"""

from __future__ import annotations

import select

from fastfile.server.net.poller import READ, Watcher
from fastfile.server.net.service import Service
from fastfile.server.net.states import BODY, CLOSED, HEAD, IDLE, LINGERING
from fastfile.server.net.transport import Transport

# Lingering close: what a client may still send after our last response before we hang up. It is what the buffers of
# both ends hold at most (6 MiB and 4 MiB on Linux), and more: a client that sends a body before it looks gets to look.
LINGER_SIZE = 16 * 1024 * 1024
LINGER_S = 2.0


class Lifecycle(Watcher):
    """Owns ``transport`` until close(). ``deadline_s`` is on the clock's monotonic scale."""

    __slots__ = ("_ends_here", "_interest", "_lingered", "_service", "_transport", "_unread", "deadline_s", "state")

    def __init__(self, service: Service, transport: Transport) -> None:
        self._service = service
        self._transport = transport
        self.state = HEAD
        self.deadline_s = service.clock.monotonic_s + service.head_timeout_s
        self._interest = -1  # what the poller watches for; -1: it does not know us yet
        self._ends_here = False  # the client said ``close``, and no byte came behind that request
        self._unread = False  # the client may still be sending something that we do not read
        self._lingered = 0  # bytes read since the last response

    @property
    def fd(self) -> int:
        return self._transport.fd

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
        """Close; where the client may still be sending, let it see our response first (RFC 9112 §9.6).

        Closing a socket with something unread in it is a reset, which takes what the client has not read yet. It needs
        no look where ``close`` was asked for and responded to at once: nothing may follow it.
        """
        service = self._service
        if not self._unread and (self._ends_here or self._transport.recv_into(service.buffer) <= 0):
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
        self._ends_here = False  # what arrives during a wait has to be looked for
        before, self._interest = self._interest, interest
        if before < 0:
            self._service.poller.watch(self._transport.fd, self, interest)
        elif before != interest:
            self._service.poller.change(self._transport.fd, interest)

    def _drop_work(self) -> None:
        """Let go of what is under way; the descriptor is closed already."""
        raise NotImplementedError
