"""Roll back: move the pointer to an earlier release, and keep the assets of the one that it leaves."""

from __future__ import annotations

import time
from collections.abc import Sequence
from hashlib import sha256

from fastfile.errors import StartError
from fastfile.records import NamedTuple
from fastfile.releases.carry import carry
from fastfile.releases.claim import Claim
from fastfile.releases.location import tell_unpublished
from fastfile.releases.manifest import MAX_FILES, Manifest, ManifestFile, make_object, read_with_digest
from fastfile.releases.pointer import Pointer, move_pointer, read_pointer
from fastfile.releases.publish import read_current
from fastfile.releases.store import NotModified, Store


class RolledBack(NamedTuple):
    """The release that is current now, and the one before; ``carried`` counts its assets that stay reachable."""

    release: str
    before: str
    carried: int
    is_conditional: bool


def rollback(store: Store, release: str | None, keep_s: int) -> RolledBack:
    """Make a release current again: the one of this id, or the one that the current release replaced.

    Raises StartError.
    """
    if read_pointer(store) is None:  # before the claim, which would make the folder
        raise StartError(tell_unpublished(store.location))
    with Claim(store, "publish") as claim:
        found = read_pointer(store)
        assert not isinstance(found, NotModified)
        if found is None:
            raise StartError(tell_unpublished(store.location))
        pointer, etag = found
        current, damage = read_current(store, pointer)
        if release is None and current is None:
            raise StartError(f"{damage}; name the release to go to")
        release = release or (current.previous if current else None)
        if release is None:
            raise StartError(f"{store.location}: {pointer.release} is the first release: there is none to go back to")
        target, digest = read_with_digest(store, release)
        if release == pointer.release and current:
            return RolledBack(release, release, 0, claim.is_conditional)
        now_s = int(time.time())
        moved = Pointer(release, digest, now_s)
        assets = carry(current, [file.path for file in target.files], now_s, keep_s) if current else []
        if current and assets:
            merged, body = _add(target, assets, current)
            moved = Pointer(release, sha256(body).hexdigest(), now_s, merged.id)
            store.put(moved.key, body)
        claim.hold()
        move_pointer(store, moved, etag, claim.is_conditional)
    return RolledBack(release, pointer.release, len(assets), claim.is_conditional)


def _add(target: Manifest, assets: Sequence[ManifestFile], current: Manifest) -> tuple[Manifest, bytes]:
    """Return the manifest of a release with assets of the current one, and its object."""
    files = [*target.files, *assets[: MAX_FILES - len(target.files)]]
    return make_object(target.created_s, target.previous, files, {**current.places, **target.places})
