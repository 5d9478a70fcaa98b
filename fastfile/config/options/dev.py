"""Options: the dev loop, during development."""

from __future__ import annotations

from typing import ClassVar

from fastfile.config.option import OptionGroup, option, repeatable
from fastfile.config.proxy_values import UPSTREAM, Upstream
from fastfile.config.values import COMMAND, SWITCH, number, seconds


class DevOptions(OptionGroup):
    """Options for developing a site."""

    TITLE: ClassVar = "Development"

    live: bool = option(
        SWITCH,
        default=False,
        help="Reload open pages when their files change; style sheets and images are swapped in place. For "
        "development, with one worker.",
    )
    run: str | None = option(
        COMMAND,
        metavar="CMD",
        help="Run this command beside the server, such as 'npm run build -- --watch'. It ends with the server.",
    )
    qr: bool = option(
        SWITCH, default=False, help="With --host: print the URL for the local network as a QR code, for your phone."
    )
    watch_poll: bool = option(
        SWITCH,
        default=False,
        help="Make --live poll all files, for file systems that do not report changes.",
    )
    proxy: tuple[Upstream, ...] = repeatable(
        UPSTREAM,
        metavar="/PATH=URL",
        help="Forward requests beneath a path to another server, such as /api=http://localhost:3000. Append ,strip=1 "
        "to remove the path from what it gets. Repeat it for more; the longest path that matches is used.",
    )
    proxy_timeout: float = option(
        seconds(0.1, 86400),
        default=60.0,
        metavar="TIME",
        help="Time until a server of --proxy must begin its response; after it, the client gets 504.",
        reason="a server that hangs must not hold connections; a body may then pause for an hour, as event streams do",
        peers="nginx 60 s; Caddy, Vite and http-proxy none",
    )
    proxy_connections: int = option(
        number(1, 100000),
        default=512,
        metavar="N",
        help="Maximum number of connections from one worker to the servers of --proxy; further requests get 503.",
        reason="each request needs a connection of its own, and so does each WebSocket; a flood must not exhaust the "
        "descriptors",
        peers="HAProxy maxconn; nginx, Caddy and Vite none",
    )
