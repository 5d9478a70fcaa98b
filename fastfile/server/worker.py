"""A worker: one process, one event loop, its listening sockets; it serves until told to stop, then drains."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from fastfile.application import (
    MountPoint,
    add_gates,
    make_application,
    make_redirect,
    make_refusal,
    open_roots,
)
from fastfile.clock import Clock
from fastfile.config.config import Config
from fastfile.errors import StartError, describe
from fastfile.responder import Responder
from fastfile.server.channel import ALIVE, READY, RENEW, WorkerChannel
from fastfile.server.confinement.sandbox import enter_sandbox, filter_calls
from fastfile.server.disk.deadline import Deadline
from fastfile.server.draining import Draining
from fastfile.server.log.complaints import Complaints
from fastfile.server.log.error import ErrorLog
from fastfile.server.loop import make_loop
from fastfile.server.metrics.gauges import Gauges
from fastfile.server.net.clients import Clients
from fastfile.server.net.listener import Listener
from fastfile.server.net.poller import make_poller
from fastfile.server.net.service import Observers, Service
from fastfile.server.net.sweep import TICK_S, connections_of, sweep
from fastfile.server.resources import (
    Plan,
    Sockets,
    close_helper,
    make_asker,
    make_endpoint,
    make_http2,
    make_log,
    make_proxies,
    make_upstreams,
    metrics_hosts,
    open_disk_threads,
    share_descriptors,
    start_helper,
)
from fastfile.server.threads import Offload
from fastfile.site.handler import Handler

if TYPE_CHECKING:
    from fastfile.dev.pages import Pages
    from fastfile.server.metrics.endpoint import Meter
    from fastfile.server.net.tls.contexts import Contexts
    from fastfile.server.net.tls.transport import TlsEndpoint
    from fastfile.server.proxying.connector import Helper
    from fastfile.server.run_command import Report

LOG_TICK_S = 0.1
# Pause after a failed accept: long enough not to spin, short enough to go unnoticed.
EXHAUSTED_PAUSE_S = 0.1
# Of the hashing threads: during a flood of guesses the loop keeps its share of the CPU, and logins still proceed.
HASHING_NICENESS = 5
NICENESS = 10  # of the background compression thread
# From the supervisor to a replaced worker. It is not SIGHUP, which a closed terminal sends to all its processes.
RETIRE = signal.SIGUSR2


class Worker:
    """Serves ``sockets`` until SIGTERM, or until ``channel`` shows that the supervisor has ended."""

    def __init__(
        self,
        plan: Plan,
        sockets: Sockets,
        channel: WorkerChannel,
        errors: ErrorLog,
        meter: Meter | None,
        loop: asyncio.AbstractEventLoop,
        helper: Helper | None,
    ) -> None:
        config = plan.config
        self._channel = channel
        self._errors = errors
        self._loop = loop
        self._clock = Clock()
        self._poller = make_poller(self._loop, self._clock, errors.report_failure)
        self._clients = Clients(config.max_per_client, make_proxies(config), config.proxy_protocol)
        metrics = None if meter is None else meter.metrics
        self._observers = Observers(Complaints(self._clock, errors.say), make_log(config), metrics)
        self._gauges: Gauges | None = None
        self._asker = make_asker(config, channel, loop, self._clock, errors.report_failure)
        things = (config, loop, self._clock, self._poller, self._clients, self._observers.complaints, metrics)
        self._upstreams = make_upstreams(helper, *things, errors.report_failure, self._ask_for_successors)
        connections, cache_files = share_descriptors(config.max_connections, config.cache_files)
        config = config.replace(cache_files=cache_files)
        mount_points = open_roots(config, plan.root_path, self._ask_for_successors)
        self.roots = [mount_point.root for mount_point in mount_points]
        disk = Offload(self._loop, self._clock, self._errors.report_failure, max_jobs=connections)
        self._handler = self._make_handler(config, mount_points, disk)
        self._service, pages = self._make_service(config, disk, plan.contexts, plan.report)
        if meter is not None and meter.page:
            self._gauges = Gauges(meter.board.slots(meter.page), connections)
        services, self._listeners = self._make_listeners(config, sockets, meter, plan.contexts, connections)
        unending = [each for each in (pages, self._upstreams) if each is not None]
        net = (self._clock, self._poller, self._clients, services, self._listeners)
        self._draining = Draining(plan.config, loop, *net, unending)

    def _make_handler(self, config: Config, mount_points: Sequence[MountPoint], disk: Offload) -> Handler:
        report, say = self._errors.report_failure, self._errors.say_once
        submit = Offload(self._loop, self._clock, report, max_threads=1, niceness=NICENESS).submit
        read = Deadline(disk, self._loop, self._clock, config.disk_timeout).submit
        open_threads = partial(open_disk_threads, config, self._loop, self._clock, report)
        surroundings = (self._clock, report, submit)
        return make_application(
            config, mount_points, *surroundings, say=say, read=read, open_threads=open_threads, asking=self._asker
        )

    def _make_service(
        self, config: Config, disk: Offload, contexts: Contexts | None, report_of_command: Report | None
    ) -> tuple[Service, Pages | None]:
        """Return what connections share, with the handler inside its middleware; and the pages of --live."""
        report = self._errors.report_failure
        local = None if contexts is None else contexts.local
        authority = b"" if local is None else local.authority
        offload = Offload(self._loop, self._clock, report, niceness=HASHING_NICENESS if config.auth else 0)
        inner: Responder = self._handler
        pages: Pages | None = None
        if config.live:
            # Imported here (and by serve.preload()): only --live needs it.
            from fastfile.dev.live import make_live

            surroundings = (self._loop, self._clock, offload.submit, self.roots, self._errors, report_of_command)
            inner, pages = make_live(self._handler, config, *surroundings)
        if self._upstreams is not None:
            inner = self._upstreams.wrap(inner)
        entrance = add_gates(inner, config, self._clock, report, authority, self._asker)
        shared = (self._clock, self._poller, self._clients, self._observers)
        insecure = None if contexts is None else make_refusal(config)
        service = Service(config, entrance, *shared, offload, disk, insecure)
        service.http2 = make_http2(config, self._clock)
        service.uploads = self._upstreams
        return service, pages

    def _make_listeners(
        self, config: Config, sockets: Sockets, meter: Meter | None, contexts: Contexts | None, connections: int
    ) -> tuple[list[Service], list[Listener]]:
        """Return the services, the main one first, and the listeners on all sockets."""
        services = [self._service]
        connections += len(sockets.own) + len(sockets.redirecting) - 1  # each is watched like a connection
        tls = None if contexts is None else make_endpoint(contexts)
        listeners = [
            self._listen(self._service, listening, connections, None if listening.family == socket.AF_UNIX else tls)
            for listening in sockets.own
        ]
        if sockets.redirecting:
            services.append(self._make_redirecting(config, sockets.port))
            listeners += [self._listen(services[-1], each, connections) for each in sockets.redirecting]
        if meter is not None:
            expires_s = None if contexts is None else contexts.expires_s
            answering = meter.make_handler(metrics_hosts(config), self._tell_metrics, self._asker, expires_s)
            observers = Observers(self._observers.complaints)
            services.append(Service(config, answering, self._clock, self._poller, self._clients, observers))
            listeners.append(self._listen(services[-1], meter.listening, connections + 1))
        return services, listeners

    def _make_redirecting(self, config: Config, port: int) -> Service:
        """Return the service of --redirect-http; its ACME challenges use only deferred work of the main one."""
        main = self._service
        redirect = make_redirect(self._handler, config, port)
        shared = (self._clock, self._poller, self._clients, self._observers)
        return Service(config, redirect, *shared, main.offload, main.disk)

    def _listen(
        self, service: Service, listening: socket.socket, connections: int, tls: TlsEndpoint | None = None
    ) -> Listener:
        return Listener(service, listening, connections, self._on_exhausted, tls)

    def run(self, sandbox: str) -> None:
        """Serve until told to stop; first report to the supervisor, with the sandbox in force."""
        loop = self._loop
        loop.set_exception_handler(self._on_failed_callback)
        loop.add_signal_handler(signal.SIGTERM, self.stop)
        loop.add_signal_handler(RETIRE, self._draining.retire)
        loop.add_reader(self._channel.socket.fileno(), self._on_message)
        loop.add_reader(self._channel.supervisor_fd, self._on_orphaned)
        loop.call_later(TICK_S, self._tick)
        if self._observers.log is not None:
            loop.call_later(LOG_TICK_S, self._flush_log)
        if self._asker is not None:
            self._on_message()  # so that it knows the release before it is ready
        loop.call_soon(self._channel.send, READY + sandbox.encode())
        try:
            loop.run_forever()
        finally:
            if self._observers.log is not None:
                self._observers.log.flush()
            self._tell_metrics()
            # asyncio warns about a signal that arrives while its loop is closed.
            signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM, RETIRE})

    def stop(self) -> None:
        """End within ``grace``: accept the clients that wait, then no more."""
        self._service.handler.stop()
        self._draining.stop()

    def _on_orphaned(self) -> None:
        """Stop: the supervisor has ended, so nothing would replace or stop this worker."""
        self._loop.remove_reader(self._channel.supervisor_fd)
        self._loop.remove_reader(self._channel.socket.fileno())
        self.stop()

    def _on_message(self) -> None:
        """Write the access log to a file that the supervisor has reopened; take reports of the follower."""
        lines, logs = self._channel.receive()
        for fd in logs:
            if self._observers.log is not None:
                self._observers.log.replace(fd)
            os.close(fd)
        if self._asker is not None:
            self._asker.receive(lines)

    def _ask_for_successors(self) -> None:
        self._channel.send(RENEW)

    def _on_failed_callback(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        """Report an exception that the loop caught from a callback; the worker keeps running."""
        self._errors.report_failure(context.get("exception") or RuntimeError(context["message"]))

    def _on_exhausted(self, error: OSError) -> None:
        text = f"cannot accept: {error.strerror}; trying again every {EXHAUSTED_PAUSE_S} s"
        self._observers.complaints.complain("exhausted", text)
        self._loop.call_later(EXHAUSTED_PAUSE_S, self._resume)

    def _resume(self) -> None:
        for listener in self._listeners:
            listener.resume()

    def _tick(self) -> None:
        self._loop.call_later(TICK_S, self._tick)  # first, so that a failure below does not stop all deadlines
        self._channel.send(ALIVE)
        self._errors.flush()
        self._tell_metrics()
        self._clock.begin_batch()
        self._listeners[0].shed_idle()
        sweep(self._poller, self._clock.monotonic_s, self._errors.report_failure)
        self._handler.look_around()

    def _tell_metrics(self) -> None:
        if self._observers.metrics is not None:
            dropped = 0 if self._observers.log is None else self._observers.log.dropped
            self._observers.metrics.tell(self._handler.hits, dropped, len(connections_of(self._poller)))
        if self._gauges is not None:
            self._gauges.update()

    def _flush_log(self) -> None:
        assert self._observers.log is not None
        self._observers.log.flush()
        if problem := self._observers.log.take_problem():
            self._observers.complaints.complain("log", f"cannot write the access log: {problem}; lines may be dropped")
        self._loop.call_later(LOG_TICK_S, self._flush_log)


def run_worker(plan: Plan, sockets: Sockets, channel: WorkerChannel, errors: ErrorLog, meter: Meter | None) -> int:
    """Run a worker until told to stop; return its exit status. Reports that it is ready, or why it cannot start."""
    try:
        helper = start_helper(plan.config)  # it may do what a worker may not
        problem = filter_calls(plan.config)
        loop = make_loop(plan.config.loop)
    except (OSError, StartError) as error:
        return _fail(channel, error)
    try:
        worker = Worker(plan, sockets, channel, errors, meter, loop, helper)
        worker.run(enter_sandbox(plan.config, worker.roots, problem))
    except (OSError, StartError) as error:
        return _fail(channel, error)
    finally:
        # A half-started worker cannot always be closed, and the process ends anyway.
        with contextlib.suppress(Exception):
            loop.close()
        close_helper(helper)
    return 0


def _fail(channel: WorkerChannel, error: OSError | StartError) -> int:
    text = describe(error) if isinstance(error, OSError) else str(error)
    channel.send(text.encode(errors="backslashreplace"))
    return 1
