"""Error responses: a page in the media type that the client prefers, made once for each kind of error."""

from __future__ import annotations

from fastfile.errors import HTTPError, make_not_found, make_unavailable
from fastfile.http.authority import is_loopback_host, parse_host
from fastfile.http.field_changes import Field, FieldChanges
from fastfile.http.fields import split_list
from fastfile.http.negotiation import preferred_type
from fastfile.message import RequestHead, Response
from fastfile.site.pages import HTML, PAGE_TYPES, make_error_page
from fastfile.site.representation import NO_STORE, make_page
from fastfile.storage.outcome import Outcome, classify

MAX_PAGES = 256  # distinct error responses that are cached
MAX_TYPES = 64  # distinct Accept values whose result is cached
# A proxy on this machine sends one of these for its clients, which must not see hints.
_FORWARDED = (b"forwarded", b"x-forwarded-for", b"x-real-ip", b"via")


def make_vary(names: bytes = b"") -> Field:
    """Return the Vary of fastfile's own pages: Accept, and the fields ``names`` if the choice depended on them too."""
    return (b"Vary", b", ".join(dict.fromkeys([b"Accept", *split_list(names)])))


VARY = make_vary()


def make_error(error: OSError) -> HTTPError:
    """Return the error response for a failure of storage: 404, 403, 503 with Retry-After, or 500."""
    outcome = classify(error)
    if outcome is Outcome.MISSING:
        return make_not_found()
    if outcome is Outcome.REFUSED:
        return HTTPError(403, "The server has no permission to read this.")
    if outcome is Outcome.BUSY:
        return make_unavailable("The server is out of resources; try again in a moment.")
    return HTTPError(500, "The file could not be read.")


def _may_see_hints(head: RequestHead) -> bool:
    """Tell whether a request comes from a user of this machine: no proxy forwarded it, as far as is known.

    nginx sends none of these fields by default, but its default is also HTTP/1.0, which no browser speaks.
    """
    if head.minor_version == 0 or head.authority is None or not is_loopback_host(parse_host(head.authority)[0]):
        return False
    return not any(head.field(field) for field in _FORWARDED)


class ErrorPages:
    """Makes and caches error responses. ``changes`` are the field changes of every response, ``home`` the home page."""

    def __init__(self, changes: FieldChanges, home: str = "/") -> None:
        self._changes = changes
        self._home = home
        self._pages: dict[object, Response] = {}
        self._types: dict[bytes | None, bytes] = {}
        # The field lines of the last request that got a 404, and its response: the next requests often have the same.
        self._last_lines: bytes | None = None
        self._last_hint = ""
        self._last_absence: Response | None = None

    def make(
        self, error: HTTPError, head: RequestHead | None, html: bytes | None = None, hint: str = "", link: str = ""
    ) -> Response:
        """Return the response for an error; ``head`` is None if the request could not be read.

        ``html`` is the site's own page for it, if there is one; ``hint`` is shown only to users of this machine.
        ``link`` is a URL that would work.
        """
        if hint and (head is None or not _may_see_hints(head)):
            hint = ""
        media_type = self.choose_type(None if head is None else head.field(b"accept"))
        key = (error.status, error.detail, error.fields, media_type, html, hint, link)
        response = self._pages.get(key)
        if response is None:
            vary = () if b"Vary" in dict(error.fields) else (VARY,)
            page = html if html is not None and media_type == HTML else None
            if page is None:
                page = make_error_page(error.status, error.detail, media_type, hint, link, self._home)
            response = make_page(error.status, media_type, page, (NO_STORE, *vary, *error.fields), self._changes)
            if len(self._pages) >= MAX_PAGES:
                self._pages.clear()
            self._pages[key] = response
        return response

    def make_absence(self, head: RequestHead, hint: str = "") -> Response:
        """Return the 404, the only frequent error; ``hint`` is shown to users of this machine."""
        is_same = hint is self._last_hint and head.field_lines == self._last_lines and head.minor_version != 0
        if self._last_absence is not None and is_same:
            return self._last_absence
        response = self.make(make_not_found(), head, None, hint)
        if head.minor_version != 0:
            self._last_lines, self._last_hint, self._last_absence = head.field_lines, hint, response
        return response

    def choose_type(self, accept: bytes | None) -> bytes:
        """Return the media type for fastfile's own page: HTML if no type is acceptable (RFC 9110 §12.4.1)."""
        chosen = self._types.get(accept)
        if chosen is None:
            if len(self._types) >= MAX_TYPES:
                self._types.clear()
            chosen = self._types[accept] = preferred_type(accept, PAGE_TYPES) or PAGE_TYPES[0]
        return chosen
