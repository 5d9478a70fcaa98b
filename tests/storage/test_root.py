"""The root: which paths open beneath it and which do not, by the kernel (openat2) and by the walk, row by row."""

from __future__ import annotations

import errno
import fcntl
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.asker import Asker
from support.kernels import flag
from support.serverprocess import clean_environment

from fastfile import WHY_PURE
from fastfile.errors import StartError
from fastfile.site.error_pages import make_error
from fastfile.storage import root as root_module
from fastfile.storage.root import Root

SECRET = b"outside the root"


class Tree:
    """A root with every kind of entry, and its surroundings."""

    def __init__(self, around: Path) -> None:
        self.around = around
        self.root = around / "site"
        (self.root / "deep" / "er").mkdir(parents=True)
        (self.root / "file").write_bytes(b"file")
        (self.root / "deep" / "er" / "file").write_bytes(b"deeper file")
        (around / "secret").write_bytes(SECRET)
        (around / "outside").mkdir()
        (around / "outside" / "secret").write_bytes(SECRET)
        (around / "outside" / "back").symlink_to(self.root)
        # Its name begins with the root's.
        (around / "site-secret").mkdir()
        (around / "site-secret" / "secret").write_bytes(SECRET)
        self._make_links()
        os.mkfifo(self.root / "fifo")
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(str(self.root / "socket"))

    def _make_links(self) -> None:
        deep = self.root / "deep"
        for name, target in {
            "to-file": "file",
            "to-folder": "deep",
            "to-root": ".",
            "to-chain": "chain-1",
            "chain-1": "deep/../chain-2",
            "chain-2": "to-folder/er/file",
            "out": "../secret",
            "out-folder": "../outside",
            "out-and-back": "../site/file",
            "out-through": "deep/up-folder/secret",
            "out-chain": "out-chain-1",
            "out-chain-1": "deep/out-chain-2",
            "prefix": "../site-secret/secret",
            "loop": "loop",
            "loop-1": "loop-2",
            "loop-2": "loop-1",
            "dangling": "nothing",
            "proc-root": "/proc/self/root/etc/passwd",
            "proc-cwd": "/proc/self/cwd",
            "device": "/dev/null",
        }.items():
            (self.root / name).symlink_to(target)
        for name, path in {
            "absolute": deep / "er" / "file",
            "absolute-root": self.root,
            "absolute-dots": self.root / ".." / "secret",
            "absolute-out": self.around / "secret",
            "absolute-prefix": self.around / "site-secret" / "secret",
        }.items():
            (self.root / name).symlink_to(path)
        (deep / "up").symlink_to("../file")
        (deep / "up-folder").symlink_to("../../outside")
        (deep / "out-chain-2").symlink_to("er/../../../secret")
        (deep / "to-absolute").symlink_to("../absolute")


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Tree:
    return Tree(tmp_path_factory.mktemp("confined"))


WAYS = ("openat2", "walk") if not WHY_PURE else ("walk",)


def make_root(path: Path, way: str, follow_symlinks: bool = False) -> Root:
    root = Root(os.fsencode(path), follow_symlinks)
    if way == "walk":
        root._kernel_confines = False
    elif not root._kernel_confines:
        pytest.fail("no openat2") if flag("CI") else pytest.skip("this kernel has no openat2")
    return root


@pytest.fixture(params=WAYS)
def way(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def root(tree: Tree, way: str) -> Iterator[Root]:
    made = make_root(tree.root, way)
    before = open_files()
    yield made
    assert open_files() <= before
    made.close()


def open_files() -> int:
    return len(os.listdir("/dev/fd"))


def read(root: Root, path: bytes) -> bytes:
    fd = root.open(path)
    try:
        return os.read(fd, 100)
    finally:
        os.close(fd)


@pytest.mark.parametrize(
    ("path", "content"),
    [
        pytest.param(b"file", b"file", id="a file"),
        pytest.param(b"deep/er/file", b"deeper file", id="a file in a folder"),
        pytest.param(b"to-file", b"file", id="a link to a file"),
        pytest.param(b"to-folder/er/file", b"deeper file", id="through a link to a folder"),
        pytest.param(b"to-chain", b"deeper file", id="a chain of links"),
        pytest.param(b"to-root/file", b"file", id="through a link to the root itself"),
        pytest.param(b"to-root/to-root/to-root/file", b"file", id="through it again and again"),
        pytest.param(b"deep/up", b"file", id="a link that steps up inside"),
        pytest.param(b"absolute", b"deeper file", id="an absolute link that leads back inside"),
        pytest.param(b"deep/to-absolute", b"deeper file", id="a link to an absolute link"),
        pytest.param(b"absolute-root/file", b"file", id="through an absolute link to the root"),
    ],
)
def test_what_is_inside_is_opened(root: Root, path: bytes, content: bytes) -> None:
    assert read(root, path) == content


@pytest.mark.parametrize("path", [b"", b"deep", b"to-root", b"absolute-root", b"deep/er"])
def test_a_folder_is_opened_for_listing(root: Root, path: bytes) -> None:
    fd = root.open(path)
    assert os.listdir(fd)
    os.close(fd)


@pytest.mark.parametrize(
    "path",
    [
        pytest.param(b"out", id="a link to a file outside"),
        pytest.param(b"out-folder", id="a link to a folder outside"),
        pytest.param(b"out-folder/secret", id="through a link to a folder outside"),
        pytest.param(b"out-folder/missing", id="something missing through it: nobody learns that"),
        pytest.param(b"out-folder/back/file", id="out and back by another's link"),
        pytest.param(b"out-and-back", id="a relative link that leaves and comes back"),
        pytest.param(b"out-through", id="a link through a link that leads out"),
        pytest.param(b"out-chain", id="a chain of links whose last has dots that lead out"),
        pytest.param(b"prefix", id="a sibling whose name begins with the root's"),
        pytest.param(b"absolute-out", id="an absolute link to a file outside"),
        pytest.param(b"absolute-prefix", id="an absolute link to a sibling whose name begins with the root's"),
        pytest.param(b"absolute-dots", id="an absolute link that begins with the root and leaves it by dots"),
        pytest.param(b"proc-root", id="a magic link of /proc"),
        pytest.param(b"proc-cwd", id="the working directory by /proc"),
        pytest.param(b"device", id="a device outside"),
        pytest.param(b"..", id="dots"),
        pytest.param(b"../secret", id="dots and a name"),
        pytest.param(b"deep/../../secret", id="dots after a folder"),
        pytest.param(b"to-folder/../../secret", id="dots after a link"),
    ],
)
def test_what_is_outside_is_refused_as_not_found(root: Root, path: bytes) -> None:
    with pytest.raises(OSError, match="Errno") as caught:
        root.open(path)
    assert caught.value.errno == errno.EXDEV
    assert make_error(caught.value).status == 404


@pytest.mark.parametrize(
    ("path", "number"),
    [
        pytest.param(b"missing", errno.ENOENT, id="nothing"),
        pytest.param(b"missing/deeper", errno.ENOENT, id="nothing in nothing"),
        pytest.param(b"dangling", errno.ENOENT, id="a link to nothing"),
        pytest.param(b"file/deeper", errno.ENOTDIR, id="beneath a file"),
        pytest.param(b"to-file/deeper", errno.ENOTDIR, id="beneath a link to a file"),
        pytest.param(b"loop", errno.ELOOP, id="a link to itself"),
        pytest.param(b"loop-1/deeper", errno.ELOOP, id="two links to each other"),
        pytest.param(b"n" * 256, errno.ENAMETOOLONG, id="a name that is too long"),
        pytest.param(b"deep/" + b"n" * 256, errno.ENAMETOOLONG, id="a name that is too long in a folder"),
        pytest.param(b"socket", errno.ENXIO, id="a socket"),
    ],
)
def test_what_cannot_be_opened_is_not_found(root: Root, path: bytes, number: int) -> None:
    with pytest.raises(OSError, match="Errno") as caught:
        root.open(path)
    assert caught.value.errno == number
    assert make_error(caught.value).status == 404


def test_forty_links_are_followed_and_no_more(way: str, tmp_path: Path) -> None:
    (tmp_path / "0").write_bytes(b"end")
    for number in range(1, 42):
        (tmp_path / str(number)).symlink_to(str(number - 1))
    root = make_root(tmp_path, way)
    assert read(root, b"40") == b"end"
    with pytest.raises(OSError, match="Errno") as caught:
        root.open(b"41")
    assert caught.value.errno == errno.ELOOP
    root.close()


def test_a_fifo_is_opened_at_once_so_that_it_can_be_refused(root: Root) -> None:
    os.close(root.open(b"fifo"))


@pytest.mark.parametrize(
    "name",
    [
        b"with space",
        b"back\\slash",
        b"\xff\xfe not utf-8",
        b"new\nline",
        b"\x01\x7f",
        b"..leading",
        b"...",
        b"trailing..",
        b"n" * 255,
        b"%2e%2e",
        b"*?[]",
        b"-rf",
    ],
)
def test_a_name_is_any_bytes(way: str, tmp_path: Path, name: bytes) -> None:
    folder = os.fsencode(tmp_path) + b"/" + name
    os.mkdir(folder)
    with open(folder + b"/" + name, "wb") as file:
        file.write(b"named")
    root = make_root(tmp_path, way)
    assert read(root, name + b"/" + name) == b"named"
    root.close()


def test_links_may_lead_outside_when_that_is_asked_for(tree: Tree) -> None:
    root = Root(os.fsencode(tree.root), follow_symlinks=True)
    assert read(root, b"out") == SECRET
    assert read(root, b"out-folder/secret") == SECRET
    root.close()


def test_a_path_that_names_the_root_by_a_link_is_its_own_prefix(tree: Tree, way: str) -> None:
    """An absolute link may spell the root by its real name or by the name that was given."""
    alias = tree.around / f"alias-{way}"
    alias.symlink_to(tree.root)
    (tree.root / f"by-alias-{way}").symlink_to(alias / "file")
    root = make_root(alias, way)
    assert read(root, b"by-alias-" + way.encode()) == b"file"
    assert read(root, b"absolute") == b"deeper file"
    root.close()


# The root itself changes


def test_a_root_that_was_deleted_and_built_again_is_the_new_one(way: str, tmp_path: Path) -> None:
    folder = tmp_path / "dist"
    folder.mkdir()
    (folder / "file").write_bytes(b"old")
    root = make_root(folder, way)
    before = open_files()
    (folder / "file").unlink()
    folder.rmdir()
    with pytest.raises(FileNotFoundError):
        root.open(b"file")
    folder.mkdir()
    (folder / "file").write_bytes(b"new")
    assert read(root, b"file") == b"new"
    assert open_files() <= before
    root.close()


def test_a_root_that_became_a_file_is_not_found_until_it_is_a_folder_again(way: str, tmp_path: Path) -> None:
    folder = tmp_path / "dist"
    folder.mkdir()
    root = make_root(folder, way)
    folder.rmdir()
    folder.write_bytes(b"")
    with pytest.raises(NotADirectoryError):
        root.open(b"file")
    folder.unlink()
    folder.mkdir()
    (folder / "file").write_bytes(b"new")
    assert read(root, b"file") == b"new"
    root.close()


def test_a_root_whose_parent_became_a_file_is_not_served_from_memory(way: str, tmp_path: Path) -> None:
    folder = tmp_path / "app" / "dist"
    folder.mkdir(parents=True)
    (folder / "file").write_bytes(b"old")
    root = make_root(folder, way)
    (tmp_path / "app").rename(tmp_path / "aside")
    (tmp_path / "app").write_bytes(b"")
    with pytest.raises(NotADirectoryError):
        root.open(b"file")
    root.close()


def test_a_root_that_is_a_link_is_what_the_link_says_now(way: str, tmp_path: Path) -> None:
    for release in ("1", "2"):
        (tmp_path / release).mkdir()
        (tmp_path / release / "file").write_bytes(release.encode())
    current = tmp_path / "current"
    current.symlink_to("1")
    root = make_root(current, way)
    before = open_files()
    assert read(root, b"file") == b"1"
    (tmp_path / "next").symlink_to("2")
    (tmp_path / "next").replace(current)
    assert read(root, b"file") == b"2"
    assert open_files() <= before
    root.close()


# A file as the root


def test_a_file_stands_for_a_folder_that_holds_it_alone(tmp_path: Path) -> None:
    (tmp_path / "page.html").write_bytes(b"page")
    root = Root(os.fsencode(tmp_path / "page.html"))
    assert root.only == b"page.html"
    assert read(root, root.only) == b"page"
    root.close()


def test_a_file_that_is_named_by_a_link_is_the_links_target(tmp_path: Path) -> None:
    """Whoever starts the server names it: no request can choose another."""
    (tmp_path / "reports").mkdir()
    (tmp_path / "reports" / "monday").write_bytes(b"monday")
    (tmp_path / "desk").mkdir()
    (tmp_path / "desk" / "latest").symlink_to("../reports/monday")
    root = Root(os.fsencode(tmp_path / "desk" / "latest"))
    assert root.only is not None
    assert read(root, root.only) == b"monday"
    root.close()


def test_a_root_that_is_not_there_is_a_reason_not_to_start(tmp_path: Path) -> None:
    with pytest.raises(StartError, match="No such file or directory"):
        Root(os.fsencode(tmp_path / "missing" / "folder"))


@pytest.mark.parametrize("number", [errno.ENOSYS, errno.EPERM, errno.EACCES, errno.EINVAL])
def test_where_openat2_is_refused_the_walk_opens(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    """By an older kernel, gVisor, or a filter of system calls, which may say anything."""

    def refuse(directory_fd: int, path: bytes) -> int:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(root_module, "open_beneath", refuse)
    (tmp_path / "file").write_bytes(b"content")
    root = Root(os.fsencode(tmp_path))
    assert read(root, b"file") == b"content"
    root.close()


def test_a_file_that_another_process_has_a_write_lease_on_is_503(tmp_path: Path) -> None:
    (tmp_path / "leased").write_bytes(b"content")
    before = signal.signal(signal.SIGIO, signal.SIG_IGN)  # the signal that tells the holder about a reader
    asker = Asker(tmp_path)
    with open(tmp_path / "leased", "r+b") as file:
        fcntl.fcntl(file, fcntl.F_SETLEASE, fcntl.F_WRLCK)
        assert asker.ask("/leased").status == 503
    assert asker.get("/leased") == (200, b"content")
    asker.root.close()
    signal.signal(signal.SIGIO, before)


# From an errno to a status


@pytest.mark.parametrize(
    ("number", "status"),
    [
        pytest.param(errno.EACCES, 403, id="EACCES: not readable is 403"),
        pytest.param(errno.EPERM, 403, id="EPERM: forbidden by more than the mode is 403"),
        pytest.param(errno.EMFILE, 503, id="EMFILE: no descriptors left is 503"),
        pytest.param(errno.ENFILE, 503, id="ENFILE: none in the whole system is 503"),
        pytest.param(errno.EAGAIN, 503, id="EAGAIN: a write lease of another process is 503"),
        pytest.param(errno.ENOMEM, 503, id="ENOMEM: no memory is 503"),
        pytest.param(errno.EIO, 500, id="EIO: a broken disk is 500"),
    ],
)
def test_an_error_of_the_disk_is_a_status_and_never_its_words(number: int, status: int) -> None:
    error = make_error(OSError(number, os.strerror(number), "/srv/secret/path"))
    assert error.status == status
    assert "secret" not in error.detail
    assert os.strerror(number) not in error.detail
    assert (b"Retry-After" in dict(error.fields)) is (status == 503)


AS_NOBODY = """
import os, sys
from fastfile.site.error_pages import make_error
from fastfile.storage.root import Root
os.setgroups([]); os.setgid(65534); os.setuid(65534)
root = Root(os.fsencode(sys.argv[1]))
root._kernel_confines = root._kernel_confines and sys.argv[2] == "openat2"
for name in ("locked", "locked-folder/file", "open"):
    try:
        os.close(root.open(name.encode()))
        print(name, 200)
    except OSError as error:
        print(name, make_error(error).status)
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
def test_what_may_not_be_read_is_403(way: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("readable")
    for parent in (folder, *(above for above in folder.parents if above.name.startswith(("pytest-", "popen-")))):
        parent.chmod(0o755)
    (folder / "open").write_bytes(b"")
    (folder / "open").chmod(0o444)
    (folder / "locked").write_bytes(b"")
    (folder / "locked").chmod(0)
    (folder / "locked-folder").mkdir()
    (folder / "locked-folder" / "file").write_bytes(b"")
    (folder / "locked-folder").chmod(0)
    command = [sys.executable, "-c", AS_NOBODY, str(folder), way]
    done = subprocess.run(command, capture_output=True, text=True, env=clean_environment())
    assert done.stdout.split("\n")[:3] == ["locked 403", "locked-folder/file 403", "open 200"], done.stderr


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
def test_a_root_that_may_only_be_searched_has_files(way: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("searched")
    for parent in (folder, *(above for above in folder.parents if above.name.startswith(("pytest-", "popen-")))):
        parent.chmod(0o755)
    (folder / "open").write_bytes(b"")
    folder.chmod(0o711)
    command = [sys.executable, "-c", AS_NOBODY, str(folder), way]
    done = subprocess.run(command, capture_output=True, text=True, env=clean_environment())
    assert done.stdout.split("\n")[:3] == ["locked 404", "locked-folder/file 404", "open 200"], done.stderr
