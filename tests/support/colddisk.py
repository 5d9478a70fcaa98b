"""Files that are on the disk alone: the memory that holds them is let go."""

from __future__ import annotations

import os
from collections.abc import Callable

import pytest

TRIES = 20


def drop(fd: int) -> None:
    """Let a file be on the disk alone, if the kernel will. Where nobody can ask for it, there is nothing to test."""
    if not hasattr(os, "posix_fadvise"):
        pytest.skip("nothing can be dropped from memory here")
    os.fsync(fd)
    os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)


def is_seen_once_dropped(fd: int, seen: Callable[[], bool]) -> bool:
    """Tell whether something is so of a file that is dropped, in one of many tries.

    The kernel keeps what it is about to sort into its lists; and who looks for a page has it read: on a busy machine it
    may have come before they look.
    """
    for _ in range(TRIES):
        drop(fd)
        if seen():
            return True
    return False
