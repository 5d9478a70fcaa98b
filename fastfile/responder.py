"""The interface that the handler and middleware share, and how middleware edits fields.

Middleware that is off is not in the chain (application.py), so it costs nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import Future
from typing import Any

from fastfile.errors import HTTPError
from fastfile.message import Deferred, Field, PartialHead, RequestHead, Response, ResponseHead
from fastfile.relayed import Relayed

MAX_HEADS = 1024  # edited heads that an edit caches


class Responder:
    """Responds to requests: the handler, or middleware around another responder."""

    __slots__ = ()

    def respond(self, head: RequestHead) -> Response | Deferred:
        """Return the response to a request, now or later; it never raises."""
        raise NotImplementedError

    def refuse(self, error: HTTPError, head: RequestHead | None) -> Response:
        """Return the response to a request that the connection refuses; ``head`` is None if it could not be read."""
        raise NotImplementedError

    def stop(self) -> None:
        """Note that the server was told to stop, and no other one takes over."""


def run_now(work: Callable[[], Any]) -> Future[Any]:
    """Do the work of a Deferred in this thread, and return its done future."""
    done: Future[Any] = Future()
    try:
        done.set_result(work())
    except Exception as error:
        done.set_exception(error)
    return done


class Middleware(Responder):
    """The base of middleware: passes everything on to ``handler``."""

    def __init__(self, handler: Responder) -> None:
        self.handler = handler

    def respond(self, head: RequestHead) -> Response | Deferred:
        return self.handler.respond(head)

    def refuse(self, error: HTTPError, head: RequestHead | None) -> Response:
        return self.handler.refuse(error, head)

    def stop(self) -> None:
        self.handler.stop()


class FieldEdit:
    """Applies ``edit`` to the fields of responses. Heads are shared: each is edited once, and the result is cached."""

    def __init__(self, edit: Callable[[tuple[Field, ...]], tuple[Field, ...]]) -> None:
        self._edit = edit
        self._edited: dict[ResponseHead, ResponseHead] = {}

    def apply(self, response: Response, user: bytes | None) -> Response:
        """Return another response with the fields edited, for ``user``."""
        return with_head(response, self._edit_head(response.head), user)

    def _edit_head(self, head: ResponseHead) -> ResponseHead:
        if isinstance(head, PartialHead):
            return PartialHead(self._edit_head(head.base), head.start, head.stop, head.size)
        edited = self._edited.get(head)
        if edited is None:
            if len(self._edited) >= MAX_HEADS:
                self._edited.clear()
            edited = self._edited[head] = ResponseHead(head.status, self._edit(head.fields))
        return edited


def with_fields(response: Response, fields: Iterable[Field]) -> Response:
    """Return another response with further fields."""
    return with_head(response, ResponseHead(response.status, (*response.fields, *fields)), response.user)


def with_head(response: Response, head: ResponseHead, user: bytes | None) -> Response:
    """Return another response with the same body: a cached response is shared, so it is never changed."""
    if response.status == 101:  # its fields are for the two ends of this connection alone
        return response
    parts, size, source = response.parts, response.body_size, response.source
    if isinstance(response, Relayed):
        return Relayed(head, response.upstream, parts, size, response.close, source, user)
    return Response(head, parts, size, response.close, source, user)


def has_field(fields: Iterable[Field], name: bytes) -> bool:
    """Tell whether there is a field of this name, in lower case."""
    return any(key.lower() == name for key, _ in fields)
