"""The budget of one connection for what brings no response: resets, settings, pings, empty frames (RFC 9113 §10.5)."""

from __future__ import annotations

from fastfile.protocol.http2.constants import ENHANCE_YOUR_CALM, ConnectionFailure

TOKENS = 1000.0  # at most: a page that cancels all of its requests at once spends a tenth
REFILL = 33.0  # a second
BYTES_PER_TOKEN = 4096  # of responses: a download needs an update of its windows for each 32 KiB, or less


class Budget:
    """A token bucket. What is spent without end, ends the connection with ENHANCE_YOUR_CALM."""

    __slots__ = ("_since_s", "_tokens", "now_s")

    def __init__(self, now_s: float) -> None:
        self._tokens = TOKENS
        self._since_s = now_s
        self.now_s = now_s

    def spend(self, tokens: float) -> None:
        """Spend tokens; raises ConnectionFailure where there are none left."""
        self._tokens -= tokens
        if self._tokens < 0:
            self._tokens = min(TOKENS, self._tokens + (self.now_s - self._since_s) * REFILL)
            self._since_s = self.now_s
            if self._tokens < 0:
                raise ConnectionFailure(ENHANCE_YOUR_CALM, "too much that brings no response")

    def earn(self, size: int) -> None:
        """Refill by the bytes of a response that were sent."""
        self._tokens = min(TOKENS, self._tokens + size / BYTES_PER_TOKEN)
