"""The handler: a request head in, a response out. No sockets, no clock of its own; it reads top to bottom.

The way of a request that is not in the cache (``_respond``):

 1. method          a known one that we have, or 405 / 501            RFC 9110 §9
 2. target          decoded once, dot segments resolved               RFC 9112 §3.2
 3. authority       allowed, or 421                                   RFC 9110 §7.2, §7.4
 4. entry           the cached one if it is fresh, else from the disk (lookup.py); an app's page for a navigation
 5. representation  the file or one of its encoded variants           RFC 9110 §12.5.3
 6. preconditions   304, 412                                          RFC 9110 §13.2.2
 7. range           206, 416                                          RFC 9110 §14.2
 8. response        ready made in the representation                  representation.py

A GET of a cached, unchanged file skips to 5 by the bytes of its target, less the query.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

from fastfile.config.config import Config
from fastfile.errors import HTTPError, Postponed, make_failure, make_not_found
from fastfile.http.authority import check_host, is_loopback_host, parse_host
from fastfile.http.conditional import Precondition, check_preconditions, if_range_matches
from fastfile.http.field_changes import Field
from fastfile.http.navigation import is_navigation
from fastfile.http.ranges import make_unsatisfied_range, parse_range
from fastfile.http.target import Target, parse_target
from fastfile.message import Deferred, RequestHead, Response, ResponseHead
from fastfile.responder import Responder
from fastfile.site.common_fields import preflight_fields
from fastfile.site.entry import Entry
from fastfile.site.error_pages import make_error, make_vary
from fastfile.site.mounts import Mounts
from fastfile.site.representation import Representation, make_bodiless
from fastfile.site.shared import Shared

if TYPE_CHECKING:
    from concurrent.futures import Future

# The methods of RFC 9110 §9.3 and RFC 5789: refused with 405, any other with 501.
KNOWN_METHODS = {b"GET", b"HEAD", b"OPTIONS", b"POST", b"PUT", b"DELETE", b"CONNECT", b"TRACE", b"PATCH"}
ALLOW: Field = (b"Allow", b"GET, HEAD, OPTIONS")
QUESTION_MARK = ord("?")
MAX_AUTHORITIES = 64  # distinct allowed Host values that are cached


class Handler(Responder):
    """Responds to requests for the sites of ``mounts``.

    ``log_failure`` reports bugs; the client gets a 500.
    """

    def __init__(self, mounts: Mounts, shared: Shared, log_failure: Callable[[BaseException], None]) -> None:
        config, changes = shared.config, shared.changes
        self._mounts = mounts
        self._entries: dict[bytes, Entry] = shared.cache.entries
        self._pages = shared.pages
        self._clock = shared.clock
        self._log_failure = log_failure
        self._options = Response(ResponseHead(204, changes.apply((ALLOW, *preflight_fields(config)))))
        self._allowed_hosts = allowed_hosts(config)
        self._max_ranges = config.limit_ranges
        self._authorities: set[bytes | None] = set()
        self._last_authority: bytes | None = b"none yet"  # an allowed one; the parser returns the same object again
        self.hits = 0  # requests that found a fresh entry in the cache

    def respond(self, head: RequestHead) -> Response | Deferred:
        representation = None
        entry = self._known_entry(head)
        if entry is not None and head.method == b"GET":
            entry.used = True
            if head.plain and entry.only is not None:
                return entry.only
            if entry.status == 200:
                representation = entry.select(head.accept_encoding, head.range is not None)
                if head.plain:
                    return representation.full
            elif entry.fallback is None:
                return self._make_absence(entry, head)
        try:
            if representation is not None:
                return self._respond_conditionally(head, representation)
            response = self._respond(head, entry)
        except Exception as error:
            response = self._recover(error, head)
        return self._complete(response, head)

    def refuse(self, error: HTTPError, head: RequestHead | None) -> Response:
        response = self._pages.make(error, head)
        return make_bodiless(response) if head is not None and head.method == b"HEAD" else response

    def find(self, head: RequestHead) -> Entry | Response | Deferred:
        """Return what a target leads to, whatever the request says of representations; for the dev loop.

        Raises HTTPError, OSError, and Postponed if work must be done first.
        """
        site, target = self._mounts.find(parse_target(head.target))
        found = site.find(target, head)
        if isinstance(found, Entry) and found.status != 200 and found.fallback is not None and is_navigation(head):
            return found.fallback
        return found

    def look_around(self) -> None:
        """Look for changes that no request notices; called about once a second."""
        self._mounts.look_around()

    def _known_entry(self, head: RequestHead) -> Entry | None:
        """Return the cached entry if it is fresh and the authority is known to be allowed."""
        entry = self._entries.get(head.target)
        if entry is None and QUESTION_MARK in head.target:
            # Entries that are cached under a path do not depend on the query, so the key has no query, and a flood of
            # queries takes no memory.
            entry = self._entries.get(head.target.partition(b"?")[0])
        if entry is None or not entry.is_fresh(self._clock):
            return None
        if head.authority is not self._last_authority:
            if head.authority not in self._authorities:
                return None
            self._last_authority = head.authority
        self.hits += 1
        return entry

    def _make_absence(self, entry: Entry, head: RequestHead) -> Response:
        """Return the 404: the site's own page for it, or fastfile's."""
        if entry.identity is None:
            return self._pages.make_absence(head, entry.hint)
        return entry.select(head.accept_encoding, False).full

    def _complete(self, response: Response | Deferred, head: RequestHead) -> Response | Deferred:
        if isinstance(response, Deferred):
            return self._complete_later(response, head)
        return make_bodiless(response) if head.method == b"HEAD" else response

    def _complete_later(self, deferred: Deferred, head: RequestHead) -> Deferred:
        return deferred.map(lambda response: self._complete(response, head), lambda error: self._recover(error, head))

    def _recover(self, error: Exception, head: RequestHead) -> Response:
        if isinstance(error, OSError):
            error = make_error(error)
        elif not isinstance(error, HTTPError):
            self._log_failure(error)
            error = make_failure()
        return self._pages.make(error, head, self._failure_page(head) if error.status >= 500 else None)

    def _failure_page(self, head: RequestHead) -> bytes | None:
        try:
            site, target = self._mounts.find(parse_target(head.target, head.is_secure))
            return site.failure_page(target.path)
        except HTTPError:  # the target is malformed, or the site's rules failed
            return None

    def _respond(self, head: RequestHead, entry: Entry | None) -> Response | Deferred:
        """Return the response; ``entry`` is the cached one if it is fresh and the authority is allowed, or None."""
        if head.method != b"GET":
            check_method(head.method)
        if entry is None and head.method != b"OPTIONS" and head.authority in self._authorities:
            only = self._mounts.only
            plain = None if only is None else only.plain
            entry = None if plain is None else plain.find(head.target)
        if entry is None or head.method == b"OPTIONS":
            target = parse_target(head.target, head.is_secure)
            self._check_authority(head, target)
            if head.method == b"OPTIONS":
                return self._options
            if target.asterisk:
                raise HTTPError(400, "The target * is only for OPTIONS.")
            site, target = self._mounts.find(target)
            try:
                found = site.find(target, head)
            except Postponed as postponed:
                return Deferred(postponed.job, partial(self._respond_again, head))
            if not isinstance(found, Entry):
                return found
            entry = found
        entry.used = True
        if entry.status != 200:
            if entry.fallback is None or not is_navigation(head):
                if entry.vary and entry.identity is None:
                    return self._pages.make(make_not_found((make_vary(entry.vary),)), head, None, entry.hint)
                return self._make_absence(entry, head)
            entry = entry.fallback
        representation = entry.select(head.accept_encoding, head.range is not None and head.method == b"GET")
        return representation.full if head.plain else self._respond_conditionally(head, representation)

    def _respond_again(self, head: RequestHead, future: Future[Any]) -> Response | Deferred:
        """Return the response once the work that it needs is done."""
        future.result()
        return self._respond(head, None)

    def _respond_conditionally(self, head: RequestHead, representation: Representation) -> Response:
        if representation.status != 200:  # RFC 9110 §13.2.1: no precondition applies to a 406
            return representation.full
        if _is_usual_revalidation(head, representation):
            return representation.not_modified()
        now_s = self._clock.wall_s
        if not _is_unconditional(head):
            outcome = check_preconditions(head, representation.etag, representation.mtime_s, now_s)
            if outcome is Precondition.NOT_MODIFIED:
                return representation.not_modified()
            if outcome is Precondition.FAILED:
                raise HTTPError(412, "The file does not meet a precondition of the request.", _vary(representation))
        size = representation.resource.size
        # RFC 9110 §14.2: Range is only for GET. An empty file has no byte to name.
        if head.range is None or head.method != b"GET" or size == 0:
            return representation.full
        if head.if_range is not None and not if_range_matches(
            head.if_range, representation.etag, representation.mtime_s, now_s
        ):
            return representation.full
        partial = representation.kept_partial(head.range)
        if partial is not None:
            return partial
        ranges = parse_range(head.range, size, self._max_ranges)
        if ranges is None:
            return representation.full
        if not ranges:
            fields = ((b"Content-Range", make_unsatisfied_range(size)), *_vary(representation))
            raise HTTPError(416, f"The file has {size} bytes; none of them is in the requested range.", fields)
        return representation.make_partial(ranges, head.range)

    def _check_authority(self, head: RequestHead, target: Target) -> None:
        # RFC 9112 §3.2.2: the authority of an absolute-form target stands in for Host.
        if target.authority is not None and head.authority is not None:
            parse_host(head.authority)  # §3.2: 400 if it is not valid, also if it is not used
        authority = head.authority if target.authority is None else target.authority
        if authority in self._authorities:
            return
        if authority is not None and not check_host(authority, self._allowed_hosts):
            raise HTTPError(421, "This server does not serve that host name; --allowed-host NAME allows it.")
        if target.authority is None:
            if len(self._authorities) >= MAX_AUTHORITIES:
                self._authorities.clear()
            self._authorities.add(authority)


def _is_usual_revalidation(head: RequestHead, representation: Representation) -> bool:
    """Tell whether the request has the current ETag, or the Last-Modified and no tag, and no other precondition."""
    if head.if_match is not None or head.if_unmodified_since is not None:  # RFC 9110 §13.2.2: they come first
        return False
    if head.if_none_match is not None:
        return head.if_none_match == representation.etag
    return head.if_modified_since is not None and head.if_modified_since == representation.last_modified


def _is_unconditional(head: RequestHead) -> bool:
    """Tell whether the request has no precondition, as most requests for a range."""
    return (
        head.if_none_match is None
        and head.if_modified_since is None
        and head.if_match is None
        and head.if_unmodified_since is None
    )


def _vary(representation: Representation) -> tuple[Field, ...]:
    return (make_vary(representation.vary),) if representation.vary else ()


def check_method(method: bytes) -> None:
    """Raise HTTPError 405 or 501 for a method that no file has."""
    if method in (b"GET", b"HEAD", b"OPTIONS"):
        return
    if method in KNOWN_METHODS:
        raise HTTPError(405, "Only GET, HEAD and OPTIONS are allowed.", (ALLOW,))
    raise HTTPError(501, "The server does not know this method.", (ALLOW,))


def allowed_hosts(config: Config) -> tuple[bytes, ...]:
    """Return the host names to serve in addition to the loopback names.

    A server that listens only on loopback is reached by browsers of this machine, and so by any page in them whose name
    was rebound to 127.0.0.1: it serves other names only with --allowed-host. Elsewhere the names are unknown: serve
    all.
    """
    if config.allowed_host:
        return tuple(name.lower().encode() for name in config.allowed_host)
    bind = config.bind.strip("[]").encode()
    if not config.host and is_loopback_host(b"[%b]" % bind if b":" in bind else bind):
        return ()
    return (b"*",)
