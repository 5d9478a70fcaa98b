"""What Chromium makes of the local CA, in a store of its own: trust before and after, and the limits of the CA."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from support.chromium import open_browser
from support.programs import require_program
from support.serverprocess import ServerProcess

pytest.importorskip("selenium", reason="selenium comes with the extra `test`, and not with test-basics")
pytest.importorskip("cryptography", reason="comes with the extra https")

from selenium import webdriver
from selenium.common.exceptions import WebDriverException

from fastfile.commands.cert.command import change, find_stores
from fastfile.commands.cert.stores import Machine
from fastfile.local_ca.authority import Authority
from fastfile.local_ca.leaf import make_leaf
from fastfile.local_ca.library import Library, find_authority, open_library
from fastfile.local_ca.names import parse_name

PAGE_TITLE = "<title>a page</title>"
PAGE = f"<!DOCTYPE html>{PAGE_TITLE}<link rel=icon href=data:,>"


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Library:
    return open_library({"HOME": str(tmp_path_factory.mktemp("home"))})


@pytest.fixture(scope="module")
def authority(library: Library) -> Authority:
    return find_authority(library, datetime.now(UTC))


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("site")
    (root / "index.html").write_text(PAGE)
    return root


@pytest.fixture(scope="module")
def server(site: Path, library: Library, authority: Authority) -> Iterator[ServerProcess]:
    environment = {"HOME": library.person.home, "XDG_DATA_HOME": "", "CAROOT": "", "SUDO_UID": ""}
    # Chromium takes no wildcard right below a top-level domain, so *.localhost is not enough for app.localhost.
    hosts = ["--allowed-host", "shop.test", "--allowed-host", "app.localhost"]
    with ServerProcess(["--https", *hosts, str(site)], env=environment) as running:
        yield running


def visit(browser: webdriver.Chrome, url: str) -> str:
    """Return the source of what is shown, or why nothing is: newer drivers raise where older ones show a warning."""
    try:
        browser.get(url)
    except WebDriverException as error:
        return str(error)
    return str(browser.page_source)


def test_chromium_trusts_the_ca_once_it_is_installed_and_nothing_beyond_its_limits(
    library: Library, authority: Authority, server: ServerProcess, site: Path, tmp_path: Path
) -> None:
    require_program("certutil")
    home = Path(library.person.home)
    with open_browser(tmp_path / "before", home) as browser:
        assert "ERR_CERT_AUTHORITY_INVALID" in visit(browser, f"https://localhost:{server.port}/")
    outcomes = change(find_stores(Machine(library.person), ["chromium"]), authority.path, authority.pem)
    assert [outcome.word for outcome in outcomes] == ["added"]
    certificate, key = make_leaf(authority, [parse_name("www.example.com")], datetime.now(UTC))
    path = tmp_path / "leaf.pem"
    path.write_bytes(certificate + key)
    path.chmod(0o600)
    arguments = ["--tls-cert", str(path), "--tls-key", str(path), "--allowed-host", "www.example.com", str(site)]
    rules = "--host-resolver-rules=MAP www.example.com 127.0.0.1, MAP shop.test 127.0.0.1"
    with open_browser(tmp_path / "after", home, [rules]) as browser, ServerProcess(arguments) as foreign:
        for host in ("localhost", "127.0.0.1", "[::1]", "shop.test", "app.localhost"):
            assert PAGE_TITLE in visit(browser, f"https://{host}:{server.port}/"), host
            assert browser.execute_script("return window.isSecureContext")
            protocol = browser.execute_script("return performance.getEntriesByType('navigation')[0].nextHopProtocol")
            assert protocol == "h2"
        shown = visit(browser, f"https://www.example.com:{foreign.port}/")
        assert "ERR_CERT_" in shown
        assert PAGE_TITLE not in shown
