"""Methods, targets, preconditions, ranges, negotiation, metadata and errors (RFC 9110), with raw bytes.

`ask` sends every request in several ways: twice by GET on one connection (the second response comes from the cache), by
HEAD, by HTTP/1.0, and in pieces; and for a 304 or 206 also without the fields that led to it. All responses must agree.
"""

from __future__ import annotations

import json
import os
import ssl
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from support.rawclient import RawClient, Received, make_request, seconds_of
from support.semantics import (
    ACCEPTS,
    BEFORE,
    CHANGES,
    CODINGS,
    DATA,
    DATE,
    FILES,
    IF_RANGES,
    METHODS,
    MTIME_NS,
    NOT_SERVED,
    ODD_NAMES,
    PRECONDITIONS,
    PRECONDITIONS_WHERE,
    RANGES,
    REDIRECTS,
    TARGETS,
    VARIANTS,
    add_a_variant,
    fill,
    keep_its_mtime,
    quoted,
    received_ranges,
    remove,
    replace,
)
from support.servedsite import PROBE, TLS, ServedSite, serve_twice
from support.serverprocess import ONE_LOOP, ServerProcess


@pytest.fixture(scope="module", params=[*ONE_LOOP, TLS])
def site(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServedSite]:
    root = tmp_path_factory.mktemp("semantics") / "site"
    root.mkdir()
    fill(root)
    (root.parent / "secret.txt").write_bytes(b"outside the root")
    with serve_twice(root, request.param) as served:
        yield served


def ask(site: ServedSite, target: str, *fields: str, method: str = "GET") -> Received:
    """Send a request in every way; return the response if all agree."""
    with site.connect() as client:
        response = client.request(target, method, *fields)
        assert same(client.request(target, method, *fields), response), "the second answer is another"
        unranged = [line for line in fields if not line.startswith(("Range:", "If-Range:"))]
        if method == "GET":
            whole = client.request(target, "GET", *unranged)
            head = client.request(target, "HEAD", *fields)  # §14.2: Range is only for GET
            assert (head.status, head.lasting()) == (whole.status, whole.lasting()), "HEAD is not as GET"
        if response.status == 304:
            full = client.request(target, method, *[line for line in unranged if not line.startswith("If-")])
            check_not_modified(response, full)
        assert site.is_alive(client), "the connection does not go on"
    with site.connect() as client:
        client.connection.sendall(make_request(target, method, *fields, version="1.0"))
        assert same(client.receive(method), response), "HTTP/1.0 gets another answer"
        assert client.at_end()
    with site.connect_to_unix_socket() as client:
        client.send_in_pieces(make_request(target, method, *fields), 5)
        assert same(client.receive(method), response), "in pieces it is another answer"
    return response


def same(one: Received, other: Received) -> bool:
    if one.fields.get("content-type", "").startswith("multipart/"):
        return (one.lasting(), one.parts()) == (other.lasting(), other.parts())
    return (one.status, one.lasting(), one.body) == (other.status, other.lasting(), other.body)


def check_not_modified(response: Received, full: Received) -> None:
    """§15.4.5: the fields that the 200 would have had; and none that would describe other content."""
    assert full.status == 200
    for name in ("cache-control", "content-location", "etag", "expires", "vary"):
        assert response.fields.get(name) == full.fields.get(name), name
    assert not {"content-type", "content-encoding", "content-length", "content-range"} & set(response.fields)


@pytest.mark.parametrize(("method", "target", "status"), METHODS)
def test_method(site: ServedSite, method: str, target: str, status: int) -> None:
    response = ask(site, target, method=method)
    assert response.status == status
    if status in (204, 405):
        assert response.fields["allow"] == "GET, HEAD, OPTIONS"


@pytest.mark.parametrize(("target", "name"), TARGETS)
def test_target_that_leads_to_a_file(site: ServedSite, target: str, name: bytes) -> None:
    response = ask(site, target)
    assert (response.status, response.body) == (200, FILES[name])


def test_a_name_may_hold_any_byte(site: ServedSite) -> None:
    """Links of the listing lead to each of them."""
    listing = ask(site, "/odd/", "Accept: text/html").body
    with site.connect() as client:
        for name in ODD_NAMES:
            assert client.request(quoted(b"odd/" + name)).body == name
        links = [piece.partition(b'"')[0] for piece in listing.split(b'href="')[1:] if piece[:3] != b"../"]
        assert len(links) == len(ODD_NAMES)
        assert {client.request("/odd/" + link.decode()).body for link in links} == set(ODD_NAMES)


def test_npm_finds_a_scoped_package_in_a_static_registry(tmp_path: Path) -> None:
    """npm and pnpm ask for the packument of @acme/widget in this way, with these fields."""
    (tmp_path / "@acme").mkdir()
    (tmp_path / "@acme" / "widget").write_bytes(b'{"name":"@acme/widget"}')
    fields = (
        "accept: application/vnd.npm.install-v1+json; q=1.0, application/json; q=0.8, */*",
        "accept-encoding: gzip,deflate,br", "npm-command: install", "pacote-req-type: packument",
        "pacote-pkg-id: registry:@acme/widget",
    )  # fmt: skip
    with ServerProcess([str(tmp_path)]) as server, RawClient(server.connect()) as client:
        for slash in ("%2f", "%2F", "/"):
            response = client.request(f"/@acme{slash}widget", "GET", *fields)
            assert (response.status, response.body) == (200, b'{"name":"@acme/widget"}')


@pytest.mark.parametrize(("target", "status"), NOT_SERVED)
def test_target_that_is_not_served(site: ServedSite, target: str, status: int) -> None:
    if site.is_secure and target.startswith("https://"):
        pytest.skip("it is what this connection is for")
    response = ask(site, target)
    assert response.status == status
    assert b"outside the root" not in response.body
    assert os.fsencode(site.root) not in response.body


@pytest.mark.parametrize(("target", "location"), REDIRECTS)
def test_redirect_of_a_folder(site: ServedSite, target: str, location: str) -> None:
    response = ask(site, target)
    assert (response.status, response.fields["location"]) == (301, location)


STALE = ('If-None-Match: "other"', f"If-Modified-Since: {BEFORE}")


@pytest.mark.parametrize("target", ["/data.bin", "/big.bin"])
@pytest.mark.parametrize(("fields", "status"), PRECONDITIONS)
def test_precondition(site: ServedSite, target: str, fields: list[str], status: int) -> None:
    with site.connect() as client:
        tag = client.request(target).fields["etag"]
    lines = [field.replace("{tag}", tag).replace("{bare}", tag.strip('"')) for field in fields]
    # `ask` knows the conditional fields by their usual spelling.
    response = ask(site, target, *[line.replace("if-none-match", "If-none-match") for line in lines])
    assert response.status == status
    if status == 200:
        assert response.body == FILES[target[1:].encode()]


@pytest.mark.parametrize(("method", "target", "field", "status"), PRECONDITIONS_WHERE)
def test_precondition_where(site: ServedSite, method: str, target: str, field: str, status: int) -> None:
    assert ask(site, target, field, method=method).status == status


@pytest.mark.parametrize(("value", "expected"), RANGES)
def test_range(site: ServedSite, value: str, expected: list[tuple[int, int]] | None) -> None:
    response = ask(site, "/data.bin", f"Range: {value}")
    if expected is None:
        assert (response.status, response.body) == (200, DATA)
    elif not expected:
        assert (response.status, response.fields["content-range"]) == (416, "bytes */1000")
    else:
        assert response.status == 206
        assert received_ranges(response) == [
            (f"bytes {start}-{stop - 1}/1000", DATA[start:stop]) for start, stop in expected
        ]
        assert response.fields["etag"] == ask(site, "/data.bin").fields["etag"]


def test_a_repeated_range_field_is_ignored_or_one_list(site: ServedSite) -> None:
    assert ask(site, "/data.bin", "Range: bytes=0-0", "Range: bytes=2-2").status == 200


def test_an_empty_file_ignores_range(site: ServedSite) -> None:
    for value in ("bytes=0-0", "bytes=-1", "bytes=0-"):
        assert ask(site, "/empty.txt", f"Range: {value}").status == 200


@pytest.mark.parametrize(("condition", "status"), IF_RANGES)
def test_if_range(site: ServedSite, condition: str, status: int) -> None:
    tag = ask(site, "/data.bin").fields["etag"]
    response = ask(site, "/data.bin", "If-Range: " + condition.replace("{tag}", tag), "Range: bytes=0-4")
    assert (response.status, response.body) == (status, DATA if status == 200 else DATA[:5])


def test_if_range_without_range_is_ignored(site: ServedSite) -> None:
    assert ask(site, "/data.bin", 'If-Range: "other"').status == 200


def test_if_range_that_does_not_hold_never_gives_416(site: ServedSite) -> None:
    assert ask(site, "/data.bin", 'If-Range: "other"', "Range: bytes=5000-").status == 200


@pytest.mark.parametrize("method", ["HEAD", "OPTIONS", "POST"])
def test_range_is_for_get_alone(site: ServedSite, method: str) -> None:
    with site.connect() as client:
        plain = client.request("/data.bin", method)
        ranged = client.request("/data.bin", method, "Range: bytes=0-4")
        assert (ranged.status, ranged.lasting()) == (plain.status, plain.lasting())


@pytest.mark.parametrize(
    ("value", "content_range", "content"),
    [
        pytest.param("4294967296-4294967301", "4294967296-4294967301", b"beyond", id="at 4 GiB"),
        pytest.param("4294967294-4294967296", "4294967294-4294967296", b"\0\0b", id="across 4 GiB"),
        pytest.param("-1", "5368709119-5368709119", b"\0", id="the last byte"),
        pytest.param("5368709119-", "5368709119-5368709119", b"\0", id="from the last byte"),
    ],
)
def test_range_of_a_file_of_five_gibibytes(site: ServedSite, value: str, content_range: str, content: bytes) -> None:
    with site.connect() as client:
        response = client.request("/huge.bin", "GET", f"Range: bytes={value}")
        assert (response.status, response.body) == (206, content)
        assert response.fields["content-range"] == f"bytes {content_range}/5368709120"
        assert client.request("/huge.bin", "HEAD").fields["content-length"] == str(5 << 30)
        two = client.request("/huge.bin", "GET", f"Range: bytes=0-0,{4 << 30}-{(4 << 30) + 5}")
        assert [part for _, part in two.parts()] == [b"\0", b"beyond"]


def test_a_client_may_leave_a_file_of_five_gibibytes(site: ServedSite) -> None:
    with site.connect() as client:
        client.send("/huge.bin")
        assert client.connection.recv(12) == b"HTTP/1.1 200"
    with site.connect() as client:
        assert site.is_alive(client)


@pytest.mark.parametrize(("value", "coding"), CODINGS)
def test_content_coding(site: ServedSite, value: str | None, coding: str | None) -> None:
    response = ask(site, "/app.js", *[f"Accept-Encoding: {value}"] * (value is not None))
    assert response.status == 200
    assert response.fields.get("content-encoding") == coding
    assert response.body == FILES[VARIANTS[coding]]
    assert response.fields["vary"] == "Accept-Encoding"
    assert response.fields["content-type"] == "text/javascript; charset=utf-8"


def test_an_index_has_variants_too(site: ServedSite) -> None:
    response = ask(site, "/enc/", "Accept-Encoding: gzip")
    assert (response.body, response.fields["content-encoding"]) == (b"\x1f\x8bzipped index", "gzip")
    assert response.fields["content-type"] == "text/html; charset=utf-8"


def test_accept_encoding_in_two_lines_is_one_list(site: ServedSite) -> None:
    response = ask(site, "/app.js", "Accept-Encoding: deflate", "Accept-Encoding: gzip")
    assert response.fields["content-encoding"] == "gzip"


def test_each_representation_has_its_own_tag(site: ServedSite) -> None:
    tags = {ask(site, "/app.js", f"Accept-Encoding: {coding}").fields["etag"] for coding in ("br", "zstd", "gzip", "x")}
    assert len(tags) == 4


@pytest.mark.parametrize("coding", ["br", "zstd", "gzip", "identity"])
def test_preconditions_are_about_the_selected_representation(site: ServedSite, coding: str) -> None:
    accept = f"Accept-Encoding: {coding}"
    tag = ask(site, "/app.js", accept).fields["etag"]
    other = ask(site, "/app.js", "Accept-Encoding: " + ("gzip" if coding != "gzip" else "br")).fields["etag"]
    not_modified = ask(site, "/app.js", accept, f"If-None-Match: {tag}")
    assert (not_modified.status, not_modified.fields["vary"]) == (304, "Accept-Encoding")
    assert ask(site, "/app.js", accept, f"If-None-Match: {other}").status == 200
    failed = ask(site, "/app.js", accept, f"If-Match: {other}")
    assert failed.status == 412
    assert "Accept-Encoding" in failed.fields["vary"]


def test_a_range_is_of_the_identity(site: ServedSite) -> None:
    response = ask(site, "/app.js", "Accept-Encoding: br", "Range: bytes=0-3")
    assert (response.status, response.body) == (206, FILES[b"app.js"][:4])
    assert "content-encoding" not in response.fields
    assert response.fields["vary"] == "Accept-Encoding"


def test_a_range_is_of_an_encoded_variant_when_only_that_is_acceptable(site: ServedSite) -> None:
    response = ask(site, "/app.js", "Accept-Encoding: gzip, identity;q=0", "Range: bytes=0-3")
    assert (response.status, response.body) == (206, FILES[b"app.js.gz"][:4])
    assert response.fields["content-encoding"] == "gzip"


def test_an_unsatisfied_range_tells_the_length_of_its_representation(site: ServedSite) -> None:
    response = ask(site, "/app.js", "Accept-Encoding: br", "Range: bytes=9999-")
    assert response.fields["content-range"] == f"bytes */{len(FILES[b'app.js'])}"
    assert "Accept-Encoding" in response.fields["vary"]


def test_a_variant_above_the_size_for_memory_is_sent_whole(site: ServedSite) -> None:
    response = ask(site, "/large.svg", "Accept-Encoding: gzip")
    assert (response.body, response.fields["content-encoding"]) == (FILES[b"large.svg.gz"], "gzip")
    assert ask(site, "/large.svg").body == FILES[b"large.svg"]


def test_a_file_with_one_variant_has_no_others(site: ServedSite) -> None:
    assert ask(site, "/zip.css", "Accept-Encoding: br").body == FILES[b"zip.css"]
    assert ask(site, "/zip.css", "Accept-Encoding: br, gzip;q=0.1").body == FILES[b"zip.css.gz"]


def test_a_file_without_variants_does_not_vary(site: ServedSite) -> None:
    response = ask(site, "/data.bin", "Accept-Encoding: br, gzip")
    assert "vary" not in response.fields


@pytest.mark.parametrize(
    ("name", "media_type"), [("app.js.gz", "application/gzip"), ("app.js.zst", "application/zstd")]
)
def test_a_variant_by_its_own_name_is_a_file(site: ServedSite, name: str, media_type: str) -> None:
    response = ask(site, "/" + name, "Accept-Encoding: gzip, br, zstd")
    assert (response.status, response.body) == (200, FILES[name.encode()])
    assert response.fields["content-type"] == media_type
    assert "content-encoding" not in response.fields


@pytest.mark.parametrize("target", ["/missing", "/list/", "/sub"])
@pytest.mark.parametrize(("value", "media_type"), ACCEPTS)
def test_fastfiles_own_pages_have_the_type_that_accept_prefers(
    site: ServedSite, target: str, value: str | None, media_type: str
) -> None:
    response = ask(site, target, *[f"Accept: {value}"] * (value is not None))
    assert response.fields["content-type"].partition(";")[0] == media_type
    assert response.fields["vary"] == "Accept"
    if media_type == "application/json":
        json.loads(response.body)


def test_a_listing_shows_what_requests_can_get(site: ServedSite) -> None:
    entries = json.loads(ask(site, "/list/", "Accept: application/json").body)
    assert [entry["name"] for entry in entries] == ["more", "<i>&.txt", "b.txt"]
    page = ask(site, "/list/").body
    assert b"<i>&.txt" not in page
    assert b"&lt;i&gt;&amp;.txt" in page
    assert b"secret" not in page


@pytest.mark.parametrize(
    ("name", "media_type"),
    [
        ("index.html", "text/html; charset=utf-8"),
        ("app.js", "text/javascript; charset=utf-8"),
        ("zip.css", "text/css; charset=utf-8"),
        ("large.svg", "image/svg+xml"),
        ("data.bin", "application/octet-stream"),
        ("empty.txt", "text/plain; charset=utf-8"),
        ("x" * 255, "application/octet-stream"),
    ],
)
def test_metadata_of_a_file(site: ServedSite, name: str, media_type: str) -> None:
    fields = ask(site, "/" + name).fields
    assert fields["content-type"] == media_type
    assert fields["last-modified"] == DATE
    assert fields["server"] == "fastfile"
    assert set(fields) - {"vary"} == {
        "date", "server", "content-type", "content-length", "etag", "last-modified", "accept-ranges", "cache-control",
        "x-content-type-options",
    }  # fmt: skip


def test_error_pages_say_nothing_of_the_machine(site: ServedSite) -> None:
    for target in ("/missing", "/fifo", "/outside", "/loop", "/" + "x" * 256, "/%00"):
        body = ask(site, target).body
        assert os.fsencode(site.root) not in body
        assert b"Errno" not in body
        assert os.strerror(2).encode() not in body


@pytest.mark.parametrize("settled", [True, False], ids=["old", "just made"])
@pytest.mark.parametrize(("change", "status", "content"), CHANGES)
def test_the_next_request_sees_a_file(
    site: ServedSite, change: Callable[[Path], None], status: int, content: bytes | None, settled: bool
) -> None:
    path = site.root / "changing"
    path.write_bytes(b"original")
    if settled:
        os.utime(path, ns=(MTIME_NS, MTIME_NS))
        time.sleep(0.03)  # the cache trusts no change time younger than a clock tick, and nobody can set one back
    try:
        with site.connect() as client:
            for _ in range(2):
                before = client.request("/changing", "GET", "Accept-Encoding: gzip")
                assert before.body == b"original"
            change(path)
            after = client.request("/changing", "GET", "Accept-Encoding: gzip")
            assert after.status == status
            assert content is None or after.body == content
            if change is not keep_its_mtime:  # (mtime, size) is what the tag is made of
                assert after.fields.get("etag") != before.fields["etag"]
            if content is not None:
                revalidated = client.request("/changing", "GET", f"If-None-Match: {before.fields['etag']}")
                assert (revalidated.status == 200) == (change is not keep_its_mtime and change is not add_a_variant)
    finally:
        remove(path)
        path.with_name("changing.gz").unlink(missing_ok=True)


def test_a_file_that_appears_is_there(site: ServedSite) -> None:
    path = site.root / "appearing"
    try:
        with site.connect() as client:
            for _ in range(2):
                assert client.request("/appearing").status == 404
            path.write_bytes(b"here")
            assert client.request("/appearing").body == b"here"
    finally:
        path.unlink()


def test_a_download_of_a_file_that_is_cut_ends_the_connection(site: ServedSite) -> None:
    path = site.root / "cut.bin"
    with path.open("wb") as file:
        file.truncate(64 << 20)
    with site.connect() as client:
        client.send("/cut.bin")
        assert client.begin_receiving() == b"HTTP/1.1 200"
        os.truncate(path, 1)
        # Not an end that could be taken for the whole; over TLS that is one without close_notify.
        with pytest.raises((ConnectionResetError, ssl.SSLEOFError)):
            client.receive()
    path.unlink()


def test_a_download_of_a_file_that_grows_has_the_length_that_was_promised(site: ServedSite) -> None:
    path = site.root / "grown.bin"
    path.write_bytes(b"x" * (16 << 20))
    with site.connect() as client:
        client.send("/grown.bin")
        with path.open("ab") as file:
            file.write(b"more")
        response = client.receive()
        assert len(response.body) in (16 << 20, (16 << 20) + 4)
        assert site.is_alive(client)
    path.unlink()


def test_a_download_goes_on_when_its_file_is_replaced_or_deleted(site: ServedSite) -> None:
    path = site.root / "gone.bin"
    path.write_bytes(b"old" * (8 << 20))
    with site.connect() as client:
        client.send("/gone.bin")
        assert client.begin_receiving() == b"HTTP/1.1 200"
        replace(path)
        path.unlink()
        assert client.receive().body == b"old" * (8 << 20)
        assert client.request("/gone.bin").status == 404


def test_a_date_to_come_is_not_sent(site: ServedSite) -> None:
    path = site.root / "future.txt"
    path.write_bytes(b"from the future")
    os.utime(path, (4_000_000_000, 4_000_000_000))
    with site.connect() as client:
        response = client.request("/future.txt")
        assert seconds_of(response.fields["last-modified"]) <= seconds_of(response.fields["date"])  # §8.8.2.1
        assert client.request("/future.txt").fields["etag"] == response.fields["etag"]
        assert client.request("/future.txt", "GET", f"If-None-Match: {response.fields['etag']}").status == 304
    path.unlink()


@pytest.mark.parametrize("mtime", [0, 1])
def test_the_tag_of_a_reproducible_build_is_of_the_content(site: ServedSite, mtime: int) -> None:
    """Where every file has the date 0 or 1 it says nothing, so neither tag nor date may come from it."""
    path = site.root / "reproducible.js"
    tags = []
    with site.connect() as client:
        for content in (b"one", b"two", b"one"):
            path.write_bytes(content)
            os.utime(path, (mtime, mtime))
            response = client.request("/reproducible.js")
            assert response.body == content
            tags.append(response.fields["etag"])
            late = client.request("/reproducible.js", "GET", f"If-Modified-Since: {DATE}")
            assert (late.status, late.body) == (200, content)
    assert tags[0] == tags[2] != tags[1]
    path.unlink()


def test_two_versions_of_one_second_have_two_tags(site: ServedSite) -> None:
    path = site.root / "quick.txt"
    tags = set()
    with site.connect() as client:
        for step in range(3):
            path.write_bytes(b"%d" % step)
            os.utime(path, ns=(MTIME_NS + step, MTIME_NS + step))
            response = client.request("/quick.txt")
            assert response.fields["last-modified"] == DATE
            tags.add(response.fields["etag"])
    assert len(tags) == 3
    path.unlink()


def test_a_variant_older_than_its_file_is_not_used(site: ServedSite) -> None:
    path, variant = site.root / "newer.css", site.root / "newer.css.gz"
    variant.write_bytes(b"\x1f\x8b old")
    os.utime(variant, ns=(MTIME_NS - 10_000_001, MTIME_NS - 10_000_001))
    path.write_bytes(b"fresh")
    os.utime(path, ns=(MTIME_NS, MTIME_NS))
    assert ask(site, "/newer.css", "Accept-Encoding: gzip").body == b"fresh"
    os.utime(variant, ns=(MTIME_NS, MTIME_NS))
    assert ask(site, "/newer.css", "Accept-Encoding: gzip").body == b"\x1f\x8b old"
    path.unlink()
    variant.unlink()


def test_a_variant_that_changes_or_goes_is_seen(site: ServedSite) -> None:
    path, variant = site.root / "varying.css", site.root / "varying.css.gz"
    path.write_bytes(b"identity")
    variant.write_bytes(b"\x1f\x8bfirst")
    with site.connect() as client:
        for change, content in (
            (lambda: None, b"\x1f\x8bfirst"),
            (lambda: variant.write_bytes(b"\x1f\x8bsecond"), b"\x1f\x8bsecond"),
            (lambda: os.truncate(variant, 3), b"\x1f\x8bs"),
            (variant.unlink, b"identity"),
            (lambda: variant.write_bytes(b"\x1f\x8bagain"), b"\x1f\x8bagain"),
        ):
            change()
            response = client.request("/varying.css", "GET", "Accept-Encoding: gzip")
            assert response.body == content
            assert ("vary" in response.fields) == (content != b"identity")
    path.unlink()
    variant.unlink()


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_that_may_not_be_read_is_403(site: ServedSite) -> None:
    path = site.root / "private.txt"
    path.write_bytes(b"private")
    path.chmod(0)
    assert ask(site, "/private.txt").status == 403
    path.chmod(0o600)
    assert ask(site, "/private.txt").body == b"private"
    path.unlink()


def test_the_root_may_be_switched_rebuilt_and_missing(tmp_path: Path) -> None:
    for release in ("one", "two"):
        (tmp_path / release).mkdir()
        (tmp_path / release / "index.html").write_bytes(release.encode())
    root = tmp_path / "current"
    root.symlink_to("one")
    with ServerProcess([str(root)]) as server, ServedSite(root, server, "").connect() as client:
        assert client.request("/").body == b"one"
        (tmp_path / "next").symlink_to("two")
        (tmp_path / "next").rename(root)
        assert client.request("/").body == b"two"
        root.unlink()
        assert client.request("/").status == 404
        root.mkdir()
        (root / "index.html").write_bytes(b"built anew")
        assert client.request("/").body == b"built anew"


@pytest.fixture(scope="module")
def bare_site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServedSite]:
    """A folder with every switch turned the other way."""
    root = tmp_path_factory.mktemp("bare") / "site"
    root.mkdir()
    (root / "main.htm").write_bytes(b"second index")
    (root / "empty").mkdir()
    (root / ".hidden").write_bytes(b"shown")
    (root.parent / "outside.txt").write_bytes(b"outside")
    os.symlink("../outside.txt", root / "link")
    options = ["--no-listing", "--dotfiles", "--follow-symlinks", "--no-server-header", "--index", "index.html"]
    with serve_twice(root, ONE_LOOP[0], *options, "--index", "main.htm", "--allowed-host", "*.example") as served:
        yield served


@pytest.mark.parametrize(
    ("target", "status", "content"),
    [
        pytest.param("/", 200, b"second index", id="--index, the second choice"),
        pytest.param("/empty/", 404, None, id="--no-listing"),
        pytest.param("/empty", 301, None, id="--no-listing still redirects"),
        pytest.param("/.hidden", 200, b"shown", id="--dotfiles"),
        pytest.param("/link", 200, b"outside", id="--follow-symlinks"),
        pytest.param("/../outside.txt", 400, None, id="but never by dots"),
        pytest.param("/probe.txt", 200, PROBE, id="a file"),
    ],
)
def test_option(bare_site: ServedSite, target: str, status: int, content: bytes | None) -> None:
    response = ask(bare_site, target)
    assert response.status == status
    assert content is None or response.body == content
    assert "server" not in response.fields


def test_a_file_as_the_root_is_served_at_its_name_alone(tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    path.write_bytes(b"the one file")
    (tmp_path / "other.html").write_bytes(b"another")
    with ServerProcess([str(path)]) as server, ServedSite(tmp_path, server, "").connect() as client:
        response = client.request("/report.html")
        assert (response.body, response.fields["content-type"]) == (b"the one file", "text/html; charset=utf-8")
        assert client.request("/").fields["location"] == "/report.html"
        assert client.request("/other.html").status == 404
