"""Contents of a release, fetched and verified: from packs and from objects of their own."""

from __future__ import annotations

import os
from hashlib import sha256
from pathlib import Path

import pytest
from support.stores import publish_folder, write_tree

from fastfile.releases.blobs import fetch_blobs
from fastfile.releases.folder_store import FolderStore
from fastfile.releases.location import Location
from fastfile.releases.manifest import Manifest
from fastfile.releases.pointer import read_pointer, read_release
from fastfile.releases.store import Corrupt

SMALL = {f"{number}.js": b"script %d" % number for number in range(20)}
LARGE = {"large.bin": os.urandom(3 << 20)}


@pytest.fixture
def store(tmp_path: Path) -> FolderStore:
    return FolderStore(Location("file", str(tmp_path / "store")))


def publish(store: FolderStore, folder: Path, files: dict[str, bytes]) -> Manifest:
    publish_folder(store, write_tree(folder / "dist", files))
    found = read_pointer(store)
    assert isinstance(found, tuple)
    return read_release(store, found[0])


def fetch(store: FolderStore, manifest: Manifest) -> tuple[dict[str, bytes], str]:
    """Return what was delivered, by digest, and the problem."""
    found: dict[str, bytes] = {}
    try:
        fetch_blobs(
            store,
            manifest,
            {file.sha256 for file in manifest.files},
            lambda blob, parts: found.update({blob: b"".join(parts)}),
        )
    except Corrupt as error:
        return found, str(error)
    return found, ""


def damage(path: Path, content: bytes) -> None:
    """Change the first byte of a content in an object."""
    body = bytearray(path.read_bytes())
    body[body.index(content)] ^= 1
    path.write_bytes(body)


def test_every_content_is_delivered_once(store: FolderStore, tmp_path: Path) -> None:
    files = {**SMALL, **LARGE, "empty": b"", "twice.js": SMALL["0.js"]}
    found, problem = fetch(store, publish(store, tmp_path, files))
    assert problem == ""
    assert sorted(found.values()) == sorted(set(files.values()))
    assert all(sha256(content).hexdigest() == blob for blob, content in found.items())


def test_a_damaged_pack_gives_its_good_contents_and_an_error(store: FolderStore, tmp_path: Path) -> None:
    manifest = publish(store, tmp_path, SMALL)
    (pack,) = (tmp_path / "store/packs").iterdir()
    damage(pack, SMALL["7.js"])
    found, problem = fetch(store, manifest)
    assert sorted(found.values()) == sorted(content for name, content in SMALL.items() if name != "7.js")
    assert problem.endswith(f"packs/{pack.name} does not match 1 digests")


def test_a_damaged_large_content_is_not_delivered(store: FolderStore, tmp_path: Path) -> None:
    manifest = publish(store, tmp_path, LARGE)
    (blob,) = (tmp_path / "store/blobs").iterdir()
    damage(blob, LARGE["large.bin"])
    assert fetch(store, manifest) == ({}, f"{store.location}: blobs/{blob.name} does not match its digest")


@pytest.mark.parametrize(("kind", "files"), [("packs", SMALL), ("blobs", LARGE)])
def test_a_missing_object_is_named(kind: str, files: dict[str, bytes], store: FolderStore, tmp_path: Path) -> None:
    manifest = publish(store, tmp_path, files)
    (one,) = (tmp_path / "store" / kind).iterdir()
    one.unlink()
    assert fetch(store, manifest) == ({}, f"{store.location}: {kind}/{one.name} is missing")
