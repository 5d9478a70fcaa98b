"""The output of an HTTP/2 session (RFC 9113): heads and data within the windows, resets, and GOAWAY."""

from __future__ import annotations

from fastfile.message import ResponseHead
from fastfile.protocol.http2.blocks import CONTINUE, NO_TABLE, block_of
from fastfile.protocol.http2.budget import Budget
from fastfile.protocol.http2.constants import (
    CONTINUATION,
    END_HEADERS,
    END_STREAM,
    FRAME_SIZE,
    GOAWAY,
    HEADERS,
    MAX_STREAM_ID,
    RST_STREAM,
    WINDOW_SIZE,
    WINDOW_UPDATE,
)
from fastfile.protocol.http2.frames import FrameWriter, Scratch
from fastfile.protocol.http2.stream import Stream

MAX_RESETS = 256  # remembered streams that the server has reset: the client may not know yet


class Flow:
    """The windows of a connection (§5.2), and the client's settings for them."""

    __slots__ = ("initial", "left", "window")

    def __init__(self) -> None:
        self.window = WINDOW_SIZE  # bytes that the server may send
        self.initial = WINDOW_SIZE  # the same for a new stream
        self.left = WINDOW_SIZE  # bytes that the client may send


class Sender:
    """Writes frames to ``writer``. ``streams`` are open; ``last_id`` is the highest one that the client opened."""

    __slots__ = ("_has_table", "_resets", "_update", "budget", "flow", "last_id", "streams", "writer")

    def __init__(self, now_s: float, scratch: Scratch) -> None:
        self._resets: dict[int, None] = {}
        self._has_table = True  # the client keeps a table for the blocks of responses, which use none
        self._update = b""  # the instruction that the next block begins with
        self.budget = Budget(now_s)
        self.flow = Flow()
        self.last_id = 0
        self.streams: dict[int, Stream] = {}
        self.writer = FrameWriter(scratch)

    def drop(self, stream: Stream, code: int) -> None:
        """Reset an open stream."""
        if not stream.is_closed:
            self.reset(stream.id, code)
            self.close(stream)

    def reset(self, stream_id: int, code: int) -> None:
        """End a stream with RST_STREAM. Input that causes resets is charged (CVE-2025-8671)."""
        self.writer.put(RST_STREAM, 0, stream_id, code.to_bytes(4, "big"))
        if len(self._resets) >= MAX_RESETS:
            del self._resets[next(iter(self._resets))]
        self._resets[stream_id] = None
        self.budget.spend(1)

    def close(self, stream: Stream) -> None:
        """Forget a stream that has ended."""
        stream.is_closed = True
        self.streams.pop(stream.id, None)

    def put_continue(self, stream: Stream) -> None:
        """Request a body (RFC 9110 §10.1.1)."""
        self.writer.put(HEADERS, END_HEADERS, stream.id, self._take_update() + CONTINUE)

    def close_table(self) -> None:
        """Have the next block set the size of the client's table to 0: its limit is below the default (§4.3.1)."""
        if self._has_table:
            self._has_table = False
            self._update = NO_TABLE

    def _take_update(self) -> bytes:
        update, self._update = self._update, b""
        return update

    def put_head(self, stream_id: int, head: ResponseHead, date: bytes, is_end: bool) -> None:
        """Write the head of a response; ``date`` is the block of Date."""
        block = block_of(head)
        if self._update:
            block = self._take_update() + block
        flags = END_STREAM if is_end else 0
        if len(block) + len(date) <= FRAME_SIZE:
            self.writer.put(HEADERS, flags | END_HEADERS, stream_id, block, date)
            return
        block += date
        kind = HEADERS
        while len(block) > FRAME_SIZE:
            self.writer.put(kind, flags, stream_id, block[:FRAME_SIZE])
            block = block[FRAME_SIZE:]
            kind, flags = CONTINUATION, 0
        self.writer.put(kind, flags | END_HEADERS, stream_id, block)

    def put_data(self, stream_id: int, piece: bytes, is_end: bool) -> None:
        """Write a piece of a body within the windows."""
        size = len(piece)
        self.flow.window -= size
        self.budget.earn(size)
        self.writer.put_data(END_STREAM if is_end else 0, stream_id, piece)

    def put_frames(self, frames: bytes, size: int) -> None:
        """Write DATA frames within the windows; ``size`` is that of their content."""
        self.flow.window -= size
        self.budget.earn(size)
        self.writer.put_frames(frames)

    def has_room(self, size: int) -> bool:
        """Tell whether the windows have room for the whole body of a new stream."""
        return size <= self.flow.window and size <= self.flow.initial

    def put_goaway(self, code: int, detail: str, is_final: bool = True) -> None:
        """Announce that no further streams are accepted; before the final GOAWAY, streams may still arrive (§6.8)."""
        last = self.last_id if is_final else MAX_STREAM_ID
        self.writer.put(GOAWAY, 0, 0, last.to_bytes(4, "big") + code.to_bytes(4, "big") + detail.encode())

    def widen(self, stream: Stream, size: int) -> None:
        """Let the client send that much more on a stream: it was dropped, or passed on by its sink."""
        if not stream.is_closed and not stream.is_complete:
            stream.left += size
            self._widen(stream.id, size)

    def _widen(self, stream_id: int, size: int) -> None:
        self.writer.put(WINDOW_UPDATE, 0, stream_id, size.to_bytes(4, "big"))
