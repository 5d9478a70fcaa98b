"""Byte ranges (RFC 9110 §14): which parts are requested, and how a response names and separates them.

Ranges are half-open internally; only this module knows the inclusive form of the wire. Ignoring a Range is always
allowed (§14.2), so malformed and greedy ones are ignored.
"""

from __future__ import annotations

from fastfile.http.fields import split_list

# The approximate overhead of a part in a multipart content.
PART_OVERHEAD = 200
# A multipart content may exceed the whole file by this much: two ranges of a tiny file are still two ranges.
ALLOWANCE = 8192
# Read digit by digit, a number stays below ten times this, which fits in 63 bits; no file is that long.
ENOUGH = 10**17

# The bytes from the first index up to, but not including, the second; never empty in a result.
ByteRange = tuple[int, int]


def parse_range(value: bytes, size: int, max_ranges: int) -> tuple[ByteRange, ...] | None:
    """Return the ranges to send, none (416: all are beyond the end), or None to ignore the field (200).

    They are in the requested order; overlapping or adjacent ones become one, at the place of the first (§15.3.7.2).
    Ignored are malformed fields, other units, more than ``max_ranges`` parts, more than two overlapping ranges, and
    parts that with their heads are longer than the whole (§14.2). An empty representation (size 0) has nothing to cut,
    so the caller ignores Range then.
    """
    # Range units are case-insensitive (§14.1); white space is allowed only around commas (§14.1.1).
    if not (value.startswith(b"bytes=") or value[:6].lower() == b"bytes="):
        return None
    spec = _maybe_spec(value, 6, size)
    if spec is not None:
        return (spec,) if spec[0] < spec[1] else ()
    # Adjacent ranges are one part, so a list may be longer than the parts, but not by much: each element costs time.
    if value[6:7] in (b" ", b"\t") or value.count(b",") > 2 * max_ranges:
        return None
    asked = [_maybe_element(element, size) for element in split_list(value[6:])]
    satisfiable = []
    for spec in asked:
        if spec is None:  # §14.2: one invalid range-spec makes the whole specifier invalid
            return None
        if spec[0] < spec[1]:
            satisfiable.append(spec)
    if len(satisfiable) > 1:
        return _maybe_coalesced(satisfiable, size, max_ranges)
    return tuple(satisfiable) if asked else None


def _maybe_element(text: bytes, size: int) -> ByteRange | None:
    """Return _maybe_spec() of one of many, four times as fast for the usual form when interpreted.

    A thousand of them take 0.7 ms instead of 2.6 ms.
    """
    first, _, last = text.partition(b"-")
    if len(text) > 32 or not first.isdigit() or not last.isdigit():
        return _maybe_spec(text, 0, size)
    start, stop = int(first), int(last) + 1
    return (start, min(stop, size)) if start < stop else None


def _maybe_spec(text: bytes, position: int, size: int) -> ByteRange | None:
    """Return the range-spec that begins at ``position`` in ``text``, cut to the size (§14.1.2).

    An empty range if it is unsatisfiable, None if it is malformed. Positions with more digits than any file needs count
    as the largest position.
    """
    end = len(text)
    first = last = 0
    begin = position
    while position < end and 0x30 <= text[position] <= 0x39:
        if first < ENOUGH:
            first = first * 10 + text[position] - 0x30
        position += 1
    if position == end or text[position] != 0x2D:  # the dash
        return None
    dash = position
    position += 1
    while position < end and 0x30 <= text[position] <= 0x39:
        if last < ENOUGH:
            last = last * 10 + text[position] - 0x30
        position += 1
    if position < end:
        return None
    has_last = end > dash + 1
    if dash == begin:
        return (max(size - last, 0), size) if has_last else None
    if not has_last:
        return (first, size)
    if first >= ENOUGH and last >= ENOUGH:  # both were cut off, so their order is unknown
        first_digits, last_digits = text[begin:dash].lstrip(b"0"), text[dash + 1 :].lstrip(b"0")
        is_ordered = (len(first_digits), first_digits) <= (len(last_digits), last_digits)
        return (size, size) if is_ordered else None
    if last < first:
        return None
    return (first, min(last + 1, size))


def _maybe_coalesced(ranges: list[ByteRange], size: int, max_ranges: int) -> tuple[ByteRange, ...] | None:
    """Merge overlapping and adjacent ranges in O(n log n); None if the request is too expensive (§17.15)."""
    overlaps = 0
    merged: list[tuple[int, int, int]] = []  # requested place, start, stop
    for start, stop, place in sorted((start, stop, place) for place, (start, stop) in enumerate(ranges)):
        if not merged or start > merged[-1][2]:
            merged.append((place, start, stop))
            continue
        last_place, last_start, last_stop = merged[-1]
        overlaps += start < last_stop
        merged[-1] = (min(place, last_place), last_start, max(stop, last_stop))
    # A first overlap is between two ranges; a second one makes three, and §14.2 allows ignoring more than two.
    if overlaps > 1 or len(merged) > max_ranges:
        return None
    if sum([stop - start + PART_OVERHEAD for _, start, stop in merged]) > size + ALLOWANCE:
        return None
    return tuple((start, stop) for _, start, stop in sorted(merged))


def make_unsatisfied_range(size: int) -> bytes:
    """Return the Content-Range of a 416 (§14.4)."""
    return b"bytes */%d" % size


def make_multipart_type(boundary: bytes) -> bytes:
    """Return the Content-Type of a multipart response (§14.6); the boundary is 1 to 70 letters and digits."""
    return b"multipart/byteranges; boundary=" + boundary


def make_part_heads(
    ranges: tuple[ByteRange, ...], size: int, content_type: bytes, boundary: bytes
) -> tuple[bytes, ...]:
    """Return what precedes the bytes of each range, including the delimiter (§14.6, RFC 2046 §5.1.1).

    The content is heads and ranges in turn, then make_closing_delimiter(): Content-Length is their sum. The first
    delimiter has a line break before it too, which ends an empty preamble: nginx, httpd and lighttpd send one, and
    zsync drops the first line of a content unread.
    """
    before = f"\r\n--{boundary.decode()}\r\nContent-Type: {content_type.decode('latin-1')}\r\nContent-Range: bytes "
    return tuple([f"{before}{start}-{stop - 1}/{size}\r\n\r\n".encode("latin-1") for start, stop in ranges])


def make_closing_delimiter(boundary: bytes) -> bytes:
    """Return the end of a multipart content (RFC 2046 §5.1.1)."""
    return b"\r\n--%b--\r\n" % boundary
