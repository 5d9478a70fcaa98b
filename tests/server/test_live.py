"""--live as a whole, without a browser: messages of a sandboxed server to a page."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path

import pytest
from support.livepage import HANDSHAKE, Listener, put
from support.rawclient import RawClient
from support.retrying import retried
from support.serverprocess import LOOPS, TIMEOUT_S, ServerProcess, clean_environment

PAGE = "<!doctype html><link rel=stylesheet href=/style.css><script src={}></script>"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tmp_path / "dist"
    root.mkdir()
    (root / "index.html").write_text(PAGE.format("/a.js"))
    (root / "style.css").write_text("1")
    (root / "a.js").write_text("1")
    past_s = time.time() - 3600
    for path in root.iterdir():
        os.utime(path, (past_s, past_s))
    return root


@pytest.fixture(params=LOOPS)
def server(request: pytest.FixtureRequest, root: Path) -> Iterator[ServerProcess]:
    with ServerProcess(["--live", "--loop", request.param, "--etag", "mtime", "--grace", "600", str(root)]) as running:
        yield running


@pytest.fixture
def page(server: ServerProcess) -> Iterator[Listener]:
    listener = Listener(server, "0 /", "0 /style.css", "0 /a.js")
    yield listener
    listener.close()


def test_a_page_hears_what_concerns_it(page: Listener, root: Path) -> None:
    put(root / "style.css", "2")
    assert page.hear() == "swap /style.css"
    put(root / "other.html", "1")
    put(root / "a.js", "2")
    assert page.hear() == "reload"
    (root / "a.js").unlink()  # nothing to load again
    put(root / "style.css", "3")
    assert page.hear() == "swap /style.css"


def test_a_change_of_before_the_page_said_so_is_told(server: ServerProcess, root: Path) -> None:
    put(root / "a.js", "2")
    page = Listener(server, "60000 /", "59999 /style.css", "0 /a.js")
    assert page.hear() == "reload"
    page.close()


@retried  # a request waits for three seconds
def test_a_file_that_was_there_is_waited_for_while_a_build_is_without_it(server: ServerProcess, root: Path) -> None:
    put(root / "a.js", "1")
    page = Listener(server, "0 /", "0 /style.css")
    with closing(page), RawClient(server.connect()) as client:
        assert client.request("/a.js").status == 200
        put(root / "style.css", "2")
        assert page.hear() == "swap /style.css", "by now the folder is watched"
        (root / "a.js").unlink()
        client.send("/a.js")
        put(root / "other.js", "1")
        put(root / "a.js", "again")
        assert client.receive().body == b"again"
        assert client.request("/never.js").status == 404


def test_a_page_waits_for_what_its_new_version_refers_to(page: Listener, root: Path) -> None:
    put(root / "style.css", "2")
    assert page.hear() == "swap /style.css", "by now the server knows what it has loaded"
    began_s = time.monotonic()
    put(root / "index.html", PAGE.format("/b.js"))
    assert page.hear() == "reload", "it waits for a second"
    assert time.monotonic() - began_s >= 0.9
    put(root / "index.html", PAGE.format("/c.js"))
    put(root / "c.js", "1")
    assert page.hear() == "reload", "it is there"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_the_pages_are_let_go_when_the_worker_ends(
    server: ServerProcess, page: Listener, number: signal.Signals
) -> None:
    server.signal(number)
    assert page.hear() is None
    if number == signal.SIGHUP:
        server.wait_for_workers(1)
    else:
        assert server.wait() == 0
        server.kill()


@pytest.mark.skipif(sys.platform != "linux", reason="inotify is Linux's")
def test_watching_begins_with_the_first_page(server: ServerProcess) -> None:
    def watches() -> int:
        (pid,) = server.worker_pids()
        count = 0
        for entry in os.scandir(f"/proc/{pid}/fdinfo"):
            with suppress(OSError):  # it is closed meanwhile
                count += Path(entry.path).read_text().count("inotify wd:")
        return count

    server.connect().close()
    assert watches() == 0
    page = Listener(server, "0 /")
    page.say("0 /style.css")
    deadline = time.monotonic() + TIMEOUT_S
    while not watches():
        assert time.monotonic() < deadline
        time.sleep(0.01)  # a thread of another process
    page.close()


def test_a_flood_of_nonsense_is_survived(server: ServerProcess, root: Path) -> None:
    page = Listener(server, "x", "0 nothing", "-1 /", f"0 /{'a' * 9000}", "0 /", *(f"0 /none-{n}" for n in range(500)))
    put(root / "index.html", "2")
    assert page.hear() == "reload"
    page.close()
    raw = socket.create_connection(("127.0.0.1", server.port), timeout=TIMEOUT_S)
    raw.sendall(HANDSHAKE.encode() + os.urandom(1000))
    while raw.recv(65536):
        pass
    raw.close()
    with RawClient(server.connect()) as client:  # the end of the connection before has been seen
        assert client.request("/").status == 200
    assert server.stderr == ""


def test_several_workers_cannot_tell_the_pages_of_one_site(root: Path) -> None:
    command = [sys.executable, "-m", "fastfile", "--live", "--workers", "2", str(root)]
    found = subprocess.run(command, capture_output=True, text=True, env=clean_environment(), check=False)
    assert found.returncode == 2
    assert "--live" in found.stderr
    assert "--workers is 2" in found.stderr


def test_a_server_without_it_imports_nothing_of_it() -> None:
    code = (
        "import sys; from fastfile.cli.main import main; import fastfile.server.worker, fastfile.server.serve as serve;"
        "from fastfile.config.config import Config; serve.preload(Config());"
        "print([name for name in sys.modules if name.startswith('fastfile.dev')"
        " or name in ('fastfile.middleware.live', 'fastfile.server.net.upgraded', 'fastfile.protocol.websocket')])"
    )
    found = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=clean_environment(), check=True
    )
    assert found.stdout == "[]\n"
