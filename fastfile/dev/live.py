"""Sets up --live: the open pages, and the middleware that lets them connect.

Imports everything that is needed later, because a sandboxed worker cannot read its own modules.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Sequence
from contextlib import suppress

from fastfile.clock import Clock
from fastfile.config.config import Config
from fastfile.dev.command import Command
from fastfile.dev.pages import Log, Pages
from fastfile.dev.prints import Submit
from fastfile.dev.watcher import Watching
from fastfile.middleware.live import Live
from fastfile.site.handler import Handler
from fastfile.site.pages import STYLE, escape_json, read_asset
from fastfile.storage.root import Root

if sys.platform == "linux":
    with suppress(ImportError):  # a Python without libffi has no ctypes: then poll
        from fastfile.dev import inotify  # noqa: F401
else:
    with suppress(ImportError):
        from fastfile.dev import native  # noqa: F401

_STYLE = STYLE.replace(":root", ":host") + read_asset("fastfile.dev", "notice.css")
SCRIPT = read_asset("fastfile.dev", "live.js").replace('STYLE = ""', f"STYLE = {escape_json(_STYLE)}").encode()


def make_live(
    handler: Handler,
    config: Config,
    loop: asyncio.AbstractEventLoop,
    clock: Clock,
    submit: Submit,
    roots: Sequence[Root],
    log: Log,
    command: Command | None,
) -> tuple[Live, Pages]:
    """Return the middleware around the handler, and the open pages, which the caller closes."""
    paths = [root.absolute(root.only or b"") for root in roots]
    watching = Watching(tuple(paths), config.follow_symlinks, config.watch_poll)
    pages = Pages(handler, loop, clock, submit, watching, log, command)
    return Live(handler, config, clock, pages, SCRIPT), pages
