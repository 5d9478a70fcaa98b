"""A served build with _redirects and _headers: the responses, and no cost without them.

The examples of docs/rules.md are run here too.
"""

from __future__ import annotations

import gzip
import os
import re
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from urllib.parse import quote

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.asker import Asker, body, fields
from support.checkout import CHECKOUT
from support.rawclient import RawClient, Received, check_framing, check_ranges, check_validators
from support.serverprocess import TIMEOUT_S, ServerProcess

from fastfile.rules import readers
from fastfile.rules.rule import Dialect

REDIRECTS = b"""\
# what moved
/old        /new            302
/blog/:y/*  /posts/:y/:splat
/app/*      /index.html     200
/tidy       /about          200
/lost/*     /lost.html      404
/gone       /gone.html      410!
/removed    /nothing        410
/missing    /not-there.html 200
/           /de/            302! Language=de
/forced     /docs/          308!
/about.html /elsewhere      301
/docs/*     /elsewhere      301
/bare/*     /new/:splat     301
/out        https://b.example/x 301
/go*        /:splat         301
/steal      /_headers       200
/secret     /.env           200
/wrong line
/proxy      https://api.example/ 200
/beta       /docs/          302 Cookie=beta
/list/*     /docs/          302 Cookie=beta
"""
HEADERS = b"""\
/*
  X-All: 1
  X-All: 2
/assets/*
  Cache-Control: public, max-age=31536000, immutable
  Content-Type: text/plain
  Vary: Cookie
  Date: never
/app/*
  X-App: :splat
/docs/
  ! X-Content-Type-Options
"""
FILES = {
    "index.html": b"home",
    "about.html": b"about",
    "lost.html": b"lost",
    "gone.html": b"gone",
    "_redirects": REDIRECTS,
    "_headers": HEADERS,
    "_headers.gz": b"not to be seen",
    ".env": b"secret",
    "assets/app.js": b"0123456789",
    "docs/index.html": b"docs",
    "docs/page.html": b"page",
    "bare/file.txt": b"bare",
    "list/file.txt": b"listed",
    "de/index.html": b"hallo",
}


def write_files(folder: Path, files: dict[str, bytes]) -> Path:
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return folder


def connect(server: ServerProcess) -> RawClient:
    """Return a client that leaves the fields which rules may set to the test."""
    return RawClient(server.connect(), (check_framing, check_validators, check_ranges))


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    folder = write_files(tmp_path_factory.mktemp("site"), FILES)
    with ServerProcess([str(folder)]) as server:
        yield server


@pytest.fixture
def client(server: ServerProcess) -> Iterator[RawClient]:
    with connect(server) as client:
        yield client


# target, status, the body or the Location, the sentence
REQUESTS = [
    ("/", 200, "home", "a file that no rule is for"),
    ("/old", 302, "/new", "a redirect"),
    ("/old/", 302, "/new", "with a slash"),
    ("/old?a=1&b", 302, "/new?a=1&b", "keeps the query"),
    ("/blog/2024/a%20b/c", 301, "/posts/2024/a%20b/c", "placeholder and splat"),
    ("/app/any/route.with.dots", 200, "home", "a rewrite"),
    ("/app", 200, "home", "a rewrite of the folder itself"),
    ("/tidy", 200, "about", "a rewrite to a page without its .html"),
    ("/lost/x", 404, "lost", "an error page of the site's own"),
    ("/gone", 410, "gone", "of another status"),
    ("/removed", 410, None, "an error without a page has ours"),
    ("/missing", 404, None, "a rewrite to nothing is nothing"),
    ("/forced", 308, "/docs/", "a forced rule"),
    ("/about.html", 200, "about", "a file goes before a rule"),
    ("/docs/page.html", 200, "page", "also a splat's"),
    ("/docs/", 200, "docs", "and the index of a folder"),
    ("/docs", 301, "/docs/", "and its redirect"),
    ("/docs/none", 301, "/elsewhere", "a rule goes where no file is"),
    ("/bare/", 301, "/new/", "and before a listing"),
    ("/bare", 301, "/new/", "without a hop to the slash"),
    ("/bare/file.txt", 200, "bare", "but not before the file in it"),
    ("/out?q", 301, "https://b.example/x?q", "to another host"),
    ("/go//b.example/x", 301, "/b.example/x", "no splat names another host"),
    ("/go%2fb.example", 301, "/b.example", "an encoded slash is one to rules too"),
    ("/go%2f%2fb.example", 301, "/b.example", "and two of them name no host"),
    ("/x%2f_redirects", 404, None, "no encoded slash leads to the files with the rules"),
    ("/%2f_redirects", 404, None, "nor alone"),
    ("/steal", 404, None, "no rule leads to the files with the rules"),
    ("/secret", 404, None, "nor to a hidden one"),
    ("/_redirects", 404, None, "the files are not served"),
    ("/_headers", 404, None, "neither of them"),
    ("/_headers.gz", 404, None, "nor their variants"),
    ("/%5fredirects", 404, None, "however they are spelled"),
    ("/./x/../_redirects", 404, None, "with dot segments"),
    ("/nothing", 404, None, "what is not there and has no rule"),
    ("/proxy", 501, None, "a rule that cannot be followed here says so"),
]


@pytest.mark.parametrize(("target", "status", "expected", "sentence"), REQUESTS, ids=[row[3] for row in REQUESTS])
def test_request(client: RawClient, target: str, status: int, expected: str | None, sentence: str) -> None:
    for method in ("GET", "GET", "HEAD"):
        response = client.request(target, method)
        assert response.status == status
        if 300 <= status < 400:
            assert response.fields["location"] == expected
        elif expected is not None and method == "GET":
            assert response.body == expected.encode()
        if status == 404:
            assert b"X-All" not in response.body


def test_a_rule_by_language_says_so(client: RawClient) -> None:
    english = client.request("/", "GET", "Accept-Language: en")
    german = client.request("/", "GET", "Accept-Language: de-AT, en;q=0.5")
    assert (english.status, english.body) == (200, b"home")
    assert (german.status, german.fields["location"]) == (302, "/de/")
    failed = client.request("/", "GET", "Range: bytes=9-")
    assert failed.status == 416
    for response in (english, german, failed):
        assert "Accept-Language, Cookie" in response.fields["vary"]
    assert client.request("/", "GET", "Accept-Language: en").body == b"home"


@pytest.mark.parametrize(("target", "status"), [("/beta", 404), ("/list/none", 404), ("/list", 301), ("/list/", 200)])
def test_what_is_no_file_varies_by_what_a_rule_looks_at(client: RawClient, target: str, status: int) -> None:
    response = client.request(target)
    assert (response.status, response.fields["vary"]) == (status, "Accept, Cookie")
    assert client.request(target, "GET", "Cookie: beta=1").fields["location"] == "/docs/"
    assert "vary" not in client.request("/list/file.txt").fields


def test_fields_are_set_joined_replaced_and_taken_away(client: RawClient) -> None:
    script = client.request("/assets/app.js").fields
    assert script["x-all"] == "1, 2"
    assert script["cache-control"] == "public, max-age=31536000, immutable"
    assert script["content-type"] == "text/plain"
    assert script["vary"] == "Cookie"
    assert "x-content-type-options" not in client.request("/docs/").fields
    assert client.request("/app/a/b").fields["x-app"] == "a/b"
    assert client.request("/lost/x").fields["x-all"] == "1, 2"
    assert "x-all" not in client.request("/old").fields


def test_fields_go_with_304_206_and_head(client: RawClient) -> None:
    tag = client.request("/assets/app.js").fields["etag"]
    unchanged = client.request("/assets/app.js", "GET", f"If-None-Match: {tag}")
    part = client.request("/assets/app.js", "GET", "Range: bytes=2-3")
    assert (unchanged.status, part.status, part.body) == (304, 206, b"23")
    for response in (unchanged, part, client.request("/assets/app.js", "HEAD")):
        assert response.fields["cache-control"] == "public, max-age=31536000, immutable"
        assert response.fields["x-all"] == "1, 2"
        assert response.fields["vary"] == "Cookie"


def test_a_rewrite_has_ranges_and_validators_of_its_file(client: RawClient) -> None:
    tag = client.request("/app/x").fields["etag"]
    assert client.request("/app/y", "GET", f"If-None-Match: {tag}").status == 304
    assert client.request("/app/y", "GET", "Range: bytes=1-2").body == b"om"


@pytest.mark.parametrize(
    "line", ["Range: bytes=0-3", "Accept-Encoding: gzip", "If-None-Match: *", "Accept: application/json"]
)
def test_the_files_stay_unseen_whatever_is_asked(client: RawClient, line: str) -> None:
    for target in ("/_redirects", "/_headers"):
        assert client.request(target, "GET", line).status == 404


def test_listings_do_not_name_the_files(tmp_path: Path) -> None:
    write_files(tmp_path, {"_headers": b"", "_redirects": b"", "_headers.br": b"", "a.txt": b"", "sub/_headers": b""})
    with ServerProcess([str(tmp_path)]) as server, connect(server) as client:
        assert b"_headers" not in client.request("/").body
        assert b"a.txt" in client.request("/").body
        assert client.request("/sub/_headers").status == 200  # no host reads it there


def test_what_is_wrong_is_said_once_with_file_and_line(tmp_path: Path) -> None:
    with ServerProcess([str(write_files(tmp_path, FILES))]) as server, connect(server) as client:
        for _ in range(3):
            client.request("/old")
    lines = [line for line in server.stderr.splitlines() if "_redirects" in line or "_headers" in line]
    assert lines == [
        "fastfile: _redirects:19: there is no destination: a path that begins with a slash, or an http URL",
        "fastfile: _redirects:20: https://api.example/ is on another server, and only --proxy forwards requests; "
        "/proxy returns 501",
        "fastfile: _headers:8: Date can only be set by the server",
    ]


def test_what_is_wrong_is_said_by_one_worker_and_with_the_mount(tmp_path: Path) -> None:
    for name in ("a", "b"):
        write_files(tmp_path / name, {"_redirects": b"wrong"})
    arguments = ["--workers", "3", "--mount", f"/m={tmp_path / 'b'}", str(tmp_path / "a")]
    with ServerProcess(arguments) as server, connect(server) as client:
        client.request("/")
    told = [line for line in server.stderr.splitlines() if "_redirects" in line]
    sentence = "_redirects:1: wrong does not begin with a slash"
    assert told == [f"fastfile: {sentence}", f"fastfile: /m: {sentence}"]


def wait_for(ask: Callable[[], Received], holds: Callable[[Received], bool]) -> None:
    deadline = time.monotonic() + TIMEOUT_S
    while not holds(ask()):
        assert time.monotonic() < deadline


def test_a_change_is_seen_within_a_moment_also_of_a_cached_file(tmp_path: Path) -> None:
    write_files(tmp_path, {"a/b.txt": b"b", "_redirects": b"/x /1", "_headers": b"/*\n X-A: 1"})
    with ServerProcess([str(tmp_path)]) as server, connect(server) as client:
        wait_for(lambda: client.request("/a/b.txt"), lambda response: response.fields.get("x-a") == "1")
        client.request("/a/b.txt")
        write_files(tmp_path, {"_headers": b"/*\n X-A: two"})
        wait_for(lambda: client.request("/a/b.txt"), lambda response: response.fields["x-a"] == "two")
        write_files(tmp_path, {"_redirects": b"/x /2\n/a/* /taken 302!\nwrong"})
        wait_for(lambda: client.request("/a/b.txt"), lambda response: response.status == 302)
        assert client.request("/a/b.txt").fields["location"] == "/taken"
        assert client.request("/x").fields["location"] == "/2"
        (tmp_path / "_redirects").unlink()
        wait_for(lambda: client.request("/a/b.txt"), lambda response: response.status == 200)
        (tmp_path / "_headers").unlink()
        wait_for(lambda: client.request("/a/b.txt"), lambda response: "x-a" not in response.fields)
    assert server.stderr.count("_redirects:3: wrong does not begin with a slash") == 1


def test_files_that_come_later_are_seen_within_a_second_or_so(tmp_path: Path) -> None:
    write_files(tmp_path, {"a/b.txt": b"b"})
    with ServerProcess([str(tmp_path)]) as server, connect(server) as client:
        assert client.request("/a/b.txt").status == 200
        write_files(tmp_path, {"_redirects": b"/a/* /taken 302!"})
        # A cached file that does not depend on the folder in which they appear.
        wait_for(lambda: client.request("/a/b.txt"), lambda seen: seen.status == 302)


def test_a_file_that_comes_later_is_seen_within_a_moment_where_nothing_was_known(tmp_path: Path) -> None:
    write_files(tmp_path, {"index.html": b"home"})
    with ServerProcess([str(tmp_path)]) as server, connect(server) as client:
        for number in range(3):
            assert client.request(f"/old/{number}").status == 404
            write_files(tmp_path, {"_redirects": b"/old/* /new"})
            wait_for(partial(client.request, f"/old/{number}"), lambda seen: seen.status == 301)
            (tmp_path / "_redirects").unlink()
            wait_for(partial(client.request, "/old/x"), lambda seen: seen.status == 404)


def test_they_are_plain_files_with_rules_off(tmp_path: Path) -> None:
    write_files(tmp_path, FILES)
    with ServerProcess(["--rules", "off", str(tmp_path)]) as server, connect(server) as client:
        assert client.request("/_headers").body == HEADERS
        assert client.request("/old").status == 404
        assert "x-all" not in client.request("/docs/").fields
    assert "_redirects" not in server.stderr


def test_each_mount_has_its_own_rules_and_redirects_within_itself(tmp_path: Path) -> None:
    write_files(tmp_path / "site", {"_redirects": b"/a /b 302\n/docs/x /never 301!"})
    write_files(tmp_path / "docs", {"_redirects": b"/x /y 301\n/* /404.html 404", "404.html": b"lost"})
    options = ["--base", "/app", "--mount", f"/app/docs={tmp_path / 'docs'}", str(tmp_path / "site")]
    with ServerProcess(options) as server, connect(server) as client:
        assert client.request("/app/a").fields["location"] == "/app/b"
        assert client.request("/app/docs/x?q").fields["location"] == "/app/docs/y?q"
        assert client.request("/app/docs/z").body == b"lost"
        assert client.request("/a").status == 404


def test_a_file_that_cannot_be_read_is_reported_and_the_site_is_served(tmp_path: Path) -> None:
    write_files(tmp_path / "site", {"a.txt": b"a"})
    write_files(tmp_path, {"outside": b"/a.txt /b 302!"})
    (tmp_path / "site" / "_redirects").symlink_to(tmp_path / "outside")
    (tmp_path / "site" / "_headers").mkdir()
    with ServerProcess([str(tmp_path / "site")]) as server, connect(server) as client:
        assert client.request("/a.txt").status == 200
    assert "fastfile: _redirects: the file cannot be read\n" in server.stderr
    assert "_headers" not in server.stderr


def test_a_file_that_is_too_large_is_reported(tmp_path: Path) -> None:
    write_files(tmp_path, {"_redirects": b"/a /b\n" * 200_000, "x.txt": b"x"})
    with ServerProcess([str(tmp_path)]) as server, connect(server) as client:
        assert client.request("/x.txt").status == 200
    assert "_redirects: the file is larger than 1048576 bytes and is not read" in server.stderr


SLOW = b"""{
  "redirects": [{"source": "/:a-:b-:c-:d-:e-:f-:g!", "destination": "/x"}],
  "rewrites": [{"source": "/+(+(a)|a)b", "destination": "/x"}],
  "headers": [{"source": "*a*a*a*a*a*a*a*a*a*a*a*ab", "headers": [{"key": "X-A", "value": "b"}]}]
}"""


def test_no_pattern_keeps_a_worker_busy(tmp_path: Path) -> None:
    write_files(tmp_path, {"serve.json": SLOW, "x.txt": b"x"})
    with ServerProcess([str(tmp_path)]) as server, connect(server) as client, connect(server) as other:
        for target in ("/" + "-a" * 120, "/" + "a" * 250, "/b" + "/a" * 1000):
            client.send(target)
            assert other.request("/x.txt").status == 200
            assert client.receive().status == 404
    assert server.stderr.count("\n") == 1
    assert "serve.json:3: rewrites[0]: not a glob that fastfile supports: it could take too long" in server.stderr


def test_of_many_mistakes_twenty_are_reported(tmp_path: Path) -> None:
    write_files(tmp_path, {"_redirects": b"wrong\n" * 100})
    with ServerProcess([str(tmp_path)]) as server, connect(server) as client:
        client.request("/")
    assert server.stderr.count("does not begin with a slash") == 20
    assert "fastfile: 80 more lines cannot be used" in server.stderr


def test_a_file_that_is_stored_encoded_is_sent_as_it_is_under_its_coding(tmp_path: Path) -> None:
    stored = gzip.compress(b"wasm")
    rule = b"/*.gz\n  Content-Encoding: gzip\n  Content-Type: application/wasm\n"
    write_files(
        tmp_path, {"a.wasm.gz": stored, "a.wasm.gz.br": b"a variant", "folder.gz/x.txt": b"x", "_headers": rule}
    )
    with ServerProcess(["--compress", str(tmp_path)]) as server, connect(server) as client:
        for line in ("Accept-Encoding: gzip, br", "Accept-Encoding: identity"):
            response = client.request("/a.wasm.gz", "GET", line)
            assert (response.body, response.fields["content-encoding"]) == (stored, "gzip")
            assert response.fields["content-type"] == "application/wasm"
        for target in ("/folder.gz/", "/nothing.gz"):
            assert "content-encoding" not in client.request(target).fields


# In the process: the cached entries and their keys


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Asker]:
    write_files(tmp_path, {"a.txt": b"a", "b/c.txt": b"c", "index.html": b"home"})
    asker = Asker(tmp_path)
    yield asker
    asker.root.close()


def hits(site: Asker, target: str) -> int:
    """Return how many of three requests were answered from the cache by their target alone."""
    site.settle()
    site.ask(target)
    before = site.handler.hits
    for _ in range(3):
        site.ask(target)
    return site.handler.hits - before


def write_rules(site: Asker, rules: bytes) -> None:
    """Write _redirects and wait until it takes effect."""
    site.write("_redirects", b"/seen/* /seen 302!\n" + rules)
    site.settle()
    deadline = time.monotonic() + TIMEOUT_S
    number = 0
    while site.ask(f"/seen/{number}").status != 302:
        number += 1
        assert time.monotonic() < deadline


def test_without_the_files_a_request_is_what_it_was(site: Asker) -> None:
    assert [hits(site, target) for target in ("/a.txt", "/b/c.txt", "/nothing")] == [3, 3, 3]


def test_a_file_is_cached_by_its_target_unless_a_rule_may_go_before_it(site: Asker) -> None:
    write_rules(site, b"/a.txt q=1 /x 302!\n/b/* /y\n/n/* q=1 /z")
    assert [hits(site, target) for target in ("/a.txt", "/b/c.txt", "/nothing", "/n/x")] == [0, 3, 3, 0]
    assert (site.ask("/a.txt").status, site.ask("/a.txt?q=1").status) == (200, 302)
    assert (site.ask("/n/x").status, site.ask("/n/x?q=1").status) == (404, 301)


def test_the_routes_of_an_app_share_one_open_page(site: Asker) -> None:
    write_rules(site, b"/* /index.html 200")
    first, second = site.ask("/one"), site.ask("/two")
    assert body(first) == b"home"
    assert first is second is site.ask("/three?with=a&query")
    assert site.ask("/_redirects").status == 404
    site.write("index.html", b"new")
    assert body(site.ask("/one")) == b"new"


def test_routes_with_other_fields_have_their_own(site: Asker) -> None:
    site.write("_headers", b"/one\n X-One: 1")
    write_rules(site, b"/* /index.html 200")
    assert b"X-One" in fields(site.ask("/one"))
    assert b"X-One" not in fields(site.ask("/two"))


_PIECES = st.sampled_from(["/", "//", "/go", "x", "%2f", "%5c", "\\", "..", "%0d%0a", "@", "e.com", "?", "%00", "%ff"])


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Asker]:
    folder = tmp_path_factory.mktemp("hostile")
    rules = b"/go* /:splat 302!\n/x q=:q /:q?u=:q 302!\n/:a/:b /:b/:a#:a\n/* /e/:splat 301"
    write_files(folder, {"_redirects": rules})
    asker = Asker(folder)
    yield asker
    asker.root.close()


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(_PIECES, max_size=8).map("".join))
def test_no_request_is_sent_off_the_site(hostile: Asker, text: str) -> None:
    response = hostile.ask("/" + text)
    location = fields(response).get(b"Location")
    if location is not None:
        assert re.fullmatch(rb"/(?![/\\])[\x21-\x7e]*", location)


def test_rules_are_read_at_the_start_and_not_before_each_request(site: Asker, monkeypatch: pytest.MonkeyPatch) -> None:
    write_rules(site, b"/x /y")
    opened: list[object] = []
    open_now = os.open

    def watch(path: object, *args: int, **options: int) -> int:
        opened.append(path)
        return open_now(path, *args, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(os, "open", watch)
    site.root._kernel_confines = False  # so that the test sees every open
    assert site.ask("/x").status == 301
    assert b"_redirects" not in opened
    write_rules(site, b"/x /z 302")
    assert site.ask("/x").status == 302
    assert b"_redirects" in opened, "it is what a changed file is read by"


def test_what_was_written_just_now_is_not_made_into_rules_for_each_request(
    site: Asker, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[bytes] = []
    read = readers.READERS["_redirects"]

    def watch(content: bytes, file: str, dialect: Dialect) -> readers.Parsed:
        made.append(content)
        return read(content, file, dialect)

    monkeypatch.setitem(readers.READERS, "_redirects", watch)
    for goal in (b"/y", b"/z"):
        site.write("_redirects", b"/x " + goal)
        assert [fields(site.ask("/x"))[b"Location"] for _ in range(3)] == [goal] * 3
    assert made == [b"/x /y", b"/x /z"]


# The examples of docs/rules.md

PAGE = CHECKOUT / "docs" / "rules.md"
SECTION = re.compile(r"^## (.+?)$(.*?)(?=^## |\Z)", re.MULTILINE | re.DOTALL)
FENCE = re.compile(r"^```(_redirects|_headers)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
ROW = re.compile(r"^\| `(/[^`]*)`(?: with `([^`]*)`)? \| (.+) \|$", re.MULTILINE)
EXAMPLE_FILES = ("index.html", "about.html", "lost.html", "docs/index.html", "docs/page.html", "assets/app-4f2a91c0.js")


def examples() -> list[tuple[str, dict[str, bytes], list[tuple[str, str, str]]]]:
    """Return the sections of the page that have files: their title, the files, and the rows of their tables."""
    sections = SECTION.findall(PAGE.read_text())
    found = [(title, {name: text.encode() for name, text in FENCE.findall(rest)}, rest) for title, rest in sections]
    return [(title, files, ROW.findall(rest)) for title, files, rest in found if files]


@pytest.mark.parametrize(("title", "files", "rows"), examples(), ids=[title for title, _, _ in examples()])
def test_an_example_of_the_page(
    tmp_path: Path, title: str, files: dict[str, bytes], rows: list[tuple[str, str, str]]
) -> None:
    write_files(tmp_path, files | {name: name.encode() for name in EXAMPLE_FILES})
    assert rows
    with ServerProcess([str(tmp_path)]) as server, connect(server) as client:
        for target, field, expected in rows:
            response = client.request(quote(target, "/?=&"), "GET", *filter(None, [field]))
            assert shown(response, expected) == expected, target
    assert "fastfile: _" not in server.stderr, "every line of an example can be used"


def shown(response: Received, expected: str) -> str:
    """Return a response in the words of the page's tables."""
    if expected.startswith(("`", "no `")):
        name = expected.strip("no `").partition(":")[0]
        value = response.fields.get(name.lower())
        return f"no `{name}`" if value is None else f"`{name}: {value}`"
    if 300 <= response.status < 400:
        return f"{response.status} `{response.fields['location']}`"
    return f"{response.status} `{response.body.decode()}`" if response.body.decode() in EXAMPLE_FILES else "404"
