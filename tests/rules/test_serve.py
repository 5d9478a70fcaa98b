"""serve.json: the results of its rules for requests. The examples are from serve-handler's documentation.

The responses of ``serve`` 14.2 itself were compared by hand; docs/hosts.md lists the differences and their reasons.
"""

from __future__ import annotations

import json

import pytest

from fastfile.message import RequestHead
from fastfile.rules.headers import FieldBook
from fastfile.rules.patterns.index import PatternIndex
from fastfile.rules.patterns.minimatch import translate_glob
from fastfile.rules.providers import Deployment
from fastfile.rules.rule import Pattern
from fastfile.rules.rulebook import Rulebook
from fastfile.rules.serve import read_serve_config

REDIRECTS = {
    "redirects": [
        {"source": "/from", "destination": "/to"},
        {"source": "/old-pages/**", "destination": "/home"},
        {"source": "/old-docs/:id", "destination": "/new-docs/:id"},
        {"source": "/old", "destination": "/new", "type": 302},
        {"source": "old/*.htm", "destination": "https://example.com/?a=b"},
    ]
}
REWRITES = {
    "rewrites": [
        {"source": "app/**", "destination": "/index.html"},
        {"source": "projects/*/edit", "destination": "edit-project.html"},
        {"source": "/show/:id/edit", "destination": "/edit-project-:id.html"},
        {"source": "/{a,b}/[0-9]", "destination": "/c"},
    ]
}


def read(config: object) -> Deployment:
    return read_serve_config(json.dumps(config).encode())


@pytest.mark.parametrize(
    ("config", "target", "expected"),
    [
        pytest.param({}, "/about.html?a=b", (301, "/about?a=b"), id="clean URLs are on without being asked for"),
        pytest.param({}, "/docs/index.html", (301, "/docs"), id="for an index in one hop"),
        pytest.param({}, "/index.html", (301, "/"), id="for that of the root too"),
        pytest.param({"cleanUrls": False}, "/about.html", None, id="unless they are off"),
        pytest.param({"cleanUrls": ["/app/**"]}, "/app/a.html", (301, "/app/a"), id="or on for some"),
        pytest.param({"cleanUrls": ["/app/**"]}, "/about.html", None, id="and not for others"),
        pytest.param({"cleanUrls": ["!/app/**"]}, "/app/a.html", None, id="or for all but some"),
        pytest.param({"trailingSlash": True}, "/test", (301, "/test/"), id="a slash is added"),
        pytest.param({"trailingSlash": True}, "/test.js", None, id="not to a file"),
        pytest.param({"trailingSlash": True}, "/test.html", (301, "/test/"), id="to a clean name in one hop"),
        pytest.param({"trailingSlash": False}, "/test/", (301, "/test"), id="a slash is taken away"),
        pytest.param({"trailingSlash": False}, "/", None, id="not the root's"),
        pytest.param(REDIRECTS, "/from", (301, "/to"), id="a redirect is a 301"),
        pytest.param(REDIRECTS, "/from/", (301, "/to"), id="with a slash too"),
        pytest.param(REDIRECTS, "/from?a=b", (301, "/to?a=b"), id="and takes the query along"),
        pytest.param(REDIRECTS, "/old", (302, "/new"), id="a redirect has a type"),
        pytest.param(REDIRECTS, "/old-pages/a/b", (301, "/home"), id="two asterisks are any folders"),
        pytest.param(REDIRECTS, "/old-pages", (301, "/home"), id="or none"),
        pytest.param(REDIRECTS, "/old-pagesque", None, id="but no other name"),
        pytest.param(REDIRECTS, "/old-docs/12", (301, "/new-docs/12"), id="a segment is caught"),
        pytest.param(REDIRECTS, "/old/a.htm?c", (301, "https://example.com/?a=b&c"), id="a redirect to a URL"),
        pytest.param(REWRITES, "/app/a/b", (200, "/index.html"), id="a source needs no slash before it"),
        pytest.param(REWRITES, "/projects/1/edit", (200, "/edit-project.html"), id="nor does a destination"),
        pytest.param(REWRITES, "/projects/1/2/edit", (200, "/edit-project.html"), id="an asterisk is anything"),
        pytest.param(REWRITES, "/show/3/edit", (200, "/edit-project-3.html"), id="a segment goes into a file's name"),
        pytest.param(REWRITES, "/a/1", (200, "/c"), id="braces and brackets"),
        pytest.param(REWRITES, "/c/1", None, id="and what is not in them"),
    ],
)
def test_serve_rule(config: dict[str, object], target: str, expected: object) -> None:
    deployment = read(config)
    assert not deployment.problems
    path, _, query = target.encode().partition(b"?")
    found = Rulebook(deployment.rules).find(path, query or None, RequestHead(b"GET", target.encode(), 1, 0))
    assert (found and (found.rule.status, found.reference.decode())) == expected


@pytest.mark.parametrize(
    ("glob", "matching", "others"),
    [
        ("**/*.@(jpg|png)", ("/a.jpg", "/b/c/a.png"), ("/a.gif", "/a.jpg/b", "/.a.jpg", "/.b/a.jpg")),
        ("404.html", ("/404.html",), ("/a/404.html", "/404xhtml")),
        ("*.js", ("/a.js",), ("/a/b.js", "/.js")),
        ("**", ("/a", "/a/b", "/"), ("/.a",)),
        ("/a/**/b", ("/a/b", "/a/c/b", "/a/c/d/b"), ("/a", "/ab", "/a/.c/b")),
        ("/a?c", ("/abc",), ("/ac", "/a/c")),
        ("/[!a]x", ("/bx",), ("/ax", "//x")),
        ("/{a,b}/x", ("/a/x", "/b/x"), ("/c/x",)),
        ("/!(a)/x", ("/b/x", "/ab/x"), ("/a/x", "/.b/x")),
        ("/+(a|b)", ("/ab", "/a"), ("/", "/c")),
        ("/x/?(y)z", ("/x/z", "/x/yz"), ("/x/xz",)),
        ("/*(a|b)c", ("/c", "/abc"), ("/xc",)),
        ("!/private/**", ("/a", "/private"), ("/private/a",)),
        ("/.well-known/*", ("/.well-known/a",), ("/.well-known/.a",)),
        ("/a.b+c,d|e", ("/a.b+c,d|e",), ("/axb+c,d|e",)),
    ],
)
def test_a_glob_matches_as_minimatch_does(glob: str, matching: tuple[str, ...], others: tuple[str, ...]) -> None:
    index = PatternIndex([(Pattern(glob, expression=translate_glob(glob).encode()), glob)])
    assert [path for path in (*matching, *others) if index.find(path.encode())] == [*matching]


def test_fields_are_set_and_taken_away_by_the_name_of_the_file() -> None:
    fields = [{"key": "Cache-Control", "value": "max-age=7200"}, {"key": "X-Old", "value": None}]
    deployment = read({"headers": [{"source": "**/*.@(jpg|png)", "headers": fields}]})
    changes = FieldBook(deployment.header_rules, deployment.provider.dialect.joins_fields).changes(b"/img/a.png")
    assert not deployment.problems
    assert changes.added == ((b"Cache-Control", b"max-age=7200"),)
    assert changes.removed == {b"x-old"}


@pytest.mark.parametrize(
    ("config", "listing"),
    [({}, True), ({"directoryListing": False}, False), ({"directoryListing": ["/assets/**"]}, False)],
    ids=["listed", "not listed", "listed in part is not listed"],
)
def test_directory_listing(config: dict[str, object], listing: bool) -> None:
    assert read(config).provider.listing is listing


@pytest.mark.parametrize(
    ("config", "problem"),
    [
        ('{"public": "_site"}', "serve.json:1: public: not supported; name the folder on the command line"),
        ('{"unlisted": [".git"]}', "unlisted: not supported"),
        ('{"renderSingle": true}', "renderSingle: not supported"),
        ('{"directoryListing": ["/a/**"]}', "directoryListing: a list is not supported"),
        ('{"cleanurls": true}', "cleanurls: no such key; did you mean cleanUrls?"),
        ('{"cleanUrls": ["/[z-a]"]}', "cleanUrls: not a glob"),
        ('{\n"cleanUrls": 1}', "serve.json:2: cleanUrls: expected true or false"),
        ('{"redirects": [{"source": "/a"}]}', "redirects[0]: has no destination"),
        ('{"redirects": [{"source": "/a", "destination": "/b", "type": 200}]}', "redirects[0]: type: expected one of"),
        (
            '{"rewrites": [{"source": "/{a,b", "destination": "/b"}]}',
            "rewrites[0]: the glob has an opening bracket without its }",
        ),
        ('{"rewrites": [{"source": "/a", "destination": "https://example.com/"}]}', "only --proxy forwards requests"),
        ('{"headers": [{"source": "**", "headers": [3]}]}', "headers[0].headers[0]: expected an object with a key"),
        (
            '{"headers": [{"source": "**", "headers": [{"key": "Date", "value": "3"}]}]}',
            "can only be set by the server",
        ),
    ],
)
def test_a_problem_names_its_place(config: str, problem: str) -> None:
    deployment = read_serve_config(config.encode())
    assert problem in str(deployment.problems[0])
    assert len(deployment.problems) == 1


def test_what_changes_nothing_is_no_problem() -> None:
    harmless = {"public": ".", "unlisted": [], "renderSingle": False, "symlinks": True, "etag": False, "$schema": "x"}
    assert not read(harmless).problems
