"""The README of a folder as HTML: plain text unchanged, and a small, safe subset of Markdown.

Headings, paragraphs, lists, quotes, rules, code, bold and italic text. Anyone who may write to the folder can write it,
so nothing in it becomes a link, an image or markup: a link is shown as its text and its target. Makes text from text.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from fastfile.site.pages import escape_html

# A line with more is shown without its inline markup: the pattern below takes a millisecond for so many characters.
MAX_INLINE = 1000

# Compiled at their first use, by re itself: most servers never show a README.
_FENCE = r" {0,3}(`{3,}|~{3,})"
_HEADING = r" {0,3}(#{1,6})(?:[ \t]+|$)"
_ITEM = r" {0,9}(?:([-*+])|\d{1,9}[.)])[ \t]+"
_RULE = r" {0,3}(?:-[ \t]*){3,}$|(?: {0,3}(?:\*[ \t]*){3,}$)|(?: {0,3}(?:_[ \t]*){3,}$)"
# In order of precedence: code, images and links, bold, italic. Each is bounded, so that a line of opening
# marks costs little.
_INLINE = (
    r"`([^`]{1,200})`"
    r"|!?\[([^\]\[]{1,200})\]\(([^)\s]{0,200})(?:\s[^)]{0,80})?\)"
    r"|\*\*([^*]{1,200})\*\*"
    r"|\*([^*\s][^*]{0,200})\*"
    r"|(?<!\w)_([^_\s][^_]{0,200})_(?!\w)"
)


def render_text(text: str) -> str:
    """Return the text as it is, with its tabs."""
    lines = ["\t".join(map(escape_html, line.split("\t"))) for line in _lines_of(text)]
    # The HTML parser drops one line feed after <pre>, so without it the text would lose its first (HTML §13.2.6.4.7).
    return "<pre>\n" + "\n".join(lines) + "</pre>"


def render_markdown(text: str) -> str:
    """Return the HTML of a text in Markdown (CommonMark, a subset)."""
    return "".join(_Blocks(_lines_of(text)).render())


def _lines_of(text: str) -> list[str]:
    return text.replace("\r\n", "\n").split("\n")


class _Blocks:
    """The blocks of a text, one after the other; lists and quotes hold only lines of text."""

    def __init__(self, lines: list[str]) -> None:
        self._lines = lines
        self._index = 0

    def render(self) -> Iterator[str]:
        while self._index < len(self._lines):
            line = self._lines[self._index]
            if not line.strip():
                self._index += 1
            elif fence := re.match(_FENCE, line):
                yield self._code(fence[1])
            elif heading := re.match(_HEADING, line):
                self._index += 1
                yield _heading(len(heading[1]), line[heading.end() :].rstrip().rstrip("#"))
            elif re.match(_RULE, line):
                self._index += 1
                yield "<hr>\n"
            elif item := re.match(_ITEM, line):
                yield self._list("ul" if item[1] else "ol")
            elif line.startswith(("    ", "\t", "|")):
                yield self._as_written(line[:1])
            elif line.startswith(">"):
                yield f"<blockquote>{self._quote()}</blockquote>\n"
            else:
                yield self._paragraph()

    def _code(self, fence: str) -> str:
        self._index += 1
        start = self._index
        while self._index < len(self._lines) and not self._lines[self._index].lstrip().startswith(fence):
            self._index += 1
        text = "\n".join(self._lines[start : self._index])
        self._index += 1
        return render_text(text) + "\n"

    def _as_written(self, first: str) -> str:
        """Return indented code, or a table, unchanged."""
        start = self._index
        while self._index < len(self._lines) and self._lines[self._index].startswith(
            "|" if first == "|" else ("    ", "\t")
        ):
            self._index += 1
        return render_text("\n".join(self._lines[start : self._index])) + "\n"

    def _list(self, tag: str) -> str:
        """Return the items, each with the lines that are indented below it. Inner lists are flattened."""
        items: list[list[str]] = []
        while self._index < len(self._lines):
            line = self._lines[self._index]
            item = re.match(_ITEM, line)
            if item and not re.match(_RULE, line) and (item[1] is not None) == (tag == "ul"):
                items.append([line[item.end() :]])
            elif line.strip() and (line.startswith(" ") or not self._begins_block(line)):
                items[-1].append(line.strip())
            elif line.strip() or not self._goes_on(tag):
                break
            self._index += 1
        rows = "".join(f"<li>{_inline_lines(item)}" for item in items)
        return f"<{tag}>{rows}</{tag}>\n"

    def _goes_on(self, tag: str) -> bool:
        """Tell whether an item follows the current empty line."""
        following = self._lines[self._index + 1 : self._index + 2]
        item = re.match(_ITEM, following[0]) if following else None
        return item is not None and (item[1] is not None) == (tag == "ul")

    def _quote(self) -> str:
        start = self._index
        while self._index < len(self._lines) and self._lines[self._index].startswith(">"):
            self._index += 1
        return _inline_lines([line.lstrip("> ") for line in self._lines[start : self._index]])

    def _paragraph(self) -> str:
        start = self._index
        self._index += 1
        while self._index < len(self._lines):
            line = self._lines[self._index]
            underline = line.strip()
            if underline and not underline.strip("=" if underline[0] == "=" else "-"):
                text = " ".join(self._lines[start : self._index])
                self._index += 1
                return _heading(1 if underline[0] == "=" else 2, text)
            if not underline or self._begins_block(line):
                break
            self._index += 1
        return f"<p>{_inline_lines(self._lines[start : self._index])}</p>\n"

    def _begins_block(self, line: str) -> bool:
        starts = (_FENCE, _HEADING, _ITEM, _RULE)
        return line.startswith((">", "|")) or any(re.match(start, line) for start in starts)


def _heading(level: int, text: str) -> str:
    # The page's own heading is h1, and the name of the file h2.
    tag = f"h{min(level + 2, 6)}"
    return f"<{tag}>{_inline(text.strip())}</{tag}>\n"


def _inline_lines(lines: list[str]) -> str:
    return "\n".join(_inline(line.strip()) + ("<br>" if line.endswith("  ") else "") for line in lines)


def _inline(line: str) -> str:
    line = line.replace("\t", " ")
    if len(line) > MAX_INLINE:
        return escape_html(line)
    done = []
    end = 0
    for found in re.finditer(_INLINE, line):
        done.append(escape_html(line[end : found.start()]))
        done.append(_marked(found))
        end = found.end()
    done.append(escape_html(line[end:]))
    return "".join(done)


def _marked(found: re.Match[str]) -> str:
    code, text, target, bold, italic, other = found.groups()
    if code is not None:
        return f"<code>{escape_html(code)}</code>"
    if text is not None:
        shown = escape_html(text)
        return shown if not target or target == text else f"{shown} <small>({escape_html(target)})</small>"
    if bold is not None:
        return f"<b>{escape_html(bold)}</b>"
    return f"<i>{escape_html(italic or other)}</i>"
