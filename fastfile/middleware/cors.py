"""Cross-origin reading for origins that are named (--cors https://app.example): a gate around the handler.

``--cors '*'`` needs no gate: its fields are the same in every response (common_fields.py). Fetch §3.2.
"""

from __future__ import annotations

from concurrent.futures import Future
from functools import partial
from typing import Any

from fastfile.config.config import Config
from fastfile.errors import HTTPError
from fastfile.http.fields import is_token, split_list
from fastfile.message import Deferred, RequestHead, Response
from fastfile.responder import Responder, with_lines
from fastfile.site.common_fields import exposed_fields, make_preflight
from fastfile.site.representation import make_field_lines

MAX_ASKED = 64  # request fields that a preflight may name


class Cors(Responder):
    """Adds to a response what lets the page that asked read it, where the page's origin is one of ours.

    Another origin gets the plain response: its browser keeps it from the page. The Vary that this takes is in every
    response already. Named origins may use credentials, so that --auth works for them: ``*`` may not.
    """

    def __init__(self, handler: Responder, config: Config) -> None:
        self._handler = handler
        exposed = exposed_fields(config)
        self._lines = {
            origin.encode(): make_field_lines(
                [
                    (b"Access-Control-Allow-Origin", origin.encode()),
                    (b"Access-Control-Allow-Credentials", b"true"),
                    exposed,
                ]
            )
            for origin in config.cors
        }

    def respond(self, head: RequestHead) -> Response | Deferred:
        """Return what the handler does, marked for the origin that asks if it is one of ours."""
        response = self._handler.respond(head)
        lines = self._find_lines(head)
        return self._mark(lines, response) if lines else response

    def refuse(self, error: HTTPError, head: RequestHead | None) -> Response:
        """Mark an error too, so that the page can read what is wrong."""
        response = self._handler.refuse(error, head)
        lines = None if head is None else self._find_lines(head)
        return with_lines(response, lines) if lines else response  # an error of ours: no rule is for those

    def _find_lines(self, head: RequestHead) -> bytes | None:
        origin = head.field(b"origin")
        lines = None if origin is None else self._lines.get(origin)
        if lines is not None and is_preflight(head):
            asked = head.field(b"access-control-request-headers") or b""
            lines += make_field_lines(make_preflight(_allow(asked)))
        return lines

    def _mark(self, lines: bytes, response: Response | Deferred) -> Response | Deferred:
        if isinstance(response, Deferred):
            return Deferred(response.work, partial(self._finish, lines, response))
        if b"\r\naccess-control-allow-origin:" in response.head.lower():
            return response  # a rule of the site said so for this path; two of them would be none
        return with_lines(response, lines)

    def _finish(self, lines: bytes, deferred: Deferred, future: Future[Any]) -> Response | Deferred:
        return self._mark(lines, deferred.finish(future))


def is_preflight(head: RequestHead) -> bool:
    """Tell whether a browser asks if a page may send a request (Fetch §4.8): no such question has credentials."""
    return (
        head.method == b"OPTIONS"
        and head.field(b"access-control-request-method") is not None
        and head.field(b"origin") is not None
    )


def _allow(asked: bytes) -> bytes:
    """Return the request fields that may be sent: those that were asked for, since none does anything here.

    They are named: with credentials ``*`` would be the name of a field (Fetch §3.2.3).
    """
    names = [name for name in split_list(asked)[:MAX_ASKED] if is_token(name)]
    return b", ".join(names) or b"Authorization"
