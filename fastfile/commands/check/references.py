"""The references of an HTML page, and the places that fragments may name, as browsers without scripts see them.

Knows attributes, not URLs: links.py finds where a reference leads. Text that cannot be parsed is skipped.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator
from html.parser import HTMLParser

from fastfile.commands.check.stylesheet import find_references
from fastfile.records import NamedTuple

# By element: the attributes that a browser navigates to, and those that it fetches for the page.
_GOES = {"a": "href", "area": "href", "iframe": "src", "frame": "src"}
_FETCHES: dict[str, tuple[str, ...]] = {
    "script": ("src",),
    "img": ("src",),
    "source": ("src",),
    "video": ("src", "poster"),
    "audio": ("src",),
    "track": ("src",),
    "embed": ("src",),
    "object": ("data",),
    "input": ("src",),
    "body": ("background",),
    "image": ("href", "xlink:href"),
    "use": ("href", "xlink:href"),
}
_SETS = {"img": "srcset", "source": "srcset", "link": "imagesrcset"}
# Relations of <link> that a browser fetches; "dns-prefetch" and "preconnect" name hosts, the others are for navigation.
_FETCHED = frozenset(("stylesheet", "icon", "preload", "modulepreload", "manifest", "apple-touch-icon", "mask-icon"))
_HOSTS = frozenset(("dns-prefetch", "preconnect"))
_CHARSET = re.compile(rb"""<meta[^>]+?charset\s*=\s*["']?([\w-]+)""", re.IGNORECASE)
_CHARSET_LIMIT = 1024  # bytes in which a browser looks for it (HTML §4.2.5.4)
_REFRESH = re.compile(r"""\s*[\d.]+\s*[;,]?\s*(?:url\s*=\s*)?["']?([^"']*)""", re.IGNORECASE)
_CANDIDATE = re.compile(r"[^\s,]\S*")


class Reference(NamedTuple):
    """``goes``: a browser navigates there, as with a link; otherwise it fetches it for the page."""

    text: str
    line: int
    goes: bool


class Page(NamedTuple):
    """``base`` is the page's own base URL, empty if it has none."""

    references: list[Reference]
    places: set[str]
    base: str


def read_page(content: bytes) -> Page:
    """Return the references and places of a page, valid or not."""
    reader = _Reader()
    # Not closed: browsers ignore unfinished text at the end too, and html.parser would parse it again from each
    # character.
    reader.feed(decode(content))
    return Page(reader.references, reader.places, reader.base)


def decode(content: bytes) -> str:
    """Return the text of a page as a browser would read it: by its byte order mark, its charset, or as UTF-8."""
    for mark, name in (
        (codecs.BOM_UTF8, "utf-8"),
        (codecs.BOM_UTF16_LE, "utf-16-le"),
        (codecs.BOM_UTF16_BE, "utf-16-be"),
    ):
        if content.startswith(mark):
            return content[len(mark) :].decode(name, "replace")
    found = _CHARSET.search(content, 0, _CHARSET_LIMIT)
    try:
        return content.decode(found[1].decode() if found else "utf-8", "replace")
    except (LookupError, UnicodeError):  # unknown, or not a text encoding
        return content.decode("utf-8", "replace")


def split_srcset(text: str) -> Iterator[str]:
    """Return the URLs of a srcset: each up to white space, without a comma at its end (HTML §4.8.4.2.2)."""
    position = 0
    while found := _CANDIDATE.search(text, position):
        url = found[0].rstrip(",")
        yield url
        position = found.end() if url != found[0] else text.find(",", found.end()) + 1 or len(text)


class _Reader(HTMLParser):
    """Collects references and places while it is fed."""

    CDATA_CONTENT_ELEMENTS = (  # type: ignore[misc]
        "script",
        "style",
        "textarea",
        "title",
        "xmp",
    )  # all tags in them are text

    def __init__(self) -> None:
        super().__init__()
        self.references: list[Reference] = []
        self.places: set[str] = set()
        self.base = ""
        self._templates = 0  # the content of one is not on the page yet
        self._is_sheet = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "template":
            self._templates += 1
        self._is_sheet = tag == "style"
        # If an attribute occurs twice, the first one wins.
        attributes = {name: value for name, value in reversed(attrs) if value is not None}
        if attributes and not self._templates:
            self._take(tag, attributes)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag != "template":
            self.handle_starttag(tag, attrs)

    def handle_endtag(self, tag: str) -> None:
        self._is_sheet = False
        if tag == "template" and self._templates:
            self._templates -= 1

    def handle_data(self, data: str) -> None:
        if self._is_sheet and not self._templates:
            self._take_sheet(data)

    def parse_marked_section(self, i: int, report: int = 1) -> int:
        """Skip a ``<![``, as browsers do: html.parser raises an error for unknown ones of SGML."""
        end = "]]>" if self.rawdata.startswith("<![CDATA[", i) else ">"
        found = self.rawdata.find(end, i)
        return found + len(end) if found >= 0 else -1

    def _take(self, tag: str, attributes: dict[str, str]) -> None:
        if "id" in attributes:
            self.places.add(attributes["id"])
        if "style" in attributes:
            self._take_sheet(attributes["style"])
        if tag == "base":
            self.base = self.base or attributes.get("href", "")
        elif tag == "a" and "name" in attributes:
            self.places.add(attributes["name"])
        if tag == "link":
            self._take_link(attributes)
        elif tag == "meta":
            self._take_meta(attributes)
        elif tag in ("form", "button", "input"):
            self._take_form(tag, attributes)
        if tag in _GOES:
            self._add(attributes.get(_GOES[tag]), True)
        for name in _FETCHES.get(tag, ()):
            self._add(attributes.get(name), False)
        for candidate in split_srcset(attributes.get(_SETS.get(tag, ""), "")):
            self._add(candidate, False)

    def _take_link(self, attributes: dict[str, str]) -> None:
        relations = set(attributes.get("rel", "").lower().split())
        if relations and not relations & _HOSTS:
            self._add(attributes.get("href"), not relations & _FETCHED)

    def _take_meta(self, attributes: dict[str, str]) -> None:
        if attributes.get("http-equiv", "").lower() == "refresh":
            found = _REFRESH.match(attributes.get("content", ""))
            self._add(found[1] if found else None, True)

    def _take_form(self, tag: str, attributes: dict[str, str]) -> None:
        # A form that posts is for another server.
        if attributes.get("method" if tag == "form" else "formmethod", "get").lower() == "get":
            self._add(attributes.get("action" if tag == "form" else "formaction"), True)

    def _take_sheet(self, text: str) -> None:
        first = self.getpos()[0]
        for reference, line in find_references(text):
            self.references.append(Reference(reference, first + line - 1, False))

    def _add(self, text: str | None, goes: bool) -> None:
        if text is not None and (text := text.strip()):
            self.references.append(Reference(text, self.getpos()[0], goes))
