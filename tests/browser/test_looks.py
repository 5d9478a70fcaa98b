"""The pages that fastfile makes, in a browser: accessible (by axe-core), light and dark, wide and on a phone."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("selenium", reason="selenium comes with the extra `test`")

from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.wait import WebDriverWait
from support.chromium import TIMEOUT_S, open_browser
from support.languages import LANGUAGES, NAMES, RIGHT_TO_LEFT
from support.serverprocess import ServerProcess, clean_environment

from fastfile.site.pages import HTML, make_error_page

OWN_PAGE = """<!DOCTYPE html><html lang=en><meta name=viewport content="width=device-width"><title>A page</title>
<style>* { font: 30px serif !important; color: #222 } button { display: none !important }</style>
<main><h1>A page</h1></main>"""
VIEWS = [(scheme, width) for scheme in ("light", "dark") for width in (1100, 360)]
README = "# One\n\nText, `code`, **bold** and *more*.\n\n## Two\n\n> quoted\n\n- item\n\n```\ncode\n```\n"
ERRORS = {
    500: "The file could not be read.",
    502: "http://localhost:3000 cannot be reached: connection refused.",
}
HINT = "This looks like a route of a single-page app:\nstart fastfile with --spa."
AXE = """
const [options, done] = arguments;
axe.run(document, options).then(found => done(found.violations.flatMap(violation =>
  violation.nodes.map(node => `${violation.id}: ${node.target} ${node.failureSummary}`))));
"""
# The server and the target of each page.
PAGES = {
    "a listing": ("plain", "/names/"),
    "an empty listing": ("plain", "/empty/"),
    "404": ("plain", "/missing"),
    "404 with a hint": ("plain", "/errors/404.html"),
    **{str(status): ("plain", f"/errors/{status}.html") for status in ERRORS},
    "plain HTTP on a port for TLS": ("tls", "/a"),
    "the page of the CA": ("tls", "/.well-known/fastfile-ca"),
    "a notice of --live": ("live", "/page.html"),
}
Servers = dict[str, ServerProcess]


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Servers]:
    root = tmp_path_factory.mktemp("looks")
    for name in ("names/folder", "empty", "errors"):
        (root / name).mkdir(parents=True)
    for name in NAMES:
        (root / "names" / name).write_bytes(b"x")
    (root / "names" / "README.md").write_text(README)
    (root / "errors" / "404.html").write_bytes(make_error_page(404, "There is nothing at this URL.", HTML, HINT))
    for status, detail in ERRORS.items():
        (root / "errors" / f"{status}.html").write_bytes(make_error_page(status, detail, HTML))
    (root / "page.html").write_text(OWN_PAGE)
    home = clean_environment() | {"HOME": str(tmp_path_factory.mktemp("home"))}
    home.pop("XDG_DATA_HOME", None)
    with (
        ServerProcess([str(root)]) as plain,
        ServerProcess(["--https", "--host", str(root)], env=home) as tls,
        ServerProcess(["--live", "--run", "echo 'src/app.js: 1 error'; exit 1", str(root)]) as live,
    ):
        yield {"plain": plain, "tls": tls, "live": live}


@pytest.fixture(scope="module")
def chrome(tmp_path_factory: pytest.TempPathFactory) -> Iterator[webdriver.Chrome]:
    flags = ("--ignore-certificate-errors",)
    with open_browser(tmp_path_factory.mktemp("profile"), flags=flags) as browser:
        yield browser


@pytest.fixture(scope="module")
def axe() -> str:
    """The source of axe-core."""
    package = importlib.util.find_spec("selenium_axe_python")
    assert package is not None, "selenium-axe-python comes with the extra `test`"
    assert package.origin is not None
    return (Path(package.origin).parent / "axe-core" / "axe.min.js").read_text()


def show(chrome: webdriver.Chrome, servers: Servers, name: str, scheme: str = "light", width: int = 1100) -> None:
    server, target = PAGES[name]
    protocol = "https" if "CA" in name else "http"
    features = [{"name": "prefers-color-scheme", "value": scheme}]
    chrome.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})
    metrics = {"width": width, "height": 740, "deviceScaleFactor": 1, "mobile": width < 500}
    chrome.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    chrome.get(f"{protocol}://localhost:{servers[server].port}{target}")


def wait_for_notice(chrome: webdriver.Chrome) -> None:
    shown = "return document.querySelector('fastfile-notice')?.shadowRoot.textContent.includes('1 error')"
    WebDriverWait(chrome, TIMEOUT_S).until(lambda chrome: chrome.execute_script(shown))


@pytest.mark.parametrize("name", PAGES)
def test_a_page_is_accessible_and_fits(chrome: webdriver.Chrome, servers: Servers, axe: str, name: str) -> None:
    for scheme, width in VIEWS:
        show(chrome, servers, name, scheme, width)
        if "notice" in name:
            wait_for_notice(chrome)
        chrome.execute_script(axe)
        assert chrome.execute_async_script(AXE, {"resultTypes": ["violations"]}) == [], (scheme, width)
        back = chrome.execute_script("return getComputedStyle(document.body).backgroundColor")
        assert "notice" in name or (back == "rgb(255, 255, 255)") == (scheme == "light")
        overflow = chrome.execute_script(
            "const { scrollWidth, clientWidth } = document.documentElement; return scrollWidth - clientWidth"
        )
        assert overflow == 0, "it does not scroll sideways"


def test_a_name_has_the_direction_of_its_first_letter(chrome: webdriver.Chrome, servers: Servers) -> None:
    show(chrome, servers, "a listing")
    edges = chrome.execute_script("""
        const edge = (text, index) => {
          const range = document.createRange();
          range.setStart(text, index);
          range.setEnd(text, index + 1);
          return range.getBoundingClientRect().left;
        };
        return [...document.querySelectorAll("td a")].map(({ firstChild: text }) =>
          [text.data, edge(text, 0), edge(text, text.length - 1)]);
    """)
    shown = {name: last < first for name, first, last in edges}
    for language, name in LANGUAGES.items():
        assert shown[name] == (language in RIGHT_TO_LEFT), name
    lefts = chrome.execute_script("return [...document.querySelectorAll('td a')].map(a => a.offsetLeft)")
    assert len(set(lefts)) == 1, "all names begin in one column"


def test_the_filter_finds_names_without_accents_in_either_form(chrome: webdriver.Chrome, servers: Servers) -> None:
    show(chrome, servers, "a listing")
    box = chrome.find_element(By.CSS_SELECTOR, "input[type=search]")
    for typed, expected in (
        ("caf\u00e9", "cafe\u0301.txt"),
        ("tieng viet", LANGUAGES["vi"]),
        ("ete a", LANGUAGES["fr"]),
    ):
        box.clear()
        box.send_keys(typed)
        rows = chrome.find_elements(By.CSS_SELECTOR, "tbody tr:not([hidden]) a:not(.u)")
        assert [row.text for row in rows] == [expected]


def test_a_notice_closes_by_keyboard(chrome: webdriver.Chrome, servers: Servers) -> None:
    show(chrome, servers, "a notice of --live", "dark")
    wait_for_notice(chrome)
    chrome.switch_to.active_element.send_keys(Keys.TAB)
    chrome.switch_to.active_element.send_keys(Keys.ESCAPE)
    assert chrome.execute_script("return document.querySelector('fastfile-notice')") is None
