"""Files as entries: a file beneath the root with its variants, its stamps and its header fields."""

from __future__ import annotations

from collections.abc import Sequence

from fastfile.http.content.media_types import is_compressible, make_additions, media_type
from fastfile.http.content.stored_coding import SUFFIXES, StoredCoding, StoredCodings
from fastfile.http.field_changes import FieldChanges
from fastfile.records import NamedTuple
from fastfile.rules.clean_urls import PagePath
from fastfile.rules.rulebook import RuleMatch
from fastfile.site.context import SiteContext
from fastfile.site.entry import Entry
from fastfile.site.pages import TEXT
from fastfile.site.representation import Representation
from fastfile.storage.freshness import Stamp
from fastfile.storage.resource import Resource, make_encoded
from fastfile.storage.stamps import Stamps
from fastfile.storage.variants import Beginnings, Variants, holds_coding, open_variants
from fastfile.storage.view import View


class FoundFile(NamedTuple):
    """A file beneath the root. ``looked_at``: the names that had precedence, and its own.

    If only its encoded variants exist, ``lone`` is the path of the one in ``resource``; b"" otherwise.
    """

    path: bytes
    resource: Resource
    variants: Variants
    looked_at: tuple[bytes, ...]
    lone: bytes = b""


class FileEntries:
    """Opens files of one root, and makes their entries."""

    def __init__(self, context: SiteContext, stamps: Stamps) -> None:
        self._context = context
        self._root = context.root
        self._clock = context.shared.clock
        self._small_file = context.shared.config.small_file
        self._media_types = make_additions(context.shared.config.mime)
        self._stored_codings = StoredCodings(context.shared.config.encoded, context.base)
        self._beginnings = Beginnings()
        self._tags = context.shared.tags
        self._compression = context.shared.compression
        self.stamps = stamps

    def find(self, view: View, candidates: Sequence[bytes]) -> FoundFile | None:
        """Return the first of the candidates that is a file. Raises OSError for one that is refused."""
        for number, path in enumerate(candidates, 1):
            resource = view.open(path)
            if resource is not None:
                variants = open_variants(self._root, path, resource, self._small_file)
                return FoundFile(path, resource, variants, tuple(candidates[:number]))
        return None

    def find_lone(self, view: View, candidates: Sequence[bytes]) -> FoundFile | None:
        """Return a file of which only encoded variants exist: app.js.gz serves app.js.

        Only for names whose content tools compress, and only for the first candidate: dump.tar.gz is a download, and
        there is no dump.tar.
        """
        for path in candidates:
            folder, _, name = path.rpartition(b"/")
            if not is_compressible(media_type(name, self._media_types)) or view.is_absent(folder):
                continue
            if not view.is_absent(path):  # a folder, or a refused file
                continue
            variants = open_variants(self._root, path, None, self._small_file)
            if variants.usable:
                coding, resource = next(iter(variants.usable.items()))
                beside = path + dict(SUFFIXES)[coding]
                return FoundFile(path, resource, variants, (*candidates, beside), beside)
            if variants.signatures:
                view.distrust()  # its content may become encoded without a change of the folder
            break
        return None

    def make(
        self,
        view: View,
        file: FoundFile,
        page: PagePath,
        match: RuleMatch,
        status: int = 200,
        vary: bytes = b"",
        canonical: bytes = b"",
    ) -> Entry:
        """Return the entry of a file for ``page``: rules use that path, and ``match`` is their result for it.

        ``vary`` names request fields that led to this file, in addition to those that choose among its variants;
        ``canonical`` is a reference to the page's preferred URL. Raises Postponed if a content must be read first.
        """
        changes = self._context.changes_of_file(file.path, page, match, status)
        if canonical:  # RFC 6596
            changes = FieldChanges(((b"Link", b'<%b>; rel="canonical"' % canonical),)).then(changes)
        # If a rule names the coding that the file is stored in, its bytes are sent unchanged with that header.
        is_named = changes.value(b"content-encoding") is not None
        stored = None if status != 200 or is_named or file.lone else self._find_stored(view, file)
        type_ = media_type(file.path.rpartition(b"/")[2], self._media_types) if stored is None else stored.container
        now_s = self._clock.wall_s
        variants = file.variants.usable if stored is None and not is_named else {}
        # No precondition applies to an error page.
        may_be_kept = status != 200 or self._tags.assign((file.resource, *variants.values()))

        def represent(resource: Resource, coding: bytes, type_: bytes = type_) -> Representation:
            return Representation(resource, type_, coding, vary, now_s, changes, status)

        offer = None
        if self._compression is not None and status == 200 and not (variants or stored is not None or is_named):
            offer = self._compression.offer(file.resource, type_, represent)
        if file.lone or variants or offer is not None or stored is not None:
            vary = b", ".join(filter(None, (b"Accept-Encoding", vary)))
        encoded = {coding: represent(variant, coding) for coding, variant in variants.items()}
        if stored is not None:
            inner = media_type(stored.name, self._media_types)
            encoded = {stored.coding: represent(file.resource, stored.coding, inner)}
        folders = view.states(file.looked_at)
        path = file.lone or file.path
        stamps = self.stamps.of_file(path, folders, file.resource, file.variants) if may_be_kept else ()
        identity = self._refuse_identity(file, vary) if file.lone else represent(file.resource, b"")
        return Entry(self.watched(stamps), identity, encoded, offer=offer)

    def _refuse_identity(self, file: FoundFile, vary: bytes) -> Representation:
        """Return the 406 for clients that accept none of the codings in which a file exists."""
        page = make_encoded(file.resource, b"This file is stored compressed, in a coding that the request refuses.\n")
        return Representation(page, TEXT, b"", vary, self._clock.wall_s, self._context.shared.changes, 406)

    def _find_stored(self, view: View, file: FoundFile) -> StoredCoding | None:
        """Return the coding that a file is stored in; None for a file that is sent unencoded."""
        stored = self._stored_codings.find(file.path)
        if stored is None or (stored.original and not view.is_absent(stored.original)):
            return None
        if not stored.coding:
            coding = self._beginnings.tell_coding(file.resource)
            return stored._replace(coding=coding) if coding else None
        return stored if holds_coding(file.resource, stored.coding) else None

    def watched(self, stamps: tuple[Stamp, ...]) -> tuple[Stamp, ...]:
        """Return the stamps of an entry together with those of its rules."""
        watched = self._context.watched() if stamps else None
        return () if watched is None else (*stamps, *watched)
