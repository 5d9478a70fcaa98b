"""Forwarded requests of HTTP/2 clients: a cut body resets its stream, and a reset stream closes its upstream."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.inprocess import InProcess, serve_files
from support.upstream import RawUpstream, Visit, respond_with

from fastfile.config.config import Config
from fastfile.config.proxy_values import parse_upstream

pytest.importorskip("hpack")

from support.http2peer import POST, Peer, Response, frames

TIMEOUT_S = 60
ALIVE = b"/"


class Front:
    """fastfile, whose upstream does what ``serve`` says."""

    def __init__(self, folder: Path) -> None:
        self.serve = respond_with(b"")
        (folder / "index.html").write_text("home")
        self.upstream = RawUpstream(lambda visit: self.serve(visit))
        config = Config(proxy=(parse_upstream(f"/api={self.upstream.url}"),))
        self.server = InProcess(folder, "asyncio", lambda *both: serve_files(folder, *both), config)

    def peer(self) -> Peer:
        return Peer(self.server.connect_plainly())


@pytest.fixture(scope="module")
def front(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Front]:
    running = Front(tmp_path_factory.mktemp("http2"))
    yield running
    running.server.stop()
    running.upstream.close()
    assert not running.server.failures


@pytest.mark.parametrize(
    "wire",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nok",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\nx\r\n",
    ],
)
def test_a_cut_body_resets_its_stream_and_no_other(front: Front, wire: bytes) -> None:
    front.serve = respond_with(wire)
    with front.peer() as peer:
        response = peer.get(1, b"/api/x")
        assert response.status == 200
        assert response.reset is not None
        assert not response.ended
        assert peer.get(3, ALIVE).body == b"home"


@pytest.mark.parametrize(
    ("wire", "status", "body"),
    [
        (b"HTTP/1.1 200 OK\r\nConnection: X-A\r\nX-A: b\r\nX-B: c\r\nContent-Length: 2\r\n\r\nok", 200, b"ok"),
        (b"HTTP/1.0 200 OK\r\n\r\nuntil the end", 200, b"until the end"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n0\r\nT: x\r\n\r\n", 200, b"ab"),
        (b"HTTP/1.1 204 No Content\r\n\r\n", 204, b""),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", 200, b""),
    ],
)
def test_a_response_is_relayed(front: Front, wire: bytes, status: int, body: bytes) -> None:
    front.serve = respond_with(wire)
    with front.peer() as peer:
        response = peer.get(1, b"/api/x")
        assert (response.status, response.body, response.ended) == (status, body, True)
        assert "x-a" not in response.fields


def test_interim_responses_are_relayed(front: Front) -> None:
    hint = b"Link: </app.css>; rel=preload\r\nConnection: X-A\r\nX-A: b\r\nDate: now\r\nContent-Length: 0\r\n"
    front.serve = respond_with(
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 103 Early Hints\r\n%b\r\n" % hint
        + b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
    )
    with front.peer() as peer:
        response = peer.get(1, b"/api/x")
        assert response.informational == ["102", "103"]  # it expects no 100
        assert response.hints == [("link", "</app.css>; rel=preload")]
        assert (response.status, response.body) == (200, b"ok")
        assert peer.get(3, ALIVE).body == b"home"


def test_an_interim_response_does_not_wait_for_the_final_one(front: Front) -> None:
    release = threading.Event()

    def serve(visit: Visit) -> None:
        visit.read_head()
        visit.send(b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n")
        assert release.wait(TIMEOUT_S)
        visit.send(b"HTTP/1.1 204 No Content\r\n\r\n")

    front.serve = serve
    with front.peer() as peer:
        peer.ask(1, b"/api/x")
        while not peer.responses.get(1) or not peer.responses[1].informational:
            peer.read()
        release.set()
        assert peer.wait(1).status == 204


def test_a_stream_that_is_reset_closes_its_upstream(front: Front) -> None:
    begun, closed = threading.Event(), threading.Event()

    def serve(visit: Visit) -> None:
        visit.read_head()
        visit.send(b"HTTP/1.1 200 OK\r\n\r\n: silent from here\n\n")
        begun.set()
        if visit.is_closed():
            closed.set()

    front.serve = serve
    with front.peer() as peer:
        peer.ask(1, b"/api/x")
        assert begun.wait(TIMEOUT_S)
        peer.wait_content(10)
        peer.send(frames.RstStreamFrame(1, error_code=8))
        assert closed.wait(TIMEOUT_S)
        assert peer.get(3, ALIVE).body == b"home"


def test_a_response_before_the_end_of_the_request_ends_the_stream_without_an_error(front: Front) -> None:
    front.serve = respond_with(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno")
    with front.peer() as peer:
        peer.send(peer.headers(1, [*POST[:2], (b":path", b"/api/x"), POST[3]], end=False))
        peer.send(frames.DataFrame(1, b"some"))
        response = peer.wait(1)
        assert (response.status, response.body) == (403, b"no")
        peer.wait_alive()
        assert response.reset == 0  # RFC 9113 §8.1
        assert peer.get(3, ALIVE).body == b"home"


def test_a_window_stays_shut_while_the_upstream_reads_nothing(front: Front) -> None:
    release = threading.Event()

    def serve(visit: Visit) -> None:
        visit.read_head()
        release.wait(TIMEOUT_S)

    front.serve = serve
    widened = 0
    with front.peer() as peer:
        take = peer._take

        def note(frame: object) -> None:
            nonlocal widened
            if isinstance(frame, frames.WindowUpdateFrame) and frame.stream_id == 1:
                widened += frame.window_increment
            take(frame)

        peer._take = note  # type: ignore[method-assign]
        peer.send(peer.headers(1, [*POST[:2], (b":path", b"/api/x"), POST[3]], end=False))
        sent = 0
        for _ in range(3000):  # until the buffers of the upstream's socket are full
            if sent + 16384 > 65535 + widened:
                peer.wait_alive()
                if sent + 16384 > 65535 + widened:
                    break
            peer.send(frames.DataFrame(1, bytes(16384)))
            sent += 16384
        else:
            raise AssertionError("no window stays shut")
        release.set()


def test_expect_is_answered_on_the_stream(front: Front) -> None:
    def serve(visit: Visit) -> None:
        assert b"Expect: 100-continue" in visit.read_head()
        visit.send(b"HTTP/1.1 100 Continue\r\n\r\n")
        visit.read_until(b"0\r\n\r\n")
        visit.send(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")

    front.serve = serve
    with front.peer() as peer:
        fields = [*POST[:2], (b":path", b"/api/x"), POST[3], (b"expect", b"100-continue")]
        peer.send(peer.headers(1, fields, end=False))
        response = peer.responses.setdefault(1, Response())
        while not response.informational:
            peer.read()
        assert response.informational == ["100"]
        last = frames.DataFrame(1, b"abc")
        last.flags.add("END_STREAM")
        peer.send(last)
        assert peer.wait(1).body == b"ok"
