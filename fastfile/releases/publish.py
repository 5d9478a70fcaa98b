"""Publish a folder: blobs, packs, manifest, pointer, in this order, so that no object names one that is missing.

Only the pointer changes what is served. A publish that is interrupted changes nothing, and the next one finds what it
has uploaded.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from hashlib import sha256
from typing import Protocol

from fastfile.errors import StartError
from fastfile.records import NamedTuple
from fastfile.releases.blobs import fetch_blobs
from fastfile.releases.build import Build, BuildFile
from fastfile.releases.carry import carry
from fastfile.releases.claim import Claim
from fastfile.releases.manifest import MAX_FILES, Manifest, ManifestFile, Place, make_object, manifest_key
from fastfile.releases.pointer import Pointer, move_pointer, read_pointer, read_release
from fastfile.releases.store import BLOBS, MIB, PACKS, Corrupt, NotModified, Store
from fastfile.releases.uploads import run_all

# A blob up to this size goes into a pack: a request costs about as much as the transfer of this many bytes.
PACKED_LIMIT = MIB
PACK_LIMIT = 16 * MIB
# How many packs may be small before their blobs are packed again: a new replica reads each pack with a request.
SMALL_PACK = MIB
MAX_SMALL_PACKS = 16
_LATEST_NS = 253402300799 * 10**9
_TICK_S = 0.1
_SKEW_S = 60  # between the clocks of two publishers


class Progress(Protocol):
    """Receives the progress of a long run; ``advance`` may be called in any thread."""

    def begin(self, total: int) -> None:
        """Begin a phase with this many bytes to do."""

    def advance(self, count: int) -> None:
        """Count bytes as done."""

    def show(self) -> None:
        """Show the progress; called every tenth of a second or so."""


class Published(NamedTuple):
    """What a publish did. Without ``is_new`` the release was there already.

    ``damage`` says why the release before could not be read; its assets and times are lost then. ``damaged`` counts
    contents that the store had with other bytes. ``is_first``: the location had no release before.
    """

    release: str
    is_new: bool
    files: int
    size: int
    carried: int
    uploaded_blobs: int
    uploaded_size: int
    is_conditional: bool
    damage: str
    damaged: int = 0
    is_first: bool = False


def publish(store: Store, build: Build, keep_s: int, progress: Progress, verifies: bool = False) -> Published:
    """Publish a folder, and keep the assets of earlier releases for ``keep_s``. Raises StartError.

    ``verifies``: contents that the store has are read too, and those that are damaged are uploaded again.
    """
    progress.begin(build.size)
    build.read(_ticking(progress))
    if not build.files:
        raise StartError("the folder has no files to publish")
    with Claim(store, "publish") as claim:
        found = read_pointer(store)
        assert not isinstance(found, NotModified)
        pointer, etag = found or (None, None)
        current, damage = read_current(store, pointer)
        stock = _Stock(store)
        if verifies:
            stock.verify(build.files, current, progress)
        now_s = int(time.time())
        files = _choose_files(build.files, current, stock, now_s, keep_s)
        own = sum(file.size for file in build.files)
        counts = (len(build.files), own, len(files) - len(build.files))
        if pointer and current and tuple(files) == current.files and stock.has_all(current):
            return Published(pointer.release, False, *counts, 0, 0, claim.is_conditional, damage, len(stock.damaged))
        places = _keep_places(files, build.files, current, stock)
        missing = _find_missing(build.files, places, stock)
        packs = make_packs(file for file in missing if file.size <= PACKED_LIMIT)
        large = [file for file in missing if file.size > PACKED_LIMIT]
        new = [pack for pack in packs if verifies or stock.sizes.get(pack.key) != pack.size]
        _upload(store, build, new, large, claim, progress)
        for pack in packs:
            places |= pack.places()
        previous = pointer.release if pointer else None
        manifest, body = make_object(_choose_time(now_s, current), previous, files, places)
        build.check()
        claim.hold()
        store.put(manifest_key(manifest.id), body)
        claim.hold()
        moved = Pointer(manifest.id, sha256(body).hexdigest(), int(time.time()))
        move_pointer(store, moved, etag, claim.is_conditional)
    sent = [*large, *(file for pack in new for file in pack.files)]
    size = sum(file.size for file in sent)
    return Published(
        manifest.id, True, *counts, len(sent), size, claim.is_conditional, damage, len(stock.damaged), pointer is None
    )


def read_current(store: Store, pointer: Pointer | None) -> tuple[Manifest | None, str]:
    """Return the manifest that a pointer names, or None and what is wrong with it."""
    try:
        return (read_release(store, pointer) if pointer else None), ""
    except Corrupt as error:
        return None, str(error)


class _Stock:
    """The objects of a store that have contents, with their sizes."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.damaged: set[str] = set()  # digests of contents that have other bytes, as far as verify() looked
        self.sizes = {one.key: one.size for kind in (BLOBS, PACKS) for one in store.list(kind)}

    def has(self, file: ManifestFile | BuildFile, places: Mapping[str, Place]) -> bool:
        """Tell whether the store has the content of a file."""
        if file.sha256 in self.damaged:
            return False
        place = places.get(file.sha256)
        if place is None:
            return file.size == 0 or self.sizes.get(BLOBS + file.sha256) == file.size
        return self.sizes.get(PACKS + place.pack, -1) >= place.offset + file.size

    def verify(self, built: Sequence[BuildFile], current: Manifest | None, progress: Progress) -> None:
        """Read all contents that the next release would reuse, and note the damaged ones. Raises StoreError."""
        places = current.places if current else {}
        files = {file.sha256: file for file in current.files} if current else {}
        files |= {file.sha256: ManifestFile(*file) for file in built if self.has(file, places)}
        progress.begin(sum(file.size for file in files.values()))
        advance = _ticking(progress)
        reused = Manifest("", 0, None, tuple(files.values()), places)
        fetch_blobs(
            self._store,
            reused,
            files.keys(),
            lambda blob, parts: advance(sum(map(len, parts))),
            report=self.damaged.update,
        )

    def has_all(self, manifest: Manifest) -> bool:
        """Tell whether the store has every content of a release."""
        return all(self.has(file, manifest.places) for file in manifest.files)


class Pack(NamedTuple):
    """Small blobs in one object, one after the other. The name is the digest of their digests."""

    files: tuple[BuildFile, ...]

    @property
    def name(self) -> str:
        """The last part of the key."""
        return sha256("".join(file.sha256 for file in self.files).encode()).hexdigest()

    @property
    def key(self) -> str:
        """The key of the object."""
        return PACKS + self.name

    @property
    def size(self) -> int:
        """The size of the object."""
        return sum(file.size for file in self.files)

    def places(self) -> dict[str, Place]:
        """Return the place of each blob."""
        places, offset, name = {}, 0, self.name
        for file in self.files:
            places[file.sha256] = Place(name, offset)
            offset += file.size
        return places


def make_packs(files: Iterable[BuildFile]) -> list[Pack]:
    """Distribute files to packs, in their order, so that the same files make the same packs."""
    packs: list[list[BuildFile]] = []
    size = PACK_LIMIT
    for file in files:
        if size + file.size > PACK_LIMIT:
            packs.append([])
            size = 0
        packs[-1].append(file)
        size += file.size
    return [Pack(tuple(pack)) for pack in packs]


def _choose_time(now_s: int, current: Manifest | None) -> int:
    """Return the time of the release: later than that of the current one, unless a clock is wrong."""
    if current and now_s <= current.created_s < now_s + _SKEW_S:
        return current.created_s + 1
    return now_s


def _choose_files(
    built: Sequence[BuildFile], current: Manifest | None, stock: _Stock, now_s: int, keep_s: int
) -> list[ManifestFile]:
    """Return the files of the release: those of the build, and carried ones whose content the store has.

    A file that did not change keeps its time, so that its validators stay the same.
    """
    before = {(file.path, file.sha256): file.mtime_ns for file in current.files} if current else {}
    files = [
        ManifestFile(path, digest, size, before.get((path, digest), min(max(mtime_ns, 0), _LATEST_NS)))
        for path, digest, size, mtime_ns in built
    ]
    if current:
        carried = carry(current, [file.path for file in built], now_s, keep_s)
        carried = [file for file in carried if stock.has(file, current.places)]
        files += carried[: MAX_FILES - len(files)]
    return sorted(files)


def _keep_places(
    files: Sequence[ManifestFile], built: Sequence[BuildFile], current: Manifest | None, stock: _Stock
) -> dict[str, Place]:
    """Return the places in packs that stay.

    A pack that is more than half unused is given up, and so are small packs if there are many: what the build needs of
    them is packed again.
    """
    if current is None:
        return {}
    needed = {file.sha256: file for file in files}
    places = {
        blob: place
        for blob, place in current.places.items()
        if blob in needed and stock.has(needed[blob], current.places)
    }
    used: dict[str, int] = {}
    for blob, place in places.items():
        used[place.pack] = used.get(place.pack, 0) + needed[blob].size
    small = {pack for pack in used if stock.sizes[PACKS + pack] < SMALL_PACK}
    given_up = {pack for pack, size in used.items() if size * 2 < stock.sizes[PACKS + pack]}
    given_up |= small if len(small) > MAX_SMALL_PACKS else set()
    own = {file.sha256 for file in built}
    return {blob: place for blob, place in places.items() if place.pack not in given_up or blob not in own}


def _find_missing(built: Sequence[BuildFile], places: Mapping[str, Place], stock: _Stock) -> list[BuildFile]:
    """Return a file for each content that the store lacks."""
    missing = {file.sha256: file for file in built if not stock.has(file, places)}
    return list(missing.values())


def _upload(
    store: Store, build: Build, packs: Sequence[Pack], large: Sequence[BuildFile], claim: Claim, progress: Progress
) -> None:
    """Upload packs and large blobs, some at a time. Raises the first error."""

    def send_pack(pack: Pack) -> None:
        parts = []
        for file in pack.files:
            with build.open(file) as source:
                parts.append(source.read())
        store.put(pack.key, b"".join(parts))
        progress.advance(pack.size)

    def send_blob(file: BuildFile) -> None:
        with build.open(file, progress.advance) as source:
            store.put(BLOBS + file.sha256, source)

    def tick() -> None:
        progress.show()
        claim.hold()

    progress.begin(sum(pack.size for pack in packs) + sum(file.size for file in large))
    run_all([*(partial(send_blob, file) for file in large), *(partial(send_pack, pack) for pack in packs)], tick)
    progress.show()


def _ticking(progress: Progress) -> Callable[[int], None]:
    """Return a function that counts bytes, and shows the progress now and then."""
    shown_s = 0.0

    def advance(count: int) -> None:
        nonlocal shown_s
        progress.advance(count)
        if (now_s := time.monotonic()) - shown_s > _TICK_S:
            shown_s = now_s
            progress.show()

    return advance
