"""Fetch contents of a release: each is verified by its digest before the caller gets it."""

from __future__ import annotations

import tempfile
from collections import deque
from collections.abc import Callable, Collection, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from hashlib import sha256
from typing import BinaryIO

from fastfile.records import NamedTuple
from fastfile.releases.manifest import EMPTY, Manifest
from fastfile.releases.store import ATTEMPTS, BLOBS, MIB, PACKS, Corrupt, Store

_THREADS = 4
_LARGE_ATTEMPTS = 3
# Bytes between two wanted blobs that cost less than another request.
_GAP = 256 * 1024
# The most that one request fetches: each thread has this much in memory, and as much again while it writes blobs.
_SPAN_LIMIT = MIB

Bytes = bytes | memoryview
Deliver = Callable[[str, Iterable[Bytes]], None]


class _Part(NamedTuple):
    """A blob in a span of a pack."""

    sha256: str
    offset: int
    size: int


class _Fetched(NamedTuple):
    """Verified blobs, and what is wrong with the ``bad`` ones. ``file`` has the parts of a large one."""

    blobs: Sequence[tuple[str, Iterable[Bytes]]]
    bad: Sequence[str] = ()
    problem: str = ""
    file: BinaryIO | None = None

    def close(self) -> None:
        """Close the file, if there is one."""
        if self.file is not None:
            self.file.close()


def fetch_blobs(
    store: Store,
    manifest: Manifest,
    wanted: Collection[str],
    deliver: Deliver,
    folder: str | None = None,
    report: Callable[[Iterable[str]], object] | None = None,
) -> None:
    """Call ``deliver`` with the digest and the verified bytes of each wanted blob.

    Large blobs wait in a temporary file of ``folder`` until they are verified. Raises StoreError; what was delivered
    before is good. ``report`` gets the digests of damaged and missing blobs; without it, the first one is an error.
    """
    sizes = {file.sha256: file.size for file in manifest.files if file.sha256 in wanted}
    packed: dict[str, list[_Part]] = {}
    tasks: deque[Callable[[], _Fetched]] = deque()
    for blob, size in sorted(sizes.items()):
        place = manifest.places.get(blob)
        if place is not None:
            packed.setdefault(place.pack, []).append(_Part(blob, place.offset, size))
        elif blob == EMPTY:
            deliver(blob, ())
        else:
            tasks.append(partial(_fetch_blob, store, blob, size, folder))
    for pack, wanted_parts in packed.items():
        tasks.extend(partial(_fetch_span, store, PACKS + pack, span) for span in _join(wanted_parts))
    pool = ThreadPoolExecutor(_THREADS)
    running: deque[Future[_Fetched]] = deque()
    try:
        while tasks or running:
            while tasks and len(running) < _THREADS:
                running.append(pool.submit(tasks.popleft()))
            fetched = running.popleft().result()
            if tasks:
                running.append(pool.submit(tasks.popleft()))
            _deliver(fetched, deliver, report)
    finally:
        pool.shutdown(cancel_futures=True)
        for task in running:
            if not task.cancelled() and task.exception() is None:
                task.result().close()


def _deliver(fetched: _Fetched, deliver: Deliver, report: Callable[[Iterable[str]], object] | None) -> None:
    """Pass verified blobs on, and report bad ones. Raises Corrupt for those if no report is wanted."""
    try:
        for blob, parts in fetched.blobs:
            deliver(blob, parts)
    finally:
        fetched.close()
    if fetched.bad and report is None:
        raise Corrupt(fetched.problem)
    if report is not None:
        report(fetched.bad)


def _join(parts: list[_Part]) -> list[list[_Part]]:
    """Return the parts of a pack in spans, each for one request."""
    spans: list[list[_Part]] = []
    end = 0
    for part in sorted(parts, key=lambda part: part.offset):
        if not spans or part.offset > end + _GAP or part.offset + part.size > spans[-1][0].offset + _SPAN_LIMIT:
            spans.append([])
        spans[-1].append(part)
        end = part.offset + part.size
    return spans


def _fetch_span(store: Store, key: str, span: list[_Part]) -> _Fetched:
    start = span[0].offset
    size = max(part.offset + part.size for part in span) - start
    good: list[tuple[str, Iterable[Bytes]]] = []
    for _ in range(ATTEMPTS):
        body = store.get_range(key, start, size)
        if body is None:
            return _Fetched(good, [part.sha256 for part in span], f"{store.location}: {key} is missing")
        view = memoryview(body)
        bad = []
        for part in span:
            content = view[part.offset - start : part.offset - start + part.size]
            if sha256(content).hexdigest() == part.sha256:
                good.append((part.sha256, (content,)))
            else:
                bad.append(part)
        span = bad
        if not span:
            return _Fetched(good)
    problem = f"{store.location}: {key} does not match {len(span)} digests"
    return _Fetched(good, [part.sha256 for part in span], problem)


def _fetch_blob(store: Store, blob: str, size: int, folder: str | None) -> _Fetched:
    key = BLOBS + blob
    file = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115 - it is handed over, or closed below
    problem = f"{store.location}: {key} does not match its digest"
    try:
        for _ in range(_LARGE_ATTEMPTS):
            file.seek(0)
            file.truncate()
            if store.get_to(key, file, size) is None:
                problem = f"{store.location}: {key} is missing"
                break
            if _digest(file) == blob:
                file.seek(0)
                return _Fetched([(blob, iter(lambda: file.read(MIB), b""))], file=file)
    except BaseException:
        file.close()
        raise
    file.close()
    return _Fetched([], [blob], problem)


def _digest(file: BinaryIO) -> str:
    file.seek(0)
    digest = sha256()
    while part := file.read(MIB):
        digest.update(part)
    return digest.hexdigest()
