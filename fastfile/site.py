"""The site: from a target to what answers it - a file, its variants, a redirect, a listing, or nothing.

The one place where the rules of BEHAVIOUR.md's "From target to file" come together; what it finds goes into the cache.
"""

from __future__ import annotations

import os
import time

from fastfile.answer import Answer
from fastfile.clock import Clock
from fastfile.config import Config
from fastfile.errors import HTTPError
from fastfile.files.cache import Cache
from fastfile.files.freshness import Stamp
from fastfile.files.listing import list_directory
from fastfile.files.resource import Resource, is_settled, open_resource
from fastfile.files.root import Root, is_directory, make_error
from fastfile.files.variants import Variants, open_variants
from fastfile.pages import LISTING_POLICY, PAGE_TYPES, make_error_page, make_listing_page
from fastfile.response import (
    NO_CACHE,
    NO_SNIFFING,
    Field,
    Representation,
    make_content_tag,
    make_head,
    make_response,
)
from fastfile.semantics.conditional import Precondition, check_preconditions
from fastfile.semantics.mediatype import media_type
from fastfile.semantics.negotiation import preferred_type
from fastfile.semantics.target import Target, is_hidden, make_location
from fastfile.sendfile import make_signature, read_signature
from fastfile.types import RequestHead, Response

ALLOW: Field = (b"Allow", b"GET, HEAD, OPTIONS")
MAX_TYPES = 64  # distinct Accept values whose choice is remembered
MAX_FOLDERS = 4096  # folders whose stamps are shared; one more clears them, which costs a check each


def make_not_found() -> HTTPError:
    # Made anew each time: an exception that is raised again keeps the frames of all its raises.
    return HTTPError(404, "There is nothing at this address.")


class Site:
    """What one root holds, by target. Owns the cache of its answers."""

    def __init__(self, root: Root, config: Config, clock: Clock) -> None:
        self._root = root
        self._config = config
        self._clock = clock
        self._cache: Cache[Answer] = Cache(config.cache_size, config.cache_files)
        self.answers = self._cache.entries
        self.common_fields: tuple[Field, ...] = ((b"Server", b"fastfile"),) if config.server_header else ()
        self.options = Response(204, make_head(204, (*self.common_fields, ALLOW)))
        self._folders: dict[bytes, Stamp] = {}
        self._types: dict[bytes | None, bytes] = {}
        self._index = tuple(os.fsencode(name) for name in config.index)

    def find(self, target: Target, head: RequestHead) -> Answer | Response:
        """Return what is at the target: a file as an answer, a redirect or a listing as a response.

        Raises HTTPError or OSError where nothing is there or it may not be read.
        """
        key = make_location(target.path, None, target.is_directory)
        answer = self.answers.get(key)
        if answer is None or not answer.is_fresh(self._clock):
            if is_hidden(target.path) and not self._config.dotfiles:
                raise make_not_found()
            try:
                found = self._look(target, head)
            except FileNotFoundError:
                self._remember_absence(key, target.path)
                raise
            if isinstance(found, Response):
                return found
            answer = found
            self._remember(key, answer)
        return answer

    def _look(self, target: Target, head: RequestHead) -> Answer | Response:
        path = target.path
        if self._root.only is not None:
            if path:
                raise make_not_found()
            return self._open(self._root.only, self._root.stat_folder(b""))
        if target.is_directory:
            return self._look_in_directory(path, head)
        try:
            return self._open(path, self._root.stat_folder(path))
        except IsADirectoryError:
            return self._redirect(make_location(path, target.query, True), head)

    def _look_in_directory(self, path: bytes, head: RequestHead) -> Answer | Response:
        folder = self._root.stat_folder(join(path, b""))
        for name in self._index:
            try:
                return self._open(join(path, name), folder)
            except OSError as error:
                if make_error(error).status != 404:
                    raise
        fd = self._root.open(path)
        try:
            if not is_directory(fd) or not self._config.listing:
                raise make_not_found()
            return self._list(path, fd, head)
        finally:
            os.close(fd)

    def _open(self, path: bytes, folder: os.stat_result | None) -> Answer:
        return self._make_answer(path, folder, open_resource(self._root, path, self._config.small_file))

    def _make_answer(self, path: bytes, folder: os.stat_result | None, resource: Resource) -> Answer:
        variants = open_variants(self._root, path, resource, self._config.small_file)
        type_ = media_type(path.rpartition(b"/")[2])

        def represent(resource: Resource, coding: bytes) -> Representation:
            return Representation(
                resource, type_, coding, bool(variants.usable), self._clock.wall_s, self.common_fields
            )

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

    def _remember_absence(self, key: bytes, path: bytes) -> None:
        absolute = self._root.absolute(path)
        # A link that leads out of the root exists and is refused: only what is truly absent can be watched.
        if self._root.only is None and read_signature(absolute) == b"":
            self._remember(key, Answer((Stamp(absolute, b""),), None, {}))

    def choose_type(self, accept: bytes | None) -> bytes:
        """Return the media type for a page of ours: HTML where nothing we have is acceptable (RFC 9110 §12.4.1)."""
        chosen = self._types.get(accept)
        if chosen is None:
            if len(self._types) >= MAX_TYPES:
                self._types.clear()
            chosen = self._types[accept] = preferred_type(accept, PAGE_TYPES) or PAGE_TYPES[0]
        return chosen

    def _redirect(self, location: bytes, head: RequestHead) -> Response:
        type_ = self.choose_type(head.field(b"accept"))
        caching = (NO_CACHE, (b"Location", location))
        fields = (*self.common_fields, (b"Content-Type", type_), (b"Vary", b"Accept"), NO_SNIFFING, *caching)
        return make_response(301, fields, make_error_page(301, "The folder is at its name with a slash.", type_))

    def _list(self, path: bytes, fd: int, head: RequestHead) -> Response:
        entries = list_directory(fd, self._config.dotfiles, lambda name: self._root.stat(join(path, name)))
        type_ = self.choose_type(head.field(b"accept"))
        page = make_listing_page(b"/" + join(path, b""), entries, type_)
        etag = make_content_tag(page)
        caching = (*self.common_fields, NO_CACHE, (b"ETag", etag), (b"Vary", b"Accept"))
        outcome = check_preconditions(head, etag, None, self._clock.wall_s)
        if outcome is Precondition.NOT_MODIFIED:
            return Response(304, make_head(304, caching))
        if outcome is Precondition.FAILED:
            raise HTTPError(412, "The folder is not in the state that the request asks for.")
        policy = (b"Content-Security-Policy", LISTING_POLICY)
        return make_response(200, (*caching, (b"Content-Type", type_), NO_SNIFFING, policy), page)


def join(folder: bytes, name: bytes) -> bytes:
    return folder + b"/" + name if folder else name
