"""A file system that fails on demand: one folder of files, mounted by FUSE and answered by a thread of the test.

with BrokenDisk(folder, {b"a": b"content"}) as disk:
    disk.failing.add("read")

The protocol is fuse(4) as the kernel speaks it since 7.12: a head, and a structure for each request. Only what a
server of files asks for is here; the rest is ENOSYS. Nothing is kept by the kernel, so each failure is seen at once.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import os
import select
import stat
import struct
import threading
from pathlib import Path

ROOT = 1  # the inode of the folder; the files follow
MOUNT_NAME = b"fastfile-test"
MS_NOSUID_NODEV = 6
MNT_DETACH = 2
LOOKUP, FORGET, GETATTR, OPEN, READ, STATFS, RELEASE, FLUSH = 1, 2, 3, 14, 15, 17, 18, 25
INIT, OPENDIR, READDIR, RELEASEDIR, ACCESS, INTERRUPT, BATCH_FORGET = 26, 27, 28, 29, 34, 36, 42
NAMES = {LOOKUP: "lookup", GETATTR: "getattr", OPEN: "open", READ: "read", OPENDIR: "opendir", READDIR: "readdir"}
NAMES[FLUSH] = "flush"
HEAD = struct.Struct("IIQQIIII")  # length, opcode, unique, inode, user, group, process, padding
libc = ctypes.CDLL(None, use_errno=True)


class BrokenDisk:
    """``failing`` names the operations that end in EIO; reading fails from ``readable`` bytes of a file on.

    ``hanging`` names those that nothing answers until release().
    """

    def __init__(self, folder: Path, files: dict[bytes, bytes], readable: int = 0) -> None:
        self.failing: set[str] = set()
        self.hanging: set[str] = set()
        self._held: list[bytes] = []
        self._folder = os.fsencode(folder)
        self._names = sorted(files)
        self._files = files
        self.readable = readable
        self._fd = os.open("/dev/fuse", os.O_RDWR | os.O_CLOEXEC)
        options = b"fd=%d,rootmode=40000,user_id=0,group_id=0,allow_other" % self._fd
        if libc.mount(MOUNT_NAME, self._folder, b"fuse", MS_NOSUID_NODEV, options) < 0:
            os.close(self._fd)
            raise OSError(ctypes.get_errno(), "cannot mount")
        self._end_r, self._end_w = os.pipe()
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def __enter__(self) -> BrokenDisk:
        return self

    def __exit__(self, *_: object) -> None:
        self.unmount()

    def die(self) -> None:
        """Stop responding, like a removed disk: it stays mounted, and every operation is ENOTCONN."""
        if self._end_w >= 0:
            os.close(self._end_w)
            self._end_w = -1
            self._thread.join(20)

    def unmount(self) -> None:
        """Unmount it, even while it is used."""
        self.die()
        libc.umount2(self._folder, MNT_DETACH)

    def _serve(self) -> None:
        poll = select.poll()
        poll.register(self._fd, select.POLLIN)
        poll.register(self._end_r, select.POLLIN)
        while self._end_r not in dict(poll.poll()):
            self._take_request()
        os.close(self._end_r)
        os.close(self._fd)

    def _take_request(self) -> None:
        try:
            request = os.read(self._fd, 1 << 18)
        except OSError as error:
            if error.errno in (errno.ENOENT, errno.EINTR, errno.EAGAIN):  # it was taken back
                return
            raise
        if NAMES.get(HEAD.unpack_from(request)[1]) in self.hanging:
            self._held.append(request)
        else:
            self._respond(request)

    def is_asked(self) -> bool:
        """Tell whether a process waits for a hanging operation."""
        return bool(self._held)

    def release(self) -> None:
        """Complete the hanging operations, and hang no more."""
        self.hanging.clear()
        while self._held:
            self._respond(self._held.pop())

    def _respond(self, request: bytes) -> None:
        _, opcode, unique, inode, *_ = HEAD.unpack_from(request)
        if opcode in (FORGET, BATCH_FORGET, INTERRUPT):
            return
        number, answer = errno.EIO, b""
        if NAMES.get(opcode) not in self.failing or (opcode == READ and self._is_readable(request)):
            number, answer = self._answer(opcode, inode, request[HEAD.size :])
        with contextlib.suppress(FileNotFoundError):  # it was taken back
            os.write(self._fd, struct.pack("IiQ", 16 + len(answer), -number, unique) + answer)

    def _is_readable(self, request: bytes) -> bool:
        return int(struct.unpack_from("QQ", request, HEAD.size)[1]) < self.readable

    def _answer(self, opcode: int, inode: int, body: bytes) -> tuple[int, bytes]:
        """Return an errno, 0 for none, and the kernel's data."""
        if opcode == LOOKUP:
            name = body.rstrip(b"\0")
            if name not in self._files:
                return errno.ENOENT, b""
            found = self._names.index(name) + ROOT + 1
            return 0, struct.pack("QQQQII", found, 0, 0, 0, 0, 0) + self._attributes(found)
        if opcode == GETATTR:
            return 0, struct.pack("QII", 0, 0, 0) + self._attributes(inode)
        if opcode == READ:
            _, offset, size = struct.unpack_from("QQI", body)
            return 0, self._files[self._names[inode - ROOT - 1]][offset : offset + size]
        if opcode == READDIR:
            return 0, self._entries(*struct.unpack_from("QQI", body)[1:])
        if opcode == INIT:
            _, minor, ahead, _ = struct.unpack_from("IIII", body)
            return 0, struct.pack("IIIIHHI", 7, min(minor, 31), ahead, 0, 12, 10, 1 << 17).ljust(64, b"\0")
        empty = {OPEN: 16, OPENDIR: 16, RELEASE: 0, RELEASEDIR: 0, FLUSH: 0, ACCESS: 0, STATFS: 80}
        return (0, bytes(empty[opcode])) if opcode in empty else (errno.ENOSYS, b"")

    def _attributes(self, inode: int) -> bytes:
        is_folder = inode == ROOT
        size = 0 if is_folder else len(self._files[self._names[inode - ROOT - 1]])
        mode = stat.S_IFDIR | 0o755 if is_folder else stat.S_IFREG | 0o644
        times = (1_700_000_000,) * 3
        return struct.pack("6Q10I", inode, size, 0, *times, 0, 0, 0, mode, 1, 0, 0, 0, 4096, 0)

    def _entries(self, start: int, size: int) -> bytes:
        found = b""
        for index, name in enumerate(self._names[start:], start + 1):
            entry = struct.pack("QQII", ROOT + index, index, len(name), stat.S_IFREG >> 12) + name
            entry = entry.ljust(len(entry) + 7 & ~7, b"\0")
            if len(found) + len(entry) > size:
                break
            found += entry
        return found
