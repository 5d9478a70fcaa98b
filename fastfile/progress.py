"""A progress line on a terminal; nothing is written elsewhere."""

from __future__ import annotations

import os
import threading
from typing import TextIO

from fastfile.terminal import show_size, write

_BAR = 30


class Progress:
    """Counts bytes up to ``total`` from any thread; ``show`` and ``clear`` belong to one thread."""

    def __init__(self, stream: TextIO | None, total: int = 0) -> None:
        shown = stream is not None and not stream.closed and stream.isatty() and os.environ.get("TERM") != "dumb"
        self._stream = stream if shown else None
        self._total = total
        self._done = 0
        self._lock = threading.Lock()
        self._line = ""  # the one on the terminal

    def begin(self, total: int) -> None:
        """Begin another phase."""
        with self._lock:
            self._total, self._done = total, 0

    def advance(self, count: int) -> None:
        """Count more bytes as done."""
        with self._lock:
            self._done += count

    def show(self) -> None:
        """Write the line, if it has changed."""
        share = min(1.0, self._done / self._total) if self._total else 1.0
        line = f"[{'#' * int(share * _BAR):<{_BAR}}] {share:4.0%} of {show_size(self._total)}"
        if self._stream is not None and line != self._line:
            self._line = line
            write(self._stream, f"\r{line}\x1b[K")

    def clear(self) -> None:
        """Erase the line."""
        if self._stream is not None and self._line:
            self._line = ""
            write(self._stream, "\r\x1b[K")
