"""The pointer ``current``: the one object that changes. It names the release that is served."""

from __future__ import annotations

import json
import re
from contextlib import suppress

from fastfile.records import NamedTuple
from fastfile.releases.manifest import Manifest, is_release_id, manifest_key, read_manifest
from fastfile.releases.store import ATTEMPTS, Conflict, Corrupt, NotModified, Store, Stored

KEY = "current"
RESTORED = "restored/"
LIMIT = 4096  # bytes; a pointer has about 150
_SHA256 = re.compile(r"[0-9a-f]{64}")


class Pointer(NamedTuple):
    """``sha256`` is the digest of the manifest object; ``moved_s`` is when the pointer was written.

    After a rollback, ``restored`` is the id of the manifest that is served: that of the release, with the assets of the
    release before.
    """

    release: str
    sha256: str
    moved_s: int
    restored: str | None = None

    @property
    def key(self) -> str:
        """The key of the manifest."""
        return manifest_key(self.release) if self.restored is None else f"{RESTORED}{self.restored}"

    def to_bytes(self) -> bytes:
        """Return the bytes of the object."""
        return json.dumps(self._asdict(), sort_keys=True).encode() + b"\n"


def parse_pointer(body: bytes) -> Pointer:
    """Return the pointer. Raises ValueError for any other bytes than ``to_bytes()`` makes."""
    try:
        fields = json.loads(body)
        pointer = Pointer(**fields)
        good = is_release_id(pointer.release) and _SHA256.fullmatch(pointer.sha256) is not None
        good = good and (pointer.restored is None or is_release_id(pointer.restored))
    except (TypeError, RecursionError):
        raise ValueError("not a pointer") from None
    if not good or type(pointer.moved_s) is not int or pointer.to_bytes() != body:
        raise ValueError("not a pointer")
    return pointer


def read_pointer(store: Store, if_none_match: str | None = None) -> tuple[Pointer, str] | NotModified | None:
    """Return the pointer and its entity tag; None if nothing was published yet. Raises StoreError."""
    for _ in range(ATTEMPTS):
        found = store.get(KEY, if_none_match=if_none_match, limit=LIMIT)
        if not isinstance(found, Stored):
            return found
        with suppress(ValueError):
            return parse_pointer(found.body), found.etag
    raise Corrupt(f"{store.location}: {KEY} is not a pointer of fastfile")


def read_release(store: Store, pointer: Pointer) -> Manifest:
    """Return the manifest that a pointer names, verified. Raises StoreError."""
    return read_manifest(store, pointer.restored or pointer.release, pointer.key, pointer.sha256)


def move_pointer(store: Store, pointer: Pointer, etag: str | None, is_conditional: bool = True) -> str:
    """Write the pointer if it still has the entity tag (None: if there is no pointer); return the new one.

    Raises Conflict. A store that is not ``is_conditional`` ignores conditions: the pointer is read again just before,
    which leaves a moment for a race.
    """
    if not is_conditional:
        now = read_pointer(store)
        if (now[1] if isinstance(now, tuple) else None) != etag:
            raise Conflict(f"{store.location}: another publisher moved the pointer meanwhile")
        return store.put(KEY, pointer.to_bytes())
    try:
        return store.put(KEY, pointer.to_bytes(), if_match=etag, if_absent=etag is None)
    except Conflict:
        # The response to the first attempt may have been lost, and the second attempt found what the first one wrote.
        now = read_pointer(store)
        if isinstance(now, tuple) and now[0] == pointer:
            return now[1]
        raise Conflict(f"{store.location}: another publisher moved the pointer meanwhile") from None
