"""``fastfile check``: small folders with one error each, and builds of real tools without errors."""

from __future__ import annotations

import contextlib
import gzip
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from support.checkout import CHECKOUT
from support.serverprocess import TIMEOUT_S, clean_environment

from fastfile.commands.check.command import Check
from fastfile.commands.check.findings import Finding, make_json, make_report
from fastfile.commands.check.inventory import take_inventory
from fastfile.commands.check.links import Links
from fastfile.commands.check.references import Reference, decode, read_page, split_srcset
from fastfile.commands.check.stylesheet import find_references
from fastfile.config.load import load
from fastfile.storage.root import Root

SCRIPT = "text " * 400  # smaller when encoded, and large enough to be compressed
YEAR = "public, max-age=31536000, immutable"


def make(folder: Path, files: dict[str, str | bytes]) -> Path:
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        os.utime(path, (1_700_000_000, 1_700_000_000))
    return folder


def find(folder: Path, **options: str) -> list[Finding]:
    config = load({name: [text] for name, text in options.items()}, {}, str(CHECKOUT / "tests"))
    with contextlib.closing(Check(config, str(folder))) as check:
        return check.run()


def shown(folder: Path, **options: str) -> list[str]:
    return [f"{f.file}:{f.line} {f.severity} {f.code}" for f in find(folder, **options)]


def run(*arguments: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "fastfile", "check", *arguments]
    return subprocess.run(
        command, capture_output=True, text=True, timeout=TIMEOUT_S, env=clean_environment(), check=False, cwd=cwd
    )


HTML = "index.html"
LINKS = [
    # The page, the other files, the problem of the page.
    ("a link to nothing", '\n<a href="nix.html">', {}, "2 error broken-link"),
    ("an area", "<map><area href=/nix></map>", {}, "1 error broken-link"),
    ("a frame", "<iframe src=nix.html></iframe>", {}, "1 error broken-link"),
    ("a form that is sent by GET", "<form action=/search></form>", {}, "1 error broken-link"),
    ("a button with a target of its own", "<button formaction=/search>", {}, "1 error broken-link"),
    ("a refresh", '<meta http-equiv="Refresh" content="5; URL=\'/nix\'">', {}, "1 error broken-link"),
    ("a canonical address", "<link rel=canonical href=/nix>", {}, "1 error broken-link"),
    ("a script", "<script src=app.js></script>", {}, "1 error missing-asset"),
    ("a style sheet", "<link rel=stylesheet href=app.css>", {}, "1 error missing-asset"),
    ("a picture", "<img src=/a.png>", {}, "1 error missing-asset"),
    ("a second candidate of a srcset", '<img srcset="a.png 1x, b.png 2x">', {"a.png": "a"}, "1 error missing-asset"),
    ("a source", '<picture><source srcset="b.png"></picture>', {}, "1 error missing-asset"),
    ("a poster", "<video poster=p.jpg></video>", {}, "1 error missing-asset"),
    ("a preloaded picture", '<link rel=preload as=image imagesrcset="b.png 2x">', {}, "1 error missing-asset"),
    ("a symbol's file", '<svg><use href="s.svg#a"/></svg>', {}, "1 error missing-asset"),
    ("a style element", "<style>\n\na{background:url(b.png)}</style>", {}, "3 error missing-asset"),
    ("a style attribute", "<p style=\"background:url('b.png')\">", {}, "1 error missing-asset"),
    ("a base", "<base href=/sub/><img src=a.png>", {"a.png": "a"}, "1 error missing-asset"),
    ("a place in another page", "<a href=b.html#x>", {"b.html": "<p id=y>"}, "1 warning missing-fragment"),
    ("a place in this page", "<a href=#x>", {}, "1 warning missing-fragment"),
    ("another case", "<img src=Logo.PNG>", {"logo.png": "a"}, "1 error wrong-case"),
    ("another case of a folder", "<a href=/Docs/>", {"docs/index.html": ""}, "1 error wrong-case"),
    ("no URL at all", "<a href='http://[::1'>", {}, "1 error broken-link"),
    ("a bad escape", "<a href='/100%.html'>", {}, "1 error broken-link"),
    ("a loop of rules", "<a href=/a>", {"_redirects": "/a /b\n/b /a"}, "1 error redirect-loop"),
    ("a hidden file", "<img src=/.git/a.png>", {".git/a.png": ""}, "1 error missing-asset"),
    ("what is after a broken tag", "<a <b href='x\n\n><img src=nix.png", {}, None),
    ("after an unknown declaration", "<![endif]-->\n<![foo[\n>\n<a href=nix>", {}, "4 error broken-link"),
]


@pytest.mark.parametrize(("page", "others", "wrong"), [pytest.param(*row[1:], id=row[0]) for row in LINKS])
def test_a_reference(page, others, wrong, tmp_path):
    found = [text for text in shown(make(tmp_path, {HTML: page, **others})) if text.startswith(HTML)]
    assert wrong is None or found == [f"{HTML}:{wrong}"]


GOOD = [
    ("line breaks within", "<a href='a\n.ht\tml'>", {"a.html": ""}),
    (
        "other sites and schemes",
        "<a href=https://a.example/x><a href=mailto:a@b><a href=//b.example><a href=tel:1>",
        {},
    ),
    ("data", "<img src='data:image/png;base64,AAAA'>", {}),
    ("nothing", "<a href><a href=''><img src=' '>", {}),
    ("a folder, by a redirect", "<a href=docs>", {"docs/index.html": ""}),
    ("a folder that is listed", "<a href=docs/>", {"docs/a.txt": ""}),
    ("a query", "<script src=app.js?v=3></script>", {"app.js": ""}),
    (
        "escapes, entities and spaces",
        "<a href=' a%20b.html'><a href='a b.html'><a href='c&amp;d.html'>",
        {"a b.html": "", "c&d.html": ""},
    ),
    ("a name that is no UTF-8", "<a href=%FF.html>", {os.fsdecode(b"\xff.html"): ""}),
    ("letters of a page's own charset", "<meta charset=latin1><a href=\xe4.html>".encode("latin-1"), {"ä.html": ""}),
    ("backslashes", r"<img src=a\b.png>", {"a/b.png": ""}),
    ("above the root", "<img src=../../a.png>", {"a.png": ""}),
    ("a form that is posted", "<form method=post action=/api></form>", {}),
    ("hosts to connect to", "<link rel=preconnect href=/x>", {}),
    (
        "a comment, a script, a template",
        "<!--<a href=x>--><script>'<a href=x>'</script><template><img src=x></template>",
        {},
    ),
    ("text of a text area", "<textarea><a href=nix></textarea>", {}),
    ("places", "<p id=x><a name=y><a href=#x><a href=#y><a href=#><a href=#top><a href='#/route'>", {}),
    ("a place by its page's other address", "<a href=b#%C3%A4>", {"b/index.html": "<p id=ä>"}),
    ("a redirect to another site", "<a href=/out>", {"_redirects": "/out https://a.example/"}),
    ("a sheet's strings and comments", "<style>/* url(x) */ a{content:'url(x)'}b{fill:url(#x)}</style>", {}),
]


@pytest.mark.parametrize(("page", "others"), [pytest.param(*row[1:], id=row[0]) for row in GOOD])
def test_a_reference_that_is_right(page, others, tmp_path):
    assert shown(make(tmp_path, {HTML: page, **others})) == []


SHEETS = [
    ("bare", "a{b:url(x.png)}", ["x.png"]),
    ("quoted", "a{b:url( 'x y.png' )}", ["x y.png"]),
    ("imports", "@import 'a.css';@import\"b.css\" screen;@import url(c.css);", ["a.css", "b.css", "c.css"]),
    ("escapes", r"a{b:url(x\ y\29.png)}", ["x y).png"]),
    ("no function of that name", "a{b:my-url(x.png)}", []),
    ("an open comment", "/* url(x.png)", []),
    ("an open string", "a{b:'url(x.png)\n} c{d:url(y.png)}", ["x.png", "y.png"]),
    ("an open function", "a{b:url(x.png", []),
]


@pytest.mark.parametrize(("sheet", "references"), [pytest.param(*row[1:], id=row[0]) for row in SHEETS])
def test_a_sheet(sheet, references):
    assert [text for text, _ in find_references(sheet)] == references


def test_a_sheet_s_references_are_relative_to_it_and_have_their_line(tmp_path):
    make(tmp_path, {"css/a.css": "a{b:url(../x.png)}\n\n@import 'x.css';", "x.png": ""})
    assert shown(tmp_path) == ["css/a.css:3 error missing-asset"]


@pytest.mark.parametrize(
    "text", ["<" * 20000, "<!--" * 20000, "<a " * 20000, "url(" * 20000, "/*" * 20000, "'" * 20001]
)
def test_hostile_text_takes_no_time(text):
    read_page(text.encode())
    list(find_references(text))
    list(split_srcset(text))


DRAWING = '<svg xmlns="http://www.w3.org/2000/svg">\n<image href="{}"/><use href="#a"/></svg>'
MANIFEST = """{{"start_url": "/", "x": "no",
"icons": [{{"src": "{}"}}, 1],
"shortcuts": [{{"url": "{}", "icons": [{{"src": "a.png"}}]}}]}}"""
OTHERS = [
    ("a drawing", {"a.svg": DRAWING.format("nix.png")}, ["a.svg:2 error missing-asset"]),
    ("a drawing that is right", {"a.svg": DRAWING.format("a.png")}, []),
    ("a manifest's icon", {"a.webmanifest": MANIFEST.format("nix.png", "/")}, ["a.webmanifest:2 error missing-asset"]),
    ("a manifest's page", {"manifest.json": MANIFEST.format("a.png", "/nix")}, ["manifest.json:3 error broken-link"]),
    ("a manifest that is right", {"manifest.json": MANIFEST.format("a.png", ".")}, []),
    ("other data of that name", {"manifest.json": '{"index.html": {"src": "nix.html"}}', "b/manifest.json": "[["}, []),
    ("other data", {"a.json": MANIFEST.format("nix.png", "/nix")}, []),
]


@pytest.mark.parametrize(("files", "wrong"), [pytest.param(*row[1:], id=row[0]) for row in OTHERS])
def test_a_file_that_is_neither_page_nor_sheet(files, wrong, tmp_path):
    assert shown(make(tmp_path, {"a.png": "", **files})) == wrong


FILES = [
    ("a variant of the very time", {"a.js": SCRIPT, "a.js.gz": "trusted"}, {}, []),
    ("names that differ by case", {"A.txt": "kept", "a.txt": ""}, {}, ["a.txt:0 warning case-clash"]),
    ("folders that do", {"A/x.txt": "kept", "a/x.txt": ""}, {}, ["a:0 warning case-clash"]),
    (
        "a variant of something else",
        {"a.js": SCRIPT, "a.js.gz": gzip.compress(b"else")},
        {"a.js.gz": 1},
        ["a.js.gz:0 error stale-variant"],
    ),
    ("a variant that is none", {"a.js": SCRIPT, "a.js.gz": "text"}, {"a.js.gz": 1}, ["a.js.gz:0 error stale-variant"]),
    (
        "a variant that is older",
        {"a.js": SCRIPT, "a.js.gz": gzip.compress(SCRIPT.encode())},
        {"a.js.gz": -1},
        ["a.js.gz:0 warning old-variant"],
    ),
    ("a fresh variant", {"a.js": SCRIPT, "a.js.gz": gzip.compress(SCRIPT.encode())}, {}, []),
    (
        "a variant that others have",
        {"a.js": SCRIPT, "a.js.gz": gzip.compress(SCRIPT.encode()), "b.js": SCRIPT},
        {},
        ["b.js:0 warning missing-variant"],
    ),
    (
        "none that others have not",
        {"a.js": SCRIPT, "a.js.gz": gzip.compress(SCRIPT.encode()), "b.css": "a" * 4000, "c.js": "small"},
        {},
        [],
    ),
    (
        "a name without a hash",
        {"assets/app.js": "", "_headers": f"/assets/*\n  Cache-Control: {YEAR}"},
        {},
        ["assets/app.js:0 warning immutable-name"],
    ),
    (
        "a page",
        {"index.html": "", "_headers": f"/index.html\n  Cache-Control: {YEAR}"},
        {},
        ["index.html:0 error immutable-page"],
    ),
    (
        "a service worker",
        {"sw.js": "", "_headers": "/sw.js\n  Cache-Control: max-age=99999999"},
        {},
        ["sw.js:0 error immutable-page"],
    ),
    (
        "names with a hash, and a day",
        {
            "app-3f2a9c1b.js": "",
            "app-3f2a9c1b.js.map": "",
            "a.js": "",
            "_headers": f"/app-*\n  Cache-Control: {YEAR}\n/a.js\n  Cache-Control: max-age=86400",
        },
        {},
        [],
    ),
]


@pytest.mark.parametrize(("files", "ages", "wrong"), [pytest.param(*row[1:], id=row[0]) for row in FILES])
def test_a_file(files, ages, wrong, tmp_path):
    make(tmp_path, files)
    if not all((tmp_path / name).read_bytes() for name in files if files[name] == "kept"):
        pytest.skip("this file system does not tell case apart")
    for name, seconds in ages.items():
        os.utime(tmp_path / name, (1_700_000_000 + seconds, 1_700_000_000 + seconds))
    assert shown(tmp_path) == wrong


RULES = [
    ("a loop of two", "/a /b\n/b /a", "1 error redirect-loop"),
    ("a loop that grows", "/a/* /a/b/:splat", "1 error redirect-loop"),
    ("a loop under a condition", "/b /page\n/page /b 301! Language=de", "2 error redirect-loop"),
    ("a rule below a splat", "/blog/* /page 301\n/blog/new /x.html 301", "2 warning shadowed-rule"),
    ("a pattern below a wider one", "/:a/:b /page\n/blog/:slug /x.html", "2 warning shadowed-rule"),
    ("a rule twice", "/a /page\n/a /x.html 302", "2 warning shadowed-rule"),
    ("a query below none", "/a /page\n/a id=1 /x.html", "2 warning shadowed-rule"),
    ("a rule for a file", "/x.html /page", "1 warning dead-rule"),
    ("a rule that leads nowhere", "/a /nix", "1 error broken-rule"),
    ("a rewrite to nothing", "/a /nix.html 200", "1 error broken-rule"),
    ("a line that is none", "/a", "1 error rule-problem"),
    ("a forced rule for a file", "/x.html /page 301!", ""),
    ("a narrow rule above a wide one", "/blog/new /page\n/blog/:slug /x.html\n/blog/* /page", ""),
    ("a condition above none", "/a /page 302 Language=de\n/a /x.html", ""),
    ("a query above none", "/a id=1 /page\n/a /x.html", ""),
    ("an app's rewrite of all", "/* /index.html 200", ""),
    ("a page of its own for what is gone", "/old /x.html 410", ""),
    ("a splat that leads to the same name", "/old/* /:splat", ""),
]


@pytest.mark.parametrize(("rules", "wrong"), [pytest.param(*row[1:], id=row[0]) for row in RULES])
def test_a_rule(rules, wrong, tmp_path):
    make(tmp_path, {"_redirects": rules, "index.html": "", "page/index.html": "", "x.html": ""})
    found = shown(tmp_path)
    assert found == ([f"_redirects:{wrong}"] if wrong else [])


HOSTILE = {
    "a header pattern with two splats": {"_headers": "/en/*/assets/*\n  X-A: 1\n"},
    "nested globs": {
        "serve.json": json.dumps({"rewrites": [{"source": "*(" * 40 + "a" + ")" * 40, "destination": "/"}]}),
    },
    "a nested set": {"serve.json": json.dumps({"redirects": [{"source": "/([[a])", "destination": "/"}]})},
    "bytes of no text": {"_redirects": b"\xff\xfe\0 /\xff 301\n/:a\xff/* /b\n"},
    "dashes": {"_redirects": "/" + ":a-" * 200 + " /b\n/" + "a-" * 400 + " /x.html\n"},
    "segments": {"_redirects": "/:a" * 1 + "/b" * 400 + "/* /x.html\n/*/x /x.html\n"},
    "deep JSON": {"serve.json": "[" * 100_000},
}


@pytest.mark.parametrize("files", HOSTILE.values(), ids=HOSTILE)
def test_no_rule_file_stops_the_check(files, tmp_path):
    make(tmp_path, {"index.html": "", "x.html": "", **files})
    assert all(finding.file in files for finding in find(tmp_path))


def test_an_unreachable_rule_is_reported_in_plain_words(tmp_path):
    make(tmp_path, {"_redirects": "/a /page\n/a /x.html 302", "page.html": "", "x.html": ""})
    assert find(tmp_path)[0].message == "/a is unreachable: shadowed by the rule at _redirects:1"


CONDITIONAL = json.dumps(
    {
        "redirects": [
            {"source": "/x.html", "has": [{"type": "header", "key": "a", "value": "b+"}], "destination": "/"},
        ]
    }
)
ABSENT = json.dumps(
    {
        "redirects": [
            {"source": "/a", "missing": [{"type": "header", "key": "a"}], "destination": "/x.html"},
            {"source": "/a", "destination": "https://a.example/"},
        ]
    }
)
RELATIVE = "<img src=a.png>"
ABSOLUTE = "<base href=/><img src=a.png><a href=#top><a href=https://a.example>"
OPTIONS = [
    ("a condition that no request can be made for", {"x.html": "", "vercel.json": CONDITIONAL}, {"as_": "vercel"}, []),
    ("a condition that something is absent", {"x.html": "", "vercel.json": ABSENT}, {"as_": "vercel"}, []),
    (
        "an app's page with a relative picture",
        {HTML: RELATIVE, "a.png": ""},
        {"spa": HTML},
        ["index.html:1 warning relative-reference"],
    ),
    (
        "a page for absence with one",
        {"d/404.html": RELATIVE, "d/a.png": ""},
        {},
        ["d/404.html:1 warning relative-reference"],
    ),
    ("one that is none at this host", {"d/404.html": RELATIVE, "d/a.png": ""}, {"as_": "netlify"}, []),
    ("one with a base", {"404.html": ABSOLUTE, "a.png": ""}, {}, []),
    ("an app without its page", {"a.js": ""}, {"spa": HTML}, ["index.html:0 error missing-page"]),
    ("an app with another page", {HTML: "", "app/b.html": ""}, {"spa": "app/b.html"}, []),
    ("an app without its other page", {HTML: ""}, {"spa": "b.html"}, ["b.html:0 error missing-page"]),
    ("an app has any route", {HTML: "<a href=/deep/route>"}, {"spa": "index.html"}, []),
    (
        "and not any script",
        {HTML: "<script src=/nix.js></script>"},
        {"spa": "index.html"},
        ["index.html:1 error missing-asset"],
    ),
    (
        "clean URLs",
        {HTML: "<a href=/about>", "about.html": "<a href=#x>"},
        {"clean_urls": "true"},
        ["about.html:1 warning missing-fragment"],
    ),
    (
        "a base",
        {HTML: "<img src=/a.png><img src=/app/a.png>", "a.png": ""},
        {"base": "/app"},
        ["index.html:1 error missing-asset"],
    ),
    ("a host", {HTML: "<a href=/docs/>", "docs/a.txt": ""}, {"as_": "netlify"}, ["index.html:1 error broken-link"]),
    (
        "no rules",
        {HTML: "<a href=/a>", "_redirects": "/a /index.html"},
        {"rules": "off"},
        ["index.html:1 error broken-link"],
    ),
    (
        "immutable by expression",
        {"a.js": "", "app-3f2a9c1b.js": ""},
        {"immutable": "js$"},
        ["a.js:0 warning immutable-name"],
    ),
    (
        "a password",
        {HTML: "<a href=/>"},
        {"auth": "u:$2b$04$abcdefghijklmnopqrstuuVxeZ0sFvs1yFm0q1h4DYNa6dqJ5cT6W"},
        [],
    ),
]


@pytest.mark.parametrize(("files", "options", "wrong"), [pytest.param(*row[1:], id=row[0]) for row in OPTIONS])
def test_the_options_of_the_server_count(files, options, wrong, tmp_path):
    assert shown(make(tmp_path, files), **options) == wrong


def test_mounted_folders_are_checked_too(tmp_path):
    make(tmp_path, {"a/index.html": "<a href=/docs/b.html>", "b/b.html": "<a href=/><a href=nix>"})
    assert shown(tmp_path / "a", mount=f"/docs={tmp_path}/b") == [f"{tmp_path}/b/b.html:1 error broken-link"]


def test_one_file_is_checked(tmp_path):
    make(tmp_path, {"a.html": "<a href=/><a href=nix>"})
    assert shown(tmp_path / "a.html") == ["a.html:1 error broken-link"]


def test_no_file_stays_open(tmp_path):
    make(tmp_path, {"a.html": "<a href=b.html>", "b.html": "b"})
    before = os.listdir("/dev/fd")
    assert shown(tmp_path) == []
    assert len(os.listdir("/dev/fd")) == len(before)


def test_what_only_this_file_system_finds_in_another_case_is_wrong(tmp_path):
    listed = make(tmp_path / "listed", {"Logo.png": ""})
    served = make(tmp_path / "served", {"logo.png": ""})
    check = Check(load({}, {}, str(served)), str(served))
    found: list[Finding] = []
    links = Links(check._explainer, [take_inventory(Root(os.fsencode(listed)), b"", "", False)], found.append)
    links.check("a.html", "http://localhost/", [Reference("logo.png", 1, False)], "", set())
    assert [finding.code for finding in found] == ["wrong-case"]


def test_links_stay_inside(tmp_path):
    make(tmp_path, {"secret.html": "<a href=nix>", "out/b.html": "<a href=nix>", "site/in.html": "<a href=link.html>"})
    (tmp_path / "site" / "link.html").symlink_to("../secret.html")
    (tmp_path / "site" / "folder").symlink_to("../out")
    (tmp_path / "site" / "again").symlink_to(".")
    assert shown(tmp_path / "site") == ["in.html:1 error broken-link"]


@pytest.mark.parametrize("name", ["examples/site", "tests/data/spa/v1", "tests/data/spa/v2"])
@pytest.mark.parametrize("options", [{}, {"spa": "index.html"}, {"as_": "netlify"}, {"clean_urls": "true"}])
def test_real_builds_are_clean(name, options):
    assert find(CHECKOUT / name, **options) == []


def test_the_charset_of_a_page():
    assert decode(b"\xef\xbb\xbf\xc3\xa4") == decode("\ufeffä".encode("utf-16-le")) == "ä"
    assert decode(b"<meta charset=base64>\xff") == "<meta charset=base64>\ufffd"


def test_the_report_is_grouped_by_file():
    findings = [Finding("a.html", 3, "error", "broken-link", "x"), Finding("a.html", 12, "warning", "code", "y\x1b")]
    assert make_report(findings, 2, False) == (
        "a.html\n"
        "      3  error    broken-link  x\n"
        "     12  warning  code         y\\x1b\n\n"
        "1 error, 1 warning in 2 files\n"
    )
    assert "\x1b[31merror" in make_report(findings, 2, True)
    assert json.loads(make_json(findings))[0] == {
        "file": "a.html",
        "line": 3,
        "severity": "error",
        "code": "broken-link",
        "message": "x",
    }


def test_a_cause_in_many_places_is_reported_once(tmp_path):
    pages = {f"{folder}/{number}.html": "<a href=../nix>" for folder in "ab" for number in range(3)}
    pages["b/0.html"] += "\n<a href=/api/x><a href=/api/y/><a href=/api/z/z>" * 2
    make(tmp_path, pages | {"index.html": "<a href=mine>"})
    assert run(str(tmp_path)).stdout == (
        "more than 5 times (--verbose lists each)\n"
        "      6  error    broken-link  /nix returns 404\n"
        "                               a/0.html:1, a/1.html:1, a/2.html:1, and 3 more\n"
        "      6  error    broken-link  /api/ does not exist\n"
        "                               b/0.html:2, b/0.html:3\n\n"
        "index.html\n"
        "      1  error    broken-link  mine returns 404\n\n"
        "13 errors, 0 warnings in 7 files\n"
    )
    assert "more than" not in run("--verbose", str(tmp_path)).stdout
    assert len(json.loads(run("--json", str(tmp_path)).stdout)) == 13


@pytest.mark.parametrize(
    ("page", "arguments", "status"),
    [
        ("<a href=/>", [], 0),
        ("<a href=#x>", [], 0),
        ("<a href=#x>", ["--strict"], 1),
        ("<a href=nix>", [], 1),
        ("<a href=nix>", ["--strcit"], 2),
    ],
)
def test_the_exit_status(page, arguments, status, tmp_path):
    make(tmp_path, {HTML: page})
    done = run(str(tmp_path), *arguments)
    assert (done.returncode, bool(done.stderr)) == (status, status == 2)


def test_the_banner_names_a_folder_that_the_user_did_not_name(tmp_path):
    make(tmp_path / "dist", {HTML: ""})
    assert run(cwd=tmp_path).stdout == "./dist\n0 errors, 0 warnings in 1 file\n"
    assert run("--json", cwd=tmp_path).stdout == "[]\n"


def test_json_is_an_array_even_of_nothing(tmp_path):
    make(tmp_path, {HTML: "<a href=/>"})
    assert json.loads(run("--json", str(tmp_path)).stdout) == []
    make(tmp_path, {HTML: "<a href=nix>", os.fsdecode(b"\xff.html"): "<a href=nix>"})
    found = json.loads(run(str(tmp_path), "--json").stdout)
    assert [(each["file"], each["line"]) for each in found] == [(HTML, 1), ("\udcff.html", 1)]
    assert "\\udcff.html" in run(str(tmp_path)).stdout
