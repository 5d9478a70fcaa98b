"""netlify.toml: its redirects after those of ``_redirects``, its headers, and unsupported features.

The examples are from Netlify's documentation (File-based configuration, Redirect options, Custom headers).
"""

from __future__ import annotations

from pathlib import Path

import pytest
from support.rawclient import RawClient, check_framing
from support.serverprocess import ServerProcess

from fastfile.message import RequestHead
from fastfile.rules.headers import FieldBook
from fastfile.rules.netlify import read_netlify_config
from fastfile.rules.rulebook import Rulebook

CONFIG = """\
[build]
  publish = "dist"

[[redirects]]
  from = "/old-path"
  to = "/new-path"
  status = 302
  force = true
  query = {path = ":path"}
  conditions = {Language = ["en"], Cookie = ["a", "b"]}

[[redirects]]
  from = "/news/*"
  to = "/blog/:splat"

[[redirects]]
  from = "/api/*"
  to = "https://us-central1-netlify-intercom.cloudfunctions.net/readHeaders/:splat"
  status = 200
  force = true
  headers = {X-From = "Netlify"}

[[redirects]]
  from = "/signed/*"
  to = "/x"
  signed = "API_SIGNATURE_TOKEN_PLACEHOLDER"

[[redirects]]
  from = "/f"
  to = "/.netlify/functions/f"
  status = 200

[[redirects]]
  from = "/*"
  to = "/index.html"
  status = 200

[[headers]]
  for = "/*"
  [headers.values]
    X-Frame-Options = "DENY"
    cache-control = '''
    max-age=0,
    no-cache'''

[[edge_functions]]
  path = "/admin/*"
  function = "auth"
"""


def outcome(config: str, target: str, fields: bytes = b"") -> object:
    rules, _, _ = read_netlify_config(config.encode())
    path, _, query = target.encode().partition(b"?")
    found = Rulebook(rules).find(path, query or None, RequestHead(b"GET", target.encode(), 1, 0, fields))
    return found and (found.rule.status, found.reference.decode(), found.rule.forced)


@pytest.mark.parametrize(
    ("target", "fields", "expected"),
    [
        ("/news/1/2", b"", (301, "/blog/1/2", False)),
        ("/old-path?path=x", b"", (200, "/index.html?path=x", False)),
        ("/old-path?path=x", b"Accept-Language: en\r\nCookie: b=1\r\n", (302, "/new-path?path=x", True)),
        ("/api/users", b"", (501, "", True)),
        ("/signed/x", b"", (501, "", False)),
        ("/f", b"", (501, "", False)),
        ("/admin/x", b"", (501, "", True)),
        ("/any/where", b"", (200, "/index.html", False)),
    ],
)
def test_redirect(target: str, fields: bytes, expected: object) -> None:
    assert outcome(CONFIG, target, fields) == expected


def test_headers_are_set_and_a_value_may_have_several_lines() -> None:
    _, header_rules, _ = read_netlify_config(CONFIG.encode())
    added = dict(FieldBook(header_rules, False).changes(b"/x").added)
    assert added == {b"X-Frame-Options": b"DENY", b"cache-control": b"max-age=0,, no-cache"}


def test_what_cannot_be_followed_is_reported_with_its_line() -> None:
    _, _, problems = read_netlify_config(CONFIG.encode())
    assert [str(problem) for problem in problems] == [
        "netlify.toml:16: redirects[2]: https://us-central1-netlify-intercom.cloudfunctions.net/readHeaders/:splat "
        "is on another server, and only --proxy forwards requests; /api/* returns 501",
        "netlify.toml:23: redirects[3]: /x needs signed requests, and fastfile signs none; /signed/* returns 501",
        "netlify.toml:28: redirects[4]: /.netlify/functions/f is a Netlify service, which fastfile does not have; "
        "/f returns 501",
        "netlify.toml:46: edge_functions[0]: edge functions are not run; /admin/* returns 501",
    ]


REDIRECT = '[[redirects]]\nfrom = "/a"\nto = "/b"\n'


@pytest.mark.parametrize(
    ("config", "problem"),
    [
        ("x = ", "netlify.toml: not TOML: Invalid value"),
        ("\n\nx = [", "netlify.toml: not TOML: Invalid value"),
        ("redirects = 3", "netlify.toml:1: redirects: expected [[redirects]]"),
        ("\nredirects = [3]", "netlify.toml:2: redirects[0]: expected a table"),
        ('[[redirect]]\nfrom = "/a"', "netlify.toml:1: redirect: no such section; did you mean redirects?"),
        ('[[redirects]]\nto = "/b"', "netlify.toml:1: redirects[0]: has no from"),
        ('\n[[redirects]]\nfrom = "/a"', "netlify.toml:2: redirects[0]: there is no destination"),
        ('[[redirects]]\nfrom = 3\nto = "/b"', "redirects[0]: from: expected a string"),
        (REDIRECT + 'status = "x"', "redirects[0]: x is not a status"),
        (REDIRECT + "status = -1", "redirects[0]: -1 is not a status"),
        (REDIRECT + 'force = "yes"', "redirects[0]: expected query and conditions as tables"),
        (REDIRECT + "conditions = {Role = ['admin']}", "redirects[0]: Role is not known here"),
        (REDIRECT + "query = {a = 3}", "redirects[0]: expected a string, or a list of strings"),
        (REDIRECT + "statsu = 301", "redirects[0]: statsu: no such key"),
        ('[[headers]]\nfor = "/a"', "headers[0]: has no values"),
        (
            '[[headers]]\nfor = "/a"\nvalues = {Date = "x"}',
            "headers[0].values.Date: Date can only be set by the server",
        ),
        ('[[headers]]\nfor = "/a"\nvalues = {A = 3}', "headers[0].values.A: expected a string"),
        ('[[edge_functions]]\npath = "/*"\nfunction = "f"', "edge functions are not run; this one is for all paths"),
        ("a" + ".a" * 300 + " = 1", "netlify.toml: a line has more than 256 dots"),
        ("#" * 300_000, "netlify.toml: the file is larger than 262144 bytes"),
    ],
)
def test_a_problem_names_its_place(config: str, problem: str) -> None:
    _, _, problems = read_netlify_config(config.encode())
    assert problem in str(problems[0])
    assert len(problems) == 1


def test_an_entry_that_is_wrong_leaves_the_others() -> None:
    config = '[[redirects]]\nfrom = "/x"\n' + REDIRECT
    assert outcome(config, "/a") == (301, "/b", False)


def test_redirects_of_the_other_file_come_first_and_headers_of_this_one_win(tmp_path: Path) -> None:
    (tmp_path / "dist").mkdir()
    (tmp_path / "dist/index.html").write_text("home")
    (tmp_path / "dist/_redirects").write_text("/a /first\n")
    (tmp_path / "dist/_headers").write_text("/\n  X-A: file\n  X-B: file\n")
    (tmp_path / "netlify.toml").write_text(
        REDIRECT + '[[redirects]]\nfrom = "/c"\nto = "/d"\n[[headers]]\nfor = "/"\nvalues = {X-A = "toml"}\n'
    )
    with (
        ServerProcess(["--as", "netlify", str(tmp_path / "dist")]) as server,
        RawClient(server.connect(), (check_framing,)) as client,
    ):
        assert client.request("/a").fields["location"] == "/first"
        assert client.request("/c").fields["location"] == "/d"
        home = client.request("/").fields
        assert (home["x-a"], home["x-b"]) == ("toml", "file")
        assert client.request("/netlify.toml").status == 404


@pytest.mark.parametrize("options", [[], ["--as", "netlify"]])
def test_the_file_is_never_served(tmp_path: Path, options: list[str]) -> None:
    (tmp_path / "netlify.toml").write_text("[build]\n")
    with ServerProcess([*options, str(tmp_path)]) as server, RawClient(server.connect(), (check_framing,)) as client:
        assert client.request("/netlify.toml").status == 404
        assert client.request("/NETLIFY.TOML").status == 404


def test_api_calls_get_501_and_not_the_page_of_the_app(tmp_path: Path) -> None:
    (tmp_path / "index.html").write_text("the app")
    (tmp_path / "_redirects").write_text("/api/* https://api.example/:splat 200\n/* /index.html 200\n")
    with ServerProcess([str(tmp_path)]) as server, RawClient(server.connect(), (check_framing,)) as client:
        assert client.request("/any").body == b"the app"
        refused = client.request("/api/users")
        assert refused.status == 501
        assert b"forwards requests" in refused.body
        assert b"api.example" not in refused.body
