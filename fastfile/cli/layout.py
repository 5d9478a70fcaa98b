"""The layout of text for a terminal of some width."""

from __future__ import annotations

import os
import textwrap
from typing import TextIO


def columns(stream: TextIO | None) -> int:
    """Return the width of a terminal; 0 for another output, which needs no line breaks."""
    try:
        return os.get_terminal_size(stream.fileno()).columns if stream is not None and stream.isatty() else 0
    except (OSError, ValueError):  # closed
        return 0


def fit(text: str, width: int) -> str:
    """Break the lines of a text that are too long for a terminal; ``width`` 0 leaves it as it is.

    A line with two columns continues in the second one.
    """
    if not width:
        return text
    fitted = []
    for line in text.split("\n"):
        if len(line) <= width:
            fitted.append(line)
            continue
        lead = len(line) - len(line.lstrip())
        gap = line.find("  ", lead)
        second = gap + len(line[gap:]) - len(line[gap:].lstrip()) if gap > 0 else lead
        indent = second if second <= width // 2 + 4 else lead + 2
        fitted += textwrap.wrap(
            line, width, subsequent_indent=" " * indent, break_long_words=False, break_on_hyphens=False
        )
    return "\n".join(fitted)
