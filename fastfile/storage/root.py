"""The root: a directory descriptor, and opens that never leave it (ARCHITECTURE.md, decision 6).

On Linux the kernel confines an open (openat2). The walk below does the same, component by component, on other systems,
for the pure-Python kernel, and for absolute symlinks that lead back inside. Paths are bytes relative to the root,
without leading slash; b"" is the root itself.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable

from fastfile.errors import StartError
from fastfile.sendfile import make_signature, open_beneath, read_signature
from fastfile.storage.outcome import Outcome, classify

# Non-blocking, so that a FIFO or a device cannot hang the worker before it is refused.
OPEN_FLAGS = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY
# A descriptor for lookups only: it needs no permission to read the folder. macOS has no O_PATH.
NAME_FLAGS = getattr(os, "O_PATH", os.O_RDONLY) | os.O_CLOEXEC | os.O_NONBLOCK
MAX_LINKS = 40  # the kernel's own bound (MAXSYMLINKS)
IDENTITY_SIZE = 16  # bytes of a signature that name the device and the inode
MAX_RETRIES = 8  # openat2 fails with EAGAIN when a rename runs at the same time


class Root:
    """The served folder. A single file is a folder that contains only this file (``only``).

    With ``follow_symlinks`` links may lead outside. A served single file may be such a link too: the user named it, and
    no request can name another. ``on_lost`` is called once, when the folder was replaced by one that a sandbox hides
    from this process (server/confinement/sandbox.py); then it ``is_lost``.

    ``fd`` is the open folder, and ``mark`` the beginning of its signature. ``prefix`` makes a path beneath it absolute.
    """

    def __init__(self, path: bytes, follow_symlinks: bool = False, on_lost: Callable[[], None] | None = None) -> None:
        path = os.path.abspath(path)
        self.only: bytes | None = None
        if not os.path.isdir(path):
            path, self.only = os.path.split(path)
        self.path = path
        self.prefix = path.rstrip(b"/") + b"/"
        self.follow_symlinks = follow_symlinks or self.only is not None
        self._on_lost = on_lost
        self.is_lost = False
        self._identity: tuple[int, int] | None = None
        self.mark = b""
        self.fd = -1
        try:
            self.fd = self._open_root()
        except OSError as error:
            raise StartError(f"cannot serve {os.fsdecode(path)}: {error.strerror}") from error
        self._kernel_confines = self._has_openat2()

    def close(self) -> None:
        """Close the descriptor. No path can be opened afterwards."""
        fd, self.fd = self.fd, -1
        if fd >= 0:
            os.close(fd)

    def __del__(self) -> None:
        self.close()

    def absolute(self, path: bytes) -> bytes:
        """Return the absolute path of a path beneath the root: for stat, never for opening."""
        return self.prefix + path if path else self.path

    def open(self, path: bytes) -> int:
        """Open the file at ``path`` for reading; the caller owns the descriptor. Raises OSError: EXDEV if outside."""
        self._renew()
        if self.follow_symlinks:
            return os.open(path or b".", OPEN_FLAGS, dir_fd=self.fd)
        if self._kernel_confines:
            try:
                return self._open_confined(path or b".")
            except OSError as error:
                if error.errno != errno.EXDEV:  # it may be an absolute link that leads back inside
                    raise
        return self._walk(path)

    def open_folder(self, path: bytes, signature: bytes) -> int:
        """Return a descriptor for lookups in the folder that had the signature; -1 if it cannot be opened.

        The caller owns it.
        """
        try:
            fd = os.open(self.absolute(path), NAME_FLAGS | os.O_DIRECTORY)
        except OSError:
            return -1
        if make_signature(os.fstat(fd)) != signature:
            os.close(fd)
            return -1
        return fd

    def stat(self, path: bytes) -> os.stat_result:
        """Return the status of the file at ``path`` beneath the root. Raises OSError as open() does."""
        fd = self.open(path)
        try:
            return os.fstat(fd)
        finally:
            os.close(fd)

    def maybe_stat(self, path: bytes) -> os.stat_result | None:
        """Return the status of the file that a request for ``path`` reads; None if it gets 403 or 404. Raises OSError.

        It raises when descriptors run out, for example: the file must not seem to be missing then.
        """
        try:
            return self.stat(path)
        except OSError as error:
            if classify(error) in (Outcome.MISSING, Outcome.REFUSED):
                return None
            raise

    def signature(self, path: bytes) -> bytes | None:
        """Return the signature of the file at ``path``; None if its folder has no such entry, not even a link."""
        absolute = self.absolute(path)
        # read_signature() raises no exception, which is cheaper: most of these names do not exist.
        return None if read_signature(absolute, False) in (b"", b"!") else read_signature(absolute)

    def stat_folder(self, path: bytes) -> os.stat_result | None:
        """Return the state of a folder, for comparison later; None if it cannot be read.

        Take it before you look at the folder's entries, so that no change is missed.
        """
        try:
            return os.stat(self.absolute(path))
        except OSError:
            return None

    def _has_openat2(self) -> bool:
        """Tell whether the kernel has openat2, by opening a missing name, which then gives ENOENT.

        Older kernels, gVisor and seccomp filters refuse the call, with ENOSYS, EPERM, EACCES or EINVAL. The root itself
        cannot be opened if it may only be searched (mode 711).
        """
        try:
            os.close(open_beneath(self.fd, b"\xffno such name"))
        except OSError as error:
            return error.errno == errno.ENOENT
        return True

    def _open_root(self) -> int:
        fd = os.open(self.path, NAME_FLAGS | os.O_DIRECTORY)
        try:
            status = os.fstat(fd)
        except BaseException:
            os.close(fd)
            raise
        self._identity = (status.st_dev, status.st_ino)
        self.mark = make_signature(status)[:IDENTITY_SIZE]
        return fd

    def _renew(self) -> None:
        """Open the root again if its path leads to another folder: a new build, or a switched symlink."""
        try:
            status = os.stat(self.path)
        except (FileNotFoundError, NotADirectoryError):
            raise
        except OSError:
            return  # for example after privileges were dropped: keep the descriptor
        if (status.st_dev, status.st_ino) != self._identity:
            fresh = self._open_root()
            os.close(self.fd)
            self.fd = fresh
            self.is_lost = self._is_hidden()
            if self.is_lost and self._on_lost is not None:
                self._on_lost()
                self._on_lost = None
        if self.is_lost:
            raise os_error(errno.ESTALE)

    def _is_hidden(self) -> bool:
        """Tell whether the sandbox hides the root: access(2) checks permissions, not the sandbox."""
        try:
            os.close(os.open(b".", OPEN_FLAGS | os.O_DIRECTORY, dir_fd=self.fd))
        except PermissionError:
            return os.access(self.path, os.R_OK)
        return False

    def _open_confined(self, path: bytes) -> int:
        for _ in range(MAX_RETRIES):
            try:
                return open_beneath(self.fd, path)
            except BlockingIOError:
                continue
        raise os_error(errno.EXDEV)

    def _walk(self, path: bytes) -> int:
        """Open ``path`` component by component; the kernel never follows a link.

        The stack holds a descriptor for each folder from the root down, so ``..`` in a link is a step back on the
        stack, and no race can make it lead above the root.
        """
        stack = [os.dup(self.fd)]
        todo = [part for part in reversed(path.split(b"/")) if part not in (b"", b".")]
        links = 0
        try:
            while todo:
                part = todo.pop()
                if part == b"..":
                    if len(stack) == 1:
                        raise os_error(errno.EXDEV)
                    os.close(stack.pop())
                    continue
                link = self._read_link(stack[-1], part)
                if link is None:
                    if not todo:
                        return os.open(part, OPEN_FLAGS | os.O_NOFOLLOW, dir_fd=stack[-1])
                    stack.append(os.open(part, NAME_FLAGS | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=stack[-1]))
                    continue
                links += 1
                if links > MAX_LINKS:
                    raise os_error(errno.ELOOP)
                if link.startswith(b"/"):
                    link = self._inside(link)
                    while len(stack) > 1:
                        os.close(stack.pop())
                todo.extend(piece for piece in reversed(link.split(b"/")) if piece not in (b"", b"."))
            return os.open(b".", OPEN_FLAGS, dir_fd=stack[-1])
        finally:
            for fd in stack:
                os.close(fd)

    @staticmethod
    def _read_link(directory_fd: int, name: bytes) -> bytes | None:
        try:
            return os.readlink(name, dir_fd=directory_fd)
        except OSError as error:
            if error.errno == errno.EINVAL:  # it is not a link
                return None
            raise

    def _inside(self, link: bytes) -> bytes:
        """Return the part of an absolute link that lies beneath the root; raise EXDEV if it lies outside."""
        for root in {self.path, os.path.realpath(self.path)}:
            prefix = root.rstrip(b"/") + b"/"
            if (link + b"/").startswith(prefix):
                return link[len(prefix) :]
        raise os_error(errno.EXDEV)


class PinnedRoot(Root):
    """A root as it is now, with its own descriptor: for threads, and for results that must come from one build.

    A Root may reopen itself during a request. This one never changes, so threads may share it.
    """

    fd = -1  # also of one whose constructor had no memory

    def __init__(self, root: Root) -> None:
        root._renew()
        self.fd = os.dup(root.fd)
        self.path = root.path
        self.prefix = root.prefix
        self.only = root.only
        self.follow_symlinks = root.follow_symlinks
        self._kernel_confines = root._kernel_confines

    def __del__(self) -> None:
        self.close()

    def identity(self) -> bytes:
        """Return bytes that identify the folder."""
        status = os.fstat(self.fd)
        return b"%d %d " % (status.st_dev, status.st_ino)

    def close(self) -> None:
        """Close the descriptor at once, for cases where an exception may hold the last reference for long."""
        fd, self.fd = self.fd, -1
        if fd >= 0:
            os.close(fd)

    def _renew(self) -> None:
        """Do nothing: a pinned root stays what it is."""


def os_error(number: int) -> OSError:
    """Return the error that a system call with this errno would have raised."""
    return OSError(number, os.strerror(number))
