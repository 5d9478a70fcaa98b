"""State that the steps of one site share: the request as they see it, settings, and common responses.

Made again when a rule file changes, so that nothing in it changes.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TYPE_CHECKING

from fastfile.http.cache_control import CachePolicy
from fastfile.http.field_changes import FieldChanges
from fastfile.http.target import Target, encode_path, is_hidden, make_location
from fastfile.message import Deferred, RequestHead, Response
from fastfile.records import NamedTuple
from fastfile.rules.clean_urls import CleanUrls, PagePath
from fastfile.rules.providers import Provider
from fastfile.rules.rulebook import NO_MATCH, RuleMatch
from fastfile.site.entry import Entry
from fastfile.site.error_pages import make_vary
from fastfile.site.pages import make_error_page
from fastfile.site.representation import NO_CACHE, make_page
from fastfile.site.shared import Shared, take_no_note
from fastfile.storage.freshness import Stamp
from fastfile.storage.root import Root
from fastfile.storage.view import View

if TYPE_CHECKING:
    from fastfile.rules.reload import SiteRules


class Lookup(NamedTuple):
    """A request for a target of one site, without the site's base; ``match`` is the result of the rules for it."""

    target: Target
    page: PagePath
    head: RequestHead
    view: View
    match: RuleMatch


Found = Entry | Response | Deferred
Step = Callable[[Lookup], Found | None]


class SiteContext:
    """``base`` is the path that the site is mounted at, without outer slashes."""

    def __init__(self, root: Root, base: bytes, shared: Shared, rules: SiteRules | None, provider: Provider) -> None:
        config = shared.config
        self.root = root
        self.base = base
        self.shared = shared
        self.provider = provider
        self.urls = CleanUrls(provider.pages, provider.slash, tuple(os.fsencode(name) for name in config.index))
        self.rules = rules
        self._has_dotfiles = config.dotfiles
        self._dotfile = frozenset(map(os.fsencode, config.dotfile))
        self._prefix = b"/" + encode_path(base) if base else b""
        self._caching = FieldChanges(((b"Cache-Control", provider.cache_control),) if provider.cache_control else ())
        # No provider treats file names specially, unless the option asks for it.
        immutable = config.immutable if not provider.cache_control or config.given("immutable") else "off"
        self.cache_policy = CachePolicy(immutable, config.cache_control, base)

    def hides(self, path: bytes) -> bool:
        """Tell whether a path is treated as absent: a hidden name, or a file that contains rules."""
        if not self._has_dotfiles and is_hidden(path, self._dotfile):
            return True
        return self.rules is not None and self.rules.hides(path)

    def withholds(self, path: bytes) -> bool:
        """Tell whether some request for a file gets another response; listings and archives then leave it out.

        May be called in any thread.
        """
        return self.hides(path) or (self.rules is not None and self.rules.forces(path))

    def begin(self, target: Target, head: RequestHead) -> Lookup:
        """Return a request as the steps see it."""
        page = PagePath(target.path, target.is_directory)
        match = NO_MATCH if self.rules is None else self.rules.match(page, target.query, head)
        return Lookup(target, page, head, View(self.root, self.shared.config.small_file), match)

    def match(self, page: PagePath) -> RuleMatch:
        """Return the result of the rules for all requests for a path."""
        return NO_MATCH if self.rules is None else self.rules.match(page)

    def watched(self) -> tuple[Stamp, ...] | None:
        """Return the stamps of everything that all entries depend on; None if a change of it could go unnoticed."""
        return () if self.rules is None else self.rules.stamps()

    def candidates(self, page: PagePath) -> tuple[bytes, ...]:
        """Return the files that may be served for a path, in the order of the search."""
        if self.root.only is not None:
            return () if page.path or (page.is_directory and self.base) else (self.root.only,)
        return self.urls.candidates(page)

    def locate(self, page: PagePath, query: bytes | None = None) -> bytes:
        """Return the reference to a path of this site, as a client must request it."""
        if not page.path and not page.is_directory:  # the base without its slash
            return self._prefix
        return self._prefix + make_location(page.path, query, page.is_directory)

    def locate_reference(self, reference: bytes) -> bytes:
        """Return the destination of a rule; a path belongs to this site."""
        return self._prefix + reference if reference.startswith(b"/") else reference

    def changes_at(self, match: RuleMatch, file: bytes = b"") -> FieldChanges:
        """Return the changes to the header fields at a path; ``file`` is the file that is served, if any."""
        changes = self.shared.changes
        if self.rules is not None and file and self.provider.fields_of_file:
            changes = changes.then(self.rules.changes(PagePath(file, False)))
        else:
            changes = changes.then(match.changes)
        # An existing file wins over all rules except forced ones.
        if match.vary and (match.may_be_forced or not file):
            changes = changes._replace(added=(*changes.added, (b"Vary", match.vary)))
        return changes

    def changes_of_file(self, file: bytes, page: PagePath, match: RuleMatch, status: int) -> FieldChanges:
        """Return the changes to the header fields of a file that is served for a path."""
        changes = self.changes_at(match, file)
        if status != 200:  # an error page is not cached, whatever its name
            return changes
        return self._caching.then(self.cache_policy.apply(file, page.path, changes))

    def redirect(self, lookup: Lookup, status: int, location: bytes) -> Response:
        """Return a redirect."""
        type_ = self.shared.pages.choose_type(lookup.head.field(b"accept"))
        page = make_error_page(status, "This page is at another URL.", type_)
        fields = (make_vary(lookup.match.vary), NO_CACHE, (b"Location", location))
        return make_page(status, type_, page, fields, self.shared.changes)

    def move(self, lookup: Lookup, page: PagePath) -> Response:
        """Return the redirect to the URL of a page."""
        return self.redirect(lookup, self.provider.moved, self.locate(page, lookup.target.query))

    def known(self, key: bytes) -> Entry | None:
        """Return the cached entry if it is fresh."""
        entry = self.shared.cache.entries.get(key)
        return entry if entry is not None and entry.is_fresh(self.shared.clock) else None

    def keep(self, key: bytes, entry: Entry) -> None:
        """Cache an entry as long as its stamps hold; do nothing if it has no stamps."""
        if entry.stamps:
            entry.key = key
            self.shared.cache.put(key, entry)
        else:
            self.shared.cache.discard(key)


def has_plain_files(context: SiteContext) -> bool:
    """Tell whether a site may have files on which only their path decides."""
    shared, config = context.shared, context.shared.config
    return (
        not context.base
        and context.root.only is None
        and context.provider.pages != "clean"
        and shared.note is take_no_note
        and shared.compression is None
        and config.etag != "content"
        and not config.encoded
        and not context.cache_policy.has_rules
    )
