"""Compression on the fly: encoded variants of text, made in the background when the first client would take one.

Nobody waits for it: until it is there the file itself is sent. It is made once for an answer, in one thread of the
worker, and kept in the cache with the answer, for as long as the file is what it was.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol

from fastfile.http.media_types import is_compressible
from fastfile.site.entry import Entry
from fastfile.site.representation import Representation
from fastfile.storage.cache import Cache
from fastfile.storage.encoders import LEVELS, available_codings, make_encoder
from fastfile.storage.resource import Resource, make_encoded

if TYPE_CHECKING:
    from concurrent.futures import Future

LEAST_SIZE = 1024  # less fits into a packet anyway
LEAST_SAVING = 0.05  # or it is not worth the client's time to decode it
# Up to here the best level, a second and a half of Brotli 11; above it levels of some 20 MB/s, and above MAX_SIZE, half
# a second of those, none: `fastfile compress` is for that. Measured on scripts: Brotli 9 is a tenth larger than 11.
BEST_SIZE = 1 << 20
MAX_SIZE = 8 << 20
QUICK_LEVELS = {b"br": 9, b"zstd": 12, b"gzip": 6}
MAX_WAITING = 256  # what is wanted beyond that is wanted again by the next request

Represent = Callable[[Resource, bytes], Representation]


class Submit(Protocol):
    """Runs ``work`` in a thread and then ``on_done`` on the loop; None, and neither, when there is too much to do."""

    def __call__(self, work: Callable[[], Any], on_done: Callable[[Future[Any]], None]) -> Future[Any] | None: ...


class Compression:
    """Makes one variant at a time, so that a worker never gives more than one core to it. Belongs to the loop.

    It imports its libraries when it is made: in the sandbox nothing can be.
    """

    def __init__(self, cache: Cache[Entry], submit: Submit, log_failure: Callable[[BaseException], None]) -> None:
        self._cache = cache
        self._submit = submit
        self._log_failure = log_failure
        self._codings = available_codings()
        self._waiting: deque[tuple[Entry, Offer, bytes]] = deque()
        self._is_busy = False

    def offer(self, resource: Resource, media_type: bytes, represent: Represent) -> Offer | None:
        """Return what can be made of a file that has no variants; None where that is not worth it."""
        if not (LEAST_SIZE <= resource.size <= MAX_SIZE and is_compressible(media_type)):
            return None
        return Offer(self, resource, represent, self._codings)

    def order(self, entry: Entry, offer: Offer, coding: bytes) -> bool:
        """Take an order, unless there are too many; tell whether it is taken."""
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
        except OSError:  # the file has changed: so will its answer
            encoded = None
        except Exception as error:
            encoded = None
            self._log_failure(error)
        if not self._is_gone(entry):
            self._keep(entry, None if encoded is None else offer.represent(encoded, coding))
        self._begin_next()

    def _is_gone(self, entry: Entry) -> bool:
        """Tell whether nobody will ask this answer again. The page of an app has no key of its own."""
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
            self._cache.discard(key)  # it counts what it knew
            entry.add(variant)
            self._cache.put(key, entry)


class Offer:
    """What can be made of the file of one answer: ``codings``, the best first."""

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
        """Have a variant made, once, however many ask for it."""
        if coding not in self.ordered:
            self.ordered.add(coding)
            if not self._compression.order(entry, self, coding):
                self.ordered.discard(coding)


def encode_resource(resource: Resource, coding: bytes) -> Resource | None:
    """Return a file encoded; None where that is not worth it. Raises OSError where the file changes meanwhile."""
    level = LEVELS[coding][1] if resource.size <= BEST_SIZE else QUICK_LEVELS[coding]
    encoder = make_encoder(coding, level, resource.size)
    pieces = [encoder.encode(piece) for piece in resource.pieces()]
    content = b"".join([*pieces, encoder.finish()])
    return make_encoded(resource, content) if len(content) <= resource.size * (1 - LEAST_SAVING) else None
