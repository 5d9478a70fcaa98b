"""A connection that another protocol has taken over (upgrade.Upgrade): bytes in, bytes out, and its end."""

from __future__ import annotations

from collections import deque
from contextlib import suppress

from fastfile.message import FileSlice
from fastfile.server.net.poller import READ, WRITE, Watcher
from fastfile.server.net.service import Service
from fastfile.server.net.transport import WOULD_BLOCK_WRITE, Transport
from fastfile.upgrade import Session

MAX_UNSENT = 256 * 1024  # bytes that wait for a client; one that lets more wait is dropped


class Upgraded(Watcher):
    """Owns ``transport``, and the client's place among the connections, until it closes."""

    def __init__(self, service: Service, transport: Transport, session: Session) -> None:
        self._service = service
        self._transport = transport
        self._session = session
        self._unsent: deque[bytes] = deque()
        self._skip = 0  # bytes of the first of them that are sent
        self._is_closing = self._is_closed = False

    def on_ready(self) -> None:
        """Send what waits, and give the session what has come. A failing socket ends the connection, silently."""
        try:
            self._send()
            while not self._is_closed:
                count = self._transport.recv_into(self._service.buffer)
                if count > 0:
                    self._session.receive(bytes(memoryview(self._service.buffer)[:count]))
                elif count == 0:
                    self._end()
                else:
                    if count == WOULD_BLOCK_WRITE:  # TLS has to write before it can read
                        self._service.poller.change(self._transport.fd, READ | WRITE)
                    return
        except OSError:
            self._end()
        except BaseException:
            self._end()
            raise

    def send(self, data: bytes) -> None:
        """Send bytes of the session, now or later."""
        if self._is_closing or self._is_closed:
            return
        self._unsent.append(data)
        try:
            self._send()
        except OSError:
            self._end()
        if sum(map(len, self._unsent)) > MAX_UNSENT:
            self._end()

    def close(self) -> None:
        """Close once everything is sent; at once where the client does not take it."""
        self._is_closing = True
        if not self._is_closed:
            with suppress(OSError):  # the client has gone
                self._transport.shutdown_write()
            self._end()

    def _send(self) -> None:
        while self._unsent and not self._is_closed:
            parts: list[bytes | FileSlice] = [self._unsent[0]]
            sent = self._transport.send_parts(parts, self._skip)
            if sent < 0:
                break
            self._skip += sent
            if self._skip == len(self._unsent[0]):
                self._unsent.popleft()
                self._skip = 0
        if not self._is_closed:
            self._service.poller.change(self._transport.fd, READ | WRITE if self._unsent else READ)

    def _end(self) -> None:
        if self._is_closed:
            return
        self._is_closed = True
        try:
            self._service.poller.forget(self._transport.fd)
        finally:
            try:
                self._transport.close()
            finally:
                try:
                    self._service.clients.release(self._transport.peer)
                finally:
                    self._session.end()


def hand_over(service: Service, transport: Transport, session: Session, is_watched: bool) -> None:
    """Let a session take over a connection; ``is_watched``: the poller knows its descriptor already."""
    upgraded = Upgraded(service, transport, session)
    if is_watched:
        service.poller.replace(transport.fd, upgraded)
        service.poller.change(transport.fd, READ)
    else:
        service.poller.watch(transport.fd, upgraded, READ)
    session.begin(upgraded)
