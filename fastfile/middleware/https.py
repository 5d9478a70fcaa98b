"""Responses to plain HTTP from an HTTPS server: a redirect on the port of --redirect-http, 400 on the TLS port."""

from __future__ import annotations

from fastfile.errors import BadRequest, HTTPError
from fastfile.http.authority import check_host, parse_host
from fastfile.http.field_changes import FieldChanges
from fastfile.http.target import Target, encode_query, parse_target
from fastfile.message import Deferred, Field, RequestHead, Response
from fastfile.responder import FieldEdit, Responder
from fastfile.site.error_pages import ErrorPages
from fastfile.site.pages import TEXT
from fastfile.site.representation import NO_CACHE, make_bodiless, make_page

CHALLENGES = b".well-known/acme-challenge/"  # RFC 8555 §8.3: a certificate authority asks for these in plain HTTP
HTTPS_PORT = 443
HSTS = b"Strict-Transport-Security"


class HttpsRefusal(Responder):
    """Responds to plain HTTP on a port for TLS: 400, with a link to the same page by https."""

    def __init__(self, changes: FieldChanges) -> None:
        self._pages = ErrorPages(changes)

    def respond(self, head: RequestHead) -> Response:
        """Return the refusal of a request."""
        return self.refuse(BadRequest(400, "This port speaks HTTPS: use https:// instead of http://."), head)

    def refuse(self, error: HTTPError, head: RequestHead | None) -> Response:
        link = "" if head is None else _find_url(head)
        response = self._pages.make(error, head, link=link)
        return make_bodiless(response) if head is not None and head.method == b"HEAD" else response


class HttpsRedirect(Responder):
    """Redirects each request to the same URL by https at ``port``; ``handler`` has the challenges of ACME.

    ``hosts`` are those to serve beside the loopback names, as the handler's.
    """

    def __init__(self, handler: Responder, hosts: tuple[bytes, ...], port: int, changes: FieldChanges) -> None:
        self._handler = handler
        self._hosts = hosts
        self._port = port
        self._changes = changes
        self._pages = ErrorPages(changes)
        self._edit = FieldEdit(_drop_hsts)

    def respond(self, head: RequestHead) -> Response | Deferred:
        try:
            target = parse_target(head.target, head.is_secure)
            if target.path.startswith(CHALLENGES):
                return self._without_hsts(self._handler.respond(head))
            return self._redirect(head, target)
        except HTTPError as error:
            return self.refuse(error, head)

    def _without_hsts(self, answer: Response | Deferred) -> Response | Deferred:
        if isinstance(answer, Deferred):
            return answer.map(self._without_hsts)
        return self._edit.apply(answer, answer.user)

    def refuse(self, error: HTTPError, head: RequestHead | None) -> Response:
        response = self._pages.make(error, head)
        return make_bodiless(response) if head is not None and head.method == b"HEAD" else response

    def _redirect(self, head: RequestHead, target: Target) -> Response:
        authority = head.authority if target.authority is None else target.authority
        if target.asterisk or authority is None:
            raise HTTPError(400, "The request target cannot be redirected.")
        if not check_host(authority, self._hosts):
            raise HTTPError(421, "This server does not serve that host name; --allowed-host NAME allows it.")
        url = make_https_url(parse_host(authority)[0], self._port, _path_of(head.target))
        # Not by its default: a permanent redirect would outlive the port that it names (RFC 9111 §4.2.2).
        fields = ((b"Location", url), NO_CACHE)
        response = make_page(308, TEXT, b"Moved to %b\n" % url, fields, self._changes)
        return make_bodiless(response) if head.method == b"HEAD" else response


def _drop_hsts(fields: tuple[Field, ...]) -> tuple[Field, ...]:
    """Return the fields without HSTS, which plain HTTP must not have (RFC 6797 §7.2)."""
    return tuple(field for field in fields if field[0] != HSTS)


def make_https_url(host: bytes, port: int, path: bytes) -> bytes:
    """Return the URL of a path, which may have a query; the default port is left out (RFC 9110 §4.2.2)."""
    return b"https://%b%b" % (host, path) if port == HTTPS_PORT else b"https://%b:%d%b" % (host, port, path)


def _path_of(target: bytes) -> bytes:
    """Return the path and query of a valid target without the authority of an absolute-form, as they were sent.

    Only bytes that no URL contains are encoded.
    """
    target = encode_query(target.partition(b"#")[0])
    if target.startswith(b"/"):
        return target
    rest = target.partition(b"://")[2]
    starts = [index for index in (rest.find(b"/"), rest.find(b"?")) if index >= 0]
    path = rest[min(starts) :] if starts else b"/"
    return path if path.startswith(b"/") else b"/" + path


def _find_url(head: RequestHead) -> str:
    """Return the URL by https of what was asked for at this port; empty if the request does not name it."""
    try:
        target = parse_target(head.target, head.is_secure)
        authority = head.authority if target.authority is None else target.authority
        if target.asterisk or authority is None:
            return ""
        host, port = parse_host(authority)
    except HTTPError:
        return ""
    return make_https_url(host, port or HTTPS_PORT, _path_of(head.target)).decode("ascii", "replace")
