"""The requests of a server as objects, for tests: the request, its status, and waiting for more."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import overload
from urllib.parse import unquote

from fastfile.errors import HTTPError
from fastfile.message import Deferred, RequestHead, Response
from fastfile.responder import Middleware, Responder

MAX_REQUESTS = 10_000  # the newest; a test that needs more clears the log between
MAX_SHOWN = 50  # requests in the message of a failed assertion
# Browsers request it for every page, whether the page names it or not.
FAVICON = "/favicon.ico"


@dataclass(frozen=True, slots=True)
class Request:
    """One request and the status of its response. ``target`` is unchanged; names of ``headers`` are in lower case."""

    method: str
    target: str
    status: int
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)

    @property
    def path(self) -> str:
        """The path of the target, decoded, without the query."""
        return unquote(self.target.partition("?")[0])

    @property
    def query(self) -> str:
        """The query of the target, not decoded, without its question mark."""
        return self.target.partition("?")[2]

    def __str__(self) -> str:
        return f"{self.method} {self.target} {self.status}"


class RequestLog:
    """The requests that a server has answered, oldest first: a sequence, and assertions about it.

    A request is recorded before its response is sent, so a client that has the response finds the request. You may
    read the log in any thread.
    """

    def __init__(self) -> None:
        self._requests: deque[Request] = deque(maxlen=MAX_REQUESTS)
        self._changed = threading.Condition()
        self._count = 0  # of all, those that were dropped too

    def add(self, request: Request) -> None:
        """Add a request that is about to be answered."""
        with self._changed:
            self._requests.append(request)
            self._count += 1
            self._changed.notify_all()

    def clear(self) -> None:
        """Forget all requests."""
        with self._changed:
            self._requests.clear()

    def mark(self) -> int:
        """Return a mark, for since()."""
        with self._changed:
            return self._count

    def since(self, mark: int) -> list[Request]:
        """Return the requests that came after a mark."""
        with self._changed:
            new = self._count - mark
            return list(self._requests)[-new:] if new else []

    def find(self, path: str, *, method: str | None = None, status: int | None = None) -> list[Request]:
        """Return the requests for a decoded path, which may lack its first slash; with a query, for that target."""
        return [request for request in self if _matches(request, path, method, status)]

    def assert_requested(
        self, path: str, *, method: str | None = None, status: int | None = None, count: int | None = None
    ) -> Request:
        """Return the last request for a path; fail if there is none, or not ``count`` of them."""
        __tracebackhide__ = True
        found = self.find(path, method=method, status=status)
        wanted = _describe(path, method, status)
        if count is not None and len(found) != count:
            raise AssertionError(f"{wanted} was requested {len(found)} times, not {count}\n{self.show()}")
        if not found:
            raise AssertionError(f"{wanted} was not requested\n{self.show()}")
        return found[-1]

    def assert_not_requested(self, path: str, *, method: str | None = None, status: int | None = None) -> None:
        """Fail if a path was requested."""
        __tracebackhide__ = True
        if self.find(path, method=method, status=status):
            raise AssertionError(f"{_describe(path, method, status)} was requested\n{self.show()}")

    def assert_no_errors(self, *, ignore: tuple[str, ...] = (FAVICON,)) -> None:
        """Fail if a response had a status of 400 or more, except for the paths of ``ignore``."""
        __tracebackhide__ = True
        errors = [request for request in self if request.status >= 400 and request.path not in ignore]
        if errors:
            raise AssertionError("requests failed:\n" + "\n".join(f"  {request}" for request in errors[:MAX_SHOWN]))

    def wait_for(
        self, path: str, *, method: str | None = None, status: int | None = None, timeout: float = 5.0
    ) -> Request:
        """Return the first request for a path; wait for it up to ``timeout`` seconds, then fail.

        It blocks its thread: in a coroutine, call it by ``asyncio.to_thread``.
        """
        __tracebackhide__ = True
        found: list[Request] = []

        def has_come() -> bool:
            found[:] = [request for request in self._requests if _matches(request, path, method, status)]
            return bool(found)

        with self._changed:
            if self._changed.wait_for(has_come, timeout):
                return found[0]
        raise AssertionError(f"{_describe(path, method, status)} did not come within {timeout:g} s\n{self.show()}")

    def show(self, requests: list[Request] | None = None) -> str:
        """Return the newest requests as text, one a line."""
        shown = list(self) if requests is None else requests
        if not shown:
            return "no requests"
        omitted = len(shown) - MAX_SHOWN
        lines = [f"  … and {omitted} before"] if omitted > 0 else []
        return "\n".join(["requests:", *lines, *(f"  {request}" for request in shown[-MAX_SHOWN:])])

    def renew_lock(self) -> None:
        """Make the lock again in a forked child: the thread that may have held it does not exist there."""
        self._changed = threading.Condition()

    def __len__(self) -> int:
        return len(self._requests)

    def __iter__(self) -> Iterator[Request]:
        with self._changed:
            return iter(list(self._requests))

    @overload
    def __getitem__(self, index: int) -> Request: ...
    @overload
    def __getitem__(self, index: slice) -> list[Request]: ...
    def __getitem__(self, index: int | slice) -> Request | list[Request]:
        return list(self)[index]

    def __repr__(self) -> str:
        return f"<RequestLog of {len(self)} requests>"


class Recorder(Middleware):
    """Adds each request to a log when its response is known."""

    def __init__(self, handler: Responder, add: Callable[[Request], None]) -> None:
        super().__init__(handler)
        self._add = add

    def respond(self, head: RequestHead) -> Response | Deferred:
        response = self.handler.respond(head)
        if isinstance(response, Deferred):
            return response.map(lambda response: self._record(head, response))
        return self._record(head, response)

    def refuse(self, error: HTTPError, head: RequestHead | None) -> Response:
        response = self.handler.refuse(error, head)
        return response if head is None else self._record(head, response)

    def _record(self, head: RequestHead, response: Response) -> Response:
        self._add(make_request(head, response.status))
        return response


def make_request(head: RequestHead, status: int) -> Request:
    """Return a request as its log has it."""
    headers: dict[str, str] = {}
    for line in head.field_lines.decode("latin-1").split("\r\n"):
        name, colon, value = line.partition(":")
        if colon:
            key, text = name.lower(), value.strip()
            headers[key] = f"{headers[key]}, {text}" if key in headers else text
    return Request(head.method.decode("latin-1"), head.target.decode("latin-1"), status, headers)


def _matches(request: Request, path: str, method: str | None, status: int | None) -> bool:
    path = path if path.startswith(("/", "*")) or "://" in path else f"/{path}"
    is_there = request.target == path if "?" in path else request.path == path
    return is_there and method in (None, request.method) and status in (None, request.status)


def _describe(path: str, method: str | None, status: int | None) -> str:
    return " ".join(str(part) for part in (method, path, status) if part is not None)
