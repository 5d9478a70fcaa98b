"""Cache-Control by path: --immutable and --cache-control, as values and then over a socket."""

from __future__ import annotations

import gzip
import os
import re
import shlex
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.checkout import CHECKOUT, DATA
from support.rawclient import RawClient, Received
from support.serverprocess import ServerProcess

from fastfile.cli.arguments import parse_arguments
from fastfile.cli.help import USAGE
from fastfile.config.load import load
from fastfile.errors import ConfigError
from fastfile.http.cache_control import CachePolicy, compile_glob
from fastfile.http.field_changes import NO_CHANGES, FieldChanges

YEAR = "public, max-age=31536000, immutable"
HASHED = "assets/index-BvXs3m9q.js"

GLOBS = [
    ("*.html", "/index.html", True),
    ("*.html", "/docs/a/index.html", True),
    ("*.html", "/index.htm", False),
    ("*.html", "/x.html/y", False),
    ("app.js", "/app.js", True),
    ("app.js", "/js/app.js", True),
    ("app.js", "/js/myapp.js", False),
    ("/app.js", "/app.js", True),
    ("/app.js", "/js/app.js", False),
    ("/assets/*", "/assets/a.js", True),
    ("/assets/*", "/assets/b/a.js", False),
    ("/assets/**", "/assets/b/a.js", True),
    ("/assets/**", "/assets", False),
    ("/assets/**", "/other/assets/a.js", False),
    ("assets/**", "/assets/a.js", True),
    ("**/assets/**", "/other/assets/a.js", True),
    ("**/assets/**", "/assets/a.js", True),
    ("/docs/**/x.pdf", "/docs/x.pdf", True),
    ("/docs/**/x.pdf", "/docs/a/b/x.pdf", True),
    ("/docs/**/x.pdf", "/docs/a/yx.pdf", False),
    ("/a?.js", "/ab.js", True),
    ("/a?.js", "/a/.js", False),
    ("/a.js", "/aXjs", False),
    ("**", "/whatever/it/is", True),
    ("*", "/whatever/it/is", True),
    ("/*", "/it", True),
    ("/*", "/it/is", False),
    ("/a+(b)$.js", "/a+(b)$.js", True),
    ("/ä.js", "/ä.js", True),
    ("*.js", "/a\nb.js", True),
]


@pytest.mark.parametrize(("glob", "path", "expected"), GLOBS, ids=repr)
def test_glob(glob: str, path: str, expected: bool) -> None:
    assert bool(compile_glob(glob)(path.encode())) is expected


def decided(immutable: str, rules: list[str], path: str, base: bytes = b"", before: FieldChanges = NO_CHANGES) -> str:
    """Return the Cache-Control of a file; empty for the server's no-cache."""
    config = load({"immutable": [immutable], "cache_control": rules} if rules else {"immutable": [immutable]}, {})
    changes = CachePolicy(config.immutable, config.cache_control, base).apply(path.encode(), path.encode(), before)
    return (changes.value(b"cache-control") or b"").decode()


DECISIONS = [
    pytest.param("auto", [], HASHED, YEAR, id="a name with a hash is kept for a year"),
    pytest.param("auto", [], "index.html", "", id="a page is not"),
    pytest.param("auto", [], "app.js", "", id="a name without a hash is not"),
    pytest.param("off", [], HASHED, "", id="off: nothing is"),
    pytest.param("^/lib/", [], "lib/app.js", YEAR, id="an expression is for the path, with its slash"),
    pytest.param("^/lib/", [], "a/lib/app.js", "", id="and finds it where it says"),
    pytest.param("^/lib/", [], HASHED, "", id="an expression takes the place of auto"),
    pytest.param(".", [], "index.html", "", id="a page is never immutable by an expression"),
    pytest.param(".", [], "A.HTM", "", id="nor one in upper case"),
    pytest.param(".", [], "sw.js", "", id="nor a service worker"),
    pytest.param(".", [], "app.js", YEAR, id="but all the rest is"),
    pytest.param("auto", ["*.html=public, max-age=60"], "a/b.html", "public, max-age=60", id="a rule may name pages"),
    pytest.param("auto", ["*.html=max-age=9, immutable"], "b.html", "max-age=9, immutable", id="even for immutable"),
    pytest.param("auto", ["/assets/**=no-store"], HASHED, "no-store", id="a rule goes before the hash"),
    pytest.param("auto", ["*=no-store", "*.js=no-cache"], "a.js", "no-cache", id="of several rules the last one holds"),
    pytest.param("auto", ["*.js=no-cache", "*=no-store"], "a.js", "no-store", id="whichever is the more exact"),
    pytest.param("auto", ["*.css=no-store"], HASHED, YEAR, id="a rule that does not match says nothing"),
    pytest.param("off", ["*=max-age=60,public"], "a", "max-age=60, public", id="directives come with a space between"),
]


@pytest.mark.parametrize(("immutable", "rules", "path", "expected"), DECISIONS)
def test_decision(immutable: str, rules: list[str], path: str, expected: str) -> None:
    assert decided(immutable, rules, path) == expected


def test_a_path_begins_with_what_its_folder_is_mounted_at() -> None:
    assert decided("off", ["/docs/**=no-store"], "a.js", base=b"docs") == "no-store"
    assert decided("off", ["/a.js=no-store"], "a.js", base=b"docs") == ""
    assert decided("auto", [], "index-BvXs3m9q.js", base=b"_astro") == YEAR


def test_a_hash_in_a_file_s_name_says_nothing_of_another_path() -> None:
    policy = CachePolicy("auto", (), b"")
    assert policy.apply(HASHED.encode(), b"app.js", NO_CHANGES) == NO_CHANGES
    rule = CachePolicy("auto", (("/assets/**", "no-store"),), b"")
    assert rule.apply(HASHED.encode(), b"app.js", NO_CHANGES).value(b"cache-control") == b"no-store"


def test_what_was_said_before_goes_before_the_hash_and_after_a_rule() -> None:
    before = FieldChanges(((b"cache-control", b"private"),))
    assert decided("auto", [], HASHED, before=before) == "private"
    assert decided("auto", ["*=no-store"], HASHED, before=before) == "no-store"
    removed = FieldChanges((), frozenset((b"cache-control",)))
    assert decided("auto", [], HASHED, before=removed) == ""


WRONG = [
    ("immutable", "[", "an expression that is none"),
    ("immutable", "on", "a word that looks like a switch"),
    ("immutable", "", "nothing"),
    ("cache_control", "*.html", "no value"),
    ("cache_control", "*.html=", "an empty value"),
    ("cache_control", "=no-store", "no glob"),
    ("cache_control", "*.{js,css}=no-store", "braces, which our globs have not"),
    ("cache_control", "[ab].js=no-store", "brackets"),
    ("cache_control", "/../x=no-store", "a way up"),
    ("cache_control", "*=max-age=60\r\nSet-Cookie: a=b", "a line end: nobody splits a response"),
    ("cache_control", "*=no-store\0", "a NUL"),
    ("cache_control", "a\nb=no-store", "a line end in the glob"),
    ("cache_control", "*=max-age=1y", "a time that is no number of seconds"),
    ("cache_control", "*=max-age", "a time that is none"),
    ("cache_control", "*=public max-age=60", "no comma"),
    ("cache_control", "*=public,,no-store", "nothing between commas"),
    ("cache_control", "*=max-age:60", "a colon"),
    ("cache_control", "*=größer", "what is not ASCII"),
]


@pytest.mark.parametrize(("name", "text", "_"), WRONG, ids=[row[2] for row in WRONG])
def test_a_wrong_value_is_refused_by_its_option(name: str, text: str, _: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load({name: [text]}, {})
    assert f"--{name.replace('_', '-')} (from the command line): expected" in str(caught.value)
    assert "\r" not in str(caught.value)


def test_rules_of_a_variable_stand_between_semicolons() -> None:
    config = load({}, {"FASTFILE_CACHE_CONTROL": "*.html=public, max-age=60; /a/**=no-store"})
    assert config.cache_control == (("*.html", "public, max-age=60"), ("/a/**", "no-store"))


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RawClient]:
    root = tmp_path_factory.mktemp("site")
    for name in (HASHED, "index.html", "404.html", "page-BvXs3m9q.html", "404/404.html", "v/app.js", "docs/guide.html"):
        (root / name).parent.mkdir(exist_ok=True)
        (root / name).write_bytes(b"<!DOCTYPE html><title>Page</title>" * 9)
    (root / f"{HASHED}.gz").write_bytes(gzip.compress(b"smaller"))
    os.symlink("404.html", root / "404/index-BvXs3m9q.js")
    rules = ["--cache-control", "/docs/**=public, max-age=60", "--cache-control", "*.txt=max-age=5"]
    with ServerProcess(["--spa", *rules, str(root)]) as server, server.connect() as connection:
        yield RawClient(connection)


def ask(client: RawClient, target: str, *fields: str, method: str = "GET") -> Received:
    return client.request(target, method, *fields)


def test_every_response_of_a_hashed_file_says_a_year(served: RawClient) -> None:
    target = f"/{HASHED}"
    whole = ask(served, target)
    assert (whole.status, whole.fields["cache-control"]) == (200, YEAR)
    for expected, fields, method in (
        (200, (), "HEAD"),
        (200, ("Accept-Encoding: gzip",), "GET"),
        (206, ("Range: bytes=0-1",), "GET"),
        (206, ("Range: bytes=0-1,5-6",), "GET"),
        (304, (f"If-None-Match: {whole.fields['etag']}",), "GET"),
    ):
        answer = ask(served, target, *fields, method=method)
        assert (answer.status, answer.fields["cache-control"]) == (expected, YEAR)
    assert ask(served, f"{target}?v=2").fields["cache-control"] == YEAR
    for expected, fields in ((412, "If-Match: x"), (416, "Range: bytes=999999-")):
        answer = ask(served, target, fields)
        assert (answer.status, answer.fields["cache-control"]) == (expected, "no-store")


@pytest.mark.parametrize(
    ("target", "status", "expected"),
    [
        pytest.param("/", 200, "no-cache", id="the page"),
        pytest.param("/v/app.js?v=3f2a1b4c5d6e7f80", 200, "no-cache", id="a hash in the query alone says nothing"),
        pytest.param("/page-BvXs3m9q.html", 200, "no-cache", id="a page with a hash in its name"),
        pytest.param("/assets/index-CqYQZ2AW.js", 404, "no-store", id="a chunk of the build before"),
        pytest.param("/404/index-CqYQZ2AW.js", 404, "no-store", id="the same under a 404.html"),
        pytest.param("/docs/guide.html", 200, "public, max-age=60", id="a page that a rule names"),
        pytest.param("/docs", 200, "no-cache", id="the page of an app at a path that a rule names"),
        pytest.param("/docs/none.txt", 404, "no-store", id="nothing at a name that a rule names"),
    ],
)
def test_cache_control(served: RawClient, target: str, status: int, expected: str) -> None:
    answer = ask(served, target)
    assert (answer.status, answer.fields["cache-control"]) == (status, expected)


def test_the_page_of_an_app_is_never_kept_at_whatever_path(served: RawClient) -> None:
    for target in ("/search", "/assets/index-CqYQZ2AW.js", "/docs/none.txt"):
        answer = ask(served, target, "Sec-Fetch-Mode: navigate")
        assert (answer.status, answer.fields["cache-control"]) == (200, "no-cache")


def test_a_single_file_at_the_top_is_asked_for_each_time(tmp_path: Path) -> None:
    path = tmp_path / "logo-BvXs3m9q.svg"
    path.write_bytes(b"<svg/>")
    with ServerProcess([str(path)]) as server, server.connect() as connection:
        assert ask(RawClient(connection), "/").fields["cache-control"] == "no-cache"


PAGE = (CHECKOUT / "docs" / "caching.md").read_text()
COMMANDS = re.findall(r"^fastfile +[-#].*", PAGE, re.MULTILINE)


@pytest.mark.parametrize("command", COMMANDS)
def test_each_command_of_the_page_is_understood(command: str) -> None:
    load(parse_arguments(USAGE, shlex.split(command, comments=True)[1:]), {})


def test_the_examples_of_the_page_do_what_it_says() -> None:
    (table,) = re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL)
    rules = [f"{glob}={value}" for glob, value in tomllib.loads(table)["cache-control"].items()]
    assert len(COMMANDS) == 4
    assert decided("auto", rules, "data/a/b.json") == "public, max-age=60"
    assert decided("auto", rules, "docs/guide.pdf") == "public, max-age=86400"
    (expression,) = re.findall(r"`--immutable '(.*?)'`", PAGE)
    names = [path.name for path in (DATA / "spa" / "v2" / "assets").iterdir()]
    assert {name for name in names if decided(expression, [], f"assets/{name}") != YEAR} == {"logo-BbJA6uLL.svg"}
    (rule,) = re.findall(r"folder, use `--cache-control '(.*?)'`", PAGE)
    assert decided("auto", [], "assets/photo-7QxB2kVz.jpg") == YEAR
    assert decided("auto", [rule], "assets/photo-7QxB2kVz.jpg") == "no-cache"
