"""--metrics: the sums of all workers' counters, in Prometheus' text format, on a separate listener.

Any worker can respond: all counters are in shared memory. When a worker ends, the supervisor adds its counters to a
page that stays, so the sums never decrease.
"""

from __future__ import annotations

import mmap
import platform
import socket
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from fastfile import WHY_PURE, __version__
from fastfile.errors import HTTPError
from fastfile.http.authority import check_host
from fastfile.message import RequestHead, Response
from fastfile.records import NamedTuple
from fastfile.responder import Responder
from fastfile.server.metrics.counters import (
    BOUNDS_US,
    CLASSES,
    DROPPED,
    DURATION_US,
    DURATIONS,
    FORWARDED,
    HITS,
    METHODS,
    OPEN,
    OVER_HTTP_2,
    REQUESTS,
    RESTARTS,
    SENT,
    UPSTREAM_FAILURES,
    Metrics,
)
from fastfile.server.metrics.gauges import (
    CPU_US,
    DESCRIPTORS,
    MAX_CONNECTIONS,
    OF_THE_LIVING,
    RELOAD_WORKED,
    RELOADED_MS,
    RSS,
    SLOTS,
    STARTED_MS,
    WORKERS,
)
from fastfile.server.net.bind import Listening
from fastfile.site.error_pages import VARY
from fastfile.site.representation import NO_CACHE, NO_SNIFFING, make_bodiless, make_response

if TYPE_CHECKING:
    from fastfile.server.following.asking import Asker

PAGE = 512  # bytes: whole cache lines, so that no two workers share one
PAGES = 4096  # workers at a time, including draining ones; one more is not counted
VERSION, HIGHEST = SLOTS, SLOTS + 1  # in page 0: odd while counters move into it; the highest page in use
TRIES = 1000  # to read while counters move: microseconds, unless the supervisor is stopped at that moment

CONTENT_TYPE = (b"Content-Type", b"text/plain; version=0.0.4; charset=utf-8")
PLAIN_TEXT = (b"Content-Type", b"text/plain; charset=utf-8")

# Metrics of one number: name, type, help, slot, and how many of the slot's units are one of the metric.
SINGLES = (
    ("fastfile_sent_bytes_total", "counter", "Bytes sent, including headers.", SENT, 1),
    ("fastfile_cache_hits_total", "counter", "Requests answered from the cache.", HITS, 1),
    ("fastfile_open_connections", "gauge", "Open client connections, up to a second late.", OPEN, 1),
    ("fastfile_worker_restarts_total", "counter", "Workers that ended and were replaced.", RESTARTS, 1),
    ("fastfile_dropped_log_lines_total", "counter", "Access log lines that nothing read in time.", DROPPED, 1),
    ("fastfile_forwarded_requests_total", "counter", "Requests forwarded to upstreams of --proxy.", FORWARDED, 1),
    ("fastfile_upstream_failures_total", "counter", "Forwarded requests without a response.", UPSTREAM_FAILURES, 1),
    ("fastfile_workers", "gauge", "Worker processes, with replaced ones that finish transfers.", WORKERS, 1),
    ("fastfile_max_connections", "gauge", "Connections that all workers may have.", MAX_CONNECTIONS, 1),
    (
        "fastfile_config_last_reload_success_timestamp_seconds",
        "gauge",
        "When workers began to serve with the current settings.",
        RELOADED_MS,
        1000,
    ),
    ("fastfile_config_last_reload_successful", "gauge", "Whether the last reload worked.", RELOAD_WORKED, 1),
    ("process_cpu_seconds_total", "counter", "CPU time of all workers, including ended ones.", CPU_US, 1e6),
    ("process_resident_memory_bytes", "gauge", "Memory of all workers; each counts shared pages.", RSS, 1),
    ("process_open_fds", "gauge", "Open descriptors of all workers.", DESCRIPTORS, 1),
    ("process_start_time_seconds", "gauge", "When the server was started.", STARTED_MS, 1000),
)


class Board:
    """A page of counters for each worker; page 0 has those of ended workers. Made before the first fork."""

    def __init__(self) -> None:
        self._pages = [page.cast("q") for page in _cut(memoryview(mmap.mmap(-1, PAGE * PAGES)))]
        self._free = list(range(PAGES - 1, 0, -1))
        base = self._pages[0]
        base[STARTED_MS] = base[RELOADED_MS] = int(time.time() * 1000)
        base[RELOAD_WORKED] = 1

    def take(self) -> int:
        """Return a page for a new worker; 0 if all are in use."""
        page = self._free.pop() if self._free else 0
        base = self._pages[0]
        base[HIGHEST] = max(base[HIGHEST], page)
        return page

    def metrics(self, page: int) -> Metrics | None:
        """Return the object that counts into a page, in its worker."""
        return Metrics(self._pages[page]) if page else None

    def retire(self, page: int) -> None:
        """Keep the counters of a worker that has ended; it has no connections any more."""
        if page == 0:
            return
        base, ended = self._pages[0], self._pages[page]
        base[VERSION] += 1
        for slot in OF_THE_LIVING:
            ended[slot] = 0
        for slot in range(SLOTS):
            base[slot] += ended[slot]
            ended[slot] = 0
        base[VERSION] += 1
        self._free.append(page)

    def slots(self, page: int) -> memoryview:
        """Return the slots of a page."""
        return self._pages[page]

    def note_reload(self, worked: bool) -> None:
        """Note that the settings were read again, and whether workers use them."""
        base = self._pages[0]
        base[RELOAD_WORKED] = int(worked)
        if worked:
            base[RELOADED_MS] = int(time.time() * 1000)

    def count_restart(self) -> None:
        """Count a worker that ended unexpectedly."""
        self._pages[0][RESTARTS] += 1

    def totals(self) -> list[int]:
        """Return the sum of each counter over all workers, running or ended."""
        base = self._pages[0]
        for _ in range(TRIES):
            version = base[VERSION]
            pages = self._pages[: base[HIGHEST] + 1]
            sums = [sum(page[slot] for page in pages) for slot in range(SLOTS)]
            if version == base[VERSION] and version % 2 == 0:
                break
        return sums


class Meter(NamedTuple):
    """The state of --metrics in a worker."""

    metrics: Metrics | None
    board: Board
    listening: socket.socket
    page: int

    def make_handler(
        self,
        hosts: tuple[bytes, ...],
        refresh: Callable[[], None],
        asker: Asker | None = None,
        expires_s: float | None = None,
    ) -> MetricsHandler:
        """Return the handler of the listener."""
        return MetricsHandler(self.board, hosts, refresh, asker, expires_s)


class Metering(NamedTuple):
    """The state of --metrics in a supervisor."""

    board: Board
    listening: Listening

    def make_meter(self, page: int) -> Meter:
        """Return the state of a worker that counts into a page."""
        return Meter(self.board.metrics(page), self.board, self.listening.take(0, 1)[0], page)


class MetricsHandler(Responder):
    """Responds on the listener of --metrics. ``refresh`` updates the numbers of this worker.

    ``hosts``: the accepted host names, in addition to loopback names and IP addresses (DNS rebinding). ``asker`` knows
    the follower, if there is one. ``expires_s`` is when a certificate expires, if there is one.
    """

    def __init__(
        self,
        board: Board,
        hosts: tuple[bytes, ...],
        refresh: Callable[[], None],
        asker: Asker | None = None,
        expires_s: float | None = None,
    ) -> None:
        self._asker = asker
        self._expires_s = expires_s
        self._board = board
        self._hosts = hosts
        self._refresh = refresh

    def respond(self, head: RequestHead) -> Response:
        """Return the counters, or the error for any other method, host or target."""
        try:
            is_ours = head.authority is None or check_host(head.authority, self._hosts)
        except HTTPError as error:
            return self.refuse(error, head)
        if not is_ours:
            return self.refuse(
                HTTPError(421, "Metrics are not served for that host name; --allowed-host NAME allows it."), head
            )
        if head.method not in (b"GET", b"HEAD"):
            return self.refuse(HTTPError(405, "Only GET and HEAD are allowed.", ((b"Allow", b"GET, HEAD"),)), head)
        if head.target.partition(b"?")[0] != b"/metrics":
            return self.refuse(HTTPError(404, "Metrics are at /metrics."), head)
        self._refresh()
        fields = (CONTENT_TYPE, NO_CACHE, NO_SNIFFING)
        text = make_text(self._board.totals()) + (b"" if self._asker is None else self._asker.make_metrics())
        if self._expires_s is not None:
            text += make_expiry(self._expires_s)
        response = make_response(200, fields, text)
        return make_bodiless(response) if head.method == b"HEAD" else response

    def refuse(self, error: HTTPError, head: RequestHead | None) -> Response:
        """Return an error as text."""
        fields = (PLAIN_TEXT, (b"Cache-Control", b"no-store"), VARY, NO_SNIFFING, *error.fields)
        response = make_response(error.status, fields, error.detail.encode() + b"\n")
        return make_bodiless(response) if head is not None and head.method == b"HEAD" else response


def make_text(totals: list[int]) -> bytes:
    """Return the counters in Prometheus' text format."""
    lines = _family("requests_total", "counter", "Responses, by method and class of status.")
    for row, method in enumerate(METHODS):
        for column in range(CLASSES):
            count = totals[REQUESTS + row * CLASSES + column]
            lines.append(f'fastfile_requests_total{{method="{method}",status="{column + 1}xx"}} {count}')
    lines += _family("protocol_requests_total", "counter", "Responses, by the protocol of their requests.")
    over_http_2 = totals[OVER_HTTP_2]
    over_http_1 = sum(totals[REQUESTS : REQUESTS + len(METHODS) * CLASSES]) - over_http_2
    for protocol, count in (("HTTP/1", over_http_1), ("HTTP/2", over_http_2)):
        lines.append(f'fastfile_protocol_requests_total{{protocol="{protocol}"}} {count}')
    lines += _histogram(totals)
    lines += _family("build_info", "gauge", "Always 1; the labels say what runs.")
    kernels = "pure" if WHY_PURE else "compiled"
    labels = f'version="{__version__}",python="{platform.python_version()}",kernels="{kernels}"'
    lines.append(f"fastfile_build_info{{{labels}}} 1")
    for name, kind, text, slot, unit in SINGLES:
        value = totals[slot] if unit == 1 else totals[slot] / unit
        lines += [f"# HELP {name} {text}", f"# TYPE {name} {kind}", f"{name} {value}"]
    return "\n".join(lines).encode() + b"\n"


def make_expiry(expires_s: float) -> bytes:
    """Return the metric of certificates."""
    name = "certificate_expiry_timestamp_seconds"
    lines = _family(name, "gauge", "When the first of the certificates in use expires.")
    return "\n".join([*lines, f"fastfile_{name} {expires_s:.0f}\n"]).encode()


def _histogram(totals: list[int]) -> list[str]:
    name = "request_duration_seconds"
    lines = _family(name, "histogram", "From a request's arrival to the last byte of its response.")
    count = 0
    for bucket, bound in enumerate((*(f"{bound / 1e6:g}" for bound in BOUNDS_US), "+Inf")):
        count += totals[DURATIONS + bucket]
        lines.append(f'fastfile_{name}_bucket{{le="{bound}"}} {count}')
    return [*lines, f"fastfile_{name}_sum {totals[DURATION_US] / 1e6}", f"fastfile_{name}_count {count}"]


def _family(name: str, kind: str, text: str) -> list[str]:
    return [f"# HELP fastfile_{name} {text}", f"# TYPE fastfile_{name} {kind}"]


def _cut(memory: memoryview) -> list[memoryview]:
    return [memory[start : start + PAGE] for start in range(0, len(memory), PAGE)]
