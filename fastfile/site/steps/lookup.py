"""A site: from a target to what answers it. Each step returns what it found, or None: then the next one is asked.

 1. forced_rule  a rule that wins over the files                        rules.py
 2. known        the cached entry, while it is fresh
 3. file         the file at its name, with .html, or a folder's index; a redirect where the page has another URL
 4. rule         a rule for where no file is                              rules.py
 5. folder       the listing of a folder that has no index
 6. fallback     the page of an app, the nearest 404.html, or our 404     fallback.py

The rules of "From target to file" (docs/behaviour.md) come together here. handler.py asks only for what is not in the
cache, or is no longer true.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from fastfile.http.target import Target, encode_path
from fastfile.message import Deferred, RequestHead, Response
from fastfile.rules.clean_urls import HTML, PagePath
from fastfile.rules.providers import choose_provider, with_options
from fastfile.site.context import Found, Lookup, SiteContext, Step, has_plain_files
from fastfile.site.entry import Entry
from fastfile.site.file_entries import FileEntries, FoundFile
from fastfile.site.hints import explain_refusal
from fastfile.site.listing.folders import Folders
from fastfile.site.plain_files import PlainFiles
from fastfile.site.shared import Shared
from fastfile.site.steps.fallback import Fallback
from fastfile.storage.root import Root
from fastfile.storage.stamps import Stamps
from fastfile.storage.view import View

if TYPE_CHECKING:
    from fastfile.rules.reload import SiteRules

# No target contains a NUL, so no request finds an entry with such a key directly.
GUARD = b"\0"


class Site:
    """Looks up targets in one root. ``base`` is the path of its mount, without outer slashes."""

    def __init__(
        self, root: Root, base: bytes, shared: Shared, rules: SiteRules | None = None, stamps: Stamps | None = None
    ) -> None:
        self._root = root
        self._stamps = stamps or Stamps(root)
        self.base = base
        self._shared = shared
        self._rules = rules
        self._set_up()

    def find(self, target: Target, head: RequestHead) -> Found:
        """Return the result for the target: a file or its absence as an entry, a redirect or a listing as a response.

        Raises OSError if it cannot be read. ``target`` is without the site's base.
        """
        self.look_around()
        lookup = self.begin(target, head)
        return self.find_file(lookup) or self.find_substitute(lookup)

    def begin(self, target: Target, head: RequestHead) -> Lookup:
        """Return a request as the steps see it."""
        return self._context.begin(target, head)

    def find_file(self, lookup: Lookup) -> Found | None:
        """Return the result of a forced rule or the file at the target; None if there is neither."""
        for step in self._steps:
            found = step(lookup)
            if found is not None:
                return found
        return None

    def find_substitute(self, lookup: Lookup) -> Found:
        """Return the result for a target without a file."""
        for step in self._substitutes:
            found = step(lookup)
            if found is not None:
                return found
        raise AssertionError("the last step always finds something")

    def look_around(self) -> None:
        """Check whether the rules have changed since the entries were made."""
        if self._rules is not None and self._rules.refresh():
            self._shared.cache.clear()
            self._set_up()

    def failure_page(self, path: bytes) -> bytes | None:
        """Return the page for failures at a path, if the site has its own."""
        return self._fallback.failure_page(path)

    def _set_up(self) -> None:
        config = self._shared.config
        provider = choose_provider(config) if self._rules is None else with_options(self._rules.provider, config)
        context = SiteContext(self._root, self.base, self._shared, self._rules, provider)
        files = FileEntries(context, self._stamps)
        self._context = context
        self._fallback = Fallback(context, files)
        self.plain = PlainFiles(context, files, self._fallback) if has_plain_files(context) else None
        steps = FileSteps(context, files)
        before: tuple[Step, ...] = ()
        after: tuple[Step, ...] = ()
        if self._rules is not None:
            # Imported here, because a site without rules does not need it.
            from fastfile.site.steps.rules import RuleSteps

            rules = RuleSteps(context, files, self._fallback)
            before, after = (rules.find_forced,), (rules.find,)
        self._steps = (*before, steps.find_known, steps.find_file)
        self._substitutes = (*after, steps.find_folder, self._fallback.find)


class FileSteps:
    """The steps that look at the file and the folder of a target."""

    def __init__(self, context: SiteContext, files: FileEntries) -> None:
        self._context = context
        self._files = files
        self._note = context.shared.note
        self._folders = Folders(context.root, context.base, context.shared, context.hides, context.withholds)
        # In an app, folders are routes like any other path, and providers list none, unless the option asks for it.
        config = context.shared.config
        self._has_folders = context.root.only is None and (
            config.given("listing") or (config.spa is None and context.provider.listing)
        )

    def find_known(self, lookup: Lookup) -> Entry | None:
        """Return the cached entry of the target."""
        return self._context.known(self._key(lookup))

    def find_file(self, lookup: Lookup) -> Entry | Response | None:
        """Return the file at a target, or a redirect to the path where it is."""
        context, page = self._context, lookup.page
        if context.hides(page.path):
            self._note("hidden", page.path)
            return None
        try:
            candidates = context.candidates(page)
            file = self._files.find(lookup.view, candidates) or self._files.find_lone(lookup.view, candidates)
        except PermissionError:
            self._tell_refusal(page.path)
            raise
        if file is None or self._is_beside_listing(file, lookup):
            return None
        better = page if context.root.only is not None else context.urls.address(file.path, page)
        if better != page and self._is_at(file.path, better, lookup.view):
            self._note("redirect", file.path)
            return context.move(lookup, better)
        self._note("file", file.path)
        canonical = self._canonical(file, lookup)
        if canonical:
            # The other page may appear later.
            file = file._replace(
                looked_at=(*context.candidates(PagePath(file.path.removesuffix(HTML), False)), file.path)
            )
        entry = self._files.make(lookup.view, file, page, lookup.match, canonical=canonical)
        context.keep(self._key(lookup), entry)
        return entry

    def _tell_refusal(self, path: bytes) -> None:
        hints = self._context.shared.hints
        if hints is not None:
            hint = explain_refusal(path)
            self._note("hint", os.fsencode(hint.text))
            hints.tell(path, hint)

    def find_folder(self, lookup: Lookup) -> Response | Deferred | None:
        """Return the listing of a folder without a page, or the redirect to it."""
        context, page = self._context, lookup.page
        if not self._has_folders or context.hides(page.path) or not lookup.view.is_folder(page.path):
            return None
        if not page.is_directory:
            self._note("folder", page.path)
            return context.move(lookup, PagePath(page.path, True))
        if not context.provider.listing:
            return None
        self._note("listing", page.path)
        changes = context.changes_at(lookup.match)
        return self._folders.respond(page.path, lookup.target.query, lookup.head, changes)

    def _is_beside_listing(self, file: FoundFile, lookup: Lookup) -> bool:
        """Tell whether about/ is requested and listed, and the file is about.html beside it."""
        page, provider = lookup.page, self._context.provider
        if provider.pages != "after" or not page.is_directory or file.path != page.path + HTML:
            return False
        return self._has_folders and provider.listing and lookup.view.is_folder(page.path)

    def _canonical(self, file: FoundFile, lookup: Lookup) -> bytes:
        """Return the reference to a page's preferred URL if that is not its file name; b"" otherwise."""
        is_whole = file.path == lookup.page.path and self._context.root.only is None
        page = self._context.urls.canonical(file.path) if is_whole else None
        if page is None or self._context.match(page).may_be_forced or not self._is_at(file.path, page, lookup.view):
            return b""
        return encode_path(page.path.rpartition(b"/")[2]) + (b"/" if page.is_directory else b"")

    def _key(self, lookup: Lookup) -> bytes:
        """Return the key of a target's entry: one that the handler does not find if rules must be matched first."""
        key = self._context.locate(lookup.page)
        return GUARD + key if lookup.match.may_be_forced else key

    def _is_at(self, file: bytes, page: PagePath, view: View) -> bool:
        """Tell whether a path serves this file, and not another one (about.html beside about/index.html)."""
        return next((name for name in self._context.candidates(page) if view.is_file(name)), None) == file
