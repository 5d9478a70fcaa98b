"""Unusual file times: whatever a file system stores, the file is served and every command works."""

from __future__ import annotations

import datetime
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.asker import Asker, fields
from support.serverprocess import TIMEOUT_S, ServerProcess, clean_environment

from fastfile.http.date import maybe_httpdate
from fastfile.storage.metadata import COARSE_SETTLING_NS, SETTLING_NS, date_s, is_settled, modified_s

SECOND_NS = 1_000_000_000
NOW_S = 1_800_000_000
# ext4 stores 1901 to 2446, tmpfs any 64 bits of seconds.
TIMES_S = {
    "the year 2300": 10_413_792_000,
    "the last second of ext4": 15_032_385_535,
    "the year 1600": -11_676_096_000,
    "just before the epoch": -1,
    "the year 10000": 253_402_300_800,
    "the year 300000": 9_000_000_000_000,
    "the year -200000": -6_000_000_000_000,
}
FOLDERS = [None, *(["/dev/shm"] if os.path.isdir("/dev/shm") else [])]


@pytest.fixture(params=FOLDERS, ids=str)
def site(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Path]:
    with tempfile.TemporaryDirectory(dir=request.param or tmp_path) as folder:
        yield Path(folder)


def set_time(path: Path, time_s: int) -> None:
    os.utime(path, ns=(time_s * SECOND_NS + 5, time_s * SECOND_NS + 5))


@pytest.mark.parametrize("time_s", [pytest.param(time_s, id=name) for name, time_s in TIMES_S.items()])
def test_a_file_of_any_time_is_served_kept_and_revalidated(site: Path, time_s: int) -> None:
    for name in ("small.js", "large.js", "small.js.gz"):
        (site / name).write_bytes(b"\x1f\x8b" + b"x" * (100_000 if name == "large.js" else 10))
        set_time(site / name, time_s)
    (site / "folder").mkdir()
    set_time(site / "folder", time_s)
    set_time(site, time_s)
    asker = Asker(site)
    asker.settle()
    for target in ("/small.js", "/large.js"):
        first = asker.ask(target)
        assert first.status == 200
        tag = fields(first).get(b"ETag")
        # ext4 keeps what it cannot hold as its last second, without nanoseconds; then the content is hashed later.
        is_whole = os.stat(site / target[1:]).st_mtime_ns % SECOND_NS == 0
        assert tag is not None or (is_whole and target == "/large.js")
        if tag is not None:
            assert asker.ask(target, if_none_match=tag).status == 304
            assert asker.ask(target, range=b"bytes=1-2", if_range=tag).status == 206
        assert asker.ask(target, accept_encoding=b"gzip").status == 200
        told = fields(first).get(b"Last-Modified")
        kept_s = modified_s(os.stat(site / target[1:]))
        assert (told is None) == (kept_s < 0 or kept_s > 253402300799)
        if told is not None:
            date = maybe_httpdate(told, NOW_S)
            assert date is not None
            assert date <= asker.clock.wall_s
    for target in ("/", "/?format=json", "/?archive=zip", "/missing", "/folder/", "/folder"):
        assert asker.ask(target).status in (200, 301, 404)
    asker.root.close()


COMMANDS = """
import sys
from fastfile.cli.main import main
for folder in sys.argv[1:]:
    for arguments in (["compress", "--gzip-level", "1", folder], ["check", folder], ["explain", "/", folder]):
        sys.argv = ["fastfile", *arguments]
        try:
            status = main()
        except SystemExit as end:
            status = end.code
        assert not status, (arguments, status)
"""


def test_a_root_of_any_time_is_served_and_every_command_works(site: Path) -> None:
    roots = []
    for number, time_s in enumerate(TIMES_S.values()):
        root = site / str(number)
        root.mkdir()
        (root / "index.html").write_bytes(b"<!doctype html><title>t</title>" + b"words " * 1000)
        (root / "_redirects").write_bytes(b"/old /\n")
        for path in (*root.iterdir(), root):
            set_time(path, time_s)
        roots.append(os.fspath(root))
    mounts = [word for number, root in enumerate(roots) for word in ("--mount", f"/{number}={root}")]
    with ServerProcess([*mounts, roots[0]]) as server, server.connect() as connection:
        for target in ("/", *(f"/{number}/" for number in range(len(roots)))):
            connection.sendall(b"GET %b HTTP/1.1\r\nHost: localhost\r\n\r\n" % target.encode())
            assert connection.recv(65536).startswith(b"HTTP/1.1 200 ")
    done = subprocess.run(
        [sys.executable, "-c", COMMANDS, *roots],
        cwd=site, env=clean_environment(), capture_output=True, text=True, timeout=TIMEOUT_S,
    )  # fmt: skip
    assert "Traceback" not in done.stderr
    assert done.returncode == 0, done.stdout + done.stderr


def status_of(mtime_s: int) -> os.stat_result:
    return os.stat_result((0o100644, 1, 1, 1, 0, 0, 1, 0, mtime_s, 0), {"st_mtime_ns": mtime_s * SECOND_NS})


@pytest.mark.parametrize(
    ("time_s", "told_s"),
    [
        pytest.param(1_700_000_000, 1_700_000_000, id="a time of the past"),
        pytest.param(NOW_S, NOW_S, id="now"),
        pytest.param(NOW_S + 1, NOW_S, id="§8.8.2.1: a time to come is told as now"),
        pytest.param(10_413_792_000, NOW_S, id="so is one beyond 64 bits of nanoseconds"),
        pytest.param(2, 2, id="the first seconds of 1970"),
        pytest.param(1, None, id="what a reproducible build writes"),
        pytest.param(-1, None, id="before 1970"),
        pytest.param(253_402_300_799, NOW_S, id="the last second of four digits"),
        pytest.param(253_402_300_800, None, id="no date has five digits of year"),
    ],
)
def test_the_date_of_last_modified(time_s: int, told_s: int | None) -> None:
    assert date_s(status_of(time_s), NOW_S) == told_s


def test_the_last_second_of_a_date_is_that_of_the_calendar() -> None:
    last = datetime.datetime(9999, 12, 31, 23, 59, 59, tzinfo=datetime.UTC)
    assert date_s(status_of(int(last.timestamp())), NOW_S) == NOW_S


@pytest.mark.parametrize(
    ("changed_ns", "age_ns", "settled"),
    [
        pytest.param(NOW_S * SECOND_NS + 1, SETTLING_NS, False, id="within two ticks of a fine clock"),
        pytest.param(NOW_S * SECOND_NS + 1, SETTLING_NS + 1, True, id="after them"),
        pytest.param(NOW_S * SECOND_NS, SETTLING_NS + 1, False, id="a time in whole seconds may hide a change"),
        pytest.param(NOW_S * SECOND_NS, SECOND_NS, False, id="for a second"),
        pytest.param(NOW_S * SECOND_NS, 2 * SECOND_NS, False, id="on FAT for two"),
        pytest.param(NOW_S * SECOND_NS, COARSE_SETTLING_NS + 1, True, id="and no longer"),
    ],
)
def test_a_change_is_settled_when_the_clock_of_its_file_system_has_ticked(
    changed_ns: int, age_ns: int, settled: bool
) -> None:
    times = {"st_mtime_ns": changed_ns, "st_ctime_ns": changed_ns}
    status = os.stat_result((0o100644, 1, 1, 1, 0, 0, 1, 0, 0, 0), times)
    assert is_settled(status, changed_ns + age_ns) is settled


def test_a_time_in_whole_seconds_that_a_tool_wrote_does_not_count_as_a_coarse_clock() -> None:
    times = {"st_mtime_ns": 0, "st_ctime_ns": NOW_S * SECOND_NS + 1}
    status = os.stat_result((0o100644, 1, 1, 1, 0, 0, 1, 0, 0, 0), times)
    assert is_settled(status, NOW_S * SECOND_NS + SETTLING_NS + 2)
