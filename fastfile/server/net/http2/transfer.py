"""A response that does not leave at once: the rest of its body, and what it waits for.

It knows no windows, and frames only so far that it reads files into them.
"""

from __future__ import annotations

import os
from concurrent.futures import Future
from functools import partial
from typing import TYPE_CHECKING, Any

from fastfile.message import UNKNOWN_SIZE, FileSlice, Pending, Response, Source, close_source
from fastfile.protocol.http2.budget import DEFERRED_TOKENS, FORWARDED_TOKENS, HEAVY_TOKENS, HELD_TOKENS
from fastfile.protocol.http2.constants import DATA_SIZE, END_STREAM, FRAME_HEAD, FRAME_SIZE
from fastfile.protocol.http2.stream import Stream
from fastfile.sendfile import read_ahead, read_cached, read_data_frames
from fastfile.server.net.states import CLOSED, PENDING, READING, SENDING, WAITING

if TYPE_CHECKING:
    from fastfile.server.net.http2.body import Http2Body

# On a page-cache miss, read 1 MiB in a thread and ask the kernel to prefetch 7 MiB more, as the send queue does.
READ_SIZE = 1024 * 1024
AHEAD_SIZE = 7 * 1024 * 1024
SMALL_PART = 4096  # bytes; a frame of its own for each of a thousand ranges would be mostly framing


class Transfer:
    """The work of one stream. ``turn`` orders those that share a connection.

    ``state`` is BODY while its request has not ended, WAITING for a deferred response (or, without a job, for heavy
    work of the connection to end), SENDING, READING (the disk), PENDING (the source), or CLOSED.
    """

    __slots__ = (
        "_index",
        "_left",
        "_parts",
        "_skip",
        "_source",
        "_trusted",
        "began_s",
        "body",
        "deadline_s",
        "is_heavy",
        "job",
        "progress",
        "response",
        "sent",
        "state",
        "stream",
        "turn",
    )

    def __init__(self, stream: Stream, state: int, began_s: float, deadline_s: float) -> None:
        self.stream = stream
        self.state = state
        self.began_s = began_s
        self.deadline_s = deadline_s
        self.is_heavy = False  # the work that it waits for, or waited for last
        self.job: Future[Any] | None = None  # that the response or the disk waits for
        self.response: Response | None = None
        self.body: Http2Body | None = None  # that the responder reads while it responds
        self.progress = 0  # bytes since the deadline was set
        self.sent = 0  # bytes of the body
        self.turn = 0
        self._parts: tuple[bytes | FileSlice, ...] = ()
        self._index = 0
        self._skip = 0  # taken bytes of the current part
        self._left = 0  # bytes still to come; UNKNOWN_SIZE: until the source ends
        self._source: Source | None = None
        self._trusted = 0  # bytes of the current part that a thread has read

    def begin(self, response: Response, deadline_s: float) -> None:
        """Begin to send a response."""
        self.response = response
        self.state = SENDING
        self.deadline_s = deadline_s
        self._parts = response.parts
        self._left = response.body_size
        self._source = response.source

    def is_done(self) -> bool:
        """Tell whether the whole body was taken."""
        return self._left == 0

    def may_end(self) -> bool:
        """Tell whether only the source knows if the body has ended."""
        return self._left == UNKNOWN_SIZE and self._index == len(self._parts)

    def look(self) -> None:
        """Find out whether the body has ended, if ``may_end()``, without taking any of it."""
        self._pull()

    def take(self, room: int) -> bytes:
        """Return the next piece of the body, of at most ``room`` bytes; small parts are gathered.

        b"" if there is none: ``is_done()``, or ``state`` shows what it waits for, CLOSED that the body is broken.
        """
        piece = self._take_part(room)
        size = len(piece)
        if size == 0 or size > SMALL_PART or size == room:
            return piece
        pieces = [piece]
        while size < room and self.state == SENDING and self._left != 0:
            piece = self._take_part(room - size)
            if not piece:
                break
            pieces.append(piece)
            size += len(piece)
        return b"".join(pieces)

    def _take_part(self, room: int) -> bytes:
        """Return the next of the current part, or of the one behind it."""
        if self._index == len(self._parts) and not self._pull():
            return b""
        part = self._parts[self._index]
        if isinstance(part, FileSlice):
            size = part.count
            piece = self._read(part, min(size - self._skip, room))
            if not piece:
                return b""
        else:
            size = len(part)
            piece = part if self._skip == 0 and size <= room else part[self._skip : self._skip + room]
        self._count(len(piece), size)
        return piece

    def has_file(self) -> bool:
        """Tell whether the current part is the rest of a file, and more than a small one."""
        if self._index == len(self._parts):
            return False
        part = self._parts[self._index]
        if not isinstance(part, FileSlice):
            return False
        file = part
        return file.count - self._skip > SMALL_PART

    def take_frames(self, room: int) -> bytes:
        """Return the next piece as take() does, in DATA frames, if ``has_file()``: the last of the body ends it."""
        part = self._parts[self._index]
        assert isinstance(part, FileSlice)
        count = min(part.count - self._skip, room)
        flags = END_STREAM if count == self._left else 0
        offset = part.offset + self._skip
        frames = read_data_frames(part.fd, offset, count, False, flags, self.stream.id, DATA_SIZE)
        if frames is None:
            if self._skip >= self._trusted:
                self.state = READING
                return b""
            frames = read_data_frames(part.fd, offset, count, True, flags, self.stream.id, DATA_SIZE)
            assert frames is not None
        size = len(frames)
        if size == 0:
            self.state = CLOSED  # the file was cut since its length was promised
        self._count(size - FRAME_HEAD * ((size + FRAME_SIZE - 1) // FRAME_SIZE), part.count)
        return frames

    def _count(self, count: int, size: int) -> None:
        """Count a piece of the current part, of ``size`` bytes in all."""
        self._skip += count
        self.sent += count
        self.progress += count
        if self._left != UNKNOWN_SIZE:
            self._left -= count
        if self._skip == size:
            self._index += 1
            self._skip = self._trusted = 0

    def reading(self) -> partial[None]:
        """Return work that reads the next part of a file into memory."""
        part = self._parts[self._index]
        assert isinstance(part, FileSlice)
        count = min(part.count - self._skip, READ_SIZE)
        more = min(part.count - self._skip - count, AHEAD_SIZE)
        self._trusted = self._skip + count
        return partial(_read_ahead, part, part.offset + self._skip, count, more)

    def call_when_ready(self, wake: Any) -> None:
        """Have the pending source call ``wake``."""
        self._source.wait(wake)  # type: ignore[union-attr]  # a source that pends has it

    def reset_price(self) -> float:
        """Return the tokens that a reset by the client costs, beyond that of the frame."""
        if self.state != WAITING:
            return 0.0
        if self.job is None:
            return HELD_TOKENS
        if getattr(self.job, "is_timed", False):
            return FORWARDED_TOKENS
        return HEAVY_TOKENS if self.is_heavy else DEFERRED_TOKENS

    def drop(self) -> None:
        """Release everything."""
        self.state = CLOSED
        self._parts = ()
        body, self.body = self.body, None
        if body is not None:
            body.lose()
        job, self.job = self.job, None
        source, self._source = self._source, None
        response, self.response = self.response, None
        if job is not None:
            job.cancel()
        if source is not None:
            close_source(source)
        elif response is not None:
            close_source(response.source)  # it was kept until a body was read

    def is_before(self, other: Transfer) -> bool:
        """Tell whether it goes first (RFC 9218 §10): by urgency, then those that are of use only as a whole.

        Those share that are incremental, or of which the client has said nothing.
        """
        mine, its = self.stream, other.stream
        if mine.urgency != its.urgency:
            return mine.urgency < its.urgency
        is_whole = mine.is_ranked and not mine.is_incremental
        if is_whole != (its.is_ranked and not its.is_incremental):
            return is_whole
        return mine.id < its.id if is_whole else self.turn < other.turn

    def _read(self, part: FileSlice, count: int) -> bytes:
        offset = part.offset + self._skip
        piece = read_cached(part.fd, offset, count)
        if piece is None:
            if self._skip >= self._trusted:
                self.state = READING
                return b""
            piece = os.pread(part.fd, count, offset)
        if not piece:  # the file was cut since its length was promised
            self.state = CLOSED
        return piece

    def _pull(self) -> bool:
        """Make the next part of a source current; False where there is none now."""
        source = self._source
        if source is None:
            if self._left != 0:
                self.state = CLOSED
            return False
        try:
            part: bytes | FileSlice | Pending = next(source)
        except StopIteration:
            if self._left == UNKNOWN_SIZE:
                self._left = 0
            else:
                self.state = CLOSED
            return False
        except OSError:
            self.state = CLOSED
            return False
        if isinstance(part, Pending):
            self.state = PENDING
            return False
        size = part.count if isinstance(part, FileSlice) else len(part)
        if size > self._left and self._left != UNKNOWN_SIZE:
            raise ValueError("a body is longer than its Content-Length")
        self._parts = (part,) if size else ()
        self._index = self._skip = self._trusted = 0
        return size != 0


def _read_ahead(part: FileSlice, offset: int, count: int, more: int) -> None:
    read_ahead(part.fd, offset, count, more)
