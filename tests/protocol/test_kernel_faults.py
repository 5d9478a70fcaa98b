"""Every system call of the compiled kernel fails, one at a time, in a real server.

A preloaded C library (syscall_faults.c) makes the n-th call of a kind fail, for each n that an exchange reaches, in
each way that the call's manual names. The client gets the right bytes, an error response or a reset connection; the
worker stays, logs nothing, leaks no descriptor, and serves the next client. test_faults.py does the same for the Python
around the calls.
"""

from __future__ import annotations

import errno
import os
import shutil
import struct
import subprocess
import time
from collections.abc import Iterator
from mmap import mmap
from pathlib import Path

import pytest
from support.checkout import TESTS
from support.exchanges import LARGE, STATUSES, check, exchange, make_folder, responses
from support.kernels import flag
from support.serverprocess import ServerProcess
from support.watching import descriptors, until

from fastfile import WHY_PURE
from fastfile.storage.metadata import is_settled

SHORT = -1  # the call moves one byte
ROW = struct.Struct("qqqq")  # of the plan: calls so far, the first and the last that fail, and how
CALLS = (
    "recv", "send", "sendmsg", "sendfile", "accept4", "epoll_wait", "epoll_ctl", "preadv2", "pread", "openat2", "stat",
    "close",
)  # fmt: skip
AT_ANY_CALL = 1 << 62
# Errors that the manual of each call names for a server, without those that only a bug causes (EBADF, EFAULT).
WAYS = {
    "recv": (SHORT, errno.EAGAIN, errno.EINTR, errno.ECONNRESET, errno.ENOMEM),
    "send": (SHORT, errno.EAGAIN, errno.EINTR, errno.ECONNRESET, errno.EPIPE, errno.ENOBUFS, errno.ENOMEM),
    "sendmsg": (SHORT, errno.EAGAIN, errno.EINTR, errno.ECONNRESET, errno.EPIPE, errno.ENOBUFS, errno.ENOMEM),
    "sendfile": (SHORT, errno.EAGAIN, errno.EINTR, errno.ECONNRESET, errno.EPIPE, errno.EIO, errno.ENOMEM),
    "accept4": (errno.EAGAIN, errno.EINTR, errno.ECONNABORTED, errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.EPROTO),
    "epoll_wait": (errno.EINTR,),
    "epoll_ctl": (errno.ENOMEM, errno.ENOSPC),
    "preadv2": (SHORT, errno.EAGAIN, errno.EINTR, errno.EIO, errno.EOPNOTSUPP, errno.ENOSYS),
    "pread": (SHORT, errno.EINTR, errno.EIO),
    "openat2": (errno.EAGAIN, errno.EINTR, errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EIO),
    "stat": (errno.EACCES, errno.ENOMEM, errno.EIO),
    "close": (errno.EINTR, errno.EIO),
}
ROWS = [
    pytest.param(call, way, id=f"{call} {'short' if way == SHORT else errno.errorcode[way]}")
    for call, ways in WAYS.items()
    for way in ways
]


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Compile the preloaded library; a missing compiler or kernel fails if it must not be skipped."""
    compiler = shutil.which("cc") or shutil.which("gcc")
    missing = "compiled kernel" if WHY_PURE else None if compiler else "C compiler"
    if missing:
        assert not flag("FASTFILE_REQUIRE_EXTENSIONS"), f"no {missing}"
        pytest.skip(f"no {missing} here")
    assert compiler is not None
    built = tmp_path_factory.mktemp("faults") / "faults.so"
    source = TESTS / "support" / "syscall_faults.c"
    subprocess.run([compiler, "-shared", "-fPIC", "-Wall", "-Werror", "-o", built, source, "-ldl"], check=True)
    return built


class Faulty:
    """A server of one worker whose kernel's calls fail by plan."""

    def __init__(self, server: ServerProcess, plan: mmap, caches: bool) -> None:
        self.server = server
        self.caches = caches
        self._plan = plan
        (self.worker,) = server.wait_for_workers(1)
        self.address = ("127.0.0.1", server.port)
        self.expected = responses(exchange(self.address))

    def set(self, call: str, first: int, last: int, way: int) -> None:
        """Make the calls of a kind fail from the first to the last; 0: none. Counting starts again."""
        ROW.pack_into(self._plan, CALLS.index(call) * ROW.size, 0, first, last, way)

    def calls(self, call: str) -> int:
        return int(ROW.unpack_from(self._plan, CALLS.index(call) * ROW.size)[0])

    def fail_each(self, call: str, way: int) -> int:
        """Make each call fail in turn until an exchange makes no more; return how many it makes."""
        before = descriptors(self.worker)
        for turn in range(1, 1000):
            self.set(call, turn, turn, way)
            got = responses(exchange(self.address))
            reached = self.calls(call) >= turn
            self.set(call, 0, 0, 0)
            where = f"the {turn}th {call}"
            check(got, self.expected, way not in (SHORT, errno.EINTR) or call == "close", where)
            assert responses(exchange(self.address)) == self.expected, where
            if not reached:
                break
        until(lambda: descriptors(self.worker) <= before, f"descriptors are given back after {call}")
        assert self.server.worker_pids() == [self.worker]
        return turn - 1


@pytest.fixture(scope="module", params=["0", "64M"], ids=["nothing is cached", "cached"])
def faulty(request: pytest.FixtureRequest, library: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Faulty]:
    path = tmp_path_factory.mktemp("plan")
    folder = make_folder(path)
    plan_file = path / "plan"
    plan_file.write_bytes(bytes(ROW.size * len(CALLS)))
    environment = {"LD_PRELOAD": os.fspath(library), "SYSCALL_FAULTS": os.fspath(plan_file)}
    with plan_file.open("r+b") as file, mmap(file.fileno(), 0) as plan:
        arguments = ["--workers", "1", "--cache-size", request.param, "--allowed-host", "*", str(folder)]
        with ServerProcess(arguments, environment) as server:
            changed = os.stat(folder)
            until(lambda: is_settled(changed, time.time_ns()), "what is there may be cached")
            faulty = Faulty(server, plan, request.param != "0")
            assert [status for status, _, _ in faulty.expected] == STATUSES
            assert faulty.expected[1][1] == LARGE
            yield faulty
            assert not [line for line in server.stderr.splitlines() if "cannot accept" not in line]


@pytest.mark.parametrize(("call", "way"), ROWS)
def test_the_nth_call_of_the_kernel_fails(faulty: Faulty, call: str, way: int) -> None:
    if call == "pread":  # made where the kernel does not know the other way
        faulty.set("preadv2", 1, AT_ANY_CALL, errno.EOPNOTSUPP)
    try:
        turns = faulty.fail_each(call, way)
    finally:
        faulty.set("preadv2", 0, 0, 0)
    assert turns > 0 or faulty.caches, f"no {call} is made, so this is about nothing"


REFUSED = [
    (call, number)
    for call in ("sendfile", "openat2")
    for number in (errno.EINVAL, errno.ENOSYS, errno.EPERM, errno.EOPNOTSUPP if call == "sendfile" else errno.EACCES)
]


@pytest.mark.parametrize(("call", "number"), REFUSED, ids=[f"{call} {errno.errorcode[n]}" for call, n in REFUSED])
def test_a_call_that_the_system_refuses_has_a_substitute(call: str, number: int, library: Path, tmp_path: Path) -> None:
    """A file system, a container's seccomp filter or gVisor refuses it from the start, each in its way."""
    folder = make_folder(tmp_path)
    plan_file = tmp_path / "plan"
    plan = bytearray(ROW.size * len(CALLS))
    ROW.pack_into(plan, CALLS.index(call) * ROW.size, 0, 1, AT_ANY_CALL, number)
    plan_file.write_bytes(plan)
    environment = {"LD_PRELOAD": os.fspath(library), "SYSCALL_FAULTS": os.fspath(plan_file)}
    with ServerProcess(["--workers", "1", "--allowed-host", "*", str(folder)], environment) as server:
        for _ in range(2):
            got = responses(exchange(("127.0.0.1", server.port)))
            assert [status for status, _, _ in got] == STATUSES
            assert got[1][1] == LARGE
