"""Cache entries: the result of a lookup for a path, kept until a stamp shows that the disk has changed.

An entry is a file with its encoded variants, or the fact that nothing is there.
"""

from __future__ import annotations

from typing import Protocol

from fastfile.clock import Clock
from fastfile.http.negotiation import preferred_codings
from fastfile.site.representation import MAX_KEPT, Representation
from fastfile.storage.cache import CacheEntry
from fastfile.storage.freshness import Stamp

# Distinct Accept-Encoding values that are cached for one file: browsers and tools send about ten.
MAX_CHOICES = 32
MAX_REMEMBERED = 128  # bytes of such a value: a browser's has about 25, and each file has its own cache
# The approximate memory of an entry, and of each of its files with the heads and without the content, measured with
# tracemalloc: 3.2 KB for an entry of one file, 1.9 KB if it is like others.
OVERHEAD = 1600
MAX_OVERHEAD = 3 * OVERHEAD  # at least what the entry of a file without variants counts beyond the content


# The same of a file that shares fields with others of its kind (Representation.make_alike).
ALIKE_OVERHEAD = 600


class Offer(Protocol):
    """Variants that can be made in the background (compression.py): of ``codings``, when one is ordered."""

    codings: tuple[bytes, ...]

    def order(self, entry: Entry, coding: bytes) -> None: ...


class Entry(CacheEntry):
    """What the cache holds for a path. ``stamps`` cover everything that it depends on.

    ``status`` is 200 for a file and 404 if there is none. If only the ``variants`` of a file are there, ``identity`` is
    the 406 for clients that refuse them. For a 404, ``identity`` is the site's own page, or None, and ``fallback`` the
    page of an app for navigations, or None. ``only`` is the response to each plain GET of a file without variants.
    ``offer`` makes variants of a file that has none. ``key`` is the entry's key in the cache. ``vary`` names the
    request fields that decided on the 404, and ``hint`` says what would serve the URL.
    """

    __slots__ = (
        "_batch_number",
        "_choices",
        "_codings",
        "_is_lone",
        "fallback",
        "hint",
        "identity",
        "key",
        "offer",
        "only",
        "stamps",
        "status",
        "variants",
        "vary",
    )

    def __init__(
        self,
        stamps: tuple[Stamp, ...],
        identity: Representation | None,
        variants: dict[bytes, Representation],
        fallback: Entry | None = None,
        offer: Offer | None = None,
        vary: bytes = b"",
        hint: str = "",
    ) -> None:
        self.stamps = stamps
        self.identity = identity
        self.variants = variants
        self._is_lone = identity is not None and identity.status == 406
        self.status = 404 if identity is None else 200 if self._is_lone else identity.status
        self.fallback = fallback
        self.offer = offer
        self.vary = vary
        self.hint = hint
        self.key: bytes | None = None
        self.used = False
        self._batch_number = 0  # the last batch in which the stamps held
        self._codings = tuple(variants) if offer is None else offer.codings
        self.only = None if identity is None or self._codings or self.status != 200 else identity.full
        self._choices: dict[bytes | None, Representation] | None = None
        self.size = OVERHEAD
        for stamp in stamps:
            self.size += len(stamp.path)
        self.open_files = 0
        # All entries without a file share the 404 page: it counts once, in its own entry.
        if identity is not None and self.status == 200:
            self._count(identity)
            for variant in variants.values():
                self._count(variant)

    def _count(self, representation: Representation) -> None:
        self.size = self.size_with(representation)
        self.open_files += representation.resource.content is None

    def is_fresh(self, clock: Clock) -> bool:
        """Tell whether all stamps hold; they are checked once per batch."""
        if self._batch_number == clock.batch_number:
            return True
        for stamp in self.stamps:
            if not stamp.is_fresh(clock):
                return False
        self._batch_number = clock.batch_number
        return True

    def select(self, accept_encoding: bytes | None, wants_range: bool) -> Representation:
        """Return the representation for a request (RFC 9110 §12.5.3): the file itself for ranges, where acceptable."""
        identity = self.identity
        assert identity is not None
        if not self._codings:
            return identity
        if not wants_range:
            choice = None if self._choices is None else self._choices.get(accept_encoding)
            if choice is not None:
                return choice
        codings = preferred_codings(accept_encoding, self._codings)
        if self._is_lone:
            return self._select_lone(accept_encoding, codings)
        # The cache may drop a variant made here before the next request for a range of it.
        if wants_range and (b"identity" in codings or self.offer is not None):
            return identity
        choice = self.variants.get(codings[0], identity)
        if self.offer is not None and choice is identity and codings[0] != b"identity":
            self.offer.order(self, codings[0])
            return self._next_best(codings)
        if not wants_range and (accept_encoding is None or len(accept_encoding) <= MAX_REMEMBERED):
            if self._choices is None or len(self._choices) >= MAX_CHOICES:
                self._choices = {}
            self._choices[accept_encoding] = choice
        return choice

    def _select_lone(self, accept_encoding: bytes | None, codings: tuple[bytes, ...]) -> Representation:
        """Return the best variant; without Accept-Encoding, the one that most clients can read (RFC 9110 §12.5.3)."""
        assert self.identity is not None
        if accept_encoding is None:
            codings = (b"gzip", *self._codings)
        return next((self.variants[coding] for coding in codings if coding in self.variants), self.identity)

    def _next_best(self, codings: tuple[bytes, ...]) -> Representation:
        """Return the best variant that exists, while a better one is being made."""
        assert self.identity is not None
        for coding in codings:
            if coding == b"identity":
                break
            if coding in self.variants:
                return self.variants[coding]
        return self.identity

    def size_with(self, variant: Representation) -> int:
        """Return the approximate memory of the entry with one more variant."""
        content = variant.resource.content
        overhead = ALIKE_OVERHEAD if variant.is_alike else OVERHEAD
        return self.size + overhead + (len(content) if content is not None else MAX_KEPT)

    def add(self, variant: Representation) -> None:
        """Add a new variant. This changes ``size``, which the caller passes on to the cache."""
        self.size = self.size_with(variant)
        self.variants[variant.coding] = variant
        self._choices = None

    def withdraw(self) -> None:
        """Make no more variants, because they would not be smaller."""
        self._codings = tuple(self.variants)
        self._choices = None


def make_lone(stamps: tuple[Stamp, ...], representation: Representation) -> Entry:
    """Return the entry of a file without variants, without the cost of __init__."""
    entry = Entry.__new__(Entry)
    entry.stamps = stamps
    entry.identity = representation
    entry.variants = {}
    entry.status = representation.status
    entry.only = representation.full
    entry.fallback = entry.offer = entry.key = entry._choices = None
    entry.vary = b""
    entry.hint = ""
    entry.used = entry._is_lone = False
    entry._batch_number = 0
    entry._codings = ()
    entry.size = OVERHEAD
    for stamp in stamps:
        entry.size += len(stamp.path)
    entry.open_files = 0
    entry._count(representation)
    return entry
