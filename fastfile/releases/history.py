"""The releases of a store, oldest first."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from fastfile.records import NamedTuple
from fastfile.releases.manifest import Manifest, is_release_id, manifest_key, read_manifest
from fastfile.releases.pointer import Pointer, read_pointer
from fastfile.releases.publish import read_current
from fastfile.releases.store import Corrupt, NotModified, Store

_THREADS = 8


class History(NamedTuple):
    """All releases that can be read, and what the pointer names: a release, or one with the assets of another.

    ``damage`` has a line for each manifest that cannot be read.
    """

    releases: list[Manifest]
    pointer: Pointer | None
    served: Manifest | None
    damage: list[str]


def read_history(store: Store) -> History:
    """Return the releases of a store, ordered by time. Raises StoreError."""
    found = read_pointer(store)
    assert not isinstance(found, NotModified)
    pointer = found[0] if found else None
    prefix = manifest_key("")
    ids = [one.key.removeprefix(prefix) for one in store.list(prefix)]
    served, damage = read_current(store, pointer)
    with ThreadPoolExecutor(_THREADS) as pool:
        read = list(pool.map(lambda name: _maybe_read(store, name), filter(is_release_id, ids)))
    releases = sorted((one for one in read if isinstance(one, Manifest)), key=lambda one: (one.created_s, one.id))
    lines = [damage, *(one for one in read if isinstance(one, str))]
    return History(releases, pointer, served, list(dict.fromkeys(filter(None, lines))))


def _maybe_read(store: Store, name: str) -> Manifest | str:
    try:
        return read_manifest(store, name)
    except Corrupt as error:
        return str(error)
