"""Frames (RFC 9113 §4.1): split from the input, and written for the output."""

from __future__ import annotations

from fastfile.message import FileSlice
from fastfile.protocol.http2.constants import (
    DATA,
    FRAME_HEAD,
    FRAME_SIZE,
    FRAME_SIZE_ERROR,
    PADDED,
    PROTOCOL_ERROR,
    ConnectionFailure,
)


class FrameReader:
    """Reads the frames of one connection: next() makes one current, with the payload ``data[start:stop]``."""

    __slots__ = ("_end", "_is_own", "_position", "data", "flags", "kind", "start", "stop", "stream_id")

    def __init__(self) -> None:
        self.data = bytearray()
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
            self.data = self.data[self._position : self._end]
            self._position = 0
            self._end = len(self.data)
            self._is_own = True

    def is_empty(self) -> bool:
        """Tell whether there is no unread input."""
        return self._position == self._end

    def skip(self, expected: bytes) -> bool:
        """Read these bytes; False if more input is needed. Raises ConnectionFailure for other bytes."""
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
        return bytes(self.data[self.start : self.stop])


class FrameWriter:
    """The output: ``parts`` without the first ``skip`` bytes, ``size`` in all. Small frames are gathered.

    ``progress`` counts sent bytes, for a deadline.
    """

    __slots__ = ("_tail", "parts", "progress", "size", "skip")

    def __init__(self) -> None:
        self.parts: list[bytes | FileSlice] = []  # only bytes: the type is that of Transport
        self._tail = bytearray()
        self.size = self.skip = self.progress = 0

    def put(self, kind: int, flags: int, stream_id: int, payload: bytes) -> None:
        """Write a frame."""
        self._begin(len(payload), kind, flags, stream_id)
        self._tail += payload
        self.size += FRAME_HEAD + len(payload)

    def put_block(self, kind: int, flags: int, stream_id: int, first: bytes, second: bytes) -> None:
        """Write a frame whose payload has two pieces: a response's own fields, and those of all responses."""
        size = len(first) + len(second)
        self._begin(size, kind, flags, stream_id)
        self._tail += first
        self._tail += second
        self.size += FRAME_HEAD + size

    def put_data(self, flags: int, stream_id: int, piece: bytes) -> None:
        """Write a DATA frame. A large piece is not copied."""
        size = len(piece)
        self._begin(size, DATA, flags, stream_id)
        if size > 4096:
            self.parts.append(bytes(self._tail))
            self._tail.clear()
            self.parts.append(piece)
        else:
            self._tail += piece
        self.size += FRAME_HEAD + size

    def gather(self) -> list[bytes | FileSlice]:
        """Return all parts, in the order of sending."""
        if self._tail:
            self.parts.append(bytes(self._tail))
            self._tail.clear()
        return self.parts

    def drop_sent(self, sent: int) -> None:
        """Remove the sent bytes from the parts."""
        self.size -= sent
        self.progress += sent
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

    def _begin(self, size: int, kind: int, flags: int, stream_id: int) -> None:
        tail = self._tail
        tail.append(size >> 16)
        tail.append(size >> 8 & 255)
        tail.append(size & 255)
        tail.append(kind)
        tail.append(flags)
        tail.append(stream_id >> 24)
        tail.append(stream_id >> 16 & 255)
        tail.append(stream_id >> 8 & 255)
        tail.append(stream_id & 255)
