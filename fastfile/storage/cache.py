"""The cache of one worker: entries by key, bounded by memory and by open files.

It knows only what an entry costs. The caller checks whether an entry is still fresh (freshness.py). Compiled with
cache.pxd if extensions are built.
"""

from __future__ import annotations

from collections import deque
from typing import Any

# A full cache notes the hashes of so many keys before it forgets them all, in a table where few of them collide.
MAX_NOTED = 2 * 1024
PLACES = 32 * 1024


class CacheEntry:
    """What the cache reads and sets of an entry: ``size`` is the approximate memory, in bytes.

    The caller sets ``used`` at each use, and the cache clears it.
    """

    __slots__ = ("open_files", "size", "used")

    def __init__(self, size: int, open_files: int = 0, used: bool = False) -> None:
        self.size = size
        self.open_files = open_files
        self.used = used


class Cache:
    """Entries by key, with second-chance eviction: the oldest is evicted, unless it was used since the last look.

    ``entries`` is for reading. The keys lie in a queue of their own, because to find the first key of a dict takes a
    step for each key that was removed before it. A key that was discarded may still be in the queue, or be there twice.
    """

    __slots__ = ("_max_files", "_max_size", "_noted", "_noted_count", "_open_files", "_queue", "_size", "entries")

    def __init__(self, max_size: int, max_files: int) -> None:
        self.entries: dict[bytes, Any] = {}  # an extension type cannot be generic
        self._max_size = max_size
        self._max_files = max_files
        self._size = 0
        self._open_files = 0
        self._queue: deque[bytes] = deque()
        self._noted = bytearray()  # 1 at the hash of a key that admits() refused
        self._noted_count = 0

    def admits(self, key: bytes, size: int) -> bool:
        """Tell whether an entry should be kept, if it is cheap to make: in a full cache only at its second request.

        Otherwise requests for more files than the cache has room for would evict one for each, and those in use too.
        """
        if self._size + size <= self._max_size or key in self.entries:
            return True
        place = hash(key) % PLACES
        if not self._noted or self._noted_count == MAX_NOTED:
            self._noted = bytearray(PLACES)
            self._noted_count = 0
        if self._noted[place]:
            return True
        self._noted[place] = 1
        self._noted_count += 1
        return False

    def put(self, key: bytes, entry: CacheEntry) -> None:
        """Keep an entry unless it is too large for the cache; evict others to make room."""
        self.discard(key)
        size = entry.size + len(key)
        if size > self._max_size or entry.open_files > self._max_files:
            return
        self.entries[key] = entry
        self._queue.append(key)
        if len(self._queue) > 2 * len(self.entries) + 64:  # most of them were discarded
            self._queue = deque(self.entries)
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
        self._queue.clear()
        self._size = 0
        self._open_files = 0

    def _evict(self) -> None:
        while True:
            key = self._queue.popleft()
            entry = self.entries.get(key)
            if entry is None:
                continue
            if not entry.used:
                self.discard(key)
                return
            entry.used = False
            self._queue.append(key)
