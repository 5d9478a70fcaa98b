"""--compress on a handler without a network; the tests run the background jobs themselves."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import pytest
from support.asker import Asker, body, fields
from support.encoded import TEXT, decode, require_all_codings

from fastfile.application import MountPoint, make_application
from fastfile.config.config import Config
from fastfile.http.field_changes import FieldChanges
from fastfile.message import Response
from fastfile.site.compression import Compression
from fastfile.site.error_pages import ErrorPages
from fastfile.site.handler import Handler
from fastfile.site.mounts import Mounts
from fastfile.site.shared import Shared
from fastfile.site.steps.lookup import Site
from fastfile.storage.cache import Cache
from fastfile.storage.tags import Tags

ALL = b"gzip, deflate, br, zstd"


class CompressingAsker(Asker):
    """``jobs`` are waiting for a thread; there is one, as in a worker."""

    def __init__(self, folder: Path, **settings: object) -> None:
        super().__init__(folder, **settings)
        self.jobs: list[tuple[Callable[[], Any], Callable[[Future[Any]], None]]] = []
        self.has_threads = True
        mount_points = [MountPoint(b"", self.root)]
        config = Config(compress=True, **settings)
        self.handler = make_application(config, mount_points, self.clock, self.failures.append, self.submit)

    def submit(self, work: Callable[[], Any], on_done: Callable[[Future[Any]], None]) -> Future[Any] | None:
        if not self.has_threads:
            return None
        self.jobs.append((work, on_done))
        return Future()

    def run_job(self) -> None:
        """Run the oldest job, like a thread and then the loop."""
        work, on_done = self.jobs.pop(0)
        future: Future[Any] = Future()
        try:
            future.set_result(work())
        except Exception as error:
            future.set_exception(error)
        on_done(future)

    def run_all(self) -> int:
        count = 0
        while self.jobs:
            self.run_job()
            count += 1
        return count


@pytest.fixture
def site(tmp_path: Path) -> Iterator[CompressingAsker]:
    require_all_codings()
    folder = tmp_path / "site"
    folder.mkdir()
    (folder / "app.js").write_bytes(TEXT)
    asker = CompressingAsker(folder)
    asker.settle()
    yield asker
    asker.root.close()


def coding(response: Response) -> str:
    return fields(response).get(b"Content-Encoding", b"").decode()


def read(response: Response) -> bytes:
    return decode(coding(response), body(response)) if coding(response) else body(response)


def test_the_first_response_is_the_file_and_the_next_its_best_coding(site: CompressingAsker) -> None:
    first = site.ask("/app.js", accept_encoding=ALL)
    assert (coding(first), body(first)) == ("", TEXT)
    assert site.run_all() == 1
    then = site.ask("/app.js", accept_encoding=ALL)
    assert (coding(then), read(then)) == ("br", TEXT)
    assert then.body_size < len(TEXT) / 3
    assert site.ask("/app.js", accept_encoding=ALL) is then, "ready made, as that of a file"
    assert not site.jobs


@pytest.mark.parametrize(
    ("accepted", "made"),
    [(b"br", "br"), (b"zstd", "zstd"), (b"gzip, deflate", "gzip"), (b"x-gzip", "gzip"), (b"*", "br"),
     (b"gzip, br;q=0.5", "gzip"), (b"br;q=0, *", "zstd"), (b"", ""), (None, ""), (b"identity", ""),
     (b"identity, gzip;q=0.5", ""), (b"deflate", "")],
)  # fmt: skip
def test_what_is_made_is_what_the_client_likes_best(accepted: bytes | None, made: str, site: CompressingAsker) -> None:
    site.ask("/app.js", accept_encoding=accepted)
    assert site.run_all() == (1 if made else 0)
    response = site.ask("/app.js", accept_encoding=accepted)
    assert (coding(response), read(response)) == (made, TEXT)


def test_a_hundred_simultaneous_requests_make_a_variant_once(site: CompressingAsker) -> None:
    for _ in range(100):
        assert body(site.ask("/app.js", accept_encoding=ALL)) == TEXT
    assert len(site.jobs) == 1
    assert site.run_all() == 1
    assert {coding(site.ask("/app.js", accept_encoding=ALL)) for _ in range(100)} == {"br"}


def test_one_is_made_at_a_time_and_the_others_wait(site: CompressingAsker) -> None:
    for number in range(300):
        site.write(f"{number}.js", TEXT)
    site.settle()
    for number in range(300):
        site.ask(f"/{number}.js", accept_encoding=b"gzip")
        assert len(site.jobs) == 1
    assert site.run_all() == 257, "one, and 256 that waited"
    for number in range(300):
        site.ask(f"/{number}.js", accept_encoding=b"gzip")
    assert site.run_all() == 43, "what found no room was wanted again"
    assert {coding(site.ask(f"/{number}.js", accept_encoding=b"gzip")) for number in range(300)} == {"gzip"}


def test_without_a_thread_the_file_itself_is_sent_until_there_is_one(site: CompressingAsker) -> None:
    site.has_threads = False
    assert coding(site.ask("/app.js", accept_encoding=ALL)) == ""
    site.has_threads = True
    assert coding(site.ask("/app.js", accept_encoding=ALL)) == ""
    site.run_all()
    assert coding(site.ask("/app.js", accept_encoding=ALL)) == "br"


def test_a_variant_that_is_there_is_sent_while_a_better_one_is_made(site: CompressingAsker) -> None:
    site.ask("/app.js", accept_encoding=b"gzip")
    site.run_all()
    assert coding(site.ask("/app.js", accept_encoding=ALL)) == "gzip"
    site.run_all()
    assert coding(site.ask("/app.js", accept_encoding=ALL)) == "br"
    assert coding(site.ask("/app.js", accept_encoding=b"gzip")) == "gzip"


def test_every_response_of_the_resource_varies_from_the_first(site: CompressingAsker) -> None:
    tag = fields(site.ask("/app.js"))[b"ETag"]
    asked: list[dict[str, bytes]] = [
        {},
        {"accept_encoding": ALL},
        {"if_none_match": tag},
        {"range": b"bytes=0-9"},
        {"range": b"bytes=99999999-"},
        {"if_match": b'"other"'},
    ]
    for _ in range(2):
        for method in ("GET", "HEAD"):
            responses = [site.ask("/app.js", method, **one) for one in asked]
            assert all(b"Accept-Encoding" in fields(response)[b"Vary"] for response in responses)
        assert site.run_all() in (0, 1)


def test_a_range_is_always_of_the_file_itself(site: CompressingAsker) -> None:
    for accepted in (ALL, b"br, identity;q=0"):
        part = site.ask("/app.js", accept_encoding=accepted, range=b"bytes=5-9")
        assert (part.status, coding(part), body(part)) == (206, "", TEXT[5:10])
        site.ask("/app.js", accept_encoding=accepted)
        site.run_all()
        part = site.ask("/app.js", accept_encoding=accepted, range=b"bytes=5-9")
        assert (part.status, coding(part), body(part)) == (206, "", TEXT[5:10])
        whole = site.ask("/app.js", accept_encoding=ALL)
        resumed = site.ask("/app.js", accept_encoding=ALL, range=b"bytes=5-9", if_range=fields(whole)[b"ETag"])
        assert (resumed.status, body(resumed)) == (200, TEXT), "no part of one is put into the other"


def test_an_order_does_not_come_from_a_range(site: CompressingAsker) -> None:
    site.ask("/app.js", accept_encoding=ALL, range=b"bytes=5-9")
    assert not site.jobs


def test_head_says_what_get_does_before_and_after(site: CompressingAsker) -> None:
    heads = []
    for _ in range(2):
        get = site.ask("/app.js", accept_encoding=ALL)
        heads.append(site.ask("/app.js", "HEAD", accept_encoding=ALL).fields)
        assert heads[-1] == get.fields
        site.run_all()
    assert heads[0] != heads[1]


def test_a_variant_has_its_own_tag_and_costs_304(site: CompressingAsker) -> None:
    tags = {fields(site.ask("/app.js"))[b"ETag"]}
    for accepted in (b"br", b"zstd", b"gzip"):
        site.ask("/app.js", accept_encoding=accepted)
        site.run_all()
        tag = fields(site.ask("/app.js", accept_encoding=accepted))[b"ETag"]
        assert site.ask("/app.js", accept_encoding=accepted, if_none_match=tag).status == 304
        assert site.ask("/app.js", if_none_match=tag).status == 200
        tags.add(tag)
    assert len(tags) == 4
    assert not any(tag.startswith(b"W/") for tag in tags)


def test_the_tag_of_a_variant_is_of_its_bytes(site: CompressingAsker) -> None:
    """Two workers, and two runs, have the same one; what another version of a library makes has another."""
    other = CompressingAsker(site.folder)
    for asker in (site, other):
        asker.ask("/app.js", accept_encoding=b"br")
        asker.run_all()
        variant = asker.ask("/app.js", accept_encoding=b"br")
        content_hash = hashlib.blake2b(body(variant), digest_size=12).hexdigest()
        assert fields(variant)[b"ETag"] == f'"{content_hash}-br"'.encode()
    other.root.close()


def test_a_changed_file_is_seen_at_once_and_compressed_again(site: CompressingAsker) -> None:
    for _ in range(2):
        site.ask("/app.js", accept_encoding=ALL)
        site.run_all()
    assert coding(site.ask("/app.js", accept_encoding=ALL)) == "br"
    site.write("app.js", TEXT + b"more")
    assert site.get("/app.js", accept_encoding=ALL) == (200, TEXT + b"more")
    site.settle()
    site.ask("/app.js", accept_encoding=ALL)
    site.run_all()
    response = site.ask("/app.js", accept_encoding=ALL)
    assert (coding(response), read(response)) == ("br", TEXT + b"more")


@pytest.mark.parametrize("small_file", [0, 1 << 20], ids=["sendfile", "memory"])
def test_a_file_that_changes_while_it_is_encoded_is_never_sent_as_it_was(small_file: int, tmp_path: Path) -> None:
    require_all_codings()
    (tmp_path / "app.js").write_bytes(TEXT)
    site = CompressingAsker(tmp_path, small_file=small_file)
    site.settle()
    site.ask("/app.js", accept_encoding=ALL)
    with (tmp_path / "app.js").open("r+b") as file:  # the very file that is open
        file.write(b"other text")
    site.settle()
    new = (tmp_path / "app.js").read_bytes()
    site.run_all()
    assert site.get("/app.js", accept_encoding=ALL) == (200, new)
    site.run_all()
    response = site.ask("/app.js", accept_encoding=ALL)
    assert (coding(response), read(response)) == ("br", new)
    site.root.close()


def test_a_file_that_is_cut_while_it_is_encoded_is_no_failure(tmp_path: Path) -> None:
    require_all_codings()
    (tmp_path / "app.js").write_bytes(TEXT)
    site = CompressingAsker(tmp_path, small_file=0)
    site.settle()
    site.ask("/app.js", accept_encoding=b"zstd")  # whose encoder knows the size
    os.truncate(tmp_path / "app.js", 2000)
    site.run_all()
    site.settle()
    assert site.get("/app.js", accept_encoding=b"zstd") == (200, TEXT[:2000])
    site.root.close()


def test_a_variant_file_that_comes_to_be_there_takes_over(site: CompressingAsker) -> None:
    site.ask("/app.js", accept_encoding=ALL)
    site.run_all()
    site.write("app.js.zst", b"\x28\xb5\x2f\xfd" + b"whatever it holds")
    site.settle()
    assert body(site.ask("/app.js", accept_encoding=ALL)) == b"\x28\xb5\x2f\xfd" + b"whatever it holds"
    assert not site.jobs


NOT_MADE = {
    "of a file that fits into a packet": ("a.js", TEXT[:1023]),
    "of a picture": ("a.png", TEXT),
    "of an archive": ("a.js.gz", TEXT),
    "of what nobody knows": ("a.xyz", TEXT),
    "of a file that is very large": ("large.js", bytes((8 << 20) + 1)),
}


@pytest.mark.parametrize("name", NOT_MADE)
def test_no_variant_is_made(name: str, site: CompressingAsker) -> None:
    target, content = NOT_MADE[name]
    site.write(target, content)
    site.settle()
    response = site.ask(f"/{target}", accept_encoding=ALL)
    assert body(response) == content
    assert b"Vary" not in fields(response)
    assert not site.jobs


def test_a_file_of_many_pieces_is_encoded_whole(site: CompressingAsker) -> None:
    content = TEXT * 100  # above the size for the best level, and sent from an open file
    site.write("long.css", content)
    site.settle()
    for accepted in (b"br", b"zstd", b"gzip"):
        site.ask("/long.css", accept_encoding=accepted)
        site.run_all()
        response = site.ask("/long.css", accept_encoding=accepted)
        assert (coding(response), read(response)) == (accepted.decode(), content)


def test_what_does_not_get_smaller_is_tried_once(site: CompressingAsker) -> None:
    content = os.urandom(50_000)
    site.write("random.js", content)
    site.settle()
    for accepted in (ALL, b"gzip", b"zstd", ALL):
        assert body(site.ask("/random.js", accept_encoding=accepted)) == content
        site.run_all()
    site.ask("/random.js", accept_encoding=b"zstd")
    assert not site.jobs


def test_a_failure_is_reported_and_the_file_itself_goes_on_being_sent(site: CompressingAsker) -> None:
    site.ask("/app.js", accept_encoding=ALL)
    _, on_done = site.jobs.pop()
    failed: Future[Any] = Future()
    failed.set_exception(MemoryError("no room for it"))
    on_done(failed)
    assert [type(error) for error in site.failures] == [MemoryError]
    site.failures.clear()
    assert body(site.ask("/app.js", accept_encoding=ALL)) == TEXT
    assert not site.jobs


# The cache


class CountedAsker(CompressingAsker):
    """With a cache of the test, so that it can be inspected."""

    def __init__(self, folder: Path, **settings: object) -> None:
        super().__init__(folder, **settings)
        config = Config(**settings)
        self.cache = Cache(config.cache_size, config.cache_files)
        pages, changes = ErrorPages(FieldChanges()), FieldChanges()
        compression = Compression(self.cache, self.submit, self.failures.append)
        shared = Shared(config, self.clock, self.cache, pages, changes, Tags("auto"), compression)
        self.handler = Handler(Mounts([Site(self.root, b"", shared)]), shared, self.failures.append)

    def counted(self) -> int:
        """Check that the cache's count equals its content."""
        assert self.cache._size == sum(entry.size + len(key) for key, entry in self.cache.entries.items())
        return self.cache._size


def test_variants_count_in_the_cache(tmp_path: Path) -> None:
    require_all_codings()
    (tmp_path / "app.js").write_bytes(TEXT)
    site = CountedAsker(tmp_path)
    site.settle()
    site.ask("/app.js")
    before = site.counted()
    variants = 0
    for accepted in (b"br", b"gzip"):
        site.ask("/app.js", accept_encoding=accepted)
        site.run_all()
        variants += site.ask("/app.js", accept_encoding=accepted).body_size
    assert variants <= site.counted() - before <= variants + 3 * 2500
    site.write("app.js", b"gone")
    site.settle()
    site.ask("/app.js")
    assert site.counted() < before
    site.root.close()


def test_what_was_evicted_meanwhile_is_dropped(tmp_path: Path) -> None:
    require_all_codings()
    for number in range(4):
        (tmp_path / f"{number}.js").write_bytes(TEXT)
    site = CountedAsker(tmp_path, cache_size=2 * len(TEXT))
    site.settle()
    for number in range(4):
        site.ask(f"/{number}.js", accept_encoding=b"gzip")
    assert site.run_all() < 4, "who is gone before it began is not even begun"
    assert site.counted() <= 2 * len(TEXT)
    site.root.close()


def test_a_cache_without_room_for_a_variant_keeps_the_file_and_tries_no_more(tmp_path: Path) -> None:
    require_all_codings()
    (tmp_path / "app.js").write_bytes(TEXT)
    site = CompressingAsker(tmp_path, cache_size=len(TEXT) + 6000)
    site.settle()
    site.ask("/app.js", accept_encoding=ALL)
    assert site.run_all() == 1
    for _ in range(3):
        assert body(site.ask("/app.js", accept_encoding=ALL)) == TEXT
    assert site.handler.hits == 3
    assert not site.jobs
    site.root.close()


def test_without_a_cache_nothing_is_made(tmp_path: Path) -> None:
    require_all_codings()
    (tmp_path / "app.js").write_bytes(TEXT)
    site = CompressingAsker(tmp_path, cache_size=0)
    site.settle()
    assert body(site.ask("/app.js", accept_encoding=ALL)) == TEXT
    assert not site.jobs
    site.root.close()


def test_the_page_of_an_app_is_compressed_for_its_routes(tmp_path: Path) -> None:
    require_all_codings()
    page = b"<!doctype html>" + TEXT
    (tmp_path / "index.html").write_bytes(page)
    site = CompressingAsker(tmp_path, spa="index.html")
    site.settle()
    navigation = b"Sec-Fetch-Mode: navigate\r\nAccept: text/html\r\n"
    for _ in range(2):
        response = site.ask("/some/route", accept_encoding=ALL, field_lines=navigation)
        assert (response.status, read(response)) == (200, page)
        assert b"Accept-Encoding" in fields(response)[b"Vary"]
        site.run_all()
    assert coding(site.ask("/some/other/route", accept_encoding=ALL, field_lines=navigation)) == "br"
    site.root.close()
