"""The open pages, and their messages when files change: swap a style sheet or an image, or reload.

A page is told when the burst of changes is over and it would load without a miss: its URL works as well as before, and
the references of its new version exist, for which it waits up to a second.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import time
from collections.abc import Callable, Sequence
from functools import partial
from math import inf
from typing import Protocol

from fastfile.clock import Clock
from fastfile.dev.burst import Burst
from fastfile.dev.changes import Change, path_components
from fastfile.dev.command import Command, FailureNotice, FirstBuild
from fastfile.dev.page import GONE, Page
from fastfile.dev.prints import Print, Prints, Submit
from fastfile.dev.served import Served
from fastfile.dev.waiting import Waiting
from fastfile.dev.watcher import Watcher, Watching
from fastfile.protocol.websocket import GOING_AWAY, TRY_LATER
from fastfile.site.handler import Handler
from fastfile.upgrade import Session

REFERENCES_S = 1.0  # how long a page waits for the references of its new version
NOTICE_S = 5.0  # then a waiting page shows a notice
MAX_PAGES = 256  # open at once; the news of each can take some MB
EARLY_S = 0.05  # how early a timer may fire
LINGER_S = 30.0  # how long the watcher runs after the last page
PING_S = 30.0


class Log(Protocol):
    """The destination of messages to the operator (server/log/error.py)."""

    def say(self, text: str) -> None: ...

    def report_failure(self, error: BaseException) -> None: ...


class Pages:
    """Lives on the event loop. ``command`` is that of --run."""

    def __init__(
        self,
        handler: Handler,
        loop: asyncio.AbstractEventLoop,
        clock: Clock,
        submit: Submit,
        watching: Watching,
        log: Log,
        command: Command | None = None,
    ) -> None:
        self._loop = loop
        self._clock = clock
        self._roots = [os.path.abspath(root) for root in watching.roots]
        self._on_failure = log.report_failure
        self.is_closed = False
        self._pages: set[Page] = set()
        self._burst = Burst()
        self._served = Served()
        first_build = None if command is None else FirstBuild(self._roots[0], command)
        self._waiting = Waiting(self._burst, self._served, first_build)
        self._notice = FailureNotice(command, loop, self._pages)
        known_references: dict[tuple[bytes, bytes], set[bytes]] = {}
        self._make_prints = partial(Prints, handler, loop, submit, known_references)
        self._timer: asyncio.TimerHandle | None = None
        self._task: asyncio.Task[None] | None = None
        self._last_timer: asyncio.TimerHandle | None = None  # stops the watcher, or sends the next pings

        def report(changes: Sequence[Change]) -> None:
            with contextlib.suppress(RuntimeError):  # the loop is closed
                loop.call_soon_threadsafe(self._on_changes, changes)

        def say_on_loop(text: str) -> None:
            with contextlib.suppress(RuntimeError):
                loop.call_soon_threadsafe(log.say, text)

        self._watcher = Watcher(watching, report, say_on_loop)

    def open(self) -> Session:
        """Return the session of a page that connects."""
        return Page(self._on_page_begin, self._on_news, self._on_page_end)

    def note(self, target: bytes) -> None:
        """Note that a target is about to be looked up for a client."""
        self._served.note(target)

    def note_found(self, target: bytes, is_file: bool) -> None:
        """Note that something is there."""
        self._served.note_found(target, is_file)

    def wait(self, target: bytes, is_missing: bool) -> Callable[[], None] | None:
        """Return work for a thread that waits until the files are settled; None if they are."""
        return self._waiting.begin(target, is_missing)

    def close(self) -> None:
        """End all connections permanently: the pages connect again as soon as there is another server."""
        self.is_closed = True
        self._waiting.close()
        for page in list(self._pages):
            page.close_with(GOING_AWAY)
        self._stop_watching()

    def _on_page_begin(self, page: Page) -> None:
        if len(self._pages) >= MAX_PAGES:
            page.close_with(TRY_LATER)
            return
        self._pages.add(page)
        self._watcher.start()
        if len(self._pages) == 1:
            self._set_last_timer(PING_S, self._ping)
            self._notice.look()
        page.show(self._notice.text)

    def _on_page_end(self, page: Page) -> None:
        self._pages.discard(page)
        if not self._pages:
            self._set_last_timer(LINGER_S, self._stop_watching)

    def _stop_watching(self) -> None:
        self._set_last_timer(inf, self._ping)
        self._watcher.stop()

    def _ping(self) -> None:
        for page in list(self._pages):
            page.ping()
        if self._pages:
            self._set_last_timer(PING_S, self._ping)

    def _set_last_timer(self, delay_s: float, callback: Callable[[], None]) -> None:
        if self._last_timer is not None:
            self._last_timer.cancel()
        self._last_timer = self._loop.call_later(delay_s, callback) if delay_s < inf else None

    def _on_changes(self, changes: Sequence[Change]) -> None:
        """Record the watcher's changes; none at all means that from now on everything is seen."""
        if changes:
            now_s = time.monotonic()
            self._waiting.note_change(now_s)
            self._burst.note(changes, now_s)
        self._schedule(0.0)

    def _on_news(self) -> None:
        self._schedule(0.0)

    def _schedule(self, due_s: float) -> None:
        """Check the pages when the burst is over, or at ``due_s``, whichever is later."""
        if self._timer is not None:
            self._timer.cancel()
        delay_s = max(due_s, self._burst.over_s()) - time.monotonic()
        self._timer = self._loop.call_later(max(0.0, delay_s), self._begin)

    def _begin(self) -> None:
        self._timer = None
        if self._task is None:
            self._task = self._loop.create_task(self._look())
            self._task.add_done_callback(self._on_looked)
        else:  # it may have looked at a file that has changed since, before everything was watched
            self._task.add_done_callback(lambda task: self._schedule(0.0))

    def _on_looked(self, task: asyncio.Task[None]) -> None:
        self._task = None
        failure = None if task.cancelled() else task.exception()
        if failure is not None:
            self._on_failure(failure)
        held_s = [due_s for page in self._pages if (due_s := self._due_s(page)) < inf]
        if any(page.news for page in self._pages):
            self._schedule(0.0)
        elif held_s or not self._burst.is_empty:
            self._schedule(min(held_s, default=0.0))

    @staticmethod
    def _due_s(page: Page) -> float:
        """Return when to look at a page again that waits, if nothing changes before."""
        now_s = time.monotonic()
        dues = (page.held_since_s + REFERENCES_S, page.held_since_s + NOTICE_S)
        return min((due_s for due_s in dues if due_s > now_s), default=inf)

    async def _look(self) -> None:
        """Decide what to tell each page."""
        self._clock.begin_batch()
        prints = self._make_prints()
        for page in list(self._pages):
            await self._take_news(page, prints)
        if self._burst.over_s() > time.monotonic():
            return
        for page in list(self._pages):
            if page.target:
                await self._decide(page, prints)
        is_held = any(page.held_since_s < inf for page in self._pages)
        if self._burst.over_s() <= time.monotonic():
            self._burst.clear(is_held)
            self._waiting.release()

    async def _take_news(self, page: Page, prints: Prints) -> None:
        is_new = bool(page.target) and page.target not in page.prints
        for target, time_ns in page.news.items():
            page.news[target] = self._served.first_since(target, time_ns)
        news = list(page.news)
        has_changed = page.look_at_news({target: await prints.look(target, target == page.target) for target in news})
        if is_new and self._served.was_file(page.target) and not page.prints[page.target].is_file:
            page.prints[page.target] = GONE
        if is_new and self._moved_ns() > page.loaded_ns:
            page.forget_all()
            has_changed = True
        if has_changed:
            self._burst.note([Change(page.target)], time.monotonic())  # which may go on
        elif is_new and self._burst.is_empty:
            page.missing = await prints.find_missing(page.target, True)

    def _moved_ns(self) -> int:
        """Return when a root was last put into its place, or a link on the way to it was switched, as far as is known.

        A rename changes the ctime of a folder and not its mtime.
        """
        latest_ns = 0
        for root in self._roots:
            with contextlib.suppress(OSError):
                status = os.stat(root)
                if status.st_ctime_ns != status.st_mtime_ns:
                    latest_ns = max(latest_ns, status.st_ctime_ns)
            for folder, name in path_components(root):
                path = os.path.join(folder, name)
                with contextlib.suppress(OSError):
                    if os.path.islink(path):
                        latest_ns = max(latest_ns, os.lstat(path).st_ctime_ns)
        return latest_ns

    async def _decide(self, page: Page, prints: Prints) -> None:
        now_s = time.monotonic()
        own = await prints.look(page.target, True)
        before = page.prints.get(page.target, own)
        if own.is_worse(before):
            self._hold(page, now_s)
            if now_s - page.held_since_s >= NOTICE_S - EARLY_S:
                page.show(b"This page is missing from the last build. It loads again as soon as it is back.")
            return
        changed = await self._find_changed(page, prints)
        if not changed:
            page.held_since_s = inf
            page.show(self._notice.text)
            return
        is_swap = page.target not in changed and all(map(_can_be_swapped, changed.values()))
        missing: set[bytes] = set()
        for target in changed if is_swap else (page.target,):
            missing |= await prints.find_missing(target, target == page.target)
        if missing - page.missing:
            self._hold(page, now_s)
            if now_s - page.held_since_s < REFERENCES_S - EARLY_S:
                return
        page.held_since_s = inf
        page.missing |= missing
        page.prints |= changed
        page.show(self._notice.text)
        page.tell(b"swap " + b" ".join(sorted(changed)) if is_swap else b"reload")

    async def _find_changed(self, page: Page, prints: Prints) -> dict[bytes, Print]:
        """Return the targets that a page would load again. Deleted ones are not among them."""
        changed = {}
        for target, before in list(page.prints.items()):
            now = await prints.look(target, target == page.target)
            if not now.is_same(before) and (now.status < 400 or target == page.target):
                changed[target] = now
        return changed

    @staticmethod
    def _hold(page: Page, now_s: float) -> None:
        page.held_since_s = min(page.held_since_s, now_s)


def _can_be_swapped(print_: Print) -> bool:
    return print_.kind == b"text/css" or print_.kind.startswith(b"image/")
