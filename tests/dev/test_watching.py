"""The ways of watching: each sees what happens beneath a root, and to the way that leads there."""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from queue import Empty, Queue
from types import SimpleNamespace

import pytest

from fastfile.dev import watcher as watcher_module
from fastfile.dev.changes import Change, path_components
from fastfile.dev.filesystems import find_silent
from fastfile.dev.polling import Polling
from fastfile.dev.watcher import Watcher, Watching

TIMEOUT_S = 60
linux = pytest.mark.skipif(sys.platform != "linux", reason="inotify is Linux's")
WAYS = [pytest.param(False, marks=linux, id="events"), pytest.param(True, id="polling")]


class Watched:
    """A watcher of a root, whose reports are queued."""

    def __init__(self, root: Path, polls: bool, follow: bool = False) -> None:
        self.reports: Queue[set[bytes]] = Queue()
        self.said: list[str] = []

        def report(changes: list[Change]) -> None:
            self.reports.put({change.path for change in changes})

        self.watcher = Watcher(Watching((os.fsencode(root),), follow, polls), report, self.said.append)
        self.watcher.start()
        assert self.reports.get(timeout=TIMEOUT_S) == set(), "the first report says that all is watched"

    def wait_for(self, path: Path) -> set[bytes]:
        """Return all that is reported up to and with a path."""
        seen: set[bytes] = set()
        while os.fsencode(path) not in seen:
            try:
                seen |= self.reports.get(timeout=TIMEOUT_S)
            except Empty:
                raise AssertionError(f"{path} is not reported, but {seen}") from None
        return seen

    def write_until_seen(self, path: Path) -> None:
        """Write a file again and again: a report of the root itself stands for all that was in it by then."""
        for number in range(TIMEOUT_S * 10):
            path.write_text(str(number))
            with contextlib.suppress(Empty):
                while True:
                    if os.fsencode(path) in self.reports.get(timeout=0.1):
                        return
        raise AssertionError(f"{path} is not reported")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tmp_path / "project" / "dist"
    (root / "a" / "b").mkdir(parents=True)
    (root / "a" / "b" / "file").write_text("1")
    return root


@pytest.fixture
def watch(root: Path) -> Iterator[Callable[..., Watched]]:
    started: list[Watched] = []

    def start(polls: bool, at: Path = root, follow: bool = False) -> Watched:
        started.append(Watched(at, polls, follow))
        return started[-1]

    yield start
    for watched in started:
        watched.watcher.stop()
    for thread in threading.enumerate():
        if thread.name == "watcher":
            thread.join(TIMEOUT_S)


@pytest.mark.parametrize("polls", WAYS)
def test_each_change_beneath_the_root_is_seen(watch: Callable[..., Watched], root: Path, polls: bool) -> None:
    watched = watch(polls)
    (root / "a" / "b" / "file").write_text("2, and longer")
    watched.wait_for(root / "a" / "b" / "file")
    (root / "new" / "deep" / "er").mkdir(parents=True)
    (root / "new" / "deep" / "er" / "file").write_text("1")
    watched.wait_for(root / "new" / "deep" / "er" / "file")
    (root / "a" / "b" / "file").rename(root / "a" / "moved")
    watched.wait_for(root / "a" / "moved")
    shutil.rmtree(root / "new")
    watched.wait_for(root / "new")
    (root / "a").rename(root / "c")
    watched.wait_for(root / "c")
    (root / "c" / "moved").write_text("3")
    watched.wait_for(root / "c" / "moved")


@pytest.mark.parametrize("polls", WAYS)
def test_folders_of_packages_and_of_version_control_are_not_watched(
    watch: Callable[..., Watched], root: Path, polls: bool
) -> None:
    for name in ("node_modules", ".git"):
        (root / name).mkdir()
    watched = watch(polls)
    for name in ("node_modules", ".git"):
        (root / name / "file").write_text("1")
    (root / "last").write_text("1")
    assert not [path for path in watched.wait_for(root / "last") if b"node_modules" in path or b".git" in path]


@pytest.mark.parametrize("polls", WAYS)
@pytest.mark.parametrize("way", ["remade", "renamed into place", "moved with its parent", "absent at first"])
def test_a_root_that_is_another_folder_is_followed(
    watch: Callable[..., Watched], root: Path, polls: bool, way: str
) -> None:
    if way == "absent at first":
        root.rename(root.with_name("other"))
    else:
        shutil.copytree(root, root.with_name("other"))
    watched = watch(polls)
    if way == "remade":
        shutil.rmtree(root)
        root.mkdir()
    elif way == "moved with its parent":
        root.parent.rename(root.parent.with_name("elsewhere"))
        shutil.copytree(root.parent.with_name("elsewhere"), root.parent)
    else:
        if root.exists():
            root.rename(root.with_name("old"))
        root.with_name("other").rename(root)
    if not (polls and way == "remade"):  # it may have the number of the one before
        watched.wait_for(root)
    watched.write_until_seen(root / "file")


@pytest.mark.parametrize("polls", WAYS)
def test_a_link_in_the_path_that_is_switched_is_followed(
    watch: Callable[..., Watched], tmp_path: Path, polls: bool
) -> None:
    for name in ("one", "two"):
        (tmp_path / name / "dist").mkdir(parents=True)
    link = tmp_path / "current"
    link.symlink_to("one")
    watched = watch(polls, link / "dist")
    (tmp_path / "next").symlink_to("two")
    (tmp_path / "next").rename(link)
    watched.wait_for(link / "dist")
    (tmp_path / "two" / "dist" / "file").write_text("1")
    watched.wait_for(link / "dist" / "file")


@pytest.mark.parametrize("polls", WAYS)
def test_folders_behind_links_are_watched_where_links_are_followed(
    watch: Callable[..., Watched], root: Path, tmp_path: Path, polls: bool
) -> None:
    (tmp_path / "shared").mkdir()
    (tmp_path / "shared" / "circle").symlink_to(tmp_path / "shared")
    (root / "link").symlink_to(tmp_path / "shared")
    watched = watch(polls, follow=True)
    (tmp_path / "shared" / "file").write_text("1")
    watched.wait_for(root / "link" / "file")


@pytest.mark.parametrize("polls", WAYS)
def test_one_file_is_watched(watch: Callable[..., Watched], root: Path, polls: bool) -> None:
    watched = watch(polls, root / "a" / "b" / "file")
    (root / "a" / "b" / "file").write_text("22")
    watched.wait_for(root / "a" / "b" / "file")


@linux
def test_a_file_is_open_until_it_is_closed(root: Path) -> None:
    from fastfile.dev.inotify import Inotify

    path = root / "file"
    events = Inotify([os.fsencode(root)], False)
    try:
        with path.open("w") as file:
            assert [change.is_open for change in events.read()] == [True]
            file.write("1")
            file.flush()
            assert [change.is_open for change in events.read()] == [True]
        assert [change.is_open for change in events.read()] == [False]
        os.link(path, root / "link")  # which nobody writes
        assert not any(change.is_open for change in events.read())
    finally:
        events.close()


@linux
def test_events_that_were_lost_count_as_a_change_of_everything(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from fastfile.dev import inotify

    events = inotify.Inotify([os.fsencode(root)], False)
    try:
        lost = inotify._Event(-1, 0x4000, b"")
        monkeypatch.setattr(events, "_events", lambda: [lost])
        assert events.read() == [Change(os.fsencode(root))]
        monkeypatch.undo()
        (root / "a" / "b" / "file").write_text("2")
        assert Change(os.fsencode(root / "a" / "b" / "file")) in events.read()
    finally:
        events.close()


@linux
@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EMFILE])
def test_where_no_watch_is_left_it_polls_and_says_so(
    watch: Callable[..., Watched], root: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    from fastfile.dev import inotify

    def fail(self: object, roots: object, follow: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(inotify.Inotify, "__init__", fail)
    watched = watch(False)
    (root / "file").write_text("1")
    watched.wait_for(root / "file")
    assert os.strerror(number) in watched.said[0]


def test_a_file_system_of_another_machine_is_polled(
    watch: Callable[..., Watched], root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watcher_module, "find_silent", lambda roots: "virtiofs")
    watched = watch(False)
    (root / "file").write_text("1")
    watched.wait_for(root / "file")
    assert watched.said == [], "the banner has said so"
    assert "virtiofs" in watcher_module.describe_watching([os.fspath(root)], False)
    assert "--watch-poll" in watcher_module.describe_watching([os.fspath(root)], True)


@pytest.mark.parametrize(
    ("path", "kind"),
    [("/", ""), ("/host/project", "virtiofs"), ("/host/local", ""), ("/with space/x", "fuse.sshfs"), ("/hostile", "")],
)
def test_file_systems_without_events_are_known_by_their_type(tmp_path: Path, path: str, kind: str) -> None:
    mounts = tmp_path / "mountinfo"
    mounts.write_text(
        "1 0 8:1 / / rw - ext4 /dev/sda rw\n"
        "2 1 0:5 / /host rw shared:1 - virtiofs host rw\n"
        "3 2 0:6 / /host/local rw - tmpfs tmpfs rw\n"
        "4 1 0:7 / /with\\040space rw - fuse.sshfs a:/ rw\n"
    )
    assert find_silent([path.encode()], str(mounts)) == kind
    assert find_silent([b"/"], str(tmp_path / "none")) == ""


def test_the_way_to_a_path_goes_through_folders_and_links(tmp_path: Path) -> None:
    base = os.fsencode(tmp_path.resolve())
    (tmp_path / "releases" / "1").mkdir(parents=True)
    (tmp_path / "current").symlink_to("releases/1")
    found = list(path_components(base + b"/current/dist"))
    assert found[-4:] == [
        (base, b"current"),
        (base, b"releases"),
        (base + b"/releases", b"1"),
        (base + b"/releases/1", b"dist"),
    ]
    (tmp_path / "circle").symlink_to("circle")
    assert len(list(path_components(base + b"/circle"))) < 100


def test_a_look_at_many_files_is_rare(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    times = iter([0.0, 0.5])
    monkeypatch.setattr("fastfile.dev.polling.time", SimpleNamespace(monotonic=lambda: next(times)))
    assert Polling([os.fsencode(root)], False).interval_s == pytest.approx(10.0)


@linux
def test_a_watcher_that_stops_lets_go_of_its_descriptors(root: Path) -> None:
    before = set(os.listdir("/proc/self/fd"))
    for _ in range(3):
        watched = Watched(root, False)
        thread = next(thread for thread in threading.enumerate() if thread.name == "watcher")
        watched.watcher.start()  # it runs already
        watched.watcher.stop()
        watched.watcher.stop()
        thread.join(TIMEOUT_S)
        assert not thread.is_alive()
    assert len(os.listdir("/proc/self/fd")) <= len(before)


def test_watchfiles_sees_a_change_and_another_root(root: Path) -> None:
    pytest.importorskip("watchfiles", reason="of the extra dev")
    from fastfile.dev.native import Native

    def wait_for(path: Path) -> None:
        for _ in range(TIMEOUT_S * 2):
            if Change(os.fsencode(path)) in events.read():
                return
        raise AssertionError(f"{path} is not reported")

    events = Native([os.fsencode(root.resolve())])
    (root / "file").write_text("1")
    wait_for(root.resolve() / "file")
    root.rename(root.with_name("old"))
    root.mkdir()
    wait_for(root.resolve())
    (root / "again").write_text("1")
    wait_for(root.resolve() / "again")
