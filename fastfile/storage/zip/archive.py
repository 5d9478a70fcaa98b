"""The zip of a folder: its members, its length in advance, and its bytes part by part.

Every member is opened like a request for it, beneath the root, and twice: when the length is counted and when its
content is sent. A member that changed in between ends the archive with an error; a wrong length is never padded. Memory
holds the names and sizes of all members; while the archive is sent, also some bytes of each and one open file.
"""

from __future__ import annotations

import errno
import os
import stat
import zlib
from array import array
from collections.abc import Callable, Generator, Iterator
from hashlib import blake2b

from fastfile.errors import HTTPError
from fastfile.http.target import join
from fastfile.records import NamedTuple
from fastfile.storage.directory import sort_in_runs
from fastfile.storage.metadata import modified_s
from fastfile.storage.outcome import Outcome, classify
from fastfile.storage.root import PinnedRoot, Root
from fastfile.storage.zip.zip_format import (
    BLOCK_SIZE,
    LAST_BLOCK,
    central_size,
    make_block_head,
    make_central_header,
    make_descriptor,
    make_end,
    make_local_header,
    member_size,
)

PART_SIZE = 64 * 1024
MEMBER_WEIGHT = 512  # bytes of memory per member, measured


class ArchiveLimits(NamedTuple):
    """Limits of an archive. A member takes half a kilobyte of memory until the archive is sent."""

    content: int  # bytes of all files
    members: int = 50_000


class Member(NamedTuple):
    """A file or folder of an archive. ``name`` is the one in the archive; that of a folder ends with a slash."""

    path: bytes
    name: bytes
    size: int
    mtime_s: int


class Archive:
    """The zip of a folder, of known length. Owns its root.

    It can be sent any number of times. ``tag`` identifies its root, its members and their states; ``weight`` is its
    memory.
    """

    def __init__(self, root: PinnedRoot, members: list[Member]) -> None:
        self._root = root
        self.members = members
        directory_offset = directory_size = 0
        for member in members:
            directory_size += central_size(member.name, member.size, directory_offset)
            directory_offset += member_size(member.name, member.size)
        self._directory_size = directory_size
        self.size = directory_offset + directory_size + len(make_end(len(members), directory_size, directory_offset))
        states = b"".join([b"%b %d %d\0" % (path, size, mtime_s) for path, _, size, mtime_s in members])
        self.tag = root.identity() + blake2b(states).digest()
        self.weight = len(members) * MEMBER_WEIGHT

    def parts(self) -> Generator[bytes, None, None]:
        """Return the bytes, in parts of at most PART_SIZE. Reads the disk. Raises OSError when a file changed."""
        found = array("q")  # the checksum and the mtime of each member
        for member in self.members:
            checksum, mtime_s = 0, member.mtime_s
            if member.name.endswith(b"/"):
                yield make_local_header(member.name, 0, mtime_s)
            else:
                checksum, mtime_s = yield from self._file_parts(member)
            found.extend((checksum, mtime_s))
        offset = 0
        rows = b""
        for member, checksum, mtime_s in zip(self.members, found[::2], found[1::2], strict=True):
            row = make_central_header(member.name, member.size, mtime_s, checksum, offset)
            offset += member_size(member.name, member.size)
            if len(rows) + len(row) > PART_SIZE:
                yield rows
                rows = b""
            rows += row
        yield rows
        yield make_end(len(self.members), self._directory_size, offset)

    def _file_parts(self, member: Member) -> Generator[bytes, None, tuple[int, int]]:
        """Yield the parts of one file and return its checksum and mtime. Raises OSError if the file changes."""
        fd = self._root.open(member.path)
        try:
            before = os.fstat(fd)
            if not stat.S_ISREG(before.st_mode) or before.st_size != member.size:
                raise _changed()
            yield make_local_header(member.name, member.size, modified_s(before))
            checksum = 0
            for start in range(0, member.size, BLOCK_SIZE):
                content = _read(fd, min(BLOCK_SIZE, member.size - start), start)
                checksum = zlib.crc32(content, checksum)
                yield make_block_head(len(content))
                yield content
            after = os.fstat(fd)
            if (after.st_size, after.st_mtime_ns) != (before.st_size, before.st_mtime_ns):
                raise _changed()
        finally:
            os.close(fd)
        yield LAST_BLOCK + make_descriptor(member.size, checksum)
        return checksum, modified_s(before)


def make_archive(
    root: PinnedRoot,
    check: Callable[[], None],
    folder: bytes,
    name: bytes,
    hides: Callable[[bytes], bool],
    limits: ArchiveLimits,
) -> Archive:
    """Return the archive of a folder, whose members are all beneath one folder of that ``name``.

    It takes over ``root``. ``check`` is called now and then, and may raise to stop. ``hides`` tells whether a path is
    treated as absent. Files that no request could read are left out too. Raises OSError, and HTTPError 403 if the
    limits are exceeded.
    """
    members: list[Member] = []
    total = 0

    def is_hidden(path: bytes) -> bool:
        check()
        return hides(path)

    try:
        for member in walk(root, folder, _clean(name).replace(b":", b"_"), is_hidden):  # "c:" would be a drive
            members.append(member)
            total += member.size
            _check_limits(len(members), total, limits)
    except BaseException:
        root.close()
        raise
    return Archive(root, members)


def _check_limits(members: int, content: int, limits: ArchiveLimits) -> None:
    if members > limits.members:
        raise HTTPError(403, f"The folder has more than {limits.members} entries: too many for an archive.")
    if content > limits.content:
        raise HTTPError(403, f"The folder has more than {limits.content} bytes: too many for an archive.")


def walk(root: Root, folder: bytes, name: bytes, hides: Callable[[bytes], bool]) -> Iterator[Member]:
    """Return the files that requests can reach in and below a folder, each folder before its entries.

    A link counts as its target; a link to a folder that contains it would never end, and is left out.
    """
    waiting = [(Member(folder, name + b"/", 0, 0), root.stat(folder), frozenset[tuple[int, int]]())]
    while waiting:
        member, status, above = waiting.pop()
        above |= {(status.st_dev, status.st_ino)}
        yield member._replace(mtime_s=modified_s(status))
        folders = []
        for path, own_name in _look_into(root, member.path):
            found = None if hides(path) else root.maybe_stat(path)
            if found is None:
                continue
            if stat.S_ISREG(found.st_mode):
                yield Member(path, member.name + own_name, found.st_size, modified_s(found))
            elif stat.S_ISDIR(found.st_mode) and (found.st_dev, found.st_ino) not in above:
                folders.append((Member(path, member.name + own_name + b"/", 0, 0), found, above))
        waiting += reversed(folders)


def _look_into(root: Root, folder: bytes) -> list[tuple[bytes, bytes]]:
    """Return the path of each entry and its unique name in the archive, in the order of the names."""
    try:
        fd = root.open(folder)
    except OSError as error:
        if classify(error) in (Outcome.MISSING, Outcome.REFUSED):  # it may not be read, or it has disappeared
            return []
        raise
    try:
        names = sort_in_runs(map(os.fsencode, os.listdir(fd)))
    finally:
        os.close(fd)
    taken = set(names)
    entries = []
    for name in names:
        own_name = name
        if b"\\" in name:
            own_name = _clean(name)
            while own_name in taken:
                own_name += b"_"
            taken.add(own_name)
        entries.append((join(folder, name), own_name))
    return entries


def _clean(name: bytes) -> bytes:
    # On Windows a backslash is a separator: "..\\x" would leave the folder in which an archive is unpacked.
    return name.replace(b"\\", b"_")


def _read(fd: int, count: int, offset: int) -> bytes:
    content = os.pread(fd, count, offset)
    while len(content) < count:
        more = os.pread(fd, count - len(content), offset + len(content))
        if not more:
            raise _changed()
        content += more
    return content


def _changed() -> OSError:
    return OSError(errno.ESTALE, "the file changed while it was being archived")
