"""Health probes (--health): middleware that responds at one path, for every host, user and file."""

from __future__ import annotations

from typing import Protocol

from fastfile.errors import HTTPError, make_unavailable
from fastfile.http.field_changes import FieldChanges
from fastfile.http.target import parse_target
from fastfile.message import Deferred, RequestHead, Response, ResponseHead
from fastfile.responder import Middleware, Responder
from fastfile.site.handler import ALLOW, check_method
from fastfile.site.pages import TEXT
from fastfile.site.representation import NO_CACHE, make_bodiless, make_page


class Freshness(Protocol):
    """How fresh the served release is (server/following/asking.py)."""

    @property
    def release(self) -> str: ...

    @property
    def age_s(self) -> float:
        """The time since the store confirmed it."""


class Health(Middleware):
    """Responds at ``path``: 200 while the server runs, 503 once it is told to stop.

    If the site follows releases, the text names the one that is served, and its age: the time since the store confirmed
    it. When that is more than ``max_age_s``, the response is 503.
    """

    def __init__(
        self,
        handler: Responder,
        path: str,
        changes: FieldChanges,
        follower: Freshness | None = None,
        max_age_s: float | None = None,
    ) -> None:
        super().__init__(handler)
        self._changes = changes
        self._follower = follower
        self._max_age_s = max_age_s
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
        well = self._well
        if self._follower is not None:
            age_s = self._follower.age_s
            if self._max_age_s is not None and age_s > self._max_age_s:
                return self.handler.refuse(
                    make_unavailable("The store has not confirmed the release within --store-max-age."), head
                )
            text = f"ok\nrelease {self._follower.release}, confirmed {age_s:.1f} s ago\n"
            well = make_page(200, TEXT, text.encode(), (NO_CACHE,), self._changes)
        return make_bodiless(well) if head.method == b"HEAD" else well

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
