"""A worker's listener, connections and threads in this process, with a handler of the test.

For situations that no file can produce on demand: a response that waits until the test says so, a body that fails in
the middle. Clients are real sockets.
"""

from __future__ import annotations

import asyncio
import json
import os
import socket
import ssl
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from support.rawclient import RawClient

from fastfile.application import make_application, make_refusal, open_roots
from fastfile.clock import Clock
from fastfile.config.config import Config
from fastfile.responder import Responder
from fastfile.server.log.access import AccessLog
from fastfile.server.log.complaints import Complaints
from fastfile.server.loop import make_loop
from fastfile.server.metrics.counters import SLOTS, Metrics
from fastfile.server.net.clients import Clients
from fastfile.server.net.connection import Connection
from fastfile.server.net.listener import Listener
from fastfile.server.net.poller import make_poller
from fastfile.server.net.service import Observers, Service
from fastfile.server.net.sweep import connections_of
from fastfile.server.resources import make_http2
from fastfile.server.threads import Offload
from fastfile.site.handler import Handler

if TYPE_CHECKING:
    from support.certificates import Pair

    from fastfile.server.net.tls.channels import Channels
    from fastfile.server.net.tls.transport import TlsEndpoint
    from fastfile.server.proxying.upstreams import Upstreams

TIMEOUT_S = 60
WAITING, SENDING, READING = 3, 4, 5  # of a connection's states; compiled, they are no attributes of its module
TICK_S = 0.02

T = TypeVar("T")


def serve_files(folder: Path, clock: Clock, log_failure: Callable[[BaseException], None]) -> Handler:
    """Return the handler of a real server of a folder."""
    config = Config()
    return make_application(config, open_roots(config, os.fsencode(folder)), clock, log_failure)


def make_endpoint(pair: Pair, channels: Channels | None = None) -> TlsEndpoint:
    """Return what the TLS connections of a listener share; ``channels`` are those of the server unless given."""
    from fastfile.server.net.tls.certificates import CertificateFiles
    from fastfile.server.net.tls.contexts import Policy, load
    from fastfile.server.net.tls.transport import TlsEndpoint

    return TlsEndpoint(load([CertificateFiles(pair.certificate_path, pair.key_path)], Policy()), channels)


class InProcess:
    """Serves on TCP and on a Unix socket in a thread of its own; ``make_handler`` is called there with its clock.

    ``pair`` is the certificate to serve HTTPS with, on TCP.
    """

    def __init__(
        self,
        folder: Path,
        loop: str,
        make_handler: Callable[[Clock, Callable[[BaseException], None]], Responder],
        config: Config | None = None,
        pair: Pair | None = None,
        channels: Channels | None = None,
    ) -> None:
        self.failures: list[BaseException] = []
        self.said: list[str] = []  # messages to the operator
        self.log_path = folder / "log"
        self.counts = memoryview(bytearray(8 * SLOTS)).cast("q")
        self._socket_path = os.fspath(folder / "socket")
        self._config = config or Config()
        self._pair = pair
        self._channels = channels
        self._make_handler = make_handler
        self._started = threading.Event()
        self._thread = threading.Thread(target=self._run, args=(loop,))
        self._thread.start()
        assert self._started.wait(TIMEOUT_S)

    def _run(self, loop_name: str) -> None:
        self._loop = loop = make_loop(loop_name)
        asyncio.set_event_loop(loop)
        self.clock = clock = Clock()
        self.poller = make_poller(loop, clock, self.failures.append)
        self.offload = Offload(loop, clock, self.failures.append)
        self.disk = Offload(loop, clock, self.failures.append, max_jobs=1000)
        fd = os.open(self.log_path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        self._log = AccessLog("json", fd, False, lambda: 0.0)
        os.close(fd)
        self.handler = self._make_handler(clock, self.failures.append)
        metrics = Metrics(self.counts)
        complaints = Complaints(clock, self.said.append)
        clients = Clients(1000)
        shared = (clients, Observers(complaints, self._log, metrics), self.offload, self.disk)
        upstreams = self._connect_to_upstreams(clients, complaints) if self._config.proxy else None
        if upstreams is not None:
            self.handler = upstreams.wrap(self.handler)
        refusal = None if self._pair is None else make_refusal(self._config)
        self.service = Service(self._config, self.handler, clock, self.poller, *shared, refusal)
        self.service.http2 = make_http2(self._config, clock)
        self.service.uploads = upstreams
        listening = socket.create_server(("127.0.0.1", 0)), socket.socket(socket.AF_UNIX)
        listening[1].bind(self._socket_path)
        listening[1].listen()
        self._address = listening[0].getsockname()
        for one in listening:
            one.setblocking(False)
            tls = (
                None
                if self._pair is None or one.family == socket.AF_UNIX
                else make_endpoint(self._pair, self._channels)
            )
            Listener(self.service, one, 1000, self.failures.append, tls)
        loop.call_soon(self._tick)
        loop.call_soon(self._started.set)
        loop.run_forever()
        for connection in self.open_connections():
            connection.close()
        self.poller.close()
        for one in listening:
            one.close()
        os.unlink(self._socket_path)
        self._log.close()
        if upstreams is not None:
            for user in list(upstreams._open):
                user.close()
            upstreams.connector.close()
            self._ends[0].close()  # its helper, a thread here, ends by it
            self._connecting.join(TIMEOUT_S)
        loop.close()

    def _connect_to_upstreams(self, clients: Clients, complaints: Complaints) -> Upstreams:
        """Return what forwards requests, with a thread in place of the helper process."""
        from fastfile.server.proxying.connector import serve_requests
        from fastfile.server.proxying.upstreams import Upstreams

        self._ends = socket.socketpair()

        def serve() -> None:
            with self._ends[1]:
                asyncio.run(serve_requests(self._ends[1], self._config.proxy))

        self._connecting = threading.Thread(target=serve)
        self._connecting.start()
        things = (self._loop, self.clock, self.poller, clients, complaints, None, self.failures.append)
        self.upstreams = Upstreams(self._ends[0], self._config, *things, lambda: self.said.append("lost"))
        return self.upstreams

    def _tick(self) -> None:
        """Check deadlines like a worker, but more often."""
        self._loop.call_later(TICK_S, self._tick)
        self.clock.begin_batch()
        for connection in self.open_connections():
            if connection.deadline_s < self.clock.monotonic_s:
                connection.on_deadline()

    def open_connections(self) -> list[Connection]:
        return connections_of(self.poller)

    def states(self) -> list[int]:
        """Return the state of each open connection; call it on the loop."""
        return [connection.state for connection in self.open_connections()]

    def ask(self, question: Callable[[], T]) -> T:
        """Call a function on the loop, after all events so far were handled, and return its result."""
        answer: list[T] = []
        asked = threading.Event()

        def call() -> None:
            answer.append(question())
            asked.set()

        self._loop.call_soon_threadsafe(lambda: self._loop.call_later(0.002, call))
        assert asked.wait(TIMEOUT_S)
        return answer[0]

    def call_later(self, delay_s: float, callback: Callable[[], object]) -> None:
        """Call something on the loop after a while."""
        self._loop.call_soon_threadsafe(lambda: self._loop.call_later(delay_s, callback))

    def connections(self) -> dict[int, int]:
        """Return the state of each open connection by its descriptor."""
        return self.ask(lambda: {connection.fd: connection.state for connection in self.open_connections()})

    def wait_until(self, holds: Callable[[], bool], what: str) -> None:
        """Check a condition between batches of the loop, with enough time for a loaded machine."""
        for _ in range(TIMEOUT_S * 400):
            if self.ask(holds):
                return
        raise AssertionError(f"it never came to this: {what}")

    def wait_until_closed(self) -> None:
        self.wait_until(lambda: not self.open_connections(), "all connections are closed")

    def log_lines(self) -> list[dict[str, Any]]:
        """Return the lines logged since the last call."""
        self.ask(self._log.flush)
        lines = [json.loads(line) for line in self.log_path.read_text().splitlines()]
        os.truncate(self.log_path, 0)
        return lines

    def connect(self) -> RawClient:
        """Connect to the TCP socket, by TLS where it speaks that."""
        if self._pair is not None:
            return self.connect_securely()
        return RawClient(self.connect_plainly())

    def connect_plainly(self) -> socket.socket:
        return socket.create_connection(self._address, timeout=TIMEOUT_S)

    def connect_securely(self, context: ssl.SSLContext | None = None, **arguments: Any) -> RawClient:
        assert self._pair is not None
        context = context or self._pair.client()
        # The end of a stream without close_notify raises SSLEOFError.
        arguments = {"server_hostname": "localhost", "suppress_ragged_eofs": False, **arguments}
        return RawClient(context.wrap_socket(self.connect_plainly(), **arguments))

    def connect_to_unix_socket(self) -> RawClient:
        connection = socket.socket(socket.AF_UNIX)
        connection.settimeout(TIMEOUT_S)
        connection.connect(self._socket_path)
        return RawClient(connection)

    def stop(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(TIMEOUT_S)
        assert not self._thread.is_alive()
