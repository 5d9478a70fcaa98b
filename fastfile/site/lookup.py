"""A site: from a target to what answers it - a file, its variants, a redirect, a listing, or nothing.

The one place where the rules of "From target to file" (docs/behaviour.md) come together. In order:

 1. nothing      a hidden name
 2. the file     at its name, with .html, or a folder's index (cleanurls.py); not at its address: a redirect
 3. the listing  of a folder that has no index
 4. absence      the page of an app, the nearest 404.html, or our 404 (absence.py)

What it finds goes into the cache; handler.py asks here only for what is not there, or no longer true.
"""

from __future__ import annotations

import os
import stat

from fastfile.http.cache_control import CachePolicy
from fastfile.http.field_changes import FieldChanges
from fastfile.http.target import Target, encode_path, is_hidden, make_location
from fastfile.message import Deferred, RequestHead, Response
from fastfile.rules.clean_urls import CleanUrls, PagePath
from fastfile.rules.providers import Provider, choose_provider
from fastfile.site.entry import Entry
from fastfile.site.error_pages import make_vary
from fastfile.site.fallback import Absences
from fastfile.site.file_entries import FileEntries, Purpose
from fastfile.site.listing.folders import Folders
from fastfile.site.pages import make_error_page
from fastfile.site.representation import NO_CACHE, make_page
from fastfile.site.shared import Shared
from fastfile.storage.freshness import Stamp
from fastfile.storage.root import Root, make_error
from fastfile.storage.stamps import Stamps


class Site:
    """What one root holds, by target. ``base`` is the path that it is mounted at, without outer slashes."""

    def __init__(self, root: Root, base: bytes, shared: Shared) -> None:
        self._root = root
        self.base = base
        self._prefix = b"/" + encode_path(base) if base else b""
        self._shared = shared
        self._config = shared.config
        self._cache = shared.cache
        self._pages = shared.pages
        self._changes = shared.changes
        self._note = shared.note
        self._files = FileEntries(root, shared, self._changes_of, Stamps(root, self._watched))
        self._folders = Folders(root, base, shared, self._hides, self._withholds)
        self.adopt(choose_provider(shared.config))

    def adopt(self, provider: Provider) -> None:
        """Do as this host does from now on."""
        config = self._config
        self._provider = provider
        self._caching = FieldChanges(((b"Cache-Control", provider.cache_control),) if provider.cache_control else ())
        # No host goes by the names of files, unless somebody asks for it.
        immutable = config.immutable if not provider.cache_control or config.given("immutable") else "off"
        self._cache_policy = CachePolicy(immutable, config.cache_control, self.base)
        self._urls = CleanUrls(provider.pages, provider.slash, tuple(os.fsencode(name) for name in config.index))
        self._absences = Absences(self._root, self._files, self._shared, provider)
        # The folders of an app are routes of it like any other name, and hosts know none, unless somebody asks to see
        # them.
        self._are_routes = not config.given("listing") and (config.spa is not None or not provider.listing)

    def find(self, target: Target, head: RequestHead) -> Entry | Response | Deferred:
        """Return what is at the target: a file or its absence as an answer, a redirect or a listing as a response.

        Raises OSError where it cannot be read. ``target`` is without our base.
        """
        key = self._locate(target.path, None, target.is_directory)
        entry = self._cached(key)
        if entry is not None:
            return entry
        found = self._look(target, head) or self._look_at_folder(target, head) or self._find_absence(target)
        if isinstance(found, Entry):
            self._remember(key, found)
        return found

    def look_around(self) -> None:
        """See what no answer depends on yet; called about once a second."""

    def failure_page(self, path: bytes) -> bytes | None:
        """Return the page for failures at a path, where the site has its own."""
        return self._absences.failure_page(path)

    def _locate(self, path: bytes, query: bytes | None, is_directory: bool) -> bytes:
        """Return the reference to a path of this site, as a client has to ask for it."""
        if not path and not is_directory:  # the base without its slash
            return self._prefix
        return self._prefix + make_location(path, query, is_directory)

    def changes_at(self, address: PagePath, file: bytes = b"") -> FieldChanges:
        """Return what is made of the fields of every response at an address, where ``file`` may be what answers."""
        return self._changes

    def _names_of(self, address: PagePath) -> bytes:
        """Return the names of request fields that may lead from an address to something else."""
        return b""

    def _changes_of(self, file: bytes, purpose: Purpose) -> FieldChanges:
        changes = self.changes_at(purpose.address, file)
        # An error's page is not kept, whatever its name.
        if purpose.status != 200:
            return changes
        return self._caching.then(self._cache_policy.apply(file, purpose.address.path, changes))

    def _watched(self) -> tuple[Stamp, ...] | None:
        """Return what all answers depend on; None where a change of it could go unnoticed."""
        return ()

    def _hides(self, path: bytes) -> bool:
        """Tell whether a path is as if nothing were there."""
        return is_hidden(path) and not self._config.dotfiles

    def _withholds(self, path: bytes) -> bool:
        """Tell whether some request for a file gets something else than the file: then no archive has it either."""
        return self._hides(path)

    def _candidates(self, asked: PagePath) -> tuple[bytes, ...]:
        return (self._root.only,) if self._root.only is not None else self._urls.candidates(asked)

    def _look(self, target: Target, head: RequestHead) -> Entry | Response | None:
        """Return the file at a target, or a redirect to the address where it is; None where there is none."""
        asked = PagePath(target.path, target.is_directory)
        if self._hides(asked.path):
            self._note("hidden", asked.path)
            return None
        if self._root.only is not None and asked.path:
            return None
        found = self._files.find(self._candidates(asked), Purpose(asked))
        if found is None:
            return None
        file, entry = found
        address = self._urls.address(file, asked)
        if address != asked and self._is_at(file, address):
            self._note("redirect", file)
            return self._move(address, target, head)
        self._note("file", file)
        return entry

    def _look_at_folder(self, target: Target, head: RequestHead) -> Response | Deferred | None:
        """Return the listing of a folder without a page, or the redirect to it; None where none is to be seen."""
        if self._are_routes or self._root.only is not None or self._hides(target.path):
            return None
        return self._list(target, head)

    def _find_absence(self, target: Target) -> Entry:
        self._note("absence", target.path)
        asked = PagePath(target.path, target.is_directory)
        return self._absences.find(target.path, self._candidates(asked), self._names_of(asked))

    def _is_at(self, file: bytes, address: PagePath) -> bool:
        """Tell whether a file is what answers for an address: it may be another, about.html beside about/index.html."""
        for candidate in self._urls.candidates(address):
            try:
                status = self._root.stat(candidate)
            except OSError:
                continue
            if stat.S_ISREG(status.st_mode):
                return candidate == file
        return False

    def _cached(self, key: bytes) -> Entry | None:
        entry = self._cache.entries.get(key)
        return entry if entry is not None and entry.is_fresh(self._shared.clock) else None

    def _remember(self, key: bytes, entry: Entry) -> None:
        self._cache.discard(key)
        if entry.stamps:
            entry.key = key
            self._cache.put(key, entry)

    def _move(self, address: PagePath, target: Target, head: RequestHead) -> Response:
        """Return the redirect to where the target is, in this site."""
        location = self._locate(address.path, target.query, address.is_directory)
        return self._redirect(self._provider.moved, location, target, head)

    def _redirect(self, status: int, location: bytes, target: Target, head: RequestHead) -> Response:
        type_ = self._pages.choose_type(head.field(b"accept"))
        page = make_error_page(status, "What you ask for is at another address.", type_)
        names = self._names_of(PagePath(target.path, target.is_directory))
        fields = (make_vary(names), NO_CACHE, (b"Location", location))
        return make_page(status, type_, page, fields, self._changes)

    def _list(self, target: Target, head: RequestHead) -> Response | Deferred | None:
        """Return the listing of a folder, the redirect to it, or None."""
        path = target.path
        try:
            status = self._root.stat(path)
        except OSError as error:
            if make_error(error).status != 404:
                raise
            return None
        if not stat.S_ISDIR(status.st_mode):
            return None
        if not target.is_directory:
            return self._move(PagePath(path, True), target, head)
        if not self._provider.listing:
            return None
        self._note("listing", path)
        return self._folders.respond(path, target.query, head, self.changes_at(PagePath(path, True)))
