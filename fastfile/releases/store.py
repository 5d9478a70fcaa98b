"""What a store can do, and how its calls fail. Keys are paths below the location, such as ``blobs/<sha256>``.

All calls block. Each has one deadline, which includes its retries.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import BinaryIO, Protocol

from fastfile.errors import StartError
from fastfile.records import NamedTuple
from fastfile.releases.location import Location

BLOBS, PACKS = "blobs/", "packs/"  # of the keys of contents
# A damaged transfer is repeated; an object that is damaged in the store stays so.
ATTEMPTS = 5
MIB = 1 << 20
SMALL_LIMIT = 64 * MIB  # no object that is read into memory is larger


class StoreError(StartError):
    """A call failed: one line that names the location, the status and the source of the credentials."""


class Conflict(StoreError):
    """The object is not as the condition of a put requires: another process wrote it."""


class AccessDenied(StoreError):
    """The store refuses these credentials, or has none."""


class Throttled(StoreError):
    """The store asked for fewer requests until the deadline of the call."""


class Unavailable(StoreError):
    """The store did not answer, or failed, until the deadline of the call."""


class Corrupt(StoreError):
    """An object is not what its name, or the object that refers to it, says."""


class BeyondEnd(StoreError):
    """The range begins beyond the end of the object."""


class Unsupported(StoreError):
    """The store has no such operation."""


class Stored(NamedTuple):
    """An object and its entity tag."""

    body: bytes
    etag: str


class NotModified:
    """The object still has the entity tag of the request."""


class Listed(NamedTuple):
    """One object of a listing."""

    key: str
    size: int
    modified_s: float


class Source(Protocol):
    """Bytes to put, in parts of any size."""

    size: int

    def read(self, size: int = -1, /) -> bytes:
        """Return the next bytes; none at the end. May raise any error, which ends the put."""

    def rewind(self) -> None:
        """Begin again, for another attempt."""


class Store(Protocol):
    """The objects below a location. Threads may share a store."""

    location: Location

    def get(
        self, key: str, *, if_none_match: str | None = None, limit: int = SMALL_LIMIT
    ) -> Stored | NotModified | None:
        """Return an object; None if there is none. Raises Corrupt if it is larger than the limit."""

    def get_range(self, key: str, start: int, size: int) -> bytes | memoryview | None:
        """Return at most ``size`` bytes of an object, from ``start`` on; None if there is no such object."""

    def get_to(self, key: str, file: BinaryIO, limit: int) -> str | None:
        """Write an object to a file; return its entity tag, or None if there is no such object.

        A retry begins at the file's position again. Raises Corrupt if the object is larger than the limit.
        """

    def put(self, key: str, body: bytes | Source, *, if_match: str | None = None, if_absent: bool = False) -> str:
        """Write an object, whole or not at all, and return its entity tag. Raises Conflict by the condition."""

    def list(self, prefix: str) -> Iterator[Listed]:
        """Yield the objects whose keys begin with a prefix, which ends with a slash."""

    def delete(self, keys: Sequence[str]) -> None:
        """Delete objects. Those that do not exist are no error."""
