"""Complaints about what clients or the system do to us: a line at a time, however often it happens."""

from __future__ import annotations

import os
from collections.abc import Callable

from fastfile.clock import Clock

INTERVAL_S = 10.0  # between two lines about the same thing: a flood must not become one of the log


class Complaints:
    """Knows when each thing was last complained of; ``say`` writes a line."""

    def __init__(self, clock: Clock, say: Callable[[str], None]) -> None:
        self._clock = clock
        self._say = say
        self._last_s: dict[str, float] = {}

    def complain(self, kind: str, text: str) -> None:
        """Say ``text``, unless something of that ``kind`` was said within the last seconds."""
        now_s = self._clock.monotonic_s
        if now_s - self._last_s.get(kind, -INTERVAL_S) >= INTERVAL_S:
            self._last_s[kind] = now_s
            self._say(f"worker {os.getpid()} {text}")
