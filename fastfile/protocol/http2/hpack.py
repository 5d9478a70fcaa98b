"""Header compression (RFC 7541): header blocks to fields, and the fields of responses to literals.

Responses add nothing to the client's table, so their blocks depend on nothing and are cached. The decoded size of a
client's blocks is limited, so that a short block cannot stand for a long list.
"""

from __future__ import annotations

from fastfile._parser_rules import FIELD_VALUE, TOKEN
from fastfile.protocol.http2.constants import COMPRESSION_ERROR, ENHANCE_YOUR_CALM, ConnectionFailure
from fastfile.protocol.http2.huffman import make_huffman

OVERHEAD = 32  # bytes that count for each field, in addition to its name and value (§4.1, RFC 9113 §6.5.2)
TABLE_SIZE = 4096  # of the dynamic table; the server keeps the default
MAX_INTEGER = 1 << 24  # no meaningful integer is larger
OWS = b" \t"
LOWER_TOKEN = bytes(byte for byte in TOKEN if not 65 <= byte <= 90)  # RFC 9113 §8.2.1

STATIC_TABLE = (
    (b":authority", b""),
    (b":method", b"GET"),
    (b":method", b"POST"),
    (b":path", b"/"),
    (b":path", b"/index.html"),
    (b":scheme", b"http"),
    (b":scheme", b"https"),
    *((b":status", status) for status in (b"200", b"204", b"206", b"304", b"400", b"404", b"500")),
    (b"accept-charset", b""),
    (b"accept-encoding", b"gzip, deflate"),
    *(
        (name, b"")
        for name in (
            b"accept-language accept-ranges accept access-control-allow-origin age allow authorization "
            b"cache-control content-disposition content-encoding content-language content-length "
            b"content-location content-range content-type cookie date etag expect expires from host if-match "
            b"if-modified-since if-none-match if-range if-unmodified-since last-modified link location "
            b"max-forwards proxy-authenticate proxy-authorization range referer refresh retry-after server "
            b"set-cookie strict-transport-security transfer-encoding user-agent vary via www-authenticate"
        ).split()
    ),
)
STATIC_SIZE = len(STATIC_TABLE)

# The fields that a request head needs; the others are kept as lines.
(
    OTHER,
    AUTHORITY,
    METHOD,
    PATH,
    SCHEME,
    UNKNOWN_PSEUDO,
    CONNECTION_SPECIFIC,
    TE,
    HOST,
    COOKIE,
    CONTENT_LENGTH,
    EXPECT,
    ACCEPT_ENCODING,
    RANGE,
    IF_RANGE,
    IF_MATCH,
    IF_NONE_MATCH,
    IF_MODIFIED_SINCE,
    IF_UNMODIFIED_SINCE,
    FIELD_KINDS,  # the number of fields
) = range(20)
KINDS = {
    b":authority": AUTHORITY,
    b":method": METHOD,
    b":path": PATH,
    b":scheme": SCHEME,
    # RFC 9113 §8.2.2
    b"connection": CONNECTION_SPECIFIC,
    b"proxy-connection": CONNECTION_SPECIFIC,
    b"keep-alive": CONNECTION_SPECIFIC,
    b"transfer-encoding": CONNECTION_SPECIFIC,
    b"upgrade": CONNECTION_SPECIFIC,
    b"te": TE,
    b"host": HOST,
    b"cookie": COOKIE,
    b"content-length": CONTENT_LENGTH,
    b"expect": EXPECT,
    b"accept-encoding": ACCEPT_ENCODING,
    b"range": RANGE,
    b"if-range": IF_RANGE,
    b"if-match": IF_MATCH,
    b"if-none-match": IF_NONE_MATCH,
    b"if-modified-since": IF_MODIFIED_SINCE,
    b"if-unmodified-since": IF_UNMODIFIED_SINCE,
}


class HeaderField:
    """A field. It is checked once, so that a repeated field from the table is not checked again.

    ``is_valid``: name and value have the form that RFC 9113 §8.2.1 requires. ``line`` is that of HTTP/1.1.
    """

    __slots__ = ("is_valid", "kind", "line", "name", "size", "value")

    def __init__(self, name: bytes, value: bytes) -> None:
        self.name = name
        self.value = value
        self.size = len(name) + len(value) + OVERHEAD
        is_pseudo = name.startswith(b":")
        self.kind = KINDS.get(name, UNKNOWN_PSEUDO if is_pseudo else OTHER)
        self.is_valid = (
            name != b""
            and not (name[1:] if is_pseudo else name).translate(None, LOWER_TOKEN)
            and not value.translate(None, FIELD_VALUE)
            and value == value.strip(OWS)
        )
        self.line = b"" if is_pseudo else b"%b: %b\r\n" % (name, value)


STATIC_FIELDS = [HeaderField(name, value) for name, value in STATIC_TABLE]


class HeaderDecoder:
    """Decodes the header blocks of one connection, in order.

    ``list_size`` is that of the last list (RFC 9113 §6.5.2). ``changes`` counts the changes of the dynamic table.
    """

    __slots__ = ("_data", "_entries", "_first", "_huffman", "_max_fields", "_max_list", "_position", "_size",
                 "_table_size", "changes", "list_size")  # fmt: skip

    def __init__(self, max_list: int, max_fields: int) -> None:
        self._huffman = make_huffman()
        self._max_list = max_list
        self._max_fields = max_fields
        self._entries: list[HeaderField] = []  # of the dynamic table; the newest is the last one
        self._first = 0  # entries before it are evicted
        self._size = 0
        self._table_size = TABLE_SIZE
        self._data = b""
        self._position = 0
        self.changes = 0
        self.list_size = 0

    def decode(self, data: bytes) -> list[HeaderField]:
        """Return the fields of a block.

        Raises ConnectionFailure if it is malformed, because the table is then unknown, and if the list is longer than
        the limit, because the rest of it would have to be read.
        """
        self._data = data
        self._position = 0
        self.list_size = 0
        fields: list[HeaderField] = []
        end = len(data)
        while self._position < end:
            first = data[self._position]
            if first >= 0x80:  # §6.1: indexed
                field = self._indexed(self._integer(7))
            elif first >= 0x40:  # §6.2.1: literal, added to the table
                field = self._literal(6)
                self._add(field)
            elif first >= 0x20:  # §6.3: only at the start of a block (§4.2)
                if fields:
                    raise ConnectionFailure(COMPRESSION_ERROR, "a table size update after a field")
                self._resize(self._integer(5))
                continue
            else:
                field = self._literal(4)
            self.list_size += field.size
            if self.list_size > self._max_list or len(fields) == self._max_fields:
                raise ConnectionFailure(ENHANCE_YOUR_CALM, "a header list far beyond the limit")
            fields.append(field)
        return fields

    def _integer(self, bits: int) -> int:
        """Read an integer with a prefix of this many bits (§5.1)."""
        data = self._data
        end = len(data)
        most = (1 << bits) - 1
        value = data[self._position] & most
        self._position += 1
        if value < most:
            return value
        shift = 0
        while self._position < end:
            byte = data[self._position]
            self._position += 1
            value += (byte & 127) << shift
            if byte < 128:
                if value > MAX_INTEGER:
                    break
                return value
            shift += 7
            if shift > 21:
                break
        raise ConnectionFailure(COMPRESSION_ERROR, "an integer is cut or too large")

    def _string(self) -> bytes:
        """Read a string literal (§5.2)."""
        if self._position >= len(self._data):
            raise ConnectionFailure(COMPRESSION_ERROR, "a header block is cut")
        is_encoded = self._data[self._position] >= 0x80
        size = self._integer(7)
        end = self._position + size
        if end > len(self._data):
            raise ConnectionFailure(COMPRESSION_ERROR, "a string is cut")
        text: bytes | None = self._data[self._position : end]
        self._position = end
        if is_encoded:
            text = self._huffman.maybe_decode(self._data[end - size : end])
            if text is None:
                raise ConnectionFailure(COMPRESSION_ERROR, "a string is not of the Huffman code")
        assert text is not None
        return text

    def _indexed(self, index: int) -> HeaderField:
        if 0 < index <= STATIC_SIZE:
            return STATIC_FIELDS[index - 1]
        place = len(self._entries) - (index - STATIC_SIZE)
        if index == 0 or place < self._first:
            raise ConnectionFailure(COMPRESSION_ERROR, "an index beyond the table")
        return self._entries[place]

    def _literal(self, bits: int) -> HeaderField:
        index = self._integer(bits)
        name = self._indexed(index).name if index else self._string()
        return HeaderField(name, self._string())

    def _add(self, field: HeaderField) -> None:
        """Add an entry (§4.4); one that is larger than the table empties it."""
        self.changes += 1
        self._evict(self._table_size - field.size)
        if field.size <= self._table_size:
            self._entries.append(field)
            self._size += field.size

    def _resize(self, size: int) -> None:
        if size > TABLE_SIZE:
            raise ConnectionFailure(COMPRESSION_ERROR, "a table larger than the settings allow")
        self.changes += 1
        self._table_size = size
        self._evict(size)

    def _evict(self, size: int) -> None:
        """Drop the oldest entries until at most this many bytes are left."""
        entries = self._entries
        while self._size > size and self._first < len(entries):
            entry = entries[self._first]
            self._size -= entry.size
            self._first += 1
        if self._first > 64 or self._first == len(entries):
            del entries[: self._first]
            self._first = 0


def encode_integer(value: int, bits: int, first: int) -> bytes:
    """Return an integer with a prefix of this many bits, whose other bits are those of ``first`` (§5.1)."""
    most = (1 << bits) - 1
    if value < most:
        return bytes((first | value,))
    encoded = bytearray((first | most,))
    value -= most
    while value >= 128:
        encoded.append(value & 127 | 128)
        value >>= 7
    encoded.append(value)
    return bytes(encoded)


def encode_string(text: bytes) -> bytes:
    """Return a string literal in the shorter of its two forms (§5.2)."""
    encoded = make_huffman().encode(text)
    if len(encoded) < len(text):
        return encode_integer(len(encoded), 7, 0x80) + encoded
    return encode_integer(len(text), 7, 0) + text


def encode_field(name: bytes, value: bytes) -> bytes:
    """Return a field as an index of the static table, or as a literal that no table keeps (§6.1, §6.2.2)."""
    index = 0
    for number, entry in enumerate(STATIC_TABLE, 1):
        if entry[0] == name:
            if entry[1] == value:
                return encode_integer(number, 7, 0x80)
            index = index or number
    if index:
        return encode_integer(index, 4, 0) + encode_string(value)
    return b"\0" + encode_string(name) + encode_string(value)
