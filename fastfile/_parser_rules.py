"""Constants that the two parsers share: character classes, names, faults and the grammar of a chunk line.

_parser_py.py reads them directly; _parser.pyx copies them into C tables when it is imported.
"""

from __future__ import annotations

from fastfile.records import NamedTuple

DIGIT = b"0123456789"
HEXDIG = DIGIT + b"ABCDEFabcdef"
TOKEN = DIGIT + b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz!#$%&'*+-.^_`|~"  # RFC 9110 §5.6.2
WHITESPACE = b" \t"
VISIBLE = bytes(range(0x21, 0x7F))
OBS_TEXT = bytes(range(0x80, 0x100))
FIELD_VALUE = WHITESPACE + VISIBLE + OBS_TEXT  # RFC 9110 §5.5
# RFC 9112 §3.2 allows URI characters only, but curl sends a query as it was typed.
TARGET = VISIBLE + OBS_TEXT

# The fields that the parser reads, in the order of the enum in _parser.pyx. The first four decide the framing and
# the connection; of the others it only keeps the value.
FRAMING_FIELDS = (b"host", b"connection", b"content-length", b"transfer-encoding")
VALUE_FIELDS = (
    b"expect",
    b"accept-encoding",
    b"range",
    b"if-range",
    b"if-match",
    b"if-none-match",
    b"if-modified-since",
    b"if-unmodified-since",
)

# Codings that HTTP defines (RFC 9112 §7), or defined (identity, until RFC 7230). The first is the supported one.
CODINGS = (b"chunked", b"gzip", b"deflate", b"compress", b"x-gzip", b"x-compress", b"identity")

# 18 digits fit in 63 bits, 15 hexadecimal ones in 60, and no file is that long.
CONTENT_LENGTH_DIGITS = 18
CHUNK_SIZE_DIGITS = 15
# The bytes of a chunked body that may be waste, as in Go since CVE-2023-39326. The framing of a chunk is no waste up to
# CHUNK_FRAMING bytes (a size and two line ends), because a client may send a stream one byte at a time.
CHUNK_OVERHEAD = 16384
CHUNK_OVERHEAD_SHARE = 10  # and one more byte for this many bytes of content
CHUNK_FRAMING = 16


class Fault(NamedTuple):
    """The reason for refusing a message: the arguments of BadRequest."""

    status: int
    detail: str


EMPTY_LINES = Fault(400, "There are too many empty lines before the request.")
BAD_BYTE = Fault(400, "The request has a control byte where none is allowed.")
BARE_CR = Fault(400, "A carriage return is not followed by a line feed.")
BARE_LF = Fault(400, "A line feed does not follow a carriage return.")
REQUEST_LINE = Fault(400, "The request line is malformed.")
VERSION = Fault(400, "The HTTP version is malformed.")
MAJOR_VERSION = Fault(505, "Only HTTP/1.0 and HTTP/1.1 are supported here.")
REQUEST_LINE_SIZE = Fault(414, "The request line is too long.")
FIELD_LINE_SIZE = Fault(
    431, "A request header is too long. Delete this site's cookies, or raise the server's --limit-field-line."
)
HEAD_SIZE = Fault(
    431, "The request headers are too long. Delete this site's cookies, or raise the server's --limit-head."
)
FIELD_COUNT = Fault(431, "The request has too many headers. The server's option --limit-fields allows more.")
FOLDED_LINE = Fault(400, "A header begins with white space.")
FIELD_NAME = Fault(400, "A header has a malformed name.")
HOST_MISSING = Fault(400, "The Host header is missing.")
HOST_REPEATED = Fault(400, "The Host header is repeated.")
HOST_EMPTY = Fault(400, "The Host header is empty.")
CONTENT_LENGTH = Fault(400, "Content-Length is not a plain number.")
CONTENT_LENGTH_REPEATED = Fault(400, "Content-Length is repeated.")
CONTENT_SIZE = Fault(413, "The content is too large.")
TRANSFER_ENCODING = Fault(400, "Transfer-Encoding is malformed.")
TRANSFER_ENCODING_1_0 = Fault(400, "Transfer-Encoding is not allowed in HTTP/1.0.")
TWO_FRAMINGS = Fault(400, "Transfer-Encoding and Content-Length cannot be used together.")
CHUNKED_REPEATED = Fault(400, "The chunked coding is applied twice.")
CHUNKED_NOT_LAST = Fault(400, "The last transfer coding is not chunked.")
UNKNOWN_CODING = Fault(501, "Only the transfer coding chunked is supported.")
CHUNK_LINE = Fault(400, "A chunk is malformed.")
CHUNK_LINE_SIZE = Fault(400, "A chunk-size line is too long.")
CHUNK_SIZE = Fault(400, "A chunk size has too many digits.")
CHUNK_WASTE = Fault(400, "The chunks contain more framing than content.")

# In the order of the outcomes in _parser.pyx: a scan there returns an index into it.
FAULTS = (
    EMPTY_LINES,
    BAD_BYTE,
    BARE_CR,
    BARE_LF,
    REQUEST_LINE,
    VERSION,
    MAJOR_VERSION,
    REQUEST_LINE_SIZE,
    FIELD_LINE_SIZE,
    HEAD_SIZE,
    FIELD_COUNT,
    FOLDED_LINE,
    FIELD_NAME,
    HOST_MISSING,
    HOST_REPEATED,
    HOST_EMPTY,
    CONTENT_LENGTH,
    CONTENT_LENGTH_REPEATED,
    CONTENT_SIZE,
    TRANSFER_ENCODING,
    TRANSFER_ENCODING_1_0,
    TWO_FRAMINGS,
    CHUNKED_REPEATED,
    CHUNKED_NOT_LAST,
    UNKNOWN_CODING,
    CHUNK_LINE,
    CHUNK_LINE_SIZE,
    CHUNK_SIZE,
    CHUNK_WASTE,
)

# The states between two pieces of content (RFC 9112 §7.1): the CRLF that ends one chunk and the line that begins the
# next. Lax parsing of extensions allows request smuggling, so the states follow the grammar exactly:
#   chunk-size *( BWS ";" BWS chunk-ext-name [ BWS "=" BWS ( token / quoted-string ) ] ) CRLF
(
    REFUSED,  # no byte leads on
    DATA_CR,
    DATA_LF,
    SIZE_FIRST,
    SIZE,
    EXT_SPACE,  # white space that only ";" may follow
    NAME_FIRST,
    NAME,
    NAME_SPACE,
    VALUE_FIRST,
    VALUE,
    QUOTED,
    QUOTED_PAIR,
    QUOTED_END,
    LINE_LF,
    LINE_END,  # the line is complete
) = range(16)

_QUOTED_TEXT = bytes(byte for byte in FIELD_VALUE if byte not in b'"\\')
_CHUNK_LINE: dict[int, tuple[tuple[bytes, int], ...]] = {
    DATA_CR: ((b"\r", DATA_LF),),
    DATA_LF: ((b"\n", SIZE_FIRST),),
    SIZE_FIRST: ((HEXDIG, SIZE),),
    SIZE: ((HEXDIG, SIZE), (WHITESPACE, EXT_SPACE), (b";", NAME_FIRST), (b"\r", LINE_LF)),
    EXT_SPACE: ((WHITESPACE, EXT_SPACE), (b";", NAME_FIRST)),
    NAME_FIRST: ((WHITESPACE, NAME_FIRST), (TOKEN, NAME)),
    NAME: ((TOKEN, NAME), (WHITESPACE, NAME_SPACE), (b"=", VALUE_FIRST), (b";", NAME_FIRST), (b"\r", LINE_LF)),
    NAME_SPACE: ((WHITESPACE, NAME_SPACE), (b"=", VALUE_FIRST), (b";", NAME_FIRST)),
    VALUE_FIRST: ((WHITESPACE, VALUE_FIRST), (TOKEN, VALUE), (b'"', QUOTED)),
    VALUE: ((TOKEN, VALUE), (WHITESPACE, EXT_SPACE), (b";", NAME_FIRST), (b"\r", LINE_LF)),
    QUOTED: ((_QUOTED_TEXT, QUOTED), (b"\\", QUOTED_PAIR), (b'"', QUOTED_END)),
    QUOTED_PAIR: ((FIELD_VALUE, QUOTED),),
    QUOTED_END: ((WHITESPACE, EXT_SPACE), (b";", NAME_FIRST), (b"\r", LINE_LF)),
    LINE_LF: ((b"\n", LINE_END),),
}


def _make_row(moves: tuple[tuple[bytes, int], ...]) -> bytes:
    row = bytearray(256)
    for byte_class, state in moves:
        for byte in byte_class:
            row[byte] = state
    return bytes(row)


# CHUNK_STEPS[state][byte] is the next state.
CHUNK_STEPS = tuple(_make_row(_CHUNK_LINE.get(state, ())) for state in range(16))
