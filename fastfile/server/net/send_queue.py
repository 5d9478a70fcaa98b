"""The send queue of one connection: what the socket did not take at once, files, and bodies made while they are sent.

It sends over a transport and says where it stopped; it knows neither deadlines nor the poller's interests.
"""

from __future__ import annotations

from functools import partial

from fastfile.clock import Clock
from fastfile.message import FileSlice, Pending, Response, Source, close_source
from fastfile.sendfile import READ_AHEAD_STEP, is_cached, read_ahead
from fastfile.server.net.poller import Poller
from fastfile.server.net.transport import Transport

# Where pump() stopped.
DRAINED = 0  # everything is sent
BLOCKED = 1  # the socket takes no more now
TURN_OVER = 2  # other connections have their turn
COLD = 3  # the next part of a file is not in memory: do what reading() returns, in a thread
BROKEN = 4  # the body cannot be as long as was promised

# A pipeline is answered in batches of about this many bytes or parts, so that no client can make us hold more.
BATCH_SIZE = 256 * 1024
BATCH_PARTS = 48
# The most of a file that one call sends: about 0.1 ms of a turn.
SEND_SIZE = 1024 * 1024
# The most of a body made while it is sent that is in memory, and the least that each of its parts counts.
PULL_SIZE = 64 * 1024
PART_SIZE = 4 * 1024
# Check page-cache residency 4 MiB at a time by probing the first and last byte: two calls of 0.25 us, 0.1 %.
CHECK_SIZE = 4 * 1024 * 1024
CHECK_S = 1.0  # a file that is no larger is checked no more often: the kernel does not drop what is in use sooner
# On a page-cache miss, read 1 MiB in a thread and ask the kernel to prefetch 7 MiB more.
READ_SIZE = 1024 * 1024
AHEAD_SIZE = 7 * 1024 * 1024


class SendQueue:
    """``unsent`` counts the bytes in the queue and those that its source has promised; ``sent`` all that have left."""

    __slots__ = (
        "_cached",
        "_is_cold",
        "_parts",
        "_skip",
        "_source",
        "_unpulled",
        "progress",
        "sent",
        "unsent",
    )

    def __init__(self) -> None:
        self._parts: list[bytes | FileSlice] = []
        self._skip = 0  # how much of the first part is sent
        self._source: Source | None = None  # where more parts come from
        self._unpulled = 0  # bytes that are to come from there
        self._cached = 0  # how much of the first part is in memory, as far as was checked
        self._is_cold = False  # some of it was not
        self.progress = 0  # bytes that the client took since its deadline was set
        self.sent = 0
        self.unsent = 0

    def put(self, response: Response, head: bytes, tail: bytes) -> None:
        """Queue a response; ``head`` and ``tail`` are its head on the wire."""
        parts = self._parts
        parts.append(head)
        parts.append(tail)
        self.unsent += len(head) + len(tail) + response.body_size
        for part in response.parts:
            parts.append(part)
        if response.source is not None:
            self._source = response.source
            self._unpulled = response.body_size
            for part in response.parts:
                self._unpulled -= part.count if isinstance(part, FileSlice) else len(part)

    def put_bytes(self, part: bytes) -> None:
        self._parts.append(part)
        self.unsent += len(part)

    def has_any(self) -> bool:
        """Tell whether parts are queued or are to come from a source."""
        return len(self._parts) != 0 or self._source is not None

    def is_full(self) -> bool:
        """Tell whether the queue is to be sent before more requests are responded to."""
        return self._source is not None or len(self._parts) > BATCH_PARTS or self.unsent > BATCH_SIZE

    def pump(self, transport: Transport, poller: Poller, clock: Clock) -> int:
        """Send until the queue is empty, the socket is full, the disk is needed or the turn is over; say which."""
        while self._parts or self._source is not None:
            if not self._parts and not self._pull(poller):
                return BROKEN
            if not self._parts:
                continue
            part = self._parts[0]
            if isinstance(part, FileSlice):
                if self._skip >= self._cached and not self._is_cached(part, clock.monotonic_s):
                    return COLD
                count = min(part.count, self._cached) - self._skip
                sent = transport.send_file(part, self._skip, min(count, SEND_SIZE))
                if sent == 0:  # the file was cut since its length was promised: not one byte of padding
                    return BROKEN
            else:
                sent = transport.send_parts(self._parts, self._skip)
            if sent < 0:
                return BLOCKED
            self.drop_sent(sent)
            if self.unsent and poller.is_turn_over():
                return TURN_OVER
        return DRAINED

    def drop_sent(self, sent: int) -> None:
        """Take what was sent off the queue."""
        self.sent += sent
        self.progress += sent
        self.unsent -= sent
        parts = self._parts
        if self.unsent == 0:
            parts.clear()
            self._skip = self._cached = 0
            return
        sent += self._skip
        done = 0
        for part in parts:
            size = part.count if isinstance(part, FileSlice) else len(part)
            if sent < size:
                break
            sent -= size
            done += 1
        if done:
            del parts[:done]
            self._cached = 0
        self._skip = sent

    def reading(self) -> partial[None]:
        """Return the work that brings the next of a file that is not in memory there; then it counts as cached."""
        part = self._parts[0]
        assert isinstance(part, FileSlice)
        start = self._skip
        count = min(part.count - start, READ_SIZE)
        more = min(part.count - start - count, AHEAD_SIZE)
        self._cached = start + count
        # The part goes with the work: it keeps the file open.
        return partial(_read_ahead, part, part.offset + start, count, more)

    def trust_cache(self) -> None:
        """Take the next of a file for cached where no thread can read it: then the event loop waits for the disk."""
        part = self._parts[0]
        assert isinstance(part, FileSlice)
        self._cached = min(part.count, self._skip + CHECK_SIZE)

    def drop(self) -> None:
        """Let go of everything."""
        self._parts.clear()
        source, self._source = self._source, None
        close_source(source)

    def _is_cached(self, part: FileSlice, now_s: float) -> bool:
        """Check whether the next of a file is in memory, and note how much of it was checked."""
        if now_s - part.cached_s < CHECK_S:
            self._cached = part.count
            return True
        start = self._skip
        if start == 0:
            self._is_cold = False
        # Where a part was on disk the rest is checked closely: what was prefetched arrives in any order.
        count = min(part.count - start, READ_SIZE if self._is_cold else CHECK_SIZE)
        if is_cached(part.fd, part.offset + start, count, READ_AHEAD_STEP if self._is_cold else CHECK_SIZE):
            self._cached = start + count
            if count == part.count:
                part.cached_s = now_s
            return True
        self._is_cold = True
        return False

    def _pull(self, poller: Poller) -> bool:
        """Queue the next parts of a body that is made while it is sent; False when it has failed.

        It has failed where it is shorter than was promised, or the disk fails.
        """
        source = self._source
        assert source is not None
        pulled = 0
        try:
            while self._unpulled and (pulled < PULL_SIZE or not self._parts):
                part = next(source)
                pulled += max(self._queue_part(part), PART_SIZE)
                if isinstance(part, FileSlice) or (self._parts and poller.is_turn_over()):
                    break
        except (OSError, StopIteration):
            return False
        if not self._unpulled:
            self._source = None
            close_source(source)
        return True

    def _queue_part(self, part: bytes | FileSlice | Pending) -> int:
        assert not isinstance(part, Pending), "a pending source is for later"
        size = part.count if isinstance(part, FileSlice) else len(part)
        if size > self._unpulled:
            raise ValueError("a body is longer than its Content-Length")
        if size:
            self._parts.append(part)
            self._unpulled -= size
        return size


def _read_ahead(part: FileSlice, offset: int, count: int, more: int) -> None:
    read_ahead(part.fd, offset, count, more)
