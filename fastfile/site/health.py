"""What a probe hears: whether this worker answers, and whether it goes on doing so. No file has a part in it."""

from __future__ import annotations

from fastfile.errors import make_unavailable
from fastfile.http.field_changes import FieldChanges
from fastfile.http.target import Target, parse_target
from fastfile.message import Response
from fastfile.site.pages import TEXT
from fastfile.site.representation import NO_CACHE, make_page


class Health:
    """Answers at one path, if any: 200 while the server serves, 503 from the moment that it is told to stop."""

    def __init__(self, path: str | None, changes: FieldChanges) -> None:
        self._path = None if path is None else parse_target(path.encode()).path
        self._well = make_page(200, TEXT, b"ok\n", (NO_CACHE,), changes)
        self._is_stopping = False

    def respond(self, target: Target) -> Response | None:
        """Return the answer where the target is the probe's, else None. Raises HTTPError 503 during a stop."""
        if target.path != self._path:
            return None
        if self._is_stopping:
            raise make_unavailable("The server is about to stop.")
        return self._well

    def stop(self) -> None:
        """Tell balancers to send nobody here any more: there is no successor."""
        self._is_stopping = True
