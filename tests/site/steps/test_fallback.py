"""Paths without a file: 404.html up the tree, the page of an app for navigations, and changes on disk."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.rawclient import RawClient
from support.serverprocess import ServerProcess

HTML = "Accept: text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8"
NAVIGATE = "Sec-Fetch-Mode: navigate"


def make_site(tmp_path: Path, *names: str) -> Path:
    for name in ("index.html", *names):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"this is {name}")
    return tmp_path


@pytest.fixture
def serve(request: pytest.FixtureRequest):
    def start(root: Path, *args: str) -> RawClient:
        server = ServerProcess([*args, str(root)])
        request.addfinalizer(server.stop)
        client = RawClient(server.connect())
        request.addfinalizer(lambda: client.__exit__())
        return client

    return start


# 404.html


def test_the_nearest_404_html_is_sent(tmp_path, serve):
    client = serve(make_site(tmp_path, "404.html", "docs/404.html", "docs/deep/x.txt", "img/a.png"))
    for target, page in {
        "/missing": "404.html",
        "/missing/deeper/still": "404.html",
        "/img/missing.png": "404.html",
        "/docs/missing": "docs/404.html",
        "/docs/deep/missing": "docs/404.html",
        "/docs/deep/x.txt/y": "docs/404.html",
        "/.hidden": "404.html",
    }.items():
        for _ in range(2):
            response = client.request(target)
            assert (response.status, response.body.decode()) == (404, f"this is {page}")
            assert response.fields["content-type"] == "text/html; charset=utf-8"
            assert not {"etag", "last-modified"} & response.fields.keys()
        head = client.request(target, "HEAD")
        assert (head.status, head.body, head.fields["content-length"]) == (404, b"", str(len(f"this is {page}")))


def test_a_page_in_a_hidden_folder_is_sent_only_where_hidden_names_are_served(tmp_path, serve):
    pages = (".next/server/404.html", ".next/server/pages/x.txt", ".next/server/.well-known/404.html")
    root = make_site(tmp_path, *pages)
    client = serve(root)
    for target in ("/.next/server/pages/missing", "/.next/server/missing", "/.next/server/.well-known/missing"):
        assert b"There is nothing at this URL" in client.request(target).body
    client = serve(root, "--dotfiles")
    assert client.request("/.next/server/pages/missing").body == b"this is .next/server/404.html"


def test_the_page_itself_is_a_page_like_any_other(tmp_path, serve):
    assert serve(make_site(tmp_path, "404.html")).request("/404.html").status == 200


def test_no_precondition_and_no_range_makes_anything_else_of_a_404(tmp_path, serve):
    client = serve(make_site(tmp_path, "404.html"))
    for field in (
        "If-None-Match: *",
        "If-Match: *",
        "Range: bytes=0-3",
        "If-Modified-Since: Mon, 23 Nov 2099 00:00:00 GMT",
    ):
        for _ in range(2):
            assert client.request("/missing", "GET", field).status == 404


def test_a_404_html_that_comes_changes_and_goes_is_seen_at_once(tmp_path, serve):
    client = serve(make_site(tmp_path, "docs/x.txt"))

    def ask() -> bytes:
        return client.request("/docs/missing").body

    assert b"There is nothing at this URL" in ask()
    for _ in range(3):
        (tmp_path / "404.html").write_text("first")
        assert (ask(), ask()) == (b"first", b"first")
        (tmp_path / "404.html").write_text("second")
        assert (ask(), ask()) == (b"second", b"second")
        (tmp_path / "docs" / "404.html").write_text("nearer")
        assert (ask(), ask()) == (b"nearer", b"nearer")
        (tmp_path / "docs" / "404.html").unlink()
        assert (ask(), ask()) == (b"second", b"second")
        (tmp_path / "404.html").unlink()
        assert b"There is nothing at this URL" in ask()


def test_a_file_that_comes_where_none_was_is_seen_at_once(tmp_path, serve):
    client = serve(make_site(tmp_path, "404.html"), "--clean-urls")
    targets = ("/a/b", "/a/b/")
    for target in (*targets, *targets):
        assert client.request(target).status == 404
    (tmp_path / "a").mkdir()
    assert client.request("/a/b").status == 404
    (tmp_path / "a" / "b.html").write_text("came")
    assert client.request("/a/b").body == b"came"
    (tmp_path / "a" / "b").mkdir()
    (tmp_path / "a" / "b" / "index.html").write_text("nearer")
    assert client.request("/a/b/").body == b"nearer"


def test_a_link_that_leads_nowhere_is_seen_when_it_leads_somewhere(tmp_path, serve):
    (tmp_path / "links").mkdir()
    (tmp_path / "real").mkdir()
    (tmp_path / "links" / "page").symlink_to("../real/page")
    client = serve(make_site(tmp_path, "404.html"))
    for _ in range(2):
        assert client.request("/links/page").status == 404
    (tmp_path / "real" / "page").write_text("there")
    assert client.request("/links/page").body == b"there"


def test_a_404_html_is_sent_encoded_to_clients_that_accept_it(tmp_path, serve):
    client = serve(make_site(tmp_path, "404.html", "404.html.br"))
    response = client.request("/missing", "GET", "Accept-Encoding: br")
    assert (response.status, response.fields["content-encoding"]) == (404, "br")


# The page of an app


@pytest.fixture(scope="module")
def app(tmp_path_factory):
    root = make_site(tmp_path_factory.mktemp("app"), "assets/app.js", "real.html")
    with ServerProcess(["--spa", str(root)]) as server, RawClient(server.connect()) as client:
        yield client


@pytest.mark.parametrize(
    ("target", "fields", "status"),
    [
        pytest.param("/search/192.168.1.0", (NAVIGATE, HTML), 200, id="a route with dots"),
        pytest.param("/deep/route?tab=1", (NAVIGATE,), 200, id="a route with a query"),
        pytest.param("/deep/route/", (HTML,), 200, id="a client without Sec-Fetch that prefers HTML"),
        pytest.param("/assets", (NAVIGATE, HTML), 200, id="a route with the name of a folder"),
        pytest.param("/assets/", (NAVIGATE, HTML), 200, id="and with a slash"),
        pytest.param("/assets/missing.js", ("Sec-Fetch-Mode: cors", HTML), 404, id="a module script that is missing"),
        pytest.param("/assets/missing.js", ("Sec-Fetch-Mode: no-cors", "Accept: */*"), 404, id="a classic script"),
        pytest.param("/deep/route", ("Accept: text/html,*/*",), 200, id="Cypress, which names HTML beside anything"),
        pytest.param("/user/jane.doe", ("Accept: */*, text/html",), 200, id="in whatever order, at whatever path"),
        pytest.param("/deep/route", ("Accept: text/html;q=0.5,*/*;q=0.5",), 200, id="with one weight for both"),
        pytest.param("/deep/route", ("Accept: */*",), 200, id="curl, a monitor or a link preview"),
        pytest.param("/deep/route", (), 200, id="a client without Accept"),
        pytest.param("/deep/route?v=1.2", ("Accept: */*",), 200, id="a dot in the query"),
        pytest.param("/v1.2/route/", ("Accept: */*",), 200, id="a dot in a folder's name"),
        pytest.param("/deep/route", ("Accept: application/json, text/plain, */*",), 200, id="wait-on, by axios"),
        pytest.param("/missing.js", ("Accept: */*",), 404, id="a script, asked for by curl"),
        pytest.param("/missing.js", (), 404, id="a script, without Accept"),
        pytest.param("/.well-known/missing", ("Accept: */*",), 404, id="a probe of a well-known name"),
        pytest.param("/assets/missing", ("Sec-Fetch-Mode: no-cors", "Accept: */*"), 404, id="a script without ending"),
        pytest.param("/api/list", ("Sec-Fetch-Mode: cors", "Accept: */*"), 404, id="fetch by a page"),
        pytest.param("/api/list", ("Accept: application/json",), 404, id="fetch for JSON"),
        pytest.param("/api/list", ("Accept: application/json, */*;q=0.1",), 404, id="JSON rather than anything else"),
        pytest.param("/api/list", ("Accept: application/json, text/html;q=0.5",), 404, id="JSON rather than HTML"),
        pytest.param("/api/list", ("Accept: */*, text/html;q=0",), 404, id="anything but HTML"),
        pytest.param("/api/list", ("Accept: */*, text/html;q=0.5",), 404, id="anything rather than HTML"),
        pytest.param("/missing", ("Accept: image/avif,image/webp,*/*;q=0.8",), 404, id="an image"),
    ],
)
def test_routes_of_an_app_get_its_page_and_missing_files_do_not(app, target, fields, status):
    for _ in range(2):
        response = app.request(target, "GET", *fields)
        assert response.status == status
        assert {"Accept", "Sec-Fetch-Mode"} <= set(response.fields["vary"].split(", "))
        if status == 200:
            assert response.body == b"this is index.html"
            tag = response.fields["etag"]
            assert app.request(target, "GET", *fields, f"If-None-Match: {tag}").status == 304
            assert app.request(target, "HEAD", *fields).fields["content-length"] == "18"


def test_files_and_other_pages_are_themselves(tmp_path, serve):
    client = serve(make_site(tmp_path, "app.html", "404.html", "real.html"), "--spa=app.html")
    assert client.request("/real.html", "GET", HTML).body == b"this is real.html"
    assert client.request("/", "GET", HTML).body == b"this is index.html"
    assert client.request("/route", "GET", HTML).body == b"this is app.html"
    missing = client.request("/route.js")
    assert (missing.body, missing.fields["vary"]) == (b"this is 404.html", "Accept, Sec-Fetch-Mode")
    failed = client.request("/route", "GET", HTML, "Range: bytes=99-")
    assert (failed.status, failed.fields["vary"]) == (416, "Accept, Sec-Fetch-Mode")


def test_one_page_may_be_the_app_s_and_that_of_what_is_missing(tmp_path, serve):
    client = serve(make_site(tmp_path, "404.html"), "--spa=404.html")
    for _ in range(2):
        for field, status in ((NAVIGATE, 200), ("Accept: image/*", 404)):
            response = client.request("/route", "GET", field)
            assert (response.status, response.body) == (status, b"this is 404.html")


def test_the_page_is_the_one_of_now(tmp_path, serve):
    client = serve(make_site(tmp_path), "--spa")
    for text in ("one", "two", "three"):
        (tmp_path / "index.html").write_text(text)
        assert [client.request("/route", "GET", NAVIGATE).body for _ in range(3)] == [text.encode()] * 3
    (tmp_path / "index.html").unlink()
    assert client.request("/route", "GET", NAVIGATE).status == 404
    (tmp_path / "index.html").write_text("back")
    assert client.request("/route", "GET", NAVIGATE).body == b"back"


def test_a_folder_may_be_listed_when_that_is_asked_for(tmp_path, serve):
    client = serve(make_site(tmp_path, "assets/app.js"), "--spa", "--listing")
    assert b"app.js" in client.request("/assets/", "GET", NAVIGATE, HTML).body


def test_beneath_a_base_it_is_the_same(tmp_path, serve):
    client = serve(make_site(tmp_path, "404.html"), "--spa", "--base", "/app")
    assert client.request("/app/route", "GET", NAVIGATE).status == 200
    assert client.request("/app/route.js").body == b"this is 404.html"
    assert client.request("/route", "GET", NAVIGATE).status == 404
