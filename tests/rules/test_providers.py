"""--as: each rule of docs/hosts.md, tested over a socket; a row there and its row here have the same name."""

from __future__ import annotations

import contextlib
import json
import re
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

import pytest
from support.checkout import CHECKOUT
from support.rawclient import RawClient, check_framing, check_ranges, check_validators
from support.serverprocess import TIMEOUT_S, ServerProcess

from fastfile.config.config import BY_NAME
from fastfile.rules.providers import PROVIDERS

PAGE = CHECKOUT / "docs" / "hosts.md"

# The pages of github.com/slorber/trailing-slash-guide, which tested all these providers, and other files for the rules.
PAGES = {
    name: name
    for name in (
        *("index.html", "file.html", "folder/index.html", "both.html", "both/index.html", "empty/x.txt", "app.js"),
        *("404.html", "blog/404.html", "blog/post.html", ".well-known/security.txt", "_kept.txt"),
    )
}
DEPLOY_FILES = {
    "_redirects": "/moved /file\n/app.js /file\n/forced.js /file 302!\n/rewritten /file.html 200\n",
    "_headers": "/empty/*\n  Cache-Control: max-age=60\n",
    "forced.js": "forced.js",
}
SITES = {
    "all": {**PAGES, **DEPLOY_FILES},
    "all of Cloudflare": {**PAGES, **DEPLOY_FILES, "_redirects": DEPLOY_FILES["_redirects"].replace("!", "")},
    "app": {"index.html": "the app", "app.js": "app.js", "blog/404.html": "no such post"},
    "bare": {"index.html": "index.html"},
    "hashed": {"assets/index-CqYQZ2AW.js": ""},
    "netlify.toml": {
        **PAGES,
        "_redirects": "/moved /file\n",
        "_headers": "/app.js\n  X-From: _headers\n",
        "netlify.toml": '[[redirects]]\nfrom = "/moved"\nto = "/never"\n[[redirects]]\nfrom = "/toml"\nto = "/file"\n'
        '[[redirects]]\nfrom = "/api/*"\nto = "https://api.example/:splat"\nstatus = 200\n'
        '[[headers]]\nfor = "/app.js"\nvalues = {X-From = "netlify.toml"}\n',
    },
    "vercel.json": {
        **PAGES,
        "vercel.json": '{"redirects": [{"source": "/app.js", "destination": "/file.html"}],'
        ' "rewrites": [{"source": "/(.*)", "destination": "/index.html"}],'
        ' "headers": [{"source": "/(.*)", "headers": [{"key": "Cache-Control", "value": "max-age=60"}]}]}',
    },
    "cleanUrls": {**PAGES, "vercel.json": '{"cleanUrls": true}'},
    "a slash": {**PAGES, "vercel.json": '{"cleanUrls": true, "trailingSlash": true}'},
    "no slash": {**PAGES, "vercel.json": '{"cleanUrls": true, "trailingSlash": false}'},
}

# The checks that do not depend on a provider's caching and statuses.
CHECKS = (check_framing, check_validators, check_ranges)


class Row(NamedTuple):
    """A rule of a provider, by an example: the response to a request, as a status and a location or a content."""

    provider: str
    rule: str
    target: str
    answer: str
    site: str = "all"
    fields: Mapping[str, str | None] = MappingProxyType({})


NETLIFY = "netlify"
CLOUDFLARE = "cloudflare"
GITHUB = "github-pages"
VERCEL = "vercel"
ANY_ORIGIN: dict[str, str | None] = {"access-control-allow-origin": "*"}

ROWS = (
    Row(NETLIFY, "a page is found without .html", "/file", "200 file.html"),
    Row(NETLIFY, "and at the name of its file", "/file.html", "200 file.html"),
    Row(NETLIFY, "with a slash it redirects to the one without", "/file/?a=b", "301 /file?a=b"),
    Row(NETLIFY, "a folder redirects to its slash", "/folder", "301 /folder/"),
    Row(NETLIFY, "its index is found there", "/folder/", "200 folder/index.html"),
    Row(NETLIFY, "and at its own name", "/folder/index.html", "200 folder/index.html"),
    Row(NETLIFY, "a page wins over a folder of its name", "/both", "200 both.html"),
    Row(NETLIFY, "no folder is listed", "/empty/", "404 404.html"),
    Row(NETLIFY, "the 404.html of the root answers everywhere", "/blog/nothing", "404 404.html"),
    Row(NETLIFY, "without one a missing page is a plain 404", "/nothing", "404", "bare"),
    Row(
        NETLIFY,
        "browsers revalidate",
        "/",
        "200 index.html",
        fields={"cache-control": "public,max-age=0,must-revalidate"},
    ),
    Row(NETLIFY, "_headers replaces that", "/empty/x.txt", "200 empty/x.txt", fields={"cache-control": "max-age=60"}),
    Row(NETLIFY, "a redirect is a 301", "/moved", "301 /file"),
    Row(NETLIFY, "a file shadows a rule", "/app.js", "200 app.js"),
    Row(NETLIFY, "unless the rule is forced", "/forced.js", "302 /file"),
    Row(NETLIFY, "a 200 rewrites", "/rewritten", "200 file.html"),
    Row(NETLIFY, "rules are not served", "/_redirects", "404 404.html"),
    Row(NETLIFY, "netlify.toml has redirects too", "/toml", "301 /file", "netlify.toml"),
    Row(NETLIFY, "those of _redirects win over them", "/moved", "301 /file", "netlify.toml"),
    Row(
        NETLIFY,
        "its headers replace those of _headers",
        "/app.js",
        "200 app.js",
        "netlify.toml",
        {"x-from": "netlify.toml"},
    ),
    Row(NETLIFY, "a proxy is not shown: 501", "/api/users", "501", "netlify.toml"),
    Row(NETLIFY, "netlify.toml is not served", "/netlify.toml", "404 404.html", "netlify.toml"),
    #
    Row(CLOUDFLARE, "a page is found without .html", "/file", "200 file.html"),
    Row(CLOUDFLARE, "the name of its file redirects there", "/file.html?a=b", "308 /file?a=b"),
    Row(CLOUDFLARE, "the page with a slash redirects too", "/file/", "308 /file"),
    Row(CLOUDFLARE, "a folder redirects to its slash", "/folder", "308 /folder/"),
    Row(CLOUDFLARE, "its index is found there", "/folder/", "200 folder/index.html"),
    Row(CLOUDFLARE, "and the name of the index redirects there", "/folder/index.html", "308 /folder/"),
    Row(CLOUDFLARE, "with or without .html", "/folder/index", "308 /folder/"),
    Row(CLOUDFLARE, "also for the home page", "/index.html", "308 /"),
    Row(CLOUDFLARE, "a page wins over a folder of its name", "/both", "200 both.html"),
    Row(CLOUDFLARE, "the folder has its slash", "/both/", "200 both/index.html"),
    Row(CLOUDFLARE, "no folder is listed", "/empty/", "404 404.html"),
    Row(CLOUDFLARE, "the nearest 404.html answers", "/blog/nothing", "404 blog/404.html"),
    Row(CLOUDFLARE, "up to that of the root", "/folder/nothing", "404 404.html"),
    Row(CLOUDFLARE, "without one at the root the site is an app", "/any/where", "200 the app", "app"),
    Row(CLOUDFLARE, "for every path", "/missing.js", "200 the app", "app"),
    Row(CLOUDFLARE, "except where a 404.html is nearer", "/blog/nothing", "404 no such post", "app"),
    Row(
        CLOUDFLARE,
        "browsers revalidate",
        "/",
        "200 index.html",
        fields={"cache-control": "public, max-age=0, must-revalidate"},
    ),
    Row(
        CLOUDFLARE,
        "some headers are always sent",
        "/",
        "200 index.html",
        fields={
            **ANY_ORIGIN,
            "referrer-policy": "strict-origin-when-cross-origin",
            "x-content-type-options": "nosniff",
        },
    ),
    Row(
        CLOUDFLARE, "_headers replaces them", "/empty/x.txt", "200 empty/x.txt", fields={"cache-control": "max-age=60"}
    ),
    Row(CLOUDFLARE, "a redirect is a 302", "/moved", "302 /file"),
    Row(CLOUDFLARE, "a rule wins over files", "/app.js", "302 /file"),
    Row(CLOUDFLARE, "a 200 rewrites", "/rewritten", "200 file.html"),
    Row(CLOUDFLARE, "rules are not served", "/_redirects", "404 404.html"),
    #
    Row(GITHUB, "a page is found without .html", "/file", "200 file.html"),
    Row(GITHUB, "and at the name of its file", "/file.html", "200 file.html"),
    Row(GITHUB, "but not with a slash", "/file/", "404 404.html"),
    Row(GITHUB, "a folder redirects to its slash", "/folder", "301 /folder/"),
    Row(GITHUB, "its index is found there", "/folder/", "200 folder/index.html"),
    Row(GITHUB, "and at its own name", "/folder/index.html", "200 folder/index.html"),
    Row(GITHUB, "a page wins over a folder of its name", "/both", "200 both.html"),
    Row(GITHUB, "the folder has its slash", "/both/", "200 both/index.html"),
    Row(GITHUB, "no folder is listed", "/empty/", "404 404.html"),
    Row(GITHUB, "the 404.html of the root answers everywhere", "/blog/nothing", "404 404.html"),
    Row(GITHUB, "browsers keep files for ten minutes", "/", "200 index.html", fields={"cache-control": "max-age=600"}),
    Row(GITHUB, "other sites may read them", "/", "200 index.html", fields=ANY_ORIGIN),
    Row(GITHUB, "no redirects are read", "/moved", "404 404.html"),
    Row(GITHUB, "a rule file is a plain file", "/_redirects", "200 " + DEPLOY_FILES["_redirects"].strip()),
    Row(GITHUB, "no headers are read", "/empty/x.txt", "200 empty/x.txt", fields={"cache-control": "max-age=600"}),
    #
    Row(VERCEL, "a page is at the name of its file", "/file.html", "200 file.html"),
    Row(VERCEL, "and nowhere else", "/file", "404 404.html"),
    Row(VERCEL, "a folder is its index", "/folder", "200 folder/index.html"),
    Row(VERCEL, "with a slash too", "/folder/", "200 folder/index.html"),
    Row(VERCEL, "and by the index's name", "/folder/index.html", "200 folder/index.html"),
    Row(VERCEL, "no folder is listed", "/empty/", "404 404.html"),
    Row(VERCEL, "the 404.html of the root answers everywhere", "/blog/nothing", "404 404.html"),
    Row(
        VERCEL,
        "browsers revalidate",
        "/",
        "200 index.html",
        fields={"cache-control": "public, max-age=0, must-revalidate", "access-control-allow-origin": None},
    ),
    Row(VERCEL, "headers replaces that", "/", "200 index.html", "vercel.json", {"cache-control": "max-age=60"}),
    Row(VERCEL, "a redirect is a 308 and wins over files", "/app.js", "308 /file.html", "vercel.json"),
    Row(VERCEL, "a rewrite applies after files", "/file.html", "200 file.html", "vercel.json"),
    Row(VERCEL, "and makes the site an app", "/any/where", "200 index.html", "vercel.json"),
    Row(VERCEL, "vercel.json is not served", "/vercel.json", "404 404.html", "cleanUrls"),
    Row(VERCEL, "_redirects is a plain file", "/_redirects", "200 " + DEPLOY_FILES["_redirects"].strip()),
    Row(VERCEL, "cleanUrls: a page is found without .html", "/file", "200 file.html", "cleanUrls"),
    Row(VERCEL, "cleanUrls: the name of its file redirects there", "/file.html?a=b", "308 /file?a=b", "cleanUrls"),
    Row(VERCEL, "cleanUrls: so does an index, without a slash", "/folder/index.html", "308 /folder", "cleanUrls"),
    Row(VERCEL, "trailingSlash true: a slash is added", "/folder", "308 /folder/", "a slash"),
    Row(VERCEL, "trailingSlash true: not to a file", "/app.js", "200 app.js", "a slash"),
    Row(VERCEL, "both: a page has a slash", "/file", "308 /file/", "a slash"),
    Row(VERCEL, "both: and is found there", "/file/", "200 file.html", "a slash"),
    Row(VERCEL, "both: its file redirects in one hop", "/file.html", "308 /file/", "a slash"),
    Row(VERCEL, "trailingSlash false: a slash is taken away", "/folder/", "308 /folder", "no slash"),
)


class Servers:
    """Servers of the sites as the providers, each started at its first request."""

    def __init__(self, folder: Path, stack: contextlib.ExitStack) -> None:
        self._folder = folder
        self._stack = stack
        self._clients: dict[tuple[str, ...], RawClient] = {}

    def client(self, site: str, *options: str) -> RawClient:
        key = (site, *options)
        if key not in self._clients:
            server = self._stack.enter_context(ServerProcess([*options, str(write(self._folder / site, SITES[site]))]))
            self._clients[key] = self._stack.enter_context(RawClient(server.connect(), CHECKS))
        return self._clients[key]


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Servers]:
    with contextlib.ExitStack() as stack:
        yield Servers(tmp_path_factory.mktemp("sites"), stack)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row.provider}: {row.rule}")
def test_a_provider_is_shown_as_it_is(servers: Servers, row: Row) -> None:
    site = "all of Cloudflare" if (row.site, row.provider) == ("all", CLOUDFLARE) else row.site
    client = servers.client(site, "--as", row.provider)
    for _ in range(2):  # the second answer may come from the cache
        response = client.request(row.target)
        status, _, rest = row.answer.partition(" ")
        assert response.status == int(status)
        if 300 <= response.status < 400:
            assert response.fields["location"] == rest
        elif rest:
            assert response.body.decode().strip() == rest
        for name, value in row.fields.items():
            assert response.fields.get(name) == value
    assert client.request(row.target, "HEAD").status == int(status)


@pytest.mark.parametrize("provider", PROVIDERS)
def test_the_page_has_each_rule_with_its_source(provider: str) -> None:
    section = PAGE.read_text().partition(f"## `--as {provider}`")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| (.+?) \| (.+?) \|$", section, re.MULTILINE)
    assert [rule.replace("`", "") for rule, source in rows[1:]] == [
        row.rule for row in ROWS if row.provider == provider
    ]
    assert all("](http" in source or source.startswith("[") for _, source in rows[1:])


def test_an_option_goes_before_the_provider(servers: Servers) -> None:
    client = servers.client("all", "--as", "github-pages", "--clean-urls", "--trailing-slash", "always", "--listing")
    assert client.request("/file").fields["location"] == "/file/"
    assert client.request("/file.html").fields["location"] == "/file/"
    assert client.request("/empty/").status == 200
    assert client.request("/nothing/").body == b"404.html"


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ([], "public, max-age=31536000, immutable"),
        (["--as", "github-pages"], "max-age=600"),
        (["--as", "github-pages", "--immutable", "auto"], "public, max-age=31536000, immutable"),
        (["--as", "github-pages", "--header", "Cache-Control: max-age=1"], "max-age=1"),
        (["--as", "github-pages", "--cache-control", "*.js=max-age=2"], "max-age=2"),
    ],
    ids=["without a host", "a host knows no hashed names", "unless asked for", "a field", "a rule for files"],
)
def test_a_provider_says_how_long_a_file_is_kept_unless_an_option_does(
    servers: Servers, options: list[str], expected: str
) -> None:
    response = servers.client("hashed", *options).request("/assets/index-CqYQZ2AW.js")
    assert response.fields["cache-control"] == expected


def test_the_option_knows_the_providers() -> None:
    assert BY_NAME["as_"].kind.expected == "one of " + ", ".join(PROVIDERS)


# Files of JSON


def write(folder: Path, files: Mapping[str, str]) -> Path:
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(content)
    return folder


def connect(server: ServerProcess) -> RawClient:
    return RawClient(server.connect(), CHECKS)


def redirect_to(place: str) -> str:
    return json.dumps({"redirects": [{"source": "/me", "destination": place}, {"source": "/lost"}]})


def wait_for_redirect(client: RawClient, place: str) -> None:
    deadline = time.monotonic() + TIMEOUT_S
    while client.request(f"/me?{time.monotonic()}").fields.get("location", "").partition("?")[0] != place:
        assert time.monotonic() < deadline


def test_vercel_json_is_read_beside_the_folder_unless_it_is_in_it(tmp_path: Path) -> None:
    write(tmp_path, {"vercel.json": redirect_to("/outside"), "dist/index.html": "home"})
    with ServerProcess(["--as", "vercel", str(tmp_path / "dist")]) as server, connect(server) as client:
        assert client.request("/me").fields["location"] == "/outside"
        assert client.request("/vercel.json").status == 404
        write(tmp_path, {"vercel.json": redirect_to("/changed")})
        wait_for_redirect(client, "/changed")
        write(tmp_path, {"dist/vercel.json": redirect_to("/inside")})
        wait_for_redirect(client, "/inside")
    assert "fastfile: ../vercel.json:1: redirects[1]: has no destination\n" in server.stderr
    assert "fastfile: vercel.json:1: redirects[1]: has no destination\n" in server.stderr


def test_other_providers_do_not_look_outside(tmp_path: Path) -> None:
    write(tmp_path, {"_redirects": "/me /outside", "serve.json": "{}", "dist/about.html": "about"})
    with ServerProcess([str(tmp_path / "dist")]) as server, connect(server) as client:
        assert client.request("/me").status == 404
        assert client.request("/about.html").status == 200


SERVE = """{
    "rewrites": [{"source": "/app/**", "destination": "/about.html"}],
    "redirects": [{"source": "/me", "destination": "/you"}],
    "headers": [{"source": "about.html", "headers": [{"key": "X-About", "value": "yes"}]}],
    "directoryListing": false,
    "unlisted": [".git"]
}"""


def test_serve_json_makes_a_folder_what_serve_makes_of_it(tmp_path: Path) -> None:
    write(tmp_path, {"serve.json": SERVE, "about.html": "about", "docs/index.html": "docs", "empty/x.txt": "x"})
    with ServerProcess([str(tmp_path)]) as server, connect(server) as client:
        assert client.request("/about.html").fields["location"] == "/about"
        page = client.request("/about")
        assert (page.status, page.body, page.fields["x-about"]) == (200, b"about", "yes")
        assert client.request("/docs").body == b"docs"
        assert client.request("/app/route").body == b"about"
        assert client.request("/me").fields["location"] == "/you"
        assert client.request("/empty/").status == 404
        assert client.request("/serve.json").status == 404
        assert "x-about" not in client.request("/docs").fields
        (tmp_path / "serve.json").unlink()
        deadline = time.monotonic() + TIMEOUT_S
        while client.request("/about.html").status != 200:
            assert time.monotonic() < deadline
        assert client.request("/docs").fields["location"] == "/docs/"
        assert client.request("/empty/").status == 200
    assert "fastfile: serve.json:6: unlisted: not supported" in server.stderr


def test_serve_json_is_a_file_with_rules_off_and_as_another_provider(tmp_path: Path) -> None:
    write(tmp_path, {"serve.json": SERVE, "about.html": "about"})
    for options in (["--rules", "off"], ["--as", "netlify"]):
        with ServerProcess([*options, str(tmp_path)]) as server, connect(server) as client:
            assert client.request("/serve.json").body.decode() == SERVE
            assert client.request("/about.html").status == 200


def test_a_serve_json_that_comes_later_is_read_or_asks_for_a_reload(tmp_path: Path) -> None:
    write(tmp_path, {"about.html": "about"})
    with ServerProcess([str(tmp_path)]) as server, connect(server) as client:
        assert client.request("/about.html").status == 200
        write(tmp_path, {"serve.json": SERVE})
        deadline = time.monotonic() + TIMEOUT_S
        while client.request(f"/{time.monotonic()}").status == 404 and "serve.json" not in server.stderr:
            assert time.monotonic() < deadline
        assert client.request("/serve.json").status == 404
        assert client.request("/about.html").status in (200, 301)
    # In its sandbox a worker cannot import the reader any more.
    assert "the file is new; it takes effect when the server reloads" in server.stderr or "unlisted" in server.stderr
