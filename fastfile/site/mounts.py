"""Mounts: the sites of one server by path. The longest path that matches a request selects the site."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

from fastfile.errors import make_not_found
from fastfile.http.target import Target, encode_path
from fastfile.message import RequestHead, Response
from fastfile.site.context import Found
from fastfile.site.entry import Entry
from fastfile.site.error_pages import make_vary
from fastfile.site.hints import Hint
from fastfile.site.pages import make_error_page
from fastfile.site.representation import NO_CACHE, make_page
from fastfile.site.shared import Shared

if TYPE_CHECKING:
    from fastfile.site.plain_files import PlainFiles

# Browsers request these by themselves, so the log has no hint about them.
_UNPROMPTED = (b"favicon.ico", b".well-known/")


class Mounted(Protocol):
    """A target of Mounts: a Site, an Entrance, Outside, or a RemoteSite (remote.py).

    ``plain`` finds plain files (plain_files.py); without it, find() decides on every target.
    """

    base: bytes

    def find(self, target: Target, head: RequestHead) -> Found: ...

    @property
    def plain(self) -> PlainFiles | None: ...

    def look_around(self) -> None: ...

    def failure_page(self, path: bytes) -> bytes | None: ...


class Entrance:
    """The root of a server of a single file: a redirect to the file, and nothing else."""

    base = b""
    plain = None

    def __init__(self, name: bytes, shared: Shared) -> None:
        self._location = b"/" + encode_path(name)
        self._shared = shared

    def find(self, target: Target, head: RequestHead) -> Response:
        """Return the redirect for the root. Raises HTTPError 404 for any other path."""
        if target.path:
            raise make_not_found()
        type_ = self._shared.pages.choose_type(head.field(b"accept"))
        page = make_error_page(302, "This page is at another URL.", type_)
        # Temporary: the next server on this port may have a page here.
        fields = (make_vary(), NO_CACHE, (b"Location", self._location))
        return make_page(302, type_, page, fields, self._shared.changes)

    def look_around(self) -> None:
        """Do nothing: there are no rules."""

    def failure_page(self, path: bytes) -> bytes | None:
        """Return None: there is no page for failures."""


class Outside:
    """Respond to paths outside of all sites: a 404 with a hint that says where the sites are."""

    base = b""
    plain = None

    def __init__(self, hint: Hint, shared: Shared) -> None:
        self._hint = hint
        self._shared = shared

    def find(self, target: Target, head: RequestHead) -> Entry:
        """Return an entry without a file."""
        hints = self._shared.hints
        if hints is None:
            return Entry((), None, {})
        self._shared.note("hint", os.fsencode(self._hint.text))
        if not target.path.startswith(_UNPROMPTED):
            hints.tell(target.path, self._hint)
        return Entry((), None, {}, hint=self._hint.text)

    def look_around(self) -> None:
        """Do nothing: there are no rules."""

    def failure_page(self, path: bytes) -> bytes | None:
        """Return None: there is no page for failures."""


class Mounts:
    """Selects the site of a request; most servers have one, mounted at the root. ``outside`` is for all other paths.

    ``only`` is the one site; None if there are several.
    """

    def __init__(self, sites: Sequence[Mounted], outside: Outside | None = None) -> None:
        self._outside = outside
        self._sites = sorted(sites, key=lambda site: -len(site.base))
        self.only = self._sites[0] if len(self._sites) == 1 else None

    def look_around(self) -> None:
        """Look for changes that no request notices. Call it about once a second."""
        for site in self._sites:
            site.look_around()

    def find(self, target: Target) -> tuple[Mounted, Target]:
        """Return the site for a target, and the target as that site sees it. Raises HTTPError 404."""
        path = target.path
        for site in self._sites:
            base = site.base
            if not base:
                return site, target
            if path.startswith(base) and path[len(base) : len(base) + 1] in (b"", b"/"):
                return site, target._replace(path=path[len(base) + 1 :])
        if self._outside is None:
            raise make_not_found()
        return self._outside, target
