"""Cross-origin access for named origins (--cors https://app.example): middleware.

``--cors '*'`` needs no middleware: its fields are the same in every response (common_fields.py). Fetch §3.2.
"""

from __future__ import annotations

from collections.abc import Callable

from fastfile.config.config import Config
from fastfile.errors import HTTPError
from fastfile.http.fields import is_token, split_list
from fastfile.message import Deferred, Field, RequestHead, Response
from fastfile.responder import FieldEdit, Middleware, Responder, has_field, with_fields
from fastfile.site.common_fields import exposed_fields, make_preflight

ALLOW_ORIGIN = b"access-control-allow-origin"
MAX_ASKED = 64  # the most request fields that a preflight may name


class Cors(Middleware):
    """Adds the fields that let a page read a response, if the page's origin is allowed.

    Another origin gets the plain response, which its browser does not show to the page. Every response already has the
    Vary for this. Named origins may use credentials, so --auth works for them; ``*`` may not.
    """

    def __init__(self, handler: Responder, config: Config) -> None:
        super().__init__(handler)
        exposed = exposed_fields(config)
        self._edits = {origin.encode(): FieldEdit(_make_edit(origin.encode(), exposed)) for origin in config.cors}

    def respond(self, head: RequestHead) -> Response | Deferred:
        """Return the handler's response, with the CORS fields if the request's origin is allowed."""
        response = self.handler.respond(head)
        edit = self._find_edit(head)
        if edit is None:
            return response
        if isinstance(response, Deferred):
            return response.map(lambda response: _mark(response, edit, head))
        return _mark(response, edit, head)

    def refuse(self, error: HTTPError, head: RequestHead | None) -> Response:
        """Add the fields to an error too, so that the page can read the reason."""
        response = self.handler.refuse(error, head)
        edit = None if head is None else self._find_edit(head)
        return response if head is None or edit is None else _mark(response, edit, head)

    def _find_edit(self, head: RequestHead) -> FieldEdit | None:
        origin = head.field(b"origin")
        return None if origin is None else self._edits.get(origin)


def _make_edit(origin: bytes, exposed: Field) -> Callable[[tuple[Field, ...]], tuple[Field, ...]]:
    """Return the edit for an origin; it changes nothing if a rule of the site has set the field."""
    added = ((b"Access-Control-Allow-Origin", origin), (b"Access-Control-Allow-Credentials", b"true"), exposed)
    return lambda fields: fields if has_field(fields, ALLOW_ORIGIN) else (*fields, *added)


def _mark(response: Response, edit: FieldEdit, head: RequestHead) -> Response:
    """Allow the origin to read the response; after a preflight, also to send the request."""
    marked = edit.apply(response, response.user)
    if not is_preflight(head) or has_field(response.fields, ALLOW_ORIGIN):
        return marked
    asked = head.field(b"access-control-request-headers") or b""
    return with_fields(marked, make_preflight(_allow(asked)))


def is_preflight(head: RequestHead) -> bool:
    """Tell whether a request is a preflight, which never has credentials (Fetch §4.8)."""
    return (
        head.method == b"OPTIONS"
        and head.field(b"access-control-request-method") is not None
        and head.field(b"origin") is not None
    )


def _allow(asked: bytes) -> bytes:
    """Return the request fields to allow: all requested ones, because none has an effect here.

    They are listed by name: with credentials, ``*`` would be the name of a field (Fetch §3.2.3).
    """
    names = [name for name in split_list(asked)[:MAX_ASKED] if is_token(name)]
    return b", ".join(names) or b"Authorization"
