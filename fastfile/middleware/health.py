"""Health probes (--health): middleware that responds at one path, for every host, user and file."""

from __future__ import annotations

from fastfile.errors import HTTPError, make_unavailable
from fastfile.http.field_changes import FieldChanges
from fastfile.http.target import parse_target
from fastfile.message import Deferred, RequestHead, Response, ResponseHead
from fastfile.responder import Middleware, Responder
from fastfile.site.handler import ALLOW, check_method
from fastfile.site.pages import TEXT
from fastfile.site.representation import NO_CACHE, make_bodiless, make_page


class Health(Middleware):
    """Responds at ``path``: 200 while the server runs, 503 once it is told to stop."""

    def __init__(self, handler: Responder, path: str, changes: FieldChanges) -> None:
        super().__init__(handler)
        self._path = path.encode()
        self._decoded = parse_target(self._path).path
        self._well = make_page(200, TEXT, b"ok\n", (NO_CACHE,), changes)
        self._options = Response(ResponseHead(204, changes.apply((ALLOW,))))
        self._is_stopping = False

    def respond(self, head: RequestHead) -> Response | Deferred:
        if not self._is_probe(head.target):
            return self.handler.respond(head)
        if head.method == b"OPTIONS":
            return self._options
        try:
            check_method(head.method)
        except HTTPError as error:
            return self.handler.refuse(error, head)
        if self._is_stopping:
            return self.handler.refuse(make_unavailable("The server is stopping."), head)
        return make_bodiless(self._well) if head.method == b"HEAD" else self._well

    def stop(self) -> None:
        self._is_stopping = True
        super().stop()

    def _is_probe(self, target: bytes) -> bool:
        path = target.partition(b"?")[0]
        if path == self._path:
            return True
        if path.startswith(b"/") and b"%" not in path and b"/." not in path:  # the path has no other spelling
            return False
        try:
            return parse_target(target).path == self._decoded
        except HTTPError:
            return False
