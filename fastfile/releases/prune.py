"""Prune: delete old releases, and the contents that no release needs any more.

Mark and sweep: what a kept release names is marked; the rest is deleted if it is older than the grace period, which
protects replicas that still fetch, and publishes that were interrupted. Manifests go first, so that an interrupted
prune leaves garbage and never a release without contents.
"""

from __future__ import annotations

import re
import time
from collections.abc import Sequence

from fastfile.errors import StartError
from fastfile.records import NamedTuple
from fastfile.releases.claim import PREFIX as CLAIMS
from fastfile.releases.claim import STALE_S, Claim
from fastfile.releases.history import History, read_history
from fastfile.releases.location import tell_unpublished
from fastfile.releases.manifest import Manifest, manifest_key
from fastfile.releases.pointer import RESTORED, read_pointer
from fastfile.releases.store import BLOBS, PACKS, Corrupt, Listed, Store

_BATCH = 100
# Keys that fastfile makes, and names of files whose writer was killed; others are not touched.
_OWN = re.compile(r"(blobs|packs)/[0-9a-f]{64}|(releases|restored)/[0-9TZ]+-[0-9a-f]{12}|[a-z]+/\.tmp-[0-9a-f]{16}")


class Pruned(NamedTuple):
    """The releases (by id) and the other objects that were deleted, or would be.

    ``young`` counts the releases that only the grace period keeps.
    """

    releases: list[str]
    objects: list[Listed]
    kept: int
    young: int


def prune(store: Store, keep: int | None, older_than_s: float | None, grace_s: float, is_dry: bool) -> Pruned:
    """Delete releases that are not among the last ``keep``, and older than ``older_than_s``, and unneeded contents.

    The current release stays. With ``is_dry`` nothing is deleted. Raises StartError, also when a publish begins.
    """
    kinds = (manifest_key(""), RESTORED, BLOBS, PACKS)
    if read_pointer(store) is None and not any(True for kind in kinds for _ in store.list(kind)):
        # A daily prune of a mistyped location would else succeed, and the claim would make its folder.
        raise StartError(tell_unpublished(store.location))
    with Claim(store, "prune") as claim:
        now_s = time.time()
        listed = [one for kind in kinds for one in store.list(kind) if _OWN.fullmatch(one.key)]
        ripe = {one.key: one for one in listed if max(0.0, now_s - one.modified_s) >= grace_s}
        history = read_history(store)
        if history.damage:  # what it needs is not known
            raise Corrupt(history.damage[0])
        old = _choose_releases(history, keep, older_than_s, now_s)
        old, all_old = [manifest for manifest in old if manifest_key(manifest.id) in ripe], old
        marked = _mark(history, {manifest.id for manifest in old})
        first = [ripe[manifest_key(manifest.id)] for manifest in old]
        others = [one for key, one in ripe.items() if key not in marked and not key.startswith(manifest_key(""))]
        others += [one for one in store.list(CLAIMS) if now_s - one.modified_s > STALE_S]
        for batch in () if is_dry else (*_batches(first), *_batches(others)):
            if claim.rivals():
                raise StartError(f"{store.location}: stopped, because a publish has begun; try again later")
            claim.hold()
            store.delete([one.key for one in batch])
    return Pruned([manifest.id for manifest in old], others, len(history.releases) - len(old), len(all_old) - len(old))


def _choose_releases(history: History, keep: int | None, older_than_s: float | None, now_s: float) -> list[Manifest]:
    """Return the releases to delete: those that no condition keeps, and not the current one."""
    current = history.pointer.release if history.pointer else None
    rest = history.releases if keep is None else history.releases[: max(0, len(history.releases) - keep)]
    return [
        manifest
        for manifest in rest
        if manifest.id != current and (older_than_s is None or max(0.0, now_s - manifest.created_s) >= older_than_s)
    ]


def _mark(history: History, old: set[str]) -> set[str]:
    """Return the keys of all objects that the remaining releases need."""
    kept = [manifest for manifest in history.releases if manifest.id not in old]
    marked = {manifest_key(manifest.id) for manifest in kept}
    if history.pointer and history.served:
        marked.add(history.pointer.key)
        kept.append(history.served)
    for manifest in kept:
        for file in manifest.files:
            place = manifest.places.get(file.sha256)
            marked.add(BLOBS + file.sha256 if place is None else PACKS + place.pack)
    return marked


def _batches(objects: Sequence[Listed]) -> list[Sequence[Listed]]:
    return [objects[start : start + _BATCH] for start in range(0, len(objects), _BATCH)]
