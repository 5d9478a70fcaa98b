"""The store in a folder: whole objects or none, and conditions that hold between processes."""

from __future__ import annotations

import io
import os
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from fastfile.releases.folder_store import FolderStore
from fastfile.releases.location import Location
from fastfile.releases.store import AccessDenied, Conflict, Corrupt, NotModified, Stored, StoreError


@pytest.fixture
def store(tmp_path: Path) -> FolderStore:
    return FolderStore(Location("file", str(tmp_path / "site")))


def test_an_object_is_read_as_it_was_written(store: FolderStore) -> None:
    etag = store.put("blobs/a", b"content")
    assert store.get("blobs/a") == Stored(b"content", etag)
    assert isinstance(store.get("blobs/a", if_none_match=etag), NotModified)
    assert store.get_range("blobs/a", 2, 3) == b"nte"
    target = io.BytesIO()
    assert store.get_to("blobs/a", target, 7) == etag
    assert target.getvalue() == b"content"


def test_a_file_is_streamed_into_an_object(store: FolderStore) -> None:
    etag = store.put("blobs/a", io.BytesIO(b"x" * 3_000_000))
    assert store.get("blobs/a") == Stored(b"x" * 3_000_000, etag)


def test_what_is_not_there_is_none(store: FolderStore) -> None:
    assert store.get("current") is None
    assert store.get_range("blobs/a", 0, 1) is None
    assert store.get_to("blobs/a", io.BytesIO(), 1) is None
    assert list(store.list("blobs/")) == []
    store.delete(["blobs/a"])


def test_an_object_above_the_limit_is_refused(store: FolderStore) -> None:
    store.put("blobs/a", b"12345")
    with pytest.raises(Corrupt, match="blobs/a is larger than 4 bytes"):
        store.get("blobs/a", limit=4)
    with pytest.raises(Corrupt):
        store.get_to("blobs/a", io.BytesIO(), 4)


def test_objects_are_listed_with_size_and_time_and_nothing_else(store: FolderStore) -> None:
    store.put("blobs/a", b"1")
    store.put("blobs/b", b"22")
    store.put("current", b"")
    found = sorted(store.list("blobs/"))
    assert [(one.key, one.size) for one in found] == [("blobs/a", 1), ("blobs/b", 2)]
    assert found[0].modified_s == os.stat(f"{store.location.root}/blobs/a").st_mtime
    store.delete(["blobs/a"])
    assert [one.key for one in store.list("blobs/")] == ["blobs/b"]


def test_the_objects_can_be_read_by_other_users(store: FolderStore) -> None:
    mask = os.umask(0o022)
    try:
        store.put("blobs/a", b"1")
    finally:
        os.umask(mask)
    assert os.stat(f"{store.location.root}/blobs/a").st_mode & 0o777 == 0o644


def test_one_of_many_writers_with_the_same_condition_wins(store: FolderStore) -> None:
    store.put("other", b"")

    def write(number: int) -> int:
        try:
            store.put("current", b"%d" % number, if_absent=True)
        except Conflict:
            return 0
        return 1

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(write, range(40))) == 1


class Broken(io.BytesIO):
    def read(self, size: int | None = -1, /) -> bytes:
        raise OSError(5, "Input/output error")


def test_a_write_that_fails_leaves_the_object_as_it_was(store: FolderStore) -> None:
    store.put("blobs/a", b"good")
    with pytest.raises(StoreError, match="Input/output error"):
        store.put("blobs/a", Broken())
    assert [name.name for name in os.scandir(f"{store.location.root}/blobs")] == ["a"]
    assert isinstance(found := store.get("blobs/a"), Stored)
    assert found.body == b"good"


@pytest.mark.skipif(sys.platform != "linux", reason="no folder there that root may not write")
def test_a_folder_that_may_not_be_written_is_one_line() -> None:
    store = FolderStore(Location("file", "/sys/fastfile-test"))
    with pytest.raises(AccessDenied, match=r"^file:///sys/fastfile-test: .*: [A-Z][a-z -]+ \(as user \d+\)$"):
        store.put("blobs/a", b"")


def test_a_location_that_is_a_file_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "site").write_text("")
    store = FolderStore(Location("file", str(tmp_path / "site")))
    with pytest.raises(StoreError, match=r"Not a directory|File exists"):
        store.put("blobs/a", b"")
