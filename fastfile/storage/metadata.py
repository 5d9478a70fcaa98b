"""File times: which of them a response may tell, and when they are sure to show the next change.

A time is whatever the file system holds: before 1970, in the future, beyond 64 bits of nanoseconds. Nothing here fails
on any of them.
"""

from __future__ import annotations

import os

SECOND_NS = 1_000_000_000
# A file system that counts time in jiffies gives two writes of one tick the same mtime: what changed this recently
# may change again without a trace. 20 ms is two ticks of the slowest kernel clock (HZ=100).
SETTLING_NS = 20_000_000
# The last second that an HTTP-date can name: 9999-12-31 23:59:59.
LATEST_DATE_S = 253402300799


def modified_s(status: os.stat_result) -> int:
    """Return when a file was last modified, in whole seconds, rounded down as Last-Modified is."""
    return status.st_mtime_ns // SECOND_NS


def has_no_date(status: os.stat_result) -> bool:
    """Tell whether the file comes from a reproducible build, which sets every mtime to 0 or 1 s."""
    return modified_s(status) in (0, 1)


def date_s(status: os.stat_result, now_s: int) -> int | None:
    """Return what Last-Modified says of a file: never later than now (RFC 9110 §8.8.2.1).

    None where the time is none of the file's: that of a reproducible build, and what lies before 1970 or beyond the
    four digits of an HTTP-date.
    """
    time_s = modified_s(status)
    if has_no_date(status) or not 0 <= time_s <= LATEST_DATE_S:
        return None
    return min(time_s, now_s)


def is_settled(status: os.stat_result, now_ns: int) -> bool:
    """Tell whether a change from now on is bound to show in the signature."""
    # A time in the future is as good as one in the past: the next change brings one of now.
    return abs(now_ns - status.st_mtime_ns) > SETTLING_NS and abs(now_ns - status.st_ctime_ns) > SETTLING_NS
