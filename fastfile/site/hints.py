"""Hints: why a URL was not found, and what would serve it. For `fastfile explain`, the log, and the 404 page.

Only for users of this machine: a hint may name a file that the client did not request. Costs a few system calls and at
most one short listing of a folder for each distinct URL that is not found, so the searches of a second are limited.
"""

from __future__ import annotations

import os
from collections.abc import Callable

from fastfile.http.target import is_hidden, join
from fastfile.records import NamedTuple
from fastfile.rules.clean_urls import HTML
from fastfile.site.context import Lookup, SiteContext

MAX_TOLD = 100  # causes that one worker logs
MAX_SEARCHES = 100  # in a second: about a hundredth of it; a page with many wrong links needs fewer
MAX_BASE = 3  # names of a base that a build may expect, such as /user/project/docs
MAX_DEPTH = 32  # folders below the root; deeper paths get no hint


class Hint(NamedTuple):
    """``cause`` is equal for hints that are given only once; ``text`` is a sentence or two."""

    cause: str
    text: str


class Hints:
    """Writes hints to the log, each cause once, and limits the searches for them."""

    def __init__(self, say: Callable[[str], None]) -> None:
        self._say = say
        self._told: set[str] = set()
        self._second_s = 0
        self._searches = 0

    def has_turn(self, now_s: float) -> bool:
        """Tell whether another hint may be searched for in this second."""
        if int(now_s) != self._second_s:
            self._second_s, self._searches = int(now_s), 0
        return self._searches < MAX_SEARCHES

    def take_turn(self, now_s: float) -> bool:
        """Count a search, unless there were too many in this second; tell whether it may be made."""
        if not self.has_turn(now_s):
            return False
        self._searches += 1
        return True

    def tell(self, path: bytes, hint: Hint) -> None:
        """Log a hint about a request for ``path``, unless its cause was logged before."""
        if hint.cause not in self._told and len(self._told) < MAX_TOLD:
            self._told.add(hint.cause)
            self._say(f"not found: /{_show(path)}. {hint.text}")


def find_hint(context: SiteContext, lookup: Lookup) -> Hint | None:
    """Return why a request found no file."""
    path = lookup.page.path
    if context.root.only is not None or path.count(b"/") >= MAX_DEPTH:
        return None
    if context.rules is not None and context.rules.hides(path):
        return Hint(
            f"rules {path!r}", f"{_show(path)} configures the server, so it is not served. --rules off serves it."
        )
    if is_hidden(path) and context.hides(path):
        return Hint(
            "hidden",
            "Names that begin with a dot are not served. --dotfiles serves them; --dotfile NAME serves one name.",
        )
    return (
        _explain_rule(lookup)
        or _explain_name(lookup)
        or _explain_page(context, lookup)
        or _find_other_case(context, lookup)
        or _find_other_base(context, lookup)
        or _explain_app(context, lookup)
    )


def explain_outside(path: bytes, is_file: bool, has_mounts: bool) -> Hint:
    """Return the hint about requests outside of --base, whose path is ``path``, and of all mounts."""
    place = f"/{_show(path)}" if is_file else f"/{_show(path)}/"
    mounts = ", and the paths of --mount" if has_mounts else ""
    return Hint("outside of the base", f"Nothing is served outside of {place}, the path of --base{mounts}.")


def explain_refusal(path: bytes) -> Hint:
    """Return the hint about a file that cannot be read."""
    return Hint(f"permissions {path!r}", f"{_show(path)} exists, but the server has no permission to read it.")


def _explain_rule(lookup: Lookup) -> Hint | None:
    """Tell about a rule that answers with 404, or that leads to no file."""
    outcome = lookup.match.outcome
    if outcome is None:
        return None
    place = outcome.rule.place
    if outcome.rule.status == 404:
        return Hint(f"rule {place}", f"The rule at {place} makes this path a 404.")
    return Hint(f"rule {place}", f"The rule at {place} leads to {_show(outcome.reference)}, which does not exist.")


def _explain_name(lookup: Lookup) -> Hint | None:
    """Explain what is at the path or on the way to it, such as a link."""
    path, view = lookup.page.path, lookup.view
    *_, last = view.folders_to(path, MAX_DEPTH)
    for name in dict.fromkeys((last, _first_missing(last, path))):
        refusal = view.refusal(name) if name else None
        shown = _show(name)
        if refusal == "outside":
            text = f"{shown} is a link that leads out of the served folder. --follow-symlinks follows such links."
            return Hint(f"outside {name!r}", text)
        if refusal == "nowhere":
            return Hint(f"nowhere {name!r}", f"{shown} is a broken link.")
        if refusal == "special":
            return Hint(f"special {name!r}", f"{shown} is neither a file nor a folder.")
        if refusal == "file":
            text = f"{shown} is a file: its URL has no slash at the end, and nothing is below it."
            return Hint(f"file {name!r}", text)
    return None


def _explain_page(context: SiteContext, lookup: Lookup) -> Hint | None:
    """Explain a page beside the path, or a folder that is not listed."""
    page, view = lookup.page, lookup.view
    beside = page.path + HTML
    if page.path and not view.is_absent(beside) and view.is_file(beside):
        if beside in context.urls.candidates(page._replace(is_directory=False)):
            text = f"{_show(beside)} exists, and is served at /{_show(page.path)} without the slash."
        else:
            text = f"{_show(beside)} exists. --clean-urls serves it at /{_show(page.path)}."
        return Hint(f"page {beside!r}", text)
    if page.is_directory and view.is_folder(page.path):
        index = " or ".join(context.shared.config.index)
        text = (
            f"/{_show(page.path)} is a folder without {index}, and folders are not listed here. --listing lists them."
        )
        return Hint("listing", text)
    return None


def _find_other_case(context: SiteContext, lookup: Lookup) -> Hint | None:
    path, view = lookup.page.path, lookup.view
    *_, found = view.folders_to(path, MAX_DEPTH)
    for name in path[len(found) :].strip(b"/").split(b"/"):
        if not name or view.is_absent(found):
            return None
        exact = join(found, name)
        other = name if not view.is_absent(exact) else view.find_other_case(found, (name, name + HTML))
        if other is None:
            return None
        found = join(found, other)
    if found == path or context.hides(found):
        return None
    return Hint(f"case {found!r}", f"{_show(found)} exists. Upper and lower case are different in URLs.")


def _find_other_base(context: SiteContext, lookup: Lookup) -> Hint | None:
    """Find the file of a build that was made for another base, as /app/assets/x.js is by Vite with --base=/app/."""
    if context.base:
        return None
    path, view = lookup.page.path, lookup.view
    start = 0
    for _ in range(MAX_BASE):
        start = path.find(b"/", start) + 1
        name = path[start:]
        if not start or not name:
            return None
        if not view.is_absent(name) and not context.hides(name) and view.is_file(name):
            base = _show(path[: start - 1])
            return Hint(
                f"base {base}", f"{_show(name)} exists. If this is a build for /{base}, serve it with --base /{base}."
            )
    return None


def _explain_app(context: SiteContext, lookup: Lookup) -> Hint | None:
    name = lookup.page.path.rpartition(b"/")[2]
    if b"." in name:
        return None
    spa = context.shared.config.spa
    if spa is not None:
        return Hint("navigation", f"This request is for data or for a part of a page. Only navigations get {spa}.")
    home = b"index.html"
    if lookup.view.is_absent(home):
        return None
    return Hint("app", "If this is a route of a single-page app, --spa serves index.html for it.")


def _first_missing(folder: bytes, path: bytes) -> bytes:
    return join(folder, path[len(folder) :].strip(b"/").partition(b"/")[0]).rstrip(b"/")


def _show(path: bytes) -> str:
    return os.fsdecode(path)
