"""The once-a-second sweep: connections that took too long are given up."""

from __future__ import annotations

from collections.abc import Callable

from fastfile.server.net.connection import Connection
from fastfile.server.net.poller import Poller

TICK_S = 1.0  # the granularity of deadlines


def connections_of(poller: Poller) -> list[Connection]:
    """Return the open connections."""
    return [watcher for watcher in poller.watchers() if isinstance(watcher, Connection)]


def sweep(poller: Poller, now_s: float, report: Callable[[BaseException], None]) -> None:
    """Give up each connection whose deadline has passed; the failure of one does not spare the others."""
    for connection in connections_of(poller):
        if connection.deadline_s < now_s:
            try:
                connection.on_deadline()
            except OSError:
                connection.close()
            except Exception as error:
                connection.close()
                report(error)
