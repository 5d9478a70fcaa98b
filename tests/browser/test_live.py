"""--live in a real browser: the effect of changed files on open pages."""

from __future__ import annotations

import gzip
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("selenium", reason="selenium comes with the extra `test`")

from selenium import webdriver
from selenium.common.exceptions import WebDriverException
from support.chromium import TIMEOUT_S, failed_requests, network_events, open_browser
from support.retrying import retried
from support.serverprocess import ServerProcess

SVG = '<svg xmlns="http://www.w3.org/2000/svg" width="{}" height="10"/>'
PAGE = """<!doctype html><html><head><title>{0}</title><link rel="icon" href="data:,">
<link rel="stylesheet" href="/style.css"></head><body style="height: 5000px"><h1>{0}</h1><input><img src="/a.svg">
<script src="/app.js"></script></body></html>"""
WORKER = """self.oninstall = () => self.skipWaiting();
self.onactivate = (event) => event.waitUntil(self.clients.claim());
const headers = { "Content-Type": "text/html" };
self.onfetch = (event) => event.respondWith(new Response("<title>old</title>", { headers }));
"""
GREEN = "rgb(0, 128, 0)"
REBUILDS = 10
BUILDS = Path(__file__).parents[1] / "data" / "builds"


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[webdriver.Chrome]:
    with open_browser(tmp_path_factory.mktemp("profile")) as chrome:
        yield chrome


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tmp_path / "dist"
    root.mkdir()
    build(root, "one")
    return root


@pytest.fixture
def server(root: Path) -> Iterator[ServerProcess]:
    with ServerProcess(["--live", str(root)]) as running:
        yield running


def build(root: Path, title: str, color: str = "red", width: int = 20) -> None:
    (root / "index.html").write_text(PAGE.format(title))
    (root / "style.css").write_text(f"h1 {{ color: {color} }}")
    (root / "a.svg").write_text(SVG.format(width))
    (root / "app.js").write_text("window.loads = 1")


class Tab:
    """One tab of the browser, which shows a page of the server."""

    def __init__(self, browser: webdriver.Chrome, server: ServerProcess, path: str = "/") -> None:
        self.browser = browser
        self.origin = f"http://localhost:{server.port}"
        browser.get(self.origin + path)
        failed_requests(browser, self.origin)  # earlier requests are ignored

    def evaluate(self, expression: str) -> object:
        return self.browser.execute_script(f"return {expression}")

    def wait_for(self, expression: str) -> None:
        """Wait until a condition holds in the page, which may be reloading."""
        deadline = time.monotonic() + TIMEOUT_S
        while time.monotonic() < deadline:
            try:
                if self.evaluate(expression):
                    return
            except WebDriverException:
                pass
            time.sleep(0.01)  # nothing tells of it
        raise AssertionError(f"it never came to this: {expression}")

    def wait_for_title(self, title: str) -> None:
        self.wait_for(f"document.title === {title!r} && document.readyState === 'complete'")

    def wait_for_color(self, color: str) -> None:
        self.wait_for(f"getComputedStyle(document.querySelector('h1')).color === '{color}'")

    def mark(self) -> None:
        """Leave a mark in the page that a reload removes."""
        self.browser.execute_script("window.mark = 1; document.querySelector('input').value = 'typed'")
        self.browser.execute_script("scrollTo(0, 999)")

    def is_marked(self) -> bool:
        return bool(self.evaluate("window.mark === 1 && document.querySelector('input').value === 'typed'"))

    def navigations(self) -> tuple[int, list[str]]:
        """Return how many documents were loaded since the last look, and which requests failed, all of them."""
        events = list(network_events(self.browser))
        documents = [d for name, d in events if name == "Network.requestWillBeSent" and d.get("type") == "Document"]
        failed = [
            d["response"]["url"]
            for name, d in events
            if name == "Network.responseReceived" and d["response"]["status"] >= 400
        ]
        failed += [d["errorText"] for name, d in events if name == "Network.loadingFailed" and not d.get("canceled")]
        return len(documents), failed


def test_a_page_is_reloaded_at_its_scroll_position(
    browser: webdriver.Chrome, server: ServerProcess, root: Path
) -> None:
    tab = Tab(browser, server)
    tab.mark()
    (root / "index.html").write_text(PAGE.format("two"))
    tab.wait_for_title("two")
    tab.wait_for("scrollY === 999")
    assert not tab.is_marked()
    assert tab.navigations() == (1, [])


def test_a_style_sheet_and_a_picture_are_swapped_in_place(
    browser: webdriver.Chrome, server: ServerProcess, root: Path
) -> None:
    tab = Tab(browser, server)
    tab.mark()
    for color, wanted, width in (("green", GREEN, 30), ("blue", "rgb(0, 0, 255)", 40)):
        (root / "style.css").write_text(f"h1 {{ color: {color} }}")
        tab.wait_for_color(wanted)
        (root / "a.svg").write_text(SVG.format(width))
        tab.wait_for(f"document.images[0].naturalWidth === {width}")
    tab.wait_for("document.querySelectorAll('link[rel=stylesheet]').length === 1")
    assert tab.is_marked()
    assert tab.evaluate("scrollY") == 999
    assert tab.navigations() == (0, [])


def test_pictures_are_swapped_in_style_sheets_and_source_sets(
    browser: webdriver.Chrome, server: ServerProcess, root: Path
) -> None:
    (root / "style.css").write_text("@media all { h1 { background: url(a.svg) } } h1 { color: red }")
    page = PAGE.format("one").replace(
        "<img", "<p style=\"background: url('b.svg')\"><img srcset='/c.svg 1x, /d.svg 9x'><img"
    )
    (root / "index.html").write_text(page)
    for name in "bcd":
        (root / f"{name}.svg").write_text(SVG.format(10))
    tab = Tab(browser, server)
    tab.mark()
    for name, where in (
        ("a", "getComputedStyle(document.querySelector('h1')).backgroundImage"),
        ("b", "document.querySelector('p').style.background"),
        ("c", "document.querySelector('[srcset]').srcset"),
    ):
        (root / f"{name}.svg").write_text(SVG.format(50))
        tab.wait_for(f"/{name}\\.svg\\?fastfile=/.test({where})")
    assert tab.is_marked()


def test_what_a_script_has_fetched_and_an_imported_sheet_load_the_page_anew(
    browser: webdriver.Chrome, server: ServerProcess, root: Path
) -> None:
    (root / "data.json").write_text("1")
    (root / "more.css").write_text("p { color: red }")
    (root / "style.css").write_text("@import 'more.css';")
    (root / "app.js").write_text("fetch('/data.json').then((r) => r.text()).then((text) => window.data = text)")
    tab = Tab(browser, server)
    tab.wait_for("window.data === '1'")
    (root / "data.json").write_text("2")
    tab.wait_for("window.data === '2'")
    tab.mark()
    (root / "more.css").write_text("h1 { color: green }")
    tab.wait_for_color(GREEN)
    assert not tab.is_marked()


def test_what_a_page_does_not_use_leaves_it_alone(browser: webdriver.Chrome, server: ServerProcess, root: Path) -> None:
    tab = Tab(browser, server)
    tab.mark()
    (root / "other.html").write_text(PAGE.format("other"))
    (root / "node_modules").mkdir()
    (root / "node_modules" / "x.js").write_text("1")
    (root / "app.js").rename(root / "gone.js")  # a deleted file causes no reload
    (root / "style.css").write_text("h1 { color: green }")  # and this change is reported last
    tab.wait_for_color(GREEN)
    assert tab.is_marked()
    assert tab.navigations() == (0, [])


def test_a_change_while_the_page_loads_or_no_watcher_runs_is_not_missed(
    browser: webdriver.Chrome, server: ServerProcess, root: Path
) -> None:
    (root / "app.js").write_text(
        "document.title = 'loading'; const till = Date.now() + 300; while (Date.now() < till);"
    )
    browser.set_script_timeout(TIMEOUT_S)
    browser.execute_script("location = arguments[0]", f"http://localhost:{server.port}/")
    (root / "index.html").write_text(PAGE.format("two").replace("/app.js", "/none-of-it.js"))
    (root / "none-of-it.js").write_text("")
    tab = Tab.__new__(Tab)
    tab.browser = browser
    tab.wait_for_title("two")


@retried
def test_rebuilds_that_delete_and_write_all_show_no_broken_page(
    browser: webdriver.Chrome, server: ServerProcess, root: Path
) -> None:
    def rebuild(number: int) -> None:
        shutil.rmtree(root)
        root.mkdir()
        page = PAGE.format(number).replace("/style.css", f"/style-{number}.css")
        # Written first, and slowly: what it refers to is not there yet.
        (root / "index.html").write_text(
            page.replace("/app.js", f"/app-{number}.js").replace("<script", "<script type=module")
        )
        time.sleep(0.03)  # what a tool takes between two files
        (root / f"app-{number}.js").write_text(f"import './chunk-{number}.js'")
        time.sleep(0.03)
        (root / f"chunk-{number}.js").write_text(f"window.chunk = {number}")
        (root / "a.svg").write_text(SVG.format(20))
        (root / f"style-{number}.css").write_text("h1 { color: green }")

    tab = Tab(browser, server)
    for number in range(REBUILDS):
        rebuild(number)
        tab.wait_for(f"window.chunk === {number}")
        tab.wait_for_color(GREEN)
    count, failed = tab.navigations()
    assert failed == []
    assert REBUILDS <= count <= 2 * REBUILDS


@pytest.mark.parametrize("tool", ["vite", "eleventy"])
@retried
def test_real_builds_in_turn_are_each_shown_once_and_whole(
    browser: webdriver.Chrome, tmp_path: Path, tool: str
) -> None:
    root = tmp_path / "dist"
    shutil.copytree(BUILDS / f"{tool}-2", root, dirs_exist_ok=True)
    with ServerProcess(["--live", str(root)]) as server:
        tab = Tab(browser, server)
        has_all = "window.lazy" if tool == "vite" else "true"  # else the next build takes away what is still loaded
        tab.wait_for(has_all)
        for number in range(REBUILDS):
            source = BUILDS / f"{tool}-{1 + number % 2}"
            shutil.rmtree(root)
            root.mkdir()
            for path in sorted(source.rglob("*")):
                time.sleep(0.025)  # as slow as these tools are on a busy machine
                if path.is_file():
                    (root / path.relative_to(source)).write_bytes(path.read_bytes())
                else:
                    (root / path.relative_to(source)).mkdir()
            tab.wait_for(f"document.querySelector('h1').textContent === 'Build {1 + number % 2}'")
            tab.wait_for_color(GREEN)
            tab.wait_for(has_all)
        assert tab.navigations()[1] == []


@pytest.mark.parametrize("way", ["renamed into place", "removed and made", "switched by a link"])
def test_another_folder_in_the_place_of_the_root_is_followed(
    browser: webdriver.Chrome, tmp_path: Path, way: str
) -> None:
    one, two, root = tmp_path / "one", tmp_path / "two", tmp_path / "dist"
    for folder in (one, two):
        folder.mkdir()
        build(folder, folder.name)
    if way == "switched by a link":
        root.symlink_to(one)
    else:
        shutil.copytree(one, root)
    with ServerProcess(["--live", str(root)]) as server:
        tab = Tab(browser, server)
        assert browser.title == "one"
        if way == "switched by a link":
            (tmp_path / "new").symlink_to(two)
            (tmp_path / "new").rename(root)
        elif way == "renamed into place":
            root.rename(tmp_path / "old")
            two.rename(root)
        else:
            shutil.rmtree(root)
            shutil.copytree(two, root)
        tab.wait_for_title("two")
        (root / "index.html").write_text(PAGE.format("three"))
        tab.wait_for_title("three")


def test_a_page_that_a_build_took_away_stands_with_a_notice_until_it_is_back(
    browser: webdriver.Chrome, server: ServerProcess, root: Path
) -> None:
    tab = Tab(browser, server)
    tab.mark()
    (root / "index.html").unlink()
    tab.wait_for("/missing/.test(document.querySelector('fastfile-notice')?.shadowRoot.textContent)")
    assert tab.is_marked()
    shadow = tab.browser.find_element("css selector", "fastfile-notice").shadow_root
    shadow.find_element("css selector", "[role=status] button").click()
    assert tab.evaluate("document.querySelector('fastfile-notice')") is None
    (root / "index.html").write_text(PAGE.format("two"))
    tab.wait_for_title("two")


def test_six_tabs_of_a_site_are_told_over_http_1(browser: webdriver.Chrome, server: ServerProcess, root: Path) -> None:
    first = browser.current_window_handle
    tabs = [first]
    try:
        tab = Tab(browser, server)
        for _ in range(6):
            browser.switch_to.new_window("tab")
            tabs.append(browser.current_window_handle)
            tab = Tab(browser, server)
        (root / "index.html").write_text(PAGE.format("two"))
        for handle in tabs:
            browser.switch_to.window(handle)
            tab.wait_for_title("two")
    finally:
        for handle in tabs[1:]:
            browser.switch_to.window(handle)
            browser.close()
        browser.switch_to.window(first)


@pytest.mark.parametrize(
    "policy",
    [
        "default-src 'none'; style-src 'self'; img-src 'self' data:",
        "default-src 'self'; script-src 'strict-dynamic' 'nonce-abc'",
        "script-src 'none'; connect-src 'none'",
    ],
)
def test_a_strict_policy_is_no_obstacle_and_stays_as_strict(browser: webdriver.Chrome, root: Path, policy: str) -> None:
    (root / "index.html").write_text(PAGE.format("one").replace("<h1>", "<h1 onclick='window.evil = 1'>"))
    with ServerProcess(["--live", "--csp", policy, str(root)]) as server:
        tab = Tab(browser, server)
        (root / "index.html").write_text(PAGE.format("two"))
        tab.wait_for_title("two")
        (root / "index.html").write_text(PAGE.format("three"))
        tab.wait_for_title("three")
        assert tab.evaluate("window.loads") is None, "the page's own script is still forbidden"


def test_a_page_of_bare_text_and_one_with_encoded_variants_are_loaded_anew(
    browser: webdriver.Chrome, server: ServerProcess, root: Path
) -> None:
    (root / "bare.html").write_text("one")
    tab = Tab(browser, server, "/bare.html")
    (root / "bare.html").write_text("two")
    tab.wait_for("document.body.textContent === 'two'")
    page = root / "zip.html"
    page.write_text(PAGE.format("one"))
    (root / "zip.html.gz").write_bytes(gzip.compress(page.read_bytes()))
    tab = Tab(browser, server, "/zip.html")
    (root / "zip.html.gz").unlink()
    page.write_text(PAGE.format("two"))
    (root / "zip.html.gz").write_bytes(gzip.compress(page.read_bytes()))
    tab.wait_for_title("two")


def test_a_page_outlives_its_server_and_hears_of_what_happened_meanwhile(browser: webdriver.Chrome, root: Path) -> None:
    with ServerProcess(["--live", str(root)]) as server:
        port = server.port
        tab = Tab(browser, server)
        tab.mark()
    with ServerProcess(["--live", "--port", str(port), str(root)]):
        (root / "style.css").write_text("h1 { color: green }")
        tab.wait_for_color(GREEN)
        assert tab.is_marked(), "nothing else has changed"
    (root / "index.html").write_text(PAGE.format("two"))
    with ServerProcess(["--live", "--port", str(port), str(root)]):
        tab.wait_for_title("two")


def test_a_page_whose_meta_policy_forbids_another_connection_says_so(browser: webdriver.Chrome, root: Path) -> None:
    policy = """<meta http-equiv="Content-Security-Policy" content="connect-src 'none'">"""
    (root / "index.html").write_text(PAGE.format("one").replace("<head>", f"<head>{policy}"))
    with ServerProcess(["--live", str(root)]) as server:
        port = server.port
        tab = Tab(browser, server)
        (root / "index.html").write_text(PAGE.format("two").replace("<head>", f"<head>{policy}"))
        tab.wait_for_title("two")
    with ServerProcess(["--live", "--port", str(port), str(root)]):
        notice = "document.querySelector('fastfile-notice')"
        tab.wait_for(f"{notice} && {notice}.shadowRoot.textContent.includes('forbids it to connect again')")


def test_a_page_that_comes_back_hears_of_what_happened_meanwhile(
    browser: webdriver.Chrome, server: ServerProcess, root: Path
) -> None:
    (root / "other.html").write_text(PAGE.format("other"))
    tab = Tab(browser, server)
    tab.browser.get(tab.origin + "/other.html")
    (root / "index.html").write_text(PAGE.format("two"))
    tab.browser.back()
    tab.wait_for_title("two")


def test_a_service_worker_of_another_project_is_ended(browser: webdriver.Chrome, root: Path) -> None:
    (root / "worker.js").write_text(WORKER)
    with ServerProcess([str(root)]) as server:
        port = server.port
        tab = Tab(browser, server)
        browser.execute_script("navigator.serviceWorker.register('/worker.js')")
        tab.wait_for("navigator.serviceWorker.controller !== null")
        browser.get(tab.origin)
        tab.wait_for_title("old")
    (root / "worker.js").unlink()
    with ServerProcess(["--live", "--port", str(port), str(root)]):
        browser.execute_script("navigator.serviceWorker.getRegistration().then((r) => r.update())")
        tab.wait_for_title("one")
        assert (
            browser.execute_async_script(
                "navigator.serviceWorker.getRegistrations().then((all) => arguments[0](all.length))"
            )
            == 0
        )


def test_files_without_live_are_as_they_are_and_fragments_too(
    browser: webdriver.Chrome, server: ServerProcess, root: Path
) -> None:
    tab = Tab(browser, server)
    fetched = "fetch('/index.html').then((response) => response.text()).then(arguments[0])"
    assert browser.execute_async_script(fetched) == PAGE.format("one")
    assert tab.evaluate("document.scripts[0].src").startswith(tab.origin + "/.fastfile/live.js?")  # type: ignore[attr-defined]
