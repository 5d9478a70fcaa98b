"""The time of one pass of the event loop. The server moves it on; the layers above read it.

A pass is one batch of events that the kernel reported together. What was checked once in a pass need not be checked
again in it (ARCHITECTURE.md, decision 4), and all responses of a pass carry the same Date.
"""

from __future__ import annotations

from collections.abc import Callable
from time import monotonic, time


class Clock:
    """``on_set_back`` is called when the wall clock was set back: what was made by it may lie in the future now."""

    __slots__ = ("batch_number", "monotonic_s", "on_set_back", "wall_s")

    def __init__(self) -> None:
        self.on_set_back: Callable[[], None] | None = None
        self.batch_number = 0
        self.wall_s = 0
        self.begin_batch()

    def begin_batch(self) -> None:
        """Read the clocks; whatever was checked before must be checked again."""
        self.batch_number += 1
        self.monotonic_s = monotonic()
        wall_s = int(time())
        if wall_s < self.wall_s and self.on_set_back is not None:
            self.on_set_back()
        self.wall_s = wall_s

    def divide_batch(self) -> None:
        """Let what was checked in this pass be checked again for the rest of it, which has the same time."""
        self.batch_number += 1
