"""Files that are only on the disk: their page cache is dropped."""

from __future__ import annotations

import os
from collections.abc import Callable

import pytest

TRIES = 200


def drop(fd: int) -> None:
    """Drop a file from the page cache, if the kernel allows it. If nothing can check that, skip the test."""
    if not hasattr(os, "posix_fadvise"):
        pytest.skip("nothing can be dropped from memory here")
    os.fsync(fd)
    os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)


def is_seen_once_dropped(fd: int, seen: Callable[[], bool]) -> bool:
    """Tell whether a condition holds for a dropped file, in one of many tries.

    The kernel keeps pages that it is about to sort into its lists, and checking a page makes it read: on a busy machine
    the page may be there before the check.
    """
    for _ in range(TRIES):
        drop(fd)
        if seen():
            return True
    return False
