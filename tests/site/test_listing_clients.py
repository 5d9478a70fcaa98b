"""Listings in other programs: mirrors, mounts and file systems that look for links in the page."""

from __future__ import annotations

import html
import os
import re
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote

import pytest
from support.pagereader import Page
from support.programs import require_program
from support.rawclient import RawClient
from support.serverprocess import TIMEOUT_S, ServerProcess

FILES = {
    "README.md": "# A [link](https://elsewhere.example/x)\n",
    "a&b;c.txt": "1",
    "time 12:30.txt": "2",
    "50% off?.txt": "3",
    "sub/é.txt": "4",
    "sub/deep/file.bin": "5",
}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    root = tmp_path_factory.mktemp("mirrored")
    for name, content in FILES.items():
        path = root / "tree" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    with ServerProcess([str(root)]) as running:
        yield running


def page_of(server: ServerProcess, target: str) -> str:
    with RawClient(server.connect()) as client:
        return client.request(target, "GET", "Accept: text/html").body.decode()


def test_wget_mirrors_the_files_and_one_page_for_each_folder(server: ServerProcess, tmp_path: Path) -> None:
    """No zip and no order of the columns: those are behind buttons."""
    wget = require_program("wget")
    command = [wget, "--recursive", "--no-parent", "--no-host-directories", "--no-verbose", "--no-config"]
    url = f"http://localhost:{server.port}/tree/"
    environment = {"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8"}
    result = subprocess.run([*command, url], cwd=tmp_path, env=environment, capture_output=True, check=False)
    assert result.returncode in (0, 8), result.stderr  # 8: there is no robots.txt
    fetched = {str(path.relative_to(tmp_path)): path for path in tmp_path.rglob("*") if path.is_file()}
    pages = {"tree/index.html", "tree/sub/index.html", "tree/sub/deep/index.html"}
    assert set(fetched) == pages | {f"tree/{name}" for name in FILES}
    for name, content in FILES.items():
        assert fetched[f"tree/{name}"].read_text() == content


# Copies of the patterns of programs that are too large for the tests, or that need a screen.
FSSPEC = re.compile(r"""<(a|A)\s+(?:[^>]*?\s+)?(href|HREF)=["'](?P<url>[^"']+)""")  # HTTPFileSystem 2025.9
KODI = re.compile(r'<a href="([^"]*)"[^>]*>\s*(.*?)\s*</a>(.+?)(?=<a|</tr|$)', re.DOTALL)  # CHTTPDirectory, Kodi 21


def test_pip_takes_a_listed_folder_for_an_index(tmp_path: Path) -> None:
    pytest.importorskip("pip")
    folder = tmp_path / "index"
    wheel = folder / "simple" / "demo" / "demo-1.0-py3-none-any.whl"
    wheel.parent.mkdir(parents=True)
    metadata = "Metadata-Version: 2.1\nName: demo\nVersion: 1.0\n"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr("demo.py", "")
        archive.writestr("demo-1.0.dist-info/METADATA", metadata)
        archive.writestr("demo-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr("demo-1.0.dist-info/RECORD", "")
    with ServerProcess([str(folder)]) as registry:
        index = f"http://localhost:{registry.port}/simple/"
        options = ["--isolated", "download", "--no-deps", "--no-cache-dir", "--disable-pip-version-check"]
        command = [sys.executable, "-m", "pip", *options, "--index-url", index, "--dest", str(tmp_path / "got"), "demo"]
        subprocess.run(command, check=True, capture_output=True, timeout=TIMEOUT_S, env={"PATH": os.environ["PATH"]})
    assert (tmp_path / "got" / wheel.name).read_bytes() == wheel.read_bytes()


def test_fsspec_finds_the_entries_and_nothing_else(server: ServerProcess) -> None:
    links = [match["url"] for match in FSSPEC.finditer(page_of(server, "/tree/"))]
    entries = [link for link in links if link not in ("..", "../")]  # it leaves these out
    assert sorted(map(unquote, entries)) == sorted([*(name for name in FILES if "/" not in name), "sub/"])
    nested = [match["url"] for match in FSSPEC.finditer(page_of(server, "/tree/sub/"))]
    assert sorted(map(unquote, nested)) == ["../", "deep/", "é.txt"]


def test_kodi_finds_the_entries_by_links_that_are_their_names(server: ServerProcess) -> None:
    found = [(unquote(link), html.unescape(text)) for link, text, _ in KODI.findall(page_of(server, "/tree/"))]
    assert sorted(link for link, text in found if link == text and link != "../") == sorted(
        [*(name for name in FILES if "/" not in name), "sub/"]
    )


def test_httpdirfs_finds_the_entries_since_no_link_begins_with_a_dot_or_has_a_query(server: ServerProcess) -> None:
    """It takes the links of all elements, but for those with a slash, a dot and a slash, or a query (link.c)."""
    links = [href for href, _ in Page(page_of(server, "/tree/sub/").encode()).links]
    assert not [href for href in links if href.startswith("./") or "?" in href]
    assert sorted(unquote(href) for href in links if not href.startswith(("/", "../"))) == ["deep/", "é.txt"]
