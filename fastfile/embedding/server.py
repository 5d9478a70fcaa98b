"""A server in a thread of this process: the connections of the command's worker, without its processes.

It changes nothing of the process: no signals, limits, garbage collector, and no event loop but its own.
"""

from __future__ import annotations

import asyncio
import errno
import os
import socket
import threading
from collections.abc import Callable
from typing import Any, Self, Unpack

from fastfile.application import add_gates, make_application, open_roots
from fastfile.clock import Clock
from fastfile.config.config import Config
from fastfile.embedding.files import logger, report_failure
from fastfile.embedding.options import ServerOptions
from fastfile.embedding.request_log import Recorder, Request
from fastfile.embedding.running import RunningServer, check_host
from fastfile.embedding.settings import (
    Directory,
    find_root,
    make_config,
    make_texts,
    name_directory,
    name_port,
    spare_descriptors,
)
from fastfile.errors import StartError
from fastfile.server.log.complaints import Complaints
from fastfile.server.net.clients import Clients
from fastfile.server.net.listener import Listener
from fastfile.server.net.poller import make_poller
from fastfile.server.net.service import Observers, Service
from fastfile.server.net.sweep import TICK_S, connections_of, sweep
from fastfile.server.threads import Offload

EXHAUSTED_PAUSE_S = 0.1  # after a failed accept
JOIN_S = 10.0  # far above what the thread takes to end

_abandoned: list[object] = []  # what a forked child has of its parent's servers, and must not touch


class Server(RunningServer):
    """Serves a folder, or one file, at ``host`` and ``port``, in a thread; port 0 takes a free one.

    The options are those of the command line. Raises ConfigError for an option that is wrong or has no effect here, and
    StartError if the folder cannot be read.

    with fastfile.Server("dist", spa=True) as server:
        urllib.request.urlopen(server.url)
    """

    def __init__(
        self, directory: Directory, *, host: str = "127.0.0.1", port: int = 0, **options: Unpack[ServerOptions]
    ) -> None:
        source = f"{type(self).__name__}()"
        check_host(host, source)
        texts = make_texts(options, ServerOptions.__annotations__, source)
        texts["directory"] = name_directory(directory, source)
        config, root_path = find_root(make_config({**texts, "bind": [host], "port": name_port(port, source)}, source))
        super().__init__(config, root_path, config.bind.strip("[]"), config.port)
        self._engine: Engine | None = None

    def start(self) -> Self:
        """Serve from now on, and return the server. Raises StartError if the address cannot be used."""
        if self._engine is None:
            listening = listen(self._host, self._wanted_port, self._config.backlog)
            try:
                self._engine = Engine(self._config, self._root_path, listening, self.requests.add)
            except BaseException:
                listening.close()
                raise
            self._port = listening.getsockname()[1]
            self._engine.thread.start()
            self._note_start()
        return self

    def stop(self) -> None:
        """Stop, and free the port; transfers are cut off. It does nothing if the server has stopped."""
        engine, self._engine = self._engine, None
        if engine is not None:
            self._note_stop()
            engine.stop()

    def abandon(self) -> None:
        engine, self._engine = self._engine, None
        if engine is not None:
            engine.abandon()
            _abandoned.append(engine)


class Engine:
    """The thread of a server, with its event loop. It is made in the thread that starts the server."""

    def __init__(
        self, config: Config, root_path: str, listening: socket.socket, add: Callable[[Request], None]
    ) -> None:
        config = spare_descriptors(config)
        self._mount_points = mount_points = open_roots(config, os.fsencode(root_path))
        self._socket = listening
        self._loop = loop = asyncio.new_event_loop()
        self._clock = clock = Clock()
        self._poller = make_poller(loop, clock, report_failure)
        observers = Observers(Complaints(clock, logger.warning))
        disk = Offload(loop, clock, report_failure, max_jobs=config.max_connections, switch_s=0)
        work = Offload(loop, clock, report_failure, switch_s=0)
        background = Offload(loop, clock, report_failure, max_threads=1, niceness=10, switch_s=0)
        self._handler = make_application(
            config, mount_points, clock, report_failure, background.submit, say=logger.warning, read=disk.submit
        )
        entrance = Recorder(add_gates(self._handler, config, clock, report_failure), add)
        clients = Clients(config.max_per_client)
        self._service = Service(config, entrance, clock, self._poller, clients, observers, work, disk)
        self._listener = Listener(self._service, listening, config.max_connections, self._on_exhausted)
        self.thread = threading.Thread(target=self._run, name="fastfile", daemon=True)

    def stop(self) -> None:
        """End the thread, from another one; transfers are cut off."""
        self._loop.call_soon_threadsafe(self._loop.stop)
        if threading.current_thread() is not self.thread:
            self.thread.join(JOIN_S)

    def abandon(self) -> None:
        """Close the descriptors of the sockets, and touch nothing that the parent shares."""
        for connection in connections_of(self._poller):
            os.close(connection.fd)
        os.close(self._socket.detach())

    def _run(self) -> None:
        loop = self._loop
        loop.set_exception_handler(self._on_failed_callback)
        loop.call_later(TICK_S, self._tick)
        try:
            loop.run_forever()
        finally:
            self._listener.stop(0)
            for connection in connections_of(self._poller):
                connection.close()
            self._poller.close()
            loop.close()
            for mount_point in self._mount_points:
                mount_point.root.close()

    def _tick(self) -> None:
        self._loop.call_later(TICK_S, self._tick)  # first, so that a failure below does not stop all deadlines
        self._clock.begin_batch()
        self._listener.shed_idle()
        sweep(self._poller, self._clock.monotonic_s, report_failure)
        self._handler.look_around()

    def _on_exhausted(self, error: OSError) -> None:
        self._service.observers.complaints.complain("exhausted", f"cannot accept: {error.strerror}")
        self._loop.call_later(EXHAUSTED_PAUSE_S, self._listener.resume)

    def _on_failed_callback(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        report_failure(context.get("exception") or RuntimeError(context["message"]))


def listen(host: str, port: int, backlog: int) -> socket.socket:
    """Return a listening socket. Raises StartError."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        listening = socket.create_server((host, port), family=family, backlog=backlog)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise StartError(f"port {port} of {host} is in use; port 0 takes any free one") from error
        # create_server() adds the address to the text of errno.
        problem = error.strerror if isinstance(error, socket.gaierror) or not error.errno else os.strerror(error.errno)
        raise StartError(f"cannot listen on {host} port {port}: {problem or error}") from error
    listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # accepted sockets inherit it
    listening.setblocking(False)
    return listening
