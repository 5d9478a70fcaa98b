"""Which files of a release are carried into the next one, and for how long."""

from __future__ import annotations

import pytest
from support.published import make_manifest

from fastfile.releases.carry import carry
from fastfile.releases.manifest import ManifestFile

NOW_S = 1_800_000_000
KEEP_S = 1000


def carried(path: bytes, beside: list[bytes], until_s: int | None = None, keep_s: int = KEEP_S) -> int | None:
    """Return until when a path of the current release is carried beside the files of a build; None if it is not."""
    current = make_manifest(0, None, [ManifestFile(path, "a" * 64, 1, 0, until_s)], {})
    files = carry(current, beside, NOW_S, keep_s)
    return files[0].carried_until_s if files else None


ASSETS = [
    *(b"assets/app-B1c2D3e4.js", b"assets/app-B1c2D3e4.js.br", b"app.css", b"logo.svg", b"font.woff2", b"data.json"),
    *(b"_next/data/build/about.json", b"app.js.map", b"module.wasm", b"site.webmanifest", b"photo.jpg", b"a/b.mp4"),
]
OTHERS = {
    "a page": b"about.html",
    "a page in a folder": b"a/b/index.htm",
    "a variant of a page": b"about.html.gz",
    "a document": b"report.PDF",
    "a sitemap": b"sitemap.xml",
    "robots": b"robots.txt",
    "rules": b"_redirects",
    "rules for fields": b"_headers",
    "a provider's configuration": b"netlify.toml",
    "another": b"vercel.json",
    "a service worker": b"sw.js",
    "a name without an extension": b"about",
    "such a name in a folder": b"v1.2/about",
    "a dot name": b".well-known/x",
}


@pytest.mark.parametrize("path", ASSETS)
def test_what_pages_load_is_carried(path: bytes) -> None:
    assert carried(path, [b"index.html", b"assets/other.js"]) == NOW_S + KEEP_S


@pytest.mark.parametrize("path", OTHERS.values(), ids=OTHERS)
def test_pages_documents_and_rules_are_not_carried(path: bytes) -> None:
    assert carried(path, [b"index.html"]) is None


IN_THE_WAY = {
    "the file itself": (b"app.js", [b"app.js"]),
    "a folder of its name": (b"app.js", [b"app.js/index.html"]),
    "a file in place of its folder": (b"a/b/app.js", [b"a/b"]),
    "an original whose variant it would be": (b"app.js.br", [b"app.js"]),
    "a variant that would be of it": (b"app.js", [b"app.js.gz"]),
}


@pytest.mark.parametrize(("path", "beside"), IN_THE_WAY.values(), ids=IN_THE_WAY)
def test_a_file_that_is_in_the_way_of_the_build_is_not_carried(path: bytes, beside: list[bytes]) -> None:
    assert carried(path, beside) is None


def test_a_carried_file_keeps_its_end() -> None:
    assert carried(b"app.js", [], NOW_S + 10) == NOW_S + 10


def test_a_shorter_time_applies_to_files_that_are_carried_already() -> None:
    assert carried(b"app.js", [], NOW_S + 10 * KEEP_S) == NOW_S + KEEP_S


@pytest.mark.parametrize(("until_s", "keep_s"), [(NOW_S, KEEP_S), (NOW_S - 1, KEEP_S), (None, 0), (NOW_S + 10, 0)])
def test_after_its_end_a_file_is_gone(until_s: int | None, keep_s: int) -> None:
    assert carried(b"app.js", [], until_s, keep_s) is None
