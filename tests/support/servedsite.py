"""One folder served twice: on a TCP port, and on a Unix socket, where a client can see what the server has read."""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import Iterator
from pathlib import Path

from support.rawclient import RawClient
from support.serverprocess import TIMEOUT_S, ServerProcess

PROBE = b"what the next request gets"


class ServedSite:
    """The folder ``root``, its server on TCP, and the path of the socket of the other."""

    def __init__(self, root: Path, server: ServerProcess, socket_path: str) -> None:
        self.root = root
        self.server = server
        self._socket_path = socket_path

    def connect(self) -> RawClient:
        return RawClient(self.server.connect())

    def connect_to_unix_socket(self) -> RawClient:
        connection = socket.socket(socket.AF_UNIX)
        connection.settimeout(TIMEOUT_S)
        connection.connect(self._socket_path)
        return RawClient(connection)

    def is_alive(self, client: RawClient) -> bool:
        """Tell whether the connection accepts another request and responds correctly."""
        response = client.request("/probe.txt")
        return (response.status, response.body) == (200, PROBE)


@contextlib.contextmanager
def serve_twice(root: Path, loop: str, *args: str) -> Iterator[ServedSite]:
    """Serve a folder with one event loop; a file /probe.txt is added to it.

    The server on TCP sends small files from memory, the other sends all with sendfile: their responses must be the
    same.
    """
    (root / "probe.txt").write_bytes(PROBE)
    path = os.path.join(root.parent, "socket")
    # With an allowed host, the server shows no hints on its 404 pages, as on a Unix socket.
    options = ["--loop", loop, "--allowed-host", "localhost", *args, str(root)]
    with ServerProcess(options) as server, ServerProcess(["--bind", f"unix:{path}", "--small-file", "0", *options]):
        yield ServedSite(root, server, path)
