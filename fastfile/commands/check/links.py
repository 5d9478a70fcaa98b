"""Check where the references of pages and style sheets lead, by sending requests to the application like a browser.

Each URL is requested once. Fragments (#id) are checked at the end, page by page.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from urllib.parse import unquote, unquote_to_bytes, urldefrag, urljoin, urlsplit

from fastfile.commands.check.findings import Finding, Wrong, show_path
from fastfile.commands.check.inventory import Tree, fold
from fastfile.commands.check.references import Reference, read_page
from fastfile.commands.explain import FETCH, NAVIGATION, Exchange, Explainer
from fastfile.http.target import encode_path
from fastfile.message import FileSlice, Response, close_source
from fastfile.records import NamedTuple

ORIGIN = "http://localhost"
MAX_SIZE = 16 << 20  # the largest page or style sheet that is checked
_MAX_KNOWN = 1 << 16  # URLs whose outcome is cached
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:")


class Outcome(NamedTuple):
    """The result for a URL: ``url`` is where it led in the end, empty if off the site.

    ``has_places``: the page can contain fragments. ``file`` is the served file, as the site noted it.
    """

    status: int
    url: str
    loops: bool
    has_places: bool
    file: str


class Links:
    """Checks references and passes findings to ``report``."""

    def __init__(self, explainer: Explainer, trees: Sequence[Tree], report: Callable[[Finding], None]) -> None:
        self._explainer = explainer
        self._report = report
        self._known: dict[tuple[str, bool], Outcome] = {}
        self._by_fold: dict[str, bytes] = {
            fold(tree.base + path): tree.base + path for tree in trees for path in tree.files
        }
        self._paths = frozenset(tree.base + path for tree in trees for path in tree.files)
        self._folders = frozenset(folder for path in self._paths for folder in _folders_above(path))
        # The references to fragments, by the URL of their page.
        self._wanted: dict[str, dict[str, list[tuple[str, int]]]] = {}

    def check(self, file: str, page: str, references: Iterable[Reference], base: str, places: set[str] | None) -> None:
        """Check the references of a file at the URL ``page``; ``places`` are its own, None if it can have none."""
        try:
            base = urljoin(page, base)
        except ValueError:
            base = page
        for reference in references:
            problem = self._check(file, page, reference, base, places)
            if problem is not None:
                self._report(Finding(file, reference.line, *problem))

    def address(self, url: str) -> str:
        """Return the URL of a page by its file name: the one to which the site itself redirects."""
        exchanges = self._explainer.follow(url, NAVIGATION)
        for exchange in exchanges[:-1]:
            if "redirect" not in dict(exchange.notes):
                break
            url = urljoin(url, field_of(exchange.response, b"location").decode("latin-1"))
        return url

    def check_places(self) -> None:
        """Check the references to fragments of other pages."""
        for url in sorted(self._wanted):
            try:
                content = read_body(self._explainer.ask(url, NAVIGATION).response)
            except OSError:
                continue
            places = None if content is None else read_page(content).places
            for fragment, references in self._wanted[url].items():
                if places is not None and not _has_place(places, fragment):
                    for file, line in references:
                        self._report(Finding(file, line, *_missing_place(url, fragment)))
        self._wanted.clear()

    def _check(self, file: str, page: str, reference: Reference, base: str, places: set[str] | None) -> Wrong | None:
        """Return the problem of a reference, if it has one."""
        text = reference.text.strip()  # urljoin() removes line breaks and tabs inside
        try:
            url, fragment = urldefrag(urljoin(base, _with_slashes(text)))
            parts = urlsplit(url)
        except ValueError:
            return Wrong("error", "broken-link", f"{text} is not a URL")
        if not text or f"{parts.scheme}://{parts.netloc}" != ORIGIN:
            return None
        outcome = self.ask(url, reference.goes)
        kind = "broken-link" if reference.goes else "missing-asset"
        shown = _shorten(text)
        path = unquote_to_bytes(parts.path).strip(b"/")
        address = "/" + show_path(path)
        if outcome.loops:
            return Wrong("error", "redirect-loop", f"{shown} redirects endlessly", f"{address} redirects endlessly")
        if outcome.status >= 400:
            other = self._other_case(path, reference.goes)
            if other:
                what = f"returns {outcome.status}; {other} is there"
                return Wrong("error", "wrong-case", f"{shown} {what}", f"{address} {what}")
            return Wrong("error", kind, f"{shown} returns {outcome.status}", self._find_cause(path, outcome.status))
        if self._is_found_by_case(path, outcome):
            what = "is found here, but not on a case-sensitive file system"
            return Wrong("error", "wrong-case", f"{shown} {what}", f"{address} {what}")
        if fragment and reference.goes and outcome.has_places and not _is_for_scripts(fragment):
            if outcome.url != page or places is None:
                self._wanted.setdefault(outcome.url, {}).setdefault(fragment, []).append((file, reference.line))
            elif not _has_place(places, fragment):
                return _missing_place(url, fragment)
        return None

    def _find_cause(self, path: bytes, status: int) -> str:
        """Return why a URL fails: the URL itself, or the first missing folder above it."""
        for folder in reversed(_folders_above(path) if status == 404 else []):
            if folder not in self._folders:
                return f"/{show_path(folder)} does not exist"
        return f"/{show_path(path)} returns {status}"

    def ask(self, url: str, goes: bool) -> Outcome:
        """Return the outcome of a URL of the site."""
        key = (url, goes)
        outcome = self._known.get(key)
        if outcome is None:
            if len(self._known) >= _MAX_KNOWN:
                self._known.clear()
            outcome = self._known[key] = _judge(url, self._explainer.follow(url, NAVIGATION if goes else FETCH))
        return outcome

    def _other_case(self, path: bytes, goes: bool) -> str:
        """Return the URL that a reference means, if an existing one differs only by case."""
        for ending in (b"", b"/index.html", b".html"):
            found = self._by_fold.get(fold(path + ending))
            if found is None or found == path + ending:
                continue
            url = "/" + encode_path(found[: len(found) - len(ending)]).decode()
            if self.ask(ORIGIN + url, goes).status < 400:
                return unquote(url)
        return ""

    def _is_found_by_case(self, path: bytes, outcome: Outcome) -> bool:
        if path in self._paths or not outcome.file:
            return False
        found = self._by_fold.get(fold(path))
        return found is not None and fold(found).endswith(outcome.file.casefold())


def check_relative(file: str, references: Iterable[Reference]) -> Iterator[Finding]:
    """Report relative references on a page that is served at URLs of any depth: there they lead elsewhere."""
    for reference in references:
        text = _with_slashes(reference.text)
        if not text.startswith(("/", "#", "?")) and not _SCHEME.match(text):
            message = f"{_shorten(text)} is relative, but this page is also served at URLs in other folders"
            cause = "a relative reference, in a page that is also served at URLs in other folders"
            yield Finding(file, reference.line, "warning", "relative-reference", message, cause)


def read_body(response: Response) -> bytes | None:
    """Return the content of a response; None if it is too large to check, or made while it is sent."""
    if response.source is not None or response.body_size > MAX_SIZE:
        return None
    return b"".join([_read(part) for part in response.parts])


def field_of(response: Response, name: bytes) -> bytes:
    """Return the value of a field, joined if there are several."""
    return b", ".join([value for key, value in response.fields if key.lower() == name])


def _read(part: bytes | FileSlice) -> bytes:
    return os.pread(part.fd, part.count, part.offset) if isinstance(part, FileSlice) else part


def _judge(url: str, exchanges: Sequence[Exchange]) -> Outcome:
    for exchange in exchanges[:-1]:
        url = urljoin(url, field_of(exchange.response, b"location").decode("latin-1"))
    response, notes = exchanges[-1].response, dict(exchanges[-1].notes)
    close_source(response.source)
    is_page = field_of(response, b"content-type").startswith(b"text/html")
    has_places = response.status == 200 and is_page and not {"absence", "listing"} & notes.keys()
    return Outcome(response.status, urldefrag(url)[0], "LOOP" in notes, has_places, notes.get("file", ""))


def _with_slashes(text: str) -> str:
    """Return a reference with slashes instead of the backslashes in its path, as browsers read it (URL §4.4)."""
    if "\\" not in text:
        return text
    end = min((index for mark in "?#" if (index := text.find(mark)) >= 0), default=len(text))
    return text[:end].replace("\\", "/") + text[end:]


def _is_for_scripts(fragment: str) -> bool:
    """Tell whether a fragment is a route of an app, or text to search for."""
    return fragment.startswith(("/", "!", ":~:"))


def _has_place(places: set[str], fragment: str) -> bool:
    name = fragment.partition(":~:")[0]
    return name in places or unquote(name) in places or name.lower() == "top"


def _missing_place(url: str, fragment: str) -> Wrong:
    return Wrong("warning", "missing-fragment", f"{_shorten(urlsplit(url).path)} has no #{_shorten(unquote(fragment))}")


def _folders_above(path: bytes) -> list[bytes]:
    """Return the folders above a path, the nearest one first, each with its slash."""
    folders = []
    while path := path.rstrip(b"/").rpartition(b"/")[0]:
        folders.append(path + b"/")
    return folders


def _shorten(text: str) -> str:
    return text if len(text) <= 200 else text[:199] + "…"
