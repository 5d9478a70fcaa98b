"""When targets were last looked up for clients, and which of them were found."""

from __future__ import annotations

import time
from collections import deque

MAX_TARGETS = 10_000  # one more clears them
MAX_TIMES = 16  # of one target


class Served:
    """Remembers the requests of the last minutes. Times are in ns, as those of files."""

    def __init__(self) -> None:
        self._times: dict[bytes, deque[int]] = {}
        self._found: dict[bytes, bool] = {}  # whether it was a file

    def note(self, target: bytes) -> None:
        """Note that a target is looked up now."""
        if len(self._times) >= MAX_TARGETS:
            self._times.clear()
            self._found.clear()
        self._times.setdefault(target, deque(maxlen=MAX_TIMES)).append(time.time_ns())

    def note_found(self, target: bytes, is_file: bool) -> None:
        """Note that something was there: a file, or a listing, say."""
        self._found[target] = is_file

    def was_found(self, target: bytes) -> bool:
        """Tell whether something was there when it was looked up."""
        return target in self._found

    def was_file(self, target: bytes) -> bool:
        """Tell whether it was a file when it was looked up last."""
        return self._found.get(target, False)

    def first_since(self, target: bytes, time_ns: int) -> int:
        """Return when a target was looked up for the first time since ``time_ns``; that itself where it was not.

        A page knows when it began to load only roughly: it may have been much later that we were asked.
        """
        return next((each for each in self._times.get(target, ()) if each >= time_ns), time_ns)
