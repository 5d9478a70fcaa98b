"""The numbers of HTTP/2 (RFC 9113 §6 and §7, RFC 9218 §7.1), and its errors."""

from __future__ import annotations

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"

# Frame types.
(DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS, PUSH_PROMISE, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION) = range(10)
PRIORITY_UPDATE = 16

# Flags.
END_STREAM = ACK = 0x1
END_HEADERS = 0x4
PADDED = 0x8
HAS_PRIORITY = 0x20

# Settings.
(
    HEADER_TABLE_SIZE,
    ENABLE_PUSH,
    MAX_CONCURRENT_STREAMS,
    INITIAL_WINDOW_SIZE,
    MAX_FRAME_SIZE,
    MAX_HEADER_LIST_SIZE,
) = range(1, 7)
NO_RFC7540_PRIORITIES = 9

# Error codes.
(
    NO_ERROR,
    PROTOCOL_ERROR,
    INTERNAL_ERROR,
    FLOW_CONTROL_ERROR,
    SETTINGS_TIMEOUT,
    STREAM_CLOSED,
    FRAME_SIZE_ERROR,
    REFUSED_STREAM,
    CANCEL,
    COMPRESSION_ERROR,
    CONNECT_ERROR,
    ENHANCE_YOUR_CALM,
) = range(12)

FRAME_HEAD = 9  # bytes
FRAME_SIZE = 16384  # the default limit of a frame's payload
DATA_SIZE = FRAME_SIZE - FRAME_HEAD  # the most content in a frame, so that the frame fills one record of TLS
WINDOW_SIZE = 65535  # the default window
MAX_WINDOW = (1 << 31) - 1
MAX_STREAM_ID = (1 << 31) - 1


class ConnectionFailure(Exception):
    """A connection has to end, with GOAWAY and ``code`` (RFC 9113 §5.4.1); ``detail`` is debug data."""

    def __init__(self, code: int, detail: str) -> None:
        super().__init__(code, detail)
        self.code = code
        self.detail = detail


class StreamFailure(Exception):
    """A stream has to end, with RST_STREAM and ``code`` (RFC 9113 §5.4.2)."""

    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code
