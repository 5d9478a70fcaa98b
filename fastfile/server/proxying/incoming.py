"""The response of an upstream as it arrives: its head, then its content in pieces."""

from __future__ import annotations

from fastfile.message import PENDING, Pending
from fastfile.middleware.proxy import Forward
from fastfile.protocol.upstream import ResponseReader, UpstreamError
from fastfile.server.proxying.streams import Stream


class Incoming:
    """``failure`` is why the rest of the content will not arrive. ``reader`` has what is read from the stream."""

    def __init__(self, forward: Forward) -> None:
        self.reader = ResponseReader(forward.method, forward.upgrades)
        self.failure: OSError | None = None
        self._kept = b""  # content that arrived with the head, or before a reset

    def begin_body(self) -> bool:
        """Take the content that arrived with the head; False if there is no content at all."""
        try:
            self._kept = self.reader.take(None)
        except UpstreamError as error:
            self.failure = error  # the head is sound: then it is a cut body
        return bool(self._kept) or not self.reader.is_complete or self.failure is not None

    def read(self, stream: Stream | None) -> bytes | Pending:
        """Return the next piece of the content; b"" at its end. Raises OSError if it is cut."""
        while True:
            if self._kept:
                kept, self._kept = self._kept, b""
                return kept
            if self.reader.is_complete:
                return b""
            if self.failure is not None:
                raise self.failure
            if stream is None:
                raise UpstreamError("closed the connection")
            data = stream.receive()
            if data is None:
                return PENDING
            self._kept = self.reader.take(data)

    def drain(self, stream: Stream) -> None:
        """Take what a connection still holds that was reset while the client was slow; the kernel bounds it."""
        pieces = [self._kept]
        try:
            while not self.reader.is_complete and (data := stream.receive()) is not None:
                pieces.append(self.reader.take(data))
                if not data:
                    break
        except OSError as error:
            self.failure = error
        self._kept = b"".join(pieces)
