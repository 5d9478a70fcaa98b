"""The entries of a directory's listing and their order, in real directories."""

import os
import socket
from pathlib import Path

import pytest

from fastfile.storage.directory import COLUMNS, RUN, Column, DirectoryEntry, Order, list_directory, read_beginning
from fastfile.storage.root import Root

LARGE = 5000


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("large")
    for number in range(LARGE):
        rank = number * 7919 % LARGE
        path = folder / str(number)
        with path.open("wb") as file:
            file.truncate(rank)
        os.utime(path, (rank, rank))
    return folder


def names(entries: list[DirectoryEntry]) -> list[bytes]:
    return [entry.name for entry in entries]


def entries_of(root: Root, folder: bytes = b"", order: Order = Order()) -> list[DirectoryEntry]:  # noqa: B008
    found = list_directory(root, folder, order, 1000, lambda path: True)
    assert found.total == len(found.entries)
    return found.entries


def listed(root: Root) -> set[bytes]:
    return set(names(entries_of(root)))


def test_an_entry_says_size_and_whole_seconds_of_mtime(folder: Path, root: Root) -> None:
    (folder / "file").write_bytes(b"12345")
    os.utime(folder / "file", ns=(0, 1_700_000_000_999_999_999))
    (folder / "old").write_bytes(b"")
    os.utime(folder / "old", ns=(0, -1))
    (folder / "sub").mkdir()
    os.utime(folder / "sub", (7, 7))
    assert sorted(entries_of(root)) == [
        DirectoryEntry(b"file", False, 5, 1_700_000_000),
        DirectoryEntry(b"old", False, 0, -1),
        DirectoryEntry(b"sub", True, 0, 7),
    ]


def test_a_file_of_five_gibibytes_has_its_size(folder: Path, root: Root) -> None:
    with (folder / "sub").open("wb") as file:
        file.truncate(5 << 30)
    assert entries_of(root)[0].size == 5 << 30


def test_a_folder_beneath_the_root_is_listed_by_its_path(folder: Path, root: Root) -> None:
    (folder / "a" / "b").mkdir(parents=True)
    (folder / "a" / "b" / "file").touch()
    (folder / "a" / "b" / "link").symlink_to("file")
    assert set(names(entries_of(root, b"a/b"))) == {b"file", b"link"}


@pytest.mark.parametrize("column", COLUMNS)
def test_what_is_not_to_be_shown_is_left_out_by_its_path(folder: Path, root: Root, column: Column) -> None:
    for name in ("a", "b", "link"):
        (folder / "sub").mkdir(exist_ok=True)
        (folder / "sub" / name).touch()
    asked: list[bytes] = []

    def shows(path: bytes) -> bool:
        asked.append(path)
        return path != b"sub/b"

    found = list_directory(root, b"sub", Order(column), 10, shows)
    assert (set(names(found.entries)), found.total) == ({b"a", b"link"}, 2)
    assert set(asked) == {b"sub/a", b"sub/b", b"sub/link"}


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
    entries = entries_of(root)
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
    (folder / "sub").chmod(0o444)  # names may be read, but not the files
    user = os.geteuid()
    if user == 0:
        os.chown(folder / "sub", 65534, -1)
        for path in (folder.parent, folder):
            path.chmod(0o711)
        os.seteuid(65534)
    try:
        found = [entries_of(root, b"sub", Order(column)) for column in COLUMNS]
    except PermissionError:
        pytest.skip("the folder of tests is closed to others")
    finally:
        os.seteuid(user)
        (folder / "sub").chmod(0o700)
    assert found == [[], [], []]


@pytest.mark.parametrize(("path", "error"), [(b"file", NotADirectoryError), (b"gone", FileNotFoundError)])
def test_what_cannot_be_listed_raises_oserror(folder: Path, root: Root, path: bytes, error: type[OSError]) -> None:
    (folder / "file").touch()
    before = len(os.listdir("/dev/fd"))
    with pytest.raises(error):
        entries_of(root, path)
    assert len(os.listdir("/dev/fd")) == before


# Order


def write(folder: Path, name: str, size: int = 0, mtime_s: int = 0) -> None:
    (folder / name).write_bytes(bytes(size))
    os.utime(folder / name, (mtime_s, mtime_s))


NATURAL = [
    pytest.param(["a", "B", "b", "C"], id="without regard to case, then by it"),
    pytest.param(["file 1", "file 2", "file 10"], id="numbers by their value"),
    pytest.param(["1", "2", "10", "a"], id="names that are numbers"),
    pytest.param(["v1.2.9", "v1.2.10", "v1.10.1"], id="several numbers"),
    pytest.param(["a001", "a01", "a1", "a2"], id="leading zeros, the same value"),
    pytest.param(["a-1", "a1", "a1-", "a1b", "aa"], id="a number and its end among other characters"),
    pytest.param(["0", "00", "1", "01a"], id="zero"),
    pytest.param(["a9", "a" + "9" * 200], id="very long numbers"),
    pytest.param(["É", "é"], id="other letters without regard to case, then by it"),
    pytest.param(
        ["Apfel", "Ärger", "azur", "Éclair", "elan", "Straße", "strasst"],
        id="letters with accents beside those without",
    ),
    pytest.param(
        ["igel", "\u0131ğd\u0131r", "ihale", "Łódź", "Lotto", "lyra", "oel", "øl", "om"],
        id="Latin letters that do not decompose",
    ),
    pytest.param(["cafe\u0301 1", "caf\u00e9 2", "cafe\u0301 3"], id="composed and decomposed alike"),
    pytest.param(["Ёлка", "ель", "ему", "маис", "майка"], id="accents of Cyrillic, but й is a letter"),
    pytest.param(["काल", "किताब"], id="vowel signs count"),
    pytest.param(["گزارش \u06f2", "گزارش \u06f1\u06f0"], id="numbers in other digits by their value"),
    pytest.param(["a", "z", "Ω", "я", "אב", "ก", "中"], id="scripts by their code points"),
]


@pytest.mark.parametrize("expected", NATURAL)
def test_names_are_in_natural_order(folder: Path, root: Root, expected: list[str]) -> None:
    for name in reversed(expected):
        write(folder, name)
    assert names(entries_of(root)) == [name.encode() for name in expected]
    assert names(entries_of(root, order=Order("name", True))) == [name.encode() for name in reversed(expected)]


ORDERS = [
    (Order("name"), "d1 d2 a b c"),
    (Order("name", True), "d2 d1 c b a"),
    (Order("size"), "d1 d2 b a c"),
    (Order("size", True), "d1 d2 a c b"),
    (Order("modified"), "d2 d1 c a b"),
    (Order("modified", True), "d1 d2 a b c"),
]


@pytest.mark.parametrize(("order", "expected"), ORDERS, ids=str)
def test_entries_are_sorted_by_a_column_directories_first_and_equal_ones_by_name(
    folder: Path, root: Root, order: Order, expected: str
) -> None:
    for name, size, mtime_s in (("c", 9, 1), ("a", 9, 2), ("b", 1, 2)):
        write(folder, name, size, mtime_s)
    for name, mtime_s in (("d2", 3), ("d1", 4)):
        (folder / name).mkdir()
        os.utime(folder / name, (mtime_s, mtime_s))
    assert b" ".join(names(entries_of(root, order=order))).decode() == expected
    for limit in range(1, 6):
        found = list_directory(root, b"", order, limit, lambda path: True)
        assert b" ".join(names(found.entries)).decode() == " ".join(expected.split()[:limit])
        assert found.total == 5


@pytest.mark.parametrize("order", [order for order, _ in ORDERS], ids=str)
@pytest.mark.parametrize("limit", [1, 100, RUN, 2 * RUN, 5 * RUN])
def test_of_a_large_directory_the_first_are_listed(large: Path, order: Order, limit: int) -> None:
    """The same ones that sorting all would begin with, though not all are kept."""
    root = Root(os.fsencode(large))
    try:
        found = list_directory(root, b"", order, limit, lambda path: True)
    finally:
        root.close()
    numbers = sorted(range(LARGE), key=lambda number: (number * 7919 % LARGE, number), reverse=order.descending)
    if order.column == "name":
        numbers = sorted(range(LARGE), reverse=order.descending)
    elif order.descending:
        numbers.sort(key=lambda number: -(number * 7919 % LARGE))
    assert names(found.entries) == [b"%d" % number for number in numbers[:limit]]
    assert found.total == LARGE


def test_it_can_be_ended_while_a_large_directory_is_read(large: Path) -> None:
    """Each RUN entries, so that it takes a millisecond."""
    root = Root(os.fsencode(large))
    calls = 0

    def check() -> None:
        nonlocal calls
        calls += 1
        if calls == 3:
            raise InterruptedError

    shown = 0

    def shows(path: bytes) -> bool:
        nonlocal shown
        shown += 1
        return True

    try:
        with pytest.raises(InterruptedError):
            list_directory(root, b"", Order(), 10 * LARGE, shows, check)
        assert shown == 3 * RUN
        shown = 0
        found = list_directory(root, b"", Order(), 10, shows, counts_all=False)
    finally:
        root.close()
    assert (len(found.entries), found.total, shown) == (10, 11, 11)


@pytest.mark.parametrize(("limit", "expected"), [(4, (b"1234", True)), (5, (b"12345", False)), (6, (b"12345", False))])
def test_the_beginning_of_a_file_is_read(folder: Path, root: Root, limit: int, expected: tuple[bytes, bool]) -> None:
    (folder / "file").write_bytes(b"12345")
    assert read_beginning(root, b"file", limit) == expected
