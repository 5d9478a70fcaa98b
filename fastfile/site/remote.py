"""A site on a disk that can hang: a network or FUSE file system. The event loop never looks up files there.

One thread owns all of it: a handler with its own cache and clock, which gets one request after the other. Other threads
read bodies, because sendfile would wait for such a disk. A request that takes too long gets 503, and while no result
comes back all others get it at once.
"""

from __future__ import annotations

import errno
import os
from collections import deque
from collections.abc import Callable, Generator
from concurrent.futures import Future
from itertools import chain
from typing import Any, Protocol

from fastfile.clock import Clock
from fastfile.errors import HTTPError, make_unavailable
from fastfile.http.target import Target
from fastfile.message import Deferred, FileSlice, RequestHead, Response
from fastfile.responder import run_now
from fastfile.site.compression import Submit
from fastfile.site.handler import Handler
from fastfile.site.listing.feed import PIECE_SIZE, Feed
from fastfile.storage.root import os_error


class DiskThreads(Protocol):
    """The threads of one disk: one for lookups, some that read bodies, and one that encodes in the background."""

    @property
    def is_stuck(self) -> bool:
        """Whether the lookup thread is overdue."""

    def look_up(self, work: Callable[[], Any], on_done: Callable[[Future[Any]], None]) -> Future[Any] | None: ...

    def read(self, work: Callable[[], Any], on_done: Callable[[Future[Any]], None]) -> Future[Any] | None: ...

    def call(self, function: Callable[[Any], None], argument: Any) -> None:
        """Call a function on the event loop soon, from any thread."""

    def encode(self, work: Callable[[], Any], on_done: Callable[[Future[Any]], None]) -> Future[Any]:
        """Run both in threads, ``on_done`` in the lookup thread; call it there."""


class RemoteSite:
    """Replaces a Site in Mounts. ``handler`` serves the site at the same path, and ``clock`` is its clock."""

    plain = None  # only the site's thread looks at the disk

    def __init__(self, base: bytes, handler: Handler, clock: Clock, threads: DiskThreads) -> None:
        self.base = base
        self.handler = handler
        self.clock = clock
        self.threads = threads
        self.discarded: deque[object] = deque()  # owners of files that the thread has to close
        self._is_looking = False

    def find(self, target: Target, head: RequestHead) -> Deferred:
        """Return the response as work for the site's thread. Raises HTTPError 503 while that is stuck."""
        if self.threads.is_stuck:
            raise _make_stuck()
        return Deferred(LookUp(self, head), self._finish)

    def look_around(self) -> None:
        """Have the thread look for changes, and close what was discarded."""
        if not self._is_looking and not self.threads.is_stuck:
            self._is_looking = self.threads.look_up(self._look_around, self._note_looked) is not None

    def failure_page(self, path: bytes) -> bytes | None:
        """Return None, because reading the page would mean waiting for the disk."""

    def _look_around(self) -> None:
        self.discarded.clear()
        self.clock.begin_batch()
        self.handler.look_around()

    def _note_looked(self, job: Future[Any]) -> None:
        self._is_looking = False

    def _finish(self, job: Future[Any]) -> Response:
        try:
            response: Response = job.result()
        except TimeoutError:
            raise _make_stuck() from None
        if response.source is None and all(isinstance(part, bytes) for part in response.parts):
            return response
        if isinstance(response.source, Feed):
            return response
        body = Feed(_read_body(Held(response, self.discarded)), self.threads.read)
        return Response(response.head, (), response.body_size, response.close, body, response.user)


class LookUp:
    """The work for one request. It has a method ``submit``, which runs it in its own thread."""

    __slots__ = ("_head", "_site")

    def __init__(self, site: RemoteSite, head: RequestHead) -> None:
        self._site = site
        self._head = head

    def submit(self, on_done: Callable[[Future[Any]], None]) -> Future[Any] | None:
        """Run it in the thread of the site."""
        return self._site.threads.look_up(self.__call__, on_done)

    def __call__(self) -> Response:
        site = self._site
        site.discarded.clear()
        site.clock.begin_batch()
        response = site.handler.respond(self._head)
        while isinstance(response, Deferred):
            job = run_now(response.work)
            site.clock.begin_batch()
            try:
                response = response.finish(job)
            except HTTPError as error:
                response = site.handler.refuse(error, self._head)
        return response


class Held:
    """A response whose files are closed in the site's thread, because closing can wait for the disk too."""

    __slots__ = ("_discarded", "response")

    def __init__(self, response: Response, discarded: deque[object]) -> None:
        self.response = response
        self._discarded = discarded

    def __del__(self) -> None:
        self._discarded.append(self.response)


def _read_body(held: Held) -> Generator[bytes, None, None]:
    """Yield a body; runs in a thread."""
    source: Any = held.response.source or ()
    for part in chain(held.response.parts, source):
        if isinstance(part, FileSlice):
            yield from _read_slice(part)
        else:
            yield part


def _read_slice(part: FileSlice) -> Generator[bytes, None, None]:
    offset, end = part.offset, part.offset + part.count
    while offset < end:
        piece = os.pread(part.fd, min(PIECE_SIZE, end - offset), offset)
        if not piece:
            raise os_error(errno.ESTALE)  # the file has become shorter
        offset += len(piece)
        yield piece


def encoder(threads: DiskThreads, clock: Clock) -> Submit:
    """Return a function that runs a site's background work and reports to its thread."""

    def submit(work: Callable[[], Any], on_done: Callable[[Future[Any]], None]) -> Future[Any]:
        def tell(job: Future[Any]) -> None:
            clock.begin_batch()
            on_done(job)

        return threads.encode(work, tell)

    return submit


def _make_stuck() -> HTTPError:
    return make_unavailable("The disk of this site does not respond at the moment.")
