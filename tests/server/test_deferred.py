"""Responses that wait for a thread: their connection waits, in order; others do not.

The handler belongs to the test. A target selects the response: `/now` at once, `/later` in a thread, `/gate/NAME` in a
thread as soon as the test opens that gate.
"""

from __future__ import annotations

import contextlib
import os
import select
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import pytest
from support.inprocess import SENDING, TIMEOUT_S, WAITING, InProcess, serve_files
from support.rawclient import RawClient, Received, make_request
from support.retrying import retried
from support.serverprocess import LOOPS

from fastfile import application
from fastfile.clock import Clock
from fastfile.config.config import Config
from fastfile.errors import HTTPError
from fastfile.message import Deferred, RequestHead, Response
from fastfile.responder import Responder
from fastfile.server.threads import MAX_JOBS, THREADS
from fastfile.site.representation import NO_CACHE, NO_SNIFFING, make_bodiless, make_response

LARGE = b"large" * 2_000_000  # more than the buffers of both ends
MEDIUM = b"m" * 250_000  # more than a Unix socket takes, and less than a batch of answers
BODIES = {"now": b"now", "medium": MEDIUM, "large": LARGE}
HOST = b"Host: localhost\r\n"
RESET = struct.pack("ii", 1, 0)


class Gates:
    """Gates at which jobs wait; each job that arrives reports it."""

    def __init__(self) -> None:
        self._open: dict[str, threading.Event] = {}
        self._reached: dict[str, threading.Event] = {}

    def __getitem__(self, name: str) -> threading.Event:
        return self._open.setdefault(name, threading.Event())

    def reached(self, name: str) -> threading.Event:
        return self._reached.setdefault(name, threading.Event())

    def pass_through(self, name: str) -> str:
        self.reached(name).set()
        assert self[name].wait(TIMEOUT_S)
        return name


class Odd(Responder):
    """Responds as its targets say; its error pages are those of a real handler."""

    def __init__(self, folder: Path, clock: Clock, log_failure: Callable[[BaseException], None]) -> None:
        self._pages = serve_files(folder, clock, log_failure)
        self.gates = Gates()
        self.finished: list[str] = []  # targets whose finish was called

    def refuse(self, error: HTTPError, head: RequestHead | None) -> Response:
        return self._pages.refuse(error, head)

    def respond(self, head: RequestHead) -> Response | Deferred:
        _, kind, *rest = head.target.decode().split("/")

        def text(content: str) -> Response:
            return self._text(content.encode(), head)

        def finish(future: Future[str]) -> Response | Deferred:
            self.finished.append(head.target.decode())
            if kind == "twice":
                return Deferred(lambda: f"{future.result()} and again", lambda second: text(second.result()))
            if kind == "refused":
                return self.refuse(HTTPError(403, "Not this."), head)
            if kind == "raised":
                raise HTTPError(404, "Not here.")
            if kind == "bug":
                raise RuntimeError("a bug in finish")
            return text(future.result())

        if kind in BODIES:
            return self._text(BODIES[kind], head)
        if kind == "gate":
            return Deferred(lambda: self.gates.pass_through(rest[0]), finish)
        if kind == "fails":
            return Deferred(lambda: 1 // 0, lambda future: text(type(future.exception()).__name__))
        return Deferred(lambda: kind, finish)

    def _text(self, content: bytes, head: RequestHead) -> Response:
        response = make_response(200, (NO_CACHE, (b"Content-Type", b"text/plain"), NO_SNIFFING), content)
        return make_bodiless(response) if head.method == b"HEAD" else response


def open_descriptors() -> int:
    return len(os.listdir("/dev/fd"))


@contextlib.contextmanager
def serve_odd(folder: Path, loop: str, config: Config | None = None) -> Iterator[InProcess]:
    server = InProcess(folder, loop, lambda clock, log: Odd(folder, clock, log), config)
    try:
        yield server
    finally:
        server.stop()


@pytest.fixture(scope="module", params=LOOPS)
def shared(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[InProcess]:
    with serve_odd(tmp_path_factory.mktemp("odd"), request.param) as server:
        yield server


@pytest.fixture
def server(shared: InProcess) -> Iterator[InProcess]:
    """One server for many tests: each leaves no connection, no descriptor, no job and no failure."""
    shared.log_lines()
    before = open_descriptors()
    yield shared
    shared.wait_until_closed()
    shared.wait_until(lambda: shared.offload.jobs == 0, "no job is left")
    assert shared.failures == []
    assert open_descriptors() <= before


def later(*fields: bytes, method: bytes = b"GET", target: bytes = b"/later", version: bytes = b"1.1") -> bytes:
    lines = b"".join(field + b"\r\n" for field in fields)
    return b"%b %b HTTP/%b\r\n%b%b\r\n" % (method, target, version, HOST, lines)


NOW = later(target=b"/now")

ROWS = [
    pytest.param(later(), "200", id="alone"),
    pytest.param(NOW + later() + NOW, "200 200 200", id="in the middle of a pipeline"),
    pytest.param(later() * 5, "200 200 200 200 200", id="five in a row"),
    pytest.param(later(target=b"/twice") + NOW, "200 200", id="deferred twice"),
    pytest.param(later(target=b"/refused") + NOW, "403 200", id="an error page"),
    pytest.param(later(target=b"/raised") + NOW, "404 200", id="an HTTPError that finish raises"),
    pytest.param(later(target=b"/fails") + NOW, "200 200", id="an exception of the job reaches finish"),
    pytest.param(later(method=b"HEAD") + later() + later(method=b"HEAD"), "H200 200 H200", id="HEAD has no body"),
    pytest.param(later(method=b"HEAD", target=b"/raised") + NOW, "H404 200", id="HEAD of an error has no body"),
    pytest.param(NOW + later(b"Connection: close") + NOW, "200 200 close", id="Connection: close ends the pipeline"),
    pytest.param(later(version=b"1.0"), "200 close", id="HTTP/1.0"),
    pytest.param(later(b"Connection: keep-alive", version=b"1.0") + NOW, "200 200", id="HTTP/1.0 that keeps alive"),
    pytest.param(later() + b"nonsense\r\n\r\n", "200 400 close", id="nonsense behind it is answered in its turn"),
    pytest.param(later(b"Content-Length: 5") + b"hello" + NOW, "200 200", id="after a body"),
    pytest.param(
        later(b"Transfer-Encoding: chunked") + b"3\r\nabc\r\n0\r\n\r\n" + NOW, "200 200", id="after a chunked body"
    ),
    pytest.param(
        later(b"Content-Length: 5", b"Expect: 100-continue") + b"hello" + NOW,
        "200 200",
        id="after a body not waited for",
    ),
    pytest.param(later(b"Content-Length: 300000"), "413 close", id="a body that is too large"),
    pytest.param(later(b"Content-Length: 300000", target=b"/refused"), "403 close", id="too large, and refused anyway"),
    pytest.param(later(b"Expect: 200-ok") + later(), "417 200", id="an expectation that nobody knows"),
]


@pytest.mark.parametrize(("wire", "expected"), ROWS)
def test_it_is_answered_in_its_turn(server: InProcess, wire: bytes, expected: str) -> None:
    with server.connect() as client:
        client.connection.sendall(wire)
        whole = receive_all(client, expected)
    for cut in range(1, len(wire)):
        with server.connect_to_unix_socket() as client:
            client.connection.sendall(wire[:cut])
            if b"Expect" not in wire:  # a body without Expect gets no 100
                client.wait_until_read()
            with contextlib.suppress(BrokenPipeError):  # it may be refused before it was all sent
                client.connection.sendall(wire[cut:])
            assert receive_all(client, expected) == whole, f"cut at {cut}"


def receive_all(client: RawClient, expected: str) -> list[bytes]:
    received = []
    statuses = expected.split()
    for answer in statuses:
        if answer == "close":
            assert client.at_end()
            assert received[-1].fields["connection"] == "close"
            break
        method = "HEAD" if answer.startswith("H") else "GET"
        response = receive_final(client, method)
        assert response.status == int(answer.removeprefix("H"))
        received.append(response)
    else:
        assert client.request("/now").body == b"now"
    return [response.body for response in received]


def receive_final(client: RawClient, method: str) -> Received:
    response = client.receive(method)
    return client.receive(method) if response.status == 100 else response


def test_what_comes_before_it_is_sent_while_it_is_awaited(server: InProcess) -> None:
    with server.connect() as client:
        client.connection.sendall(make_request("/now") + make_request("/gate/before") + make_request("/now"))
        assert client.receive().body == b"now"
        assert select.select([client.connection], [], [], 0)[0] == []
        server.handler.gates["before"].set()
        assert [client.receive().body, client.receive().body] == [b"before", b"now"]


def test_a_large_response_before_it_is_whole_when_the_job_ends_first(server: InProcess) -> None:
    with server.connect_to_unix_socket() as client:
        client.connection.sendall(make_request("/medium") + make_request("/gate/large") + make_request("/later"))
        assert server.handler.gates.reached("large").wait(TIMEOUT_S)
        assert list(server.connections().values()) == [SENDING]
        server.handler.gates["large"].set()
        server.wait_until(lambda: "/gate/large" in server.handler.finished, "the job is done")
        assert [client.receive().body for _ in range(3)] == [MEDIUM, b"large", b"later"]


def test_a_large_response_before_it_is_whole_when_the_job_ends_last(server: InProcess) -> None:
    with server.connect() as client:
        client.connection.sendall(make_request("/large") + make_request("/gate/last") + make_request("/later"))
        assert client.receive().body == LARGE
        server.wait_until(lambda: list(server.states()) == [WAITING], "it waits for the job alone")
        server.handler.gates["last"].set()
        assert [client.receive().body for _ in range(2)] == [b"last", b"later"]


def test_a_deferred_response_may_itself_be_large(server: InProcess) -> None:
    with server.connect() as client:
        client.connection.sendall(make_request("/gate/own") + make_request("/large") + make_request("/later"))
        server.handler.gates["own"].set()
        assert [client.receive().body for _ in range(3)] == [b"own", LARGE, b"later"]


def test_others_are_served_while_one_waits(server: InProcess) -> None:
    with server.connect() as waiting, server.connect() as other:
        waiting.send("/gate/others")
        assert server.handler.gates.reached("others").wait(TIMEOUT_S)
        assert [other.request("/now").body for _ in range(3)] == [b"now"] * 3
        assert other.request("/later").body == b"later"
        server.handler.gates["others"].set()
        assert waiting.receive().body == b"others"


def test_while_it_waits_what_arrives_costs_nothing(server: InProcess) -> None:
    """It is level-triggered: a socket that is watched and not read would wake the loop again and again."""
    with server.connect() as waiting, server.connect() as other:
        waiting.send("/gate/calm")
        assert server.handler.gates.reached("calm").wait(TIMEOUT_S)
        waiting.connection.sendall(make_request("/now") * 100)
        other.request("/now")
        before = server.ask(lambda: server.clock.batch_number)
        for _ in range(200):
            other.request("/now")
        passes = server.ask(lambda: server.clock.batch_number) - before
        assert passes < 2 * 200 + 100  # one for each request, and the ticks
        server.handler.gates["calm"].set()
        assert [waiting.receive().body for _ in range(101)] == [b"calm"] + [b"now"] * 100


def test_many_connections_wait_at_once(server: InProcess) -> None:
    with contextlib.ExitStack() as stack:
        clients = [stack.enter_context(server.connect()) for _ in range(MAX_JOBS)]
        for client in clients:
            client.send("/gate/many")
            client.send("/now")
        server.wait_until(lambda: server.offload.jobs == MAX_JOBS, "all wait")
        with server.connect() as late:
            response = late.request("/gate/many")
            assert (response.status, response.fields["retry-after"]) == (503, "1")
            assert late.request("/gate/many", "HEAD").status == 503
            assert late.request("/now").body == b"now"
            late.send("/gate/many", "GET", "Content-Length: 4", "Expect: 100-continue")
            assert late.receive().status == 503
            assert late.at_end()
        server.handler.gates["many"].set()
        assert [client.receive().body for client in clients] == [b"many"] * MAX_JOBS
        assert [client.receive().body for client in clients] == [b"now"] * MAX_JOBS


def test_a_long_pipeline_of_them_is_answered(server: InProcess) -> None:
    with server.connect() as client:
        client.connection.sendall(make_request("/later") * 500)
        assert [client.receive().body for _ in range(500)] == [b"later"] * 500


# How a client leaves: closing with unread data is a reset too.
def reset(client: RawClient) -> None:
    client.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
    client.connection.close()


def test_a_client_that_resets_is_let_go_at_once_and_its_result_is_dropped(server: InProcess) -> None:
    other = server.connect()
    with other:
        client = server.connect()
        client.send("/gate/reset")
        assert server.handler.gates.reached("reset").wait(TIMEOUT_S)
        (waiting,) = [fd for fd, state in server.connections().items() if state == WAITING]
        reset(client)
        server.wait_until(lambda: WAITING not in server.states(), "it is closed")
        # The next client gets the same descriptor number for another purpose.
        with server.connect() as successor:
            successor.send("/gate/successor")
            assert server.handler.gates.reached("successor").wait(TIMEOUT_S)
            assert server.connections()[waiting] == WAITING
            server.handler.gates["reset"].set()
            server.wait_until(lambda: server.offload.jobs == 1, "the stale job is reported")
            assert "/gate/reset" not in server.handler.finished
            server.handler.gates["successor"].set()
            assert successor.receive().body == b"successor"


def test_a_unix_client_that_closes_is_let_go_at_once(server: InProcess) -> None:
    client = server.connect_to_unix_socket()
    client.send("/gate/unix")
    assert server.handler.gates.reached("unix").wait(TIMEOUT_S)
    client.connection.close()
    server.wait_until_closed()
    server.handler.gates["unix"].set()


@pytest.mark.parametrize("connect", ["connect", "connect_to_unix_socket"])
def test_a_client_that_has_sent_all_still_gets_its_response(server: InProcess, connect: str) -> None:
    with getattr(server, connect)() as client:
        client.send(f"/gate/{connect}")
        client.connection.shutdown(socket.SHUT_WR)
        assert server.handler.gates.reached(connect).wait(TIMEOUT_S)
        server.ask(lambda: None)
        server.handler.gates[connect].set()
        assert client.receive().body == connect.encode()
        assert client.at_end()


def test_jobs_of_clients_that_have_gone_are_not_begun(server: InProcess) -> None:
    with contextlib.ExitStack() as stack:
        busy = [stack.enter_context(server.connect()) for _ in range(THREADS)]
        for client in busy:
            client.send("/gate/busy")
        server.wait_until(lambda: server.offload.jobs == THREADS, "all threads are at it")
        gone = server.connect()
        gone.send("/gate/gone")
        server.wait_until(lambda: server.offload.jobs == THREADS + 1, "one more waits")
        reset(gone)
        server.wait_until(lambda: len(server.states()) == THREADS, "it is closed")
        server.handler.gates["busy"].set()
        assert [client.receive().body for client in busy] == [b"busy"] * THREADS
        server.wait_until(lambda: server.offload.jobs == 0, "all is done")
        assert not server.handler.gates.reached("gone").is_set()


@pytest.mark.parametrize(("target", "status"), [("/gate/expect", 100), ("/refused", 403)])
def test_100_continue_is_sent_when_the_response_is_known(server: InProcess, target: str, status: int) -> None:
    with server.connect() as client:
        client.send(target, "GET", "Content-Length: 4", "Expect: 100-continue")
        if status == 100:
            assert server.handler.gates.reached("expect").wait(TIMEOUT_S)
            assert select.select([client.connection], [], [], 0)[0] == []
            server.handler.gates["expect"].set()
        assert client.receive().status == status
        if status == 100:
            client.connection.sendall(b"body" + make_request("/later"))
            assert [client.receive().body for _ in range(2)] == [b"expect", b"later"]
        else:
            assert client.at_end()


def test_the_body_that_comes_while_its_refusal_is_awaited_is_read(server: InProcess) -> None:
    with server.connect() as client:
        client.send("/gate/impatient", "GET", "Content-Length: 4", "Expect: 100-continue")
        assert server.handler.gates.reached("impatient").wait(TIMEOUT_S)
        client.connection.sendall(b"body" + make_request("/now"))
        server.handler.gates["impatient"].set()
        assert [client.receive().status for _ in range(3)] == [100, 200, 200]


def test_a_bug_in_finish_ends_the_connection_and_is_reported(server: InProcess) -> None:
    with server.connect() as client:
        client.send("/bug")
        assert client.connection.recv(1) == b""
    server.wait_until(lambda: bool(server.failures), "it is reported")
    assert [str(failure) for failure in server.failures] == ["a bug in finish"]
    server.failures.clear()


def test_it_is_logged_and_measured_with_the_time_that_it_took(server: InProcess) -> None:
    counted = server.ask(lambda: list(server.counts))
    with server.connect() as client:
        client.connection.sendall(make_request("/now") + make_request("/gate/log") + make_request("/now"))
        assert client.receive().body == b"now"
        before = server.ask(lambda: server.clock.monotonic_s)
        server.wait_until(lambda: server.clock.monotonic_s > before + 0.05, "time goes by")
        server.handler.gates["log"].set()
        assert [client.receive().body for _ in range(2)] == [b"log", b"now"]
        lines = server.log_lines()
    assert [(line["target"], line["status"], line["size"]) for line in lines] == [
        ("/now", 200, 3),
        ("/gate/log", 200, 3),
        ("/now", 200, 3),
    ]
    assert lines[0]["seconds"] < lines[1]["seconds"]
    assert lines[1]["seconds"] >= 0.05
    now = server.ask(lambda: list(server.counts))
    assert now[1] - counted[1] == 3  # GET, 2xx
    assert sum(now[20:28]) - sum(counted[20:28]) == 3
    assert now[28] - counted[28] >= 50_000  # microseconds


@retried
def test_a_job_that_takes_too_long_is_given_up(tmp_path: Path) -> None:
    with serve_odd(tmp_path, LOOPS[0], Config(write_timeout=0.2)) as server, server.connect() as client:
        client.connection.sendall(make_request("/gate/slow", "HEAD") + make_request("/now"))
        response = client.receive("HEAD")
        assert (response.status, response.fields["retry-after"]) == (503, "1")
        assert client.receive().body == b"now"
        client.send("/gate/other")
        assert server.handler.gates.reached("other").wait(TIMEOUT_S)
        server.handler.gates["slow"].set()
        server.wait_until(lambda: server.offload.jobs == 1, "the late result is reported")
        assert server.handler.finished == []
        server.handler.gates["other"].set()
        assert client.receive().body == b"other"


def test_a_draining_server_answers_what_it_has_begun(tmp_path: Path) -> None:
    with serve_odd(tmp_path, LOOPS[0]) as server, server.connect() as client:
        client.connection.sendall(make_request("/gate/drain") + make_request("/now"))
        assert server.handler.gates.reached("drain").wait(TIMEOUT_S)
        server.ask(lambda: server.service.drain(1.0, 1.0))
        assert not server.ask(lambda: any(one.is_quiet(True) for one in server.open_connections()))
        server.handler.gates["drain"].set()
        response = client.receive()
        assert (response.body, response.fields["connection"]) == (b"drain", "close")
        assert client.at_end()


class DeferringSite:
    """Stands in for what a real handler looks files up in: everything is found later, or fails later."""

    def __init__(self, real: Callable[..., Any], *arguments: Any) -> None:
        self._real = real(*arguments)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)

    def find(self, target: Any, head: RequestHead) -> Deferred:
        outcome = target.path.decode()

        def finish(future: Future[str]) -> Any:
            if outcome == "again":
                target_again = type(target)(b"index.html", *target[1:])
                return Deferred(future.result, lambda _: self.find(target_again, head))
            if future.result() == "missing":
                raise FileNotFoundError(2, "missing")
            if outcome == "teapot":
                raise HTTPError(403, "No.")
            return make_response(200, (NO_CACHE, (b"Content-Type", b"text/plain"), NO_SNIFFING), outcome.encode())

        def work() -> str:
            return str(1 // 0) if outcome == "bug" else outcome

        return Deferred(work, finish)


@pytest.mark.parametrize(
    ("target", "status"), [("index.html", 200), ("again", 200), ("missing", 404), ("teapot", 403), ("bug", 500)]
)
def test_the_real_handler_takes_the_same_care_of_a_deferred_response(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, target: str, status: int
) -> None:
    real = application.make_site
    monkeypatch.setattr(application, "make_site", lambda *arguments: DeferringSite(real, *arguments))
    server = InProcess(tmp_path, LOOPS[0], lambda clock, log_failure: serve_files(tmp_path, clock, log_failure))
    try:
        with server.connect() as client:
            whole = client.request(f"/{target}")
            assert whole.status == status
            assert client.request(f"/{target}", "HEAD").lasting() == whole.lasting()
    finally:
        server.stop()
    assert [type(failure) for failure in server.failures] == [ZeroDivisionError] * (2 if status == 500 else 0)
