"""A worker's questions to the follower: is there a newer release? They go over the worker's channel, once for all
requests that wait, and every wait is bounded.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable

from fastfile.clock import Clock
from fastfile.server.channel import ASK, WorkerChannel
from fastfile.server.following.status import STATUS, Status, parse_status

# How long a response waits: for the pointer to be read, or for a newer release that is already being fetched. The
# follower reads the pointer for 4 s at most, with its retries, so it answers before, unless it stands still.
PATIENCE_S = 5.0
FETCH_PATIENCE_S = 10.0


class Asker:
    """Belongs to the event loop. ``on_switch`` is called when another release is served.

    When an answer takes too long, no response waits until the store has answered again.
    """

    def __init__(
        self,
        channel: WorkerChannel,
        loop: asyncio.AbstractEventLoop,
        clock: Clock,
        report: Callable[[BaseException], None],
        is_fixed: bool,
    ) -> None:
        self._channel = channel
        self._loop = loop
        self._clock = clock
        self._report = report
        self.is_fixed = is_fixed  # --release: there is nothing to ask for
        self._waiting: list[tuple[float, Callable[[bool], None]]] = []  # with the times of the questions
        self._timer: asyncio.TimerHandle | None = None
        self._is_slow = False
        self.status = Status()
        self.on_switch: Callable[[], None] | None = None

    @property
    def is_useful(self) -> bool:
        return not (self._is_slow or self.is_fixed) and self.status.state in ("current", "preparing")

    @property
    def release(self) -> str:
        """The release that is served."""
        return self.status.release

    @property
    def age_s(self) -> float:
        """The time since the store confirmed the release that is served; infinite if it never did."""
        if self.is_fixed:
            return 0.0
        return time.monotonic() - self.status.confirmed_s if self.status.confirmed_s else float("inf")

    def make_metrics(self) -> bytes:
        """Return the follower's numbers in Prometheus' text format."""
        status = self.status
        age_s = f"{self.age_s:.3f}" if self.age_s < float("inf") else "+Inf"
        lines = [*_family("release_info", "gauge", "Always 1; the label says which release is served.")]
        lines.append(f'fastfile_release_info{{release="{status.release}"}} 1')
        for name, kind, text, value in (
            ("release_age_seconds", "gauge", "Time since the store confirmed the release that is served.", age_s),
            ("release_confirmed", "gauge", "Whether the last check of the store confirmed it.", +self._is_confirmed),
            ("release_switches_total", "counter", "Switches to another release.", status.switches),
            ("store_polls_total", "counter", "Checks of the store for a new release.", status.polls),
            ("store_failures_total", "counter", "Checks that failed, and releases that were refused.", status.failures),
            ("store_fetched_bytes_total", "counter", "Bytes of files downloaded from the store.", status.fetched_bytes),
        ):
            lines += [*_family(name, kind, text), f"fastfile_{name} {value}"]
        return "\n".join(lines).encode() + b"\n"

    @property
    def _is_confirmed(self) -> bool:
        return self.is_fixed or self.status.state == "current"

    def ask(self, on_answer: Callable[[bool], None]) -> None:
        """Call back with True once the pointer was read after this call; with False if that fails or takes too long."""
        self._waiting.append((time.monotonic(), on_answer))
        if self._timer is None:
            self._timer = self._loop.call_later(PATIENCE_S, self._look_at_time)
        if len(self._waiting) == 1:
            self._channel.send(ASK)

    def receive(self, lines: Iterable[bytes]) -> None:
        """Take the reports of the follower among the lines."""
        for line in lines:
            if line.startswith(STATUS):
                self._receive(line)

    def _receive(self, line: bytes) -> None:
        before, self.status = self.status, parse_status(line)
        confirmed_s = self.status.confirmed_s
        if confirmed_s > before.confirmed_s:
            self._is_slow = False
        if self.status.release != before.release and self.on_switch is not None:
            self._clock.begin_batch()
            self.on_switch()
        if self.status.state == "failing":
            self._give_up()
        elif self.status.state == "current":
            self._answer(confirmed_s, is_confirmed=True)
            if self._waiting:  # these came while the follower was reading
                self._channel.send(ASK)

    def _give_up(self) -> None:
        self._answer(float("inf"), is_confirmed=False)

    def _answer(self, confirmed_s: float, is_confirmed: bool) -> None:
        """Let the requests continue whose questions came before the pointer was read."""
        ready = [callback for asked_s, callback in self._waiting if asked_s <= confirmed_s]
        self._waiting = [waiting for waiting in self._waiting if waiting[0] > confirmed_s]
        if not self._waiting and self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if ready:
            self._clock.begin_batch()
        for callback in ready:
            try:
                callback(is_confirmed)
            except Exception as error:
                self._report(error)

    def _look_at_time(self) -> None:
        """Let the requests continue that have waited for too long."""
        self._timer = None
        patience_s = FETCH_PATIENCE_S if self.status.state == "preparing" else PATIENCE_S
        oldest_s = self._waiting[0][0] if self._waiting else 0.0
        now_s = time.monotonic()
        if self._waiting and now_s < oldest_s + patience_s:
            self._timer = self._loop.call_later(min(PATIENCE_S, oldest_s + patience_s - now_s), self._look_at_time)
            return
        self._is_slow = True
        self._give_up()


def _family(name: str, kind: str, text: str) -> list[str]:
    return [f"# HELP fastfile_{name} {text}", f"# TYPE fastfile_{name} {kind}"]
