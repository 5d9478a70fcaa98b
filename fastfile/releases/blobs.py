"""Fetch contents of a release: each is verified by its digest before the caller gets it."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Collection, Iterator
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from hashlib import sha256
from threading import Lock
from typing import BinaryIO, NamedTuple

from fastfile.releases.manifest import EMPTY, Manifest
from fastfile.releases.publish import BLOBS, PACKS
from fastfile.releases.store import MIB, Corrupt, Store

_THREADS = 4
# A damaged transfer is repeated; an object that is damaged in the store stays so.
_ATTEMPTS = 3
# Bytes between two wanted blobs that cost less than another request.
_GAP = 256 * 1024
# Of one request: so many bytes for each thread, and once more while they are copied, are in memory.
_SPAN_LIMIT = 2 * MIB

Deliver = Callable[[str, Iterator[bytes]], None]


class _Part(NamedTuple):
    """A blob in a span of a pack."""

    sha256: str
    offset: int
    size: int


def fetch_blobs(
    store: Store, manifest: Manifest, wanted: Collection[str], deliver: Deliver, folder: str | None = None
) -> None:
    """Call ``deliver`` with the digest and the verified bytes of each wanted blob, in any thread, one at a time.

    Large blobs wait in a temporary file of ``folder`` until they are verified. Raises StoreError; what was delivered
    before is good.
    """
    sizes = {file.sha256: file.size for file in manifest.files}
    packed: dict[str, list[_Part]] = {}
    single = []
    lock = Lock()

    def deliver_alone(blob: str, parts: Iterator[bytes]) -> None:
        with lock:
            deliver(blob, parts)

    for blob in sorted(wanted):
        place = manifest.places.get(blob)
        if place is not None:
            packed.setdefault(place.pack, []).append(_Part(blob, place.offset, sizes[blob]))
        elif blob == EMPTY:
            deliver_alone(blob, iter(()))
        else:
            single.append(blob)
    spans = [(pack, span) for pack, parts in packed.items() for span in _join(parts)]
    with ThreadPoolExecutor(_THREADS) as pool:
        tasks = [pool.submit(_fetch_span, store, PACKS + pack, span, deliver_alone) for pack, span in spans]
        tasks += [pool.submit(_fetch_blob, store, blob, sizes[blob], deliver_alone, folder) for blob in single]
        try:
            for task in wait(tasks, return_when=FIRST_EXCEPTION).done:
                task.result()
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


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


def _fetch_span(store: Store, key: str, span: list[_Part], deliver: Deliver) -> None:
    start = span[0].offset
    size = max(part.offset + part.size for part in span) - start
    for _ in range(_ATTEMPTS):
        body = store.get_range(key, start, size)
        if body is None:
            raise Corrupt(f"{store.location}: {key} is missing")
        bad = []
        for part in span:
            content = body[part.offset - start : part.offset - start + part.size]
            if sha256(content).hexdigest() != part.sha256:
                bad.append(part)
            else:
                deliver(part.sha256, iter((content,)))
        span = bad
        if not span:
            return
    raise Corrupt(f"{store.location}: {key} has other bytes than {len(span)} digests say")


def _fetch_blob(store: Store, blob: str, size: int, deliver: Deliver, folder: str | None) -> None:
    key = BLOBS + blob
    for _ in range(_ATTEMPTS):
        with tempfile.TemporaryFile(dir=folder) as file:
            if store.get_to(key, file, size) is None:
                raise Corrupt(f"{store.location}: {key} is missing")
            if _digest(file) == blob:
                file.seek(0)
                deliver(blob, iter(lambda: file.read(MIB), b""))
                return
    raise Corrupt(f"{store.location}: {key} has other bytes than its digest says")


def _digest(file: BinaryIO) -> str:
    file.seek(0)
    digest = sha256()
    while part := file.read(MIB):
        digest.update(part)
    return digest.hexdigest()
