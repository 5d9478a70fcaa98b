"""A site that follows releases: each request sees one release, and no absence is older than the store's pointer."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import pytest
from support.asker import body

from fastfile.application import make_application, open_roots
from fastfile.clock import Clock
from fastfile.config.config import Config
from fastfile.message import Deferred, RequestHead, Response
from fastfile.site.steps import followed
from fastfile.storage.metadata import is_settled

NAVIGATION = b"Accept: text/html\r\nSec-Fetch-Mode: navigate\r\n"
WHOLE_S = 1_700_000_000 * 10**9  # a time in whole seconds: the content is hashed


class Replica:
    """A cache folder with trees, its handler, and the questions to the follower, which the test answers."""

    def __init__(self, folder: Path, **settings: object) -> None:
        self.folder = folder
        self.failures: list[BaseException] = []
        self.questions: list[Callable[[bool], None]] = []
        self.on_question: Callable[[], object] = lambda: None
        self.is_useful = True
        self.is_fixed = False
        self.is_confirmed = True  # whether the store answers questions
        self.said: list[str] = []
        self.config = Config(directory="s3://bucket", **settings)
        self.clock = Clock()
        (folder / "trees").mkdir(parents=True)

    def begin(self) -> Replica:
        roots = open_roots(self.config, os.fsencode(self.folder / "current"))
        self.handler = make_application(
            self.config, roots, self.clock, self.failures.append, say=self.said.append, asking=self
        )
        return self

    def ask(self, on_answer: Callable[[bool], None]) -> None:
        self.on_question()
        self.questions.append(on_answer)
        self.clock.begin_batch()
        on_answer(self.is_confirmed)

    def build(self, name: str, files: dict[str, bytes], mtime_ns: int = WHOLE_S + 1) -> None:
        for path, content in files.items():
            file = self.folder / "trees" / name / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(content)
            os.utime(file, ns=(mtime_ns, mtime_ns))

    def switch(self, name: str) -> None:
        temporary = self.folder / "link"
        temporary.symlink_to(f"trees/{name}")
        temporary.rename(self.folder / "current")

    def respond(self, target: str, field_lines: bytes = b"") -> Response | Deferred:
        self.clock.begin_batch()
        return self.handler.respond(RequestHead(b"GET", target.encode(), 1, 0, field_lines, authority=b"localhost"))

    def get(self, target: str, field_lines: bytes = b"") -> tuple[int, bytes]:
        response = self.finish(self.respond(target, field_lines))
        assert not self.failures
        return response.status, body(response) if response.status == 200 else b""

    def finish(self, response: Response | Deferred) -> Response:
        """Do the work of threads, and wait for answers, as a connection does."""
        while isinstance(response, Deferred):
            done: list[Future[Any]] = []
            submit = getattr(response.work, "submit", None)
            if submit is not None:
                submit(done.append)
            else:
                future: Future[Any] = Future()
                future.set_result(response.work())
                done.append(future)
                self.clock.begin_batch()
            response = response.finish(done[0])
        return response


@pytest.fixture
def replica(tmp_path: Path) -> Replica:
    return make_replica(tmp_path)


def make_replica(folder: Path, **settings: object) -> Replica:
    replica = Replica(folder / "cache", **settings)
    replica.build("one", {"index.html": b"page one", "app.1.js": b"app one", "same": b"same"})
    replica.build("two", {"index.html": b"page two", "app.2.js": b"app two", "same": b"same"})
    replica.switch("one")
    return replica


def test_the_request_after_a_switch_gets_the_new_release(replica: Replica) -> None:
    replica.begin()
    assert replica.get("/") == (200, b"page one")
    assert replica.get("/") == (200, b"page one")
    assert replica.handler.hits == 1
    replica.switch("two")
    assert replica.get("/") == (200, b"page two")
    assert replica.get("/") == (200, b"page two")
    assert replica.handler.hits == 2


def test_files_that_are_found_without_the_steps_switch_too(replica: Replica) -> None:
    for path in (replica.folder / "trees").rglob("*"):
        while not is_settled(path.stat(), time.time_ns()):
            os.sched_yield()
    replica.begin()
    replica.get("/nothing")  # the authority is known from now on
    for name in ("one", "two", "one"):
        replica.switch(name)
        number = {"one": 1, "two": 2}[name]
        replica.get("/same")  # opens the release
        assert replica.get(f"/app.{number}.js") == (200, b"app " + name.encode())
        assert replica.get(f"/app.{3 - number}.js")[0] == 404


def test_a_release_that_comes_back_is_served_again(replica: Replica) -> None:
    replica.begin()
    for name in ("one", "two", "one", "two"):
        replica.switch(name)
        assert replica.get("/") == (200, b"page %b" % name.encode())


def test_files_are_cached_at_once_although_their_links_are_new(replica: Replica) -> None:
    replica.begin()
    replica.get("/same")
    os.link(replica.folder / "trees/one/same", replica.folder / "trees/two/same2")  # a change of the inode's ctime
    replica.get("/same")
    assert replica.handler.hits == 1


def test_before_a_404_the_follower_is_asked_and_the_new_release_looked_at(replica: Replica) -> None:
    replica.begin()
    assert replica.get("/app.1.js") == (200, b"app one")
    assert not replica.questions
    replica.on_question = lambda: replica.switch("two")
    assert replica.get("/app.2.js") == (200, b"app two")
    assert len(replica.questions) == 1


def test_each_404_asks_again(replica: Replica) -> None:
    replica.begin()
    for _ in range(3):
        assert replica.get("/nothing") == (404, b"")
    assert len(replica.questions) == 3
    assert replica.handler.hits == 0


def test_no_404_asks_while_no_answer_can_be_expected(replica: Replica) -> None:
    replica.begin()
    replica.is_useful = False
    assert replica.get("/nothing") == (404, b"")
    assert not replica.questions


ASSETS = ["/app.2.js", "/a/b.CSS", "/data.json?v=2", "/m.wasm", "/f.woff2", "/assets/photo-BkX3xZ9q.png", "/x%2Emjs"]


@pytest.mark.parametrize("is_useful", [True, False], ids=["the question fails", "there is no follower"])
def test_an_asset_that_only_a_newer_release_may_have_is_503_and_no_404(is_useful: bool, replica: Replica) -> None:
    replica.begin()
    replica.is_useful, replica.is_confirmed = is_useful, False
    for target in ASSETS:
        response = replica.finish(replica.respond(target))
        assert (response.status, dict(response.fields).get(b"Retry-After")) == (503, b"1"), target
    assert len(replica.questions) == (len(ASSETS) if is_useful else 0)
    assert replica.get("/app.1.js") == (200, b"app one")
    for target in ("/nothing", "/robots.txt", "/photo.png", "/"):
        assert replica.get(target)[0] == (200 if target == "/" else 404), target
    replica.is_useful = replica.is_confirmed = True
    assert {replica.get(target)[0] for target in ASSETS} == {404}


def test_one_release_has_404s_without_a_store(replica: Replica) -> None:
    replica.begin()
    replica.is_fixed, replica.is_useful = True, False
    assert replica.get("/app.2.js") == (404, b"")


def test_an_apps_page_is_no_response_to_a_request_for_a_script_without_a_store(tmp_path: Path) -> None:
    replica = make_replica(tmp_path, spa="index.html")
    replica.begin()
    replica.is_useful = False
    assert replica.get("/app.2.js")[0] == 503
    assert replica.get("/some/route", NAVIGATION) == (200, b"page one")
    replica.is_useful = True
    assert replica.get("/app.2.js")[0] in (200, 404)


def test_a_client_that_leaves_while_it_waits_leaves_nothing_behind(replica: Replica) -> None:
    replica.begin()
    answers: list[Callable[[bool], None]] = []
    replica.ask = answers.append  # type: ignore[method-assign]
    response = replica.respond("/nothing")
    assert isinstance(response, Deferred)
    done: list[Future[Any]] = []
    future = response.work.submit(done.append)  # type: ignore[attr-defined]
    future.cancel()
    answers[0](True)
    assert not done


APP = {"index.html": b"app two", "new.js": b"new"}


@pytest.mark.parametrize(
    ("settings", "files"),
    [
        ({"spa": "index.html"}, {"index.html": b"app"}),
        ({}, {"index.html": b"app", "_redirects": b"/* /index.html 200"}),
        ({"as_": "cloudflare"}, {"index.html": b"app"}),
    ],
    ids=["--spa", "a rule", "a provider"],
)
def test_an_apps_page_is_no_response_to_a_request_for_a_new_script(
    settings: dict[str, object], files: dict[str, bytes], tmp_path: Path
) -> None:
    replica = Replica(tmp_path / "cache", **settings)
    replica.build("one", files)
    replica.build("two", {**files, **APP})
    replica.switch("one")
    replica.begin()
    assert replica.get("/some/route", NAVIGATION) == (200, b"app")
    assert not replica.questions  # a page is a page: it waits for nothing
    replica.on_question = lambda: replica.switch("two")
    assert replica.get("/new.js") == (200, b"new")
    assert replica.get("/some/route", NAVIGATION) == (200, b"app two")


def test_rules_switch_together_with_the_files(tmp_path: Path) -> None:
    replica = Replica(tmp_path / "cache")
    for name in ("one", "two"):
        rules = {"_headers": b"/*\n  X-Release: %b\n" % name.encode(), "_redirects": b"/old /%b 302" % name.encode()}
        replica.build(name, {"index.html": name.encode(), **rules})
    replica.build("three", {"index.html": b"three"})
    replica.switch("one")
    replica.begin()
    for name in ("one", "two", "one", "three", "two", "three"):
        replica.switch(name)
        response = replica.finish(replica.respond("/"))
        fields = dict(response.fields)
        assert body(response) == name.encode()
        assert fields.get(b"X-Release") == (None if name == "three" else name.encode())
        moved = replica.finish(replica.respond("/old"))
        assert dict(moved.fields).get(b"Location") == (None if name == "three" else b"/" + name.encode())


def test_a_request_that_began_in_one_release_ends_in_it(replica: Replica) -> None:
    replica.begin()
    found = replica.handler.find(RequestHead(b"GET", b"/app.1.js", 1, 0, authority=b"localhost"))
    replica.switch("two")
    assert found.identity.resource.content == b"app one"  # type: ignore[union-attr]


def test_problems_of_new_rules_are_said_once(tmp_path: Path) -> None:
    replica = make_replica(tmp_path)
    replica.build("two", {"_redirects": b"nonsense"})
    replica.begin()
    replica.switch("two")
    replica.get("/")
    replica.get("/")
    assert len(replica.said) == 1
    assert "_redirects" in replica.said[0]


def test_a_link_to_nothing_is_said_and_the_old_release_goes_on(
    replica: Replica, monkeypatch: pytest.MonkeyPatch
) -> None:
    replica.begin()
    replica.switch("gone")
    assert replica.get("/") == (200, b"page one")
    assert replica.get("/") == (200, b"page one")
    assert len(replica.said) == 1
    monkeypatch.setattr(followed, "RETRY_S", 0.0)
    replica.switch("two")
    deadline_s = time.monotonic() + 60
    while replica.get("/") != (200, b"page two"):
        assert time.monotonic() < deadline_s


@pytest.mark.parametrize("size", [10, 100_000], ids=["small", "large"])
@pytest.mark.parametrize("mtime_ns", [WHOLE_S + 1, WHOLE_S, 0], ids=["usual time", "whole seconds", "no time"])
def test_replicas_send_the_same_validators_at_once(size: int, mtime_ns: int, tmp_path: Path) -> None:
    found = []
    for number in range(2):
        replica = Replica(tmp_path / str(number) / "cache")
        replica.build("one", {"file": b"x" * size}, mtime_ns)
        replica.switch("one")
        fields = dict(replica.begin().finish(replica.respond("/file")).fields)
        found.append((fields.get(b"ETag"), fields.get(b"Last-Modified")))
    assert found[0] == found[1]
    assert found[0][0] is not None
