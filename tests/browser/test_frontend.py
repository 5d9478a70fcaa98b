"""A real front end, built, large and by others: JupyterLite, from its wheel.

Every file is fetched over keep-alive from four workers; then Chromium opens the application.
"""

from __future__ import annotations

import contextlib
import importlib.util
import itertools
import os
import shutil
import signal
import tarfile
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest

pytest.importorskip("selenium", reason="selenium comes with the extra `test`")

from selenium import webdriver
from selenium.webdriver.support.wait import WebDriverWait
from support.checkout import CHECKOUT
from support.chromium import TIMEOUT_S, console_errors, failed_requests, open_browser
from support.rawclient import RawClient
from support.serverprocess import ServerProcess

# The extensions in the build, with the types of the IANA registry; written here, not taken from fastfile's table.
TYPES = {
    ".css": "text/css; charset=utf-8",
    ".eot": "application/vnd.ms-fontobject",
    ".html": "text/html; charset=utf-8",
    ".ico": "image/vnd.microsoft.icon",
    ".ipynb": "application/x-ipynb+json",
    ".js": "text/javascript; charset=utf-8",
    ".json": "application/json",
    ".map": "application/json",
    ".png": "image/png",
    ".svg": "image/svg+xml",
    ".ttf": "font/ttf",
    ".webmanifest": "application/manifest+json",
    ".woff": "font/woff",
    ".woff2": "font/woff2",
}
# `jupyter lite build` writes these beside the application; without them it works, but requests them and logs the 404s.
WRITTEN_BY_A_BUILD = {
    "build/schemas/all_federated.json": "[]",
    "api/translations/all.json": '{"data": {"en": {"displayName": "English", "nativeName": "English"}}, "message": ""}',
    "api/translations/en.json": '{"data": {}, "message": ""}',
}


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    spec = importlib.util.find_spec("jupyterlite_core")
    assert spec is not None, "jupyterlite-core is missing: pip install -e '.[test]'"
    assert spec.origin is not None
    (archive,) = Path(spec.origin).parent.glob("jupyterlite-app-*.tgz")
    folder = tmp_path_factory.mktemp("frontend")
    with tarfile.open(archive) as files:
        files.extractall(folder, filter="data")
    root = folder / "package"
    for name, text in WRITTEN_BY_A_BUILD.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    shutil.copy(root / "lab/favicon.ico", root / "favicon.ico")
    yield root
    shutil.rmtree(folder)  # 70 MB, which pytest would keep for three runs


@pytest.fixture(scope="module")
def server(site: Path) -> Iterator[ServerProcess]:
    with ServerProcess(["--workers", "4", str(site)]) as running:
        yield running


@pytest.fixture(scope="module")
def files(site: Path) -> list[Path]:
    found = [path for path in sorted(site.rglob("*")) if path.is_file()]
    assert len(found) > 700, "the front end is not the large one that this test is about"
    return found


def test_every_file_of_a_front_end_arrives_whole_with_its_type(
    server: ServerProcess, site: Path, files: list[Path]
) -> None:
    with contextlib.ExitStack() as stack:
        # Several connections in turn, because each stays with the worker that accepted it.
        clients = itertools.cycle([stack.enter_context(RawClient(server.connect())) for _ in range(12)])
        for path, client in zip(files, clients, strict=False):
            response = client.request("/" + quote(str(path.relative_to(site))))
            content = path.read_bytes()
            assert (response.status, response.body == content) == (200, True), path
            assert response.fields["content-length"] == str(len(content)), path
            assert response.fields["content-type"] == TYPES[path.suffix], path


def test_head_says_the_length_and_type_of_every_file(server: ServerProcess, site: Path, files: list[Path]) -> None:
    with RawClient(server.connect()) as client:
        for path in files:
            response = client.request("/" + quote(str(path.relative_to(site))), "HEAD")
            assert response.status == 200, path
            assert response.fields["content-length"] == str(path.stat().st_size), path
            assert response.fields["content-type"] == TYPES[path.suffix], path


def wait_for_etag(client: RawClient, target: str) -> str:
    """Return the ETag: a large file with the date of an archive gets one once it has rested for a moment."""
    deadline = time.monotonic() + TIMEOUT_S
    while (etag := client.request(target, "HEAD").fields.get("etag")) is None:
        assert time.monotonic() < deadline, f"{target} has no ETag"
        time.sleep(0.1)
    return etag


def test_every_file_is_revalidated_with_its_etag(server: ServerProcess, site: Path, files: list[Path]) -> None:
    with RawClient(server.connect()) as client:
        for path in files:
            target = "/" + quote(str(path.relative_to(site)))
            etag = wait_for_etag(client, target)
            assert client.request(target, "GET", f"If-None-Match: {etag}").status == 304, path


def test_the_death_of_any_worker_is_not_noticed_by_the_next_request(site: Path) -> None:
    with ServerProcess(["--workers", "4", str(site)]) as server:
        victims = server.wait_for_workers(4)
        for victim in victims:
            os.kill(victim, signal.SIGKILL)
            for _ in range(8):  # the kernel spreads these over all four sockets, the dead worker's too
                with RawClient(server.connect()) as client:
                    assert client.request("/index.html").status == 200
        assert not set(victims) & set(server.wait_for_workers(4))


@pytest.fixture
def browser(tmp_path: Path) -> Iterator[webdriver.Chrome]:
    with open_browser(tmp_path / "profile") as chrome:
        yield chrome


def test_a_browser_shows_the_front_end_without_a_failed_request(
    server: ServerProcess, browser: webdriver.Chrome
) -> None:
    origin = f"http://localhost:{server.port}/"
    browser.get(origin + "lab/index.html")
    WebDriverWait(browser, TIMEOUT_S).until(lambda page: page.find_elements("css selector", ".jp-LauncherCard"))
    cards = [card.text for card in browser.find_elements("css selector", ".jp-LauncherCard")]
    assert "Markdown File" in cards
    count, failed = failed_requests(browser, origin)
    assert not failed
    assert count > 50, "the application is made of more requests than these"
    assert console_errors(browser) == []


def test_a_browser_shows_the_example_site_and_loads_its_chunk(browser: webdriver.Chrome) -> None:
    example = CHECKOUT / "examples/site"
    with ServerProcess([str(example)]) as server:
        origin = f"http://localhost:{server.port}/"
        browser.get(origin)
        browser.find_element("css selector", "#measure").click()
        WebDriverWait(browser, TIMEOUT_S).until(
            lambda page: "A hashed chunk" in page.find_element("css selector", "#result").text
        )
        natural_widths = browser.execute_script("return [...document.images].map(image => image.naturalWidth)")
        assert all(natural_widths), "an image did not load"
        assert failed_requests(browser, origin)[1] == []
        assert console_errors(browser) == []
