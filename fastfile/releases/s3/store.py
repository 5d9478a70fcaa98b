"""A store in a bucket of S3, or of a service with its interface, by the library obstore.

obstore signs and sends requests. This module retries them until one deadline, and turns each failure into one line.
"""

from __future__ import annotations

import os
import random
import resource
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import timedelta
from threading import Lock
from typing import Any, BinaryIO, TypeVar

import obstore
from obstore.exceptions import AlreadyExistsError, BaseError, NotModifiedError, PreconditionError
from obstore.store import S3Store as Client

from fastfile.records import NamedTuple
from fastfile.releases.location import Location
from fastfile.releases.s3.credentials import check_values, find_credentials, find_endpoint, show_endpoint
from fastfile.releases.s3.errors import Failure, make_error, read_failure
from fastfile.releases.store import MIB, SMALL_LIMIT, BeyondEnd, Conflict, Corrupt, Listed, NotModified, Source, Stored

T = TypeVar("T")
_PART = 8 * MIB
_MAX_PARTS = 9000  # of 10,000 in S3
_MAX_PAUSE_S = 3.0
_MAX_LISTED = 2_000_000  # objects below one prefix: ten times the files of the largest release
_LISTING_ROOM = 2 << 30  # bytes: four times what that many objects take


class Limits(NamedTuple):
    """Times in seconds: of one request, and of a call with its retries; ``connect_s``: of a call without a connection.

    A ``large`` one transfers up to 16 MiB; the slowest bearable link has 1 Mbit/s. Larger objects take many requests.
    """

    connect_s: float = 5
    request_s: float = 10
    call_s: float = 30
    large_request_s: float = 130
    large_call_s: float = 300
    bytes_per_s: int = 128 * 1024


@contextmanager
def _limit_memory(room: int) -> Iterator[None]:
    """Let this process allocate at most ``room`` bytes more, on Linux.

    obstore reads a page of a listing whole, and has no limit for its size. A page without an end makes Rust abort the
    process, instead of filling the machine's memory until the timeout.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_DATA)
    if soft != resource.RLIM_INFINITY or not os.path.exists("/proc/self/statm"):
        yield
        return
    with open("/proc/self/statm", encoding="ascii") as statm:
        data = int(statm.read().split()[5]) * resource.getpagesize()  # proc_pid_statm(5)
    limit = data + room if hard == resource.RLIM_INFINITY else min(data + room, hard)
    with suppress(OSError):  # a sandbox may refuse it
        resource.setrlimit(resource.RLIMIT_DATA, (limit, hard))
    try:
        yield
    finally:
        with suppress(OSError):
            resource.setrlimit(resource.RLIMIT_DATA, (soft, hard))


class S3Store:
    """Its clients are made at the first request, so that a process may fork before."""

    def __init__(self, location: Location, limits: Limits = Limits()) -> None:  # noqa: B008
        self.location = location
        self._limits = limits
        self._credentials = find_credentials(os.environ)
        check_values(os.environ, self._credentials.endpoint, self._credentials.region)
        self._endpoint = find_endpoint(os.environ) or self._credentials.endpoint
        self._clients: dict[float, Client] = {}
        self._lock = Lock()

    def get(
        self, key: str, *, if_none_match: str | None = None, limit: int = SMALL_LIMIT
    ) -> Stored | NotModified | None:
        """Return an object; None if there is none."""

        def run(client: Client) -> Stored | NotModified | None:
            try:
                found = obstore.get(client, key, options={"if_none_match": if_none_match} if if_none_match else None)
            except NotModifiedError:
                return NotModified()
            self._check_size(key, found.meta["size"], limit)
            return Stored(bytes(found.bytes()), str(found.meta["e_tag"] or ""))

        return self._maybe(key, run, limit > MIB)

    def get_range(self, key: str, start: int, size: int) -> memoryview | None:
        """Return at most ``size`` bytes of an object."""

        def run(client: Client) -> memoryview:
            # obstore.get_range() would read as much as a store sends, whatever the length that was asked for.
            parts, left = [], size
            for part in obstore.get(client, key, options={"range": (start, start + size)}).stream(min_chunk_size=size):
                left -= len(part)
                if left < 0:
                    raise Corrupt(f"{self.location}: {key}: the store sent more than the {size} bytes of the request")
                parts.append(part)
            return memoryview(parts[0]) if len(parts) == 1 else memoryview(b"".join(parts))

        try:
            return self._maybe(key, run, size > MIB // 8)
        except BeyondEnd:
            return memoryview(b"")

    def get_to(self, key: str, file: BinaryIO, limit: int) -> str | None:
        """Write an object to a file, part by part, so that no link is too slow for a large one."""
        start = file.tell()
        meta = self._maybe(key, lambda client: obstore.head(client, key), False)
        if meta is None:
            return None
        self._check_size(key, meta["size"], limit)
        for offset in range(0, meta["size"], _PART):
            part = self.get_range(key, offset, min(_PART, meta["size"] - offset))
            if part is None:
                return None
            file.seek(start + offset)
            file.write(part)
        return str(meta["e_tag"] or "")

    def put(self, key: str, body: bytes | Source, *, if_match: str | None = None, if_absent: bool = False) -> str:
        """Write an object."""
        mode: Any = {"e_tag": if_match} if if_match is not None else "create" if if_absent else "overwrite"

        def run(client: Client) -> str:
            if isinstance(body, bytes):
                done = obstore.put(client, key, body, mode=mode, use_multipart=False)
            else:
                body.rewind()
                part = max(_PART, -(-body.size // _MAX_PARTS))
                parts = iter(lambda: body.read(MIB), b"")
                done = obstore.put(client, key, parts, chunk_size=part, max_concurrency=2)
            return str(done["e_tag"] or "")

        size = len(body) if isinstance(body, bytes) else body.size
        try:
            return self._call(f"write {key}", run, size > MIB, size)
        except (PreconditionError, AlreadyExistsError, FileNotFoundError):
            raise Conflict(f"{self.location}: another process wrote {key}") from None

    def list(self, prefix: str) -> Iterator[Listed]:
        """Yield the objects whose keys begin with a prefix."""

        def run(client: Client) -> list[Listed]:
            found: list[Listed] = []
            begins: set[str] = set()
            for page in obstore.list(client, prefix.rstrip("/"), chunk_size=1000):
                if page and (page[0]["path"] in begins or len(found) > _MAX_LISTED):
                    raise Corrupt(f"{self.location}: the listing of {prefix} has no end")
                begins.update(one["path"] for one in page[:1])
                found += [Listed(one["path"], one["size"], one["last_modified"].timestamp()) for one in page]
            return found

        with _limit_memory(_LISTING_ROOM):
            return iter(self._call(f"list {prefix}", run, True))

    def delete(self, keys: Sequence[str]) -> None:
        """Delete objects."""
        if keys:
            self._call("delete objects", lambda client: obstore.delete(client, list(keys)), False)

    def _check_size(self, key: str, size: int, limit: int) -> None:
        if size > limit:
            raise Corrupt(f"{self.location}: {key} is larger than {limit} bytes")

    def _maybe(self, key: str, run: Callable[[Client], T], is_large: bool) -> T | None:
        try:
            return self._call(f"read {key}", run, is_large)
        except FileNotFoundError:
            return None

    def _call(self, what: str, run: Callable[[Client], T], is_large: bool, size: int = 0) -> T:
        """Call ``run`` until it succeeds, or fails for good, or the deadline of the call would pass."""
        limits = self._limits
        request_s, call_s = limits.request_s, limits.call_s
        if is_large:
            request_s, call_s = limits.large_request_s, limits.large_call_s + size / limits.bytes_per_s
        began_s = time.monotonic()
        pause_s = 0.05
        while True:
            try:
                return run(self._client(request_s))
            except (NotModifiedError, PreconditionError, AlreadyExistsError, BaseError, FileNotFoundError) as error:
                failure = read_failure(str(error), type(error).__name__)
                if isinstance(error, FileNotFoundError) and failure.means_absent:
                    raise
                if isinstance(error, PreconditionError | AlreadyExistsError) and not failure.may_pass:
                    raise
            pause_s = min(pause_s * 2, _MAX_PAUSE_S)
            wait_s = pause_s * random.uniform(0.5, 1)  # so that many clients do not come back at once
            patience_s = min(call_s, limits.connect_s) if failure.is_unreachable else call_s
            if not failure.may_pass or time.monotonic() - began_s + wait_s > patience_s:
                raise self._fail(what, failure, time.monotonic() - began_s)
            time.sleep(wait_s)

    def _fail(self, what: str, failure: Failure, took_s: float) -> Exception:
        where = f"{self.location}: cannot {what} at {show_endpoint(self._endpoint)}"
        return make_error(where, failure, f"credentials: {self._credentials.source}", took_s)

    def _client(self, timeout_s: float) -> Client:
        with self._lock:
            client = self._clients.get(timeout_s)
            if client is None:
                client = self._clients[timeout_s] = self._make_client(timeout_s)
            return client

    def _make_client(self, timeout_s: float) -> Client:
        is_large = timeout_s == self._limits.large_request_s
        options: dict[str, Any] = {"bucket": self.location.root, "prefix": self.location.prefix or None}
        if self._endpoint is not None:
            options["endpoint"] = self._endpoint
        if self._credentials.region is not None:
            options["region"] = self._credentials.region
        if not os.environ.get("AWS_CHECKSUM_ALGORITHM"):
            # Some stores do not compare an upload with its signed digest (SeaweedFS 4), but with this field.
            options["checksum_algorithm"] = "SHA256"
        return Client(
            **options,
            credential_provider=self._credentials.provider,
            client_options={
                "allow_http": (self._endpoint or "").startswith("http://"),
                "connect_timeout": timedelta(seconds=min(5, timeout_s)),
                "timeout": timedelta(seconds=timeout_s),
            },
            # obstore retries the parts of a large object; everything else is retried here.
            retry_config={
                "max_retries": 8 if is_large else 0,
                "retry_timeout": timedelta(seconds=timeout_s),
                "backoff": {"init_backoff": timedelta(seconds=0.1), "max_backoff": timedelta(seconds=3), "base": 2},
            },
        )
