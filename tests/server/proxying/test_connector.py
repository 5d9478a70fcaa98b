"""The helper that connects: its answers, its failures, and what a worker does when it is gone."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Iterator
from functools import partial

import pytest
from support.upstream import RawUpstream, respond_with

from fastfile.config.proxy_values import Upstream, parse_upstream
from fastfile.server.proxying.connector import ANSWER, Connector, describe, serve_requests

TIMEOUT_S = 60


class Worker:
    """A worker's end, and a thread in place of the helper process."""

    def __init__(self, upstreams: list[Upstream]) -> None:
        self.ours, its = socket.socketpair()
        self.its = its

        def serve() -> None:
            with its:
                asyncio.run(serve_requests(its, upstreams))

        self.thread = threading.Thread(target=serve)
        self.thread.start()

    def ask(self, *indices: int) -> list[socket.socket | str]:
        """Ask for connections, all at once, and return the answers in their order."""

        async def run() -> list[socket.socket | str]:
            loop = asyncio.get_running_loop()
            lost = loop.create_future()
            connector = Connector(self.ours, loop, lambda: lost.set_result(None))
            answers = [loop.create_future() for _ in indices]
            for index, answer in zip(indices, answers, strict=True):
                connector.connect(index, answer.set_result, partial(tell, answer))
            try:
                return await asyncio.wait_for(asyncio.gather(*answers), TIMEOUT_S)
            finally:
                connector.close()

        return asyncio.run(run())


def tell(answer: asyncio.Future[object], code: int, text: str) -> None:
    answer.set_result(describe(code, text))


@pytest.fixture
def upstream() -> Iterator[RawUpstream]:
    with RawUpstream(respond_with(b"")) as running:
        yield running


@pytest.fixture
def worker(upstream: RawUpstream) -> Iterator[Worker]:
    urls = (f"/a={upstream.url}", "/b=http://127.0.0.1:1", "/c=http://no-such-name.invalid", "/d=unix:/no/such.sock")
    running = Worker([parse_upstream(url) for url in urls])
    yield running
    running.ours.close()
    running.thread.join(TIMEOUT_S)
    assert not running.thread.is_alive()


def test_answers_belong_to_their_requests(worker: Worker, upstream: RawUpstream) -> None:
    answers = worker.ask(1, 0, 3, 0, 2)
    for place in (1, 3):
        connected = answers[place]
        assert isinstance(connected, socket.socket)
        with connected:
            assert connected.getpeername()[1] == upstream.port
            assert not connected.getblocking()
    assert answers[0] == "refuses connections: is it running?"
    assert answers[2] == "has no socket at that path: is it running?"
    assert "does not resolve" in str(answers[4])


def test_an_index_that_was_not_named_gets_nothing(worker: Worker) -> None:
    worker.ours.send(b"\0\0\0\1\0\0\0\7")
    answers = worker.ask(1)
    assert answers == ["refuses connections: is it running?"]


def test_a_worker_without_descriptors_says_so() -> None:
    ours, its = socket.socketpair()

    async def run() -> str:
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[object] = loop.create_future()
        connector = Connector(ours, loop, lambda: None)
        number = connector.connect(0, answer.set_result, partial(tell, answer))
        its.send(ANSWER.pack(number, 0, b""))  # the kernel dropped the descriptor that came with it
        try:
            return str(await asyncio.wait_for(answer, TIMEOUT_S))
        finally:
            connector.close()

    with ours, its:
        assert "no descriptors left" in asyncio.run(run())


def test_requests_fail_when_the_helper_has_gone(worker: Worker) -> None:
    worker.its.shutdown(socket.SHUT_RDWR)
    assert "helper process does not respond" in str(worker.ask(0)[0])
