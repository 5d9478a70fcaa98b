"""A body source that a test feeds."""

from __future__ import annotations

import threading
from collections.abc import Callable

from fastfile.message import PENDING, FileSlice
from fastfile.message import Pending as Nothing


class Channel:
    """A source that gets its parts from outside; None ends it."""

    def __init__(self) -> None:
        self.parts: list[bytes | FileSlice | None] = []
        self.asked = 0
        self.waits = 0
        self.wake: Callable[[], None] | None = None
        self.closed = threading.Event()

    def __next__(self) -> bytes | FileSlice | Nothing:
        self.asked += 1
        if not self.parts:
            return PENDING
        part = self.parts.pop(0)
        if part is None:
            raise StopIteration
        return part

    def wait(self, wake: Callable[[], None]) -> None:
        self.waits += 1
        self.wake = wake

    def close(self) -> None:
        assert not self.closed.is_set()
        self.closed.set()

    def give(self, *parts: bytes | None) -> None:
        """To be called on the loop."""
        self.parts.extend(parts)
        wake, self.wake = self.wake, None
        if wake is not None:
            wake()
