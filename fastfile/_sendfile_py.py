"""The system calls of the request path, in Python: the specification that _sendfile.pyx follows.

Every call is non-blocking on the socket and returns a number: the bytes moved, or WOULD_BLOCK. Descriptors are plain
ints, and the caller keeps them. Failures of the connection (reset, broken pipe) and of the disk are OSErrors.
"""

from __future__ import annotations

import errno
import os
import select
import socket
import stat
import struct
import time
from collections.abc import Sequence

WOULD_BLOCK = -1

MSG_MORE = getattr(socket, "MSG_MORE", 0)
SEND_FLAGS = getattr(socket, "MSG_NOSIGNAL", 0)
# The kernel's IOV_MAX is 1024; the compiled twin keeps this many on its stack.
MAX_PARTS = 64
# Sockets per batch of an Epoll: during a batch of 256 requests, the loop's own work waits about 2 ms.
BATCH = 256
# Linux cuts a request to read ahead down to the device's window, 128 KiB by default.
READ_AHEAD_STEP = 128 * 1024
# The size of a copy_file() step: the compiled twin keeps it on its stack.
COPY_SIZE = 64 * 1024
_LINGER_NOT = struct.pack("ii", 1, 0)  # SO_LINGER on, 0 s
_NOWAIT = getattr(os, "RWF_NOWAIT", -1)  # -1: every call fails


class Epoll:
    """An epoll(7): wait() fetches a batch without waiting and returns its size, ready() its descriptors one by one."""

    def __init__(self) -> None:
        self._epoll = select.epoll()
        self._batch: list[tuple[int, int]] = []

    def fileno(self) -> int:
        return self._epoll.fileno()

    def register(self, fd: int, interest: int) -> None:
        self._epoll.register(fd, interest)

    def modify(self, fd: int, interest: int) -> None:
        self._epoll.modify(fd, interest)

    def close(self) -> None:
        self._epoll.close()

    def wait(self) -> int:
        self._batch = self._epoll.poll(0, BATCH)
        return len(self._batch)

    def ready(self, index: int) -> int:
        return self._batch[index][0]


monotonic_s = time.monotonic


def wall_s() -> int:
    """Return the whole seconds since 1970."""
    return int(time.time())


def accept(listen_fd: int) -> tuple[int, bytes] | None:
    """Accept one client: (its non-blocking, close-on-exec socket, its address), or None if no client waits.

    The address is the bytes of an IPv4 or IPv6 address, and empty for a Unix socket; it becomes text only where it is
    shown. The caller owns the descriptor. A client that gave up while it waited is skipped (accept(2)).
    """
    listener = socket.socket(fileno=listen_fd)  # for this call only: the caller keeps the descriptor
    try:
        while True:
            try:
                client, address = listener.accept()
            except ConnectionAbortedError:
                continue
            except BlockingIOError:
                return None
            with client:  # closes it if the rest fails
                client.setblocking(False)
                packed = _pack_address(client.family, address)
                accepted = client.fileno(), packed
                client.detach()
                return accepted
    finally:
        listener.detach()


def _pack_address(family: int, address: object) -> bytes:
    if not isinstance(address, tuple):
        return b""
    return socket.inet_pton(family, address[0].partition("%")[0])  # an IPv6 address may name its interface


def close(fd: int) -> None:
    """Close a socket."""
    os.close(fd)


def shutdown_read(fd: int) -> None:
    """Read the end of the stream from now on, after what has arrived."""
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM, 0, fileno=fd)  # for this call only
    try:
        sock.shutdown(socket.SHUT_RD)
    finally:
        sock.detach()


def shutdown_write(fd: int) -> None:
    """Send the end of the stream; the socket can still be read."""
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM, 0, fileno=fd)  # for this call only
    try:
        sock.shutdown(socket.SHUT_WR)
    finally:
        sock.detach()


def reset(fd: int) -> None:
    """Close a socket with RST, so that the client does not mistake a cut body for a whole one."""
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM, 0, fileno=fd)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_NOT)
    finally:
        sock.close()


def copy_of(buffer: bytearray, count: int) -> bytearray:
    """Return the first ``count`` bytes of a buffer. Raises ValueError if it is shorter."""
    if not 0 <= count <= len(buffer):
        raise ValueError("count must lie within the buffer")
    return buffer[:count]


def slice_of(buffer: bytearray, start: int, stop: int) -> bytes:
    """Return a part of a buffer. Raises ValueError if it does not lie within it."""
    if not 0 <= start <= stop <= len(buffer):
        raise ValueError("the slice must lie within the buffer")
    return bytes(memoryview(buffer)[start:stop])


def part_of(text: bytes, start: int, stop: int) -> bytes:
    """Return a part of bytes: a slice, which compiled takes ten times the instructions. Raises ValueError as above."""
    if not 0 <= start <= stop <= len(text):
        raise ValueError("the part must lie within the bytes")
    return text[start:stop]


def concatenate(parts: tuple[bytes, ...]) -> bytes:
    """Return all parts in one, without the buffers of ``bytes.join``."""
    return b"".join(parts)


def put_frame(buffer: bytearray, start: int, kind: int, flags: int, stream_id: int, first: bytes, second: bytes) -> int:
    """Write a frame of HTTP/2 (RFC 9113 §4.1), whose payload has two pieces, into a buffer at ``start``.

    Returns its end. Raises ValueError if it does not lie within the buffer.
    """
    frame = b"%b%b%b" % (_frame_head(len(first) + len(second), kind, flags, stream_id), first, second)
    end = start + len(frame)
    if not 0 <= start <= end <= len(buffer):
        raise ValueError("the frame must lie within the buffer")
    buffer[start:end] = frame
    return end


def put_data_frame(
    buffer: bytearray, start: int, flags: int, stream_id: int, content: bytes, first: int, last: int
) -> int:
    """Write a DATA frame with a piece of a body, as put_frame() does."""
    if not 0 <= first <= last <= len(content):
        raise ValueError("the piece must lie within the content")
    return put_frame(buffer, start, 0, flags, stream_id, content[first:last], b"")


def _frame_head(size: int, kind: int, flags: int, stream_id: int) -> bytes:
    return b"%b%c%c%b" % (size.to_bytes(3, "big"), kind, flags, stream_id.to_bytes(4, "big"))


def make_data_frames(flags: int, stream_id: int, content: bytes, most: int) -> bytes:
    """Return DATA frames of at most ``most`` bytes each with a piece of a body; the last one has the flags."""
    _check_frames(len(content), most)
    frames = []
    for start in range(0, len(content), most):
        stop = min(start + most, len(content))
        frames.append(_frame_head(stop - start, 0, flags if stop == len(content) else 0, stream_id))
        frames.append(content[start:stop])
    return b"".join(frames)


def read_data_frames(
    file_fd: int, offset: int, count: int, may_wait: bool, flags: int, stream_id: int, most: int
) -> bytes | None:
    """Read up to ``count`` bytes of a file as make_data_frames() puts them; None if they are not in memory.

    With ``may_wait`` it waits for the disk. If there are fewer bytes, no frame has the flags; b"" is the end.
    """
    _check_frames(count, most)
    content = os.pread(file_fd, count, offset) if may_wait else read_cached(file_fd, offset, count)
    if content is None:
        return None
    return make_data_frames(flags if len(content) == count else 0, stream_id, content, most) if content else b""


def _check_frames(size: int, most: int) -> None:
    if not (size > 0 and most > 0 and (size - 1) // most < MAX_PARTS):
        raise ValueError("the content must make 1 to 64 frames")


def recv_into(fd: int, buffer: bytearray) -> int:
    """Read available input into ``buffer`` from its start: bytes read, 0 at the end of the stream, or WOULD_BLOCK."""
    try:
        return os.readv(fd, [buffer])
    except BlockingIOError:
        return WOULD_BLOCK


def send_parts(fd: int, parts: Sequence[object], skip: int) -> int:
    """Send the leading bytes objects among ``parts`` in one call, without the first ``skip`` bytes.

    Returns the bytes sent (possibly not all), or WOULD_BLOCK. If another part follows them, a file, the last segment
    may wait for it (MSG_MORE). A call sends at most MAX_PARTS parts.
    """
    pieces = []
    more = False
    for part in parts[:MAX_PARTS]:
        if not isinstance(part, bytes):
            more = True
            break
        pieces.append(memoryview(part))
    if not pieces or not 0 <= skip <= len(pieces[0]):
        raise ValueError("skip must lie within the first part, and that be bytes")
    pieces[0] = pieces[0][skip:]
    # A socket object for this call only, because os.writev has no flags.
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM, 0, fileno=fd)
    try:
        return sock.sendmsg(pieces, (), SEND_FLAGS | (MSG_MORE if more else 0))
    except BlockingIOError:
        return WOULD_BLOCK
    finally:
        sock.detach()


def send_response(fd: int, head: bytes, tail: bytes, parts: tuple[object, ...]) -> int:
    """Send a head, its end, and the leading bytes objects among ``parts``, as send_parts() sends a list."""
    return send_parts(fd, [head, tail, *parts], 0)


def send_file(fd: int, file_fd: int, offset: int, count: int) -> int:
    """Send ``count`` bytes of a file from ``offset``: bytes sent (possibly not all), 0 at its end, or WOULD_BLOCK."""
    try:
        return os.sendfile(fd, file_fd, offset, count)
    except BlockingIOError:
        return WOULD_BLOCK


def copy_file(fd: int, file_fd: int, offset: int, count: int) -> int:
    """Do what send_file() does, a buffer at a time, if a file system or a system call filter refuses sendfile."""
    content = os.pread(file_fd, min(count, COPY_SIZE), offset)
    return send_parts(fd, [content], 0) if content else 0


def read_cached(file_fd: int, offset: int, count: int) -> bytes | None:
    """Read up to ``count`` bytes of a file from memory; None if that would have to wait for the disk.

    b"" is the end of the file. Systems and file systems that cannot tell wait (preadv2(2), RWF_NOWAIT: Linux 4.14).
    """
    buffer = bytearray(count)
    try:
        return bytes(buffer[: os.preadv(file_fd, [buffer], offset, _NOWAIT)])
    except BlockingIOError:
        return None
    except (AttributeError, OSError):  # not supported by the system or the file system
        return os.pread(file_fd, count, offset)


def is_cached(file_fd: int, offset: int, count: int, step: int) -> bool:
    """Tell whether a part of a file is in memory, by a byte in each ``step`` and its last; True if unknown.

    When it returns False, the kernel has begun to read the missing part (since Linux 5.9).
    """
    byte = bytearray(1)
    try:
        for position in (*range(offset, offset + count - 1, step), offset + count - 1):
            os.preadv(file_fd, [byte], position, _NOWAIT)
    except BlockingIOError:
        return False
    except (AttributeError, OSError):
        return True
    return True


def read_ahead(file_fd: int, offset: int, count: int, more: int) -> None:
    """Wait until a part of a file is in memory; the kernel then reads the ``more`` bytes after it on its own.

    Raises OSError if the part cannot be read.
    """
    for position in range(offset, offset + count + more, READ_AHEAD_STEP):
        os.posix_fadvise(file_fd, position, READ_AHEAD_STEP, os.POSIX_FADV_WILLNEED)
    for position in (*range(offset, offset + count - 1, READ_AHEAD_STEP), offset + count - 1):
        os.pread(file_fd, 1, position)


def open_beneath(directory_fd: int, path: bytes) -> int:
    """Open ``path`` for reading, never leaving the directory (openat2(2), RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS).

    Python has no such call, so this twin raises ENOSYS, and the walk in storage/root.py does the work.
    """
    raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))


_SIGNATURE = struct.Struct("=QQqQQ")
_MASK = (1 << 64) - 1


def make_signature(status: os.stat_result) -> bytes:
    """Return bytes that identify a state of a file: device, inode, size, mtime and ctime in nanoseconds.

    The times are modulo 2**64, which is 584 years: a file system can have any time.
    """
    mtime_ns, ctime_ns = status.st_mtime_ns & _MASK, status.st_ctime_ns & _MASK
    return _SIGNATURE.pack(status.st_dev, status.st_ino, status.st_size, mtime_ns, ctime_ns)


# Links are not followed; a FIFO or a device must not block.
_PART_FLAGS = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY | os.O_NOFOLLOW
_MAX_READ = 65536


def read_beneath(directory_fd: int, path: bytes, limit: int) -> tuple[bytes, bytes, int, int] | None:
    """Return the signature, the content, the mtime and the ctime of a small file in the directory.

    None if it is not a regular file of at most ``limit`` bytes (and 64 KiB), if it is not all in memory, if it changes
    meanwhile, or if a component of the path is a link, empty, or made of dots.
    """
    parts = path.split(b"/")
    if b"\0" in path or not all(part.strip(b".") for part in parts):
        return None
    fd = directory_fd
    try:
        for part in parts:
            inner = os.open(part, _PART_FLAGS, dir_fd=fd)
            if fd != directory_fd:
                os.close(fd)
            fd = inner
        return _read_unchanged(fd, min(limit, _MAX_READ))
    except OSError:
        return None
    finally:
        if fd != directory_fd:
            os.close(fd)


def _read_unchanged(fd: int, limit: int) -> tuple[bytes, bytes, int, int] | None:
    status = os.fstat(fd)
    if not stat.S_ISREG(status.st_mode) or status.st_size > limit:
        return None
    content = read_cached(fd, 0, status.st_size) if status.st_size else b""
    signature = make_signature(status)
    if content is None or len(content) != status.st_size or make_signature(os.fstat(fd)) != signature:
        return None
    return signature, content, status.st_mtime_ns, status.st_ctime_ns


def read_signature(path: bytes, follow: bool = True) -> bytes:
    """Return make_signature() of the file at the path now; b"" if there is none, b"!" for any other failure.

    ``follow``: use the target of a symbolic link instead of the link.
    """
    try:
        return make_signature(os.stat(path, follow_symlinks=follow))
    except (FileNotFoundError, NotADirectoryError):
        return b""
    except OSError:
        return b"!"


def has_signature_in(folder_fd: int, path: bytes, start: int, signature: bytes) -> bool:
    """Tell whether the name in an open folder has that signature; it is the path's end, from ``start`` on."""
    if not 0 <= start <= len(path):
        raise ValueError("start must lie within the path")
    try:
        return make_signature(os.stat(path[start:], dir_fd=folder_fd)) == signature
    except OSError:
        return False


def has_signature(path: bytes, signature: bytes) -> bool:
    """Tell whether read_signature() of the path is still ``signature``."""
    return read_signature(path) == signature
