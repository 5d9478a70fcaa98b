"""File times: which of them a response may show, and when they are certain to show the next change.

File systems can have any time: before 1970, in the future, beyond 64 bits of nanoseconds. No function here fails on
one.
"""

from __future__ import annotations

import os

from fastfile.records import NamedTuple

SECOND_NS = 1_000_000_000
# A file system that counts time in jiffies gives two writes in one tick the same mtime: a file that changed so recently
# may change again unnoticed. 20 ms is two ticks of the slowest kernel clock (HZ=100).
SETTLING_NS = 20_000_000
# One tick of file systems with times in whole seconds (ext2, ext4 with small inodes, some NFS servers), or two (FAT).
COARSE_SETTLING_NS = 2 * SECOND_NS + SETTLING_NS
# The last second that an HTTP-date can name: 9999-12-31 23:59:59.
LATEST_DATE_S = 253402300799


# Times that tools write for reproducible builds: all files get the same time, whatever their content.
_BUILD_TIMES_S = frozenset(
    (
        *(0, 1),  # Nix, ostree, flatpak, and many Dockerfiles
        499162500,  # npm pack: 1985-10-26 08:15, when Marty McFly travels
        946684800,  # 2000-01-01
        1262304000,  # Bazel: 2010-01-01
    )
)
_FIRST_OF_ZIP_S = 315532800  # 1980-01-01 in UTC or any time zone, the earliest of zip; buildpacks, App Engine
_DAY_S = 86400


class FileTimes(NamedTuple):
    """The part of a file's status that decides on its fields and its entry."""

    st_mtime_ns: int
    st_ctime_ns: int


Status = os.stat_result | FileTimes


def modified_s(status: Status) -> int:
    """Return when a file was last modified, in whole seconds, rounded down as Last-Modified is."""
    return status.st_mtime_ns // SECOND_NS


def has_no_date(status: Status) -> bool:
    """Tell whether the file has a time that a tool gives to every file."""
    time_s, rest_ns = divmod(status.st_mtime_ns, SECOND_NS)
    return rest_ns == 0 and _is_build_time(time_s)


def _is_build_time(time_s: int) -> bool:
    return time_s in _BUILD_TIMES_S or abs(time_s - _FIRST_OF_ZIP_S) <= _DAY_S


def date_s(status: Status, now_s: int) -> int | None:
    """Return the Last-Modified of a file, in seconds: never later than now (RFC 9110 §8.8.2.1).

    None for a time that a tool gives to every file, and for times before 1970 or beyond the four digits of an
    HTTP-date.
    """
    time_s, rest_ns = divmod(status.st_mtime_ns, SECOND_NS)
    if not 0 <= time_s <= LATEST_DATE_S or (rest_ns == 0 and _is_build_time(time_s)):
        return None
    return min(time_s, now_s)


def is_settled(status: Status, now_ns: int) -> bool:
    """Tell whether every change from now on shows in the signature."""
    # The ctime is always the file system's own, while tools write mtimes of whole seconds everywhere.
    tick_ns = SETTLING_NS if status.st_ctime_ns % SECOND_NS else COARSE_SETTLING_NS
    # A time in the future is as good as one in the past: the next change sets the current time.
    return abs(now_ns - status.st_mtime_ns) > tick_ns and abs(now_ns - status.st_ctime_ns) > tick_ns
