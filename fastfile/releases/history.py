"""The releases of a store, oldest first."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

from fastfile.releases.manifest import Manifest, is_release_id, manifest_key, read_manifest
from fastfile.releases.pointer import Pointer, read_pointer, read_release
from fastfile.releases.store import NotModified, Store

_THREADS = 8


class History(NamedTuple):
    """All releases, and what the pointer names: a release, or one with the assets of another (``served``)."""

    releases: list[Manifest]
    pointer: Pointer | None
    served: Manifest | None


def read_history(store: Store) -> History:
    """Return the releases of a store, ordered by time. Raises StoreError."""
    found = read_pointer(store)
    assert not isinstance(found, NotModified)
    pointer = found[0] if found else None
    prefix = manifest_key("")
    ids = [one.key.removeprefix(prefix) for one in store.list(prefix)]
    with ThreadPoolExecutor(_THREADS) as pool:
        releases = list(pool.map(lambda name: read_manifest(store, name), filter(is_release_id, ids)))
    releases.sort(key=lambda manifest: (manifest.created_s, manifest.id))
    return History(releases, pointer, read_release(store, pointer) if pointer else None)
