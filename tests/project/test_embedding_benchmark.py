"""The benchmark of embedding: it ends, whatever a server does with its connections."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from benchmarks.embedding import receive_response, running


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


def test_a_server_that_does_not_start_is_named_with_its_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "uvicorn.py").write_text("raise ImportError('no such loop')")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    with (
        pytest.raises(SystemExit, match=r"^uvicorn does not start: ImportError: no such loop$"),
        running("uvicorn", tmp_path),
    ):
        pass
