"""--live: which responses get the script, where in them, and the other responses."""

from __future__ import annotations

import gzip
import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from support.inprocess import InProcess
from support.rawclient import Received

from fastfile.application import make_application, open_roots
from fastfile.clock import Clock
from fastfile.config.config import Config
from fastfile.middleware.injection import find_start
from fastfile.middleware.live import Live
from fastfile.upgrade import Channel, Session

SCRIPT = b"// the script\n"
INJECTED = re.compile(rb'<script src="/\.fastfile/live\.js\?[0-9a-f]{12}"( nonce="[\w-]+")?></script>')
PAGE = b"<!doctype html><html><p>" + b"text " * 100
LARGE = b"<!-- large --><!DOCTYPE html>" + b"x" * 200_000
NAVIGATION = ("Sec-Fetch-Mode: navigate", "Sec-Fetch-Dest: document", "Accept: text/html,*/*;q=0.8")
HANDSHAKE = (
    "Connection: Upgrade",
    "Upgrade: websocket",
    "Sec-WebSocket-Version: 13",
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
)


class Echo:
    """A session that sends back what it gets."""

    def __init__(self) -> None:
        self.has_ended = False

    def begin(self, channel: Channel) -> None:
        self.channel = channel
        channel.send(b"hello")

    def receive(self, data: bytes) -> None:
        if data == b"bye":
            self.channel.send(b"gone")
            self.channel.close()
        else:
            self.channel.send(data)

    def end(self) -> None:
        self.has_ended = True


class FakePages:
    """Pages that are settled unless ``work`` is set."""

    def __init__(self) -> None:
        self.is_closed = False
        self.work: Callable[[], None] | None = None
        self.sessions: list[Echo] = []

    def open(self) -> Session:
        self.sessions.append(Echo())
        return self.sessions[-1]

    def note(self, target: bytes) -> None:
        pass

    def note_found(self, target: bytes, is_file: bool) -> None:
        pass

    def wait(self, target: bytes, is_missing: bool) -> Callable[[], None] | None:
        work, self.work = self.work, None
        return work


class Server(InProcess):
    pages: FakePages


def serve(tmp_path: Path, config: Config) -> Server:
    pages = FakePages()

    def make(clock: Clock, log_failure: Callable[[BaseException], None]) -> Live:
        roots = open_roots(config, str(tmp_path / "site").encode())
        return Live(make_application(config, roots, clock, log_failure), config, clock, pages, SCRIPT)

    running = Server(tmp_path, "asyncio", make, config)
    running.pages = pages
    return running


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("live")
    site = folder / "site"
    (site / "folder").mkdir(parents=True)
    (site / "index.html").write_bytes(PAGE)
    (site / "large.html").write_bytes(LARGE)
    (site / "empty.html").write_bytes(b"")
    (site / "coded.html").write_bytes(PAGE)
    (site / "coded.html.gz").write_bytes(gzip.compress(PAGE))
    (site / "page.xhtml").write_bytes(PAGE)
    (site / "image.svg").write_bytes(b"<svg/>")
    (site / "feed.xml").write_bytes(b"<feed/>")
    (site / "app.js").write_bytes(b"1")
    (site / "_headers").write_text("/download.html\n  Content-Disposition: attachment\n")
    (site / "download.html").write_bytes(PAGE)
    return folder


@pytest.fixture(scope="module")
def server(folder: Path) -> Iterator[Server]:
    running = serve(folder, Config(csp="script-src 'self'"))
    yield running
    running.stop()
    assert running.failures == []


def ask(server: Server, target: str, *fields: str, method: str = "GET") -> Received:
    with server.connect() as client:
        return client.request(target, method, *fields)


def ask_at(server: Server, host: str, target: str, *fields: str) -> Received:
    with server.connect() as client:
        lines = "".join(f"{field}\r\n" for field in (f"Host: {host}", *fields))
        client.connection.sendall(f"GET {target} HTTP/1.1\r\n{lines}\r\n".encode())
        return client.receive()


@pytest.mark.parametrize("target", ["/", "/large.html", "/empty.html", "/coded.html", "/folder/", "/missing"])
def test_a_page_that_answers_a_navigation_gets_the_script(server: Server, target: str) -> None:
    plain = ask(server, target, "Accept: text/html", "Sec-Fetch-Dest: empty")
    page = ask(server, target, *NAVIGATION, "Accept-Encoding: gzip")
    assert INJECTED.sub(b"", page.body, count=1) == plain.body
    assert INJECTED.search(page.body)
    assert page.status == plain.status
    head = ask(server, target, *NAVIGATION, method="HEAD")
    assert head.fields["content-length"] == page.fields["content-length"] == str(len(page.body))
    assert "Sec-Fetch-Dest" in page.fields["vary"]
    assert "last-modified" not in page.fields


@pytest.mark.parametrize(
    "target", ["/page.xhtml", "/image.svg", "/feed.xml", "/app.js", "/download.html", "/folder", "/folder/?format=json"]
)
def test_what_is_no_page_is_as_it_is(server: Server, target: str) -> None:
    with_, without = ask(server, target, *NAVIGATION), ask(server, target, "Accept: text/html", "Sec-Fetch-Dest: empty")
    assert with_.body == without.body
    assert with_.lasting() == without.lasting()


@pytest.mark.parametrize(
    ("fields", "is_page"),
    [
        (["Sec-Fetch-Dest: document"], True),
        (["Sec-Fetch-Dest: iframe"], True),
        (["Sec-Fetch-Dest: empty", "Accept: text/html"], False),
        (["Sec-Fetch-Dest: serviceworker", "Accept: text/html"], False),
        # Of clients without Fetch Metadata, such as a phone on the network without TLS.
        (["Accept: text/html,application/xhtml+xml,*/*;q=0.8"], True),
        (["Accept: text/html", "X-Requested-With: XMLHttpRequest"], False),
        (["Accept: */*"], False),
        ([], False),
    ],
)
def test_a_navigation_is_known_by_what_the_browser_says(server: Server, fields: list[str], is_page: bool) -> None:
    assert bool(INJECTED.search(ask(server, "/", *fields).body)) == is_page


@pytest.mark.parametrize(
    ("content", "before"),
    [
        (b"<!doctype html><p>", b"<!doctype html>"),
        (b"\xef\xbb\xbf<!DOCTYPE html PUBLIC 'x'>\n<p>", b"\xef\xbb\xbf<!DOCTYPE html PUBLIC 'x'>"),
        (b"\n <!-- a > b --> <!--> <!---> <!-- c --!>\n<!doctype html><p>", None),
        (b"<?xml version='1.0'?>\n<!DOCTYPE html><html>", None),
        (b"<![if IE]><!doctype html><p>", None),
        (b"<p><!doctype html>", b""),
        (b"text <!-- x -->", b""),
        (b"", b""),
        (b"<!-- only a comment -->", b"<!-- only a comment -->"),
    ],
)
def test_the_script_goes_before_the_first_element_and_behind_the_doctype(content: bytes, before: bytes | None) -> None:
    if before is None:
        before = content[: content.lower().index(b"<!doctype")] + re.findall(rb"(?i)<!doctype[^>]*>", content)[0]
    assert content[: find_start(content) or 0] == before


@pytest.mark.parametrize("content", [b"<!-- no end", b"<!doc", b"<?xml", b"<", b"\xff\xfe<\0p\0", b"\xfe\xff\0<\0p"])
def test_a_page_whose_start_is_not_known_is_as_it_is(content: bytes) -> None:
    assert find_start(content) is None


@pytest.mark.parametrize("target", ["/", "/large.html"])
@pytest.mark.parametrize("range_", ["0-0", "10-200", "-50", "20-", "0-299999", "15-15"])
def test_ranges_are_of_the_page_that_is_sent(server: Server, target: str, range_: str) -> None:
    whole = ask(server, target, *NAVIGATION)
    etag = whole.fields["etag"]
    part = ask(server, target, *NAVIGATION, f"Range: bytes={range_}", f"If-Range: {etag}")
    assert part.status == 206
    start, _, end = part.fields["content-range"].removeprefix("bytes ").partition("/")[0].partition("-")
    assert part.body == whole.body[int(start) : int(end) + 1]
    assert part.fields["content-range"].endswith(f"/{len(whole.body)}")
    assert part.fields["etag"] == etag


def test_ranges_that_do_not_hold(server: Server) -> None:
    size = len(ask(server, "/", *NAVIGATION).body)
    beyond = ask(server, "/", *NAVIGATION, f"Range: bytes={size}-")
    assert (beyond.status, beyond.fields["content-range"]) == (416, f"bytes */{size}")
    file_tag = ask(server, "/").fields["etag"]
    assert ask(server, "/", *NAVIGATION, "Range: bytes=0-1", f"If-Range: {file_tag}").status == 200
    assert ask(server, "/", *NAVIGATION, "Range: bytes=0-1,5-6").status == 200
    assert ask(server, "/", *NAVIGATION, "Range: bytes=0-1", method="HEAD").status == 200


def test_entity_tags_are_those_of_the_page_with_this_script(server: Server) -> None:
    plain, page = ask(server, "/"), ask(server, "/", *NAVIGATION)
    etag = page.fields["etag"]
    assert re.fullmatch(re.escape(plain.fields["etag"][:-1]) + '-live-[0-9a-f]{12}"', etag)
    known = ask(server, "/", *NAVIGATION, f"If-None-Match: {etag}")
    assert (known.status, known.fields["etag"]) == (304, etag)
    assert known.fields["cache-control"] == page.fields["cache-control"]
    assert known.fields["content-security-policy"] == page.fields["content-security-policy"]
    assert "content-type" not in known.fields
    assert ask(server, "/", *NAVIGATION, f"If-None-Match: {plain.fields['etag']}").status == 200
    assert ask(server, "/", *NAVIGATION, f"If-Modified-Since: {plain.fields['last-modified']}").status == 200
    assert ask(server, "/", *NAVIGATION, f"If-Match: {plain.fields['etag']}").status == 412
    assert ask(server, "/", *NAVIGATION, f"If-Match: {etag}").status == 200


def test_the_policy_of_a_page_allows_the_script_and_that_of_no_other_response_does(server: Server) -> None:
    name = "content-security-policy"
    own, v6 = (ask_at(server, host, "/", *NAVIGATION) for host in ("localhost:8000", "[::1]:8000"))
    assert own.fields[name] == "script-src 'self' localhost:8000/.fastfile/live.js"
    assert v6.fields[name] == "script-src 'self'"  # which allows it already: CSP has no addresses of IPv6
    assert ask_at(server, "localhost:8000", "/").fields[name] == "script-src 'self'"


def test_a_policy_that_trusts_scripts_by_nonce_gets_one(folder: Path, tmp_path: Path) -> None:
    shutil.copytree(folder / "site", tmp_path / "site")
    server = serve(tmp_path, Config(csp="script-src 'strict-dynamic' 'nonce-x'; default-src 'none'"))
    try:
        first, second = ask(server, "/", *NAVIGATION), ask(server, "/", *NAVIGATION)
        found = INJECTED.search(first.body)
        assert found
        assert found[1]
        nonce = found[1].decode().split('"')[1]
        assert f"'nonce-{nonce}'" in first.fields["content-security-policy"]
        assert "ws://localhost/.fastfile/live wss://" in first.fields["content-security-policy"]
        assert first.lasting() == second.lasting()  # a 304 keeps the earlier page, and so its nonce
        assert nonce in first.fields["etag"]
    finally:
        server.stop()


def test_the_script_is_served_for_a_year_under_its_tag(server: Server) -> None:
    address = INJECTED.search(ask(server, "/", *NAVIGATION).body)[0].decode().split('"')[1]  # type: ignore[index]
    script = ask(server, address)
    assert (script.body, script.fields["content-type"]) == (SCRIPT, "text/javascript; charset=utf-8")
    assert "immutable" in script.fields["cache-control"]
    assert ask(server, "/.fastfile/live.js?other").fields["cache-control"] == "no-cache"
    assert ask(server, address, method="HEAD").fields["content-length"] == str(len(SCRIPT))
    assert ask(server, address, "Content-Length: 0", method="POST").status == 405


@pytest.mark.parametrize("origin", [None, "http://localhost", "http://LOCALHOST:80", "http://localhost:80"])
def test_a_page_of_this_server_may_open_the_websocket(server: Server, origin: str | None) -> None:
    fields = [f"Origin: {origin}"] if origin else []
    with server.connect() as client:
        client.send("/index.html", "GET")  # earlier requests get their responses first
        client.send("/.fastfile/live", "GET", *HANDSHAKE, *fields)
        assert client.receive().status == 200
        upgraded = client.receive()
        assert upgraded.status == 101
        assert upgraded.fields["connection"] == "Upgrade"
        assert upgraded.fields["sec-websocket-accept"] == "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
        connection = client.connection

        def read(count: int) -> bytes:
            data = bytes(client._unread)
            client._unread.clear()
            while len(data) < count:
                data += connection.recv(count - len(data)) or pytest.fail("closed")
            return data

        assert read(5) == b"hello"
        connection.sendall(b"abc")
        assert read(3) == b"abc"
        connection.sendall(b"x" * 200_000)
        assert read(200_000) == b"x" * 200_000
        connection.sendall(b"bye")
        assert read(4) == b"gone"
        assert connection.recv(1) == b""
    server.wait_until(lambda: server.pages.sessions[-1].has_ended, "the session has heard of its end")


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        ([*HANDSHAKE, "Origin: https://evil.example"], 403),
        ([*HANDSHAKE, "Origin: http://localhost:9000"], 403),
        ([*HANDSHAKE, "Origin: null"], 403),
        ([*HANDSHAKE, "Origin: http://a b"], 403),
        (HANDSHAKE[1:], 426),
        ([], 426),
    ],
)
def test_no_other_page_may_open_the_websocket(server: Server, fields: list[str], status: int) -> None:
    assert ask(server, "/.fastfile/live", *fields).status == status


def test_a_page_whose_name_was_rebound_to_this_server_may_not_open_the_websocket(server: Server) -> None:
    fields = (*HANDSHAKE, "Origin: http://evil.example")
    assert ask_at(server, "evil.example", "/.fastfile/live", *fields).status == 421


def test_a_client_that_goes_away_or_takes_nothing_is_let_go(server: Server) -> None:
    for _ in range(3):
        with server.connect() as client:
            client.send("/.fastfile/live", "GET", *HANDSHAKE)
            assert client.receive().status == 101
    server.wait_until(lambda: all(each.has_ended for each in server.pages.sessions), "all have ended")
    with server.connect() as client:
        client.send("/.fastfile/live", "GET", *HANDSHAKE)
        assert client.receive().status == 101
        session = server.pages.sessions[-1]
        for _ in range(100):  # more than the buffers of the kernel and of fastfile
            server.ask(lambda: session.channel.send(bytes(1 << 17)))
        assert session.has_ended
    assert server.ask(lambda: server.poller.count) == 2, "the listeners alone"


def test_no_websocket_is_opened_when_the_server_is_about_to_stop(server: Server) -> None:
    server.pages.is_closed = True
    try:
        assert ask(server, "/.fastfile/live", *HANDSHAKE).status == 503
    finally:
        server.pages.is_closed = False


def test_what_is_missing_in_the_middle_of_a_build_is_waited_for(server: Server, folder: Path) -> None:
    path = folder / "site" / "late.js"
    server.pages.work = lambda: bool(path.write_bytes(b"there")) and None
    assert ask(server, "/late.js").body == b"there"
    path.unlink()
    server.pages.work = lambda: None
    assert ask(server, "/late.js").status == 404
    server.pages.work = lambda: None
    assert INJECTED.search(ask(server, "/", *NAVIGATION).body)
    assert server.pages.work is None


def test_a_missing_service_worker_is_answered_by_one_that_ends_itself(server: Server) -> None:
    worker = ask(server, "/sw.js", "Service-Worker: script", "Sec-Fetch-Dest: serviceworker")
    assert (worker.status, worker.fields["content-type"]) == (200, "text/javascript; charset=utf-8")
    assert b"unregister()" in worker.body
    assert ask(server, "/sw.js").status == 404
    assert ask(server, "/app.js", "Service-Worker: script").body == b"1", "one that is there stays"


def test_a_deferred_response_is_looked_at_when_it_is_there(folder: Path, tmp_path: Path) -> None:
    """A page that is sent from its descriptor is read in a thread, also where the handler needed one before."""
    shutil.copytree(folder / "site", tmp_path / "site")
    server = serve(tmp_path, Config(small_file=0, etag="content"))
    try:
        page = ask(server, "/large.html", *NAVIGATION)
        assert INJECTED.sub(b"", page.body) == LARGE
    finally:
        server.stop()
