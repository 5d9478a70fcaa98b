"""Requests to a folder and their responses: tables of RFC 9110, a row for each sentence.

The server's own tests send every row over sockets (protocol/test_semantics.py); those of the ASGI and WSGI
applications, in process; and those of real frameworks, to them.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest
from support.rawclient import Received

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


PRECONDITIONS_WHERE = [
    pytest.param("GET", "/missing", "If-None-Match: *", 404, id="§13.2.1 not where the answer would be 404"),
    pytest.param("GET", "/missing", "If-Match: *", 404, id="§13.2.1 nor If-Match"),
    pytest.param("GET", "/sub", "If-None-Match: *", 301, id="§13.2.1 nor where it would be 301"),
    pytest.param("POST", "/data.bin", 'If-Match: "x"', 405, id="§13.2.1 nor where it would be 405"),
    pytest.param("OPTIONS", "/data.bin", 'If-Match: "x"', 204, id="§13.2.1 nor for OPTIONS"),
    pytest.param("GET", "/list/", 'If-Match: "x"', 412, id="§13.1.1 a listing is a representation, with its tag"),
    pytest.param("GET", "/list/", "If-None-Match: *", 304, id="§13.1.2 that exists"),
    pytest.param("GET", "/empty.txt", "If-None-Match: *", 304, id="§13.1.2 an empty file exists"),
]


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


def received_ranges(response: Received) -> list[tuple[str, bytes]]:
    if "content-range" in response.fields:
        return [(response.fields["content-range"], response.body)]
    return response.parts()


IF_RANGES = [
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
]


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
    """Write other content with the same size and mtime."""
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


def remove(path: Path) -> None:
    if path.is_symlink() or (path.exists() and not stat.S_ISDIR(path.stat().st_mode)):
        path.unlink()
    elif path.exists():
        (path / "index.html").unlink()
        path.rmdir()
