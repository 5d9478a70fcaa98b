"""The current content of a URL, from the handler itself, so that rules, fallback pages and mounts apply.

Two equal prints mean that a page that loaded the URL has nothing new to load.
"""

from __future__ import annotations

import os
from asyncio import AbstractEventLoop
from asyncio import Future as AsyncFuture
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

from fastfile.dev.references import LIMIT, find_references
from fastfile.errors import HTTPError, Postponed
from fastfile.message import Deferred, FileSlice, RequestHead, Response
from fastfile.records import NamedTuple
from fastfile.site.entry import Entry
from fastfile.site.handler import Handler
from fastfile.storage.resource import Resource, hash_content

Submit = Callable[[Callable[[], Any], Callable[[Future[Any]], None]], Future[Any] | None]

_AS_PAGE = b"Accept: text/html,*/*;q=0.8\r\nSec-Fetch-Mode: navigate\r\nSec-Fetch-Dest: document\r\n"
_AS_PART = b"Accept: */*\r\nSec-Fetch-Mode: no-cors\r\n"
_MAX_REDIRECTS = 5
_MAX_REFERENCES = 500  # of a page and of what it loads
_MAX_KEPT = 2000  # files whose references are remembered
_TRIES = 3


class Print(NamedTuple):
    """``tag`` is another whenever the content may be; ``kind`` is the media type.

    ``is_file``: the response is a file, not a listing or a rule. ``changed_ns`` is its ctime; 0 if there is none.
    """

    status: int
    tag: bytes = b""
    kind: bytes = b""
    is_file: bool = False
    changed_ns: int = 0

    def is_same(self, other: Print) -> bool:
        """Tell whether a browser would get the same."""
        return (self.status, self.tag, self.kind) == (other.status, other.tag, other.kind)

    def is_worse(self, before: Print) -> bool:
        """Tell whether a URL now gets an error or a listing instead of a better response."""
        return (self.status >= 400 and before.status < 400) or (before.is_file and not self.is_file)


class Prints:
    """The prints of one moment: each target is looked at once. ``submit`` runs work in a thread."""

    def __init__(
        self, handler: Handler, loop: AbstractEventLoop, submit: Submit, known: dict[tuple[bytes, bytes], set[bytes]]
    ) -> None:
        self._handler = handler
        self._loop = loop
        self._submit = submit
        self._known_references = known
        self._prints: dict[tuple[bytes, bool], Print] = {}
        self._contents: dict[bytes, bytes] = {}

    async def look(self, target: bytes, as_page: bool = False) -> Print:
        """Return the print of a target, for a navigation or for a part of a page."""
        found = self._prints.get((target, as_page))
        if found is None:
            found = self._prints[target, as_page] = await self._follow(target, as_page)
        return found

    async def find_missing(self, target: bytes, as_page: bool) -> set[bytes]:
        """Return what is missing among the loads of a target, and the loads of those files."""
        missing: set[bytes] = set()
        seen = {target}
        pending = [(target, as_page)]
        while pending and len(seen) < _MAX_REFERENCES:
            for reference in await self._references(*pending.pop()):
                if reference not in seen:
                    seen.add(reference)
                    if (await self.look(reference)).status >= 400:
                        missing.add(reference)
                    else:
                        pending.append((reference, False))
        return missing

    async def _references(self, target: bytes, as_page: bool) -> set[bytes]:
        found = await self.look(target, as_page)
        key = (target, found.tag)
        known = self._known_references.get(key)
        if known is None:
            if len(self._known_references) >= _MAX_KEPT:
                self._known_references.clear()
            known = find_references(self._contents.get(target, b""), found.kind, target)
            self._known_references[key] = known
        return known

    async def _follow(self, target: bytes, as_page: bool) -> Print:
        last = target
        for _ in range(_MAX_REDIRECTS):
            found, location = await self._look_once(last, target, as_page)
            if not location.startswith(b"/") or location.startswith(b"//"):
                break
            last = location
        return found

    async def _look_once(self, target: bytes, asked: bytes, as_page: bool) -> tuple[Print, bytes]:
        """Return the print of a target, and where it redirects to, if it does."""
        head = RequestHead(b"GET", target, 1, 0, _AS_PAGE if as_page else _AS_PART)
        try:
            found = await self._find(head)
        except HTTPError as error:
            return Print(error.status), b""
        except OSError:
            return Print(500), b""
        if isinstance(found, Response):
            return self._print_response(found, asked)
        representation = found.identity
        if representation is None:
            return Print(found.status), b""
        resource = representation.resource
        kind = representation.media_type.partition(b";")[0].strip().lower()
        self._contents[asked] = _read(resource)
        tag = representation.etag or resource.signature
        return Print(found.status, tag, kind, found.status == 200, resource.status.st_ctime_ns), b""

    def _print_response(self, response: Response, asked: bytes) -> tuple[Print, bytes]:
        fields = {name.lower(): value for name, value in response.fields}
        if 300 <= response.status < 400:
            return Print(response.status, fields.get(b"location", b"")), fields.get(b"location", b"")
        content = b"".join(part for part in response.parts if not isinstance(part, FileSlice))
        self._contents[asked] = content[:LIMIT]
        kind = fields.get(b"content-type", b"").partition(b";")[0].strip().lower()
        # A file on a disk that can hang is looked up in a thread of its own. A listing has no ranges.
        is_file = response.status == 200 and b"accept-ranges" in fields
        return Print(response.status, fields.get(b"etag") or hash_content((content,)), kind, is_file), b""

    async def _find(self, head: RequestHead) -> Entry | Response:
        found: Entry | Response | Deferred | None = None
        for _ in range(_TRIES):
            try:
                found = self._handler.find(head)
                break
            except Postponed as postponed:
                await self._run(postponed.job)
        while isinstance(found, Deferred):
            found = found.finish(await self._run(found.work))
        if found is None:  # it changes faster than it can be read
            raise HTTPError(503, "The file is changing.")
        return found

    async def _run(self, work: Callable[[], Any]) -> Future[Any]:
        """Run work in a thread, and return its future once it is done."""
        done: AsyncFuture[Future[Any]] = self._loop.create_future()

        def report(future: Future[Any]) -> None:
            if not done.cancelled():
                done.set_result(future)

        if self._submit(work, report) is None:
            raise HTTPError(503, "The server is busy.")
        return await done


def _read(resource: Resource) -> bytes:
    if resource.content is not None:
        return resource.content[:LIMIT]
    return os.pread(resource.fd, LIMIT, 0)
