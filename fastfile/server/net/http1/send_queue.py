"""The send queue of one connection: data that the socket did not take at once, files, and bodies made on the fly.

It sends over a transport and returns where it stopped; it knows neither deadlines nor the poller.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from fastfile.clock import Clock
from fastfile.message import UNKNOWN_SIZE, FileSlice, Pending, Response, Source, close_source
from fastfile.protocol.http1 import END_OF_CHUNK, END_OF_CHUNKS, start_chunk
from fastfile.sendfile import READ_AHEAD_STEP, is_cached, read_ahead
from fastfile.server.net.poller import Poller
from fastfile.server.net.transport import Transport

# Where pump() stopped.
DRAINED = 0  # everything is sent
BLOCKED = 1  # the socket is full
TURN_OVER = 2  # it is other connections' turn
COLD = 3  # the next part of a file is not in memory: run the result of reading() in a thread
STARVED = 4  # the source has no data yet; it calls ``wake``
BROKEN = 5  # the body is shorter than promised

# Responses to a pipeline are made in batches of about this many bytes or parts, to bound a client's memory.
BATCH_SIZE = 256 * 1024
BATCH_PARTS = 48
# The most bytes of a file that one call sends: about 0.1 ms of a turn.
SEND_SIZE = 1024 * 1024
# The most bytes in memory of a body made while it is sent, and the least that each of its parts counts.
PULL_SIZE = 64 * 1024
PART_SIZE = 4 * 1024
# Check page-cache residency 4 MiB at a time by probing the first and last byte: two calls of 0.25 us, 0.1 %.
CHECK_SIZE = 4 * 1024 * 1024
CHECK_S = 1.0  # a file of at most one window is checked this often: the kernel does not drop pages in use sooner
# On a page-cache miss, read 1 MiB in a thread and ask the kernel to prefetch 7 MiB more.
READ_SIZE = 1024 * 1024
AHEAD_SIZE = 7 * 1024 * 1024


class SendQueue:
    """``unsent`` counts the bytes in the queue and those that its source has promised; ``sent`` all sent bytes."""

    __slots__ = (
        "_cached",
        "_is_chunked",
        "_is_cold",
        "_is_pending",
        "_parts",
        "_response",
        "_skip",
        "_source",
        "_unpulled",
        "pends",
        "progress",
        "sent",
        "unsent",
    )

    def __init__(self) -> None:
        self._parts: list[bytes | FileSlice] = []
        self._skip = 0  # sent bytes of the first part
        self._source: Source | None = None  # yields more parts
        self._response: Response | None = None  # the response whose body of unknown size it makes
        self._unpulled = 0  # bytes still to come from the source; UNKNOWN_SIZE: until it ends
        self._is_chunked = False
        self._is_pending = False  # it had no data, and earlier parts are being sent
        self.pends = 0  # how often it had no data
        self._cached = 0  # bytes of the first part that are known to be in memory
        self._is_cold = False  # some of it was not in memory
        self.progress = 0  # bytes that the client read since its deadline was set
        self.sent = 0
        self.unsent = 0

    def put(self, response: Response, head: bytes, tail: bytes, is_chunked: bool) -> None:
        """Queue a response; ``head`` and ``tail`` are its head on the wire, ``is_chunked`` its body's framing."""
        self.put_bytes(head)
        self.put_bytes(tail)
        self._is_chunked = is_chunked
        self._is_pending = False
        self._source = response.source
        self._unpulled = response.body_size
        self._response = None
        if response.body_size == UNKNOWN_SIZE:
            self._response = response
            response.body_size = 0  # from now on the bytes made so far, for the log
        else:
            self.unsent += response.body_size
        for part in response.parts:
            self._queue_part(part)
        if self._unpulled == 0 and self._source is not None:
            self._drop_source()

    def put_bytes(self, part: bytes) -> None:
        self._parts.append(part)
        self.unsent += len(part)

    def has_any(self) -> bool:
        """Tell whether parts are queued or will come from a source."""
        return len(self._parts) != 0 or self._source is not None

    def is_full(self) -> bool:
        """Tell whether the queue must be sent before more responses are made."""
        return self._source is not None or len(self._parts) > BATCH_PARTS or self.unsent > BATCH_SIZE

    def pump(self, transport: Transport, poller: Poller, clock: Clock) -> int:
        """Send until the queue is empty or has to wait; return which."""
        while self._parts or self._source is not None:
            if not self._parts:
                outcome = self._pull(poller)
                if outcome != DRAINED:
                    return outcome
                continue
            part = self._parts[0]
            if isinstance(part, FileSlice):
                if self._skip >= self._cached and not self._is_cached(part, clock.monotonic_s):
                    return COLD
                count = min(part.count, self._cached) - self._skip
                sent = transport.send_file(part, self._skip, min(count, SEND_SIZE))
                if sent == 0:  # the file was truncated since its length was promised: send no padding
                    return BROKEN
            else:
                sent = transport.send_parts(self._parts, self._skip)
            if sent < 0:
                return BLOCKED
            self.drop_sent(sent)
            if self.has_any() and poller.is_turn_over():
                return TURN_OVER
        return DRAINED

    def drop_sent(self, sent: int) -> None:
        """Remove the sent bytes from the queue."""
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
        """Return work that reads the next part of a file into memory; afterwards the part counts as cached."""
        part = self._parts[0]
        assert isinstance(part, FileSlice)
        start = self._skip
        count = min(part.count - start, READ_SIZE)
        more = min(part.count - start - count, AHEAD_SIZE)
        self._cached = start + count
        # The work holds the part, which keeps the file open.
        return partial(_read_ahead, part, part.offset + start, count, more)

    def trust_cache(self) -> None:
        """Treat the next part of a file as cached if no thread can read it: then the event loop waits for the disk."""
        part = self._parts[0]
        assert isinstance(part, FileSlice)
        self._cached = min(part.count, self._skip + CHECK_SIZE)

    def call_when_ready(self, wake: Callable[[], None]) -> None:
        """Have the pending source call ``wake``."""
        self._source.wait(wake)  # type: ignore[union-attr]  # a source that pends has it

    def drop(self) -> None:
        """Release everything."""
        self._parts.clear()
        if self._source is not None:
            self._drop_source()

    def _drop_source(self) -> None:
        source, self._source = self._source, None
        close_source(source)

    def _is_cached(self, part: FileSlice, now_s: float) -> bool:
        """Check whether the next part of a file is in memory, and note how much was checked."""
        if now_s - part.cached_s < CHECK_S:
            self._cached = part.count
            return True
        start = self._skip
        if start == 0:
            self._is_cold = False
        # If a part was on disk, check the rest closely, because prefetched data arrives in any order.
        count = min(part.count - start, READ_SIZE if self._is_cold else CHECK_SIZE)
        if is_cached(part.fd, part.offset + start, count, READ_AHEAD_STEP if self._is_cold else CHECK_SIZE):
            self._cached = start + count
            if count == part.count:
                part.cached_s = now_s
            return True
        self._is_cold = True
        return False

    def _pull(self, poller: Poller) -> int:
        """Queue the next parts of a body that is made while it is sent: DRAINED if that succeeds.

        TURN_OVER and STARVED: there was no part. BROKEN: the body is shorter than promised, or the disk fails.
        """
        source = self._source
        assert source is not None
        pulled = 0
        if self._is_pending:
            self._is_pending = False
            return STARVED
        try:
            while self._unpulled and (pulled < PULL_SIZE or not self._parts):
                part = next(source)
                if isinstance(part, Pending):
                    self.pends += 1
                    self._is_pending = len(self._parts) != 0
                    return DRAINED if self._is_pending else STARVED
                pulled += max(self._queue_part(part), PART_SIZE)
                if isinstance(part, FileSlice):
                    break
                if poller.is_turn_over():
                    return DRAINED if self._parts else TURN_OVER
        except StopIteration:
            if self._unpulled != UNKNOWN_SIZE:
                return BROKEN
            self._unpulled = 0
            if self._is_chunked:
                self.put_bytes(END_OF_CHUNKS)
        except OSError:
            return BROKEN
        if self._unpulled == 0:
            self._drop_source()
        return DRAINED

    def _queue_part(self, part: bytes | FileSlice) -> int:
        size = part.count if isinstance(part, FileSlice) else len(part)
        if size == 0:
            return 0
        if self._unpulled == UNKNOWN_SIZE:
            self._queue_unpromised(part, size)
            return size
        if size > self._unpulled:
            raise ValueError("a body is longer than its Content-Length")
        self._parts.append(part)
        self._unpulled -= size
        return size

    def _queue_unpromised(self, part: bytes | FileSlice, size: int) -> None:
        assert self._response is not None
        self._response.body_size += size
        if self._is_chunked:
            self.put_bytes(start_chunk(size))
        self._parts.append(part)
        self.unsent += size
        if self._is_chunked:
            self.put_bytes(END_OF_CHUNK)


def _read_ahead(part: FileSlice, offset: int, count: int, more: int) -> None:
    read_ahead(part.fd, offset, count, more)
