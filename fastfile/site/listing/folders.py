"""What a folder answers by itself, where no index file answers for it: its listing, or all that is in it as one zip.

``?sort=name|size|modified&order=asc|desc`` arranges a listing; another value is as if it were not there.
``?format=html|json|text`` goes before Accept, and ``?archive=zip`` asks for the zip; there another value is 400, for
what came instead would be taken for what was asked.

The disk is read, and the page made, in a thread: a folder of 20 000 entries is worth some hundred small requests.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import Future
from functools import partial
from typing import NamedTuple, TypeVar, cast
from weakref import WeakValueDictionary

from fastfile.errors import HTTPError, make_unavailable
from fastfile.http.conditional import Precondition, check_preconditions
from fastfile.http.disposition import make_attachment
from fastfile.http.field_changes import FieldChanges
from fastfile.http.target import join
from fastfile.message import Deferred, RequestHead, Response, ResponseHead
from fastfile.site.listing.page import LISTING_POLICY, Listing, Readme, make_listing_page
from fastfile.site.pages import HTML, JSON, TEXT
from fastfile.site.representation import NO_CACHE, NO_SNIFFING, OWN_TO_PAGES, make_content_tag, make_page
from fastfile.site.shared import Shared
from fastfile.storage.archive import PART_SIZE, Archive, ArchiveLimits, make_archive
from fastfile.storage.directory import COLUMNS, DirectoryEntry, Order, list_directory, read_beginning, sort_entries
from fastfile.storage.root import PinnedRoot, Root

READMES = (b"readme.md", b"readme.txt", b"readme")  # in lower case; the first that is there is shown
README_SIZE = 64 * 1024  # more of it is not shown
SITE = b"site"  # what the archive of a whole root is called: the name of its folder is nobody's business
FORMATS = {b"html": HTML, b"json": JSON, b"text": TEXT}
NO_TAG = b"\0"  # equals no entity tag of a request

# What is being sent and is large: of what is equal there is one. A listing of 100 000 entries is 20 MiB, and who takes
# it as slowly as one may has it for a day. More is refused for the time being.
MOST_WEIGHT = 256 * 1024 * 1024


class Page:
    """A page that was made: its content and entity tag."""

    __slots__ = ("__weakref__", "content", "tag", "weight")

    def __init__(self, content: bytes) -> None:
        self.content = content
        self.tag = make_content_tag(content)
        self.weight = len(content)

    def parts(self) -> Iterator[bytes]:
        """Return the content in parts, as an archive's is."""
        for start in range(0, len(self.content), PART_SIZE):
            yield self.content[start : start + PART_SIZE]


Large = TypeVar("Large", Page, Archive)


class Wish(NamedTuple):
    """What the query of a request for a folder asks for."""

    order: Order = Order()
    media_type: bytes | None = None
    archive: bool = False


def parse_wish(query: bytes | None) -> Wish:
    """Parse a query; parameters of other names are ignored, of several with one name the last counts."""
    if not query:
        return Wish()
    values = dict(part.partition(b"=")[::2] for part in query.split(b"&"))
    column = next((column for column in COLUMNS if column.encode() == values.get(b"sort")), COLUMNS[0])
    wished = values.get(b"format")
    if wished is not None and wished not in FORMATS:
        raise HTTPError(400, "A folder has the formats html, json and text.")
    archive = values.get(b"archive")
    if archive not in (None, b"zip"):
        raise HTTPError(400, "The one archive there is of a folder is zip.")
    order = Order(column, values.get(b"order") == b"desc")
    return Wish(order, None if wished is None else FORMATS[wished], archive is not None)


class Folders:
    """Lists the folders of one root, and archives them with --archive. ``base`` is the path that it is mounted at.

    ``hides`` tells whether a path is as if nothing were there, ``withholds`` whether some request for it gets something
    else than the file that is there; both are asked in other threads.
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
        self._clock = shared.clock
        self._pages = shared.pages
        self._dotfiles = shared.config.dotfiles
        self._hides = hides
        self._withholds = withholds
        self._archive = shared.config.archive
        self._limits = ArchiveLimits(shared.config.limit_archive)
        self._large: WeakValueDictionary[bytes, Page | Archive] = WeakValueDictionary()  # by tag, what is being sent

    def respond(self, path: bytes, query: bytes | None, head: RequestHead, changes: FieldChanges) -> Deferred:
        """Return what the folder at ``path``, which is there, answers. Raises OSError or HTTPError, now or later."""
        wish = parse_wish(query)
        root = PinnedRoot(self._root)
        if wish.archive:
            if not self._archive:
                raise HTTPError(404, "This server makes no archives.")
            name = join(self._base, path).rpartition(b"/")[2] or SITE
            work = partial(make_archive, root, path, name, self._withholds, self._limits)
            return Deferred(work, partial(self._send_archive, head, name, changes))
        media_type = wish.media_type or self._pages.choose_type(head.field(b"accept"))
        make = partial(self._make_page, root, path, wish.order, media_type)
        return Deferred(make, partial(self._send_page, head, media_type, changes))

    def _make_page(self, root: PinnedRoot, path: bytes, order: Order, media_type: bytes) -> Page:
        try:
            found = list_directory(root, path, self._dotfiles)
            entries = sort_entries([entry for entry in found if not self._hides(join(path, entry.name))], order)
            readme = find_readme(root, path, entries) if media_type == HTML else None
        finally:
            root.close()
        shown = b"/" + join(join(self._base, path), b"")
        return Page(make_listing_page(Listing(shown, entries, order, readme, self._archive), media_type))

    def _send_page(self, head: RequestHead, media_type: bytes, changes: FieldChanges, future: Future[Page]) -> Response:
        page = future.result()
        caching = (NO_CACHE, (b"ETag", page.tag), (b"Vary", b"Accept"))
        if self._is_known(head, page.tag):
            return Response(ResponseHead(304, changes.sparing(OWN_TO_PAGES).apply(caching)))
        policy = (b"Content-Security-Policy", LISTING_POLICY)
        response = make_page(200, media_type, page.content, (*caching, policy), changes)
        if page.weight <= PART_SIZE or head.method == b"HEAD":
            return response
        page = self._share(page)
        return Response(response.head, (), page.weight, source=page.parts())

    def _share(self, made: Large) -> Large:
        """Return what is being sent already where it is equal to what was made. Raises HTTPError 503 for too much."""
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
        fields = (
            (b"Content-Type", b"application/zip"),
            NO_SNIFFING,
            NO_CACHE,
            (b"Content-Disposition", make_attachment(name + b".zip")),
            (b"Content-Length", b"%d" % archive.size),
        )
        source = None if head.method == b"HEAD" else self._share(archive).parts()
        return Response(ResponseHead(200, changes.apply(fields)), (), archive.size, source=source)

    def _is_known(self, head: RequestHead, etag: bytes) -> bool:
        """Tell whether the client has what we would send. Raises HTTPError 412 where it wants something else."""
        outcome = check_preconditions(head, etag, None, self._clock.wall_s)
        if outcome is Precondition.FAILED:
            raise HTTPError(412, "The folder is not in the state that the request asks for.")
        return outcome is Precondition.NOT_MODIFIED


def find_readme(root: Root, path: bytes, entries: list[DirectoryEntry]) -> Readme | None:
    """Return the beginning of the file that says what a folder is, None where there is none that can be read."""
    names = {entry.name.lower(): entry.name for entry in entries if not entry.is_directory}
    name = next((names[readme] for readme in READMES if readme in names), None)
    if name is None:
        return None
    try:
        content, is_cut = read_beginning(root, join(path, name), README_SIZE)
    except OSError:  # it may not be read, or is gone
        return None
    if b"\0" in content:  # no text at all
        return None
    text = content.decode("utf-8", "replace")
    return Readme(name, text.rstrip("\ufffd") if is_cut else text, is_cut)
