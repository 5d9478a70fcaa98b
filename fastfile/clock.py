"""The time of one pass of the event loop. The server moves it on; the layers above read it.

A pass is one batch of events that the kernel reported together. What was checked once in a pass need not be checked
again in it (DESIGN decision 4), and all responses of a pass carry the same Date.
"""

from __future__ import annotations

import time


class Clock:
    __slots__ = ("monotonic_s", "pass_number", "wall_s")

    def __init__(self) -> None:
        self.pass_number = 0
        self.begin_pass()

    def begin_pass(self) -> None:
        self.pass_number += 1
        self.monotonic_s = time.monotonic()
        self.wall_s = int(time.time())
