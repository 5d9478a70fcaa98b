"""The pointer: read strictly, and moved by one publisher at a time."""

from __future__ import annotations

import json
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from fastfile.releases.folder_store import FolderStore
from fastfile.releases.location import Location
from fastfile.releases.manifest import make_object, manifest_key
from fastfile.releases.pointer import KEY, Pointer, move_pointer, parse_pointer, read_pointer, read_release
from fastfile.releases.store import ATTEMPTS, Conflict, Corrupt, NotModified, Stored

POINTER = Pointer("20231114T221320Z-0123456789ab", "a" * 64, 1_700_000_000)
OTHER = POINTER._replace(release="20231114T221321Z-0123456789ab")
FIELDS = POINTER._asdict()
BAD = {
    "nothing": b"",
    "no JSON": b"x",
    "a list": b"[]",
    "deep": b"[" * 4000,
    "a key less": json.dumps({"release": POINTER.release}).encode(),
    "a key more": json.dumps({**FIELDS, "more": 1}).encode(),
    "a wrong id": POINTER._replace(release="../blobs/x").to_bytes(),
    "a wrong digest": POINTER._replace(sha256="A" * 64).to_bytes(),
    "another type": json.dumps({**FIELDS, "sha256": 7}).encode(),
    "a fraction": json.dumps({**FIELDS, "moved_s": 1.5}).encode(),
    "other white space": b" " + POINTER.to_bytes(),
    "truncated": POINTER.to_bytes()[:-1],
}


@pytest.fixture
def store(tmp_path: Path) -> FolderStore:
    return FolderStore(Location("file", str(tmp_path / "site")))


def test_a_pointer_is_read_as_it_was_written() -> None:
    assert parse_pointer(POINTER.to_bytes()) == POINTER


@pytest.mark.parametrize("body", BAD.values(), ids=BAD)
def test_other_bytes_are_no_pointer(body: bytes, store: FolderStore) -> None:
    with pytest.raises(ValueError, match=r"not a pointer|Expecting"):
        parse_pointer(body)
    store.put(KEY, body)
    with pytest.raises(Corrupt, match=r"file:///.*site: current is not a pointer"):
        read_pointer(store)


@pytest.mark.parametrize("is_conditional", [True, False])
def test_only_one_of_two_publishers_moves_the_pointer(store: FolderStore, is_conditional: bool) -> None:
    assert read_pointer(store) is None
    first = move_pointer(store, POINTER, None, is_conditional)
    with pytest.raises(Conflict, match="another publisher moved the pointer"):
        move_pointer(store, OTHER, None, is_conditional)
    second = move_pointer(store, OTHER, first, is_conditional)
    with pytest.raises(Conflict):
        move_pointer(store, POINTER, first, is_conditional)
    assert read_pointer(store) == (OTHER, second)
    assert isinstance(read_pointer(store, second), NotModified)


def test_a_publisher_whose_first_attempt_succeeded_unseen_has_won(store: FolderStore) -> None:
    etag = move_pointer(store, POINTER, None)
    assert move_pointer(store, POINTER, None) == etag


class Damaging:
    """A store whose first responses have a flipped byte each."""

    def __init__(self, store: FolderStore, count: int) -> None:
        self.location = store.location
        self._store = store
        self._left = count

    def get(self, key: str, **options: Any) -> Stored | NotModified | None:
        found = self._store.get(key, **options)
        if self._left and isinstance(found, Stored):
            self._left -= 1
            return found._replace(body=bytes([found.body[0] ^ 1]) + found.body[1:])
        return found


def test_damaged_transfers_of_a_pointer_and_its_manifest_are_repeated(store: FolderStore) -> None:
    manifest, body = make_object(POINTER.moved_s, None, [], {})
    store.put(manifest_key(manifest.id), body)
    pointer = Pointer(manifest.id, sha256(body).hexdigest(), POINTER.moved_s)
    move_pointer(store, pointer, None)
    for read, wanted in (
        (lambda store: read_pointer(store)[0], pointer),
        (lambda store: read_release(store, pointer), manifest),
    ):
        assert read(Damaging(store, ATTEMPTS - 1)) == wanted
        with pytest.raises(Corrupt):
            read(Damaging(store, ATTEMPTS))
