"""What a browser would find on a page, read by a parser that is not ours."""

from __future__ import annotations

import base64
import hashlib
import re
from html.parser import HTMLParser

# What no page of ours has: nothing is loaded, sent, or referred to from elsewhere.
FOREIGN = {"link", "img", "iframe", "form", "base", "object", "embed"}


class Page(HTMLParser):
    """What a browser would find: links with their texts, cells, tags, attributes, text by tag."""

    def __init__(self, markup: bytes) -> None:
        super().__init__()
        self.links: list[tuple[str, str]] = []
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.text: dict[str, str] = {}
        self._within: list[str] = []
        self.feed(markup.decode("utf-8"))
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs
        if tag not in ("meta", "html"):
            self._within.append(tag)
        if tag == "a":
            self.links.append((dict(attrs)["href"] or "", ""))

    def handle_endtag(self, tag: str) -> None:
        while self._within and self._within.pop() != tag:
            pass

    def handle_data(self, data: str) -> None:
        tag = self._within[-1] if self._within else ""
        self.text[tag] = self.text.get(tag, "") + data
        if tag == "a":
            href, text = self.links[-1]
            self.links[-1] = (href, text + data)


def hashes_of(page: bytes, tag: str) -> list[str]:
    """Return what a Content-Security-Policy calls the inline contents of an element."""
    contents = re.findall(rf"<{tag}>(.*?)</{tag}>".encode(), page, re.DOTALL)
    return [f"'sha256-{base64.b64encode(hashlib.sha256(content).digest()).decode()}'" for content in contents]
