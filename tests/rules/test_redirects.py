"""_redirects: how its lines are parsed, what they match and their destinations. Sources of the rules: docs/rules.md."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastfile.http.target import parse_target
from fastfile.message import RequestHead
from fastfile.rules.dialects import CLOUDFLARE, EITHER, NETLIFY
from fastfile.rules.redirects import parse_redirects
from fastfile.rules.rule import Capture, Dialect, Pattern, Place, Rule
from fastfile.rules.rulebook import Rulebook


def lead(text: bytes, target: bytes, dialect: Dialect, *lines: bytes) -> tuple[int, bytes] | None:
    """Return the status and the destination of a request; None if no rule matches."""
    rules, problems = parse_redirects(text, "_redirects", dialect)
    assert not problems
    parsed = parse_target(target)
    path = b"/" + parsed.path + (b"/" if parsed.is_directory and parsed.path else b"")
    head = RequestHead(
        b"GET", target, 1, 0, b"".join([line + b"\r\n" for line in lines]), authority=b"example.com:8000"
    )
    outcome = Rulebook(rules).find(path, parsed.query, head)
    return None if outcome is None else (outcome.rule.status, outcome.reference)


# dialect, rules, target, where it leads, the sentence
LEADS = [
    (NETLIFY, b"/home /", b"/home", (301, b"/"), "without a status Netlify redirects by 301"),
    (CLOUDFLARE, b"/home /", b"/home", (302, b"/"), "without a status Cloudflare redirects by 302"),
    (EITHER, b"/home /", b"/home", (301, b"/"), "without a host it is 301"),
    (NETLIFY, b"/a /b 307", b"/a", (307, b"/b"), "a status is obeyed"),
    (
        NETLIFY,
        b"/ecommerce /store-closed 404",
        b"/ecommerce",
        (404, b"/store-closed"),
        "an error has a page of its own",
    ),
    (NETLIFY, b"/pass-through /index.html 200", b"/pass-through", (200, b"/index.html"), "200 rewrites"),
    (NETLIFY, b"/a /1\n/a /2", b"/a", (301, b"/1"), "the first rule that matches counts"),
    (NETLIFY, b"/* /1\n/a /2", b"/a", (301, b"/1"), "a splat above a path goes first"),
    (NETLIFY, b"/a /2\n/* /1", b"/a", (301, b"/2"), "a path above a splat goes first"),
    (NETLIFY, b"/b/:x /1\n/b/c /2\n/:y/c /3", b"/b/c", (301, b"/1"), "the order of the file holds among all kinds"),
    (NETLIFY, b"/:y/c /3\n/b/:x /1", b"/b/c", (301, b"/3"), "a rule for any first segment keeps its place"),
    (NETLIFY, b"/a /b", b"/A", None, "paths are case-sensitive"),
    (NETLIFY, b"/a /b", b"/a/", (301, b"/b"), "Netlify: /a is for /a/ as well"),
    (NETLIFY, b"/a/ /b", b"/a", (301, b"/b"), "Netlify: /a/ is for /a as well"),
    (CLOUDFLARE, b"/a /b", b"/a/", None, "Cloudflare: /a is not /a/"),
    (CLOUDFLARE, b"/trailing /trailing/ 301", b"/trailing", (301, b"/trailing/"), "Cloudflare: a rule can add a slash"),
    (CLOUDFLARE, b"/notrailing/ /nottrailing 301", b"/notrailing/", (301, b"/nottrailing"), "or take it away"),
    (NETLIFY, b"/news/* /blog/:splat", b"/news/2004/01/10/story", (301, b"/blog/2004/01/10/story"), "splat"),
    (NETLIFY, b"/news/* /blog/:splat", b"/news", (301, b"/blog/"), "Netlify: a splat is for the folder itself too"),
    (NETLIFY, b"/news/* /blog/:splat", b"/newspaper", None, "but not for what begins alike"),
    (CLOUDFLARE, b"/news/* /blog/:splat", b"/news", None, "Cloudflare: the slash before a splat is needed"),
    (CLOUDFLARE, b"/a/*/z /b/:splat 301", b"/a/x/y/z", (301, b"/b/x/y"), "Cloudflare: a splat may stand in the middle"),
    (NETLIFY, b"/* /index.html 200", b"/", (200, b"/index.html"), "a splat matches nothing at all too"),
    (
        *(NETLIFY, b"/news/:month/:date/:year/:slug /blog/:year/:month/:date/:slug", b"/news/02/12/2004/my-story"),
        *((301, b"/blog/2004/02/12/my-story"), "placeholders go where they are named"),
    ),
    (NETLIFY, b"/news/:slug /:slug", b"/news/a/b", None, "a placeholder is one segment"),
    (NETLIFY, b"/news/:slug /:slug", b"/news/", None, "and not an empty one"),
    (NETLIFY, b"/a/:y /b/:y-:y.html", b"/a/1", (301, b"/b/1-1.html"), "a placeholder may be used twice"),
    (CLOUDFLARE, b"/movies-:title /m/:title", b"/movies-up", (302, b"/m/up"), "Cloudflare: it may begin anywhere"),
    (NETLIFY, b"/talk:page /wiki", b"/talk:page", (301, b"/wiki"), "Netlify: within a segment it is text"),
    (NETLIFY, b"/a /b/:c", b"/a", (301, b"/b/:c"), "a name that nothing catches is text"),
    (
        NETLIFY,
        b"/authors/c%C3%A9line /a/c%C3%A9line",
        b"/authors/c%c3%a9line",
        (301, b"/a/c%C3%A9line"),
        "escapes",
    ),
    (NETLIFY, "/authors/céline /a/céline".encode(), b"/authors/c%C3%A9line", (301, b"/a/c%C3%A9line"), "raw UTF-8"),
    (NETLIFY, b"/a%20b /c", b"/a%20b", (301, b"/c"), "a space is written %20"),
    (NETLIFY, b"/a%2Ab /c", b"/a*b", (301, b"/c"), "an encoded asterisk is no splat"),
    (NETLIFY, b"/a%2Ab /c", b"/axb", None, "but itself alone"),
    (NETLIFY, b"/a.b /c", b"/axb", None, "a dot is a dot"),
    (NETLIFY, b"/100% /c", b"/100%25", (301, b"/c"), "a percent sign without digits is itself"),
    (NETLIFY, b"/a\xff /c", b"/a%FF", (301, b"/c"), "bytes that are not UTF-8 are compared as they are"),
    (NETLIFY, b"/a//b /c", b"/a/b", (301, b"/c"), "two slashes are one"),
    (NETLIFY, b"/a /b", b"/a?x=1&y", (301, b"/b?x=1&y"), "the query is passed on"),
    (NETLIFY, b"/a /b?z=2", b"/a?x=1", (301, b"/b?z=2"), "unless the destination has one"),
    (CLOUDFLARE, b"/a /b?z=2#f", b"/a?x=1", (302, b"/b?z=2#f"), "a fragment of the destination stays"),
    (CLOUDFLARE, b"/a /b#f", b"/a?x=1", (302, b"/b?x=1#f"), "and is after the query"),
    (CLOUDFLARE, b"/a#top /b", b"/a", (302, b"/b"), "a fragment of the source is not looked at"),
    (
        *(CLOUDFLARE, b"/products/:code/:name /products?code=:code&name=:name", b"/products/4/a&b"),
        *((302, b"/products?code=4&name=a%26b"), "a placeholder in a query stays one value"),
    ),
    (NETLIFY, b"/a https://b.example/c", b"/a?x", (301, b"https://b.example/c?x"), "another host"),
    (NETLIFY, b"/a/* https://b.example/:splat", b"/a/b/c", (301, b"https://b.example/b/c"), "with a splat"),
    (NETLIFY, b"/a https://b.example", b"/a", (301, b"https://b.example/"), "without a path"),
    (NETLIFY, b"/a https://b.example:8080/x", b"/a", (301, b"https://b.example:8080/x"), "a port is no placeholder"),
    (NETLIFY, b"/store id=:id /blog/:id 301", b"/store?id=my-post", (301, b"/blog/my-post?id=my-post"), "query match"),
    (NETLIFY, b"/store id=:id /blog/:id 301", b"/store", None, "the parameter has to be there"),
    (NETLIFY, b"/s id=:id /b/:id", b"/s?id=a/../b", (301, b"/b/a%2F..%2Fb?id=a/../b"), "its value is one segment"),
    (NETLIFY, b"/s id=:id /b/:id?", b"/s?id=%2F%2Fx.y", (301, b"/b/%2F%2Fx.y?"), "an empty query drops the request's"),
    (NETLIFY, b"/s a=1 b=:b /x/:b?", b"/s?c=3&b=2&a=1", (301, b"/x/2?"), "others may be there, in any order"),
    (NETLIFY, b"/s a=1 /x", b"/s?a=2", None, "a value that is given has to be that"),
    (NETLIFY, b"/s a=x%20y /x?", b"/s?a=x+y", (301, b"/x?"), "values are compared decoded"),
    (NETLIFY, b"/a id=:id /1/:id?\n/a /2", b"/a?x=1", (301, b"/2?x=1"), "the next rule is for the others"),
    (NETLIFY, b"/loop/* /loop/:splat 301", b"/loop/a?b", None, "a redirect to itself is not followed"),
    (NETLIFY, b"/x /x/ 301", b"/x/", None, "also not one that the missing slash led to"),
    (NETLIFY, b"/x /x 301\n/x /y 302", b"/x", (302, b"/y"), "the next one is"),
    (NETLIFY, b"/x /x?a=1 301", b"/x?a=1", None, "with its query"),
    (NETLIFY, b"/x /x?a=1 301", b"/x?a=2", (301, b"/x?a=1"), "another query is another place"),
    (NETLIFY, b"/a%20b /%61%20b", b"/a%20b", None, "however it is encoded"),
    (NETLIFY, b"/api/* 200", b"/api/x", (200, b"/api/x"), "Netlify: without a destination all stays as it is"),
    (NETLIFY, b"\xef\xbb\xbf/a /b\r\n/c /d\r\n", b"/c", (301, b"/d"), "Windows line ends and a byte order mark"),
    (NETLIFY, b"\xef\xbb\xbf/a /b\r\n", b"/a", (301, b"/b"), "the first line after the mark is read"),
    (NETLIFY, b"/a /b\r/c /d", b"/c", (301, b"/d"), "old line ends too"),
    (NETLIFY, b"# /a /b\n  # x\n\n /a\t/c  302  # why\n", b"/a", (302, b"/c"), "comments, blank lines and tabs"),
    (NETLIFY, b"/* /:splat 301!", b"//evil.example/x", None, "two slashes of a request are one, so this is itself"),
    (EITHER, b"/go* /:splat", b"/go/evil.example", (301, b"/evil.example"), "no destination begins with two slashes"),
    (EITHER, b"/go* /:splat", b"/go%5Cevil.example", (301, b"/%5Cevil.example"), "nor with a bare backslash"),
    (EITHER, b"/go/* /:splat", b"/go/a%0D%0Ab", (301, b"/a%0D%0Ab"), "line ends stay encoded"),
]


@pytest.mark.parametrize(("dialect", "rules", "target", "expected", "sentence"), LEADS, ids=[row[4] for row in LEADS])
def test_a_rule_leads_where_its_provider_says(
    dialect: Dialect, rules: bytes, target: bytes, expected: tuple[int, bytes] | None, sentence: str
) -> None:
    assert lead(rules, target, dialect) == expected


# rules, request fields, where / leads, the sentence
CONDITIONS = [
    (b"/ /de Language=de", b"Accept-Language: de-CH, en;q=0.9", b"/de", "a language is that of the region too"),
    (b"/ /de Language=de", b"Accept-Language: en, de;q=0.9", None, "the best language counts"),
    (b"/ /de Language=fr,de", b"Accept-Language: en;q=0.1, de", b"/de", "one of several, by weight"),
    (b"/ /de Language=de", b"Accept: */*", None, "without the field there is no language"),
    (b"/ /de Language=de", b"Accept-Language: en\r\nCookie: a=b; nf_lang=de", b"/de", "Netlify: a cookie overrides it"),
    (b"/ /beta Cookie=beta,test", b"Cookie: a=1; test=", b"/beta", "a cookie is there, whatever it says"),
    (b"/ /beta Cookie=beta", b"Cookie: notbeta=1", None, "of that name alone"),
    (b"/ /au Country=au,nz", b"Cookie: nf_country=NZ", b"/au", "Netlify: a country is told by its cookie"),
    (b"/ /au Country=au,nz", b"Accept: */*", None, "and not known without it"),
    (b"/ /x Cookie=a Language=de", b"Cookie: a=1", None, "all conditions have to hold"),
]


@pytest.mark.parametrize(("rule", "fields", "expected", "sentence"), CONDITIONS, ids=[row[3] for row in CONDITIONS])
def test_conditions(rule: bytes, fields: bytes, expected: bytes | None, sentence: str) -> None:
    source, goal, *conditions = rule.split()
    found = lead(b" ".join([source, goal, b"302", *conditions]), b"/", NETLIFY, fields)
    assert found == (None if expected is None else (302, expected))


# dialect, line, the message about it
MISTAKES = [
    (EITHER, b"/a", "there is no destination"),
    (EITHER, b"/a b", "there is no destination: a path that begins with a slash, or an http URL"),
    (EITHER, b"a /b", "a does not begin with a slash"),
    (EITHER, b"/a?x=1 /b", "/a?x=1 has a query, which a path never matches"),
    (EITHER, b"/a /b 299", "299 is not a status that fastfile can answer with"),
    (EITHER, b"/a /b 3O1", "3O1 is not a status that fastfile can answer with"),
    (NETLIFY, b"/a/*/b /b", "/a/*/b has a splat that is not its end"),
    (CLOUDFLARE, b"/*/a/* /b", "/*/a/* has more than one splat"),
    (EITHER, b"/:a/:a /b", "/:a/:a has two placeholders of one name"),
    (EITHER, b"/a //b", "//b is neither a path that begins with one slash nor an http URL"),
    (EITHER, b"/a /\\b", "/\\b is neither a path that begins with one slash nor an http URL"),
    (EITHER, b"/:a https://:a.example/", "https://:a.example/ has a placeholder in its host"),
    (EITHER, b"/a https://u@h.example/", "https://u@h.example/ has no valid host"),
    (EITHER, b"/a https:///b", "https:///b has no valid host"),
    (EITHER, b"/a x https://h.example/", "x is not a query match, name=value or name=:placeholder"),
    (EITHER, b"https://h.example/a /b", "https://h.example/a is for one host, but rules here apply to all hosts"),
    (EITHER, b"/a /b 200 Role=admin", "Role is not known here"),
    (EITHER, b"/a /b 302 Language=", "Language= is not a condition, Name=value"),
    (EITHER, b"/a /b Language=de", "Language=de is not a status that fastfile can answer with"),
    (EITHER, b"/a 301", "there is no destination"),
    (CLOUDFLARE, b"/a /b 301 # x", "Cloudflare Pages reads no more than a path, a destination and a status"),
    (CLOUDFLARE, b"/a /b 404", "404 is not a status that Cloudflare Pages can answer with"),
    (CLOUDFLARE, b"/a /b 301!", "Cloudflare Pages knows no 301!: its rules always override files"),
    (CLOUDFLARE, b"/a id=:id /b", "Cloudflare Pages does not match queries"),
    (CLOUDFLARE, b"/a /" + b"b" * 1000, "the line is longer than the 1000 bytes that Cloudflare Pages reads"),
    (EITHER, b"/\xff", "there is no destination"),
    (
        EITHER,
        b"/:a/" + b"b" * 1000 + b" /c",
        f"/:a/{'b' * 76}... is longer than the 1000 bytes that a pattern may have",
    ),
]


@pytest.mark.parametrize(("dialect", "line", "text"), MISTAKES, ids=[row[2] for row in MISTAKES])
def test_a_mistake_is_reported_with_its_line_and_the_other_rules_apply(
    dialect: Dialect, line: bytes, text: str
) -> None:
    rules, problems = parse_redirects(b"\n/first /1\n" + line + b"\n/last /2", "_redirects", dialect)
    assert [rule.source.text for rule in rules] == ["/first", "/last"]
    assert [(str(problem.place), problem.text) for problem in problems] == [("_redirects:3", text)]
    assert str(problems[0]) == f"_redirects:3: {text}"


@pytest.mark.parametrize(
    ("line", "text"),
    [
        (b"/a https://h.example/ 200", "https://h.example/ is on another server, and only --proxy forwards requests"),
        (b"/a /.netlify/functions/f 200", "/.netlify/functions/f is a Netlify service, which fastfile does not have"),
    ],
)
def test_a_rule_that_cannot_be_followed_is_reported_and_returns_501(line: bytes, text: str) -> None:
    rules, problems = parse_redirects(b"/first /1\n" + line + b"\n/* /2", "_redirects", EITHER)
    assert [(rule.source.text, rule.status) for rule in rules] == [("/first", 301), ("/a", 501), ("/*", 301)]
    assert [str(problem) for problem in problems] == [f"_redirects:2: {text}; /a returns 501"]
    assert rules[1].refusal == text


def test_cloudflare_reads_2000_static_rules_and_100_dynamic_ones() -> None:
    lines = [b"/s%d /t" % number for number in range(2001)] + [b"/d%d/* /t" % number for number in range(101)]
    rules, problems = parse_redirects(b"\n".join(lines), "_redirects", CLOUDFLARE)
    assert len(rules) == 2100
    assert [problem.place.line for problem in problems] == [2001, 2102]


def test_cloudflare_counts_a_path_below_a_splat_as_dynamic() -> None:
    lines = [b"/d/* /t"] + [b"/s%d /t" % number for number in range(100)]
    _, problems = parse_redirects(b"\n".join(lines), "_redirects", CLOUDFLARE)
    assert [problem.text for problem in problems] == ["no more than 100 dynamic rules are read (Cloudflare Pages)"]


def test_what_takes_long_to_compile_is_bounded_and_what_does_not_is_not() -> None:
    lines = [b"/d%d/* /t" % number for number in range(1001)] + [b"/s%d /t" % number for number in range(2000)]
    rules, problems = parse_redirects(b"\n".join(lines), "_redirects", EITHER)
    assert len(rules) == 3000
    assert [str(problem) for problem in problems] == [
        "_redirects:1001: no more than 1000 dynamic rules are read (fastfile)"
    ]


def test_which_rules_go_before_the_files() -> None:
    text = b"/a /b 301!\n/c /d"
    assert [rule.forced for rule in parse_redirects(text, "_redirects", NETLIFY)[0]] == [True, False]
    assert [rule.forced for rule in parse_redirects(b"/c /d", "_redirects", CLOUDFLARE)[0]] == [True]


def test_a_book_knows_which_paths_its_rules_cover() -> None:
    book = Rulebook(parse_redirects(b"/a id=1 /b 301!\n/c/* /d 302 Cookie=x", "_redirects", NETLIFY)[0])
    matches = [book.match(path, None, None) for path in (b"/a", b"/c/x", b"/e")]
    assert [match.may_be_forced for match in matches] == [True, False, False]
    assert [match.is_covered for match in matches] == [True, True, False]
    assert [match.vary for match in matches] == [b"", b"Cookie", b""]


def test_a_rule_of_another_format_may_be_an_expression() -> None:
    source = Pattern("/:lang(en|de)/(.*)", (), rb"/(?P<lang>en|de)/(.*)")
    rules, _ = parse_redirects(b"/x /:lang?", "_redirects", EITHER)
    destination = rules[0].destination
    assert destination is not None
    rule = Rule(
        source, destination._replace(path=(b"/", Capture(2), b"/", Capture("lang"))), 308, Place("vercel.json", 4)
    )
    outcome = Rulebook([rule]).find(b"/de/a b", None, RequestHead(b"GET", b"/", 1, 0))
    assert outcome is not None
    assert outcome.reference == b"/a%20b/de?"


_PIECES = st.sampled_from(
    [
        b"/",
        b"//",
        b"a",
        b"*",
        b":x",
        b":splat",
        b"..",
        b"\\",
        b"%0d%0a",
        b"%5c",
        b"%2f",
        b"\x00",
        b"\xff",
        b"@",
        b"e.com",
    ]
)
_TEXT = st.lists(_PIECES, max_size=6).map(b"".join)


@given(_TEXT, _TEXT, _TEXT, st.sampled_from([NETLIFY, CLOUDFLARE, EITHER]))
def test_no_rule_leads_off_the_site_or_splits_a_response(
    source: bytes, goal: bytes, request: bytes, dialect: Dialect
) -> None:
    rules, _ = parse_redirects(b"/%b /%b 302" % (source, goal), "_redirects", dialect)
    # As a Target has it: slashes are single, dot segments gone, all decoded.
    path = re.sub(b"/+", b"/", b"/" + request.replace(b"..", b"").replace(b"%0d%0a", b"\r\n"))
    outcome = Rulebook(rules).find(path, request, RequestHead(b"GET", b"/", 1, 0))
    if outcome is not None:
        assert re.match(rb"/(?![/\\])", outcome.reference)
        assert not re.search(rb"[^\x21-\x7e]", outcome.reference)


_WORDS = st.sampled_from(
    [b"/", b"*", b":a", b"=", b" ", b"\n", b"301", b"!", b"200", b"https://", b"%4", b"\xff", b"#", b"?", b"\0"]
)


@given(st.lists(_WORDS).map(b"".join))
def test_any_bytes_in_the_file_are_read_or_reported(content: bytes) -> None:
    for dialect in (EITHER, NETLIFY, CLOUDFLARE):
        rules, problems = parse_redirects(content, "_redirects", dialect)
        lines = [line.strip() for line in re.split(rb"[\r\n]", content)]
        assert len(rules) + len(problems) == len([line for line in lines if line and not line.startswith(b"#")])
        Rulebook(rules).find(b"/a/b", b"a=1", RequestHead(b"GET", b"/", 1, 0))
