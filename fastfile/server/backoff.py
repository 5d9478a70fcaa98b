"""The delay before a worker that ended is replaced: none at first, then longer each time it ends young."""

from __future__ import annotations

import time
from collections import Counter

FIRST_DELAY_S = 0.1
MAX_DELAY_S = 5.0
PROVEN_S = 10.0  # a worker that lived this long is not part of a crash loop


class Restarts:
    """``planned`` holds pairs of a time on the monotonic clock and the index of the worker to start then."""

    def __init__(self) -> None:
        self.planned: list[tuple[float, int]] = []
        self._failures: Counter[int] = Counter()  # early ends in a row

    @property
    def due_s(self) -> float:
        """When the next worker is due to start; infinite if there is none."""
        return min(self.planned)[0] if self.planned else float("inf")

    def count(self, index: int, lived_s: float) -> int:
        """Count the end of a worker; return how many times in a row it has ended young."""
        self._failures[index] = 1 if lived_s > PROVEN_S else self._failures[index] + 1
        return self._failures[index]

    def delay_s(self, index: int) -> float:
        """Return the delay before a worker is started again, by how often it ended early."""
        failures = self._failures[index]
        return 0.0 if failures <= 1 else min(FIRST_DELAY_S * 2 ** (failures - 2), MAX_DELAY_S)

    def plan(self, index: int, delay_s: float) -> None:
        """Plan the start of a worker after a delay."""
        self.planned.append((time.monotonic() + delay_s, index))

    def take_due(self) -> list[int]:
        """Return the workers whose start is due, and remove them from the plan."""
        now_s = time.monotonic()
        due = [index for when_s, index in self.planned if when_s <= now_s]
        self.planned = [(when_s, index) for when_s, index in self.planned if when_s > now_s]
        return due

    def clear(self) -> None:
        """Cancel all planned starts."""
        self.planned.clear()

    def forget(self) -> None:
        """Cancel all planned starts and reset the failure counts: the settings that caused them are gone."""
        self.clear()
        self._failures.clear()
