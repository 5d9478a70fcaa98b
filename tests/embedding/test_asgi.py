"""The ASGI application: what it does around the files, that a host's event loop goes on, and how bodies end."""

from __future__ import annotations

import asyncio
import json
import os
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from support.hosted import AsgiHost, read_messages
from support.rawclient import Received

from fastfile.asgi import StaticFiles, StaticFilesMiddleware
from fastfile.config.passwords import make_hash
from fastfile.embedding import asgi_files, bodies
from fastfile.embedding.bodies import BrokenBody

BIG = os.urandom(1 << 20)
TIMEOUT_S = 60


@pytest.fixture
def site(tmp_path: Path) -> Path:
    site = tmp_path / "site"
    (site / "docs").mkdir(parents=True)
    (site / "api").mkdir()
    (site / "index.html").write_text("home")
    (site / "docs" / "index.html").write_text("docs")
    (site / "app.js").write_text("app")
    (site / "big.bin").write_bytes(BIG)
    return site


@pytest.fixture
def hosts() -> Iterator[list[AsgiHost]]:
    made: list[AsgiHost] = []
    yield made
    for host in made:
        host.close()


async def api(scope: Any, receive: Any, send: Any) -> None:
    """An application: /api/found and POST answer, the rest is its 404."""
    status = 200 if scope["path"] == "/api/found" or scope["method"] == "POST" else 404
    body = json.dumps({"path": scope["path"], "method": scope["method"]}).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body[:5], "more_body": True})
    await send({"type": "http.response.body", "body": body[5:], "more_body": False})


NAVIGATION = "Sec-Fetch-Mode: navigate"
DATA = "Sec-Fetch-Mode: cors"
BEHIND = [
    pytest.param("/app.js", "GET", DATA, 200, b"app", id="a file"),
    pytest.param("/app.js", "HEAD", DATA, 200, b"", id="its head"),
    pytest.param("/docs", "GET", DATA, 301, None, id="a folder with a page is redirected to"),
    pytest.param("/docs/", "GET", DATA, 200, b"docs", id="its page"),
    pytest.param("/api", "GET", DATA, 404, b"{", id="a folder without a page is the app's path"),
    pytest.param("/api/", "GET", DATA, 404, b"{", id="also with a slash"),
    pytest.param("/api/found", "GET", DATA, 200, b"{", id="the app for what is no file"),
    pytest.param("/api/missing", "GET", DATA, 404, b"{", id="its 404 for data is its own"),
    pytest.param("/api/missing", "GET", "Accept: */*", 404, b"{", id="so is its 404 for clients of an API"),
    pytest.param("/app.js", "POST", DATA, 200, b"{", id="POST is the app's, even to a file"),
    pytest.param("/x", "DELETE", NAVIGATION, 404, b"{", id="so are all other methods"),
    pytest.param("/a%zz", "GET", DATA, 404, b"{", id="a target that no file can have is the app's"),
    pytest.param("/..%2f..", "GET", DATA, 404, b"{", id="so is one that leads out of the folder"),
]


@pytest.mark.parametrize("spa", [False, True])
@pytest.mark.parametrize(("target", "method", "field", "status", "start"), BEHIND)
def test_files_come_first_then_the_app(
    site: Path, hosts: list[AsgiHost], target: str, method: str, field: str, status: int, start: bytes | None, spa: bool
) -> None:
    hosts.append(AsgiHost(StaticFiles(site, app=api, spa=spa)))
    response = hosts[0].request(target, method, field)
    assert response.status == status
    assert start is None or response.body.startswith(start)


def test_the_404_of_the_app_for_a_navigation_becomes_the_page_of_the_single_page_app(
    site: Path, hosts: list[AsgiHost]
) -> None:
    hosts.append(AsgiHost(StaticFilesMiddleware(api, site, spa=True)))
    page = hosts[0].request("/users/7", "GET", NAVIGATION)
    assert (page.status, page.body) == (200, b"home")
    assert page.fields["content-type"] == "text/html; charset=utf-8"
    assert hosts[0].request("/users/7", "GET", "Accept: text/html,*/*;q=0.8").body == b"home"
    again = hosts[0].request("/users/8", "GET", NAVIGATION, f"If-None-Match: {page.fields['etag']}")
    assert again.status == 304
    assert hosts[0].request("/api/found", "GET", NAVIGATION).body.startswith(b"{")
    (site / "index.html").unlink()
    assert hosts[0].request("/users/7", "GET", NAVIGATION).body.startswith(b"{")


def test_a_prefix_is_the_path_of_the_folder(site: Path, hosts: list[AsgiHost]) -> None:
    hosts.append(AsgiHost(StaticFiles(site, app=api, prefix="/static/")))
    assert hosts[0].request("/static/app.js").body == b"app"
    assert hosts[0].request("/app.js").status == 404
    assert hosts[0].request("/static/docs").fields["location"] == "/static/docs/"
    hosts.append(AsgiHost(StaticFiles(site, prefix="static", health="/healthz"), "/outer"))
    assert hosts[1].request("/outer/static/docs").fields["location"] == "/outer/static/docs/"
    assert hosts[1].request("/outer/healthz").body == b"ok\n"


def test_a_mount_with_any_name_is_right(site: Path, hosts: list[AsgiHost]) -> None:
    hosts.append(AsgiHost(StaticFiles(site), "/a é"))
    response = hosts[0].request("/a%20%C3%A9/docs")
    assert response.fields["location"] == "/a%20%C3%A9/docs/"
    assert hosts[0].request(response.fields["location"]).body == b"docs"


def test_many_mounts_take_no_more_memory_than_some(site: Path, hosts: list[AsgiHost]) -> None:
    app = StaticFiles(site)
    for number in range(50):
        hosts.append(AsgiHost(app, f"/{number}"))
        assert hosts[-1].request(f"/{number}/app.js").body == b"app"
    before = len(os.listdir("/proc/self/fd")) if os.path.exists("/proc/self/fd") else 0
    host = AsgiHost(app)
    hosts.append(host)
    for number in range(100):
        assert host.request(f"/{number}/app.js", root_path=f"/{number}").body == b"app"
    assert not before or len(os.listdir("/proc/self/fd")) <= before + 40


def test_it_takes_part_in_the_life_of_its_host_program(site: Path) -> None:
    async def live(app: Any, scope: dict[str, Any], received: list[str]) -> list[str]:
        sent: list[str] = []
        messages = iter(received)

        async def receive() -> dict[str, Any]:
            return {"type": next(messages)}

        async def send(message: dict[str, Any]) -> None:
            sent.append(message["type"])

        await app(scope, receive, send)
        return sent

    life = ["lifespan.startup", "lifespan.shutdown"]
    ended = ["lifespan.startup.complete", "lifespan.shutdown.complete"]
    app = StaticFiles(site)
    assert asyncio.run(live(app, {"type": "lifespan"}, life)) == ended
    assert asyncio.run(live(app, {"type": "websocket", "path": "/"}, ["websocket.connect"])) == ["websocket.close"]

    async def inner(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": f"inner {scope['type']}"})

    for kind in ("lifespan", "websocket"):
        assert asyncio.run(live(StaticFiles(site, app=inner), {"type": kind}, life)) == [f"inner {kind}"]


def test_a_small_file_is_one_message_and_a_large_one_comes_in_pieces(site: Path, hosts: list[AsgiHost]) -> None:
    hosts.append(AsgiHost(StaticFiles(site)))
    assert hosts[0].request("/app.js").body == b"app"
    assert len(hosts[0].messages) == 2
    assert hosts[0].request("/big.bin").body == BIG
    assert [len(message["body"]) for message in hosts[0].messages[1:]] == [65536] * (len(BIG) // 65536) + [0]


def test_a_host_program_that_announces_it_gets_descriptors(site: Path, hosts: list[AsgiHost]) -> None:
    hosts.append(
        AsgiHost(StaticFiles(site), extensions={"http.response.zerocopysend": {}, "http.response.pathsend": {}})
    )
    response = hosts[0].request("/big.bin", "GET", "Range: bytes=1-500000")
    assert response.body == BIG[1:500001]
    assert [message["type"] for message in hosts[0].messages[1:]] == [
        "http.response.zerocopysend",
        "http.response.body",
    ]
    two = hosts[0].request("/big.bin", "GET", "Range: bytes=0-99999,200000-299999")
    assert [content for _, content in two.parts()] == [BIG[:100000], BIG[200000:300000]]
    assert hosts[0].request("/app.js").body == b"app"


def test_a_path_is_never_sent(site: Path, hosts: list[AsgiHost]) -> None:
    """The host would open it later: another file may have the name then, or one outside of the folder."""
    hosts.append(AsgiHost(StaticFiles(site), extensions={"http.response.pathsend": {}}))
    assert hosts[0].request("/big.bin").body == BIG
    assert {message["type"] for message in hosts[0].messages[1:]} == {"http.response.body"}


class Client:
    """One request whose messages the test takes and answers as it likes."""

    def __init__(self, app: Any, target: str) -> None:
        self.app = app
        self.scope = {
            "type": "http", "method": "GET", "path": target, "raw_path": target.encode(), "query_string": b"",
            "headers": [(b"host", b"localhost")],
        }  # fmt: skip
        self.gone = asyncio.Event()
        self.messages: list[dict[str, Any]] = []
        self.taken = asyncio.Semaphore(0)

    async def receive(self) -> dict[str, Any]:
        await self.gone.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: dict[str, Any]) -> None:
        self.messages.append(message)
        await self.taken.acquire()

    async def run(self) -> None:
        await self.app(self.scope, self.receive, self.send)


def test_white_space_that_a_host_leaves_at_the_end_of_a_value_means_nothing(site: Path, hosts: list[AsgiHost]) -> None:
    host = AsgiHost(StaticFiles(site))
    hosts.append(host)
    tag = host.request("/app.js").fields["etag"].encode()
    headers = [(b"host", b"localhost \t"), (b"range", b"bytes=0-0 "), (b"if-range", tag + b"  ")]
    response = host.request("/app.js", headers=headers)
    assert (response.status, response.body) == (206, b"a")


def test_a_body_waits_for_its_client(site: Path) -> None:
    """No more than one piece is on its way, however large the file is."""

    async def ask() -> None:
        client = Client(StaticFiles(site), "/big.bin")
        task = asyncio.create_task(client.run())
        for count in range(1, 19):
            while len(client.messages) < count:
                await asyncio.sleep(0)
            for _ in range(20):
                await asyncio.sleep(0)
            assert len(client.messages) == count
            client.taken.release()
        await task

    asyncio.run(ask())


def test_a_client_that_keeps_up_gets_larger_pieces_until_it_is_slow(
    site: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A slow client never gets them, so what its host holds for it stays small."""
    with (site / "huge.bin").open("wb") as file:
        file.truncate(8 << 20)
    now_s = 0.0
    monkeypatch.setattr(asgi_files, "monotonic", lambda: now_s)

    async def sizes(slow: range) -> list[int]:
        sizes: list[int] = []

        async def send(message: dict[str, Any]) -> None:
            nonlocal now_s
            sizes.append(len(message.get("body", b"")))
            now_s += len(sizes) in slow  # a second for each of these

        client = Client(StaticFiles(site), "/huge.bin")
        await client.app(client.scope, client.receive, send)
        return sizes[1:]

    quick = asyncio.run(sizes(range(0)))
    assert quick == [65536] * 16 + [262144] * 28 + [0]
    assert set(asyncio.run(sizes(range(10**6)))) == {65536, 0}
    assert asyncio.run(sizes(range(20, 23)))[:24] == [65536] * 16 + [262144] * 3 + [65536] * 3 + [262144] * 2


def test_other_requests_have_their_turn_during_a_large_body(site: Path) -> None:
    with (site / "huge.bin").open("wb") as file:
        file.truncate(64 << 20)

    async def ask() -> None:
        app = StaticFiles(site)
        large = Client(app, "/huge.bin")
        large.taken = asyncio.Semaphore(10**6)  # a client that takes all at once
        task = asyncio.create_task(large.run())
        small = Client(app, "/app.js")
        small.taken = asyncio.Semaphore(10)
        await asyncio.create_task(small.run())
        assert not task.done()
        await task

    asyncio.run(ask())


def test_a_client_that_leaves_ends_the_body_quietly(site: Path, caplog: pytest.LogCaptureFixture) -> None:
    with (site / "huge.bin").open("wb") as file:
        file.truncate(64 << 20)

    async def ask() -> None:
        client = Client(StaticFiles(site), "/huge.bin")
        task = asyncio.create_task(client.run())
        while not client.messages:
            await asyncio.sleep(0)
        client.gone.set()
        for _ in range(2000):
            client.taken.release()
        await task
        assert len(client.messages) < 100

    asyncio.run(ask())
    assert not caplog.records


def test_a_send_that_fails_because_the_client_has_left_ends_the_body_quietly(site: Path) -> None:
    async def ask(target: str) -> None:
        client = Client(StaticFiles(site), target)

        async def send(message: dict[str, Any]) -> None:
            raise BrokenPipeError

        client.send = send  # type: ignore[method-assign]
        await client.run()

    asyncio.run(ask("/big.bin"))
    asyncio.run(ask("/app.js"))


def test_a_cancelled_request_is_cancelled(site: Path) -> None:
    async def ask() -> None:
        client = Client(StaticFiles(site), "/big.bin")
        task = asyncio.create_task(client.run())
        while not client.messages:
            await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        others = asyncio.all_tasks() - {asyncio.current_task()}
        await asyncio.wait(others, timeout=TIMEOUT_S) if others else None
        assert not asyncio.all_tasks() - {asyncio.current_task()}

    asyncio.run(ask())


def test_a_file_that_is_cut_while_it_is_sent_breaks_the_body(site: Path) -> None:
    async def ask() -> None:
        client = Client(StaticFiles(site), "/big.bin")
        task = asyncio.create_task(client.run())
        while not client.messages:
            await asyncio.sleep(0)
        os.truncate(site / "big.bin", 70_000)
        for _ in range(100):
            client.taken.release()
        with pytest.raises(BrokenBody):
            await task
        assert all(message.get("more_body", True) for message in client.messages)

    asyncio.run(ask())


def test_a_cold_file_is_read_in_a_thread_and_the_loop_goes_on(site: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The disk is made slow where the application meets it: what is not in memory, and the read that waits."""
    begun, go_on = threading.Event(), threading.Event()

    def read_slowly(*_: object) -> None:
        begun.set()
        assert go_on.wait(TIMEOUT_S)

    monkeypatch.setattr(bodies, "read_cached", lambda *_: None)
    monkeypatch.setattr(bodies, "read_ahead", read_slowly)

    async def ask() -> None:
        client = Client(StaticFiles(site), "/big.bin")
        client.taken = asyncio.Semaphore(10**6)
        task = asyncio.create_task(client.run())
        while not begun.is_set():  # the loop goes on while a thread waits
            await asyncio.sleep(0.001)
        assert len(client.messages) == 1
        go_on.set()
        await task
        assert read_messages(client.messages, "GET").body == BIG

    asyncio.run(ask())


def test_it_works_in_several_threads_and_loops_at_once(site: Path) -> None:
    app = StaticFiles(site, compress=True)

    def ask(number: int) -> list[Received]:
        host = AsgiHost(app)
        try:
            return [host.request(target) for target in ("/app.js", "/big.bin", "/docs/", "/missing") * 5]
        finally:
            host.close()

    with ThreadPoolExecutor(4) as threads:
        for responses in threads.map(ask, range(8)):
            assert [response.status for response in responses] == [200, 200, 200, 404] * 5
            assert responses[1].body == BIG


def test_an_archive_and_a_listing_come_when_they_are_asked_for(site: Path, hosts: list[AsgiHost]) -> None:
    hosts.append(AsgiHost(StaticFiles(site, listing=True)))
    assert b"app.js" not in hosts[0].request("/api/").body
    (site / "index.html").unlink()
    assert b"app.js" in hosts[0].request("/").body
    archive = hosts[0].request("/?archive=zip")
    assert archive.status == 200
    assert archive.body.startswith(b"PK")


def test_a_password_is_checked_in_a_thread(site: Path, hosts: list[AsgiHost]) -> None:
    hosts.append(AsgiHost(StaticFiles(site, auth=[f"ann:{make_hash(b'secret')}"])))
    assert hosts[0].request("/app.js").status == 401
    assert hosts[0].request("/app.js", "GET", "Authorization: Basic YW5uOnNlY3JldA==").body == b"app"
    assert hosts[0].request("/app.js", "GET", "Authorization: Basic YW5uOndyb25n").status == 401


def test_nothing_of_the_process_is_changed(site: Path) -> None:
    import gc
    import resource
    import signal
    import sys

    def state() -> tuple[object, ...]:
        handlers = tuple(signal.getsignal(number) for number in sorted(signal.valid_signals()))
        limits = resource.getrlimit(resource.RLIMIT_NOFILE)
        return handlers, limits, gc.isenabled(), gc.get_threshold(), gc.get_freeze_count(), sys.getswitchinterval()

    before = state()
    host = AsgiHost(StaticFiles(site, compress=True))
    host.request("/big.bin", "GET", "Accept-Encoding: gzip")
    host.close()
    assert state() == before


def test_a_server_without_asyncio_is_told_what_is_needed(site: Path) -> None:
    async def ask() -> None:
        await StaticFiles(site)({"type": "http", "method": "GET", "path": "/app.js", "headers": []}, None, None)

    with pytest.raises(RuntimeError, match="needs an event loop of asyncio or uvloop"):
        ask().send(None)  # as a loop does that is not asyncio's, such as trio's
