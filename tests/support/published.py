"""A store of releases in a folder, written object by object: for the replica's tests, and for what no publisher writes.

store = PublishedFolder(tmp_path / "store")
store.publish({"index.html": b"one"})
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from hashlib import sha256
from pathlib import Path

from fastfile.releases.location import Location, open_store
from fastfile.releases.manifest import Manifest, ManifestFile, Place, make_object, manifest_key
from fastfile.releases.pointer import KEY, Pointer
from fastfile.releases.store import Store

MTIME_NS = 1_700_000_000_123_456_789


def make_manifest(
    created_s: int, previous: str | None, files: Sequence[ManifestFile], places: Mapping[str, Place]
) -> Manifest:
    """Return the manifest of files, without its object."""
    return make_object(created_s, previous, files, places)[0]


class PublishedFolder:
    """``path`` is the folder; ``location`` is the argument of the command line."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.location = f"file://{path}"
        self.store: Store = open_store(Location("file", str(path)))
        self._mtimes: dict[tuple[str, bytes], int] = {}
        self._count = 0

    def publish(self, files: Mapping[str, bytes], moves: bool = True, mtime_ns: int | None = None) -> Pointer:
        """Write a release and move the pointer to it; a file that stays the same keeps its time."""
        self._count += 1
        rows = []
        for path, content in files.items():
            digest = sha256(content).hexdigest()
            own = mtime_ns or MTIME_NS + self._count * 1_000_000_007
            time_ns = self._mtimes.setdefault((path, content), own)
            rows.append(ManifestFile(path.encode(), digest, len(content), time_ns))
            if content:
                self.store.put(f"blobs/{digest}", content)
        manifest = make_manifest(int(time.time()) + self._count, None, rows, {})
        body = manifest.to_bytes()
        self.store.put(manifest_key(manifest.id), body)
        pointer = Pointer(manifest.id, sha256(body).hexdigest(), int(time.time()))
        if moves:
            self.move(pointer)
        return pointer

    def move(self, pointer: Pointer) -> None:
        """Write the pointer."""
        self.store.put(KEY, pointer.to_bytes())
