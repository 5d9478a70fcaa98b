"""Waiting for a server's actions, and load during them."""

from __future__ import annotations

import os
import select
import socket
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from support.rawclient import RawClient
from support.serverprocess import TIMEOUT_S, ServerProcess

T = TypeVar("T")


SMALL = b"<h1>home</h1>"
IDLE_S = 0.5  # a worker that is replaced closes connections that are idle for 0.7 s


def until(condition: Callable[[], T], what: str, timeout_s: float = TIMEOUT_S) -> T:
    """Poll for a state without an event, such as another process's, and return it."""
    deadline_s = time.monotonic() + timeout_s
    while not (seen := condition()):
        assert time.monotonic() < deadline_s, what
        select.select([], [], [], 0.01)
    return seen


def descriptors(pid: int) -> int:
    """Return how many descriptors a process has, but for the up to 32 folders that a worker holds open."""
    paths = [f"/proc/{pid}/fd/{fd}" for fd in os.listdir(f"/proc/{pid}/fd")]
    return len(paths) - min(32, sum(map(os.path.isdir, paths)))


def ask(server: ServerProcess) -> int:
    with RawClient(server.connect()) as client:
        return client.request("/").status


class IdleTooLong(Exception):
    """The server may have closed the connection."""


class Load:
    """Clients in threads: each sends requests until it is told to stop. ``failed`` lists errors.

    A connection that the server closes after ``Connection: close`` is not a failure, nor one that was idle because this
    process stood still; with ``tolerant``, no closed connection is.
    """

    def __init__(
        self, server: ServerProcess, clients: int = 6, keep_alive: bool = True, tolerant: bool = False
    ) -> None:
        self.server, self.keep_alive, self.tolerant = server, keep_alive, tolerant
        self.answered = 0
        self.failed: list[str] = []
        self._stopping = threading.Event()
        self._threads = [threading.Thread(target=self._run) for _ in range(clients)]

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                with RawClient(self.server.connect()) as client:
                    self._ask(client)
            except IdleTooLong:
                continue
            except (OSError, AssertionError) as error:
                self.failed.append(repr(error))
                if not self.tolerant:
                    return

    def _ask(self, client: RawClient) -> None:
        heard_s = float("inf")
        while not self._stopping.is_set():
            try:
                response = client.request("/", "GET", *(() if self.keep_alive else ("Connection: close",)))
            except (OSError, AssertionError):
                if time.monotonic() - heard_s > IDLE_S:
                    raise IdleTooLong from None
                raise
            heard_s = time.monotonic()
            assert (response.status, response.body) == (200, SMALL)
            self.answered += 1
            if "close" in response.fields.get("connection", ""):
                return

    def wait_for(self, count: int) -> None:
        goal = self.answered + count
        until(lambda: self.answered >= goal or (self.failed and not self.tolerant), "the load stands still")

    def __enter__(self) -> Load:
        for thread in self._threads:
            thread.start()
        self.wait_for(50)
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping.set()
        for thread in self._threads:
            thread.join(TIMEOUT_S)


def is_refused(server: ServerProcess) -> bool:
    try:
        server.connect().close()
    except (ConnectionRefusedError, ConnectionResetError):  # the latter in the moment of closing
        return True
    return False


def is_listening(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as client:
        return client.connect_ex(str(path)) == 0


def receive_all(client: socket.socket) -> bytes:
    """Return the data until the end, or until a reset, and close the client."""
    received = b""
    with client:
        try:
            while more := client.recv(1 << 20):
                received += more
        except ConnectionResetError:
            pass
    return received
