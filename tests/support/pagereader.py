"""The content of a page as a browser finds it, by an independent parser."""

from __future__ import annotations

import base64
import hashlib
import re
from html.parser import HTMLParser

# Elements that fastfile's pages do not have: they load nothing from elsewhere.
FOREIGN = {"link", "img", "iframe", "base", "object", "embed"}


class Page(HTMLParser):
    """The content of a page: links with their texts, queries of forms, tags, attributes, text by tag."""

    def __init__(self, markup: bytes) -> None:
        super().__init__()
        self.links: list[tuple[str, str]] = []
        self.links_above_table = 0
        self.queries: list[str] = []  # of forms that lead to the page itself
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.text: dict[str, str] = {}
        self._within: list[str] = []
        self.feed(markup.decode("utf-8"))
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs
        if tag not in ("meta", "html", "input"):
            self._within.append(tag)
        values = dict(attrs)
        if tag == "a":
            self.links.append((values["href"] or "", ""))
        elif tag == "table":
            self.links_above_table = len(self.links)
        elif tag == "form":
            assert not attrs
            self.queries.append("?")
        elif tag in ("button", "input"):
            self.queries[-1] += f"{'' if self.queries[-1] == '?' else '&'}{values['name']}={values['value']}"

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
    """Return the Content-Security-Policy hashes of an element's inline contents."""
    contents = re.findall(rf"<{tag}>(.*?)</{tag}>".encode(), page, re.DOTALL)
    return [f"'sha256-{base64.b64encode(hashlib.sha256(content).digest()).decode()}'" for content in contents]
