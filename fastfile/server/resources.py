"""Resources of a worker from the settings and the system: log, proxies, TLS, threads, and descriptors."""

from __future__ import annotations

import asyncio
import os
import resource
import socket
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from fastfile.clock import Clock
from fastfile.config.config import Config
from fastfile.records import NamedTuple
from fastfile.server.log.access import AccessLog, open_log
from fastfile.site.handler import allowed_hosts
from fastfile.terminal import wants_colour

if TYPE_CHECKING:
    from fastfile.http.intermediaries.forwarded import TrustedProxies
    from fastfile.server.channel import WorkerChannel
    from fastfile.server.disk.threads import WorkerDiskThreads
    from fastfile.server.following.asking import Asker
    from fastfile.server.net.http2.shared import Http2
    from fastfile.server.net.tls.contexts import Contexts
    from fastfile.server.net.tls.transport import TlsEndpoint
    from fastfile.server.proxying.connector import Helper
    from fastfile.server.proxying.upstreams import Upstreams
    from fastfile.server.run_command import Report

# Descriptors that a worker itself needs: the loop, logs, the root, folders on the path to a file; 15 when idle, and the
# open folders of site/plain_files.py.
SPARE_DESCRIPTORS = 32


class Plan(NamedTuple):
    """The settings of a generation of workers, its root, and its certificates, if it serves HTTPS."""

    config: Config
    root_path: bytes
    contexts: Contexts | None = None
    report: Report | None = None  # of the command of --run


def folders_of(plan: Plan) -> list[bytes]:
    """Return the paths of the roots whose disks --remote-disk looks at."""
    if plan.config.remote_disk != "auto":
        return []
    return [plan.root_path, *(os.fsencode(folder) for _, folder in plan.config.mount)]


class Sockets(NamedTuple):
    """The listening sockets of a worker: its own, and those of --redirect-http; ``port`` is that of its own."""

    own: list[socket.socket]
    redirecting: list[socket.socket]
    port: int


def make_proxies(config: Config) -> TrustedProxies | None:
    """Return the proxies of --trusted-proxy; None if there are none, so that most servers do not import the module."""
    if not config.trusted_proxy:
        return None
    from fastfile.http.intermediaries.forwarded import TrustedProxies

    return TrustedProxies(config.trusted_proxy)


def make_http2(config: Config, clock: Clock) -> Http2 | None:
    """Return what HTTP/2 connections share; None where --http has only HTTP/1: their modules are not imported then."""
    if config.http == "1":
        return None
    from fastfile.server.net.http2.connection import Http2Connection
    from fastfile.server.net.http2.shared import Http2

    return Http2(config, clock, Http2Connection)


def start_helper(config: Config) -> Helper | None:
    """Start the process that connects to the upstreams of --proxy; None without the option."""
    if not config.proxy:
        return None
    from fastfile.server.proxying.connector import start_helper

    return start_helper(config.proxy)


def make_upstreams(helper: Helper | None, *things: Any) -> Upstreams | None:
    """Return the upstreams that a helper connects to; see Upstreams."""
    return None if helper is None else helper.make_upstreams(*things)


def close_helper(helper: Helper | None) -> None:
    """End the process of start_helper()."""
    if helper is not None:
        helper.close()


def make_endpoint(contexts: Contexts) -> TlsEndpoint:
    """Return the state that the TLS connections of this worker share; the modules came with the certificates."""
    from fastfile.server.net.tls.contexts import silence_bad_names
    from fastfile.server.net.tls.transport import TlsEndpoint

    silence_bad_names()
    return TlsEndpoint(contexts)


def make_asker(
    config: Config,
    channel: WorkerChannel,
    loop: asyncio.AbstractEventLoop,
    clock: Clock,
    report: Callable[[BaseException], None],
) -> Asker | None:
    """Return what asks the follower for a newer release; None for a server of a folder, which imports none of it."""
    if config.location is None:
        return None
    from fastfile.server.following.asking import Asker

    return Asker(channel, loop, clock, report, is_fixed=config.release is not None)


def open_disk_threads(
    config: Config, loop: asyncio.AbstractEventLoop, clock: Clock, report: Callable[[BaseException], None]
) -> WorkerDiskThreads:
    """Return threads for a disk that can hang. Few servers have one, so the import is here."""
    from fastfile.server.disk.threads import WorkerDiskThreads

    return WorkerDiskThreads(loop, clock, report, config.disk_timeout, config.max_connections)


def make_log(config: Config) -> AccessLog | None:
    """Open the access log of --log-format; auto is pretty on a terminal, combined in a file, and none elsewhere."""
    format_ = config.log_format
    if format_ == "auto":
        format_ = "combined" if config.log_file else "pretty" if os.isatty(1) and not config.quiet else "none"
    if format_ == "none":
        return None
    if config.log_file is None:
        return AccessLog(format_, 1, wants_colour(os.isatty(1)), time.time)
    fd = open_log(config.log_file)
    try:
        return AccessLog(format_, fd, False, time.time)
    finally:
        os.close(fd)


def metrics_hosts(config: Config) -> tuple[bytes, ...]:
    """Return the host names accepted by --metrics: any, except on loopback, where any page could rebind its name."""
    if config.metrics is None or config.metrics.startswith("unix:"):
        return (b"*",)
    return allowed_hosts(config.replace(bind=config.metrics.rpartition(":")[0], host=False))


def log_path(config: Config) -> str | None:
    """Return the path of the log file of the workers; None if they log elsewhere or not at all."""
    return None if config.log_format == "none" else config.log_file


def tell_few_descriptors(config: Config) -> list[str]:
    """Return a notice if the hard limit of descriptors allows a worker fewer connections than the settings."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    room = _share(hard, config.max_connections, config.cache_files)[0]
    if room == config.max_connections:
        return []
    return [f"a worker takes {room} connections, because it may open only {hard} files (ulimit -n, LimitNOFILE=)"]


def share_descriptors(connections: int, cache_files: int) -> tuple[int, int]:
    """Raise the soft limit of descriptors to the hard one, and return how many connections and cached files fit."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
            soft = hard
        except (OSError, ValueError):  # macOS refuses an unlimited value
            pass
    return _share(soft, connections, cache_files)


def _share(limit: int, connections: int, cache_files: int) -> tuple[int, int]:
    if limit == resource.RLIM_INFINITY:
        return connections, cache_files
    room = max(0, limit - SPARE_DESCRIPTORS)
    cache_files = min(cache_files, room // 4)
    # Each connection may have an open file in addition to its socket.
    return max(1, min(connections, (room - cache_files) // 2)), cache_files
