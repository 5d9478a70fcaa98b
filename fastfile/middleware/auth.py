"""Who may come in (--auth): a gate around the handler that asks for a user name and a password. RFC 7617, RFC 9110 §11.

It stands before all that could tell what exists. A password is hashed in a thread of the worker's pool, once for all
requests that bring it at the same time, and what was found is remembered under a digest that is keyed anew in every
process: a page of 200 files costs one hash. Open are preflights of --cors, which never have credentials, and --health.
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
from fastfile.responder import FieldEdit, Responder

# Who was let in comes back within this time without a hash; who is taken off the list is out after it, or at SIGHUP.
ADMITTED_S = 600.0
REFUSED_S = 10.0  # a program that goes on with a wrong password costs one hash in this time
MAX_REMEMBERED = 1024  # credentials of either sort
# Distinct credentials that are looked at at once; more are told to come again. At some 60 ms each, in four threads.
MAX_CHECKS = 16
NOBODY = (0.0, b"")
CHALLENGE = (b"WWW-Authenticate", b'Basic realm="Restricted", charset="UTF-8"')


class Check:
    """The work of one verification, for all who wait for it."""

    __slots__ = ("__weakref__", "_hashed", "_password")

    def __init__(self, hashed: Hash, password: bytes) -> None:
        self._hashed = hashed
        self._password = password

    def __call__(self) -> bool:
        return verify(self._hashed, self._password)


class Auth(Responder):
    """Lets the users of ``config.auth`` through to ``handler``; ``log_failure`` is told of bugs."""

    def __init__(
        self, handler: Responder, config: Config, clock: Clock, log_failure: Callable[[BaseException], None]
    ) -> None:
        self._handler = handler
        self._clock = clock
        self._log_failure = log_failure
        self._users = {user.encode(): parse_hash(hashed) for user, hashed in map(split_user, config.auth)}
        # Nobody's: it is checked for users that are not there, so that they take as long as those that are.
        self._decoy = next(iter(self._users.values())).make_decoy() if self._users else None
        self._has_preflights = bool(config.cors)
        self._health = None if config.health is None else config.health.encode()
        self._secret = os.urandom(32)
        # By the digest of the field's value: until when, and whom it names.
        self._admitted: dict[bytes, tuple[float, bytes]] = {}
        self._refused: dict[bytes, tuple[float, bytes]] = {}
        self._checks: WeakValueDictionary[bytes, Check] = WeakValueDictionary()
        self._privacy = FieldEdit(make_private)

    def respond(self, head: RequestHead) -> Response | Deferred:
        """Return what the handler does, where the user may come in; 401, or a Deferred that finds out, elsewhere."""
        value = head.field(b"authorization")
        if value is None:
            return self._handler.respond(head) if self._is_open(head) else self._challenge(head)
        key = blake2b(value, key=self._secret, digest_size=16).digest()
        now_s = self._clock.monotonic_s
        until_s, user = self._admitted.get(key, NOBODY)
        if until_s > now_s:
            return self._mark(self._handler.respond(head), user)
        if self._is_open(head):
            return self._handler.respond(head)
        if self._refused.get(key, NOBODY)[0] > now_s:
            return self._challenge(head)
        return self._verify(head, key, value)

    def refuse(self, error: HTTPError, head: RequestHead | None) -> Response:
        """Pass on what the connection refuses: it is about the message, and tells nothing of what is here."""
        return self._handler.refuse(error, head)

    def _is_open(self, head: RequestHead) -> bool:
        if self._health is not None and head.target.partition(b"?")[0] == self._health:
            return True
        return self._has_preflights and is_preflight(head)

    def _challenge(self, head: RequestHead) -> Response:
        return self.refuse(HTTPError(401, "A user name and a password are needed here.", (CHALLENGE,)), head)

    def _verify(self, head: RequestHead, key: bytes, value: bytes) -> Response | Deferred:
        credentials = maybe_basic(value)
        if credentials is None or self._decoy is None:
            return self._challenge(head)
        user, password = credentials
        check = self._checks.get(key)
        if check is None:
            if len(self._checks) >= MAX_CHECKS:
                return self.refuse(make_unavailable("Too many log in at once."), head)
            check = self._checks[key] = Check(self._users.get(user, self._decoy), password)
        return Deferred(check, partial(self._finish, head, key, user))

    def _finish(self, head: RequestHead, key: bytes, user: bytes, future: Future[bool]) -> Response | Deferred:
        try:
            admitted = future.result()
        except Exception as error:  # no memory for the hash, say
            self._log_failure(error)
            return self.refuse(make_failure(), head)
        now_s = self._clock.monotonic_s
        if not admitted:
            _remember(self._refused, key, (now_s + REFUSED_S, user))
            return self._challenge(head)
        _remember(self._admitted, key, (now_s + ADMITTED_S, user))
        return self._mark(self._handler.respond(head), user)

    def _mark(self, response: Response | Deferred, user: bytes) -> Response | Deferred:
        """Name the user, and keep the answer from caches that serve others too (RFC 9111 §3.5), whatever rules say."""
        if isinstance(response, Deferred):
            return response.map(lambda response: self._mark(response, user))
        return self._privacy.apply(response, user)


def make_private(fields: tuple[Field, ...]) -> tuple[Field, ...]:
    """Return fields that only the user's own cache may keep: Cache-Control with private, and without public.

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
