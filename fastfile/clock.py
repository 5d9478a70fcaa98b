"""The time of one batch of the event loop. The server advances it; the layers above read it.

A batch is the set of events that the kernel reported together. A check in a batch is valid until its end
(ARCHITECTURE.md, decision 4), and all responses of a batch have the same Date.
"""

from __future__ import annotations

from collections.abc import Callable

from fastfile.sendfile import monotonic_s, wall_s


class Clock:
    """``on_set_back`` is called when the wall clock was set back: times recorded before may now lie in the future."""

    __slots__ = ("batch_number", "monotonic_s", "on_set_back", "wall_s")

    def __init__(self) -> None:
        self.on_set_back: Callable[[], None] | None = None
        self.batch_number = 0
        self.wall_s = 0
        self.begin_batch()

    def begin_batch(self) -> None:
        """Read the clocks; everything checked before must be checked again."""
        self.batch_number += 1
        self.monotonic_s = monotonic_s()
        now_s = wall_s()
        if now_s < self.wall_s and self.on_set_back is not None:
            self.on_set_back()
        self.wall_s = now_s

    def divide_batch(self) -> None:
        """Make everything be checked again in the rest of this batch, which keeps its time."""
        self.batch_number += 1
