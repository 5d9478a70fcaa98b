"""The handler on a real folder, without a network: its responses, and that it notices every change of the disk."""

from __future__ import annotations

import errno
import gc
import os
import resource
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from support.asker import Asker, body, fields

from fastfile.message import RequestHead
from fastfile.site.representation import MAX_KEPT
from fastfile.storage.metadata import is_settled

LARGE = 100_000  # sent from an open file
GZIP = b"gzip"


def open_files() -> int:
    gc.collect()  # a site and its parts know each other
    return len(os.listdir("/dev/fd"))


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Asker]:
    folder = tmp_path / "site"
    folder.mkdir()
    asker = Asker(folder)
    yield asker
    asker.root.close()


# Changes of a file


def rename_over(path: Path, content: bytes) -> None:
    aside = path.with_name("aside")
    aside.write_bytes(content)
    aside.replace(path)


def rewrite(path: Path, content: bytes) -> None:
    path.write_bytes(content)


def rewrite_with_the_old_date(path: Path, content: bytes) -> None:
    before = path.stat()
    path.write_bytes(content)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def unlink_and_create(path: Path, content: bytes) -> None:
    path.unlink()
    path.write_bytes(content)


def switch_to_link(path: Path, content: bytes) -> None:
    path.with_name("target").write_bytes(content)
    path.unlink()
    path.symlink_to("target")


CHANGES = [
    pytest.param(rename_over, id="renamed over"),
    pytest.param(rewrite, id="rewritten in place"),
    pytest.param(rewrite_with_the_old_date, id="rewritten in place with the old date"),
    pytest.param(unlink_and_create, id="removed and created"),
    pytest.param(switch_to_link, id="switched to a link"),
]
SIZES = pytest.mark.parametrize("size", [100, LARGE], ids=["in memory", "from an open file"])


@SIZES
@pytest.mark.parametrize("change", CHANGES)
def test_a_changed_file_is_in_the_next_response(site: Asker, size: int, change: Callable[[Path, bytes], None]) -> None:
    old, new = b"o" * size, b"n" * size
    path = site.write("app.js", old)
    for _ in range(3):
        site.settle()
        assert site.get("/app.js") == (200, old)
        assert site.get("/app.js") == (200, old)
        change(path, new)
        assert site.get("/app.js") == (200, new)
        old, new = new, old


@SIZES
def test_a_removed_file_is_404_and_back_when_it_is_back(site: Asker, size: int) -> None:
    path = site.write("app.js", b"x" * size)
    for _ in range(3):
        site.settle()
        assert site.get("/app.js") == (200, b"x" * size)
        path.unlink()
        assert site.ask("/app.js").status == 404
        assert site.ask("/app.js").status == 404
        path.write_bytes(b"x" * size)


def test_a_file_that_grows_is_sent_whole(site: Asker) -> None:
    path = site.write("log.txt", b"1")
    site.settle()
    for size in range(1, 30):
        assert site.get("/log.txt") == (200, b"1" * size)
        with path.open("ab") as file:
            file.write(b"1")


def test_many_requests_of_a_pass_share_one_look(site: Asker) -> None:
    path = site.write("app.js", b"old")
    site.settle()
    site.ask("/app.js")
    first = site.ask("/app.js")
    path.write_bytes(b"newer")
    assert site.ask_in_same_pass("/app.js") is first
    assert site.get("/app.js") == (200, b"newer")


def test_an_unchanged_file_is_decided_once(site: Asker) -> None:
    site.write("app.js", b"x")
    site.settle()
    assert site.ask("/app.js") is site.ask("/app.js")


def test_a_query_that_never_came_gets_what_is_kept_for_its_path(site: Asker) -> None:
    path = site.write("app.js", b"x")
    site.settle()
    kept, missing = site.ask("/app.js"), site.ask("/missing")
    hits = site.handler.hits
    for number in range(100):
        assert site.ask(f"/app.js?v={number}") is kept
        assert site.ask(f"/missing?v={number}?") is missing
    assert site.handler.hits == hits + 200
    path.write_bytes(b"newer")
    assert site.get("/app.js?v=1") == (200, b"newer")
    statuses = [site.ask(target).status for target in ("?", "?v", "*?", "//?v=1", "/app.js/?v")]
    assert statuses == [400, 400, 400, 200, 404]


def test_a_file_dated_in_the_future_is_kept_as_well(site: Asker) -> None:
    path = site.write("app.js", b"x")
    os.utime(path, ns=(4 * 10**18, 4 * 10**18))
    while not is_settled(path.parent.stat(), time.time_ns()):
        os.sched_yield()
    while time.time_ns() - path.stat().st_ctime_ns < 100_000_000:
        os.sched_yield()
    assert site.ask("/app.js") is site.ask("/app.js")
    path.write_bytes(b"y")
    assert site.get("/app.js") == (200, b"y")


@pytest.mark.parametrize("change", CHANGES)
def test_a_range_that_is_kept_is_of_the_file_as_it_is(site: Asker, change: Callable[[Path, bytes], None]) -> None:
    path = site.write("map.bin", b"o" * LARGE)
    for old, new in ((b"o", b"n"), (b"n", b"o")):
        site.settle()
        asked = [site.ask("/map.bin", range=b"bytes=0-99") for _ in range(4)]
        assert asked[1] is asked[2] is asked[3]
        assert [(each.status, body(each)) for each in asked] == [(206, old * 100)] * 4
        tag = fields(asked[3])[b"ETag"]
        assert site.ask("/map.bin", range=b"bytes=0-99", if_range=tag) is asked[3]
        assert site.ask("/map.bin", range=b"bytes=0-99", if_range=b'"other"').status == 200
        change(path, new * LARGE)
        assert body(site.ask("/map.bin", range=b"bytes=0-99")) == new * 100


def test_only_so_many_bytes_of_ranges_are_kept(site: Asker) -> None:
    site.write("map.bin", b"m" * LARGE)
    site.settle()
    asks = [f"bytes={start}-{start + 1000 * length - 1}".encode() for start in range(9) for length in (1, 16)]
    kept = {value: [site.ask("/map.bin", range=value) for _ in range(3)][2] for value in asks}
    still = [value for value in asks if site.ask("/map.bin", range=value) is kept[value]]
    assert asks[-1] in still
    assert sum(kept[value].body_size for value in still) <= MAX_KEPT
    assert all(body(kept[value]) == b"m" * kept[value].body_size for value in asks)


def test_the_validators_change_with_the_content(site: Asker) -> None:
    path = site.write("app.js", b"old")
    site.settle()
    tag = fields(site.ask("/app.js"))[b"ETag"]
    assert site.ask("/app.js", if_none_match=tag).status == 304
    path.write_bytes(b"new")
    assert site.ask("/app.js", if_none_match=tag).status == 200


def test_a_download_in_flight_stays_of_one_version(site: Asker) -> None:
    path = site.write("large.bin", b"o" * LARGE)
    site.settle()
    before = open_files()
    response = site.ask("/large.bin")
    rename_over(path, b"n" * LARGE)
    assert site.get("/large.bin") == (200, b"n" * LARGE)
    assert body(response) == b"o" * LARGE
    del response
    site.settle()
    for _ in range(5):
        rename_over(path, b"m" * LARGE)
        site.settle()
        site.ask("/large.bin")
    assert open_files() <= before + 1


# Changes around it


def test_a_missing_file_is_remembered_until_it_appears(site: Asker) -> None:
    site.settle()
    assert site.ask("/app.js").status == 404
    assert site.ask("/app.js").status == 404
    site.write("app.js", b"x")
    assert site.get("/app.js") == (200, b"x")


def test_a_missing_file_in_a_missing_folder_appears_with_it(site: Asker) -> None:
    assert site.ask("/a/b/app.js").status == 404
    site.write("a/b/app.js", b"x")
    assert site.get("/a/b/app.js") == (200, b"x")


def test_a_folder_that_was_a_file_is_looked_into(site: Asker) -> None:
    path = site.write("a", b"x")
    site.settle()
    assert site.ask("/a/app.js").status == 404
    path.unlink()
    site.write("a/app.js", b"x")
    assert site.get("/a/app.js") == (200, b"x")


def test_a_file_that_becomes_a_folder_is_a_redirect(site: Asker) -> None:
    path = site.write("a", b"x")
    site.settle()
    assert site.ask("/a").status == 200
    path.unlink()
    path.mkdir()
    response = site.ask("/a")
    assert (response.status, fields(response)[b"Location"]) == (301, b"/a/")


def test_an_index_that_comes_and_goes_replaces_the_listing(site: Asker) -> None:
    site.write("docs/file", b"x")
    for _ in range(3):
        assert b"file" in site.get("/docs/")[1]
        index = site.write("docs/index.html", b"the index")
        site.settle()
        assert site.get("/docs/") == (200, b"the index")
        assert site.get("/docs/") == (200, b"the index")
        index.unlink()


def test_an_index_of_more_weight_goes_before_the_one_that_was_there(tmp_path: Path) -> None:
    asker = Asker(tmp_path, index=("index.html", "index.txt"))
    asker.write("index.txt", b"second")
    asker.settle()
    assert asker.get("/") == (200, b"second")
    assert asker.get("/") == (200, b"second")
    asker.write("index.html", b"first")
    assert asker.get("/") == (200, b"first")
    asker.root.close()


def test_a_folder_behind_a_link_is_what_the_link_says_now(site: Asker) -> None:
    for release in ("1", "2"):
        site.write(f"releases/{release}/app.js", release.encode())
    (site.folder / "current").symlink_to("releases/1")
    site.settle()
    for release in ("1", "2", "1"):
        (site.folder / "next").symlink_to(f"releases/{release}")
        (site.folder / "next").replace(site.folder / "current")
        assert site.get("/current/app.js") == (200, release.encode())
        assert site.get("/current/app.js") == (200, release.encode())


def test_a_root_that_is_built_again_is_served_from_the_new_one(site: Asker) -> None:
    for content in (b"1", b"2", b"3"):
        site.write("app.js", content)
        site.settle()
        assert site.get("/app.js") == (200, content)
        assert site.get("/app.js") == (200, content)
        site.folder.rename(site.folder.with_name(f"old-{content.decode()}"))
        assert site.ask("/app.js").status == 404
        assert site.ask("/").status == 404
        site.folder.mkdir()


def test_a_cached_file_is_not_served_through_a_link_that_came_to_lead_outside(site: Asker, tmp_path: Path) -> None:
    site.write("public/app.js", b"inside")
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "app.js").write_bytes(b"outside")
    site.settle()
    assert site.get("/public/app.js") == (200, b"inside")
    (site.folder / "public").rename(site.folder / "aside")
    (site.folder / "public").symlink_to(outside)
    assert site.ask("/public/app.js").status == 404
    (site.folder / "public").unlink()
    (site.folder / "aside").rename(site.folder / "public")
    assert site.get("/public/app.js") == (200, b"inside")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_that_may_no_longer_be_read_is_403(site: Asker) -> None:
    path = site.write("app.js", b"x")
    site.settle()
    assert site.ask("/app.js").status == 200
    path.chmod(0)
    assert site.ask("/app.js").status == 403


# Variants


def asked_for(site: Asker, target: str = "/app.js") -> tuple[bytes | None, bytes]:
    response = site.ask(target, accept_encoding=GZIP)
    assert response.status == 200
    return fields(response).get(b"Content-Encoding"), body(response)


def test_a_variant_that_appears_is_used_and_forgotten_when_it_goes(site: Asker) -> None:
    site.write("app.js", b"plain")
    for _ in range(3):
        site.settle()
        assert asked_for(site) == (None, b"plain")
        assert b"Vary" not in fields(site.ask("/app.js"))
        variant = site.write("app.js.gz", b"\x1f\x8bcompressed")
        assert asked_for(site) == (GZIP, b"\x1f\x8bcompressed")
        assert fields(site.ask("/app.js"))[b"Vary"] == b"Accept-Encoding"
        site.settle()
        assert asked_for(site) == (GZIP, b"\x1f\x8bcompressed")
        variant.unlink()


def test_a_variant_that_is_rewritten_in_place_is_the_new_one(site: Asker) -> None:
    site.write("app.js", b"plain")
    variant = site.write("app.js.gz", b"\x1f\x8bcompressed")
    site.settle()
    assert asked_for(site) == (GZIP, b"\x1f\x8bcompressed")
    variant.write_bytes(b"\x1f\x8bCompressed")
    assert asked_for(site) == (GZIP, b"\x1f\x8bCompressed")


def test_a_variant_is_not_used_while_its_original_is_newer(site: Asker) -> None:
    """A build rewrites the file and then its variant, both in place: no name comes or goes."""
    original = site.write("app.js", b"plain")
    variant = site.write("app.js.gz", b"\x1f\x8bcompressed")
    for version in (b"1", b"2"):
        site.settle()
        asked_for(site)
        original.write_bytes(b"plain " + version)
        site.settle()
        assert asked_for(site) == (None, b"plain " + version)
        assert asked_for(site) == (None, b"plain " + version)
        variant.write_bytes(b"\x1f\x8b" + version)
        assert asked_for(site) == (GZIP, b"\x1f\x8b" + version)
        assert asked_for(site) == (GZIP, b"\x1f\x8b" + version)


def test_a_variant_behind_a_link_to_nothing_is_used_once_it_is_there(site: Asker) -> None:
    site.write("app.js", b"plain")
    site.write("cache/.keep", b"")
    (site.folder / "app.js.gz").symlink_to("cache/app.js.gz")
    site.settle()
    assert asked_for(site) == (None, b"plain")
    assert asked_for(site) == (None, b"plain")
    site.write("cache/app.js.gz", b"\x1f\x8bcompressed")
    assert asked_for(site) == (GZIP, b"\x1f\x8bcompressed")


# Files that are never served


@pytest.mark.parametrize(
    "make",
    [
        pytest.param(os.mkfifo, id="a FIFO"),
        pytest.param(lambda path: path.symlink_to("/etc/passwd"), id="a link that leads out"),
        pytest.param(lambda path: path.symlink_to("/dev/zero"), id="a link to a device"),
        pytest.param(lambda path: path.symlink_to("nothing"), id="a link to nothing"),
        pytest.param(lambda path: path.symlink_to("it"), id="a loop"),
    ],
)
@pytest.mark.parametrize("target", ["/it", "/it/", "/it/deeper"])
def test_what_is_no_file_is_404_at_once(site: Asker, make: Callable[[Path], None], target: str) -> None:
    make(site.folder / "it")
    before = open_files()
    for _ in range(3):
        assert site.ask(target).status == 404
    assert open_files() == before


def test_what_was_no_file_is_served_when_it_is_one(site: Asker) -> None:
    os.mkfifo(site.folder / "it")
    site.settle()
    assert site.ask("/it").status == 404
    (site.folder / "it").unlink()
    site.write("it", b"x")
    assert site.get("/it") == (200, b"x")


def test_a_name_that_is_too_long_is_404(site: Asker) -> None:
    assert site.ask("/" + "n" * 256).status == 404
    assert site.ask("/" + "n/" * 2100).status == 404


def test_one_file_is_served_at_the_root_and_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "page.html").write_bytes(b"page")
    (tmp_path / "secret").write_bytes(b"secret")
    asker = Asker(tmp_path / "page.html")
    assert asker.get("/") == (200, b"page")
    for target in ("/page.html", "/secret", "/../secret", "/%2e%2e/secret", "//secret", "/secret/"):
        assert asker.ask(target).status in (400, 404)
    asker.root.close()


# Descriptors run out


def test_without_descriptors_a_file_is_503_and_served_again_later(site: Asker) -> None:
    site.write("large.bin", b"x" * LARGE)
    site.write("small.txt", b"x")
    site.settle()
    assert site.ask("/small.txt").status == 200
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (1, limits[1]))
    try:
        site.clock.begin_batch()
        refused = site.ask_in_same_pass("/large.bin")
        cached = site.ask_in_same_pass("/small.txt")
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)
    assert refused.status == 503
    assert fields(refused)[b"Retry-After"] == b"1"
    assert cached.status == 200
    assert site.get("/large.bin") == (200, b"x" * LARGE)


def test_a_failure_gets_the_nearest_50x_html_also_without_descriptors(tmp_path: Path) -> None:
    for name in ("50x.html", "docs/50x.html", "docs/deep/x.bin"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(name.encode() if name.endswith("html") else b"x" * LARGE)
    site = Asker(tmp_path)
    site.settle()
    site = Asker(tmp_path)
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (1, limits[1]))
    try:
        refused = site.ask("/docs/deep/x.bin", "GET")
        as_json = RequestHead(
            b"GET", b"/docs/deep/x.bin", 1, 0, b"Accept: application/json\r\n", authority=b"localhost"
        )
        other = site.handler.respond(as_json)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)
    assert (refused.status, body(refused), fields(refused)[b"Retry-After"]) == (503, b"50x.html", b"1")
    assert fields(other)[b"Content-Type"] == b"application/json"

    def fail(*_: object) -> None:
        raise OSError(errno.EIO, "the disk")

    site.root.open = fail  # type: ignore[method-assign]
    assert body(site.ask("/docs/deep/x.bin")) == b"50x.html"
    site.root.close()


def test_no_more_files_are_held_open_than_the_limit_says(tmp_path: Path) -> None:
    asker = Asker(tmp_path, cache_files=5)
    for number in range(20):
        asker.write(f"{number}.bin", b"x" * LARGE)
    asker.settle()
    before = open_files()
    for _ in range(3):
        for number in range(20):
            assert asker.get(f"/{number}.bin") == (200, b"x" * LARGE)
    assert open_files() == before + 5
    asker.root.close()


@pytest.mark.parametrize(
    ("method", "target", "status"),
    [
        (b"GET", b"/app.js", 200),
        (b"GET", b"/missing", 404),
        (b"GET", b"/.hidden", 404),
        (b"GET", b"/app.js/", 404),
        (b"GET", b"/%zz", 400),
        (b"POST", b"/app.js", 405),
        (b"HEAD", b"/missing", 404),
    ],
)
def test_nothing_of_a_request_is_kept_after_its_response(
    site: Asker, method: bytes, target: bytes, status: int
) -> None:
    """An exception that is raised more than once would keep the frames of every raise, and so their requests."""
    site.write("app.js", b"content")
    heads = [RequestHead(method, target, 1, 0, authority=b"localhost") for _ in range(3)]
    before = [sys.getrefcount(head) for head in heads]
    assert [site.handler.respond(head).status for head in heads] == [status] * 3
    assert [sys.getrefcount(head) for head in heads] == before
