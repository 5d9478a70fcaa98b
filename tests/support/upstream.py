"""An upstream on a raw socket, in this process: it does what a test says, however wrong."""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
from collections.abc import Callable
from types import TracebackType

TIMEOUT_S = 60
RESET = struct.pack("ii", 1, 0)


class Visit:
    """One connection to the upstream."""

    def __init__(self, connection: socket.socket) -> None:
        self.connection = connection
        self.head = b""
        self._unread = b""

    def read_head(self) -> bytes:
        """Read the head of a request; b"" if the connection was closed before."""
        while b"\r\n\r\n" not in self._unread:
            data = self.connection.recv(65536)
            if not data:
                return b""
            self._unread += data
        head, _, self._unread = self._unread.partition(b"\r\n\r\n")
        self.head = head + b"\r\n\r\n"
        return self.head

    def read_exactly(self, size: int) -> bytes:
        """Read content."""
        while len(self._unread) < size:
            data = self.connection.recv(65536)
            assert data, f"closed after {len(self._unread)} of {size} bytes"
            self._unread += data
        content, self._unread = self._unread[:size], self._unread[size:]
        return content

    def read_until(self, end: bytes) -> bytes:
        while end not in self._unread:
            data = self.connection.recv(65536)
            assert data, f"closed after {self._unread!r}"
            self._unread += data
        before, _, self._unread = self._unread.partition(end)
        return before + end

    def is_closed(self) -> bool:
        """Wait for the other side to close, whatever it sends before."""
        try:
            while self.connection.recv(65536):
                pass
        except ConnectionResetError:
            pass
        return True

    def send(self, data: bytes) -> None:
        self.connection.sendall(data)

    def reset(self) -> None:
        """Close with RST."""
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        self.connection.close()

    def fields(self, name: str) -> list[str]:
        """Return the values of a field of the request."""
        pairs = (line.partition(":") for line in self.head.decode("latin-1").split("\r\n")[1:])
        return [value.strip() for key, _, value in pairs if key.lower() == name.lower()]


class RawUpstream:
    """Calls ``serve`` with each connection, in a thread of its own. ``failures`` are its exceptions."""

    def __init__(self, serve: Callable[[Visit], None], path: str = "", port: int = 0) -> None:
        self._serve = serve
        self.failures: list[BaseException] = []
        self.visits: list[Visit] = []
        self.heads: list[bytes] = []
        if path:
            self._listening = socket.socket(socket.AF_UNIX)
            self._listening.bind(path)
            self._listening.listen(100)
            self.port = 0
        else:
            self._listening = socket.create_server(("127.0.0.1", port), backlog=100)
            self.port = self._listening.getsockname()[1]
        self._threads = [threading.Thread(target=self._accept)]
        self._threads[0].start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listening.accept()
            except OSError:
                return
            connection.settimeout(TIMEOUT_S)
            visit = Visit(connection)
            self.visits.append(visit)
            thread = threading.Thread(target=self._run, args=(visit,))
            self._threads.append(thread)
            thread.start()

    def _run(self, visit: Visit) -> None:
        with visit.connection:
            try:
                self._serve(visit)
            except BaseException as error:
                self.failures.append(error)

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()
        for visit in list(self.visits):
            with contextlib.suppress(OSError):
                visit.connection.shutdown(socket.SHUT_RDWR)
        for thread in list(self._threads):
            thread.join(TIMEOUT_S)
            assert not thread.is_alive()

    def __enter__(self) -> RawUpstream:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()
        if kind is None:
            assert not self.failures, self.failures


def respond_with(wire: bytes) -> Callable[[Visit], None]:
    """Return an upstream that reads a head, sends these bytes, and closes."""

    def serve(visit: Visit) -> None:
        if visit.read_head():
            visit.send(wire)
            with contextlib.suppress(OSError):
                visit.connection.shutdown(socket.SHUT_WR)
            # So that unread content does not make the close a reset.
            while visit.connection.recv(65536):
                pass

    return serve
