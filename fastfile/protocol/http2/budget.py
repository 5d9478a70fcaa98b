"""The budget of one connection for frames without a response: resets, settings, pings (RFC 9113 §10.5)."""

from __future__ import annotations

from fastfile.protocol.http2.constants import ENHANCE_YOUR_CALM, ConnectionFailure

TOKENS = 1000.0  # the maximum: a page that cancels all of its requests at once spends a tenth
REFILL = 33.0  # a second
TURN = 20.0  # tokens; others then have their turn. At 100, floods of three kinds doubled the p99 of others
BYTES_PER_TOKEN = 4096  # bytes of responses: a download needs a window update for each 32 KiB, or less
# The price of a reset while the response is deferred: the lookup and the thread take 130 µs of CPU or more. A page that
# cancels 35 of them at once stays within the budget.
DEFERRED_TOKENS = 27.0
# Heavy works (Deferred.is_heavy) of a connection at once: twice the threads, so that none of these waits for work. The
# connection's next requests wait, because only a lookup, of 60 µs for a listing, could tell which of them are cheap.
MAX_HEAVY = 8
# The price of a reset while heavy work is in progress, and of a request that waits for it. A client that cancels 128
# listings at once stays within the budget, if no work had begun.
HEAVY_TOKENS = 60.0
HELD_TOKENS = 3.0
# The price for a request that is forwarded: a page that cancels all of its streams at once stays within the budget.
FORWARDED_TOKENS = 6.0
# Work that had begun when its stream was reset also costs its CPU time, but at most this much: one click on "reload"
# while a password is checked is not a flood.
TOKEN_S = 5e-6
MOST_TOKENS = 200.0


class Budget:
    """A token bucket. Spending beyond it ends the connection with ENHANCE_YOUR_CALM.

    A token stands for about 5 µs (TOKEN_S) of compiled work.
    """

    __slots__ = ("_since_s", "_tokens", "_turn", "now_s")

    def __init__(self, now_s: float) -> None:
        self._tokens = TOKENS
        self._since_s = now_s
        self._turn = 0.0  # tokens spent in this turn
        self.now_s = now_s

    def begin_turn(self, now_s: float) -> None:
        self._turn = 0.0
        self.now_s = now_s

    def is_turn_over(self) -> bool:
        """Tell whether others should have their turn; the next one then begins."""
        if self._turn < TURN:
            return False
        self._turn = 0.0
        return True

    def spend(self, tokens: float) -> None:
        """Spend tokens; raises ConnectionFailure if too few are left."""
        self._tokens -= tokens
        self._turn += tokens
        if self._tokens < 0:
            self._tokens = min(TOKENS, self._tokens + (self.now_s - self._since_s) * REFILL)
            self._since_s = self.now_s
            if self._tokens < 0:
                raise ConnectionFailure(ENHANCE_YOUR_CALM, "too much that brings no response")

    def spend_time(self, cost_s: float) -> None:
        """Spend the price of work that was done in vain."""
        self.spend(min(cost_s / TOKEN_S, MOST_TOKENS))

    def earn(self, size: int) -> None:
        """Refill by the bytes of a response that were sent."""
        self._tokens = min(TOKENS, self._tokens + size / BYTES_PER_TOKEN)
