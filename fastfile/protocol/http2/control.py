"""The control frames of a session (RFC 9113 §6): settings, windows, resets, pings. They get no response."""

from __future__ import annotations

from fastfile.protocol.http2.constants import (
    ACK,
    ENABLE_PUSH,
    FLOW_CONTROL_ERROR,
    FRAME_SIZE,
    FRAME_SIZE_ERROR,
    GOAWAY,
    HEADER_TABLE_SIZE,
    INITIAL_WINDOW_SIZE,
    MAX_FRAME_SIZE,
    MAX_WINDOW,
    NO_ERROR,
    PING,
    PRIORITY,
    PRIORITY_UPDATE,
    PROTOCOL_ERROR,
    PUSH_PROMISE,
    RST_STREAM,
    SETTINGS,
    WINDOW_UPDATE,
    ConnectionFailure,
)
from fastfile.protocol.http2.frames import FrameReader, Scratch
from fastfile.protocol.http2.hpack import TABLE_SIZE
from fastfile.protocol.http2.priority import parse_priority
from fastfile.protocol.http2.sender import Sender
from fastfile.protocol.http2.stream import Stream

# Events.
MORE = 0  # more input is needed
REQUEST = 1  # a request without a body; ``stream`` is None
BODY = 2  # the head of a request that has a body
END = 3  # the body of ``stream`` was read to its end
TOO_LARGE = 4  # it is larger than the limit
RESET = 5  # ``stream`` has ended: the client reset it, or the server did because of its input
CONTENT = 6  # content for the sink of ``stream`` has come
PAUSE = 7  # there is more input, but others have their turn first, because too much brought no response

# A window update of this many bytes may belong to a download, which earns a token for as many. Go sends one for the
# connection and one for the stream whenever a program has read 4 KiB; without data, they end at the largest window.
LARGE_UPDATE = 4096
LARGE_UPDATE_TOKENS = 0.25


class Control(Sender):
    """Reads ``frames``. ``stream`` is the stream of the last event."""

    __slots__ = ("_early", "_max_streams", "frames", "stream")

    def __init__(self, max_streams: int, now_s: float, scratch: Scratch) -> None:
        super().__init__(now_s, scratch)
        self._max_streams = max_streams
        self._early: dict[int, tuple[int, bool]] = {}  # priorities of streams that are not open yet
        self.frames = FrameReader()
        self.stream: Stream | None = None

    def _on_control(self, kind: int) -> int:
        """Handle a frame other than HEADERS and DATA; most get no response, and are charged."""
        frames = self.frames
        size = frames.stop - frames.start
        if kind == WINDOW_UPDATE:
            return self._on_window_update(size)
        self.budget.spend(1 + size / 64)
        is_of_stream = kind in (PRIORITY, RST_STREAM)
        if (is_of_stream and frames.stream_id == 0) or (
            kind in (SETTINGS, PING, GOAWAY, PRIORITY_UPDATE) and frames.stream_id != 0
        ):
            raise ConnectionFailure(PROTOCOL_ERROR, "a frame on the wrong stream")
        if kind == RST_STREAM:
            return self._on_reset(size)
        if kind == PRIORITY:
            return self._on_priority(size)
        if kind == SETTINGS:
            self._on_settings(size)
        elif kind == PING:
            if size != 8:
                raise ConnectionFailure(FRAME_SIZE_ERROR, "PING is not 8 bytes long")
            if not frames.flags & ACK:
                self.writer.put(PING, ACK, 0, frames.payload())
        elif kind == GOAWAY:
            if size < 8:
                raise ConnectionFailure(FRAME_SIZE_ERROR, "GOAWAY is cut")
        elif kind == PRIORITY_UPDATE:
            self._on_priority_update(size)
        elif kind == PUSH_PROMISE:
            raise ConnectionFailure(PROTOCOL_ERROR, "a client must not push")
        return MORE

    def _on_window_update(self, size: int) -> int:
        frames, flow = self.frames, self.flow
        if size != 4:
            raise ConnectionFailure(FRAME_SIZE_ERROR, "WINDOW_UPDATE is not 4 bytes long")
        stream_id = frames.stream_id
        more = frames.number(frames.start) & 0x7FFFFFFF
        stream = self.streams.get(stream_id)
        is_useful = more >= LARGE_UPDATE and (stream is not None or stream_id == 0)
        self.budget.spend(LARGE_UPDATE_TOKENS if is_useful else 1)
        if stream_id == 0:
            if more == 0:
                raise ConnectionFailure(PROTOCOL_ERROR, "WINDOW_UPDATE by nothing")
            flow.window += more
            if flow.window > MAX_WINDOW:
                raise ConnectionFailure(FLOW_CONTROL_ERROR, "the window is too large")
            return MORE
        if self._is_idle(stream_id):
            raise ConnectionFailure(PROTOCOL_ERROR, "WINDOW_UPDATE for an idle stream")
        if stream is None:
            if more == 0:
                self.reset(stream_id, PROTOCOL_ERROR)
            return MORE
        stream.window += more
        if more == 0:
            return self._fail_stream(stream, PROTOCOL_ERROR)
        return MORE if stream.window <= MAX_WINDOW else self._fail_stream(stream, FLOW_CONTROL_ERROR)

    def _on_reset(self, size: int) -> int:
        stream_id = self.frames.stream_id
        if size != 4:
            raise ConnectionFailure(FRAME_SIZE_ERROR, "RST_STREAM is not 4 bytes long")
        if self._is_idle(stream_id):
            raise ConnectionFailure(PROTOCOL_ERROR, "RST_STREAM for an idle stream")
        stream = self.streams.pop(stream_id, None)
        if stream is None:
            return MORE
        stream.is_closed = True
        self.stream = stream
        return RESET

    def _on_priority(self, size: int) -> int:
        """Check the frame; its content has no meaning any more (§5.3.2)."""
        frames = self.frames
        stream_id = frames.stream_id
        code = NO_ERROR
        if size != 5:
            code = FRAME_SIZE_ERROR
        elif frames.number(frames.start) & 0x7FFFFFFF == stream_id:
            code = PROTOCOL_ERROR
        if code == NO_ERROR:
            return MORE
        if self._is_idle(stream_id):
            raise ConnectionFailure(code, "PRIORITY is malformed")
        stream = self.streams.get(stream_id)
        if stream is not None:
            return self._fail_stream(stream, code)
        self.reset(stream_id, code)
        return MORE

    def _on_priority_update(self, size: int) -> None:
        """Handle RFC 9218 §7.1. The priority of a request that has not arrived is kept until then."""
        frames = self.frames
        if size < 4:
            raise ConnectionFailure(FRAME_SIZE_ERROR, "PRIORITY_UPDATE is cut")
        stream_id = frames.number(frames.start) & 0x7FFFFFFF
        if stream_id & 1 == 0:
            raise ConnectionFailure(PROTOCOL_ERROR, "PRIORITY_UPDATE for no request")
        urgency, is_incremental = parse_priority(frames.payload()[4:])
        stream = self.streams.get(stream_id)
        if stream is not None:
            stream.rank(urgency, is_incremental)
        elif stream_id > self.last_id:
            if stream_id not in self._early and len(self._early) + len(self.streams) >= self._max_streams:
                raise ConnectionFailure(PROTOCOL_ERROR, "priorities for more streams than the limit")
            self._early[stream_id] = urgency, is_incremental

    def _on_settings(self, size: int) -> None:
        frames = self.frames
        if frames.flags & ACK:
            if size:
                raise ConnectionFailure(FRAME_SIZE_ERROR, "an acknowledgement holds settings")
            return
        if size % 6:
            raise ConnectionFailure(FRAME_SIZE_ERROR, "SETTINGS is cut")
        self.budget.spend(size / 6)  # each setting is work
        for start in range(frames.start, frames.stop, 6):
            self._set(frames.number(start) >> 16, frames.number(start + 2))
        self.writer.put(SETTINGS, ACK, 0, b"")

    def _set(self, key: int, value: int) -> None:
        flow = self.flow
        if key == ENABLE_PUSH:
            if value > 1:
                raise ConnectionFailure(PROTOCOL_ERROR, "ENABLE_PUSH is neither 0 nor 1")
        elif key == MAX_FRAME_SIZE:
            if not FRAME_SIZE <= value < 1 << 24:
                raise ConnectionFailure(PROTOCOL_ERROR, "MAX_FRAME_SIZE is out of its bounds")
            # Larger frames are never sent: one of DATA_SIZE fills a record of TLS.
        elif key == INITIAL_WINDOW_SIZE:
            if value > MAX_WINDOW:
                raise ConnectionFailure(FLOW_CONTROL_ERROR, "INITIAL_WINDOW_SIZE is too large")
            self.budget.spend(len(self.streams) / 16)
            for stream in self.streams.values():  # §6.9.2: it may become negative
                stream.window += value - flow.initial
                if stream.window > MAX_WINDOW:
                    raise ConnectionFailure(FLOW_CONTROL_ERROR, "a window is too large")
            flow.initial = value
        elif key == HEADER_TABLE_SIZE and value < TABLE_SIZE:
            self.close_table()

    def _is_idle(self, stream_id: int) -> bool:
        """Tell whether a stream was never open (§5.1); an even number would be the server's, which opens none."""
        return stream_id > self.last_id or stream_id & 1 == 0

    def _fail_stream(self, stream: Stream, code: int) -> int:
        self.drop(stream, code)
        self.stream = stream
        return RESET
