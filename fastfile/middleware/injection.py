"""A page with a script put before its content: where it goes, and what of it a request gets (RFC 9110 §13 and §14).

Only the first bytes of the page are read; the rest is sent as the file is.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from fastfile.errors import HTTPError
from fastfile.http.conditional import Precondition, check_preconditions, if_range_matches
from fastfile.http.ranges import make_unsatisfied_range, parse_range
from fastfile.message import Field, FileSlice, PartialHead, RequestHead, Response, ResponseHead

# HTML §13.2.6.4.1: before the doctype come only white space and comments; <? and <! begin one that ends at the next >.
_BEFORE = re.compile(
    rb"(?:\xef\xbb\xbf)?(?:\s|<!---?>|<!--.*?--!?>|<\?[^>]*>|<!(?!--|doctype)[^>]*>)*", re.DOTALL | re.IGNORECASE
)
_DOCTYPE = re.compile(rb"<!doctype[^>]*>", re.IGNORECASE)
_UNFINISHED = re.compile(rb"<[!?]|<$")
_UTF_16 = (b"\xff\xfe", b"\xfe\xff")
LOOK = 64 * 1024  # bytes of a page that may come before its doctype
# A 304 has only the fields that say something about caching (RFC 9110 §15.4.5).
_OF_CONTENT = (b"content-type", b"accept-ranges", b"x-content-type-options")


def find_start(head: bytes) -> int | None:
    """Return where a script can be put into a page of which this is the beginning; None if that is not known.

    It is before the first element, and behind a doctype, which would have no effect after an element.
    """
    if head.startswith(_UTF_16):
        return None
    before = _BEFORE.match(head)
    position = before.end() if before else 0
    doctype = _DOCTYPE.match(head, position)
    if doctype:
        return doctype.end()
    # A comment or a doctype that is not at its end here.
    return None if _UNFINISHED.match(head, position) else position


class InjectedPage:
    """The page that ``parts`` make; ``fields`` are those of its response, but for the length."""

    def __init__(self, status: int, parts: Sequence[bytes | FileSlice], fields: tuple[Field, ...]) -> None:
        self._status = status
        self._parts = parts
        self._size = sum(map(size_of, parts))
        self._fields = without(fields, (b"content-length",))
        self._etag = next((value for name, value in fields if name.lower() == b"etag"), None)

    def answer(self, head: RequestHead, now_s: int, max_ranges: int) -> Response:
        """Return what a GET or HEAD gets. Raises HTTPError 412 and 416."""
        full = Response(ResponseHead(self._status, self._with_length(self._size)), tuple(self._parts), self._size)
        if self._status != 200:
            return full
        outcome = check_preconditions(head, self._etag, None, now_s)
        if outcome is Precondition.NOT_MODIFIED:
            return Response(ResponseHead(304, without(self._fields, _OF_CONTENT)))
        if outcome is Precondition.FAILED:
            raise HTTPError(412, "The file does not meet a precondition of the request.")
        if head.range is None or head.method != b"GET":
            return full
        if head.if_range is not None and not if_range_matches(head.if_range, self._etag, None, now_s):
            return full
        ranges = parse_range(head.range, self._size, max_ranges)
        # Several ranges of a page that is injected: a server may send all of it (§14.2).
        if ranges is None or len(ranges) > 1:
            return full
        if not ranges:
            raise HTTPError(
                416,
                f"The page has {self._size} bytes; none of them is in the requested range.",
                ((b"Content-Range", make_unsatisfied_range(self._size)),),
            )
        start, stop = ranges[0]
        partial = PartialHead(ResponseHead(206, self._fields), start, stop, self._size)
        return Response(partial, tuple(cut(self._parts, start, stop)), stop - start)

    def _with_length(self, size: int) -> tuple[Field, ...]:
        return (*self._fields, (b"Content-Length", b"%d" % size))


def size_of(part: bytes | FileSlice) -> int:
    """Return how many bytes a part has."""
    return part.count if isinstance(part, FileSlice) else len(part)


def cut(parts: Sequence[bytes | FileSlice], start: int, stop: int) -> list[bytes | FileSlice]:
    """Return the bytes from ``start`` up to ``stop`` of what ``parts`` make."""
    found: list[bytes | FileSlice] = []
    for part in parts:
        size = size_of(part)
        first, last = max(start, 0), min(stop, size)
        if first < last:
            if isinstance(part, FileSlice):
                found.append(FileSlice(part.owner, part.fd, part.offset + first, last - first))
            else:
                found.append(part[first:last])
        start, stop = start - size, stop - size
    return found


def without(fields: tuple[Field, ...], names: tuple[bytes, ...]) -> tuple[Field, ...]:
    """Return fields less those of ``names`` (in lower case)."""
    return tuple([field for field in fields if field[0].lower() not in names])
