"""vercel.json: the results of its rules, with the examples of Vercel's documentation and routing-utils."""

from __future__ import annotations

import json

import pytest

from fastfile.message import RequestHead
from fastfile.rules.headers import FieldBook
from fastfile.rules.providers import Deployment
from fastfile.rules.rulebook import Rulebook
from fastfile.rules.vercel import read_vercel_config


def read(config: object) -> Deployment:
    return read_vercel_config(json.dumps(config, indent=2).encode())


def outcome(deployment: Deployment, target: str, fields: bytes = b"", host: bytes = b"localhost") -> object:
    """Return the status and the location of a redirect, or the status and the file of a rewrite, or None."""
    path, _, query = target.encode().partition(b"?")
    head = RequestHead(b"GET", target.encode(), 1, 0, fields, authority=host)
    found = Rulebook(deployment.rules).find(path, query or None, head)
    return found and (found.rule.status, found.reference.decode())


def redirect(source: str, destination: str, **more: object) -> dict[str, object]:
    return {"redirects": [{"source": source, "destination": destination, **more}]}


def rewrite(source: str, destination: str, **more: object) -> dict[str, object]:
    return {"rewrites": [{"source": source, "destination": destination, **more}]}


CLEAN = {"cleanUrls": True}
CLEAN_SLASHED = {"cleanUrls": True, "trailingSlash": True}
CLEAN_BARE = {"cleanUrls": True, "trailingSlash": False}


@pytest.mark.parametrize(
    ("config", "target", "expected"),
    [
        pytest.param(redirect("/me", "/profile.html"), "/me", (308, "/profile.html"), id="a redirect is permanent"),
        pytest.param(redirect("/me", "/you", permanent=False), "/me", (307, "/you"), id="unless it is not permanent"),
        pytest.param(redirect("/me", "/you", statusCode=301), "/me", (301, "/you"), id="or has a status of its own"),
        pytest.param(redirect("/me", "/you"), "/me/", None, id="a source is matched with its slash"),
        pytest.param(redirect("/me", "/you"), "/Me", None, id="and with its case"),
        pytest.param(
            redirect("/view-source", "https://github.com/vercel/vercel"),
            "/view-source",
            (308, "https://github.com/vercel/vercel"),
            id="a redirect may lead to another host",
        ),
        pytest.param(redirect("/a", "/b"), "/a?x=1", (308, "/b?x=1"), id="the query goes with a redirect"),
        pytest.param(redirect("/a", "/b?y=2"), "/a?x=1", (308, "/b?y=2&x=1"), id="after the one of the destination"),
        pytest.param(
            redirect("/old/:segment/path", "/new/path/:segment"),
            "/old/one/path",
            (308, "/new/path/one"),
            id="a segment is caught",
        ),
        pytest.param(redirect("/old/:segment/path", "/x"), "/old/a/b/path", None, id="and only one"),
        pytest.param(
            redirect("/catchall/:hello*", "/catch/:hello*/"),
            "/catchall/a/b",
            (308, "/catch/a/b/"),
            id="an asterisk catches any number of segments",
        ),
        pytest.param(redirect("/all/:hello*", "/x/:hello*"), "/all", (308, "/x/"), id="also none"),
        pytest.param(redirect("/all/:hello+", "/x/:hello+"), "/all", None, id="a plus catches one at least"),
        pytest.param(redirect("/optional/:id?", "/o/:id?"), "/optional/1", (308, "/o/1"), id="a question mark, one"),
        pytest.param(redirect("/optional/:id?", "/o/:id?"), "/optional", (308, "/o/"), id="or none"),
        pytest.param(
            redirect("/proxy-regex/([a-zA-Z]{1,})", "https://firebase.com/$1"),
            "/proxy-regex/admin",
            (308, "https://firebase.com/admin"),
            id="what parentheses catch goes by its number",
        ),
        pytest.param(
            redirect("/post/:id(\\d{1,})", "/news/:id"), "/post/12", (308, "/news/12"), id="a name has an expression"
        ),
        pytest.param(redirect("/post/:id(\\d{1,})", "/news/:id"), "/post/a", None, id="that has to match"),
        pytest.param(
            redirect("/feedback/((?!general).*)", "/feedback/general"),
            "/feedback/other",
            (308, "/feedback/general"),
            id="an expression looks ahead",
        ),
        pytest.param(
            redirect("/feedback/((?!general).*)", "/feedback/general"), "/feedback/general", None, id="and says no"
        ),
        pytest.param(
            redirect("/feature-{:slug}", "/blog-{:slug}"), "/feature-a", (308, "/blog-a"), id="braces part words"
        ),
        pytest.param(redirect("/a{/b}?/c", "/d"), "/a/c", (308, "/d"), id="braces make a part optional"),
        pytest.param(redirect("/a\\(b\\)", "/d"), "/a(b)", (308, "/d"), id="a backslash takes a sign for itself"),
        pytest.param(
            redirect("/hello/:world*", "/something#there"), "/hello/a", (308, "/something#there"), id="a fragment stays"
        ),
        pytest.param(
            redirect("/hello/:world", "/somewhere?else={:world}"),
            "/hello/a&b",
            (308, "/somewhere?else=a%26b"),
            id="what is caught is data in a query",
        ),
        pytest.param(redirect("/go/:where*", "/:where*"), "/go//evil.example", None, id="a segment is not empty"),
        pytest.param(
            redirect("/go/(.*)", "/$1"), "/go//evil.example", (308, "/evil.example"), id="no redirect leaves the site"
        ),
        pytest.param(rewrite("/(.*)", "/index.html"), "/any/where", (200, "/index.html"), id="a rewrite"),
        pytest.param(rewrite("/(.*)", "/x", statusCode=404), "/any", (404, "/x"), id="a rewrite has a status"),
        pytest.param(rewrite("/(.*)", "/index.html"), "/.well-known/x", None, id="no rule is for .well-known"),
        pytest.param(
            rewrite("/:file/:id", "/:file/get?identifier=:id"), "/a/b", (200, "/a/get?identifier=b"), id="with both"
        ),
        pytest.param(CLEAN, "/about.html?a=b", (308, "/about?a=b"), id="clean URLs have no extension"),
        pytest.param(CLEAN, "/docs/index.html", (308, "/docs"), id="and no index"),
        pytest.param(CLEAN, "/index.html", (308, "/"), id="not at the root either"),
        pytest.param(CLEAN, "/docs/index", (308, "/docs"), id="nor its name"),
        pytest.param(CLEAN, "/someindex", None, id="a name that ends like it is another"),
        pytest.param(CLEAN, "/docs/", None, id="of slashes they say nothing"),
        pytest.param(CLEAN_SLASHED, "/about.html", (308, "/about/"), id="clean with a slash in one hop"),
        pytest.param(CLEAN_SLASHED, "/about", (308, "/about/"), id="a slash is added"),
        pytest.param(CLEAN_SLASHED, "/a/b?c", (308, "/a/b/?c"), id="and the query kept"),
        pytest.param(CLEAN_SLASHED, "/app.js", None, id="not to a file"),
        pytest.param(CLEAN_SLASHED, "/app.js/", (308, "/app.js"), id="from which it is taken"),
        pytest.param(CLEAN_SLASHED, "/.well-known/acme", None, id="not in .well-known"),
        pytest.param(CLEAN_BARE, "/about/", (308, "/about"), id="a slash is taken away"),
        pytest.param(CLEAN_BARE, "/", None, id="not the root's"),
        pytest.param({}, "/about.html", None, id="without settings nothing redirects"),
        pytest.param({"cleanUrls": False}, "/about.html", None, id="clean URLs are off when they are"),
    ],
)
def test_vercel_rule(config: dict[str, object], target: str, expected: object) -> None:
    deployment = read(config)
    assert not deployment.problems
    assert outcome(deployment, target) == expected


def has(*conditions: dict[str, object], key: str = "has", to: str = "/uk") -> dict[str, object]:
    return redirect("/", to, **{key: list(conditions)})


@pytest.mark.parametrize(
    ("config", "target", "fields", "expected"),
    [
        pytest.param(has({"type": "header", "key": "X-A"}), "/", b"x-a: 1\r\n", True, id="a field that is there"),
        pytest.param(has({"type": "header", "key": "X-A"}), "/", b"", False, id="a field that is not there"),
        pytest.param(
            has({"type": "header", "key": "x-a", "value": "G."}), "/", b"X-A: GB\r\n", True, id="a value that matches"
        ),
        pytest.param(
            has({"type": "header", "key": "x-a", "value": "G"}), "/", b"X-A: GB\r\n", False, id="as a whole, or not"
        ),
        pytest.param(
            has({"type": "cookie", "key": "b", "value": "1"}), "/", b"Cookie: a=2; b=1\r\n", True, id="a cookie"
        ),
        pytest.param(has({"type": "query", "key": "q"}), "/?q=1", b"", True, id="a parameter of the query"),
        pytest.param(has({"type": "host", "value": "local.*"}), "/", b"", True, id="the host"),
        pytest.param(has({"type": "host", "value": "example.com"}), "/", b"", False, id="another host"),
        pytest.param(
            has({"type": "query", "key": "q"}, {"type": "query", "key": "r"}), "/?q=1", b"", False, id="all of them"
        ),
        pytest.param(has({"type": "query", "key": "q"}, key="missing"), "/?q=1", b"", False, id="missing"),
        pytest.param(has({"type": "query", "key": "q"}, key="missing"), "/", b"", True, id="missing indeed"),
        pytest.param(
            has({"type": "query", "key": "q", "value": {"pre": "a.", "suf": "c"}}), "/?q=a.bc", b"", True, id="pre, suf"
        ),
        pytest.param(has({"type": "query", "key": "q", "value": {"pre": "a."}}), "/?q=abc", b"", False, id="literal"),
        pytest.param(has({"type": "query", "key": "q", "value": {"eq": 1}}), "/?q=1", b"", True, id="eq"),
        pytest.param(has({"type": "query", "key": "q", "value": {"neq": "1"}}), "/?q=1", b"", False, id="neq"),
        pytest.param(has({"type": "query", "key": "q", "value": {"inc": ["1", "2"]}}), "/?q=2", b"", True, id="inc"),
        pytest.param(has({"type": "query", "key": "q", "value": {"ninc": ["1", "2"]}}), "/?q=2", b"", False, id="ninc"),
        pytest.param(has({"type": "query", "key": "q", "value": {"re": "\\d+"}}), "/?q=22", b"", True, id="re"),
    ],
)
def test_vercel_condition(config: dict[str, object], target: str, fields: bytes, expected: bool) -> None:
    deployment = read(config)
    assert not deployment.problems
    assert (outcome(deployment, target, fields) is not None) is expected


@pytest.mark.parametrize(
    ("conditions", "to", "target", "expected"),
    [
        pytest.param(
            [{"type": "query", "key": "user"}], "/of/:user", "/?user=a/b", "/of/a%2Fb?user=a/b", id="by its key"
        ),
        pytest.param(
            [{"type": "host", "value": "(?<first>.*)\\.example"}], "/of/:first", "/", "/of/shop", id="by a group"
        ),
    ],
)
def test_what_a_condition_catches_is_in_the_destination(
    conditions: list[dict[str, object]], to: str, target: str, expected: str
) -> None:
    assert outcome(read(has(*conditions, to=to)), target, host=b"shop.example:8000") == (308, expected)


def test_fields_are_those_of_the_last_rule_that_matches() -> None:
    fields = [{"key": "Cache-Control", "value": "max-age=1"}, {"key": "X-From", "value": ":path at 12:30"}]
    config = {
        "headers": [
            {"source": "/(.*)", "headers": [{"key": "Cache-Control", "value": "no-store"}]},
            {"source": "/assets/:path*", "headers": fields},
        ]
    }
    deployment = read(config)
    book = FieldBook(deployment.header_rules, deployment.provider.dialect.joins_fields)
    assert not deployment.problems
    assert book.changes(b"/x").added == ((b"Cache-Control", b"no-store"),)
    assert book.changes(b"/assets/a/b").added == ((b"Cache-Control", b"max-age=1"), (b"X-From", b"a/b at 12:30"))


@pytest.mark.parametrize(
    ("config", "problem"),
    [
        pytest.param("[", "vercel.json:1: not JSON: Expecting value", id="what is not JSON"),
        pytest.param("3", "vercel.json: expected an object", id="what is no object"),
        pytest.param('{"routes": [], "cleanUrls": true}', "vercel.json:1: routes: the legacy form", id="legacy routes"),
        pytest.param('{\n"redirect": []}', "vercel.json:2: redirect: no such key; did you mean redirects?", id="key"),
        pytest.param('{"cleanUrls": "yes"}', "vercel.json:1: cleanUrls: expected true or false", id="a wrong type"),
        pytest.param('{"redirects": [\n\n3]}', "vercel.json:3: redirects[0]: expected an object", id="no object"),
        pytest.param('{"redirects": [{"source": "/a"}]}', "redirects[0]: has no destination", id="no destination"),
        pytest.param('{"redirects": [{"destination": "/a"}]}', "redirects[0]: has no source", id="no source"),
        pytest.param(
            '{"redirects": [{"source": "/a/*", "destination": "/b"}]}',
            '"*" at column 4 of the source',
            id="a bare star",
        ),
        pytest.param(
            '{"redirects": [{"source": "/a(", "destination": "/b"}]}', "parenthesis at column 3", id="an open one"
        ),
        pytest.param(
            '{"redirects": [{"source": "/([a)", "destination": "/b"}]}', "not a regular expression", id="an expression"
        ),
        pytest.param(
            '{"redirects": [{"source": "/a", "destination": "/:b"}]}', "the source has no parameter :b", id="a name"
        ),
        pytest.param(
            '{"redirects": [{"source": "/a", "destination": "b"}]}', "b is neither a path", id="no path, no URL"
        ),
        pytest.param(
            '{"redirects": [{"source": "/a", "destination": "/b", "statusCode": 200}]}', "expected one of 301", id="200"
        ),
        pytest.param(
            '{"redirects": [{"source": "/a", "destination": "/b", "statusCode": 301, "permanent": true}]}',
            "permanent and statusCode cannot both be given",
            id="two statuses",
        ),
        pytest.param(
            '{"redirects": [{"source": "/a", "destination": "/b", "has": [{"type": "country"}]}]}',
            "has: expected objects with a type",
            id="a condition that is none",
        ),
        pytest.param(
            '{"redirects": [{"source": "/", "destination": "/b", "has": [{"type": "host", "value": {"gt": 1}}]}]}',
            'has: "gt" is not understood',
            id="an operation that is none",
        ),
        pytest.param(
            '{"rewrites": [{"source": "/a", "destination": "https://example.com/"}]}',
            "only --proxy forwards requests",
            id="a proxy",
        ),
        pytest.param(
            '{"headers": [{"source": "/a", "headers": [{"key": "Content-Length", "value": "3"}]}]}',
            "headers[0].headers[0]: Content-Length can only be set by the server",
            id="a field that frames the message",
        ),
        pytest.param(
            '{"headers": [{"source": "/a", "headers": [{"key": "a", "value": "b\\r\\nc: d"}]}]}',
            "the value of a has a control character",
            id="a line break in a value",
        ),
        pytest.param(
            json.dumps({"redirects": [{"source": "/", "destination": "/b", "has": [{"type": "host"}] * 17}]}),
            "has: no more than 16 are read",
            id="more conditions than Vercel reads",
        ),
        pytest.param(
            '{"redirects": [{"source": "/((?:a+)+)", "destination": "/b"}]}',
            "vercel.json:1: redirects[0]: not a regular expression that fastfile supports: it could take too long",
            id="repeats of repeats",
        ),
        pytest.param(
            '{"headers": [{"source": "/a", "has": [{"type": "query", "key": "q"}], "headers": []}]}',
            "has and missing are not supported for headers",
            id="a field for some",
        ),
    ],
)
def test_a_problem_names_its_place_and_the_other_rules_apply(config: str, problem: str) -> None:
    if config.startswith("{"):
        config = config[:-1] + ', "trailingSlash": true}'
    deployment = read_vercel_config(config.encode())
    assert problem in str(deployment.problems[0])
    assert len(deployment.problems) == 1
    if config.startswith("{"):
        assert outcome(deployment, "/last") == (308, "/last/")
