"""A store that tells a test about each call, and folders with builds."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import BinaryIO, TypeVar

from fastfile.releases.blobs import fetch_blobs
from fastfile.releases.build import Build
from fastfile.releases.pointer import read_pointer, read_release
from fastfile.releases.publish import Published, publish
from fastfile.releases.store import SMALL_LIMIT, Listed, NotModified, Source, Store, Stored
from fastfile.storage.root import PinnedRoot, Root

DAY_S = 86400
T = TypeVar("T")


class Watched:
    """Calls ``before`` and ``after`` around each call of another store, with the name of the call and its key."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.location = store.location
        self.calls: list[str] = []
        self.before: Callable[[str], None] = lambda call: None
        self.after: Callable[[str], None] = lambda call: None

    def get(
        self, key: str, *, if_none_match: str | None = None, limit: int = SMALL_LIMIT
    ) -> Stored | NotModified | None:
        return self._call("get", key, lambda: self._store.get(key, if_none_match=if_none_match, limit=limit))

    def get_range(self, key: str, start: int, size: int) -> bytes | None:
        return self._call("get_range", key, lambda: self._store.get_range(key, start, size))

    def get_to(self, key: str, file: BinaryIO, limit: int) -> str | None:
        return self._call("get_to", key, lambda: self._store.get_to(key, file, limit))

    def put(self, key: str, body: bytes | Source, *, if_match: str | None = None, if_absent: bool = False) -> str:
        return self._call("put", key, lambda: self._store.put(key, body, if_match=if_match, if_absent=if_absent))

    def list(self, prefix: str) -> Iterator[Listed]:
        return self._call("list", prefix, lambda: iter(list(self._store.list(prefix))))

    def delete(self, keys: Sequence[str]) -> None:
        self._call("delete", " ".join(keys), lambda: self._store.delete(keys))

    def _call(self, name: str, key: str, run: Callable[[], T]) -> T:
        call = f"{name} {key}"
        self.calls.append(call)
        self.before(call)
        try:
            return run()
        finally:
            self.after(call)


class Silent:
    """No progress."""

    def begin(self, total: int) -> None:
        pass

    def advance(self, count: int) -> None:
        pass

    def show(self) -> None:
        pass


def write_tree(folder: Path, files: dict[str, bytes]) -> Path:
    """Make a folder have these files and no others."""
    folder.mkdir(exist_ok=True)
    for path in sorted(folder.rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() and not path.is_symlink() else path.unlink()
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return folder


def make_build(folder: Path, **options: object) -> Build:
    return Build(PinnedRoot(Root(os.fsencode(folder))), **options)  # type: ignore[arg-type]


def publish_folder(store: Store, folder: Path, keep_s: int = 30 * DAY_S) -> Published:
    return publish(store, make_build(folder), keep_s, Silent())


def read_served(store: Store, pages_only: bool = False) -> dict[str, bytes]:
    """Return what a replica would serve now, by path: everything is fetched and verified."""
    found = read_pointer(store)
    if found is None:
        return {}
    assert not isinstance(found, NotModified)
    manifest = read_release(store, found[0])
    contents: dict[str, bytes] = {}
    wanted = {file.sha256 for file in manifest.files}
    fetch_blobs(store, manifest, wanted, lambda blob, parts: contents.update({blob: b"".join(parts)}))
    assert contents.keys() == wanted
    return {
        os.fsdecode(file.path): contents[file.sha256]
        for file in manifest.files
        if not pages_only or file.carried_until_s is None
    }
