"""When dead workers are replaced: at once, and one that keeps dying more and more slowly."""

from __future__ import annotations

import time
from collections import Counter

FIRST_DELAY_S = 0.1
MAX_DELAY_S = 5.0
PROVEN_S = 10.0  # a worker that lived so long is no part of a crash loop


class Restarts:
    """``planned`` is at what time, on the monotonic clock, which worker is to be started again."""

    def __init__(self) -> None:
        self.planned: list[tuple[float, int]] = []
        self._failures: Counter[int] = Counter()  # in a row

    @property
    def due_s(self) -> float:
        """When the next worker is to be started; infinite where none is."""
        return min(self.planned)[0] if self.planned else float("inf")

    def count(self, index: int, lived_s: float) -> int:
        """Count the end of a worker: how many times it has ended young now, in a row."""
        self._failures[index] = 1 if lived_s > PROVEN_S else self._failures[index] + 1
        return self._failures[index]

    def delay_s(self, index: int) -> float:
        """Return how long to wait before a worker is started again, by how often it ended young."""
        failures = self._failures[index]
        return 0.0 if failures <= 1 else min(FIRST_DELAY_S * 2 ** (failures - 2), MAX_DELAY_S)

    def plan(self, index: int, delay_s: float) -> None:
        """Have a worker started again after a while."""
        self.planned.append((time.monotonic() + delay_s, index))

    def take_due(self) -> list[int]:
        """Return the workers to be started now, and forget that they were planned."""
        now_s = time.monotonic()
        due = [index for when_s, index in self.planned if when_s <= now_s]
        self.planned = [(when_s, index) for when_s, index in self.planned if when_s > now_s]
        return due

    def clear(self) -> None:
        """Plan nothing any more."""
        self.planned.clear()

    def forget(self) -> None:
        """Plan nothing and hold nothing against anybody: the settings to blame are gone."""
        self.clear()
        self._failures.clear()
