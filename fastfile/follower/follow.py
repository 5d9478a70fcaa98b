"""Following: read the pointer, fetch a new release, switch to it, report. One thread, and blocking calls."""

from __future__ import annotations

import errno
import random
import sys
import time
from collections.abc import Callable, Collection, Iterable
from typing import Protocol

from fastfile.errors import describe
from fastfile.follower.cache import Cache
from fastfile.follower.log import Log
from fastfile.progress import Progress
from fastfile.releases.blobs import fetch_blobs
from fastfile.releases.location import tell_unpublished
from fastfile.releases.manifest import Manifest, read_manifest
from fastfile.releases.pointer import Pointer, read_pointer, read_release
from fastfile.releases.store import ATTEMPTS, Corrupt, NotModified, Store, StoreError
from fastfile.server.following.status import Status
from fastfile.terminal import printable, show_size

BEAT_S = 1.0  # between two heartbeats of a long fetch
GAP_S = 0.1  # between the begins of two reads of the pointer, however many requests ask for one
JITTER = 0.2  # of --store-poll, so that replicas that started together do not ask together
SWEEP_S = 30.0  # between two looks for what can be deleted
POINTER_S = 45.0  # the longest read of the pointer, without a release to serve
# The longest call of a store for an object of up to 16 MiB, and some time for the disk; larger ones take longer.
CALL_S, SLOWEST_BYTES_PER_S = 360.0, 128 * 1024
# Between two attempts while the store fails: twice as long each time, because the first failure often passes at once.
FIRST_DELAY_S, LONGEST_DELAY_S = 1.0, 60.0


class Asked(Protocol):
    """Requests to read the pointer now (process.py)."""

    def clear(self) -> None:
        """Forget the requests so far: a read begins now."""

    def wait(self, timeout_s: float) -> bool:
        """Wait for a request; tell whether there was one."""

    def beat(self, silence_s: float) -> None:
        """Report that the follower runs, and that it may be silent for so long (0: for the usual time)."""


class Follower:
    """Keeps ``cache`` at the current release of ``store``. ``tell`` gets each new status.

    ``pointers`` is the same store, with less patience: it reads the pointer once there is a release to serve.
    """

    def __init__(
        self,
        store: Store,
        pointers: Store,
        cache: Cache,
        poll_s: float,
        tell: Callable[[Status], None],
        log: Log,
        asked: Asked,
    ) -> None:
        self._store = store
        self._pointers = pointers
        self._cache = cache
        self._poll_s = poll_s
        self._tell = tell
        self._log = log
        self._asked = asked
        self._etag: str | None = None  # of the pointer to the release that is served
        self._problem = ""
        self._failing_since_s = 0.0
        self._failures = 0  # in a row
        self._sweep_s = 0.0
        tree = cache.current()
        self.status = Status("" if tree is None else tree.partition(".")[0])

    def run(self) -> None:
        """Follow until the process ends. Raises StoreError if no release is on disk and none can be fetched."""
        while True:
            began_s = time.monotonic()
            self.poll()
            if began_s >= self._sweep_s and self.status.release:
                self._sweep_s = began_s + SWEEP_S
                self._cache.sweep()
            due_s = began_s + self._delay_s()
            if self._asked.wait(due_s - time.monotonic()):
                time.sleep(max(0.0, began_s + GAP_S - time.monotonic()))

    def poll(self) -> None:
        """Read the pointer once, and switch to a new release. Raises StoreError only without a release to serve."""
        self._asked.clear()
        self._asked.beat(POINTER_S)
        began_s = time.monotonic()
        self.status = self.status._replace(polls=self.status.polls + 1)
        try:
            found = read_pointer(self._pointers if self.status.release else self._store, self._etag)
            if found is None:
                self._miss()
                return
            if not isinstance(found, NotModified):
                self._etag = self._adopt_whole(*found)
            self._confirm(began_s)
        except StoreError as error:
            self._fail(str(error))
            if not self.status.release:
                raise
        except OSError as error:
            self._fail(self._explain(error))
            if not self.status.release:
                raise StoreError(self._explain(error)) from error

    def fetch(self, id: str) -> None:
        """Serve one release, whatever the pointer says. Raises StoreError and OSError."""
        if self.status.release == id:
            self._log.say("serving", f"release {id} is on the disk", release=id)
        else:
            self._asked.beat(CALL_S)
            manifest = read_manifest(self._store, id)
            self._fetch(manifest, id)
            self._switch(id, id, len(manifest.files), 0, 0.0)
        self._report(state="current", confirmed_s=time.monotonic())

    def _adopt_whole(self, pointer: Pointer, etag: str) -> str:
        """Serve the release that the pointer names; return the pointer's entity tag.

        A pointer that was damaged on its way may still be one, and names what the store has not: it is read again.
        """
        for _ in range(ATTEMPTS):
            try:
                self._adopt(pointer)
                break
            except Corrupt:
                again = read_pointer(self._pointers)
                if not isinstance(again, tuple) or again[0] == pointer:
                    raise
                pointer, etag = again
        return etag

    def _adopt(self, pointer: Pointer) -> None:
        """Serve the release that the pointer names."""
        name = f"{pointer.release}.{pointer.sha256[:16]}"
        if name == self._cache.current():
            return
        began_s, fetched = time.monotonic(), self.status.fetched_bytes
        self._report(state="preparing")
        self._asked.beat(CALL_S)
        files = 0
        if not self._cache.has_tree(name):
            manifest = read_release(self._store, pointer)
            files = self._fetch(manifest, name)
        self._switch(pointer.release, name, files, self.status.fetched_bytes - fetched, time.monotonic() - began_s)

    def _fetch(self, manifest: Manifest, name: str) -> int:
        """Make the tree of a release; return how many blobs were fetched."""
        missing = self._cache.find_missing(manifest)
        needed = _count_bytes(manifest, missing)
        if needed > self._cache.free_bytes():
            self._cache.sweep(is_urgent=True)
            missing = self._cache.find_missing(manifest)
            needed, free = _count_bytes(manifest, missing), self._cache.free_bytes()
            if needed > free:
                problem = f"the release needs {show_size(needed)}, and {show_size(max(0, free))} are free"
                raise OSError(errno.ENOSPC, problem)
        progress = Progress(None if self.status.release else sys.stderr, needed)
        fetched, began_s = self.status.fetched_bytes, time.monotonic()
        longest_s = CALL_S + max((file.size for file in manifest.files), default=0) / SLOWEST_BYTES_PER_S
        self._asked.beat(longest_s)

        def put(blob: str, pieces: Iterable[bytes | memoryview]) -> None:
            nonlocal fetched, began_s
            size = self._cache.put(blob, pieces)
            progress.advance(size)
            progress.show()
            fetched += size
            if time.monotonic() > began_s + BEAT_S:
                began_s = time.monotonic()
                self._asked.beat(longest_s)

        try:
            if missing:
                fetch_blobs(self._store, manifest, missing, put, self._cache.incoming)
        finally:
            progress.clear()
            self.status = self.status._replace(fetched_bytes=fetched)
        self._asked.beat(longest_s)
        self._cache.build(manifest, name)
        return len(missing)

    def _switch(self, release: str, name: str, files: int, fetched: int, duration_s: float) -> None:
        self._cache.switch(name)
        self.status = self.status._replace(release=release, switches=self.status.switches + 1)
        text = f"release {release} is served; new files: {files}, {show_size(fetched)}, in {duration_s:.2f} s"
        self._log.say("release", text, release=release, files=files, bytes=fetched, seconds=round(duration_s, 3))

    def _confirm(self, began_s: float) -> None:
        if self._problem:
            gone_s = time.monotonic() - self._failing_since_s
            text = f"the store confirms release {self.status.release} again, after {gone_s:.0f} s"
            self._log.say("recovered", text, release=self.status.release)
        self._problem, self._failures = "", 0
        self._report(state="current", confirmed_s=began_s)

    def _miss(self) -> None:
        """Note that there is no pointer: nothing was published, or it was deleted."""
        if self.status.release:
            self._fail(f"{self._store.location}: there is no release any more")
            return
        problem = f"{tell_unpublished(self._store.location)}; waiting for the first release"
        if problem != self._problem:
            self._problem = problem
            self._failing_since_s = time.monotonic()
            self._log.say("waiting", problem)

    def _fail(self, problem: str) -> None:
        """Go on with the release on the disk; say why once for each problem."""
        if problem != self._problem and self.status.release:
            if not self._problem:
                self._failing_since_s = time.monotonic()
            self._log.say(
                "failing", f"{problem}; still serving release {self.status.release}", release=self.status.release
            )
            self._problem = problem
        self._failures += 1
        self._report(state="failing", failures=self.status.failures + 1)

    def _explain(self, error: OSError) -> str:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            return f"the new release is refused: no room in {printable(self._cache.folder)}: {error.strerror}"
        return f"the new release is refused: {printable(describe(error))}"

    def _delay_s(self) -> float:
        """Return the time until the pointer is read again: longer each time while the store fails."""
        delay_s = self._poll_s
        if self._failures:
            first_s = min(self._poll_s, FIRST_DELAY_S)
            delay_s = min(first_s * 2.0 ** (min(self._failures, 20) - 1), max(self._poll_s, LONGEST_DELAY_S))
        return delay_s * random.uniform(1 - JITTER, 1 + JITTER)

    def _report(self, **changes: object) -> None:
        self.status = self.status._replace(**changes)  # type: ignore[arg-type]
        self._tell(self.status)


def _count_bytes(manifest: Manifest, blobs: Collection[str]) -> int:
    """Return the size of contents, each once."""
    return sum({file.sha256: file.size for file in manifest.files if file.sha256 in blobs}.values())
