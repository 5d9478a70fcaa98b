"""State that the HTTP/2 connections of one worker share, and the switch from HTTP/1."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from fastfile.clock import Clock
from fastfile.config.config import Config
from fastfile.protocol.http2.blocks import make_date_block
from fastfile.protocol.http2.frames import Scratch
from fastfile.server.net.transport import Transport

if TYPE_CHECKING:
    from fastfile.server.net.http2.connection import Http2Connection
    from fastfile.server.net.service import Service


class Http2:
    """``max_streams`` is the limit of one connection; ``make_connection`` makes Http2Connections."""

    def __init__(self, config: Config, clock: Clock, make_connection: Callable[..., Http2Connection]) -> None:
        self._make_connection = make_connection
        self.max_streams = config.http2_streams
        self.scratch = Scratch()
        self._clock = clock
        self._date_s = -1
        self._date = b""

    def take_over(
        self, service: Service, transport: Transport, interest: int, deadline_s: float, data: bytearray
    ) -> None:
        """Continue a connection in HTTP/2, with ``data`` that has arrived; see Http2Connection.take_over()."""
        connection = self._make_connection(service, transport, self)
        connection.take_over(interest, deadline_s)
        connection.start(data)

    def date(self) -> bytes:
        """Return the current Date field, encoded."""
        if self._date_s != self._clock.wall_s:
            self._date_s = self._clock.wall_s
            self._date = make_date_block(self._date_s)
        return self._date
