"""Rule files of a build: opened on the event loop, read whole in any thread, each with a stamp that shows changes.

rules/ reads their content.
"""

from __future__ import annotations

import errno
import os
import stat
import time

from fastfile.http.content.stored_coding import SUFFIXES
from fastfile.records import NamedTuple
from fastfile.sendfile import make_signature, read_signature
from fastfile.storage.freshness import Stamp
from fastfile.storage.metadata import is_settled
from fastfile.storage.root import Root

MAX_SIZE = 1 << 20  # bytes: ten times Cloudflare's limit
_MAX_READS = 4  # reads of a file that changes meanwhile
# Errors of an open that mean that there is no deploy file: nothing is there, or something else.
_ABSENT = {errno.ENOENT, errno.ENOTDIR, errno.ENAMETOOLONG}
# Errors that will not go away soon: a link that leads outside, or a file that only other users may read.
_REFUSED = {errno.EACCES, errno.EPERM, errno.EXDEV, errno.ELOOP, errno.ENXIO}


class DeployFile(NamedTuple):
    """``content`` is None if there is no file, or if ``problem`` says why it cannot be read.

    ``stamp`` shows changes from now on, unless the file is not ``settled``: then it must be read again. ``is_busy``: it
    exists and could not be read, but may be readable soon.
    """

    content: bytes | None
    stamp: Stamp
    settled: bool
    problem: str = ""
    is_busy: bool = False


class OpenedFile:
    """A file that is open for reading, or the reason why it is not. The owner must read or close it."""

    __slots__ = ("absolute", "error", "fd")

    def __init__(self, absolute: bytes, fd: int, error: int) -> None:
        self.absolute = absolute
        self.fd = fd
        self.error = error

    @property
    def is_absent(self) -> bool:
        """Whether the file does not exist."""
        return self.error in _ABSENT

    def close(self) -> None:
        """Close it without reading."""
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1


def open_deploy_file(root: Root, name: bytes) -> OpenedFile:
    """Open a file in the root's top folder; does not read, so the event loop may call it."""
    try:
        return OpenedFile(root.absolute(name), root.open(name), 0)
    except OSError as error:
        return OpenedFile(root.absolute(name), -1, error.errno or errno.EIO)


def read_opened_file(opened: OpenedFile) -> DeployFile:
    """Read a file whole, waiting for the disk, and close it. Raises nothing."""
    if opened.fd < 0:
        return _make_unread(opened.absolute, opened.error)
    try:
        return _read(opened.absolute, opened.fd)
    except OSError as error:
        return _make_unread(opened.absolute, error.errno or errno.EIO)
    finally:
        opened.close()


def _read(absolute: bytes, fd: int) -> DeployFile:
    for _ in range(_MAX_READS):
        status = os.fstat(fd)
        stamp = Stamp(absolute, make_signature(status))
        settled = is_settled(status, time.time_ns())
        if not stat.S_ISREG(status.st_mode):
            return DeployFile(None, stamp, settled)
        if status.st_size > MAX_SIZE:
            return DeployFile(None, stamp, settled, f"the file is larger than {MAX_SIZE} bytes and is not read")
        content = b""
        while more := os.pread(fd, MAX_SIZE + 1 - len(content), len(content)):
            content += more
        if len(content) == status.st_size and make_signature(os.fstat(fd)) == stamp.signature:
            return DeployFile(content, stamp, settled)
    return DeployFile(None, stamp, False, is_busy=True)


def _make_unread(absolute: bytes, error: int) -> DeployFile:
    if error in _ABSENT:
        return DeployFile(None, Stamp(absolute, read_signature(absolute)), True)
    stamp = Stamp(absolute, read_signature(absolute))
    if error in _REFUSED:
        return DeployFile(None, stamp, True, "the file cannot be read")
    return DeployFile(None, stamp, False, is_busy=True)


def is_deploy_file_settled(root: Root, name: bytes) -> bool:
    """Tell whether every change of a file from now on shows in its stamp. Also true if there is none."""
    try:
        return is_settled(os.stat(root.absolute(name)), time.time_ns())
    except OSError:
        return True


def make_folder_stamp(root: Root) -> Stamp | None:
    """Return a stamp that shows when names in the root's top folder change; None if a change could be missed."""
    try:
        status = root.stat(b"")
    except OSError:
        return None
    return Stamp(root.absolute(b""), make_signature(status)) if is_settled(status, time.time_ns()) else None


def hidden_names(names: tuple[bytes, ...]) -> frozenset[bytes]:
    """Return the names by which such files, and their encoded variants, could be requested."""
    return frozenset(name + suffix for name in names for suffix in (b"", *(suffix for _, suffix in SUFFIXES)))
