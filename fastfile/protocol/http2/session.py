"""An HTTP/2 session of a server (RFC 9113): bytes in, events out; ``writer`` has the output. No I/O.

Call receive(), then next_event() until it returns MORE, or PAUSE: then call it again later. Then call end_batch(). An
event has ``stream_id`` and ``head``, and ``stream`` if there is one: a finished request whose response leaves at once
needs no Stream.
"""

from __future__ import annotations

from fastfile.message import RequestHead
from fastfile.parser_limits import ParserLimits
from fastfile.protocol.http2.constants import (
    ACK,
    CONTINUATION,
    DATA,
    END_HEADERS,
    END_STREAM,
    ENHANCE_YOUR_CALM,
    FLOW_CONTROL_ERROR,
    FRAME_SIZE_ERROR,
    HAS_PRIORITY,
    HEADERS,
    MAX_CONCURRENT_STREAMS,
    MAX_HEADER_LIST_SIZE,
    NO_ERROR,
    NO_RFC7540_PRIORITIES,
    PREFACE,
    PROTOCOL_ERROR,
    REFUSED_STREAM,
    SETTINGS,
    STREAM_CLOSED,
    WINDOW_SIZE,
    ConnectionFailure,
    StreamFailure,
)
from fastfile.protocol.http2.control import BODY, CONTENT, END, MORE, PAUSE, REQUEST, TOO_LARGE, Control
from fastfile.protocol.http2.frames import Scratch
from fastfile.protocol.http2.heads import LISTS_PER_HEAD, HeadReader
from fastfile.protocol.http2.stream import Stream

MAX_CONTINUATIONS = 8
LIST_PER_TOKEN = 128  # bytes of a decoded list that brings no response
SMALL_DATA = 64  # bytes; a smaller frame that does not end a body is charged

# What next_event() expects.
START, FIRST_SETTINGS, ANY, NOTHING = range(4)


class PartialBlock:
    """A header block that continues in CONTINUATION frames (§6.10)."""

    __slots__ = ("block", "flags", "frames", "is_circular", "stream_id")

    def __init__(self, stream_id: int, block: bytes, flags: int, is_circular: bool) -> None:
        self.stream_id = stream_id
        self.block = block
        self.flags = flags
        self.is_circular = is_circular
        self.frames = 0


class Session(Control):
    """``streams`` are the open ones. Raises ConnectionFailure if it has to end: then call end()."""

    __slots__ = (
        "_limits",
        "_partial",
        "_phase",
        "head",
        "heads",
        "stream_id",
    )

    def __init__(self, limits: ParserLimits, max_streams: int, now_s: float, scratch: Scratch) -> None:
        super().__init__(max_streams, now_s, scratch)
        self._limits = limits
        self._partial: PartialBlock | None = None
        self._phase = START
        self.heads = HeadReader(limits)
        self.head: RequestHead | None = None
        self.stream_id = 0
        settings = (
            (MAX_CONCURRENT_STREAMS, max_streams),
            (MAX_HEADER_LIST_SIZE, limits.head),
            (NO_RFC7540_PRIORITIES, 1),  # RFC 9218 §2.1
        )
        payload = b"".join(key.to_bytes(2, "big") + value.to_bytes(4, "big") for key, value in settings)
        self.writer.put(SETTINGS, 0, 0, payload)

    def receive(self, data: bytearray, count: int, now_s: float) -> None:
        """Take ``data[:count]``, whose buffer may be reused after end_batch()."""
        self.frames.feed(data, count)
        self.budget.begin_turn(now_s)

    def end_batch(self) -> None:
        """Keep unread input."""
        self.frames.keep()

    def is_between(self) -> bool:
        """Tell whether nothing is in progress: no stream, no part of a frame or of a header block."""
        return not self.streams and self._partial is None and self.frames.is_empty()

    def end(self, code: int, detail: str) -> None:
        """Write the final GOAWAY: later input is not read."""
        self._phase = NOTHING
        self.put_goaway(code, detail)

    def has_ended(self) -> bool:
        """Tell whether the final GOAWAY is written."""
        return self._phase == NOTHING

    def next_event(self) -> int:
        """Read frames up to the next event. Raises ConnectionFailure."""
        frames = self.frames
        if self._phase == NOTHING:
            return MORE
        if self._phase == START:
            if not frames.skip(PREFACE):
                return MORE
            self._phase = FIRST_SETTINGS
        event = MORE
        while event == MORE:
            if self.budget.is_turn_over():
                return PAUSE
            if not frames.next():
                return MORE
            kind = frames.kind
            if self._phase == FIRST_SETTINGS:
                if kind != SETTINGS or frames.flags & ACK:
                    raise ConnectionFailure(PROTOCOL_ERROR, "the first frame is not SETTINGS")
                self._phase = ANY
            if self._partial is not None and (kind != CONTINUATION or frames.stream_id != self._partial.stream_id):
                raise ConnectionFailure(PROTOCOL_ERROR, "another frame within a header block")
            if kind == HEADERS:
                event = self._on_headers()
            elif kind == DATA:
                event = self._on_data()
            elif kind == CONTINUATION:
                event = self._on_continuation()
            else:
                event = self._on_control(kind)
        return event

    def _on_headers(self) -> int:
        frames = self.frames
        frames.unpad()
        is_circular = False
        if frames.flags & HAS_PRIORITY:
            if frames.stop - frames.start < 5:
                raise ConnectionFailure(FRAME_SIZE_ERROR, "HEADERS is cut")
            is_circular = frames.number(frames.start) & 0x7FFFFFFF == frames.stream_id
            frames.start += 5
        if frames.flags & END_HEADERS:
            return self._take_block(frames.stream_id, frames.payload(), frames.flags, is_circular)
        self._partial = PartialBlock(frames.stream_id, frames.payload(), frames.flags, is_circular)
        return MORE

    def _on_continuation(self) -> int:
        partial, frames = self._partial, self.frames
        if partial is None:
            raise ConnectionFailure(PROTOCOL_ERROR, "CONTINUATION without HEADERS")
        partial.frames += 1
        partial.block += frames.payload()
        if partial.frames > MAX_CONTINUATIONS or len(partial.block) > LISTS_PER_HEAD * self._limits.head:
            raise ConnectionFailure(ENHANCE_YOUR_CALM, "too many CONTINUATION frames")
        if not frames.flags & END_HEADERS:
            return MORE
        self._partial = None
        return self._take_block(partial.stream_id, partial.block, partial.flags, partial.is_circular)

    def _take_block(self, stream_id: int, block: bytes, flags: int, is_circular: bool) -> int:
        """Handle the head of a request, or its trailers; ``is_circular``: it depends on itself (RFC 7540 §5.3.1)."""
        is_end = flags & END_STREAM != 0
        if stream_id & 1 == 0:
            raise ConnectionFailure(PROTOCOL_ERROR, "a client's stream has an odd number")
        if stream_id <= self.last_id:
            return self._take_trailers(stream_id, block, is_end)
        self.last_id = stream_id
        if self._early:  # skipped streams are closed (RFC 9113 §5.1.1)
            self._early = {key: priority for key, priority in self._early.items() if key >= stream_id}
        try:
            head = self.heads.read(block)
        except StreamFailure as failure:
            self._charge_list()
            self.reset(stream_id, failure.code)
            return MORE
        if is_circular or (is_end and head.content_length > 0):  # §8.1.1
            self._charge_list()
            self.reset(stream_id, PROTOCOL_ERROR)
            return MORE
        if self.heads.refusal is not None:
            self._charge_list()
            self.budget.spend(1)
        if len(self.streams) >= self._max_streams:
            self._charge_list()
            self.reset(stream_id, REFUSED_STREAM)
            return MORE
        self.stream_id = stream_id
        self.head = head
        self.stream = None
        if is_end:
            return REQUEST
        self.open(False)
        return BODY

    def _charge_list(self) -> None:
        """Charge what it took to decode a list: 400 fields of a byte each, 0.5 ms (CVE-2016-6581)."""
        self.budget.spend(self.heads.list_size / LIST_PER_TOKEN)

    def open(self, is_complete: bool) -> Stream:
        """Return the stream of the current event, and keep it, because its request or response has not ended."""
        assert self.head is not None
        stream = self.stream
        if stream is None:
            stream = Stream(self.stream_id, self.head, self.flow.initial, is_complete)
            self.stream = self.streams[self.stream_id] = stream
            early = self._early.pop(self.stream_id, None)
            if early is not None:
                stream.rank(early[0], early[1])
        return stream

    def _take_trailers(self, stream_id: int, block: bytes, is_end: bool) -> int:
        stream = self.streams.get(stream_id)
        if stream is None and stream_id not in self._resets:
            raise ConnectionFailure(STREAM_CLOSED, "HEADERS for a stream that is over")
        code = NO_ERROR
        try:
            self.heads.read_trailers(block)
            if stream is not None and stream.is_complete:
                code = STREAM_CLOSED
            elif not is_end:
                code = PROTOCOL_ERROR
            elif stream is not None:
                stream.take(0, True)
        except StreamFailure as failure:
            code = failure.code
        if code != NO_ERROR or stream is None or self.heads.list_size > self._limits.head:
            self._charge_list()
        if stream is None:
            self.budget.spend(1)
            return MORE
        return self._end_body(stream) if code == NO_ERROR else self._fail_stream(stream, code)

    def _end_body(self, stream: Stream) -> int:
        stream.is_complete = True
        self.stream = stream
        self.stream_id = stream.id
        self.head = stream.head
        return END

    def _on_data(self) -> int:
        frames, flow = self.frames, self.flow
        stream_id = frames.stream_id
        if self._is_idle(stream_id):
            raise ConnectionFailure(PROTOCOL_ERROR, "DATA for no stream")
        size = frames.stop - frames.start
        flow.left -= size
        if flow.left < 0:
            raise ConnectionFailure(FLOW_CONTROL_ERROR, "more DATA than the window")
        if flow.left < WINDOW_SIZE // 2:
            self._widen(0, WINDOW_SIZE - flow.left)
            flow.left = WINDOW_SIZE
        frames.unpad()
        content = frames.stop - frames.start
        is_end = frames.flags & END_STREAM != 0
        if content < SMALL_DATA and not is_end:
            self.budget.spend(1)
        stream = self.streams.get(stream_id)
        if stream is None:
            if stream_id in self._resets:
                self.budget.spend(1)
            else:
                self.reset(stream_id, STREAM_CLOSED)
            return MORE
        if stream.is_complete:
            return self._fail_stream(stream, STREAM_CLOSED)
        stream.left -= size
        if stream.left < 0:
            return self._fail_stream(stream, FLOW_CONTROL_ERROR)
        try:
            stream.take(content, is_end)
        except StreamFailure as failure:
            return self._fail_stream(stream, failure.code)
        if stream.sink is not None:
            return self._pass_on(stream, size, is_end)
        if is_end:
            return self._end_body(stream)
        if stream.received > self._limits.body:
            self._end_body(stream)
            return TOO_LARGE
        if size:
            self.widen(stream, size)
        return MORE

    def _pass_on(self, stream: Stream, size: int, is_end: bool) -> int:
        """Give content to the stream's sink; ``size`` is that of the frame, with its padding."""
        data = self.frames.payload()
        if data:
            stream.sink.feed(data)  # type: ignore[union-attr]  # the caller has looked
        if is_end:
            return self._end_body(stream)
        if size > len(data):
            self.widen(stream, size - len(data))
        self.stream = stream
        return CONTENT
