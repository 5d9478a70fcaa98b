"""WebSocket on the wire, as the dev loop needs it: the frames of a server (RFC 6455 §5).

Our own instead of the package ``websockets``: of the protocol we need text to the client and short messages from it,
without extensions, so these are fewer lines than an adapter, and nothing must be installed. No I/O.
"""

from __future__ import annotations

import struct

MAX_MESSAGE = 1024 * 1024  # bytes of a message of a client; more closes with 1009
TEXT, CLOSE, PING, PONG = 1, 8, 9, 10
NORMAL, GOING_AWAY, PROTOCOL_ERROR, NO_TEXT, TOO_BIG, TRY_LATER = 1000, 1001, 1002, 1007, 1009, 1013
_CONTINUATION, _BINARY = 0, 2


class WebSocketError(Exception):
    """The client broke the protocol; ``code`` is for the close frame (§7.4.1)."""

    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code


def make_frame(opcode: int, payload: bytes = b"") -> bytes:
    """Return a whole, unmasked frame (§5.2)."""
    size = len(payload)
    if size < 126:
        return struct.pack("!BB", 0x80 | opcode, size) + payload
    if size < 65536:
        return struct.pack("!BBH", 0x80 | opcode, 126, size) + payload
    return struct.pack("!BBQ", 0x80 | opcode, 127, size) + payload


def make_close(code: int) -> bytes:
    """Return a close frame with its code (§5.5.1)."""
    return make_frame(CLOSE, struct.pack("!H", code))


class FrameReader:
    """Turns the bytes of a client into messages: pairs of TEXT, CLOSE, PING or PONG and their bytes."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._message: bytearray | None = None  # the fragments so far
        self._is_text = False

    def feed(self, data: bytes) -> list[tuple[int, bytes]]:
        """Return the messages that are complete. Raises WebSocketError."""
        self._buffer += data
        messages = []
        while (frame := self._maybe_frame()) is not None:
            is_last, opcode, payload = frame
            if opcode >= CLOSE:
                if opcode == CLOSE:
                    _check_close(payload)
                messages.append((opcode, payload))
                continue
            if (opcode == _CONTINUATION) != (self._message is not None):
                raise WebSocketError(PROTOCOL_ERROR)
            if opcode != _CONTINUATION:
                self._is_text = opcode == TEXT
            message = self._message = (self._message or bytearray()) + payload
            if len(message) > MAX_MESSAGE:
                raise WebSocketError(TOO_BIG)
            if is_last:
                self._message = None
                if self._is_text:
                    _check_text(message)
                messages.append((TEXT, bytes(message)))
        return messages

    def _maybe_frame(self) -> tuple[bool, int, bytes] | None:
        """Take the next frame off the buffer; None until all of it has come."""
        buffer = self._buffer
        if len(buffer) < 2:
            return None
        opcode, size, start = buffer[0] & 0x0F, buffer[1] & 0x7F, 2
        is_last, is_masked = bool(buffer[0] & 0x80), bool(buffer[1] & 0x80)
        is_control = opcode in (CLOSE, PING, PONG)
        # No extension is agreed on (§5.2), and a client masks what it sends (§5.1).
        if buffer[0] & 0x70 or not is_masked or not (is_control or opcode in (_CONTINUATION, TEXT, _BINARY)):
            raise WebSocketError(PROTOCOL_ERROR)
        if is_control and (size > 125 or not is_last):
            raise WebSocketError(PROTOCOL_ERROR)
        if size >= 126:
            start += 2 if size == 126 else 8
            if len(buffer) < start:
                return None
            size = int.from_bytes(buffer[2:start], "big")
        if size > MAX_MESSAGE:
            raise WebSocketError(TOO_BIG)
        end = start + 4 + size
        if len(buffer) < end:
            return None
        mask = bytes(buffer[start : start + 4]) * (size // 4 + 1)
        payload = int.from_bytes(buffer[start + 4 : end], "big") ^ int.from_bytes(mask[:size], "big")
        del buffer[:end]
        return is_last, opcode, payload.to_bytes(size, "big")


def _check_close(payload: bytes) -> None:
    """Check the content of a close frame: nothing, or a code and a reason (§5.5.1)."""
    if not payload:
        return
    code = int.from_bytes(payload[:2], "big") if len(payload) > 1 else 0
    # §7.4: 1004 to 1006 and 1015 are never sent, and those from 1016 to 2999 mean nothing yet.
    if not 1000 <= code < 5000 or 1004 <= code <= 1006 or 1015 <= code < 3000:
        raise WebSocketError(PROTOCOL_ERROR)
    _check_text(payload[2:])


def _check_text(text: bytes | bytearray) -> None:
    try:
        text.decode()
    except UnicodeDecodeError:
        raise WebSocketError(NO_TEXT) from None  # §8.1
