"""``publish --verify``: contents that rotted in the store are found, and uploaded again."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from support.stores import DAY_S, Silent, make_build, publish_folder, read_served, write_tree

from fastfile.releases.publish import Published, publish
from fastfile.releases.store import Corrupt, Store, Stored

FILES = {"index.html": b"page", "assets/app-1.js": b"script", "large.bin": os.urandom(1_500_000), "empty": b""}


@pytest.fixture
def build(store: Store, tmp_path: Path) -> Path:
    """A folder that is published."""
    build = write_tree(tmp_path / "dist", FILES)
    publish_folder(store, build)
    return build


def verify(store: Store, folder: Path) -> Published:
    return publish(store, make_build(folder), 30 * DAY_S, Silent(), verifies=True)


def rot(store: Store, kind: str, content: bytes) -> str:
    """Flip a bit of a content in the only object of its kind; return the key."""
    (one,) = store.list(kind)
    found = store.get(one.key)
    assert isinstance(found, Stored)
    body = bytearray(found.body)
    body[body.index(content)] ^= 1
    store.put(one.key, bytes(body))
    return one.key


def test_a_whole_store_gets_no_new_release(store: Store, build: Path) -> None:
    done = verify(store, build)
    assert (done.is_new, done.damaged, done.uploaded_blobs) == (False, 0, 0)


@pytest.mark.parametrize(("kind", "name"), [("packs/", "index.html"), ("blobs/", "large.bin")])
def test_a_rotten_content_is_uploaded_again(kind: str, name: str, store: Store, build: Path) -> None:
    rot(store, kind, FILES[name])
    assert publish_folder(store, build).is_new is False  # sizes are right
    with pytest.raises(Corrupt, match="does not match"):
        read_served(store)
    done = verify(store, build)
    assert (done.is_new, done.damaged, done.uploaded_blobs) == (True, 1, 1)
    assert read_served(store) == FILES
    assert verify(store, build).is_new is False


def test_an_object_that_was_cut_off_is_uploaded_again(store: Store, build: Path) -> None:
    for kind in ("packs/", "blobs/"):
        (one,) = store.list(kind)
        store.put(one.key, b"")
    with pytest.raises(Corrupt):
        read_served(store)
    assert verify(store, build).uploaded_blobs == 3
    assert read_served(store) == FILES


def test_an_object_that_is_missing_is_uploaded_again(store: Store, build: Path) -> None:
    store.delete([one.key for one in store.list("packs/")])
    done = verify(store, build)
    assert done.uploaded_blobs == 2
    assert read_served(store) == FILES


def test_a_rotten_asset_of_an_earlier_release_is_no_longer_carried(store: Store, build: Path) -> None:
    write_tree(build, {"index.html": b"other", "assets/app-2.js": b"2"})
    publish_folder(store, build)
    packs = {one.key: store.get(one.key) for one in store.list("packs/")}
    (key,) = [key for key, found in packs.items() if isinstance(found, Stored) and b"script" in found.body]
    body = packs[key].body.replace(b"script", b"scrapt")  # type: ignore[union-attr]
    store.put(key, body)
    done = verify(store, build)
    assert done.damaged == 1
    assert read_served(store) == {"index.html": b"other", "assets/app-2.js": b"2", "large.bin": FILES["large.bin"]}


def test_a_rotten_pack_of_an_interrupted_publish_is_not_reused(store: Store, tmp_path: Path) -> None:
    build = write_tree(tmp_path / "dist", FILES)
    first = publish_folder(store, build)
    rot(store, "packs/", b"page")
    store.delete(["current", f"releases/{first.release}"])
    verify(store, build)
    assert read_served(store) == FILES
