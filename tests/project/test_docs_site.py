"""The site that `make docs` builds, served by fastfile: its links work, and a browser reports no error."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urljoin, urlsplit

import pytest
from support.checkout import CHECKOUT
from support.chromium import open_browser
from support.rawclient import RawClient
from support.serverprocess import ServerProcess

BUILD_S = 120
# A word that a user types into the search, and the page that has to be the first that is found.
WORDS = {
    "https": "https/",
    "certificate": "https/",
    "phone": "howto/phone/",
    "qr": "howto/phone/",
    "live reload": "dev/",
    "api": "dev/",
    "spa": "howto/spa/",
    "404": "howto/not-found/",
    "redirect": "howto/redirect/",
    "header": "howto/header/",
    "cors": "howto/cors/",
    "cache": "howto/cache/",
    "compress": "compression/",
    "brotli": "compression/",
    "password": "auth/",
    "ci": "howto/ci/",
    "playwright": "scripts/",
    "pytest": "pytest/",
    "django": "howto/django/",
    "flask": "asgi/",
    "fastapi": "asgi/",
    "docker": "docker/",
    "nginx": "howto/nginx/",
    "caddy": "howto/nginx/",
    "proxy": "howto/nginx/",
    "systemd": "deploy/",
    "kubernetes": "deploy/",
    "netlify": "hosts/",
    "whitenoise": "migration/",
    "prometheus": "metrics/",
    "grafana": "metrics/",
    "exit": "exit-codes/",
    "rollback": "releases/",
    "zip": "listing/",
    "s3": "replicas/",
    "releases": "replicas/",
}
SEARCH = """
const [words, done] = arguments, found = {}, left = [...words];
const worker = new Worker("search/worker.js");
worker.onmessage = ({ data }) => {
  if (data.results) found[left.shift()] = data.results.map(result => result.location);
  if (data.allowSearch || data.results) left.length ? worker.postMessage({ query: left[0] }) : done(found);
};
worker.postMessage({ init: true });
"""
LINKS = {"a": "href", "link": "href", "script": "src", "img": "src"}


class Page(HTMLParser):
    """The links of a page, and its anchors."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.links: list[str] = []
        self.places: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        values = dict(attributes)
        self.places.add(values.get("id") or "")
        link = values.get(LINKS.get(tag, ""))
        if link:
            self.links.append(link)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory):
    if importlib.util.find_spec("properdocs") is None:
        assert not os.environ.get("CI"), "the extra docs is required here"
        pytest.skip("properdocs is not installed")
    folder = tmp_path_factory.mktemp("docs") / "site"
    command = [sys.executable, "-m", "properdocs", "build", "--strict", "--site-dir", str(folder)]
    done = subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True, timeout=BUILD_S, check=False)
    assert done.returncode == 0, done.stderr
    with ServerProcess([str(folder)]) as server:
        yield server


def test_every_link_of_the_site_leads_somewhere(site: ServerProcess) -> None:
    origin = "http://localhost"
    pages: dict[str, Page | None] = {}
    wanted = [("/", "")]
    asked: set[tuple[str, str]] = set()
    with RawClient(site.connect()) as client:
        while wanted:
            path, place = wanted.pop()
            if path not in pages:
                response = client.request(path)
                assert response.status == 200, path
                is_page = response.fields["content-type"].startswith("text/html")
                pages[path] = page = Page(response.body.decode()) if is_page else None
                for link in page.links if page else ():
                    parts = urlsplit(urljoin(origin + path, link))
                    target = (parts.path, unquote(parts.fragment))
                    if parts.netloc == "localhost" and target not in asked:
                        asked.add(target)
                        wanted.append(target)
            page = pages[path]
            assert not place or (page is not None and place in page.places), f"{path} has no place {place}"
    shown = {path for path, page in pages.items() if page}
    for name in ("options", "behaviour", "migration", "reliability", "security", "architecture", "pages", "hosts"):
        assert f"/{name}/" in shown


def test_a_search_for_an_obvious_word_finds_its_page_first(site: ServerProcess, tmp_path: Path) -> None:
    with open_browser(tmp_path) as browser:
        browser.set_script_timeout(BUILD_S)
        browser.get(f"http://127.0.0.1:{site.port}/")
        found = browser.execute_async_script(SEARCH, list(WORDS))
    pages = {word: [location.partition("#")[0] for location in locations] for word, locations in found.items()}
    assert {word: pages[word][:3] for word, page in WORDS.items() if pages[word][:1] != [page]} == {}


def test_a_browser_has_no_complaint(site: ServerProcess, tmp_path: Path) -> None:
    with open_browser(tmp_path) as browser:
        for path in ("/", "/options/", "/hosts/"):
            browser.get(f"http://127.0.0.1:{site.port}{path}")
            assert browser.title.endswith("fastfile")
        hosts = {
            urlsplit(url).netloc
            for url in browser.execute_script(
                "return performance.getEntries().map(entry => entry.name).filter(name => name.startsWith('http'))"
            )
        }
        assert hosts == {f"127.0.0.1:{site.port}"}, "a page asks nobody else"
        assert [entry for entry in browser.get_log("browser") if entry["level"] in ("SEVERE", "WARNING")] == []
