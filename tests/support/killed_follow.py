"""Follow, killed before each step on the disk in turn: prints how many steps there were. Argument: a folder."""

from __future__ import annotations

import os
import shutil
import signal
import sys
from hashlib import sha256
from pathlib import Path

from support.following import Following, read_tree
from support.published import PublishedFolder

from fastfile.follower.cache import Cache

BEFORE = {"index.html": b"one", "a/app-1.js": b"1", "same": b"same"}
AFTER = {"index.html": b"two", "a/app-2.js": b"2", "a/b/copy": b"two", "same": b"same", "empty": b""}
# Audit events of calls that change the disk, or look at it before a change.
STEPS = ("open", "os.", "shutil.")


def follow_until(published: PublishedFolder, cache: Path, number: int) -> bool:
    """Follow in a process that is killed before the step of this number; tell whether it was."""
    child = os.fork()
    if child == 0:
        following = Following(published.store, cache)
        steps = [0]

        def hook(event: str, arguments: tuple[object, ...]) -> None:
            if event.startswith(STEPS):
                steps[0] += 1
                if steps[0] == number:
                    os.kill(os.getpid(), signal.SIGKILL)

        sys.addaudithook(hook)
        try:
            following.poll()
            following.cache.sweep()
        finally:
            os._exit(0)
    return os.WIFSIGNALED(os.waitpid(child, 0)[1])


def check(cache: Path) -> dict[str, bytes]:
    """Check that everything in the folder is whole, and return what is served."""
    for blob in (cache / "blobs").iterdir():
        assert sha256(blob.read_bytes()).hexdigest() == blob.name[:64], blob
    for tree in (cache / "trees").iterdir():
        assert read_tree(tree) in (BEFORE, AFTER), tree
    return read_tree(cache / "current")


def main(folder: Path) -> int:
    """Kill a follower at each step, and check what is served then, and after the next one."""
    os.fsync = lambda fd: None  # a killed process loses no byte that it has written
    Cache._sync = lambda self, paths: None  # type: ignore[method-assign]
    published = PublishedFolder(folder / "store")
    before, after = published.publish(BEFORE), published.publish(AFTER)
    cache = folder / "cache"
    number = 0
    while True:
        number += 1
        published.move(before)
        assert not follow_until(published, cache, 0)
        published.move(after)
        was_killed = follow_until(published, cache, number)
        served = check(cache)
        assert served in (BEFORE, AFTER)
        assert not follow_until(published, cache, 0)
        assert check(cache) == AFTER
        if not was_killed:
            assert served == AFTER
            return number - 1
        shutil.rmtree(cache)


if __name__ == "__main__":
    print(main(Path(sys.argv[1])))  # noqa: T201
