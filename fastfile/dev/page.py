"""An open page: its WebSocket, the files that it has loaded, and what it waits for."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from math import inf

from fastfile.dev.prints import Print
from fastfile.protocol.websocket import (
    CLOSE,
    NORMAL,
    PING,
    PONG,
    TEXT,
    FrameReader,
    WebSocketError,
    make_close,
    make_frame,
)
from fastfile.upgrade import Channel

MAX_TARGETS = 5000  # files that are tracked for a page; changes of further ones go unnoticed
MAX_TARGET = 2048  # bytes
_COARSE_NS = 10_000_000  # the resolution of file times: a tick of the slowest kernel clock
_STALE = Print(0)
GONE = Print(0, is_file=True)  # a page that was there when it was loaded, and is not any more


class Page:
    """One page in a browser. It reports which files it has loaded, and when, counted from the start of its load.

    Make it before the page gets the 101. ``on_begin`` is called when it has connected, ``on_news`` when it has reported
    something, ``on_end`` when its connection has ended.
    """

    def __init__(
        self, on_begin: Callable[[Page], None], on_news: Callable[[], None], on_end: Callable[[Page], None]
    ) -> None:
        self._on_begin = on_begin
        self._on_news = on_news
        self._on_end = on_end
        self._reader = FrameReader()
        self._channel: Channel | None = None
        # Before the page can know it: otherwise the page would seem younger than it is, and a change would be missed.
        self._connected_ns = time.time_ns()
        self.target = b""  # of the page itself; empty until it has reported it
        self.prints: dict[bytes, Print] = {}  # of everything that it has loaded, at that time
        self.news: dict[bytes, int] = {}  # loads since the last check, and when, in ns of the system's time
        self.loaded_ns = 0
        self.missing: set[bytes] = set()  # files that were missing when it was loaded, and need not appear
        self.held_since_s = inf  # since when a change waits for others, on the monotonic scale
        self.notice = b""
        self.is_answering = True  # it has sent something since the last ping

    def begin(self, channel: Channel) -> None:
        self._channel = channel
        self._on_begin(self)

    def receive(self, data: bytes) -> None:
        self.is_answering = True
        try:
            messages = self._reader.feed(data)
        except WebSocketError as error:
            self.close_with(error.code)
            return
        for kind, payload in messages:
            if kind == TEXT:
                self._take(payload.split(b"\n"))
            elif kind == PING:
                self._send(make_frame(PONG, payload))
            elif kind == CLOSE:
                self.close_with(NORMAL)
                return

    def end(self) -> None:
        self._channel = None
        self._on_end(self)

    def tell(self, message: bytes) -> None:
        """Send a message to the script in the page."""
        self._send(make_frame(TEXT, message))

    def show(self, notice: bytes) -> None:
        """Show a notice on the page, or none."""
        if notice != self.notice:
            self.notice = notice
            self.tell(b"notice " + notice)

    def ping(self) -> None:
        """Send a ping; close the connection if the last one got no reply."""
        if not self.is_answering and self._channel is not None:
            self._channel.close()
            return
        self.is_answering = False
        self._send(make_frame(PING))

    def close_with(self, code: int) -> None:
        """End the connection, and tell the page this code (RFC 6455 §7.4)."""
        self._send(make_close(code))
        if self._channel is not None:
            self._channel.close()

    def look_at_news(self, prints: dict[bytes, Print]) -> bool:
        """Record new loads; ``prints`` are the current ones. Tell whether something has changed since then."""
        has_changed = False
        for target, seen in prints.items():
            fetched_ns = self.news.pop(target)
            is_stale = seen.changed_ns > fetched_ns - _COARSE_NS
            self.prints[target] = _STALE if is_stale else seen
            has_changed |= is_stale
        return has_changed

    def forget_all(self) -> None:
        """Treat everything as changed: the page was loaded from another folder."""
        self.prints = dict.fromkeys(self.prints, _STALE)

    def _take(self, lines: Iterable[bytes]) -> None:
        """Record lines of ``MILLISECONDS TARGET``.

        The first line is the page itself and its age. The page sends it after it has connected, so it is at least that
        old, however long the message took. The other lines are the files that it has loaded, and when in its life.
        """
        for line in lines:
            time_ms, _, target = line.partition(b" ")
            if not time_ms.isdigit() or len(time_ms) > 12 or not target.startswith(b"/") or len(target) > MAX_TARGET:
                continue
            time_ns = int(time_ms) * 1_000_000
            if not self.target:
                self.target, self.loaded_ns, time_ns = target, self._connected_ns - time_ns, 0
            if len(self.prints) + len(self.news) < MAX_TARGETS:
                self.news[target] = self.loaded_ns + time_ns
        self._on_news()

    def _send(self, data: bytes) -> None:
        if self._channel is not None:
            self._channel.send(data)
