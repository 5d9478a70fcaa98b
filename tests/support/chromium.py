"""A real browser for tests: Debian's Chromium, driven by selenium, with the records of its network and console."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

if TYPE_CHECKING:
    from selenium import webdriver

TIMEOUT_S = 60  # for Chromium and a page of 14 MB on a busy machine


class Exchange(NamedTuple):
    """A request of a page and its response, as the browser recorded it. Names of fields are in lower case."""

    url: str
    status: int  # as it came over the wire: 304 if a page is shown 200
    request_fields: dict[str, str]
    fields: dict[str, str]


class Load(NamedTuple):
    """How a page got a file: over the wire, with its status, or (None) from the browser's cache."""

    url: str
    status: int | None
    transferred: int  # bytes, the head's too


@contextlib.contextmanager
def open_browser(profile: Path, home: Path | None = None, flags: Sequence[str] = ()) -> Iterator[webdriver.Chrome]:
    """Start a headless Chromium with a separate profile; without Chromium, skip the test, or fail it if required.

    It trusts the CAs of the store in ``home``; ``flags`` are more of its arguments.
    """
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    driver = shutil.which("chromedriver")
    if not chromium or not driver:
        assert not os.environ.get("FASTFILE_REQUIRE_BROWSER"), "chromium and chromedriver are required here"
        pytest.skip("chromium or chromedriver is not installed")
    pytest.importorskip("selenium", reason="selenium comes with the extra `test`, and not with test-basics")
    from selenium import webdriver
    from selenium.webdriver.chrome.service import Service

    options = webdriver.ChromeOptions()
    options.binary_location = chromium
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    for flag in ("headless", "no-sandbox", "disable-gpu", "disable-quic", "no-first-run", "disable-dev-shm-usage"):
        options.add_argument(f"--{flag}")
    for flag in ("disable-background-networking", "disable-component-update", "disable-sync"):
        options.add_argument(f"--{flag}")
    options.add_argument(f"--user-data-dir={profile}")
    for flag in flags:
        options.add_argument(flag)
    environment = None if home is None else {**os.environ, "HOME": str(home)}
    chrome = webdriver.Chrome(options=options, service=Service(driver, env=environment))
    chrome.set_script_timeout(TIMEOUT_S)
    try:
        yield chrome
    finally:
        chrome.quit()


def network_events(browser: webdriver.Chrome) -> Iterator[tuple[str, dict[str, Any]]]:
    """Return name and details of what the network did since the last call."""
    for entry in browser.get_log("performance"):
        message = json.loads(entry["message"])["message"]
        if message["method"].startswith("Network."):
            yield message["method"], message["params"]


def failed_requests(browser: webdriver.Chrome, origin: str) -> tuple[int, list[str]]:
    """Return how many requests pages of this origin made, and those that failed or got no success."""
    urls: dict[str, str] = {}
    failed = []
    for event, details in network_events(browser):
        if event == "Network.requestWillBeSent" and details["documentURL"].startswith(origin):
            urls[details["requestId"]] = details["request"]["url"]
        elif details.get("requestId") not in urls:
            continue  # the browser's own pages
        elif event == "Network.responseReceived" and details["response"]["status"] >= 400:
            failed.append(f"{details['response']['status']} {urls[details['requestId']]}")
        elif event == "Network.loadingFailed":
            failed.append(f"{details['errorText']} {urls[details['requestId']]}")
    return len(urls), failed


def exchanges(browser: webdriver.Chrome, origin: str) -> list[Exchange]:
    """Return the requests and responses of this origin's pages over the wire, since the last call."""
    urls: dict[str, str] = {}
    sent: dict[str, dict[str, str]] = {}
    received: dict[str, tuple[int, dict[str, str]]] = {}
    for event, details in network_events(browser):
        request = details.get("requestId", "")
        if event == "Network.requestWillBeSent":
            urls[request] = details["request"]["url"]
        elif event == "Network.requestWillBeSentExtraInfo":
            sent[request] = lower_names(details["headers"])
        elif event == "Network.responseReceivedExtraInfo":
            received[request] = details["statusCode"], lower_names(details["headers"])
    return [
        Exchange(url.removeprefix(origin), received[request][0], sent.get(request, {}), received[request][1])
        for request, url in urls.items()
        if request in received and url.startswith(origin)
    ]


def loads(browser: webdriver.Chrome, origin: str) -> list[Load]:
    """Return the files that pages of this origin loaded there, and how, since the last call."""
    urls: dict[str, str] = {}
    statuses: dict[str, int] = {}
    sizes: dict[str, int] = {}
    cached = set()
    for event, details in network_events(browser):
        request = details.get("requestId", "")
        if event == "Network.requestWillBeSent":
            urls[request] = details["request"]["url"]
        elif event == "Network.requestServedFromCache":  # in memory
            cached.add(request)
        elif event == "Network.responseReceived":
            cached |= {request} if details["response"]["fromDiskCache"] else set()
        elif event == "Network.responseReceivedExtraInfo":
            statuses[request] = details["statusCode"]
        elif event in ("Network.dataReceived", "Network.loadingFinished"):
            sizes[request] = max(sizes.get(request, 0), details["encodedDataLength"])
    found = [(url.removeprefix(origin), request) for request, url in urls.items() if url.startswith(origin)]
    for url, request in found:
        assert (request in cached) != (request in statuses), f"{url}: neither, or both"
    return [Load(url, statuses.get(request), sizes.get(request, 0)) for url, request in found]


def lower_names(fields: dict[str, str]) -> dict[str, str]:
    return {name.lower(): value for name, value in fields.items()}


def console_errors(browser: webdriver.Chrome) -> list[str]:
    return [entry["message"] for entry in browser.get_log("browser") if entry["level"] == "SEVERE"]
