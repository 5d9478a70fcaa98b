"""The references of a style sheet: ``url()`` and ``@import``, as a tokenizer sees them (CSS Syntax Level 3 §4)."""

from __future__ import annotations

import re
from collections.abc import Iterator

_STRING = r"""(?:"(?:[^"\\\n]|\\[\s\S])*+"|'(?:[^'\\\n]|\\[\s\S])*+')"""
# References outside comments and strings. Each alternative begins with different letters and no repeat is ambiguous, so
# the time is linear in the length.
_TOKEN = re.compile(
    rf"/\*[\s\S]*?(?:\*/|\Z)|@import\s*+(?P<imported>{_STRING})|{_STRING}"
    rf"|(?<![\w-])url\(\s*+(?:(?P<quoted>{_STRING})|(?P<bare>(?:[^\s()'\"\\]|\\[^\n])*+))\s*+\)",
    re.IGNORECASE,
)
_ESCAPE = re.compile(r"\\(?:([0-9A-Fa-f]{1,6})\s?|(\n)|(.))")


def find_references(sheet: str) -> Iterator[tuple[str, int]]:
    """Return the references of a sheet, each with its line, from 1."""
    line, position = 1, 0
    for match in _TOKEN.finditer(sheet):
        quoted = match["imported"] or match["quoted"]
        reference = quoted[1:-1] if quoted else match["bare"]
        if reference:
            line += sheet.count("\n", position, match.start())
            position = match.start()
            yield _ESCAPE.sub(_unescape, reference), line


def _unescape(match: re.Match[str]) -> str:
    if match[1]:
        code = int(match[1], 16)
        return chr(code) if 0 < code < 0x110000 and not 0xD800 <= code < 0xE000 else "\ufffd"
    return match[3] or ""
