"""The events of Linux's inotify(7), by ctypes: changes in folders, below them, and on the paths that lead there.

Works inside Landlock, which does not restrict watches. Used by one thread (watcher.py).
"""

from __future__ import annotations

import ctypes
import errno
import os
import stat
import struct
from collections.abc import Iterable, Iterator

from fastfile.dev.changes import Change, is_ignored, path_components
from fastfile.records import NamedTuple

# linux/inotify.h; the numbers are the same on every architecture.
_MODIFY, _ATTRIB, _CLOSE_WRITE = 0x2, 0x4, 0x8
_MOVED_FROM, _MOVED_TO, _CREATE, _DELETE = 0x40, 0x80, 0x100, 0x200
_UNMOUNT, _OVERFLOW, _IGNORED, _IS_DIR = 0x2000, 0x4000, 0x8000, 0x40000000
_ONLY_DIR, _ADD_TO_MASK = 0x01000000, 0x20000000
_NAMES = _MOVED_FROM | _MOVED_TO | _CREATE | _DELETE
_IN_FOLDERS = _NAMES | _MODIFY | _ATTRIB | _CLOSE_WRITE
_EVENT = struct.Struct("iIII")
_READ_SIZE = 256 * 1024


class _Event(NamedTuple):
    watch: int
    mask: int
    name: bytes


class Inotify:
    """Watches ``roots`` (absolute paths of folders and files). Raises OSError: ENOSPC or EMFILE if no watch is left.

    ``fd`` is readable when something happened. ``follow``: folders behind links are watched too.
    """

    def __init__(self, roots: Iterable[bytes], follow: bool) -> None:
        self._libc = ctypes.CDLL(None, use_errno=True)
        self._roots = tuple(roots)
        self._follow = follow
        self.fd = -1
        try:
            self._begin()
        except BaseException:
            self.close()
            raise

    @property
    def count(self) -> int:
        """How many folders are watched."""
        return len(self._folders) + len(self._parents)

    def close(self) -> None:
        """Release all watches."""
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1

    def read(self) -> list[Change]:
        """Return the changes since the last call. Raises OSError as the constructor does."""
        changes: list[Change] = []
        for event in self._events():
            if event.mask & (_OVERFLOW | _UNMOUNT) or self._concerns_path(event):
                # Events were lost, or a root is another folder now: start again. Unread events are about the old one.
                self._begin()
                return [*changes, *(Change(root) for root in self._roots)]
            folder = self._folders.get(event.watch)
            if event.mask & _IGNORED:
                self._folders.pop(event.watch, None)
            elif folder is not None and event.name and not is_ignored(event.name):
                self._note(event, os.path.join(folder, event.name), changes)
        return changes

    def _begin(self) -> None:
        self.close()
        self._folders: dict[int, bytes] = {}  # by watch
        self._parents: dict[int, set[bytes]] = {}  # by watch: names in that folder that a path to a root goes through
        self._seen: set[tuple[int, int]] = set()  # folders that links led to
        self.fd = self._checked(self._libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC))
        for root in self._roots:
            for folder, name in path_components(root):
                watch = self._add(folder, _NAMES)
                if watch is not None:
                    self._parents.setdefault(watch, set()).add(name)
            if os.path.isdir(root):
                for _ in self._enter(root):
                    pass
            else:
                # One file is served, or nothing is there yet.
                watch = self._add(os.path.dirname(root), _IN_FOLDERS)
                if watch is not None and os.path.exists(root):
                    self._folders[watch] = os.path.dirname(root)

    def _enter(self, folder: bytes) -> Iterator[bytes]:
        """Watch a folder and everything below it; yield existing files, which appeared before the watch."""
        pending = [folder]
        while pending:
            folder = pending.pop()
            watch = self._add(folder, _IN_FOLDERS)
            if watch is None:
                continue
            self._folders[watch] = folder
            try:
                with os.scandir(folder) as entries:
                    for entry in entries:
                        if is_ignored(entry.name):
                            continue
                        if entry.is_dir(follow_symlinks=False) or (self._follow and self._is_new_target(entry)):
                            pending.append(entry.path)
                        else:
                            yield entry.path
            except OSError:  # it disappeared, or may not be read: then nothing in it is served
                continue

    def _is_new_target(self, entry: os.DirEntry[bytes]) -> bool:
        """Tell whether an entry is a link to a folder that no earlier link led to: links may form loops."""
        try:
            if not entry.is_symlink() or not entry.is_dir():
                return False
            status = entry.stat()
        except OSError:
            return False
        identity = (status.st_dev, status.st_ino)
        is_new = identity not in self._seen
        self._seen.add(identity)
        return is_new

    def _note(self, event: _Event, path: bytes, changes: list[Change]) -> None:
        mask = event.mask
        if mask & _IS_DIR:
            if mask & (_CREATE | _MOVED_TO):
                changes.append(Change(path))
                changes.extend(Change(file) for file in self._enter(path))
            elif mask & (_DELETE | _MOVED_FROM):
                self._leave(path)
                changes.append(Change(path))
            return
        is_open = bool(mask & _MODIFY) or (bool(mask & _CREATE) and _is_being_made(path))
        changes.append(Change(path, is_open))

    def _leave(self, folder: bytes) -> None:
        """Stop watching a folder that was moved away, and everything below it."""
        inside = folder + b"/"
        for watch in [watch for watch, path in self._folders.items() if path == folder or path.startswith(inside)]:
            del self._folders[watch]
            self._libc.inotify_rm_watch(self.fd, watch)

    def _concerns_path(self, event: _Event) -> bool:
        """Tell whether an event changes the target of a path to a root."""
        return bool(event.mask & _NAMES) and event.name in self._parents.get(event.watch, ())

    def _add(self, folder: bytes, mask: int) -> int | None:
        """Watch a folder; None if there is no readable one. Raises OSError if no watch is left."""
        watch = self._libc.inotify_add_watch(self.fd, folder, ctypes.c_uint32(mask | _ONLY_DIR | _ADD_TO_MASK))
        if watch >= 0:
            return int(watch)
        if ctypes.get_errno() in (errno.ENOSPC, errno.ENOMEM):
            self._checked(-1)
        return None

    def _events(self) -> list[_Event]:
        try:
            data = os.read(self.fd, _READ_SIZE)
        except BlockingIOError:
            return []
        events, start = [], 0
        while start < len(data):
            watch, mask, _, size = _EVENT.unpack_from(data, start)
            start += _EVENT.size + size
            events.append(_Event(watch, mask, data[start - size : start].rstrip(b"\0")))
        return events

    @staticmethod
    def _checked(result: int) -> int:
        if result < 0:
            error = ctypes.get_errno()
            raise OSError(error, os.strerror(error))
        return result


def _is_being_made(path: bytes) -> bool:
    """Tell whether a file that has just appeared is being written; a link to one that was there before is not."""
    try:
        status = os.lstat(path)
    except OSError:
        return False
    return stat.S_ISREG(status.st_mode) and status.st_nlink == 1 and status.st_size == 0
