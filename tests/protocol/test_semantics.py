"""Methods, targets, preconditions, ranges, negotiation, metadata and errors (RFC 9110), asked of the running server.

Every question is asked by `ask`: twice by GET on one connection (the second answer comes from the cache), by HEAD, by
HTTP/1.0, and in pieces; and where the answer is 304 or 206 also without what led to it. All answers must agree.
"""

from __future__ import annotations

import json
import os
import socket
import stat
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from support.rawclient import RawClient, Received, is_listing, make_request, seconds_of
from support.servedsite import PROBE, ServedSite, serve_twice
from support.serverprocess import LOOPS, ServerProcess

MTIME_NS = 1_600_000_000_123_456_789  # a mtime has nanoseconds, a date has not
DATE = "Sun, 13 Sep 2020 12:26:40 GMT"
BEFORE = "Sun, 13 Sep 2020 12:26:39 GMT"
AFTER = "Sun, 13 Sep 2020 12:26:41 GMT"
RFC_850 = "Sunday, 13-Sep-20 12:26:40 GMT"
ASCTIME = "Sun Sep 13 12:26:40 2020"
FUTURE = "Fri, 01 Jan 2100 00:00:00 GMT"

DATA = bytes(range(250)) * 4
BIG = bytes(range(256)) * 1024  # above --small-file: sent by sendfile
# Every byte that a name may hold; "." first would hide it.
ODD_NAMES = [b"x" + bytes([byte]) + b"y" for byte in range(1, 256) if byte != ord("/")]
FILES = {
    b"index.html": b"<!doctype html><title>home</title>",
    b"data.bin": DATA,
    b"big.bin": BIG,
    b"empty.txt": b"",
    b"one.txt": b"1",
    b"app.js": b"document.title = 'identity'",
    b"app.js.br": b"brotli",
    b"app.js.zst": b"\x28\xb5\x2f\xfdstandard",
    b"app.js.gz": b"\x1f\x8bzipped",
    b"zip.css": b"body { color: red }",
    b"zip.css.gz": b"\x1f\x8b css",
    b"large.svg": b"<svg/>" * 30000,
    b"large.svg.gz": b"\x1f\x8b" * 60000,
    b"sub/index.html": b"sub",
    b"sub/a.txt": b"a",
    b"enc/index.html": b"identity",
    b"enc/index.html.gz": b"\x1f\x8bzipped index",
    b"only.css.gz": b"no original",
    b"list/b.txt": b"b",
    b"list/<i>&.txt": b"escaped",
    b"list/.secret": b"hidden",
    b"list/more/c.txt": b"c",
    b"%41.txt": b"a percent sign",
    b"a b.txt": b"a space",
    b"back\\slash.txt": b"a backslash",
    b"\\evil.example/index.html": b"a folder with a backslash",
    b"...": b"three dots",
    b"....txt": b"hidden too",
    b".hidden": b"hidden",
    b".git/config": b"hidden",
    b".well-known/security.txt": b"well known",
    b"\xff\xfe.txt": b"not UTF-8",
    "é.txt".encode(): b"UTF-8",
    b"x" * 255: b"the longest name",
    **{b"odd/" + name: name for name in ODD_NAMES},
}


def fill(root: Path) -> None:
    for name, content in FILES.items():
        path = os.path.join(os.fsencode(root), name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb") as file:
            file.write(content)
        os.utime(path, ns=(MTIME_NS, MTIME_NS))
    os.mkfifo(root / "fifo")
    os.symlink("data.bin", root / "link")
    os.symlink("/etc/hostname", root / "outside")
    os.symlink("..", root / "above")
    os.symlink("loop", root / "loop")
    os.symlink(root / "data.bin", root / "absolute")
    with open(root / "huge.bin", "wb") as file:
        file.truncate(5 << 30)
        file.seek(4 << 30)
        file.write(b"beyond four gibibytes")


@pytest.fixture(scope="module", params=LOOPS)
def site(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServedSite]:
    root = tmp_path_factory.mktemp("semantics") / "site"
    root.mkdir()
    fill(root)
    (root.parent / "secret.txt").write_bytes(b"outside the root")
    with serve_twice(root, request.param) as served:
        yield served


def as_head(whole: Received, head: Received) -> dict[str, str]:
    """Return the fields of a GET that HEAD should have: of a listing all but those of its content (§9.3.2)."""
    left_out = {"content-length", "etag"} - head.fields.keys() if is_listing(head) else set()
    return {name: value for name, value in whole.lasting().items() if name not in left_out}


def ask(site: ServedSite, target: str, *fields: str, method: str = "GET") -> Received:
    """Ask in every way; return the answer that they all agree on."""
    with site.connect() as client:
        response = client.request(target, method, *fields)
        assert same(client.request(target, method, *fields), response), "the second answer is another"
        unranged = [line for line in fields if not line.startswith(("Range:", "If-Range:"))]
        if method == "GET":
            whole = client.request(target, "GET", *unranged)
            head = client.request(target, "HEAD", *fields)  # §14.2: Range is for GET alone
            assert (head.status, head.lasting()) == (whole.status, as_head(whole, head)), "HEAD is not as GET"
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


def quoted(name: bytes) -> str:
    return "/" + "".join(f"%{byte:02x}" if byte != 0x2F else "/" for byte in name)


METHODS = [
    pytest.param("GET", "/data.bin", 200, id="§9.3.1 GET"),
    pytest.param("HEAD", "/data.bin", 200, id="§9.3.2 HEAD"),
    pytest.param("OPTIONS", "/data.bin", 204, id="§9.3.7 OPTIONS of a file"),
    pytest.param("OPTIONS", "/missing", 204, id="§9.3.7 OPTIONS of nothing"),
    pytest.param("OPTIONS", "*", 204, id="§9.3.7 OPTIONS *"),
    pytest.param("OPTIONS", "http://localhost", 204, id="§9.3.7 OPTIONS in absolute-form"),
    pytest.param("OPTIONS", "/../x", 400, id="§9.3.7 OPTIONS of what is no target"),
    pytest.param("GET", "*", 400, id="RFC 9112 §3.2.4 * is for OPTIONS"),
    pytest.param("HEAD", "*", 400, id="RFC 9112 §3.2.4 nor for HEAD"),
    pytest.param("POST", "/data.bin", 405, id="§15.5.6 POST"),
    pytest.param("PUT", "/data.bin", 405, id="§15.5.6 PUT"),
    pytest.param("DELETE", "/data.bin", 405, id="§15.5.6 DELETE"),
    pytest.param("PATCH", "/data.bin", 405, id="§15.5.6 PATCH"),
    pytest.param("TRACE", "/data.bin", 405, id="§9.3.8 TRACE"),
    pytest.param("CONNECT", "localhost:80", 405, id="§9.3.6 CONNECT"),
    pytest.param("POST", "/missing", 405, id="§15.5.6 POST to nothing"),
    pytest.param("FROB", "/data.bin", 501, id="§15.6.2 an unknown method"),
    pytest.param("get", "/data.bin", 501, id="§9.1 methods are case-sensitive"),
    pytest.param("GETS", "/data.bin", 501, id="§9.1 a longer name"),
    pytest.param("PROPFIND", "/", 501, id="§15.6.2 a method of WebDAV"),
    pytest.param("M!#$%&'*+-.^_`|~", "/", 501, id="§5.6.2 every byte of a token"),
]


@pytest.mark.parametrize(("method", "target", "status"), METHODS)
def test_method(site: ServedSite, method: str, target: str, status: int) -> None:
    response = ask(site, target, method=method)
    assert response.status == status
    if status in (204, 405):
        assert response.fields["allow"] == "GET, HEAD, OPTIONS"


TARGETS = [
    pytest.param("/", b"index.html", id="a folder is its index"),
    pytest.param("/index.html", b"index.html", id="the index by its name"),
    pytest.param("/sub/", b"sub/index.html", id="a folder below"),
    pytest.param("/data.bin?x=1", b"data.bin", id="a query does not take part"),
    pytest.param("/data.bin?/../../x", b"data.bin", id="nor do dots in it"),
    pytest.param("/data.bin?%00%zz", b"data.bin", id="nor escapes in it"),
    pytest.param("/data.bin?", b"data.bin", id="an empty query"),
    pytest.param("/data.bin#top", b"data.bin", id="nor does a fragment"),
    pytest.param("/data.bin#?/../..", b"data.bin", id="nor what looks like a query in it"),
    pytest.param("/%64ata%2Ebin", b"data.bin", id="RFC 3986 §2.4 percent-encoded"),
    pytest.param("/%2541.txt", b"%41.txt", id="RFC 3986 §2.4 decoded once"),
    pytest.param("/a%20b.txt", b"a b.txt", id="an encoded space"),
    pytest.param("/back%5Cslash.txt", b"back\\slash.txt", id="a backslash is an ordinary character"),
    pytest.param("/back\\slash.txt", b"back\\slash.txt", id="also as it is"),
    pytest.param("/%c3%a9.txt", "é.txt".encode(), id="UTF-8"),
    pytest.param("/%FF%fe.txt", b"\xff\xfe.txt", id="bytes that are not UTF-8"),
    pytest.param("//data.bin", b"data.bin", id="two slashes are one"),
    pytest.param("/sub//a.txt", b"sub/a.txt", id="two slashes within are one"),
    pytest.param("/./data.bin", b"data.bin", id="RFC 3986 §5.2.4 a dot segment"),
    pytest.param("/sub/../data.bin", b"data.bin", id="RFC 3986 §5.2.4 two dots inside the root"),
    pytest.param("/sub/%2e%2e/data.bin", b"data.bin", id="RFC 3986 §6.2.2 encoded dots"),
    pytest.param("/sub/..", b"index.html", id="RFC 3986 §5.2.4 two dots at the end"),
    pytest.param("/sub%2fa.txt", b"sub/a.txt", id="RFC 3986 §2.2 an encoded slash is a slash"),
    pytest.param("/sub%2Fa.txt", b"sub/a.txt", id="RFC 3986 §2.2 in either case"),
    pytest.param("/sub/.", b"sub/index.html", id="RFC 3986 §5.2.4 a dot at the end"),
    pytest.param("/missing/../data.bin", b"data.bin", id="RFC 3986 §5.2.4 dots are no matter of the disk"),
    pytest.param("http://localhost/data.bin", b"data.bin", id="RFC 9112 §3.2.2 absolute-form"),
    pytest.param("HTTP://LOCALHOST:99/data.bin?q", b"data.bin", id="RFC 3986 §6.2.2.1 in upper case"),
    pytest.param("http://localhost", b"index.html", id="§4.2.3 an empty path"),
    pytest.param("http://localhost?q", b"index.html", id="§4.2.3 an empty path with a query"),
    pytest.param("/.well-known/security.txt", b".well-known/security.txt", id="RFC 8615 well-known"),
    pytest.param("/link", b"data.bin", id="a symlink inside the root"),
    pytest.param("/absolute", b"data.bin", id="an absolute symlink that leads back inside"),
    pytest.param("/" + "x" * 255, b"x" * 255, id="the longest name"),
]


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


NOT_SERVED = [
    pytest.param("/missing", 404, id="nothing there"),
    pytest.param("/missing/", 404, id="no folder there"),
    pytest.param("/Data.bin", 404, id="§4.2.3 paths are case-sensitive"),
    pytest.param("/only.css", 404, id="a variant without its file is none"),
    pytest.param("/data.bin/", 404, id="a file with a slash"),
    pytest.param("/data.bin/x", 404, id="something below a file"),
    pytest.param("/data.bin/.", 404, id="a file with a dot segment"),
    pytest.param("/sub%2f..%2fdata.bin", 400, id="a double dot beside an encoded slash"),
    pytest.param("/data.bin%2fx", 404, id="something below a file by an encoded slash"),
    pytest.param("/sub%2f.hidden", 404, id="a hidden name after an encoded slash"),
    pytest.param("/data.bin%00", 400, id="%00 at the end"),
    pytest.param("/data.bin%00.html", 400, id="%00 within"),
    pytest.param("/%zz", 400, id="RFC 3986 §2.1 a bad escape"),
    pytest.param("/%4", 400, id="RFC 3986 §2.1 half an escape"),
    pytest.param("/%", 400, id="RFC 3986 §2.1 a lone percent sign"),
    pytest.param("/%u0041", 400, id="RFC 3986 §2.1 no %u escapes"),
    pytest.param("/%-1", 400, id="RFC 3986 §2.1 no sign"),
    pytest.param("/..", 400, id="above the root"),
    pytest.param("/../secret.txt", 400, id="above the root to a file"),
    pytest.param("/%2e%2e/secret.txt", 400, id="encoded"),
    pytest.param("/.%2e/secret.txt", 400, id="half encoded"),
    pytest.param("/%2e%2e%2fsecret.txt", 400, id="with an encoded slash"),
    pytest.param("/sub/../../secret.txt", 400, id="from below"),
    pytest.param("/sub/..//../secret.txt", 400, id="from below with an empty segment"),
    pytest.param("/..;/secret.txt", 404, id="a path parameter is part of the name"),
    pytest.param("/..\\secret.txt", 404, id="a backslash is no separator"),
    pytest.param("/%252e%252e/secret.txt", 404, id="encoded twice is a name"),
    pytest.param("/above/secret.txt", 404, id="by a symlink"),
    pytest.param("/outside", 404, id="a symlink that leads outside"),
    pytest.param("/loop", 404, id="a symlink to itself"),
    pytest.param("/fifo", 404, id="a FIFO, at once"),
    pytest.param("/fifo/", 404, id="a FIFO as a folder"),
    pytest.param("/.hidden", 404, id="a name that begins with a dot"),
    pytest.param("/%2ehidden", 404, id="an encoded dot"),
    pytest.param("/.git/config", 404, id="below a hidden folder"),
    pytest.param("/sub/../.git/config", 404, id="by a detour"),
    pytest.param("/...", 404, id="three dots are a hidden name"),
    pytest.param("/" + "x" * 256, 404, id="a name that is too long"),
    pytest.param("/" + "x/" * 2048, 404, id="a path that is too long"),
    pytest.param("http://", 400, id="§4.2.1 absolute-form without a host"),
    pytest.param("http:///data.bin", 400, id="§4.2.1 an empty host"),
    pytest.param("http://user@localhost/", 400, id="§4.2.4 userinfo"),
    pytest.param("ftp://localhost/data.bin", 400, id="another scheme"),
    pytest.param("https://localhost/data.bin", 421, id="§7.4 https over a connection that is not secured"),
    pytest.param("data.bin", 400, id="RFC 9112 §3.2 no form at all"),
    pytest.param("localhost:80", 400, id="RFC 9112 §3.2.3 authority-form is for CONNECT"),
    pytest.param("?x", 400, id="RFC 9112 §3.2.1 a query alone"),
    pytest.param("**", 400, id="RFC 9112 §3.2.4 two asterisks"),
]


@pytest.mark.parametrize(("target", "status"), NOT_SERVED)
def test_target_that_is_not_served(site: ServedSite, target: str, status: int) -> None:
    response = ask(site, target)
    assert response.status == status
    assert b"outside the root" not in response.body
    assert os.fsencode(site.root) not in response.body


REDIRECTS = [
    pytest.param("/sub", "/sub/", id="a folder without its slash"),
    pytest.param("/sub?a=b&c", "/sub/?a=b&c", id="the query is kept"),
    pytest.param("/sub?", "/sub/?", id="also an empty one"),
    pytest.param("/sub?//evil.example", "/sub/?//evil.example", id="a query leads nowhere"),
    pytest.param("/sub%2f", "/sub/", id="an encoded slash at the end is none"),
    pytest.param("/%2f%2Fsub", "/sub/", id="never two slashes, encoded or not"),
    pytest.param("//sub", "/sub/", id="never two slashes"),
    pytest.param("//evil.example/../sub", "/sub/", id="never to another host"),
    pytest.param("///evil.example/..//sub", "/sub/", id="however many slashes"),
    pytest.param("/\\evil.example", "/%5Cevil.example/", id="a backslash is encoded"),
    pytest.param("/%5cevil.example", "/%5Cevil.example/", id="also when it came encoded"),
    pytest.param("/list/more", "/list/more/", id="a folder below"),
    pytest.param("/s%75b", "/sub/", id="in its normal form"),
    pytest.param("/sub?x=%0d%0aSet-Cookie:%20a", "/sub/?x=%0d%0aSet-Cookie:%20a", id="no line break gets decoded"),
    pytest.param("http://localhost/sub?q", "/sub/?q", id="absolute-form"),
]


@pytest.mark.parametrize(("target", "location"), REDIRECTS)
def test_redirect_of_a_folder(site: ServedSite, target: str, location: str) -> None:
    response = ask(site, target)
    assert (response.status, response.fields["location"]) == (301, location)


STALE = ('If-None-Match: "other"', f"If-Modified-Since: {BEFORE}")
PRECONDITIONS = [
    pytest.param(["If-None-Match: {tag}"], 304, id="§13.1.2 the tag"),
    pytest.param(["If-None-Match: W/{tag}"], 304, id="§13.1.2 weak comparison"),
    pytest.param(["If-None-Match: *"], 304, id="§13.1.2 *"),
    pytest.param(['If-None-Match: "a", {tag}, "b"'], 304, id="§13.1.2 in a list"),
    pytest.param(['If-None-Match: "a,b",{tag}'], 304, id="§8.8.3 a comma in a tag"),
    pytest.param(['If-None-Match: "a\\",{tag}'], 304, id="§8.8.3 a backslash is no escape"),
    pytest.param(['If-None-Match: "a"', "If-None-Match: {tag}"], 304, id="§5.3 in another line"),
    pytest.param(["If-None-Match: ,, {tag} ,"], 304, id="§5.6.1 with empty elements"),
    pytest.param(['If-None-Match: "other"'], 200, id="§13.1.2 another tag"),
    pytest.param(["If-None-Match: w/{tag}"], 200, id="§8.8.3 W is case-sensitive"),
    pytest.param(["If-None-Match: {bare}"], 200, id="§8.8.3 a tag without quotes"),
    pytest.param(["If-None-Match: {tag}x"], 200, id="§8.8.3 something after the tag"),
    pytest.param(["If-None-Match:"], 200, id="§13.1.2 an empty list"),
    pytest.param([f"If-Modified-Since: {DATE}"], 304, id="§13.1.3 the date, though the mtime has nanoseconds"),
    pytest.param([f"If-Modified-Since: {RFC_850}"], 304, id="§5.6.7 in the form of RFC 850"),
    pytest.param([f"If-Modified-Since: {ASCTIME}"], 304, id="§5.6.7 in the form of asctime"),
    pytest.param([f"If-Modified-Since: {AFTER}"], 304, id="§13.1.3 a later date"),
    pytest.param([f"If-Modified-Since: {FUTURE}"], 304, id="§13.1.3 a date to come"),
    pytest.param([f"If-Modified-Since: {BEFORE}"], 200, id="§13.1.3 an earlier date"),
    pytest.param(["If-Modified-Since: yesterday"], 200, id="§13.1.3 no date is ignored"),
    pytest.param(["If-Modified-Since: Sun, 13 Sep 2020 12:26:40 UTC"], 200, id="§5.6.7 only GMT"),
    pytest.param(["If-Modified-Since: Sun, 31 Sep 2020 12:26:40 GMT"], 200, id="§5.6.7 no such day"),
    pytest.param(["If-Modified-Since: 1600000000"], 200, id="§5.6.7 no seconds"),
    pytest.param([f"If-Modified-Since: {DATE}", f"If-Modified-Since: {DATE}"], 200, id="§13.1.3 more than one date"),
    pytest.param(['If-None-Match: "other"', f"If-Modified-Since: {DATE}"], 200, id="§13.1.3 not beside If-None-Match"),
    pytest.param(["If-None-Match: {tag}", f"If-Modified-Since: {BEFORE}"], 304, id="§13.2.2 If-None-Match decides"),
    pytest.param(["If-Match: {tag}"], 200, id="§13.1.1 the tag"),
    pytest.param(["If-Match: *"], 200, id="§13.1.1 *"),
    pytest.param(['If-Match: "a", {tag}'], 200, id="§13.1.1 in a list"),
    pytest.param(["If-Match: W/{tag}"], 412, id="§13.1.1 strong comparison"),
    pytest.param(['If-Match: "other"'], 412, id="§13.1.1 another tag"),
    pytest.param(["If-Match: {bare}"], 412, id="§13.1.1 no tag"),
    pytest.param([f"If-Unmodified-Since: {DATE}"], 200, id="§13.1.4 the date"),
    pytest.param([f"If-Unmodified-Since: {ASCTIME}"], 200, id="§13.1.4 in another form"),
    pytest.param([f"If-Unmodified-Since: {AFTER}"], 200, id="§13.1.4 a later date"),
    pytest.param([f"If-Unmodified-Since: {BEFORE}"], 412, id="§13.1.4 an earlier date"),
    pytest.param(["If-Unmodified-Since: soon"], 200, id="§13.1.4 no date is ignored"),
    pytest.param(["If-Match: {tag}", f"If-Unmodified-Since: {BEFORE}"], 200, id="§13.1.4 not beside If-Match"),
    pytest.param(['If-Match: "other"', f"If-Unmodified-Since: {DATE}"], 412, id="§13.2.2 If-Match decides"),
    pytest.param(["If-Match: {tag}", "If-None-Match: {tag}"], 304, id="§13.2.2 then If-None-Match"),
    pytest.param(['If-Match: "other"', "If-None-Match: {tag}"], 412, id="§13.2.2 If-Match comes first"),
    pytest.param([f"If-Unmodified-Since: {BEFORE}", "If-None-Match: {tag}"], 412, id="§13.2.2 so does its date"),
    pytest.param([f"If-Unmodified-Since: {DATE}", f"If-Modified-Since: {DATE}"], 304, id="§13.2.2 both dates"),
    pytest.param(["If-None-Match: {tag}", "Range: bytes=0-1"], 304, id="§13.2.2 before Range"),
    pytest.param(["If-None-Match: {tag}", "Range: bytes=9999-"], 304, id="§13.2.2 before 416"),
    pytest.param(['If-Match: "other"', "Range: bytes=9999-"], 412, id="§13.2.2 412 before 416"),
    pytest.param(["if-none-match: {tag}"], 304, id="§5.1 names are case-insensitive"),
]


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


@pytest.mark.parametrize(
    ("method", "target", "field", "status"),
    [
        pytest.param("GET", "/missing", "If-None-Match: *", 404, id="§13.2.1 not where the answer would be 404"),
        pytest.param("GET", "/missing", "If-Match: *", 404, id="§13.2.1 nor If-Match"),
        pytest.param("GET", "/sub", "If-None-Match: *", 301, id="§13.2.1 nor where it would be 301"),
        pytest.param("POST", "/data.bin", 'If-Match: "x"', 405, id="§13.2.1 nor where it would be 405"),
        pytest.param("OPTIONS", "/data.bin", 'If-Match: "x"', 204, id="§13.2.1 nor for OPTIONS"),
        pytest.param("GET", "/list/", 'If-Match: "x"', 412, id="§13.1.1 a listing is a representation, with its tag"),
        pytest.param("GET", "/list/", "If-None-Match: *", 304, id="§13.1.2 that exists"),
        pytest.param("GET", "/empty.txt", "If-None-Match: *", 304, id="§13.1.2 an empty file exists"),
    ],
)
def test_precondition_where(site: ServedSite, method: str, target: str, field: str, status: int) -> None:
    assert ask(site, target, field, method=method).status == status


RANGES = [
    pytest.param("bytes=0-0", [(0, 1)], id="§14.1.2 the first byte"),
    pytest.param("bytes=0-99", [(0, 100)], id="§14.1.2 both ends count"),
    pytest.param("bytes=100-", [(100, 1000)], id="§14.1.2 to the end"),
    pytest.param("bytes=-5", [(995, 1000)], id="§14.1.2 the last five"),
    pytest.param("bytes=-1000", [(0, 1000)], id="§14.1.2 as many as there are"),
    pytest.param("bytes=-9999", [(0, 1000)], id="§14.1.2 more than there are"),
    pytest.param("bytes=999-999", [(999, 1000)], id="§14.1.2 the last byte"),
    pytest.param("bytes=990-99999", [(990, 1000)], id="§14.1.2 beyond the end"),
    pytest.param("bytes=0-" + "9" * 40, [(0, 1000)], id="§14.1.2 beyond all integers"),
    pytest.param("BYTES=0-4", [(0, 5)], id="§14.1 units are case-insensitive"),
    pytest.param("bytes= 0-4", None, id="§14.1.1 no space after ="),
    pytest.param("bytes=0-4 ", [(0, 5)], id="RFC 9112 §5.1 white space after the value"),
    pytest.param("bytes=0-4,", [(0, 5)], id="§5.6.1 an empty element"),
    pytest.param("bytes=0-0,2-2", [(0, 1), (2, 3)], id="§14.2 two ranges"),
    pytest.param("bytes=0-0 ,\t2-2", [(0, 1), (2, 3)], id="§5.6.1 white space around the comma"),
    pytest.param("bytes=500-599,0-9", [(500, 600), (0, 10)], id="§15.3.7.2 in the order asked"),
    pytest.param("bytes=0-9,5-14", [(0, 15)], id="§15.3.7.2 overlapping ones are one"),
    pytest.param("bytes=0-9,10-19", [(0, 20)], id="§15.3.7.2 so are adjacent ones"),
    pytest.param("bytes=0-0,-1", [(0, 1), (999, 1000)], id="§14.1.2 the first and the last byte"),
    pytest.param("bytes=0-0,5000-", [(0, 1)], id="§15.5.17 one of two is satisfiable"),
    pytest.param("bytes=5000-,-1", [(999, 1000)], id="§15.5.17 the other"),
    pytest.param(
        "bytes=" + ",".join(f"{i * 10}-{i * 10}" for i in range(16)), [(i * 10, i * 10 + 1) for i in range(16)],
        id="§14.2 sixteen parts",
    ),
    pytest.param(
        "bytes=" + ",".join(f"{i * 10}-{i * 10}" for i in range(45)), [(i * 10, i * 10 + 1) for i in range(45)],
        id="§14.2 45 parts, which are longer than the file by less than 8 KiB",
    ),
    pytest.param("bytes=" + ",".join(f"{i * 10}-{i * 10}" for i in range(46)), None, id="§17.15 46 are too many"),
    pytest.param("bytes=" + ",".join(["0-"] * 5), None, id="§14.2 many that overlap"),
    pytest.param("bytes=0-999,0-999,0-999", None, id="§14.2 three that overlap"),
    pytest.param("bytes=1000-", [], id="§15.5.17 beyond the end"),
    pytest.param("bytes=1000-1001", [], id="§15.5.17 both beyond"),
    pytest.param("bytes=" + "9" * 40 + "-", [], id="§15.5.17 far beyond"),
    pytest.param("bytes=-0", [], id="§14.1.2 the last none"),
    pytest.param("bytes=1000-,2000-", [], id="§15.5.17 none of two"),
    pytest.param("bytes=5-4", None, id="§14.1.1 the end before the start is invalid"),
    pytest.param("bytes=", None, id="§14.1.1 no range"),
    pytest.param("bytes", None, id="§14.1.1 no ="),
    pytest.param("bytes=-", None, id="§14.1.1 a dash alone"),
    pytest.param("bytes=a-b", None, id="§14.1.1 no digits"),
    pytest.param("bytes=0-4x", None, id="§14.1.1 something after it"),
    pytest.param("bytes=+0-4", None, id="§14.1.1 a sign"),
    pytest.param("bytes=0--4", None, id="§14.1.1 two dashes"),
    pytest.param("bytes=0-4;5-6", None, id="§14.1.1 not a list"),
    pytest.param("bytes=0-4,x", None, id="§14.2 one that is invalid makes all so"),
    pytest.param("bytes=0x0-0x4", None, id="§14.1.1 hexadecimal"),
    pytest.param("bytes 0-4", None, id="§14.1.1 the syntax of Content-Range"),
    pytest.param("items=0-4", None, id="§14.2 another unit"),
    pytest.param("", None, id="§14.2 an empty field"),
]  # fmt: skip


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


def received_ranges(response: Received) -> list[tuple[str, bytes]]:
    if "content-range" in response.fields:
        return [(response.fields["content-range"], response.body)]
    return response.parts()


def test_a_repeated_range_field_is_ignored_or_one_list(site: ServedSite) -> None:
    assert ask(site, "/data.bin", "Range: bytes=0-0", "Range: bytes=2-2").status == 200


def test_an_empty_file_ignores_range(site: ServedSite) -> None:
    for value in ("bytes=0-0", "bytes=-1", "bytes=0-"):
        assert ask(site, "/empty.txt", f"Range: {value}").status == 200


@pytest.mark.parametrize(
    ("condition", "status"),
    [
        pytest.param("{tag}", 206, id="§13.1.5 the tag"),
        pytest.param('"other"', 200, id="§13.1.5 another tag"),
        pytest.param("W/{tag}", 200, id="§13.1.5 a weak tag"),
        pytest.param("{tag}, {tag}", 200, id="§13.1.5 one tag, no list"),
        pytest.param("*", 200, id="§13.1.5 nor *"),
        pytest.param(DATE, 206, id="§13.1.5 the date"),
        pytest.param(RFC_850, 206, id="§13.1.5 in another form"),
        pytest.param(AFTER, 200, id="§13.1.5 a later date is not the same"),
        pytest.param(BEFORE, 200, id="§13.1.5 an earlier date"),
        pytest.param("never", 200, id="§13.1.5 no validator"),
    ],
)
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


CODINGS = [
    pytest.param(None, None, id="§12.5.3 no field"),
    pytest.param("", None, id="§12.5.3 an empty field"),
    pytest.param("br", "br", id="br"),
    pytest.param("zstd", "zstd", id="zstd"),
    pytest.param("gzip", "gzip", id="gzip"),
    pytest.param("x-gzip", "gzip", id="§8.4.1.3 x-gzip is gzip"),
    pytest.param("gzip, deflate, br, zstd", "br", id="what browsers send"),
    pytest.param("gzip, zstd", "zstd", id="zstd before gzip"),
    pytest.param("GZIP", "gzip", id="§8.4.1 codings are case-insensitive"),
    pytest.param("gzip;q=1.0, br;q=0.5", "gzip", id="§12.4.2 by weight"),
    pytest.param("br;q=0.001, gzip;q=0.002", "gzip", id="§12.4.2 three digits"),
    pytest.param("br;q=0, gzip", "gzip", id="§12.4.2 q=0 is never"),
    pytest.param("br;q=0.000, gzip;q=0.0", None, id="§12.4.2 zero in each form"),
    pytest.param("BR;Q=0, gzip", "gzip", id="§12.4.2 Q in upper case"),
    pytest.param("*", "br", id="§12.5.3 *"),
    pytest.param("*;q=0", None, id="§12.5.3 nothing is acceptable: the identity all the same"),
    pytest.param("br;q=0, *", "zstd", id="§12.5.3 * but one"),
    pytest.param("gzip;q=0.5, *;q=0.1", "gzip", id="§12.5.3 * for the others"),
    pytest.param("identity", None, id="§12.5.3 identity"),
    pytest.param("identity;q=0", None, id="§12.5.3 not identity, and nothing else is named"),
    pytest.param("identity;q=0, gzip", "gzip", id="§12.5.3 not identity"),
    pytest.param("identity;q=1, gzip;q=0.5", None, id="§12.5.3 identity rather"),
    pytest.param("gzip;q=1, identity;q=0.5", "gzip", id="§12.5.3 identity less"),
    pytest.param("deflate", None, id="one that we do not have"),
    pytest.param("gzip ; q=0.5 , br ; q=0.2", "gzip", id="§5.6.3 white space"),
    pytest.param("gzip;q=2, br", "br", id="§12.4.2 a malformed weight is skipped"),
    pytest.param(",, gzip,", "gzip", id="§5.6.1 empty elements"),
    pytest.param("gzi", None, id="a part of a name"),
    pytest.param("gzipped, brr", None, id="more than a name"),
    pytest.param("gzip;q=abc", None, id="§12.4.2 no number"),
]
VARIANTS = {None: b"app.js", "br": b"app.js.br", "zstd": b"app.js.zst", "gzip": b"app.js.gz"}


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


ACCEPTS = [
    pytest.param(None, "text/html", id="no field"),
    pytest.param("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", "text/html", id="a browser"),
    pytest.param("*/*", "text/html", id="anything"),
    pytest.param("text/html", "text/html", id="HTML"),
    pytest.param("text/plain", "text/plain", id="text"),
    pytest.param("application/json", "application/json", id="JSON"),
    pytest.param("APPLICATION/JSON", "application/json", id="§8.3.1 types are case-insensitive"),
    pytest.param("application/json, text/plain, */*", "text/html", id="§12.5.1 equal weights: our order"),
    pytest.param("application/json, text/html;q=0.5", "application/json", id="§12.5.1 by weight"),
    pytest.param("application/json;q=0.5, text/html", "text/html", id="§12.5.1 the other way"),
    pytest.param("text/*;q=0.5, application/json;q=0.4", "text/html", id="§12.5.1 a range of types"),
    pytest.param("text/html;q=0, */*", "text/plain", id="§12.4.2 not HTML"),
    pytest.param("text/*, text/html;q=0.1", "text/plain", id="§12.5.1 the more specific decides"),
    pytest.param("text/html;q=0.1, */*;q=0.5", "text/plain", id="§12.5.1 also below *"),
    pytest.param("image/png", "text/html", id="§15.5.7 none of ours: the default"),
    pytest.param("nonsense", "text/html", id="§12.5.1 malformed"),
    pytest.param("application/json;q=x, text/plain;q=0.1", "text/plain", id="§12.4.2 a malformed weight"),
]


@pytest.mark.parametrize("target", ["/missing", "/list/", "/sub"])
@pytest.mark.parametrize(("value", "media_type"), ACCEPTS)
def test_pages_of_our_own_come_as_accept_asks(
    site: ServedSite, target: str, value: str | None, media_type: str
) -> None:
    response = ask(site, target, *[f"Accept: {value}"] * (value is not None))
    assert response.fields["content-type"].partition(";")[0] == media_type
    assert response.fields["vary"] == "Accept"
    if media_type == "application/json":
        json.loads(response.body)


def test_a_listing_shows_what_can_be_had(site: ServedSite) -> None:
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


# What happens to /changing on disk between two requests of one connection.


def replace(path: Path) -> None:
    fresh = path.with_name("fresh")
    fresh.write_bytes(b"replaced")
    fresh.rename(path)


def rewrite(path: Path) -> None:
    path.write_bytes(b"rewrite!")  # as long as before


def append(path: Path) -> None:
    with path.open("ab") as file:
        file.write(b" and more")


def swap_for_a_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()
    (path / "index.html").write_bytes(b"a folder")


def swap_for_a_fifo(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def swap_for_a_link(path: Path) -> None:
    path.unlink()
    path.symlink_to("data.bin")


def swap_for_a_link_outside(path: Path) -> None:
    path.unlink()
    path.symlink_to("../secret.txt")


def add_a_variant(path: Path) -> None:
    path.with_name("changing.gz").write_bytes(b"\x1f\x8ba variant")


def keep_its_mtime(path: Path) -> None:
    """What a careful liar does: other content of the same size and mtime."""
    status = path.stat()
    path.write_bytes(b"same old")
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


CHANGES = [
    pytest.param(replace, 200, b"replaced", id="replaced"),
    pytest.param(rewrite, 200, b"rewrite!", id="rewritten in place"),
    pytest.param(append, 200, b"original and more", id="appended to"),
    pytest.param(lambda path: os.truncate(path, 3), 200, b"ori", id="truncated"),
    pytest.param(lambda path: os.truncate(path, 0), 200, b"", id="emptied"),
    pytest.param(os.unlink, 404, None, id="deleted"),
    pytest.param(swap_for_a_folder, 301, None, id="replaced by a folder"),
    pytest.param(swap_for_a_fifo, 404, None, id="replaced by a FIFO"),
    pytest.param(swap_for_a_link, 200, DATA, id="replaced by a link"),
    pytest.param(swap_for_a_link_outside, 404, None, id="replaced by a link that leads outside"),
    pytest.param(add_a_variant, 200, b"\x1f\x8ba variant", id="a variant appeared"),
    pytest.param(keep_its_mtime, 200, b"same old", id="rewritten under its old mtime"),
]


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


def remove(path: Path) -> None:
    if path.is_symlink() or (path.exists() and not stat.S_ISDIR(path.stat().st_mode)):
        path.unlink()
    elif path.exists():
        (path / "index.html").unlink()
        path.rmdir()


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
        assert client.connection.recv(12, socket.MSG_PEEK) == b"HTTP/1.1 200"
        os.truncate(path, 1)
        with pytest.raises(ConnectionResetError):  # not an end that could be taken for the whole
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
        assert client.connection.recv(12, socket.MSG_PEEK) == b"HTTP/1.1 200"
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


def test_the_root_may_be_switched_built_anew_and_be_away(tmp_path: Path) -> None:
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
    with serve_twice(root, LOOPS[0], *options, "--index", "main.htm", "--allowed-host", "*.example") as served:
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
