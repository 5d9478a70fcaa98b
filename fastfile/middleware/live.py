"""Live reload (--live): middleware that puts a script into pages, and responds to the script's requests.

A page is HTML in the response to a navigation. Downloads, fragments that scripts fetch, XHTML, SVG and XML do not
change. The script opens a WebSocket, through which dev/ tells the page what has changed.
"""

from __future__ import annotations

import hashlib
import re
import secrets
from collections.abc import Callable
from functools import partial
from os import pread
from typing import Final, Protocol

from fastfile.clock import Clock
from fastfile.config.config import Config
from fastfile.errors import HTTPError, make_unavailable
from fastfile.http import csp
from fastfile.http.authority import check_host, parse_host
from fastfile.http.field_changes import FieldChanges
from fastfile.http.negotiation import likes_best
from fastfile.http.websocket import accept_handshake
from fastfile.message import Deferred, Field, FileSlice, RequestHead, Response, ResponseHead
from fastfile.middleware.injection import LOOK, InjectedPage, cut, find_start
from fastfile.responder import Middleware, Responder, has_field
from fastfile.site.handler import allowed_hosts
from fastfile.site.representation import NO_CACHE, NO_SNIFFING, make_bodiless, make_response
from fastfile.upgrade import Session, Upgrade

PATH = b"/.fastfile/live"
SCRIPT_PATH = PATH + b".js"
WAIT_S = 3.0  # a request waits so long for a build to end, in all
_DOCUMENTS = (b"document", b"iframe", b"frame")
_SCRIPT_TYPE: Field = (b"Content-Type", b"text/javascript; charset=utf-8")
_FOR_A_YEAR: Field = (b"Cache-Control", b"max-age=31536000, immutable")
_VARY: Final = FieldChanges(((b"Vary", b"Accept, Sec-Fetch-Dest"),))
_NAME = re.compile(rb"[A-Za-z0-9.-]+(?::[0-9]+)?")  # an authority as CSP can name it
# For a service worker that an earlier project left on this port: the script that its browser requests ends it.
_END_OF_WORKER = b"""\
self.addEventListener("install", () => self.skipWaiting());
self.addEventListener("activate", (event) => event.waitUntil(end()));
async function end() {
  await self.registration.unregister();
  for (const page of await self.clients.matchAll({ type: "window" })) page.navigate(page.url);
}
"""


class Pages(Protocol):
    """What knows the open pages (dev/pages.py). ``is_closed``: another server follows."""

    is_closed: bool

    def open(self) -> Session:
        """Return the session of a page that connects."""

    def note(self, target: bytes) -> None:
        """Note that a target is about to be looked up for a client."""

    def note_found(self, target: bytes, is_file: bool) -> None:
        """Note that something is there."""

    def wait(self, target: bytes, is_missing: bool) -> Callable[[], None] | None:
        """Return work for a thread that waits until the files are settled; None if they are."""


class Live(Middleware):
    """Around the handler itself. ``script`` is what runs in the pages."""

    def __init__(self, handler: Responder, config: Config, clock: Clock, pages: Pages, script: bytes) -> None:
        super().__init__(handler)
        self._clock = clock
        self._pages = pages
        self._allowed = allowed_hosts(config)
        self._max_ranges = config.limit_ranges
        self._tag = hashlib.blake2b(script, digest_size=6).hexdigest().encode()
        # A 304 does not change the earlier page, so the nonce must last as long as the entity tag.
        self._nonce = secrets.token_urlsafe(12).encode()
        fields = (_SCRIPT_TYPE, NO_SNIFFING)
        self._script = make_response(200, (*fields, _FOR_A_YEAR), script)
        self._script_of_now = make_response(200, (*fields, NO_CACHE), script)
        self._end_of_worker = make_response(200, (*fields, NO_CACHE), _END_OF_WORKER)

    def respond(self, head: RequestHead) -> Response | Deferred:
        path, _, query = head.target.partition(b"?")
        if path.startswith(PATH) and path in (PATH, SCRIPT_PATH):
            try:
                return self._respond_ourselves(head, path, query)
            except HTTPError as error:
                return self.handler.refuse(error, head)
        self._pages.note(head.target)
        return self._look_at(head, self._ask(head), self._clock.monotonic_s + WAIT_S)

    def _respond_ourselves(self, head: RequestHead, path: bytes, query: bytes) -> Response:
        if path == PATH:
            return self._open(head)
        if head.method not in (b"GET", b"HEAD"):
            raise HTTPError(405, "Only GET and HEAD are allowed.", ((b"Allow", b"GET, HEAD"),))
        response = self._script if query == self._tag else self._script_of_now
        return make_bodiless(response) if head.method == b"HEAD" else response

    def _open(self, head: RequestHead) -> Response:
        """Take up the WebSocket of a page. Raises HTTPError: 403 for a page of another site."""
        fields = accept_handshake(head)
        if head.authority is not None and not check_host(head.authority, self._allowed):
            raise HTTPError(421, "This server does not serve that host name; --allowed-host NAME allows it.")
        origin = head.field(b"origin")
        if origin is not None and not self._is_own(origin, head.authority):
            raise HTTPError(403, "Pages of other sites may not open this WebSocket.")
        if self._pages.is_closed:
            raise make_unavailable("The server is stopping.")
        return Upgrade(ResponseHead(101, fields), self._pages.open())

    def _is_own(self, origin: bytes, authority: bytes | None) -> bool:
        """Tell whether a page of an origin is one of this server's (RFC 6455 §10.2)."""
        scheme, _, name = origin.partition(b"://")
        port = {b"http": 80, b"https": 443}.get(scheme.lower())
        if port is None or authority is None:
            return False
        try:
            host, given = parse_host(name)
            own, own_port = parse_host(authority)
        except HTTPError:
            return False
        # Behind a proxy that ends TLS, both have the name of the proxy, and neither has a port.
        return host == own and (given or port) == (own_port or port)

    def _ask(self, head: RequestHead) -> Response | Deferred:
        """Return the handler's response: for a page without conditions and ranges, since they hold for what is sent."""
        return self.handler.respond(_copy(head, head.accept_encoding) if is_page_request(head) else head)

    def _look_at(
        self, head: RequestHead, response: Response | Deferred, until_s: float, again: bool = False
    ) -> Response | Deferred:
        """Return what a request gets, for which the handler has this response; it waits for a build at most so long."""
        if isinstance(response, Deferred):
            return response.map(lambda response: self._look_at(head, response, until_s, again))
        is_missing = response.status == 404 and head.method in (b"GET", b"HEAD")
        if is_missing and head.field(b"service-worker") == b"script":
            return self._end_of_worker
        is_page = is_page_request(head)
        if (is_missing or (is_page and not again)) and self._clock.monotonic_s < until_s:
            # In the middle of a build, what is missing may be there in a moment, and a page may have new parts.
            work = self._pages.wait(head.target, is_missing)
            if work is not None:
                return Deferred(work, lambda future: self._look_again(head, until_s))
        if response.status < 400:
            self._pages.note_found(head.target, has_field(response.fields, b"accept-ranges"))  # no listing has it
        if not is_page:
            return response
        if _is_page(response) and has_field(response.fields, b"content-encoding"):
            return self._inject(head, self.handler.respond(_copy(head, None)))
        return self._inject(head, response)

    def _look_again(self, head: RequestHead, until_s: float) -> Response | Deferred:
        self._pages.note(head.target)
        return self._look_at(head, self._ask(head), until_s, True)

    def _inject(self, head: RequestHead, response: Response | Deferred) -> Response | Deferred:
        if isinstance(response, Deferred):
            return response.map(lambda response: self._inject(head, response))
        if not _is_page(response) or has_field(response.fields, b"content-encoding"):
            return self.handler.respond(head)
        first = response.parts[0] if response.parts else b""
        if isinstance(first, FileSlice):
            read = partial(_read, first)  # which keeps the file open
            return Deferred(read, lambda future: self._inject_into(head, response, future.result()))
        return self._inject_into(head, response, first)

    def _inject_into(self, head: RequestHead, response: Response, start: bytes) -> Response | Deferred:
        """Return what a request gets of a page that begins with ``start``, with the script in it."""
        position = find_start(start[:LOOK])
        if position is None:
            return self.handler.respond(head)
        has_nonce = any(csp.needs_nonce(value) for name, value in response.fields if name.lower() in csp.FIELDS)
        nonce = b' nonce="%b"' % self._nonce if has_nonce else b""
        script = b'<script src="%b?%b"%b></script>' % (SCRIPT_PATH, self._tag, nonce)
        before, after = cut(response.parts, 0, position), cut(response.parts, position, response.body_size)
        tag = self._tag + self._nonce if has_nonce else self._tag
        fields = self._edit(response.fields, tag, head.authority)
        page = InjectedPage(response.status, (*before, script, *after), fields)
        try:
            injected = page.answer(head, self._clock.wall_s, self._max_ranges)
        except HTTPError as error:
            return self.handler.refuse(error, head)
        return make_bodiless(injected) if head.method == b"HEAD" else injected

    def _edit(self, fields: tuple[Field, ...], tag: bytes, authority: bytes | None) -> tuple[Field, ...]:
        """Return the fields of a page with the script: its own entity tag, and a policy that allows the script."""
        edited = []
        for name, value in fields:
            lower = name.lower()
            if lower == b"etag":
                edited.append((name, b'%b-live-%b"' % (value.removesuffix(b'"'), tag)))
            elif lower in csp.FIELDS:
                edited.append((name, csp.extend_policies(value, *self._sources(authority))))
            # The date is the file's: a page of another version of the script would seem unchanged by it.
            elif lower != b"last-modified":
                edited.append((name, value))
        return _VARY.apply(edited)

    def _sources(self, authority: bytes | None) -> tuple[bytes, bytes, tuple[bytes, ...]]:
        """Return the source expressions of the script and of the WebSocket; CSP has none for an address of IPv6."""
        if authority is None or not _NAME.fullmatch(authority):
            return b"'self'", self._nonce, (b"'self'",)
        address = authority + PATH
        return authority + SCRIPT_PATH, self._nonce, (b"ws://" + address, b"wss://" + address)


def is_page_request(head: RequestHead) -> bool:
    """Tell whether a browser asks for a page to show, in a tab or a frame (Fetch Metadata §2.1)."""
    if head.method not in (b"GET", b"HEAD"):
        return False
    destination = head.field(b"sec-fetch-dest")
    if destination is not None:
        return destination in _DOCUMENTS
    # Browsers do not say it to a server on the network without TLS. Scripts that fetch fragments often name themselves.
    return likes_best(head.field(b"accept"), b"text/html") == "named" and head.field(b"x-requested-with") is None


def _is_page(response: Response) -> bool:
    """Tell whether a response is an HTML page as a whole, and no download."""
    if response.source is not None or not (response.status == 200 or response.status >= 400):
        return False
    fields = {name.lower(): value for name, value in response.fields}
    media_type = fields.get(b"content-type", b"").partition(b";")[0].strip().lower()
    return media_type == b"text/html" and not fields.get(b"content-disposition", b"").lower().startswith(b"attachment")


def _read(part: FileSlice) -> bytes:
    return pread(part.fd, min(part.count, LOOK), part.offset)


def _copy(head: RequestHead, accept_encoding: bytes | None) -> RequestHead:
    """Return a GET for the same target without preconditions and range."""
    copy = RequestHead(
        b"GET",
        head.target,
        head.minor_version,
        head.size,
        head.field_lines,
        head.keep_alive,
        authority=head.authority,
        accept_encoding=accept_encoding,
    )
    copy.peer = head.peer
    return copy
