"""The access log with real pipes, terminals, sockets, files and a full disk: it never waits and loses no count."""

import errno
import fcntl
import gc
import json
import os
import pty
import resource
import select
import socket
import stat
import termios
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from fastfile.message import RequestHead, Response, ResponseHead
from fastfile.server.log.access import QUEUE_LIMIT, AccessLog, Sink, open_log
from fastfile.server.log.format import LINE_LIMIT

MOMENT = 1_795_381_200.0
ANSWER = Response(ResponseHead(200, ()), (b"x",), 1)


def now() -> float:
    return MOMENT


def request(number: int, pad: int = 0) -> RequestHead:
    return RequestHead(b"GET", b"/%d%b" % (number, b"x" * pad), 1, 0)


def record(log: AccessLog, numbers: range, pad: int = 0) -> None:
    client = log.make_client("127.0.0.1")
    for number in numbers:
        log.record(client, (request(number, pad), ANSWER, 0.0), 1, int(MOMENT))


def targets(lines: bytes) -> list[int]:
    """Return the numbers of the exchanges in a json log, a report of dropped ones as a negative number."""
    assert lines == b"" or lines.endswith(b"\n")
    numbers = []
    for line in lines.splitlines():
        read = json.loads(line)
        numbers.append(-read["dropped"] if "dropped" in read else int(read["target"].strip("/x")))
    return numbers


def drain(fd: int) -> bytes:
    """Read everything available."""
    pieces = []
    while select.select([fd], [], [], 0)[0]:
        piece = os.read(fd, 1 << 20)
        if not piece:
            break
        pieces.append(piece)
    return b"".join(pieces)


def is_nonblocking(fd: int) -> bool:
    return bool(fcntl.fcntl(fd, fcntl.F_GETFL) & os.O_NONBLOCK)


@pytest.fixture(autouse=True)
def descriptors_return_to_their_number() -> Iterator[None]:
    gc.collect()  # objects of earlier tests
    before = sorted(os.listdir("/dev/fd"))
    yield
    assert sorted(os.listdir("/dev/fd")) == before


@pytest.fixture
def pipe(descriptors_return_to_their_number: None) -> Iterator[tuple[int, int]]:
    reader, writer = os.pipe()
    yield reader, writer
    for fd in (reader, writer):
        try:
            os.close(fd)
        except OSError as error:
            assert error.errno == errno.EBADF  # noqa: PT017 - a test closed it, that was its point


@pytest.fixture(params=["own description", "poll"])
def no_proc(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run a test normally, and as on systems where a descriptor cannot be opened again through /proc."""
    if request.param == "poll":
        system_open = os.open

        def refuse(path: str, *rest: int) -> int:
            if str(path).startswith("/proc/self/fd/"):
                raise PermissionError(errno.EACCES, "refused")
            return system_open(path, *rest)

        monkeypatch.setattr(os, "open", refuse)


def test_nothing_is_written_before_flush_and_each_line_once_after(pipe: tuple[int, int]) -> None:
    log = AccessLog("json", pipe[1], False, now)
    record(log, range(3))
    assert drain(pipe[0]) == b""
    log.flush()
    log.flush()
    assert targets(drain(pipe[0])) == [0, 1, 2]
    log.close()


def test_many_exchanges_are_written_without_waiting_for_flush(pipe: tuple[int, int]) -> None:
    log = AccessLog("json", pipe[1], False, now)
    record(log, range(1000))
    assert targets(drain(pipe[0]))[:128] == list(range(128))
    log.close()


def test_close_writes_what_is_left_and_leaves_the_callers_descriptor_open(pipe: tuple[int, int]) -> None:
    log = AccessLog("json", pipe[1], False, now)
    record(log, range(3))
    log.close()
    assert targets(drain(pipe[0])) == [0, 1, 2]
    os.write(pipe[1], b"still open")


@pytest.mark.usefixtures("no_proc")
def test_a_pipe_without_a_reader_drops_and_counts_lines_until_it_is_read(pipe: tuple[int, int]) -> None:
    log = AccessLog("json", pipe[1], False, now)
    start = time.monotonic()
    record(log, range(20_000))
    log.flush()
    assert time.monotonic() - start < 30  # it returned: without a reader, a wait would never end
    dropped = log.dropped
    assert dropped > 0
    kept = 20_000 - dropped

    read = []
    while piece := drain(pipe[0]):
        read.append(piece)
        log.flush()
    assert targets(b"".join(read)) == [*range(kept), -dropped]
    assert QUEUE_LIMIT < len(b"".join(read)) < QUEUE_LIMIT + (1 << 17)  # the queue, and what the pipe itself holds

    record(log, range(30_000, 30_003))
    log.flush()
    assert targets(drain(pipe[0])) == [30_000, 30_001, 30_002]
    assert log.dropped == dropped
    log.close()


def test_after_a_gap_lines_are_taken_again_at_half_a_queue_with_the_report_in_its_place(pipe: tuple[int, int]) -> None:
    log = AccessLog("json", pipe[1], False, now)
    record(log, range(20_000))
    log.flush()
    dropped = log.dropped
    kept = 20_000 - dropped

    record(log, range(20_000, 20_001))
    log.flush()
    assert log.dropped == dropped + 1  # nothing was read: still a full queue

    read = [drain(pipe[0])]
    size = len(read[0])
    log.flush()
    record(log, range(20_000, 20_001))
    log.flush()
    assert log.dropped == dropped + 2  # there is room, but the gap goes on until half of the queue is free
    while size < QUEUE_LIMIT * 3 // 4:
        read.append(drain(pipe[0]))
        size += len(read[-1])
        log.flush()
    record(log, range(20_001, 20_003))
    log.flush()
    while piece := drain(pipe[0]):
        read.append(piece)
        log.flush()
    assert targets(b"".join(read)) == [*range(kept), -(dropped + 2), 20_001, 20_002]
    log.close()


@pytest.mark.usefixtures("no_proc")
def test_what_a_full_pipe_gets_are_whole_lines(pipe: tuple[int, int]) -> None:
    log = AccessLog("json", pipe[1], False, now)
    for pad in range(0, 2000, 7):
        record(log, range(pad, pad + 1), pad)
    log.flush()
    while piece := drain(pipe[0]):
        targets(piece)
        log.flush()
    log.close()


@pytest.mark.usefixtures("no_proc")
def test_the_flags_of_the_shared_description_are_left_alone(pipe: tuple[int, int]) -> None:
    log = AccessLog("json", pipe[1], False, now)
    record(log, range(20_000))
    log.flush()
    assert not is_nonblocking(pipe[1])
    log.close()


@pytest.mark.usefixtures("no_proc")
def test_a_pipe_whose_reader_went_away_is_survived(pipe: tuple[int, int]) -> None:
    log = AccessLog("json", pipe[1], False, now)
    os.close(pipe[0])
    record(log, range(20_000))
    log.flush()
    assert log.dropped > 0
    assert log.take_problem() == "", "as in `fastfile | head`"
    log.close()


def test_a_log_on_a_pipe_without_a_reader_can_be_made(pipe: tuple[int, int]) -> None:
    os.close(pipe[0])
    log = AccessLog("json", pipe[1], False, now)
    record(log, range(3))
    log.close()


def test_workers_that_share_a_full_pipe_do_not_wait_for_each_other(pipe: tuple[int, int]) -> None:
    logs = [AccessLog("json", pipe[1], False, now) for _ in range(4)]
    for _ in range(20):
        for log in logs:
            record(log, range(100))
            log.flush()
    while piece := drain(pipe[0]):
        targets(piece)
        for log in logs:
            log.flush()
    assert [log.dropped for log in logs] == [0, 0, 0, 0]
    for log in logs:
        log.close()


@pytest.mark.usefixtures("no_proc")
def test_a_terminal_that_was_stopped_is_not_waited_for() -> None:
    master, slave = pty.openpty()
    termios.tcflow(slave, termios.TCOOFF)  # what Ctrl-S does
    log = AccessLog("pretty", slave, True, now)
    record(log, range(20_000), 100)
    log.flush()
    assert log.dropped > 0
    assert not is_nonblocking(slave)
    assert drain(master) == b""

    termios.tcflow(slave, termios.TCOON)
    log.flush()
    assert select.select([master], [], [], 60)[0]
    assert b"GET  /0xxx" in os.read(master, 65536)
    log.close()
    os.close(slave)
    os.close(master)


@pytest.mark.parametrize("kind", [socket.SOCK_STREAM, socket.SOCK_DGRAM], ids=["stream", "datagram"])
def test_a_socket_without_a_reader_is_not_waited_for(kind: int) -> None:
    ours, theirs = socket.socketpair(socket.AF_UNIX, kind)
    with ours, theirs:
        log = AccessLog("json", ours.fileno(), False, now)
        record(log, range(20_000))
        log.flush()
        assert log.dropped > 0
        assert not is_nonblocking(ours.fileno())
        read = []
        while piece := drain(theirs.fileno()):
            read.append(piece)
            log.flush()
        assert targets(b"".join(read)) == [*range(20_000 - log.dropped), -log.dropped]
        log.close()


def test_a_full_disk_is_survived_and_counted() -> None:
    fd = os.open("/dev/full", os.O_WRONLY)
    log = AccessLog("combined", fd, False, now)
    os.close(fd)
    record(log, range(20_000))
    log.flush()
    assert 0 < log.dropped < 20_000
    assert log.take_problem() == "No space left on device"
    log.flush()
    assert log.take_problem() == "", "once"
    log.close()


def test_a_line_that_a_full_file_cut_is_completed_when_there_is_room(tmp_path: Path) -> None:
    fd = open_log(str(tmp_path / "log"))
    log = AccessLog("json", fd, False, now)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, hard))  # the file system takes a part of the write, then none
    try:
        record(log, range(10))
        log.flush()
        log.flush()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert os.fstat(fd).st_size == 1000
    log.flush()
    assert targets((tmp_path / "log").read_bytes()) == list(range(10))
    log.close()
    os.close(fd)


def test_rotation_loses_no_line(tmp_path: Path) -> None:
    path = tmp_path / "log"
    fd = open_log(str(path))
    log = AccessLog("json", fd, False, now)
    os.close(fd)
    record(log, range(2))
    log.flush()
    os.rename(path, tmp_path / "log.1")
    record(log, range(2, 4))
    new = open_log(str(path))
    log.replace(new)
    os.close(new)
    record(log, range(4, 6))
    log.close()
    assert targets((tmp_path / "log.1").read_bytes()) == [0, 1, 2, 3]
    assert targets(path.read_bytes()) == [4, 5]


def test_a_log_file_is_appended_to_and_not_for_all_to_write(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_bytes(b"before\n")
    fd = open_log(str(path))
    os.write(fd, b"after\n")
    os.close(fd)
    assert path.read_bytes() == b"before\nafter\n"

    fd = open_log(str(tmp_path / "new"))
    assert stat.S_IMODE(os.fstat(fd).st_mode) & ~0o644 == 0
    assert not os.get_inheritable(fd)
    os.close(fd)


def test_a_batch_is_one_write_to_a_file(tmp_path: Path) -> None:
    path = tmp_path / "log"
    fd = open_log(str(path))
    log = AccessLog("common", fd, False, now)
    record(log, range(100), 100)
    before = write_calls()
    log.flush()
    assert write_calls() - before == 1
    assert path.read_bytes().count(b"\n") == 100
    log.close()
    os.close(fd)


def write_calls() -> int:
    for line in Path("/proc/self/io").read_text().splitlines():
        if line.startswith("syscw:"):
            return int(line.split()[1])
    pytest.skip("this system does not count write calls")


def test_a_descriptor_that_is_not_open_is_refused() -> None:
    fd = os.dup(0)
    os.close(fd)
    with pytest.raises(OSError, match="Bad file descriptor"):
        Sink(fd)


def test_a_line_longer_than_a_piece_goes_in_pieces_and_whole_in_the_end(pipe: tuple[int, int]) -> None:
    sink = Sink(pipe[1])
    queue = bytearray(b"a" * (LINE_LIMIT * 3) + b"\nshort\n")
    sink.write(queue)
    assert queue == b""
    assert drain(pipe[0]) == b"a" * (LINE_LIMIT * 3) + b"\nshort\n"
    sink.close()


def test_each_second_has_its_own_time(pipe: tuple[int, int]) -> None:
    moments = iter((MOMENT, MOMENT + 0.5, MOMENT + 1, MOMENT + 61))
    log = AccessLog("json", pipe[1], False, lambda: next(moments))
    record(log, range(4))
    log.close()
    times = [json.loads(line)["time"] for line in drain(pipe[0]).splitlines()]
    assert times == [
        "2026-11-22T21:00:00.000Z",
        "2026-11-22T21:00:00.500Z",
        "2026-11-22T21:00:01.000Z",
        "2026-11-22T21:01:01.000Z",
    ]
