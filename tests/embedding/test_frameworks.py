"""Real frameworks on real servers: the tables of the server's own semantics, and what is between a host and the files.

One server for each framework; every check of it in one test, since a start takes longer than all of them.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from support.checkout import TESTS
from support.frameworks import FRAMEWORKS, Framework
from support.rawclient import Received
from support.semantics import (
    BIG,
    CODINGS,
    DATA,
    FILES,
    NOT_SERVED,
    PRECONDITIONS,
    RANGES,
    REDIRECTS,
    TARGETS,
    VARIANTS,
    fill,
    received_ranges,
)
from support.serverprocess import clean_environment

TIMEOUT_S = 60
DATA_REQUEST = "Sec-Fetch-Mode: cors"
# What a host makes impossible: (framework, row) by the reason.
IMPOSSIBLE = {
    ("Django on gunicorn", "a path that is too long"),  # it refuses request lines of more than 4094 bytes itself
    ("Flask on gunicorn", "a path that is too long"),
    ("Django on gunicorn", "bytes that are not UTF-8"),  # Django writes other text in their place, and so loses them
}


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("frameworks") / "site"
    root.mkdir()
    fill(root)
    (root.parent / "secret.txt").write_bytes(b"outside the root")
    return root


class Host:
    """A framework's server as a process."""

    def __init__(self, name: str, root: Path) -> None:
        self.name = name
        self.framework: Framework = FRAMEWORKS[name]
        self.mount = self.framework.mount
        self.stderr = tempfile.TemporaryFile()  # noqa: SIM115
        environment = clean_environment()
        environment["PYTHONPATH"] += os.pathsep + str(TESTS)
        with socket.create_server(("127.0.0.1", 0), backlog=100) as listening:
            self.address = listening.getsockname()
            self._process = subprocess.Popen(
                [sys.executable, "-m", "support.frameworks", name, str(root), str(listening.fileno())],
                pass_fds=[listening.fileno()], stdout=self.stderr, stderr=self.stderr, env=environment,
                start_new_session=True,
            )  # fmt: skip

    def request(self, target: str, method: str = "GET", *fields: str) -> Received:
        """Return the response to a request on a connection of its own."""
        lines = [f"{method} {self.mount}{target} HTTP/1.1", "Host: localhost", "Connection: close", *fields, "", ""]
        connection = socket.create_connection(self.address, timeout=TIMEOUT_S)
        with connection:
            connection.sendall("\r\n".join(lines).encode("latin-1"))
            received = bytearray()
            while more := connection.recv(1 << 20):
                received += more
        head, _, body = bytes(received).partition(b"\r\n\r\n")
        status_line, *field_lines = head.decode("latin-1").split("\r\n")
        pairs = [line.lower().split(": ", 1)[:1] + line.split(": ", 1)[1:] for line in field_lines]
        names = [name for name, _ in pairs]
        assert len(names) == len(set(names)), f"a field came twice: {names}"
        found = Received(int(status_line.split()[1]), dict(pairs), body)
        if found.status in (200, 206) and method == "GET" and len(body) < int(found.fields.get("content-length", 0)):
            raise ConnectionResetError("half a body")
        assert "date" in found.fields
        assert method != "HEAD" or body == b""
        return found

    def wait(self) -> None:
        """Wait until it serves: granian lets go of the socket and listens again."""
        while True:
            try:
                self.request("/data.bin")
            except OSError:
                assert self._process.poll() is None, self.said()
                time.sleep(0.01)
            else:
                return

    def said(self) -> str:
        """Return what the server has printed."""
        return os.pread(self.stderr.fileno(), 1 << 20, 0).decode()

    def stop(self) -> None:
        os.killpg(self._process.pid, signal.SIGTERM)
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
        self.stderr.close()


@pytest.fixture(scope="module", params=FRAMEWORKS)
def host(request: pytest.FixtureRequest, root: Path) -> Iterator[Host]:
    for module in FRAMEWORKS[request.param].modules:
        pytest.importorskip(module)
    host = Host(request.param, root)
    host.wait()
    yield host
    host.stop()


def test_a_framework_responds_as_the_server_does(host: Host) -> None:
    wrong: list[str] = []

    def check_rows(table: list[Any], check: Callable[..., None]) -> None:
        for row in table:
            if str(row.values[0]).startswith("/") or table in (PRECONDITIONS, RANGES, CODINGS):
                try:
                    check(*row.values)
                except (AssertionError, OSError) as error:
                    if (host.name, row.id) not in IMPOSSIBLE:
                        wrong.append(f"{row.id}: {error!r}"[:200])
                else:
                    assert (host.name, row.id) not in IMPOSSIBLE, row.id

    def check_target(target: str, name: bytes) -> None:
        response = host.request(target)
        assert (response.status, response.body) == (200, FILES[name])

    def check_not_served(target: str, status: int) -> None:
        response = host.request(target, "GET", DATA_REQUEST)
        # What is no target of a file is the framework's, or outside of the mount.
        assert response.status in (status, 404)
        assert b"outside the root" not in response.body

    def check_redirect(target: str, location: str) -> None:
        response = host.request(target, "GET", DATA_REQUEST)
        expected = host.mount + location
        if target.endswith("?"):
            expected = expected[:-1]  # a host gives the query without its question mark
        assert (response.status, response.fields.get("location")) == (301, expected)

    def check_precondition(lines: list[str], status: int) -> None:
        lines = [line.replace("{tag}", tag).replace("{bare}", tag.strip('"')) for line in lines]
        for method in ("GET", "HEAD"):
            is_other = method == "HEAD" and any(line.startswith("Range") for line in lines)
            assert host.request("/data.bin", method, *lines).status == status or is_other

    def check_range(value: str, expected: list[tuple[int, int]] | None) -> None:
        response = host.request("/data.bin", "GET", f"Range: {value}")
        if expected is None:
            assert (response.status, response.body) == (200, DATA)
        elif not expected:
            assert (response.status, response.fields["content-range"]) == (416, "bytes */1000")
        else:
            assert received_ranges(response) == [
                (f"bytes {start}-{stop - 1}/1000", DATA[start:stop]) for start, stop in expected
            ]

    def check_coding(value: str | None, coding: str | None) -> None:
        response = host.request("/app.js", "GET", *[f"Accept-Encoding: {value}"] * (value is not None))
        assert response.fields.get("content-encoding") == coding
        assert response.body == FILES[VARIANTS[coding]]

    tag = host.request("/data.bin").fields["etag"]
    check_rows(TARGETS, check_target)
    check_rows(NOT_SERVED, check_not_served)
    check_rows([row for row in REDIRECTS if row.values[0] != "/list/more"], check_redirect)
    check_rows(PRECONDITIONS, check_precondition)
    check_rows(RANGES, check_range)
    check_rows(CODINGS, check_coding)
    assert not wrong, "\n".join(wrong)


def test_what_is_between_a_framework_and_the_files(host: Host, root: Path) -> None:
    huge = host.request("/big.bin")
    assert (huge.status, huge.body) == (200, BIG)
    ranged = host.request("/big.bin", "GET", "Range: bytes=1-100000,200000-")
    assert [content for _, content in ranged.parts()] == [BIG[1:100001], BIG[200000:]]
    # What is no file is the framework's.
    mount, host.mount = host.mount, ""
    assert host.request("/api/found", "GET", DATA_REQUEST).status == 200
    assert host.request("/api/missing", "GET", DATA_REQUEST).status == 404
    host.mount = mount
    is_spa = host.name in ("FastAPI on hypercorn", "Starlette on granian", "Flask on waitress", "Flask on gunicorn")
    page = host.request("/users/7", "GET", "Sec-Fetch-Mode: navigate")
    assert (page.status, page.body == FILES[b"index.html"]) == ((200, True) if is_spa else (404, False))
    # A client that leaves in the middle disturbs nothing.
    before = host.said()
    with socket.create_connection(host.address, timeout=TIMEOUT_S) as leaving:
        leaving.sendall(f"GET {host.mount}/huge.bin HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        assert leaving.recv(1 << 16).startswith(b"HTTP/1.1 200")
    assert host.request("/one.txt").body == b"1"
    # A file that is cut is no whole body.
    cut = root / "cut.bin"
    with cut.open("wb") as file:
        file.truncate(64 << 20)
    with socket.create_connection(host.address, timeout=TIMEOUT_S) as client:
        client.sendall(f"GET {host.mount}/cut.bin HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        received = len(client.recv(1 << 16))
        assert "Traceback" not in host.said()[len(before) :]
        os.truncate(cut, 1)
        try:
            while more := client.recv(1 << 20):
                received += len(more)
        except ConnectionResetError:
            pass
    assert received < 64 << 20
    assert host.request("/one.txt").body == b"1"
