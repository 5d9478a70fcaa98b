"""Responses for folders over a socket: listings by column and format, and zips."""

from __future__ import annotations

import io
import json
import os
import re
import socket
import zipfile
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import pytest
from support.asker import Asker, body, complete, fields
from support.rawclient import RawClient, Received, make_request
from support.serverprocess import ServerProcess

from fastfile.http.content.disposition import make_attachment
from fastfile.message import Deferred, RequestHead, Response
from fastfile.site.listing import folders
from fastfile.site.listing.making import Abandoned
from fastfile.storage.directory import Entries
from fastfile.storage.zip.archive import MEMBER_WEIGHT

FILES = {
    "b10.txt": (b"x" * 30, 3),
    "b9.txt": (b"x" * 20, 2),
    "A.txt": (b"x" * 1100, 1),
    "README.md": (b"# Of <b>\n", 4),
}


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    site = tmp_path_factory.mktemp("site")
    for name, (content, mtime_s) in FILES.items():
        (site / "list" / "sub").mkdir(parents=True, exist_ok=True)
        (site / "list" / name).write_bytes(content)
        os.utime(site / "list" / name, (mtime_s, mtime_s))
    (site / "list" / "sub" / "inner.txt").write_bytes(b"inner")
    (site / "list" / ".env").write_bytes(b"secret")
    (site / "pages").mkdir()
    (site / "pages" / "index.html").write_bytes(b"the index")
    (site / "\u00e9 \u4e2d").mkdir()
    with (site / "sub.bin").open("wb") as file:
        file.truncate(1 << 20)
    return site


@pytest.mark.parametrize("query", ["", "?archive=zip"])
def test_a_listing_and_a_zip_are_heavy_work(site: Path, query: str) -> None:
    response = Asker(site, archive=True).handler.respond(
        RequestHead(b"GET", b"/list/" + query.encode(), 1, 1, authority=b"localhost")
    )
    assert isinstance(response, Deferred)
    assert response.is_heavy()


def names(response: Received) -> list[str]:
    return [entry["name"] for entry in json.loads(response.body)]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", "sub A.txt b9.txt b10.txt README.md"),
        ("sort=name", "sub A.txt b9.txt b10.txt README.md"),
        ("sort=name&order=desc", "sub README.md b10.txt b9.txt A.txt"),
        ("sort=size", "sub README.md b9.txt b10.txt A.txt"),
        ("order=desc&sort=size", "sub A.txt b10.txt b9.txt README.md"),
        ("sort=modified&order=asc", "sub A.txt b9.txt b10.txt README.md"),
        ("sort=modified&order=desc", "sub README.md b10.txt b9.txt A.txt"),
        ("sort=price&order=up&utm=1&&=&x", "sub A.txt b9.txt b10.txt README.md"),
        ("sort=name&sort=size", "sub README.md b9.txt b10.txt A.txt"),
    ],
)
def test_a_listing_is_sorted_as_the_query_asks(client: RawClient, query: str, expected: str) -> None:
    response = client.request(f"/list/?{query}", "GET", "Accept: application/json")
    assert response.status == 200
    assert names(response) == expected.split()


@pytest.mark.parametrize(
    ("query", "accept", "media_type"),
    [
        ("format=json", "text/html", "application/json"),
        ("format=text", "application/json", "text/plain; charset=utf-8"),
        ("format=html", "application/json", "text/html; charset=utf-8"),
        ("sort=size", "application/json", "application/json"),
    ],
)
def test_the_format_of_the_query_goes_before_accept(
    client: RawClient, query: str, accept: str, media_type: str
) -> None:
    response = client.request(f"/list/?{query}", "GET", f"Accept: {accept}")
    assert (response.status, response.fields["content-type"]) == (200, media_type)
    assert response.fields["vary"] == "Accept"


@pytest.mark.parametrize(
    "query", ["format=xml", "format=", "archive=tar", "archive=", "archive", "archive=zip&format=x"]
)
def test_another_format_or_archive_is_refused(client: RawClient, query: str) -> None:
    assert client.request(f"/list/?{query}").status == 400


def test_a_listing_shows_the_readme_without_its_markup(client: RawClient) -> None:
    body = client.request("/list/", "GET", "Accept: text/html").body
    assert b"<h3>Of &lt;b&gt;</h3>" in body
    assert b"<section>" not in client.request("/list/sub/").body


def test_a_change_of_a_file_shows_in_the_next_listing(client: RawClient, site: Path) -> None:
    """The folder itself does not change with it."""
    path = site / "list" / "sub" / "inner.txt"
    before = client.request("/list/sub/", "GET", "Accept: application/json")
    path.write_bytes(b"inner, and more")
    after = client.request("/list/sub/", "GET", "Accept: application/json")
    path.write_bytes(b"inner")
    assert [json.loads(response.body)[0]["size"] for response in (before, after)] == [5, 15]
    assert before.fields["etag"] != after.fields["etag"]


def test_a_zip_has_what_is_in_the_folder(client: RawClient) -> None:
    response = client.request("/list/?archive=zip")
    assert response.status == 200
    assert response.fields["content-type"] == "application/zip"
    assert response.fields["content-disposition"] == 'attachment; filename="list.zip"'
    assert not {"etag", "last-modified", "accept-ranges", "content-security-policy"} & set(response.fields)
    found = zipfile.ZipFile(io.BytesIO(response.body))
    assert found.testzip() is None
    expected = {f"list/{name}": content for name, (content, _) in FILES.items()} | {"list/sub/inner.txt": b"inner"}
    assert {name: found.read(name) for name in found.namelist() if name[-1] != "/"} == expected


def test_head_says_what_the_zip_would_be(client: RawClient) -> None:
    got = client.request("/list/?archive=zip")
    head = client.request("/list/?archive=zip", "HEAD")
    assert (head.status, head.lasting(), head.body) == (200, got.lasting(), b"")
    assert int(head.fields["content-length"]) == len(got.body)


@pytest.mark.parametrize(
    ("field", "status"),
    [
        ("Range: bytes=0-3", 200),
        ('If-None-Match: "x"', 200),
        ("If-Match: *", 200),
        ('If-Match: "x"', 412),
        ("If-Modified-Since: Fri, 01 Jan 2100 00:00:00 GMT", 200),
    ],
)
def test_a_zip_has_neither_ranges_nor_a_tag(client: RawClient, field: str, status: int) -> None:
    assert client.request("/list/?archive=zip", "GET", field).status == status
    assert client.request("/list/?archive=zip", "HEAD", field).status == status


def test_if_none_match_with_a_star_gets_304_for_a_zip(server: ServerProcess) -> None:
    """RFC 9110 §13.1.2; there is no tag that the 304 could have."""
    with server.connect() as connection:
        connection.sendall(make_request("/list/?archive=zip", "GET", "If-None-Match: *"))
        assert connection.recv(1 << 16).startswith(b"HTTP/1.1 304 ")


@pytest.mark.parametrize(
    ("target", "status"),
    [
        ("/list?archive=zip", 301),
        ("/pages/?archive=zip", 200),  # the index, as the query never takes part in finding the file
        ("/sub.bin?archive=zip", 200),
        ("/missing/?archive=zip", 404),
        ("/list/sub/inner.txt/?archive=zip", 404),
        ("/list/../../?archive=zip", 400),
    ],
)
def test_a_folder_has_a_zip_if_it_has_a_listing(client: RawClient, target: str, status: int) -> None:
    response = client.request(target)
    assert response.status == status
    assert response.fields.get("content-type") != "application/zip"


@pytest.mark.parametrize(
    ("options", "listing", "archive"),
    [(["--no-archive"], 200, 404), (["--no-listing"], 404, 404), (["--limit-archive", "1K"], 200, 403)],
)
def test_no_archive_turns_zips_off(site: Path, options: list[str], listing: int, archive: int) -> None:
    with ServerProcess([*options, str(site)]) as server, RawClient(server.connect()) as client:
        page = client.request("/list/")
        assert page.status == listing
        assert (b"value=zip" in page.body) == (listing == 200 and archive != 404)
        refused = client.request("/list/?archive=zip")
        assert (refused.status, refused.fields["content-type"]) == (archive, "text/html; charset=utf-8")


def test_the_zip_of_the_whole_site_does_not_say_what_its_folder_is_called(client: RawClient, site: Path) -> None:
    head = client.request("/?archive=zip", "HEAD")
    assert head.fields["content-disposition"] == 'attachment; filename="site.zip"'
    body = client.request("/?archive=zip").body
    assert zipfile.ZipFile(io.BytesIO(body)).read("site/pages/index.html") == b"the index"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        (b"a b.zip", b'attachment; filename="a b.zip"'),
        ("\u00e9.zip".encode(), b"attachment; filename=\"__.zip\"; filename*=UTF-8''%C3%A9.zip"),
        (b'a"b\\.zip', b"attachment; filename=\"a_b_.zip\"; filename*=UTF-8''a%22b%5C.zip"),
        (b"a\r\nb.zip", b"attachment; filename=\"a__b.zip\"; filename*=UTF-8''a%0D%0Ab.zip"),
        (b"50%.zip", b"attachment; filename=\"50_.zip\"; filename*=UTF-8''50%25.zip"),
        (b"\xff.zip", b"attachment; filename=\"_.zip\"; filename*=UTF-8''%EF%BF%BD.zip"),
    ],
)
def test_a_name_to_store_it_under_is_plain_or_given_twice(name: bytes, value: bytes) -> None:
    assert make_attachment(name) == value


def test_a_zip_has_no_file_that_a_rule_withholds(tmp_path: Path) -> None:
    for name in ("open.txt", "locked/a.txt", "locked/deep/b.txt", "moved.txt", "old/page.txt"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(name)
    rules = ["/locked/* /gone 404!", "/moved.txt /open.txt 301!", "/old/* /open.txt 301"]  # the last is after the files
    (tmp_path / "_redirects").write_text("\n".join(rules))
    with ServerProcess([str(tmp_path)]) as server, RawClient(server.connect()) as client:
        assert client.request("/locked/a.txt").status == 404
        body = client.request("/?archive=zip").body
    names = [name for name in zipfile.ZipFile(io.BytesIO(body)).namelist() if name[-1] != "/"]
    assert names == ["site/open.txt", "site/old/page.txt"]


def test_a_name_of_other_letters_goes_with_the_zip(client: RawClient) -> None:
    head = client.request("/%C3%A9%20%E4%B8%AD/?archive=zip", "HEAD")
    assert head.fields["content-disposition"].endswith("; filename*=UTF-8''%C3%A9%20%E4%B8%AD.zip")


def test_a_file_that_is_cut_while_it_is_sent_resets_the_connection(tmp_path: Path) -> None:
    """By a reset, so that nobody takes what came for all (RFC 9112 §8)."""
    path = tmp_path / "large.bin"
    with path.open("wb") as file:
        file.truncate(64 << 20)
    with ServerProcess([str(tmp_path)]) as server:
        with server.connect() as connection:
            connection.sendall(make_request("/?archive=zip"))
            received = connection.recv(1 << 16)
            length = re.search(rb"Content-Length: (\d+)", received)
            assert length is not None
            os.truncate(path, 1 << 20)
            count = read_until_reset(connection)
        assert count < int(length[1])
        with RawClient(server.connect()) as client:
            assert client.request("/large.bin", "HEAD").status == 200


def read_until_reset(connection: socket.socket) -> int:
    count = 0
    while True:
        try:
            more = connection.recv(1 << 20)
        except ConnectionResetError:
            return count
        assert more, "it ended as if that were all"
        count += len(more)


def test_the_length_of_a_zip_with_a_file_of_five_gibibytes(tmp_path: Path) -> None:
    with (tmp_path / "huge.bin").open("wb") as file:
        file.truncate(5 << 30)
    with ServerProcess([str(tmp_path)]) as server:
        with RawClient(server.connect()) as client:
            length = int(client.request("/?archive=zip", "HEAD").fields["content-length"])
        blocks = -(-(5 << 30) // 65535)
        local = 2 * (30 + 9) + len("site/site/huge.bin") + 20 + 5 * (blocks + 1) + 24
        central = 2 * (46 + 9) + len("site/site/huge.bin") + 20
        assert length == (5 << 30) + local + central + 56 + 20 + 22
        with server.connect() as connection:
            connection.sendall(make_request("/?archive=zip"))
            begun = b""
            while b"PK\3\4" not in begun:
                begun += connection.recv(1 << 16)


def test_a_client_that_leaves_a_zip_costs_nothing_more(tmp_path: Path) -> None:
    with (tmp_path / "large.bin").open("wb") as file:
        file.truncate(64 << 20)
    with ServerProcess([str(tmp_path)]) as server:
        (worker,) = server.wait_for_workers(1)
        with RawClient(server.connect()) as client:
            client.request("/?archive=zip", "HEAD")
            before = len(os.listdir(f"/proc/{worker}/fd"))
            for _ in range(5):
                with server.connect() as connection:
                    connection.sendall(make_request("/?archive=zip"))
                    connection.recv(1)
            while client.request("/?format=text").status == 200:
                if len(os.listdir(f"/proc/{worker}/fd")) <= before:
                    break


@pytest.mark.parametrize(("target", "weight"), [("/?format=json", 85_000), ("/?archive=zip", 1001 * MEMBER_WEIGHT)])
def test_a_large_folder_is_in_memory_once_however_many_take_it(
    tmp_path: Path, target: str, weight: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    asker = Asker(tmp_path)
    for number in range(1000):
        asker.write(f"file {number}", b"")
    sources = [asker.ask(target).source for _ in range(3)]
    assert all(source is not None for source in sources)
    whole = b"".join(sources[0] or ())
    assert b"file 999" in whole
    asker.write("another", b"")
    monkeypatch.setattr(folders, "MOST_WEIGHT", weight * 3 // 2)  # the first page exists until the last client has it
    assert asker.ask(target).status == 503
    assert [b"".join(source or ()) for source in sources[1:]] == [whole] * 2
    sources.clear()
    again = asker.ask(target)
    assert again.status == 200
    assert len(b"".join(again.source or ())) == again.body_size > len(whole)


def test_a_listing_is_cut_at_a_limit_and_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(folders, "MOST_ENTRIES", 10)
    asker = Asker(tmp_path)
    for number in range(25):
        asker.write(str(number), b"")
    shown = json.loads(body(asker.ask("/?format=json&sort=name&order=desc")))
    assert [entry["name"] for entry in shown[:10]] == [str(number) for number in range(24, 14, -1)]
    assert shown[10:] == [{"name": None, "type": "truncated", "total": 25}]
    assert b"25 entries, of which the first 10 are shown" in body(asker.ask("/"))


@pytest.mark.parametrize("media_type", ["json", "text", "html"])
def test_head_of_a_large_listing_has_all_fields_but_those_that_only_its_content_tells(
    tmp_path: Path, media_type: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """RFC 9110 §9.3.2: so it costs little, however large the folder is."""
    monkeypatch.setattr(folders, "MOST_FOR_HEAD", 3)
    asker = Asker(tmp_path)
    target = f"/?format={media_type}"
    for number in range(5):
        asker.write(str(number), b"")
        get, head = (fields(asker.ask(target, method)) for method in ("GET", "HEAD"))
        left_out = {name: get.pop(name) for name in (b"ETag", b"Content-Length") if number >= 3}
        assert head == get
        assert not left_out.keys() & head.keys()
    assert asker.ask(target, "HEAD", if_none_match=left_out[b"ETag"]).status == 304


def test_a_readme_that_a_rule_withholds_is_not_shown(tmp_path: Path) -> None:
    asker = Asker(tmp_path)
    asker.write("README.md", b"the secret")
    asker.write("other.txt", b"")
    assert b"the secret" in body(asker.ask("/"))
    for rule in ("/README.md /other.txt 200!", "/README.md /gone 404!", "/*.md /other.txt 302!"):
        asker.write("_redirects", rule.encode())
        asker.settle()
        other = Asker(tmp_path, rules="on")
        assert b"the secret" not in body(other.ask("/README.md"))
        assert b"the secret" not in body(other.ask("/")), rule


def test_requests_for_a_listing_share_its_making_until_it_begins(tmp_path: Path) -> None:
    """One that began before a request came may miss what was written before the request."""
    asker = Asker(tmp_path)
    asker.write("a", b"")

    def ask(target: str = "/?format=text") -> Deferred:
        deferred = asker.handler.respond(RequestHead(b"GET", target.encode(), 1, 0, authority=b"localhost"))
        assert isinstance(deferred, Deferred)
        return deferred

    first, second, other = ask(), ask(), ask("/?format=json")
    assert first.work is second.work
    assert first.work is not other.work
    first.work()
    asker.write("b", b"")
    late = ask()
    assert late.work is not first.work
    assert body(complete(late)) == b"a\nb\n"


def test_a_listing_is_made_once_at_a_time_and_again_for_requests_that_came_meanwhile(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asker = Asker(tmp_path)
    asker.write("a", b"")
    read = folders.list_directory
    late: list[Response | Deferred] = []
    made = []

    def read_while_others_ask(*args: Any) -> Entries:
        made.append(args)
        found = read(*args)
        if not late:
            asker.write("b", b"")
            late.extend(
                asker.handler.respond(RequestHead(b"GET", b"/?format=text", 1, 0, authority=b"localhost"))
                for _ in range(9)
            )
        return found

    monkeypatch.setattr(folders, "list_directory", read_while_others_ask)
    assert body(asker.ask("/?format=text")) == b"a\n"
    waiting = [response.finish(Future()) for response in late if isinstance(response, Deferred)]
    assert len({id(deferred.work) for deferred in waiting if isinstance(deferred, Deferred)}) == 1
    assert len(waiting) == 9
    assert body(complete(waiting[0])) == b"a\nb\n"
    assert len(made) == 2


@pytest.mark.parametrize("target", ["/?format=text", "/?archive=zip"])
def test_a_listing_that_all_clients_have_left_is_given_up(tmp_path: Path, target: str) -> None:
    asker = Asker(tmp_path)
    for number in range(1030):
        asker.write(str(number), b"")
    descriptors = len(os.listdir("/dev/fd"))
    deferred = asker.handler.respond(RequestHead(b"GET", target.encode(), 1, 0, authority=b"localhost"))
    assert isinstance(deferred, Deferred)
    deferred.work.stop()  # type: ignore[attr-defined]
    with pytest.raises(Abandoned):
        deferred.work()
    assert len(os.listdir("/dev/fd")) == descriptors


def test_clients_that_leave_a_large_folder_leave_no_work_behind(tmp_path: Path) -> None:
    for number in range(3000):
        (tmp_path / str(number)).touch()
    with ServerProcess([str(tmp_path)]) as server:
        (worker,) = server.wait_for_workers(1)
        with RawClient(server.connect()) as client:
            before = cpu_ticks(worker)
            client.request("/?format=json")
            once = cpu_ticks(worker) - before
            before = cpu_ticks(worker)
            for _ in range(60):
                with server.connect() as connection:
                    connection.sendall(make_request("/?format=json"))
            client.request("/?format=json")
            assert cpu_ticks(worker) - before < 20 * max(once, 3)


def cpu_ticks(pid: int) -> int:
    stat = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return int(stat[11]) + int(stat[12])
