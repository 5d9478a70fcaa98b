"""A resource: an open file and the fstat of that same descriptor, so that length, validators and bytes agree
(ARCHITECTURE.md, decision 5). Small ones are read into memory and their descriptor is closed at once.
"""

from __future__ import annotations

import errno
import hashlib
import os
import stat
from collections.abc import Iterator

from fastfile.message import FileSlice
from fastfile.sendfile import make_signature, read_cached
from fastfile.storage.root import Root, os_error

# A slice of a large file that is copied into memory: up to here that costs less than a sendfile of its own (measured on
# 1 KiB of 100 MiB: benchmarks/, scenario "range").
MAX_COPIED = 16 * 1024
PIECE = 256 * 1024
MAX_READS = 16  # of a file that changes while it is read, each after the last found a new state


class Resource:
    """A regular file, opened once. Owns ``fd`` (-1 when the content is in ``content``), closed when it is dropped.

    ``cold``: its content ought to be in ``content``, but the disk would have had to be waited for. Who sends it from
    ``fd`` can wait without holding up others; then it is in the system's cache, and whoever opens it next gets it all.
    ``tag`` is a hash of a content that was made here: the file's time and size say nothing of that.
    """

    __slots__ = ("cold", "content", "fd", "mtime_ns", "signature", "size", "status", "tag")

    def __init__(self, fd: int, status: os.stat_result, content: bytes | None, cold: bool = False) -> None:
        self.fd = fd
        self.status = status
        self.size = status.st_size
        self.mtime_ns = status.st_mtime_ns
        self.signature = make_signature(status)
        self.content = content
        self.cold = cold
        self.tag: bytes | None = None

    def __del__(self) -> None:
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1

    def slice(self, start: int, stop: int) -> bytes | FileSlice:
        """Return the bytes from ``start`` up to ``stop`` as a part of a response's body."""
        if self.content is not None:
            return self.content[start:stop]
        count = stop - start
        if count <= MAX_COPIED:
            copy = read_cached(self.fd, start, count)
            # Else it is not in memory, or the file was cut: who sends it will wait, or notice.
            if copy is not None and len(copy) == count:
                return copy
        return FileSlice(self, self.fd, start, count)

    def read_all(self) -> bytes:
        """Return the whole content, at once and from the start."""
        return os.pread(self.fd, self.size, 0) if self.content is None else self.content

    def pieces(self) -> Iterator[bytes]:
        """Return the content piece by piece, for any thread. Raises OSError where the file is no longer what it was."""
        if self.content is not None:
            yield from (self.content[start : start + PIECE] for start in range(0, self.size, PIECE))
            return
        for start in range(0, self.size, PIECE):
            yield os.pread(self.fd, min(PIECE, self.size - start), start)
            if make_signature(os.fstat(self.fd)) != self.signature:
                raise os_error(errno.ESTALE)


def hash_content(content: bytes) -> bytes:
    """Return what tells one content from another: 24 hexadecimal digits."""
    return hashlib.blake2b(content, digest_size=12).hexdigest().encode()


def make_encoded(original: Resource, content: bytes) -> Resource:
    """Return an encoding of a file as a resource of its own, in memory."""
    encoded = Resource(-1, original.status, content)
    encoded.size = len(content)
    encoded.tag = hash_content(content)
    return encoded


def open_resource(root: Root, path: bytes, small_file: int) -> Resource:
    """Open a regular file beneath the root. Raises OSError; EISDIR for a folder, ENOENT for what is neither."""
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
    return Resource(fd, status, content, content is None and status.st_size <= small_file)


def _read(fd: int, status: os.stat_result) -> tuple[os.stat_result, bytes | None]:
    """Read a file whole, with the status that the bytes belong to: again when it changed while it was read.

    None instead of the bytes where they are not all in memory, and where the file changes all the time: then it is sent
    from its descriptor.
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
