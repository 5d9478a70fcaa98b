"""The files of one WSGI application, for all threads of its host: one lock around their shared state."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future
from queue import SimpleQueue
from typing import Any

from fastfile.clock import Clock
from fastfile.embedding.bodies import OpenFile, read_body_waiting
from fastfile.embedding.files import MAX_MOUNTS, PAGE_STATUSES, Files, Plan, report_failure
from fastfile.errors import HTTPError, make_failure
from fastfile.http.status import REASONS
from fastfile.message import Deferred, FileSlice, PartialHead, RequestHead, Response, ResponseHead, close_source
from fastfile.responder import run_now
from fastfile.storage.resource import Resource

Environ = dict[str, Any]
Headers = list[tuple[str, str]]
StartResponse = Callable[..., Callable[[bytes], object]]
Application = Callable[[Environ, StartResponse], Iterable[bytes]]

MAX_HEADS = 1024  # response heads whose fields are kept in the form of WSGI
PIECE = 64 * 1024
FILE_WRAPPER = "wsgi.file_wrapper"


class WsgiFiles(Files):
    """Files for several threads. The requesting thread does the work that its response waits for."""

    def __init__(self, plan: Plan, mount: str) -> None:
        self._lock = threading.RLock()
        super().__init__(plan, mount, Clock(), Background(self._lock).submit)
        self._headers: dict[ResponseHead, Headers] = {}

    def find(self, head: RequestHead) -> Response:
        """Return the response to a request."""
        with self._lock:
            response = self.respond(head)
        return self._wait_for(response, head)

    def find_app_page(self, head: RequestHead) -> Response | None:
        """Return the app's page for a navigation that the application answers by 404; None for the rest."""
        with self._lock:
            found = self.find_page(head)
        page = None if found is None else self._wait_for(found, head)
        return page if page is not None and page.status in PAGE_STATUSES else None

    def _wait_for(self, response: Response | Deferred, head: RequestHead) -> Response:
        """Return a response when its work is done, which is done here."""
        while isinstance(response, Deferred):
            done = run_now(response.work)
            with self._lock:
                self.begin()
                try:
                    response = response.finish(done)
                except HTTPError as error:
                    response = self.refuse(error, head)
                except Exception as error:
                    report_failure(error)
                    response = self.refuse(make_failure(), head)
        return response

    def send(self, response: Response, environ: Mapping[str, Any], start_response: StartResponse) -> Iterable[bytes]:
        """Start a response and return its body."""
        with self._lock:
            headers = self._find_headers(response.head)
        start_response(f"{response.status} {REASONS[response.status]}", list(headers))
        parts = response.parts
        if response.source is None and len(parts) <= 1:
            if not parts:
                return ()
            [part] = parts
            if isinstance(part, bytes):
                return (part,)
            file = whole_file(response)
            if file is not None and FILE_WRAPPER in environ:
                body: Iterable[bytes] = environ[FILE_WRAPPER](OpenFile(file), PIECE)
                return body
        return Body(response)

    def ask(
        self, app: Application, head: RequestHead, environ: Environ, start_response: StartResponse
    ) -> Iterable[bytes]:
        """Call ``app``; its 404 for a navigation becomes the page of the single-page app."""
        answer = Answer(start_response, lambda: self.find_app_page(head))
        body = app(environ, answer.start)
        chunks = iter(body)
        first = [] if answer.is_started else [chunk for chunk in (next(chunks, None),) if chunk is not None]
        if answer.page is None:
            return AppBody(first, chunks, body)
        close_body(body)
        return self.send(answer.page, environ, start_response)

    def _find_headers(self, head: ResponseHead) -> Headers:
        headers = self._headers.get(head)
        if headers is None:
            headers = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in head.fields]
            if not isinstance(head, PartialHead):  # most of these are sent once
                if len(self._headers) >= MAX_HEADS:
                    self._headers.clear()
                self._headers[head] = headers
        return headers


class WsgiMounts:
    """The files of one application, for each path that it is mounted at."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._lock = threading.Lock()
        self._files: dict[str, WsgiFiles] = {}

    def find(self, mount: str) -> WsgiFiles:
        """Return the files for a mount."""
        files = self._files.get(mount)
        if files is None:
            with self._lock:
                if len(self._files) >= MAX_MOUNTS:
                    self._files = {}
                files = self._files.setdefault(mount, WsgiFiles(self._plan, mount))
        return files


class Answer:
    """The response of the application behind the files: passed on, unless ``find_page`` has a page for its 404."""

    def __init__(self, start_response: StartResponse, find_page: Callable[[], Response | None]) -> None:
        self._start_response = start_response
        self._find_page = find_page
        self.is_started = False
        self.page: Response | None = None

    def start(self, status: str, headers: Headers, exc_info: Any = None) -> Callable[[bytes], object]:
        """Stand in for start_response (PEP 3333)."""
        self.is_started = True
        self.page = self._find_page() if status.startswith("404") else None
        if self.page is not None:
            return lambda content: None
        return self._start_response(status, headers, *((exc_info,) if exc_info else ()))


class AppBody:
    """The body of an application, of which ``first`` was taken already; it is closed with it."""

    def __init__(self, first: list[bytes], rest: Iterator[bytes], body: Iterable[bytes]) -> None:
        self._first = first
        self._rest = rest
        self._body = body

    def __iter__(self) -> Iterator[bytes]:
        yield from self._first
        yield from self._rest

    def close(self) -> None:
        close_body(self._body)


class Body:
    """The body of a response, read by the thread that sends it."""

    def __init__(self, response: Response) -> None:
        self._response = response

    def __iter__(self) -> Iterator[bytes]:
        return read_body_waiting(self._response)

    def close(self) -> None:
        close_source(self._response.source)


class Background:
    """Runs work in one thread, which begins with the first; ``on_done`` is called with the lock held."""

    def __init__(self, lock: threading.RLock) -> None:
        self._lock = lock
        self._waiting: SimpleQueue[tuple[Callable[[], Any], Callable[[Future[Any]], None]]] = SimpleQueue()
        self._has_begun = False

    def submit(self, work: Callable[[], Any], on_done: Callable[[Future[Any]], None]) -> Future[Any] | None:
        """Run ``work`` later; the caller holds the lock."""
        if not self._has_begun:
            threading.Thread(target=self._run, name="fastfile", daemon=True).start()
            self._has_begun = True
        self._waiting.put((work, on_done))
        return Future()

    def _run(self) -> None:
        while True:
            work, on_done = self._waiting.get()
            done = run_now(work)
            with self._lock:
                try:
                    on_done(done)
                except Exception as error:
                    report_failure(error)


def close_body(body: Iterable[bytes]) -> None:
    """Tell an application that its body is not read any further (PEP 3333)."""
    close = getattr(body, "close", None)
    if close is not None:
        close()


def whole_file(response: Response) -> FileSlice | None:
    """Return the file of a response that sends it whole: hosts send what a file wrapper holds to its end."""
    if response.status != 200 or response.source is not None or len(response.parts) != 1:
        return None
    [part] = response.parts
    if isinstance(part, FileSlice) and isinstance(part.owner, Resource) and part.count == part.owner.size:
        return part
    return None
