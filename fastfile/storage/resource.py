"""A resource: an open file and the fstat of that same descriptor, so that length, validators and bytes agree.

Small files are read into memory, and their descriptors are closed at once.
"""

from __future__ import annotations

import errno
import hashlib
import os
import stat
from collections.abc import Iterable, Iterator

from fastfile.message import FileSlice
from fastfile.sendfile import make_signature, read_cached
from fastfile.storage.metadata import FileTimes, Status
from fastfile.storage.root import Root, os_error

# Copy shorter slices of a large file into memory: that costs less than a sendfile call (measured on 1 KiB of 100 MiB:
# benchmarks/, scenario "range").
MAX_COPIED = 16 * 1024
PIECE = 256 * 1024
MAX_READS = 16  # reads of a file that changes meanwhile


class Resource:
    """A regular file, opened once. Owns ``fd`` (-1 when the content is in ``content``), closed when it is dropped.

    ``cold``: the file is small enough for ``content``, but not in the page cache. The connection sends it from ``fd``
    and waits for the disk in a thread; the next open finds it in memory. ``tag`` is the hash of the content where the
    file's time does not identify it (tags.py): b"" means that no tag is known, None that time and size are enough.
    """

    __slots__ = ("cold", "content", "ctime_ns", "fd", "mtime_ns", "signature", "size", "tag")

    def __init__(
        self, fd: int, status: Status, size: int, signature: bytes, content: bytes | None, cold: bool = False
    ) -> None:
        self.fd = fd
        self.size = size
        self.mtime_ns = status.st_mtime_ns
        self.ctime_ns = status.st_ctime_ns
        self.signature = signature
        self.content = content
        self.cold = cold
        self.tag: bytes | None = None

    def __del__(self) -> None:
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1

    @property
    def status(self) -> FileTimes:
        """The times of the file."""
        return FileTimes(self.mtime_ns, self.ctime_ns)

    def slice(self, start: int, stop: int) -> bytes | FileSlice:
        """Return the bytes from ``start`` up to ``stop`` as a part of a response's body."""
        if self.content is not None:
            return self.content[start:stop]
        count = stop - start
        if count <= MAX_COPIED:
            copy = read_cached(self.fd, start, count)
            # Otherwise it is not in memory, or the file was truncated: the connection waits, or notices.
            if copy is not None and len(copy) == count:
                return copy
        return FileSlice(self, self.fd, start, count)

    def maybe_content(self) -> bytes | None:
        """Return the whole content if it is in memory, or else None."""
        if self.content is not None:
            return self.content
        content = read_cached(self.fd, 0, self.size)
        return content if content is not None and len(content) == self.size else None

    def pieces(self, is_fixed: bool = False) -> Iterator[bytes]:
        """Yield the content piece by piece, in any thread. Raises OSError if the file changes meanwhile.

        ``is_fixed``: it never changes; only its number of links may.
        """
        if self.content is not None:
            yield from (self.content[start : start + PIECE] for start in range(0, self.size, PIECE))
            return
        for start in range(0, self.size, PIECE):
            yield os.pread(self.fd, min(PIECE, self.size - start), start)
            if not is_fixed and make_signature(os.fstat(self.fd)) != self.signature:
                raise os_error(errno.ESTALE)


def hash_content(parts: Iterable[bytes]) -> bytes:
    """Return the hash of a content that comes in parts: 24 hexadecimal digits."""
    content = hashlib.blake2b(digest_size=12)
    for part in parts:
        content.update(part)
    return content.hexdigest().encode()


def make_encoded(original: Resource, content: bytes) -> Resource:
    """Return an encoding of a file as a separate resource, in memory."""
    encoded = Resource(-1, original.status, len(content), original.signature, content)
    encoded.tag = hash_content((content,))
    return encoded


def make_small(signature: bytes, content: bytes, mtime_ns: int, ctime_ns: int) -> Resource:
    """Return a file that is in memory: what sendfile.read_beneath() returns, without the cost of __init__."""
    resource = Resource.__new__(Resource)
    resource.fd = -1
    resource.size = len(content)
    resource.mtime_ns = mtime_ns
    resource.ctime_ns = ctime_ns
    resource.signature = signature
    resource.content = content
    resource.cold = False
    resource.tag = None
    return resource


def open_resource(root: Root, path: bytes, small_file: int) -> Resource:
    """Open a regular file beneath the root. Raises OSError: EISDIR for a folder, ENOENT for a FIFO or a device."""
    fd = root.open(path)
    try:
        status = os.fstat(fd)
        content = None
        if not stat.S_ISREG(status.st_mode):
            raise os_error(errno.EISDIR if stat.S_ISDIR(status.st_mode) else errno.ENOENT)  # noqa: TRY301 - closes fd
        if status.st_size <= small_file:
            status, content = _read(fd, status)
    except BaseException:
        os.close(fd)
        raise
    if content is not None:
        os.close(fd)
        fd = -1
    is_cold = content is None and status.st_size <= small_file
    return Resource(fd, status, status.st_size, make_signature(status), content, is_cold)


def _read(fd: int, status: os.stat_result) -> tuple[os.stat_result, bytes | None]:
    """Return the whole content of a file and the matching status; read again if the file changed meanwhile.

    The content is None if it is not all in memory, or if the file changes during every read: the connection then sends
    the file from its descriptor.
    """
    for _ in range(MAX_READS):
        content = b""
        while len(content) < status.st_size:
            more = read_cached(fd, len(content), status.st_size - len(content))
            if more is None:
                return status, None
            if not more:
                break
            content += more
        before, status = status, os.fstat(fd)
        if make_signature(before) == make_signature(status) and len(content) == status.st_size:
            return status, content
    return status, None
