"""The store in a folder, beyond what every store does."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from fastfile.releases.folder_store import FolderStore
from fastfile.releases.location import Location
from fastfile.releases.store import AccessDenied, Corrupt, StoreError


@pytest.fixture
def folder_store(tmp_path: Path) -> FolderStore:
    return FolderStore(Location("file", str(tmp_path / "site")))


def test_the_objects_can_be_read_by_other_users(folder_store: FolderStore) -> None:
    mask = os.umask(0o022)
    try:
        folder_store.put("blobs/a", b"1")
    finally:
        os.umask(mask)
    assert os.stat(f"{folder_store.location.root}/blobs/a").st_mode & 0o777 == 0o644


def test_nothing_but_objects_remains(folder_store: FolderStore) -> None:
    folder_store.put("current", b"1", if_absent=True)
    folder_store.put("blobs/a", b"1")
    assert sorted(name.name for name in Path(folder_store.location.root).rglob("*")) == [
        ".lock",
        "a",
        "blobs",
        "current",
    ]


def test_an_object_that_is_a_fifo_is_refused_and_not_waited_for(folder_store: FolderStore) -> None:
    folder_store.put("blobs/a", b"1")
    os.mkfifo(f"{folder_store.location.root}/current")
    for read in (folder_store.get, lambda key: folder_store.get_range(key, 0, 1)):
        with pytest.raises(Corrupt, match="current is not a file"):
            read("current")


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
