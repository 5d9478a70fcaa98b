"""The examples of docs/pages.md and header.md are served; those of docs/explain.md and docs/scripts.md are run."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest
from support.checkout import CHECKOUT
from support.rawclient import RawClient
from support.serverprocess import TIMEOUT_S, ServerProcess, clean_environment

from fastfile.cli.arguments import parse_arguments
from fastfile.cli.help import COMMANDS, USAGE

DOCS = CHECKOUT / "docs"
FENCE = re.compile(r"^```sh\nfastfile (.*?)\n```\n(.*?)(?=^```sh|^## |\Z)", re.MULTILINE | re.DOTALL)
ROW = re.compile(r"^\| `(/[^`]*)`(?: with `([^`]*)`)? \| (.+) \|$", re.MULTILINE)
OUTPUT = re.compile(r"^```\n(.*?)^```$", re.MULTILINE | re.DOTALL)
SCRIPTS = (DOCS / "scripts.md").read_text()
PAGES = FENCE.findall((DOCS / "pages.md").read_text())
EXPLANATIONS = FENCE.findall((DOCS / "explain.md").read_text())
FILES = ("index.html", "about.html", "404.html", "assets/app.js", "docs/index.html", "docs/guide.html", "docs/404.html")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The parent of the two folders of the page."""
    folder = tmp_path_factory.mktemp("example")
    for name in (*(f"dist/{name}" for name in FILES), "photos/cat.txt"):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name.partition("/")[2])
    return folder


@pytest.mark.parametrize(("command", "text"), PAGES, ids=[command for command, _ in PAGES])
def test_an_example_of_pages_md(folder: Path, command: str, text: str) -> None:
    rows = ROW.findall(text)
    assert rows
    with ServerProcess(shlex.split(command), cwd=str(folder)) as server, RawClient(server.connect()) as client:
        for target, field, expected in rows:
            response = client.request(target, "GET", *filter(None, [field]))
            status, _, what = expected.partition(" ")
            assert response.status == int(status), target
            if response.status == 301:
                assert response.fields["location"] == what.strip("`")
            elif what:
                assert response.body.decode() == what.strip("`"), target


def test_the_lines_for_a_registry_of_images_say_what_a_manifest_is(tmp_path: Path) -> None:
    (lines,) = re.findall(r"^```\n(/v2/.*?)^```$", (DOCS / "howto" / "header.md").read_text(), re.MULTILINE | re.DOTALL)
    (tmp_path / "_headers").write_text(lines)
    for name in ("latest", "sha256:" + 64 * "0"):
        manifest = tmp_path / "v2" / "team" / "app" / "manifests" / name
        manifest.parent.mkdir(parents=True, exist_ok=True)
        manifest.write_text("{}")
    with ServerProcess([str(tmp_path)]) as server, RawClient(server.connect()) as client:
        for name in ("latest", "sha256:" + 64 * "0"):
            response = client.request(f"/v2/team/app/manifests/{name}")
            assert response.fields["content-type"] == "application/vnd.oci.image.manifest.v1+json"
        assert client.request("/v2/").status == 200


@pytest.mark.parametrize(("command", "text"), EXPLANATIONS, ids=[command for command, _ in EXPLANATIONS])
def test_an_example_of_explain_md(folder: Path, command: str, text: str) -> None:
    (shown,) = OUTPUT.findall(text)
    done = subprocess.run(
        [sys.executable, "-m", "fastfile", *shlex.split(command)],
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        env=clean_environment(),
        check=False,
        cwd=folder,
    )
    printed = iter(done.stdout.splitlines())
    for line in shown.splitlines():
        assert line in printed, f"{line!r} is not there, or not in its place:\n{done.stdout}"
    steps = [line for line in done.stdout.splitlines() if line.startswith("  ")]
    assert steps == [line for line in shown.splitlines() if line.startswith("  ")]


@pytest.fixture
def commands(folder: Path, tmp_path: Path) -> dict[str, str]:
    """An environment in which `fastfile` is a command."""
    (tmp_path / "fastfile").write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -m fastfile "$@"\n')
    (tmp_path / "fastfile").chmod(0o755)
    return clean_environment() | {"PATH": f"{tmp_path}:{os.environ['PATH']}"}


def run_in(folder: Path, command: list[str], environ: dict[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command, cwd=folder, env=environ, capture_output=True, text=True, timeout=3 * TIMEOUT_S, check=False
    )


def test_the_shell_s_example_of_scripts_md(folder: Path, commands: dict[str, str]) -> None:
    script = re.findall(r"^```sh\n(.*?)^```$", SCRIPTS, re.MULTILINE | re.DOTALL)[1]
    done = run_in(folder, ["bash", "-ec", script], commands)
    assert (done.returncode, done.stdout, done.stderr) == (0, "index.html", "")


def test_the_python_of_scripts_md(folder: Path, commands: dict[str, str]) -> None:
    """Run its test with a page that is no browser's, and its program."""
    example, program = re.findall(r"^```python\n(.*?)^```$", SCRIPTS, re.MULTILINE | re.DOTALL)
    fixture = "@pytest.fixture\ndef page():\n    return SimpleNamespace(goto=lambda url: urlopen(url).close())\n"
    imports = "import pytest\nfrom types import SimpleNamespace\nfrom urllib.request import urlopen\n"
    (folder / "test_site.py").write_text(imports + fixture + example.replace('"login"', '""'))
    options = ["-q", "-p", "no:cacheprovider", "-p", "fastfile.pytest_plugin", "--fastfile-dir", "dist"]
    environ = {**commands, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    done = run_in(folder, [sys.executable, "-m", "pytest", *options, "test_site.py"], environ)
    assert done.returncode == 0, done.stdout
    done = run_in(folder, [sys.executable, "-c", program], commands)
    assert re.fullmatch(r"http://127\.0\.0\.1:\d+/\n", done.stdout), done.stderr


def command_lines(page: Path) -> list[list[str]]:
    """Return the arguments of fastfile in each line of a page's shell examples."""
    examples = re.findall(r"^```sh\n(.*?)^```$", page.read_text(), re.MULTILINE | re.DOTALL)
    lines = [
        line
        for example in examples
        for line in example.replace("\\\n", "").splitlines()
        if line.startswith("fastfile ")
    ]
    return [shlex.split(re.split(" [>&]", line)[0], comments=True)[1:] for line in lines]


@pytest.mark.parametrize(
    "page", ["README.md", "deploy/README.md", *(f"{path.relative_to(DOCS.parent)}" for path in DOCS.rglob("*.md"))]
)
def test_the_commands_of_a_page_have_options_that_there_are(
    page: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder)
    for arguments in command_lines(DOCS.parent / page):
        command = arguments[0] if arguments and arguments[0] in COMMANDS else ""
        usage = import_module(COMMANDS[command]).USAGE if command else USAGE
        if usage.accepted:
            before = {"": 0, "explain": 2}.get(command, 1)
            parse_arguments(usage, arguments[before:])


def test_all_examples_were_found() -> None:
    assert len(command_lines(DOCS.parent / "README.md")) == 13
    assert (len(PAGES), len(EXPLANATIONS)) == (10, 5)
