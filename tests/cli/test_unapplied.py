"""Notices about the rules of a provider that --as does not name."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.serverprocess import ONE_LOOP, ServerProcess

from fastfile.cli.unapplied import tell_unapplied
from fastfile.config.load import load

REDIRECTS = '[[redirects]]\nfrom = "/old"\nto = "/new"\n'
NETLIFY = "the rules in netlify.toml are not applied: --as netlify applies them"
VERCEL = "the rules in vercel.json are not applied: --as vercel applies them"

CASES = [
    ({}, [], []),
    ({"dist/netlify.toml": REDIRECTS}, [], [NETLIFY]),
    ({"netlify.toml": "[build]\npublish = 'dist'\n" + REDIRECTS}, [], [NETLIFY]),
    ({"netlify.toml": "  [[headers]]\n", "dist/netlify.toml": REDIRECTS}, [], [NETLIFY]),
    ({"netlify.toml": "[build]\n# redirects and headers\n"}, [], []),
    ({"netlify.toml": REDIRECTS}, ["--as", "netlify"], []),
    ({"netlify.toml": REDIRECTS}, ["--as", "github-pages"], []),
    ({"netlify.toml": REDIRECTS}, ["--rules", "off"], []),
    ({"vercel.json": '{"cleanUrls" : true}'}, [], [VERCEL]),
    ({"vercel.json": '{"buildCommand": "rewrites"}'}, [], []),
    ({"vercel.json": '{"rewrites": []}', "netlify.toml": REDIRECTS}, [], [NETLIFY, VERCEL]),
    ({"dist/netlify.toml/redirects": REDIRECTS}, [], []),
]


def write(folder: Path, files: dict[str, str]) -> Path:
    """Write files, and return the folder that is served."""
    for name, text in {"dist/index.html": "<title>t</title>", **files}.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return folder / "dist"


@pytest.mark.parametrize(("files", "arguments", "expected"), CASES)
def test_rules_that_are_not_applied_are_named_with_the_option_that_applies_them(
    files: dict[str, str], arguments: list[str], expected: list[str], tmp_path: Path
) -> None:
    given = {arguments[0].lstrip("-").replace("as", "as_"): arguments[1:]} if arguments else {}
    assert list(tell_unapplied(load(given, {}), str(write(tmp_path, files)))) == expected


def test_one_file_has_no_rules(tmp_path: Path) -> None:
    page = write(tmp_path, {"dist/netlify.toml": REDIRECTS}) / "index.html"
    assert list(tell_unapplied(load({}, {}), str(page))) == []


@pytest.mark.parametrize("loop", ONE_LOOP)
def test_the_banner_shows_them(loop: str, tmp_path: Path) -> None:
    with ServerProcess(["--loop", loop, str(write(tmp_path, {"netlify.toml": REDIRECTS}))]) as server:
        assert NETLIFY in server.stdout
