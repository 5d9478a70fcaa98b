"""Frames (RFC 9113 §4.1): split from the input, and written for the output."""

from __future__ import annotations

from fastfile.message import FileSlice
from fastfile.protocol.http2.constants import (
    DATA_SIZE,
    FRAME_HEAD,
    FRAME_SIZE,
    FRAME_SIZE_ERROR,
    PADDED,
    PROTOCOL_ERROR,
    ConnectionFailure,
)
from fastfile.sendfile import make_data_frames, put_data_frame, put_frame, slice_of

SMALL = 4096  # bytes; the frames of more content are a part of their own, which saves a copy
SCRATCH_SIZE = 32 * 1024  # bytes; two frames of the largest size
_NOTHING = bytearray()


class FrameReader:
    """Reads the frames of one connection: next() makes one current, with the payload ``data[start:stop]``."""

    __slots__ = ("_end", "_is_own", "_position", "data", "flags", "kind", "start", "stop", "stream_id")

    def __init__(self) -> None:
        self.data = _NOTHING
        self._position = 0
        self._end = 0
        self._is_own = True  # the data is kept here, not in the buffer that all connections share
        self.kind = self.flags = self.stream_id = self.start = self.stop = 0

    def feed(self, data: bytearray, count: int) -> None:
        """Continue reading in ``data[:count]``; the caller owns ``data`` and must call keep() at the end."""
        if self._position == self._end:
            self.data = data
            self._position = 0
            self._end = count
            self._is_own = False
        else:
            self.data = self.data[self._position : self._end] + data[:count]
            self._position = 0
            self._end = len(self.data)
            self._is_own = True

    def keep(self) -> None:
        """Copy unread input."""
        if not self._is_own:
            self.data = _NOTHING if self._position == self._end else self.data[self._position : self._end]
            self._position = 0
            self._end = len(self.data)
            self._is_own = True

    def is_empty(self) -> bool:
        """Tell whether there is no unread input."""
        return self._position == self._end

    def skip(self, expected: bytes) -> bool:
        """Read exactly these bytes; False if more input is needed. Raises ConnectionFailure for other bytes."""
        size = min(len(expected), self._end - self._position)
        if self.data[self._position : self._position + size] != expected[:size]:
            raise ConnectionFailure(PROTOCOL_ERROR, "no connection preface")
        if size < len(expected):
            return False
        self._position += size
        return True

    def next(self) -> bool:
        """Read a frame; False if more input is needed. Raises ConnectionFailure if it is too large."""
        position, data = self._position, self.data
        if self._end - position < FRAME_HEAD:
            return False
        size = data[position] << 16 | data[position + 1] << 8 | data[position + 2]
        if size > FRAME_SIZE:
            raise ConnectionFailure(FRAME_SIZE_ERROR, "a frame is too large")
        if self._end - position < FRAME_HEAD + size:
            return False
        self.kind = data[position + 3]
        self.flags = data[position + 4]
        self.stream_id = self.number(position + 5) & 0x7FFFFFFF
        self.start = position + FRAME_HEAD
        self.stop = self._position = self.start + size
        return True

    def number(self, position: int) -> int:
        """Return the four bytes at a position as a number."""
        value = 0
        for offset in range(4):
            value = value << 8 | self.data[position + offset]
        return value

    def unpad(self) -> None:
        """Remove the padding of DATA and HEADERS (§6.1)."""
        if self.flags & PADDED:
            if self.start == self.stop:
                raise ConnectionFailure(FRAME_SIZE_ERROR, "a padded frame is empty")
            self.stop -= self.data[self.start]
            self.start += 1
            if self.stop < self.start:
                raise ConnectionFailure(PROTOCOL_ERROR, "the padding is longer than its frame")

    def payload(self) -> bytes:
        return slice_of(self.data, self.start, self.stop)


class Scratch:
    """Memory that the connections of a worker share, for frames that wait to be sent. ``owner`` wrote into it last."""

    __slots__ = ("memory", "owner")

    def __init__(self) -> None:
        self.memory = bytearray(SCRATCH_SIZE)
        self.owner: FrameWriter | None = None


class FrameWriter:
    """The output: ``parts`` without the first ``skip`` bytes, ``size`` in all. ``progress`` counts sent bytes.

    Small frames are written into the scratch, which saves an object for each, and leave as one part.
    """

    __slots__ = ("_filled", "_scratch", "parts", "progress", "size", "skip")

    def __init__(self, scratch: Scratch) -> None:
        self.parts: list[bytes | FileSlice] = []  # only bytes: the type is that of Transport
        self._scratch = scratch
        self._filled = 0  # bytes in the scratch, which follow the parts
        self.size = self.skip = self.progress = 0

    def put(self, kind: int, flags: int, stream_id: int, first: bytes, second: bytes = b"") -> None:
        """Write a frame, whose payload may have two pieces."""
        size = FRAME_HEAD + len(first) + len(second)
        memory = self._claim(size)
        self._filled = put_frame(memory, self._filled, kind, flags, stream_id, first, second)
        self.size += size

    def put_data(self, flags: int, stream_id: int, content: bytes) -> None:
        """Write a piece of a body as DATA frames; the last one has the flags."""
        size = len(content)
        if size > SMALL:
            self.put_frames(make_data_frames(flags, stream_id, content, DATA_SIZE))
            return
        memory = self._claim(FRAME_HEAD + size)
        self._filled = put_data_frame(memory, self._filled, flags, stream_id, content, 0, size)
        self.size += FRAME_HEAD + size

    def put_frames(self, frames: bytes) -> None:
        """Write frames that are complete already."""
        self.gather().append(frames)
        self.size += len(frames)

    def gather(self) -> list[bytes | FileSlice]:
        """Return all parts, in the order of sending."""
        if self._filled:
            self.parts.append(slice_of(self._scratch.memory, 0, self._filled))
            self._filled = 0
        return self.parts

    def _claim(self, size: int) -> bytearray:
        """Return the scratch, with room for ``size`` bytes behind what this writer has in it."""
        scratch = self._scratch
        if scratch.owner is not self:
            if scratch.owner is not None:
                scratch.owner.gather()  # it has not sent them yet
            scratch.owner = self
        elif self._filled + size > SCRATCH_SIZE:
            self.gather()
        return scratch.memory

    def drop_sent(self, sent: int) -> None:
        """Remove the sent bytes from the parts."""
        self.size -= sent
        self.progress += sent
        if self.size == 0:
            self.parts.clear()
            self.skip = 0
            return
        sent += self.skip
        done = 0
        for part in self.parts:
            size = len(part)  # type: ignore[arg-type]  # bytes
            if sent < size:
                break
            sent -= size
            done += 1
        if done:
            del self.parts[:done]
        self.skip = sent
