"""The kernel of system calls: both twins on real sockets and files, with the same results."""

from __future__ import annotations

import contextlib
import errno
import os
import socket
import stat
import tempfile
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from types import ModuleType

import pytest
from support.colddisk import is_seen_once_dropped
from support.kernels import KERNEL_KINDS, load_kernel

TIMEOUT_S = 60
CONTENT = os.urandom(1024) * 300
KERNELS = pytest.mark.parametrize("kind", KERNEL_KINDS)


@pytest.fixture(params=KERNEL_KINDS)
def sendfile_kernel(request: pytest.FixtureRequest) -> ModuleType:
    return load_kernel("_sendfile", request.param)


class Pair:
    """A server's non-blocking end and a client's end."""

    def __init__(self, server: socket.socket, client: socket.socket) -> None:
        self.server, self.client = server, client
        server.setblocking(False)
        client.settimeout(TIMEOUT_S)
        self.fd = server.fileno()

    def read(self, count: int) -> bytes:
        got = b""
        while len(got) < count:
            piece = self.client.recv(count - len(got))
            assert piece, f"the stream ended after {len(got)} of {count}"
            got += piece
        return got

    def reset(self) -> None:
        """Close the client's end with a reset: unread data causes one, on TCP and Unix sockets."""
        self.client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        self.client.close()


def tcp_pair() -> Pair:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        client = socket.create_connection(listener.getsockname())
        return Pair(listener.accept()[0], client)


@pytest.fixture(params=["tcp", "unix"])
def pair(request: pytest.FixtureRequest) -> Iterator[Pair]:
    made = tcp_pair() if request.param == "tcp" else Pair(*socket.socketpair())
    with made.server, made.client:
        yield made


@pytest.fixture
def tcp() -> Iterator[Pair]:
    made = tcp_pair()
    with made.server, made.client:
        yield made


@pytest.fixture
def file_fd(tmp_path: Path) -> Iterator[int]:
    (tmp_path / "file").write_bytes(CONTENT)
    fd = os.open(tmp_path / "file", os.O_RDONLY)
    yield fd
    os.close(fd)


def fill(kernel: ModuleType, fd: int) -> int:
    """Send until the socket is full; return how much it took."""
    total = 0
    while (sent := kernel.send_parts(fd, [b"x" * 65536], 0)) != kernel.WOULD_BLOCK:
        total += sent
    return total


# recv_into


def test_what_has_arrived_is_read_to_the_start_of_the_buffer(sendfile_kernel: ModuleType, pair: Pair) -> None:
    pair.client.sendall(b"hello")
    buffer = bytearray(b"....................")
    assert sendfile_kernel.recv_into(pair.fd, buffer) == 5
    assert buffer == b"hello..............."


def test_no_more_is_read_than_the_buffer_holds(sendfile_kernel: ModuleType, pair: Pair) -> None:
    pair.client.sendall(b"hello")
    buffer = bytearray(3)
    assert sendfile_kernel.recv_into(pair.fd, buffer) == 3
    assert sendfile_kernel.recv_into(pair.fd, buffer) == 2
    assert buffer == b"lol"


def test_nothing_there_yet_would_block(sendfile_kernel: ModuleType, pair: Pair) -> None:
    assert sendfile_kernel.recv_into(pair.fd, bytearray(10)) == sendfile_kernel.WOULD_BLOCK


def test_the_end_of_the_stream_is_zero(sendfile_kernel: ModuleType, pair: Pair) -> None:
    pair.client.shutdown(socket.SHUT_WR)
    assert sendfile_kernel.recv_into(pair.fd, bytearray(10)) == 0


def test_a_reset_is_an_error_of_reading(sendfile_kernel: ModuleType, tcp: Pair) -> None:
    tcp.reset()
    with pytest.raises(ConnectionResetError):
        sendfile_kernel.recv_into(tcp.fd, bytearray(10))


# send_parts


@pytest.mark.parametrize(
    ("parts", "skip", "expected"),
    [
        pytest.param([b"one"], 0, b"one", id="one part"),
        pytest.param([b"one", b"two", b"three"], 0, b"onetwothree", id="several parts leave as one"),
        pytest.param([b"one", b"two"], 2, b"etwo", id="what was sent of the first part is skipped"),
        pytest.param([b"one", b"two"], 3, b"two", id="the first part may be skipped whole"),
        pytest.param([b"", b"one", b"", b"two"], 0, b"onetwo", id="empty parts are nothing"),
        pytest.param([b"%02d" % i for i in range(64)], 1, b"".join(b"%02d" % i for i in range(64))[1:], id="64 parts"),
        pytest.param([b"%03d" % i for i in range(70)], 0, b"".join(b"%03d" % i for i in range(64)), id="64 of 70"),
    ],
)
def test_parts_are_sent_in_order(
    sendfile_kernel: ModuleType, pair: Pair, parts: list[bytes], skip: int, expected: bytes
) -> None:
    assert sendfile_kernel.send_parts(pair.fd, parts, skip) == len(expected)
    assert pair.read(len(expected)) == expected


@pytest.mark.parametrize(
    ("parts", "expected"),
    [
        pytest.param((), b"headend", id="no body"),
        pytest.param((b"body",), b"headendbody", id="a body"),
        pytest.param((b"one", b"two" * 5000), b"headendone" + b"two" * 5000, id="more than is copied together"),
        pytest.param((b"x",) * 70, b"headend" + b"x" * 62, id="64 parts in all"),
        pytest.param((b"body", "a file", b"more"), b"headendbody", id="what stands before a file"),
    ],
)
def test_a_response_is_sent_in_order(
    sendfile_kernel: ModuleType, pair: Pair, parts: tuple[object, ...], expected: bytes
) -> None:
    assert sendfile_kernel.send_response(pair.fd, b"head", b"end", parts) == len(expected)
    assert pair.read(len(expected)) == expected


@pytest.mark.parametrize(
    ("parts", "skip"),
    [
        pytest.param([], 0, id="there is no first part"),
        pytest.param([b"one", b"two"], 4, id="skip goes beyond the first part"),
        pytest.param([b"one", b"two"], -1, id="skip is negative"),
    ],
)
def test_a_skip_outside_the_first_part_is_refused(
    sendfile_kernel: ModuleType, pair: Pair, parts: list[bytes], skip: int
) -> None:
    with pytest.raises(ValueError, match="skip must lie within the first part"):
        sendfile_kernel.send_parts(pair.fd, parts, skip)


def test_the_end_of_the_stream_is_sent_and_reading_goes_on(sendfile_kernel: ModuleType, pair: Pair) -> None:
    ours, theirs = pair.server, pair.client
    sendfile_kernel.shutdown_write(ours.fileno())
    assert theirs.recv(1) == b""
    theirs.sendall(b"more")
    assert sendfile_kernel.recv_into(ours.fileno(), bytearray(10)) == 4


def test_a_reset_closes_the_socket_and_is_an_error_for_the_client(sendfile_kernel: ModuleType, tcp: Pair) -> None:
    ours, theirs = tcp.server, tcp.client
    fd = ours.detach()
    sendfile_kernel.reset(fd)
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(fd)
    with pytest.raises(ConnectionResetError):
        theirs.recv(1)


def test_a_full_socket_takes_a_part_and_then_would_block(sendfile_kernel: ModuleType, pair: Pair) -> None:
    huge = os.urandom(1024) * 32768
    sent = sendfile_kernel.send_parts(pair.fd, [huge], 0)
    assert 0 < sent < len(huge)
    while (more := sendfile_kernel.send_parts(pair.fd, [huge], sent)) != sendfile_kernel.WOULD_BLOCK:
        sent += more
    assert pair.read(sent) == huge[:sent]
    assert sendfile_kernel.send_parts(pair.fd, [huge], sent) > 0


def test_sending_to_a_client_that_has_gone_is_a_broken_pipe_and_no_signal(sendfile_kernel: ModuleType) -> None:
    server, client = socket.socketpair()
    with server:
        client.close()
        server.setblocking(False)
        with pytest.raises(BrokenPipeError):
            sendfile_kernel.send_parts(server.fileno(), [b"x"], 0)


def test_a_reset_is_an_error_of_sending(sendfile_kernel: ModuleType, tcp: Pair) -> None:
    tcp.reset()
    with pytest.raises(ConnectionResetError):
        sendfile_kernel.send_parts(tcp.fd, [b"x"], 0)


def test_a_part_that_waits_for_a_file_leaves_with_it(sendfile_kernel: ModuleType, tcp: Pair, file_fd: int) -> None:
    assert sendfile_kernel.send_parts(tcp.fd, [b"head", "a file"], 0) == 4
    assert sendfile_kernel.send_file(tcp.fd, file_fd, 0, 100) == 100
    assert tcp.read(104) == b"head" + CONTENT[:100]


# send_file


@pytest.mark.parametrize(
    ("offset", "count"),
    [
        pytest.param(0, 1, id="the first byte"),
        pytest.param(len(CONTENT) - 1, 1, id="the last byte"),
        pytest.param(1000, 5000, id="the middle"),
    ],
)
def test_a_range_of_a_file_is_sent(
    sendfile_kernel: ModuleType, pair: Pair, file_fd: int, offset: int, count: int
) -> None:
    assert sendfile_kernel.send_file(pair.fd, file_fd, offset, count) == count
    assert pair.read(count) == CONTENT[offset : offset + count]
    assert os.lseek(file_fd, 0, os.SEEK_CUR) == 0  # the descriptor is shared: its own offset does not move


@pytest.mark.parametrize("beyond", [0, 1, 1 << 40], ids=["at the end", "one beyond", "far beyond"])
def test_nothing_is_sent_from_beyond_the_end_of_a_file(
    sendfile_kernel: ModuleType, pair: Pair, file_fd: int, beyond: int
) -> None:
    assert sendfile_kernel.send_file(pair.fd, file_fd, len(CONTENT) + beyond, 10) == 0


def test_a_file_that_ends_early_is_sent_up_to_its_end(sendfile_kernel: ModuleType, pair: Pair, file_fd: int) -> None:
    assert sendfile_kernel.send_file(pair.fd, file_fd, len(CONTENT) - 7, 1000) == 7
    assert pair.read(7) == CONTENT[-7:]


def test_a_file_goes_in_pieces_through_a_full_socket(sendfile_kernel: ModuleType, pair: Pair, tmp_path: Path) -> None:
    content = os.urandom(4096) * 4096  # 16 MiB: more than the buffers take
    (tmp_path / "huge").write_bytes(content)
    fd = os.open(tmp_path / "huge", os.O_RDONLY)
    try:
        blocked = offset = 0
        got = bytearray()
        while offset < len(content):
            sent = sendfile_kernel.send_file(pair.fd, fd, offset, len(content) - offset)
            if sent == sendfile_kernel.WOULD_BLOCK:
                blocked += 1
                got += pair.client.recv(1 << 20)
            else:
                assert sent > 0
                offset += sent
        got += pair.read(len(content) - len(got))
    finally:
        os.close(fd)
    assert blocked
    assert got == content


def test_a_full_socket_takes_no_file(sendfile_kernel: ModuleType, pair: Pair, file_fd: int) -> None:
    fill(sendfile_kernel, pair.fd)
    assert sendfile_kernel.send_file(pair.fd, file_fd, 0, 10) == sendfile_kernel.WOULD_BLOCK


def test_a_file_that_is_copied_arrives_as_one_that_is_sent(
    sendfile_kernel: ModuleType, pair: Pair, tmp_path: Path
) -> None:
    ours, theirs = pair.server, pair.client
    content = os.urandom(200_000)
    (tmp_path / "large").write_bytes(content)
    fd = os.open(tmp_path / "large", os.O_RDONLY)
    received, offset = b"", 10
    while sent := sendfile_kernel.copy_file(ours.fileno(), fd, offset, len(content) - offset):
        if sent == sendfile_kernel.WOULD_BLOCK:
            received += theirs.recv(1 << 20)
        else:
            offset += sent
    os.close(fd)
    ours.shutdown(socket.SHUT_WR)
    while more := theirs.recv(1 << 20):
        received += more
    assert received == content[10:]


def test_a_file_for_a_client_that_has_gone_is_a_broken_pipe_and_no_signal(
    sendfile_kernel: ModuleType, file_fd: int
) -> None:
    server, client = socket.socketpair()
    with server:
        client.close()
        server.setblocking(False)
        with pytest.raises(BrokenPipeError):
            sendfile_kernel.send_file(server.fileno(), file_fd, 0, 10)


# accept


def listen(family: socket.AddressFamily, address: object) -> socket.socket:
    listener = socket.socket(family)
    listener.bind(address)
    listener.listen()
    listener.setblocking(False)
    return listener


@pytest.mark.parametrize(
    ("family", "address", "accepted_from"),
    [
        pytest.param(socket.AF_INET, ("127.0.0.1", 0), b"\x7f\0\0\1", id="an IPv4 client"),
        pytest.param(socket.AF_INET6, ("::1", 0), bytes(15) + b"\1", id="an IPv6 client"),
        pytest.param(socket.AF_UNIX, "", b"", id="a client on a Unix socket"),
    ],
)
def test_a_client_is_accepted_with_its_address(
    sendfile_kernel: ModuleType, tmp_path: Path, family: socket.AddressFamily, address: object, accepted_from: bytes
) -> None:
    with listen(family, address or str(tmp_path / "socket")) as listener, socket.socket(family) as client:
        client.connect(listener.getsockname())
        fd, client_address = sendfile_kernel.accept(listener.fileno())
        with socket.socket(fileno=fd) as accepted:
            assert client_address == accepted_from
            assert not os.get_blocking(fd)
            assert not os.get_inheritable(fd)
            client.sendall(b"x")
            accepted.settimeout(TIMEOUT_S)
            assert accepted.recv(1) == b"x"


def test_accepting_leaves_the_listener_open(sendfile_kernel: ModuleType) -> None:
    with listen(socket.AF_INET, ("127.0.0.1", 0)) as listener:
        for _ in range(3):
            with socket.create_connection(listener.getsockname()):
                os.close(sendfile_kernel.accept(listener.fileno())[0])


def test_accept_without_a_waiting_client_is_none(sendfile_kernel: ModuleType) -> None:
    with listen(socket.AF_INET, ("127.0.0.1", 0)) as listener:
        assert sendfile_kernel.accept(listener.fileno()) is None


def test_an_epoll_names_what_is_ready(sendfile_kernel: ModuleType) -> None:
    epoll = sendfile_kernel.Epoll()
    one, other = socket.socketpair()
    with one, other:
        epoll.register(one.fileno(), 1)
        assert epoll.wait() == 0
        other.sendall(b"x")
        assert [epoll.ready(index) for index in range(epoll.wait())] == [one.fileno()]
        epoll.modify(one.fileno(), 0)
        assert epoll.wait() == 0
        with pytest.raises(FileExistsError):
            epoll.register(one.fileno(), 1)
    epoll.close()


# Copies


def test_a_copy_is_of_the_start_and_stays_as_it_was(sendfile_kernel: ModuleType) -> None:
    buffer = bytearray(b"abc")
    copies = [sendfile_kernel.copy_of(buffer, count) for count in range(4)]
    buffer[:] = b"xyz"
    assert copies == [b"", b"a", b"ab", b"abc"]
    assert all(type(copy) is bytearray for copy in copies)
    for count in (-1, 4):
        with pytest.raises(ValueError, match="within the buffer"):
            sendfile_kernel.copy_of(buffer, count)


def test_a_slice_is_a_copy_within_the_buffer(sendfile_kernel: ModuleType) -> None:
    buffer = bytearray(b"abcd")
    slices = [sendfile_kernel.slice_of(buffer, *bounds) for bounds in ((0, 0), (0, 4), (1, 3), (4, 4))]
    buffer[:] = b"wxyz"
    assert slices == [b"", b"abcd", b"bc", b""]
    assert all(type(one) is bytes for one in slices)
    for bounds in ((-1, 2), (3, 2), (0, 5)):
        with pytest.raises(ValueError, match="within the buffer"):
            sendfile_kernel.slice_of(buffer, *bounds)


def test_a_part_lies_within_the_bytes(sendfile_kernel: ModuleType) -> None:
    parts = [sendfile_kernel.part_of(b"abcd", *bounds) for bounds in ((0, 0), (0, 4), (1, 3), (4, 4))]
    assert parts == [b"", b"abcd", b"bc", b""]
    for bounds in ((-1, 2), (3, 2), (0, 5)):
        with pytest.raises(ValueError, match="within the bytes"):
            sendfile_kernel.part_of(b"abcd", *bounds)


def test_parts_are_concatenated_in_their_order(sendfile_kernel: ModuleType) -> None:
    assert [sendfile_kernel.concatenate(parts) for parts in ((), (b"a",), (b"ab", b"", b"\0", b"c"))] == [
        b"",
        b"a",
        b"ab\0c",
    ]
    with pytest.raises(TypeError):
        sendfile_kernel.concatenate((b"a", "b"))


def test_a_frame_has_its_length_in_its_head(sendfile_kernel: ModuleType) -> None:
    put_frame, put_data_frame = sendfile_kernel.put_frame, sendfile_kernel.put_data_frame
    buffer = bytearray(b"-" * 31)
    assert put_frame(buffer, 1, 1, 5, 0x7FFFFFFF, b"abc", b"de") == 15
    assert put_frame(buffer, 15, 4, 0, 0, b"", b"") == 24
    assert buffer == b"-\0\0\5\1\5\x7f\xff\xff\xffabcde\0\0\0\4\0\0\0\0\0-------"
    assert put_data_frame(buffer, 20, 1, 0x010203, b"xyz", 1, 3) == 31
    assert buffer[20:] == b"\0\0\2\0\1\0\1\2\3yz"
    for start in (-1, 23, 1000):
        with pytest.raises(ValueError, match="within the buffer"):
            put_frame(buffer, start, 4, 0, 0, b"", b"")
        with pytest.raises(ValueError, match="within the buffer"):
            put_data_frame(buffer, start, 0, 1, b"", 0, 0)
    content = bytes(range(256)) * 300
    for bounds in ((-1, 2), (3, 2), (0, len(content) + 1)):
        with pytest.raises(ValueError, match="within the content"):
            put_data_frame(buffer, 0, 0, 1, content, *bounds)
    with pytest.raises(TypeError):
        put_frame(buffer, 0, 1, 0, 1, None, b"")


HEAD = b"\0\1\2\3"  # the number of the stream that follows kind and flags


@pytest.mark.parametrize(
    ("size", "frames"),
    [
        (1, b"\0\0\1\0\1%b0"),
        (3, b"\0\0\3\0\1%b012"),
        (4, b"\0\0\3\0\0%b012\0\0\1\0\1%b3"),
        (6, b"\0\0\3\0\0%b012\0\0\3\0\1%b345"),
    ],
)
def test_content_is_split_into_frames_and_the_last_one_ends_it(
    sendfile_kernel: ModuleType, tmp_path: Path, size: int, frames: bytes
) -> None:
    expected = frames % ((HEAD,) * frames.count(b"%b"))
    assert sendfile_kernel.make_data_frames(1, 0x010203, b"0123456"[:size], 3) == expected
    path = tmp_path / "digits"
    path.write_bytes(b"--0123456")
    with path.open("rb") as file:
        for may_wait in (True, False):
            assert sendfile_kernel.read_data_frames(file.fileno(), 2, size, may_wait, 1, 0x010203, 3) == expected


def test_a_file_that_is_shorter_than_asked_does_not_end_its_stream(sendfile_kernel: ModuleType, tmp_path: Path) -> None:
    path = tmp_path / "digits"
    path.write_bytes(b"01234")
    with path.open("rb") as file:
        for may_wait in (True, False):
            read = partial(sendfile_kernel.read_data_frames, file.fileno())
            assert read(0, 9, may_wait, 1, 0x010203, 3) == b"\0\0\3\0\0%b012\0\0\2\0\0%b34" % (HEAD, HEAD)
            assert read(0, 6, may_wait, 1, 0x010203, 5) == b"\0\0\5\0\0%b01234" % HEAD
            assert read(5, 6, may_wait, 1, 0x010203, 5) == b""


def test_frames_are_neither_empty_nor_too_many(sendfile_kernel: ModuleType, tmp_path: Path) -> None:
    path = tmp_path / "empty"
    path.touch()
    with path.open("rb") as file:
        for size, most in ((0, 3), (1, 0), (65, 1)):
            with pytest.raises(ValueError, match="1 to 64 frames"):
                sendfile_kernel.make_data_frames(0, 1, bytes(size), most)
            with pytest.raises(ValueError, match="1 to 64 frames"):
                sendfile_kernel.read_data_frames(file.fileno(), 0, size, True, 0, 1, most)


def test_a_socket_whose_reading_is_shut_down_ends_after_what_has_arrived(sendfile_kernel: ModuleType) -> None:
    one, other = socket.socketpair()
    with one, other:
        other.sendall(b"x")
        sendfile_kernel.shutdown_read(one.fileno())
        assert one.recv(10) == b"x"
        assert one.recv(10) == b""
        one.sendall(b"y")
        assert other.recv(10) == b"y"


# Every call on a descriptor that cannot be used


@pytest.mark.parametrize(
    "call",
    [
        pytest.param(lambda kernel, fd, file_fd: kernel.accept(fd), id="accept"),
        pytest.param(lambda kernel, fd, file_fd: kernel.recv_into(fd, bytearray(1)), id="recv_into"),
        pytest.param(lambda kernel, fd, file_fd: kernel.send_parts(fd, [b"x"], 0), id="send_parts"),
        pytest.param(lambda kernel, fd, file_fd: kernel.send_response(fd, b"x", b"", ()), id="send_response"),
        pytest.param(lambda kernel, fd, file_fd: kernel.send_file(fd, file_fd, 0, 1), id="send_file"),
        pytest.param(lambda kernel, fd, file_fd: kernel.copy_file(fd, file_fd, 0, 1), id="copy_file"),
        pytest.param(lambda kernel, fd, file_fd: kernel.close(fd), id="close"),
        pytest.param(lambda kernel, fd, file_fd: kernel.reset(fd), id="reset"),
        pytest.param(lambda kernel, fd, file_fd: kernel.shutdown_read(fd), id="shutdown_read"),
        pytest.param(lambda kernel, fd, file_fd: kernel.shutdown_write(fd), id="shutdown_write"),
    ],
)
def test_a_closed_descriptor_is_an_error(sendfile_kernel: ModuleType, file_fd: int, call) -> None:  # type: ignore[no-untyped-def]
    closed = os.dup(file_fd)
    os.close(closed)
    with pytest.raises(OSError, match=os.strerror(errno.EBADF)) as caught:
        call(sendfile_kernel, closed, file_fd)
    assert caught.value.errno == errno.EBADF


# Signatures


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    (tmp_path / "file").write_bytes(b"content")
    (tmp_path / "folder").mkdir()
    (tmp_path / "link").symlink_to("file")
    (tmp_path / "dangling").symlink_to("nothing")
    (tmp_path / "loop").symlink_to("loop")
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "old").write_bytes(b"x")
    os.utime(tmp_path / "old", ns=(-1_500_000_000, -1_500_000_000))  # before 1970: negative seconds, positive rest
    (tmp_path / "future").write_bytes(b"x")
    os.utime(tmp_path / "future", ns=(1 << 61, 1 << 61))
    for name, time_s in (("2300", 10_413_792_000), ("2446", 15_032_385_535), ("1600", -11_676_096_000)):
        (tmp_path / name).write_bytes(b"x")  # beyond 64 bits of nanoseconds
        os.utime(tmp_path / name, ns=(time_s * 10**9 + 1, time_s * 10**9 + 1))
    return tmp_path


@pytest.mark.parametrize("name", ["file", "folder", "link", "fifo", "old", "future", "2300", "2446", "1600", "."])
def test_the_signature_of_a_path_is_that_of_its_status(sendfile_kernel: ModuleType, tree: Path, name: str) -> None:
    path = os.fsencode(tree / name)
    assert sendfile_kernel.read_signature(path) == sendfile_kernel.make_signature(os.stat(path))
    assert len(sendfile_kernel.read_signature(path)) == 40
    assert sendfile_kernel.read_signature(path, False) == sendfile_kernel.make_signature(os.lstat(path))
    assert sendfile_kernel.has_signature(path, sendfile_kernel.make_signature(os.stat(path)))
    assert not any(sendfile_kernel.has_signature(path, other) for other in (b"", b"!", bytes(40), bytes(41)))


@pytest.mark.parametrize("name", ["file", "folder", "link", "fifo", "old", "1600", "missing", "dangling", "loop"])
def test_a_name_in_an_open_folder_has_the_signature_of_its_path(
    sendfile_kernel: ModuleType, tree: Path, directory_fd: int, name: str
) -> None:
    path = b"/any/where/" + name.encode()
    signature = sendfile_kernel.read_signature(os.fsencode(tree / name))
    is_there = len(signature) == 40
    assert sendfile_kernel.has_signature_in(directory_fd, path, 11, signature) is is_there
    assert sendfile_kernel.has_signature_in(directory_fd, path[11:], 0, signature) is is_there
    assert not any(
        sendfile_kernel.has_signature_in(directory_fd, path, 11, other) for other in (b"", b"!", bytes(40), bytes(41))
    )
    assert not sendfile_kernel.has_signature_in(-1, path, 11, signature)
    for start in (-1, len(path) + 1):
        with pytest.raises(ValueError, match="start"):
            sendfile_kernel.has_signature_in(directory_fd, path, start, signature)


@pytest.mark.parametrize(
    ("name", "signature"),
    [
        pytest.param("missing", b"", id="nothing is there"),
        pytest.param("missing/deeper", b"", id="its folder is not there"),
        pytest.param("file/deeper", b"", id="its folder is a file"),
        pytest.param("dangling", b"", id="a link to nothing"),
        pytest.param("loop", b"!", id="a loop of links"),
        pytest.param("n" * 256, b"!", id="a name that is too long"),
    ],
)
def test_what_has_no_status_has_no_signature(
    sendfile_kernel: ModuleType, tree: Path, name: str, signature: bytes
) -> None:
    path = os.fsencode(tree / name)
    assert sendfile_kernel.read_signature(path) == signature
    itself = sendfile_kernel.read_signature(path, False)
    assert itself == (sendfile_kernel.make_signature(os.lstat(path)) if os.path.islink(path) else signature)
    assert [each for each in (b"", b"!", bytes(40)) if sendfile_kernel.has_signature(path, each)] == [signature]


CHANGES = [
    pytest.param(lambda path: path.write_bytes(b"Content"), id="rewritten to the same size"),
    pytest.param(lambda path: path.write_bytes(b"more content"), id="rewritten to another size"),
    pytest.param(lambda path: os.utime(path, ns=(1, 1)), id="another mtime"),
    pytest.param(lambda path: path.chmod(0o600), id="another mode"),
    pytest.param(lambda path: (path.rename(path.with_name("aside")), path.write_bytes(b"content")), id="replaced"),
]


@pytest.mark.parametrize("change", CHANGES)
def test_every_change_of_a_file_changes_its_signature(sendfile_kernel: ModuleType, tree: Path, change) -> None:  # type: ignore[no-untyped-def]
    path = tree / "file"
    os.utime(path, ns=(10**18, 10**18))
    before = sendfile_kernel.read_signature(os.fsencode(path))
    assert sendfile_kernel.has_signature(os.fsencode(path), before)
    ctime_ns = path.stat().st_ctime_ns
    while True:  # the kernel's clock may not have ticked since the file was made: then the next tick shows it
        change(path)
        if path.stat().st_ctime_ns != ctime_ns:
            break
        with contextlib.suppress(FileNotFoundError):
            (tree / "aside").unlink()
    assert sendfile_kernel.read_signature(os.fsencode(path)) != before
    assert not sendfile_kernel.has_signature(os.fsencode(path), before)


# open_beneath, in the compiled twin only; the Python one raises ENOSYS


@pytest.fixture
def directory_fd(tree: Path) -> Iterator[int]:
    (tree / "folder" / "out").symlink_to("../..")
    (tree / "folder" / "up").symlink_to("../file")
    (tree / "folder" / "absolute").symlink_to(tree / "file")
    fd = os.open(tree, os.O_RDONLY | os.O_DIRECTORY)
    yield fd
    os.close(fd)


def test_the_python_twin_knows_no_openat2(directory_fd: int) -> None:
    with pytest.raises(OSError, match=os.strerror(errno.ENOSYS)):
        load_kernel("_sendfile", "pure").open_beneath(directory_fd, b"file")


@pytest.fixture
def openat2(directory_fd: int) -> ModuleType:
    if "compiled" not in KERNEL_KINDS:
        pytest.skip("openat2 is in the compiled twin")
    kernel = load_kernel("_sendfile", "compiled")
    try:
        os.close(kernel.open_beneath(directory_fd, b"."))
    except OSError as error:
        pytest.skip(f"this kernel has no openat2: {error}")
    return kernel


@pytest.mark.parametrize("path", [b"file", b"link", b"folder/up", b"folder/../file"])
def test_what_is_beneath_is_opened_for_reading_alone(openat2: ModuleType, directory_fd: int, path: bytes) -> None:
    fd = openat2.open_beneath(directory_fd, path)
    try:
        assert os.read(fd, 100) == b"content"
        assert not os.get_inheritable(fd)
        assert not os.get_blocking(fd)
        with pytest.raises(OSError, match=os.strerror(errno.EBADF)):
            os.write(fd, b"x")
    finally:
        os.close(fd)


def test_a_fifo_is_opened_without_waiting_for_its_other_end(openat2: ModuleType, directory_fd: int) -> None:
    fd = openat2.open_beneath(directory_fd, b"fifo")
    assert stat.S_ISFIFO(os.fstat(fd).st_mode)
    os.close(fd)


@pytest.mark.parametrize(
    ("path", "number"),
    [
        pytest.param(b"missing", errno.ENOENT, id="missing"),
        pytest.param(b"file/deeper", errno.ENOTDIR, id="beneath a file"),
        pytest.param(b"loop", errno.ELOOP, id="a loop"),
        pytest.param(b"n" * 256, errno.ENAMETOOLONG, id="a name that is too long"),
        pytest.param(b"..", errno.EXDEV, id="dots that lead out"),
        pytest.param(b"folder/out", errno.EXDEV, id="a link that leads out"),
        pytest.param(b"folder/out/file", errno.EXDEV, id="through a link that leads out"),
        pytest.param(b"/etc/passwd", errno.EXDEV, id="an absolute path"),
        pytest.param(b"folder/absolute", errno.EXDEV, id="an absolute link, inside or not"),
        pytest.param(b"", errno.ENOENT, id="an empty path"),
    ],
)
def test_what_is_not_beneath_is_not_opened(openat2: ModuleType, directory_fd: int, path: bytes, number: int) -> None:
    with pytest.raises(OSError, match="Errno") as caught:
        openat2.open_beneath(directory_fd, path)
    assert caught.value.errno == number


def test_a_name_does_not_end_at_a_nul(openat2: ModuleType, directory_fd: int) -> None:
    with pytest.raises(ValueError, match="null"):
        openat2.open_beneath(directory_fd, b"file\0name")


# read_beneath


@pytest.mark.parametrize("path", [b"file", b"folder/deep"])
def test_a_small_file_is_read_with_its_signature_and_times(
    sendfile_kernel: ModuleType, tree: Path, directory_fd: int, path: bytes
) -> None:
    (tree / "folder" / "deep").write_bytes(b"content")
    status = os.stat(tree / os.fsdecode(path))
    expected = (sendfile_kernel.make_signature(status), b"content", status.st_mtime_ns, status.st_ctime_ns)
    assert sendfile_kernel.read_beneath(directory_fd, path, 7) == expected


def test_an_empty_file_is_read(sendfile_kernel: ModuleType, tree: Path, directory_fd: int) -> None:
    (tree / "empty").write_bytes(b"")
    assert sendfile_kernel.read_beneath(directory_fd, b"empty", 0)[1] == b""


@pytest.mark.skipif(not os.path.isdir("/dev/shm"), reason="needs a tmpfs, which cannot say whether a read would wait")
def test_a_small_file_of_a_tmpfs_is_read_at_once(sendfile_kernel: ModuleType) -> None:
    with tempfile.TemporaryDirectory(dir="/dev/shm") as folder:
        Path(folder, "file").write_bytes(b"content")
        directory_fd = os.open(folder, os.O_RDONLY)
        found = sendfile_kernel.read_beneath(directory_fd, b"file", 7)
        os.close(directory_fd)
    assert found is not None
    assert found[1] == b"content"


@pytest.mark.parametrize(
    ("path", "limit"),
    [
        pytest.param(b"file", 6, id="larger than the limit"),
        pytest.param(b"large", 1 << 20, id="larger than the buffer"),
        pytest.param(b"missing", 100, id="missing"),
        pytest.param(b"folder", 1 << 20, id="a folder"),
        pytest.param(b"fifo", 100, id="a FIFO"),
        pytest.param(b"link", 100, id="a link"),
        pytest.param(b"loop", 100, id="a loop"),
        pytest.param(b"folder/up", 100, id="a link in a folder"),
        pytest.param(b"aside/deep", 100, id="a folder that is a link"),
        pytest.param(b"folder/out/file", 100, id="through a link that leads out"),
        pytest.param(b"../etc/passwd", 100, id="dots"),
        pytest.param(b"/etc/passwd", 100, id="an absolute path"),
        pytest.param(b"file/deeper", 100, id="beneath a file"),
        pytest.param(b"", 100, id="an empty path"),
        pytest.param(b"file\0name", 100, id="a NUL"),
        pytest.param(b"n" * 256, 100, id="a name that is too long"),
    ],
)
def test_only_a_small_regular_file_without_a_link_is_read(
    sendfile_kernel: ModuleType, tree: Path, directory_fd: int, path: bytes, limit: int
) -> None:
    (tree / "folder" / "deep").write_bytes(b"content")
    (tree / "large").write_bytes(bytes(70_000))
    (tree / "aside").symlink_to("folder")
    descriptors = len(os.listdir("/dev/fd"))
    assert sendfile_kernel.read_beneath(directory_fd, path, limit) is None
    assert len(os.listdir("/dev/fd")) == descriptors


@KERNELS
def test_the_facade_of_a_twin_has_all_of_it(kind: str) -> None:
    kernel = load_kernel("_sendfile", kind)
    facade = {
        "WOULD_BLOCK",
        "Epoll",
        "accept",
        "close",
        "copy_of",
        "make_signature",
        "open_beneath",
        "read_beneath",
        "read_signature",
        "has_signature",
        "has_signature_in",
    }
    assert facade | {"recv_into", "send_file", "send_parts", "send_response"} <= set(dir(kernel))


# The page cache.

PAGES = os.urandom(1 << 20)


@pytest.fixture
def cached_fd(tmp_path: Path) -> Iterator[int]:
    """A file that is on the disk and in memory; behind PAGES a page that asks of it can do no harm to."""
    (tmp_path / "cached").write_bytes(PAGES + bytes(4096))
    fd = os.open(tmp_path / "cached", os.O_RDWR)
    os.fsync(fd)
    yield fd
    os.close(fd)


@pytest.fixture
def cold_fd(cached_fd: int) -> int:
    """The same, to be dropped from memory; if that cannot be told there is nothing to test."""
    kernel = load_kernel("_sendfile", "pure")
    if not is_seen_once_dropped(cached_fd, lambda: kernel.read_cached(cached_fd, len(PAGES), 1) is None):
        pytest.skip("no preadv2(RWF_NOWAIT) on this file system")
    # Asking for a page makes the kernel read it; at random, because otherwise it reads the following ones too.
    os.posix_fadvise(cached_fd, 0, 0, os.POSIX_FADV_RANDOM)
    return cached_fd


@pytest.mark.parametrize(
    ("offset", "count"),
    [
        (0, 1),
        (0, len(PAGES)),
        (4095, 2),
        (len(PAGES) - 1, 1),
        (len(PAGES) + 4090, 10),
        (len(PAGES) + 4096, 1),
        (1 << 40, 1),
    ],
)
def test_what_is_in_memory_is_read_at_once(
    sendfile_kernel: ModuleType, cached_fd: int, offset: int, count: int
) -> None:
    assert sendfile_kernel.read_cached(cached_fd, offset, count) == (PAGES + bytes(4096))[offset : offset + count]
    assert sendfile_kernel.is_cached(cached_fd, offset, count, 4096)
    assert os.lseek(cached_fd, 0, os.SEEK_CUR) == 0


@pytest.mark.parametrize("step", [1 << 17, 1 << 20])
def test_what_is_not_in_memory_is_not_waited_for(sendfile_kernel: ModuleType, cold_fd: int, step: int) -> None:
    assert is_seen_once_dropped(cold_fd, lambda: not sendfile_kernel.is_cached(cold_fd, 0, len(PAGES), step))
    assert is_seen_once_dropped(cold_fd, lambda: sendfile_kernel.read_cached(cold_fd, 1 << 19, 4096) is None)
    read_frames = partial(sendfile_kernel.read_data_frames, cold_fd)
    assert is_seen_once_dropped(cold_fd, lambda: read_frames(1 << 19, 4096, False, 0, 1, 4096) is None)
    assert len(read_frames(1 << 19, 4096, True, 0, 1, 4096)) == 9 + 4096
    sendfile_kernel.read_ahead(cold_fd, 0, len(PAGES), 0)
    assert sendfile_kernel.is_cached(cold_fd, 0, len(PAGES), step)
    assert sendfile_kernel.read_cached(cold_fd, 0, len(PAGES)) == PAGES


def test_a_hole_in_memory_is_found_by_small_steps(sendfile_kernel: ModuleType, cold_fd: int) -> None:
    def is_found() -> bool:
        for position in (*range(0, 1 << 19, 1 << 17), *range(5 << 17, len(PAGES), 1 << 17), len(PAGES) - 1):
            os.pread(cold_fd, 1, position)
        assert sendfile_kernel.is_cached(cold_fd, 0, len(PAGES), 1 << 20)
        return not sendfile_kernel.is_cached(cold_fd, 0, len(PAGES), 1 << 17)

    assert is_seen_once_dropped(cold_fd, is_found)


def test_reading_ahead_goes_no_further_than_was_asked(sendfile_kernel: ModuleType, cold_fd: int) -> None:
    def is_cold_behind() -> bool:
        sendfile_kernel.read_ahead(cold_fd, 0, 1 << 17, 1 << 17)
        assert sendfile_kernel.is_cached(cold_fd, 0, 1 << 17, 4096)
        return not sendfile_kernel.is_cached(cold_fd, 1 << 19, 1, 1)

    assert is_seen_once_dropped(cold_fd, is_cold_behind)


def test_reading_ahead_beyond_the_end_is_nothing(sendfile_kernel: ModuleType, cold_fd: int) -> None:
    sendfile_kernel.read_ahead(cold_fd, 1 << 30, 1 << 20, 1 << 20)


def test_if_the_system_cannot_tell_it_is_read(sendfile_kernel: ModuleType) -> None:
    """A file system in memory knows no RWF_NOWAIT, and a pipe has no offsets."""
    if not os.path.isdir("/dev/shm"):
        pytest.skip("no file system in memory")
    with tempfile.TemporaryFile(dir="/dev/shm") as file:
        file.write(b"in memory")
        file.flush()
        assert sendfile_kernel.read_cached(file.fileno(), 3, 100) == b"memory"
        frames = sendfile_kernel.read_data_frames(file.fileno(), 3, 100, False, 1, 1, 4)
        assert frames == b"\0\0\4\0\0\0\0\0\1memo\0\0\2\0\0\0\0\0\1ry"
        assert sendfile_kernel.is_cached(file.fileno(), 0, 9, 1)


@pytest.mark.parametrize(
    ("call", "arguments"),
    [
        ("read_cached", (1,)),
        ("read_ahead", (1, 1)),
        ("read_data_frames", (1, False, 0, 1, 1)),
        ("read_data_frames", (1, True, 0, 1, 1)),
    ],
)
def test_a_disk_that_fails_is_an_error(
    sendfile_kernel: ModuleType, directory_fd: int, call: str, arguments: tuple[object, ...]
) -> None:
    with pytest.raises(IsADirectoryError):
        getattr(sendfile_kernel, call)(directory_fd, 0, *arguments)
    assert sendfile_kernel.is_cached(directory_fd, 0, 1, 1)  # a later read will find out


def test_the_clocks_are_those_of_the_standard_library(sendfile_kernel: ModuleType) -> None:
    before = time.monotonic(), int(time.time())
    now = sendfile_kernel.monotonic_s(), sendfile_kernel.wall_s()
    assert [type(value) for value in now] == [float, int]
    after = time.monotonic(), int(time.time())
    assert before[0] <= now[0] <= after[0]
    assert before[1] <= now[1] <= after[1]
