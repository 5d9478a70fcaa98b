"""A site whose build brings rules: those of ``_redirects`` before and after its files, those of ``_headers`` on them.

Of the steps in site.py it adds the first and the fourth. A redirect is made anew for each request, since it depends on
the query and more; a file that a rule leads to is cached by what it is sent as, so that all routes of an app share one.
Answers that another request for their target may not get are cached where only this module looks for them.
"""

from __future__ import annotations

import stat
from typing import TYPE_CHECKING, Any

from fastfile.answer import Answer
from fastfile.errors import HTTPError
from fastfile.files.freshness import Stamp
from fastfile.files.resource import open_resource
from fastfile.files.root import make_error
from fastfile.pages import make_error_page
from fastfile.response import NO_CACHE, make_field_lines, make_page
from fastfile.semantics.fieldchanges import FieldChanges
from fastfile.semantics.target import Target, parse_target
from fastfile.site import Site, join
from fastfile.types import RequestHead, Response

if TYPE_CHECKING:
    from fastfile.semantics.rulebook import Outcome
    from fastfile.siterules import SiteRules

# No target has a NUL, so what is cached under such a key is found by no request alone.
_GUARD = b"\0"


class RuledSite(Site):
    """``rules`` are those of this site's root."""

    def __init__(self, *args: Any, rules: SiteRules) -> None:
        super().__init__(*args)
        self._rules = rules

    def find(self, target: Target, head: RequestHead) -> Answer | Response:
        """Return what is at the target, as Site does, or where a rule leads."""
        rules = self._rules
        rules.refresh()
        outcome = rules.find(target, head)
        if outcome is not None and outcome.rule.forced:
            return self._follow(outcome, target, head)
        key = self._locate(target.path, None, target.is_directory)
        if rules.covers(target, forced=True):
            key = _GUARD + key
        answer = self._cached(key)
        if answer is not None:
            return answer
        found = self._look(target, head)
        if outcome is not None and (found is None or self._is_bare_folder(found, target)):
            return self._follow(outcome, target, head)
        found = found or self._look_for_listing(target, head) or self._find_absence(target.path)
        # Where nothing is, a request with another query may come to a rule.
        if isinstance(found, Answer) and (found.status == 200 or not rules.covers(target, forced=False)):
            self._remember(key, found)
        return found

    def changes_at(self, target: Target) -> FieldChanges:
        changes = self._changes.then(self._rules.changes(target))
        return self._add_vary(changes, target) if self._rules.covers(target, forced=True) else changes

    def _add_vary(self, changes: FieldChanges, target: Target) -> FieldChanges:
        names = self._rules.vary(target)
        return changes._replace(added=(*changes.added, (b"Vary", b", ".join(names)))) if names else changes

    def _hides(self, path: bytes) -> bool:
        return self._rules.hides(path) or super()._hides(path)

    def _watched(self) -> tuple[Stamp, ...] | None:
        return self._rules.stamps()

    def _is_bare_folder(self, found: Answer | Response, target: Target) -> bool:
        """Tell whether what was found is but a redirect to a folder without an index: a host would not know of it."""
        if isinstance(found, Answer) or target.is_directory:
            return False
        try:
            return stat.S_ISDIR(self._root.stat(target.path).st_mode) and not any(
                self._root.signature(join(target.path, name)) for name in self._index
            )
        except OSError:
            return False

    def _follow(self, outcome: Outcome, target: Target, head: RequestHead) -> Answer | Response:
        """Return what a rule makes of the request."""
        status = outcome.rule.status
        self.note("rule", str(outcome.rule.place).encode())
        if outcome.is_redirect:
            location = outcome.reference
            is_ours = location.startswith(b"/")
            return self._send_to(status, self._prefix + location if is_ours else location, target, head)
        answer = self._open_goal(outcome.reference, target, status)
        if answer is not None:
            return answer
        if status in (200, 404):
            return self._find_absence(target.path)
        raise HTTPError(status, "A rule of this site says so.")

    def _send_to(self, status: int, location: bytes, target: Target, head: RequestHead) -> Response:
        type_ = self._pages.choose_type(head.field(b"accept"))
        page = make_error_page(status, "What you ask for is at another address.", type_)
        fields = ((b"Vary", b"Accept"), NO_CACHE, (b"Location", location))
        return make_page(status, type_, page, fields, self._add_vary(self._changes, target))

    def _open_goal(self, reference: bytes, target: Target, status: int) -> Answer | None:
        """Return the answer of the file that a rule names, to requests for the target; None where there is none."""
        try:
            goal = parse_target(reference)
        except HTTPError:  # a rule may name what no file can be named, also by what it caught
            return None
        if self._hides(goal.path):
            return None
        changes = self._add_vary(self._changes.then(self._rules.changes(target)), target)
        key = b"%b%d%b\0%b" % (_GUARD, status, reference, make_field_lines(changes.added))
        answer = self._cached(key)
        if answer is None:
            answer = self._open_first(goal.path, changes, status)
            if answer is not None:
                self._remember(key, answer)
        return answer

    def _open_first(self, path: bytes, changes: FieldChanges, status: int) -> Answer | None:
        """Return the answer of the file at the path, with .html after it, or of the folder's index."""
        for name in (path, path + b".html", *(join(path, index) for index in self._index)):
            folder = self._root.stat_folder(name)
            try:
                resource = open_resource(self._root, name, self._config.small_file)
            except OSError as error:
                if make_error(error).status != 404 and not isinstance(error, IsADirectoryError):
                    raise
                continue
            self.note("file", name)
            return self._make_answer(name, folder, resource, changes, status)
        return None
