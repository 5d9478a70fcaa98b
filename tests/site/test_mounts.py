"""Several folders in one server: which one serves a request, its redirects, and that none leads into another."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.pagereader import Page
from support.rawclient import RawClient
from support.serverprocess import ServerProcess


def make_folders(tmp_path: Path) -> Path:
    for name, content in {
        "site/index.html": "site",
        "site/a/b.txt": "b of site",
        "site/docs/x.txt": "hidden by the mount",
        "docs/index.html": "docs",
        "docs/deep/page.txt": "page of docs",
        "docs/b.txt": "b of docs",
        "more/x.txt": "more",
        "docs-2/x.txt": "a sibling whose name begins the same",
    }.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    (tmp_path / "docs" / "out.txt").symlink_to(tmp_path / "site" / "index.html")
    return tmp_path


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory):
    folders = make_folders(tmp_path_factory.mktemp("mounts"))
    mounts = ["--mount", f"/app/docs={folders / 'docs'}", "--mount", f"/app/docs/more/={folders / 'more'}"]
    with ServerProcess(["--base", "/app", *mounts, str(folders / "site")]) as server, RawClient(server.connect()) as it:
        yield it


@pytest.mark.parametrize(
    ("target", "status", "expected"),
    [
        pytest.param("/app/", 200, "site", id="the base is the top of the site"),
        pytest.param("/app", 301, "/app/", id="the base without its slash redirects"),
        pytest.param("/app?q=1", 301, "/app/?q=1", id="and keeps the query"),
        pytest.param("/app/a", 301, "/app/a/", id="a redirect to a folder has the base"),
        pytest.param("/app/a/b.txt", 200, "b of site", id="a file beneath the base"),
        pytest.param("/%61pp/a/b.txt", 200, "b of site", id="the base is compared decoded"),
        pytest.param("/", 404, "", id="nothing is mounted at the top"),
        pytest.param("/a/b.txt", 404, "", id="a path without the base has no file"),
        pytest.param("/application/", 404, "", id="a longer name is not the base"),
        pytest.param("/app/docs/", 200, "docs", id="the longer path wins"),
        pytest.param("/app/docs", 301, "/app/docs/", id="a mount without its slash redirects"),
        pytest.param("/app/docs/deep", 301, "/app/docs/deep/", id="a redirect inside a mount"),
        pytest.param("/app/docs/deep/page.txt", 200, "page of docs", id="a file of the mount"),
        pytest.param("/app/docs/x.txt", 404, "", id="a folder of the site at that path is hidden"),
        pytest.param("/app/docs-2/x.txt", 404, "", id="a sibling with the mount's name as prefix is not in it"),
        pytest.param("/app/docs/../a/b.txt", 200, "b of site", id="dot segments are resolved before"),
        pytest.param("/app/docs/more/x.txt", 200, "more", id="a mount beneath a mount"),
        pytest.param("/app/docs/out.txt", 404, "", id="a link from one root into another leads outside"),
    ],
)
def test_request(client, target, status, expected):
    for method in ("GET", "GET", "HEAD"):  # the second from the cache
        response = client.request(target, method)
        assert response.status == status
        if status == 301:
            assert response.fields["location"] == expected
        elif status == 200 and method == "GET":
            assert response.body == expected.encode()


def test_a_listing_shows_the_path_that_was_asked_for(client):
    assert b"<title>deep - index of /app/docs/deep/</title>" in client.request("/app/docs/deep/").body


OUTSIDE = "Nothing is served outside of /app/, the path of --base"


def links_of(client: RawClient, target: str) -> list[tuple[str, str]]:
    return Page(client.request(target, "GET", "Accept: text/html").body).links


@pytest.mark.parametrize("target", ["/", "/a/b.txt", "/favicon.ico", "/app/none.txt", "/app/docs/none.txt"])
def test_a_404_page_leads_to_the_home_page_of_the_base(client, target):
    assert links_of(client, target) == [("/app/", "Go to the home page")]


@pytest.mark.parametrize("target", ["/", "/a/b.txt", "/application/"])
def test_a_404_outside_of_the_base_says_where_the_site_is(client, target):
    page = client.request(target, "GET", "Accept: text/html")
    assert f"{OUTSIDE}, and the paths of --mount." in page.body.decode()
    assert OUTSIDE not in client.request(target, "GET", "X-Forwarded-For: 192.0.2.1").body.decode()
    assert client.request(target, "HEAD").status == 404


def test_a_listing_leads_no_further_up_than_its_site(client, tmp_path):
    assert links_of(client, "/app/docs/deep/")[:2] == [("../../", "Home"), ("../", "docs")]
    make_folders(tmp_path)
    mounts = ["--mount", f"/more={tmp_path / 'more'}", "--listing"]
    folder = str(tmp_path / "docs-2")
    with ServerProcess(["--base", "/app", *mounts, folder]) as server, RawClient(server.connect()) as it:
        for top in ("/app/", "/more/"):
            assert links_of(it, top) == [("x.txt", "x.txt")], "neither the way up nor Home"
            assert f"<h1>Index of {top}</h1>" in it.request(top, "GET", "Accept: text/html").body.decode()
    with ServerProcess([*mounts, folder]) as server, RawClient(server.connect()) as it:
        assert links_of(it, "/more/")[0] == ("../", "Home"), "the site at the root"


def test_a_file_at_a_base_is_the_home_page(tmp_path):
    make_folders(tmp_path)
    with ServerProcess(["--base", "/b.bin", str(tmp_path / "docs/b.txt")]) as server, RawClient(server.connect()) as it:
        ((home, _),) = links_of(it, "/")
        assert it.request(home).body == b"b of docs"
        assert b"outside of /b.bin, the path of --base." in it.request("/x").body


def test_a_mount_that_is_not_there_ends_the_start(tmp_path):
    (tmp_path / "site").mkdir()
    with pytest.raises(AssertionError, match="missing: no such folder or file"):
        ServerProcess(["--mount", f"/x={tmp_path / 'missing'}", str(tmp_path / "site")]).__enter__()
