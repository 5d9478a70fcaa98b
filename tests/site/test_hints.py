"""Hints: why a URL was not found. ``fastfile explain``, the log, and the 404 page (only on loopback) show them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from support.asker import Asker
from support.rawclient import RawClient
from support.serverprocess import ServerProcess
from support.watching import receive_all, until

from fastfile.cli.arguments import parse_arguments
from fastfile.cli.help import USAGE
from fastfile.commands.explain import FETCH, NAVIGATION, Explainer
from fastfile.config.load import load
from fastfile.site.hints import MAX_TOLD, Hint, Hints
from fastfile.storage.view import MAX_SCANNED

FILES = (
    "index.html",
    "about.html",
    "data.json",
    "Docs/Guide.html",
    "docs-2/x.txt",
    ".env",
    "_headers",
    "app.js",
)


@pytest.fixture
def site(tmp_path: Path) -> Path:
    folder = tmp_path / "site"
    for name in FILES:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("")
    (folder / "nowhere").symlink_to("missing.txt")
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "x.txt").write_text("outside")
    (folder / "outside").symlink_to("../elsewhere")
    (folder / "outside.txt").symlink_to("../elsewhere/x.txt")
    os.mkfifo(folder / "pipe")
    return folder


APP = "If this is a route of a single-page app, --spa serves index.html for it."
CASE = "exists. Upper and lower case are different in URLs."
BASE = "If this is a build for"
OUTSIDE = "is a link that leads out of the served folder. --follow-symlinks follows such links."


@pytest.mark.parametrize(
    ("target", "options", "hint"),
    [
        ("/DATA.json", [], f"data.json {CASE}"),
        ("/ABOUT", [], f"about.html {CASE}"),
        ("/docs/guide.html", [], f"Docs/Guide.html {CASE}"),
        ("/docs/GUIDE", [], f"Docs/Guide.html {CASE}"),
        ("/docs-2/X.TXT", [], f"docs-2/x.txt {CASE}"),
        (
            "/.ENV",
            [],
            "Names that begin with a dot are not served. --dotfiles serves them; --dotfile NAME serves one name.",
        ),
        (
            "/.env",
            [],
            "Names that begin with a dot are not served. --dotfiles serves them; --dotfile NAME serves one name.",
        ),
        ("/.ENV", ["--dotfiles"], f".env {CASE}"),
        ("/_headers", [], "_headers configures the server, so it is not served. --rules off serves it."),
        ("/outside.txt", [], f"outside.txt {OUTSIDE}"),
        ("/outside/x.txt", [], f"outside {OUTSIDE}"),
        ("/outside/", [], f"outside {OUTSIDE}"),
        ("/nowhere", [], "nowhere is a broken link."),
        ("/pipe", [], "pipe is neither a file nor a folder."),
        ("/app.js/", [], "app.js is a file: its URL has no slash at the end, and nothing is below it."),
        ("/app.js/x", [], "app.js is a file: its URL has no slash at the end, and nothing is below it."),
        ("/about", ["--no-clean-urls"], "about.html exists. --clean-urls serves it at /about."),
        ("/about/", ["--as", "github-pages"], "about.html exists, and is served at /about without the slash."),
        (
            "/docs-2/",
            ["--no-listing"],
            "/docs-2 is a folder without index.html, and folders are not listed here. --listing lists them.",
        ),
        ("/shop/app.js", [], f"app.js exists. {BASE} /shop, serve it with --base /shop."),
        ("/a/b/docs-2/x.txt", [], f"docs-2/x.txt exists. {BASE} /a/b, serve it with --base /a/b."),
        ("/a/b/c/d/app.js", [], None),
        ("/shop/_headers", [], APP),
        ("/deep/er/x/app.js", ["--base", "/deep/er"], None),
        ("/deep/route", [], APP),
        ("/deep/route/", [], APP),
        ("/deep/missing.js", [], None),
        ("/.well-known/x", ["--listing"], APP),
        ("/" + "d/" * 100 + "x", [], None),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else str(value)[:40],
)
def test_a_hint_says_why_nothing_is_found(site, target, options, hint):
    assert hints(site, target, options, NAVIGATION) == ([] if hint is None else [hint])


RULES = "/about /404.html 404!\n/gone /nothing.html 200\n/app.js/* /nowhere 404\n"


@pytest.mark.parametrize(
    ("target", "hint"),
    [
        ("/about", "The rule at _redirects:1 makes this path a 404."),
        ("/gone", "The rule at _redirects:2 leads to /nothing.html, which does not exist."),
        ("/app.js/x", "The rule at _redirects:3 makes this path a 404."),
    ],
)
def test_a_hint_names_the_rule_that_makes_it_a_404(site, target, hint):
    (site / "_redirects").write_text(RULES)
    assert hints(site, target, [], NAVIGATION) == [hint]


def test_a_proxy_that_says_nothing_of_itself_is_known_by_its_old_version(site):
    with ServerProcess([str(site)]) as server:
        for version, expected in (("1.1", True), ("1.0", False), ("1.1", True)):
            client = server.connect()
            client.sendall(f"GET /DATA.json HTTP/{version}\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())
            assert (b"data.json exists" in receive_all(client)) is expected


def hints(site: Path, target: str, options: list[str], fields: dict[str, str]) -> list[str]:
    explainer = Explainer(load(parse_arguments(USAGE, options), {}), str(site))
    try:
        exchange = explainer.ask(f"http://localhost{target}", fields)
    finally:
        explainer.close()
    assert exchange.response.status == 404
    return [text for step, text in exchange.notes if step == "hint"]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_without_permission_is_named(tmp_path):
    (tmp_path / "secret.txt").touch(mode=0)
    explainer = Explainer(load({}, {}), str(tmp_path))
    exchange = explainer.ask("http://localhost/secret.txt", FETCH)
    explainer.close()
    assert exchange.response.status == 403
    assert exchange.notes == [("hint", "secret.txt exists, but the server has no permission to read it.")]


def test_data_gets_no_page_of_an_app(site):
    expected = ["This request is for data or for a part of a page. Only navigations get index.html."]
    assert hints(site, "/api/list", ["--spa"], FETCH) == expected


def test_few_names_of_a_large_folder_are_compared(tmp_path):
    names = [f"name-{number}" for number in range(3 * MAX_SCANNED)]
    for name in names:
        (tmp_path / name).touch()
    found = [hints(tmp_path, f"/{name.upper()}", [], FETCH) != [] for name in names[:: MAX_SCANNED // 2]]
    assert any(found)
    assert not all(found)


def test_the_404_page_has_the_hint_for_users_of_this_machine_alone(site):
    text = b"data.json exists."
    with ServerProcess([str(site)]) as server, RawClient(server.connect()) as client:
        for _ in range(2):
            response = client.request("/DATA.json", "GET", "Accept: text/html")
            assert (response.status, text in response.body) == (404, True)
            for field in (
                "X-Forwarded-For: 192.0.2.1",
                "Forwarded: for=192.0.2.1",
                "Via: 1.1 x",
                "X-Real-IP: 192.0.2.1",
            ):
                assert text not in client.request("/DATA.json", "GET", field).body


@pytest.mark.parametrize("options", [["--host"], ["--allowed-host", "localhost"]], ids=" ".join)
def test_a_server_for_others_gives_no_hints(site, options):
    with ServerProcess([*options, str(site)]) as server, RawClient(server.connect()) as client:
        assert b"data.json" not in client.request("/DATA.json").body
        server.stop()
        assert "data.json" not in server.stderr


TARGETS = ("/DATA.json", "/DATA.json", "/Data.json", "/route", "/another/route")
# The server's standard error is a terminal, which a child reads.
ON_TERMINAL = """
import os, pty, runpy, sys
ours, theirs = pty.openpty()
if not os.fork():
    os.setsid()
    os.close(theirs)
    try:
        while text := os.read(ours, 65536):
            os.write(2, text)
    except OSError:
        os._exit(0)
os.close(ours)
os.dup2(theirs, 2)
os.close(theirs)
sys.argv[0] = "fastfile"
runpy.run_module("fastfile", run_name="__main__")
"""


def test_a_terminal_shows_each_cause_once(site):
    with (
        ServerProcess([str(site)], interpreter_args=("-c", ON_TERMINAL)) as server,
        RawClient(server.connect()) as client,
    ):
        for target in TARGETS:
            for _ in range(2):
                assert client.request(target).status == 404
        until(lambda: server.stderr.count("not found: ") == 2, "both causes")
        server.stop()
        lines = [line for line in server.stderr.splitlines() if "not found" in line]
    assert [line.partition("not found: ")[2] for line in lines] == [
        f"/DATA.json. data.json {CASE}",
        f"/route. {APP}",
    ]


def test_a_terminal_says_once_where_a_site_with_a_base_is(site):
    with (
        ServerProcess(["--base", "/app", str(site)], interpreter_args=("-c", ON_TERMINAL)) as server,
        RawClient(server.connect()) as client,
    ):
        # Browsers request these by themselves, after a page that is found.
        for target in ("/favicon.ico", "/.well-known/appspecific/x.json", "/", "/assets/app.js"):
            assert client.request(target).status == 404
        until(lambda: "not found: " in server.stderr, "the cause")
        server.stop()
        lines = [line for line in server.stderr.splitlines() if "not found" in line]
    assert [line.partition("not found: ")[2] for line in lines] == [
        "/. Nothing is served outside of /app/, the path of --base."
    ]


def test_an_error_log_that_is_no_terminal_has_no_hints(site):
    with ServerProcess([str(site)]) as server, RawClient(server.connect()) as client:
        for target in TARGETS:
            assert client.request(target).status == 404
        server.stop()
        assert server.stderr == ""


def test_a_hint_follows_the_folder(tmp_path):
    asker = Asker(tmp_path)
    asker.write("index.html", b"")
    asker.settle()
    assert b"--spa" in asker.get("/route")[1]
    asker.write("Route", b"")
    asker.settle()
    assert b"Route exists" in asker.get("/route")[1]
    asker.write("route", b"found")
    assert asker.get("/route") == (200, b"found")


def test_the_causes_that_are_logged_are_bounded():
    said: list[str] = []
    log = Hints(said.append)
    for number in range(3 * MAX_TOLD):
        log.tell(b"x", Hint(str(number), "text"))
    assert len(said) == MAX_TOLD
