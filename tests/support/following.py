"""A follower in the test's own process: its store can be watched, and it reads the pointer when the test says so."""

from __future__ import annotations

import os
from pathlib import Path

from fastfile.follower.cache import Cache
from fastfile.follower.follow import Follower
from fastfile.releases.store import Store
from fastfile.server.following.status import Status


class Recording:
    """The log of a follower: its events and texts."""

    def __init__(self) -> None:
        self.events: list[str] = []
        self.texts: list[str] = []

    def say(self, event: str, text: str, **fields: object) -> None:
        self.events.append(event)
        self.texts.append(text)


class NeverAsked:
    """No worker asks."""

    def clear(self) -> None:
        pass

    def wait(self, timeout_s: float) -> bool:
        return False

    def beat(self, silence_s: float) -> None:
        pass


class Following:
    """A follower with its cache in ``folder``, its log and its reports."""

    def __init__(self, store: Store, folder: Path) -> None:
        self.folder = folder
        self.cache = Cache(str(folder))
        self.log = Recording()
        self.statuses: list[Status] = []
        self.follower = Follower(store, store, self.cache, 5.0, self.statuses.append, self.log, NeverAsked())

    def poll(self) -> Status:
        self.follower.poll()
        return self.follower.status

    def close(self) -> None:
        self.cache.close()


def read_tree(folder: Path) -> dict[str, bytes]:
    """Return the files below a folder, by path."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def times_of(folder: Path) -> dict[str, int]:
    """Return the times of the files and folders below a folder, by path."""
    return {str(path.relative_to(folder)): os.stat(path).st_mtime_ns for path in sorted(folder.rglob("*"))}
