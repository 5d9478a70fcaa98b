"""A site whose build brings rules: those of ``_redirects`` before and after its files, those of ``_headers`` on them.

Of the steps in site.py it adds the first and the fourth. A redirect is made anew for each request, since it depends on
the query and more; a file that a rule leads to is cached by what it is sent as, so that all routes of an app share one.
Answers that another request for their target may not get are cached where only this module looks for them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from fastfile.errors import HTTPError
from fastfile.http.field_changes import FieldChanges
from fastfile.http.target import Target, make_location, parse_target
from fastfile.message import Deferred, RequestHead, Response
from fastfile.rules.clean_urls import PagePath
from fastfile.rules.providers import with_options
from fastfile.site.entry import Entry
from fastfile.site.error_pages import make_vary
from fastfile.site.file_entries import Purpose
from fastfile.site.lookup import Site
from fastfile.site.shared import Shared
from fastfile.storage.freshness import Stamp
from fastfile.storage.root import Root

if TYPE_CHECKING:
    from fastfile.rules.reload import SiteRules
    from fastfile.rules.rulebook import Outcome

# No target has a NUL, so what is cached under such a key is found by no request alone.
_GUARD = b"\0"


class RuledSite(Site):
    """``rules`` are those of this site's root."""

    def __init__(self, root: Root, base: bytes, shared: Shared, rules: SiteRules) -> None:
        self._rules = rules
        super().__init__(root, base, shared)
        self._follow_provider()

    def find(self, target: Target, head: RequestHead) -> Entry | Response | Deferred:
        """Return what is at the target, as Site does, or where a rule leads."""
        rules = self._rules
        self.look_around()
        if rules.hides(target.path):
            return self._find_absence(target)
        outcome = rules.find(target, head)
        if outcome is not None and outcome.rule.forced:
            return self._follow(outcome, target, head)
        asked = PagePath(target.path, target.is_directory)
        if not rules.covers(asked, forced=False):
            return super().find(target, head)
        key = self._locate(target.path, None, target.is_directory)
        if rules.covers(asked, forced=True):
            key = _GUARD + key
        found = self._cached(key) or self._look(target, head)
        if isinstance(found, Entry):
            self._remember(key, found)
        if found is not None:
            return found
        if outcome is not None:
            return self._follow(outcome, target, head)
        # Not to be kept: a request with another query may come to a rule.
        return self._look_at_folder(target, head) or self._find_absence(target)

    def look_around(self) -> None:
        """See whether the rules are others than those that answers were made under."""
        if self._rules.refresh():
            self._cache.clear()
            self._absences.forget()
            self._follow_provider()

    def _follow_provider(self) -> None:
        """Do as the host does that the files make of ours."""
        self.adopt(with_options(self._rules.provider, self._config))

    def changes_at(self, address: PagePath, file: bytes = b"") -> FieldChanges:
        """Return what the site does to the fields, and then its rules for the address, or for the file (Host)."""
        subject = PagePath(file, False) if file and self._provider.fields_of_file else address
        changes = super().changes_at(address).then(self._rules.changes(subject))
        # A file that is there goes before all but forced rules.
        names = b"" if file and not self._rules.covers(address, forced=True) else self._names_of(address)
        return changes._replace(added=(*changes.added, (b"Vary", names))) if names else changes

    def _names_of(self, address: PagePath) -> bytes:
        return b", ".join(self._rules.vary(address))

    def _watched(self) -> tuple[Stamp, ...] | None:
        return self._rules.stamps()

    def _hides(self, path: bytes) -> bool:
        return self._rules.hides(path) or super()._hides(path)

    def _withholds(self, path: bytes) -> bool:
        return self._hides(path) or self._rules.covers(PagePath(path, False), forced=True)

    def _follow(self, outcome: Outcome, target: Target, head: RequestHead) -> Entry | Response:
        """Return what a rule makes of the request."""
        status = outcome.rule.status
        self._note("rule", str(outcome.rule.place).encode())
        if outcome.is_redirect:
            location = outcome.reference
            if location.startswith(b"/"):
                location = self._prefix + location
            return self._redirect(status, location, target, head)
        entry = self._open_goal(outcome.reference, target, status)
        if entry is not None:
            return entry
        if status in (200, 404):
            return self._find_absence(target)
        names = self._names_of(PagePath(target.path, target.is_directory))
        raise HTTPError(status, "A rule of this site says so.", (make_vary(names),))

    def _open_goal(self, reference: bytes, target: Target, status: int) -> Entry | None:
        """Return the answer of the file that a rule names, to requests for the target; None where there is none."""
        try:
            goal = parse_target(reference)
        except HTTPError:  # a rule may name what no file can be named, also by what it caught
            return None
        if self._hides(goal.path):
            return None
        asked = PagePath(target.path, target.is_directory)
        vary = self._names_of(asked)
        changes = self.changes_at(asked)
        place = make_location(goal.path, None, goal.is_directory)
        added = b"\n".join([b"%b:%b" % field for field in changes.added])
        parts = (place, b"%d" % status, vary, added, *sorted(changes.removed))
        key = _GUARD + _GUARD.join(parts)
        entry = self._cached(key)
        if entry is None:
            candidates = (*self._candidates(PagePath(goal.path, goal.is_directory)), goal.path + b".html")
            found = self._files.find(candidates, Purpose(asked, status, vary))
            if found is None:
                return None
            self._note("file", found[0])
            entry = found[1]
            self._remember(key, entry)
        return entry
