"""Following a store: what is adopted, what is refused, and what goes on meanwhile."""

from __future__ import annotations

import os
import zlib
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

import pytest
from support.following import Following, read_tree
from support.published import PublishedFolder
from support.stores import Watched

from fastfile.follower import follow as module
from fastfile.releases.manifest import manifest_key
from fastfile.releases.pointer import KEY, Pointer, parse_pointer
from fastfile.releases.store import Store, Stored, StoreError, Throttled, Unavailable


@pytest.fixture
def watched(published: PublishedFolder) -> Watched:
    return Watched(published.store)


@pytest.fixture
def following(watched: Watched, tmp_path: Path) -> Iterator[Following]:
    following = Following(watched, tmp_path / "cache")
    yield following
    following.close()


def served(following: Following) -> dict[str, bytes]:
    return read_tree(following.folder / "current")


def test_a_new_release_is_adopted_and_then_confirmed(published: PublishedFolder, following: Following) -> None:
    pointer = published.publish({"a": b"1"})
    status = following.poll()
    assert (status.release, status.state, status.switches, status.fetched_bytes) == (pointer.release, "current", 1, 1)
    assert [each.state for each in following.statuses] == ["preparing", "current"]
    assert following.log.events == ["release"]
    again = following.poll()
    assert again.confirmed_s > status.confirmed_s
    assert again.switches == 1


def test_an_unchanged_pointer_costs_one_conditional_request(
    published: PublishedFolder, watched: Watched, following: Following
) -> None:
    published.publish({"a": b"1"})
    following.poll()
    del watched.calls[:]
    following.poll()
    assert watched.calls == ["get current"]


def test_a_follower_that_starts_again_serves_what_is_on_the_disk_and_fetches_nothing(
    published: PublishedFolder, watched: Watched, following: Following
) -> None:
    pointer = published.publish({"a": b"1"})
    following.poll()
    following.close()
    del watched.calls[:]
    second = Following(watched, following.folder)
    assert second.follower.status.release == pointer.release
    assert second.poll().state == "current"
    assert watched.calls == ["get current"]
    second.close()
    following.cache = second.cache = type(second.cache)(str(following.folder))


def test_before_the_first_release_it_waits_and_says_so_once(published: PublishedFolder, following: Following) -> None:
    """A folder that does not exist may be mistyped or not mounted, so the line says that."""
    following.poll()
    following.poll()
    published.path.mkdir()
    following.poll()
    following.poll()
    assert following.log.events == ["waiting", "waiting"]
    assert following.log.texts == [
        f"{published.location}: there is no such folder; waiting for the first release",
        f"{published.location}: nothing was published yet; waiting for the first release",
    ]
    published.publish({"a": b"1"})
    assert following.poll().state == "current"


@pytest.mark.parametrize("error", [Unavailable("store: no answer"), Throttled("store: 503 SlowDown")], ids=type)
def test_without_a_release_a_failing_store_is_an_error(
    error: StoreError, published: PublishedFolder, watched: Watched, following: Following
) -> None:
    published.publish({"a": b"1"})
    watched.before = lambda call: fail(error)
    with pytest.raises(StoreError, match="store: "):
        following.poll()


def fail(error: Exception) -> None:
    raise error


def test_with_a_release_a_failing_store_is_said_once_and_the_release_goes_on(
    published: PublishedFolder, watched: Watched, following: Following
) -> None:
    published.publish({"a": b"1"})
    confirmed_s = following.poll().confirmed_s
    watched.before = lambda call: fail(Unavailable("store: no answer"))
    for _ in range(3):
        status = following.poll()
    assert (status.state, status.confirmed_s, status.failures) == ("failing", confirmed_s, 3)
    assert following.log.events == ["release", "failing"]
    assert "no answer; still serving release" in following.log.texts[1]
    watched.before = lambda call: None
    assert following.poll().state == "current"
    assert following.log.events[2:] == ["recovered"]
    assert served(following) == {"a": b"1"}


@pytest.mark.parametrize(
    ("poll_s", "delays"),
    [(5.0, [5, 1, 2, 4, 8, 16, 32, 60, 60]), (0.2, [0.2, 0.2, 0.4, 0.8]), (600.0, [600, 1, 2])],
    ids=["usual", "short", "long"],
)
def test_after_a_failure_it_looks_again_soon_and_then_less_often(
    poll_s: float,
    delays: list[float],
    published: PublishedFolder,
    following: Following,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "JITTER", 0.0)
    published.publish({"index.html": b"one"})
    following.poll()
    following.follower._poll_s = poll_s
    (published.path / "current").write_bytes(b"no pointer")
    found = []
    for _ in delays:
        found.append(following.follower._delay_s())
        following.poll()
    assert found == delays


class Flipping:
    """Damages the next pointers in a digit, so that they are pointers to nothing."""

    def __init__(self, store: Store, count: int) -> None:
        self._store = store
        self.count = count

    def __getattr__(self, name: str) -> object:
        return getattr(self._store, name)

    def get(self, key: str, **options: object) -> object:
        found = self._store.get(key, **options)  # type: ignore[arg-type]
        if key == KEY and isinstance(found, Stored) and self.count:
            self.count -= 1
            pointer = parse_pointer(found.body)
            digit = f"{int(pointer.release[-1], 16) ^ 1:x}"
            found = Stored(pointer._replace(release=pointer.release[:-1] + digit).to_bytes(), found.etag)
        return found


def test_a_pointer_that_was_damaged_on_its_way_is_read_again(published: PublishedFolder, tmp_path: Path) -> None:
    published.publish({"index.html": b"one"})
    store = Flipping(published.store, 0)
    following = Following(store, tmp_path / "cache")  # type: ignore[arg-type]
    following.poll()
    published.publish({"index.html": b"two"})
    store.count = 1
    assert following.poll().failures == 0
    assert served(following) == {"index.html": b"two"}
    published.publish({"index.html": b"three"})
    store.count = 2
    assert following.poll().failures == 1  # it may as well be damaged in the store
    assert served(following) == {"index.html": b"two"}
    assert following.poll().state == "current"
    assert served(following) == {"index.html": b"three"}
    following.close()


def test_a_pointer_that_disappears_changes_nothing(published: PublishedFolder, following: Following) -> None:
    published.publish({"a": b"1"})
    following.poll()
    published.store.delete([KEY])
    assert following.poll().state == "failing"
    assert served(following) == {"a": b"1"}


def make_hostile(text: bytes) -> bytes:
    return zlib.compress(
        b'{"format":1,"created":1700000000,"previous":null,"packs":[],"blobs":[["%s",1]],"files":[%s]}'
        % (sha256(b"x").hexdigest().encode(), text)
    )


HOSTILE = {
    "a path that leads outside": make_hostile(b'["../x",0,1]'),
    "an absolute path": make_hostile(b'["/etc/x",0,1]'),
    "a path with a NUL": make_hostile(b'["a\\u0000b",0,1]'),
    "a path twice": make_hostile(b'["a",0,1],["a",0,1]'),
    "a file that is a folder": make_hostile(b'["a",0,1],["a/b",0,1]'),
    "a blob that is not in the store": make_hostile(b'["a",0,1]'),
    "no JSON": zlib.compress(b"{"),
    "a bomb": zlib.compress(b"[" * (80 << 20)),
    "no compressed text": b"garbage",
    "nothing": b"",
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_manifest_is_refused_and_the_release_goes_on(
    name: str, published: PublishedFolder, following: Following
) -> None:
    published.publish({"a": b"1"})
    release = following.poll().release
    body = HOSTILE[name]
    release_id = "20260101T000000Z-0123456789ab"
    if name == "a blob that is not in the store":
        good = published.publish({"z": b"gone"}, moves=False)
        published.store.delete([f"blobs/{sha256(b'gone').hexdigest()}"])
        published.move(good)
    else:
        published.store.put(manifest_key(release_id), body)
        published.move(Pointer(release_id, sha256(body).hexdigest(), 1))
    status = following.poll()
    assert (status.state, status.release) == ("failing", release)
    assert served(following) == {"a": b"1"}
    assert len(following.log.texts[-1].splitlines()) == 1
    published.publish({"a": b"2"})
    assert following.poll().state == "current"
    assert served(following) == {"a": b"2"}


def test_a_manifest_with_other_bytes_than_the_pointer_says_is_refused(
    published: PublishedFolder, following: Following
) -> None:
    published.publish({"a": b"1"})
    following.poll()
    pointer = published.publish({"a": b"2"}, moves=False)
    published.move(pointer._replace(sha256="0" * 64))
    assert following.poll().state == "failing"
    assert "does not match the digest in the pointer" in following.log.texts[-1]


def test_a_corrupt_blob_is_refused_and_the_release_goes_on(published: PublishedFolder, following: Following) -> None:
    published.publish({"a": b"1"})
    following.poll()
    pointer = published.publish({"a": b"good", "b": b"fine"}, moves=False)
    published.store.put(f"blobs/{sha256(b'good').hexdigest()}", b"evil")
    published.move(pointer)
    assert following.poll().state == "failing"
    assert served(following) == {"a": b"1"}
    published.store.put(f"blobs/{sha256(b'good').hexdigest()}", b"good")
    assert following.poll().state == "current"
    assert served(following) == {"a": b"good", "b": b"fine"}


def test_a_release_that_does_not_fit_on_the_disk_is_refused_before_it_is_fetched(
    published: PublishedFolder, watched: Watched, following: Following, monkeypatch: pytest.MonkeyPatch
) -> None:
    published.publish({"a": b"1"})
    following.poll()
    state = os.statvfs(following.folder)
    full = os.statvfs_result([*state[:4], 4096, *state[5:]])
    published.publish({"a": b"2"})
    del watched.calls[:]
    with monkeypatch.context() as patch:
        patch.setattr(os, "statvfs", lambda path: full)
        assert following.poll().state == "failing"
    assert not any("blobs" in call or "packs" in call for call in watched.calls)
    assert "no room in" in following.log.texts[-1]
    assert "0.0 kB are free" in following.log.texts[-1]
    assert following.poll().state == "current"
    assert served(following) == {"a": b"2"}


def test_a_disk_that_is_full_in_the_middle_refuses_the_release(
    published: PublishedFolder, following: Following, monkeypatch: pytest.MonkeyPatch
) -> None:
    published.publish({"a": b"1"})
    following.poll()
    published.publish({"a": b"2", "b": b"3"})

    def refuse(*arguments: object) -> int:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "write", refuse)
        assert following.poll().state == "failing"
    assert "No space left" in following.log.texts[-1]
    assert served(following) == {"a": b"1"}
    assert following.poll().state == "current"
    assert served(following) == {"a": b"2", "b": b"3"}


def test_one_release_is_served_whatever_the_pointer_says(published: PublishedFolder, following: Following) -> None:
    first = published.publish({"a": b"1"})
    published.publish({"a": b"2"})
    following.follower.fetch(first.release)
    assert served(following) == {"a": b"1"}
    with pytest.raises(StoreError, match="there is no release"):
        following.follower.fetch("20200101T000000Z-0123456789ab")
