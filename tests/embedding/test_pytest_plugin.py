"""The fixtures for pytest, in runs of pytest of their own."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from support.serverprocess import clean_environment, processes

TIMEOUT_S = 120

FETCH = """
import os, sys, urllib.request, urllib.error
from pathlib import Path
import pytest

def fetch(url):
    try:
        with urllib.request.urlopen(url) as response:
            return response.read().decode()
    except urllib.error.HTTPError as error:
        return error.code
"""

Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Run pytest on a file of tests, with the plugin and no other but those named."""

    def run(tests: str, *arguments: str, plugins: tuple[str, ...] = ()) -> subprocess.CompletedProcess[str]:
        (tmp_path / "test_it.py").write_text(FETCH + tests)
        (tmp_path / "pytest.ini").write_text("[pytest]\n")
        environment = {**clean_environment(), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
        command = [sys.executable, "-m", "pytest", "-p", "fastfile.pytest_plugin", "-q", "--color=no"]
        command += [word for plugin in plugins for word in ("-p", plugin)]
        return subprocess.run(
            [*command, "-W", "error", f"--basetemp={tmp_path}/temp", *arguments],
            cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=TIMEOUT_S, check=False,
            start_new_session=True,
        )  # fmt: skip

    return run


FIXTURES = """
def test_the_root(static_server, static_server_root):
    (static_server_root / "index.html").write_text("home")
    assert fetch(static_server.url) == "home"
    static_server.requests.assert_requested("/", count=1)

def test_a_factory(make_static_server, static_server_root, tmp_path):
    (static_server_root / "about.html").write_text("about")
    (tmp_path / "a.txt").write_text("a")
    assert fetch(make_static_server(clean_urls=True).url_for("about")) == "about"
    assert fetch(make_static_server(tmp_path).url_for("a.txt")) == "a"

def test_files(serve_files):
    server = serve_files({"index.html": "home", "data/x.bin": b"x", "/é/y.txt": "é"}, spa=True)
    assert fetch(server.url) == "home"
    assert fetch(server.url_for("data/x.bin")) == "x"
    assert fetch(server.url_for("é/y.txt")) == "é"
    with pytest.raises(ValueError):
        serve_files({"../x": ""})

def test_the_build(fastfile_server):
    assert fetch(fastfile_server.url) == "build"

def test_the_build_again(fastfile_server):
    assert fetch(fastfile_server.url) == "build"
    assert len(fastfile_server.requests) == 2
"""


def test_the_fixtures_serve(run: Run, tmp_path: Path) -> None:
    (tmp_path / "dist").mkdir()
    (tmp_path / "dist" / "index.html").write_text("build")
    result = run(FIXTURES)
    assert result.returncode == 0, result.stdout


FOLDER = """
def test_it(fastfile_server, static_server):
    assert fetch(fastfile_server.url) == fetch(static_server.url) == "chosen"
"""


def test_the_folder_comes_from_the_option_or_the_ini_file(run: Run, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "index.html").write_text("chosen")
    assert run(FOLDER, "--fastfile-dir", "mine").returncode == 0
    assert run(FOLDER, "-o", "fastfile_dir=mine").returncode == 0
    result = run(FOLDER)
    assert "fastfile_server: name the folder: no index.html in " in result.stdout
    assert "; give it with --fastfile-dir or fastfile_dir" in result.stdout
    assert "Traceback" not in result.stdout
    missing = run(FOLDER, "--fastfile-dir", "missing")
    assert "missing: no such folder or file" in missing.stdout
    assert "; it comes from --fastfile-dir or fastfile_dir" in missing.stdout
    assert "Traceback" not in missing.stdout


def test_a_root_may_be_overridden(run: Run, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "index.html").write_text("mine")
    override = """
@pytest.fixture
def static_server_root():
    return Path(__file__).with_name("mine")

def test_it(static_server):
    assert fetch(static_server.url) == "mine"
"""
    assert run(override).returncode == 0


FAILING = """
def test_before(fastfile_server):
    fetch(fastfile_server.url_for("before"))

def test_that_fails(fastfile_server, serve_files):
    fetch(fastfile_server.url_for("one?q=1"))
    fetch(serve_files({"two.txt": "2"}).url_for("two.txt"))
    assert False

def test_that_succeeds(fastfile_server):
    fetch(fastfile_server.url_for("after"))
"""


def test_the_report_of_a_failed_test_has_its_requests_and_no_others(run: Run, tmp_path: Path) -> None:
    (tmp_path / "index.html").write_text("build")
    result = run(FAILING, "--fastfile-dir", ".")
    assert "GET /one?q=1 404" in result.stdout
    assert "GET /two.txt 200" in result.stdout
    assert result.stdout.count("fastfile: requests to http://127.0.0.1:") == 2
    assert "/before" not in result.stdout.replace('"before"', "")
    assert "/after" not in result.stdout.replace('"after"', "")


UNUSED = """
def test_it():
    loaded = {name for name in sys.modules if name.partition(".")[0] == "fastfile"}
    assert loaded == {"fastfile", "fastfile._extensions", "fastfile.pytest_plugin"}
"""


def test_it_costs_nothing_where_it_is_not_used(run: Run) -> None:
    assert run(UNUSED).returncode == 0


START = """
import time

def taken(request):
    before = time.process_time()
    request.getfixturevalue("static_server")
    return time.process_time() - before

def test_the_first(request):
    assert taken(request) < 1.0

def test_another(request):
    assert taken(request) < 0.1
"""


def test_a_fixture_starts_quickly(run: Run) -> None:
    """The first one imports the server too: processor time, which is several times higher on a busy machine."""
    result = run(START)
    assert result.returncode == 0, result.stdout


MANY = """
import json

@pytest.mark.parametrize("number", range(12))
def test_it(number, serve_files, fastfile_server, tmp_path):
    server = serve_files({"n.txt": str(number)})
    assert fetch(server.url_for("n.txt")) == str(number)
    with open(os.environ["PORTS"], "a") as file:
        file.write(json.dumps([server.port, fastfile_server.port]) + "\\n")
    if number == 5 and os.environ.get("CRASH"):
        os._exit(9)
"""


@pytest.mark.parametrize("crash", [False, True])
def test_nothing_is_left_after_workers_of_xdist(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, crash: bool
) -> None:
    (tmp_path / "index.html").write_text("build")
    ports = tmp_path / "ports"
    monkeypatch.setenv("PORTS", str(ports))
    if crash:
        monkeypatch.setenv("CRASH", "1")
    result = run(MANY, "-n", "2", "-p", "no:randomly", "--fastfile-dir", ".", plugins=("xdist",))
    assert ("12 passed" in result.stdout) != crash, result.stdout
    assert ("crashed" in result.stdout) == crash, result.stdout
    used = {port for line in ports.read_text().splitlines() for port in json.loads(line)}
    assert len(used) > 2
    for port in used:
        socket.create_server(("127.0.0.1", port)).close()  # fails while another socket listens there
    deadline = time.monotonic() + TIMEOUT_S
    while [p for p in processes() if p.group != os.getpgrp() and str(tmp_path) in command_of(p.pid)]:
        assert time.monotonic() < deadline


def command_of(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace")
    except OSError:
        return ""
