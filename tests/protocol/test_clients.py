"""Responses, read by other projects' clients: h11 in its strict client mode, and httptools."""

from __future__ import annotations

import gzip
import os
import socket
from collections.abc import Iterator
from typing import NamedTuple

import h11
import httptools
import pytest
from support.serverprocess import ONE_LOOP, ServerProcess

BIG = bytes(range(256)) * 4096
PAGE = b"<!doctype html><title>home</title>" * 100


@pytest.fixture(scope="module", params=ONE_LOOP)
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    root = tmp_path_factory.mktemp("clients")
    (root / "page.html").write_bytes(PAGE)
    (root / "page.html.gz").write_bytes(gzip.compress(PAGE))
    (root / "big.bin").write_bytes(BIG)
    (root / "empty.txt").write_bytes(b"")
    (root / "folder").mkdir()
    os.utime(root / "big.bin", (1_600_000_000, 1_600_000_000))
    with ServerProcess(["--loop", request.param, str(root)]) as running:
        yield running


class Question(NamedTuple):
    method: str
    target: str
    fields: tuple[tuple[str, str], ...]
    status: int
    body: bytes | None = None  # None: not checked

    def wire(self) -> bytes:
        lines = [f"{self.method} {self.target} HTTP/1.1", "Host: localhost", *map(": ".join, self.fields), "", ""]
        return "\r\n".join(lines).encode()


DATE = ("If-Modified-Since", "Sun, 13 Sep 2020 12:26:40 GMT")
QUESTIONS = [
    pytest.param(Question("GET", "/page.html", (), 200, PAGE), id="a file"),
    pytest.param(Question("HEAD", "/page.html", (), 200, b""), id="HEAD"),
    pytest.param(Question("GET", "/big.bin", (), 200, BIG), id="a large file"),
    pytest.param(Question("GET", "/empty.txt", (), 200, b""), id="an empty file"),
    pytest.param(Question("GET", "/folder/", (), 200), id="a listing"),
    pytest.param(Question("GET", "/folder", (), 301), id="a redirect"),
    pytest.param(Question("HEAD", "/folder", (), 301, b""), id="HEAD of a redirect"),
    pytest.param(Question("GET", "/missing", (), 404), id="an error"),
    pytest.param(Question("HEAD", "/missing", (), 404, b""), id="HEAD of an error"),
    pytest.param(Question("GET", "/big.bin", (DATE,), 304, b""), id="304"),
    pytest.param(Question("HEAD", "/big.bin", (DATE,), 304, b""), id="304 of HEAD"),
    pytest.param(Question("GET", "/big.bin", (("Range", "bytes=5-9"),), 206, BIG[5:10]), id="a range"),
    pytest.param(Question("GET", "/big.bin", (("Range", "bytes=5-9,20-29"),), 206), id="two ranges"),
    pytest.param(Question("GET", "/big.bin", (("Range", "bytes=9999999-"),), 416), id="an unsatisfied range"),
    pytest.param(Question("OPTIONS", "*", (), 204, b""), id="OPTIONS *"),
    pytest.param(Question("POST", "/page.html", (("Content-Length", "0"),), 405), id="405"),
    pytest.param(Question("FROB", "/page.html", (), 501), id="501"),
]


@pytest.mark.parametrize("question", QUESTIONS)
def test_h11_reads_a_response_and_goes_on(server: ServerProcess, question: Question) -> None:
    machine = h11.Connection(h11.CLIENT)
    with server.connect() as connection:
        for asked in (question, Question("GET", "/page.html", (), 200, PAGE)):
            request = h11.Request(
                method=asked.method, target=asked.target, headers=[("Host", "localhost"), *asked.fields]
            )
            connection.sendall(machine.send(request))
            connection.sendall(machine.send(h11.EndOfMessage()))
            status, body = read_with_h11(machine, connection)
            assert status == asked.status
            assert asked.body is None or body == asked.body
            assert machine.trailing_data == (b"", False)
            machine.start_next_cycle()  # raises if the connection cannot be used again


def read_with_h11(machine: h11.Connection, connection: socket.socket) -> tuple[int, bytes]:
    status, body = 0, b""
    while not isinstance(event := machine.next_event(), h11.EndOfMessage):
        if event is h11.NEED_DATA:
            machine.receive_data(connection.recv(65536))
        elif isinstance(event, h11.Response):
            status = event.status_code
        elif isinstance(event, h11.Data):
            body += bytes(event.data)
    return status, body


class Reader:
    """What httptools calls back."""

    def __init__(self) -> None:
        self.body = b""
        self.complete = 0
        self.parser = httptools.HttpResponseParser(self)
        self.persists = False

    def on_headers_complete(self) -> None:
        self.persists = self.parser.should_keep_alive()

    def on_body(self, body: bytes) -> None:
        self.body += body

    def on_message_complete(self) -> None:
        self.complete += 1


@pytest.mark.parametrize("question", [row for row in QUESTIONS if row.values[0].method != "HEAD"])
def test_httptools_reads_a_response(server: ServerProcess, question: Question) -> None:
    """llhttp is not told the method, so HEAD cannot be read by it."""
    reader = Reader()
    with server.connect() as connection:
        connection.sendall(question.wire())
        while not reader.complete:
            reader.parser.feed_data(connection.recv(65536))
    assert reader.parser.get_status_code() == question.status
    assert reader.persists
    assert question.body is None or reader.body == question.body
