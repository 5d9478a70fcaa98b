"""The cache folder of a replica: blobs, trees, the switch, and what is deleted when."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

import pytest
from support.following import Following, read_tree, times_of
from support.published import MTIME_NS, PublishedFolder, make_manifest
from support.serverprocess import TIMEOUT_S

from fastfile.errors import StartError
from fastfile.follower import cache as module
from fastfile.follower.cache import Cache
from fastfile.releases.manifest import ManifestFile

FILES = {"index.html": b"one", "a/b/c.js": b"deep", "a/d.css": b"style", "empty": b"", "copy.js": b"deep"}


@pytest.fixture
def following(published: PublishedFolder, tmp_path: Path) -> Iterator[Following]:
    following = Following(published.store, tmp_path / "cache")
    yield following
    following.close()


def blobs(following: Following) -> list[Path]:
    return sorted((following.folder / "blobs").iterdir())


def trees(following: Following) -> list[str]:
    return sorted(os.listdir(following.folder / "trees"))


def sweep_until(following: Following, count: int) -> None:
    """Sweep until there are so many blobs: a thread deletes trees, and the next sweep finds what they used."""
    deadline_s = time.monotonic() + TIMEOUT_S
    while len(blobs(following)) != count:
        assert time.monotonic() < deadline_s
        following.cache.sweep()
        time.sleep(0.001)


def test_the_tree_has_the_files_of_the_manifest_with_their_times(
    published: PublishedFolder, following: Following
) -> None:
    published.publish(FILES)
    following.poll()
    tree = following.folder / "current"
    assert read_tree(tree) == FILES
    assert {os.stat(path).st_mtime_ns for path in tree.rglob("*")} == {MTIME_NS + 1_000_000_007}


def test_two_replicas_have_the_same_times_also_of_folders(published: PublishedFolder, tmp_path: Path) -> None:
    found = []
    published.publish({"old/x": b"1", "new/y": b"2"})
    for name in ("one", "two"):
        replica = Following(published.store, tmp_path / name)
        replica.poll()
        if name == "one":  # the other one never sees this release
            published.publish({"old/x": b"1", "new/y": b"3"})
            replica.poll()
        found.append(times_of(replica.folder / "current"))
        replica.close()
    assert found[0] == found[1]


def test_files_of_one_content_and_different_times_keep_their_times(
    published: PublishedFolder, following: Following
) -> None:
    digest = sha256(b"x").hexdigest()
    rows = [ManifestFile(b"%d" % number, digest, 1, MTIME_NS + number % 2) for number in range(4)]
    manifest = make_manifest(1_700_000_000, None, rows, {})
    cache = following.cache
    assert cache.find_missing(manifest) == {digest}
    cache.put(digest, iter([b"x"]))
    cache.build(manifest, "one")
    assert times_of(following.folder / "trees" / "one") == {row.path.decode(): row.mtime_ns for row in rows}
    assert len(blobs(following)) == 2


def test_a_content_with_another_time_is_not_fetched_again(published: PublishedFolder, following: Following) -> None:
    published.publish({"a": b"same"})
    first = following.poll().fetched_bytes
    published.publish({"b": b"same"})
    assert following.poll().fetched_bytes == first == 4
    assert read_tree(following.folder / "current") == {"b": b"same"}


def test_contents_and_tree_are_synced_together_before_either_is_in_place(
    published: PublishedFolder, following: Following, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[tuple[int, list[str], list[str]]] = []

    def look(cache: Cache, paths: object) -> None:
        incoming = following.folder / "incoming"
        linked = [path for path in (incoming / "tree").rglob("*") if path.is_file()]
        seen.append((len(linked), [path.name for path in blobs(following)], trees(following)))

    monkeypatch.setattr(Cache, "_sync", look)
    pointer = published.publish(FILES)
    following.poll()
    assert seen == [(len(FILES), [], [])]
    assert len(blobs(following)) == len(set(FILES.values()))
    assert trees(following) == [f"{pointer.release}.{pointer.sha256[:16]}"]


def test_an_unchanged_file_is_one_inode_in_all_trees(published: PublishedFolder, following: Following) -> None:
    published.publish({"a": b"same", "b": b"1"})
    following.poll()
    before = os.stat(following.folder / "current" / "a")
    published.publish({"a": b"same", "b": b"2"})
    following.poll()
    after = os.stat(following.folder / "current" / "a")
    assert (before.st_ino, before.st_mtime_ns, 3) == (after.st_ino, after.st_mtime_ns, after.st_nlink)


def test_a_second_server_with_the_same_folder_is_refused(following: Following) -> None:
    with pytest.raises(StartError, match=rf"cache: process {os.getpid()} .* --store-cache"):
        Cache(str(following.folder))


def test_an_old_tree_stays_for_a_while_and_its_blobs_longer(
    published: PublishedFolder, following: Following, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "BLOB_GRACE_S", 3600.0)
    published.publish({"a": b"1"})
    following.poll()
    published.publish({"a": b"2"})
    following.poll()
    following.cache.sweep()
    assert len(trees(following)) == 2
    monkeypatch.setattr(module, "TREE_GRACE_S", 0.0)
    following.cache.sweep()
    assert len(trees(following)) == 1
    assert len(blobs(following)) == 2
    assert read_tree(following.folder / "current") == {"a": b"2"}
    monkeypatch.setattr(module, "BLOB_GRACE_S", 0.0)
    sweep_until(following, 1)
    assert [path.read_bytes() for path in blobs(following)] == [b"2"]


def test_trees_deeper_than_a_stack_of_calls_are_deleted(
    published: PublishedFolder, following: Following, monkeypatch: pytest.MonkeyPatch
) -> None:
    published.publish({"a/" * 1500 + "deep": b"1", "beside/b/c": b"2"})
    following.poll()
    published.publish({"a": b"3"})
    following.poll()
    monkeypatch.setattr(module, "TREE_GRACE_S", 0.0)
    following.cache.sweep(is_urgent=True)
    assert os.listdir(following.folder / "incoming" / "trash") == []
    assert len(trees(following)) == 1


@pytest.mark.parametrize("what", ["a folder", "a file", "another link", "a loop"])
def test_whatever_took_the_place_of_the_link_is_replaced(
    what: str, published: PublishedFolder, following: Following
) -> None:
    published.publish({"a": b"1"})
    following.poll()
    link = following.folder / "current"
    link.unlink()
    if what == "a folder":
        link.mkdir()
        (link / "b").write_bytes(b"2")
    elif what == "a file":
        link.write_bytes(b"2")
    else:
        link.symlink_to("/etc" if what == "another link" else "current")
    following.close()
    again = Following(published.store, following.folder)
    assert again.follower.status.release == ""
    again.poll()
    assert read_tree(link) == {"a": b"1"}


def test_unused_blobs_never_take_more_room_than_used_ones(
    published: PublishedFolder, following: Following, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "TREE_GRACE_S", 0.0)
    for number in range(6):
        published.publish({"a": b"%d" % number})
        following.poll()
    sweep_until(following, 2)  # the current one, and as much as that


def test_a_release_that_comes_back_needs_no_fetch(
    published: PublishedFolder, following: Following, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = published.publish({"a": b"1"})
    following.poll()
    published.publish({"a": b"2"})
    fetched = following.poll().fetched_bytes
    monkeypatch.setattr(module, "TREE_GRACE_S", 0.0)
    following.cache.sweep()
    published.move(first)
    assert following.poll().fetched_bytes == fetched
    assert read_tree(following.folder / "current") == {"a": b"1"}


@pytest.mark.parametrize("is_in_place", [True, False], ids=["in place", "just fetched"])
def test_more_files_of_one_content_than_an_inode_can_have_links(
    is_in_place: bool, following: Following, monkeypatch: pytest.MonkeyPatch
) -> None:
    link, links = os.link, []

    def count(*arguments: object, **options: object) -> None:
        links.append(arguments)
        if len(links) == 3:
            raise OSError(31, "Too many links")  # ext4 gives this after 65,000
        link(*arguments, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(os, "link", count)
    digest = sha256(b"x").hexdigest()
    rows = [ManifestFile(b"%d" % number, digest, 1, MTIME_NS) for number in range(5)]
    manifest = make_manifest(1_700_000_000, None, rows, {})
    following.cache.find_missing(manifest)
    following.cache.put(digest, iter([b"x"]))
    if is_in_place:
        following.cache.settle()
    following.cache.build(manifest, "one")
    tree = following.folder / "trees" / "one"
    assert read_tree(tree) == {str(number): b"x" for number in range(5)}
    assert [os.stat(tree / str(number)).st_nlink for number in (0, 4)] == [2, 4]
