"""Decodes a chunked body and keeps its content (RFC 9112 §7.1), by the states of the request parser.

The parser's own reader drops content; this one is for bodies that are passed on, in both directions.
"""

from __future__ import annotations

from fastfile._parser_rules import (
    CHUNK_FRAMING,
    CHUNK_LINE,
    CHUNK_LINE_SIZE,
    CHUNK_OVERHEAD,
    CHUNK_OVERHEAD_SHARE,
    CHUNK_SIZE,
    CHUNK_SIZE_DIGITS,
    CHUNK_STEPS,
    CHUNK_WASTE,
    DATA_CR,
    FIELD_COUNT,
    FIELD_NAME,
    FIELD_VALUE,
    HEAD_SIZE,
    LINE_END,
    LINE_LF,
    REFUSED,
    SIZE,
    SIZE_FIRST,
    TOKEN,
    Fault,
)
from fastfile.parser_limits import ParserLimits


class ChunkError(ValueError):
    """A malformed body; ``fault`` says why."""

    def __init__(self, fault: Fault) -> None:
        super().__init__(fault.detail)
        self.fault = fault


class ChunkDecoder:
    """Not usable after ChunkError. ``rest`` is the input after a complete body."""

    def __init__(self, limits: ParserLimits | None = None) -> None:
        self._limits = limits or ParserLimits()
        self._state = SIZE_FIRST
        self._left = 0  # of the chunk
        self._line_size = self._digits = self._overhead = self._content = 0
        self._trailers: bytearray | None = None  # the section after the last chunk
        self.is_complete = False
        self.rest = b""

    def decode(self, data: bytes) -> bytes:
        """Return the content of the next bytes. Raises ChunkError."""
        content = []
        position, end = 0, len(data)
        while position < end and not self.is_complete:
            if self._trailers is not None:
                position = self._take_trailers(data, position)
            elif self._left and self._state == DATA_CR:
                piece = data[position : position + self._left]
                position += len(piece)
                self._left -= len(piece)
                self._content += len(piece)
                content.append(piece)
            else:
                self._step(data[position])
                position += 1
        if self.is_complete:
            self.rest = data[position:]
        return b"".join(content)

    def _step(self, byte: int) -> None:
        """Check one byte of the framing."""
        self._overhead += 1
        if self._overhead > CHUNK_OVERHEAD + self._content // CHUNK_OVERHEAD_SHARE:
            raise ChunkError(CHUNK_WASTE)
        self._state = CHUNK_STEPS[self._state][byte]
        if self._state == REFUSED:
            raise ChunkError(CHUNK_LINE)
        if self._state == LINE_END:
            self._line_size = self._digits = 0
            if self._left:
                self._state = DATA_CR
                self._overhead = max(0, self._overhead - CHUNK_FRAMING)
            else:
                self._trailers = bytearray()
        elif SIZE <= self._state < LINE_LF:
            self._line_size += 1
            if self._line_size > self._limits.chunk_line:
                raise ChunkError(CHUNK_LINE_SIZE)
            if self._state == SIZE:
                self._left = self._left * 16 + int(chr(byte), 16)
                self._digits += self._left > 0
                if self._digits > CHUNK_SIZE_DIGITS:
                    raise ChunkError(CHUNK_SIZE)

    def _take_trailers(self, data: bytes, position: int) -> int:
        """Read the trailer section by the rules of a head; drop it, as RFC 9110 §6.5.1 allows."""
        section = self._trailers
        assert section is not None
        before = len(section)
        section += data[position : position + self._limits.head + 1]
        end = 0 if section.startswith(b"\r\n") else section.find(b"\r\n\r\n") + 2
        if section[:2] != b"\r\n" and end < 2:
            if len(section) > self._limits.head:
                raise ChunkError(HEAD_SIZE)
            return len(data)
        lines = bytes(section[:end]).split(b"\r\n")[:-1]
        if len(lines) > self._limits.fields:
            raise ChunkError(FIELD_COUNT)
        for line in lines:
            name, colon, value = line.partition(b":")
            if not colon or not name or name.translate(None, TOKEN) or value.translate(None, FIELD_VALUE):
                raise ChunkError(FIELD_NAME)
        self.is_complete = True
        return position + end + 2 - before
