"""The cache of one worker: entries by key, bounded by memory and by open files.

It knows only what an entry costs. The caller checks whether an entry is still fresh (freshness.py).
"""

from __future__ import annotations

from typing import Generic, Protocol, TypeVar


class Entry(Protocol):
    """The attributes of an entry that the cache reads and sets."""

    size: int  # approximate bytes of memory
    open_files: int
    used: bool  # the caller sets it at each use, the cache clears it


E = TypeVar("E", bound=Entry)


class Cache(Generic[E]):
    """Entries by key, with second-chance eviction: the oldest is evicted, unless it was used since the last look."""

    __slots__ = ("_max_files", "_max_size", "_open_files", "_size", "entries")

    def __init__(self, max_size: int, max_files: int) -> None:
        self.entries: dict[bytes, E] = {}
        self._max_size = max_size
        self._max_files = max_files
        self._size = 0
        self._open_files = 0

    def put(self, key: bytes, entry: E) -> None:
        """Keep an entry unless it is too large for the cache; evict others to make room."""
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
        """Drop the entry of a key, if any. An entry may change its size only while it is not in the cache."""
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
