"""Polling: checks every file beneath the roots again and again, if the system reports no changes."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable

from fastfile.dev.changes import Change, is_ignored

LEAST_S = 0.3
SHARE = 20  # it sleeps this many times as long as a check takes: at most 5 % of one CPU

_Stamp = tuple[int, int, int]


class Polling:
    """The files beneath ``roots`` (absolute paths), as of the last check; ``interval_s`` until the next."""

    def __init__(self, roots: Iterable[bytes], follow: bool) -> None:
        self._roots = tuple(roots)
        self._follow = follow
        self.interval_s = LEAST_S
        self._files = self._look()

    @property
    def count(self) -> int:
        """How many files are looked at."""
        return len(self._files)

    def read(self) -> list[Change]:
        """Check again, and return the differences. A file that is being written counts as open until it rests."""
        before, self._files = self._files, self._look()
        if before == self._files:
            return []
        changed = {path for path, _ in before.items() ^ self._files.items()}
        return [Change(path) for path in sorted(changed)]

    def _look(self) -> dict[bytes, _Stamp]:
        began_s = time.monotonic()
        files: dict[bytes, _Stamp] = {}
        seen: set[tuple[int, int]] = set()
        for root in self._roots:
            try:
                status = os.stat(root)
            except OSError:
                continue
            files[root] = (status.st_dev, status.st_ino, 0)
            if os.path.isdir(root):
                self._look_in(root, files, seen)
            else:
                files[root] = (status.st_ino, status.st_mtime_ns, status.st_size)
        self.interval_s = max(LEAST_S, SHARE * (time.monotonic() - began_s))
        return files

    def _look_in(self, folder: bytes, files: dict[bytes, _Stamp], seen: set[tuple[int, int]]) -> None:
        pending = [folder]
        while pending:
            try:
                with os.scandir(pending.pop()) as entries:
                    for entry in entries:
                        if is_ignored(entry.name):
                            continue
                        status = entry.stat(follow_symlinks=self._follow)
                        if not entry.is_dir(follow_symlinks=self._follow):
                            files[entry.path] = (status.st_ino, status.st_mtime_ns, status.st_size)
                        elif (status.st_dev, status.st_ino) not in seen:  # links may lead in circles
                            seen.add((status.st_dev, status.st_ino))
                            files[entry.path] = (status.st_dev, status.st_ino, 0)
                            pending.append(entry.path)
            except OSError:  # it went meanwhile, or may not be read: then nothing in it is served
                continue
