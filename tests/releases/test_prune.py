"""Pruning a store: what is deleted, what stays, and never while a publish is running."""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path

import pytest
from support.serverprocess import TIMEOUT_S
from support.stores import Watched, publish_folder, read_served, write_tree

from fastfile.errors import StartError
from fastfile.releases import claim as module
from fastfile.releases.claim import Claim
from fastfile.releases.location import open_store, parse_location
from fastfile.releases.prune import Pruned, prune
from fastfile.releases.publish import PACKED_LIMIT
from fastfile.releases.rollback import rollback
from fastfile.releases.store import Corrupt, Store, StoreError

LARGE = b"x" * (PACKED_LIMIT + 1)


def publish_many(store: Store, folder: Path, count: int = 4) -> list[str]:
    """Publish releases that share one file and have two of their own, without carried files."""
    ids = []
    for number in range(count):
        files = {"same.css": b"same", "index.html": b"%d" % number, "large.bin": LARGE + b"%d" % number}
        ids.append(publish_folder(store, write_tree(folder, files), keep_s=0).release)
    return ids


def sweep(store: Store, keep: int | None = None, older_than_s: float | None = None, is_dry: bool = False) -> Pruned:
    return prune(store, keep, older_than_s, 0, is_dry)


def all_keys(store: Store) -> set[str]:
    return {one.key for kind in ("blobs/", "packs/", "releases/", "restored/") for one in store.list(kind)}


def test_old_releases_and_their_contents_are_deleted(store: Store, tmp_path: Path) -> None:
    ids = publish_many(store, tmp_path / "dist")
    pruned = sweep(store, keep=2)
    assert (pruned.releases, pruned.kept) == (ids[:2], 2)
    assert {key for key in all_keys(store) if key.startswith("releases/")} == {f"releases/{name}" for name in ids[2:]}
    assert len([key for key in all_keys(store) if key.startswith("blobs/")]) == 2
    # The first pack has the file that all share.
    assert len([key for key in all_keys(store) if key.startswith("packs/")]) == 3
    assert read_served(store)["index.html"] == b"3"
    rollback(store, None, 0)
    assert read_served(store)["index.html"] == b"2"
    with pytest.raises(StartError, match=f"there is no release {ids[1]}"):
        rollback(store, None, 0)


def test_a_dry_run_says_the_same_and_deletes_nothing(store: Store, tmp_path: Path) -> None:
    publish_many(store, tmp_path / "dist")
    before = all_keys(store)
    said = sweep(store, keep=1, is_dry=True)
    assert all_keys(store) == before
    done = sweep(store, keep=1)
    assert said == done
    assert before - all_keys(store) == {one.key for one in done.objects} | {
        f"releases/{name}" for name in done.releases
    }


def test_the_current_release_stays_although_it_is_old(store: Store, tmp_path: Path) -> None:
    ids = publish_many(store, tmp_path / "dist")
    rollback(store, ids[0], 0)
    assert sweep(store, keep=1).releases == ids[1:3]
    assert read_served(store)["index.html"] == b"0"


def test_what_a_rollback_carries_stays(store: Store, tmp_path: Path) -> None:
    build = tmp_path / "dist"
    publish_folder(store, write_tree(build, {"index.html": b"1"}))
    publish_folder(store, write_tree(build, {"index.html": b"2", "app-2.js": b"2"}))
    rollback(store, None, 1000)
    assert sweep(store, older_than_s=0).kept == 1
    assert read_served(store) == {"index.html": b"1", "app-2.js": b"2"}
    publish_folder(store, write_tree(build, {"index.html": b"3"}), keep_s=0)
    sweep(store, keep=1)
    assert not any(key.startswith("restored/") for key in all_keys(store))


def test_releases_that_are_younger_stay(store: Store, tmp_path: Path) -> None:
    publish_many(store, tmp_path / "dist", 3)
    assert sweep(store, older_than_s=3600).releases == []
    assert sweep(store, keep=1, older_than_s=3600).releases == []
    assert len(sweep(store, older_than_s=0).releases) == 2


def test_within_the_grace_period_nothing_is_deleted(store: Store, tmp_path: Path) -> None:
    publish_many(store, tmp_path / "dist")
    before = all_keys(store)
    assert prune(store, 1, None, 3600, False) == Pruned([], [], 4, 3)
    assert all_keys(store) == before


def test_a_release_within_its_grace_period_keeps_older_contents(tmp_path: Path) -> None:
    store = open_store(parse_location(f"file://{tmp_path}/store"))
    build = tmp_path / "dist"
    publish_folder(store, write_tree(build, {"index.html": b"1"}))
    publish_folder(store, write_tree(build, {"index.html": b"1", "a.html": b"2"}), keep_s=0)
    publish_folder(store, write_tree(build, {"b.html": b"3"}), keep_s=0)
    for path in Path(store.location.root).rglob("packs/*"):
        os.utime(path, (1, 1))
    assert prune(store, 1, None, 3600, False).objects == []
    rollback(store, None, 0)
    assert read_served(store) == {"index.html": b"1", "a.html": b"2"}


def test_what_others_keep_in_the_store_is_not_touched(store: Store, tmp_path: Path) -> None:
    publish_many(store, tmp_path / "dist", 2)
    for key in ("blobs/notes.txt", "packs/README", "releases/README"):
        store.put(key, b"")
    sweep(store, keep=1)
    assert {"blobs/notes.txt", "packs/README", "releases/README"} <= all_keys(store)


def test_a_prune_does_not_run_beside_a_publish(store: Store, tmp_path: Path) -> None:
    publish_many(store, tmp_path / "dist")
    before = all_keys(store)
    with Claim(store, "publish"), pytest.raises(StoreError, match="a publish or prune is running"):
        sweep(store, keep=1)
    assert all_keys(store) == before
    assert list(store.list("running/")) == []


def test_a_prune_stops_when_a_publish_begins(store: Store, tmp_path: Path) -> None:
    publish_many(store, tmp_path / "dist")
    watched = Watched(store)

    def before(call: str) -> None:
        if call.startswith("list blobs/"):
            store.put("running/publish-0123456789abcdef", b"")

    watched.before = before
    with pytest.raises(StartError, match="stopped, because a publish has begun"):
        sweep(watched, keep=1)
    assert len([key for key in all_keys(store) if key.startswith("releases/")]) == 4


def test_a_publish_waits_for_a_prune_and_then_gives_up(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    build = write_tree(tmp_path / "dist", {"index.html": b"1"})
    watched = Watched(store)
    with Claim(store, "prune") as prune_claim:
        with (
            pytest.raises(StoreError, match="a prune is running, or was killed"),
            Claim(store, "publish", patience_s=0),
        ):
            pass

        def before(call: str) -> None:
            if watched.calls.count("list running/") == 2:
                prune_claim._remove()

        watched.before = before
        publish_folder(watched, build)
    assert read_served(store) == {"index.html": b"1"}


def test_the_claim_of_a_killed_publish_runs_out(tmp_path: Path) -> None:
    store = open_store(parse_location(f"file://{tmp_path}/store"))
    publish_many(store, tmp_path / "dist", 2)
    store.put("running/publish-0123456789abcdef", b"")
    with pytest.raises(StoreError):
        sweep(store, keep=1)
    past_s = time.time() - module.STALE_S - 1
    os.utime(f"{store.location.root}/running/publish-0123456789abcdef", (past_s, past_s))
    assert len(sweep(store, keep=1).releases) == 1
    assert list(store.list("running/")) == []


def test_a_publish_that_slept_for_too_long_does_not_go_on(store: Store) -> None:
    with Claim(store, "publish") as claim:
        claim.hold()
        claim._renewed_s = tuple(one - module.STALE_S / 2 - 1 for one in claim._renewed_s)  # type: ignore[assignment]
        with pytest.raises(StoreError, match=r"interrupted for \d+ s; try again"):
            claim.hold()
        claim._write()
        with pytest.raises(StoreError):  # a prune may have run meanwhile
            claim.hold()


def test_a_running_publish_renews_its_claim_and_a_lost_one_is_not_renewed(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_RENEWAL_S", 0.01)
    watched = Watched(store)
    renewed = threading.Semaphore(0)
    watched.after = lambda call: renewed.release() if call.startswith("put running/") else None
    with Claim(watched, "publish") as claim:
        for _ in range(4):  # one to begin with, one that asks about conditions
            assert renewed.acquire(timeout=TIMEOUT_S)
        claim.hold()
        claim._is_lost = True
        claim._thread.join(TIMEOUT_S)
        assert not claim._thread.is_alive()


def test_a_manifest_that_cannot_be_read_stops_a_prune(store: Store, tmp_path: Path) -> None:
    ids = publish_many(store, tmp_path / "dist")
    store.put(f"releases/{ids[1]}", b"damaged")
    before = all_keys(store)
    with pytest.raises(Corrupt, match=rf"releases/{ids[1]}: not compressed"):
        sweep(store, keep=1)
    assert all_keys(store) == before


def test_an_interrupted_prune_leaves_whole_releases(store: Store, tmp_path: Path) -> None:
    ids = publish_many(store, tmp_path / "dist")
    watched = Watched(store)

    def after(call: str) -> None:
        if call.startswith("delete releases/"):
            raise KeyboardInterrupt

    watched.after = after
    with pytest.raises(KeyboardInterrupt):
        sweep(watched, keep=1)
    for name in ids[3:]:
        rollback(store, name, 0)
    assert read_served(store)["index.html"] == b"3"
    assert len(sweep(store, keep=1).objects) > 0  # the next one deletes the rest
