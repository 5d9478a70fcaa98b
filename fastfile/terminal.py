"""Text for a terminal: escaped so that no name can send it commands, coloured if the user wants, written safely."""

from __future__ import annotations

import os
from typing import TextIO

WIDTH = 80  # columns of help texts
BOLD, DIM, RED, GREEN, YELLOW, CYAN = "1", "2", "31", "32", "33", "36"


def printable(text: str) -> str:
    """Return ``text`` with an escape for each character that a terminal would not print as itself."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def paint(text: str, colour: bool, *codes: str) -> str:
    """Return ``text`` between the escape sequences of ``codes``; unchanged without ``colour``."""
    return f"\x1b[{';'.join(codes)}m{text}\x1b[0m" if colour else text


def show_size(count: int) -> str:
    """Return a number of bytes for people."""
    return f"{count / 1e6:.1f} MB" if count >= 100_000 else f"{count / 1e3:.1f} kB"


def wants_colour(is_terminal: bool) -> bool:
    """Tell whether to use colours: on a terminal, unless the user says otherwise (no-color.org, force-color.org)."""
    if os.environ.get("NO_COLOR"):
        return False
    return bool(os.environ.get("FORCE_COLOR")) or (is_terminal and os.environ.get("TERM") != "dumb")


def is_unicode(stream: TextIO) -> bool:
    """Tell whether a stream takes any character."""
    return (stream.encoding or "utf-8").lower().startswith("utf")


def write(stream: TextIO | None, text: str) -> None:
    """Write and flush. A stream that is closed, or whose reader has gone, is not an error."""
    if stream is None:
        return
    if not is_unicode(stream):
        encoding = stream.encoding
        text = text.replace("·", "-").encode(encoding, "backslashreplace").decode(encoding)
    try:
        stream.write(text)
        stream.flush()
    except ValueError:
        return
    except OSError:
        # The rest of the buffer would fail again, with a message, when Python flushes it at exit.
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, stream.fileno())
        os.close(null)
