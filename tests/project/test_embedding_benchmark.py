"""The benchmark of embedding: it ends, whatever a server does with its connections."""

from __future__ import annotations

import socket

import pytest

from benchmarks.embedding import receive_response


@pytest.mark.parametrize(
    "sent", [b"", b"HTTP/1.1 200 OK\r\nContent-", b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf"]
)
def test_a_connection_that_the_server_closes_is_an_error_and_no_endless_loop(sent: bytes) -> None:
    client, server = socket.socketpair()
    with client:
        server.sendall(sent)
        server.close()
        with pytest.raises(EOFError):
            receive_response(client)
