"""Failures of the machine under a running server: a failing or removed disk, no memory, a clock that jumps."""

from __future__ import annotations

import ctypes
import glob
import json
import os
import resource
import time
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import pytest
from support.brokendisk import MNT_DETACH, BrokenDisk, libc
from support.hanging import HANGING
from support.programs import skip_or_fail
from support.rawclient import RawClient, Received
from support.serverprocess import TIMEOUT_S, ServerProcess
from support.watching import receive_all, until

SMALL, LARGE = b"small", os.urandom(300_000)
READABLE = 100_000  # of a large file, before the disk fails
DAY_S = 86_400


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "dist"
    folder.mkdir()
    return folder


def ask(server: ServerProcess, target: str, *fields: str, offset_s: float = 0.0) -> Received:
    with RawClient(server.connect(), offset_s=offset_s) as client:
        return client.request(target, "GET", *fields)


def ask_last(server: ServerProcess, target: str) -> bytes:
    """Send one request that closes its connection, and return the response."""
    client = server.connect()
    client.sendall(f"GET {target} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())
    return receive_all(client)


# The disk fails


@pytest.fixture
def disk(root: Path) -> Iterator[BrokenDisk]:
    if os.geteuid() != 0 or not os.path.exists("/dev/fuse"):
        pytest.skip("only root can mount, and needs /dev/fuse")
    try:
        disk = BrokenDisk(root, {b"small.txt": SMALL, b"large.bin": LARGE}, READABLE)
    except OSError as error:
        pytest.skip(f"no FUSE here: {error}")
    yield disk
    disk.unmount()


@pytest.mark.parametrize(
    ("operation", "is_cached", "statuses"),
    [
        ("lookup", False, {500}),
        ("lookup", True, {500}),
        ("getattr", True, {500}),
        ("open", False, {500}),
        ("open", True, {200}),
        ("read", False, {500}),
        ("read", True, {200}),
    ],
)
def test_a_failing_disk_is_an_error_only_for_requests_that_need_it(
    root: Path, disk: BrokenDisk, operation: str, is_cached: bool, statuses: set[int]
) -> None:
    """What is in memory is sent as long as the disk says that it is still that file."""
    disk.readable = 0
    with ServerProcess(["--workers", "1", str(root)]) as server:
        workers = server.wait_for_workers(1)
        if is_cached:
            assert ask(server, "/small.txt").body == SMALL
        disk.failing = {operation}
        assert ask(server, "/small.txt").status in statuses
        disk.failing.clear()
        assert ask(server, "/small.txt").body == SMALL
        assert server.worker_pids() == workers
        assert server.stderr == ""


def test_a_disk_that_fails_in_the_middle_of_a_file_cuts_the_connection(root: Path, disk: BrokenDisk) -> None:
    with ServerProcess(["--workers", "1", str(root)]) as server:
        disk.failing = {"read"}
        head, _, content = ask_last(server, "/large.bin").partition(b"\r\n\r\n")
        assert b"Content-Length: 300000" in head
        assert len(content) < len(LARGE)
        assert LARGE.startswith(content)
        disk.failing.clear()
        assert ask(server, "/large.bin").body == LARGE


def test_a_listing_of_a_folder_that_cannot_be_read_is_an_error(root: Path, disk: BrokenDisk) -> None:
    with ServerProcess(["--workers", "1", str(root)]) as server:
        disk.failing = {"readdir"}
        assert ask(server, "/").status == 500
        disk.failing.clear()
        assert ask(server, "/").status == 200


def test_a_disk_that_is_pulled_is_an_error_until_another_is_there(root: Path, disk: BrokenDisk) -> None:
    with ServerProcess(["--workers", "1", str(root)]) as server:
        assert ask(server, "/small.txt").body == SMALL
        disk.die()
        assert ask(server, "/small.txt").status in (500, 503)  # 503 where its rules are read first
        disk.unmount()
        # The server has to find out again whether there are rules, and until then the site is closed.
        until(lambda: ask(server, "/small.txt").status == 404, "the folder without a disk is served")
        with BrokenDisk(root, {b"small.txt": b"another"}):
            until(lambda: ask(server, "/small.txt").body == b"another", "the other disk is served")
        # The only message is that the rules could not be read.
        assert all(line.endswith("the file cannot be read") for line in server.stderr.splitlines())


# The root is unmounted


@pytest.mark.parametrize("sandbox", ["auto", "off"])
def test_a_root_that_is_unmounted_is_empty_and_what_is_mounted_then_is_served(root: Path, sandbox: str) -> None:
    """Our descriptor holds what was mounted, so it goes as `umount --lazy` has it; in its place is the folder below."""
    if os.geteuid() != 0 or libc.mount(b"none", os.fsencode(root), b"tmpfs", 0, b"size=1m") < 0:
        pytest.skip("nothing can be mounted here: " + os.strerror(ctypes.get_errno()))
    try:
        (root / "page.txt").write_bytes(b"first")
        with ServerProcess(["--workers", "2", "--sandbox", sandbox, str(root)]) as server:
            for _ in range(10):
                assert ask(server, "/page.txt").body == b"first"
            for content in (b"second", b"third"):
                assert libc.umount2(os.fsencode(root), MNT_DETACH) == 0
                assert ask(server, "/page.txt").status == 404
                assert libc.mount(b"none", os.fsencode(root), b"tmpfs", 0, b"size=1m") == 0
                (root / "page.txt").write_bytes(content)
                for _ in range(10):
                    assert ask(server, "/page.txt").body == content
            assert server.stderr == ""
    finally:
        libc.umount2(os.fsencode(root), MNT_DETACH)


# No memory


OUT_OF_MEMORY = HANGING.replace('print("it hangs", file=sys.stderr, flush=True)', "raise MemoryError")


def test_memory_that_runs_out_in_one_request_takes_no_other_down(root: Path) -> None:
    (root / "page.txt").write_bytes(SMALL)
    (root / "large.bin").write_bytes(LARGE * 20)
    arguments = ["--workers", "1", str(root)]
    with ServerProcess(arguments, interpreter_args=["-c", OUT_OF_MEMORY]) as server:
        workers = server.wait_for_workers(1)
        with server.connect() as under_way, RawClient(server.connect()) as idle:
            under_way.sendall(b"GET /large.bin HTTP/1.0\r\n\r\n")
            assert idle.request("/page.txt").body == SMALL
            for _ in range(5):
                assert ask(server, "/hang").status == 500
            assert idle.request("/page.txt").body == SMALL
            received = b""
            while more := under_way.recv(1 << 20):
                received += more
        assert received.endswith(LARGE * 20)
        assert server.worker_pids() == workers
        assert server.stderr.count("MemoryError\n") == 5


@pytest.mark.skipif(not hasattr(resource, "prlimit"), reason="no limit can be set from outside here")
def test_a_worker_without_memory_answers_what_it_can_and_recovers(root: Path) -> None:
    """Its address space may not grow any more: for listings of a large folder it has to."""
    (root / "page.txt").write_bytes(SMALL)
    (root / "many").mkdir()
    for number in range(5000):
        (root / "many" / f"{number:0200}").touch()
    with ServerProcess(["--workers", "1", str(root)]) as server:
        (worker,) = server.wait_for_workers(1)
        assert ask(server, "/page.txt").body == SMALL
        with open(f"/proc/{worker}/statm") as statm:
            used = int(statm.read().split()[0]) * os.sysconf("SC_PAGE_SIZE")
        resource.prlimit(worker, resource.RLIMIT_AS, (used, resource.RLIM_INFINITY))
        refused = [ask_last(server, "/many/") for _ in range(5)]
        assert all(answer[9:12] in (b"", b"500", b"503") for answer in refused), [answer[:200] for answer in refused]
        resource.prlimit(worker, resource.RLIMIT_AS, (resource.RLIM_INFINITY,) * 2)
        assert ask(server, "/many/").status == 200
        assert ask(server, "/page.txt").body == SMALL
        assert server.worker_pids() == [worker]


# The clock jumps


class FakeClock:
    """The wall clock of a server, by libfaketime: ``jump`` moves it; monotonic clocks do not change."""

    def __init__(self, path: Path) -> None:
        found = glob.glob("/usr/lib/*/faketime/libfaketime.so.1") + glob.glob("/usr/lib/faketime/libfaketime.so.1")
        if not found:
            skip_or_fail("libfaketime")
        self._path = path  # beside the root: a worker in its sandbox may read it
        self.offset_s = 0
        self.jump(0)
        self.environment = {
            "LD_PRELOAD": found[0],
            "FAKETIME_TIMESTAMP_FILE": os.fspath(path),
            "FAKETIME_NO_CACHE": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            "DONT_FAKE_MONOTONIC": "1",
            "NO_FAKE_STAT": "1",
        }

    def jump(self, offset_s: int) -> None:
        self.offset_s = offset_s
        fresh = self._path.with_suffix(".new")
        fresh.write_text(f"{offset_s:+d}\n")
        fresh.replace(self._path)

    def now_s(self) -> float:
        return time.time() + self.offset_s


@pytest.fixture
def clock(tmp_path: Path) -> FakeClock:
    return FakeClock(tmp_path / "clock")


@pytest.mark.parametrize("offset_s", [400 * DAY_S, -400 * DAY_S, 5, -5], ids=["on", "back", "a bit on", "a bit back"])
def test_dates_follow_a_clock_that_jumps_and_responses_stay_right(root: Path, clock: FakeClock, offset_s: int) -> None:
    """The client checks that Date is the server's time, and that Last-Modified is not later (RFC 9110 §8.8.2.1)."""
    page = root / "page.txt"
    page.write_bytes(b"before")
    with ServerProcess(["--workers", "1", str(root)], clock.environment) as server:
        first = ask(server, "/page.txt")
        clock.jump(offset_s)
        second = ask(server, "/page.txt", offset_s=offset_s)
        assert second.body == b"before"
        assert second.fields["etag"] == first.fields["etag"]
        for name, field in (("etag", "If-None-Match"), ("last-modified", "If-Modified-Since")):
            condition = f"{field}: {first.fields[name]}"
            assert ask(server, "/page.txt", condition, offset_s=offset_s).status == 304
        page.write_bytes(b"after")
        late = ask(server, "/page.txt", f"If-None-Match: {first.fields['etag']}", offset_s=offset_s)
        assert (late.status, late.body) == (200, b"after")


@pytest.mark.parametrize("offset_s", [400 * DAY_S, -400 * DAY_S], ids=["on", "back"])
def test_no_deadline_comes_of_a_clock_that_jumps_and_none_is_put_off(
    root: Path, clock: FakeClock, offset_s: int
) -> None:
    (root / "page.txt").write_bytes(SMALL)
    limits = ["--workers", "1", "--head-timeout", "3", "--idle-timeout", "30", "--heartbeat-timeout", "10"]
    with ServerProcess([*limits, str(root)], clock.environment) as server:
        workers = server.wait_for_workers(1)
        with RawClient(server.connect()) as idle, server.connect() as slow:
            assert idle.request("/page.txt").body == SMALL
            began_s = time.monotonic()
            slow.sendall(b"GET /page.txt HTTP/1.1\r\n")
            clock.jump(offset_s)
            assert slow.recv(100).startswith(b"HTTP/1.1 408 ")
            assert 2.5 < time.monotonic() - began_s < TIMEOUT_S
            idle.offset_s = offset_s
            assert idle.request("/page.txt").body == SMALL
        assert server.worker_pids() == workers
        assert server.stderr == ""


def test_the_log_has_the_time_of_the_clock_and_a_duration_that_is_none_of_it(
    root: Path, tmp_path: Path, clock: FakeClock
) -> None:
    (root / "large.bin").write_bytes(LARGE * 40)
    log = tmp_path / "log"
    arguments = ["--workers", "1", "--log-format", "json", "--log-file", str(log), str(root)]
    offsets_s = (400 * DAY_S, -400 * DAY_S)
    with ServerProcess(arguments, clock.environment) as server:
        for offset_s in offsets_s:
            with server.connect() as client:
                client.sendall(b"GET /large.bin HTTP/1.0\r\n\r\n")
                assert client.recv(1)  # it is being sent
                clock.jump(offset_s)
                while client.recv(1 << 20):
                    pass
    lines = [json.loads(line) for line in log.read_bytes().splitlines()]
    assert len(lines) == len(offsets_s)
    for line, offset_s in zip(lines, offsets_s, strict=True):
        logged_s = datetime.fromisoformat(line["time"]).timestamp()
        assert abs(logged_s - time.time() - offset_s) < TIMEOUT_S
        assert 0 <= line["seconds"] < TIMEOUT_S
