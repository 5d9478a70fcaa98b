"""Each allocation fails once while clients are served: only its own connection closes.

The n-th allocation of the server's process fails, for each n that an exchange reaches. Every client gets a response or
a closed connection; the next one is served, no descriptor is leaked, and shared readers stay intact.
"""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.checkout import CHECKOUT, TESTS
from support.exchanges import make_folder
from support.rawclient import make_request
from support.watching import descriptors, receive_all, until

from fastfile import WHY_PURE

TIMEOUT_S = 60
pytest.importorskip("_testcapi")
# In pure Python, the interpreter's own socket.accept() loses an accepted socket if an allocation fails in it; there,
# test_faults.py makes the calls fail with MemoryError.
pytestmark = pytest.mark.skipif(bool(WHY_PURE), reason=f"no extensions here: {WHY_PURE}")
CLOSE = ("GET", "Connection: close")
REQUESTS = (
    make_request("/large.bin") + make_request("/missing") + make_request("/index.html", *CLOSE),
    make_request("/folder") + make_request("/app.js", *CLOSE),
    make_request("/index.html?1", "POST", "Content-Length: 4") + b"body" + make_request("/", *CLOSE),
)


class Starving:
    def __init__(self, folder: Path) -> None:
        self._control, theirs = socket.socketpair()
        self._control.settimeout(TIMEOUT_S)
        command = [sys.executable, str(TESTS / "support" / "starving.py"), str(folder), str(theirs.fileno())]
        # The debug allocator detects writes outside of a block, for which others would crash later, or never.
        environment = {**os.environ, "PYTHONPATH": str(CHECKOUT), "PYTHONMALLOC": "debug", "PYTHONHASHSEED": "0"}
        self.process = subprocess.Popen(command, pass_fds=(theirs.fileno(),), env=environment)
        theirs.close()
        self.address = ("127.0.0.1", int(self._control.recv(16)))

    def fail(self, number: int) -> None:
        """Make the allocation of that number fail; 0: none. Reports failures for other reasons."""
        self._control.sendall(b"%d\n" % number)
        assert self._control.recv(1) == b"."

    def exchange(self) -> list[bytes]:
        """Send requests on several connections at once, and return everything that each received."""
        clients = []
        for request in REQUESTS:
            clients.append(socket.create_connection(self.address, timeout=TIMEOUT_S))
            clients[-1].sendall(request)
        return [receive_all(client) for client in clients]

    def stop(self) -> None:
        self.process.kill()
        self.process.wait()
        self._control.close()


def statuses(received: list[bytes]) -> list[list[bytes]]:
    return [re.findall(rb"HTTP/1\.1 (\d\d\d) ", one) for one in received]


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Starving]:
    server = Starving(make_folder(tmp_path))
    yield server
    server.stop()


def test_whatever_allocation_fails_the_next_client_is_served_and_nothing_is_leaked(server: Starving) -> None:
    expected = [[b"200", b"404", b"200"], [b"301", b"200"], [b"405", b"200"]]
    for _ in range(3):
        assert statuses(server.exchange()) == expected
    pid = server.process.pid
    before = descriptors(pid)
    hurt = 0
    for number in (*range(1, 300), *range(300, 1500, 10)):
        server.fail(number)
        hurt += statuses(server.exchange()) != expected
        server.fail(0)
        assert statuses(server.exchange()) == expected, number
        until(lambda: descriptors(pid) <= before, f"descriptors are given back after allocation {number}")
    assert hurt > 20
