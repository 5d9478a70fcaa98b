"""The watcher: a thread that reports changes beneath the roots, in the best way of this system."""

from __future__ import annotations

import os
import select
import sys
import threading
from collections.abc import Callable, Sequence

from fastfile.dev.changes import Change
from fastfile.dev.filesystems import find_silent
from fastfile.dev.polling import Polling
from fastfile.errors import tell_missing
from fastfile.records import NamedTuple

Report = Callable[[Sequence[Change]], None]


def describe_watching(roots: Sequence[str], always_poll: bool) -> str:
    """Return how changes are found, as the banner says it."""
    text = "live: open pages reload when their files change"
    if always_poll:
        return f"{text}; it polls all files (--watch-poll)"
    kind = find_silent([os.fsencode(root) for root in roots])
    return f"{text}; it polls all files, because {kind} reports no changes" if kind else text


class Watching(NamedTuple):
    """The watched paths: ``roots`` are folders and files; ``follow``: also folders behind links."""

    roots: tuple[bytes, ...]
    follow: bool
    always_poll: bool


class Watcher:
    """Watches from start() to stop().

    ``report`` is called in the thread: without changes once everything is watched, later with the changes. ``say`` gets
    a line if it has to poll because the system gives no events; it is called in the thread too.
    """

    def __init__(self, watching: Watching, report: Report, say: Callable[[str], None]) -> None:
        self._roots = [os.path.abspath(root) for root in watching.roots]
        self._follow = watching.follow
        self._always_poll = watching.always_poll
        self._report = report
        self._say = say
        self._thread: threading.Thread | None = None
        self._stop_r = self._stop_w = -1

    @property
    def is_running(self) -> bool:
        return self._thread is not None

    def start(self) -> None:
        """Begin to watch; do nothing if it already does."""
        if self._thread is None:
            self._stop_r, self._stop_w = os.pipe()
            self._thread = threading.Thread(target=self._run, args=(self._stop_r,), name="watcher", daemon=True)
            self._thread.start()

    def stop(self) -> None:
        """Stop watching, and release all watches. Does not wait for the thread."""
        if self._thread is not None:
            os.close(self._stop_w)
            self._thread = None

    def _run(self, stop_fd: int) -> None:
        try:
            if self._always_poll or find_silent(self._roots):
                self._poll(stop_fd)
                return
            why = self._watch(stop_fd)
            if why:
                self._say(f"--live polls all files: {why}")
                self._poll(stop_fd)
        finally:
            os.close(stop_fd)

    def _watch(self, stop_fd: int) -> str:
        """Report events until told to stop; return why there are none, or no more."""
        if sys.platform != "linux":
            return self._watch_elsewhere(stop_fd)
        # Imported here (and by serve.preload()): only Linux has it, and a Python without libffi has no ctypes.
        try:
            from fastfile.dev.inotify import Inotify
        except ImportError:
            return "this Python has no ctypes"
        events = None
        try:
            events = Inotify(self._roots, self._follow)
            self._report(())
            while stop_fd not in _wait_for((stop_fd, events.fd)):
                self._report(events.read())
        except OSError as error:
            return f"no watch is left ({error.strerror}): raise fs.inotify.max_user_watches"
        finally:
            if events is not None:
                events.close()
        return ""

    def _watch_elsewhere(self, stop_fd: int) -> str:
        try:
            from fastfile.dev.native import Native
        except ImportError:
            return tell_missing("watchfiles")
        events = Native(self._roots)
        self._report(())
        while not _wait_for((stop_fd,), 0):
            self._report(events.read())
        return ""

    def _poll(self, stop_fd: int) -> None:
        files = Polling(self._roots, self._follow)
        self._report(())
        while not _wait_for((stop_fd,), files.interval_s):
            changes = files.read()
            if changes:
                self._report(changes)


def _wait_for(fds: Sequence[int], timeout_s: float | None = None) -> set[int]:
    """Return which descriptors are readable, once there is one or the time is over; not select(): it has a limit."""
    poll = select.poll()
    for fd in fds:
        poll.register(fd, select.POLLIN)
    return {fd for fd, _ in poll.poll(None if timeout_s is None else timeout_s * 1000)}
