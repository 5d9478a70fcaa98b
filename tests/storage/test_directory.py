"""What a directory's listing has in it, and in which order, against real directories."""

import os
import socket
from pathlib import Path

import pytest

from fastfile.storage.directory import DirectoryEntry, Order, list_directory, read_beginning, sort_entries
from fastfile.storage.root import Root


def names(entries: list[DirectoryEntry]) -> list[bytes]:
    return [entry.name for entry in entries]


def listed(root: Root, show_hidden: bool = False) -> set[bytes]:
    return set(names(list_directory(root, b"", show_hidden)))


def test_an_entry_says_size_and_whole_seconds_of_mtime(folder: Path, root: Root) -> None:
    (folder / "file").write_bytes(b"12345")
    os.utime(folder / "file", ns=(0, 1_700_000_000_999_999_999))
    (folder / "old").write_bytes(b"")
    os.utime(folder / "old", ns=(0, -1))
    (folder / "sub").mkdir()
    os.utime(folder / "sub", (7, 7))
    assert sorted(list_directory(root, b"", False)) == [
        DirectoryEntry(b"file", False, 5, 1_700_000_000),
        DirectoryEntry(b"old", False, 0, -1),
        DirectoryEntry(b"sub", True, 0, 7),
    ]


def test_a_file_of_five_gibibytes_has_its_size(folder: Path, root: Root) -> None:
    with (folder / "sub").open("wb") as file:
        file.truncate(5 << 30)
    assert list_directory(root, b"", False)[0].size == 5 << 30


def test_a_folder_beneath_the_root_is_listed_by_its_path(folder: Path, root: Root) -> None:
    (folder / "a" / "b").mkdir(parents=True)
    (folder / "a" / "b" / "file").touch()
    (folder / "a" / "b" / "link").symlink_to("file")
    assert set(names(list_directory(root, b"a/b", False))) == {b"file", b"link"}


def test_hidden_entries_are_listed_only_when_asked_for(folder: Path, root: Root) -> None:
    for name in (".env", "...", "seen"):
        (folder / name).touch()
    (folder / ".git").mkdir()
    assert listed(root) == {b"seen"}
    assert listed(root, True) == {b".git", b"...", b".env", b"seen"}


def test_every_byte_that_a_name_may_have_comes_back_as_it_is(folder: Path, root: Root) -> None:
    expected = {bytes((byte,)) for byte in range(1, 256)} - {b"/", b"."}
    for name in expected:
        os.close(os.open(os.fsencode(folder) + b"/" + name, os.O_CREAT | os.O_WRONLY))
    assert listed(root) == expected


def test_fifos_and_sockets_are_left_out(folder: Path, root: Root) -> None:
    os.mkfifo(folder / "fifo")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(folder / "socket"))
        (folder / "file").touch()
        assert listed(root) == {b"file"}


def test_a_symlink_is_what_it_leads_to_beneath_the_root(folder: Path, root: Root) -> None:
    inside = folder / "inside"
    inside.mkdir()
    (inside / "page").write_bytes(b"page")
    os.mkfifo(inside / "fifo")
    (folder.parent / "secret").write_bytes(b"secret")
    for name, target in {
        "to-file": "inside/page",
        "to-directory": "inside",
        "to-file-by-its-whole-path": inside / "page",
        "to-fifo": "inside/fifo",
        "to-nothing": "gone",
        "to-itself": "to-itself",
        "to-outside": "../secret",
        "to-the-system": "/",
    }.items():
        (folder / name).symlink_to(target)
    entries = sort_entries(list_directory(root, b"", False), Order())
    assert [(entry.name, entry.is_directory, entry.size) for entry in entries] == [
        (b"inside", True, 0),
        (b"to-directory", True, 0),
        (b"to-file", False, 4),
        (b"to-file-by-its-whole-path", False, 4),
    ]


def test_no_descriptor_is_left_open(folder: Path, root: Root) -> None:
    (folder / "file").touch()
    (folder / "link").symlink_to("file")
    before = len(os.listdir("/dev/fd"))
    for _ in range(3):
        assert listed(root) == {b"file", b"link"}
    assert len(os.listdir("/dev/fd")) == before


def test_entries_that_cannot_be_statted_are_left_out(folder: Path, root: Root) -> None:
    (folder / "sub").mkdir()
    (folder / "sub" / "file").touch()
    (folder / "sub" / "link").symlink_to("file")
    (folder / "sub").chmod(0o444)  # names may be read, what they stand for may not
    user = os.geteuid()
    if user == 0:
        os.chown(folder / "sub", 65534, -1)
        for path in (folder.parent, folder):
            path.chmod(0o711)
        os.seteuid(65534)
    try:
        found = list_directory(root, b"sub", False)
    except PermissionError:
        pytest.skip("the folder of tests is closed to others")
    finally:
        os.seteuid(user)
        (folder / "sub").chmod(0o700)
    assert found == []


@pytest.mark.parametrize(("path", "error"), [(b"file", NotADirectoryError), (b"gone", FileNotFoundError)])
def test_what_cannot_be_listed_raises_oserror(folder: Path, root: Root, path: bytes, error: type[OSError]) -> None:
    (folder / "file").touch()
    before = len(os.listdir("/dev/fd"))
    with pytest.raises(error):
        list_directory(root, path, False)
    assert len(os.listdir("/dev/fd")) == before


# Order


def file(name: str, size: int = 0, mtime_s: int = 0) -> DirectoryEntry:
    return DirectoryEntry(name.encode(), False, size, mtime_s)


NATURAL = [
    pytest.param(["a", "B", "b", "C"], id="without regard to case, then by it"),
    pytest.param(["file 1", "file 2", "file 10"], id="numbers by their value"),
    pytest.param(["1", "2", "10", "a"], id="names that are numbers"),
    pytest.param(["v1.2.9", "v1.2.10", "v1.10.1"], id="several numbers"),
    pytest.param(["a001", "a01", "a1", "a2"], id="leading zeros, the same value"),
    pytest.param(["a-1", "a1", "a1-", "a1b", "aa"], id="a number and its end among other characters"),
    pytest.param(["0", "00", "1", "01a"], id="zero"),
    pytest.param(["a9", "a" + "9" * 200], id="very long numbers"),
    pytest.param(["É", "é"], id="other letters by their bytes"),
]


@pytest.mark.parametrize("expected", NATURAL)
def test_names_are_in_natural_order(expected: list[str]) -> None:
    entries = [file(name) for name in expected]
    assert sort_entries(reversed(entries), Order()) == entries
    assert sort_entries(entries, Order("name", True)) == entries[::-1]


@pytest.mark.parametrize(
    ("order", "expected"),
    [
        (Order("name"), "d1 d2 a b c"),
        (Order("name", True), "d2 d1 c b a"),
        (Order("size"), "d1 d2 b a c"),
        (Order("size", True), "d1 d2 a c b"),
        (Order("modified"), "d2 d1 c a b"),
        (Order("modified", True), "d1 d2 a b c"),
    ],
    ids=str,
)
def test_entries_are_sorted_by_a_column_directories_first_and_equal_ones_by_name(order: Order, expected: str) -> None:
    files = [file("c", 9, 1), file("a", 9, 2), file("b", 1, 2)]
    entries = [*files, DirectoryEntry(b"d2", True, 0, 3), DirectoryEntry(b"d1", True, 0, 4)]
    assert b" ".join(names(sort_entries(entries, order))).decode() == expected


@pytest.mark.parametrize(("limit", "expected"), [(4, (b"1234", True)), (5, (b"12345", False)), (6, (b"12345", False))])
def test_the_beginning_of_a_file_is_read(folder: Path, root: Root, limit: int, expected: tuple[bytes, bool]) -> None:
    (folder / "file").write_bytes(b"12345")
    assert read_beginning(root, b"file", limit) == expected
