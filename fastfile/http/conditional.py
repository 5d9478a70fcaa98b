"""Preconditions (RFC 9110 §13): the result of a request's validators for the selected representation.

One small function per field, then the order of §13.2.2. Each field's function returns the value of its condition, and
None if the field is absent or must be ignored. Knows neither files nor responses.
"""

from __future__ import annotations

from enum import Enum

from fastfile.http.date import maybe_httpdate
from fastfile.message import RequestHead

# A longer list counts as one without matches: its tags cost 1 µs each, and a head has room for 10 000. A cache sends a
# tag of about 40 bytes for each response that it has stored for a target.
LIST_LIMIT = 4096
# RFC 9110 §8.8.3: etagc = %x21 / %x23-7E / obs-text. There are no escapes: a backslash is literal.
_OPAQUE_BYTES = bytes(byte for byte in range(0x21, 0x100) if byte not in (0x22, 0x7F))


class Precondition(Enum):
    """The result of evaluating the preconditions of a request."""

    PROCEED = 0
    NOT_MODIFIED = 304
    FAILED = 412


def check_preconditions(head: RequestHead, etag: bytes | None, mtime_s: int | None, now_s: int) -> Precondition:
    """Return PROCEED, NOT_MODIFIED (304) or FAILED (412) for a request to a representation that exists (§13.2.2).

    ``etag`` is the current entity-tag with its quotes, None if it has none; ``mtime_s`` the last modification in whole
    seconds, rounded down as Last-Modified is, or None if it says nothing about the content. The caller makes sure that
    the response without preconditions is a success (§13.2.1).
    """
    if head.plain or head.method in (b"OPTIONS", b"TRACE", b"CONNECT"):  # §13.2.1: they select no representation
        return Precondition.PROCEED
    if head.if_match is not None:
        holds: bool | None = if_match(head.if_match, etag)
    else:
        holds = if_unmodified_since(head.if_unmodified_since, mtime_s, now_s)
    if holds is False:
        return Precondition.FAILED
    is_read = head.method in (b"GET", b"HEAD")
    if head.if_none_match is not None:
        holds = if_none_match(head.if_none_match, etag)
    else:  # §13.1.3: ignored beside If-None-Match, and for other methods
        holds = if_modified_since(head.if_modified_since, mtime_s, now_s) if is_read else None
    if holds is False:
        return Precondition.NOT_MODIFIED if is_read else Precondition.FAILED
    return Precondition.PROCEED


def if_match(value: bytes, etag: bytes | None) -> bool:
    """Evaluate If-Match (§13.1.1): ``*`` or one of the tags matches, by strong comparison.

    A malformed list is false: the client asked not to act on anything but what it names, and it names nothing.
    """
    if value == b"*":
        return True
    tags = maybe_entity_tags(value)
    return tags is not None and etag is not None and not etag.startswith(b"W/") and etag in tags


def if_none_match(value: bytes, etag: bytes | None) -> bool:
    """Evaluate If-None-Match (§13.1.2): neither ``*`` nor one of the tags matches, by weak comparison.

    A malformed list matches nothing: the whole representation is always a right answer, a 304 is not.
    """
    if etag is None:
        return value != b"*"
    opaque = etag.removeprefix(b"W/")
    if value == b"*" or value.removeprefix(b"W/") == opaque:
        return False
    tags = maybe_entity_tags(value)
    return tags is None or not any(tag.removeprefix(b"W/") == opaque for tag in tags)


def if_modified_since(value: bytes | None, mtime_s: int | None, now_s: int) -> bool | None:
    """Evaluate If-Modified-Since (§13.1.3): modified later than the date; None if absent or ignored.

    A date in the future is valid: RFC 2616 called it invalid, RFC 7232 and 9110 do not.
    """
    date_s = maybe_httpdate(value, now_s) if value is not None else None
    return None if date_s is None or mtime_s is None else mtime_s > date_s


def if_unmodified_since(value: bytes | None, mtime_s: int | None, now_s: int) -> bool | None:
    """Evaluate If-Unmodified-Since (§13.1.4): not modified later than the date; None if absent or ignored."""
    date_s = maybe_httpdate(value, now_s) if value is not None else None
    return None if date_s is None or mtime_s is None else mtime_s <= date_s


def if_range_matches(value: bytes, etag: bytes | None, mtime_s: int | None, now_s: int) -> bool:
    """Tell whether If-Range lets the Range field apply (§13.1.5): an equal strong tag, or the exact date."""
    if value.startswith((b'"', b"W/")):
        return etag is not None and value == etag and not etag.startswith(b"W/")
    date_s = maybe_httpdate(value, now_s)
    if date_s is None or mtime_s is None:
        return False
    # §8.8.2.2: a date is a strong validator only if the file did not change twice within its second. It still can
    # until that second is over; afterwards, the one second that §8.8.2.2 requires between Last-Modified and Date
    # has passed. (RFC 7232 required 60, for clocks that differ: this one and the file's are the same.)
    return date_s == mtime_s and mtime_s < now_s


def maybe_entity_tags(value: bytes) -> list[bytes] | None:
    """Return the entity-tags of a list unchanged; None if it is malformed or too long (§8.8.3)."""
    if len(value) > LIST_LIMIT:
        return None
    tags: list[bytes] = []
    position, end = 0, len(value)
    separated = True  # by a comma or the start of the value
    while position < end:
        byte = value[position : position + 1]
        if byte in (b",", b" ", b"\t"):  # empty elements are allowed (§5.6.1.2)
            separated = separated or byte == b","
            position += 1
            continue
        quote = position + 2 if value.startswith(b"W/", position) else position  # W/ is case-sensitive
        close = value.find(b'"', quote + 1)
        if not separated or not value.startswith(b'"', quote) or close < 0:
            return None
        if value[quote + 1 : close].translate(None, _OPAQUE_BYTES):
            return None
        tags.append(value[position : close + 1])
        position = close + 1
        separated = False
    return tags
