"""Convenience: a browser that opens by itself, and a server that prints nothing with --quiet."""

from __future__ import annotations

import os
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.rawclient import RawClient
from support.serverprocess import TIMEOUT_S, ServerProcess, clean_environment

# As root no browser is started. Tests that run as root become the user nobody, who must be able to read Python, which
# may be in root's home.
AS_NOBODY = """
import os, sys
command = [sys.executable, "-m", "fastfile", *sys.argv[1:]]
if os.geteuid() == 0:
    capabilities = "+dac_override"
    ids = ("--reuid", "65534", "--regid", "65534", "--clear-groups")
    command[:0] = ["setpriv", *ids, "--inh-caps", capabilities, "--ambient-caps", capabilities]
os.execvp(command[0], command)
"""
as_nobody = pytest.mark.skipif(os.geteuid() == 0 and not shutil.which("setpriv"), reason="root cannot become nobody")


def takes_privileges(port: int) -> bool:
    """Tell whether this system reserves a port for privileged users, as only Linux can (ip(7))."""
    first = Path("/proc/sys/net/ipv4/ip_unprivileged_port_start")
    return first.exists() and port < int(first.read_text())


@pytest.fixture
def site() -> Iterator[Path]:
    """A folder that every user may read and write: pytest's own are closed to the user nobody."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder) / "site"
        root.mkdir()
        (root / "index.html").write_bytes(b"hello")
        for path in (Path(folder), root):
            path.chmod(0o777)
        yield root


class Browser:
    """A program for BROWSER: it writes its URL argument into a pipe that the test reads."""

    def __init__(self, folder: Path) -> None:
        pipe = folder / "opened"
        os.mkfifo(pipe)
        pipe.chmod(0o666)
        self._pipe = os.open(pipe, os.O_RDWR)
        script = folder / "browser"
        script.write_text(f'#!/bin/sh\necho "$1" > {shlex.quote(str(pipe))}\n')
        script.chmod(0o755)
        self.environ = {"BROWSER": f"{script} %s"}

    def opened(self) -> str:
        return os.read(self._pipe, 4096).decode().strip()

    def has_opened(self) -> bool:
        os.set_blocking(self._pipe, False)
        try:
            return bool(os.read(self._pipe, 4096))
        except BlockingIOError:
            return False


@as_nobody
def test_the_browser_is_opened_at_the_page_that_is_served(site: Path) -> None:
    browser = Browser(site.parent)
    # Must not run: it would shadow the standard library's module if the folder were on the path.
    (site / "webbrowser.py").write_text("raise SystemExit('this is not the module of that name')")
    with ServerProcess(["--open", "."], browser.environ, str(site), ("-c", AS_NOBODY)) as server:
        assert browser.opened() == f"http://localhost:{server.port}/"
        with RawClient(server.connect()) as client:
            assert client.request("/").body == b"hello"


@as_nobody
@pytest.mark.parametrize(
    ("options", "path"),
    [
        (["--open=/about?a=b#c"], "/about?a=b#c"),
        (["--base", "/app", "--open"], "/app/"),
        (["--base", "/app", "--open=/app/x"], "/app/x"),
    ],
)
def test_it_is_opened_at_the_path_that_was_given(options: list[str], path: str, site: Path) -> None:
    browser = Browser(site.parent)
    with ServerProcess([*options, "."], browser.environ, str(site), ("-c", AS_NOBODY)) as server:
        assert browser.opened() == f"http://localhost:{server.port}{path}"


@as_nobody
def test_it_is_opened_once_and_not_at_a_reload(site: Path) -> None:
    browser = Browser(site.parent)
    with ServerProcess(["--open", "."], browser.environ, str(site), ("-c", AS_NOBODY)) as server:
        browser.opened()
        before = server.wait_for_workers(1)
        server.signal(signal.SIGHUP)
        while server.wait_for_workers(1) == before:
            pass
        assert not browser.has_opened()


@as_nobody
def test_a_browser_in_the_foreground_does_not_delay_the_server(site: Path) -> None:
    script = site.parent / "browser"
    script.write_text("#!/bin/sh\nexec sleep 3\n")
    script.chmod(0o755)
    with (
        ServerProcess(["--open", "."], {"BROWSER": f"{script} %s"}, str(site), ("-c", AS_NOBODY)) as server,
        RawClient(server.connect()) as client,
    ):
        assert client.request("/").status == 200


@pytest.mark.skipif(os.geteuid() != 0, reason="for root")
def test_root_opens_no_browser_and_the_banner_says_so(site: Path) -> None:
    browser = Browser(site.parent)
    with ServerProcess(["--open", str(site)], browser.environ) as server:
        assert "--open: the browser is not started as root" in server.stdout
    assert not browser.has_opened()


@as_nobody
@pytest.mark.skipif(not takes_privileges(80), reason="anybody may listen on port 80")
def test_a_port_that_takes_a_privilege_says_which_take_none(site: Path) -> None:
    command = [sys.executable, "-c", AS_NOBODY, "--port", "80", str(site)]
    done = subprocess.run(
        command, env=clean_environment(), capture_output=True, text=True, timeout=TIMEOUT_S, check=False
    )
    line = "fastfile: cannot listen on localhost:80: Permission denied; ports from 1024 on need no permission\n"
    assert (done.returncode, done.stderr) == (1, line)


def run_quietly(site: Path, *args: str) -> tuple[str, str]:
    """Serve until one request has a response; return the output of both streams."""
    ready = site.parent / "ready"
    path = site.parent / "socket"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(ready))
        manager.settimeout(TIMEOUT_S)
        process = subprocess.Popen(
            [sys.executable, "-m", "fastfile", "--bind", f"unix:{path}", "--quiet", *args, str(site)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={**clean_environment(), "NOTIFY_SOCKET": str(ready)},
        )
        try:
            assert manager.recv(4096).startswith(b"READY=1")
            connection = socket.socket(socket.AF_UNIX)
            connection.settimeout(TIMEOUT_S)
            connection.connect(str(path))
            with RawClient(connection) as client:
                assert client.request("/").status == 200
            process.send_signal(signal.SIGTERM)
            output, errors = process.communicate(timeout=TIMEOUT_S)
        finally:
            process.kill()
            process.wait()
    assert process.returncode == 0
    return output.decode(), errors.decode()


def test_a_quiet_server_prints_nothing(site: Path) -> None:
    assert run_quietly(site) == ("", "")


def test_a_log_that_is_asked_for_is_written_all_the_same(site: Path) -> None:
    output, errors = run_quietly(site, "--log-format", "common")
    assert '"GET / HTTP/1.1" 200 5' in output
    assert errors == ""


def test_what_is_out_of_the_ordinary_is_still_said(site: Path) -> None:
    assert run_quietly(site, "--open") == ("", "fastfile: --open: a Unix socket has no URL for a browser\n")
