"""Clean URLs: the candidate files of a path, and the URL of each file; then over a socket."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.rawclient import RawClient
from support.serverprocess import ServerProcess

from fastfile.rules.clean_urls import CleanUrls, PagePath

INDEX = (b"index.html", b"index.htm")


def address(text: str) -> PagePath:
    return PagePath(text.strip("/").encode(), text.endswith("/"))


def shown(it: PagePath) -> str:
    return "/" + it.path.decode() + ("/" if it.is_directory and it.path else "")


CANDIDATES = [
    ("files", "/about", ["about", "about/index.html", "about/index.htm"]),
    ("files", "/about/", ["about/index.html", "about/index.htm"]),
    ("after", "/about", ["about", "about/index.html", "about/index.htm", "about.html"]),
    ("after", "/about/", ["about/index.html", "about/index.htm", "about.html"]),
    ("after", "/", ["index.html", "index.htm"]),
    ("clean", "/about", ["about", "about.html", "about/index.html", "about/index.htm"]),
    ("clean", "/about/", ["about/index.html", "about/index.htm", "about.html"]),
    ("clean", "/a/v1.2", ["a/v1.2", "a/v1.2.html", "a/v1.2/index.html", "a/v1.2/index.htm"]),
    ("clean", "/", ["index.html", "index.htm"]),
]


@pytest.mark.parametrize(("pages", "asked", "files"), CANDIDATES, ids=lambda value: str(value))
def test_candidates_come_in_order(pages, asked, files):
    found = CleanUrls(pages, "auto", INDEX).candidates(address(asked))
    assert [file.decode() for file in found] == files


# The request, the served file, and its URL for each --trailing-slash: auto, always, never, keep.
ADDRESSES = [
    ("/about", "about.html", "/about", "/about/", "/about", "/about"),
    ("/about/", "about.html", "/about", "/about/", "/about", "/about/"),
    ("/about.html", "about.html", "/about", "/about/", "/about", "/about"),
    ("/docs", "docs/index.html", "/docs/", "/docs/", "/docs", "/docs"),
    ("/docs/", "docs/index.html", "/docs/", "/docs/", "/docs", "/docs/"),
    ("/docs/index.html", "docs/index.html", "/docs/", "/docs/", "/docs", "/docs/"),
    ("/docs/index", "docs/index.html", "/docs/", "/docs/", "/docs", "/docs"),
    ("/docs/index.htm", "docs/index.htm", "/docs/", "/docs/", "/docs", "/docs/"),
    ("/", "index.html", "/", "/", "/", "/"),
    ("/index.html", "index.html", "/", "/", "/", "/"),
    ("/app.js", "app.js", "/app.js", "/app.js", "/app.js", "/app.js"),
    ("/.html", ".html", "/.html", "/.html", "/.html", "/.html"),
]


@pytest.mark.parametrize(("asked", "file", *"ABCD"), ADDRESSES, ids=lambda value: value)
def test_each_file_has_one_url(asked, file, A, B, C, D):  # noqa: N803
    for mode, expected in zip(("auto", "always", "never", "keep"), (A, B, C, D), strict=True):
        assert shown(CleanUrls("clean", mode, INDEX).address(file.encode(), address(asked))) == expected


@pytest.mark.parametrize("mode", ["auto", "always", "never", "keep"])
@pytest.mark.parametrize("asked", ["/about.html", "/docs/index.html", "/docs/x.html"])
def test_without_clean_urls_a_file_is_at_its_name(mode, asked):
    assert CleanUrls("files", mode, INDEX).address(asked[1:].encode(), address(asked)) == address(asked)


@pytest.mark.parametrize("mode", ["auto", "always", "never", "keep"])
@pytest.mark.parametrize(("asked", "file", *"ABCD"), ADDRESSES, ids=lambda value: value)
def test_the_url_of_a_file_is_its_own_url(mode, asked, file, A, B, C, D):  # noqa: N803
    urls = CleanUrls("clean", mode, INDEX)
    once = urls.address(file.encode(), address(asked))
    assert urls.address(file.encode(), once) == once, "a second redirect"


# Over a socket


FILES = (
    "index.html",
    "about.html",
    "about.js",
    "docs/index.html",
    "both.html",
    "both/index.html",
    "list/a.txt",
    "q x.html",
)


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    for name in FILES:
        path = folder / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(name)
    return folder


@pytest.fixture(scope="module", params=["auto", "always", "never", "keep"])
def client(request: pytest.FixtureRequest, root: Path):
    args = ["--clean-urls", "--trailing-slash", request.param, str(root)]
    with ServerProcess(args) as server, RawClient(server.connect()) as it:
        it.mode = request.param
        yield it


# auto, always, never, keep: a redirect's place, or the file that answers.
REQUESTS = [
    ("/", "index.html", "index.html", "index.html", "index.html"),
    ("/index.html", "-> /", "-> /", "-> /", "-> /"),
    ("/index", "-> /", "-> /", "-> /", "-> /"),
    ("/about", "about.html", "-> /about/", "about.html", "about.html"),
    ("/about/", "-> /about", "about.html", "-> /about", "about.html"),
    ("/about.html", "-> /about", "-> /about/", "-> /about", "-> /about"),
    ("/about.html?a=%20b", "-> /about?a=%20b", "-> /about/?a=%20b", "-> /about?a=%20b", "-> /about?a=%20b"),
    ("/about.html/", "404", "404", "404", "404"),
    ("/about.js", "about.js", "about.js", "about.js", "about.js"),
    ("/docs", "-> /docs/", "-> /docs/", "docs/index.html", "docs/index.html"),
    ("/docs/", "docs/index.html", "docs/index.html", "-> /docs", "docs/index.html"),
    ("/docs/index.html", "-> /docs/", "-> /docs/", "-> /docs", "-> /docs/"),
    ("/both", "both.html", "both.html", "both.html", "both.html"),
    ("/both.html", "-> /both", "both.html", "-> /both", "-> /both"),
    ("/both/", "both/index.html", "both/index.html", "both/index.html", "both/index.html"),
    ("/both/index.html", "-> /both/", "-> /both/", "both/index.html", "-> /both/"),
    ("/list", "-> /list/", "-> /list/", "-> /list/", "-> /list/"),
    ("/q%20x.html", "-> /q%20x", "-> /q%20x/", "-> /q%20x", "-> /q%20x"),
    ("/missing", "404", "404", "404", "404"),
    ("/.html", "404", "404", "404", "404"),
]


@pytest.mark.parametrize(("target", *"ABCD"), REQUESTS, ids=lambda value: value)
def test_request(client, target, A, B, C, D):  # noqa: N803
    expected = {"auto": A, "always": B, "never": C, "keep": D}[client.mode]
    for method in ("GET", "GET", "HEAD"):  # the second one from the cache
        response = client.request(target, method)
        location = response.fields.get("location")
        assert expected == (
            f"-> {location}" if location else "404" if response.status == 404 else response.body.decode() or expected
        )


def test_a_redirect_leads_to_a_page_in_one_hop(client):
    for target in ("/index.html", "/about.html", "/about", "/about/", "/docs", "/docs/", "/docs/index.html", "/both/"):
        response = client.request(target)
        if response.status == 301:
            assert client.request(response.fields["location"]).status == 200


# Without options: a page is also at its name without .html, where nothing else is there. The third is the canonical URL
# that a page names when it is asked for by the name of its file.
DEFAULTS = [
    ("/", "index.html", None),
    ("/index.html", "index.html", None),
    ("/index", "-> /", None),
    ("/about", "about.html", None),
    ("/about.html", "about.html", "about"),
    ("/about/", "-> /about", None),
    ("/about/?a=b", "-> /about?a=b", None),
    ("/about.html/", "404", None),
    ("/about.js", "about.js", None),
    ("/docs", "-> /docs/", None),
    ("/docs/", "docs/index.html", None),
    ("/both", "-> /both/", None),
    ("/both/", "both/index.html", None),
    ("/both.html", "both.html", None),
    ("/blog", "blog.html", None),
    ("/blog.html", "blog.html", "blog"),
    ("/blog/", "blog/: a listing", None),
    ("/blog/post", "blog/post.html", None),
    ("/blog/post.html", "blog/post.html", "post"),
    ("/list", "-> /list/", None),
    ("/q%20x", "q x.html", None),
    ("/q%20x.html", "q x.html", "q%20x"),
    ("/taken", "-> /about", None),
    ("/taken.html", "taken.html", None),
    ("/missing", "404", None),
    ("/.html", "404", None),
]


@pytest.fixture(scope="module")
def plain(root: Path, tmp_path_factory: pytest.TempPathFactory):
    folder = tmp_path_factory.mktemp("plain")
    for name in (*FILES, "blog.html", "blog/post.html", "taken.html"):
        path = folder / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(name)
    (folder / "_redirects").write_text("/taken /about 301!\n")
    with ServerProcess([str(folder)]) as server, RawClient(server.connect()) as it:
        it.folder = folder
        yield it


@pytest.mark.parametrize(("target", "expected", "canonical"), DEFAULTS, ids=lambda value: str(value))
def test_without_options_a_page_is_also_at_its_name_without_html(plain, target, expected, canonical):
    for method in ("GET", "GET", "HEAD"):
        response = plain.request(target, method)
        assert response.fields.get("link") == (None if canonical is None else f'<{canonical}>; rel="canonical"')
        location = response.fields.get("location")
        if location or response.status == 404:
            assert expected == (f"-> {location}" if location else "404")
        elif method == "GET":
            assert response.status == 200
            assert response.body.decode() == expected or (b"post.html" in response.body and "listing" in expected)


def test_a_page_follows_the_folder_that_comes_beside_it(plain):
    link = '<late>; rel="canonical"'
    (plain.folder / "late.html").write_text("late")
    for _ in range(2):
        assert plain.request("/late").body == b"late"
        assert plain.request("/late.html").fields["link"] == link
    (plain.folder / "late").mkdir()
    for _ in range(2):
        assert plain.request("/late").body == b"late"
        assert plain.request("/late.html").fields["link"] == link
    (plain.folder / "late" / "index.html").write_text("the folder's")
    for _ in range(2):
        assert plain.request("/late").fields["location"] == "/late/"
        assert "link" not in plain.request("/late.html").fields


def test_no_clean_urls_leaves_a_page_at_its_file_name_alone(root):
    with ServerProcess(["--no-clean-urls", str(root)]) as server, RawClient(server.connect()) as client:
        assert client.request("/about").status == 404
        assert "link" not in client.request("/about.html").fields


@pytest.mark.parametrize("option", ["--no-listing", "--spa"])
def test_a_folder_that_is_not_listed_leads_to_the_page_beside_it(plain, option):
    with ServerProcess([option, str(plain.folder)]) as server, RawClient(server.connect()) as client:
        assert client.request("/blog").body == b"blog.html"
        assert client.request("/blog/").fields["location"] == "/blog"
