"""A request carries the address of its client."""

from __future__ import annotations

import contextlib
from pathlib import Path

import pytest
from support.inprocess import InProcess
from support.serverprocess import LOOPS

from fastfile.errors import HTTPError
from fastfile.message import RequestHead, Response
from fastfile.responder import Responder
from fastfile.site.representation import make_response

FIELDS = (
    (b"Content-Type", b"text/plain"),
    (b"Cache-Control", b"no-store"),
    (b"X-Content-Type-Options", b"nosniff"),
)


class Echo(Responder):
    """Responds with the address of the client."""

    def respond(self, head: RequestHead) -> Response:
        return make_response(200, FIELDS, head.peer or b"none")

    def refuse(self, error: HTTPError, head: RequestHead | None) -> Response:
        return make_response(error.status, (), b"")


@pytest.mark.parametrize("loop", LOOPS)
def test_a_handler_sees_the_address_of_the_client(tmp_path: Path, loop: str) -> None:
    server = InProcess(tmp_path, loop, lambda clock, log_failure: Echo())
    try:
        with server.connect() as client:
            for _ in range(2):
                assert client.request("/").body == bytes([127, 0, 0, 1])
            client.connection.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\n\r\n1")
            assert client.receive().body == bytes([127, 0, 0, 1])
        with contextlib.closing(server.connect_to_unix_socket().connection) as connection:
            connection.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            assert connection.recv(4096).endswith(b"\r\n\r\nnone")
    finally:
        server.stop()
