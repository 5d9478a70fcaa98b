"""Publishing a folder: what is uploaded, what is kept, and what is served at each moment."""

from __future__ import annotations

import os
import subprocess
import sys
import zlib
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

import pytest
from support.serverprocess import TIMEOUT_S, clean_environment
from support.stores import (
    DAY_S,
    Silent,
    Watched,
    make_build,
    publish_folder,
    read_served,
    write_tree,
)

from fastfile.errors import StartError
from fastfile.releases import publish as module
from fastfile.releases.build import Changed
from fastfile.releases.claim import PREFIX as CLAIMS
from fastfile.releases.history import read_history
from fastfile.releases.manifest import ManifestFile, read_manifest
from fastfile.releases.pointer import KEY, Pointer, read_pointer, read_release
from fastfile.releases.publish import publish
from fastfile.releases.rollback import rollback
from fastfile.releases.store import Conflict, Store, StoreError

FIRST = {"index.html": b"one", "assets/app-1.js": b"1", "assets/same.css": b"same", "empty": b"", "copy.css": b"same"}
SECOND = {"index.html": b"two", "assets/app-2.js": b"22", "assets/same.css": b"same", "empty": b""}


@pytest.fixture
def build(tmp_path: Path) -> Path:
    (tmp_path / "dist").mkdir()
    return write_tree(tmp_path / "dist", FIRST)


def files_of(store: Store) -> dict[bytes, ManifestFile]:
    found = read_pointer(store)
    assert isinstance(found, tuple)
    return {file.path: file for file in read_release(store, found[0]).files}


def keys(store: Store, kind: str) -> list[str]:
    return sorted(one.key for one in store.list(kind))


def test_what_was_published_is_served(store: Store, build: Path) -> None:
    done = publish_folder(store, build)
    assert read_served(store) == FIRST
    assert (done.is_new, done.files, done.size, done.uploaded_blobs) == (True, 5, 12, 3)
    assert keys(store, "releases/") == [f"releases/{done.release}"]


def test_small_files_travel_in_one_pack_and_large_ones_alone(store: Store, build: Path) -> None:
    large = os.urandom(module.PACKED_LIMIT + 1)
    write_tree(build, {**FIRST, "large.bin": large, "as large as can be": b"x" * module.PACKED_LIMIT})
    publish_folder(store, build)
    assert len(keys(store, "packs/")) == 1
    assert keys(store, "blobs/") == [f"blobs/{sha256(large).hexdigest()}"]
    assert read_served(store)["large.bin"] == large


def test_a_pack_has_its_limit(store: Store, build: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PACK_LIMIT", 1000)
    write_tree(build, files := {f"{number}.js": os.urandom(300) for number in range(10)})
    publish_folder(store, build)
    assert sorted(one.size for one in store.list("packs/")) == [300, 900, 900, 900]
    assert read_served(store) == files


def test_only_what_the_store_lacks_is_uploaded(store: Store, build: Path) -> None:
    publish_folder(store, build)
    done = publish_folder(store, write_tree(build, SECOND))
    assert (done.uploaded_blobs, done.uploaded_size) == (2, 5)
    assert read_served(store, pages_only=True) == SECOND


def test_publishing_the_same_again_makes_no_release(store: Store, build: Path) -> None:
    first = publish_folder(store, build)
    again = publish_folder(store, build)
    assert (again.release, again.is_new, again.uploaded_blobs) == (first.release, False, 0)
    assert len(keys(store, "releases/")) == 1


def test_a_content_that_the_store_lost_is_uploaded_again(store: Store, build: Path) -> None:
    publish_folder(store, build)
    store.delete(keys(store, "packs/"))
    assert publish_folder(store, build).is_new
    assert read_served(store) == FIRST


def test_a_file_that_did_not_change_keeps_its_time(store: Store, build: Path) -> None:
    os.utime(build / "assets/same.css", ns=(1, 1_600_000_000_123_456_789))
    publish_folder(store, build)
    write_tree(build, {**SECOND, "new.css": b"same"})
    publish_folder(store, build)
    files = files_of(store)
    assert files[b"assets/same.css"].mtime_ns == 1_600_000_000_123_456_789
    assert files[b"index.html"].mtime_ns == (build / "index.html").stat().st_mtime_ns
    assert files[b"new.css"].mtime_ns == (build / "new.css").stat().st_mtime_ns


def test_a_time_before_1970_is_the_first_of_1970(store: Store, build: Path) -> None:
    os.utime(build / "index.html", (-1000, -1000))
    publish_folder(store, build)
    assert files_of(store)[b"index.html"].mtime_ns == 0


def test_assets_of_earlier_releases_stay_reachable_and_pages_do_not(store: Store, build: Path) -> None:
    write_tree(build, {**FIRST, "old.html": b"old"})
    publish_folder(store, build)
    done = publish_folder(store, write_tree(build, SECOND))
    third = publish_folder(store, write_tree(build, {"index.html": b"three"}))
    served = read_served(store)
    assert (done.carried, third.carried) == (2, 4)
    assert served["assets/app-1.js"] == b"1"
    assert served["assets/app-2.js"] == b"22"
    assert "old.html" not in served


def test_without_keep_assets_nothing_of_earlier_releases_stays(store: Store, build: Path) -> None:
    publish_folder(store, build)
    publish_folder(store, write_tree(build, SECOND), keep_s=0)
    assert read_served(store) == SECOND


def test_packs_of_little_use_are_packed_again(store: Store, build: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_SMALL_PACKS", 2)
    files = {}
    for number in range(5):
        files[f"{number}.html"] = b"%d" % number * 100
        publish_folder(store, write_tree(build, files))
    found = read_pointer(store)
    assert isinstance(found, tuple)
    assert len({place.pack for place in read_release(store, found[0]).places.values()}) <= 3
    publish_folder(store, write_tree(build, {"4.html": files["4.html"]}), keep_s=0)
    assert read_served(store) == {"4.html": files["4.html"]}


def test_releases_know_what_they_replaced_and_are_in_order(store: Store, build: Path) -> None:
    ids = [publish_folder(store, write_tree(build, {"index.html": b"%d" % number})).release for number in range(4)]
    assert ids == sorted(ids)
    assert [read_manifest(store, name).previous for name in ids] == [None, *ids[:-1]]


LEFT_OUT = ["link out", "link to nowhere", "fifo", "linked folder", "loop/again"]


def test_what_the_server_would_not_serve_is_left_out_and_named(store: Store, build: Path, tmp_path: Path) -> None:
    (tmp_path / "secret").mkdir()
    (tmp_path / "secret/key.js").write_text("key")
    (build / ".env").write_text("secret")
    (build / ".git").mkdir()
    (build / ".git/config").write_text("secret")
    (build / ".well-known").mkdir()
    (build / ".well-known/security.txt").write_text("contact")
    (build / "link out").symlink_to(tmp_path / "secret/key.js")
    (build / "link to nowhere").symlink_to("nothing")
    (build / "linked folder").symlink_to(tmp_path / "secret")
    (build / "link.html").symlink_to("index.html")
    (build / "inside").symlink_to("assets")
    (build / "loop").mkdir()
    (build / "loop/again").symlink_to("..")
    os.mkfifo(build / "fifo")
    folder = make_build(build)
    publish(store, folder, 0, Silent())
    extra = {
        "link.html": b"one",
        "inside/app-1.js": b"1",
        "inside/same.css": b"same",
        ".well-known/security.txt": b"contact",
    }
    assert read_served(store) == FIRST | extra
    assert sorted(map(os.fsdecode, folder.skipped)) == sorted(LEFT_OUT)


def test_dot_names_are_published_on_request(store: Store, build: Path) -> None:
    (build / ".zgroup").write_text("z")
    (build / ".env").write_text("secret")
    publish(store, make_build(build, dotfile=frozenset([b".zgroup"])), 0, Silent())
    assert read_served(store).keys() == FIRST.keys() | {".zgroup"}
    publish(store, make_build(build, dotfiles=True), 0, Silent())
    assert read_served(store).keys() == FIRST.keys() | {".zgroup", ".env"}


def test_names_in_any_bytes_are_published(store: Store, build: Path) -> None:
    name = os.fsdecode(b"caf\xe9 \xff\n.js")
    write_tree(build, {name: b"1"})
    publish_folder(store, build)
    assert read_served(store) == {name: b"1"}


# What happens to the build, and when: after it was read, and before a call to the store.
CHANGES: dict[str, Callable[[Path], object]] = {
    "a file is written": lambda build: (build / "index.html").write_bytes(b"new"),
    "a file appears": lambda build: (build / "new.html").write_bytes(b"new"),
    "a file is removed": lambda build: (build / "index.html").unlink(),
    "a file becomes a folder": lambda build: ((build / "empty").unlink(), (build / "empty").mkdir()),
    "the folder is built anew": lambda build: (build.rename(build.with_name("old")), build.mkdir()),
    "the folder is removed": lambda build: build.rename(build.with_name("old")),
}


@pytest.mark.parametrize("moment", ["get current", "put packs/", "put releases/"])
@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_a_build_that_changes_meanwhile_is_not_published(
    store: Store, build: Path, change: Callable[[Path], object], moment: str
) -> None:
    publish_folder(store, write_tree(build, SECOND))
    write_tree(build, FIRST)
    watched = Watched(store)
    done = []

    def before(call: str) -> None:
        if call.startswith(moment) and not done:
            done.append(change(build))

    watched.before = before
    folder = make_build(build)
    if moment == "put releases/":  # the last look at the build was before
        publish(watched, folder, 0, Silent())
        assert read_served(store) == FIRST
        return
    with pytest.raises(Changed, match="changed while it was published, and nothing was"):
        publish(watched, folder, 0, Silent())
    assert read_served(store) == SECOND
    assert keys(store, CLAIMS) == []


def test_a_file_that_is_written_while_it_is_read_is_noticed(build: Path) -> None:
    (build / "index.html").write_bytes(b"x" * 3_000_000)
    folder = make_build(build)

    def advance(count: int) -> None:
        with open(build / "index.html", "r+b") as file:
            file.write(b"y")

    os.utime(build / "index.html", (1, 1))
    folder = make_build(build)
    with pytest.raises(Changed, match=r"^index\.html changed"):
        folder.read(advance)


def test_a_file_that_cannot_be_read_is_one_line(build: Path) -> None:
    folder = make_build(build)
    # A link to itself cannot be opened, by root neither.
    (build / "assets/app-1.js").unlink()
    (build / "assets/app-1.js").symlink_to("app-1.js")
    with pytest.raises(StartError, match=r"^assets/app-1\.js: Too many levels of symbolic links$"):
        folder.read(lambda count: None)


def test_the_second_of_two_publishers_gets_an_error_that_says_so(store: Store, build: Path, tmp_path: Path) -> None:
    publish_folder(store, build)
    other = write_tree(tmp_path / "other", SECOND)
    watched = Watched(store)
    moved = []

    def before(call: str) -> None:
        if call == "put current" and not moved:
            moved.append(publish_folder(store, other, keep_s=0))

    watched.before = before
    write_tree(build, {"index.html": b"mine"})
    with pytest.raises(Conflict, match="another publisher moved the pointer meanwhile"):
        publish(watched, make_build(build), 0, Silent())
    assert read_served(store) == SECOND
    publish_folder(store, build, keep_s=0)
    assert read_served(store) == {"index.html": b"mine"}


@pytest.mark.parametrize("moment", ["before", "after"])
def test_a_publish_that_is_killed_at_any_call_changes_nothing_and_the_next_completes_it(
    tmp_path: Path, moment: str
) -> None:
    # In a process of its own, because it forks: a test runner may have threads.
    command = [sys.executable, "-m", "support.killed_publish", str(tmp_path), moment]
    environment = clean_environment() | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    ran = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT_S, env=environment)
    assert (ran.returncode, ran.stderr) == (0, "")
    assert int(ran.stdout) > 8  # so often it was killed


def test_an_interrupted_publish_is_continued(store: Store, build: Path) -> None:
    watched = Watched(store)

    def before(call: str) -> None:
        if call.startswith("put releases/"):
            raise KeyboardInterrupt

    watched.before = before
    with pytest.raises(KeyboardInterrupt):
        publish_folder(watched, build)
    assert read_pointer(store) is None
    assert publish_folder(store, build).uploaded_blobs == 0
    assert read_served(store) == FIRST


def test_a_publish_takes_few_requests(store: Store, build: Path) -> None:
    publish_folder(store, build)
    watched = Watched(store)
    publish_folder(watched, write_tree(build, SECOND))
    assert len(watched.calls) <= 11, watched.calls


def test_the_objects_are_written_in_the_order_that_names_only_what_is_there(store: Store, build: Path) -> None:
    write_tree(build, {**FIRST, "large.bin": b"x" * (module.PACKED_LIMIT + 1)})
    watched = Watched(store)
    publish_folder(watched, build)
    kinds = [call.split("/")[0] for call in watched.calls if call.startswith("put ") and CLAIMS not in call]
    assert sorted(kinds[:2]) == ["put blobs", "put packs"]
    assert kinds[2:] == ["put releases", "put current"]


def test_rollback_serves_the_release_before_and_again_the_one_before_that(store: Store, build: Path) -> None:
    trees = [{"index.html": b"%d" % number, f"app-{number}.js": b"%d" % number} for number in range(4)]
    ids = [publish_folder(store, write_tree(build, tree)).release for tree in trees]
    for number in (2, 1, 0):
        done = rollback(store, None, DAY_S)
        assert done.release == ids[number]
        served = read_served(store)
        assert served["index.html"] == b"%d" % number
        assert {f"app-{other}.js" for other in range(4)} <= served.keys()  # open tabs of the releases that it left
    with pytest.raises(StartError, match=f"{ids[0]} is the first release"):
        rollback(store, None, DAY_S)


def test_a_release_that_is_published_after_a_rollback_replaces_the_one_that_was_served(
    store: Store, build: Path
) -> None:
    ids = [publish_folder(store, write_tree(build, {"index.html": b"%d" % number})).release for number in range(3)]
    rollback(store, ids[0], 0)
    done = publish_folder(store, write_tree(build, {"index.html": b"fixed"}))
    assert read_manifest(store, done.release).previous == ids[0]
    assert rollback(store, None, 0).release == ids[0]
    assert read_served(store) == {"index.html": b"0"}


def test_rollback_goes_to_any_release_and_forward_again(store: Store, build: Path) -> None:
    ids = [publish_folder(store, write_tree(build, {"index.html": b"%d" % number})).release for number in range(3)]
    assert rollback(store, ids[0], 0).before == ids[2]
    assert rollback(store, ids[2], 0).release == ids[2]
    assert rollback(store, ids[2], 0).before == ids[2]
    assert read_served(store) == {"index.html": b"2"}


def test_publishing_what_a_rollback_serves_makes_no_release(store: Store, build: Path) -> None:
    first = publish_folder(store, build)
    publish_folder(store, write_tree(build, SECOND))
    rollback(store, None, 30 * DAY_S)
    assert publish_folder(store, write_tree(build, FIRST)).release == first.release


def test_rollback_without_releases_or_to_a_wrong_one_is_one_line(store: Store, build: Path) -> None:
    with pytest.raises(StartError, match=r": (nothing was published yet|there is no such folder)$"):
        rollback(store, None, 0)
    publish_folder(store, build)
    with pytest.raises(StartError, match="there is no release 20000101T000000Z-000000000000"):
        rollback(store, "20000101T000000Z-000000000000", 0)


def test_a_rollback_beside_a_publisher_gets_an_error(store: Store, build: Path, tmp_path: Path) -> None:
    publish_folder(store, build)
    publish_folder(store, write_tree(build, SECOND))
    watched = Watched(store)
    other = write_tree(tmp_path / "other", {"index.html": b"other"})

    def before(call: str) -> None:
        if call == "put current":
            watched.before = lambda call: None
            publish_folder(store, other)

    watched.before = before
    with pytest.raises(Conflict):
        rollback(watched, None, 0)
    assert read_served(store)["index.html"] == b"other"


def test_an_empty_folder_is_not_published(store: Store, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(StartError, match="the folder has no files to publish"):
        publish_folder(store, tmp_path / "empty")
    assert read_pointer(store) is None


DAMAGE = [b"damaged", b"", None]


@pytest.mark.parametrize("body", DAMAGE, ids=["other bytes", "empty", "missing"])
def test_a_damaged_release_is_replaced_by_the_next_publish_or_a_rollback(
    store: Store, build: Path, body: bytes | None
) -> None:
    first = publish_folder(store, build).release
    second = publish_folder(store, write_tree(build, SECOND)).release
    store.delete([f"releases/{second}"])
    if body is not None:
        store.put(f"releases/{second}", body)
    with pytest.raises(StartError, match=rf"{second}.*; name the release to go to"):
        rollback(store, None, 0)
    history = read_history(store)
    assert [release.id for release in history.releases] == [first]
    assert second in history.damage[0]
    rollback(store, first, 0)
    assert read_served(store) == FIRST
    store.delete([f"releases/{first}"])
    done = publish_folder(store, build)
    assert f"there is no release {first}" in done.damage
    assert read_served(store) == SECOND


def test_a_pack_that_was_cut_is_uploaded_again(store: Store, build: Path) -> None:
    publish_folder(store, build)
    (pack,) = keys(store, "packs/")
    store.put(pack, b"1")
    publish_folder(store, build)
    assert read_served(store) == FIRST


def test_a_release_of_another_version_is_not_overwritten(store: Store, build: Path) -> None:
    publish_folder(store, build)
    text = zlib.compress(b'{"format":2}')
    pointer = Pointer("20231114T221320Z-0123456789ab", sha256(text).hexdigest(), 0)
    store.put(pointer.key, text)
    store.put(KEY, pointer.to_bytes())
    with pytest.raises(StoreError, match="of another version of fastfile: update this one"):
        publish_folder(store, write_tree(build, SECOND))
