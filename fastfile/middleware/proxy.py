"""Forwards requests beneath the paths of --proxy to their upstreams: middleware around the files, inside of --auth.

It decides what goes upstream: the path, the fields, and whose name. It knows no sockets: ``send`` does the rest.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from functools import partial

from fastfile.config.config import Config
from fastfile.config.proxy_values import Upstream
from fastfile.errors import HTTPError
from fastfile.http.authority import check_host, parse_host
from fastfile.http.intermediaries.relay import (
    Names,
    is_last_recipient,
    is_looping,
    is_websocket,
    make_request_fields,
    make_response_fields,
    make_upgrade_fields,
)
from fastfile.http.target import check_escapes, encode_query, split_target
from fastfile.message import UNKNOWN_SIZE, Deferred, Field, RequestHead, Response, ResponseHead, Source
from fastfile.records import NamedTuple
from fastfile.relayed import Relayed, RequestBody, Upload
from fastfile.responder import Middleware, Responder
from fastfile.site.handler import allowed_hosts
from fastfile.site.shared import Note, take_no_note
from fastfile.upgrade import Session, Upgrade

# CONNECT has no path, and TRACE shows a page's script the credentials that its browser adds (RFC 9110 §9.3.8).
_NOT_FORWARDED = (b"CONNECT", b"TRACE")
_BODILESS = (204, 304)


class Forward(NamedTuple):
    """A request for the upstream at a place in the settings. ``upgrades``: it opens a WebSocket.

    ``names`` are for the fields of its responses.
    """

    place: int
    method: bytes
    target: bytes
    fields: list[Field]
    body: RequestBody | None
    expects_continue: bool
    upgrades: bool
    names: Names


class Received(NamedTuple):
    """The head of an upstream's response; ``session`` has the connection after a 101.

    ``size`` is the size of its body, UNKNOWN_SIZE if its end is not known yet.
    """

    status: int
    fields: list[Field]
    size: int
    source: Source | None
    session: Session | None


Send = Callable[[Forward], Callable[[], Received]]


class Proxy(Middleware):
    """``send`` returns the work of a Deferred, which results in the upstream's response or raises HTTPError.

    ``note`` gets what is forwarded, for `fastfile explain`.
    """

    def __init__(self, handler: Responder, config: Config, send: Send, note: Note = take_no_note) -> None:
        super().__init__(handler)
        self._send = send
        self._note = note
        self._upstreams = config.proxy
        self._allowed = allowed_hosts(config)
        self._hides_credentials = bool(config.auth)
        self._routes = make_routes(config)

    def takes(self, head: RequestHead) -> bool:
        """Tell whether a request would be forwarded, so that its body must not be read before it is responded to."""
        return find_route(head, self._routes) is not None

    def respond(self, head: RequestHead) -> Response | Deferred:
        route = find_route(head, self._routes)
        if route is None:
            return self.handler.respond(head)
        index, suffix = route
        try:
            return self._forward(head, index, suffix)
        except HTTPError as error:
            return self.handler.refuse(error, head)

    def _forward(self, head: RequestHead, index: int, suffix: bytes) -> Response | Deferred:
        """Return the deferred response of an upstream; ``suffix`` is the target without the prefix."""
        upstream = self._upstreams[index]
        authority = self._check(head, suffix)
        if is_last_recipient(head):
            return self.handler.respond(head)
        target = make_target(upstream, suffix)
        self._note("proxy", b"%b%b" % (upstream.url.removesuffix(upstream.base).encode(), target))
        own = upstream.authority.encode()
        host = authority if upstream.keeps_host and authority else own
        upgrades = is_websocket(head)
        fields = make_request_fields(head, host, authority, upgrades, self._hides_credentials)
        body = head.body if isinstance(head, Upload) else None
        if upgrades and body is not None:
            raise HTTPError(400, "A WebSocket handshake has no content.")
        expects = body is not None and head.expect is not None and head.minor_version > 0
        prefix, base = upstream.prefix.encode(), upstream.base.encode()
        names = Names(prefix, base, upstream.strips, own, authority, head.is_secure)
        work = self._send(Forward(index, head.method, target, fields, body, expects, upgrades, names))
        return Deferred(work, partial(self._finish, head, upstream, names))

    def _check(self, head: RequestHead, suffix: bytes) -> bytes | None:
        """Return the authority of a request. Raises HTTPError unless the request may be forwarded."""
        named, path, _ = split_target(head.target, head.is_secure)
        check_escapes(path)
        if named is not None and head.authority is not None:
            parse_host(head.authority)
        authority = head.authority if named is None else named
        # A page whose name was rebound to this machine must not reach the upstream either.
        if authority is not None and not check_host(authority, self._allowed):
            raise HTTPError(421, "This server does not serve that host name; --allowed-host NAME allows it.")
        if has_dot_segments(suffix):
            raise HTTPError(400, "The request target has dot segments, which are not forwarded.")
        if is_looping(head):
            raise HTTPError(502, "The request has come through this server several times: --proxy leads back to it.")
        return authority

    def _finish(self, head: RequestHead, upstream: Upstream, names: Names, job: Future[Received]) -> Response:
        try:
            received = job.result()
        except HTTPError as error:
            refusal = self.handler.refuse(error, head)
            return Relayed(refusal.head, upstream.url.encode(), refusal.parts, refusal.body_size, refusal.close)
        if received.session is not None:
            return Upgrade(ResponseHead(101, make_upgrade_fields(received.fields)), received.session)
        fields = make_response_fields(received.fields, names)
        if received.size != UNKNOWN_SIZE and received.status not in _BODILESS:
            fields = (*fields, (b"Content-Length", b"%d" % received.size))
        has_body = received.source is not None
        size = received.size if has_body else 0
        return Relayed(
            ResponseHead(received.status, fields), upstream.url.encode(), body_size=size, source=received.source
        )


def make_routes(config: Config) -> list[tuple[list[bytes], int | None]]:
    """Return the segments of each prefix and the index of its upstream, the longest first; None is a folder's."""
    routes: dict[str, int | None] = {path.strip("/"): None for path, _ in config.mount}
    routes |= {upstream.prefix.strip("/"): index for index, upstream in enumerate(config.proxy)}
    split = [([segment for segment in path.encode().split(b"/") if segment], index) for path, index in routes.items()]
    return sorted(split, key=lambda route: -len(route[0]))


def find_route(head: RequestHead, routes: list[tuple[list[bytes], int | None]]) -> tuple[int, bytes] | None:
    """Return the index of the upstream of a request, and its target without the prefix; None for files."""
    target = head.target
    if head.method in _NOT_FORWARDED or target == b"*":
        return None
    if not target.startswith(b"/"):
        target = target.partition(b"://")[2]
        start = min((index for index in map(target.find, (b"/", b"?", b"#")) if index >= 0), default=len(target))
        target = target[start:]
    path, mark, query = target.partition(b"#")[0].partition(b"?")
    for prefix, index in routes:
        rest = _maybe_suffix(path, prefix)
        if rest is not None:
            return None if index is None else (index, rest + mark + query)
    return None


def _maybe_suffix(path: bytes, prefix: list[bytes]) -> bytes | None:
    """Return the path behind a prefix; None if it has another. Empty and dot segments before it do not count."""
    segments = path.split(b"/")
    matched = 0
    for place, raw in enumerate(segments):
        segment = _decode(raw)
        if matched == len(prefix):
            return b"/" + b"/".join(segments[place:])
        if segment in (b"", b"."):
            continue
        if segment != prefix[matched]:
            return None
        matched += 1
    return b"" if matched == len(prefix) else None


def make_target(upstream: Upstream, suffix: bytes) -> bytes:
    """Return the target for an upstream: it begins with what was named, and with exactly one slash.

    Bytes that no URL contains are encoded.
    """
    prefix = upstream.base if upstream.strips else upstream.base + upstream.prefix
    path, mark, query = encode_query(suffix).partition(b"?")
    return b"/" + (prefix.encode() + path).lstrip(b"/") + mark + query


def has_dot_segments(suffix: bytes) -> bool:
    r"""Tell whether any reader of a path could find a dot segment in it.

    Readers differ on ``%2e``, on encoded slashes and backslashes, on ``..;x`` and on escapes of escapes.
    """
    path = suffix.partition(b"?")[0]
    for _ in range(3):
        pieces = path.replace(b"\\", b"/").split(b"/")
        if any(piece.partition(b";")[0] in (b".", b"..") for piece in pieces):
            return True
        path, before = _decode(path), path
        if path == before:
            return False
    return False


def _decode(segment: bytes) -> bytes:
    """Percent-decode what is encoded; a malformed escape stays, and parse_target() refuses it."""
    if b"%" not in segment:
        return segment
    first, *rest = segment.split(b"%")
    decoded = [first]
    for part in rest:
        try:
            decoded.append(bytes.fromhex(part[:2].decode("ascii")) + part[2:] if len(part) >= 2 else b"%" + part)
        except ValueError:
            decoded.append(b"%" + part)
    return b"".join(decoded)


def forward_nothing(forward: Forward) -> Callable[[], Received]:
    """Send nothing: the response is empty, and names the upstream."""
    return lambda: Received(200, [], 0, None, None)
