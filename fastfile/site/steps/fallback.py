"""The last step of a site, for paths without a file: the app's page, the nearest 404.html, or fastfile's 404.

The app's page is sent to navigations. This module also finds the nearest 50x.html, for failures of the server. The
entry of a missing path is fresh until a name appears or disappears in one of the folders on the way to it.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence

from fastfile.errors import Postponed
from fastfile.http.navigation import is_navigation
from fastfile.http.target import join
from fastfile.rules.clean_urls import PagePath
from fastfile.site.context import Lookup, SiteContext
from fastfile.site.entry import Entry
from fastfile.site.file_entries import FileEntries
from fastfile.site.hints import find_hint
from fastfile.storage.outcome import Outcome, classify
from fastfile.storage.view import View

PAGE = b"404.html"
HOME = b"index.html"
FAILURE_PAGE = b"50x.html"
# The deepest folder that is searched for a page. A missing name 1,990 folders deep would cost half a second.
MAX_DEPTH = 32
MAX_PAGES = 64  # open pages of a site
NAVIGATION = b"Accept, Sec-Fetch-Mode"  # the fields that identify a navigation (http/navigation.py)


class Fallback:
    """The pages of one site for paths without a file."""

    def __init__(self, context: SiteContext, files: FileEntries) -> None:
        self._context = context
        self._files = files
        self._root = context.root
        self._provider = context.provider
        self._note = context.shared.note
        spa = context.shared.config.spa
        self._app = None if spa is None else os.fsencode(spa)  # the page for navigations
        self._pages: dict[tuple[bytes, int, bytes], Entry] = {}  # one page may be both an error page and the app's
        self.failure_page(b"")  # opened now: descriptors may run out later

    def find(self, lookup: Lookup) -> Entry:
        """Return the entry of a path without a file. Raises OSError if the disk fails."""
        path, view = lookup.page.path, lookup.view
        self._note("absence", path)
        if self._root.only is not None:
            return Entry((), None, {})
        vary = lookup.match.vary
        if self._app is not None:
            vary = b", ".join(filter(None, (NAVIGATION, vary)))
        folders = view.folders_to(path, MAX_DEPTH)
        page = self._find_page(view, tuple(folders), vary)
        app = None if self._app is None else self._open(view, self._app, 200, vary)
        if app is not None and self._app is not None:
            self._note("app", self._app)
        stamps = self._files.watched(self._files.stamps.of_folders(folders))
        drawn_from = [entry.stamps for entry in (page, app) if entry is not None]
        if all((stamps, *drawn_from)) and self._shows_changes(lookup, folders, app):
            stamps = sum(drawn_from, stamps)
        else:
            stamps = ()
        hint = self._find_hint(lookup, app is not None and is_navigation(lookup.head))
        if page is None:
            entry = Entry(stamps, None, {}, app, vary=vary, hint=hint)
        else:
            entry = Entry(stamps, page.identity, page.variants, app)
        if not lookup.match.is_covered:  # a request with another query may match a rule
            self._context.keep(self._context.locate(lookup.page), entry)
        return entry

    def failure_page(self, below: bytes) -> bytes | None:
        """Return the content of the nearest 50x.html that is in memory: the event loop does not wait for it."""
        names = below.split(b"/")[:MAX_DEPTH] if below and self._root.only is None else []
        view = View(self._root, self._context.shared.config.small_file)
        for depth in range(len(names), -1, -1):
            path = join(b"/".join(names[:depth]), FAILURE_PAGE)
            try:
                entry = None if self._context.hides(path) else self._open(view, path)
            except (OSError, Postponed):
                continue
            content = None if entry is None or entry.identity is None else entry.identity.resource.maybe_content()
            if content is not None:
                return content
        return None

    def open_page(self, path: bytes) -> Entry | None:
        """Return the entry of a 404 page, shared by all absences; None if there is none."""
        return self._open(View(self._root, self._context.shared.config.small_file), path, 404, b"")

    def _find_hint(self, lookup: Lookup, is_answered: bool) -> str:
        """Return the hint for a path, and log it unless the request gets the app's page; "" if there is none."""
        hints = self._context.shared.hints
        if hints is None or not hints.take_turn(self._context.shared.clock.monotonic_s):
            return ""
        hint = find_hint(self._context, lookup)
        if hint is None:
            return ""
        if not is_answered:
            self._note("hint", os.fsencode(hint.text))
            hints.tell(lookup.page.path, hint)
        return hint.text

    def _shows_changes(self, lookup: Lookup, folders: Iterable[bytes], app: Entry | None) -> bool:
        """Tell whether the folders show when the missing file appears. Behind a link they may not."""
        if self._app is not None and app is None:
            return False
        path, view = lookup.page.path, lookup.view
        *_, last = folders
        first_missing = path[len(last) :].strip(b"/").partition(b"/")[0]
        if first_missing and not view.is_absent(join(last, first_missing)):
            return False
        pages = [join(folder, PAGE) for folder in folders]
        return view.shows_changes([*self._context.candidates(lookup.page), *pages])

    def _find_page(self, view: View, folders: Sequence[bytes], vary: bytes) -> Entry | None:
        """Return the page for an absence: a 404.html, or the index if the provider treats the site as an app."""
        for folder in reversed(folders) if self._provider.not_found == "nearest" else (b"",):
            path = join(folder, PAGE)
            page = None if self._context.hides(path) else self._open(view, path, 404, vary)
            if page is not None:
                self._note("404 page", path)
                return page
        if not self._provider.application:
            return None
        page = self._open(view, HOME, 200, vary)
        if page is not None:
            self._note("app", HOME)
        return page

    def _open(self, view: View, path: bytes, status: int = 200, vary: bytes = b"") -> Entry | None:
        """Return the entry of a page, shared by all absences; None if the page does not exist."""
        key = (path, status, vary)
        entry = self._pages.get(key)
        if entry is not None and entry.is_fresh(self._context.shared.clock):
            return entry
        self._pages.pop(key, None)
        try:
            file = self._files.find(view, (path,))
        except OSError as error:
            if classify(error) is not Outcome.REFUSED:
                raise
            return None
        if file is None:
            return None
        page = PagePath(path, False)
        entry = self._files.make(view, file, page, self._context.match(page), status, vary)
        if entry.stamps:
            if len(self._pages) >= MAX_PAGES:
                self._pages.clear()
            self._pages[key] = entry
        return entry
