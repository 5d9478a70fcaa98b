"""``--open``: start the user's browser with the served page."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

from fastfile.cli.banner import make_url
from fastfile.config.config import Config, Endpoint


def open_browser(config: Config, endpoints: Sequence[Endpoint], path: str) -> str:
    """Start the browser and return an empty string, or return why not.

    It is a separate process: a browser in the terminal waits for its user, and the supervisor must not wait.
    """
    url = find_url(endpoints, path)
    if not url:
        return "--open: a Unix socket has no URL for a browser"
    if os.geteuid() == 0 or config.user is not None:
        return "--open: the browser is not started as root or for another user"
    # -I, so that a webbrowser.py in the served folder does not shadow the standard library's.
    command = [sys.executable, "-I", "-m", "webbrowser", url]
    silent = [(os.POSIX_SPAWN_OPEN, fd, os.devnull, os.O_RDWR, 0) for fd in range(3)]
    # A separate session, so that Ctrl+C ends the server and not the browser. It is reaped like any child.
    try:
        os.posix_spawn(sys.executable, command, dict(os.environ), file_actions=silent, setsid=True, setsigmask=())
    except OSError as error:
        return f"--open: cannot start a browser: {error.strerror}"
    return ""


def find_url(endpoints: Sequence[Endpoint], path: str) -> str:
    """Return the URL that a browser on this machine can open; empty if there is none."""
    for endpoint in endpoints:
        if not endpoint.path:
            return make_url(endpoint.local_host, endpoint.port, path, endpoint.is_secure)
    return ""
