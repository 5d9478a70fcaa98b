"""Publish, killed at each call to the store in turn: prints how often. Arguments: a folder, ``before`` or ``after``."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

from support.stores import Watched, publish_folder, read_served, write_tree

from fastfile.releases.location import open_store, parse_location
from fastfile.releases.publish import PACKED_LIMIT
from fastfile.releases.store import Store

LARGE = b"x" * (PACKED_LIMIT + 1)
BEFORE = {"index.html": b"one", "app-1.js": b"1", "large.bin": LARGE}
AFTER = {"index.html": b"two", "app-2.js": b"2", "large.bin": LARGE[1:] + b"y"}


def publish_until(store: Store, build: Path, number: int, moment: str) -> bool:
    """Publish in a process that is killed at the call of this number; tell whether it was."""
    child = os.fork()
    if child == 0:
        watched = Watched(store)

        def die(call: str) -> None:
            if len(watched.calls) >= number:  # two calls may run at once
                os.kill(os.getpid(), signal.SIGKILL)

        setattr(watched, moment, die)
        try:
            publish_folder(watched, build)
        finally:
            os._exit(0)
    return os.WIFSIGNALED(os.waitpid(child, 0)[1])


def main(folder: Path, moment: str) -> int:
    """Kill a publish at each call, and check what is served then, and after the next publish."""
    number = 0
    while True:
        number += 1
        store = open_store(parse_location(f"file://{folder}/store{number}"))
        build = write_tree(folder / "dist", BEFORE)
        publish_folder(store, build)
        was_killed = publish_until(store, write_tree(build, AFTER), number, moment)
        served = read_served(store, pages_only=True)
        assert served in (BEFORE, AFTER)
        publish_folder(store, build)
        assert read_served(store, pages_only=True) == AFTER
        if not was_killed:
            assert served == AFTER
            return number - 1


if __name__ == "__main__":
    print(main(Path(sys.argv[1]), sys.argv[2]))  # noqa: T201
