"""A site: from a target to what answers it - a file, its variants, a redirect, a listing, or nothing.

The one place where the rules of "From target to file" (docs/behaviour.md) come together. In order:

 1. nothing      a hidden name
 2. the file     at its name, or a folder's index; a folder without its slash redirects to it
 3. the listing  of a folder that has no index
 4. absence      remembered too, until something comes to be there

What it finds goes into the cache; handler.py asks here only for what is not there, or no longer true.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable

from fastfile.answer import Answer
from fastfile.clock import Clock
from fastfile.config import Config
from fastfile.errorpages import ErrorPages
from fastfile.errors import HTTPError
from fastfile.files.cache import Cache
from fastfile.files.freshness import Stamp
from fastfile.files.listing import list_directory
from fastfile.files.resource import Resource, is_settled, open_resource
from fastfile.files.root import Root, is_directory, make_error
from fastfile.files.variants import Variants, open_variants
from fastfile.pages import LISTING_POLICY, make_error_page, make_listing_page
from fastfile.response import NO_CACHE, Representation, make_content_tag, make_head, make_page
from fastfile.semantics.conditional import Precondition, check_preconditions
from fastfile.semantics.fieldchanges import FieldChanges
from fastfile.semantics.mediatype import make_additions, media_type
from fastfile.semantics.target import Target, encode_path, is_hidden, make_location
from fastfile.sendfile import make_signature, read_signature
from fastfile.types import RequestHead, Response

MAX_FOLDERS = 4096  # folders whose stamps are shared; one more clears them, which costs a check each


def make_cache(config: Config) -> Cache[Answer]:
    return Cache(config.cache_size, config.cache_files)


def take_no_note(step: str, subject: bytes) -> None:
    """What a site does with its notes while it serves; ``fastfile explain`` prints them."""


class Site:
    """What one root holds, by target. ``base`` is the path that it is mounted at, without outer slashes.

    ``changes`` are those of every response. ``note`` hears which step found what.
    """

    def __init__(
        self,
        root: Root,
        base: bytes,
        config: Config,
        clock: Clock,
        cache: Cache[Answer],
        pages: ErrorPages,
        changes: FieldChanges,
    ) -> None:
        self._root = root
        self.base = base
        self._prefix = b"/" + encode_path(base) if base else b""
        self._config = config
        self._clock = clock
        self._cache = cache
        self._pages = pages
        self._changes = changes
        self._folders: dict[bytes, Stamp] = {}
        self._index = tuple(os.fsencode(name) for name in config.index)
        self._media_types = make_additions(config.mime)
        self.note: Callable[[str, bytes], None] = take_no_note

    def find(self, target: Target, head: RequestHead) -> Answer | Response:
        """Return what is at the target: a file or its absence as an answer, a redirect or a listing as a response.

        Raises OSError where it cannot be read. ``target`` is without our base.
        """
        key = self._locate(target.path, None, target.is_directory)
        answer = self._cache.entries.get(key)
        if answer is not None and answer.is_fresh(self._clock):
            return answer
        found = self._look(target, head) or self._find_absence(target.path)
        if isinstance(found, Answer):
            self._remember(key, found)
        return found

    def _locate(self, path: bytes, query: bytes | None, is_directory: bool) -> bytes:
        """Return the reference to a path of this site, as a client has to ask for it."""
        if not path and not is_directory:  # the base without its slash
            return self._prefix
        return self._prefix + make_location(path, query, is_directory)

    def changes_at(self, path: bytes) -> FieldChanges:
        """Return what is made of the fields of every response at a path."""
        return self._changes

    def _look(self, target: Target, head: RequestHead) -> Answer | Response | None:
        """Return what the disk has at the target, or None."""
        path = target.path
        if is_hidden(path) and not self._config.dotfiles:
            self.note("hidden", path)
            return None
        try:
            if self._root.only is not None:
                return self._open(self._root.only, target, self._root.stat_folder(b"")) if not path else None
            if target.is_directory:
                return self._look_in_folder(target, head)
            return self._open(path, target, self._root.stat_folder(path))
        except IsADirectoryError:
            self.note("folder", path)
            return self._redirect(self._locate(path, target.query, True), head)
        except OSError as error:
            if make_error(error).status != 404:
                raise
            return None

    def _look_in_folder(self, target: Target, head: RequestHead) -> Answer | Response | None:
        path = target.path
        folder = self._root.stat_folder(join(path, b""))
        for name in self._index:
            try:
                return self._open(join(path, name), target, folder)
            except OSError as error:
                if make_error(error).status != 404:
                    raise
        fd = self._root.open(path)
        try:
            if not is_directory(fd) or not self._config.listing:
                return None
            self.note("listing", path)
            return self._list(path, fd, head)
        finally:
            os.close(fd)

    def _open(self, path: bytes, target: Target, folder: os.stat_result | None) -> Answer:
        """Make the answer of the file at ``path`` to requests for the target."""
        resource = open_resource(self._root, path, self._config.small_file)
        self.note("file", path)
        return self._make_answer(path, folder, resource, self.changes_at(target.path))

    def _make_answer(
        self, path: bytes, folder: os.stat_result | None, resource: Resource, changes: FieldChanges, status: int = 200
    ) -> Answer:
        variants = open_variants(self._root, path, resource, self._config.small_file)
        type_ = media_type(path.rpartition(b"/")[2], self._media_types)
        vary = b"Accept-Encoding" if variants.usable else b""

        def represent(resource: Resource, coding: bytes) -> Representation:
            return Representation(resource, type_, coding, vary, self._clock.wall_s, changes, status)

        return Answer(
            self._make_stamps(path, folder, resource, variants),
            represent(resource, b""),
            {coding: represent(variant, coding) for coding, variant in variants.usable.items()},
        )

    def _make_stamps(
        self, path: bytes, folder: os.stat_result | None, resource: Resource, variants: Variants
    ) -> tuple[Stamp, ...]:
        """Return what shows every change of the answer: the folder (names come and go), the file and whatever is at its
        variants' names.

        None at all where a change could go unnoticed: such an answer is given once and not kept.
        """
        now_ns = time.time_ns()
        if folder is None or not all(
            is_settled(status, now_ns) for status in (folder, resource.status, *variants.statuses)
        ):
            return ()
        absolute = self._root.absolute(path)
        return (
            self._folder_stamp(absolute.rpartition(b"/")[0], make_signature(folder)),
            Stamp(absolute, resource.signature),
            *(Stamp(self._root.absolute(beside), signature) for beside, signature in variants.signatures.items()),
        )

    def _folder_stamp(self, path: bytes, signature: bytes) -> Stamp:
        """Return the one stamp for a state of a folder, so that all its files share the check in a pass."""
        stamp = self._folders.get(path)
        if stamp is None or stamp.signature != signature:
            if len(self._folders) >= MAX_FOLDERS:
                self._folders.clear()
            stamp = self._folders[path] = Stamp(path, signature)
        return stamp

    def _remember(self, key: bytes, answer: Answer) -> None:
        self._cache.discard(key)
        if answer.stamps:
            self._cache.put(key, answer)

    def _find_absence(self, path: bytes) -> Answer:
        """Return the answer that nothing is at the path."""
        absolute = self._root.absolute(path)
        # What is there and refused (a link that leads out of the root, say) may become right unseen: it is not kept.
        is_absent = self._root.only is None and read_signature(absolute) == b""
        return Answer((Stamp(absolute, b""),) if is_absent else (), None, {})

    def _redirect(self, location: bytes, head: RequestHead) -> Response:
        type_ = self._pages.choose_type(head.field(b"accept"))
        page = make_error_page(301, "The folder is at its name with a slash.", type_)
        fields = ((b"Vary", b"Accept"), NO_CACHE, (b"Location", location))
        return make_page(301, type_, page, fields, self._changes)

    def _list(self, path: bytes, fd: int, head: RequestHead) -> Response:
        entries = list_directory(fd, self._config.dotfiles, lambda name: self._root.stat(join(path, name)))
        type_ = self._pages.choose_type(head.field(b"accept"))
        page = make_listing_page(b"/" + join(join(self.base, path), b""), entries, type_)
        etag = make_content_tag(page)
        changes = self.changes_at(path)
        caching = (NO_CACHE, (b"ETag", etag), (b"Vary", b"Accept"))
        outcome = check_preconditions(head, etag, None, self._clock.wall_s)
        if outcome is Precondition.NOT_MODIFIED:
            return Response(304, make_head(304, changes.apply(caching)))
        if outcome is Precondition.FAILED:
            raise HTTPError(412, "The folder is not in the state that the request asks for.")
        policy = (b"Content-Security-Policy", LISTING_POLICY)
        return make_page(200, type_, page, (*caching, policy), changes)


def join(folder: bytes, name: bytes) -> bytes:
    return folder + b"/" + name if folder else name
