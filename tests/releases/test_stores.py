"""What every store does: a folder, and a real S3 server."""

from __future__ import annotations

import io
import os
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from fastfile.releases.store import Conflict, Corrupt, NotModified, Store, Stored


class Content(io.BytesIO):
    def __init__(self, content: bytes) -> None:
        super().__init__(content)
        self.size = len(content)

    def rewind(self) -> None:
        self.seek(0)


def test_an_object_is_read_as_it_was_written(store: Store) -> None:
    etag = store.put("blobs/a", b"content")
    assert store.get("blobs/a") == Stored(b"content", etag)
    assert isinstance(store.get("blobs/a", if_none_match=etag), NotModified)
    assert isinstance(store.get("blobs/a", if_none_match='"other"'), Stored)
    assert store.get_range("blobs/a", 2, 3) == b"nte"
    assert store.get_range("blobs/a", 5, 10) == b"nt"
    assert store.get_range("blobs/a", 7, 1) == b""
    assert store.get_range("blobs/a", 1000, 10) == b""
    target = io.BytesIO()
    assert store.get_to("blobs/a", target, 7) == etag
    assert target.getvalue() == b"content"


@pytest.mark.parametrize("size", [0, 1, (8 << 20) - 1, (8 << 20) + 1, 20_000_000])
def test_a_file_is_streamed_into_an_object_and_back(store: Store, size: int) -> None:
    content = os.urandom(size)
    store.put("blobs/a", Content(content))
    target = io.BytesIO()
    assert store.get_to("blobs/a", target, size) is not None
    assert target.getvalue() == content
    assert [(one.key, one.size) for one in store.list("blobs/")] == [("blobs/a", size)]


def test_what_is_not_there_is_none(store: Store) -> None:
    store.put("other", b"")  # the bucket of a test server is made by its first object
    assert store.get("current") is None
    assert store.get_range("blobs/a", 0, 1) is None
    assert store.get_to("blobs/a", io.BytesIO(), 1) is None
    assert list(store.list("blobs/")) == []
    store.delete(["blobs/a"])
    store.delete([])


def test_an_object_above_the_limit_is_refused(store: Store) -> None:
    store.put("blobs/a", b"12345")
    with pytest.raises(Corrupt, match=r"blobs/a is larger than 4 bytes"):
        store.get("blobs/a", limit=4)
    with pytest.raises(Corrupt):
        store.get_to("blobs/a", io.BytesIO(), 4)


def test_objects_are_listed_with_size_and_time_and_no_others(store: Store) -> None:
    for number in range(12):
        store.put(f"blobs/{number:02}", b"x" * number)
    store.put("current", b"")
    store.put("blobs2/a", b"")
    found = sorted(store.list("blobs/"))
    assert [(one.key, one.size) for one in found] == [(f"blobs/{number:02}", number) for number in range(12)]
    assert all(abs(one.modified_s - time.time()) < 60 for one in found)
    store.delete([f"blobs/{number:02}" for number in range(11)])
    assert [one.key for one in store.list("blobs/")] == ["blobs/11"]


def test_a_condition_holds_or_nothing_is_written(store: Store) -> None:
    first = store.put("current", b"1", if_absent=True)
    with pytest.raises(Conflict, match="another process wrote current"):
        store.put("current", b"2", if_absent=True)
    second = store.put("current", b"2", if_match=first)
    with pytest.raises(Conflict):
        store.put("current", b"3", if_match=first)
    with pytest.raises(Conflict):
        store.put("missing", b"3", if_match=first)
    assert store.get("current") == Stored(b"2", second)


def test_one_of_many_writers_with_the_same_condition_wins(store: Store) -> None:
    etag = store.put("current", b"first")

    def write(number: int) -> int:
        try:
            store.put("current", b"%d" % number, if_match=etag)
        except Conflict:
            return 0
        return 1

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(write, range(24))) == 1


class Broken(Content):
    def read(self, size: int | None = -1, /) -> bytes:
        raise RuntimeError("broken")


def test_a_source_that_fails_leaves_the_object_as_it_was(store: Store) -> None:
    store.put("blobs/a", b"good")
    with pytest.raises(RuntimeError, match="broken"):
        store.put("blobs/a", Broken(b"x" * 100))
    assert [one.key for one in store.list("blobs/")] == ["blobs/a"]
    assert isinstance(found := store.get("blobs/a"), Stored)
    assert found.body == b"good"
