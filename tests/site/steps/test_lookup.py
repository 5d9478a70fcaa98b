"""The steps of a site: what a request reads on the disk, and how often its rules are matched."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.asker import Asker, body
from support.looks import Looks

from fastfile.clock import Clock
from fastfile.config.config import Config
from fastfile.http.field_changes import NO_CHANGES
from fastfile.rules.patterns.index import PatternIndex
from fastfile.site.error_pages import ErrorPages
from fastfile.site.shared import Shared
from fastfile.site.steps import lookup
from fastfile.site.steps.lookup import Site
from fastfile.storage.cache import Cache
from fastfile.storage.tags import Tags


def make_asker(tmp_path: Path, files: dict[str, str], **settings: object) -> Asker:
    asker = Asker(tmp_path, **settings)
    for name, content in files.items():
        asker.write(name, content.encode())
    asker.settle()
    asker.ask("/warm-up")
    return asker


def encoded(name: str) -> list[str]:
    return [name + suffix for suffix in (".br", ".zst", ".gz")]


@pytest.mark.parametrize(
    ("target", "names"),
    [
        pytest.param(
            "/nothing", [".", "nothing", "nothing.html", *encoded("nothing.html"), "404.html"], id="a name in the root"
        ),
        # The second look tells a link that leads nowhere.
        pytest.param(
            "/nothing/",
            ["nothing", "nothing", ".", "nothing.html", *encoded("nothing.html"), "404.html"],
            id="a folder in the root",
        ),
        pytest.param(
            "/assets/nothing.js",
            [
                *("assets", "assets/nothing.js", "assets/nothing.js.html", *encoded("assets/nothing.js")),
                *(".", "assets/404.html", "404.html"),
            ],
            id="a name in a folder",
        ),
    ],
)
def test_a_request_for_nothing_looks_at_each_name_once(tmp_path, monkeypatch, target, names):
    # The short way to a plain file comes before the steps. A compiled kernel goes it unseen.
    monkeypatch.setattr(lookup, "has_plain_files", lambda context: False)
    asker = make_asker(tmp_path, {"assets/app.js": "", "index.html": ""}, rules="off", allowed_host=("localhost",))
    looks = Looks(tmp_path, monkeypatch)
    assert asker.ask(target).status == 404
    assert looks.names == names


@pytest.mark.parametrize("target", ["/x/1", "/nothing", "/index.html"])
def test_a_request_looks_its_rules_up_once(tmp_path, monkeypatch, target):
    rules = "/x/* /index.html 200\n/* /elsewhere 302! Cookie=beta\n"
    asker = make_asker(tmp_path, {"index.html": "home", "_redirects": rules})
    looked_up = []
    real = PatternIndex.find

    def find(self: PatternIndex[object], path: bytes) -> object:
        looked_up.append(path)
        return real(self, path)

    monkeypatch.setattr(PatternIndex, "find", find)
    asker.ask(target)
    assert looked_up == [target.encode()]


@pytest.mark.parametrize("missing", ["nothing", "nothing/", "nothing/" * 300], ids=["a name", "a folder", "many"])
def test_a_request_for_nothing_far_below_the_root_looks_at_few_names(tmp_path, monkeypatch, missing):
    depth = 300
    asker = make_asker(
        tmp_path, {"d/" * depth + "404.html": "far", "404.html": "near"}, rules="off", allowed_host=("localhost",)
    )
    looks = Looks(tmp_path, monkeypatch)
    response = asker.ask("/" + "d/" * depth + missing)
    assert (response.status, body(response)) == (404, b"near")
    assert len(looks.names) < 100


def test_a_page_for_failures_in_a_hidden_folder_is_not_sent(tmp_path):
    asker = make_asker(tmp_path, {".next/50x.html": "hidden", "docs/50x.html": "docs", "50x.html": "top"})
    config, cache = Config(), Cache(1 << 20, 10)
    site = Site(asker.root, b"", Shared(config, Clock(), cache, ErrorPages(NO_CHANGES), NO_CHANGES, Tags(config.etag)))
    assert site.failure_page(b".next/x") == b"top"
    assert site.failure_page(b"docs/x") == b"docs"


def test_a_dot_name_that_is_given_is_served_and_no_other(tmp_path):
    files = {".zgroup": "{}", "a/.zarray": "[]", "a/0.0": "data", ".env": "SECRET", ".git/.zgroup": "hidden"}
    asker = make_asker(tmp_path, files, dotfile=(".zgroup", ".zarray"))
    expected = {"/.zgroup": 200, "/a/.zarray": 200, "/a/0.0": 200, "/.env": 404, "/.git/.zgroup": 404, "/.zattrs": 404}
    assert {target: asker.ask(target).status for target in expected} == expected
    assert [name in body(asker.ask("/")) for name in (b".zgroup", b".env", b".git")] == [*(True, False, False)]
