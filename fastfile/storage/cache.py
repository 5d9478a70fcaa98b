"""The bounded store of what was decided about targets: so many bytes, open files and entries per worker, no more.

It knows nothing of what it keeps but its cost; whether an entry still holds is its user's question (freshness.py).
"""

from __future__ import annotations

from typing import Generic, Protocol, TypeVar


class Entry(Protocol):
    """What the cache asks of whatever it keeps."""

    size: int  # bytes of memory, about
    open_files: int
    used: bool  # set by the user at each use, cleared here


E = TypeVar("E", bound=Entry)


class Cache(Generic[E]):
    """Entries by key, evicted by second chance: the oldest goes, unless it was used since it was last looked at."""

    __slots__ = ("_max_files", "_max_size", "_open_files", "_size", "entries")

    def __init__(self, max_size: int, max_files: int) -> None:
        self.entries: dict[bytes, E] = {}
        self._max_size = max_size
        self._max_files = max_files
        self._size = 0
        self._open_files = 0

    def put(self, key: bytes, entry: E) -> None:
        """Keep an entry, if it can be kept at all; others go for it."""
        self.discard(key)
        size = entry.size + len(key)
        if size > self._max_size or entry.open_files > self._max_files:
            return
        self.entries[key] = entry
        self._size += size
        self._open_files += entry.open_files
        while self._size > self._max_size or self._open_files > self._max_files:
            self._evict()

    def has_room(self, size: int) -> bool:
        """Tell whether an entry of that size, with its key, can be kept at all."""
        return size <= self._max_size

    def discard(self, key: bytes) -> None:
        """Drop the entry of a key, if there is one. It is counted by the size that it has now."""
        entry = self.entries.pop(key, None)
        if entry is not None:
            self._size -= entry.size + len(key)
            self._open_files -= entry.open_files

    def clear(self) -> None:
        """Drop everything."""
        self.entries.clear()
        self._size = 0
        self._open_files = 0

    def _evict(self) -> None:
        while True:
            key = next(iter(self.entries))
            entry = self.entries[key]
            if not entry.used:
                self.discard(key)
                return
            entry.used = False
            self.entries[key] = self.entries.pop(key)
