"""Words for whoever started us: written so that a closed or broken stream is no failure of ours."""

from __future__ import annotations

import os
from typing import TextIO


def write(stream: TextIO | None, text: str) -> None:
    """Write and flush; a stream that is closed or whose reader is gone is no failure of ours."""
    if stream is None:
        return
    encoding = stream.encoding or "utf-8"
    if not encoding.lower().startswith("utf"):
        text = text.replace("·", "-").encode(encoding, "backslashreplace").decode(encoding)
    try:
        stream.write(text)
        stream.flush()
    except ValueError:
        return
    except OSError:
        # What stays in the buffer would fail again, and be reported, when Python flushes it at exit.
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, stream.fileno())
        os.close(null)


def wants_colour(stream: TextIO) -> bool:
    """Tell whether colours are seen as such, and not declined (no-color.org)."""
    return stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
