"""What answers where no file is: the page of an app for navigations, the site's nearest 404.html, or our own 404; and
the site's nearest 50x.html, for when the server fails.

An absence is remembered too. It holds for as long as no name comes or goes in the folders on the way to it.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Sequence

from fastfile.http.target import join
from fastfile.rules.clean_urls import PagePath
from fastfile.rules.providers import Provider
from fastfile.site.entry import Entry
from fastfile.site.file_entries import FileEntries, Purpose
from fastfile.site.shared import Shared
from fastfile.storage.root import Root, make_error

PAGE = b"404.html"
HOME = b"index.html"
FAILURE_PAGE = b"50x.html"
MAX_DEPTH = 32  # of folders that are looked in when the server fails: that has to stay cheap
MAX_PAGES = 64  # of a site that are kept open
NAVIGATION = b"Accept, Sec-Fetch-Mode"  # what tells one (semantics/navigation.py)


class Absences:
    """``host`` says which 404.html is the one, and whether all of a site without it is an application."""

    def __init__(self, root: Root, files: FileEntries, shared: Shared, provider: Provider) -> None:
        self._root = root
        self._files = files
        self._clock = shared.clock
        self._note = shared.note
        spa = shared.config.spa
        self._app = None if spa is None else os.fsencode(spa)  # the page that takes navigations
        self._provider = provider
        self._shared: dict[Purpose, Entry] = {}  # one page may be an error's and the app's
        self.failure_page(b"")  # opened now: a failure may well be that there is no descriptor left

    def find(self, path: bytes, tried: Sequence[bytes], vary: bytes = b"") -> Entry:
        """Return the answer to requests for a path where nothing is, at none of the names ``tried`` for it.

        ``vary`` names request fields that could have led elsewhere.

        Raises OSError where that cannot be told.
        """
        if self._root.only is not None:
            return Entry((), None, {})
        folders = self._folders(path)
        if self._app is not None:
            vary = b", ".join(filter(None, (NAVIGATION, vary)))
        page_path, page = self._nearest_page(folders, vary)
        app = None if self._app is None else self._open(self._app, Purpose(PagePath(self._app, False), vary=vary))
        if page is not None:
            self._note("404 page" if page.status == 404 else "app", page_path)
        if app is not None and self._app is not None:
            self._note("app", self._app)
        stamps = self._files.stamps.of_folders(folders)
        drawn_from = [entry.stamps for entry in (page, app) if entry is not None]
        if self._may_change_unseen(path, folders, tried, page, app) or not all((stamps, *drawn_from)):
            stamps = ()
        else:
            stamps = sum(drawn_from, stamps)
        if page is None:
            return Entry(stamps, None, {}, app, vary=vary)
        return Entry(stamps, page.identity, page.variants, app)

    def forget(self) -> None:
        """Open all pages anew, as what is made of them has changed."""
        self._shared.clear()

    def failure_page(self, path: bytes) -> bytes | None:
        """Return the content of the nearest 50x.html that can be had."""
        names = path.split(b"/")[:MAX_DEPTH] if path and self._root.only is None else []
        for depth in range(len(names), -1, -1):
            page = join(b"/".join(names[:depth]), FAILURE_PAGE)
            try:
                entry = self._open(page, Purpose(PagePath(page, False)))
            except OSError:
                continue
            if entry is not None and entry.identity is not None:
                return entry.identity.resource.read_all()
        return None

    def _folders(self, path: bytes) -> dict[bytes, os.stat_result]:
        """Return the folders on the way to a path, from the root down to the last that is there, with their states."""
        folders = {b"": self._root.stat(b"")}
        names = path.split(b"/") if path else []
        for depth in range(1, len(names) + 1):
            folder = b"/".join(names[:depth])
            status = self._root.maybe_stat(folder)
            if status is None or not stat.S_ISDIR(status.st_mode):
                break
            folders[folder] = status
        return folders

    def _may_change_unseen(
        self,
        path: bytes,
        folders: dict[bytes, os.stat_result],
        tried: Sequence[bytes],
        page: Entry | None,
        app: Entry | None,
    ) -> bool:
        """Tell whether a name that is there and refused had a part in this: where a link leads, no folder tells."""
        last = next(reversed(folders))
        first_missing = join(last, path[len(last) :].strip(b"/").partition(b"/")[0])
        refused = [name for name in (*tried, first_missing) if name != last]
        if page is None or page.status == 200:
            refused += [join(folder, PAGE) for folder in folders]
        return (self._app is not None and app is None) or any(
            self._root.signature(name) is not None for name in refused
        )

    def _nearest_page(self, folders: dict[bytes, os.stat_result], vary: bytes) -> tuple[bytes, Entry | None]:
        for folder in reversed(folders) if self._provider.not_found == "nearest" else (b"",):
            path = join(folder, PAGE)
            page = self._open(path, Purpose(PagePath(path, False), 404, vary))
            if page is not None:
                return path, page
        return HOME, self._open(HOME, Purpose(PagePath(HOME, False), vary=vary)) if self._provider.application else None

    def _open(self, path: bytes, purpose: Purpose) -> Entry | None:
        """Return the answer of a page, one for all absences; None where it is not there."""
        entry = self._shared.get(purpose)
        if entry is not None and entry.is_fresh(self._clock):
            return entry
        self._shared.pop(purpose, None)
        try:
            found = self._files.find((path,), purpose)
        except OSError as error:
            if make_error(error).status != 403:
                raise
            found = None
        if found is None:
            return None
        entry = found[1]
        if entry.stamps:
            if len(self._shared) >= MAX_PAGES:
                self._shared.clear()
            self._shared[purpose] = entry
        return entry
