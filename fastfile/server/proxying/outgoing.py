"""A request on its way to an upstream: its head, and its body as it comes."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from fastfile.message import UNKNOWN_SIZE, Pending
from fastfile.middleware.proxy import Forward
from fastfile.protocol.http1 import END_OF_CHUNK, END_OF_CHUNKS, start_chunk
from fastfile.protocol.upstream import make_request
from fastfile.server.proxying.streams import Stream

CONTINUE_S = 1.0  # an upstream that ignores Expect gets the content after this time, as from any client (§10.1.1)

PIECES = 16  # of a body in one turn, 64 KiB each: both sides may be faster than the loop


class Outgoing:
    """``go_on`` is called when more can be sent. ``active_s`` is when something last was, on the loop's clock."""

    def __init__(self, forward: Forward, loop: asyncio.AbstractEventLoop, go_on: Callable[[], None]) -> None:
        self._forward = forward
        self._loop = loop
        self._go_on = go_on
        self._body = forward.body
        self._may_send_body = not forward.expects_continue
        self._unsent = memoryview(b"")
        self._is_done = False  # all is sent, or the upstream takes no more
        self._inviting: asyncio.TimerHandle | None = None
        self.active_s = loop.time()

    def begin(self) -> None:
        """Begin with the head, on a new connection."""
        forward = self._forward
        fields = [*forward.fields, (b"Expect", b"100-continue")] if forward.expects_continue else forward.fields
        size = None if forward.body is None else forward.body.size
        self._unsent = memoryview(make_request(forward.method, forward.target, fields, size))
        self._is_done = False

    @property
    def is_blocked(self) -> bool:
        """Whether the upstream does not take what there is."""
        return not self._is_done and len(self._unsent) > 0

    @property
    def awaits_client(self) -> bool:
        """Whether it is the client that does not send its content."""
        return not self._is_done and self._body is not None and self._may_send_body and not self.is_blocked

    def send(self, stream: Stream) -> None:
        """Send the head and what has come of the body. Raises OSError and, for a malformed body, HTTPError."""
        pieces = 0
        while not self._is_done:
            if not self._flush(stream):
                return
            body = self._body
            if body is None:
                self._is_done = True
            elif not self._may_send_body:
                if self._inviting is None:
                    self._inviting = self._loop.call_later(CONTINUE_S, self.invite)
                return
            else:
                pieces += 1
                if pieces > PIECES:
                    self._loop.call_soon(self._go_on)
                    return
                piece = body.read()
                if isinstance(piece, Pending):
                    body.wait(self._go_on)
                    return
                self._queue(piece, body.size)

    def _flush(self, stream: Stream) -> bool:
        while len(self._unsent):
            try:
                sent = stream.send(self._unsent)
            except (BrokenPipeError, ConnectionResetError):  # it may have responded before it closed
                self._is_done = True
                return False
            if sent == 0:
                return False
            self.active_s = self._loop.time()
            self._unsent = self._unsent[sent:]
        return True

    def _queue(self, piece: bytes, size: int) -> None:
        if not piece:
            self._body = None
        if size == UNKNOWN_SIZE:
            piece = start_chunk(len(piece)) + piece + END_OF_CHUNK if piece else END_OF_CHUNKS
        self._unsent = memoryview(piece)

    def invite(self) -> None:
        """Have the client send its content, if it waits for that."""
        self._cancel()
        if self._body is not None and not self._may_send_body:
            self._may_send_body = True
            self._body.invite()
            self._go_on()

    def drop(self) -> None:
        """Send no more."""
        self._cancel()
        self._is_done = True
        self._body = None

    def _cancel(self) -> None:
        if self._inviting is not None:
            self._inviting.cancel()
