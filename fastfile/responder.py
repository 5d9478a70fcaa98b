"""Gates: what decides before or after the handler, with the handler's own interface, so that they wrap one another.

A gate that is off is not in the chain (application.py), so it costs nothing.
"""

from __future__ import annotations

from fastfile.errors import HTTPError
from fastfile.message import Deferred, RequestHead, Response


class Responder:
    """What a connection asks of a handler, and a gate of what it wraps."""

    __slots__ = ()

    def respond(self, head: RequestHead) -> Response | Deferred:
        """Return the response to a request, now or later; it never raises."""
        raise NotImplementedError

    def refuse(self, error: HTTPError, head: RequestHead | None) -> Response:
        """Return the response to a request that the connection refuses; ``head`` is None where it could not be read."""
        raise NotImplementedError


def with_head(response: Response, head: bytes, user: bytes | None) -> Response:
    """Return the response with another head, to a user: what is cached is shared, so it is never changed."""
    return Response(response.status, head, response.parts, response.body_size, response.close, response.source, user)


def with_lines(response: Response, lines: bytes) -> Response:
    """Return the response with further field lines."""
    return with_head(response, response.head + lines, response.user)
