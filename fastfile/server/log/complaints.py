"""Warnings about clients and the system: at most one line of each kind in ten seconds."""

from __future__ import annotations

import os
from collections.abc import Callable

from fastfile.clock import Clock

INTERVAL_S = 10.0  # between two lines of one kind, so that a flood of requests does not flood the log


class Complaints:
    """Limits how often warnings are written; ``say`` writes a line."""

    def __init__(self, clock: Clock, say: Callable[[str], None]) -> None:
        self._clock = clock
        self._say = say
        self._last_s: dict[str, float] = {}

    def complain(self, kind: str, text: str) -> None:
        """Write ``text`` unless a line of that ``kind`` was written within INTERVAL_S."""
        now_s = self._clock.monotonic_s
        if now_s - self._last_s.get(kind, -INTERVAL_S) >= INTERVAL_S:
            self._last_s[kind] = now_s
            self._say(f"worker {os.getpid()} {text}")
