"""Access by user name and password (--auth): middleware around the handler. RFC 7617, RFC 9110 §11.

It runs before any code that could reveal what exists. A thread hashes each password once for all simultaneous requests
with it, and the result is cached under a digest keyed with a secret of this process, so a page of 200 files costs one
hash. CORS preflights need no password: they never carry credentials.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import Future
from functools import partial
from hashlib import blake2b
from weakref import WeakValueDictionary

from fastfile.clock import Clock
from fastfile.config.config import Config
from fastfile.config.passwords import Hash, parse_hash, split_user, verify
from fastfile.errors import HTTPError, make_failure, make_unavailable
from fastfile.http.credentials import maybe_basic
from fastfile.http.fields import split_list
from fastfile.message import Deferred, Field, RequestHead, Response
from fastfile.middleware.cors import is_preflight
from fastfile.responder import FieldEdit, Middleware, Responder

# Right credentials are accepted for this time without another hash. SIGHUP ends it at once.
ADMITTED_S = 600.0
REFUSED_S = 10.0  # a program that repeats a wrong password costs one hash in this time
MAX_REMEMBERED = 1024  # right and wrong credentials together
# Distinct credentials that are being hashed or wait for it; more get 503. A hash takes about 60 ms, in four threads.
MAX_CHECKS = 16
# The share of one client address, so that guesses from one machine do not lock out users on others. Loopback and Unix
# sockets are exempt: behind a proxy, all clients have that address.
MAX_CHECKS_OF_CLIENT = 4
RESERVED_CHECKS = 16  # in addition to MAX_CHECKS, for credentials that were right before
MAPPED = bytes(10) + b"\xff\xff"  # prefix of an IPv4 address on a socket for both families (RFC 4291 §2.5.5.2)
NOBODY = (0.0, b"")
CHALLENGE = (b"WWW-Authenticate", b'Basic realm="Restricted", charset="UTF-8"')


class Check:
    """One verification of credentials, shared by all requests that wait for it."""

    __slots__ = ("__weakref__", "_password", "client", "hashed")

    def __init__(self, hashed: Hash, password: bytes, client: bytes) -> None:
        self.hashed = hashed
        self._password = password
        self.client = client  # the client that sent them first

    def __call__(self) -> bool:
        return verify(self.hashed, self._password)


class Auth(Middleware):
    """Passes requests of the users of ``config.auth`` to ``handler``; ``log_failure`` reports bugs."""

    def __init__(
        self, handler: Responder, config: Config, clock: Clock, log_failure: Callable[[BaseException], None]
    ) -> None:
        super().__init__(handler)
        self._clock = clock
        self._log_failure = log_failure
        self._users = {user.encode(): parse_hash(hashed) for user, hashed in map(split_user, config.auth)}
        # Decoys: hashes of no password, as costly as those of the users, checked for unknown names.
        self._decoys = [hashed.make_decoy() for hashed in self._users.values()]
        # The same in all workers and after each restart, so that a name always costs the same; secret from clients.
        self._decoy_key = blake2b("\n".join(config.auth).encode(), digest_size=32).digest()
        self._has_preflights = bool(config.cors)
        self._secret = os.urandom(32)
        # By the digest of the field's value: the time when it expires, and the user.
        self._admitted: dict[bytes, tuple[float, bytes]] = {}
        self._refused: dict[bytes, tuple[float, bytes]] = {}
        self._checks: WeakValueDictionary[bytes, Check] = WeakValueDictionary()
        self._privacy = FieldEdit(make_private)

    def respond(self, head: RequestHead) -> Response | Deferred:
        """Return the handler's response for a known user; else 401, or a Deferred that checks the password."""
        value = head.field(b"authorization")
        if value is None:
            return self.handler.respond(head) if self._is_open(head) else self._challenge(head)
        key = blake2b(value, key=self._secret, digest_size=16).digest()
        now_s = self._clock.monotonic_s
        until_s, user = self._admitted.get(key, NOBODY)
        if until_s > now_s:
            return self._mark(self.handler.respond(head), user)
        if self._is_open(head):
            return self.handler.respond(head)
        if self._refused.get(key, NOBODY)[0] > now_s:
            return self._challenge(head)
        return self._verify(head, key, value)

    def _is_open(self, head: RequestHead) -> bool:
        return self._has_preflights and is_preflight(head)

    def _challenge(self, head: RequestHead) -> Response:
        return self.refuse(HTTPError(401, "This site requires a user name and a password.", (CHALLENGE,)), head)

    def _verify(self, head: RequestHead, key: bytes, value: bytes) -> Response | Deferred:
        credentials = maybe_basic(value)
        if credentials is None or not self._users:
            return self._challenge(head)
        user, password = credentials
        check = self._checks.get(key)
        if check is None:
            client = get_client(head.peer)
            if not self._has_room(key, client):
                return self.refuse(make_unavailable("There are too many logins at once; try again in a moment."), head)
            hashed = self._users.get(user) or self._choose_decoy(user)
            check = self._checks[key] = Check(hashed, password, client)
        return Deferred(check, partial(self._finish, head, key, user))

    def _has_room(self, key: bytes, client: bytes) -> bool:
        """Tell whether one more check may begin, of the credentials ``key`` from ``client``."""
        checks = list(self._checks.values())
        if key in self._admitted:  # they were right before, but have expired
            return len(checks) < MAX_CHECKS + RESERVED_CHECKS
        if client and sum(check.client == client for check in checks) >= MAX_CHECKS_OF_CLIENT:
            return False
        return len(checks) < MAX_CHECKS

    def _choose_decoy(self, user: bytes) -> Hash:
        """Return the decoy for an unknown name: always the same one, distributed like the users' costs."""
        number = int.from_bytes(blake2b(user, key=self._decoy_key, digest_size=8).digest(), "big")
        return self._decoys[number % len(self._decoys)]

    def _finish(self, head: RequestHead, key: bytes, user: bytes, future: Future[bool]) -> Response | Deferred:
        try:
            admitted = future.result()
        except Exception as error:  # for example no memory for the hash
            self._log_failure(error)
            return self.refuse(make_failure(), head)
        now_s = self._clock.monotonic_s
        if not admitted:
            _remember(self._refused, key, (now_s + REFUSED_S, user))
            return self._challenge(head)
        _remember(self._admitted, key, (now_s + ADMITTED_S, user))
        return self._mark(self.handler.respond(head), user)

    def _mark(self, response: Response | Deferred, user: bytes) -> Response | Deferred:
        """Name the user for the log, and keep the response out of shared caches (RFC 9111 §3.5), whatever rules say."""
        if isinstance(response, Deferred):
            return response.map(lambda response: self._mark(response, user))
        return self._privacy.apply(response, user)


def get_client(peer: bytes) -> bytes:
    """Return the part of an address that counts as one client: a /64 of IPv6; empty for this machine's own."""
    if len(peer) == 16:
        if not peer.startswith(MAPPED):
            return b"" if peer == bytes(15) + b"\x01" else peer[:8]
        peer = peer[12:]
    return b"" if peer.startswith(b"\x7f") else peer


def make_private(fields: tuple[Field, ...]) -> tuple[Field, ...]:
    """Return fields that only the user's own cache may keep: Cache-Control with private and without public.

    no-store stays alone: it is stricter (RFC 9111 §5.2.2.5).
    """
    cache_control = [field for field in fields if field[0].lower() == b"cache-control"]
    asked = [directive for _, value in cache_control for directive in split_list(value)]
    directives = [directive for directive in asked if directive.lower() != b"public"]
    if any(directive.lower() in (b"private", b"no-store") for directive in directives):
        return fields
    value = b", ".join([b"private", *directives])
    if not cache_control:
        return (*fields, (b"Cache-Control", value))
    first = cache_control[0]
    kept = [field for field in fields if field is first or field not in cache_control]
    return tuple([(first[0], value) if field is first else field for field in kept])


def _remember(found: dict[bytes, tuple[float, bytes]], key: bytes, verdict: tuple[float, bytes]) -> None:
    found.pop(key, None)
    if len(found) >= MAX_REMEMBERED:
        del found[next(iter(found))]  # the oldest
    found[key] = verdict
