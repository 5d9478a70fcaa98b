"""Options: where the server listens, its processes, and its log."""

from __future__ import annotations

from typing import ClassVar, Literal

from fastfile.config.option import OptionGroup, option, repeatable
from fastfile.config.values import (
    BIND,
    HOST,
    METRICS,
    MODE,
    NAME,
    PATH,
    PROXY,
    SWITCH,
    URL_PATH,
    WORKERS,
    choice,
    number,
    seconds,
)


class ListenOptions(OptionGroup):
    """Where the server listens."""

    TITLE: ClassVar = "Listening"

    bind: str = option(
        BIND,
        default="localhost",
        metavar="ADDR",
        short="-b",
        help="Address to listen on: IPv4, IPv6, a host name, or unix:PATH. localhost is 127.0.0.1 and ::1.",
    )
    port: int = option(
        number(0, 65535), default=8000, metavar="N", short="-p", help="Port to listen on; 0 picks a free one."
    )
    host: bool = option(
        SWITCH, default=False, help="Listen on all interfaces, for the local network. --host=ADDR is --bind ADDR."
    )
    open: str | None = option(
        URL_PATH,
        metavar="/PATH",
        bare="/",
        help="Open the browser when the server is ready, at the home page or at =/PATH.",
    )
    http: Literal["auto", "1", "2"] = option(
        choice("auto", "1", "2"),
        default="auto",
        metavar="VERSION",
        help="HTTP versions to accept: 1 (HTTP/1.1), 2 (HTTP/2), or auto: both. Over TLS, clients choose by ALPN; over "
        "plain HTTP, by their first bytes.",
    )
    strict_port: bool = option(
        SWITCH, default=False, help="Fail when the port is in use, instead of taking the next free one."
    )
    socket_mode: str | None = option(
        MODE, metavar="MODE", help="Permissions of a Unix socket, such as 0660; without it, the umask decides."
    )
    metrics: str | None = option(
        METRICS,
        metavar="ADDR",
        help="Serve /metrics for Prometheus at this address: HOST:PORT, such as 127.0.0.1:9100, or unix:PATH.",
    )
    allowed_host: tuple[str, ...] = repeatable(
        HOST,
        metavar="NAME",
        help="Accept requests for this host name too. .ngrok.app stands for all names below it, * for any name. Repeat "
        "it for more.",
        reason="a foreign web page must not read a local server by pointing its own name at 127.0.0.1 (DNS rebinding)",
        peers="vite 403",
    )
    trusted_proxy: tuple[str, ...] = repeatable(
        PROXY,
        metavar="CIDR",
        help="Trust X-Forwarded-For and Forwarded from proxies in this network; unix means proxies that connect over a "
        "Unix socket. Repeat it for more.",
        reason="any client can send these headers, to hide its address from the log and to evade limits",
        peers="nginx set_real_ip_from, Caddy trusted_proxies, uvicorn --forwarded-allow-ips: none by default",
    )
    proxy_protocol: bool = option(
        SWITCH,
        default=False,
        help="Expect the PROXY protocol, version 1 or 2, from the proxies of --trusted-proxy.",
    )


class ProcessOptions(OptionGroup):
    """The processes of the server."""

    TITLE: ClassVar = "Processes"

    workers: int = option(
        WORKERS,
        default=1,
        metavar="N",
        short="-w",
        help="Number of worker processes, or auto: one for each CPU that affinity and the cgroup quota allow.",
    )
    loop: Literal["auto", "uvloop", "asyncio"] = option(
        choice("auto", "uvloop", "asyncio"), default="auto", metavar="NAME", help="Event loop: uvloop or asyncio."
    )
    grace: float = option(
        seconds(0, 3600),
        default=8.0,
        metavar="TIME",
        help="Time for requests in flight to finish when the server stops.",
        reason="docker stop kills after 10 s",
        peers="gunicorn 30 s; Caddy no end; nginx none",
    )
    drain_timeout: float = option(
        seconds(1, 604800),
        default=3600.0,
        metavar="TIME",
        help="Time for transfers to finish when workers are replaced: after a reload, or when the folder is replaced.",
        reason="a reload must not cut a download; a client that never finishes must not keep old workers alive for "
        "ever",
        peers="nginx worker_shutdown_timeout and HAProxy hard-stop-after: none",
    )
    heartbeat_timeout: float = option(
        seconds(0, 86400),
        default=30.0,
        metavar="TIME",
        help="Kill and replace a worker or follower that sends no heartbeat for this time. 0 turns this off, and so "
        "does a debugger.",
        reason="a worker sends a heartbeat each second; even the slowest disks respond within 30 s",
        peers="gunicorn 30 s; nginx, h2o and Caddy none",
    )
    user: str | None = option(
        NAME,
        metavar="NAME",
        help="When started by root, switch to this user (name or number) after binding the port.",
    )
    group: str | None = option(NAME, metavar="NAME", help="Switch to this group too; without it, the user's own.")
    sandbox: Literal["auto", "off", "require"] = option(
        choice("auto", "off", "require"),
        default="auto",
        metavar="MODE",
        help="Allow workers to read only the served files (Landlock): auto (where the kernel can), off, or require.",
    )
    remote_disk: Literal["auto", "on", "off"] = option(
        choice("auto", "on", "off"),
        default="auto",
        metavar="MODE",
        help="Look up files in a thread, so that a hanging disk does not block other requests: auto (on a network or "
        "FUSE file system), on, or off.",
    )


class FileOptions(OptionGroup):
    """Where the settings are read from."""

    TITLE: ClassVar = "Configuration file"

    config: str | None = option(
        PATH,
        metavar="PATH",
        help="Read this file instead of fastfile.toml or pyproject.toml in the current folder; --no-config reads none.",
    )


class LogOptions(OptionGroup):
    """What the server prints."""

    TITLE: ClassVar = "Access log"

    log_format: Literal["auto", "pretty", "common", "combined", "json", "none"] = option(
        choice("auto", "pretty", "common", "combined", "json", "none"),
        default="auto",
        metavar="FORMAT",
        help="pretty, common, combined, json or none; auto is pretty on a terminal, none otherwise.",
    )
    log_file: str | None = option(
        PATH, metavar="PATH", help="Append the log to this file instead of printing it to standard output."
    )
    quiet: bool = option(
        SWITCH,
        default=False,
        short="-q",
        help="Print no banner, and no log unless you give --log-format or --log-file.",
    )
