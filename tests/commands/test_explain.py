"""``fastfile explain``: it prints the response that a client gets, and the steps that led to it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from support.rawclient import RawClient
from support.serverprocess import TIMEOUT_S, ServerProcess, clean_environment


def explain(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "fastfile", "explain", *arguments]
    return subprocess.run(
        command, capture_output=True, text=True, timeout=TIMEOUT_S, env=clean_environment(), check=False
    )


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    for name in ("index.html", "about.html", "404.html", "app.js", "app.js.br", "docs/index.html", "a b/ü.txt"):
        path = folder / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(name)
    return folder


def test_a_request_of_http_2_is_shown_with_its_pseudo_headers(site: Path) -> None:
    done = explain("https://localhost/docs", "--http2", str(site))
    assert done.returncode == 0, done.stderr
    lines = [line.strip() for line in done.stdout.splitlines()]
    for line in (":method: GET", ":scheme: https", ":authority: localhost", ":path: /docs", ":path: /docs/"):
        assert line in lines, done.stdout
    assert [line for line in lines if line.startswith(":status")] == [":status: 301", ":status: 200"]
    assert "HTTP/1.1" not in done.stdout


@pytest.mark.parametrize("arguments", [[], ["--help"], ["/", "--help"]], ids=" ".join)
def test_help_is_shown_wherever_it_is_asked_for(arguments):
    done = explain(*arguments)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("Usage: fastfile explain URL")


@pytest.mark.parametrize(
    ("arguments", "steps", "statuses", "exit_status"),
    [
        pytest.param(["/"], ["file index.html"], [200], 0, id="a folder's index"),
        pytest.param(["/a b"], ["folder a b", "listing a b"], [301, 200], 0, id="a folder"),
        pytest.param(["/docs"], ["redirect docs/index.html", "file docs/index.html"], [301, 200], 0, id="a redirect"),
        pytest.param(
            ["/about.html", "--clean-urls"],
            ["redirect about.html", "file about.html"],
            [301, 200],
            0,
            id="a clean address",
        ),
        pytest.param(
            ["/APP.js"],
            [
                "not found APP.js",
                "404 page 404.html",
                "hint app.js exists. Upper and lower case are different in URLs.",
            ],
            [404],
            1,
            id="a page of the site's own for a 404",
        ),
        pytest.param(
            ["/nix", "--spa"], ["not found nix", "404 page 404.html", "fallback index.html"], [200], 0, id="an app"
        ),
        pytest.param(
            ["/nix", "--spa", "--fetch"],
            [
                "not found nix",
                "404 page 404.html",
                "fallback index.html",
                "hint This request is for data or for a part of a page. Only navigations get index.html.",
            ],
            [404],
            1,
            id="a part that an app lacks",
        ),
        pytest.param(["/a b/ü.txt"], ["file a b/ü.txt"], [200], 0, id="a path as people write it"),
        pytest.param(["/a%20b/%C3%BC.txt?q#f"], ["file a b/ü.txt"], [200], 0, id="and as browsers do"),
        pytest.param(["http://localhost:9/app.js"], ["file app.js"], [200], 0, id="a URL"),
        pytest.param(
            ["http://other.example:80/"],
            ["hint The server rejects requests for other.example. --allowed-host other.example allows them."],
            [421],
            1,
            id="a foreign host",
        ),
        pytest.param(
            ["/app.js", "--base", "/app"],
            ["hint Nothing is served outside of /app/, the path of --base."],
            [404],
            1,
            id="a path outside of the base",
        ),
        pytest.param(
            ["/.git/config"],
            [
                "hidden .git/config",
                "not found .git/config",
                "404 page 404.html",
                "hint Names that begin with a dot are not served. --dotfiles serves them; --dotfile NAME serves one "
                "name.",
            ],
            [404],
            1,
            id="a hidden name",
        ),
        pytest.param(["/%zz"], [], [400], 1, id="a bad escape"),
    ],
)
def test_explanation(site, arguments, steps, statuses, exit_status):
    done = explain(*arguments, str(site))
    assert done.stderr == ""
    lines = done.stdout.splitlines()
    assert [" ".join(line.split()) for line in lines if line.startswith("  ")] == steps
    assert [int(line.split()[1]) for line in lines if line.startswith("HTTP/")] == statuses
    assert done.returncode == exit_status


def test_the_head_is_the_one_that_a_client_gets(site):
    explained = explain("/app.js", "--fetch", str(site)).stdout.splitlines()
    with ServerProcess([str(site)]) as server, RawClient(server.connect()) as client:
        response = client.request("/app.js", "GET", "Accept-Encoding: gzip, deflate, br, zstd")
    shown = dict(line.split(": ", 1) for line in explained if ": " in line)
    received = {name: value for name, value in response.fields.items() if name != "date"}
    assert {name.lower(): value for name, value in shown.items()} == received
    assert received["content-encoding"] == "br"


def test_a_field_of_one_s_own_counts(site):
    done = explain("/app.js", "-H", "Accept-Encoding: identity", "-H", "Range: bytes=0-1", str(site))
    assert "206 Partial Content" in done.stdout
    assert "Content-Encoding" not in done.stdout


def test_rules_and_their_problems_are_returned(tmp_path):
    (tmp_path / "new.html").write_text("new")
    (tmp_path / "_redirects").write_text("/old /new.html\n/bad\n")
    done = explain("/old", str(tmp_path))
    assert "rule       _redirects:1" in done.stdout
    assert "file       new.html" in done.stdout
    assert done.stderr.startswith("fastfile: _redirects:2: ")


def test_a_password_that_is_asked_for_is_told(site):
    hashed = "$scrypt$ln=1,r=1,p=1$c2FsdHNhbHQ$AAAAAAAAAAAAAAAAAAAAAAAAAAA"
    done = explain("/", "--auth", f"ann:{hashed}", str(site))
    assert "HTTP/1.1 401" in done.stdout
    assert hashed not in done.stdout


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["--spa"], "URL (from the command line): expected a URL or a path first"),
        (["http://[bad/"], "URL (from the command line): expected a URL or a path first"),
        (["/", "-H", "nothing"], "--field (from the command line): expected NAME: VALUE"),
        (["/", "--spaa"], "--spaa (from the command line): no such option; did you mean --spa?"),
    ],
)
def test_a_mistake_is_one_line(arguments, problem):
    done = explain(*arguments)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert problem in done.stderr


def test_problems_of_the_rules_are_reported(tmp_path):
    (tmp_path / "_redirects").write_text("wrong\n/a /b\n")
    done = explain("/a", str(tmp_path))
    assert done.stderr == "fastfile: _redirects:1: wrong does not begin with a slash\n"
    assert "  rule       _redirects:2\n" in done.stdout


def test_a_word_that_is_also_a_folder_is_served_as_a_path(tmp_path):
    (tmp_path / "explain").mkdir()
    (tmp_path / "explain" / "x.txt").write_text("served")
    with ServerProcess(["./explain"], cwd=str(tmp_path)) as server, RawClient(server.connect()) as client:
        assert client.request("/x.txt").body == b"served"


def test_nothing_of_a_site_writes_a_control_character_to_the_terminal(tmp_path):
    name = "a\x1b[31m\x9b2J\u202eb.txt"
    (tmp_path / name).write_text("")
    (tmp_path / "_headers").write_text("/*\n  X-Colour: \x9b31mred\n")
    (tmp_path / "_redirects").write_text("/go /\x1b[31m\x9b31m\n/\x1b[31m\x9b /x\n")
    for target in (f"/{name}", "/go", "/\x1b[31m\x9b"):
        done = explain(target, str(tmp_path))
        shown = [character for character in done.stdout + done.stderr if character != "\n"]
        assert [character for character in shown if not character.isprintable()] == []
