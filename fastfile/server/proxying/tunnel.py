"""A WebSocket through the proxy: bytes in both directions between a client and an upstream, until either closes.

Neither side is read while the other does not take what came before, so memory is bounded. The bytes are not looked at.
"""

from __future__ import annotations

import asyncio
import contextlib
import select
from typing import TYPE_CHECKING

from fastfile.server.net.poller import READ, WRITE, Watcher
from fastfile.server.net.service import Service
from fastfile.server.net.transport import WOULD_BLOCK_WRITE, Transport
from fastfile.server.proxying.streams import Stream
from fastfile.upgrade import Channel

if TYPE_CHECKING:
    from fastfile.server.proxying.upstreams import Upstreams

STALLED_S = 60.0  # one side takes nothing of what the other sent
_ROUNDS = 16  # reads of each side in one turn


def has_hung_up(fd: int) -> bool:
    """Tell whether a socket is closed in both directions, or has failed."""
    poll = select.poll()
    poll.register(fd, 0)
    return bool(poll.poll(0))


class Side(Watcher):
    """What the poller calls for one of the two sockets."""

    def __init__(self, tunnel: TunnelSession) -> None:
        self._tunnel = tunnel

    def on_ready(self) -> None:
        self._tunnel.on_ready()


class TunnelSession:
    """Owns the stream to the upstream, and the client's transport once take_over() was called.

    A session of upgrade.Upgrade that takes the transport itself.
    """

    def __init__(self, upstreams: Upstreams, stream: Stream, received: bytes) -> None:
        self._upstreams = upstreams
        self._stream = stream
        self._transport: Transport | None = None
        self._service: Service | None = None
        self._buffer = bytearray(64 * 1024)
        self._to_client = received  # what the client has not taken
        self._to_upstream = memoryview(b"")
        self._interests = [-1, -1]
        self._is_ending = self._is_closed = False
        self._sent = self._sent_before = 0
        self._timer: asyncio.TimerHandle | None = None

    def take_over(self, service: Service, transport: Transport, is_watched: bool) -> None:
        """Relay from now on; ``is_watched``: the poller knows the transport's descriptor already."""
        self._service, self._transport = service, transport
        poller, interest = self._upstreams.poller, READ | WRITE
        self._interests = [interest, interest]
        if is_watched:
            poller.replace(transport.fd, Side(self))
            poller.change(transport.fd, interest)
        else:
            poller.watch(transport.fd, Side(self), interest)
        poller.watch(self._stream.fd, Side(self), interest)
        self._timer = self._upstreams.loop.call_later(STALLED_S, self._look)
        self.on_ready()

    def on_ready(self) -> None:
        """Move what can be moved. A failing socket ends both."""
        if self._is_closed:
            return
        try:
            self._move()
        except OSError:
            self.close()

    def _move(self) -> None:
        transport, stream = self._transport, self._stream
        assert transport is not None
        client_interest = upstream_interest = 0
        moved = 1
        for _ in range(_ROUNDS):
            if not moved:
                break
            moved = self._flush()
            if not self._to_upstream and not self._is_ending:
                count = transport.recv_into(self._buffer)
                if count > 0:
                    moved += count
                    self._to_upstream = memoryview(bytes(memoryview(self._buffer)[:count]))
                elif count == 0:
                    self._is_ending = True
                elif count == WOULD_BLOCK_WRITE:
                    client_interest = WRITE
            if not self._to_client and not self._is_ending:
                data = stream.receive()
                if data:
                    moved += len(data)
                    self._to_client = data
                elif data == b"":
                    self._is_ending = True
        moved += self._flush()
        if self._is_ending and not self._to_client and not self._to_upstream:
            self.close()
            return
        client_interest |= (0 if self._to_upstream or self._is_ending else READ) | (WRITE if self._to_client else 0)
        upstream_interest |= (0 if self._to_client or self._is_ending else READ) | (WRITE if self._to_upstream else 0)
        if stream.wants_write:
            upstream_interest |= WRITE
        if not moved and (has_hung_up(transport.fd) or has_hung_up(stream.fd)):
            self.close()
            return
        self._watch(0, transport.fd, client_interest)
        self._watch(1, stream.fd, upstream_interest)

    def _flush(self) -> int:
        transport = self._transport
        assert transport is not None
        moved = 0
        if self._to_client:
            sent = transport.send_parts([self._to_client], 0)
            if sent > 0:
                moved += sent
                self._to_client = self._to_client[sent:]
        if self._to_upstream:
            sent = self._stream.send(self._to_upstream)
            moved += sent
            self._to_upstream = self._to_upstream[sent:]
        self._sent += moved
        return moved

    def _watch(self, side: int, fd: int, interest: int) -> None:
        if self._interests[side] != interest:
            self._interests[side] = interest
            self._upstreams.poller.change(fd, interest)

    def _look(self) -> None:
        """Close if one side has taken nothing for long."""
        if (self._to_client or self._to_upstream) and self._sent == self._sent_before:
            self.close()
            return
        self._sent_before = self._sent
        self._timer = self._upstreams.loop.call_later(STALLED_S, self._look)

    def close(self) -> None:
        """Close both sides."""
        if self._is_closed:
            return
        self._is_closed = True
        if self._timer is not None:
            self._timer.cancel()
        poller, transport, service = self._upstreams.poller, self._transport, self._service
        try:
            if transport is not None:
                poller.forget(self._stream.fd)
            self._stream.close()
        finally:
            try:
                if transport is not None and service is not None:
                    poller.forget(transport.fd)
                    with contextlib.suppress(OSError):  # it may have been reset
                        transport.shutdown_write()
                    transport.close()
                    service.clients.release(transport.peer)
            finally:
                self._upstreams.release(self)

    # The interface of a session that does not take its transport.

    def begin(self, channel: Channel) -> None:
        raise NotImplementedError

    def receive(self, data: bytes) -> None:
        raise NotImplementedError

    def end(self) -> None:
        self.close()
