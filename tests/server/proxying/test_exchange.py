"""Forwarded requests over real sockets, with upstreams that lie, stall, reset and hang up."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from support.inprocess import InProcess, serve_files
from support.ports import find_free_port
from support.retrying import retried
from support.serverprocess import LOOPS
from support.upstream import RawUpstream, Visit, respond_with

from fastfile.config.config import Config
from fastfile.config.proxy_values import parse_upstream

Serve = Callable[[Visit], None]
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
TIMEOUT_S = 60


class Front:
    """fastfile in this process, which forwards /api to an upstream."""

    def __init__(self, folder: Path, loop: str, upstream: str, flags: str = "", **options: object) -> None:
        (folder / "site").mkdir(exist_ok=True)
        (folder / "site" / "index.html").write_text("home")
        config = Config(proxy=(parse_upstream(f"/api={upstream}{flags}"),), **options)
        self.server = InProcess(folder, loop, lambda *both: serve_files(folder / "site", *both), config)

    def connect(self) -> socket.socket:
        return self.server.connect_plainly()

    def ask(self, request: bytes) -> bytes:
        """Send a request and return all that comes until the connection is closed or reset."""
        with self.connect() as connection:
            connection.sendall(request)
            return read_all(connection)[0]


def read_all(connection: socket.socket) -> tuple[bytes, bool]:
    """Return what comes until the end, and whether that was a reset."""
    received = b""
    try:
        while data := connection.recv(65536):
            received += data
    except ConnectionResetError:
        return received, True
    return received, False


def get(path: str = "/api/x", *fields: str, method: str = "GET", version: str = "1.1") -> bytes:
    lines = [f"{method} {path} HTTP/{version}", "Host: localhost", "Connection: close", *fields, "", ""]
    return "\r\n".join(lines).encode()


@contextlib.contextmanager
def forwarding(folder: Path, serve: Serve, flags: str = "", loop: str = LOOPS[0], **options: object) -> Iterator[Front]:
    with RawUpstream(serve) as upstream:
        front = Front(folder, loop, upstream.url, flags, **options)
        front.upstream = upstream  # type: ignore[attr-defined]
        try:
            yield front
            front.server.wait_until(lambda: not front.server.upstreams._open, "all connections to upstreams are closed")
            front.server.wait_until(lambda: front.server.poller.count == 2, "only the listeners are watched")
        finally:
            front.server.stop()
        assert not front.server.failures


# Responses of an upstream, and what the client gets: a status, a body, and whether it is whole.
RESPONSES = [
    pytest.param(OK, 200, b"ok", id="a length"),
    pytest.param(b"HTTP/1.1 200\r\nContent-Length: 2\r\n\r\nok", 200, b"ok", id="no reason phrase"),
    pytest.param(b"HTTP/1.0 200 OK\r\n\r\nuntil the end", 200, b"until the end", id="HTTP/1.0, until the end"),
    pytest.param(b"HTTP/1.1 200 OK\r\n\r\n", 200, b"", id="an empty body until the end"),
    pytest.param(
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n1;x=y\r\nc\r\n0\r\nT: x\r\n\r\n",
        200,
        b"abc",
        id="chunks, an extension and a trailer",
    ),
    pytest.param(
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 200, b"", id="no chunk but the last"
    ),
    pytest.param(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok and more", 200, b"ok", id="more than its length"),
    pytest.param(b"HTTP/1.1 204 No Content\r\n\r\nbody", 204, b"", id="204 with a body"),
    pytest.param(b"HTTP/1.1 204 No Content\r\nContent-Length: 4\r\n\r\nbody", 204, b"", id="204 with a length"),
    pytest.param(b'HTTP/1.1 304 Not Modified\r\nETag: "x"\r\n\r\nbody', 304, b"", id="304 with a body"),
    pytest.param(b"HTTP/1.1 205 Reset Content\r\n\r\nbody", 205, b"", id="205 with a body until the end"),
    pytest.param(b"HTTP/1.1 205 Reset Content\r\nContent-Length: 4\r\n\r\nbody", 205, b"", id="205 with a length"),
    pytest.param(
        b"HTTP/1.1 205 Reset Content\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nbody\r\n0\r\n\r\n",
        205,
        b"",
        id="205 with chunks",
    ),
    pytest.param(b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" + OK, 200, b"ok", id="an interim response"),
    pytest.param(b"HTTP/1.1 100 Continue\r\n\r\n" + OK, 200, b"ok", id="100 that was not expected"),
    pytest.param(b"HTTP/1.1 418 Teapot\r\nContent-Length: 0\r\n\r\n", 418, b"", id="a status of the upstream"),
    pytest.param(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nok", None, b"ok", id="less than its length"),
    pytest.param(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab", None, b"ab", id="cut within a chunk"),
    pytest.param(
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n", None, b"ab", id="cut between chunks"
    ),
    pytest.param(
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\nzz\r\n", None, b"ab", id="a malformed chunk"
    ),
    pytest.param(b"", 502, b"closed the connection without a response", id="nothing"),
    pytest.param(b"HTTP/1.1 200 OK\r\nContent-Le", 502, b"within the head", id="half a head"),
    pytest.param(b"SSH-2.0-OpenSSH_9\r\n", 502, b"does not speak HTTP/1.1", id="another protocol"),
    pytest.param(b"\x15\x03\x01\x00\x02\x02\x16", 502, b"does not speak HTTP/1.1", id="TLS"),
    pytest.param(b"HTTP/2 200\r\n\r\n", 502, b"does not speak HTTP/1.1", id="another version"),
    pytest.param(b"HTTP/1.1 99 OK\r\n\r\n", 502, b"status", id="a status of two digits"),
    pytest.param(b"HTTP/1.1 600 OK\r\n\r\n", 502, b"status", id="a status beyond 599"),
    pytest.param(b"HTTP/1.1 2x0 OK\r\n\r\n", 502, b"status", id="a status that is no number"),
    pytest.param(b"HTTP/1.1 200 OK\nContent-Length: 2\n\nok", 502, b"carriage return", id="bare line feeds"),
    pytest.param(
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\nok", 502, b"more than once", id="two lengths"
    ),
    pytest.param(b"HTTP/1.1 200 OK\r\nContent-Length: 2, 2\r\n\r\nok", 502, b"not a number", id="a list of lengths"),
    pytest.param(b"HTTP/1.1 200 OK\r\nContent-Length: +2\r\n\r\nok", 502, b"not a number", id="a signed length"),
    pytest.param(
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        502,
        b"both Content-Length and Transfer-Encoding",
        id="both framings",
    ),
    pytest.param(
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", 502, b"other than", id="two codings"
    ),
    pytest.param(
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: identity\r\n\r\nok", 502, b"other than chunked", id="another coding"
    ),
    pytest.param(
        b"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 502, b"other than", id="chunks in HTTP/1.0"
    ),
    pytest.param(b"HTTP/1.1 200 OK\r\nA: b\r\n c\r\n\r\n", 502, b"folded", id="a folded line"),
    pytest.param(b"HTTP/1.1 200 OK\r\nA : b\r\n\r\n", 502, b"malformed header", id="white space before the colon"),
    pytest.param(b"HTTP/1.1 200 OK\r\nA\r\n\r\n", 502, b"malformed header", id="a line without a colon"),
    pytest.param(b"HTTP/1.1 200 OK\r\nA: b\0c\r\n\r\n", 502, b"control byte", id="a NUL"),
    pytest.param(b"HTTP/1.1 200 OK\r\nA: b\rSet-Cookie: c\r\n\r\n", 502, b"control byte", id="a bare CR"),
    pytest.param(b"HTTP/1.1 200 OK\r\nA: b\nSet-Cookie: c\r\n\r\n", 502, b"control byte", id="a bare LF"),
    pytest.param(b"HTTP/1.1 200 OK\r\n" + b"A: b\r\n" * 300 + b"\r\n", 502, b"header lines", id="many lines"),
    pytest.param(b"HTTP/1.1 200 OK\r\nA: " + b"b" * 70_000, 502, b"64 KiB", id="an endless head"),
    pytest.param(b"HTTP/1.1 102 Processing\r\n\r\n" * 20 + OK, 502, b"interim", id="a flood of interim responses"),
    pytest.param(
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\n\r\n", 502, b"not requested", id="a switch unasked"
    ),
]


@pytest.fixture(scope="module", params=LOOPS)
def table(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Front]:
    """A front whose upstream responds with ``wire``."""

    def serve(visit: Visit) -> None:
        respond_with(front.wire)(visit)  # type: ignore[attr-defined]

    with forwarding(tmp_path_factory.mktemp("table"), serve, loop=request.param) as front:
        yield front


@pytest.mark.parametrize(("wire", "status", "content"), RESPONSES)
def test_a_response_is_relayed_refused_or_cut_but_never_ambiguous(
    table: Front, wire: bytes, status: int | None, content: bytes
) -> None:
    table.wire = wire  # type: ignore[attr-defined]
    with table.connect() as connection:
        connection.sendall(get())
        received, was_reset = read_all(connection)
    head, _, body = received.partition(b"\r\n\r\n")
    lines = head.split(b"\r\n")
    if status is None:  # it is cut: its client must see that
        assert head.startswith(b"HTTP/1.1 200 ")
        assert was_reset
        return
    assert not was_reset
    assert head.startswith(b"HTTP/1.1 %d " % status), head
    if b"Transfer-Encoding: chunked" in lines:
        assert body.endswith(b"0\r\n\r\n")
        size, _, rest = body.partition(b"\r\n")
        chunks = b""
        while int(size, 16):
            chunks += rest[: int(size, 16)]
            size, _, rest = rest[int(size, 16) + 2 :].partition(b"\r\n")
        body = chunks
    elif status not in (204, 304):
        assert b"Content-Length: %d" % len(body) in lines
    else:
        assert not any(line.lower().startswith((b"content-length", b"transfer-encoding")) for line in lines)
    if status == 502:
        assert content in body, body
        assert table.upstream.url.encode() in body  # type: ignore[attr-defined]
    else:
        assert body == content
    assert sum(line.lower().startswith(b"date:") for line in lines) == 1


@pytest.fixture(scope="module", params=LOOPS)
def open_front(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Front]:
    """A front whose upstream does what ``serve`` says."""

    def serve(visit: Visit) -> None:
        front.serve(visit)  # type: ignore[attr-defined]

    with forwarding(tmp_path_factory.mktemp("open"), serve, loop=request.param) as front:
        yield front


def echo(visit: Visit) -> None:
    """Respond with the content, piece by piece, as it comes."""
    head = visit.read_head()
    if not head:
        return
    visit.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    lengths = visit.fields("content-length")
    if lengths:
        left = int(lengths[0])
        while left:
            piece = visit.read_exactly(min(left, 1000))
            left -= len(piece)
            visit.send(b"%x\r\n%b\r\n" % (len(piece), piece))
    elif visit.fields("transfer-encoding"):
        while size := int(visit.read_until(b"\r\n"), 16):
            piece = visit.read_exactly(size + 2)
            visit.send(b"%x\r\n%b" % (size, piece))
        visit.read_exactly(2)
    visit.send(b"0\r\n\r\n")


def dechunk(body: bytes) -> bytes:
    content = b""
    size, _, rest = body.partition(b"\r\n")
    while int(size, 16):
        content += rest[: int(size, 16)]
        size, _, rest = rest[int(size, 16) + 2 :].partition(b"\r\n")
    return content


def test_the_request_has_the_right_names_and_no_fields_of_the_connection(open_front: Front) -> None:
    heads: list[bytes] = []

    def serve(visit: Visit) -> None:
        heads.append(visit.read_head())
        visit.send(OK)

    open_front.serve = serve  # type: ignore[attr-defined]
    fields = ("X-A: 1", "Forwarded: for=1.2.3.4", "X-Forwarded-For: 1.2.3.4", "TE: trailers", "Upgrade: h2c")
    more = ("Keep-Alive: 5", "Proxy-Authorization: x", "X_Forwarded_Proto: https", "X-B: 2", "Connection: x-b, upgrade")
    open_front.ask(get("/api/x?a=b", *fields, *more))
    lines = heads[0].decode().split("\r\n")
    assert lines[0] == "GET /api/x?a=b HTTP/1.1"
    assert sorted(lines[1:-2]) == sorted(
        (
            *("Host: localhost", "X-A: 1", "X-Forwarded-For: 127.0.0.1", "X-Forwarded-Host: localhost"),
            *("X-Forwarded-Proto: http", "Via: 1.1 fastfile", "Connection: close"),
        )
    )


@pytest.mark.parametrize("is_chunked", [False, True])
def test_a_body_is_relayed_while_the_response_already_flows(open_front: Front, is_chunked: bool) -> None:
    open_front.serve = echo  # type: ignore[attr-defined]
    with open_front.connect() as connection:
        framing = "Transfer-Encoding: chunked" if is_chunked else "Content-Length: 300000"
        connection.sendall(get("/api/echo", framing, method="POST"))
        received = b""
        for number in range(300):
            piece = bytes((number % 256,)) * 1000
            connection.sendall(b"3e8\r\n%b\r\n" % piece if is_chunked else piece)
            while received.count(piece[:1] * 1000) < 1 + number // 256:
                received += connection.recv(65536)
        if is_chunked:
            connection.sendall(b"0\r\nTrailer: dropped\r\n\r\n")
        received += read_all(connection)[0]
    content = dechunk(received.partition(b"\r\n\r\n")[2])
    assert content == b"".join(bytes((number % 256,)) * 1000 for number in range(300))


def test_requests_on_one_connection_are_served_in_turn_after_a_body(open_front: Front) -> None:
    open_front.serve = echo  # type: ignore[attr-defined]
    request = b"POST /api/echo HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3\r\n\r\nabc"
    with open_front.connect() as connection:
        page = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"
        connection.sendall(page + request + request.replace(b"abc", b"def") + page + get("/api/echo", method="GET"))
        received = read_all(connection)[0]
    assert received.count(b"HTTP/1.1 200 OK") == 5
    places = [received.find(text) for text in (b"home", b"abc", b"def", b"\r\n\r\nhome")]
    assert received.rfind(b"home") > received.find(b"def") > received.find(b"abc") > places[0] > 0


def test_the_first_bytes_of_a_body_may_come_with_the_head(open_front: Front) -> None:
    open_front.serve = echo  # type: ignore[attr-defined]
    for split in (1, 2, 5, 9):
        wire = get("/api/echo", "Transfer-Encoding: chunked", method="PUT") + b"3\r\nabc\r\n0\r\n\r\n"
        with open_front.connect() as connection:
            connection.sendall(wire[:-split])
            time.sleep(0.01)  # not a synchronisation: any timing must do
            connection.sendall(wire[-split:])
            assert dechunk(read_all(connection)[0].partition(b"\r\n\r\n")[2]) == b"abc"


MALFORMED = [
    b"zz\r\n",
    b"3\nabc\r\n0\r\n\r\n",
    b"3\r\nabcd\r\n0\r\n\r\n",
    b"-1\r\n",
    b"0x3\r\nabc\r\n0\r\n\r\n",
    b"3 \r\nabc\r\n0\r\n\r\n",
    b"3;\r\nabc\r\n0\r\n\r\n",
    b"fffffffffffffffff\r\n",
    b"0\r\nbad trailer\r\n\r\n",
    b"0\r\nA: b\n\r\n\r\n",
]


@pytest.mark.parametrize("content", MALFORMED)
def test_a_malformed_chunk_of_a_client_is_400_and_the_upstream_sees_a_cut_request(
    open_front: Front, content: bytes
) -> None:
    seen: list[bytes] = []
    ended = threading.Event()

    def serve(visit: Visit) -> None:
        visit.read_head()
        with contextlib.suppress(ConnectionResetError):
            while data := visit.connection.recv(65536):
                seen.append(data)
        ended.set()

    open_front.serve = serve  # type: ignore[attr-defined]
    received = open_front.ask(get("/api/x", "Transfer-Encoding: chunked", method="POST") + content)
    assert received.startswith(b"HTTP/1.1 400 ")
    assert b"Connection: close" in received
    assert ended.wait(TIMEOUT_S)
    assert b"0\r\n\r\n" not in b"".join(seen)


@pytest.mark.parametrize(
    "lines",
    [
        ("Content-Length: 3", "Transfer-Encoding: chunked"),
        ("Content-Length: 3", "Content-Length: 3"),
        ("Content-Length: 3", "Content-Length: 4"),
        ("Transfer-Encoding: chunked, chunked",),
        ("Transfer-Encoding: xchunked",),
        ("Transfer-Encoding: chunked, identity",),
        ("Content-Length: 3\r\n folded",),
        ("Content-Length : 3",),
        ("Content-Length: +3",),
        ("A: b\0c",),
        ("A: b\rHost: x",),
    ],
)
def test_an_ambiguous_request_reaches_no_upstream(open_front: Front, lines: tuple[str, ...]) -> None:
    visits = len(open_front.upstream.visits)  # type: ignore[attr-defined]
    received = open_front.ask(get("/api/x", *lines, method="POST") + b"0\r\n\r\n")
    assert received.startswith((b"HTTP/1.1 400 ", b"HTTP/1.1 501 "))
    assert received.count(b"HTTP/1.1 ") == 1
    assert len(open_front.upstream.visits) == visits  # type: ignore[attr-defined]


def test_expect_continue_is_asked_of_the_upstream(open_front: Front) -> None:
    def serve(visit: Visit) -> None:
        head = visit.read_head()
        assert b"Expect: 100-continue" in head
        visit.send(b"HTTP/1.1 100 Continue\r\n\r\n")
        content = visit.read_exactly(3)
        visit.send(b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n" + content)

    open_front.serve = serve  # type: ignore[attr-defined]
    with open_front.connect() as connection:
        connection.sendall(get("/api/x", "Content-Length: 3", "Expect: 100-continue", method="PUT"))
        interim = b"HTTP/1.1 100 Continue\r\n\r\n"
        assert connection.recv(len(interim)) == interim
        connection.sendall(b"abc")
        assert read_all(connection)[0].endswith(b"\r\n\r\nabc")


def test_an_upstream_may_refuse_what_expects_100(open_front: Front) -> None:
    def serve(visit: Visit) -> None:
        visit.read_head()
        visit.send(b"HTTP/1.1 413 Content Too Large\r\nContent-Length: 3\r\n\r\nbig")

    open_front.serve = serve  # type: ignore[attr-defined]
    received = open_front.ask(get("/api/x", "Content-Length: 3000000000", "Expect: 100-continue", method="PUT"))
    assert received.startswith(b"HTTP/1.1 413 ")
    assert received.endswith(b"big")


def test_an_upstream_that_ignores_expect_gets_the_content_after_a_second(open_front: Front) -> None:
    open_front.serve = lambda visit: (  # type: ignore[attr-defined]
        visit.read_head(),
        visit.send(b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n" + visit.read_exactly(3)),
    )
    with open_front.connect() as connection:
        connection.sendall(get("/api/x", "Content-Length: 3", "Expect: 100-continue", method="PUT"))
        assert connection.recv(25) == b"HTTP/1.1 100 Continue\r\n\r\n"
        connection.sendall(b"abc")
        assert read_all(connection)[0].endswith(b"abc")


def test_a_response_before_the_end_of_a_large_body_reaches_the_client(open_front: Front) -> None:
    def serve(visit: Visit) -> None:
        visit.read_head()
        visit.send(b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 2\r\n\r\nno")
        with contextlib.suppress(AssertionError, OSError):  # it is cut
            visit.read_exactly(100_000_000)

    open_front.serve = serve  # type: ignore[attr-defined]
    with open_front.connect() as connection:
        connection.sendall(get("/api/x", "Content-Length: 100000000", method="POST"))
        connection.sendall(bytes(100_000))
        assert connection.recv(13) == b"HTTP/1.1 401 "


def test_each_piece_of_a_response_is_sent_at_once(open_front: Front) -> None:
    go_on = threading.Semaphore(0)

    def serve(visit: Visit) -> None:
        visit.read_head()
        visit.send(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n")
        for number in range(5):
            visit.send(b"data: %d\n\n" % number)
            assert go_on.acquire(timeout=TIMEOUT_S)

    open_front.serve = serve  # type: ignore[attr-defined]
    with open_front.connect() as connection:
        connection.sendall(get())
        received = b""
        for number in range(5):
            while b"data: %d\n\n" % number not in received:
                received += connection.recv(65536)
            go_on.release()
        received += read_all(connection)[0]
    assert received.endswith(b"\r\n0\r\n\r\n")


def test_a_client_that_leaves_closes_the_connection_to_the_upstream(open_front: Front) -> None:
    closed = threading.Event()
    begun = threading.Event()

    def serve(visit: Visit) -> None:
        visit.read_head()
        visit.send(b"HTTP/1.1 200 OK\r\n\r\n: silent from here\n\n")
        begun.set()
        if visit.is_closed():
            closed.set()

    open_front.serve = serve  # type: ignore[attr-defined]
    with open_front.connect() as connection:
        connection.sendall(get())
        assert begun.wait(TIMEOUT_S)
        assert connection.recv(10)
    assert closed.wait(TIMEOUT_S)


def test_a_client_that_leaves_before_the_response_closes_the_connection_too(open_front: Front) -> None:
    closed = threading.Event()
    begun = threading.Event()

    def serve(visit: Visit) -> None:
        visit.read_head()
        begun.set()
        if visit.is_closed():
            closed.set()

    open_front.serve = serve  # type: ignore[attr-defined]
    for request in (get(), get("/api/x", "Content-Length: 10", method="POST") + b"abc"):
        closed.clear()
        begun.clear()
        with open_front.connect() as connection:
            connection.sendall(request)
            assert begun.wait(TIMEOUT_S)
        assert closed.wait(TIMEOUT_S)


def test_a_client_that_only_ends_its_side_gets_its_response(open_front: Front) -> None:
    def serve(visit: Visit) -> None:
        visit.read_head()
        time.sleep(0.1)  # so that the end is seen first
        visit.send(OK)

    open_front.serve = serve  # type: ignore[attr-defined]
    with open_front.connect() as connection:
        connection.sendall(get())
        connection.shutdown(socket.SHUT_WR)
        assert read_all(connection)[0].endswith(b"ok")


def test_a_head_request_gets_the_length_and_no_body(open_front: Front) -> None:
    open_front.serve = respond_with(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello")  # type: ignore[attr-defined]
    received = open_front.ask(get(method="HEAD"))
    assert b"Content-Length: 5\r\n" in received
    assert received.endswith(b"\r\n\r\n")


def test_a_client_of_http_1_0_gets_no_chunks(open_front: Front) -> None:
    wire = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n0\r\n\r\n"
    open_front.serve = respond_with(wire)  # type: ignore[attr-defined]
    received = open_front.ask(get(version="1.0"))
    assert b"chunked" not in received
    assert received.endswith(b"\r\n\r\nab")


def test_memory_is_bounded_in_both_directions(open_front: Front) -> None:
    """A client that reads nothing, and an upstream that reads nothing: the other side is stopped."""
    size = 200_000_000
    sent = [0, 0]
    stop = threading.Event()

    def pour(visit: Visit) -> None:
        visit.read_head()
        visit.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size)
        visit.connection.settimeout(0.5)
        with contextlib.suppress(OSError):
            while sent[0] < size:
                sent[0] += visit.connection.send(bytes(65536))
        stop.wait(TIMEOUT_S)

    open_front.serve = pour  # type: ignore[attr-defined]
    with open_front.connect() as connection:
        connection.sendall(get())
        assert connection.recv(1)
        time.sleep(1.0)  # as long as the upstream may take to see that nothing moves
        assert sent[0] < 30_000_000  # the buffers of four sockets
        stop.set()

    stop.clear()

    def ignore(visit: Visit) -> None:
        visit.read_head()
        stop.wait(TIMEOUT_S)

    open_front.serve = ignore  # type: ignore[attr-defined]
    with open_front.connect() as connection:
        connection.sendall(get("/api/x", f"Content-Length: {size}", method="POST"))
        connection.settimeout(0.5)
        with contextlib.suppress(OSError):
            while sent[1] < size:
                sent[1] += connection.send(bytes(65536))
        assert sent[1] < 30_000_000
        stop.set()


def test_a_slow_client_gets_all_of_a_response_whose_upstream_has_closed(open_front: Front) -> None:
    content = bytes(range(256)) * 10_000

    def serve(visit: Visit) -> None:
        visit.read_head()
        visit.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(content), content))

    open_front.serve = serve  # type: ignore[attr-defined]
    with open_front.connect() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
        connection.sendall(get())
        received = connection.recv(1000)
        time.sleep(0.2)
        received += read_all(connection)[0]
    assert received.partition(b"\r\n\r\n")[2] == content


def test_an_upstream_that_resets_is_502_or_cuts_the_response(open_front: Front) -> None:
    def at_once(visit: Visit) -> None:
        visit.read_head()
        visit.reset()

    def later(visit: Visit) -> None:
        visit.read_head()
        visit.send(b"HTTP/1.1 200 OK\r\n\r\npart")
        time.sleep(0.05)
        visit.reset()

    open_front.serve = at_once  # type: ignore[attr-defined]
    visits = len(open_front.upstream.visits)  # type: ignore[attr-defined]
    received = open_front.ask(get(method="POST"))
    assert received.startswith(b"HTTP/1.1 502 ")
    assert b"reset the connection" in received
    assert len(open_front.upstream.visits) == visits + 1  # type: ignore[attr-defined]  # it may have had an effect
    visits += 1
    assert open_front.ask(get()).startswith(b"HTTP/1.1 502 ")
    assert len(open_front.upstream.visits) == visits + 4  # type: ignore[attr-defined]  # it has none, but not for ever
    open_front.serve = later  # type: ignore[attr-defined]
    with open_front.connect() as connection:
        connection.sendall(get())
        received, was_reset = read_all(connection)
    assert b"part" in received
    assert was_reset


@retried
def test_a_get_waits_for_an_upstream_that_restarts(tmp_path: Path) -> None:
    port = find_free_port()
    front = Front(tmp_path, LOOPS[0], f"http://127.0.0.1:{port}")
    try:
        with front.connect() as connection:
            connection.sendall(get())
            time.sleep(0.3)
            with RawUpstream(respond_with(OK), port=port):
                assert read_all(connection)[0].endswith(b"ok")
        began_s = time.monotonic()
        received = front.ask(get("/api/x", "Accept: text/html"))
        assert received.startswith(b"HTTP/1.1 502 ")
        assert b"refuses connections" in received
        assert f"http://127.0.0.1:{port}".encode() in received
        assert time.monotonic() - began_s > 2.5
        assert any("refuses connections" in line for line in front.server.said)
    finally:
        front.server.stop()
    assert not front.server.failures


def test_an_upstream_that_refuses_connections_until_the_deadline_is_502(tmp_path: Path) -> None:
    front = Front(tmp_path, LOOPS[0], f"http://127.0.0.1:{find_free_port()}", proxy_timeout=2.0)
    try:
        received = front.ask(get())
        assert received.startswith(b"HTTP/1.1 502 ")
        assert b"refuses connections" in received
    finally:
        front.server.stop()


def test_an_upstream_that_does_not_respond_is_504(tmp_path: Path) -> None:
    def serve(visit: Visit) -> None:
        while visit.connection.recv(65536):
            pass

    with forwarding(tmp_path, serve, proxy_timeout=0.2) as front:
        received = front.ask(get())
        assert received.startswith(b"HTTP/1.1 504 Gateway Timeout")
        assert b"did not respond within 0.2 s" in received
        # The same if it is the client that stops in the middle of its body.
        received = front.ask(get("/api/x", "Content-Length: 10", method="POST") + b"abc")
        assert received.startswith(b"HTTP/1.1 408 ")


def test_connections_are_limited(tmp_path: Path) -> None:
    release = threading.Event()

    def serve(visit: Visit) -> None:
        if visit.read_head():
            release.wait(TIMEOUT_S)
            visit.send(OK)

    with forwarding(tmp_path, serve, proxy_connections=2) as front:
        first, second = front.connect(), front.connect()
        with first, second:
            for connection in (first, second):
                connection.sendall(get())
            front.server.wait_until(lambda: len(front.server.upstreams._open) == 2, "two requests are forwarded")
            received = front.ask(get())
            assert received.startswith(b"HTTP/1.1 503 ")
            assert b"Retry-After" in received
            release.set()
            for connection in (first, second):
                assert read_all(connection)[0].endswith(b"ok")
        front.server.wait_until(lambda: not front.server.upstreams._open, "all connections are closed")
        assert front.ask(get()).endswith(b"ok")


def test_a_unix_socket_can_be_an_upstream(tmp_path: Path) -> None:
    path = str(tmp_path / "upstream.sock")
    with RawUpstream(respond_with(OK), path=path):
        front = Front(tmp_path, LOOPS[0], f"unix:{path}")
        try:
            assert front.ask(get()).endswith(b"ok")
        finally:
            front.server.stop()
    assert not front.server.failures


ESCAPES = [
    "/api/../secret",
    "/api/%2e%2e/secret",
    "/api/%2E./secret",
    "/api/..%2fsecret",
    "/api/%2e%2e%2fsecret",
    "/api/..%5csecret",
    "/api/x/..;/secret",
    "/api/%252e%252e/secret",
    "/api/..\\secret",
    "/api/./x",
    "/api/x/..",
    "/api/%00",
    "/api/%zz",
]


@pytest.mark.parametrize("target", ESCAPES)
def test_no_path_leads_out_of_what_was_named(open_front: Front, target: str) -> None:
    visits = len(open_front.upstream.visits)  # type: ignore[attr-defined]
    assert open_front.ask(get(target)).startswith(b"HTTP/1.1 400 ")
    assert len(open_front.upstream.visits) == visits  # type: ignore[attr-defined]


ELSEWHERE = [
    ("CONNECT", "/api/x", 405),
    ("CONNECT", "127.0.0.1:22", 405),
    ("TRACE", "/api/x", 405),
    ("GET", "/apix", 404),
    ("GET", "/API/x", 404),
    ("GET", "/x/../api", 404),
    ("OPTIONS", "*", 204),
    ("GET", "http://elsewhere.example/api/x", 421),
    ("GET", "ftp://localhost/api/x", 400),
    ("GET", "https://localhost/api/x", 421),
]


@pytest.mark.parametrize(("method", "target", "status"), ELSEWHERE)
def test_other_forms_reach_no_upstream(open_front: Front, method: str, target: str, status: int) -> None:
    visits = len(open_front.upstream.visits)  # type: ignore[attr-defined]
    received = open_front.ask(get(target, method=method))
    assert received.startswith(b"HTTP/1.1 %d " % status), received[:100]
    assert len(open_front.upstream.visits) == visits  # type: ignore[attr-defined]


def test_a_name_that_was_rebound_reaches_no_upstream(open_front: Front) -> None:
    visits = len(open_front.upstream.visits)  # type: ignore[attr-defined]
    received = open_front.ask(get().replace(b"Host: localhost", b"Host: attacker.example"))
    assert received.startswith(b"HTTP/1.1 421 ")
    assert len(open_front.upstream.visits) == visits  # type: ignore[attr-defined]


def test_a_proxy_that_leads_to_itself_ends(tmp_path: Path) -> None:
    listening = socket.create_server(("127.0.0.1", 0))
    port = listening.getsockname()[1]
    front = Front(tmp_path, LOOPS[0], f"http://127.0.0.1:{port}")
    address = front.server._address

    def relay() -> None:
        """Pass connections to the port that the front forwards to on to the front."""
        with contextlib.suppress(OSError):
            while True:
                accepted, _ = listening.accept()
                threading.Thread(target=join, args=(accepted, socket.create_connection(address))).start()

    def join(one: socket.socket, other: socket.socket) -> None:
        with one, other, contextlib.suppress(OSError):
            other.sendall(one.recv(65536))
            while data := other.recv(65536):
                one.sendall(data)

    thread = threading.Thread(target=relay)
    thread.start()
    try:
        received = front.ask(get())
        assert received.startswith(b"HTTP/1.1 502 ")
        assert b"leads back" in received
    finally:
        listening.shutdown(socket.SHUT_RDWR)
        listening.close()
        thread.join()
        front.server.stop()


KEY = "dGhlIHNhbXBsZSBub25jZQ=="
HANDSHAKE = ("Upgrade: websocket", "Connection: Upgrade", "Sec-WebSocket-Version: 13", f"Sec-WebSocket-Key: {KEY}")
SWITCHED = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nX-A: b\r\n\r\n"


def handshake(path: str = "/api/ws") -> bytes:
    return "\r\n".join([f"GET {path} HTTP/1.1", "Host: localhost", *HANDSHAKE, "", ""]).encode()


def test_a_websocket_is_relayed_in_both_directions(open_front: Front) -> None:
    def serve(visit: Visit) -> None:
        head = visit.read_head()
        assert b"Upgrade: websocket\r\n" in head
        assert b"Connection: Upgrade\r\n" in head
        assert b"Connection: close" not in head
        visit.send(SWITCHED + b"first")
        while data := visit.connection.recv(65536):
            visit.send(data)

    open_front.serve = serve  # type: ignore[attr-defined]
    with open_front.connect() as connection:
        connection.sendall(handshake())
        received = b""
        while not received.endswith(b"first"):
            received += connection.recv(65536)
        head = received.partition(b"\r\n\r\n")[0].split(b"\r\n")
        assert head[0] == b"HTTP/1.1 101 Switching Protocols"
        assert {b"Upgrade: websocket", b"Connection: Upgrade", b"X-A: b"} <= set(head)
        content = bytes(range(256)) * 20_000
        sending = threading.Thread(target=connection.sendall, args=(content,))
        sending.start()
        back = b""
        while len(back) < len(content):
            back += connection.recv(65536)
        sending.join()
        assert back == content
    open_front.server.wait_until(lambda: not open_front.server.upstreams._open, "the tunnel is closed")


def test_a_websocket_ends_when_the_upstream_closes_it(open_front: Front) -> None:
    def serve(visit: Visit) -> None:
        visit.read_head()
        visit.send(SWITCHED + b"bye")

    open_front.serve = serve  # type: ignore[attr-defined]
    with open_front.connect() as connection:
        connection.sendall(handshake())
        assert read_all(connection)[0].endswith(b"\r\n\r\nbye")


def test_an_upstream_may_refuse_a_websocket(open_front: Front) -> None:
    open_front.serve = respond_with(OK.replace(b"200 OK", b"403 No"))  # type: ignore[attr-defined]
    with open_front.connect() as connection:
        connection.sendall(handshake())
        assert connection.recv(13) == b"HTTP/1.1 403 "


def test_a_tunnel_holds_little_for_a_side_that_reads_nothing(open_front: Front) -> None:
    sent = 0

    def serve(visit: Visit) -> None:
        nonlocal sent
        visit.read_head()
        visit.send(SWITCHED)
        visit.connection.settimeout(0.5)
        with contextlib.suppress(OSError):
            while sent < 200_000_000:
                sent += visit.connection.send(bytes(65536))

    open_front.serve = serve  # type: ignore[attr-defined]
    with open_front.connect() as connection:
        connection.sendall(handshake())
        assert connection.recv(10)
        time.sleep(1.0)  # as long as the upstream may take to see that nothing moves
        assert sent < 30_000_000


def test_the_log_names_the_upstream(open_front: Front) -> None:
    open_front.serve = respond_with(OK)  # type: ignore[attr-defined]
    open_front.server.log_lines()
    open_front.ask(get())
    open_front.ask(get("/"))
    lines = open_front.server.log_lines()
    assert [line.get("upstream") for line in lines] == [open_front.upstream.url, None]  # type: ignore[attr-defined]


@retried
def test_a_fast_upload_lets_others_have_their_turn(open_front: Front) -> None:
    size = 300_000_000

    def serve(visit: Visit) -> None:
        if visit.read_head():
            left, taken = size, bytearray(1 << 20)
            left -= len(visit._unread)
            while left > 0:
                left -= visit.connection.recv_into(taken)
            visit.send(OK)

    open_front.serve = serve  # type: ignore[attr-defined]
    with open_front.connect() as upload, open_front.connect() as other:
        upload.sendall(get("/api/x", f"Content-Length: {size}", method="POST"))
        sending = threading.Thread(target=lambda: [upload.sendall(bytes(1_000_000)) for _ in range(size // 1_000_000)])
        sending.start()
        responses = 0
        while sending.is_alive():
            other.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
            received = b""
            while not received.endswith(b"home"):
                received += other.recv(65536)
            responses += 1
        sending.join()
        assert responses > 10
        assert read_all(upload)[0].endswith(b"ok")
