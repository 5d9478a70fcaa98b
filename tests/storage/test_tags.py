"""Entity tags of files whose time says nothing: hashes of the content, made in a thread, the same on every machine."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest
from support.asker import Asker, body, fields
from support.rawclient import RawClient
from support.serverprocess import TIMEOUT_S, ServerProcess

from fastfile.message import Deferred, RequestHead
from fastfile.storage import tags as tags_module
from fastfile.storage.metadata import FileTimes
from fastfile.storage.resource import Resource, open_resource
from fastfile.storage.root import Root
from fastfile.storage.tags import MAX_JOBS, NO_TAG, Tags, TagTable, Unhashed

SECOND_NS = 1_000_000_000
LARGE = 300_000  # not in memory
IS_RESTLESS = tags_module._is_restless
CONSTANT_TIMES_S = (0, 1, 315532800, 315532801, 315525600, 499162500, 946684800, 1262304000)
WHOLE_TIMES_S = (1_600_000_000, 1_712_345_678)  # for example of a commit: SOURCE_DATE_EPOCH


@pytest.fixture(autouse=True)
def _without_rest(monkeypatch: pytest.MonkeyPatch) -> None:
    """Treat new files as settled, so that no test waits."""
    monkeypatch.setattr(tags_module, "_is_restless", lambda *_: False)


def write(path: Path, content: bytes, time_ns: int) -> None:
    path.write_bytes(content)
    os.utime(path, ns=(time_ns, time_ns))


@pytest.mark.parametrize("size", [10, LARGE], ids=["in memory", "by sendfile"])
@pytest.mark.parametrize("time_s", [*CONSTANT_TIMES_S, *WHOLE_TIMES_S])
def test_two_builds_of_one_time_and_size_have_two_tags(tmp_path: Path, time_s: int, size: int) -> None:
    asker = Asker(tmp_path)
    responses = []
    for letter in (b"a", b"b", b"a"):
        write(tmp_path / "new", letter * size, time_s * SECOND_NS)
        (tmp_path / "new").replace(tmp_path / "app.js")
        response = asker.ask("/app.js")
        assert body(response) == letter * size
        responses.append(fields(response))
    tags = [found[b"ETag"] for found in responses]
    assert tags[0] == tags[2] != tags[1]
    assert all((b"Last-Modified" in found) == (time_s in WHOLE_TIMES_S) for found in responses)
    assert asker.ask("/app.js", if_none_match=tags[0]).status == 304
    assert asker.ask("/app.js", if_none_match=tags[1]).status == 200
    asker.root.close()


def test_two_machines_have_one_tag(tmp_path: Path) -> None:
    tags = set()
    for name in ("one", "other"):
        (tmp_path / name).mkdir()
        for file, letter in (("big.bin", b"x"), ("big.bin.gz", b"\x1f\x8b")):
            write(tmp_path / name / file, letter * 2_000_000, 0)
        asker = Asker(tmp_path / name)
        tags |= {fields(asker.ask("/big.bin", accept_encoding=coding))[b"ETag"] for coding in (b"identity", b"gzip")}
        asker.root.close()
    assert len(tags) == 2


def test_a_large_content_is_hashed_once_in_a_thread_for_all_that_ask(tmp_path: Path) -> None:
    write(tmp_path / "big.bin", b"x" * LARGE, 0)
    asker = Asker(tmp_path)
    heads = [RequestHead(b"GET", b"/big.bin", 1, 0, authority=b"localhost") for _ in range(3)]
    asker.clock.begin_batch()
    deferred = [asker.handler.respond(head) for head in heads]
    assert all(isinstance(response, Deferred) for response in deferred)
    assert len({id(response.work) for response in deferred if isinstance(response, Deferred)}) == 1
    asker.ask("/big.bin")
    assert not isinstance(asker.handler.respond(heads[0]), Deferred)
    asker.root.close()


@pytest.mark.parametrize(
    ("mode", "time_ns", "is_of_content"),
    [
        ("auto", 1_600_000_000 * SECOND_NS, True), ("auto", 1_600_000_000 * SECOND_NS + 1, False),
        ("content", 1_600_000_000 * SECOND_NS + 1, True), ("mtime", 1_600_000_000 * SECOND_NS, False),
        ("mtime", 0, False),
    ],
)  # fmt: skip
def test_the_option_says_what_a_tag_is_made_of(tmp_path: Path, mode: str, time_ns: int, is_of_content: bool) -> None:
    asker = Asker(tmp_path, etag=mode)
    tags = []
    for letter in (b"a", b"b"):
        write(tmp_path / "new", letter * LARGE, time_ns)
        (tmp_path / "new").replace(tmp_path / "app.js")
        tags.append(fields(asker.ask("/app.js"))[b"ETag"])
    assert (tags[0] != tags[1]) == is_of_content
    asker.root.close()


def test_a_file_that_changes_all_the_time_is_sent_without_a_tag_and_not_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tags_module, "_is_restless", lambda *_: True)
    write(tmp_path / "data.bin", b"x" * LARGE, 0)
    asker = Asker(tmp_path)
    asker.settle()
    response = asker.ask("/data.bin")
    assert response.status == 200
    assert b"ETag" not in fields(response)
    assert asker.ask("/data.bin", if_none_match=b"").status == 200
    assert asker.ask("/data.bin", if_none_match=b'"x"').status == 200
    assert asker.ask("/data.bin", if_none_match=b"*").status == 304
    assert asker.ask("/data.bin", if_match=b'"x"').status == 412
    assert asker.ask("/data.bin", if_match=b"*").status == 200
    assert asker.ask("/data.bin", range=b"bytes=0-1", if_range=b'"x"').status == 200
    assert asker.ask("/data.bin", range=b"bytes=0-1").status == 206
    monkeypatch.setattr(tags_module, "_is_restless", lambda *_: False)
    assert b"ETag" in fields(asker.ask("/data.bin"))
    asker.root.close()


@pytest.mark.parametrize(
    ("size", "age_ns", "ctime_ns", "has_tag"),
    [
        (LARGE, 25_000_000, 1, True),  # a tool has set its time after it was written
        (LARGE, 15_000_000, 1, False),  # it may change again within one tick of the file system's clock
        (100_000_000, 150_000_000, 1, False),  # it changes faster than it is hashed
        (100_000_000, 250_000_000, 1, True),
        (LARGE, 1_000_000_000, 0, False),  # the file system may keep whole seconds
        (LARGE, 3_000_000_000, 0, True),
    ],
)
def test_a_file_has_a_tag_once_it_has_rested_for_as_long_as_its_hash_takes(
    size: int, age_ns: int, ctime_ns: int, has_tag: bool
) -> None:
    changed_ns = WHOLE_TIMES_S[0] * SECOND_NS + ctime_ns
    status = FileTimes(WHOLE_TIMES_S[0] * SECOND_NS - SECOND_NS, changed_ns)
    resource = Resource(-1, status, size, b"signature", None)
    assert IS_RESTLESS(resource, changed_ns + age_ns) is not has_tag


def test_a_file_that_changes_while_it_is_hashed_has_no_tag(tmp_path: Path) -> None:
    write(tmp_path / "data.bin", b"x" * LARGE, 0)
    root = Root(os.fsencode(tmp_path))
    tags = Tags("auto")
    resource = open_resource(root, b"data.bin", 1000)
    with pytest.raises(Unhashed) as caught:
        tags.assign([resource])
    (tmp_path / "data.bin").write_bytes(b"y")
    caught.value.job()
    assert tags.assign([resource])
    assert resource.tag == NO_TAG
    root.close()


def test_jobs_without_a_waiter_take_no_room(tmp_path: Path) -> None:
    root = Root(os.fsencode(tmp_path))
    tags = Tags("auto")
    for number in range(MAX_JOBS * 2):
        write(tmp_path / f"{number}", b"x" * LARGE, 0)
    resources = [open_resource(root, b"%d" % number, 1000) for number in range(MAX_JOBS * 2)]
    for resource in resources:
        with pytest.raises(Unhashed):
            tags.assign([resource])
    jobs = []
    for resource in resources[:MAX_JOBS]:
        with pytest.raises(Unhashed) as caught:
            tags.assign([resource])
        jobs.append(caught.value.job)
        del caught
    assert not tags.assign([resources[-1]])
    assert resources[-1].tag == NO_TAG
    root.close()


def test_a_server_sends_the_tag_of_a_content_once_the_file_has_settled(tmp_path: Path) -> None:
    write(tmp_path / "big.bin", b"x" * 5_000_000, 0)
    write(tmp_path / "small.js", b"x", 0)
    with ServerProcess([os.fspath(tmp_path)]) as server, RawClient(server.connect()) as client:
        assert client.request("/small.js").fields["etag"] == client.request("/small.js", "HEAD").fields["etag"]
        deadline_s = time.monotonic() + TIMEOUT_S
        while "etag" not in (fields_of_large := client.request("/big.bin", "HEAD").fields):
            assert time.monotonic() < deadline_s
        tag = fields_of_large["etag"]
        assert client.request("/big.bin", "GET", f"If-None-Match: {tag}").status == 304
        assert len(client.request("/big.bin").body) == 5_000_000


def test_a_table_of_tags_knows_the_last_one_in_each_place(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tags_module, "PLACES", 1)
    table = TagTable()
    one, two = bytes(range(40)), bytes(range(1, 41))
    assert table.find(one) is None
    table.add(one, b"1" * 24)
    assert (table.find(one), table.find(two)) == (b"1" * 24, None)
    table.add(two, b"2" * 24)
    assert (table.find(one), table.find(two)) == (None, b"2" * 24)
    table.add(one, NO_TAG)
    assert (table.find(one), table.find(two)) == (None, b"2" * 24)
