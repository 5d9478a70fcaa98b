"""The short way to a plain file comes to the entry that the steps of the site would make."""

from __future__ import annotations

import contextlib
import gc
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from fastfile.application import make_application, open_roots
from fastfile.clock import Clock
from fastfile.config.config import Config
from fastfile.message import Deferred, RequestHead, Response
from fastfile.responder import run_now
from fastfile.site import hints, plain_files
from fastfile.site.entry import MAX_OVERHEAD, OVERHEAD, Entry
from fastfile.site.handler import Handler
from fastfile.site.mounts import Mounts
from fastfile.storage import tags
from fastfile.storage.metadata import is_settled

NAMES = """
index.html page.html app.js style.css noextension README a.d.ts a.ts movie.ts empty.txt UPPER.TXT x.tar.gz data.json.br
assets/index-BfQx3Zk1.js assets/plain.js assets/sw-BfQx3Zk1.js docs/index.html docs/page.html docs/index.htm
coded/a.js coded/a.js.gz coded/b.js .hidden.txt folder/.inner/a.txt picture.svgz build.unityweb only-index/index.htm
old.txt whole.txt zip.txt weird..name.txt many/0.css many/1.css netlify.toml large.bin
"""
FILES = (*NAMES.split(), "a b.txt", "caf\u00e9.txt")
OTHERS = """
/ /docs /docs/ /docs// /docs/../app.js /docs/./page.html //app.js /app.js/ /app.js?query /app.js?a=/../b /?query
/docs/?query /app.js#part /%61pp.js /a%20b.txt /caf%C3%A9.txt /page /missing.js /docs/missing/ /link.js
/linked/page.html /only-index/ /assets/ app.js /app.js%00 /docs/page /Index.html /.. *
/nothing /nothing/ /nothing/at/all /docs/nothing.js /docs/nothing?x /docs/page/ /.env /.git/config /docs/.env
/.hidden.txt /folder/.inner/a.txt /folder/.inner/nothing /.well-known/nothing /./nothing /docs/../nothing
/app.js/nothing
/linked/nothing /coded/a /coded/nothing.js /pipe/nothing /picture /whole /_redirects /netlify.toml/nothing /nothing.html
"""
LONG = (f"/{'deep/' * 90}a.js", f"/{'n' * 200}.js", f"/{'n' * 300}.js")
TARGETS = (*(f"/{name}" for name in FILES), *OTHERS.split(), *LONG)
OPTIONS: dict[str, dict[str, object]] = {
    "defaults": {},
    "files": {"clean_urls": False},
    "clean": {"clean_urls": True},
    "app": {"spa": "index.html"},
    "netlify": {"as_": "netlify"},
    "vercel": {"as_": "vercel"},
    "github": {"as_": "github"},
    "cloudflare": {"as_": "cloudflare"},
    "no rules": {"rules": "off"},
    "dotfiles": {"dotfiles": True},
    "index.htm": {"index": ("index.htm", "index.html")},
    "mime": {"mime": ("js=text/x-script", "ts=text/x-types")},
    "tags of content": {"etag": "content"},
    "tags of times": {"etag": "mtime"},
    "cache control": {"cache_control": (("*.css", "max-age=5"),)},
    "never immutable": {"immutable": "off"},
    "own fields": {"header": ("X-Own: 1", "ETag: W/1", "Cache-Control: no-store")},
    "own date": {"header": ("Last-Modified: never",)},
    "cors": {"cors": ("*",)},
    "links": {"follow_symlinks": True},
    "small": {"small_file": 4},
    "base": {"base": "/docs/"},
    "no cache": {"cache_size": 0},
    "full cache": {"cache_size": 20_000},
    # Absences are looked for the short way where they get no hints.
    "public": {"allowed_host": ("*",)},
    "public files": {"allowed_host": ("*",), "clean_urls": False},
    "public app": {"allowed_host": ("*",), "spa": "index.html"},
    "public github": {"allowed_host": ("*",), "as_": "github"},
    "public cloudflare": {"allowed_host": ("*",), "as_": "cloudflare"},
    "public netlify": {"allowed_host": ("*",), "as_": "netlify"},
    "public links": {"allowed_host": ("*",), "follow_symlinks": True},
    "public dotfiles": {"allowed_host": ("*",), "dotfiles": True},
}  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    for number, name in enumerate(FILES):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"" if name == "empty.txt" else f"content of {number}".encode())
    (folder / "link.js").symlink_to("app.js")
    (folder / "linked").symlink_to("docs")
    (folder / "large.bin").write_bytes(bytes(100_000))
    for name, time_s in (("old.txt", -5), ("whole.txt", 1_600_000_000), ("zip.txt", 315532800)):
        os.utime(folder / name, (time_s, time_s))
    settle(folder)
    return folder


def settle(folder: Path) -> None:
    """Wait until a change of any file would show."""
    while not all(is_settled(path.lstat(), time.time_ns()) for path in (folder, *folder.rglob("*"))):
        os.sched_yield()


class StillClock(Clock):
    """A clock that stands still where a test says so. The calls that read the time cannot be replaced if compiled."""

    second: int | None = None
    monotonic: float | None = None

    def begin_batch(self) -> None:
        super().begin_batch()
        if self.second is not None:
            self.wall_s = self.second
        if self.monotonic is not None:
            self.monotonic_s = self.monotonic


@pytest.fixture
def one_second(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a test take place in one second: at the first request of a second, the steps look for new rules."""
    monkeypatch.setattr(StillClock, "second", int(time.time()))


@pytest.fixture
def make(folder: Path) -> Iterator[Callable[..., tuple[Handler, Clock]]]:
    roots = []

    def make(**options: object) -> tuple[Handler, Clock]:
        config, clock = Config(**options), StillClock()  # type: ignore[arg-type]
        mount_points = open_roots(config, os.fsencode(folder))
        roots.extend(point.root for point in mount_points)
        handler = make_application(config, mount_points, clock, failures.append)
        ask(handler, clock, "/robots.txt")  # from now on the authority is known
        return handler, clock

    failures: list[BaseException] = []
    yield make
    for root in roots:
        root.close()
    assert failures == []


def ask(handler: Handler, clock: Clock, target: str, **fields: bytes) -> Response:
    clock.begin_batch()
    response = handler.respond(RequestHead(b"GET", target.encode(), 1, 0, authority=b"localhost", **fields))
    while isinstance(response, Deferred):  # a listing
        response = response.finish(run_now(response.work))
    return response


def seen(response: Response) -> tuple[int, list[tuple[bytes, bytes]], bytes | int]:
    body = b"".join(part for part in response.parts if isinstance(part, bytes))
    return response.status, sorted(response.fields), body or response.body_size


@pytest.mark.parametrize("name", OPTIONS)
def test_each_target_gets_the_response_that_the_steps_make(
    make: Callable[..., tuple[Handler, Clock]], monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """Files are made like the first one of their kind; with two orders, any may be the first."""
    monkeypatch.setattr(hints, "MAX_SEARCHES", 10_000)
    monkeypatch.setattr(tags, "_is_restless", lambda *_: False)  # a file has a tag at once, however new it is
    with monkeypatch.context() as patched:
        patched.setattr(Mounts, "only", property(lambda _: None, lambda *_: None), raising=False)
        handler, clock = make(**OPTIONS[name])
        expected = {target: asked(handler, clock, target) for target in TARGETS}
    for targets in (TARGETS, TARGETS[::-1]):
        handler, clock = make(**OPTIONS[name])
        assert {target: asked(handler, clock, target) for target in targets} == expected


def asked(handler: Handler, clock: Clock, target: str) -> object:
    """Return what is seen of several requests for a target."""
    whole = seen(ask(handler, clock, target))
    tag = dict(whole[1]).get(b"ETag", b'"none"')
    return (
        whole,
        seen(ask(handler, clock, target, if_none_match=tag)),
        seen(ask(handler, clock, target, range=b"bytes=2-5")),
        seen(ask(handler, clock, target, accept_encoding=b"gzip, br")),
    )


def is_plain(handler: Handler, clock: Clock, target: str, monkeypatch: pytest.MonkeyPatch, status: int = 200) -> bool:
    """Tell whether a target is looked up without the steps; its response has the status."""
    found: list[Entry | None] = []

    class Recorder:
        """Replaces the site in Mounts."""

        def __init__(self, mounts: Mounts) -> None:
            self._real = vars(mounts)["only"].plain
            self.plain = self

        def find(self, target: bytes) -> Entry | None:
            found.append(self._real.find(target))
            return found[-1]

    with monkeypatch.context() as patched:
        patched.setattr(Mounts, "only", property(Recorder), raising=False)
        assert ask(handler, clock, target).status == status
    return found[-1] is not None


@pytest.mark.usefixtures("one_second")
@pytest.mark.parametrize(
    ("target", "expected"),
    [
        ("/app.js", True),
        ("/docs/", True),
        ("/", True),
        ("/assets/index-BfQx3Zk1.js", True),
        ("/UPPER.TXT?query", True),
        ("/coded/b.js", True),
        ("/whole.txt", True),
        ("/coded/a.js", False),
        ("/page.html", False),
        ("/link.js", False),
        ("/large.bin", False),
        ("/a.ts", False),
    ],
)
def test_the_short_way_finds(
    make: Callable[..., tuple[Handler, Clock]], monkeypatch: pytest.MonkeyPatch, target: str, expected: bool
) -> None:
    handler, clock = make()
    assert is_plain(handler, clock, target, monkeypatch) is expected


def test_a_folder_with_many_lookups_is_read_once_and_its_next_variant_is_seen(
    folder: Path, make: Callable[..., tuple[Handler, Clock]]
) -> None:
    files = [folder / "many" / f"{number}.css" for number in range(30)]
    for file in files:
        file.write_bytes(b"body {}")
    settle(folder)
    handler, clock = make()
    for file in files[:20]:
        assert b"Vary" not in dict(ask(handler, clock, f"/many/{file.name}").fields)
    for file in files[18:22]:
        Path(f"{file}.gz").write_bytes(b"\x1f\x8bcoded")
    for number in (0, 19, 21, 25):
        response = ask(handler, clock, f"/many/{number}.css", accept_encoding=b"gzip")
        assert (dict(response.fields).get(b"Content-Encoding") == b"gzip") is (number in (19, 21))
    for file in files[18:22]:
        Path(f"{file}.gz").unlink()


@pytest.mark.usefixtures("one_second")
def test_a_full_cache_keeps_a_file_at_its_second_request(make: Callable[..., tuple[Handler, Clock]]) -> None:
    handler, clock = make(cache_size=MAX_OVERHEAD + OVERHEAD)  # room for one file beside an absence
    hits = []
    for _ in range(4):
        before = handler.hits
        assert ask(handler, clock, "/whole.txt").status == 200
        hits.append(handler.hits - before)
    assert hits == [0, 0, 1, 1]


def test_a_changed_file_a_changed_folder_and_a_new_rule_are_seen_in_the_next_batch(
    folder: Path, make: Callable[..., tuple[Handler, Clock]]
) -> None:
    handler, clock = make()
    changing = folder / "docs" / "changing.txt"
    for content in (b"one", b"two", b"three"):
        changing.write_bytes(content)
        assert ask(handler, clock, "/docs/changing.txt").parts == (content,)
        settle(folder)
        assert ask(handler, clock, "/docs/changing.txt").parts == (content,)
    changing.unlink()
    assert ask(handler, clock, "/docs/changing.txt").status == 404
    (folder / "_redirects").write_text("/app.js /style.css 302!\n")
    try:
        assert ask(handler, clock, "/assets/plain.js").status == 200
        assert ask(handler, clock, "/app.js").status == 302
    finally:
        (folder / "_redirects").unlink()
        settle(folder)


def test_a_replaced_root_is_seen_in_the_next_batch(tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name / "in").mkdir(parents=True)
        for file in ("a.txt", "in/b.txt", "in/c.txt"):
            (tmp_path / name / file).write_text(name)
    current = tmp_path / "current"
    current.symlink_to("one")
    settle(tmp_path)
    clock = StillClock()
    config = Config()
    mount_points = open_roots(config, os.fsencode(current))
    handler = make_application(config, mount_points, clock, lambda error: None)
    for name in ("one", "two"):
        for target in ("/a.txt", "/in/b.txt"):
            assert ask(handler, clock, target).parts == (name.encode(),)
        current.unlink()
        current.symlink_to("two")
    for target in ("/a.txt", "/in/b.txt", "/in/c.txt"):
        assert ask(handler, clock, target).parts == (b"two",)
    mount_points[0].root.close()


@pytest.mark.usefixtures("one_second")
@pytest.mark.parametrize(
    ("target", "expected"),
    [
        ("/nothing", True),
        ("/nothing/at/all/", True),
        ("/docs/nothing.js?x", True),
        ("/coded/nothing.js", True),
        ("/.env", True),
        ("/docs/.git/config", True),
        ("/.hidden.txt", False),
        ("/linked/nothing", False),
        ("/.well-known/nothing", False),
        ("/a%20nothing", False),
    ],
)
def test_the_short_way_finds_an_absence(
    make: Callable[..., tuple[Handler, Clock]], monkeypatch: pytest.MonkeyPatch, target: str, expected: bool
) -> None:
    handler, clock = make(allowed_host=("*",))
    assert is_plain(handler, clock, target, monkeypatch, 404) is expected


NAMES_THAT_COUNT = [
    ("/in/nothing", "in/nothing", 200),
    ("/in/nothing", "in/nothing.html", 200),
    ("/in/nothing", "in/nothing/index.html", 301),
    ("/in/nothing/", "in/nothing/index.html", 200),
    ("/in/nothing.js", "in/nothing.js.gz", 200),
    ("/in/nothing", "in/nothing.html.br", 200),
    ("/in/nothing", "in/404.html", 404),
    ("/in/nothing", "404.html", 404),
    ("/a/b/c", "a/404.html", 404),
    ("/a/b/c", "a/b/c", 200),
    ("/in/nothing", "_redirects", 301),
]
CONTENTS = {
    "_redirects": "/in/nothing /other 301\n",
    "in/nothing.js.gz": "\x1f\u008b",
}


@pytest.mark.usefixtures("one_second")
@pytest.mark.parametrize(("target", "name", "status"), NAMES_THAT_COUNT)
def test_what_appears_where_nothing_was_is_seen_in_the_next_batch(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, target: str, name: str, status: int
) -> None:
    (tmp_path / "in").mkdir()
    settle(tmp_path)
    clock, config = StillClock(), Config(allowed_host=("*",))
    mount_points = open_roots(config, os.fsencode(tmp_path))
    handler = make_application(config, mount_points, clock, lambda error: None)
    ask(handler, clock, "/robots.txt")
    assert is_plain(handler, clock, target, monkeypatch, 404)
    before = ask(handler, clock, target)
    path = tmp_path / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(CONTENTS.get(name, "it is here").encode("latin-1"))
    after = ask(handler, clock, target, accept_encoding=b"gzip, br")
    assert after.status == status
    assert seen(after) != seen(before)
    for _ in range(2):
        settle(tmp_path)
        assert seen(ask(handler, clock, target, accept_encoding=b"gzip, br")) == seen(after)
    path.unlink()
    if path.parent.name != "nothing":  # a folder has a listing
        assert seen(ask(handler, clock, target))[0] == 404
    mount_points[0].root.close()


@pytest.mark.usefixtures("one_second")
def test_a_page_for_absences_is_found_the_short_way_and_its_change_is_seen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "in").mkdir()
    outer, inner = tmp_path / "404.html", tmp_path / "in" / "404.html"
    outer.write_text("outer")
    inner.write_text("inner")
    settle(tmp_path)
    clock, config = StillClock(), Config(allowed_host=("*",))
    mount_points = open_roots(config, os.fsencode(tmp_path))
    handler = make_application(config, mount_points, clock, lambda error: None)
    ask(handler, clock, "/robots.txt")
    for target, content in (("/nothing", b"outer"), ("/in/nothing", b"inner"), ("/in/at/all", b"inner")):
        assert is_plain(handler, clock, target, monkeypatch, 404)
        assert ask(handler, clock, target).parts == (content,)
    inner.write_text("changed")
    assert ask(handler, clock, "/in/nothing").parts == (b"changed",)
    inner.unlink()
    for _ in range(2):
        assert ask(handler, clock, "/in/nothing").parts == (b"outer",)
        settle(tmp_path)
    mount_points[0].root.close()


def test_the_searches_for_hints_in_one_second_are_limited(
    make: Callable[..., tuple[Handler, Clock]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hints, "MAX_SEARCHES", 2)
    handler, clock = make()
    said = []
    for number in range(8):
        monkeypatch.setattr(StillClock, "monotonic", 1000.25 + number // 4)
        clock.begin_batch()
        response = handler.respond(RequestHead(b"GET", b"/nothing-%d" % number, 1, 0, authority=b"localhost"))
        assert isinstance(response, Response)
        said.append(b"single-page" in b"".join(response.parts))  # type: ignore[arg-type]
    assert said == [True, True, False, False] * 2


def rewrite(file: Path) -> None:
    """Change the content, but neither size nor mtime."""
    status = file.stat()
    file.write_text("two")
    os.utime(file, ns=(status.st_atime_ns, status.st_mtime_ns))


def replace(file: Path) -> None:
    (file.parent / "new").write_text("two")
    (file.parent / "new").rename(file)


def replace_by_a_link(file: Path) -> None:
    (file.parent.parent / "two").write_text("two")
    file.unlink()
    file.symlink_to("../two")


def replace_the_folder(file: Path) -> None:
    other = file.parent.with_name("other")
    other.mkdir()
    (other / file.name).write_text("two")
    file.parent.rename(file.parent.with_name("aside"))
    other.rename(file.parent)


def replace_the_folder_by_a_link(file: Path) -> None:
    replace_the_folder(file)
    file.parent.rename(file.parent.with_name("other"))
    file.parent.symlink_to("other")


@pytest.mark.usefixtures("one_second")
@pytest.mark.skipif(not os.path.exists("/proc/self/fd"), reason="no list of descriptors")
@pytest.mark.parametrize(
    "change", [rewrite, replace, replace_by_a_link, replace_the_folder, replace_the_folder_by_a_link]
)
def test_a_change_of_a_file_in_an_open_folder_is_seen_in_the_next_batch(
    tmp_path: Path, change: Callable[[Path], None]
) -> None:
    file = tmp_path / "in" / "a.txt"
    file.parent.mkdir()
    file.write_text("one")
    settle(tmp_path)
    clock, config = StillClock(), Config()
    mount_points = open_roots(config, os.fsencode(tmp_path))
    handler = make_application(config, mount_points, clock, lambda error: None)
    ask(handler, clock, "/robots.txt")
    for _ in range(3):
        assert ask(handler, clock, "/in/a.txt").parts == (b"one",)
    assert open_folders_in(tmp_path) == {"in"}
    change(file)
    for _ in range(2):
        assert ask(handler, clock, "/in/a.txt").parts == (b"two",)
        settle(tmp_path)
    file.unlink()
    assert ask(handler, clock, "/in/a.txt").status == 404
    mount_points[0].root.close()


def open_folders_in(root: Path) -> set[str]:
    """Return the names of the folders of a root that this process holds open."""
    found = set()
    for fd in os.listdir("/proc/self/fd"):
        with contextlib.suppress(OSError):
            path = Path(os.readlink(f"/proc/self/fd/{fd}"))
            if path.parent == root:
                found.add(path.name)
    return found


@pytest.mark.usefixtures("one_second")
@pytest.mark.skipif(not os.path.exists("/proc/self/fd"), reason="no list of descriptors")
def test_few_folders_are_held_open_and_those_that_changed_make_room(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(plain_files, "MAX_OPEN_FOLDERS", 3)
    for number in range(6):
        (tmp_path / str(number)).mkdir()
        (tmp_path / str(number) / "a.txt").write_text("one")
    settle(tmp_path)
    clock, config = StillClock(), Config()
    mount_points = open_roots(config, os.fsencode(tmp_path))
    handler = make_application(config, mount_points, clock, lambda error: None)
    ask(handler, clock, "/robots.txt")
    for number in (*range(5), *range(5)):
        assert ask(handler, clock, f"/{number}/a.txt").parts == (b"one",)
    held = open_folders_in(tmp_path)
    assert len(held) == 3
    for name in held:
        (tmp_path / name / "b.txt").write_text("two")
    settle(tmp_path)
    monkeypatch.setattr(StillClock, "second", int(time.time()) + 2)
    ask(handler, clock, "/nothing")  # the steps look for new rules
    assert ask(handler, clock, "/5/a.txt").parts == (b"one",)
    assert open_folders_in(tmp_path) == {"5"}
    for number in range(6):
        assert ask(handler, clock, f"/{number}/a.txt").parts == (b"one",)
    mount_points[0].root.close()
    del handler, clock
    gc.collect()
    assert open_folders_in(tmp_path) == set()
