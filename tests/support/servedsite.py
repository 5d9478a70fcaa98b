"""One folder served twice: on a TCP port, and on a Unix socket, where a client can see what the server has read."""

from __future__ import annotations

import contextlib
import os
import socket
import ssl
from collections.abc import Iterator
from pathlib import Path

from support.rawclient import RawClient
from support.serverprocess import LOOPS, TIMEOUT_S, ServerProcess

TLS = "TLS"  # beside the loops: with the first of them, over HTTPS
PROBE = b"what the next request gets"


class ServedSite:
    """The folder ``root``, its server on TCP, and the path of the socket of the other."""

    def __init__(
        self, root: Path, server: ServerProcess, socket_path: str, context: ssl.SSLContext | None = None
    ) -> None:
        self._context = context  # of clients on TCP, where it speaks TLS
        self.root = root
        self.server = server
        self._socket_path = socket_path

    def connect(self) -> RawClient:
        return self.begin(self.server.connect())

    @property
    def is_secure(self) -> bool:
        return self._context is not None

    def begin(self, connection: socket.socket) -> RawClient:
        """Return the client of a connection to the TCP port."""
        if self._context is None:
            return RawClient(connection)
        # The end of a stream without close_notify raises SSLEOFError.
        return RawClient(self._context.wrap_socket(connection, server_hostname="localhost", suppress_ragged_eofs=False))

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
    same. ``loop`` may be TLS: then the one on TCP speaks HTTPS.
    """
    secure: list[str] = []
    context = None
    if loop == TLS:
        from support.certificates import make_pair

        pair = make_pair(root.parent)
        secure, context, loop = pair.options(), pair.client(), LOOPS[0]
    (root / "probe.txt").write_bytes(PROBE)
    path = os.path.join(root.parent, "socket")
    # With an allowed host, the server shows no hints on its 404 pages, as on a Unix socket.
    options = ["--loop", loop, "--allowed-host", "localhost", *args, str(root)]
    other = ["--bind", f"unix:{path}", "--small-file", "0", *options]
    with ServerProcess([*secure, *options]) as server, ServerProcess(other):
        yield ServedSite(root, server, path, context)
