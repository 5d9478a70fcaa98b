"""Stamps: tell whether a path still leads to what was cached."""

from __future__ import annotations

from fastfile import sendfile
from fastfile.clock import Clock


class Stamp:
    """A path and the signature of its file; b"" if there was none. It is checked at most once per batch."""

    __slots__ = ("batch_number", "path", "signature")

    def __init__(self, path: bytes, signature: bytes) -> None:
        self.path = path
        self.signature = signature
        self.batch_number = 0

    def is_fresh(self, clock: Clock) -> bool:
        """Tell whether the path still leads to the same file, unchanged."""
        if self.batch_number == clock.batch_number:
            return True
        if not sendfile.has_signature(self.path, self.signature):
            return False
        self.batch_number = clock.batch_number
        return True
