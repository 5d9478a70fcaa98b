"""The progress of the first fetch on a terminal; nothing is written elsewhere."""

from __future__ import annotations

import os
import sys

from fastfile.terminal import write

_BAR = 30


class Progress:
    """Counts bytes up to ``total``; 0 shows nothing."""

    def __init__(self, total: int) -> None:
        is_terminal = sys.stderr is not None and sys.stderr.isatty() and os.environ.get("TERM") != "dumb"
        self._stream = sys.stderr if is_terminal and total else None
        self._total = total
        self._done = 0
        self._shown = -1

    def advance(self, count: int) -> None:
        """Count more bytes as fetched."""
        self._done += count
        share = self._done * 100 // self._total if self._total else 0
        if self._stream is not None and share != self._shown:
            self._shown = share
            bar = "#" * (share * _BAR // 100)
            write(self._stream, f"\r[{bar:<{_BAR}}] {share:3}% of {self._total / 1e6:.1f} MB\x1b[K")

    def clear(self) -> None:
        """Erase the line."""
        if self._stream is not None and self._shown >= 0:
            write(self._stream, "\r\x1b[K")
