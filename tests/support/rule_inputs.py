"""Inputs for the readers of all rule files, and properties of each: for the fuzzer and a property test."""

from __future__ import annotations

from fastfile.errors import HTTPError
from fastfile.message import RequestHead
from fastfile.rules.providers import CLOUDFLARE, FASTFILE, NETLIFY, SERVE, VERCEL, Provider
from fastfile.rules.readers import RuleFile, RuleSet, make_rule_set
from fastfile.storage.deploy_files import DeployFile
from fastfile.storage.freshness import Stamp

READERS: tuple[tuple[str, Provider], ...] = (
    ("_redirects", FASTFILE),
    ("_redirects", CLOUDFLARE),
    ("_headers", FASTFILE),
    ("_headers", NETLIFY),
    ("_headers", CLOUDFLARE),
    ("netlify.toml", NETLIFY),
    ("vercel.json", VERCEL),
    ("serve.json", SERVE),
)
WORDS: dict[str, tuple[bytes, ...]] = {
    "_redirects": (
        *(b"/", b"/a", b"/:a", b"/:b", b"*", b":", b"-", b" ", b"\n", b"301", b"200!", b"404", b"a=:a", b"a=b"),
        *(b"Language=de,en", b"Country=de", b"Cookie=x", b"Role=x", b"https://h.example/", b"%2f", b"%", b"\xff", b"#"),
        *(b"?", b"/.netlify/functions/f", b"\r", b"\0", b"\\", b"[", b"(", b"+"),
    ),
    "_headers": (
        *(b"/", b"/*", b"*", b"/en/*/assets/*", b":a", b"-:b", b"\n", b"  ", b"X-A: ", b"! ", b"Vary: a", b":splat"),
        *(b"Set-Cookie: a=b", b"Content-Encoding: gzip", b"Date: x", b"\xe9", b"\0", b"%2f", b"https://h/", b"[["),
    ),
    "netlify.toml": (
        *(b"[[redirects]]\n", b"[[headers]]\n", b"[[edge_functions]]\n", b"[headers.values]\n", b'from = "/a/*"\n'),
        *(b'to = "/b/:splat"\n', b'to = "https://h.example/"\n', b"status = 200\n", b"force = true\n", b'for = "/*"\n'),
        *(
            b'query = {a = ":a"}\n',
            b'conditions = {Language = ["de"]}\n',
            b'X-A = "b"\n',
            b'path = "/:x"\n',
            b"= ",
            b"[",
        ),
        *(b'signed = "x"\n', b"redirects = ", b"{", b"}", b"]", b'"""', b"\n", b"3", b"1979-05-27", b"\xff", b"a.b.c"),
    ),
    "vercel.json": (
        *(
            b"{",
            b"}",
            b"[",
            b"]",
            b",",
            b":",
            b'"redirects"',
            b'"rewrites"',
            b'"headers"',
            b'"source"',
            b'"destination"',
        ),
        *(
            b'"/a"',
            b'"/:a*"',
            b'"/((?!b).*)"',
            b'"/([^/]+)-([^/]+)"',
            b'"*("',
            b'"has"',
            b'"type"',
            b'"key"',
            b'"value"',
        ),
        *(b'"query"', b'"(?<x>.*)"', b'"cleanUrls"', b'"trailingSlash"', b"true", b"null", b"1e9", b'"\\ud800"', b"\n"),
        *(
            b'{"redirects": [{"source": "/:a(',
            b')", "destination": "/b"}]}',
            b"(a|b)*",
            b"+",
            b"{2,3}",
            b"\\\\1",
            b"(?:",
        ),
    ),
    "serve.json": (
        *(
            b"{",
            b"}",
            b"[",
            b"]",
            b",",
            b":",
            b'"redirects"',
            b'"rewrites"',
            b'"headers"',
            b'"source"',
            b'"destination"',
        ),
        *(b'"**/*.@(jpg|png)"', b'"!/a/**"', b'"/+(+(a)|a)b"', b'"/{a,b}/[0-9]"', b'"*("', b'"cleanUrls"', b"true"),
        *(
            b'{"redirects": [{"source": "',
            b'", "destination": "/b"}]}',
            b"*",
            b"?(",
            b"@(",
            b")",
            b"|",
            b"[",
            b"!",
            b"**/",
        ),
    ),
}
PATHS = (b"/", b"/a", b"/a/b/", b"/a-b-c/d.jpg", b"//x", "/é\n".encode(), b"/" + b"a/" * 500, b"/" + b"-" * 600)
HEADS = (
    RequestHead(b"GET", b"/", 1, 0),
    RequestHead(b"GET", b"/", 1, 0, b"Cookie: x=1; nf_country=de\r\nAccept-Language: de\r\n", authority=b"h:1"),
)


def read(number: int, content: bytes) -> RuleSet:
    """Return a reader's result for a file."""
    name, provider = READERS[number % len(READERS)]
    return make_rule_set([RuleFile(name, name, DeployFile(content, Stamp(b"", b""), True))], provider)


def hold(number: int, content: bytes) -> RuleSet:
    """Raise AssertionError, or the exception of a reader or a rule, if a property is violated."""
    rule_set = read(number, content)
    lines = content.count(b"\n") + content.count(b"\r") + 1
    for problem in rule_set.problems:
        assert 0 <= problem.place.line <= lines, problem
        # Such a line does no harm, but it is a reader's bug.
        assert "the rule cannot be read" not in problem.text or "RecursionError" in problem.text, problem
    for path in PATHS:
        for head in HEADS:
            try:
                rule_set.book.match(path, b"a=b&c", head)
                rule_set.fields.changes(path)
            except HTTPError as error:
                if error.status not in (414, 431):
                    raise
    return rule_set
