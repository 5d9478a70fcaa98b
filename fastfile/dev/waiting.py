"""Requests that wait for the end of a build: for the first one of --run, and for files that settle after a change."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from math import inf

from fastfile.dev.burst import Burst
from fastfile.dev.command import FirstBuild
from fastfile.dev.served import Served

WAIT_S = 3.0  # how long a request for a missing file waits for the end of a build


class Settling:
    """Work for a thread: waits until the files are settled. All requests share one."""

    def __init__(self) -> None:
        self._event = threading.Event()

    def __call__(self) -> None:
        self._event.wait(WAIT_S)

    def end(self) -> None:
        """Release all waiters."""
        self._event.set()


class Waiting:
    """Decides which requests wait. Lives on the event loop; ``burst`` has the changes of the build."""

    def __init__(self, burst: Burst, served: Served, first_build: FirstBuild | None) -> None:
        self._burst = burst
        self._served = served
        self._first_build = first_build
        self._settling: Settling | None = None
        self._changed_s = -inf

    def note_change(self, now_s: float) -> None:
        """Note that a file has changed."""
        self._changed_s = now_s

    def begin(self, target: bytes, is_missing: bool) -> Callable[[], None] | None:
        """Return work for a thread that waits until the files are settled; None if they are.

        It also waits for files that the last change has deleted, since many tools delete a build before they write it.
        """
        if self._first_build is not None:
            if not self._first_build.is_over():
                return self._first_build
            self._first_build = None
        is_gone = is_missing and self._served.was_found(target) and time.monotonic() < self._changed_s + WAIT_S
        if self._burst.is_empty and not is_gone:
            return None
        if self._settling is None:
            self._settling = Settling()
        return self._settling

    def release(self) -> None:
        """Release the requests that wait for a change: the files are settled."""
        if self._settling is not None:
            self._settling.end()
            self._settling = None

    def close(self) -> None:
        """Release all requests: the server is about to stop."""
        if self._first_build is not None:
            self._first_build.give_up()
        self.release()
