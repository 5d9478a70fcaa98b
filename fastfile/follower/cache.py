"""The cache folder of one location: verified blobs, trees of hard links to them, and the link to the current tree.

    blobs/SHA256.MTIME   contents, each with the time that its files have; one link means that no tree uses it
    trees/ID.SHA256      releases, whole; the name has the first digits of the manifest's hash
    incoming/            what is not verified, not synced, or about to be deleted
    current              a symbolic link to a tree: the switch is one rename

Whatever is in blobs/ or trees/ was synced before it was renamed into place, so it is whole after a crash of the process
or of the machine. One process at a time uses the folder.
"""

from __future__ import annotations

import errno
import fcntl
import os
import shutil
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from hashlib import file_digest

from fastfile.errors import StartError
from fastfile.follower.trash import Trash
from fastfile.releases.manifest import EMPTY, Manifest, ManifestFile
from fastfile.terminal import printable

TREE_GRACE_S = 60.0  # after which no worker looks up files in a replaced tree: each looks around once a second
BLOB_GRACE_S = 3600.0  # a release that comes back within this time needs no download
BATCH_FILES, BATCH_BYTES = 16384, 256 << 20  # verified blobs are synced together, because a sync takes milliseconds
SCAN_S = 600.0  # between two scans of all blobs, unless a tree was deleted
SPARE_BYTES = 16 << 20  # what the disk must have free beyond a release
MODE = 0o444  # nothing writes into a blob that is in place


class Cache:
    """Owns ``folder``, which exists when the constructor returns. Raises StartError if another server uses it.

    Temporary files may be in ``incoming``: they are deleted later.
    """

    def __init__(self, folder: str) -> None:
        self.folder = folder
        self._blobs = f"{folder}/blobs"
        self._trees = f"{folder}/trees"
        self.incoming = f"{folder}/incoming"
        self._link = f"{folder}/current"
        self._fresh: dict[str, int] = {}  # verified blobs that are still in incoming/, with their sizes
        self._fresh_bytes = 0
        self._names: dict[str, list[str]] = {}  # by blob, the names in blobs/ that a release needs and are not there
        self._replaced_s: dict[str, float] = {}  # when other trees stopped to be the current one, if they were
        self._scan_s = 0.0  # when unused blobs are looked for again
        for path in (folder, self._blobs, self._trees, self.incoming):
            os.makedirs(path, 0o700, exist_ok=True)
        self._incoming_fd = os.open(self.incoming, os.O_RDONLY | os.O_CLOEXEC)
        self._blobs_fd = os.open(self._blobs, os.O_RDONLY | os.O_CLOEXEC)
        self._trash = Trash(f"{self.incoming}/trash")
        self._lock_fd = self._lock()

    def close(self) -> None:
        """Let another server use the folder."""
        for fd in (self._incoming_fd, self._blobs_fd, self._lock_fd):
            os.close(fd)

    def current(self) -> str | None:
        """Return the name of the current tree; None if there is none."""
        try:
            name = os.path.basename(os.readlink(self._link))
        except OSError:  # it is missing, or another program put something else there
            return None
        return name if os.path.isdir(f"{self._trees}/{name}") else None

    def has_tree(self, name: str) -> bool:
        """Tell whether a tree is on the disk, whole."""
        return os.path.isdir(f"{self._trees}/{name}")

    def find_missing(self, manifest: Manifest) -> set[str]:
        """Return the blobs that a release needs and the disk has not; put() takes those."""
        known = set(os.listdir(self._blobs))
        lacking = {f"{file.sha256}.{file.mtime_ns:x}" for file in manifest.files} - known
        self._names = {}
        for name in sorted(lacking):
            self._names.setdefault(_blob_of(name), []).append(name)
        self._fresh = self._recover(lacking)
        names = self._names
        there = {blob: f"{self._blobs}/{name}" for name in known if (blob := name[:64]) in names} if names else {}
        there |= {_blob_of(name): f"{self.incoming}/{name}" for name in self._fresh}
        if EMPTY in self._names and EMPTY not in there:
            self.put(EMPTY, ())
            there[EMPTY] = f"{self.incoming}/{self._names[EMPTY][0]}"
        for blob, source in there.items():
            self._copy(source, blob)
        return self._names.keys() - there.keys()

    def put(self, blob: str, pieces: Iterable[bytes | memoryview]) -> int:
        """Write a blob that is verified; return its size. Raises OSError, and leaves nothing behind then."""
        name = self._names[blob][0]
        fd = self._create(name)
        size = 0
        try:
            for piece in pieces:
                size += _write(fd, piece)
            os.utime(fd, ns=_times_of(name))
        except BaseException:
            with suppress(OSError):
                os.unlink(name, dir_fd=self._incoming_fd)
            raise
        finally:
            os.close(fd)
        self._fresh[name] = size
        self._fresh_bytes += size
        if len(self._names[blob]) > 1:
            self._copy(f"{self.incoming}/{name}", blob)
        if len(self._fresh) >= BATCH_FILES or self._fresh_bytes >= BATCH_BYTES:
            self.settle()
        return size

    def settle(self) -> None:
        """Sync what was put or linked, and rename the blobs that were put into place."""
        self._sync(f"{self.incoming}/{name}" for name in self._fresh)
        for name in list(self._fresh):
            os.rename(name, name, src_dir_fd=self._incoming_fd, dst_dir_fd=self._blobs_fd)
            del self._fresh[name]
        self._fresh_bytes = 0

    def build(self, manifest: Manifest, name: str) -> None:
        """Make the tree of a release from blobs that are in place or were put: all is synced once, at the end."""
        scratch = f"{self.incoming}/tree"
        with suppress(FileNotFoundError):  # of a process that was killed
            self._trash.discard(scratch)
        os.mkdir(scratch, 0o755)
        tree_fd = os.open(scratch, os.O_RDONLY)
        try:
            folders = {b"": 0}
            for file in manifest.files:
                folder = file.path.rpartition(b"/")[0]
                if folder not in folders:
                    _make_folders(tree_fd, folder, folders)
                if folders[folder] < file.mtime_ns:
                    folders[folder] = file.mtime_ns
                self._link_file(file, tree_fd)
            # Listings show the times of folders, so these must not depend on the machine either.
            for folder in sorted(folders, reverse=True):
                mtime_ns = folders[folder]
                os.utime(folder or b".", ns=(mtime_ns, mtime_ns), dir_fd=tree_fd)
        finally:
            os.close(tree_fd)
        self.settle()
        os.rename(scratch, f"{self._trees}/{name}")

    def switch(self, name: str) -> None:
        """Make a tree the current one."""
        before = self.current()
        temporary = f"{self.incoming}/link"
        with suppress(FileNotFoundError):
            os.unlink(temporary)
        os.symlink(f"trees/{name}", temporary)
        if os.path.isdir(self._link) and not os.path.islink(self._link):
            self._trash.discard(self._link)
        os.rename(temporary, self._link)
        for path in (self._trees, self.folder):
            _sync_path(path)
        self._replaced_s.pop(name, None)
        if before is not None and before != name:
            self._replaced_s[before] = time.monotonic()

    def sweep(self, is_urgent: bool = False) -> None:
        """Delete the trees that no worker uses any more, and blobs that no tree has used for a while.

        The cache keeps at most as many bytes without a use as with one. ``is_urgent``: the disk is full, so wait for
        the end.
        """
        now_s = time.monotonic()
        current = self.current()
        for name in os.listdir(self._trees):
            if name != current and now_s - self._replaced_s.setdefault(name, now_s) >= TREE_GRACE_S:
                self._trash.discard(f"{self._trees}/{name}")
                del self._replaced_s[name]
                self._scan_s = now_s  # once the tree is deleted
        for name in os.listdir(self.incoming):
            if name not in self._fresh and name != "trash":
                self._trash.discard(f"{self.incoming}/{name}")
        if is_urgent or (now_s >= self._scan_s and self._trash.is_empty()):
            self._scan_s = now_s + SCAN_S
            for path in self._find_unused(0.0 if is_urgent else BLOB_GRACE_S):
                self._trash.discard(path)
        if is_urgent:
            self._trash.empty()
        else:
            self._trash.empty_later()

    def free_bytes(self) -> int:
        """Return the room on the disk for another release."""
        state = os.statvfs(self.folder)
        return state.f_bavail * state.f_frsize - SPARE_BYTES

    def _lock(self) -> int:
        fd = os.open(f"{self.folder}/lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            pid = os.pread(fd, 20, 0).decode().strip() or "unknown"
            os.close(fd)
            problem = f"process {pid} uses this folder for another server: give this server another --store-cache"
            raise StartError(f"{printable(self.folder)}: {problem}") from None
        os.ftruncate(fd, 0)
        os.pwrite(fd, b"%d\n" % os.getpid(), 0)
        return fd

    def _create(self, name: str) -> int:
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
        try:
            return os.open(name, flags, MODE, dir_fd=self._incoming_fd)
        except FileExistsError:  # from a process that was killed
            os.unlink(name, dir_fd=self._incoming_fd)
            return os.open(name, flags, MODE, dir_fd=self._incoming_fd)

    def _recover(self, lacking: set[str]) -> dict[str, int]:
        """Return the wanted blobs that a killed process had received whole, with their sizes."""
        found = {}
        for name in lacking.intersection(os.listdir(self.incoming)):
            with open(f"{self.incoming}/{name}", "rb") as file:
                if file_digest(file, "sha256").hexdigest() == _blob_of(name):
                    found[name] = os.fstat(file.fileno()).st_size
        return found

    def _copy(self, source: str, blob: str) -> None:
        """Copy a verified blob for its other files' times: files of one inode have one time."""
        for name in self._names[blob]:
            if name not in self._fresh:
                self._fresh[name] = _copy_file(source, f"{self.incoming}/part", f"{self.incoming}/{name}")

    def _link_file(self, file: ManifestFile, tree_fd: int) -> None:
        name = f"{file.sha256}.{file.mtime_ns:x}"
        is_fresh = name in self._fresh
        folder_fd = self._incoming_fd if is_fresh else self._blobs_fd
        try:
            os.link(name, file.path, src_dir_fd=folder_fd, dst_dir_fd=tree_fd)
        except OSError as error:
            if error.errno != errno.EMLINK:  # ext4 allows 65,000 links
                raise
            blob = f"{self.incoming if is_fresh else self._blobs}/{name}"
            _copy_file(blob, f"{self.incoming}/part", blob)  # the next ones link to the copy
            os.link(name, file.path, src_dir_fd=folder_fd, dst_dir_fd=tree_fd)

    def _find_unused(self, grace_s: float) -> list[str]:
        """Return the blobs that no tree has used for a while, and the oldest ones that exceed the bytes in use."""
        used = 0
        unused: list[tuple[float, int, str]] = []
        with os.scandir(self._blobs) as entries:
            for entry in entries:
                status = entry.stat(follow_symlinks=False)
                if status.st_nlink > 1:
                    used += status.st_size
                else:  # the ctime is when it lost its last link
                    unused.append((status.st_ctime, status.st_size, entry.path))
        found = []
        now_s, kept = time.time(), 0
        for lost_s, size, path in sorted(unused, reverse=True):
            kept += size
            if abs(now_s - lost_s) >= grace_s or kept > used:
                found.append(path)
        return found

    def _sync(self, paths: Iterable[str]) -> None:
        """Write to the disk: the whole file system, where there is a call for it, or else each file."""
        if sys.platform == "linux":
            import ctypes

            if ctypes.CDLL(None).syncfs(self._lock_fd) == 0:
                return
        for path in paths:
            _sync_path(path)


def _blob_of(name: str) -> str:
    return name[:64]


def _times_of(name: str) -> tuple[int, int]:
    mtime_ns = int(name.rpartition(".")[2], 16)
    return mtime_ns, mtime_ns


def _copy_file(source: str, temporary: str, target: str) -> int:
    """Copy a blob whole or not at all, with the time that is in the target's name; return its size."""
    with suppress(FileNotFoundError):
        os.unlink(temporary)
    shutil.copyfile(source, temporary)
    os.chmod(temporary, MODE)
    os.utime(temporary, ns=_times_of(target))
    os.rename(temporary, target)
    return os.stat(target).st_size


def _make_folders(tree_fd: int, folder: bytes, folders: dict[bytes, int]) -> None:
    """Make a folder of a tree, and those around it."""
    for path in _around(folder):
        if path not in folders:
            os.mkdir(path, 0o755, dir_fd=tree_fd)
            folders[path] = 0


def _around(folder: bytes) -> Iterator[bytes]:
    end = folder.find(b"/")
    while end >= 0:
        yield folder[:end]
        end = folder.find(b"/", end + 1)
    yield folder


def _write(fd: int, piece: bytes | memoryview) -> int:
    size = len(piece)
    written = os.write(fd, piece)
    while written < size:
        written += os.write(fd, memoryview(piece)[written:])
    return size


def _sync_path(path: str) -> None:
    fd = os.open(path, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
