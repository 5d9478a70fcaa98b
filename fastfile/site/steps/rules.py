"""The steps for a site with rules: before its files, and for paths without a file.

A redirect is made again for each request, because it depends on the query and more. A file that a rule leads to is
cached by how it is sent, so that all routes of an app share one entry.
"""

from __future__ import annotations

from fastfile.errors import HTTPError
from fastfile.http.field_changes import FieldChanges
from fastfile.http.target import parse_target
from fastfile.rules.clean_urls import HTML, PagePath
from fastfile.rules.rulebook import Outcome
from fastfile.site.context import Found, Lookup, SiteContext
from fastfile.site.entry import Entry
from fastfile.site.error_pages import make_vary
from fastfile.site.file_entries import FileEntries
from fastfile.site.steps.fallback import Fallback


class RuleSteps:
    """Apply the rule that a request matches."""

    def __init__(self, context: SiteContext, files: FileEntries, fallback: Fallback) -> None:
        self._context = context
        self._files = files
        self._fallback = fallback
        self._note = context.shared.note

    def find_forced(self, lookup: Lookup) -> Found | None:
        """Return the result of a rule that wins over files."""
        outcome = lookup.match.outcome
        return self._follow(outcome, lookup) if outcome is not None and outcome.rule.forced else None

    def find(self, lookup: Lookup) -> Found | None:
        """Return the result of a rule for a request without a file."""
        return None if lookup.match.outcome is None else self._follow(lookup.match.outcome, lookup)

    def _follow(self, outcome: Outcome, lookup: Lookup) -> Found:
        status = outcome.rule.status
        self._note("rule", str(outcome.rule.place).encode())
        if outcome.rule.refusal:
            detail = "A rule of this site needs a server that forwards requests or runs code."
            raise HTTPError(status, detail, (make_vary(lookup.match.vary),))
        if outcome.is_redirect:
            return self._context.redirect(lookup, status, self._context.locate_reference(outcome.reference))
        entry = self._open_goal(outcome.reference, lookup, status)
        if entry is not None:
            return entry
        if status in (200, 404):
            return self._fallback.find(lookup)
        raise HTTPError(status, "A rule of this site returns this status.", (make_vary(lookup.match.vary),))

    def _open_goal(self, reference: bytes, lookup: Lookup, status: int) -> Entry | None:
        """Return the entry of the file that a rule names, for requests for the target; None if there is no file."""
        context = self._context
        try:
            goal = parse_target(reference)
        except HTTPError:  # a rule, or the text that it captured, may name an impossible file name
            return None
        if context.hides(goal.path):
            return None
        goal_page = PagePath(goal.path, goal.is_directory)
        changes = context.changes_at(lookup.match)
        key = _make_key(context.locate(goal_page), status, lookup.match.vary, changes)
        entry = context.known(key)
        if entry is None:
            file = self._files.find(lookup.view, (*context.candidates(goal_page), goal.path + HTML))
            if file is None:
                return None
            self._note("file", file.path)
            entry = self._files.make(lookup.view, file, lookup.page, lookup.match, status, lookup.match.vary)
            context.keep(key, entry)
        return entry


def _make_key(location: bytes, status: int, vary: bytes, changes: FieldChanges) -> bytes:
    """Return the key of a file and how it is sent: no target has a NUL, so no request finds it directly."""
    fields = [part for field in changes.added for part in field]
    return b"\0".join([b"", location, b"%d" % status, vary, *fields, b"", *sorted(changes.removed)])
