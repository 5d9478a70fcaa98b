"""The response for a folder without an index file: its listing, or a zip of its content.

``?sort=name|size|modified&order=asc|desc`` sorts a listing; other values are ignored. ``?format=html|json|text``
overrides Accept, and ``?archive=zip`` asks for the zip; other values of these two are 400, because a client would take
another format for the one that it asked for.

A thread reads the disk and makes the page, which can cost as much as hundreds of small requests. Requests for the same
page share one Making, unless it began before the request came: it might miss a change. It stops when all clients have
gone.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from functools import partial
from time import monotonic
from typing import Any, TypeVar, cast
from weakref import WeakValueDictionary

from fastfile.errors import HTTPError, make_unavailable
from fastfile.http.conditional import Precondition, check_preconditions
from fastfile.http.field_changes import Field, FieldChanges
from fastfile.http.target import join
from fastfile.message import Deferred, RequestHead, Response, ResponseHead
from fastfile.records import NamedTuple
from fastfile.site.listing.feed import Feed
from fastfile.site.listing.making import Making
from fastfile.site.listing.page import LISTING_POLICY, Listing, Readme, make_listing
from fastfile.site.listing.zip_download import make_zip_head, zip_name
from fastfile.site.pages import HTML, JSON, TEXT
from fastfile.site.representation import NO_CACHE, NO_SNIFFING, OWN_TO_PAGES
from fastfile.site.shared import Shared
from fastfile.storage.directory import COLUMNS, DirectoryEntry, Order, list_directory, read_beginning
from fastfile.storage.resource import hash_content
from fastfile.storage.root import PinnedRoot, Root
from fastfile.storage.zip.archive import PART_SIZE, Archive, ArchiveLimits, make_archive

READMES = (b"readme.md", b"readme.txt", b"readme")  # in lower case; the first that exists is shown
README_SIZE = 64 * 1024  # the rest is not shown
FORMATS = {b"html": HTML, b"json": JSON, b"text": TEXT}
CACHING: tuple[Field, ...] = (NO_CACHE, (b"Vary", b"Accept"))
NO_TAG = b"\0"  # equals no entity tag of a request

# Memory for large pages and archives that are being sent; equal ones count once. A slow client may keep one in memory
# for a day. Above the limit, the response is 503.
MOST_WEIGHT = 256 * 1024 * 1024
# The most entries of a listing: they make a page of 6 MiB, in a quarter of a second of CPU time.
MOST_ENTRIES = 50_000
# The most entries of a listing that is made for HEAD, in 8 ms of CPU time: no client has to read it.
MOST_FOR_HEAD = 1000


class Page:
    """A listing as it is sent: its content, in parts, and its entity tag."""

    __slots__ = ("__weakref__", "_parts", "tag", "weight")

    def __init__(self, parts: list[bytes]) -> None:
        self._parts = parts
        self.tag = b'"%b"' % hash_content(parts)
        self.weight = sum(map(len, parts))

    def parts(self) -> Iterator[bytes]:
        """Return the content in parts. The iterator keeps the page alive, so that _share() finds it."""
        yield from self._parts


Large = TypeVar("Large", Page, Archive)


class Wish(NamedTuple):
    """The parameters that a query gives for a folder. ``is_for_head``: a page is wanted only if it is short."""

    order: Order = Order()
    media_type: bytes | None = None
    archive: bool = False
    is_for_head: bool = False


def parse_wish(query: bytes | None) -> Wish:
    """Parse a query. Unknown parameters are ignored; the last of several with one name wins. Raises HTTPError 400."""
    if not query:
        return Wish()
    values = dict(part.partition(b"=")[::2] for part in query.split(b"&"))
    column = next((column for column in COLUMNS if column.encode() == values.get(b"sort")), COLUMNS[0])
    wished = values.get(b"format")
    if wished is not None and wished not in FORMATS:
        raise HTTPError(400, "The formats of a folder are html, json and text.")
    archive = values.get(b"archive")
    if archive not in (None, b"zip"):
        raise HTTPError(400, "A folder can be downloaded only as zip.")
    order = Order(column, values.get(b"order") == b"desc")
    return Wish(order, None if wished is None else FORMATS[wished], archive is not None)


class Folders:
    """Lists the folders of one root, and archives them with --archive. ``base`` is the path of its mount.

    ``hides`` tells whether a path is treated as absent, ``withholds`` whether some request for it gets another response
    than the file; other threads call both.
    """

    def __init__(
        self,
        root: Root,
        base: bytes,
        shared: Shared,
        hides: Callable[[bytes], bool],
        withholds: Callable[[bytes], bool],
    ) -> None:
        self._root = root
        self._base = base
        is_below_home = not shared.home or (base + b"/").startswith(shared.home + b"/")
        top = shared.home if is_below_home else base
        self._top = top.count(b"/") + 1 if top else 0
        self._clock = shared.clock
        self._pages = shared.pages
        self._dotfiles = shared.config.dotfiles
        self._dotfile = frozenset(map(os.fsencode, shared.config.dotfile))
        self._hides = hides
        self._withholds = withholds
        self._read = shared.read
        self._archive = shared.config.archive
        self._limits = ArchiveLimits(shared.config.limit_archive)
        self._makings: WeakValueDictionary[object, Making[Any]] = WeakValueDictionary()
        self._large: WeakValueDictionary[bytes, Page | Archive] = WeakValueDictionary()  # by tag, what is being sent

    def respond(
        self, path: bytes, query: bytes | None, head: RequestHead, changes: FieldChanges
    ) -> Response | Deferred:
        """Return the response for the folder at ``path``, which exists. Raises OSError or HTTPError, now or later."""
        wish = parse_wish(query)
        if wish.archive:
            if not self._archive:
                raise HTTPError(404, "Zip downloads are turned off.")
            name = zip_name(self._base, path)
            make_zip = partial(make_archive, folder=path, name=name, hides=self._withholds, limits=self._limits)
            return self._join(path, wish, make_zip, partial(self._send_archive, head, name, changes))
        media_type = wish.media_type or self._pages.choose_type(head.field(b"accept"))
        wish = wish._replace(media_type=media_type, is_for_head=head.method == b"HEAD" and head.plain)
        make = partial(self._make_page, path=path, wish=wish)
        return self._join(path, wish, make, partial(self._send_page, head, media_type, changes))

    def _join(
        self,
        path: bytes,
        wish: Wish,
        make: Callable[[PinnedRoot, Callable[[], None]], Page | None]
        | Callable[[PinnedRoot, Callable[[], None]], Archive],
        finish: Callable[[Future[Any]], Response],
        asked_s: float | None = None,
    ) -> Deferred:
        """Return a response that waits for a Making, which equal requests share.

        One runs at a time. A request that arrived after it began waits for its end, and then for the next one.
        """
        asked_s = monotonic() if asked_s is None else asked_s
        root = PinnedRoot(self._root)
        try:
            key = (root.identity(), path, wish)
        except BaseException:
            root.close()
            raise
        making = self._makings.get(key)
        if making is not None and not making.has_ended:
            root.close()
            if making.serves(asked_s):
                return Deferred(making, finish)
            return Deferred(making, lambda _: self._join(path, wish, make, finish, asked_s))
        self._makings[key] = made = Making(partial(make, root))
        return Deferred(made, finish)

    def _make_page(self, root: PinnedRoot, check: Callable[[], None], path: bytes, wish: Wish) -> Page | None:
        media_type = wish.media_type or HTML
        limit = MOST_FOR_HEAD if wish.is_for_head else MOST_ENTRIES
        try:
            found = list_directory(root, path, wish.order, limit, self._shows, check, not wish.is_for_head)
            if wish.is_for_head and found.total > limit:
                return None
            readme = find_readme(root, path, found.entries, self._withholds) if media_type == HTML else None
        finally:
            root.close()
        shown = b"/".join((b"", *filter(None, (self._base, path)), b""))
        listing = Listing(shown, found.entries, wish.order, readme, self._archive, found.total, self._top)
        parts = []
        for part in make_listing(listing, media_type):
            check()
            parts.append(part)
        return Page(parts)

    def _shows(self, path: bytes) -> bool:
        name = path.rpartition(b"/")[2]
        # The well-known folder is not listed.
        if not self._dotfiles and name.startswith(b".") and name not in self._dotfile:
            return False
        return not self._hides(path)

    def _send_page(
        self, head: RequestHead, media_type: bytes, changes: FieldChanges, future: Future[Page | None]
    ) -> Response:
        page = future.result()
        if page is None:  # RFC 9110 §9.3.2: fields that need the content, its length and its tag, may be omitted
            return Response(ResponseHead(200, _page_fields(media_type, (), changes)))
        tag = (b"ETag", page.tag)
        if self._is_known(head, page.tag):
            return Response(ResponseHead(304, changes.sparing(OWN_TO_PAGES).apply((*CACHING, tag))))
        fields = _page_fields(media_type, (tag, (b"Content-Length", b"%d" % page.weight)), changes)
        if page.weight <= PART_SIZE or head.method == b"HEAD":
            return Response(ResponseHead(200, fields), tuple(page.parts()), page.weight)
        page = self._share(page)
        return Response(ResponseHead(200, fields), (), page.weight, source=page.parts())

    def _share(self, made: Large) -> Large:
        """Return an equal page or archive that is being sent, if there is one. Raises HTTPError 503 above the limit."""
        known = self._large.get(made.tag)
        if known is not None:
            return cast(Large, known)
        if sum(large.weight for large in self._large.values()) + made.weight > MOST_WEIGHT:
            raise make_unavailable("Too many large folders are being sent.")
        self._large[made.tag] = made
        return made

    def _send_archive(self, head: RequestHead, name: bytes, changes: FieldChanges, future: Future[Archive]) -> Response:
        archive = future.result()
        if self._is_known(head, NO_TAG):
            return Response(ResponseHead(304, changes.apply((NO_CACHE,))))
        response_head = make_zip_head(name, archive.size, changes)
        if head.method == b"HEAD":
            return Response(response_head, (), archive.size)
        parts = self._share(archive).parts()
        source = parts if self._read is None else Feed(parts, self._read)
        return Response(response_head, (), archive.size, source=source)

    def _is_known(self, head: RequestHead, etag: bytes) -> bool:
        """Tell whether the client's copy is current. Raises HTTPError 412 if a precondition fails."""
        outcome = check_preconditions(head, etag, None, self._clock.wall_s)
        if outcome is Precondition.FAILED:
            raise HTTPError(412, "The folder does not meet a precondition of the request.")
        return outcome is Precondition.NOT_MODIFIED


def _page_fields(media_type: bytes, fields: tuple[Field, ...], changes: FieldChanges) -> tuple[Field, ...]:
    own = ((b"Content-Type", media_type), NO_SNIFFING, *CACHING, (b"Content-Security-Policy", LISTING_POLICY))
    return changes.sparing(OWN_TO_PAGES).apply((*own, *fields))


def find_readme(
    root: Root, path: bytes, entries: list[DirectoryEntry], withholds: Callable[[bytes], bool]
) -> Readme | None:
    """Return the beginning of a folder's README; None if there is none, or a request for it would not get it."""
    names = {entry.name.lower(): entry.name for entry in entries if not entry.is_directory}
    name = next((names[readme] for readme in READMES if readme in names), None)
    if name is None or withholds(join(path, name)):
        return None
    try:
        content, is_cut = read_beginning(root, join(path, name), README_SIZE)
    except OSError:  # no permission, or it was removed
        return None
    if b"\0" in content:  # not a text file
        return None
    text = content.decode("utf-8", "replace")
    return Readme(name, text.rstrip("\ufffd") if is_cut else text, is_cut)
