"""Counters of one worker's exchanges: integers in memory that its supervisor and the other workers can read.

Only the worker itself writes its slots, so an increment needs no lock. prometheus-client is not used: its multi-process
mode needs files and takes microseconds per request, and the text format is a page of code.
"""

from __future__ import annotations

from fastfile.message import HTTP_2, RequestHead, Response

METHODS = ("GET", "HEAD", "other", "unreadable")
CLASSES = 5  # of status codes
BOUNDS_US = (1_000, 5_000, 25_000, 100_000, 500_000, 2_500_000, 10_000_000)
# The slot of each number.
REQUESTS = 0
DURATIONS = len(METHODS) * CLASSES
DURATION_US = DURATIONS + len(BOUNDS_US) + 1
SENT, HITS, DROPPED, OPEN, RESTARTS, OVER_HTTP_2 = range(DURATION_US + 1, DURATION_US + 7)
FORWARDED, UPSTREAM_FAILURES = OVER_HTTP_2 + 1, OVER_HTTP_2 + 2
SLOTS = UPSTREAM_FAILURES + 1


class Metrics:
    """Counts into ``slots``, 64-bit integers."""

    def __init__(self, slots: memoryview) -> None:
        self._slots = slots

    def count(self, head: RequestHead | None, response: Response) -> None:
        """Count a response; ``head`` is None when the request could not be read."""
        method = 3 if head is None else 0 if head.method == b"GET" else 1 if head.method == b"HEAD" else 2
        self._slots[method * 5 + response.status // 100 - 1] += 1
        if head is not None and head.minor_version == 2:
            self._slots[34] += 1

    def measure(self, duration_s: float, responses: int) -> None:
        """Count the durations of responses that were sent together, from the request to the last byte."""
        duration_us = int(duration_s * 1e6)
        bucket = 0 if duration_us <= 1000 else self._slow_bucket(duration_us)
        self._slots[20 + bucket] += responses
        self._slots[28] += duration_us * responses

    def _slow_bucket(self, duration_us: int) -> int:
        bucket = 0
        for bound in BOUNDS_US:
            if duration_us <= bound:
                break
            bucket += 1
        return bucket

    def add_sent(self, count: int) -> None:
        """Count bytes that the kernel accepted."""
        self._slots[29] += count

    def count_forwarded(self, has_failed: bool) -> None:
        """Count a request to an upstream of --proxy."""
        self._slots[35] += 1
        if has_failed:
            self._slots[36] += 1

    def tell(self, hits: int, dropped: int, open_connections: int) -> None:
        """Store numbers that others count; once a second is enough."""
        self._slots[30] = hits
        self._slots[31] = dropped
        self._slots[32] = open_connections


# The numbers above, which the hot methods repeat as literals.
assert (REQUESTS, CLASSES, DURATIONS, DURATION_US, SENT, HITS, DROPPED, OPEN) == (0, 5, 20, 28, 29, 30, 31, 32)
assert (OVER_HTTP_2, FORWARDED, UPSTREAM_FAILURES, HTTP_2) == (34, 35, 36, 2)
assert BOUNDS_US[0] == 1000
