"""The end of a burst of changes: a build writes many files, and no page should reload in the middle of them."""

from __future__ import annotations

from collections.abc import Iterable
from math import inf

from fastfile.dev.changes import Change

# A reload waits until nothing has changed for twice the largest gap of the burst, within these bounds.
LEAST_QUIET_S = 0.02
MOST_QUIET_S = 1.0
# The longest time that a file open for writing delays everything, and that each file prolongs a burst, so that a log
# that is written continuously delays nothing.
OPEN_S = 1.0


class Burst:
    """Changes that belong together. Times are on one monotonic scale."""

    def __init__(self) -> None:
        self._last_s = -inf
        self._gap_s = 0.0
        self._first_s: dict[bytes, float] = {}  # when each path changed first
        self._open: set[bytes] = set()
        self._tired: set[bytes] = set()  # files that were open for too long

    @property
    def is_empty(self) -> bool:
        """Tell whether nothing has changed."""
        return not self._first_s

    def note(self, changes: Iterable[Change], now_s: float) -> None:
        """Record changes that were seen now."""
        prolongs = False
        for path, is_open in changes:
            if path in self._tired:
                if is_open:
                    continue
                self._tired.discard(path)
            prolongs |= now_s - self._first_s.setdefault(path, now_s) <= OPEN_S
            if is_open:
                self._open.add(path)
            else:
                self._open.discard(path)
        if prolongs:
            gap_s = now_s - self._last_s
            if gap_s <= MOST_QUIET_S:  # a longer pause is not the rhythm of this burst
                self._gap_s = max(self._gap_s, gap_s)
            self._last_s = now_s

    def over_s(self) -> float:
        """Return when it is over, if nothing else changes."""
        quiet_s = self._last_s + max(LEAST_QUIET_S, min(2 * self._gap_s, MOST_QUIET_S))
        return max([quiet_s, *(self._first_s[path] + OPEN_S for path in self._open)])

    def clear(self, keeps_rhythm: bool) -> None:
        """Start again; ``keeps_rhythm``: the next changes belong to the same build, with gaps as long as before."""
        if not keeps_rhythm:
            self._gap_s = 0.0
            self._last_s = -inf
        self._tired |= self._open
        self._open.clear()
        self._first_s.clear()
