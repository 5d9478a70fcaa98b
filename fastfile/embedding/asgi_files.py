"""The files of one thread and its event loop, sent with ASGI messages."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncGenerator, Awaitable, Callable, MutableMapping
from concurrent.futures import Future
from contextlib import aclosing
from functools import partial
from time import monotonic
from typing import Any

from fastfile.clock import Clock
from fastfile.embedding.bodies import PIECE, ColdRead, OpenFile, Pace, Pause, read_body
from fastfile.embedding.files import MAX_MOUNTS, PAGE_STATUSES, Files, Plan, report_failure
from fastfile.errors import HTTPError, make_failure, make_unavailable
from fastfile.message import Deferred, FileSlice, PartialHead, RequestHead, Response, ResponseHead, close_source
from fastfile.server.threads import Offload

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]
Headers = tuple[tuple[bytes, bytes], ...]

MAX_HEADS = 1024  # response heads whose fields are kept in the form of ASGI
MAX_READS = 1024  # of cold files and slow work at a time; later requests get 503
NICENESS = 10  # of the thread that compresses in the background
TURN_SIZE = 1 << 20  # so much of a body goes out, then other requests have their turn
ZERO_COPY = "http.response.zerocopysend"


class AsgiFiles(Files):
    """Files that wait on the event loop for threads and for the client."""

    def __init__(self, plan: Plan, mount: str, loop: asyncio.AbstractEventLoop) -> None:
        clock = Clock()
        self._loop = loop
        self._disk = Offload(loop, clock, report_failure, max_jobs=MAX_READS, switch_s=0)
        background = Offload(loop, clock, report_failure, max_threads=1, niceness=NICENESS, switch_s=0)
        super().__init__(plan, mount, clock, background.submit, self._disk.submit)
        self._headers: dict[ResponseHead, Headers] = {}

    async def wait_for(self, response: Response | Deferred, head: RequestHead) -> Response:
        """Return the response to a request, when its work is done in a thread."""
        while isinstance(response, Deferred):
            try:
                done = await self._run(response.work)
            except HTTPError as error:
                return self.refuse(error, head)
            self.begin()
            try:
                response = response.finish(done)
            except HTTPError as error:
                return self.refuse(error, head)
            except Exception as error:
                report_failure(error)
                return self.refuse(make_failure(), head)
        return response

    async def send(self, response: Response, scope: Scope, receive: Receive, send: Send) -> None:
        """Send a response. It ends quietly when the client has gone, and raises BrokenBody for half a body."""
        start = {
            "type": "http.response.start",
            "status": response.status,
            "headers": list(self._find_headers(response.head)),
        }
        parts = response.parts
        try:
            await send(start)
            if response.source is None and (not parts or (len(parts) == 1 and isinstance(parts[0], bytes))):
                await send({"type": "http.response.body", "body": parts[0] if parts else b"", "more_body": False})
            elif ZERO_COPY in (scope.get("extensions") or ()):
                await self._send_descriptors(response, send)
            else:
                await self._send_pieces(response, receive, send)
        except OSError:  # ASGI 2.4: the client has gone. The disk's own errors are BrokenBody.
            pass
        finally:
            close_source(response.source)

    async def ask(self, app: Application, head: RequestHead, scope: Scope, receive: Receive, send: Send) -> None:
        """Call ``app``; its 404 for a navigation becomes the page of the single-page app."""
        page: Response | None = None

        async def send_unless_absent(message: Message) -> None:
            nonlocal page
            if message["type"] == "http.response.start" and message["status"] == 404:
                found = self.find_page(head)
                page = None if found is None else await self.wait_for(found, head)
                if page is not None and page.status not in PAGE_STATUSES:
                    page = None
            if page is None:
                await send(message)

        await app(scope, receive, send_unless_absent)
        if page is not None:
            await self.send(page, scope, receive, send)

    def _find_headers(self, head: ResponseHead) -> Headers:
        """Return the fields of a head with names in lower case."""
        headers = self._headers.get(head)
        if headers is None:
            headers = tuple((name.lower(), value) for name, value in head.fields)
            if not isinstance(head, PartialHead):  # most of these are sent once
                if len(self._headers) >= MAX_HEADS:
                    self._headers.clear()
                self._headers[head] = headers
        return headers

    async def pieces(
        self, response: Response, gone: asyncio.Future[None] | None = None, pace: Pace | None = None
    ) -> AsyncGenerator[bytes]:
        """Yield the body of a response. It waits for the disk in a thread, and for a source until ``gone`` is done."""
        turn = 0
        try:
            for step in read_body(response, pace or Pace()):
                turn += max(len(step), PIECE) if isinstance(step, bytes) else PIECE
                if isinstance(step, Pause):
                    await self._wait_for_source(step, gone)
                elif isinstance(step, ColdRead):
                    yield (await self._run(step.work)).result()
                else:
                    yield step
                if turn >= TURN_SIZE:  # sending to a client that has gone never waits
                    turn = 0
                    await asyncio.sleep(0)
                if gone is not None and gone.done():
                    return
        finally:
            close_source(response.source)

    async def _send_pieces(self, response: Response, receive: Receive, send: Send) -> None:
        gone = asyncio.ensure_future(_wait_for_disconnect(receive))
        pace = Pace()
        try:
            async with aclosing(self.pieces(response, gone, pace)) as pieces:
                async for piece in pieces:
                    if gone.done():
                        return
                    began_s = monotonic()
                    await send({"type": "http.response.body", "body": piece, "more_body": True})
                    pace.note(len(piece), monotonic() - began_s)
            if not gone.done():
                await send({"type": "http.response.body", "body": b"", "more_body": False})
        finally:
            gone.cancel()

    async def _send_descriptors(self, response: Response, send: Send) -> None:
        """Send files by their descriptors, with a host that copies none of their bytes."""
        for part in response.parts:
            if isinstance(part, FileSlice):
                file = OpenFile(part)
                await send(
                    {"type": ZERO_COPY, "file": file, "offset": part.offset, "count": part.count, "more_body": True}
                )
            else:
                await send({"type": "http.response.body", "body": part, "more_body": True})
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _run(self, work: Callable[[], Any]) -> Future[Any]:
        """Return the done future of work in a thread. Raises HTTPError 503 if there is too much of it."""
        done: asyncio.Future[Future[Any]] = self._loop.create_future()
        job = self._disk.submit(work, partial(_settle, done))
        if job is None:
            raise make_unavailable("The server is busy; try again in a moment.")
        try:
            return await done
        except asyncio.CancelledError:
            job.cancel()
            raise

    async def _wait_for_source(self, pause: Pause, gone: asyncio.Future[None] | None) -> None:
        ready: asyncio.Future[None] = self._loop.create_future()
        pause.wait(partial(_settle, ready, None))
        await asyncio.wait((ready,) if gone is None else (ready, gone), return_when=asyncio.FIRST_COMPLETED)


class AsgiMounts:
    """The files of one application: for each thread, its event loop, and each path that it is mounted at."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._local = threading.local()

    def find(self, mount: str) -> AsgiFiles:
        """Return the files for a mount, of this thread and its event loop. Raises RuntimeError without asyncio."""
        local = self._local
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            raise RuntimeError("fastfile.asgi needs an event loop of asyncio or uvloop; trio has none") from None
        if getattr(local, "loop", None) is not loop:
            local.loop, local.files = loop, {}
        files: AsgiFiles | None = local.files.get(mount)
        if files is None:
            if len(local.files) >= MAX_MOUNTS:
                local.files.clear()
            files = local.files[mount] = AsgiFiles(self._plan, mount, loop)
        return files


def _settle(future: asyncio.Future[Any], result: Any) -> None:
    if not future.done():
        future.set_result(result)


async def _wait_for_disconnect(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
