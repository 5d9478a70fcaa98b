"""Sites on a disk that can hang: a FUSE file system that stops answering, and what such a site serves."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.brokendisk import BrokenDisk
from support.rawclient import RawClient, Received
from support.serverprocess import ServerProcess
from support.watching import receive_all, until

SMALL, LARGE = b"small", os.urandom(3_000_000)
TIMEOUT_S = 0.5


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[BrokenDisk]:
    if os.geteuid() != 0 or not os.path.exists("/dev/fuse"):
        pytest.skip("only root can mount, and needs /dev/fuse")
    (tmp_path / "far").mkdir()
    try:
        disk = BrokenDisk(tmp_path / "far", {b"small.txt": SMALL, b"large.bin": LARGE})
    except OSError as error:
        pytest.skip(f"no FUSE here: {error}")
    yield disk
    disk.unmount()


@pytest.fixture
def server(tmp_path: Path, disk: BrokenDisk) -> Iterator[ServerProcess]:
    (tmp_path / "near").mkdir()
    (tmp_path / "near" / "index.html").write_text("near")
    options = ["--mount", f"/far={tmp_path / 'far'}", "--health", "/healthz", "--workers", "1", "--archive"]
    with ServerProcess(
        [*options, "--disk-timeout", f"{TIMEOUT_S}", "--etag=mtime", "--grace=1", str(tmp_path / "near")]
    ) as server:
        yield server


def wait_for(server: ServerProcess, target: str, body: bytes) -> None:
    """Ask until a file of the disk comes whole: on a busy machine it may take longer than the disk is given."""

    def comes() -> bool:
        with contextlib.suppress(AssertionError, ConnectionResetError):
            return ask(server, target).body == body
        return False

    until(comes, f"{target} comes")


def ask(server: ServerProcess, target: str, *fields: str) -> Received:
    with RawClient(server.connect()) as client:
        return client.request(target, "GET", *fields)


def read_until_reset(client: socket.socket) -> bytes:
    received = b""
    with client, contextlib.suppress(ConnectionResetError):
        while more := client.recv(1 << 20):
            received += more
    return received


@pytest.mark.parametrize("operation", ["lookup", "getattr", "open"])
def test_a_disk_that_hangs_stops_no_other_mount_and_no_probe(
    server: ServerProcess, disk: BrokenDisk, operation: str
) -> None:
    wait_for(server, "/far/small.txt", SMALL)
    disk.hanging.add(operation)
    with RawClient(server.connect()) as waiting:
        waiting.send("/far/large.bin")
        until(disk.is_asked, "the disk is asked")
        assert ask(server, "/healthz").status == 200
        assert ask(server, "/").body == b"near"
        response = waiting.receive()
        assert (response.status, response.fields["retry-after"]) == (503, "1")
    assert ask(server, "/far/small.txt").status == 503  # at once: nothing has come back
    disk.release()
    wait_for(server, "/far/large.bin", LARGE)
    assert "ended" not in server.stderr


def test_a_body_that_hangs_is_cut_and_its_thread_is_not_that_of_others(server: ServerProcess, disk: BrokenDisk) -> None:
    wait_for(server, "/far/small.txt", SMALL)
    for target in ("/far/large.bin", "/far/?archive=zip"):
        disk.hanging.add("read")
        client = server.connect()
        # "close", because a busy machine may use up the disk's time before the response begins: then it is a whole 503.
        client.sendall(f"GET {target} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())
        until(disk.is_asked, "the disk is asked")
        assert ask(server, "/").body == b"near"
        assert len(read_until_reset(client)) < len(LARGE)
        disk.release()
        wait_for(server, "/far/small.txt", SMALL)


def test_a_file_is_closed_where_that_can_hang(tmp_path: Path, disk: BrokenDisk) -> None:
    (tmp_path / "near").mkdir()
    options = ["--mount", f"/far={tmp_path / 'far'}", "--workers", "1", "--etag=mtime", "--cache-size", "0"]
    with ServerProcess([*options, str(tmp_path / "near")]) as server:
        disk.hanging.add("flush")
        wait_for(server, "/far/large.bin", LARGE)
        until(disk.is_asked, "the file is closed")
        assert ask(server, "/").status == 200
        disk.release()


def test_a_disk_that_is_mounted_after_the_start_stops_no_other_either(tmp_path: Path) -> None:
    if os.geteuid() != 0 or not os.path.exists("/dev/fuse"):
        pytest.skip("only root can mount, and needs /dev/fuse")
    for name in ("near", "far"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "index.html").write_text(name)
    options = ["--mount", f"/far={tmp_path / 'far'}", "--disk-timeout", f"{TIMEOUT_S}", "--grace=1"]
    with ServerProcess([*options, str(tmp_path / "near")]) as server:
        wait_for(server, "/far/", b"far")
        (worker,) = server.worker_pids()
        with BrokenDisk(tmp_path / "far", {b"small.txt": SMALL}) as disk:
            until(
                lambda: server.worker_pids() not in ([worker], []) and ask(server, "/far/small.txt").body == SMALL,
                "new",
            )
            until(lambda: len(server.worker_pids()) == 1, "the worker before has ended")
            disk.hanging.add("lookup")
            assert ask(server, "/far/small.txt").status == 503
            assert ask(server, "/").body == b"near"
            disk.release()
        wait_for(server, "/far/", b"far")


def test_a_server_that_is_told_to_stop_does_not_wait_for_a_disk(server: ServerProcess, disk: BrokenDisk) -> None:
    disk.hanging.add("lookup")
    with RawClient(server.connect()) as waiting:
        waiting.send("/far/small.txt")
        until(disk.is_asked, "the disk is asked")
        assert waiting.receive().status == 503
        server.signal(signal.SIGTERM)
        until(lambda: "waits for a disk" in server.stderr, "the supervisor ends")
    disk.release()
    assert server.wait() == 0


REQUESTS = [
    ("/", ()),
    ("/index.html", ()),
    ("/large.bin", ()),
    ("/large.bin", ("Range: bytes=100-70000",)),
    ("/large.bin", ("Range: bytes=0-9,100-109",)),
    ("/large.bin", ("Range: " + "bytes=" + ",".join(f"{n * 1000}-{n * 1000 + 9}" for n in range(40)),)),
    ("/large.bin", ("Range: bytes=9000000-",)),
    ("/about", ()),
    ("/about/", ()),
    ("/app.js", ("Accept-Encoding: gzip",)),
    ("/sub", ()),
    ("/sub/?sort=name", ()),
    ("/sub/?archive=zip", ()),
    ("/nothing", ("Accept: text/html",)),
    ("/old", ()),
    ("/.env", ()),
    ("/%zz", ()),
    ("/index.html", ("If-None-Match: *",)),
    ("/index.html", ('If-Match: "other"',)),
    ("/", ("Host: evil.example",)),
]


def test_a_site_on_a_remote_disk_responds_as_any_other(tmp_path: Path) -> None:
    files = {"index.html": b"<p>home", "about.html": b"about", "app.js": b"a", "app.js.gz": b"\x1f\x8bpacked"}
    files |= {"large.bin": LARGE, "sub/one.txt": b"1", "_redirects": b"/old /new 302\n", "404.html": b"gone"}
    for name, content in files.items():
        path = tmp_path / "site" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    seen = []
    for mode in ("off", "on"):
        with ServerProcess(["--remote-disk", mode, "--archive", "--base", "/x", str(tmp_path / "site")]) as server:
            seen.append([look(server, method, *request) for request in REQUESTS for method in ("GET", "HEAD")])
    assert seen[0] == seen[1]


def look(server: ServerProcess, method: str, target: str, fields: tuple[str, ...]) -> bytes:
    client = server.connect()
    lines = [f"{method} /x{target} HTTP/1.1", *fields, *(() if "Host" in str(fields) else ("Host: localhost",))]
    client.sendall("\r\n".join([*lines, "Connection: close", "", ""]).encode())
    received = receive_all(client)
    boundary = re.search(rb"boundary=(\w+)", received)
    if boundary:
        received = received.replace(boundary[1], b"boundary")
    return re.sub(rb"\r\nDate: [^\r]*", b"", received)


def test_what_changes_on_a_remote_disk_is_seen_and_encoded_there(tmp_path: Path) -> None:
    pytest.importorskip("brotli")
    text = b"some text that gets smaller " * 500
    (tmp_path / "a.txt").write_bytes(text)
    with ServerProcess(["--remote-disk", "on", "--compress", str(tmp_path)]) as server:

        def coding() -> str | None:
            return ask(server, "/a.txt", "Accept-Encoding: gzip").fields.get("content-encoding")

        until(lambda: coding() == "gzip", "it is encoded")
        (tmp_path / "a.txt").write_bytes(b"short")
        assert ask(server, "/a.txt").body == b"short"
        (tmp_path / "_redirects").write_text("/b /a.txt 302\n")
        until(lambda: ask(server, "/b").status == 302, "the rule holds")
