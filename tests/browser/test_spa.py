"""A single-page app in a browser: deep routes, a missing chunk, and a new build under the browser's cache.

There are two builds by Vite (tests/data/spa/README.md); the second has another chunk and another entry script.
Assertions use the page and the browser's network records.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("selenium", reason="selenium comes with the extra `test`")

from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.support.wait import WebDriverWait
from support.checkout import DATA
from support.chromium import TIMEOUT_S, Load, console_errors, exchanges, loads
from support.serverprocess import ServerProcess

BUILDS = DATA / "spa"
ROUTE = "search/192.168.1.0"  # a dot does not make it a file
NAMES = {build: {path.name for path in (BUILDS / build / "assets").iterdir()} for build in ("v1", "v2")}
UNCHANGED = {f"assets/{name}" for name in NAMES["v1"] & NAMES["v2"]}

SHOWN = """
const loaded = document.readyState == 'complete' && [...document.images].every(image => image.complete)
return loaded && document.documentElement.dataset.shown
"""


class App:
    """A folder with a build, its server, and a browser with an empty cache."""

    def __init__(self, folder: Path, origin: str, browser: webdriver.Chrome) -> None:
        self._folder = folder
        self.origin = origin
        self.browser = browser

    def build(self, version: str) -> None:
        """Empty the folder and write a build into it, as tools do: all files are new, whatever their names."""
        for path in self._folder.iterdir():
            shutil.rmtree(path) if path.is_dir() else path.unlink()
        shutil.copytree(BUILDS / version, self._folder, dirs_exist_ok=True, copy_function=shutil.copyfile)

    def go(self, route: str) -> dict[str, Load]:
        """Open a URL as a user types it, and return what it loaded, by URL."""
        self.browser.get(self.origin + route)
        return self.wait_until_shown(route)

    def reload(self, route: str) -> dict[str, Load]:
        self.browser.refresh()
        return self.wait_until_shown(route)

    def follow(self, label: str, route: str) -> dict[str, Load]:
        """Click a link of the app, which goes there without a navigation."""
        self.browser.find_element(By.LINK_TEXT, label).click()
        return self.wait_until_shown(route)

    def wait_until_shown(self, route: str) -> dict[str, Load]:
        WebDriverWait(self.browser, TIMEOUT_S).until(lambda page: page.execute_script(SHOWN) == f"/{route}")
        return {load.url: load for load in loads(self.browser, self.origin)}

    @property
    def text(self) -> str:
        return self.browser.find_element(By.ID, "page").text

    def colour(self, selector: str) -> str:
        element = self.browser.find_element(By.CSS_SELECTOR, selector)
        return element.value_of_css_property("color")


@pytest.fixture
def app(chrome: webdriver.Chrome, tmp_path: Path) -> Iterator[App]:
    folder = tmp_path / "dist"
    folder.mkdir()
    with ServerProcess(["--spa", str(folder)]) as server:
        app = App(folder, f"http://localhost:{server.port}/", chrome)
        app.build("v1")
        chrome.execute_cdp_cmd("Network.clearBrowserCache", {})
        console_errors(chrome)
        loads(chrome, app.origin)
        yield app


def over_the_wire(found: dict[str, Load]) -> dict[str, int]:
    return {url: load.status for url, load in found.items() if load.status is not None}


def from_cache(found: dict[str, Load]) -> set[str]:
    return {url for url, load in found.items() if load.status is None}


def chunk(build: str) -> str:
    (name,) = [name for name in NAMES[build] if name.startswith("search-") and name.endswith(".js")]
    return f"assets/{name}"


def test_the_two_builds_share_what_did_not_change() -> None:
    assert {name.split("-")[0] for name in NAMES["v1"] - NAMES["v2"]} == {"index", "search"}
    assert len(UNCHANGED) == 4


def test_a_deep_route_is_opened_and_reloaded(app: App) -> None:
    found = app.go(ROUTE)
    assert app.text == "Search, first version: 192.168.1.0"
    assert over_the_wire(found) == dict.fromkeys([ROUTE, *(f"assets/{name}" for name in NAMES["v1"])], 200)
    found = app.reload(ROUTE)
    assert app.text == "Search, first version: 192.168.1.0"
    assert over_the_wire(found) == {ROUTE: 304}
    assert (app.colour("body"), app.colour(".search")) == ("rgba(1, 2, 3, 1)", "rgba(4, 5, 6, 1)")
    assert console_errors(app.browser) == []


def test_a_reload_transfers_nothing_but_the_head_of_a_304(app: App) -> None:
    app.go(ROUTE)
    found = app.reload(ROUTE)
    assert from_cache(found) == {f"assets/{name}" for name in NAMES["v1"]}
    assert sum(found[url].transferred for url in from_cache(found)) == 0
    assert found[ROUTE].transferred < 500


def test_a_route_is_loaded_when_the_user_opens_it(app: App) -> None:
    found = app.go("")
    assert app.text == "Home"
    assert chunk("v1") not in found
    found = app.follow("Search", "search/a.b")
    assert over_the_wire(found)[chunk("v1")] == 200
    assert app.text == "Search, first version: a.b"
    app.browser.back()
    app.wait_until_shown("")
    assert app.text == "Home"


def test_a_chunk_of_the_build_before_is_404_and_no_page(app: App) -> None:
    app.go("")
    app.build("v2")
    app.browser.find_element(By.LINK_TEXT, "Search").click()
    WebDriverWait(app.browser, TIMEOUT_S).until(lambda _: app.text != "Home")
    assert app.text == "This part could not be loaded"
    asked = [found for found in exchanges(app.browser, app.origin) if found.url == chunk("v1")]
    assert asked
    for exchange in asked:  # Vite preloads it before it imports it
        assert (exchange.status, exchange.fields["cache-control"]) == (404, "no-store")
        assert exchange.request_fields["sec-fetch-mode"] == "cors"
    app.reload("search/a.b")
    assert app.text == "Search, second version: a.b"


def test_a_new_build_is_seen_at_once_and_only_what_changed_is_transferred(app: App) -> None:
    app.go(ROUTE)
    app.build("v2")
    for go in (app.go, app.reload):
        found = go(ROUTE)
        assert app.text == "Search, second version: 192.168.1.0"
        assert from_cache(found) >= UNCHANGED
        assert sum(found[url].transferred for url in UNCHANGED) == 0
        if go == app.go:
            changed = {f"assets/{name}" for name in NAMES["v2"]} - UNCHANGED
            assert over_the_wire(found) == dict.fromkeys([ROUTE, *changed], 200)
    # One of the two changed files is search-CaVPsU-H.js, which no rule recognises as a hash: it is requested again.
    assert over_the_wire(found) == {ROUTE: 304, chunk("v2"): 304}


def test_going_back_to_the_build_before_is_seen_at_once_too(app: App) -> None:
    app.go(ROUTE)
    app.build("v2")
    app.go(ROUTE)
    app.build("v1")
    found = app.go(ROUTE)
    assert app.text == "Search, first version: 192.168.1.0"
    assert over_the_wire(found) == {ROUTE: 200}, "the first build's files were in the cache"
