"""Resources, variants, stamps and the cache: what stays open, for how long, and when it counts as changed."""

from __future__ import annotations

import contextlib
import itertools
import os
import threading
import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from fastfile.clock import Clock
from fastfile.sendfile import read_signature
from fastfile.site.entry import Entry
from fastfile.storage import cache as cache_module
from fastfile.storage import resource as resource_module
from fastfile.storage.cache import Cache, CacheEntry
from fastfile.storage.freshness import Stamp
from fastfile.storage.metadata import SETTLING_NS, is_settled
from fastfile.storage.resource import MAX_COPIED, Resource, open_resource
from fastfile.storage.root import Root
from fastfile.storage.variants import TOLERANCE_NS, open_variants

SMALL = 1000
LARGE = MAX_COPIED + 100  # a slice of it is no copy


@pytest.fixture
def root(tmp_path: Path) -> Iterator[Root]:
    made = Root(os.fsencode(tmp_path))
    before = open_files()
    yield made
    assert open_files() == before
    made.close()


def open_files() -> int:
    return len(os.listdir("/dev/fd"))


# Resources


def test_a_small_file_is_read_and_closed(root: Root, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"x" * SMALL)
    before = open_files()
    resource = open_resource(root, b"file", SMALL)
    assert (resource.content, resource.fd, resource.size) == (b"x" * SMALL, -1, SMALL)
    assert open_files() == before


def test_a_larger_file_is_held_open_as_long_as_it_is_used(root: Root, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"x" * LARGE)
    before = open_files()
    resource = open_resource(root, b"file", SMALL)
    assert (resource.content, resource.size) == (None, LARGE)
    assert open_files() == before + 1
    part = resource.slice(10, LARGE - 10)
    del resource
    assert open_files() == before + 1
    assert os.pread(part.fd, part.count, part.offset) == b"x" * (LARGE - 20)
    del part
    assert open_files() == before


def test_a_short_slice_of_a_larger_file_is_copied(root: Root, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(bytes(range(256)) * 1024)
    assert open_resource(root, b"file", SMALL).slice(254, 259) == b"\xfe\xff\x00\x01\x02"


def test_a_short_slice_of_a_file_that_was_cut_is_left_to_the_sender(root: Root, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"x" * LARGE)
    resource = open_resource(root, b"file", SMALL)
    os.truncate(tmp_path / "file", 10)
    part = resource.slice(5, 15)
    assert (part.fd, part.offset, part.count) == (resource.fd, 5, 10)


def test_a_slice_of_a_small_file_is_its_bytes(root: Root, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"0123456789")
    assert open_resource(root, b"file", SMALL).slice(2, 5) == b"234"


def test_an_empty_file_is_a_resource(root: Root, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    resource = open_resource(root, b"file", 0)
    assert (resource.content, resource.size) == (b"", 0)


def test_a_resource_stays_what_was_opened(root: Root, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"old" * SMALL)
    resource = open_resource(root, b"file", SMALL)
    (tmp_path / "next").write_bytes(b"new" * SMALL)
    (tmp_path / "next").replace(tmp_path / "file")
    assert resource.maybe_content() == b"old" * SMALL


def test_a_fifo_is_not_there(root: Root, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "it")
    with pytest.raises(FileNotFoundError):
        open_resource(root, b"it", SMALL)


def test_a_folder_is_no_resource_and_says_so(root: Root, tmp_path: Path) -> None:
    (tmp_path / "it").mkdir()
    with pytest.raises(IsADirectoryError):
        open_resource(root, b"it", SMALL)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can make a device")
def test_a_device_is_not_there(root: Root, tmp_path: Path) -> None:
    os.mknod(tmp_path / "zero", 0o666 | 0o020000, os.makedev(1, 5))
    with pytest.raises(FileNotFoundError):
        open_resource(root, b"zero", SMALL)


def test_a_file_that_changes_its_length_while_it_is_read_has_the_length_of_its_content(
    root: Root, tmp_path: Path
) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"")
    stop = threading.Event()

    def rewrite() -> None:
        fd = os.open(path, os.O_WRONLY)
        while not stop.is_set():
            for size in (SMALL, 10, 0, SMALL // 2):
                os.truncate(fd, size)
        os.close(fd)

    writer = threading.Thread(target=rewrite)
    writer.start()
    try:
        for _ in range(500):
            # EIO if it changed in every read: no response is better than a wrong length.
            with contextlib.suppress(OSError):
                resource = open_resource(root, b"file", SMALL)
                if not resource.cold:  # a write lease delays the open like a disk
                    assert resource.content is not None
                    assert len(resource.content) == resource.size
    finally:
        stop.set()
        writer.join()


# Whether every change shows


@pytest.mark.parametrize(
    ("mtime_ns", "settled"),
    [
        pytest.param(-SETTLING_NS - 1, True, id="changed long enough ago"),
        pytest.param(-SETTLING_NS, False, id="changed within the last ticks of the file system's clock"),
        pytest.param(0, False, id="changed now"),
    ],
)
def test_a_file_is_settled_once_its_clock_has_ticked(tmp_path: Path, mtime_ns: int, settled: bool) -> None:
    (tmp_path / "file").write_bytes(b"x")
    status = (tmp_path / "file").stat()
    assert is_settled(status, status.st_ctime_ns - mtime_ns) is settled


def test_what_was_just_written_is_not_settled_even_with_an_old_date(root: Root, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"x")
    os.utime(tmp_path / "file", ns=(10**18, 10**18))
    assert not is_settled(open_resource(root, b"file", SMALL).status, (tmp_path / "file").stat().st_ctime_ns)


# Stamps


def test_a_stamp_is_checked_once_in_a_pass_and_again_in_the_next(tmp_path: Path) -> None:
    path = os.fsencode(tmp_path / "file")
    (tmp_path / "file").write_bytes(b"old")
    clock = Clock()
    stamp = Stamp(path, read_signature(path))
    assert stamp.is_fresh(clock)
    (tmp_path / "file").write_bytes(b"longer")
    assert stamp.is_fresh(clock)  # this pass has looked
    clock.begin_batch()
    assert not stamp.is_fresh(clock)
    assert not stamp.is_fresh(clock)


def test_a_stamp_of_nothing_holds_until_something_is_there(tmp_path: Path) -> None:
    clock = Clock()
    stamp = Stamp(os.fsencode(tmp_path / "file"), b"")
    assert stamp.is_fresh(clock)
    clock.begin_batch()
    (tmp_path / "file").write_bytes(b"")
    assert not stamp.is_fresh(clock)


# The cache


def test_the_oldest_goes_when_there_is_no_room_left() -> None:
    cache = Cache(3 * 11, 10)
    for key in (b"a", b"b", b"c", b"d"):
        cache.put(key, CacheEntry(10))
    assert list(cache.entries) == [b"b", b"c", b"d"]


def test_what_was_used_gets_a_second_chance_and_no_third() -> None:
    cache = Cache(3 * 11, 10)
    cache.put(b"a", CacheEntry(10, used=True))
    for key in (b"b", b"c", b"d"):
        cache.put(key, CacheEntry(10))
    assert set(cache.entries) == {b"a", b"c", b"d"}
    for key in (b"e", b"f", b"g"):
        cache.put(key, CacheEntry(10))
    assert set(cache.entries) == {b"e", b"f", b"g"}


def test_open_files_are_bounded_like_bytes() -> None:
    cache = Cache(1000, 2)
    for key in (b"a", b"b", b"c"):
        cache.put(key, CacheEntry(1, open_files=1))
    assert set(cache.entries) == {b"b", b"c"}


@pytest.mark.parametrize(
    "entry", [CacheEntry(100), CacheEntry(1, open_files=3)], ids=["too many bytes", "too many files"]
)
def test_what_never_fits_is_not_kept_and_drives_nothing_out(entry: CacheEntry) -> None:
    cache = Cache(100, 2)
    cache.put(b"a", CacheEntry(10))
    cache.put(b"big", entry)
    assert set(cache.entries) == {b"a"}


def test_a_key_has_one_entry_and_its_old_one_is_no_longer_counted() -> None:
    cache = Cache(33, 10)
    cache.put(b"b", CacheEntry(10))
    for _ in range(20):
        cache.put(b"a", CacheEntry(10))
    assert set(cache.entries) == {b"a", b"b"}


def test_a_discarded_entry_makes_room() -> None:
    cache = Cache(22, 1)
    cache.put(b"a", CacheEntry(10, open_files=1))
    cache.discard(b"a")
    cache.discard(b"a")
    cache.put(b"b", CacheEntry(20, open_files=1))
    assert set(cache.entries) == {b"b"}


def keys_apart(count: int) -> list[bytes]:
    """Return keys that have different places in the table of refused keys, whatever the seed of hash()."""
    by_place: dict[int, bytes] = {}
    numbers = itertools.count()
    while len(by_place) < count:
        key = b"%d" % next(numbers)
        by_place[hash(key) % cache_module.PLACES] = key
    return list(by_place.values())


def test_a_full_cache_admits_a_key_at_its_second_request() -> None:
    cache = Cache(22, 10)
    keys = keys_apart(4)
    for key in keys[:2]:
        assert cache.admits(key, 11)
        cache.put(key, CacheEntry(10))
    assert cache.admits(keys[0], 11)  # it is there
    assert [cache.admits(key, 11) for key in keys[2:]] == [False, False]
    assert [cache.admits(key, 11) for key in keys[2:]] == [True, True]


def test_a_full_cache_forgets_the_keys_that_were_requested_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cache_module, "MAX_NOTED", 3)
    cache = Cache(0, 10)
    keys = keys_apart(4)
    assert [cache.admits(key, 11) for key in keys] == [False] * 4
    assert cache.admits(keys[3], 11)
    assert not cache.admits(keys[0], 11)


def test_keys_that_were_discarded_are_not_kept() -> None:
    cache = Cache(1000, 10)
    for number in range(1000):
        key = b"%d" % number
        cache.put(key, CacheEntry(10))
        cache.discard(key)
        cache.put(b"same", CacheEntry(10))
    assert set(cache.entries) == {b"same"}
    assert len(cache._queue) < 100
    for number in range(100):
        cache.put(b"%d" % number, CacheEntry(10))
    assert 70 < len(cache.entries) < 100


def test_the_bytes_of_the_cache_are_about_those_of_the_memory() -> None:
    """A flood of long, missing targets is the cheapest way to fill it."""
    limit = 4_000_000
    cache = Cache(limit, 10)
    tracemalloc.start()
    try:
        for number in range(3000):
            path = b"/%d/" % number + b"n/" * 2000
            cache.put(b"%b" % path, Entry((Stamp(path, b""),), None, {}))
        used = tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()
    assert used < limit * 1.5


def test_an_evicted_file_is_closed_and_one_in_flight_is_closed_after_it(root: Root, tmp_path: Path) -> None:
    class Holder(CacheEntry):
        def __init__(self, resource: Resource) -> None:
            super().__init__(1, open_files=1)
            self.resource = resource

    (tmp_path / "file").write_bytes(b"x" * LARGE)
    before = open_files()
    cache = Cache(100, 1)
    cache.put(b"a", Holder(open_resource(root, b"file", SMALL)))
    in_flight = cache.entries[b"a"].resource.slice(0, LARGE)
    cache.put(b"b", Holder(open_resource(root, b"file", SMALL)))
    assert open_files() == before + 2
    del in_flight
    assert open_files() == before + 1
    cache.discard(b"b")
    assert open_files() == before


def test_a_file_that_changes_all_the_time_is_sent_from_its_descriptor_and_not_kept(
    root: Root, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each read finds another state than the one before it: here by allowing none."""
    monkeypatch.setattr(resource_module, "MAX_READS", 0)
    (tmp_path / "file").write_bytes(b"0123456789")
    found = open_resource(root, b"file", SMALL)
    assert (found.content, found.cold) == (None, True)
    assert os.pread(found.fd, 4, 3) == b"3456"
    del found


# Variants


SECOND_NS = 1_000_000_000
THEN_NS = 1_700_000_000 * SECOND_NS + 500_000_000


@pytest.mark.parametrize(
    ("variant_ns", "usable"),
    [
        pytest.param(THEN_NS, True, id="of the same time"),
        pytest.param(THEN_NS + 1, True, id="newer"),
        pytest.param(THEN_NS - TOLERANCE_NS, True, id="older by some milliseconds: unpacked together (tar -m)"),
        pytest.param(THEN_NS - TOLERANCE_NS - 1, False, id="older by more"),
        pytest.param(THEN_NS - 500_000_000, True, id="a copy of the time by a tool that knows whole seconds"),
        pytest.param(THEN_NS - 500_000_000 - SECOND_NS, False, id="older by a second and some"),
    ],
)
def test_a_variant_is_used_unless_it_is_older_than_its_original(
    root: Root, tmp_path: Path, variant_ns: int, usable: bool
) -> None:
    for name, mtime_ns in (("app.js", THEN_NS), ("app.js.gz", variant_ns)):
        (tmp_path / name).write_bytes(b"\x1f\x8b")
        os.utime(tmp_path / name, ns=(mtime_ns, mtime_ns))
    original = open_resource(root, b"app.js", SMALL)
    found = open_variants(root, b"app.js", original, SMALL)
    assert list(found.usable) == ([b"gzip"] if usable else [])
    assert list(found.signatures) == [b"app.js.gz"]


BEGINNINGS = {b"br": b"\x8b", b"zstd": b"\x28\xb5\x2f\xfd", b"gzip": b"\x1f\x8b"}
ENDINGS = {b"br": ".br", b"zstd": ".zst", b"gzip": ".gz"}


@pytest.mark.parametrize("size", [0, LARGE], ids=["in memory", "by sendfile"])
def test_every_coding_has_its_ending(root: Root, tmp_path: Path, size: int) -> None:
    contents = {coding: beginning + b"x" * size for coding, beginning in BEGINNINGS.items()}
    files = {f"app.js{ENDINGS[coding]}": content for coding, content in contents.items()}
    for name, content in (files | {"app.js": b"", "app.js.bz2": b"x"}).items():
        (tmp_path / name).write_bytes(content)
        os.utime(tmp_path / name, ns=(THEN_NS, THEN_NS))
    found = open_variants(root, b"app.js", open_resource(root, b"app.js", SMALL), SMALL)
    assert {coding: variant.maybe_content() for coding, variant in found.usable.items()} == contents


@pytest.mark.parametrize("content", [b"", b"no coding at all", b"\x1f"], ids=["empty", "text", "cut"])
def test_a_variant_that_does_not_begin_as_its_coding_does_is_not_used(
    root: Root, tmp_path: Path, content: bytes
) -> None:
    (tmp_path / "app.js").write_bytes(b"x")
    for ending in ENDINGS.values():
        (tmp_path / f"app.js{ending}").write_bytes(content)
    found = open_variants(root, b"app.js", open_resource(root, b"app.js", SMALL), SMALL)
    assert list(found.usable) == ([b"br"] if content else [])  # Brotli has no mark to look for
    assert len(found.signatures) == 3


def test_a_compressed_file_has_no_variants_of_its_own(root: Root, tmp_path: Path) -> None:
    for name in ("app.js.gz", "app.js.gz.br"):
        (tmp_path / name).write_bytes(b"x")
    assert not open_variants(root, b"app.js.gz", open_resource(root, b"app.js.gz", SMALL), SMALL).usable


@pytest.mark.parametrize(
    "make",
    [
        pytest.param(lambda path: path.symlink_to("/etc/hostname"), id="a link that leads out"),
        pytest.param(lambda path: path.symlink_to("nothing"), id="a link to nothing"),
        pytest.param(os.mkdir, id="a folder"),
        pytest.param(os.mkfifo, id="a FIFO"),
    ],
)
def test_a_variant_that_cannot_be_used_is_watched(root: Root, tmp_path: Path, make: Callable[[Path], None]) -> None:
    (tmp_path / "app.js").write_bytes(b"x")
    make(tmp_path / "app.js.gz")
    found = open_variants(root, b"app.js", open_resource(root, b"app.js", SMALL), SMALL)
    assert not found.usable
    assert list(found.signatures) == [b"app.js.gz"]
