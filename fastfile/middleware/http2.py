"""--http 2: refuses HTTP/1 requests."""

from __future__ import annotations

from fastfile.errors import HTTPError
from fastfile.message import HTTP_2, Deferred, RequestHead, Response
from fastfile.responder import Middleware


class Http2Only(Middleware):
    """Passes on only HTTP/2 requests."""

    def respond(self, head: RequestHead) -> Response | Deferred:
        if head.minor_version == HTTP_2:
            return self.handler.respond(head)
        return self.refuse(HTTPError(505, "This server supports only HTTP/2; --http auto allows HTTP/1.1 too."), head)
