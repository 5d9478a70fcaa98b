"""The listing in a browser: its filter, its keys, its local time, and its policy."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("selenium", reason="selenium comes with the extra `test`")

from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.wait import WebDriverWait
from support.chromium import TIMEOUT_S, console_errors, failed_requests
from support.serverprocess import ServerProcess

NAMES = ["app.js", "photo 2.jpg", "photo 10.jpg", "Photo 1.JPG", "notes.txt", "<b>bold.html", "README.md"]
MTIME = 1_700_000_000  # 2023-11-14 22:13:20 UTC: the next day in Tokyo
TOKYO = "2023-11-15 07:13"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    root = tmp_path_factory.mktemp("listed")
    folder = root / "files"
    (folder / "photos of sub").mkdir(parents=True)
    for size, name in enumerate(NAMES):
        (folder / name).write_bytes(b"x" * size)
        os.utime(folder / name, (MTIME, MTIME))
    with ServerProcess([str(root)]) as running:
        yield running


@pytest.fixture(scope="module")
def chrome(chrome: webdriver.Chrome) -> webdriver.Chrome:
    chrome.execute_cdp_cmd("Emulation.setTimezoneOverride", {"timezoneId": "Asia/Tokyo"})
    return chrome


@pytest.fixture
def page(chrome: webdriver.Chrome, server: ServerProcess) -> webdriver.Chrome:
    """The browser with the listing of /files/ open, and nothing on its console."""
    chrome.get(f"http://localhost:{server.port}/files/")
    console_errors(chrome)
    return chrome


def shown(page: webdriver.Chrome) -> list[str]:
    rows = page.find_elements(By.CSS_SELECTOR, "tbody tr:not([hidden]) a:not(.u)")
    return [row.text for row in rows]


def button(page: webdriver.Chrome, text: str) -> WebElement:
    return page.find_element(By.XPATH, f"//button[starts-with(., '{text}')]")


def press(page: webdriver.Chrome, *keys: str) -> None:
    page.switch_to.active_element.send_keys(*keys)


def wait_for_path(page: webdriver.Chrome, path: str) -> None:
    WebDriverWait(page, TIMEOUT_S).until(lambda page: page.current_url.endswith(path))


def test_the_policy_refuses_nothing_that_the_page_wants(page: webdriver.Chrome, server: ServerProcess) -> None:
    origin = f"http://localhost:{server.port}"
    failed_requests(page, origin)
    page.get(f"{origin}/files/?sort=size")
    assert [error for error in console_errors(page) if "favicon" not in error] == []
    colour = page.execute_script("return getComputedStyle(document.querySelector('.d'), '::before').backgroundColor")
    assert colour == "rgb(181, 122, 10)"  # the style holds
    count, failed = failed_requests(page, origin)
    assert [failure for failure in failed if "favicon" not in failure] == []
    assert count <= 2  # the page, and the browser's favicon request


def test_the_columns_sort(page: webdriver.Chrome) -> None:
    button(page, "Size").click()
    wait_for_path(page, "/files/?sort=size&order=desc")
    assert shown(page) == ["photos of sub/", *reversed(NAMES)]
    assert page.find_element(By.CSS_SELECTOR, "th[aria-sort=descending]").text.startswith("Size")
    button(page, "Size").click()
    wait_for_path(page, "/files/?sort=size&order=asc")
    assert shown(page) == ["photos of sub/", *NAMES]


def test_the_columns_sort_by_keyboard(page: webdriver.Chrome) -> None:
    page.execute_script("document.querySelectorAll('th button')[0].focus()")
    press(page, Keys.TAB)
    assert page.switch_to.active_element.text == "Size"
    press(page, Keys.ENTER)
    wait_for_path(page, "/files/?sort=size&order=desc")


def test_times_are_those_of_the_reader(page: webdriver.Chrome) -> None:
    time = page.find_element(By.CSS_SELECTOR, "tbody tr:last-child time")
    assert (time.text, time.get_attribute("dateTime")) == (TOKYO, "2023-11-14 22:13Z")
    head = page.find_element(By.CSS_SELECTOR, "th:last-child")
    assert (head.text, head.get_attribute("title")) == ("Modified", "Asia/Tokyo")


def test_typing_filters_the_rows(page: webdriver.Chrome) -> None:
    press(page, "/")
    press(page, "PHOTO jpg")
    assert shown(page) == ["Photo 1.JPG", "photo 2.jpg", "photo 10.jpg"]
    assert page.find_element(By.CSS_SELECTOR, "[role=status]").text == "3 of 8 shown"
    press(page, " <b>")
    assert shown(page) == []
    press(page, Keys.ESCAPE)
    assert len(shown(page)) == len(NAMES) + 1
    assert page.find_element(By.CSS_SELECTOR, "[role=status]").text == "1 folder, 7 files, 21 B"
    assert page.switch_to.active_element.tag_name == "body"


def test_keys_choose_and_open_what_is_shown(page: webdriver.Chrome) -> None:
    press(page, "/")
    press(page, "photo")
    press(page, Keys.ARROW_DOWN)
    assert page.switch_to.active_element.text == "photos of sub/"
    press(page, Keys.ARROW_DOWN)
    assert page.switch_to.active_element.text == "Photo 1.JPG"
    press(page, Keys.ARROW_UP)
    press(page, Keys.ARROW_UP)
    assert page.switch_to.active_element.text == "../"
    press(page, Keys.ARROW_DOWN)
    press(page, Keys.ENTER)
    wait_for_path(page, "/files/photos%20of%20sub/")


def test_enter_in_the_filter_opens_the_first_that_is_shown(page: webdriver.Chrome) -> None:
    press(page, "/")
    press(page, "sub", Keys.ENTER)
    wait_for_path(page, "/files/photos%20of%20sub/")


@pytest.mark.parametrize("keys", [(Keys.BACKSPACE,), (Keys.ALT + Keys.ARROW_UP,)], ids=["Backspace", "Alt+Up"])
def test_keys_lead_up(page: webdriver.Chrome, server: ServerProcess, keys: tuple[str, ...]) -> None:
    press(page, *keys)
    WebDriverWait(page, TIMEOUT_S).until(lambda page: page.current_url == f"http://localhost:{server.port}/")
    press(page, *keys)  # there is nothing above
    assert page.current_url == f"http://localhost:{server.port}/"


def test_backspace_in_the_filter_deletes(page: webdriver.Chrome) -> None:
    press(page, "/")
    press(page, "js", Keys.BACKSPACE)
    assert page.find_element(By.TAG_NAME, "input").get_attribute("value") == "j"


def test_the_page_fits_a_phone(page: webdriver.Chrome) -> None:
    phone = {"width": 360, "height": 740, "deviceScaleFactor": 2, "mobile": True}
    page.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", phone)
    try:
        page.refresh()
        width = page.execute_script("return [document.documentElement.scrollWidth, innerWidth]")
        date = page.find_element(By.CSS_SELECTOR, "tbody tr:last-child time")
        assert (date.is_displayed(), date.text) == (True, TOKYO)
        crumb = page.execute_script("const a = document.querySelector('h1 a'); return [a.offsetWidth, a.offsetHeight]")
        assert min(crumb) >= 40
        rows = page.execute_script("return [...document.querySelectorAll('tbody tr')].map(row => row.offsetHeight)")
    finally:
        page.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
    assert width == [360, 360]
    assert min(rows) >= 40  # a finger's width


def test_all_but_the_filter_is_there_without_script(chrome: webdriver.Chrome, server: ServerProcess) -> None:
    chrome.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": True})
    try:
        chrome.get(f"http://localhost:{server.port}/files/")
        assert len(shown(chrome)) == len(NAMES) + 1
        assert chrome.find_elements(By.CSS_SELECTOR, "input[type=search]") == []
        assert chrome.find_element(By.CSS_SELECTOR, "th:last-child").text == "Modified (UTC)"
        assert chrome.find_element(By.CSS_SELECTOR, "tbody tr:last-child time").text == "2023-11-14 22:13Z"
        button(chrome, "Size").click()
        wait_for_path(chrome, "/files/?sort=size&order=desc")
        assert shown(chrome)[1] == NAMES[-1]
    finally:
        chrome.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": False})


def test_the_zip_is_downloaded_under_its_name(page: webdriver.Chrome, tmp_path: Path) -> None:
    page.execute_cdp_cmd("Browser.setDownloadBehavior", {"behavior": "allow", "downloadPath": str(tmp_path)})
    button(page, "Download as zip").click()
    WebDriverWait(page, TIMEOUT_S).until(lambda page: (tmp_path / "files.zip").exists())
