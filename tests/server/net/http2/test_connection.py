"""HTTP/2 over a worker's connection: streams that share it, what each waits for, floods, deadlines and the end.

The handler is the test's own: a target says what becomes of it.
"""

from __future__ import annotations

import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import pytest
from support import colddisk
from support.channel import Channel
from support.http2_floods import FLOODS
from support.http2peer import GET, POST, PREFACE, Peer, frames, make_frame
from support.inprocess import TIMEOUT_S, InProcess, serve_files
from support.rawclient import make_request
from support.serverprocess import LOOPS
from support.watching import until

from fastfile.clock import Clock
from fastfile.config.config import Config
from fastfile.errors import HTTPError
from fastfile.message import UNKNOWN_SIZE, Deferred, FileSlice, RequestHead, Response, ResponseHead
from fastfile.protocol.http2.budget import MAX_HEAVY
from fastfile.responder import Responder
from fastfile.server.net.states import LINGERING
from fastfile.site.representation import make_response

CANCEL, CALM, INTERNAL, NO_ERROR = 8, 11, 2, 0
LARGE_SIZE = 3_000_000
PLAIN = (b"Content-Type", b"text/plain")
CACHING = ((b"Cache-Control", b"no-cache"), (b"X-Content-Type-Options", b"nosniff"))


class Heavy:
    """Work that is heavy, as that of a listing is; it ends when the gate is opened."""

    is_heavy = True

    def __init__(self, gate: threading.Event) -> None:
        self._gate = gate

    def __call__(self) -> None:
        self._gate.wait(TIMEOUT_S)


class Odd(Responder):
    """Answers by target: /small, /large, /file, /gate (deferred until it is opened), /heavy, /busy, /source, /short."""

    def __init__(self, folder: Path, clock: Clock, log_failure: Callable[[BaseException], None]) -> None:
        self.pages = serve_files(folder, clock, log_failure)
        self.gate = threading.Event()
        self.begun = threading.Semaphore(0)
        self.heads: list[RequestHead] = []
        self.channel = Channel()
        (folder / "large").write_bytes(bytes(LARGE_SIZE))
        self.file = (folder / "large").open("rb")

    def refuse(self, error: HTTPError, head: RequestHead | None) -> Response:
        return self.pages.refuse(error, head)

    def respond(self, head: RequestHead) -> Response | Deferred:
        self.heads.append(head)
        name = head.target.decode().partition("?")[0]
        if head.method == b"POST":
            return make_response(200, (PLAIN,), b"posted")
        if name == "/gate":

            def finish(future: Future[Any]) -> Response:
                assert future.result()
                return make_response(200, (PLAIN,), b"opened")

            return Deferred(lambda: self.gate.wait(TIMEOUT_S), finish)
        if name == "/heavy":
            return Deferred(Heavy(self.gate), lambda _: make_response(200, (PLAIN,), b"done"))
        if name == "/busy":

            def work() -> None:
                self.begun.release()
                began_s = time.thread_time()
                while time.thread_time() < began_s + 0.01:
                    pass
                self.gate.wait(TIMEOUT_S)

            return Deferred(work, lambda _: make_response(200, (PLAIN,), b"done"))
        if name == "/large":
            return make_response(200, (PLAIN,), b"l" * LARGE_SIZE)
        if name in ("/file", "/short"):
            size = LARGE_SIZE + (name == "/short")
            length = (b"Content-Length", b"%d" % size)
            return Response(ResponseHead(200, (PLAIN, length)), (FileSlice(self, self.file.fileno(), 0, size),), size)
        if name == "/source":
            return Response(ResponseHead(200, (PLAIN,)), (b"first ",), UNKNOWN_SIZE, source=self.channel)
        return make_response(200, (PLAIN, *CACHING, (b"Keep-Alive", b"9")), b"small")


@pytest.fixture
def config() -> Config:
    return Config()


@pytest.fixture
def loop() -> str:
    return "asyncio"


@pytest.fixture
def served(tmp_path: Path, config: Config, loop: str) -> Iterator[InProcess]:
    folder = tmp_path / "site"
    folder.mkdir()
    server = InProcess(tmp_path, loop, lambda clock, log: Odd(folder, clock, log), config)
    yield server
    handler: Odd = server.handler  # type: ignore[assignment]
    handler.gate.set()
    server.stop()
    handler.file.close()
    assert not server.failures


def connect(served: InProcess, **options: Any) -> Any:
    return Peer(served.connect().connection, **options)


def odd(served: InProcess) -> Odd:
    return served.handler  # type: ignore[return-value]


def test_a_small_response_is_not_stuck_behind_a_large_one(served: InProcess) -> None:
    with connect(served, settings={4: 1 << 20}) as peer:
        peer.send(frames.WindowUpdateFrame(0, window_increment=1 << 20))
        peer.ask(1, b"/large")
        peer.ask(3, b"/small")
        peer.wait(3)
        assert not peer.responses[1].ended
        assert peer.wait(1).body == b"l" * LARGE_SIZE


def test_large_responses_share_the_connection_where_no_priority_is_said(served: InProcess) -> None:
    with connect(served) as peer:
        peer.send(*(peer.headers(number, (*GET[:2], (b":path", b"/large"), GET[3])) for number in (1, 3)))
        for number in (1, 3):
            assert peer.wait(number).body == b"l" * LARGE_SIZE
        half = peer.order[: len(peer.order) // 2]
        assert min(half.count(1), half.count(3)) > len(half) // 10


@pytest.mark.parametrize("first", ["header", "update", "update before the request"])
def test_a_more_urgent_response_goes_first(served: InProcess, first: str) -> None:
    with connect(served) as peer:
        peer.widens = False
        later, sooner = ((b"priority", b"u=5"), (b"priority", b"u=1" if first == "header" else b"u=6"))
        if first == "update before the request":
            peer.frame(16, 0, 0, (3).to_bytes(4, "big") + b"u=1")
        peer.send(
            peer.headers(1, (*GET[:2], (b":path", b"/large"), GET[3], later)),
            peer.headers(3, (*GET[:2], (b":path", b"/large"), GET[3], sooner)),
        )
        peer.wait_content(65535)  # the window of the connection is used up
        if first == "update":
            peer.frame(16, 0, 0, (3).to_bytes(4, "big") + b"u=1")
        peer.order.clear()
        peer.send(
            frames.WindowUpdateFrame(0, window_increment=30000), frames.WindowUpdateFrame(3, window_increment=60000)
        )
        peer.wait_content(65535 + 30000)
        assert set(peer.order) == {3}


def test_whole_responses_come_one_after_the_other(served: InProcess) -> None:
    with connect(served, settings={4: 1 << 24}) as peer:
        fields = (*GET[:2], (b":path", b"/large"), GET[3], (b"priority", b"u=3"))
        peer.send(*(peer.headers(number, fields) for number in (1, 3)))
        peer.wait(3)
        assert peer.order.index(3) > len(peer.order) // 3
        peer.order.clear()
        shared = (*fields[:-1], (b"priority", b"i"))
        peer.send(*(peer.headers(number, shared) for number in (5, 7)))
        peer.wait(5)
        peer.wait(7)
        assert peer.order.index(7) < 20


def test_a_client_that_ends_its_side_gets_the_responses_in_progress(served: InProcess) -> None:
    with connect(served, settings={4: 1 << 22}) as peer:
        peer.widens = False
        peer.send(frames.WindowUpdateFrame(0, window_increment=1 << 22))
        peer.wait_alive()  # the settings are acknowledged: it sends nothing more
        peer.ask(1, b"/gate")
        peer.ask(3, b"/large")
        peer.connection.shutdown(socket.SHUT_WR)
        assert len(peer.wait(3).body) == LARGE_SIZE
        odd(served).gate.set()
        assert peer.wait(1).body == b"opened"
        peer.wait_end()
        assert peer.goaway is None
    served.wait_until_closed()


def test_a_client_that_goes_with_its_responses_in_progress_ends_the_connection(served: InProcess) -> None:
    with connect(served) as peer:
        peer.ask(1, b"/gate")
        peer.wait_alive()
        peer.connection.shutdown(socket.SHUT_WR)
        served.ask(served.open_connections)  # it has seen the end
        peer.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # close() resets
    served.wait_until_closed()


def test_a_deferred_response_holds_up_its_stream_alone(served: InProcess) -> None:
    with connect(served) as peer:
        peer.ask(1, b"/gate")
        assert peer.get(3).body == b"small"
        odd(served).gate.set()
        assert peer.wait(1).body == b"opened"


def test_a_deferred_response_of_a_stream_that_was_reset_is_dropped(served: InProcess) -> None:
    with connect(served) as peer:
        peer.ask(1, b"/gate")
        peer.send(frames.RstStreamFrame(1, error_code=CANCEL))
        peer.wait_alive()
        odd(served).gate.set()
        assert peer.get(3).status == 200
        assert not peer.responses.get(1)


def test_a_source_that_pends_holds_up_its_stream_alone_and_costs_nothing(served: InProcess) -> None:
    channel = odd(served).channel
    with connect(served) as peer:
        peer.ask(1, b"/source")
        assert peer.get(3).body == b"small"
        peer.wait_alive()
        assert (peer.responses[1].body, channel.asked) == (b"first ", 1)
        served.ask(lambda: channel.give(b"second", None))
        assert peer.wait(1).body == b"first second"
        assert channel.closed.wait(TIMEOUT_S)
        assert "content-length" not in peer.responses[1].fields


@pytest.mark.parametrize("order", ["end first", "window first"])
def test_the_end_of_a_body_needs_no_window(served: InProcess, order: str) -> None:
    channel = odd(served).channel
    with connect(served, settings={4: 0 if order == "end first" else 6}) as peer:
        peer.widens = False
        peer.ask(1, b"/source")
        peer.wait_alive()
        if order == "end first":
            served.ask(lambda: channel.give(None))
            peer.send(frames.WindowUpdateFrame(1, window_increment=6))
        else:
            peer.wait_content(6)
            served.ask(lambda: channel.give(None))
        assert peer.wait(1).body == b"first "
        assert channel.closed.wait(TIMEOUT_S)


def test_the_source_of_a_stream_that_was_reset_is_closed(served: InProcess) -> None:
    channel = odd(served).channel
    with connect(served) as peer:
        peer.ask(1, b"/source")
        peer.send(frames.RstStreamFrame(1, error_code=CANCEL))
        assert channel.closed.wait(TIMEOUT_S)
        served.ask(lambda: channel.give(b"late"))
        assert peer.get(3).status == 200


def test_a_file_is_sent_whole_from_memory_and_from_the_disk(served: InProcess) -> None:
    with connect(served) as peer:
        assert peer.get(1, b"/file").body == bytes(LARGE_SIZE)
        colddisk.drop(odd(served).file.fileno())
        assert peer.get(3, b"/file").body == bytes(LARGE_SIZE)


def test_a_file_that_is_shorter_than_promised_resets_its_stream_alone(served: InProcess) -> None:
    with connect(served) as peer:
        assert peer.get(1, b"/short").reset == INTERNAL
        assert peer.get(3).status == 200


def test_a_client_that_leaves_in_the_middle_lets_go_of_everything(served: InProcess) -> None:
    with connect(served) as peer:
        for number in (1, 3, 5, 7):
            peer.ask(number, (b"/large", b"/file", b"/gate", b"/source")[number // 2])
        peer.wait_alive()
    served.wait_until_closed()
    assert odd(served).channel.closed.wait(TIMEOUT_S)
    logged = served.log_lines()
    assert {line["target"] for line in logged} == {"/large", "/file", "/source"}
    assert all(line["version"] == "HTTP/2.0" and line["size"] < LARGE_SIZE for line in logged)


def test_a_response_is_logged_and_counted_once(served: InProcess) -> None:
    with connect(served) as peer:
        peer.get(1)
        peer.get(3, b"/large")
        peer.get(5, method=b"HEAD")
        peer.wait_alive()
    served.wait_until_closed()
    logged = [(line["target"], line["status"], line["size"], line["version"]) for line in served.log_lines()]
    assert logged == [("/", 200, 5, "HTTP/2.0"), ("/large", 200, LARGE_SIZE, "HTTP/2.0"), ("/", 200, 5, "HTTP/2.0")]
    assert served.ask(lambda: served.counts[1]) == 2  # GET 2xx


def test_connection_fields_of_a_handler_are_left_out(served: InProcess) -> None:
    with connect(served) as peer:
        assert "keep-alive" not in peer.get(1).fields


def test_a_request_looks_as_that_of_http_1(served: InProcess) -> None:
    with connect(served) as peer:
        peer.get(1, b"/small?q", (b"cookie", b"a=1"), (b"accept", b"x/y"), (b"cookie", b"b=2"), (b"range", b"bytes=1-"))
        peer.get(3, b"/small?q", (b"cookie", b"a=1"), (b"accept", b"x/y"), (b"cookie", b"b=2"), (b"range", b"bytes=1-"))
    for head in odd(served).heads:
        assert (head.method, head.target, head.authority) == (b"GET", b"/small?q", b"localhost")
        assert (head.range, head.plain, head.peer) == (b"bytes=1-", False, bytes((127, 0, 0, 1)))
        assert head.field(b"cookie") == b"a=1; b=2"
        assert head.field(b"accept") == b"x/y"


# Bodies of requests.


def post(peer: Any, stream_id: int, body: bytes, *fields: tuple[bytes, bytes]) -> Any:
    peer.send(peer.headers(stream_id, (*POST, *fields), end=False))
    for start in range(0, len(body), 16384):
        peer.frame(0, 0, stream_id, body[start : start + 16384])
    peer.frame(0, 1, stream_id, b"")
    return peer.wait(stream_id)


def test_a_body_is_read_before_the_response(served: InProcess) -> None:
    with connect(served) as peer:
        assert post(peer, 1, b"x" * 200_000).body == b"posted"
        assert post(peer, 3, b"x" * 200_000, (b"content-length", b"200000")).body == b"posted"
        assert peer.responses[1].reset is None


def test_a_body_that_is_too_large_is_refused_on_its_stream(served: InProcess) -> None:
    with connect(served) as peer:
        peer.send(peer.headers(1, (*POST, (b"content-length", b"300000")), end=False))
        response = peer.wait(1)
        peer.frame(0, 0, 1, bytes(16000))  # the client has not heard of it yet
        peer.wait_alive()
        assert (response.status, response.reset) == (413, NO_ERROR)
        peer.send(peer.headers(3, POST, end=False))
        sent = 0
        while sent < 400_000 and not (sent and peer.responses[3].status):
            peer.frame(0, 0, 3, bytes(16000))
            sent += 16000
            peer.wait_alive()
        assert peer.wait(3).status == 413
        assert peer.get(5).status == 200


def test_100_continue_asks_for_the_body_or_refuses_it(served: InProcess) -> None:
    expecting = (b"expect", b"100-continue")
    with connect(served) as peer:
        peer.send(peer.headers(1, (*POST, expecting), end=False))
        peer.wait_alive()
        assert (peer.responses[1].informational, peer.responses[1].status) == (["100"], 0)
        peer.frame(0, 1, 1, b"body")
        assert peer.wait(1).body == b"posted"
        peer.send(peer.headers(3, (*POST, (b"expect", b"miracles")), end=False))
        assert peer.wait(3).status == 417
        peer.send(peer.headers(5, (*POST, expecting, (b"content-length", b"999999")), end=False))
        assert peer.wait(5).status == 413
        assert peer.get(7).status == 200


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        (((b"x-long", b"x" * 20000),), 431),
        (tuple((b"x-%d" % number, b"y" * 400) for number in range(90)), 431),
        (tuple((b"x-%d" % number, b"y") for number in range(120)), 431),
        (((b"x", b"y"),) * 101, 431),
    ],
    ids=["a field", "the list", "their number", "their number of one name"],
)
def test_a_head_beyond_the_limits_is_refused_on_its_stream(
    served: InProcess, fields: tuple[tuple[bytes, bytes], ...], status: int
) -> None:
    with connect(served) as peer:
        block = peer.encoder.encode([*GET, *fields])
        first, *others = [block[start : start + 16384] for start in range(0, len(block), 16384)]
        peer.frame(1, 1 | (0 if others else 4), 1, first)
        for place, piece in enumerate(others, 1):
            peer.frame(9, 4 * (place == len(others)), 1, piece)
        assert peer.wait(1).status == status
        assert peer.get(3).status == 200


def test_a_target_beyond_the_limit_is_refused(served: InProcess) -> None:
    with connect(served) as peer:
        assert peer.get(1, b"/" + b"x" * 9000).status == 414
        assert peer.get(3).status == 200


# Floods: each ends with ENHANCE_YOUR_CALM, and soon.


@pytest.mark.parametrize("attack", FLOODS.values(), ids=FLOODS)
def test_a_flood_ends_the_connection(served: InProcess, attack: Callable[[Any], None]) -> None:
    with connect(served) as peer:
        attack(peer)
        peer.wait_end()
        assert peer.goaway == CALM
    served.wait_until_closed()


@pytest.mark.parametrize(
    "long_list",
    [
        "malformed",
        "beyond the limit of streams",
        "trailers without an end",
        "trailers of a stream that was reset",
    ],
)
def test_long_lists_without_a_response_are_charged_by_their_size(served: InProcess, long_list: str) -> None:
    with connect(served) as peer:
        peer.frame(1, 5, 1, peer.encoder.encode([*GET, (b"a", b"x" * 60)]))
        fields = b"\xbe" * 300  # 29 KB of 300 bytes; at one token for each, the lists would be within the budget
        number = 3
        if long_list == "beyond the limit of streams":
            number = 3 + 2 * 128
            peer.send(*(peer.headers(n, POST, end=False) for n in range(3, number, 2)))
            peer.frame(1, 5, number, peer.encoder.encode([*GET, (b"b", b"x" * 200)]))
            number += 2
        for stream_id in range(number, number + 2 * 100, 2):
            if long_list.startswith("trailers"):
                peer.send(peer.headers(stream_id, POST, end=False))
            if long_list == "trailers of a stream that was reset":
                peer.frame(8, 0, stream_id, bytes(4))
            if long_list == "beyond the limit of streams":
                fields = peer.encoder.encode([*GET, (b"c", b"%d" % stream_id)]) + b"\xbf" * 90
            peer.frame(1, 4 if long_list == "trailers without an end" else 5, stream_id, fields)
        peer.wait_alive()
        assert peer.goaway == CALM


def test_every_cookie_may_be_a_field_of_its_own(served: InProcess) -> None:
    with connect(served) as peer:
        cookies = [(b"cookie", b"%d=x" % number) for number in range(300)]
        assert peer.get(1, b"/small", *cookies).status == 200
        assert odd(served).heads[0].field(b"cookie") == b"; ".join(value for _, value in cookies)


def test_resets_of_deferred_responses_are_charged_more(served: InProcess) -> None:
    odd(served).gate.set()
    path = (*GET[:2], (b":path", b"/gate"), GET[3])
    with connect(served) as peer:
        for start in range(1, 1000, 24):  # at one token each, 500 resets would be within the budget
            numbers = range(start, start + 24, 2)
            peer.send(*(each for n in numbers for each in (peer.headers(n, path), frames.RstStreamFrame(n))))
            peer.wait_alive()
            if peer.closed:
                break
        assert peer.goaway == CALM


def test_a_budget_that_ends_by_a_refused_upload_ends_the_connection(served: InProcess) -> None:
    fields = (*GET, (b"content-length", b"999999999"))
    with connect(served) as peer:
        peer.widens = False  # its updates would be charged
        peer.send_raw(make_frame(6, 1, 0, b"12345678") * 880)
        for start in range(1, 20_000, 40):  # the reset behind each response is charged when the response is sent
            numbers = range(start, start + 40, 2)
            peer.send(*(peer.headers(n, fields, end=False) for n in numbers))
            for number in numbers:
                peer.wait(number)
            if peer.closed:
                break
        assert peer.goaway == CALM


def test_work_that_had_begun_for_a_stream_that_was_reset_is_charged_by_its_time(served: InProcess) -> None:
    with connect(served) as peer:
        for number in range(1, 60, 2):  # 30 resets alone would be within the budget
            peer.ask(number, b"/busy")
            assert odd(served).begun.acquire(timeout=TIMEOUT_S)
            peer.send(frames.RstStreamFrame(number, error_code=CANCEL))
            peer.wait_alive()
            odd(served).gate.set()
            served.wait_until(lambda: served.offload.jobs == 0, "the work has ended")
            odd(served).gate.clear()
            peer.wait_alive()
            if peer.closed:
                break
        peer.wait_end()
        assert peer.goaway == CALM


def test_a_client_that_reads_nothing_makes_the_server_hold_little(served: InProcess) -> None:
    with connect(served) as peer:
        peer.connection.settimeout(0.5)
        request = peer.headers(1).serialize()
        sent = 0
        try:
            for n in range(200_000):
                sent += peer.connection.send(request[:5] + (1 + 2 * n).to_bytes(4, "big") + request[9:])
        except TimeoutError:  # the server has stopped reading
            assert served.ask(lambda: len(served.open_connections())) == 1
        except (BrokenPipeError, ConnectionResetError):  # it stood still for longer than the server discards
            assert served.ask(lambda: len(served.open_connections())) == 0
        else:  # it was fast enough to see that most of these requests are over its limits, and only discards
            assert served.ask(lambda: {each.state for each in served.open_connections()}) <= {LINGERING}


def test_a_download_outlasts_the_budget_for_window_updates(served: InProcess) -> None:
    with connect(served) as peer:
        for number in range(1, 15, 2):
            assert len(peer.get(number, b"/large").body) == LARGE_SIZE  # some 200 frames and 400 updates each


# Heavy work: listings and zips.

HEAVY = (*GET[:2], (b":path", b"/heavy"), GET[3])


def ask_heavy(peer: Any, count: int, first: int = 1) -> range:
    """Ask for heavy work on streams from ``first``, and return their numbers once all requests are read."""
    numbers = range(first, first + 2 * count, 2)
    peer.send(*(peer.headers(number, HEAVY) for number in numbers))
    peer.wait_alive()
    return numbers


def heavy_begun(served: InProcess) -> int:
    return sum(head.target == b"/heavy" for head in odd(served).heads)


@pytest.mark.parametrize("loop", LOOPS)
def test_a_connection_has_little_heavy_work_at_once_and_gets_all_of_it(served: InProcess) -> None:
    with connect(served) as peer:
        numbers = ask_heavy(peer, 100)
        assert (served.ask(lambda: served.offload.jobs), heavy_begun(served)) == (MAX_HEAVY, MAX_HEAVY)
        odd(served).gate.set()
        assert {peer.wait(number).body for number in numbers} == {b"done"}
        assert heavy_begun(served) == 100
        assert peer.get(301).body == b"small"


def test_heavy_work_below_the_limit_holds_up_no_other_request(served: InProcess) -> None:
    with connect(served) as peer:
        numbers = ask_heavy(peer, MAX_HEAVY - 1)
        assert peer.get(101).body == b"small"
        assert peer.get(103, b"/large").body == b"l" * LARGE_SIZE
        odd(served).gate.set()
        assert {peer.wait(number).body for number in numbers} == {b"done"}


@pytest.mark.parametrize("loop", LOOPS)
def test_requests_behind_much_heavy_work_wait_in_order(served: InProcess) -> None:
    with connect(served) as peer:
        peer.ask(1, b"/large")
        numbers = ask_heavy(peer, MAX_HEAVY, 3)
        peer.ask(101, b"/small?first")
        peer.send(peer.headers(103, (*GET[:2], (b":path", b"/small?body"), GET[3]), end=False))
        peer.frame(0, 1, 103, b"body")
        peer.ask(105, b"/small?last")
        assert peer.wait(1).body == b"l" * LARGE_SIZE  # which began before
        assert served.ask(lambda: len(odd(served).heads)) == 1 + MAX_HEAVY
        odd(served).gate.set()
        assert {peer.wait(number).body for number in numbers} == {b"done"}
        assert [peer.wait(number).body for number in (101, 103, 105)] == [b"small"] * 3
        assert [head.target for head in odd(served).heads[-3:]] == [b"/small?first", b"/small?body", b"/small?last"]


def test_a_request_that_waited_and_was_reset_costs_no_work(served: InProcess) -> None:
    with connect(served) as peer:
        numbers = ask_heavy(peer, 100)
        peer.send(*(frames.RstStreamFrame(number, error_code=CANCEL) for number in numbers[MAX_HEAVY:]))
        peer.wait_alive()
        assert not peer.closed  # at the price of begun work they were too many
        odd(served).gate.set()
        assert {peer.wait(number).body for number in numbers[:MAX_HEAVY]} == {b"done"}
        assert peer.get(301).body == b"small"
        assert heavy_begun(served) == MAX_HEAVY


def test_heavy_work_counts_until_it_has_ended_also_if_its_stream_was_reset(served: InProcess) -> None:
    with connect(served) as peer:
        numbers = ask_heavy(peer, 50)
        peer.send(*(frames.RstStreamFrame(number, error_code=CANCEL) for number in numbers))
        later = ask_heavy(peer, 50, 101)
        assert (served.ask(lambda: served.offload.jobs), heavy_begun(served)) == (MAX_HEAVY, MAX_HEAVY)
        odd(served).gate.set()
        assert {peer.wait(number).body for number in later} == {b"done"}
        assert heavy_begun(served) == MAX_HEAVY + 50


def test_a_client_that_ends_its_side_gets_the_responses_that_wait(served: InProcess) -> None:
    with connect(served) as peer:
        peer.widens = False  # it sends nothing more
        numbers = ask_heavy(peer, 50)
        peer.connection.shutdown(socket.SHUT_WR)
        served.ask(served.open_connections)  # it has seen the end
        odd(served).gate.set()
        assert {peer.wait(number).body for number in numbers} == {b"done"}
        peer.wait_end()
    served.wait_until_closed()


def test_a_client_that_leaves_with_requests_that_wait_lets_go_of_them(served: InProcess) -> None:
    with connect(served) as peer:
        ask_heavy(peer, 100)
        peer.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # close() resets
    served.wait_until_closed()
    odd(served).gate.set()
    served.wait_until(lambda: served.offload.jobs == 0, "the work has ended")
    assert heavy_begun(served) == MAX_HEAVY


@pytest.mark.parametrize("config", [Config().replace(write_timeout=0.2)], ids=[""])
def test_requests_that_wait_for_too_long_are_503(served: InProcess) -> None:
    with connect(served) as peer:
        numbers = ask_heavy(peer, 2 * MAX_HEAVY)
        assert {peer.wait(number).status for number in numbers} == {503}
        odd(served).gate.set()
        served.wait_until(lambda: served.offload.jobs == 0, "the work has ended")
        assert peer.get(101).body == b"small"


# Deadlines.


@pytest.mark.parametrize("config", [Config().replace(write_timeout=0.2)], ids=[""])
def test_a_stream_whose_window_stays_shut_is_reset_and_then_the_connection_ends(served: InProcess) -> None:
    with connect(served) as peer:
        peer.widens = False
        peer.ask(1, b"/large")
        assert peer.wait(1).reset == CANCEL
        peer.wait_end()
        assert peer.goaway == CALM


@pytest.mark.parametrize("config", [Config().replace(body_timeout=0.2)], ids=[""])
def test_a_body_that_does_not_come_gets_408(served: InProcess) -> None:
    with connect(served) as peer:
        peer.send(peer.headers(1, POST, end=False))
        assert peer.wait(1).status == 408
        assert peer.get(3).status == 200


@pytest.mark.parametrize("config", [Config().replace(write_timeout=0.2)], ids=[""])
def test_a_deferred_response_that_takes_too_long_is_503(served: InProcess) -> None:
    with connect(served) as peer:
        assert peer.get(1, b"/gate").status == 503
        assert peer.get(3).status == 200


@pytest.mark.parametrize("config", [Config().replace(idle_timeout=0.2)], ids=[""])
def test_an_idle_connection_ends_with_a_last_word(served: InProcess) -> None:
    with connect(served) as peer:
        assert peer.get(1).status == 200
        peer.wait_end()
        assert peer.goaway == NO_ERROR


@pytest.mark.parametrize("config", [Config().replace(head_timeout=0.2)], ids=[""])
@pytest.mark.parametrize("sent", [PREFACE[:20], PREFACE + b"\0\0", PREFACE + make_frame(4, 0, 0, b"") + bytes(12)])
def test_a_part_of_a_head_has_the_head_timeout(served: InProcess, sent: bytes) -> None:
    with connect(served, greet=False) as peer:
        peer.send_raw(sent)
        began_s = time.monotonic()
        peer.wait_end()
        assert time.monotonic() - began_s < 30


# The end.


def test_draining_says_so_and_serves_what_is_on_its_way(served: InProcess) -> None:
    def drain() -> None:
        served.service.drain(0.3, 1.0)
        for connection in served.open_connections():
            connection.drain()

    with connect(served) as peer:
        peer.ask(1, b"/gate")
        peer.wait_alive()
        served.ask(drain)
        while peer.goaway is None:
            peer.read()
        assert peer.get(3).status == 200
        odd(served).gate.set()
        assert peer.wait(1).body == b"opened"
        peer.wait_end()
        assert peer.goaway == NO_ERROR


@pytest.mark.parametrize("deed", ["drain", "leave"])
def test_the_end_of_a_connection_whose_client_has_gone_spares_the_others(served: InProcess, deed: str) -> None:
    with connect(served) as gone, connect(served) as other:
        assert (gone.get(1).status, other.get(1).status) == (200, 200)

        def end_all() -> None:
            gone.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            gone.connection.close()  # here, so that the server has not noticed the reset yet
            for connection in served.open_connections():
                getattr(connection, deed)()

        served.ask(end_all)
        while other.goaway is None:
            other.read()
    until(lambda: not served.open_connections(), "both are closed")


# Beside HTTP/1.


def test_a_connection_may_begin_with_http_1_and_not_change(served: InProcess) -> None:
    with served.connect() as client:
        assert client.request("/").status == 200
        client.connection.sendall(PREFACE)
        assert client.receive().status == 505


@pytest.mark.parametrize("config", [Config().replace(http="1")], ids=[""])
def test_http_1_alone_refuses_the_preface(served: InProcess) -> None:
    with served.connect() as client:
        client.connection.sendall(PREFACE)
        assert client.receive().status == 505
        assert make_request("/")
