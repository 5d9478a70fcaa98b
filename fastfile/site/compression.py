"""Compression on the fly: encoded variants of text files, made in the background after the first request for one.

No request waits for a variant: the file itself is sent until the variant is ready. One thread of the worker makes each
variant once, and the cache keeps it with the entry of the file until the file changes.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol

from fastfile.http.content.media_types import is_compressible
from fastfile.site.entry import Entry
from fastfile.site.representation import Representation
from fastfile.storage.cache import Cache
from fastfile.storage.encoders import LEVELS, available_codings, make_encoder
from fastfile.storage.resource import Resource, make_encoded

if TYPE_CHECKING:
    from concurrent.futures import Future

LEAST_SIZE = 1024  # a smaller file fits into one packet anyway
LEAST_SAVING = 0.05  # a smaller saving is not worth the client's time to decode it
# Files up to BEST_SIZE get the best level: 1.5 s of Brotli 11. Larger ones get levels of about 20 MB/s, and files above
# MAX_SIZE, half a second of those, get none: use `fastfile compress`. Measured on scripts: Brotli 9 is 10 % larger than
# Brotli 11.
BEST_SIZE = 1 << 20
MAX_SIZE = 8 << 20
QUICK_LEVELS = {b"br": 9, b"zstd": 12, b"gzip": 6}
MAX_WAITING = 256  # more orders are dropped; the next request repeats them

Represent = Callable[[Resource, bytes], Representation]


class Submit(Protocol):
    """Runs ``work`` in a thread and then ``on_done`` on the loop; returns None, and runs neither, if overloaded."""

    def __call__(self, work: Callable[[], Any], on_done: Callable[[Future[Any]], None]) -> Future[Any] | None: ...


class Compression:
    """Makes one variant at a time, so that a worker uses one core for it at most. Belongs to the event loop.

    The constructor imports the encoders, because the sandbox allows no import later.
    """

    def __init__(self, cache: Cache, submit: Submit, log_failure: Callable[[BaseException], None]) -> None:
        self._cache = cache
        self._submit = submit
        self._log_failure = log_failure
        self._codings = available_codings()
        self._waiting: deque[tuple[Entry, Offer, bytes]] = deque()
        self._is_busy = False

    def offer(self, resource: Resource, media_type: bytes, represent: Represent) -> Offer | None:
        """Return an offer for a file that has no variants; None if compression is not worth it."""
        if not (LEAST_SIZE <= resource.size <= MAX_SIZE and is_compressible(media_type)):
            return None
        return Offer(self, resource, represent, self._codings)

    def order(self, entry: Entry, offer: Offer, coding: bytes) -> bool:
        """Queue an order and return whether there was room for it."""
        if self._is_gone(entry) or len(self._waiting) >= MAX_WAITING:
            return False
        self._waiting.append((entry, offer, coding))
        self._begin_next()
        return True

    def _begin_next(self) -> None:
        while self._waiting and not self._is_busy:
            entry, offer, coding = self._waiting.popleft()
            if self._is_gone(entry):
                continue
            on_done = partial(self._on_done, entry, offer, coding)
            self._is_busy = self._submit(partial(encode_resource, offer.resource, coding), on_done) is not None
            if not self._is_busy:
                offer.ordered.discard(coding)

    def _on_done(self, entry: Entry, offer: Offer, coding: bytes, future: Future[Any]) -> None:
        self._is_busy = False
        try:
            encoded = future.result()
        except OSError:  # the file has changed, so its entry is stale
            encoded = None
        except Exception as error:
            encoded = None
            self._log_failure(error)
        if not self._is_gone(entry):
            self._keep(entry, None if encoded is None else offer.represent(encoded, coding))
        self._begin_next()

    def _is_gone(self, entry: Entry) -> bool:
        """Tell whether the cache has dropped an entry. The page of an app has no key of its own."""
        if entry.key is None:
            return not entry.stamps
        return self._cache.entries.get(entry.key) is not entry

    def _keep(self, entry: Entry, variant: Representation | None) -> None:
        key = entry.key
        if variant is None:
            entry.withdraw()
        elif key is None:
            entry.add(variant)
        elif not self._cache.has_room(entry.size_with(variant) + len(key)):
            entry.withdraw()
        else:
            self._cache.discard(key)  # the cache subtracts the size that the entry has now
            entry.add(variant)
            self._cache.put(key, entry)


class Offer:
    """The variants that can be made for one entry: ``codings``, the best first."""

    __slots__ = ("_compression", "codings", "ordered", "represent", "resource")

    def __init__(
        self, compression: Compression, resource: Resource, represent: Represent, codings: tuple[bytes, ...]
    ) -> None:
        self._compression = compression
        self.resource = resource
        self.represent = represent
        self.codings = codings
        self.ordered: set[bytes] = set()

    def order(self, entry: Entry, coding: bytes) -> None:
        """Order a variant, once for all requests."""
        if coding not in self.ordered:
            self.ordered.add(coding)
            if not self._compression.order(entry, self, coding):
                self.ordered.discard(coding)


def encode_resource(resource: Resource, coding: bytes) -> Resource | None:
    """Return a file encoded; None if that saves too little. Raises OSError if the file changes meanwhile."""
    level = LEVELS[coding][1] if resource.size <= BEST_SIZE else QUICK_LEVELS[coding]
    encoder = make_encoder(coding, level, resource.size)
    pieces = [encoder.encode(piece) for piece in resource.pieces()]
    content = b"".join([*pieces, encoder.finish()])
    return make_encoded(resource, content) if len(content) <= resource.size * (1 - LEAST_SAVING) else None
