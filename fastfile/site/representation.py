"""Representations: a file with everything about its responses that is decided when it is opened.

Knows HTTP messages (RFC 9110 §6 and §8), not how a target leads to a file (handler.py) or bytes to a socket (server/).
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator

from fastfile.http.date import make_httpdate
from fastfile.http.field_changes import Field, FieldChanges
from fastfile.http.ranges import (
    ByteRange,
    make_closing_delimiter,
    make_multipart_type,
    make_part_heads,
)
from fastfile.message import FileHead, FileSlice, Response, ResponseHead, close_source, make_partial, make_whole
from fastfile.storage.metadata import date_s
from fastfile.storage.resource import Resource

NO_SNIFFING: Field = (b"X-Content-Type-Options", b"nosniff")
NO_CACHE: Field = (b"Cache-Control", b"no-cache")
NO_STORE: Field = (b"Cache-Control", b"no-store")
# A policy for the site's pages (--csp) does not fit fastfile's: they have their own policy, or run and load nothing.
OWN_TO_PAGES = (b"content-security-policy", b"content-encoding")
# Bytes of short ranges that are cached for an open file. A range is cached after two requests in a row: many clients
# request the head of the same tile archive, or the two bytes of a video that Safari reads first. There is room for the
# longest copy (resource.py).
MAX_KEPT = 20 * 1024
MAX_READY_PARTS = 16  # parts of a multipart content; more are made while they are sent
KEPT_OVERHEAD = 800  # approximate bytes of one of them without its body: its head and the objects


def make_response(status: int, fields: tuple[Field, ...], content: bytes) -> Response:
    """Return a response whose body is in memory, with its Content-Length."""
    length = (b"Content-Length", b"%d" % len(content))
    return Response(ResponseHead(status, (*fields, length)), (content,), len(content))


def make_page(
    status: int, media_type: bytes, content: bytes, fields: tuple[Field, ...], changes: FieldChanges
) -> Response:
    """Return a response whose body is one of fastfile's own pages, with the changes of options applied.

    No cache may keep an error, whatever the options say.
    """
    changes = changes.sparing((*OWN_TO_PAGES, b"cache-control") if status >= 400 else OWN_TO_PAGES)
    return make_response(status, changes.apply(((b"Content-Type", media_type), NO_SNIFFING, *fields)), content)


def make_bodiless(response: Response) -> Response:
    """Return the response to HEAD, given the one to GET (RFC 9110 §9.3.2)."""
    close_source(response.source)
    return Response(response.head, (), 0, response.close)


def make_etag(resource: Resource, coding: bytes) -> bytes | None:
    """Return the strong entity tag of a representation (RFC 9110 §8.8.3), from its mtime, size and coding.

    It is a hash of the content if storage has one: for files whose mtime says nothing, and for content that was encoded
    here, because another version of a library may encode it differently. None if there is no tag yet.
    """
    tag = resource.tag
    if tag is None and not coding:
        return f'"{resource.mtime_ns:x}-{resource.size:x}"'.encode("ascii")
    if tag is None:
        # Text, because compiled it takes a fifth of the instructions of bytes and %x.
        tag = f"{resource.mtime_ns:x}-{resource.size:x}".encode("ascii")
    elif not tag:
        return None
    return b'"%b-%b"' % (tag, coding) if coding else b'"' + tag + b'"'


class Representation:
    """One file as it is sent: its fields, and the two most common responses, made in advance.

    ``coding`` is b"" for the file itself. ``mtime_s`` is the value of ``last_modified``: never later than now
    (§8.8.2.1). Both are None, and there is no such field, if the file's date says nothing. ``status`` is 200, or that
    of an error whose page the file is: then it has no validators, because no precondition applies (§13.2.1). ``vary``
    names the request fields that the choice of this representation depended on.
    """

    __slots__ = (
        "_kept",
        "_last_asked",
        "_not_modified",
        "_not_modified_base",
        "_partial_base",
        "_partials",
        "_whole_base",
        "coding",
        "etag",
        "full",
        "is_alike",
        "last_modified",
        "media_type",
        "mtime_s",
        "resource",
        "status",
        "vary",
    )

    def __init__(
        self,
        resource: Resource,
        media_type: bytes,
        coding: bytes,
        vary: bytes,
        now_s: int,
        changes: FieldChanges,
        status: int = 200,
    ) -> None:
        self.resource = resource
        if status != 200:
            changes = changes.sparing((b"cache-control", b"content-encoding"))
        self.media_type = changes.value(b"content-type") or media_type
        self.coding = coding
        self.status = status
        self.mtime_s = date_s(resource.status, now_s)
        self.last_modified: bytes | None = None
        if status == 200 and self.mtime_s is not None:
            self.last_modified = make_httpdate(self.mtime_s)
        self.etag = make_etag(resource, coding)
        caching, others = self._make_fields(vary)
        changed = changes.apply((*caching, *others, (b"Content-Type", self.media_type)))
        self.vary = next((value for name, value in changed if name.lower() == b"vary"), b"")
        content = ((b"Content-Type", self.media_type), (b"Content-Length", b"%d" % resource.size))
        head = ResponseHead(status, (*_without_type(changed), *content))
        self.full = Response(head, _make_body(resource), resource.size)
        self._not_modified: Response | None = Response(ResponseHead(304, _without_type(changes.apply(caching))))
        self.is_alike = False  # whether make_alike() made it
        self._whole_base: ResponseHead | None = None
        self._not_modified_base: ResponseHead | None = None
        self._partial_base: ResponseHead | None = None
        self._last_asked: bytes | None = None
        self._partials: dict[bytes, Response] | None = None  # by the Range field
        self._kept = 0  # their bytes

    def _make_fields(self, vary: bytes) -> tuple[list[Field], list[Field]]:
        """Return the fields that a 304 repeats, no more than caching needs (RFC 9110 §15.4.5), and the others."""
        caching = [NO_CACHE if self.status == 200 else NO_STORE]
        others = [NO_SNIFFING]
        if vary:
            caching.append((b"Vary", vary))
        if self.status == 200:
            if self.etag is not None:
                caching.append((b"ETag", self.etag))
            others.append((b"Accept-Ranges", b"bytes"))
        if self.last_modified is not None:
            others.append((b"Last-Modified", self.last_modified))
        if self.coding:
            others.append((b"Content-Encoding", self.coding))
        return caching, others

    def make_alike(self, resource: Resource, mtime_s: int, last_modified: bytes) -> Representation | None:
        """Return the representation of another file of the same kind: the same fields, but validators and length.

        ``last_modified`` is the date of ``mtime_s``. None if an option or a rule sets one of these fields.
        """
        if resource.tag is None and not self.coding:
            # As make_etag() does, of numbers that fit into 64 bits: compiled, it takes a tenth of the instructions.
            mtime_ns, size = resource.mtime_ns, resource.size
            etag: bytes | None = f'"{mtime_ns:x}-{size:x}"'.encode("ascii")
        else:
            etag = make_etag(resource, self.coding)
        if etag is None or not self._has_bases():
            return None
        assert self._whole_base is not None
        alike = Representation.__new__(Representation)
        alike.resource = resource
        alike.media_type = self.media_type
        alike.coding = self.coding
        alike.status = self.status
        alike.vary = self.vary
        alike.mtime_s = mtime_s
        alike.last_modified = last_modified
        alike.etag = etag
        head = FileHead(self._whole_base, etag, last_modified, f"{resource.size}".encode("ascii"))
        alike.full = make_whole(head, _make_body(resource), resource.size)
        alike._not_modified_base = self._not_modified_base
        alike._not_modified = alike._whole_base = alike._partial_base = alike._last_asked = alike._partials = None
        alike._kept = 0
        alike.is_alike = True
        return alike

    def not_modified(self) -> Response:
        """Return the 304 for a client that has this representation."""
        response = self._not_modified
        if response is None:  # one of a kind, see make_alike()
            assert self._not_modified_base is not None
            assert self.etag is not None
            response = self._not_modified = Response(FileHead(self._not_modified_base, self.etag))
        return response

    def _has_bases(self) -> bool:
        """Make the heads that files of the same kind share; tell whether there are such heads."""
        if self._whole_base is None:
            own = ((b"ETag", self.etag), (b"Last-Modified", self.last_modified), self.full.head.fields[-1])
            whole = [field for field in self.full.head.fields if field not in own]
            fields = self.not_modified().head.fields
            not_modified = [field for field in fields if field != own[0]]
            counts = len(self.full.head.fields) - len(whole), len(fields) - len(not_modified)
            if counts != (3, 1):
                return False
            self._whole_base = ResponseHead(self.status, tuple(whole))
            self._not_modified_base = ResponseHead(304, tuple(not_modified))
        return True

    def _make_shared_fields(self) -> tuple[Field, ...]:
        """Return the fields that any part of the file has."""
        fields = self.full.head.fields
        return tuple([field for field in fields if field[0].lower() not in (b"content-type", b"content-length")])

    def kept_partial(self, asked: bytes) -> Response | None:
        """Return the cached 206 for a Range field, or None."""
        return None if self._partials is None else self._partials.get(asked)

    def make_partial(self, ranges: tuple[ByteRange, ...], asked: bytes) -> Response:
        """Return the 206 for one range, or for several as multipart/byteranges (RFC 9110 §14.6 and §15.3.7).

        ``asked`` is the Range field that they were parsed from.
        """
        if len(ranges) > 1:
            return self._make_multipart(ranges)
        start, stop = ranges[0]
        if self._partial_base is None:
            type_ = (b"Content-Type", self.media_type)
            self._partial_base = ResponseHead(206, (*self._make_shared_fields(), type_))
        part = self.resource.slice(start, stop)
        response = make_partial(self._partial_base, start, stop, self.resource.size, part)
        if asked != self._last_asked:  # a client that reads part after part repeats none
            self._last_asked = asked
        elif self.resource.content is None and isinstance(part, bytes):
            self._keep(asked, response)
        return response

    def _keep(self, asked: bytes, response: Response) -> None:
        size = len(asked) + response.body_size + KEPT_OVERHEAD
        if self._partials is None or self._kept + size > MAX_KEPT:
            self._partials = {}
            self._kept = 0
        if size <= MAX_KEPT:
            self._partials[asked] = response
            self._kept += size

    def _make_multipart(self, ranges: tuple[ByteRange, ...]) -> Response:
        boundary = os.urandom(16).hex().encode()  # random: the file cannot contain it
        heads = make_part_heads(ranges, self.resource.size, self.media_type, boundary)
        closing = make_closing_delimiter(boundary)
        total = len(b"".join(heads)) + sum([stop - start for start, stop in ranges]) + len(closing)
        content = ((b"Content-Type", make_multipart_type(boundary)), (b"Content-Length", b"%d" % total))
        head = ResponseHead(206, (*self._make_shared_fields(), *content))
        parts = _multipart(self.resource, heads, ranges, closing)
        if len(ranges) <= MAX_READY_PARTS:
            return Response(head, tuple(parts), total)
        return Response(head, (), total, source=parts)


def _make_body(resource: Resource) -> tuple[bytes | FileSlice, ...]:
    if not resource.size:
        return ()
    return (resource.slice(0, resource.size),) if resource.content is None else (resource.content,)


def _multipart(
    resource: Resource, heads: tuple[bytes, ...], ranges: tuple[ByteRange, ...], closing: bytes
) -> Iterator[bytes | FileSlice]:
    """Yield a multipart content part by part, because making a thousand at once would delay the loop."""
    for head, (start, stop) in zip(heads, ranges, strict=True):
        yield head
        yield resource.slice(start, stop)
    yield closing


def _without_type(fields: Iterable[Field]) -> tuple[Field, ...]:
    return tuple([field for field in fields if field[0].lower() != b"content-type"])
