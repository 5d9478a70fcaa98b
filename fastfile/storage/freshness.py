"""Stamps: tell whether a path still leads to what was cached."""

from __future__ import annotations

import os

from fastfile import sendfile
from fastfile.clock import Clock


class Stamp:
    """A path and the signature of its file; b"" if there was none. It is checked at most once per batch."""

    __slots__ = ("batch_number", "path", "signature")

    def __init__(self, path: bytes, signature: bytes) -> None:
        self.path = path
        self.signature = signature
        self.batch_number = 0

    def is_fresh(self, clock: Clock) -> bool:
        """Tell whether the path still leads to the same file, unchanged."""
        if self.batch_number == clock.batch_number:
            return True
        if not sendfile.has_signature(self.path, self.signature):
            return False
        self.batch_number = clock.batch_number
        return True


class OpenFolder:
    """A folder that is held open, and the stamp of its path. Owns ``fd`` until close()."""

    __slots__ = ("fd", "stamp")

    def __init__(self, stamp: Stamp, fd: int) -> None:
        self.stamp = stamp
        self.fd = fd

    def close(self) -> None:
        """Close the descriptor. The files in the folder are not fresh afterwards."""
        fd, self.fd = self.fd, -1
        if fd >= 0:
            os.close(fd)

    def __del__(self) -> None:
        self.close()


class Folder:
    """The state of a folder. ``has_variants``: None until its names were read; True if any may be a variant.

    ``is_own``: no link leads to it. ``has_page``: whether it has a 404.html; None until it was looked for. ``held``:
    the open folder, if it is one of those.
    """

    __slots__ = ("has_page", "has_variants", "held", "is_own", "is_settled", "lookups", "path", "stamp")

    def __init__(self, path: bytes, stamp: Stamp) -> None:
        self.path = path
        self.stamp = stamp
        self.is_settled = False
        self.is_own = not path
        self.has_variants: bool | None = None
        self.has_page: bool | None = None
        self.held: OpenFolder | None = None
        self.lookups = 0


class FileStamp(Stamp):
    """The stamp of a file that no link leads to, in an open folder: its name is looked up there, which costs less.

    The folder's own stamp shows whether the path, which is relative to the root, still leads to that folder. Its last
    part begins at ``start``.
    """

    __slots__ = ("_folder", "_start")

    def __init__(self, path: bytes, start: int, signature: bytes, folder: OpenFolder) -> None:
        self.path = path
        self.signature = signature
        self.batch_number = 0
        self._folder = folder
        self._start = start

    def is_fresh(self, clock: Clock) -> bool:
        if self.batch_number == clock.batch_number:
            return True
        folder = self._folder
        if folder.fd < 0 or not folder.stamp.is_fresh(clock):
            return False
        if not sendfile.has_signature_in(folder.fd, self.path, self._start, self.signature):
            return False
        self.batch_number = clock.batch_number
        return True
