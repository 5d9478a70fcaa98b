"""The header blocks of responses: made once for each head, and cached beside its HTTP/1.1 form."""

from __future__ import annotations

from fastfile.http.date import make_httpdate
from fastfile.message import PartialHead, ResponseHead
from fastfile.protocol.http2.hpack import encode_field

CONTINUE = encode_field(b":status", b"100")
NO_TABLE = b"\x20"  # the instruction that sets the size of the dynamic table to 0 (RFC 7541 §6.3)
# RFC 9113 §8.2.2: connection fields are not allowed here, even if a site sets them.
CONNECTION_SPECIFIC = (b"connection", b"keep-alive", b"proxy-connection", b"transfer-encoding", b"upgrade")


def block_of(head: ResponseHead) -> bytes:
    """Return the block of a head, without the field Date."""
    if head.http2 is None:
        head.http2 = _encode_partial(head) if isinstance(head, PartialHead) else _encode(head)
    return head.http2


def make_date_block(date_s: int) -> bytes:
    """Return the field Date, which all responses in a second share."""
    return encode_field(b"date", make_httpdate(date_s))


def _encode(head: ResponseHead) -> bytes:
    fields = [encode_field(b":status", b"%d" % head.status)]
    for name, value in head.fields:
        lowered = name.lower()
        if lowered not in CONNECTION_SPECIFIC:
            fields.append(encode_field(lowered, value))
    return b"".join(fields)


def _encode_partial(head: PartialHead) -> bytes:
    content_range = b"bytes %d-%d/%d" % (head.start, head.stop - 1, head.size)
    length = b"%d" % (head.stop - head.start)
    # Plain literals: most of these heads are sent once, and Huffman coding costs more than the bytes that it saves.
    return b"%b\x0f\x0f%c%b\x0f\x0d%c%b" % (
        block_of(head.base), len(content_range), content_range, len(length), length
    )  # fmt: skip
