"""--run: a command beside the server: its output, its end, and what pages hear of it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from support.livepage import Listener
from support.rawclient import RawClient
from support.serverprocess import TIMEOUT_S, ServerProcess, clean_environment


def wait_for(holds: object, what: str) -> None:
    deadline = time.monotonic() + TIMEOUT_S
    while not holds():  # type: ignore[operator]
        assert time.monotonic() < deadline, what
        time.sleep(0.01)  # nothing tells a bystander


def is_alive(pid_file: Path) -> bool:
    try:
        state = Path(f"/proc/{pid_file.read_text().strip()}/stat").read_text()
    except FileNotFoundError:
        return False
    return state.rpartition(")")[2].split()[0] != "Z"


def test_its_output_has_a_prefix_and_its_end_is_told(tmp_path: Path) -> None:
    command = "echo one; printf 'two\\nthree' >&2; exit 3"
    with ServerProcess(["--run", command, str(tmp_path)]) as server:
        wait_for(lambda: "exit status 3" in server.stderr, "its end is told")
        lines = server.stderr.splitlines()
    assert lines[:3] == ["run | one", "run | two", "run | three"]
    assert lines[3] == f"fastfile: --run: {command} ended with exit status 3"


@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_it_ends_with_the_server_and_so_does_what_it_started(tmp_path: Path, number: signal.Signals) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    command = f"sleep 1000 & echo $! > {second}; echo $$ > {first}; wait"
    server = ServerProcess(["--run", command, str(tmp_path)])
    wait_for(lambda: first.exists() and is_alive(first) and is_alive(second), "it runs")
    if number == signal.SIGTERM:
        assert server.stop() == 0
    else:
        os.kill(server.pid, signal.SIGKILL)
    wait_for(lambda: not is_alive(first) and not is_alive(second), "both have ended")
    server.kill()


def test_its_input_stays_open(tmp_path: Path) -> None:
    """Many tools that watch, such as esbuild and tailwindcss, end with their input."""
    with ServerProcess(["--run", "cat; echo ended", str(tmp_path)]) as server:
        with RawClient(server.connect()) as client:
            assert client.request("/").status == 200
        assert "ended" not in server.stderr


def test_pages_hear_that_it_failed(tmp_path: Path) -> None:
    (tmp_path / "index.html").write_text("<!doctype html>")
    command = "while [ ! -e go ]; do sleep 0.05; done; printf '\\033[31merror\\033[0m in a.js\\n'; exit 1"
    with ServerProcess(["--live", "--run", command, str(tmp_path)], cwd=str(tmp_path)) as server:
        first = Listener(server, "0 /")
        (tmp_path / "go").write_text("")
        notice = f"notice {command} failed (exit status 1)\nerror in a.js"
        assert first.hear() == notice
        late = Listener(server, "0 /")
        assert late.hear() == notice
        first.close()
        late.close()


def test_a_page_waits_for_the_first_build(tmp_path: Path) -> None:
    root = tmp_path / "new" / "dist"
    command = f"while [ ! -e {tmp_path}/go ]; do sleep 0.05; done; echo built > {root}/index.html"
    with ServerProcess(["--live", "--run", command, str(root)]) as server, RawClient(server.connect()) as client:
        assert root.is_dir(), "it is made for the command to fill"
        client.send("/", "GET", "Sec-Fetch-Dest: document", "Accept: text/html")
        (tmp_path / "go").write_text("")
        assert client.receive().body.endswith(b"built\n")


def test_a_reload_cannot_change_it(tmp_path: Path) -> None:
    (tmp_path / "fastfile.toml").write_text("run = 'sleep 1000'")
    with ServerProcess([str(tmp_path)], cwd=str(tmp_path)) as server:
        (tmp_path / "fastfile.toml").write_text("run = 'sleep 1001'")
        server.signal(signal.SIGHUP)
        wait_for(lambda: "--run cannot change" in server.stderr, "it is refused")


def test_a_server_without_it_imports_nothing_of_it() -> None:
    code = "import sys, fastfile.server.serve; print('fastfile.server.run_command' in sys.modules)"
    found = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=clean_environment(), check=True
    )
    assert found.stdout == "False\n"
