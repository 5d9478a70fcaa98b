"""What a directory's listing has in it, against real directories."""

import os
import socket
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from fastfile.files.listing import Entry, list_directory


def no_links(name: bytes) -> os.stat_result | None:
    raise AssertionError(f"{name!r} is no symlink")


@pytest.fixture
def directory_fd(tmp_path: Path) -> Iterator[int]:
    fd = os.open(tmp_path, os.O_RDONLY | os.O_DIRECTORY)
    yield fd
    os.close(fd)


def names(entries: list[Entry]) -> list[bytes]:
    return [entry.name for entry in entries]


def test_directories_come_first_then_names_without_regard_to_case(tmp_path: Path, directory_fd: int) -> None:
    for name in ("b", "B", "a", "C"):
        (tmp_path / name).touch()
    for name in ("z", "Y"):
        (tmp_path / name).mkdir()
    assert names(list_directory(directory_fd, False, no_links)) == [b"Y", b"z", b"a", b"B", b"b", b"C"]


def test_an_entry_says_size_and_whole_seconds_of_mtime(tmp_path: Path, directory_fd: int) -> None:
    (tmp_path / "file").write_bytes(b"12345")
    os.utime(tmp_path / "file", ns=(0, 1_700_000_000_999_999_999))
    (tmp_path / "old").write_bytes(b"")
    os.utime(tmp_path / "old", ns=(0, -1))
    (tmp_path / "sub").mkdir()
    os.utime(tmp_path / "sub", (7, 7))
    assert list_directory(directory_fd, False, no_links) == [
        Entry(b"sub", True, 0, 7),
        Entry(b"file", False, 5, 1_700_000_000),
        Entry(b"old", False, 0, -1),
    ]


def test_hidden_entries_are_listed_only_when_asked_for(tmp_path: Path, directory_fd: int) -> None:
    for name in (".env", "...", "seen"):
        (tmp_path / name).touch()
    (tmp_path / ".git").mkdir()
    assert names(list_directory(directory_fd, False, no_links)) == [b"seen"]
    assert names(list_directory(directory_fd, True, no_links)) == [b".git", b"...", b".env", b"seen"]


def test_every_byte_that_a_name_may_have_comes_back_as_it_is(tmp_path: Path, directory_fd: int) -> None:
    expected = {bytes((byte,)) for byte in range(1, 256)} - {b"/", b"."}
    for name in expected:
        os.close(os.open(os.fsencode(tmp_path) + b"/" + name, os.O_CREAT | os.O_WRONLY))
    assert set(names(list_directory(directory_fd, False, no_links))) == expected


def test_fifos_and_sockets_are_left_out(tmp_path: Path, directory_fd: int) -> None:
    os.mkfifo(tmp_path / "fifo")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "socket"))
        (tmp_path / "file").touch()
        assert names(list_directory(directory_fd, False, no_links)) == [b"file"]


def test_a_symlink_is_what_follows_says_it_leads_to(tmp_path: Path, directory_fd: int) -> None:
    inside = tmp_path / "inside"
    inside.mkdir()
    (inside / "page").write_bytes(b"page")
    os.mkfifo(inside / "fifo")
    for name, target in {
        "to-file": "inside/page",
        "to-directory": "inside",
        "to-fifo": "inside/fifo",
        "to-nothing": "gone",
        "to-itself": "to-itself",
        "to-outside": "/",
    }.items():
        (tmp_path / name).symlink_to(target)
    asked = []

    def follows(name: bytes) -> os.stat_result | None:
        asked.append(name)
        return None if name == b"to-outside" else os.stat(name, dir_fd=directory_fd)

    entries = list_directory(directory_fd, False, follows)
    assert [(entry.name, entry.is_directory) for entry in entries] == [
        (b"inside", True),
        (b"to-directory", True),
        (b"to-file", False),
    ]
    assert entries[2].size == 4
    assert len(asked) == 6


def test_the_descriptor_stays_open_and_lists_again(tmp_path: Path, directory_fd: int) -> None:
    (tmp_path / "file").touch()
    before = len(os.listdir("/dev/fd"))
    for _ in range(3):
        assert names(list_directory(directory_fd, False, no_links)) == [b"file"]
    assert stat.S_ISDIR(os.fstat(directory_fd).st_mode)
    assert len(os.listdir("/dev/fd")) == before


def test_a_descriptor_that_was_read_before_lists_from_the_start(tmp_path: Path, directory_fd: int) -> None:
    for number in range(3):
        (tmp_path / str(number)).touch()
    # A copy shares the read offset; leaving it at the end is what another reader of the description would do.
    os.lseek(directory_fd, 2**62, os.SEEK_SET)
    assert names(list_directory(directory_fd, False, no_links)) == [b"0", b"1", b"2"]


def test_a_deleted_directory_is_empty(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    fd = os.open(tmp_path / "sub", os.O_RDONLY | os.O_DIRECTORY)
    try:
        (tmp_path / "sub").rmdir()
        assert list_directory(fd, False, no_links) == []
    finally:
        os.close(fd)


def test_entries_that_cannot_be_statted_are_left_out(tmp_path: Path, directory_fd: int) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "link").symlink_to("file")
    tmp_path.chmod(0o444)  # names may be read, what they stand for may not
    user = os.geteuid()
    if user == 0:
        os.chown(tmp_path, 65534, -1)
        os.seteuid(65534)
    try:
        assert list_directory(directory_fd, False, lambda name: os.stat(name, dir_fd=directory_fd)) == []
    finally:
        os.seteuid(user)
        tmp_path.chmod(0o700)


def test_what_cannot_be_listed_raises_oserror(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    fd = os.open(tmp_path / "file", os.O_RDONLY)
    try:
        with pytest.raises(NotADirectoryError):
            list_directory(fd, False, no_links)
    finally:
        os.close(fd)
