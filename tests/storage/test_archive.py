"""The zip of a folder: read back by Python's zipfile and by Info-ZIP, long, hostile, and changed while it is made."""

from __future__ import annotations

import io
import os
import struct
import subprocess
import zipfile
from pathlib import Path

import pytest
from support.programs import require_program

from fastfile.errors import HTTPError
from fastfile.http.target import is_hidden
from fastfile.storage.root import PinnedRoot, Root
from fastfile.storage.zip.archive import PART_SIZE, Archive, ArchiveLimits, Member, make_archive
from fastfile.storage.zip.zip_format import (
    BLOCK_SIZE,
    make_central_header,
    make_descriptor,
    make_end,
    make_local_header,
    member_size,
)

LIMITS = ArchiveLimits(1 << 50)
MTIME = 1_700_000_000


def test_a_pinned_root_that_was_never_made_is_dropped_without_a_word() -> None:
    PinnedRoot.__new__(PinnedRoot).__del__()  # a constructor that had no memory


def go_on() -> None:
    """The check of an archive that still has a waiter."""


def archive_of(root: Root, path: bytes = b"", name: bytes = b"top", limits: ArchiveLimits = LIMITS) -> Archive:
    return make_archive(PinnedRoot(root), go_on, path, name, is_hidden, limits)


def read(archive: Archive) -> zipfile.ZipFile:
    content = b"".join(archive.parts())
    assert len(content) == archive.size
    return zipfile.ZipFile(io.BytesIO(content))


def write(path: Path, files: dict[str, bytes]) -> None:
    for name, content in files.items():
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_bytes(content)


SIZES = (0, 1, BLOCK_SIZE - 1, BLOCK_SIZE, BLOCK_SIZE + 1, 2 * BLOCK_SIZE, 300_000)


def test_zipfile_finds_every_file_and_folder_with_its_content(folder: Path, root: Root) -> None:
    files = {f"a/b/{size}": os.urandom(size) for size in SIZES} | {"c.txt": b"c", "é 中.txt": b"unicode"}
    write(folder, files)
    (folder / "empty").mkdir()
    found = read(archive_of(root))
    assert found.testzip() is None
    assert {name: found.read(name) for name in found.namelist() if not name.endswith("/")} == {
        f"top/{name}": content for name, content in files.items()
    }
    assert [name for name in found.namelist() if name.endswith("/")] == ["top/", "top/a/", "top/a/b/", "top/empty/"]


def test_the_zip_of_a_folder_beneath_the_root_has_what_is_beneath_it(folder: Path, root: Root) -> None:
    write(folder, {"a/b/c": b"1", "a/d": b"2", "e": b"3"})
    assert read(archive_of(root, b"a", b"a")).namelist() == ["a/", "a/d", "a/b/", "a/b/c"]


def test_info_zip_unpacks_it_with_its_times(folder: Path, root: Root, tmp_path: Path) -> None:
    unzip = require_program("unzip")
    names = [b"plain", "é 中".encode(), b"caf\xe9", b"a  b", b"-rf", b"a" * 255]
    for name in names:
        with open(os.fsencode(folder) + b"/" + name, "wb") as file:
            file.write(b"content of " + name)
        os.utime(os.fsencode(folder) + b"/" + name, (MTIME, MTIME))
    (tmp_path / "zip").write_bytes(b"".join(archive_of(root).parts()))
    environment = {**os.environ, "LC_ALL": "C.UTF-8", "TZ": "Asia/Tokyo"}
    subprocess.run([unzip, "-tqq", "zip"], cwd=tmp_path, env=environment, check=True)
    subprocess.run([unzip, "-qq", "zip", "-d", "out"], cwd=tmp_path, env=environment, check=True)
    out = os.fsencode(tmp_path / "out" / "top")
    unpacked = {name: Path(os.fsdecode(os.path.join(out, name))) for name in os.listdir(out)}
    assert set(unpacked) == set(names)
    for name, path in unpacked.items():
        assert path.read_bytes() == b"content of " + name
        assert path.stat().st_mtime == MTIME


def test_libarchive_reads_it_as_a_stream(folder: Path, root: Root) -> None:
    write(folder, {str(size): os.urandom(size) for size in SIZES})
    bsdtar = require_program("bsdtar")
    names = subprocess.run(
        [bsdtar, "-tf", "-"],
        input=b"".join(archive_of(root).parts()),
        capture_output=True,
        check=True,
    ).stdout.split()
    assert names == [b"top/", *sorted(f"top/{size}".encode() for size in SIZES)]


@pytest.mark.parametrize(
    ("mtime_s", "shown"),
    [
        (MTIME, (2023, 11, 14, 22, 13, 20)),
        (0, (1980, 1, 1, 0, 0, 0)),
        (-1, (1980, 1, 1, 0, 0, 0)),
        (1 << 33, (2107, 12, 31, 23, 59, 58)),
    ],
)
def test_a_time_is_that_of_utc_as_near_as_the_format_has_it(
    folder: Path, root: Root, mtime_s: int, shown: tuple[int, ...]
) -> None:
    write(folder, {"a": b""})
    os.utime(folder / "a", (mtime_s, mtime_s))
    assert read(archive_of(root)).getinfo("top/a").date_time == shown


def test_a_part_is_never_larger_than_was_said(folder: Path, root: Root) -> None:
    write(folder, {f"{number:0200}": b"x" for number in range(500)} | {"large": bytes(1_000_000)})
    assert max(map(len, archive_of(root).parts())) <= PART_SIZE


# Its members


def test_what_no_request_gets_is_left_out(folder: Path, root: Root) -> None:
    write(folder, {".env": b"", ".git/config": b"", "a/.secret": b"", "a/seen": b"", ".well-known/x": b""})
    write(folder.parent, {"outside": b"", "folder/file": b""})
    os.mkfifo(folder / "fifo")
    for name, target in {
        "out": "../outside", "out-folder": "../folder", "nothing": "gone", "itself": "itself", "root": "/",
        "in": "a/seen", "in-folder": "a", "absolute": folder / "a",
    }.items():  # fmt: skip
        (folder / name).symlink_to(target)
    assert read(archive_of(root)).namelist() == [
        "top/", "top/in", "top/.well-known/", "top/.well-known/x", "top/a/", "top/a/seen",
        "top/absolute/", "top/absolute/seen", "top/in-folder/", "top/in-folder/seen",
    ]  # fmt: skip


def test_links_that_lead_out_are_followed_where_that_is_asked_for(folder: Path) -> None:
    write(folder.parent, {"outside/file": b"content"})
    (folder / "out").symlink_to("../outside")
    root = Root(os.fsencode(folder), follow_symlinks=True)
    try:
        assert read(archive_of(root)).read("top/out/file") == b"content"
    finally:
        root.close()


def test_loops_of_links_end(folder: Path, root: Root) -> None:
    write(folder, {"a/b/file": b"content"})
    (folder / "a" / "b" / "up").symlink_to("..")
    (folder / "a" / "b" / "top").symlink_to("../..")
    (folder / "a" / "here").symlink_to(".")
    (folder / "other").symlink_to("a/b")
    names = read(archive_of(root)).namelist()
    assert "top/a/b/file" in names
    assert "top/other/file" in names
    assert not [name for name in names if "/here/" in name or "/up/b/" in name or "/top/a/b/t" in name]


HOSTILE = [
    b"..\\..\\evil", b"\\evil", b"\\\\host\\evil", b"c:\\evil", b"a\\b", b"a_b", b"...", b"caf\xe9", b"\xed\xa0\x80",
    "\u202egnp.exe".encode(), b"new\nline", b"\x1b[2J", b" ", b"~", b"-rf", b"$(id)", b"con", b"c:",
]  # fmt: skip


@pytest.mark.parametrize("path", [b"", b"..\\x", b"c:"])
def test_no_name_leads_out_of_where_it_is_unpacked(tmp_path: Path, path: bytes) -> None:
    root = Root(os.fsencode(tmp_path))
    folder = os.path.join(os.fsencode(tmp_path), path)
    os.makedirs(folder, exist_ok=True)
    for name in HOSTILE:
        with open(os.path.join(folder, name), "wb") as file:
            file.write(name)
    try:
        archive = make_archive(PinnedRoot(root), go_on, path, path or b"top", lambda path: False, LIMITS)
    finally:
        root.close()
    names = [member.name for member in archive.members]
    for name in names:
        assert not name.startswith((b"/", b"c:", b"../"))
        assert b"\\" not in name
        assert b".." not in name.rstrip(b"/").split(b"/")
    assert len(set(names)) == len(names) == len(HOSTILE) + 1
    found = read(archive)
    assert sorted(found.read(info) for info in found.infolist() if not info.is_dir()) == sorted(HOSTILE)
    utf8 = {info.filename for info in found.infolist() if info.flag_bits & 1 << 11}
    assert len(utf8) == len(names) - 2  # the others say that their names are no UTF-8


def test_more_entries_than_the_limit_are_refused(folder: Path, root: Root) -> None:
    write(folder, {"a/1": b"", "a/2": b""})
    assert len(archive_of(root, limits=ArchiveLimits(0, 4)).members) == 4
    with pytest.raises(HTTPError) as refused:
        archive_of(root, limits=ArchiveLimits(0, 3))
    assert refused.value.status == 403
    assert "3 entries" in refused.value.detail


def test_more_content_than_the_limit_is_refused(folder: Path, root: Root) -> None:
    write(folder, {"a/1": b"123", "a/2": b"45"})
    assert archive_of(root, limits=ArchiveLimits(5)).members
    with pytest.raises(HTTPError) as refused:
        archive_of(root, limits=ArchiveLimits(4))
    assert refused.value.status == 403


@pytest.mark.parametrize("path", [b"gone", b"file"])
def test_what_is_no_folder_has_no_archive(folder: Path, root: Root, path: bytes) -> None:
    write(folder, {"file": b""})
    with pytest.raises(OSError):  # noqa: PT011 - which one is the system's to say
        archive_of(root, path)


# Zip64


# The blocks then make its size in the archive one less than the largest of four bytes.
LARGE = 0xFFFFFFFF - 1 - 5 * 65533 - 5


@pytest.mark.parametrize(
    ("size", "is_wide"), [(LARGE, False), (LARGE + 1, True), ((1 << 32) - 1, True), (1 << 32, True), (1 << 45, True)]
)
def test_a_large_file_and_what_follows_it_are_where_the_directory_says(
    folder: Path, root: Root, size: int, is_wide: bool
) -> None:
    """Only the directory is made, with the size and the places of files that nobody has to store."""
    members = [Member(b"", b"top/", 0, 0), Member(b"a", b"top/a", size, 0), Member(b"b", b"top/b", 5, 0)]
    whole = Archive(PinnedRoot(root), members).size
    offset, rows = 0, []
    offsets = []
    for member in members:
        rows.append(make_central_header(member.name, member.size, 0, 0, offset))
        offsets.append(offset)
        offset += member_size(member.name, member.size)
    directory = b"".join(rows)
    end = Tail(whole, directory + make_end(len(rows), len(directory), offset))
    found = zipfile.ZipFile(end).infolist()  # type: ignore[arg-type]
    assert [(info.file_size, info.header_offset) for info in found] == list(zip((0, size, 5), offsets, strict=True))
    assert found[1].compress_size == size + 5 * -(-size // BLOCK_SIZE) + 5
    # What a reader of the stream sees: Zip64 in the header, and only there, says how wide the descriptor is.
    header, descriptor = make_local_header(b"top/a", size, 0), make_descriptor(size, 7)
    assert (b"\x01\x00\x10\x00" in header[35:]) == is_wide
    assert struct.unpack("<4sIQQ" if is_wide else "<4s3I", descriptor) == (b"PK\7\x08", 7, found[1].compress_size, size)
    assert offsets[2] - offsets[1] == len(header) + found[1].compress_size + len(descriptor)


class Tail(io.RawIOBase):
    """A long file whose beginning cannot be read."""

    def __init__(self, size: int, end: bytes) -> None:
        self._size = size
        self._end = end
        self._position = 0

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._position

    def seek(self, offset: int, whence: int = 0) -> int:
        self._position = offset + (0, self._position, self._size)[whence]
        return self._position

    def read(self, count: int = -1) -> bytes:
        start = self._position - (self._size - len(self._end))
        assert start >= 0, "what is read is not there"
        content = self._end[start:] if count < 0 else self._end[start : start + count]
        self._position += len(content)
        return content


def test_more_than_65_535_members_are_found(folder: Path, root: Root) -> None:
    (folder / "a").mkdir()
    write(folder, {"file": b"content"})
    archive = archive_of(root)
    archive = Archive(PinnedRoot(root), archive.members[:1] + archive.members[1:] * 40_000)
    found = read(archive)
    assert len(found.namelist()) == 80_001


# Changes


def test_a_file_that_changed_in_size_since_it_was_counted_ends_the_archive(folder: Path, root: Root) -> None:
    write(folder, {"a": b"12", "b": b"34"})
    for content in (b"1", b"123", b""):
        archive = archive_of(root)
        (folder / "b").write_bytes(content)
        with pytest.raises(OSError, match="changed"):
            list(archive.parts())
        (folder / "b").write_bytes(b"34")


@pytest.mark.parametrize("change", ["cut", "grown", "written", "replaced"])
def test_a_file_that_changes_while_it_is_sent_ends_the_archive_unless_it_is_another(
    folder: Path, root: Root, change: str
) -> None:
    path = folder / "a"
    path.write_bytes(bytes(4 * BLOCK_SIZE))
    os.utime(path, (MTIME, MTIME))
    parts = archive_of(root).parts()
    sent = [next(parts) for _ in range(4)]
    if change == "cut":
        os.truncate(path, BLOCK_SIZE)
    elif change == "grown":
        with path.open("ab") as file:
            file.write(b"more")
    elif change == "written":
        with path.open("r+b") as file:
            file.write(b"x")
    else:  # the file that is open stays as it is
        (folder / "b").write_bytes(b"other")
        os.replace(folder / "b", path)
        assert zipfile.ZipFile(io.BytesIO(b"".join((*sent, *parts)))).read("top/a") == bytes(4 * BLOCK_SIZE)
        return
    with pytest.raises(OSError, match="changed"):
        list(parts)


@pytest.mark.parametrize("becomes", ["nothing", "a folder", "a link out", "a FIFO"])
def test_a_file_that_becomes_something_else_ends_the_archive(folder: Path, root: Root, becomes: str) -> None:
    write(folder, {"a": b""})
    write(folder.parent, {"secret": b""})
    archive = archive_of(root)
    (folder / "a").unlink()
    if becomes == "a folder":
        (folder / "a").mkdir()
    elif becomes == "a link out":
        (folder / "a").symlink_to("../secret")
    elif becomes == "a FIFO":
        os.mkfifo(folder / "a")
    with pytest.raises(OSError):  # noqa: PT011 - which one is the system's to say
        list(archive.parts())


def test_an_archive_is_of_the_root_that_there_was_when_it_was_asked_for(folder: Path, root: Root) -> None:
    write(folder, {"a": b"old"})
    archive = archive_of(root)
    folder.rename(folder.parent / "before")
    folder.mkdir()
    write(folder, {"a": b"new"})
    assert root.stat(b"a")  # which opens it again
    assert read(archive).read("top/a") == b"old"


def test_an_archive_that_is_given_up_leaves_no_descriptor_open(folder: Path, root: Root) -> None:
    write(folder, {"a": bytes(200_000)})
    before = len(os.listdir("/dev/fd"))
    for taken in (0, 1, 2, 3):
        parts = archive_of(root).parts()
        for _ in range(taken):
            next(parts)
        parts.close()  # type: ignore[attr-defined]
        del parts
    assert len(os.listdir("/dev/fd")) == before
